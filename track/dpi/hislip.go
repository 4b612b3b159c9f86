package dpi

import "rustnet/track/event"

var (
	fieldHiSLIPName = event.AppString("hislip_subaddress", "Sub-address that the client asked for, such as hislip0.")

	hislipFields = []*event.AppField{fieldHiSLIPName}

	hislipFirst = bytesIn("H", 1, 0)
)

// parseHiSLIP reads a message's header (IVI-6.1 section 2.5): prologue, type, control code, parameter, length.
func parseHiSLIP(c *call) verdict {
	const headerLen, initialize, maxType = 16, 0, 26
	v := &c.view[c.side]
	if got := v.begins("HS"); got != match {
		return got
	}
	b := v.b
	if len(b) > 2 && b[2] > maxType {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be32(b[12:])
	if be32(b[8:]) != 0 || n > 1<<30 {
		return no
	}
	if b[2] == initialize && n > 0 && n <= 256 {
		if len(b) < headerLen+int(n) {
			return v.unfinished()
		}
		if !printable(b[headerLen : headerLen+n]) {
			return no
		}
		c.fact(fieldHiSLIPName, b[headerLen:headerLen+n])
		c.setClient(c.side)
	}
	return c.finish()
}
