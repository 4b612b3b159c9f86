package dpi

import "rustnet/track/event"

// What routers say to each other right over IP. The protocol's number says what it should be; version, kind, lengths and
// checksum say that it is. What they prove themselves with is never shown.

var (
	fieldIGMPType  = event.AppString("igmp_type", "First message: query, report or leave.")
	fieldIGMPGroup = event.AppString("igmp_group", "Multicast group of the first message.")

	fieldOSPFVersion = event.AppUint("ospf_version", "", "Version: 2 for IPv4, 3 for IPv6.")
	fieldOSPFType    = event.AppString("ospf_type", "First message: hello, description, request, update or acknowledgement.")
	fieldOSPFRouter  = event.AppString("ospf_router", "Router id of the sender.")
	fieldOSPFArea    = event.AppString("ospf_area", "Area, as an address: 0.0.0.0 is the backbone.")

	fieldEIGRPType = event.AppString("eigrp_type", "First message: update, request, query, reply, hello, siaquery or siareply.")
	fieldEIGRPAS   = event.AppUint("eigrp_as", "", "Autonomous system.")

	fieldPIMType = event.AppString("pim_type", "First message, such as hello, register or join-prune.")

	fieldVRRPVersion  = event.AppUint("vrrp_version", "", "Version of VRRP; absent for CARP.")
	fieldVRRPGroup    = event.AppUint("vrrp_group", "", "Virtual router id of VRRP, virtual host id of CARP.")
	fieldVRRPPriority = event.AppUint("vrrp_priority", "", "Priority of the sender; 255 owns the address, 0 gives up.")
	fieldVRRPAddress  = event.AppString("vrrp_address", "First address that the group shares.")

	fieldESPSPI = event.AppString("esp_spi", "Security parameters index of the first packet, as ip xfrm shows it.")

	igmpFields  = []*event.AppField{fieldIGMPType, fieldIGMPGroup}
	ospfFields  = []*event.AppField{fieldOSPFVersion, fieldOSPFType, fieldOSPFRouter, fieldOSPFArea}
	eigrpFields = []*event.AppField{fieldEIGRPType, fieldEIGRPAS}
	pimFields   = []*event.AppField{fieldPIMType}
	vrrpFields  = []*event.AppField{fieldVRRPVersion, fieldVRRPGroup, fieldVRRPPriority, fieldVRRPAddress}
	espFields   = []*event.AppField{fieldESPSPI}

	ospfTypes  = []string{1: "hello", 2: "description", 3: "request", 4: "update", 5: "acknowledgement"}
	eigrpTypes = []string{1: "update", 2: "request", 3: "query", 4: "reply", 5: "hello", 10: "siaquery", 11: "siareply"}
	pimTypes   = []string{"hello", "register", "register-stop", "join-prune", "bootstrap", "assert", "graft", "graft-ack", "candidate-rp", "state-refresh",
		"df-election"}
)

// Numbers of the protocols, as decode has them: IANA's for those over IP.
const (
	protoIGMP  = 2
	protoESP   = 50
	protoEIGRP = 88
	protoOSPF  = 89
	protoPIM   = 103
	protoVRRP  = 112
)

// parseIGMP reads versions 1 to 3 (RFC 1112, 2236 and 3376), whose messages are told apart by their numbers.
func parseIGMP(c *call) verdict {
	const query, report1, report2, leave, report3 = 0x11, 0x12, 0x16, 0x17, 0x22
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 || !v.sums(b) {
		return no
	}
	group := b[4:8]
	kind := "report"
	switch b[0] {
	case query:
		kind = "query"
	case report1, report2:
	case leave:
		kind = "leave"
	case report3: // a number of records: type, length, sources, group
		if group = nil; be16(b[6:]) > 0 {
			if len(b) < 16 {
				return c.finish()
			}
			group = b[12:16]
			// A report that includes no sources is how a host leaves (RFC 3376 section 4.2.12).
			if (b[8] == 1 || b[8] == 3) && be16(b[10:]) == 0 {
				kind = "leave"
			}
		}
	default:
		return no
	}
	c.edit().SetStr(fieldIGMPType, kind)
	c.address(fieldIGMPGroup, group)
	return c.finish()
}

