package dpi

var fastcgiFirst = bytesIn("\x01", 1, 0)

const (
	fastcgiHeadLen = 8

	fastcgiBegin  = 1
	fastcgiEnd    = 3
	fastcgiParams = 4
	fastcgiStdout = 6
	fastcgiLast   = 11
)

// parseFastCGI reads the variables of the first request and the head of its answer (FastCGI specification 1.0, sections 3 to 6).
func parseFastCGI(c *call) verdict {
	st, _ := c.f.state.(*cgiState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) > 1 && v.b[1] == fastcgiStdout && c.unheard() {
			const longest = len("content-type: ")
			if len(v.b) < fastcgiHeadLen+longest {
				return v.unfinished()
			}
			head := v.b[fastcgiHeadLen:]
			if be16(v.b[2:]) == 0 || int(be16(v.b[4:])) < longest || v.b[7] != 0 || !hasPrefixFold(head, "status: ") && !hasPrefixFold(head, "content-type: ") && !hasPrefixFold(head, "x-powered-by: php") {
				return no
			}
			st := &cgiState{client: 1 - c.side, asked: true}
			c.f.state = st
			c.setClient(st.client)
			c.edit()
			for c.fastcgiAnswer(st) {
			}
			return match
		}
		if got := v.begins("\x01\x01"); got != match {
			return got
		}
		if len(v.b) < 2*fastcgiHeadLen {
			return v.unfinished()
		}
		// Eight bytes, of which the last five are reserved: who answers what, and whether the connection is kept.
		body := v.b[fastcgiHeadLen:]
		if be16(v.b[4:]) != 8 || be16(body) == 0 || be16(body) > 3 || body[2] > 1 || be32(body[3:]) != 0 || body[7] != 0 {
			return no
		}
		st = &cgiState{client: c.side}
		c.f.state = st
		c.setClient(c.side)
	}
	for c.fastcgiRecord(st) {
	}
	if !st.asked {
		return match
	}
	c.view[st.client].b = nil // the request's body
	for c.fastcgiAnswer(st) {
	}
	if st.ended {
		return done
	}
	return match
}

// fastcgiRecord takes a record of the client, or a variable out of one, and is false when there is none that is whole.
func (c *call) fastcgiRecord(st *cgiState) bool {
	s := st.client
	b := c.view[s].b
	if st.asked || len(b) == 0 {
		return false
	}
	if st.left > 0 {
		return c.fastcgiVariable(st, b)
	}
	if len(b) < fastcgiHeadLen {
		return false
	}
	if b[0] != 1 || b[1] == 0 || b[1] > fastcgiLast {
		c.cgiAsked(st)
		return false
	}
	size, beside := int(be16(b[4:])), int(b[6])
	c.eat(s, fastcgiHeadLen)
	switch {
	case b[1] == fastcgiParams && size > 0:
		st.left, st.beside = size, beside
		return true
	case b[1] != fastcgiBegin:
		c.cgiAsked(st)
	}
	c.skip(s, uint64(size+beside))
	return true
}

// fastcgiVariable takes a variable: two lengths of one or four bytes, and both texts. One that goes on in another record is left out.
func (c *call) fastcgiVariable(st *cgiState, b []byte) bool {
	r := cursor{b: b[:min(len(b), st.left)]}
	length := func() int {
		n := r.u8()
		if n >= 0x80 {
			n = (n&0x7f)<<24 | r.u8()<<16 | r.u16()
		}
		return n
	}
	n, m := length(), length()
	name := r.bytes(n)
	value := r.bytes(m)
	switch {
	case !r.bad:
		size := min(len(b), st.left) - len(r.b)
		c.cgiVariable(st, name, value)
		c.eat(st.client, size)
		st.left -= size
	case len(b) < st.left: // more of it comes
		return false
	default:
		c.eat(st.client, st.left)
		st.left = 0
	}
	if st.left == 0 {
		c.skip(st.client, uint64(st.beside))
	}
	return true
}

// fastcgiAnswer takes a record of the program, and is false when there is none, or the answer's head was read.
func (c *call) fastcgiAnswer(st *cgiState) bool {
	s := 1 - st.client
	v := &c.view[s]
	b := v.b
	if len(b) < fastcgiHeadLen || st.ended {
		return false
	}
	size, beside := int(be16(b[4:])), int(b[6])
	switch {
	case b[0] != 1 || b[1] == 0 || b[1] > fastcgiLast || b[1] == fastcgiEnd:
		st.ended = true
		return false
	case b[1] == fastcgiStdout && size > 0:
		content := b[fastcgiHeadLen:min(len(b), fastcgiHeadLen+size)]
		// A head that goes on in another record is none that a server writes.
		st.ended = c.cgiAnswer(content, v.gap || v.fin || len(content) == size)
		return false
	}
	c.skip(s, uint64(fastcgiHeadLen+size+beside))
	return true
}
