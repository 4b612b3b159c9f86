package dpi

var netbiosDgmFirst = bytesIn("", 0x10, 0x16)

// parseNetBIOSDatagram reads the NetBIOS datagram service (RFC 1002 section 4.4).
func parseNetBIOSDatagram(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < 14 || b[1] > 0x0f {
		return no
	}
	switch b[0] {
	case 0x10, 0x11, 0x12:
		const head = 14
		if len(b) < head+netbiosNameLen || !v.exactly(head+int(be16(b[10:]))) && !c.hasPort(138) || !netbiosName(b, head) {
			return no
		}
		c.edit()
		c.netbiosShown(b[head:])
	case 0x14, 0x15, 0x16:
		if len(b) < 10+netbiosNameLen || !netbiosName(b, 10) {
			return no
		}
		c.edit()
		c.netbiosShown(b[10:])
	default: // an error
		if !c.hasPort(138) {
			return no
		}
	}
	return c.finish()
}
