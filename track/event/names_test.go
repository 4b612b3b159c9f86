package event

import (
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
		{6, 3283, "net-assistant"}, {17, 3679, "newton-dock"}, {132, 3283, ""},
	} {
		if got := serviceName(c.proto, c.port); got != c.want {
			t.Errorf("serviceName(%d, %d): got %q, want %q", c.proto, c.port, got, c.want)
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
			if got, want := serviceName(proto, uint16(port)), want[[2]uint16{proto, uint16(port)}]; got != want {
				t.Fatalf("serviceName(%d, %d): got %q, want %q", proto, port, got, want)
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
