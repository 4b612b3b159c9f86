package decode

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture"
)

// cut4 cuts what proto carries into IPv4 fragments at the given places.
func cut4(proto Proto, id int, b []byte, at ...int) (out [][]byte) {
	from := 0
	for _, to := range append(at, len(b)) {
		f := from / 8
		if to < len(b) {
			f |= 0x2000
		}
		out = append(out, ip4From(ipA, ipB, proto, id, f, nil, b[from:to]))
		from = to
	}
	return out
}

func cut6(next Proto, b []byte, at ...int) (out [][]byte) {
	from := 0
	for _, to := range append(at, len(b)) {
		out = append(out, ip6Of(fragment, fragOf(next, from, to < len(b), b[from:to])))
		from = to
	}
	return out
}

func order(fs [][]byte, by ...int) (out [][]byte) {
	for _, i := range by {
		out = append(out, fs[i])
	}
	return out
}

func TestFragments(t *testing.T) {
	long := []byte(strings.Repeat("0123456789abcdef", 4)) // 64 bytes
	udp := cut4(UDP, 5, udpOf(5353, 53, long), 24, 48)
	tcp := cut4(TCP, 6, tcpOf(ACK, nil, long), 8, 48)
	udp6 := cut6(UDP, udpOf(5353, 53, long), 24, 48)
	ping := cut4(ICMP, 7, join(echoOf(8), long), 32)
	inVXLAN := cut4(UDP, 8, udpOf(40000, 4789, join(vxlanHdr, ethOf(0x800, ip4From(unhex("01010101"), unhex("02020202"), UDP, 1, 0, nil, udpOf(5353, 53, hello))))), 24)
	notVXLAN := cut4(UDP, 9, udpOf(40000, 4789, long), 24)
	headers := cut6(destOpts, extOf(UDP, 3, udpOf(5353, 53, long)), 16, 48)
	teardrop := slices.Concat(cut4(UDP, 10, udpOf(1, 2, make([]byte, 40)), 24)[:1], [][]byte{ip4From(ipA, ipB, UDP, 10, 2, nil, make([]byte, 16))})
	rewrite := slices.Clone(udp[0])
	rewrite[30] ^= 1

	const a, b = "17 10.0.0.1:5353>10.0.0.2:53 v4 ", "17 2001:db8::1:5353>2001:db8::2:53 v6 "
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   []string // one for each frame; a Skip's name, or the packet
		left   uint64   // frames given up at the end
	}{
		{"udp", udp, []string{a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment", a + "ip=44 payload=64 fragment"}, 0},
		{"udp, first last", order(udp, 2, 1, 0), []string{"held", "held", a + "ip=132 payload=64 fragment frames=3"}, 0},
		{"udp, first in the middle", order(udp, 1, 0, 2), []string{"held", a + "ip=88 payload=0 fragment frames=2", a + "ip=44 payload=64 fragment"}, 0},
		{"udp, one missing", order(udp, 0, 2), []string{a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment"}, 0},
		{"udp, first missing", order(udp, 1, 2), []string{"held", "held"}, 2},
		{"udp, repeated", order(udp, 0, 0, 1, 2), []string{a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment", a + "ip=44 payload=64 fragment"}, 0},
		{"udp, repeated otherwise", [][]byte{udp[0], rewrite, udp[1], udp[2]}, []string{a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment", a + "ip=44 payload=0 fragment"}, 0},
		{"udp6", udp6, []string{b + "ip=72 payload=0 fragment", b + "ip=72 payload=0 fragment", b + "ip=72 payload=64 fragment"}, 0},
		{"udp6, backwards", order(udp6, 2, 1, 0), []string{"held", "held", b + "ip=216 payload=64 fragment frames=3"}, 0},
		{"tcp", tcp, []string{"held", "held", "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=144 payload=64 A 11223344/55667788/500 fragment frames=3"}, 0},
		{"tcp, its header in the first fragment", cut4(TCP, 6, tcpOf(ACK, nil, long), 24), []string{"held", "6 10.0.0.1:1000>10.0.0.2:80 v4 ip=124 payload=64 A 11223344/55667788/500 fragment frames=2"}, 0},
		{"tcp, one missing", order(tcp, 0, 2), []string{"held", "held"}, 2},
		{"ping", ping, []string{"1 10.0.0.1:7>10.0.0.2:7 v4 ip=52 payload=0 type=8/0 fragment", "1 10.0.0.1:7>10.0.0.2:7 v4 ip=64 payload=68 type=8/0 fragment"}, 0},
		{"vxlan", inVXLAN, []string{"held", "17 1.1.1.1:5353>2.2.2.2:53 v4 ip=33 payload=5 hello tunnel=3/42 frames=2"}, 0},
		{"vxlan's port", notVXLAN, []string{"held", "17 10.0.0.1:40000>10.0.0.2:4789 v4 ip=112 payload=64 fragment frames=2"}, 0},
		{"header in the second fragment", headers, []string{"held", "held", b + "ip=248 payload=64 fragment frames=3"}, 0},
		{"teardrop", teardrop, []string{"17 10.0.0.1:1>10.0.0.2:2 v4 ip=44 payload=0 fragment", "17 10.0.0.1:1>10.0.0.2:2 v4 ip=36 payload=0 fragment"}, 0},
		{"tcp, overlapping", append(order(tcp, 0, 1), ip4From(ipA, ipB, TCP, 6, 2|0x2000, nil, make([]byte, 16)), tcp[2]), []string{"held", "held", "fragment", "fragment"}, 0},
		{"two lasts", append(order(tcp, 0, 2), ip4From(ipA, ipB, TCP, 6, 20, nil, make([]byte, 16))), []string{"held", "held", "fragment"}, 0},
		{"behind the last", append(order(tcp, 2), ip4From(ipA, ipB, TCP, 6, 30|0x2000, nil, make([]byte, 16)), tcp[0]), []string{"held", "held", "fragment"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, st := New(Config{}), storage()
			var stand uint64
			var last Packet
			wait := map[uint64]uint32{} // frames, by datagram
			for i, f := range c.frames {
				fr, p := frameOf(capture.LinkRaw, f), Packet{}
				steps := len(st.Fragments)
				got := d.Decode(&fr, &p, st).String()
				goes := uint32(1)
				for _, s := range st.Fragments[steps:] {
					switch {
					case s.Held:
						wait[s.Datagram] += goes
						goes = 0
					case s.Frame != 0:
						goes += wait[s.Datagram]
						fallthrough
					default:
						delete(wait, s.Datagram)
					}
					if s.Frame != 0 && s.Frame != uint64(i)+1 {
						t.Errorf("frame %d: a step of frame %d", i+1, s.Frame)
					}
				}
				if got == "" && goes != p.Frames || got == "held" && goes != 0 {
					t.Errorf("frame %d: the steps say %d frames, the packet %d", i, goes, p.Frames)
				}
				if got == "" {
					got = describe(&p)
					stand += uint64(p.Frames)
					last = p
				}
				if i >= len(c.want) || got != c.want[i] {
					t.Errorf("frame %d: got %s\nwant %s", i, got, c.want[min(i, len(c.want)-1)])
				}
			}
			if last.PayloadLen == 64 && !bytes.Equal(last.Payload, long) {
				t.Errorf("payload %q, want %q", last.Payload, long)
			}
			d.Flush()
			s := d.Stats()
			if s.Held != 0 || stand+s.Skipped[SkipFragment] != s.Frames {
				t.Errorf("%d frames, %d in packets, %d skipped, %d held", s.Frames, stand, s.Skipped[SkipFragment], s.Held)
			}
			if c.left > 0 && s.Skipped[SkipFragment] != c.left {
				t.Errorf("skipped %d, want %d", s.Skipped[SkipFragment], c.left)
			}
		})
	}
}

// Datagrams of every size, cut and ordered at random, several at once.
func TestFragmentsRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	d, st := New(Config{}), storage()
	want, got := map[uint16][]byte{}, map[uint16][]byte{}
	var frames [][]byte
	for i := range 100 {
		b := make([]byte, 1+r.IntN(65000))
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		var at []int
		for n := 8 * (1 + r.IntN(200)); n < len(b); n += 8 * (1 + r.IntN(400)) {
			at = append(at, n)
		}
		port := uint16(1000 + i)
		want[port] = b
		frames = append(frames, cut4(UDP, i, udpOf(int(port), 99, b), at...)...)
		if i%10 == 9 {
			r.Shuffle(len(frames), func(i, k int) { frames[i], frames[k] = frames[k], frames[i] })
			for _, f := range frames {
				fr, p := frameOf(capture.LinkRaw, f), Packet{}
				if d.Decode(&fr, &p, st) == SkipNone && len(p.Payload) > 0 {
					got[p.SrcPort] = p.Payload
				}
			}
			frames = nil
		}
	}
	for port, b := range want {
		if !bytes.Equal(got[port], b) {
			t.Errorf("port %d: got %d bytes, want %d", port, len(got[port]), len(b))
		}
	}
	if d.frags.bytes != 0 || d.n.Held != 0 {
		t.Errorf("left: %d bytes, %d frames", d.frags.bytes, d.n.Held)
	}
}

// A snap length leaves what stands before the first gap.
func TestFragmentsCut(t *testing.T) {
	d, st := New(Config{}), storage()
	var p Packet
	for _, f := range cut4(UDP, 5, udpOf(5353, 53, []byte("0123456789abcdef0123456789abcdef")), 24) {
		fr := frameOf(capture.LinkRaw, f)
		fr.Data = fr.Data[:34]
		d.Decode(&fr, &p, st)
	}
	if p.PayloadLen != 32 || string(p.Payload) != "012345" {
		t.Errorf("got %q of %d, want 012345 of 32", p.Payload, p.PayloadLen)
	}
}

func TestFragmentsApart(t *testing.T) {
	fs := cut4(UDP, 5, udpOf(5353, 53, make([]byte, 40)), 24)
	other := func(change func(*capture.Frame)) Skip {
		d, st := New(Config{}), storage()
		var p Packet
		a, b := frameOf(capture.LinkRaw, fs[0]), frameOf(capture.LinkRaw, fs[1])
		d.Decode(&a, &p, st)
		change(&b)
		return d.Decode(&b, &p, st)
	}
	if s := other(func(*capture.Frame) {}); s != SkipNone {
		t.Errorf("got %v, want a packet", s)
	}
	for name, change := range map[string]func(*capture.Frame){
		"interface": func(f *capture.Frame) { f.Iface = &capture.Interface{} },
		"direction": func(f *capture.Frame) { f.Dir = capture.DirOut },
		"vlan":      func(f *capture.Frame) { f.VLAN, f.VLANs = 7, true },
		"too late":  func(f *capture.Frame) { f.TS += int64(31 * time.Second) },
	} {
		if s := other(change); s != Held {
			t.Errorf("%s: got %v, want it held for a datagram of its own", name, s)
		}
	}
}

// TestFragmentsAtTheBound: the datagram at hand pushes out others, be it the oldest.
func TestFragmentsAtTheBound(t *testing.T) {
	d, st := New(Config{FragmentBytes: 1}), storage()
	var p Packet
	decode := func(b []byte) Skip {
		fr := frameOf(capture.LinkRaw, b)
		return d.Decode(&fr, &p, st)
	}
	oldest := cut4(UDP, 5, udpOf(5353, 53, make([]byte, 9000)), 24, 8000)
	if s := decode(oldest[2]); s != Held {
		t.Fatalf("got %v, want it held", s)
	}
	for id := 6; d.frags.bytes+2000 < d.frags.limit; id++ {
		decode(ip4From(ipA, ipB, UDP, id, 3|0x2000, nil, make([]byte, 8)))
	}
	if s := decode(oldest[1]); s != Held || d.frags.bytes > d.frags.limit || d.n.Skipped[SkipFragment] == 0 {
		t.Errorf("got %v, %d bytes of %d are held, want it held and others pushed out", s, d.frags.bytes, d.frags.limit)
	}
	if s := decode(oldest[0]); s != SkipNone || p.PayloadLen != 9000 {
		t.Errorf("got %v and %s, want the whole", s, describe(&p))
	}
}

// More pieces than any link makes are not put together, only counted.
func TestFragmentsTooMany(t *testing.T) {
	d, st := New(Config{}), storage()
	var stand uint64
	for i := maxParts; i >= 0; i-- {
		more := 0x2000
		if i == maxParts {
			more = 0
		}
		fr, p := frameOf(capture.LinkRaw, ip4From(ipA, ipB, UDP, 1, i|more, nil, udpOf(5353, 53, nil))), Packet{}
		if d.Decode(&fr, &p, st) == SkipNone {
			stand += uint64(p.Frames)
			if len(p.Payload) > 0 {
				t.Errorf("payload of %d bytes", len(p.Payload))
			}
		}
	}
	if stand != maxParts+1 || len(d.frags.oldest.parts) != 0 {
		t.Errorf("packets stand for %d frames, want %d; %d parts kept", stand, maxParts+1, len(d.frags.oldest.parts))
	}
}

// A flood of fragments that fit nowhere costs the memory that was allowed and no more.
func TestFragmentFlood(t *testing.T) {
	d, st := New(Config{FragmentBytes: 1 << 20}), storage()
	var p Packet
	worst := 0
	for i := range 200_000 {
		size := 8 + 8*(i%180)
		fr := frameOf(capture.LinkRaw, ip4From(ipA, unhex(fmt.Sprintf("0a%06x", i>>6)), UDP, i, i%3|0x2000, nil, make([]byte, size)))
		d.Decode(&fr, &p, st)
		worst = max(worst, d.frags.bytes)
	}
	if worst > 1<<20 {
		t.Errorf("held %d bytes, want at most %d", worst, 1<<20)
	}
	sum := 0
	for g := d.frags.oldest; g != nil; g = g.newer {
		sum += g.cost
	}
	if sum != d.frags.bytes {
		t.Errorf("accounted for %d bytes, there are %d", d.frags.bytes, sum)
	}
	d.Flush()
	if s := d.Stats(); s.Packets+s.Skipped[SkipFragment] != s.Frames || s.Held != 0 {
		t.Errorf("counts: %+v", s)
	}
}

// Any fragments in any order: every frame is accounted for, and what comes out whole is what was cut.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 3, 1, 3, 3, 1, 6, 2, 0})
	f.Add([]byte{6, 2, 0, 3, 3, 1, 0, 3, 1})
	f.Add([]byte{0, 3, 1, 0, 3, 1, 2, 2, 1, 5, 1, 0x80})
	whole := udpOf(5353, 53, bytes.Repeat([]byte("0123456789abcdefXYZ"), 256))
	f.Fuzz(func(t *testing.T, steps []byte) {
		d, st := New(Config{}), storage()
		var frames, stand uint64
		for ; len(steps) >= 3; steps = steps[3:] {
			off, n, how := int(steps[0])*8, int(steps[1])*8, steps[2]
			if off+n > len(whole) {
				continue
			}
			proto, more := []Proto{UDP, TCP, ICMP, GRE}[how>>2&3], 0x2000*int(how&1)
			fr, p := frameOf(capture.LinkRaw, ip4From(ipA, ipB, proto, int(how>>6), off/8|more, nil, whole[off:off+n])), Packet{}
			fr.TS = int64(frames) * 1e9
			frames++
			if d.Decode(&fr, &p, st) != SkipNone {
				continue
			}
			stand += uint64(p.Frames)
			if p.Proto == UDP && !bytes.HasPrefix(whole[8:], p.Payload) {
				t.Errorf("payload %q was never sent", p.Payload)
			}
		}
		sum, held := 0, uint64(0)
		for g := d.frags.oldest; g != nil; g = g.newer {
			sum, held = sum+g.cost, held+uint64(g.held)
		}
		if sum != d.frags.bytes || held != d.n.Held {
			t.Errorf("%d bytes and %d frames held, counted %d and %d", sum, held, d.frags.bytes, d.n.Held)
		}
		d.Flush()
		for _, n := range d.n.Skipped {
			stand += n
		}
		if stand != frames {
			t.Errorf("%d frames, %d accounted for", frames, stand)
		}
	})
}

func BenchmarkFragmentFlood(b *testing.B) {
	d, st := New(Config{}), storage()
	var p Packet
	f := ip4From(ipA, ipB, UDP, 0, 0x2000, nil, make([]byte, 1400))
	fr := frameOf(capture.LinkRaw, f)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f[4], f[5], f[18] = byte(i>>8), byte(i), byte(i>>16)
		d.Decode(&fr, &p, st)
	}
}

func BenchmarkReassembly(b *testing.B) {
	d, st := New(Config{}), storage()
	var p Packet
	var frs []capture.Frame
	for _, f := range cut4(UDP, 5, udpOf(5353, 53, make([]byte, 4000)), 1480, 2960) {
		frs = append(frs, frameOf(capture.LinkRaw, f))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range frs {
			d.Decode(&frs[i], &p, st)
		}
		st.Buf = st.Buf[:0]
	}
}
