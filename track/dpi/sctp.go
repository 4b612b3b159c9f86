package dpi

// protoSCTP is SCTP's number.
const protoSCTP = 132

// sctpPayloads are the payload protocol identifiers of https://www.iana.org/assignments/sctp-parameters that we have a name for.
func sctpPayload(id uint32) string {
	switch id {
	case 1:
		return "iua"
	case 2:
		return "m2ua"
	case 3:
		return "m3ua"
	case 4:
		return "sua"
	case 5:
		return "m2pa"
	case 7:
		return "megaco"
	case 18:
		return "s1ap"
	case 27:
		return "x2ap"
	case 46:
		return "diameter"
	case 60:
		return "ngap"
	case 61:
		return "xnap"
	case 62:
		return "f1ap"
	case 64:
		return "e1ap"
	}
	return ""
}

// parseSCTP looks for the first data whose sender says what it is (RFC 9260 section 3.3.1). The chunks' lengths must add up.
func parseSCTP(c *call) verdict {
	const data, dataHeader = 0, 16
	v := &c.view[c.side]
	for b := v.b; len(b) >= 4; {
		n := int(be16(b[2:]))
		if n < 4 || n > len(b) && !v.gap {
			return no
		}
		if b[0] == data && len(b) >= dataHeader {
			if name := sctpPayload(be32(b[12:])); name != "" {
				c.edit().Name = name
				return c.finish()
			}
			return no
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return more
}
