package dpi

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"maps"
	"strings"
	"testing"
)

func u16s(list ...uint16) (b []byte) {
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func vec16(b ...byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func vec8(b ...byte) []byte { return append([]byte{byte(len(b))}, b...) }

type testExt struct {
	kind uint16
	body []byte
}

func testHello(version uint16, ciphers []uint16, exts ...testExt) []byte {
	b := append(u16s(version), make([]byte, 32)...)
	b = append(b, 0)
	b = append(b, vec16(u16s(ciphers...)...)...)
	b = append(b, 1, 0)
	if len(exts) == 0 {
		return b
	}
	var e []byte
	for _, x := range exts {
		e = append(append(e, u16s(x.kind)...), vec16(x.body...)...)
	}
	return append(b, vec16(e...)...)
}

func testServerName(name string) testExt {
	return testExt{extServerName, vec16(append([]byte{0}, vec16([]byte(name)...)...)...)}
}

// record wraps a handshake message in records of at most n bytes.
func record(kind byte, msg []byte, n int) (b []byte) {
	msg = append([]byte{kind, byte(len(msg) >> 16), byte(len(msg) >> 8), byte(len(msg))}, msg...)
	for len(msg) > 0 {
		k := min(n, len(msg))
		b = append(append(b, tlsHandshake, 3, 1), vec16(msg[:k]...)...)
		msg = msg[k:]
	}
	return b
}

// TestJA3 holds the fingerprint to the examples of its authors (https://github.com/salesforce/ja3).
func TestJA3(t *testing.T) {
	in := newInspector(Config{})
	for _, tc := range []struct {
		hello []byte
		want  string
	}{
		{testHello(769, []uint16{0x1a1a, 47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4}, testExt{0x2a2a, nil}, testServerName("x.example"),
			testExt{extGroups, vec16(u16s(0x3a3a, 23, 24, 25)...)}, testExt{extPointFormats, vec8(0)}), "ada70206e40642a3e4461f35503241d5"},
		{testHello(769, []uint16{4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99}), "de350869b8c85de67a350c8d186f11e6"},
		{testHello(769, []uint16{255, 49162, 49172, 136, 135, 57, 56, 49167, 49157, 132, 53, 49159, 49161, 49169, 49171, 69, 68, 51, 50, 49164, 49166, 49154, 49156, 150, 65, 4, 5, 47, 49160,
			49170, 22, 19, 49165, 49155, 65279, 10}, testServerName("x.example"), testExt{extGroups, vec16(u16s(23, 24, 25)...)}, testExt{extPointFormats, vec8(0)}, testExt{extSessionTicket, nil}), "2aef69b4ba1938c3a400de4188743185"},
	} {
		var h clientHello
		if !h.parse(tc.hello, false) {
			t.Fatal("the hello can not be read")
		}
		if got := in.ja3(&h); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// TestJA4 holds the fingerprint to the example that its authors explain it by (https://github.com/FoxIO-LLC/ja4).
func TestJA4(t *testing.T) {
	in := newInspector(Config{})
	ciphers := []uint16{0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035}
	exts := []testExt{{0x4a4a, nil}, {0x001b, nil}, testServerName("x.example"), {0x0033, nil}, {extALPN, vec16(append(vec8('h', '2'), vec8([]byte("http/1.1")...)...)...)}, {0x4469, nil}, {0x0017, nil},
		{0x002d, nil}, {extSignatures, vec16(u16s(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)...)}, {0x0005, nil}, {0x0023, nil}, {0x0012, nil},
		{extSupportedVersions, vec8(u16s(0x9a9a, 0x0304, 0x0303)...)}, {0xff01, nil}, {0x000b, nil}, {0x000a, nil}, {0x0015, nil}, {0x5a5a, nil}}
	for _, tc := range []struct{ name, want string }{
		{"published", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
	} {
		var h clientHello
		if !h.parse(testHello(0x0303, ciphers, exts...), false) {
			t.Fatal("the hello can not be read")
		}
		if got := in.ja4(&h, 't'); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	for alpn, want := range map[string]string{"": "00", "h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\x30\xab": "3b", "\x30\x31\xab\xcd": "3d", "h3-T051": "h1"} {
		var list []byte
		if alpn != "" {
			list = vec8([]byte(alpn)...)
		}
		if got := string(ja4ALPN(nil, list)); got != want {
			t.Errorf("ALPN %q: got %q, want %q", alpn, got, want)
		}
	}
	var h clientHello
	if !h.parse(testHello(0x0300, []uint16{5}), false) {
		t.Fatal("the hello can not be read")
	}
	if got, want := in.ja4(&h, 't'), "ts3i010000_"+sha12("0005")+"_000000000000"; got != want {
		t.Errorf("without extensions: got %s, want %s", got, want)
	}
}

// exchange sends one segment from each end and returns the facts.
func exchange(port uint16, client, server []byte) map[string]string {
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, port)
	msgs := []message{{Orig, client}}
	if server != nil {
		msgs = append(msgs, message{Resp, server})
	}
	return runSegments(in, f, msgs)
}

func subset(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
}

func TestTLSHellos(t *testing.T) {
	hello := testHello(0x0303, []uint16{0xc02f}, testServerName("split.example"), testExt{extECH, []byte{0}})
	for n := 1; n < 60; n++ {
		subset(t, exchange(9999, record(1, hello, n), nil), map[string]string{"app": "tls", "sni": "split.example", "ech": "1", "host": "split.example by sni"})
	}
	big := testHello(0x0303, []uint16{0xc02f}, testExt{0x4444, make([]byte, 11000)}, testServerName("big.example"))
	subset(t, exchange(443, record(1, big, 16000), nil), map[string]string{"sni": "big.example"})
	got := exchange(443, record(1, testHello(0x0303, []uint16{1}, testServerName("192.0.2.1")), 16000), nil)
	subset(t, got, map[string]string{"sni": "192.0.2.1", "host": ""})
	got = exchange(443, record(1, testHello(0x0303, []uint16{1}, testServerName("a\x00b\n")), 16000), nil)
	subset(t, got, map[string]string{"app": "tls", "sni": "", "host": ""})
	broken := testHello(0x0303, []uint16{1}, testServerName("kept.example"), testExt{9, []byte("xx")})
	broken[len(broken)-3] = 9 // the last extension claims more than there is
	subset(t, exchange(443, record(1, broken, 16000), nil), map[string]string{"sni": "kept.example", "ja3": ""})
	// RFC 5246 appendix E.2: an SSL 2.0 hello that offers TLS 1.0.
	old := append(unhex("802e0103010015000000100000 2f000035000005 00000a 010080 070 0c0 030080"), make([]byte, 16)...)
	subset(t, exchange(443, old, record(2, append(append(u16s(0x0301), make([]byte, 32)...), 0, 0, 0x2f, 0), 16000)),
		map[string]string{"app": "tls", "tls_version": "1.0", "tls_cipher": "TLS_RSA_WITH_AES_128_CBC_SHA"})
	subset(t, exchange(443, record(1, hello, 16000), []byte{tlsAlert, 3, 3, 0, 2, 2, 40}), map[string]string{"tls_alert": "handshake_failure", "tls_version": ""})
	for _, noTLS := range []string{"\x16\x03\x01\x00\x20\x05\x00\x00\x1c\x03\x03", "\x16\x03\x01\x00\x00\x01", "\x16\x02\x01\x00\x80\x01", "\x16\x03\x01\x02\x00\x01\x00\x00\x10\x03\x03"} {
		if got := exchange(443, []byte(noTLS+strings.Repeat("z", 100)), nil); len(got) != 0 {
			t.Errorf("%q: got %v, want nothing", noTLS, got)
		}
	}
}

// TestTLSHelloCut: of a hello whose end the capture cut, or lost with a segment, what stands before is told, and no fingerprint.
func TestTLSHelloCut(t *testing.T) {
	alpn := testExt{extALPN, vec16(vec8([]byte("h2")...)...)}
	share := testExt{51, make([]byte, 1216)} // as large as a post-quantum one
	client := record(1, testHello(0x0303, []uint16{0x1301, 0xc02f}, testServerName("cut.example"), alpn, share), 16000)
	serverHello := func(cipher uint16, exts ...testExt) []byte {
		b := append(append(u16s(0x0303), make([]byte, 33)...), u16s(cipher)...)
		var e []byte
		for _, x := range exts {
			e = append(append(e, u16s(x.kind)...), vec16(x.body...)...)
		}
		return record(2, append(append(b, 0), vec16(e...)...), 16000)
	}
	versions := testExt{extSupportedVersions, u16s(0x0304)}
	for _, c := range []struct {
		name string
		side Side
		b    []byte
		kept int
		want map[string]string
	}{
		{"in the key share", Orig, client, 400, map[string]string{"app": "tls", "sni": "cut.example", "host": "cut.example by sni", "alpn": "h2"}},
		{"in the protocols", Orig, client, bytes.Index(client, []byte("h2")) + 1, map[string]string{"app": "tls", "sni": "cut.example", "host": "cut.example by sni"}},
		{"behind the name", Orig, client, bytes.Index(client, []byte("cut.example")) + 11, map[string]string{"app": "tls", "sni": "cut.example", "host": "cut.example by sni"}},
		{"in the name", Orig, client, bytes.Index(client, []byte("cut.example")) + 10, map[string]string{"app": "tls"}},
		{"in the random", Orig, client, 20, map[string]string{"app": "tls"}},
		{"server, its version not seen", Resp, serverHello(0x1301, testExt{51, make([]byte, 36)}, versions), 60, map[string]string{"app": "tls", "tls_cipher": "TLS_AES_128_GCM_SHA256"}},
		{"server, its version seen", Resp, serverHello(0x1301, versions, testExt{51, make([]byte, 36)}), 60, map[string]string{"app": "tls", "tls_version": "1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256"}},
		{"server, of a cipher before 1.3", Resp, serverHello(0xc02f, testExt{0x4444, make([]byte, 99)}), 60, map[string]string{"app": "tls", "tls_version": "1.2", "tls_cipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}},
		{"server, in its cipher", Resp, serverHello(0xc02f), tlsHeaderLen + 4 + 2 + 32 + 1 + 1, map[string]string{"app": "tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newInspector(Config{})
			open := func() *Flow {
				f := in.NewFlow(true, 40000, 9999)
				in.Segment(f, Orig, 0, true, false, nil, 0, 0)
				in.Segment(f, Resp, 0, true, false, nil, 0, 0)
				return f
			}
			snapped, lost := open(), open()
			in.Segment(snapped, c.side, 1, false, false, c.b[:c.kept], uint32(len(c.b)), 0)
			in.Segment(lost, c.side, 1, false, false, c.b[:c.kept], uint32(c.kept), 0)
			in.End(lost, 1e9)
			for how, f := range map[string]*Flow{"snapped": snapped, "lost": lost} {
				if got := facts(f.App()); !maps.Equal(got, c.want) {
					t.Errorf("%s: got %v, want %v", how, got, c.want)
				}
				in.Free(f)
			}
		})
	}
}

func TestTLSResumption(t *testing.T) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		all, state := tlsHandshakes(&tls.Config{MinVersion: v, MaxVersion: v, ClientSessionCache: tls.NewLRUClientSessionCache(4)}, nil, 2)
		if !state.DidResume {
			t.Fatalf("%s: the second handshake did not resume", tls.VersionName(v))
		}
		for i, want := range []string{"0", "1"} {
			in := newInspector(Config{})
			if got := runSegments(in, in.NewFlow(true, 1, 2), all[i])["tls_resumed"]; got != want {
				t.Errorf("%s, handshake %d: tls_resumed is %q, want %q", tls.VersionName(v), i, got, want)
			}
		}
	}
}

func TestTLSInProxy(t *testing.T) {
	in := newInspector(Config{})
	hello := record(1, testHello(0x0303, []uint16{1}, testServerName("inner.example")), 16000)
	got := runSegments(in, in.NewFlow(true, 1, 3128), []message{
		{Orig, []byte("CONNECT inner.example:443 HTTP/1.1\r\nHost: inner.example:443\r\n\r\n")},
		{Resp, []byte("HTTP/1.1 200 OK\r\n\r\n")}, {Orig, hello}})
	subset(t, got, map[string]string{"app": "http", "http_method": "CONNECT", "http_path": "inner.example:443", "sni": "inner.example", "host": ""})
}

func TestCipherNames(t *testing.T) {
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if c.ID == tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 || c.ID == tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 {
			continue // Go leaves out the last part of IANA's name in its constants only
		}
		if got := tlsCipherNames[c.ID]; got != c.Name {
			t.Errorf("%#04x is %q, want %q", c.ID, got, c.Name)
		}
	}
	in := newInspector(Config{})
	if got := in.tlsCipherName(0xfafa); got != "0xfafa" {
		t.Errorf("an unknown cipher is %q", got)
	}
}

// TestJA3S holds the fingerprint to the example of its authors (https://github.com/salesforce/ja3), with the hyphens that its text means.
func TestJA3S(t *testing.T) {
	var exts []byte
	for _, kind := range []uint16{65281, 0, 11, 35, 5, 16} {
		exts = append(append(exts, u16s(kind)...), 0, 0)
	}
	server := append(append(u16s(0x0301), make([]byte, 32)...), 0, 0, 0x2f, 0)
	got := exchange(443, record(1, testHello(0x0301, []uint16{47}), 16000), record(2, append(server, vec16(exts...)...), 16000))
	if want := "836ce314215654b5b1f85f97c73e506f"; got["ja3s"] != want {
		t.Errorf("got %s, want %s", got["ja3s"], want)
	}
}

// TestECH holds that the name of a hello whose true name is encrypted is the outer one, and marked.
func TestECH(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// RFC 9849 section 4: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 with AES-128-GCM.
	config := append([]byte{7}, u16s(0x0020)...)
	config = append(append(config, vec16(key.PublicKey().Bytes()...)...), vec16(u16s(1, 1)...)...)
	config = append(append(append(config, 32), vec8([]byte("outer.example.org")...)...), 0, 0)
	config = append(u16s(extECH), vec16(config...)...)
	all, state := tlsHandshakes(&tls.Config{MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: vec16(config...)}, nil, 1,
		tls.EncryptedClientHelloKey{Config: config, PrivateKey: key.Bytes()})
	if !state.ECHAccepted {
		t.Fatal("the handshake was not an encrypted one")
	}
	in := newInspector(Config{})
	got := runSegments(in, in.NewFlow(true, 40000, 9999), all[0])
	subset(t, got, map[string]string{"app": "tls", "sni": "outer.example.org", "ech": "1", "host": "outer.example.org by sni", "tls_version": "1.3"})
}
