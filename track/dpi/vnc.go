package dpi

import (
	"strconv"
	"strings"

	"rustnet/track/event"
)

var (
	fieldVNCVersion  = event.AppString("vnc_version", "Version that the server offers, such as 3.8.").Spelt(event.Dotted.Meaning(vncVersionMeant))
	fieldVNCSecurity = event.AppString("vnc_security", "How the client proves who it is: none, vnc, tight, tls, vencrypt, sasl, ard, or a number.").Spelt(vncSecurityForm)
)

var vncSecurityForm = event.OneOf(vncSecurities[:]...).OrNumber("", 255, nameIn(vncSecurities[:]))

var vncFields = []*event.AppField{fieldVNCVersion, fieldVNCSecurity}

var vncFirst = bytesIn("R", 1, 0)

const vncVersionLen = len("RFB 003.008\n")

type vncState struct {
	server  Side
	version [2]bool
	minor   byte
}

// parseVNC reads the versions and the choice of security (RFC 6143 section 7.1).
func parseVNC(c *call) verdict {
	st, _ := c.f.state.(*vncState)
	if st == nil {
		v := &c.view[c.side]
		if got := vncVersion(v); got != match {
			return got
		}
		// The server speaks first; a client answers in the same words.
		server := Resp
		if !c.view[Resp].whole && len(c.view[1-c.side].b) == 0 {
			server = c.side
		}
		st = &vncState{server: server}
		c.f.state = st
		c.setClient(1 - server)
		c.edit()
	}
	for _, s := range [...]Side{st.server, 1 - st.server} {
		if v := &c.view[s]; !st.version[s] && len(v.b) > 0 {
			switch vncVersion(v) {
			case no:
				return c.finish()
			case more:
				return match
			}
			if s == st.server {
				c.vncVersionFact(v.b)
			}
			st.minor = v.b[10] // the client's counts, which is read last
			st.version[s] = true
			c.eat(s, vncVersionLen)
		}
	}
	if !st.version[0] || !st.version[1] {
		return match
	}
	c.know()
	return c.vncSecurity(st)
}

func vncVersion(v *view) verdict {
	if got := v.begins("RFB "); got != match {
		return got
	}
	b := v.b
	if len(b) < vncVersionLen {
		return v.unfinished()
	}
	for _, at := range [...]int{4, 5, 6, 8, 9, 10} {
		if !digit(b[at]) {
			return no
		}
	}
	if b[7] != '.' || b[11] != '\n' {
		return no
	}
	return match
}

// vncVersionFact writes 003.008 as 3.8.
func (c *call) vncVersionFact(b []byte) {
	major, _ := decimal(b[4:7])
	minor, _ := decimal(b[8:11])
	t := append(appendUint(c.hash[:0], major), '.')
	c.hash = appendUint(t, minor)
	c.fact(fieldVNCVersion, c.hash)
}

func (c *call) vncSecurity(st *vncState) verdict {
	server, client := &c.view[st.server], &c.view[1-st.server]
	if st.minor < '7' { // up to 3.6 the server decides
		if len(server.b) < 4 {
			return match
		}
		if kind := be32(server.b); kind > 0 && kind < 256 {
			c.vncSecurityFact(byte(kind))
		}
		return c.finish()
	}
	if len(client.b) == 0 {
		server.b = nil
		return match
	}
	c.vncSecurityFact(client.b[0])
	return c.finish()
}

// vncSecurities are IANA's Remote Framebuffer Security Types.
var vncSecurities = [...]string{1: "none", 2: "vnc", 16: "tight", 18: "tls", 19: "vencrypt", 20: "sasl", 30: "ard"}

func (c *call) vncSecurityFact(kind byte) {
	name := nameIn(vncSecurities[:])(uint64(kind))
	if name == "" {
		name = strconv.Itoa(int(kind))
	}
	c.edit().SetStr(fieldVNCSecurity, name)
}

// vncVersionMeant reads a version as it is on the wire: RFB 003.008.
func vncVersionMeant(text string) string {
	parts := strings.Split(strings.TrimPrefix(strings.ToUpper(text), "RFB "), ".")
	for i, p := range parts {
		parts[i] = strings.TrimLeft(p[:max(0, len(p)-1)], "0") + p[max(0, len(p)-1):]
	}
	return strings.Join(parts, ".")
}
