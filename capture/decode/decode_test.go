package decode

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture"
)

func storage() *Packets { return NewPackets(func(*Packets) {}) }

func decodeOne(fr capture.Frame) (Packet, Skip) {
	var p Packet
	s := New(Config{}).Decode(&fr, &p, storage())
	return p, s
}

func TestGoodFrames(t *testing.T) {
	for _, c := range goodFrames() {
		t.Run(c.name, func(t *testing.T) {
			p, s := decodeOne(c.frame)
			if s != SkipNone {
				t.Fatalf("skipped: %v", s)
			}
			if got := describe(&p); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if p.TS != 1e9 || p.Clock != 1e9 || p.Frame != 1 {
				t.Errorf("ts %d, clock %d, frame %d", p.TS, p.Clock, p.Frame)
			}
		})
	}
}

// TestOneAfterAnother: a frame leaves nothing behind, neither in the packet nor in the decoder.
func TestOneAfterAnother(t *testing.T) {
	good := goodFrames()
	r := rand.New(rand.NewPCG(7, 8))
	d, st := New(Config{}), storage()
	var p Packet
	for range 20 * len(good) {
		c := good[r.IntN(len(good))]
		if r.IntN(4) == 0 { // one that fails somewhere
			c.frame.Data = c.frame.Data[:r.IntN(len(c.frame.Data))]
			d.Decode(&c.frame, &p, st)
			continue
		}
		if s := d.Decode(&c.frame, &p, st); s != SkipNone || describe(&p) != c.want {
			t.Fatalf("%s: got %v %s\nwant %s", c.name, s, describe(&p), c.want)
		}
		if p.Proto != TCP && p.TCPFlags != 0 {
			t.Fatalf("%s: flags of TCP %x", c.name, p.TCPFlags)
		}
	}
}

// TestDepth: what is wrapped more often than maxDepth is followed so far, and no further.
func TestDepth(t *testing.T) {
	nest := func(n int, b []byte, wrap func([]byte) []byte) []byte {
		for range n {
			b = wrap(b)
		}
		return b
	}
	tunnel := func(b []byte) []byte { return ip4Of(ipInIP, b) }
	label := func(b []byte) []byte { return ethOf(0x8847, join(unhex("0001013f"), b)) }
	secured := func(b []byte) []byte { return join(macB, macA, unhex("88e5 00 00 00000001"), b[12:], make([]byte, 16)) } // MACsec, not encrypted
	for _, c := range []struct {
		name  string
		frame capture.Frame
		want  Skip
		proto Proto
	}{
		{"tunnels", frameOf(capture.LinkRaw, nest(maxDepth, query4, tunnel)), SkipNone, UDP},
		{"a tunnel too many", frameOf(capture.LinkRaw, nest(maxDepth+1, query4, tunnel)), SkipNone, ipInIP},
		{"labels", frameOf(capture.LinkEthernet, nest(maxDepth, ethOf(0x800, query4), label)), SkipNone, UDP},
		{"a label too many", frameOf(capture.LinkEthernet, nest(maxDepth+1, ethOf(0x800, query4), label)), SkipNotIP, 0},
		{"secured", frameOf(capture.LinkEthernet, nest(maxDepth, ethOf(0x800, query4), secured)), SkipNone, UDP},
		{"secured once too often", frameOf(capture.LinkEthernet, nest(maxDepth+1, ethOf(0x800, query4), secured)), SkipNotIP, 0},
	} {
		if p, s := decodeOne(c.frame); s != c.want || s == SkipNone && p.Proto != c.proto {
			t.Errorf("%s: got %v %s, want %v of %d", c.name, s, describe(&p), c.want, c.proto)
		}
	}
}

