package dpi

import "rustnet/track/event"

var wccpMessages = map[byte]string{7: "here-i-am", 8: "i-see-you", 9: "assign-buckets", 10: "here-i-am", 11: "i-see-you", 12: "redirect-assign", 13: "removal-query"}

var (
	fieldWCCPMessage = event.AppString("wccp_message", "First message: here-i-am, i-see-you, redirect-assign, ….").Spelt(event.OneOf(namesOf(func(kind byte) string { return wccpMessages[kind] })...))

	wccpFields = []*event.AppField{fieldWCCPMessage}
)

const (
	wccpPort      = 2048
	wccpHeaderLen = 8
)

// parseWCCP reads what caches and routers say to each other: version 1 (draft-forster-wrec-wccp-v1), and version 2 (draft-wilson-wrec-wccp-v2),
// which tells its length and begins with how it is secured.
func parseWCCP(c *call) verdict {
	const first, second, longSecurity, shortSecurity = 4, 0x0200, 24, 4
	v := &c.view[c.side]
	b := v.b
	kind := b[3]
	if be32(b) != uint32(kind) || wccpMessages[kind] == "" {
		return no
	}
	if kind < 10 {
		if be32(b[4:]) != first || !c.hasPort(wccpPort) {
			return no
		}
	} else if be16(b[4:])&^1 != second || !v.exactly(wccpHeaderLen+int(be16(b[6:]))) || be16(b[8:]) != 0 || be16(b[10:]) != longSecurity && be16(b[10:]) != shortSecurity {
		return no
	}
	switch wccpMessages[kind] {
	case "i-see-you", "removal-query": // a router's
		c.setClient(1 - c.side)
	default:
		c.setClient(c.side)
	}
	c.edit().SetStr(fieldWCCPMessage, wccpMessages[kind])
	return c.finish()
}
