package dpi

import "rustnet/track/event"

var fieldNetFlowVersion = event.AppUint("netflow_version", "", "Version of NetFlow: 5, 7, 9; 10 is IPFIX.")

var netflowFields = []*event.AppField{fieldNetFlowVersion}

var netflowFirst = bytesIn("\x00", 1, 0)

// parseNetFlow recognises NetFlow 5, 7, 9 (RFC 3954) and IPFIX (RFC 7011), whose parts must fill the datagram.
func parseNetFlow(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	version, count := be16(b), int(be16(b[2:]))
	ok := false
	switch version {
	case 5:
		ok = count > 0 && count <= 30 && v.exactly(24+48*count) && netflowTime(be32(b[8:]))
	case 7:
		ok = count > 0 && count <= 27 && v.exactly(24+52*count) && netflowTime(be32(b[8:]))
	case 9:
		ok = count > 0 && len(b) > 20 && netflowTime(be32(b[8:])) && netflowSets(b[20:], 0, v.gap)
	case 10:
		ok = v.exactly(count) && len(b) > 16 && netflowTime(be32(b[4:])) && netflowSets(b[16:], 2, v.gap)
	}
	if !ok {
		return no
	}
	c.edit().SetUint(fieldNetFlowVersion, uint64(version))
	c.setClient(c.side)
	return c.finish()
}

// netflowTime tells whether a number of seconds is a time after NetFlow was made.
func netflowTime(t uint32) bool { return t > 20*365*86400 }

// netflowSets visits sets: templates have the two numbers from first on, data those from 256 on.
func netflowSets(b []byte, first uint16, cut bool) bool {
	for len(b) >= 4 {
		id, n := be16(b), int(be16(b[2:]))
		if id != first && id != first+1 && id < 256 || n < 8 {
			return false
		}
		if n > len(b) {
			return cut
		}
		b = b[n:]
	}
	return len(b) == 0
}
