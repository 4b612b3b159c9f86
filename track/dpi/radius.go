package dpi

import "rustnet/track/event"

var (
	fieldRADIUSCode       = event.AppString("radius_code", "Kind of the first message: Access-Request, Accounting-Request, ….").Spelt(event.OneOf(radiusCodes[:]...))
	fieldRADIUSReply      = event.AppString("radius_reply", "Kind of the first answer: Access-Accept, Access-Reject, Access-Challenge, ….").Spelt(event.OneOf(radiusCodes[:]...))
	fieldRADIUSUser       = event.AppString("radius_user", "User that is asked about; passwords are never shown.")
	fieldRADIUSNAS        = event.AppString("radius_nas", "Name that the device that asks gives itself (NAS-Identifier).")
	fieldRADIUSCalling    = event.AppString("radius_calling_station", "Station that wants in, mostly its link address (Calling-Station-Id).")
	fieldRADIUSCalled     = event.AppString("radius_called_station", "Where it wants in, mostly an access point's link address and network (Called-Station-Id).")
	fieldRADIUSNASAddress = event.AppString("radius_nas_address", "Address that the device that asks gives itself (NAS-IP-Address, NAS-IPv6-Address).").Spelt(event.Address)
	fieldRADIUSFramed     = event.AppString("radius_framed_address", "Address that the station has or is given (Framed-IP-Address).").Spelt(event.Address)
	fieldRADIUSStatus     = event.AppString("radius_accounting", "What is accounted for (Acct-Status-Type): start, stop, interim-update, accounting-on, accounting-off.").Spelt(event.OneOf(radiusStatus...))
)

var radiusFields = []*event.AppField{fieldRADIUSCode, fieldRADIUSReply, fieldRADIUSUser, fieldRADIUSNAS, fieldRADIUSCalling, fieldRADIUSCalled,
	fieldRADIUSNASAddress, fieldRADIUSFramed, fieldRADIUSStatus}

var radiusFirst = bytesIn("\x0b\x0c\x0d\x28\x29\x2a\x2b\x2c\x2d", 1, 5)

const radiusHeaderLen = 20

// radiusCodes is RFC 2865 section 3, RFC 2866 section 3 and RFC 5176 section 2.3.
var radiusCodes = [...]string{1: "Access-Request", 2: "Access-Accept", 3: "Access-Reject", 4: "Accounting-Request", 5: "Accounting-Response",
	11: "Access-Challenge", 12: "Status-Server", 13: "Status-Client", 40: "Disconnect-Request", 41: "Disconnect-ACK", 42: "Disconnect-NAK",
	43: "CoA-Request", 44: "CoA-ACK", 45: "CoA-NAK"}

func radiusRequest(code byte) bool {
	return code == 1 || code == 4 || code == 12 || code == 13 || code == 40 || code == 43
}

// parseRADIUS reads RADIUS (RFC 2865, RFC 2866). A request away from its ports must name a user or a device.
func parseRADIUS(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < radiusHeaderLen || int(b[0]) >= len(radiusCodes) || radiusCodes[b[0]] == "" {
		return no
	}
	size := int(be16(b[2:]))
	hinted := c.hasPort(1812) || c.hasPort(1813) || c.hasPort(1645) || c.hasPort(1646) || c.hasPort(3799)
	if size < radiusHeaderLen || size > 4096 || !v.exactly(size) && !(hinted && size < len(b)) {
		return no // what is behind the length does not count
	}
	b = b[:min(size, len(b))]
	user, nas, named, ok := radiusAttributes(b[radiusHeaderLen:], v.gap)
	if !ok {
		return no
	}
	request := radiusRequest(b[0])
	if c.f.parser == 0 {
		if !hinted && (!request || named < 2) {
			return no
		}
		c.edit().SetStr(fieldRADIUSCode, radiusCodes[b[0]])
		c.setClient(c.side ^ sideIf(!request))
	}
	if user != nil {
		c.firstFact(fieldRADIUSUser, user)
	}
	if nas != nil {
		c.firstFact(fieldRADIUSNAS, nas)
	}
	c.radiusStation(b[radiusHeaderLen:])
	if !request && !c.f.app.Has(fieldRADIUSReply) {
		c.edit().SetStr(fieldRADIUSReply, radiusCodes[b[0]])
	}
	c.know()
	if !request {
		return done
	}
	return match
}

// radiusAttributes visits the attributes: the texts wanted, and how many say who is asking about whom.
func radiusAttributes(b []byte, cut bool) (user, nas []byte, named int, ok bool) {
	for len(b) > 0 {
		if len(b) < 2 || b[1] >= 2 && int(b[1]) > len(b) {
			return user, nas, named, cut
		}
		n := int(b[1])
		if n < 2 || b[0] == 0 {
			return nil, nil, 0, false
		}
		switch b[0] {
		case 1:
			user = b[2:n]
			named++
		case 32:
			nas = b[2:n]
			named++
		case 4: // NAS-IP-Address
			if n != 6 {
				return nil, nil, 0, false
			}
			named++
		case 44, 80, 79, 2: // Acct-Session-Id, Message-Authenticator, EAP-Message, User-Password
			named++
		}
		b = b[n:]
	}
	return user, nas, named, true
}

var radiusStatus = []string{1: "start", 2: "stop", 3: "interim-update", 7: "accounting-on", 8: "accounting-off"}

// radiusStation reads who wants in where (RFC 2865 section 5, RFC 2866 section 5.1, RFC 3162 section 2.1).
func (c *call) radiusStation(b []byte) {
	for len(b) >= 2 && int(b[1]) >= 2 && int(b[1]) <= len(b) {
		value := b[2:b[1]]
		switch b[0] {
		case 4, 95:
			c.address(fieldRADIUSNASAddress, value)
		case 8:
			if len(value) == 4 && be32(value) < 0xfffffffe { // the last two say who is to choose
				c.address(fieldRADIUSFramed, value)
			}
		case 30:
			c.firstFact(fieldRADIUSCalled, value)
		case 31:
			c.firstFact(fieldRADIUSCalling, value)
		case 40:
			if len(value) == 4 && be32(value) < uint32(len(radiusStatus)) {
				c.named(fieldRADIUSStatus, radiusStatus, int(value[3]))
			}
		}
		b = b[b[1]:]
	}
}
