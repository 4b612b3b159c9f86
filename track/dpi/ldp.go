package dpi

var ldpFirst = bytesIn("\x00", 1, 0)

// parseLDP reads a PDU and its messages, whose lengths must add up (RFC 5036 section 3.1 and 3.5).
func parseLDP(c *call) verdict {
	const headerLen = 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 1 || len(b) > 2 && b[2] > 0x10 {
		return no
	}
	if len(b) < headerLen+8 {
		return v.unfinished()
	}
	n := 4 + int(be16(b[2:]))
	if n < headerLen+8 || n > 4<<10 || !ldpMessage(be16(b[headerLen:])) {
		return no
	}
	if len(b) < n {
		return v.unfinished()
	}
	if !c.f.tcp && len(b) != n {
		return no
	}
	for p := b[headerLen:n]; len(p) > 0; {
		if len(p) < 8 || !ldpMessage(be16(p)) {
			return no
		}
		size := 4 + int(be16(p[2:]))
		if size < 8 || size > len(p) {
			return no
		}
		p = p[size:]
	}
	return c.finish()
}

// ldpMessage tells the types of RFC 5036 section 3.7 and of RFC 5561.
func ldpMessage(kind uint16) bool {
	switch kind &^ 0x8000 {
	case 0x0001, 0x0100, 0x0200, 0x0201, 0x0202, 0x0300, 0x0301, 0x0400, 0x0401, 0x0402, 0x0403, 0x0404:
		return true
	}
	return false
}
