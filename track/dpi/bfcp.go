package dpi

const bfcpHeaderLen = 12

// bfcpFirst: version 1, over TCP, or 2, over UDP; there an answer is marked.
var bfcpFirst = bytesIn("\x20\x40\x50", 1, 0)

// bfcpMessage judges a message (RFC 8855 section 5): version, kind, length in words, conference, transaction, user, and attributes that
// fill it. One without attributes is too little. It returns how long it is.
func bfcpMessage(b []byte, version byte) (n int, how likeness) {
	const kinds, attributes, reserved = 18, 18, 0x0f
	n = bfcpHeaderLen + 4*int(be16(b[2:]))
	if b[0]>>5 != version || b[0]&reserved != 0 || b[1] == 0 || b[1] > kinds || n > 1<<10 {
		return 0, unlike
	}
	if n > len(b) {
		return n, alike
	}
	how = alike
	for rest := b[bfcpHeaderLen:n]; len(rest) > 0; how = sure {
		if len(rest) < 2 || rest[1] < 2 || rest[0]>>1 == 0 || rest[0]>>1 > attributes {
			return 0, unlike
		}
		size := (int(rest[1]) + 3) &^ 3
		if size > len(rest) {
			return 0, unlike
		}
		for _, padding := range rest[rest[1]:size] {
			if padding != 0 {
				return 0, unlike
			}
		}
		rest = rest[size:]
	}
	return n, how
}

// bfcpCall is what request and answer have in common: conference, transaction and user.
func bfcpCall(b []byte) uint64 { return be64(b[4:]) & trailMask }

// parseBFCP reads the control of who may speak in a conference. What alone says too little must be answered.
func parseBFCP(c *call) verdict {
	v := &c.view[c.side]
	n, how := bfcpMessage(v.b, 2)
	if how == unlike || !v.exactly(n) {
		return no
	}
	if how == alike {
		before, _, ok := c.trail(trailBFCP, 1-c.side)
		if !ok || before != bfcpCall(v.b) {
			c.leave(trailBFCP, bfcpCall(v.b), 0)
			return more
		}
	}
	return c.finish()
}

// parseBFCPStream is that over TCP.
func parseBFCPStream(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < bfcpHeaderLen {
		return v.unfinished()
	}
	n, how := bfcpMessage(v.b, 1)
	if how == unlike {
		return no
	}
	if n > len(v.b) || how == alike {
		other := c.view[1-c.side].b
		if n > len(v.b) || len(other) < bfcpHeaderLen {
			return v.unfinished()
		}
		if _, answer := bfcpMessage(other, 1); answer == unlike || bfcpCall(other) != bfcpCall(v.b) {
			return no
		}
	}
	return c.finish()
}
