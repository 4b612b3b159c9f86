package event

import (
	"context"
	"sync"
)

// Batch is what goes over the channels right of track.
type Batch struct {
	Events []Event
	// Said is what connections said and is no event, in its order. It does not leave track.
	Said []Said
	// Now is the packet time reached. Batches without events tell it to stages that wait.
	Now int64
	// RuledOut has of the events that the filter took out what somebody asked it to tell.
	RuledOut []Ruling

	release func(*Batch)
}

// Ruling is an event that the filter took out, as far as those need who keep more of a connection than its events.
type Ruling struct {
	ID   uint64
	Kind Kind
}

// Said is what a connection said of addresses, or of another connection, before event At of its batch.
type Said struct {
	At       int
	TS       int64
	ID       uint64    // of the connection
	Answer   *Answer   // what a DNS response said, or
	Expected *Expected // the connection that it arranged
}

// Walk goes over what was said and the events, in the order in which they came.
func (b *Batch) Walk(hear func(*Said), each func(*Event)) {
	said := b.Said
	for i := range b.Events {
		for ; len(said) > 0 && said[0].At <= i; said = said[1:] {
			hear(&said[0])
		}
		each(&b.Events[i])
	}
	for i := range said {
		hear(&said[i])
	}
}

// NewBatch makes a batch that goes to release, emptied, when it is done with; nil drops it.
func NewBatch(release func(*Batch)) *Batch { return &Batch{release: release} }

// Release gives the batch back to the pool it came from. The stage that is done with it calls it, once. What its events
// point at is let go of when others take their places: clearing them twice would cost more than the few that are kept.
func (b *Batch) Release() {
	b.Events, b.Said, b.RuledOut = b.Events[:0], b.Said[:0], b.RuledOut[:0]
	if b.release != nil {
		b.release(b)
	}
}

// Send hands the batch to the next stage, whose it is from then on, or fails with the end of ctx.
func (b *Batch) Send(ctx context.Context, out chan<- *Batch) error {
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pool keeps batches for being used again, the one that was released last first: it is likely to be in a cache still.
// The zero Pool keeps none.
type Pool struct{ free *stack }

type stack struct {
	mu      sync.Mutex
	batches []*Batch
}

// NewPool makes a pool that keeps up to n batches.
func NewPool(n int) Pool { return Pool{&stack{batches: make([]*Batch, 0, n)}} }

// Room is how many events a batch has room for before it grows. They take more than 32 kB: what is smaller and has pointers begins
// with a word of Go's own, which would shift every event from its cache lines.
const Room = 1024

// Get gives an empty batch.
func (p Pool) Get() *Batch {
	s := p.free
	if s == nil {
		return NewBatch(nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.batches) - 1
	if n < 0 {
		b := NewBatch(s.put)
		b.Events = make([]Event, 0, Room)
		return b
	}
	b := s.batches[n]
	s.batches = s.batches[:n]
	return b
}

func (s *stack) put(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) < cap(s.batches) {
		s.batches = append(s.batches, b)
	}
}
