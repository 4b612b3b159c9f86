package dpi

import (
	"bytes"
	"strconv"

	"rustnet/track/event"
)

var (
	fieldQUICVersion     = event.AppString("quic_version", "QUIC version: v1, v2, draft-29, Google's Q046, …; the server's choice when that was seen.").Spelt(quicVersionForm)
	fieldQUICClose       = event.AppString("quic_close", "Why an end gave the handshake up (CONNECTION_CLOSE), where that can be read: CONNECTION_REFUSED, CRYPTO_ERROR, …, the code where it has no name.").Spelt(quicCloseForm)
	fieldQUICCloseReason = event.AppString("quic_close_reason", "What it said of that.")
)

var quicCloseForm = event.OneOf(append(quicErrorNames[:], quicCryptoError)...).OrNumber("", 1<<62-1, quicErrorName)

var quicVersionForm = event.Shaped("v1, v2, another name, or eight hexadecimal digits behind 0x", "draft-29", `v[12]|draft-[0-9]+|mvfst-(22|27|exp)|[QT]0[0-9]{2}|0x[0-9a-f]{8}`).
	Where(func(text string) bool {
		n, err := strconv.ParseUint(text, 0, 32)
		return err != nil || string(appendQUICVersion(nil, uint32(n))) == text
	}).Meaning(quicVersionMeant)

var quicFields = []*event.AppField{fieldQUICVersion, fieldQUICClose, fieldQUICCloseReason}

// quicFirst: the form bit of long headers, and the flags of Google's QUIC up to Q043 with version and connection.
var quicFirst = bytesIn("\x09\x0d\x19\x1d\x29\x2d\x39\x3d", 0x80, 0xff)

const (
	quicMaxCID = 20
	quicMinCID = 4 // of both ends together; a client's first has eight at least, and one of both needs one
	// quicMaxVersions keeps a list of versions within a packet.
	quicMaxVersions = 64
	// quicMaxWait datagrams after the ClientHello end the wait for a ServerHello that can be read.
	quicMaxWait = 12
	// quicMaxSent of the client's first packets are known by their numbers.
	quicMaxSent = 8
	// quicMaxKeys are made for a connection: one that says another version with each packet would have them made for each.
	quicMaxKeys = 16
	// quicMaxKept of all connections of a goroutine keep theirs, which are two kilobytes. Others' are made again of the connection ID.
	quicMaxKept = 1 << 11
)

// Packet types of the long header, in version 1's numbers (RFC 9000 section 17.2).
const (
	quicInitial = iota
	quic0RTT
	quicHandshake
	quicRetry
)

// quicState follows the Initials of both sides.
type quicState struct {
	client   Side
	version  uint32
	firstTS  int64 // of the client's first packet
	side     [2]quicSide
	keys     *quicKeys // made from the connection ID that the client chose, or the one of a Retry
	cid      [quicMaxCID]byte
	cidLen   uint8
	asked    bool // firstTS is known
	answered bool
	retried  bool
	closed   bool
	anew     bool    // the client may have begun again, with another version and connection ID
	hellos   [2]bool // client's, server's
	waited   uint8
	made     uint8              // times that other keys were needed
	sent     [quicMaxSent]int64 // when the client's Initials went out, by packet number; 0 is not known
}

// quicSide is the CRYPTO stream of one end. Its bytes are in the direction's buffer.
type quicSide struct {
	pieces
	read int // how many were read as messages
}

// quicHeader is a long header.
type quicHeader struct {
	version        uint32
	kind           byte
	dcid, scid     []byte
	packet         []byte // from the first byte to the end of the packet
	pn             int    // offset of the packet number in it
	supportedCount int    // versions, in a Version Negotiation
}

