package dpi

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func newInspector(cfg Config) *Inspector { return &NewInspectors(cfg, 1)[0] }

func md5Hex(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

func sha12(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}

func TestSamples(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			if got := run(t, &s); !maps.Equal(got, s.want) {
				t.Errorf("got %v\nwant %v", got, s.want)
			}
		})
	}
}

// piece is a segment as it comes from the wire.
type piece struct {
	side Side
	seq  uint32
	b    []byte
}

const testISN = 0xffffff00 // sequence numbers wrap within the samples

// cut splits what the sides sent into pieces of n bytes, the order of the messages kept.
func cut(msgs []message, n int) (list []piece) {
	seq := [2]uint32{testISN + 1, testISN + 1}
	for _, m := range msgs {
		for b := m.b; len(b) > 0; {
			k := min(n, len(b))
			list = append(list, piece{m.side, seq[m.side], b[:k]})
			seq[m.side] += uint32(k)
			b = b[k:]
		}
	}
	return list
}

// play sends pieces over a connection whose start was seen.
func play(in *Inspector, s *sample, list []piece) (map[string]string, Result) {
	f := in.NewFlow(true, s.orig, s.resp)
	defer in.Free(f)
	for side := Orig; side <= Resp; side++ {
		in.Segment(f, side, testISN, true, false, nil, 0, 0)
	}
	var all Result
	for i, p := range list {
		all |= in.Segment(f, p.side, p.seq, false, false, p.b, uint32(len(p.b)), int64(i)*1000)
	}
	if f.Waits() {
		all |= in.Look(f, int64(len(list))*1000)
	}
	return facts(f.App()), all
}

func TestSegmentation(t *testing.T) {
	in := newInspector(Config{Names: true})
	for _, s := range samples() {
		if !s.tcp {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			check := func(how string, list []piece) {
				t.Helper()
				if got, res := play(in, &s, list); !maps.Equal(got, s.want) || res&Known == 0 {
					t.Fatalf("%s: got %v %b\nwant %v", how, got, res, s.want)
				}
			}
			for _, n := range []int{1, 2, 3, 5, 7, 64, 100, 536, 1448, 9000} {
				list := cut(s.msgs, n)
				check("pieces", list)
				var twice []piece
				for i, p := range list { // sent again, and again with a part of what follows
					twice = append(twice, p, p)
					if i > 0 && list[i-1].side == p.side && list[i-1].seq+uint32(len(list[i-1].b)) == p.seq {
						twice = append(twice, piece{p.side, list[i-1].seq, append(list[i-1].b[:len(list[i-1].b):len(list[i-1].b)], p.b...)})
					}
				}
				check("retransmitted", twice)
				if n < 64 {
					continue
				}
				for i := 0; i+1 < len(list); i += 2 { // neighbours of one side swapped
					if list[i].side == list[i+1].side {
						list[i], list[i+1] = list[i+1], list[i]
					}
				}
				check("swapped", list)
			}
			// Every message cut in two at every place, in and out of order.
			for i, m := range s.msgs {
				for k := 1; k < len(m.b); k++ {
					if len(m.b) > 600 && k > 80 && k < len(m.b)-80 && k%7 != 0 {
						continue
					}
					list := cut(s.msgs, 1<<20)
					p := list[i]
					head, tail := piece{p.side, p.seq, p.b[:k]}, piece{p.side, p.seq + uint32(k), p.b[k:]}
					split := append(append(append([]piece{}, list[:i]...), head, tail), list[i+1:]...)
					check("split", split)
					split[i], split[i+1] = tail, head
					check("split and swapped", split)
				}
			}
		})
	}
	if in.total != 0 || in.oldest != nil {
		t.Errorf("%d bytes kept after all flows were freed, want 0", in.total)
	}
}

// TestPrefixes cuts every conversation short at every byte: what is known by then must be right.
func TestPrefixes(t *testing.T) {
	in := newInspector(Config{Names: true})
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			for i, m := range s.msgs {
				for k := range m.b {
					if len(m.b) > 2000 && k%11 != 0 {
						continue
					}
					prefix := append(append([]message{}, s.msgs[:i]...), message{m.side, m.b[:k]})
					ways := 1
					if !s.tcp {
						ways = 2 // a short datagram, and a whole one that the capture cut
					}
					for way := range ways {
						f := s.flow(in)
						var got map[string]string
						if s.tcp {
							runSegments(in, f, prefix)
							in.End(f, 1e9)
							got = facts(f.App())
						} else {
							for j, p := range prefix {
								wire := len(p.b)
								if way == 1 && j == i {
									wire = len(m.b)
								}
								in.Datagram(f, p.side, p.b, uint32(wire), int64(j+1)*1e6)
							}
							got = facts(f.App())
						}
						in.Free(f)
						if c := contradiction(got, s.want); c != "" {
							t.Fatalf("message %d, %d of %d bytes, way %d: %s", i, k, len(m.b), way, c)
						}
					}
				}
			}
		})
	}
}

