package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldPostgresUser        = event.AppString("postgresql_user", "User that the client gave at its start.")
	fieldPostgresDatabase    = event.AppString("postgresql_database", "Database that the client asked for; the user's name where it named none.")
	fieldPostgresApplication = event.AppString("postgresql_application", "application_name of the client.")
	fieldPostgresVersion     = event.AppString("postgresql_version", "server_version of the server, told after the login.")
	fieldPostgresError       = event.AppString("postgresql_error", "SQLSTATE of the error that ended the login.")
)

var postgresFields = []*event.AppField{fieldPostgresUser, fieldPostgresDatabase, fieldPostgresApplication, fieldPostgresVersion, fieldPostgresError}

// postgresFirst: the length of a start message, or the type of a server's first or, where the start was not seen, later one.
var postgresFirst = bytesIn("\x00QPBTDC12SR", 1, 0)

// Request codes in the place of a version (PostgreSQL documentation, Message Formats).
const (
	postgresCancel = 80877102
	postgresSSL    = 80877103
	postgresGSS    = 80877104
	postgresV3     = 3 << 16

	postgresMaxStart   = 10000 // MAX_STARTUP_PACKET_LENGTH
	postgresMaxMessage = 1 << 24
)

type postgresState struct {
	client  Side
	asked   bool // for encryption, without answer yet
	gss     bool // of GSSAPI
	started bool
}

// parsePostgreSQL reads the start of a session, protocol 3 (PostgreSQL documentation, Frontend/Backend Protocol).
func parsePostgreSQL(c *call) verdict {
	st, _ := c.f.state.(*postgresState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) > 0 && v.b[0] == 'R' && v.whole {
			return c.postgresAlone(v)
		}
		if v.whole && len(v.b) > 0 && v.b[0] == 'S' && c.unheard() { // the client may use TLS (Message Flow, SSL Session Encryption), and did
			const hello = "\x16\x03"
			if len(v.b) < 1+len(hello) {
				return v.unfinished()
			}
			if string(v.b[1:1+len(hello)]) != hello {
				return no
			}
			c.setClient(1 - c.side)
			c.edit()
			c.eat(c.side, 1)
			c.become("tls")
			return match
		}
		if len(v.b) > 0 && v.b[0] != 0 {
			if v.whole || !postgresChain(v.b) {
				return no
			}
			return c.finish()
		}
		if got := postgresStart(v); got != match {
			return got
		}
		st = &postgresState{client: c.side}
		c.f.state = st
		c.setClient(c.side)
	}
	if c.postgresClient(st) || c.f.state != nil && c.postgresServer(st) {
		return c.finish()
	}
	return match // or handed over to TLS
}

// postgresStart judges what a client begins with.
func postgresStart(v *view) verdict {
	b := v.b
	if len(b) < 8 {
		if len(b) > 1 && b[1] != 0 {
			return no
		}
		return v.unfinished()
	}
	n := be32(b)
	switch code := be32(b[4:]); code {
	case postgresSSL, postgresGSS:
		if n == 8 {
			return match
		}
	case postgresCancel:
		if n >= 16 && n <= 12+256 {
			return match
		}
	default:
		if code < postgresV3 || code > postgresV3+2 || n < 8+7 || n > postgresMaxStart {
			return no
		}
		if len(b) < int(n) {
			return v.unfinished()
		}
		if b[n-1] == 0 && b[n-2] == 0 && (bytes.HasPrefix(b[8:], []byte("user\x00")) || bytes.Contains(b[8:n], []byte("\x00user\x00"))) {
			return match
		}
	}
	return no
}

// postgresAlone judges what a server says first while nothing is seen of what it answers: how to log in, by SASL, or that nothing is needed, and what it tells then.
func (c *call) postgresAlone(v *view) verdict {
	b := v.b
	if len(b) > 2 && (b[1] != 0 || b[2] != 0) {
		return no
	}
	if len(b) < 9 {
		return v.unfinished()
	}
	const done, sasl = 0, 10
	n := size32(be32(b[1:])) + 1
	first := min(len(b), n)
	switch kind := be32(b[5:]); {
	case n < 9 || n > 1<<10 || kind > 12:
		return no
	case kind == sasl && bytes.Contains(b[9:first], []byte("SCRAM-SHA-256\x00")),
		kind == done && n == 9 && bytes.Contains(b[9:], []byte("server_version\x00")):
		c.setClient(1 - c.side)
		return c.finish()
	case len(b) > n && b[n] != 'S' && b[n] != 'R' && b[n] != 'K' && b[n] != 'E' && b[n] != 'N':
		return no
	}
	return v.unfinished()
}

