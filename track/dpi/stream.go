package dpi

// direction is what the Inspector knows of the bytes of one end.
type direction struct {
	buf   *buffer
	skip  uint64 // bytes ahead that nobody wants to see
	next  uint32 // TCP: sequence number expected
	used  uint32 // bytes that parsers saw
	msgs  uint8  // UDP: datagrams seen; TCP: starts tried
	flags dirFlags
}

type dirFlags uint8

const (
	started dirFlags = 1 << iota // next is known
	whole                        // from the connection's first byte on
	asked                        // Flow.open is known
	dead                         // nothing more of this direction can be judged
	finSeen
)

func (d *direction) is(f dirFlags) bool { return d.flags&f != 0 }

// buffer holds what can not be judged yet of one direction.
type buffer struct {
	b     []byte // in order, not eaten
	early []early
	flow  *Flow
	since int64 // time of the first of early
	shown int   // bytes of b that the parsers saw last
	work  int   // all that they were shown of it, each time anew
	turns uint8 // times that it was shown because the other end went on

	older, newer *buffer // by when they were taken; the oldest gives way when room is short
}

// early is a segment that came before its place.
type early struct {
	data []byte
	seq  uint32
	wire uint32 // its length, of which the capture may have cut data
	fin  bool
}

const (
	maxEarly  = 32      // segments kept early in a direction
	earlyNS   = 2e9     // how long a missing segment is waited for
	slabMin   = 2 << 10 // smallest storage that is handed out; classes double from there on
	slabKinds = 6
	keepSlabs = 64 // storage kept for reuse, of each class

	// Where the parsers were shown maxWork bytes of what waits, again with each few that came, they are asked when it has grown by one
	// part in maxAgain: so what comes byte by byte costs not the square of its length. A full segment is never less.
	maxWork  = 32 << 10
	maxAgain = 16
	maxTurns = 16
)

// store hands out buffers and their storage, and keeps the sum within room.
type store struct {
	*spares
	oldest, newest *buffer
	total, room    int // bytes kept, and how many may be
}

// spares are buffers and storage to use again.
type spares struct {
	slabs   [slabKinds][][]byte
	buffers []*buffer
}

// slab returns storage for at least n bytes. The size comes from the configuration and from bytes
// that are there, never from a number on the wire.
func (st *store) slab(n int) []byte {
	size := slabMin
	for k := range slabKinds {
		if n <= size {
			if l := len(st.slabs[k]); l > 0 {
				s := st.slabs[k][l-1]
				st.slabs[k] = st.slabs[k][:l-1]
				st.total += size
				return s
			}
			break
		}
		size *= 2
	}
	size = max(size, n)
	st.total += size
	return make([]byte, 0, size)
}

func (st *store) freeSlab(s []byte) {
	if cap(s) == 0 {
		return
	}
	st.total -= cap(s)
	size := slabMin
	for k := range slabKinds {
		if cap(s) == size {
			if len(st.slabs[k]) < keepSlabs {
				st.slabs[k] = append(st.slabs[k], s[:0])
			}
			return
		}
		size *= 2
	}
}

// take gives the direction a buffer. Where that is more than all connections may keep, the one
// that waited longest loses its bytes.
func (st *store) take(f *Flow) *buffer {
	for st.total > st.room && st.oldest != nil && st.oldest.flow != f {
		st.evict(st.oldest.flow)
	}
	var b *buffer
	if l := len(st.buffers); l > 0 {
		b = st.buffers[l-1]
		st.buffers = st.buffers[:l-1]
	} else {
		b = &buffer{}
	}
	b.flow, b.older, b.newer = f, st.newest, nil
	if st.newest != nil {
		st.newest.newer = b
	} else {
		st.oldest = b
	}
	st.newest = b
	return b
}

func (st *store) evict(f *Flow) {
	st.drop(f)
	f.finished = true
}

// drop gives back what both directions keep.
func (st *store) drop(f *Flow) {
	st.release(&f.dir[Orig])
	st.release(&f.dir[Resp])
}

func (st *store) release(d *direction) {
	b := d.buf
	if b == nil {
		return
	}
	d.buf = nil
	st.freeSlab(b.b)
	for i := range b.early {
		st.freeSlab(b.early[i].data)
	}
	clear(b.early)
	if b.older != nil {
		b.older.newer = b.newer
	} else {
		st.oldest = b.newer
	}
	if b.newer != nil {
		b.newer.older = b.older
	} else {
		st.newest = b.older
	}
	*b = buffer{early: b.early[:0]}
	if len(st.buffers) < keepSlabs {
		st.buffers = append(st.buffers, b)
	}
}

// append adds p to the bytes in order.
func (st *store) append(b *buffer, p []byte) {
	if n := len(b.b) + len(p); n > cap(b.b) {
		s := append(st.slab(n), b.b...)
		st.freeSlab(b.b)
		b.b = s
	}
	b.b = append(b.b, p...)
}

// park keeps a segment that came before its place. It returns false when there is no room.
func (st *store) park(f *Flow, d *direction, e early, ts int64, room int) bool {
	if d.buf == nil {
		d.buf = st.take(f)
	}
	b := d.buf
	if len(b.early) == 0 {
		b.since = ts
	}
	at := len(b.early)
	for at > 0 && int32(b.early[at-1].seq-e.seq) >= 0 {
		at--
	}
	if at < len(b.early) && b.early[at].seq == e.seq && b.early[at].wire >= e.wire {
		return true // sent again
	}
	kept := len(b.b)
	for i := range b.early {
		kept += len(b.early[i].data)
	}
	if len(b.early) == maxEarly || kept+len(e.data) > room || ts-b.since > earlyNS {
		return false
	}
	if len(e.data) > 0 {
		e.data = append(st.slab(len(e.data)), e.data...)
	} else {
		e.data = nil // not the packet's: it is given back as storage
	}
	b.early = append(b.early, early{})
	copy(b.early[at+1:], b.early[at:])
	b.early[at] = e
	return true
}

// unpark takes the first early segment away. The caller gives its data back.
func (b *buffer) unpark() early {
	e := b.early[0]
	copy(b.early, b.early[1:])
	b.early[len(b.early)-1] = early{}
	b.early = b.early[:len(b.early)-1]
	return e
}
