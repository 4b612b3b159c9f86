package pcapfilter

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"

	"rustnet/capture"
)

// packet is one that filters are tried on.
type packet struct {
	data    []byte
	wireLen uint32
}

// testLinks are the link types that are tested, by the names testdata/golden.txt has for them.
var testLinks = []struct {
	name string
	link capture.LinkType
}{
	{"ethernet", capture.LinkEthernet}, {"raw", capture.LinkRaw}, {"ipv4", capture.LinkIPv4}, {"ipv6", capture.LinkIPv6},
	{"sll", capture.LinkSLL}, {"sll2", capture.LinkSLL2}, {"null", capture.LinkNull}, {"loop", capture.LinkLoop}, {"ppp", capture.LinkPPP},
}

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func ip4(proto int, src, dst string, flagsOffset int, options, payload []byte) []byte {
	h := join([]byte{byte(0x45 + len(options)/4), 0}, be16(20+len(options)+len(payload)), be16(4711), be16(flagsOffset),
		[]byte{64, byte(proto), 0, 0}, netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice(), options)
	return append(h, payload...)
}

func ip6(next int, src, dst string, payload []byte) []byte {
	h := join([]byte{0x60, 0, 0, 0}, be16(len(payload)), []byte{byte(next), 64},
		netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice())
	return append(h, payload...)
}

func tcp(sport, dport int, flags byte) []byte {
	return join(be16(sport), be16(dport), be32(1), be32(2), []byte{0x50, flags}, be16(1024), be32(0), []byte("payload"))
}

func udp(sport, dport int, payload []byte) []byte {
	return join(be16(sport), be16(dport), be16(8+len(payload)), be16(0), payload)
}

func geneve(vni, proto, options int, inner []byte) []byte {
	return join([]byte{byte(options), 0}, be16(proto), be32(vni<<8), make([]byte, 4*options), inner)
}

type netPacket struct {
	etherType int
	data      []byte
}

