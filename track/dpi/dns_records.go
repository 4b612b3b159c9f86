package dpi

import (
	"bytes"
	"encoding/base64"
	"net/netip"
)

// dnsRecord is a resource record; owner, data and end are offsets into its message.
type dnsRecord struct {
	owner, data, end int
	ttl              uint32
	kind, class      uint16
}

// record reads the record at an offset. Addresses of a wrong length are refused: what has them is no DNS.
func (m *dnsMessage) record(at int) (r dnsRecord, ok bool) {
	r.owner = at
	at, ok = dnsSkipName(m.b, at)
	if !ok || at+10 > len(m.b) {
		return r, false
	}
	head := m.b[at : at+10]
	n := int(be16(head[8:]))
	r.kind, r.class, r.ttl, r.data = be16(head), be16(head[2:]), be32(head[4:]), at+10
	r.end = r.data + n
	if r.end > len(m.b) {
		return r, false
	}
	query := m.opcode() == 0 // an UPDATE removes with empty data
	return r, !query || n == 0 || (r.kind != dnsA || n == 4) && (r.kind != dnsAAAA || n == 16)
}

// dnsSkipName returns the offset behind a name.
func dnsSkipName(b []byte, at int) (next int, ok bool) {
	for size := 0; at < len(b); {
		n := int(b[at])
		switch {
		case n == 0:
			return at + 1, true
		case n&0xc0 == 0xc0: // RFC 1035 section 4.1.4
			if at+2 > len(b) || int(be16(b[at:])&0x3fff) >= at || be16(b[at:])&0x3fff < dnsHeaderLen {
				return 0, false
			}
			return at + 2, true
		case n > 63 || at+1+n > len(b):
			return 0, false
		}
		at += 1 + n
		if size += 1 + n; size > dnsMaxName {
			break
		}
	}
	return 0, false
}

// dnsPrintable tells whether the letters of a name that dnsSkipName passed over can be printed.
func dnsPrintable(b []byte, at int) bool {
	for b[at] != 0 && b[at]&0xc0 == 0 {
		label := b[at+1 : at+1+int(b[at])]
		for _, c := range label {
			if c-'!' > '~'-'!' {
				return false
			}
		}
		at += 1 + len(label)
	}
	return true
}

// dnsName appends a name in dotted form; a dot or backslash within a label has a backslash before it (RFC 6763, 4.3), so that no two
// names read the same. Pointers lead only back, which bounds their number.
func (c *call) dnsName(dst, b []byte, at int) ([]byte, bool) {
	start, length := len(dst), 0
	for limit := len(b); at < len(b) && c.steps < dnsMaxSteps; {
		c.steps++
		n := int(b[at])
		switch {
		case n == 0:
			if len(dst) == start {
				dst = append(dst, '.')
			}
			return dst, true
		case n&0xc0 == 0xc0:
			if at+2 > len(b) {
				return dst, false
			}
			to := int(be16(b[at:]) & 0x3fff)
			if to >= at || to >= limit || to < dnsHeaderLen {
				return dst, false
			}
			at, limit = to, to
			continue
		case n > 63 || at+1+n > len(b) || length+n > dnsMaxName:
			return dst, false
		}
		if len(dst) > start {
			dst = append(dst, '.')
		}
		dst = dnsText(dst, b[at+1:at+1+n])
		at += 1 + n
		length += 1 + n
	}
	return dst, false
}

