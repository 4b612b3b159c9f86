package dpi

import "rustnet/track/event"

var (
	fieldLISPMessage = event.AppString("lisp_message", "Kind of the first message of the control port.").Spelt(event.OneOf(lispMessages...))

	lispFields = []*event.AppField{fieldLISPMessage}

	lispMessages = []string{1: "map-request", 2: "map-reply", 3: "map-register", 4: "map-notify", 5: "map-notify-ack", 6: "map-referral", 7: "info",
		8: "encapsulated"}
)

// parseLISP reads messages of the control port (RFC 9301 section 5), and data on the other (RFC 9300 section 5.3): eight
// bytes before an IP packet.
func parseLISP(c *call) verdict {
	const control, data = 4342, 4341
	v := &c.view[c.side]
	b := v.b
	if c.hasPort(data) && ipFills(v, b[8:]) {
		return c.finish()
	}
	if !c.hasPort(control) || int(b[0]>>4) >= len(lispMessages) || lispMessages[b[0]>>4] == "" {
		return no
	}
	good := false
	records, proof := int(b[3]), int(be16(b[14:])) // how many there are; the length of what proves it
	proven := proof == 0 || proof == 16 || proof == 20 || proof == 32
	switch kind := b[0] >> 4; kind {
	case 1, 2, 6: // records, of twelve bytes or, asked for, four at least, and an address family or a record's beginning where it belongs
		good = records > 0 && len(b) >= 24
		if kind == 1 && good {
			good = lispFamily(be16(b[12:])) && (v.gap || len(b) >= 14+4*records)
		} else if good {
			good = b[17] <= 128 && lispFamily(be16(b[22:])) && (v.gap || len(b) >= 12+12*records)
		}
	case 3, 4, 5: // records, a key's number, what proves it
		good = records > 0 && proven && (v.gap || len(b) >= 16+proof+12*records)
	case 7: // the same, and a time to live
		good = be24(b[1:])&0x7ffff == 0 && proven && (v.gap || len(b) >= 16+proof+8)
	case 8:
		good = be24(b[1:])&0x3ffff == 0 && ipFills(v, b[4:])
	}
	if !good {
		return no
	}
	c.named(fieldLISPMessage, lispMessages, int(b[0]>>4))
	return c.finish()
}

// lispFamily: those of https://www.iana.org/assignments/address-family-numbers that LISP uses.
func lispFamily(n uint16) bool { return n <= 2 || n == 16387 || n == 6 || n == 16389 }

// ipFills tells whether b is an IP packet and nothing else.
func ipFills(v *view, b []byte) bool {
	if len(b) < 20 {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		n := int(be16(b[2:]))
		return n == len(b) || v.gap && n > len(b)
	case 6:
		n := 40 + int(be16(b[4:]))
		return len(b) >= 40 && (n == len(b) || v.gap && n > len(b))
	}
	return false
}
