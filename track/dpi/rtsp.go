package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldRTSPMethod    = event.AppString("rtsp_method", "Method of the first request.")
	fieldRTSPURL       = event.AppString("rtsp_url", "URL of the first request, without user, password and query string.")
	fieldRTSPStatus    = event.AppUint("rtsp_status", "", "Status of the first response.")
	fieldRTSPUserAgent = event.AppString("rtsp_user_agent", "User-Agent of the first request.")
	fieldRTSPServer    = event.AppString("rtsp_server", "Server of the first response.")
)

var rtspFields = []*event.AppField{fieldRTSPMethod, fieldRTSPURL, fieldRTSPStatus, fieldRTSPUserAgent, fieldRTSPServer}

var rtspFirst = bytesIn("", 'A', 'Z')

const rtspVersion1, rtspVersion2 = "RTSP/1.0", "RTSP/2.0"

// rtspState is which heads were read.
type rtspState struct {
	client Side
	read   [2]bool
}

// parseRTSP reads the first request and the first response of RTSP (RFC 2326 and 7826).
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
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		if len(v.b) == 0 || st.read[s] {
			v.b = nil
			continue
		}
		size, whole := headSize(v.b)
		if !whole && !v.gap && !v.fin && len(v.b) < sipMaxHead {
			continue
		}
		if kind := rtspStart(v.b); s == st.client && kind == httpRequest {
			c.rtspRequest(v.b[:size])
		} else if s != st.client && kind == httpResponse {
			status, _ := decimal(v.b[len(rtspVersion1)+1 : len(rtspVersion1)+4])
			c.edit().SetUint(fieldRTSPStatus, status)
			c.setOnce(fieldRTSPServer, headerValue(v.b[:size], "server", ""))
		}
		st.read[s] = true
		v.b = nil
	}
	if st.read[0] && st.read[1] {
		c.know()
		return done
	}
	return match
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
	url := firstWord(rest)
	if i := bytes.IndexAny(url, "?#"); i >= 0 && !c.cfg.Unsafe {
		url = url[:i]
	}
	if scheme := bytes.Index(url, []byte("://")); scheme >= 0 {
		host := url[scheme+3:]
		end := bytes.IndexByte(host, '/')
		if end < 0 {
			end = len(host)
		}
		if at := bytes.LastIndexByte(host[:end], '@'); at >= 0 {
			url = append(url[:scheme+3:scheme+3], host[at+1:]...)
		}
	}
	c.setOnce(fieldRTSPURL, url)
	c.setOnce(fieldRTSPUserAgent, headerValue(head, "user-agent", ""))
}
