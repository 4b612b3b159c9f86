package enrich

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// fakeProc is a /proc tree made of files.
type fakeProc struct {
	t    testing.TB
	path string
}

type fakeProcess struct {
	pid, ppid uint32
	start     uint64
	comm, exe string
	args      []string
	fds       map[uint32]uint32 // number: inode, 0 = a file
}

func newFakeProc(t testing.TB) *fakeProc { return &fakeProc{t, t.TempDir()} }

func (f *fakeProc) dir(pid uint32) string { return filepath.Join(f.path, fmt.Sprint(pid)) }

func (f *fakeProc) kill(pid uint32) {
	if err := os.RemoveAll(f.dir(pid)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) run(p fakeProcess) {
	f.t.Helper()
	f.kill(p.pid)
	must := func(err error) {
		if err != nil {
			f.t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(f.dir(p.pid), "fd"), 0o700))
	zeros := strings.Repeat("0 ", 17)
	must(os.WriteFile(filepath.Join(f.dir(p.pid), "stat"), fmt.Appendf(nil, "%d (%s) S %d %s%d 0 0\n", p.pid, p.comm, p.ppid, zeros, p.start), 0o600))
	if p.exe != "" {
		must(os.Symlink(p.exe, filepath.Join(f.dir(p.pid), "exe")))
	}
	cmdline := ""
	for _, a := range p.args {
		cmdline += a + "\x00"
	}
	must(os.WriteFile(filepath.Join(f.dir(p.pid), "cmdline"), []byte(cmdline), 0o600))
	for fd, inode := range p.fds {
		f.open(p.pid, fd, inode)
	}
}

func (f *fakeProc) open(pid, fd, inode uint32) {
	to := "/dev/null"
	if inode != 0 {
		to = fmt.Sprintf("socket:[%d]", inode)
	}
	if err := os.Symlink(to, filepath.Join(f.dir(pid), "fd", fmt.Sprint(fd))); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) shut(pid, fd uint32) {
	if err := os.Remove(filepath.Join(f.dir(pid), "fd", fmt.Sprint(fd))); err != nil {
		f.t.Fatal(err)
	}
}

// fakeTable answers as the kernel does for what is in it.
type fakeTable struct{ all []sockets.Socket }

func (f *fakeTable) Close() error               { return nil }
func (f *fakeTable) IfIndex(name string) uint32 { return map[string]uint32{"eth7": 7}[name] }
func (f *fakeTable) Dump(dst []sockets.Socket, protos ...uint8) ([]sockets.Socket, error) {
	for _, s := range f.all {
		if protos[0] == sockets.Raw && s.Raw || protos[0] == s.Proto && !s.Raw {
			dst = append(dst, s)
		}
	}
	return dst, nil
}

func (f *fakeTable) Get(proto uint8, local, remote netip.AddrPort, iface uint32) (sockets.Socket, error) {
	for pass := range 2 {
		for _, s := range f.all {
			switch {
			case s.Proto != proto || s.Local.Port() != local.Port() || s.Iface != 0 && s.Iface != iface:
			case pass == 0 && s.Local == local && s.Remote == remote:
				return s, nil
			case pass == 1 && !s.Connected() && (s.Local.Addr() == local.Addr() || s.Local.Addr().IsUnspecified()):
				return s, nil
			}
		}
	}
	return sockets.Socket{}, sockets.ErrNotFound
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bench is a stage on made-up tables.
type bench struct {
	*Stage
	proc  *fakeProc
	table *fakeTable
	clock time.Time
}

const testPasswd = "root:x:0:0::/root:/bin/sh\n#no:x:7:\nshort\nann:x:1000:1000::/home/ann:/bin/sh\ntwin:x:1000:1000::/:/bin/sh\n"

func newBench(t testing.TB, prepare func(b *bench)) *bench {
	t.Helper()
	b := &bench{proc: newFakeProc(t), table: &fakeTable{}, clock: time.Unix(1e9, 0)}
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte(testPasswd), 0o600); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(b)
	}
	s, err := New(Config{Proc: b.proc.path, Passwd: passwd, Budget: 0.5, Mode: ModeProcFS, table: b.table, now: func() time.Time { return b.clock }})
	if err != nil {
		t.Fatal(err)
	}
	b.Stage = s
	t.Cleanup(func() { s.Close() })
	return b
}

