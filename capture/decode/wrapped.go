package decode

import (
	"encoding/binary"

	"rustnet/capture"
)

var le = binary.LittleEndian

// Flags of radiotap and PPI that change how the frame behind them is laid out.
const (
	wifiSum = 0x10 // four bytes of checksum at the end
	wifiPad = 0x20 // the 802.11 header is padded to a multiple of 4

	wifiSwapped = 0x100 // none of theirs: the second byte of the frame control stands first
)

// radiotap reads the header of radiotap.org. Of its fields only the flags matter, which stand first
// but for a time stamp.
func (d *Decoder) radiotap(b []byte, wire int, p *Packet) Skip {
	if len(b) < 8 {
		return SkipTruncated
	}
	n := int(le.Uint16(b[2:]))
	if n < 8 || b[0] != 0 {
		return SkipMalformed
	}
	if n > len(b) {
		return SkipTruncated
	}
	at := 8
	for more := le.Uint32(b[4:]); more&(1<<31) != 0; at += 4 {
		if at+4 > n {
			return SkipMalformed
		}
		more = le.Uint32(b[at:])
	}
	present := le.Uint32(b[4:])
	if present&1 != 0 {
		at = (at+7)&^7 + 8
	}
	var flags byte
	if present&2 != 0 && at < n {
		flags = b[at]
	}
	return d.wifi(b[n:], wire-n, uint16(flags), p)
}

// prism reads the header of the Prism chips or the AVS one that came after it.
func (d *Decoder) prism(b []byte, wire int, p *Packet) Skip {
	if len(b) < 8 {
		return SkipTruncated
	}
	n := int(min(le.Uint32(b[4:]), maxWire))
	if be.Uint32(b)&^0xff == 0x80211000 {
		n = int(min(be.Uint32(b[4:]), maxWire))
	}
	if n < 8 {
		return SkipMalformed
	}
	if n > len(b) {
		return SkipTruncated
	}
	return d.wifi(b[n:], wire-n, 0, p)
}

// ppi reads CACE's per-packet information, which says the link type behind it.
func (d *Decoder) ppi(b []byte, wire int, p *Packet) Skip {
	if len(b) < 8 {
		return SkipTruncated
	}
	n, t := int(le.Uint16(b[2:])), capture.LinkType(min(le.Uint32(b[4:]), 0xffff))
	if n < 8 {
		return SkipMalformed
	}
	if n > len(b) {
		return SkipTruncated
	}
	if t != linkWiFi {
		return d.behind(t, b[n:], wire-n, p)
	}
	var flags uint16
	if n >= 8+4+10 && le.Uint16(b[8:]) == 2 && b[8+4+8]&1 != 0 { // 802.11-Common, FCS present
		flags = wifiSum
	}
	return d.wifi(b[n:], wire-n, flags, p)
}

// pktap reads Apple's header; all of it is little endian.
func (d *Decoder) pktap(b []byte, wire int, p *Packet) Skip {
	if len(b) < 12 {
		return SkipTruncated
	}
	n := int(min(le.Uint32(b), maxWire))
	if n < 12 || le.Uint32(b[4:]) != 1 {
		return SkipNotIP
	}
	if n > len(b) {
		return SkipTruncated
	}
	return d.behind(capture.LinkType(min(le.Uint32(b[8:]), 0xffff)), b[n:], wire-n, p)
}

// behind goes on with a link type that a header said, unless that would be such a header again.
func (d *Decoder) behind(t capture.LinkType, b []byte, wire int, p *Packet) Skip {
	switch t {
	case linkPPI, linkPKTAP, linkUser2:
		return SkipLinkType
	}
	return d.link(t, b, wire, p)
}

// nflog reads netfilter's log: attributes in the byte order of the machine that wrote them, of which
// 9 is the packet (NFULA_PAYLOAD) and the family says what it is.
func (d *Decoder) nflog(b []byte, wire int, p *Packet) Skip {
	if len(b) < 4 {
		return SkipTruncated
	}
	family := b[0]
	b, wire = b[4:], wire-4
	for len(b) >= 4 {
		n, t := int(le.Uint16(b)), le.Uint16(b[2:])
		if t&0x7fff > 0xff {
			n, t = int(be.Uint16(b)), be.Uint16(b[2:])
		}
		if n < 4 {
			return SkipMalformed
		}
		if t == 9 {
			b, wire = b[4:min(len(b), n)], min(wire, n)-4
			switch family {
			case 2, 10:
				return d.ip(b, wire, p)
			case 7: // AF_BRIDGE
				return d.ethernet(b, wire, p)
			}
			return SkipNotIP
		}
		n = min((n+3)&^3, len(b))
		b, wire = b[n:], wire-n
	}
	return SkipNotIP
}

// wifi reads an IEEE 802.11 data frame as far as its LLC header. Of several packets in one frame
// (A-MSDU) the first is taken. What is encrypted, or goes on in another frame, is not IP to us.
func (d *Decoder) wifi(b []byte, wire int, flags uint16, p *Packet) Skip {
	if flags&wifiSum != 0 && wire >= 4 {
		wire -= 4
		b = b[:min(len(b), wire)]
	}
	if len(b) < 2 {
		return SkipTruncated
	}
	const data, null, protected = 2, 4, 0x40
	what, how := b[0], b[1]
	if flags&wifiSwapped != 0 {
		what, how = how, what
	}
	kind, sub, toDS, fromDS := what>>2&3, what>>4, how&1 != 0, how&2 != 0
	if kind != data || what&3 != 0 || sub&null != 0 || how&protected != 0 {
		return SkipNotIP
	}
	n, qos := 24, sub&8 != 0
	if toDS && fromDS {
		n += 6
	}
	control := n
	if qos {
		n += 2
		if how&0x80 != 0 { // HT control
			n += 4
		}
	}
	if flags&wifiPad != 0 {
		n = (n + 3) &^ 3
	}
	if len(b) < n {
		return SkipTruncated
	}
	if be.Uint16(b[22:])&0x0f00 != 0 { // little endian; the low four bits number fragments
		return SkipNotIP
	}
	dst, src := b[4:10], b[10:16]
	if toDS {
		dst = b[16:22]
	}
	if fromDS {
		src = b[16:22]
	}
	if toDS && fromDS {
		src = b[24:30]
	}
	copy(d.macs[:], dst)
	copy(d.macs[6:], src)
	if qos && b[control]&0x80 != 0 { // A-MSDU: addresses and a length before each
		if len(b) < n+14 {
			return SkipTruncated
		}
		copy(d.macs[:], b[n:n+12])
		length := int(be.Uint16(b[n+12:]))
		b, wire = b[n+14:], wire-n-14
		if length < wire {
			b, wire = b[:min(len(b), length)], length
		}
		return d.llc(d.macs[:], b, wire, p)
	}
	return d.llc(d.macs[:], b[n:], wire-n, p)
}
