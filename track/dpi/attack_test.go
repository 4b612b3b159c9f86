package dpi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// What who has read the parsers would send. The tests count work and bytes, not time.

// TestDribbled holds that bytes that come one by one are not shown to the parsers each time all over again, and that what they say is told all
// the same: when the other end answers, when what is known is told, and at the end.
func TestDribbled(t *testing.T) {
	head := "GET /a HTTP/1.1\r\nHost: a.example\r\n" + strings.Repeat("x: y\r\n", 2000)
	for _, tc := range []struct {
		name, text string
		port       uint16
		known      string // at once
		want       string // when it is looked at
	}{
		{"nothing that is known", strings.Repeat("\x01\x00\x00", 5000), 9999, "", ""},
		{"a line without end", "USER " + strings.Repeat("a", 12_000), 21, "", ""},
		{"a head", head + "\r\n", 80, "http", "a.example"},
		{"a message in tiny records", strings.Repeat("\x16\x03\x01\x00\x01\x01", 2500), 443, "tls", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newInspector(Config{})
			f := in.NewFlow(true, 40000, tc.port)
			defer in.Free(f)
			in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
			work, before := 0, 0
			for i := range len(tc.text) {
				in.Segment(f, Orig, testISN+1+uint32(i), false, false, []byte(tc.text[i:i+1]), 1, int64(i))
				if b := f.dir[Orig].buf; b != nil && b.work > before {
					work += b.work - before
					before = b.work
				}
			}
			if most := maxWork + 2*maxAgain*len(tc.text); work > most {
				t.Errorf("%d bytes are shown %d times over, want %d at most", len(tc.text), work/len(tc.text), most/len(tc.text))
			}
			if got := facts(f.App()); got["app"] != tc.known {
				t.Errorf("app is %q, want %q", got["app"], tc.known)
			}
			if f.Waits() {
				in.Look(f, 1e9)
			}
			if got := facts(f.App()); got["http_host"] != tc.want {
				t.Errorf("when it is looked at: host %q, want %q", got["http_host"], tc.want)
			}
			if f.Waits() {
				t.Error("something waits that was looked at")
			}
		})
	}
}

// TestDribbledByTurns holds that one end can not have what the other said shown again with each byte of its own.
func TestDribbledByTurns(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 9999)
	defer in.Free(f)
	in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
	in.Segment(f, Resp, testISN, true, false, nil, 0, 0)
	const n = 4000
	work := 0
	for i := range uint32(n) {
		for s := Orig; s <= Resp; s++ {
			before := 0
			if b := f.dir[s].buf; b != nil {
				before = b.work
			}
			in.Segment(f, s, testISN+1+i, false, false, []byte("a"), 1, int64(i))
			if b := f.dir[s].buf; b != nil {
				work += max(0, b.work-before)
			}
		}
	}
	if most := 2 * (maxWork + maxAgain*2*n + maxTurns*n); work > most {
		t.Errorf("2 × %d bytes by turns: %d shown, want %d at most", n, work, most)
	}
}

// TestDNSNamesAreBounded: thousands of records whose names lead over thousands of pointers.
func TestDNSNamesAreBounded(t *testing.T) {
	chain := func(records int) []byte {
		b := []byte("\x00\x07\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x05\x00\x01")
		b = append(b, "\xc0\x0c\xff\x00\x00\x01\x00\x00\x00\x3c\x0f\xa0"...)
		to := dnsHeaderLen
		for range 2000 {
			at := len(b)
			b = append(b, 0xc0|byte(to>>8), byte(to))
			to = at
		}
		for range records {
			b = append(b, 0xc0|byte(to>>8), byte(to), 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0|byte(to>>8), byte(to))
		}
		b[6], b[7] = byte((records+1)>>8), byte(records+1)
		return b
	}
	in := newInspector(Config{Names: true})
	f := in.NewFlow(false, 40000, 53)
	defer in.Free(f)
	ask := []byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x05\x00\x01")
	in.Datagram(f, Orig, ask, uint32(len(ask)), 0)
	answer := chain(3000)
	in.Datagram(f, Resp, answer, uint32(len(answer)), 1e6)
	if in.steps > dnsMaxSteps+dnsMaxHops {
		t.Errorf("%d steps for the names of a message, want %d at most", in.steps, dnsMaxSteps)
	}
	if got := facts(f.App()); got["dns_rcode"] != "NOERROR" {
		t.Errorf("got %v, want it told as answered", got)
	}
}

