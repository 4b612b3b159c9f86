package dpi

import "rustnet/track/event"

var (
	fieldXDMCPMessage = event.AppString("xdmcp_message", "Kind of the first message.").Spelt(event.OneOf(xdmcpMessages...))

	xdmcpFields = []*event.AppField{fieldXDMCPMessage}

	xdmcpFirst = bytesIn("\x00", 1, 0)

	xdmcpMessages = []string{1: "broadcast-query", 2: "query", 3: "indirect-query", 4: "forward-query", 5: "willing", 6: "unwilling", 7: "request",
		8: "accept", 9: "decline", 10: "manage", 11: "refuse", 12: "failed", 13: "keepalive", 14: "alive"}
)

// parseXDMCP reads a message's header on its port: version, kind, length. The cookies of an accept are not shown.
func parseXDMCP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(177) || be16(b) != 1 || int(be16(b[2:])) >= len(xdmcpMessages) || be16(b[2:]) == 0 || !v.exactly(6+int(be16(b[4:]))) {
		return no
	}
	c.named(fieldXDMCPMessage, xdmcpMessages, int(be16(b[2:])))
	return c.finish()
}
