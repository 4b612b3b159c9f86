package dpi

import "bytes"

// parseMMS knows the opening of an association of MMS (ISO 9506, and IEC 61850-8-1 over it) behind that of ISO transport (RFC 1006): the
// session's CONNECT or ACCEPT (X.225 section 8.3) holds an association (X.227) whose context is MMS'.
func parseMMS(c *call) verdict {
	const connect, accept, context = 13, 14, "\x06\x05\x28\xca\x22\x02"
	v := &c.view[c.side]
	b := v.b
	for range 3 {
		body, got := tpkt(v, b)
		if got != match {
			return got
		}
		if body[1] == x224Data {
			if len(body) < 5 || body[3] != connect && body[3] != accept || !bytes.Contains(body, []byte(context)) {
				return no
			}
			c.setClient(c.side ^ sideIf(body[3] == accept))
			return c.finish()
		}
		if _, ok := x224Connect(body, x224Request); !ok {
			if _, ok = x224Connect(body, x224Confirm); !ok {
				return no
			}
		}
		b = b[tpktHeaderLen+len(body):]
		if len(b) == 0 {
			return v.unfinished()
		}
	}
	return no
}
