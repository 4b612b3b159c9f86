package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSTOMPHost   = event.AppString("stomp_host", "Virtual host that the client asked for.")
	fieldSTOMPUser   = event.AppString("stomp_user", "User that the client named.")
	fieldSTOMPServer = event.AppString("stomp_server", "What the server says it is.")

	stompFields = []*event.AppField{fieldSTOMPHost, fieldSTOMPUser, fieldSTOMPServer}

	stompFirst = bytesIn("CS", 1, 0)
)

// parseSTOMP reads CONNECT and CONNECTED of STOMP 1.0 to 1.2 (its specifications). The passcode is not shown.
func parseSTOMP(c *call) verdict {
	const maxHead = 4 << 10
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		b := skipEmptyLines(v.b)
		command, size := cutLine(b)
		if size == 0 {
			if len(b) > 16 {
				return no
			}
			return v.unfinished()
		}
		switch string(command) {
		case "CONNECT", "STOMP":
			st = &asker{client: c.side}
		case "CONNECTED":
			st = &asker{client: 1 - c.side}
		default:
			return no
		}
		// A header, or the frame's end.
		next, size := cutLine(b[size:])
		if size == 0 {
			return v.unfinished()
		}
		if len(next) > 0 && bytes.IndexByte(next, ':') <= 0 {
			return no
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		head, _, whole := bytes.Cut(skipEmptyLines(v.b), []byte{0})
		if len(v.b) == 0 || !whole && !v.gap && !v.fin && len(v.b) < maxHead {
			continue
		}
		for len(head) > 0 {
			line, size := cutLine(head)
			if size == 0 || len(line) == 0 && len(head) < len(v.b) {
				break
			}
			head = head[size:]
			key, value, _ := bytes.Cut(line, []byte(":"))
			switch {
			case s != st.client && string(key) == "server":
				c.setOnce(fieldSTOMPServer, value)
			case s == st.client && string(key) == "host":
				c.setOnce(fieldSTOMPHost, value)
			case s == st.client && string(key) == "login":
				c.setOnce(fieldSTOMPUser, value)
			}
		}
		v.b = nil
		if s != st.client {
			return c.finish()
		}
	}
	return match
}
