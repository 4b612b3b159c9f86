package dpi

var roughtimeFirst = bytesIn("R", 1, 0)

// parseRoughtime knows the header of a message (draft-ietf-ntp-roughtime section 5): magic, and the length of what follows.
func parseRoughtime(c *call) verdict {
	const magic = "ROUGHTIM"
	v := &c.view[c.side]
	if v.begins(magic) != match || len(v.b) < len(magic)+4 || !v.exactly(len(magic)+4+int(le32(v.b[len(magic):])&0xffff)) {
		return no
	}
	c.edit()
	return c.finish()
}
