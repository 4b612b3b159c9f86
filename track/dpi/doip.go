package dpi

import "rustnet/track/event"

var (
	fieldDoIPType = event.AppUint("doip_type", "", "Payload type of the first message.")
	fieldDoIPVIN  = event.AppString("doip_vin", "Identification number of the vehicle.")

	doipFields = []*event.AppField{fieldDoIPType, fieldDoIPVIN}

	doipFirst = bytesIn("\xff", 1, 4)
)

// parseDoIP reads a header (ISO 13400-2 chapter 9.2): version, its inverse, type, length.
func parseDoIP(c *call) verdict {
	const headerLen, announcement, vinLen = 8, 4, 17
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[0] != ^b[1] {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	kind, n := be16(b[2:]), int(min(be32(b[4:]), 1<<20))
	if !doipLength(kind, n) || b[0] == 0xff && kind > 3 || !c.f.tcp && !v.exactly(headerLen+n) {
		return no
	}
	c.edit().SetUint(fieldDoIPType, uint64(kind))
	if vin := b[headerLen:]; kind == announcement && len(vin) >= vinLen && printable(vin[:vinLen]) {
		c.fact(fieldDoIPVIN, vin[:vinLen])
	}
	return c.finish()
}

// doipLength tells whether a payload of the type can be so long (ISO 13400-2 chapter 7).
func doipLength(kind uint16, n int) bool {
	switch kind {
	case 0, 0x4004: // refusals; power mode
		return n == 1
	case 1, 7, 0x4001, 0x4003:
		return n == 0
	case 2:
		return n == 6
	case 3:
		return n == 17
	case 4:
		return n == 32 || n == 33
	case 5:
		return n == 7 || n == 11
	case 6:
		return n == 9 || n == 13
	case 8:
		return n == 2
	case 0x4002:
		return n == 3 || n == 7
	case 0x8001, 0x8002, 0x8003:
		return n >= 5 && n <= 1<<16
	}
	return false
}
