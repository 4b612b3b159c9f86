package dpi

import "rustnet/track/event"

var fieldNetBIOSName = event.AppString("netbios_name", "Name that is asked for or registered, or the sender's; the 16th character, the kind of service, is left out.")

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
