package dpi

import "rustnet/track/event"

var (
	fieldPFCPMessage = event.AppString("pfcp_message", "Kind of the first message, the number where it has no name here.").Spelt(event.OneOf(listed(pfcpMessages)...))

	pfcpFields = []*event.AppField{fieldPFCPMessage}

	pfcpFirst = bytesIn("", 0x20, 0x27)

	pfcpMessages = map[byte]string{1: "heartbeat-request", 2: "heartbeat-response", 3: "pfd-request", 4: "pfd-response", 5: "association-setup-request",
		6: "association-setup-response", 7: "association-update-request", 8: "association-update-response", 9: "association-release-request",
		10: "association-release-response", 11: "version-not-supported", 12: "node-report-request", 13: "node-report-response",
		50: "session-establishment-request", 51: "session-establishment-response", 52: "session-modification-request",
		53: "session-modification-response", 54: "session-deletion-request", 55: "session-deletion-response",
		56: "session-report-request", 57: "session-report-response"}
)

// parsePFCP reads a message's header (3GPP TS 29.244 section 7.2.2), which is short, so that it must be on its port.
func parsePFCP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 || !c.hasPort(8805) || pfcpMessages[b[1]] == "" {
		return no
	}
	n := 4 + int(be16(b[2:]))
	if another := b[0]&4 != 0; !v.exactly(n) && (!another || n > v.wire() || n < len(b) && !pfcpFirst.has(b[n])) {
		return no
	}
	c.numbered(fieldPFCPMessage, pfcpMessages, b[1])
	return c.finish()
}
