package dpi

import "rustnet/track/event"

var (
	fieldRTPPayload = event.AppString("rtp_payload", "Coding of the media: PCMU, G729, H261, … where its number is fixed, else the number.").Spelt(rtpPayloadForm)
	fieldRTPSource  = event.AppUint("rtp_ssrc", "", "Synchronisation source of the first packets.")
)

var rtpPayloadForm = event.OneOf(rtpCodings[:]...).OrNumber("", 127, nameIn(rtpCodings[:]))

var rtpFields = []*event.AppField{fieldRTPPayload, fieldRTPSource}

var rtpFirst = bytesIn("", 0x80, 0xbf)

const (
	rtpHeaderLen  = 12
	rtpMaxStep    = 8         // packets that may be missing between two
	rtpMaxSeconds = 10 * 90e3 // of the fastest clock that is usual, between two packets
)

// rtpCodings are the fixed numbers of RFC 3551 section 6.
var rtpCodings = [...]string{0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 6: "DVI4", 7: "LPC", 8: "PCMA", 9: "G722", 10: "L16", 11: "L16", 12: "QCELP",
	13: "CN", 14: "MPA", 15: "G728", 16: "DVI4", 17: "DVI4", 18: "G729", 25: "CelB", 26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}

// rtpPayload tells whether a payload type is in use.
func rtpPayload(kind byte) bool {
	return kind >= 96 || int(kind) < len(rtpCodings) && (rtpCodings[kind] != "" || kind == 19)
}

// rtpPacket judges a packet by itself (RFC 3550 section 5.1). Anything in random bytes looks so once in about five.
func rtpPacket(v *view) bool {
	b := v.b
	if len(b) < rtpHeaderLen || !rtpPayload(b[1]&0x7f) || be32(b[8:]) == 0 {
		return false
	}
	if b[0] == 0x81 && int(be16(b[2:])) == len(b) {
		return false // BACnet's length, where RTP has a number
	}
	head := rtpHeaderLen + 4*int(b[0]&15)
	if b[0]&0x10 != 0 {
		if len(b) < head+4 {
			return v.gap
		}
		head += 4 + 4*int(be16(b[head+2:]))
	}
	return head < len(b) || v.gap
}

// parseRTP recognises RTP by two packets of one direction that continue each other: the same source and coding, the
// next number, a time that goes on (a picture's packets share one).
func parseRTP(c *call) verdict {
	v := &c.view[c.side]
	if !rtpPacket(v) {
		return more // RTCP, perhaps, on the same ports
	}
	b := v.b
	// What must agree, behind it what must go on.
	number, time := be16(b[2:]), be32(b[4:])
	same := uint64(be32(b[8:]))<<7 | uint64(b[1]&0x7f)
	if a, last, ok := c.trail(trailRTP, c.side); ok && a>>16 == same {
		step := number - uint16(a)
		ahead := int32(time - last)
		if step == 0 { // sent again
			return more
		}
		if step <= rtpMaxStep && ahead > -rtpMaxSeconds && ahead < rtpMaxSeconds && (ahead != 0 || b[1]&0x7f >= 25) {
			c.rtpFacts(b)
			return c.finish()
		}
	}
	c.leave(trailRTP, same<<16|uint64(number), time)
	return more
}

func (c *call) rtpFacts(b []byte) {
	a := c.edit()
	kind := b[1] & 0x7f
	if int(kind) < len(rtpCodings) && rtpCodings[kind] != "" {
		a.SetStr(fieldRTPPayload, rtpCodings[kind])
	} else {
		c.hash = appendUint(c.hash[:0], uint64(kind))
		a.SetStr(fieldRTPPayload, c.text(c.hash))
	}
	a.SetUint(fieldRTPSource, uint64(be32(b[8:])))
}
