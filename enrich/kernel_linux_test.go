package enrich

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/bpf"
	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// fakeHooks tell what a test puts into them.
type fakeHooks struct {
	waiting    []func(bpf.Handler)
	before     []bpf.SocketEvent // for Sockets
	lost       bpf.Losses
	incomplete bool
	forgetful  bool // of forks
}

func (f *fakeHooks) Report() []bpf.Hook { return nil }
func (f *fakeHooks) Complete() bool     { return !f.incomplete }
func (f *fakeHooks) Follows() bool      { return !f.forgetful }
func (f *fakeHooks) Source() string     { return sourceEBPF }
func (f *fakeHooks) Losses() bpf.Losses { return f.lost }
func (f *fakeHooks) Close() error       { return nil }
func (f *fakeHooks) Sockets(each func(*bpf.SocketEvent)) error {
	for i := range f.before {
		each(&f.before[i])
	}
	return nil
}

func (f *fakeHooks) Drain(to bpf.Handler) int {
	n := len(f.waiting)
	for _, w := range f.waiting {
		w(to)
	}
	f.waiting = f.waiting[:0]
	return n
}

func (f *fakeHooks) socket(e bpf.SocketEvent) {
	f.waiting = append(f.waiting, func(h bpf.Handler) { h.Socket(&e) })
}

func (f *fakeHooks) process(kind bpf.Kind, pid uint32, start uint64, comm, exe, args string) {
	f.processIn(kind, pid, start, comm, bpf.Texts{Exe: []byte(exe), Args: []byte(args)})
}

// processAt tells of a process when that happened.
func (f *fakeHooks) processAt(kind bpf.Kind, ts int64, pid uint32, start uint64, comm string) {
	e := bpf.ProcessEvent{Header: bpf.Header{Kind: kind, PID: pid, Start: start}, TS: ts}
	copy(e.Comm[:], comm)
	f.waiting = append(f.waiting, func(h bpf.Handler) { h.Process(&e, bpf.Texts{}) })
}

func (f *fakeHooks) processIn(kind bpf.Kind, pid uint32, start uint64, comm string, texts bpf.Texts) {
	e := bpf.ProcessEvent{Header: bpf.Header{Kind: kind, PID: pid, Start: start}, ArgsLen: uint32(len(texts.Args)), AboveSize: 2,
		Caps: 1 << 13, UserNS: firstUserNS, Seccomp: 2, NoNewPrivs: true}
	e.Above[0].PID, e.Above[0].Start = 1, 1
	copy(e.Comm[:], comm)
	copy(e.Above[0].Comm[:], "a-parent-with-a")
	copy(e.ParentExe[:], "a-parent-with-a-long-name")
	copy(e.Above[1].Comm[:], "grandparent")
	f.waiting = append(f.waiting, func(h bpf.Handler) { h.Process(&e, texts) })
}

// sockEvent makes an event of a socket: kind, cookie, PID (start is ten times that), its ends.
func sockEvent(kind bpf.Kind, cookie uint64, pid uint32, proto uint16, local, remote string) bpf.SocketEvent {
	e := bpf.SocketEvent{Header: bpf.Header{Kind: kind, PID: pid, Start: uint64(pid) * 10, Proto: proto}, Cookie: cookie, NetNS: testNetNS, UID: 1000, Type: 2, Family: 2}
	put := func(s string) ([16]byte, uint16) {
		a := netip.MustParseAddrPort(s)
		var b [16]byte
		if a.Addr().Is4() {
			b4 := a.Addr().As4()
			copy(b[:], b4[:])
		} else {
			b, e.Family = a.Addr().As16(), 10
		}
		return b, a.Port()
	}
	e.Local, e.LocalPort = put(local)
	e.Remote, e.RemotePort = put(remote)
	return e
}

const testNetNS = 77

// fakeProcs knows nothing but what it is given.
type fakeProcs struct {
	programs map[uint32]program
	addrs    map[uint32][]netip.Addr // 0 = ours
	lookups  int
	holders  map[uint32]*event.Proc // by inode
}

func (f *fakeProcs) lookup(inode, _ uint32) (uint32, bool) {
	f.lookups++
	p := f.holders[inode]
	if p == nil {
		return 0, false
	}
	return p.PID, true
}
func (f *fakeProcs) owner(inode, _ uint32, _ string) *event.Proc { return f.holders[inode] }
func (f *fakeProcs) user(uid uint32) *event.Proc {
	return &event.Proc{HasUID: true, UID: uid, Source: sourceSockDiag}
}
func (f *fakeProcs) forget(uint32)              {}
func (f *fakeProcs) userName(uid uint32) string { return fmt.Sprint("user", uid) }
func (f *fakeProcs) program(pid uint32, _ uint64) (p program, ok bool) {
	p, ok = f.programs[pid]
	return
}
func (f *fakeProcs) name(pid uint32, _ uint64) (string, bool) {
	p, ok := f.programs[pid]
	return fullName(p.comm, p.exe, nil), ok
}
func (f *fakeProcs) addresses(pid uint32, _ uint64) []netip.Addr { return f.addrs[pid] }
func (f *fakeProcs) label(uint32, uint64) string                 { return "a-label" }
func (f *fakeProcs) cgroup(path []byte) *event.Cgroup            { return placeOf(string(path)) }
func (f *fakeProcs) readAll()                                    {}
func (f *fakeProcs) work() bool                                  { return false }
func (f *fakeProcs) stats() searchStats                          { return searchStats{} }
func (f *fakeProcs) close()                                      {}

// noTable is a kernel without a socket.
type noTable struct{ fakeTable }

// told is a stage that hears fakeHooks only.
type told struct {
	*Stage
	hooks *fakeHooks
	procs *fakeProcs
	clock time.Time
}

