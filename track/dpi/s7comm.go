package dpi

import "rustnet/track/event"

var (
	fieldS7Rack = event.AppUint("s7comm_rack", "", "Rack that the client asked for.")
	fieldS7Slot = event.AppUint("s7comm_slot", "", "Slot that the client asked for.")
)

var s7Fields = []*event.AppField{fieldS7Rack, fieldS7Slot}

const (
	s7Protocol = 0x32
	s7Plus     = 0x72
	s7Called   = 0xc2 // parameter of X.224: the transport selector of the called end
)

// parseS7 takes a data PDU of S7 behind the opening of ISO transport (RFC 1006), if that is in sight. The
// layout of S7 is not published by its maker: protocol 0x32, kind, zeros, reference, lengths of both parts.
func parseS7(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	var called []byte
	for range 3 {
		body, got := tpkt(v, b)
		if got != match {
			return got
		}
		if s7PDU(body) {
			if body[4] == s7Job && called == nil || len(called) == 2 {
				c.setClient(c.side)
			}
			// The called selector: what kind of connection, then the rack in three bits and the slot in five.
			if len(called) == 2 && called[0] >= 1 && called[0] <= 3 {
				c.edit().SetUint(fieldS7Rack, uint64(called[1]>>5))
				c.edit().SetUint(fieldS7Slot, uint64(called[1]&0x1f))
			}
			return c.finish()
		}
		if len(body) == 4 && body[1] == x224Data && body[3] == s7Protocol { // too little to judge; the next is whole
			b = b[tpktHeaderLen+len(body):]
			continue
		}
		opening, ok := x224Connect(body, x224Request)
		if ok {
			called = x224Parameter(opening, s7Called)
		} else if _, ok = x224Connect(body, x224Confirm); !ok {
			return no
		}
		b = b[tpktHeaderLen+len(body):]
		if len(b) == 0 {
			return v.unfinished()
		}
	}
	return no
}

const s7Job = 1

// s7PDU tells whether a TPKT's body is one whole PDU of S7.
func s7PDU(body []byte) bool {
	if len(body) < 7 || body[0] != 2 || body[1] != x224Data {
		return false
	}
	pdu := body[3:]
	if pdu[0] == s7Plus { // version, length, and a trailer of version and zeros
		n := int(be16(pdu[2:]))
		return pdu[1] >= 1 && pdu[1] <= 3 && len(pdu) >= 4+n && (len(pdu) == 4+n || len(pdu) == 8+n && pdu[4+n] == s7Plus && pdu[5+n] == pdu[1])
	}
	if pdu[0] != s7Protocol || len(pdu) < 10 {
		return false
	}
	head := 10
	switch pdu[1] {
	case 2, 3: // answers hold an error's class and code
		head = 12
	case s7Job, 7:
	default:
		return false
	}
	return head+int(be16(pdu[6:]))+int(be16(pdu[8:])) == len(pdu)
}

// x224Parameter finds a parameter by its code: code, length, value.
func x224Parameter(b []byte, code byte) []byte {
	for len(b) >= 2 && 2+int(b[1]) <= len(b) {
		if b[0] == code {
			return b[2 : 2+int(b[1])]
		}
		b = b[2+int(b[1]):]
	}
	return nil
}
