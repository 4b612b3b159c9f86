package enrich

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
	"rustnet/bpf/bpftest"
	"rustnet/track/event"
)

// These tests name real programs behind real sockets on loopback, by what the kernel tells.

// ebpfStage is a stage with the hooks that this kernel has, but for some.
func ebpfStage(t testing.TB, cfg bpf.Config) *Stage {
	t.Helper()
	r := bpftest.Asked()
	cfg.Older, cfg.NoRing, cfg.Types = cfg.Older || r.Older, cfg.NoRing || r.NoRing, r.Types
	h, err := bpf.Open(cfg)
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the kernel does not tell us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{hooks: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// noIPv6 skips when a socket of IPv6 cannot be had.
func noIPv6(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("needs IPv6: ", err)
	}
}

var nextID uint64

// trackConn tells the stage of a connection as the tracker does, from opened to closed, and gives the
// owners on new and on closed.
func trackConn(t testing.TB, s *Stage, proto uint16, local, remote netip.AddrPort) (first, last event.Event) {
	t.Helper()
	return trackBegun(t, s, proto, local, remote, time.Now().UnixNano())
}

// trackBegun is trackConn for a connection that began before now.
func trackBegun(t testing.TB, s *Stage, proto uint16, local, remote netip.AddrPort, begun int64) (first, last event.Event) {
	t.Helper()
	nextID++
	var out []event.Event
	for _, kind := range []event.Kind{event.Opened, event.New, event.Closed} {
		e := event.Event{Kind: kind, ID: nextID, Proto: proto, Direction: event.Local, Local: local, Remote: remote, Start: begun}
		s.listen(false)
		if s.event(&e) {
			out = append(out, e)
		}
		for end := time.Now().Add(20 * time.Second); kind == event.Opened && s.procs.work() && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // what Run does until new
		}
	}
	for end := time.Now().Add(20 * time.Second); len(out) < 2; {
		s.listen(time.Now().After(end))
		for _, e := range s.ready {
			if e.Kind == event.Lost {
				t.Fatalf("%d of %s are lost", e.LostCount, e.LostWhere)
			}
			out = append(out, e)
		}
		s.ready = nil
		time.Sleep(time.Millisecond)
	}
	return out[0], out[1]
}

// checkBoth checks both ends' processes, on new and on closed. peer 0 = not asked.
func checkBoth(t testing.TB, s *Stage, what string, proto uint16, local, remote netip.AddrPort, pid, peer int) event.Event {
	t.Helper()
	return checkBegun(t, s, what, proto, local, remote, pid, peer, time.Now().UnixNano())
}

// checkBegun is checkBoth for a connection that began before now.
func checkBegun(t testing.TB, s *Stage, what string, proto uint16, local, remote netip.AddrPort, pid, peer int, begun int64) event.Event {
	t.Helper()
	first, last := trackBegun(t, s, proto, local, remote, begun)
	for _, e := range []event.Event{first, last} {
		if e.Proc == nil || int(e.Proc.PID) != pid || e.Proc.Source != s.kernel.source {
			t.Errorf("%s, %s: got process %+v, want %d", what, e.Kind, e.Proc, pid)
		}
		if peer != 0 && (e.Peer == nil || int(e.Peer.PID) != peer) {
			t.Errorf("%s, %s: got peer %+v, want %d", what, e.Kind, e.Peer, peer)
		}
	}
	return last
}

