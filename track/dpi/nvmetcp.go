package dpi

import "bytes"

var nvmetcpFirst = bytesIn("", 0, 1)

// parseNVMeTCP reads the initialization that both ends of NVMe over TCP begin with (NVMe/TCP Transport 1.0 section 3.6.2.2): kind,
// flags, sizes of 128, version 0, alignment, digests, how many transfers; the rest is reserved.
func parseNVMeTCP(c *call) verdict {
	const size, maxAlignment, digests, request = 128, 31, 3, 0
	v := &c.view[c.side]
	b := v.b
	if len(b) > 2 && (b[1] != 0 || b[2] != size) {
		return no
	}
	if len(b) < size {
		return v.unfinished()
	}
	if b[3] != 0 || le32(b[4:]) != size || le16(b[8:]) != 0 || b[10] > maxAlignment || b[11]&^digests != 0 || len(bytes.Trim(b[16:size], "\x00")) != 0 {
		return no
	}
	if b[0] == request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.edit()
	return c.finish()
}
