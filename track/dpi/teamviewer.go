package dpi

const (
	teamviewerPort = 5938
	teamviewerHead = 5
)

var teamviewerFirst = bytesIn("\x17", 1, 0)

// parseTeamViewer knows the messages that both sides begin with, as they are seen: a mark, a command, and a length with its low byte
// first. The mark being short, the next message must begin with one of the two that there are, or the length be right on the protocol's port.
func parseTeamViewer(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0x24 {
		return no
	}
	if len(b) < teamviewerHead {
		return v.unfinished()
	}
	n := teamviewerHead + int(le16(b[3:]))
	switch {
	case n > 1<<10 || b[2] == 0:
		return no
	case len(b) < n:
		return v.unfinished()
	case len(b) == n && c.hasPort(teamviewerPort):
	case len(b) < n+2:
		return v.unfinished()
	case be16(b[n:]) != 0x1724 && be16(b[n:]) != 0x1130:
		return no
	}
	return c.finish()
}
