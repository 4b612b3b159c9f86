package dpi

import "rustnet/track/event"

var (
	fieldSynphasorFrame  = event.AppString("synphasor_frame", "Kind of the first frame: data, header, configuration-1, configuration-2, command or configuration-3.").Spelt(event.OneOf(synphasorFrames...))
	fieldSynphasorStream = event.AppUint("synphasor_id", "", "Number of the stream of measurements.")

	synphasorFields = []*event.AppField{fieldSynphasorFrame, fieldSynphasorStream}

	synphasorFirst = bytesIn("\xaa", 1, 0)

	synphasorFrames = []string{"data", "header", "configuration-1", "configuration-2", "command", "configuration-3"}
)

// parseSynphasor reads a frame of IEEE C37.118.2 (section 6.2): sync, size, stream, time, and at its end a checksum that must be right.
func parseSynphasor(c *call) verdict {
	const minLen, command = 16, 4
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 {
		if kind, version := b[1]>>4, b[1]&15; int(kind) >= len(synphasorFrames) || version == 0 || version > 3 {
			return no
		}
	}
	if len(b) < 4 {
		return v.unfinished()
	}
	n := int(be16(b[2:]))
	switch {
	case n < minLen, !c.f.tcp && len(b) != n:
		return no
	case len(b) < n:
		return v.unfinished()
	}
	if crc16(0xffff, b[:n-2]) != be16(b[n-2:]) { // CRC-CCITT
		return no
	}
	kind := int(b[1] >> 4)
	if kind == command {
		c.setClient(c.side)
	}
	c.named(fieldSynphasorFrame, synphasorFrames, kind)
	c.firstNumber(fieldSynphasorStream, uint64(be16(b[4:])))
	return c.finish()
}
