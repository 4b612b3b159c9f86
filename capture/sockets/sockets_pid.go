//go:build darwin || freebsd || netbsd || openbsd || windows

package sockets

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Here is what is the same wherever the system's tables tell the process of each socket, and are read whole: Socket.Inode is its PID.

// Available tells whether this system has a reader.
const Available = true

// DefaultMax is how many sockets Dump keeps.
const DefaultMax = 1 << 18

// Conn asks the system. It belongs to one goroutine.
type Conn struct {
	max    int
	lost   uint64
	failed []uint8
	netns  uint32
	reader                 // the system's own
	latest [UDP + 1]latest // by protocol, for Get
}

// OpenAll gives the one there is.
func OpenAll() ([]*Conn, error) {
	c, err := Open()
	if err != nil {
		return nil, err
	}
	return []*Conn{c}, nil
}

// OwnNetNS is always 0: there are no namespaces.
func OwnNetNS() uint32 { return 0 }

// Close does nothing.
func (c *Conn) Close() error { return nil }

// NetNS is always 0.
func (c *Conn) NetNS() uint32 { return c.netns }

// SetMax sets how many sockets one Dump keeps.
func (c *Conn) SetMax(n int) { c.max = n }

// Lost is how many sockets the last Dump did not keep.
func (c *Conn) Lost() uint64 { return c.lost }

// Failed are the protocols that the last Dump could not read, until the next one.
func (c *Conn) Failed() []uint8 { return c.failed }

// Dump appends the sockets of protos to dst, of which TCP and UDP have tables. The result is whole unless the error says
// otherwise; it is there in either case.
func (c *Conn) Dump(dst []Socket, protos ...uint8) ([]Socket, error) {
	c.lost, c.failed = 0, c.failed[:0]
	limit := len(dst) + c.max
	var errs []error
	for _, proto := range protos {
		first, began := len(dst), time.Now()
		var err error
		if dst, err = c.read(dst, proto, limit); err != nil {
			errs = append(errs, fmt.Errorf("read sockets of protocol %d: %w", proto, err))
			c.failed = append(c.failed, proto)
		}
		if int(proto) < len(c.latest) {
			l := &c.latest[proto]
			l.sockets, l.read, l.took = append(l.sockets[:0], dst[first:]...), time.Now(), time.Since(began)
		}
	}
	if c.lost > 0 {
		errs = append(errs, fmt.Errorf("%w: %d kept, %d not", errTooMany, c.max, c.lost))
	}
	return dst, errors.Join(errs...)
}

const (
	// listFor is how long the latest reading answers Get: there is no way to ask for one socket.
	listFor = 20 * time.Millisecond
	// againAfter is how old a reading must be before it is made again for a socket that it does not have, which may be
	// newer; and how many times as old as it took.
	againAfter = 4 * time.Millisecond
	againTimes = 8
)

// latest is the latest reading of a protocol's sockets.
type latest struct {
	sockets []Socket
	read    time.Time
	took    time.Duration
}

// Get finds a TCP connection by its ends, or else the listening socket that would take it; of UDP the socket that a datagram between
// the ends would come to, where that is clear.
func (c *Conn) Get(proto uint8, local, remote netip.AddrPort, _ uint32) (Socket, error) {
	if proto != TCP && proto != UDP {
		return Socket{}, ErrNotFound
	}
	l := &c.latest[proto]
	age := time.Since(l.read)
	if age <= listFor {
		if s, ok := l.find(local, remote); ok || age < max(againAfter, againTimes*l.took) {
			return s, notFound(ok)
		}
	}
	if _, err := c.Dump(nil, proto); err != nil {
		return Socket{}, err
	}
	s, ok := l.find(local, remote)
	return s, notFound(ok)
}

func notFound(ok bool) error {
	if ok {
		return nil
	}
	return ErrNotFound
}

// find takes the socket that fits best. Several that fit as well, of several processes, are none: any of them may be meant.
func (l *latest) find(local, remote netip.AddrPort) (Socket, bool) {
	best, score, clear := -1, 0, true
	for i := range l.sockets {
		s := &l.sockets[i]
		switch n := s.fit(local, remote); {
		case n > score:
			best, score, clear = i, n, true
		case n > 0 && n == score && s.Inode != l.sockets[best].Inode:
			clear = false
		}
	}
	if best < 0 || !clear {
		return Socket{}, false
	}
	return l.sockets[best], true
}

// fit says how well a socket fits two ends, 0 = not at all.
func (s *Socket) fit(local, remote netip.AddrPort) int {
	switch any := s.Local.Addr().IsUnspecified(); {
	case s.Local.Port() != local.Port():
		return 0
	case s.Proto == TCP && s.State != Listen || s.Connected():
		if s.Local != local || s.Remote != remote {
			return 0
		}
		return 4
	case s.Local.Addr() == local.Addr():
		return 3
	case any && s.Local.Addr().Is4() == local.Addr().Is4():
		return 2
	case any && s.Local.Addr().Is6() && !s.V6Only: // which takes IPv4 as well; whether it was told not to is not always known
		return 1
	}
	return 0
}

// IfIndex gives an interface's index, 0 when there is none of that name.
func (c *Conn) IfIndex(name string) uint32 {
	d, err := net.InterfaceByName(name)
	if err != nil {
		return 0
	}
	return uint32(d.Index)
}

// ifaceName is the other way round: "" when there is none of that index.
func (c *Conn) ifaceName(index uint32) string {
	d, err := net.InterfaceByIndex(int(index))
	if err != nil {
		return ""
	}
	return d.Name
}
