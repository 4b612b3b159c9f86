//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func openEnds(t testing.TB, cfg Config) *Ends {
	t.Helper()
	e, err := OpenEnds(asked(cfg))
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// datagram opens a UDP socket on loopback and closes it, and gives its port.
func datagram(t testing.TB) int {
	t.Helper()
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.LocalAddr().(*net.UDPAddr).Port
}

func needsRelease(t testing.TB, e *Ends) {
	t.Helper()
	if !e.Attached(endRelease) && !e.Attached(probeRelease) {
		t.Skipf("this kernel does not tell of the release of sockets: %v", e.tooLittle())
	}
}

// TestEndsFullRing: nobody reads; what did not fit is counted, and what did is there.
func TestEndsFullRing(t *testing.T) {
	e := openEnds(t, Config{RingBytes: os.Getpagesize()})
	needsRelease(t, e)
	closed := uint64(overfills(&e.programs))
	for range closed {
		datagram(t)
	}
	lost, got := e.Lost(), uint64(0)
	e.Drain(func(*EndEvent) { got++ })
	if lost == 0 || got == 0 || got+lost < closed {
		t.Errorf("got %d and lost %d of %d", got, lost, closed)
	}
	port, seen := datagram(t), false
	e.Drain(func(e *EndEvent) { seen = seen || int(e.LocalPort) == port })
	if !seen {
		t.Error("nothing is told after the ring was full")
	}
}

// TestEndsWake: the first end that no packet goes with wakes who waits after Wake, the second does not.
func TestEndsWake(t *testing.T) {
	e := openEnds(t, Config{})
	needsRelease(t, e)
	epoll, err := unix.EpollCreate1(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(epoll)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, e.FD(), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff}); err != nil {
		t.Fatal(err)
	}
	woken := func(timeout int) bool {
		n, _ := unix.EpollWait(epoll, make([]unix.EpollEvent, 1), timeout)
		return n > 0
	}
	woken(0) // what was there already
	e.Wake()
	datagram(t)
	if !woken(5000) {
		t.Error("the end of a socket wakes nobody")
	}
	if e.maps.Maps["ring"].Type() != ebpf.RingBuf {
		return // every end wakes
	}
	var told uint32
	if err := e.maps.Variables["wanted"].Get(&told); err != nil || told != 0 {
		t.Errorf("wanted is %d, %v; want it cleared by the end that woke", told, err)
	}
}

// TestEndsDescriptors: a socket ends with its last descriptor.
func TestEndsDescriptors(t *testing.T) {
	e := openEnds(t, Config{})
	needsRelease(t, e)
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*unix.SockaddrInet4).Port
	second, err := unix.Dup(s)
	if err != nil {
		t.Fatal(err)
	}
	told := func() (n int) {
		e.Drain(func(e *EndEvent) {
			if int(e.LocalPort) == port && e.RemotePort == 9 && e.Proto == unix.IPPROTO_UDP {
				n++
			}
		})
		return n
	}
	unix.Close(s)
	if n := told(); n != 0 {
		t.Errorf("told %d times while a descriptor is left", n)
	}
	unix.Close(second)
	if n := told(); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}

func TestEndsDrainAllocatesNothing(t *testing.T) {
	e := openEnds(t, Config{})
	needsRelease(t, e)
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9}
	n := 0
	count := func(*EndEvent) { n++ }
	if got := testing.AllocsPerRun(100, func() {
		s, _ := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		unix.Connect(s, to)
		unix.Close(s)
		e.Wake()
		e.Drain(count)
	}); got > 2 { // the two addresses of Connect
		t.Errorf("an end allocates %v times, want 0", got)
	}
	if n < 100 {
		t.Errorf("got %d ends, want one for each socket", n)
	}
}

// BenchmarkEnds gives what the kernel says each of our programs takes, for a loopback connection and a datagram socket.
func BenchmarkEnds(b *testing.B) {
	e := openEnds(b, Config{})
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Skip("this kernel does not count what programs take: ", err)
	}
	defer stats.Close()
	for b.Loop() {
		one(b)
		datagram(b)
		e.Drain(func(*EndEvent) {})
	}
	for _, c := range e.progs {
		for name, p := range c.Programs {
			if s, err := p.Stats(); err == nil && s.RunCount > 0 {
				b.ReportMetric(float64(s.Runtime.Nanoseconds())/float64(s.RunCount), fmt.Sprintf("ns/%s", name))
				b.ReportMetric(float64(s.RunCount)/float64(b.N), fmt.Sprintf("runs/%s", name))
			}
		}
	}
}
