package alert

import (
	"fmt"
	"strings"

	"rustnet/track/event"
)

// A scan is one end that tries many ports of one address, or one port of many, and gets nowhere.
const (
	scanPorts  = 15 // within scanWindow
	scanHosts  = 25
	scanWindow = int64(60e9)
)

// scan finds scans, of this machine and by it.
type scan struct {
	ports, hosts *lru[distinct] // by who and the address, and by who and the port

	wide  bool // what was found last: many addresses
	n     int
	first int64
}

func newScan() *scan {
	return &scan{ports: newLRU[distinct](pairsMax / 2), hosts: newLRU[distinct](pairsMax / 2)}
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
	if s.e.Kind != event.Closed || s.rport == 0 && s.lport == 0 {
		return found{}, false
	}
	target, port := s.remote, s.rport
	if s.in {
		target, port = s.local, s.lport
	}
	if !one(target) || !s.tried() {
		return found{}, false
	}
	who := s.who
	if s.in {
		who = s.addr(s.remote)
	}
	proto := s.hash(s.proto)
	at := s.addr(target)
	ports, _ := d.ports.get(mix(who, at, proto))
	if d.n, d.first = ports.add(uint32(port), s.start, scanWindow); d.n >= scanPorts {
		*ports, d.wide = distinct{}, false
		return found{key: mix(who, at)}, true
	}
	if s.proto != "tcp" { // one that is not answered is nothing special for UDP
		return found{}, false
	}
	hosts, _ := d.hosts.get(mix(who, port, 1))
	if d.n, d.first = hosts.add(uint32(at), s.start, scanWindow); d.n >= scanHosts {
		*hosts, d.wide = distinct{}, true
		return found{key: mix(who, port)}, true
	}
	return found{}, false
}

func (d *scan) why(s *seen) string {
	scanner, target, port := s.subject(), s.remote, s.rport
	if s.in {
		scanner, target, port = s.remote.String(), s.local, s.lport
	}
	took := span(max(0, s.start-d.first))
	if d.wide {
		return fmt.Sprintf("%s tried port %d of %d addresses in %s in vain, the last %s", scanner, port, d.n, took, target)
	}
	return fmt.Sprintf("%s tried %d ports of %s in %s in vain, the last %s %d", scanner, d.n, target, took, s.proto, port)
}

// tried tells of an attempt that got nowhere; also one that was still waiting at the end.
func (s *seen) tried() bool {
	if s.failed() || s.stray() {
		return true
	}
	if s.partial || s.reason != "exit" && s.reason != "evicted" {
		return false
	}
	n, known := s.answers()
	return known && n == 0
}

// stray tells of segments that begin nothing (FIN, ACK, FIN with PSH and URG, or no flag), which were all that was sent and were answered by
// a reset: the probes of scans that avoid SYN. They have no options; what is left of connections that a host forgot mostly has timestamps.
func (s *seen) stray() bool {
	if !s.partial || s.reason != "rst" || s.proto != "tcp" {
		return false
	}
	sent, _ := number(s.f.txPackets, s.e)
	bytes, answer := s.bytes()
	answers, _ := number(s.f.rxPackets, s.e)
	if s.in {
		sent, bytes, answers, answer = answers, answer, sent, bytes
	}
	head := uint64(40)
	if s.remote.Is6() {
		head = 60
	}
	return sent > 0 && bytes == sent*head && answers > 0 && answer == answers*head && strings.Trim(text(s.f.history, s.e), "AF") == "r"
}
