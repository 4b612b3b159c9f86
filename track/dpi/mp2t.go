package dpi

var mp2tFirst = bytesIn("\x47", 1, 0)

const (
	mp2tPacket = 188
	mp2tMin    = 2 * mp2tPacket
)

// parseMP2T knows a transport stream that lies in datagrams without RTP (ISO/IEC 13818-1 section 2.4.3): packets of one length, each with
// its byte of synchronisation, no error, and something in it.
func parseMP2T(c *call) verdict {
	const sync, bad, scrambling, kind = 0x47, 0x80, 0xc0, 0x30
	v := &c.view[c.side]
	if len(v.b)%mp2tPacket != 0 && !v.gap {
		return no
	}
	for b := v.b; len(b) >= 4; b = b[min(mp2tPacket, len(b)):] {
		if b[0] != sync || b[1]&bad != 0 || b[3]&scrambling == 0x40 || b[3]&kind == 0 {
			return no
		}
	}
	return c.finish()
}
