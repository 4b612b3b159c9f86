package dpi

import (
	"slices"

	"rustnet/track/event"
)

var (
	fieldNATPMPRequest  = event.AppString("natpmp_request", "First request: address, map-udp, map-tcp, or of PCP announce, map, peer.").Spelt(natpmpRequestForm)
	fieldNATPMPAddress  = event.AppString("natpmp_address", "The router's address outside, as it answered (NAT-PMP).").Spelt(event.Address)
	fieldNATPMPInternal = event.AppUint("natpmp_port", "", "Port of this side that the first mapping is for.")

	natpmpFields = []*event.AppField{fieldNATPMPRequest, fieldNATPMPAddress, fieldNATPMPInternal}

	natpmpFirst = bytesIn("\x00\x02", 1, 0)

	natpmpRequests = []string{"address", "map-udp", "map-tcp"}
	pcpRequests    = []string{"announce", "map", "peer", "authentication"}
)

var natpmpRequestForm = event.OneOf(append(slices.Clone(natpmpRequests), pcpRequests...)...)

// parseNATPMP reads NAT-PMP (RFC 6886 section 3) and PCP (RFC 6887 section 7) on their ports.
func parseNATPMP(c *call) verdict {
	const answer, mapLen, addressLen, mappedLen, errorLen, pcpHeader, pcpMax, pcpResults = 0x80, 12, 12, 16, 8, 24, 1100, 13
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(5351) && !c.hasPort(5350) {
		return no
	}
	kind := b[1] &^ answer
	if b[0] == 2 {
		if !v.gap && (len(b) < pcpHeader || len(b)%4 != 0 || len(b) > pcpMax) || int(kind) >= len(pcpRequests) || len(b) > 3 && (b[2] != 0 || b[3] > pcpResults || b[1]&answer == 0 && b[3] != 0) {
			return no
		}
		if least := pcpHeader + [...]int{0, 36, 56, 0}[kind]; !v.gap && len(b) < least && (b[1]&answer == 0 || b[3] == 0) {
			return no
		}
		c.edit().Name = "pcp"
		if b[1]&answer == 0 {
			c.setClient(c.side)
			c.named(fieldNATPMPRequest, pcpRequests, int(kind))
			if kind == 1 && len(b) >= pcpHeader+18 {
				c.firstNumber(fieldNATPMPInternal, uint64(be16(b[pcpHeader+16:])))
			}
			c.know()
			return match
		}
		return c.finish()
	}
	if int(kind) >= len(natpmpRequests) {
		return no
	}
	switch n := len(b); {
	case b[1] == 0 && n == 2, b[1]&answer == 0 && kind > 0 && n == mapLen && be16(b[2:]) == 0:
		c.edit()
		c.setClient(c.side)
		c.named(fieldNATPMPRequest, natpmpRequests, int(kind))
		if kind > 0 {
			c.firstNumber(fieldNATPMPInternal, uint64(be16(b[4:])))
		}
		c.know()
		return match
	case b[1]&answer != 0 && (n == addressLen && kind == 0 || n == mappedLen && kind > 0 || n == errorLen && be16(b[2:]) != 0) && be16(b[2:]) <= 5:
		c.edit()
		c.setClient(1 - c.side)
		if kind == 0 && n == addressLen {
			c.address(fieldNATPMPAddress, b[8:12])
		}
		return match // more questions may follow
	}
	return no
}
