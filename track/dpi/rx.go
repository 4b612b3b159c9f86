package dpi

import "rustnet/track/event"

var (
	fieldRxService = event.AppUint("rx_service", "", "Number of the service that is called; of AFS 1 is a file server, 4 a volume server, 52 a volume location server, 73 a protection server.")

	rxFields = []*event.AppField{fieldRxService}
)

// parseRx reads the header of Rx, over which AFS calls (Zeldovich, "Rx protocol specification draft", section 5): epoch, connection,
// call, sequence number, serial number, kind, flags, status, security, checksum, service. Two packets must be of one connection, one from each end.
func parseRx(c *call) verdict {
	const headerLen, maxKind, fromClient, flags, maxSecurity = 28, 13, 0x01, 0x3f, 5
	v := &c.view[c.side]
	b := v.b
	if kind := b[20]; kind == 0 || kind > maxKind || b[21]&^flags != 0 || b[22] != 0 || b[23] > maxSecurity || be32(b) == 0 || be16(b[8:]) != 0 || be16(b[12:]) != 0 {
		return no
	}
	id := uint64(be32(b))<<24 | uint64(be32(b[4:])>>8)
	other, service, ok := c.trail(trailRx, 1-c.side)
	client := b[21]&fromClient != 0
	if !ok || other != id || service&1 == 1 == client {
		mark := uint32(be16(b[26:])) << 1
		if client {
			mark |= 1
		}
		c.leave(trailRx, id, mark)
		return more
	}
	number := uint64(be16(b[26:]))
	if client {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
		number = uint64(service >> 1)
	}
	c.firstNumber(fieldRxService, number)
	return c.finish()
}
