package pcapfilter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"rustnet/capture"
)

var ethernet = Options{Link: capture.LinkEthernet, Resolver: fixedNames}

func mustCompile(t testing.TB, expr string, o Options) *Program {
	t.Helper()
	p, err := Compile(expr, o)
	if err != nil {
		t.Fatalf("Compile(%q): %v", expr, err)
	}
	return p
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		has    string
	}{
		{"tcp prot 80", 5, `unknown word "prot", want "and", "or" or the end; did you mean "port"?`},
		{"tcp prt 80", 5, `did you mean "port"?`},
		{"hots 10.0.0.1", 1, `did you mean "host"?`},
		{"tcp adn udp", 5, `did you mean "and"?`},
		{"10.0.0.1", 1, "put a word such as host, net, port or proto before it"},
		{"80", 1, "put a word such as host, net, port or proto before it"},
		{"foo", 1, "a name needs a word such as host"},
		{"tcp port", 9, "the expression ends here, but a name, an address or a number must follow"},
		{"(tcp", 5, `")" to close the parenthesis at column 1`},
		{"tcp and (udp or", 16, "the expression ends here"},
		{"tcp port 70000", 10, "port 70000 is greater than 65535"},
		{"tcp port 080", 10, "octal"},
		{"ip[0:3] = 1", 6, "the size must be 1, 2 or 4"},
		{"ip[0] / 0 = 1", 7, "division by zero"},
		{"ip[0] << 40 = 1", 7, "shift by 40 bits"},
		{"tcp; udp", 4, `unexpected character ";"`},
		{"net 10.0.0.1/8", 5, "the network is 10.0.0.0"},
		{"net 2001:db8::1/32", 5, "the network is 2001:db8::/32"},
		{"host 10.0.0.0/8", 6, "a mask goes with net"},
		{"ether host 10.0.0.1", 12, "no Ethernet address"},
		{"host 00:11:22:33:44:55", 6, `write "ether host 00:11:22:33:44:55"`},
		{"host 00:11:22:33:44", 6, "neither an Ethernet nor an IPv6 address"},
		{"tcp and udp", 1, "exclude each other"},
		{"type mgt", 1, "802.11"},
		{"gateway foo", 9, "not supported"},
		{"port nosuchservice", 6, "unknown port"},
		{"inbound", 1, "not known in a file of link type Ethernet"},
		{"ip proto tcp", 10, `"tcp" cannot stand here`},
		{"vlan 5000", 1, "greater than 4095"},
	} {
		_, err := Compile(c.expr, ethernet)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("Compile(%q): got %v, want an *Error", c.expr, err)
			continue
		}
		if e.Column != c.column || !strings.Contains(e.Msg, c.has) || e.Expr != c.expr {
			t.Errorf("Compile(%q): got column %d, %q (of %q), want column %d, %q", c.expr, e.Column, e.Msg, e.Expr, c.column, c.has)
		}
	}
}

func TestLiveRefusesNegativeOffsets(t *testing.T) {
	if _, err := CompileAny("ether[-1] = 1", Options{}); err == nil || !strings.Contains(err.Error(), "before the packet") {
		t.Errorf("got %v, want an error about the offset", err)
	}
}

func TestUnknownLinkType(t *testing.T) {
	if _, err := Compile("tcp", Options{Link: 147}); err == nil || !strings.Contains(err.Error(), "link type 147") {
		t.Errorf("got %v, want an error that names link type 147", err)
	}
}

func TestHostNames(t *testing.T) {
	asked := 0
	o := Options{Link: capture.LinkEthernet, Resolver: Resolver{Host: func(name string) ([]netip.Addr, error) {
		asked++
		if name != "both.example" {
			return nil, errors.New("no such name")
		}
		return []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1")}, nil
	}}}
	mustCompile(t, "tcp port 80 and host 10.1.2.3", o)
	if asked != 0 {
		t.Errorf("an expression without names asked the resolver %d times", asked)
	}
	packets := packetsFor(o.Link)
	for expr, same := range map[string]string{
		"host both.example":            "host 10.1.2.3 or host 2001:db8::1",
		"ip host both.example":         "ip host 10.1.2.3",
		"ip6 src host both.example":    "src host 2001:db8::1",
		"tcp and not dst both.example": "tcp and not (dst 10.1.2.3 or dst 2001:db8::1)",
	} {
		got, err := ourResult(expr, o, packets)
		want, _ := ourResult(same, o, packets)
		if got != want {
			t.Errorf("%q: got %s (%v), want as %q: %s", expr, got, err, same, want)
		}
	}
	if _, err := Compile("host nowhere.example", o); err == nil || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("got %v, want the resolver's error", err)
	}
}

