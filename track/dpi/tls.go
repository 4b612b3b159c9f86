package dpi

import (
	"bytes"
	"strings"

	"rustnet/track/event"
)

var (
	fieldSNI          = event.AppString("sni", "Server name that the client asked for; with ech it is the outer name, which need not be the true one.")
	fieldALPN         = event.AppList("alpn", "Protocols that the client offered (ALPN), in its order.")
	fieldALPNSelected = event.AppString("alpn_selected", "Protocol that the server chose, where that travels in the clear (up to TLS 1.2).")
	fieldTLSVersion   = event.AppString("tls_version", "Version that the server chose: 1.3, 1.2, 1.1, 1.0, SSLv3, SSLv2, of DTLS such as DTLS 1.2, or the number on the wire.").Spelt(tlsVersionForm)
	fieldTLSCipher    = event.AppString("tls_cipher", "Cipher suite as the server chose it, by IANA's name.").Spelt(tlsCipherForm)
	fieldECH          = event.AppBool("ech", "True when the hello carries encrypted_client_hello, which clients also send without using it.")
	fieldESNI         = event.AppBool("esni", "True when the hello carries an encrypted server name by the draft before ECH.")
	fieldJA3          = event.AppString("ja3", "JA3 fingerprint of the client.").Spelt(event.Hex(32))
	fieldJA3S         = event.AppString("ja3s", "JA3S fingerprint of the server.").Spelt(event.Hex(32))
	fieldJA4          = event.AppString("ja4", "JA4 fingerprint of the client.").Spelt(ja4Form)
	fieldTLSResumed   = event.AppBool("tls_resumed", "True when an earlier session was resumed, false when not.")
	fieldTLSAlert     = event.AppString("tls_alert", "First alert that was sent in the clear, by its name in RFC 8446.").Spelt(tlsAlertForm)
)

var tlsAlertForm = event.OneOf(namesOf(tlsAlertName)...).Meaning(func(text string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(text))
})

var ja4Form = event.Shaped("three parts in small letters", "t13d1516h2_8daaf6152771_b186095e22b6", `[tqd][0-9a-z]{2}[di][0-9]{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}`)

var tlsCipherForm = event.OneOf(listed(tlsCipherNames)...).Or("IANA's name, or the number", "", `0x[0-9a-f]{4}`).
	Where(unnamed(tlsCipherNames)).Meaning(tlsCipherMeant)

var tlsVersionForm = event.OneOf(listed(tlsVersions)...).Or("a number, SSLv3, SSLv2, or the number on the wire", "1.3", `0x[0-9a-f]{4}`).
	Where(unnamed(tlsVersions)).Meaning(tlsVersionMeant)

var tlsFields = []*event.AppField{fieldSNI, fieldALPN, fieldALPNSelected, fieldTLSVersion, fieldTLSCipher, fieldECH, fieldESNI,
	fieldJA3, fieldJA3S, fieldJA4, fieldTLSResumed, fieldTLSAlert, fieldTLSSubject, fieldTLSIssuer, fieldTLSSAN,
	fieldTLSNotBefore, fieldTLSNotAfter, fieldTLSCert, fieldTLSClientSub, fieldTLSClientIss}

// Record types (RFC 8446 section 5.1).
const (
	tlsCCS       = 20
	tlsAlert     = 21
	tlsHandshake = 22
	tlsData      = 23
)

// tlsFirst: record types, and the first length byte of an SSL 2.0 hello.
var tlsFirst = bytesIn("\x80\x81", tlsCCS, tlsData)

const (
	tlsHeaderLen = 5
	// tlsMaxRecord is RFC 5246's limit for a record with its expansion (section 6.2.3).
	tlsMaxRecord = 1<<14 + 2048
	// tlsMaxHello keeps what claims to be a hello from being waited for in vain.
	tlsMaxHello = 1 << 16
	// tlsLateRecords of encrypted records of an end end the wait for the other's: half of the connection is not in sight.
	tlsLateRecords = 4
)

