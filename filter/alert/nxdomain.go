package alert

import (
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"rustnet/track/event"
)

// A program that makes up names, to find out which of them its master registered, asks for many domains, and hardly any is there.
const (
	nxMissing = 30 // different registered domains within nxWindow that do not exist …
	nxThere   = 6  // … while at most so many do
	nxWindow  = int64(300e9)
)

type nxdomain struct {
	askers *lru[asked]

	missing, there int // of what was found last
	first          int64
}

type asked struct{ missing, there distinct }

func newNXDomain() *nxdomain { return &nxdomain{askers: newLRU[asked](pairsMax / 8)} }

func (d *nxdomain) look(s *seen) (found, bool) {
	if s.e.Kind != event.Closed || s.app != "dns" {
		return found{}, false
	}
	who := s.openerKey()
	rcode := text(s.f.dnsRcode, s.e)
	missing := rcode == "NXDOMAIN"
	if !missing && rcode != "NOERROR" {
		return found{}, false
	}
	p := d.askers.peek(who)
	if p == nil && !missing {
		return found{}, false
	}
	name := strings.ToLower(text(s.f.dnsQuery, s.e))
	if suffix, public := publicsuffix.PublicSuffix(name); !public && !strings.Contains(suffix, ".") || suffix == "arpa" {
		return found{}, false // names of a site, and of addresses
	}
	if !missing {
		p.there.add(uint32(s.hash(domain(name))), s.start, nxWindow)
		return found{}, false
	}
	p, _ = d.askers.get(who)
	d.missing, d.first = p.missing.add(uint32(s.hash(domain(name))), s.start, nxWindow)
	d.there, _ = p.there.within(s.start, nxWindow)
	if d.missing < nxMissing || d.there > nxThere {
		return found{}, false
	}
	*p = asked{}
	return found{own: true}, true
}

func (d *nxdomain) about(s *seen) about { return about{Program: s.opener()} }

func (d *nxdomain) why(s *seen) string {
	return fmt.Sprintf("%s asked for %d domains in %s that do not exist, and for %d that do, the last %s", s.openerName(), d.missing,
		span(max(0, s.start-d.first)), d.there, shorten(text(s.f.dnsQuery, s.e)))
}
