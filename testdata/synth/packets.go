package main

import "hash/crc32"

var (
	macC = []byte{2, 0, 0, 0, 0, 0x0c}
	macS = []byte{2, 0, 0, 0, 0, 0x05}
	c4   = []byte{192, 0, 2, 10}
	s4   = []byte{198, 51, 100, 20}
	c6   = []byte("\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10")
	s6   = []byte("\x20\x01\x0d\xb8\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20")
)

func eth4(toServer bool, ip []byte) []byte { return ethernet(toServer, 0x0800, ip) }

func ethernet(toServer bool, t uint16, p []byte) []byte {
	if toServer {
		return join(macS, macC, t, p)
	}
	return join(macC, macS, t, p)
}

// tcp is a segment (RFC 9293) with a right checksum.
func tcp(src, dst []byte, sport, dport uint16, seq, ack uint32, flags uint8, options, payload []byte) []byte {
	h := join(sport, dport, seq, ack, uint8((20+len(options))/4<<4), flags, uint16(8192), uint16(0), uint16(0), options)
	be.PutUint16(h[16:], sum(pseudo(src, dst, 6, len(h)+len(payload)), h, payload))
	return append(h, payload...)
}

// timed gives the frames times, a millisecond apart.
func timed(start int64, data ...[]byte) []frame {
	var fs []frame
	for i, d := range data {
		fs = append(fs, frame{start + int64(i)*1e6, d, len(d)})
	}
	return fs
}

// packets writes the captures that are built from specifications alone.
func packets(start int64) {
	save("sctp", 1, timed(start, sctp()...))
	save("ip-options", 1, timed(start, ipOptions()...))
	save("ipv6-extensions", 1, timed(start, ipv6Extensions()...))
	save("ip-fragments", 1, timed(start, fragments()...))
	save("ip-protocols", 1, timed(start, ipProtocols()...))
	save("link-protocols", 1, timed(start, linkProtocols()...))
	save("malformed", 1, timed(start, malformed()...))
	save("no-length", 1, noLength(start))
}

// sctp is an association (RFC 9260): INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, DATA, SACK, SHUTDOWN
// and its two answers; and one that is aborted.
func sctp() [][]byte {
	chunk := func(t, flags uint8, body ...any) []byte {
		b := join(body...)
		c := join(t, flags, uint16(4+len(b)), b)
		for len(c)%4 != 0 {
			c = append(c, 0)
		}
		return c
	}
	packet := func(toServer bool, port uint16, tag uint32, chunks ...[]byte) []byte {
		sport, dport, src, dst := port, uint16(3868), c4, s4
		if !toServer {
			sport, dport, src, dst = dport, sport, s4, c4
		}
		p := join(sport, dport, tag, uint32(0))
		for _, c := range chunks {
			p = append(p, c...)
		}
		le.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
		return eth4(toServer, ip4(src, dst, 132, nil, p))
	}
	init := func(tag uint32) []byte { return join(tag, uint32(106496), uint16(10), uint16(10), uint32(1000)) }
	return [][]byte{
		packet(true, 36000, 0, chunk(1, 0, init(0x11111111))),
		packet(false, 36000, 0x11111111, chunk(2, 0, init(0x22222222), uint16(7), uint16(8), "cook")),
		packet(true, 36000, 0x22222222, chunk(10, 0, "cook")),
		packet(false, 36000, 0x11111111, chunk(11, 0)),
		packet(true, 36000, 0x22222222, chunk(0, 3, uint32(1000), uint16(0), uint16(0), uint32(46), "hello over sctp")),
		packet(false, 36000, 0x11111111, chunk(3, 0, uint32(1000), uint32(106496), uint32(0)),
			chunk(0, 3, uint32(1000), uint16(0), uint16(0), uint32(46), "and back")),
		packet(true, 36000, 0x22222222, chunk(7, 0, uint32(1000))),
		packet(false, 36000, 0x11111111, chunk(8, 0)),
		packet(true, 36000, 0x22222222, chunk(14, 0)),
		packet(true, 36001, 0, chunk(1, 0, init(0x33333333))),
		packet(false, 36001, 0x33333333, chunk(6, 0)),
	}
}