// search does the work that Run does between events.
func (b *bench) search() {
	for range 10 {
		b.clock = b.clock.Add(time.Second)
		if !b.procs.work() {
			return
		}
	}
}

func (b *bench) send(e event.Event, kind event.Kind) event.Event {
	e.Kind = kind
	b.clock = b.clock.Add(200 * time.Millisecond)
	b.event(&e)
	return e
}

func text(p *event.Proc) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%s %d %s %d/%s", p.Source, p.PID, p.Name, p.UID, p.User)
}

func want(t *testing.T, what string, p *event.Proc, wanted string) {
	t.Helper()
	if text(p) != wanted {
		t.Errorf("%s: got %q, want %q", what, text(p), wanted)
	}
}

var outbound = event.Event{ID: 1, Proto: 6, Direction: event.Out, Local: ap("10.0.0.1:40000"), Remote: ap("192.0.2.1:443")}

func outSocket(inode uint32) sockets.Socket {
	return sockets.Socket{Proto: 6, State: sockets.Established, Local: outbound.Local, Remote: outbound.Remote, Inode: inode, UID: 1000}
}

func TestOwnerOfOutbound(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 100, ppid: 1, comm: "bash", exe: "/bin/bash", start: 5})
		b.proc.run(fakeProcess{pid: 200, ppid: 100, comm: "a-long-program-", exe: "/opt/a-long-program-name (deleted)", args: []string{"x", "-v", "\x1b[2J"},
			start: 9, fds: map[uint32]uint32{0: 0, 5: 77}})
		b.table.all = append(b.table.all, outSocket(77))
	})
	p := b.send(outbound, event.Opened).Proc
	want(t, "opened", p, "procfs 200 a-long-program-name 1000/ann")
	if p.Exe != "/opt/a-long-program-name" || p.Cmdline != "x -v \x1b[2J" || p.PPID != 100 || p.Parent != "bash" {
		t.Errorf("got %+v", p)
	}
	if again := b.send(outbound, event.New).Proc; again != p {
		t.Errorf("new: got another value %p, want the shared %p", again, p)
	}
	b.table.all = nil
	b.proc.kill(200)
	want(t, "closed, after its process", b.send(outbound, event.Closed).Proc, "procfs 200 a-long-program-name 1000/ann")
	if len(b.conns) != 0 || b.n.ProcFS != 1 {
		t.Errorf("after closed: %d connections remembered, stats %+v", len(b.conns), b.n)
	}
}

func TestNewProcessIsFoundAtOnce(t *testing.T) {
	b := newBench(t, func(b *bench) {
		for pid := range uint32(50) {
			b.proc.run(fakeProcess{pid: 10 + pid, ppid: 1, comm: "idle", fds: map[uint32]uint32{3: 1000 + pid}})
		}
	})
	before := b.procs.stats().Scanned
	b.proc.run(fakeProcess{pid: 300, ppid: 1, comm: "curl", fds: map[uint32]uint32{5: 77}})
	b.table.all = append(b.table.all, outSocket(77))
	want(t, "opened", b.send(outbound, event.Opened).Proc, "procfs 300 curl 1000/ann")
	if n := b.procs.stats().Scanned - before; n != 1 {
		t.Errorf("looked into %d processes, want the new one only", n)
	}
	// The young process opens another one; so does one that had a socket lately, later.
	b.proc.open(300, 6, 78)
	e := outbound
	e.ID, e.Local = 2, ap("10.0.0.1:40001")
	s := outSocket(78)
	s.Local = e.Local
	b.table.all = append(b.table.all, s)
	want(t, "second", b.send(e, event.Opened).Proc, "procfs 300 curl 1000/ann")
	b.clock = b.clock.Add(time.Hour)
	b.proc.open(300, 7, 79)
	e.ID, e.Local = 3, ap("10.0.0.1:40002")
	s.Local, s.Inode = e.Local, 79
	b.table.all = append(b.table.all, s)
	want(t, "third", b.send(e, event.Opened).Proc, "procfs 300 curl 1000/ann")
	if n := b.procs.stats(); n.Scanned-before != 3 || n.Rounds != 1 {
		t.Errorf("got %+v, want 3 scans and no round but the first", n)
	}
}

