package dpi

import "rustnet/track/event"

var (
	fieldSRTEncryption = event.AppString("srt_encryption", "Cipher that was announced first: aes-128, aes-192, aes-256.").Spelt(event.OneOf("aes-128", "aes-192", "aes-256"))

	srtFields = []*event.AppField{fieldSRTEncryption}

	srtFirst = bytesIn("\x80", 1, 0)
)

const srtHandshakeLen = 64

// parseSRT reads the handshake of SRT (draft-sharabayko-srt section 3.2.1). It begins as UDT's does, of which it is made: only the version that
// the listener answers with, or that the caller concludes with, tells them apart.
func parseSRT(c *call) verdict {
	const control, ofUDT, ofSRT, magic, induction, conclusion, agreement = 1 << 63, 4, 5, 0x4a17, 1, 0xffffffff, 0xfffffffe
	const minMTU, maxMTU = 76, 65535
	b := c.view[c.side].b
	if be64(b) != control {
		return no
	}
	version, field, mtu, kind := be32(b[16:]), be16(b[22:]), be32(b[28:]), be32(b[36:])
	if mtu < minMTU || mtu > maxMTU {
		return no
	}
	switch {
	case version == ofSRT && (kind == induction && field == magic || kind == conclusion || kind == agreement):
		if cipher := int(be16(b[20:])); cipher >= 2 && cipher <= 4 {
			c.named(fieldSRTEncryption, []string{2: "aes-128", 3: "aes-192", 4: "aes-256"}, cipher)
		}
	case version == ofUDT && be16(b[20:]) == 0 && (field == 1 || field == 2):
		if c.side == Orig && kind == induction {
			return more
		}
		if kind != induction && kind != conclusion {
			return no
		}
		if a := c.edit(); a.Name == "" {
			a.Name = "udt"
		}
	default:
		return no
	}
	c.setClient(Orig)
	return c.finish()
}
