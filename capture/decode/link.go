package decode

import "rustnet/capture"

// Link types besides those that capture names.
const (
	linkTokenRing    = 6
	linkSLIP         = 8
	linkRaw12        = 12
	linkRaw14        = 14
	linkPPPHDLC      = 50
	linkPPPoE        = 51
	linkRFC1483      = 100
	linkCHDLC        = 104
	linkWiFi         = 105
	linkFrameRelay   = 107
	linkEnc          = 109
	linkPFLOG        = 117
	linkPrism        = 119
	linkIPOverFC     = 122
	linkSunATM       = 123
	linkRadiotap     = 127
	linkARCNET       = 129
	linkFireWire     = 138 // Apple's
	linkUser2        = 149 // what Apple's tools wrote for PKTAP
	linkDOCSIS       = 143
	linkAVS          = 163
	linkJuniperEther = 178
	linkPPI          = 192
	linkPPPWithDir   = 204
	linkCHDLCDir     = 205
	linkFRelayDir    = 206
	linkIPNET        = 226
	linkNFLOG        = 239
	linkNetAnalyzer  = 240
	linkNetTransp    = 241
	linkIPoIB        = 242
	linkPKTAP        = 258
	linkBrcmTag      = 281
	linkBrcmPrepend  = 282
	linkDSA          = 284
	linkEDSA         = 285
)

// link reads a frame by its link type; Ethernet's goes to ethernet directly.
func (d *Decoder) link(t capture.LinkType, b []byte, wire int, p *Packet) Skip {
	switch t {
	case capture.LinkEthernet:
		return d.ethernet(b, wire, p)
	case capture.LinkRaw, linkRaw12, linkRaw14:
		return d.ip(b, wire, p)
	case capture.LinkIPv4:
		return d.ip4(b, wire, p)
	case capture.LinkIPv6:
		return d.ip6(b, wire, p)
	case capture.LinkSLL:
		return d.sll(b, wire, p)
	case capture.LinkSLL2:
		return d.sll2(b, wire, p)
	case capture.LinkNull, capture.LinkLoop:
		return d.null(b, wire, p)
	case capture.LinkPPP, linkPPPHDLC:
		return d.hdlc(b, wire, p)
	case linkPPPoE:
		return d.pppoe(b, wire, p)
	case linkCHDLC:
		return d.chdlc(b, wire, p)
	case linkPPPWithDir, linkCHDLCDir, linkFRelayDir:
		return d.withDir(t, b, wire, p)
	case linkFrameRelay:
		return d.frameRelay(b, wire, p)
	case linkSLIP: // libpcap's header: a direction, then what is compressed
		return d.skipping(16, capture.LinkRaw, b, wire, p)
	case linkIPNET: // Solaris: all that its header says is in IP's, too
		return d.skipping(24, capture.LinkRaw, b, wire, p)
	case linkEnc: // OpenBSD: family, security parameters, flags
		return d.skipping(12, capture.LinkRaw, b, wire, p)
	case linkPFLOG: // BSD's packet filter: its header says its length, which is rounded up
		if len(b) == 0 {
			return SkipTruncated
		}
		return d.skipping((int(b[0])+3)&^3, capture.LinkRaw, b, wire, p)
	case linkNetAnalyzer: // Hilscher: four bytes of its own
		return d.skipping(4, capture.LinkEthernet, b, wire, p)
	case linkNetTransp: // the same, then the preamble
		return d.skipping(12, capture.LinkEthernet, b, wire, p)
	case linkDOCSIS:
		return d.docsis(b, wire, p)
	case linkTokenRing:
		return d.tokenRing(b, wire, p)
	case linkRFC1483: // LLC, without addresses
		return d.llc(nil, b, wire, p)
	case linkIPOverFC, linkSunATM: // addresses, or a circuit's number, then LLC
		n := 16
		if t == linkSunATM {
			n = 4
		}
		return d.skipping(n, linkRFC1483, b, wire, p)
	case linkFireWire:
		if len(b) < 18 {
			return SkipTruncated
		}
		return d.etherType(be.Uint16(b[16:]), nil, b[18:], wire-18, p)
	case linkJuniperEther:
		return d.juniper(b, wire, p)
	case linkIPoIB:
		return d.ipoib(b, wire, p)
	case linkARCNET:
		return d.arcnet(b, wire, p)
	case linkWiFi:
		return d.wifi(b, wire, 0, p)
	case linkRadiotap:
		return d.radiotap(b, wire, p)
	case linkPrism, linkAVS:
		return d.prism(b, wire, p)
	case linkPPI:
		return d.ppi(b, wire, p)
	case linkNFLOG:
		return d.nflog(b, wire, p)
	case linkPKTAP, linkUser2:
		return d.pktap(b, wire, p)
	case linkDSA, linkBrcmTag:
		return d.switchTag(4, b, wire, p)
	case linkEDSA:
		return d.switchTag(8, b, wire, p)
	case linkBrcmPrepend:
		return d.skipping(4, capture.LinkEthernet, b, wire, p)
	}
	return d.longTail(t, b, wire, p)
}

