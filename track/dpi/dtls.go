package dpi

// DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147). Its facts are in the fields of TLS.

var dtlsFirst = bytesIn("", tlsCCS, 25)

const (
	dtlsHeaderLen    = 13
	dtlsMessageLen   = 12
	dtlsMaxHello     = 8 << 10
	dtlsMaxDatagrams = 12 // without a ServerHello
)

// dtlsState follows a handshake. part is a hello that comes in several datagrams.
type dtlsState struct {
	hellos    [2]bool // client's, server's
	part      []byte
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
		if b[0] == tlsHandshake && be16(b[3:]) == 0 {
			c.dtlsMessages(st, b[dtlsHeaderLen:min(size, len(b))])
		}
		b = b[min(size, len(b)):]
	}
	if st.hellos[1] {
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
		if b[0] == 1 || b[0] == 2 {
			if body := c.dtlsWhole(st, body[:n], at, size); body != nil {
				c.dtlsHello(st, b[0], body)
			}
		}
		if b[0] == 3 && c.f.client == 0 { // HelloVerifyRequest
			c.setClient(1 - c.side)
		}
		b = body[n:]
	}
}

// dtlsWhole returns a message once all of it is there. Parts that come out of order are waited for again.
func (c *call) dtlsWhole(st *dtlsState, part []byte, at, size int) []byte {
	if at == 0 && len(part) == size {
		return part
	}
	if size > dtlsMaxHello {
		return nil
	}
	if at == 0 {
		st.part, st.partSide = st.part[:0], c.side
	}
	if st.partSide != c.side || at != len(st.part) {
		return nil
	}
	if st.part = append(st.part, part...); len(st.part) < size {
		return nil
	}
	return st.part
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
	c.edit().SetStr(fieldJA3S, c.ja3s(&h))
	if len(h.alpn) > 0 {
		c.edit().SetStr(fieldALPNSelected, c.text(h.alpn))
	}
	st.hellos[1] = true
}
