package dpi

import (
	"bytes"
	"strings"

	"rustnet/track/event"
)

var (
	fieldAMQPVersion   = event.AppString("amqp_version", "Version that the client asked for: 0-9-1, 0-9, 0-10, 1.0.").Spelt(amqpVersionForm)
	fieldAMQPProduct   = event.AppString("amqp_product", "Product that the server says it is (0-9-1).")
	fieldAMQPUser      = event.AppString("amqp_user", "User that the client gave with the mechanism PLAIN.")
	fieldAMQPVhost     = event.AppString("amqp_vhost", "Virtual host that the client opened (0-9-1), or host name it asked for (1.0).")
	fieldAMQPContainer = event.AppString("amqp_container", "Container id of the client (1.0).")
)

var amqpVersionForm = event.OneOf("0-8", "0-9", "0-9-1", "0-10", "1.0").Meaning(func(text string) string { return strings.ReplaceAll(text, ".", "-") })

var amqpFields = []*event.AppField{fieldAMQPVersion, fieldAMQPProduct, fieldAMQPUser, fieldAMQPVhost, fieldAMQPContainer}

// amqpFirst: the protocol header, or a frame of 0-9-1 where the start was not seen.
var amqpFirst = bytesIn("A\x08", 1, 3)

// Frames of 0-9-1 (AMQP 0-9-1 section 4.2.3) and methods, class and number (section 1 of the XML specification).
const (
	amqpMethod     = 1
	amqpHeartbeat  = 8
	amqpEnd        = 0xce
	amqpStart      = 10<<16 | 10
	amqpStartOk    = 10<<16 | 11
	amqpOpen       = 10<<16 | 40
	amqpOpenOk     = 10<<16 | 41
	amqpClose      = 10<<16 | 50
	amqpMaxFrame   = 1 << 17
	amqpFrameExtra = 8
)

// Performatives of 1.0 (AMQP 1.0 part 2 section 7, part 5 section 3).
const (
	amqp1Open     = 0x10
	amqp1SASLInit = 0x41
)

type amqpState struct {
	client Side
	one    bool // version 1.0
	header [2]bool
}

// parseAMQP reads the start of AMQP 0-9-1 and 1.0 sessions.
func parseAMQP(c *call) verdict {
	st, _ := c.f.state.(*amqpState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) > 0 && v.b[0] != 'A' {
			switch {
			case v.whole:
				return c.amqpAlone(v)
			case !amqpChain(v.b):
				return no
			}
			return c.finish()
		}
		version, got := amqpHeader(v)
		if got != match {
			return got
		}
		st = &amqpState{client: c.side, one: version == "1.0"}
		c.f.state = st
		c.setClient(c.side)
		c.edit().SetStr(fieldAMQPVersion, version)
	}
	return c.amqpFrames(st)
}

// amqpAlone judges a server's first method, while nothing is seen of what it answers: connection.start of version 0.9 (section 1.4.2.1), with a table.
func (c *call) amqpAlone(v *view) verdict {
	const start = "\x00\x0a\x00\x0a\x00\x09"
	b := v.b
	if got := v.begins("\x01\x00\x00"); got != match {
		return got
	}
	if len(b) < 7+len(start) {
		return v.unfinished()
	}
	if size, ok := amqpFrame(b); !ok || string(b[7:7+len(start)]) != start || len(b) >= size && b[size-1] != amqpEnd || !c.unheard() {
		return no
	}
	st := &amqpState{client: 1 - c.side}
	c.f.state = st
	c.setClient(st.client)
	c.edit()
	return c.amqpFrames(st)
}

// amqpFrames reads what is there of both sides.
func (c *call) amqpFrames(st *amqpState) verdict {
	for s := Orig; s <= Resp; s++ {
		ended := false
		if st.one {
			ended = c.amqp1Side(st, s)
		} else {
			ended = c.amqpSide(st, s)
		}
		if ended {
			return c.finish()
		}
	}
	return match // or handed over to TLS
}

// amqpHeader reads a protocol header (0-9-1 section 4.2.2, 1.0 part 2 section 2.2).
func amqpHeader(v *view) (version string, got verdict) {
	if got := v.begins("AMQP"); got != match {
		return "", got
	}
	if len(v.b) < 8 {
		return "", v.unfinished()
	}
	switch v.b[4] {
	case 0, 2, 3:
		switch string(v.b[5:8]) {
		case "\x00\x09\x01":
			return "0-9-1", match
		case "\x01\x00\x00":
			return "1.0", match
		}
	case 1:
		switch string(v.b[5:8]) {
		case "\x01\x00\x09", "\x01\x09\x00":
			return "0-9", match
		case "\x01\x00\x0a":
			return "0-10", match
		case "\x01\x08\x00":
			return "0-8", match
		}
	}
	return "", no
}

func amqpFrame(b []byte) (size int, ok bool) {
	n := be32(b[3:])
	return int(n) + amqpFrameExtra, b[0] >= 1 && b[0] <= amqpHeartbeat && n <= amqpMaxFrame
}

