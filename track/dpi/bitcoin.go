package dpi

import "rustnet/track/event"

var (
	fieldBitcoinCommand = event.AppString("bitcoin_command", "First message.").Spelt(event.Small)
	fieldBitcoinAgent   = event.AppString("bitcoin_agent", "Program of the first end that says it.")

	bitcoinFields = []*event.AppField{fieldBitcoinCommand, fieldBitcoinAgent}

	bitcoinFirst = bytesIn("\xf9\x0b\xfa\x0a\xfb\xc0", 1, 0)
)

// parseBitcoin reads a message (Bitcoin developer reference, P2P network): the magic number of a network, command, length,
// checksum. The first one has the program in it.
func parseBitcoin(c *call) verdict {
	const headerLen, maxLen, agentAt = 24, 4 << 20, 80
	v := &c.view[c.side]
	known := false
	for _, magic := range [...]string{"\xf9\xbe\xb4\xd9", "\x0b\x11\x09\x07", "\xfa\xbf\xb5\xda", "\x0a\x03\xcf\x40", "\xfb\xc0\xb6\xdb", "\xc0\xc0\xc0\xc0"} {
		switch v.begins(magic) {
		case match:
			known = true
		case more:
			return more
		}
	}
	if !known {
		return no
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	command, _, _ := zeroText(b[4:16])
	n := le32(b[16:])
	if len(command) < 2 || n > maxLen {
		return no
	}
	for _, ch := range command {
		if ch < 'a' || ch > 'z' {
			if ch < '0' || ch > '9' {
				return no
			}
		}
	}
	if string(command) == "version" {
		if len(b) < headerLen+int(min(n, 512)) && !v.gap && !v.fin {
			return more
		}
		if body := b[headerLen:]; len(body) > agentAt {
			r := cursor{b: body[agentAt:]}
			if agent := r.vector8(); !r.bad {
				c.fact(fieldBitcoinAgent, agent)
			}
		}
	}
	c.setClient(Orig)
	c.fact(fieldBitcoinCommand, command)
	return c.finish()
}
