package dpi

import (
	"unicode/utf16"
	"unicode/utf8"

	"rustnet/track/event"
)

var (
	fieldTDSUser        = event.AppString("tds_user", "User of a login in the clear.")
	fieldTDSDatabase    = event.AppString("tds_database", "Database that a login in the clear asks for.")
	fieldTDSApplication = event.AppString("tds_application", "Application that a login in the clear names.")
	fieldTDSHost        = event.AppString("tds_client_host", "Name of the client's machine in a login in the clear.")
	fieldTDSVersion     = event.AppString("tds_server_version", "Version of the server, such as 16.0.1000.").Spelt(event.Dotted)
)

var tdsFields = []*event.AppField{fieldTDSUser, fieldTDSDatabase, fieldTDSApplication, fieldTDSHost, fieldTDSVersion}

// Packet types (MS-TDS section 2.2.3.1.1).
const (
	tdsLogin5   = 2
	tdsResponse = 4
	tdsLogin7   = 16
	tdsPrelogin = 18

	tdsHeaderLen = 8
	tdsMaxLen    = 32 << 10
)

var tdsFirst = bytesIn("\x02\x04\x10\x12", 1, 0)

type tdsState struct {
	client Side
	login  bool
}

// parseTDS reads PRELOGIN, its answer, and a login in the clear (MS-TDS sections 2.2.6.4 and 2.2.6.5; TDS 5.0 Functional Specification, Login record).
func parseTDS(c *call) verdict {
	st, _ := c.f.state.(*tdsState)
	if st == nil {
		v := &c.view[c.side]
		if got := tdsStart(v); got != match {
			return got
		}
		if v.b[0] == tdsResponse && !c.tdsOther() {
			return no
		}
		st = &tdsState{client: c.side}
		if v.b[0] == tdsResponse {
			st.client = 1 - c.side
		}
		c.setClient(st.client)
		c.edit()
		c.f.state = st
	}
	if c.tdsServer(st) || c.tdsClient(st) {
		return c.finish()
	}
	return match
}

// tdsOther tells that the answer is one to a PRELOGIN, in sight or not.
func (c *call) tdsOther() bool {
	o := c.view[1-c.side].b
	return len(o) == 0 || o[0] == tdsPrelogin
}

// tdsStart judges the first packet of a side.
func tdsStart(v *view) verdict {
	b := v.b
	if len(b) > 1 && b[1]&^0x1b != 0 || len(b) > 7 && b[7] != 0 {
		return no
	}
	if len(b) < tdsHeaderLen {
		return v.unfinished()
	}
	n := int(be16(b[2:]))
	if n <= tdsHeaderLen || n > tdsMaxLen || len(b) > n && v.whole && b[1]&1 != 0 {
		return no
	}
	body := b[tdsHeaderLen:min(n, len(b))]
	switch b[0] {
	case tdsPrelogin, tdsResponse:
		// The version is the first option: kind 0, its place, six bytes.
		if len(body) > 0 && body[0] != 0 {
			return no
		}
		if len(body) < 6 {
			return v.unfinished()
		}
		if at := int(be16(body[1:])); be16(body[3:]) != 6 || at < 6 || at > 256 || tdsHeaderLen+at+6 > n || at%5 != 1 {
			return no
		}
	case tdsLogin7:
		if len(body) < 36 {
			return v.unfinished()
		}
		if major := body[7]; le32(body) < 86 || le32(body) > 128<<10 || major < 0x70 || major > 0x7f || le32(body[8:]) > tdsMaxLen {
			return no
		}
	case tdsLogin5:
		if n != 512 {
			return no
		}
		if len(body) < 202 {
			return v.unfinished()
		}
		if !tds5Name(body, 0) || !tds5Name(body, 31) || !tds5Name(body, 140) || !tds5Name(body, 171) || body[61] == 0 || body[92] > 30 {
			return no
		}
	}
	if len(b) < n {
		return v.unfinished()
	}
	return match
}

// tds5Name tells whether a field of thirty bytes with its length behind it holds a name.
func tds5Name(body []byte, at int) bool {
	n := int(body[at+30])
	return n == 0 || n <= 30 && readable(body[at:at+n])
}

func (c *call) tdsServer(st *tdsState) bool {
	s := 1 - st.client
	v := &c.view[s]
	if len(v.b) < tdsHeaderLen {
		return false
	}
	if v.b[0] != tdsResponse || st.login {
		return true
	}
	n := int(be16(v.b[2:]))
	if n < tdsHeaderLen+6 {
		return true
	}
	if len(v.b) < n {
		return false
	}
	body := v.b[tdsHeaderLen:n]
	if at := int(be16(body[1:])); body[0] == 0 && at+6 <= len(body) {
		b := appendUint(c.hash[:0], uint64(body[at]))
		b = appendUint(append(b, '.'), uint64(body[at+1]))
		b = appendUint(append(b, '.'), uint64(be16(body[at+2:])))
		c.hash = b
		c.firstFact(fieldTDSVersion, b)
	}
	c.eat(s, n)
	return false
}

func (c *call) tdsClient(st *tdsState) bool {
	v := &c.view[st.client]
	for len(v.b) >= tdsHeaderLen {
		n := int(be16(v.b[2:]))
		if n <= tdsHeaderLen {
			return true
		}
		if len(v.b) < n {
			return false
		}
		body := v.b[tdsHeaderLen:n]
		switch v.b[0] {
		case tdsPrelogin:
			if body[0] != 0 { // TLS inside of PRELOGIN packets
				return true
			}
		case tdsLogin7:
			c.tdsLogin(body)
			return true
		case tdsLogin5: // behind a PRELOGIN nobody has looked at it yet
			if len(body) < 202 {
				return true
			}
			c.fact(fieldTDSHost, body[:min(30, body[30])])
			c.fact(fieldTDSUser, body[31:31+min(30, body[61])])
			c.fact(fieldTDSApplication, body[140:140+min(30, body[170])])
			return true
		default:
			return true
		}
		c.eat(st.client, n)
	}
	return false
}

// tdsLogin reads the names of a LOGIN7; each has its offset and its length in characters of UTF-16.
func (c *call) tdsLogin(body []byte) {
	for _, t := range tdsTexts {
		if len(body) < t.at+4 {
			continue
		}
		from, n := le16(body[t.at:]), 2*le16(body[t.at+2:])
		if n > 0 && n <= 256 && from+n <= len(body) {
			c.fact(t.field, c.utf16Text(body[from:from+n]))
		}
	}
}

// tdsTexts are the places of offsets and lengths in a LOGIN7.
var tdsTexts = [...]struct {
	at    int
	field *event.AppField
}{{36, fieldTDSHost}, {40, fieldTDSUser}, {48, fieldTDSApplication}, {68, fieldTDSDatabase}}

// utf16Text turns UTF-16 into UTF-8, in a scratch buffer.
func (c *call) utf16Text(b []byte) []byte {
	out := c.hash[:0]
	for ; len(b) >= 2; b = b[2:] {
		r := rune(le16(b))
		if utf16.IsSurrogate(r) && len(b) >= 4 {
			r = utf16.DecodeRune(r, rune(le16(b[2:])))
			b = b[2:]
		}
		out = utf8.AppendRune(out, r)
	}
	c.hash = out
	return out
}
