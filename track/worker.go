package track

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/capture/prefetch"
	"rustnet/track/dpi"
	"rustnet/track/event"
	"rustnet/track/places"
)

// worker owns some of the lanes, and the timers of their connections. It is one goroutine's.
type worker struct {
	stage *Stage
	cfg   *Config
	index int
	of    int
	lanes [lanes]lane
	wheel wheel
	clock int64 // of the run
	now   int64 // of what is being done: a packet's clock, or the end of a timer's slot, never later than clock
	tick  int64 // clock at which the wheel turns next
	begun bool

	out  *event.Batch
	keys []order // of out's events and what is said, when others' must be merged with them; nil = nobody asks
	key  order   // of the events that are being made

	ahead [prefetch.Room]ahead // of the packets that come next
	soon  prefetch.List

	due       []connRef
	ages      []age  // of due
	lost      uint64 // packets the kernel dropped, not told yet
	endsLost  uint64 // ends of sockets, so too
	lostTold  int64
	ports     *portIndex       // nil = nobody tells of sockets
	info      *capture.TCPInfo // of the connection that is being told closed, nil = the kernel did not say
	infoSide  int              // whose socket said it
	lastFrame uint64           // number of the last packet of the batches before
	flush     func()           // hands on out when it is full; nil = it waits for the end of the batch
	label     decode.Label     // of the packet that was taken last, where there is a Tap
	recalls                    // what a file says of its connections
	Stats                      // counted so far
	published Stats            // added to the stage's counters so far
	bypass    *bypassing       // nil = there is none
	steps     steps            // of ends of sockets
}

// age orders connections of a list: how many frames after the oldest one it began, and its place in the list. Plain numbers are
// sorted without a call for each two of them.
type age uint64

const (
	placeBits = 28 // as connRef has
	youngest  = 1<<(64-placeBits) - 1
)

func (a age) place() int { return int(a & (1<<placeBits - 1)) }

// sortAges makes, in the room of the slice that it is given, the ages of n connections in order: the oldest first. frame gives the number of the
// frame that began the one at a place.
func sortAges(ages []age, n int, frame func(int) uint64) []age {
	oldest := ^uint64(0)
	for i := range n {
		oldest = min(oldest, frame(i))
	}
	ages = slices.Grow(ages[:0], n)
	for i := range n {
		ages = append(ages, age(min(frame(i)-oldest, youngest)<<placeBits|uint64(i)))
	}
	slices.Sort(ages)
	return ages
}

func newWorker(s *Stage, i, of int) *worker {
	w := &worker{stage: s, cfg: &s.cfg, index: i, of: of, out: s.pool.Get()}
	if s.cfg.Ends {
		w.ports = &portIndex{}
	}
	if s.cfg.Bypass != nil {
		w.bypass = &bypassing{}
	}
	w.wheel = newWheel(&w.lanes)
	inspect := s.cfg.Inspect
	inspect.MaxTotalBytes /= lanes
	inspect.Names = s.cfg.Names
	if s.cfg.Crashed != nil {
		inspect.Caught = s.caught
	}
	inspectors := dpi.NewInspectors(inspect, lanes)
	for l := range w.lanes {
		w.lanes[l].max = max(1, s.cfg.MaxConnections/lanes)
		if l%of == i {
			w.lanes[l].index = places.New()
			w.lanes[l].dpi = &inspectors[l]
		}
	}
	return w
}

// A connRef is the place+1 in the lower 28 bits, so that 0 is none, and the lane above.
func ref(lane int, at uint32) connRef        { return connRef(uint32(lane)<<28 | (at + 1)) }
func (r connRef) lane() int                  { return int(r >> 28) }
func (r connRef) place() uint32              { return uint32(r)&(1<<28-1) - 1 }
func (w *worker) at(r connRef) *conn         { return w.lanes[r.lane()].conn(r.place()) }
func (w *worker) mine(p *decode.Packet) bool { return w.of == 1 || int(p.Lane)%w.of == w.index }

