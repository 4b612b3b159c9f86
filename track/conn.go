package track

import (
	"net/netip"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

// conn is all that is kept of a connection. Side 0 is the origin, who opened it, 1 the responder.
//
// Its order is that of cache lines: a packet of a connection that is well under way touches the
// first four of six. TestConnLayout holds it.
type conn struct {
	key   key
	hash  uint32
	noted uint32 // which letters the history has, see note; and answered
	frame uint64 // number of the frame that began it: the order of connections

	timer     timer
	connected uint32    // of TCP: microseconds from start until both ends had agreed, 1 at least; 0 = that was not seen
	waited    uint32    // see exchange
	told      int64     // clock at the last event; at the first packet, as long as there was none
	last      int64     // packet time of the last packet
	flow      *dpi.Flow // inspection under way
	used      bool
	spared    uint8 // see lane.victim
	partial   bool
	published bool // new has been told; local and remote are settled
	closed    bool // closed has been told; what follows is late
	dirty     bool // changed since the last event
	inspected bool // nothing more is wanted of the payload
	known     bool // what new waits for is known
	reason    event.Reason
	tcp       tcpFlags
	lane      uint8
	swapped   bool   // origin and responder are not as the first packet had them
	bypass    uint16 // 1 + place in bypassing.conns; 0 = the kernel does not know of it

	sides [2]side

	disorder  *[2]disorder // of TCP, nil as long as there was none
	app       *event.App
	iface     *capture.Interface
	id        uint64
	start     int64     // packet time of the first packet
	toldTS    int64     // packet time of the last event
	toldBytes [2]uint64 // of the sides, then
	endTS     int64     // when it ended, once reason is set
	endDue    int64     // clock at which the end is told
	rttMicros uint32
	tunnelID  uint32
	otherKey  uint32 // of the tunnel that the other half of it goes through, where joined is set
	otherHash uint32 // the connection's with that
	vlan      uint16
	icmpType  uint8
	icmpCode  uint8
	letters   uint8 // of history
	direction event.Direction
	firstDir  capture.Dir
	gone      uint8       // bit set = that side's socket has ended
	lingers   bool        // as capture.HowLingers says it
	final     event.State // of the local end, where its kernel said so
	history   [16]byte
	twice     bool // it was seen on several interfaces at once
	recorded  bool // a file says which end is local, and who opened
	settled   bool // direction and localSide are computed
	localSide uint8
	joined    bool          // see halves
	other     decode.Tunnel // like otherKey
}

// side is what one end sent, as far as every packet needs it.
type side struct {
	bytes, packets uint64
	heard          int64 // clock at its last packet
	tcp            tcpSide
	iface          int32  // 1 + index of the interface its packets are counted on, 0 = none yet
	halfRTT        uint32 // of TCP: microseconds from its segment to the acknowledgement of that, the smallest; 0 = not known
}

// What happened, as Zeek's letters, in the order of the bits of conn.noted: origin's, then responder's.
const letters = "shadfrtwcgq"

// note adds one of Zeek's letters to the history, upper case from the origin; each at most once a
// side. What does not fit any more is left out.
func (c *conn) note(letter uint8, s int) {
	if !c.has(letter, s) {
		c.write(letter, s)
	}
}

func (c *conn) write(letter uint8, s int) {
	c.noted |= uint32(1) << (uint32(letter) + uint32(s)*16)
	if int(c.letters) < len(c.history) {
		l := letters[letter]
		if s == 0 {
			l -= 'a' - 'A'
		}
		c.history[c.letters] = l
		c.letters++
	}
}

// has tells whether the history has a letter from a side.
func (c *conn) has(letter uint8, s int) bool { return c.noted>>(uint32(letter)+uint32(s)*16)&1 != 0 }

// Indexes into letters.
const (
	noteSYN uint8 = iota
	noteSYNACK
	noteACK
	noteData
	noteFIN
	noteRST
	noteAgain
	noteWindow
	noteSum
	noteGap
	noteMulti
)

// heard is the clock at the last packet: what idleness is measured from.
func (c *conn) heard() int64 { return max(c.sides[0].heard, c.sides[1].heard) }

// answered is set in conn.noted once the responder has sent data, beside the letters.
const answered = 1 << 31

// exchange times the responder's first data. Until it comes, waited is since when the responder could have sent it: the end of the handshake, or
// the last new data of the origin's. From then on, waited is how long it took. 0 is not known.
func (c *conn) exchange(s int, ts int64) {
	at := c.since(ts)
	if s == 0 {
		c.waited = max(c.waited, at)
		return
	}
	c.noted |= answered
	if c.waited == 0 || at < c.waited || at == never {
		c.waited = 0
	} else {
		c.waited = max(1, at-c.waited)
	}
}

// connect notes that both ends of a TCP connection have agreed.
func (c *conn) connect(ts int64) {
	at := c.since(ts)
	if at == never {
		return
	}
	c.connected = max(1, at-1)
	if c.noted&answered == 0 {
		c.waited = max(c.waited, at)
	}
}

// response is how long the responder's first data took, in microseconds; 0 = not known, or it is still to come.
func (c *conn) response() uint32 {
	if c.noted&answered == 0 || c.partial {
		return 0
	}
	return c.waited
}

// since is 1 + the microseconds from the connection's start, or never where they are too many.
func (c *conn) since(ts int64) uint32 { return uint32(min(max(ts-c.start, 0)/1000+1, never)) }

const never = 1<<32 - 1

// began takes back the start to a packet that was captured behind later ones.
func (c *conn) began(ts int64) {
	by := uint64(c.start-ts) / 1000
	c.start = ts
	if c.connected != 0 {
		c.connected = uint32(min(uint64(c.connected)+by, never))
	}
	if c.waited != 0 && c.noted&answered == 0 {
		c.waited = uint32(min(uint64(c.waited)+by, never))
	}
}

// swap makes the responder the origin, when later evidence says so.
func (c *conn) swap() {
	c.key = c.key.reversed()
	c.sides[0], c.sides[1] = c.sides[1], c.sides[0]
	c.toldBytes[0], c.toldBytes[1] = c.toldBytes[1], c.toldBytes[0]
	if d := c.disorder; d != nil {
		d[0], d[1] = d[1], d[0]
	}
	c.noted &^= answered
	c.noted, c.waited = c.noted<<16|c.noted>>16, 0
	c.swapped = !c.swapped
	if c.recorded {
		c.localSide = 1 - c.localSide
	} else {
		c.settled = false
	}
	c.tcp.swap()
	h := c.history[:c.letters]
	for i, b := range h {
		if b != '^' {
			h[i] = b ^ ('a' - 'A')
		}
	}
	if int(c.letters) < len(c.history) {
		copy(c.history[1:], h)
		c.history[0] = '^'
		c.letters++
	}
}

// settle decides which end is this machine's and who opened the connection, seen from it.
func (c *conn) settle(local func(netip.Addr) bool) {
	if c.settled {
		return
	}
	c.settled = true
	c.localSide, c.direction = 0, event.DirectionUnknown
	if local == nil || c.key.version == 0 {
		return
	}
	src, dst := c.key.src.Netip(c.key.version), c.key.dst.Netip(c.key.version)
	switch o, r := local(src), local(dst); {
	case o && r:
		c.direction = event.Local
	case o:
		c.direction = event.Out
	case r:
		c.direction, c.localSide = event.In, 1
	case src.IsUnspecified():
		c.direction = event.Out // DHCP before there is an address
		if c.firstDir == capture.DirIn {
			c.direction, c.localSide = event.In, 1
		}
	case dst.IsMulticast() || dst == broadcast4:
		c.direction, c.localSide = event.In, 1
	default:
		c.direction = event.Forward
	}
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// idFor makes the connection's identifier: the same for the same file, whatever the run.
func idFor(k *key, start int64, frame uint64) uint64 {
	h := mix(k.src.Hi, k.src.Lo^uint64(k.srcPort)<<48)
	h = mix(h^k.dst.Hi, k.dst.Lo^uint64(k.dstPort)<<48)
	h = mix(h^uint64(start), uint64(k.proto)<<48^uint64(k.tunnelKey)^frame<<20)
	if h == 0 {
		return 1
	}
	return h
}

// fill writes the connection into an event of its kind at packet time ts.
func (c *conn) fill(e *event.Event, kind event.Kind, ts int64, local func(netip.Addr) bool) {
	c.settle(local)
	l := int(c.localSide)
	k := c.key
	var echo uint16
	icmp := k.proto == decode.ICMP || k.proto == decode.ICMP6
	if icmp { // the echo identifier is no port
		echo, k.srcPort, k.dstPort = k.srcPort, 0, 0
	}
	if l == 1 {
		k = k.reversed()
	}
	*e = event.Event{} // and not with the rest in it: that would be made elsewhere and copied
	e.Kind, e.TS, e.ID = kind, ts, c.id
	e.Direction, e.State, e.Partial, e.RemoteServes = c.direction, c.state(l), c.partial, l == 0
	e.Proto, e.VLAN = uint16(c.key.proto), c.vlan
	e.Tunnel, e.TunnelID = event.Tunnel(c.key.tunnel), c.tunnelID
	e.HasICMP, e.ICMPType, e.ICMPCode, e.EchoID = icmp, c.icmpType, c.icmpCode, echo
	e.Start, e.Last = c.start, c.last
	c.side(&e.Tx, l)
	c.side(&e.Rx, 1-l)
	e.RTTMicros, e.ConnectMicros, e.ResponseMicros = c.rtt(), c.connected, c.response()
	e.History, e.App = c.history, c.app
	if k.version == 0 {
		e.LocalMAC, e.RemoteMAC = k.src.Lo, k.dst.Lo
	} else {
		if k.proto == decode.ARP || neighbours(k.proto, c.icmpType) {
			e.LocalMAC, e.RemoteMAC = c.sides[l].mac(), c.sides[1-l].mac()
		}
		e.Local = netip.AddrPortFrom(k.src.Netip(k.version), k.srcPort)
		e.Remote = netip.AddrPortFrom(k.dst.Netip(k.version), k.dstPort)
	}
	if c.iface != nil {
		e.Iface = c.iface.Name
	}
	if kind == event.Closed {
		e.Reason = c.reason
	}
	if c.published {
		e.Interval = ts - c.toldTS
	}
}

// payload is how much a side sent over TCP, without what was sent again, where that is known exactly: where its first and its last sequence
// number were seen, whatever was captured in between.
func (c *conn) payload(i int) (n uint64, ok bool) {
	if c.key.proto != decode.TCP {
		return 0, false
	}
	s := &c.sides[i]
	head := uint64(40) // without options
	if c.key.version == 6 {
		head = 60
	}
	switch t := &s.tcp; {
	case t.is(hasISN) && t.is(finSent):
		n = uint64(t.finSeq - t.isn - 2) // both take a number of their own
		const lap = 1 << 32
		if most := s.bytes - min(s.bytes, s.packets*head); most > n { // numbers begin again; what was lost or sent again is less than half of them
			n += (most - n + lap/2) / lap * lap
		}
		return n, true
	case c.reason != event.Refused:
		return 0, false
	case t.is(hasISN):
		return uint64(t.next - t.isn - 1), true
	}
	return 0, !s.tcp.is(started) // it sent nothing but resets
}

func (c *conn) side(e *event.Side, i int) {
	s := &c.sides[i]
	e.Bytes, e.Packets, e.BytesDelta = s.bytes, s.packets, s.bytes-c.toldBytes[i]
	if c.disorder != nil {
		e.Retransmits, e.OutOfOrder = c.disorder[i].retransmits, c.disorder[i].outOfOrder
	}
}

// trip takes a measured half of a round trip.
func (s *side) trip(micros uint32) {
	if micros != 0 && (s.halfRTT == 0 || micros < s.halfRTT) {
		s.halfRTT = micros
	}
}
