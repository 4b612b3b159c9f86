package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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
)

func openConn(t testing.TB) *Conn {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// inodeOf reads the inode behind a connection of this process.
func inodeOf(t testing.TB, c syscall.Conn) uint32 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) })
	if err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

func addrOf(a net.Addr) netip.AddrPort {
	ap := netip.MustParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func listen(t testing.TB, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	noIPv6(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// noIPv6 skips when a socket of IPv6 cannot be had.
func noIPv6(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("needs IPv6: ", err)
	}
}

func dial(t testing.TB, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	noIPv6(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wantInode(t *testing.T, c *Conn, proto uint8, local, remote netip.AddrPort, want uint32) Socket {
	t.Helper()
	s, err := c.Get(proto, local, remote, 0)
	if err != nil {
		t.Fatalf("Get(%d, %v, %v): %v", proto, local, remote, err)
	}
	if s.Inode != want || s.UID != uint32(os.Getuid()) {
		t.Errorf("Get(%d, %v, %v): got inode %d uid %d, want %d and %d", proto, local, remote, s.Inode, s.UID, want, os.Getuid())
	}
	return s
}

func TestGetTCP(t *testing.T) {
	for _, tc := range []struct{ name, network, listen, dial string }{
		{"v4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"v6", "tcp6", "[::1]:0", "[::1]"},
		{"v4-mapped", "tcp", "[::]:0", "127.0.0.1"}, // the server's sockets are IPv6
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := openConn(t)
			l := listen(t, tc.network, tc.listen)
			port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
			client := dial(t, "tcp", tc.dial+":"+port)
			local, remote := addrOf(client.LocalAddr()), addrOf(client.RemoteAddr())

			s := wantInode(t, c, TCP, local, remote, inodeOf(t, client.(syscall.Conn)))
			if s.State != Established || s.Local != local || s.Remote != remote || s.Cookie == 0 {
				t.Errorf("client: got %+v", s)
			}
			// Not accepted yet: the socket is there and nobody's.
			s, err := c.Get(TCP, remote, local, 0)
			if err != nil || s.Inode != 0 || s.State != Established {
				t.Errorf("before accept: got %+v, %v, want inode 0 and ESTABLISHED", s, err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			wantInode(t, c, TCP, remote, local, inodeOf(t, server.(syscall.Conn)))
			// What no connection claims goes to the listener.
			other := netip.AddrPortFrom(local.Addr(), 1)
			s = wantInode(t, c, TCP, remote, other, inodeOf(t, l.(syscall.Conn)))
			if s.State != Listen {
				t.Errorf("listener: got state %d, want %d", s.State, Listen)
			}
			if _, err := c.Get(TCP, other, remote, 0); err != ErrNotFound {
				t.Errorf("no socket: got %v, want ErrNotFound", err)
			}
		})
	}
}

func TestGetUDP(t *testing.T) {
	for _, tc := range []struct{ name, network, listen, at string }{
		{"v4", "udp4", "127.0.0.1:0", "127.0.0.1"},
		{"v4 wildcard", "udp4", "0.0.0.0:0", "127.0.0.1"},
		{"v6", "udp6", "[::1]:0", "::1"},
		{"v4 in v6 wildcard", "udp", "[::]:0", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := openConn(t)
			server, err := net.ListenPacket(tc.network, tc.listen)
			noIPv6(t, err)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			at := netip.AddrPortFrom(netip.MustParseAddr(tc.at), uint16(server.LocalAddr().(*net.UDPAddr).Port))
			client := dial(t, "udp", at.String())
			local := addrOf(client.LocalAddr())
			if s := wantInode(t, c, UDP, local, at, inodeOf(t, client.(syscall.Conn))); !s.Connected() {
				t.Errorf("connected socket: got %+v", s)
			}
			if s := wantInode(t, c, UDP, at, local, inodeOf(t, server.(syscall.Conn))); s.Connected() {
				t.Errorf("bound socket: got %+v", s)
			}
		})
	}
}

func TestGetOnBoundInterface(t *testing.T) {
	c := openConn(t)
	lo := c.IfIndex("lo")
	if lo == 0 {
		t.Fatal("IfIndex(lo): got 0")
	}
	if n := c.IfIndex("no-such-interface"); n != 0 {
		t.Errorf("IfIndex of none: got %d, want 0", n)
	}
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		rc.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "lo") })
		return err
	}}
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if errors.Is(err, os.ErrPermission) {
		t.Skip("binding to an interface needs CAP_NET_RAW here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	local, remote := addrOf(l.Addr()), netip.MustParseAddrPort("127.0.0.1:9")
	if _, err := c.Get(TCP, local, remote, 0); err != ErrNotFound {
		t.Errorf("without interface: got %v, want ErrNotFound", err)
	}
	s, err := c.Get(TCP, local, remote, lo)
	if err != nil || s.Inode != inodeOf(t, l.(syscall.Conn)) || s.Iface != lo {
		t.Errorf("with interface: got %+v, %v", s, err)
	}
	p := &Poller{Conns: []*Conn{c}}
	p.start()
	var tb Table
	p.read(&tb)
	i := slices.IndexFunc(tb.Sockets, func(s Socket) bool { return s.Local == local })
	if i < 0 || tb.Sockets[i].IfaceName != "lo" {
		t.Errorf("in a reading: got it at %d of %+v, want its interface's name, lo", i, tb.Sockets)
	}
	if slices.ContainsFunc(tb.Sockets, func(s Socket) bool { return s.Iface == 0 && s.IfaceName != "" }) {
		t.Error("a socket that is bound to no interface has the name of one")
	}
}

func TestRaw(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 253) // RFC 3692: for experiments
	if err != nil {
		t.Skip("raw sockets need CAP_NET_RAW: ", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	c := openConn(t)
	all, err := c.Dump(nil, Raw)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s Socket) bool { return s.Inode == uint32(st.Ino) })
	if i < 0 || all[i].Proto != 253 || !all[i].Raw || all[i].Local.Port() != 0 {
		t.Fatalf("raw socket of protocol 253 in the dump: got %+v", all)
	}
	wantInode(t, c, Raw, netip.MustParseAddrPort("127.0.0.1:253"), netip.MustParseAddrPort("127.0.0.1:0"), uint32(st.Ino))
}

