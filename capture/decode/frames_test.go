package decode

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rustnet/capture"
)

// Frames made by hand, from the inside out: each function puts its header before what it is given.

func u16(v int) []byte { return []byte{byte(v >> 8), byte(v)} }
func u32(v int) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func join(bs ...[]byte) []byte { return bytes.Join(bs, nil) }

var (
	macA, macB = unhex("020000000001"), unhex("020000000002")
	ipA, ipB   = unhex("0a000001"), unhex("0a000002")
	ip6A, ip6B = unhex("20010db8000000000000000000000001"), unhex("20010db8000000000000000000000002")
)

func ethOf(t int, b []byte) []byte { return join(macB, macA, u16(t), b) }

func tagOf(id, t int, b []byte) []byte { return join(u16(0x2000|id), u16(t), b) }

func ip4From(src, dst []byte, proto Proto, id, frag int, options, b []byte) []byte {
	h := join([]byte{byte(0x45 + len(options)/4), 0}, u16(20+len(options)+len(b)), u16(id), u16(frag),
		[]byte{64, byte(proto), 0, 0}, src, dst, options)
	copy(h[10:], u16(int(checksum(h, 0))))
	return join(h, b)
}

func ip4Of(proto Proto, b []byte) []byte { return ip4From(ipA, ipB, proto, 1, 0, nil, b) }

func ip6Of(next Proto, b []byte) []byte {
	return join(unhex("60000000"), u16(len(b)), []byte{byte(next), 64}, ip6A, ip6B, b)
}

// extOf is an extension header of the common form, of 8*(more+1) bytes.
func extOf(next Proto, more int, b []byte) []byte {
	return join([]byte{byte(next), byte(more)}, make([]byte, 6+8*more), b)
}

func fragOf(next Proto, off int, more bool, b []byte) []byte {
	if more {
		off |= 1
	}
	return join([]byte{byte(next), 0}, u16(off), u32(77), b)
}

func tcpOf(flags int, options, b []byte) []byte {
	return join(u16(1000), u16(80), u32(0x11223344), u32(0x55667788), []byte{byte(5+len(options)/4) << 4, byte(flags)},
		u16(500), u32(0), options, b)
}

func udpOf(src, dst int, b []byte) []byte {
	return join(u16(src), u16(dst), u16(8+len(b)), u16(0), b)
}

func echoOf(kind int) []byte {
	return join([]byte{byte(kind), 0}, u16(0), u16(7), u16(1), []byte("ping"))
}

func snapOf(oui, t int, b []byte) []byte {
	return join(unhex("aaaa03"), u32(oui)[1:], u16(t), b)
}

func wifiOf(control string, more []byte, b []byte) []byte {
	return join(unhex(control), u16(0), macB, macA, macB, u16(0), more, b)
}

var (
	hello   = []byte("hello")
	syn4    = ip4Of(TCP, tcpOf(SYN, unhex("020405b40402080a0000000100000000"), nil)) // options of 16 bytes
	data4   = ip4Of(TCP, tcpOf(ACK|PSH, unhex("0101080a0000000100000002"), hello))
	data6   = ip6Of(TCP, tcpOf(ACK|PSH, nil, hello))
	query4  = ip4Of(UDP, udpOf(5353, 53, hello))
	query6  = ip6Of(UDP, udpOf(5353, 53, hello))
	arpWho  = join(u16(1), u16(0x800), []byte{6, 4}, u16(1), macA, ipA, make([]byte, 6), ipB)
	llcSTP  = unhex("424203000000000080000200000000010000000080000200000000010001000014000200 0f00")
	outerV4 = func(proto Proto, b []byte) []byte {
		return ip4From(unhex("c0a80001"), unhex("c0a80002"), proto, 9, 0, nil, b)
	}
	overUDP  = func(dst int, b []byte) []byte { return ethOf(0x800, outerV4(UDP, udpOf(40000, dst, b))) }
	overGRE  = func(b []byte) []byte { return ethOf(0x800, outerV4(GRE, b)) }
	vxlanHdr = unhex("0800000000002a00") // VNI 42
)

