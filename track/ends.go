package track

import (
	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// The end of a socket is the end of the connection's end that it was, of which the wire may show nothing: an attempt
// that its program gave up, a datagram socket that was closed, a peer that does not answer any more.

// reasons are what connections end with, as the kernel says it; how one that lingers ends is not known yet.
var reasons = [...]event.Reason{
	capture.HowFin: event.Fin, capture.HowRst: event.Rst, capture.HowRefused: event.Refused,
	capture.HowTimeout: event.Timeout, capture.HowGone: event.Destroyed, capture.HowLingers: event.NoReason,
}

const (
	// lingerNS is the kernel's patience for the other end's FIN when nobody has the socket any more (tcp_fin_timeout).
	lingerNS = 60_000_000_000
	// sentNS is how much later than its socket's end what it sent may pass.
	sentNS = 1_000_000
	// After the kernel gave up, the other end may still have something to say for as long as its own patience lasts.
	deadNS = 60_000_000_000
)

// socketEnd ends what the socket was an end of. clock and frame are those of the packet before it.
func (w *worker) socketEnd(e *decode.End, clock int64, frame uint64) {
	w.advance(max(clock, e.Due))
	w.key = order{clock: w.now, kind: ofPacket, frame: frame}
	if e.Alone && e.At.Proto != decode.TCP {
		w.endPort(e)
		return
	}
	if !w.mine(&e.At) {
		return
	}
	n := int(e.At.Lane)
	l := &w.lanes[n]
	at, back, found := l.find(w.stage.secret.hash(&e.At), &e.At)
	if !found || e.Foreign && w.isLocal(&e.At) {
		return // not captured; or it has the same ends as one of ours, in another namespace
	}
	s := 0
	if back {
		s = 1
	}
	w.endSide(ref(n, at), l.conn(at), s, e)
}

func (w *worker) isLocal(p *decode.Packet) bool {
	return w.cfg.Local != nil && w.cfg.Local(p.Src.Netip(p.IPVersion))
}

// endSide ends a connection whose side s was the socket.
func (w *worker) endSide(r connRef, c *conn, s int, e *decode.End) {
	if e.TS < c.start {
		return // of an earlier connection with the same ends
	}
	c.gone |= 1 << s
	if c.closed {
		return // the other socket said so before, or the packets
	}
	if c.bypass != 0 {
		w.endBypass(c) // what it sent was counted
	}
	if e.How == capture.HowLingers {
		c.lingers = true
		w.report(r, c, false)
		return
	}
	c.settle(w.cfg.Local)
	if e.At.Proto == decode.TCP {
		w.complete(c, s, &e.TCP)
		c.final = event.StateClosed
		if e.How == capture.HowFin && e.TimeWait == (s == int(c.localSide)) { // one of the two waits
			c.final = event.TimeWait
		}
		w.info, w.infoSide = &e.TCP, s
	}
	// A peer that is not to be reached is sent a reset at last: that is how it ends, and not why.
	if why := reasons[e.How]; c.reason == event.NoReason || why == event.Timeout && c.reason == event.Rst {
		c.reason, c.endTS = why, e.TS
	}
	c.endDue = w.now
	w.report(r, c, false)
	w.info = nil
}

// complete adds to what the packets say what the kernel counted.
func (w *worker) complete(c *conn, s int, i *capture.TCPInfo) {
	if c.rtt() == 0 {
		c.sides[s].halfRTT = i.RTTMicros
	}
	if i.Retransmits > 0 {
		d := &c.disordered(&w.lanes[c.lane])[s]
		d.retransmits = max(d.retransmits, i.Retransmits)
	}
}

// tombstone is how long the name of a connection that was told closed is kept.
func (c *conn) tombstone() int64 {
	if c.gone != 0 && c.key.proto == decode.TCP && (c.reason == event.Timeout || c.reason == event.Destroyed) {
		return deadNS
	}
	return tombstoneNS
}

// afterEnd tells whether a datagram of a connection that was told closed trails in, and begins no new one: an answer
// to a socket that is gone, or what that one still had to send. A new question is somebody else's.
func (c *conn) afterEnd(p *decode.Packet, s int) bool {
	return c.gone != 0 && (p.TS <= c.endTS+sentNS || s == 1 && c.gone&1 != 0)
}

// portIndex finds the connections over a local port, for sockets without a remote end of their own: each has two
// places in lists by port, one for each end.
type portIndex struct {
	first [1 << 16]portRef
	links [lanes][][2]portLink // by place, then by the sides as the first packet had them
}

// portRef is a connection and one of its ends; 0 is none.
type portRef uint64

type portLink struct{ next, prev portRef }

func (x portRef) conn() connRef { return connRef(x >> 1) }

func (x *portIndex) link(at portRef) *portLink {
	r := at.conn()
	return &x.links[r.lane()][r.place()][at&1]
}

// hasPort tells whether sockets of the protocol are listed: those without states, which have a port or an echo
// identifier in its place.
func hasPort(c *conn) bool {
	switch c.key.proto {
	case decode.UDP, udpLite, decode.ICMP, decode.ICMP6:
		return c.key.tunnel == decode.NoTunnel
	}
	return false
}

const (
	udpLite decode.Proto = 136
	dccp    decode.Proto = 33
)

// firstPort is the port of a side, as the first packet had them.
func (c *conn) firstPort(side int) uint16 {
	if c.swapped {
		side = 1 - side
	}
	if side == 0 {
		return c.key.srcPort
	}
	return c.key.dstPort
}

func (x *portIndex) add(r connRef, c *conn) {
	l := &x.links[r.lane()]
	for int(r.place()) >= len(*l) {
		*l = append(*l, [2]portLink{})
	}
	for side := range 2 {
		port := c.firstPort(side)
		if port == 0 || side == 1 && port == c.firstPort(0) {
			continue
		}
		at := portRef(r)<<1 | portRef(side)
		*x.link(at) = portLink{next: x.first[port]}
		if next := x.first[port]; next != 0 {
			x.link(next).prev = at
		}
		x.first[port] = at
	}
}

func (x *portIndex) remove(r connRef, c *conn) {
	for side := range 2 {
		port := c.firstPort(side)
		if port == 0 || side == 1 && port == c.firstPort(0) {
			continue
		}
		l := x.link(portRef(r)<<1 | portRef(side))
		if l.next != 0 {
			x.link(l.next).prev = l.prev
		}
		if l.prev != 0 {
			x.link(l.prev).next = l.next
		} else {
			x.first[port] = l.next
		}
		*l = portLink{}
	}
}

// Steps are what connections cost that an end of a socket for itself is compared with: whoever may bind a port makes ends as fast as calls
// are, and a million connections over it.
const (
	stepsMost = 1 << 20
	stepNS    = 1000 // gives one
)

// steps are how many are left.
type steps struct {
	left int64
	at   int64 // time up to which they were given
}

func (s *steps) take(now int64) bool {
	if s.left == 0 {
		if s.left = min((now-s.at)/stepNS, stepsMost); s.left <= 0 {
			s.left = 0
			return false
		}
		s.at = now
	}
	s.left--
	return true
}

// endPort ends all connections over the port that the socket had for itself. Those that there are no steps for end by their silence.
func (w *worker) endPort(e *decode.End) {
	local := e.End.Local.Addr()
	if w.ports == nil || local.IsUnspecified() && (e.Foreign || w.cfg.Local == nil) {
		return // any address of a namespace whose addresses are not known
	}
	for at := w.ports.first[e.At.SrcPort]; at != 0; at = w.ports.link(at).next {
		if !w.steps.take(w.now) {
			w.EndsPassed++
			return
		}
		c := w.at(at.conn())
		if c.key.proto != e.At.Proto {
			continue
		}
		for s, a := range [2]decode.Addr{c.key.src, c.key.dst} {
			if port := [2]uint16{c.key.srcPort, c.key.dstPort}[s]; port != e.At.SrcPort || !w.isEnd(c, a, e) {
				continue
			}
			w.endSide(at.conn(), c, s, e)
			break
		}
	}
}

// isEnd tells whether the socket had packets of an address.
func (w *worker) isEnd(c *conn, a decode.Addr, e *decode.End) bool {
	if local := e.End.Local.Addr(); !local.IsUnspecified() {
		return a == e.At.Src && c.key.version == e.At.IPVersion && !(e.Foreign && w.isLocal(&e.At))
	}
	return (c.key.version == e.At.IPVersion || c.key.version == 4 && e.V4Too) && w.cfg.Local(a.Netip(c.key.version))
}
