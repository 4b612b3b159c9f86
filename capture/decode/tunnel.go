package decode

// Tunnels. A port or a protocol number is only a reason to look: the tunnel's header and what it
// carries must make sense as far as a whole IP or ARP packet within, else the packet is an ordinary
// one of the outer connection.

// UDP ports that tunnels are known by (IANA; 8472 is what Linux had before there was a number, 37008 is MikroTik's).
const (
	portL2TP     = 1701
	portGTP      = 2152
	portTeredo   = 3544
	portLISP     = 4341
	portGRE      = 4754
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portAYIYA    = 5072
	portCAPWAP   = 5247
	portGeneve   = 6081
	portMPLS     = 6635
	portVXLANOld = 8472
	portTZSP     = 37008
)

// tunnelPorts has them by their lower byte, which no two share.
var tunnelPorts = func() (by [256]uint16) {
	by[0] = 1 // port 0 is none
	for _, p := range [...]uint16{portL2TP, portGTP, portTeredo, portLISP, portGRE, portVXLAN, portVXLANGPE, portAYIYA, portCAPWAP, portGeneve, portMPLS, portVXLANOld, portTZSP} {
		by[p&0xff] = p
	}
	return by
}()

func tunnelPort(p uint16) bool { return tunnelPorts[p&0xff] == p }

func TunnelPorts(src, dst uint16) bool { return tunnelPort(dst) || tunnelPort(src) }

// inner decodes what a tunnel carries. ok tells that it is something; if not, p is as it was.
func (d *Decoder) inner(kind Tunnel, id uint32, etherType uint16, b []byte, wire int, p *Packet) (s Skip, ok bool) {
	if d.depth == maxDepth {
		return SkipNotIP, false
	}
	outer, extra, routed := *p, d.extra, d.routed
	*p = Packet{TS: p.TS, Clock: p.Clock, Frame: p.Frame, Dir: p.Dir, VLAN: p.VLAN, Iface: p.Iface, Tunnel: kind, TunnelID: id}
	d.extra, d.routed = 0, false
	d.depth++
	s = d.etherType(etherType, nil, b, wire, p)
	d.depth--
	if s.taken() {
		return s, true
	}
	*p, d.extra, d.routed = outer, extra, routed
	return s, false
}

// guess is inner where no EtherType or protocol number speaks for what is carried.
func (d *Decoder) guess(kind Tunnel, id uint32, etherType uint16, b []byte, wire int, p *Packet) (Skip, bool) {
	strict := d.strict
	d.strict = true
	s, ok := d.inner(kind, id, etherType, b, wire, p)
	d.strict = strict
	return s, ok
}

// taken tells that the bytes were what they were tried as, whether or not a packet came of it now.
func (s Skip) taken() bool { return s == SkipNone || s == Held || s == SkipFragment }

// isTunnel tells whether a protocol is one of those that ipTunnel reads.
func isTunnel(proto Proto) bool {
	switch proto {
	case GRE, ipInIP, ip6InIP, mplsInIP, etherIP:
		return true
	}
	return false
}

// ipTunnel reads the tunnels that are IP protocols, see isTunnel.
func (d *Decoder) ipTunnel(proto Proto, b []byte, wire int, p *Packet) Skip {
	var s Skip
	var ok bool
	switch proto {
	case ipInIP: // RFC 2003
		s, ok = d.inner(TunnelIPIP, 0, etherIPv4, b, wire, p)
	case ip6InIP: // RFC 2473, RFC 4213
		s, ok = d.inner(TunnelIPIP, 0, etherIPv6, b, wire, p)
	case mplsInIP: // RFC 4023
		s, ok = d.inner(TunnelIPIP, 0, etherMPLS, b, wire, p)
	case etherIP: // RFC 3378: a version, then Ethernet
		if len(b) > 2 && b[0] == 0x30 && b[1] == 0 {
			s, ok = d.inner(TunnelEtherIP, 0, etherBridged, b[2:], wire-2, p)
		}
	case GRE:
		s, ok = d.gre(b, wire, p)
	}
	if ok {
		return s
	}
	return d.other(proto, b, wire, p)
}

