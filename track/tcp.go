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
	// holes are the latest that were left, as they lie in the stream: a segment that fills one soon was only late, one
	// that comes after a round trip was sent again.
	holes [maxHoles]hole
	n     uint8 // of holes
	// passed is what was acknowledged before it was seen, the latest.
	passed hole

	retransmits, outOfOrder uint32
	several                 bool // SYN-ACKs with different numbers, see took
}

const maxHoles = 4

// hole is what lies between two numbers of a stream, and when it was met.
type hole struct {
	ts       int64
	from, to uint32
}

func (h *hole) holds(from, to uint32) bool { return !after(h.from, from) && !after(to, h.to) }

type tcpFlags struct {
	established bool
	synAck      bool
	finFirst    uint8 // 1+side that sent the first FIN, or finBoth
}

const finBoth = 3 // neither had heard of the other's FIN when it sent its own

func (f *tcpFlags) swap() {
	switch f.finFirst {
	case 1, 2:
		f.finFirst = 3 - f.finFirst
	}
}

// closesFirst tells whether side s sent its FIN without knowing of the other's.
func (f *tcpFlags) closesFirst(s int) bool { return int(f.finFirst) == s+1 || f.finFirst == finBoth }

// Segments later than this behind the gap they fill were sent again rather than delayed, where no
// round trip is known (the bound Wireshark's sequence analysis uses).
const (
	reorderNS   = 3_000_000
	maxPatience = 50 * reorderNS
)

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
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	switch p.TCPFlags & (decode.SYN | decode.ACK | decode.RST) {
	case decode.SYN:
		// After a reset the same SYN is another attempt (RFC 9293 §3.5.1; Windows tries three times), unless it was on its way.
		if t.is(hasISN) {
			return t.isn != p.Seq || c.reason != event.NoReason && p.TS > c.endTS+synAgainNS
		}
		if at, ok := t.place(); ok {
			return !shortlyBefore(p.Seq, at)
		}
		return c.reason != event.NoReason // the other end opens now
	case decode.SYN | decode.ACK:
		// Its SYN went where we do not see it, unless that is the one we know.
		switch at, ok := o.place(); {
		case !ok, o.is(hasISN) && after(p.Ack, o.isn) && !after(p.Ack, at), !o.is(hasISN) && (p.Ack == at || shortlyBefore(p.Ack, at)):
			return false
		}
		if t.is(hasISN) {
			return t.isn != p.Seq
		}
		at, ok := t.place()
		return ok && !shortlyBefore(p.Seq, at)
	}
	if !c.closed || p.TCPFlags&decode.RST != 0 || p.PayloadLen == 0 {
		return false
	}
	// Data behind the end is late, unless it lies outside all that was ever sent.
	d := int32(p.Seq - t.next)
	return t.is(started) && (d > 1<<24 || d < -1<<24)
}

// place is where its stream is, as far as it or the other end told.
func (t *tcpSide) place() (at uint32, ok bool) {
	if t.is(started) {
		return t.next, true
	}
	return t.acked, t.is(hasAcked)
}

