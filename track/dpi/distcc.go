package dpi

var distccFirst = bytesIn("D", 1, 0)

// parseDistcc reads the first token of a job or its answer (distcc's protocol-1.txt).
func parseDistcc(c *call) verdict {
	v := &c.view[c.side]
	request, answer := v.begins("DIST0000000"), v.begins("DONE0000000")
	if request != match && answer != match {
		return max(request, answer)
	}
	if len(v.b) < 16 {
		return v.unfinished()
	}
	if b := v.b[11]; b < '1' || b > '3' {
		return no
	}
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}
