package dpi

import "rustnet/track/event"

var (
	fieldCAPWAPMessage = event.AppString("capwap_message", "Kind of the first message in the clear.").Spelt(event.OneOf(capwapMessages...))

	capwapFields = []*event.AppField{fieldCAPWAPMessage}

	capwapFirst = bytesIn("", 0, 1)

	capwapMessages = []string{1: "discovery-request", 2: "discovery-response", 3: "join-request", 4: "join-response", 5: "configuration-status-request",
		6: "configuration-status-response", 7: "configuration-update-request", 8: "configuration-update-response", 9: "wtp-event-request",
		10: "wtp-event-response", 11: "change-state-request", 12: "change-state-response", 13: "echo-request", 14: "echo-response",
		15: "image-data-request", 16: "image-data-response", 17: "reset-request", 18: "reset-response", 19: "primary-discovery-request",
		20: "primary-discovery-response", 21: "data-transfer-request", 22: "data-transfer-response", 23: "clear-configuration-request",
		24: "clear-configuration-response", 25: "station-configuration-request", 26: "station-configuration-response"}
)

// parseCAPWAP reads the control of access points (RFC 5415 section 4): within DTLS, or in the clear on its port.
func parseCAPWAP(c *call) verdict {
	const inDTLS = 1
	v := &c.view[c.side]
	b := v.b
	if b[0] == inDTLS {
		if be24(b[1:]) == 0 && len(b) > 4+13 && b[4] >= 20 && b[4] <= 25 && b[5] == 0xfe && b[6] >= 0xfd {
			return c.finish()
		}
		return no
	}
	if c.hasPort(5247) {
		return c.capwapData(v)
	}
	at := int(b[1]>>3) * 4
	if !c.hasPort(5246) || at < 8 || len(b) < at+8 {
		return no
	}
	kind, n := be32(b[at:]), int(be16(b[at+5:]))
	if kind == 0 || kind >= uint32(len(capwapMessages)) || !v.exactly(at+5+n) && !v.exactly(at+8+n) {
		return no
	}
	c.named(fieldCAPWAPMessage, capwapMessages, int(kind))
	return c.finish()
}

// capwapData knows what goes between an access point and its controller beside the control (RFC 5415 section 4.4): a keep-alive, whose
// only element is the session, and frames of 802.11 that hold no packet.
func (c *call) capwapData(v *view) verdict {
	const native, keepAlive, wifi, session, sessionLen = 0x100, 0x08, 1, 35, 16
	b := v.b
	at, flags := int(b[1]>>3)*4, be16(b[2:])
	if at < 8 || len(b) < at+10 || flags&7 != 0 {
		return no
	}
	switch {
	case flags&keepAlive != 0:
		if n := int(be16(b[at:])); n < 4+sessionLen || !v.exactly(at+n) || be16(b[at+2:]) != session || be16(b[at+4:]) != sessionLen && be16(b[at+4:]) != 4 {
			return no
		}
	case flags&native == 0 || flags>>9&31 != wifi || be32(b[4:]) != 0 || b[at]&3 != 0 && b[at+1]&3 != 0:
		return no
	}
	return c.finish()
}
