package alert

import (
	"fmt"
	"math"

	"rustnet/track/event"
)

// What leaves is unusual beyond four standard deviations of what the program usually sends, and beyond these.
const (
	sendingLeast     = 10e6 // bytes, of one connection
	sendingHourLeast = 50e6 // in an hour
	sendingHours     = 24   // that must have been learned
)

// everybody is the habit of all programs, which holds for one that is not known well enough.
const everybody = "*"

// sending finds programs that send more than they are used to: by one connection, or in an hour.
type sending struct {
	known *knowledge

	inHour      bool // what was found last
	sent, limit float64
}

func newSending(k *knowledge) *sending { return &sending{known: k} }

func (d *sending) look(s *seen) (found, bool) {
	if !external(s.remote) {
		return found{}, false
	}
	hour := d.hour(s)
	if d.connection(s) {
		d.inHour = false
		return found{}, true
	}
	if hour {
		d.inHour = true
		return found{own: true}, true
	}
	return found{}, false
}

func (d *sending) about(s *seen) about { return about{Program: s.programText()} }

func (d *sending) why(s *seen) string {
	if d.inHour {
		return fmt.Sprintf("%s sent %s in this hour, the last to %s, and usually sends less than %s",
			s.subject(), size(d.sent), s.object(), size(math.Expm1(d.limit)))
	}
	_, rx := s.bytes()
	return fmt.Sprintf("%s sent %s to %s and received %s, and usually sends less than %s by a connection",
		s.subject(), size(d.sent), s.object(), size(float64(rx)), size(math.Expm1(d.limit)))
}

// habit gives what somebody usually sends.
func (d *sending) habit(kind string, who uint64, s *seen) *habit {
	h, first := d.known.met(kind, who, 0, s.ts)
	if first {
		name := everybody
		if who == s.who {
			name = s.programText()
		}
		h.name(name, "")
	}
	return h
}

// connection judges by what one connection sent so far.
func (d *sending) connection(s *seen) bool {
	tx, _ := s.bytes()
	closed := s.e.Kind == event.Closed
	if !closed && tx < sendingLeast {
		return false
	}
	sent := float64(tx)
	all := d.habit("connection", s.hash(everybody), s)
	n, limit := all.N, all.unusual()
	if closed {
		all.add(sent)
	}
	own := d.habit("connection", s.who, s)
	if own.N >= amountsLeast {
		n, limit = own.N, own.unusual()
	}
	if closed {
		own.add(sent)
	}
	if d.known.learning(s.ts) || n < amountsLeast || sent < sendingLeast || math.Log1p(sent) <= limit {
		return false
	}
	d.sent, d.limit = sent, limit
	return true
}

// hour adds up what the program sends in an hour by the clock.
func (d *sending) hour(s *seen) bool {
	delta, _ := number(s.f.txDelta, s.e)
	if delta == 0 {
		return false
	}
	h := d.habit("hour", s.who, s)
	if now := s.ts / 3600e9; now > h.open {
		if h.open != 0 {
			h.add(float64(h.sum))
		}
		h.open, h.sum = now, 0
	}
	h.sum += delta
	sent := float64(h.sum)
	if d.known.learning(s.ts) || h.N < sendingHours || sent < sendingHourLeast || math.Log1p(sent) <= h.unusual() {
		return false
	}
	d.sent, d.limit = sent, h.unusual()
	return true
}
