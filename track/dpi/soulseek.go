package dpi

import "rustnet/track/event"

var (
	fieldSoulseekUser = event.AppString("soulseek_user", "User that logs in.")

	soulseekFields = []*event.AppField{fieldSoulseekUser}
)

// parseSoulseek reads the login, which is the first message to the server (https://nicotine-plus.org/doc/SLSKPROTOCOL.html): user, password, version,
// 32 digits of a checksum, minor version. The password is not looked at.
func parseSoulseek(c *call) verdict {
	const login, hash, maxText = 1, 32, 128
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 {
		return v.unfinished()
	}
	if b[1] > 1 || b[2] != 0 || b[3] != 0 || le32(b[4:]) != login || !v.whole {
		return no
	}
	size, at := 4+size32(le32(b)), 8
	var user []byte
	for i := range 2 {
		if len(b) < at+4 {
			return v.unfinished()
		}
		n := size32(le32(b[at:]))
		if n == 0 || n > maxText {
			return no
		}
		if at += 4; len(b) < at+n {
			return v.unfinished()
		}
		if i == 0 {
			user = b[at : at+n]
		}
		at += n
	}
	if at+4+4+hash+4 != size {
		return no
	}
	if len(b) < at+8+hash {
		return v.unfinished()
	}
	if le32(b[at:]) > 1e4 || le32(b[at+4:]) != hash {
		return no
	}
	for _, d := range b[at+8 : at+8+hash] {
		if !isHexDigit(d) {
			return no
		}
	}
	c.setClient(c.side)
	c.fact(fieldSoulseekUser, user)
	return c.finish()
}
