package dpi

import "rustnet/track/event"

var (
	fieldMNDPIdentity = event.AppString("mndp_identity", "Name of the router.")
	fieldMNDPPlatform = event.AppString("mndp_platform", "What it is, such as MikroTik.")
	fieldMNDPVersion  = event.AppString("mndp_version", "Version of its software.")
	fieldMNDPBoard    = event.AppString("mndp_board", "Its model.")

	mndpFields = []*event.AppField{fieldMNDPIdentity, fieldMNDPPlatform, fieldMNDPVersion, fieldMNDPBoard}
)

// parseMNDP reads an announcement of MikroTik's neighbour discovery: four bytes with a number, then kind, length, value of each element, which
// must fill the datagram; the first is a link address.
func parseMNDP(c *call) verdict {
	const headerLen, mac, identity, version, platform, board, maxKind = 4, 1, 5, 7, 8, 12, 24
	v := &c.view[c.side]
	if len(v.b) < headerLen+10 || be16(v.b[headerLen:]) != mac || be16(v.b[headerLen+2:]) != 6 {
		return no
	}
	facts := [maxKind + 1][]byte{}
	for r := (cursor{b: v.b[headerLen:]}); len(r.b) > 0; {
		kind, value := r.u16(), r.vector16()
		if kind > maxKind || r.bad && !v.gap {
			return no
		}
		facts[kind] = value
	}
	if facts[identity] == nil && facts[platform] == nil {
		return no
	}
	c.edit()
	c.fact(fieldMNDPIdentity, facts[identity])
	c.fact(fieldMNDPVersion, facts[version])
	c.fact(fieldMNDPPlatform, facts[platform])
	c.fact(fieldMNDPBoard, facts[board])
	return c.finish()
}
