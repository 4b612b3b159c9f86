package dpi

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// signed makes a certificate of Go's out of a template.
func signed(t testing.TB, template *x509.Certificate) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(7)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rawName encodes a name whose parts are sets of pairs: a number and an encoded value.
func rawName(t testing.TB, parts ...[]asn1.RawValue) []byte {
	t.Helper()
	type pair struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type pairs []pair
	var name []asn1.RawValue
	for _, part := range parts {
		var set pairs
		for i := 0; i+1 < len(part); i += 2 {
			var oid asn1.ObjectIdentifier
			if _, err := asn1.Unmarshal(part[i].FullBytes, &oid); err != nil {
				t.Fatal(err)
			}
			set = append(set, pair{oid, part[i+1]})
		}
		b, err := asn1.MarshalWithParams(set, "set")
		if err != nil {
			t.Fatal(err)
		}
		name = append(name, asn1.RawValue{FullBytes: b})
	}
	b, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func oid(numbers ...int) asn1.RawValue {
	b, err := asn1.Marshal(asn1.ObjectIdentifier(numbers))
	if err != nil {
		panic(err)
	}
	return asn1.RawValue{FullBytes: b}
}

func text(tag int, s string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(s)} }

func TestDistinguishedNames(t *testing.T) {
	cn := oid(2, 5, 4, 3)
	for _, tc := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"none", rawName(t), ""},
		{"last first", rawName(t, []asn1.RawValue{oid(2, 5, 4, 6), text(19, "DE")}, []asn1.RawValue{oid(2, 5, 4, 10), text(12, "Käse AG")}, []asn1.RawValue{cn, text(12, "a.example")}), "CN=a.example,O=Käse AG,C=DE"},
		{"domains", rawName(t, []asn1.RawValue{oid(0, 9, 2342, 19200300, 100, 1, 25), text(22, "example")}, []asn1.RawValue{oid(0, 9, 2342, 19200300, 100, 1, 1), text(12, "anna")}), "UID=anna,DC=example"},
		{"mail", rawName(t, []asn1.RawValue{oid(1, 2, 840, 113549, 1, 9, 1), text(22, "a@b.example")}), "emailAddress=a@b.example"},
		{"company", rawName(t, []asn1.RawValue{oid(1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3), text(19, "US")}, []asn1.RawValue{oid(2, 5, 4, 5), text(19, "123")}), "serialNumber=123,jurisdictionC=US"},
		{"two in one part", rawName(t, []asn1.RawValue{cn, text(12, "a"), oid(2, 5, 4, 11), text(12, "b")}), "CN=a+OU=b"},
		{"escaped", rawName(t, []asn1.RawValue{cn, text(12, `#1, "x"+<y>;\z `)}), `CN=\#1\, \"x\"\+\<y\>\;\\z\ `},
		{"blanks", rawName(t, []asn1.RawValue{cn, text(12, "  ")}), `CN=\ \ `},
		{"control characters", rawName(t, []asn1.RawValue{cn, text(12, "a\x00b\n\u0085")}), `CN=a\00b\0a\c2\85`},
		{"iso 8859", rawName(t, []asn1.RawValue{cn, text(20, "K\xe4se")}), "CN=Käse"},
		{"two bytes each", rawName(t, []asn1.RawValue{cn, text(30, "\x00K\x00\xe4\x20\xac")}), "CN=Kä€"},
		{"unknown number", rawName(t, []asn1.RawValue{oid(2, 999, 3), text(12, "a")}), "2.999.3=#0c0161"},
		{"no text", rawName(t, []asn1.RawValue{cn, {Tag: 2, Bytes: []byte{1}}}), ""},
		{"no UTF-8", rawName(t, []asn1.RawValue{cn, text(12, "a\xff")}), ""},
		{"too long", rawName(t, []asn1.RawValue{cn, text(12, strings.Repeat("x", 2000))}), ""},
		{"too many", rawName(t, slices.Repeat([][]asn1.RawValue{{cn, text(12, "x")}}, 33)...), ""},
	} {
		c := newInspector(Config{}).readCertificate([32]byte{}, signed(t, &x509.Certificate{RawSubject: tc.raw}))
		if !c.ok || c.subject != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.name, c.subject, c.ok, tc.want)
		}
	}
}

