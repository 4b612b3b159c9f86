package dpi

import (
	"bytes"
	"strings"

	"rustnet/track/event"
)

var (
	fieldHTTPMethod      = event.AppString("http_method", "Method of the first request.").Spelt(event.Method)
	fieldHTTPHost        = event.AppString("http_host", "Host that the first request names, with its port where it has one.")
	fieldHTTPPath        = event.AppString("http_path", "Path of the first request, without the query string and session parameters; of CONNECT, the target.")
	fieldHTTPStatus      = event.AppUint("http_status", "", "Status of the first response; an interim one (1xx) only until the final one comes.")
	fieldHTTPUserAgent   = event.AppString("http_user_agent", "User-Agent of the first request.")
	fieldHTTPVersion     = event.AppString("http_version", "Version that the client speaks: 1.0, 1.1; the server's where no request was seen.").Spelt(httpVersionForm)
	fieldHTTPServer      = event.AppString("http_server", "Server of the first response.")
	fieldHTTPContentType = event.AppString("http_content_type", "Content-Type of the first response.")
	fieldHTTPUpgrade     = event.AppString("http_upgrade", "Protocol that the connection went over to, such as websocket.")
	fieldHTTPRequests    = event.AppUint("http_requests", "", "Requests seen; at least that many were made.")
	fieldHTTPLastMethod  = event.AppString("http_last_method", "Method of the newest request, where there was more than one.").Spelt(event.Method)
	fieldHTTPLastHost    = event.AppString("http_last_host", "Host of the newest request that named one, where there was more than one request.")
	fieldHTTPLastPath    = event.AppString("http_last_path", "Path of the newest request, where there was more than one.")
	fieldHTTPLastStatus  = event.AppUint("http_last_status", "", "Status of the newest final response, where there was more than one.")
	fieldHTTPLastAgent   = event.AppString("http_last_user_agent", "User-Agent of the newest request that named one, once it was another than the first's.")
	fieldHTTPLastServer  = event.AppString("http_last_server", "Server of the newest final response that named one, once it was another than the first's.")
	fieldHTTPLastType    = event.AppString("http_last_content_type", "Content-Type of the newest final response that has one, once it was another than the first's.")
	fieldWebSocketProto  = event.AppString("websocket_protocol", "Protocol inside a websocket that the server chose (Sec-WebSocket-Protocol), such as mqtt or graphql-ws.")
)

var httpVersionForm = event.Shaped("a number", "1.1", `1\.[0-9]|2`).Meaning(func(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.ToUpper(text), "HTTP/"), ".0")
})

var httpFields = []*event.AppField{fieldHTTPMethod, fieldHTTPHost, fieldHTTPPath, fieldHTTPStatus, fieldHTTPUserAgent, fieldHTTPVersion,
	fieldHTTPServer, fieldHTTPContentType, fieldHTTPUpgrade, fieldHTTPRequests,
	fieldHTTPLastMethod, fieldHTTPLastHost, fieldHTTPLastPath, fieldHTTPLastStatus, fieldWebSocketProto, fieldHTTPLastAgent, fieldHTTPLastServer, fieldHTTPLastType}

// httpFirst: methods are in capitals, and so is "HTTP/".
var httpFirst = bytesIn("\r\n", 'A', 'Z')

const (
	httpMaxMethod = 24
	// httpMaxPending of the requests that wait for their responses may be HEAD or CONNECT; beyond them it is not known what a response is to.
	httpMaxPending = 64
	// httpBigBody ends the inspection, and so do bodies that are httpBodies together: what follows a download is worth
	// less than not looking at it.
	httpBigBody = 8 << 20
	httpBodies  = 64 << 20
)

// httpState follows the messages of both sides.
type httpState struct {
	client   Side
	mode     [2]httpMode
	begun    bool // what the client's side begins with was judged: it is a request
	line     bool // the first request's line is told
	host     bool // it named its host itself, in absolute form
	headed   bool // its header is told
	answered bool // the first final response is told
	tunnel   bool // CONNECT succeeded
	requests uint32
	bodies   uint32    // bytes of all bodies
	body     [2]uint32 // bytes of the chunks of the one that is under way
	lines    [2]uint32 // bytes of a head that are known to be whole lines of it
	lost     [2]uint8  // segments passed over where the start was not seen
	pending  uint32    // requests without response, of which
	heads    uint64    // are HEAD, a bit each, the oldest lowest
	connects uint64    // or CONNECT
}