// amqpSide reads the frames of one side up to the one that opens the virtual host.
func (c *call) amqpSide(st *amqpState, s Side) bool {
	v := &c.view[s]
	if s == st.client && !st.header[s] && len(v.b) >= 8 {
		st.header[s] = true
		c.eat(s, 8)
	}
	for len(v.b) >= 7 {
		size, ok := amqpFrame(v.b)
		if !ok {
			return true // 0-10 has other frames; a server that knows no such version answers with its own header
		}
		if len(v.b) < size {
			return false
		}
		frame := v.b[7 : size-1]
		if v.b[size-1] != amqpEnd {
			return true
		}
		if v.b[0] == amqpMethod && len(frame) >= 4 {
			switch be32(frame) {
			case amqpStart:
				if s != st.client && len(frame) > 6 {
					c.firstFact(fieldAMQPProduct, amqpTableText(frame[6:], "product"))
				}
			case amqpStartOk:
				c.amqpStartOk(frame[4:])
			case amqpOpen:
				r := cursor{b: frame[4:]}
				c.firstFact(fieldAMQPVhost, r.vector8())
				c.know()
			case amqpOpenOk, amqpClose:
				return true
			}
		}
		c.eat(s, size)
	}
	return false
}

// amqpStartOk reads the user of the mechanism PLAIN (RFC 4616): a zero, the user, a zero, the password.
func (c *call) amqpStartOk(b []byte) {
	r := cursor{b: b}
	r.bytes(int(min(r.u32(), amqpMaxFrame)))
	mechanism := r.vector8()
	response := r.bytes(int(min(r.u32(), amqpMaxFrame)))
	if !r.bad && string(mechanism) == "PLAIN" {
		c.plainUser(fieldAMQPUser, response)
	}
}

// plainUser sets the user of a SASL PLAIN response, and nothing of the rest.
func (c *call) plainUser(f *event.AppField, response []byte) {
	_, rest, ok := zeroText(response)
	user, _, ok2 := zeroText(rest)
	if ok && ok2 {
		c.firstFact(f, user)
	}
}

// amqpTableText finds a long string of a field table by its name (0-9-1 section 4.2.5.5).
func amqpTableText(table []byte, name string) []byte {
	i := bytes.Index(table, []byte(name))
	if i < 1 || table[i-1] != byte(len(name)) {
		return nil
	}
	b := table[i+len(name):]
	if len(b) < 5 || b[0] != 'S' || be32(b[1:]) > uint32(min(len(b)-5, maxFactLen)) {
		return nil
	}
	return b[5 : 5+be32(b[1:])]
}

// amqp1Side reads protocol headers and frames of 1.0 up to the client's open (part 2 section 2.3).
func (c *call) amqp1Side(st *amqpState, s Side) bool {
	v := &c.view[s]
	for len(v.b) >= 8 {
		if v.b[0] == 'A' {
			_, got := amqpHeader(v)
			protocol := v.b[4]
			if got != match {
				return true
			}
			c.eat(s, 8)
			if protocol == 2 && s != st.client { // the server agrees to TLS
				c.become("tls")
				return false
			}
			continue
		}
		n := size32(be32(v.b))
		if n < 8 || n > amqpMaxFrame || v.b[4] < 2 || int(v.b[4])*4 > n || v.b[5] > 1 {
			return true
		}
		if len(v.b) < n {
			return false
		}
		body := v.b[int(v.b[4])*4 : n]
		if s == st.client && len(body) >= 3 && body[0] == 0 && body[1] == 0x53 {
			switch body[2] {
			case amqp1SASLInit:
				if list := amqp1List(body[3:]); len(list) > 2 {
					mechanism, rest := amqp1Binary(list)
					if response, _ := amqp1Binary(rest); string(mechanism) == "PLAIN" {
						c.plainUser(fieldAMQPUser, response)
					}
				}
			case amqp1Open:
				container, rest := amqp1Binary(amqp1List(body[3:]))
				host, _ := amqp1Binary(rest)
				c.firstFact(fieldAMQPContainer, container)
				c.firstFact(fieldAMQPVhost, host)
				return true
			}
		}
		c.eat(s, n)
	}
	return false
}

// amqp1List returns the items of a list (part 1 section 1.6.22).
func amqp1List(b []byte) []byte {
	switch {
	case len(b) > 3 && b[0] == 0xc0:
		return b[3:]
	case len(b) > 9 && b[0] == 0xd0:
		return b[9:]
	}
	return nil
}

// amqp1Binary reads a short string, symbol or binary, or nothing in its place.
func amqp1Binary(b []byte) (value, rest []byte) {
	switch {
	case len(b) >= 1 && b[0] == 0x40:
		return nil, b[1:]
	case len(b) >= 2 && (b[0] == 0xa0 || b[0] == 0xa1 || b[0] == 0xa3) && 2+int(b[1]) <= len(b):
		return b[2 : 2+int(b[1])], b[2+int(b[1]):]
	}
	return nil, nil
}

// amqpChain tells whether b is whole frames of a 0-9-1 session whose start was not seen, the first of them a
// method of a class that there is, or a heartbeat.
func amqpChain(b []byte) bool {
	for at := 0; ; {
		if len(b)-at < amqpFrameExtra {
			return false
		}
		size, ok := amqpFrame(b[at:])
		if !ok || at+size > len(b) || b[at+size-1] != amqpEnd {
			return false
		}
		if at == 0 {
			switch {
			case b[0] == amqpHeartbeat && size == amqpFrameExtra:
			case b[0] == amqpMethod && size >= 12 && be16(b[7:])%10 == 0 && be16(b[7:]) >= 10 && be16(b[7:]) <= 90 && be16(b[9:]) >= 10 && be16(b[9:]) <= 121:
			default:
				return false
			}
		}
		if at += size; at == len(b) {
			return true
		}
	}
}
