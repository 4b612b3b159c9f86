package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldRshUser    = event.AppString("rsh_user", "User at the client's machine (rsh, rlogin), or the one who logs in (rexec).")
	fieldRshCommand = event.AppString("rsh_command", "First word of the command.")

	rshFields = []*event.AppField{fieldRshUser, fieldRshCommand}

	rshFirst = bytesIn("\x00", '0', '9')
)

// parseRsh reads what Berkeley's programs begin with: rsh a port for errors, both users, the command; rexec the same with a
// password for the second user, so that it is never shown; rlogin a zero, both users, the terminal. Only rsh and rlogin
// come from a privileged port: that is all their proof of who asks.
func parseRsh(c *call) verdict {
	const maxLen, privileged = 1 << 10, 1024
	v := &c.view[c.side]
	if c.side != Orig || !v.whole {
		return no
	}
	var texts [4][]byte
	rest := v.b
	for i := range texts {
		text, behind, whole := zeroText(rest)
		switch {
		case i == 0 && !digits(text, 5), i > 0 && !textLine(text), i > 0 && whole && len(text) == 0, len(v.b) > maxLen:
			return no
		case !whole:
			return v.unfinished()
		}
		texts[i], rest = text, behind
	}
	// In the place of the command rlogin has the terminal and its speed.
	terminal, speed, slash := bytes.Cut(texts[3], []byte("/"))
	name := "rexec"
	switch {
	case len(rest) > 0:
		return no
	case len(texts[0]) == 0 && slash && len(terminal) > 0 && len(speed) > 0 && digits(speed, 7):
		name = "rlogin"
	case c.f.orig < privileged:
		name = "rsh"
	case len(texts[0]) == 0 || len(texts[3]) < 2:
		return no
	}
	c.setClient(Orig)
	c.edit().Name = name
	c.fact(fieldRshUser, texts[1])
	if name != "rlogin" {
		c.fact(fieldRshCommand, firstWord(texts[3]))
	}
	return c.finish()
}
