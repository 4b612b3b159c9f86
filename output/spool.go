package output

import (
	"slices"
	"sync"

	"rustnet/track/event"
)

// spoolSize is how many events wait for a slow reader at most.
const spoolSize = 1 << 16

// goneMax bounds how many lost connections are remembered; of those beyond, the end comes without a beginning.
const goneMax = 1 << 20

// chunkSize is how many events the writer takes at a time: few, because what it took can no longer be merged.
const chunkSize = 256

// wholeMax is how many batches wait as they came at most.
const wholeMax = 8

// spool is a queue that always accepts. A writer that keeps up gets the batches as they came. Where it does not, events wait one by
// one: what comes for a connection whose update still waits is merged into
// that; when it is full, waiting updates give up their place, their deltas going to the connection's next
// event; and only when nothing but new and closed is left are events lost, and said to be. Connections
// are lost whole: the last quarter is for the ends of those whose new was let in, and of one whose new
// was not, nothing comes.
type spool struct {
	mu     sync.Mutex
	filled sync.Cond
	closed bool

	whole []*event.Batch // wait as they came; then nothing else does
	chunk *event.Batch   // what was taken of the rest

	max  int
	n    int
	slot []slot // grows up to max; the links are indices into it
	free []int32
	all  list // in the order of coming
	upd  list // the updates among them

	last map[uint64]int32    // connection → its last waiting event that another may merge with
	owed map[uint64]owed     // connection → what its updates that gave up their place had counted
	gone map[uint64]struct{} // connections whose new was lost
	held []event.Event       // lost records that wait for room, one for each place

	account *Stage
}

type slot struct {
	event    event.Event
	all, upd links
}

type links struct{ prev, next int32 }

type list struct{ head, tail int32 }

type owed struct {
	tx, rx   uint64
	interval int64
}

const none = -1

func newSpool(size int, account *Stage) *spool {
	if size <= 0 {
		size = spoolSize
	}
	s := &spool{chunk: event.NewBatch(nil), max: size, all: list{none, none}, upd: list{none, none}, last: map[uint64]int32{}, owed: map[uint64]owed{}, gone: map[uint64]struct{}{}, account: account}
	s.filled.L = &s.mu
	return s
}

// add takes a batch, which is the spool's from then on. It waits for nothing but a chunk being taken.
func (s *spool) add(b *event.Batch) {
	s.mu.Lock()
	n := 0
	for i := range b.Events {
		if !s.account.take(&b.Events[i]) {
			continue
		}
		if n != i {
			b.Events[n] = b.Events[i]
		}
		n++
	}
	b.Events = b.Events[:n]
	s.account.countMade()
	if n == 0 {
		s.mu.Unlock()
		b.Release()
		return
	}
	if s.whole = append(s.whole, b); !s.flows() {
		for _, b := range s.whole {
			for i := range b.Events {
				s.push(&b.Events[i])
			}
			b.Release()
		}
		s.whole = s.whole[:0]
	}
	s.mu.Unlock()
	s.filled.Signal()
}

// flows tells whether the writer keeps up, so that no event has to be looked at: nothing waits, or was lost or owed, but a few batches.
func (s *spool) flows() bool {
	if s.n+len(s.held)+len(s.owed)+len(s.gone) > 0 || len(s.whole) > wholeMax {
		return false
	}
	n := 0
	for _, b := range s.whole {
		n += len(b.Events)
	}
	return n <= s.max/8
}

func (s *spool) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.filled.Signal()
}

// take waits for events and gives some, in a batch that is to be released. more says that others wait behind them; ok is false at the end.
func (s *spool) take() (b *event.Batch, more, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n == 0 && len(s.held) == 0 && len(s.whole) == 0 && !s.closed {
		s.filled.Wait()
	}
	if len(s.whole) > 0 {
		b = s.whole[0]
		s.whole = slices.Delete(s.whole, 0, 1)
		return b, len(s.whole) > 0, true
	}
	b = s.chunk
	for s.n > 0 && len(b.Events) < chunkSize {
		s.pop(b)
	}
	// Not at the first free place, or half of the lines would be about losses.
	if len(s.held) > 0 && s.n <= s.max*3/4 {
		for i := range s.held {
			s.append(&s.held[i])
		}
		s.held = s.held[:0]
	}
	return b, s.n > 0, len(b.Events) > 0 || s.n > 0
}

func (s *spool) push(e *event.Event) {
	if _, gone := s.gone[e.ID]; gone && e.Kind != event.Lost && e.Kind != event.Alert {
		if e.Kind == event.Closed {
			delete(s.gone, e.ID)
		}
		s.lose(e)
		return
	}
	switch e.Kind {
	case event.Updated:
		s.pushUpdated(e)
	case event.Closed:
		s.pushClosed(e)
	case event.Lost:
		if s.n < s.max {
			s.append(e)
		} else {
			s.hold(e)
		}
	case event.Stats, event.Alert:
		if s.room(s.max) {
			s.append(e)
		} else {
			s.lose(e)
		}
	default:
		if s.room(s.max - s.max/4) {
			s.last[e.ID] = s.append(e)
			return
		}
		if len(s.gone) < goneMax {
			s.gone[e.ID] = struct{}{}
		}
		s.lose(e)
	}
}

