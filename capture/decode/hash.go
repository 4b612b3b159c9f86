package decode

import "math/bits"

// Odd constants with as many ones as zeros, without structure of their own: the first decimals of
// square roots (as in SHA-512, FIPS 180-4 §5.3.5), made odd.
const (
	k0 = 0x6a09e667f3bcc909
	k1 = 0xbb67ae8584caa73b
	k2 = 0x3c6ef372fe94f82b
	k3 = 0xa54ff53a5f1d36f1
	k4 = 0x510e527fade682d1
	k5 = 0x9b05688c2b3e6c1f
)

// hash is Packet.Hash. Each end is mixed with its own port by multiplying to 128 bits and folding;
// the ends are then joined by sum and exclusive or, which do not know which came first.
//
// It has no secret, so whoever chooses addresses can make collisions: it spreads work, and a table
// must add a key of its own to the addresses themselves.
func hash(p *Packet) uint64 {
	a := fold(p.Src.Hi^uint64(p.SrcPort)<<47^k0, p.Src.Lo^uint64(p.SrcPort)^k1)
	b := fold(p.Dst.Hi^uint64(p.DstPort)<<47^k0, p.Dst.Lo^uint64(p.DstPort)^k1)
	what := uint64(p.TunnelKey())<<32 | uint64(p.Tunnel)<<16 | uint64(p.Proto)
	return fold(fold(a+b^k2, (a^b)^k3)^k4, what^k5)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
