package dpi

var rmiFirst = bytesIn("J", 1, 0)

// parseRMI knows how a client of Java's remote method invocation begins (its specification, section 10.2): magic, version, how it goes on.
func parseRMI(c *call) verdict {
	const magic, stream, multiplex = "JRMI\x00", 0x4b, 0x4d
	v := &c.view[c.side]
	switch got := v.begins(magic); {
	case got != match:
		return got
	case len(v.b) < len(magic)+2:
		return v.unfinished()
	case v.b[5] == 0 || v.b[5] > 2 || v.b[6] < stream || v.b[6] > multiplex:
		return no
	}
	c.setClient(c.side)
	return c.finish()
}
