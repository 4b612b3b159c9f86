package enrich

import (
	"reflect"
	"time"

	"rustnet/track/event"
)

// renewals makes an updated of a connection whose owner became another, or goes by another name, though no
// packet comes that would be the occasion for one: of the last event that went out, since the tracker, which
// counts, does not hear of it. What has come since then comes with its own next event, which is of an earlier time where no packet
// came since the change: it gets the change's, when what it says held as well.
type renewals struct {
	every time.Duration  // between two updated of one connection; 0 = there are none
	due   []*owners      // those that have changed; one that is not any more, or another's by now, has no renewing
	hopes []*owners      // of whose owner the kernel may tell yet, as when a server takes its time to accept; as due
	asked time.Time      // when they were looked at last
	kept  int            // owners.last that there are
	spare []*event.Event // for keeping
}

// keptMax bounds what the last events of connections take: 456 bytes each. What changes of those beyond it
// comes with their next event.
const keptMax = 1 << 14

// hopesMax bounds what asking again costs, each hopeEvery.
const (
	hopesMax  = 1 << 11
	hopeEvery = 50 * time.Millisecond
)

// endsWithin is how long after its end a connection is told closed, at most. A change waits so long for packet time to pass it, because
// closed has to have the end's time, not the change's.
const endsWithin = 40 * time.Millisecond

// keep keeps an event that goes out.
func (s *Stage) keep(c *owners, e *event.Event) {
	if s.kernel == nil || s.renewals.every == 0 {
		return
	}
	hopes := s.worthWaiting(c, e)
	if c.local.sock == nil && c.remote.sock == nil && !hopes {
		return
	}
	if c.last == nil {
		if s.kept >= keptMax {
			return
		}
		s.kept++
		if n := len(s.spare); n > 0 {
			c.last, s.spare = s.spare[n-1], s.spare[:n-1]
		} else {
			c.last = new(event.Event)
		}
	}
	*c.last = *e
	c.sent, c.renewing = s.kernel.at, 0
	if hopes && !c.hopes && len(s.hopes) < hopesMax {
		c.hopes = true
		s.hopes = append(s.hopes, c)
	}
}

// drop lets go of what was kept.
func (s *Stage) drop(c *owners) {
	if c.last == nil {
		return
	}
	*c.last = event.Event{}
	s.spare = append(s.spare, c.last)
	c.last, c.renewing, c.hopes = nil, 0, false
	s.kept--
}

// renew makes the events that are due.
func (s *Stage) renew() {
	k := s.kernel
	for i, sock := range k.changed {
		for d := sock.ends; d != nil; d = d.same.next {
			c := d.of
			if c.last == nil || c.wait != nil {
				continue // whatever comes next has it
			}
			if c.renewing == 0 {
				s.due = append(s.due, c)
			}
			c.renewing = max(c.renewing, sock.changed)
		}
		sock.changed = 0
		k.changed[i] = nil
	}
	k.changed = k.changed[:0]
	if len(s.hopes) > 0 && k.at.Sub(s.asked) >= hopeEvery {
		s.asked = k.at
		s.hope()
	}
	n := 0
	for _, c := range s.due {
		switch {
		case c.renewing == 0:
		case k.at.Sub(c.sent) < s.renewals.every, s.reached < c.renewing+int64(endsWithin):
			s.due[n] = c
			n++
		default:
			s.tellChange(c)
		}
	}
	clear(s.due[n:])
	s.due = s.due[:n]
}

// hope asks once more for the owners that were not known, or only by who listens there.
func (s *Stage) hope() {
	n := 0
	for _, c := range s.hopes {
		if !c.hopes {
			continue
		}
		s.ask(c, c.last)
		if !same(c.last.Proc, c.local.proc) || !same(c.last.Peer, c.remote.proc) {
			if c.renewing == 0 {
				s.due = append(s.due, c)
			}
			c.renewing = max(1, c.renewing, since(c.local.sock), since(c.remote.sock))
		}
		if c.hopes = s.worthWaiting(c, c.last); c.hopes {
			s.hopes[n] = c
			n++
		}
	}
	clear(s.hopes[n:])
	s.hopes = s.hopes[:n]
}

func since(s *sock) int64 {
	if s == nil {
		return 0
	}
	return s.since
}

func (s *Stage) tellChange(c *owners) {
	s.own(&c.local)
	s.own(&c.remote)
	at := c.renewing
	c.renewing = 0
	if same(c.last.Proc, c.local.proc) && same(c.last.Peer, c.remote.proc) {
		return // it was told once more what is known
	}
	e := *c.last
	e.Kind, e.TS = event.Updated, max(at, e.TS)
	e.Tx.BytesDelta, e.Rx.BytesDelta, e.Interval = 0, 0, 0
	if s.put(c, &e) {
		s.n.Renewed++
		s.ready = append(s.ready, e)
	}
}

// order keeps the times of a connection's events from going back behind what was made here.
func (c *owners) order(e *event.Event) {
	if c.last != nil {
		e.TS = max(e.TS, c.last.TS)
	}
}

func same(a, b *event.Proc) bool { return a == b || a != nil && b != nil && reflect.DeepEqual(a, b) }
