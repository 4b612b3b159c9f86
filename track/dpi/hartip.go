package dpi

var hartipFirst = bytesIn("", 1, 2)

// parseHARTIP reads the request that opens a session, or the answer to it (HART-IP, HCF_SPEC-085 section 7): version, kind,
// identifier, status, number, size; a primary or secondary master, and how long it may say nothing.
func parseHARTIP(c *call) verdict {
	const headerLen, sessionLen, request, response, initiate, longest = 8, 13, 0, 1, 0, 24 * 3600 * 1000
	v := &c.view[c.side]
	b := v.b
	if len(b) > 2 && (b[1] != request && b[1] != response || b[2] != initiate) {
		return no
	}
	if len(b) < sessionLen {
		return v.unfinished()
	}
	if be16(b[6:]) != sessionLen || !v.exactly(sessionLen) || b[1] == request && b[3] != 0 || b[headerLen] > 1 || be32(b[headerLen+1:]) == 0 || be32(b[headerLen+1:]) > longest {
		return no
	}
	c.edit()
	if b[1] == request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}