func TestNotFoundIsBoundedAndRemembered(t *testing.T) {
	b := newBench(t, func(b *bench) {
		for pid := range uint32(50) {
			b.proc.run(fakeProcess{pid: 10 + pid, ppid: 1, comm: "idle", fds: map[uint32]uint32{3: 1000 + pid}})
		}
		b.table.all = append(b.table.all, outSocket(77)) // nobody holds it
	})
	e := b.send(outbound, event.Opened)
	want(t, "opened", e.Proc, "sock_diag 0  1000/ann")
	b.search()
	before := b.procs.stats()
	if before.Rounds != 2 || before.NotFound != 1 {
		t.Errorf("got %+v, want one more round that found nothing", before)
	}
	e.Kind = event.New
	b.event(&e)
	want(t, "new", e.Proc, "sock_diag 0  1000/ann")
	b.procs.work()
	if after := b.procs.stats(); after.Scanned != before.Scanned {
		t.Errorf("looked into %d processes for what is known to be nowhere", after.Scanned-before.Scanned)
	}
	// After a while it is looked for again.
	b.proc.open(20, 9, 77)
	b.clock = b.clock.Add(absentFor)
	b.send(outbound, event.Updated)
	b.search()
	want(t, "updated", b.send(outbound, event.Updated).Proc, "procfs 20 idle 1000/ann")
}

func TestMissesShareOneRound(t *testing.T) {
	b := newBench(t, func(b *bench) {
		for pid := range uint32(50) {
			b.proc.run(fakeProcess{pid: 10 + pid, ppid: 1, comm: "idle"})
		}
	})
	b.procs.(*index).credit = -time.Second // the budget is used up
	scanned := b.procs.stats().Scanned
	var es []event.Event
	for i := range uint32(40) {
		b.proc.open(10+i, 5, 500+i)
		e, s := outbound, outSocket(500+i)
		e.ID, e.Local = uint64(i+1), netip.AddrPortFrom(e.Local.Addr(), uint16(1000+i))
		s.Local = e.Local
		b.table.all = append(b.table.all, s)
		e.Kind = event.Opened
		b.event(&e)
		want(t, "opened", e.Proc, "sock_diag 0  1000/ann")
		es = append(es, e)
	}
	if n := b.procs.stats().Scanned; n != scanned {
		t.Errorf("looked into %d processes without any budget", n-scanned)
	}
	b.search()
	for i, e := range es {
		want(t, "new", b.send(e, event.New).Proc, fmt.Sprintf("procfs %d idle 1000/ann", 10+i))
	}
	if n := b.procs.stats(); n.Rounds != 2 || n.Scanned-scanned > 50 {
		t.Errorf("got %+v, want one round for all", n)
	}
}

func TestPIDReuse(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "first", start: 10, fds: map[uint32]uint32{5: 77}})
		b.table.all = []sockets.Socket{outSocket(77)}
	})
	want(t, "first", b.send(outbound, event.Opened).Proc, "procfs 200 first 1000/ann")
	// Another process has the PID and the descriptor's number, another socket behind it.
	b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "second", start: 20, fds: map[uint32]uint32{5: 78}})
	want(t, "first's connection", b.send(outbound, event.New).Proc, "procfs 200 first 1000/ann")
	e, s := outbound, outSocket(78)
	e.ID, e.Local = 2, ap("10.0.0.1:40001")
	s.Local = e.Local
	b.table.all = append(b.table.all, s)
	want(t, "second's connection", b.send(e, event.Opened).Proc, "procfs 200 second 1000/ann")
	// A socket that outlives its process is nobody's, not the next one's.
	e3 := outbound
	e3.ID = 3
	want(t, "third", b.send(e3, event.Opened).Proc, "sock_diag 0  1000/ann")
	// Same PID, same name, same socket, another start: another process.
	p := b.send(e, event.New).Proc
	b.proc.run(fakeProcess{pid: 200, ppid: 7, comm: "second", start: 30, fds: map[uint32]uint32{5: 78}})
	e.ID = 4
	if q := b.send(e, event.Opened).Proc; q == p || q.PPID != 7 || p.PPID != 1 {
		t.Errorf("got %+v, want a value apart from %+v", q, p)
	}
}

