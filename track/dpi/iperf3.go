package dpi

var iperf3First = bytesIn("234567\x09", 'a', 'z')

// parseIperf3 knows the cookie that each connection of a test begins with, its streams too: 36 characters of base 32 and a zero.
func parseIperf3(c *call) verdict {
	const cookieLen = 36
	v := &c.view[c.side]
	for i, x := range v.b[:min(len(v.b), cookieLen)] {
		if !iperf3First.has(x) || x == '\x09' {
			if i == 0 && x == '\x09' && len(c.view[1-c.side].b) > 0 {
				return more // the server's first word: send your parameters
			}
			return no
		}
	}
	if len(v.b) <= cookieLen {
		return v.unfinished()
	}
	if v.b[cookieLen] != 0 {
		return no
	}
	c.edit()
	c.setClient(c.side)
	return c.finish()
}
