package decode

import "rustnet/capture"

// EtherTypes (IANA ieee-802-numbers). Those of the last group never stand on the wire there.
const (
	etherIPv4       = 0x0800
	etherARP        = 0x0806
	etherTRILL      = 0x22f3
	etherCDP        = 0x2000 // Cisco HDLC and SNAP
	etherERSPAN3    = 0x22eb
	etherBridged    = 0x6558
	etherVLAN       = 0x8100
	etherIPv6       = 0x86dd
	etherSlow       = 0x8809
	etherPPP        = 0x880b
	etherWCCP       = 0x883e
	etherMPLS       = 0x8847
	etherMPLSUp     = 0x8848
	etherPPPoE      = 0x8864
	etherJumboLLC   = 0x8870
	etherEAPOL      = 0x888e
	etherQinQ       = 0x88a8
	etherERSPAN2    = 0x88be
	etherPreAuth    = 0x88c7
	etherLLDP       = 0x88cc
	etherMACsec     = 0x88e5
	etherPBB        = 0x88e7
	etherPTP        = 0x88f7
	etherFabricPath = 0x8903
	etherCiscoMeta  = 0x8909
	etherVNTag      = 0x8926
	etherHSR        = 0x892f
	etherETag       = 0x893f
	etherNSH        = 0x894f
	etherQinQ9100   = 0x9100
	etherQinQ9200   = 0x9200
	etherRTag       = 0xf1c1

	etherAnyIP       = 0xffff // IPv4 or IPv6, as its first bits say
	etherWiFi        = 0xfffe // an IEEE 802.11 frame
	etherWiFiSwapped = 0xfffd // one whose frame control has its second byte first

	maxLLC  = 1500 // what is no more is a length and an LLC header follows (IEEE 802.3 §3.2.6)
	vidMask = 0xfff
)

func (d *Decoder) ethernet(b []byte, wire int, p *Packet) Skip {
	if len(b) < 14 {
		return SkipTruncated
	}
	t := be.Uint16(b[12:])
	if t == etherIPv4 { // as nearly all
		return d.ip4(b[14:], wire-14, p)
	}
	return d.etherType(t, b[:12], b[14:], wire-14, p)
}

// etherType reads what stands behind an EtherType or length. macs holds destination and source
// address, or nothing where the link has none.
func (d *Decoder) etherType(t uint16, macs, b []byte, wire int, p *Packet) Skip {
	for {
		switch t {
		case etherIPv4:
			return d.ip4(b, wire, p)
		case etherIPv6:
			return d.ip6(b, wire, p)
		case etherAnyIP:
			return d.ip(b, wire, p)
		case etherVLAN, etherQinQ, etherQinQ9100, etherQinQ9200:
			if len(b) < 4 {
				return SkipTruncated
			}
			if p.VLAN == 0 && d.depth == 0 {
				p.VLAN = be.Uint16(b) & vidMask
			}
			t, b, wire = be.Uint16(b[2:]), b[4:], wire-4
		case etherVNTag, etherETag, etherCiscoMeta, etherHSR, etherRTag: // tags of switches: Cisco's, IEEE 802.1BR §7, Cisco's, IEC 62439-3, IEEE 802.1CB §7.8
			n := 8
			if t == etherVNTag || t == etherHSR || t == etherRTag {
				n = 6
			}
			if len(b) < n {
				return SkipTruncated
			}
			t, b, wire = be.Uint16(b[n-2:]), b[n:], wire-n
		case etherNSH: // RFC 8300 §2
			var n int
			if t, n = nsh(b); n > len(b) {
				return SkipTruncated
			}
			b, wire = b[n:], wire-n
		default:
			return d.rareType(t, macs, b, wire, p)
		}
	}
}

