package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldPerforceUser    = event.AppString("perforce_user", "User that the client says it is.")
	fieldPerforceCommand = event.AppString("perforce_command", "First command of the client, such as sync.")

	perforceFields = []*event.AppField{fieldPerforceUser, fieldPerforceCommand}
)

const (
	perforceHead    = 5 // the sum of the length's bytes, and the length
	perforceMost    = 16 << 10
	perforceNothing = 4 // messages without a command until there is no more hope
)

// perforceState counts the client's messages.
type perforceState struct {
	client   Side
	messages int
}

// parsePerforce reads messages of Helix Core (Perforce), as its API 2026.1 for Python says them: variables with names and values, of which the
// last names the function. Each end begins with "protocol"; the client's next one is its command.
func parsePerforce(c *call) verdict {
	st, _ := c.f.state.(*perforceState)
	if st == nil {
		v := &c.view[c.side]
		message, got := perforceMessage(v)
		if got != match {
			return got
		}
		if !v.whole || string(perforceVariable(message, "func")) != "protocol" {
			return no
		}
		st = &perforceState{client: c.side}
		if perforceVariable(message, "cmpfile") == nil { // which only clients say
			st.client = 1 - c.side
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	other := &c.view[1-st.client]
	other.b = nil
	v := &c.view[st.client]
	for len(v.b) > 0 {
		message, got := perforceMessage(v)
		if got == more {
			return match
		}
		if got == no || st.messages == perforceNothing {
			c.know()
			return done
		}
		if command, ok := bytes.CutPrefix(perforceVariable(message, "func"), []byte("user-")); ok {
			c.fact(fieldPerforceCommand, command)
			c.fact(fieldPerforceUser, perforceVariable(message, "user"))
			return c.finish()
		}
		st.messages++
		c.eat(st.client, perforceHead+len(message))
	}
	if v.gap || v.fin {
		c.know()
		return done
	}
	return match
}

// perforceMessage returns the variables of the first message.
func perforceMessage(v *view) (message []byte, got verdict) {
	b := v.b
	if len(b) < perforceHead {
		return nil, v.unfinished()
	}
	n := size32(le32(b[1:]))
	if b[0] != b[1]^b[2]^b[3]^b[4] || n < len("func\x00....x\x00") || n > perforceMost || len(b) > perforceHead && !alphanumeric(b[perforceHead]) {
		return nil, no
	}
	if len(b) < perforceHead+n {
		return nil, v.unfinished()
	}
	message = b[perforceHead : perforceHead+n]
	last := false
	for rest := message; len(rest) > 0; {
		name, value, next, ok := perforceCut(rest)
		if !ok {
			return nil, no
		}
		last, rest = string(name) == "func" && len(value) > 0, next
	}
	if !last {
		return nil, no
	}
	return message, match
}

// perforceCut takes a variable away: its name, and its value behind how long that is; a zero ends either.
func perforceCut(b []byte) (name, value, rest []byte, ok bool) {
	name, rest, ok = zeroText(b)
	if !ok || len(rest) < 5 || !metricName(name) && len(name) > 0 {
		return nil, nil, nil, false
	}
	n := size32(le32(rest))
	if n < 0 || n > len(rest)-5 || rest[4+n] != 0 {
		return nil, nil, nil, false
	}
	return name, rest[4 : 4+n], rest[4+n+1:], true
}

// perforceVariable finds the value of a variable, nil when there is none.
func perforceVariable(message []byte, wanted string) []byte {
	for len(message) > 0 {
		name, value, rest, ok := perforceCut(message)
		if !ok {
			return nil
		}
		if string(name) == wanted {
			return value
		}
		message = rest
	}
	return nil
}
