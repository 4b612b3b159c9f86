package dpi

import (
	"hash/crc32"

	"rustnet/track/event"
)

var (
	fieldTPLinkCommand = event.AppString("tplink_command", "Module of the device that the first message is for or from.").Spelt(event.Small)

	tplinkFields = []*event.AppField{fieldTPLinkCommand}

	tplinkFirst = bytesIn("\x00\x02\xd0", 1, 0)
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
func parseTPLink(c *call) verdict {
	if v := &c.view[c.side]; v.b[0] == 2 {
		return c.tplinkSearch(v)
	}
	return c.tplink(c.view[c.side].b)
}

// tplinkSearch reads the search for newer devices, and what they answer: a header with the length and the checksum of all, that was
// made with another number in its place (as python-kasa 0.12 says it).
func (c *call) tplinkSearch(v *view) verdict {
	const head, sum = 16, 12
	b := v.b
	if len(b) < head+2 || b[1] != 0 || v.gap || len(b) != head+int(be16(b[4:])) || b[head] != '{' {
		return no
	}
	have := crc32.Update(crc32.ChecksumIEEE(b[:sum]), crc32.IEEETable, tplinkPlace)
	if crc32.Update(have, crc32.IEEETable, b[head:]) != be32(b[sum:]) {
		return no
	}
	return c.finish()
}

var tplinkPlace = []byte("\x5a\x6b\x7c\x8d")

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