func TestCertificates(t *testing.T) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 1, 2, 3, 0, time.UTC) }
	uri, _ := url.Parse("spiffe://example.org/ns/a")
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = fmt.Sprintf("h%d.example.org", i)
	}
	for _, tc := range []struct {
		name          string
		template      x509.Certificate
		before, after string
		san           []string
	}{
		{"all kinds of names", x509.Certificate{NotBefore: day(1999, 12, 31), NotAfter: day(2000, 2, 29), DNSNames: []string{"*.a.example", "b.example"}, EmailAddresses: []string{"c@example.org"},
			IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")}, URIs: []*url.URL{uri}}, "1999-12-31T01:02:03Z", "2000-02-29T01:02:03Z",
			[]string{"*.a.example", "b.example", "c@example.org", "192.0.2.1", "2001:db8::1", "spiffe://example.org/ns/a"}},
		{"both forms of time", x509.Certificate{NotBefore: day(2049, 12, 31), NotAfter: day(2050, 1, 1)}, "2049-12-31T01:02:03Z", "2050-01-01T01:02:03Z", nil},
		{"for ever", x509.Certificate{NotBefore: day(1950, 1, 1), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, "1950-01-01T01:02:03Z", "", nil},
		{"the epoch", x509.Certificate{NotBefore: time.Unix(0, 0), NotAfter: day(2261, 12, 31)}, "1970-01-01T00:00:00Z", "2261-12-31T01:02:03Z", nil},
		{"a hundred names", x509.Certificate{NotBefore: day(2020, 1, 1), NotAfter: day(2021, 1, 1), DNSNames: hundred}, "2020-01-01T01:02:03Z", "2021-01-01T01:02:03Z", hundred[:tlsMaxSANs]},
		{"an authority's", x509.Certificate{NotBefore: day(2020, 1, 1), NotAfter: day(2021, 1, 1), IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCertSign}, "2020-01-01T01:02:03Z", "2021-01-01T01:02:03Z", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.template.Subject.CommonName = "x"
			der := signed(t, &tc.template)
			c := newInspector(Config{}).readCertificate(sha256.Sum256(der), der)
			show := func(ns int64, ok bool) string {
				if !ok {
					return ""
				}
				return time.Unix(0, ns).UTC().Format(time.RFC3339)
			}
			if got := show(c.notBefore, c.hasBefore); got != tc.before {
				t.Errorf("valid from %q, want %q", got, tc.before)
			}
			if got := show(c.notAfter, c.hasAfter); got != tc.after {
				t.Errorf("valid until %q, want %q", got, tc.after)
			}
			if !slices.Equal(c.san, tc.san) {
				t.Errorf("names %q, want %q", c.san, tc.san)
			}
			if want := fmt.Sprintf("%x", sha256.Sum256(der)); c.hash != want {
				t.Errorf("hash %s, want %s", c.hash, want)
			}
			for n := range der { // what is cut is no certificate
				if newInspector(Config{}).readCertificate([32]byte{}, der[:n]).ok {
					t.Fatalf("%d of %d bytes are taken for all", n, len(der))
				}
			}
		})
	}
}

