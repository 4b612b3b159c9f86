package dpi

import "rustnet/track/event"

var fieldNetBIOSName = event.AppString("netbios_name", "Name that is asked for or registered, or the sender's; the 16th character, the kind of service, is left out.")

var netbiosFields = []*event.AppField{fieldNetBIOSName}

var netbiosDgmFirst = bytesIn("", 0x10, 0x16)

const netbiosNameLen = 34 // length, 32 letters, end

// netbiosText decodes a name that begins b (RFC 1001 section 14.1). A scope may follow the letters.
func netbiosText(dst, b []byte) ([]byte, bool) {
	if len(b) < netbiosNameLen || !netbiosName(b, 0) {
		return dst, false
	}
	start := len(dst)
	for i := 1; i < 31; i += 2 {
		dst = append(dst, (b[i]-'A')<<4|(b[i+1]-'A'))
	}
	for len(dst) > start && (dst[len(dst)-1] == ' ' || dst[len(dst)-1] == 0) {
		dst = dst[:len(dst)-1]
	}
	return dst, true
}

// netbiosShown sets a name, where it can be shown.
func (c *call) netbiosShown(b []byte) {
	name, ok := netbiosText(c.hash[:0], b)
	c.hash = name
	if ok && oneLine(name) {
		c.edit().SetStr(fieldNetBIOSName, c.text(name))
	}
}

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
	end, _, ok := dnsSkipName(b, dnsHeaderLen)
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
