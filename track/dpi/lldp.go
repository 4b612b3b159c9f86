package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldLLDPSystem       = event.AppString("lldp_system", "Name of the neighbour.")
	fieldLLDPPort         = event.AppString("lldp_port", "Its port, by name or link address.")
	fieldLLDPChassis      = event.AppString("lldp_chassis", "Its chassis, by name or address.")
	fieldLLDPDescription  = event.AppString("lldp_description", "What it says of itself: system and version; the first line.")
	fieldLLDPPortText     = event.AppString("lldp_port_description", "What it says of its port.")
	fieldLLDPAddress      = event.AppString("lldp_address", "Address that it is managed by.").Spelt(event.Address)
	fieldLLDPVLAN         = event.AppUint("lldp_vlan", "", "VLAN of its port for frames without a tag.")
	fieldLLDPCapabilities = event.AppList("lldp_capabilities", "What it works as: repeater, bridge, wlan-ap, router, telephone, docsis, station, other.").Spelt(event.OneOf(lldpRoles[:]...))

	lldpFields = []*event.AppField{fieldLLDPSystem, fieldLLDPPort, fieldLLDPChassis, fieldLLDPDescription, fieldLLDPPortText, fieldLLDPAddress,
		fieldLLDPVLAN, fieldLLDPCapabilities}
)

const protoLLDP = 257 // as decode numbers it

// parseLLDP reads a neighbour's announcement (IEEE 802.1AB clause 8), which begins with chassis, port and time to live.
func parseLLDP(c *call) verdict {
	const chassis, port, ttl, portText, system, description, capabilities, address, organization = 1, 2, 3, 4, 5, 6, 7, 8, 127
	r := cursor{b: c.view[c.side].b}
	for want := chassis; len(r.b) > 0; want++ {
		head := r.u16()
		kind, body := head>>9, r.bytes(head&0x1ff)
		if r.bad && want > ttl { // cut, or filled up
			break
		}
		if r.bad || want <= ttl && kind != want || want < ttl && len(body) < 2 {
			return no
		}
		switch kind {
		case 0:
			return c.finish()
		case chassis:
			c.lldpID(fieldLLDPChassis, body, 4, 5)
		case port:
			c.lldpID(fieldLLDPPort, body, 3, 4)
		case system:
			c.firstFact(fieldLLDPSystem, body)
		case description:
			c.firstFact(fieldLLDPDescription, topLine(body))
		case portText:
			c.firstFact(fieldLLDPPortText, body)
		case capabilities:
			if len(body) == 4 && !c.f.app.Has(fieldLLDPCapabilities) {
				c.lldpCapabilities(be16(body[2:]))
			}
		case address: // length, family, address, and more
			if len(body) > 1 && int(body[0]) < len(body) && body[0] > 1 && (body[1] == 1 || body[1] == 2) {
				c.address(fieldLLDPAddress, body[2:1+body[0]])
			}
		case organization:
			if vlan, ok := bytes.CutPrefix(body, []byte("\x00\x80\xc2\x01")); ok && len(vlan) == 2 && be16(vlan) != 0 { // IEEE 802.1Q annex D.2.1
				c.firstNumber(fieldLLDPVLAN, uint64(be16(vlan)))
			}
		}
	}
	if c.f.app == nil {
		return no
	}
	return c.finish()
}

// lldpID sets what is named by a link's address, an IP address or a text, as the first byte says.
func (c *call) lldpID(f *event.AppField, b []byte, mac, ip byte) {
	switch {
	case len(b) < 2: // of one that is told again nobody has looked at the length
	case b[0] == mac:
		c.mac(f, b[1:])
	case b[0] == ip:
		c.address(f, b[2:])
	default:
		c.firstFact(f, b[1:])
	}
}

var lldpRoles = [...]string{"other", "repeater", "bridge", "wlan-ap", "router", "telephone", "docsis", "station"}

// lldpCapabilities tells which of its roles a neighbour has switched on.
func (c *call) lldpCapabilities(on uint16) {
	var list []string
	for i, role := range lldpRoles {
		if on>>i&1 != 0 {
			list = append(list, role)
		}
	}
	if list != nil {
		c.edit().SetList(fieldLLDPCapabilities, list)
	}
}

// topLine is what stands before the first end of a line.
func topLine(b []byte) []byte {
	if end := bytes.IndexAny(b, "\r\n"); end >= 0 {
		return b[:end]
	}
	return b
}
