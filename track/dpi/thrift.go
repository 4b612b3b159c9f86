package dpi

import "rustnet/track/event"

var (
	fieldThriftMethod = event.AppString("thrift_method", "Method of the first call.")

	thriftFields = []*event.AppField{fieldThriftMethod}

	thriftFirst = bytesIn("\x00\x80\x82", 1, 0)
)

// parseThrift reads a message's beginning in the strict binary and the compact protocol (Thrift specification), with or
// without a frame's length before it.
func parseThrift(c *call) verdict {
	const maxName, maxFrame, request, oneway = 128, 16 << 20, 1, 4
	v := &c.view[c.side]
	r := cursor{b: v.b}
	if len(r.b) > 0 && r.b[0] == 0 {
		if n := r.u32(); !r.bad && (n < 8 || n > maxFrame || len(r.b) > int(n)) {
			return no
		}
		if len(r.b) > 0 && r.b[0] != 0x80 && r.b[0] != 0x82 {
			return no
		}
	}
	var kind int
	var name []byte
	switch head := r.u16(); {
	case r.bad:
		return v.unfinished()
	case head == 0x8001: // version 1; a zero, the type, a name, a number
		kind = r.u16()
		n := r.u32()
		if !r.bad && (kind < request || kind > oneway || n == 0 || n > maxName) {
			return no
		}
		name = r.bytes(int(n))
		r.bytes(4 + 1) // and a field or the end of them
	case head>>8 == 0x82 && head&0x1f == 1:
		kind = head >> 5 & 7
		r.mqttVarint()
		n := r.mqttVarint()
		if kind < request || kind > oneway || n > maxName {
			return no
		}
		name = r.bytes(n)
		r.bytes(1)
		if v.b[0] == 0x82 && len(name) < 4 {
			return no
		}
	default:
		return no
	}
	if r.bad {
		return v.unfinished()
	}
	for _, ch := range name {
		if !alphanumeric(ch) && ch != '_' && ch != '.' && ch != ':' {
			return no
		}
	}
	if len(name) == 0 {
		return no
	}
	if kind == request || kind == oneway {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.fact(fieldThriftMethod, name)
	return c.finish()
}