func newTold(t testing.TB, before ...bpf.SocketEvent) *told {
	t.Helper()
	b := &told{hooks: &fakeHooks{before: before}, procs: &fakeProcs{programs: map[uint32]program{}}, clock: time.Unix(1e9, 0)}
	now := func() time.Time { return b.clock }
	b.Stage = &Stage{sockets: &socketFinder{table: &noTable{}, now: now}, procs: b.procs, now: now, nat: newTranslations(now), conns: map[uint64]*owners{}, pool: event.NewPool(4)}
	b.kernel = newKernel(b.hooks, b.procs, testNetNS, now)
	if err := b.kernel.readAll(); err != nil {
		t.Fatal(err)
	}
	return b
}

// send passes one event through the stage and gives what came out, after the stage has waited for it.
func (b *told) send(e event.Event, kind event.Kind) event.Event {
	e.Kind = kind
	b.listen(false)
	if b.event(&e) || kind == event.Opened {
		return e
	}
	b.clock = b.clock.Add(holdFor)
	b.listen(false)
	out := b.ready
	b.ready = nil
	if len(out) == 0 {
		return event.Event{}
	}
	return out[len(out)-1]
}

func conn(id uint64, proto uint16, d event.Direction, local, remote string) event.Event {
	return event.Event{ID: id, Proto: proto, Direction: d, Local: ap(local), Remote: ap(remote)}
}

func wantOwner(t *testing.T, what string, p *event.Proc, wanted string) {
	t.Helper()
	got := ""
	if p != nil {
		got = fmt.Sprintf("%s %d %s", p.Source, p.PID, p.Name)
	}
	if got != wanted {
		t.Errorf("%s: got %q, want %q", what, got, wanted)
	}
}

func TestToldOwner(t *testing.T) {
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "a-program-with-", "a-program-with-a-long-name\x00bin\x00opt\x00", "x\x00-v\x00two words\x00")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	p := b.send(outbound, event.Opened).Proc
	wantOwner(t, "opened", p, "ebpf 20 a-program-with-a-long-name")
	if p.Exe != "/opt/bin/a-program-with-a-long-name" || p.Cmdline != "x -v two words" || p.PPID != 1 || p.Parent != "a-parent-with-a-long-name" ||
		p.User != "user1000" || p.UID != 1000 || !p.HasUID || !slices.Equal(p.Ancestors, []string{"a-parent-with-a-long-name", "grandparent"}) ||
		!slices.Equal(p.Caps, []string{"cap_net_raw"}) || p.UserNS != 0 || p.Seccomp != "filter" || !p.NoNewPrivs || p.Label != "a-label" ||
		p.NetNS != testNetNS || p.Cgroup.Path != "/" {
		t.Errorf("got %+v", p)
	}
	if again := b.send(outbound, event.New).Proc; again != p {
		t.Errorf("new: got another value %p, want the shared %p", again, p)
	}
	b.hooks.socket(sockEvent(bpf.Released, 1, 20, 6, "0.0.0.0:0", "0.0.0.0:0"))
	b.hooks.process(bpf.Process, 20, 200, "next", "next\x00bin\x00", "")
	b.hooks.process(bpf.Exited, 20, 200, "", "", "")
	wantOwner(t, "closed, after an exec that did not keep the socket", b.send(outbound, event.Closed).Proc, "ebpf 20 a-program-with-a-long-name")
	if len(b.conns) != 0 || b.n.EBPF != 1 {
		t.Errorf("after closed: %d connections, stats %+v", len(b.conns), b.n)
	}
	late := outbound
	late.ID = 2
	wantOwner(t, "a late packet", b.send(late, event.New).Proc, "ebpf 20 a-program-with-a-long-name")
	b.clock = b.clock.Add(graceFor + time.Second)
	b.listen(false)
	if k := b.kernel; len(k.socks)+len(k.tuples)+len(k.tasks)+len(k.ports)+len(k.closed) != 0 {
		t.Errorf("after its time: %d sockets, %d tuples, %d processes, %d ports are kept", len(k.socks), len(k.tuples), len(k.tasks), len(k.ports))
	}
}

func TestToldExecAndRename(t *testing.T) {
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "sh", "sh\x00bin\x00", "sh\x00")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	first := b.send(outbound, event.New).Proc
	b.hooks.process(bpf.Process, 20, 200, "curl", "curl\x00bin\x00", "curl\x00")
	wantOwner(t, "after exec", b.send(outbound, event.Updated).Proc, "ebpf 20 curl")
	b.hooks.process(bpf.Renamed, 20, 200, "worker", "", "")
	wantOwner(t, "after rename", b.send(outbound, event.Updated).Proc, "ebpf 20 worker")
	wantOwner(t, "what was published", first, "ebpf 20 sh")
	b.hooks.process(bpf.Process, 21, 210, "child", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 21, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	wantOwner(t, "handed on", b.send(outbound, event.Closed).Proc, "ebpf 21 child")
}

func TestToldCgroup(t *testing.T) {
	b := newTold(t)
	id := strings.Repeat("0123456789abcdef", 4)
	b.hooks.processIn(bpf.Process, 20, 200, "sshd", bpf.Texts{Cgroup: []byte("docker-" + id + ".scope\x00system.slice\x00")})
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	if c := b.send(outbound, event.New).Proc.Cgroup; c.ContainerID != id || c.Runtime != "docker" || c.Path != "/system.slice/docker-"+id+".scope" {
		t.Errorf("got %+v, want a container", c)
	}
	b.hooks.processIn(bpf.Moved, 20, 200, "", bpf.Texts{Cgroup: []byte("session-3.scope\x00user-0.slice\x00user.slice\x00")})
	if p := b.send(outbound, event.Updated).Proc; p.Cgroup.Unit != "session-3.scope" || p.Cgroup.Container != "" || p.Name != "sshd" {
		t.Errorf("moved: got %+v %+v, want a session", p, p.Cgroup)
	}
	// Of a path that is cut, the end may look like any other path.
	cut := bpf.Texts{Cgroup: []byte("x\x00sshd.service\x00system.slice\x00"), CgroupCut: true}
	b.hooks.processIn(bpf.Moved, 20, 200, "", cut)
	if p := b.send(outbound, event.Updated).Proc; p.Cgroup != nil {
		t.Errorf("cut, of a process that is gone: got %+v, want none", p.Cgroup)
	}
	b.procs.programs = map[uint32]program{20: {cgroup: placeOf("/system.slice/docker-" + id + ".scope/system.slice/sshd.service/x")}}
	b.hooks.processIn(bpf.Process, 20, 200, "sshd", cut)
	if p := b.send(outbound, event.Updated).Proc; p.Cgroup == nil || p.Cgroup.ContainerID != id {
		t.Errorf("cut, of a process that lives: got %+v, want what procfs has", p.Cgroup)
	}
}

