package dpi

import "rustnet/track/event"

var (
	fieldDLEPPeer = event.AppString("dlep_peer", "What the first end that says so is, in its own words.")

	dlepFields = []*event.AppField{fieldDLEPPeer}

	dlepFirst = bytesIn("D\x00", 1, 0)
)

const (
	dlepPeerType  = 4
	dlepHeartbeat = 5
	dlepMaxItem   = 32
)

// parseDLEP reads a signal of discovery (RFC 8175 section 11.1): a prefix, kind, length, data items.
func parseDLEP(c *call) verdict {
	const headerLen, discovery, offer = 8, 1, 2
	v := &c.view[c.side]
	if v.begins("DLEP") != match || !v.exactly(headerLen+int(be16(v.b[6:]))) {
		return no
	}
	kind := be16(v.b[4:])
	if kind != discovery && kind != offer {
		return no
	}
	peer, _, ok := dlepItems(v.b[headerLen:])
	if !ok && !v.gap {
		return no
	}
	if kind == discovery {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.firstFact(fieldDLEPPeer, peer)
	return c.finish()
}

// parseDLEPStream reads the message that opens a session (section 11.2), which has to say how often the ends will hear of each other.
func parseDLEPStream(c *call) verdict {
	const headerLen, initialization, response, maxLen = 4, 1, 2, 1 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && be16(b) != initialization && be16(b) != response {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := int(be16(b[2:]))
	if n < 8 || n > maxLen {
		return no
	}
	if len(b) < headerLen+n {
		return v.unfinished()
	}
	peer, heartbeat, ok := dlepItems(b[headerLen : headerLen+n])
	if !ok || !heartbeat {
		return no
	}
	if be16(b) == initialization {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.firstFact(fieldDLEPPeer, peer)
	return c.finish()
}

// dlepItems goes through data items: kind, length, value (section 11.3). The peer type's first byte are flags.
func dlepItems(b []byte) (peer []byte, heartbeat, ok bool) {
	for len(b) > 0 {
		r := cursor{b: b}
		kind, value := r.u16(), r.vector16()
		if r.bad || kind == 0 || kind > dlepMaxItem {
			return nil, false, false
		}
		switch {
		case kind == dlepHeartbeat && len(value) == 4:
			heartbeat = true
		case kind == dlepPeerType && len(value) > 1:
			peer = value[1:]
		}
		b = r.b
	}
	return peer, heartbeat, true
}
