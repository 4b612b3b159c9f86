package live

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
	"rustnet/capture/bypass"
)

func TestLoopbackOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ifaces []string
	}{{"all interfaces", nil}, {"named", []string{"lo"}}, {"named twice", []string{"lo", "lo"}}, {"any", []string{"any"}}} {
		t.Run(tt.name, func(t *testing.T) {
			enterNamespace(t)
			const packets = 10000
			sink, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			port := sink.LocalAddr().(*net.UDPAddr).Port
			conn, err := net.Dial("udp4", sink.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()

			c := catch(t, Config{Interfaces: tt.ifaces}, catchOptions{buffer: 8, keep: func(f *capture.Frame) bool {
				return f.Link == capture.LinkEthernet && len(f.Data) >= 42 && int(binary.BigEndian.Uint16(f.Data[36:])) == port
			}})
			for range packets {
				if _, err := conn.Write([]byte("0123456789")); err != nil {
					t.Fatal(err)
				}
			}
			c.finish(t)
			c.want(t, map[where]int{{"lo", capture.DirIn}: packets})
			if st := c.src.Stats(); st.Dropped != 0 || st.Abandoned != 0 || st.Received < packets {
				t.Errorf("got %+v, want %d received and nothing lost", st, packets)
			}
			if f := c.frames[0]; f.Len != 52 || len(f.Data) != 52 || f.VLANs || f.Iface.Index != 1 {
				t.Errorf("got a frame of %d bytes (%d kept), VLAN %v, interface %+v; want 52 bytes of lo", f.Len, len(f.Data), f.VLANs, f.Iface)
			}
		})
	}
}

func TestDirections(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	const packets = 10000
	all := catch(t, Config{}, catchOptions{buffer: 8})
	one := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{buffer: 8})
	both := catch(t, Config{Interfaces: []string{"v1", "v0"}, Promiscuous: true}, catchOptions{buffer: 8})
	before := time.Now().UnixNano()
	newSender(t, "v0").send(t, testFrame(testType, 60), packets)
	after := time.Now().UnixNano()
	for _, c := range []*catcher{all, one, both} {
		c.finish(t)
	}
	all.want(t, map[where]int{{"v0", capture.DirOut}: packets, {"v1", capture.DirIn}: packets})
	both.want(t, map[where]int{{"v0", capture.DirOut}: packets, {"v1", capture.DirIn}: packets})
	one.want(t, map[where]int{{"v1", capture.DirIn}: packets})
	for i, f := range one.frames {
		if f.TS < before || f.TS > after {
			t.Fatalf("frame %d has time %d, want one between %d and %d", i, f.TS, before, after)
		}
	}
}

func TestVLAN(t *testing.T) {
	for _, tpid := range []uint16{0x8100, 0x88a8} {
		enterNamespace(t)
		addVeth(t, "v0", "v1")
		frame := testFrame(tpid, 68)
		binary.BigEndian.PutUint16(frame[14:], 0x6005) // priority 3, VLAN 5
		binary.BigEndian.PutUint16(frame[16:], testType)
		c := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{})
		newSender(t, "v0").send(t, frame, 3)
		newSender(t, "v0").send(t, testFrame(testType, 60), 1)
		c.finish(t)
		c.want(t, map[where]int{{"v1", capture.DirIn}: 4})
		for i, f := range c.frames {
			tagged := i < 3
			if f.VLANs != tagged || tagged && f.VLAN != 0x6005 {
				t.Errorf("tag %#x, frame %d: got VLAN %#x (there: %v)", tpid, i, f.VLAN, f.VLANs)
			}
			if tagged && f.Len != 64 {
				t.Errorf("tag %#x, frame %d: got length %d, want 64, without the tag", tpid, i, f.Len)
			}
		}
	}
}