func (d *Decoder) rareType(t uint16, macs, b []byte, wire int, p *Packet) Skip {
	switch t {
	case etherARP:
		return arp(b, p)
	case etherMPLS, etherMPLSUp:
		return d.mpls(b, wire, p)
	case etherPPPoE:
		return d.pppoe(b, wire, p)
	case etherPPP:
		return d.ppp(b, wire, p)
	case etherBridged:
		return d.ethernet(b, wire, p)
	case etherWiFi:
		return d.wifi(b, wire, 0, p)
	case etherWiFiSwapped:
		return d.wifi(b, wire, wifiSwapped, p)
	case etherTRILL: // RFC 6325 §3: two nicknames and options, then the frame
		if len(b) < 6 {
			return SkipTruncated
		}
		return d.skipping(6+4*int(be.Uint16(b)>>6&31), capture.LinkEthernet, b, wire, p)
	case etherFabricPath: // Cisco's tag, then the frame
		return d.skipping(2, capture.LinkEthernet, b, wire, p)
	case etherMACsec:
		return d.macsec(macs, b, wire, p)
	case etherPBB: // IEEE 802.1Q §9.7: a service tag, then the customer's frame
		return d.skipping(4, capture.LinkEthernet, b, wire, p)
	case etherJumboLLC:
		return d.llc(macs, b, wire, p)
	case etherLLDP:
		return d.linkProto(LLDP, macs, b, wire, p)
	case etherEAPOL, etherPreAuth:
		return d.linkProto(EAPOL, macs, b, wire, p)
	case etherPTP:
		return d.linkProto(PTP, macs, b, wire, p)
	case etherSlow:
		if len(b) > 0 && b[0] == 1 {
			return d.linkProto(LACP, macs, b, wire, p)
		}
		return SkipNotIP
	}
	if t <= maxLLC {
		if n := int(t); n < wire {
			b, wire = b[:min(len(b), n)], n
		}
		return d.llc(macs, b, wire, p)
	}
	return SkipNotIP
}

// linkProto is a protocol without addresses of its own. Within a tunnel it proves nothing.
func (d *Decoder) linkProto(proto Proto, macs, b []byte, wire int, p *Packet) Skip {
	if d.depth > 0 {
		return SkipNotIP
	}
	p.Proto = proto
	if len(macs) >= 12 {
		p.Dst, p.Src = mac(macs), mac(macs[6:])
	}
	p.IPLen = uint32(wire)
	p.payload(0, b, wire)
	return SkipNone
}

// llc reads an IEEE 802.2 header, with SNAP (RFC 1042) where it says so.
func (d *Decoder) llc(macs, b []byte, wire int, p *Packet) Skip {
	if len(b) < 3 {
		return SkipTruncated
	}
	switch {
	case b[0] == 0xaa && b[1] == 0xaa:
		return d.snap(macs, b[3:], wire-3, p)
	case b[0] == 0x42 && b[1] == 0x42:
		return d.linkProto(STP, macs, b[3:], wire-3, p)
	case b[0] == 0x06 && b[1] == 0x06:
		return d.ip(b[3:], wire-3, p)
	}
	return SkipNotIP
}

func (d *Decoder) snap(macs, b []byte, wire int, p *Packet) Skip {
	if len(b) < 5 {
		return SkipTruncated
	}
	oui, t := uint32(be.Uint16(b))<<8|uint32(b[2]), be.Uint16(b[3:])
	b, wire = b[5:], wire-5
	switch {
	case (oui == 0 || oui == 0xf8) && t > maxLLC: // RFC 1042; IEEE 802.1H bridge tunnel
		return d.etherType(t, macs, b, wire, p)
	case oui == 0x00000c && t == etherCDP:
		return d.linkProto(CDP, macs, b, wire, p)
	case oui == 0x00000c && t == 0x010b: // Cisco's spanning tree for each VLAN
		return d.linkProto(STP, macs, b, wire, p)
	case oui == 0x0080c2 && t == 0x000e: // RFC 2427 §4.2, bridged
		return d.linkProto(STP, macs, b, wire, p)
	case oui == 0x0080c2 && (t == 0x0001 || t == 0x0007):
		return d.ethernet(b, wire, p)
	}
	return SkipNotIP
}

