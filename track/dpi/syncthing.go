package dpi

var syncthingFirst = bytesIn("\x2e\x9d", 1, 0)

// parseSyncthing reads the local discovery of Syncthing (its Local Discovery Protocol, versions 4 and 3), known by its magic.
func parseSyncthing(c *call) verdict {
	switch b := c.view[c.side].b; be32(b) {
	case 0x2ea7d90b, 0x9d79bc40, 0x9d79bc39:
		return c.finish()
	}
	return no
}
