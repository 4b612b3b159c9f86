package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldRDPCookie    = event.AppString("rdp_cookie", "Name in the client's cookie (mstshash), mostly that of the user.")
	fieldRDPRequested = event.AppList("rdp_requested", "Security protocols that the client can do: tls credssp rdstls credssp-ex aad, or rdp for none of them.").Spelt(rdpForm)
	fieldRDPSelected  = event.AppString("rdp_selected", "Security protocol that the server chose.").Spelt(rdpForm)
	fieldRDPFailure   = event.AppString("rdp_failure", "Why the server chose none: tls-required, tls-not-allowed, no-certificate, inconsistent, credssp-required, tls-with-certificate-required.").Spelt(event.OneOf(rdpFailures...))
)

var rdpFields = []*event.AppField{fieldRDPCookie, fieldRDPRequested, fieldRDPSelected, fieldRDPFailure}

// rdpFailures is MS-RDPBCGR section 2.2.1.2.2.
var rdpFailures = []string{1: "tls-required", 2: "tls-not-allowed", 3: "no-certificate", 4: "inconsistent", 5: "credssp-required", 6: "tls-with-certificate-required"}

// TPKT (RFC 1006 section 6) and the connection PDUs of X.224 (sections 13.3 and 13.4), which RDP and S7 begin with.
const (
	tpktVersion   = 3
	tpktHeaderLen = 4
	x224Request   = 0xe0
	x224Confirm   = 0xd0
	x224Data      = 0xf0
	x224FixedLen  = 7 // length, code, both references, class
)

var tpktFirst = bytesIn("\x03", 1, 0)

// Negotiation (MS-RDPBCGR sections 2.2.1.1.1 and 2.2.1.2.1).
const (
	rdpNegRequest  = 1
	rdpNegResponse = 2
	rdpNegFailure  = 3
	rdpNegLen      = 8
	rdpMaxRequest  = 512
)

// tpkt returns the packet that b begins with, without its header; more while it is not whole.
func tpkt(v *view, b []byte) (body []byte, got verdict) {
	if len(b) > 0 && b[0] != tpktVersion || len(b) > 1 && b[1] != 0 {
		return nil, no
	}
	if len(b) < tpktHeaderLen {
		return nil, v.unfinished()
	}
	n := int(be16(b[2:]))
	switch {
	case n < tpktHeaderLen+3:
		return nil, no
	case len(b) < n:
		return nil, v.unfinished()
	}
	return b[tpktHeaderLen:n], match
}

// x224Connect tells whether a TPKT's body is one PDU that opens a connection, and returns what follows its fixed part.
func x224Connect(body []byte, code byte) ([]byte, bool) {
	if len(body) < x224FixedLen || body[1] != code || int(body[0])+1 != len(body) || body[6]>>4 > 4 {
		return nil, false
	}
	return body[x224FixedLen:], true
}

