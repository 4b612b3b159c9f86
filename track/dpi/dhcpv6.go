package dpi

import "net/netip"

var dhcpv6First = bytesIn("", 1, 15)

// dhcpv6Types is RFC 8415 section 7.3, with RFC 5007.
var dhcpv6Types = [...]string{1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE",
	9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST", 12: "RELAY-FORW", 13: "RELAY-REPL",
	14: "LEASEQUERY", 15: "LEASEQUERY-REPLY"}

const dhcpv6MaxOption = 149 // the highest that IANA gave away, with some room

// parseDHCPv6 reads DHCPv6 (RFC 8415), one of whose ports every message goes to (section 7.2).
func parseDHCPv6(c *call) verdict {
	b, gap := c.view[c.side].b, c.view[c.side].gap
	if !c.hasPort(546) && !c.hasPort(547) || len(b) < 4 || int(b[0]) >= len(dhcpv6Types) || b[0] == 0 {
		return no
	}
	kind, head := b[0], 4
	if kind == 12 || kind == 13 { // hops, link and peer address
		head = 34
		if len(b) < head || b[1] > 32 {
			return no
		}
	}
	if !dhcpv6Options(b[head:], gap) {
		return no
	}
	if head == 4 {
		c.dhcpv6Client(b[head:], kind == 2 || kind == 7)
	}
	c.dhcpMessage(dhcpv6Types[kind])
	if c.f.client == 0 {
		server := kind == 2 || kind == 7 || kind == 10 || kind == 13 || kind == 15
		c.setClient(c.side ^ sideIf(server))
	}
	c.know()
	return match
}

// dhcpv6Options visits the options, and tells whether they fill the message.
func dhcpv6Options(b []byte, cut bool) bool {
	if len(b) == 0 {
		return cut
	}
	for len(b) > 0 {
		if len(b) < 4 {
			return cut
		}
		kind, n := be16(b), 4+int(be16(b[2:]))
		if kind == 0 || kind > dhcpv6MaxOption {
			return false
		}
		if n > len(b) {
			return cut
		}
		if kind <= 2 && (n < 4+3 || n > 4+130 || be16(b[4:]) == 0 || be16(b[4:]) > 5) { // DUID, RFC 8415 section 11
			return false
		}
		b = b[n:]
	}
	return true
}

// dhcpv6Client reads what the client says of itself, and what a server gives it.
func (c *call) dhcpv6Client(b []byte, given bool) {
	a := c.edit()
	for r := (cursor{b: b}); len(r.b) > 0; {
		kind, body := r.u16(), r.vector16()
		if r.bad {
			return
		}
		switch {
		case kind == 1 && !a.Has(fieldDHCPClient):
			a.SetStr(fieldDHCPClient, c.hexText(body))
		case kind == 2 && !a.Has(fieldDHCPServer):
			a.SetStr(fieldDHCPServer, c.hexText(body))
		case kind == 3 && len(body) >= 12: // addresses, behind their number and two times
			c.dhcpv6Lease(body[12:], given)
		case kind == 25 && len(body) >= 12: // prefixes, likewise
			c.dhcpv6Lease(body[12:], given)
		case kind == 16 && len(body) > 6 && !a.Has(fieldDHCPVendor): // enterprise, then texts
			text := cursor{b: body[4:]}
			if class := text.vector16(); oneLine(class) {
				a.SetStr(fieldDHCPVendor, c.text(class))
			}
		case kind == 39 && len(body) > 1 && !a.Has(fieldDHCPHost): // RFC 4704; a name without its last zero is a part of one
			c.message = append(append(c.message[:0], body[1:]...), 0)
			c.steps = 0
			if name, ok := c.dnsName(c.hash[:0], c.message, 0); ok && hostName(name) {
				a.SetStr(fieldDHCPHost, c.text(name))
			}
		}
	}
}

// dhcpv6Lease reads the first address or prefix of those that are asked for or given (RFC 8415 sections 21.6 and 21.22).
func (c *call) dhcpv6Lease(b []byte, given bool) {
	for r := (cursor{b: b}); len(r.b) > 0; {
		kind, body := r.u16(), r.vector16()
		lifetime, text := uint32(0), c.hash[:0]
		switch {
		case r.bad:
			return
		case kind == 5 && len(body) >= 24:
			text, lifetime = netip.AddrFrom16([16]byte(body)).AppendTo(text), be32(body[20:])
		case kind == 26 && len(body) >= 25 && body[8] <= 128:
			text, lifetime = netip.PrefixFrom(netip.AddrFrom16([16]byte(body[9:])), int(body[8])).AppendTo(text), be32(body[4:])
		default:
			continue
		}
		c.hash = text
		c.firstFact(fieldDHCPAddress, text)
		if given { // what a client asks for it need not get
			c.firstNumber(fieldDHCPLease, uint64(lifetime))
		}
		return
	}
}
