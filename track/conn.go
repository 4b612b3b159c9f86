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
// first four of eight. TestConnLayout holds it.
type conn struct {
	key   key
	hash  uint32
	frame uint64 // number of the frame that began it: the order of connections

	timer     timer
	heard     int64  // clock at the last packet: what idleness is measured from
	told      int64  // clock at the last event
	last      int64  // packet time of the last packet
	noted     uint32 // which letters the history has, see note
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

	sides [2]side

	rare      [2]rareSide
	id        uint64
	start     int64     // packet time of the first packet
	born      int64     // clock at the first packet
	toldTS    int64     // packet time of the last event
	endTS     int64     // when it ended, once reason is set
	endDue    int64     // clock at which the end is told
	flow      *dpi.Flow // inspection under way
	app       *event.App
	iface     *capture.Interface
	rttMicros uint32
	tunnelID  uint32
	vlan      uint16
	icmpType  uint8
	icmpCode  uint8
	history   [16]byte
	letters   uint8
	swapped   bool // origin and responder are not as the first packet had them
	settled   bool // direction and localSide are computed
	direction event.Direction
	localSide uint8
	firstDir  capture.Dir
	lane      uint8
	_         [3]byte
}

// side is what one end sent, as far as every packet needs it.
type side struct {
	bytes, packets uint64
	heard          int64 // clock at its last packet
	tcp            tcpSide
	iface          int32 // 1 + index of the interface its packets are counted on, 0 = none yet
}

// rareSide is the rest.
type rareSide struct {
	told   uint64 // bytes at the last event
	tcp    tcpRare
	prints [8]uint32 // of the latest datagrams, where there are several interfaces
}

// What happened, as Zeek's letters, in the order of the bits of conn.noted: origin's, then responder's.
const letters = "shadfrtwcgq"

// note adds one of Zeek's letters to the history, upper case from the origin; each at most once a
// side. What does not fit any more is left out.
func (c *conn) note(letter uint8, s int) {
	bit := uint32(1) << (uint32(letter) + uint32(s)*16)
	if c.noted&bit != 0 {
		return
	}
	c.noted |= bit
	if int(c.letters) < len(c.history) {
		l := letters[letter]
		if s == 0 {
			l -= 'a' - 'A'
		}
		c.history[c.letters] = l
		c.letters++
	}
}

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

// swap makes the responder the origin, when later evidence says so.
func (c *conn) swap() {
	c.key = c.key.reversed()
	c.sides[0], c.sides[1] = c.sides[1], c.sides[0]
	c.rare[0], c.rare[1] = c.rare[1], c.rare[0]
	c.noted = c.noted<<16 | c.noted>>16
	c.swapped = !c.swapped
	c.settled = false
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
	icmp := k.proto == decode.ICMP || k.proto == decode.ICMP6
	if icmp { // the echo identifier is no port
		k.srcPort, k.dstPort = 0, 0
	}
	if l == 1 {
		k = k.reversed()
	}
	*e = event.Event{
		Kind: kind, TS: ts, ID: c.id,
		Direction: c.direction, State: c.state(l), Partial: c.partial, RemoteServes: l == 0,
		Proto: uint16(c.key.proto), IPVersion: c.key.version, VLAN: c.vlan,
		Tunnel: tunnelNames[c.key.tunnel], TunnelID: c.tunnelID,
		HasICMP: icmp, ICMPType: c.icmpType, ICMPCode: c.icmpCode,
		Start: c.start, Last: c.last,
		Tx: c.side(l), Rx: c.side(1 - l),
		RTTMicros: c.rtt(), History: c.history, App: c.app,
	}
	if k.version == 0 {
		e.LocalMAC, e.RemoteMAC = k.src.Lo, k.dst.Lo
	} else {
		e.Local = netip.AddrPortFrom(k.src.Netip(k.version), k.srcPort)
		e.Remote = netip.AddrPortFrom(k.dst.Netip(k.version), k.dstPort)
	}
	if c.iface != nil {
		e.Iface = c.iface.Name
	}
	if kind == event.Closed {
		e.Reason = c.reason
	}
	if kind >= event.Updated && c.published {
		e.Interval = ts - c.toldTS
	}
}

var tunnelNames = [...]string{"", "ipip", "gre", "vxlan", "geneve", "gtp", "teredo"}

func (c *conn) side(i int) event.Side {
	s, r := &c.sides[i], &c.rare[i]
	return event.Side{Bytes: s.bytes, Packets: s.packets, BytesDelta: s.bytes - r.told,
		Retransmits: r.tcp.retransmits, OutOfOrder: r.tcp.outOfOrder}
}
