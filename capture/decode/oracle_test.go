package decode

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"rustnet/capture"
)

// A decoder that disagrees with gopacket on any capture of the project is wrong, but where gopacket
// is; those places are named in compare.
func TestAgreesWithGopacket(t *testing.T) {
	n := 0
	for _, c := range goodFrames() {
		n += compareAll(t, c.name, []capture.Frame{c.frame})
	}
	if n < 40 {
		t.Errorf("compared the transport of %d frames, want at least 40", n)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 2000 {
		if n := compareAll(t, fmt.Sprint("serialized ", i), []capture.Frame{serialized(r)}); n != 1 {
			t.Fatalf("serialized frame %d was not compared", i)
		}
	}
	files, err := filepath.Glob("../../testdata/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if e := filepath.Ext(f); e != ".pcap" && e != ".pcapng" {
			continue // compressed: the file source's business
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compareAll(t, filepath.Base(f), readCapture(b))
	}
}

func compareAll(t *testing.T, name string, frames []capture.Frame) (n int) {
	t.Helper()
	d, b := New(Config{}), NewPackets(func(*Packets) {})
	for i := range frames {
		var p Packet
		if s := d.Decode(&frames[i], &p, b); s != SkipNone {
			continue
		}
		transport, err := compare(&frames[i], &p)
		if err != nil {
			t.Errorf("%s, frame %d: %v", name, i+1, err)
		}
		if transport {
			n++
		}
	}
	return n
}

// serialized is a frame that gopacket makes: VLAN tags, IPv4 or IPv6, a transport with right sums, and
// a payload of at least a byte.
func serialized(r *rand.Rand) capture.Frame {
	var ls []gopacket.SerializableLayer
	six := r.IntN(2) == 1
	next := layers.EthernetTypeIPv4
	if six {
		next = layers.EthernetTypeIPv6
	}
	eth := &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: next}
	ls = append(ls, eth)
	for range r.IntN(4) {
		eth.EthernetType = layers.EthernetTypeDot1Q
		if n := len(ls); n > 1 {
			ls[n-1].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
		}
		ls = append(ls, &layers.Dot1Q{VLANIdentifier: uint16(1 + r.IntN(4094)), Type: next})
	}
	proto := []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4}[r.IntN(3)]
	if six && proto == layers.IPProtocolICMPv4 {
		proto = layers.IPProtocolICMPv6
	}
	var network gopacket.NetworkLayer
	if six {
		ip := &layers.IPv6{Version: 6, NextHeader: proto, HopLimit: 64, SrcIP: ip6A, DstIP: ip6B}
		network, ls = ip, append(ls, ip)
	} else {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: ipA, DstIP: ipB, Id: uint16(r.Uint32())}
		network, ls = ip, append(ls, ip)
	}
	switch proto {
	case layers.IPProtocolTCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(r.Uint32()), DstPort: layers.TCPPort(r.Uint32()), Seq: r.Uint32(), Ack: r.Uint32(),
			Window: uint16(r.Uint32()), SYN: r.IntN(2) == 1, ACK: r.IntN(2) == 1, FIN: r.IntN(2) == 1, RST: r.IntN(2) == 1,
			PSH: r.IntN(2) == 1, URG: r.IntN(2) == 1, ECE: r.IntN(2) == 1, CWR: r.IntN(2) == 1}
		for range r.IntN(3) {
			l.Options = append(l.Options, layers.TCPOption{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)})
		}
		l.SetNetworkLayerForChecksum(network)
		ls = append(ls, l)
	case layers.IPProtocolUDP: // not at the ports of tunnels
		l := &layers.UDP{SrcPort: layers.UDPPort(10000 + r.IntN(50000)), DstPort: layers.UDPPort(10000 + r.IntN(50000))}
		l.SetNetworkLayerForChecksum(network)
		ls = append(ls, l)
	case layers.IPProtocolICMPv4:
		ls = append(ls, &layers.ICMPv4{TypeCode: layers.ICMPv4TypeCode(r.Uint32()), Id: uint16(r.Uint32()), Seq: 1})
	case layers.IPProtocolICMPv6:
		l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(200, uint8(r.Uint32()))}
		l.SetNetworkLayerForChecksum(network)
		ls = append(ls, l)
	}
	ls = append(ls, gopacket.Payload(make([]byte, 8+r.IntN(1400))))
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		panic(err)
	}
	return frameOf(capture.LinkEthernet, b.Bytes())
}

