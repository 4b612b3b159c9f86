package decode

import "rustnet/capture"

const (
	tcpHeader  = 20
	udpHeader  = 8
	sctpHeader = 12
	icmpHeader = 8
)

// tcp reads a TCP header (RFC 9293 §3.1). One that the capture cut behind the flags still counts.
func (d *Decoder) tcp(b []byte, wire int, p *Packet) Skip {
	if len(b) < 14 || wire < tcpHeader {
		return SkipTruncated
	}
	header := int(b[12]>>4) * 4
	if header < tcpHeader {
		return SkipMalformed
	}
	if header > wire {
		return SkipTruncated
	}
	p.Proto = TCP
	p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	p.Seq, p.Ack = be.Uint32(b[4:]), be.Uint32(b[8:])
	p.TCPFlags = b[13]
	p.Window = 1
	if len(b) >= 16 {
		p.Window = be.Uint16(b[14:])
	}
	p.payload(header, b, wire)
	if d.sums {
		d.verify(TCP, b, wire, p)
	}
	return SkipNone
}

// udp reads a UDP header (RFC 768). A length of 0 stands for more than 65,535 bytes (RFC 2675 §4);
// one that exceeds the IP packet is held to it.
func (d *Decoder) udp(b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 || wire < udpHeader {
		return SkipTruncated
	}
	p.Proto = UDP
	p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	if len(b) >= 6 {
		n := int(be.Uint16(b[4:]))
		if n > 0 && n < udpHeader {
			return SkipMalformed
		}
		if n > 0 && n < wire {
			b, wire = b[:min(len(b), n)], n
		}
	}
	if TunnelPorts(p.SrcPort, p.DstPort) && len(b) > udpHeader {
		if s, ok := d.udpTunnel(b[udpHeader:], wire-udpHeader, p); ok {
			return s
		}
	}
	p.payload(udpHeader, b, wire)
	if d.sums && len(b) >= udpHeader && (b[6]|b[7] != 0 || p.IPVersion == 6) {
		d.verify(UDP, b, wire, p)
	}
	return SkipNone
}

// ports reads protocols that begin with two ports: SCTP (RFC 9260 §3.1), UDP-Lite (RFC 3828 §3.1).
func (d *Decoder) ports(proto Proto, header int, b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 || wire < header {
		return SkipTruncated
	}
	p.Proto = proto
	p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	if proto == SCTP && len(b) >= 8 {
		p.Seq = be.Uint32(b[4:])
	}
	p.payload(header, b, wire)
	return SkipNone
}

// dccp reads a DCCP header (RFC 4340 §5.1), which says its own length in words.
func (d *Decoder) dccp(b []byte, wire int, p *Packet) Skip {
	header := sctpHeader
	if len(b) > 4 {
		header = int(b[4]) * 4
	}
	if header < sctpHeader {
		return SkipMalformed
	}
	return d.ports(dccp, header, b, wire, p)
}

// icmp reads ICMP (RFC 792) and ICMPv6 (RFC 4443). The payload begins behind the first 8 bytes in
// both: the last four of these belong to the type.
func (d *Decoder) icmp(proto Proto, b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 {
		return SkipTruncated
	}
	p.Proto = proto
	p.ICMPType, p.ICMPCode = b[0], b[1]
	if isEcho(proto, b[0]) {
		if len(b) < 6 {
			return SkipTruncated
		}
		p.SrcPort = be.Uint16(b[4:])
		p.DstPort = p.SrcPort
		if len(b) >= icmpHeader {
			p.Seq = uint32(be.Uint16(b[6:]))
		}
	}
	p.payload(icmpHeader, b, wire)
	if d.sums {
		d.verify(proto, b, wire, p)
	}
	return SkipNone
}

func isEcho(proto Proto, kind uint8) bool {
	if proto == ICMP {
		return kind == 0 || kind == 8
	}
	return kind == 128 || kind == 129
}

