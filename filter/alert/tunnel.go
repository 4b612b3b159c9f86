package alert

import (
	"fmt"
	"math"
	"strings"
)

// A tunnel through DNS puts what it sends into names below one domain, and what it gets into their answers.
const (
	tunnelNames  = 20 // different ones that look like data, within tunnelWindow
	tunnelWindow = int64(600e9)
	tunnelAsked  = 100 // questions on one connection …
	tunnelBytes  = 110 // … that are so long on average, headers included; usual ones have 60 to 80
	tunnelFew    = 40  // likewise, where they are longer than any that are usual, addresses of IPv6 with 130 among them
	tunnelLong   = 160
)

type tunnel struct {
	domains *lru[distinct] // by who and the domain
	asked   *lru[struct{}] // connections that were counted

	n     int // of what was found last: names, or questions if it was one connection
	first int64
	alone bool
}

func newTunnel() *tunnel {
	return &tunnel{domains: newLRU[distinct](pairsMax / 4), asked: newLRU[struct{}](connsMax)}
}

func (d *tunnel) look(s *seen) (found, bool) {
	if s.app != "dns" || s.in {
		return found{}, false
	}
	name := text(s.f.dnsQuery, s.e)
	if name == "" || strings.HasSuffix(name, ".arpa") || strings.HasSuffix(name, ".local") {
		return found{}, false
	}
	n, _ := number(s.f.dnsQueries, s.e)
	if n < tunnelFew && len(name) < 24 { // most names are short, and finding out the domain is not quite free
		return found{}, false
	}
	below := domain(name)
	if tx, _ := s.bytes(); n >= tunnelAsked && tx/n >= tunnelBytes || n >= tunnelFew && tx/n >= tunnelLong {
		d.n, d.alone = int(n), true
		return found{own: true}, true
	}
	kind := text(s.f.dnsType, s.e)
	if len(below) >= len(name) || !looksLikeData(name[:len(name)-len(below)-1], kind) {
		return found{}, false
	}
	if _, fresh := d.asked.get(s.id); !fresh {
		return found{}, false
	}
	names, _ := d.domains.get(mix(s.who, s.hash(below)))
	if d.n, d.first = names.add(uint32(s.hash(name)), s.start, tunnelWindow); d.n < tunnelNames {
		return found{}, false
	}
	*names, d.alone = distinct{}, false
	return found{own: true}, true
}

func (d *tunnel) about(s *seen) about {
	return about{Program: s.programText(), Host: domain(text(s.f.dnsQuery, s.e))}
}

func (d *tunnel) why(s *seen) string {
	name := text(s.f.dnsQuery, s.e)
	if tx, rx := s.bytes(); d.alone {
		n := uint64(d.n)
		return fmt.Sprintf("%s asked %s %d questions of %d bytes on average, answered with %d, the first about %s",
			s.subject(), s.object(), n, tx/n, rx/n, shorten(name))
	}
	return fmt.Sprintf("%s asked for %d names below %s in %s that look like data, the last %s %s",
		s.subject(), d.n, domain(name), span(max(0, s.start-d.first)), text(s.f.dnsType, s.e), shorten(name))
}

// looksLikeData is true for the part below a domain when it is longer and less regular than names are that
// people or programs give to machines. Types that carry what one likes need less.
func looksLikeData(sub, kind string) bool {
	least := 28
	switch kind {
	case "TXT", "NULL", "CNAME", "MX", "KEY", "SRV", "PRIVATE":
		least = 20
	}
	if strings.HasPrefix(kind, "TYPE") {
		least = 20
	}
	return len(sub) >= least && (entropy(sub) >= 3.3 || len(sub) >= 80)
}

// entropy is Shannon's, in bits a character.
func entropy(s string) float64 {
	var count [256]uint8
	for i := range len(s) {
		count[s[i]]++
	}
	h, n := 0.0, float64(min(len(s), 255))
	for _, c := range count {
		if c > 0 {
			p := float64(c) / n
			h -= p * math.Log2(p)
		}
	}
	return h
}

// shorten keeps the beginning of a long name.
func shorten(name string) string {
	if len(name) <= 60 {
		return name
	}
	return name[:57] + "..."
}
