package alert

import (
	"fmt"
	"strings"

	"rustnet/track/event"
)

// A scan is one end that tries many ports of one address, or many addresses in one way, and gets nowhere.
const (
	scanPorts   = 15 // within portsWindow
	scanHosts   = 25 // within hostsWindow, and more than answer
	portsWindow = int64(300e9)
	hostsWindow = int64(60e9)
)

// scan finds scans, of this machine and by it.
type scan struct {
	ports *lru[distinct] // by who and the address
	hosts *lru[sweep]    // by who, the protocol and the port

	wide  bool // what was found last: many addresses
	n     int
	first int64
}

// sweep is what became of attempts at different addresses. What polls many machines has more that answer than that are down.
type sweep struct{ failed, answered distinct }

func newScan() *scan {
	return &scan{ports: newLRU[distinct](pairsMax / 2), hosts: newLRU[sweep](pairsMax / 2)}
}

// distinct counts different things within a window. It knows the latest 32.
type distinct struct {
	n     uint8
	what  [32]uint32
	times [32]int64
}

// add notes what happened at ts, and gives how many different ones there were within the window before the
// latest, and the time of the first of them. Scans are answered out of order, so times may go back.
func (d *distinct) add(what uint32, ts, window int64) (n int, first int64) {
	place, oldest := -1, 0
	latest := ts
	for i := range int(d.n) {
		if d.what[i] == what {
			place = i
		}
		if d.times[i] < d.times[oldest] {
			oldest = i
		}
		latest = max(latest, d.times[i])
	}
	switch {
	case place >= 0:
	case int(d.n) < len(d.what):
		place = int(d.n)
		d.n++
	default:
		place = oldest
	}
	if d.what[place] != what || d.times[place] < ts {
		d.what[place], d.times[place] = what, ts
	}
	return d.within(latest, window)
}

// within counts those of the window before a time.
func (d *distinct) within(latest, window int64) (n int, first int64) {
	first = latest
	for _, at := range d.times[:d.n] {
		if at > latest-window {
			n++
			first = min(first, at)
		}
	}
	return n, first
}

func (d *scan) look(s *seen) (found, bool) {
	if s.e.Kind != event.Closed {
		return found{}, false
	}
	target, port, _ := s.served()
	if !one(target) {
		return found{}, false
	}
	who := s.openerKey()
	proto, at := s.hash(s.proto), s.addr(target)
	place := mix(who, proto, port)
	if !s.tried() {
		if p := d.hosts.peek(place); p != nil {
			if n, known := s.f.answers.Of(s.e); known && n > 0 {
				p.answered.add(uint32(at), s.start, hostsWindow)
			}
		}
		return found{}, false
	}
	if port != 0 {
		ports, _ := d.ports.get(mix(who, at, proto))
		if d.n, d.first = ports.add(uint32(port), s.start, portsWindow); d.n >= scanPorts {
			*ports, d.wide = distinct{}, false
			return found{own: true}, true
		}
	}
	if !s.sweeps() {
		return found{}, false
	}
	hosts, _ := d.hosts.get(place)
	d.n, d.first = hosts.failed.add(uint32(at), s.start, hostsWindow)
	if answered, _ := hosts.answered.within(s.start, hostsWindow); d.n < scanHosts || d.n <= answered {
		return found{}, false
	}
	*hosts, d.wide = sweep{}, true
	return found{own: true}, true
}

// sweeps tells of an attempt that counts beside those at other addresses. UDP without an answer is nothing special, and neither is ARP that
// others ask: their answers are not for this machine.
func (s *seen) sweeps() bool {
	switch s.proto {
	case "tcp":
		return true
	case "icmp", "icmp6":
		return s.asksEcho()
	case "arp":
		return s.out
	}
	return false
}

func (d *scan) about(s *seen) about {
	target, port, _ := s.served()
	if d.wide {
		return about{Program: s.opener(), Port: port, What: s.proto}
	}
	return about{Program: s.opener(), Address: addrText(target)}
}

func (d *scan) why(s *seen) string {
	target, port, _ := s.served()
	scanner := s.openerName()
	took := span(max(0, s.start-d.first))
	switch {
	case !d.wide:
		return fmt.Sprintf("%s tried %d ports of %s in %s in vain, the last %s %d", scanner, d.n, target, took, s.proto, port)
	case s.proto == "tcp":
		return fmt.Sprintf("%s tried port %d of %d addresses in %s in vain, the last %s", scanner, port, d.n, took, target)
	}
	return fmt.Sprintf("%s looked for %d addresses by %s in %s in vain, the last %s", scanner, d.n, s.proto, took, target)
}

// tried tells of an attempt that got nowhere; also one that was still waiting at the end.
func (s *seen) tried() bool {
	if s.failed() || s.stray() {
		return true
	}
	return !s.partial && (s.reason == "exit" || s.reason == "evicted") && s.f.answers.None(s.e)
}

// stray tells of segments that begin nothing (FIN, ACK, FIN with PSH and URG, or no flag), which were all that was sent and were answered by
// a reset: the probes of scans that avoid SYN. They have no options; what is left of connections that a host forgot mostly has timestamps.
func (s *seen) stray() bool {
	if !s.partial || s.reason != "rst" || s.proto != "tcp" {
		return false
	}
	bytes, answer := s.exchanged()
	tx, _ := number(s.f.txPackets, s.e)
	rx, _ := number(s.f.rxPackets, s.e)
	sent, answers := s.byOpener(tx, rx)
	head := uint64(40)
	if s.remote.Is6() {
		head = 60
	}
	return sent > 0 && bytes == sent*head && answers > 0 && answer == answers*head && strings.Trim(text(s.f.history, s.e), "AF") == "r"
}
