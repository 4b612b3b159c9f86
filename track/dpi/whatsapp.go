package dpi

var whatsappFirst = bytesIn("EW", 1, 0)

// parseWhatsApp reads how a client begins a handshake of the Noise framework, as the programs do it: where to be routed
// ("ED", version, length, value) if it knows, "WA" and a version, then a message behind its length, whose only field is
// the hello (protocol buffers).
func parseWhatsApp(c *call) verdict {
	const headLen, maxRoute, hello = 4, 256, 0x12
	v := &c.view[c.side]
	b := v.b
	if b[0] == 'E' {
		if got := v.begins("ED\x00\x01\x00"); got != match {
			return got
		}
		if len(b) < headLen+3 {
			return v.unfinished()
		}
		n := headLen + 3 + int(be16(b[headLen+1:]))
		if n > headLen+3+maxRoute {
			return no
		}
		b = b[min(n, len(b)):]
	}
	switch {
	case len(b) > 0 && b[0] != 'W', len(b) > 1 && b[1] != 'A', len(b) > 2 && (b[2] == 0 || b[2] > 9), len(b) > 4 && b[4] != 0, len(b) > 7 && b[7] != hello:
		return no
	case len(b) < headLen+6: // its length is one byte or two
		return v.unfinished()
	}
	r := cursor{b: b[headLen+4:]}
	size := r.mqttVarint()
	if head := len(b) - headLen - 3 - len(r.b); r.bad || head+size != int(be16(b[headLen+1:])) {
		return no
	}
	c.setClient(c.side)
	return c.finish()
}