// TestEveryWord: no frame is the end of the program, with whatever type, port or flags stand in the place of others, and cut wherever it is cut.
func TestEveryWord(t *testing.T) {
	words := []uint16{0, 1, 0x0101, 0x2000, 0x2001, 0x3001, 0x4000, 0x8000, 0xff00, 0x00ff, 0xffff,
		etherIPv4, etherARP, etherTRILL, etherCDP, etherERSPAN3, etherBridged, etherVLAN, etherIPv6, etherSlow, etherPPP, etherWCCP, etherMPLS, etherPPPoE, etherJumboLLC,
		etherEAPOL, etherQinQ, etherERSPAN2, etherLLDP, etherMACsec, etherPBB, etherPTP, etherFabricPath, etherCiscoMeta, etherVNTag, etherHSR, etherETag, etherNSH, etherRTag,
		etherAnyIP, etherWiFi, etherWiFiSwapped, greEoIP, greAruba, greAruba9000,
		portGTP, portTeredo, portLISP, portGRE, portVXLAN, portVXLANGPE, portAYIYA, portCAPWAP, portGeneve, portMPLS, portVXLANOld, portTZSP}
	d, st := New(Config{Checksums: true}), storage()
	defer d.Flush()
	for _, c := range goodFrames() {
		data := slices.Clone(c.frame.Data)
		now := ""
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s, %s: %v", c.name, now, r)
				}
			}()
			for at := 0; at+2 <= len(data) && at < 120; at++ {
				was := be.Uint16(data[at:])
				for _, w := range words {
					be.PutUint16(data[at:], w)
					for n := at + 2; n <= min(len(data), at+24); n++ { // what stands behind is looked at at once
						fr := c.frame
						fr.Data = data[:n:n]
						var p Packet
						now = fmt.Sprintf("%04x at %d of %d", w, at, n)
						d.Decode(&fr, &p, st)
					}
				}
				be.PutUint16(data[at:], was)
			}
		}()
	}
}

// Every cut of every frame, as a snap length leaves it and as a frame that ends there.
func TestEveryPrefix(t *testing.T) {
	for _, c := range goodFrames() {
		for n := range len(c.frame.Data) {
			fr := c.frame
			fr.Data = slices.Clone(c.frame.Data[:n])
			for _, fr.Len = range []uint32{c.frame.Len, uint32(n)} {
				p, s := decodeOne(fr)
				if err := sane(&fr, &p, s); err != nil {
					t.Errorf("%s cut to %d of %d: %v", c.name, n, fr.Len, err)
				}
			}
		}
	}
}

// TestCaught: what makes the decoder panic is told once and counted, and what comes after it is read. Here it is a packet that has no place.
func TestCaught(t *testing.T) {
	good := goodFrames()[0].frame
	frames := []capture.Frame{good, good, good}
	var told []string
	d := New(Config{Caught: func(what string) { told = append(told, what) }})
	for range 2 {
		if read, kept := d.frames(frames, make([]Packet, 1), storage()); read != 2 || kept != 1 {
			t.Errorf("%d frames read, %d kept, want 2 and 1", read, kept)
		}
	}
	if read, kept := d.frames(frames[2:], make([]Packet, 1), storage()); read != 1 || kept != 1 {
		t.Errorf("after it: %d frames read, %d kept, want both", read, kept)
	}
	if n := d.n.Skipped[SkipPanicked]; n != 2 || len(told) != 1 || !strings.HasPrefix(told[0], "decode.go:") || !strings.Contains(told[0], "index out of range") {
		t.Errorf("%d counted, told %q, want 2, and once where", n, told)
	}
	defer func() {
		if recover() == nil {
			t.Error("nobody wants it caught, and it is")
		}
	}()
	New(Config{}).frames(frames, make([]Packet, 1), storage())
}

// sane holds for whatever bytes there are.
func sane(fr *capture.Frame, p *Packet, s Skip) error {
	if s != SkipNone {
		return nil
	}
	if len(p.Payload) > int(p.PayloadLen) {
		return fmt.Errorf("payload has %d bytes of %d", len(p.Payload), p.PayloadLen)
	}
	if int(p.IPLen) > max(int(fr.Len), len(fr.Data)) || p.PayloadLen > p.IPLen {
		return fmt.Errorf("payload %d, ip length %d, frame %d", p.PayloadLen, p.IPLen, fr.Len)
	}
	if len(p.Payload) > 0 && !p.Fragment {
		at := cap(fr.Data) - cap(p.Payload)
		if at < 0 || at+len(p.Payload) > len(fr.Data) {
			return fmt.Errorf("payload outside of the frame")
		}
	}
	if p.Frames != 1 {
		return fmt.Errorf("stands for %d frames", p.Frames)
	}
	_ = p.Src.Netip(p.IPVersion).String() + p.Dst.Netip(p.IPVersion).String()
	Inner(p)
	return nil
}

