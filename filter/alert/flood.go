package alert

import (
	"fmt"

	"rustnet/track/event"
)

// A SYN flood leaves connections to one port half open: the opener asks, and never acknowledges the answer.
const (
	floodHalf   = 100 // within floodWindow, and more than were whole
	floodWindow = int64(10e9)
)

type flood struct {
	ports *lru[opened]
	told  *lru[struct{}] // half-open connections that were counted

	last opened // that was found
	span int64
	from int // different addresses, as far as they are known
}

// opened is what became of connections to one port lately.
type opened struct {
	since       int64
	half, whole int
	openers     distinct
}

func newFlood() *flood {
	return &flood{ports: newLRU[opened](pairsMax / 8), told: newLRU[struct{}](connsMax)}
}

func (d *flood) look(s *seen) (found, bool) {
	if s.proto != "tcp" || s.e.Kind == event.New || s.partial {
		return found{}, false
	}
	_, _, opener := s.served()
	key := d.key(s)
	if s.history("A") {
		if p := d.ports.peek(key); p != nil && s.e.Kind == event.Closed {
			p.at(s.ts)
			p.whole++
		}
		return found{}, false
	}
	// Its answer was sent again for want of an acknowledgement, or it ended so. An opener that gives up says so by a reset.
	if !s.history("h") || s.history("RDF") || !s.history("t") && (s.e.Kind != event.Closed || s.reason == "exit") {
		return found{}, false
	}
	if _, fresh := d.told.get(s.id); !fresh {
		return found{}, false
	}
	p, _ := d.ports.get(key)
	p.at(s.ts)
	p.half++
	d.from, _ = p.openers.add(uint32(s.addr(opener)), s.ts, floodWindow)
	if p.half < floodHalf || p.half <= p.whole {
		return found{}, false
	}
	d.last = *p
	d.span = s.ts - p.since
	return found{own: true}, true
}

// at begins anew when the window is over.
func (p *opened) at(ts int64) {
	if p.since == 0 || ts-p.since > floodWindow {
		*p = opened{since: ts}
	}
}

func (d *flood) key(s *seen) uint64 {
	server, port, _ := s.served()
	return mix(s.addr(server), port)
}

func (d *flood) about(s *seen) about {
	server, port, _ := s.served()
	return about{Address: addrText(server), Port: port}
}

func (d *flood) why(s *seen) string {
	server, port, opener := s.served()
	by := fmt.Sprintf("%d addresses", d.from)
	switch d.from {
	case 1:
		by = "one address"
	case len(d.last.openers.what): // of more it knows no number
		by += " or more"
	}
	return fmt.Sprintf("%d connections to %s port %d were left half open in %s, while %d were whole, by %s, the last %s",
		d.last.half, server, port, span(d.span), d.last.whole, by, opener)
}
