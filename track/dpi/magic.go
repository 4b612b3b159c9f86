package dpi

import (
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

// tcpSigns are in the order in which they are tried; so what begins as another does, and goes on, stands before it.
var tcpSigns = []sign{
	{app: "multistream", begins: "\x13/multistream/1.0.0\n"},              // libp2p, both ends
	{app: "tarantool", begins: "Tarantool ", from: server, is: tarantool}, // Tarantool's binary protocol, its greeting
	{app: "jdwp", begins: "JDWP-Handshake"},                               // Java Debug Wire Protocol, both ends
}

var udpSigns = []sign{
	{app: "artnet", begins: "Art-Net\x00", is: artnet},            // Art-Net 4, lights on a stage
	{app: "acn", begins: "\x00\x10\x00\x00ASC-E1.17\x00\x00\x00"}, // ANSI E1.17 over UDP, streaming ACN (E1.31) among it
}

var (
	streamSigns   = slices.Concat(tcpSigns, fieldStreamSigns, peerStreamSigns, serviceStreamSigns)
	datagramSigns = slices.Concat(udpSigns, fieldSigns, peerSigns, serviceSigns)

	tcpMagic = magic(streamSigns)
	udpMagic = magic(datagramSigns)

	tcpMagicFirst = firstOf(streamSigns)
	magicFirst    = firstOf(streamSigns, datagramSigns)
)

func parseMagic(c *call) verdict         { return tcpMagic.parse(c) }
func parseMagicDatagram(c *call) verdict { return udpMagic.parse(c) }

// magicIndex has the signs by their first byte.
type magicIndex [256][]sign

func magic(signs []sign) (m magicIndex) {
	for _, s := range signs {
		for _, b := range []byte(s.firsts()) {
			m[b] = append(m[b], s)
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

// tarantool holds that the greeting is two lines of 64 bytes, padded with spaces (Tarantool 3 reference, binary protocol).
func tarantool(c *call) verdict {
	const line = 64
	v := &c.view[c.side]
	if len(v.b) < 2*line {
		return v.unfinished()
	}
	if v.b[line-1] != '\n' || v.b[2*line-1] != '\n' || !oneLine(v.b[:line-1]) || !oneLine(v.b[line:2*line-1]) {
		return no
	}
	return match
}

// artnet holds that there is an operation and a version behind it (Art-Net 4 specification, table of ArtPoll); replies have an address there.
func artnet(c *call) verdict {
	const opPollReply = 0x2100
	b := c.view[c.side].b
	if len(b) < 12 || le16(b[8:]) != opPollReply && be16(b[10:]) != 14 {
		return no
	}
	return match
}