func TestCertificateTimes(t *testing.T) {
	for text, want := range map[string]string{"\x17\x0d500101000000Z": "1950-01-01T00:00:00Z", "\x17\x0d491231235959Z": "2049-12-31T23:59:59Z", "\x18\x0f20500101000000Z": "2050-01-01T00:00:00Z",
		"\x17\x0d230230000000Z": "", "\x17\x0d231301000000Z": "", "\x17\x0d230101240000Z": "", "\x17\x0d2301010000 0Z": "", "\x17\x0b2301010000Z": "", "\x17\x0d2301010000000": "",
		"\x18\x0f99991231235959Z": "", "\x18\x0f00010101000000Z": "", "\x18\x0d230101000000Z": "", "\x17\x00": "", "": ""} {
		got := ""
		if ns, ok := derTimeOf(&cursor{b: []byte(text)}); ok {
			got = time.Unix(0, ns).UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestCertificateMessages sends a server's flight in records of every size, and lists that are not what they say.
func TestCertificateMessages(t *testing.T) {
	hello := record(1, testHello(0x0303, []uint16{0xc02f}, testServerName("a.example")), 16000)
	server := append(append(u16s(0x0303), make([]byte, 32)...), 0, 0xc0, 0x2f, 0)
	handshake := func(kind byte, body string) []byte { return append([]byte{kind}, behind24(body)...) }
	cert := string(testServerCert().Certificate[0])
	chain := behind24(behind24(cert) + behind24(strings.Repeat("z", 3000)))
	want := certificateFacts(testServerCert())["tls_cert_sha256"]
	rest := slices.Concat(handshake(22, strings.Repeat("o", 700)), handshake(12, strings.Repeat("k", 300)), handshake(14, ""))
	for _, tc := range []struct {
		name, message, want string
		known               bool // when all is sent
	}{
		{"a chain", chain, want, true},
		{"nothing in the list", behind24(""), "", true},
		{"an empty one", behind24(behind24("")), "", true},
		{"longer than the list", behind24(behind24(cert)[:50]), "", true},
		{"a list that is longer than the message", "\x01" + chain[1:], "", true},
		{"too long to be read", behind24(behind24(strings.Repeat("\x30", tlsMaxLeaf+1))), "", true},
		{"no certificate", behind24(behind24(strings.Repeat("\x30", 500))), "", true},
		{"no message at all", "", "", true},
	} {
		for _, n := range []int{1, 2, 5, 7, 100, 1000, 16000} {
			in := newInspector(Config{})
			flight := slices.Concat(handshake(2, string(server)), handshake(tlsCertificate, tc.message), rest)
			if tc.message == "" {
				flight = slices.Concat(handshake(2, string(server)), rest)
			}
			var b []byte
			for len(flight) > 0 {
				k := min(n, len(flight))
				b = append(append(b, tlsHandshake, 3, 3), vec16(flight[:k]...)...)
				flight = flight[k:]
			}
			for _, size := range []int{len(b), 1448, 3} {
				f := in.NewFlow(true, 40000, 9999)
				msgs := []message{{Orig, hello}}
				for _, p := range cut([]message{{Resp, b}}, size) {
					msgs = append(msgs, message{Resp, p.b})
				}
				got := runSegments(in, f, msgs)
				if got["tls_cert_sha256"] != tc.want || got["tls_version"] != "1.2" || f.known != tc.known {
					t.Errorf("%s, records of %d, pieces of %d: certificate %q, version %q, known %v; want %q and %v", tc.name, n, size, got["tls_cert_sha256"], got["tls_version"], f.known, tc.want, tc.known)
				}
				if f.finished && len(b) < 64<<10 { // as much is followed
					t.Errorf("%s: finished before the client's half", tc.name)
				}
				in.Free(f)
			}
			if in.total != 0 {
				t.Fatalf("%d bytes are still kept", in.total)
			}
		}
	}
}

// TestCertificateIsWaitedFor holds that a record which waits for what the start tells has the certificate.
func TestCertificateIsWaitedFor(t *testing.T) {
	all, _ := tlsHandshakes(&tls.Config{MaxVersion: tls.VersionTLS12}, nil, 1)
	in := newInspector(Config{})
	f := in.NewFlow(true, 1, 2)
	seq := [2]uint32{1000, 2000}
	for _, s := range []Side{Orig, Resp} {
		in.Segment(f, s, seq[s]-1, true, false, nil, 0, 0)
	}
	for _, m := range cut(all[0], 100) {
		r := in.Segment(f, m.side, seq[m.side], false, false, m.b, uint32(len(m.b)), 0)
		seq[m.side] += uint32(len(m.b))
		if has := f.App().Has(fieldTLSCert); r&Known != 0 != has {
			t.Fatalf("known %v, certificate %v", r&Known != 0, has)
		} else if has {
			return
		}
	}
	t.Fatal("no certificate")
}

// TestCertificatesAreShared holds that connections which show the same certificate share what is kept of it.
func TestCertificatesAreShared(t *testing.T) {
	in := newInspector(Config{})
	der := testServerCert().Certificate[0]
	in.call.f = &Flow{}
	in.call.certificate(der, false)
	if n := testing.AllocsPerRun(100, func() { in.call.certificate(der, false) }); n != 0 {
		t.Errorf("%v allocations for a certificate that was seen before, want 0", n)
	}
}

// FuzzCertificate compares with Go's reader, which takes less: what it reads must be read here, and the same.
func FuzzCertificate(f *testing.F) {
	uri, _ := url.Parse("https://example.org/")
	f.Add(testServerCert().Certificate[0])
	f.Add(signed(f, &x509.Certificate{Subject: pkix.Name{CommonName: "x, y", Country: []string{"DE"}, SerialNumber: "1"}, NotAfter: time.Unix(0, 0), DNSNames: []string{"a"},
		IPAddresses: []net.IP{net.IPv4(1, 2, 3, 4)}, URIs: []*url.URL{uri}, EmailAddresses: []string{"a@b"}}))
	f.Fuzz(func(t *testing.T, der []byte) {
		in := newInspector(Config{})
		got := in.readCertificate([32]byte{}, der)
		if len(got.subject) > tlsMaxDN || len(got.issuer) > tlsMaxDN || len(got.san) > tlsMaxSANs {
			t.Fatalf("beyond its bounds: %d, %d, %d", len(got.subject), len(got.issuer), len(got.san))
		}
		want, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if !got.ok {
			t.Fatal("not read, but Go reads it")
		}
		for _, time := range []struct {
			ns   int64
			ok   bool
			want time.Time
		}{{got.notBefore, got.hasBefore, want.NotBefore}, {got.notAfter, got.hasAfter, want.NotAfter}} {
			if time.ok && time.ns != time.want.UnixNano() {
				t.Errorf("time %d, want %v", time.ns, time.want)
			}
		}
		for _, name := range want.DNSNames {
			if printable([]byte(name)) && len(got.san) < tlsMaxSANs && !slices.Contains(got.san, name) {
				t.Errorf("names %q, want %q among them", got.san, name)
			}
		}
	})
}
