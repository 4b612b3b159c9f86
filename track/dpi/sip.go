package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSIPMethod    = event.AppString("sip_method", "Method of the first request.").Spelt(event.Method)
	fieldSIPFrom      = event.AppString("sip_from", "Who the first message is from: user and host, without password and parameters.")
	fieldSIPTo        = event.AppString("sip_to", "Who the first message is to.")
	fieldSIPStatus    = event.AppUint("sip_status", "", "Status of the first final response.")
	fieldSIPUserAgent = event.AppString("sip_user_agent", "User-Agent of the first request.")
	fieldSIPServer    = event.AppString("sip_server", "Server, or User-Agent, of the first response that names one.")
	fieldSIPCallID    = event.AppString("sip_call_id", "Identifier of the first call or registration (Call-ID).")
)

var sipFields = []*event.AppField{fieldSIPMethod, fieldSIPFrom, fieldSIPTo, fieldSIPStatus, fieldSIPUserAgent, fieldSIPServer, fieldSIPCallID}

var sipFirst = bytesIn("", 'A', 'Z')

const (
	sipVersion   = "SIP/2.0"
	sipMaxHead   = 8 << 10
	sipMessages  = 16 // of a connection, after which the facts are as good as they get
	sipMaxMethod = 16
)

// sipState counts what was read.
type sipState struct {
	messages  uint8
	requested bool
	answered  bool
	party     bool // from and to are told
	told      bool // nothing but descriptions of media is wanted any more
}

// parseSIP reads SIP (RFC 3261) over UDP: one message each datagram.
func parseSIP(c *call) verdict {
	b := c.view[c.side].b
	st, _ := c.f.state.(*sipState)
	if st == nil {
		if kind := textStart(b, sipVersion); kind != httpRequest && kind != httpResponse {
			return no
		}
		if st = c.sipBegin(textStart(b, sipVersion)); st == nil {
			return no
		}
	}
	b = skipEmptyLines(b)
	if kind := textStart(b, sipVersion); kind == httpRequest || kind == httpResponse {
		size, _ := headSize(b, 0)
		c.sipMessage(st, b[:size], kind)
		if sipDescribes(b[:size]) {
			c.sdp(c.side, b[size:])
		}
	}
	return match
}

// sipDescribes tells whether a description of media is behind a head.
func sipDescribes(head []byte) bool {
	kind, _, _ := bytes.Cut(headerValue(head, "content-type", "c"), []byte(";"))
	return equalFold(trimSpace(kind), "application/sdp")
}

// parseSIPStream reads SIP over TCP, where Content-Length frames the messages (RFC 3261 section 18.3).
func parseSIPStream(c *call) verdict {
	st, _ := c.f.state.(*sipState)
	if st == nil {
		v := &c.view[c.side]
		switch kind := textStart(skipEmptyLines(v.b), sipVersion); {
		case kind == httpMaybe && !v.gap && !v.fin && len(v.b) < sipMaxHead:
			return more
		case kind == httpRequest || kind == httpResponse:
			st = c.sipBegin(kind)
		default:
			return no
		}
	}
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		for v.b = skipEmptyLines(v.b); len(v.b) > 0; v.b = skipEmptyLines(v.b) {
			size, whole := headSize(v.b, 0)
			if !whole && !v.gap && !v.fin {
				if len(v.b) > sipMaxHead {
					return done
				}
				break
			}
			kind := textStart(v.b, sipVersion)
			if kind != httpRequest && kind != httpResponse {
				c.know()
				return done
			}
			length, _ := decimal(headerValue(v.b[:size], "content-length", "l"))
			body := v.b[size:min(uint64(len(v.b)), uint64(size)+length)]
			if uint64(len(body)) < length && length <= sipMaxHead && !v.gap && !v.fin && sipDescribes(v.b[:size]) {
				break
			}
			c.sipMessage(st, v.b[:size], kind)
			if !whole {
				v.b = nil
				break
			}
			if sipDescribes(v.b[:size]) {
				c.sdp(s, body)
			}
			c.skip(s, uint64(size)+length)
		}
	}
	return match
}

