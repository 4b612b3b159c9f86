package bypass

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	classic "golang.org/x/net/bpf"

	"rustnet/bpf"
	"rustnet/capture"
)

// noKernel has the table and nobody who counts in it: a test does.
type noKernel struct{}

func (noKernel) Filter([]classic.RawInstruction, int) (int, error) { return -1, nil }
func (noKernel) Device(int, uint16)                                {}
func (noKernel) Clock() int64                                      { return 1000 }
func (noKernel) Close() error                                      { return nil }

func newTable() *Table {
	t := &Table{kernel: noKernel{}, table: new(bpf.BypassTable), secret: 0x1234}
	for i := range t.table.Flows {
		t.table.Flows[i].Stopped = 1
	}
	return t
}

func flow(n int) *capture.Flow {
	return &capture.Flow{Proto: tcp, Next: [2]uint32{100, 200}, Data: [2]bool{true, true},
		Ends: [2]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 1000), netip.MustParseAddrPort("192.0.2.1:443")}}
}

// TestBound: more connections than there are places for are refused and counted, and a place that is given back is had
// again.
func TestBound(t *testing.T) {
	table := newTable()
	var places []uint32
	for n := range 3 * bpf.BypassFlows {
		if at, ok := table.Begin(flow(n)); ok {
			places = append(places, at)
		}
	}
	if len(places) != bpf.BypassFlows {
		t.Errorf("%d connections have a place, want all %d to be taken", len(places), bpf.BypassFlows)
	}
	if got := table.Refused(); got != uint64(3*bpf.BypassFlows-len(places)) || table.InUse() != len(places) {
		t.Errorf("%d refused and %d in use, want %d and %d", got, table.InUse(), 3*bpf.BypassFlows-len(places), len(places))
	}
	for _, at := range places {
		table.End(at)
	}
	if table.InUse() != 0 {
		t.Errorf("%d in use after all were given back", table.InUse())
	}
	if _, ok := table.Begin(flow(1)); !ok {
		t.Error("no place though all were given back")
	}
	if _, ok := table.Begin(flow(1)); ok {
		t.Error("two places for what the kernel cannot tell apart")
	}
}

// TestTake: each packet is taken once, whoever takes it when.
func TestTake(t *testing.T) {
	table, f := newTable(), flow(1)
	n, ok := table.Begin(f)
	if !ok {
		t.Fatal("no place")
	}
	w := &table.table.Flows[n]
	table.Ask(n, f)
	if table.Stopped(n) || table.Begun(n) != 0 {
		t.Fatal("it is stopped though it was asked for")
	}
	w.Side[0].Base, w.Side[1].Base = 100, 199
	if table.Confirm(n, f) || w.Confirmed != 0 {
		t.Error("the kernel expects something else, and it is confirmed")
	}
	if w.Side[1].Base = 200; !table.Confirm(n, f) || w.Confirmed != 1 || w.Side[0].Seen != bpf.SeenData {
		t.Errorf("confirmed %d, seen %d; want 1, %d", w.Confirmed, w.Side[0].Seen, bpf.SeenData)
	}
	var c capture.Counted
	for i, want := range []uint64{5, 0, 3} {
		w.Side[0].Packets += want
		w.Side[0].Bytes += 100 * want
		w.Side[0].LastNS, w.BegunNS = 50, 20
		if table.Read(n, &c); c.Packets != [2]uint64{want, 0} || c.Bytes[0] != 100*want || c.Last[0] != 1050 {
			t.Errorf("reading %d: got %v packets, %v bytes, the last at %d; want %d, %d, 1050", i, c.Packets, c.Bytes, c.Last[0], want, 100*want)
		}
	}
	if table.Begun(n) != 1020 || table.Counted() != 8 {
		t.Errorf("begun at %d, %d counted; want 1020, 8", table.Begun(n), table.Counted())
	}
	table.Ask(n, f) // begins anew
	if table.Read(n, &c); c.Packets[0] != 0 || w.Side[0].Packets != 0 {
		t.Errorf("asked again: got %d packets of %d, want none", c.Packets[0], w.Side[0].Packets)
	}
}

// TestHaltWaits: what a processor was at when counting was halted is in the counts.
func TestHaltWaits(t *testing.T) {
	table, f := newTable(), flow(1)
	n, _ := table.Begin(f)
	w := &table.table.Flows[n]
	table.Ask(n, f)
	atomic.StoreUint32(&w.Busy, 1) // by a processor
	halted := make(chan capture.Counted)
	go func() {
		var c capture.Counted
		table.Halt(n)
		table.Read(n, &c)
		halted <- c
	}()
	for end := time.Now().Add(time.Minute); !table.Stopped(n); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not halted")
		}
	}
	w.Side[0].Packets, w.Side[0].Bytes = 1, 40
	atomic.StoreUint32(&w.Busy, 0)
	if c := <-halted; c.Packets[0] != 1 {
		t.Errorf("got %d packets, want the one that was being counted", c.Packets[0])
	}
}

func TestAllocatesNothing(t *testing.T) {
	table, f := newTable(), flow(1)
	var c capture.Counted
	if n := testing.AllocsPerRun(100, func() {
		at, _ := table.Begin(f)
		table.Ask(at, f)
		table.Confirm(at, f)
		table.Read(at, &c)
		table.Halt(at)
		table.End(at)
	}); n != 0 {
		t.Errorf("it allocates %v times, want 0", n)
	}
}

// TestHash: neither direction nor family is mixed up.
func TestHash(t *testing.T) {
	table := newTable()
	seen := map[uint64]string{}
	for _, ends := range []string{"10.0.0.1:1 10.0.0.2:2", "10.0.0.1:2 10.0.0.2:1", "10.0.0.3:1 10.0.0.2:2", "[::ffff:a00:1]:1 [::ffff:a00:2]:2", "[2001:db8::1]:1 [2001:db8::2]:2"} {
		var a, b string
		fmt.Sscan(ends, &a, &b)
		f := &capture.Flow{Proto: tcp, Ends: [2]netip.AddrPort{netip.MustParseAddrPort(a), netip.MustParseAddrPort(b)}}
		k := keyOf(f)
		h := table.hash(&k)
		f.Ends[0], f.Ends[1] = f.Ends[1], f.Ends[0]
		if k = keyOf(f); table.hash(&k) != h {
			t.Errorf("%s: the two directions differ", ends)
		}
		if other := seen[h]; other != "" {
			t.Errorf("%s and %s are the same", ends, other)
		}
		seen[h] = ends
	}
}
