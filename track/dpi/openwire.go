package dpi

import "rustnet/track/event"

var (
	fieldOpenWireVersion = event.AppUint("openwire_version", "", "Version of the wire format that the client offers.")

	openwireFields = []*event.AppField{fieldOpenWireVersion}

	openwireFirst = bytesIn("\x00", 1, 0)
)

// parseOpenWire reads the frame that both ends of ActiveMQ begin with (OpenWire's WireFormatInfo): size, type, magic, version.
func parseOpenWire(c *call) verdict {
	const magic, maxSize = "\x01ActiveMQ", 1 << 16
	v := &c.view[c.side]
	if len(v.b) >= 4 {
		if n := be32(v.b); n < uint32(len(magic)+4) || n > maxSize {
			return no
		}
		behind := view{b: v.b[4:], gap: v.gap, fin: v.fin}
		if got := behind.begins(magic); got != match {
			return got
		}
	}
	if len(v.b) < 4+len(magic)+4 {
		return v.unfinished()
	}
	c.setClient(Orig)
	c.edit()
	if c.side == Orig {
		c.firstNumber(fieldOpenWireVersion, uint64(be32(v.b[4+len(magic):])))
	}
	return c.finish()
}
