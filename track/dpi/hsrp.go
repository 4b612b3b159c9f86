package dpi

import (
	"math/bits"

	"rustnet/track/event"
)

var (
	fieldHSRPGroup   = event.AppUint("hsrp_group", "", "Group of routers.")
	fieldHSRPAddress = event.AppString("hsrp_address", "Address that the group shares. The text that it proves itself with is not shown.").Spelt(event.Address)
	fieldHSRPState   = event.AppString("hsrp_state", "State of the sender: initial, learn, listen, speak, standby, active.").Spelt(event.OneOf(hsrpStates[:]...))
)

var hsrpFields = []*event.AppField{fieldHSRPGroup, fieldHSRPAddress, fieldHSRPState}

var hsrpFirst = bytesIn("", 0, 1)

const (
	hsrpLen  = 20
	hsrp2Len = 42 // of the first part: kind, length, 40 bytes
)

// hsrpStates are those of version 2 by number.
var hsrpStates = [...]string{"initial", "initial", "learn", "listen", "speak", "standby", "active"}

// parseHSRP reads HSRP 1 (RFC 2281) and 2, whose form only Cisco's documents show. Both are so short and full of
// zeros that they must be on their ports, from and to which all is sent.
func parseHSRP(c *call) verdict {
	b := c.view[c.side].b
	if c.f.orig != c.f.resp || !c.hasPort(1985) && !c.hasPort(2029) || len(b) < hsrpLen {
		return no
	}
	if b[0] == 1 && b[1] == 40 && len(b) >= hsrp2Len {
		return c.hsrp2(b)
	}
	if b[0] != 0 || b[1] > 3 {
		return no
	}
	if b[1] == 3 { // advertises no group
		c.edit()
		return c.finish()
	}
	// Version 1 numbers the states by bits, from 0 on. Something is said every so many seconds, and holds for longer.
	n := bits.Len8(b[2])
	if n >= len(hsrpStates)-1 || bits.OnesCount8(b[2]) > 1 || b[4] < b[3] || b[7] != 0 || b[4] == 0 && be32(b[16:]) == 0 {
		return no
	}
	a := c.edit()
	a.SetStr(fieldHSRPState, hsrpStates[n+1])
	a.SetUint(fieldHSRPGroup, uint64(b[6]))
	c.address(fieldHSRPAddress, b[16:20])
	return c.finish()
}

// hsrp2 reads version 2: version, kind, state, address family, group, sender, priority, times, address.
func (c *call) hsrp2(b []byte) verdict {
	if b[2] != 2 || b[3] > 3 || b[4] > 6 || b[5] != 4 && b[5] != 6 {
		return no
	}
	a := c.edit()
	a.SetStr(fieldHSRPState, hsrpStates[b[4]])
	a.SetUint(fieldHSRPGroup, uint64(be16(b[6:])))
	if b[5] == 4 {
		c.address(fieldHSRPAddress, b[26:30])
	} else {
		c.address(fieldHSRPAddress, b[26:42])
	}
	return c.finish()
}