func TestToldPIDReuse(t *testing.T) {
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "first", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	b.hooks.process(bpf.Process, 20, 999, "second", "", "")
	wantOwner(t, "first's", b.send(outbound, event.New).Proc, "ebpf 20 first")
	e := sockEvent(bpf.Used, 2, 20, 6, "10.0.0.1:40001", "192.0.2.1:443")
	e.Start = 999
	b.hooks.socket(e)
	wantOwner(t, "second's", b.send(conn(2, 6, event.Out, "10.0.0.1:40001", "192.0.2.1:443"), event.New).Proc, "ebpf 20 second")
}

// The kernel may tell of a process after its socket, or never: procfs says the rest.
func TestToldWithoutProcess(t *testing.T) {
	b := newTold(t)
	b.procs.programs[20] = program{comm: "known", exe: "/bin/known", args: "known\x00-x\x00", ppid: 3, parent: "init"}
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	p := b.send(outbound, event.New).Proc
	wantOwner(t, "from procfs", p, "ebpf 20 known")
	if p.Cmdline != "known -x" || p.Parent != "init" || p.PPID != 3 {
		t.Errorf("got %+v", p)
	}
	b.hooks.process(bpf.Process, 20, 200, "told", "", "")
	wantOwner(t, "told afterwards", b.send(outbound, event.Updated).Proc, "ebpf 20 told")
}

func TestToldAccepted(t *testing.T) {
	in := conn(1, 6, event.In, "10.0.0.1:80", "192.0.2.1:50000")
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "master", "", "")
	b.hooks.process(bpf.Process, 21, 210, "worker", "", "")
	b.hooks.socket(sockEvent(bpf.Listens, 1, 20, 6, "0.0.0.0:80", "0.0.0.0:0"))
	wantOwner(t, "opened", b.send(in, event.Opened).Proc, "listener 20 master")
	wantOwner(t, "new, and nobody reads it", b.send(in, event.New).Proc, "listener 20 master")
	b.hooks.socket(sockEvent(bpf.Used, 2, 21, 6, "10.0.0.1:80", "192.0.2.1:50000"))
	wantOwner(t, "updated", b.send(in, event.Updated).Proc, "ebpf 21 worker")
	// Closed without a word: named by its close, and the addresses come after.
	b.hooks.socket(sockEvent(bpf.Released, 3, 21, 6, "0.0.0.0:0", "0.0.0.0:0"))
	b.hooks.socket(sockEvent(bpf.Late, 3, 21, 6, "10.0.0.1:80", "192.0.2.1:50001"))
	wantOwner(t, "closed unread", b.send(conn(2, 6, event.In, "10.0.0.1:80", "192.0.2.1:50001"), event.New).Proc, "ebpf 21 worker")
	wantOwner(t, "to a closed port", b.send(conn(3, 6, event.In, "10.0.0.1:81", "192.0.2.1:50002"), event.New).Proc, "")
	if b.n.Expired != 1 {
		t.Errorf("got %d that waited in vain, want the unread one only", b.n.Expired)
	}
	wantOwner(t, "out from a listener's port", b.send(conn(4, 6, event.Out, "10.0.0.1:80", "192.0.2.9:1"), event.Opened).Proc, "")
	// Two that wait at one port: nobody knows which.
	b.hooks.socket(sockEvent(bpf.Listens, 5, 21, 6, "0.0.0.0:80", "0.0.0.0:0"))
	wantOwner(t, "a group of listeners", b.send(conn(5, 6, event.In, "10.0.0.1:80", "192.0.2.1:50003"), event.New).Proc, "")
	b.hooks.socket(sockEvent(bpf.Listens, 6, 22, 6, "[::]:8080", "[::]:0"))
	b.procs.programs[22] = program{comm: "dual"}
	wantOwner(t, "IPv4 to a socket of both", b.send(conn(6, 6, event.In, "10.0.0.1:8080", "192.0.2.1:50003"), event.New).Proc, "listener 22 dual")
}

// TestToldAfterHeld: a socket was accepted and handed to a child that takes its time to read. procfs has one of the two, the kernel tells who uses it.
func TestToldAfterHeld(t *testing.T) {
	b := newTold(t)
	b.renewals.every = time.Second
	b.sockets.table = &fakeTable{all: []sockets.Socket{{Proto: sockets.TCP, Local: ap("10.0.0.1:80"), Remote: ap("192.0.2.1:50000"), Inode: 7}}}
	b.procs.holders = map[uint32]*event.Proc{7: {PID: 20, Name: "master", Source: sourceProcFS}}
	b.hooks.process(bpf.Process, 21, 210, "worker", "", "")
	in := conn(1, 6, event.In, "10.0.0.1:80", "192.0.2.1:50000")
	wantOwner(t, "new", b.send(in, event.New).Proc, "procfs 20 master")
	if out := b.pass(time.Minute); len(out) != 0 {
		t.Fatalf("before it is used: got %+v", out)
	}
	b.hooks.socket(sockEvent(bpf.Listens, 1, 20, 6, "0.0.0.0:80", "0.0.0.0:0"))
	wantOwner(t, "updated", b.send(in, event.Updated).Proc, "procfs 20 master")
	b.hooks.socket(sockEvent(bpf.Used, 2, 21, 6, "10.0.0.1:80", "192.0.2.1:50000"))
	out := b.pass(time.Minute)
	if len(out) != 1 || out[0].Kind != event.Updated {
		t.Fatalf("used: got %+v, want an updated", out)
	}
	wantOwner(t, "used", out[0].Proc, "ebpf 21 worker")
	wantOwner(t, "closed", b.send(in, event.Closed).Proc, "ebpf 21 worker")
}

