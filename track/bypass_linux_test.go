//go:build amd64 || arm64 || riscv64 || loong64

package track

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
	"rustnet/capture/bypass"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// kernel is the filter as the kernel runs it, on packets that no socket was sent.
type kernel struct {
	t     testing.TB
	table *bypass.Table
	prog  *ebpf.Program
}

func newKernel(t testing.TB) *kernel {
	table, err := bypass.Open()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	fd, err := table.Filter(nil, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = unix.Dup(fd); err != nil {
		t.Fatal(err)
	}
	prog, err := ebpf.NewProgramFromFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return &kernel{t, table, prog}
}

// pass gives how much of a frame passes. The kernel's test has frames come from the interface of index 1, and takes a
// link header off before the filter sees them.
func (k *kernel) pass(frame []byte) int {
	n, err := k.prog.Run(&ebpf.RunOptions{Data: append(append(make([]byte, 0, 14+len(frame)), frame[:14]...), frame...)})
	if errors.Is(err, ebpf.ErrNotSupported) {
		k.t.Skip("this kernel runs no programs for tests")
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return min(int(n), len(frame))
}

// chat is a connection that a test makes up.
type chat struct {
	port  uint16
	udp   bool
	mute  bool // side 1 says nothing
	next  [2]uint32
	acked [2]uint32
}

// frame is a packet that side s sends.
func (c *chat) frame(s int, seq uint32, flags byte, window uint16, size int) []byte {
	port, header, proto := [2]uint16{c.port, 9000}, 20, byte(6)
	if c.udp {
		header, proto = 8, 17
	}
	be := binary.BigEndian
	f := append(make([]byte, 12, 64+size), 8, 0, 0x45, 0)
	f = be.AppendUint16(f, uint16(20+header+size))
	f = append(f, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, byte(s+1), 10, 0, 0, byte(2-s))
	f = be.AppendUint16(be.AppendUint16(f, port[s]), port[1-s])
	if c.udp {
		f = be.AppendUint32(f, uint32(8+size)<<16)
	} else {
		ack := c.next[1-s]
		if flags&0x10 == 0 {
			ack = 0
		}
		f = be.AppendUint32(be.AppendUint32(f, seq), ack)
		f = append(f, 5<<4, flags, byte(window>>8), byte(window), 0, 0, 0, 0)
	}
	for range size {
		f = append(f, 0x5a) // of no protocol
	}
	return f
}

// say makes the next packets of a connection, most of them as expected.
func (c *chat) say(r *rand.Rand, emit func([]byte)) {
	const ack, push, fin = 0x10, 0x18, 0x11
	size := 1 + r.IntN(1400)
	s := 0
	if r.IntN(20) == 0 && !c.mute {
		s = 1
	}
	if c.udp {
		emit(c.frame(s, 0, 0, 0, size))
		return
	}
	send := func(flags byte) {
		emit(c.frame(s, c.next[s], flags, 500, size))
		c.next[s] += uint32(size)
	}
	switch r.IntN(1000) {
	case 0: // again, though the other end has it
		if c.acked[s] > 1500 {
			emit(c.frame(s, c.acked[s]-1500, push, 500, 700))
		}
	case 1: // the second of two overtakes the first
		a := c.frame(s, c.next[s], ack, 500, size)
		b := c.frame(s, c.next[s]+uint32(size), ack, 500, 77)
		emit(b)
		emit(a)
		c.next[s] += uint32(size) + 77
	case 2: // one that is not captured, and acknowledged
		c.next[s] += uint32(size)
		emit(c.frame(1-s, c.next[1-s], ack, 500, 0))
		c.acked[s] = c.next[s]
	case 3:
		emit(c.frame(1-s, c.next[1-s], ack, 0, 0)) // window closed
	case 4:
		emit(c.frame(s, c.next[s]-1, ack, 500, 0)) // keep-alive
	case 5:
		send(ack | 0x20) // urgent
	default:
		send(ack)
		if r.IntN(2) == 0 {
			emit(c.frame(1-s, c.next[1-s], ack, 500, 0))
			c.acked[s] = c.next[s]
		}
	}
}

// open makes the first packets.
func (c *chat) open(emit func([]byte)) {
	for i := range 20 { // both have said what nobody knows
		switch {
		case c.mute:
			emit(c.frame(0, 0, 0, 0, 30))
		case c.udp:
			emit(c.frame(i%2, 0, 0, 0, 30))
		case i == 0:
			c.next = [2]uint32{100_000, 900_000}
			emit(c.frame(0, c.next[0]-1, 0x02, 500, 0))
			emit(c.frame(1, c.next[1]-1, 0x12, 500, 0))
			emit(c.frame(0, c.next[0], 0x10, 500, 0))
		default:
			emit(c.frame(i%2, c.next[i%2], 0x10, 500, 400))
			c.next[i%2] += 400
			c.acked[1-i%2] = c.next[1-i%2]
		}
	}
}

func (c *chat) close(emit func([]byte)) {
	if c.udp {
		return
	}
	emit(c.frame(0, c.next[0], 0x11, 500, 0))
	c.next[0]++
	emit(c.frame(1, c.next[1], 0x11, 500, 0))
	c.next[1]++
	emit(c.frame(0, c.next[0], 0x10, 500, 0))
}

// follower is a tracker that frames are given to while it works, as a ring does.
type follower struct {
	in     chan *decode.Packets
	done   chan struct{}
	d      *decode.Decoder
	iface  *capture.Interface
	events []event.Event
	stage  *Stage
	frames []capture.Frame
}

func follow(t testing.TB, cfg Config) *follower {
	f := &follower{in: make(chan *decode.Packets, 4), done: make(chan struct{}), d: decode.New(decode.Config{}),
		iface: &capture.Interface{Name: "lo", Index: 1, Link: capture.LinkEthernet}, stage: mustNew(t, cfg)}
	out := make(chan *event.Batch, 1)
	go func() {
		if err := f.stage.Run(context.Background(), f.in, out); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer close(f.done)
		for b := range out {
			f.events = append(f.events, b.Events...)
			b.Release()
		}
	}()
	return f
}

func (f *follower) frame(data []byte, keep int, ts int64) {
	f.frames = append(f.frames, capture.Frame{Data: data[:keep], Len: uint32(len(data)), TS: ts, Link: capture.LinkEthernet, Iface: f.iface,
		Marked: keep < min(len(data), bypass.Headers)})
}

// flush hands over what there is.
func (f *follower) flush() {
	if len(f.frames) == 0 {
		return
	}
	b := decode.NewPackets(func(*decode.Packets) {})
	b.Packets = make([]decode.Packet, len(f.frames))
	n := 0
	for i := range f.frames {
		if f.d.Decode(&f.frames[i], &b.Packets[n], b) == decode.SkipNone {
			b.Clock = b.Packets[n].Clock
			n++
		}
	}
	b.Packets = b.Packets[:n]
	f.frames = f.frames[:0]
	f.in <- b
}

func (f *follower) end() {
	f.flush()
	close(f.in)
	<-f.done
}

// account is what a stream of events says of each connection, by its port.
func account(t testing.TB, es []event.Event) map[uint16]string {
	deltas, all := map[uint16][2]uint64{}, map[uint16]string{}
	for i := range es {
		e := &es[i]
		if e.Kind != event.New && e.Kind != event.Updated && e.Kind != event.Closed {
			continue
		}
		port := e.Local.Port()
		d := deltas[port]
		deltas[port] = [2]uint64{d[0] + e.Tx.BytesDelta, d[1] + e.Rx.BytesDelta}
		if e.Kind != event.Closed {
			continue
		}
		// Which of the late ones were sent again is a matter of time, and the letter for it with them.
		history := strings.NewReplacer("t", "", "T", "").Replace(e.HistoryString())
		all[port] = fmt.Sprintf("tx %d/%d late %d, rx %d/%d late %d, %s %s %v", e.Tx.Packets, e.Tx.Bytes, e.Tx.Retransmits+e.Tx.OutOfOrder,
			e.Rx.Packets, e.Rx.Bytes, e.Rx.Retransmits+e.Rx.OutOfOrder, history, e.State, e.Reason)
		if got := deltas[port]; got != [2]uint64{e.Tx.Bytes, e.Rx.Bytes} {
			t.Errorf("port %d: the events' differences add up to %v, want %d and %d", port, got, e.Tx.Bytes, e.Rx.Bytes)
		}
	}
	return all
}

// responses is how long the answer to each port took in the end, in microseconds.
func responses(es []event.Event) map[uint16]int64 {
	all := map[uint16]int64{}
	for i := range es {
		if e := &es[i]; e.Kind == event.Closed {
			all[e.Local.Port()] = int64(e.ResponseMicros)
		}
	}
	return all
}

// TestBypassChangesNothing: connections that the kernel counts are told of as those that are looked at, packet by packet,
// however long packets are on their way, and whatever comes between.
func TestBypassChangesNothing(t *testing.T) {
	k := newKernel(t)
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(workers), 7))
			cfg := testConfig()
			cfg.Settle, cfg.Interval, cfg.Workers = 0, 20*time.Millisecond, workers
			want := follow(t, cfg)
			cfg.Bypass = k.table
			got := follow(t, cfg)
			before := k.table.Counted()
			last, counted, passed := int64(0), uint64(0), uint64(0)
			emit := func(data []byte) {
				last = max(last+1, time.Now().UnixNano())
				want.frame(data, len(data), last)
				if len(want.frames) >= 256 {
					want.flush()
				}
				if n := k.pass(data); n > 0 {
					got.frame(data, n, last)
					passed++
				} else {
					counted++
				}
				if r.IntN(60) == 0 { // the ring's block is handed over
					got.flush()
				}
			}
			var talks []*chat
			for i := range 7 {
				c := &chat{port: uint16(40000 + i), udp: i%3 == 2 || i == 6, mute: i == 6}
				c.open(emit)
				talks = append(talks, c)
			}
			began := time.Now()
			for range 15_000 {
				talks[r.IntN(len(talks))].say(r, emit)
			}
			lasted := time.Since(began)
			mute := talks[6] // now it answers
			mute.say(r, emit)
			emit(mute.frame(1, 0, 0, 0, 30))
			for _, c := range talks {
				c.close(emit)
			}
			want.end()
			got.end()
			g, w := account(t, got.events), account(t, want.events)
			for port := range w {
				if g[port] != w[port] {
					t.Errorf("port %d:\n got %s\nwant %s", port, g[port], w[port])
				}
			}
			if lag := time.Duration(responses(got.events)[mute.port]-responses(want.events)[mute.port]) * time.Microsecond; lag.Abs() > lasted/2 {
				t.Errorf("the answer behind what was counted took %v longer; want it timed from the last that was, %v after the first", lag, lasted)
			}
			if taken := k.table.Counted() - before; counted == 0 || taken != counted {
				t.Errorf("of %d packets %d passed and %d were counted, of which %d were taken", counted+passed, passed, counted, taken)
			}
			if st := got.stage.Stats(); st.Packets != counted+passed {
				t.Errorf("%d packets in connections, want %d", st.Packets, counted+passed)
			}
			if n := k.table.InUse(); n != 0 {
				t.Errorf("%d connections have a place after their end", n)
			}
			t.Logf("%d packets were counted, %d passed", counted, passed)
		})
	}
}
