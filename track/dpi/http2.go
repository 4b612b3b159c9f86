package dpi

import (
	"slices"
	"strings"

	"golang.org/x/net/http2/hpack"

	"rustnet/track/event"
)

// What gRPC adds to the fields of HTTP.
var (
	fieldGRPC       = event.AppBool("grpc", "True when the first request is a gRPC call.")
	fieldGRPCStatus = event.AppString("grpc_status", "Status of the first gRPC call that ended: OK, NOT_FOUND, UNAVAILABLE, …").Spelt(grpcStatusForm)
)

var grpcStatusForm = event.OneOf(grpcStatusNames[:]...).Meaning(numberIn(grpcStatusNames[:]))

var http2Fields = []*event.AppField{fieldGRPC, fieldGRPCStatus}

// http2First: the client's preface; the length of a first frame.
var http2First = bytesIn("P\x00", 1, 0)

// Frames (RFC 9113 sections 4.1 and 6).
const (
	http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	http2FrameLen     = 9
	http2Data         = 0
	http2Headers      = 1
	http2Settings     = 4
	http2Push         = 5
	http2GoAway       = 7
	http2WindowUpdate = 8
	http2Continuation = 9

	http2EndHeaders = 4
	http2Padded     = 8
	http2Priority   = 0x20

	http2MaxFrame = 1 << 14 // what every end must take without asking
	http2MaxBlock = 12 << 10
	http2MaxText  = 8 << 10
)

type http2State struct {
	client  Side
	preface bool
	side    [2]http2Side
	body    uint64 // bytes of content since the last header block
	bodies  uint64 // and of all
}

// http2Side is one side's header compression and how far it is read.
type http2Side struct {
	decoder *hpack.Decoder
	told    bool      // the first request, or the first final response, is told
	block   http2Said // of the last block
	newest  http2Said // what blocks said last that is not told yet
}

// http2Said are what is read of header blocks, the names as numbers. The texts are the decoder's: a byte may stand for kilobytes that were
// said before, so they are looked at once a packet, however many blocks repeat them.
type http2Said struct {
	has  uint16
	text [http2Names]string
}

const (
	http2Method = iota
	http2Authority
	http2Path
	http2Scheme
	http2Status
	http2Host
	http2Agent
	http2Type
	http2Server
	http2GRPC
	http2Names
)

func http2Name(name string) (i int, ok bool) {
	switch name {
	case ":method":
		return http2Method, true
	case ":authority":
		return http2Authority, true
	case ":path":
		return http2Path, true
	case ":scheme":
		return http2Scheme, true
	case ":status":
		return http2Status, true
	case "host":
		return http2Host, true
	case "user-agent":
		return http2Agent, true
	case "content-type":
		return http2Type, true
	case "server":
		return http2Server, true
	case "grpc-status":
		return http2GRPC, true
	}
	return 0, false
}

func (h *http2Said) is(i int) bool { return h.has>>i&1 != 0 }

func (h *http2Said) set(i int, text string) {
	h.has |= 1 << i
	h.text[i] = text
}

// add takes the named ones of another block in the place of those before.
func (h *http2Said) add(o *http2Said, names ...int) {
	for _, i := range names {
		if o.is(i) {
			h.set(i, o.text[i])
		}
	}
}

// parseHTTP2 reads HTTP/2 in the clear (RFC 9113): with prior knowledge, and what follows an upgrade.
func parseHTTP2(c *call) verdict {
	st, _ := c.f.state.(*http2State)
	if st == nil {
		var client Side
		if c.f.app.Has(fieldHTTPUpgrade) { // handed over; the server may speak first (RFC 7540 section 3.2)
			client = Side(c.f.client - 1)
		} else {
			var got verdict
			if client, got = c.http2Start(); got != match {
				return got
			}
		}
		st = &http2State{client: client}
		c.f.state = st
		c.setClient(client)
		c.setOnce(fieldHTTPVersion, []byte("2")) // after an upgrade it is that of the request
	}
	open := c.http2Side(st, st.client)
	if c.http2Side(st, 1-st.client) && open && st.body <= httpBigBody && st.bodies <= httpBodies {
		return match
	}
	return c.finish()
}

