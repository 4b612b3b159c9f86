package dpi

import "rustnet/track/event"

var spiceChannels = []string{1: "main", 2: "display", 3: "inputs", 4: "cursor", 5: "playback", 6: "record", 7: "tunnel", 8: "smartcard", 9: "usbredir", 10: "port", 11: "webdav"}

var (
	fieldSpiceChannel = event.AppString("spice_channel", "What the connection is for: main, display, inputs, cursor, playback, ….").Spelt(event.OneOf(spiceChannels[1:]...))

	spiceFields = []*event.AppField{fieldSpiceChannel}

	spiceFirst = bytesIn("R", 1, 0)
)

// parseSpice reads the message that a connection of SPICE begins with, or its answer (spice-protocol, protocol.h): magic, version, length;
// then the session and the channel, or how it went and the server's key.
func parseSpice(c *call) verdict {
	const magic, headerLen, maxLen, key = "REDQ", 16, 4 << 10, 0x30
	v := &c.view[c.side]
	if got := v.begins(magic); got != match {
		return got
	}
	if len(v.b) < headerLen+6 {
		return v.unfinished()
	}
	b := v.b
	major, n, kind := le32(b[4:]), le32(b[12:]), int(b[headerLen+4])
	if major != 1 && major != 2 || n < 6 || n > maxLen {
		return no
	}
	switch {
	case kind == key && c.side == Resp, kind == key && n > 150:
		c.setClient(1 - c.side)
		return c.finish()
	case nameIn(spiceChannels)(uint64(kind)) == "":
		return no
	}
	c.setClient(c.side)
	c.named(fieldSpiceChannel, spiceChannels, kind)
	return c.finish()
}