// batch takes a batch of packets and leaves the events they made in w.out.
func (w *worker) batch(b *decode.Packets) {
	if w.index == 0 {
		w.lost += b.Lost
		w.endsLost += b.EndsLost
	}
	if said := w.comments(b); len(b.Ends) == 0 && len(said) == 0 && len(b.Labels) == 0 {
		for ps := range slices.Chunk(b.Packets, prefetch.Room) {
			w.fetch(ps)
			for i := range ps {
				p := &ps[i]
				if isICMP(p) {
					w.unreachable(p)
				}
				if a := &w.ahead[i]; a.mine {
					w.packet(p, a)
				}
			}
		}
		if n := len(b.Packets); n > 0 {
			w.lastFrame = b.Packets[n-1].Frame
		}
	} else {
		w.batchWith(b, said)
	}
	w.advance(b.Clock)
	w.tellLost(false)
	w.publish()
}

// batchWith is for batches in which there is more than packets, and for who wants to know what became of those.
func (w *worker) batchWith(b *decode.Packets, said []capture.Comment) {
	ends, clock := b.Ends, int64(0)
	for i := range b.Packets {
		if i%prefetch.Room == 0 {
			w.fetch(b.Packets[i:min(i+prefetch.Room, len(b.Packets))])
		}
		p, a := &b.Packets[i], &w.ahead[i%prefetch.Room]
		for len(ends) > 0 && ends[0].Due < p.TS {
			w.socketEnd(&ends[0], clock, w.lastFrame)
			ends = ends[1:]
		}
		clock, w.lastFrame = p.Clock, p.Frame
		if len(said) > 0 && a.mine {
			said = w.besides(said, p.Frame-b.First)
		}
		if isICMP(p) {
			w.unreachable(p)
		}
		if a.mine {
			w.packet(p, a)
			if len(b.Labels) > 0 {
				b.Labels[i] = w.label
			}
		}
	}
	for i := range ends {
		w.socketEnd(&ends[i], clock, w.lastFrame)
	}
}

// isICMP tells whether a packet may speak of another connection than its own.
func isICMP(p *decode.Packet) bool { return p.Proto == decode.ICMP || p.Proto == decode.ICMP6 }

// advance fires every timer whose slot has ended at clock.
func (w *worker) advance(clock int64) {
	w.clock = max(w.clock, clock)
	if w.clock >= w.tick { // at the beginning, too
		w.fireAll()
	}
	w.now = w.clock
}

func (w *worker) fireAll() {
	if !w.begun {
		w.begun, w.wheel.now = true, slotOf(w.clock)
	}
	for {
		due, slot, ok := w.wheel.take(w.clock, w.due[:0])
		w.due = due
		if !ok {
			w.tick = slotEnd(w.wheel.now)
			return
		}
		w.now = slotEnd(slot)
		for due := range slices.Chunk(due, prefetch.Room) {
			for _, r := range due {
				w.soon.Add(unsafe.Pointer(w.at(r)))
			}
			w.soon.Fetch(1)
		}
		conn := func(place int) *conn { return w.at(due[place]) }
		w.ages = sortAges(w.ages, len(due), func(i int) uint64 { return conn(i).frame })
		for ages := range slices.Chunk(w.ages, prefetch.Room) {
			w.fetchDue(ages, conn)
			for _, a := range ages {
				c := conn(a.place())
				w.key = order{clock: w.now, frame: c.frame}
				w.fire(due[a.place()], c, w.now)
			}
		}
	}
}

// fetchDue asks for what connections need whose time has come. Each stands at the place that its age tells.
func (w *worker) fetchDue(ages []age, at func(place int) *conn) {
	for _, a := range ages {
		w.soon.Add(unsafe.Pointer(at(a.place())))
	}
	w.soon.Fetch(int(unsafe.Sizeof(conn{}) / 64))
	for _, a := range ages {
		if c := at(a.place()); c.closed { // to be dropped
			w.soon.Add(w.lanes[c.lane].index.Home(c.hash))
		} else if c.flow != nil {
			w.soon.Add(unsafe.Pointer(c.flow))
		}
	}
	w.soon.Fetch(flowLines)
}

