package dpi

import "encoding/binary"

var wireguardFirst = bytesIn("", 1, 4)

// Sizes of the messages (https://www.wireguard.com/protocol/).
const (
	wireguardInitiation = 148
	wireguardResponse   = 92
	wireguardCookie     = 64
	wireguardData       = 32      // at least, and a multiple of 16
	wireguardBegun      = 1 << 40 // in a trail: the index is that of a handshake
	wireguardMaxStep    = 64      // by which a counter may grow from one datagram to the next that is seen
)

// parseWireGuard recognises WireGuard by its handshake, or by data whose counter grows.
func parseWireGuard(c *call) verdict {
	v := &c.view[c.side]
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
