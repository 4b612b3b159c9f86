package dpi

import "rustnet/track/event"

var (
	fieldRIPVersion = event.AppUint("rip_version", "", "Version of RIP for IPv4; absent for RIPng.")
	fieldRIPCommand = event.AppString("rip_command", "First message: request or response.").Spelt(event.OneOf(ripCommands...))

	ripFields = []*event.AppField{fieldRIPVersion, fieldRIPCommand}

	ripFirst = bytesIn("", 1, 2)

	ripCommands = []string{1: "request", 2: "response"}
)

const (
	ripHeaderLen = 4
	ripEntryLen  = 20
	ripInfinity  = 16
)

// parseRIP reads RIP 1 and 2 (RFC 1058, RFC 2453 section 4) and RIPng (RFC 2080 section 2.1). Every entry must be a possible
// one. The password of RIP 2, which is the first entry then, is not shown.
func parseRIP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < ripHeaderLen+ripEntryLen || b[0] != 1 && b[0] != 2 || b[1] != 1 && b[1] != 2 || be16(b[2:]) != 0 || !v.gap && (len(b)-ripHeaderLen)%ripEntryLen != 0 {
		return no
	}
	next := c.hasPort(521) && b[1] == 1
	routes := 0
	for e := b[ripHeaderLen:]; len(e) >= ripEntryLen; e = e[ripEntryLen:] {
		if next && !ripngEntry(e) || !next && !ripEntry(e, b[1]) {
			return no
		}
		if !next && be16(e) == 2 && be32(e[4:]) != 0 || next {
			routes++
		}
	}
	if routes == 0 && !c.hasPort(520) {
		return no
	}
	a := c.edit()
	if next {
		a.Name = "ripng"
	} else {
		a.SetUint(fieldRIPVersion, uint64(b[1]))
	}
	a.SetStr(fieldRIPCommand, ripCommands[b[0]])
	return c.finish()
}

// ripEntry: family, tag, address, mask, next hop, metric. Version 1 leaves all but address and metric zero.
func ripEntry(e []byte, version byte) bool {
	const authentication, authData = 0xffff, 3
	family, metric := be16(e), be32(e[16:])
	switch {
	case family == authentication && version == 2, family == authData && be16(e[2:]) == 1:
		return true
	case family != 0 && family != 2 || metric > ripInfinity:
		return false
	case version == 1:
		return be16(e[2:]) == 0 && be32(e[8:]) == 0 && be32(e[12:]) == 0
	}
	mask := be32(e[8:])
	return -mask&^mask == 0 // ones, then zeros
}

// ripngEntry: prefix, tag, its length, metric; 255 is the next hop of those that follow.
func ripngEntry(e []byte) bool { return e[18] <= 128 && (e[19] <= ripInfinity || e[19] == 0xff) }
