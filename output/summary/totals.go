package summary

import (
	"context"
	"time"

	"rustnet/track/event"
)

// Totals is the stage of --stats: it passes events on, and adds a record of totals for each interval. It
// stands before the filter, so that the totals are those of everything that was seen.
type Totals struct {
	asks  asker
	every int64
	live  bool // the time goes on without events

	begin, reached int64 // of the run; the latest time seen
	last, next     int64 // the totals before; when the next ones are due
	sum, delta     counts
	totals         event.Totals
	conns          map[uint64]counts // of open connections; of those beyond connectionsMax what an event before said is added again
	due            bool              // something happened since the totals before
	pool           event.Pool
}

// counts is what adds up over connections.
type counts struct {
	txBytes, rxBytes, txPackets, rxPackets uint64
	txRetransmits, rxRetransmits, disorder uint32
}

// NewTotals makes the stage. Of a file, whose time stands still where there are no events, it is told by
// live being false, so that the same file gives the same records.
func NewTotals(every time.Duration, live bool) *Totals {
	return &Totals{asks: newAsker(event.NewSchema(nil)), every: int64(every), live: live, conns: map[uint64]counts{}, pool: event.NewPool(16)}
}

// Run passes on what comes until in is closed, and closes out.
func (t *Totals) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	var now int64
	for b := range in {
		now = max(now, b.Now)
		if !t.dueIn(b) {
			for i := range b.Events {
				t.count(&b.Events[i])
			}
			if t.live && t.begin == 0 && b.Now != 0 { // also of a machine on which nothing happens
				t.beginAt(b.Now)
			}
			if err := b.Send(ctx, out); err != nil {
				return err
			}
			continue
		}
		with := t.pool.Get()
		with.Now = b.Now
		for i := range b.Events {
			e := &b.Events[i]
			if t.next != 0 && e.TS >= t.next {
				with.Events = append(with.Events, t.record(e.TS))
			}
			t.count(e)
			with.Events = append(with.Events, *e)
		}
		if t.live && t.next != 0 && b.Now >= t.next {
			with.Events = append(with.Events, t.record(b.Now))
		}
		b.Release()
		if err := with.Send(ctx, out); err != nil {
			return err
		}
	}
	if t.begin == 0 || !t.due {
		return nil
	}
	b := t.pool.Get()
	b.Now = now
	b.Events = append(b.Events, t.record(t.reached))
	return b.Send(ctx, out)
}

// dueIn tells whether totals are due among the events of b, or after them.
func (t *Totals) dueIn(b *event.Batch) bool {
	for i := range b.Events {
		if t.next == 0 || b.Events[i].TS >= t.next {
			return true
		}
	}
	return t.live && t.next != 0 && b.Now >= t.next
}

func (t *Totals) beginAt(ts int64) { t.begin, t.last, t.next = ts, ts, ts+t.every }

func (t *Totals) count(e *event.Event) {
	if t.begin == 0 {
		t.beginAt(e.TS)
	}
	t.reached = max(t.reached, e.TS)
	t.due = true
	switch e.Kind {
	case event.Lost:
		t.totals.Lost += e.LostCount
		return
	case event.New:
		t.totals.Connections++
		t.totals.Open++
		t.totals.New++
		if e.Partial {
			t.totals.Partial++
		}
	case event.Closed:
		if e.Reason != event.Exit { // it goes on without us
			t.totals.Open--
			t.totals.Closed++
		}
		if t.asks.ask(e).failed {
			t.totals.Failed++
		}
	}
	t.delta.txBytes += e.Tx.BytesDelta
	t.delta.rxBytes += e.Rx.BytesDelta
	was := t.conns[e.ID]
	is := counts{txPackets: e.Tx.Packets, rxPackets: e.Rx.Packets, txRetransmits: e.Tx.Retransmits, rxRetransmits: e.Rx.Retransmits,
		disorder: e.Tx.OutOfOrder + e.Rx.OutOfOrder}
	t.sum.txPackets += is.txPackets - was.txPackets
	t.sum.rxPackets += is.rxPackets - was.rxPackets
	t.sum.txRetransmits += is.txRetransmits - was.txRetransmits
	t.sum.rxRetransmits += is.rxRetransmits - was.rxRetransmits
	t.sum.disorder += is.disorder - was.disorder
	if e.Kind == event.Closed {
		delete(t.conns, e.ID)
	} else if _, known := t.conns[e.ID]; known || len(t.conns) < connectionsMax {
		t.conns[e.ID] = is
	}
}

// record makes the totals up to now, and begins the next interval. Where nothing happened for several
// intervals there is one record for all of them.
func (t *Totals) record(now int64) event.Event {
	at := t.next + max(0, now-t.next)/t.every*t.every
	if now < t.next { // the end
		at = max(now, t.last)
	}
	t.sum.txBytes += t.delta.txBytes
	t.sum.rxBytes += t.delta.rxBytes
	totals := t.totals
	e := event.Event{Kind: event.Stats, TS: at, Start: t.begin, Last: at, Interval: at - t.last, Totals: &totals,
		Tx: event.Side{Bytes: t.sum.txBytes, BytesDelta: t.delta.txBytes, Packets: t.sum.txPackets, Retransmits: t.sum.txRetransmits, OutOfOrder: t.sum.disorder},
		Rx: event.Side{Bytes: t.sum.rxBytes, BytesDelta: t.delta.rxBytes, Packets: t.sum.rxPackets, Retransmits: t.sum.rxRetransmits}}
	t.delta = counts{}
	t.totals.New, t.totals.Closed = 0, 0
	t.last, t.next, t.due = at, at+t.every, false
	return e
}