// dnsText appends a label.
func dnsText(dst, label []byte) []byte {
	if bytes.IndexByte(label, '.') < 0 && bytes.IndexByte(label, '\\') < 0 {
		return append(dst, label...)
	}
	for _, b := range label {
		if b == '.' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return dst
}

// Types whose data is read by name.
const (
	dnsA     = 1
	dnsCNAME = 5
	dnsAAAA  = 28
	dnsOPT   = 41
	dnsRRSIG = 46
	dnsNSEC  = 47
	dnsHTTPS = 65
	dnsANY   = 255
)

// dnsData appends the data of a record as a zone file would hold it; false for types that are not shown.
func (c *call) dnsData(dst, b []byte, rr *dnsRecord) ([]byte, bool) {
	b = b[:rr.end]
	r := cursor{b: b[rr.data:]}
	ok := true
	switch rr.kind {
	case dnsA, dnsAAAA:
		addr, ok := netip.AddrFromSlice(r.b)
		if !ok {
			return dst, false
		}
		return addr.AppendTo(dst), true
	case 2, dnsCNAME, 12, 39, dnsNSEC: // NS PTR DNAME
		return c.dnsName(dst, b, rr.data)
	case 15, 18, 36, 21: // MX AFSDB KX RT
		dst = r.decimals(dst, 2)
		dst, ok = c.dnsName(dst, b, rr.data+2)
	case 33: // SRV, RFC 2782
		dst = r.decimals(dst, 2, 2, 2)
		dst, ok = c.dnsName(dst, b, rr.data+6)
	case 6: // SOA
		return c.dnsSOA(dst, b, rr.data)
	case 13, 16, 99: // HINFO TXT SPF
		return dnsTexts(dst, r, rr.kind == 13)
	case 35: // NAPTR, RFC 3403
		dst = r.decimals(dst, 2, 2)
		for range 3 {
			dst = append(append(append(dst, '"'), r.vector8()...), '"', ' ')
		}
		dst, ok = c.dnsName(dst, b, rr.end-len(r.b))
	case 43, 59: // DS CDS, RFC 4034
		dst = appendHex(r.decimals(dst, 2, 1, 1), r.b)
	case 44: // SSHFP, RFC 4255
		dst = appendHex(r.decimals(dst, 1, 1), r.b)
	case 52, 53: // TLSA SMIMEA, RFC 6698
		dst = appendHex(r.decimals(dst, 1, 1, 1), r.b)
	case 48, 60: // DNSKEY CDNSKEY, RFC 4034
		dst = base64.StdEncoding.AppendEncode(r.decimals(dst, 2, 1, 1), r.b)
	case dnsRRSIG: // without its times and the signature itself
		dst = append(append(dst, c.dnsTypeName(uint16(r.u16()))...), ' ')
		dst = r.decimals(dst, 1, 1, 4)
		dst, ok = c.dnsName(dst, b, min(rr.data+18, rr.end))
	case 64, dnsHTTPS: // SVCB, RFC 9460
		return c.dnsService(dst, b, rr)
	case 256: // URI, RFC 7553
		dst = append(r.decimals(dst, 2, 2), r.b...)
	case 257: // CAA, RFC 8659
		dst = r.decimals(dst, 1)
		dst = append(append(append(dst, r.vector8()...), ' '), r.b...)
	default:
		return dst, false
	}
	return dst, ok && !r.bad
}

// decimals reads numbers of the given sizes, and appends each with a space behind it.
func (r *cursor) decimals(dst []byte, sizes ...int) []byte {
	for _, size := range sizes {
		n := uint64(0)
		for _, b := range r.bytes(size) {
			n = n<<8 | uint64(b)
		}
		dst = append(appendUint(dst, n), ' ')
	}
	return dst
}

func appendHex(dst, b []byte) []byte {
	for _, d := range b {
		dst = append(dst, hexDigits[d>>4], hexDigits[d&15])
	}
	return dst
}

func (c *call) dnsSOA(dst, b []byte, at int) ([]byte, bool) {
	for range 2 { // primary server, mailbox
		var ok bool
		if dst, ok = c.dnsName(dst, b, at); !ok {
			return dst, false
		}
		dst = append(dst, ' ')
		at, _ = dnsSkipName(b, at)
	}
	if at == 0 || at+4 > len(b) {
		return dst, false
	}
	return appendUint(dst, uint64(be32(b[at:]))), true
}

// dnsTexts appends strings one behind the other: that is how a long text is sent.
func dnsTexts(dst []byte, r cursor, spaced bool) ([]byte, bool) {
	for first := true; len(r.b) > 0; first = false {
		if spaced && !first {
			dst = append(dst, ' ')
		}
		dst = append(dst, r.vector8()...)
	}
	return dst, !r.bad
}

// dnsService appends priority, target and the parameters of a service that have a readable form (RFC 9460 section 2.1).
func (c *call) dnsService(dst, b []byte, rr *dnsRecord) ([]byte, bool) {
	r := cursor{b: b[rr.data:]}
	dst, ok := c.dnsName(r.decimals(dst, 2), b, rr.data+2)
	if !ok {
		return dst, false
	}
	at, _ := dnsSkipName(b, rr.data+2)
	for r.b = b[at:]; len(r.b) > 0; {
		key, value := r.u16(), cursor{b: r.vector16()}
		if r.bad {
			return dst, false
		}
		switch key {
		case 1:
			dst = append(dst, " alpn="...)
			for first := true; len(value.b) > 0; first = false {
				if !first {
					dst = append(dst, ',')
				}
				dst = append(dst, value.vector8()...)
			}
		case 2:
			dst = append(dst, " no-default-alpn"...)
		case 3:
			dst = appendUint(append(dst, " port="...), uint64(value.u16()))
		case 4:
			dst = dnsHints(append(dst, " ipv4hint="...), value, 4)
		case 5:
			dst = append(dst, " ech"...) // the key alone is hundreds of bytes
		case 6:
			dst = dnsHints(append(dst, " ipv6hint="...), value, 16)
		}
	}
	return dst, true
}

func dnsHints(dst []byte, r cursor, size int) []byte {
	for first := true; len(r.b) >= size; first = false {
		if !first {
			dst = append(dst, ',')
		}
		addr, _ := netip.AddrFromSlice(r.bytes(size))
		dst = addr.AppendTo(dst)
	}
	return dst
}
