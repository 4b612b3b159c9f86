package output

import (
	"io"
	"math/rand/v2"
	"testing"

	"rustnet/track/event"
)

func batchOf(events ...event.Event) *event.Batch {
	b := event.NewBatch(nil)
	b.Events = events
	return b
}

func (s *spool) waiting() bool { return s.n+len(s.held)+len(s.whole) > 0 }

// TestSpoolModel drives a small spool with random connections and a reader of random pace, and checks what a
// reader is promised: order, no record of a connection twice, bytes that add up, and an account of every loss.
func TestSpoolModel(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, err := New(Config{Format: JSON}, schema, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		size := 4 + r.IntN(40)
		sp := newSpool(size, s)
		type conn struct {
			total  uint64 // of what was pushed
			closed bool
		}
		conns, read := map[uint64]*conn{}, map[uint64]string{}
		deltas, tots := map[uint64]uint64{}, map[uint64]uint64{}
		var nextID, told uint64
		take := func() {
			if !sp.waiting() {
				return
			}
			b, _, _ := sp.take()
			defer b.Release()
			for i := range b.Events {
				e := &b.Events[i]
				s.written[e.Kind].Add(1)
				if e.Kind == event.Lost {
					told += e.LostCount
					continue
				}
				read[e.ID] += e.Kind.String()[:1]
				deltas[e.ID] += e.Tx.BytesDelta
				if e.Tx.Bytes < tots[e.ID] {
					t.Fatalf("seed %d: bytes of %d go back", seed, e.ID)
				}
				tots[e.ID] = e.Tx.Bytes
			}
		}
		push := func(kind event.Kind, id uint64) {
			c := conns[id]
			d := uint64(r.IntN(100))
			c.total += d
			sp.add(batchOf(event.Event{Kind: kind, ID: id, Tx: event.Side{Bytes: c.total, BytesDelta: d}}))
			if sp.n > size || len(sp.owed) > size || len(sp.slot) > size {
				t.Fatalf("seed %d: the spool grew to %d of %d, %d owed", seed, sp.n, size, len(sp.owed))
			}
		}
		for range 400 {
			switch n := r.IntN(10); {
			case n == 0 || len(conns) == 0:
				nextID++
				conns[nextID] = &conn{}
				push(event.New, nextID)
			case n == 1 && r.IntN(3) == 0:
				take()
			default:
				id := 1 + r.Uint64N(nextID)
				if conns[id].closed {
					continue
				}
				if n == 2 {
					conns[id].closed = true
					push(event.Closed, id)
				} else {
					push(event.Updated, id)
				}
			}
		}
		for id, c := range conns {
			if !c.closed {
				push(event.Closed, id)
			}
		}
		sp.close()
		for sp.waiting() {
			take()
		}
		st := s.Stats()
		balanced(t, st)
		if told != st.Lost {
			t.Fatalf("seed %d: %d lost, %d told", seed, st.Lost, told)
		}
		if len(sp.gone)+len(sp.last)+len(sp.owed) != 0 {
			t.Fatalf("seed %d: %d lost connections are remembered after their end, %d that wait, %d that are owed", seed, len(sp.gone), len(sp.last), len(sp.owed))
		}
		for id, c := range conns {
			got := read[id]
			if st.Lost == 0 && (got == "" || got[0] != 'n' || got[len(got)-1] != 'c' || deltas[id] != c.total || tots[id] != c.total) {
				t.Fatalf("seed %d: connection %d was read as %q with %d of %d bytes", seed, id, got, deltas[id], c.total)
			}
			if got != "" && got[0] != 'n' {
				t.Fatalf("seed %d: connection %d was read as %q: its beginning was lost and the rest was not", seed, id, got)
			}
			for i, k := range got {
				if k == 'n' && i != 0 || k == 'c' && i != len(got)-1 {
					t.Fatalf("seed %d: connection %d was read as %q", seed, id, got)
				}
			}
		}
	}
}

