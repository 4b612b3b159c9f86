package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var icpOpcodes = map[byte]string{1: "query", 2: "hit", 3: "miss", 4: "err", 10: "secho", 11: "decho", 21: "miss-nofetch", 22: "denied", 23: "hit-obj"}

var icpOpcodeForm = event.OneOf(listed(icpOpcodes)...)

var (
	fieldICPOpcode = event.AppString("icp_opcode", "Kind of the first question: query, secho, decho.").Spelt(icpOpcodeForm)
	fieldICPURL    = event.AppString("icp_url", "URL that the first message is about, without its query string.")
	fieldICPAnswer = event.AppString("icp_answer", "Kind of the first answer.").Spelt(icpOpcodeForm)

	icpFields = []*event.AppField{fieldICPOpcode, fieldICPURL, fieldICPAnswer}

	icpFirst = bytesIn("\x01\x02\x03\x04\x0a\x0b\x15\x16\x17", 1, 0)
)

const icpHeaderLen = 20

// parseICP reads what caches ask each other (RFC 2186): header, the asker's address in a query, a URL.
func parseICP(c *call) verdict {
	const version, addressLen, query, secho, decho, hitObj = 2, 4, 1, 10, 11, 23
	v := &c.view[c.side]
	b := v.b
	if b[1] != version || !v.exactly(int(be16(b[2:]))) {
		return no
	}
	kind, payload := b[0], b[icpHeaderLen:]
	if kind == query {
		payload = payload[min(addressLen, len(payload)):] // whose the question is, not used
	}
	url, rest, whole := zeroText(payload)
	if !whole && !v.gap || !oneLine(url) || !bytes.Contains(url, []byte("://")) || len(rest) > 0 && kind != hitObj {
		return no
	}
	if !whole {
		url = nil // cut
	}
	asks := kind == query || kind == secho || kind == decho
	first := c.f.app == nil || !c.f.app.Has(fieldICPOpcode)
	if first {
		c.fact(fieldICPURL, c.shownURL(url))
	}
	switch {
	case !asks:
		c.setClient(1 - c.side)
		c.edit().SetStr(fieldICPAnswer, icpOpcodes[kind])
		return c.finish()
	case first:
		c.setClient(c.side)
		c.edit().SetStr(fieldICPOpcode, icpOpcodes[kind])
		c.know()
	}
	return match
}
