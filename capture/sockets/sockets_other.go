//go:build !linux && !windows && !darwin && !freebsd && !netbsd && !openbsd

package sockets

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// Available tells whether this system has a reader.
const Available = false

// DefaultMax is how many sockets Dump keeps.
const DefaultMax = 1 << 18

// Conn asks the kernel.
type Conn struct{ netns uint32 }

func unsupported() error {
	return fmt.Errorf("read socket tables on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Open says that there is no reader for this system.
func Open() (*Conn, error) { return nil, unsupported() }

// OpenAll says that there is no reader for this system.
func OpenAll() ([]*Conn, error) { return nil, unsupported() }

// OwnNetNS is always 0.
func OwnNetNS() uint32 { return 0 }

// Close does nothing.
func (c *Conn) Close() error { return nil }

// NetNS is always 0.
func (c *Conn) NetNS() uint32 { return c.netns }

// SetMax does nothing.
func (c *Conn) SetMax(int) {}

// Dump gives dst back.
func (c *Conn) Dump(dst []Socket, _ ...uint8) ([]Socket, error) { return dst, unsupported() }

// Lost is always 0.
func (c *Conn) Lost() uint64 { return 0 }

// Failed is always empty.
func (c *Conn) Failed() []uint8 { return nil }

// Get finds nothing.
func (c *Conn) Get(uint8, netip.AddrPort, netip.AddrPort, uint32) (Socket, error) {
	return Socket{}, unsupported()
}

// IfIndex is always 0.
func (c *Conn) IfIndex(string) uint32 { return 0 }

func (c *Conn) ifaceName(uint32) string { return "" }

func (c *Conn) ephemeralPorts() [2]uint16 { return [2]uint16{49152, 65535} } // IANA's