// tlsState follows a handshake in the clear.
type tlsState struct {
	side       [2]tlsSide
	client     Side
	session    [32]byte
	sessionLen uint8
	ticket     bool
	hellos     [2]bool // client's, server's
	version    uint16
	resumed    bool // tls_resumed is known
	handed     bool // over from another protocol, whose last words of the other end may still come
}

type tlsSide struct {
	hello   bool // the opening hello was read; no other is wanted
	shown   bool // so was its certificate, or it shows none
	ccs     bool // encrypted from here on
	records uint8
	late    uint8  // of them, encrypted
	left    uint16 // bytes of the handshake record that the view begins in
	pass    uint32 // bytes of the handshake message that the view begins in, which nobody wants
}

// tlsAtHandshake begins a record of the handshake.
var tlsAtHandshake = []byte{tlsHandshake, 3}

// wants tells whether handshake messages of a side are still read.
func (st *tlsState) wants(s Side) bool {
	side := &st.side[s]
	return !side.ccs && (!side.hello || !side.shown && st.hellos[1] && !tls13(st.version))
}

// parseTLS reads SSL 2.0 hellos and SSL 3.0 to TLS 1.3 (RFC 8446, 5246; RFC 5246 appendix E for the old hello).
func parseTLS(c *call) verdict {
	st, _ := c.f.state.(*tlsState)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) == 0 { // handed over by another parser, before more came
			return more
		}
		switch kind := tlsStart(v); kind {
		case tlsNotYet:
			if v.gap || v.fin {
				return no
			}
			return more
		case tlsNo:
			return no
		case tlsMiddle:
			c.edit()
			c.know()
			return done
		default:
			st = c.tls.get()
			st.client, st.handed = c.side, c.f.parser != 0
			if kind == tlsServer {
				st.client = 1 - c.side
			}
			c.f.state = st
			if kind != tlsEither {
				c.setClient(st.client)
			}
		}
	}
	if c.tlsSide(st, st.client) || c.tlsSide(st, 1-st.client) {
		c.tlsCutHello(st, Orig)
		c.tlsCutHello(st, Resp)
		c.know()
		return done
	}
	return match
}

// tlsKind is what the first bytes of a direction are.
type tlsKind uint8

const (
	tlsNo tlsKind = iota
	tlsNotYet
	tlsClient // ClientHello
	tlsServer // ServerHello, or an alert in its place
	tlsEither // an alert
	tlsMiddle // records of a connection whose start was not seen
)

func tlsStart(v *view) tlsKind {
	b := v.b
	if b[0]&0x80 != 0 {
		return sslStart(b)
	}
	if !tlsRecord(b) {
		return tlsNo
	}
	if len(b) < tlsHeaderLen {
		return tlsNotYet
	}
	n := int(be16(b[3:]))
	switch b[0] {
	case tlsHandshake:
		kind := tlsHelloStart(b, n)
		if kind == tlsNotYet && v.gap && len(b) > tlsHeaderLen+4 && n >= 4+38 && be24(b[tlsHeaderLen+1:]) >= 38 { // cut within its version
			kind = tlsClient
			if b[tlsHeaderLen] == 2 {
				kind = tlsServer
			}
		}
		if kind != tlsNo {
			return kind
		}
	case tlsAlert:
		if n == 2 {
			if len(b) < tlsHeaderLen+2 {
				return tlsNotYet
			}
			if (b[5] == 1 || b[5] == 2) && tlsAlertName(b[6]) != "" && len(b) == tlsHeaderLen+2 {
				return tlsEither
			}
		}
	}
	if v.whole {
		return tlsNo
	}
	return tlsChain(v)
}

// tlsRecord checks as much of a record header as b holds.
func tlsRecord(b []byte) bool {
	if b[0] < tlsCCS || b[0] > tlsData || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return false
	}
	if len(b) < tlsHeaderLen {
		return true
	}
	n := int(be16(b[3:]))
	return n > 0 && n <= tlsMaxRecord && (b[0] != tlsCCS || n == 1)
}

