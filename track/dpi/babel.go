package dpi

var babelFirst = bytesIn("*", 1, 0)

// parseBabel reads a packet (RFC 8966 section 4.2): magic, version, length, and what fills it: type, length, value.
func parseBabel(c *call) verdict {
	const headerLen, padding = 4, 0
	v := &c.view[c.side]
	b := v.b
	if b[0] != 42 || b[1] != 2 {
		return no
	}
	n := int(be16(b[2:]))
	if n < 2 || headerLen+n > len(b) && !v.gap {
		return no
	}
	for b = b[headerLen:min(len(b), headerLen+n)]; len(b) > 0; {
		if b[0] == padding {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[0] > 64 && b[0] < 128 || 2+int(b[1]) > len(b) && !v.gap {
			return no
		}
		b = b[min(2+int(b[1]), len(b)):]
	}
	return c.finish()
}
