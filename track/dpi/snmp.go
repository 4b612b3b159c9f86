package dpi

import (
	"strings"

	"rustnet/track/event"
)

var (
	fieldSNMPVersion  = event.AppString("snmp_version", "Version of SNMP: 1, 2c or 3.").Spelt(snmpVersionForm)
	fieldSNMPPDU      = event.AppString("snmp_pdu", "First message: get, get-next, response, set, trap, get-bulk, inform, report; absent where it is encrypted.").Spelt(snmpPduForm)
	fieldSNMPUser     = event.AppString("snmp_user", "User of SNMP 3. The communities of the older versions are passwords and never shown.")
	fieldSNMPOID      = event.AppString("snmp_oid", "Object that the first request is about, or what the first trap tells, as numbers with dots; absent where it is encrypted.").Spelt(event.Dotted)
	fieldSNMPSecurity = event.AppString("snmp_security", "How messages of SNMP 3 are protected: noAuthNoPriv, authNoPriv, authPriv.").Spelt(event.OneOf(snmpLevels[:]...))
	fieldSNMPEngine   = event.AppString("snmp_engine", "Identifier of the engine that decides about them, in hexadecimal.").Spelt(event.Hex(0))
)

var snmpPduForm = event.OneOf(snmpPDUs[:]...).Meaning(func(text string) string {
	return strings.NewReplacer("getnext", "get-next", "getbulk", "get-bulk", "-request", "", "request", "").Replace(strings.ToLower(text))
})

var snmpVersionForm = event.OneOf("1", "2c", "3").Elsewhere(map[string]string{"v1": "1", "2": "2c", "v2c": "2c", "v2": "2c", "v3": "3"})

var snmpFields = []*event.AppField{fieldSNMPVersion, fieldSNMPPDU, fieldSNMPUser, fieldSNMPOID, fieldSNMPSecurity, fieldSNMPEngine}

var snmpFirst = bytesIn("", berSequence, berSequence)

// snmpPDUs are the tags from 0xa0 on (RFC 3416 section 3; 4 is the trap of RFC 1157 section 4.1.6).
var snmpPDUs = [...]string{"get", "get-next", "response", "set", "trap", "get-bulk", "inform", "trap", "report"}

// parseSNMP reads SNMP 1, 2c (RFC 1157, RFC 1901) and 3 (RFC 3412).
func parseSNMP(c *call) verdict {
	v := &c.view[c.side]
	head, size, ok := berHead(v.b)
	if !ok || head == 0 || !v.exactly(size) {
		return no
	}
	r := cursor{b: v.b[head:]}
	version := r.integer(berInteger)
	if r.bad {
		return no
	}
	if c.f.parser == 0 && c.portTaken() && !c.hasPort(161) && !c.hasPort(162) {
		// A message of SNMP at a resolver is one end's mistake. Two of them are a conversation.
		_, _, once := c.trail(trailSNMP, c.side)
		if _, _, answered := c.trail(trailSNMP, 1-c.side); !once && !answered {
			c.leave(trailSNMP, 0, 0)
			return more
		}
	}
	switch version {
	case 0, 1:
		return c.snmpCommunity(&r, version == 1, size)
	case 3:
		return c.snmp3(&r)
	}
	return no
}

// snmpCommunity reads a message of version 1 or 2c behind its version.
func (c *call) snmpCommunity(r *cursor, two bool, size int) verdict {
	community := r.expect(berOctets)
	if r.bad || len(community) > 255 {
		return no
	}
	v := &c.view[c.side]
	kind, ok := snmpPDU(r.b, len(v.b)-len(r.b), size)
	if !ok || two && kind == 4 || !two && kind > 4 {
		return no
	}
	a := c.edit()
	if two {
		a.SetStr(fieldSNMPVersion, "2c")
	} else {
		a.SetStr(fieldSNMPVersion, "1")
	}
	c.snmpKind(kind)
	c.snmpObject(r.b)
	return c.finish()
}

// snmpObject tells what a PDU is about (RFC 3416 section 3): its first object, or the trap's own name, which versions 2c and 3
// have as the value of the second (RFC 3418).
func (c *call) snmpObject(b []byte) {
	r := cursor{b: b}
	kind, body := r.element()
	r = cursor{b: body}
	if kind == 0xa0+4 { // RFC 1157's trap begins with who says it
		if name := r.expect(berOID); !r.bad {
			c.oidFact(fieldSNMPOID, name)
		}
		return
	}
	r.element() // the request's number, which may be negative
	r.integer(berInteger)
	r.integer(berInteger)
	list := cursor{b: r.expect(berSequence)}
	for !r.bad && len(list.b) > 0 {
		object := cursor{b: list.expect(berSequence)}
		name := object.expect(berOID)
		if list.bad || object.bad {
			return
		}
		switch {
		case kind != 0xa0+6 && kind != 0xa0+7:
			c.oidFact(fieldSNMPOID, name)
			return
		case string(name) == "\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00": // snmpTrapOID.0
			if value := object.expect(berOID); !object.bad {
				c.oidFact(fieldSNMPOID, value)
			}
			return
		}
	}
}

