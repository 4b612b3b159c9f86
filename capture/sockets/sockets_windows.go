package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Available tells whether this system has a reader.
const Available = true

// DefaultMax is how many sockets Dump keeps.
const DefaultMax = 1 << 18

var (
	iphlpapi = windows.NewLazySystemDLL("iphlpapi.dll")
	getTCP   = iphlpapi.NewProc("GetExtendedTcpTable")
	getUDP   = iphlpapi.NewProc("GetExtendedUdpTable")
)

// Of iprtrmib.h: the classes of tables that tell the process and when a socket was made.
const (
	tcpOwnerModuleAll = 8
	udpOwnerModule    = 2
)

// table is one of the system's, and where its rows have what: MIB_TCPROW_OWNER_MODULE and its like, of tcpmib.h and udpmib.h. What is at 0
// and not the first is nowhere.
type table struct {
	proto         uint8
	family, class uintptr
	ask           *windows.LazyProc

	size, addr              int // of a row, of an address
	local, localPort        int
	remote, remotePort      int // of TCP only
	scope, state, pid, made int
}

var systemTables = []table{
	{proto: TCP, family: windows.AF_INET, class: tcpOwnerModuleAll, ask: getTCP, size: 160, addr: 4, state: 0, local: 4, localPort: 8, remote: 12, remotePort: 16, pid: 20, made: 24},
	{proto: TCP, family: windows.AF_INET6, class: tcpOwnerModuleAll, ask: getTCP, size: 192, addr: 16, local: 0, scope: 16, localPort: 20, remote: 24, remotePort: 44, state: 48, pid: 52, made: 56},
	{proto: UDP, family: windows.AF_INET, class: udpOwnerModule, ask: getUDP, size: 160, addr: 4, local: 0, localPort: 4, pid: 8, made: 16},
	{proto: UDP, family: windows.AF_INET6, class: udpOwnerModule, ask: getUDP, size: 176, addr: 16, local: 0, scope: 16, localPort: 20, pid: 24, made: 32},
}

// rowsAt is where the rows begin, behind their number and what aligns them.
const rowsAt = 8

// tcpStates are ours of MIB_TCP_STATE, which begins with 1.
var tcpStates = [...]uint8{0, Close, Listen, SynSent, SynRecv, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait, Close}

// Conn asks the system. It belongs to one goroutine.
type Conn struct {
	max    int
	lost   uint64
	failed []uint8
	netns  uint32
	buf    []byte
	latest [UDP + 1]latest // by protocol, for Get
}

// Open needs no privilege.
func Open() (*Conn, error) {
	for _, p := range []*windows.LazyProc{getTCP, getUDP} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("read socket tables: %w", err)
		}
	}
	return &Conn{max: DefaultMax}, nil
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

// Dump appends the sockets of protos to dst, IPv4 before IPv6. Windows has no remote end of a UDP socket, nor tables of other protocols. The
// result is whole unless the error says otherwise; it is there in either case.
func (c *Conn) Dump(dst []Socket, protos ...uint8) ([]Socket, error) {
	c.lost, c.failed = 0, c.failed[:0]
	limit := len(dst) + c.max
	var errs []error
	for _, proto := range protos {
		first, began := len(dst), time.Now()
		for i := range systemTables {
			if systemTables[i].proto != proto {
				continue
			}
			var err error
			if dst, err = c.rows(dst, &systemTables[i], limit); err != nil {
				errs = append(errs, fmt.Errorf("read sockets of protocol %d: %w", proto, err))
				c.failed = append(c.failed, proto)
			}
		}
		if int(proto) < len(c.latest) {
			l := &c.latest[proto]
			l.sockets, l.read, l.took = append(l.sockets[:0], dst[first:]...), time.Now(), time.Since(began)
		}
	}
	if c.lost > 0 {
		errs = append(errs, fmt.Errorf("%w: %d kept, %d not", ErrTooMany, c.max, c.lost))
	}
	return dst, errors.Join(errs...)
}

// rows appends one table's sockets.
func (c *Conn) rows(dst []Socket, t *table, limit int) ([]Socket, error) {
	b, err := c.ask(t)
	if err != nil || len(b) < rowsAt {
		return dst, err
	}
	n := int(binary.LittleEndian.Uint32(b))
	for b = b[rowsAt:]; n > 0 && len(b) >= t.size; n, b = n-1, b[t.size:] {
		if len(dst) >= limit {
			c.lost++
			continue
		}
		dst = append(dst, t.socket(b))
	}
	return dst, nil
}

// ask gives what is in a table, which may grow between two calls.
func (c *Conn) ask(t *table) ([]byte, error) {
	for range 8 {
		size := uint32(len(c.buf))
		r, _, _ := t.ask.Call(uintptr(unsafe.Pointer(unsafe.SliceData(c.buf))), uintptr(unsafe.Pointer(&size)), 0, t.family, t.class, 0)
		switch err := windows.Errno(r); err {
		case windows.ERROR_SUCCESS:
			return c.buf[:min(int(size), len(c.buf))], nil
		case windows.ERROR_INSUFFICIENT_BUFFER:
			c.buf = make([]byte, size+size/4+4096)
		default:
			return nil, err
		}
	}
	return nil, windows.ERROR_INSUFFICIENT_BUFFER
}

// socket reads a row.
func (t *table) socket(b []byte) Socket {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	end := func(addr, port int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b[addr : addr+t.addr])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[port:]))
	}
	s := Socket{Proto: t.proto, State: Close, Local: end(t.local, t.localPort), Inode: u32(t.pid)}
	s.Remote = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if t.addr == 16 {
		s.Remote = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	if t.proto == TCP {
		if i := u32(t.state); int(i) < len(tcpStates) {
			s.State = tcpStates[i]
		}
		if s.State != Listen { // which has what was there before
			s.Remote = end(t.remote, t.remotePort)
		}
	}
	if a := s.Local.Addr(); t.scope != 0 && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast()) {
		s.Iface = u32(t.scope)
	}
	if made := binary.LittleEndian.Uint64(b[t.made:]); made != 0 {
		at := windows.Filetime{LowDateTime: uint32(made), HighDateTime: uint32(made >> 32)}
		s.Created = at.Nanoseconds()
		// No two have this together: of sockets with the same ends only one is there at a time.
		s.Cookie = made ^ uint64(s.Local.Port())<<48 ^ uint64(s.Remote.Port())<<32
	}
	return s
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
	case s.Proto == TCP && s.State != Listen:
		if s.Local != local || s.Remote != remote {
			return 0
		}
		return 4
	case s.Local.Addr() == local.Addr():
		return 3
	case any && s.Local.Addr().Is4() == local.Addr().Is4():
		return 2
	case any && s.Local.Addr().Is6(): // which takes IPv4 as well, unless it was told not to
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

// ephemeralPorts are those that Windows takes, unless netsh says otherwise.
func (c *Conn) ephemeralPorts() [2]uint16 { return [2]uint16{49152, 65535} }
