//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package live

import (
	"net"
	"testing"
)

// sender gives what sends a datagram over loopback, to a socket that nobody reads.
func sender(t *testing.T) func([]byte) error {
	t.Helper()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	conn, err := net.Dial("udp4", sink.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(b []byte) error {
		_, err := conn.Write(b)
		return err
	}
}