// TestHoles loses every piece in turn, and in another run all that the snap length cut.
func TestHoles(t *testing.T) {
	in := newInspector(Config{})
	for _, s := range samples() {
		if !s.tcp {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			for _, n := range []int{16, 100, 536} {
				list := cut(s.msgs, n)
				for lost := range list {
					f := in.NewFlow(true, s.orig, s.resp)
					for side := Orig; side <= Resp; side++ {
						in.Segment(f, side, testISN, true, false, nil, 0, 0)
					}
					for i, p := range list {
						if i != lost {
							in.Segment(f, p.side, p.seq, false, false, p.b, uint32(len(p.b)), int64(i)*1e9)
						}
					}
					in.End(f, 1e12)
					if c := contradictionWithHole(facts(f.App()), s.want); c != "" {
						t.Fatalf("pieces of %d, %d lost: %s", n, lost, c)
					}
					in.Free(f)
				}
			}
			for snap := 1; snap < 200; snap++ {
				f := in.NewFlow(true, s.orig, s.resp)
				for side := Orig; side <= Resp; side++ {
					in.Segment(f, side, testISN, true, false, nil, 0, 0)
				}
				for _, p := range cut(s.msgs, 1448) {
					in.Segment(f, p.side, p.seq, false, false, p.b[:min(snap, len(p.b))], uint32(len(p.b)), 0)
				}
				if c := contradictionWithHole(facts(f.App()), s.want); c != "" {
					t.Fatalf("snap length %d: %s", snap, c)
				}
				in.Free(f)
			}
		})
	}
	if in.total != 0 {
		t.Errorf("%d bytes kept after all flows were freed, want 0", in.total)
	}
}

// contradictionWithHole allows for what a later message of the same conversation tells when the first is lost.
func contradictionWithHole(got, want map[string]string) string {
	later := map[string]map[string]bool{
		"app":         {"tls": true, "http": true, "ssh": true}, // what is inside, when what led to it is lost
		"http_method": {"POST": true, "HEAD": true}, "http_path": {"/second": true, "/third": true}, "http_host": {"other": true},
		"host": {"other by http": true, "host.example.org by sni": true, "h.example by http": true, "www.example by http": true}, "http_status": {"404": true}, "dns_query": {"b.example": true}, "dns_type": {"MX": true},
		"dns_rcode": {"NOERROR": true}, "dns_answers": {"10 mx.b.example": true}, "tls_alert": {"close_notify": true}, "smb_files": {"srvsvc": true}, "kafka_api": {"Produce": true},
	}
	for k, v := range got {
		if later[k][v] {
			delete(got, k)
		}
	}
	return contradiction(got, want)
}

// TestHeaderAlone: what is behind the header need not be anything known.
func TestHeaderAlone(t *testing.T) {
	in := newInspector(Config{})
	for _, behind := range []string{"", "\x99nothing known\x99", "PROXY TCP4 192.0.2.9 198.51.100.2 1 2\r\n"} {
		s := streamOf("", 40000, 7777, nil, "oPROXY TCP4 192.0.2.1 198.51.100.2 56324 80\r\n"+behind)
		want := map[string]string{"app": "proxy-protocol", "proxy_version": "1", "proxy_client": "192.0.2.1:56324", "proxy_server": "198.51.100.2:80"}
		if got, _ := play(in, &s, cut(s.msgs, 1448)); !maps.Equal(got, want) {
			t.Errorf("behind it %q: got %v, want %v", behind, got, want)
		}
	}
}

