package dpi

import "rustnet/track/event"

var (
	fieldNBDExport = event.AppString("nbd_export", "Export that was asked for first.")

	nbdFields = []*event.AppField{fieldNBDExport}

	nbdFirst = bytesIn("N", 1, 0)
)

// parseNBD reads the beginning of the protocol (the NBD project's proto.md): the server greets, the client asks with options.
func parseNBD(c *call) verdict {
	const magic, newStyle, oldStyle, option = "NBDMAGIC", "IHAVEOPT", "\x00\x00\x42\x02\x81\x86\x12\x53", "IHAVEOPT"
	const exportName, info, goOn, optionLen, flags = 1, 6, 7, 16, 4
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		if got := v.begins(magic); got != match {
			return got
		}
		if len(v.b) < 16 {
			return v.unfinished()
		}
		if kind := string(v.b[8:16]); kind != newStyle && kind != oldStyle {
			return no
		}
		st = &asker{client: 1 - c.side}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	v := &c.view[1-st.client]
	v.b = nil // what the server says further tells nothing
	if v = &c.view[st.client]; len(v.b) < flags+optionLen {
		return match
	}
	b := v.b[flags:]
	if string(b[:8]) != option {
		return done
	}
	kind, n := be32(b[8:]), int(min(be32(b[12:]), 4<<10))
	if len(b) < optionLen+n {
		return match
	}
	switch body := b[optionLen : optionLen+n]; {
	case kind == exportName:
		c.fact(fieldNBDExport, body)
	case (kind == info || kind == goOn) && n > 4:
		r := cursor{b: body}
		if name := r.bytes(int(min(r.u32(), 4<<10))); !r.bad {
			c.fact(fieldNBDExport, name)
		}
	default: // another option first: structured replies, TLS
		c.eat(st.client, optionLen+n)
		return match
	}
	return c.finish()
}
