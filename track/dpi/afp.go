package dpi

import "rustnet/track/event"

var (
	fieldAFPServer = event.AppString("afp_server", "Name of the server.")

	afpFields = []*event.AppField{fieldAFPServer}

	afpFirst = bytesIn("", 0, 1)
)

// parseAFP reads DSI's header (Apple's AFP Reference): flags, command, request, error or offset, length, four zeros.
func parseAFP(c *call) verdict {
	const headerLen, status, maxLen = 16, 3, 1 << 24
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && (b[1] == 0 || b[1] > 8) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be32(b[8:])
	// A session begins with the status or the opening, whose numbers are small.
	if n > maxLen || be32(b[12:]) != 0 || be16(b[2:]) > 16 && v.whole || b[0] == 0 && be32(b[4:]) > maxLen || b[1] == 1 && n != 0 ||
		b[1] == status && b[0] == 0 && n > 2 || b[1] == 4 && n > 64 {
		return no
	}
	if b[1] != status && b[1] != 4 && b[1] != 2 {
		return no
	}
	client := c.side
	if b[0] == 0 { // a question: the answer with the same number proves it
		answer := &c.view[1-c.side]
		if len(answer.b) < headerLen {
			if answer.gap || answer.fin {
				return no
			}
			return more
		}
		b, v = answer.b, answer
		if b[0] != 1 || b[1] != c.view[c.side].b[1] || string(b[2:4]) != string(c.view[c.side].b[2:4]) || be32(b[12:]) != 0 {
			return no
		}
	} else {
		question := c.view[1-c.side].b
		if len(question) < headerLen || question[0] != 0 || question[1] != b[1] || string(question[2:4]) != string(b[2:4]) || be32(question[12:]) != 0 {
			return no
		}
		client = 1 - c.side
	}
	if want := headerLen + int(min(be32(b[8:]), 1<<10)); b[1] == status && len(b) < want && !v.gap && !v.fin {
		return more
	}
	c.setClient(client)
	if b[1] != status {
		return c.finish()
	}
	// The server's information block has its name as a text with its length before it, behind offsets and flags.
	r := cursor{b: b[headerLen:]}
	r.bytes(10)
	name := r.vector8()
	c.edit()
	if !r.bad && len(name) > 0 {
		c.fact(fieldAFPServer, name)
	}
	return c.finish()
}
