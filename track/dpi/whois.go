package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// The old protocols of one line and one answer. A line may be anything, so that the answer has to be what only this
// protocol's servers say.

var (
	fieldWhoisQuery     = event.AppString("whois_query", "What the client asked for.")
	fieldFingerUser     = event.AppString("finger_user", "User that was asked for; empty is all.")
	fieldGopherSelector = event.AppString("gopher_selector", "Selector that was asked for; without what was searched for.")

	whoisFields  = []*event.AppField{fieldWhoisQuery}
	fingerFields = []*event.AppField{fieldFingerUser}
	gopherFields = []*event.AppField{fieldGopherSelector}
)

const (
	askedMaxLine  = 255
	answerMaxHead = 2 << 10 // of an answer that is looked at
)

// asked returns the only line of the client, as far as it can be one, and what the server answered. The client is the
// end that opened the connection: it speaks first in all these protocols.
func (c *call) asked() (line, answer []byte, v verdict) {
	own, other := &c.view[Orig], &c.view[Resp]
	line, size := cutLine(own.b)
	switch {
	case len(own.b) > askedMaxLine, size > 0 && size < len(own.b), size > 0 && !textLine(line), size == 0 && (!textLine(trimCR(own.b)) || own.gap || own.fin && len(own.b) > 0):
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

// whoisKeys begin lines of the answers of registries and registrars.
var whoisKeys = [...]string{"domain name:", "domain:", "refer:", "inetnum:", "inet6num:", "netrange:", "aut-num:", "as-block:", "route:", "route6:", "orgname:",
	"registrar:", "nserver:", "name server:", "registry domain id:", "% iana whois server", "% this is the ", "# arin whois", "no match for ", "descr:",
	"person:", "netname:", "whois:"}

// whoisLine tells how much a line speaks for this protocol: 2 is enough.
func whoisLine(row []byte) int {
	for _, key := range whoisKeys {
		if len(row) < len(key) || !equalFold(row[:len(key)], key) {
			continue
		}
		if key[0] == '%' || key[0] == '#' || key[0] == 'n' && key[1] == 'o' {
			return 2
		}
		return 1
	}
	return 0
}

// parseWhois knows an answer by two different keys (RFC 3912 says nothing of its form), or by a server that says its name.
func parseWhois(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	keys, first := 0, true
	for rest := answer; keys < 2 && len(rest) > 0; {
		row, size := cutLine(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if row = trimSpace(row); len(row) == 0 {
			continue
		}
		n := whoisLine(row)
		if first && n == 0 && row[0] != '%' && row[0] != '#' && !containsFold(row, "whois") && !containsFold(row, "registr") {
			return no
		}
		first = false
		keys += n
	}
	if keys < 2 {
		return c.undecided()
	}
	c.setClient(Orig)
	if len(line) > 0 {
		c.fact(fieldWhoisQuery, line)
	}
	return c.finish()
}

// parseFinger knows the answer of the usual servers: a user by his login and name, or a table of those who are there.
func parseFinger(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	user, long := bytes.CutPrefix(line, []byte("/W"))
	answer = bytes.TrimLeft(answer, "\r\n")
	row, size := cutLine(answer)
	if size == 0 {
		row = answer
	}
	known := len(row) > 6 && equalFold(row[:6], "login:") && containsFold(row, "name:") || len(row) > 11 && equalFold(row[:11], "login name:") ||
		len(row) > 5 && equalFold(row[:5], "login") && containsFold(row, "name") && (containsFold(row, "tty") || containsFold(row, "idle")) ||
		long && containsFold(row, "no such user") || containsFold(row, "finger: ") && containsFold(row, "no such user")
	if !known && size > 0 {
		return no
	}
	if !known {
		return c.undecided()
	}
	c.setClient(Orig)
	c.fact(fieldFingerUser, trimSpace(user))
	return c.finish()
}

// parseGopher knows a menu (RFC 1436 section 2): each line has a kind, a text, and behind tabs a selector, a host and a port.
// A file that is asked for is nothing but its bytes, and so no proof.
func parseGopher(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	row, size := cutLine(answer)
	if size == 0 {
		return c.undecided()
	}
	kind := byte(0)
	if len(row) > 0 {
		kind = row[0]
	}
	parts := bytes.Split(row, []byte("\t"))
	if len(parts) < 4 || bytes.IndexByte([]byte("0123456789+TgIhisMd;p:"), kind) < 0 || len(parts[2]) == 0 {
		return no
	}
	if _, ok := decimal(trimSpace(parts[3])); !ok {
		return no
	}
	c.setClient(Orig)
	selector, _, _ := bytes.Cut(line, []byte("\t"))
	c.fact(fieldGopherSelector, selector)
	return c.finish()
}
