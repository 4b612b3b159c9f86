package dpi

import "rustnet/track/event"

var (
	fieldBGPClientAS = event.AppUint("bgp_client_as", "", "AS number of the end that opened the connection.")
	fieldBGPServerAS = event.AppUint("bgp_server_as", "", "AS number of the other end.")
)

var bgpFields = []*event.AppField{fieldBGPClientAS, fieldBGPServerAS}

var bgpFirst = bytesIn("\xff", 1, 0)

const (
	bgpHeaderLen = 19
	bgpMaxLen    = 1 << 16 // RFC 8654; 4096 without
	bgpOpen      = 1
	bgpMarker    = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
)

// bgpState knows which sides are past their OPEN.
type bgpState struct{ past [2]bool }

// parseBGP reads OPEN messages (RFC 4271 section 4).
func parseBGP(c *call) verdict {
	st, _ := c.f.state.(*bgpState)
	if st == nil {
		if _, got := bgpMessage(&c.view[c.side]); got != match {
			return got
		}
		st = &bgpState{}
		c.f.state = st
		c.edit()
	}
	for s := Orig; s <= Resp; s++ {
		for v := &c.view[s]; len(v.b) > 0; {
			n, got := bgpMessage(v)
			if got == no {
				return c.finish()
			}
			if got == more || v.b[18] == bgpOpen && len(v.b) < n {
				break
			}
			if v.b[18] == bgpOpen {
				f := fieldBGPClientAS
				if s == Resp {
					f = fieldBGPServerAS
				}
				c.firstNumber(f, uint64(bgpAS(v.b[:n])))
			}
			st.past[s] = true
			c.skip(s, uint64(n))
		}
	}
	if st.past[0] && st.past[1] {
		return c.finish()
	}
	return match
}

// bgpMessage judges the header, and of OPEN its version.
func bgpMessage(v *view) (n int, got verdict) {
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
	return n, match
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
