package dpi

import "rustnet/track/event"

var (
	fieldSOMEIPService = event.AppUint("someip_service", "", "Service of the first message; 65535 is service discovery.")

	someipFields = []*event.AppField{fieldSOMEIPService}
)

// parseSOMEIP reads messages of AUTOSAR's SOME/IP (PRS_SOMEIPProtocol chapter 4.1): service, method, length, client,
// session, version 1, the interface's version, kind, return code. They must fill the datagram.
func parseSOMEIP(c *call) verdict {
	const headerLen = 16
	v := &c.view[c.side]
	for b := v.b; len(b) > 0; {
		if len(b) < headerLen {
			return no
		}
		n := 8 + int(min(be32(b[4:]), 1<<16))
		if n < headerLen || n > len(b)+int(v.gapLen) || b[12] != 1 || b[13] == 0 && be16(b) != 0xffff || b[15] > 0x0f {
			return no
		}
		switch b[14] &^ 0x20 { // large messages come in parts
		case 0, 1, 2, 0x40, 0x41, 0x42, 0x80, 0x81, 0xc0, 0xc1:
		default:
			return no
		}
		if v.gap && len(b)-n < headerLen { // what is behind it was cut; a length that stops inside of that proves nothing
			if rest := len(b) + int(v.gapLen) - n; rest != 0 && (rest < headerLen || n > len(b) && len(b) == len(v.b)) {
				return no
			}
			break
		}
		b = b[n:]
	}
	c.edit().SetUint(fieldSOMEIPService, uint64(be16(v.b)))
	return c.finish()
}
