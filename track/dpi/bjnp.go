package dpi

var bjnpFirst = bytesIn("BM", 1, 0)

const bjnpHeaderLen = 16

// parseBJNP recognises the protocol of Canon's printers and scanners: a word, kind, command, four bytes of state, a session
// and the length of what follows.
func parseBJNP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if magic := string(b[:4]); magic != "BJNP" && magic != "BJNB" && magic != "MFNP" {
		return no
	}
	if kind := b[4] & 0x7f; kind == 0 || kind > 4 || be32(b[12:]) > 1<<16 || !v.exactly(bjnpHeaderLen+size32(be32(b[12:]))) {
		return no
	}
	c.setClient(c.side ^ sideIf(b[4]&0x80 != 0))
	return c.finish()
}
