package sockets

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// flush makes conntrack forget everything in this namespace.
func flush(t testing.TB) {
	t.Helper()
	fd, err := netfilter()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req := make([]byte, nlHeaderLen+nfHeaderLen)
	binary.NativeEndian.PutUint32(req, uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], ctDelete)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
}

// TestNAT: what is redirected is told, at once when it begins and when it goes, or at the start when it was
// there; what is not is not.
func TestNAT(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	allowPing(t) // brings loopback up
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not installed, so nothing can be translated")
	}
	for _, tc := range []struct{ name, network, addr string }{
		{"tcp", "tcp4", "127.0.0.1"}, {"udp", "udp4", "127.0.0.1"}, {"v6", "tcp6", "::1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var server netip.AddrPort
			if tc.network == "udp4" {
				l, err := net.ListenPacket(tc.network, tc.addr+":0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				server = addrOf(l.LocalAddr())
			} else {
				server = addrOf(listen(t, tc.network, net.JoinHostPort(tc.addr, "0")).Addr())
			}
			port := strconv.Itoa(int(server.Port()))
			rules := "flush ruleset; table inet t { chain o { type nat hook output priority -100; meta l4proto { tcp, udp } th dport 8080 redirect to :" + port + "; }; }"
			if out, err := exec.Command(nft, rules).CombinedOutput(); err != nil {
				t.Fatalf("nft: %v: %s", err, out)
			}
			var before, told, gone []Translation
			n, err := OpenNAT(func(t *Translation) { before = append(before, *t) })
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			meant := netip.AddrPortFrom(server.Addr(), 8080)
			plain, redirected := dial(t, tc.network, server.String()), dial(t, tc.network, meant.String())
			plain.Write([]byte("x"))
			redirected.Write([]byte("x"))
			want := []Translation{{Proto: TCP, From: addrOf(redirected.LocalAddr()), To: meant, Source: addrOf(redirected.LocalAddr()), Dest: server}}
			if tc.network == "udp4" {
				want[0].Proto = UDP
			}
			each := func(t *Translation, over bool) {
				if over {
					gone = append(gone, *t)
				} else {
					told = append(told, *t)
				}
			}
			n.Drain(each)
			if !slices.Equal(told, want) || len(gone) != 0 || len(before) != 0 {
				t.Errorf("got %+v, gone %+v, before %+v; want %+v", told, gone, before, want)
			}
			late, err := OpenNAT(func(t *Translation) { before = append(before, *t) })
			if err != nil {
				t.Fatal(err)
			}
			defer late.Close()
			if !slices.Equal(before, want) {
				t.Errorf("at the start: got %+v, want %+v", before, want)
			}
			before = nil // where there are many, the kernel chooses
			if err := late.dump(destNAT, func(t *Translation) { before = append(before, *t) }); err != nil || !slices.Equal(before, want) {
				t.Errorf("at the start, of those whose destination changes: got %+v, %v, want %+v", before, err, want)
			}
			flush(t)
			n.Drain(each)
			if !slices.Equal(gone, want) || n.Lost() != 0 {
				t.Errorf("gone: got %+v, want %+v; %d lost", gone, want, n.Lost())
			}
		})
	}
}

// TestNATLost: when nobody drains, what did not fit is counted, and the rest still comes.
func TestNATLost(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	allowPing(t)
	if out, err := exec.Command("nft", "table ip t { chain o { type nat hook output priority -100; udp dport 8080 redirect to :9; }; }").CombinedOutput(); err != nil {
		t.Skipf("needs nft: %v: %s", err, out)
	}
	n, err := OpenNAT(func(*Translation) {})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8192); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		c := dial(t, "udp4", "127.0.0.1:8080")
		c.Write([]byte("x"))
		c.Close()
	}
	told := 0
	n.Drain(func(*Translation, bool) { told++ })
	if told == 0 || told == 200 || n.Lost() == 0 {
		t.Errorf("got %d translations and %d losses, want some of each", told, n.Lost())
	}
}

// sampleTranslation is a message of conntrack: a masqueraded connection.
func sampleTranslation() []byte {
	attr := func(kind uint16, value ...[]byte) []byte {
		v := bytes.Join(value, nil)
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), v...)
		return append(b, make([]byte, -len(v)&3)...)
	}
	tuple := func(kind uint16, src, dst []byte, sport, dport uint16) []byte {
		be := func(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }
		return attr(kind|unix.NLA_F_NESTED, attr(ctaTupleIP|unix.NLA_F_NESTED, attr(1, src), attr(2, dst)),
			attr(ctaTupleProto|unix.NLA_F_NESTED, attr(1, []byte{TCP}), attr(2, be(sport)), attr(3, be(dport))))
	}
	inside, outside, far := []byte{10, 0, 0, 2}, []byte{192, 0, 2, 1}, []byte{198, 51, 100, 7}
	body := slices.Concat(make([]byte, nfHeaderLen), tuple(ctaOrig, inside, far, 4000, 443), tuple(ctaReply, far, outside, 443, 5000), attr(ctaStatus, []byte{0, 0, 1, 0x9a}))
	b := binary.NativeEndian.AppendUint32(nil, uint32(nlHeaderLen+len(body)))
	b = binary.NativeEndian.AppendUint16(b, ctNew)
	return append(append(b, make([]byte, 10)...), body...)
}

func TestParseTranslation(t *testing.T) {
	b := sampleTranslation()
	var got []Translation
	for n := range len(b) + 1 {
		(&NAT{}).messages(slices.Clip(b[:n]), func(t *Translation, gone bool) { got = append(got, *t) })
	}
	want := Translation{TCP, netip.MustParseAddrPort("10.0.0.2:4000"), netip.MustParseAddrPort("198.51.100.7:443"),
		netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("198.51.100.7:443")}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v once, of the whole message", got, want)
	}
}

func FuzzTranslation(f *testing.F) {
	f.Add(sampleTranslation())
	f.Fuzz(func(t *testing.T, b []byte) {
		(&NAT{}).messages(b, func(tr *Translation, _ bool) {
			if tr.From == tr.Source && tr.To == tr.Dest || tr.From.Port() == 0 {
				t.Errorf("got %+v, which is no translation", tr)
			}
		})
	})
}
