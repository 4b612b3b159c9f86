package dpi

import "rustnet/track/event"

var (
	fieldH323Calling = event.AppString("h323_calling", "Number that calls, as the setup says.")
	fieldH323Called  = event.AppString("h323_called", "Number that is called.")

	h323Fields = []*event.AppField{fieldH323Calling, fieldH323Called}
)

// parseH323 reads call signalling (H.225.0 section 7.2) in a TPKT: Q.931's discriminator, reference, kind, and elements of which one must be
// the user's, where H.323's own is.
func parseH323(c *call) verdict {
	const tpkt, q931, setup, singleOctet, calling, called, userUser, asn1 = 4, 8, 0x05, 0x80, 0x6c, 0x70, 0x7e, 5
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && (b[0] != 3 || b[1] != 0) || len(b) > 4 && b[4] != q931 || len(b) > 5 && b[5] != 2 {
		return no
	}
	if len(b) < 9 {
		return v.unfinished()
	}
	n := int(be16(b[2:]))
	kind := b[8]
	if n < 12 || kind == 0 || kind > 0x7d {
		return no
	}
	if len(b) < n {
		return v.unfinished()
	}
	var from, to []byte
	user := false
	for r := (cursor{b: b[9:n]}); len(r.b) > 0; {
		id := r.u8()
		if id&singleOctet != 0 {
			continue
		}
		var value []byte
		if id == userUser {
			value = r.vector16()
			user = len(value) > 1 && value[0] == asn1
		} else {
			value = r.vector8()
		}
		switch {
		case r.bad:
			return no
		case id == called && len(value) > 1:
			to = value[1:]
		case id == calling && len(value) > 2:
			from = value[1:]
			if value[0]&singleOctet == 0 { // a second octet says how it may be shown
				from = value[2:]
			}
		}
	}
	if !user {
		return no
	}
	c.edit()
	if kind == setup {
		c.setClient(c.side)
	}
	c.firstFact(fieldH323Calling, from)
	c.firstFact(fieldH323Called, to)
	return c.finish()
}
