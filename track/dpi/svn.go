package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSVNURL    = event.AppString("svn_url", "Repository that the client named.")
	fieldSVNClient = event.AppString("svn_client", "Program of the client.")

	svnFields = []*event.AppField{fieldSVNURL, fieldSVNClient}

	svnFirst = bytesIn("(", 1, 0)
)

// parseSVN reads the greeting of svnserve and the client's answer (Subversion's source, ra_svn/protocol).
func parseSVN(c *call) verdict {
	const greeting, answer = "( success ( ", "( "
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		if got := v.begins(greeting); got != match {
			return got
		}
		if len(v.b) < len(greeting)+3 {
			return v.unfinished()
		}
		if !digit(v.b[len(greeting)]) {
			return no
		}
		st = &asker{client: 1 - c.side}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	c.view[1-st.client].b = nil
	v := &c.view[st.client]
	if len(v.b) == 0 {
		return match
	}
	if v.begins(answer) == no || len(v.b) > 2<<10 {
		return done
	}
	url, client, whole := svnAnswer(v.b)
	if !whole {
		if v.gap || v.fin {
			return done
		}
		return match
	}
	c.fact(fieldSVNURL, c.shownURL(url))
	c.fact(fieldSVNClient, client)
	return c.finish()
}

// svnAnswer takes "( 2 ( capabilities ) 21:svn://host/repository 12:SVN/1.14.2 ( ) ) " apart: the texts with their lengths.
func svnAnswer(b []byte) (url, client []byte, whole bool) {
	_, after, ok := bytes.Cut(b, []byte(") "))
	if !ok {
		return nil, nil, false
	}
	for b, i := after, 0; i < 2; i++ {
		n, rest, ok := bytes.Cut(b, []byte(":"))
		if !ok {
			return nil, nil, false
		}
		size, ok := decimal(n)
		if !ok || size > maxFactLen {
			return nil, nil, true
		}
		if len(rest) < int(size)+1 {
			return nil, nil, false
		}
		if i == 0 {
			url = rest[:size]
		} else {
			client = rest[:size]
		}
		b = rest[size+1:]
	}
	return url, client, true
}