func TestExecInPlace(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "sh", start: 10, fds: map[uint32]uint32{5: 77}})
		b.table.all = []sockets.Socket{outSocket(77)}
	})
	want(t, "before", b.send(outbound, event.Opened).Proc, "procfs 200 sh 1000/ann")
	b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "curl", start: 10, fds: map[uint32]uint32{5: 77}})
	want(t, "after", b.send(outbound, event.New).Proc, "procfs 200 curl 1000/ann")
}

func TestInheritedSockets(t *testing.T) {
	t.Run("the opener's, until it lets go", func(t *testing.T) {
		b := newBench(t, func(b *bench) {
			b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "server", fds: map[uint32]uint32{5: 77}})
			b.proc.run(fakeProcess{pid: 201, ppid: 200, comm: "server", fds: map[uint32]uint32{5: 77}})
			b.proc.run(fakeProcess{pid: 202, ppid: 201, comm: "handler", fds: map[uint32]uint32{5: 77}})
			b.table.all = []sockets.Socket{outSocket(77)}
		})
		want(t, "opened", b.send(outbound, event.Opened).Proc, "procfs 200 server 1000/ann")
		b.proc.shut(200, 5)
		b.proc.kill(201)
		b.send(outbound, event.New)
		b.search()
		e := outbound
		e.ID = 2
		want(t, "handed on", b.send(e, event.Opened).Proc, "procfs 202 handler 1000/ann")
	})
	t.Run("init opens for services", func(t *testing.T) {
		b := newBench(t, func(b *bench) {
			b.proc.run(fakeProcess{pid: 1, comm: "systemd", fds: map[uint32]uint32{40: 77}})
			b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "service", fds: map[uint32]uint32{3: 77}})
			b.table.all = []sockets.Socket{outSocket(77)}
		})
		want(t, "opened", b.send(outbound, event.Opened).Proc, "procfs 200 service 1000/ann")
	})
}

func TestListenerUntilAccepted(t *testing.T) {
	in := event.Event{ID: 1, Proto: 6, Direction: event.In, Local: ap("10.0.0.1:80"), Remote: ap("192.0.2.1:50000")}
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "nginx", fds: map[uint32]uint32{3: 70}})
		b.proc.run(fakeProcess{pid: 201, ppid: 200, comm: "nginx", fds: map[uint32]uint32{3: 70}})
		b.table.all = []sockets.Socket{
			{Proto: 6, State: sockets.Listen, Local: ap("0.0.0.0:80"), Remote: ap("0.0.0.0:0"), Inode: 70},
			{Proto: 6, State: sockets.SynRecv, Local: in.Local, Remote: in.Remote},
		}
	})
	want(t, "opened", b.send(in, event.Opened).Proc, "listener 200 nginx 0/root")
	b.table.all[1].State = sockets.Established // and not accepted
	want(t, "new", b.send(in, event.New).Proc, "listener 200 nginx 0/root")
	b.proc.open(201, 9, 71)
	b.table.all[1].Inode, b.table.all[1].UID = 71, 1000
	b.send(in, event.Updated)
	b.search()
	want(t, "accepted", b.send(in, event.Updated).Proc, "procfs 201 nginx 1000/ann")

	late := in // all that is left is the kernel's
	late.ID = 3
	b.table.all[1] = sockets.Socket{Proto: 6, State: sockets.TimeWait, Local: in.Local, Remote: in.Remote}
	want(t, "in TIME_WAIT", b.send(late, event.New).Proc, "listener 200 nginx 0/root")

	scan := in
	scan.ID, scan.Local = 4, ap("10.0.0.1:81")
	b.send(scan, event.Opened)
	retried := b.n.Retried
	b.send(scan, event.New)
	want(t, "to a closed port", b.send(scan, event.Closed).Proc, "")
	if b.n.Retried != retried {
		t.Error("a connection to a closed port was looked for again")
	}

	out := in // the same listener is no answer for a connection that was opened here
	out.ID, out.Direction, out.Remote = 2, event.Out, ap("192.0.2.9:1")
	want(t, "outbound from a listener's port", b.send(out, event.Opened).Proc, "")
}