// parseOSPF reads the header of versions 2 (RFC 2328 appendix A.3.1) and 3 (RFC 5340 appendix A.3.1), which begin alike. The
// checksum of version 3 is over addresses, too, and that of version 2 leaves out the password.
func parseOSPF(c *call) verdict {
	const header2, header3, noAuth = 24, 16, 0
	v := &c.view[c.side]
	b := v.b
	if len(b) < header3 || b[0] != 2 && b[0] != 3 || int(b[1]) >= len(ospfTypes) || ospfTypes[b[1]] == "" {
		return no
	}
	header, n := header3, int(be16(b[2:]))
	if b[0] == 2 {
		header = header2
	}
	if len(b) < header || n < header || n > len(b) && !v.gap || b[0] == 2 && be16(b[14:]) == noAuth && !v.sums(b[:min(n, len(b))]) {
		return no
	}
	a := c.edit()
	a.SetUint(fieldOSPFVersion, uint64(b[0]))
	a.SetStr(fieldOSPFType, ospfTypes[b[1]])
	c.address(fieldOSPFRouter, b[4:8])
	c.hash = appendDotted(c.hash[:0], b[8:12])
	a.SetStr(fieldOSPFArea, c.text(c.hash))
	return c.finish()
}

func appendDotted(dst, b []byte) []byte {
	for i, d := range b {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendUint(dst, uint64(d))
	}
	return dst
}

// parseEIGRP reads the header of RFC 7868 section 6.5.
func parseEIGRP(c *call) verdict {
	const headerLen = 20
	v := &c.view[c.side]
	b := v.b
	if len(b) < headerLen || b[0] != 2 || int(b[1]) >= len(eigrpTypes) || eigrpTypes[b[1]] == "" || !v.sums(b) {
		return no
	}
	a := c.edit()
	a.SetStr(fieldEIGRPType, eigrpTypes[b[1]])
	a.SetUint(fieldEIGRPAS, uint64(be16(b[18:])))
	return c.finish()
}

// parsePIM reads the header of PIM 2 (RFC 7761 section 4.9). Over IPv6 addresses are in the checksum, and that of a register
// leaves out what is registered, so that it is no proof.
func parsePIM(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 4 || b[0]>>4 != 2 || int(b[0]&15) >= len(pimTypes) {
		return no
	}
	c.named(fieldPIMType, pimTypes, int(b[0]&15))
	return c.finish()
}

// parseVRRP reads an advertisement of VRRP 2 (RFC 3768 section 5.1) or 3 (RFC 9568 section 5.1), or of CARP, which has the
// same number and version 2 but another length in the place of the count of addresses.
func parseVRRP(c *call) verdict {
	const headerLen, auth, carpWords, carpLen = 8, 8, 7, 36
	v := &c.view[c.side]
	b := v.b
	if len(b) < headerLen || b[0] != 0x21 && b[0] != 0x31 || b[1] == 0 {
		return no
	}
	count, size := int(b[3]), len(b)-headerLen
	a := c.edit()
	if b[0] == 0x21 && count == carpWords && v.exactly(carpLen) {
		a.Name = "carp"
		a.SetUint(fieldVRRPGroup, uint64(b[1]))
		return c.finish()
	}
	addr := 4
	switch {
	case v.gap || b[0] == 0x21 && (size == 4*count || size == 4*count+auth):
	case b[0] == 0x31 && size == 4*count:
	case b[0] == 0x31 && size == 16*count:
		addr = 16
	default:
		return no
	}
	a.SetUint(fieldVRRPVersion, uint64(b[0]>>4))
	a.SetUint(fieldVRRPGroup, uint64(b[1]))
	a.SetUint(fieldVRRPPriority, uint64(b[2]))
	if count > 0 && size >= addr {
		c.address(fieldVRRPAddress, b[headerLen:headerLen+addr])
	}
	return c.finish()
}

// parseESP reads an index and a sequence number (RFC 4303 section 2); all else is encrypted. Indexes below 256 are reserved.
func parseESP(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 8 || be32(b) < 256 {
		return no
	}
	c.hash = append(c.hash[:0], "0x"...)
	for _, d := range b[:4] {
		c.hash = append(c.hash, hexDigits[d>>4], hexDigits[d&15])
	}
	c.edit().SetStr(fieldESPSPI, c.text(c.hash))
	return c.finish()
}
