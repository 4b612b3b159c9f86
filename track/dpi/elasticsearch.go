package dpi

var elasticFirst = bytesIn("E", 1, 0)

// parseElastic reads a header of Elasticsearch's transport (its source, TcpHeader): magic, length, request, status, version.
func parseElastic(c *call) verdict {
	const headerLen, maxLen = 19, 1 << 28
	v := &c.view[c.side]
	if got := v.begins("ES"); got != match {
		return got
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	b := v.b
	if n := be32(b[2:]); n < headerLen-6 || n > maxLen || b[14] > 0x0f || be32(b[15:]) < 1000000 || be32(b[15:]) > 10000000 && be32(b[15:])&0x08000000 == 0 {
		return no
	}
	if b[14]&1 == 0 {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}
