package dpi

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestQUICVectors takes the packets of RFC 9001 appendix A and RFC 9369 appendix A apart.
func TestQUICVectors(t *testing.T) {
	for version, v := range quicVectors {
		packet := quicClientPacket(version)
		if !bytes.HasPrefix(packet, v.clientBegin) || !bytes.HasSuffix(packet, v.clientEnd) || len(packet) != 1200 {
			t.Fatalf("%#x: the test's own client packet is not the RFC's", version)
		}
		keys := newQUICKeys(version, unhex("8394c8f03e515708"))
		var scratch []byte
		h, rest, ok := quicLong(packet, false)
		if !ok || len(rest) != 0 || h.kind != quicInitial || h.version != version {
			t.Fatalf("%#x: header is %+v %v", version, h, ok)
		}
		plain, ok := keys.open(&scratch, h.packet, h.pn, true)
		if !ok || !bytes.HasPrefix(plain, quicClientFrame) {
			t.Errorf("%#x: client's packet: %v, %x", version, ok, plain[:min(len(plain), 32)])
		}
		if h, _, ok = quicLong(v.server, false); !ok {
			t.Fatalf("%#x: the server's header can not be read", version)
		}
		plain, ok = keys.open(&scratch, h.packet, h.pn, false)
		if !ok || !bytes.Equal(plain, quicServerFrames) {
			t.Errorf("%#x: server's packet: %v, %x", version, ok, plain)
		}
		if _, ok := keys.open(&scratch, v.server, h.pn, true); ok {
			t.Errorf("%#x: the server's packet opens with the client's keys", version)
		}
	}
}

// quicPieces is a client's hello in CRYPTO frames of n bytes, each in an Initial of its own, the last first.
func quicPieces(n int) (list [][]byte) {
	v := quicVectors[1]
	hello := quicClientFrame[4:]
	for at := 0; at < len(hello); at += n {
		part := hello[at:min(at+n, len(hello))]
		frame := append([]byte{0, 1, 6, byte(at>>8) | 0x40, byte(at), byte(len(part)>>8) | 0x40, byte(len(part))}, part...)
		frame = append(frame, make([]byte, 1162-len(frame))...)
		header := bytes.Clone(v.clientHeader)
		header[len(header)-1] = byte(at/n + 2)
		list = append([][]byte{quicSeal(v.clientKey, v.clientIV, v.clientHP, header, 4, frame)}, list...)
	}
	return list
}

func TestQUICPieces(t *testing.T) {
	for _, n := range []int{7, 40, 100, 200} {
		in := newInspector(Config{})
		f := in.NewFlow(false, 40000, 9443)
		for i, p := range quicPieces(n) {
			in.Datagram(f, Orig, p, uint32(len(p)), 0)
			if name := facts(f.App())["sni"]; name != "" && i < len(quicPieces(n))-1 {
				t.Errorf("pieces of %d: the name is %q before all of it is there", n, name)
			}
		}
		r := in.Datagram(f, Resp, quicVectors[1].server, uint32(len(quicVectors[1].server)), 25e6)
		subset(t, facts(f.App()), map[string]string{"sni": "example.com", "tls_cipher": "TLS_AES_128_GCM_SHA256"})
		if r&(Known|Finished) != Known|Finished || f.RTTMicros() != 25000 {
			t.Errorf("pieces of %d: result %b, round trip %d", n, r, f.RTTMicros())
		}
		in.Free(f)
		if in.total != 0 {
			t.Errorf("%d bytes kept", in.total)
		}
	}
}

func TestQUICCoalescedAndRetry(t *testing.T) {
	// The client's Initial behind another packet, and garbage behind it.
	other := append(unhex("e000000001088394c8f03e515708004014"), make([]byte, 20)...)
	datagram := append(append(bytes.Clone(other), quicClientPacket(1)...), 1, 2, 3)
	got, _, _ := datagrams(1, 2, message{Orig, datagram})
	subset(t, got, map[string]string{"app": "quic", "sni": "example.com", "quic_version": "v1"})

	// RFC 9001 appendix A.4: the Retry's source connection ID makes new keys; the old hello stands.
	retry := unhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba")
	got, f, _ := datagrams(1, 2, message{Orig, quicClientPacket(1)}, message{Resp, retry}, message{Resp, quicVectors[1].server})
	subset(t, got, map[string]string{"sni": "example.com", "tls_version": ""})
	if f.RTTMicros() != 5000 {
		t.Errorf("round trip is %d µs, want the Retry's 5000", f.RTTMicros())
	}
}