func TestSnapLen(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	keepAll := assemble(t, bpf.RetConstant{Val: 262144})
	keep80 := assemble(t, bpf.RetConstant{Val: 80})
	for _, tt := range []struct {
		name   string
		cfg    Config
		length int
	}{
		{"default", Config{}, 1000},
		{"no filter", Config{SnapLen: 100}, 100},
		{"filter keeps more", Config{SnapLen: 100, FilterAny: keepAll}, 100},
		{"filter keeps less", Config{SnapLen: 100, FilterAny: keep80}, 80},
		{"largest", Config{SnapLen: maxSnapLen}, 1000},
	} {
		tt.cfg.Interfaces = []string{"v1"}
		c := catch(t, tt.cfg, catchOptions{})
		newSender(t, "v0").send(t, testFrame(testType, 1000), 1)
		c.finish(t)
		if len(c.frames) != 1 || len(c.frames[0].Data) != tt.length || c.frames[0].Len != 1000 {
			t.Errorf("%s: got %d frames, %+v; want one of %d bytes of 1000", tt.name, len(c.frames), c.frames, tt.length)
		}
	}
}

func assemble(t testing.TB, in ...bpf.Instruction) []bpf.RawInstruction {
	t.Helper()
	raw, err := bpf.Assemble(in)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// onlyType accepts frames of one Ethernet type. It relies on the accumulator being 0 at first.
func onlyType(t testing.TB, etherType uint32) []bpf.RawInstruction {
	return assemble(t,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 2},
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherType, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 262144})
}

// No frame that the filter rejects may come out, also not one that arrives while we open.
func TestFilterHoldsFromTheFirstFrame(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	s, halt, ended := newSender(t, "v0"), make(chan struct{}), make(chan struct{})
	frames := [][]byte{testFrame(testType, 60), testFrame(otherType, 60)}
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-halt:
				return
			default:
				unix.Sendto(s.fd, frames[i%2], 0, s.to)
			}
		}
	}()
	everything := func(*capture.Frame) bool { return true }
	for round := range 10 {
		for _, cfg := range []Config{
			{FilterAny: onlyType(t, otherType)},
			{Interfaces: []string{"v1"}, FilterFor: func(l capture.LinkType) ([]bpf.RawInstruction, error) {
				if l != capture.LinkEthernet {
					t.Errorf("filter asked for link type %d, want %d", l, capture.LinkEthernet)
				}
				return onlyType(t, otherType), nil
			}},
		} {
			c := catch(t, cfg, catchOptions{keep: everything, buffer: 8})
			eventually(t, "accepted frame", c.saw(where{"v1", capture.DirIn}, 1))
			c.finish(t)
			for _, f := range c.frames {
				if !ofType(otherType)(&f) {
					t.Fatalf("round %d: got a frame of type %#x that the filter rejects", round, f.Data[12:14])
				}
			}
		}
	}
	close(halt)
	<-ended
}

func TestInterfaceAppears(t *testing.T) {
	enterNamespace(t)
	c := catch(t, Config{Promiscuous: true}, catchOptions{buffer: 8})
	addVeth(t, "v0", "v1")
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	eventually(t, "frames of a new interface", c.saw(where{"v1", capture.DirIn}, 100))
	ip(t, "link set v1 name w1")
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	eventually(t, "frames under the new name", c.saw(where{"w1", capture.DirIn}, 100))
	ip(t, "link del v0")
	c.finish(t)
	c.want(t, map[where]int{{"v0", capture.DirOut}: 200, {"v1", capture.DirIn}: 100, {"w1", capture.DirIn}: 100})
	if len(c.warned) != 0 {
		t.Errorf("got warnings %q, want none", c.warned)
	}
}

func TestInterfaceDownAndUp(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	ip(t, "link set v1 down")
	c := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{buffer: 8})
	if !c.sawWarning("v1 is down: waiting")() {
		t.Errorf("got warnings %q, want one that v1 is down", c.warned)
	}
	for round := 1; round <= 2; round++ {
		ip(t, "link set v1 up")
		connected(t, "v0")
		eventually(t, "warning that it is up", c.sawWarning("v1 is up"))
		newSender(t, "v0").send(t, testFrame(testType, 60), 100)
		eventually(t, "frames", c.saw(where{"v1", capture.DirIn}, 100*round))
		ip(t, "link set v1 down")
		eventually(t, "warning that it is down", c.sawWarning("v1 went down"))
	}
	ip(t, "link set v1 name w1")
	ip(t, "link set w1 up")
	eventually(t, "warning under its new name", c.sawWarning("w1 is up"))
	c.finish(t)
	c.want(t, map[where]int{{"v1", capture.DirIn}: 200})
}

