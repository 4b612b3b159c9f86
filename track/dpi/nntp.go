package dpi

import "rustnet/track/event"

var (
	fieldNNTPServer = event.AppString("nntp_server", "Greeting of the server, without its code.")
	fieldNNTPUser   = event.AppString("nntp_user", "User that the client named (AUTHINFO USER).")
	fieldNNTPGroup  = event.AppString("nntp_group", "First newsgroup that was asked for.")
)

var nntpFields = []*event.AppField{fieldNNTPServer, fieldNNTPUser, fieldNNTPGroup}

var nntpFirst = bytesIn("245MCGLAHDISBXmcglahdisbx", 1, 0)

// nntp is NNTP with STARTTLS (RFC 3977, 4642 and 4643).
var nntp = dialogue{server: nntpServerLike, client: nntpClientLike, fromServer: nntpServer, fromClient: nntpClient, port: 119, greets: true}

func parseNNTP(c *call) verdict { return nntp.run(c) }

func nntpServerLike(line []byte) likeness {
	code, _, text := reply(line)
	switch {
	case code == 400 || code == 502: // it serves nobody now, or not this one (RFC 3977 section 5.1.1)
		if containsFold(text, "nntp") || hasPrefixFold(text, "load at ") { // INN's
			return sure
		}
		return unlike
	case code != 200 && code != 201:
		return unlike
	case containsFold(text, "nntp"), containsFold(text, "nnrp"), containsFold(text, "internetnews"), containsFold(text, "newsserver"),
		containsFold(text, "news server"):
		return sure
	}
	return alike
}

func nntpClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "mode") && oneOf(rest, "reader stream"), equalFold(word, "authinfo") && oneOf(firstWord(rest), "user pass sasl"),
		oneOf(word, "ihave check takethis") && len(rest) > 2 && rest[0] == '<' && rest[len(rest)-1] == '>':
		return sure
	case oneOf(word, "capabilities group list listgroup article head body stat xover over help date newgroups newnews starttls"):
		return alike
	}
	return unlike
}

func nntpClient(c *call, st *dialogueState, line []byte) step {
	word, rest := cutWord(line)
	switch {
	case oneOf(word, "group listgroup"):
		c.setOnce(fieldNNTPGroup, firstWord(rest))
		return knowing
	case equalFold(word, "authinfo"):
		kind, who := cutWord(rest)
		if equalFold(kind, "user") {
			c.setOnce(fieldNNTPUser, firstWord(who))
		}
	case equalFold(word, "starttls"):
		st.secure = true
	case oneOf(word, "article body post ihave takethis quit"):
		return stop
	}
	return goOn
}

func nntpServer(c *call, st *dialogueState, line []byte) step {
	code, _, text := reply(line)
	switch {
	case (code == 200 || code == 201) && st.greets(c):
		c.setOnce(fieldNNTPServer, text)
	case st.secure && code == 382:
		return secured
	case st.secure && code >= 400:
		st.secure = false
	}
	return goOn
}