func TestNotQUIC(t *testing.T) {
	for name, b := range map[string][]byte{
		"unknown version":   append(unhex("c012345678088394c8f03e5157080000449e"), make([]byte, 1200)...),
		"length too great":  append(unhex("c000000001088394c8f03e5157080000449e"), make([]byte, 100)...),
		"connection ID":     append(unhex("c000000001ff8394c8f03e5157080000449e"), make([]byte, 1200)...),
		"short header":      append([]byte{0x40}, make([]byte, 100)...),
		"google's bad year": append([]byte("\x0d12345678Qxyz"), make([]byte, 100)...),
	} {
		if got, _, _ := datagrams(1, 443, message{Orig, b}); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", name, got)
		}
	}
}

// TestGoogleQUIC reads the name in a hello of version Q043.
func TestGoogleQUIC(t *testing.T) {
	b := []byte("\x0d12345678Q043\x01\x80\x01CHLO\x02\x00\x00\x00PAD\x00\x04\x00\x00\x00SNI\x00\x0d\x00\x00\x00----g.example")
	got, _, r := datagrams(1, 443, message{Orig, b})
	subset(t, got, map[string]string{"app": "quic", "quic_version": "Q043", "sni": "g.example"})
	if r&Known == 0 {
		t.Error("not known")
	}
}

// quicServerPacket is an Initial of the server with these frames.
func quicServerPacket(number byte, frames string) []byte {
	v := quicVectors[1]
	payload := append([]byte(frames), make([]byte, 60)...)
	header := bytes.Clone(v.serverHeader)
	n := 2 + len(payload) + 16
	header[len(header)-4], header[len(header)-3], header[len(header)-1] = byte(n>>8)|0x40, byte(n), number
	return quicSeal(v.serverKey, v.serverIV, v.serverHP, header, 2, payload)
}

func TestQUICClose(t *testing.T) {
	for name, tc := range map[string]struct {
		frames string
		want   map[string]string
	}{
		"refused":       {"\x1c\x02\x00\x04busy", map[string]string{"quic_close": "CONNECTION_REFUSED", "quic_close_reason": "busy", "tls_alert": ""}},
		"an alert":      {"\x02\x02\x00\x00\x00\x1c\x41\x78\x06\x00", map[string]string{"quic_close": "CRYPTO_ERROR", "quic_close_reason": "", "tls_alert": "no_application_protocol"}},
		"no name":       {"\x1c\x80\x12\x34\x56\x00\x00", map[string]string{"quic_close": "1193046"}},
		"a large one":   {"\x1c\xc0\x12\x34\x56\x78\x9a\xbc\xde\x00\x00", map[string]string{"quic_close": "5124095576030430"}},
		"reason's cut":  {"\x1c\x02\x00\x7f\xff", map[string]string{"quic_close": ""}},
		"control bytes": {"\x1c\x01\x00\x03a\x1b[", map[string]string{"quic_close": "INTERNAL_ERROR", "quic_close_reason": ""}},
		"application's": {"\x1d\x02\x00", map[string]string{"quic_close": ""}},
	} {
		in := newInspector(Config{})
		f := in.NewFlow(false, 40000, 9443)
		p := quicClientPacket(1)
		in.Datagram(f, Orig, p, uint32(len(p)), 1e6)
		p = quicServerPacket(0, tc.frames)
		r := in.Datagram(f, Resp, p, uint32(len(p)), 2e6)
		subset(t, facts(f.App()), tc.want)
		if closed := tc.want["quic_close"] != ""; r&Finished != 0 != closed || r&Known != 0 != closed {
			t.Errorf("%s: result %b, closed %v", name, r, closed)
		}
	}
}

// TestQUICRoundTrip holds that the packet which is acknowledged counts, not the first that was sent, nor one that was sent twice.
func TestQUICRoundTrip(t *testing.T) {
	in := newInspector(Config{})
	f := in.NewFlow(false, 40000, 9443)
	at := int64(1e9)
	for _, p := range quicPieces(100) { // numbers 4, 3 and 2
		in.Datagram(f, Orig, p, uint32(len(p)), at)
		at += 300e6
	}
	for i, step := range []struct {
		frames string
		at     int64
		want   uint32 // microseconds
	}{
		{"\x01", 1700e6, 700e3},                 // PING: the first that the server says
		{"\x02\x07\x00\x00\x00", 1710e6, 700e3}, // acknowledges what was not seen
		{"\x02\x03\x00\x00\x00", 1720e6, 420e3},
		{"\x02\x02\x00\x00\x00", 1730e6, 130e3},
		{"\x02\x04\x00\x00\x00", 1740e6, 130e3}, // late: it came before the others
	} {
		p := quicServerPacket(byte(i), step.frames)
		in.Datagram(f, Resp, p, uint32(len(p)), step.at)
		if got := f.RTTMicros(); got != step.want {
			t.Errorf("after %x: %d µs, want %d", step.frames, got, step.want)
		}
	}
}

