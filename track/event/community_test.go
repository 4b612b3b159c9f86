package event

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// The vectors are the specification's published baseline (corelight/community-id-spec).
func TestCommunityID(t *testing.T) {
	const v6a, v6b = "fe80:1:203:405:607:809:a0b:c0d", "fe80:1011:1213:1415:1617:1819:1a1b:1c1d"
	for _, c := range []struct {
		name           string
		proto          uint16
		origin, target string
		oport, tport   uint16
		icmpType, code uint8
		seed           uint16
		want           string
	}{
		{"tcp", 6, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp back", 6, "5.6.7.8", "1.2.3.4", 3344, 1122, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp mapped", 6, "::ffff:5.6.7.8", "::ffff:1.2.3.4", 3344, 1122, 0, 0, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"tcp seed", 6, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 1, "1:HhA1B+6CoLbiKPEs5nhNYN4XWfk="},
		{"udp", 17, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 0, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="},
		{"udp seed", 17, "1.2.3.4", "5.6.7.8", 1122, 3344, 0, 0, 1, "1:OShq+iKDAMVouh/4bMxB9Sz4amw="},
		{"sctp", 132, "5.6.7.8", "1.2.3.4", 3344, 1122, 0, 0, 0, "1:EKt4MsxuyaE6mL+hmrEkQ9csDD8="},
		{"icmp echo", 1, "1.2.3.4", "5.6.7.8", 0, 0, 8, 0, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="},
		{"icmp answer", 1, "5.6.7.8", "1.2.3.4", 77, 77, 0, 0, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="},
		{"icmp seed", 1, "1.2.3.4", "5.6.7.8", 0, 0, 8, 0, 1, "1:9pr4ZGTICiuZoIh90RRYE2RyXpU="},
		{"icmp one way", 1, "1.2.3.4", "5.6.7.8", 0, 0, 11, 0, 0, "1:f/YiSyWqczrTgfUCZlBUnvHRcPk="},
		{"icmp6 echo", 58, v6a, v6b, 0, 0, 128, 0, 0, "1:0bf7hyMJUwt3fMED7z8LIfRpBeo="},
		{"icmp6 answer", 58, v6b, v6a, 0, 0, 129, 0, 0, "1:0bf7hyMJUwt3fMED7z8LIfRpBeo="},
		{"icmp6 seed", 58, v6a, v6b, 0, 0, 128, 0, 1, "1:IO27GQzPuCtNnwFvjWALMHu5tJE="},
		{"no ports", 46, "5.6.7.8", "1.2.3.4", 9, 9, 0, 0, 0, "1:ikv3kmf89luf73WPz1jOs49S768="},
		{"link protocol", 256, "1.2.3.4", "5.6.7.8", 0, 0, 0, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func(was uint16) { CommunitySeed = was }(CommunitySeed)
			CommunitySeed = c.seed
			origin := netip.AddrPortFrom(netip.MustParseAddr(c.origin), c.oport)
			target := netip.AddrPortFrom(netip.MustParseAddr(c.target), c.tport)
			e := Event{Kind: New, Proto: c.proto, ICMPType: c.icmpType, ICMPCode: c.code, HasICMP: c.proto == 1 || c.proto == 58}
			e.Local, e.Remote, e.RemoteServes = origin, target, true
			if got := e.communityID(); got != c.want {
				t.Errorf("opened by the local end: got %s, want %s", got, c.want)
			}
			e.Local, e.Remote, e.RemoteServes = target, origin, false
			if got := e.communityID(); got != c.want {
				t.Errorf("opened by the remote end: got %s, want %s", got, c.want)
			}
		})
	}
}

// TestCommunityIDOfAnyEnds compares it with what the specification says, step by step.
func TestCommunityIDOfAnyEnds(t *testing.T) {
	defer func(was uint16) { CommunitySeed = was }(CommunitySeed)
	r := rand.New(rand.NewPCG(3, 4))
	addr := func() netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32() & 1) // so that ends are the same at times
		}
		switch r.IntN(4) {
		case 0:
			return netip.AddrFrom4([4]byte(b[12:]))
		case 1:
			copy(b[:], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")
		case 2:
			return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: b[0]}).WithZone("eth0")
		}
		return netip.AddrFrom16(b)
	}
	for range 20_000 {
		CommunitySeed = uint16(r.Uint32())
		e := Event{Kind: New, Proto: []uint16{6, 17, 132, 1, 58, 47}[r.IntN(6)], ICMPType: uint8(r.IntN(150)), ICMPCode: uint8(r.IntN(3)), RemoteServes: true}
		e.Local, e.Remote = netip.AddrPortFrom(addr(), uint16(r.IntN(3))), netip.AddrPortFrom(addr(), uint16(r.IntN(3)))
		a, b, sport, dport, oneWay := e.Local.Addr().Unmap(), e.Remote.Addr().Unmap(), e.Local.Port(), e.Remote.Port(), false
		if e.Proto == 1 || e.Proto == 58 {
			answer, ok := icmpPair(e.Proto, e.ICMPType)
			sport, dport, oneWay = uint16(e.ICMPType), uint16(answer), !ok
			if oneWay {
				dport = uint16(e.ICMPCode)
			}
		}
		if c := a.WithZone("").Compare(b.WithZone("")); !oneWay && (c > 0 || c == 0 && sport > dport) {
			a, b, sport, dport = b, a, dport, sport
		}
		text := binary.BigEndian.AppendUint16(nil, CommunitySeed)
		text = append(append(append(text, a.AsSlice()...), b.AsSlice()...), byte(e.Proto), 0)
		if e.Proto != 47 {
			text = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(text, sport), dport)
		}
		sum := sha1.Sum(text)
		if got, want := e.communityID(), "1:"+base64.StdEncoding.EncodeToString(sum[:]); got != want {
			t.Fatalf("%d %v %v icmp %d/%d: got %s, want %s", e.Proto, e.Local, e.Remote, e.ICMPType, e.ICMPCode, got, want)
		}
	}
}

func TestPutBase64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		sum := sha1Sum{r.Uint64(), r.Uint64(), r.Uint64() << 32}
		var text [28]byte
		putBase64(&text, &sum)
		if want := base64.StdEncoding.EncodeToString(sum.bytes()); string(text[:]) != want {
			t.Fatalf("got %s, want %s", text, want)
		}
	}
}

func TestCommunityIDAllocs(t *testing.T) {
	e := Event{Kind: New, Proto: 6, Local: netip.MustParseAddrPort("10.0.0.1:22"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443")}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() { buf = appendCommunityID(buf[:0], &e) }); n != 0 {
		t.Errorf("appendCommunityID allocates %v times, want 0", n)
	}
}

func BenchmarkCommunityID(b *testing.B) {
	e := Event{Kind: New, Proto: 6, Local: netip.MustParseAddrPort("10.0.0.1:22"), Remote: netip.MustParseAddrPort("10.0.0.2:443")}
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = appendCommunityID(buf[:0], &e)
	}
}

func (s sha1Sum) bytes() (b []byte) {
	for _, w := range s {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return b[:sha1.Size]
}

// Messages of every length have crypto/sha1's sums, by the processor's instructions and without them.
func TestSHA1(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 56 {
		for range 20 {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			var m sha1Message
			m.set(b)
			want := sha1.Sum(b)
			if got := m.sum().bytes(); string(got) != string(want[:]) {
				t.Fatalf("%d bytes: got %x, want %x", n, got, want)
			}
			if got := m.slowSum().bytes(); string(got) != string(want[:]) {
				t.Fatalf("%d bytes, without instructions: got %x, want %x", n, got, want)
			}
		}
	}
}