// Inner reads the packet that an ICMP error quotes: addresses, protocol, ports (the identifier for an
// echo), for TCP the sequence number; its Lane is that of the connection it belongs to. The error
// went back to q.Src. Nothing that is quoted was verified by anyone: who can send an ICMP error can
// quote what he likes. ok is false when p is no error, or quotes too little or a later fragment.
func Inner(p *Packet) (q Packet, ok bool) {
	switch p.Proto {
	case ICMP:
		switch p.ICMPType {
		case 3, 4, 5, 11, 12:
		default:
			return q, false
		}
	case ICMP6:
		if p.ICMPType == 0 || p.ICMPType >= 128 {
			return q, false
		}
	default:
		return q, false
	}
	q = Packet{TS: p.TS, Clock: p.Clock, Frame: p.Frame, VLAN: p.VLAN, Tunnel: p.Tunnel, TunnelID: p.TunnelID, Dir: p.Dir, Iface: p.Iface}
	proto, b, ok := quoted(p.Payload, &q)
	if !ok || len(b) < 8 {
		return q, false
	}
	q.Proto = proto
	switch proto {
	case TCP:
		q.Seq = be.Uint32(b[4:])
		fallthrough
	case UDP, SCTP, udpLite, dccp:
		q.SrcPort, q.DstPort = be.Uint16(b), be.Uint16(b[2:])
	case ICMP, ICMP6:
		q.ICMPType, q.ICMPCode = b[0], b[1]
		if isEcho(proto, b[0]) {
			q.SrcPort = be.Uint16(b[4:])
			q.DstPort = q.SrcPort
		}
	}
	q.Lane = laneOf(&q)
	return q, true
}

// quoted reads the IP header that b begins with. Lengths in it are not looked at, as b is cut anyway
// and some systems quote them in host order.
func quoted(b []byte, q *Packet) (Proto, []byte, bool) {
	switch {
	case len(b) >= ip4Header && b[0]>>4 == 4:
		n := int(b[0]&15) * 4
		if n < ip4Header || n > len(b) || be.Uint16(b[6:])&0x1fff != 0 {
			return 0, nil, false
		}
		q.IPVersion, q.Src, q.Dst = 4, addr4(b[12:]), addr4(b[16:])
		return walk(Proto(b[9]), 4, b[n:])
	case len(b) >= ip6Header && b[0]>>4 == 6:
		q.IPVersion, q.Src, q.Dst = 6, addr6(b[8:]), addr6(b[24:])
		return walk(Proto(b[6]), 6, b[ip6Header:])
	}
	return 0, nil, false
}

// walk passes the headers between the IP header and the transport, a first fragment's too.
func walk(proto Proto, version uint8, b []byte) (Proto, []byte, bool) {
	for {
		n, ok := extension(proto, version, b)
		if proto == fragment && version == 6 {
			n, ok = fragHeader, true
			if len(b) >= fragHeader && be.Uint16(b[2:])&^7 != 0 {
				return 0, nil, false
			}
		}
		if !ok {
			return proto, b, true
		}
		if n > len(b) {
			return 0, nil, false
		}
		proto, b = Proto(b[0]), b[n:]
	}
}

// verify compares a transport checksum, when all bytes are there.
func (d *Decoder) verify(proto Proto, b []byte, wire int, p *Packet) {
	if len(b) != wire || d.routed {
		return
	}
	var sum uint64
	if proto != ICMP { // the pseudo header: RFC 9293 §3.1, RFC 8200 §8.1
		sum = uint64(proto) + uint64(wire)
		for _, a := range [2]Addr{p.Src, p.Dst} {
			if p.IPVersion == 4 {
				a = Addr{0, a.Lo & 0xffffffff}
			}
			sum += a.Hi>>32 + a.Hi&0xffffffff + a.Lo>>32 + a.Lo&0xffffffff
		}
	}
	if checksum(b, sum) != 0 {
		d.bad(p)
	}
}

// bad marks a wrong checksum. What this machine sends, or hands on from a neighbour within, may have none
// yet when it is captured.
func (d *Decoder) bad(p *Packet) {
	if p.Dir != capture.DirOut && !d.noSum {
		p.BadSum = true
	}
}

// checksum is the Internet checksum (RFC 1071): 0 when the sum that b holds is right.
func checksum(b []byte, sum uint64) uint16 {
	for len(b) >= 4 {
		sum += uint64(be.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(be.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
