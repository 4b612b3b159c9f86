package live

import (
	"context"
	"encoding/binary"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// told is Ends in the hand of a test.
type told struct {
	mu     sync.Mutex
	fd     int
	ends   []capture.End
	wanted bool
	lost   uint64
}

func newTold(t *testing.T) *told {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &told{fd: fd}
}

func (w *told) FD() int { return w.fd }

func (w *told) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = true
}

func (w *told) Read(dst []capture.End) []capture.End {
	w.mu.Lock()
	defer w.mu.Unlock()
	dst = append(dst, w.ends...)
	w.ends = w.ends[:0]
	return dst
}

func (w *told) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.lost
	w.lost = 0
	return n
}

func (w *told) Close() error { return nil }

// tell is what the kernel does.
func (w *told) tell(e capture.End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, e)
	if w.wanted {
		w.wanted = false
		unix.Write(w.fd, []byte{7: 1, 0: 1})
	}
}

// TestEndsBetweenFrames: what was captured before an end comes before it, and of one ring what came after it does not
// come in an earlier batch, however frames and ends follow each other. Rings do not wait for each other.
func TestEndsBetweenFrames(t *testing.T) {
	for _, tc := range []struct {
		name   string
		ifaces []string
	}{{"one ring", nil}, {"two rings", []string{"v1", "v0"}}} {
		t.Run(tc.name, func(t *testing.T) {
			enterNamespace(t)
			addVeth(t, "v0", "v1")
			const rounds = 300
			w := newTold(t)
			src, err := Open(Config{Interfaces: tc.ifaces, Ends: w})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			stop, end := context.WithCancel(context.Background())
			defer end()
			out := make(chan *capture.Frames, 4)
			done := make(chan error, 1)
			go func() { done <- src.Run(stop, out) }()
			s := newSender(t, "v0")
			go func() {
				defer end()
				for i := range rounds { // frame 2i, end i, frame 2i+1
					s.send(t, numbered(2*i), 1)
					at := time.Now().UnixNano()
					if i%2 == 0 {
						w.tell(capture.End{TS: at, Due: at, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i))})
					}
					s.send(t, numbered(2*i+1), 1)
					if i%2 != 0 { // told late
						w.tell(capture.End{TS: at, Due: at, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i))})
					}
					if i%10 == 0 {
						time.Sleep(6 * time.Millisecond)
					}
				}
			}()
			var now int64
			frames, ends := map[int]int64{}, 0
			for b := range out {
				if b.Now != 0 && b.Now < now {
					t.Errorf("time goes from %d back to %d", now, b.Now)
				}
				now = max(now, b.Now)
				seen := map[int]int64{}
				for _, f := range b.Frames {
					if f.Iface.Name == "v1" && len(f.Data) > 18 && binary.BigEndian.Uint16(f.Data[12:]) == testType {
						seen[int(binary.BigEndian.Uint32(f.Data[14:]))] = f.TS
					}
				}
				var due int64
				for _, e := range b.Ends {
					i := int(e.Local.Port())
					before, after := frames[2*i], frames[2*i+1]
					if before == 0 {
						before = seen[2*i]
					}
					if before == 0 || before > e.Due {
						t.Errorf("end %d comes before frame %d (%d, due %d)", i, 2*i, before, e.Due)
					}
					if after != 0 && i%2 == 0 && tc.ifaces == nil {
						t.Errorf("end %d was told before frame %d was sent, and comes behind its batch", i, 2*i+1)
					}
					if e.Due < due {
						t.Errorf("end %d is out of order in its batch", i)
					}
					due = e.Due
					ends++
				}
				maps.Copy(frames, seen)
				b.Release()
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if ends != rounds || len(frames) != 2*rounds {
				t.Errorf("got %d ends and %d frames, want %d and %d", ends, len(frames), rounds, 2*rounds)
			}
		})
	}
}

func numbered(n int) []byte {
	f := testFrame(testType, 60)
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

// TestEndsAlone: an end comes though nothing is captured, and so does what was lost of them.
func TestEndsAlone(t *testing.T) {
	enterNamespace(t)
	w := newTold(t)
	src, err := Open(Config{Interfaces: []string{"lo"}, Ends: w})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	stop, end := context.WithCancel(context.Background())
	defer end()
	out := make(chan *capture.Frames)
	done := make(chan error, 1)
	go func() { done <- src.Run(stop, out) }()
	got, lost := 0, uint64(0)
	for b := range out {
		if len(b.Ends) > 0 && b.Now < b.Ends[0].Due {
			t.Errorf("the batch's time is %d, before the end at %d", b.Now, b.Ends[0].Due)
		}
		got, lost = got+len(b.Ends), lost+b.EndsLost
		b.Release()
		now := time.Now().UnixNano()
		switch {
		case got < 5:
			w.tell(capture.End{TS: now, Due: now + int64(time.Millisecond)})
		case got >= 5 && lost == 0:
			w.mu.Lock()
			w.lost = 9
			w.mu.Unlock()
		case lost > 0 && stop.Err() == nil:
			w.tell(capture.End{TS: now, Due: now + int64(time.Hour)}) // it cannot be, and comes at the end all the same
			end()
		}
	}
	if err := <-done; err != nil || got < 6 || lost != 9 {
		t.Errorf("got %d ends, %d lost, %v; want 6 or more, 9, and no error", got, lost, err)
	}
}
