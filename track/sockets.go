package track

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// SocketConfig is what a user may set of the tracker that goes by socket tables.
type SocketConfig struct {
	Interval       time.Duration // least time between two updated of one connection; 0 = no updated
	MaxConnections int           // 0 = sockets.DefaultMax; what comes when it is full is counted as lost
	// Listening also takes the sockets without a remote end that wait for one: listening, unconnected UDP.
	Listening bool
	// Unchanged also tells updated of what did not change, so that its owner is looked for again.
	Unchanged bool
}

// SocketStats counts what the stage has done; safe to read at any time.
type SocketStats struct {
	Readings uint64 // tables read
	Opened   uint64 // connections begun
	Closed   uint64
	Events   uint64 // new, updated, closed and lost that left the stage
}

// SocketStage makes connections of successive readings of the socket tables, for where packets
// cannot be had. It sees TCP, SCTP and connected UDP sockets, and of a connection that was over
// between two readings only what is left of it: a TIME_WAIT. Its times are the readings', but for a beginning that the tables have.
//
// It tells what the kernel says and nothing else. Bytes at the IP layer the kernel does not know,
// so there are none. The packets of a TCP connection are tcp_info's segments; they leave out the
// SYN-ACK of a connection that was accepted. Packets of UDP, and what the other end repeated or
// had arrive out of order, nobody counts.
type SocketStage struct {
	cfg   SocketConfig
	conns map[socketKey]*socketConn
	order []*socketConn // as they began, so that events come in an order that can be repeated
	// listening holds the reading in which a listening socket was last seen.
	listening map[listenKey]uint64
	reading   uint64
	ephemeral [2]uint16
	lostTold  uint64

	pool  event.Pool
	out   *event.Batch
	send  func(*event.Batch) error
	count struct{ readings, opened, closed, events atomic.Uint64 }
}

// NewSockets makes the stage.
func NewSockets(cfg SocketConfig) *SocketStage {
	if cfg.MaxConnections <= 0 {
		cfg.MaxConnections = sockets.DefaultMax
	}
	return &SocketStage{cfg: cfg, conns: map[socketKey]*socketConn{}, listening: map[listenKey]uint64{},
		pool: event.NewPool(16)}
}

// Stats gives the counts so far.
func (s *SocketStage) Stats() SocketStats {
	c := &s.count
	return SocketStats{Readings: c.readings.Load(), Opened: c.opened.Load(), Closed: c.closed.Load(), Events: c.events.Load()}
}

// Report says it for people.
func (s SocketStats) Report() string {
	return event.Count(s.Readings, "reading") + " of the socket tables, " + event.Count(s.Opened, "connection")
}

// socketKey names a connection by its ends in order, so that both sockets of a connection within
// this machine find the same one.
type socketKey struct {
	a, b  netip.AddrPort // a before b
	iface uint32         // link-local addresses mean something on their interface only
	netns uint32
	proto uint8
	// cookie tells apart the sockets without a remote end that share a port.
	cookie uint64
}

func keyOfSocket(s *sockets.Socket) (k socketKey, side int) {
	k = socketKey{a: s.Local, b: s.Remote, iface: s.Iface, netns: s.NetNS, proto: s.Proto}
	if !s.Connected() {
		k.b, k.cookie = netip.AddrPort{}, s.Cookie // b is an end that is not there
		return k, 0
	}
	if k.a.Compare(k.b) > 0 {
		k.a, k.b, side = k.b, k.a, 1
	}
	return k, side
}

func (k *socketKey) end(side int) netip.AddrPort {
	if side == 0 {
		return k.a
	}
	return k.b
}

// waits is true of a socket that is no connection but is there for any.
func waits(sock *sockets.Socket) bool {
	switch sock.Proto {
	case sockets.UDP, sockets.UDPLite:
		return sock.State == sockets.Close && !sock.Connected()
	}
	return sock.State == sockets.Listen
}

type listenKey struct {
	addr  netip.AddrPort
	netns uint32
	proto uint8
}

