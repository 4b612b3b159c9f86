package live

import (
	"testing"

	"golang.org/x/sys/windows"
)

// sender gives what sends a datagram over loopback, to a socket that nobody reads. Under Wine net has no UDP: it makes a call that
// Wine lacks.
func sender(t *testing.T) func([]byte) error {
	t.Helper()
	var sockets [2]windows.Handle
	for i := range sockets {
		s, err := windows.Socket(windows.AF_INET, windows.SOCK_DGRAM, windows.IPPROTO_UDP)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { windows.Closesocket(s) })
		if err := windows.Bind(s, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		sockets[i] = s
	}
	to, err := windows.Getsockname(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error { return windows.Sendto(sockets[1], b, 0, to) }
}
