package dpi

var gearmanFirst = bytesIn("\x00", 1, 0)

// parseGearman reads a binary packet (Gearman protocol): magic, type, length.
func parseGearman(c *call) verdict {
	const headerLen, maxType, maxData = 12, 42, 1 << 26
	v := &c.view[c.side]
	request, response := v.begins("\x00REQ"), v.begins("\x00RES")
	if request != match && response != match {
		return max(request, response)
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	if kind := be32(v.b[4:]); kind == 0 || kind > maxType || be32(v.b[8:]) > maxData {
		return no
	}
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}
