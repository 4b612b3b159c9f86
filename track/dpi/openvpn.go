package dpi

// Opcodes of OpenVPN, in the upper five bits (its protocol is described in the program's doc/doxygen and in
// draft-openvpn-wire-protocol).
const (
	openvpnClient1 = 1
	openvpnServer1 = 2
	openvpnControl = 4
	openvpnAck     = 5
	openvpnClient2 = 7
	openvpnServer2 = 8
	openvpnClient3 = 10

	openvpnPort     = 1194
	openvpnPlainLen = 14 // opcode, session, no acknowledgements, packet number
)

// openvpnFirst: the first packets of both sides, and over TCP the length before them.
var openvpnFirst = bytesIn("\x08\x10\x20\x28\x38\x40\x50", 0, 5)

// openvpnDay is how far a packet's own time may be from the capture's.
const openvpnDay = 24 * 3600

// openvpnReset judges a first packet by itself: sure, alike or unlike.
func (c *call) openvpnReset(b []byte) likeness {
	if len(b) < openvpnPlainLen || b[0]&7 != 0 || be64(b[1:]) == 0 {
		return unlike
	}
	switch b[0] >> 3 {
	case openvpnClient1, openvpnClient2, openvpnClient3, openvpnServer1, openvpnServer2:
	default:
		return unlike
	}
	if len(b) == openvpnPlainLen && b[9] == 0 && be32(b[10:]) == 0 && c.hasPort(openvpnPort) {
		return sure
	}
	// tls-crypt: number and time follow the session; tls-auth: a digest of 16, 20, 32 or 64 bytes comes before them.
	for _, digest := range [...]int{0, 16, 20, 32, 64} {
		if at := 9 + digest; len(b) >= at+8+5 && be32(b[at:]) == 1 {
			if d := int64(be32(b[at+4:])) - c.ts/1e9; d > -openvpnDay && d < openvpnDay {
				return sure
			}
		}
	}
	return alike
}

// openvpnAnswers tells whether a server's first packet names the client's session, in its place or behind a digest.
func openvpnAnswers(server []byte, session uint64) bool {
	if op := server[0] >> 3; op != openvpnServer1 && op != openvpnServer2 || be64(server[1:]) == session {
		return false
	}
	for at := 9; at+8 <= min(len(server), 160); at++ {
		if be64(server[at:]) == session {
			return true
		}
	}
	return false
}

// openvpnSession returns the session that a side was seen to begin.
func (c *call) openvpnSession(s Side) (session uint64, ok bool) {
	a, hi, ok := c.trail(trailOpenVPN, s)
	return uint64(hi)<<32 | a&0xffffffff, ok
}

// parseOpenVPN recognises OpenVPN by its first packets; nothing else of it can be read.
func parseOpenVPN(c *call) verdict {
	b := c.view[c.side].b
	if op := b[0] >> 3; op == openvpnControl || op == openvpnAck { // of the session that the side began before
		if session, ok := c.openvpnSession(c.side); !ok || session != be64(b[1:]) {
			return more
		}
		return c.finish()
	}
	how := c.openvpnReset(b)
	if how == unlike {
		return more
	}
	op := b[0] >> 3
	server := op == openvpnServer1 || op == openvpnServer2
	if how == alike {
		session, ok := c.openvpnSession(1 - c.side)
		if !ok || !server || !openvpnAnswers(b, session) {
			own := be64(b[1:])
			c.leave(trailOpenVPN, own, uint32(own>>32))
			return more
		}
	}
	c.setClient(c.side ^ sideIf(server))
	return c.finish()
}

// parseOpenVPNStream recognises it over TCP, where every packet is behind its length.
func parseOpenVPNStream(c *call) verdict {
	var first [2][]byte
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		if len(v.b) < 3 {
			if s == c.side {
				return v.unfinished()
			}
			continue
		}
		n := int(be16(v.b))
		if n < openvpnPlainLen || n > 1500 || v.b[2]&7 != 0 {
			return no
		}
		if len(v.b) < 2+n {
			if s == c.side {
				return v.unfinished()
			}
			continue
		}
		first[s] = v.b[2 : 2+n]
	}
	how := c.openvpnReset(first[c.side])
	if how == unlike {
		return no
	}
	op := first[c.side][0] >> 3
	client := c.side ^ sideIf(op == openvpnServer1 || op == openvpnServer2)
	if how == alike {
		if first[1-c.side] == nil {
			return c.view[c.side].unfinished()
		}
		if c.openvpnReset(first[1-c.side]) == unlike || !openvpnAnswers(first[1-client], be64(first[client][1:])) {
			return no
		}
	}
	c.setClient(client)
	return c.finish()
}
