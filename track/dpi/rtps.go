package dpi

import "rustnet/track/event"

var (
	fieldRTPSVendor = event.AppString("rtps_vendor", "Who made the implementation, the number where it has no name here.").Spelt(event.OneOf(rtpsVendors...).OrNumber("", 255, nameIn(rtpsVendors)))

	rtpsFields = []*event.AppField{fieldRTPSVendor}

	rtpsFirst = bytesIn("R", 1, 0)

	// rtpsVendors: https://www.dds-foundation.org/dds-rtps-vendor-and-product-ids.
	rtpsVendors = []string{1: "RTI Connext", 2: "OpenSplice", 3: "OpenDDS", 5: "InterCOM", 6: "CoreDX", 15: "eProsima Fast DDS", 16: "Cyclone DDS", 17: "GurumDDS",
		18: "RustDDS"}
)

// parseRTPS reads a header of DDS' wire protocol (OMG DDSI-RTPS section 8.3.3): magic, version, vendor.
func parseRTPS(c *call) verdict {
	const headerLen = 20
	b := c.view[c.side].b
	if len(b) < headerLen || string(b[:4]) != "RTPS" || b[4] == 0 || b[4] > 2 || b[6] != 1 {
		return no
	}
	if int(b[7]) < len(rtpsVendors) && rtpsVendors[b[7]] != "" {
		c.named(fieldRTPSVendor, rtpsVendors, int(b[7]))
	} else {
		c.hash = appendUint(c.hash[:0], uint64(b[7]))
		c.fact(fieldRTPSVendor, c.hash)
	}
	return c.finish()
}
