package track

import (
	"net/netip"
	"time"

	"rustnet/track/event"
)

const (
	// A server waits about a minute for a data connection, and a call may ring as long.
	expectedNS = int64(3 * time.Minute)
	// expectedMax bounds the connections that are waited for, relatedMax those that came.
	expectedMax = 1 << 14
	relatedMax  = 1 << 16
	// expectedShare is how many of one connection push out others' when there is no room.
	expectedShare = expectedMax / 16
)

// expectations joins connections to those that arranged them. It works on the events of all workers in their order, so
// that what is found does not depend on who of them saw which connection. Like all of track it goes by packet time.
type expectations struct {
	ends  map[expectedEnd]*expected
	queue []*expected // in the order they were told, which is that of their ends; those before head are gone
	head  int
	// related has the connections that came, until they are closed.
	related map[uint64]*related
	by      map[uint64]int // how many of queue a connection told
	// How many of ends have a port, of related an identifier, by the lower bits: nearly all events are of none of them.
	ports, ids tally

	forgotten uint64 // for want of room
}

// tally counts by the lower bits of a number.
type tally [1 << 10]int32

func (t *tally) of(n uint64) *int32 { return &t[n%uint64(len(t))] }

// expectedEnd is the end that a connection is known by before it is there.
type expectedEnd struct {
	at    netip.AddrPort
	proto uint16
}

type expected struct {
	end     expectedEnd
	by      uint64
	peer    netip.Addr
	app     *event.App
	until   int64
	once    bool
	content bool
	come    bool
}

// related is a connection that was expected.
type related struct {
	*expected
	// What was made of what the parsers said, for as long as neither changes.
	parsed, arranged, app *event.App
}

// batch takes what connections said of others, and says what is known of those that were expected.
func (x *expectations) batch(b *event.Batch) { b.Walk(x.hear, x.event) }

func (x *expectations) hear(s *event.Said) {
	if s.Expected != nil {
		x.expect(s)
	}
}

func (x *expectations) event(e *event.Event) {
	switch e.Kind {
	case event.New:
		x.meet(e)
	case event.Updated, event.Closed:
		if *x.ids.of(e.ID) == 0 {
			break
		}
		if r := x.related[e.ID]; r != nil {
			r.tell(e)
			if e.Kind == event.Closed {
				delete(x.related, e.ID)
				*x.ids.of(e.ID)--
			}
		}
	}
}

// expect takes what a connection said of another one.
func (x *expectations) expect(e *event.Said) {
	if x.ends == nil {
		x.ends, x.related, x.by = map[expectedEnd]*expected{}, map[uint64]*related{}, map[uint64]int{}
	}
	x.expire(e.TS)
	end := expectedEnd{e.Expected.At, e.Expected.Proto}
	if e.Expected.More {
		if o := x.ends[end]; o != nil && o.by == e.ID {
			o.app = e.Expected.App
		}
		return
	}
	if len(x.ends) >= expectedMax && x.by[e.ID] >= expectedShare {
		x.forgotten++
		return
	}
	for len(x.ends) >= expectedMax {
		if !x.pop().come {
			x.forgotten++
		}
	}
	o := &expected{end: end, by: e.ID, peer: e.Expected.Peer, app: e.Expected.App, until: e.TS + expectedNS,
		once: e.Expected.Once, content: e.Expected.Content}
	if x.ends[end] == nil {
		*x.ports.of(uint64(end.at.Port()))++
	}
	x.ends[end] = o
	x.queue = append(x.queue, o)
	x.by[o.by]++
}

// expire forgets what has not come.
func (x *expectations) expire(now int64) {
	for x.head < len(x.queue) && (x.queue[x.head].until < now || len(x.queue)-x.head >= 2*expectedMax) {
		x.pop()
	}
}

// pop forgets the oldest.
func (x *expectations) pop() *expected {
	o := x.queue[x.head]
	x.queue[x.head] = nil
	if x.by[o.by]--; x.by[o.by] == 0 {
		delete(x.by, o.by)
	}
	if x.head++; x.head > len(x.queue)/2 {
		n := copy(x.queue, x.queue[x.head:])
		clear(x.queue[n:])
		x.queue, x.head = x.queue[:n], 0
	}
	if x.ends[o.end] == o {
		delete(x.ends, o.end)
		*x.ports.of(uint64(o.end.at.Port()))--
	}
	return o
}

// meet looks whether a connection was expected.
func (x *expectations) meet(e *event.Event) {
	o := x.find(e, e.Remote, e.Local)
	if o == nil {
		o = x.find(e, e.Local, e.Remote)
	}
	if o == nil {
		return
	}
	if len(x.related) >= relatedMax {
		x.forgotten++
		return
	}
	o.come = true
	r := &related{expected: o}
	if x.related[e.ID] == nil {
		*x.ids.of(e.ID)++
	}
	x.related[e.ID] = r
	r.tell(e)
}

func (x *expectations) find(e *event.Event, end, other netip.AddrPort) *expected {
	if *x.ports.of(uint64(end.Port())) == 0 {
		return nil
	}
	o := x.ends[expectedEnd{end, e.Proto}]
	if o == nil || o.by == e.ID || o.once && o.come || o.until < e.Start || o.peer.IsValid() && o.peer != other.Addr() {
		return nil
	}
	return o
}

// tell puts on an event what is known of its connection. What the parsers found by content stays, but where the content
// may look like anything.
func (r *related) tell(e *event.Event) {
	e.Related = r.by
	if r.app == nil || r.parsed != e.App || r.arranged != r.expected.app {
		r.parsed, r.arranged = e.App, r.expected.app
		r.app = r.join(e.App, r.expected.app)
	}
	e.App = r.app
}

func (r *related) join(parsed, arranged *event.App) *event.App {
	switch {
	case parsed == nil:
		return arranged
	case parsed.Name == arranged.Name:
		return parsed.With(arranged)
	case !r.content:
		return parsed
	case parsed.Name == "tls": // a protocol below the data
		a := parsed.With(arranged)
		if a == parsed {
			a = parsed.Clone()
		}
		a.Name = arranged.Name
		return a
	}
	return arranged
}
