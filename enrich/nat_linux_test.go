package enrich

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"rustnet/bpf"
	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// fakeNAT tells what a test puts into it.
type fakeNAT struct {
	told []sockets.Translation
	gone []sockets.Translation
	lost uint64
}

func (f *fakeNAT) Drain(each func(*sockets.Translation, bool)) {
	for i := range f.told {
		each(&f.told[i], false)
	}
	for i := range f.gone {
		each(&f.gone[i], true)
	}
	f.told, f.gone = nil, nil
}
func (f *fakeNAT) Lost() uint64 { return f.lost }
func (f *fakeNAT) Close() error { return nil }

func translate(proto uint8, from, to, source, dest string) sockets.Translation {
	return sockets.Translation{Proto: proto, From: ap(from), To: ap(to), Source: ap(source), Dest: ap(dest)}
}

// withNAT is a stage that hears of two namespaces, 5 and 6, besides ours.
func withNAT(t testing.TB) (*told, *fakeNAT) {
	b, nat := newTold(t), &fakeNAT{}
	b.nat.natSource = nat
	b.procs.addrs = map[uint32][]netip.Addr{0: {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("172.17.0.1")},
		20: {netip.MustParseAddr("172.17.0.2")}, 30: {netip.MustParseAddr("172.17.0.3")}}
	for pid, name := range map[uint32]string{20: "web", 30: "job", 40: "ours"} {
		b.hooks.process(bpf.Process, pid, uint64(pid)*10, name, "", "")
	}
	return b, nat
}

func inSpace(ns uint32, e bpf.SocketEvent) bpf.SocketEvent { e.NetNS = ns; return e }