// http2Start tells who the client is: the one with the preface, or, where the start was not seen, the
// one whose first frame is a request's.
func (c *call) http2Start() (client Side, got verdict) {
	v := &c.view[c.side]
	if len(v.b) > 0 && v.b[0] == 'P' {
		return c.side, v.begins(http2Preface)
	}
	// A server's first frame is SETTINGS; it is proof with the preface only, which need not have come into order yet.
	b := v.b
	if len(b) > 3 && b[3] != http2Settings && (v.whole || b[3] != http2Headers) {
		return 0, no
	}
	if len(b) < http2FrameLen {
		return 0, v.unfinished()
	}
	n := be24(b)
	if b[3] == http2Settings {
		if be32(b[5:]) != 0 || b[4] > 1 || n%6 != 0 || n > 6*32 || b[4] == 1 && n != 0 {
			return 0, no
		}
		if rest := b[min(len(b), http2FrameLen+n):]; v.whole && n > 0 && len(rest) >= http2FrameLen && rest[4] <= 1 && be32(rest[5:]) == 0 &&
			(rest[3] == http2Settings && rest[4] == 1 && be24(rest) == 0 || rest[3] == http2WindowUpdate && rest[4] == 0 && be24(rest) == 4) {
			return 1 - c.side, match // of a server of whose client nothing was captured
		}
		return 0, v.unfinished()
	}
	const flags = http2EndHeaders | http2Padded | http2Priority | 1
	if b[4]&^flags != 0 || b[4]&http2EndHeaders == 0 || be32(b[5:]) == 0 || be32(b[5:]) > 1<<20 || n > http2MaxBlock || len(b) < http2FrameLen+n {
		return 0, no
	}
	return c.http2Middle(http2Block(b[http2FrameLen:http2FrameLen+n], b[4]))
}

// http2Middle judges a header block of a connection whose start was not seen: it must decode without what
// was said before, and hold the pseudo-headers of a request or a response.
func (c *call) http2Middle(block []byte) (client Side, got verdict) {
	var s http2Side
	if !s.decode(block) {
		return 0, no
	}
	h := &s.block
	switch {
	case h.is(http2Status):
		return 1 - c.side, match
	case h.is(http2Method) && h.is(http2Path), h.is(http2Scheme) && (h.is(http2Method) || h.is(http2Path)):
		return c.side, match
	}
	return 0, no
}

// http2Block takes padding and priority away (RFC 9113 section 6.2).
func http2Block(b []byte, flags byte) []byte {
	r := cursor{b: b}
	if flags&http2Padded != 0 {
		pad := r.u8()
		if pad > len(r.b) {
			return nil
		}
		r.b = r.b[:len(r.b)-pad]
	}
	if flags&http2Priority != 0 {
		r.bytes(5)
	}
	return r.b
}

// http2Side reads what one side sent, and tells what is newest in it. It returns false when nothing more can be learned of the connection.
func (c *call) http2Side(st *http2State, s Side) bool {
	goesOn := c.http2Frames(st, s)
	if side := &st.side[s]; side.newest.has != 0 {
		if s == st.client {
			c.http2LastRequest(&side.newest)
		} else {
			c.http2LastResponse(&side.newest)
		}
		side.newest = http2Said{}
	}
	return goesOn
}

// http2Frames reads every header block, as each may change what the next ones mean.
func (c *call) http2Frames(st *http2State, s Side) bool {
	v, side := &c.view[s], &st.side[s]
	if s == st.client && !st.preface && len(v.b) > 0 {
		if v.b[0] == 'P' {
			switch v.begins(http2Preface) {
			case no:
				return false
			case more:
				return true
			}
			c.eat(s, len(http2Preface))
		}
		st.preface = true
	}
	for len(v.b) >= http2FrameLen {
		n, kind, flags := be24(v.b), v.b[3], v.b[4]
		switch {
		case n > 1<<20 || be32(v.b[5:])>>31 != 0:
			return false
		case kind == http2GoAway:
			c.know() // what is under way is still answered
		case kind == http2Data:
			st.body += uint64(n)
			st.bodies += uint64(n)
		}
		switch {
		case kind == http2Data:
			c.eat(s, http2FrameLen)
			c.pass(s, uint64(n))
			continue
		case kind != http2Headers && kind != http2Push:
			c.skip(s, uint64(http2FrameLen+n))
			continue
		case n > http2MaxFrame:
			return false
		}
		size := http2FrameLen + n
		if len(v.b) < size {
			return !v.gap
		}
		block := http2Block(v.b[http2FrameLen:size], flags)
		if flags&http2EndHeaders == 0 { // CONTINUATION follows (section 6.10)
			var whole bool
			c.message = append(c.message[:0], block...)
			if size, whole = c.http2Continued(v.b, size); size == 0 {
				return false
			} else if !whole {
				return true
			}
			block = c.message
		}
		if kind == http2Push { // behind the number of the stream that is promised (section 6.6)
			block = block[min(4, len(block)):]
		}
		if !side.decode(block) {
			return false
		}
		switch {
		case kind == http2Push:
		case s == st.client:
			c.http2Request(side)
		default:
			c.http2Response(side)
		}
		st.body = 0
		c.eat(s, size)
	}
	return true
}

// http2Continued adds the rest of a header block to c.message. A size of 0 is none that may follow.
func (c *call) http2Continued(b []byte, at int) (size int, whole bool) {
	for {
		if len(b) < at+http2FrameLen {
			return at, false
		}
		n := be24(b[at:])
		if b[at+3] != http2Continuation || n+len(c.message) > http2MaxBlock {
			return 0, false
		}
		if len(b) < at+http2FrameLen+n {
			return at, false
		}
		c.message = append(c.message, b[at+http2FrameLen:at+http2FrameLen+n]...)
		end := b[at+4]&http2EndHeaders != 0
		if at += http2FrameLen + n; end {
			return at, true
		}
	}
}