// Updates give way to new and closed, and a loss is told once there is room.
func TestSpoolFull(t *testing.T) {
	s, err := New(Config{Format: JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	sp := newSpool(4, s)
	one := func(kind event.Kind, id, delta uint64) {
		sp.add(batchOf(event.Event{Kind: kind, ID: id, Tx: event.Side{Bytes: delta, BytesDelta: delta}}))
	}
	one(event.Updated, 1, 5)
	one(event.Updated, 2, 5)
	one(event.Updated, 3, 5)
	one(event.New, 4, 1)
	one(event.New, 5, 1)     // takes the place of 1's update
	one(event.Updated, 2, 7) // merged
	one(event.Closed, 1, 2)  // takes the place of 2's update, with what 1 is owed
	one(event.Closed, 2, 3)  // takes the place of 3's
	one(event.New, 6, 1)     // no room
	one(event.New, 7, 1)
	sp.close()
	var got []event.Event
	for {
		b, _, ok := sp.take()
		if !ok {
			break
		}
		got = append(got, b.Events...)
		b.Release()
	}
	want := []struct {
		kind      event.Kind
		id, delta uint64
	}{{event.New, 4, 1}, {event.New, 5, 1}, {event.Closed, 1, 7}, {event.Closed, 2, 15}, {event.Lost, 0, 0}}
	if len(got) != len(want) {
		t.Fatalf("%d events came out, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Kind != w.kind || g.ID != w.id || g.Tx.BytesDelta != w.delta {
			t.Errorf("event %d: got %v of %d with %d, want %v of %d with %d", i, g.Kind, g.ID, g.Tx.BytesDelta, w.kind, w.id, w.delta)
		}
	}
	if l := got[len(got)-1]; l.LostWhere != event.InOutput || l.LostCount != 2 {
		t.Errorf("the loss is told as %s %d, want output 2", l.LostWhere, l.LostCount)
	}
}

// TestSpoolMergesIntoNew: where there is no room for an update, a new that waits takes it in, at its own time.
func TestSpoolMergesIntoNew(t *testing.T) {
	s, err := New(Config{Format: JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	sp := newSpool(4, s)
	for _, e := range []event.Event{{Kind: event.New, ID: 1, TS: 1, Tx: event.Side{Bytes: 5, BytesDelta: 5}}, {Kind: event.New, ID: 2, TS: 2}, {Kind: event.New, ID: 3, TS: 3},
		{Kind: event.Alert, ID: 3, TS: 4}, {Kind: event.Updated, ID: 1, TS: 9, Tx: event.Side{Bytes: 12, BytesDelta: 7}}} {
		sp.add(batchOf(e))
	}
	b, _, _ := sp.take()
	defer b.Release()
	if e := b.Events[0]; len(b.Events) != 4 || e.Kind != event.New || e.ID != 1 || e.TS != 1 || e.Tx.Bytes != 12 || e.Tx.BytesDelta != 12 {
		t.Errorf("of %d events the first is %s of %d at %d with %d bytes, %d of them since, want 4, new of 1 at 1 with 12 and 12", len(b.Events), e.Kind, e.ID, e.TS, e.Tx.Bytes, e.Tx.BytesDelta)
	}
	if st := s.Stats(); st.Merged != 1 || st.Lost != 0 {
		t.Errorf("%d merged and %d lost, want 1 and 0", st.Merged, st.Lost)
	}
}

// Losses of other stages are told in any case; those of one place together.
func TestSpoolHoldsLosses(t *testing.T) {
	s, err := New(Config{Format: JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	sp := newSpool(1, s)
	sp.add(batchOf(event.Event{Kind: event.New, ID: 1}, event.Event{Kind: event.Lost, LostWhere: event.InKernel, LostCount: 3},
		event.Event{Kind: event.Lost, LostWhere: event.InKernel, LostCount: 4}, event.Event{Kind: event.Lost, LostWhere: event.InTable, LostCount: 5}))
	sp.close()
	told := map[event.Where]uint64{}
	events := 0
	for {
		b, _, ok := sp.take()
		if !ok {
			break
		}
		for _, e := range b.Events {
			told[e.LostWhere] += e.LostCount
			events++
			s.written[e.Kind].Add(1)
		}
		b.Release()
	}
	if events != 3 || told[event.InKernel] != 7 || told[event.InTable] != 5 {
		t.Errorf("%d events, losses %v; want 3, kernel 7, table 5", events, told)
	}
	balanced(t, s.Stats())
}

func BenchmarkSpool(b *testing.B) {
	s, err := New(Config{Format: JSON}, schema, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	for name, backlog := range map[string]int{"whole": 0, "one by one": 1 << 14} {
		b.Run(name, func(b *testing.B) {
			sp, pool := newSpool(0, s), event.NewPool(wholeMax+1)
			id := uint64(0)
			add := func() {
				batch := pool.Get()
				for range event.Room {
					batch.Events = append(batch.Events, event.Event{Kind: event.New, ID: id})
					id++
				}
				sp.add(batch)
			}
			for range backlog / event.Room {
				add()
			}
			b.ReportAllocs()
			for b.Loop() {
				add()
				taken, _, _ := sp.take()
				taken.Release()
			}
		})
	}
}

// An alert comes also of a connection that was lost, is never merged, and where there is no room for it it is lost
// like others.
func TestSpoolKeepsAlerts(t *testing.T) {
	s, err := New(Config{Format: JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	sp := newSpool(4, s)
	for _, e := range []event.Event{{Kind: event.New, ID: 1}, {Kind: event.New, ID: 2}, {Kind: event.New, ID: 3}, {Kind: event.New, ID: 4},
		{Kind: event.Alert, ID: 4}, {Kind: event.Updated, ID: 1}, {Kind: event.Alert, ID: 1}} {
		sp.add(batchOf(e))
	}
	b, _, _ := sp.take()
	got := ""
	for _, e := range b.Events {
		got += e.Kind.String() + string('0'+rune(e.ID)) + " "
	}
	if got != "new1 new2 new3 alert4 " || s.lost.Load() != 2 {
		t.Errorf("got %s, %d lost", got, s.lost.Load())
	}
}