// tlsHelloStart judges the first bytes of a handshake record of n bytes.
func tlsHelloStart(b []byte, n int) tlsKind {
	const enough = tlsHeaderLen + 4 + 2
	if n < 6 { // a hello split into tiny records
		if b[2] == 0 { // nobody split what SSL 3.0 says, which small numbers look like
			return tlsNo
		}
		if len(b) < tlsHeaderLen+1 {
			return tlsNotYet
		}
		switch b[5] {
		case 1:
			return tlsClient
		case 2:
			return tlsServer
		}
		return tlsNo
	}
	h := b[tlsHeaderLen:]
	if len(h) > 0 && h[0] != 1 && h[0] != 2 || len(h) > 1 && h[1] != 0 || len(h) > 4 && h[4] != 3 && h[4] != 0x7f && h[4] != 0xfb {
		return tlsNo
	}
	if len(b) < enough {
		return tlsNotYet
	}
	size := be24(h[1:])
	if size < 38 || h[4] == 3 && h[5] > 4 { // version, random, session, a cipher
		return tlsNo
	}
	if b[2] == 0 && size+4 > n { // likewise
		return tlsNo
	}
	if h[0] == 2 {
		return tlsServer
	}
	if h[4] != 3 {
		return tlsNo
	}
	return tlsClient
}

// tlsChain recognises the middle of a connection: records one behind the other up to the end of
// the segment, or at least three headers in their places.
func tlsChain(v *view) tlsKind {
	b := v.b
	for records := 1; ; records++ {
		if len(b) < tlsHeaderLen || !tlsRecord(b) || b[2] == 4 {
			return tlsNo
		}
		n := tlsHeaderLen + int(be16(b[3:]))
		switch {
		case records == 3, len(b) == n && !v.gap && (b[0] != tlsCCS && n >= tlsHeaderLen+17 || records > 1):
			return tlsMiddle
		case n >= len(b):
			return tlsNo
		}
		b = b[n:]
	}
}

// sslStart recognises an SSL 2.0 ClientHello, which clients used to send to offer TLS as well.
func sslStart(b []byte) tlsKind {
	if len(b) > 2 && b[2] != 1 || len(b) > 3 && b[3] != 0 && b[3] != 3 ||
		len(b) > 4 && (b[3] == 0 && b[4] != 2 || b[3] == 3 && b[4] > 3) {
		return tlsNo
	}
	if len(b) < 11 {
		return tlsNotYet
	}
	ciphers, session, challenge := int(be16(b[5:])), int(be16(b[7:])), int(be16(b[9:]))
	if ciphers == 0 || ciphers%3 != 0 || session != 0 && session != 16 || challenge < 16 || challenge > 32 ||
		9+ciphers+session+challenge != sslLen(b) {
		return tlsNo
	}
	return tlsClient
}

func sslLen(b []byte) int { return int(b[0]&0x7f)<<8 | int(b[1]) }