func TestToldBothEnds(t *testing.T) {
	e := conn(1, 6, event.Local, "[::1]:40000", "[::1]:80")
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "client", "", "")
	b.hooks.process(bpf.Process, 21, 210, "server", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "[::1]:40000", "[::1]:80"))
	b.hooks.socket(sockEvent(bpf.Used, 2, 21, 6, "[::1]:80", "[::1]:40000"))
	got := b.send(e, event.New)
	wantOwner(t, "process", got.Proc, "ebpf 20 client")
	wantOwner(t, "peer", got.Peer, "ebpf 21 server")
}

func TestToldUDP(t *testing.T) {
	at := func(ts int64, e bpf.SocketEvent) bpf.SocketEvent { e.TS = ts; return e }
	const none = "0.0.0.0:0"
	const second = int64(time.Second)
	echo := func(id uint16) event.Event {
		e := ping(event.Out, "10.0.0.1:0", id)
		e.Remote = ap("192.0.2.1:0")
		return e
	}
	for _, tc := range []struct {
		name string
		e    event.Event
		tell []bpf.SocketEvent
		want string
	}{
		{"unconnected, by its port", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:5000", none)}, "ebpf 20 a"},
		{"only bound yet", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Bound, 1, 20, 17, "[::]:5000", "[::]:0")}, "ebpf 20 a"},
		{"bound to another address", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Bound, 1, 20, 17, "10.0.0.2:5000", none)}, ""},
		{"IPv4 to a socket of IPv6 only", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"), []bpf.SocketEvent{
			func() bpf.SocketEvent {
				e := sockEvent(bpf.Bound, 1, 20, 17, "[::]:5000", "[::]:0")
				e.Flags = bpf.V6Only
				return e
			}()}, ""},
		{"connected goes before bound", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:5000", none), sockEvent(bpf.Used, 2, 21, 17, "10.0.0.1:5000", "192.0.2.1:53")}, "ebpf 21 b"},
		{"a shared port, by who met the peer", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:5000", none), sockEvent(bpf.Used, 2, 21, 17, "0.0.0.0:5000", none),
				sockEvent(bpf.Peer, 2, 21, 17, "0.0.0.0:5000", "192.0.2.1:53")}, "ebpf 21 b"},
		{"a shared port, and nobody met the peer", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:5000", none), sockEvent(bpf.Used, 2, 21, 17, "0.0.0.0:5000", none)}, ""},
		{"a group, one owner", conn(1, 17, event.In, "224.0.0.251:5353", "192.0.2.1:5353"),
			[]bpf.SocketEvent{sockEvent(bpf.Bound, 1, 20, 17, "0.0.0.0:5353", none), sockEvent(bpf.Bound, 2, 20, 17, "0.0.0.0:5353", none)}, "ebpf 20 a"},
		{"another namespace's", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"), []bpf.SocketEvent{
			func() bpf.SocketEvent {
				e := sockEvent(bpf.Used, 1, 20, 17, "0.0.0.0:5000", none)
				e.NetNS++
				return e
			}()}, ""},
		{"the port's first user, from before the second", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(9*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")), at(11*second, sockEvent(bpf.Released, 1, 20, 17, none, none)),
				at(12*second, sockEvent(bpf.Used, 2, 21, 17, "10.0.0.1:5000", "192.0.2.1:53"))}, "ebpf 20 a"},
		{"the port's second user", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")), at(8*second, sockEvent(bpf.Released, 1, 20, 17, none, none)),
				at(9*second, sockEvent(bpf.Used, 2, 21, 17, "10.0.0.1:5000", "192.0.2.1:53"))}, "ebpf 21 b"},
		{"the port's second user, that is not connected", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")), at(8*second, sockEvent(bpf.Released, 1, 20, 17, none, none)),
				at(9*second, sockEvent(bpf.Used, 2, 21, 17, "0.0.0.0:5000", none))}, "ebpf 21 b"},
		{"the port's second user, that is not connected, when the first was not either", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Peer, 1, 20, 17, "0.0.0.0:5000", "192.0.2.1:53")), at(8*second, sockEvent(bpf.Released, 1, 20, 17, none, none)),
				at(9*second, sockEvent(bpf.Used, 2, 21, 17, "0.0.0.0:5000", none))}, "ebpf 21 b"},
		{"the port's only user, closed before a late answer", conn(1, 17, event.In, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")), at(8*second, sockEvent(bpf.Released, 1, 20, 17, none, none))}, "ebpf 20 a"},
		{"connected to another since", conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53"),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")), at(11*second, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.2:53"))}, "ebpf 20 a"},
		{"refused, and connected to another since", conn(1, 6, event.Out, "10.0.0.1:5000", "192.0.2.1:80"),
			[]bpf.SocketEvent{at(10*second, sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:5000", "192.0.2.1:80")), at(11*second, sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:5000", "192.0.2.2:80"))}, "ebpf 20 a"},
		{"a raw socket, the one that just sent", echo(0x1234),
			[]bpf.SocketEvent{at(2*second, raw(1, 20)), at(10*second+1000, raw(2, 21))}, "ebpf 21 b"},
		{"raw sockets of two", echo(0x1234),
			[]bpf.SocketEvent{at(2*second, raw(1, 20)), at(3*second, raw(2, 21))}, ""},
		{"ping sockets of two, told late", echo(7), []bpf.SocketEvent{at(11*second, sockEvent(bpf.Used, 1, 20, 1, "0.0.0.0:7", none)), at(2*second, sockEvent(bpf.Used, 2, 21, 1, "0.0.0.0:8", none))}, "ebpf 20 a"},
		{"a ping socket, and a raw one that just sent something else", echo(7),
			[]bpf.SocketEvent{at(2*second, sockEvent(bpf.Used, 1, 20, 1, "0.0.0.0:7", none)), at(10*second+1000, raw(2, 21))}, "ebpf 20 a"},
		{"raw sockets of two, and its number is in the echo", echo(21), []bpf.SocketEvent{at(2*second, raw(1, 20)), at(11*second, raw(2, 21))}, "ebpf 21 b"},
		{"its number the other way round", echo(20 << 8), []bpf.SocketEvent{at(2*second, raw(1, 20)), at(11*second, raw(2, 21))}, "ebpf 20 a"},
		{"another's ping socket", echo(9), []bpf.SocketEvent{sockEvent(bpf.Used, 1, 20, 1, "0.0.0.0:7", none)}, ""},
		{"the ping socket with that identifier was closed before", echo(7),
			[]bpf.SocketEvent{at(7*second, sockEvent(bpf.Used, 1, 20, 1, "0.0.0.0:7", none)), at(8*second, sockEvent(bpf.Released, 1, 20, 1, none, none)), at(9*second, raw(2, 21))}, "ebpf 21 b"},
		{"the kernel's answer to a ping", event.Event{ID: 1, Proto: 1, Direction: event.In, HasICMP: true, ICMPType: 8, Local: ap("10.0.0.1:0"), Remote: ap("192.0.2.1:0")},
			[]bpf.SocketEvent{raw(1, 20)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newTold(t)
			b.hooks.process(bpf.Process, 20, 200, "a", "", "")
			b.hooks.process(bpf.Process, 21, 210, "b", "", "")
			for _, e := range tc.tell {
				b.hooks.socket(e)
			}
			tc.e.Start = 10 * second
			wantOwner(t, "new", b.send(tc.e, event.New).Proc, tc.want)
		})
	}
}

