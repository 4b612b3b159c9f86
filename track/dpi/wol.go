package dpi

import "rustnet/track/event"

var (
	fieldWoLTarget = event.AppString("wol_target", "Link address of the machine to wake. A password behind it is not shown.").Spelt(event.MAC)

	wolFields = []*event.AppField{fieldWoLTarget}

	wolFirst = bytesIn("\xff", 1, 0)
)

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