func TestSkips(t *testing.T) {
	short := func(b []byte, n int) capture.Frame {
		f := frameOf(capture.LinkRaw, b)
		f.Data = b[:n]
		return f
	}
	of := func(b []byte) capture.Frame { return frameOf(capture.LinkRaw, b) }
	broken := func(b []byte, at int, v byte) capture.Frame {
		b = slices.Clone(b)
		b[at] = v
		return of(b)
	}
	encrypted := frameOf(linkWiFi, wifiOf("0841", nil, snapOf(0, 0x800, data4)))
	for _, c := range []struct {
		name  string
		frame capture.Frame
		want  Skip
	}{
		{"nothing", of(nil), SkipTruncated},
		{"tcp cut before its flags", short(data4, 33), SkipTruncated},
		{"udp cut within its ports", short(query4, 23), SkipTruncated},
		{"ip options cut", short(ip4From(ipA, ipB, UDP, 1, 0, make([]byte, 40), nil), 30), SkipTruncated},
		{"extension header cut", of(ip6Of(hopByHop, unhex("0601"))), SkipTruncated},
		{"tcp shorter than a header", of(ip4Of(TCP, tcpOf(SYN, nil, nil)[:19])), SkipTruncated},
		{"tcp header longer than the packet", broken(ip4Of(TCP, tcpOf(SYN, nil, nil)), 32, 0xf0), SkipTruncated},
		{"tcp header too short", broken(data4, 32, 0x40), SkipMalformed},
		{"udp length under 8", broken(query4, 25, 7), SkipMalformed},
		{"ip header too short", broken(data4, 0, 0x44), SkipMalformed},
		{"total length under the header", broken(data4, 3, 19), SkipMalformed},
		{"no ip version", broken(data4, 0, 0x95), SkipNotIP},
		{"ipv6 where ipv4 is said", frameOf(capture.LinkEthernet, ethOf(0x800, data6)), SkipMalformed},
		{"fragment beyond 65535", of(ip4From(ipA, ipB, UDP, 1, 0x1fff, nil, hello[:4])), Held},
		{"fragment over 65535", of(ip4From(ipA, ipB, UDP, 1, 0x1fff, nil, make([]byte, 8))), SkipMalformed},
		{"fragment of nothing", of(ip4From(ipA, ipB, UDP, 1, 0x2000, nil, hello)), SkipMalformed},
		{"ipv6 fragment not a multiple of 8", of(ip6Of(fragment, fragOf(UDP, 0, true, udpOf(1, 2, hello)))), SkipMalformed},
		{"ipx", frameOf(capture.LinkEthernet, ethOf(0x8137, make([]byte, 46))), SkipNotIP},
		{"discovery", frameOf(capture.LinkEthernet, ethOf(0x8863, make([]byte, 46))), SkipNotIP},
		{"encrypted wifi", encrypted, SkipNotIP},
		{"beacon", frameOf(linkWiFi, wifiOf("8000", nil, make([]byte, 40))), SkipNotIP},
		{"wifi of another version", frameOf(linkWiFi, wifiOf("0901", nil, snapOf(0, 0x800, data4))), SkipNotIP},
		{"docsis management", frameOf(linkDOCSIS, unhex("c200 0000 1234 00")), SkipNotIP},
		{"ppp lcp", frameOf(capture.LinkPPP, unhex("ff03c0210101000408020000")), SkipNotIP},
		{"unknown link", frameOf(147, data4), SkipLinkType},
		{"unknown link above a byte", frameOf(9999, data4), SkipLinkType},
		{"ppi in ppi", frameOf(linkPPI, unhex("00000800c000000000000800c0000000")), SkipLinkType},
		{"gopacket panics", frameOf(10, []byte{0x50, 1}), SkipPanicked},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, p := New(Config{}), Packet{}
			if got := d.Decode(&c.frame, &p, storage()); got != c.want {
				t.Errorf("got %v, want %v: %s", got, c.want, describe(&p))
			}
			d.Flush()
			if got := d.Stats().UnknownLink; c.want == SkipLinkType && got != c.frame.Link {
				t.Errorf("unknown link type: got %v, want %v", got, c.frame.Link)
			}
		})
	}
}

// What the snap length leaves is enough for ports and lengths.
func TestSnapLength(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		n    int
		want string
	}{
		{"payload", ethOf(0x800, data4), 14 + 20 + 32 + 2, "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=57 payload=5 he PA 11223344/55667788/500"},
		{"tcp options", ethOf(0x800, data4), 14 + 20 + 22, "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=57 payload=5 has=0 PA 11223344/55667788/500"},
		{"tcp window", ethOf(0x800, data4), 14 + 20 + 15, "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=57 payload=5 has=0 PA 11223344/55667788/1"},
		{"udp ports", ethOf(0x86dd, query6), 14 + 40 + 4, "17 2001:db8::1:5353>2001:db8::2:53 v6 ip=53 payload=5 has=0"},
		{"vxlan", overUDP(4789, join(vxlanHdr, ethOf(0x800, data4))), 14 + 28 + 8 + 14 + 34, "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=57 payload=5 has=0 PA 11223344/55667788/1 tunnel=3/42"},
		{"vxlan before the inner ports", overUDP(4789, join(vxlanHdr, ethOf(0x800, data4))), 14 + 28 + 8 + 14 + 20, "17 192.168.0.1:40000>192.168.0.2:4789 v4 ip=107 payload=79 has=42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fr := frameOf(capture.LinkEthernet, c.b)
			fr.Data = fr.Data[:c.n]
			p, s := decodeOne(fr)
			if got := describe(&p); s != SkipNone || got != c.want {
				t.Errorf("got  %v %s\nwant %s", s, got, c.want)
			}
		})
	}
}

