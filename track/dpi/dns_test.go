package dpi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func datagrams(orig, resp uint16, msgs ...message) (map[string]string, *Flow, Result) {
	in := newInspector(Config{})
	f := in.NewFlow(false, orig, resp)
	var r Result
	for i, m := range msgs {
		r = in.Datagram(f, m.side, m.b, uint32(len(m.b)), int64(i)*5e6)
	}
	return facts(f.App()), f, r
}

func TestDNS(t *testing.T) {
	query := dnsTest(9, 0x0100, "example.com", 1)
	answer := dnsTest(9, 0x8183, "example.com", 1)
	got, f, r := datagrams(4000, 9953, message{Orig, query}, message{Resp, answer})
	subset(t, got, map[string]string{"app": "dns", "dns_query": "example.com", "dns_rcode": "NXDOMAIN", "dns_queries": "1"})
	if r&(Known|Ended) != Known|Ended || f.RTTMicros() != 5000 {
		t.Errorf("result %b, response time %d µs, want Known, Ended and 5000", r, f.RTTMicros())
	}
	if side, ok := f.Client(); !ok || side != Orig {
		t.Errorf("client is %v %v", side, ok)
	}
	// The same question again is not another one, and a new one is not ended by the old answer.
	got, _, r = datagrams(4000, 53, message{Orig, query}, message{Orig, query}, message{Orig, dnsTest(10, 0x0100, "b.example", 28)}, message{Resp, answer})
	subset(t, got, map[string]string{"dns_queries": "2", "dns_query": "example.com"})
	if r&Ended != 0 {
		t.Error("ended with a question open")
	}
	got, _, _ = datagrams(5353, 5353, message{Orig, dnsTest(0, 0, "_http._tcp.local", 12)})
	subset(t, got, map[string]string{"app": "mdns", "dns_query": "_http._tcp.local", "dns_type": "PTR", "dns_rcode": ""})
	got, _, _ = datagrams(4000, 5355, message{Orig, dnsTest(3, 0, "printer", 255)})
	subset(t, got, map[string]string{"app": "llmnr", "dns_query": "printer", "dns_type": "ANY"})
	got, _, _ = datagrams(5353, 53, message{Orig, query})
	subset(t, got, map[string]string{"app": "dns"})

	got, _, _ = datagrams(4000, 53, message{Orig, query}, message{Resp, dnsTest(9, 0x8380, "example.com", 1)})
	subset(t, got, map[string]string{"dns_rcode": "NOERROR", "dns_truncated": "1"})

	// EDNS carries the upper bits of the code (RFC 6891): 1<<4 is BADVERS.
	edns := dnsTest(9, 0x8180, "example.com", 1)
	edns[11] = 1
	edns = append(edns, 0, 0, 41, 0x10, 0, 1, 0, 0, 0, 0, 0)
	got, _, _ = datagrams(4000, 53, message{Orig, query}, message{Resp, edns})
	subset(t, got, map[string]string{"dns_rcode": "BADVERS"})

	// Of what the capture cut, the upper bits may be in what is missing, but not behind answers.
	got = dnsCut(edns, 4)
	subset(t, got, map[string]string{"dns_query": "example.com", "dns_rcode": ""})
	answered := dnsTest(9, 0x8180, "example.com", 1, dnsTestRR(1, "\x01\x02\x03\x04"))
	answered[11] = 1
	got = dnsCut(append(answered, edns[len(edns)-11:]...), 4)
	subset(t, got, map[string]string{"dns_rcode": "NOERROR", "dns_answers": "1.2.3.4"})

	// An error need not repeat the question.
	got, _, _ = datagrams(4000, 53, message{Orig, query}, message{Resp, []byte(be16Text(9) + be16Text(0x8182) + nuls(8))})
	subset(t, got, map[string]string{"dns_query": "example.com", "dns_rcode": "SERVFAIL"})

	// Servers that repeat an UPDATE when they refuse it repeat its conditions, too, where answers would be.
	update := dnsTest(9, 0x2800, "example.com", 6, dnsTestRR(1, "\x01\x02\x03\x04"))
	refused := bytes.Clone(update)
	binary.BigEndian.PutUint16(refused[2:], 0xa805)
	got, _, _ = datagrams(4000, 53, message{Orig, update}, message{Resp, refused})
	subset(t, got, map[string]string{"dns_query": "example.com", "dns_type": "SOA", "dns_rcode": "REFUSED", "dns_answers": ""})

	rr := map[string]string{
		dnsTestRR(16, "\x03abc\x02de"):                            "abcde",
		dnsTestRR(33, "\x00\x01\x00\x02\x01\xbb\x01h\xc0\x0c"):    "1 2 443 h.example.com",
		dnsTestRR(6, "\x02ns\xc0\x0c\xc0\x0c"+"\x00\x00\x00\x07"): "ns.example.com example.com 7",
		dnsTestRR(65, "\x00\x01\x00\x00\x01\x00\x03\x02h2"):       "1 . alpn=h2",
		dnsTestRR(257, "\x00\x05issueca.example"):                 "0 issue ca.example",
		dnsTestRR(13, "\x03x86\x05Linux"):                         "x86 Linux",
		dnsTestRR(35, "\x00\x0a\x00\x14\x01u\x03E2U\x03!x!\x00"):  `10 20 "u" "E2U" "!x!" .`,
		dnsTestRR(43, "\x30\x39\x0d\x02\xab\xcd"):                 "12345 13 2 abcd",
		dnsTestRR(44, "\x04\x02\xab\xcd"):                         "4 2 abcd",
		dnsTestRR(48, "\x01\x01\x03\x0d\xab\xcd\xef"):             "257 3 13 q83v",
		dnsTestRR(52, "\x03\x01\x01\xab\xcd"):                     "3 1 1 abcd",
		dnsTestRR(256, "\x00\x0a\x00\x01ftp://a.example/"):        "10 1 ftp://a.example/",
		dnsTestRR(65, "\x00\x01\x00\x00\x01\x00\x06\x02h2\x02h3\x00\x03\x00\x02\x20\xfb\x00\x04\x00\x04\xc0\x00\x02\x01\x00\x05\x00\x03abc"): "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ech",
		dnsTestRR(46, "whatever"): "",
	}
	for data, want := range rr {
		got, _, _ := datagrams(4000, 53, message{Orig, query}, message{Resp, dnsTest(9, 0x8180, "example.com", 1, data)})
		if got["dns_answers"] != want {
			t.Errorf("answer is %q, want %q", got["dns_answers"], want)
		}
	}
}

