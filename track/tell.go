package track

import (
	"net/netip"
	"slices"

	"rustnet/capture/decode"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

// report tells what is due after a packet, and sets the timer for what may be due without one.
func (w *worker) report(r connRef, c *conn, first bool) {
	if first && w.cfg.Announce {
		w.tell(c, event.Opened, c.start)
	}
	if !c.published && (w.cfg.Settle == 0 || c.known || c.inspected && c.reason == event.NoReason) {
		w.tellNew(c)
	}
	if c.reason != event.NoReason && w.now >= c.endDue {
		w.tellClosed(c)
		w.wheel.set(r, w.now+c.tombstone())
		return
	}
	if w.updates(c) && w.now >= c.told+int64(w.cfg.Interval) {
		w.tellUpdated(c)
	}
	t := &c.timer
	if at := w.next(c); t.slot == 0 || slotOf(at) < t.due {
		w.wheel.set(r, at)
	}
}

// updates tells whether there is something for an updated. Once the end is known, what came after it is for closed, which
// is told soon and has the end's time.
func (w *worker) updates(c *conn) bool {
	return c.published && c.dirty && w.cfg.Interval > 0 && c.reason == event.NoReason
}

// look has the parsers see what they were not asked about for its length, before what is known is told.
func (w *worker) look(c *conn) {
	if c.flow == nil || !c.flow.Waits() {
		return
	}
	in := w.dpi(c)
	if in.Look(c.flow, c.last)&dpi.Finished != 0 {
		c.app = c.flow.App()
		in.Free(c.flow)
		c.flow, c.inspected = nil, true
	}
}

func (w *worker) tellNew(c *conn) {
	w.look(c)
	w.tell(c, event.New, c.start)
	c.published = true
	c.told, c.toldTS, c.dirty = w.now, c.last, false
	if c.reason != event.NoReason {
		c.toldTS = min(c.last, c.endTS)
	}
}

func (w *worker) tellUpdated(c *conn) {
	w.look(c)
	w.tell(c, event.Updated, c.last)
	c.told, c.toldTS, c.dirty = w.now, c.last, false
}

func (w *worker) tellClosed(c *conn) {
	if c.bypass != 0 {
		w.endBypass(c)
	}
	if c.flow != nil {
		w.dpi(c).End(c.flow, c.last)
	}
	if !c.published {
		w.tellNew(c)
	}
	c.endTS = max(c.endTS, c.toldTS) // the clocks of interfaces differ
	w.tell(c, event.Closed, c.endTS)
	if c.flow != nil {
		w.dpi(c).Free(c.flow)
		c.flow = nil
	}
	if c.app != nil {
		w.dpi(c).Forget(c.app)
		c.app = nil
	}
	w.lanes[c.lane].freeDisorder(c)
	c.closed, c.inspected, c.spared = true, true, 0
	w.Closed++
}

func (w *worker) tell(c *conn, kind event.Kind, ts int64) {
	if c.flow != nil {
		c.app = c.flow.App()
	}
	n := len(w.out.Events)
	w.out.Events = slices.Grow(w.out.Events, 1)[:n+1]
	e := &w.out.Events[n]
	c.fill(e, kind, ts, w.cfg.Local)
	w.remember(e)
	if kind == event.Closed && w.info != nil {
		e.TxPayload, e.RxPayload, e.HasPayload = w.info.Sent, w.info.Received, true
		if w.infoSide != int(c.localSide) {
			e.TxPayload, e.RxPayload = e.RxPayload, e.TxPayload
		}
	} else if kind == event.Closed {
		tx, ok := c.payload(int(c.localSide))
		rx, also := c.payload(1 - int(c.localSide))
		e.TxPayload, e.RxPayload, e.HasPayload = tx, rx, ok && also
	}
	if w.keys != nil {
		w.keys = append(w.keys, w.key)
	}
	if kind == event.Opened {
		return
	}
	for i := range c.sides {
		c.toldBytes[i] = c.sides[i].bytes
	}
	w.Events++
	if w.flush != nil && len(w.out.Events) >= event.Room {
		w.flush()
	}
}

// say hands on what a connection said, which is no event of it.
func (w *worker) say(s event.Said) {
	s.At = len(w.out.Events)
	w.out.Said = append(w.out.Said, s)
	if w.keys != nil {
		w.keys = append(w.keys, w.key)
	}
}

// sayExpected hands on what a connection said of another one.
func (w *worker) sayExpected(c *conn, x *dpi.Expected, ts int64) {
	at, peer := c.address(x.At), c.address(1-x.At)
	e := &event.Expected{At: netip.AddrPortFrom(at, x.Port), Peer: peer, Proto: uint16(decode.UDP), App: x.App, Once: x.Once, Content: x.Content, More: x.More}
	if x.TCP {
		e.Proto = uint16(decode.TCP)
	}
	if x.Addr.IsValid() {
		e.At = netip.AddrPortFrom(x.Addr.Unmap(), x.Port)
	}
	if x.Anybody || peer.IsMulticast() || peer == broadcast4 {
		e.Peer = netip.Addr{}
	}
	w.say(event.Said{TS: ts, ID: c.id, Expected: e})
}

// address is that of an end, as the parsers number them.
func (c *conn) address(s dpi.Side) netip.Addr {
	if c.swapped != c.flow.Swapped {
		s = 1 - s
	}
	if s == 0 {
		return c.key.src.Netip(c.key.version)
	}
	return c.key.dst.Netip(c.key.version)
}

// tellLost reports what the kernel had no room for, at most once a second.
func (w *worker) tellLost(last bool) {
	if w.lost == 0 && w.endsLost == 0 || !last && w.clock-w.lostTold < 1_000_000_000 {
		return
	}
	w.tellLostAt(event.InKernel, w.lost)
	w.tellLostAt(event.InEnds, w.endsLost)
	w.lost, w.endsLost, w.lostTold = 0, 0, w.clock
}

func (w *worker) tellLostAt(where event.Where, n uint64) {
	if n == 0 {
		return
	}
	w.out.Events = append(w.out.Events, event.Event{Kind: event.Lost, TS: w.clock, LostWhere: where, LostCount: n})
	if w.keys != nil {
		w.keys = append(w.keys, order{clock: w.clock, kind: ofPacket, frame: ^uint64(0)})
	}
	w.Events++
}

// publish adds what was counted since the last time to the stage's counters.
func (w *worker) publish() {
	n, o := &w.Stats, &w.published
	s := &w.stage.count
	s.packets.Add(n.Packets - o.Packets)
	s.opened.Add(n.Opened - o.Opened)
	s.closed.Add(n.Closed - o.Closed)
	s.evicted.Add(n.Evicted - o.Evicted)
	s.events.Add(n.Events - o.Events)
	s.unrecalled.Add(n.Unrecalled - o.Unrecalled)
	s.endsPassed.Add(n.EndsPassed - o.EndsPassed)
	n.LeftOut = 0
	for i := range w.lanes {
		if in := w.lanes[i].dpi; in != nil {
			n.LeftOut += in.LeftOut
		}
	}
	s.leftOut.Add(n.LeftOut - o.LeftOut)
	for i := range n.Skipped {
		if d := n.Skipped[i] - o.Skipped[i]; d != 0 {
			s.skipped[i].Add(d)
		}
	}
	w.published = w.Stats
}
