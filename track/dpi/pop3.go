package dpi

import "rustnet/track/event"

var (
	fieldPOP3User   = event.AppString("pop3_user", "User that the client named (USER, APOP, AUTH PLAIN or LOGIN).")
	fieldPOP3Server = event.AppString("pop3_server", "Greeting of the server.")
	fieldPOP3Login  = loginField("pop3_login")
)

var pop3Fields = []*event.AppField{fieldPOP3User, fieldPOP3Server, fieldPOP3Login}

var pop3First = bytesIn("+CAUSQcausq", 1, 0)

// pop3 is POP3 with STLS (RFC 1939 and 2595).
var pop3 = dialogue{server: pop3ServerLike, client: pop3ClientLike, fromServer: pop3Server, fromClient: pop3Client, port: 110}

func parsePOP3(c *call) verdict { return pop3.run(c) }

func pop3ServerLike(line []byte) likeness {
	word, text := cutWord(line)
	switch {
	case string(word) != "+OK":
		return unlike
	case containsFold(text, "pop3"), containsFold(text, "pop server"):
		return sure
	}
	return alike
}

func pop3ClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	user, digest := cutWord(rest)
	switch {
	case equalFold(word, "apop") && len(user) > 0 && len(digest) == 32:
		return sure
	case oneOf(word, "capa stls quit") && len(rest) == 0, equalFold(word, "user") && len(user) > 0 && len(digest) == 0,
		equalFold(word, "auth") && (len(rest) == 0 || oneOf(user, "plain login cram-md5 ntlm gssapi xoauth2 digest-md5 scram-sha-1")):
		return alike
	}
	return unlike
}

func pop3Client(c *call, st *dialogueState, line []byte) step {
	if st.authenticating(c, fieldPOP3User, line) {
		return goOn
	}
	word, rest := cutWord(line)
	st.owed++
	if oneOf(word, "pass apop auth") && len(rest) > 0 {
		st.proof = st.owed
	}
	switch {
	case oneOf(word, "user apop"):
		c.setOnce(fieldPOP3User, firstWord(rest))
	case equalFold(word, "stls"):
		st.secure = true
	case equalFold(word, "auth"):
		st.authenticate(c, fieldPOP3User, rest)
		return knowing
	case equalFold(word, "pass"): // nothing of what follows is kept
		return knowing
	case oneOf(word, "stat list uidl retr top quit"):
		return stop
	}
	return goOn
}

func pop3Server(c *call, st *dialogueState, line []byte) step {
	word, text := cutWord(line)
	if ok := string(word) == "+OK"; st.owed > 0 && (ok || string(word) == "-ERR") {
		st.owed--
		if st.proof > 0 {
			if st.proof--; st.proof == 0 {
				c.login(fieldPOP3Login, ok)
				return knowing
			}
		}
	}
	switch {
	case string(word) == "+OK" && st.greets(c):
		c.setOnce(fieldPOP3Server, text)
	case st.secure && string(word) == "+OK":
		return secured
	case st.secure && string(word) == "-ERR":
		st.secure = false
	}
	return goOn
}
