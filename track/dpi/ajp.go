package dpi

import "rustnet/track/event"

var (
	fieldAJPMethod = event.AppString("ajp_method", "Method of the first request.").Spelt(event.OneOf(ajpMethods...))
	fieldAJPHost   = event.AppString("ajp_host", "Server name of the first request.")
	fieldAJPPath   = event.AppString("ajp_path", "Path of the first request.")

	ajpFields = []*event.AppField{fieldAJPMethod, fieldAJPHost, fieldAJPPath}

	ajpFirst = bytesIn("\x12A", 1, 0)
)

var ajpMethods = []string{1: "OPTIONS", 2: "GET", 3: "HEAD", 4: "POST", 5: "PUT", 6: "DELETE", 7: "TRACE", 8: "PROPFIND", 9: "PROPPATCH", 10: "MKCOL", 11: "COPY",
	12: "MOVE", 13: "LOCK", 14: "UNLOCK"}

// parseAJP reads a forwarded request (Tomcat's AJP/1.3): magic, length, kind, method, then texts.
func parseAJP(c *call) verdict {
	const forward, ping = 2, 10
	v := &c.view[c.side]
	if v.b[0] == 'A' { // an answer: AB, a length, send body, headers, end, get body or pong
		if got := v.begins("AB"); got != match {
			return got
		}
		if len(v.b) < 5 {
			return v.unfinished()
		}
		if n := be16(v.b[2:]); n == 0 || n > 16<<10 || v.b[4] < 3 || v.b[4] > 9 {
			return no
		}
		// So little is proof only behind a request, which would have been known.
		return more
	}
	if got := v.begins("\x12\x34"); got != match {
		return got
	}
	if len(v.b) < 6 {
		return v.unfinished()
	}
	n := int(be16(v.b[2:]))
	if v.b[4] == ping && n == 1 {
		c.setClient(c.side)
		return c.finish()
	}
	if v.b[4] != forward || int(v.b[5]) >= len(ajpMethods) && v.b[5] != 0xff || v.b[5] == 0 || n < 10 || n > 16<<10 {
		return no
	}
	if len(v.b) < 4+n && !v.gap && !v.fin {
		return more
	}
	r := cursor{b: v.b[6:min(len(v.b), 4+n)]}
	text := func() []byte {
		n := r.u16()
		if n == 0xffff { // none
			return nil
		}
		b := r.bytes(n)
		r.bytes(1)
		return b
	}
	text() // protocol
	path := text()
	text() // address and name of the client
	text()
	host := text()
	c.setClient(c.side)
	c.named(fieldAJPMethod, ajpMethods, int(v.b[5]))
	if !r.bad {
		c.fact(fieldAJPPath, c.shownPath(path))
		c.fact(fieldAJPHost, host)
	}
	return c.finish()
}
