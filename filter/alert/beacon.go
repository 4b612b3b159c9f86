package alert

import (
	"fmt"
	"slices"
)

// A beacon opens a connection to the same place again and again, at regular intervals.
const (
	beaconStarts = 12
	beaconLeast  = int64(900e6) // what comes faster is one thing in several connections
	beaconTwin   = int64(500e6) // connections so close together count as one
)

type beacon struct {
	pairs *lru[starts]

	every, jitter int64 // of what was found last
	times         int   // and how many of its connections there were
}

func newBeacon() *beacon { return &beacon{pairs: newLRU[starts](pairsMax)} }

// starts are the latest times of one program and one place. Of a beacon that goes on is told when it has done so twice as often as
// when it was told of before, or it would be told of all day.
type starts struct {
	n, told int // of times; connections of the beacon when it was told of last
	regular int // connections in a row at regular intervals, up to times[0]
	times   [beaconStarts]int64
}

// timers are protocols that are regular by their nature.
var timers = []string{"ntp", "dns", "mdns", "llmnr", "ssdp", "dhcp", "dhcpv6", "ptp", "bfd", "stun", "netbios", "igmp", "wireguard"}

func (d *beacon) look(s *seen) (found, bool) {
	if !s.first || s.in || s.partial || !external(s.remote) || s.rport == 0 || slices.Contains(timers, s.app) {
		return found{}, false
	}
	p, _ := d.pairs.get(mix(s.who, s.whom, s.rport, s.hash(s.proto)))
	if p.n > 0 {
		if last := p.times[p.n-1]; s.start < last+beaconTwin {
			return found{}, false
		}
	}
	if p.n == len(p.times) { // out of its rhythm, if it had one
		copy(p.times[:], p.times[1:])
		p.n--
		p.told, p.regular = 0, 0
	}
	p.times[p.n] = s.start
	if p.n++; p.n < len(p.times) {
		return found{}, false
	}
	every, jitter, ok := regular(&p.times)
	if !ok {
		return found{}, false
	}
	p.regular += len(p.times) - 1
	p.times[0], p.n = s.start, 1
	if p.regular < 2*p.told {
		return found{silent: true}, true
	}
	p.told = p.regular
	d.every, d.jitter, d.times = every, jitter, p.regular+1
	return found{}, true
}

func (d *beacon) why(s *seen) string {
	return fmt.Sprintf("%s connects to %s port %d every %s, give or take %s: %d times", s.subject(), s.object(), s.rport,
		span(d.every), span(d.jitter), d.times)
}

// regular gives the median interval, and the median of how far the others are from it, if that is little:
// of all but one by less than a tenth, of half of them by less than a twentieth.
func regular(times *[beaconStarts]int64) (every, jitter int64, ok bool) {
	var gaps, off [beaconStarts - 1]int64
	for i := range gaps {
		gaps[i] = times[i+1] - times[i]
	}
	slices.Sort(gaps[:])
	every = gaps[len(gaps)/2]
	for i, g := range gaps {
		off[i] = max(g-every, every-g)
	}
	slices.Sort(off[:])
	jitter = off[len(off)/2]
	return every, jitter, every >= beaconLeast && jitter <= every/20 && off[len(off)-2] <= every/10
}
