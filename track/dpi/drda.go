package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldDRDADatabase = event.AppString("drda_database", "Database that the client named.")
	fieldDRDAUser     = event.AppString("drda_user", "User that the client named.")

	drdaFields = []*event.AppField{fieldDRDADatabase, fieldDRDAUser}

	drdaFirst = bytesIn("", 0, 0x7f)
)

// parseDRDA reads the first messages of Db2 and Derby (The Open Group, DDM Level 3): length, magic, form, number; then length
// and code point of each object. The password, whose code point is 0x11a1, is not shown.
func parseDRDA(c *call) verdict {
	const headerLen, magic, excsat, database, user = 10, 0xd0, 0x1041, 0x2110, 0x11a0
	const maxSeen = 4 << 10
	v := &c.view[c.side]
	b := v.b
	if c.f.state == nil {
		if len(b) > 2 && b[2] != magic {
			return no
		}
		if len(b) < headerLen {
			return v.unfinished()
		}
		n, point := int(be16(b)), be16(b[8:])
		if n < headerLen || int(be16(b[6:])) != n-6 || b[3]&0x88 != 0 || point != excsat && point != 0x1443 && point>>8 != 0x10 && point>>8 != 0x20 && point>>8 != 0x12 && point>>8 != 0x22 {
			return no
		}
		client := c.side
		if point == 0x1443 || point>>8 == 0x12 || point>>8 == 0x22 {
			client = 1 - c.side
		}
		c.f.state = &asker{client: client}
		c.setClient(client)
		c.edit()
	}
	client := c.f.state.(*asker).client
	c.view[1-client].b = nil
	v = &c.view[client]
	for len(v.b) >= headerLen {
		n := int(be16(v.b))
		if n < headerLen || v.b[2] != magic {
			return done
		}
		if len(v.b) < n {
			if v.gap || v.fin || len(v.b) > maxSeen {
				return done
			}
			return match
		}
		for r := (cursor{b: v.b[headerLen:n]}); len(r.b) >= 4; {
			size, point := r.u16(), r.u16()
			body := r.bytes(max(0, size-4))
			if r.bad || size < 4 {
				break
			}
			switch point {
			case database:
				// Derby's clients put attributes behind it, keys of encrypted databases among them. The semicolon is UTF-8's or EBCDIC's.
				if end := bytes.IndexAny(body, ";^"); end >= 0 {
					body = body[:end]
				}
				c.ebcdic(fieldDRDADatabase, body)
			case user:
				c.ebcdic(fieldDRDAUser, body)
			}
		}
		c.eat(client, n)
		if c.f.app.Has(fieldDRDADatabase) && c.f.app.Has(fieldDRDAUser) {
			return c.finish()
		}
	}
	return match
}

// ebcdic sets a name in EBCDIC or, in newer versions, UTF-8.
func (c *call) ebcdic(f *event.AppField, b []byte) {
	text := c.hash[:0]
	for _, d := range b {
		switch low := d & 15; {
		case d < 0x40 || d == 0x40:
			d = ' '
		case d < 0x80 && alphanumeric(d): // no EBCDIC
		case d >= 0xf0 && d <= 0xf9:
			d = '0' + low
		case d == 0x6d:
			d = '_'
		case d == 0x4b:
			d = '.'
		case d == 0x60:
			d = '-'
		case low >= 1 && low <= 9 && d>>4 == 0x8, low >= 1 && low <= 9 && d>>4 == 0xc:
			d = "aA"[d>>6&1] + low - 1
		case low >= 1 && low <= 9 && d>>4 == 0x9, low >= 1 && low <= 9 && d>>4 == 0xd:
			d = "jJ"[d>>6&1] + low - 1
		case low >= 2 && low <= 9 && d>>4 == 0xa, low >= 2 && low <= 9 && d>>4 == 0xe:
			d = "sS"[d>>6&1] + low - 2
		default:
			return
		}
		text = append(text, d)
	}
	c.hash = text
	if text = bytes.TrimSpace(text); len(text) > 0 {
		c.firstFact(f, text)
	}
}