func TestMiddleOfConnection(t *testing.T) {
	in := newInspector(Config{})
	// Bodies first, then heads: the next segment may be where a message begins.
	f := in.NewFlow(true, 50000, 80)
	seq := uint32(77)
	for _, b := range []string{"\x1c\x2crest of a picture", "more of it", "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nabc"} {
		in.Segment(f, Resp, seq, false, false, []byte(b), uint32(len(b)), 0)
		seq += uint32(len(b))
	}
	want := map[string]string{"app": "http", "http_status": "206", "http_version": "1.1"}
	if got := facts(f.App()); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if side, ok := f.Client(); !ok || side != Orig {
		t.Errorf("client is %v %v, want the one that did not answer", side, ok)
	}
	in.Free(f)

	// A response from the end that was seen first.
	f = in.NewFlow(true, 80, 50000)
	in.Segment(f, Orig, 5, false, false, []byte("HTTP/1.1 200 OK\r\n\r\n"), 19, 0)
	if side, ok := f.Client(); !ok || side != Resp {
		t.Errorf("client is %v %v, want Resp", side, ok)
	}
	in.Free(f)

	// Records of TLS, and what only looks a little like them.
	for b, want := range map[string]string{
		"\x17\x03\x03\x00\x20" + strings.Repeat("x", 32):                                  "tls",
		"\x15\x03\x01\x00\x1a" + strings.Repeat("x", 26):                                  "tls",
		"\x17\x03\x03\x00\x20" + strings.Repeat("x", 31):                                  "",
		"\x17\x03\x03\x00\x20" + strings.Repeat("x", 33):                                  "",
		"\x17\x03\x03\x00\x02xx\x17\x03\x03\x00\x01x":                                     "tls",
		"\x17\x03\x03\x00\x02xx\x17\x03\x03\x00\x01x\x17\x03\x03\x10\x00" + "begin of it": "tls",
		"\x17\x04\x03\x00\x20" + strings.Repeat("x", 32):                                  "",
	} {
		f := in.NewFlow(true, 50000, 443)
		in.Segment(f, Orig, 5, false, false, []byte(b), uint32(len(b)), 0)
		if got := facts(f.App())["app"]; got != want {
			t.Errorf("%q: app is %q, want %q", b, got, want)
		}
		in.Free(f)
	}
}

func TestStartLostButConnectionSeen(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(true, 50000, 80)
	in.Segment(f, Orig, 100, true, false, nil, 0, 0)
	req := "GET /late HTTP/1.1\r\nHost: h.example\r\n\r\n"
	// The first 50 bytes never come; the request behind them is parked until waiting is in vain.
	if r := in.Segment(f, Orig, 151, false, false, []byte(req), uint32(len(req)), 0); r != 0 {
		t.Errorf("result is %b before the wait is over, want 0", r)
	}
	in.Segment(f, Orig, 151+uint32(len(req)), false, false, []byte("x"), 1, 3e9)
	if got := facts(f.App())["http_path"]; got != "/late" {
		t.Errorf("path is %q, want /late", got)
	}
}