// TestQUICDrafts holds the keys of the drafts 29 to 32 to those in their appendix A, and reads a name in an Initial of every version that has keys.
func TestQUICDrafts(t *testing.T) {
	v := quicVectors[1]
	draft := struct{ clientKey, clientIV, clientHP []byte }{unhex("175257a31eb09dea9366d8bb79ad80ba"), unhex("6b26114b9cba2b63a9e8dd4f"), unhex("9ddd12c994c0698b89374a9c077a3077")}
	for _, version := range []uint32{0xff00001d, 0xff00001e, 0xff00001f, 0xff000020} {
		header := bytes.Clone(v.clientHeader)
		binary.BigEndian.PutUint32(header[1:], version)
		packet := quicSeal(draft.clientKey, draft.clientIV, draft.clientHP, header, 4, append(bytes.Clone(quicClientFrame), make([]byte, 1162-len(quicClientFrame))...))
		got, _, _ := datagrams(40000, 9443, message{Orig, packet})
		subset(t, got, map[string]string{"app": "quic", "sni": "example.com", "quic_version": fmt.Sprint("draft-", version&0xff)})
	}
}

// TestQUICGoogleInitial reads the hello of Google's last versions: CHLO in the clear (Q046), CHLO behind Initial keys (Q050), TLS behind such (T051).
func TestQUICGoogleInitial(t *testing.T) {
	chlo := "CHLO\x02\x00\x00\x00PAD\x00\x04\x00\x00\x00SNI\x00\x0d\x00\x00\x00----g.example"
	q046 := "\xc3Q046\x50" + "12345678" + "\x00\x00\x00\x01" + zeros(12) + "\xa0\x01\x04\x00" + chlo + zeros(1000)
	got, _, r := datagrams(1, 9443, message{Orig, []byte(q046)})
	subset(t, got, map[string]string{"app": "quic", "quic_version": "Q046", "sni": "g.example"})
	if r&Known == 0 {
		t.Error("Q046: not known")
	}
	for _, tc := range []struct{ version, frame, sni string }{
		{"Q050", "\x08\x00" + string([]byte{0x40, byte(len(chlo))}) + chlo, "g.example"},
		{"T051", string(quicClientFrame), "example.com"},
	} {
		header := []byte("\xc3" + tc.version + "\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x00\x00\x44\x9e\x00\x00\x00\x02")
		secret := func(label string, n int, from []byte) []byte {
			info := string([]byte{0, byte(n), byte(6 + len(label))}) + "tls13 " + label + "\x00"
			b, err := hkdf.Expand(sha256.New, from, info, n)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		initial, err := hkdf.Extract(sha256.New, unhex("8394c8f03e515708"), quicSaltsOf(be32(header[1:])))
		if err != nil {
			t.Fatal(err)
		}
		client := secret("client in", 32, initial)
		packet := quicSeal(secret("quic key", 16, client), secret("quic iv", 12, client), secret("quic hp", 16, client), header, 4, []byte(tc.frame+zeros(1162-len(tc.frame))))
		got, _, _ := datagrams(1, 9443, message{Orig, packet})
		subset(t, got, map[string]string{"app": "quic", "quic_version": tc.version, "sni": tc.sni})
	}
}

// TestQUICShuffled holds that the order of frames within a packet does not matter, nor what lies between them, and that
// a datagram may hold packets of other kinds before and behind.
func TestQUICShuffled(t *testing.T) {
	v := quicVectors[1]
	hello := quicClientFrame[4:]
	var frames []string
	for at, n := 0, 1; at < len(hello); at, n = at+n, n+9 {
		part := hello[at:min(at+n, len(hello))]
		frames = append(frames, "\x06"+string([]byte{byte(at>>8) | 0x40, byte(at), byte(len(part)>>8) | 0x40, byte(len(part))})+string(part))
	}
	early := func(kind byte) string {
		return string([]byte{kind}) + "\x00\x00\x00\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x00\x40\x28" + zeros(40)
	} // protected: nobody reads it
	dice := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		dice.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		payload := ""
		for _, f := range frames {
			payload += f + []string{"", "\x01", "\x00", zeros(dice.IntN(20))}[dice.IntN(4)]
		}
		packet := quicSeal(v.clientKey, v.clientIV, v.clientHP, v.clientHeader, 4, []byte(payload+zeros(1162-len(payload))))
		datagram := append([]byte(early(0xd0)), packet...) // 0-RTT
		datagram = append(datagram, early(0xe0)...)        // Handshake, and padding behind it
		datagram = append(datagram, make([]byte, round)...)
		got, _, _ := datagrams(40000, 9443, message{Orig, datagram})
		subset(t, got, map[string]string{"app": "quic", "sni": "example.com"})
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}
