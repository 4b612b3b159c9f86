package event

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// CommunitySeed goes into every community_id. It is set, if at all, before the first event is made.
var CommunitySeed uint16

// icmpPair gives the type that answers t, as version 1 of Community ID lists them
// (https://github.com/corelight/community-id-spec): requests and answers share one identifier.
func icmpPair(proto uint16, t uint8) (answer uint8, ok bool) {
	if proto == 1 {
		switch t { // RFC 792, 950, 1256
		case 0:
			return 8, true
		case 8:
			return 0, true
		case 9:
			return 10, true
		case 10:
			return 9, true
		case 13:
			return 14, true
		case 14:
			return 13, true
		case 15:
			return 16, true
		case 16:
			return 15, true
		case 17:
			return 18, true
		case 18:
			return 17, true
		}
		return 0, false
	}
	switch t { // RFC 2710, 4443, 4620, 4861, 4066 (144–145)
	case 128, 130, 133, 135, 139, 144:
		return t + 1, true
	case 129, 131, 134, 136, 140, 145:
		return t - 1, true
	}
	return 0, false
}

// appendCommunityID appends the connection's Community ID version 1, nothing for link protocols.
func appendCommunityID(dst []byte, e *Event) []byte {
	if !e.conn() || e.Proto > 255 {
		return dst
	}
	src, to := &e.Local, &e.Remote // as the first packet went, which matters for ICMP without an answer
	if !e.RemoteServes {
		src, to = to, src
	}
	sport, dport, oneWay, hasPorts := src.Port(), to.Port(), false, true
	switch e.Proto {
	case 6, 17, 132:
	case 1, 58:
		sport, dport = uint16(e.ICMPType), uint16(e.ICMPCode)
		if answer, ok := icmpPair(e.Proto, e.ICMPType); ok {
			dport = uint16(answer)
		} else {
			oneWay = true
		}
	default:
		hasPorts = false
	}
	a, b := src.Addr().Unmap(), to.Addr().Unmap()
	var m sha1Message
	n := 0 // words of it before the one that has the address's last two bytes, protocol, padding and ports
	seed := uint64(CommunitySeed) << 48
	switch { // the smaller end goes first, compared as bytes; IPv4 before IPv6
	case a.Is4() && b.Is4():
		x, y := number4(a), number4(b)
		if !oneWay && (x > y || x == y && sport > dport) {
			x, y, sport, dport = y, x, dport, sport
		}
		m[0], m[1], n = seed|x<<16|y>>16, y<<48, 1
	case a.Is6() && b.Is6():
		xh, xl := number6(a)
		yh, yl := number6(b)
		if !oneWay && (xh > yh || xh == yh && (xl > yl || xl == yl && sport > dport)) {
			xh, xl, yh, yl, sport, dport = yh, yl, xh, xl, dport, sport
		}
		m[0], m[1], m[2], m[3], m[4], n = seed|xh>>16, xh<<48|xl>>16, xl<<48|yh>>16, yh<<48|yl>>16, yl<<48, 4
	case !a.IsValid() || !b.IsValid():
		return dst
	default: // one of each, as in no packet
		if a.Is6() && !oneWay {
			a, b, sport, dport = b, a, dport, sport
		}
		text := binary.BigEndian.AppendUint16(make([]byte, 0, 32), CommunitySeed)
		text = append(append(append(text, a.AsSlice()...), b.AsSlice()...), byte(e.Proto), 0)
		if hasPorts {
			text = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(text, sport), dport)
		}
		m.set(text)
		return appendCommunity(dst, m.sum())
	}
	m[n] |= uint64(e.Proto) << 40
	size := 8*n + 4
	if hasPorts {
		m[n] |= uint64(sport)<<16 | uint64(dport)
		size += 4
	}
	m.end(size)
	return appendCommunity(dst, m.sum())
}

// appendCommunity appends the identifier of a sum.
func appendCommunity(dst []byte, sum sha1Sum) []byte {
	at := len(dst)
	dst = slices.Grow(dst, 30)[:at+30]
	dst[at], dst[at+1] = '1', ':'
	putBase64((*[28]byte)(dst[at+2:]), &sum)
	return dst
}

func number4(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

func number6(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
}

// putBase64 is encoding/base64's for this one length, at less than half of its cost.
func putBase64(text *[28]byte, sum *sha1Sum) {
	for i, x := range [...]uint64{sum[0], sum[0]<<48 | sum[1]>>16, sum[1]<<32 | sum[2]>>32} { // eight letters of six bytes
		binary.LittleEndian.PutUint64(text[8*i:], letter(x>>58)|letter(x>>52)<<8|letter(x>>46)<<16|letter(x>>40)<<24|
			letter(x>>34)<<32|letter(x>>28)<<40|letter(x>>22)<<48|letter(x>>16)<<56)
	}
	x := sum[2] >> 32
	binary.LittleEndian.PutUint32(text[24:], uint32(letter(x>>10)|letter(x>>4)<<8|letter(x<<2)<<16|'='<<24))
}

// letter gives that of Base64 for the lowest six bits.
func letter(x uint64) uint64 {
	return uint64("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[x&63])
}

func (e *Event) communityID() string {
	var buf [32]byte
	return string(appendCommunityID(buf[:0], e))
}