// compare checks p against gopacket's layers of the same frame. transport says whether there was a
// transport header to compare; addresses alone are compared where there was none.
//
// Left out, as gopacket is wrong or has nothing to say:
//   - link types above 255: its LinkType is a byte. And 802.11, whose last four bytes it always takes
//     for a checksum.
//   - link types that it does not know (Cisco HDLC, Frame Relay, …).
//   - fragments: it does not put them together, and reads no header behind a fragment header.
//   - frames that the capture cut, or whose IP length is 0 or too great: it guesses differently.
//   - tunnels by port: it knows VXLAN, Geneve and GTP by port alone, and does not look whether they
//     hold; Teredo, pseudowires and GRE's PPTP, ERSPAN I and III not at all. So where we say a tunnel,
//     its innermost IP layer is compared if it is the same packet's, else its outermost.
//   - header chains that it gives up on (mobility, HIP, shim6), as it then has no transport layer.
func compare(fr *capture.Frame, p *Packet) (transport bool, err error) {
	switch fr.Link {
	case linkWiFi, linkRadiotap, linkPrism:
		return false, nil
	}
	if fr.Link > 0xff || p.Fragment || p.Proto >= ARP || len(fr.Data) < int(fr.Len) || !gopacketReads(fr.Link) {
		return false, nil
	}
	g := gopacket.NewPacket(fr.Data, layers.LinkType(fr.Link), gopacket.NoCopy)
	at := -1
	ls := g.Layers()
	for i, l := range ls {
		if t := l.LayerType(); t == layers.LayerTypeIPv4 || t == layers.LayerTypeIPv6 {
			if p.Tunnel != NoTunnel || at < 0 {
				at = i
			}
		}
	}
	if at < 0 {
		return false, nil
	}
	src, dst, size := ipOf(ls[at])
	if p.Tunnel != NoTunnel && src != p.Src.Netip(p.IPVersion) {
		return false, nil
	}
	if s, d := p.Src.Netip(p.IPVersion), p.Dst.Netip(p.IPVersion); s != src || d != dst {
		return false, fmt.Errorf("addresses: got %v > %v, gopacket has %v > %v", s, d, src, dst)
	}
	if size == 0 || g.Metadata().Truncated {
		return false, nil
	}
	if p.IPLen != uint32(size) {
		return false, fmt.Errorf("ip length: got %d, gopacket has %d", p.IPLen, size)
	}
	return sameTransport(p, ls[at+1:])
}

// ipOf gives the whole packet's length, or 0 where the header has none.
func ipOf(l gopacket.Layer) (src, dst netip.Addr, size int) {
	switch l := l.(type) {
	case *layers.IPv4:
		return addrOf(l.SrcIP), addrOf(l.DstIP), int(l.Length)
	case *layers.IPv6:
		if l.Length != 0 {
			size = ip6Header + int(l.Length)
		}
		return addrOf(l.SrcIP), addrOf(l.DstIP), size
	}
	return
}

func addrOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

