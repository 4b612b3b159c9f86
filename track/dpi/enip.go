package dpi

import "rustnet/track/event"

var fieldENIPProduct = event.AppString("enip_product", "Product name in the answer to ListIdentity.")

var enipFields = []*event.AppField{fieldENIPProduct}

// enipFirst: low bytes of the commands.
var enipFirst = bytesIn("\x04\x63\x64\x65\x66\x6f\x70", 1, 0)

// Commands (CIP Networks Library volume 2 section 2-3.2).
const (
	enipListServices   = 0x04
	enipListIdentity   = 0x63
	enipListInterfaces = 0x64
	enipRegister       = 0x65
	enipUnregister     = 0x66
	enipRRData         = 0x6f
	enipUnitData       = 0x70

	enipHeaderLen = 24
	enipMaxData   = 4 << 10
	enipIdentity  = 0x0c // item that holds one
)

// enipState waits for the answer to ListIdentity.
type enipState struct{ client Side }

// parseENIP reads an encapsulation header and what must stand behind it.
func parseENIP(c *call) verdict {
	v := &c.view[c.side]
	if st, ok := c.f.state.(*enipState); ok {
		if c.side == st.client {
			v.b = nil
			return match
		}
		if len(v.b) >= enipHeaderLen && len(v.b) < enipHeaderLen+le16(v.b[2:]) && !v.gap && !v.fin || len(v.b) < enipHeaderLen {
			return match
		}
		if v.b[0] == enipListIdentity && enipItems(v.b[enipHeaderLen:]) {
			c.enipProduct(v.b[enipHeaderLen:])
		}
		return c.finish()
	}
	b := v.b
	if len(b) > 1 && b[1] != 0 {
		return no
	}
	if len(b) < enipHeaderLen {
		return v.unfinished()
	}
	n := le16(b[2:])
	status := le32(b[8:])
	if n > enipMaxData || le32(b[20:]) != 0 || status > 0x69 || len(b) > enipHeaderLen+n {
		return no
	}
	if len(b) < enipHeaderLen+n {
		return v.unfinished()
	}
	data := b[enipHeaderLen:]
	session := le32(b[4:])
	switch b[0] {
	case enipRegister: // version 1, no options
		if n != 4 || le16(data) != 1 || le16(data[2:]) != 0 {
			return no
		}
	case enipUnregister:
		if n != 0 || session == 0 {
			return no
		}
	case enipRRData, enipUnitData: // interface 0, timeout, number of items
		if n < 16 || le32(data) != 0 || session == 0 || !enipItems(data[6:]) {
			return no
		}
	case enipListServices, enipListIdentity, enipListInterfaces:
		if session != 0 || n != 0 && !enipItems(data) {
			return no
		}
		if n == 0 && len(c.view[1-c.side].b) == 0 && !c.hasPort(44818) {
			return no // zeros
		}
		if n == 0 && b[0] == enipListIdentity {
			c.f.state = &enipState{client: c.side}
			c.setClient(c.side)
			c.edit()
			c.know()
			c.eat(c.side, enipHeaderLen)
			return match
		}
		if b[0] == enipListIdentity {
			c.enipProduct(data)
		}
	}
	return c.finish()
}

// enipItems tells whether b is a number of items, each a type, a length and its data.
func enipItems(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	count := le16(b)
	b = b[2:]
	for ; count > 0 && len(b) >= 4; count-- {
		n := 4 + le16(b[2:])
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return count == 0 && len(b) == 0
}

// enipProduct reads the name in an identity: version, address, vendor, type, code, revision, status, serial number before it.
func (c *call) enipProduct(data []byte) {
	const nameAt = 2 + 4 + 2 + 16 + 2 + 2 + 2 + 2 + 2 + 4
	if len(data) > nameAt && le16(data[2:]) == enipIdentity && nameAt+1+int(data[nameAt]) <= len(data) {
		c.fact(fieldENIPProduct, data[nameAt+1:nameAt+1+int(data[nameAt])])
	}
}
