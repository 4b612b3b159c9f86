package dpi

import "rustnet/track/event"

var (
	fieldL2TPHost   = event.AppString("l2tp_host", "Host name that was told first.")
	fieldL2TPVendor = event.AppString("l2tp_vendor", "Vendor's name that was told first.")

	l2tpFields = []*event.AppField{fieldL2TPHost, fieldL2TPVendor}
)

// parseL2TP reads control messages of versions 2 and 3 (RFC 2661 section 3.1, RFC 3931 section 4.1.2), whose first attribute
// says what kind they are, and on the port user data in PPP.
func parseL2TP(c *call) verdict {
	const control, hasLength, hasOrder, port, header = 0x80, 0x40, 0x08, 1701, 12
	const messageType, hostName, vendorName, empty = 0, 7, 8, 12
	v := &c.view[c.side]
	b := v.b
	if version := b[1] & 15; version != 2 && version != 3 {
		return no
	}
	if b[0]&control == 0 {
		at := 6
		if b[0]&hasLength != 0 {
			at += 2
		}
		if b[0]&hasOrder != 0 {
			at += 4
		}
		if c.hasPort(port) && b[1] == 2 && b[0]&0x35 == 0 && len(b) > at+4 && be16(b[at:]) == 0xff03 {
			return c.finish()
		}
		return no
	}
	if b[0]&(hasLength|hasOrder) != hasLength|hasOrder || b[0]&0x37 != 0 || len(b) < header || !v.exactly(int(be16(b[2:]))) {
		return no
	}
	if len(b) == empty && c.hasPort(port) { // an acknowledgement
		c.edit()
		return match
	}
	r := cursor{b: b[header:]}
	for first := true; len(r.b) > 0; first = false {
		head, vendor, kind := r.u16(), r.u16(), r.u16()
		body := r.bytes(max(0, head&0x3ff-6))
		if r.bad && v.gap && !first {
			break
		}
		if r.bad || head&0x3ff < 6 || first && (vendor != 0 || kind != messageType || len(body) != 2) {
			return no
		}
		if vendor != 0 || head&0x4000 != 0 { // another's, or hidden
			continue
		}
		switch kind {
		case hostName:
			c.firstFact(fieldL2TPHost, body)
		case vendorName:
			c.firstFact(fieldL2TPVendor, body)
		}
	}
	if len(b) == header {
		return no
	}
	return c.finish()
}