// run starts a program, which ends with the test at the latest.
func run(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s", name)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

const shortLived = 100 // programs of each kind

// TestEBPFShortLived: every program has ended before its connection is looked up.
func TestEBPFShortLived(t *testing.T) {
	for _, tc := range []struct{ name, network, listen string }{{"v4", "tcp4", "127.0.0.1:0"}, {"v6", "tcp6", "[::1]:0"}} {
		t.Run(tc.name, func(t *testing.T) {
			s := ebpfStage(t, bpf.Config{})
			l, err := net.Listen(tc.network, tc.listen)
			noIPv6(t, err)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for i := range shortLived {
				cmd := run(t, "curl", "-s", "-o", "/dev/null", "http://"+l.Addr().String()+"/"+strconv.Itoa(i))
				c := accept(t, l)
				c.Read(make([]byte, 1024))
				fmt.Fprint(c, "HTTP/1.0 200 OK\r\n\r\n")
				c.Close()
				cmd.Wait()
				e := checkBoth(t, s, "curl "+strconv.Itoa(i), protoTCP, plain(c.RemoteAddr()), plain(c.LocalAddr()), cmd.Process.Pid, os.Getpid())
				if p := e.Proc; p != nil && (p.Name != "curl" || p.Exe != cmd.Path || !strings.HasSuffix(p.Cmdline, "/"+strconv.Itoa(i)) ||
					int(p.PPID) != os.Getpid() || p.Parent != filepath.Base(os.Args[0]) || p.User != "root") {
					t.Errorf("curl %d: got %+v", i, p)
				}
			}
			s.publish()
			rounds := uint64(0)
			if _, why := s.Hooks(); why != nil { // what was open before is looked for in /proc, once
				rounds = 1
			}
			if n := s.Stats(); n.EBPF != shortLived || n.Lost != 0 || n.Rounds > rounds || rounds == 0 && n.Scanned != 0 {
				t.Errorf("got %+v, want all by the kernel, and at most %d searches of /proc", n, rounds)
			}
		})
	}
}

func TestEBPFDatagrams(t *testing.T) {
	const once = "import socket,os,sys; s=socket.socket(%s, socket.SOCK_DGRAM); %s; os._exit(0)"
	for _, tc := range []struct{ name, network, listen, family, do string }{
		{"connected", "udp4", "127.0.0.1:0", "socket.AF_INET", "s.connect(a); s.send(b'x')"},
		{"unconnected", "udp4", "127.0.0.1:0", "socket.AF_INET", "s.sendto(b'x', a)"},
		{"bound", "udp4", "127.0.0.1:0", "socket.AF_INET", "s.bind(('127.0.0.1', 0)); s.sendto(b'x', a)"},
		{"v6", "udp6", "[::1]:0", "socket.AF_INET6", "s.sendto(b'x', a)"},
		{"v4 from a v6 socket", "udp4", "127.0.0.1:0", "socket.AF_INET6", "s.sendto(b'x', ('::ffff:127.0.0.1', a[1]))"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := ebpfStage(t, bpf.Config{})
			server, err := net.ListenPacket(tc.network, tc.listen)
			noIPv6(t, err)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			at := plain(server.LocalAddr())
			for range 10 {
				cmd := run(t, "python3", "-S", "-c", fmt.Sprintf(once, tc.family, fmt.Sprintf("a=('%s',%d); %s", at.Addr(), at.Port(), tc.do)))
				_, from := receive(t, server, make([]byte, 16))
				cmd.Wait()
				checkBoth(t, s, tc.name, protoUDP, plain(from), at, cmd.Process.Pid, os.Getpid())
			}
		})
	}
	t.Run("dig", func(t *testing.T) { // which has threads, and waits for an answer
		s := ebpfStage(t, bpf.Config{})
		server, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		at := plain(server.LocalAddr())
		for range 20 {
			cmd := run(t, "dig", "@127.0.0.1", "-p", strconv.Itoa(int(at.Port())), "x.test")
			b := make([]byte, 512)
			n, from := receive(t, server, b)
			b[2] |= 0x80
			server.WriteTo(b[:n], from)
			cmd.Wait()
			checkBoth(t, s, "dig", protoUDP, plain(from), at, cmd.Process.Pid, os.Getpid())
		}
	})
}