func TestInterfaceVanishesAndReturns(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	c := catch(t, Config{Interfaces: []string{"v1"}, FilterFor: func(capture.LinkType) ([]bpf.RawInstruction, error) {
		return onlyType(t, testType), nil
	}}, catchOptions{buffer: 8})
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	ip(t, "link del v0")
	eventually(t, "warning that it is gone", c.sawWarning("v1 is gone"))
	addVeth(t, "v0", "v1")
	eventually(t, "warning that it is back", c.sawWarning("v1 is back"))
	eventually(t, "warning that it is up", c.sawWarning("v1 is up"))
	newSender(t, "v0").send(t, testFrame(otherType, 60), 50)
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	c.finish(t)
	c.want(t, map[where]int{{"v1", capture.DirIn}: 200})
	gone := slices.DeleteFunc(slices.Clone(c.warned), func(s string) bool { return !strings.Contains(s, "gone") })
	if len(gone) != 1 {
		t.Errorf("got %q, want it said once that v1 is gone", c.warned)
	}
}

// When the pipeline holds everything, the kernel drops, and every frame is in one of the counts.
func TestDropsAreCounted(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	const packets = 60000
	c := catch(t, Config{Interfaces: []string{"v1"}, RingBytes: minRing}, catchOptions{holding: true, buffer: 8})
	s := newSender(t, "v0")
	s.send(t, testFrame(testType, 200), packets/2)
	eventually(t, "drops", func() bool { return c.src.Stats().Dropped > 0 })
	c.mu.Lock()
	held := c.hold
	c.hold = nil
	c.mu.Unlock()
	for i := len(held) - 1; i >= 0; i-- { // any order will do
		held[i].Release()
	}
	s.send(t, testFrame(testType, 200), packets/2)
	c.finish(t)
	st := c.src.Stats()
	if st.Received+st.Dropped != packets || st.Abandoned != 0 {
		t.Errorf("got %+v, want %d together", st, packets)
	}
	if c.lost != st.Dropped {
		t.Errorf("batches say that %d were lost, want %d", c.lost, st.Dropped)
	}
	if got := c.count[where{"v1", capture.DirIn}]; uint64(got) != st.Received {
		t.Errorf("got %d frames, want the %d received", got, st.Received)
	}
	for _, f := range c.hold {
		f.Release()
	}
}

// Bytes stay as long as a batch is held, whatever happens to the source.
func TestCloseKeepsWhatIsLent(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	c := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{holding: true, buffer: 8})
	newSender(t, "v0").send(t, testFrame(testType, 200), 3000)
	c.finish(t)
	c.src.Close()
	c.src.Close()
	r, frames := c.src.rings[0], 0
	for _, f := range c.hold {
		if r.refs.Load() <= 0 {
			t.Fatal("the ring was unmapped while a batch of it was held")
		}
		for i := range f.Frames {
			if !ofType(testType)(&f.Frames[i]) {
				t.Fatalf("frame %d changed: % x", frames, f.Frames[i].Data[:14])
			}
			frames++
		}
		f.Release()
	}
	if frames != 3000 {
		t.Errorf("got %d frames, want 3000", frames)
	}
	if n := r.refs.Load(); n != 0 {
		t.Errorf("got %d references to the ring, want none: it is to be unmapped", n)
	}
	if err := unix.Munmap(r.mem); err == nil {
		t.Error("the ring was still mapped")
	}
}

