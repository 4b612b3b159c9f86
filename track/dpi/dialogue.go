package dpi

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"rustnet/track/event"
)

// dialogue is a protocol in which a client and a server say lines of text to each other. Most of them
// greet alike ("220 ready", "+OK"), so that often only both sides' first lines together are proof.
type dialogue struct {
	// server and client say how much a side's first line looks like theirs.
	server, client func(line []byte) likeness
	// fromServer and fromClient read the lines once the connection is this protocol's.
	fromServer, fromClient func(c *call, st *dialogueState, line []byte) step
	// port is the protocol's own: of a side that nobody is seen to answer it tells whose such lines are.
	port uint16
	// greets: what the server says that others say, too, is its greeting; where the start was not seen, it is theirs.
	greets bool
}

// dialogueState follows a dialogue.
type dialogueState struct {
	client Side
	lines  [2]uint8 // read of each side
	secure bool     // the client asked for TLS, or may begin it
	data   *ftpData // FTP's: how the next data connection is known
	sasl   saslStep // what the client's next line says of who it is
	goesOn bool     // IMAP's: the client's next line is the rest of a command
	tag    string   // IMAP's: of the login that was not answered yet
	owed   uint8    // POP3's: answers that are due
	proof  uint8    // POP3's: how many of them up to that of a login, 0 = there is none
}

// likeness says how much a line looks like a protocol's.
type likeness uint8

const (
	unlike likeness = iota
	alike           // others say the same; the other side's line must fit, too
	sure            // nobody else says this
)

// step says how it goes on after a line.
type step uint8

const (
	goOn step = iota
	knowing
	stop
	secured // TLS begins behind this line
)

const (
	// dialogueFirstLine is more than any of these protocols begins with; NATS' server says the most.
	dialogueFirstLine = 4 << 10
	dialogueMaxLine   = 8 << 10
	dialogueTries     = 4 // lines that are looked at when the first says too little
	dialogueLeast     = 2 // letters of the shortest word that says anything: memcached's
)

// run is the parseFunc of a dialogue.
func (d *dialogue) run(c *call) verdict {
	st, _ := c.f.state.(*dialogueState)
	if st == nil {
		client, v := d.recognise(c)
		if v != match {
			return v
		}
		st = &dialogueState{client: client}
		c.f.state = st
		c.setClient(client)
		c.edit()
	}
	for _, s := range [2]Side{1 - st.client, st.client} {
		if v := d.read(c, st, s); v != match || c.f.state == nil {
			return v
		}
	}
	return match
}

// recognise decides whether the lines of both sides are this dialogue's, and who is the client.
func (d *dialogue) recognise(c *call) (client Side, v verdict) {
	own, other := &c.view[c.side], &c.view[1-c.side]
	line, whole := firstLine(own)
	if own.gap && line == nil && bytes.IndexByte(own.b, '\n') < 0 && len(own.b) <= dialogueFirstLine && textLine(trimCR(own.b)) {
		line, whole = own.b, true // the capture cut it; what is there may be enough
	}
	if !whole {
		if line == nil {
			return 0, no
		}
		return 0, more
	}
	asServer, asClient := d.server(line), d.client(line)
	for rest, n := own.b, 1; n < dialogueTries && (asServer == alike || asClient == alike); n++ {
		_, size := cutLine(rest)
		rest = rest[size:]
		next, _ := cutLine(rest)
		if next == nil || !textLine(next) {
			break
		}
		if asServer == alike && d.server(next) == sure {
			asServer = sure
		}
		if asClient == alike && d.client(next) == sure {
			asClient = sure
		}
	}
	switch {
	case asServer == sure:
		return 1 - c.side, match
	case asClient == sure:
		return c.side, match
	case asServer == unlike && asClient == unlike:
		return 0, no
	case len(other.b) == 0 && other.gap || c.alone():
		if c.f.resp != d.port || asClient == alike && c.side == Resp || asServer == alike && c.side == Orig {
			return 0, no
		}
		return Orig, match
	case len(other.b) == 0:
		return 0, more
	}
	answer, whole := firstLine(other)
	switch {
	case !whole && answer == nil:
		return 0, no
	case !whole:
		return 0, more
	case asServer == alike && d.client(answer) != unlike && d.begun(c, own):
		return 1 - c.side, match
	case asClient == alike && d.server(answer) != unlike && d.begun(c, other):
		return c.side, match
	}
	return 0, no
}

// begun tells whether a server's line can be a greeting.
func (d *dialogue) begun(c *call, server *view) bool {
	return !d.greets || server.whole || c.f.resp == d.port
}