// TestHTTP2Repeated: a byte of a header block stands for kilobytes that were said before, and a packet holds many such blocks.
func TestHTTP2Repeated(t *testing.T) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, name := range []string{":path", "user-agent"} { // the last is the first of the table
		_ = e.WriteField(hpack.HeaderField{Name: name, Value: "/" + strings.Repeat("a", 1800)}) // a bytes.Buffer takes all
	}
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 8080)
	defer in.Free(f)
	seq := uint32(testISN + 1)
	in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
	say := func(text string) {
		in.Segment(f, Orig, seq, false, false, []byte(text), uint32(len(text)), 0)
		seq += uint32(len(text))
	}
	say(http2Preface + http2Frame(http2Settings, 0, 0, "") + http2Frame(http2Headers, 4, 1, "\x82"+block.String()))
	segment := strings.Repeat(http2Frame(http2Headers, 4, 3, "\x82"+strings.Repeat("\xbf", 60)), 20) // :method GET, :path again and again
	if n := testing.AllocsPerRun(50, func() { say(segment) }); n > 20 {
		t.Errorf("%v allocations for 20 requests in a packet that say the same, want one or two a packet", n)
	}
	if got := facts(f.App()); got["http_requests"] != fmt.Sprint(1+51*20) || len(got["http_last_path"]) != 1801 {
		t.Errorf("got %s requests and a path of %d, want %d and 1801", got["http_requests"], len(got["http_last_path"]), 1+51*20)
	}
}

// TestQUICKeysAreBounded: a client that names another version with each packet would have keys made for each.
func TestQUICKeysAreBounded(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(false, 40000, 443)
	defer in.Free(f)
	first := quicClientPacket(1)
	first = first[:len(first):len(first)]
	in.Datagram(f, Orig, first, uint32(len(first)), 0)
	st, _ := f.state.(*quicState)
	if st == nil {
		t.Fatal("the first packet is not known")
	}
	st.hellos[0] = false // what it says is not all
	for range 20 {
		var b []byte
		for i := range 30 {
			version := "\x00\x00\x00\x01"
			if i%2 == 0 {
				version = "\x6b\x33\x43\xcf"
			}
			b = append(b, "\xc3"+version+"\x00\x00\x00\x14"+strings.Repeat("\x00", 20)...)
			if i%2 == 0 {
				b[len(b)-29] = 0xd3 // the type in version 2
			}
		}
		in.Datagram(f, Orig, b, uint32(len(b)), 0)
	}
	if st.made != quicMaxKeys {
		t.Errorf("%d keys were made, want %d at most, and as many", st.made, quicMaxKeys)
	}
}

// TestQUICKeysAreForgotten: as many handshakes that begin as there are packets do not keep their keys, and go on all the same.
func TestQUICKeysAreForgotten(t *testing.T) {
	in := newInspector(Config{})
	hello := quicPieces(200)
	var flows []*Flow
	for range quicMaxKept + 100 {
		f := in.NewFlow(false, 40000, 443)
		in.Datagram(f, Orig, hello[0], uint32(len(hello[0])), 0)
		flows = append(flows, f)
	}
	kept := 0
	for _, f := range flows {
		if st, ok := f.state.(*quicState); ok && st.keys != nil {
			kept++
		}
	}
	if kept != quicMaxKept {
		t.Errorf("%d connections keep their keys, want %d", kept, quicMaxKept)
	}
	in.Datagram(flows[0], Orig, hello[1], uint32(len(hello[1])), 1e6)
	if got := facts(flows[0].App()); got["sni"] == "" {
		t.Errorf("got %v, want the name that the second packet completes", got)
	}
	for _, f := range flows {
		in.Free(f)
	}
}

// TestShownPathIsLinear: each of thousands of parameters that are not shown must not copy all that is behind it.
func TestShownPathIsLinear(t *testing.T) {
	in := newInspector(Config{})
	path := []byte("/a" + strings.Repeat(";sid=1;b", 2000) + "/c")
	if got, want := string(in.call.shownPathOf(in, path)), "/a"+strings.Repeat(";b", 2000)+"/c"; got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	if n := testing.AllocsPerRun(20, func() { in.call.shownPathOf(in, path) }); n > 30 {
		t.Errorf("%v allocations, want as many as it takes to double a slice up to the path's length", n)
	}
}

func (c *call) shownPathOf(in *Inspector, path []byte) []byte {
	c.Inspector = in
	return c.shownPath(path)
}

// TestLongHellos: of lists that no program has there is no fingerprint, and all else.
func TestLongHellos(t *testing.T) {
	for _, tc := range []struct {
		name          string
		ciphers, exts int
		want          bool
	}{
		{"many", tlsMaxNumbers, tlsMaxExtensions - 1, true},
		{"too many ciphers", tlsMaxNumbers + 1, 1, false},
		{"too many extensions", 1, tlsMaxExtensions, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ciphers := make([]uint16, tc.ciphers)
			exts := []testExt{testServerName("a.example")}
			for i := range tc.exts {
				exts = append(exts, testExt{uint16(1000 + i), nil})
			}
			hello := record(1, testHello(0x0303, ciphers, exts...), tlsMaxRecord)
			in := newInspector(Config{})
			f := in.NewFlow(true, 40000, 443)
			defer in.Free(f)
			in.Segment(f, Orig, testISN+1, false, false, hello, uint32(len(hello)), 0)
			got := facts(f.App())
			if got["sni"] != "a.example" || (got["ja3"] != "" && got["ja4"] != "") != tc.want {
				t.Errorf("got %v, want fingerprints: %v", got, tc.want)
			}
		})
	}
}