// TestEBPFSCTP: both ends of a one-to-one association.
func TestEBPFSCTP(t *testing.T) {
	const client = "import socket,os,sys; s=socket.socket(socket.%s, socket.SOCK_STREAM, 132); s.connect(('%s',%d)); s.send(b'x'); " +
		"print(s.getsockname()[1], flush=True); s.recv(1); os._exit(0)"
	for _, tc := range []struct{ name, family, addr string }{{"v4", "AF_INET", "127.0.0.1"}, {"v6", "AF_INET6", "::1"}} {
		t.Run(tc.name, func(t *testing.T) {
			family, at := unix.AF_INET, netip.MustParseAddr(tc.addr)
			if at.Is6() {
				family = unix.AF_INET6
			}
			l, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
			if errors.Is(err, unix.EPROTONOSUPPORT) {
				t.Skip("this kernel has no SCTP")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(l)
			var own unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
			if at.Is6() {
				own = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
			}
			err = errors.Join(unix.Bind(l, own), unix.Listen(l, 8))
			noIPv6(t, err)
			if err != nil {
				t.Fatal(err)
			}
			s := ebpfStage(t, bpf.Config{})
			server := sockaddr(unix.Getsockname(l))
			for range 10 {
				cmd, _, out := child(t, "python3", "-S", "-c", fmt.Sprintf(client, tc.family, tc.addr, server.Port()))
				fd, _, err := unix.Accept(l)
				if err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 1)
				if _, err := unix.Read(fd, b); err != nil {
					t.Fatal(err)
				}
				from := netip.AddrPortFrom(at, uint16(readNumber(t, out)))
				unix.Write(fd, b)
				cmd.Wait()
				unix.Close(fd)
				checkBoth(t, s, "sctp", protoSCTP, from, server, cmd.Process.Pid, os.Getpid())
			}
		})
	}
}

// servers answers each connection with the PID of the process that reads from it.
const servers = `
import array, os, socket, sys, threading
kind = sys.argv[1]
def answer(c):
    c.recv(100); c.sendall(b"%d\n" % os.getpid()); c.close()
def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except OSError: pass
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, kind == "reuseport"); l.bind(("127.0.0.1", 0))
if kind == "reuseport":
    r, w = os.pipe()
    for i in range(4):
        if os.fork() == 0:
            s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind(l.getsockname()); s.listen(64); os.write(w, b"x")
            while True: answer(s.accept()[0])
    for i in range(4): os.read(r, 1)
else: l.listen(64)
print(l.getsockname()[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os.killpg(0, 9)), daemon=True).start()
if kind == "reuseport":
    l.close()
    while True: os.wait()
if kind == "activate" and os.fork() == 0:
    os.set_inheritable(l.fileno(), True)
    os.execvp(sys.executable, [sys.executable, "-S", "-c", """if 1:
        import os, socket, sys
        l = socket.socket(fileno=int(sys.argv[1]))
        while True: c = l.accept()[0]; c.recv(100); c.sendall(b"%d\\n" % os.getpid()); c.close()""", str(l.fileno())])
if kind == "activate":
    while True: os.wait()
if kind == "prefork":
    for i in range(4):
        if os.fork() == 0:
            while True: answer(l.accept()[0])
    while True: os.wait()
if kind == "pass":
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.fork() == 0:
        while True:
            fd = array.array("i", b.recvmsg(10, socket.CMSG_LEN(4))[1][0][2])[0]
            answer(socket.socket(fileno=fd))
while True:
    c = l.accept()[0]
    if kind == "thread":
        threading.Thread(target=answer, args=(c,)).start()
    elif kind == "pass":
        a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno()]))]); c.close()
    elif os.fork() == 0:
        if kind == "fork": answer(c); os._exit(0)
        os.dup2(c.fileno(), 0); os.dup2(c.fileno(), 1)
        os.execvp("sh", ["sh", "-c", "read x; echo $$"])
    else:
        c.close(); reap()
`