func (c *call) sipBegin(kind httpKind) *sipState {
	st := &sipState{}
	c.f.state = st
	if kind == httpRequest {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.edit()
	return st
}

// textStart judges a first line that is like HTTP's but names another version: SIP's and RTSP's.
func textStart(b []byte, version string) httpKind {
	if len(b) == 0 {
		return httpMaybe
	}
	if n := min(len(b), len(version)); string(b[:n]) == version[:n] && (len(b) == n || b[n] == ' ') {
		at := len(version) + 1
		switch {
		case len(b) < at+4:
			return httpMaybe
		case b[at] >= '1' && b[at] <= '6' && digit(b[at+1]) && digit(b[at+2]) && (b[at+3] == ' ' || b[at+3] == '\r'):
			return httpResponse
		}
		return httpNot
	}
	method := 0
	for method < len(b) && methodByte(b[method]) {
		method++
	}
	if method > sipMaxMethod {
		return httpNot
	}
	if method == len(b) {
		return httpMaybe
	}
	if method < 3 || b[method] != ' ' {
		return httpNot
	}
	line, size := cutLine(b)
	if size == 0 {
		if !textLine(trimCR(b)) {
			return httpNot
		}
		return httpMaybe
	}
	if !textLine(line) || !bytes.HasSuffix(line, []byte(version)) || len(line) < method+len(version)+3 || line[len(line)-len(version)-1] != ' ' {
		return httpNot
	}
	return httpRequest
}

// sipMessage reads the head of a message. A connection between two servers carries many calls: the facts are those of
// the first, and the media of each are expected.
func (c *call) sipMessage(st *sipState, head []byte, kind httpKind) {
	if st.told {
		return
	}
	if kind == httpRequest && !st.requested {
		st.requested = true
		c.setOnce(fieldSIPMethod, firstWord(head))
		c.setOnce(fieldSIPUserAgent, headerValue(head, "user-agent", ""))
	}
	if kind == httpResponse {
		if !c.f.app.Has(fieldSIPServer) {
			c.setOnce(fieldSIPServer, headerValue(head, "server", ""))
			c.setOnce(fieldSIPServer, headerValue(head, "user-agent", ""))
		}
		status, _ := decimal(head[len(sipVersion)+1 : len(sipVersion)+4])
		if status >= 200 && !st.answered {
			st.answered = true
			c.edit().SetUint(fieldSIPStatus, status)
		}
	}
	if !st.party {
		st.party = true
		c.setOnce(fieldSIPFrom, sipParty(headerValue(head, "from", "f")))
		c.setOnce(fieldSIPTo, sipParty(headerValue(head, "to", "t")))
		c.setOnce(fieldSIPCallID, headerValue(head, "call-id", "i"))
	}
	st.messages++
	if st.told = st.requested && st.answered || st.messages == sipMessages; st.told {
		c.know()
	}
}

// headerValue finds a header field by its name or its short form, both in small letters.
func headerValue(head []byte, name, short string) []byte {
	_, size := cutLine(head)
	for size > 0 {
		head = head[size:]
		var line []byte
		line, size = cutLine(head)
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		if field := trimSpace(line[:colon]); equalFold(field, name) || short != "" && equalFold(field, short) {
			return trimSpace(line[colon+1:])
		}
	}
	return nil
}

// sipParty takes user and host out of a From or To: "Name" <sip:user:password@host:port;parameters>;tag=x.
func sipParty(b []byte) []byte {
	if open := bytes.LastIndexByte(b, '<'); open >= 0 {
		b = b[open+1:]
	}
	scheme := bytes.IndexByte(b, ':')
	if scheme < 0 || !oneOf(b[:scheme], "sip sips tel") {
		return nil
	}
	b = b[scheme+1:]
	if end := bytes.IndexAny(b, ">;? \t"); end >= 0 {
		b = b[:end]
	}
	at := bytes.LastIndexByte(b, '@')
	if at < 0 {
		return b
	}
	user, host := b[:at], b[at:]
	if colon := bytes.IndexByte(user, ':'); colon >= 0 { // RFC 3261 section 19.1.1: a password in the clear
		return append(user[:colon:colon], host...)
	}
	return b
}
