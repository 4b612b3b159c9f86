package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// Protocols of which little more than the name is worth telling, each known by a magic number and lengths that fit.

var (
	fieldPPTPHost      = event.AppString("pptp_host", "Host name in the client's Start-Control-Connection-Request.")
	fieldThriftMethod  = event.AppString("thrift_method", "Method of the first call.")
	fieldZabbixRequest = event.AppString("zabbix_request", "Request of the first message, such as agent data or active checks.")
	fieldZabbixHost    = event.AppString("zabbix_host", "Host that the first message names.")
	fieldHiSLIPName    = event.AppString("hislip_subaddress", "Sub-address that the client asked for, such as hislip0.")

	pptpFields   = []*event.AppField{fieldPPTPHost}
	thriftFields = []*event.AppField{fieldThriftMethod}
	zabbixFields = []*event.AppField{fieldZabbixRequest, fieldZabbixHost}
	hislipFields = []*event.AppField{fieldHiSLIPName}

	pptpFirst    = bytesIn("\x00", 1, 0)
	ldpFirst     = bytesIn("\x00", 1, 0)
	gearmanFirst = bytesIn("\x00", 1, 0)
	thriftFirst  = bytesIn("\x00\x80\x82", 1, 0)
	hislipFirst  = bytesIn("H", 1, 0)
	zabbixFirst  = bytesIn("Z", 1, 0)
)

// parsePPTP reads a control message (RFC 2637 section 1.4).
func parsePPTP(c *call) verdict {
	const magic, headerLen, startLen, request = 0x1a2b3c4d, 12, 156, 1
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 1) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n, kind := int(be16(b)), be16(b[8:])
	if n < headerLen || n > 220 || be32(b[4:]) != magic || kind == 0 || kind > 15 {
		return no
	}
	if kind == request {
		if n != startLen {
			return no
		}
		if len(b) < n {
			return v.unfinished()
		}
		host, _, _ := zeroText(b[28:92])
		c.fact(fieldPPTPHost, host)
		c.setClient(c.side)
	}
	return c.finish()
}

// parseLDP reads a PDU and its messages, whose lengths must add up (RFC 5036 section 3.1 and 3.5).
func parseLDP(c *call) verdict {
	const headerLen = 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 1 || len(b) > 2 && b[2] > 0x10 {
		return no
	}
	if len(b) < headerLen+8 {
		return v.unfinished()
	}
	n := 4 + int(be16(b[2:]))
	if n < headerLen+8 || n > 4<<10 || !ldpMessage(be16(b[headerLen:])) {
		return no
	}
	if len(b) < n {
		return v.unfinished()
	}
	if !c.f.tcp && len(b) != n {
		return no
	}
	for p := b[headerLen:n]; len(p) > 0; {
		if len(p) < 8 || !ldpMessage(be16(p)) {
			return no
		}
		size := 4 + int(be16(p[2:]))
		if size < 8 || size > len(p) {
			return no
		}
		p = p[size:]
	}
	return c.finish()
}

// ldpMessage tells the types of RFC 5036 section 3.7 and of RFC 5561.
func ldpMessage(kind uint16) bool {
	switch kind &^ 0x8000 {
	case 0x0001, 0x0100, 0x0200, 0x0201, 0x0202, 0x0300, 0x0301, 0x0400, 0x0401, 0x0402, 0x0403, 0x0404:
		return true
	}
	return false
}

// parseGearman reads a binary packet (Gearman protocol): magic, type, length.
func parseGearman(c *call) verdict {
	const headerLen, maxType, maxData = 12, 42, 1 << 26
	v := &c.view[c.side]
	request, response := v.begins("\x00REQ"), v.begins("\x00RES")
	if request != match && response != match {
		return max(request, response)
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	if kind := be32(v.b[4:]); kind == 0 || kind > maxType || be32(v.b[8:]) > maxData {
		return no
	}
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}

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

// parseHiSLIP reads a message's header (IVI-6.1 section 2.5): prologue, type, control code, parameter, length.
func parseHiSLIP(c *call) verdict {
	const headerLen, initialize, maxType = 16, 0, 26
	v := &c.view[c.side]
	if got := v.begins("HS"); got != match {
		return got
	}
	b := v.b
	if len(b) > 2 && b[2] > maxType {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be32(b[12:])
	if be32(b[8:]) != 0 || n > 1<<30 {
		return no
	}
	if b[2] == initialize && n > 0 && n <= 256 {
		if len(b) < headerLen+int(n) {
			return v.unfinished()
		}
		if !printable(b[headerLen : headerLen+n]) {
			return no
		}
		c.fact(fieldHiSLIPName, b[headerLen:headerLen+n])
		c.setClient(c.side)
	}
	return c.finish()
}

// parseZabbix reads a message (Zabbix documentation, Header): magic, flags, two lengths, and JSON or an item's key.
func parseZabbix(c *call) verdict {
	const headerLen, compressed, large, maxData = 13, 2, 4, 1 << 30
	v := &c.view[c.side]
	if got := v.begins("ZBXD"); got != match {
		return got
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	if b[4]&1 == 0 || b[4] > 1|compressed|large {
		return no
	}
	n := le32(b[5:])
	if n > maxData {
		return no
	}
	if b[4] == 1 && n > 0 && b[headerLen-1] == 0 {
		if want := headerLen + int(min(n, 512)); len(b) < want && !v.gap && !v.fin {
			return more
		}
		data := b[headerLen:min(len(b), headerLen+int(min(n, 512)))]
		c.fact(fieldZabbixRequest, jsonText(data, `"request":`))
		c.fact(fieldZabbixHost, jsonText(data, `"host":`))
	}
	return c.finish()
}

// jsonText returns the text behind a key, when it is one without escapes.
func jsonText(b []byte, key string) []byte {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return nil
	}
	value, ok := bytes.CutPrefix(bytes.TrimLeft(b[i+len(key):], " "), []byte(`"`))
	end := bytes.IndexByte(value, '"')
	if !ok || end < 0 || bytes.IndexByte(value[:end], '\\') >= 0 {
		return nil
	}
	return value[:end]
}