// fire looks at what a connection's timer was set for. Deadlines move with every packet, the timer
// does not: when it fires early it is set again.
func (w *worker) fire(r connRef, c *conn, now int64) {
	switch {
	case c.closed:
		w.drop(r, c)
		return
	case c.reason != event.NoReason && now >= c.endDue:
		w.tellClosed(c)
		w.wheel.set(r, now+c.tombstone())
		return
	}
	if c.bypass != 0 {
		w.lookBypass(c, now)
	}
	if idle := c.heard() + w.patience(c); c.reason == event.NoReason && now >= idle {
		c.reason, c.endTS = event.Timeout, c.last+w.patience(c)
		if c.lingers {
			c.reason, c.final = event.Destroyed, event.StateClosed
		}
		w.tellClosed(c)
		w.drop(r, c)
		return
	}
	if !c.published && now >= c.told+int64(w.cfg.Settle) {
		w.tellNew(c)
	}
	if w.updates(c) && now >= c.told+int64(w.cfg.Interval) {
		w.tellUpdated(c)
	}
	w.wheel.set(r, w.next(c))
}

// next is when the connection must be looked at again, if no packet comes.
func (w *worker) next(c *conn) int64 {
	t := c.heard() + w.patience(c)
	if c.reason != event.NoReason {
		t = c.endDue
	}
	if !c.published {
		t = min(t, c.told+int64(w.cfg.Settle))
	} else if w.updates(c) {
		t = min(t, c.told+int64(w.cfg.Interval))
	}
	if c.bypass != 0 {
		t = min(t, w.bypass.conns[c.bypass-1].due)
	}
	return t
}

// patience is how long the connection may be silent.
func (w *worker) patience(c *conn) int64 {
	t := &w.stage.timeout
	switch c.key.proto {
	case decode.TCP:
		switch {
		case c.lingers:
			return min(lingerNS, int64(t.tcpClosing))
		case c.sides[0].tcp.is(finSent) || c.sides[1].tcp.is(finSent):
			return int64(t.tcpClosing)
		case !c.tcp.established:
			return int64(t.tcpOpening)
		}
		return int64(t.tcp)
	case decode.UDP:
		return int64(t.udp)
	case decode.ICMP, decode.ICMP6:
		return int64(t.icmp)
	}
	return int64(t.other)
}

// What is fetched of each.
const (
	connLines = 4 // those that every packet looks at
	flowLines = 2
)

// fetch asks for what a few packets need of a table that no cache holds, and finds their connections: the slots first, then
// what those lead to. By the time one is looked at the others are on their way.
func (w *worker) fetch(ps []decode.Packet) {
	all := w.ahead[:len(ps)]
	for i := range all {
		p, a := &ps[i], &all[i]
		*a = ahead{mine: w.mine(p)}
		if !a.mine {
			continue
		}
		a.hash = w.stage.secret.hash(p)
		w.soon.Add(w.lanes[p.Lane].index.Home(a.hash))
	}
	w.soon.Fetch(1)
	for i := range all {
		p, a := &ps[i], &all[i]
		if !a.mine {
			continue
		}
		l := &w.lanes[p.Lane]
		if at, _ := l.index.First(a.hash); at != 0 {
			a.at, a.conn = at-1, l.conn(at-1)
			w.soon.Add(unsafe.Pointer(a.conn))
		}
	}
	w.soon.Fetch(connLines)
	for i := range all {
		if c := all[i].conn; c != nil && c.flow != nil {
			w.soon.Add(unsafe.Pointer(c.flow))
		}
	}
	w.soon.Fetch(flowLines)
}

// ahead is what fetch found out of a packet.
type ahead struct {
	mine bool // the connection is of this worker's lanes
	hash uint32
	at   uint32 // place of conn
	conn *conn  // that the table has with this hash, most likely the packet's; nil = there is none
}

