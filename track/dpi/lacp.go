package dpi

import "rustnet/track/event"

var (
	fieldLACPSystem  = event.AppString("lacp_system", "Link address of the sender's system.").Spelt(event.MAC)
	fieldLACPPartner = event.AppString("lacp_partner", "That of the system it sees at the other end.").Spelt(event.MAC)

	lacpFields = []*event.AppField{fieldLACPSystem, fieldLACPPartner}
)

const protoLACP = 261 // as decode numbers it

// parseLACP reads an announcement of link aggregation (IEEE 802.1AX clause 6.4.2): actor and partner are 20 bytes each.
func parseLACP(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 42 || b[0] != 1 || b[1] != 1 || b[2] != 1 || b[3] != 20 || b[22] != 2 || b[23] != 20 {
		return no
	}
	c.mac(fieldLACPSystem, b[6:12])
	if partner := b[26:32]; string(partner) != "\x00\x00\x00\x00\x00\x00" {
		c.mac(fieldLACPPartner, partner)
	}
	return c.finish()
}
