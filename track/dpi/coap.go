package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldCoAPMethod = event.AppString("coap_method", "Method of the first request: GET, POST, PUT, DELETE, FETCH, PATCH, iPATCH.").Spelt(event.OneOf(coapMethods[:]...))
	fieldCoAPPath   = event.AppString("coap_path", "Path of the first request, without its query.")
	fieldCoAPCode   = event.AppString("coap_code", "Code of the first response, such as 2.05.").Spelt(event.Shaped("class and detail", "2.05", `[2-5]\.[0-9]{2}`))
)

var coapFields = []*event.AppField{fieldCoAPMethod, fieldCoAPPath, fieldCoAPCode}

var coapFirst = bytesIn("", 0x40, 0x7f)

var coapMethods = [...]string{1: "GET", 2: "POST", 3: "PUT", 4: "DELETE", 5: "FETCH", 6: "PATCH", 7: "iPATCH"}

const (
	coapHeaderLen = 4
	coapUriPath   = 11
	coapUriQuery  = 15
)

// coapMessage visits a message (RFC 7252 section 3) and returns its path, appended to dst, with its query where that is asked for. The options' numbers must be
// known ones in all critical cases. Of a message that the capture cut within the path there is none.
func coapMessage(dst, b []byte, cut, query bool) (path []byte, ok bool) {
	tkl, class := int(b[0]&15), b[1]>>5
	code := b[1]
	if tkl > 8 || len(b) < 4+tkl || class != 0 && class != 2 && class != 4 && class != 5 || class == 0 && int(code) >= len(coapMethods) ||
		code&31 > 31 || b[0]>>4&3 > 1 && class == 0 && code != 0 {
		return nil, false
	}
	if code == 0 { // empty: acknowledgement, reset, ping
		return nil, len(b) == 4 && tkl == 0
	}
	number := 0
	r := cursor{b: b[4+tkl:]}
	for len(r.b) > 0 {
		d := r.u8()
		if d == 0xff {
			return dst, len(r.b) > 0
		}
		delta, n := coapExtended(&r, d>>4), coapExtended(&r, d&15)
		body := r.bytes(n)
		if number += delta; r.bad || !coapOption(number) {
			return nil, false
		}
		switch {
		case number == coapUriPath:
			if !oneLine(body) && len(body) > 0 {
				return nil, false
			}
			dst = append(append(dst, '/'), body...)
		case number == coapUriQuery && query:
			between := byte('&')
			if bytes.IndexByte(dst, '?') < 0 {
				between = '?'
			}
			dst = append(append(dst, between), body...)
		}
	}
	if cut && number <= coapUriPath {
		dst = dst[:0]
	}
	return dst, true
}

// coapExtended reads what follows a number of four bits.
func coapExtended(r *cursor, n int) int {
	switch n {
	case 13:
		return 13 + r.u8()
	case 14:
		return 269 + r.u16()
	case 15:
		r.b, r.bad = nil, true
	}
	return n
}

// coapOption: those of https://www.iana.org/assignments/core-parameters; of others only what may be passed over.
func coapOption(n int) bool {
	switch n {
	case 1, 3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 27, 31, 35, 39:
		return true
	}
	return n > 0 && n <= 2053 && n&1 == 0
}

// parseCoAP reads CoAP over UDP (RFC 7252). Away from its port a response must repeat the request's token and number.
func parseCoAP(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < coapHeaderLen || !coapFirst.has(b[0]) {
		return no
	}
	path, ok := coapMessage(c.hash[:0], b, c.view[c.side].gap, c.cfg.Unsafe)
	if !ok {
		return no
	}
	request := b[1] != 0 && b[1] < 32
	if c.f.parser != 0 {
		if b[1] >= 32 {
			c.coapResponse(b)
			return c.finish()
		}
		return match
	}
	if !c.hasPort(5683) {
		return c.coapPair(b, request)
	}
	c.edit()
	if request {
		c.setClient(c.side)
		c.coapRequest(b[1], path)
		c.know()
		return match
	}
	c.setClient(c.side ^ sideIf(b[1] >= 32))
	if b[1] >= 32 {
		c.coapResponse(b)
		return c.finish()
	}
	return match
}

