package decode

import "math/bits"

// Lanes is how many values Packet.Lane has.
const Lanes = 16

// laneOf is Packet.Lane. Sums do not know which end came first. What tunnel a packet came through is left out: the two directions of a
// connection may go through different ones.
//
// It has no secret, so whoever chooses addresses can aim at a lane: it spreads work, and a table
// must add a key of its own to the addresses themselves.
func laneOf(p *Packet) uint8 {
	// Without structure of their own: the first decimals of square roots (as in SHA-512, FIPS 180-4 §5.3.5).
	hi, lo := bits.Mul64((p.Src.Hi+p.Dst.Hi+uint64(p.SrcPort)+uint64(p.DstPort))^0x6a09e667f3bcc909, (p.Src.Lo+p.Dst.Lo)^uint64(p.Proto)^0xbb67ae8584caa73b)
	return uint8((hi ^ lo) >> 60)
}
