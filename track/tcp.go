package track

import (
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// tcpSide is one end's stream as it went past: sequence numbers of what it sent.
type tcpSide struct {
	timedTS  int64  // one segment at a time is timed (Karn: never one that was sent twice)
	timedSeq uint32 // behind it
	next     uint32 // behind the highest byte sent; valid where started
	acked    uint32 // highest acknowledgement the other end gave it
	isn      uint32 // of its SYN; valid where hasISN
	finSeq   uint32 // behind its FIN; valid where finSent
	marks    tcpMarks
}

// tcpMarks is a set of what is known of one end's stream.
type tcpMarks uint8

const (
	hasISN tcpMarks = 1 << iota
	sentSYNACK
	started
	timing
	hasAcked
	holed // there is a hole
	finSent
	finAcked
)

func (t *tcpSide) is(m tcpMarks) bool { return t.marks&m != 0 }
func (t *tcpSide) set(m tcpMarks)     { t.marks |= m }
func (t *tcpSide) unset(m tcpMarks)   { t.marks &^= m }

// disorder is what few connections need: of each end, what came late or again.
type disorder struct {
	// The latest gap that was left, [holeFrom, holeTo), and when: a segment that fills it soon was
	// only late, one that comes after a round trip was sent again.
	holeTS           int64
	holeFrom, holeTo uint32

	retransmits, outOfOrder uint32
}

type tcpFlags struct {
	established bool
	synAck      bool
	finFirst    uint8 // 1+side that sent the first FIN
}

func (f *tcpFlags) swap() {
	if f.finFirst != 0 {
		f.finFirst = 3 - f.finFirst
	}
}

// Segments later than this behind the gap they fill were sent again rather than delayed, where no
// round trip is known (the bound Wireshark's sequence analysis uses).
const reorderNS = 3_000_000

func after(a, b uint32) bool { return int32(a-b) > 0 }

// tcpOrigin tells for the first packet of a connection whether its sender is the responder, and
// whether the start went unseen.
func tcpOrigin(p *decode.Packet) (swapped, partial bool) {
	switch p.TCPFlags & (decode.SYN | decode.ACK) {
	case decode.SYN:
		return false, false
	case decode.SYN | decode.ACK:
		return true, true
	}
	return serves(p.SrcPort, p.DstPort), true
}

// serves guesses by ports alone whether the first is the server's, for want of anything better:
// a system port (RFC 6335) against a higher one, or a registered one against a dynamic one.
func serves(a, b uint16) bool {
	return class(a) < class(b)
}

func class(port uint16) int {
	switch {
	case port < 1024:
		return 0
	case port < 32768: // Linux's default range for clients begins here, IANA's at 49152
		return 1
	}
	return 2
}

// tcpSeen tells whether all that a segment says was said before.
func (c *conn) tcpSeen(p *decode.Packet, s int) bool {
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	end := p.Seq + p.PayloadLen
	switch {
	case p.TCPFlags&decode.RST != 0:
		return c.reason != event.NoReason
	case p.TCPFlags&decode.SYN != 0:
		return t.is(hasISN) && t.isn == p.Seq && t.is(sentSYNACK) == (p.TCPFlags&decode.ACK != 0)
	case p.TCPFlags&decode.FIN != 0 && !t.is(finSent):
		return false
	case p.PayloadLen > 0:
		return t.is(started) && !after(end, t.next)
	}
	return o.is(hasAcked) && !after(p.Ack, o.acked)
}

// isReuse tells whether a segment of an existing connection begins a new one on the same ports.
func (c *conn) isReuse(p *decode.Packet, s int) bool {
	if p.TCPFlags&(decode.SYN|decode.ACK|decode.RST) != decode.SYN {
		if !c.closed || p.TCPFlags&decode.RST != 0 || p.PayloadLen == 0 {
			return false
		}
		// Data behind the end is late, unless it lies outside all that was ever sent.
		t := &c.sides[s].tcp
		d := int32(p.Seq - t.next)
		return t.is(started) && (d > 1<<24 || d < -1<<24)
	}
	t := &c.sides[s].tcp
	if t.is(hasISN) {
		return t.isn != p.Seq
	}
	// Its SYN was not seen. One that lies shortly before the bytes that were is only late.
	return t.is(started) && !(int32(t.next-p.Seq) > 0 && int32(t.next-p.Seq) < 1<<24)
}

// tcpPacket follows one segment that side s sent.
func (c *conn) tcpPacket(l *lane, p *decode.Packet, s int) {
	if p.TCPFlags&(decode.SYN|decode.FIN|decode.RST) != 0 {
		c.tcpControl(l, p, s)
		return
	}
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	length, acks := p.PayloadLen, p.TCPFlags&decode.ACK != 0
	switch {
	case length > 0:
		c.note(noteData, s)
	case acks:
		c.note(noteACK, s)
	}
	if p.Window == 0 {
		c.note(noteWindow, s)
	}
	switch {
	case !t.is(started) || length > 0 && p.Seq != t.next:
		c.sequence(l, p, s, t, p.Seq+length)
	case length > 0: // the next of its stream, as nearly all are
		t.next += length
		if !t.is(timing) {
			t.time(t.next, p.TS)
		}
	}
	if acks {
		c.acknowledge(p, s, o)
	}
}

// tcpControl follows a segment that begins or ends something.
func (c *conn) tcpControl(l *lane, p *decode.Packet, s int) {
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	flags := p.TCPFlags
	length := p.PayloadLen
	end := p.Seq + length
	if flags&decode.SYN != 0 {
		end++
	}
	if flags&decode.FIN != 0 {
		end++
	}
	if flags&decode.RST != 0 {
		c.note(noteRST, s)
		return
	}
	switch {
	case flags&(decode.SYN|decode.FIN) == decode.SYN|decode.FIN:
		c.note(noteMulti, s)
	case flags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		c.note(noteSYNACK, s)
		c.tcp.synAck = true
	case flags&decode.SYN != 0:
		c.note(noteSYN, s)
	}
	if flags&decode.SYN != 0 && !t.is(hasISN) {
		t.isn = p.Seq
		t.set(hasISN)
	}
	if length > 0 {
		c.note(noteData, s)
	}
	c.sequence(l, p, s, t, end)
	if flags&decode.FIN != 0 {
		c.note(noteFIN, s)
		if !t.is(finSent) {
			t.finSeq = end
			t.set(finSent)
			if c.tcp.finFirst == 0 {
				c.tcp.finFirst = uint8(s) + 1
			}
		}
	}
	if flags&decode.ACK != 0 {
		c.acknowledge(p, s, o)
	}
	if flags&decode.SYN != 0 && flags&decode.ACK != 0 {
		t.set(sentSYNACK)
	}
}

// sequence places a segment in its sender's stream, and counts what came late or again.
func (c *conn) sequence(l *lane, p *decode.Packet, s int, t *tcpSide, end uint32) {
	if end == p.Seq { // a bare ACK takes no room in the stream, but tells where it is
		if !t.is(started) {
			t.next = end
			t.set(started)
		}
		return
	}
	if !t.is(started) {
		t.next = end
		t.set(started)
		t.time(end, p.TS)
		return
	}
	switch d := int32(p.Seq - t.next); {
	case d == 0:
		t.next = end
		if !t.is(timing) {
			t.time(end, p.TS)
		}
	case d > 0:
		r := &c.disordered(l)[s]
		r.holeFrom, r.holeTo, r.holeTS = t.next, p.Seq, p.TS
		t.next = end
		t.set(holed)
	case d == -1 && p.PayloadLen <= 1 && p.TCPFlags&(decode.SYN|decode.FIN) == 0:
		// keep-alive: the byte before the next one, acknowledged long since (RFC 9293 §3.8.4)
	case p.TCPFlags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK && !t.is(sentSYNACK):
		// both opened at once: its SYN stands again in its first SYN-ACK (RFC 9293 §3.5)
	default:
		c.late(l, p, s, t, end)
	}
}

func (c *conn) late(l *lane, p *decode.Packet, s int, t *tcpSide, end uint32) {
	r := &c.disordered(l)[s]
	inHole := t.is(holed) && !after(r.holeFrom, p.Seq) && !after(end, r.holeTo)
	if inHole && p.Seq == r.holeFrom {
		r.holeFrom = end
		if end == r.holeTo {
			t.unset(holed)
		}
	}
	patience := int64(reorderNS)
	if us := int64(c.rtt()); us > 0 {
		patience = min(us*1000, 50*reorderNS)
	}
	if inHole && p.TS-r.holeTS < patience && !(t.is(hasAcked) && after(t.acked, p.Seq)) {
		r.outOfOrder++
		return
	}
	r.retransmits++
	t.unset(timing) // Karn's algorithm (RFC 6298 §3)
	c.note(noteAgain, s)
	if after(end, t.next) {
		t.next = end
	}
}

// disordered is for what is about to be counted there.
func (c *conn) disordered(l *lane) *[2]disorder {
	if c.disorder == nil {
		c.disorder = l.newDisorder()
	}
	return c.disorder
}

func (t *tcpSide) time(end uint32, ts int64) {
	t.timedSeq, t.timedTS = end, ts
	t.set(timing)
}

// acknowledge takes what side s acknowledges of the other's stream.
func (c *conn) acknowledge(p *decode.Packet, s int, o *tcpSide) {
	if o.is(started) && after(p.Ack, o.next) && int32(p.Ack-o.next) < 1<<24 {
		o.next = p.Ack
		o.unset(timing)
		c.note(noteGap, 1-s) // acknowledged, but not seen: the capture missed it
	}
	if o.is(holed) && !after(c.disorder[1-s].holeTo, p.Ack) {
		o.unset(holed)
		c.note(noteGap, 1-s)
	}
	if !o.is(hasAcked) || after(p.Ack, o.acked) {
		o.acked = p.Ack
		o.set(hasAcked)
	}
	if o.is(timing) && !after(o.timedSeq, p.Ack) {
		o.unset(timing)
		if d := (p.TS - o.timedTS) / 1000; d >= 0 && d < 1<<31 {
			c.sides[1-s].trip(max(1, uint32(d)))
		}
	}
	if o.is(finSent) && !after(o.finSeq, p.Ack) {
		o.set(finAcked)
	}
	if p.TCPFlags&decode.SYN == 0 && (c.tcp.synAck || c.partial) {
		c.tcp.established = true
	}
}

// rtt is the round trip in microseconds: to each end from where the capture stands, the two added.
func (c *conn) rtt() uint32 {
	if c.key.proto == decode.TCP {
		return c.sides[0].halfRTT + c.sides[1].halfRTT
	}
	return c.rttMicros
}

// tcpEnd tells whether the segment that tcpPacket just took ended the connection, and how.
func (c *conn) tcpEnd(p *decode.Packet, s int) event.Reason {
	if p.TCPFlags&decode.RST != 0 {
		o := &c.sides[1-s].tcp
		switch {
		case s == 1 && !c.partial && !c.sides[1].tcp.is(started):
			return event.Refused
		case c.sides[s].tcp.is(started) && p.Seq != c.sides[s].tcp.next && o.is(hasAcked) &&
			(int32(p.Seq-o.acked) < -1<<20 || int32(p.Seq-c.sides[s].tcp.next) > 1<<20):
			return event.NoReason // far outside the window: forged or stale (RFC 5961 §3)
		}
		return event.Rst
	}
	if c.sides[0].tcp.is(finAcked) && c.sides[1].tcp.is(finAcked) {
		return event.Fin
	}
	return event.NoReason
}

// state is the local end's state as the segments show it (RFC 9293 §3.3.2).
func (c *conn) state(l int) event.State {
	if c.key.proto != decode.TCP {
		return event.Active
	}
	if c.final != event.NoState && l == int(c.localSide) {
		return c.final
	}
	me, peer := &c.sides[l].tcp, &c.sides[1-l].tcp
	switch {
	case c.reason == event.Rst || c.reason == event.Refused:
		return event.StateClosed
	case me.is(finAcked) && peer.is(finSent) && int(c.tcp.finFirst) == l+1:
		return event.TimeWait
	case me.is(finAcked) && peer.is(finSent):
		return event.StateClosed
	case me.is(finSent) && peer.is(finSent) && int(c.tcp.finFirst) == l+1:
		return event.Closing
	case me.is(finSent) && peer.is(finSent):
		return event.LastAck
	case me.is(finAcked):
		return event.FinWait2
	case me.is(finSent):
		return event.FinWait1
	case peer.is(finSent):
		return event.CloseWait
	case c.tcp.established:
		return event.Established
	case l == 0 && !c.tcp.synAck:
		return event.SynSent
	case l == 0:
		return event.Established // the local end has the SYN-ACK, only its ACK is still to come
	}
	return event.SynRecv
}
