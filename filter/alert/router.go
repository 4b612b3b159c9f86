package alert

import (
	"fmt"
	"net/netip"
)

// A router of IPv6 advertises itself once in half an hour at least (RFC 4861 section 6.2.1). One that begins to where others did all along takes their
// place, by mistake or not; many at once are nobody's.
const (
	routersKnown = int64(1800e9) // so long after a network's first one all of its own are known
	routersMany  = 8             // within routersFlood
	routersFlood = int64(60e9)
)

type rogue struct {
	networks *lru[advertised]
	routers  *lru[struct{}] // by network and address

	addr netip.Addr // of what was found last
	mac  string
	last advertised
}

// advertised is what a network is known to have.
type advertised struct {
	first  int64 // when one was seen first
	router netip.Addr
	recent distinct
	n      int // of them
}

func newRogue() *rogue {
	return &rogue{networks: newLRU[advertised](pairsMax / 32), routers: newLRU[struct{}](pairsMax)}
}

func (d *rogue) look(s *seen) (found, bool) {
	if kind, _ := number(s.f.icmpType, s.e); s.proto != "icmp6" || kind != 134 {
		return found{}, false
	}
	a, mac := s.local, text(s.f.localMAC, s.e)
	if s.in {
		a, mac = s.remote, text(s.f.remoteMAC, s.e)
	}
	if !a.IsLinkLocalUnicast() {
		return found{}, false
	}
	network := s.link()
	if _, fresh := d.routers.get(mix(network, s.addr(a))); !fresh {
		return found{}, false
	}
	p, fresh := d.networks.get(network)
	if fresh {
		p.first, p.router = s.ts, a
	}
	p.n, _ = p.recent.add(uint32(s.addr(a)), s.ts, routersFlood)
	if router(mac) || s.ts-p.first < routersKnown && p.n < routersMany {
		return found{}, false
	}
	d.addr, d.mac, d.last = a, mac, *p
	return found{own: true}, true
}

// about is the network: whoever floods it has a new address each time.
func (d *rogue) about(s *seen) about {
	a := about{What: s.linkText()}
	if d.last.n < routersMany {
		a.Address = addrText(d.addr)
	}
	return a
}

func (d *rogue) why(s *seen) string {
	who := d.addr.String()
	if d.mac != "" {
		who += " (" + d.mac + ")"
	}
	if d.last.n >= routersMany {
		return fmt.Sprintf("%d routers or more advertise themselves within %s, the last %s", d.last.n, span(routersFlood), who)
	}
	return fmt.Sprintf("%s advertises itself as a router, where %s does since %s", who, d.last.router, span(s.ts-d.last.first))
}
