package decode

import "encoding/binary"

// In this package b holds the captured bytes of a header and all behind it, and wire says how many
// there were on the wire; len(b) <= wire always.

var be = binary.BigEndian

const (
	ip4Header = 20
	ip6Header = 40
)

// IPv6 extension headers and what else is not a protocol of its own (IANA protocol numbers).
const (
	hopByHop   Proto = 0
	ipInIP     Proto = 4
	dccp       Proto = 33
	ip6InIP    Proto = 41
	routing    Proto = 43
	fragment   Proto = 44
	noNext     Proto = 59
	destOpts   Proto = 60
	etherIP    Proto = 97
	mobility   Proto = 135
	udpLite    Proto = 136
	mplsInIP   Proto = 137
	hip        Proto = 139
	shim6      Proto = 140
	fragHeader       = 8
)

// ip reads an IP packet by the version it says.
func (d *Decoder) ip(b []byte, wire int, p *Packet) Skip {
	switch {
	case len(b) == 0:
		return SkipTruncated
	case b[0]>>4 == 4:
		return d.ip4(b, wire, p)
	case b[0]>>4 == 6:
		return d.ip6(b, wire, p)
	}
	return SkipNotIP
}

// ip4 reads an IPv4 packet (RFC 791). What lies behind its total length is padding of the link. A
// total length of 0 means that the card was to cut the packet up (TSO, BIG TCP), and one that
// exceeds the frame is a lie or stands for bytes that a writer of the file cut without saying so:
// in both cases the frame's length holds. Where nothing but the
// length tells that it is IP at all, a lie means that it is not.
func (d *Decoder) ip4(b []byte, wire int, p *Packet) Skip {
	if len(b) < ip4Header {
		return SkipTruncated
	}
	header := int(b[0]&15) * 4
	if b[0]>>4 != 4 || header < ip4Header {
		return SkipMalformed
	}
	total := int(be.Uint16(b[2:]))
	switch {
	case total == 0:
		if d.strict && wire <= 0xffff {
			return SkipMalformed
		}
		total = wire
	case total < header:
		return SkipMalformed
	case total > wire:
		if d.strict {
			return SkipMalformed
		}
		total = wire
	}
	if header > len(b) || header > total {
		return SkipTruncated
	}
	p.IPVersion = 4
	p.Src, p.Dst = addr4(b[12:]), addr4(b[16:])
	p.IPLen = uint32(total)
	if d.sums {
		if checksum(b[:header], 0) != 0 {
			d.bad(p)
		}
		d.routed = d.routed || sourceRouted(b[ip4Header:header])
	}
	body := b[header:min(len(b), total)]
	if f := be.Uint16(b[6:]); f&0x3fff != 0 {
		return d.fragment(Proto(b[9]), uint32(be.Uint16(b[4:])), int(f&0x1fff)*8, f&0x2000 != 0, body, total-header, p)
	}
	switch proto := Proto(b[9]); proto {
	case TCP: // nothing between
		return d.tcp(body, total-header, p)
	case UDP:
		return d.udp(body, total-header, p)
	default:
		return d.upper(proto, body, total-header, p)
	}
}

// ip6 reads an IPv6 packet (RFC 8200). A payload length of 0 means more than 65,535 bytes, with
// (RFC 2675) or without (Linux BIG TCP) an option that says how many: the frame's length holds.
func (d *Decoder) ip6(b []byte, wire int, p *Packet) Skip {
	if len(b) < ip6Header {
		return SkipTruncated
	}
	if b[0]>>4 != 6 {
		return SkipMalformed
	}
	next, n := Proto(b[6]), int(be.Uint16(b[4:]))
	if n == 0 && next != noNext {
		if d.strict && wire <= 0xffff {
			return SkipMalformed
		}
		n = wire - ip6Header
	}
	if n > wire-ip6Header {
		if d.strict {
			return SkipMalformed
		}
		n = wire - ip6Header
	}
	p.IPVersion = 6
	p.Src, p.Dst = addr6(b[8:]), addr6(b[24:])
	p.IPLen = uint32(ip6Header + n)
	return d.upper(next, b[ip6Header:min(len(b), ip6Header+n)], n, p)
}