func TestEBPFServers(t *testing.T) {
	for _, kind := range []string{"prefork", "thread", "fork", "pass", "exec", "reuseport", "activate"} {
		t.Run(kind, func(t *testing.T) {
			s := ebpfStage(t, bpf.Config{})
			cmd := exec.Command("python3", "-S", "-c", servers, kind)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			in, out := piped(t, cmd)
			defer cmd.Wait()
			defer in.Close() // the whole group ends then
			at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(readNumber(t, out)))
			for range 20 {
				c, err := net.Dial("tcp4", at.String())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(c, "x")
				pid := readNumber(t, bufio.NewReader(c))
				c.Close()
				checkBoth(t, s, kind, protoTCP, plain(c.LocalAddr()), at, os.Getpid(), pid)
			}
		})
	}
}

// TestEBPFClosedUnread: the server takes the connection and closes it, and does nothing else; the
// library's accept would ask for the socket's name.
func TestEBPFClosedUnread(t *testing.T) {
	s := ebpfStage(t, bpf.Config{})
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := errors.Join(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(l, 8)); err != nil {
		t.Fatal(err)
	}
	at := sockaddr(unix.Getsockname(l))
	for range 20 {
		cmd := run(t, "python3", "-S", "-c", fmt.Sprintf("import socket,os; s=socket.create_connection(('127.0.0.1',%d)); os._exit(0)", at.Port()))
		fd, from, err := unix.Accept(l)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		cmd.Wait()
		checkBoth(t, s, "unread", protoTCP, sockaddr(from, nil), at, cmd.Process.Pid, os.Getpid())
	}
}

func sockaddr(a unix.Sockaddr, _ error) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	default:
		in4 := a.(*unix.SockaddrInet4)
		return netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), uint16(in4.Port))
	}
}

// TestEBPFNames: a long name, a program whose file is gone, another name, another program.
func TestEBPFNames(t *testing.T) {
	s := ebpfStage(t, bpf.Config{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	said, err := exec.Command("python3", "-S", "-c", "import os; print(os.readlink('/proc/self/exe'))").Output()
	if err != nil {
		t.Skip("needs python3: ", err)
	}
	python := strings.TrimSpace(string(said))
	long := filepath.Join(t.TempDir(), "a-program-with-a-rather-long-name")
	if err := copyFile(long, "/bin/bash"); err != nil {
		t.Fatal(err)
	}
	open := fmt.Sprintf("exec 9<>/dev/tcp/127.0.0.1/%d; echo x >&9; read line <&9; ", port)
	connect := fmt.Sprintf("import socket,ctypes; s=socket.create_connection(('127.0.0.1',%d)); s.send(b'x'); s.recv(1); ", port)
	for _, tc := range []struct {
		name                 string
		program              []string
		remove               bool
		first, last, lastExe string
	}{
		{"long", []string{long, "-c", open + "echo y >&9"}, false, "a-program-with-a-rather-long-name", "a-program-with-a-rather-long-name", long},
		{"renamed", []string{python, "-S", "-c", connect + "ctypes.CDLL(None).prctl(15, b'renamed', 0, 0, 0); s.send(b'y')"}, false, filepath.Base(python), "renamed", python},
		{"exec in place", []string{"/bin/bash", "-c", open + "exec " + python + " -S -c 'import os; os.write(9, b\"y\")'"}, false, "bash", filepath.Base(python), python},
		{"file gone", []string{long, "-c", open + "echo y >&9"}, true, "a-program-with-a-rather-long-name", "a-program-with-a-rather-long-name", long},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := run(t, tc.program[0], tc.program[1:]...)
			c := accept(t, l)
			defer c.Close()
			c.Read(make([]byte, 16))
			if tc.remove {
				os.Remove(long)
			}
			nextID++
			e := event.Event{Kind: event.Opened, ID: nextID, Proto: protoTCP, Direction: event.Local, Local: plain(c.RemoteAddr()), Remote: plain(c.LocalAddr())}
			s.listen(false)
			s.event(&e)
			if e.Proc == nil || e.Proc.Name != tc.first || int(e.Proc.PID) != cmd.Process.Pid {
				t.Errorf("first: got %+v, want %s", e.Proc, tc.first)
			}
			fmt.Fprintln(c, "go on")
			io.ReadAll(c)
			cmd.Wait()
			s.listen(false)
			e.Kind = event.Updated
			s.event(&e)
			if e.Proc == nil || e.Proc.Name != tc.last || e.Proc.Exe != tc.lastExe || int(e.Proc.PID) != cmd.Process.Pid {
				t.Errorf("last: got %+v, want %s (%s)", e.Proc, tc.last, tc.lastExe)
			}
		})
	}
}