// dnsCut gives a response of which the capture cut the last bytes.
func dnsCut(b []byte, n int) map[string]string {
	in := newInspector(Config{})
	f := in.NewFlow(false, 4000, 53)
	in.Datagram(f, Resp, b[:len(b)-n], uint32(len(b)), 0)
	return facts(f.App())
}

func TestNotDNS(t *testing.T) {
	good := dnsTest(9, 0x0100, "example.com", 1)
	loop := bytes.Clone(good)
	copy(loop[12:], "\xc0\x0c")
	bad := map[string][]byte{
		"trailing garbage":  append(bytes.Clone(good), "garbage"...),
		"class":             append(bytes.Clone(good[:len(good)-1]), 77),
		"pointer to itself": loop,
		"opcode":            append([]byte{0, 9, 0x79, 0}, good[4:]...),
		"netbios":           dnsTest(9, 0x0110, "CK"+strings.Repeat("A", 30), 33),
		"binary name":       dnsTest(9, 0x0100, "\x01\x02.\xff", 1),
		"zeros":             make([]byte, 40),
		"header alone":      good[:12],
	}
	for name, b := range bad {
		if got, _, _ := datagrams(4000, 9953, message{Orig, b}); len(got) != 0 && got["app"] != "netbios-ns" {
			t.Errorf("%s: got %v, want nothing", name, got)
		}
	}
}

