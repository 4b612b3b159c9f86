package dpi

import "rustnet/track/event"

var (
	fieldTACACSType = event.AppString("tacacs_type", "What the session is for: authentication, authorization or accounting.").Spelt(event.OneOf(tacacsTypes...))

	tacacsFields = []*event.AppField{fieldTACACSType}

	tacacsFirst = bytesIn("\xc0\xc1", 1, 0)

	tacacsTypes = []string{"", "authentication", "authorization", "accounting"}
)

// parseTACACS reads the header of TACACS+ (RFC 8907 section 4.1): version, type, number in the session, flags, session, length.
// What follows is obfuscated, so that a request counts only with the reply to it.
func parseTACACS(c *call) verdict {
	const headerLen, flags, maxBody = 12, 0x05, 1 << 16
	var b [2][]byte
	for s := range b {
		v := &c.view[s]
		b[s] = v.b
		if len(v.b) == 0 {
			continue
		}
		if !tacacsFirst.has(v.b[0]) || len(v.b) > 1 && (v.b[1] == 0 || int(v.b[1]) >= len(tacacsTypes)) || len(v.b) > 3 && v.b[3]&^flags != 0 {
			return no
		}
		if len(v.b) < headerLen {
			return v.unfinished()
		}
		if n := be32(v.b[8:]); n < 5 || n > maxBody {
			return no
		}
	}
	if len(b[0]) == 0 || len(b[1]) == 0 {
		return c.view[c.side].unfinished()
	}
	client := Orig
	if b[Orig][2] > b[Resp][2] {
		client = Resp
	}
	if b[client][2]&1 == 0 || b[1-client][2] != b[client][2]+1 || b[0][1] != b[1][1] || be32(b[0][4:]) != be32(b[1][4:]) {
		return no
	}
	c.setClient(client)
	c.named(fieldTACACSType, tacacsTypes, int(b[0][1]))
	return c.finish()
}
