package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSMTPHelo   = event.AppString("smtp_helo", "Name that the client gave itself (EHLO, HELO or LHLO).")
	fieldSMTPServer = event.AppString("smtp_server", "Greeting of the server, without its code.")
	fieldSMTPFrom   = event.AppString("smtp_from", "Sender of the first message (MAIL FROM).")
	fieldSMTPTo     = event.AppString("smtp_to", "First recipient of the first message (RCPT TO).")
	fieldSMTPUser   = event.AppString("smtp_user", "User that the client named (AUTH PLAIN or LOGIN).")
	fieldSMTPLogin  = loginField("smtp_login")
)

var smtpFields = []*event.AppField{fieldSMTPHelo, fieldSMTPServer, fieldSMTPFrom, fieldSMTPTo, fieldSMTPUser, fieldSMTPLogin}

var smtpFirst = bytesIn("245EHLMRSAehlmrsa", 1, 0)

// smtp is SMTP and LMTP with STARTTLS (RFC 5321, 2033 and 3207).
var smtp = dialogue{server: smtpServerLike, client: smtpClientLike, fromServer: smtpServer, fromClient: smtpClient, port: 25}

func parseSMTP(c *call) verdict { return smtp.run(c) }

func smtpServerLike(line []byte) likeness {
	code, _, text := reply(line)
	switch {
	case code != 220 && code != 250 && code/10 != 42 && code/10 != 45 && code/10 != 50 && code/10 != 53 && code/10 != 55: // a greeting, or from the middle
		return unlike
	case code == 220 && containsFold(text, "smtp"):
		return sure
	case containsFold(text, "ftp"):
		return unlike
	}
	return alike
}

func smtpClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch {
	case len(word) != 4 && len(word) != 8:
		return unlike
	case oneOf(word, "ehlo helo lhlo"):
		if !smtpName(rest) || equalFold(word, "helo") && bytes.IndexByte(rest, '.') < 0 { // which others begin with, too
			return alike
		}
		return sure
	case oneOf(word, "mail") && hasPrefixFold(rest, "from:"), oneOf(word, "rcpt") && hasPrefixFold(rest, "to:"):
		return sure
	case equalFold(word, "starttls") && len(rest) == 0, equalFold(word, "auth") && oneOf(firstWord(rest), "plain login cram-md5 ntlm xoauth2"):
		return alike
	}
	return unlike
}

// smtpName tells whether a client's name for itself is a host's or an address (RFC 5321 section 4.1.1.1). Some say anything.
func smtpName(b []byte) bool {
	return hostName(b) || len(b) > 2 && b[0] == '[' && b[len(b)-1] == ']'
}

func smtpClient(c *call, st *dialogueState, line []byte) step {
	if st.authenticating(c, fieldSMTPUser, line) {
		return goOn
	}
	word, rest := cutWord(line)
	switch {
	case oneOf(word, "ehlo helo lhlo"):
		c.setOnce(fieldSMTPHelo, rest)
	case equalFold(word, "auth"):
		st.authenticate(c, fieldSMTPUser, rest)
	case equalFold(word, "starttls"):
		st.secure = true
	case equalFold(word, "mail") && hasPrefixFold(rest, "from:"):
		c.setOnce(fieldSMTPFrom, smtpPath(rest[len("from:"):]))
		return knowing
	case equalFold(word, "rcpt") && hasPrefixFold(rest, "to:"):
		c.setOnce(fieldSMTPTo, smtpPath(rest[len("to:"):]))
	case oneOf(word, "data bdat quit"): // a message follows, or nothing
		return stop
	}
	return goOn
}

// smtpPath is the address between the angle brackets, without the hosts that it is to be brought over (RFC 5321 appendix C).
func smtpPath(b []byte) []byte {
	b = trimSpace(b)
	if len(b) == 0 || b[0] != '<' {
		return firstWord(b)
	}
	end := bytes.IndexByte(b, '>')
	if end < 0 {
		return nil
	}
	if b = b[1:end]; len(b) > 0 && b[0] == '@' {
		if route := bytes.IndexByte(b, ':'); route >= 0 {
			b = b[route+1:]
		}
	}
	return b
}

func smtpServer(c *call, st *dialogueState, line []byte) step {
	code, last, text := reply(line)
	switch {
	case code == 220 && st.greets(c):
		c.setOnce(fieldSMTPServer, text)
	case st.secure && last && code == 220:
		return secured
	case code == 235: // RFC 4954 section 6
		c.login(fieldSMTPLogin, true)
	case code == 535 && last:
		c.login(fieldSMTPLogin, false)
	case st.secure && last && code >= 400:
		st.secure = false
	}
	return goOn
}
