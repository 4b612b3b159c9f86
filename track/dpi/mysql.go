package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMySQLVersion = event.AppString("mysql_version", "Version of the server, such as 8.0.36 or 10.11.6-MariaDB.")
	fieldMySQLUser    = event.AppString("mysql_user", "User that the client gave.")
	fieldMySQLSchema  = event.AppString("mysql_schema", "Schema (database) that the client asked for at its start.")
	fieldMySQLError   = event.AppUint("mysql_error", "", "Code of the error that the server answered the login with.")
)

var mysqlFields = []*event.AppField{fieldMySQLVersion, fieldMySQLUser, fieldMySQLSchema, fieldMySQLError}

// Capability flags (MySQL internals, Capabilities Flags).
const (
	mysqlWithDB    = 1 << 3
	mysqlProto41   = 1 << 9
	mysqlSSL       = 1 << 11
	mysqlSecure    = 1 << 15
	mysqlLenEnc    = 1 << 21
	mysqlMaxHello  = 1 << 10
	mysqlMaxReply  = 1 << 16
	mysqlHeaderLen = 4
)

type mysqlState struct {
	server   Side
	greeted  bool
	answered bool
}

// parseMySQL reads the greeting of the server, the login of the client and its outcome
// (MySQL internals, Connection Phase; MariaDB knowledge base, Connecting).
func parseMySQL(c *call) verdict {
	st, _ := c.f.state.(*mysqlState)
	if st == nil {
		v := &c.view[c.side]
		if !v.whole && mysqlCommand(v.b) {
			c.setClient(c.side)
			return c.finish()
		}
		login := mysqlLogin(v)
		switch {
		case login == no:
			if got := mysqlGreeting(v); got != match {
				return got
			}
		case login == more || len(c.view[1-c.side].b) > 0: // of nobody who is seen to greet
			return v.unfinished()
		}
		st = &mysqlState{server: c.side ^ sideIf(login == match), greeted: login == match}
		c.f.state = st
		c.setClient(1 - st.server)
	}
	if c.mysqlServer(st) || c.mysqlClient(st) {
		return c.finish()
	}
	return match // or handed over to TLS
}

// mysqlLogin judges a client's first packet, the second of the session: flags, sizes, 23 zeros, a user.
func mysqlLogin(v *view) verdict {
	const fixed, zeros = mysqlHeaderLen + 9, 23
	b := v.b
	if len(b) > 2 && b[2] != 0 || len(b) > 3 && b[3] != 1 {
		return no
	}
	if len(b) < 4 {
		return no // its length says which of them it is, nothing else does
	}
	if len(b) < fixed+zeros+1 {
		return v.unfinished()
	}
	n := le24(b) + mysqlHeaderLen
	if n == fixed+zeros && b[n] == tlsHandshake && le32(b[mysqlHeaderLen:])&(mysqlProto41|mysqlSSL) == mysqlProto41|mysqlSSL && string(b[fixed:fixed+zeros-4]) == string(make([]byte, zeros-4)) {
		return match // it asks for TLS, and does not wait
	}
	if n < fixed+zeros+1 || len(b) > n || le32(b[mysqlHeaderLen:])&(mysqlProto41|mysqlSecure) != mysqlProto41|mysqlSecure {
		return no
	}
	for _, zero := range b[fixed : fixed+zeros-4] { // MariaDB has flags in the last four
		if zero != 0 {
			return no
		}
	}
	user, _, ok := zeroText(b[fixed+zeros:])
	if !ok {
		return v.unfinished()
	}
	if len(user) > 0 && !oneLine(user) {
		return no
	}
	return match
}

// mysqlGreeting judges the first packet of a server: a greeting, or an error in its place.
func mysqlGreeting(v *view) verdict {
	b := v.b
	if len(b) > 1 && b[1] > mysqlMaxHello>>8 || len(b) > 2 && b[2] != 0 || len(b) > 3 && b[3] != 0 || len(b) > 4 && b[4] != 10 && b[4] != 0xff {
		return no
	}
	if len(b) < 7 {
		return v.unfinished()
	}
	n := le24(b) + mysqlHeaderLen
	switch {
	case n < 9 || n > mysqlMaxHello || len(b) > n:
		return no
	case b[4] == 10 && (!digit(b[5]) || !digit(b[6]) && b[6] != '.'):
		return no
	case b[4] == 0xff && (le16(b[5:]) < 1000 || le16(b[5:]) > 5000):
		return no
	case len(b) < n && v.cutTo(n) && b[4] == 10 && len(b) >= 8: // cut behind the beginning of the version
		return match
	case len(b) < n:
		return v.unfinished()
	case b[4] == 0xff:
		if readable(b[7:]) {
			return match
		}
		return no
	}
	version, rest, ok := zeroText(b[5:])
	// Connection id, eight bytes of salt, zero, flags.
	if !ok || len(version) > 64 || !oneLine(version) || len(rest) < 4+8+1+2 || rest[12] != 0 || bytes.IndexByte(rest[4:12], 0) >= 0 {
		return no
	}
	return match
}

