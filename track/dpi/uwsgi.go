package dpi

var uwsgiFirst = bytesIn("\x00\x05\x06\x07\x08\x09\x0e\x0f\x12", 1, 0) // the languages that take variables

// parseUWSGI reads the variables of a request and the head of its answer (uWSGI's protocol): kind, length, kind, then names and values.
// So little is proof only when all of it are variables, and one is the method.
func parseUWSGI(c *call) verdict {
	const headLen = 4
	st, _ := c.f.state.(*cgiState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) < headLen+2 {
			return v.unfinished()
		}
		size := le16(v.b[1:])
		if size < headLen || le16(v.b[headLen:]) == 0 || le16(v.b[headLen:]) > 63 {
			return no
		}
		method, names := false, 0
		rest := v.b[headLen:min(len(v.b), headLen+size)]
		for len(rest) > 0 {
			name, value, behind := uwsgiVariable(rest)
			if name == nil {
				break
			}
			if !cgiName(name) {
				return no
			}
			names++
			method = method || string(name) == "REQUEST_METHOD" && cgiName(value)
			rest = behind
		}
		switch {
		case len(v.b) < headLen+size && (!v.gap || names == 0 || v.b[0] != 0 || v.b[3] != 0 || headLen+size > v.wire()):
			return v.unfinished()
		case len(v.b) < headLen+size: // cut, behind variables
		case len(rest) > 0 || !method:
			return no
		}
		st = &cgiState{client: c.side}
		c.f.state = st
		c.setClient(c.side)
		for rest = v.b[headLen:min(len(v.b), headLen+size)]; len(rest) > 0; {
			var name, value []byte
			if name, value, rest = uwsgiVariable(rest); name == nil {
				break
			}
			c.cgiVariable(st, name, value)
		}
		c.cgiAsked(st)
	}
	return c.cgiAnswered(st)
}

// uwsgiVariable cuts a variable off: two texts, each behind its length. name is nil when it is not whole.
func uwsgiVariable(b []byte) (name, value, rest []byte) {
	text := func() (t []byte) {
		if len(b) < 2 || len(b) < 2+le16(b) {
			return nil
		}
		t, b = b[2:2+le16(b)], b[2+le16(b):]
		return t
	}
	if name = text(); name == nil {
		return nil, nil, nil
	}
	if value = text(); value == nil {
		return nil, nil, nil
	}
	return name, value, b
}
