package dpi

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"rustnet/track/event"
)

// sample is a conversation and what is known after it. Every test of the engine runs all of them.
type sample struct {
	name       string
	tcp        bool
	over       uint16 // the protocol it runs over, when that is neither TCP nor UDP
	orig, resp uint16
	msgs       []message
	want       map[string]string
}

type message struct {
	side Side
	b    []byte
}

// facts is an App as text, for comparing.
func facts(a *event.App) map[string]string {
	m := map[string]string{}
	if a == nil {
		return m
	}
	m["app"] = a.Name
	if a.Host != "" {
		m["host"] = a.Host + " by " + a.HostSource.String()
	}
	for _, f := range Fields() {
		if !a.Has(f) {
			continue
		}
		switch f.Type {
		case event.String:
			m[f.Name] = a.Str(f)
		case event.List:
			m[f.Name] = strings.Join(a.List(f), " ")
		default:
			n, _ := a.Uint(f)
			m[f.Name] = fmt.Sprint(n)
		}
	}
	return m
}

// contradiction tells how got says something that want does not: every fact must be in want, counts may be
// smaller and lists shorter.
func contradiction(got, want map[string]string) string {
	for k, v := range got {
		w, ok := want[k]
		switch {
		case v == w:
		case ok && (k == "dns_queries" || k == "http_requests") && len(v) <= len(w) && v < w:
		case ok && (k == "dns_answers" || k == "dhcp_messages" || k == "smb_shares" || k == "smb_files") && strings.HasPrefix(w, v):
		case ok && strings.HasPrefix(k, "http_last_"): // of a request before that one
		case ok && k == "http_status" && v == "100":
		case ok && k == "http_version" && got["http_method"] == "": // the server's, until the request is seen
		case k == "app" && v == "proxy-protocol" && got["proxy_version"] != "": // until what is behind the header is known
		case ok && k == "quic_version" && got["tls_version"] == "": // the client's first, until the server says which it has
		case ok && (k == "ssh_login" && v == "tried" || strings.HasSuffix(k, "_login") && v == "refused"): // until the server lets it in
		case k == "tls_resumed" && v == "0" && !ok:
		default:
			return fmt.Sprintf("%s is %q, want %q", k, v, w)
		}
	}
	return ""
}

