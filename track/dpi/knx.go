package dpi

import "rustnet/track/event"

var (
	fieldKNXService = event.AppUint("knx_service", "", "Service type of the first message, such as 513 (0x0201), a search.")

	knxFields = []*event.AppField{fieldKNXService}

	knxFirst = bytesIn("\x06", 1, 0)
)

// knxService tells whether a family has a service of that number: from 0201, 0310, 0420, 0530, 0740 and 0950 on.
func knxService(family, number byte) bool {
	switch family {
	case 2, 3, 4, 5:
		return number>>4 == family-2
	case 7:
		return number>>4 == 4
	case 9:
		return number>>4 == 5
	}
	return false
}

// parseKNX reads a header of KNXnet/IP (ISO 22510): its length, version 1.0, service, total length.
func parseKNX(c *call) verdict {
	const headerLen = 6
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0x10 || len(b) > 3 && !knxService(b[2], b[3]) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := int(be16(b[4:]))
	switch {
	case n < headerLen+2 || !c.f.tcp && !v.exactly(n):
		return no
	case c.f.tcp && len(b) < n && !v.gap:
		return v.unfinished()
	case len(b) > n && b[n] != headerLen || len(b) > n+1 && b[n+1] != 0x10:
		return no
	}
	c.edit().SetUint(fieldKNXService, uint64(be16(b[2:])))
	return c.finish()
}