// inOwnNamespace runs the test again in a process with a network namespace of its own, where root may
// set what the machine's is not to be bothered with. It tells whether this is that process.
func inOwnNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "RUSTNET_TEST_NAMESPACE"
	if os.Getenv(mark) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a namespace of its own: %v\n%s", err, out)
	}
	return false
}

// allowPing brings loopback up and lets every group have ping sockets, in this namespace.
func allowPing(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, _ := unix.NewIfreq("lo")
	lo.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

func TestPing(t *testing.T) {
	if os.Geteuid() == 0 {
		if !inOwnNamespace(t) {
			return
		}
		allowPing(t)
	}
	for f, proto := range []uint8{ICMP, ICMP6} {
		fd, err := unix.Socket(int(families[f]), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(proto))
		if err != nil {
			t.Skip("ping sockets are not for this group (net.ipv4.ping_group_range): ", err)
		}
		defer unix.Close(fd)
		var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
		if proto == ICMP6 {
			to = &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}
		}
		if err := unix.Connect(fd, to); err != nil { // gives it an identifier
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		all, err := openConn(t).Dump(nil, proto)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(s Socket) bool { return s.Inode == uint32(st.Ino) })
		if i < 0 || all[i].Local.Port() == 0 || !all[i].Local.Addr().IsLoopback() {
			t.Errorf("ping socket of protocol %d: got %+v", proto, all)
		}
	}
}