func (d *Decoder) skipping(n int, t capture.LinkType, b []byte, wire int, p *Packet) Skip {
	if len(b) < n {
		return SkipTruncated
	}
	return d.link(t, b[n:], wire-n, p)
}

// hdlc is PPP on a line, or Cisco's own framing, which its address byte tells apart (RFC 1662 §3.1).
func (d *Decoder) hdlc(b []byte, wire int, p *Packet) Skip {
	if len(b) > 1 && (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0 {
		return d.chdlc(b, wire, p)
	}
	return d.ppp(b, wire, p)
}

// ppp reads a PPP frame, whose address, control and half of whose protocol may be left out (RFC 1661
// §6.5, §6.6).
func (d *Decoder) ppp(b []byte, wire int, p *Packet) Skip {
	if len(b) > 1 && b[0] == 0xff && b[1] == 3 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return SkipTruncated
	}
	proto, n := be.Uint16(b), 2
	if b[0]&1 != 0 {
		proto, n = uint16(b[0]), 1
	}
	b, wire = b[n:], wire-n
	switch proto {
	case 0x0021:
		return d.ip4(b, wire, p)
	case 0x0057:
		return d.ip6(b, wire, p)
	case 0x0281, 0x0283:
		return d.mpls(b, wire, p)
	case 0x0031: // RFC 3518 §4.2: flags and the kind of frame, 1 = Ethernet
		if len(b) > 2 && b[1] == 1 {
			return d.ethernet(b[2:], wire-2, p)
		}
	}
	return SkipNotIP
}

func (d *Decoder) chdlc(b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 {
		return SkipTruncated
	}
	t := be.Uint16(b[2:])
	if t == etherCDP {
		return d.linkProto(CDP, nil, b[4:], wire-4, p)
	}
	if t <= maxLLC {
		return SkipNotIP
	}
	return d.etherType(t, nil, b[4:], wire-4, p)
}

// withDir reads the link types that begin with a byte for the direction, 0 = received.
func (d *Decoder) withDir(t capture.LinkType, b []byte, wire int, p *Packet) Skip {
	if len(b) == 0 {
		return SkipTruncated
	}
	if p.Dir == capture.DirUnknown {
		p.Dir = capture.DirIn
		if b[0] != 0 {
			p.Dir = capture.DirOut
		}
	}
	b, wire = b[1:], wire-1
	switch t {
	case linkCHDLCDir:
		return d.chdlc(b, wire, p)
	case linkFRelayDir:
		return d.frameRelay(b, wire, p)
	}
	return d.hdlc(b, wire, p)
}

// frameRelay reads a Q.922 address of any length and RFC 2427's header, or Cisco's EtherType.
func (d *Decoder) frameRelay(b []byte, wire int, p *Packet) Skip {
	n := 0
	for n < len(b) && n < 4 && b[n]&1 == 0 {
		n++
	}
	n++
	if len(b) < n+2 {
		return SkipTruncated
	}
	b, wire = b[n:], wire-n
	if b[0] != 3 {
		if t := be.Uint16(b); t > maxLLC {
			return d.etherType(t, nil, b[2:], wire-2, p)
		}
		return SkipNotIP
	}
	b, wire = b[1:], wire-1
	if b[0] == 0 && len(b) > 1 { // padding, to align what follows
		b, wire = b[1:], wire-1
	}
	nlpid := b[0]
	b, wire = b[1:], wire-1
	switch nlpid {
	case 0xcc:
		return d.ip4(b, wire, p)
	case 0x8e:
		return d.ip6(b, wire, p)
	case 0x80:
		return d.snap(nil, b, wire, p)
	case 0xcf:
		return d.ppp(b, wire, p)
	}
	return SkipNotIP
}

