package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldIRCNick    = event.AppString("irc_nick", "Nickname that the client chose first.")
	fieldIRCUser    = event.AppString("irc_user", "User name that the client gave (USER).")
	fieldIRCServer  = event.AppString("irc_server", "Name that the server gives itself.")
	fieldIRCChannel = event.AppString("irc_channel", "First channel that the client joined.")
)

var ircFields = []*event.AppField{fieldIRCNick, fieldIRCUser, fieldIRCServer, fieldIRCChannel}

var ircFirst = bytesIn(":NUCPEJncupej@", 1, 0)

// irc is IRC (RFC 2812; https://ircv3.net for CAP, message tags and STARTTLS).
var irc = dialogue{server: ircServerLike, client: ircClientLike, fromServer: ircServer, fromClient: ircClient}

func parseIRC(c *call) verdict {
	if b := c.view[c.side].b; c.f.state == nil && ircLogin(b) {
		c.f.state = &dialogueState{client: c.side}
		c.setClient(c.side)
		c.edit()
	}
	return irc.run(c)
}

// ircLogin tells whether b begins with NICK and USER in either order. Others have USER, too, but nobody both.
func ircLogin(b []byte) bool {
	first, size := cutLine(b)
	second, _ := cutLine(b[size:])
	if second == nil || !textLine(first) || !textLine(second) {
		return false
	}
	a, nick := cutWord(first)
	z, user := cutWord(second)
	if equalFold(a, "user") {
		a, z, nick, user = z, a, user, nick
	}
	return equalFold(a, "nick") && equalFold(z, "user") && len(nick) > 0 && len(user) > 0
}

// ircMessage takes a message apart: its source, where it names one, its command, and the rest.
func ircMessage(line []byte) (source, command, rest []byte) {
	if len(line) > 0 && line[0] == '@' { // tags
		_, line = cutWord(line)
	}
	if len(line) > 0 && line[0] == ':' {
		source, line = cutWord(line[1:])
	}
	command, rest = cutWord(line)
	return source, command, rest
}

// ircChannel tells whether b is the name of a channel (RFC 2812 section 1.3).
func ircChannel(b []byte) bool {
	return len(b) > 1 && (b[0] == '#' || b[0] == '&' || b[0] == '+' || b[0] == '!')
}

func ircServerLike(line []byte) likeness {
	source, command, rest := ircMessage(line)
	to, text := cutWord(rest)
	trailing := len(text) > 0 && text[0] == ':'
	switch {
	case oneOf(command, "notice") && trailing && (len(source) > 0 || oneOf(to, "auth *")):
		return sure
	case len(source) > 0 && oneOf(command, "001 020 005 433 451 464 670") && len(to) > 0 && len(text) > 0,
		len(source) > 0 && equalFold(command, "cap") && oneOf(firstWord(text), "ls ack nak new"),
		len(source) > 0 && oneOf(command, "privmsg join part mode topic") && ircChannel(bytes.TrimPrefix(to, []byte(":"))),
		len(source) > 0 && bytes.IndexByte(source, '!') > 0 && equalFold(command, "privmsg") && trailing,
		equalFold(command, "error") && bytes.HasPrefix(rest, []byte(":Closing Link")):
		return sure
	case len(source) == 0 && oneOf(command, "ping error") && len(rest) > 1:
		return alike
	}
	return unlike
}

func ircClientLike(line []byte) likeness {
	_, command, rest := ircMessage(line)
	first, more := cutWord(rest)
	switch {
	case equalFold(command, "cap") && oneOf(first, "ls req end list"), equalFold(command, "user") && ircUser(rest) && !ircAPRS(more),
		oneOf(command, "privmsg notice") && ircChannel(first) && len(more) > 1 && more[0] == ':':
		return sure
	case equalFold(command, "nick") && len(bytes.TrimPrefix(first, []byte(":"))) > 0 && len(more) == 0,
		equalFold(command, "pass") && len(first) > 0, equalFold(command, "join") && ircChannel(first),
		equalFold(command, "user") && len(first) > 0 && !ircAPRS(more), equalFold(command, "starttls") && len(rest) == 0:
		return alike
	}
	return unlike
}

// ircAPRS tells whether what stands behind "user" and a name is the login of APRS-IS.
func ircAPRS(b []byte) bool {
	word, _ := cutWord(b)
	return string(word) == "pass"
}

// ircUser tells whether b is the argument of USER: three words, and the real name.
func ircUser(b []byte) bool {
	for range 3 {
		var word []byte
		if word, b = cutWord(b); len(word) == 0 || word[0] == ':' {
			return false
		}
	}
	return len(b) > 0 && b[0] == ':' // all but few say it so, and any five words would do
}

func ircClient(c *call, st *dialogueState, line []byte) step {
	_, command, rest := ircMessage(line)
	first := bytes.TrimPrefix(firstWord(rest), []byte(":"))
	switch {
	case equalFold(command, "nick"):
		c.setOnce(fieldIRCNick, first)
	case equalFold(command, "user"):
		c.setOnce(fieldIRCUser, first)
	case equalFold(command, "join"):
		if i := bytes.IndexByte(first, ','); i >= 0 {
			first = first[:i]
		}
		c.setOnce(fieldIRCChannel, first)
		return knowing
	case equalFold(command, "starttls"):
		st.secure = true
	case equalFold(command, "quit"):
		return stop
	}
	return goOn
}

func ircServer(c *call, st *dialogueState, line []byte) step {
	source, command, _ := ircMessage(line)
	switch {
	case string(command) == "001": // RPL_WELCOME
		c.setOnce(fieldIRCServer, source)
		return knowing
	case st.secure && string(command) == "670": // RPL_STARTTLS
		return secured
	case st.secure && string(command) == "691":
		st.secure = false
	}
	return goOn
}
