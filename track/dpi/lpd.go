package dpi

import "rustnet/track/event"

var (
	fieldLPDQueue = event.AppString("lpd_queue", "Queue of the printer.")

	lpdFields = []*event.AppField{fieldLPDQueue}

	lpdFirst = bytesIn("", 0, 5)
)

// parseLPD reads a command for a printer's queue (RFC 1179 section 5) and the answer to one that sends a job: a zero.
func parseLPD(c *call) verdict {
	const receive, maxName = 2, 64
	v, other := &c.view[Orig], &c.view[Resp]
	b := v.b
	if !v.whole || len(b) > 512 || len(other.b) > 8 || len(b) > 0 && (b[0] == 0 || b[0] > 5) || len(other.b) > 0 && other.b[0] != 0 && (len(b) == 0 || b[0] == receive) {
		return no
	}
	if len(b) == 0 {
		return v.unfinished()
	}
	line, size := cutLine(b)
	if size == 0 {
		if len(b) > 1 && !printable(b[1:]) || len(b) > maxName {
			return no
		}
		return v.unfinished()
	}
	queue := firstWord(line[1:])
	if len(queue) == 0 || len(queue) > maxName || !textLine(line[1:]) || size < len(b) && (b[size] == 0 || b[size] > 3) {
		return no
	}
	// The job's own commands begin once the printer says yes.
	if line[0] == receive && len(other.b) > 0 && other.b[0] == 0 && (size < len(b) && b[size] <= 3 || c.hasPort(515)) ||
		line[0] != receive && c.hasPort(515) && (line[0] == 3 || line[0] == 4) {
		c.setClient(Orig)
		c.fact(fieldLPDQueue, queue)
		return c.finish()
	}
	return v.unfinished()
}
