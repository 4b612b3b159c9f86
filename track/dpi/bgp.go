package dpi

import (
	"strings"

	"rustnet/track/event"
)

var (
	fieldBGPClientAS = event.AppUint("bgp_client_as", "", "AS number of the end that opened the connection.")
	fieldBGPServerAS = event.AppUint("bgp_server_as", "", "AS number of the other end.")
	fieldBGPClientID = event.AppString("bgp_client_id", "Identifier of the end that opened the connection.").Spelt(event.Address)
	fieldBGPServerID = event.AppString("bgp_server_id", "Identifier of the other end.").Spelt(event.Address)
	fieldBGPError    = event.AppString("bgp_error", "Why the session did not come up: kind and subcode of the NOTIFICATION (RFC 4271 section 6), such as open-message/2, a wrong AS number.").Spelt(bgpErrorForm)
)

var bgpErrorForm = event.Shaped("kind and subcode", "open-message/2", "("+strings.Join(bgpErrors[1:], "|")+")/[0-9]+")

var bgpFields = []*event.AppField{fieldBGPClientAS, fieldBGPServerAS, fieldBGPClientID, fieldBGPServerID, fieldBGPError}

var bgpFirst = bytesIn("\xff", 1, 0)

const (
	bgpHeaderLen = 19
	bgpMaxLen    = 1 << 16 // RFC 8654; 4096 without
	bgpOpen      = 1
	bgpNotify    = 3
	bgpPort      = 179
	bgpMarker    = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
)

// bgpState knows which sides have agreed to the other's OPEN.
type bgpState struct{ past [2]bool }

// parseBGP reads OPEN messages (RFC 4271 section 4).
func parseBGP(c *call) verdict {
	st, _ := c.f.state.(*bgpState)
	if st == nil {
		if _, got := c.bgpMessage(&c.view[c.side]); got != match {
			return got
		}
		st = &bgpState{}
		c.f.state = st
		c.edit()
	}
	for s := Orig; s <= Resp; s++ {
		for v := &c.view[s]; len(v.b) > 0; {
			n, got := c.bgpMessage(v)
			if got == no {
				return c.finish()
			}
			if got == more || (v.b[18] == bgpOpen || v.b[18] == bgpNotify) && len(v.b) < n {
				break
			}
			switch v.b[18] {
			case bgpOpen:
				as, id := fieldBGPClientAS, fieldBGPClientID
				if s == Resp != (c.f.orig == bgpPort && c.f.resp != bgpPort) { // the first packet seen may have been the answer
					as, id = fieldBGPServerAS, fieldBGPServerID
				}
				c.firstNumber(as, uint64(bgpAS(v.b[:n])))
				c.address(id, v.b[24:28])
			case bgpNotify:
				c.bgpError(v.b[bgpHeaderLen:n])
				return c.finish()
			default:
				st.past[s] = true
			}
			c.skip(s, uint64(n))
		}
	}
	if st.past[0] && st.past[1] {
		return c.finish()
	}
	return match
}

var bgpErrors = [...]string{1: "message-header", 2: "open-message", 3: "update-message", 4: "hold-timer-expired", 5: "state-machine", 6: "cease", 7: "route-refresh"}

func (c *call) bgpError(b []byte) {
	if len(b) < 2 || b[0] == 0 || int(b[0]) >= len(bgpErrors) {
		return
	}
	c.hash = appendUint(append(append(c.hash[:0], bgpErrors[b[0]]...), '/'), uint64(b[1]))
	c.firstFact(fieldBGPError, c.hash)
}

// bgpMessage judges the header, and of OPEN its version.
func (c *call) bgpMessage(v *view) (n int, got verdict) {
	if got := v.begins(bgpMarker); got != match {
		return 0, got
	}
	b := v.b
	if len(b) < bgpHeaderLen {
		return 0, v.unfinished()
	}
	n = int(be16(b[16:]))
	if n < bgpHeaderLen || n >= bgpMaxLen || b[18] < bgpOpen || b[18] > 5 || b[18] == 4 && n != bgpHeaderLen {
		return 0, no
	}
	if b[18] == bgpOpen {
		if n < 29 {
			return 0, no
		}
		if len(b) > bgpHeaderLen && b[bgpHeaderLen] != 4 {
			return 0, no
		}
	}
	if c.hasPort(bgpPort) { // also what means to do harm
		return n, match
	}
	return n, bgpBody(v, b[18], n-bgpHeaderLen)
}

// bgpBody judges the beginning of what stands behind the header, of n bytes: many a run of ones goes on like one.
func bgpBody(v *view, kind byte, n int) verdict {
	b, good, need := v.b[bgpHeaderLen:min(len(v.b), bgpHeaderLen+n)], true, 0
	switch kind {
	case 2: // UPDATE: the length of what is withdrawn, and that of the attributes
		need = 2
		good = n >= 4 && (len(b) < need || int(be16(b)) <= n-4)
	case bgpNotify:
		need = 1
		good = n >= 2 && (len(b) < need || b[0] >= 1 && b[0] <= 8)
	case 5: // ROUTE-REFRESH (RFC 2918, RFC 7313): a family of addresses, and what is asked for
		need = 3
		good = n >= 4 && (len(b) < need || (be16(b) <= 30 || be16(b)>>8 == 0x40) && b[2] <= 3)
	}
	switch {
	case !good:
		return no
	case len(b) < need:
		return v.unfinished()
	}
	return match
}

// bgpAS reads the AS number: of four bytes where the capability 65 is there (RFC 6793), else of two.
func bgpAS(b []byte) uint32 {
	as := uint32(be16(b[20:]))
	r := cursor{b: b[29:]}
	for len(r.b) > 0 && !r.bad {
		if kind, value := r.u8(), r.vector8(); kind == 2 {
			for p := (cursor{b: value}); len(p.b) > 0 && !p.bad; {
				if code, v := p.u8(), p.vector8(); code == 65 && len(v) == 4 {
					as = be32(v)
				}
			}
		}
	}
	return as
}