// ipOptions has record route, router alert and padding before TCP and UDP.
func ipOptions() [][]byte {
	recordRoute := []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	alert := []byte{0x94, 4, 0, 0}
	long := make([]byte, 40)
	for i := range long {
		long[i] = 1 // no operation
	}
	mss := []byte{2, 4, 5, 0xb4}
	return [][]byte{
		eth4(true, ip4(c4, s4, 6, recordRoute, tcp(c4, s4, 40001, 80, 1, 0, 2, mss, nil))),
		eth4(false, ip4(s4, c4, 6, recordRoute, tcp(s4, c4, 80, 40001, 1, 2, 0x12, mss, nil))),
		eth4(true, ip4(c4, s4, 6, long, tcp(c4, s4, 40001, 80, 2, 2, 0x18, nil, []byte("GET /options HTTP/1.1\r\nHost: options.example.test\r\n\r\n")))),
		eth4(true, ip4(c4, s4, 17, alert, udp(c4, s4, 40002, 9, []byte("alert")))),
	}
}

// ipv6Extensions has every header that may stand before the transport (RFC 8200 §4.1, RFC 4302).
func ipv6Extensions() [][]byte {
	pad := func(next uint8) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
	routing := func(next uint8) []byte { return join(next, uint8(2), uint8(4), uint8(0), uint32(0), s6) } // segment routing (RFC 8754)
	fragment := func(next uint8) []byte { return join(next, uint8(0), uint16(0), uint32(0x77)) }          // atomic (RFC 6946)
	auth := func(next uint8) []byte {
		return join(next, uint8(4), uint16(0), uint32(1), uint32(1), make([]byte, 12))
	}
	long := func(next uint8) []byte { return join(next, uint8(2), uint8(1), uint8(20), make([]byte, 20)) }
	q := func(port uint16) []byte { return udp(c6, s6, port, 9, []byte("behind headers")) }
	syn := func(port uint16) []byte { return tcp(c6, s6, port, 80, 1, 0, 2, nil, nil) }
	to := func(next uint8, p []byte) []byte { return ethernet(true, 0x86dd, ip6(c6, s6, next, p)) }
	return [][]byte{
		to(0, join(pad(17), q(41001))),
		to(60, join(long(17), q(41002))),
		to(43, join(routing(17), q(41003))),
		to(44, join(fragment(17), q(41004))),
		to(51, join(auth(6), syn(41005))),
		to(135, pad(59)), // mobility header (RFC 6275), which nothing follows
		to(0, join(pad(60), pad(43), routing(44), fragment(51), auth(60), pad(6), syn(41007))),
		to(0, join(pad(59), "nothing follows")), // no next header
		to(50, join(uint32(0x1001), uint32(1), "opaque opaque opaque")),
		to(0, pad(0)), // a header that promises more than there is
	}
}

// fragments has one datagram in order, one backwards, one with an overlap, one doubled, one whose
// last never comes, and the same for IPv6.
func fragments() [][]byte {
	text := make([]byte, 64)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	piece4 := func(port, id uint16, from, to int, more bool) []byte {
		d := udp(c4, s4, port, 9, text)
		p := ip4(c4, s4, 17, nil, d[from:min(to, len(d))])
		be.PutUint16(p[4:], id)
		off := uint16(from / 8)
		if more {
			off |= 0x2000
		}
		be.PutUint16(p[6:], off)
		be.PutUint16(p[10:], 0)
		be.PutUint16(p[10:], sum(p[:20]))
		return eth4(true, p)
	}
	piece6 := func(port uint16, id uint32, from, to int, more uint16) []byte {
		d := udp(c6, s6, port, 9, text)
		return ethernet(true, 0x86dd, ip6(c6, s6, 44, join(uint8(17), uint8(0), uint16(from)|more, id, d[from:min(to, len(d))])))
	}
	return [][]byte{
		piece4(42001, 1, 0, 24, true), piece4(42001, 1, 24, 48, true), piece4(42001, 1, 48, 99, false),
		piece4(42002, 2, 48, 99, false), piece4(42002, 2, 24, 48, true), piece4(42002, 2, 0, 24, true),
		piece4(42003, 3, 0, 32, true), piece4(42003, 3, 24, 48, true), piece4(42003, 3, 48, 99, false),
		piece4(42004, 4, 0, 24, true), piece4(42004, 4, 0, 24, true), piece4(42004, 4, 24, 99, false),
		piece4(42005, 5, 0, 24, true), piece4(42005, 5, 24, 48, true),
		piece4(42006, 6, 48, 99, false),
		piece6(42007, 7, 0, 24, 1), piece6(42007, 7, 24, 99, 0),
		piece6(42008, 8, 24, 99, 0), piece6(42008, 8, 0, 24, 1),
	}
}

