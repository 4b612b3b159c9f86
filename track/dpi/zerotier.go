package dpi

// parseZeroTier knows the HELLO of ZeroTier One (node/Packet.hpp), which is signed only: it comes from the one whose identity it brings. All else is
// encrypted. One of the two has the usual port.
func parseZeroTier(c *call) verdict {
	const port = 9993
	const source, flags, verb, identity, hello, cipher, fragmented = 13, 18, 27, 41, 1, 0x38, 0x40
	b := c.view[c.side].b
	if !c.hasPort(port) || b[verb] != hello || b[flags]&(cipher|fragmented) != 0 || b[identity+5] != 0 || string(b[source:source+5]) != string(b[identity:identity+5]) || allZero(b[identity:identity+5]) {
		return no
	}
	return c.finish()
}
