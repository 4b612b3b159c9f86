package dpi

import "rustnet/track/event"

var (
	fieldGTPVersion = event.AppUint("gtp_version", "", "Version of the header.")
	fieldGTPMessage = event.AppString("gtp_message", "Kind of the first message, the number where it has no name here.")
	fieldGTPAPN     = event.AppString("gtp_apn", "Access point name that a session is asked for (GTP 2).")

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
		header = 4
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
	}
	c.numbered(fieldGTPMessage, names, b[1])
	return c.finish()
}

// gtpAPN looks for the name among the elements of a message: type, length, instance, value, the name in DNS' labels.
func (c *call) gtpAPN(b []byte) {
	const apn = 71
	r := cursor{b: b[8:]}
	if b[0]&8 != 0 { // with a tunnel's identifier
		r.bytes(4)
	}
	for len(r.b) >= 4 {
		kind, n := r.u8(), r.u16()
		r.u8()
		body := r.bytes(n)
		if kind != apn || r.bad {
			continue
		}
		name := c.hash[:0]
		for labels := (cursor{b: body}); len(labels.b) > 0; {
			if len(name) > 0 {
				name = append(name, '.')
			}
			name = append(name, labels.vector8()...)
			if labels.bad {
				return
			}
		}
		c.hash = name
		if hostName(name) {
			c.firstFact(fieldGTPAPN, name)
		}
		return
	}
}