func TestTranslated(t *testing.T) {
	for _, tc := range []struct {
		name        string
		sockets     []bpf.SocketEvent
		translation sockets.Translation
		seen        event.Event
		owner, peer string
		local       string // NATLocal
		remote      string
	}{
		{"masqueraded, outside",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 6, "172.17.0.3:4000", "198.51.100.7:443"))},
			translate(6, "172.17.0.3:4000", "198.51.100.7:443", "192.0.2.1:5000", "198.51.100.7:443"),
			conn(1, 6, event.Out, "192.0.2.1:5000", "198.51.100.7:443"), "ebpf 30 job", "", "172.17.0.3:4000", ""},
		{"masqueraded, inside",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 6, "172.17.0.3:4000", "198.51.100.7:443"))},
			translate(6, "172.17.0.3:4000", "198.51.100.7:443", "192.0.2.1:5000", "198.51.100.7:443"),
			conn(1, 6, event.Forward, "172.17.0.3:4000", "198.51.100.7:443"), "ebpf 30 job", "", "192.0.2.1:5000", ""},
		{"masqueraded, an unconnected datagram",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 17, "0.0.0.0:4000", "0.0.0.0:0"))},
			translate(17, "172.17.0.3:4000", "198.51.100.7:53", "192.0.2.1:4000", "198.51.100.7:53"),
			conn(1, 17, event.Out, "192.0.2.1:4000", "198.51.100.7:53"), "ebpf 30 job", "", "172.17.0.3:4000", ""},
		{"masqueraded, and a socket of ours has that port",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 17, "0.0.0.0:4000", "0.0.0.0:0")), sockEvent(bpf.Bound, 2, 40, 17, "0.0.0.0:4000", "0.0.0.0:0")},
			translate(17, "172.17.0.3:4000", "198.51.100.7:53", "192.0.2.1:4000", "198.51.100.7:53"),
			conn(1, 17, event.Out, "192.0.2.1:4000", "198.51.100.7:53"), "ebpf 30 job", "", "172.17.0.3:4000", ""},
		{"published, beside a proxy of ours on the same port",
			[]bpf.SocketEvent{sockEvent(bpf.Listens, 1, 40, 6, "0.0.0.0:8080", "0.0.0.0:0"), inSpace(5, sockEvent(bpf.Used, 2, 20, 6, "172.17.0.2:80", "203.0.113.9:6000"))},
			translate(6, "203.0.113.9:6000", "192.0.2.1:8080", "203.0.113.9:6000", "172.17.0.2:80"),
			conn(1, 6, event.In, "192.0.2.1:8080", "203.0.113.9:6000"), "ebpf 20 web", "", "172.17.0.2:80", ""},
		{"published, not accepted yet, and ours listens on the port inside",
			[]bpf.SocketEvent{sockEvent(bpf.Listens, 1, 40, 6, "0.0.0.0:80", "0.0.0.0:0"), inSpace(5, sockEvent(bpf.Listens, 2, 20, 6, "0.0.0.0:80", "0.0.0.0:0"))},
			translate(6, "203.0.113.9:6000", "192.0.2.1:8080", "203.0.113.9:6000", "172.17.0.2:80"),
			conn(1, 6, event.In, "192.0.2.1:8080", "203.0.113.9:6000"), "listener 20 web", "", "172.17.0.2:80", ""},
		{"from us to a published port",
			[]bpf.SocketEvent{sockEvent(bpf.Used, 1, 40, 6, "192.0.2.1:7000", "192.0.2.1:8080"), inSpace(5, sockEvent(bpf.Used, 2, 20, 6, "172.17.0.2:80", "172.17.0.1:7000"))},
			translate(6, "192.0.2.1:7000", "192.0.2.1:8080", "172.17.0.1:7000", "172.17.0.2:80"),
			conn(1, 6, event.Out, "172.17.0.1:7000", "172.17.0.2:80"), "ebpf 40 ours", "ebpf 20 web", "192.0.2.1:7000", "192.0.2.1:8080"},
		{"a service between containers",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 6, "172.17.0.3:4000", "10.96.0.1:443")), inSpace(5, sockEvent(bpf.Used, 2, 20, 6, "172.17.0.2:8443", "172.17.0.3:4000"))},
			translate(6, "172.17.0.3:4000", "10.96.0.1:443", "172.17.0.3:4000", "172.17.0.2:8443"),
			conn(1, 6, event.Forward, "172.17.0.3:4000", "10.96.0.1:443"), "ebpf 30 job", "ebpf 20 web", "", "172.17.0.2:8443"},
		{"a ping socket, outside, with another identifier",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 1, "0.0.0.0:5", "0.0.0.0:0")), sockEvent(bpf.Used, 2, 40, 1, "0.0.0.0:77", "0.0.0.0:0")},
			translate(1, "172.17.0.3:5", "198.51.100.7:5", "192.0.2.1:77", "198.51.100.7:77"),
			ping(event.Out, "192.0.2.1:0", 77), "ebpf 30 job", "", "172.17.0.3:0", ""},
		{"a ping socket, inside",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 1, "0.0.0.0:5", "0.0.0.0:0"))},
			translate(1, "172.17.0.3:5", "198.51.100.7:5", "192.0.2.1:77", "198.51.100.7:77"),
			ping(event.Forward, "172.17.0.3:0", 5), "ebpf 30 job", "", "192.0.2.1:0", ""},
		{"a raw ping, beside one of ours",
			[]bpf.SocketEvent{inSpace(6, raw(1, 30)), raw(2, 40)},
			translate(1, "172.17.0.3:5", "198.51.100.7:5", "192.0.2.1:5", "198.51.100.7:5"),
			ping(event.Out, "192.0.2.1:0", 5), "ebpf 30 job", "", "172.17.0.3:0", ""},
		{"a ping of ours with the identifier that a translated one had",
			[]bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 1, "0.0.0.0:5", "0.0.0.0:0")), sockEvent(bpf.Used, 2, 40, 1, "0.0.0.0:5", "0.0.0.0:0")},
			translate(1, "172.17.0.3:5", "198.51.100.7:5", "192.0.2.1:77", "198.51.100.7:77"),
			ping(event.Out, "192.0.2.1:0", 5), "ebpf 40 ours", "", "", ""},
		{"the same ends in two namespaces",
			[]bpf.SocketEvent{inSpace(5, sockEvent(bpf.Used, 1, 20, 6, "172.17.0.3:4000", "198.51.100.7:443")), inSpace(6, sockEvent(bpf.Used, 2, 30, 6, "172.17.0.3:4000", "198.51.100.7:443"))},
			translate(6, "172.17.0.3:4000", "198.51.100.7:443", "192.0.2.1:5000", "198.51.100.7:443"),
			conn(1, 6, event.Out, "192.0.2.1:5000", "198.51.100.7:443"), "", "", "172.17.0.3:4000", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, nat := withNAT(t)
			for _, e := range tc.sockets {
				b.hooks.socket(e)
			}
			nat.told = append(nat.told, tc.translation)
			e := b.send(tc.seen, event.New)
			wantOwner(t, "owner", e.Proc, tc.owner)
			wantOwner(t, "peer", e.Peer, tc.peer)
			other := e.NAT
			if other == nil {
				other = &event.NAT{}
			}
			for _, end := range []struct {
				got  netip.AddrPort
				want string
			}{{other.Local, tc.local}, {other.Remote, tc.remote}} {
				if end.want == "" && end.got.IsValid() || end.want != "" && end.got != ap(end.want) {
					t.Errorf("on the other side: got %v, want %q", end.got, end.want)
				}
			}
		})
	}
}

