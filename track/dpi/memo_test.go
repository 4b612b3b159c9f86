package dpi

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// TestMemo holds that what falls into one place is never taken for one another, and that nothing is kept beyond the bounds.
func TestMemo(t *testing.T) {
	m := newMemo[string](maphash.MakeSeed(), 2, 8)
	double := func(key string) string {
		place := m.find([]byte(key))
		if !place.known {
			place.set(key + key)
		}
		return place.value
	}
	for _, key := range []string{"a", "a", "b", "a", "ab", "", "longer than is kept", "ab", "another that is longer", "longer than is kept"} {
		if got, want := double(key), key+key; got != want {
			t.Errorf("of %q: got %q, want %q", key, got, want)
		}
	}
	if len(m.places) != 2 || cap(m.places[0].key) > 8 || cap(m.places[1].key) > 8 {
		t.Errorf("%d places of %d and %d bytes; want 2 of at most 8", len(m.places), cap(m.places[0].key), cap(m.places[1].key))
	}
	if m.find([]byte("another that is longer")).known {
		t.Error("what is longer than is kept was kept")
	}
	for range 2 {
		if m.find([]byte("c")).known {
			t.Error("what was never worked out is known")
		}
	}
	m.find([]byte("c")).set("cc")
	if !m.find([]byte("c")).known {
		t.Error("what was worked out just now is not known")
	}
	m.find([]byte("d")).set("dd")
	for range 2 {
		for _, key := range []string{"c", "d"} {
			if p := m.find([]byte(key)); !p.known || p.value != key+key {
				t.Errorf("of two that have the same places, %q is not known", key)
			}
		}
	}
}

// TestFingerprintsAreOfAll holds that hellos which differ in anything that a fingerprint is made of are told apart by what is
// remembered, and that those which differ in nothing but GREASE are not.
func TestFingerprintsAreOfAll(t *testing.T) {
	ciphers := []uint16{0x0a0a, 0x1301, 0xc02b, 0x002f}
	exts := []testExt{{0x4a4a, nil}, testServerName("x.example"), {extGroups, vec16(u16s(0x3a3a, 23, 24)...)}, {extPointFormats, vec8(0, 1)},
		{extALPN, vec16(vec8('h', '2')...)}, {extSignatures, vec16(u16s(0x0403, 0x0804)...)}, {extSupportedVersions, vec8(u16s(0x9a9a, 0x0304)...)}, {0x0017, nil}}
	with := func(i int, x testExt) []testExt {
		all := append([]testExt{}, exts...)
		all[i] = x
		return all
	}
	in := newInspector(Config{})
	for _, tc := range []struct {
		name      string
		hello     []byte
		transport byte
		same      bool // as the first
	}{
		{"first", testHello(0x0303, ciphers, exts...), 't', true},
		{"again", testHello(0x0303, ciphers, exts...), 't', true},
		{"GREASE", testHello(0x0303, []uint16{0x1a1a, 0x1301, 0xc02b, 0x002f}, with(0, testExt{0x5a5a, []byte{0}})...), 't', true},
		{"another name", testHello(0x0303, ciphers, with(1, testServerName("other.example"))...), 't', true},
		{"transport", testHello(0x0303, ciphers, exts...), 'q', false},
		{"version", testHello(0x0302, ciphers, exts...), 't', false},
		{"cipher", testHello(0x0303, []uint16{0x0a0a, 0x1301, 0xc02b, 0x0035}, exts...), 't', false},
		{"order of ciphers", testHello(0x0303, []uint16{0x0a0a, 0xc02b, 0x1301, 0x002f}, exts...), 't', false},
		{"cipher for group", testHello(0x0303, append(ciphers[:4:4], 23), with(2, testExt{extGroups, vec16(u16s(24)...)})...), 't', false},
		{"no name", testHello(0x0303, ciphers, with(1, testExt{0x0018, nil})...), 't', false},
		{"group", testHello(0x0303, ciphers, with(2, testExt{extGroups, vec16(u16s(23, 25)...)})...), 't', false},
		{"point format", testHello(0x0303, ciphers, with(3, testExt{extPointFormats, vec8(0, 2)})...), 't', false},
		{"ALPN", testHello(0x0303, ciphers, with(4, testExt{extALPN, vec16(vec8('h', '3')...)})...), 't', false},
		{"signature", testHello(0x0303, ciphers, with(5, testExt{extSignatures, vec16(u16s(0x0403, 0x0805)...)})...), 't', false},
		{"supported version", testHello(0x0303, ciphers, with(6, testExt{extSupportedVersions, vec8(u16s(0x0303)...)})...), 't', false},
		{"extension", testHello(0x0303, ciphers, with(7, testExt{0x0018, nil})...), 't', false},
		{"order of extensions", testHello(0x0303, ciphers, append([]testExt{exts[7]}, exts[:7]...)...), 't', false},
		{"longer than is kept", testHello(0x0303, make([]uint16, 800), exts...), 't', false},
		{"first once more", testHello(0x0303, ciphers, exts...), 't', true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var first, h clientHello
			if !h.parse(tc.hello, false) || !first.parse(testHello(0x0303, ciphers, exts...), false) {
				t.Fatal("the hello can not be read")
			}
			fresh := newInspector(Config{})
			if got, want := in.fingerprints(&h, tc.transport), (fingerprints{fresh.ja3(&h), fresh.ja4(&h, tc.transport)}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			if got, want := in.fingerprints(&h, tc.transport) == in.fingerprints(&first, 't'), tc.same; got != want {
				t.Errorf("the same as the first: got %v, want %v", got, want)
			}
		})
	}
	var h clientHello
	if !h.parse(testHello(0x0303, ciphers, exts...), false) {
		t.Fatal("the hello can not be read")
	}
	if n := testing.AllocsPerRun(100, func() { in.fingerprints(&h, 't') }); n != 0 {
		t.Errorf("%v allocations for a hello that was seen before, want 0", n)
	}
}