// socketConn is one connection, by one socket or by both.
type socketConn struct {
	key     socketKey
	sides   [2]socketSide // of key.a and key.b
	seen    uint64        // reading
	id      uint64
	start   int64
	last    int64
	toldAt  int64
	iface   string // that it cannot but go over
	local   int    // side
	dir     event.Direction
	partial bool
	// announced: new was sent. closed: so was closed, or it was over before we began; the entry
	// stays until the sockets are gone, so that they are not taken for a new connection.
	announced, closed bool
	told              socketFacts
}

// socketSide is what one socket says.
type socketSide struct {
	cookie     uint64
	inode, uid uint32
	seen       uint64 // reading, 0 = never
	state      uint8
	opened     bool // it was seen to open the connection (SYN_SENT)
	socketFacts
}

// socketFacts is what makes an updated when it changes.
type socketFacts struct {
	state       event.State
	has         bool // what follows is known
	out, in     uint32
	retransmits uint32
	rttMicros   uint32

	hasPayload     bool // what follows is known
	sent, received uint64
}

// Run tracks until in is closed, then tells the end of every connection that is still open.
// It closes out.
func (s *SocketStage) Run(ctx context.Context, in <-chan *sockets.Table, out chan<- *event.Batch) error {
	defer close(out)
	s.send = func(b *event.Batch) error { return b.Send(ctx, out) }
	s.out = s.pool.Get()
	var now int64
	for t := range in {
		now = t.TS
		err := s.table(t)
		t.Release()
		if err == nil {
			err = s.flush(now)
		}
		if err != nil {
			return err
		}
	}
	for _, c := range s.order {
		if c.announced && !c.closed {
			if err := s.tellClosed(c, event.Exit, now); err != nil {
				return err
			}
		}
	}
	return s.flush(now)
}

// table takes one reading.
func (s *SocketStage) table(t *sockets.Table) error {
	s.reading++
	s.count.readings.Add(1)
	s.ephemeral = t.Ephemeral
	s.listeners(t)
	began := len(s.order)
	lost := t.Lost
	for i := range t.Sockets {
		sock := &t.Sockets[i]
		if sock.Raw || !sock.Connected() && !(s.cfg.Listening && waits(sock)) {
			continue
		}
		kept, err := s.socket(sock, t.TS)
		if err != nil {
			return err
		}
		if !kept {
			lost++
		}
	}
	for _, c := range s.order[began:] {
		s.settle(c)
	}
	if err := s.report(t); err != nil {
		return err
	}
	return s.tellLost(lost, t.TS)
}

// listeners notes where connections are waited for. One that vanished since the reading before
// still tells who opened a connection that is new now.
func (s *SocketStage) listeners(t *sockets.Table) {
	for i := range t.Sockets {
		sock := &t.Sockets[i]
		if !waits(sock) {
			continue
		}
		s.listening[listenKey{sock.Local, sock.NetNS, sock.Proto}] = s.reading
		if a := sock.Local.Addr(); a.Is6() && a.IsUnspecified() && !sock.V6Only {
			s.listening[listenKey{netip.AddrPortFrom(netip.IPv4Unspecified(), sock.Local.Port()), sock.NetNS, sock.Proto}] = s.reading
		}
	}
	for k, seen := range s.listening {
		if seen+1 < s.reading {
			delete(s.listening, k)
		}
	}
}

func (s *SocketStage) isListening(k *socketKey, side int) bool {
	at := k.end(side)
	if _, ok := s.listening[listenKey{at, k.netns, k.proto}]; ok {
		return true
	}
	any := netip.IPv6Unspecified()
	if at.Addr().Is4() {
		any = netip.IPv4Unspecified()
	}
	_, ok := s.listening[listenKey{netip.AddrPortFrom(any, at.Port()), k.netns, k.proto}]
	return ok
}