func TestVLANTakenOff(t *testing.T) {
	fr := frameOf(capture.LinkEthernet, ethOf(0x8100, tagOf(5, 0x800, data4)))
	fr.VLAN, fr.VLANs = 0x6009, true
	if p, s := decodeOne(fr); s != SkipNone || p.VLAN != 9 {
		t.Errorf("got %v, VLAN %d, want 9, the outermost", s, p.VLAN)
	}
}

func TestDirection(t *testing.T) {
	fr := frameOf(capture.LinkSLL, join(unhex("0004 0001 0006 020000000001 0000 0800"), data4))
	if p, _ := decodeOne(fr); p.Dir != capture.DirOut {
		t.Errorf("got %v, want out", p.Dir)
	}
	fr.Dir = capture.DirIn
	if p, _ := decodeOne(fr); p.Dir != capture.DirIn {
		t.Errorf("got %v, want what the source said", p.Dir)
	}
}

func TestLane(t *testing.T) {
	flow := func(src, dst []byte, sp, dp int) []byte {
		return ip4From(src, dst, UDP, 1, 0, nil, udpOf(sp, dp, hello))
	}
	lane := func(b []byte) uint8 { p, _ := decodeOne(frameOf(capture.LinkRaw, b)); return p.Lane }
	base := lane(flow(ipA, ipB, 1, 2))
	if got := lane(flow(ipB, ipA, 2, 1)); got != base {
		t.Errorf("the other direction: got %d, want %d", got, base)
	}
	if base != 11 { // the same in every run and on every machine
		t.Errorf("got %d, want %d", base, 11)
	}
	for _, other := range []*Packet{{Tunnel: TunnelGTP, TunnelID: 2}, {Tunnel: TunnelGeneve, TunnelID: 1}, {}} {
		if laneOf(&Packet{Tunnel: TunnelGTP, TunnelID: 1}) != laneOf(other) {
			t.Errorf("one direction through GTP and one through %v have different lanes", other.Tunnel)
		}
	}
	// Whatever it is in which connections differ, it spreads them.
	for what, make := range map[string]func(p *Packet, i int){
		"port":         func(p *Packet, i int) { p.SrcPort = uint16(40000 + i) },
		"other port":   func(p *Packet, i int) { p.DstPort = uint16(i) },
		"address":      func(p *Packet, i int) { p.Src = AddrFrom4(0x0a000000 + uint32(i)) },
		"network":      func(p *Packet, i int) { p.Dst = AddrFrom4(uint32(i) << 16) },
		"IPv6 network": func(p *Packet, i int) { p.Dst = Addr{0x20010db8<<32 | uint64(i), 1} },
		"IPv6 host":    func(p *Packet, i int) { p.Dst = Addr{0x20010db8 << 32, uint64(i) * 0x9e3779b97f4a7c15} },
		"protocol":     func(p *Packet, i int) { p.Proto = Proto(i) },
		"two of it": func(p *Packet, i int) {
			p.Src, p.SrcPort = AddrFrom4(0x0a000000+uint32(i>>6)), uint16(1024+i&63)
		},
	} {
		var n [Lanes]int
		for i := range 4096 {
			p := &Packet{Src: AddrFrom4(0x0a000001), Dst: AddrFrom4(0x0a000002), SrcPort: 1024, DstPort: 80, Proto: TCP}
			make(p, i)
			n[laneOf(p)]++
		}
		for lane, n := range n {
			if n < 128 || n > 512 {
				t.Errorf("%s: lane %d has %d of 4096, want about 256", what, lane, n)
			}
		}
	}
}