// ping is an echo to 198.51.100.7.
func ping(d event.Direction, local string, id uint16) event.Event {
	e := conn(1, 1, d, local, "198.51.100.7:0")
	e.HasICMP, e.ICMPType, e.EchoID = true, 8, id
	return e
}

// raw is the use of a raw socket for ICMP.
func raw(cookie uint64, pid uint32) bpf.SocketEvent {
	e := sockEvent(bpf.Used, cookie, pid, 1, "0.0.0.0:0", "0.0.0.0:0")
	e.Type = bpf.Raw
	return e
}

// TestSpaces: sockets that are bound to no address are those of the namespace that has it.
func TestSpaces(t *testing.T) {
	for _, tc := range []struct {
		name    string
		sockets []bpf.SocketEvent
		seen    event.Event
		owner   string
		peer    string
	}{
		{"two ask from the same port",
			[]bpf.SocketEvent{inSpace(5, sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:4000", "0.0.0.0:0")), inSpace(6, sockEvent(bpf.Used, 2, 30, 17, "0.0.0.0:4000", "0.0.0.0:0"))},
			conn(1, 17, event.Forward, "172.17.0.3:4000", "198.51.100.7:53"), "ebpf 30 job", ""},
		{"two ask the same from the same port",
			[]bpf.SocketEvent{inSpace(5, sockEvent(bpf.Peer, 1, 20, 17, "0.0.0.0:4000", "198.51.100.7:53")), inSpace(6, sockEvent(bpf.Peer, 2, 30, 17, "0.0.0.0:4000", "198.51.100.7:53"))},
			conn(1, 17, event.Forward, "172.17.0.2:4000", "198.51.100.7:53"), "ebpf 20 web", ""},
		{"another machine's packets pass", []bpf.SocketEvent{inSpace(5, sockEvent(bpf.Peer, 1, 20, 17, "0.0.0.0:4000", "198.51.100.7:53"))},
			conn(1, 17, event.Forward, "172.17.0.99:4000", "198.51.100.7:53"), "", ""},
		{"a container asks us", []bpf.SocketEvent{inSpace(6, sockEvent(bpf.Used, 1, 30, 17, "0.0.0.0:4000", "0.0.0.0:0")), sockEvent(bpf.Bound, 2, 40, 17, "0.0.0.0:53", "0.0.0.0:0")},
			conn(1, 17, event.In, "172.17.0.1:53", "172.17.0.3:4000"), "ebpf 40 ours", "ebpf 30 job"},
		{"we wait on the port that a container waits on", []bpf.SocketEvent{sockEvent(bpf.Listens, 1, 40, 6, "0.0.0.0:80", "0.0.0.0:0"),
			inSpace(5, sockEvent(bpf.Listens, 2, 20, 6, "0.0.0.0:80", "0.0.0.0:0")), inSpace(6, sockEvent(bpf.Used, 3, 30, 6, "172.17.0.3:4000", "172.17.0.2:80"))},
			conn(1, 6, event.Forward, "172.17.0.3:4000", "172.17.0.2:80"), "ebpf 30 job", "listener 20 web"},
		{"procfs does not tell, a connection does", []bpf.SocketEvent{inSpace(7, sockEvent(bpf.Used, 1, 40, 6, "172.17.0.4:4001", "198.51.100.7:443")),
			inSpace(7, sockEvent(bpf.Used, 2, 40, 17, "0.0.0.0:4000", "0.0.0.0:0"))},
			conn(1, 17, event.Forward, "172.17.0.4:4000", "198.51.100.7:53"), "ebpf 40 ours", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, _ := withNAT(t)
			for _, e := range tc.sockets {
				b.hooks.socket(e)
			}
			e := b.send(tc.seen, event.New)
			wantOwner(t, "owner", e.Proc, tc.owner)
			wantOwner(t, "peer", e.Peer, tc.peer)
		})
	}
}

func TestSpacesAreForgotten(t *testing.T) {
	b, _ := withNAT(t)
	b.hooks.socket(inSpace(5, sockEvent(bpf.Used, 1, 20, 6, "172.17.0.2:4000", "198.51.100.7:443")))
	b.hooks.socket(inSpace(5, sockEvent(bpf.Used, 2, 20, 6, "172.17.0.2:4001", "198.51.100.7:443")))
	b.hooks.socket(sockEvent(bpf.Released, 1, 20, 6, "0.0.0.0:0", "0.0.0.0:0"))
	b.listen(false)
	b.clock = b.clock.Add(graceFor + time.Second)
	b.listen(false)
	if k := b.kernel; len(k.spaces) != 1 || k.spaces[5].sockets != 1 {
		t.Errorf("got %v, want one namespace with a socket", k.spaces)
	}
	b.hooks.socket(sockEvent(bpf.Released, 2, 20, 6, "0.0.0.0:0", "0.0.0.0:0"))
	b.listen(false)
	b.clock = b.clock.Add(graceFor + time.Second)
	b.listen(false)
	if k := b.kernel; len(k.spaces)+len(k.far) != 0 || k.blind != 0 {
		t.Errorf("got %v with the addresses %v, %d of them full, want none", k.spaces, k.far, k.blind)
	}
}

func TestTranslationsAreBounded(t *testing.T) {
	b, nat := withNAT(t)
	for i := range natMax + 100 {
		nat.told = append(nat.told, translate(17, fmt.Sprintf("10.%d.%d.1:%d", i>>16, i>>8&0xff, 1+i&0xff), "198.51.100.7:53", fmt.Sprintf("192.0.2.1:%d", 1+i%65000), "198.51.100.7:53"))
	}
	last := nat.told[len(nat.told)-1]
	b.listen(false)
	if n := b.nat; len(n.all) > natMax || len(n.of) > 2*natMax {
		t.Errorf("got %d translations under %d ends, want %d at most", len(n.all), len(n.of), natMax)
	}
	e := conn(1, 17, event.Forward, last.From.String(), last.To.String())
	nat.gone = append(nat.gone, last)
	b.listen(false)
	if tr, opened := b.nat.find(&e); tr == nil || !opened {
		t.Errorf("right after it has gone: got %v, want it: packets may be on their way", tr)
	}
	after := e
	after.Start = b.clock.Add(time.Second).UnixNano()
	if tr, _ := b.nat.find(&after); tr != nil {
		t.Errorf("a connection that began later: got %v, want none", tr)
	}
	b.clock = b.clock.Add(graceFor + time.Second)
	b.listen(false)
	if tr, _ := b.nat.find(&e); tr != nil || len(b.nat.past) != 0 {
		t.Errorf("later: got %v, want none", tr)
	}
	nat.lost = 3
	b.listen(true)
	if b.n.Lost != 3 {
		t.Errorf("got %d lost, want 3", b.n.Lost)
	}
}

func TestTranslatedAllocatesNothing(t *testing.T) {
	b, nat := withNAT(t)
	b.hooks.socket(inSpace(6, sockEvent(bpf.Used, 1, 30, 6, "172.17.0.3:4000", "198.51.100.7:443")))
	nat.told = append(nat.told, translate(6, "172.17.0.3:4000", "198.51.100.7:443", "192.0.2.1:5000", "198.51.100.7:443"))
	e := conn(1, 6, event.Out, "192.0.2.1:5000", "198.51.100.7:443")
	b.send(e, event.New)
	e.Kind = event.Updated
	if n := testing.AllocsPerRun(1000, func() { b.event(&e) }); n != 0 {
		t.Errorf("an event of a translated connection allocates %v times, want 0", n)
	}
}

func TestAddresses(t *testing.T) {
	const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.2
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
        |-- 172.17.0.2
           /32 host LOCAL
        |-- nonsense
           /32 host LOCAL
`
	const inet6 = "fd770000000000000000000000000002 02 40 00 80     eth0\nfe80 02\nxx770000000000000000000000000002 02 40 00 80 eth0\n"
	got := fmt.Sprint(parseIfInet6(parseFibTrie(nil, []byte(trie)), []byte(inet6)))
	if want := "[172.17.0.2 fd77::2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
