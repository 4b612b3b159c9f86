package lifecycle

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"rustnet/bpf"
	"rustnet/capture"
	"rustnet/capture/sockets"
)

func TestHow(t *testing.T) {
	const established, synRecv, finWait1, closeWait, enoprotoopt = 1, 3, 4, 8, 92
	for _, tc := range []struct {
		name     string
		from     uint8
		errno    uint16
		fin      bool
		orphan   bool
		want     capture.How
		timeWait bool
	}{
		{"closed first, FIN came", finWait2, 0, true, false, capture.HowFin, true},
		{"closed both at once", closing, 0, true, false, capture.HowFin, true},
		{"closed second", lastAck, 0, true, false, capture.HowFin, false},
		{"an old error of an orderly end", lastAck, ehostunreach, true, false, capture.HowFin, false},
		{"closed first, FIN awaited by nobody", finWait2, 0, false, true, capture.HowLingers, false},
		{"reset by the other end", established, econnreset, false, false, capture.HowRst, false},
		{"reset after its FIN", closeWait, epipe, true, false, capture.HowRst, false},
		{"closed with unread data", established, 0, false, false, capture.HowRst, false},
		{"closed with SO_LINGER", finWait1, 0, false, false, capture.HowRst, false},
		{"ss -K", established, econnaborted, false, false, capture.HowRst, false},
		{"never accepted", synRecv, 0, false, false, capture.HowRst, false},
		{"nobody listens", synSent, econnrefused, false, false, capture.HowRefused, false},
		{"protocol unreachable", synSent, enoprotoopt, false, false, capture.HowRefused, false},
		{"no answer", synSent, etimedout, false, false, capture.HowTimeout, false},
		{"no route on the way", synSent, ehostunreach, false, false, capture.HowTimeout, false},
		{"given up by the process", synSent, 0, false, false, capture.HowGone, false},
		{"given up by ss -K", synSent, econnaborted, false, false, capture.HowGone, false},
		{"keep-alive without answer", established, etimedout, false, false, capture.HowTimeout, false},
		{"the last answer was that there is no way", established, ehostunreach, false, false, capture.HowTimeout, false},
		{"reset while it waits for a FIN", finWait2, 0, false, false, capture.HowRst, false},
	} {
		if got, wait := how(tc.from, tc.errno, tc.fin, tc.orphan); got != tc.want || wait != tc.timeWait {
			t.Errorf("%s: got %d, %t, want %d, %t", tc.name, got, wait, tc.want, tc.timeWait)
		}
	}
}

// fakes are hooks and a table in the hand of a test.
type fakes struct {
	events []bpf.EndEvent
	lost   uint64
	open   []sockets.Socket
	err    error
	dumps  int
	dumped func()
}

func (f *fakes) Drain(each func(*bpf.EndEvent)) {
	for i := range f.events {
		each(&f.events[i])
	}
	f.events = nil
}
func (f *fakes) Wake()              {}
func (f *fakes) FD() int            { return -1 }
func (f *fakes) Lost() uint64       { return f.lost }
func (f *fakes) Report() []bpf.Hook { return nil }
func (f *fakes) Close() error       { return nil }
func (f *fakes) Dump(dst []sockets.Socket, _ ...uint8) ([]sockets.Socket, error) {
	f.dumps++
	f.dumped()
	return append(dst, f.open...), f.err
}

const udp, here, ipv6 = 17, 4026531840, 10

func udpEnd(port uint16, flags uint8) bpf.EndEvent {
	return bpf.EndEvent{TS: 5_000_000_000, Cookie: uint64(port), Local: [16]byte{127, 0, 0, 1}, LocalPort: port, Family: ipv4, Proto: udp, Flags: flags, NetNS: here}
}

