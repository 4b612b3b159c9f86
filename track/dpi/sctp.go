package dpi

// protoSCTP is SCTP's number.
const protoSCTP = 132

// sctpPayloads are the payload protocol identifiers of https://www.iana.org/assignments/sctp-parameters that we have a name for.
var sctpPayloads = map[uint32]string{1: "iua", 2: "m2ua", 3: "m3ua", 4: "sua", 5: "m2pa", 7: "megaco", 18: "s1ap", 27: "x2ap", 46: "diameter", 60: "ngap", 61: "xnap", 62: "f1ap", 64: "e1ap"}

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
			if name := sctpPayloads[be32(b[12:])]; name != "" {
				c.edit().Name = name
				return c.finish()
			}
			return no
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return more
}