// TestToldShared: several processes use one socket that is not connected, and each connection is the one's that has to do with its other end.
func TestToldShared(t *testing.T) {
	const here, none = "0.0.0.0:5000", "0.0.0.0:0"
	b := newTold(t)
	b.procs.programs = map[uint32]program{19: {comm: "parent"}, 20: {comm: "a"}, 21: {comm: "b"}, 22: {comm: "c"}}
	told := func(ms int64, kind bpf.Kind, pid uint32, remote string, flags uint8) {
		e := sockEvent(kind, 1, pid, 17, here, remote)
		e.TS, e.Flags = ms*1_000_000, flags
		b.hooks.socket(e)
	}
	from := func(id uint64, ms int64) event.Event {
		e := conn(id, 17, event.In, "10.0.0.1:5000", fmt.Sprintf("192.0.2.%d:53", id))
		e.Start = ms * 1_000_000
		return e
	}
	told(100, bpf.Bound, 19, none, 0)
	told(1000, bpf.Peer, 20, "192.0.2.1:53", 0)
	told(1000, bpf.Used, 20, none, 0)
	wantOwner(t, "the first's", b.send(from(1, 1000), event.New).Proc, "ebpf 20 a")
	wantOwner(t, "the first's, without its peer", b.send(from(2, 1100), event.New).Proc, "ebpf 20 a")
	wantOwner(t, "one that waits to be received", b.send(from(3, 1999), event.New).Proc, "ebpf 20 a")
	told(2000, bpf.Peer, 21, "192.0.2.4:53", bpf.Several)
	told(2000, bpf.Used, 21, none, bpf.Several)
	wantOwner(t, "the second's", b.send(from(4, 1990), event.New).Proc, "ebpf 21 b")
	told(2001, bpf.Peer, 22, "192.0.2.3:53", bpf.Several)
	wantOwner(t, "one that has waited", b.send(from(3, 1999), event.Updated).Proc, "ebpf 22 c")
	wantOwner(t, "the first's, still", b.send(from(1, 1000), event.Updated).Proc, "ebpf 20 a")
	wantOwner(t, "the first's, without its peer, still", b.send(from(2, 1100), event.Updated).Proc, "ebpf 20 a")
	wantOwner(t, "the first's, asked for late", b.send(from(5, 1500), event.New).Proc, "ebpf 20 a")
	told(2002, bpf.Used, 21, none, bpf.Several)
	wantOwner(t, "one that nobody has received", b.send(from(6, 3000), event.New).Proc, "listener 21 b")
	told(3100, bpf.Peer, 20, "192.0.2.6:53", bpf.Several)
	wantOwner(t, "one that has been received", b.send(from(6, 3000), event.Updated).Proc, "ebpf 20 a")
	wantOwner(t, "the second's, still", b.send(from(4, 1990), event.Updated).Proc, "ebpf 21 b")
	told(3200, bpf.Peer, 22, "192.0.2.4:53", bpf.Several)
	wantOwner(t, "another answered", b.send(from(4, 1990), event.Updated).Proc, "ebpf 22 c")
	if p := b.send(from(4, 1990), event.Updated).Proc; p.UID != 1000 || p.NetNS != testNetNS {
		t.Errorf("got %+v", p)
	}
	told(4000, bpf.Released, 20, none, 0)
	b.hooks.process(bpf.Process, 22, 220, "next", "next\x00bin\x00", "")
	wantOwner(t, "closed, after an exec that did not keep the socket", b.send(from(4, 1990), event.Closed).Proc, "ebpf 22 c")
	for id := range uint64(6) {
		b.send(from(id+1, 1000), event.Closed)
	}
	for _, pid := range []uint32{19, 20, 21, 22} {
		b.hooks.process(bpf.Exited, pid, uint64(pid)*10, "", "", "")
	}
	b.clock = b.clock.Add(graceFor + time.Second)
	b.listen(false)
	if k := b.kernel; len(k.socks)+len(k.peers)+len(k.tasks)+len(k.ports)+len(k.closed) != 0 {
		t.Errorf("left: %d sockets, %d peers, %d processes, %d ports", len(k.socks), len(k.peers), len(k.tasks), len(k.ports))
	}
}

