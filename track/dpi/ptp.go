package dpi

import "rustnet/track/event"

var fieldPTPDomain = event.AppUint("ptp_domain", "", "Domain of the clocks.")

var ptpFields = []*event.AppField{fieldPTPDomain}

// ptpFirst: the upper half is the profile's, the lower the kind of message: sync to pdelay, follow-up to management.
var ptpFirst = func() *byteSet {
	var s byteSet
	for b := range 256 {
		if kind := b & 15; kind <= 3 || kind >= 8 && kind <= 13 {
			s[b>>6] |= 1 << (b & 63)
		}
	}
	return &s
}()

// ptpLens are the shortest messages of each kind (IEEE 1588-2008 section 13).
var ptpLens = [16]int{0: 44, 1: 44, 2: 54, 3: 54, 8: 44, 9: 54, 10: 54, 11: 64, 12: 44, 13: 48}

// parsePTP reads PTP 2 on its ports, and over Ethernet.
func parsePTP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if c.f.only == 0 && !c.hasPort(319) && !c.hasPort(320) || len(b) < 34 || b[1]&0xef != 2 || b[32] > 5 {
		return no
	}
	if n := int(be16(b[2:])); n < ptpLens[b[0]&15] || n > len(b) && !v.gap {
		return no
	}
	c.edit().SetUint(fieldPTPDomain, uint64(b[4]))
	return c.finish()
}

const protoPTP = 262 // as decode numbers it
