package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// Frames of the tests: Ethernet with one of the types that IEEE 802 leaves for experiments.
const (
	testType  = 0x88b5
	otherType = 0x88b6
)

// enterNamespace puts the test into a network namespace of its own, with lo up and without IPv6,
// which would send on its own account. The thread is not used again, so it ends with the test and
// takes the namespace and all interfaces in it along.
func enterNamespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs root: a network namespace of its own: %v", err)
	}
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	ip(t, "link set lo up")
}

// ip runs the ip(8) command in the test's namespace.
func ip(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// addVeth makes a pair of interfaces: what is sent on one arrives at the other. It waits until the
// kernel has noticed that they are connected; before that, it loses what is sent without a word.
func addVeth(t testing.TB, a, b string) {
	t.Helper()
	ip(t, "link add "+a+" type veth peer name "+b)
	ip(t, "link set "+a+" up")
	ip(t, "link set "+b+" up")
	for _, name := range []string{a, b} {
		connected(t, name)
	}
}

func connected(t testing.TB, name string) {
	t.Helper()
	eventually(t, name+" connected", func() bool {
		out, err := exec.Command("ip", "-o", "link", "show", name).Output()
		return err == nil && strings.Contains(string(out), "state UP") && !strings.Contains(string(out), "qdisc noop ")
	})
}

// testFrame is a frame of size bytes with the given type and a number in it.
func testFrame(etherType uint16, size int) []byte {
	f := make([]byte, size)
	copy(f, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(f[12:], etherType)
	return f
}

// sender writes frames to one interface.
type sender struct {
	fd int
	to *unix.SockaddrLinklayer
}

func newSender(t testing.TB, name string) *sender {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &sender{fd, &unix.SockaddrLinklayer{Ifindex: i.Index, Halen: 6}}
}

func (s *sender) send(t testing.TB, frame []byte, n int) {
	t.Helper()
	for sent := 0; sent < n; {
		switch err := unix.Sendto(s.fd, frame, 0, s.to); err {
		case nil:
			sent++
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
		default:
			t.Fatalf("send frame %d: %v", sent, err)
		}
	}
}

// where is what frames are counted by.
type where struct {
	iface string
	dir   capture.Dir
}

// catcher runs a source and counts what comes out of it.
type catcher struct {
	src   *Source
	stop  context.CancelFunc
	err   chan error    // Run's
	ended chan struct{} // all that Run sent was taken

	mu     sync.Mutex
	count  map[where]int
	frames []capture.Frame // copies, of those that keep wants
	lost   uint64
	beats  []int64
	faults []string
	warned []string
	hold   []*capture.Frames // with holding: batches not released
}

type catchOptions struct {
	keep    func(*capture.Frame) bool // which frames count; nil: those of testType
	holding bool
	buffer  int
}

func ofType(etherType uint16) func(*capture.Frame) bool {
	return func(f *capture.Frame) bool {
		return f.Link == capture.LinkEthernet && len(f.Data) >= 14 && binary.BigEndian.Uint16(f.Data[12:]) == etherType
	}
}

func catch(t testing.TB, cfg Config, opt catchOptions) *catcher {
	t.Helper()
	c := &catcher{err: make(chan error, 1), ended: make(chan struct{}), count: make(map[where]int)}
	cfg.Warn = func(s string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.warned = append(c.warned, s)
	}
	if opt.keep == nil {
		opt.keep = ofType(testType)
	}
	src, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.src = src
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	out := make(chan *capture.Frames, opt.buffer)
	go func() { c.err <- src.Run(ctx, out) }()
	go func() {
		defer close(c.ended)
		for f := range out {
			c.take(f, opt)
		}
	}()
	t.Cleanup(func() {
		stop()
		src.Close()
		<-c.ended
	})
	return c
}

func (c *catcher) take(f *capture.Frames, opt catchOptions) {
	c.mu.Lock()
	c.lost += f.Lost
	if len(f.Frames) == 0 {
		c.beats = append(c.beats, f.Now)
	}
	for i := range f.Frames {
		fr := &f.Frames[i]
		if !opt.keep(fr) {
			continue
		}
		if n := len(c.beats); n > 0 && fr.TS < c.beats[n-1] {
			c.faults = append(c.faults, fmt.Sprintf("frame stamped %d came after a heartbeat of %d", fr.TS, c.beats[n-1]))
		}
		c.count[where{fr.Iface.Name, fr.Dir}]++
		cp := *fr
		cp.Data = append([]byte(nil), fr.Data...)
		if len(c.frames) < 1000 {
			c.frames = append(c.frames, cp)
		}
	}
	if opt.holding && len(f.Frames) > 0 {
		c.hold = append(c.hold, f)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	f.Release()
}

// finish stops the source and waits for the end.
func (c *catcher) finish(t testing.TB) {
	t.Helper()
	c.stop()
	select {
	case err := <-c.err:
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		c.err <- nil
	case <-time.After(soon):
		t.Fatalf("Run did not return within %v of the stop", soon)
	}
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		t.Error(f)
	}
}

// want checks what was counted, exactly.
func (c *catcher) want(t testing.TB, want map[where]int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for w, n := range want {
		if c.count[w] != n {
			t.Errorf("got %d frames of %v, want %d", c.count[w], w, n)
		}
	}
	for w, n := range c.count {
		if _, ok := want[w]; !ok {
			t.Errorf("got %d frames of %v, want none", n, w)
		}
	}
}

// soon is how long tests wait for what has to happen: a machine may be slow.
const soon = 60 * time.Second

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, soon)
		}
	}
}

func (c *catcher) sawWarning(text string) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, w := range c.warned {
			if strings.Contains(w, text) {
				return true
			}
		}
		return false
	}
}

func (c *catcher) saw(w where, n int) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.count[w] >= n
	}
}

// writeSysctl sets a value of the test's namespace.
func writeSysctl(t testing.TB, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0); os.IsNotExist(err) {
		t.Skipf("this kernel has no IPv6: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}
