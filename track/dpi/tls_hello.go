package dpi

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
)

// Extensions that are read (https://www.iana.org/assignments/tls-extensiontype-values).
const (
	extServerName        = 0
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extSupportedVersions = 43
	extECH               = 0xfe0d // RFC 9849
	extESNI              = 0xffce // draft-ietf-tls-esni before it became ECH
)

// clientHello is a ClientHello taken apart. Its slices alias the message.
type clientHello struct {
	version                uint16 // legacy_version
	session, ciphers, exts []byte

	sni, alpn, versions, groups, points, signatures []byte
	hasSNI, ticket, ech, esni                       bool
}

// parse takes a ClientHello without its handshake header apart (RFC 8446 section 4.1.2). DTLS puts a cookie behind the session.
// Of one that ends too early it answers false, and has read the extensions that are there whole.
func (h *clientHello) parse(b []byte, dtls bool) bool {
	*h = clientHello{}
	r := cursor{b: b}
	h.version = uint16(r.u16())
	r.bytes(32)
	h.session = r.vector8()
	if dtls {
		r.vector8()
	}
	h.ciphers = r.vector16()
	r.vector8() // compression
	if r.bad || len(h.session) > 32 || len(h.ciphers)%2 != 0 {
		return false
	}
	if len(r.b) == 0 { // SSL 3.0 and early TLS 1.0 have no extensions
		return true
	}
	there := r.b[min(2, len(r.b)):]
	h.exts = r.vector16()
	if r.bad {
		h.exts = there
	}
	return h.parseExtensions() && !r.bad
}

func (h *clientHello) parseExtensions() bool {
	for b := h.exts; len(b) > 0; {
		if len(b) < 4 || len(b)-4 < int(be16(b[2:])) {
			return false
		}
		end := 4 + int(be16(b[2:]))
		kind, e := be16(b), cursor{b: b[4:end]}
		b = b[end:]
		switch kind {
		case extServerName:
			h.hasSNI = true
			names := cursor{b: e.vector16()}
			for len(names.b) > 0 && h.sni == nil {
				if typ, name := names.u8(), names.vector16(); typ == 0 {
					h.sni = name
				}
			}
		case extALPN:
			h.alpn = e.vector16()
		case extSupportedVersions:
			h.versions = e.vector8()
		case extGroups:
			h.groups = e.vector16()
		case extPointFormats:
			h.points = e.vector8()
		case extSignatures:
			h.signatures = e.vector16()
		case extSessionTicket:
			h.ticket = len(e.b) > 0
		case extECH:
			h.ech = true
		case extESNI:
			h.esni = true
		}
	}
	return true
}

// Lists of a hello are of so many numbers at most. More are no program's, and a fingerprint of thousands that change each time costs more than
// all else that is done with a connection.
const (
	tlsMaxNumbers    = 512 // of ciphers, groups and signatures, which number some 350
	tlsMaxExtensions = 128 // of which there are some 60
)

// sensible tells whether the lists are such as programs have.
func (h *clientHello) sensible() bool {
	if max(len(h.ciphers), len(h.groups), len(h.signatures)) > 2*tlsMaxNumbers {
		return false
	}
	n := 0
	for b := h.exts; len(b) >= 4; n++ {
		if n == tlsMaxExtensions {
			return false
		}
		b = b[min(len(b), 4+int(be16(b[2:]))):]
	}
	return true
}

// serverHello is a ServerHello taken apart.
type serverHello struct {
	version         uint16 // legacy_version
	negotiated      uint16
	cipher          uint16
	random, session []byte
	exts, alpn      []byte
	psk             bool
}

// helloRetry is the Random that makes a ServerHello a HelloRetryRequest: SHA-256 of its name (RFC 8446 section 4.1.3).
var helloRetry = sha256.Sum256([]byte("HelloRetryRequest"))

func (h *serverHello) retry() bool { return string(h.random) == string(helloRetry[:]) }

// parse takes a ServerHello without its handshake header apart (RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3). Of one
// that ends too early it answers false, and has read the extensions that are there whole; cipher is 0 where not even that is.
func (h *serverHello) parse(b []byte) bool {
	*h = serverHello{}
	r := cursor{b: b}
	h.version = uint16(r.u16())
	h.negotiated = h.version
	h.random = r.bytes(32)
	if h.version>>8 == 0x7f && h.version < 0x7f16 { // drafts of TLS 1.3 before 22 have neither session nor compression
		h.cipher = uint16(r.u16())
	} else {
		h.session = r.vector8()
		h.cipher = uint16(r.u16())
		r.u8() // compression
	}
	if len(h.session) > 32 {
		h.cipher = 0
		return false
	}
	if r.bad {
		return false
	}
	if len(r.b) == 0 {
		return true
	}
	there := r.b[min(2, len(r.b)):]
	h.exts = r.vector16()
	if r.bad {
		h.exts = there
	}
	for e := (cursor{b: h.exts}); len(e.b) > 0; {
		kind, body := e.u16(), cursor{b: e.vector16()}
		if e.bad {
			return false
		}
		switch kind {
		case extSupportedVersions:
			if v := body.u16(); !body.bad {
				h.negotiated = uint16(v)
			}
		case extALPN:
			list := cursor{b: body.vector16()}
			h.alpn = list.vector8()
		case extPreSharedKey:
			h.psk = true
		}
	}
	return !r.bad
}