func TestBothEndsHere(t *testing.T) {
	e := event.Event{ID: 1, Proto: 6, Direction: event.Local, Local: ap("127.0.0.1:40000"), Remote: ap("127.0.0.1:80")}
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "server", fds: map[uint32]uint32{3: 70, 4: 71}})
		b.proc.run(fakeProcess{pid: 300, ppid: 1, comm: "client", fds: map[uint32]uint32{3: 80}})
		b.table.all = []sockets.Socket{
			{Proto: 6, State: sockets.Established, Local: e.Local, Remote: e.Remote, Inode: 80, UID: 1000},
			{Proto: 6, State: sockets.Established, Local: e.Remote, Remote: e.Local, Inode: 71},
		}
	})
	got := b.send(e, event.New)
	want(t, "process", got.Proc, "procfs 300 client 1000/ann")
	want(t, "peer", got.Peer, "procfs 200 server 0/root")
}

func TestBoundToInterface(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "vpn", fds: map[uint32]uint32{3: 77}})
		s := outSocket(77)
		s.Iface = 7
		b.table.all = []sockets.Socket{s}
	})
	e := outbound
	e.Iface = "eth0"
	want(t, "another interface", b.send(e, event.Opened).Proc, "")
	e.ID, e.Iface = 2, "eth7"
	want(t, "its interface", b.send(e, event.Opened).Proc, "procfs 200 vpn 1000/ann")
}

func TestWithoutPorts(t *testing.T) {
	ping := event.Event{Proto: 1, Direction: event.Out, HasICMP: true, ICMPType: 8, EchoID: 9, Local: ap("10.0.0.1:0"), Remote: ap("192.0.2.1:0")}
	mdns := event.Event{Proto: 17, Direction: event.Out, Local: ap("10.0.0.1:5353"), Remote: ap("224.0.0.251:5353")}
	raw := func(proto uint8, inode uint32) sockets.Socket {
		return sockets.Socket{Proto: proto, Raw: true, Local: ap("0.0.0.0:0"), Remote: ap("0.0.0.0:0"), Inode: inode}
	}
	udp := func(inode uint32) sockets.Socket {
		return sockets.Socket{Proto: 17, Local: ap("0.0.0.0:5353"), Remote: ap("0.0.0.0:0"), State: 7, Inode: inode}
	}
	with := func(e event.Event, change func(*event.Event)) event.Event { change(&e); return e }
	for _, tc := range []struct {
		name string
		e    event.Event
		all  []sockets.Socket
		want string
	}{
		{"ping by a raw socket", ping, []sockets.Socket{raw(1, 70)}, "procfs 200 a 0/root"},
		{"ping by a ping socket", ping, []sockets.Socket{{Proto: 1, Local: ap("0.0.0.0:9"), Remote: ap("0.0.0.0:0"), Inode: 80}}, "procfs 300 b 0/root"},
		{"two ping sockets", ping, []sockets.Socket{{Proto: 1, Local: ap("0.0.0.0:8"), Remote: ap("0.0.0.0:0"), Inode: 70}, {Proto: 1, Local: ap("0.0.0.0:9"), Remote: ap("0.0.0.0:0"), Inode: 80}}, "procfs 300 b 0/root"},
		{"two of one process", ping, []sockets.Socket{raw(1, 70), raw(1, 71)}, "procfs 200 a 0/root"},
		{"two processes: nobody knows", ping, []sockets.Socket{raw(1, 70), raw(1, 80)}, ""},
		{"answered by the kernel", with(ping, func(e *event.Event) { e.Direction = event.In }), []sockets.Socket{raw(1, 70)}, ""},
		{"the kernel's own", with(ping, func(e *event.Event) { e.ICMPType = 3 }), []sockets.Socket{raw(1, 70)}, ""},
		{"another protocol", with(ping, func(e *event.Event) { e.Proto, e.HasICMP = 89, false }), []sockets.Socket{raw(1, 70), raw(89, 80)}, "procfs 300 b 0/root"},
		{"not on IP", with(ping, func(e *event.Event) { e.Proto, e.HasICMP = 256, false }), []sockets.Socket{raw(0, 70)}, ""},
		{"a group, one socket", mdns, []sockets.Socket{udp(70)}, "procfs 200 a 0/root"},
		{"a group, two processes", mdns, []sockets.Socket{udp(70), udp(80)}, ""},
		{"a group, two sockets of one", mdns, []sockets.Socket{udp(70), udp(71)}, "procfs 200 a 0/root"},
		{"unconnected", with(mdns, func(e *event.Event) { e.Remote = ap("192.0.2.1:5353") }), []sockets.Socket{udp(70)}, "procfs 200 a 0/root"},
		{"passing through", with(mdns, func(e *event.Event) { e.Remote, e.Direction = ap("192.0.2.1:5353"), event.Forward }), []sockets.Socket{udp(70)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, func(b *bench) {
				b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "a", fds: map[uint32]uint32{3: 70, 4: 71}})
				b.proc.run(fakeProcess{pid: 300, ppid: 1, comm: "b", fds: map[uint32]uint32{3: 80}})
				b.table.all = tc.all
			})
			want(t, "opened", b.send(tc.e, event.Opened).Proc, tc.want)
		})
	}
}