// tlsSide reads records of one side, and returns true when nothing more is wanted of the connection.
func (c *call) tlsSide(st *tlsState, s Side) bool {
	side, v := &st.side[s], &c.view[s]
	for len(v.b) > 0 {
		if side.left > 0 {
			if !c.tlsMessage(st, s) {
				return false
			}
			continue
		}
		if v.b[0]&0x80 != 0 && side.records == 0 {
			if len(v.b) < 2 {
				return false
			}
			c.sslHello(st, s)
			continue
		}
		if !tlsRecord(v.b) {
			if side.late++; !st.handed || side.records > 0 || side.late > tlsLateRecords {
				return true
			}
			v.b = v.b[max(0, bytes.Index(v.b, tlsAtHandshake)):]
			if v.b[0] != tlsHandshake {
				v.b = nil
			}
			continue
		}
		if len(v.b) < tlsHeaderLen {
			return false
		}
		n := tlsHeaderLen + int(be16(v.b[3:]))
		if v.b[0] != tlsHandshake {
			side.pass = 0 // a message that is cut short by something else
		}
		switch v.b[0] {
		case tlsHandshake:
			if st.wants(s) {
				side.left = uint16(n - tlsHeaderLen)
				side.records = min(side.records+1, 255)
				c.eat(s, tlsHeaderLen)
				continue
			}
		case tlsAlert:
			if n == tlsHeaderLen+2 && !side.ccs {
				if len(v.b) < n {
					return false
				}
				if c.tlsAlert(v.b[5], v.b[6]) {
					return true
				}
			}
		case tlsCCS:
			c.tlsCCS(st, s)
		case tlsData:
			side.ccs = true
		}
		// A server that retried also sends ChangeCipherSpec before its true hello.
		encrypted := side.ccs || v.b[0] == tlsCCS && s == st.client
		side.records = min(side.records+1, 255)
		if encrypted {
			side.late = min(side.late+1, 255)
		}
		c.skip(s, uint64(n))
		// Up to TLS 1.2 a server that refuses what the client sent before it says so in the clear.
		if encrypted && (st.hellos[1] && (st.side[1-s].ccs || v.gap || tls13(st.version)) || side.late > tlsLateRecords) {
			return true
		}
	}
	return false
}

// tlsCCS notes that a side encrypts from here on. Up to TLS 1.2 the server is first only when a session is resumed.
func (c *call) tlsCCS(st *tlsState, s Side) {
	st.side[s].ccs = st.side[s].hello
	if st.hellos[0] && st.hellos[1] {
		c.know()
	}
	if st.resumed || !st.hellos[0] || !st.hellos[1] || tls13(st.version) || !st.side[s].ccs {
		return
	}
	st.resumed = true
	c.edit().SetBool(fieldTLSResumed, s != st.client)
}

// tlsAlert reads an alert, and returns true when it ends the connection.
func (c *call) tlsAlert(level, what byte) bool {
	name := tlsAlertName(what)
	if name == "" || level != 1 && level != 2 {
		return false
	}
	if !c.f.app.Has(fieldTLSAlert) {
		c.edit().SetStr(fieldTLSAlert, name)
	}
	return level == 2 || what == 0
}

// tlsMessage reads the handshake message that a side's view begins in, or passes over what is left of it in this
// record. It returns false while bytes are missing.
func (c *call) tlsMessage(st *tlsState, s Side) bool {
	side := &st.side[s]
	if side.pass == 0 && st.wants(s) {
		head, cut := c.tlsGather(s, 4)
		switch {
		case cut:
			side.pass = uint32(len(head))
		case len(head) < 4:
			return false
		default:
			kind, want := head[0], 4+be24(head[1:])
			if n := c.tlsWanted(st, s, kind, want); n > 0 {
				msg, cut := c.tlsGather(s, n)
				if len(msg) < n && !cut {
					if c.view[s].gap {
						c.tlsCutHello(st, s)
					}
					return false
				}
				if len(msg) == n {
					c.tlsHandshake(st, s, kind, msg[4:])
				}
			}
			side.pass = uint32(want)
		}
	}
	n := side.left
	if st.wants(s) || side.pass > 0 {
		n = uint16(min(uint32(n), side.pass))
	}
	c.skip(s, uint64(n))
	side.left -= n
	side.pass -= min(side.pass, uint32(n))
	return true
}

// tlsGather returns the next n bytes of a side's handshake messages, which may lie in several records, or what
// there is of them; cut is set where something else comes in between.
func (c *call) tlsGather(s Side, n int) (msg []byte, cut bool) {
	b, left := c.view[s].b, int(c.f.state.(*tlsState).side[s].left)
	if body := b[:min(len(b), left)]; len(body) >= n {
		return body[:n], false
	}
	c.message = c.message[:0]
	for {
		c.message = append(c.message, b[:min(len(b), left)]...)
		switch {
		case len(c.message) >= n:
			return c.message[:n], false
		case len(b) <= left:
			return c.message, false
		}
		if b = b[left:]; b[0] != tlsHandshake || !tlsRecord(b) {
			return c.message, true
		}
		if len(b) < tlsHeaderLen {
			return c.message, false
		}
		left, b = int(be16(b[3:])), b[tlsHeaderLen:]
	}
}

