package summary

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"rustnet/track/event"
)

// Board keeps the connections that are open, as their events tell, and shows them as records of kind open:
// again and again, or once when the source has ended. A connection that packets tell of and the kernel's
// socket tables as well is shown once, with what the packets count.
type Board struct {
	every time.Duration // between two frames; 0 = one, at the end
	own   uint32        // our network namespace, where the packets are seen
	now   func() time.Time
	conns map[uint64]*standing
	came  uint64
	// over holds the ends of connections that packets saw close, so that a reading of the socket tables from
	// before does not bring them back.
	over   map[ends]struct{}
	losses []event.Event
	shown  time.Time // the frame before, at first the beginning
}

// overMax bounds Board.over: what the last readings may still show is far less.
const overMax = 1 << 16

// firstFrame is how soon there is something to see when frames come again and again.
const firstFrame = 250 * time.Millisecond

type standing struct {
	event  event.Event
	came   uint64
	tx, rx uint64 // bytes at the frame before
}

// ends names a connection by its ends in order.
type ends struct {
	proto uint16
	a, b  netip.AddrPort
}

func endsOf(e *event.Event) ends {
	k := ends{proto: e.Proto, a: e.Local, b: e.Remote}
	if k.a.Compare(k.b) > 0 {
		k.a, k.b = k.b, k.a
	}
	return k
}

// NewBoard makes the stage. With every it gives a frame each time, otherwise one at the end.
// own is our network namespace.
func NewBoard(every time.Duration, own uint32) *Board {
	return &Board{every: every, own: own, now: time.Now, conns: map[uint64]*standing{}, over: map[ends]struct{}{}}
}

// Run takes events until in is closed, and gives each frame as one batch. It closes out.
func (b *Board) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	b.shown = b.now()
	var frames <-chan time.Time // never, when there is but one at the end
	var tick *time.Ticker
	if b.every > 0 {
		tick = time.NewTicker(min(b.every, firstFrame))
		defer tick.Stop()
		frames = tick.C
	}
	for {
		select {
		case batch, ok := <-in:
			if !ok {
				return b.frame().Send(ctx, out)
			}
			b.take(batch)
		case <-frames:
			tick.Reset(b.every)
			if err := b.frame().Send(ctx, out); err != nil {
				return err
			}
		}
	}
}

func (b *Board) take(batch *event.Batch) {
	for i := range batch.Events {
		b.event(&batch.Events[i])
	}
	batch.Release()
}

func (b *Board) event(e *event.Event) {
	switch {
	case e.Kind == event.Lost:
		b.losses = append(b.losses, *e)
		return
	case e.Kind == event.Closed && e.Reason != event.Exit:
		delete(b.conns, e.ID)
		if e.Sockets == nil && len(b.over) < overMax {
			b.over[endsOf(e)] = struct{}{}
		}
		return
	}
	s := b.conns[e.ID]
	if s == nil {
		s = &standing{came: b.came}
		b.came++
		b.conns[e.ID] = s
		if e.Sockets == nil {
			delete(b.over, endsOf(e))
		}
	}
	s.event = *e
}

// frame makes the records of what is open now.
func (b *Board) frame() *event.Batch {
	now := b.now()
	since := now.Sub(b.shown).Nanoseconds()
	b.shown = now
	batch := event.NewBatch(nil)
	batch.Now = now.UnixNano()
	batch.Events = append(batch.Events, b.losses...)
	b.losses = nil
	packets := map[ends]*standing{}
	for _, s := range b.conns {
		if s.event.Sockets == nil {
			packets[endsOf(&s.event)] = s
		}
	}
	order := make([]*standing, 0, len(b.conns))
	for _, s := range b.conns {
		if s.event.Sockets == nil || !b.known(&s.event, packets) {
			order = append(order, s)
		}
	}
	slices.SortFunc(order, func(a, b *standing) int { return cmp.Compare(a.came, b.came) })
	for _, s := range order {
		e := s.event
		e.Kind, e.Reason, e.TS = event.Open, event.NoReason, batch.Now
		e.Tx.BytesDelta, e.Rx.BytesDelta, e.Interval = e.Tx.Bytes-s.tx, e.Rx.Bytes-s.rx, since
		if e.Sockets != nil && e.Partial {
			e.Start, e.Last = 0, 0 // the tables do not say how old a socket is
		}
		s.tx, s.rx = e.Tx.Bytes, e.Rx.Bytes
		batch.Events = append(batch.Events, e)
	}
	clear(b.over)
	return batch
}

// known tells whether packets tell of the socket's connection. What they do not know of its owner is taken
// from the socket, and what it sent and received since it was opened.
func (b *Board) known(e *event.Event, packets map[ends]*standing) bool {
	if e.Local.Addr().IsLoopback() && e.NetNS != b.own {
		return false // another namespace's loopback has the same addresses
	}
	k := endsOf(e)
	if s := packets[k]; s != nil {
		if s.event.Proc == nil {
			s.event.Proc = e.Proc
		}
		if e.HasPayload && !s.event.HasPayload && s.event.Local == e.Local {
			s.event.TxPayload, s.event.RxPayload, s.event.HasPayload = e.TxPayload, e.RxPayload, true
		}
		return true
	}
	_, over := b.over[k]
	return over
}
