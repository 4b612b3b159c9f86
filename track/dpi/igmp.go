package dpi

import "rustnet/track/event"

var (
	fieldIGMPType  = event.AppString("igmp_type", "First message: query, report or leave.").Spelt(event.OneOf("query", "report", "leave"))
	fieldIGMPGroup = event.AppString("igmp_group", "Multicast group of the first message.").Spelt(event.Address)

	igmpFields = []*event.AppField{fieldIGMPType, fieldIGMPGroup}
)

const protoIGMP = 2 // IANA's number

// parseIGMP reads versions 1 to 3 (RFC 1112, 2236 and 3376), whose messages are told apart by their numbers.
func parseIGMP(c *call) verdict {
	const query, report1, report2, leave, report3 = 0x11, 0x12, 0x16, 0x17, 0x22
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 || !v.sums(b) {
		return no
	}
	group := b[4:8]
	kind := "report"
	switch b[0] {
	case query:
		kind = "query"
	case report1, report2:
	case leave:
		kind = "leave"
	case report3: // a number of records: type, length, sources, group
		if group = nil; be16(b[6:]) > 0 {
			if len(b) < 16 {
				return c.finish()
			}
			group = b[12:16]
			// A report that includes no sources is how a host leaves (RFC 3376 section 4.2.12).
			if (b[8] == 1 || b[8] == 3) && be16(b[10:]) == 0 {
				kind = "leave"
			}
		}
	default:
		return no
	}
	c.edit().SetStr(fieldIGMPType, kind)
	c.address(fieldIGMPGroup, group)
	return c.finish()
}