// tlsWanted is how much is wanted of a message of size bytes: a hello, or a Certificate up to the end of the first one, and
// for that as much as it takes to know it.
func (c *call) tlsWanted(st *tlsState, s Side, kind byte, size int) int {
	switch {
	case (kind == 1 || kind == 2) && !st.side[s].hello:
		if size <= tlsMaxHello {
			return size
		}
	case kind == tlsCertificate && st.side[s].hello:
		const known = 4 + tlsLeafAt
		if size < known {
			return size
		}
		head, cut := c.tlsGather(s, known)
		if len(head) < known || cut {
			return known
		}
		if n := tlsLeaf(head[4:], size-4); n > 0 {
			return 4 + n
		}
	}
	if st.side[s].hello && s != st.client {
		c.tlsShown(st, s) // the certificate would have been next
	}
	return 0
}

// tlsShown notes that no certificate of a side is waited for any more.
func (c *call) tlsShown(st *tlsState, s Side) {
	st.side[s].shown = true
	if s != st.client && st.hellos[0] && st.hellos[1] {
		c.know()
	}
}

// tlsHandshake reads what is wanted of a message.
func (c *call) tlsHandshake(st *tlsState, s Side, kind byte, b []byte) {
	switch kind {
	case 1:
		st.side[s].hello = true
		st.client = s
		c.setClient(s)
		var h clientHello
		if h.parse(b, false) {
			c.clientHello(&h, 't')
			st.offered(&h)
		} else if h.sni != nil { // whole, and before what is broken
			c.serverName(h.sni)
		}
	case 2:
		var h serverHello
		if !h.parse(b) {
			st.side[s].hello = true
			break
		}
		if h.retry() { // its choice binds the ServerHello that follows (RFC 8446 section 4.1.4)
			c.negotiated(h.negotiated, h.cipher)
			break
		}
		st.side[s].hello = true
		st.client = 1 - s
		c.setClient(1 - s)
		c.serverHello(st, &h)
	case tlsCertificate:
		if n := tlsLeafAt; len(b) > n {
			c.certificate(b[n:], s == st.client)
		}
		c.tlsShown(st, s)
	}
	if st.hellos[0] && st.hellos[1] && tls13(st.version) {
		c.know()
	}
}

// tlsCutHello reads what there is of a hello whose end is missing for good, where a side's view begins in one: cut by the snap length, or
// in a segment that was lost. What fingerprints need is not all there.
func (c *call) tlsCutHello(st *tlsState, s Side) {
	side := &st.side[s]
	if side.hello || side.left == 0 || side.pass > 0 {
		return
	}
	b, _ := c.tlsGather(s, tlsMaxHello)
	if len(b) < 4 {
		return
	}
	switch b[0] {
	case 1:
		var h clientHello
		h.parse(b[4:], false)
		c.setClient(s)
		c.serverName(h.sni)
		if list := c.alpnList(h.alpn); list != nil {
			c.edit().SetList(fieldALPN, c.listed(list))
		}
	case 2:
		var h serverHello
		h.parse(b[4:])
		c.setClient(1 - s)
		if h.cipher == 0 {
			return
		}
		a := c.edit()
		a.SetStr(fieldTLSCipher, c.tlsCipherName(h.cipher))
		if h.negotiated != h.version || h.cipher>>8 != tls13Suites { // else the version may stand in what is missing
			a.SetStr(fieldTLSVersion, c.tlsVersionName(h.negotiated))
		}
	}
}

// tls13Suites is the upper byte of those of TLS 1.3, which no earlier version has (RFC 8446 appendix B.4).
const tls13Suites = 0x13

// offered notes what of a ClientHello says later whether a session is resumed.
func (st *tlsState) offered(h *clientHello) {
	st.hellos[0] = true
	st.sessionLen = uint8(copy(st.session[:], h.session))
	st.ticket = h.ticket
}

