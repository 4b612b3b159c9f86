package dpi

import "rustnet/track/event"

var (
	fieldIAX2User    = event.AppString("iax2_user", "User that the caller or a phone registered as.")
	fieldIAX2Called  = event.AppString("iax2_called", "Number that was called.")
	fieldIAX2Calling = event.AppString("iax2_calling", "Number that calls.")
)

var iax2Fields = []*event.AppField{fieldIAX2User, fieldIAX2Called, fieldIAX2Calling}

var iax2First = bytesIn("", 0x80, 0xff)

// iax2Sizes are those of the elements that always have the same (RFC 5456 section 8.6).
var iax2Sizes = [0x41]byte{0x08: 4, 0x09: 4, 0x0b: 2, 0x0c: 2, 0x0e: 2, 0x13: 2, 0x14: 2, 0x15: 2, 0x18: 2, 0x1b: 4, 0x1d: 4, 0x1f: 4,
	0x26: 1, 0x27: 1, 0x28: 2, 0x29: 2, 0x2a: 1, 0x2b: 2, 0x2e: 4, 0x2f: 4, 0x30: 4, 0x31: 2, 0x32: 4, 0x33: 4}

// parseIAX2 reads a full frame of control (RFC 5456 section 8.1.1), whose elements must fill it. Without elements it must
// be on its port. What proves who somebody is is not shown.
func parseIAX2(c *call) verdict {
	const headerLen, control, maxSubclass = 12, 6, 40
	const called, calling, user = 1, 2, 6
	v := &c.view[c.side]
	b := v.b
	if len(b) < headerLen || b[10] != control || b[11] == 0 || b[11] > maxSubclass || be16(b)&0x7fff == 0 {
		return no
	}
	// Away from its port only what opens a call or registers tells enough: to no call yet, the first of its frames.
	if !c.hasPort(4569) && (len(b) == headerLen || b[11] != 1 && b[11] != 13 && b[11] != 17 || be16(b[2:])&0x7fff != 0 || b[8] != 0 || b[9] != 0) {
		return no
	}
	for r := (cursor{b: b[headerLen:]}); len(r.b) > 0; {
		kind := r.u8()
		size := len(r.vector8())
		if r.bad && !v.gap || kind == 0 || kind > 0x40 || !r.bad && iax2Sizes[kind] != 0 && size != int(iax2Sizes[kind]) {
			return no
		}
	}
	c.edit()
	for r := (cursor{b: b[headerLen:]}); len(r.b) > 0; {
		kind := r.u8()
		body := r.vector8()
		switch kind {
		case called:
			c.firstFact(fieldIAX2Called, body)
		case calling:
			c.firstFact(fieldIAX2Calling, body)
		case user:
			c.firstFact(fieldIAX2User, body)
		}
	}
	return c.finish()
}