// TestNotDNSStream: numbers that happen to be a length and a response's flags, of which nothing more comes.
func TestNotDNSStream(t *testing.T) {
	in := newInspector(Config{})
	for _, s := range []sample{
		streamOf("at its port", 50000, 53, nil, "o\x0f\x0e\x00\x00\xac\x00"+nuls(7)+"\x05name\x017 and more"),
		streamOf("at that of multicast", 50000, 5353, nil, "o"+string(dnsPrefixed([]byte("\x00\x00\xac\x00"+nuls(8))))+"x"),
	} {
		f := s.flow(in)
		runSegments(in, f, s.msgs)
		in.End(f, 1e9)
		if got := facts(f.App()); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", s.name, got)
		}
		in.Free(f)
	}
}

func TestDNSZoneTransfer(t *testing.T) {
	in := newInspector(Config{})
	big := dnsTest(1, 0x8400, "example.com", 252, dnsTestRR(16, strings.Repeat("\x3f"+strings.Repeat("t", 63), 900)))
	got := runSegments(in, in.NewFlow(true, 4000, 53), []message{{Orig, dnsPrefixed(dnsTest(1, 0, "example.com", 252))}, {Resp, dnsPrefixed(big)},
		{Orig, dnsPrefixed(dnsTest(2, 0, "b.example", 6))}})
	subset(t, got, map[string]string{"dns_query": "example.com", "dns_type": "AXFR", "dns_rcode": "NOERROR", "dns_queries": "2"})
}

func TestLower8(t *testing.T) {
	for b := range 256 {
		in := [8]byte{byte(b), '@', byte(b), 0xff, 'A', byte(b), 'Z', byte(b)}
		want := in
		for i, c := range in {
			want[i] = lower(c)
		}
		var got [8]byte
		binary.LittleEndian.PutUint64(got[:], lower8(binary.LittleEndian.Uint64(in[:])))
		if got != want {
			t.Errorf("%x: got %x, want %x", in, got, want)
		}
	}
}

// TestDNSLabels holds that names whose labels contain what separates labels are told from those that they would look like: as
// questions, in answers, and where an answer is matched with its question.
func TestDNSLabels(t *testing.T) {
	label := func(wire string) []byte { // a question for one label, under example.com
		m := dnsTest(9, 0x0100, "example.com", 1)
		return slices.Insert(m, dnsHeaderLen, []byte(wire)...)
	}
	response := func(m []byte, rr string) []byte {
		m = slices.Clone(m)
		m[2], m[3], m[7] = 0x81, 0x80, 1
		return append(m, rr...)
	}
	alias := dnsTestRR(dnsCNAME, "\x09bank.test\x04evil\x00")
	for _, tc := range []struct{ name, wire, other, query string }{
		{"a dot", "\x03a.b", "\x01a\x01b", `a\.b.example.com`},
		{"a dot, read as two", "\x01a\x01b", "\x03a.b", `a.b.example.com`},
		{"a dot at the end", "\x02a.", "\x01a", `a\..example.com`},
		{"a backslash", "\x03a\\b", "\x02ab", `a\\b.example.com`},
		{"a backslash before the border", "\x02a\\\x01b", "\x03a.b", `a\\.b.example.com`},
		{"both", "\x04a\\.b", "\x03a.b", `a\\\.b.example.com`},
		{"as long as a name can be", strings.Repeat("\x3f"+strings.Repeat(".", 63), 3), "\x01a", strings.Repeat(strings.Repeat(`\.`, 63)+".", 3) + "example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, _ := datagrams(4000, 53, message{Orig, label(tc.wire)}, message{Resp, response(label(tc.wire), alias)})
			subset(t, got, map[string]string{"dns_query": tc.query, "dns_rcode": "NOERROR", "dns_answers": `bank\.test.evil`})
			got, _, _ = datagrams(4000, 53, message{Orig, label(tc.wire)}, message{Resp, response(label(tc.other), alias)})
			subset(t, got, map[string]string{"dns_query": tc.query, "dns_answers": ""})
		})
	}
}

