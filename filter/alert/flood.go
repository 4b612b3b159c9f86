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
	key := s.servedKey()
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
	if p.since == 0 || ts-p.since > floodWindow || p.since-ts > floodWindow {
		*p = opened{since: ts}
	}
}

func (d *flood) about(s *seen) about { return s.aboutServed() }

func (d *flood) why(s *seen) string {
	server, port, opener := s.served()
	return fmt.Sprintf("%d connections to %s port %d were left half open in %s, while %d were whole, by %s, the last %s",
		d.last.half, server, port, span(d.span), d.last.whole, openersText(d.from), opener)
}

// A flood of datagrams or pings shows by how many there are who ask one address and are not answered, or cannot all be there: a single one that sends much is
// what videos and measurements do. Of pings also by how fast one comes in.
const (
	rushMany   = 1000 // within floodWindow, and for datagrams more than were answered
	rushFrom   = 32   // addresses, for pings
	rushPings  = 10000
	rushPerSec = 1000
)

type rush struct {
	pings   bool
	targets *lru[opened]
	told    *lru[struct{}] // pings that came in too fast

	last opened
	span int64
	from int
	fast uint64 // pings of one, where it is for these
}

func newRush(pings bool) *rush {
	return &rush{pings: pings, targets: newLRU[opened](pairsMax / 8), told: newLRU[struct{}](connsMax)}
}

func (d *rush) look(s *seen) (found, bool) {
	server, _, opener := s.served()
	if d.pings != (s.proto == "icmp" || s.proto == "icmp6") || !d.pings && (s.proto != "udp" || oneWay[s.app]) || s.partial || !one(server) || d.pings && !s.asksEcho() {
		return found{}, false
	}
	if d.pings && s.in && s.e.Kind != event.New {
		n, _ := number(s.f.rxPackets, s.e)
		if took := s.ts - s.start; n >= rushPings && float64(n) >= rushPerSec*float64(took)/1e9 {
			if _, fresh := d.told.get(s.id); fresh {
				d.fast, d.span = n, took
				return found{own: true}, true
			}
		}
	}
	if s.e.Kind != event.Closed {
		return found{}, false
	}
	p, _ := d.targets.get(s.servedKey())
	p.at(s.start)
	if n, known := s.f.answers.Of(s.e); !d.pings && (!known || n > 0) {
		p.whole++
		return found{}, false
	}
	p.half++
	d.from, _ = p.openers.add(uint32(s.addr(opener)), s.start, floodWindow)
	if p.half < rushMany || p.half <= p.whole || d.pings && d.from < rushFrom {
		return found{}, false
	}
	d.last, d.fast = *p, 0
	d.span = s.start - p.since
	return found{own: true}, true
}

// oneWay are protocols that are not answered.
var oneWay = map[string]bool{"syslog": true, "statsd": true, "netflow": true, "sflow": true, "snmp": true, "collectd": true, "gelf": true, "graphite": true, "wol": true, "rtp": true}

func (d *rush) about(s *seen) about { return s.aboutServed() }

func (d *rush) why(s *seen) string {
	server, port, opener := s.served()
	switch {
	case d.fast > 0:
		return fmt.Sprintf("%s sent %d echo requests to %s in %s", opener, d.fast, server, span(d.span))
	case d.pings:
		return fmt.Sprintf("%d addresses or more pinged %s: %d times in %s, the last %s", d.from, server, d.last.half, span(d.span), opener)
	}
	return fmt.Sprintf("%d datagrams to %s port %d were each the first of somebody who was not answered, in %s, while %d were, by %s, the last %s",
		d.last.half, server, port, span(d.span), d.last.whole, openersText(d.from), opener)
}

// openersText says how many there were. Of more than are kept no number is known.
func openersText(n int) string {
	switch n {
	case 1:
		return "one address"
	case len(distinct{}.what):
		return fmt.Sprintf("%d addresses or more", n)
	}
	return fmt.Sprintf("%d addresses", n)
}
