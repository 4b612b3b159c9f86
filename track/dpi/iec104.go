package dpi

import "rustnet/track/event"

var fieldIEC104Address = event.AppUint("iec104_address", "", "Common address of the first ASDU, where one was among what the protocol was known by.")

var iec104Fields = []*event.AppField{fieldIEC104Address}

var iec104First = bytesIn("\x68", 1, 0)

const (
	iec104Start  = 0x68
	iec104MinLen = 4
	iec104MaxLen = 253
)

// parseIEC104 reads APDUs (IEC 60870-5-104 clause 5): all that is there must be whole and fit. One that
// carries nothing but STARTDT or TESTFR has every byte fixed; of others there must be what makes an ASDU.
func parseIEC104(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	proof := false
	var asdu []byte
	for len(b) > 0 {
		if b[0] != iec104Start || len(b) > 1 && (b[1] < iec104MinLen || b[1] > iec104MaxLen) {
			return no
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return v.unfinished()
		}
		apdu := b[2 : 2+int(b[1])]
		b = b[2+int(b[1]):]
		switch {
		case apdu[0]&3 == 3: // U: one of six functions, and zeros
			if len(apdu) != 4 || apdu[1]|apdu[2]|apdu[3] != 0 || !iec104Function(apdu[0]) {
				return no
			}
			proof = true
		case apdu[0] == 1: // S
			if len(apdu) != 4 || apdu[1] != 0 || apdu[2]&1 != 0 {
				return no
			}
			proof = proof || len(v.b) > len(apdu)+2 || len(c.view[1-c.side].b) > 0
		case apdu[0]&1 == 0: // I: type, number of objects, cause, originator, address
			if len(apdu) < 10 || apdu[2]&1 != 0 || apdu[4] == 0 || apdu[4] > 127 || apdu[5]&0x7f == 0 || apdu[6]&0x3f == 0 {
				return no
			}
			proof = true
			if asdu == nil {
				asdu = apdu[4:]
			}
		default:
			return no
		}
	}
	if !proof {
		return v.unfinished()
	}
	if asdu != nil {
		c.edit().SetUint(fieldIEC104Address, uint64(le16(asdu[4:])))
	}
	return c.finish()
}

// iec104Function tells STARTDT, STOPDT and TESTFR, each to act or in answer.
func iec104Function(b byte) bool {
	return b == 0x07 || b == 0x0b || b == 0x13 || b == 0x23 || b == 0x43 || b == 0x83
}