const (
	wantData4 = "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=57 payload=5 hello PA 11223344/55667788/500"
	wantData6 = "6 2001:db8::1:1000>2001:db8::2:80 v6 ip=65 payload=5 hello PA 11223344/55667788/500"
	wantQuery = "17 10.0.0.1:5353>10.0.0.2:53 v4 ip=33 payload=5 hello"
	wantQuer6 = "17 2001:db8::1:5353>2001:db8::2:53 v6 ip=53 payload=5 hello"
)

// describe says all of a packet that a test of decoding cares for.
func describe(p *Packet) string {
	var b strings.Builder
	v := p.IPVersion
	if v == 0 {
		fmt.Fprintf(&b, "%d %012x>%012x", p.Proto, p.Src.Lo, p.Dst.Lo)
	} else {
		fmt.Fprintf(&b, "%d %v:%d>%v:%d", p.Proto, p.Src.Netip(v), p.SrcPort, p.Dst.Netip(v), p.DstPort)
	}
	fmt.Fprintf(&b, " v%d ip=%d payload=%d", v, p.IPLen, p.PayloadLen)
	if len(p.Payload) <= 8 && len(p.Payload) > 0 {
		fmt.Fprintf(&b, " %s", p.Payload)
	} else if len(p.Payload) != int(p.PayloadLen) {
		fmt.Fprintf(&b, " has=%d", len(p.Payload))
	}
	if p.Proto == TCP {
		b.WriteByte(' ')
		for i, c := range "FSRPAUEC" {
			if p.TCPFlags>>i&1 != 0 {
				b.WriteRune(c)
			}
		}
		fmt.Fprintf(&b, " %x/%x/%d", p.Seq, p.Ack, p.Window)
	}
	if p.Proto == ICMP || p.Proto == ICMP6 {
		fmt.Fprintf(&b, " type=%d/%d", p.ICMPType, p.ICMPCode)
	}
	if p.VLAN != 0 {
		fmt.Fprintf(&b, " vlan=%d", p.VLAN)
	}
	if p.Tunnel != 0 {
		fmt.Fprintf(&b, " tunnel=%d/%d", p.Tunnel, p.TunnelID)
	}
	if p.Fragment {
		fmt.Fprintf(&b, " fragment")
	}
	if p.Frames != 1 {
		fmt.Fprintf(&b, " frames=%d", p.Frames)
	}
	if p.BadSum {
		b.WriteString(" badsum")
	}
	return b.String()
}

type goodFrame struct {
	name  string
	frame capture.Frame
	want  string
}

func frameOf(link capture.LinkType, b []byte) capture.Frame {
	return capture.Frame{Data: b, Len: uint32(len(b)), Link: link, TS: 1e9}
}

