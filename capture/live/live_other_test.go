//go:build !linux

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"rustnet/capture"
)

// loopbackName is the interface that all tests read; those skip where nothing reads packets, or we may not.
func loopbackName(t *testing.T) string {
	t.Helper()
	all, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.Kind != "loopback" {
			continue
		}
		src, err := Open(Config{Interfaces: []string{d.Name}})
		if errors.Is(err, ErrNoDriver) || errors.Is(err, fs.ErrPermission) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		src.Close()
		return d.Name
	}
	t.Fatalf("no loopback among %+v", all)
	return ""
}

// caught is what a source gave.
type caught struct {
	mu     sync.Mutex
	frames []capture.Frame
	beats  int
	lost   uint64
	times  []int64
}

// catch runs a source until the function it gives is called, which gives what came.
func catch(t *testing.T, cfg Config) (src *Source, finish func() *caught) {
	t.Helper()
	src, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); src.Close() })
	out, failed, c := make(chan *capture.Frames, 4), make(chan error, 1), &caught{}
	go func() { failed <- src.Run(stop, out) }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := range out {
			c.mu.Lock()
			for _, f := range b.Frames {
				f.Data = bytes.Clone(f.Data)
				c.frames = append(c.frames, f)
			}
			if len(b.Frames) == 0 {
				c.beats++
				c.times = append(c.times, b.Now)
			}
			c.lost += b.Lost
			c.mu.Unlock()
			b.Release()
		}
	}()
	return src, func() *caught {
		time.Sleep(300 * time.Millisecond) // what was sent is on its way
		cancel()
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		<-ended
		return c
	}
}

// datagrams sends numbered ones over loopback.
func datagrams(t *testing.T, n, size int) {
	t.Helper()
	send := sender(t)
	for i := range n {
		if err := send(append(fmt.Appendf(nil, "number %d,", i), make([]byte, size)...)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			time.Sleep(time.Millisecond) // of which loopback loses none
		}
	}
}

// numbered are the frames of a list that such datagrams are in, by their numbers.
func numbered(frames []capture.Frame) (found map[int]capture.Frame) {
	found = map[int]capture.Frame{}
	for _, f := range frames {
		if at := bytes.Index(f.Data, []byte("number ")); at >= 0 {
			var i int
			if _, err := fmt.Sscanf(string(f.Data[at:]), "number %d,", &i); err == nil {
				found[i] = f
			}
		}
	}
	return found
}

func TestCapture(t *testing.T) {
	name := loopbackName(t)
	for _, tc := range []struct {
		name string
		cfg  Config
		cut  int // what is kept of each frame, 0 = all
	}{
		{"named", Config{Interfaces: []string{name}}, 0},
		{"named twice", Config{Interfaces: []string{name, name}}, 0},
		{"all", Config{}, 0},
		{"any", Config{Interfaces: []string{"any"}}, 0},
		{"cut", Config{Interfaces: []string{name}, SnapLen: 100}, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const packets, size = 5000, 300
			src, finish := catch(t, tc.cfg)
			before := time.Now()
			datagrams(t, packets, size)
			after := time.Now()
			c := finish()
			found := numbered(c.frames)
			if len(found) != packets || c.lost != 0 {
				t.Fatalf("got %d of %d datagrams, %d lost", len(found), packets, c.lost)
			}
			for i, f := range found {
				at := time.Unix(0, f.TS)
				if f.Iface.Name != name || f.Link != f.Iface.Link || at.Before(before.Add(-50*time.Millisecond)) || at.After(after.Add(50*time.Millisecond)) {
					t.Fatalf("number %d: of %+v, link %d, at %v; sent between %v and %v", i, f.Iface, f.Link, at, before, after)
				}
				whole := int(f.Len) == len(f.Data) && len(f.Data) > size
				if tc.cut == 0 && !whole || tc.cut > 0 && (len(f.Data) != tc.cut || int(f.Len) <= size) {
					t.Fatalf("number %d: %d of %d bytes", i, len(f.Data), f.Len)
				}
			}
			if st := src.Stats(); st.Received < packets || st.Dropped != 0 || st.Abandoned != 0 {
				t.Errorf("got %+v", st)
			}
		})
	}
}

