package dpi

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// dtlsFragments cuts a message into fragments of at most n bytes, each in a record of its own.
func dtlsFragments(kind, seq byte, body string, n int) (list []string) {
	for at := 0; at == 0 || at < len(body); at += n {
		r := []byte(dtlsTest(kind, int(seq)<<4+at/n, at, len(body), body[at:min(at+n, len(body))]))
		r[dtlsHeaderLen+5] = seq
		list = append(list, string(r))
	}
	return list
}

// TestDTLSFragments sends a handshake with the certificates of both ends in fragments of several sizes, each flight in any
// order and with fragments twice, as they are sent again: the same comes out.
func TestDTLSFragments(t *testing.T) {
	const ccs, finished = "\x14\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x63\x00\x01\x01", "\x16\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x00\x00\x30"
	certs := func(der []byte) string { return behind24(behind24(string(der)) + behind24(zeros(700))) }
	hello := "\xfe\xfd" + zeros(32) + "\x00\xc0\x2b\x00"
	own, other := testServerCert(), testClientCert()
	want := certificateFacts(own)
	maps.Copy(want, map[string]string{"app": "dtls", "sni": "peer.example.org", "tls_version": "DTLS 1.2", "tls_cipher": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		"tls_resumed": "0", "tls_client_subject": "CN=anna", "tls_client_issuer": "CN=anna"})
	dice := rand.New(rand.NewPCG(4, 7))
	for _, n := range []int{16, 100, 500, 1 << 20} {
		flight := func(messages ...[]string) []string { return slices.Concat(messages...) }
		flights := []struct {
			side Side
			list []string
		}{
			{Orig, dtlsFragments(1, 0, dtlsTestHello, n)},
			{Resp, dtlsFragments(3, 0, "\xfe\xff\x04abcd", n)},
			{Orig, dtlsFragments(1, 1, dtlsTestHello[:35]+"\x04abcd"+dtlsTestHello[36:], n)},
			{Resp, flight(dtlsFragments(2, 1, hello, n), dtlsFragments(11, 2, certs(own.Certificate[0]), n), dtlsFragments(12, 3, zeros(70), n), dtlsFragments(13, 4, zeros(30), n), dtlsFragments(14, 5, "", n))},
			{Orig, flight(dtlsFragments(11, 2, certs(other.Certificate[0]), n), dtlsFragments(16, 3, zeros(66), n), dtlsFragments(15, 4, zeros(72), n))},
			{Orig, []string{ccs + finished + zeros(48)}},
			{Resp, flight(dtlsFragments(4, 6, zeros(180), n), []string{ccs + finished + zeros(48)})},
		}
		for round := range 20 {
			in := newInspector(Config{})
			f := in.NewFlow(false, 40000, 9443)
			var res Result
			for i, fl := range flights {
				list := slices.Clone(fl.list)
				switch {
				case round == 1:
					slices.Reverse(list)
				case round > 1:
					list = append(list, list[dice.IntN(len(list))])
					dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				}
				per := 1 + dice.IntN(3) // fragments of a datagram
				for len(list) > 0 {
					datagram := ""
					for _, r := range list[:min(per, len(list))] {
						datagram += r
					}
					list = list[min(per, len(list)):]
					res = in.Datagram(f, fl.side, []byte(datagram), uint32(len(datagram)), int64(i))
				}
			}
			subset(t, facts(f.App()), want)
			if t.Failed() {
				t.Fatalf("fragments of %d, round %d: got %v", n, round, facts(f.App()))
			}
			if res&Finished == 0 {
				t.Errorf("fragments of %d, round %d: the inspection goes on behind the handshake", n, round)
			}
			if in.Free(f); in.total != 0 {
				t.Fatalf("%d bytes are still kept", in.total)
			}
		}
	}
}
