package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var fieldTelnetTerminal = event.AppString("telnet_terminal", "Type of the client's terminal.")

var telnetFields = []*event.AppField{fieldTelnetTerminal}

var telnetFirst = bytesIn("\xff", 1, 0)

// Commands (RFC 854) and what they are about (https://www.iana.org/assignments/telnet-options).
const (
	telnetSE       = 240
	telnetSB       = 250
	telnetIAC      = 255
	telnetTerminal = 24 // RFC 1091
	telnetOptions  = 50 // those above are nobody's, but for
	telnetExtended = 255

	telnetMaxSub   = 512
	telnetMaxSpoke = 64 // commands that are read
)

// telnetState follows the negotiation.
type telnetState struct{ commands uint8 }

// parseTelnet recognises the negotiation of options that every Telnet session begins with. Two commands in
// a row are proof, or one from each side.
func parseTelnet(c *call) verdict {
	st, _ := c.f.state.(*telnetState)
	if st == nil {
		v, other := &c.view[c.side], &c.view[1-c.side]
		n, bad := telnetCount(v.b)
		theirs, _ := telnetCount(other.b)
		switch {
		case bad || n < 2 && (v.gap || v.fin):
			return no
		case n < 2 && (n == 0 || theirs == 0):
			return more
		}
		st = &telnetState{}
		c.f.state = st
		c.setClient(Orig)
		c.edit()
	}
	for s := Orig; s <= Resp; s++ {
		if c.telnetSide(st, s) {
			c.know()
			return done
		}
	}
	return match
}

// telnetCount counts the whole commands that b begins with; bad is when it goes on with what is none,
// before there were two.
func telnetCount(b []byte) (n int, bad bool) {
	for len(b) > 0 && n < 2 {
		size, ok := telnetCommand(b)
		if !ok {
			return n, n == 0 || b[0] == telnetIAC
		}
		if size == 0 {
			break
		}
		b = b[size:]
		n++
	}
	return n, false
}

// telnetCommand returns the length of the command that b begins with, 0 while it is not whole.
func telnetCommand(b []byte) (size int, ok bool) {
	if b[0] != telnetIAC || len(b) > 1 && (b[1] < telnetSB || b[1] == telnetIAC) ||
		len(b) > 2 && b[2] >= telnetOptions && b[2] != telnetExtended && !(b[2] >= 69 && b[2] <= 93) { // MUD's
		return 0, false
	}
	switch {
	case len(b) < 3:
		return 0, true
	case b[1] != telnetSB:
		return 3, true
	}
	end := bytes.Index(b, []byte{telnetIAC, telnetSE})
	if end < 0 {
		return 0, len(b) <= telnetMaxSub
	}
	return end + 2, true
}

// telnetSide reads what one side sent up to its first text, and returns true when nothing more is wanted.
func (c *call) telnetSide(st *telnetState, s Side) bool {
	v := &c.view[s]
	for len(v.b) > 0 {
		if v.b[0] != telnetIAC { // text: what is typed is nobody's business
			next := bytes.IndexByte(v.b, telnetIAC)
			if next < 0 {
				v.b = v.b[:0]
				return false
			}
			c.eat(s, next)
			continue
		}
		size, ok := telnetCommand(v.b)
		if !ok {
			return true
		}
		if size == 0 {
			if v.gap || v.fin {
				v.b = nil
			}
			return false
		}
		// IAC SB TERMINAL-TYPE IS, the name, IAC SE
		if v.b[1] == telnetSB && v.b[2] == telnetTerminal && size > 6 && v.b[3] == 0 && printable(v.b[4:size-2]) {
			c.setOnce(fieldTelnetTerminal, v.b[4:size-2])
			return true
		}
		c.eat(s, size)
		if st.commands++; st.commands == telnetMaxSpoke {
			return true
		}
	}
	return false
}
