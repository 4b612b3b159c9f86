package dpi

import "rustnet/track/event"

var (
	fieldVRRPVersion  = event.AppUint("vrrp_version", "", "Version of VRRP; absent for CARP.")
	fieldVRRPGroup    = event.AppUint("vrrp_group", "", "Virtual router id of VRRP, virtual host id of CARP.")
	fieldVRRPPriority = event.AppUint("vrrp_priority", "", "Priority of the sender; 255 owns the address, 0 gives up.")
	fieldVRRPAddress  = event.AppString("vrrp_address", "First address that the group shares.").Spelt(event.Address)

	vrrpFields = []*event.AppField{fieldVRRPVersion, fieldVRRPGroup, fieldVRRPPriority, fieldVRRPAddress}
)

const protoVRRP = 112 // IANA's number

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