func TestSharedPorts(t *testing.T) {
	at := func(addr string, port uint16, cookie uint64) sockets.Socket {
		return sockets.Socket{Proto: udp, Local: netip.AddrPortFrom(netip.MustParseAddr(addr), port), Cookie: cookie, State: sockets.Close}
	}
	connected := at("127.0.0.1", 5, 99)
	connected.Remote = netip.MustParseAddrPort("127.0.0.1:9")
	foreign := udpEnd(5, bpf.Shared)
	foreign.NetNS++
	far := udpEnd(5, bpf.Shared)
	far.RemotePort = 9
	for _, tc := range []struct {
		name  string
		end   bpf.EndEvent
		open  []sockets.Socket
		err   error
		want  string // what comes out: nothing, its one connection, or all over the port
		dumps int
	}{
		{"the only one by its options", udpEnd(5, 0), nil, nil, "port", 0},
		{"nobody else has it", udpEnd(5, bpf.Shared), []sockets.Socket{at("127.0.0.1", 6, 7), at("127.0.0.2", 5, 8)}, nil, "port", 1},
		{"another worker has it", udpEnd(5, bpf.Shared), []sockets.Socket{at("127.0.0.1", 5, 8)}, nil, "", 1},
		{"one of all addresses has it", udpEnd(5, bpf.Shared), []sockets.Socket{at("0.0.0.0", 5, 8)}, nil, "", 1},
		{"it is there itself still", udpEnd(5, bpf.Shared), []sockets.Socket{at("127.0.0.1", 5, 5)}, nil, "port", 1},
		{"one that is connected takes no others' packets", udpEnd(5, bpf.Shared), []sockets.Socket{connected}, nil, "port", 1},
		{"the table cannot be read", udpEnd(5, bpf.Shared), nil, errors.New("no"), "", 1},
		{"in a namespace whose table is not ours", foreign, nil, nil, "", 0},
		{"connected", far, nil, nil, "one", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Unix(100, 0)
			f := &fakes{events: []bpf.EndEvent{tc.end}, open: tc.open, err: tc.err, dumped: func() {}}
			s := &Source{hooks: f, table: f, own: here, now: func() time.Time { return now }}
			got := ""
			for _, e := range s.Read(nil) {
				got += map[bool]string{true: "port", false: "one"}[e.Alone]
				if e.How != capture.HowGone || e.TS != tc.end.TS || e.Due <= e.TS {
					t.Errorf("got %+v", e)
				}
			}
			if got != tc.want || f.dumps != tc.dumps {
				t.Errorf("got %q after %d dumps, want %q after %d", got, f.dumps, tc.want, tc.dumps)
			}
		})
	}
}

// TestAsksSeldom: however many sockets of shared ports end, reading the table takes a twentieth of the time.
func TestAsksSeldom(t *testing.T) {
	now := time.Unix(100, 0)
	f := &fakes{}
	f.dumped = func() { now = now.Add(time.Millisecond) }
	s := &Source{hooks: f, table: f, own: here, now: func() time.Time { return now }}
	out := 0
	for range 100 {
		f.events = []bpf.EndEvent{udpEnd(5, bpf.Shared)}
		out += len(s.Read(nil))
		now = now.Add(time.Millisecond)
	}
	if f.dumps < 4 || f.dumps > 6 || out < 80 {
		t.Errorf("%d dumps in 100 ms of 1 ms each, and %d ends of 100; want 5 and most of them", f.dumps, out)
	}
	for range askingMax + 7 {
		f.events = append(f.events, udpEnd(5, bpf.Shared))
	}
	s.next = now.Add(time.Hour)
	f.lost = 3
	s.Read(nil)
	if waiting := 100 - out; s.Lost() != uint64(3+7+waiting) || s.Lost() != 0 {
		t.Errorf("what there was no room for is not told as lost, or told twice")
	}
}

