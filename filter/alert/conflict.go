package alert

import (
	"fmt"
	"net/netip"
	"strings"
)

// Two machines that claim one address, or one that takes another's, show by ARP and by neighbour discovery: it is the first one's, the other's, and the first one's again.
const conflictWindow = int64(600e9)

type conflict struct {
	owners *lru[owner] // by network and address

	addr netip.Addr // of what was found last
	last owner
}

// owner is who claimed an address.
type owner struct {
	is, was uint64 // by the hash of their link addresses
	texts   [2]string
	first   int64 // when it was another's for the first time
	n       int   // changes since
}

func newConflict() *conflict { return &conflict{owners: newLRU[owner](pairsMax / 4)} }

func (d *conflict) look(s *seen) (found, bool) {
	if s.proto != "arp" && s.proto != "icmp6" {
		return found{}, false
	}
	network := s.link()
	here := d.claims(network, s.local, text(s.f.localMAC, s.e), s)
	there := d.claims(network, s.remote, text(s.f.remoteMAC, s.e), s)
	if !here && !there {
		return found{}, false
	}
	return found{own: true}, true
}

// claims notes whose an address is, and tells whether it went to and fro.
func (d *conflict) claims(network uint64, a netip.Addr, mac string, s *seen) bool {
	if mac == "" || !one(a) || router(mac) {
		return false
	}
	p, _ := d.owners.get(mix(network, s.addr(a)))
	who := s.hash(mac)
	if p.is == who {
		return false
	}
	back := p.was == who && s.ts-p.first <= conflictWindow
	if !back {
		p.n, p.first = 0, s.ts
	}
	p.was, p.is, p.n = p.is, who, p.n+1
	p.texts = [2]string{p.texts[1], strings.Clone(mac)}
	if !back {
		return false
	}
	d.addr, d.last = a, *p
	return true
}

func (d *conflict) about(s *seen) about {
	return about{Address: addrText(d.addr), What: s.linkText()}
}

func (d *conflict) why(s *seen) string {
	return fmt.Sprintf("%s is claimed by %s and %s in turn: %d changes in %s", d.addr, d.last.texts[0], d.last.texts[1], d.last.n, span(s.ts-d.last.first))
}

// router tells a link address that routers share, each with its own beside it: VRRP, HSRP and GLBP.
func router(mac string) bool {
	for _, prefix := range []string{"00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:07:b4:"} {
		if strings.HasPrefix(mac, prefix) {
			return true
		}
	}
	return false
}