// socket takes one row. It tells whether there was room for it.
func (s *SocketStage) socket(sock *sockets.Socket, ts int64) (kept bool, err error) {
	k, side := keyOfSocket(sock)
	c := s.conns[k]
	if c != nil && c.replacedBy(sock, side) {
		if !c.closed {
			if err := s.tellClosed(c, event.Destroyed, ts); err != nil {
				return true, err
			}
		}
		c.seen = 0 // report drops it
		c = nil
	}
	if c == nil {
		if len(s.conns) >= s.cfg.MaxConnections {
			return false, nil
		}
		c = &socketConn{key: k, start: cmp.Or(sock.Created, ts), last: ts, partial: s.reading == 1}
		// What was over before we began is not told.
		c.closed = c.partial && sock.State == sockets.TimeWait
		s.conns[k] = c
		s.order = append(s.order, c)
	}
	c.take(sock, side, s.reading, ts)
	return true, nil
}

func hashAddr(a netip.AddrPort) uint64 {
	if !a.IsValid() {
		return 0
	}
	b := a.Addr().As16()
	var hi, lo uint64
	for i := range 8 {
		hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[8+i])
	}
	return mix(hi^uint64(a.Port())<<32, lo)
}

// replacedBy tells whether sock belongs to a later connection between the same ends. A cookie is
// one socket's for its life, except that TIME_WAIT has one of its own.
func (c *socketConn) replacedBy(sock *sockets.Socket, side int) bool {
	old := &c.sides[side]
	switch {
	case sock.State == sockets.TimeWait || lingers(sock):
		return false
	case old.seen == 0: // the other end's socket comes to light
		return c.closed && (sock.State == sockets.SynSent || sock.State == sockets.SynRecv || sock.State == sockets.Established)
	case c.closed && old.state == sockets.TimeWait:
		return true
	}
	return old.cookie != sock.Cookie
}

// lingers is true of the small socket that the kernel keeps in FIN_WAIT2 for a connection that
// its process has let go of: like TIME_WAIT, it has another cookie than the one before.
func lingers(sock *sockets.Socket) bool {
	return sock.Proto == sockets.TCP && sock.State == sockets.FinWait2 && sock.Inode == 0
}

func (c *socketConn) take(sock *sockets.Socket, side int, reading uint64, ts int64) {
	d := &c.sides[side]
	c.seen, d.seen = reading, reading
	c.iface = sock.IfaceName
	d.cookie, d.state = sock.Cookie, sock.State
	d.inode, d.uid = sock.Inode, sock.UID
	d.opened = d.opened || sock.Proto == sockets.TCP && sock.State == sockets.SynSent
	d.socketFacts.state = stateOf(sock)
	if !sock.HasInfo {
		return // keeps what was known before
	}
	d.has, d.out, d.in, d.retransmits, d.rttMicros = true, sock.SegsOut, sock.SegsIn, sock.Retransmits, sock.MinRTTMicros
	d.hasPayload, d.sent, d.received = sock.HasSent, sock.BytesSent, sock.BytesReceived
	c.last = max(c.last, ts-int64(sock.IdleMillis)*int64(time.Millisecond))
}

var socketStates = [...]event.State{
	sockets.Established: event.Established, sockets.SynSent: event.SynSent, sockets.SynRecv: event.SynRecv,
	sockets.FinWait1: event.FinWait1, sockets.FinWait2: event.FinWait2, sockets.TimeWait: event.TimeWait,
	sockets.Close: event.StateClosed, sockets.CloseWait: event.CloseWait, sockets.LastAck: event.LastAck,
	sockets.Closing: event.Closing,
}

func stateOf(sock *sockets.Socket) event.State {
	switch {
	case sock.Proto != sockets.UDP && sock.Proto != sockets.UDPLite && sock.State == sockets.Listen:
		return event.Listen
	case !sock.Connected():
		return event.Unconnected
	case sock.Proto != sockets.TCP:
		return event.Active
	}
	if int(sock.State) < len(socketStates) {
		return socketStates[sock.State]
	}
	return event.NoState
}

// identify makes the connection's identifier: of a socket that the kernel gave a cookie the same in every
// run that sees it.
func (c *socketConn) identify() {
	once := c.sides[c.local].cookie
	if once == 0 {
		once = uint64(c.start)
	}
	c.id = max(1, mix(hashAddr(c.key.a)^mix(hashAddr(c.key.b), uint64(c.key.proto)<<32|uint64(c.key.iface)), once))
}

