package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldErlDPClient = event.AppString("erldp_client", "Node that opened the connection.")
	fieldErlDPServer = event.AppString("erldp_server", "Node that was called.")
	fieldErlDPStatus = event.AppString("erldp_status", "What the called node said first: ok, not_allowed, ….")

	erldpFields = []*event.AppField{fieldErlDPClient, fieldErlDPServer, fieldErlDPStatus}

	erldpFirst = bytesIn("\x00\x01", 1, 0)
)

// parseErlDP reads how two nodes of Erlang greet each other (the distribution protocol of the Erlang documentation): messages behind
// their length, of which the caller's first has its name, in the old or the new form.
func parseErlDP(c *call) verdict {
	const status, maxStatus, maxLen = 's', 64, 600
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		b := v.b
		if len(b) > 2 && b[2] != 'n' && b[2] != 'N' || len(b) > 1 && (be16(b) == 0 || be16(b) > maxLen) {
			return no
		}
		if len(b) < 3 || len(b) < 2+int(be16(b)) {
			return v.unfinished()
		}
		name := erldpName(b[2:2+be16(b)], false)
		if name == nil {
			return no
		}
		st = &asker{client: c.side}
		c.f.state = st
		c.setClient(c.side)
		c.fact(fieldErlDPClient, name)
	}
	c.view[st.client].b = nil
	s := 1 - st.client
	for v := &c.view[s]; len(v.b) > 0; {
		if v.gap && len(v.b) < 2 || len(v.b) > 1 && (be16(v.b) == 0 || be16(v.b) > maxLen) {
			return c.finish()
		}
		if len(v.b) < 2 || len(v.b) < 2+int(be16(v.b)) {
			if v.gap || v.fin {
				return c.finish()
			}
			return match
		}
		m := v.b[2 : 2+be16(v.b)]
		c.eat(s, 2+len(m))
		if m[0] == status && len(m) <= maxStatus && !c.f.app.Has(fieldErlDPStatus) {
			text, _, _ := bytes.Cut(m[1:], []byte(":"))
			c.fact(fieldErlDPStatus, text)
			continue
		}
		if name := erldpName(m, true); name != nil {
			c.fact(fieldErlDPServer, name)
		}
		return c.finish()
	}
	return match
}

// erldpName takes the name out of a caller's first message, or out of the challenge that answers it: behind version, flags and of a
// challenge its number; or behind the longer flags, the number, the node's creation and a length.
func erldpName(m []byte, challenge bool) (name []byte) {
	const oldLen, newLen, number, version, nameMe = 7, 15, 4, 5, 33
	fixed := oldLen
	if m[0] == 'N' {
		fixed = newLen
	}
	if challenge {
		fixed += number
	}
	if len(m) <= fixed {
		return nil
	}
	name = m[fixed:]
	switch m[0] {
	case 'n':
		if be16(m[1:]) != version {
			return nil
		}
	case 'N':
		if int(be16(m[fixed-2:])) > len(name) { // more may follow in later versions
			return nil
		}
		name = name[:be16(m[fixed-2:])]
		if !challenge && be64(m[1:])>>nameMe&1 != 0 && erlangName(name) {
			return name // its host alone: the other end is to give it a name
		}
	default:
		return nil
	}
	if !erlangName(name) || bytes.Count(name, []byte("@")) != 1 {
		return nil
	}
	return name
}