// firstLine returns the line a direction begins with. A line that may still become whole is returned as far
// as it is there; nil is what will never be a line of text.
func firstLine(v *view) (line []byte, whole bool) {
	line, size := cutLine(v.b)
	if size > 0 {
		if size > dialogueFirstLine || !textLine(line) {
			return nil, false
		}
		return line, true
	}
	if v.gap || v.fin || len(v.b) > dialogueFirstLine || !textLine(trimCR(v.b)) {
		return nil, false
	}
	return v.b, false
}

// beginsText tells whether eight bytes are text, up to the end of a line.
func beginsText(b []byte) bool {
	for _, c := range b[:8] {
		switch {
		case c == '\n':
			return true
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			return false
		}
	}
	return true
}

// read takes the lines that one side said.
func (d *dialogue) read(c *call, st *dialogueState, s Side) verdict {
	v := &c.view[s]
	for len(v.b) > 0 {
		if st.secure && v.b[0] == tlsHandshake {
			c.become("tls")
			return match
		}
		line, size := cutLine(v.b)
		if size == 0 {
			if len(v.b) > dialogueMaxLine {
				c.know()
				return done
			}
			if v.gap || v.fin {
				v.b = nil
			}
			return match
		}
		c.eat(s, size)
		if len(line) < dialogueLeast && st.sasl == saslNone && !st.goesOn {
			st.lines[s] = min(st.lines[s]+1, 255)
			continue
		}
		take := d.fromServer
		if s == st.client {
			take = d.fromClient
		}
		switch take(c, st, line) {
		case knowing:
			c.know()
		case stop:
			c.know()
			return done
		case secured:
			c.become("tls")
			return match
		}
		st.lines[s] = min(st.lines[s]+1, 255)
	}
	return match
}

// saslStep is how far a client is with saying who it is.
type saslStep uint8

const (
	saslNone  saslStep = iota
	saslPlain          // its next line is PLAIN's message
	saslLogin          // its next line is LOGIN's user
	saslRest           // its next line is not looked at
)

// authenticate begins with what stands behind AUTH or AUTHENTICATE: a mechanism, and the first message where it does not wait
// to be asked for it. Of the mechanisms that name a user only PLAIN (RFC 4616) and LOGIN say it readably. No secret is kept.
func (st *dialogueState) authenticate(c *call, user *event.AppField, rest []byte) {
	mechanism, first := cutWord(rest)
	switch {
	case equalFold(mechanism, "plain"):
		st.sasl = saslPlain
	case equalFold(mechanism, "login"):
		st.sasl = saslLogin
	default:
		return
	}
	if len(first) > 0 {
		st.authenticating(c, user, first)
	}
}

// authenticating tells whether a client's line belongs to its saying who it is, and reads it.
func (st *dialogueState) authenticating(c *call, user *event.AppField, line []byte) bool {
	var room [384]byte
	step := st.sasl
	st.sasl = saslNone
	if step == saslNone {
		return false
	}
	n := 0
	if base64.StdEncoding.DecodedLen(len(line)) <= len(room) {
		n, _ = base64.StdEncoding.Decode(room[:], line)
	}
	name := room[:n]
	switch step {
	case saslPlain: // who to be, zero, who one is, zero, the password
		_, name, _ = bytes.Cut(name, []byte{0})
		var ok bool
		if name, _, ok = bytes.Cut(name, []byte{0}); !ok {
			return true
		}
	case saslLogin:
		st.sasl = saslRest // the password
	case saslRest:
		return true
	}
	if len(name) > 0 && oneLine(name) && utf8.Valid(name) {
		c.setOnce(user, name)
	}
	return true
}

// greets tells whether the server's line is the first that there is.
func (st *dialogueState) greets(c *call) bool {
	s := 1 - st.client
	return st.lines[s] == 0 && c.view[s].whole
}

// reply takes a numbered reply apart (RFC 5321 section 4.2.1, RFC 959 section 4.2); last is false where further
// lines follow. The code is 0 when it is none.
func reply(line []byte) (code int, last bool, text []byte) {
	if len(line) < 3 || line[0] < '1' || line[0] > '6' || !digit(line[1]) || !digit(line[2]) {
		return 0, false, nil
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, true, nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, nil
	}
	return code, line[3] == ' ', trimSpace(line[4:])
}

// loginField declares what a server said of a login.
func loginField(name string) *event.AppField {
	return event.AppString(name, "What the server answered the client's latest login: accepted or refused.").Spelt(event.OneOf("accepted", "refused"))
}

// login sets it.
func (c *call) login(f *event.AppField, accepted bool) {
	what := "refused"
	if accepted {
		what = "accepted"
	}
	if c.f.app.Str(f) != what {
		c.edit().SetStr(f, what)
	}
}
