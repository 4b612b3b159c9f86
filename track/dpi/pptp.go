package dpi

import "rustnet/track/event"

var (
	fieldPPTPHost = event.AppString("pptp_host", "Host name in the client's Start-Control-Connection-Request.")

	pptpFields = []*event.AppField{fieldPPTPHost}

	pptpFirst = bytesIn("\x00", 1, 0)
)

// parsePPTP reads a control message (RFC 2637 section 1.4).
func parsePPTP(c *call) verdict {
	const magic, headerLen, startLen, request = 0x1a2b3c4d, 12, 156, 1
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 1) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n, kind := int(be16(b)), be16(b[8:])
	if n < headerLen || n > 220 || be32(b[4:]) != magic || kind == 0 || kind > 15 {
		return no
	}
	if kind == request {
		if n != startLen {
			return no
		}
		if len(b) < n {
			return v.unfinished()
		}
		host, _, _ := zeroText(b[28:92])
		c.fact(fieldPPTPHost, host)
		c.setClient(c.side)
	}
	return c.finish()
}
