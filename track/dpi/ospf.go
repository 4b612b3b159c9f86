package dpi

import (
	"encoding/binary"
	"strconv"

	"rustnet/track/event"
)

var (
	fieldOSPFVersion = event.AppUint("ospf_version", "", "Version: 2 for IPv4, 3 for IPv6.")
	fieldOSPFType    = event.AppString("ospf_type", "First message: hello, description, request, update or acknowledgement.").Spelt(event.OneOf(ospfTypes...))
	fieldOSPFRouter  = event.AppString("ospf_router", "Router id of the sender.").Spelt(event.Address)
	fieldOSPFArea    = event.AppString("ospf_area", "Area, as an address: 0.0.0.0 is the backbone.").Spelt(ospfAreaForm)

	ospfFields = []*event.AppField{fieldOSPFVersion, fieldOSPFType, fieldOSPFRouter, fieldOSPFArea}

	ospfTypes = []string{1: "hello", 2: "description", 3: "request", 4: "update", 5: "acknowledgement"}
)

var ospfAreaForm = event.Address.Meaning(func(text string) string {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return ""
	}
	return string(appendDotted(nil, binary.BigEndian.AppendUint32(nil, uint32(n))))
})

const protoOSPF = 89 // IANA's number

// parseOSPF reads the header of versions 2 (RFC 2328 appendix A.3.1) and 3 (RFC 5340 appendix A.3.1), which begin alike. The
// checksum of version 3 is over addresses, too, and that of version 2 leaves out the password, which is never shown.
func parseOSPF(c *call) verdict {
	const header2, header3, noAuth = 24, 16, 0
	v := &c.view[c.side]
	b := v.b
	if len(b) < header3 || b[0] != 2 && b[0] != 3 || int(b[1]) >= len(ospfTypes) || ospfTypes[b[1]] == "" {
		return no
	}
	header, n := header3, int(be16(b[2:]))
	if b[0] == 2 {
		header = header2
	}
	if len(b) < header || n < header || n > len(b) && !v.gap || b[0] == 2 && be16(b[14:]) == noAuth && !v.sums(b[:min(n, len(b))]) {
		return no
	}
	a := c.edit()
	a.SetUint(fieldOSPFVersion, uint64(b[0]))
	a.SetStr(fieldOSPFType, ospfTypes[b[1]])
	c.address(fieldOSPFRouter, b[4:8])
	c.hash = appendDotted(c.hash[:0], b[8:12])
	a.SetStr(fieldOSPFArea, c.text(c.hash))
	return c.finish()
}

func appendDotted(dst, b []byte) []byte {
	for i, d := range b {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendUint(dst, uint64(d))
	}
	return dst
}
