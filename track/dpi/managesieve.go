package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldManageSieveName = event.AppString("managesieve_server", "What the server says it is.")

	sieveFields = []*event.AppField{fieldManageSieveName}

	sieveFirst = bytesIn("\"ACLSacls", 1, 0)
)

// managesieve is ManageSieve with STARTTLS (RFC 5804): the server greets with its capabilities.
var managesieve = dialogue{server: sieveServerLike, client: sieveClientLike, fromServer: sieveServer, fromClient: sieveClient, port: 4190}

func parseManageSieve(c *call) verdict { return managesieve.run(c) }

func sieveServerLike(line []byte) likeness {
	if bytes.HasPrefix(line, []byte(`"IMPLEMENTATION" "`)) || bytes.HasPrefix(line, []byte(`"SIEVE" "`)) {
		return sure
	}
	return unlike
}

func sieveClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "authenticate") && len(rest) > 0 && rest[0] == '"':
		return sure
	case oneOf(word, "starttls capability logout") && len(rest) == 0:
		return alike
	}
	return unlike
}

func sieveServer(c *call, st *dialogueState, line []byte) step {
	switch {
	case bytes.HasPrefix(line, []byte(`"IMPLEMENTATION" "`)):
		name, _, _ := bytes.Cut(line[len(`"IMPLEMENTATION" "`):], []byte(`"`))
		c.setOnce(fieldManageSieveName, name)
	case st.secure && len(line) >= 2 && equalFold(line[:2], "ok"):
		return secured
	case st.secure && len(line) >= 2 && equalFold(line[:2], "no"):
		st.secure = false
	}
	return goOn
}

func sieveClient(_ *call, st *dialogueState, line []byte) step {
	switch word := firstWord(line); {
	case equalFold(word, "starttls"):
		st.secure = true
	case equalFold(word, "authenticate"): // nothing of what follows is kept
		return stop
	case equalFold(word, "logout"):
		return stop
	}
	return goOn
}
