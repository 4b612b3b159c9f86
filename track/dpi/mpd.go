package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMPDVersion = event.AppString("mpd_version", "Version of the protocol that the server speaks.")
	fieldMPDCommand = event.AppString("mpd_command", "First command of the client.")

	mpdFields = []*event.AppField{fieldMPDVersion, fieldMPDCommand}

	mpdFirst = bytesIn("O", 1, 0)
)

// mpd is the Music Player Daemon's protocol (https://mpd.readthedocs.io/en/latest/protocol.html). Only the greeting is proof.
var mpd = dialogue{server: mpdServerLike, client: func([]byte) likeness { return unlike }, fromServer: mpdServer, fromClient: mpdClient}

func parseMPD(c *call) verdict { return mpd.run(c) }

func mpdServerLike(line []byte) likeness {
	if version, ok := bytes.CutPrefix(line, []byte("OK MPD ")); ok && len(version) > 0 && digit(version[0]) {
		return sure
	}
	return unlike
}

func mpdServer(c *call, st *dialogueState, line []byte) step {
	if st.lines[1-st.client] == 0 && mpdServerLike(line) == sure {
		c.setOnce(fieldMPDVersion, line[len("OK MPD "):])
		return knowing
	}
	return goOn
}

func mpdClient(c *call, _ *dialogueState, line []byte) step {
	word := firstWord(line)
	if bytes.HasPrefix(word, []byte("command_list_")) {
		return goOn
	}
	c.setOnce(fieldMPDCommand, word)
	return stop
}