func TestBounds(t *testing.T) {
	if n := unsafe.Sizeof(Flow{}); n > 200 {
		t.Errorf("a flow takes %d bytes, want at most 200", n)
	}
	in := newInspector(Config{MaxBytes: 4 << 10, MaxTotalBytes: 64 << 10})
	hello := samples()[len(samples())-2].msgs[0].b // whole, of TLS 1.3
	var flows []*Flow
	for i := range 1000 {
		f := in.NewFlow(true, uint16(i), 443)
		in.Segment(f, Orig, 0, true, false, nil, 0, 0)
		in.Segment(f, Orig, 1, false, false, hello[:len(hello)-1], uint32(len(hello)-1), 0)
		flows = append(flows, f)
		if in.total > 64<<10+2*slabMin {
			t.Fatalf("%d bytes kept, want at most about %d", in.total, 64<<10)
		}
	}
	if r := in.Segment(flows[0], Orig, uint32(len(hello)), false, false, hello[len(hello)-1:], 1, 0); r&Finished == 0 {
		t.Errorf("the oldest flow gives %b, want Finished", r)
	}
	last := flows[len(flows)-1]
	in.Segment(last, Orig, uint32(len(hello)), false, false, hello[len(hello)-1:], 1, 0)
	if got := facts(last.App())["sni"]; got != "host.example.org" {
		t.Errorf("the newest flow's name is %q", got)
	}
	for _, f := range flows {
		in.Free(f)
	}
	if in.total != 0 {
		t.Errorf("%d bytes kept at the end, want 0", in.total)
	}

	// A head without end is given up at MaxBytes, one-sided noise a little later.
	f := in.NewFlow(true, 1, 80)
	in.Segment(f, Orig, 0, true, false, nil, 0, 0)
	line := []byte("GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 500))
	seq := uint32(1)
	for range 100 {
		in.Segment(f, Orig, seq, false, false, line, uint32(len(line)), 0)
		seq += uint32(len(line))
		if in.total > 16<<10 {
			t.Fatalf("%d bytes kept of one connection", in.total)
		}
	}
	in.Free(f)
	f = in.NewFlow(true, 1, 2)
	var r Result
	for i := range 100 {
		r = in.Segment(f, Orig, uint32(i*1000), false, false, make([]byte, 1000), 1000, 0)
	}
	if r&Finished == 0 || f.App() != nil {
		t.Errorf("noise gives %b and %v, want Finished and nothing", r, facts(f.App()))
	}
	in.Free(f)
}

func TestAppIsFrozen(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(true, 1, 80)
	in.Segment(f, Orig, 1, false, false, []byte("GET / HTTP/1.1\r\n\r\n"), 18, 0)
	first := f.App()
	before := facts(first)
	in.Segment(f, Resp, 1, false, false, []byte("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), 38, 0)
	if !maps.Equal(facts(first), before) {
		t.Errorf("a published App changed: %v, was %v", facts(first), before)
	}
	if f.App() == first || facts(f.App())["http_status"] != "500" {
		t.Errorf("the App now is %v, want the status", facts(f.App()))
	}
}

func TestNoAllocations(t *testing.T) {
	in := newInspector(Config{})
	noise := make([]byte, 1000)
	check := func(name string, packet func()) {
		t.Helper()
		if n := testing.AllocsPerRun(500, packet); n != 0 {
			t.Errorf("%s: %v allocations per packet, want 0", name, n)
		}
	}
	f := in.NewFlow(true, 1, 80)
	req := "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
	in.Segment(f, Orig, 1, false, false, []byte(req), uint32(len(req)), 0)
	seq := uint32(1 + len(req))
	check("inside a body", func() { in.Segment(f, Orig, seq, false, false, noise, 1000, 0); seq += 1000 })
	check("after a hole inside a body", func() { seq += 1000; in.Segment(f, Orig, seq, false, false, noise, 1000, 0); seq += 1000 })
	check("sent again", func() { in.Segment(f, Orig, seq-1000, false, false, noise, 1000, 0) })
	in.Free(f)
	for _, s := range samples() {
		f := s.flow(in)
		f.finished = true
		check("finished "+s.name, func() {
			in.Segment(f, Orig, 1, false, false, noise, 1000, 0)
			in.Datagram(f, Orig, noise, 1000, 0)
		})
		in.Free(f)
	}
	check("a flow that is nobody's", func() {
		f := in.NewFlow(true, 1, 2)
		in.Segment(f, Orig, 0, true, false, nil, 0, 0)
		in.Segment(f, Orig, 1, false, false, noise, 1000, 0)
		in.Free(f)
		f = in.NewFlow(false, 1, 2)
		in.Datagram(f, Orig, noise, 1000, 0)
		in.Free(f)
	})
}

func TestFields(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if f.Name == "" || f.Doc == "" || seen[f.Name] {
			t.Errorf("field %q: doc %q, declared before %v", f.Name, f.Doc, seen[f.Name])
		}
		seen[f.Name] = true
	}
	for n := range strings.FieldsSeq(`sni alpn alpn_selected tls_version tls_cipher ech ja3 ja3s ja4 quic_version http_method http_host http_path
		http_status http_user_agent http_version dns_query dns_type dns_rcode dns_answers ssh_client ssh_server hassh`) {
		if !seen[n] {
			t.Errorf("field %s of the contract is missing", n)
		}
	}
}

func BenchmarkFlow(b *testing.B) {
	for _, s := range samples() {
		b.Run(strings.ReplaceAll(s.name, " ", "_"), func(b *testing.B) {
			in := newInspector(Config{})
			list := cut(s.msgs, 1448)
			b.ReportAllocs()
			for b.Loop() {
				f := s.flow(in)
				if s.tcp {
					in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
					in.Segment(f, Resp, testISN, true, false, nil, 0, 0)
				}
				for _, p := range list {
					var r Result
					if s.tcp {
						r = in.Segment(f, p.side, p.seq, false, false, p.b, uint32(len(p.b)), 0)
					} else {
						r = in.Datagram(f, p.side, p.b, uint32(len(p.b)), 0)
					}
					if r&Finished != 0 {
						break
					}
				}
				in.Free(f)
			}
		})
	}
}

func BenchmarkPacket(b *testing.B) {
	in := newInspector(Config{})
	noise := make([]byte, 1400)
	b.Run("finished", func(b *testing.B) {
		f := in.NewFlow(true, 1, 2)
		f.finished = true
		for b.Loop() {
			in.Segment(f, Orig, 1, false, false, noise, 1400, 0)
		}
	})
	b.Run("http_body", func(b *testing.B) {
		f := in.NewFlow(true, 1, 80)
		in.Segment(f, Resp, 1, false, false, []byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"), 38, 0)
		f.dir[Resp].skip = 1 << 60
		for seq := uint32(39); b.Loop(); seq += 1400 {
			in.Segment(f, Resp, seq, false, false, noise, 1400, 0)
		}
	})
	b.Run("unknown_tcp_flow", func(b *testing.B) {
		for b.Loop() {
			f := in.NewFlow(true, 1, 2)
			in.Segment(f, Orig, 0, true, false, nil, 0, 0)
			in.Segment(f, Orig, 1, false, false, noise, 1400, 0)
			in.Free(f)
		}
	})
	b.Run("unknown_udp_flow", func(b *testing.B) {
		for b.Loop() {
			f := in.NewFlow(false, 1, 2)
			in.Datagram(f, Orig, noise, 1400, 0)
			in.Free(f)
		}
	})
}

// TestCaught: a parser that panics costs its connection the rest of the inspection, and nothing else.
func TestCaught(t *testing.T) {
	const crashing = "redis"
	var told []string
	in := newInspector(Config{Caught: func(what string) { told = append(told, what) }})
	own := *in.finder
	in.finder = &own
	for over := range own.parse {
		own.parse[over] = slices.Clone(own.parse[over])
		own.parse[over][in.index[crashing]] = func(c *call) verdict {
			if c.ts < 5 {
				c.edit().Name = crashing
				return match
			}
			var none []byte
			return verdict(none[c.ts])
		}
	}
	f := in.NewFlow(true, 40000, 6379)
	in.Segment(f, Orig, 0, true, false, nil, 0, 1)
	in.Segment(f, Orig, 1, false, false, []byte("*1\r\n$4\r\nPING\r\n"), 14, 2)
	if a := f.App(); a == nil || a.Name != crashing {
		t.Fatalf("before: got %v", facts(a))
	}
	if r := in.Segment(f, Orig, 15, false, false, []byte("*1\r\n$4\r\nPING\r\n"), 14, 7); r&Finished == 0 {
		t.Error("the inspection goes on")
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "inspect_test.go:") || !strings.HasSuffix(told[0], "index out of range [7] with length 0") {
		t.Errorf("told %q", told)
	}
	if a := f.App(); a == nil || a.Name != crashing {
		t.Errorf("afterwards: got %v, want what was known", facts(a))
	}
	in.End(f, 8)
	in.Free(f)
	if in.total != 0 {
		t.Errorf("%d bytes kept", in.total)
	}
	other := in.NewFlow(true, 40000, 22)
	in.Segment(other, Orig, 1, false, false, []byte("SSH-2.0-x\r\n"), 11, 9)
	if a := other.App(); a == nil || a.Name != "ssh" {
		t.Errorf("another connection: got %v", facts(a))
	}

	defer func() {
		if recover() == nil {
			t.Error("caught without being asked to")
		}
	}()
	in.cfg.Caught = nil
	f = in.NewFlow(true, 40000, 6379)
	in.Segment(f, Orig, 1, false, false, []byte("*1\r\n$4\r\nPING\r\n"), 14, 7)
}

func TestOneOf(t *testing.T) {
	for _, tt := range []struct {
		word, list string
		want       bool
	}{
		{"user", "pass user", true}, {"USER", "user", true}, {"Pass", "pass user", true}, {"pas", "pass user", false}, {"passu", "pass user", false},
		{"ass", "pass user", false}, {"pass user", "pass user", false}, {"", "pass user", false}, {"users", "pass user", false}, {"ser", "pass user", false},
		{"*", "auth *", true}, {"a", "ab a", true}, {"a", "ab b", false}, {"b", "ab b", true}, {"\x55ser", "user", true}, {"\x15ser", "5ser", false},
		{"averyveryverylongwordthatisnone", "averyveryverylongwordthatisnone", false}, {"x", "", false},
	} {
		if got := oneOf([]byte(tt.word), tt.list); got != tt.want {
			t.Errorf("%q in %q: got %v, want %v", tt.word, tt.list, got, tt.want)
		}
	}
}