// TestDumpLikeSS compares a dump with ss on connections that hold still.
func TestDumpLikeSS(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip("needs ss of iproute2")
	}
	l := listen(t, "tcp", "[::]:0")
	port := l.Addr().(*net.TCPAddr).Port
	var conns []net.Conn
	for i := range 20 {
		addr := [2]string{"127.0.0.1", "[::1]"}[i%2]
		c := dial(t, "tcp", fmt.Sprintf("%s:%d", addr, port))
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		fmt.Fprintf(c, "%s\n", strings.Repeat("x", 100*i))
		if _, err := server.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	conns[3].(*net.TCPConn).CloseWrite()
	ss := func() map[string]string {
		text, err := exec.Command("ss", "-tnaeiOH", fmt.Sprintf("sport = :%d or dport = :%d", port, port)).Output()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			rest := map[string]string{}
			for _, w := range f[5:] {
				if k, v, ok := strings.Cut(w, ":"); ok {
					rest[k] = v
				}
			}
			all[ssAddr(f[3])+" "+ssAddr(f[4])] = fmt.Sprint(f[0], " ino ", rest["ino"], " cookie ", rest["sk"], " acked ", num(rest["bytes_acked"]),
				" sent ", num(rest["bytes_sent"]), " received ", num(rest["bytes_received"]), " out ", num(rest["segs_out"]), " in ", num(rest["segs_in"]))
		}
		return all
	}
	names := map[uint8]string{Established: "ESTAB", Listen: "LISTEN", FinWait1: "FIN-WAIT-1", FinWait2: "FIN-WAIT-2", CloseWait: "CLOSE-WAIT"}
	conn := openConn(t)
	var want map[string]string
	var all []Socket
	var err error
	for still, end := false, time.Now().Add(60*time.Second); !still && time.Now().Before(end); { // the last acknowledgements go
		want = ss()
		if all, err = conn.Dump(nil, TCP); err != nil {
			t.Fatal(err)
		}
		still = maps.Equal(want, ss())
	}
	got := map[string]string{}
	for _, s := range all {
		if s.Local.Port() != uint16(port) && s.Remote.Port() != uint16(port) {
			continue
		}
		if s.State != Listen && !s.HasInfo {
			t.Errorf("%v %v has no TCP_INFO", s.Local, s.Remote)
		}
		got[s.Local.String()+" "+s.Remote.String()] = fmt.Sprintf("%s ino %d cookie %x acked %d sent %d received %d out %d in %d",
			names[s.State], s.Inode, s.Cookie, s.BytesAcked, s.BytesSent, s.BytesReceived, s.SegsOut, s.SegsIn)
	}
	if len(got) != 41 {
		t.Errorf("got %d sockets, want 41", len(got))
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s: got %q, want %q (as ss has it)", k, got[k], w)
		}
	}
	if len(want) != len(got) {
		t.Errorf("got %d sockets, ss has %d", len(got), len(want))
	}
}

func num(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func ssAddr(s string) string {
	s = strings.Replace(s, "*:*", "[::]:0", 1)
	s = strings.Replace(s, "*:", "[::]:", 1)
	s = strings.Replace(s, "0.0.0.0:*", "0.0.0.0:0", 1)
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return s
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

func TestDumpLimit(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	dial(t, "tcp4", l.Addr().String())
	c := openConn(t)
	c.SetMax(2)
	all, err := c.Dump(nil, TCP)
	if len(all) != 2 || c.Lost() == 0 || !errors.Is(err, errTooMany) {
		t.Errorf("got %d sockets, %d lost, %v; want 2, some and errTooMany", len(all), c.Lost(), err)
	}
}

// TestProcNetAgrees reads the same sockets both ways.
func TestProcNetAgrees(t *testing.T) {
	l := listen(t, "tcp", "[::]:0")
	client := dial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port))
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	diag := openConn(t)
	text := openConn(t)
	text.Close() // without netlink everything comes from /proc/net
	local, remote := addrOf(client.LocalAddr()), addrOf(client.RemoteAddr())
	for _, q := range []struct {
		name          string
		proto         uint8
		local, remote netip.AddrPort
	}{
		{"connection", TCP, local, remote},
		{"listener", TCP, remote, netip.MustParseAddrPort("127.0.0.1:1")},
		{"udp", UDP, addrOf(u.LocalAddr()), netip.MustParseAddrPort("127.0.0.1:9")},
	} {
		a, errA := diag.Get(q.proto, q.local, q.remote, 0)
		b, errB := text.Get(q.proto, q.local, q.remote, 0)
		a.Cookie, a.V6Only = 0, false // not in the text
		if errA != nil || errB != nil || a != b || a.Inode == 0 {
			t.Errorf("%s: sock_diag %+v (%v), /proc/net %+v (%v)", q.name, a, errA, b, errB)
		}
	}
	if _, err := text.Get(TCP, remote, netip.AddrPort{}, 0); err != nil {
		t.Errorf("listener without a remote end: %v", err)
	}
	if _, err := text.Get(TCP, local, netip.MustParseAddrPort("127.0.0.1:1"), 0); err != ErrNotFound {
		t.Errorf("no socket: got %v, want ErrNotFound", err)
	}
}

