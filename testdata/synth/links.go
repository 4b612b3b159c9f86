package main

// links writes mixed.pcap with other link headers.
func links(base []frame) {
	tag := func(tags ...any) func([]byte, uint16, []byte) []byte {
		return func(eth []byte, t uint16, p []byte) []byte { return join(eth, join(tags...), t, p) }
	}
	save("vlan", 1, each(base, tag(uint16(0x8100), uint16(3<<13|10)))) // IEEE 802.1Q: priority 3, VLAN 10
	save("qinq", 1, each(base, tag(uint16(0x88a8), uint16(100), uint16(0x8100), uint16(10))))
	save("vlan-triple", 1, each(base, tag(uint16(0x9100), uint16(7), uint16(0x88a8), uint16(100), uint16(0x8100), uint16(10))))
	save("mpls", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // RFC 3032: two labels, the second at the bottom
		return join(eth, uint16(0x8847), uint32(16001<<12|64), uint32(24<<12|1<<8|64), p)
	}))
	save("mpls-ethernet", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // RFC 4448 with control word
		return join(eth, uint16(0x8847), uint32(299<<12|1<<8|64), uint32(0), eth, t, p)
	}))
	save("pppoe", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // RFC 2516 §4, session 0x2a
		return join(eth, uint16(0x8864), uint16(0x1100), uint16(0x2a), uint16(len(p)+2), pppProto(t), p)
	}))
	save("snap", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // IEEE 802.3 length, LLC, SNAP (RFC 1042)
		return join(eth, uint16(len(p)+8), "\xaa\xaa\x03\x00\x00\x00", t, p)
	}))
	save("padding", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // to 60 bytes and a frame check sequence
		d := join(eth, t, p)
		for len(d) < 60 {
			d = append(d, 0xee)
		}
		return append(d, 1, 2, 3, 4)
	}))
	save("ppp", 9, each(base, func(_ []byte, t uint16, p []byte) []byte { return join("\xff\x03", pppProto(t), p) }))
	save("raw", 101, each(base, func(_ []byte, _ uint16, p []byte) []byte { return p }))
	save("raw-ipv4", 228, each(base, func(_ []byte, t uint16, p []byte) []byte { return only(t == 0x0800, p) }))
	save("raw-ipv6", 229, each(base, func(_ []byte, t uint16, p []byte) []byte { return only(t == 0x86dd, p) }))
	// BSD loopback: the address family in the byte order of the machine that wrote it; IPv6 is 30 on
	// macOS, 28 on FreeBSD, 24 on OpenBSD.
	save("null", 0, each(base, func(_ []byte, t uint16, p []byte) []byte { return join(le.AppendUint32(nil, family(t, 30)), p) }))
	save("null-swapped", 0, each(base, func(_ []byte, t uint16, p []byte) []byte { return join(family(t, 28), p) }))
	save("loop", 108, each(base, func(_ []byte, t uint16, p []byte) []byte { return join(family(t, 24), p) }))
	save("link-unknown", 147, base) // LINKTYPE_USER0: nobody can know what is in it
}

func only(keep bool, p []byte) []byte {
	if !keep {
		return nil
	}
	return p
}

func pppProto(etherType uint16) uint16 {
	if etherType == 0x86dd {
		return 0x0057
	}
	return 0x0021
}

func family(etherType uint16, six uint32) uint32 {
	if etherType == 0x86dd {
		return six
	}
	return 2
}

