package alert

import (
	"fmt"

	"rustnet/track/event"
)

// Something that never succeeds: so many connections to one place in a row, none of which got an answer.
const (
	failingRow   = 10
	failingPause = int64(600e9) // after which it is another row
)

type failing struct {
	pairs *lru[row]
	last  row // that was found
}

type row struct {
	n           int
	first, last int64
}

func newFailing() *failing { return &failing{pairs: newLRU[row](pairsMax)} }

func (d *failing) look(s *seen) (found, bool) {
	if s.e.Kind != event.Closed || s.in || s.rport == 0 || !one(s.remote) || s.reason == "exit" || s.reason == "evicted" {
		return found{}, false
	}
	// Most of UDP needs no answer.
	failed := s.failed() && (s.proto != "udp" || s.reason == "refused" || s.app == "dns")
	key := mix(s.who, s.whom, s.rport, s.hash(s.proto))
	if !failed {
		if p := d.pairs.peek(key); p != nil {
			if n, known := s.f.answers.Of(s.e); known && n > 0 {
				*p = row{}
			}
		}
		return found{}, false
	}
	p, _ := d.pairs.get(key)
	if p.n == 0 || s.start-p.last > failingPause {
		*p = row{first: s.start}
	}
	p.n++
	p.last = max(p.last, s.start)
	if p.n%failingRow != 0 {
		return found{}, false
	}
	d.last = *p
	return found{}, true
}

func (d *failing) why(s *seen) string {
	how := "refused"
	if s.reason != how {
		how = "not answered"
	}
	return fmt.Sprintf("%s gets nowhere with %s %s %d: %d connections in a row in %s, the last %s", s.subject(), s.object(),
		s.proto, s.rport, d.last.n, span(d.last.last-d.last.first), how)
}
