package dpi

import "rustnet/track/event"

var (
	fieldSLPService = event.AppString("slp_service", "Type of service that was asked for first.")

	slpFields = []*event.AppField{fieldSLPService}

	slpFirst = bytesIn("", 1, 2)
)

// parseSLP reads a datagram of SLP 2 (RFC 2608 section 8) or 1 (RFC 2165 section 4).
func parseSLP(c *call) verdict {
	const header2, header1, request = 14, 12, 1
	v := &c.view[c.side]
	b := v.b
	if b[0] == 1 { // and a language of two letters
		if len(b) < header1 || b[1] == 0 || b[1] > 11 || !v.exactly(int(be16(b[2:]))) || b[5] != 0 || !alphanumeric(b[6]) || !alphanumeric(b[7]) {
			return no
		}
		return c.finish()
	}
	r := cursor{b: b[min(len(b), header2-2):]}
	language := r.vector16()
	if len(b) < header2 || b[1] == 0 || b[1] > 11 || !v.exactly(be24(b[2:])) || r.bad || len(language) < 2 || !printable(language) {
		return no
	}
	c.edit()
	if b[1] == request {
		r.vector16() // those who answered before
		if service := r.vector16(); !r.bad {
			c.firstFact(fieldSLPService, service)
		}
		c.setClient(c.side)
	}
	return c.finish()
}