// shortlyBefore tells whether a SYN may be that of a stream of which only later bytes were seen.
func shortlyBefore(seq, at uint32) bool { return int32(at-seq) > 0 && int32(at-seq) < 1<<24 }

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
		if c.noted&answered == 0 {
			c.exchange(s, p.TS)
		}
	}
	if acks {
		c.acknowledge(l, p, s, o)
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
	late := false
	if flags&decode.SYN != 0 && !t.is(hasISN) {
		t.isn = p.Seq
		t.set(hasISN)
		switch at, ok := t.place(); {
		case !ok:
		case !shortlyBefore(p.Seq, at): // what came before was of an older connection
			t.unset(started | timing | hasAcked)
			o.unset(hasAcked)
			c.fillAll(s)
		case p.TS-c.start < synAgainNS: // captured behind what it begins
			c.disordered(l)[s].outOfOrder++
			c.partial = c.partial && s == 1
			t.next = at
			t.set(started)
			late = true
		case !t.is(started): // it was answered before
			c.disordered(l)[s].retransmits++
			c.note(noteAgain, s)
		}
	}
	if flags&decode.SYN != 0 && t.isn != p.Seq {
		c.disordered(l)[s].several = true
		return
	}
	if length > 0 {
		c.note(noteData, s)
	}
	if !late {
		c.sequence(l, p, s, t, end)
	}
	if flags&decode.FIN != 0 {
		c.note(noteFIN, s)
		if !t.is(finSent) {
			t.finSeq = end
			t.set(finSent)
			if t.is(hasAcked) && !after(end, t.acked) { // it was captured late
				t.set(finAcked)
			}
			switch {
			case c.tcp.finFirst == 0, t.is(finAcked):
				c.tcp.finFirst = uint8(s) + 1
			case flags&decode.ACK != 0 && after(o.finSeq, p.Ack):
				c.tcp.finFirst = finBoth // RFC 9293 §3.6, figure 13
			}
		}
	}
	if flags&decode.ACK != 0 {
		c.acknowledge(l, p, s, o)
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
	d := int32(p.Seq - t.next)
	if c.noted&answered == 0 && p.PayloadLen > 0 && (d >= 0 || !t.is(started)) {
		c.exchange(s, p.TS)
	}
	if !t.is(started) {
		t.next = end
		t.set(started)
		t.time(end, p.TS)
		return
	}
	switch {
	case d == 0:
		t.next = end
		if !t.is(timing) {
			t.time(end, p.TS)
		}
	case d > 0:
		c.disordered(l)[s].leave(hole{p.TS, t.next, p.Seq})
		t.next = end
		t.set(holed)
	case d == -1 && p.PayloadLen <= 1 && p.TCPFlags&(decode.SYN|decode.FIN) == 0:
		// keep-alive: the byte before the next one, acknowledged long since (RFC 9293 §3.8.4)
	case p.TCPFlags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK && !t.is(sentSYNACK):
		// both opened at once: its SYN stands again in its first SYN-ACK (RFC 9293 §3.5)
	case d == -1 && after(end, t.next) && p.TCPFlags&decode.SYN == 0 && c.has(noteWindow, 1-s):
		// the byte before was to ask whether a window is still shut, which had no place for it (RFC 9293 §3.8.6.1)
		t.next = end
	default:
		c.late(l, p, s, t, end)
	}
}

func (c *conn) late(l *lane, p *decode.Packet, s int, t *tcpSide, end uint32) {
	r := &c.disordered(l)[s]
	patience := int64(reorderNS)
	if us := int64(c.rtt()); us > 0 {
		patience = min(us*1000, maxPatience)
	}
	known := end // of it, the part that is not new
	if after(end, t.next) {
		known = t.next
	}
	// What was acknowledged cannot be on its way, but captured behind its acknowledgement.
	late := r.passed.holds(p.Seq, known) && p.TS-r.passed.ts < reorderNS
	if late {
		r.passed.from = known
	} else if t.is(holed) {
		late = r.fill(p.Seq, end, p.TS-patience) && !(t.is(hasAcked) && after(t.acked, p.Seq))
		if r.n == 0 {
			t.unset(holed)
		}
	}
	if late {
		r.outOfOrder++
	} else {
		r.retransmits++
		t.unset(timing) // Karn's algorithm (RFC 6298 §3)
		c.note(noteAgain, s)
	}
	if known != end {
		t.next = end
	}
}

// leave notes a hole behind all others. Where there are too many, the first was lost for good or is made one with the second.
func (r *disorder) leave(h hole) {
	if r.n == maxHoles {
		if h.ts-r.holes[0].ts < maxPatience {
			r.holes[1].from = r.holes[0].from
		}
		copy(r.holes[:], r.holes[1:])
		r.n--
	}
	r.holes[r.n] = h
	r.n++
}

// fill takes bytes out of the holes, and tells whether all of them lie in one that was left since. Of a hole that they part
// the front is forgotten where there are too many: it will count as sent again.
func (r *disorder) fill(from, to uint32, since int64) (late bool) {
	was, n := r.holes, r.n
	r.n = 0
	for _, h := range was[:n] {
		if h.holds(from, to) {
			late = h.ts > since
		}
		if !after(to, h.from) || !after(h.to, from) { // they lie beside it
			r.keep(h)
			continue
		}
		if after(from, h.from) && (n < maxHoles || !after(h.to, to)) {
			r.keep(hole{h.ts, h.from, from})
		}
		if after(h.to, to) {
			r.keep(hole{h.ts, to, h.to})
		}
	}
	return late
}

func (r *disorder) keep(h hole) {
	if r.n < maxHoles {
		r.holes[r.n] = h
		r.n++
	}
}

// pass takes away the holes that are acknowledged by now: the capture missed what was there, or has it still to come.
func (c *conn) pass(s int, ts int64) {
	t, r := &c.sides[s].tcp, &c.disorder[s]
	for r.n > 0 && !after(r.holes[0].to, t.acked) {
		r.passed = hole{ts, r.holes[0].from, r.holes[0].to}
		copy(r.holes[:], r.holes[1:r.n])
		r.n--
		c.note(noteGap, s)
	}
	if r.n == 0 {
		t.unset(holed)
	}
}

// fillAll forgets the holes of a stream that is not that of the connection.
func (c *conn) fillAll(s int) {
	c.sides[s].tcp.unset(holed)
	if c.disorder != nil {
		c.disorder[s].n = 0
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
func (c *conn) acknowledge(l *lane, p *decode.Packet, s int, o *tcpSide) {
	if !c.tcp.established {
		if c.disorder != nil && c.disorder[1-s].several {
			c.took(1-s, p.Ack)
		}
		if s == 1 && !c.partial && !c.tcp.synAck && o.is(hasISN) && (!after(p.Ack, o.isn) || int32(p.Ack-o.next) >= 1<<24) {
			o.acked = p.Ack // of an older connection (RFC 9293 §3.5.1, RFC 5961 §4)
			o.set(hasAcked)
			return
		}
	}
	if ahead := int32(p.Ack - o.next); o.is(started) && ahead > 0 && ahead < 1<<24 {
		r := &c.disordered(l)[1-s].passed
		if r.to != o.next || p.TS-r.ts >= reorderNS { // else a segment may be missing that is acknowledged in parts
			r.from = o.next
		}
		r.ts, r.to = p.TS, p.Ack
		o.next = p.Ack
		o.unset(timing)
		c.note(noteGap, 1-s) // acknowledged, but not seen: the capture missed it
	}
	if !o.is(hasAcked) || after(p.Ack, o.acked) {
		o.acked = p.Ack
		o.set(hasAcked)
	}
	if o.is(holed) {
		c.pass(1-s, p.TS)
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
	if p.TCPFlags&decode.SYN == 0 && (c.tcp.synAck || c.partial || s == 0) { // who opened acknowledges nothing before
		if !c.tcp.established && !c.partial {
			c.connect(p.TS)
		}
		c.tcp.established = true
	}
}

// took settles which of several SYN-ACKs counts: a server that keeps nothing of a SYN answers the next one with another
// number (RFC 4987 §3.6). It is the one that is acknowledged, with the first of its data at most.
func (c *conn) took(s int, ack uint32) {
	if t := &c.sides[s].tcp; ack-t.isn-1 >= 1<<16 {
		t.isn, t.next, t.acked = ack-1, ack, ack
		t.unset(timing)
		c.fillAll(s)
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
		return c.tcpReset(p, s)
	}
	if c.sides[0].tcp.is(finAcked) && c.sides[1].tcp.is(finAcked) {
		return event.Fin
	}
	return event.NoReason
}

func (c *conn) tcpReset(p *decode.Packet, s int) event.Reason {
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	switch {
	case s == 1 && !c.partial && !t.is(started):
		if p.TCPFlags&decode.ACK != 0 && o.is(hasISN) && (!after(p.Ack, o.isn) || after(p.Ack, o.next)) {
			return event.NoReason // it is not about this SYN (RFC 9293 §3.10.7.3)
		}
		return event.Refused
	case s == 1 && !t.is(hasISN) && o.is(hasISN) && !c.tcp.established && o.next == o.isn+1 && p.TCPFlags&decode.ACK != 0:
		if p.Ack != o.next { // an earlier connection's, as was what came before (RFC 9293 §3.5.1)
			return event.NoReason
		}
		return event.Refused
	case s == 0 && t.is(hasISN) && !c.tcp.established && t.is(hasAcked) && p.Seq == t.acked && (!after(p.Seq, t.isn) || after(p.Seq, t.next)):
		return event.NoReason // it answers what was no answer to its SYN, and goes on trying (RFC 9293 §3.5.1)
	case !t.is(started) || p.Seq == t.next:
		return event.Rst
	}
	from := t.next
	if t.is(hasAcked) && after(from, t.acked) {
		from = t.acked
	}
	if int32(p.Seq-from) < -1<<20 || int32(p.Seq-t.next) > 1<<24 {
		return event.NoReason // far outside the window: forged or stale (RFC 5961 §3)
	}
	return event.Rst
}

// state is the local end's, side l's, as the segments or its kernel show it (RFC 9293 §3.3.2).
func (c *conn) state(l int) event.State {
	if c.key.proto != decode.TCP {
		return event.Active
	}
	if c.final != event.NoState {
		return c.final
	}
	me, peer := &c.sides[l].tcp, &c.sides[1-l].tcp
	switch {
	case c.reason == event.Rst || c.reason == event.Refused:
		return event.StateClosed
	case me.is(finAcked) && peer.is(finSent) && c.tcp.closesFirst(l):
		return event.TimeWait
	case me.is(finAcked) && peer.is(finSent):
		return event.StateClosed
	case me.is(finSent) && peer.is(finSent) && c.tcp.closesFirst(l):
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
