package dpi

import (
	"unicode/utf8"

	"rustnet/track/event"
)

var (
	fieldMQTTVersion  = event.AppString("mqtt_version", "Version that the client speaks: 3.1, 3.1.1, 5.0.").Spelt(mqttVersionForm)
	fieldMQTTClient   = event.AppString("mqtt_client_id", "Client id, when it is not left to the server.")
	fieldMQTTResponse = event.AppUint("mqtt_connack", "", "Code that the server answered the connection with; 0 is accepted.")
	fieldMQTTUser     = event.AppString("mqtt_user", "User that the client named beside a password; alone it may be the secret itself.")
	fieldMQTTTopic    = event.AppString("mqtt_topic", "First topic that something was published to, or filter that was subscribed to.")
)

var mqttVersionForm = event.OneOf("3.1", "3.1.1", "5.0").Elsewhere(map[string]string{"3": "3.1", "4": "3.1.1", "5": "5.0", "v5": "5.0", "v3.1.1": "3.1.1"})

var mqttFields = []*event.AppField{fieldMQTTVersion, fieldMQTTClient, fieldMQTTResponse, fieldMQTTUser, fieldMQTTTopic}

// mqttFirst: CONNECT, CONNACK; PUBLISH, PUBACK, SUBSCRIBE and PINGREQ with what answers them where the start was not seen.
var mqttFirst = bytesIn("\x10\x20\x40\x82\x90\xc0\xd0", 0x30, 0x3d)

const (
	mqttPort       = 1883
	mqttMaxConnect = 8 << 10
)

type mqttState struct {
	server   Side
	five     bool // version 5, in which packets have properties
	answered bool
	told     bool // of a topic, or there is none to tell
}

// parseMQTT reads CONNECT and CONNACK (MQTT 3.1.1 and 5.0 sections 3.1 and 3.2), and what follows up to the first topic.
func parseMQTT(c *call) verdict {
	st, _ := c.f.state.(*mqttState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) > 0 && v.b[0] != 0x10 {
			if v.b[0] == 0x20 && v.whole { // comes into order later than what it answers
				return c.mqttAlone(v)
			}
			if v.whole || !mqttChain(v.b) {
				return no
			}
			return c.finish()
		}
		body, got := mqttConnect(v)
		if got != match {
			return got
		}
		c.mqttConnect(body)
		n, size, _ := mqttLength(v.b)
		c.eat(c.side, size+n)
		st = &mqttState{server: 1 - c.side, five: body[0]&0x7f == 5}
		c.f.state = st
		c.setClient(c.side)
	}
	v := &c.view[st.server]
	if !st.answered && len(v.b) > 0 {
		if mqttConnack(v) == no {
			return c.finish()
		}
		n, size, ok := mqttLength(v.b)
		if !ok || len(v.b) < size+n {
			return match
		}
		code := v.b[size+1]
		c.edit().SetUint(fieldMQTTResponse, uint64(code))
		c.eat(st.server, size+n)
		st.answered = true
		if c.know(); code != 0 {
			return c.finish()
		}
	}
	// A client need not wait for the answer.
	st.told = st.told || c.mqttPackets(st, 1-st.server) || st.answered && c.mqttPackets(st, st.server)
	switch {
	case st.told && st.answered:
		return c.finish()
	case st.told:
		c.view[1-st.server].b = nil
	}
	return match
}

// mqttPackets passes over a side's packets up to one with a topic. It returns true when nothing more is wanted.
func (c *call) mqttPackets(st *mqttState, s Side) bool {
	v := &c.view[s]
	for len(v.b) > 1 {
		n, size, ok := mqttLength(v.b)
		if !ok {
			return len(v.b) > 4
		}
		kind := v.b[0]
		publish := kind>>4 == 3
		if !publish && kind != 0x82 || n < 4 {
			c.skip(s, uint64(size+n))
			continue
		}
		r := cursor{b: v.b[size:min(size+n, len(v.b))]}
		if !publish {
			r.bytes(2)
			if st.five {
				r.bytes(r.mqttVarint())
			}
		}
		topic := r.vector16()
		switch {
		case r.bad && len(v.b) < size+n && !v.gap && !v.fin && n <= mqttMaxConnect:
			return false // it is not whole
		case !r.bad && utf8.Valid(topic): // none where it has a number (section 3.3.2.3.4 of 5.0)
			c.fact(fieldMQTTTopic, topic)
		}
		return true
	}
	return false
}

// mqttLength reads the remaining length, and how long the fixed header is (section 2.2.3 of 3.1.1). ok is false while it is not whole.
func mqttLength(b []byte) (n, size int, ok bool) {
	for i := 1; i < len(b) && i <= 4; i++ {
		n |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			return n, i + 1, true
		}
	}
	return 0, 0, false
}

// mqttConnack judges the answer to CONNECT; more means that it fits and that a CONNECT should come into sight.
func mqttConnack(v *view) verdict {
	b := v.b
	if b[0] != 0x20 {
		return no
	}
	n, size, ok := mqttLength(b)
	switch {
	case !ok && len(b) > 4 || ok && (n < 2 || n > mqttMaxConnect):
		return no
	case !ok || len(b) < size+2:
		return v.unfinished()
	case b[size] > 1:
		return no
	}
	return more
}

// mqttAlone judges CONNACK while nothing is seen of what it answers. What follows may be proof; that nothing does, is none but on the protocol's port.
func (c *call) mqttAlone(v *view) verdict {
	got := mqttConnack(v)
	if got != more {
		return got
	}
	n, size, ok := mqttLength(v.b)
	if ok && len(v.b) >= size+n && c.unheard() && (mqttProperties(v.b[size+2:size+n]) || n == 2 && v.b[size+1] == 0 && mqttSubscribed(v.b[size+n:])) {
		c.setClient(1 - c.side)
		return c.finish()
	}
	if ok && len(v.b) > size+n && mqttChain(v.b[size+n:]) || c.alone() && ok && len(v.b) == size+n && c.side == Resp && c.f.resp == mqttPort {
		c.setClient(1 - c.side)
		return c.finish()
	}
	return v.unfinished()
}

