package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldIMAPUser   = event.AppString("imap_user", "User that the client named (LOGIN, AUTHENTICATE PLAIN or LOGIN).")
	fieldIMAPServer = event.AppString("imap_server", "Greeting of the server, without its capabilities.")
	fieldIMAPClient = event.AppString("imap_client", "Name that the client gave its program (ID, RFC 2971).")
	fieldIMAPLogin  = loginField("imap_login")
)

var imapFields = []*event.AppField{fieldIMAPUser, fieldIMAPServer, fieldIMAPClient, fieldIMAPLogin}

// imapFirst: the server's star, and what tags begin with.
var imapFirst = func() *byteSet {
	set := bytesIn("*.$", '0', '9')
	for _, other := range []*byteSet{bytesIn("", 'A', 'Z'), bytesIn("", 'a', 'z')} {
		for i := range set {
			set[i] |= other[i]
		}
	}
	return set
}()

// imap is IMAP4 with STARTTLS (RFC 3501 and 9051).
var imap = dialogue{server: imapServerLike, client: imapClientLike, fromServer: imapServer, fromClient: imapClient, port: 143}

func parseIMAP(c *call) verdict { return imap.run(c) }

func imapServerLike(line []byte) likeness {
	star, rest := cutWord(line)
	if string(star) != "*" {
		return unlike
	}
	word, text := cutWord(rest)
	switch {
	case !oneOf(word, "ok preauth bye"):
		return unlike
	case containsFold(text, "imap"):
		return sure
	}
	return alike
}

// imapCommand takes the tag off a client's line. All programs number theirs, people need not.
func imapCommand(line []byte) (numbered bool, command, rest []byte) {
	tag, rest := cutWord(line)
	if len(tag) == 0 || len(tag) > 16 {
		return false, nil, nil
	}
	for _, b := range tag {
		if !alphanumeric(b) && b != '.' && b != '-' && b != '_' && b != '$' {
			return false, nil, nil
		}
		numbered = numbered || digit(b) || b == '.'
	}
	command, rest = cutWord(rest)
	return numbered, command, rest
}

func imapClientLike(line []byte) likeness {
	numbered, command, rest := imapCommand(line)
	user, secret := cutWord(rest)
	switch {
	case oneOf(command, "capability starttls") && len(rest) == 0, equalFold(command, "authenticate") && len(user) > 0,
		equalFold(command, "login") && len(user) > 0 && (len(secret) > 0 || user[0] == '{'):
		if !numbered { // any two words would do
			return alike
		}
		return sure
	case oneOf(command, "id noop logout namespace list select examine uid enable idle lsub status"):
		return alike
	}
	return unlike
}

func imapClient(c *call, st *dialogueState, line []byte) step {
	if st.authenticating(c, fieldIMAPUser, line) {
		return goOn
	}
	goesOn := st.goesOn
	size, literal := imapLiteral(line)
	if st.goesOn = literal; literal {
		c.skip(st.client, size)
	}
	if goesOn { // arguments
		return goOn
	}
	_, command, rest := imapCommand(line)
	if oneOf(command, "login authenticate") {
		st.tag = string(firstWord(line))
	}
	switch {
	case equalFold(command, "login"):
		if user := imapString(rest); bytes.IndexByte(rest, ' ') > 0 { // a password is behind it
			c.setOnce(fieldIMAPUser, user)
		}
		return knowing
	case equalFold(command, "id"):
		if _, after, ok := bytes.Cut(rest, []byte(`"name" `)); ok {
			c.setOnce(fieldIMAPClient, imapString(after))
		}
	case equalFold(command, "starttls"):
		st.secure = true
	case equalFold(command, "authenticate"):
		st.authenticate(c, fieldIMAPUser, rest)
		return knowing
	case oneOf(command, "select examine logout uid fetch"):
		return stop
	}
	return goOn
}

// imapLiteral reads the length of the text that comes behind a line, such as {13} or {13+} (RFC 9051 section 4.3), after which the command goes on.
func imapLiteral(line []byte) (size uint64, ok bool) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	return decimal(bytes.TrimSuffix(line[open+1:len(line)-1], []byte("+")))
}

// imapString reads an atom or a quoted string without escapes; of a literal, whose text is elsewhere, nothing.
func imapString(b []byte) []byte {
	if len(b) == 0 || b[0] == '{' {
		return nil
	}
	if b[0] != '"' {
		return firstWord(b)
	}
	end := bytes.IndexAny(b[1:], `"\`)
	if end < 0 || b[1+end] != '"' {
		return nil
	}
	return b[1 : 1+end]
}

func imapServer(c *call, st *dialogueState, line []byte) step {
	tag, rest := cutWord(line)
	word, text := cutWord(rest)
	switch {
	case string(tag) == "*":
		if st.greets(c) && oneOf(word, "ok preauth bye") {
			if end := bytes.IndexByte(text, ']'); len(text) > 0 && text[0] == '[' && end > 0 {
				text = trimSpace(text[end+1:])
			}
			c.setOnce(fieldIMAPServer, text)
		}
	case st.tag != "" && string(tag) == st.tag:
		st.tag = ""
		c.login(fieldIMAPLogin, equalFold(word, "ok"))
		return knowing
	case st.secure && equalFold(word, "ok"):
		return secured
	case st.secure && oneOf(word, "no bad"):
		st.secure = false
	}
	return goOn
}