// tls13 tells whether a version is 1.3 or one of its drafts, also of DTLS, which counts downwards.
func tls13(version uint16) bool {
	return version >= 0x0304 && version>>8 != 0xfe || version>>8 == 0xfe && version < 0xfefd
}

// clientHello sets what a ClientHello tells; transport is that of JA4.
func (c *call) clientHello(h *clientHello, transport byte) {
	a := c.edit()
	c.serverName(h.sni)
	if list := c.alpnList(h.alpn); list != nil {
		a.SetList(fieldALPN, c.listed(list))
	}
	if h.ech {
		a.SetBool(fieldECH, true)
	}
	if h.esni {
		a.SetBool(fieldESNI, true)
	}
	if !h.sensible() {
		return
	}
	f := c.fingerprints(h, transport)
	a.SetStr(fieldJA3, f.ja3)
	a.SetStr(fieldJA4, f.ja4)
}

// serverName sets the name that the client asks for, where it is one.
func (c *call) serverName(sni []byte) {
	if !printable(sni) {
		return
	}
	a, name := c.edit(), c.text(sni)
	a.SetStr(fieldSNI, name)
	if !c.f.proxied && nameOfHost(sni) {
		a.Host, a.HostSource = c.hostNamed(name), event.HostBySNI
	}
}

func (c *call) negotiated(version, cipher uint16) {
	a := c.edit()
	a.SetStr(fieldTLSVersion, c.tlsVersionName(version))
	a.SetStr(fieldTLSCipher, c.tlsCipherName(cipher))
}

// choice sets what a ServerHello says of the version and the cipher.
func (c *call) choice(h *serverHello) *event.App {
	a, said := c.edit(), c.chosen(h)
	a.SetStr(fieldTLSVersion, said.version)
	a.SetStr(fieldTLSCipher, said.cipher)
	a.SetStr(fieldJA3S, said.ja3s)
	return a
}

// serverHello sets what a ServerHello tells.
func (c *call) serverHello(st *tlsState, h *serverHello) {
	st.hellos[1] = true
	st.version = h.negotiated
	a := c.choice(h)
	if len(h.alpn) > 0 {
		a.SetStr(fieldALPNSelected, c.text(h.alpn))
	}
	if tls13(h.negotiated) { // the session is only echoed
		a.SetBool(fieldTLSResumed, h.psk)
		st.resumed = true
		return
	}
	if !st.hellos[0] {
		return
	}
	same := len(h.session) > 0 && string(h.session) == string(st.session[:st.sessionLen])
	if same || st.sessionLen > 0 || !st.ticket {
		a.SetBool(fieldTLSResumed, same)
		st.resumed = true
	}
}

// sslHello reads an SSL 2.0 hello of either side and passes over it.
func (c *call) sslHello(st *tlsState, s Side) {
	b := c.view[s].b
	n := sslLen(b)
	st.side[s].records++
	if s == st.client {
		st.hellos[0] = true
	} else if len(b) >= 13 && b[2] == 4 && be16(b[5:]) == 2 &&
		11+int(be16(b[7:]))+int(be16(b[9:]))+int(be16(b[11:])) == n {
		// RFC 6101 appendix E; the cipher is chosen later, by the client.
		c.edit().SetStr(fieldTLSVersion, c.tlsVersionName(2))
		st.version = 2
		st.hellos[1] = true
	}
	if st.hellos[0] && st.hellos[1] {
		c.know()
	}
	c.skip(s, uint64(2+n))
}

// alpnList takes ALPN's list apart, without the values that mean nothing (RFC 8701).
func (in *Inspector) alpnList(b []byte) []string {
	place := in.alpns.find(b)
	if place.known {
		return place.value
	}
	var list []string
	for r := (cursor{b: b}); len(r.b) > 0; {
		p := r.vector8()
		if len(p) > 0 && !(len(p) == 2 && grease(be16(p))) {
			list = append(list, in.text(p))
		}
	}
	place.set(list)
	return list
}
