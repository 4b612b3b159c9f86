package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// How machines find each other and the services of a network, and ask their router for a port.

var (
	fieldSLPService     = event.AppString("slp_service", "Type of service that was asked for first.")
	fieldWSDAction      = event.AppString("wsd_action", "First message: Hello, Bye, Probe, ProbeMatches, Resolve or ResolveMatches.")
	fieldWoLTarget      = event.AppString("wol_target", "Link address of the machine to wake. A password behind it is not shown.")
	fieldXDMCPMessage   = event.AppString("xdmcp_message", "Kind of the first message.")
	fieldNATPMPRequest  = event.AppString("natpmp_request", "First request: address, map-udp, map-tcp, or of PCP announce, map, peer.")
	fieldNATPMPAddress  = event.AppString("natpmp_address", "The router's address outside, as it answered (NAT-PMP).")
	fieldNATPMPInternal = event.AppUint("natpmp_port", "", "Port of this side that the first mapping is for.")

	slpFields    = []*event.AppField{fieldSLPService}
	wsdFields    = []*event.AppField{fieldWSDAction}
	wolFields    = []*event.AppField{fieldWoLTarget}
	xdmcpFields  = []*event.AppField{fieldXDMCPMessage}
	natpmpFields = []*event.AppField{fieldNATPMPRequest, fieldNATPMPAddress, fieldNATPMPInternal}

	slpFirst       = bytesIn("", 1, 2)
	wsdFirst       = bytesIn("<\xef", 1, 0)
	wolFirst       = bytesIn("\xff", 1, 0)
	xdmcpFirst     = bytesIn("\x00", 1, 0)
	natpmpFirst    = bytesIn("\x00\x02", 1, 0)
	dropboxFirst   = bytesIn("{", 1, 0)
	syncthingFirst = bytesIn("\x2e\x9d", 1, 0)

	xdmcpMessages = []string{1: "broadcast-query", 2: "query", 3: "indirect-query", 4: "forward-query", 5: "willing", 6: "unwilling", 7: "request",
		8: "accept", 9: "decline", 10: "manage", 11: "refuse", 12: "failed", 13: "keepalive", 14: "alive"}
	natpmpRequests = []string{"address", "map-udp", "map-tcp"}
	pcpRequests    = []string{"announce", "map", "peer", "authentication"}
)

// parseSLP reads a datagram of SLP 2 (RFC 2608 section 8) or 1 (RFC 2165 section 4).
func parseSLP(c *call) verdict {
	const header2, header1, request = 14, 12, 1
	v := &c.view[c.side]
	b := v.b
	if b[0] == 1 { // and a language of two letters
		if len(b) < header1 || b[1] == 0 || b[1] > 11 || !v.exactly(int(be16(b[2:]))) || b[5] != 0 || !alphanumeric(b[6]) || !alphanumeric(b[7]) {
			return no
		}
		return c.finish()
	}
	r := cursor{b: b[min(len(b), header2-2):]}
	language := r.vector16()
	if len(b) < header2 || b[1] == 0 || b[1] > 11 || !v.exactly(be24(b[2:])) || r.bad || len(language) < 2 || !printable(language) {
		return no
	}
	c.edit()
	if b[1] == request {
		r.vector16() // those who answered before
		if service := r.vector16(); !r.bad {
			c.firstFact(fieldSLPService, service)
		}
		c.setClient(c.side)
	}
	return c.finish()
}

// wsdNames are the namespaces of WS-Discovery (2005, and OASIS 1.1), which the action begins with.
var wsdNames = [...][]byte{[]byte("schemas.xmlsoap.org/ws/2005/04/discovery"), []byte("docs.oasis-open.org/ws-dd/ns/discovery/2009/01")}

func parseWSD(c *call) verdict {
	b := c.view[c.side].b
	b = b[:min(len(b), 2<<10)]
	found := false
	for _, name := range wsdNames {
		for rest := b; ; {
			i := bytes.Index(rest, name)
			if i < 0 {
				break
			}
			found = true
			rest = rest[i+len(name):]
			if action, ok := bytes.CutPrefix(rest, []byte("/")); ok {
				end := 0
				for end < len(action) && alphanumeric(action[end]) {
					end++
				}
				if end < len(action) && oneOf(action[:end], "hello bye probe probematches resolve resolvematches") {
					c.firstFact(fieldWSDAction, action[:end])
				}
			}
		}
	}
	if !found {
		return no
	}
	return c.finish()
}

// parseWoL reads AMD's magic packet: six bytes of ones, sixteen times the address, and perhaps a password.
func parseWoL(c *call) verdict {
	const ones, repeated, size = 6, 16, 6
	b := c.view[c.side].b
	const whole = ones + repeated*size
	if len(b) != whole && len(b) != whole+4 && len(b) != whole+6 {
		return no
	}
	target := b[ones : ones+size]
	for i := range whole {
		if i < ones && b[i] != 0xff || i >= ones && b[i] != target[(i-ones)%size] {
			return no
		}
	}
	if string(target) == "\xff\xff\xff\xff\xff\xff" {
		return no
	}
	c.mac(fieldWoLTarget, target)
	return c.finish()
}

// parseXDMCP reads a message's header on its port: version, kind, length. The cookies of an accept are not shown.
func parseXDMCP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(177) || be16(b) != 1 || int(be16(b[2:])) >= len(xdmcpMessages) || be16(b[2:]) == 0 || !v.exactly(6+int(be16(b[4:]))) {
		return no
	}
	c.named(fieldXDMCPMessage, xdmcpMessages, int(be16(b[2:])))
	return c.finish()
}

// parseNATPMP reads NAT-PMP (RFC 6886 section 3) and PCP (RFC 6887 section 7) on their ports.
func parseNATPMP(c *call) verdict {
	const answer, mapLen, addressLen, mappedLen, errorLen, pcpHeader, pcpMax = 0x80, 12, 12, 16, 8, 24, 1100
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(5351) && !c.hasPort(5350) {
		return no
	}
	kind := b[1] &^ answer
	if b[0] == 2 {
		if !v.gap && (len(b) < pcpHeader || len(b)%4 != 0 || len(b) > pcpMax) || int(kind) >= len(pcpRequests) {
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

// parseDropbox reads Dropbox's search for others in the network: JSON that names the host and its shared folders.
func parseDropbox(c *call) verdict {
	b := c.view[c.side].b
	if !bytes.Contains(b, []byte(`"host_int":`)) || !bytes.Contains(b, []byte(`"namespaces":`)) && !bytes.Contains(b, []byte(`"displayname":`)) {
		return no
	}
	return c.finish()
}

// parseSyncthing reads the local discovery of Syncthing (its Local Discovery Protocol, versions 4 and 3), known by its magic.
func parseSyncthing(c *call) verdict {
	switch b := c.view[c.side].b; be32(b) {
	case 0x2ea7d90b, 0x9d79bc40, 0x9d79bc39:
		return c.finish()
	}
	return no
}