// TestToldSharedIsBounded: other ends come and go by the thousand; of one that has a connection, the process stays known.
func TestToldSharedIsBounded(t *testing.T) {
	b := newTold(t)
	b.procs.programs = map[uint32]program{20: {comm: "a"}, 21: {comm: "b"}}
	far := func(n int) string { return fmt.Sprintf("10.%d.%d.%d:53", n>>16, n>>8&255, n&255) }
	met := func(n int) {
		e := sockEvent(bpf.Peer, 1, 20+uint32(n)%2, 17, "0.0.0.0:5000", far(n))
		e.Flags = bpf.Several
		b.hooks.socket(e)
	}
	met(1)
	e := conn(1, 17, event.In, "10.0.0.1:5000", far(1))
	wantOwner(t, "new", b.send(e, event.New).Proc, "ebpf 21 b")
	for n := range peersMax * 3 / 2 {
		met(n + 2)
	}
	b.listen(false)
	k, parts := b.kernel, 0
	for p := k.socks[1].parts.all; p != nil; p = p.part.next {
		parts++
	}
	if len(k.peers) > peersMax || len(k.past) > peersMax || parts > peersMax {
		t.Errorf("got %d peers, %d keys, %d parts", len(k.peers), len(k.past), parts)
	}
	wantOwner(t, "updated", b.send(e, event.Updated).Proc, "ebpf 21 b")
	for range peersMax {
		b.clock = b.clock.Add(time.Second)
		b.listen(false)
		if len(k.peers) == 0 {
			break
		}
	}
	wantOwner(t, "much later", b.send(e, event.Updated).Proc, "ebpf 21 b")
	if len(k.peers) != 0 || k.socks[1].parts.all != nil {
		t.Errorf("got %d peers that are over", len(k.peers))
	}
}