// TestBetterThanLibpcap pins down where we differ from libpcap on purpose: see the package comment.
func TestBetterThanLibpcap(t *testing.T) {
	zero := ether("00:11:22:33:44:55", "02:00:00:00:00:01", be16(etherIP), ip4(protoUDP, "0.0.0.0", "0.0.0.0", 0, nil, udp(1, 2, nil)))
	for expr, want := range map[string]bool{
		"ip[16:4] & 0xffffffff != 0": false,
		"ip[16:4] & 0xffffffff = 0":  true,
		"ip[2] / ip[0] = 0":          true,
		"1 << ip[35] = 4294967296":   false,
		"byte 6 & 2":                 true,
		"byte 6 & 1":                 false,
		"byte 6 | 0":                 true,
	} {
		p, err := Compile(expr, ethernet)
		if got := err == nil && p.match(zero, uint32(len(zero)), 0, false); got != want {
			t.Errorf("%q: got %v (%v), want %v", expr, got, err, want)
		}
	}
}

// TestLiveVLAN: the tag is where the kernel put it, or still in the packet; and what follows is found in both.
func TestLiveVLAN(t *testing.T) {
	o := ethernet
	o.Live = true
	rest := join(be16(etherIP), ip4(protoTCP, "10.1.2.3", "192.168.1.9", 0, nil, tcp(1234, 80, 2)))
	const mac1, mac2 = "00:11:22:33:44:55", "02:00:00:00:00:01"
	plain := ether(mac1, mac2, rest)
	tagged := ether(mac1, mac2, be16(etherVLAN), be16(0x2005), rest)
	for _, c := range []struct {
		expr                     string
		onPlain, taken, inPacket bool
	}{
		{"vlan", false, true, true},
		{"vlan 5", false, true, true},
		{"vlan 6", false, false, false},
		{"vlan 5 and tcp port 80", false, true, true},
		{"vlan and tcp[13] & 2 != 0", false, true, true},
		{"vlan and port 81", false, false, false},
		{"vlan and src host 10.1.2.3 and ip[8] = 64", false, true, true},
		{"tcp port 80", true, true, false},
		{"not vlan", true, false, false},
		{"vlan and vlan", false, false, false},
		{"tcp or vlan 5", true, true, true},
	} {
		p := mustCompile(t, c.expr, o)
		got := [3]bool{
			p.match(plain, uint32(len(plain)), 0, false),
			p.match(plain, uint32(len(plain)), 0x2005, true),
			p.match(tagged, uint32(len(tagged)), 0, false),
		}
		if want := [3]bool{c.onPlain, c.taken, c.inPacket}; got != want {
			t.Errorf("%q: got %v without tag, with it taken off, with it in the packet; want %v", c.expr, got, want)
		}
	}
}

// TestLongPrograms has jumps of more than 255 instructions both ways.
func TestLongPrograms(t *testing.T) {
	var all []string
	for i := range 300 {
		all = append(all, fmt.Sprintf("host 10.%d.2.3", i%256), fmt.Sprintf("tcp port %d", 10000+i))
	}
	any := strings.Join(all, " or ")
	packets := packetsFor(capture.LinkEthernet)
	for expr, same := range map[string]string{
		"icmp or " + any:                    "icmp or host 10.1.2.3",
		"not (" + any + ") and tcp":         "tcp and not host 10.1.2.3",
		"tcp port 80 and (" + any + ")":     "tcp port 80 and host 10.1.2.3",
		"(" + any + ") and not tcp port 22": "host 10.1.2.3 and not tcp port 22",
	} {
		p := mustCompile(t, expr, ethernet)
		q := mustCompile(t, same, ethernet)
		if len(p.code) < 600 {
			t.Errorf("only %d instructions, want a long program", len(p.code))
		}
		for i, pk := range packets {
			if int(pk.wireLen) != len(pk.data) || i >= 279 { // whole packets: the order of loads differs
				continue
			}
			if got, want := p.match(pk.data, pk.wireLen, 0, false), q.match(pk.data, pk.wireLen, 0, false); got != want {
				t.Errorf("%.40q…: packet %d: got %v, want %v", expr, i, got, want)
			}
		}
	}
}

func TestTooLongForTheKernel(t *testing.T) {
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprintf("host 10.%d.%d.3", i/256, i%256))
	}
	expr := strings.Join(all, " or ")
	if _, err := Compile(expr, ethernet); err != nil {
		t.Errorf("for a file: %v, want none", err)
	}
	if _, err := CompileAny(expr, Options{}); err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("live: got %v, want an error that names the kernel's limit", err)
	}
}

func TestNesting(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "tcp" + strings.Repeat(")", n) }
	mustCompile(t, deep(400), ethernet)
	for _, expr := range []string{deep(100000), strings.Repeat("not ", 100000) + "tcp", strings.Repeat("ip[", 100000),
		strings.Repeat("-", 100000) + "1 = 1", "len = " + strings.Repeat("1 ^ ", 100000) + "1"} {
		if _, err := Compile(expr, ethernet); err == nil || !strings.Contains(err.Error(), "within each other") {
			t.Errorf("%.20q…: got %v, want an error about nesting", expr, err)
		}
	}
}

func TestEmptyTakesAll(t *testing.T) {
	for _, expr := range []string{"", " \t\n"} {
		if p := mustCompile(t, expr, ethernet); !p.match(nil, 0, 0, false) {
			t.Errorf("%q refuses a packet", expr)
		}
	}
}

