package dpi

import "rustnet/track/event"

var (
	fieldSkinnyDevice = event.AppString("skinny_device", "Name of the phone that registers.")

	skinnyFields = []*event.AppField{fieldSkinnyDevice}
)

// parseSkinny reads a phone's registration (Cisco's SCCP, as Wireshark's dissector shows it): length, version, message, all
// with the low byte first.
func parseSkinny(c *call) verdict {
	const headerLen, register, nameLen, maxLen = 12, 1, 16, 4 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 0) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := le32(b)
	if n < 4 || n > maxLen || le32(b[4:]) > 0x20 || le32(b[8:]) != register || n < 4+nameLen+16 {
		return no
	}
	if len(b) < headerLen+nameLen {
		return v.unfinished()
	}
	name, _, ok := zeroText(b[headerLen : headerLen+nameLen])
	if len(name) < 6 || !ok || !hostName(name) {
		return no
	}
	c.setClient(c.side)
	c.fact(fieldSkinnyDevice, name)
	return c.finish()
}