// TestFilter: what the filter does not let pass does not come.
func TestFilter(t *testing.T) {
	name := loopbackName(t)
	for _, pass := range []bool{true, false} {
		var asked []capture.LinkType
		_, finish := catch(t, Config{Interfaces: []string{name}, FilterFor: func(link capture.LinkType) ([]bpf.RawInstruction, error) {
			asked = append(asked, link)
			return []bpf.RawInstruction{{Op: opReturn, K: map[bool]uint32{true: 1 << 18, false: 0}[pass]}}, nil
		}})
		datagrams(t, 100, 10)
		c := finish()
		if want := map[bool]int{true: 100, false: 0}[pass]; len(numbered(c.frames)) != want {
			t.Errorf("pass %v: got %d datagrams, want %d", pass, len(numbered(c.frames)), want)
		}
		if len(asked) != 1 {
			t.Errorf("filters were made for %v", asked)
		}
	}
}

// TestHeartbeat: while nothing comes time is told, and does not go back or run ahead.
func TestHeartbeat(t *testing.T) {
	name := loopbackName(t)
	_, finish := catch(t, Config{Interfaces: []string{name}, FilterFor: func(capture.LinkType) ([]bpf.RawInstruction, error) {
		return []bpf.RawInstruction{{Op: opReturn}}, nil
	}})
	time.Sleep(400 * time.Millisecond)
	c := finish()
	if c.beats < 3 {
		t.Errorf("got %d heartbeats", c.beats)
	}
	last := int64(0)
	for _, at := range c.times {
		if at < last || at > time.Now().UnixNano() {
			t.Errorf("time went from %d to %d", last, at)
		}
		last = at
	}
}

// TestSlowReader: a pipeline that takes nothing costs bounded memory, and what it did not take is counted.
func TestSlowReader(t *testing.T) {
	name := loopbackName(t)
	src, err := Open(Config{Interfaces: []string{name}, RingBytes: minRing})
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	out, failed := make(chan *capture.Frames), make(chan error, 1)
	go func() { failed <- src.Run(stop, out) }()
	datagrams(t, 2000, 8000)
	time.Sleep(300 * time.Millisecond)
	if n := src.made.Load(); n > maxBatches {
		t.Errorf("%d batches were made", n)
	}
	cancel()
	select {
	case err = <-failed:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if st := src.Stats(); err != nil || st.Abandoned == 0 || st.Abandoned > st.Received {
		t.Errorf("got %+v, %v", st, err)
	}
	src.Close()
}

// TestCloseEnds: Close alone ends Run.
func TestCloseEnds(t *testing.T) {
	src, err := Open(Config{Interfaces: []string{loopbackName(t)}})
	if err != nil {
		t.Fatal(err)
	}
	out, failed := make(chan *capture.Frames), make(chan error, 1)
	go func() { failed <- src.Run(context.Background(), out) }()
	time.Sleep(50 * time.Millisecond)
	src.Close()
	select {
	case err := <-failed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if err := src.Run(context.Background(), make(chan *capture.Frames)); err == nil {
		t.Error("it runs after it was closed")
	}
}

func TestNoSuchInterface(t *testing.T) {
	if _, err := Open(Config{Interfaces: []string{"nosuch0"}}); !errors.Is(err, errNoInterface) || !strings.Contains(err.Error(), "there are: ") {
		t.Errorf("got %v", err)
	}
}

// TestLocal: the addresses of all interfaces are this machine's, and others are not.
func TestLocal(t *testing.T) {
	l, err := WatchLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		for _, a := range d.Addrs {
			if !l.Contains(a.Addr()) {
				t.Errorf("%v of %s is not", a, d.Name)
			}
		}
	}
	for at, want := range map[string]bool{"127.3.2.1": true, "::1": true, "::ffff:127.0.0.1": true, "192.0.2.77": false, "2001:db8::77": false, "224.0.0.1": false} {
		if got := l.Contains(netip.MustParseAddr(at)); got != want {
			t.Errorf("%s: got %v, want %v", at, got, want)
		}
	}
}