// oidFact sets a field to an object identifier (X.690 section 8.19) unless it is set.
func (c *call) oidFact(f *event.AppField, b []byte) {
	text, n := c.hash[:0], uint64(0)
	for i, octet := range b {
		if n = n<<7 | uint64(octet&0x7f); n>>32 != 0 || len(text) > maxFactLen {
			return
		}
		if octet&0x80 != 0 {
			continue
		}
		if len(text) == 0 {
			top := min(n/40, 2)
			text = appendUint(text, top)
			n -= top * 40
		}
		text = appendUint(append(text, '.'), n)
		if n = 0; i == len(b)-1 {
			c.hash = text
			c.firstFact(f, text)
		}
	}
}

// snmpPDU judges the PDU that begins b, at an offset in a message of size bytes, which it must fill.
func snmpPDU(b []byte, at, size int) (kind byte, ok bool) {
	head, n, ok := berHead(b)
	if !ok || head == 0 || b[0] < 0xa0 || b[0] > 0xa8 || at+n != size {
		return 0, false
	}
	kind = b[0] - 0xa0
	r := cursor{b: b[head:]}
	if kind == 4 { // enterprise, agent's address
		tag, _ := r.element()
		return kind, r.bad || tag == 0x06
	}
	tag, id := r.element()
	return kind, r.bad && len(b) < n || tag == berInteger && len(id) <= 5
}

func (c *call) snmpKind(kind byte) {
	c.edit().SetStr(fieldSNMPPDU, snmpPDUs[kind])
	if kind == 2 || kind == 8 {
		c.setClient(1 - c.side)
	} else {
		c.setClient(c.side)
	}
}

// snmp3 reads a message of version 3 behind its version. The first ones of a connection find the engine and
// name no user yet.
func (c *call) snmp3(r *cursor) verdict {
	head := cursor{b: r.expect(berSequence)}
	head.integer(berInteger)
	largest := head.integer(berInteger)
	flags := head.expect(berOctets)
	model := head.integer(berInteger)
	if head.bad || r.bad || largest < 484 || len(flags) != 1 || flags[0]&^7 != 0 || flags[0]&3 == 2 || model == 0 || len(head.b) > 0 {
		return no
	}
	security := cursor{b: r.expect(berOctets)}
	if r.bad || len(r.b) > 0 && r.b[0] != berSequence && r.b[0] != berOctets {
		return no
	}
	first := c.f.parser == 0
	c.edit().SetStr(fieldSNMPVersion, "3")
	if flags[0]&2 == 0 {
		c.snmpScoped(r, first)
	} else if first && flags[0]&4 != 0 { // who wants a report asks
		c.setClient(c.side)
	}
	if model != 3 {
		return c.finish()
	}
	usm := cursor{b: security.expect(berSequence)} // RFC 3414 section 2.4
	engine := usm.expect(berOctets)
	usm.expect(berInteger) // boots and time, which some write as if they were less than nothing
	usm.expect(berInteger)
	if user := usm.expect(berOctets); oneLine(user) {
		a := c.edit()
		a.SetStr(fieldSNMPUser, c.text(user))
		a.SetStr(fieldSNMPSecurity, snmpLevels[flags[0]&3])
		if len(engine) > 0 && len(engine) <= 32 {
			a.SetStr(fieldSNMPEngine, c.hexText(engine))
		}
		return c.finish()
	}
	c.know()
	return match
}

// snmpLevels are the security levels by the flags of a message (RFC 3412 section 6.4); privacy without authentication is not allowed.
var snmpLevels = [...]string{"noAuthNoPriv", "authNoPriv", "", "authPriv"}

// snmpScoped reads a scoped PDU in the clear: engine, context, PDU, whose kind is told of the first.
func (c *call) snmpScoped(r *cursor, first bool) {
	r.open(berSequence)
	r.expect(berOctets)
	r.expect(berOctets)
	if kind, ok := snmpPDU(r.b, 0, len(r.b)); ok && !r.bad {
		if first {
			c.snmpKind(kind)
		}
		if kind != 8 { // a report is about the request, not about an object
			c.snmpObject(r.b)
		}
	}
}
