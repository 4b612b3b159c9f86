package dpi

import "rustnet/track/event"

var (
	fieldDiameterHost  = event.AppString("diameter_origin_host", "Origin-Host of the end that asks first.")
	fieldDiameterRealm = event.AppString("diameter_origin_realm", "Origin-Realm of that end.")
)

var diameterFields = []*event.AppField{fieldDiameterHost, fieldDiameterRealm}

var diameterFirst = bytesIn("\x01", 1, 0)

const (
	diameterHeaderLen = 20
	diameterMaxLen    = 12 << 10
	diameterRequest   = 0x80
	diameterHost      = 264
	diameterRealm     = 296
)

// parseDiameter reads a message's header and its AVPs, whose lengths must add up to the message's (RFC 6733 sections 3 and 4).
func parseDiameter(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0 || len(b) > 4 && b[4]&0x0f != 0 {
		return no
	}
	if len(b) < diameterHeaderLen+8 {
		return v.unfinished()
	}
	n := be24(b[1:])
	if n < diameterHeaderLen+8 || n > diameterMaxLen || n%4 != 0 {
		return no
	}
	if len(b) < n {
		return v.unfinished()
	}
	var host, realm []byte
	count := 0
	for p := b[diameterHeaderLen:n]; len(p) > 0; count++ {
		if len(p) < 8 || p[4]&0x1f != 0 {
			return no
		}
		head, size := 8, be24(p[5:])
		if p[4]&0x80 != 0 {
			head = 12
		}
		padded := (size + 3) &^ 3
		if size < head || padded > len(p) {
			return no
		}
		switch be32(p) {
		case diameterHost:
			host = p[head:size]
		case diameterRealm:
			realm = p[head:size]
		}
		p = p[padded:]
	}
	if host == nil && count < 3 { // every message but a few errors names its origin
		return no
	}
	if b[4]&diameterRequest == 0 {
		return c.diameterAnswer()
	}
	c.fact(fieldDiameterHost, host)
	c.fact(fieldDiameterRealm, realm)
	return c.finish()
}

// diameterAnswer waits for the request, which may only be late, unless it will not come.
func (c *call) diameterAnswer() verdict {
	if o := &c.view[1-c.side]; o.whole && len(o.b) == 0 && !o.gap {
		return more
	}
	return c.finish()
}
