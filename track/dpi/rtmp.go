package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldRTMPApp = event.AppString("rtmp_app", "Application that the client connects to.")
	fieldRTMPURL = event.AppString("rtmp_url", "URL of the server as the client gave it (tcUrl), without a query string.")
)

var rtmpFields = []*event.AppField{fieldRTMPApp, fieldRTMPURL}

var rtmpFirst = bytesIn("\x03", 1, 0)

// Lengths of RTMP 1.0 section 5.2.
const (
	rtmpHandshake = 1536
	rtmpOpening   = 1 + rtmpHandshake + rtmpHandshake // C0, C1, C2
	rtmpCommand   = 20                                // message type: command in AMF0
)

// parseRTMP reads the client's handshake and its command "connect", which is proof. Of a server alone, so is its first message.
func parseRTMP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	// C1 holds a time and four zeros, or the version of a Flash player; no packet of TPKT looks like that.
	if len(b) > 8 && (b[5] != 0 && b[5] < 9 || b[1] == 0 && b[2] == 0 && b[3] == 0 && b[4] == 3) {
		return no
	}
	if other := c.view[1-c.side].b; len(other) > 0 && other[0] != 3 {
		return no
	}
	const headerLen = 12 // of a chunk with a whole message header
	if len(b) < rtmpOpening+headerLen {
		return v.unfinished()
	}
	chunk := b[rtmpOpening:]
	if string(chunk[:4]) == "\x02\x00\x00\x00" { // a server goes on with how much it sends before it wants to hear, or in which pieces (section 5.4)
		const chunkSize, window, bandwidth = 1, 5, 6
		if kind, size := chunk[7], be24(chunk[4:]); !(size == 4 && (kind == window || kind == chunkSize) || size == 5 && kind == bandwidth) || le32(chunk[8:]) != 0 {
			return no
		}
		if !c.unheard() {
			return v.unfinished()
		}
		c.setClient(1 - c.side)
		return c.finish()
	}
	n := be24(chunk[4:])
	if chunk[0] != 3 || n < 20 || n > 4<<10 || chunk[7] != rtmpCommand || le32(chunk[8:]) != 0 {
		return no
	}
	command := "\x02\x00\x07connect\x00"
	rest := view{b: chunk[headerLen:], gap: v.gap, fin: v.fin}
	if got := rest.begins(command); got != match {
		return got
	}
	// Chunks are of 128 bytes until the size is changed, with a byte between.
	size := headerLen + n + (n-1)/128
	if len(chunk) < size {
		return v.unfinished()
	}
	body := c.message[:0]
	for data := chunk[headerLen:size]; len(data) > 0; {
		k := min(len(data), 128)
		body = append(body, data[:k]...)
		data = data[min(k+1, len(data)):]
	}
	c.message = body
	c.setClient(c.side)
	c.fact(fieldRTMPApp, c.shownPath(amf0Text(body, "app")))
	c.fact(fieldRTMPURL, c.shownURL(amf0Text(body, "tcUrl")))
	return c.finish()
}

// amf0Text finds a property's text: its name behind a length of two bytes, then a string (AMF0 sections 2.4 and 2.5).
func amf0Text(b []byte, name string) []byte {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(name))
		if i < 0 {
			return nil
		}
		at += i
		rest := b[at+len(name):]
		if at >= 2 && int(be16(b[at-2:])) == len(name) && len(rest) >= 3 && rest[0] == 2 {
			if n := int(be16(rest[1:])); n <= len(rest)-3 {
				return rest[3 : 3+n]
			}
		}
		at += len(name)
	}
}
