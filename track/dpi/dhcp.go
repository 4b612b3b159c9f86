package dpi

import (
	"net/netip"
	"slices"
	"strings"

	"rustnet/track/event"
)

var (
	fieldDHCPMessages = event.AppList("dhcp_messages", "Kinds of DHCP messages seen, in the order of their first: DISCOVER, OFFER, REQUEST, ACK, …; of DHCPv6 SOLICIT, ADVERTISE, ….").Spelt(dhcpMessagesForm)
	fieldDHCPHost     = event.AppString("dhcp_hostname", "Name that the client gives itself.")
	fieldDHCPVendor   = event.AppString("dhcp_vendor_class", "Kind of system that the client says it is.")
	fieldDHCPOptions  = event.AppString("dhcp_fingerprint", "Numbers of the options that the client asks for, in its order, which tells systems apart.").Spelt(dhcpFingerprintForm)
	fieldDHCPClient   = event.AppString("dhcp_client", "Hardware address of the client; of DHCPv6 its DUID in hexadecimal.").Spelt(dhcpClientForm)
	fieldDHCPAddress  = event.AppString("dhcp_address", "Address that the client was given or asks for; of DHCPv6 perhaps a prefix.").Spelt(dhcpAddressForm)
	fieldDHCPServer   = event.AppString("dhcp_server", "Address of the server that answers or is asked; of DHCPv6 its DUID in hexadecimal.").Spelt(dhcpServerForm)
	fieldDHCPLease    = event.AppUint("dhcp_lease", "s", "How long the address is given for.")
	fieldDHCPDomain   = event.AppString("dhcp_domain", "Domain that the server gives the client.")
	fieldDHCPRelay    = event.AppString("dhcp_relay", "Address of the relay that the client's network is behind.").Spelt(event.Address)
)

var dhcpServerForm = event.Address.Or("an address, or of DHCPv6 hexadecimal digits in small letters", "192.0.2.1", `[0-9a-f.:]+`)

var dhcpAddressForm = event.Address.Or("an address, or of DHCPv6 perhaps a prefix", "192.0.2.7", `[0-9a-f.:]+(/[0-9]+)?`)

var dhcpClientForm = event.MAC.Or("octets in small letters, with colons, or of DHCPv6 without", "02:00:5e:10:00:01", `[0-9a-f]{2}(:[0-9a-f]{2}){5}|([0-9a-f]{2})+`)

var dhcpFingerprintForm = event.Shaped("numbers with commas between them", "1,3,6,15", `[0-9]+(,[0-9]+)*`).Meaning(func(text string) string { return strings.ReplaceAll(text, " ", "") })

var dhcpMessagesForm = event.OneOf(append(append(dhcpTypes[:], dhcpv6Types[:]...), bootpTypes[:]...)...).
	Meaning(func(text string) string { return strings.TrimPrefix(strings.ToUpper(text), "DHCP") })

var dhcpFields = []*event.AppField{fieldDHCPMessages, fieldDHCPHost, fieldDHCPVendor, fieldDHCPOptions, fieldDHCPClient, fieldDHCPAddress,
	fieldDHCPServer, fieldDHCPLease, fieldDHCPDomain, fieldDHCPRelay}

var dhcpFirst = bytesIn("\x01\x02", 1, 0)

const (
	dhcpFixed       = 236 // RFC 2131 section 2, before the magic cookie
	dhcpCut         = 12  // what is told of a message whose rest a short snap length cut
	dhcpCookie      = 0x63825363
	bootpLen        = 300
	dhcpMaxMessages = 8
)

// dhcpTypes is option 53 (RFC 2132 section 9.6 and the RFCs after it).
var dhcpTypes = [...]string{1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM",
	9: "FORCERENEW", 10: "LEASEQUERY", 11: "LEASEUNASSIGNED", 12: "LEASEUNKNOWN", 13: "LEASEACTIVE"}

// bootpTypes are the messages without that option, by RFC 951's opcode.
var bootpTypes = [...]string{1: "BOOTREQUEST", 2: "BOOTREPLY"}

// dhcpState follows the messages of a connection, which on a busy broadcast domain are those of many clients.
type dhcpState struct{ seen []string }

// dhcpMessage adds a kind of message.
func (c *call) dhcpMessage(kind string) {
	st, _ := c.f.state.(*dhcpState)
	if st == nil {
		st = &dhcpState{}
		c.f.state = st
	}
	if len(st.seen) < dhcpMaxMessages && !slices.Contains(st.seen, kind) {
		st.seen = append(st.seen[:len(st.seen):len(st.seen)], kind) // the list told before is not changed
		c.edit().SetList(fieldDHCPMessages, st.seen)
	}
}

