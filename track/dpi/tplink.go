package dpi

import "rustnet/track/event"

var (
	fieldTPLinkCommand = event.AppString("tplink_command", "Module of the device that the first message is for or from.").Spelt(event.Small)

	tplinkFields = []*event.AppField{fieldTPLinkCommand}

	tplinkFirst = bytesIn("\x00\xd0", 1, 0)
)

// tplinkText makes a message of TP-Link's smart home devices readable, as far as max bytes: each byte was combined with the one before it.
func tplinkText(b []byte, max int) []byte {
	text, key := make([]byte, 0, max), byte(0xab)
	for _, x := range b[:min(len(b), max)] {
		text = append(text, x^key)
		key = x
	}
	return text
}

// parseTPLink reads a message: an object of JSON with the device's modules.
func parseTPLink(c *call) verdict { return c.tplink(c.view[c.side].b) }

// parseTPLinkStream reads one that has its length before it.
func parseTPLinkStream(c *call) verdict {
	const maxLen = 64 << 10
	v := &c.view[c.side]
	if len(v.b) < 4 {
		return v.unfinished()
	}
	if n := be32(v.b); n < 10 || n > maxLen {
		return no
	}
	if len(v.b) < 16 {
		return v.unfinished()
	}
	return c.tplink(v.b[4:])
}

func (c *call) tplink(b []byte) verdict {
	const begin, keyMax, maxText = `{"`, 32, 48
	if len(b) < 8 || b[0] != '{'^0xab || b[1] != '"'^b[0] {
		return no
	}
	text := tplinkText(b, maxText)[len(begin):]
	n := 0
	for n < len(text) && (text[n] >= 'a' && text[n] <= 'z' || text[n] == '_' || text[n] == '.') {
		n++
	}
	if n < 2 || n > keyMax || n+2 >= len(text) || text[n] != '"' || text[n+1] != ':' || text[n+2] != '{' {
		return no
	}
	c.fact(fieldTPLinkCommand, text[:n])
	return c.finish()
}