// upper reads what an IP header carries. It walks through IPv6's extension headers, and through AH
// in both versions (RFC 4302 §2).
func (d *Decoder) upper(proto Proto, b []byte, wire int, p *Packet) Skip {
	for {
		switch proto {
		case TCP:
			return d.tcp(b, wire, p)
		case UDP:
			return d.udp(b, wire, p)
		case ICMP, ICMP6:
			return d.icmp(proto, b, wire, p)
		case SCTP:
			return d.ports(proto, sctpHeader, b, wire, p)
		case udpLite:
			return d.ports(proto, udpHeader, b, wire, p)
		case dccp:
			return d.dccp(b, wire, p)
		case fragment:
			if p.IPVersion != 6 {
				return d.other(proto, b, wire, p)
			}
			return d.fragment6(b, wire, p)
		}
		if isTunnel(proto) {
			return d.ipTunnel(proto, b, wire, p)
		}
		n, ok := extension(proto, p.IPVersion, b)
		if !ok {
			return d.other(proto, b, wire, p)
		}
		if n > len(b) {
			return SkipTruncated
		}
		if d.sums && (proto == routing && b[3] > 0 || proto == destOpts && hasHomeAddress(b[2:n])) {
			d.routed = true
		}
		proto, b, wire = Proto(b[0]), b[n:], wire-n
	}
}

// sourceRouted tells whether options of IPv4 have a source route that is not at its end: the last address in it is
// the destination (RFC 791 §3.1).
func sourceRouted(b []byte) bool {
	const end, noOp, loose, strict = 0, 1, 0x83, 0x89
	for len(b) > 0 && b[0] != end {
		n := 1
		if b[0] != noOp {
			if len(b) < 3 || b[1] < 2 || int(b[1]) > len(b) {
				return false
			}
			n = int(b[1])
			if (b[0] == loose || b[0] == strict) && b[2] < b[1] {
				return true
			}
		}
		b = b[n:]
	}
	return false
}

// hasHomeAddress tells whether destination options hold the address that stands for the source (RFC 6275 §6.3).
func hasHomeAddress(b []byte) bool {
	const pad1, homeAddress = 0, 0xc9
	for len(b) > 0 {
		n := 1
		if b[0] != pad1 {
			if b[0] == homeAddress {
				return true
			}
			if len(b) < 2 {
				return false
			}
			n = min(2+int(b[1]), len(b))
		}
		b = b[n:]
	}
	return false
}

// extension gives the length of a header that another one follows, more than there is when the
// capture cut it. ok is false when proto is none: then it is what the packet is about. That is so
// also for mobility, HIP and shim6 signalling, which nothing follows.
func extension(proto Proto, version uint8, b []byte) (n int, ok bool) {
	switch proto {
	case AH:
	case hopByHop, routing, destOpts, mobility, hip, shim6:
		if version != 6 {
			return 0, false
		}
	default:
		return 0, false
	}
	if len(b) < 8 {
		return len(b) + 1, true
	}
	switch proto {
	case AH:
		return (int(b[1]) + 2) * 4, true
	case mobility, hip, shim6:
		if Proto(b[0]) == noNext {
			return 0, false
		}
	}
	return (int(b[1]) + 1) * 8, true
}

// fragment6 reads a fragment header (RFC 8200 §4.5). One that is neither preceded nor followed by
// another is a whole datagram (RFC 6946).
func (d *Decoder) fragment6(b []byte, wire int, p *Packet) Skip {
	if len(b) < fragHeader {
		return SkipTruncated
	}
	f := be.Uint16(b[2:])
	next, id, off, more := Proto(b[0]), be.Uint32(b[4:]), int(f&^7), f&1 != 0
	b, wire = b[fragHeader:], wire-fragHeader
	if off == 0 && !more {
		return d.upper(next, b, wire, p)
	}
	if more && wire%8 != 0 {
		return SkipMalformed
	}
	return d.fragment(next, id, off, more, b, wire, p)
}

// other is a protocol that has no ports, or whose ports we do not read.
func (d *Decoder) other(proto Proto, b []byte, wire int, p *Packet) Skip {
	p.Proto = proto
	p.payload(0, b, wire)
	return SkipNone
}

// payload sets the payload to what stands behind a header of n bytes.
func (p *Packet) payload(n int, b []byte, wire int) {
	p.PayloadLen = uint32(max(0, wire-n))
	if len(b) > n {
		p.Payload = b[n:]
	}
}