// TestEnds: a socket's end has the name of the connection that its packets make.
func TestEnds(t *testing.T) {
	end := func(proto Proto, local, remote string) capture.End {
		return capture.End{TS: 7, Proto: uint8(proto), Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
	}
	ends := []capture.End{end(TCP, "10.0.0.1:1000", "10.0.0.2:80"), end(UDP, "10.0.0.2:53", "10.0.0.1:9"),
		end(UDP, "[2001:db8::1]:9", "[2001:db8::2]:53"), end(ICMP, "10.0.0.1:513", "10.0.0.2:0"), end(UDP, "[::]:5", "[::]:0")}
	in, out := make(chan *capture.Frames, 1), make(chan *Packets, 1)
	fs := capture.NewFrames(func(*capture.Frames) {})
	for _, b := range [][]byte{ip4Of(TCP, tcpOf(SYN, nil, nil)), ip4Of(UDP, udpOf(9, 53, nil)), ip6Of(UDP, udpOf(9, 53, nil)), ip4Of(ICMP, unhex("0800000002010001"))} {
		fs.Frames = append(fs.Frames, frameOf(capture.LinkRaw, b))
	}
	fs.Ends, fs.EndsLost = ends, 3
	fs.Lend()
	in <- fs
	close(in)
	if err := New(Config{}).Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	b := <-out
	if len(b.Ends) != len(ends) || b.EndsLost != 3 {
		t.Fatalf("got %d ends and %d lost, want %d and 3", len(b.Ends), b.EndsLost, len(ends))
	}
	for i, p := range b.Packets {
		e := b.Ends[i].At
		if i == 1 { // of the end that the packet goes to
			e.Src, e.Dst, e.SrcPort, e.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
		}
		if e.Src != p.Src || e.Dst != p.Dst || e.SrcPort != p.SrcPort || e.DstPort != p.DstPort || e.Lane != p.Lane || e.IPVersion != p.IPVersion || e.Proto != p.Proto || e.TS != 7 {
			t.Errorf("end %d: got %+v, want the ends of %+v", i, e, p)
		}
	}
	if e := b.Ends[4].At; e.Src != (Addr{}) || e.IPVersion != 6 || e.DstPort != 0 {
		t.Errorf("a socket without an address: got %+v", e)
	}
}

func TestInner(t *testing.T) {
	quote := func(kind, code int, b []byte) []byte {
		return join([]byte{byte(kind), byte(code)}, make([]byte, 6), b)
	}
	back := func(kind int, b []byte) []byte { return ip4From(ipB, ipA, ICMP, 1, 0, nil, quote(kind, 3, b)) }
	for _, c := range []struct {
		name  string
		b     []byte
		want  string
		ok    bool
		whose []byte // the packet of the connection it speaks of
	}{
		{"udp", back(3, query4[:28]), "17 10.0.0.1:5353>10.0.0.2:53", true, query4},
		{"tcp", back(3, data4[:28]), "6 10.0.0.1:1000>10.0.0.2:80", true, data4},
		{"options", back(11, ip4From(ipA, ipB, UDP, 1, 0, make([]byte, 8), udpOf(5353, 53, nil))), "17 10.0.0.1:5353>10.0.0.2:53", true, query4},
		{"echo", back(3, ip4Of(ICMP, echoOf(8))), "1 10.0.0.1:7>10.0.0.2:7", true, nil},
		{"ipv6", ip6Of(ICMP6, quote(1, 4, query6)), "17 2001:db8::1:5353>2001:db8::2:53", true, query6},
		{"ipv6 behind headers", ip6Of(ICMP6, quote(1, 4, ip6Of(hopByHop, extOf(fragment, 0, fragOf(UDP, 0, true, udpOf(5353, 53, nil)))))), "17 2001:db8::1:5353>2001:db8::2:53", true, query6},
		{"in a tunnel", outerV4(ipInIP, back(3, query4[:28])), "17 10.0.0.1:5353>10.0.0.2:53", true, outerV4(ipInIP, query4)},
		{"no error", ip4Of(ICMP, echoOf(8)), "", false, nil},
		{"too little", back(3, query4[:27]), "", false, nil},
		{"later fragment", back(3, ip4From(ipA, ipB, UDP, 1, 1, nil, make([]byte, 8))), "", false, nil},
		{"no icmp", query4, "", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := decodeOne(frameOf(capture.LinkRaw, c.b))
			if s != SkipNone {
				t.Fatal(s)
			}
			q, ok := Inner(&p)
			if ok != c.ok {
				t.Fatalf("got %v, want %v", ok, c.ok)
			}
			if !ok {
				return
			}
			if got := describe(&q); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if q.Tunnel != p.Tunnel || q.TunnelID != p.TunnelID || q.TS != p.TS || q.Frame != p.Frame {
				t.Errorf("tunnel %d/%d, ts %d, frame %d, want those of %+v", q.Tunnel, q.TunnelID, q.TS, q.Frame, p)
			}
			if q.Proto == TCP && q.Seq != 0x11223344 {
				t.Errorf("sequence number %x", q.Seq)
			}
			if c.whose != nil {
				if o, _ := decodeOne(frameOf(capture.LinkRaw, c.whose)); o.Lane != q.Lane {
					t.Errorf("lane %d, the connection's is %d", q.Lane, o.Lane)
				}
			}
		})
	}
}

