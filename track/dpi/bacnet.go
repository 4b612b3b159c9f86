package dpi

import "rustnet/track/event"

var (
	fieldBACnetService = event.AppString("bacnet_service", "First service: who-is, i-am, read-property, ….").Spelt(bacnetServiceForm)
	fieldBACnetDevice  = event.AppUint("bacnet_device", "", "Instance of the first device that says who it is, or whose object is asked for.")
)

var bacnetServiceForm = event.OneOf(append(bacnetUnconfirmed[:], bacnetConfirmed[:]...)...)

var bacnetFields = []*event.AppField{fieldBACnetService, fieldBACnetDevice}

const bacnetMost = 8 // datagrams looked at for a device

// bacnetState counts them.
type bacnetState struct{ datagrams uint8 }

var bacnetFirst = bytesIn("\x81", 1, 0)

const (
	bacnetIAm   = 0
	bacnetRead  = 12
	bacnetWrite = 15
)

// Services of ASHRAE 135 clause 21, unconfirmed and confirmed.
var (
	bacnetUnconfirmed = [...]string{"i-am", "i-have", "unconfirmed-cov-notification", "unconfirmed-event-notification", "unconfirmed-private-transfer",
		"unconfirmed-text-message", "time-synchronization", "who-has", "who-is", "utc-time-synchronization", "write-group"}
	bacnetConfirmed = [...]string{0: "acknowledge-alarm", 1: "confirmed-cov-notification", 2: "confirmed-event-notification", 3: "get-alarm-summary",
		4: "get-enrollment-summary", 5: "subscribe-cov", 6: "atomic-read-file", 7: "atomic-write-file", 8: "add-list-element", 9: "remove-list-element",
		10: "create-object", 11: "delete-object", 12: "read-property", 13: "read-property-conditional", 14: "read-property-multiple", 15: "write-property",
		16: "write-property-multiple", 17: "device-communication-control", 18: "confirmed-private-transfer", 19: "confirmed-text-message",
		20: "reinitialize-device", 26: "read-range", 27: "life-safety-operation", 28: "subscribe-cov-property", 29: "get-event-information"}
)

// parseBACnet reads BACnet/IP (ASHRAE 135 annex J, clause 6).
func parseBACnet(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	size := int(be16(b[2:]))
	if b[0] != 0x81 || b[1] > 0x0b || size < 4 || !v.exactly(size) {
		return no
	}
	head := 4
	switch b[1] {
	case 4: // forwarded: who sent it
		head = 10
	case 9, 10, 11:
	default: // the broadcast tables' own messages
		if b[1] == 0 && size != 6 || !c.hasPort(47808) {
			return no
		}
		return c.finish()
	}
	if len(b) < head+2 || b[head] != 1 || b[head+1]&0x50 != 0 {
		return no
	}
	c.edit()
	c.bacnetService(b[head+1], b[head+2:])
	st, _ := c.f.state.(*bacnetState)
	if st == nil {
		st = &bacnetState{}
		c.f.state = st
	}
	if st.datagrams++; c.f.app.Has(fieldBACnetDevice) || st.datagrams == bacnetMost {
		return c.finish()
	}
	return match
}

// bacnetObject reads an object's identifier behind its tag (ASHRAE 135 clause 20.2.14): ten bits of type, the instance.
func (c *call) bacnetObject(r *cursor, tag int) {
	const device, any = 8, 1<<22 - 1
	if r.u8() != tag {
		return
	}
	if id := r.u32(); !r.bad && id>>22 == device && id&any != any && !c.f.app.Has(fieldBACnetDevice) {
		c.edit().SetUint(fieldBACnetDevice, uint64(id&any))
	}
}

// bacnetService reads the kind of what follows the network layer's control byte and addresses.
func (c *call) bacnetService(control byte, b []byte) {
	r := cursor{b: b}
	if control&0x20 != 0 { // destination, and at the end a hop count
		r.u16()
		r.vector8()
	}
	if control&0x08 != 0 {
		r.u16()
		r.vector8()
	}
	if control&0x20 != 0 {
		r.u8()
	}
	if control&0x80 != 0 { // the network's own
		return
	}
	name, at := "", 0
	switch kind := r.u8(); {
	case kind>>4 == 0: // confirmed request
		if at = 2; kind&8 != 0 { // in segments
			at = 4
		}
		r.bytes(at)
		n := r.u8()
		if r.bad {
			return
		}
		if n < len(bacnetConfirmed) {
			name = bacnetConfirmed[n]
		}
		c.setClient(c.side)
		if n == bacnetRead || n == bacnetWrite {
			c.bacnetObject(&r, 0x0c)
		}
	case kind == 0x10:
		n := r.u8()
		if r.bad {
			return
		}
		if n < len(bacnetUnconfirmed) {
			name = bacnetUnconfirmed[n]
		}
		if n == bacnetIAm {
			c.bacnetObject(&r, 0xc4)
		}
	}
	if name != "" && !c.f.app.Has(fieldBACnetService) {
		c.edit().SetStr(fieldBACnetService, name)
	}
}