// ipProtocols has what is neither TCP, UDP nor ICMP: ESP and AH (RFC 4303, RFC 4302), OSPF, VRRP,
// PIM, UDP-Lite, DCCP, a protocol that nobody was given, and ESP in UDP (RFC 3948).
func ipProtocols() [][]byte {
	ip := func(proto uint8, p ...any) []byte { return eth4(true, ip4(c4, s4, proto, nil, join(p...))) }
	return [][]byte{
		ip(50, uint32(0x1001), uint32(1), "sixteen bytes of ciphertext.."),
		ip(51, uint8(6), uint8(4), uint16(0), uint32(0x1002), uint32(1), make([]byte, 12), tcp(c4, s4, 43001, 80, 1, 0, 2, nil, nil)),
		ip(89, uint8(2), uint8(1), uint16(44), c4, uint32(0), uint32(0), make([]byte, 28)),
		ip(112, uint8(0x31), uint8(1), uint8(100), uint8(1), uint32(100), s4),
		ip(103, uint8(0x20), uint8(0), uint16(0xdfff)),
		ip(136, uint16(43002), uint16(9), uint16(8), uint16(0), "lite"),
		ip(33, uint16(43003), uint16(9), uint8(4), uint8(0), uint16(0), uint64(1)),
		ip(253, "an experiment (RFC 3692)"),
		eth4(true, ip4(c4, s4, 17, nil, udp(c4, s4, 4500, 4500, join(uint32(0x1003), uint32(1), "ciphertext")))),
		eth4(true, ip4(c4, s4, 17, nil, udp(c4, s4, 4500, 4500, []byte{0xff}))),
	}
}

// linkProtocols has what is above Ethernet without IP: LLDP, spanning tree, EAPOL, LACP, PTP, CDP.
func linkProtocols() [][]byte {
	to := func(dst string, p ...any) []byte { return join(dst, macC, join(p...)) }
	return [][]byte{
		to("\x01\x80\xc2\x00\x00\x0e", uint16(0x88cc), uint16(1<<9|7), uint8(4), macC, uint16(2<<9|3), uint8(5), "p1", uint16(3<<9|2), uint16(120), uint16(0)),
		to("\x01\x80\xc2\x00\x00\x00", uint16(38), "\x42\x42\x03", make([]byte, 35)),
		to("\x01\x80\xc2\x00\x00\x03", uint16(0x888e), uint8(2), uint8(1), uint16(0)),
		to("\x01\x80\xc2\x00\x00\x02", uint16(0x8809), uint8(1), uint8(1), make([]byte, 108)),
		to("\x01\x1b\x19\x00\x00\x00", uint16(0x88f7), uint8(0), uint8(2), uint16(44), make([]byte, 40)),
		to("\x01\x00\x0c\xcc\xcc\xcc", uint16(24), "\xaa\xaa\x03\x00\x00\x0c\x20\x00", uint8(2), uint8(180), uint16(0), uint16(1), uint16(12), "switch-1"),
		to("\xff\xff\xff\xff\xff\xff", uint16(0x88b5), "an experiment (IEEE 802)"),
	}
}