const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12346 1 0000000000000000 20 4 30 10 -1
garbage
`

func TestProcNetFixture(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the fixture is a little-endian machine's")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(procTCP), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	got, err := c.Dump(nil, TCP, UDP, SCTP)
	want := []Socket{
		{Proto: TCP, State: Listen, UID: 1000, Inode: 12345, Local: netip.MustParseAddrPort("127.0.0.1:8080"), Remote: netip.MustParseAddrPort("0.0.0.0:0")},
		{Proto: TCP, State: Established, UID: 1000, Inode: 12346, Local: netip.MustParseAddrPort("127.0.0.1:8080"), Remote: netip.MustParseAddrPort("127.0.0.2:50000")},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestPoller(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	client := dial(t, "tcp4", l.Addr().String())
	want := inodeOf(t, client.(syscall.Conn))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	out := make(chan *Table)
	done := make(chan error, 1)
	p := &Poller{Interval: 10 * time.Millisecond}
	go func() { done <- p.Run(ctx, out) }()
	var last int64
	for range 5 {
		tb := <-out
		if tb.Err != nil || tb.TS <= last || tb.Ephemeral[0] == 0 {
			t.Errorf("got err %v, time %d after %d, ports %v", tb.Err, tb.TS, last, tb.Ephemeral)
		}
		if !slices.ContainsFunc(tb.Sockets, func(s Socket) bool { return s.Inode == want }) {
			t.Error("the connection is missing")
		}
		last = tb.TS
		tb.Release()
	}
	stop()
	for tb := range out {
		tb.Release()
	}
	if err := <-done; err != nil {
		t.Errorf("stopped poller: got %v, want nil", err)
	}
}

// TestConfirm: a connection that a dump skipped is put back, one that closed is not.
func TestConfirm(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	stays, goes := dial(t, "tcp4", l.Addr().String()), dial(t, "tcp4", l.Addr().String())
	p := &Poller{}
	p.Conns = []*Conn{openConn(t)}
	p.start()
	var tb Table
	p.read(&tb)
	goes.(*net.TCPConn).SetLinger(0)
	goes.Close()
	tb.Sockets = tb.Sockets[:0] // a dump that skipped everything
	p.confirm(&tb)
	has := func(c net.Conn) bool {
		return slices.ContainsFunc(tb.Sockets, func(s Socket) bool { return s.Local == addrOf(c.LocalAddr()) })
	}
	if tb.Err != nil || !has(stays) || has(goes) {
		t.Errorf("got %v: open one there %v, closed one there %v; want true, false", tb.Err, has(stays), has(goes))
	}
}

func sampleMessages(t testing.TB) []byte {
	c := openConn(t)
	c.putRequest(unix.AF_INET, TCP, 0, unix.NLM_F_DUMP, netip.AddrPort{}, netip.AddrPort{}, 0)
	if err := c.send(); err != nil {
		t.Fatal(err)
	}
	b, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b)
}

// parseAll walks a reply as the readers do.
func parseAll(b []byte) (n int) {
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			return n
		}
		var s Socket
		if m.kind == unix.SOCK_DIAG_BY_FAMILY && parseSocket(m.body, TCP, &s) {
			n++
		}
		if m.err() == nil {
			panic("a message that is no socket must be an error")
		}
		_ = m.doneErr()
		b = rest
	}
	return n
}

func TestEveryPrefix(t *testing.T) {
	listen(t, "tcp4", "127.0.0.1:0")
	b := sampleMessages(t)
	if parseAll(b) == 0 {
		t.Fatal("the sample has no socket")
	}
	for n := range min(len(b), 4096) {
		parseAll(slices.Clip(b[:n]))
	}
	for n := range len(procTCP) {
		var s Socket
		for line := range strings.Lines(procTCP[:n]) {
			parseProcNet([]byte(line), 0, TCP, &s)
		}
	}
}

func FuzzNetlink(f *testing.F) {
	f.Add(sampleMessages(f))
	f.Fuzz(func(t *testing.T, b []byte) { parseAll(b) })
}

func FuzzProcNet(f *testing.F) {
	for line := range strings.Lines(procTCP) {
		f.Add([]byte(strings.TrimSuffix(line, "\n")), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		var s Socket
		family := 0
		if v6 {
			family = 1
		}
		if parseProcNet(b, family, TCP, &s) && !s.Local.IsValid() {
			t.Errorf("%q gave no address", b)
		}
	})
}

// TestNamespaces: which network namespaces there are, and what is said of those that are left out.
func TestNamespaces(t *testing.T) {
	dir := t.TempDir()
	file := func(path ...string) string { // stands for a namespace: it has an inode
		t.Helper()
		name := filepath.Join(append([]string{dir}, path...)...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	proc, names := filepath.Join(dir, "proc"), filepath.Join(dir, "names")
	first := file("proc", "1", "ns", "net")
	file("proc", "3", "ns", "net")
	file("proc", "sys", "ns", "net") // no process
	file("names", "x")
	second := filepath.Join(proc, "2", "ns", "net")
	if err := errors.Join(os.MkdirAll(filepath.Dir(second), 0o755), os.Link(first, second)); err != nil {
		t.Fatal(err)
	}
	found, out := namespaces(proc, names, 0)
	if err := out.err(); len(found) != 3 || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	if own, err := namespaceOf(first); err != nil {
		t.Error(err)
	} else if found, _ := namespaces(proc, names, own); len(found) != 2 {
		t.Errorf("beside our own got %v", found)
	}
	// Of a namespace whose first process has ended meanwhile another is asked.
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	for _, n := range found {
		if n.path != first {
			continue
		}
		if _, err := n.open(); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), second) {
			t.Errorf("got %v, want that %s cannot be entered", err, second)
		}
	}
	for i := range namespacesMax {
		file("names", fmt.Sprint(i))
	}
	_, many := namespaces(proc, names, 0)
	_, none := namespaces(filepath.Join(dir, "none"), filepath.Join(dir, "none"), 0)
	for _, c := range []struct {
		name string
		out  leftOut
		want string
	}{
		{"too many", many, "3 beyond the first 1024"},
		{"not listed", none, "those that could not be listed (open " + filepath.Join(dir, "none") + ": no such file or directory)"},
		{"no right", leftOut{closed: 2, why: unix.EPERM}, "2 that could not be entered (operation not permitted; needs CAP_SYS_ADMIN)"},
		{"no descriptor", leftOut{closed: 1, why: unix.EMFILE}, "1 that could not be entered (too many open files)"},
	} {
		if err := c.out.err(); err == nil || err.Error() != "network namespaces left out: "+c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// TestOnThread: the process's first thread, by which others know where it is, never changes its namespace.
func TestOnThread(t *testing.T) {
	first := make(chan bool)
	for range 1000 {
		go onThread(func() { first <- unix.Gettid() == os.Getpid() })
		if <-first {
			t.Fatal("it ran on the first thread")
		}
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	client := dial(t, "tcp4", l.Addr().String())
	c := openConn(t)
	local, remote := addrOf(client.LocalAddr()), addrOf(client.RemoteAddr())
	if n := testing.AllocsPerRun(200, func() { c.Get(TCP, local, remote, 0) }); n != 0 {
		t.Errorf("Get allocates %v times, want 0", n)
	}
	buf, _ := c.Dump(nil, TCP, UDP)
	buf = slices.Grow(buf, 64)
	if n := testing.AllocsPerRun(20, func() { buf, _ = c.Dump(buf[:0], TCP, UDP) }); n > 2 { // the protocol list
		t.Errorf("Dump allocates %v times, want at most 2", n)
	}
}

func BenchmarkGet(b *testing.B) {
	l := listen(b, "tcp4", "127.0.0.1:0")
	client := dial(b, "tcp4", l.Addr().String())
	c := openConn(b)
	local, remote := addrOf(client.LocalAddr()), addrOf(client.RemoteAddr())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(TCP, local, remote, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDump10k(b *testing.B) {
	l := listen(b, "tcp4", "127.0.0.1:0")
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	for range 5000 {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Skip("needs 10000 descriptors: ", err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Skip("needs 10000 descriptors: ", err)
		}
		conns = append(conns, c, s)
	}
	c := openConn(b)
	var all []Socket
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if all, err = c.Dump(all[:0], TCP); err != nil || len(all) < 10000 {
			b.Fatal(len(all), err)
		}
	}
}
