package dpi

// tuyaFirst: both kinds of frames begin with zeros.
var tuyaFirst = bytesIn("\x00", 1, 0)

// parseTuya knows the frames of appliances with Tuya's modules, as programs for home automation speak them: a mark, number, command,
// length, and the mark of the end; since version 3.5 another mark, and two bytes more.
func parseTuya(c *call) verdict {
	const mark, end, headLen, sealed, sealedEnd, sealedLen, maxLen = 0x55aa, 0xaa55, 16, 0x6699, 0x9966, 18, 4 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0 || len(b) > 2 && b[2] != mark>>8 && b[2] != sealed>>8 {
		return no
	}
	if len(b) < sealedLen {
		return v.unfinished()
	}
	size, last := headLen+size32(be32(b[12:])), uint32(end)
	switch be32(b) {
	case mark:
	case sealed:
		size, last = sealedLen+size32(be32(b[14:]))+4, sealedEnd
	default:
		return no
	}
	switch {
	case size < headLen+8 || size > maxLen:
		return no
	case size > len(b):
		return v.unfinished()
	case be32(b[size-4:]) != last:
		return no
	}
	return c.finish()
}