func (w *worker) packet(p *decode.Packet, a *ahead) {
	w.advance(p.Clock)
	w.key = order{clock: p.Clock, kind: ofPacket, frame: p.Frame}
	n := int(p.Lane)
	l := &w.lanes[n]
	at, c, back := l.expect(a, p)
	if c == nil && l.halves != nil {
		at, c, back = l.join(a.hash, p)
	}
	s := 0
	if back {
		s = 1
	}
	first := c == nil
	if !first {
		if w.bypass != nil && c.bypass != 0 {
			w.arrived(c, p)
		}
		switch {
		case p.Iface != nil && c.sides[s].iface != int32(p.Iface.Index)+1 && l.elsewhere(c, p, s):
			c.twice = true
			w.label = decode.Label{}
			w.Skipped[decode.SkipDuplicate] += uint64(p.Frames)
			return
		case !c.closed && p.TCPFlags&(decode.SYN|decode.RST) != decode.SYN: // which is nearly all
		case c.ended(p, s):
			w.replace(ref(n, at), c)
			first = true
		case c.closed:
			w.label = decode.Label{ID: c.id, Late: true}
			w.Skipped[decode.SkipAfterClose] += uint64(p.Frames)
			return
		}
	}
	if first {
		if l.index.Len() >= l.max {
			w.evict(n, l)
		}
		at = l.insert(a.hash)
		c = l.conn(at)
		s = w.open(c, p)
		if l.halves != nil || p.Tunnel != decode.NoTunnel {
			l.began(at, p)
		}
		if w.ports != nil && hasPort(c) {
			w.ports.add(ref(n, at), c)
		}
	}
	if w.cfg.Tap != nil {
		w.label = decode.Label{ID: c.id}
	}
	armed := c.dirty // its timer is set for what is due next
	if w.beside != nil {
		w.recall(c)
	}
	w.count(l, c, s, p)
	w.follow(l, c, s, p)
	if w.bypass != nil {
		w.considerBypass(c, p)
	}
	// What packets do beside ending a connection only puts off what is due without any.
	if armed && w.bypass == nil && c.reason == event.NoReason && p.TCPFlags&decode.FIN == 0 && w.waits(c) {
		return
	}
	w.report(ref(n, at), c, first)
}

// waits tells whether the connection's next event is for its timer to tell.
func (w *worker) waits(c *conn) bool {
	if c.published {
		return w.cfg.Interval <= 0 || w.now < c.told+int64(w.cfg.Interval)
	}
	return w.cfg.Settle > 0 && !c.known && !c.inspected
}

// elsewhere tells whether p is a packet that was counted already where it passed another interface (a
// bridge and its ports, a VLAN device and what is below it). Where it is not, as when a bond sends
// by turns, each counts.
// The caller has seen that it is not where the last one of side s passed.
func (l *lane) elsewhere(c *conn, p *decode.Packet, s int) bool {
	d := &c.sides[s]
	if d.iface == 0 || p.Clock-d.heard > againNS {
		return false
	}
	if c.key.proto == decode.TCP {
		return c.tcpSeen(p, s)
	}
	at, mark := l.mark(c, p, s)
	return l.marks[at] == mark
}

// mark tells a datagram from others of its lane, and where it is remembered.
func (l *lane) mark(c *conn, p *decode.Packet, s int) (at, mark uint32) {
	h := mix(c.frame<<1|c.sender(s), uint64(p.IPLen)<<32|uint64(p.Seq))
	if n := len(p.Payload); n >= 8 {
		h = mix(h^binary.NativeEndian.Uint64(p.Payload), binary.NativeEndian.Uint64(p.Payload[n-8:]))
	} else {
		for _, b := range p.Payload {
			h = h<<8 ^ h>>56 ^ uint64(b)
		}
		h = mix(h, 1)
	}
	return uint32(h>>32) & (uint32(len(l.marks)) - 1), uint32(h) | 1 // of no datagram 0
}

// remember notes a datagram that was counted, as long as there may be another interface where it passes, too.
func (l *lane) remember(c *conn, p *decode.Packet, s int) {
	d := &c.sides[s]
	if l.iface == 0 {
		l.iface = d.iface
	}
	if l.iface > 0 && l.iface != d.iface {
		l.iface = -1
	}
	if l.iface < 0 || d.packets <= 8 {
		at, mark := l.mark(c, p, s)
		l.marks[at] = mark
	}
}

