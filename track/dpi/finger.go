package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldFingerUser = event.AppString("finger_user", "User that was asked for; empty is all.")

	fingerFields = []*event.AppField{fieldFingerUser}
)

// parseFinger knows the answer of the usual servers: a user by his login and name, or a table of those who are there.
func parseFinger(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	user, long := bytes.CutPrefix(line, []byte("/W"))
	answer = bytes.TrimLeft(answer, "\r\n")
	row, size := cutLine(answer)
	if size == 0 {
		row = answer
	}
	known := len(row) > 6 && equalFold(row[:6], "login:") && containsFold(row, "name:") || len(row) > 11 && equalFold(row[:11], "login name:") ||
		len(row) > 5 && equalFold(row[:5], "login") && containsFold(row, "name") && (containsFold(row, "tty") || containsFold(row, "idle")) ||
		long && containsFold(row, "no such user") || len(row) == 17 && equalFold(row, "no one logged on.") || containsFold(row, "finger: ") && containsFold(row, "no such user")
	if !known && size > 0 {
		return no
	}
	if !known {
		return c.undecided()
	}
	c.setClient(Orig)
	c.fact(fieldFingerUser, trimSpace(user))
	return c.finish()
}
