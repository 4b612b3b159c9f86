package dpi

import "rustnet/track/event"

var (
	fieldGTPVersion = event.AppUint("gtp_version", "", "Version of the header.")
	fieldGTPMessage = event.AppString("gtp_message", "Kind of the first message, the number where it has no name here.").Spelt(gtpMessageForm)
	fieldGTPAPN     = event.AppString("gtp_apn", "Access point name that a session is asked for.")

	gtpFields = []*event.AppField{fieldGTPVersion, fieldGTPMessage, fieldGTPAPN}

	gtpFirst = bytesIn("\x0e\x0f\x1e\x1f\x2e\x2f\x4e\x4f", 0x30, 0x5f)

	gtp1Messages = map[byte]string{1: "echo-request", 2: "echo-response", 3: "version-not-supported", 16: "create-pdp-request", 17: "create-pdp-response",
		18: "update-pdp-request", 19: "update-pdp-response", 20: "delete-pdp-request", 21: "delete-pdp-response", 26: "error-indication",
		31: "extension-headers", 240: "data-record-request", 241: "data-record-response", 254: "end-marker", 255: "data"}
	gtp2Messages = map[byte]string{1: "echo-request", 2: "echo-response", 3: "version-not-supported", 32: "create-session-request", 33: "create-session-response",
		34: "modify-bearer-request", 35: "modify-bearer-response", 36: "delete-session-request", 37: "delete-session-response",
		95: "create-bearer-request", 96: "create-bearer-response", 97: "update-bearer-request", 98: "update-bearer-response",
		99: "delete-bearer-request", 100: "delete-bearer-response", 170: "release-bearers-request", 171: "release-bearers-response"}
)

var gtpMessageForm = event.OneOf(append(listed(gtp1Messages), listed(gtp2Messages)...)...).Or("a name, or a number", "", `[0-9]+`)

// parseGTP reads GTP 0, 1 and 2 and GTP' (3GPP TS 29.060 section 6, TS 29.274 section 5, TS 32.295 section 6). Headers are short and
// lengths their only proof, so that they must be on their ports. User data whose
// content is known never comes here: the decoder takes it out of its tunnel.
func parseGTP(c *call) verdict {
	const prime, user, control = 3386, 2152, 2123
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 || !c.hasPort(prime) && !c.hasPort(user) && !c.hasPort(control) {
		return no
	}
	version, header := b[0]>>5, 8
	switch {
	case version == 2 && c.hasPort(control):
		if header = 4; b[0]&3 != 0 { // spare
			return no
		}
	case version == 2 && b[0]&0x10 != 0: // only its control has this version
		return no
	case b[0]&0x10 == 0: // GTP', whose versions 0 may have the long header
		if header = 6; !c.hasPort(prime) {
			return no
		}
		if b[0] == 0x0e {
			header = 20
		}
	case version == 0:
		header = 20
	}
	if n := header + int(be16(b[2:])); version > 2 || !v.exactly(n) {
		return no
	}
	a := c.edit()
	a.SetUint(fieldGTPVersion, uint64(version))
	names := gtp1Messages
	if header == 4 {
		names = gtp2Messages
		c.gtpAPN(b)
	} else if version == 1 && b[0]&0x10 != 0 && b[1] == gtp1Create {
		c.gtp1APN(b)
	}
	if !a.Has(fieldGTPMessage) {
		c.numbered(fieldGTPMessage, names, b[1])
	}
	st, _ := c.f.state.(*gtpState)
	if st == nil {
		st = &gtpState{}
		c.f.state = st
	}
	if st.datagrams++; b[1] != gtpEchoRequest && b[1] != gtpEchoResponse || st.datagrams == gtpMost {
		return c.finish()
	}
	return match // neighbours greet each other before they ask for anything
}

const (
	gtpEchoRequest  = 1
	gtpEchoResponse = 2
	gtp1Create      = 16
	gtpMost         = 8 // datagrams looked at for more than an echo
)

// gtpState counts them.
type gtpState struct{ datagrams uint8 }

// gtp1Fixed are the lengths of the elements that do not say theirs (3GPP TS 29.060 section 7.7).
var gtp1Fixed = [128]uint8{1: 1, 2: 8, 3: 6, 4: 4, 5: 4, 8: 1, 9: 28, 11: 1, 12: 3, 13: 1, 14: 1, 15: 1, 16: 4, 17: 4, 18: 5, 19: 1, 20: 1, 21: 1, 22: 9,
	23: 1, 24: 1, 25: 2, 26: 2, 27: 2, 28: 2, 29: 1, 127: 4}

// gtp1APN looks for the name among the elements of a message of GTP 1: type, length from 128 on, value.
func (c *call) gtp1APN(b []byte) {
	const apn, options = 131, 7
	r := cursor{b: b[8:]}
	if b[0]&options != 0 { // number, N-PDU, next extension header
		r.bytes(3)
		if r.u8() != 0 {
			return
		}
	}
	for len(r.b) > 1 {
		kind := r.u8()
		if kind < len(gtp1Fixed) {
			if gtp1Fixed[kind] == 0 {
				return
			}
			r.bytes(int(gtp1Fixed[kind]))
			continue
		}
		body := r.bytes(r.u16())
		if kind == apn && !r.bad {
			c.apnOf(body)
			return
		}
	}
}

// gtpAPN looks for the name among the elements of a message of GTP 2: type, length, instance, value.
func (c *call) gtpAPN(b []byte) {
	const apn = 71
	r := cursor{b: b[8:]}
	if b[0]&8 != 0 { // with a tunnel's identifier
		r.bytes(4)
	}
	for len(r.b) >= 4 {
		kind, n := r.u8(), r.u16()
		r.u8()
		if body := r.bytes(n); kind == apn && !r.bad {
			c.apnOf(body)
			return
		}
	}
}

// apnOf takes a name in DNS' labels.
func (c *call) apnOf(labels []byte) {
	name := c.hash[:0]
	for r := (cursor{b: labels}); len(r.b) > 0; {
		if len(name) > 0 {
			name = append(name, '.')
		}
		name = append(name, r.vector8()...)
		if r.bad {
			return
		}
	}
	c.hash = name
	if hostName(name) {
		c.firstFact(fieldGTPAPN, name)
	}
}
