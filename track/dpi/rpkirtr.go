package dpi

var rpkirtrFirst = bytesIn("", 0, 2)

// parseRPKIRTR reads the question that a router begins with and how a cache answers it (RFC 8210 section 5): version, kind, session, length.
// Both must be there and of one version.
func parseRPKIRTR(c *call) verdict {
	const headerLen, serialQuery, resetQuery, cacheResponse, cacheReset, errorReport = 8, 1, 2, 3, 8, 10
	client, known := Orig, false
	for s := range c.view {
		v := &c.view[s]
		b := v.b
		if len(b) > 0 && b[0] > 2 || len(b) > 1 && (b[1] == 0 || b[1] > errorReport) {
			return no
		}
		if len(b) == 0 {
			continue
		}
		if len(b) < headerLen {
			return v.unfinished()
		}
		n := be32(b[4:])
		switch b[1] {
		case resetQuery:
			if n != headerLen || be16(b[2:]) != 0 {
				return no
			}
			client, known = Side(s), true
		case serialQuery:
			if n != headerLen+4 {
				return no
			}
			client, known = Side(s), true
		case cacheResponse, cacheReset:
			if n != headerLen {
				return no
			}
		case errorReport:
			if n < headerLen+8 || n > 4<<10 {
				return no
			}
		default:
			return no
		}
	}
	a, b := c.view[Orig].b, c.view[Resp].b
	switch {
	case len(a) == 0 || len(b) == 0:
		if rpkirtrPrefixes(c.view[c.side].b) && c.unheard() {
			c.setClient(1 - c.side)
			return c.finish()
		}
		return c.view[c.side].unfinished()
	case !known || a[0] != b[0] || (a[1] <= resetQuery) == (b[1] <= resetQuery):
		return no
	}
	c.edit()
	c.setClient(client)
	return c.finish()
}

// rpkirtrPrefixes tells whether a cache's response is followed by a prefix (sections 5.6 and 5.7): flags, two lengths, a zero, address, AS.
func rpkirtrPrefixes(b []byte) bool {
	const headerLen, response, prefix4, prefix6 = 8, 3, 4, 6
	if len(b) < 2*headerLen+4 || b[1] != response {
		return false
	}
	next := b[headerLen:]
	most, size := byte(32), uint32(20)
	if next[1] == prefix6 {
		most, size = 128, 32
	}
	return next[0] == b[0] && (next[1] == prefix4 || next[1] == prefix6) && be16(next[2:]) == 0 && be32(next[4:]) == size &&
		next[8] <= 1 && next[9] <= next[10] && next[10] <= most && next[11] == 0
}
