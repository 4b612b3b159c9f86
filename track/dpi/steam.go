package dpi

import "rustnet/track/event"

var (
	fieldSteamHost = event.AppString("steam_host", "Name of the machine that looks for others to stream with.")

	steamFields = []*event.AppField{fieldSteamHost}
)

// parseSteam reads the search for other machines to stream to, and the connection to Valve's servers, over UDP and TCP,
// by their magic numbers (SteamKit's and SteamDatabase's protocol files).
func parseSteam(c *call) verdict {
	const discovery, overUDP, overTCP = "\xff\xff\xff\xff\x21\x4c\x5f\xa0", "VS01", "VT01"
	v := &c.view[c.side]
	b := v.b
	if c.f.tcp { // a length before it
		if len(b) > 4 && b[4] != 'V' {
			return no
		}
		if len(b) < 8 {
			return v.unfinished()
		}
		if n := le32(b); string(b[4:8]) != overTCP || n == 0 || n > 1<<20 {
			return no
		}
		return c.finish()
	}
	switch {
	case len(b) >= 36 && string(b[:4]) == overUDP:
	case len(b) >= 16 && string(b[:8]) == discovery:
		c.steamHost(b[8:])
	default:
		return no
	}
	return c.finish()
}

// steamHost looks for the host's name, field 4 of a broadcast's body in protocol buffers, behind header and length.
func (c *call) steamHost(b []byte) {
	const text, hostname = 2, 4
	n := le32(b)
	if n > 1<<10 || int(n)+8 > len(b) {
		return
	}
	b = b[4+n:]
	r := cursor{b: b[4:]}
	for len(r.b) > 0 {
		tag := r.mqttVarint()
		switch tag & 7 {
		case 0:
			r.mqttVarint()
		case 1:
			r.bytes(8)
		case text:
			if body := r.bytes(r.mqttVarint()); tag>>3 == hostname && !r.bad {
				c.firstFact(fieldSteamHost, body)
				return
			}
		case 5:
			r.bytes(4)
		default:
			return
		}
	}
}
