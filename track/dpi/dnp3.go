package dpi

import "rustnet/track/event"

var (
	fieldDNP3Master     = event.AppUint("dnp3_master", "", "Address of the master.")
	fieldDNP3Outstation = event.AppUint("dnp3_outstation", "", "Address of the outstation.")
)

var dnp3Fields = []*event.AppField{fieldDNP3Master, fieldDNP3Outstation}

var dnp3First = bytesIn("\x05", 1, 0)

const (
	dnp3HeaderLen  = 10
	dnp3FromMaster = 0x80
)

// parseDNP3 reads a link header (IEEE 1815 clause 9): start, length, control, addresses, and a checksum, which is proof.
func parseDNP3(c *call) verdict {
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
	return c.finish()
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
