package track

import (
	"math"
	"net/netip"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// Of a long connection, in which nothing more is inspected, the kernel can count packets as well as we can, and
// then they need not come here. What must not change by that is anything that is told. So it counts only what follows
// in order, and hands over what does not, and everything behind it; and here a packet of such a connection that
// comes after all means that the counts are taken first. They are so taken as often as an updated may be due.

// Bypass is where the kernel is told of connections to count; capture/bypass says how.
type Bypass interface {
	// Begin takes a place for a connection, and End gives it back.
	Begin(*capture.Flow) (n uint32, ok bool)
	End(n uint32)
	// Ask asks for counting. Of two packets that are marked then, Confirm is called behind the first, and behind
	// the second it counts.
	Ask(n uint32, f *capture.Flow)
	Confirm(n uint32, f *capture.Flow) bool
	// Stopped tells whether packets pass again, Begun since when they do not (0 = they do).
	Stopped(n uint32) bool
	Begun(n uint32) int64
	// Halt ends counting: nothing is counted when it returns.
	Halt(n uint32)
	// Read takes what was counted since it was taken last.
	Read(n uint32, c *capture.Counted)
}

const (
	// A connection is worth a place when it had twice as many packets as this, and the latter half within worthNS.
	worthPackets = 64
	worthNS      = 1_000_000_000
	// It has asked in vain, or was stopped: again after so many packets, twice as many each time that little was
	// counted in between.
	againMin, againMax = 64, 4096
	// quietNS is how long it keeps its place though nothing is counted.
	quietNS = 10_000_000_000
	// lookNS is how often counts are taken where no updated is due sooner.
	lookNS = 1_000_000_000
	// Of two packets so far apart the later one was handed over later as well, whatever clock stamped them.
	apartNS = 50_000_000
)

// bypassed is a connection with a place.
type bypassed struct {
	n        uint32
	state    bypassState
	wait     uint32 // packets until it asks
	patience uint32 // what wait begins at
	due      int64  // clock at which it is looked at
	moved    int64  // clock at which there were some last
	asked    int64  // clock at which it asked last
	stopped  int64  // packet time up to which marks were made that have not come
	since    uint64 // packets that were counted since
}

type bypassState uint8

const (
	resting   bypassState = iota
	asking                // and everything passes
	confirmed             // so, too, until the second mark
	counts
)

// candidate is a connection that may be worth a place.
type candidate struct {
	frame uint64
	clock int64
}

// bypassing is a worker's part of it.
type bypassing struct {
	conns      []bypassed // by conn.bypass-1
	free       []uint16
	candidates [256]candidate
	flow       capture.Flow    // scratch
	counted    capture.Counted // scratch
}

// considerBypass decides, after a packet was taken, whether the kernel may count what follows it.
func (w *worker) considerBypass(c *conn, p *decode.Packet) {
	if c.bypass != 0 {
		w.stepBypass(c, p)
		return
	}
	if (c.sides[0].packets+c.sides[1].packets)%worthPackets != 0 || !c.countable() {
		return
	}
	b := w.bypass
	at := &b.candidates[c.hash%uint32(len(b.candidates))]
	if at.frame != c.frame || p.Clock-at.clock > worthNS {
		*at = candidate{c.frame, p.Clock}
		return
	}
	*at = candidate{}
	c.flowTo(&b.flow)
	n, ok := w.cfg.Bypass.Begin(&b.flow)
	if !ok {
		return
	}
	if len(b.free) == 0 {
		b.conns = append(b.conns, bypassed{})
		b.free = append(b.free, uint16(len(b.conns)))
	}
	c.bypass = b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.conns[c.bypass-1] = bypassed{n: n, patience: againMin, moved: p.Clock, due: p.Clock + w.lookEvery()}
	w.askBypass(c, p.Clock)
}

func (w *worker) lookEvery() int64 {
	if i := int64(w.cfg.Interval); i > 0 {
		return min(i, lookNS)
	}
	return lookNS
}

// countable tells whether the connection is of a kind that the kernel counts, and in a state that it can go on from.
func (c *conn) countable() bool {
	if !c.done(0) && !c.done(1) || !c.published || c.closed || c.reason != event.NoReason || c.gone != 0 || c.twice && c.key.proto != decode.TCP ||
		c.key.tunnel != decode.NoTunnel || c.vlan != 0 || c.key.version == 0 || c.iface == nil {
		return false
	}
	if l := c.iface.Link; l != capture.LinkEthernet && l != capture.LinkRaw {
		return false
	}
	switch c.key.proto {
	case decode.UDP:
		return !decode.TunnelPorts(c.key.srcPort, c.key.dstPort) // one that does not look like a tunnel may yet be one
	case decode.TCP:
		if !c.tcp.established {
			return false
		}
		for s := range c.sides {
			if t := &c.sides[s].tcp; !t.is(started) || !t.is(hasAcked) || t.is(holed) || t.is(finSent) {
				return false
			}
		}
		return true
	}
	return false
}

// done tells whether nothing that a side says is inspected any more. Of TCP both sides are: one may explain the other.
func (c *conn) done(s int) bool {
	return c.inspected || c.key.proto == decode.UDP && c.flow != nil && c.flow.Done(c.dpiSide(s))
}

// flowTo says what the kernel must know.
func (c *conn) flowTo(f *capture.Flow) {
	f.Proto = uint8(c.key.proto)
	f.Ends[0] = netip.AddrPortFrom(c.key.src.Netip(c.key.version), c.key.srcPort)
	f.Ends[1] = netip.AddrPortFrom(c.key.dst.Netip(c.key.version), c.key.dstPort)
	for s := range c.sides {
		d := &c.sides[s]
		f.Iface[s], f.Next[s] = d.iface-1, d.tcp.next
		if d.iface == 0 { // it has said nothing yet
			f.Iface[s] = c.sides[1-s].iface - 1
		}
		f.Data[s], f.Acks[s], f.Shut[s] = c.has(noteData, s) && c.done(s), c.has(noteACK, s), c.has(noteWindow, s)
	}
}

func (w *worker) askBypass(c *conn, clock int64) {
	b := &w.bypass.conns[c.bypass-1]
	c.flowTo(&w.bypass.flow)
	w.cfg.Bypass.Ask(b.n, &w.bypass.flow)
	b.state, b.asked, b.since = asking, clock, 0
}

// stepBypass goes on with a connection that has a place, after a packet that passed.
func (w *worker) stepBypass(c *conn, p *decode.Packet) {
	b := &w.bypass.conns[c.bypass-1]
	switch b.state {
	case resting:
		if b.wait > 0 {
			b.wait--
		} else if p.TS > b.stopped+apartNS && c.countable() {
			w.askBypass(c, p.Clock)
		}
		return
	case asking:
		if !p.Marked {
			break
		}
		c.flowTo(&w.bypass.flow)
		if c.countable() && w.cfg.Bypass.Confirm(b.n, &w.bypass.flow) {
			b.state = confirmed
		} else {
			w.stopBypass(c, p.Clock)
		}
		return
	case confirmed:
		if p.Marked {
			b.state = counts
			return
		}
	case counts:
		return // the mark itself, see arrived
	}
	// Marks that have not come in all that time will not: there was no room for them.
	if w.cfg.Bypass.Stopped(b.n) || p.Clock-b.asked > worthNS {
		w.cfg.Bypass.Halt(b.n)
		if w.cfg.Bypass.Begun(b.n) == 0 { // else the second mark, and what was counted behind it, is still to come
			w.stopBypass(c, p.Clock)
		}
	}
}

// arrived takes, before a packet, what was counted before it.
func (w *worker) arrived(c *conn, p *decode.Packet) {
	b := &w.bypass.conns[c.bypass-1]
	if p.Marked {
		return
	}
	if b.state == confirmed {
		if t := w.cfg.Bypass.Begun(b.n); t != 0 && p.TS > t+apartNS {
			b.state = counts // there was no room for the second mark
		}
	}
	if b.state == counts {
		w.stopBypass(c, p.Clock)
	}
}

// stopBypass ends the counting, until the connection asks again.
func (w *worker) stopBypass(c *conn, clock int64) {
	b := &w.bypass.conns[c.bypass-1]
	w.cfg.Bypass.Halt(b.n)
	w.cfg.Bypass.Read(b.n, &w.bypass.counted)
	w.takeCounted(c, b, clock, math.MaxInt64)
	if b.since > uint64(b.patience) {
		b.patience = againMin
	} else {
		b.patience = min(2*b.patience, againMax)
	}
	if b.state != counts { // marks may still be on their way
		b.stopped = w.bypass.counted.Now
	}
	b.state, b.wait = resting, b.patience
}

// endBypass gives the connection's place back.
func (w *worker) endBypass(c *conn) {
	w.stopBypass(c, w.now)
	b := &w.bypass.conns[c.bypass-1]
	w.cfg.Bypass.End(b.n)
	w.bypass.free = append(w.bypass.free, c.bypass)
	c.bypass = 0
}

// lookBypass takes what was counted so far.
func (w *worker) lookBypass(c *conn, now int64) {
	b := &w.bypass.conns[c.bypass-1]
	b.due = now + w.lookEvery()
	if b.state == counts {
		w.cfg.Bypass.Read(b.n, &w.bypass.counted)
		w.takeCounted(c, b, now, now)
	}
	b.moved = max(b.moved, c.heard())
	if now-b.moved > quietNS {
		w.endBypass(c)
	}
}

// takeCounted is what count, follow and tcpPacket would have made of the packets, of which none is later than until.
func (w *worker) takeCounted(c *conn, b *bypassed, clock, until int64) {
	n := &w.bypass.counted
	w.Skipped[decode.SkipDuplicate] += n.Twice
	for s := range c.sides {
		if n.Packets[s] == 0 {
			continue
		}
		d := &c.sides[s]
		d.packets += n.Packets[s]
		d.bytes += n.Bytes[s]
		w.Packets += n.Packets[s]
		b.since += n.Packets[s]
		last := min(n.Last[s], until)
		d.heard, c.last = max(d.heard, last), max(c.last, last)
		if s == 0 && c.noted&answered == 0 { // or it would be here
			c.exchange(0, n.Last[0])
		}
		c.dirty, b.moved = true, clock
		if c.sides[1-s].packets > 0 {
			c.spared = 2
		}
	}
	if b.state != counts || c.key.proto != decode.TCP {
		return
	}
	for s := range c.sides {
		d := &c.sides[s].tcp
		d.next, d.acked = n.Next[s], n.Acked[s]
		if d.is(holed) {
			c.pass(s, 0)
		}
		c.sides[s].trip(n.RTTMicros[s])
		if n.Timing[s] {
			d.time(n.TimedSeq[s], n.TimedTS[s])
		} else if d.is(timing) && !after(d.timedSeq, d.acked) {
			d.unset(timing)
		}
	}
}