// httpMode is what stands next on a side.
type httpMode uint8

const (
	httpHead httpMode = iota
	httpChunk
	httpTrailer
	httpNone // of a client that speaks something else
)

// parseHTTP reads HTTP/1.0 and 1.1 (RFC 9112).
func parseHTTP(c *call) verdict {
	st, _ := c.f.state.(*httpState)
	if st == nil {
		v := &c.view[c.side]
		b := skipEmptyLines(v.b)
		kind := httpStart(b)
		switch {
		case kind == httpMaybe && !v.gap && !v.fin:
			return more
		case kind == httpMaybe && v.gap && len(b) >= len("HTTP/1.1 2") && string(b[:7]) == "HTTP/1." && digit(b[7]) && b[8] == ' ' && digit(b[9]):
			c.setClient(1 - c.side) // cut within its status
			return c.finish()
		case kind != httpRequest && kind != httpResponse:
			return no
		}
		st = c.http.get()
		st.client, st.begun = c.side, kind == httpRequest
		if kind == httpResponse {
			st.client = 1 - c.side
		}
		if n, ok := c.f.app.Uint(fieldHTTPRequests); ok { // inside of a tunnel: what led there was first
			st.line, st.headed, st.answered, st.requests = true, true, true, uint32(n)
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	if st.tunnel {
		return c.httpTunnel(st)
	}
	ended := c.httpMessages(st, st.client)
	if c.f.state == nil {
		return match // handed over
	}
	if ended && !st.line && st.requests == 0 && !st.answered { // the response is still wanted
		st.mode[st.client], ended = httpNone, false
	}
	if c.httpMessages(st, 1-st.client) || ended {
		c.know()
		return done
	}
	if st.tunnel {
		return c.httpTunnel(st)
	}
	return match // or handed over
}

// httpTunnel decides what follows a CONNECT: more requests, as clients of websockets send them, or another protocol.
func (c *call) httpTunnel(st *httpState) verdict {
	v, other := &c.view[st.client], &c.view[1-st.client]
	if st.pending > 0 { // the client did not wait for the answer: its requests were read
		st.tunnel = false
		return parseHTTP(c)
	}
	if len(v.b) == 0 && len(other.b) == 0 {
		return match
	}
	if len(other.b) == 0 {
		switch kind := httpStart(v.b); {
		case kind == httpRequest:
			st.tunnel = false
			return parseHTTP(c)
		case kind == httpMaybe && !v.gap && !v.fin:
			return match
		}
	}
	c.inside()
	return match
}

type httpKind uint8

const (
	httpNot httpKind = iota
	httpMaybe
	httpRequest
	httpResponse
)

// httpStart judges the line that b begins with. Nothing but a whole line that names HTTP/1 is proof.
func httpStart(b []byte) httpKind {
	const status = "HTTP/1."
	if len(b) == 0 {
		return httpMaybe
	}
	if n := min(len(b), len(status)); string(b[:n]) == status[:n] {
		switch {
		case len(b) < len("HTTP/1.1 200"):
			return httpMaybe
		case httpStatus(b) != 0:
			return httpResponse
		}
		return httpNot
	}
	if len(b) >= len("ICY 200 ") && string(b[:4]) == icyPrefix && httpStatus(b) != 0 {
		return httpResponse
	}
	method := 0
	for method < len(b) && methodByte(b[method]) {
		method++
	}
	if method > httpMaxMethod {
		return httpNot
	}
	if method == len(b) {
		return httpMaybe
	}
	if method < 3 || b[method] != ' ' {
		return httpNot
	}
	end := bytes.IndexByte(b, '\n')
	line := b
	if end >= 0 {
		line = trimCR(b[:end])
	}
	if rest := trimCR(line[method+1:]); !textLine(rest) {
		return httpNot
	}
	if end < 0 {
		return httpMaybe
	}
	if at := len(line) - len(" HTTP/1.1"); at < method || string(line[at:len(line)-1]) != " "+status || !digit(line[len(line)-1]) {
		return httpNot
	}
	return httpRequest
}

func methodByte(b byte) bool { return b >= 'A' && b <= 'Z' || b == '-' || b == '_' }

// icyPrefix is what SHOUTcast's servers have in place of the version.
const icyPrefix = "ICY "

// httpStatus reads the code of a status line's first twelve bytes, of SHOUTcast's eight, 0 when it is none.
func httpStatus(b []byte) uint64 {
	if string(b[:4]) == icyPrefix {
		if !digit(b[4]) || !digit(b[5]) || !digit(b[6]) || b[7] != ' ' && b[7] != '\r' && b[7] != '\n' {
			return 0
		}
		return uint64(b[4]-'0')*100 + uint64(b[5]-'0')*10 + uint64(b[6]-'0')
	}
	if !digit(b[7]) || b[8] != ' ' || !digit(b[9]) || !digit(b[10]) || !digit(b[11]) || len(b) > 12 && b[12] != ' ' && b[12] != '\r' && b[12] != '\n' {
		return 0
	}
	return uint64(b[9]-'0')*100 + uint64(b[10]-'0')*10 + uint64(b[11]-'0')
}

// httpMessages reads what one side sent, and returns true when nothing more is wanted of the connection.
func (c *call) httpMessages(st *httpState, s Side) bool {
	v := &c.view[s]
	if len(v.b) == 0 {
		return false
	}
	for len(v.b) > 0 && !st.tunnel {
		switch st.mode[s] {
		case httpHead:
			v.b = skipEmptyLines(v.b)
			if len(v.b) == 0 {
				return false
			}
			if v.b[0] == tlsHandshake && s == st.client && st.pending > 0 && st.connects>>(st.pending-1)&1 != 0 { // it was let, if out of sight
				c.become("tls")
				return false
			}
			if !v.whole && httpStart(v.b) == httpNot && st.lost[s] < maxStarts {
				st.lost[s]++ // the rest of a body; a segment may begin with the next head
				v.b = nil
				return false
			}
			var h httpHeader
			size, whole := 0, false
			if !v.borrowed { // the rest of a head may come in many pieces
				size, whole = headSize(v.b, int(st.lines[s]))
			}
			if whole || v.borrowed || v.gap || v.fin {
				size, whole = h.parse(v.b, &c.message)
			}
			if !whole && !v.gap && !v.fin {
				st.lines[s] = uint32(size)
				return s == st.client && !st.line && c.httpBegins(st, v.b)
			}
			st.lines[s] = 0
			ended := false
			if s == st.client {
				ended = c.httpRequest(st, v.b[:size], &h, whole)
			} else {
				ended = c.httpResponse(st, v.b[:size], &h, whole)
			}
			if ended || c.f.state == nil {
				return ended
			}
			if !whole {
				v.b = nil // its end will not come
				return s != st.client
			}
		case httpChunk:
			line, size := cutLine(v.b)
			if line == nil {
				return len(v.b) > 64
			}
			n, ok := chunkSize(line)
			if !ok {
				return true
			}
			c.eat(s, size)
			if n == 0 {
				st.mode[s], st.body[s] = httpTrailer, 0
				continue
			}
			st.body[s] += uint32(min(n, httpBigBody))
			if c.httpBody(st, s, n+2) || st.body[s] > httpBigBody {
				return true
			}
		case httpNone:
			v.b = nil
		case httpTrailer:
			line, size := cutLine(v.b)
			if line == nil {
				return false
			}
			c.eat(s, size)
			if len(line) == 0 {
				st.mode[s] = httpHead
			}
		}
	}
	return false
}

// headSize is the length of a message's head with its empty line, or of the whole lines of it that are there. Those up to from are known.
func headSize(b []byte, from int) (n int, whole bool) {
	for n = from; n < len(b); {
		end := bytes.IndexByte(b[n:], '\n')
		if end < 0 {
			return n, false
		}
		if end == 0 || end == 1 && b[n] == '\r' {
			return n + end + 1, n > 0
		}
		n += end + 1
	}
	return n, false
}

// chunkSize reads the line before a chunk (RFC 9112 section 7.1).
func chunkSize(line []byte) (n uint64, ok bool) {
	for i, b := range line {
		switch {
		case digit(b):
			n = n<<4 | uint64(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			n = n<<4 | uint64(b|0x20-'a'+10)
		default:
			return n, i > 0 && (b == ';' || b == ' ' || b == '\t')
		}
		if i >= 15 {
			return 0, false
		}
	}
	return n, len(line) > 0
}

// httpHeader holds what is read of a head.
type httpHeader struct {
	line                                              []byte // the first one
	host, agent, server, contentType, upgrade, inside []byte
	length                                            uint64
	hasLength, chunked, close, keep                   bool
}

// parse reads a head up to its empty line, as headSize does. Only fields that carry no secrets are kept.
func (h *httpHeader) parse(b []byte, scratch *[]byte) (n int, whole bool) {
	*scratch = (*scratch)[:0]
	for n < len(b) {
		end := bytes.IndexByte(b[n:], '\n')
		if end < 0 {
			return n, false
		}
		line := trimCR(b[n : n+end])
		first := n == 0
		n += end + 1
		if len(line) == 0 {
			return n, !first
		}
		if first {
			h.line = line
			continue
		}
		if httpInitials>>(line[0]&31)&1 == 0 { // also what goes on with such a line
			continue
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		name, value := line[:colon], trimSpace(line[colon+1:])
		for n < len(b) && (b[n] == ' ' || b[n] == '\t') { // obs-fold, RFC 9112 section 5.2
			end := bytes.IndexByte(b[n:], '\n')
			if end < 0 {
				break
			}
			start := len(*scratch)
			*scratch = append(append(append(*scratch, value...), ' '), trimSpace(trimCR(b[n:n+end]))...)
			value = trimSpace((*scratch)[start:])
			n += end + 1
		}
		h.field(name, value)
	}
	return n, false
}

// httpInitials has the first letters of the fields that are read, in either case, by their lower five bits.
const httpInitials = 1<<('c'&31) | 1<<('h'&31) | 1<<('s'&31) | 1<<('t'&31) | 1<<('u'&31)

func (h *httpHeader) field(name, value []byte) {
	first := func(to *[]byte) {
		if *to == nil {
			*to = value
		}
	}
	switch len(name) {
	case 4:
		if equalFold(name, "host") {
			first(&h.host)
		}
	case 6:
		if equalFold(name, "server") {
			first(&h.server)
		}
	case 7:
		if equalFold(name, "upgrade") {
			first(&h.upgrade)
		}
	case 10:
		switch {
		case equalFold(name, "user-agent"):
			first(&h.agent)
		case equalFold(name, "connection"):
			h.close = h.close || containsFold(value, "close")
			h.keep = h.keep || containsFold(value, "keep-alive")
		}
	case 12:
		if equalFold(name, "content-type") {
			first(&h.contentType)
		}
	case 14:
		if equalFold(name, "content-length") {
			if n, ok := contentLength(value); ok {
				h.length, h.hasLength = n, true
			}
		}
	case 22:
		if equalFold(name, "sec-websocket-protocol") {
			first(&h.inside)
		}
	case 17:
		if equalFold(name, "transfer-encoding") {
			h.chunked = h.chunked || containsFold(value, "chunked")
		}
	}
}

// contentLength reads a number with any zeros before it, also where it is said more than once in the same words (RFC 9110 section 8.6).
func contentLength(b []byte) (n uint64, ok bool) {
	first, rest, more := bytes.Cut(b, []byte(","))
	for first = trimSpace(first); more; {
		var next []byte
		if next, rest, more = bytes.Cut(rest, []byte(",")); !bytes.Equal(trimSpace(next), first) {
			return 0, false
		}
	}
	for len(first) > 1 && first[0] == '0' {
		first = first[1:]
	}
	return decimal(first)
}

// httpBegins tells the first request's line as soon as it is there. It returns true when it is none.
func (c *call) httpBegins(st *httpState, b []byte) bool {
	line, _ := cutLine(b)
	switch {
	case line == nil:
		return false
	case httpStart(b) != httpRequest:
		return true
	}
	c.httpRequestLine(st, line)
	return false
}

// httpRequestLine tells the first request's line.
func (c *call) httpRequestLine(st *httpState, line []byte) {
	st.line = true
	a := c.edit()
	method, host, path, version := c.httpTarget(line)
	a.SetStr(fieldHTTPMethod, c.httpWord(method))
	st.host = len(host) > 0
	if st.host {
		c.f.proxied = true // only proxies are asked like this
		c.httpHost(host)
	}
	if len(path) > 0 {
		a.SetStr(fieldHTTPPath, c.text(path))
	}
	a.SetStr(fieldHTTPVersion, c.httpWord(version)) // last: see App.Fact
}

// httpWord is text for methods and versions, most of which are of few.
func (c *call) httpWord(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "CONNECT":
		return "CONNECT"
	case "1.1":
		return "1.1"
	case "1.0":
		return "1.0"
	}
	return c.text(b)
}

// httpTarget takes a request's line apart. The path is what may be shown of it; the host is there where the line names one.
func (c *call) httpTarget(line []byte) (method, host, path, version []byte) {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	version = rest[len(rest)-len("1.1"):]
	host, path = splitTarget(trimSpace(rest[:len(rest)-len("HTTP/1.1")]), string(method) == "CONNECT")
	return method, host, c.shownPath(path), version
}

// httpBody passes over n bytes of a body, which do not count as looked at. It returns true when that ends the inspection.
func (c *call) httpBody(st *httpState, s Side, n uint64) bool {
	if n > httpBigBody {
		return true
	}
	st.bodies += uint32(n)
	c.pass(s, n)
	return st.bodies > httpBodies
}

// lastFact tells what the newest message says, once that is something else than what the first one did.
func (c *call) lastFact(last, first *event.AppField, b []byte) {
	if len(b) > 0 && (c.f.app.Has(last) || c.f.app.Str(first) != string(b)) {
		c.edit().SetStr(last, c.text(b))
	}
}

// httpNewest tells a request that is not the first.
func (c *call) httpNewest(h *httpHeader) {
	a := c.edit()
	method, host, path, _ := c.httpTarget(h.line)
	if len(host) == 0 {
		host = withoutUser(h.host)
	}
	a.SetStr(fieldHTTPLastMethod, c.httpWord(method))
	if len(host) > 0 {
		a.SetStr(fieldHTTPLastHost, c.text(host))
	}
	if len(path) > 0 {
		a.SetStr(fieldHTTPLastPath, c.text(path))
	}
	c.lastFact(fieldHTTPLastAgent, fieldHTTPUserAgent, h.agent)
}

// splitTarget takes a request target apart (RFC 9112 section 3.2): origin form, absolute form,
// authority form (CONNECT), asterisk. A user and password before the host are left out.
func splitTarget(t []byte, connect bool) (host, path []byte) {
	if connect {
		if len(t) > 0 && t[0] != '/' {
			t = withoutUser(t)
			return t, t
		}
		return nil, t
	}
	if len(t) > 0 && t[0] == '/' {
		return nil, t
	}
	if i := bytes.Index(t, []byte("://")); i > 0 && i < 12 {
		rest := t[i+3:]
		end := bytes.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		host, path = rest[:end], rest[end:]
		host = withoutUser(host)
		if len(path) == 0 || path[0] != '/' {
			path = append([]byte("/"), path...)
		}
		return host, path
	}
	return nil, t
}

// httpHost tells the host: as it was sent, and as the connection's name when it is one.
func (c *call) httpHost(host []byte) {
	if host = withoutUser(host); len(host) == 0 {
		return
	}
	a, text := c.edit(), c.text(host)
	a.SetStr(fieldHTTPHost, text)
	port := len(host)
	for port > 0 && digit(host[port-1]) {
		port--
	}
	if n := len(host) - port; n > 0 && n <= 18 && port > 0 && host[port-1] == ':' {
		host = host[:port-1]
	}
	if a.Host == "" && !c.f.proxied && nameOfHost(host) {
		a.Host, a.HostSource = c.hostNamed(text[:len(host)]), event.HostByHTTP
	}
}

// httpRequest reads a request's head, or what there is of it. It returns true when the inspection ends with it.
func (c *call) httpRequest(st *httpState, head []byte, h *httpHeader, whole bool) bool {
	if !st.begun && httpStart(head) != httpRequest {
		return true
	}
	st.begun = false
	if !st.line {
		c.httpRequestLine(st, h.line)
	}
	a := c.edit()
	if st.requests > 0 {
		c.httpNewest(h)
	}
	if !st.headed {
		st.headed = true
		if h.host != nil && !st.host && len(h.host) > 0 {
			c.httpHost(h.host)
		}
		if len(h.agent) > 0 {
			a.SetStr(fieldHTTPUserAgent, c.text(h.agent))
		}
	}
	st.requests++
	a.SetUint(fieldHTTPRequests, uint64(st.requests))
	switch isHead := bytes.HasPrefix(head, []byte("HEAD ")); {
	case !isHead && !bytes.HasPrefix(head, []byte("CONNECT ")):
	case st.pending >= httpMaxPending:
		return true
	case isHead:
		st.heads |= 1 << st.pending
	default:
		st.connects |= 1 << st.pending
	}
	st.pending++
	s := st.client
	if !whole {
		return false
	}
	c.eat(s, len(head))
	switch {
	case h.chunked:
		st.mode[s] = httpChunk
	case h.hasLength:
		if h.length <= httpBigBody {
			return c.httpBody(st, s, h.length)
		}
		c.skip(s, h.length) // the response is still wanted
		return st.answered
	}
	return false
}

// httpResponse reads a response's head, or what there is of it. It returns true when the inspection ends with it.
func (c *call) httpResponse(st *httpState, head []byte, h *httpHeader, whole bool) bool {
	if httpStart(head) != httpResponse {
		return true
	}
	status := httpStatus(head)
	interim := status < 200 && status != 101
	if st.answered && !interim {
		c.edit().SetUint(fieldHTTPLastStatus, status)
		c.lastFact(fieldHTTPLastServer, fieldHTTPServer, h.server)
		c.lastFact(fieldHTTPLastType, fieldHTTPContentType, h.contentType)
	}
	if !st.answered {
		a := c.edit()
		a.SetUint(fieldHTTPStatus, status)
		if !st.line && string(head[:4]) != icyPrefix {
			a.SetStr(fieldHTTPVersion, c.httpWord(head[5:8]))
		}
		if !interim {
			st.answered = true
			if len(h.server) > 0 {
				a.SetStr(fieldHTTPServer, c.text(h.server))
			}
			if len(h.contentType) > 0 {
				a.SetStr(fieldHTTPContentType, c.text(h.contentType))
			}
			if st.connects&1 == 0 || status >= 300 { // what is inside of a tunnel may have a name
				c.know()
			}
		}
	}
	if !whole {
		return false
	}
	s := 1 - st.client
	c.eat(s, len(head))
	if interim {
		return false
	}
	isHead, isConnect := st.heads&1 != 0, st.connects&1 != 0
	if st.pending > 0 {
		st.pending--
		st.heads >>= 1
		st.connects >>= 1
	}
	switch {
	case status == 101:
		if len(h.upgrade) > 0 {
			c.edit().SetStr(fieldHTTPUpgrade, c.text(h.upgrade))
		}
		switch {
		case equalFold(h.upgrade, "h2c"): // RFC 7540 §3.2
			c.become("http2")
			return false
		case hasPrefixFold(h.upgrade, "tls/"): // RFC 2817, as IPP has it
			c.become("tls")
			return false
		case equalFold(h.upgrade, "websocket") && !containsFold(h.inside, "bearer"): // that one holds a secret
			c.fact(fieldWebSocketProto, h.inside)
		}
		return true
	case isConnect && status < 300:
		st.tunnel = true
		return false
	case isHead || status == 204 || status == 304:
	case h.chunked:
		st.mode[s] = httpChunk
	case h.hasLength:
		if c.httpBody(st, s, h.length) {
			return true
		}
	default:
		return true // the body lasts until the connection ends
	}
	last := h.close || string(head[5:8]) == "1.0" && !h.keep
	return last && st.pending == 0
}
