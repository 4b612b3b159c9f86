package alert

import (
	"fmt"
	"math"

	"rustnet/track/event"
)

// A transfer that somebody slows down: shaped ones fall from a burst to a rate that they keep exactly, and
// policed ones keep it while segments are lost all the time.
const (
	plateau      = 10   // rates in a row
	plateauLeast = 4096 // bytes/s
)

type throttled struct {
	conns *lru[rates]

	last   rates // that were found
	how    string
	mean   float64
	losses int
}

// rates are those of a connection's updates, of the side that sends more.
type rates struct {
	n           int
	rate        [plateau]float32
	lost        [plateau]bool // something was sent again
	peak        float32       // before those
	retransmits uint64
	tx          bool
}

func newThrottled() *throttled { return &throttled{conns: newLRU[rates](connsMax / 8)} }

func (d *throttled) look(s *seen) (found, bool) {
	if status, _ := number(s.f.httpStatus, s.e); status == 429 && s.e.Kind != event.New {
		d.how = "rate-limited"
		return found{pattern: d.how}, true
	}
	if f, ok := d.rate(s); ok {
		return f, true
	}
	return found{pattern: "zero-window", silent: true}, s.proto == "tcp" && s.history("Ww") // an end had no room for more
}

func (d *throttled) rate(s *seen) (found, bool) {
	if s.e.Kind != event.Updated {
		return found{}, false
	}
	tx, ok := s.f.txRate.Float(s.e)
	rx, _ := s.f.rxRate.Float(s.e)
	if rate := max(tx, rx); !ok || rate < plateauLeast {
		if p := d.conns.peek(s.id); p != nil {
			*p = rates{}
		}
		return found{}, false
	}
	p, _ := d.conns.get(s.id)
	if sends := tx > rx; p.tx != sends {
		*p = rates{tx: sends}
	}
	rate, again := rx, s.f.rxRetransmits
	if p.tx {
		rate, again = tx, s.f.txRetransmits
	}
	sent, _ := number(again, s.e)
	if p.n == plateau {
		p.peak = max(p.peak, p.rate[0])
		copy(p.rate[:], p.rate[1:])
		copy(p.lost[:], p.lost[1:])
		p.n--
	}
	p.rate[p.n], p.lost[p.n] = float32(rate), sent > p.retransmits
	p.retransmits = sent
	if p.n++; p.n < plateau {
		return found{}, false
	}
	mean, steady, losses := p.judge()
	how := ""
	switch {
	case !steady:
	case losses >= plateau/2:
		how = "policed"
	case float64(p.peak) >= 2*mean:
		how = "shaped"
	}
	if how == "" {
		return found{}, false
	}
	d.last, d.how, d.mean, d.losses = *p, how, mean, losses
	return found{pattern: how}, true
}

func (d *throttled) why(s *seen) string {
	if d.how == "rate-limited" {
		return fmt.Sprintf("%s answered %s with 429 Too Many Requests", s.object(), s.subject())
	}
	verb := "receives from"
	if d.last.tx {
		verb = "sends to"
	}
	text := fmt.Sprintf("what %s %s %s is held to %s/s", s.subject(), verb, s.object(), size(d.mean))
	if d.how == "policed" {
		return text + fmt.Sprintf(" by dropping: in %d of %d intervals something was sent again", d.losses, plateau)
	}
	return text + fmt.Sprintf(", after %s/s at first", size(float64(d.last.peak)))
}

// judge gives the mean of the rates, whether they are within a tenth of it (standard deviation), and in how
// many intervals something was sent again.
func (p *rates) judge() (mean float64, steady bool, losses int) {
	var sum, squares float64
	for i, r := range p.rate {
		sum += float64(r)
		squares += float64(r) * float64(r)
		if p.lost[i] {
			losses++
		}
	}
	mean = sum / plateau
	return mean, math.Sqrt(max(0, squares/plateau-mean*mean)) <= mean/10, losses
}

// size is a number of bytes, for people.
func size(n float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.of {
			return fmt.Sprintf("%.3g %s", n/u.of, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", n)
}