func (c *call) mysqlServer(st *mysqlState) bool {
	v := &c.view[st.server]
	for len(v.b) >= 5 {
		n := le24(v.b) + mysqlHeaderLen
		if n < 5 || n > mysqlMaxReply {
			return true
		}
		if _, _, ok := zeroText(v.b[5:]); len(v.b) < n && !(ok && !st.greeted && v.cutTo(n)) {
			return false
		}
		switch kind := v.b[4]; {
		case kind == 0xff:
			if n >= 7 {
				c.firstNumber(fieldMySQLError, uint64(le16(v.b[5:])))
			}
			return true
		case !st.greeted:
			version, _, _ := zeroText(v.b[5:min(n, len(v.b))])
			// MariaDB puts a version in front that old replicas accept.
			if bytes.HasSuffix(version, []byte("MariaDB")) || bytes.Contains(version, []byte("-MariaDB-")) {
				version = bytes.TrimPrefix(version, []byte("5.5.5-"))
			}
			st.greeted = true
			c.fact(fieldMySQLVersion, version)
		case kind == 0:
			return true // the login is done
		}
		c.skip(st.server, uint64(n))
	}
	return false
}

func (c *call) mysqlClient(st *mysqlState) bool {
	s := 1 - st.server
	v := &c.view[s]
	if st.answered {
		v.b = nil
		return false
	}
	if len(v.b) < mysqlHeaderLen+2 {
		return false
	}
	n := le24(v.b) + mysqlHeaderLen
	if n < mysqlHeaderLen+5 || n > mysqlMaxReply || v.b[3] != 1 {
		return true
	}
	if len(v.b) < n {
		return false
	}
	b := v.b[mysqlHeaderLen:n]
	if len(b) < 32 && le16(b)&mysqlProto41 != 0 {
		return true
	}
	if le16(b)&mysqlProto41 == 0 { // the login of MySQL 3.20 to 4.0: two bytes of flags, three of packet size
		user, rest, _ := zeroText(b[5:])
		c.fact(fieldMySQLUser, user)
		if _, rest, ok := zeroText(rest); ok && le16(b)&mysqlWithDB != 0 {
			schema, _, _ := zeroText(rest)
			c.fact(fieldMySQLSchema, schema)
		}
	} else {
		flags := le32(b)
		if len(b) == 32 && flags&mysqlSSL != 0 {
			c.eat(s, n)
			c.become("tls")
			return false
		}
		c.mysqlLogin(flags, b[32:])
	}
	st.answered = true
	c.know()
	c.eat(s, n)
	return false
}

// mysqlLogin reads the user and the schema, which stand before and behind the proof of the password.
func (c *call) mysqlLogin(flags uint32, b []byte) {
	user, rest, ok := zeroText(b)
	if !ok {
		return
	}
	c.fact(fieldMySQLUser, user)
	if flags&mysqlWithDB == 0 {
		return
	}
	if flags&(mysqlLenEnc|mysqlSecure) != 0 {
		if len(rest) == 0 || rest[0] >= 251 || 1+int(rest[0]) > len(rest) { // longer ones are not in use
			return
		}
		rest = rest[1+int(rest[0]):]
	} else if _, rest, ok = zeroText(rest); !ok {
		return
	}
	schema, _, ok := zeroText(rest)
	if ok {
		c.fact(fieldMySQLSchema, schema)
	}
}

// mysqlCommand tells whether b is one query of a session whose start was not seen.
func mysqlCommand(b []byte) bool {
	const query, prepare, compressedLen = 3, 22, 7
	if len(b) > compressedLen && le24(b)+compressedLen == len(b) && le24(b[4:]) == 0 { // in the compressed protocol, but not compressed
		b = b[compressedLen:]
	}
	if len(b) < 11 || le24(b)+mysqlHeaderLen != len(b) || b[3] != 0 || b[4] != query && b[4] != prepare {
		return false
	}
	text := b[5:]
	end := 0
	for end < len(text) && (text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	for _, verb := range mysqlVerbs {
		if equalFold(text[:end], verb) {
			return true
		}
	}
	return false
}

var mysqlVerbs = []string{"select", "insert", "update", "delete", "set", "show", "begin", "commit", "rollback", "start", "replace",
	"call", "create", "alter", "drop", "use", "with", "explain", "lock", "unlock"}