// settle says which end is local and who opened the connection.
func (s *SocketStage) settle(c *socketConn) {
	defer c.identify()
	a, b := &c.sides[0], &c.sides[1]
	if !c.key.b.IsValid() {
		return // an end that nobody has connected to
	}
	if a.seen != 0 && b.seen != 0 || c.key.a.Addr() == c.key.b.Addr() || c.key.a.Addr().IsLoopback() && c.key.b.Addr().IsLoopback() {
		c.dir, c.local = event.Local, s.opener(c)
		return
	}
	if b.seen != 0 {
		c.local = 1
	}
	at := c.key.end(c.local)
	switch d := &c.sides[c.local]; {
	case d.opened:
		c.dir = event.Out
	case c.key.proto == sockets.TCP && d.state == sockets.SynRecv, s.isListening(&c.key, c.local):
		c.dir = event.In
	case at.Port() >= s.ephemeral[0] && at.Port() <= s.ephemeral[1]:
		c.dir = event.Out
	}
	// Otherwise somebody chose the port and nobody listens there: a client bound to a port, or
	// a server that stopped listening. The direction stays unknown.
}

// opener finds the side that opened a connection within this machine. Where nothing tells, it is
// the higher port's: a name for the two ends, which are both here, and no more.
func (s *SocketStage) opener(c *socketConn) int {
	a, b := &c.sides[0], &c.sides[1]
	switch {
	case a.opened || c.key.proto == sockets.TCP && b.state == sockets.SynRecv:
		return 0
	case b.opened || c.key.proto == sockets.TCP && a.state == sockets.SynRecv:
		return 1
	}
	waitsA, waitsB := s.isListening(&c.key, 0), s.isListening(&c.key, 1)
	switch {
	case waitsB && !waitsA:
		return 0
	case waitsA && !waitsB:
		return 1
	case c.key.a.Port() >= c.key.b.Port():
		return 0
	}
	return 1
}

// report tells what the reading changed, and drops what is gone.
func (s *SocketStage) report(t *sockets.Table) error {
	keep := s.order[:0]
	var failed error
	for _, c := range s.order {
		whole := t.Lost == 0 && !slices.Contains(t.Failed, c.key.proto)
		if failed == nil {
			failed = s.tell(c, t.TS, whole)
		}
		gone := c.seen != s.reading && whole
		switch {
		case s.conns[c.key] != c: // replaced
		case gone:
			delete(s.conns, c.key)
		default:
			keep = append(keep, c)
		}
	}
	clear(s.order[len(keep):])
	s.order = keep
	return failed
}

func (s *SocketStage) tell(c *socketConn, ts int64, whole bool) error {
	if c.closed {
		return nil
	}
	if !c.announced {
		c.announced = true
		s.count.opened.Add(1)
		if err := s.emit(c, event.New, ts); err != nil {
			return err
		}
	}
	switch {
	// Both ends have sent their FIN: the kernel says so.
	case c.key.proto == sockets.TCP && (c.sides[0].state == sockets.TimeWait || c.sides[1].state == sockets.TimeWait):
		return s.tellClosed(c, event.Fin, ts)
	case c.seen != s.reading:
		if !whole {
			return nil
		}
		return s.tellClosed(c, event.Destroyed, ts)
	case s.cfg.Interval > 0 && ts-c.toldAt >= int64(s.cfg.Interval) && (s.cfg.Unchanged || c.sides[c.local].socketFacts != c.told):
		return s.emit(c, event.Updated, ts)
	}
	return nil
}

func (s *SocketStage) tellClosed(c *socketConn, r event.Reason, ts int64) error {
	c.closed = true
	s.count.closed.Add(1)
	if err := s.emit(c, event.Closed, ts); err != nil {
		return err
	}
	e := &s.out.Events[len(s.out.Events)-1]
	e.Reason = r
	if r != event.Exit { // what came after the latest reading is not known
		e.TxPayload, e.RxPayload, e.HasPayload = 0, 0, false
	}
	if r != event.Exit && c.sides[c.local].seen != s.reading { // the local end's socket is gone
		e.State = event.StateClosed
	}
	return nil
}

