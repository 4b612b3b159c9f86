package dpi

// DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147). Its facts are in the fields of TLS.

var dtlsFirst = bytesIn("", tlsCCS, 25)

const (
	dtlsHeaderLen    = 13
	dtlsMessageLen   = 12
	dtlsMaxPart      = 8 << 10 // of a message that is kept
	dtlsMaxDatagrams = 12      // without a ServerHello
)

// dtlsState follows a handshake. part is a message that comes in several datagrams.
type dtlsState struct {
	hellos    [2]bool // client's, server's
	shown     bool    // no certificate of the server is waited for
	part      []byte
	kind      byte // of part
	partSide  Side
	datagrams uint8
}

// dtlsRecord judges the record that begins b and returns its size.
func dtlsRecord(b []byte) (size int, ok bool) {
	if len(b) < dtlsHeaderLen || !dtlsFirst.has(b[0]) {
		return 0, false
	}
	switch be16(b[1:]) {
	case 0xfeff, 0xfefd, 0x0100: // the last is OpenSSL's before there was a standard
	default:
		return 0, false
	}
	n := int(be16(b[11:]))
	return dtlsHeaderLen + n, n > 0 && n <= tlsMaxRecord && (b[0] != tlsCCS || n <= 3) && b[5] == 0
}

// parseDTLS reads the hellos. A connection whose begin was not seen is recognised by records that fill a datagram.
func parseDTLS(c *call) verdict {
	v := &c.view[c.side]
	st, _ := c.f.state.(*dtlsState)
	size, ok := dtlsRecord(v.b)
	switch {
	case st != nil && !ok:
		return c.dtlsMore(st) // records of 1.3 look different
	case !ok || size > len(v.b) && !v.gap:
		return no
	}
	if st == nil {
		hello := v.b[0] == tlsHandshake && be16(v.b[3:]) == 0
		if hello && !dtlsHandshake(v.b[dtlsHeaderLen:min(size, len(v.b))]) {
			return no
		}
		if !hello {
			return c.dtlsMiddle(v)
		}
		st = &dtlsState{}
		c.f.state = st
		c.edit()
	}
	for b := v.b; len(b) > 0; {
		size, ok := dtlsRecord(b)
		if !ok {
			break
		}
		switch {
		case b[0] == tlsHandshake && be16(b[3:]) == 0:
			c.dtlsMessages(st, b[dtlsHeaderLen:min(size, len(b))])
		case b[0] == tlsCCS: // a session that is resumed, or the end of the flight that had the certificate
			st.shown = true
		}
		b = b[min(size, len(b)):]
	}
	if st.hellos[1] && st.shown {
		return c.finish()
	}
	return c.dtlsMore(st)
}

func (c *call) dtlsMore(st *dtlsState) verdict {
	if st.datagrams++; st.datagrams > dtlsMaxDatagrams {
		return c.finish()
	}
	return match
}

// dtlsMiddle recognises records of a connection that is under way: they fill the datagram, and all that are not
// the handshake's are of a later epoch.
func (c *call) dtlsMiddle(v *view) verdict {
	for b := v.b; len(b) > 0; {
		size, ok := dtlsRecord(b)
		if !ok || size > len(b) && !v.gap || be16(b[3:]) > 16 {
			return no
		}
		if (b[0] == tlsData || be16(b[1:]) == 0x0100) && (be16(b[3:]) == 0 || size < dtlsHeaderLen+8) {
			return no
		}
		b = b[min(size, len(b)):]
	}
	return c.finish()
}

// dtlsHandshake judges the header of a message of an opening: hello request to finished.
func dtlsHandshake(b []byte) bool {
	if len(b) < dtlsMessageLen {
		return false
	}
	size, at, n := be24(b[1:]), be24(b[6:]), be24(b[9:])
	switch b[0] {
	case 1, 2, 3, 11, 12, 13, 14, 16, 20, 22, 8:
	default:
		return false
	}
	return size <= 1<<16 && at+n <= size && b[4] == 0
}

// dtlsMessages reads the messages of a record.
func (c *call) dtlsMessages(st *dtlsState, b []byte) {
	for dtlsHandshake(b) {
		size, at, n := be24(b[1:]), be24(b[6:]), be24(b[9:])
		body := b[dtlsMessageLen:]
		if n > len(body) {
			return
		}
		switch b[0] {
		case 1, 2:
			if size > dtlsMaxPart {
				break
			}
			if got := c.dtlsSoFar(st, b[0], body[:n], at, size); len(got) == size {
				c.dtlsHello(st, b[0], got)
			}
		case tlsCertificate:
			if st.hellos[1] && !st.shown && c.f.client == uint8(1-c.side)+1 {
				c.dtlsCertificate(st, c.dtlsSoFar(st, b[0], body[:n], at, size), size)
			}
		case 16: // the client answers the server's flight
			st.shown = true
		}
		if b[0] == 3 && c.f.client == 0 { // HelloVerifyRequest
			c.setClient(1 - c.side)
		}
		b = body[n:]
	}
}

// dtlsSoFar adds a part of a message to those before it and returns them. Parts that come out of order are waited for again.
func (c *call) dtlsSoFar(st *dtlsState, kind byte, part []byte, at, size int) []byte {
	if at == 0 && len(part) == size {
		return part
	}
	if at == 0 {
		st.part, st.partSide, st.kind = st.part[:0], c.side, kind
	}
	if st.partSide != c.side || st.kind != kind || at != len(st.part) {
		return nil
	}
	st.part = append(st.part, part[:min(len(part), dtlsMaxPart-at)]...)
	return st.part
}

// dtlsCertificate reads the server's certificate, once so much of the message is there.
func (c *call) dtlsCertificate(st *dtlsState, b []byte, size int) {
	if len(b) < min(size, tlsLeafAt) {
		return
	}
	n := tlsLeaf(b, size)
	switch {
	case n == 0 || n > dtlsMaxPart:
		st.shown = true
	case len(b) >= n:
		st.shown = true
		c.certificate(b[tlsLeafAt:n], false)
	}
}

func (c *call) dtlsHello(st *dtlsState, kind byte, b []byte) {
	if kind == 1 {
		var h clientHello
		c.setClient(c.side)
		if h.parse(b, true) {
			c.clientHello(&h, 'd')
			st.hellos[0] = true
		}
		return
	}
	c.setClient(1 - c.side)
	var h serverHello
	if !h.parse(b) {
		return
	}
	c.negotiated(h.negotiated, h.cipher)
	if h.retry() {
		return
	}
	st.shown = h.negotiated>>8 == 0xfe && h.negotiated < 0xfefd // 1.3 encrypts it
	c.edit().SetStr(fieldJA3S, c.ja3s(&h))
	if len(h.alpn) > 0 {
		c.edit().SetStr(fieldALPNSelected, c.text(h.alpn))
	}
	st.hellos[1] = true
}