// The sums are gopacket's.
func TestChecksums(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[Proto]bool{}
	for range 400 {
		fr := serialized(r)
		d, st := New(Config{Checksums: true}), storage()
		check := func(what string, fr capture.Frame, want bool) {
			t.Helper()
			var p Packet
			if s := d.Decode(&fr, &p, st); s != SkipNone || p.BadSum != want {
				t.Errorf("%s: got %v, bad sum %v, want %v: %x", what, s, p.BadSum, want, fr.Data)
			}
			seen[p.Proto] = true
		}
		check("right", fr, false)
		fr.Data = slices.Clone(fr.Data)
		fr.Data[len(fr.Data)-1] ^= 0x40
		check("wrong", fr, true)
		fr.Dir = capture.DirOut
		check("wrong but ours", fr, false)
	}
	if len(seen) != 4 {
		t.Errorf("protocols seen: %v, want 4", seen)
	}
	fr, p := frameOf(capture.LinkRaw, slices.Clone(data4)), Packet{}
	fr.Data[8]++ // the time to live, which only the IP header's sum covers
	if New(Config{Checksums: true}).Decode(&fr, &p, storage()); !p.BadSum {
		t.Error("IP header: the wrong sum was not seen")
	}
}

// A checksum that is of other addresses than the header's cannot be told.
func TestChecksumsElsewhere(t *testing.T) {
	bad := func(b []byte) []byte { // a checksum that is not of these addresses
		b = slices.Clone(b)
		b[6] = 1
		return b
	}(udpOf(1000, 2000, hello))
	home := join(unhex("1102 0102 0000 c910"), ip6A)
	for _, c := range []struct {
		name string
		ip   []byte
		want bool
	}{
		{"destination options without one", ip6Of(destOpts, extOf(UDP, 0, bad)), true},
		{"home address", ip6Of(destOpts, join(home, bad)), false},
		{"home address, cut", ip6Of(destOpts, join(unhex("1100 0000 0000 00c9"), bad)), false},
		{"routing, segments left", ip6Of(routing, join(unhex("1102 0201 0000 0000"), ip6A, bad)), false},
		{"routing, none left", ip6Of(routing, join(unhex("1102 0200 0000 0000"), ip6A, bad)), true},
		{"loose source route", ip4From(ipA, ipB, UDP, 1, 0, join(unhex("01 83 07 04"), ipA), bad), false},
		{"strict source route at its end", ip4From(ipA, ipB, UDP, 1, 0, join(unhex("89 07 08"), ipA, []byte{0}), bad), true},
		{"record route", ip4From(ipA, ipB, UDP, 1, 0, join(unhex("07 07 04"), ipA, []byte{0}), bad), true},
		{"an option of no length", ip4From(ipA, ipB, UDP, 1, 0, unhex("07 00 04 00"), bad), true},
		{"an option that is too long", ip4From(ipA, ipB, UDP, 1, 0, unhex("07 09 04 00"), bad), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			fr, p := frameOf(capture.LinkRaw, c.ip), Packet{}
			if s := New(Config{Checksums: true}).Decode(&fr, &p, storage()); s != SkipNone || p.BadSum != c.want {
				t.Errorf("got %v, bad sum %v, want %v", s, p.BadSum, c.want)
			}
		})
	}
}

// TestNumbers: what tells a packet from others of its kind, besides TCP's.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name string
		ip   []byte
		want uint32
	}{
		{"echo", ip4Of(ICMP, echoOf(8)), 1},
		{"echo of IPv6", ip6Of(ICMP6, echoOf(129)), 1},
		{"echo, cut", ip4Of(ICMP, echoOf(8)[:6]), 0},
		{"no echo", ip4Of(ICMP, echoOf(13)), 0},
		{"SCTP", ip4Of(SCTP, join(u16(2905), u16(2906), u32(77), u32(0))), 77},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p, _ := decodeOne(frameOf(capture.LinkRaw, c.ip)); p.Seq != c.want {
				t.Errorf("got %d, want %d", p.Seq, c.want)
			}
		})
	}
}

