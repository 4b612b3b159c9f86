package dpi

import (
	"strings"

	"rustnet/track/event"
)

var (
	fieldEAPOLType     = event.AppString("eapol_type", "First frame: eap, start, logoff, key or mka.").Spelt(event.OneOf(eapolTypes...))
	fieldEAPOLMethod   = event.AppString("eapol_method", "Method of EAP that was asked for first, such as TLS or PEAP.").Spelt(eapolMethodForm)
	fieldEAPOLIdentity = event.AppString("eapol_identity", "Identity that was given, often an anonymous one.")

	eapolFields = []*event.AppField{fieldEAPOLType, fieldEAPOLMethod, fieldEAPOLIdentity}

	eapolTypes = []string{0: "eap", 1: "start", 2: "logoff", 3: "key", 5: "mka"}
	// eapMethods: https://www.iana.org/assignments/eap-numbers.
	eapMethods = []string{4: "MD5", 5: "OTP", 6: "GTC", 13: "TLS", 17: "LEAP", 18: "SIM", 21: "TTLS", 23: "AKA", 25: "PEAP", 26: "MSCHAPV2", 43: "FAST",
		50: "AKA'", 52: "PWD", 55: "TEAP"}
)

var eapolMethodForm = event.OneOf(eapMethods...).Meaning(func(text string) string { return strings.TrimPrefix(strings.ToUpper(text), "EAP-") })

const protoEAPOL = 260 // as decode numbers it

// parseEAPOL reads frames of IEEE 802.1X clause 11 and EAP within them (RFC 3748 section 4).
func parseEAPOL(c *call) verdict {
	const eap, request, response, success, failure, identity, nak = 0, 1, 2, 3, 4, 1, 3
	v := &c.view[c.side]
	r := cursor{b: v.b}
	version, kind := r.u8(), r.u8()
	n := r.u16()
	if r.bad || version == 0 || version > 3 || kind >= len(eapolTypes) || eapolTypes[kind] == "" || n > len(r.b) && !v.gap {
		return no
	}
	c.named(fieldEAPOLType, eapolTypes, kind)
	c.know()
	if kind != eap {
		return match
	}
	code := r.u8()
	r.u8() // identifier
	size := r.u16()
	if r.bad || size > n || size-4 > len(r.b) {
		return match
	}
	r.b = r.b[:max(0, size-4)]
	switch method := r.u8(); {
	case code == success || code == failure:
		return done
	case r.bad:
	case code == response && method == identity:
		c.firstFact(fieldEAPOLIdentity, r.b)
	case code == request && method > nak:
		c.named(fieldEAPOLMethod, eapMethods, method)
	}
	return match
}
