package dpi

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// sign is how a protocol begins of which nothing but its name is told. Where there is more to tell it has a parser of its own.
type sign struct {
	app    string
	begins string // the first bytes of a direction
	first  string // where begins is empty: every byte that can be the first
	from   speaker
	// middle: every message begins so, and so strongly that one is known by it whose connection was not seen from the start.
	middle bool
	// is tells what else must hold of c.view[c.side]; nil is nothing. It is asked again with more bytes while it says more.
	is func(c *call) verdict
}

// speaker is the end that says something.
type speaker uint8

const (
	either speaker = iota
	client
	server
)

// Signs are tried in this order; so what begins as another does, and goes on, stands before it.
var (
	streamSigns   = slices.Concat(fieldStreamSigns, peerStreamSigns, serviceStreamSigns)
	datagramSigns = slices.Concat(fieldSigns, peerSigns, serviceSigns)

	tcpMagic = magic(streamSigns)
	udpMagic = magic(datagramSigns)

	tcpMagicFirst = firstOf(streamSigns)
	magicFirst    = firstOf(streamSigns, datagramSigns)
)

func parseMagic(c *call) verdict         { return tcpMagic.parse(c) }
func parseMagicDatagram(c *call) verdict { return udpMagic.parse(c) }

// magicIndex has the signs by their first byte.
type magicIndex [256][]*sign

func magic(signs []sign) (m magicIndex) {
	for i := range signs {
		for _, b := range []byte(signs[i].firsts()) {
			m[b] = append(m[b], &signs[i])
		}
	}
	return m
}

// firsts are the bytes that can be the first.
func (s *sign) firsts() string {
	if s.begins == "" {
		return s.first
	}
	return s.begins[:1]
}

func firstOf(signs ...[]sign) *byteSet {
	var all strings.Builder
	for _, s := range slices.Concat(signs...) {
		all.WriteString(s.firsts())
	}
	return bytesIn(all.String(), 1, 0)
}

// signNames are the applications that there are signs of.
func signNames(signs ...[]sign) (names []string) {
	for _, s := range slices.Concat(signs...) {
		names = append(names, s.app)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parse compares a direction with all signs that have its first byte.
func (m *magicIndex) parse(c *call) verdict {
	v := &c.view[c.side]
	got := no
	for _, s := range m[v.b[0]] {
		if c.f.tcp && !v.whole && !s.middle {
			continue
		}
		is := v.begins(s.begins)
		if is == match && s.is != nil {
			is = s.is(c)
		}
		switch is {
		case match, done:
			switch s.from {
			case client:
				c.setClient(c.side)
			case server:
				c.setClient(1 - c.side)
			}
			c.edit().Name = s.app
			return c.finish()
		}
		got = cmp.Or(got, is)
	}
	return got
}

// short is the answer about a message that is too short to tell: of a stream more may come.
func (c *call) short() verdict {
	if !c.f.tcp {
		return no
	}
	return c.view[c.side].unfinished()
}

// holds answers match or no.
func holds(ok bool) verdict {
	if ok {
		return match
	}
	return no
}

// spoken is holds about what only a client says, or only a server: it settles who that is.
func (c *call) spoken(ok, byClient bool) verdict {
	if !ok {
		return no
	}
	if byClient {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return match
}

// line returns the first line, as far as it is there, at most n bytes; ok is false while its end may come.
func (v *view) line(n int) (line []byte, ok bool) {
	line, size := cutLine(v.b[:min(len(v.b), n)])
	return line, size > 0
}

// wholeLine asks for the first line, which has at most so many bytes.
func (v *view) wholeLine(most int) (line []byte, got verdict) {
	line, size := cutLine(v.b)
	switch {
	case size > 0:
		return line, match
	case len(v.b) > most || !readable(v.b):
		return nil, no
	}
	return nil, v.unfinished()
}

// within asks whether a text is in the first so many bytes.
func (c *call) within(most int, text string) verdict {
	b := c.view[c.side].b
	switch {
	case bytes.Contains(b[:min(len(b), most)], []byte(text)):
		return match
	case len(b) < most:
		return c.short()
	}
	return no
}