var samples = sync.OnceValue(func() []sample {
	list := []sample{
		{name: "http", tcp: true, orig: 40000, resp: 8123, msgs: []message{
			{Orig, []byte("GET /a/b?token=secret HTTP/1.1\r\nHost: www.example.com:8123\r\nUser-Agent: test/1\r\nCookie: secret\r\n\r\n")},
			{Resp, []byte("HTTP/1.1 200 OK\r\nServer: srv/2\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello")},
			{Orig, []byte("POST /second HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nabcd\r\n0\r\nTrailer: 1\r\n\r\n")},
			{Resp, []byte("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")},
			{Orig, []byte("HEAD /third HTTP/1.1\r\nHost: other\r\n\r\n")},
			{Resp, []byte("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n")}},
			want: map[string]string{"app": "http", "host": "www.example.com by http", "http_method": "GET", "http_path": "/a/b",
				"http_host": "www.example.com:8123", "http_user_agent": "test/1", "http_version": "1.1", "http_status": "200",
				"http_server": "srv/2", "http_content_type": "text/html", "http_requests": "3",
				"http_last_method": "HEAD", "http_last_host": "other", "http_last_path": "/third", "http_last_status": "200"}},
		{name: "http websocket", tcp: true, orig: 40000, resp: 80, msgs: []message{
			{Orig, []byte("GET /ws HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")},
			{Resp, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello")}},
			want: map[string]string{"app": "http", "host": "ws.example by http", "http_method": "GET", "http_path": "/ws", "http_host": "ws.example",
				"http_version": "1.1", "http_status": "101", "http_upgrade": "websocket", "http_requests": "1"}},
		{name: "dns", orig: 5000, resp: 53, msgs: []message{
			{Orig, dnsTest(0x1234, 0x0100, "www.example.com", 1)},
			{Orig, dnsTest(0x1235, 0x0100, "www.example.com", 28)},
			{Resp, dnsTest(0x1235, 0x8180, "www.example.com", 28, dnsTestRR(28, string(net.ParseIP("2001:db8::1").To16())))},
			{Resp, dnsTest(0x1234, 0x8180, "www.example.com", 1, dnsTestRR(5, "\x03cdn\xc0\x10"), dnsTestRR(1, "\xc0\x00\x02\x01"))}},
			want: map[string]string{"app": "dns", "dns_query": "www.example.com", "dns_type": "A", "dns_rcode": "NOERROR",
				"dns_answers": "2001:db8::1 cdn.example.com 192.0.2.1", "dns_queries": "2"}},
		{name: "dns tcp", tcp: true, orig: 5000, resp: 5399, msgs: []message{
			{Orig, dnsPrefixed(dnsTest(7, 0x0100, "a.example", 16), dnsTest(8, 0x0100, "b.example", 15))},
			{Resp, dnsPrefixed(dnsTest(7, 0x8183, "a.example", 16), dnsTest(8, 0x8180, "b.example", 15, dnsTestRR(15, "\x00\x0a\x02mx\xc0\x0c")))}},
			want: map[string]string{"app": "dns", "dns_query": "a.example", "dns_type": "TXT", "dns_rcode": "NXDOMAIN", "dns_queries": "2"}},
		{name: "ssh", tcp: true, orig: 40000, resp: 2022, msgs: []message{
			{Resp, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")},
			{Orig, []byte("SSH-2.0-Go\r\n")},
			{Orig, sshTestKex("kex-a", "hk", "c1,c2", "s1", "cm", "sm", "none", "none")},
			{Resp, sshTestKex("kex-b", "hk", "c1,c2", "s1", "cm", "sm", "none", "none")}},
			want: map[string]string{"app": "ssh", "ssh_client": "SSH-2.0-Go", "ssh_server": "SSH-2.0-OpenSSH_9.2p1 Debian-2",
				"hassh": md5Hex("kex-a;c1,c2;cm;none"), "hassh_server": md5Hex("kex-b;s1;sm;none")}},
	}
	list = append(list, textSamples()...)
	list = append(list, infraSamples()...)
	list = append(list, dataSamples()...)
	list = append(list, moreSamples()...)
	list = append(list, tailSamples()...)
	list = append(list, magicSamples()...)
	list = append(list, serviceSamples()...)
	list = append(list, factSamples()...)
	list = append(list, quicSample("quic v1", 1), quicSample("quic v2", quicV2))
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		list = append(list, tlsSample(&tls.Config{MinVersion: v, MaxVersion: v}, nil))
	}
	known := tlsSample(&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{testClientCert()}}, nil)
	known.name += " with a client's certificate"
	list = append(list, known)
	// The server insists on another group: HelloRetryRequest.
	retry := tlsSample(&tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}, []tls.CurveID{tls.CurveP256})
	retry.name += " retry"
	return append(list, retry)
})

// dnsTest makes a message with one question.
func dnsTest(id, flags uint16, name string, kind uint16, answers ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	for _, n := range []uint16{flags, 1, uint16(len(answers)), 0, 0} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, kind), 1)
	for _, a := range answers {
		b = append(b, a...)
	}
	return b
}

// dnsTestRR makes a record about the question's name.
func dnsTestRR(kind uint16, data string) string {
	b := binary.BigEndian.AppendUint16([]byte{0xc0, 12}, kind)
	b = append(b, 0, 1, 0, 0, 0, 60)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(data)))) + data
}

func dnsPrefixed(msgs ...[]byte) (b []byte) {
	for _, m := range msgs {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

func sshTestKex(lists ...string) []byte {
	p := append([]byte{sshKexInit}, make([]byte, 16)...)
	for _, l := range append(lists, "", "") {
		p = append(binary.BigEndian.AppendUint32(p, uint32(len(l))), l...)
	}
	p = append(p, 0, 0, 0, 0, 0)
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(p)+4))
	return append(append(append(b, 4), p...), 0, 0, 0, 0)
}

// recorder notes what goes over a connection.
type recorder struct {
	net.Conn
	mu   *sync.Mutex
	msgs *[]message
	side Side
}