// copyFile copies a program by another: a file that is open for writing here while some other child is forked cannot be
// executed until that child has executed its own.
func copyFile(to, from string) error { return exec.Command("cp", from, to).Run() }

// TestEBPFBefore: sockets that were open when we came, used by nobody since.
func TestEBPFBefore(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd, _, _ := child(t, "python3", "-S", "-c", fmt.Sprintf("import socket,sys; s=socket.create_connection(('127.0.0.1',%d)); sys.stdin.read()", l.Addr().(*net.TCPAddr).Port))
	c := accept(t, l)
	defer c.Close()
	s := ebpfStage(t, bpf.Config{})
	source := sourceIter
	if _, why := s.Hooks(); why != nil {
		t.Log("found in /proc: ", why)
		source = sourceProcFS
	}
	first, _ := trackConn(t, s, protoTCP, plain(c.RemoteAddr()), plain(c.LocalAddr()))
	if p := first.Proc; p == nil || p.Source != source || int(p.PID) != cmd.Process.Pid || p.Name != comm(t, cmd.Process.Pid) || p.Cmdline == "" {
		t.Errorf("client: got %+v, want %d", p, cmd.Process.Pid)
	}
	if p := first.Peer; p == nil || p.Source != source || int(p.PID) != os.Getpid() {
		t.Errorf("server: got %+v, want us", p)
	}
}

// TestEBPFSharedPort: of several sockets at one port, the one that answered.
func TestEBPFSharedPort(t *testing.T) {
	const program = `
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); print(s.getsockname()[1], flush=True)
while True:
    s.sendto(b"%d\n" % os.getpid(), s.recvfrom(100)[1])
`
	s := ebpfStage(t, bpf.Config{})
	port := 0
	for range 4 {
		_, _, out := child(t, "python3", "-S", "-c", program, strconv.Itoa(port))
		port = readNumber(t, out)
	}
	seen := map[int]bool{}
	for range 40 {
		c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "x")
		pid := readNumber(t, bufio.NewReader(c))
		c.Close()
		seen[pid] = true
		checkBoth(t, s, "shared port", protoUDP, plain(c.LocalAddr()), plain(c.RemoteAddr()), os.Getpid(), pid)
	}
	if len(seen) < 2 {
		t.Errorf("only %d of the processes answered: nothing is shown", len(seen))
	}
}

// TestEBPFSharedSocket: of several processes with one socket, the one that answered, by whatever the kernel has.
func TestEBPFSharedSocket(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  bpf.Config
	}{
		{"all", bpf.Config{}},
		{"before 6.3", bpf.Config{Without: []string{"told_send", "told_receive"}}},
		{"no cgroup hooks", bpf.Config{CgroupRoot: "/nonexistent"}},
		{"no cgroup hooks, before 6.3", bpf.Config{CgroupRoot: "/nonexistent", Without: []string{"told_send", "told_receive"}}},
		{"before 5.12", bpf.Config{Older: true}},
		{"before 5.8", bpf.Config{Older: true, NoRing: true, Without: []string{"find_sockets"}}},
	} {
		for _, kind := range [][]string{{"prefork", "udp4"}, {"prefork", "udp6"}, {"prefork", "udp"}, {"hand", "udp4"}} {
			t.Run(tc.name+", "+kind[0]+" "+kind[1], func(t *testing.T) {
				s := ebpfStage(t, tc.cfg)
				if h := s.kernel.hooks; !h.Complete() || !slices.ContainsFunc(h.Report(), func(r bpf.Hook) bool {
					return r.Err == nil && !r.Unneeded && slices.Contains([]string{"tell_sendmsg4", "enter_send4", "probe_peer4"}, r.Name)
				}) {
					t.Skip("this kernel does not tell who sends to whom")
				}
				at, ask := datagramServer(t, kind[0], kind[1])
				for range 5 {
					for _, a := range ask(4) {
						checkBegun(t, s, "shared socket", protoUDP, a.local, at, os.Getpid(), a.pid, a.begun)
					}
				}
			})
		}
	}
}

