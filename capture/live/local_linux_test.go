package live

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestLocal(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	ip(t, "addr add 10.1.2.3/24 dev v0")
	l, err := WatchLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	is := func(addr string, want bool) {
		t.Helper()
		if got := l.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	is("10.1.2.3", true)
	is("::ffff:10.1.2.3", true)
	is("127.0.0.1", true)
	is("127.200.3.4", true)
	is("::1", true)
	is("10.1.2.4", false)
	is("10.1.2.255", false)
	is("255.255.255.255", false)
	is("224.0.0.1", false)
	is("ff02::1", false)
	is("0.0.0.0", false)
	is("::", false)
	if l.Contains(netip.Addr{}) {
		t.Error("no address at all is local")
	}

	becomes := func(addr string, want bool) {
		t.Helper()
		a := netip.MustParseAddr(addr)
		eventually(t, fmt.Sprintf("%s local: %v", addr, want), func() bool { return l.Contains(a) == want })
	}
	ip(t, "addr add 10.9.0.1 peer 10.9.0.2 dev v0")
	becomes("10.9.0.1", true)
	is("10.9.0.2", false)
	ip(t, "addr add 10.1.2.3/24 dev v1") // the same on two interfaces
	ip(t, "addr del 10.1.2.3/24 dev v0")
	ip(t, "addr add 10.7.7.7/32 dev lo")
	becomes("10.7.7.7", true)
	is("10.1.2.3", true)
	ip(t, "addr del 10.1.2.3/24 dev v1")
	ip(t, "addr add 10.8.8.8/32 dev lo")
	becomes("10.8.8.8", true) // so that the other is known to be gone; packets of it are still on their way
	is("10.1.2.3", true)
	becomes("10.1.2.3", false)
	is("10.8.8.8", true)
	ip(t, "addr del 10.8.8.8/32 dev lo")
	ip(t, "addr add 10.8.8.8/32 dev lo") // back before it has been forgotten
	time.Sleep(goneStays + goneStays/2)
	is("10.8.8.8", true)
	ip(t, "link del v0")
	becomes("10.9.0.1", false)

	n := testing.AllocsPerRun(100, func() { l.Contains(netip.AddrFrom4([4]byte{10, 1, 2, 3})) })
	if n != 0 {
		t.Errorf("Contains allocates %v times, want 0", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	is("10.7.7.7", true)
}

func TestLocal6(t *testing.T) {
	enterNamespace(t)
	ip(t, "link add v0 type veth peer name v1")
	l, err := WatchLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	writeSysctl(t, "/proc/sys/net/ipv6/conf/v0/disable_ipv6", "0")
	ip(t, "addr add 2001:db8::5/64 dev v0 nodad")
	a := netip.MustParseAddr("2001:db8::5")
	eventually(t, "IPv6 address", func() bool { return l.Contains(a) })
	if !l.Contains(a.WithZone("v0")) {
		t.Error("the same address with a zone is not local")
	}
}
