package dpi

import "rustnet/track/event"

var netbiosFields = []*event.AppField{fieldNetBIOSName}

// parseNetBIOSName reads the NetBIOS name service (RFC 1002 section 4.2): DNS with names of another form. Every
// message begins with one.
func parseNetBIOSName(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < dnsHeaderLen+netbiosNameLen+4 || !netbiosName(b, dnsHeaderLen) {
		return no
	}
	switch opcode := b[2] >> 3 & 15; opcode {
	case 0, 5, 6, 7, 8, 9, 15:
	default:
		return no
	}
	for i := 4; i < dnsHeaderLen; i += 2 {
		if be16(b[i:]) > 32 {
			return no
		}
	}
	end, ok := dnsSkipName(b, dnsHeaderLen)
	if !ok || end+4 > len(b) {
		return no
	}
	if kind, class := be16(b[end:]), be16(b[end+2:]); kind != 0x20 && kind != 0x21 && kind != 0x0a && kind != 1 || class != 1 {
		return no
	}
	c.edit()
	c.netbiosShown(b[dnsHeaderLen:])
	if b[3]&0x10 == 0 { // a broadcast has no server
		c.setClient(c.side ^ sideIf(b[2]&0x80 != 0))
	}
	return c.finish()
}
