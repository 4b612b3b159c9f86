package dpi

var dnscryptFirst = bytesIn("r", 1, 0)

const (
	dnscryptMagic = "r6fnvWj8"
	dnscryptMin   = len(dnscryptMagic) + 24 + 16 // with a nonce and the seal of what follows
)

// parseDNSCrypt knows a resolver's answer by its magic (draft-denis-dprive-dnscrypt section 4). What is asked begins as that
// resolver's certificate has it.
func parseDNSCrypt(c *call) verdict {
	if c.view[c.side].begins(dnscryptMagic) != match {
		return no
	}
	c.setClient(1 - c.side)
	return c.finish()
}
