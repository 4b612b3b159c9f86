package dpi

var spotifyFirst = bytesIn("S", 1, 0)

// parseSpotify knows by its first word what the program tells its local network of itself.
func parseSpotify(c *call) verdict {
	if c.view[c.side].begins("SpotUdp") != match {
		return no
	}
	return c.finish()
}
