package dpi

import "rustnet/track/event"

var (
	fieldISAKMPVersion  = event.AppUint("isakmp_version", "", "Version of IKE: 1 or 2.")
	fieldISAKMPExchange = event.AppString("isakmp_exchange", "Kind of the first exchange: main, aggressive, quick, informational; of IKE 2 IKE_SA_INIT, IKE_AUTH, ….").Spelt(event.OneOf(append(isakmpExchanges[:], "acknowledged")...))
)

var isakmpFields = []*event.AppField{fieldISAKMPVersion, fieldISAKMPExchange}

const (
	isakmpHeaderLen = 28
	isakmpMaxLen    = 64 << 10
	isakmpNATPort   = 4500
	espMaxStep      = 8 // by which the counter may grow from one datagram to the next
)

// isakmpExchanges: RFC 2408 section 3.1 with RFC 2409 appendix A, and
// https://www.iana.org/assignments/ikev2-parameters.
var isakmpExchanges = [...]string{1: "base", 2: "main", 3: "authentication-only", 4: "aggressive", 5: "informational", 6: "transaction",
	32: "quick", 33: "new-group", 34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL", 38: "IKE_SESSION_RESUME",
	39: "GSA_AUTH", 40: "GSA_REGISTRATION", 41: "GSA_REKEY", 43: "IKE_INTERMEDIATE", 44: "IKE_FOLLOWUP_KE"}

// parseISAKMP reads IKE 1 (RFC 2408, RFC 2409) and 2 (RFC 7296), on the port for NAT behind four zeros (RFC 3948
// section 2.2).
func parseISAKMP(c *call) verdict {
	v := c.view[c.side]
	if c.hasPort(isakmpNATPort) && !c.hasPort(500) {
		if len(v.b) == 1 && v.b[0] == 0xff { // keeps the NAT's entry
			return more
		}
		if len(v.b) < 8 {
			return no
		}
		if be32(v.b) != 0 {
			return c.espTrail(v.b)
		}
	}
	if len(v.b) >= 4 && be32(v.b) == 0 {
		v.b = v.b[4:]
	}
	if v.gap && len(v.b) < isakmpHeaderLen {
		return c.isakmpCut(v.b)
	}
	if !isakmpMessage(&v) {
		return no
	}
	b := v.b
	a := c.edit()
	a.SetUint(fieldISAKMPVersion, uint64(b[17]>>4))
	if name := isakmpExchanges[b[18]]; b[17]>>4 == 1 && b[18] == 34 {
		a.SetStr(fieldISAKMPExchange, "acknowledged")
	} else {
		a.SetStr(fieldISAKMPExchange, name)
	}
	switch {
	case b[17]>>4 == 2: // the response flag
		c.setClient(c.side ^ sideIf(b[19]&0x20 != 0))
	case be64(b[8:]) == 0: // no responder yet
		c.setClient(c.side)
	}
	return c.finish()
}

// isakmpCut takes what a short snap length left of a header on the protocol's ports: identifiers, the first payload's kind, version.
func (c *call) isakmpCut(b []byte) verdict {
	const seen = 18
	if len(b) < seen || be64(b) == 0 || b[17] != 0x10 && b[17] != 0x20 || !c.hasPort(500) && !c.hasPort(isakmpNATPort) {
		return no
	}
	if next := b[16]; next > 54 && next < 128 || b[17] == 0x20 && next != 0 && next < 33 {
		return no
	}
	c.edit().SetUint(fieldISAKMPVersion, uint64(b[17]>>4))
	if be64(b[8:]) == 0 {
		c.setClient(c.side)
	}
	return c.finish()
}

// isakmpMessage judges header and payloads. Where these are encrypted the header alone must do.
func isakmpMessage(v *view) bool {
	b := v.b
	if len(b) < isakmpHeaderLen || be64(b) == 0 || int(b[18]) >= len(isakmpExchanges) || isakmpExchanges[b[18]] == "" {
		return false
	}
	size := be32(b[24:])
	if size < isakmpHeaderLen || size > isakmpMaxLen || !v.exactly(int(size)) {
		return false
	}
	next := b[16]
	switch b[17] {
	case 0x10:
		if b[19]&^7 != 0 || b[18] > 34 {
			return false
		}
		if b[19]&1 != 0 { // encrypted
			return next <= 24 || next >= 128
		}
	case 0x20, 0x21:
		if b[18] < 34 || b[19]&^0x38 != 0 || next != 0 && next < 33 || next > 54 && next < 128 {
			return false
		}
	default:
		return false
	}
	r := cursor{b: b[isakmpHeaderLen:min(len(b), int(size))]}
	for next != 0 && next != 46 && next != 53 && next != 132 { // encrypted, or a part of such
		head := r.bytes(4)
		if head == nil {
			return v.gap
		}
		n := int(be16(head[2:]))
		if n < 4 || head[1]&0x7f != 0 && b[17] != 0x10 {
			return false
		}
		if r.bytes(n - 4); r.bad {
			return v.gap
		}
		next = head[0]
	}
	return true
}

// espTrail recognises ESP inside UDP (RFC 3948 section 2.1), which has nothing but an identifier and a counter:
// two datagrams of one direction must agree.
func (c *call) espTrail(b []byte) verdict {
	spi, n := be32(b), be32(b[4:])
	if spi < 256 || n == 0 || len(b) < 8+16 {
		return no
	}
	if a, last, ok := c.trail(trailESP, c.side); ok && a == uint64(spi) && n > last && n-last <= espMaxStep {
		c.edit().Name = "esp"
		return c.finish()
	}
	c.leave(trailESP, uint64(spi), n)
	return more
}
