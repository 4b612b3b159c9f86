package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldISCSIInitiator = event.AppString("iscsi_initiator", "Name of the initiator.")
	fieldISCSITarget    = event.AppString("iscsi_target", "Name of the target that it logs in to.")

	iscsiFields = []*event.AppField{fieldISCSIInitiator, fieldISCSITarget}

	iscsiFirst = bytesIn("\x03\x23\x43", 1, 0)
)

// parseISCSI reads a login (RFC 7143 section 11.12): a header of 48 bytes and texts of key and value. Secrets are in keys that
// are not shown.
func parseISCSI(c *call) verdict {
	const headerLen, request, answer, maxText = 48, 0x03, 0x23, 8 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 0) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be24(b[5:])
	if b[4] != 0 || n > maxText || b[1]&0x30 != 0 {
		return no
	}
	if b[0] == answer { // the request was missed
		key, _, pair := bytes.Cut(b[headerLen:], []byte("="))
		if n == 0 || len(b) > headerLen && (!pair || !hostName(key)) {
			return no
		}
		c.setClient(1 - c.side)
		return c.finish()
	}
	if b[0]&0x40 == 0 || n == 0 {
		return no
	}
	if len(b) < headerLen+n && !v.gap {
		return v.unfinished()
	}
	known := false
	for text := b[headerLen:min(len(b), headerLen+n)]; len(text) > 0; {
		pair, rest, whole := zeroText(text)
		text = rest
		key, value, ok := bytes.Cut(pair, []byte("="))
		if !whole {
			known = known || v.gap && string(key) == "InitiatorName"
			break
		}
		if len(pair) > 0 && !ok {
			return no
		}
		switch string(key) {
		case "InitiatorName":
			c.firstFact(fieldISCSIInitiator, value)
			known = true
		case "TargetName":
			c.firstFact(fieldISCSITarget, value)
		case "AuthMethod", "SessionType", "HeaderDigest", "MaxRecvDataSegmentLength":
			known = true
		}
	}
	if !known {
		return no
	}
	c.setClient(c.side)
	return c.finish()
}