func goodFrames() []goodFrame {
	var out []goodFrame
	add := func(name string, link capture.LinkType, b []byte, want string) {
		out = append(out, goodFrame{name, frameOf(link, b), want})
	}
	eth := func(name string, b []byte, want string) { add(name, capture.LinkEthernet, b, want) }

	// Ethernet and what it carries
	eth("syn", ethOf(0x800, syn4), "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=56 payload=0 S 11223344/55667788/500")
	eth("data", ethOf(0x800, data4), wantData4)
	eth("ipv6", ethOf(0x86dd, data6), wantData6)
	eth("udp", ethOf(0x800, query4), wantQuery)
	eth("udp6", ethOf(0x86dd, query6), wantQuer6)
	eth("padded", join(ethOf(0x800, query4), make([]byte, 20)), wantQuery)
	eth("vlan", ethOf(0x8100, tagOf(5, 0x800, data4)), wantData4+" vlan=5")
	eth("qinq", ethOf(0x88a8, tagOf(7, 0x8100, tagOf(5, 0x800, data4))), wantData4+" vlan=7")
	eth("priority tag", ethOf(0x8100, tagOf(0, 0x8100, tagOf(5, 0x800, data4))), wantData4+" vlan=5")
	eth("five tags", ethOf(0x9100, tagOf(1, 0x9100, tagOf(2, 0x88a8, tagOf(3, 0x8100, tagOf(4, 0x8100, tagOf(5, 0x86dd, data6)))))), wantData6+" vlan=1")
	eth("arp", ethOf(0x806, arpWho), "256 10.0.0.1:0>10.0.0.2:0 v4 ip=28 payload=28")
	eth("lldp", ethOf(0x88cc, make([]byte, 46)), "257 020000000001>020000000002 v0 ip=46 payload=46")
	eth("eapol", ethOf(0x888e, unhex("0101000000")), "260 020000000001>020000000002 v0 ip=5 payload=5 \x01\x01\x00\x00\x00")
	eth("lacp", ethOf(0x8809, join([]byte{1}, make([]byte, 45))), "261 020000000001>020000000002 v0 ip=46 payload=46")
	eth("ptp", ethOf(0x88f7, make([]byte, 44)), "262 020000000001>020000000002 v0 ip=44 payload=44")
	eth("stp", join(ethOf(len(llcSTP), llcSTP), make([]byte, 8)), "259 020000000001>020000000002 v0 ip=35 payload=35")
	eth("cdp", ethOf(18, snapOf(0xc, 0x2000, make([]byte, 10))), "258 020000000001>020000000002 v0 ip=10 payload=10")
	eth("pvst", ethOf(18, snapOf(0xc, 0x10b, make([]byte, 10))), "259 020000000001>020000000002 v0 ip=10 payload=10")
	eth("snap", ethOf(8+len(data4), snapOf(0, 0x800, data4)), wantData4)
	eth("llc ip", ethOf(3+len(data4), join(unhex("060603"), data4)), wantData4)
	eth("mpls", ethOf(0x8847, join(unhex("0001023f 0001013f"), data4)), wantData4)
	eth("mpls ipv6", ethOf(0x8848, join(unhex("0000213f"), data6)), wantData6)
	eth("mpls pseudowire", ethOf(0x8847, join(unhex("0001013f"), ethOf(0x800, data4))), wantData4)
	eth("mpls pseudowire, the frame padded", ethOf(0x8847, join(unhex("0001013f"), data4, make([]byte, 9))), wantData4)
	eth("mpls control word", ethOf(0x8847, join(unhex("0001013f 00000000"), ethOf(0x800, data4))), wantData4)
	eth("pppoe", ethOf(0x8864, join(unhex("11000001"), u16(2+len(data4)), u16(0x21), data4)), wantData4)
	eth("pppoe ipv6", ethOf(0x8864, join(unhex("11000001"), u16(2+len(data6)), u16(0x57), data6, make([]byte, 9))), wantData6)
	eth("provider backbone", ethOf(0x88e7, join(unhex("00000001"), ethOf(0x800, data4))), wantData4)
	eth("etag", ethOf(0x893f, join(unhex("100000d80000"), u16(0x800), data4)), wantData4)
	eth("vn tag", ethOf(0x8926, join(unhex("80010002"), u16(0x8100), tagOf(5, 0x800, data4))), wantData4+" vlan=5")
	eth("cisco metadata", ethOf(0x8909, join(unhex("010100010064"), u16(0x800), data4)), wantData4)
	eth("fabric path", ethOf(0x8903, join(unhex("0041"), ethOf(0x800, data4))), wantData4)
	eth("macsec", ethOf(0x88e5, join(unhex("2000000000020200000000010001"), u16(0x800), data4, make([]byte, 16))), wantData4)

	// Other links
	add("raw", capture.LinkRaw, data4, wantData4)
	add("raw 12", linkRaw12, data6, wantData6)
	add("raw 14", linkRaw14, data4, wantData4)
	add("ipv4", capture.LinkIPv4, data4, wantData4)
	add("ipv6 link", capture.LinkIPv6, data6, wantData6)
	add("null little", capture.LinkNull, join(unhex("02000000"), data4), wantData4)
	add("null big", capture.LinkNull, join(unhex("00000002"), data4), wantData4)
	for _, af := range []int{10, 23, 24, 28, 30} {
		add(fmt.Sprint("null ipv6 ", af), capture.LinkNull, join([]byte{byte(af), 0, 0, 0}, data6), wantData6)
		add(fmt.Sprint("loop ipv6 ", af), capture.LinkLoop, join([]byte{0, 0, 0, byte(af)}, data6), wantData6)
	}
	add("sll", capture.LinkSLL, join(unhex("0000 0001 0006 020000000001 0000 0800"), data4), wantData4)
	add("sll vlan", capture.LinkSLL, join(unhex("0000 0001 0006 020000000001 0000 8100"), tagOf(5, 0x800, data4)), wantData4+" vlan=5")
	add("sll llc", capture.LinkSLL, join(unhex("0000 0001 0006 020000000001 0000 0004"), llcSTP), "259 020000000001>000000000000 v0 ip=35 payload=35")
	add("sll2", capture.LinkSLL2, join(unhex("86dd 0000 00000002 0001 04 06 020000000001 0000"), data6), wantData6)
	add("ppp", capture.LinkPPP, join(unhex("ff030021"), data4), wantData4)
	add("ppp compressed", capture.LinkPPP, join(unhex("21"), data4), wantData4)
	add("ppp no address", linkPPPHDLC, join(unhex("0057"), data6), wantData6)
	add("ppp mpls", capture.LinkPPP, join(unhex("ff030281 0001013f"), data4), wantData4)
	add("ppp with direction", linkPPPWithDir, join(unhex("01ff030021"), data4), wantData4)
	add("pppoe link", linkPPPoE, join(unhex("11000001"), u16(2+len(data4)), u16(0x21), data4), wantData4)
	add("cisco hdlc", linkCHDLC, join(unhex("0f000800"), data4), wantData4)
	add("cisco hdlc in ppp", linkPPPHDLC, join(unhex("0f0086dd"), data6), wantData6)
	add("frame relay", linkFrameRelay, join(unhex("184103cc"), data4), wantData4)
	add("frame relay snap", linkFrameRelay, join(unhex("1841030080"), unhex("00000086dd"), data6), wantData6)
	add("frame relay cisco", linkFrameRelay, join(unhex("18410800"), data4), wantData4)
	add("slip", linkSLIP, join(make([]byte, 16), data4), wantData4)
	add("fddi, by gopacket", 10, join([]byte{0x50}, macB, macA, snapOf(0, 0x800, data4)), wantData4)
	add("nflog", linkNFLOG, join(unhex("02000000 08000100 08000301 05000a00 61000000"), []byte{byte(4 + len(data4)), 0, 9, 0}, data4), wantData4)
	add("nflog big", linkNFLOG, join(unhex("0a000000"), u16(4+len(data6)), u16(9), data6), wantData6)
	add("pktap", linkPKTAP, join(unhex("1000000001000000 01000000 00000000"), ethOf(0x800, data4)), wantData4)
	add("dsa", linkDSA, join(macB, macA, unhex("40000001"), u16(0x800), data4), wantData4)
	add("edsa", linkEDSA, join(macB, macA, unhex("dada000040000001"), u16(0x800), data4), wantData4)
	add("broadcom tag", linkBrcmTag, join(macB, macA, unhex("20000001"), u16(0x800), data4), wantData4)
	add("broadcom tag before", linkBrcmPrepend, join(unhex("20000001"), ethOf(0x800, data4)), wantData4)
	add("ipnet", linkIPNET, join(make([]byte, 24), data4), wantData4)
	add("ipoib", linkIPoIB, join(make([]byte, 40), unhex("08000000"), data4), wantData4)
	add("arcnet", linkARCNET, join(unhex("01020000d4000001"), data4), wantData4)
	add("arcnet exception", linkARCNET, join(unhex("01020000d4ffffffd4000001"), data4), wantData4)

	add("token ring", linkTokenRing, join(unhex("1040"), macB, macA, snapOf(0, 0x800, data4)), wantData4)
	add("token ring source route", linkTokenRing, join(unhex("1040"), macB, unhex("820000000001 0230"), snapOf(0, 0x86dd, data6)), wantData6)
	add("atm", linkRFC1483, snapOf(0, 0x800, data4), wantData4)
	add("atm bridged", linkRFC1483, snapOf(0x80c2, 7, ethOf(0x800, data4)), wantData4)
	add("sun atm", linkSunATM, join(unhex("02000021"), snapOf(0, 0x800, data4)), wantData4)
	add("ip over fibre channel", linkIPOverFC, join(make([]byte, 16), snapOf(0, 0x800, data4)), wantData4)
	add("firewire", linkFireWire, join(make([]byte, 16), unhex("86dd"), data6), wantData6)
	add("juniper", linkJuniperEther, join([]byte("MGC"), unhex("81 0004 01020304"), ethOf(0x800, data4)), wantData4)
	add("juniper without ethernet", linkJuniperEther, join([]byte("MGC"), unhex("02 02000000"), data4), wantData4)
	add("sll wifi", capture.LinkSLL, join(unhex("0000 0321 0006 020000000001 0000 0000"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("sll radiotap", capture.LinkSLL, join(unhex("0000 0323 0006 020000000001 0000 0000 0000080000000000"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("sll gre", capture.LinkSLL, join(unhex("0004 030a 0004 0a00000100000000 0800"), data4), wantData4)
	add("null ethertype", capture.LinkLoop, join(unhex("00000800"), data4), wantData4)
	add("nflog bridge", linkNFLOG, join(unhex("07000000"), u16(4+14+len(data6)), u16(9), ethOf(0x86dd, data6)), wantData6)
	add("ppp bridged", capture.LinkPPP, join(unhex("ff030031 0001"), ethOf(0x800, data4)), wantData4)
	add("cisco hdlc cdp", linkCHDLC, join(unhex("0f002000"), hello), "258 000000000000>000000000000 v0 ip=5 payload=5 hello")
	add("cisco hdlc with direction", linkCHDLCDir, join(unhex("000f000800"), data4), wantData4)
	add("frame relay ipv6", linkFRelayDir, join(unhex("00 1841038e"), data6), wantData6)
	add("enc", linkEnc, join(unhex("18000000 00001234 01000000"), data6), wantData6)
	add("pflog", linkPFLOG, join(unhex("3d02 0000"), make([]byte, 60), data4), wantData4)
	add("netanalyzer", linkNetAnalyzer, join(unhex("00000000"), ethOf(0x800, data4), unhex("01020304")), wantData4)
	add("netanalyzer transparent", linkNetTransp, join(unhex("00000000 55555555555555d5"), ethOf(0x86dd, data6)), wantData6)
	add("docsis", linkDOCSIS, join(unhex("0000 0000 1234"), ethOf(0x800, data4)), wantData4)
	add("docsis extended", linkDOCSIS, join(unhex("0104 0000 11223344 1234"), ethOf(0x800, data4)), wantData4)
	add("frame relay padded", linkFrameRelay, join(unhex("18410300cf 0021"), data4), wantData4)

	// 802.11
	add("wifi", linkWiFi, wifiOf("0801", nil, snapOf(0, 0x800, data4)), wantData4)
	add("wifi qos", linkWiFi, wifiOf("8802", unhex("0000"), snapOf(0, 0x86dd, data6)), wantData6)
	add("wifi four addresses", linkWiFi, wifiOf("0803", macA, snapOf(0, 0x800, data4)), wantData4)
	add("wifi a-msdu", linkWiFi, wifiOf("8801", join(unhex("8000"), macB, macA, u16(8+len(data4))), snapOf(0, 0x800, data4)), wantData4)
	add("wifi eapol", linkWiFi, wifiOf("0801", nil, snapOf(0, 0x888e, hello)), "260 020000000001>020000000002 v0 ip=5 payload=5 hello")
	add("radiotap", linkRadiotap, join(unhex("00000800 00000000"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("radiotap sum and padding", linkRadiotap, join(unhex("00001900 030000a0 00000080 00000000 0000000000000000 30"),
		wifiOf("8801", unhex("0000 0000"), snapOf(0, 0x86dd, data6)), unhex("01020304")), wantData6)
	add("prism", linkPrism, join(unhex("44000000 08000000"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("avs", linkAVS, join(unhex("80211001 00000008"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("ppi", linkPPI, join(unhex("00000800 69000000"), wifiOf("0801", nil, snapOf(0, 0x800, data4))), wantData4)
	add("ppi ethernet", linkPPI, join(unhex("00000800 01000000"), ethOf(0x800, data4)), wantData4)

	// IP
	add("options", capture.LinkRaw, ip4From(ipA, ipB, UDP, 1, 0, unhex("94040000 01010101"), udpOf(5353, 53, hello)), "17 10.0.0.1:5353>10.0.0.2:53 v4 ip=41 payload=5 hello")
	tso := slices.Clone(data4)
	tso[2], tso[3] = 0, 0
	add("total length 0", capture.LinkRaw, tso, wantData4)
	big := slices.Clone(data6)
	big[4], big[5] = 0, 0
	add("payload length 0", capture.LinkRaw, big, wantData6)
	add("jumbo", capture.LinkRaw, join(unhex("60000000 0000 00 40"), ip6A, ip6B, unhex("1100 c204 00000015"), u16(5353), u16(53), u32(0), hello),
		"17 2001:db8::1:5353>2001:db8::2:53 v6 ip=61 payload=5 hello")
	lying := slices.Clone(query4)
	lying[2] = 0x40
	add("total length too great", capture.LinkRaw, lying, wantQuery)
	add("extension headers", capture.LinkRaw, ip6Of(hopByHop, extOf(destOpts, 0, extOf(routing, 2, extOf(mobility, 0, extOf(hip, 0, extOf(shim6, 1,
		extOf(fragment, 0, fragOf(AH, 0, false, join([]byte{byte(destOpts), 4}, make([]byte, 22), extOf(TCP, 0, tcpOf(ACK|PSH, nil, hello))))))))))),
		"6 2001:db8::1:1000>2001:db8::2:80 v6 ip=177 payload=5 hello PA 11223344/55667788/500")
	add("ah in ipv4", capture.LinkRaw, ip4Of(AH, join([]byte{17, 4}, make([]byte, 22), udpOf(5353, 53, hello))), "17 10.0.0.1:5353>10.0.0.2:53 v4 ip=57 payload=5 hello")
	add("no next header", capture.LinkRaw, ip6Of(noNext, nil), "59 2001:db8::1:0>2001:db8::2:0 v6 ip=40 payload=0")
	add("binding update", capture.LinkRaw, ip6Of(mobility, extOf(noNext, 1, nil)), "135 2001:db8::1:0>2001:db8::2:0 v6 ip=56 payload=16")
	add("icmp echo", capture.LinkRaw, ip4Of(ICMP, echoOf(8)), "1 10.0.0.1:7>10.0.0.2:7 v4 ip=32 payload=4 ping type=8/0")
	add("icmp6 echo", capture.LinkRaw, ip6Of(ICMP6, echoOf(129)), "58 2001:db8::1:7>2001:db8::2:7 v6 ip=52 payload=4 ping type=129/0")
	add("icmp time", capture.LinkRaw, ip4Of(ICMP, echoOf(13)), "1 10.0.0.1:0>10.0.0.2:0 v4 ip=32 payload=4 ping type=13/0")
	add("neighbour", capture.LinkRaw, ip6Of(ICMP6, join(unhex("87000000 00000000"), ip6B)), "58 2001:db8::1:0>2001:db8::2:0 v6 ip=64 payload=16 type=135/0")
	add("igmp", capture.LinkRaw, ip4Of(IGMP, unhex("1600 0000 e00000fb")), "2 10.0.0.1:0>10.0.0.2:0 v4 ip=28 payload=8 \x16\x00\x00\x00\xe0\x00\x00\xfb")
	add("sctp", capture.LinkRaw, ip4Of(SCTP, join(u16(2905), u16(2906), make([]byte, 8), hello)), "132 10.0.0.1:2905>10.0.0.2:2906 v4 ip=37 payload=5 hello")
	add("udp-lite", capture.LinkRaw, ip4Of(udpLite, join(u16(1), u16(2), u16(8), u16(0), hello)), "136 10.0.0.1:1>10.0.0.2:2 v4 ip=33 payload=5 hello")
	add("dccp", capture.LinkRaw, ip4Of(dccp, join(u16(1), u16(2), []byte{4}, make([]byte, 11), hello)), "33 10.0.0.1:1>10.0.0.2:2 v4 ip=41 payload=5 hello")
	add("esp", capture.LinkRaw, ip4Of(ESP, hello), "50 10.0.0.1:0>10.0.0.2:0 v4 ip=25 payload=5 hello")
	add("ospf", capture.LinkRaw, ip6Of(89, hello), "89 2001:db8::1:0>2001:db8::2:0 v6 ip=45 payload=5 hello")
	add("udp length 0", capture.LinkRaw, ip6Of(UDP, join(u16(5353), u16(53), u32(0), hello)), wantQuer6)
	add("udp length short", capture.LinkRaw, ip4Of(UDP, join(u16(5353), u16(53), u16(10), u16(0), hello)), "17 10.0.0.1:5353>10.0.0.2:53 v4 ip=33 payload=2 he")
	add("udp length too great", capture.LinkRaw, ip4Of(UDP, join(u16(5353), u16(53), u16(1000), u16(0), hello)), wantQuery)

	// Tunnels
	eth("ipip", ethOf(0x800, outerV4(ipInIP, data4)), wantData4+" tunnel=1/0")
	eth("6in4", ethOf(0x800, outerV4(ip6InIP, data6)), wantData6+" tunnel=1/0")
	eth("4in6", ethOf(0x86dd, ip6Of(ipInIP, data4)), wantData4+" tunnel=1/0")
	eth("mpls in ip", ethOf(0x800, outerV4(mplsInIP, join(unhex("0001013f"), data4))), wantData4+" tunnel=1/0")
	eth("gre", overGRE(join(unhex("00000800"), data4)), wantData4+" tunnel=2/0")
	eth("gre all fields", overGRE(join(unhex("b0000800 abcd0000 00000063 00000001"), data4)), wantData4+" tunnel=2/99")
	eth("gre source route", overGRE(join(unhex("40000800 00000000 0800 0004 0a000009 0000 0000"), data4)), wantData4+" tunnel=2/0")
	eth("nvgre", overGRE(join(unhex("20006558 00002a00"), ethOf(0x86dd, data6))), wantData6+" tunnel=2/10752")
	eth("pptp", overGRE(join(unhex("3081880b 00400007 00000001 00000002 ff030021"), data4)), wantData4+" tunnel=2/0")
	eth("erspan 1", overGRE(join(unhex("000088be"), ethOf(0x800, data4))), wantData4+" tunnel=2/0")
	eth("erspan 2", overGRE(join(unhex("100088be 00000001 1001000100000000"), ethOf(0x800, data4))), wantData4+" tunnel=2/0")
	eth("erspan 3", overGRE(join(unhex("100022eb 00000001 200100010000000000000001 0000000000000000"), ethOf(0x800, data4))), wantData4+" tunnel=2/0")
	eth("wccp", overGRE(join(unhex("0000883e 00000000"), data4)), wantData4+" tunnel=2/0")
	eth("gre other", overGRE(unhex("00001234 00")), "47 192.168.0.1:0>192.168.0.2:0 v4 ip=25 payload=5 \x00\x00\x124\x00")
	eth("gre in udp", overUDP(4754, join(unhex("00000800"), data4)), wantData4+" tunnel=2/0")
	eth("vxlan", overUDP(4789, join(vxlanHdr, ethOf(0x800, data4))), wantData4+" tunnel=3/42")
	eth("vxlan linux", overUDP(8472, join(vxlanHdr, ethOf(0x8100, tagOf(5, 0x86dd, data6)))), wantData6+" tunnel=3/42")
	eth("vxlan arp", overUDP(4789, join(vxlanHdr, ethOf(0x806, arpWho))), "256 10.0.0.1:0>10.0.0.2:0 v4 ip=28 payload=28 tunnel=3/42")
	eth("vxlan-gpe", overUDP(4790, join(unhex("0c00000200002a00"), data6)), wantData6+" tunnel=3/42")
	eth("vxlan-gpe nsh", overUDP(4790, join(unhex("0c00000400002a00 0002020100000001"), data4)), wantData4+" tunnel=3/42")
	eth("geneve", overUDP(6081, join(unhex("0240655800002a00 0000000000000000"), ethOf(0x800, data4))), wantData4+" tunnel=4/42")
	eth("geneve ip", overUDP(6081, join(unhex("000086dd00002a00"), data6)), wantData6+" tunnel=4/42")
	eth("gtp", overUDP(2152, join(unhex("30ff"), u16(len(data4)), u32(42), data4)), wantData4+" tunnel=5/42")
	eth("gtp extension", overUDP(2152, join(unhex("34ff"), u16(8+len(data6)), u32(42), unhex("00000085 01000900"), data6)), wantData6+" tunnel=5/42")
	eth("teredo", overUDP(3544, data6), wantData6+" tunnel=6/0")
	eth("teredo indications", overUDP(3544, join(unhex("00010000 0000000000000000 00 0000000000000000"), data6)), wantData6+" tunnel=6/0")
	eth("eoip", overGRE(join(unhex("20016400"), u16(14+len(data4)), unhex("2a00"), ethOf(0x800, data4))), wantData4+" tunnel=2/42")
	eth("eoip of another version", overGRE(unhex("00006400 61")), "47 192.168.0.1:0>192.168.0.2:0 v4 ip=25 payload=5 \x00\x00d\x00a")
	wifi := unhex("8802 0000 020000000001 020000000002 020000000003 1000 0000 aaaa030000000800")
	eth("aruba", overGRE(join(unhex("00008240"), wifi, data4)), wantData4+" tunnel=2/0")
	eth("aruba other", overGRE(unhex("00008248 61")), "47 192.168.0.1:0>192.168.0.2:0 v4 ip=25 payload=5 \x00\x00\x82Ha")
	eth("l2tp", overUDP(1701, join(unhex("0002 0007 0009 0021"), data4)), wantData4+" tunnel=10/458761")
	eth("l2tp all", overUDP(1701, join(unhex("4a02"), u16(20+len(data6)), unhex("0007 0009 0001 0000 0002 eeee ff03 0057"), data6)), wantData6+" tunnel=10/458761")
	eth("lisp", overUDP(4341, join(unhex("c0123456 00000001"), data6)), wantData6+" tunnel=11/0")
	eth("ayiya", overUDP(5072, join(unhex("12 11 11 04 00000000 0000 00000000"), data4)), wantData4+" tunnel=7/0")
	eth("capwap", overUDP(5247, join(unhex("0010 0300 00000000"), wifi, data4)), wantData4+" tunnel=8/0")
	eth("capwap swapped", overUDP(5247, join(unhex("0010 0300 00000000 0288"), wifi[2:], data4)), wantData4+" tunnel=8/0")
	eth("capwap ethernet", overUDP(5247, join(unhex("0020 0240 00000000 06020000000001 00"), ethOf(0x86dd, data6))), wantData6+" tunnel=8/0")
	eth("mpls in udp", overUDP(6635, join(unhex("00065140"), data4)), wantData4+" tunnel=12/0")
	eth("tzsp", overUDP(37008, join(unhex("01000001 00 0a01d8 01"), ethOf(0x86dd, data6))), wantData6+" tunnel=13/0")
	eth("tzsp wifi", overUDP(37008, join(unhex("01000012 01"), wifi, data4)), wantData4+" tunnel=13/0")
	eth("etherip", ethOf(0x800, outerV4(97, join(unhex("3000"), ethOf(0x800, data4)))), wantData4+" tunnel=9/0")
	eth("trill", ethOf(0x22f3, join(unhex("0041 0001 0002 00000000"), ethOf(0x8100, tagOf(5, 0x800, data4)))), wantData4+" vlan=5")
	eth("hsr", ethOf(0x892f, join(unhex("1034 0007 0800"), data4)), wantData4)
	eth("redundancy tag", ethOf(0xf1c1, join(unhex("0000 0007 86dd"), data6)), wantData6)
	eth("tunnel in tunnel", overUDP(4789, join(vxlanHdr, ethOf(0x800, outerV4(GRE, join(unhex("00000800"), data4))))), wantData4+" tunnel=2/0")
	// Ports of tunnels, without the tunnel
	eth("not vxlan", overUDP(4789, hello), "17 192.168.0.1:40000>192.168.0.2:4789 v4 ip=33 payload=5 hello")
	eth("not vxlan within", overUDP(4789, join(vxlanHdr, ethOf(0x800, unhex("4700")))), "17 192.168.0.1:40000>192.168.0.2:4789 v4 ip=52 payload=24")
	eth("not teredo", overUDP(3544, join(data6, []byte{0})), "17 192.168.0.1:40000>192.168.0.2:3544 v4 ip=94 payload=66")
	eth("not l2tp", overUDP(1701, join(unhex("c802 000c 0000 0000 0000 0000"))), "17 192.168.0.1:40000>192.168.0.2:1701 v4 ip=40 payload=12")
	eth("not l2tp within", overUDP(1701, join(unhex("0002 0007 0009 0021"), data4, []byte{0})), wantData4+" tunnel=10/458761") // padding
	eth("capwap keep-alive", overUDP(5247, unhex("0010 0208 00000000 0016 0023 0010 00112233445566778899aabbccddeeff")), "17 192.168.0.1:40000>192.168.0.2:5247 v4 ip=58 payload=30")
	eth("tzsp without end", overUDP(37008, unhex("01000001 0a01d8 0a01")), "17 192.168.0.1:40000>192.168.0.2:37008 v4 ip=37 payload=9")
	eth("gtp control", overUDP(2152, unhex("3201000400000000 00010000")), "17 192.168.0.1:40000>192.168.0.2:2152 v4 ip=40 payload=12")
	return out
}
