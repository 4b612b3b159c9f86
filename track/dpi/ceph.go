package dpi

import "rustnet/track/event"

var (
	fieldCephBanner = event.AppString("ceph_version", "Version of the messenger that was told first.").Spelt(event.Dotted)

	cephFields = []*event.AppField{fieldCephBanner}

	cephFirst = bytesIn("c", 1, 0)
)

// parseCeph reads the banner of messenger 1 or 2 (Ceph's documentation, msgr2 protocol).
func parseCeph(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins("ceph v"); got != match {
		return got
	}
	if len(v.b) < 9 {
		return v.unfinished()
	}
	switch {
	case string(v.b[6:8]) == "2\n":
		c.fact(fieldCephBanner, v.b[6:7])
	case digits(v.b[6:9], 3): // one version for all numbers: 027
		c.fact(fieldCephBanner, v.b[6:9])
	default:
		return no
	}
	return c.finish()
}