// arp reads ARP for IPv4 over any hardware (RFC 826).
func arp(b []byte, p *Packet) Skip {
	if len(b) < 8 {
		return SkipTruncated
	}
	hw, pl := int(b[4]), int(b[5])
	if be.Uint16(b[2:]) != etherIPv4 || pl != 4 {
		return SkipNotIP
	}
	n := 8 + 2*(hw+pl)
	if len(b) < n {
		return SkipTruncated
	}
	p.Proto, p.IPVersion = ARP, 4
	p.Src, p.Dst = addr4(b[8+hw:]), addr4(b[8+hw+pl+hw:])
	p.IPLen = uint32(n)
	p.payload(0, b[:n], n)
	return SkipNone
}

// macsec reads frames that IEEE 802.1AE §9 protects but does not encrypt.
func (d *Decoder) macsec(macs, b []byte, wire int, p *Packet) Skip {
	const sci, encrypted, changed, icv = 0x20, 0x08, 0x04, 16
	n := 6
	if len(b) > 0 && b[0]&sci != 0 {
		n += 8
	}
	if len(b) < n+2 {
		return SkipTruncated
	}
	if b[0]&(encrypted|changed) != 0 || d.depth == maxDepth {
		return SkipNotIP
	}
	end := max(wire-icv, n+2)
	if short := int(b[1] & 0x3f); short >= 2 { // for frames that would be padded
		end = min(end, n+short)
	}
	b = b[:min(len(b), end)]
	d.depth++
	s := d.etherType(be.Uint16(b[n:]), macs, b[n+2:], end-n-2, p)
	d.depth--
	return s
}

// mpls reads a label stack (RFC 3032). What follows it is not said anywhere: IP shows by its version,
// a pseudowire has Ethernet behind a control word (RFC 4385) or without one.
func (d *Decoder) mpls(b []byte, wire int, p *Packet) Skip {
	for bottom := false; !bottom; {
		if len(b) < 4 {
			return SkipTruncated
		}
		bottom = b[2]&1 != 0
		b, wire = b[4:], wire-4
	}
	if len(b) == 0 {
		return SkipTruncated
	}
	if d.depth == maxDepth {
		return SkipNotIP
	}
	before, strict := *p, d.strict
	d.depth++
	d.strict = true
	first := SkipNotIP
	switch {
	case leavesRest(b, wire): // more likely an Ethernet address that looks like IP (RFC 4928 §3)
		if first = d.ethernet(b, wire, p); !first.taken() {
			*p = before
			first = d.ip(b, wire, p)
		}
	case b[0]>>4 == 4 || b[0]>>4 == 6:
		first = d.ip(b, wire, p)
	case b[0]>>4 == 0:
		if len(b) > 4 {
			first = d.ethernet(b[4:], wire-4, p)
		}
	}
	if !first.taken() {
		*p = before
		if s := d.ethernet(b, wire, p); s.taken() {
			first = s
		}
	}
	d.depth--
	d.strict = strict
	return first
}

// leavesRest tells whether there is more behind an IP packet than padding and a checksum.
func leavesRest(b []byte, wire int) bool {
	const padded, sum = 46, 4
	if len(b) < 6 || wire <= padded+sum {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		return int(be.Uint16(b[2:])) < wire-sum
	case 6:
		return ip6Header+int(be.Uint16(b[4:])) < wire-sum
	}
	return false
}

func nsh(b []byte) (t uint16, n int) {
	if len(b) < 8 {
		return 0, 8
	}
	carries := [...]uint16{1: etherIPv4, 2: etherIPv6, 3: etherBridged, 5: etherMPLS}
	t = etherSlow // nothing that we track
	if int(b[3]) < len(carries) && carries[b[3]] != 0 {
		t = carries[b[3]]
	}
	return t, max(8, int(b[1]&0x3f)*4)
}

// pppoe reads a session's header (RFC 2516 §4).
func (d *Decoder) pppoe(b []byte, wire int, p *Packet) Skip {
	if len(b) < 6 {
		return SkipTruncated
	}
	if b[0] != 0x11 || b[1] != 0 {
		return SkipNotIP
	}
	n := int(be.Uint16(b[4:]))
	b, wire = b[6:], wire-6
	if n < wire {
		b, wire = b[:min(len(b), n)], n
	}
	return d.ppp(b, wire, p)
}
