package dpi

import "bytes"

var megacoFirst = bytesIn("M!", 1, 0)

// parseMegaco recognises Megaco in its text form (RFC 3525 annex B): "MEGACO/1 [address]" or, short, "!/1 [address]".
func parseMegaco(c *call) verdict {
	b := c.view[c.side].b
	rest, ok := bytes.CutPrefix(b, []byte("MEGACO/"))
	if !ok {
		if rest, ok = bytes.CutPrefix(b, []byte("!/")); !ok {
			return no
		}
	}
	if len(rest) < 4 || rest[0] < '1' || rest[0] > '3' || rest[1] != ' ' && rest[1] != '\t' && rest[1] != '\r' && rest[1] != '\n' {
		return no
	}
	if rest = bytes.TrimLeft(rest[1:], " \t\r\n"); len(rest) == 0 || rest[0] != '[' && rest[0] != '<' && !alphanumeric(rest[0]) {
		return no
	}
	return c.finish()
}
