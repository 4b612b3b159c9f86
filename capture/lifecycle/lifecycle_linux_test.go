package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/bpf/bpftest"
	"rustnet/capture"
)

var hows = map[capture.How]string{capture.HowFin: "fin", capture.HowRst: "rst", capture.HowRefused: "refused",
	capture.HowTimeout: "timeout", capture.HowGone: "gone", capture.HowLingers: "lingers"}

// sock opens a socket on loopback, bound to a port of the kernel's choice.
func sock(t *testing.T, kind int, options ...int) (fd, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, 1)
	}
	return fd, bindTo(t, fd, 0)
}

func bindTo(t *testing.T, fd, port int) int {
	t.Helper()
	if err := unix.Bind(fd, loopback(port)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*unix.SockaddrInet4).Port
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}
}

// pair makes a connection.
func pair(t *testing.T) (client, server, cport, sport int) {
	t.Helper()
	l, sport := sock(t, unix.SOCK_STREAM)
	defer unix.Close(l)
	if err := unix.Listen(l, 1); err != nil {
		t.Fatal(err)
	}
	client, cport = sock(t, unix.SOCK_STREAM)
	if err := unix.Connect(client, loopback(sport)); err != nil {
		t.Fatal(err)
	}
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return client, server, cport, sport
}

func linger(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// unanswered connects to a listener that has no room: the SYN is dropped.
func unanswered(t *testing.T, options func(fd int)) (fd, port int) {
	t.Helper()
	l, lport := sock(t, unix.SOCK_STREAM)
	t.Cleanup(func() { unix.Close(l) })
	if err := unix.Listen(l, 0); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		full, _ := sock(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
		t.Cleanup(func() { unix.Close(full) })
		unix.Connect(full, loopback(lport))
	}
	fd, port = sock(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	options(fd)
	if err := unix.Connect(fd, loopback(lport)); err != unix.EINPROGRESS {
		t.Fatalf("connect: got %v, want one in progress", err)
	}
	return fd, port
}

// source is one that hears of the ends of sockets.
func source(t *testing.T) *Source {
	t.Helper()
	r := bpftest.Asked()
	s, err := Open(Config{Older: r.Older, NoRing: r.NoRing, Types: r.Types})
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// shape runs what makes the network worse, and skips where this system has no such thing, as its words say.
func shape(t *testing.T, cmd *exec.Cmd, without ...string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) || err != nil && slices.ContainsFunc(without, func(words string) bool { return strings.Contains(string(out), words) }) {
		t.Skipf("%s: %v: %s", cmd.Args[0], err, out)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd.Args[0], err, out)
	}
}

// TestHowReal: the kernel's word for each way to end, from its own mouth.
func TestHowReal(t *testing.T) {
	s := source(t)
	told := func(of string) {
		for _, r := range s.Report() {
			if (r.Name == of || of == "end_release" && r.Name == "probe_release") && r.Err != nil {
				t.Skipf("this kernel has no %s: %s", r.At, r.Why())
			}
		}
	}
	for _, tc := range []struct {
		name string
		hook string
		want []string // of each port in turn
		do   func(t *testing.T) (ports []int)
	}{
		{"the client closes first", "end_state", []string{"fin TIME_WAIT 3/2", "fin 2/3"}, func(t *testing.T) []int {
			c, s, cp, sp := pair(t)
			unix.Write(c, []byte("abc"))
			unix.Write(s, []byte("de"))
			unix.Read(c, make([]byte, 9))
			unix.Read(s, make([]byte, 9))
			unix.Close(c)
			unix.Close(s)
			return []int{cp, sp}
		}},
		{"a reset", "end_state", []string{"rst 0/0", "rst 0/0"}, func(t *testing.T) []int {
			c, s, cp, sp := pair(t)
			linger(c)
			unix.Close(c)
			unix.Close(s)
			return []int{cp, sp}
		}},
		{"data that nobody read", "end_state", []string{"rst 3/0", "rst 0/3"}, func(t *testing.T) []int {
			c, s, cp, sp := pair(t)
			unix.Write(c, []byte("abc"))
			unix.Close(s)
			unix.Close(c)
			return []int{cp, sp}
		}},
		{"reset after a FIN", "end_state", []string{"rst 0/0", "rst 0/0"}, func(t *testing.T) []int {
			c, s, cp, sp := pair(t)
			unix.Shutdown(s, unix.SHUT_WR)
			linger(s)
			unix.Close(s)
			unix.Close(c)
			return []int{cp, sp}
		}},
		{"nobody has it any more", "end_state", []string{"lingers 0/0"}, func(t *testing.T) []int {
			c, s, cp, _ := pair(t)
			t.Cleanup(func() { unix.Close(s) })
			unix.Close(c)
			return []int{cp}
		}},
		{"a descriptor is left", "end_state", []string{"", ""}, func(t *testing.T) []int {
			c, s, cp, sp := pair(t)
			again, _ := unix.Dup(c)
			t.Cleanup(func() { unix.Close(s); unix.Close(again) })
			unix.Close(c)
			return []int{cp, sp}
		}},
		{"refused", "end_state", []string{"refused 0/0"}, func(t *testing.T) []int {
			_, free := sock(t, unix.SOCK_STREAM) // bound, and nobody listens
			c, cp := sock(t, unix.SOCK_STREAM)
			unix.Connect(c, loopback(free))
			unix.Close(c)
			return []int{cp}
		}},
		{"given up", "end_state", []string{"gone 0/0"}, func(t *testing.T) []int {
			c, cp := unanswered(t, func(int) {})
			unix.Close(c)
			return []int{cp}
		}},
		{"no answer", "end_state", []string{"timeout 0/0"}, func(t *testing.T) []int {
			c, cp := unanswered(t, func(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 100) })
			t.Cleanup(func() { unix.Close(c) })
			return []int{cp}
		}},
		{"datagrams to one", "end_release", []string{"gone alone"}, func(t *testing.T) []int {
			c, cp := sock(t, unix.SOCK_DGRAM)
			unix.Connect(c, loopback(9))
			unix.Close(c)
			return []int{cp}
		}},
		{"datagrams over a shared port, the first and the last", "end_release", []string{"gone alone"}, func(t *testing.T) []int {
			a, port := sock(t, unix.SOCK_DGRAM, unix.SO_REUSEPORT)
			b, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.SetsockoptInt(b, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			bindTo(t, b, port)
			unix.Close(a)
			for range 3 {
				if got := s.Read(nil); slices.ContainsFunc(got, func(e capture.End) bool { return int(e.Local.Port()) == port }) {
					t.Errorf("the port's end is told while another socket has it: %+v", got)
				}
				time.Sleep(30 * time.Millisecond) // longer than it takes to be asked again
			}
			unix.Close(b)
			return []int{port}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told(tc.hook)
			s.Read(nil)
			ports := tc.do(t)
			got := make([]string, len(ports))
			for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && !slices.Equal(got, tc.want); {
				now := time.Now().UnixNano()
				for _, e := range s.Read(nil) {
					at := slices.Index(ports, int(e.Local.Port()))
					if at < 0 {
						continue
					}
					if e.Foreign || e.TS > now+int64(time.Second) || e.TS < now-int64(100*time.Second) {
						t.Errorf("got %+v at %d", e, now)
					}
					got[at] = strings.TrimPrefix(got[at]+", "+describe(&e), ", ")
				}
				time.Sleep(time.Millisecond)
				if tc.want[0] == "" {
					break
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// apart runs f in a network namespace of its own, of which there is lo only, and that is up.
func apart(t *testing.T, f func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(failed)
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			failed <- err
			return
		}
		lo(t, true)
		f()
	}()
	err := <-failed
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("no network namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lo sets the namespace's only link up, or down, with every route that there is.
func lo(t *testing.T, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	if !up { // of IPv4 the address has to go, else its route stays; the link brings it back
		if err := errors.Join(r.SetInet4Addr(make([]byte, 4)), unix.IoctlIfreq(fd, unix.SIOCSIFADDR, r)); err != nil {
			t.Fatal(err)
		}
		r.SetUint16(0)
	} else {
		r.SetUint16(unix.IFF_UP)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		t.Fatal(err)
	}
}

// TestSentOnce: what a socket sent is each byte once, also where the kernel counts what could not leave, and at each attempt.
func TestSentOnce(t *testing.T) {
	s := source(t)
	info := func(t *testing.T, fd int) *unix.TCPInfo {
		i, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	until := func(t *testing.T, what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after a minute: no %s", what)
			}
		}
	}
	// stuck writes what cannot leave, until it was tried several times.
	stuck := func(t *testing.T, fd, n int) {
		before := info(t, fd).Bytes_sent
		lo(t, false)
		unix.Write(fd, make([]byte, n))
		until(t, "attempt", func() bool { return info(t, fd).Bytes_sent >= before+uint64(3*n) })
	}
	free := func(t *testing.T, fds ...int) {
		lo(t, true)
		for _, fd := range fds {
			until(t, "acknowledgement", func() bool { i := info(t, fd); return i.Notsent_bytes == 0 && i.Unacked == 0 })
		}
	}
	receive := func(fd, n int) {
		for b := make([]byte, 1<<16); n > 0; {
			got, err := unix.Read(fd, b)
			if got <= 0 || err != nil {
				return
			}
			n -= got
		}
	}
	for _, tc := range []struct {
		name string
		want [2]string // of the client, of the server
		do   func(t *testing.T, c, s int)
	}{
		{"nothing goes wrong", [2]string{"fin TIME_WAIT 3/2", "fin 2/3"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abc"))
			unix.Write(s, []byte("de"))
			receive(c, 2)
			receive(s, 3)
			unix.Close(c)
			unix.Close(s)
		}},
		{"one byte", [2]string{"fin TIME_WAIT 1/0", "fin 0/1"}, func(t *testing.T, c, s int) {
			stuck(t, c, 1)
			free(t, c)
			receive(s, 1)
			unix.Close(c)
			unix.Close(s)
		}},
		{"both ends, the server closes", [2]string{"fin 16/5", "fin TIME_WAIT 5/16"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abcd"))
			receive(s, 4)
			stuck(t, c, 12)
			stuck(t, s, 5)
			free(t, c, s)
			receive(c, 5)
			receive(s, 12)
			unix.Close(s)
			unix.Close(c)
		}},
		{"closed before it can leave", [2]string{"fin TIME_WAIT 16/0", "fin 0/16"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abcd"))
			receive(s, 4)
			stuck(t, c, 12)
			unix.Close(c)
			lo(t, true)
			receive(s, 12)
			receive(s, 1) // its end
			unix.Close(s)
		}},
		{"never leaves", [2]string{"timeout 4/0", "rst 0/4"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abcd"))
			receive(s, 4)
			unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1000)
			stuck(t, c, 12)
			until(t, "end", func() bool { return info(t, c).State == 7 })
			unix.Close(c)
			linger(s)
			unix.Close(s)
		}},
		{"never leaves, and is closed", [2]string{"timeout 4/0", "rst 0/4"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abcd"))
			receive(s, 4)
			unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1000)
			stuck(t, c, 12)
			unix.Close(c)
			linger(s)
			unix.Close(s)
		}},
		{"reset before it can leave", [2]string{"rst 4/7", "rst 7/4"}, func(t *testing.T, c, s int) {
			unix.Write(c, []byte("abcd"))
			unix.Write(s, []byte("abcdefg"))
			receive(s, 4)
			receive(c, 7)
			stuck(t, c, 12)
			stuck(t, s, 12)
			linger(c)
			linger(s)
			unix.Close(c)
			unix.Close(s)
		}},
		{"a queue that is full", [2]string{"fin TIME_WAIT 300000/0", "fin 0/300000"}, func(t *testing.T, c, s int) {
			shape(t, exec.Command("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "40mbit", "burst", "70000", "limit", "70000"),
				"qdisc kind is unknown")
			defer exec.Command("tc", "qdisc", "del", "dev", "lo", "root").Run()
			go func() {
				for b := make([]byte, 300000); len(b) > 0; {
					n, err := unix.Write(c, b)
					if err != nil {
						break
					}
					b = b[n:]
				}
			}()
			receive(s, 300000)
			unix.Close(c)
			receive(s, 1)
			unix.Close(s)
		}},
		{"a filter drops one in four", [2]string{"fin TIME_WAIT 300000/300000", "fin 300000/300000"}, func(t *testing.T, c, s int) {
			drop := exec.Command("nft", "-f", "-")
			drop.Stdin = strings.NewReader(`table inet t { chain o { type filter hook output priority 0; numgen random mod 4 == 0 drop; };
				chain i { type filter hook input priority 0; numgen random mod 8 == 0 drop; }; }`)
			shape(t, drop, "not supported")
			defer exec.Command("nft", "delete", "table", "inet", "t").Run()
			for _, fd := range []int{c, s} {
				go func() {
					for b := make([]byte, 300000); len(b) > 0; {
						n, err := unix.Write(fd, b[:min(len(b), 5000)])
						if err != nil {
							break
						}
						b = b[n:]
					}
				}()
			}
			var done sync.WaitGroup
			done.Go(func() { receive(c, 300000) })
			receive(s, 300000)
			done.Wait()
			unix.Close(c)
			receive(s, 1)
			unix.Close(s)
		}},
	} {
		for i, w := range ways {
			if i > 1 && tc.name != "one byte" && tc.name != "nothing goes wrong" {
				continue
			}
			t.Run(tc.name+", "+w.name, func(t *testing.T) {
				apart(t, func() {
					s.Read(nil)
					c, srv, ports := w.pair(t)
					tc.do(t, c, srv)
					var got [2]string
					for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && (got[0] == "" || got[1] == ""); time.Sleep(time.Millisecond) {
						for _, e := range s.Read(nil) {
							if at := slices.Index(ports[:], int(e.Local.Port())); at >= 0 && e.Foreign {
								if e.How == capture.HowLingers { // its FIN was acknowledged before the other end's came, as happens
									e.How, e.TimeWait = capture.HowFin, true
								}
								*[]*uint64{&e.TCP.Sent, &e.TCP.Received}[at] -= uint64(len(w.early))
								got[at] = strings.TrimPrefix(got[at]+", "+describe(&e), ", ")
							}
						}
					}
					if got != tc.want {
						t.Errorf("got %q, want %q", got, tc.want)
					}
				})
			})
		}
	}
}

// way is one of connecting over lo.
type way struct {
	name   string
	family int
	to     [16]byte
	proto  int
	early  string // goes with the SYN, and is read at once
}

var ways = []way{
	{name: "IPv4", family: unix.AF_INET},
	{name: "IPv6", family: unix.AF_INET6, to: [16]byte{15: 1}},
	{name: "IPv4 between sockets of both", family: unix.AF_INET6, to: [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}},
	{name: "MPTCP", family: unix.AF_INET, proto: 262},
	{name: "fast open", family: unix.AF_INET, early: "early"},
}

// pair makes a connection.
func (w *way) pair(t *testing.T) (client, server int, ports [2]int) {
	t.Helper()
	at := func(port int) unix.Sockaddr {
		if w.family == unix.AF_INET {
			return loopback(port)
		}
		return &unix.SockaddrInet6{Addr: w.to, Port: port}
	}
	open := func() int {
		fd, err := unix.Socket(w.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, w.proto)
		if w.proto != 0 && (errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ENOPROTOOPT)) || w.family == unix.AF_INET6 && errors.Is(err, unix.EAFNOSUPPORT) {
			t.Skipf("%s: %v", w.name, err) // the kernel has none, or it is switched off
		}
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	port := func(fd int) int {
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := name.(*unix.SockaddrInet6); ok {
			return a.Port
		}
		return name.(*unix.SockaddrInet4).Port
	}
	l := open()
	defer unix.Close(l)
	if err := errors.Join(unix.Bind(l, at(0)), unix.Listen(l, 1)); err != nil {
		t.Fatal(err)
	}
	client = open()
	if w.early == "" {
		if err := unix.Connect(client, at(port(l))); err != nil {
			t.Fatal(err)
		}
	} else if err := errors.Join(os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("519"), 0o644), // without cookies
		unix.SetsockoptInt(l, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 1),
		unix.Sendto(client, []byte(w.early), unix.MSG_FASTOPEN, at(port(l)))); err != nil {
		t.Fatal(err)
	}
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if w.early != "" {
		unix.Read(server, make([]byte, 9))
	}
	return client, server, [2]int{port(client), port(server)}
}

func describe(e *capture.End) string {
	words := []string{hows[e.How]}
	if e.TimeWait {
		words = append(words, "TIME_WAIT")
	}
	if e.Alone {
		words = append(words, "alone")
	}
	if e.Proto == tcp {
		words = append(words, fmt.Sprintf("%d/%d", e.TCP.Sent, e.TCP.Received))
	}
	return strings.Join(words, " ")
}