// Flags of GRE (RFC 1701, RFC 2784, RFC 2890; RFC 2637 §4.1 for version 1).
const (
	greSum     = 0x8000
	greRouting = 0x4000
	greKey     = 0x2000
	greSeq     = 0x1000
	greAck     = 0x0080
	greVersion = 0x0007

	// What it carries, where the number is no EtherType.
	greEoIP      = 0x6400
	greAruba     = 0x8200 // and each 16 more, up to 0x83f0
	greAruba9000 = 0x9000
)

func (d *Decoder) gre(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) < 4 {
		return SkipTruncated, false
	}
	flags, proto, n := be.Uint16(b), be.Uint16(b[2:]), 4
	var id uint32
	switch flags & greVersion {
	case 0:
		if flags&(greSum|greRouting) != 0 {
			n += 4
		}
		if flags&greKey != 0 {
			if len(b) < n+4 {
				return SkipTruncated, false
			}
			id = be.Uint32(b[n:])
			n += 4
		}
	case 1: // PPTP and its like: where the key was are a length and the receiver's call, not one key
		if flags&greKey == 0 {
			return SkipNotIP, false
		}
		n += 4
		if flags&greAck != 0 {
			n += 4
		}
	default:
		return SkipNotIP, false
	}
	if flags&greSeq != 0 {
		n += 4
	}
	for more := flags&greRouting != 0; more; { // source routes, the last one has length 0
		if len(b) < n+4 {
			return SkipTruncated, false
		}
		more = b[n+3] != 0
		n += 4 + int(b[n+3])
	}
	if proto == etherERSPAN2 && flags&greSeq != 0 {
		n += 8 // type II; type I, without a sequence number, has no header
	}
	if proto == etherERSPAN3 {
		if len(b) < n+12 {
			return SkipTruncated, false
		}
		n += 12 + 8*int(b[n+11]&1)
	}
	if len(b) <= n {
		return SkipTruncated, false
	}
	switch proto {
	case etherERSPAN2, etherERSPAN3:
		proto = etherBridged
	case etherWCCP: // version 2 puts four bytes before the IP header, version 1 none
		proto = etherIPv4
		if b[n]>>4 != 4 {
			n += 4
		}
	case greEoIP: // MikroTik's, of version 1; the key's place holds a length and, its low byte first, the tunnel's number
		if flags&greVersion == 1 {
			proto, id = etherBridged, uint32(le.Uint16(b[6:]))
		}
	default:
		if proto&^0x01f0 == greAruba || proto == greAruba9000 { // what access points bring to their controller
			proto = etherWiFi
		}
	}
	if len(b) < n {
		return SkipTruncated, false
	}
	return d.inner(TunnelGRE, id, proto, b[n:], wire-n, p)
}

// udpTunnel reads the tunnels that go over UDP, the receiver's port first.
func (d *Decoder) udpTunnel(b []byte, wire int, p *Packet) (Skip, bool) {
	outer := [2]uint16{p.DstPort, p.SrcPort}
	for _, port := range outer {
		var s Skip
		var ok bool
		switch port {
		case portVXLAN, portVXLANOld:
			s, ok = d.vxlan(b, wire, p)
		case portVXLANGPE:
			s, ok = d.vxlanGPE(b, wire, p)
		case portGeneve:
			s, ok = d.geneve(b, wire, p)
		case portGTP:
			s, ok = d.gtp(b, wire, p)
		case portGRE: // RFC 8086
			s, ok = d.gre(b, wire, p)
		case portTeredo:
			s, ok = d.teredo(b, wire, p)
		case portL2TP:
			s, ok = d.l2tp(b, wire, p)
		case portLISP:
			s, ok = d.lisp(b, wire, p)
		case portAYIYA:
			s, ok = d.ayiya(b, wire, p)
		case portCAPWAP:
			s, ok = d.capwap(b, wire, p)
		case portMPLS: // RFC 7510
			s, ok = d.inner(TunnelMPLS, 0, etherMPLS, b, wire, p)
		case portTZSP:
			s, ok = d.tzsp(b, wire, p)
		}
		if ok {
			return s, true
		}
	}
	return SkipNone, false
}

