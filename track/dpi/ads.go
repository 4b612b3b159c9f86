package dpi

import "rustnet/track/event"

var (
	fieldADSCommand = event.AppString("ads_command", "First command: read-device-info, read, write, read-state, write-control, notify, ….").Spelt(event.OneOf(adsCommands...))

	adsFields = []*event.AppField{fieldADSCommand}

	adsFirst = bytesIn("\x00", 1, 0)

	adsCommands = []string{"", "read-device-info", "read", "write", "read-state", "write-control", "add-notification", "delete-notification", "notify", "read-write"}
)

// parseADS reads a frame of Beckhoff's AMS over TCP: reserved, length; addresses of both ends, command, flags, a length that must fit the
// first, error, number.
func parseADS(c *call) verdict {
	const tcpLen, amsLen, request, response, udp, maxLen = 6, 32, 0x0004, 0x0005, 0x0040, 1 << 24
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0 {
		return no
	}
	if len(b) < tcpLen+amsLen {
		return v.unfinished()
	}
	size, command, flags := le32(b[2:]), le16(b[tcpLen+16:]), le16(b[tcpLen+18:])
	if size < amsLen || size > maxLen || le32(b[tcpLen+20:]) != size-amsLen || command == 0 || command >= len(adsCommands) || flags != request && flags != response {
		return no
	}
	if flags == request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.named(fieldADSCommand, adsCommands, command)
	return c.finish()
}