func TestAddresses(t *testing.T) {
	v6 := func(flags uint8, local ...byte) bpf.EndEvent {
		e := bpf.EndEvent{Family: ipv6, Proto: udp, LocalPort: 5, NetNS: here, Flags: flags}
		copy(e.Local[:], local)
		return e
	}
	mapped := slices.Concat(make([]byte, 10), []byte{0xff, 0xff, 10, 0, 0, 1})
	f := &fakes{events: []bpf.EndEvent{v6(0), v6(bpf.V6Only), v6(0, 0xfe, 0x80), v6(0, mapped...), udpEnd(5, 0)}}
	s := &Source{hooks: f, own: here, now: time.Now}
	var got []string
	for _, e := range s.Read(nil) {
		got = append(got, e.Local.String())
		if e.V4Too != (len(got) == 1) || e.Foreign {
			t.Errorf("got %+v", e)
		}
	}
	if want := []string{"[::]:5", "[::]:5", "[fe80::]:5", "10.0.0.1:5", "127.0.0.1:5"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// natTold is conntrack in the hand of a test.
type natTold struct {
	told []sockets.Translation
	gone bool
	lost uint64
}

func (n *natTold) Drain(each func(*sockets.Translation, bool)) {
	for i := range n.told {
		each(&n.told[i], n.gone)
	}
	n.told = nil
}
func (n *natTold) Lost() uint64 { return n.lost }
func (n *natTold) Close() error { return nil }

// TestForms: a container's connection is masqueraded, a published port leads to another: both forms end.
func TestForms(t *testing.T) {
	at := netip.MustParseAddrPort
	masqueraded := sockets.Translation{Proto: tcp, From: at("172.17.0.2:4000"), To: at("198.51.100.7:443"), Source: at("192.0.2.1:5000"), Dest: at("198.51.100.7:443")}
	published := sockets.Translation{Proto: tcp, From: at("198.51.100.9:6000"), To: at("192.0.2.1:8080"), Source: at("198.51.100.9:6000"), Dest: at("172.17.0.3:80")}
	end := func(local, remote string) bpf.EndEvent {
		l, r := at(local), at(remote)
		e := bpf.EndEvent{TS: 1, Proto: tcp, Family: ipv4, LocalPort: l.Port(), RemotePort: r.Port(), NetNS: here + 1, From: lastAck, Sent: 9}
		copy(e.Local[:], l.Addr().AsSlice())
		copy(e.Remote[:], r.Addr().AsSlice())
		return e
	}
	nat := &natTold{told: []sockets.Translation{masqueraded, published}}
	f := &fakes{}
	s := &Source{hooks: f, nat: nat, own: here, now: time.Now, forms: forms{}}
	read := func(events ...bpf.EndEvent) (got []string) {
		f.events = events
		for _, e := range s.Read(nil) {
			if e.TCP.Sent != 9 || e.How != capture.HowFin {
				t.Errorf("got %+v", e)
			}
			got = append(got, e.Local.String()+" "+e.Remote.String()+map[bool]string{true: " foreign"}[e.Foreign])
		}
		return got
	}
	container, server := end("172.17.0.2:4000", "198.51.100.7:443"), end("172.17.0.3:80", "198.51.100.9:6000")
	want := []string{"172.17.0.2:4000 198.51.100.7:443 foreign", "172.17.0.3:80 198.51.100.9:6000 foreign",
		"192.0.2.1:5000 198.51.100.7:443", "192.0.2.1:8080 198.51.100.9:6000"}
	if got := read(container, server); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	nat.told, nat.gone, s.heard = []sockets.Translation{masqueraded}, true, time.Time{}
	read()
	if got := read(container, server); !slices.Equal(got, []string{want[0], want[1], want[3]}) {
		t.Errorf("after one has gone: got %q", got)
	}
	nat.gone = false
	for i := range formsMax/2 + 7 {
		tr := masqueraded
		tr.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		tr.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		nat.told = append(nat.told, tr)
	}
	s.heard = time.Time{}
	read()
	if n := s.Lost(); len(s.forms) > formsMax || n != 8 {
		t.Errorf("%d forms are kept, %d were lost; want at most %d, and 8", len(s.forms), n, formsMax)
	}
}

// TestFormsOfEcho: a container's ping socket ends what goes by the identifier that NAT gave it.
func TestFormsOfEcho(t *testing.T) {
	at := netip.MustParseAddrPort
	e := bpf.EndEvent{TS: 1, Proto: sockets.ICMP, Family: ipv4, LocalPort: 5, NetNS: here + 1}
	copy(e.Local[:], at("172.17.0.2:0").Addr().AsSlice())
	copy(e.Remote[:], at("198.51.100.7:0").Addr().AsSlice())
	nat := &natTold{told: []sockets.Translation{{Proto: sockets.ICMP, From: at("172.17.0.2:5"), To: at("198.51.100.7:5"), Source: at("192.0.2.1:77"), Dest: at("198.51.100.7:77")}}}
	s := &Source{hooks: &fakes{events: []bpf.EndEvent{e}}, nat: nat, own: here, now: time.Now, forms: forms{}}
	got := s.Read(nil)
	if len(got) != 2 || got[1].Local != at("192.0.2.1:77") || got[1].Remote != at("198.51.100.7:77") || got[1].Alone || got[1].How != capture.HowGone {
		t.Errorf("got %+v, want both forms", got)
	}
}
