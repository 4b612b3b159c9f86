package event

import (
	"crypto/sha1"
	"encoding/base64"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestProtoName(t *testing.T) {
	for p, want := range map[uint16]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6",
		132: "sctp", 200: "200", 255: "255", 256: "arp", 257: "lldp", 258: "cdp", 259: "stp", 260: "eapol", 261: "lacp",
		262: "ptp", 263: "263", 65535: "65535"} {
		if got := ProtoName(p); got != want {
			t.Errorf("ProtoName(%d): got %q, want %q", p, got, want)
		}
	}
	seen := map[string]int{}
	for p := range 300 {
		name := ProtoName(uint16(p))
		if was, ok := seen[name]; ok {
			t.Errorf("protocols %d and %d are both %q", was, p, name)
		}
		seen[name] = p
		if n, err := strconv.Atoi(name); err == nil && n != p {
			t.Errorf("ProtoName(%d) is another protocol's number: %q", p, name)
		}
	}
}

func TestServiceName(t *testing.T) {
	for _, c := range []struct {
		proto, port uint16
		want        string
	}{
		{6, 443, "https"}, {17, 443, "https"}, {17, 53, "domain"}, {6, 22, "ssh"}, {132, 22, "ssh"}, {6, 5432, "postgresql"},
		{17, 5353, "mdns"}, {136, 53, "domain"}, {6, 0, ""}, {6, 65535, ""}, {1, 443, ""}, {256, 80, ""}, {17, 22, "ssh"},
		{6, 88, "kerberos"}, {17, 4789, "vxlan"}, {6, 4789, ""},
	} {
		if got := ServiceName(c.proto, c.port); got != c.want {
			t.Errorf("ServiceName(%d, %d): got %q, want %q", c.proto, c.port, got, c.want)
		}
	}
	want := map[[2]uint16]string{} // as the register's lines say
	for line := range strings.Lines(servicesText) {
		f := strings.Fields(line)
		port, err := strconv.ParseUint(f[0], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		for i, proto := range []uint16{6, 17, 132} {
			if strings.ContainsRune(strings.Join(f[2:], ""), rune(transports[i])) {
				want[[2]uint16{proto, uint16(port)}] = f[1]
			}
		}
	}
	if len(want) < 10_000 {
		t.Errorf("the register has %d names", len(want))
	}
	for _, proto := range []uint16{6, 17, 132} {
		for port := range 1 << 16 {
			if got, want := ServiceName(proto, uint16(port)), want[[2]uint16{proto, uint16(port)}]; got != want {
				t.Fatalf("ServiceName(%d, %d): got %q, want %q", proto, port, got, want)
			}
		}
	}
}

// The port that was connected to is the responder's, whichever end that is.
func TestServiceIsTheResponders(t *testing.T) {
	e := Event{Kind: New, Proto: 6, Local: netip.MustParseAddrPort("10.0.0.1:22"), Remote: netip.MustParseAddrPort("10.0.0.2:443")}
	if got := e.service(); got != "ssh" {
		t.Errorf("service of a connection to local port 22: got %q, want ssh", got)
	}
	e.RemoteServes = true
	if got := e.service(); got != "https" {
		t.Errorf("service of a connection to remote port 443: got %q, want https", got)
	}
}

// The committed table is what the recipe makes.
func TestServicesAreGenerated(t *testing.T) {
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "gen")
	if out, err := exec.Command("go", "build", "-o", binary, filepath.Join(here, "services_gen.go")).CombinedOutput(); err != nil {
		t.Fatalf("build services_gen.go: %v\n%s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("run services_gen.go: %v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "services.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != servicesText {
		t.Error("services.txt differs from what services_gen.go makes; run go generate ./track/event")
	}
}

// The vectors are the specification's published baseline (corelight/community-id-spec).
func TestCommunityID(t *testing.T) {
	const v6a, v6b = "fe80:1:203:405:607:809:a0b:c0d", "fe80:1011:1213:1415:1617:1819:1a1b:1c1d"
	for _, c := range []struct {
		name           string
		proto          uint16
		origin, target string
		oport, tport   uint16
		icmpType, code uint8
		seed           uint16
		want           string
	}{
		{"tcp", 6, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp back", 6, "5.6.7.8", "1.2.3.4", 3344, 1122, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp mapped", 6, "::ffff:5.6.7.8", "::ffff:1.2.3.4", 3344, 1122, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp seed", 6, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 1, "1:HhA1B+6CoLbiKPEs5nhNYN4XWfk="},
		{"udp", 17, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 0, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="},
		{"udp seed", 17, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 1, "1:OShq+iKDAMVouh/4bMxB9Sz4amw="},
		{"sctp", 132, "5.6.7.8", "1.2.3.4", 3344, 1122, 0, 0, 0, "1:EKt4MsxuyaE6mL+hmrEkQ9csDD8="},
		{"icmp echo", 1, "1.2.3.4", "5.6.7.8", 0, 0, 8, 0, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="},
		{"icmp answer", 1, "5.6.7.8", "1.2.3.4", 77, 77, 0, 0, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="},
		{"icmp seed", 1, "1.2.3.4", "5.6.7.8", 0, 0, 8, 0, 1, "1:9pr4ZGTICiuZoIh90RRYE2RyXpU="},
		{"icmp one way", 1, "1.2.3.4", "5.6.7.8", 0, 0, 11, 0, 0, "1:f/YiSyWqczrTgfUCZlBUnvHRcPk="},
		{"icmp6 echo", 58, v6a, v6b, 0, 0, 128, 0, 0, "1:0bf7hyMJUwt3fMED7z8LIfRpBeo="},
		{"icmp6 answer", 58, v6b, v6a, 0, 0, 129, 0, 0, "1:0bf7hyMJUwt3fMED7z8LIfRpBeo="},
		{"icmp6 seed", 58, v6a, v6b, 0, 0, 128, 0, 1, "1:IO27GQzPuCtNnwFvjWALMHu5tJE="},
		{"no ports", 46, "5.6.7.8", "1.2.3.4", 9, 9, 0, 0, 0, "1:ikv3kmf89luf73WPz1jOs49S768="},
		{"link protocol", 256, "1.2.3.4", "5.6.7.8", 0, 0, 0, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func(was uint16) { CommunitySeed = was }(CommunitySeed)
			CommunitySeed = c.seed
			origin := netip.AddrPortFrom(netip.MustParseAddr(c.origin), c.oport)
			target := netip.AddrPortFrom(netip.MustParseAddr(c.target), c.tport)
			e := Event{Kind: New, Proto: c.proto, ICMPType: c.icmpType, ICMPCode: c.code, HasICMP: c.proto == 1 || c.proto == 58}
			e.Local, e.Remote, e.RemoteServes = origin, target, true
			if got := e.communityID(); got != c.want {
				t.Errorf("opened by the local end: got %s, want %s", got, c.want)
			}
			e.Local, e.Remote, e.RemoteServes = target, origin, false
			if got := e.communityID(); got != c.want {
				t.Errorf("opened by the remote end: got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPutBase64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var sum [sha1.Size]byte
		for i := range sum {
			sum[i] = byte(r.Uint32())
		}
		var text [28]byte
		putBase64(&text, &sum)
		if want := base64.StdEncoding.EncodeToString(sum[:]); string(text[:]) != want {
			t.Fatalf("got %s, want %s", text, want)
		}
	}
}

func TestCommunityIDAllocs(t *testing.T) {
	e := Event{Kind: New, Proto: 6, Local: netip.MustParseAddrPort("10.0.0.1:22"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443")}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() { buf = appendCommunityID(buf[:0], &e) }); n != 0 {
		t.Errorf("appendCommunityID allocates %v times, want 0", n)
	}
}

func BenchmarkCommunityID(b *testing.B) {
	e := Event{Kind: New, Proto: 6, Local: netip.MustParseAddrPort("10.0.0.1:22"), Remote: netip.MustParseAddrPort("10.0.0.2:443")}
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = appendCommunityID(buf[:0], &e)
	}
}
