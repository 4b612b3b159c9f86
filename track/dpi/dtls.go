package dpi

// DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147). Its facts are in the fields of TLS.

var dtlsFirst = bytesIn("", tlsCCS, 25)

const (
	dtlsHeaderLen    = 13
	dtlsMessageLen   = 12
	dtlsMaxPart      = 8 << 10 // of a message that is kept
	dtlsMaxDatagrams = 12      // that bring nothing of a handshake
)

// dtlsState follows a handshake, as tlsState does.
type dtlsState struct {
	tlsState
	part      [2][2]dtlsPart // of each side: its hello, its Certificate
	room      [2]int         // bytes of the directions' buffers that parts have
	datagrams uint8          // that brought nothing since the handshake went on
}

// dtlsPart is a message that comes in fragments, in any order.
type dtlsPart struct {
	pieces
	seq      byte
	size     int // of the message
	from, to int // where its bytes are in the direction's buffer
}

// begun tells whether some of a message came, but not what is wanted of it.
func (p *dtlsPart) begun() bool { return len(p.list) > 0 }

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
		body := b[dtlsHeaderLen:min(size, len(b))]
		switch {
		case be16(b[3:]) != 0:
			st.side[c.side].ccs = true
		case b[0] == tlsHandshake:
			c.dtlsMessages(st, body)
			st.datagrams = 0
		case b[0] == tlsCCS:
			c.tlsCCS(&st.tlsState, c.side)
			c.dtlsAnswered(st)
		case b[0] == tlsAlert && len(body) == 2:
			if c.tlsAlert(body[0], body[1]) {
				return c.finish()
			}
		}
		b = b[min(size, len(b)):]
	}
	if st.hellos[1] && st.side[1-st.client].shown {
		c.know()
	}
	// Up to 1.2 a server that refuses what the client sent before it says so in the clear.
	if st.hellos[1] && tls13(st.version) || st.side[Orig].ccs && st.side[Resp].ccs {
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
	case 1, 2, 3, 4, 8, 11, 12, 13, 14, 15, 16, 20, 22:
	default:
		return false
	}
	return size <= 1<<16 && at+n <= size && b[4] == 0
}

// dtlsMessages reads the messages of a record, or the fragments of them.
func (c *call) dtlsMessages(st *dtlsState, b []byte) {
	for dtlsHandshake(b) {
		size, n := be24(b[1:]), be24(b[9:])
		body := b[dtlsMessageLen:]
		if n > len(body) {
			return
		}
		side := &st.side[c.side]
		switch kind := b[0]; kind {
		case 1, 2:
			if side.hello {
				break
			}
			if msg := c.dtlsMessage(st, b[:dtlsMessageLen], body[:n]); len(msg) == size {
				c.dtlsHello(st, kind, msg)
			}
		case 3: // HelloVerifyRequest
			st.client = 1 - c.side
			c.setClient(st.client)
		case tlsCertificate:
			if side.shown || c.f.client == 0 {
				break
			}
			if msg := c.dtlsMessage(st, b[:dtlsMessageLen], body[:n]); len(msg) >= min(size, tlsLeafAt) {
				c.dtlsCertificate(st, msg, size)
			}
		case 16:
			c.dtlsAnswered(st)
		}
		b = body[n:]
	}
}

// dtlsAnswered notes that a side went on: the flight of the other, which may have shown a certificate, is over.
func (c *call) dtlsAnswered(st *dtlsState) { st.side[1-c.side].shown = true }

// dtlsMessage adds a fragment to those of its message that came, and returns what is there of that from its start on.
func (c *call) dtlsMessage(st *dtlsState, head, fragment []byte) []byte {
	size, seq, at := be24(head[1:]), head[5], be24(head[6:])
	if at == 0 && len(fragment) == size {
		return fragment
	}
	s := c.side
	p := &st.part[s][0]
	if head[0] == tlsCertificate {
		p = &st.part[s][1]
	}
	if p.to == 0 || p.seq != seq || p.size != size { // a hello is another one behind a HelloVerifyRequest
		if p.begun() && seq < p.seq {
			return nil
		}
		need := min(size, dtlsMaxPart)
		if need > p.to-p.from {
			p.from, p.to = st.room[s], st.room[s]+need
			if p.to > c.max {
				p.to = p.from
				return nil
			}
			st.room[s] = p.to
		}
		p.list, p.seq, p.size = p.list[:0], seq, size
	}
	if end := min(at+len(fragment), p.to-p.from); at < end && p.add(at, end) {
		c.keepPart(s, p.from+at, fragment[:end-at])
	}
	if n := p.whole(); n > 0 {
		return c.f.dir[s].buf.b[p.from : p.from+n]
	}
	return nil
}

// dtlsCertificate reads an end's certificate, once so much of the message is there.
func (c *call) dtlsCertificate(st *dtlsState, b []byte, size int) {
	n := tlsLeaf(b, size)
	switch {
	case n == 0 || n > dtlsMaxPart: // also where a client has none
	case len(b) >= n:
		c.certificate(b[tlsLeafAt:n], c.side == st.client)
	default:
		return
	}
	st.side[c.side].shown = true
}

func (c *call) dtlsHello(st *dtlsState, kind byte, b []byte) {
	if kind == 1 {
		st.client = c.side
		c.setClient(c.side)
		var h clientHello
		if h.parse(b, true) {
			c.clientHello(&h, 'd')
			st.offered(&h)
			st.side[c.side].hello = true
		}
		return
	}
	st.client = 1 - c.side
	c.setClient(st.client)
	var h serverHello
	if !h.parse(b) {
		return
	}
	if h.retry() {
		c.negotiated(h.negotiated, h.cipher)
		return
	}
	st.side[c.side].hello = true
	c.serverHello(&st.tlsState, &h)
	st.side[c.side].shown = tls13(h.negotiated) // it encrypts what is behind
}
