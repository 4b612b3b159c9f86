package dpi

var lumberjackFirst = bytesIn("12", 1, 0)

// parseLumberjack reads what a shipper of logs (Beats, Logstash) begins with: version and W, how many events it sends before it wants an
// acknowledgement, version and the kind of the first frame; and that acknowledgement.
func parseLumberjack(c *call) verdict {
	const window, maxWindow = 6, 1 << 20
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 'W' && b[1] != 'A' {
		return no
	}
	if len(b) < window {
		return v.unfinished()
	}
	if n := be32(b[2:]); n == 0 || n > maxWindow {
		return no
	}
	if b[1] == 'A' {
		if len(b) != window || len(c.view[1-c.side].b) == 0 {
			return no // alone it says little
		}
		return more
	}
	if len(b) < window+2 {
		return v.unfinished()
	}
	if kind := b[window+1]; b[window] != b[0] || kind != 'C' && kind != 'J' && kind != 'D' {
		return no
	}
	c.edit()
	c.setClient(c.side)
	return c.finish()
}