// TestShortLines: a line that is shorter than any word is not looked at, and an answer to who is asked for is.
func TestShortLines(t *testing.T) {
	asked := 0
	d := &dialogue{fromClient: func(*call, *dialogueState, []byte) step { asked++; return goOn }}
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 9999)
	defer in.Free(f)
	c := &in.call
	c.Inspector, c.f = in, f
	st := &dialogueState{client: Orig}
	f.state = st
	c.view[Orig] = view{b: []byte(strings.Repeat("\n", 1000) + strings.Repeat("a\r\n", 100) + "STAT\r\n")}
	if d.read(c, st, Orig); asked != 1 {
		t.Errorf("%d lines looked at, want the one that is a command", asked)
	}
	st.sasl = saslLogin
	c.view[Orig] = view{b: []byte("=\r\n")}
	if d.read(c, st, Orig); asked != 2 {
		t.Errorf("%d lines looked at, want also the short answer", asked)
	}
}

// TestHeadIsReadOnce: of a head in many pieces the lines that were whole are not gone over again.
func TestHeadIsReadOnce(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 80)
	defer in.Free(f)
	in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
	seq := uint32(testISN + 1)
	say := func(text string) {
		in.Segment(f, Orig, seq, false, false, []byte(text), uint32(len(text)), 0)
		seq += uint32(len(text))
	}
	say("GET /a HTTP/1.1\r\nHost: a.example\r\nx")
	say(": y\r\nz")
	st, _ := f.state.(*httpState)
	if want := len("GET /a HTTP/1.1\r\nHost: a.example\r\nx: y\r\n"); st == nil || int(st.lines[Orig]) != want {
		t.Fatalf("got %+v, want %d bytes of whole lines", st, want)
	}
	say(": z\r\n\r\nGET /b HTTP/1.1\r\nHost: b.ex")
	say("ample\r\n\r\n")
	subset(t, facts(f.App()), map[string]string{"http_path": "/a", "http_host": "a.example", "http_last_path": "/b", "http_last_host": "b.example", "http_requests": "2"})
}

// TestAnnouncesOfAPacket: what a packet announces beyond what is taken up of it costs nothing but being read.
func TestAnnouncesOfAPacket(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 21)
	defer in.Free(f)
	seq := [2]uint32{testISN + 1, testISN + 1}
	say := func(s Side, text string) {
		in.Segment(f, s, seq[s], false, false, []byte(text), uint32(len(text)), 0)
		seq[s] += uint32(len(text))
	}
	say(Resp, "220 ftp ready\r\n")
	say(Orig, "USER a\r\n")
	port := strings.Repeat("PORT 10,0,0,1,4,1\r\n", 80)
	n := testing.AllocsPerRun(20, func() { // what Follow leaves
		say(Orig, port)
		if got := len(in.TakeExpected()); got != maxExpected {
			t.Fatalf("%d connections expected, want %d", got, maxExpected)
		}
	})
	if most := 5.0 * maxExpected; n > most {
		t.Errorf("%v allocations for 80 announcements in a packet, want %v at most", n, most)
	}
}

// TestLongValuesAreBounded: connections that say long things and stay open.
func TestLongValuesAreBounded(t *testing.T) {
	in := newInspector(Config{})
	in.most = 100_000
	var flows []*Flow
	with := 0
	for i := range 20 {
		f := in.NewFlow(true, 40000, 80)
		text := fmt.Sprintf("GET /%d%s HTTP/1.1\r\nHost: a.example\r\n\r\n", i, strings.Repeat("a", 10_000))
		in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
		in.Segment(f, Orig, testISN+1, false, false, []byte(text), uint32(len(text)), 0)
		flows = append(flows, f)
		got := facts(f.App())
		if got["http_path"] != "" {
			with++
		}
		if got["http_host"] != "a.example" || got["http_method"] != "GET" {
			t.Errorf("got %v, want all that is short", got)
		}
	}
	if with != 9 || in.held > in.most || in.LeftOut != 11 {
		t.Errorf("%d of 20 have their paths, %d bytes of %d are held, %d left out; want 9 and 11", with, in.held, in.most, in.LeftOut)
	}
	for _, f := range flows {
		app := f.App()
		in.Free(f)
		in.Forget(app)
	}
	if in.held != 0 {
		t.Errorf("%d bytes are held of connections that are gone", in.held)
	}
}
