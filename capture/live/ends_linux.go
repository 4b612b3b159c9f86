package live

import (
	"context"
	"math"
	"slices"
	"time"

	"rustnet/capture"
)

// The ends of sockets come by a ring of their own, and have to be put between the frames where they belong: what
// was captured before an end is sent on before it, in the same batch or in an earlier one.

// ends are those that are not sent on yet.
type ends struct {
	held  []capture.End // as Due orders them
	lost  uint64        // that no batch has told of
	fresh []capture.End
	// quiet: no wake-up is asked for until then, when we look again by ourselves.
	quiet time.Time
}

// lookAgain is how soon ends are looked for after there were some, if no packets come with them: closer together they are
// not worth a wake-up each, which costs a hundred times what telling one does.
const lookAgain = beatEvery

// readEnds takes what the kernel has told.
func (s *Source) readEnds() (some bool) {
	if s.cfg.Ends == nil {
		return false
	}
	h := &s.ends
	h.fresh = s.cfg.Ends.Read(h.fresh[:0])
	for i := range h.fresh {
		at := len(h.held)
		for at > 0 && h.held[at-1].Due > h.fresh[i].Due {
			at--
		}
		h.held = slices.Insert(h.held, at, h.fresh[i])
	}
	if len(h.fresh) == 0 {
		return false
	}
	h.lost += s.cfg.Ends.Lost()
	return true
}

// awaitEnds asks to be woken for the next one, and tells whether there are some already.
func (s *Source) awaitEnds(now time.Time) (some bool) {
	if s.cfg.Ends == nil || now.Before(s.ends.quiet) {
		return false
	}
	s.cfg.Ends.Wake()
	if !s.readEnds() {
		return false
	}
	s.ends.quiet = now.Add(lookAgain)
	return true
}

// reach is up to when everything that was captured has been sent on. A ring that is dry has nothing that we do not
// have, so that it reaches up to now; but of within there are frames that we have and have not sent.
func (s *Source) reach(now int64, within *ring) int64 {
	to := int64(math.MaxInt64)
	for _, r := range s.rings {
		if r != within && r.dry() {
			to = min(to, now)
		} else {
			to = min(to, r.last)
		}
	}
	return to
}

// putEnds moves those that are due into a batch.
func (s *Source) putEnds(b *batch, reach int64) {
	n := 0
	for n < len(s.ends.held) && s.ends.held[n].Due <= reach {
		n++
	}
	if n == 0 {
		return
	}
	b.Ends = append(b.Ends, s.ends.held[:n]...)
	b.Now = max(b.Now, s.ends.held[n-1].Due)
	s.ends.held = slices.Delete(s.ends.held, 0, n)
}

// tellEnds sends on those that are due though no frame comes after them, and says when to look again.
func (s *Source) tellEnds(hard context.Context, now time.Time, out chan<- *capture.Frames) (again time.Duration) {
	if s.readEnds() {
		s.ends.quiet = now.Add(lookAgain)
	}
	if len(s.ends.held) > 0 {
		// What led to an end was in a ring before it, so that the rings are looked at after it was read.
		s.flushEnds(hard, s.reach(time.Now().UnixNano(), nil), out)
	}
	switch {
	case len(s.ends.held) > 0:
		return retireAfter
	case now.Before(s.ends.quiet):
		return s.ends.quiet.Sub(now)
	}
	return calmEvery // beat says when, if that is sooner
}

func (s *Source) flushEnds(hard context.Context, reach int64, out chan<- *capture.Frames) {
	if s.ends.held[0].Due > reach {
		return
	}
	b := s.pool.get(nil)
	s.putEnds(b, reach)
	s.send(hard, out, b)
}

// finishEnds sends on what is left, at the end.
func (s *Source) finishEnds(hard context.Context, out chan<- *capture.Frames) {
	if s.cfg.Ends == nil {
		return
	}
	s.readEnds()
	if len(s.ends.held) > 0 {
		s.flushEnds(hard, math.MaxInt64, out)
	}
	s.ends.lost += s.cfg.Ends.Lost()
}