// sentBy reads until the datagram in which pid tells its number, and gives its sender. The port may have
// been another program's before, whose peers still send there.
func sentBy(t *testing.T, u net.PacketConn, pid int) net.Addr {
	t.Helper()
	b := make([]byte, 32)
	for {
		n, from := receive(t, u, b)
		if string(b[:n]) == strconv.Itoa(pid) {
			return from
		}
	}
}

// fexits are the rung below told_send and told_receive.
var fexits = []string{"exit_send4", "exit_send6", "exit_sendpage", "exit_receive4", "exit_receive6"}

// TestEBPFRungs: whatever the kernel refuses, nobody is named wrongly, and who can be named is.
func TestEBPFRungs(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  bpf.Config
	}{
		{"no sockops", bpf.Config{Without: []string{"tell_connect"}}},
		{"no cgroup hooks", bpf.Config{CgroupRoot: "/nonexistent"}},
		{"before 6.3: no send and receive", bpf.Config{Without: []string{"told_send", "told_receive"}}},
		{"and no ends of functions", bpf.Config{Without: append([]string{"told_send", "told_receive"}, fexits...)}},
		{"only cgroup hooks", bpf.Config{Without: append([]string{"told_send", "told_receive", "told_state", "told_exec", "told_exit", "told_rename"}, fexits...)}},
		{"no iterator", bpf.Config{Without: []string{"find_sockets"}}},
		{"before 5.12", bpf.Config{Older: true}},
		{"before 5.8", bpf.Config{Older: true, NoRing: true, Without: []string{"find_sockets"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := ebpfStage(t, tc.cfg)
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			u, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			for range 10 {
				// Alive while it is looked for: what is looked up in procfs has to be there.
				cmd, in, _ := child(t, "python3", "-S", "-c", fmt.Sprintf("import os,socket,sys; s=socket.create_connection(('127.0.0.1',%d)); s.send(b'x'); "+
					"u=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b'%%d'%%os.getpid(),('127.0.0.1',%d)); sys.stdin.read()",
					l.Addr().(*net.TCPAddr).Port, u.LocalAddr().(*net.UDPAddr).Port))
				c := accept(t, l)
				c.Read(make([]byte, 1))
				from := sentBy(t, u, cmd.Process.Pid)
				tcp, _ := trackConn(t, s, protoTCP, plain(c.RemoteAddr()), plain(c.LocalAddr()))
				udp, _ := trackConn(t, s, protoUDP, plain(from), plain(u.LocalAddr()))
				for what, p := range map[string]*event.Proc{"tcp": tcp.Proc, "udp": udp.Proc} {
					if p == nil || int(p.PID) != cmd.Process.Pid || p.Name != comm(t, cmd.Process.Pid) {
						t.Errorf("%s client: got %+v, want %d", what, p, cmd.Process.Pid)
					}
				}
				for what, p := range map[string]*event.Proc{"tcp": tcp.Peer, "udp": udp.Peer} {
					if p == nil || int(p.PID) != os.Getpid() {
						t.Errorf("%s server: got %+v, want us", what, p)
					}
				}
				c.Close()
				in.Close()
				cmd.Wait()
			}
		})
	}
}
