package dpi

import (
	"bytes"
	"net/netip"

	"rustnet/track/event"
)

var (
	fieldRTSPMethod    = event.AppString("rtsp_method", "Method of the first request.").Spelt(event.Method)
	fieldRTSPURL       = event.AppString("rtsp_url", "URL of the first request, without user, password and query string.")
	fieldRTSPStatus    = event.AppUint("rtsp_status", "", "Status of the first response.")
	fieldRTSPUserAgent = event.AppString("rtsp_user_agent", "User-Agent of the first request.")
	fieldRTSPServer    = event.AppString("rtsp_server", "Server of the first response.")
)

var rtspFields = []*event.AppField{fieldRTSPMethod, fieldRTSPURL, fieldRTSPStatus, fieldRTSPUserAgent, fieldRTSPServer}

var rtspFirst = bytesIn("", 'A', 'Z')

const rtspVersion1, rtspVersion2 = "RTSP/1.0", "RTSP/2.0"

// rtspMessages bounds what is read of a connection: the requests that set up a presentation are few.
const rtspMessages = 32

// rtspState is what was read.
type rtspState struct {
	client   Side
	read     [2]bool // the first message of each side
	playing  bool    // it was asked to begin
	messages uint8
}

// parseRTSP reads the first request and the first response of RTSP (RFC 2326 and 7826), and further on the ports that
// the media will have, until they come.
func parseRTSP(c *call) verdict {
	st, _ := c.f.state.(*rtspState)
	if st == nil {
		v := &c.view[c.side]
		kind := rtspStart(v.b)
		switch {
		case kind == httpMaybe && !v.gap && !v.fin && len(v.b) < sipMaxHead:
			return more
		case kind != httpRequest && kind != httpResponse:
			return no
		}
		st = &rtspState{client: c.side}
		if kind == httpResponse {
			st.client = 1 - c.side
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	for _, s := range [2]Side{st.client, 1 - st.client} {
		if v := c.rtspRead(st, s); v != match {
			c.know()
			return v
		}
	}
	if st.read[0] && st.read[1] {
		c.know()
	}
	return match
}

// rtspRead reads the messages of one side.
func (c *call) rtspRead(st *rtspState, s Side) verdict {
	v := &c.view[s]
	for v.b = skipEmptyLines(v.b); len(v.b) > 0; v.b = skipEmptyLines(v.b) {
		size, whole := headSize(v.b, 0)
		if !whole && !v.gap && !v.fin {
			if len(v.b) >= sipMaxHead {
				return done
			}
			break
		}
		head := v.b[:size]
		switch kind := rtspStart(v.b); {
		case s == st.client && kind == httpRequest:
			if !st.read[s] {
				c.rtspRequest(head)
			}
			st.playing = st.playing || oneOf(firstWord(head), "play record")
		case s != st.client && kind == httpResponse:
			if !st.read[s] {
				status, _ := decimal(v.b[len(rtspVersion1)+1 : len(rtspVersion1)+4])
				c.edit().SetUint(fieldRTSPStatus, status)
				c.setOnce(fieldRTSPServer, headerValue(head, "server", ""))
			}
			if st.read[s] = true; st.playing {
				return done
			}
			c.rtspTransport(st, headerValue(head, "transport", ""))
		case kind == httpRequest || kind == httpResponse: // some servers ask, too
		default: // the media themselves, each packet behind a dollar
			return done
		}
		st.read[s] = true
		if st.messages++; st.messages == rtspMessages {
			return done
		}
		if !whole {
			v.b = nil
			break
		}
		length, _ := decimal(headerValue(head, "content-length", ""))
		c.skip(s, uint64(size)+length)
	}
	return match
}

// rtspTransport reads the ports that a server agreed to (RFC 2326 section 12.39): of both ends, or of a multicast group. There
// are none where the media come over the same connection.
func (c *call) rtspTransport(st *rtspState, transport []byte) {
	var source, destination netip.Addr
	var client, server, group [2]uint16
	for first := true; len(transport) > 0; first = false {
		part, rest, _ := bytes.Cut(transport, []byte(";"))
		transport = rest
		part = trimSpace(part)
		if first && (!hasPrefixFold(part, "rtp/") || containsFold(part, "tcp")) {
			return
		}
		key, value, _ := bytes.Cut(part, []byte("="))
		switch {
		case equalFold(key, "client_port"):
			client = rtspPorts(value)
		case equalFold(key, "server_port"):
			server = rtspPorts(value)
		case equalFold(key, "port"):
			group = rtspPorts(value)
		case equalFold(key, "source"):
			source, _ = netip.ParseAddr(string(value))
		case equalFold(key, "destination"):
			destination, _ = netip.ParseAddr(string(value))
		}
	}
	c.expectMedia(1-st.client, source, server[0], server[1])
	c.expectMedia(st.client, destination, client[0], client[1])
	if destination.IsMulticast() {
		c.expectMedia(st.client, destination, group[0], group[1])
	}
}

// rtspPorts reads the ports of RTP and RTCP: 4588-4589.
func rtspPorts(b []byte) (ports [2]uint16) {
	first, second, both := bytes.Cut(b, []byte("-"))
	n, ok := decimal(first)
	m := n
	if v, is := decimal(second); both && is {
		m = v
	}
	if !ok || n == 0 || n > 0xffff || m > 0xffff {
		return ports
	}
	return [2]uint16{uint16(n), uint16(m)}
}

func rtspStart(b []byte) httpKind {
	if kind := textStart(b, rtspVersion1); kind != httpNot {
		return kind
	}
	return textStart(b, rtspVersion2)
}

func (c *call) rtspRequest(head []byte) {
	line, _ := cutLine(head)
	method, rest := cutWord(line)
	c.setOnce(fieldRTSPMethod, method)
	c.setOnce(fieldRTSPURL, c.shownURL(firstWord(rest)))
	c.setOnce(fieldRTSPUserAgent, headerValue(head, "user-agent", ""))
}
