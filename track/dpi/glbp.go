package dpi

import "rustnet/track/event"

const glbpPort = 3222

var (
	fieldGLBPGroup = event.AppUint("glbp_group", "", "Group of gateways.")

	glbpFields = []*event.AppField{fieldGLBPGroup}

	glbpFirst = bytesIn("\x01", 1, 0)
)

// parseGLBP reads Cisco's balancing of gateways, as Wireshark's dissector shows it: version, group, the sender's address, then
// hello, request and authentication, each behind its kind and its length.
func parseGLBP(c *call) verdict {
	const headLen, hello, request, auth = 12, 1, 2, 3
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(glbpPort) || be16(b[4:]) != 0 {
		return no
	}
	for rest := b[headLen:]; len(rest) > 1 || len(rest) > 0 && !v.gap; {
		if len(rest) < 2 || int(rest[1]) > len(rest) && !v.gap {
			return no
		}
		n := int(rest[1])
		switch rest[0] {
		case hello:
			if n < 28 {
				return no
			}
		case request:
			if n != 20 {
				return no
			}
		case auth:
			if n < 4 {
				return no
			}
		default:
			return no
		}
		rest = rest[min(n, len(rest)):]
	}
	c.edit().SetUint(fieldGLBPGroup, uint64(be16(b[2:])))
	return c.finish()
}
