package dpi

import "rustnet/track/event"

var fieldCollectdHost = event.AppString("collectd_host", "Host whose measurements are sent.")

var collectdFields = []*event.AppField{fieldCollectdHost}

var collectdFirst = bytesIn("\x00\x02", 1, 0)

// parseCollectd reads collectd's binary protocol (its manual, collectd-network): parts behind their kind and length, the
// first a host, or one that signs or encrypts the rest.
func parseCollectd(c *call) verdict {
	v := &c.view[c.side]
	hinted := c.hasPort(25826) // kinds that are not known are to be passed over
	parts := 0
	var host []byte
	for b := v.b; len(b) > 0; parts++ {
		if len(b) < 4 {
			if v.gap {
				break
			}
			return no
		}
		kind, n := be16(b), int(be16(b[2:]))
		if n < 5 || !collectdKind(kind) && !hinted || parts == 0 && kind != 0 && kind < 0x200 {
			return no
		}
		if n > len(b) {
			if v.gap && parts > 0 {
				break
			}
			return no
		}
		switch kind {
		case 0, 2, 3, 4, 5, 0x100: // texts with a zero at their end
			text := b[4 : n-1]
			if b[n-1] != 0 || !oneLine(text) && len(text) > 0 {
				return no
			}
			if kind == 0 && host == nil {
				host = text
			}
		case 1, 7, 8, 9, 0x101:
			if n != 12 {
				return no
			}
		case 0x200: // HMAC-SHA-256 over all that is behind it, and the user
			if n <= 36 || n >= len(b) && !v.gap || !oneLine(b[36:n]) {
				return no
			}
		case 0x210: // the user's length and name, an initial vector, and nothing but what is encrypted
			user := int(be16(b[4:]))
			if n != len(b) && !v.gap || n < 4+2+user+16+20 || !oneLine(b[6:6+user]) {
				return no
			}
		}
		b = b[n:]
	}
	if parts < 3 && be16(v.b) < 0x200 {
		return no
	}
	c.edit()
	if host != nil {
		c.fact(fieldCollectdHost, host)
	}
	c.setClient(c.side)
	return c.finish()
}

func collectdKind(n uint16) bool {
	return n <= 9 || n == 0x100 || n == 0x101 || n == 0x200 || n == 0x210
}
