package dpi

// parseLIFX knows a message of LIFX's lamps (https://lan.developer.lifx.com/docs/packet-contents): as long as the datagram, of the protocol
// there is, and what is reserved is zero.
func parseLIFX(c *call) verdict {
	const head, protocol, tagged, kinds = 36, 0x1400, 0x2000, 1 << 10
	v := &c.view[c.side]
	b := v.b
	if !v.exactly(le16(b)) || le16(b[2:])&^tagged != protocol || !allZero(b[24:32]) || le16(b[32:]) >= kinds || le16(b[34:]) != 0 {
		return no
	}
	return c.finish()
}
