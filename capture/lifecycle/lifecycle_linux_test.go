package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// TestHowReal: the kernel's word for each way to end, from its own mouth.
func TestHowReal(t *testing.T) {
	r := bpftest.Asked()
	s, err := Open(Config{Older: r.Older, NoRing: r.NoRing, Types: r.Types})
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
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
