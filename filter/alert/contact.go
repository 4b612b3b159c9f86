package alert

import (
	"fmt"
	"strconv"
	"strings"
)

// contact finds what a program does for the first time: talk to a host, a port, a country; serve a port.
type contact struct {
	known   *knowledge
	domains *lru[uint16] // how many bytes of a host stand before its domain

	unknown bool // what was found last: the program itself
	news    []string
}

func (d *contact) look(s *seen) (found, bool) {
	if !s.first || s.rport == 0 || !one(s.remote) || s.in && s.program == "" { // whose port it is, is not known
		return found{}, false
	}
	if s.program == "" && s.f.answers.None(s.e) { // as of a flood, whose addresses are nobody's
		return found{}, false
	}
	learning := d.known.learning(s.ts)
	p, unknown := d.known.met("program", s.who, 0, s.ts)
	if unknown {
		p.name(s.programText(), "")
	} else if d.known.learn > 0 && s.ts-p.First < d.known.learn {
		learning = true // of this program
	}
	d.news = d.news[:0]
	if s.in {
		if h, first := d.known.met("serves", s.who, s.port(s.proto, s.lport), s.ts); first {
			h.name(s.programText(), s.proto+" "+strconv.FormatUint(s.lport, 10))
			d.news = append(d.news, "accepts connections on "+h.Value)
		}
	} else {
		d.out(s)
	}
	d.unknown = unknown
	return found{}, !learning && len(d.news) > 0
}

func (d *contact) why(s *seen) string {
	if d.unknown {
		return fmt.Sprintf("%s is seen for the first time: it %s", s.subject(), strings.Join(d.news, ", "))
	}
	return fmt.Sprintf("%s %s for the first time", s.subject(), strings.Join(d.news, ", "))
}

// out finds what is new about a connection that the program opened.
func (d *contact) out(s *seen) {
	to, host := "", uint64(0)
	if s.host != "" {
		before, fresh := d.domains.get(s.hash(s.host))
		if fresh { // finding it out is not quite free
			*before = uint16(max(0, len(s.host)-len(domain(s.host))))
		}
		to = s.host[min(int(*before), len(s.host)):]
		host = s.hash(to)
	} else {
		host = s.addr(network(s.remote).Addr())
	}
	if h, first := d.known.met("host", s.who, host, s.ts); first {
		if to == "" {
			to = network(s.remote).String()
		}
		h.name(s.programText(), to)
		d.news = append(d.news, "talks to "+s.object())
	}
	if h, first := d.known.met("port", s.who, s.port(s.proto, s.rport), s.ts); first {
		h.name(s.programText(), s.proto+" "+strconv.FormatUint(s.rport, 10))
		d.news = append(d.news, "uses "+h.Value)
	}
	if c := text(s.f.country, s.e); c != "" {
		if h, first := d.known.met("country", s.who, s.hash(c), s.ts); first {
			h.name(s.programText(), c)
			d.news = append(d.news, "reaches the country "+c)
		}
	}
}
