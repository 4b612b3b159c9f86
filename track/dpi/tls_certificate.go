package dpi

import (
	"crypto/sha256"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rustnet/track/event"
)

// Certificates, as they travel up to TLS 1.2 and DTLS 1.2. What is shown of them is what they say: nobody
// verifies a signature here, and nothing but the facts below is read, so that a hostile one costs no more
// than its length.

var (
	fieldTLSSubject   = event.AppString("tls_subject", "Subject of the server's certificate, as RFC 4514 writes names (CN=…,O=…). Certificates travel in the clear up to TLS 1.2; none is verified.").Spelt(tlsNameForm)
	fieldTLSIssuer    = event.AppString("tls_issuer", "Issuer of the server's certificate.").Spelt(tlsNameForm)
	fieldTLSSAN       = event.AppList("tls_san", "Names in the server's certificate (subjectAltName): hosts, addresses, mail addresses, URIs; the first 64.")
	fieldTLSNotBefore = event.AppTime("tls_not_before", "From when on the server's certificate is valid.")
	fieldTLSNotAfter  = event.AppTime("tls_not_after", "Until when the server's certificate is valid; absent where it says for ever.")
	fieldTLSCert      = event.AppString("tls_cert_sha256", "SHA-256 of the server's certificate.").Spelt(event.Hex(64))
	fieldTLSClientSub = event.AppString("tls_client_subject", "Subject of the client's certificate, where it shows one.").Spelt(tlsNameForm)
	fieldTLSClientIss = event.AppString("tls_client_issuer", "Issuer of the client's certificate.").Spelt(tlsNameForm)
)

var tlsNameForm = event.Shaped("a whole name as RFC 4514 writes it", "CN=app.demo.io,O=Demo", `([A-Za-z]+|[0-9.]+)=.*`).
	Meaning(func(text string) string { // OpenSSL's ways
		text = strings.NewReplacer(" = ", "=", ", ", ",").Replace(text)
		if strings.HasPrefix(text, "/") {
			return strings.ReplaceAll(text[1:], "/", ",")
		}
		return text
	})

const (
	tlsMaxLeaf     = 12 << 10 // of a certificate that is read
	tlsMaxDN       = 1024     // of a name's text
	tlsMaxSANs     = 64
	tlsCertificate = 11 // handshake message

	// tlsLeafAt is where the first certificate begins in a Certificate message: behind its length and that of the list.
	tlsLeafAt = 3 + 3
)

// Tags of what certificates are made of besides those of wire.go (X.680, RFC 5280 section 4.1).
const (
	derBool      = 0x01
	derOID       = 0x06
	derUTF8      = 0x0c
	derNumeric   = 0x12
	derPrintable = 0x13
	derTeletex   = 0x14
	derIA5       = 0x16
	derUTCTime   = 0x17
	derTime      = 0x18
	derVisible   = 0x1a
	derBMP       = 0x1e
	derSet       = 0x31
)

// certificate is what is shown of one. It is kept for all connections that show the same.
type certificate struct {
	ok                  bool
	hash                string
	subject, issuer     string
	san                 []string
	notBefore, notAfter int64 // nanoseconds since the epoch
	hasBefore, hasAfter bool
}

// tlsLeaf finds the first certificate of a list, of which b holds the beginning. size is how far of b it
// reaches, 0 when the list holds none that can be read.
func tlsLeaf(b []byte, message int) (size int) {
	if len(b) < tlsLeafAt {
		return 0
	}
	list, leaf := be24(b), be24(b[3:])
	if 3+list != message || tlsLeafAt+leaf > message || leaf < 64 || leaf > tlsMaxLeaf {
		return 0
	}
	return tlsLeafAt + leaf
}

// certificate sets what an end's certificate says.
func (c *call) certificate(der []byte, fromClient bool) {
	place := c.certs.find(der)
	if !place.known {
		place.set(c.readCertificate(sha256.Sum256(der), der))
	}
	cert := place.value
	if !cert.ok {
		return
	}
	a := c.edit()
	set := func(f *event.AppField, text string) {
		if text != "" && !a.Has(f) {
			a.SetStr(f, text)
		}
	}
	if fromClient {
		set(fieldTLSClientSub, cert.subject)
		set(fieldTLSClientIss, cert.issuer)
		return
	}
	set(fieldTLSSubject, cert.subject)
	set(fieldTLSIssuer, cert.issuer)
	if len(cert.san) > 0 && !a.Has(fieldTLSSAN) {
		a.SetList(fieldTLSSAN, c.listed(cert.san))
	}
	if cert.hasBefore {
		a.SetTime(fieldTLSNotBefore, cert.notBefore)
	}
	if cert.hasAfter {
		a.SetTime(fieldTLSNotAfter, cert.notAfter)
	}
	set(fieldTLSCert, cert.hash)
}