// A pseudowire without a control word begins with an address, which may look like IP; gopacket takes it for that.
func TestPseudowireLikeIP(t *testing.T) {
	for _, mac := range []string{"450000300001", "600000000010"} {
		p, s := decodeOne(frameOf(capture.LinkEthernet, ethOf(0x8847, join(unhex("0001013f"), unhex(mac), macA, u16(0x800), data4))))
		if got := describe(&p); s != SkipNone || got != wantData4 {
			t.Errorf("to %s: got %v %s, want %s", mac, s, got, wantData4)
		}
	}
}

// mix is traffic of all kinds, with fragments, garbage and cuts among it, the same for each seed.
func mix(seed uint64, n int) []capture.Frame {
	r := rand.New(rand.NewPCG(seed, 1))
	good := goodFrames()
	var out []capture.Frame
	for i := range n {
		fr := good[r.IntN(len(good))].frame
		switch r.IntN(5) {
		case 0:
			b := slices.Clone(fr.Data)
			b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
			fr.Data = b
		case 1:
			fr.Data = fr.Data[:r.IntN(len(fr.Data))]
		case 2:
			proto := []Proto{TCP, UDP, ICMP, GRE, 99}[r.IntN(5)]
			off, more := r.IntN(5), 0x2000
			if off == 4 {
				more = 0
			}
			fr = frameOf(capture.LinkRaw, ip4From(ipA, ipB, proto, r.IntN(50), off*2|more, nil, make([]byte, 16)))
		}
		fr.TS = int64(i) * int64(20*time.Millisecond)
		out = append(out, fr)
	}
	return out
}

