//go:build darwin || freebsd || netbsd || openbsd

package sockets

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// reader needs nothing between two readings.
type reader struct{}

// Open needs no privilege.
func Open() (*Conn, error) {
	if wideOnly && strconv.IntSize != 64 {
		return nil, fmt.Errorf("read socket tables: %w", errNarrow)
	}
	if err := list(UDP, func(Socket) {}); err != nil && !grew(err) {
		return nil, fmt.Errorf("read socket tables: %w", err)
	}
	return &Conn{max: DefaultMax}, nil
}

// errNarrow is of a system whose lists are known as they are on processors of 64 bits, on another.
var errNarrow = fmt.Errorf("its lists are known on processors of 64 bits only: %w", errors.ErrUnsupported)

var errCut = errors.New("the list grew while it was read")

// grew tells that a list may be whole when it is read again.
func grew(err error) bool { return errors.Is(err, errCut) || errors.Is(err, unix.ENOMEM) }

// read appends the sockets of one protocol.
func (c *Conn) read(dst []Socket, proto uint8, limit int) ([]Socket, error) {
	if proto != TCP && proto != UDP {
		return dst, nil
	}
	first, lost := len(dst), c.lost
	for range 8 { // the system is asked how long a list is first, and it may be longer then
		switch err := list(proto, func(s Socket) {
			if len(dst) >= limit {
				c.lost++
				return
			}
			dst = append(dst, s)
		}); {
		case err == nil:
			return dst, nil
		case !grew(err):
			return dst[:first], err
		}
		dst, c.lost = dst[:first], lost
	}
	return dst, errCut
}

// ephemeralPorts are those that the system takes, unless it does not say so.
func (reader) ephemeralPorts() [2]uint16 {
	first, err := unix.SysctlUint32(portsFrom)
	last, err2 := unix.SysctlUint32(portsTo)
	if err != nil || err2 != nil || first > last || last > 65535 {
		return [2]uint16{49152, 65535}
	}
	return [2]uint16{uint16(first), uint16(last)}
}
