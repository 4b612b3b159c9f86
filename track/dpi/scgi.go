package dpi

import "bytes"

var scgiFirst = bytesIn("", '1', '9')

// parseSCGI reads the variables of a request, which are one netstring, and the head of its answer (SCGI, as its specification of
// 2006 has it): 70:CONTENT_LENGTH␀27␀SCGI␀1␀…,
func parseSCGI(c *call) verdict {
	const first = "CONTENT_LENGTH\x00"
	st, _ := c.f.state.(*cgiState)
	if st == nil {
		v := &c.view[c.side]
		at, size := 0, 0
		for at < len(v.b) && digit(v.b[at]) && at < 6 {
			size = size*10 + int(v.b[at]-'0')
			at++
		}
		if at == len(v.b) {
			return v.unfinished()
		}
		head := view{b: v.b[at:], gap: v.gap, fin: v.fin}
		if got := head.begins(":" + first); got != match {
			return got
		}
		b := head.b[1:]
		switch {
		case len(b) > size:
			if b[size] != ',' {
				return no
			}
			b = b[:size]
		case !v.gap:
			return v.unfinished()
		default: // cut, perhaps within a variable
			b = b[:bytes.LastIndexByte(b, 0)+1]
			if bytes.Count(b, []byte{0})&1 != 0 {
				b = b[:bytes.LastIndexByte(b[:len(b)-1], 0)+1]
			}
		}
		st = &cgiState{client: c.side}
		c.f.state = st
		c.setClient(c.side)
		for rest := b; len(rest) > 0; {
			var name, value []byte
			name, rest, _ = bytes.Cut(rest, []byte{0})
			value, rest, _ = bytes.Cut(rest, []byte{0})
			c.cgiVariable(st, name, value)
		}
		c.cgiAsked(st)
	}
	return c.cgiAnswered(st)
}