// null reads BSD's loopback header: an address family in the byte order of the machine that wrote
// it. AF_INET is 2 everywhere; AF_INET6 is 24 (NetBSD, OpenBSD, Npcap), 28 (FreeBSD), 30 (Apple), 10 (Linux), 23 (Windows).
func (d *Decoder) null(b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 {
		return SkipTruncated
	}
	family := be.Uint32(b)
	if family > 0xffff {
		family = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	b, wire = b[4:], wire-4
	switch family {
	case 2:
		return d.ip4(b, wire, p)
	case 10, 23, 24, 28, 30:
		return d.ip6(b, wire, p)
	case etherIPv4, etherIPv6, etherARP:
		return d.etherType(uint16(family), nil, b, wire, p)
	}
	return SkipNotIP
}

// docsis reads a frame of a cable modem (DOCSIS 3.0 MAC and Upper Layer Protocols §6.2) that holds a packet.
func (d *Decoder) docsis(b []byte, wire int, p *Packet) Skip {
	const kind, extended = 0xc0, 0x01
	if len(b) < 6 {
		return SkipTruncated
	}
	if b[0]&kind != 0 {
		return SkipNotIP
	}
	n := 6
	if b[0]&extended != 0 {
		n += int(b[1])
	}
	return d.skipping(n, capture.LinkEthernet, b, wire, p)
}

// tokenRing reads IEEE 802.5 with its source route, if there is one.
func (d *Decoder) tokenRing(b []byte, wire int, p *Packet) Skip {
	if len(b) < 15 {
		return SkipTruncated
	}
	if b[1]>>6 != 1 { // no LLC frame
		return SkipNotIP
	}
	n := 14
	if b[8]&0x80 != 0 {
		n += max(2, int(b[14]&0x1f))
	}
	if len(b) < n {
		return SkipTruncated
	}
	copy(d.macs[:], b[2:14])
	d.macs[6] &^= 0x80
	return d.llc(d.macs[:], b[n:], wire-n, p)
}

// juniper reads what routers of that make write of an Ethernet interface: a magic number, flags,
// extensions, and Ethernet or, without it, a number for what follows.
func (d *Decoder) juniper(b []byte, wire int, p *Packet) Skip {
	const extended, noEthernet = 0x80, 0x02
	if len(b) < 6 {
		return SkipTruncated
	}
	if b[0] != 'M' || b[1] != 'G' || b[2] != 'C' {
		return SkipNotIP
	}
	flags, n := b[3], 4
	if flags&extended != 0 {
		n += 2 + int(be.Uint16(b[4:]))
	}
	if flags&noEthernet == 0 {
		return d.skipping(n, capture.LinkEthernet, b, wire, p)
	}
	return d.skipping(n+4, capture.LinkRaw, b, wire, p)
}

// ipoib reads IP over InfiniBand (RFC 4391): two hardware addresses as the tap gives them, an
// EtherType, two reserved bytes.
func (d *Decoder) ipoib(b []byte, wire int, p *Packet) Skip {
	if len(b) < 44 {
		return SkipTruncated
	}
	return d.etherType(be.Uint16(b[40:]), nil, b[44:], wire-44, p)
}

// arcnet reads Linux's ARCNET header, with RFC 1201's behind it. Of a packet in pieces only the
// first can be told.
func (d *Decoder) arcnet(b []byte, wire int, p *Packet) Skip {
	if len(b) < 8 {
		return SkipTruncated
	}
	kind, piece, n := b[4], b[5], 8
	if piece == 0xff { // a header of its own, to make the length a legal one
		if len(b) < 12 {
			return SkipTruncated
		}
		piece, n = b[9], 12
	}
	if piece != 0 && piece&1 == 0 {
		return SkipNotIP
	}
	switch kind {
	case 212:
		return d.ip4(b[n:], wire-n, p)
	case 213:
		return arp(b[n:], p)
	case 196:
		return d.ip6(b[n:], wire-n, p)
	}
	return SkipNotIP
}

// ARPHRD_ values of Linux that say what a cooked header's protocol is not: an EtherType.
const (
	arphrdNetlink  = 824
	arphrdFRAD     = 770
	arphrdWiFi     = 801
	arphrdPrism    = 802
	arphrdRadiotap = 803
)

// sll and sll2 read Linux's cooked headers (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).
func (d *Decoder) sll(b []byte, wire int, p *Packet) Skip {
	if len(b) < 16 {
		return SkipTruncated
	}
	return d.cooked(be.Uint16(b), be.Uint16(b[2:]), b[6:12], be.Uint16(b[14:]), b[16:], wire-16, p)
}

func (d *Decoder) sll2(b []byte, wire int, p *Packet) Skip {
	if len(b) < 20 {
		return SkipTruncated
	}
	return d.cooked(uint16(b[10]), be.Uint16(b[8:]), b[12:18], be.Uint16(b), b[20:], wire-20, p)
}

func (d *Decoder) cooked(kind, hardware uint16, sender []byte, t uint16, b []byte, wire int, p *Packet) Skip {
	if p.Dir == capture.DirUnknown {
		p.Dir = capture.DirIn
		if kind == 4 { // PACKET_OUTGOING
			p.Dir = capture.DirOut
		}
	}
	switch hardware {
	case arphrdNetlink, arphrdFRAD:
		return SkipNotIP
	case arphrdWiFi:
		return d.wifi(b, wire, 0, p)
	case arphrdPrism:
		return d.prism(b, wire, p)
	case arphrdRadiotap:
		return d.radiotap(b, wire, p)
	}
	d.macs = [12]byte{}
	copy(d.macs[6:], sender)
	if t == 4 { // ETH_P_802_2
		return d.llc(d.macs[:], b, wire, p)
	}
	if t <= maxLLC {
		return SkipNotIP
	}
	return d.etherType(t, d.macs[:], b, wire, p)
}

// switchTag reads Ethernet with a switch chip's tag between the addresses and the type.
func (d *Decoder) switchTag(n int, b []byte, wire int, p *Packet) Skip {
	if len(b) < 14+n {
		return SkipTruncated
	}
	return d.etherType(be.Uint16(b[12+n:]), b[:12], b[14+n:], wire-14-n, p)
}