func TestCountsAddUp(t *testing.T) {
	for seed := range uint64(20) {
		d := New(Config{FragmentTimeout: 3 * time.Second})
		in, out := make(chan *capture.Frames), make(chan *Packets)
		frames := mix(seed, 2000)
		released := 0
		go func() {
			for rest := frames; len(rest) > 0; {
				n := min(100, len(rest))
				b := capture.NewFrames(func(*capture.Frames) { released++ })
				b.Frames, rest = rest[:n], rest[n:]
				b.Lost = 1
				b.Lend()
				in <- b
			}
			close(in)
		}()
		failed := make(chan error, 1)
		go func() { failed <- d.Run(context.Background(), in, out) }()
		var stand, packets, lost, last uint64
		for b := range out {
			for i := range b.Packets {
				p := &b.Packets[i]
				stand += uint64(p.Frames)
				if p.Frame <= last {
					t.Fatalf("frame %d after %d", p.Frame, last)
				}
				last = p.Frame
			}
			packets += uint64(len(b.Packets))
			lost += b.Lost
			b.Release()
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		s := d.Stats()
		var skipped uint64
		for _, n := range s.Skipped {
			skipped += n
		}
		if s.Frames != 2000 || stand+skipped != s.Frames || packets != s.Packets || s.Held != 0 {
			t.Errorf("seed %d: read %d, packets stand for %d, skipped %d, packets %d and %d, held %d", seed, s.Frames, stand, skipped, packets, s.Packets, s.Held)
		}
		if s.Skipped[SkipFragment] == 0 || s.Skipped[SkipTruncated] == 0 {
			t.Errorf("seed %d: the traffic is too tame: %v", seed, s.Skipped)
		}
		if lost != 20 || released != 20 {
			t.Errorf("lost %d, batches released %d, want 20 and 20", lost, released)
		}
		if d.frags.bytes != 0 || d.frags.oldest != nil || len(d.frags.byKey) != 0 {
			t.Errorf("fragments left: %d bytes", d.frags.bytes)
		}
	}
}

func TestRunClockAndHeartbeats(t *testing.T) {
	d := New(Config{})
	in, out := make(chan *capture.Frames, 4), make(chan *Packets, 4)
	send := func(now int64, ts ...int64) {
		b := capture.NewFrames(func(*capture.Frames) {})
		b.Now = now
		for _, v := range ts {
			fr := frameOf(capture.LinkRaw, query4)
			fr.TS = v
			b.Frames = append(b.Frames, fr)
		}
		b.Lend()
		in <- b
	}
	send(0, 100, 300, 200)
	send(500)
	send(0, 400)
	close(in)
	if err := d.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for b := range out {
		s := fmt.Sprint(b.Clock, ":")
		for _, p := range b.Packets {
			s += fmt.Sprint(" ", p.Frame, "@", p.TS, "/", p.Clock)
		}
		got = append(got, s)
		b.Release()
	}
	want := []string{"300: 1@100/100 2@300/300 3@200/300", "500:", "500: 4@400/500"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	in, out := make(chan *capture.Frames, 1), make(chan *Packets)
	released := make(chan bool, 1)
	b := capture.NewFrames(func(*capture.Frames) { released <- true })
	b.Lend()
	in <- b
	go func() {
		for len(in) > 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := New(Config{}).Run(ctx, in, out); err != context.Canceled {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, open := <-out; open {
		t.Error("out is still open")
	}
	<-released // the batch that nobody took
}

// No address of a batch's storage moves while a slice of it is held.
func TestRoom(t *testing.T) {
	b := storage()
	a := b.room(60000)
	copy(a, "first")
	c := b.room(60000)
	copy(c, "second")
	if string(a[:5]) != "first" || &a[0] == &c[0] || cap(a) != 60000 {
		t.Errorf("got %q, capacity %d", a[:5], cap(a))
	}
}

func TestNoAllocations(t *testing.T) {
	d, b := New(Config{}), storage()
	var p Packet
	for _, c := range goodFrames() {
		if strings.Contains(c.name, "gopacket") {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { d.Decode(&c.frame, &p, b) }); n != 0 {
			t.Errorf("%s: %v allocations for a packet, want 0", c.name, n)
		}
	}
	p, _ = decodeOne(frameOf(capture.LinkRaw, ip4Of(ICMP, join(unhex("0303000000000000"), query4))))
	if n := testing.AllocsPerRun(100, func() { Inner(&p) }); n != 0 {
		t.Errorf("Inner: %v allocations, want 0", n)
	}
	in, out := make(chan *capture.Frames, 1), make(chan *Packets, 1)
	go d.Run(context.Background(), in, out)
	defer close(in)
	fs := capture.NewFrames(func(*capture.Frames) {})
	fs.Frames = mix(1, 1)
	if n := testing.AllocsPerRun(100, func() {
		fs.Lend()
		in <- fs
		(<-out).Release()
	}); n != 0 {
		t.Errorf("Run: %v allocations for a batch, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range goodFrames() {
		f.Add(uint16(c.frame.Link), c.frame.Data, uint16(0))
	}
	f.Fuzz(func(t *testing.T, link uint16, b []byte, cut uint16) {
		fr := frameOf(capture.LinkType(link), b)
		fr.Len += uint32(cut)
		d, st := New(Config{Checksums: true}), storage()
		var stand uint64
		for range 2 { // the second time, fragments meet themselves
			var p Packet
			s := d.Decode(&fr, &p, st)
			if s == SkipNone && !p.Fragment {
				if err := sane(&fr, &p, s); err != nil {
					t.Error(err)
				}
			}
			if s == SkipNone {
				stand += uint64(p.Frames)
			}
			_ = s.String()
		}
		d.Flush()
		for _, n := range d.n.Skipped {
			stand += n
		}
		if stand != 2 || d.n.Held != 0 || d.frags.bytes != 0 {
			t.Errorf("2 frames, %d accounted for, %d held, %d bytes", stand, d.n.Held, d.frags.bytes)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range goodFrames() {
		switch c.name {
		case "data", "vlan", "ipv6", "udp", "vxlan", "qinq", "geneve", "extension headers", "sll", "radiotap":
		default:
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			d, st := New(Config{}), storage()
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(&c.frame, &p, st)
			}
		})
	}
}

// BenchmarkRun is the stage, batches of 256 and channels included.
func BenchmarkRun(b *testing.B) {
	d := New(Config{})
	in, out := make(chan *capture.Frames, 4), make(chan *Packets, 4)
	free := make(chan *capture.Frames, 4)
	for range 4 {
		fs := capture.NewFrames(func(f *capture.Frames) { free <- f })
		for range 256 {
			fs.Frames = append(fs.Frames, frameOf(capture.LinkEthernet, ethOf(0x8100, tagOf(5, 0x800, data4))))
		}
		free <- fs
	}
	go func() {
		for range b.N/256 + 1 {
			fs := <-free
			fs.Lend()
			in <- fs
		}
		close(in)
	}()
	go d.Run(context.Background(), in, out)
	b.ReportAllocs()
	for p := range out {
		p.Release()
	}
}

// A checksum that hardware was to fill in is not a wrong one.
func TestNoSum(t *testing.T) {
	frame := ethOf(0x800, ip4Of(UDP, join(u16(1000), u16(53), u16(12), u16(0x1234), u32(7))))
	for _, noSum := range []bool{false, true} {
		fr := capture.Frame{Data: frame, Len: uint32(len(frame)), Link: capture.LinkEthernet, NoSum: noSum}
		var p Packet
		if s := New(Config{Checksums: true}).Decode(&fr, &p, storage()); s != SkipNone || p.BadSum == noSum {
			t.Errorf("NoSum %v: got skip %v, BadSum %v", noSum, s, p.BadSum)
		}
	}
}