// ended tells whether p begins a new connection in the place of c, which was told closed unless it is of TCP.
func (c *conn) ended(p *decode.Packet, s int) bool {
	switch c.key.proto {
	case decode.TCP:
		return c.isReuse(p, s)
	case decode.SCTP:
		kind, ok := firstChunk(p)
		return ok && kind == chunkInit
	}
	return !c.afterEnd(p, s)
}

// replace ends c because its ports are in use again.
func (w *worker) replace(r connRef, c *conn) {
	if c.closed {
		w.drop(r, c)
		return
	}
	if c.reason == event.NoReason {
		c.reason, c.endTS = event.Destroyed, c.last
		if c.key.proto == decode.TCP && !c.tcp.synAck && !c.partial {
			c.reason = event.Timeout // an attempt that was given up
		}
	}
	w.tellClosed(c)
	w.drop(r, c)
}

func (w *worker) evict(n int, l *lane) {
	at := l.victim()
	c := l.conn(at)
	if c.bypass != 0 {
		if w.lookBypass(c, w.now); c.spared > 0 { // it was heard of, but not here
			at = l.victim()
			c = l.conn(at)
		}
	}
	if !c.closed {
		w.Evicted++
		if c.reason == event.NoReason {
			c.reason, c.endTS = event.Evicted, w.now
		}
		w.tellClosed(c)
	}
	w.drop(ref(n, at), c)
}

func (w *worker) drop(r connRef, c *conn) {
	w.wheel.remove(r)
	if w.ports != nil && hasPort(c) {
		w.ports.remove(r, c)
	}
	w.forget(c)
	w.lanes[r.lane()].remove(r.place())
}

// open fills a connection from its first packet and tells which side sent it.
func (w *worker) open(c *conn, p *decode.Packet) (s int) {
	c.key = keyOf(p)
	c.frame, c.start, c.last = p.Frame, p.TS, p.TS
	c.told, c.toldTS = p.Clock, p.TS
	c.id = idFor(&c.key, p.TS, p.Frame)
	c.iface, c.vlan, c.firstDir, c.tunnelID = p.Iface, p.VLAN, p.Dir, p.TunnelID
	c.lane = p.Lane
	c.icmpType, c.icmpCode = p.ICMPType, p.ICMPCode
	w.Opened++
	swapped := false
	switch c.key.proto {
	case decode.TCP:
		swapped, c.partial = tcpOrigin(p)
	case decode.SCTP:
		if kind, ok := firstChunk(p); ok {
			swapped, c.partial = kind == chunkInitACK, kind != chunkInit
		}
	case decode.UDP:
		// A server's well-known port as the source: the question was before our time.
		swapped = p.SrcPort < 1024 && p.DstPort >= 1024
	case decode.ICMP:
		swapped = p.ICMPType == 0 // echo reply
		c.partial = swapped
	case decode.ICMP6:
		swapped = p.ICMPType == 129
		c.partial = swapped
	}
	if swapped {
		c.key = c.key.reversed()
		c.swapped = true
		s = 1
	}
	c.inspected = c.key.proto != decode.TCP && c.key.proto != decode.UDP && !dpi.Inspects(uint16(c.key.proto))
	return s
}

func (w *worker) count(l *lane, c *conn, s int, p *decode.Packet) {
	d := &c.sides[s]
	d.bytes += uint64(p.IPLen)
	d.packets += uint64(p.Frames)
	if p.Iface != nil {
		d.iface = int32(p.Iface.Index) + 1
		if c.key.proto != decode.TCP && !p.Iface.Alone {
			l.remember(c, p, s)
		}
	}
	d.heard = p.Clock
	if p.TS >= c.last {
		c.last = p.TS
	} else if p.TS < c.start {
		c.began(p.TS)
	}
	c.dirty = true
	if c.sides[1-s].packets > 0 {
		c.spared = 2
	}
	w.Packets += uint64(p.Frames)
}