func TestRun(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "curl", fds: map[uint32]uint32{3: 77}})
		b.table.all = []sockets.Socket{outSocket(77)}
	})
	in, out := make(chan *event.Batch, 4), make(chan *event.Batch, 4)
	kinds := func(ks ...event.Kind) *event.Batch {
		batch := &event.Batch{}
		for _, k := range ks {
			e := outbound
			e.Kind = k
			batch.Events = append(batch.Events, e)
		}
		return batch
	}
	in <- kinds(event.Opened, event.Lost)
	in <- kinds()
	in <- kinds(event.New, event.Updated, event.Closed)
	close(in)
	if err := b.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for batch := range out {
		for _, e := range batch.Events {
			got = append(got, e.Kind.String()+" "+text(e.Proc))
		}
		got = append(got, ";")
	}
	const wanted = "lost  ; ; new procfs 200 curl 1000/ann updated procfs 200 curl 1000/ann closed procfs 200 curl 1000/ann ;"
	if strings.Join(got, " ") != wanted {
		t.Errorf("got %q, want %q", strings.Join(got, " "), wanted)
	}
	if n := b.Stats(); n.Opened != 1 || n.ProcFS != 1 {
		t.Errorf("got %+v", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := newBench(t, nil).Run(ctx, nil, make(chan *event.Batch)); err != context.Canceled {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	if _, err := New(Config{Proc: filepath.Join(t.TempDir(), "none")}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no /proc: got %v", err)
	}
}

func TestFullName(t *testing.T) {
	for _, tc := range []struct{ comm, exe, args, want string }{
		{"curl", "/usr/bin/curl", "curl\x00-s", "curl"},
		{"nc", "/bin/busybox", "nc\x00-l", "nc"},
		{"a-long-program-", "/opt/a-long-program-name", "x", "a-long-program-name"},
		{"a-long-program-", "", "/opt/a-long-program-name\x00-v", "a-long-program-name"},
		{"a-long-script-n", "/usr/bin/python3.11", "/usr/bin/python3\x00/opt/a-long-script-name.py", "a-long-script-name.py"},
		{"a-long-title-of", "/opt/other", "a-long-title-of: worker", "a-long-title-of"},
		{"Isolated Web Co", "/usr/lib/firefox/firefox", "/usr/lib/firefox/firefox", "Isolated Web Co"},
		{"a-long-shell-na", "/bin/x", "-a-long-shell-name", "a-long-shell-name"},
	} {
		if got := fullName(tc.comm, tc.exe, []byte(tc.args)); got != tc.want {
			t.Errorf("fullName(%q, %q, %q): got %q, want %q", tc.comm, tc.exe, tc.args, got, tc.want)
		}
	}
}

const sampleStat = "4242 (a) b (c)) S 17 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456789 1 2 3\n"

func TestParseStat(t *testing.T) {
	got, ok := parseStat([]byte(sampleStat))
	if want := (stat{comm: "a) b (c)", ppid: 17, start: 123456789}); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	for n := range strings.Index(sampleStat, "123456789") {
		if s, ok := parseStat([]byte(sampleStat[:n])); ok {
			t.Errorf("%q: got %+v, want no answer", sampleStat[:n], s)
		}
	}
}

func TestSocketInode(t *testing.T) {
	for link, want := range map[string]uint32{"socket:[4711]": 4711, "socket:[4294967295]": 4294967295, "socket:[4294967296]": 0,
		"socket:[]": 0, "socket:[1": 0, "socket:[x]": 0, "pipe:[4711]": 0, "/dev/null": 0, "socket:[99999999999999999999]": 0} {
		if got := socketInode([]byte(link)); got != want {
			t.Errorf("%q: got %d, want %d", link, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sampleStat))
	f.Add([]byte("socket:[4711]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		socketInode(b)
		if name := fullName(string(b), string(b), b); !strings.HasPrefix(name, string(b)) {
			t.Errorf("fullName(%q) = %q does not begin with comm", b, name)
		}
	})
}

func TestUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	now := time.Unix(1e9, 0)
	u := &users{path: path, now: func() time.Time { return now }}
	if got := u.name(0); got != "" {
		t.Errorf("without a file: got %q", got)
	}
	if err := os.WriteFile(path, []byte(testPasswd), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(usersFor)
	for uid, want := range map[uint32]string{0: "root", 1000: "ann", 7: "", 8: ""} {
		if got := u.name(uid); got != want {
			t.Errorf("uid %d: got %q, want %q", uid, got, want)
		}
	}
	if first, second := u.proc(1000), u.proc(1000); first != second {
		t.Error("one user's sockets do not share a value")
	}
}

func TestKnownConnectionAllocatesNothing(t *testing.T) {
	b := newBench(t, func(b *bench) {
		b.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "curl", fds: map[uint32]uint32{3: 77}})
		b.table.all = []sockets.Socket{outSocket(77)}
	})
	b.send(outbound, event.New)
	e := outbound
	e.Kind = event.Updated
	if n := testing.AllocsPerRun(1000, func() { b.event(&e) }); n != 0 {
		t.Errorf("updated allocates %v times, want 0", n)
	}
}

// Advice is only for whom it helps: who may read everybody's processes does not lack a right.
func TestNotes(t *testing.T) {
	for _, c := range []struct {
		count searchStats
		want  string
	}{
		{searchStats{Unprivileged: true}, "of 2 connections only the user is known: other users' processes need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (try: sudo)"},
		{searchStats{Refused: 1}, "of 2 connections only the user is known: other users' processes need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (try: sudo)"},
		{searchStats{Foreign: true, Unprivileged: true}, "of 2 connections only the user is known: /proc does not show the processes here (try: mount -t proc proc /proc)"},
		{searchStats{}, "of 2 connections only the user is known: no process that /proc shows has their sockets: it had closed them by then, or is in another PID namespace"},
	} {
		if got := (Stats{UserOnly: 2, searchStats: c.count}).Notes(); len(got) != 1 || got[0] != c.want {
			t.Errorf("notes of %+v: got %q, want %q", c.count, got, c.want)
		}
	}
	if got := (Stats{}).Notes(); got != nil {
		t.Errorf("notes of nothing: got %q", got)
	}
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	status, _ := os.ReadFile("/proc/self/status")
	_, eff, _ := strings.Cut(string(status), "\nCapEff:\t")
	set, err := strconv.ParseUint(strings.TrimSpace(eff[:min(len(eff), 16)]), 16, 64)
	if want := set>>19&1 == 0 || set>>2&1 == 0; err != nil || s.procs.stats().Unprivileged != want {
		t.Errorf("some processes unreadable with capabilities %x (%v): got %v, want %v", set, err, s.procs.stats().Unprivileged, want)
	}
}

// TestNoProc: without procfs it is said what to do.
func TestNoProc(t *testing.T) {
	if _, err := openProc(filepath.Join(t.TempDir(), "proc"), nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--process none") {
		t.Errorf("got %v, want what to do", err)
	}
}