// parseDHCP reads DHCP (RFC 2131) and, on its ports only, BOOTP without the cookie (RFC 951).
func parseDHCP(c *call) verdict {
	b, gap := c.view[c.side].b, c.view[c.side].gap
	if len(b) < dhcpCut || b[0] != 1 && b[0] != 2 || b[1] == 0 || b[2] > 16 || b[3] > 16 {
		return no
	}
	if len(b) < dhcpFixed {
		return c.dhcpCut(b)
	}
	kind := byte(0)
	options := len(b) >= dhcpFixed+4 && be32(b[dhcpFixed:]) == dhcpCookie
	if options {
		var ok bool
		if kind, ok = dhcpType(b[dhcpFixed+4:]); !ok && !gap {
			return no
		}
	} else if !c.hasPort(67) || !c.hasPort(68) || len(b) < bootpLen && !gap {
		return no
	}
	c.dhcpClient(b)
	switch {
	case kind != 0:
		c.dhcpMessage(dhcpTypes[kind])
	case len(b) >= bootpLen:
		c.dhcpMessage(bootpTypes[b[0]])
	}
	if options {
		c.dhcpOptions(b)
	}
	c.know()
	return match
}

// dhcpCut reads as much of the fixed header as a short snap length left, on the ports only. The cookie and the kind of message are not there.
func (c *call) dhcpCut(b []byte) verdict {
	v := &c.view[c.side]
	if !v.gap || v.wire() < dhcpFixed+4 || be16(b[10:])&0x7fff != 0 || b[1] == 1 && b[2] != 6 || !c.hasPort(67) || c.f.orig != 67 && c.f.orig != 68 || c.f.resp != 67 && c.f.resp != 68 {
		return no
	}
	if len(b) >= 44 {
		c.dhcpClient(b)
	}
	c.edit()
	if c.f.client == 0 {
		c.setClient(c.side ^ sideIf(b[0] == 2))
	}
	if len(b) >= 20 && b[0] == 2 && be32(b[16:]) != 0 {
		c.hash = netip.AddrFrom4([4]byte(b[16:20])).AppendTo(c.hash[:0])
		c.firstFact(fieldDHCPAddress, c.hash)
	}
	if len(b) >= 28 {
		c.address(fieldDHCPRelay, b[24:28])
	}
	return match
}

// dhcpType visits the options and returns that of the message's type; ok when all are whole.
func dhcpType(b []byte) (kind byte, ok bool) {
	for len(b) > 0 {
		switch b[0] {
		case 0:
			b = b[1:]
			continue
		case 255:
			return kind, true
		}
		if len(b) < 2 || 2+int(b[1]) > len(b) {
			return kind, false
		}
		if b[0] == 53 && b[1] == 1 {
			if kind = b[2]; kind == 0 || int(kind) >= len(dhcpTypes) {
				return 0, false
			}
		}
		b = b[2+int(b[1]):]
	}
	return kind, true // some leave the end out
}

// dhcpClient reads the hardware address and tells who is the client.
func (c *call) dhcpClient(b []byte) {
	c.edit()
	if n := int(b[2]); b[1] == 1 && n == 6 {
		c.hash = c.hash[:0]
		for i, d := range b[28 : 28+n] {
			if i > 0 {
				c.hash = append(c.hash, ':')
			}
			c.hash = append(c.hash, hexDigits[d>>4], hexDigits[d&15])
		}
		c.firstFact(fieldDHCPClient, c.hash)
	}
	if c.f.client == 0 {
		c.setClient(c.side ^ sideIf(b[0] == 2))
	}
}

// dhcpOptions reads what the client says of itself and the address it is given. The first of each counts.
func (c *call) dhcpOptions(b []byte) {
	a := c.edit()
	set := func(f *event.AppField, text []byte) {
		if !a.Has(f) {
			a.SetStr(f, c.text(text))
		}
	}
	request := b[0] == 1
	if given := be32(b[16:]); given != 0 && !request {
		c.hash = netip.AddrFrom4([4]byte(b[16:20])).AppendTo(c.hash[:0])
		set(fieldDHCPAddress, c.hash)
	}
	c.address(fieldDHCPRelay, b[24:28])
	for b = b[dhcpFixed+4:]; len(b) >= 2 && b[0] != 255; {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		n := 2 + int(b[1])
		if n > len(b) {
			return
		}
		body := b[2:n]
		switch {
		case b[0] == 54 && len(body) == 4:
			c.address(fieldDHCPServer, body)
		case !request && b[0] == 51 && len(body) == 4:
			c.firstNumber(fieldDHCPLease, uint64(be32(body)))
		case !request && b[0] == 15 && hostName(trimZeros(body)):
			set(fieldDHCPDomain, trimZeros(body))
		case !request:
		case b[0] == 12 && hostName(trimZeros(body)):
			set(fieldDHCPHost, trimZeros(body))
		case b[0] == 60 && oneLine(trimZeros(body)):
			set(fieldDHCPVendor, trimZeros(body))
		case b[0] == 50 && len(body) == 4:
			c.hash = netip.AddrFrom4([4]byte(body)).AppendTo(c.hash[:0])
			set(fieldDHCPAddress, c.hash)
		case b[0] == 55 && len(body) > 0:
			c.hash = c.hash[:0]
			for i, o := range body {
				if i > 0 {
					c.hash = append(c.hash, ',')
				}
				c.hash = appendUint(c.hash, uint64(o))
			}
			set(fieldDHCPOptions, c.hash)
		}
		b = b[n:]
	}
}