// follow takes what the packet means to its protocol.
func (w *worker) follow(l *lane, c *conn, s int, p *decode.Packet) {
	if p.BadSum {
		c.note(noteSum, s)
	}
	switch c.key.proto {
	case decode.TCP:
		c.tcpPacket(l, p, s)
		if !c.inspected {
			w.inspect(c, s, p)
		}
		if c.reason == event.NoReason {
			if r := c.tcpEnd(p, s); r != event.NoReason {
				ts := p.TS
				if r == event.Fin && c.last-ts < againNS {
					ts = max(ts, c.last) // also where the last of what it takes was captured before the rest
				}
				c.end(r, ts, p.Clock+w.grace(c))
			}
		}
		return
	case decode.UDP:
		if c.noted&answered == 0 && p.PayloadLen > 0 {
			c.exchange(s, p.TS)
		}
		if !c.inspected {
			w.inspect(c, s, p)
		}
	case decode.ICMP, decode.ICMP6:
		switch {
		case !neighbours(c.key.proto, c.icmpType):
			c.echo(p, s)
		case neighbours(p.Proto, p.ICMPType):
			c.sides[s].tells(p)
		}
	case decode.ARP:
		c.sides[s].says(p)
	case decode.SCTP:
		if !c.inspected {
			w.inspect(c, s, p)
		}
		if c.reason == event.NoReason {
			if r := c.sctpEnd(p, s); r != event.NoReason {
				c.end(r, p.TS, p.Clock+w.grace(c))
			}
		}
	default:
		if !c.inspected {
			w.inspect(c, s, p)
		}
	}
	if p.PayloadLen > 0 {
		c.note(noteData, s)
	}
}

// grace is how long the end of a connection waits to be told: for stragglers, and for what its socket's end says of it,
// which comes within milliseconds and ends the waiting.
func (w *worker) grace(c *conn) int64 {
	if w.ports != nil {
		c.settle(w.cfg.Local)
		if c.direction != event.Forward && c.direction != event.DirectionUnknown {
			return lateNS
		}
	}
	return min(lateNS, int64(w.cfg.Settle))
}

func (c *conn) end(r event.Reason, ts, due int64) { c.reason, c.endTS, c.endDue = r, ts, due }

// echo times ICMP echoes by their numbers (RFC 792, RFC 4443 §4): of those that wait for an answer the oldest, and the
// newest, whose number is in isn, and in next how many microseconds it came behind.
func (c *conn) echo(p *decode.Packet, s int) {
	switch p.ICMPType {
	case 8, 128:
		t := &c.sides[s].tcp
		if !t.is(timing) {
			t.time(p.Seq, p.TS)
		}
		if d := (p.TS - t.timedTS) / 1000; d >= 0 && d < 1<<31 {
			t.isn, t.next = p.Seq, uint32(d)
		}
	case 0, 129:
		t := &c.sides[1-s].tcp
		d := (p.TS - t.timedTS) / 1000
		if !t.is(timing) {
			return
		}
		switch p.Seq {
		case t.timedSeq:
		case t.isn:
			d -= int64(t.next)
		default:
			if int16(p.Seq-t.timedSeq) > 0 {
				t.unset(timing) // the oldest is lost
			}
			return
		}
		if d >= 0 && d < 1<<31 && (c.rttMicros == 0 || uint32(d) < c.rttMicros) {
			c.rttMicros = max(1, uint32(d))
		}
		t.unset(timing)
	}
}

// unreachable ends the connection that an ICMP error speaks of, where the error says that nobody
// listens or that it may not pass (RFC 792, RFC 4443 §3.1; hosts give up on those in SYN_SENT, RFC 1122 §4.2.3.9).
func (w *worker) unreachable(p *decode.Packet) {
	if p.ICMPType != 3 && p.ICMPType != 1 || !refusing(p) {
		return
	}
	q, ok := decode.Inner(p)
	if !ok || !w.mine(&q) {
		return
	}
	w.advance(p.Clock)
	w.key = order{clock: p.Clock, kind: ofError, frame: p.Frame}
	n := int(q.Lane)
	l := &w.lanes[n]
	at, back, found := l.find(w.stage.secret.hash(&q), &q)
	if !found {
		return
	}
	c := l.conn(at)
	if c.closed || c.reason != event.NoReason || back {
		return
	}
	switch q.Proto {
	case decode.TCP:
		if c.tcp.synAck || c.partial || q.Seq != c.sides[0].tcp.isn {
			return
		}
	case decode.UDP, udpLite, decode.SCTP, dccp:
		if c.sides[1].packets > 0 {
			return
		}
	default:
		return
	}
	c.end(event.Refused, p.TS, p.Clock+w.grace(c))
	w.report(ref(n, at), c, false)
}

