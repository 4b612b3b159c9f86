package dpi

import "rustnet/track/event"

var (
	fieldCDPDevice   = event.AppString("cdp_device", "Name of the neighbour.")
	fieldCDPPort     = event.AppString("cdp_port", "Its port.")
	fieldCDPPlatform = event.AppString("cdp_platform", "Its hardware.")
	fieldCDPVersion  = event.AppString("cdp_version", "Its system and version; the first line.")
	fieldCDPAddress  = event.AppString("cdp_address", "Its first address.").Spelt(event.Address)
	fieldCDPVLAN     = event.AppUint("cdp_vlan", "", "VLAN of its port for frames without a tag.")

	cdpFields = []*event.AppField{fieldCDPDevice, fieldCDPPort, fieldCDPPlatform, fieldCDPVersion, fieldCDPAddress, fieldCDPVLAN}
)

const protoCDP = 258 // as decode numbers it

// parseCDP reads a neighbour's announcement, whose form Cisco's documents and free implementations show: version, time
// to live, checksum, then type, length with both, value.
func parseCDP(c *call) verdict {
	const device, addresses, port, version, platform, vlan = 1, 2, 3, 5, 6, 10
	r := cursor{b: c.view[c.side].b}
	form := r.u8()
	r.bytes(3)
	if r.bad || form != 1 && form != 2 {
		return no
	}
	first := true
	for len(r.b) > 0 {
		kind, n := r.u16(), r.u16()
		body := r.bytes(max(0, n-4))
		if first && (r.bad || kind == 0 || kind > 0x20 || n < 4) {
			return no
		}
		first = false
		if r.bad || n < 4 {
			break
		}
		switch kind {
		case device:
			c.firstFact(fieldCDPDevice, body)
		case port:
			c.firstFact(fieldCDPPort, body)
		case platform:
			c.firstFact(fieldCDPPlatform, body)
		case version:
			c.firstFact(fieldCDPVersion, topLine(body))
		case vlan:
			if len(body) == 2 && be16(body) != 0 {
				c.firstNumber(fieldCDPVLAN, uint64(be16(body)))
			}
		case addresses: // how many, then of each the protocol's kind and name, and the address behind its length
			a := cursor{b: body}
			a.bytes(4)
			a.bytes(1)
			a.vector8()
			c.address(fieldCDPAddress, a.vector16())
		}
	}
	if first {
		return no
	}
	return c.finish()
}