// TestAsksFor holds that a name found as it is written is the one that reading it would give.
func TestAsksFor(t *testing.T) {
	in := newInspector(Config{})
	for _, tc := range []struct {
		wire, name string
		want       bool
	}{
		{"\x03www\x07example\x03org\x00", "www.example.org", true},
		{"\x01a\x00", "a", true},
		{"\x03a.b\x00", "a.b", false}, // one label reads as one: no other name's text
		{"\x03a.b\x00", `a\.b`, false},
		{"\x02a\\\x01b\x00", `a\.b`, false},
		{"\x04a\\.b\x00", `a\.b`, false},
		{"\x03wwW\x07example\x03org\x00", "www.example.org", false}, // the same, but not as it is written
		{"\x03www\x07example\x00", "www.example.org", false},
		{"\x03www\x07example\x03org\x02uk\x00", "www.example.org", false},
		{"\x01a\x00", "a.", false},
		{"\x02a.\x00", "a.", false},
		{"\x00", ".", false},
		{"\x00", "a", false},
		{"\xc0\x0c", "a", false},
	} {
		m := dnsMessage{b: []byte("0123456789ab" + tc.wire + "\x00\x01\x00\x01"), question: dnsHeaderLen}
		m.asked = len(m.b)
		if got := m.asksFor(tc.name); got != tc.want {
			t.Errorf("%q for %q: got %v, want %v", tc.wire, tc.name, got, tc.want)
		}
		if text, ok := in.call.dnsName(nil, m.b, m.question); tc.want && (!ok || string(text) != tc.name) {
			t.Errorf("%q reads %q, want %q", tc.wire, text, tc.name)
		}
	}
}

// TestDNSAddresses holds that messages whose answers are remembered are told from each other by all that is shown of them.
func TestDNSAddresses(t *testing.T) {
	in := newInspector(Config{})
	a, b := dnsTestRR(dnsA, "\xc0\x00\x02\x01"), dnsTestRR(dnsA, "\xc0\x00\x02\x02")
	six, alias := dnsTestRR(dnsAAAA, "\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01"), dnsTestRR(dnsCNAME, "\x01b\x00")
	var many, shown []string
	for i := range 40 {
		many = append(many, dnsTestRR(dnsA, "\xc0\x00\x02"+string([]byte{byte(i)})))
		shown = append(shown, fmt.Sprintf("192.0.2.%d", i))
	}
	for range 2 { // what is remembered is what was worked out the first time
		for _, tc := range []struct {
			name    string
			answers []string
			want    string
		}{
			{"one", []string{a}, "192.0.2.1"},
			{"another", []string{b}, "192.0.2.2"},
			{"both", []string{a, b}, "192.0.2.1 192.0.2.2"},
			{"the other way round", []string{b, a}, "192.0.2.2 192.0.2.1"},
			{"twice", []string{a, a}, "192.0.2.1"},
			{"both kinds", []string{a, six}, "192.0.2.1 2001:db8::1"},
			{"one of sixteen bytes as four of four", []string{dnsTestRR(dnsA, six[len(six)-16:len(six)-12]), dnsTestRR(dnsA, "\x00\x00\x00\x00"),
				dnsTestRR(dnsA, "\x00\x00\x00\x00"), dnsTestRR(dnsA, "\x00\x00\x00\x01")}, "32.1.13.184 0.0.0.0 0.0.0.1"},
			{"behind an alias", []string{alias, a}, "b 192.0.2.1"},
			{"before an alias", []string{a, alias}, "192.0.2.1 b"},
			{"more than are shown", many, strings.Join(shown[:dnsMaxAnswers], " ")},
			{"none", nil, ""},
		} {
			f := in.NewFlow(false, 40000, 53)
			say := func(s Side, m []byte) { in.Datagram(f, s, m, uint32(len(m)), 1) }
			say(Orig, dnsTest(9, 0x0100, "example.com", 1))
			say(Resp, dnsTest(9, 0x8180, "example.com", 1, tc.answers...))
			told := f.App().List(fieldDNSAnswers)
			if got := strings.Join(told, " "); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
			}
			say(Resp, dnsTest(9, 0x8180, "example.com", 1, dnsTestRR(dnsA, "\xc0\x00\x02\xff")))
			if got := strings.Join(told, " "); got != tc.want {
				t.Errorf("%s: what was told has become %q, want %q", tc.name, got, tc.want)
			}
			in.Free(f)
		}
	}
}