// Heartbeats come while nothing else does, as the clock goes on, and not one upon the other.
func TestHeartbeats(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	begin := time.Now()
	c := catch(t, Config{}, catchOptions{})
	s := newSender(t, "v0")
	beats := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.beats)
	}
	for range 10 { // catcher.take sees to it that no frame is older than a heartbeat before it
		n := beats()
		s.send(t, testFrame(testType, 60), 1)
		eventually(t, "heartbeat", func() bool { return beats() > n })
	}
	now := time.Now().UnixNano()
	eventually(t, "heartbeat of now", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.beats[len(c.beats)-1] > now
	})
	c.finish(t)
	if most := int(time.Since(begin)/beatEvery) + 1; len(c.beats) > most {
		t.Errorf("got %d heartbeats in %v, want at most %d", len(c.beats), time.Since(begin), most)
	}
	if !slices.IsSorted(c.beats) {
		t.Errorf("heartbeats go back in time: %v", c.beats)
	}
	if last := c.beats[len(c.beats)-1]; last > time.Now().UnixNano() {
		t.Errorf("the last heartbeat is %v before the clock", time.Duration(last-time.Now().UnixNano()))
	}
}

// TestCalm: where nothing is captured time is told less often, and as before from the next packet on.
func TestCalm(t *testing.T) {
	seen := time.Now()
	s := Source{lastSeen: seen}
	for _, tc := range []struct{ after, want time.Duration }{{0, beatEvery}, {calmAfter - 1, beatEvery}, {calmAfter, calmEvery}, {time.Hour, calmEvery}} {
		if got := s.every(seen.Add(tc.after)); got != tc.want {
			t.Errorf("%v after a packet: told every %v, want %v", tc.after, got, tc.want)
		}
	}
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	c := catch(t, Config{}, catchOptions{})
	newSender(t, "v0").send(t, testFrame(testType, 60), 1)
	eventually(t, "heartbeats far apart", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.beats)
		return n > 1 && time.Duration(c.beats[n-1]-c.beats[n-2]) >= calmEvery
	})
	c.finish(t)
}

// A pipeline that does not read gets one heartbeat, not a heap of them, and Run stops all the same.
func TestStopWithoutReader(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	src, err := Open(Config{Interfaces: []string{"v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, stop := context.WithCancel(context.Background())
	out, ended := make(chan *capture.Frames, 1), make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	eventually(t, "heartbeat", func() bool { return len(out) == 1 })
	for i := range 3 { // so that the ring holds more than the block that Run is stuck with
		newSender(t, "v0").send(t, testFrame(testType, 60), 100)
		// The other end's softirq may have to wait for a processor.
		eventually(t, "frames in the ring", func() bool {
			n := 0
			for j := range src.rings[0].blocks {
				n += int(atomic.LoadUint32(&src.rings[0].blocks[j].header().Num_pkts))
			}
			return n == 100*(i+1)
		})
	}
	start := time.Now()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Fatal("Run did not return")
	}
	if d := time.Since(start); d < stopGrace {
		t.Errorf("Run returned after %v, want the %v that a reader has", d, stopGrace)
	}
	if st := src.Stats(); st.Received != 300 || st.Abandoned != 300 {
		t.Errorf("got %+v, want 300 received and abandoned", st)
	}
	if f := <-out; len(f.Frames) != 0 {
		t.Errorf("got %d frames, want the heartbeat from before", len(f.Frames))
	}
	if _, more := <-out; more {
		t.Error("the channel is not closed, or holds more than one heartbeat")
	}
	if err := src.Run(ctx, make(chan *capture.Frames)); err == nil {
		t.Error("Run worked a second time")
	}
}

// quickly sees to it that something does not take the time that a reader has at the end: on a busy machine it may take
// as long now and then, but not each time.
func quickly(t *testing.T, what string, took func() time.Duration) {
	t.Helper()
	var all []time.Duration
	for range 10 {
		all = append(all, took())
		if all[len(all)-1] < stopGrace/2 {
			return
		}
	}
	t.Errorf("%s took %v, want less than %v", what, all, stopGrace/2)
}

// Close does not wait for a reader either.
func TestCloseWhileRunning(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	quickly(t, "Close", func() time.Duration {
		src, err := Open(Config{Interfaces: []string{"v1"}})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- src.Run(context.Background(), make(chan *capture.Frames)) }()
		newSender(t, "v0").send(t, testFrame(testType, 60), 100)
		eventually(t, "a batch that nobody takes", func() bool { return src.rings[0].blocks[0].lent.Load() })
		start := time.Now()
		src.Close()
		took := time.Since(start)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return took
	})
}

func TestStopUnderFlood(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	s, halt, ended := newSender(t, "v0"), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		frame := testFrame(testType, 60)
		for {
			select {
			case <-halt:
				return
			default:
				unix.Sendto(s.fd, frame, 0, s.to)
			}
		}
	}()
	quickly(t, "stopping", func() time.Duration {
		c := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{buffer: 4})
		eventually(t, "frames", c.saw(where{"v1", capture.DirIn}, 1000))
		ip(t, "link set v1 down")
		eventually(t, "warning in the midst of it", c.sawWarning("v1 went down"))
		ip(t, "link set v1 up")
		eventually(t, "warning in the midst of it", c.sawWarning("v1 is up"))
		start := time.Now()
		c.finish(t)
		return time.Since(start)
	})
	const memory = "/proc/sys/net/core/optmem_max"
	enough, err := os.ReadFile(memory)
	if err != nil {
		t.Log("without memory for a filter: not tried, as before Linux 6.8 that bound is the whole machine's")
	} else {
		quickly(t, "stopping without memory for a filter", func() time.Duration {
			c := catch(t, Config{Interfaces: []string{"v1"}}, catchOptions{buffer: 4})
			eventually(t, "frames", c.saw(where{"v1", capture.DirIn}, 1000))
			allow(t, memory, "0")
			start := time.Now()
			c.finish(t)
			took := time.Since(start)
			allow(t, memory, string(enough))
			return took
		})
	}
	close(halt)
	<-ended
}

