package dpi

// What the old protocols of one line and one answer share: whois, finger, gopher. A line may be anything, so that the answer
// has to be what only the protocol's servers say.

const (
	askedMaxLine  = 255
	answerMaxHead = 2 << 10 // of an answer that is looked at
)

// asked returns the only line of the client, as far as it can be one, and what the server answered. The client is the
// end that opened the connection: it speaks first in all these protocols.
func (c *call) asked() (line, answer []byte, v verdict) {
	own, other := &c.view[Orig], &c.view[Resp]
	if len(own.b) > askedMaxLine {
		return nil, nil, no
	}
	line, size := cutLine(own.b)
	switch {
	case size > 0 && size < len(own.b), size > 0 && !textLine(line), size == 0 && (!textLine(trimCR(own.b)) || own.gap || own.fin && len(own.b) > 0):
		return nil, nil, no
	case !own.whole || len(other.b) > 0 && size == 0: // a server that speaks first
		return nil, nil, no
	case size == 0:
		return nil, nil, more
	}
	return line, other.b[:min(len(other.b), answerMaxHead)], match
}

// undecided is the answer while the server's may still become one.
func (c *call) undecided() verdict {
	if v := &c.view[Resp]; v.gap || v.fin || len(v.b) >= answerMaxHead {
		return no
	}
	return more
}