// coapPair joins a request with its response: same message number, same token.
func (c *call) coapPair(b []byte, request bool) verdict {
	n := b[0] & 15
	token := uint64(0)
	for _, d := range b[4 : 4+n] {
		token = token<<8 | uint64(d)
	}
	key := uint64(be16(b[2:])) | uint64(n)<<16 | (token>>32)<<24
	if request {
		if n < 2 { // too short a token to prove anything
			return no
		}
		c.leave(trailCoAP, key|uint64(b[1])<<20, uint32(token))
		return more
	}
	a, low, ok := c.trail(trailCoAP, 1-c.side)
	if !ok || b[1] < 32 || a&^0xf00000 != key&trailMask || low != uint32(token) {
		return no
	}
	c.edit().SetStr(fieldCoAPMethod, coapMethods[a>>20&7])
	c.setClient(1 - c.side)
	c.coapResponse(b)
	return c.finish()
}

func (c *call) coapRequest(code byte, path []byte) {
	c.edit().SetStr(fieldCoAPMethod, coapMethods[code])
	c.hash = path
	c.firstFact(fieldCoAPPath, path)
}

func (c *call) coapResponse(b []byte) {
	text := append(c.hash[:0], '0'+b[1]>>5, '.', '0'+b[1]&31/10, '0'+b[1]&31%10)
	c.hash = text
	c.firstFact(fieldCoAPCode, text)
}

// coapStreamFirst: a length of four bits, and no token.
var coapStreamFirst = bytesIn(coapLengths, 1, 0)

var coapAnyFirst = bytesIn(coapLengths, 0x40, 0x7f)

const (
	coapLengths   = "\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0"
	coapSettings  = 7<<5 | 1 // Capabilities and Settings Message, the first of each end
	coapMaxFirst  = 64       // bytes of its options
	coapMaxStream = 1152     // of a message, those that are looked at
)

// coapStream follows a connection over TCP.
type coapStream struct{ asked bool }

// coapFrame takes a message of a stream apart (RFC 8323 section 3.2): where its token begins, and its size. size is 0 while that is not known.
func coapFrame(b []byte) (token, size int) {
	r := cursor{b: b}
	first := r.u8()
	n := first >> 4
	switch n {
	case 13:
		n += r.u8()
	case 14:
		n = 269 + r.u16()
	case 15:
		n = 65805 + size32(r.u32())
	}
	r.u8() // the code
	if r.bad {
		return 0, 0
	}
	token = len(b) - len(r.b)
	return token, token + first&15 + n
}

// coapOpens tells whether a direction begins with its settings.
func coapOpens(v *view) verdict {
	b := v.b
	if len(b) > 0 && !coapStreamFirst.has(b[0]) {
		return no
	}
	at, size := coapFrame(b)
	switch {
	case size == 0:
		return v.unfinished()
	case b[at-1] != coapSettings, size-at > coapMaxFirst:
		return no
	case len(b) < size:
		return v.unfinished()
	}
	number := 0
	for r := (cursor{b: b[at:size]}); len(r.b) > 0; {
		d := r.u8()
		delta, n := coapExtended(&r, d>>4), coapExtended(&r, d&15)
		r.bytes(n)
		if number += delta; r.bad || number&1 != 0 { // nothing critical is known of settings
			return no
		}
	}
	return match
}

// parseCoAPStream reads CoAP over TCP (RFC 8323). Away from its port both ends must begin with their settings.
func parseCoAPStream(c *call) verdict {
	st, _ := c.f.state.(*coapStream)
	if st == nil {
		if got := coapOpens(&c.view[c.side]); got != match {
			return got
		}
		if !c.hasPort(5683) {
			if got := coapOpens(&c.view[1-c.side]); got != match {
				return got
			}
		}
		st = &coapStream{}
		c.f.state = st
		c.edit()
	}
	for _, s := range [2]Side{c.side, 1 - c.side} {
		if c.coapSide(st, s) {
			return c.finish()
		}
	}
	return match
}

// coapSide reads the messages of one end, and returns true at the first response, or where it is CoAP no more.
func (c *call) coapSide(st *coapStream, s Side) bool {
	v := &c.view[s]
	for {
		at, size := coapFrame(v.b)
		most := min(size, coapMaxStream)
		if size == 0 || len(v.b) < most && !v.gap && !v.fin {
			return false
		}
		part := v.b[at:min(most, len(v.b))]
		code := v.b[at-1]
		if code>>5 != coapSettings>>5 {
			c.message = append(append(c.message[:0], 0x40|v.b[0]&15, code, 0, 0), part...) // as a datagram has it
			path, ok := coapMessage(c.hash[:0], c.message, at+len(part) < size, c.cfg.Unsafe)
			switch {
			case !ok:
				return true
			case code >= 32 && st.asked:
				c.coapResponse(c.message)
				return true
			case code != 0 && code < 32 && !st.asked:
				st.asked = true
				c.setClient(s)
				c.coapRequest(code, path)
				c.know()
			}
		}
		c.skip(s, uint64(size))
	}
}
