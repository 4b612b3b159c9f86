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
			if iec104Objects(apdu[4:]) {
				proof = true
				if asdu == nil {
					asdu = apdu[4:]
				}
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

// iec104Sizes are the lengths of an object of each type without its address (IEC 60870-5-101 clause 7.3, -104
// clause 8), one more than they are; 0 is a type that is not or has no fixed length.
var iec104Sizes = [128]byte{1: 2, 2: 5, 3: 2, 4: 5, 5: 3, 6: 6, 7: 6, 8: 9, 9: 4, 10: 7, 11: 4, 12: 7, 13: 6, 14: 9, 15: 6, 16: 9, 17: 7, 18: 8,
	19: 8, 20: 6, 21: 3, 30: 9, 31: 9, 32: 10, 33: 13, 34: 11, 35: 11, 36: 13, 37: 13, 38: 11, 39: 12, 40: 12, 45: 2, 46: 2, 47: 2,
	48: 4, 49: 4, 50: 6, 51: 5, 58: 9, 59: 9, 60: 9, 61: 11, 62: 11, 63: 13, 64: 12, 70: 2, 100: 2, 101: 2, 102: 1, 103: 8, 104: 3,
	105: 2, 106: 3, 107: 10, 110: 4, 111: 4, 112: 6, 113: 2, 120: 7, 121: 8, 122: 5, 123: 6, 124: 5, 126: 14, 127: 17}

// iec104Objects tells whether an ASDU is as long as its objects make it: each with an address of three bytes, or the first alone.
func iec104Objects(asdu []byte) bool {
	size, n := int(iec104Sizes[asdu[0]])-1, int(asdu[1]&0x7f)
	switch {
	case size < 0:
		return false
	case asdu[1]&0x80 != 0:
		return len(asdu) == 6+3+n*size
	}
	return len(asdu) == 6+n*(3+size)
}

// iec104Function tells STARTDT, STOPDT and TESTFR, each to act or in answer.
func iec104Function(b byte) bool {
	return b == 0x07 || b == 0x0b || b == 0x13 || b == 0x23 || b == 0x43 || b == 0x83
}
