package enrich

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rustnet/track/event"
)

// These tests find real processes behind real sockets on loopback.

func liveStage(t testing.TB) *Stage {
	t.Helper()
	s, err := New(Config{Mode: ModeProcFS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// child runs a program until the test ends.
func child(t testing.TB, name string, args ...string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	in, out := piped(t, cmd)
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, in, out
}

// piped starts a program with pipes to its stdin and from its stdout.
func piped(t testing.TB, cmd *exec.Cmd) (in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	in, inErr := cmd.StdinPipe()
	from, outErr := cmd.StdoutPipe()
	err := errors.Join(inErr, outErr)
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("needs %s", cmd.Args[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(from)
}

// accept gives the connection of a program that was started, and that may have ended before it had one: neither it nor what
// it says is waited for without end.
func accept(t testing.TB, l net.Listener) net.Conn {
	t.Helper()
	end := time.Now().Add(patience)
	l.(*net.TCPListener).SetDeadline(end)
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("the program does not connect: %v", err)
	}
	c.SetDeadline(end)
	return c
}

// receive is that for datagrams.
func receive(t testing.TB, u net.PacketConn, b []byte) (n int, from net.Addr) {
	t.Helper()
	u.SetReadDeadline(time.Now().Add(patience))
	n, from, err := u.ReadFrom(b)
	if err != nil {
		t.Fatalf("the program sends nothing: %v", err)
	}
	return n, from
}

// patience is for what programs do. The machines of testdata/kernels.sh are emulated, and may have little of a busy processor.
var patience = func() time.Duration {
	if os.Getenv("OWNERS_PROGRAM") != "" {
		return 20 * time.Minute
	}
	return time.Minute
}()

func comm(t testing.TB, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func plain(a net.Addr) netip.AddrPort {
	ap := netip.MustParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// until sends the event again, as a stream of updates would, until the answer is there.
func until(s *Stage, e *event.Event, good func() bool) bool {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		*e = event.Event{Kind: event.Updated, ID: e.ID + 1, Proto: e.Proto, Direction: e.Direction, Local: e.Local, Remote: e.Remote}
		s.event(e)
		if good() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		s.procs.work()
	}
}

func checkOwner(t *testing.T, what string, p *event.Proc, pid int) {
	t.Helper()
	if p == nil || int(p.PID) != pid {
		t.Errorf("%s: got %+v, want process %d", what, p, pid)
		return
	}
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if !strings.HasPrefix(p.Name, comm(t, pid)) || p.Exe != exe || p.Source != sourceProcFS || p.PPID == 0 || p.Parent == "" || p.Cmdline == "" {
		t.Errorf("%s: got %+v, want name %s and exe %s", what, p, comm(t, pid), exe)
	}
}

var ssUser = regexp.MustCompile(`pid=(\d+)`)

// ssOwner is who ss says holds the socket.
func ssOwner(t *testing.T, proto string, local, remote netip.AddrPort) int {
	t.Helper()
	out, err := exec.Command("ss", "-Hanp", "--"+proto, fmt.Sprintf("sport = :%d and dport = :%d", local.Port(), remote.Port())).Output()
	if err != nil {
		t.Skip("needs ss of iproute2: ", err)
	}
	m := ssUser.FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("ss does not say who has %v %v: %q", local, remote, out)
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

func TestLiveTCP(t *testing.T) {
	for _, tc := range []struct{ name, network, listen, target string }{
		{"v4", "tcp4", "127.0.0.1:0", "TCP4:127.0.0.1:"},
		{"v6", "tcp6", "[::1]:0", "TCP6:[::1]:"},
		{"v4 into a v6 socket", "tcp", "[::]:0", "TCP4:127.0.0.1:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := liveStage(t)
			l, err := net.Listen(tc.network, tc.listen)
			noIPv6(t, err)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			cmd, _, _ := child(t, "socat", "-", tc.target+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			c := accept(t, l)
			defer c.Close()
			e := event.Event{Kind: event.Opened, ID: 1, Proto: 6, Direction: event.Local, Local: plain(c.RemoteAddr()), Remote: plain(c.LocalAddr())}
			s.event(&e)
			checkOwner(t, "client, at once", e.Proc, cmd.Process.Pid)
			if pid := ssOwner(t, "tcp", e.Local, e.Remote); pid != int(e.Proc.PID) {
				t.Errorf("got process %d, ss says %d", e.Proc.PID, pid)
			}
			until(s, &e, func() bool { return quality(e.Peer) == 3 })
			checkOwner(t, "server", e.Peer, os.Getpid())
		})
	}
}

// TestLiveShortLived: each curl is found while the server answers it.
func TestLiveShortLived(t *testing.T) {
	s := liveStage(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var worst time.Duration
	later := 0
	for i := range 20 {
		cmd, _, _ := child(t, "curl", "-s", "http://"+l.Addr().String()+"/")
		c := accept(t, l)
		e := event.Event{Kind: event.Opened, ID: uint64(i+1) << 32, Proto: 6, Direction: event.Out, Local: plain(c.RemoteAddr()), Remote: plain(c.LocalAddr())} // until counts on from there
		begin := time.Now()
		s.event(&e)
		worst = max(worst, time.Since(begin))
		if e.Proc == nil || e.Proc.PID == 0 { // a look takes no longer than it may, which on a slow machine is not enough
			later++
			until(s, &e, func() bool { return quality(e.Proc) == 3 })
		}
		if e.Proc == nil || int(e.Proc.PID) != cmd.Process.Pid || e.Proc.Name != "curl" {
			t.Errorf("curl %d: got %+v", i, e.Proc)
		}
		c.Close()
		cmd.Wait()
	}
	st := s.procs.stats()
	t.Logf("worst look %v, %d found later; %+v", worst, later, st)
	if st.Rounds != 1 && later == 0 {
		t.Errorf("got %d rounds through /proc, want only the first", st.Rounds)
	}
}

func TestLiveUDP(t *testing.T) {
	s := liveStage(t)
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	at := plain(server.LocalAddr())
	for _, tc := range []struct{ name, program string }{
		{"connected", "s.connect(a); s.send(b'x')"},
		{"unconnected", "s.sendto(b'x', a)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd, _, _ := child(t, "python3", "-c", fmt.Sprintf("import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a=('127.0.0.1',%d); %s; sys.stdin.read()", at.Port(), tc.program))
			_, from := receive(t, server, make([]byte, 16))
			e := event.Event{Kind: event.Opened, ID: uint64(cmd.Process.Pid) << 32, Proto: 17, Direction: event.Local, Local: plain(from), Remote: at}
			s.event(&e)
			checkOwner(t, "client, at once", e.Proc, cmd.Process.Pid)
			until(s, &e, func() bool { return quality(e.Peer) == 3 })
			checkOwner(t, "server", e.Peer, os.Getpid())
		})
	}
}

const forkingServer = `
import os, socket, sys
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
print(l.getsockname()[1], flush=True)
sys.stdin.readline()
c, _ = l.accept()
pid = os.fork()
if pid == 0:
    c.recv(1); os._exit(0)
c.close()
print(pid, flush=True)
os.wait()
`

// TestLiveAcceptAndFork: the listener's owner until the connection is accepted, then the child
// that it was given to.
func TestLiveAcceptAndFork(t *testing.T) {
	s := liveStage(t)
	cmd, in, out := child(t, "python3", "-c", forkingServer)
	port := readNumber(t, out)
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e := event.Event{Kind: event.Opened, ID: 1, Proto: 6, Direction: event.In, Local: plain(c.RemoteAddr()), Remote: plain(c.LocalAddr())}
	s.event(&e)
	if p := e.Proc; p == nil || p.Source != sourceListener || int(p.PID) != cmd.Process.Pid {
		t.Errorf("before accept: got %+v, want the listening process %d", p, cmd.Process.Pid)
	}
	fmt.Fprintln(in)
	pid := readNumber(t, out)
	until(s, &e, func() bool { return e.Proc != nil && int(e.Proc.PID) == pid })
	checkOwner(t, "after fork", e.Proc, pid)
	if e.Proc != nil && int(e.Proc.PPID) != cmd.Process.Pid {
		t.Errorf("got parent %d, want %d", e.Proc.PPID, cmd.Process.Pid)
	}
}

func readNumber(t *testing.T, r *bufio.Reader) int {
	t.Helper()
	line, err := r.ReadString('\n')
	n, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || convErr != nil {
		t.Fatalf("got %q, %v, want a number", line, err)
	}
	return n
}

// TestLiveScript: a long script name is completed, and exec in place is noticed.
func TestLiveScript(t *testing.T) {
	s := liveStage(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	script := filepath.Join(t.TempDir(), "a-script-with-a-long-name")
	text := fmt.Sprintf("#!/bin/bash\nexec 9<>/dev/tcp/127.0.0.1/%d\nread line <&9\nexec sleep 60\n", l.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd, _, _ := child(t, script)
	c := accept(t, l)
	defer c.Close()
	e := event.Event{Kind: event.Opened, ID: 1, Proto: 6, Direction: event.Out, Local: plain(c.RemoteAddr()), Remote: plain(c.LocalAddr())}
	s.event(&e)
	checkOwner(t, "script", e.Proc, cmd.Process.Pid)
	if e.Proc != nil && e.Proc.Name != "a-script-with-a-long-name" {
		t.Errorf("got name %q", e.Proc.Name)
	}
	fmt.Fprintln(c, "go on")
	until(s, &e, func() bool { return e.Proc != nil && e.Proc.Name == "sleep" })
	checkOwner(t, "after exec", e.Proc, cmd.Process.Pid)
}

// BenchmarkOpened is the price of a connection whose process is known: the socket by netlink, the
// descriptor checked.
func BenchmarkOpened(b *testing.B) {
	s := liveStage(b)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	e := event.Event{Kind: event.Opened, ID: 1, Proto: 6, Direction: event.Out, Local: plain(c.LocalAddr()), Remote: plain(c.RemoteAddr())}
	if !until(s, &e, func() bool { return quality(e.Proc) == 3 }) {
		b.Fatalf("got %+v", e.Proc)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Kind = event.Opened
		s.event(&e)
		e.Kind = event.Closed
		clear(s.conns)
	}
	if quality(e.Proc) != 3 {
		b.Fatalf("got %+v", e.Proc)
	}
}

func BenchmarkUpdated(b *testing.B) {
	x := newBench(b, func(x *bench) {
		x.proc.run(fakeProcess{pid: 200, ppid: 1, comm: "curl", fds: map[uint32]uint32{3: 77}})
		x.table.all = append(x.table.all, outSocket(77))
	})
	x.send(outbound, event.New)
	e := outbound
	e.Kind = event.Updated
	b.ReportAllocs()
	for b.Loop() {
		x.event(&e)
	}
}

// BenchmarkRound500 looks at every process of a machine with 500 more than it has.
func BenchmarkRound500(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 500 {
		cmd := exec.CommandContext(ctx, "sleep", "600")
		if err := cmd.Start(); err != nil {
			b.Skip("needs 500 processes: ", err)
		}
		defer cmd.Wait()
	}
	defer cancel() // before the waiting
	x := liveStage(b).procs.(*index)
	b.ReportAllocs()
	for b.Loop() {
		for x.startRound(); x.running; {
			x.step()
		}
	}
	b.ReportMetric(float64(len(x.procs)), "processes")
}
