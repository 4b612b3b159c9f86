package enrich

import (
	"sync/atomic"

	"rustnet/track/event"
)

// follow is the state of Config.Follow.
type follow struct {
	on      bool
	open    atomic.Int64 // connections of the processes that are followed
	reached atomic.Int64 // packet time
}

// Followed tells how many connections of the processes that Config.Follow asks for may still have packets, and which packet
// time that is of. From any goroutine.
func (s *Stage) Followed() (open int, reached int64) {
	reached = s.follow.reached.Load() // first: what was opened before that is counted by now
	return int(s.follow.open.Load()), reached
}

// claim notes whether one of the connection's ends is followed. Once it is, it stays so: whoever has the
// socket afterwards has it from there.
func (s *Stage) claim(c *owners) {
	if !s.follow.on {
		return
	}
	if !c.mine && (isFollowed(c.local.proc) || isFollowed(c.remote.proc)) {
		c.mine = true
		s.follow.open.Add(1)
	}
	s.checkOver(c, &c.local)
	s.checkOver(c, &c.remote)
}

// checkOver notes that a connection without ports has lost its socket. Nothing on the wire shows that, and no packet of it is for
// anybody any more: it is not waited for.
func (s *Stage) checkOver(c *owners, d *end) {
	if c.mine && !c.over && d.sock != nil && !d.sock.gone.IsZero() && !hasPorts(d.sock.proto) {
		c.over = true
		s.follow.open.Add(-1)
	}
}

// noteOver does so for the sockets that were closed since the last time.
func (s *Stage) noteOver() {
	for i, sock := range s.kernel.ended {
		for d := sock.ends; d != nil; d = d.same.next {
			s.checkOver(d.of, d)
		}
		s.kernel.ended[i] = nil
	}
	s.kernel.ended = s.kernel.ended[:0]
}

func isFollowed(p *event.Proc) bool { return p != nil && p.Followed }

// lets tells whether an event goes out. The first one that does of a connection is its new.
func (s *Stage) lets(c *owners, e *event.Event) bool {
	if !s.follow.on {
		return true
	}
	s.claim(c)
	if !c.mine {
		s.n.Others++
		return false
	}
	if !c.shown && e.Kind != event.New {
		first := *e
		first.Kind, first.TS, first.Reason = event.New, e.Start, event.NoReason
		first.Tx.BytesDelta, first.Rx.BytesDelta, first.Interval = e.Tx.Bytes, e.Rx.Bytes, 0 // what was left out has not been counted by anybody
		if e.Kind == event.Updated {
			*e = first
		} else {
			s.ready = append(s.ready, first)
			e.Tx.BytesDelta, e.Rx.BytesDelta = 0, 0
		}
	}
	c.shown = true
	return true
}