// malformed has headers that lie; no two in the same way.
func malformed() [][]byte {
	whole := func() []byte {
		return eth4(true, ip4(c4, s4, 6, nil, tcp(c4, s4, 44001, 80, 1, 0, 2, []byte{2, 4, 5, 0xb4}, []byte("data"))))
	}
	change := func(at int, v ...byte) []byte {
		d := whole()
		copy(d[at:], v)
		return d
	}
	datagram := func(n uint16) []byte {
		d := eth4(true, ip4(c4, s4, 17, nil, udp(c4, s4, 44002, 9, []byte("data"))))
		be.PutUint16(d[38:], n)
		return d
	}
	six := ethernet(true, 0x86dd, ip6(c6, s6, 17, udp(c6, s6, 44003, 9, []byte("data"))))
	be.PutUint16(six[18:], 9999)
	return [][]byte{
		whole()[:10],           // not even an Ethernet header
		whole()[:14],           // nothing behind it
		whole()[:20],           // half an IP header
		whole()[:36],           // half a TCP header
		change(14, 0x41),       // IP header of four bytes
		change(14, 0x4f),       // IP header longer than what follows allows
		change(14, 0x95),       // IP version 9
		change(14, 0x65),       // IP version 6 under EtherType IPv4
		change(16, 0, 10),      // total length shorter than the header
		change(16, 0xff, 0xff), // total length beyond the frame
		change(46, 0x10),       // TCP header of four bytes
		change(46, 0xf0),       // TCP header longer than the segment
		change(55, 0),          // a TCP option of no length
		change(55, 200),        // a TCP option beyond the header
		change(50, 0xde, 0xad), // wrong TCP checksum
		change(24, 0xde, 0xad), // wrong IP checksum
		change(47, 0),          // no flag at all
		change(47, 0xff),       // every flag at once
		datagram(4),            // UDP length shorter than its header
		datagram(60000),        // UDP length beyond the packet
		datagram(0),            // UDP length zero, which only IPv6 jumbograms may have
		six,                    // IPv6 payload beyond the frame
		join(macS, macC, uint16(0x8100), uint8(0)),                                                 // half a VLAN tag
		join(macS, macC, uint16(0x8847), uint32(16<<12|64)),                                        // a label stack without a bottom
		join(macS, macC, uint16(0x0806), uint16(1), uint16(0x0800), uint8(6), uint8(4), uint16(1)), // half an ARP
		join(macS, macC, uint16(1400), "\x42\x42\x03"),                                             // an 802.3 length beyond the frame
	}
}

// noLength has what Linux hands to a capture before segmentation (BIG TCP), cut by a snap length:
// IPv4 of total length 0 and IPv6 of payload length 0 with a jumbo option (RFC 2675), 70,000 bytes each.
func noLength(start int64) []frame {
	const size, snap = 70000, 128
	data := make([]byte, size)
	four := ip4(c4, s4, 6, nil, tcp(c4, s4, 45001, 9000, 1, 1, 0x10, nil, data[:1000]))
	be.PutUint16(four[2:], 0)
	segment := tcp(c6, s6, 45002, 9000, 1, 1, 0x10, nil, data[:1000])
	six := ip6(c6, s6, 0, join(uint8(6), uint8(0), uint8(0xc2), uint8(4), uint32(8+20+size), segment))
	be.PutUint16(six[4:], 0)
	return []frame{
		{start, eth4(true, four)[:snap], 14 + 20 + 20 + size},
		{start + 1e6, ethernet(true, 0x86dd, six)[:snap], 14 + 40 + 8 + 20 + size},
	}
}

// swapSegments exchanges every two neighbours that carry data the same way, so that each
// ClientHello of several segments arrives in the wrong order. The times stay in order.
func swapSegments(fs []frame) []frame {
	const bare = 94 // a SYN over IPv6, the longest frame without data
	for i := 0; i+1 < len(fs); i++ {
		a, b := &fs[i], &fs[i+1]
		if string(a.data[:12]) == string(b.data[:12]) && len(a.data) > bare && len(b.data) > bare {
			a.data, b.data, a.orig, b.orig = b.data, a.data, b.orig, a.orig
			i++
		}
	}
	return fs
}

// resetWithData gives the first RST a text, as RFC 9293 §3.5.3 allows and Linux never sends.
func resetWithData(fs []frame) []frame {
	const why = "no more of this"
	for i, f := range fs {
		ip := f.data[14:]
		if f.data[12] != 8 || ip[9] != 6 || ip[20+13]&4 == 0 {
			continue
		}
		ip = append(append([]byte(nil), ip...), why...)
		be.PutUint16(ip[2:], uint16(len(ip)))
		be.PutUint32(ip[10:], be.Uint32(ip[10:])&0xffff)
		be.PutUint16(ip[10:], sum(ip[:20]))
		be.PutUint16(ip[36:], 0)
		be.PutUint16(ip[36:], sum(pseudo(ip[12:16], ip[16:20], 6, len(ip)-20), ip[20:]))
		fs[i].data = join(f.data[:14], ip)
		fs[i].orig = len(fs[i].data)
		break
	}
	return fs
}