const (
	vxlanHeader = 8
	vxlanHasID  = 0x08
)

// vxlan: RFC 7348 §5. Reserved bits are ignored, as it says; extensions use some.
func (d *Decoder) vxlan(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) <= vxlanHeader || b[0]&vxlanHasID == 0 {
		return SkipNotIP, false
	}
	return d.inner(TunnelVXLAN, be.Uint32(b[4:])>>8, etherBridged, b[vxlanHeader:], wire-vxlanHeader, p)
}

// vxlanGPE: draft-ietf-nvo3-vxlan-gpe §3, which says what it carries.
func (d *Decoder) vxlanGPE(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) <= vxlanHeader || b[0]&vxlanHasID == 0 {
		return SkipNotIP, false
	}
	carries := [...]uint16{1: etherIPv4, 2: etherIPv6, 3: etherBridged, 4: etherNSH, 5: etherMPLS}
	t := uint16(etherBridged)
	if n := int(b[3]); n > 0 { // also without the flag that says so, as some senders have it
		if t = 0; n < len(carries) {
			t = carries[n]
		}
	}
	return d.inner(TunnelVXLAN, be.Uint32(b[4:])>>8, t, b[vxlanHeader:], wire-vxlanHeader, p)
}

// geneve: RFC 8926 §3.4.
func (d *Decoder) geneve(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) < 8 || b[0]>>6 != 0 {
		return SkipNotIP, false
	}
	n := 8 + int(b[0]&0x3f)*4
	if len(b) <= n {
		return SkipTruncated, false
	}
	return d.inner(TunnelGeneve, be.Uint32(b[4:])>>8, be.Uint16(b[2:]), b[n:], wire-n, p)
}

// gtp: 3GPP TS 29.281 §5, a G-PDU of version 1 with its extension headers.
func (d *Decoder) gtp(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) < 8 || b[0]>>4 != 3 || b[1] != 255 {
		return SkipNotIP, false
	}
	id, n, length := be.Uint32(b[4:]), 8, int(be.Uint16(b[2:]))
	if length > wire-8 {
		return SkipNotIP, false
	}
	if b[0]&7 != 0 {
		if len(b) < 12 {
			return SkipTruncated, false
		}
		n = 12
		for next := b[11]; b[0]&4 != 0 && next != 0; next = b[n-1] {
			if len(b) <= n || b[n] == 0 || len(b) < n+int(b[n])*4 {
				return SkipTruncated, false
			}
			n += int(b[n]) * 4
		}
	}
	end := min(len(b), 8+length)
	if end <= n {
		return SkipTruncated, false
	}
	return d.guess(TunnelGTP, id, etherAnyIP, b[n:end], 8+length-n, p)
}

// teredo: RFC 4380 §5.1.1, an IPv6 packet with indications before it. Its length must be exact,
// as nothing else distinguishes it.
func (d *Decoder) teredo(b []byte, wire int, p *Packet) (Skip, bool) {
	if len(b) > 4 && b[0] == 0 && b[1] == 1 { // authentication
		n := 13 + int(b[2]) + int(b[3])
		if len(b) < n {
			return SkipTruncated, false
		}
		b, wire = b[n:], wire-n
	}
	if len(b) > 8 && b[0] == 0 && b[1] == 0 { // origin
		b, wire = b[8:], wire-8
	}
	if len(b) < ip6Header || ip6Header+int(be.Uint16(b[4:])) != wire {
		return SkipNotIP, false
	}
	return d.guess(TunnelTeredo, 0, etherIPv6, b, wire, p)
}