// postgresClient reads the client's side. It returns true when nothing follows that is wanted.
func (c *call) postgresClient(st *postgresState) bool {
	v := &c.view[st.client]
	if st.asked && !st.gss && len(v.b) > 0 && v.b[0] == tlsHandshake { // it was let, if out of sight
		c.become("tls")
		return false
	}
	for !st.started && len(v.b) >= 8 {
		n := size32(be32(v.b))
		switch code := be32(v.b[4:]); {
		case postgresStart(v) == no, code == postgresCancel:
			return true
		case code == postgresSSL, code == postgresGSS:
			st.asked, st.gss = true, code == postgresGSS
			c.eat(st.client, 8)
			return false
		case len(v.b) < n:
			return false
		default:
			c.postgresParameters(v.b[8:n])
			st.started = true
			c.eat(st.client, n)
		}
	}
	if st.started {
		v.b = nil // passwords and queries
	}
	return false
}

func (c *call) postgresParameters(b []byte) {
	var user, database []byte
	for {
		key, rest, ok := zeroText(b)
		value, rest, ok2 := zeroText(rest)
		if !ok || !ok2 || len(key) == 0 {
			break
		}
		b = rest
		switch string(key) {
		case "user":
			user = value
		case "database":
			database = value
		case "application_name":
			c.fact(fieldPostgresApplication, value)
		}
	}
	if len(database) == 0 {
		database = user
	}
	c.fact(fieldPostgresUser, user)
	c.fact(fieldPostgresDatabase, database)
}

// postgresServer reads the server's side up to its first readiness or error. It returns true at the end.
func (c *call) postgresServer(st *postgresState) bool {
	s := 1 - st.client
	v := &c.view[s]
	if st.asked && len(v.b) > 0 {
		answer := v.b[0]
		st.asked = false
		switch {
		case answer == 'S' && !st.gss:
			c.eat(s, 1)
			c.become("tls")
			return false
		case answer == 'N':
			c.eat(s, 1)
		default:
			return true
		}
	}
	for st.started && len(v.b) >= 5 {
		n := size32(be32(v.b[1:]))
		if n < 4 || n > postgresMaxMessage {
			return true
		}
		switch v.b[0] {
		case 'S', 'E':
			if len(v.b) < 1+n {
				return false
			}
			if v.b[0] == 'E' {
				c.postgresError(v.b[5 : 1+n])
				return true
			}
			if key, rest, ok := zeroText(v.b[5 : 1+n]); ok && string(key) == "server_version" {
				value, _, _ := zeroText(rest)
				c.firstFact(fieldPostgresVersion, value)
			}
		case 'R', 'K', 'N', 'v':
		default:
			return true
		}
		c.skip(s, uint64(1+n))
	}
	return false
}

// postgresError reads the fields of an error: a letter and a text each.
func (c *call) postgresError(b []byte) {
	for len(b) > 1 && b[0] != 0 {
		text, rest, ok := zeroText(b[1:])
		if !ok {
			return
		}
		if b[0] == 'C' && len(text) == 5 {
			c.firstFact(fieldPostgresError, text)
		}
		b = rest
	}
}

// postgresChain tells whether b is whole messages of a session whose start was not seen: a query, or
// messages up to one that ends a request or an answer.
func postgresChain(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	first := b[0]
	for at := 0; at+5 <= len(b); {
		n := size32(be32(b[at+1:]))
		end := at + 1 + n
		if n < 4 || n > postgresMaxMessage || end > len(b) || bytes.IndexByte([]byte("QPBEDHSCTZ12tnsNAKRVcdfGIW3"), b[at]) < 0 {
			return false
		}
		if end == len(b) {
			switch b[at] {
			case 'Q':
				return first == 'Q' && n > 8 && b[end-1] == 0 && readable(b[at+5:end-1])
			case 'Z':
				return n == 5 && at > 0 && (b[at+5] == 'I' || b[at+5] == 'T' || b[at+5] == 'E')
			case 'S', 'H':
				return n == 4 && at > 0
			}
			return false
		}
		at = end
	}
	return false
}