// grease tells the values that clients send to keep servers tolerant (RFC 8701).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// decimals appends numbers as JA3 writes them: decimal, joined with "-", without GREASE.
func decimals(dst, list []byte) []byte {
	start := len(dst)
	for ; len(list) >= 2; list = list[2:] {
		if v := be16(list); !grease(v) {
			if len(dst) > start {
				dst = append(dst, '-')
			}
			dst = strconv.AppendUint(dst, uint64(v), 10)
		}
	}
	return dst
}

// extensionDecimals is decimals for the types of extensions.
func extensionDecimals(dst, exts []byte) []byte {
	start := len(dst)
	for r := (cursor{b: exts}); len(r.b) > 0; {
		v := uint16(r.u16())
		r.vector16()
		if !grease(v) {
			if len(dst) > start {
				dst = append(dst, '-')
			}
			dst = strconv.AppendUint(dst, uint64(v), 10)
		}
	}
	return dst
}

// fingerprints of a client.
type fingerprints struct{ ja3, ja4 string }

// fingerprints returns both. They are remembered by all that goes into them, as programs say the same each time; those that
// change the order of their extensions are met by what md5Text and hash12 remember.
func (in *Inspector) fingerprints(h *clientHello, transport byte) fingerprints {
	b := append(append(in.hash[:0], transport, byte(h.version>>8), byte(h.version)), ja4Version(h)...)
	b = ja4ALPN(append(b, byte(len(h.points))), h.alpn)
	b = append(b, h.points...)
	b = numberList(b, h.ciphers)
	b = numberList(b, h.groups)
	b = numberList(b, h.signatures)
	b = extensionTypes(b, h.exts)
	in.hash = b
	place := in.hellos.find(b)
	if !place.known {
		place.set(fingerprints{in.ja3(h), in.ja4(h, transport)})
	}
	return place.value
}

// numberList appends a list without GREASE, a value of which ends it.
func numberList(dst, list []byte) []byte {
	for len(list) >= 2 {
		if len(list) >= 8 && !grease4(be64(list)) {
			dst = append(dst, list[:8]...)
			list = list[8:]
			continue
		}
		if !grease(be16(list)) {
			dst = append(dst, list[0], list[1])
		}
		list = list[2:]
	}
	return append(dst, 0x0a, 0x0a)
}

// grease4 tells whether one of four values may be GREASE: has 0xa below in both of its bytes, and so borrows here.
func grease4(x uint64) bool {
	const each = 0x0001000100010001
	x = x&(each*0x0f0f) ^ each*0x0a0a
	return (x-each)&^x&(each*0x8000) != 0
}

// extensionTypes is numberList for the types of extensions.
func extensionTypes(dst, exts []byte) []byte {
	for len(exts) >= 4 {
		if !grease(be16(exts)) {
			dst = append(dst, exts[0], exts[1])
		}
		exts = exts[min(len(exts), 4+int(be16(exts[2:]))):]
	}
	return dst
}

// md5Text is the hexadecimal MD5 of in.hash.
func (in *Inspector) md5Text() string {
	place := in.md5s.find(in.hash)
	if !place.known {
		sum := md5.Sum(in.hash)
		place.set(in.hexText(sum[:]))
	}
	return place.value
}

