package dpi

import "hash/crc32"

// parseRTCP recognises RTCP (RFC 3550 section 6): a report of the right length for the number of its blocks, with
// packets behind it that fill the datagram. A report alone needs a second one of the same source, which is not the same one again.
func parseRTCP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	kind, blocks := b[1], int(b[0]&31)
	if kind != 200 && kind != 201 || b[0]&0x20 != 0 || be32(b[4:]) == 0 {
		return more
	}
	size, fixed := 4+4*int(be16(b[2:])), 8
	if kind == 200 {
		fixed = 28
	}
	if size < fixed+24*blocks || size > len(b) && !v.gap || size > fixed+24*blocks+64 {
		return more
	}
	packets := 1
	for rest := b[min(size, len(b)):]; len(rest) > 0; packets++ {
		if len(rest) < 4 || rest[0]&0xc0 != 0x80 || rest[1] < 192 || rest[1] > 213 {
			packets = -1 // SRTCP: what is behind the first eight bytes is encrypted
			break
		}
		n := 4 + 4*int(be16(rest[2:]))
		if n > len(rest) && !v.gap {
			return more
		}
		rest = rest[min(n, len(rest)):]
	}
	if packets > 1 && size == fixed+24*blocks {
		return c.finish()
	}
	if kind == 200 && size == len(b) && c.sentNow(be32(b[8:])) {
		return c.finish()
	}
	ssrc, said := uint64(be32(b[4:])), crc32.ChecksumIEEE(b)
	if a, before, ok := c.trail(trailRTCP, c.side); ok && a == ssrc && before != said {
		return c.finish()
	}
	c.leave(trailRTCP, ssrc, said)
	return more
}

// sentNow tells whether seconds since 1900, as a sender's report has them, are those of the packet that has it, or nearly.
func (c *call) sentNow(ntp uint32) bool {
	const epoch, day = 2208988800, 24 * 3600
	apart := int32(ntp - uint32(c.ts/1e9+epoch))
	return apart > -day && apart < day
}