// networkPackets has one packet of every shape the filter language asks about.
func networkPackets() []netPacket {
	const a4, b4, c4 = "10.1.2.3", "192.168.1.9", "224.0.0.5"
	const a6, b6, c6 = "2001:db8::1", "fe80::2", "ff02::1"
	var ps []netPacket
	add := func(t int, data []byte) { ps = append(ps, netPacket{t, data}) }
	ports := [][2]int{{40000, 80}, {80, 40001}, {443, 53}, {22, 22}, {6000, 6005}, {53, 5353}, {8080, 65535}, {0, 1}}
	for i, p := range ports {
		src, dst := a4, b4
		if i%2 == 1 {
			src, dst = b4, a4
		}
		add(etherIP, ip4(protoTCP, src, dst, 0, nil, tcp(p[0], p[1], byte(1<<(i%8)))))
		add(etherIP, ip4(protoUDP, src, dst, 0x4000, nil, udp(p[0], p[1], []byte("hello there"))))
		add(etherIP, ip4(protoSCTP, dst, src, 0, nil, join(be16(p[0]), be16(p[1]), be32(7), be32(8))))
		add(etherIPv6, ip6(protoTCP, a6, b6, tcp(p[0], p[1], 0x12)))
		add(etherIPv6, ip6(protoUDP, b6, c6, udp(p[0], p[1], []byte("data"))))
		add(etherIPv6, ip6(protoSCTP, b6, a6, join(be16(p[0]), be16(p[1]), be32(7))))
	}
	add(etherIP, ip4(protoTCP, a4, b4, 0, make([]byte, 8), tcp(1234, 80, 2)))
	add(etherIP, ip4(protoUDP, a4, b4, 0, make([]byte, 40), udp(53, 1234, nil)))
	add(etherIP, ip4(protoUDP, a4, b4, 0x2000, nil, udp(1234, 80, []byte("first fragment"))))
	add(etherIP, ip4(protoUDP, a4, b4, 0x2004, nil, udp(1234, 80, []byte("middle fragment"))))
	add(etherIP, ip4(protoTCP, a4, b4, 0x0010, nil, tcp(80, 80, 2)))
	add(etherIP, ip4(protoUDP, "0.0.0.0", "255.255.255.255", 0, nil, udp(68, 67, make([]byte, 20))))
	add(etherIP, ip4(protoUDP, "10.0.0.1", "0.0.0.0", 0, nil, udp(68, 67, nil)))
	for _, p := range []int{protoIGMP, 4, protoIGRP, 41, 47, protoESP, protoAH, 89, protoPIM, protoVRRP, 255, 0} {
		add(etherIP, ip4(p, "172.16.5.4", c4, 0, nil, []byte{protoTCP, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))
		add(etherIPv6, ip6(p, a6, c6, []byte{protoUDP, 0, 3, 4, 5, 6, 7, 8, 0, 53, 0, 80}))
	}
	for _, t := range []byte{0, 3, 8, 11, 13} {
		add(etherIP, ip4(protoICMP, b4, a4, 0, nil, []byte{t, t / 2, 0, 0, 1, 2, 3, 4}))
	}
	for _, t := range []byte{1, 128, 129, 133, 135, 136, 143} {
		add(etherIPv6, ip6(protoICMPv6, a6, b6, []byte{t, 0, 0, 0, 1, 2, 3, 4}))
	}
	fragment := func(next byte, off int) []byte { return join([]byte{next, 0}, be16(off), be32(9)) }
	add(etherIPv6, ip6(protoFragment, a6, b6, join(fragment(protoTCP, 1), tcp(80, 80, 2))))
	add(etherIPv6, ip6(protoFragment, a6, b6, join(fragment(protoICMPv6, 0x88), []byte{128, 0, 0, 0})))
	hop := func(next byte) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
	add(etherIPv6, ip6(0, a6, b6, join(hop(protoTCP), tcp(80, 443, 2))))
	add(etherIPv6, ip6(0, a6, b6, join(hop(60), hop(43), hop(protoUDP), udp(53, 53, nil))))
	add(etherIPv6, ip6(60, a6, b6, join([]byte{protoAH, 1}, make([]byte, 14), []byte{protoESP, 4}, make([]byte, 30))))
	add(etherIPv6, ip6(protoNoNext, a6, b6, nil))
	add(etherIP, ip4(protoAH, a4, b4, 0, nil, join([]byte{protoESP, 4}, make([]byte, 22), []byte("sealed"))))
	for _, t := range []int{etherARP, etherRARP} {
		for op := 1; op < 5; op++ {
			add(t, join(be16(1), be16(etherIP), []byte{6, 4}, be16(op), []byte{2, 0, 0, 0, 0, 1}, []byte{10, 1, 2, byte(op)},
				make([]byte, 6), []byte{192, 168, 1, 9}))
		}
	}
	for _, t := range []int{etherATalk, etherAARP, etherLAT, etherSCA, etherMOPDL, etherMOPRC, etherIPX, 0x9000, 0x88cc, etherPPPoED} {
		add(t, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	}
	add(etherDECnet, join([]byte{20, 0, 0x81, 0x06}, make([]byte, 6), []byte{0x0f, 0x28}, make([]byte, 6), []byte{0x10, 0x28, 0, 0, 0, 0}))
	add(etherDECnet, join([]byte{20, 0, 0x06}, make([]byte, 6), []byte{0x0f, 0x28}, make([]byte, 6), []byte{0x0f, 0x28, 0, 0, 0, 0}))
	add(etherDECnet, []byte{8, 0, 0x02, 0x0f, 0x28, 0x10, 0x28, 0})
	add(etherDECnet, []byte{8, 0, 0x81, 0x02, 0x10, 0x28, 0x0f, 0x28, 0})
	inner4 := ip4(protoTCP, "10.9.9.9", "10.8.8.8", 0, nil, tcp(5000, 80, 2))
	inner6 := ip6(protoUDP, "2001:db8::9", "2001:db8::8", udp(5000, 53, nil))
	frame := join([]byte{2, 9, 9, 9, 9, 9, 2, 8, 8, 8, 8, 8}, be16(etherIP), inner4)
	add(etherIP, ip4(protoUDP, a4, b4, 0, nil, udp(9999, genevePort, geneve(5, etherTEB, 0, frame))))
	add(etherIP, ip4(protoUDP, a4, b4, 0, make([]byte, 4), udp(9999, genevePort, geneve(6, etherIP, 2, inner4))))
	add(etherIPv6, ip6(protoUDP, a6, b6, udp(9999, genevePort, geneve(5, etherIPv6, 1, inner6))))
	add(etherIPv6, ip6(protoUDP, a6, b6, udp(9999, genevePort, geneve(7, etherTEB, 3, frame))))
	return ps
}

func ether(dst, src string, rest ...[]byte) []byte {
	d, s := parseMAC(dst), parseMAC(src)
	return join(d[:], s[:], join(rest...))
}

// ethernetPackets puts network packets into every kind of frame.
func ethernetPackets() [][]byte {
	const mac1, mac2, all, multi = "00:11:22:33:44:55", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:05"
	var out [][]byte
	pairs := [][2]string{{mac1, mac2}, {mac2, mac1}, {all, mac1}, {multi, mac2}, {mac1, mac1}}
	nets := networkPackets()
	for i, n := range nets {
		p := pairs[i%len(pairs)]
		out = append(out, ether(p[0], p[1], be16(n.etherType), n.data))
	}
	for i, n := range nets {
		typ := be16(n.etherType)
		tag := func(tpid, tci int) []byte { return join(be16(tpid), be16(tci)) }
		switch i % 9 {
		case 0:
			out = append(out, ether(mac1, mac2, tag(etherVLAN, 5), typ, n.data))
		case 1:
			out = append(out, ether(all, mac2, tag(etherVLAN, 0xe064), typ, n.data))
		case 2:
			out = append(out, ether(mac1, mac2, tag(etherQinQ, 100), tag(etherVLAN, 5), typ, n.data))
		case 3:
			out = append(out, ether(mac1, mac2, tag(etherQinQ2, 300), typ, n.data))
		case 4:
			out = append(out, ether(mac1, mac2, be16(etherMPLS), be32(1024<<12|1<<8|64), n.data))
		case 5:
			out = append(out, ether(mac1, mac2, be16(etherMPLS), be32(100000<<12|64), be32(1024<<12|1<<8|64), n.data))
		case 6:
			session := join([]byte{0x11, 0}, be16(0x27), be16(len(n.data)+2), be16(int(pppProto(uint32(n.etherType)))))
			out = append(out, ether(mac1, mac2, be16(etherPPPoES), session, n.data))
		case 7:
			out = append(out, ether(mac1, mac2, tag(etherVLAN, 7), be16(etherMPLS), be32(16<<12|1<<8|64), n.data))
		case 8:
			out = append(out, ether(multi, mac1, tag(etherVLAN, 7), be16(etherPPPoES), []byte{0x11, 0}, be16(1), be16(2),
				be16(int(pppProto(uint32(n.etherType)))), n.data))
		}
	}
	for _, llc := range [][]byte{
		{sapSTP, sapSTP, 3, 0, 0}, {sapISO, sapISO, 3, 0x82, 1, 2}, {sapISO, sapISO, 3, 0x81, 1, 2},
		{sapIPX, sapIPX, 3, 0xff, 0xff}, {0xff, 0xff, 0, 0x22}, {sapNetBEUI, sapNetBEUI, 3, 1}, {sapNetBEUI, sapNetBEUI | 1, 1, 5},
		{sapSNAP, sapSNAP, 3, 0, 0, 0, 0x81, 0x37, 1}, {sapSNAP, sapSNAP, 3, 8, 0, 7, 0x80, 0x9b, 1}, {sapSNAP, sapSNAP, 3, 0, 0, 0, 0x80, 0xf3, 1},
		{sapSNAP, sapSNAP, 3, 0, 0, 0, 8, 0, 0x45}, {sapIP, sapIP, 3, 0x45}, {0x10, 0x10, 0x0, 4}, {0x10, 0x10, 0x5, 4}, {0x10, 0x10, 0x9, 4},
		{0x10, 0x10, 0x63, 4}, {0x10, 0x10, 0x6f, 4}, {0x10, 0x10, 0xe3, 4}, {0x10, 0x10, 0xaf, 4}, {0x10, 0x10, 0x53, 4}, {0x10, 0x10},
	} {
		out = append(out, ether(multi, mac1, be16(len(llc)), llc))
	}
	for _, pdu := range []byte{15, 16, 17, 18, 20, 24, 25, 26, 27, 99} {
		llc := []byte{sapISO, sapISO, 3, 0x83, 27, 1, 0, pdu, 1, 0, 0}
		out = append(out, ether(multi, mac1, be16(len(llc)), llc))
	}
	return out
}

// packetsFor gives the packets for a link type: whole ones, the same cut short, and noise. It is the same
// at every call.
func packetsFor(link capture.LinkType) []packet {
	var whole [][]byte
	if link == capture.LinkEthernet {
		whole = ethernetPackets()
	} else {
		for i, n := range networkPackets() {
			whole = append(whole, join(linkHeader(link, i, n.etherType), n.data))
		}
	}
	rnd := rand.New(rand.NewPCG(1, uint64(link)))
	var out []packet
	for _, d := range whole {
		out = append(out, packet{d, uint32(len(d))})
	}
	for _, d := range whole {
		cut := rnd.IntN(min(len(d), 80))
		out = append(out, packet{d[:cut], uint32(len(d))})
	}
	for range 30 {
		d := make([]byte, rnd.IntN(100))
		for i := range d {
			d[i] = byte(rnd.Uint32())
		}
		out = append(out, packet{d, uint32(len(d))})
	}
	for range 60 { // one byte of a good packet is wrong
		d := slices.Clone(whole[rnd.IntN(len(whole))])
		d[rnd.IntN(min(len(d), 60))] = byte(rnd.Uint32())
		out = append(out, packet{d, uint32(len(d)) + uint32(rnd.IntN(2000))})
	}
	return out
}

// linkHeader makes a header of any link type but Ethernet.
func linkHeader(link capture.LinkType, i, etherType int) []byte {
	kind := []int{0, 1, 4}[i%3]
	family := map[int]int{etherIP: 2, etherIPv6: []int{24, 28, 30, 10}[i%4], etherARP: 0}[etherType]
	switch link {
	case capture.LinkSLL:
		if i%11 == 10 {
			etherType = []int{sll8022, sll8023}[i%2]
		}
		return join(be16(kind), be16(1), be16(6), []byte{2, 0, 0, 0, 0, 1, 0, 0}, be16(etherType))
	case capture.LinkSLL2:
		return join(be16(etherType), be16(0), be32(i%4), be16(1), []byte{byte(kind), 6, 2, 0, 0, 0, 0, 1, 0, 0})
	case capture.LinkNull:
		return []byte{byte(family), 0, 0, 0}
	case capture.LinkLoop:
		return be32(family)
	case capture.LinkPPP:
		p := int(pppProto(uint32(etherType)))
		if i%13 == 12 {
			return join([]byte{0xff, 3}, be16(pppMPLS), be32(1024<<12|1<<8|64))
		}
		return join([]byte{0xff, 3}, be16(p))
	}
	return nil
}
