package decode

// Tunnels. A port or a protocol number is only a reason to look: the tunnel's header and what it
// carries must make sense as far as a whole IP or ARP packet within, else the packet is an ordinary
// one of the outer connection.

// UDP ports that tunnels are known by (IANA; 8472 is what Linux had before there was a number).
const (
	portGTP      = 2152
	portGRE      = 4754
	portTeredo   = 3544
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGeneve   = 6081
	portVXLANOld = 8472
)

func tunnelPort(p uint16) bool {
	switch p {
	case portGTP, portTeredo, portGRE, portVXLAN, portVXLANGPE, portGeneve, portVXLANOld:
		return true
	}
	return false
}

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

// ipTunnel reads the tunnels that are IP protocols.
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