// emit adds an event to the batch, which it sends first when it is full.
func (s *SocketStage) emit(c *socketConn, kind event.Kind, ts int64) error {
	if len(s.out.Events) >= event.Room {
		if err := s.flush(ts); err != nil {
			return err
		}
	}
	d := &c.sides[c.local]
	e := event.Event{
		Kind: kind, Direction: c.dir, State: d.socketFacts.state, Partial: c.partial,
		RemoteServes: c.dir == event.Out || c.dir == event.Local,
		TS:           ts, ID: c.id, Proto: uint16(c.key.proto),
		Local: c.key.end(c.local), Remote: c.key.end(1 - c.local),
		Start: c.start, Last: c.last, RTTMicros: d.rttMicros,
		Tx:    event.Side{Packets: uint64(d.out), Retransmits: d.retransmits},
		Rx:    event.Side{Packets: uint64(d.in)},
		Iface: c.iface, NetNS: c.key.netns, Sockets: c.refs(),
	}
	e.Without = event.NoBytes | event.NoOrder
	if !d.has {
		e.Without |= event.NoPackets | event.NoRetransmits
	}
	if d.hasPayload {
		e.TxPayload, e.RxPayload, e.HasPayload = d.sent, d.received, true
	}
	s.out.Events = append(s.out.Events, e)
	c.told, c.toldAt = d.socketFacts, ts
	s.count.events.Add(1)
	return nil
}

// SocketsTell tells whether one reading of the socket tables can give a field that a source gives.
func SocketsTell(f *event.Field) bool {
	return slices.ContainsFunc(readOnce(), func(e event.Event) bool { return f.Has(&e) })
}

// readOnce is the records of one reading in which the tables say all that they can.
var readOnce = sync.OnceValue(func() []event.Event {
	s := NewSockets(SocketConfig{Listening: true})
	s.out = s.pool.Get()
	one, other := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	_ = s.table(&sockets.Table{TS: 1, Sockets: []sockets.Socket{{Proto: sockets.TCP, State: sockets.Established, Local: one, Remote: other, Inode: 1, UID: 1, Cookie: 1,
		Iface: 1, IfaceName: "eth0", NetNS: 1, HasInfo: true, BytesAcked: 1, BytesReceived: 1, SegsOut: 1, SegsIn: 1, MinRTTMicros: 1, Retransmits: 1, IdleMillis: 1},
		{Proto: sockets.TCP, State: sockets.Listen, Local: one, NetNS: 1}}}) // which says who opened the other
	for i := range s.out.Events {
		e := &s.out.Events[i]
		e.Kind, e.Start, e.Last = event.Open, 0, 0 // what was there before says nothing of its beginning
	}
	return s.out.Events
})

// refs names the sockets of the local and the remote end, as far as they are this machine's.
func (c *socketConn) refs() *[2]event.SocketRef {
	l, r := &c.sides[c.local], &c.sides[1-c.local]
	return &[2]event.SocketRef{{Inode: l.inode, UID: l.uid, Cookie: l.cookie}, {Inode: r.inode, UID: r.uid, Cookie: r.cookie}}
}

// tellLost reports that sockets were not kept, once for each time the number grows.
func (s *SocketStage) tellLost(n uint64, ts int64) error {
	more := n > s.lostTold
	told := s.lostTold
	s.lostTold = n
	if !more {
		return nil
	}
	if len(s.out.Events) >= event.Room {
		if err := s.flush(ts); err != nil {
			return err
		}
	}
	s.out.Events = append(s.out.Events, event.Event{Kind: event.Lost, TS: ts, LostWhere: event.InTable, LostCount: n - told})
	s.count.events.Add(1)
	return nil
}

// flush hands on the batch, also an empty one: it tells the time.
func (s *SocketStage) flush(now int64) error {
	s.out.Now = now
	err := s.send(s.out)
	s.out = s.pool.Get()
	return err
}
