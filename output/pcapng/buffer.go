package pcapng

import (
	"slices"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

const (
	// verdictSlack is how much longer than the tracker's settle time a verdict may take to come here. A connection
	// that has none by then is another process's (-- CMD), or rustnet is behind.
	verdictSlack = int64(time.Second)
	// lateFor is how long after its end packets of a connection may come: longer than the tracker knows them by.
	lateFor = 6 * int64(time.Second)
	// endedMax bounds the ended connections that late packets are waited for.
	endedMax = 1 << 17

	chunkSize = 256 << 10
	frameCost = 128 // of a frame beside its data
)

type verdict uint8

const (
	undecided verdict = iota
	wanted
	unwanted
)

// conn is a connection, or a datagram that comes in pieces and whose connection is not known yet.
type conn struct {
	id      uint64
	verdict verdict
	judged  bool   // by its records: its closed will come
	frames  int    // in the buffer, and not written
	first   uint64 // of them, place+1, in no order
	who     *owner

	// The writer's own:
	piece uint64 // in which the owner was written last
	noted *owner // that was
}

// frame is one in the buffer. It is not changed by its way through.
type frame struct {
	packet
	clock      int64  // when it came
	prev, next uint64 // among its connection's, place+1
}

// packet is a frame on its way into the file.
type packet struct {
	data  []byte
	ts    int64
	iface capture.Interface
	wire  uint32
	vlan  uint16
	vlans bool
	dir   capture.Dir
	piece bool // of a datagram, and not the one that its connection is known by
	c     *conn
	who   *owner // when it went to the writer
}

// counts says what became of frames. All that came are written, waiting, or in one of these.
type counts struct{ taken, put, filtered, none, again, lost uint64 }

// buffer holds the latest frames, in the order in which they came. The frames before passed have had their verdict:
// they went to the writer, or their connection is unwanted and they stay as long as there is room, because it may yet
// be wanted.
type buffer struct {
	limit    int
	patience int64
	put      func(*packet) bool

	conns     map[uint64]*conn
	datagrams map[uint64]*conn
	ended     []ending
	now       int64 // as the events have it

	ring                []frame // of a power of two
	oldest, passed, end uint64  // places
	cost                int
	chunks              []chunk // that the frames are in, in their order; the last is being filled
	free                [][]byte
	hand                packet  // what is being added
	of                  []*conn // scratch: of the frames of a batch
	places              []uint64
	// What frames have that are left out whatever comes.
	none, again, over *conn
	counts            counts
}

type ending struct {
	id uint64
	at int64
}

// chunk is storage of frames' data.
type chunk struct {
	buf []byte
	end uint64 // place behind its last frame
}

func newBuffer(limit int, settle int64, put func(*packet) bool) *buffer {
	return &buffer{limit: limit, patience: settle + verdictSlack, put: put,
		conns: map[uint64]*conn{}, datagrams: map[uint64]*conn{}, ring: make([]frame, 1024),
		none: &conn{verdict: unwanted}, again: &conn{verdict: unwanted}, over: &conn{verdict: unwanted}}
}

func (b *buffer) at(place uint64) *frame { return &b.ring[place&uint64(len(b.ring)-1)] }

// take takes in the frames of a batch.
func (b *buffer) take(p *decode.Packets) {
	if p.Frames == nil {
		return
	}
	frames := p.Frames.Frames
	b.of = slices.Grow(b.of[:0], len(frames))[:len(frames)]
	for i := range b.of {
		b.of[i] = b.none
	}
	for i := range p.Packets {
		b.of[p.Packets[i].Frame-p.First] = b.labelled(p.Labels[i])
	}
	for _, f := range p.Fragments {
		if f.Held {
			d := b.datagrams[f.Datagram]
			if d == nil {
				d = &conn{}
				b.datagrams[f.Datagram] = d
			}
			b.of[f.Frame-p.First] = d
		}
	}
	steps := p.Fragments
	for i := range frames {
		steps = b.join(steps, p.First, p.First+uint64(i)) // what goes with this frame goes before it
		b.add(&frames[i], b.of[i], p.Clock)
	}
	b.join(steps, p.First, ^uint64(0))
	b.pass()
}

// labelled finds what a packet's label says.
func (b *buffer) labelled(l decode.Label) *conn {
	if l.ID == 0 {
		return b.again
	}
	c := b.conns[l.ID]
	switch {
	case c != nil:
	case l.Late: // of one that was ruled out, or of one that is forgotten
		c = b.over
	default:
		c = b.conn(l.ID)
	}
	return c
}

func (b *buffer) conn(id uint64) *conn {
	c := b.conns[id]
	if c == nil {
		c = &conn{id: id}
		b.conns[id] = c
	}
	return c
}

func (b *buffer) add(fr *capture.Frame, c *conn, clock int64) {
	b.counts.taken++
	switch c {
	case b.none, b.again, b.over:
		b.leaveOut(c)
		return
	}
	p := &b.hand
	*p = packet{data: fr.Data, ts: fr.TS, wire: fr.Len, vlan: fr.VLAN, vlans: fr.VLANs, dir: fr.Dir, c: c, piece: c.id == 0}
	if fr.Iface != nil {
		p.iface = *fr.Iface
	}
	p.iface.Link = fr.Link
	if c.verdict == wanted && b.passed == b.end { // nobody is before it
		b.write(p)
		return
	}
	if b.end-b.oldest == uint64(len(b.ring)) {
		b.grow()
	}
	place := b.end
	p.data = b.store(fr.Data)
	f := b.at(place)
	*f = frame{packet: *p, clock: clock}
	b.link(f, place, c)
	b.cost += frameCost + len(p.data)
	b.end++
	b.chunks[len(b.chunks)-1].end = b.end
	if b.passed == place {
		b.pass()
	}
	for b.cost > b.limit {
		b.drop()
	}
}

// leaveOut counts a frame that is not written, by whose it is.
func (b *buffer) leaveOut(c *conn) {
	switch {
	case c.id == 0 && c != b.again && c != b.over: // also what was never put together
		b.counts.none++
	case c == b.again:
		b.counts.again++
	default:
		b.counts.filtered++
	}
}

func (b *buffer) grow() {
	bigger := make([]frame, 2*len(b.ring))
	for place := b.oldest; place < b.end; place++ {
		bigger[place&uint64(len(bigger)-1)] = *b.at(place)
	}
	b.ring = bigger
}

// store copies a frame's data to where it stays until the frame is dropped.
func (b *buffer) store(data []byte) []byte {
	n := len(b.chunks)
	if n == 0 || cap(b.chunks[n-1].buf)-len(b.chunks[n-1].buf) < len(data) {
		var buf []byte
		if m := len(b.free); m > 0 && len(data) <= chunkSize {
			buf, b.free = b.free[m-1], b.free[:m-1]
		} else {
			buf = make([]byte, 0, max(chunkSize, len(data)))
		}
		b.chunks = append(b.chunks, chunk{buf: buf})
		n++
	}
	c := &b.chunks[n-1]
	at := len(c.buf)
	c.buf = append(c.buf, data...)
	return c.buf[at:len(c.buf):len(c.buf)]
}

// link puts a frame among those of its connection.
func (b *buffer) link(f *frame, place uint64, c *conn) {
	f.c, f.prev, f.next = c, 0, c.first
	if c.first != 0 {
		b.at(c.first - 1).prev = place + 1
	}
	c.first = place + 1
	c.frames++
}

// unlink takes it out again. A connection that nobody has judged and that has no frames is forgotten.
func (b *buffer) unlink(f *frame) {
	c := f.c
	if f.prev != 0 {
		b.at(f.prev - 1).next = f.next
	} else {
		c.first = f.next
	}
	if f.next != 0 {
		b.at(f.next - 1).prev = f.prev
	}
	f.c = nil
	if c.frames--; c.frames == 0 && !c.judged && c.id != 0 && b.conns[c.id] == c {
		delete(b.conns, c.id)
	}
}

// pass lets the frames pass that have a verdict, up to the first that has none.
func (b *buffer) pass() {
	for ; b.passed < b.end; b.passed++ {
		f := b.at(b.passed)
		switch {
		case f.c.verdict == wanted:
			b.writeOut(f)
		case f.c.verdict == undecided && b.now-f.clock < b.patience:
			b.trim()
			return
		default:
			f.c.verdict = unwanted
		}
	}
	b.trim()
}

// writeOut hands a frame of the buffer to the writer.
func (b *buffer) writeOut(f *frame) {
	b.write(&f.packet)
	b.unlink(f)
}

func (b *buffer) write(p *packet) {
	p.who = p.c.who
	if b.put(p) {
		b.counts.put++
	}
}

// trim gives back the room of the oldest frames that are written.
func (b *buffer) trim() {
	for b.oldest < b.passed && b.at(b.oldest).c == nil {
		b.release()
	}
}

// drop gives up the oldest frame.
func (b *buffer) drop() {
	f := b.at(b.oldest)
	if f.c != nil {
		if b.oldest == b.passed {
			b.counts.lost++
			b.passed++
		} else {
			b.leaveOut(f.c)
		}
		b.unlink(f)
	}
	b.release()
	if b.oldest == b.passed {
		b.pass()
	}
}

// release gives back the room of the oldest frame.
func (b *buffer) release() {
	f := b.at(b.oldest)
	b.cost -= frameCost + len(f.data)
	*f = frame{}
	b.oldest++
	for len(b.chunks) > 0 && b.chunks[0].end <= b.oldest {
		if c := b.chunks[0]; len(b.chunks) == 1 {
			b.chunks[0].buf = c.buf[:0] // it is filled again
			break
		} else if cap(c.buf) == chunkSize {
			b.free = append(b.free, c.buf[:0])
		}
		b.chunks = append(b.chunks[:0], b.chunks[1:]...)
	}
}

// join finds out where the pieces of datagrams go, up to a frame of the batch, and gives the steps behind it.
func (b *buffer) join(steps []decode.Fragment, first, frame uint64) []decode.Fragment {
	for len(steps) > 0 && steps[0].Frame <= frame {
		if !steps[0].Held {
			b.goes(steps[0], first)
		}
		steps = steps[1:]
	}
	return steps
}

// goes takes the pieces of a datagram to the connection of the frame that they go with.
func (b *buffer) goes(f decode.Fragment, first uint64) {
	d := b.datagrams[f.Datagram]
	if d == nil {
		return
	}
	delete(b.datagrams, f.Datagram)
	to := b.none
	if f.Frame != 0 {
		to = b.of[f.Frame-first]
	}
	b.places = b.list(d)
	for _, place := range b.places {
		fr := b.at(place)
		b.unlink(fr)
		b.link(fr, place, to)
		if place < b.passed && to.verdict == wanted {
			b.writeOut(fr)
		}
	}
}

// list gives the places of the connection's frames in the order in which they came.
func (b *buffer) list(c *conn) []uint64 {
	places := b.places[:0]
	for at := c.first; at != 0; at = b.at(at - 1).next {
		places = append(places, at-1)
	}
	slices.Sort(places)
	return places
}

// judge takes the verdicts that a batch of events brings. What passed comes before what did not, so that a connection
// one of whose records passes is wanted, whichever it is.
func (b *buffer) judge(batch *event.Batch) {
	b.now = max(b.now, batch.Now)
	for i := range batch.Events {
		switch e := &batch.Events[i]; e.Kind {
		case event.New, event.Updated, event.Closed, event.Alert:
			if e.ID != 0 {
				b.want(e)
			}
		}
	}
	for _, r := range batch.RuledOut {
		switch r.Kind {
		case event.New, event.Updated, event.Closed:
			b.ruleOut(r)
		}
	}
	b.pass()
	b.forget()
}

func (b *buffer) want(e *event.Event) {
	c := b.conn(e.ID)
	c.judged = true
	if who := ownerOf(e); c.who == nil || !c.who.same(&who) {
		c.who = &who
	}
	if c.verdict != wanted {
		c.verdict = wanted
		b.fetch(c)
	}
	if e.Kind == event.Closed {
		b.ends(c)
	}
}

// fetch writes what is still there of a connection that was not wanted when it passed.
func (b *buffer) fetch(c *conn) {
	b.places = b.list(c)
	for _, place := range b.places {
		if place < b.passed {
			b.writeOut(b.at(place))
		}
	}
}

func (b *buffer) ruleOut(r event.Ruling) {
	c := b.conns[r.ID]
	if c == nil {
		if r.Kind == event.Closed {
			return
		}
		c = b.conn(r.ID)
	}
	c.judged = true
	if c.verdict == undecided {
		c.verdict = unwanted
	}
	if r.Kind == event.Closed {
		if c.verdict == wanted {
			b.ends(c)
		} else {
			delete(b.conns, r.ID)
		}
	}
}

func (b *buffer) ends(c *conn) { b.ended = append(b.ended, ending{c.id, b.now}) }

// forget lets go of connections that ended a while ago.
func (b *buffer) forget() {
	n := 0
	for n < len(b.ended) && (b.now-b.ended[n].at > lateFor || len(b.ended)-n > endedMax) {
		delete(b.conns, b.ended[n].id)
		n++
	}
	if n > 0 {
		b.ended = append(b.ended[:0], b.ended[n:]...)
	}
}

// finish is the end: what has no verdict by now gets none.
func (b *buffer) finish() {
	for b.passed < b.end {
		if f := b.at(b.passed); f.c.verdict == undecided {
			f.c.verdict = unwanted
		}
		b.pass()
	}
	for b.oldest < b.end {
		if f := b.at(b.oldest); f.c != nil {
			b.leaveOut(f.c)
			b.unlink(f)
		}
		b.release()
	}
}
