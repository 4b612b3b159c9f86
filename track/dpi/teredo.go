package dpi

var teredoFirst = bytesIn("\x00", 0x60, 0x6f)

// parseTeredo reads what the decoder leaves: packets without content, which keep a way open (RFC 4380 section 5.1.1).
func parseTeredo(c *call) verdict {
	const origin, authentication, ip6 = 0x0000, 0x0001, 40
	const prefix, linkLocal = 0x20010000, 0xfe80
	v := &c.view[c.side]
	r := cursor{b: v.b}
	if be16(r.b) == authentication {
		r.bytes(2)
		id, value := r.u8(), r.u8()
		r.bytes(id + value + 8 + 1)
	}
	if len(r.b) >= 2 && be16(r.b) == origin {
		r.bytes(8)
	}
	b := r.b
	if len(b) < ip6 || b[0]>>4 != 6 || int(be16(b[4:])) > len(b)-ip6 && !v.gap {
		return no
	}
	ours := func(a []byte) bool { return be32(a) == prefix }
	near := func(a []byte) bool { return be16(a) == linkLocal }
	if src, dst := b[8:24], b[24:40]; !ours(src) && !ours(dst) && !(near(src) && c.hasPort(3544)) {
		return no
	}
	return c.finish()
}
