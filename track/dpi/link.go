package dpi

import "rustnet/track/event"

// What switches and the machines at their ports say to each other, without addresses of its own.

var (
	fieldLLDPSystem      = event.AppString("lldp_system", "Name of the neighbour.")
	fieldLLDPPort        = event.AppString("lldp_port", "Its port, by name or link address.")
	fieldLLDPChassis     = event.AppString("lldp_chassis", "Its chassis, by name or address.")
	fieldLLDPDescription = event.AppString("lldp_description", "What it says of itself: system and version.")

	fieldCDPDevice   = event.AppString("cdp_device", "Name of the neighbour.")
	fieldCDPPort     = event.AppString("cdp_port", "Its port.")
	fieldCDPPlatform = event.AppString("cdp_platform", "Its hardware.")

	fieldSTPVersion = event.AppUint("stp_version", "", "0 is spanning tree, 2 rapid, 3 with instances.")
	fieldSTPRoot    = event.AppString("stp_root", "Priority and link address of the bridge that the sender takes for the root.")
	fieldSTPBridge  = event.AppString("stp_bridge", "Priority and link address of the sender.")

	fieldEAPOLType     = event.AppString("eapol_type", "First frame: eap, start, logoff, key or mka.")
	fieldEAPOLMethod   = event.AppString("eapol_method", "Method of EAP that was asked for first, such as TLS or PEAP.")
	fieldEAPOLIdentity = event.AppString("eapol_identity", "Identity that was given, often an anonymous one.")

	fieldLACPSystem  = event.AppString("lacp_system", "Link address of the sender's system.")
	fieldLACPPartner = event.AppString("lacp_partner", "That of the system it sees at the other end.")

	lldpFields  = []*event.AppField{fieldLLDPSystem, fieldLLDPPort, fieldLLDPChassis, fieldLLDPDescription}
	cdpFields   = []*event.AppField{fieldCDPDevice, fieldCDPPort, fieldCDPPlatform}
	stpFields   = []*event.AppField{fieldSTPVersion, fieldSTPRoot, fieldSTPBridge}
	eapolFields = []*event.AppField{fieldEAPOLType, fieldEAPOLMethod, fieldEAPOLIdentity}
	lacpFields  = []*event.AppField{fieldLACPSystem, fieldLACPPartner}

	eapolTypes = []string{0: "eap", 1: "start", 2: "logoff", 3: "key", 5: "mka"}
	// eapMethods: https://www.iana.org/assignments/eap-numbers.
	eapMethods = []string{4: "MD5", 5: "OTP", 6: "GTC", 13: "TLS", 17: "LEAP", 18: "SIM", 21: "TTLS", 23: "AKA", 25: "PEAP", 26: "MSCHAPV2", 43: "FAST",
		50: "AKA'", 52: "PWD", 55: "TEAP"}
)

// Numbers of the protocols, as decode has them.
const (
	protoLLDP  = 257
	protoCDP   = 258
	protoSTP   = 259
	protoEAPOL = 260
	protoLACP  = 261
	protoPTP   = 262
)

// parseLLDP reads a neighbour's announcement (IEEE 802.1AB clause 8), which begins with chassis, port and time to live.
func parseLLDP(c *call) verdict {
	const chassis, port, ttl, system, description = 1, 2, 3, 5, 6
	r := cursor{b: c.view[c.side].b}
	for want := chassis; len(r.b) > 0; want++ {
		head := r.u16()
		kind, body := head>>9, r.bytes(head&0x1ff)
		if r.bad && want > ttl { // cut, or filled up
			break
		}
		if r.bad || want <= ttl && kind != want || want < ttl && len(body) < 2 {
			return no
		}
		switch kind {
		case 0:
			return c.finish()
		case chassis:
			c.lldpID(fieldLLDPChassis, body, 4, 5)
		case port:
			c.lldpID(fieldLLDPPort, body, 3, 4)
		case system:
			c.firstFact(fieldLLDPSystem, body)
		case description:
			c.firstFact(fieldLLDPDescription, body)
		}
	}
	if c.f.app == nil {
		return no
	}
	return c.finish()
}