func sameTransport(p *Packet, ls []gopacket.Layer) (compared bool, err error) {
	for _, l := range ls {
		got := fmt.Sprint(p.Proto, p.SrcPort, p.DstPort, p.PayloadLen, len(p.Payload))
		var want string
		n := len(l.LayerPayload())
		switch l := l.(type) {
		case *layers.TCP:
			got = fmt.Sprint(p.Proto, p.SrcPort, p.DstPort, p.PayloadLen, len(p.Payload), p.Seq, p.Ack, p.Window, p.TCPFlags)
			want = fmt.Sprint(TCP, uint16(l.SrcPort), uint16(l.DstPort), n, n, l.Seq, l.Ack, l.Window, l.Contents[13])
		case *layers.UDP:
			want = fmt.Sprint(UDP, uint16(l.SrcPort), uint16(l.DstPort), n, n)
		case *layers.UDPLite:
			want = fmt.Sprint(udpLite, uint16(l.SrcPort), uint16(l.DstPort), n, n)
		case *layers.SCTP:
			want = fmt.Sprint(SCTP, uint16(l.SrcPort), uint16(l.DstPort), n, n)
		case *layers.ICMPv4:
			got = fmt.Sprint(p.Proto, p.ICMPType, p.ICMPCode, p.PayloadLen, len(p.Payload))
			want = fmt.Sprint(ICMP, l.TypeCode.Type(), l.TypeCode.Code(), n, n)
		case *layers.ICMPv6: // whose header gopacket takes for 4 bytes; RFC 4443 gives the next 4 to the type
			n = max(0, n-4)
			got = fmt.Sprint(p.Proto, p.ICMPType, p.ICMPCode, p.PayloadLen, len(p.Payload))
			want = fmt.Sprint(ICMP6, l.TypeCode.Type(), l.TypeCode.Code(), n, n)
		case *layers.IPv4, *layers.IPv6:
			return false, nil // a tunnel that gopacket sees and that does not hold
		default:
			continue
		}
		if got != want {
			return false, fmt.Errorf("%v: got %s, gopacket has %s", l.LayerType(), got, want)
		}
		return true, nil
	}
	return false, nil
}

// readCapture reads pcap and pcapng, as far as it is whole. pcapgo does not serve: it keeps link
// types in a byte, so that SLL2 comes out as something else.
func readCapture(b []byte) []capture.Frame {
	if len(b) < 24 {
		return nil
	}
	switch binary.LittleEndian.Uint32(b) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		return readPcap(b, binary.LittleEndian)
	case 0xd4c3b2a1, 0x4d3cb2a1:
		return readPcap(b, binary.BigEndian)
	case 0x0a0d0d0a:
		return readPcapng(b)
	}
	return nil
}

func readPcap(b []byte, o binary.ByteOrder) (fs []capture.Frame) {
	scale := int64(1000)
	if m := o.Uint32(b); m == 0xa1b23c4d {
		scale = 1
	}
	link := capture.LinkType(o.Uint32(b[20:]))
	for b = b[24:]; len(b) >= 16; {
		n := int(o.Uint32(b[8:]))
		if n > len(b)-16 {
			return fs
		}
		ts := int64(o.Uint32(b))*1e9 + int64(o.Uint32(b[4:]))*scale
		fs = append(fs, capture.Frame{Data: b[16 : 16+n], TS: ts, Len: o.Uint32(b[12:]), Link: link})
		b = b[16+n:]
	}
	return fs
}

func readPcapng(b []byte) (fs []capture.Frame) {
	var o binary.ByteOrder = binary.LittleEndian
	var links []capture.LinkType
	for len(b) >= 12 {
		if binary.LittleEndian.Uint32(b) == 0x0a0d0d0a {
			o, links = binary.LittleEndian, nil
			if binary.BigEndian.Uint32(b[8:]) == 0x1a2b3c4d {
				o = binary.BigEndian
			}
		}
		n := int(o.Uint32(b[4:]))
		if n < 12 || n > len(b) {
			return fs
		}
		block := b[8 : n-4]
		switch t := o.Uint32(b); {
		case t == 1 && len(block) >= 8:
			links = append(links, capture.LinkType(o.Uint16(block)))
		case (t == 6 || t == 2) && len(block) >= 20:
			i := int(o.Uint32(block))
			if t == 2 {
				i = int(o.Uint16(block))
			}
			k := int(o.Uint32(block[12:]))
			if i < len(links) && k <= len(block)-20 {
				ts := int64(o.Uint32(block[4:]))<<32 | int64(o.Uint32(block[8:]))
				fs = append(fs, capture.Frame{Data: block[20 : 20+k], TS: ts * 1000, Len: o.Uint32(block[16:]), Link: links[i]})
			}
		case t == 3 && len(block) >= 4 && len(links) > 0:
			k := min(int(o.Uint32(block)), len(block)-4)
			fs = append(fs, capture.Frame{Data: block[4 : 4+k], Len: o.Uint32(block), Link: links[0]})
		}
		b = b[n:]
	}
	return fs
}