func (r recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	*r.msgs = append(*r.msgs, message{r.side, bytes.Clone(b)})
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// testCertificate makes the certificate of a name; its times do not depend on when.
func testCertificate(subject pkix.Name, names ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, DNSNames: names,
		NotBefore: time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), NotAfter: time.Date(2061, 2, 3, 4, 5, 6, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var (
	testServerCert = sync.OnceValue(func() tls.Certificate {
		return testCertificate(pkix.Name{CommonName: "host.example.org", Organization: []string{"Example"}}, "host.example.org", "*.example.org")
	})
	testClientCert = sync.OnceValue(func() tls.Certificate { return testCertificate(pkix.Name{CommonName: "anna"}) })
)

// certificateFacts are what a certificate of testCertificate tells where it is the server's.
func certificateFacts(cert tls.Certificate) map[string]string {
	return map[string]string{"tls_subject": "CN=host.example.org,O=Example", "tls_issuer": "CN=host.example.org,O=Example", "tls_san": "host.example.org *.example.org",
		"tls_not_before": fmt.Sprint(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano()), "tls_not_after": fmt.Sprint(time.Date(2061, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano()),
		"tls_cert_sha256": fmt.Sprintf("%x", sha256.Sum256(cert.Certificate[0]))}
}

// loopback makes a connected pair. Both ends of a handshake may write at once, which net.Pipe does not bear.
func loopback() (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		panic(err)
	}
	if b, err = l.Accept(); err != nil {
		panic(err)
	}
	return a, b
}

// tlsHandshakes runs handshakes of one client, one after the other, and returns what went over the wire.
func tlsHandshakes(client *tls.Config, groups []tls.CurveID, count int, ech ...tls.EncryptedClientHelloKey) (all [][]message, state tls.ConnectionState) {
	server := &tls.Config{Certificates: []tls.Certificate{testServerCert()}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1", "h2"}, CurvePreferences: groups, EncryptedClientHelloKeys: ech}
	client.InsecureSkipVerify = true
	client.ServerName = "host.example.org"
	client.NextProtos = []string{"h2", "http/1.1"}
	for range count {
		var msgs []message
		var mu sync.Mutex
		a, b := loopback()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s := tls.Server(recorder{b, &mu, &msgs, Resp}, server)
			var buf [4]byte
			if _, err := io.ReadFull(s, buf[:]); err == nil {
				_, _ = s.Write([]byte("pong"))
			}
		}()
		c := tls.Client(recorder{a, &mu, &msgs, Orig}, client)
		if _, err := c.Write([]byte("ping")); err != nil {
			panic(err)
		}
		var buf [4]byte
		if _, err := io.ReadFull(c, buf[:]); err != nil {
			panic(err)
		}
		<-done
		a.Close()
		b.Close()
		state = c.ConnectionState()
		mu.Lock()
		all = append(all, msgs)
		mu.Unlock()
	}
	return all, state
}

func tlsSample(client *tls.Config, groups []tls.CurveID) sample {
	all, state := tlsHandshakes(client, groups, 1)
	msgs := all[0]
	want := map[string]string{"app": "tls", "host": "host.example.org by sni", "sni": "host.example.org", "alpn": "h2 http/1.1", "tls_resumed": "0",
		"tls_cipher": tls.CipherSuiteName(state.CipherSuite), "tls_version": strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")}
	if state.Version < tls.VersionTLS13 {
		want["alpn_selected"] = state.NegotiatedProtocol
		maps.Copy(want, certificateFacts(testServerCert()))
		if len(client.Certificates) > 0 {
			want["tls_client_subject"], want["tls_client_issuer"] = "CN=anna", "CN=anna"
		}
	}
	// The fingerprints are held to their authors' vectors elsewhere; here they must only not change.
	in := newInspector(Config{})
	f := in.NewFlow(true, 1, 2)
	plain := runSegments(in, f, msgs)
	for _, k := range []string{"ja3", "ja3s", "ja4"} {
		want[k] = plain[k]
	}
	return sample{name: "tls " + want["tls_version"], tcp: true, orig: 40000, resp: 9443, msgs: msgs, want: want}
}

// runSegments sends every message as one segment.
func runSegments(in *Inspector, f *Flow, msgs []message) map[string]string {
	seq := [2]uint32{1000, 0xfffffff0} // the second wraps
	for s := range seq {
		in.Segment(f, Side(s), seq[s], true, false, nil, 0, 0)
		seq[s]++
	}
	for i, m := range msgs {
		in.Segment(f, m.side, seq[m.side], false, false, m.b, uint32(len(m.b)), int64(i+1)*1e6)
		seq[m.side] += uint32(len(m.b))
	}
	return facts(f.App())
}

// quicSeal protects an Initial (RFC 9001 section 5) whose header ends with a packet number of n bytes.
func quicSeal(key, iv, hp, header []byte, n int, payload []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := bytes.Clone(iv)
	for i := range n {
		nonce[len(nonce)-n+i] ^= header[len(header)-n+i]
	}
	b := aead.Seal(bytes.Clone(header), nonce, payload, header)
	if block, err = aes.NewCipher(hp); err != nil {
		panic(err)
	}
	var mask [16]byte
	pn := len(header) - n
	block.Encrypt(mask[:], b[pn+4:pn+20])
	b[0] ^= mask[0] & 0x0f
	for i := range n {
		b[pn+i] ^= mask[1+i]
	}
	return b
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The packets of RFC 9001 appendix A and RFC 9369 appendix A, which share their contents.
var (
	quicClientFrame = unhex(`060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
		04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
		616d706c652e636f6dff01000100000a00080006001d00170018001000070005
		04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
		baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
		0d0010000e0403050306030203080408050806002d00020101001c0002400100
		3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
		75300901100f088394c8f03e51570806048000ffff`)
	quicServerFrames = unhex(`02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739
		88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94
		0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00 020304`)
	quicVectors = map[uint32]struct {
		clientKey, clientIV, clientHP, clientHeader, clientBegin, clientEnd []byte
		serverKey, serverIV, serverHP, serverHeader, server                 []byte
	}{
		1: {unhex("1f369613dd76d5467730efcbe3b1a22d"), unhex("fa044b2f42a3fd3b46fb255c"), unhex("9f50449e04a0e810283a1e9933adedd2"),
			unhex("c300000001088394c8f03e5157080000449e00000002"), unhex("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11"), unhex("e221af44860018ab0856972e194cd934"),
			unhex("cf3a5331653c364c88f0f379b6067e37"), unhex("0ac1493ca1905853b0bba03e"), unhex("c206b8d9b9f0f37644430b490eeaa314"),
			unhex("c1000000010008f067a5502a4262b50040750001"),
			unhex(`cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3
				8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
				022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee`)},
		quicV2: {unhex("8b1a0bc121284290a29e0971b5cd045d"), unhex("91f73e2351d8fa91660e909f"), unhex("45b95e15235d6f45a6b19cbcb0294ba9"),
			unhex("d36b3343cf088394c8f03e5157080000449e00000002"), unhex("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485"), unhex("a18b2faa745b6fe189cf772a9f84cbfc"),
			unhex("82db637861d55e1d011f19ea71d5d2a7"), unhex("dd13c276499c0249d3310652"), unhex("edf6d05c83121201b436e16877593c3a"),
			unhex("d16b3343cf0008f067a5502a4262b50040750001"),
			unhex(`dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf872630
				17915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2
				c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140`)},
	}
)

func quicClientPacket(version uint32) []byte {
	v := quicVectors[version]
	return quicSeal(v.clientKey, v.clientIV, v.clientHP, v.clientHeader, 4, append(bytes.Clone(quicClientFrame), make([]byte, 1162-len(quicClientFrame))...))
}

func quicSample(name string, version uint32) sample {
	s := sample{name: name, orig: 40000, resp: 8443, msgs: []message{{Orig, quicClientPacket(version)}, {Resp, quicVectors[version].server}},
		want: map[string]string{"app": "quic", "host": "example.com by sni", "sni": "example.com", "alpn": "alpn", "tls_version": "1.3", "tls_resumed": "0",
			"tls_cipher": "TLS_AES_128_GCM_SHA256", "quic_version": strings.TrimPrefix(name, "quic "),
			"ja3":  md5Hex("771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,"),
			"ja3s": md5Hex("771,4865,51-43"),
			"ja4":  "q13d0211an_" + sha12("1301,1302") + "_" + sha12("0005,000a,000d,001c,002b,002d,0033,0039,ff01_0403,0503,0603,0203,0804,0805,0806")}}
	return s
}

func run(t testing.TB, s *sample) map[string]string {
	t.Helper()
	return s.on(newInspector(Config{}))
}
