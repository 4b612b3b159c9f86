package dpi

import "rustnet/track/event"

var (
	fieldPIMType = event.AppString("pim_type", "First message, such as hello, register or join-prune.").Spelt(event.OneOf(pimTypes...))

	pimFields = []*event.AppField{fieldPIMType}

	pimTypes = []string{"hello", "register", "register-stop", "join-prune", "bootstrap", "assert", "graft", "graft-ack", "candidate-rp", "state-refresh",
		"df-election"}
)

const protoPIM = 103 // IANA's number

// parsePIM reads the header of PIM 2 (RFC 7761 section 4.9). Over IPv6 addresses are in the checksum, and that of a register
// leaves out what is registered, so that it is no proof.
func parsePIM(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 4 || b[0]>>4 != 2 || int(b[0]&15) >= len(pimTypes) {
		return no
	}
	c.named(fieldPIMType, pimTypes, int(b[0]&15))
	return c.finish()
}