// lldpID sets what is named by a link's address, an IP address or a text, as the first byte says.
func (c *call) lldpID(f *event.AppField, b []byte, mac, ip byte) {
	switch {
	case b[0] == mac:
		c.mac(f, b[1:])
	case b[0] == ip:
		c.address(f, b[2:])
	default:
		c.firstFact(f, b[1:])
	}
}

// parseCDP reads a neighbour's announcement, whose form Cisco's documents and free implementations show: version, time
// to live, checksum, then type, length with both, value.
func parseCDP(c *call) verdict {
	const device, port, platform = 1, 3, 6
	r := cursor{b: c.view[c.side].b}
	version := r.u8()
	r.bytes(3)
	if r.bad || version != 1 && version != 2 {
		return no
	}
	first := true
	for len(r.b) > 0 {
		kind, n := r.u16(), r.u16()
		body := r.bytes(max(0, n-4))
		if first && (r.bad || kind == 0 || kind > 0x20 || n < 4) {
			return no
		}
		first = false
		if r.bad || n < 4 {
			break
		}
		switch kind {
		case device:
			c.firstFact(fieldCDPDevice, body)
		case port:
			c.firstFact(fieldCDPPort, body)
		case platform:
			c.firstFact(fieldCDPPlatform, body)
		}
	}
	if first {
		return no
	}
	return c.finish()
}

// parseSTP reads a bridge's message (IEEE 802.1D clause 9.3): configuration, rapid, or the notice of a change.
func parseSTP(c *call) verdict {
	const config, change, rapid = 0x00, 0x80, 0x02
	b := c.view[c.side].b
	if len(b) < 4 || be16(b) != 0 || b[2] > 4 || b[3] != config && b[3] != change && b[3] != rapid {
		return no
	}
	c.edit().SetUint(fieldSTPVersion, uint64(b[2]))
	if b[3] == change {
		c.know()
		return match // who is the root comes with the next one
	}
	if len(b) >= 25 {
		c.stpBridge(fieldSTPRoot, b[5:13])
		c.stpBridge(fieldSTPBridge, b[17:25])
	}
	return c.finish()
}

func (c *call) stpBridge(f *event.AppField, b []byte) {
	c.hash = append(appendUint(c.hash[:0], uint64(be16(b))), '.')
	c.hash = appendMAC(c.hash, b[2:])
	c.edit().SetStr(f, c.text(c.hash))
}

// parseEAPOL reads frames of IEEE 802.1X clause 11 and EAP within them (RFC 3748 section 4).
func parseEAPOL(c *call) verdict {
	const eap, request, response, success, failure, identity, nak = 0, 1, 2, 3, 4, 1, 3
	v := &c.view[c.side]
	r := cursor{b: v.b}
	version, kind := r.u8(), r.u8()
	n := r.u16()
	if r.bad || version == 0 || version > 3 || kind >= len(eapolTypes) || eapolTypes[kind] == "" || n > len(r.b) && !v.gap {
		return no
	}
	c.named(fieldEAPOLType, eapolTypes, kind)
	c.know()
	if kind != eap {
		return match
	}
	code := r.u8()
	r.u8() // identifier
	size := r.u16()
	if r.bad || size > n || size-4 > len(r.b) {
		return match
	}
	r.b = r.b[:max(0, size-4)]
	switch method := r.u8(); {
	case code == success || code == failure:
		return done
	case r.bad:
	case code == response && method == identity:
		c.firstFact(fieldEAPOLIdentity, r.b)
	case code == request && method > nak:
		c.named(fieldEAPOLMethod, eapMethods, method)
	}
	return match
}

// parseLACP reads an announcement of link aggregation (IEEE 802.1AX clause 6.4.2): actor and partner are 20 bytes each.
func parseLACP(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 42 || b[0] != 1 || b[1] != 1 || b[2] != 1 || b[3] != 20 || b[22] != 2 || b[23] != 20 {
		return no
	}
	c.mac(fieldLACPSystem, b[6:12])
	if partner := b[26:32]; string(partner) != "\x00\x00\x00\x00\x00\x00" {
		c.mac(fieldLACPPartner, partner)
	}
	return c.finish()
}
