package dpi

import "rustnet/track/event"

var (
	fieldLLDPSystem      = event.AppString("lldp_system", "Name of the neighbour.")
	fieldLLDPPort        = event.AppString("lldp_port", "Its port, by name or link address.")
	fieldLLDPChassis     = event.AppString("lldp_chassis", "Its chassis, by name or address.")
	fieldLLDPDescription = event.AppString("lldp_description", "What it says of itself: system and version.")

	lldpFields = []*event.AppField{fieldLLDPSystem, fieldLLDPPort, fieldLLDPChassis, fieldLLDPDescription}
)

const protoLLDP = 257 // as decode numbers it

// parseLLDP reads a neighbour's announcement (IEEE 802.1AB clause 8), which begins with chassis, port and time to live.
func parseLLDP(c *call) verdict {
	const chassis, port, ttl, system, description = 1, 2, 3, 5, 6
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
			c.firstFact(fieldLLDPDescription, body)
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