// readCertificate takes a certificate apart (RFC 5280 section 4.1).
func (in *Inspector) readCertificate(sum [sha256.Size]byte, der []byte) *certificate {
	cert := &certificate{}
	outer := cursor{b: der}
	whole := cursor{b: outer.expect(berSequence)}
	if outer.bad || len(outer.b) > 0 {
		return cert
	}
	tbs := cursor{b: whole.expect(berSequence)}
	if len(tbs.b) > 0 && tbs.b[0] == 0xa0 { // version
		tbs.element()
	}
	tbs.expect(berInteger)  // serial number
	tbs.expect(berSequence) // how it is signed
	issuer := tbs.expect(berSequence)
	validity := cursor{b: tbs.expect(berSequence)}
	subject := tbs.expect(berSequence)
	tbs.expect(berSequence) // public key
	if tbs.bad {
		return cert
	}
	cert.ok = true
	cert.hash = in.hexText(sum[:])
	cert.issuer, cert.subject = in.distinguishedName(issuer), in.distinguishedName(subject)
	cert.notBefore, cert.hasBefore = derTimeOf(&validity)
	cert.notAfter, cert.hasAfter = derTimeOf(&validity)
	for len(tbs.b) > 0 && !tbs.bad {
		if tag, body := tbs.element(); tag == 0xa3 {
			r := cursor{b: body}
			cert.san = in.alternativeNames(cursor{b: r.expect(berSequence)})
		}
	}
	return cert
}

// derTimeOf reads a time as certificates must write it (RFC 5280 section 4.1.2.5). What nanoseconds since the
// epoch cannot hold, such as the year 9999, which stands for no end, is none.
func derTimeOf(r *cursor) (ns int64, ok bool) {
	tag, b := r.element()
	digits := len(b) - 1
	if r.bad || digits < 0 || b[digits] != 'Z' || !(tag == derUTCTime && digits == 12 || tag == derTime && digits == 14) {
		return 0, false
	}
	var pair [7]int // century, year, month, day, hour, minute, second
	at := 7 - digits/2
	for i := 0; i < digits; i += 2 {
		if !digit(b[i]) || !digit(b[i+1]) {
			return 0, false
		}
		pair[at+i/2] = int(b[i]-'0')*10 + int(b[i+1]-'0')
	}
	if tag == derUTCTime {
		pair[0] = 20
		if pair[1] >= 50 {
			pair[0] = 19
		}
	}
	year := pair[0]*100 + pair[1]
	t := time.Date(year, time.Month(pair[2]), pair[3], pair[4], pair[5], pair[6], 0, time.UTC)
	if year < 1678 || year > 2261 || int(t.Month()) != pair[2] || t.Day() != pair[3] || t.Hour() != pair[4] || t.Minute() != pair[5] || t.Second() != pair[6] {
		return 0, false
	}
	return t.UnixNano(), true
}

// alternativeNames reads the subjectAltName of a list of extensions (RFC 5280 section 4.2.1.6).
func (in *Inspector) alternativeNames(exts cursor) (list []string) {
	for len(exts.b) > 0 && !exts.bad {
		ext := cursor{b: exts.expect(berSequence)}
		if string(ext.expect(derOID)) != "\x55\x1d\x11" {
			continue
		}
		if len(ext.b) > 0 && ext.b[0] == derBool {
			ext.element()
		}
		value := cursor{b: ext.expect(berOctets)}
		for names := (cursor{b: value.expect(berSequence)}); len(names.b) > 0 && len(list) < tlsMaxSANs; {
			switch tag, name := names.element(); tag {
			case 0x81, 0x82, 0x86: // mail address, host, URI
				if printable(name) {
					list = append(list, in.text(name))
				}
			case 0x87:
				if addr, ok := netip.AddrFromSlice(name); ok {
					list = append(list, addr.String())
				}
			}
		}
		return list
	}
	return nil
}

