package dpi

import "rustnet/track/event"

var (
	fieldZ3950Implementation = event.AppString("z3950_implementation", "What the client, or else the server, says that it is.")

	z3950Fields = []*event.AppField{fieldZ3950Implementation}

	z3950First = bytesIn("\xb4\xb5", 1, 0)
)

// parseZ3950 reads the initialization of a session (ISO 23950, appendix 1) in BER: an identifier that may be missing, version, options, two sizes.
func parseZ3950(c *call) verdict {
	const request, response = 0xb4, 0xb5
	const reference, version, options, preferred, exceptional, long, name = 0x82, 0x83, 0x84, 0x85, 0x86, 0x9f, 0x6f
	v := &c.view[c.side]
	b := v.b
	head, size, ok := berHead(b)
	switch {
	case !ok || size > 4<<10:
		return no
	case head == 0 || len(b) < size:
		return v.unfinished()
	}
	r := cursor{b: b[head:size]}
	if len(r.b) > 0 && r.b[0] == reference {
		r.element()
	}
	if len(r.expect(version)) == 0 || len(r.expect(options)) == 0 || r.expect(preferred) == nil || r.expect(exceptional) == nil {
		return no
	}
	if b[0] == request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.edit()
	for len(r.b) > 0 && r.b[0] != long && !r.bad { // whether it was accepted, who asks
		r.element()
	}
	for len(r.b) > 2 && r.b[0] == long { // tags of two bytes
		tag, n := r.b[1], int(r.b[2])
		r.bytes(3)
		if value := r.bytes(n); tag == name {
			c.firstFact(fieldZ3950Implementation, value)
		}
	}
	return c.finish()
}