// mqttSubscribed tells whether b begins with the answer to a subscription: its number, and what is granted.
func mqttSubscribed(b []byte) bool {
	return len(b) >= 5 && b[0] == 0x90 && b[1] == 3 && be16(b[2:]) != 0 && (b[4] <= 2 || b[4] == 0x80)
}

// mqttProperties tells whether b is CONNACK's properties (section 3.2.2.3 of 5.0), two of them at least.
func mqttProperties(b []byte) bool {
	if len(b) == 0 || int(b[0]) != len(b)-1 || b[0] >= 0x80 {
		return false
	}
	r := cursor{b: b[1:]}
	count := 0
	for ; len(r.b) > 0 && !r.bad; count++ {
		switch r.u8() {
		case 0x24, 0x25, 0x28, 0x29, 0x2a: // what the server can do
			if r.u8() > 1 {
				return false
			}
		case 0x13, 0x21, 0x22: // keep alive, and the most of something
			r.u16()
		case 0x11, 0x27: // how long the session lives, the longest packet
			r.u32()
		case 0x12, 0x1a, 0x1c, 0x1f, 0x15, 0x16, 0x26:
			if text := r.vector16(); len(text) == 0 {
				return false
			}
		default:
			return false
		}
	}
	return !r.bad && count > 1
}

// mqttConnect returns the variable header behind the protocol's name, and the payload.
func mqttConnect(v *view) ([]byte, verdict) {
	n, size, ok := mqttLength(v.b)
	switch {
	case !ok && len(v.b) > 4 || ok && (n < 12 || n > mqttMaxConnect):
		return nil, no
	case !ok:
		return nil, v.unfinished()
	}
	rest := *v
	rest.b = v.b[size:]
	name := "\x00\x04MQTT"
	if len(rest.b) > 1 && rest.b[1] == 6 {
		name = "\x00\x06MQIsdp"
	}
	if got := rest.begins(name); got != match {
		return nil, got
	}
	if len(rest.b) < n {
		return nil, v.unfinished()
	}
	b := rest.b[len(name):n]
	// The level, whose top bit marks a bridge; flags, of which the lowest is zero; keep alive.
	if level := b[0] & 0x7f; level < 3 || level > 5 || len(b) < 6 || b[1]&1 != 0 || b[1]&0x18 == 0x18 {
		return nil, no
	}
	return b, match
}

func (c *call) mqttConnect(b []byte) {
	version := "3.1"
	r := cursor{b: b[4:]}
	switch b[0] & 0x7f {
	case 4:
		version = "3.1.1"
	case 5:
		version = "5.0"
		r.bytes(r.mqttVarint())
	}
	c.edit().SetStr(fieldMQTTVersion, version)
	c.fact(fieldMQTTClient, r.vector16())
	const hasWill, hasPassword, hasUser = 4, 0x40, 0x80
	if b[1]&hasWill != 0 {
		if version == "5.0" {
			r.bytes(r.mqttVarint())
		}
		r.vector16()
		r.vector16()
	}
	if b[1]&hasUser != 0 {
		user, password := r.vector16(), []byte(nil)
		if whole := !r.bad; b[1]&hasPassword != 0 && whole {
			password = r.vector16()
		}
		// Where nothing proves who it is, the user itself does: it is a token. Amazon's and Microsoft's carry a signature behind a question mark.
		if !r.bad && utf8.Valid(user) && (len(password) > 0 || c.cfg.Unsafe) {
			c.fact(fieldMQTTUser, c.shownPath(user))
		}
	}
}

func (r *cursor) mqttVarint() (n int) {
	for shift := 0; shift <= 21; shift += 7 {
		b := r.u8()
		n |= b & 0x7f << shift
		if b < 0x80 {
			break
		}
	}
	return n
}

// mqttChain tells whether b is whole packets of a session whose start was not seen. Among them must be
// one with a topic, for the others are too short to be proof.
func mqttChain(b []byte) bool {
	proof := false
	for at := 0; at < len(b); {
		n, size, ok := mqttLength(b[at:])
		if !ok || at+size+n > len(b) {
			return false
		}
		body := b[at+size : at+size+n]
		switch kind := b[at]; {
		case kind>>4 == 3 && kind>>1&3 != 3: // PUBLISH
			if n < 4 || !mqttTopic(body, false) {
				return false
			}
			proof = true
		case kind == 0x82: // SUBSCRIBE
			if n < 6 || !mqttTopic(body[2:], true) {
				return false
			}
			proof = true
		case kind == 0x40 || kind == 0x50 || kind == 0x62 || kind == 0x70:
			if n < 2 || n > 4 {
				return false
			}
		case kind == 0x90:
			if n < 3 || n > 64 {
				return false
			}
		case kind == 0xc0 || kind == 0xd0 || kind == 0xe0:
			if n != 0 {
				return false
			}
		default:
			return false
		}
		at += size + n
	}
	return proof
}

// mqttTopic tells whether b begins with a topic's name or filter.
func mqttTopic(b []byte, filter bool) bool {
	n := int(be16(b))
	if n < 3 || n > 1024 || 2+n > len(b) {
		return false
	}
	for _, ch := range b[2 : 2+n] {
		if ch < ' ' || ch == 0x7f || !filter && (ch == '#' || ch == '+') {
			return false
		}
	}
	return utf8.Valid(b[2 : 2+n])
}
