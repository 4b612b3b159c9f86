package sockets

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// wine knows the process only of sockets that it has used by itself, and no times.
var wine = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil

// TestTables holds that a connection on loopback has both its sockets in the tables, and the listening one, with our PID; that UDP's
// are there; and that they leave.
func TestTables(t *testing.T) {
	ours := 0
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			began := time.Now()
			listener, err := net.Listen("tcp", at)
			if err != nil {
				t.Skip("cannot listen there: ", err)
			}
			defer listener.Close()
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			port := func(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }
			udp := bound(t, port(listener.Addr()).Addr())

			c, err := Open()
			if err != nil {
				t.Fatal(err)
			}
			all, err := c.Dump(nil, TCP, UDP, SCTP)
			if err != nil {
				t.Fatal(err)
			}
			none := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
			if udp.Addr().Is6() {
				none = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
			}
			cookies := map[uint64]bool{}
			for _, want := range []Socket{
				{Proto: TCP, State: Listen, Local: port(listener.Addr()), Remote: none},
				{Proto: TCP, State: Established, Local: port(client.LocalAddr()), Remote: port(client.RemoteAddr())},
				{Proto: TCP, State: Established, Local: port(server.LocalAddr()), Remote: port(server.RemoteAddr())},
				{Proto: UDP, State: Close, Local: udp, Remote: none},
			} {
				want.Inode = uint32(os.Getpid())
				found := 0
				for _, s := range all {
					if s.Local != want.Local || s.Remote != want.Remote || s.Proto != want.Proto {
						continue
					}
					found++
					if made := time.Unix(0, s.Created); s.Created != 0 && (made.Before(began.Add(-time.Second)) || made.After(time.Now().Add(time.Second))) {
						t.Errorf("%v -> %v was made at %v, now is %v", s.Local, s.Remote, made, time.Now())
					}
					if s.Cookie != 0 && cookies[s.Cookie] {
						t.Errorf("%v -> %v has another's cookie", s.Local, s.Remote)
					}
					cookies[s.Cookie] = true
					s.Created, s.Cookie = 0, 0
					if s.Inode == want.Inode {
						ours++
					} else if wine && s.Inode == 0 {
						s.Inode = want.Inode
					}
					if s != want {
						t.Errorf("got %+v, want %+v", s, want)
					}
				}
				if found != 1 {
					t.Errorf("%v -> %v is there %d times", want.Local, want.Remote, found)
				}
			}
			if s, err := c.Get(TCP, port(server.LocalAddr()), port(server.RemoteAddr()), 0); err != nil || s.State != Established {
				t.Errorf("Get of the connection: %+v, %v", s, err)
			}
			if s, err := c.Get(TCP, port(listener.Addr()), netip.AddrPortFrom(port(client.LocalAddr()).Addr(), 1), 0); err != nil || s.State != Listen {
				t.Errorf("Get of the one that listens: %+v, %v", s, err)
			}
			if s, err := c.Get(UDP, udp, netip.AddrPortFrom(udp.Addr(), 53), 0); err != nil || s.Local != udp {
				t.Errorf("Get of the UDP socket: %+v, %v", s, err)
			}
			late := bound(t, udp.Addr())
			time.Sleep(againAfter + againTimes*c.latest[UDP].took)
			if s, err := c.Get(UDP, late, udp, 0); err != nil || s.Local != late {
				t.Errorf("Get of a UDP socket that came after the reading: %+v, %v", s, err)
			}
			listener.Close()
			time.Sleep(2 * listFor)
			if s, err := c.Get(TCP, port(listener.Addr()), none, 0); err != ErrNotFound {
				t.Errorf("Get of the one that listened: %+v, %v", s, err)
			}
			c.SetMax(1)
			if all, err = c.Dump(all[:0], TCP); len(all) != 1 || err == nil || c.Lost() == 0 {
				t.Errorf("with room for one: %d sockets, %d lost, %v", len(all), c.Lost(), err)
			}
		})
	}
	if ours == 0 {
		t.Error("of no socket the process is known")
	}
}

// bound binds a UDP socket, as net does not under Wine, which lacks a call that it makes.
func bound(t *testing.T, at netip.Addr) netip.AddrPort {
	family, to := windows.AF_INET6, windows.Sockaddr(&windows.SockaddrInet6{Addr: at.As16()})
	if at.Is4() {
		family, to = windows.AF_INET, &windows.SockaddrInet4{Addr: at.As4()}
	}
	s, err := windows.Socket(family, windows.SOCK_DGRAM, windows.IPPROTO_UDP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { windows.Closesocket(s) })
	if err := windows.Bind(s, to); err != nil {
		t.Fatal(err)
	}
	switch a, err := windows.Getsockname(s); a := a.(type) {
	case *windows.SockaddrInet4:
		return netip.AddrPortFrom(at, uint16(a.Port))
	case *windows.SockaddrInet6:
		return netip.AddrPortFrom(at, uint16(a.Port))
	default:
		t.Fatal(err)
	}
	return netip.AddrPort{}
}
