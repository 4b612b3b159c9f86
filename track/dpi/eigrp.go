package dpi

import "rustnet/track/event"

var (
	fieldEIGRPType = event.AppString("eigrp_type", "First message: update, request, query, reply, hello, siaquery or siareply.").Spelt(event.OneOf(eigrpTypes...))
	fieldEIGRPAS   = event.AppUint("eigrp_as", "", "Autonomous system.")

	eigrpFields = []*event.AppField{fieldEIGRPType, fieldEIGRPAS}

	eigrpTypes = []string{1: "update", 2: "request", 3: "query", 4: "reply", 5: "hello", 10: "siaquery", 11: "siareply"}
)

const protoEIGRP = 88 // IANA's number

// parseEIGRP reads the header of RFC 7868 section 6.5.
func parseEIGRP(c *call) verdict {
	const headerLen = 20
	v := &c.view[c.side]
	b := v.b
	if len(b) < headerLen || b[0] != 2 || int(b[1]) >= len(eigrpTypes) || eigrpTypes[b[1]] == "" || !v.sums(b) {
		return no
	}
	a := c.edit()
	a.SetStr(fieldEIGRPType, eigrpTypes[b[1]])
	a.SetUint(fieldEIGRPAS, uint64(be16(b[18:])))
	return c.finish()
}