func (s *spool) pushUpdated(e *event.Event) {
	i, waits := s.last[e.ID]
	full := s.n >= s.max
	switch {
	case waits && (full || s.slot[i].event.Kind == event.Updated):
		merge(&s.slot[i].event, e)
		s.account.merged.Add(1)
	case full:
		s.owe(e)
	default:
		s.pay(e)
		s.last[e.ID] = s.append(e)
	}
}

func (s *spool) pushClosed(e *event.Event) {
	if i, waits := s.last[e.ID]; waits {
		if was := &s.slot[i].event; was.Kind == event.Updated {
			addDeltas(e, was.Tx.BytesDelta, was.Rx.BytesDelta, was.Interval)
			s.remove(i)
			s.account.merged.Add(1)
		}
		delete(s.last, e.ID)
	}
	s.pay(e)
	if s.room(s.max) {
		s.append(e)
	} else {
		s.lose(e)
	}
}

// merge puts the later event e of a connection in the place of the waiting one. A waiting new stays
// one, and stays at its time.
func merge(waiting, e *event.Event) {
	was := *waiting
	*waiting = *e
	waiting.Kind = was.Kind
	if was.Kind == event.New {
		waiting.TS = was.TS
	}
	addDeltas(waiting, was.Tx.BytesDelta, was.Rx.BytesDelta, was.Interval)
}

func addDeltas(e *event.Event, tx, rx uint64, interval int64) {
	e.Tx.BytesDelta += tx
	e.Rx.BytesDelta += rx
	e.Interval += interval
}

// owe remembers the deltas of an update that has no place. Where even that would grow without bound it is lost.
func (s *spool) owe(e *event.Event) {
	o, known := s.owed[e.ID]
	if !known && len(s.owed) >= s.max {
		s.lose(e)
		return
	}
	s.owed[e.ID] = owed{o.tx + e.Tx.BytesDelta, o.rx + e.Rx.BytesDelta, o.interval + e.Interval}
	s.account.merged.Add(1)
}

// pay gives the connection's next event the deltas that are owed to it.
func (s *spool) pay(e *event.Event) {
	if o, ok := s.owed[e.ID]; ok {
		addDeltas(e, o.tx, o.rx, o.interval)
		delete(s.owed, e.ID)
	}
}

// room tells whether fewer than limit events wait; if not, it makes room by taking out the longest-waiting update.
func (s *spool) room(limit int) bool {
	if s.n < limit {
		return true
	}
	i := s.upd.head
	if i == none {
		return false
	}
	e := s.slot[i].event
	s.remove(i)
	if s.last[e.ID] == i {
		delete(s.last, e.ID)
	}
	s.owe(&e)
	return true
}

// lose counts an event that there is no room for, and sees to it that the reader is told.
func (s *spool) lose(e *event.Event) {
	s.account.lost.Add(1)
	for i := range s.held {
		if s.held[i].LostWhere == event.InOutput {
			s.held[i].LostCount++
			s.held[i].TS = e.TS
			return
		}
	}
	l := event.Event{Kind: event.Lost, TS: e.TS, LostWhere: event.InOutput, LostCount: 1}
	s.account.made[event.Lost].Add(1)
	s.held = append(s.held, l)
}

// hold keeps a lost record until there is room; those of one place become one.
func (s *spool) hold(e *event.Event) {
	for i := range s.held {
		if s.held[i].LostWhere == e.LostWhere {
			s.held[i].LostCount += e.LostCount
			s.held[i].TS = e.TS
			s.account.merged.Add(1)
			return
		}
	}
	s.held = append(s.held, *e)
}

func (s *spool) append(e *event.Event) int32 {
	var i int32
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		i = int32(len(s.slot))
		s.slot = append(s.slot, slot{})
	}
	sl := &s.slot[i]
	sl.event = *e
	s.link(&s.all, i, func(sl *slot) *links { return &sl.all })
	if e.Kind == event.Updated {
		s.link(&s.upd, i, func(sl *slot) *links { return &sl.upd })
	}
	s.n++
	return i
}

// pop moves the event that has waited longest to a batch.
func (s *spool) pop(b *event.Batch) {
	i := s.all.head
	e := &s.slot[i].event
	b.Events = append(b.Events, *e)
	if j, ok := s.last[e.ID]; ok && j == i {
		delete(s.last, e.ID)
	}
	s.remove(i)
}

func (s *spool) remove(i int32) {
	sl := &s.slot[i]
	s.unlink(&s.all, i, func(sl *slot) *links { return &sl.all })
	if sl.event.Kind == event.Updated {
		s.unlink(&s.upd, i, func(sl *slot) *links { return &sl.upd })
	}
	sl.event = event.Event{} // let go of what it points at
	s.free = append(s.free, i)
	s.n--
}

func (s *spool) link(l *list, i int32, of func(*slot) *links) {
	*of(&s.slot[i]) = links{l.tail, none}
	if l.tail == none {
		l.head = i
	} else {
		of(&s.slot[l.tail]).next = i
	}
	l.tail = i
}

func (s *spool) unlink(l *list, i int32, of func(*slot) *links) {
	k := *of(&s.slot[i])
	if k.prev == none {
		l.head = k.next
	} else {
		of(&s.slot[k.prev]).next = k.next
	}
	if k.next == none {
		l.tail = k.prev
	} else {
		of(&s.slot[k.next]).prev = k.prev
	}
}