func refusing(p *decode.Packet) bool {
	if p.Proto == decode.ICMP {
		switch p.ICMPCode {
		case 2, 3, 9, 10, 13: // protocol, port unreachable; administratively prohibited
			return p.ICMPType == 3
		}
		return false
	}
	switch p.ICMPCode {
	case 1, 4, 5, 6: // administratively prohibited, port unreachable, policy, reject route
		return p.ICMPType == 1
	}
	return false
}

// inspect shows the payload to the parsers until they have seen enough.
func (w *worker) inspect(c *conn, s int, p *decode.Packet) {
	tcp := c.key.proto == decode.TCP
	if p.PayloadLen == 0 && (p.TCPFlags&decode.FIN == 0 || c.flow == nil) || p.Fragment && p.Payload == nil {
		return
	}
	in := w.dpi(c)
	if c.flow == nil {
		a, b := c.key.srcPort, c.key.dstPort
		if tcp || c.key.proto == decode.UDP {
			c.flow = in.NewFlow(tcp, a, b)
		} else {
			c.flow = in.NewFlowOver(uint16(c.key.proto))
		}
		c.flow.Swapped = c.swapped
		if tcp {
			for i := range c.sides {
				if t := &c.sides[i].tcp; t.is(hasISN) {
					in.Segment(c.flow, c.dpiSide(i), t.isn, true, false, nil, 0, p.TS)
				}
			}
		}
	}
	var r dpi.Result
	if tcp {
		r = in.Segment(c.flow, c.dpiSide(s), p.Seq, p.TCPFlags&decode.SYN != 0, p.TCPFlags&decode.FIN != 0,
			p.Payload, p.PayloadLen, p.TS)
	} else {
		r = in.Datagram(c.flow, c.dpiSide(s), p.Payload, p.PayloadLen, p.TS)
	}
	w.learn(c, in, p, r)
}

func (w *worker) dpi(c *conn) *dpi.Inspector { return w.lanes[c.lane].dpi }

// dpiSide is the parsers' side. Those stay as they were at the first payload, whichever way the ends are swapped later.
func (c *conn) dpiSide(s int) dpi.Side {
	if c.swapped != c.flow.Swapped {
		s = 1 - s
	}
	return dpi.Side(s)
}

// sender is 0 for the one of the first packet.
func (c *conn) sender(s int) uint64 {
	if c.swapped {
		s = 1 - s
	}
	return uint64(s)
}

func (w *worker) learn(c *conn, in *dpi.Inspector, p *decode.Packet, r dpi.Result) {
	if a := in.TakeAnswer(); a != nil {
		a.Asker, a.Sender = p.Dst.Netip(p.IPVersion), p.Src.Netip(p.IPVersion)
		w.say(event.Said{TS: p.TS, ID: c.id, Answer: a})
	}
	for _, x := range in.TakeExpected() {
		w.sayExpected(c, &x, p.TS)
	}
	if us := c.flow.RTTMicros(); us != 0 {
		c.rttMicros = us
	}
	// Who asks is the client: evidence, where the start was not seen, a SYN-ACK neither, and only until it is told.
	if client, ok := c.flow.Client(); ok && !c.published && (c.partial && !c.tcp.synAck || c.key.proto == decode.UDP) && client != c.dpiSide(0) {
		c.swap()
	}
	answered := r&dpi.Ended != 0
	if c.key.proto == decode.UDP {
		if answered {
			c.end(event.Fin, p.TS, p.Clock+w.grace(c))
		} else if c.reason == event.Fin {
			c.reason = event.NoReason
		}
	}
	if r&dpi.Finished != 0 {
		c.app = c.flow.App()
		in.Free(c.flow)
		c.flow, c.inspected = nil, true
	} else if r&dpi.Known != 0 {
		c.known = true
	}
}
