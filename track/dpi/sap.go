package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSAPSession = event.AppString("sap_session", "Name of the first session that is announced.")

	sapFields = []*event.AppField{fieldSAPSession}

	sapFirst = bytesIn("", 0x20, 0x3f)
)

// parseSAP reads an announcement of a session, or that it is over (RFC 2974), whose payload is SDP in the clear.
func parseSAP(c *call) verdict {
	const ipv6, deletion, closed, word = 0x10, 0x04, 0x03, 4
	v := &c.view[c.side]
	b := v.b
	head := 8 + word*int(b[1])
	if b[0]&ipv6 != 0 {
		head += 12
	}
	if b[0]&closed != 0 || head >= len(b) { // encrypted or compressed
		return no
	}
	sdp := bytes.TrimPrefix(b[head:], []byte("application/sdp\x00"))
	if b[0]&deletion == 0 && !bytes.HasPrefix(sdp, []byte("v=0\r")) && !bytes.HasPrefix(sdp, []byte("v=0\n")) || b[0]&deletion != 0 && !bytes.HasPrefix(sdp, []byte("o=")) && !bytes.HasPrefix(sdp, []byte("v=0")) ||
		!readable(bytes.TrimRight(sdp, "\x00")) {
		return no
	}
	c.setClient(c.side)
	for len(sdp) > 0 {
		line, size := cutLine(sdp)
		if size == 0 {
			break
		}
		if name, ok := bytes.CutPrefix(line, []byte("s=")); ok {
			c.fact(fieldSAPSession, name)
			break
		}
		sdp = sdp[size:]
	}
	return c.finish()
}
