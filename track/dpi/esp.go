package dpi

import (
	"strings"

	"rustnet/track/event"
)

var (
	fieldESPSPI = event.AppString("esp_spi", "Security parameters index of the first packet, as ip xfrm shows it.").Spelt(espSpiForm)

	espFields = []*event.AppField{fieldESPSPI}
)

var espSpiForm = event.Shaped("0x and eight hexadecimal digits in small letters", "0xc0ffee01", `0x[0-9a-f]{8}`).Meaning(func(text string) string { return "0x" + strings.ToLower(text) })

const protoESP = 50 // IANA's number

// parseESP reads an index and a sequence number (RFC 4303 section 2); all else is encrypted. Indexes below 256 are reserved.
func parseESP(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 8 || be32(b) < 256 {
		return no
	}
	c.hash = append(c.hash[:0], "0x"...)
	for _, d := range b[:4] {
		c.hash = append(c.hash, hexDigits[d>>4], hexDigits[d&15])
	}
	c.edit().SetStr(fieldESPSPI, c.text(c.hash))
	return c.finish()
}
