package sockets

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// pcbs writes a list as XNU does. Lengths are those of macOS 14; spare is how much longer a later one may make its records.
func pcbs(proto uint8, spare int, all []Socket) []byte {
	ne := binary.NativeEndian
	generation := make([]byte, pcbGeneration)
	ne.PutUint32(generation, pcbGeneration)
	b := slices.Clone(generation)
	record := func(kind, n int, fill func([]byte)) {
		r := make([]byte, (n+spare+7)&^7)
		ne.PutUint32(r, uint32(n+spare))
		ne.PutUint32(r[4:], uint32(kind))
		fill(r)
		b = append(b, r...)
	}
	nothing := func([]byte) {}
	for _, s := range all {
		record(pcbINP, 100, func(r []byte) {
			ne.PutUint64(r[inpGeneration:], s.Cookie)
			r[inpVersion] = inpIPv4
			if s.Local.Addr().Is6() {
				r[inpVersion] = inpIPv6
				if s.Local.Addr().IsUnspecified() && !s.V6Only {
					r[inpVersion] |= inpIPv4
				}
			}
			for at, end := range map[[2]int]netip.AddrPort{{inpLocal, inpLocalPort}: s.Local, {inpRemote, inpRemotePort}: s.Remote} {
				if a := end.Addr(); a.Is4() {
					copy(r[at[0]+12:], a.AsSlice())
				} else {
					copy(r[at[0]:], a.AsSlice())
					if a.IsLinkLocalUnicast() {
						binary.BigEndian.PutUint16(r[at[0]+2:], uint16(s.Iface))
					}
				}
				binary.BigEndian.PutUint16(r[at[1]:], end.Port())
			}
		})
		record(pcbSocket, 104, func(r []byte) {
			ne.PutUint32(r[socketUID:], s.UID)
			ne.PutUint32(r[socketPID:], s.Inode)
		})
		record(0x002, 32, nothing)
		record(0x004, 32, nothing)
		record(0x008, 136, nothing)
		if proto == TCP {
			record(pcbTCP, 204, func(r []byte) { ne.PutUint32(r[tcpState:], uint32(slices.Index(pcbStates[:], s.State))) })
		}
	}
	return append(b, generation...)
}

func TestPCBList(t *testing.T) {
	ap := netip.MustParseAddrPort
	for _, tc := range []struct {
		name  string
		proto uint8
		spare int
		all   []Socket
	}{
		{"none", TCP, 0, nil},
		{"TCP", TCP, 0, []Socket{
			{State: Listen, Local: ap("0.0.0.0:22"), Remote: ap("0.0.0.0:0"), Inode: 1},
			{State: Established, Local: ap("192.0.2.1:22"), Remote: ap("192.0.2.9:50000"), Inode: 412, UID: 501, Cookie: 1 << 40},
			{State: TimeWait, Local: ap("192.0.2.1:51000"), Remote: ap("198.51.100.7:443")},
			{State: Listen, Local: ap("[::]:8080"), Remote: ap("[::]:0"), Inode: 7},
			{State: Listen, Local: ap("[::]:8081"), Remote: ap("[::]:0"), Inode: 7, V6Only: true},
			{State: FinWait2, Local: ap("[2001:db8::1]:22"), Remote: ap("[2001:db8::9]:50000"), Inode: 9},
			{State: CloseWait, Local: ap("[fe80::1]:22"), Remote: ap("[fe80::9]:50000"), Inode: 9, Iface: 6},
		}},
		{"UDP", UDP, 0, []Socket{
			{State: Close, Local: ap("0.0.0.0:5353"), Remote: ap("0.0.0.0:0"), Inode: 200, UID: 65},
			{State: Close, Local: ap("192.0.2.1:60000"), Remote: ap("192.0.2.53:53"), Inode: 333, UID: 501},
		}},
		{"longer records", TCP, 12, []Socket{{State: SynSent, Local: ap("192.0.2.1:22"), Remote: ap("192.0.2.9:50000"), Inode: 5}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i := range tc.all {
				tc.all[i].Proto = tc.proto
			}
			b := pcbs(tc.proto, tc.spare, tc.all)
			read := func(b []byte) (got []Socket, whole bool) {
				whole = eachPCB(b, tc.proto, func(s Socket) { got = append(got, s) })
				return got, whole
			}
			if got, whole := read(b); !whole || !slices.Equal(got, tc.all) {
				t.Fatalf("whole %v, got\n%+v, want\n%+v", whole, got, tc.all)
			}
			for i := range b {
				if got, whole := read(b[:i]); whole && i > 0 || len(got) > len(tc.all) || !slices.Equal(got, tc.all[:len(got)]) {
					t.Fatalf("of %d of %d bytes: whole %v, %+v", i, len(b), whole, got)
				}
			}
		})
	}
}

func FuzzPCBList(f *testing.F) {
	s := Socket{Proto: TCP, State: Established, Local: netip.MustParseAddrPort("192.0.2.1:22"), Remote: netip.MustParseAddrPort("192.0.2.9:50000"), Inode: 5}
	f.Add(pcbs(TCP, 0, []Socket{s, s}), TCP)
	f.Add(pcbs(UDP, 4, []Socket{s}), UDP)
	f.Fuzz(func(t *testing.T, b []byte, proto uint8) {
		n := 0
		eachPCB(b, proto, func(Socket) { n++ })
		if n*(inpLocal+16) > len(b) {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}
