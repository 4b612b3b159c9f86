package dpi

import "rustnet/track/event"

// Buildings, vehicles and robots. Lengths and fixed bytes make each of them unlike anything else.

var (
	fieldSOMEIPService = event.AppUint("someip_service", "", "Service of the first message; 65535 is service discovery.")
	fieldDoIPType      = event.AppUint("doip_type", "", "Payload type of the first message.")
	fieldDoIPVIN       = event.AppString("doip_vin", "Identification number of the vehicle.")
	fieldKNXService    = event.AppUint("knx_service", "", "Service type of the first message, such as 513 (0x0201), a search.")
	fieldRTPSVendor    = event.AppString("rtps_vendor", "Who made the implementation, the number where it has no name here.")

	someipFields = []*event.AppField{fieldSOMEIPService}
	doipFields   = []*event.AppField{fieldDoIPType, fieldDoIPVIN}
	knxFields    = []*event.AppField{fieldKNXService}
	rtpsFields   = []*event.AppField{fieldRTPSVendor}

	doipFirst = bytesIn("\xff", 1, 4)
	knxFirst  = bytesIn("\x06", 1, 0)
	rtpsFirst = bytesIn("R", 1, 0)

	// rtpsVendors: https://www.dds-foundation.org/dds-rtps-vendor-and-product-ids.
	rtpsVendors = []string{1: "RTI Connext", 2: "OpenSplice", 3: "OpenDDS", 5: "InterCOM", 6: "CoreDX", 15: "eProsima Fast DDS", 16: "Cyclone DDS", 17: "GurumDDS",
		18: "RustDDS"}
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
		if n < headerLen || n > len(b) && !v.gap || b[12] != 1 || b[13] == 0 && be16(b) != 0xffff || b[15] > 0x0f {
			return no
		}
		switch b[14] &^ 0x20 { // large messages come in parts
		case 0, 1, 2, 0x40, 0x41, 0x42, 0x80, 0x81, 0xc0, 0xc1:
		default:
			return no
		}
		b = b[min(n, len(b)):]
	}
	c.edit().SetUint(fieldSOMEIPService, uint64(be16(v.b)))
	return c.finish()
}

// parseDoIP reads a header (ISO 13400-2 chapter 9.2): version, its inverse, type, length.
func parseDoIP(c *call) verdict {
	const headerLen, announcement, vinLen = 8, 4, 17
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[0] != ^b[1] {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	kind, n := be16(b[2:]), int(min(be32(b[4:]), 1<<20))
	if !doipLength(kind, n) || b[0] == 0xff && kind > 3 || !c.f.tcp && !v.exactly(headerLen+n) {
		return no
	}
	c.edit().SetUint(fieldDoIPType, uint64(kind))
	if vin := b[headerLen:]; kind == announcement && len(vin) >= vinLen && printable(vin[:vinLen]) {
		c.fact(fieldDoIPVIN, vin[:vinLen])
	}
	return c.finish()
}

// doipLength tells whether a payload of the type can be so long (ISO 13400-2 chapter 7).
func doipLength(kind uint16, n int) bool {
	switch kind {
	case 0, 0x4004: // refusals; power mode
		return n == 1
	case 1, 7, 0x4001, 0x4003:
		return n == 0
	case 2:
		return n == 6
	case 3:
		return n == 17
	case 4:
		return n == 32 || n == 33
	case 5:
		return n == 7 || n == 11
	case 6:
		return n == 9 || n == 13
	case 8:
		return n == 2
	case 0x4002:
		return n == 3 || n == 7
	case 0x8001, 0x8002, 0x8003:
		return n >= 5 && n <= 1<<16
	}
	return false
}

// parseKNX reads a header of KNXnet/IP (ISO 22510): its length, version 1.0, service, total length.
func parseKNX(c *call) verdict {
	const headerLen = 6
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0x10 || len(b) > 2 && (b[2] < 2 || b[2] > 9) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	if n := int(be16(b[4:])); n < headerLen+2 || !c.f.tcp && !v.exactly(n) {
		return no
	}
	c.edit().SetUint(fieldKNXService, uint64(be16(b[2:])))
	return c.finish()
}

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
