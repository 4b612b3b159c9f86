package dpi

import "rustnet/track/event"

var (
	fieldCDPDevice   = event.AppString("cdp_device", "Name of the neighbour.")
	fieldCDPPort     = event.AppString("cdp_port", "Its port.")
	fieldCDPPlatform = event.AppString("cdp_platform", "Its hardware.")

	cdpFields = []*event.AppField{fieldCDPDevice, fieldCDPPort, fieldCDPPlatform}
)

const protoCDP = 258 // as decode numbers it

// parseCDP reads a neighbour's announcement, whose form Cisco's documents and free implementations show: version, time
// to live, checksum, then type, length with both, value.
func parseCDP(c *call) verdict {
	const device, port, platform = 1, 3, 6
	r := cursor{b: c.view[c.side].b}
	version := r.u8()
	r.bytes(3)
	if r.bad || version != 1 && version != 2 {
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
		}
	}
	if first {
		return no
	}
	return c.finish()
}