// ja3 is Salesforce's fingerprint of a client: the MD5 of version, ciphers, extensions, groups and
// point formats in the order they were sent (https://github.com/salesforce/ja3).
func (in *Inspector) ja3(h *clientHello) string {
	b := strconv.AppendUint(in.hash[:0], uint64(h.version), 10)
	b = decimals(append(b, ','), h.ciphers)
	b = extensionDecimals(append(b, ','), h.exts)
	b = decimals(append(b, ','), h.groups)
	b = append(b, ',')
	for i, p := range h.points {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	in.hash = b
	return in.md5Text()
}

// chosen is what a ServerHello tells.
type chosen struct{ version, cipher, ja3s string }

// chosen returns it, remembered by all that goes into it.
func (in *Inspector) chosen(h *serverHello) *chosen {
	b := binary.BigEndian.AppendUint16(in.hash[:0], h.version)
	b = binary.BigEndian.AppendUint16(b, h.negotiated)
	b = binary.BigEndian.AppendUint16(b, h.cipher)
	in.hash = extensionTypes(b, h.exts)
	place := in.servers.find(in.hash)
	if !place.known {
		place.set(chosen{in.tlsVersionName(h.negotiated), in.tlsCipherName(h.cipher), in.ja3s(h)})
	}
	return &place.value
}

// ja3s is the same authors' fingerprint of a server: version, cipher and extensions.
func (in *Inspector) ja3s(h *serverHello) string {
	b := strconv.AppendUint(in.hash[:0], uint64(h.version), 10)
	b = strconv.AppendUint(append(b, ','), uint64(h.cipher), 10)
	in.hash = extensionDecimals(append(b, ','), h.exts)
	return in.md5Text()
}

// ja4 is FoxIO's fingerprint of a TLS client (JA4 itself, which is under BSD terms); transport is 't', 'q' or 'd'.
func (in *Inspector) ja4(h *clientHello, transport byte) string {
	var out [36]byte
	b := append(out[:0], transport)
	b = append(b, ja4Version(h)...)
	if h.hasSNI {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}

	in.numbers = in.numbers[:0]
	for l := h.ciphers; len(l) >= 2; l = l[2:] {
		if v := be16(l); !grease(v) {
			in.numbers = append(in.numbers, v)
		}
	}
	b = twoDigits(b, len(in.numbers))
	slices.Sort(in.numbers)
	ciphers := in.hash12(hexList(in.hash[:0], in.numbers))

	in.numbers = in.numbers[:0]
	count := 0
	for r := (cursor{b: h.exts}); len(r.b) > 0; {
		v := uint16(r.u16())
		r.vector16()
		if grease(v) {
			continue
		}
		count++
		if v != extServerName && v != extALPN {
			in.numbers = append(in.numbers, v)
		}
	}
	b = twoDigits(b, count)
	b = ja4ALPN(b, h.alpn)
	slices.Sort(in.numbers)
	list := hexList(in.hash[:0], in.numbers)
	if len(list) > 0 {
		in.numbers = in.numbers[:0]
		for l := h.signatures; len(l) >= 2; l = l[2:] {
			if v := be16(l); !grease(v) {
				in.numbers = append(in.numbers, v)
			}
		}
		if len(in.numbers) > 0 {
			list = hexList(append(list, '_'), in.numbers)
		}
	}
	b = append(append(b, '_'), ciphers[:]...)
	exts := in.hash12(list)
	b = append(append(b, '_'), exts[:]...)
	return in.text(b)
}

func ja4Version(h *clientHello) string {
	best := uint16(0)
	for l := h.versions; len(l) >= 2; l = l[2:] {
		if v := be16(l); !grease(v) && v > best {
			best = v
		}
	}
	if h.versions == nil {
		best = h.version
	}
	switch best {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

// ja4ALPN appends the first and last character of the first protocol; of its hexadecimal form when one of them is neither letter nor digit.
func ja4ALPN(b, alpn []byte) []byte {
	r := cursor{b: alpn}
	p := r.vector8()
	if len(p) == 0 {
		return append(b, "00"...)
	}
	first, last := p[0], p[len(p)-1]
	if alphanumeric(first) && alphanumeric(last) {
		return append(b, first, last)
	}
	return append(b, hexDigits[first>>4], hexDigits[last&15])
}

func twoDigits(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, '0'+byte(n/10), '0'+byte(n%10))
}

// hexList appends numbers as four hexadecimal digits each, joined with commas.
func hexList(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
	}
	return dst
}

// hash12 is the first twelve hexadecimal digits of the SHA-256 of list, zeros for an empty one. It keeps list's storage.
func (in *Inspector) hash12(list []byte) (out [12]byte) {
	in.hash = list
	if len(list) == 0 {
		copy(out[:], "000000000000")
		return out
	}
	place := in.sums.find(list)
	if !place.known {
		sum := sha256.Sum256(list)
		hex.Encode(out[:], sum[:6])
		place.set(out)
	}
	return place.value
}

// hostNamed gives what the name of a host is as a connection's: one host has one name, however a client spells it (RFC 4343), and whether
// or not it ends with the root's dot.
func (c *call) hostNamed(name string) string {
	if n := len(name) - 1; n > 0 && name[n] == '.' {
		name = name[:n]
	}
	if len(name) > 255 || hostLowered(name) != "" {
		return name
	}
	small := append(c.hash[:0], name...)
	for i, b := range small {
		small[i] = lower(b)
	}
	c.hash = small
	return c.text(small)
}
