package dpi

import "encoding/binary"

var wireguardFirst = bytesIn(disco[:1], 1, 4)

// Sizes of the messages (https://www.wireguard.com/protocol/).
const (
	wireguardInitiation = 148
	wireguardResponse   = 92
	wireguardCookie     = 64
	wireguardData       = 32      // at least, and a multiple of 16
	wireguardBegun      = 1 << 40 // in a trail: the index is that of a handshake
	wireguardMaxStep    = 64      // by which a counter may grow from one datagram to the next that is seen
)

// disco begins what two nodes of Tailscale look for paths between each other with: "TS" and a speech balloon, the sender's key, a nonce, and
// at least the tag and two bytes of what is sealed (disco of Tailscale 1.9x).
const (
	disco    = "TS\U0001f4ac"
	discoMin = len(disco) + 32 + 24 + 16 + 2
)

// parseWireGuard recognises WireGuard by its handshake, or by data whose counter grows. Where Tailscale looked for the path first, that is what the
// connection is until WireGuard goes over it.
func parseWireGuard(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if b[0] == disco[0] {
		if v.begins(disco) != match || len(b) < discoMin && !v.gap {
			return no
		}
		c.edit().Name = "tailscale"
		c.know()
		return match
	}
	got := wireguard(c, v)
	switch {
	case got == done:
		c.edit().Name = "wireguard"
	case c.f.parser != 0:
		return match
	}
	return got
}

func wireguard(c *call, v *view) verdict {
	b := v.b
	if b[1] != 0 || b[2] != 0 || b[3] != 0 {
		return no
	}
	switch b[0] {
	case 1:
		if !v.exactly(wireguardInitiation) {
			return more // a program that fills its messages up, perhaps
		}
		if !v.gap && allZero(b[wireguardInitiation-16:]) { // no cookie, as nearly always
			c.setClient(c.side)
			return c.finish()
		}
		c.leave(trailWireGuard, wireguardBegun|uint64(le32(b[4:])), 0)
	case 2, 3:
		receiver := 8 // behind the sender's own index
		size := wireguardResponse
		if b[0] == 3 {
			receiver, size = 4, wireguardCookie
		}
		if !v.exactly(size) {
			return more
		}
		if a, _, ok := c.trail(trailWireGuard, 1-c.side); ok && a == wireguardBegun|uint64(le32(b[receiver:])) {
			c.setClient(1 - c.side)
			return c.finish()
		}
	case 4:
		if len(b) < wireguardData || !v.gap && len(b)%16 != 0 {
			return more
		}
		index, counter := uint64(le32(b[4:])), binary.LittleEndian.Uint64(b[8:])
		if counter >= 1<<32 || index < 1<<8 {
			return more
		}
		if a, last, ok := c.trail(trailWireGuard, c.side); ok && a == index && counter > uint64(last) && counter-uint64(last) <= wireguardMaxStep {
			return c.finish()
		}
		c.leave(trailWireGuard, index, uint32(counter))
	}
	return more
}

func allZero(b []byte) bool {
	for _, d := range b {
		if d != 0 {
			return false
		}
	}
	return true
}
