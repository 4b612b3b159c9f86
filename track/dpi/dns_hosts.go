package dpi

import (
	"net/netip"

	"rustnet/track/event"
)

const (
	dnsMaxChain   = 4  // times that the records are gone through for aliases; in their order, once finds them all
	dnsMaxHops    = 16 // pointers to pointers
	dnsMaxRecords = 64 // records looked at, so that a chain out of order costs little
	dnsMaxHosts   = 32 // addresses taken from a message
)

// dnsHosts keeps what a response says of addresses: where it answers a question that was seen, those that
// the name asked for leads to, over all its aliases. Multicast DNS and LLMNR tell unasked, or over another
// connection than the question's: there every address counts as its own record says. What is to be believed of
// those is the consumer's to judge. text is the name asked for where it is known, "" where it is not.
func (c *call) dnsHosts(m *dnsMessage, asked bool, text string) {
	if m.opcode() != 0 || m.flags&15 != 0 {
		return
	}
	open := !asked && (c.multicast() || c.hasPort(llmnrPort))
	if !asked && !open {
		return
	}
	target, ttl := 0, ^uint32(0)
	name := ""
	if asked {
		target, ttl = c.dnsChain(m)
		if name = hostLowered(text); name == "" {
			name = c.dnsHostName(m.b, m.question)
		}
		if name == "" {
			return
		}
	}
	sections := 3
	if asked {
		sections = 1
	}
	var a *event.Answer
	at := m.answers
	for section := 1; section <= sections; section++ {
		for i := range m.records[section] {
			r, _ := m.record(at)
			at = r.end
			owner := name
			switch {
			case i >= dnsMaxRecords, section == 2, r.class&^dnsFlush != 1, r.kind != dnsA && r.kind != dnsAAAA && r.kind != dnsHTTPS:
				continue
			case open:
				if owner = c.dnsHostName(m.b, r.owner); owner == "" {
					continue
				}
			case !c.dnsSame(m.b, r.owner, target):
				continue
			}
			if a == nil {
				a = event.NewAnswer()
				a.Asked = asked
			}
			a.Hosts = dnsAddrs(a.Hosts, m.b, &r, owner, min(ttl, r.ttl))
		}
	}
	switch {
	case a == nil:
	case len(a.Hosts) == 0:
		a.Release()
	default:
		if c.answer != nil { // of a message before, in the same packet
			c.answer.Release()
		}
		c.answer = a
	}
}

// dnsFlush is the bit of the class that tells caches of multicast DNS to forget what they had (RFC 6762 section 10.2).
const dnsFlush = 0x8000

// dnsChain follows the aliases from the name asked for, in whatever order they lie, and returns the offset of the last
// name and the least of their times to live.
func (c *call) dnsChain(m *dnsMessage) (target int, ttl uint32) {
	target, ttl = m.question, ^uint32(0)
	if !m.aliases {
		return target, ttl
	}
	for range dnsMaxChain {
		at, was := m.answers, target
		for range min(m.records[1], dnsMaxRecords) {
			r, _ := m.record(at)
			at = r.end
			if r.kind == dnsCNAME && r.class == 1 && c.dnsSame(m.b, r.owner, target) {
				target, ttl = r.data, min(ttl, r.ttl)
			}
		}
		if target == was {
			break
		}
	}
	return target, ttl
}

// dnsAddrs appends the addresses of a record; of HTTPS the hints about the owner itself (RFC 9460 section 7.3).
func dnsAddrs(dst []event.HostAddr, b []byte, rr *dnsRecord, name string, ttl uint32) []event.HostAddr {
	r := cursor{b: b[rr.data:rr.end]}
	if rr.kind != dnsHTTPS {
		return dnsAddr(dst, r.b, name, ttl)
	}
	if priority, root := r.u16(), r.u8(); priority == 0 || root != 0 {
		return dst
	}
	for len(r.b) > 0 {
		key, value := r.u16(), cursor{b: r.vector16()}
		switch key {
		case 4:
			for len(value.b) >= 4 {
				dst = dnsAddr(dst, value.bytes(4), name, ttl)
			}
		case 6:
			for len(value.b) >= 16 {
				dst = dnsAddr(dst, value.bytes(16), name, ttl)
			}
		}
	}
	return dst
}

func dnsAddr(dst []event.HostAddr, d []byte, name string, ttl uint32) []event.HostAddr {
	if addr, ok := netip.AddrFromSlice(d); ok && len(dst) < dnsMaxHosts {
		dst = append(dst, event.HostAddr{Name: name, Addr: addr, TTL: ttl})
	}
	return dst
}

// dnsHostName returns a name in lower case, "" where it is no host's.
func (c *call) dnsHostName(b []byte, at int) string {
	name, ok := c.dnsName(c.hash[:0], b, at)
	c.hash = name
	if !ok || !hostName(name) {
		return ""
	}
	for i, b := range name {
		name[i] = hostLetters[b]
	}
	return c.text(name)
}

// hostLowered returns the name of a host that is in lower case, "" for any other text.
func hostLowered(name string) string {
	if len(name) > 255 || name == "" || name[0] == '.' || name[0] == '-' {
		return ""
	}
	odd := byte(0)
	for i := range len(name) {
		odd |= notLowered[name[i]]
	}
	if odd != 0 {
		return ""
	}
	return name
}

// notLowered marks what the name of a host in lower case can not be made of.
var notLowered = func() (odd [256]byte) {
	for i := range odd {
		if c := byte(i); c == 0 || hostLetters[c] != c {
			odd[i] = 1
		}
	}
	return odd
}()

// dnsSame tells whether two names of a message are equal, whatever the case of their letters (RFC 4343).
func (c *call) dnsSame(b []byte, at, to int) bool {
	for c.steps < dnsMaxSteps {
		x, afterX := c.dnsLabel(b, at)
		y, afterY := c.dnsLabel(b, to)
		if afterX == 0 || afterX == afterY {
			return afterX == afterY && afterX != 0
		}
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if lower(x[i]) != lower(y[i]) {
				return false
			}
		}
		if len(x) == 0 {
			return true
		}
		at, to = afterX, afterY
	}
	return false
}

// dnsLabel returns the label at an offset, or where a pointer there leads, and the offset behind it: 0 where there is none.
// Pointers lead only back.
func (c *call) dnsLabel(b []byte, at int) (label []byte, next int) {
	c.steps++
	for hops := 0; at+1 < len(b) && b[at]&0xc0 == 0xc0; hops++ {
		c.steps++
		to := int(be16(b[at:]) & 0x3fff)
		if to >= at || to < dnsHeaderLen || hops == dnsMaxHops {
			return nil, 0
		}
		at = to
	}
	if at >= len(b) || b[at] > 63 || at+1+int(b[at]) > len(b) {
		return nil, 0
	}
	next = at + 1 + int(b[at])
	return b[at+1 : next], next
}
