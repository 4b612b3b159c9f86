package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldGnutellaAgent = event.AppString("gnutella_agent", "Program of the client.")

	gnutellaFields = []*event.AppField{fieldGnutellaAgent}

	gnutellaFirst = bytesIn("G", 1, 0)
)

// parseGnutella reads a handshake (Gnutella 0.6): a line like HTTP's and headers.
func parseGnutella(c *call) verdict {
	v := &c.view[c.side]
	request, answer := v.begins("GNUTELLA CONNECT/0."), v.begins("GNUTELLA/0.")
	if request != match && answer != match {
		return max(request, answer)
	}
	head, whole := headSize(v.b)
	if !whole && !v.gap && !v.fin && len(v.b) < 4<<10 {
		return more
	}
	c.edit()
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
		return c.finish()
	}
	for rest := v.b[:head]; len(rest) > 0; {
		line, size := cutLine(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && equalFold(key, "user-agent") {
			c.fact(fieldGnutellaAgent, trimSpace(value))
		}
	}
	return c.finish()
}