// parseQUIC reads the handshake of QUIC (RFC 9000, 9001, 9369) and of the drafts and Google's versions before it.
func parseQUIC(c *call) verdict {
	v := &c.view[c.side]
	st, _ := c.f.state.(*quicState)
	if v.b[0]&0x80 == 0 {
		return c.googleQUIC(st, v.b)
	}
	for b := v.b; len(b) >= 7 && b[0]&0x80 != 0; {
		h, rest, ok := quicLong(b, v.gap)
		if !ok {
			break
		}
		b = rest
		if st == nil {
			// A packet that cannot be decrypted proves itself by nothing but its lengths, so they all must fit: there is a connection ID, and another packet or
			// nothing follows.
			if h.version != 0 && !googleVersion(h.version) && (len(h.dcid)+len(h.scid) < quicMinCID || h.kind != quicInitial && len(rest) > 0 && rest[0]&0x40 == 0) {
				return no
			}
			if st = c.quicStart(&h, v.b); st == nil {
				return no
			}
			c.f.state = st
			c.setClient(st.client)
			if c.f.app == nil {
				c.f.app = event.NewLargeApp()
			}
			c.edit().SetStr(fieldQUICVersion, c.quicVersionName(h.version))
		}
		c.quicPacket(st, &h)
		if st.hellos[0] && st.hellos[1] || st.closed {
			c.know()
			return done
		}
	}
	if st == nil {
		return no
	}
	if st.hellos[0] {
		if st.version>>24 == 'Q' { // the server says nothing more
			c.know()
		}
		if st.waited++; st.waited > quicMaxWait {
			return done
		}
	}
	return match
}

// quicLong reads a long header and returns what is behind the packet. Coalesced packets follow each other (RFC 9000 section 12.2).
func quicLong(b []byte, cut bool) (h quicHeader, rest []byte, ok bool) {
	h.version = be32(b[1:])
	r := cursor{b: b[5:]}
	if h.version&0xff0000f0 == 'Q'<<24|'0' && h.version < 'Q'<<24|'0'<<16|'4'<<8|'7' { // Q046: lengths share a byte
		n := r.u8()
		h.dcid, h.scid = r.bytes(googleCID(n>>4)), r.bytes(googleCID(n&15))
		h.packet, h.pn = b, len(b)-len(r.b)
		return h, nil, !r.bad
	}
	h.dcid, h.scid = r.vector8(), r.vector8()
	if r.bad || len(h.dcid) > quicMaxCID || len(h.scid) > quicMaxCID {
		return h, nil, false
	}
	if h.version == 0 { // Version Negotiation, RFC 8999 section 6
		h.supportedCount = len(r.b) / 4
		return h, nil, len(r.b)%4 == 0 && h.supportedCount > 0 && h.supportedCount <= quicMaxVersions
	}
	h.kind = b[0] >> 4 & 3
	if h.version == quicV2 { // RFC 9369 section 3.2 turns the types round
		h.kind = (h.kind + 3) & 3
	}
	if h.kind == quicRetry {
		return h, nil, len(r.b) > 16 // token and tag
	}
	if h.kind == quicInitial {
		r.bytes(r.varint())
	}
	n := r.varint()
	if r.bad || n < 20 || n > len(r.b) && !cut { // packet number, sample for the header's protection
		return h, nil, false
	}
	h.pn = len(b) - len(r.b)
	end := min(len(b), h.pn+n)
	h.packet = b[:end]
	return h, b[end:], true
}

func googleCID(n int) int {
	if n == 0 {
		return 0
	}
	return n + 3
}

