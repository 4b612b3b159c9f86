package dpi

import "rustnet/track/event"

var (
	fieldDNP3Master     = event.AppUint("dnp3_master", "", "Address of the master.")
	fieldDNP3Outstation = event.AppUint("dnp3_outstation", "", "Address of the outstation.")
	fieldDNP3Function   = event.AppString("dnp3_function", "First function that the master asks for: READ, WRITE, SELECT, OPERATE, …; or its number.").Spelt(numberedForm(dnp3Functions))
)

var dnp3Fields = []*event.AppField{fieldDNP3Master, fieldDNP3Outstation, fieldDNP3Function}

var dnp3First = bytesIn("\x05", 1, 0)

const (
	dnp3HeaderLen  = 10
	dnp3FromMaster = 0x80
	dnp3Primary    = 0x40
	dnp3MaxFrames  = 8 // looked at for a function: links are reset first, and their state is asked for
)

// dnp3Functions are the application layer's requests (IEEE 1815 clause 4.4).
var dnp3Functions = map[byte]string{
	1: "READ", 2: "WRITE", 3: "SELECT", 4: "OPERATE", 5: "DIRECT_OPERATE", 6: "DIRECT_OPERATE_NR", 7: "IMMED_FREEZE",
	8: "IMMED_FREEZE_NR", 9: "FREEZE_CLEAR", 10: "FREEZE_CLEAR_NR", 11: "FREEZE_AT_TIME", 12: "FREEZE_AT_TIME_NR", 13: "COLD_RESTART", 14: "WARM_RESTART",
	15: "INITIALIZE_DATA", 16: "INITIALIZE_APPL", 17: "START_APPL", 18: "STOP_APPL", 19: "SAVE_CONFIG", 20: "ENABLE_UNSOLICITED", 21: "DISABLE_UNSOLICITED",
	22: "ASSIGN_CLASS", 23: "DELAY_MEASURE", 24: "RECORD_CURRENT_TIME", 25: "OPEN_FILE", 26: "CLOSE_FILE", 27: "DELETE_FILE", 28: "GET_FILE_INFO",
	29: "AUTHENTICATE_FILE", 30: "ABORT_FILE", 31: "ACTIVATE_CONFIG", 32: "AUTHENTICATE_REQ", 33: "AUTHENTICATE_REQ_NR",
}

type dnp3State struct{ frames [2]uint8 }

// parseDNP3 reads link frames (IEEE 1815 clause 9) up to the master's first request.
func parseDNP3(c *call) verdict {
	st, _ := c.f.state.(*dnp3State)
	if st == nil {
		if got := c.dnp3Start(); got != match {
			return got
		}
		st = &dnp3State{}
		c.f.state = st
	}
	for s := Orig; s <= Resp; s++ {
		if c.dnp3Frames(st, s) {
			return c.finish()
		}
	}
	return match
}

// dnp3Frames passes over frames up to the first with a function of the master's. It returns true when no more are wanted.
func (c *call) dnp3Frames(st *dnp3State, s Side) bool {
	v := &c.view[s]
	for len(v.b) >= dnp3HeaderLen {
		b := v.b
		if string(b[:2]) != "\x05\x64" || b[2] < 5 || st.frames[s] == dnp3MaxFrames {
			return true
		}
		data := int(b[2]) - 5 // in blocks of 16 bytes with a checksum each
		size := dnp3HeaderLen + data + (data+15)/16*2
		// Data that the master sends, confirmed or not; the first part of a message; its control; the function.
		if kind := b[3] & 0xf; b[3]&(dnp3FromMaster|dnp3Primary) == dnp3FromMaster|dnp3Primary && (kind == 3 || kind == 4) && data >= 3 {
			if len(b) < dnp3HeaderLen+3 {
				return v.gap
			}
			if function := b[dnp3HeaderLen+2]; b[dnp3HeaderLen]&0x40 != 0 && function != 0 {
				c.numbered(fieldDNP3Function, dnp3Functions, function)
				return true
			}
		}
		if b[3]&dnp3FromMaster != 0 {
			c.know() // what the outstation says unasked comes before the first request
		}
		st.frames[s]++
		c.skip(s, uint64(size))
	}
	return false
}

// dnp3Start judges the first header: start, length, control, addresses, and a checksum, which is proof.
func (c *call) dnp3Start() verdict {
	v := &c.view[c.side]
	if got := v.begins("\x05\x64"); got != match {
		return got
	}
	b := v.b
	if len(b) < dnp3HeaderLen {
		return v.unfinished()
	}
	if b[2] < 5 || le16(b[8:]) != int(dnp3CRC(b[:8])) {
		return no
	}
	to, from := uint64(le16(b[4:])), uint64(le16(b[6:]))
	master := b[3]&dnp3FromMaster != 0
	if !master {
		to, from = from, to
	}
	if master {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.edit().SetUint(fieldDNP3Master, from)
	c.edit().SetUint(fieldDNP3Outstation, to)
	return match
}

// dnp3CRC is the checksum of clause 9.2.4.3: polynomial 0x3d65, bits reversed, inverted at the end.
func dnp3CRC(b []byte) uint16 {
	var crc uint16
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xa6bc
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}