// TestToldSuccessor: two sockets in turn at one port are one connection to the tracker.
func TestToldSuccessor(t *testing.T) {
	b := newTold(t)
	b.procs.programs = map[uint32]program{20: {comm: "a"}, 21: {comm: "b"}}
	at := func(ms int64, e bpf.SocketEvent) bpf.SocketEvent { e.TS = ms * 1_000_000; return e }
	e := conn(1, 17, event.Out, "10.0.0.1:5000", "192.0.2.1:53")
	e.Start, e.Last = 1000*1_000_000, 1000*1_000_000
	b.hooks.socket(at(1000, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:5000", "192.0.2.1:53")))
	wantOwner(t, "new", b.send(e, event.New).Proc, "ebpf 20 a")
	b.hooks.socket(at(1100, sockEvent(bpf.Released, 1, 20, 17, "0.0.0.0:0", "0.0.0.0:0")))
	e.Last = 1200 * 1_000_000
	wantOwner(t, "a late answer", b.send(e, event.Updated).Proc, "ebpf 20 a")
	b.hooks.socket(at(1300, sockEvent(bpf.Used, 2, 21, 17, "10.0.0.1:5000", "192.0.2.1:53")))
	wantOwner(t, "before the second", b.send(e, event.Updated).Proc, "ebpf 20 a")
	e.Last = 1300 * 1_000_000
	wantOwner(t, "the second", b.send(e, event.Closed).Proc, "ebpf 21 b")
}

// TestToldStale: what is known first is who had the ends before, and the kernel tells the next one later.
func TestToldStale(t *testing.T) {
	for _, tc := range []struct {
		name         string
		proto        uint16
		d            event.Direction
		first, after bpf.SocketEvent
	}{
		{"UDP", 17, event.Out, sockEvent(bpf.Used, 1, 20, 17, "10.0.0.1:80", "192.0.2.1:53"), sockEvent(bpf.Used, 2, 21, 17, "0.0.0.0:80", "0.0.0.0:0")},
		{"accepted TCP", 6, event.In, sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:80", "192.0.2.1:53"), sockEvent(bpf.Used, 2, 21, 6, "10.0.0.1:80", "192.0.2.1:53")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newTold(t)
			b.procs.programs = map[uint32]program{20: {comm: "a"}, 21: {comm: "b"}}
			at := func(ms int64, e bpf.SocketEvent) { e.TS = ms * 1_000_000; b.hooks.socket(e) }
			at(1000, tc.first)
			at(1100, sockEvent(bpf.Released, 1, 20, tc.proto, "0.0.0.0:0", "0.0.0.0:0"))
			e := conn(1, tc.proto, tc.d, "10.0.0.1:80", "192.0.2.1:53")
			e.Kind, e.Start, e.Last = event.New, 1200*1_000_000, 1200*1_000_000
			b.listen(false)
			if b.event(&e) {
				t.Fatalf("got %+v at once, want it to wait", e.Proc)
			}
			at(1205, tc.after)
			b.listen(false)
			if len(b.ready) != 1 {
				t.Fatalf("got %d events, want the one that waited", len(b.ready))
			}
			wantOwner(t, "the next one", b.ready[0].Proc, "ebpf 21 b")
			b.ready = nil
			wantOwner(t, "closed", b.send(e, event.Closed).Proc, "ebpf 21 b")
		})
	}
}

// What passes through is between sockets of other namespaces, or from one to ours.
func TestToldNamespaces(t *testing.T) {
	there := func(e bpf.SocketEvent) bpf.SocketEvent { e.NetNS = 5; return e }
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "inside", "", "")
	b.hooks.process(bpf.Process, 21, 210, "server", "", "")
	b.hooks.socket(there(sockEvent(bpf.Used, 1, 20, 6, "172.17.0.2:4000", "192.0.2.1:443")))
	wantOwner(t, "passing through", b.send(conn(1, 6, event.Forward, "172.17.0.2:4000", "192.0.2.1:443"), event.New).Proc, "ebpf 20 inside")
	b.hooks.socket(there(sockEvent(bpf.Used, 2, 20, 6, "172.17.0.2:4001", "172.17.0.1:80")))
	b.hooks.socket(sockEvent(bpf.Used, 3, 21, 6, "172.17.0.1:80", "172.17.0.2:4001"))
	got := b.send(conn(2, 6, event.In, "172.17.0.1:80", "172.17.0.2:4001"), event.New)
	wantOwner(t, "ours", got.Proc, "ebpf 21 server")
	wantOwner(t, "theirs", got.Peer, "ebpf 20 inside")
	// The same loopback ends in two namespaces.
	b.hooks.socket(there(sockEvent(bpf.Used, 4, 20, 6, "127.0.0.1:4000", "127.0.0.1:80")))
	b.hooks.socket(sockEvent(bpf.Used, 5, 21, 6, "127.0.0.1:4000", "127.0.0.1:80"))
	wantOwner(t, "the same ends", b.send(conn(3, 6, event.Local, "127.0.0.1:4000", "127.0.0.1:80"), event.New).Proc, "ebpf 21 server")
	// A listener of ours is not who is at that port of another machine.
	b.hooks.socket(sockEvent(bpf.Listens, 6, 21, 6, "0.0.0.0:443", "0.0.0.0:0"))
	b.hooks.socket(sockEvent(bpf.Used, 7, 21, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	wantOwner(t, "peer of an outbound connection", b.send(outbound, event.New).Peer, "")
}

// TestPassing: of what passes through, and is no namespace's of this machine, nothing is remembered until it is one's.
func TestPassing(t *testing.T) {
	there := func(e bpf.SocketEvent) bpf.SocketEvent { e.NetNS = 5; return e }
	through := conn(1, 6, event.Forward, "198.51.100.1:4000", "192.0.2.1:443")
	b := newTold(t)
	b.hooks.process(bpf.Process, 20, 200, "inside", "", "")
	b.hooks.socket(there(sockEvent(bpf.Used, 1, 20, 6, "172.17.0.2:4000", "192.0.2.1:443")))
	for _, kind := range []event.Kind{event.Opened, event.New, event.Updated} {
		if p := b.send(through, kind).Proc; p != nil || len(b.conns) != 0 {
			t.Fatalf("%v: got owner %+v, %d connections remembered, want none", kind, p, len(b.conns))
		}
	}
	b.hooks.socket(there(sockEvent(bpf.Used, 2, 20, 6, "198.51.100.1:4000", "192.0.2.1:443")))
	wantOwner(t, "told late", b.send(through, event.Updated).Proc, "ebpf 20 inside")
	if len(b.conns) != 1 {
		t.Errorf("%d connections remembered, want the one of a namespace", len(b.conns))
	}
	wantOwner(t, "closed", b.send(through, event.Closed).Proc, "ebpf 20 inside")
	// Of a namespace with more addresses than are kept each connection may be.
	for i := range spaceAddrsMax {
		b.hooks.socket(there(sockEvent(bpf.Used, uint64(10+i), 20, 6, fmt.Sprintf("172.18.%d.%d:4000", i>>8, i&255), "192.0.2.1:443")))
	}
	b.hooks.socket(there(sockEvent(bpf.Used, 1000, 20, 6, "198.51.100.2:4000", "192.0.2.1:443")))
	wantOwner(t, "of many addresses", b.send(conn(2, 6, event.Forward, "198.51.100.2:4000", "192.0.2.1:443"), event.New).Proc, "ebpf 20 inside")
}

func TestFoundBefore(t *testing.T) {
	has := func(pid uint32) bpf.SocketEvent {
		return sockEvent(bpf.Found, 1, pid, 6, "10.0.0.1:40000", "192.0.2.1:443")
	}
	for _, tc := range []struct {
		name   string
		before []bpf.SocketEvent
		want   string
	}{
		{"one", []bpf.SocketEvent{has(20)}, "iter 20 a"},
		{"the first who had it", []bpf.SocketEvent{has(21), has(20), has(22)}, "iter 20 a"},
		{"init opens for others", []bpf.SocketEvent{has(1), has(20)}, "iter 20 a"},
		{"only init", []bpf.SocketEvent{has(1)}, "iter 1 init"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newTold(t, tc.before...)
			b.procs.programs = map[uint32]program{1: {comm: "init"}, 20: {comm: "a"}, 21: {comm: "b"}, 22: {comm: "c"}}
			wantOwner(t, "new", b.send(outbound, event.New).Proc, tc.want)
			b.hooks.socket(sockEvent(bpf.Used, 1, 22, 6, "10.0.0.1:40000", "192.0.2.1:443"))
			wantOwner(t, "used", b.send(outbound, event.Updated).Proc, "ebpf 22 c")
		})
	}
}

// TestWaiting: what the kernel tells too late is waited for, with all that follows kept behind it.
func TestWaiting(t *testing.T) {
	b := newTold(t)
	in, out := make(chan *event.Batch), make(chan *event.Batch, 16)
	done := make(chan error, 1)
	batch := func(now int64, es ...event.Event) *event.Batch { return &event.Batch{Events: es, Now: now} }
	kind := func(e event.Event, k event.Kind) event.Event { e.Kind = k; return e }
	other := conn(2, 6, event.Out, "10.0.0.1:40001", "192.0.2.1:443")
	never := conn(3, 17, event.Out, "10.0.0.1:40002", "192.0.2.1:443")
	b.hooks.socket(sockEvent(bpf.Used, 2, 20, 6, "10.0.0.1:40001", "192.0.2.1:443"))
	b.procs.programs[20] = program{comm: "a"}
	go func() { done <- b.Run(context.Background(), in, out) }()
	in <- batch(1, kind(outbound, event.Opened), kind(outbound, event.New), kind(other, event.New), kind(never, event.New), kind(outbound, event.Updated))
	text := func(bt *event.Batch) string {
		var s []string
		for _, e := range bt.Events {
			name := "-"
			if e.Proc != nil {
				name = e.Proc.Name
			}
			s = append(s, fmt.Sprintf("%d %s %s", e.ID, e.Kind, name))
		}
		return strings.Join(s, ", ")
	}
	if got := text(<-out); got != "2 new a" {
		t.Errorf("at once: got %q, want only what is known", got)
	}
	in <- batch(2, kind(outbound, event.Closed))
	if got := text(<-out); got != "" {
		t.Errorf("got %q, want nothing while it waits", got)
	}
	close(in)
	if got := text(<-out); got != "1 new -, 1 updated -, 1 closed -, 3 new -" {
		t.Errorf("at the end: got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := b.Stats(); n.Held != 2 || n.Expired != 2 || n.Told != 1 {
		t.Errorf("got %+v", n)
	}
}

// TestWaitingEnds: as soon as the kernel tells, and at the latest after holdFor.
func TestWaitingEnds(t *testing.T) {
	b := newTold(t)
	b.procs.programs[20] = program{comm: "a"}
	e := outbound
	e.Kind = event.New
	if b.event(&e) {
		t.Fatal("new of an unknown owner did not wait")
	}
	b.listen(false)
	if len(b.ready) != 0 {
		t.Fatalf("went on with %+v", b.ready)
	}
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	b.listen(false)
	if len(b.ready) != 1 || b.ready[0].Proc == nil || b.ready[0].Proc.Name != "a" {
		t.Fatalf("got %+v, want new with its owner", b.ready)
	}
	b.ready = nil
	e = conn(2, 17, event.Out, "10.0.0.1:1", "192.0.2.1:2")
	e.Kind = event.New
	b.event(&e)
	b.clock = b.clock.Add(holdFor)
	b.listen(false)
	if len(b.ready) != 1 || len(b.held) != 0 {
		t.Errorf("after its time: got %+v", b.ready)
	}
	// Where hooks are missing there is nothing to wait for.
	b.kernel.complete = false
	e = conn(3, 17, event.Out, "10.0.0.1:1", "192.0.2.1:2")
	e.Kind = event.New
	if !b.event(&e) {
		t.Error("waited for hooks that are not there")
	}
}

func TestWaitingIsBounded(t *testing.T) {
	b := newTold(t)
	for i := range holdMax + 10 {
		e := conn(uint64(i+1), 17, event.Out, "10.0.0.1:1", "192.0.2.1:2")
		e.Kind = event.New
		if went := b.event(&e); went != (i >= holdMax) {
			t.Fatalf("connection %d: goes on: %v", i, went)
		}
	}
}

func TestLossesAreTold(t *testing.T) {
	b := newTold(t)
	b.reached = 42
	b.hooks.lost.Ring = 3
	b.listen(false)
	if len(b.ready) != 1 || b.ready[0].Kind != event.Lost || b.ready[0].LostCount != 3 || b.ready[0].LostWhere != event.InOwners || b.ready[0].TS != 42 {
		t.Fatalf("got %+v", b.ready)
	}
	b.ready = nil
	b.hooks.lost.Storage, b.hooks.lost.Scratch = 2, 1
	b.listen(false)
	if len(b.ready) != 0 {
		t.Errorf("told again within a second: %+v", b.ready)
	}
	b.listen(true)
	if len(b.ready) != 2 || b.ready[0].LostWhere != event.InOwnersMemory || b.ready[0].LostCount != 2 ||
		b.ready[1].LostWhere != event.InOwnersExec || b.ready[1].LostCount != 1 || b.n.Lost != 6 {
		t.Errorf("at the end: got %+v, %d lost", b.ready, b.n.Lost)
	}
}

func TestToldIsBounded(t *testing.T) {
	b := newTold(t)
	k := b.kernel
	for i := range uint64(socksMax + 100) {
		e := sockEvent(bpf.Used, i+1, uint32(i%4000+2), 17, "10.0.0.1:1", "192.0.2.1:2")
		e.LocalPort, e.RemotePort = uint16(i), uint16(i>>16)+1
		k.Socket(&e)
		e.Kind, e.RemotePort = bpf.Peer, uint16(i>>8)
		k.Socket(&e)
	}
	if k.losses() != (losses{lostMemory: 100}) {
		t.Error("the sockets without room are not counted")
	}
	if len(k.socks) != socksMax || len(k.tuples) > socksMax || len(k.peers) > peersMax || len(k.past) > peersMax {
		t.Errorf("got %d sockets, %d tuples, %d peers", len(k.socks), len(k.tuples), len(k.peers))
	}
	for i := range uint32(tasksSweep + 10) {
		k.task(i+10000, 1)
	}
	if len(k.tasks) > tasksSweep+1 {
		t.Errorf("got %d processes", len(k.tasks))
	}
}

func TestJoinPath(t *testing.T) {
	for in, want := range map[string]string{"": "/", "curl\x00bin\x00usr\x00": "/usr/bin/curl", "memfd:x\x00": "/memfd:x", "\x00": "/"} {
		if got := string(joinPath([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestToldAllocatesNothing(t *testing.T) {
	b := newTold(t)
	b.procs.programs[20] = program{comm: "a"}
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	b.send(outbound, event.New)
	e := outbound
	e.Kind = event.Updated
	again := sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443")
	if n := testing.AllocsPerRun(1000, func() { b.kernel.Socket(&again); b.event(&e) }); n != 0 {
		t.Errorf("updated allocates %v times, want 0", n)
	}
}

// BenchmarkTold is the price in user space of one connection: told, opened, new, closed, released.
func BenchmarkTold(b *testing.B) {
	s := newTold(b)
	s.procs.programs[20] = program{comm: "a"}
	use := sockEvent(bpf.Used, 0, 20, 6, "10.0.0.1:40000", "192.0.2.1:443")
	e := outbound
	b.ReportAllocs()
	for b.Loop() {
		use.Cookie++
		use.Kind, use.LocalPort = bpf.Used, uint16(use.Cookie)
		s.kernel.Socket(&use)
		e.ID++
		e.Local = netip.AddrPortFrom(e.Local.Addr(), use.LocalPort)
		for _, k := range []event.Kind{event.Opened, event.New, event.Closed} {
			e.Kind = k
			s.event(&e)
		}
		use.Kind = bpf.Released
		s.kernel.Socket(&use)
		s.clock = s.clock.Add(200 * time.Microsecond) // 5000 a second
		s.listen(false)
	}
	if s.n.EBPF != uint64(b.N) {
		b.Fatalf("got %+v", s.n)
	}
}
