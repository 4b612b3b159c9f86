package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldXMPPDomain = event.AppString("xmpp_domain", "Domain that the opening end asked for (the stream's to).")
	fieldXMPPServer = event.AppString("xmpp_server", "Domain that the answering end gave itself (the stream's from).")
)

var xmppFields = []*event.AppField{fieldXMPPDomain, fieldXMPPServer}

var xmppFirst = bytesIn("<", 1, 0)

const (
	xmppMaxTag  = 4 << 10
	xmppMaxTags = 64
)

// xmppState follows the tags of both sides up to TLS or to the login.
type xmppState struct {
	client Side
	tags   uint8
	secure bool // the client asked for TLS
}

// xmppStreams is part of the name space of every stream (RFC 6120 section 4.8.1).
const xmppStreams = "etherx.jabber.org/streams"

// parseXMPP reads XMPP streams between clients and servers and among servers, with STARTTLS (RFC 6120).
func parseXMPP(c *call) verdict {
	st, _ := c.f.state.(*xmppState)
	if st == nil {
		v := &c.view[c.side]
		stream, whole := xmppStream(v.b)
		switch {
		case !v.whole && xmppStanza(v.b):
			c.edit()
			c.know()
			return done
		case !whole && v.gap && bytes.Contains(v.b, []byte(xmppStreams)): // cut within its tag
			return c.finish()
		case whole && stream == nil, !whole && (v.gap || v.fin || len(v.b) > xmppMaxTag):
			return no
		case !whole:
			return more
		}
		st = &xmppState{client: c.side}
		if len(xmppAttribute(stream, "to")) == 0 && len(xmppAttribute(stream, "from")) > 0 || c.side == Resp && v.whole {
			st.client = 1 - c.side
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	for _, s := range [2]Side{1 - st.client, st.client} {
		if v := c.xmppTags(st, s); v != match || c.f.state == nil {
			return v
		}
	}
	return match
}

// xmppStream finds the tag that opens a stream, behind an XML declaration or not. Without it whole tells
// whether it will never come.
func xmppStream(b []byte) (tag []byte, whole bool) {
	b = bytes.TrimLeft(b, " \r\n\t")
	const declaration, stream = "<?xml ", "<stream:stream "
	if n := min(len(b), len(declaration)); string(b[:n]) == declaration[:n] {
		_, after, ok := bytes.Cut(b, []byte(">"))
		if !ok {
			return nil, len(b) > 256
		}
		b = bytes.TrimLeft(after, " \r\n\t")
	}
	if n := min(len(b), len(stream)); string(b[:n]) != stream[:n] {
		return nil, true
	}
	tag, _, whole = bytes.Cut(b, []byte(">"))
	if !whole {
		return nil, false
	}
	if !bytes.Contains(tag, []byte(xmppStreams)) {
		return nil, true
	}
	return tag, true
}

// xmppStanza tells whether b begins with a stanza, or the end of a stream, of a connection whose start was not seen.
func xmppStanza(b []byte) bool {
	tag, _, ok := bytes.Cut(b, []byte(">"))
	if !ok || len(tag) > xmppMaxTag {
		return false
	}
	switch string(firstWord(tag)) {
	case "</stream:stream":
		return true
	case "<iq":
		return oneOf(xmppAttribute(tag, "type"), "get set result error") && xmppAttribute(tag, "id") != nil
	case "<message", "<presence":
		return xmppAttribute(tag, "to") != nil && xmppAttribute(tag, "from") != nil
	}
	return false
}

// xmppAttribute reads an attribute's value, in either kind of quotes.
func xmppAttribute(tag []byte, name string) []byte {
	for at := 0; ; {
		i := bytes.Index(tag[at:], []byte(name))
		if i < 0 {
			return nil
		}
		at += i + len(name)
		before, rest := tag[at-len(name)-1], tag[at:]
		if len(rest) < 3 || before != ' ' && before != '\n' && before != '\t' || rest[0] != '=' || rest[1] != '\'' && rest[1] != '"' {
			continue
		}
		end := bytes.IndexByte(rest[2:], rest[1])
		if end < 0 || !printable(rest[2:2+end]) {
			return nil
		}
		return rest[2 : 2+end]
	}
}

// xmppTags reads the tags of one side.
func (c *call) xmppTags(st *xmppState, s Side) verdict {
	v := &c.view[s]
	for len(v.b) > 0 {
		if st.secure && v.b[0] == tlsHandshake {
			c.become("tls")
			return match
		}
		end := bytes.IndexByte(v.b, '>')
		if end < 0 {
			if len(v.b) > xmppMaxTag {
				c.know()
				return done
			}
			if v.gap || v.fin {
				v.b = nil
			}
			return match
		}
		tag := v.b[:end]
		if open := bytes.LastIndexByte(tag, '<'); open >= 0 {
			tag = tag[open+1:]
		}
		c.eat(s, end+1)
		name := firstWord(bytes.TrimSuffix(tag, []byte("/")))
		switch string(name) {
		case "stream:stream":
			if s == st.client {
				c.setOnce(fieldXMPPDomain, xmppAttribute(tag, "to"))
			} else {
				c.setOnce(fieldXMPPServer, xmppAttribute(tag, "from"))
			}
		case "starttls":
			st.secure = st.secure || s == st.client
		case "proceed":
			if st.secure && s != st.client {
				c.become("tls")
				return match
			}
		case "auth", "iq", "message", "presence", "/stream:stream": // a login, or talk
			c.know()
			return done
		}
		if st.tags++; st.tags == xmppMaxTags {
			c.know()
			return done
		}
	}
	return match
}