func TestCompileAny(t *testing.T) {
	p, err := CompileAny("tcp port 80", Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The machine for files does not know the hardware type, so put it into a byte of the packet here.
	code := slices.Clone(p.code)
	ip := ip4(protoTCP, "10.1.2.3", "192.168.1.9", 0, nil, tcp(1234, 80, 2))
	frame := ether("00:11:22:33:44:55", "02:00:00:00:00:01", be16(etherIP), ip)
	for hatype, c := range map[uint32]struct {
		data []byte
		want bool
	}{1: {frame, true}, 772: {frame, true}, 65534: {ip, true}, 512: {ip, true}, 823: {ip, true}, 776: {frame, false}, 801: {ip, false}, 0: {frame, false}} {
		code[0] = bpf.RawInstruction{Op: classLd | modeImm, K: hatype}
		if got := (machine{wireLen: uint32(len(c.data))}).run(prepare(code), c.data, nil) != 0; got != c.want {
			t.Errorf("hardware type %d: got %v, want %v", hatype, got, c.want)
		}
	}
	if p, err = CompileAny("ether host 02:00:00:00:00:01", Options{}); err != nil {
		t.Errorf("an expression for Ethernet alone: %v", err)
	} else if len(p.code) > 20 {
		t.Errorf("an expression for Ethernet alone makes %d instructions", len(p.code))
	}
	if _, err = CompileAny("mpls and vlan", Options{}); err == nil {
		t.Error("an expression for no link type is taken")
	}
}

// TestPrefixes runs programs on every prefix of every packet: nothing may be read beyond it.
func TestPrefixes(t *testing.T) {
	p := mustCompile(t, "tcp port 80 or ip6[40] = 1 or (vlan and udp[8:4] = 1) or ip protochain 50 or geneve and ip[20:4] = 1", ethernet)
	for _, pk := range packetsFor(capture.LinkEthernet)[:279] {
		for n := range len(pk.data) {
			p.match(slices.Clip(pk.data[:n]), pk.wireLen, 0, false)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p := mustCompile(t, "tcp port 443 or (ip[0] & 0xf) * 4 + tcp[12] / 16 > len - 100 or geneve", ethernet)
	packets := packetsFor(capture.LinkEthernet)
	if n := testing.AllocsPerRun(10, func() {
		for _, pk := range packets {
			p.match(pk.data, pk.wireLen, 0, false)
		}
	}); n != 0 {
		t.Errorf("Match allocates %v times, want 0", n)
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range expressions(f) {
		f.Add(e, byte(0))
	}
	packets := map[capture.LinkType][]packet{}
	for _, l := range testLinks {
		packets[l.link] = packetsFor(l.link)[:100]
	}
	r := fixedNames
	r.Host = func(string) ([]netip.Addr, error) { return nil, errors.New("no names here") }
	f.Fuzz(func(t *testing.T, expr string, which byte) {
		o := Options{Link: testLinks[int(which)%len(testLinks)].link, Live: which&64 != 0, Resolver: r}
		p, err := Compile(expr, o)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(expr)+1 || e.Msg == "" {
				t.Fatalf("Compile(%q): %#v is no good error", expr, err)
			}
			return
		}
		if err := validate(p.code); err != nil {
			t.Fatalf("Compile(%q): %v", expr, err)
		}
		for _, pk := range packets[o.Link] {
			p.match(pk.data, pk.wireLen, 0, false)
		}
		if _, err := CompileAny(expr, Options{Resolver: r}); err != nil && !errors.As(err, new(*Error)) {
			t.Fatalf("CompileAny(%q): %v", expr, err)
		}
	})
}

func FuzzMatch(f *testing.F) {
	p := mustCompile(f, "tcp port 80 or ip[ip[0] & 0xf * 4:4] / udp[8] = 7 or ip protochain 50 or vlan and mpls and icmp6[0] = 1 or ip[udp[4]] << ip[tcp[0]] = 7", ethernet)
	for _, pk := range packetsFor(capture.LinkEthernet)[:279] {
		f.Add(pk.data, pk.wireLen)
	}
	f.Fuzz(func(t *testing.T, data []byte, wireLen uint32) {
		if p.match(data, wireLen, 0, false) != p.match(data, wireLen, 0x2005, true) {
			t.Error("a tag that was taken off matters to a program for a file")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	frame := ether("00:11:22:33:44:55", "02:00:00:00:00:01", be16(etherIP), ip4(protoTCP, "10.1.2.3", "192.168.1.9", 0, nil, tcp(1234, 443, 2)))
	for _, expr := range []string{"tcp port 443", "udp port 53", "host 10.1.2.3 and tcp port 443", "net 192.168.0.0/16 and not port 22", "tcp[tcpflags] & tcp-syn != 0"} {
		b.Run(strings.ReplaceAll(expr, " ", "_"), func(b *testing.B) {
			p := mustCompile(b, expr, ethernet)
			b.ReportAllocs()
			for b.Loop() {
				p.match(frame, uint32(len(frame)), 0, false)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		mustCompile(b, "tcp port 443 and host 10.1.2.3 or udp port 53", ethernet)
	}
}
