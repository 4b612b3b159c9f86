package dpi

import "rustnet/track/event"

// Tunnels' control, and those that the decoder does not look into.

var (
	fieldL2TPHost      = event.AppString("l2tp_host", "Host name that was told first.")
	fieldL2TPVendor    = event.AppString("l2tp_vendor", "Vendor's name that was told first.")
	fieldLISPMessage   = event.AppString("lisp_message", "Kind of the first message of the control port.")
	fieldCAPWAPMessage = event.AppString("capwap_message", "Kind of the first message in the clear.")

	l2tpFields   = []*event.AppField{fieldL2TPHost, fieldL2TPVendor}
	lispFields   = []*event.AppField{fieldLISPMessage}
	capwapFields = []*event.AppField{fieldCAPWAPMessage}

	teredoFirst = bytesIn("\x00", 0x60, 0x6f)
	capwapFirst = bytesIn("", 0, 1)

	lispMessages = []string{1: "map-request", 2: "map-reply", 3: "map-register", 4: "map-notify", 5: "map-notify-ack", 6: "map-referral", 7: "info",
		8: "encapsulated"}
	capwapMessages = []string{1: "discovery-request", 2: "discovery-response", 3: "join-request", 4: "join-response", 5: "configuration-status-request",
		6: "configuration-status-response", 7: "configuration-update-request", 8: "configuration-update-response", 9: "wtp-event-request",
		10: "wtp-event-response", 11: "change-state-request", 12: "change-state-response", 13: "echo-request", 14: "echo-response",
		15: "image-data-request", 16: "image-data-response", 17: "reset-request", 18: "reset-response", 19: "primary-discovery-request",
		20: "primary-discovery-response", 21: "data-transfer-request", 22: "data-transfer-response", 23: "clear-configuration-request",
		24: "clear-configuration-response", 25: "station-configuration-request", 26: "station-configuration-response"}
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

// parseTeredo reads what the decoder leaves: packets without content, which keep a way open (RFC 4380 section 5.1.1).
func parseTeredo(c *call) verdict {
	const origin, authentication, ip6 = 0x0000, 0x0001, 40
	const prefix, linkLocal = 0x20010000, 0xfe80
	v := &c.view[c.side]
	r := cursor{b: v.b}
	if be16(r.b) == authentication {
		r.bytes(2)
		id, value := r.u8(), r.u8()
		r.bytes(id + value + 8 + 1)
	}
	if len(r.b) >= 2 && be16(r.b) == origin {
		r.bytes(8)
	}
	b := r.b
	if len(b) < ip6 || b[0]>>4 != 6 || int(be16(b[4:])) > len(b)-ip6 && !v.gap {
		return no
	}
	ours := func(a []byte) bool { return be32(a) == prefix }
	near := func(a []byte) bool { return be16(a) == linkLocal }
	if src, dst := b[8:24], b[24:40]; !ours(src) && !ours(dst) && !(near(src) && c.hasPort(3544)) {
		return no
	}
	return c.finish()
}

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
	switch kind := b[0] >> 4; kind {
	case 1, 2, 6: // records, and an address family or a record's beginning where it belongs
		good = b[3] > 0 && len(b) >= 24
		if kind == 1 && good {
			good = lispFamily(be16(b[12:]))
		} else if good {
			good = b[17] <= 128 && lispFamily(be16(b[22:]))
		}
	case 3, 4, 5: // records, a key's number, what proves it
		size := int(be16(b[14:]))
		good = b[3] > 0 && (size == 0 || size == 16 || size == 20 || size == 32) && (v.gap || len(b) >= 16+size+12)
	case 7:
		good = be24(b[1:])&0x7ffff == 0
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

// parseCAPWAP reads the control of access points (RFC 5415 section 4): within DTLS, or in the clear on its port.
func parseCAPWAP(c *call) verdict {
	const inDTLS = 1
	v := &c.view[c.side]
	b := v.b
	if b[0] == inDTLS {
		if be24(b[1:]) == 0 && len(b) > 4+13 && b[4] >= 20 && b[4] <= 25 && b[5] == 0xfe && b[6] >= 0xfd {
			return c.finish()
		}
		return no
	}
	at := int(b[1]>>3) * 4
	if !c.hasPort(5246) || at < 8 || len(b) < at+8 {
		return no
	}
	kind, n := be32(b[at:]), int(be16(b[at+5:]))
	if kind == 0 || kind >= uint32(len(capwapMessages)) || !v.exactly(at+5+n) && !v.exactly(at+8+n) {
		return no
	}
	c.named(fieldCAPWAPMessage, capwapMessages, int(kind))
	return c.finish()
}