// tunnels writes mixed.pcap inside other IP packets.
func tunnels(base []frame) {
	over4 := func(proto4, proto6 uint8, head func(t uint16) []byte) []frame {
		return each(base, func(eth []byte, t uint16, p []byte) []byte {
			src, dst := ends(eth, tunnelA4, tunnelB4)
			proto := proto4
			if t == 0x86dd {
				proto = proto6
			}
			return join(eth, uint16(0x0800), ip4(src, dst, proto, nil, join(head(t), p)))
		})
	}
	save("ipip", 1, over4(4, 41, func(uint16) []byte { return nil })) // RFC 2003, RFC 4213
	// RFC 2784, RFC 2890: key and sequence number, and the plain header in the other file.
	save("gre", 1, over4(47, 47, func(t uint16) []byte { return join(uint16(0), t) }))
	save("gre-key", 1, over4(47, 47, func(t uint16) []byte { return join(uint16(0x3000), t, uint32(77), uint32(1)) }))
	save("ipv6-tunnel", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // RFC 2473
		src, dst := ends(eth, tunnelA6, tunnelB6)
		next := uint8(4)
		if t == 0x86dd {
			next = 41
		}
		return join(eth, uint16(0x86dd), ip6(src, dst, next, p))
	}))
	save("gre-ethernet", 1, each(base, func(eth []byte, t uint16, p []byte) []byte {
		src, dst := ends(eth, tunnelA6, tunnelB6)
		return join(eth, uint16(0x86dd), ip6(src, dst, 47, join(uint16(0), uint16(0x6558), eth, t, p)))
	}))
	overUDP := func(port uint16, head func(eth []byte, t uint16, p []byte) []byte) []frame {
		return each(base, func(eth []byte, t uint16, p []byte) []byte {
			src, dst := ends(eth, tunnelA4, tunnelB4)
			return join(eth, uint16(0x0800), ip4(src, dst, 17, nil, udp(src, dst, 50000, port, head(eth, t, p))))
		})
	}
	save("geneve", 1, overUDP(6081, func(eth []byte, t uint16, p []byte) []byte { // RFC 8926 with one option of eight bytes
		return join(uint8(2), uint8(0), uint16(0x6558), uint32(42<<8), uint16(0x0102), uint8(0x80), uint8(1), uint32(0xcafe), eth, t, p)
	}))
	save("gtp", 1, overUDP(2152, func(_ []byte, _ uint16, p []byte) []byte { // TS 29.281: G-PDU with a sequence number
		return join(uint8(0x32), uint8(255), uint16(len(p)+4), uint32(0xbeef), uint16(1), uint8(0), uint8(0), p)
	}))
	save("l2tp-data", 1, overUDP(1701, func(_ []byte, t uint16, p []byte) []byte { // RFC 2661 §3.1: length and sequence numbers, PPP with its whole header
		return join(uint16(0x4802), uint16(12+4+len(p)), uint16(7), uint16(9), uint16(1), uint16(0), "\xff\x03", pppProto(t), p)
	}))
	save("lisp", 1, overUDP(4341, func(_ []byte, _ uint16, p []byte) []byte { // RFC 9300 §5.1: with a nonce and locator status bits
		return join(uint32(0xc0000000|0x123456), uint32(1), p)
	}))
	save("ayiya", 1, overUDP(5072, func(_ []byte, t uint16, p []byte) []byte { // draft-massar-v6ops-ayiya-02 §3: identity of 16 bytes, SHA-1
		next := "\x04"
		if t == 0x86dd {
			next = "\x29"
		}
		return join("\x41\x52\x11"+next, uint32(1767225600), "identity of 16 b", "signature of 20 byte", p)
	}))
	save("capwap", 1, overUDP(5247, func(eth []byte, t uint16, p []byte) []byte { // RFC 5415 §4.3, RFC 5416 §2.3: 802.11 data to the distribution system, LLC
		return join("\x00\x10\x03\x00", uint32(0), "\x08\x01\x00\x00", eth[:6], eth[6:12], eth[:6], uint16(0x1000), "\xaa\xaa\x03\x00\x00\x00", t, p)
	}))
	save("mpls-udp", 1, overUDP(6635, func(_ []byte, _ uint16, p []byte) []byte { return join(uint32(16001<<12|1<<8|64), p) })) // RFC 7510
	save("tzsp", 1, overUDP(37008, func(eth []byte, t uint16, p []byte) []byte {                                                // with the tag of a signal's strength
		return join("\x01\x00\x00\x01\x0a\x01\xd8\x00\x01", eth, t, p)
	}))
	save("etherip", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // RFC 3378
		src, dst := ends(eth, tunnelA4, tunnelB4)
		return join(eth, uint16(0x0800), ip4(src, dst, 97, nil, join(uint16(0x3000), eth, t, p)))
	}))
	save("tunnel-deep", 1, each(base, func(eth []byte, t uint16, p []byte) []byte { // ten times IP in IP: deeper than any sane network
		proto := uint8(4)
		if t == 0x86dd {
			proto = 41
		}
		src, dst := ends(eth, tunnelA4, tunnelB4)
		for range 10 {
			p = ip4(src, dst, proto, nil, p)
			proto = 4
		}
		return join(eth, uint16(0x0800), p)
	}))
}
