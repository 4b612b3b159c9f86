package sockets

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// reader needs nothing.
type reader struct{}

var lists = map[uint8]string{TCP: "net.inet.tcp.pcblist_n", UDP: "net.inet.udp.pcblist_n"}

// Open needs no privilege.
func Open() (*Conn, error) {
	if _, err := unix.SysctlRaw(lists[UDP]); err != nil {
		return nil, fmt.Errorf("read socket tables: %w", err)
	}
	return &Conn{max: DefaultMax}, nil
}

var errCut = errors.New("the list grew while it was read")

// read appends the sockets of one protocol.
func (c *Conn) read(dst []Socket, proto uint8, limit int) ([]Socket, error) {
	name := lists[proto]
	if name == "" {
		return dst, nil
	}
	first, lost := len(dst), c.lost
	for range 8 { // it is asked how long it is first, and may be longer then
		b, err := unix.SysctlRaw(name)
		if err != nil {
			return dst, err
		}
		if eachPCB(b, proto, func(s Socket) {
			if len(dst) >= limit {
				c.lost++
				return
			}
			dst = append(dst, s)
		}) {
			return dst, nil
		}
		dst, c.lost = dst[:first], lost
	}
	return dst, errCut
}

// ephemeralPorts are those that macOS takes, unless net.inet.ip.portrange says otherwise.
func (c *Conn) ephemeralPorts() [2]uint16 {
	first, err := unix.SysctlUint32("net.inet.ip.portrange.first")
	last, err2 := unix.SysctlUint32("net.inet.ip.portrange.last")
	if err != nil || err2 != nil || first > last || last > 65535 {
		return [2]uint16{49152, 65535}
	}
	return [2]uint16{uint16(first), uint16(last)}
}