// distinguishedName writes a name as RFC 4514 does: the last of its parts first. It is empty when it can not be read or is too long.
func (in *Inspector) distinguishedName(der []byte) string {
	in.hash = in.hash[:0]
	type part struct{ from, to int }
	var parts [32]part
	n := 0
	for r := (cursor{b: der}); len(r.b) > 0; n++ {
		from := len(in.hash)
		for set := (cursor{b: r.expect(derSet)}); len(set.b) > 0; {
			pair := cursor{b: set.expect(berSequence)}
			oid := pair.expect(derOID)
			tag, value := pair.element()
			if pair.bad || len(pair.b) > 0 {
				return ""
			}
			if len(in.hash) > from {
				in.hash = append(in.hash, '+')
			}
			if in.hash = appendAttribute(in.hash, oid, tag, value); in.hash == nil || len(in.hash) > tlsMaxDN {
				return ""
			}
		}
		if r.bad || n == len(parts) || len(in.hash) == from {
			return ""
		}
		parts[n] = part{from, len(in.hash)}
	}
	written := len(in.hash)
	for i := n - 1; i >= 0; i-- {
		if len(in.hash) > written {
			in.hash = append(in.hash, ',')
		}
		in.hash = append(in.hash, in.hash[parts[i].from:parts[i].to]...)
	}
	return in.text(in.hash[written:])
}

// appendAttribute writes one attribute of a name, nil when it can not be read.
func appendAttribute(dst, oid []byte, tag byte, value []byte) []byte {
	name := attributeNames[string(oid)]
	if name == "" { // RFC 4514 section 2.4: the number, and the encoded value in hexadecimal
		if dst = appendOID(dst, oid); dst == nil || len(value) > 255 {
			return nil
		}
		dst = append(dst, '=', '#', hexDigits[tag>>4], hexDigits[tag&15])
		if len(value) > 127 {
			dst = append(dst, "81"...)
		}
		dst = append(dst, hexDigits[len(value)>>4], hexDigits[len(value)&15])
		for _, b := range value {
			dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
		}
		return dst
	}
	dst = append(append(dst, name...), '=')
	switch tag {
	case derUTF8, derPrintable, derIA5, derNumeric, derVisible:
		if !utf8.Valid(value) {
			return nil
		}
		start := true
		for len(value) > 0 {
			r, n := utf8.DecodeRune(value)
			value = value[n:]
			dst = appendNameRune(dst, r, start, len(value) == 0)
			start = false
		}
	case derTeletex: // by custom ISO 8859-1
		for i, b := range value {
			dst = appendNameRune(dst, rune(b), i == 0, i == len(value)-1)
		}
	case derBMP:
		for i := 0; i+1 < len(value); i += 2 {
			dst = appendNameRune(dst, rune(be16(value[i:])), i == 0, i+3 >= len(value))
		}
	default:
		return nil
	}
	return dst
}

// appendNameRune writes a character of a value with what RFC 4514 section 2.4 has escaped, and what is no character to be shown.
func appendNameRune(dst []byte, r rune, first, last bool) []byte {
	switch {
	case r < ' ' || r >= 0x7f && r < 0xa0:
		var b [utf8.UTFMax]byte
		for _, x := range b[:utf8.EncodeRune(b[:], r)] {
			dst = append(dst, '\\', hexDigits[x>>4], hexDigits[x&15])
		}
		return dst
	case r == '"' || r == '+' || r == ',' || r == ';' || r == '<' || r == '>' || r == '\\',
		first && (r == '#' || r == ' '), last && r == ' ':
		dst = append(dst, '\\')
	}
	return utf8.AppendRune(dst, r)
}

// appendOID writes an object identifier with dots (X.690 section 8.19), nil when it is none.
func appendOID(dst, oid []byte) []byte {
	n, first := uint64(0), true
	for _, b := range oid {
		if n >= 1<<56 {
			return nil
		}
		n = n<<7 | uint64(b&0x7f)
		if b&0x80 != 0 {
			continue
		}
		if first { // two numbers in one
			root := min(n/40, 2)
			dst = append(strconv.AppendUint(dst, root, 10), '.')
			n -= 40 * root
			first = false
		} else {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, n, 10)
		n = 0
	}
	if len(oid) == 0 || oid[len(oid)-1]&0x80 != 0 {
		return nil
	}
	return dst
}

// attributeNames has the short names of what subjects are made of, by their encoded number (RFC 4514 section 3,
// RFC 4519, the CA/Browser Forum's requirements for extended validation).
var attributeNames = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x04": "SN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C", "\x55\x04\x07": "L",
	"\x55\x04\x08": "ST", "\x55\x04\x09": "STREET", "\x55\x04\x0a": "O", "\x55\x04\x0b": "OU", "\x55\x04\x0c": "title",
	"\x55\x04\x0d": "description", "\x55\x04\x0f": "businessCategory", "\x55\x04\x11": "postalCode", "\x55\x04\x2a": "GN",
	"\x55\x04\x2b": "initials", "\x55\x04\x2e": "dnQualifier", "\x55\x04\x41": "pseudonym", "\x55\x04\x61": "organizationIdentifier",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":     "UID",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":     "DC",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":         "emailAddress",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02":         "unstructuredName",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01": "jurisdictionL",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02": "jurisdictionST",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03": "jurisdictionC",
}
