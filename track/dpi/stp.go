package dpi

import "rustnet/track/event"

var (
	fieldSTPVersion = event.AppUint("stp_version", "", "0 is spanning tree, 2 rapid, 3 with instances.")
	fieldSTPRoot    = event.AppString("stp_root", "Priority and link address of the bridge that the sender takes for the root.").Spelt(stpForm)
	fieldSTPBridge  = event.AppString("stp_bridge", "Priority and link address of the sender.").Spelt(stpForm)

	stpFields = []*event.AppField{fieldSTPVersion, fieldSTPRoot, fieldSTPBridge}
)

var stpForm = event.Shaped("the priority and a link address in small letters", "32768.02:00:5e:10:00:01", `[0-9]+\.[0-9a-f]{2}(:[0-9a-f]{2}){5}`)

const protoSTP = 259 // as decode numbers it

// parseSTP reads a bridge's message (IEEE 802.1D clause 9.3): configuration, rapid, or the notice of a change.
func parseSTP(c *call) verdict {
	const config, change, rapid = 0x00, 0x80, 0x02
	b := c.view[c.side].b
	if len(b) < 4 || be16(b) != 0 || b[2] > 4 || b[3] != config && b[3] != change && b[3] != rapid {
		return no
	}
	c.edit().SetUint(fieldSTPVersion, uint64(b[2]))
	if b[3] == change {
		c.know()
		return match // who is the root comes with the next one
	}
	if len(b) >= 25 {
		c.stpBridge(fieldSTPRoot, b[5:13])
		c.stpBridge(fieldSTPBridge, b[17:25])
	}
	return c.finish()
}

func (c *call) stpBridge(f *event.AppField, b []byte) {
	c.hash = append(appendUint(c.hash[:0], uint64(be16(b))), '.')
	c.hash = appendMAC(c.hash, b[2:])
	c.edit().SetStr(f, c.text(c.hash))
}
