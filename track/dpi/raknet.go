package dpi

import "rustnet/track/event"

var (
	fieldRakNetServer = event.AppString("raknet_server", "What a server says of itself, such as MCPE and its name.")

	raknetFields = []*event.AppField{fieldRakNetServer}
)

const raknetMagic = "\x00\xff\xff\x00\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"

// parseRakNet reads the messages before a connection (RakNet's source, MessageIdentifiers.h). They hold a magic number right
// behind their kind, of which games have their own, or behind a time, or behind that and the server's number.
func parseRakNet(c *call) verdict {
	const ping, pingOpen, open, openMore, pong, time, server = 1, 2, 5, 7, 0x1c, 8, 8
	b := c.view[c.side].b
	at := 0
	for _, at = range [...]int{1, 1 + time, 1 + time + server, 0} {
		if at > 0 && len(b) >= at+len(raknetMagic) && string(b[at:at+len(raknetMagic)]) == raknetMagic {
			break
		}
	}
	if at == 0 {
		return no
	}
	c.edit()
	switch b[0] {
	case ping, pingOpen, open, openMore:
		c.setClient(c.side)
		c.know()
		return match
	case pong:
		r := cursor{b: b[at+len(raknetMagic):]}
		if text := r.vector16(); !r.bad {
			c.fact(fieldRakNetServer, text)
		}
	}
	return c.finish()
}