func allow(t *testing.T, file, value string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(value), 0); err != nil {
		t.Error(err)
	}
}

// From the kernel's stamp until a batch is there: the retire timer and a wake-up. A busy machine has it later, but not
// always; a timer that is too long has it later most times, whenever a frame comes.
func TestLatency(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	src, err := Open(Config{Interfaces: []string{"v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, stop := context.WithCancel(context.Background())
	out := make(chan *capture.Frames)
	go src.Run(ctx, out)
	s := newSender(t, "v0")
	var took []time.Duration
	for end, inTime := time.Now().Add(soon), 0; inTime < 10 && time.Now().Before(end); {
		time.Sleep(time.Duration(len(took)*7%11) * time.Millisecond)
		s.send(t, testFrame(testType, 60), 1)
		for {
			f := <-out
			n := len(f.Frames)
			if n > 0 {
				took = append(took, time.Duration(time.Now().UnixNano()-f.Frames[0].TS))
			}
			f.Release()
			if n > 0 {
				break
			}
		}
		if inTime++; took[len(took)-1] > 15*time.Millisecond {
			inTime = 0
		}
	}
	stop()
	for f := range out {
		f.Release()
	}
	if len(took) < 10 || slices.Max(took[len(took)-10:]) > 15*time.Millisecond {
		slices.Sort(took)
		t.Errorf("of %d frames never ten in a row were there within 15 ms; the median is %v", len(took), took[len(took)/2])
	}
}

// A tun device has no link layer: frames are IP packets.
func TestTun(t *testing.T) {
	enterNamespace(t)
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("this machine has no tun device: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	req, _ := unix.NewIfreq("tun0")
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(int(tun.Fd()), unix.TUNSETIFF, req); err != nil {
		t.Skipf("this kernel makes no tun device: %v", err)
	}
	ip(t, "addr add 10.9.0.1/24 dev tun0")
	ip(t, "link set tun0 up")

	isRaw := func(f *capture.Frame) bool {
		return f.Link == capture.LinkRaw && len(f.Data) == 29 && f.Data[0] == 0x45
	}
	var asked []capture.LinkType
	c := catch(t, Config{}, catchOptions{keep: isRaw})
	named := catch(t, Config{Interfaces: []string{"tun0"}, FilterFor: func(l capture.LinkType) ([]bpf.RawInstruction, error) {
		asked = append(asked, l)
		return assemble(t, // IPv4 with protocol UDP
			bpf.LoadAbsolute{Off: 9, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: 1},
			bpf.RetConstant{Val: 65535},
			bpf.RetConstant{Val: 0}), nil
	}}, catchOptions{keep: isRaw})

	conn, err := net.Dial("udp4", "10.9.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 100)
	n, err := unix.Read(int(tun.Fd()), packet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(int(tun.Fd()), packet[:n]); err != nil { // comes in as if from outside
		t.Fatal(err)
	}
	for _, c := range []*catcher{c, named} {
		c.finish(t)
		c.want(t, map[where]int{{"tun0", capture.DirOut}: 1, {"tun0", capture.DirIn}: 1})
		if f := c.frames[0]; f.Iface.Link != capture.LinkRaw || f.Len != 29 {
			t.Errorf("got length %d and interface %+v, want 29 bytes of a raw IP interface", f.Len, f.Iface)
		}
	}
	if !slices.Equal(asked, []capture.LinkType{capture.LinkRaw}) {
		t.Errorf("filter asked for link types %v, want raw IP", asked)
	}
}

func TestOpenErrors(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "lan0", "lan1")
	ip(t, "link property add dev lan1 altname uplink")
	bad := errors.New("cannot be said of this link type")
	for _, tt := range []struct {
		name string
		cfg  Config
		is   error
		want string
	}{
		{"no such interface", Config{Interfaces: []string{"lan00"}}, errNoInterface,
			`interface "lan00" (there are: lan0, lan1, lo, uplink): no such interface`},
		{"nothing like it", Config{Interfaces: []string{"wlp3s0"}}, errNoInterface,
			`interface "wlp3s0" (there are: lan0, lan1, lo, uplink): no such interface`},
		{"filter", Config{Interfaces: []string{"lo"}, FilterFor: func(capture.LinkType) ([]bpf.RawInstruction, error) { return nil, bad }}, bad,
			"capture filter for interface lo: cannot be said of this link type"},
		{"filter too long", Config{FilterAny: make([]bpf.RawInstruction, 5000)}, nil,
			"capture filter: 5006 instructions, the kernel takes 4096; use a shorter expression"},
		{"filter refused", Config{FilterAny: []bpf.RawInstruction{{Op: 0xffff}}}, unix.EINVAL, "attach capture filter: invalid argument"},
		{"snap length", Config{SnapLen: 10}, nil, "--snaplen: 10 is not within 64 and 262144"},
		{"ring", Config{RingBytes: 10}, nil, "--ring-bytes: 10 is not within 1048576 and 1073741824"},
	} {
		// Not as t.Run: that is another thread, outside of the namespace.
		src, err := Open(tt.cfg)
		if err == nil {
			src.Close()
			t.Errorf("%s: Open worked", tt.name)
			continue
		}
		if err.Error() != tt.want {
			t.Errorf("%s: got  %q\nwant %q", tt.name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %q does not wrap %q", tt.name, err, tt.is)
		}
	}
	src, err := Open(Config{Interfaces: []string{"uplink"}})
	if err != nil {
		t.Errorf("open by another name: %v", err)
	} else {
		src.Close()
	}
}

func TestInterfaces(t *testing.T) {
	enterNamespace(t)
	ip(t, "link add v0 type veth peer name v1")
	ip(t, "link set v0 up")
	all, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	up := make(map[string]bool)
	for _, d := range all {
		if d.Link != capture.LinkEthernet || d.Index == 0 {
			t.Errorf("got %+v, want an Ethernet device with an index", d)
		}
		up[d.Name] = d.Up
	}
	if len(up) != 3 || !up["lo"] || !up["v0"] || up["v1"] {
		t.Errorf("got %v, want lo and v0 up, v1 down", up)
	}
}

// BenchmarkFlood measures the CPU that capturing costs, in a process of its own, next to tcpdump's on
// the same flood (with our snap length and ring size). Frames are sent as fast as one thread can.
func BenchmarkFlood(b *testing.B) {
	for _, size := range []int{60, 1400} {
		b.Run(fmt.Sprintf("%d bytes/live", size), func(b *testing.B) {
			flood(b, subject(b, "follow"), size)
		})
		b.Run(fmt.Sprintf("%d bytes/tcpdump", size), func(b *testing.B) {
			if _, err := exec.LookPath("tcpdump"); err != nil {
				b.Skipf("nothing to compare with: %v", err)
			}
			flood(b, exec.Command("tcpdump", "-i", "v1", "-s", "4096", "-B", "16384", "-w", "/dev/null"), size)
		})
	}
}

// flood runs a program that captures on v1 and, at the end, says how much.
func flood(b *testing.B, cmd *exec.Cmd, size int) {
	enterNamespace(b)
	addVeth(b, "v0", "v1")
	cmd.Stderr = nil
	output, err := cmd.StderrPipe() // tcpdump talks here
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr // as our program does
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	lines.Scan() // it says that it is ready
	b.ResetTimer()
	newSender(b, "v0").send(b, testFrame(testType, size), b.N)
	b.StopTimer()
	time.Sleep(200 * time.Millisecond)
	cmd.Process.Signal(os.Interrupt)
	var frames, dropped int
	for lines.Scan() {
		count, what, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "packets captured":
			frames, _ = strconv.Atoi(count)
		case "packets dropped by kernel":
			dropped, _ = strconv.Atoi(count)
		}
	}
	cmd.Wait()
	n := float64(max(frames, 1))
	b.ReportMetric(float64(cmd.ProcessState.UserTime())/n, "user-ns/frame")
	b.ReportMetric(float64(cmd.ProcessState.SystemTime())/n, "sys-ns/frame")
	b.ReportMetric(100*float64(dropped)/float64(b.N), "%dropped")
}

// counter is a Counter that makes filters of a table, or none.
type counter struct {
	*bypass.Table
	refuse error
	made   atomic.Int32
}

func (c *counter) Device(index int, hatype uint16) {
	if c.Table != nil {
		c.Table.Device(index, hatype)
	}
}

func (c *counter) Counted() uint64 { return 0 }
func (c *counter) Refused() uint64 { return 0 }

func (c *counter) Filter(filter []bpf.RawInstruction, snapLen int) (int, error) {
	c.made.Add(1)
	if c.refuse != nil {
		return -1, c.refuse
	}
	return c.Table.Filter(filter, snapLen)
}

// TestCounter: with a filter that counts, or without where there is none, the same frames come.
func TestCounter(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	table, err := bypass.Open()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	refused := errors.New("refused")
	for _, tt := range []struct {
		name    string
		counter *counter
		snapLen int
		made    int32
		why     string
	}{
		{"a filter that counts", &counter{Table: table}, 0, 1, ""},
		{"refused", &counter{refuse: refused}, 0, 1, "refused"},
		{"a snap length that leaves no room for marks", &counter{Table: table}, 100, 0, "below 128 bytes"},
	} {
		c := catch(t, Config{Interfaces: []string{"v1"}, SnapLen: tt.snapLen, FilterAny: onlyType(t, testType), Counter: tt.counter}, catchOptions{
			keep: func(*capture.Frame) bool { return true }})
		s := newSender(t, "v0")
		s.send(t, testFrame(otherType, 300), 3)
		s.send(t, testFrame(testType, 300), 3)
		eventually(t, "the frames", c.saw(where{"v1", capture.DirIn}, 3))
		if tt.why == "" { // what was made for an interface serves for the next one of its name
			ip(t, "link del v0")
			eventually(t, "the interface to be gone", c.sawWarning("v1 is gone"))
			addVeth(t, "v0", "v1")
			eventually(t, "the interface to be back", c.sawWarning("v1 is back"))
			newSender(t, "v0").send(t, testFrame(testType, 300), 2)
			eventually(t, "the frames of the next interface", c.saw(where{"v1", capture.DirIn}, 5))
		}
		c.finish(t)
		for _, f := range c.frames {
			if !ofType(testType)(&f) || f.Marked || f.Len != 300 {
				t.Errorf("%s: got %+v", tt.name, f)
			}
		}
		why := ""
		if err := c.src.NotCounted(); err != nil {
			why = err.Error()
		}
		if got := tt.counter.made.Load(); got != tt.made || !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
			t.Errorf("%s: %d filters made, not counted because %q; want %d, %q", tt.name, got, why, tt.made, tt.why)
		}
	}
}