// l2tp: RFC 2661 §3.1, a message of data, which holds PPP.
func (d *Decoder) l2tp(b []byte, wire int, p *Packet) (Skip, bool) {
	const control, hasLength, reserved, hasSeq, hasOffset, version = 0x8000, 0x4000, 0x34f0, 0x0800, 0x0200, 2
	if len(b) < 6 {
		return SkipTruncated, false
	}
	flags, n := be.Uint16(b), 2
	if flags&(control|reserved) != 0 || flags&0xf != version {
		return SkipNotIP, false
	}
	if flags&hasLength != 0 {
		if int(be.Uint16(b[2:])) != wire {
			return SkipNotIP, false
		}
		n += 2
	}
	if len(b) < n+10 {
		return SkipTruncated, false
	}
	id := be.Uint32(b[n:])
	n += 4
	if flags&hasSeq != 0 {
		n += 4
	}
	if flags&hasOffset != 0 {
		n += 2 + int(be.Uint16(b[n:]))
	}
	if len(b) <= n {
		return SkipTruncated, false
	}
	return d.guess(TunnelL2TP, id, etherPPP, b[n:], wire-n, p)
}

// lisp: RFC 9300 §5.1. The header says nothing of what follows, which is IP.
func (d *Decoder) lisp(b []byte, wire int, p *Packet) (Skip, bool) {
	const header = 8
	if len(b) <= header || b[0]&7 != 0 {
		return SkipNotIP, false
	}
	return d.guess(TunnelLISP, 0, etherAnyIP, b[header:], wire-header, p)
}

// ayiya: draft-massar-v6ops-ayiya §3. The lengths of identity and signature stand before them.
func (d *Decoder) ayiya(b []byte, wire int, p *Packet) (Skip, bool) {
	const forward = 1
	if len(b) < 8 || b[2]&15 != forward {
		return SkipNotIP, false
	}
	n := 8 + 1<<(b[0]>>4) + int(b[1]>>4)*4
	if len(b) <= n || Proto(b[3]) != ip6InIP && Proto(b[3]) != ipInIP {
		return SkipNotIP, false
	}
	return d.guess(TunnelAYIYA, 0, etherAnyIP, b[n:], wire-n, p)
}

// capwap: RFC 5415 §4.3, data between an access point and its controller that is not in DTLS: Ethernet, or 802.11's
// own form (RFC 5416 §2.3), where Cisco has the two bytes of the frame control the other way round. What comes in
// fragments is not put together.
func (d *Decoder) capwap(b []byte, wire int, p *Packet) (Skip, bool) {
	const native, fragment, keepAlive, wifi = 0x100, 0x80, 0x08, 1
	if len(b) < 8 || b[0] != 0 {
		return SkipNotIP, false
	}
	flags, n := be.Uint16(b[2:]), int(b[1]>>3)*4
	if n < 8 || len(b) < n+14 || flags&(fragment|keepAlive) != 0 {
		return SkipNotIP, false
	}
	t := uint16(etherBridged)
	if flags&native != 0 {
		if flags>>9&31 != wifi {
			return SkipNotIP, false
		}
		if t = etherWiFi; b[n]&0xf != 0x08 && b[n+1]&0xf == 0x08 {
			t = etherWiFiSwapped
		}
	}
	return d.guess(TunnelCAPWAP, 0, t, b[n:], wire-n, p)
}

// tzsp is what wireless sensors and MikroTik's routers send of frames that they saw: version, kind, what follows, and tags.
func (d *Decoder) tzsp(b []byte, wire int, p *Packet) (Skip, bool) {
	const padding, end = 0, 1
	if len(b) < 5 || b[0] != 1 || b[1] > 1 {
		return SkipNotIP, false
	}
	var t uint16
	switch be.Uint16(b[2:]) {
	case 1:
		t = etherBridged
	case 18:
		t = etherWiFi
	default:
		return SkipNotIP, false
	}
	n := 4
	for {
		if n+1 >= len(b) {
			return SkipTruncated, false
		}
		switch b[n] {
		case end:
			n++
			return d.guess(TunnelTZSP, 0, t, b[n:], wire-n, p)
		case padding:
			n++
		default:
			n += 2 + int(b[n+1])
		}
	}
}
