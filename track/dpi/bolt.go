package dpi

var boltFirst = bytesIn("\x60", 1, 0)

// parseBolt knows Neo4j's protocol by its magic number, which four versions follow.
func parseBolt(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins("\x60\x60\xb0\x17"); got != match {
		return got
	}
	if len(v.b) < 20 {
		return v.unfinished()
	}
	c.setClient(c.side)
	return c.finish()
}
