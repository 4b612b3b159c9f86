package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldQuakeServer = event.AppString("quake3_server", "Name that the server gives itself.")

	quakeFields = []*event.AppField{fieldQuakeServer}

	quakeFirst = bytesIn("\xff", 1, 0)
)

// parseQuake3 reads messages without connection, of Quake III and the games made of it: four bytes of ones, a word, its arguments.
func parseQuake3(c *call) verdict {
	const mark = "\xff\xff\xff\xff"
	v := &c.view[c.side]
	if v.begins(mark) != match {
		return no
	}
	line, rest, _ := bytes.Cut(v.b[len(mark):], []byte("\n"))
	word, _, _ := bytes.Cut(line, []byte(" "))
	switch {
	case oneOf(word, "getinfo getstatus getservers getserversext getchallenge getkeyauthorize"):
		c.edit()
		c.setClient(c.side)
		c.know()
		return match
	case !oneOf(word, "inforesponse statusresponse challengeresponse getserversresponse getserversextresponse connectresponse"):
		return no
	}
	c.setClient(1 - c.side)
	c.edit()
	for _, key := range []string{`\sv_hostname\`, `\hostname\`} {
		if _, value, ok := bytes.Cut(rest, []byte(key)); ok {
			if end := bytes.IndexAny(value, "\\\n"); end >= 0 {
				c.firstFact(fieldQuakeServer, value[:end])
			}
		}
	}
	return c.finish()
}
