package dpi

var teamspeakFirst = bytesIn("T", 1, 0)

// parseTeamSpeak knows the packets of TeamSpeak 3 that set a session up: where others have a checksum, these have a text.
func parseTeamSpeak(c *call) verdict {
	v := &c.view[c.side]
	if v.begins("TS3INIT1") != match {
		return no
	}
	c.edit()
	return c.finish()
}