// varint reads RFC 9000's variable-length number; bad when it is larger than any length here can be.
func (r *cursor) varint() int {
	first := r.u8()
	n := uint64(first & 0x3f)
	for range 1<<(first>>6) - 1 {
		n = n<<8 | uint64(r.u8())
	}
	if n > 1<<31-1 {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

// quicStart decides whether a first datagram is QUIC: the proof is an Initial that can be decrypted, or
// a known version whose lengths add up.
func (c *call) quicStart(h *quicHeader, datagram []byte) *quicState {
	if h.version == 0 || quicSaltsOf(h.version) == nil && !quicGrease(h.version) && !googleVersion(h.version) {
		return nil
	}
	st := c.quic.get()
	st.client, st.version, st.firstTS, st.asked = c.side, h.version, c.ts, true
	if quicGrease(h.version) {
		// Sent to provoke a Version Negotiation: big enough to be answered, and otherwise like version 1.
		if len(datagram) < 1200 || datagram[0]&0x40 == 0 {
			return nil
		}
		return st
	}
	if googleVersion(h.version) {
		return st
	}
	if datagram[0]&0x40 == 0 {
		return nil
	}
	if h.kind == quicInitial && len(h.packet) < 1100 && len(datagram) < 1200 && c.f.resp > c.f.orig && quicPort(c.f.orig) {
		st.client, st.asked = 1-c.side, false // who opened it was not seen, and servers' Initials may be small
	}
	return st
}

func quicPort(p uint16) bool { return p == 443 || p == 80 || p == 853 }

// quicGrease tells versions that exist to be refused (RFC 9000 section 15).
func quicGrease(v uint32) bool { return v&0x0f0f0f0f == 0x0a0a0a0a }

// googleVersion tells Q0xx and T0xx, before Google's QUIC became everybody's.
func googleVersion(v uint32) bool {
	return (v>>24 == 'Q' || v>>24 == 'T') && v>>16&0xff == '0' && digit(byte(v>>8)) && digit(byte(v))
}

// quicPacket reads a packet with a long header.
func (c *call) quicPacket(st *quicState, h *quicHeader) {
	fromClient := c.side == st.client
	if !fromClient && !st.answered && st.asked {
		st.answered = true
		if us := (c.ts - st.firstTS) / 1000; us > 0 && us < 1<<31 {
			c.f.rtt = uint32(us)
		}
	}
	switch {
	case h.version == 0: // the client tries again with another
		st.anew = st.anew || !fromClient
		return
	case googleVersion(h.version) && h.version>>24 == 'Q' && h.version < 'Q'<<24|'0'<<16|'5'<<8:
		c.googleHello(st, h.packet[h.pn:])
		return
	case h.kind == quicRetry:
		if !fromClient && !st.retried { // a second one is discarded; new keys from the connection ID that the server gave, RFC 9001 section 5.2
			st.cidLen = uint8(copy(st.cid[:], h.scid))
			st.keys, st.retried = nil, true
			st.made++
		}
		return
	case h.kind != quicInitial:
		return
	}
	if h.version != st.version {
		st.version = h.version
		st.keys = nil
		st.made = min(st.made+1, quicMaxKeys)
		st.anew = st.anew || fromClient
		c.edit().SetStr(fieldQUICVersion, c.quicVersionName(h.version))
	}
	plain, ok := c.quicOpen(st, h, fromClient)
	if ok {
		if number := c.quicNumber(h.pn); fromClient && number < quicMaxSent && st.sent[number] == 0 {
			st.sent[number] = c.ts
		}
		c.quicFrames(st, plain)
	}
}

// quicNumber is the number of the packet that was opened last, as far as it was sent. The first ones are sent whole.
func (c *call) quicNumber(pn int) (number uint32) {
	for _, b := range c.plain[pn : pn+int(c.plain[0]&3)+1] {
		number = number<<8 | uint32(b)
	}
	return number
}

// quicAcked takes the round trip from the acknowledgement of a client's packet, which holds also where the first one was
// lost. The shortest that is seen is nearest to the truth.
func (c *call) quicAcked(st *quicState, number uint64) {
	if c.side == st.client || number >= quicMaxSent || st.sent[number] == 0 {
		return
	}
	if us := (c.ts - st.sent[number]) / 1000; us > 0 && (c.f.rtt == 0 || us < int64(c.f.rtt)) {
		c.f.rtt = uint32(us)
	}
}

// quicOpen decrypts an Initial with the keys there are, or with those of the packet's own connection ID.
func (c *call) quicOpen(st *quicState, h *quicHeader, fromClient bool) ([]byte, bool) {
	if st.cidLen > 0 || st.keys != nil {
		if st.keys == nil {
			if st.made >= quicMaxKeys {
				return nil, false
			}
			st.keep(c.common, newQUICKeys(h.version, st.cid[:st.cidLen]))
		}
		if plain, ok := st.keys.open(&c.plain, h.packet, h.pn, fromClient); ok {
			return plain, true
		}
	}
	if !fromClient || st.hellos[0] && !st.anew || st.waited > quicMaxWait {
		return nil, false
	}
	st.waited++
	keys := newQUICKeys(h.version, h.dcid)
	plain, ok := keys.open(&c.plain, h.packet, h.pn, true)
	if !ok {
		return nil, false
	}
	st.keep(c.common, keys)
	st.cidLen = uint8(copy(st.cid[:], h.dcid))
	st.anew, st.hellos[0] = false, false
	for i := range st.side { // a hello begun under other keys is another hello
		st.side[i] = quicSide{}
	}
	return plain, true
}

// keep keeps the keys of a connection, in the place of those that were kept longest.
func (st *quicState) keep(in *common, keys *quicKeys) {
	if in.keyed == nil {
		in.keyed = make([]*quicState, quicMaxKept)
	}
	oldest := &in.keyed[in.keyedAt%quicMaxKept]
	if *oldest != nil && *oldest != st {
		(*oldest).keys = nil
	}
	*oldest, st.keys = st, keys
	in.keyedAt++
}

// quicFrames reads the frames that an Initial may hold (RFC 9000 section 12.4).
func (c *call) quicFrames(st *quicState, b []byte) {
	for r := (cursor{b: b}); len(r.b) > 0; {
		switch kind := r.u8(); kind {
		case 0: // PADDING, of which there is much
			for len(r.b) >= 32 && le64(r.b)|le64(r.b[8:])|le64(r.b[16:])|le64(r.b[24:]) == 0 {
				r.b = r.b[32:]
			}
		case 1: // PING
		case 2, 3: // ACK
			largest := r.varint64()
			r.varint64()
			n := r.varint()
			if !r.bad && !googleVersion(st.version) {
				c.quicAcked(st, largest)
			}
			for i := 0; i < 1+2*n && !r.bad; i++ {
				r.varint64()
			}
			for i := 0; kind == 3 && i < 3; i++ {
				r.varint64()
			}
		case 6, 8: // CRYPTO, which Google numbers differently
			if kind == 8 && !googleVersion(st.version) {
				return
			}
			at, data := r.varint(), r.bytes(r.varint())
			if !r.bad {
				c.quicCrypto(st, at, data)
			}
		case 0x1c:
			code := r.varint64()
			r.varint64() // the frame that led to it
			reason := r.bytes(r.varint())
			if !r.bad && !googleVersion(st.version) {
				c.quicClosed(st, code, reason)
			}
			return
		default: // nothing that belongs here
			return
		}
		if r.bad {
			return
		}
	}
}

// varint64 reads a variable-length number of any size.
func (r *cursor) varint64() (n uint64) {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	for i, b := range r.bytes(1 << (r.b[0] >> 6)) {
		if i == 0 {
			b &= 0x3f
		}
		n = n<<8 | uint64(b)
	}
	return n
}

// quicErrorNames are QUIC's own error codes (RFC 9000 section 20.1, RFC 9368 section 10.3).
var quicErrorNames = [...]string{"NO_ERROR", "INTERNAL_ERROR", "CONNECTION_REFUSED", "FLOW_CONTROL_ERROR", "STREAM_LIMIT_ERROR", "STREAM_STATE_ERROR",
	"FINAL_SIZE_ERROR", "FRAME_ENCODING_ERROR", "TRANSPORT_PARAMETER_ERROR", "CONNECTION_ID_LIMIT_ERROR", "PROTOCOL_VIOLATION", "INVALID_TOKEN", "APPLICATION_ERROR",
	"CRYPTO_BUFFER_EXCEEDED", "KEY_UPDATE_ERROR", "AEAD_LIMIT_REACHED", "NO_VIABLE_PATH", "VERSION_NEGOTIATION_ERROR"}

// quicErrorName gives an error's name, "" where it has none. An error of TLS is its alert behind a byte (RFC 9001 section 4.8).
func quicErrorName(code uint64) string {
	const tls = 0x100
	if code&^0xff == tls {
		return quicCryptoError
	}
	return nameIn(quicErrorNames[:])(code)
}

const quicCryptoError = "CRYPTO_ERROR"

// quicClosed tells why an end gave up.
func (c *call) quicClosed(st *quicState, code uint64, reason []byte) {
	st.closed = true
	switch name := quicErrorName(code); name {
	case quicCryptoError:
		c.firstFact(fieldQUICClose, []byte(name))
		if name := tlsAlertName(byte(code)); name != "" && !c.f.app.Has(fieldTLSAlert) {
			c.edit().SetStr(fieldTLSAlert, name)
		}
	case "":
		c.firstFact(fieldQUICClose, appendUint(nil, code))
	default:
		c.firstFact(fieldQUICClose, []byte(name))
	}
	c.firstFact(fieldQUICCloseReason, reason)
}

// quicCrypto takes a piece of the CRYPTO stream and reads the messages that are whole.
func (c *call) quicCrypto(st *quicState, at int, data []byte) {
	s := &st.side[c.side]
	end := at + len(data)
	if len(data) == 0 || end > c.max || end <= s.read {
		return
	}
	if at == 0 && s.read == 0 && len(s.list) == 0 {
		if n := c.quicMessages(st, data); n == len(data) {
			s.read = n
			s.add(0, n)
			return
		}
	}
	if !s.add(at, end) {
		return
	}
	c.keepPart(c.side, at, data)
	if n := s.whole(); n > s.read {
		s.read += c.quicMessages(st, c.f.dir[c.side].buf.b[s.read:n])
	}
}

// quicMessages reads the handshake messages at the start of b and returns the length of those that are whole.
func (c *call) quicMessages(st *quicState, b []byte) (read int) {
	for len(b) >= 4 {
		if string(b[:4]) == "CHLO" {
			return read + c.googleTags(st, b)
		}
		n := 4 + be24(b[1:])
		if n > len(b) {
			break
		}
		switch b[0] {
		case 1:
			var h clientHello
			if c.side == st.client && !st.hellos[0] && h.parse(b[4:n], false) {
				st.hellos[0] = true
				c.clientHello(&h, 'q')
			}
		case 2:
			var h serverHello
			if c.side == st.client || !h.parse(b[4:n]) {
				break
			}
			if h.retry() {
				c.negotiated(h.negotiated, h.cipher)
				break
			}
			st.hellos[1] = true
			c.choice(&h).SetBool(fieldTLSResumed, h.psk)
		}
		read += n
		b = b[n:]
	}
	return read
}

// googleQUIC reads the packets of Google's versions up to Q043, whose hello is not encrypted.
func (c *call) googleQUIC(st *quicState, b []byte) verdict {
	const header = 1 + 8 + 4 // flags, connection, version
	if st != nil {           // a short header: the handshake is over
		if st.waited++; st.waited > quicMaxWait {
			return done
		}
		return match
	}
	if len(b) < header || b[0]&0x89 != 0x09 {
		return no
	}
	version := be32(b[9:])
	if version>>24 != 'Q' || !googleVersion(version) {
		return no
	}
	st = c.quic.get()
	st.client, st.version, st.firstTS, st.asked = c.side, version, c.ts, true
	c.f.state = st
	c.setClient(c.side)
	c.edit().SetStr(fieldQUICVersion, c.quicVersionName(version))
	c.googleHello(st, b[header:])
	if st.hellos[0] {
		c.know()
		return done
	}
	return match
}

// googleHello looks for a hello in what is not encrypted.
func (c *call) googleHello(st *quicState, b []byte) {
	if i := bytes.Index(b, []byte("CHLO")); i >= 0 && !st.hellos[0] && c.side == st.client {
		c.googleTags(st, b[i:])
	}
}

// googleTags reads Google's CHLO: tags with the ends of their values, then the values (QUIC Crypto,
// "Handshake message format"). It returns the length of the message, 0 while it is not whole.
func (c *call) googleTags(st *quicState, b []byte) int {
	const header = 8
	if len(b) < header {
		return 0
	}
	n := int(b[4]) | int(b[5])<<8
	values := header + 8*n
	if n > 256 || values > len(b) {
		return 0
	}
	start := 0
	for at := header; at < values; at += 8 {
		end := int(b[at+4]) | int(b[at+5])<<8 | int(b[at+6])<<16 | int(b[at+7])<<24
		if end < start || values+end > len(b) {
			return 0
		}
		value := b[values+start : values+end]
		start = end
		if string(b[at:at+4]) == "SNI\x00" {
			c.serverName(value)
		}
	}
	st.hellos[0] = true
	return values + start
}