// parseRDP reads the negotiation of the security protocol; TLS follows where it is chosen.
func parseRDP(c *call) verdict {
	if _, ok := c.f.state.(rdpState); ok {
		return c.rdpConfirm()
	}
	v := &c.view[c.side]
	body, got := tpkt(v, v.b)
	if got != match {
		return got
	}
	if rest, ok := x224Connect(body, x224Confirm); ok && len(rest) == rdpNegLen && c.unheard() {
		answer := le32(rest[4:])
		if le16(rest[2:]) != rdpNegLen || rest[0] != rdpNegResponse && rest[0] != rdpNegFailure || answer >= 0x40 || rest[0] == rdpNegFailure && (answer == 0 || answer >= uint32(len(rdpFailures))) {
			return no
		}
		c.setClient(1 - c.side)
		c.edit()
		c.f.state = rdpState{}
		return c.rdpConfirm()
	}
	rest, ok := x224Connect(body, x224Request)
	if !ok || len(body) > rdpMaxRequest || body[2] != 0 || body[3] != 0 || body[6] != 0 {
		return no
	}
	cookie := false
	if bytes.HasPrefix(rest, []byte("Cookie: ")) || bytes.HasPrefix(rest, []byte("tsv://")) {
		line, n := cutLine(rest)
		if line == nil || !readable(line) {
			return no
		}
		cookie = true
		rest = rest[n:]
		body = line
	}
	switch {
	case len(rest) >= rdpNegLen && rest[0] == rdpNegRequest && le16(rest[2:]) == rdpNegLen && le32(rest[4:]) < 0x40:
		c.edit().SetList(fieldRDPRequested, rdpProtocols(le32(rest[4:])))
	case len(rest) != 0:
		return no
	case !cookie: // older than the negotiation: the connect PDU of T.125 must follow
		next, got := tpkt(v, v.b[tpktHeaderLen+x224FixedLen:])
		if got != match {
			return got
		}
		if len(next) < 5 || next[0] != 2 || next[1] != x224Data || next[3] != 0x7f || next[4] != 0x65 {
			return no
		}
		c.setClient(c.side)
		return c.finish()
	}
	if name, ok := bytes.CutPrefix(body, []byte("Cookie: mstshash=")); ok && cookie {
		c.fact(fieldRDPCookie, name)
	}
	c.setClient(c.side)
	c.edit()
	c.f.state = rdpState{}
	c.view[c.side].b = nil
	return c.rdpConfirm()
}

// rdpState says that the request was read.
type rdpState struct{}

func (c *call) rdpConfirm() verdict {
	server := 1 - Side(c.f.client-1)
	v := &c.view[server]
	if len(v.b) == 0 {
		if b := c.view[1-server].b; len(b) > 0 && b[0] == tlsHandshake { // it was let, if out of sight
			c.become("tls")
		}
		return match
	}
	body, got := tpkt(v, v.b)
	if got == more {
		return match
	}
	rest, ok := x224Connect(body, x224Confirm)
	if got == no || !ok || len(rest) < rdpNegLen || rest[0] != rdpNegResponse {
		if ok && len(rest) == 0 {
			c.edit().SetStr(fieldRDPSelected, "rdp")
		}
		if ok && len(rest) >= rdpNegLen && rest[0] == rdpNegFailure && le32(rest[4:]) < uint32(len(rdpFailures)) {
			c.named(fieldRDPFailure, rdpFailures, int(rest[4]))
		}
		return c.finish()
	}
	selected := rdpProtocols(le32(rest[4:]))
	c.edit().SetStr(fieldRDPSelected, selected[0])
	if le32(rest[4:]) == 0 {
		return c.finish()
	}
	c.eat(server, tpktHeaderLen+len(body))
	c.become("tls")
	return match
}

var rdpForm = event.OneOf(append(rdpNames[:], "rdp")...).Elsewhere(map[string]string{"ssl": "tls", "nla": "credssp", "hybrid": "credssp"})

var rdpNames = [...]string{"tls", "credssp", "rdstls", "credssp-ex", "aad"}

func rdpProtocols(bits uint32) []string {
	var list []string
	for i, name := range rdpNames {
		if bits>>i&1 != 0 {
			list = append(list, name)
		}
	}
	if list == nil {
		list = []string{"rdp"}
	}
	return list
}

const rdpSYNLen = 16

var rdpFirst = bytesIn("\x03\xff", 1, 0)

// parseRDPDatagram knows how a connection over UDP begins (MS-RDPEUDP section 2.2.5.1): nothing to acknowledge, a window, flags with SYN, a sequence
// number, and how much fits both ways.
func parseRDPDatagram(c *call) verdict {
	const syn, ack, minMTU, maxMTU = 1, 4, 1132, 1232
	b := c.view[c.side].b
	if be32(b) != 0xffffffff || be16(b[6:])&(syn|ack) != syn || be16(b[12:]) < minMTU || be16(b[12:]) > maxMTU || be16(b[14:]) < minMTU || be16(b[14:]) > maxMTU {
		return more
	}
	c.setClient(c.side)
	return c.finish()
}
