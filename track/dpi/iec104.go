package dpi

import "rustnet/track/event"

var (
	fieldIEC104Address = event.AppUint("iec104_address", "", "Common address of the first ASDU that is not for all stations.")
	fieldIEC104Type    = event.AppString("iec104_type", "Type of the first ASDU: C_IC_NA_1, M_ME_NC_1, C_SC_NA_1, …, or its number.").Spelt(numberedForm(iec104Types))
)

var iec104Fields = []*event.AppField{fieldIEC104Address, fieldIEC104Type}

var iec104First = bytesIn("\x68", 1, 0)

const (
	iec104Start  = 0x68
	iec104MinLen = 4
	iec104MaxLen = 253
	iec104All    = 0xffff // the address of all stations
	iec104Most   = 16     // APDUs looked at for a type and an address
	iec104Soon   = 4      // where a connection begins: STARTDT, its answer, a question to all stations, the first answer
)

// iec104State counts the APDUs that were looked at.
type iec104State struct{ apdus uint8 }

// parseIEC104 reads APDUs (IEC 60870-5-104 clause 5): all that is there must be whole and fit. One that
// carries nothing but STARTDT or TESTFR has every byte fixed; of others there must be what makes an ASDU.
func parseIEC104(c *call) verdict {
	if st, _ := c.f.state.(*iec104State); st != nil {
		return c.iec104Follow(st)
	}
	v := &c.view[c.side]
	b := v.b
	proof := false
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
			proof = proof || iec104Objects(apdu[4:])
		default:
			return no
		}
	}
	if !proof {
		return v.unfinished()
	}
	c.edit()
	st := &iec104State{}
	c.f.state = st
	return c.iec104Follow(st)
}

// iec104Follow passes over APDUs up to the first with an ASDU that names one station: a connection begins with STARTDT, and with questions to all.
func (c *call) iec104Follow(st *iec104State) verdict {
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		for len(v.b) >= 2 {
			b := v.b
			if b[0] != iec104Start || b[1] < iec104MinLen || b[1] > iec104MaxLen || st.apdus == iec104Most {
				return c.finish()
			}
			size := 2 + int(b[1])
			if len(b) < size {
				if v.gap {
					return c.finish()
				}
				break
			}
			st.apdus++
			if apdu := b[2:size]; apdu[0]&1 == 0 && len(apdu) >= 10 && apdu[4]&0x80 == 0 && iec104Objects(apdu[4:]) {
				if !c.f.app.Has(fieldIEC104Type) {
					c.numbered(fieldIEC104Type, iec104Types, apdu[4])
				}
				if address := le16(apdu[8:]); address != iec104All {
					c.edit().SetUint(fieldIEC104Address, uint64(address))
					return c.finish()
				}
			}
			c.skip(s, uint64(size))
			if st.apdus >= iec104Soon {
				c.know()
			}
		}
	}
	return match
}

// iec104Types are the names of types (IEC 60870-5-101 clause 7.2.1.1, -104 clause 8).
var iec104Types = map[byte]string{
	1: "M_SP_NA_1", 2: "M_SP_TA_1", 3: "M_DP_NA_1", 4: "M_DP_TA_1", 5: "M_ST_NA_1", 6: "M_ST_TA_1", 7: "M_BO_NA_1", 8: "M_BO_TA_1", 9: "M_ME_NA_1",
	10: "M_ME_TA_1", 11: "M_ME_NB_1", 12: "M_ME_TB_1", 13: "M_ME_NC_1", 14: "M_ME_TC_1", 15: "M_IT_NA_1", 16: "M_IT_TA_1", 17: "M_EP_TA_1",
	18: "M_EP_TB_1", 19: "M_EP_TC_1", 20: "M_PS_NA_1", 21: "M_ME_ND_1", 30: "M_SP_TB_1", 31: "M_DP_TB_1", 32: "M_ST_TB_1", 33: "M_BO_TB_1",
	34: "M_ME_TD_1", 35: "M_ME_TE_1", 36: "M_ME_TF_1", 37: "M_IT_TB_1", 38: "M_EP_TD_1", 39: "M_EP_TE_1", 40: "M_EP_TF_1", 45: "C_SC_NA_1",
	46: "C_DC_NA_1", 47: "C_RC_NA_1", 48: "C_SE_NA_1", 49: "C_SE_NB_1", 50: "C_SE_NC_1", 51: "C_BO_NA_1", 58: "C_SC_TA_1", 59: "C_DC_TA_1",
	60: "C_RC_TA_1", 61: "C_SE_TA_1", 62: "C_SE_TB_1", 63: "C_SE_TC_1", 64: "C_BO_TA_1", 70: "M_EI_NA_1", 100: "C_IC_NA_1", 101: "C_CI_NA_1",
	102: "C_RD_NA_1", 103: "C_CS_NA_1", 104: "C_TS_NA_1", 105: "C_RP_NA_1", 106: "C_CD_NA_1", 107: "C_TS_TA_1", 110: "P_ME_NA_1", 111: "P_ME_NB_1",
	112: "P_ME_NC_1", 113: "P_AC_NA_1", 120: "F_FR_NA_1", 121: "F_SR_NA_1", 122: "F_SC_NA_1", 123: "F_LS_NA_1", 124: "F_AF_NA_1", 125: "F_SG_NA_1",
	126: "F_DR_TA_1", 127: "F_SC_NB_1",
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
