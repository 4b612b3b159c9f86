package sockets

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"unsafe"

	"golang.org/x/sys/windows"
)

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

// reader is what asking them needs.
type reader struct{ buf []byte }

// Open needs no privilege.
func Open() (*Conn, error) {
	for _, p := range []*windows.LazyProc{getTCP, getUDP} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("read socket tables: %w", err)
		}
	}
	return &Conn{max: DefaultMax}, nil
}

// read appends the sockets of one protocol, IPv4 before IPv6. Of UDP there are no remote ends.
func (c *Conn) read(dst []Socket, proto uint8, limit int) ([]Socket, error) {
	var failed error
	for i := range systemTables {
		if systemTables[i].proto != proto {
			continue
		}
		var err error
		if dst, err = c.rows(dst, &systemTables[i], limit); err != nil {
			failed = err
		}
	}
	return dst, failed
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

// ephemeralPorts are those that Windows takes, unless netsh says otherwise.
func (c *Conn) ephemeralPorts() [2]uint16 { return [2]uint16{49152, 65535} }
