package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldNATSServer  = event.AppString("nats_server", "Name of the server, or its identifier where it has none.")
	fieldNATSVersion = event.AppString("nats_version", "Version of the server.")
	fieldNATSClient  = event.AppString("nats_client", "Name that the client gave.")
	fieldNATSLang    = event.AppString("nats_lang", "Language that the client's library is written in.")
	fieldNATSSubject = event.AppString("nats_subject", "First subject that the client published or subscribed to.")
)

var natsFields = []*event.AppField{fieldNATSServer, fieldNATSVersion, fieldNATSClient, fieldNATSLang, fieldNATSSubject}

var natsFirst = bytesIn("ICic", 1, 0)

// nats is NATS (https://docs.nats.io/reference/reference-protocols/nats-protocol). TLS begins behind the server's INFO.
var nats = dialogue{server: natsServerLike, client: natsClientLike, fromServer: natsServer, fromClient: natsClient}

func parseNATS(c *call) verdict { return nats.run(c) }

func natsServerLike(line []byte) likeness {
	word, rest := cutWord(line)
	if equalFold(word, "info") && bytes.HasPrefix(rest, []byte("{")) && bytes.Contains(rest, []byte(`"server_id"`)) {
		return sure
	}
	return unlike
}

func natsClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	if equalFold(word, "connect") && bytes.HasPrefix(rest, []byte("{")) && bytes.Contains(rest, []byte(`"verbose"`)) {
		return sure
	}
	return unlike
}

func natsServer(c *call, st *dialogueState, line []byte) step {
	word, rest := cutWord(line)
	if equalFold(word, "info") {
		c.setOnce(fieldNATSServer, jsonString(rest, `"server_name"`))
		c.setOnce(fieldNATSServer, jsonString(rest, `"server_id"`))
		c.setOnce(fieldNATSVersion, jsonString(rest, `"version"`))
		st.secure = bytes.Contains(rest, []byte(`"tls_required":true`)) || bytes.Contains(rest, []byte(`"tls_available":true`))
		if c.f.app.Has(fieldNATSSubject) {
			return stop
		}
	}
	return goOn
}

func natsClient(c *call, st *dialogueState, line []byte) step {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "connect"):
		c.setOnce(fieldNATSClient, jsonString(rest, `"name"`))
		c.setOnce(fieldNATSLang, jsonString(rest, `"lang"`))
		return knowing
	case oneOf(word, "sub pub hpub"):
		c.setOnce(fieldNATSSubject, firstWord(rest))
		if st.lines[1-st.client] > 0 || c.view[1-st.client].gap {
			return stop // a payload follows
		}
	}
	return goOn
}
