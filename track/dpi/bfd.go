package dpi

import "rustnet/track/event"

var fieldBFDState = event.AppString("bfd_state", "State of the sender's session in the first packet: admin-down, down, init or up.")

var bfdFields = []*event.AppField{fieldBFDState}

var bfdFirst = bytesIn("", 0x20, 0x2f) // version 1 with a reason

const bfdLen = 24

// parseBFD reads BFD's control packets (RFC 5880 section 4.1). Away from its ports a second one must follow.
func parseBFD(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < bfdLen || int(b[3]) < bfdLen || !v.exactly(int(b[3])) || b[1]&3 != 0 && b[1]&1 != 0 || b[2] == 0 || be32(b[4:]) == 0 {
		return no
	}
	if auth := b[1]&4 != 0; auth != (b[3] > bfdLen) || b[1]&0x30 == 0x30 {
		return no
	}
	if state := b[1] >> 6; be32(b[8:]) == 0 && state > 1 {
		return no
	}
	hinted := c.hasPort(3784) || c.hasPort(4784) || c.hasPort(6784) || c.hasPort(7784)
	mine := uint64(be32(b[4:]))
	if a, _, ok := c.trail(trailBFD, c.side); !hinted && (!ok || a != mine) {
		c.leave(trailBFD, mine, 0)
		return more
	}
	c.edit().SetStr(fieldBFDState, [...]string{"admin-down", "down", "init", "up"}[b[1]>>6])
	return c.finish()
}