// decode reads a header block; of fields with one name the first.
func (s *http2Side) decode(block []byte) bool {
	if s.decoder == nil {
		// An end may be told to use a larger table than it must have; that is allowed here without having seen it told.
		s.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
			if i, ok := http2Name(f.Name); ok && !s.block.is(i) {
				s.block.set(i, f.Value)
			}
		})
		s.decoder.SetAllowedMaxDynamicTableSize(64 << 10)
		s.decoder.SetMaxStringLength(http2MaxText)
	}
	s.block = http2Said{}
	if _, err := s.decoder.Write(block); err != nil {
		return false
	}
	return s.decoder.Close() == nil
}

// http2Request tells the connection's first request, which behind an upgrade or inside of a tunnel went before, and notes the others.
func (c *call) http2Request(side *http2Side) {
	h := &side.block
	if !h.is(http2Method) {
		return // trailers
	}
	host := http2Host
	if h.is(http2Authority) {
		host = http2Authority
	}
	if c.f.app.Has(fieldHTTPMethod) || side.told {
		side.newest.add(h, http2Method, http2Path)
		if h.is(host) {
			side.newest.set(http2Host, h.text[host])
		}
	} else {
		c.http2Target(h, fieldHTTPMethod, fieldHTTPPath)
		if name := h.text[host]; http2Line(name) {
			c.httpHost([]byte(name))
		}
	}
	c.http2Note(side, http2Agent, fieldHTTPUserAgent)
	if !side.told && strings.HasPrefix(h.text[http2Type], "application/grpc") {
		c.edit().SetBool(fieldGRPC, true)
	}
	side.told = true
	n, _ := c.f.app.Uint(fieldHTTPRequests)
	c.edit().SetUint(fieldHTTPRequests, n+1)
}

// http2LastRequest tells the newest request.
func (c *call) http2LastRequest(h *http2Said) {
	c.http2Target(h, fieldHTTPLastMethod, fieldHTTPLastPath)
	if name := h.text[http2Host]; http2Line(name) {
		c.fact(fieldHTTPLastHost, withoutUser([]byte(name)))
	}
	c.lastFact(fieldHTTPLastAgent, fieldHTTPUserAgent, []byte(h.text[http2Agent]))
}

// http2Target tells what is asked for.
func (c *call) http2Target(h *http2Said, method, path *event.AppField) {
	if name := []byte(h.text[http2Method]); !slices.ContainsFunc(name, func(b byte) bool { return !methodByte(b) }) { // as with HTTP/1
		c.fact(method, name)
	}
	if value := c.shownPath([]byte(h.text[http2Path])); len(value) > 0 && readable(value) {
		c.edit().SetStr(path, c.text(value))
	}
}

// http2Note tells a field of a block where it is the first, and notes it as the newest where not.
func (c *call) http2Note(side *http2Side, i int, first *event.AppField) {
	switch text := side.block.text[i]; {
	case !http2Line(text):
	case c.f.app.Has(first):
		side.newest.set(i, text)
	default:
		c.fact(first, []byte(text))
	}
}

// http2Line is oneLine of what need not be copied for it.
func http2Line(text string) bool { return len(text) <= maxFactLen && oneLine([]byte(text)) }

func (c *call) http2Response(side *http2Side) {
	h := &side.block
	if status, ok := decimal([]byte(h.text[http2Status])); ok && len(h.text[http2Status]) == 3 && status >= 200 {
		side.told = true
		if c.f.app.Has(fieldHTTPStatus) { // of an earlier request, or of the upgrade
			c.edit().SetUint(fieldHTTPLastStatus, status)
		} else {
			c.edit().SetUint(fieldHTTPStatus, status)
		}
	}
	c.http2Note(side, http2Server, fieldHTTPServer)
	c.http2Note(side, http2Type, fieldHTTPContentType)
	if n, ok := decimal([]byte(h.text[http2GRPC])); ok && n < uint64(len(grpcStatusNames)) && c.f.app.Has(fieldGRPC) {
		c.named(fieldGRPCStatus, grpcStatusNames[:], int(n))
	}
	if side.told {
		c.know()
	}
}

// http2LastResponse tells what the newest response says of its server.
func (c *call) http2LastResponse(h *http2Said) {
	c.lastFact(fieldHTTPLastServer, fieldHTTPServer, []byte(h.text[http2Server]))
	c.lastFact(fieldHTTPLastType, fieldHTTPContentType, []byte(h.text[http2Type]))
}

// grpcStatusNames are gRPC's status codes (https://grpc.io/docs/guides/status-codes).
var grpcStatusNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