// TestNumberList compares lists that are gone through by four numbers with lists that are gone through one by one.
func TestNumberList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := []uint16{0x0a0a, 0x1a1a, 0xfafa, 0x0a1a, 0x1301, 0xc02b, 0x000a, 0x0a00, 0xffff, 0x8a8b, 0}
	for range 20000 {
		var list, want []byte
		for range random.IntN(20) {
			v := values[random.IntN(len(values))]
			list = binary.BigEndian.AppendUint16(list, v)
			if !grease(v) {
				want = binary.BigEndian.AppendUint16(want, v)
			}
		}
		if random.IntN(4) == 0 {
			list = append(list, 1) // half a number
		}
		if got := numberList(nil, list); string(got) != string(want)+"\x0a\x0a" {
			t.Fatalf("of %x: got %x, want %x and an end", list, got, want)
		}
	}
}

// TestChosen holds that ServerHellos which differ in anything that is told of them are told apart by what is remembered.
func TestChosen(t *testing.T) {
	server := func(version, cipher uint16, exts ...byte) []byte {
		return append(append(append(append(u16s(version), make([]byte, 32)...), 0), append(u16s(cipher), 0)...), vec16(exts...)...)
	}
	thirteen := append(u16s(extSupportedVersions), vec16(u16s(0x0304)...)...)
	in := newInspector(Config{})
	seen := map[chosen]int{}
	hellos := [][]byte{server(0x0303, 0xc02f), server(0x0302, 0xc02f), server(0x0303, 0xc030), server(0x0303, 0x1301, thirteen...), server(0x0303, 0xc02f, 0x00, 0x17, 0, 0),
		server(0x0303, 0xc02f, 0x00, 0x23, 0, 0), server(0x0303, 0xc02f, 0x00, 0x23, 0, 0, 0x00, 0x17, 0, 0), server(0x0303, 0xc02f, 0x00, 0x17, 0, 0, 0x00, 0x23, 0, 0)}
	for range 2 {
		for i, b := range hellos {
			var h serverHello
			if !h.parse(b) {
				t.Fatalf("hello %d can not be read", i)
			}
			got, want := *in.chosen(&h), chosen{in.tlsVersionName(h.negotiated), in.tlsCipherName(h.cipher), in.ja3s(&h)}
			if got != want {
				t.Errorf("hello %d: got %v, want %v", i, got, want)
			}
			if other, ok := seen[got]; ok && other != i {
				t.Errorf("hello %d is told as %d is: %v", i, other, got)
			}
			seen[got] = i
		}
	}
}

// TestInspectorsOfOneGoroutine holds that what they share does not mix their connections up, nor the bytes that each may keep.
func TestInspectorsOfOneGoroutine(t *testing.T) {
	const n, room = 3, 8 << 10
	ins := NewInspectors(Config{MaxTotalBytes: room}, n)
	var flows [n]*Flow
	for i := range ins {
		flows[i] = ins[i].NewFlow(true, 40000, 80)
	}
	send := func(b []byte, at uint32) {
		for i := range ins {
			part := bytes.ReplaceAll(b, []byte("N"), []byte{byte('a' + i)})
			ins[i].Segment(flows[i], Orig, at, false, false, part, uint32(len(part)), 0)
		}
	}
	first := []byte("GET /N HTTP/1.1\r\nHost: N.exa")
	send(first, 1)
	for i := range ins {
		if kept := ins[i].total; kept != slabMin {
			t.Errorf("Inspector %d keeps %d bytes, want %d", i, kept, slabMin)
		}
	}
	send([]byte("mple\r\n\r\n"), 1+uint32(len(first)))
	for i := range ins {
		want := string(rune('a'+i)) + ".example"
		if got := flows[i].App().Str(fieldHTTPHost); got != want {
			t.Errorf("Inspector %d: host %q, want %q", i, got, want)
		}
		ins[i].Free(flows[i])
		if ins[i].total != 0 {
			t.Errorf("Inspector %d keeps %d bytes of nothing", i, ins[i].total)
		}
	}
}
