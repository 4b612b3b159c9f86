package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldRsyncVersion = event.AppString("rsync_version", "Protocol version of the server's daemon.")
	fieldRsyncModule  = event.AppString("rsync_module", "Module that the client asked for; #list where it asked which there are.")
)

var rsyncFields = []*event.AppField{fieldRsyncVersion, fieldRsyncModule}

var rsyncFirst = bytesIn("@", 1, 0)

const rsyncPrefix = "@RSYNCD:"

// rsync is the daemon's protocol as rsyncd.conf(5) and rsync's csprotocol.txt tell it; both sides begin with the same line.
var rsync = dialogue{server: rsyncLike, client: func([]byte) likeness { return unlike }, fromServer: rsyncServer, fromClient: rsyncClient}

func parseRsync(c *call) verdict {
	if c.f.state == nil && c.view[c.side].whole && c.side == Orig {
		// Both sides' lines look alike: the one that opened the connection is the client.
		if line, whole := firstLine(&c.view[Orig]); line != nil && (!whole || rsyncLike(line) == sure) {
			if !whole {
				return more
			}
			c.f.state = &dialogueState{client: Orig}
			c.setClient(Orig)
			c.edit()
		}
	}
	return rsync.run(c)
}

func rsyncLike(line []byte) likeness {
	if bytes.HasPrefix(line, []byte(rsyncPrefix+" ")) && len(line) > len(rsyncPrefix)+1 && digit(line[len(rsyncPrefix)+1]) {
		return sure
	}
	return unlike
}

func rsyncServer(c *call, _ *dialogueState, line []byte) step {
	if rsyncLike(line) == sure {
		c.setOnce(fieldRsyncVersion, firstWord(line[len(rsyncPrefix)+1:]))
	}
	return goOn
}

func rsyncClient(c *call, st *dialogueState, line []byte) step {
	if bytes.HasPrefix(line, []byte(rsyncPrefix)) {
		return goOn
	}
	if st.lines[st.client] == 1 {
		c.setOnce(fieldRsyncModule, line)
	}
	return stop // what follows is a challenge's answer, or options
}
