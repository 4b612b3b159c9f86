package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linux/inet_diag.h, linux/sock_diag.h.
const (
	nlHeaderLen  = 16
	diagReqLen   = 56 // struct inet_diag_req_v2
	diagMsgLen   = 72 // struct inet_diag_msg
	requestLen   = nlHeaderLen + diagReqLen
	diagInfo     = 2  // INET_DIAG_INFO
	diagProtocol = 10 // INET_DIAG_PROTOCOL
	diagV6Only   = 11 // INET_DIAG_SKV6ONLY
	// Every state up to CLOSING. The kernel adds NEW_SYN_RECV to SYN_RECV; BOUND_INACTIVE
	// (6.8) is left out: those sockets have no connection.
	allStates = 1<<12 - 1
	// The kernel fills no message beyond 32 KiB (netlink_dump's max_recvmsg_len).
	readLen     = 64 << 10
	interrupted = 3 // readings of one table, when it changed under the dump
)

// Available tells whether this system has a reader.
const Available = true

// DefaultMax is how many sockets Dump keeps.
const DefaultMax = 1 << 18

// Conn asks the kernel. It belongs to one goroutine.
type Conn struct {
	fd   int
	seq  uint32
	max  int
	req  [requestLen]byte
	buf  []byte
	proc string // /proc/net, for what sock_diag does not have
	// netns is the network namespace, 0 where the caller did not ask which it is.
	netns uint32
	// without[family][proto] is set where the kernel has no sock_diag handler: its answer to Get
	// is the same ENOENT as for a socket that is not there, so Get asks once with a dump.
	probed, without [2][256]bool
	lost            uint64
	failed          []uint8
}

// Open opens a netlink socket. It needs no privilege.
func Open() (*Conn, error) { return open("/proc/net") }

func open(proc string) (*Conn, error) {
	c := &Conn{fd: -1, max: DefaultMax, buf: make([]byte, readLen), proc: proc}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil { // a kernel without CONFIG_INET_DIAG: everything comes from /proc/net
		if _, statErr := os.Stat(proc + "/tcp"); statErr != nil {
			return nil, fmt.Errorf("open netlink sock_diag: %w", err)
		}
		return c, nil
	}
	// The kernel answers within the call that asks; a timeout is only against being stuck for ever.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set netlink receive timeout: %w", err)
	}
	c.fd = fd
	return c, nil
}

// Close closes the netlink socket.
func (c *Conn) Close() error {
	if c.fd < 0 {
		return nil
	}
	fd := c.fd
	c.fd = -1
	return unix.Close(fd)
}

// NetNS is the inode of the network namespace, 0 where it is not known: see OpenAll.
func (c *Conn) NetNS() uint32 { return c.netns }

// SetMax sets how many sockets one Dump keeps.
func (c *Conn) SetMax(n int) { c.max = n }

// Dump appends the sockets of protos to dst, IPv4 before IPv6. A protocol the kernel does not
// have has none. The result is whole unless the error says otherwise; it is there in either case.
func (c *Conn) Dump(dst []Socket, protos ...uint8) ([]Socket, error) {
	c.lost, c.failed = 0, c.failed[:0]
	limit := len(dst) + c.max
	var errs []error
	for _, proto := range protos {
		for f, family := range families {
			var err error
			if dst, err = c.dumpOne(dst, f, family, proto, limit); err != nil {
				errs = append(errs, err)
				c.failed = append(c.failed, proto)
			}
		}
	}
	if c.lost > 0 {
		errs = append(errs, fmt.Errorf("%w: %d kept, %d not", errTooMany, c.max, c.lost))
	}
	return dst, errors.Join(errs...)
}

// Lost is how many sockets the last Dump did not keep.
func (c *Conn) Lost() uint64 { return c.lost }

// Failed are the protocols that the last Dump could not read to the end, until the next one.
func (c *Conn) Failed() []uint8 { return c.failed }

var families = [2]uint8{unix.AF_INET, unix.AF_INET6}

func (c *Conn) dumpOne(dst []Socket, f int, family, proto uint8, limit int) ([]Socket, error) {
	if !c.hasDiag(f, proto) {
		return c.readProcNet(dst, f, proto, limit)
	}
	start, lostBefore := len(dst), c.lost
	for try := 1; ; try++ {
		c.lost = lostBefore
		c.putRequest(family, proto, 0, unix.NLM_F_DUMP, netip.AddrPort{}, netip.AddrPort{}, 0)
		var err error
		dst, err = c.receiveDump(dst[:start], proto, limit)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
			c.probed[f][proto], c.without[f][proto] = true, true
			return c.readProcNet(dst[:start], f, proto, limit)
		case errors.Is(err, errInterrupted) && try < interrupted:
			continue
		case err != nil:
			return dst, fmt.Errorf("dump sockets of protocol %d: %w", proto, err)
		}
		c.probed[f][proto] = true
		return dst, nil
	}
}

// Get finds one socket by its ends, as the kernel finds it for a packet that arrives: for TCP the
// connection, or else the listening socket that would take it; for UDP the connected socket, or
// else the one bound to the local port; a raw socket by proto Raw and the protocol as the local
// port. iface is the index of the interface the packet was seen on; 0 misses sockets that are
// bound to one. IPv4 ends also find IPv6 sockets that talk IPv4. The answer has no TCP_INFO.
func (c *Conn) Get(proto uint8, local, remote netip.AddrPort, iface uint32) (Socket, error) {
	f := 0
	if local.Addr().Is6() && !local.Addr().Is4In6() {
		f = 1
	}
	if !c.hasDiag(f, proto) {
		return c.getProcNet(f, proto, local, remote)
	}
	var rawProto uint8
	src, dst := local, remote
	switch proto {
	case UDP, UDPLite:
		src, dst = remote, local // "swapped for historical reasons", net/ipv4/udp_diag.c
	case Raw:
		rawProto = uint8(local.Port())
	}
	c.putRequest(families[f], proto, rawProto, 0, src, dst, iface)
	s, err := c.receiveOne(proto)
	if err != unix.ENOENT {
		return s, err
	}
	if !c.probed[f][proto] {
		c.probe(f, proto)
		if c.without[f][proto] {
			return c.getProcNet(f, proto, local, remote)
		}
	}
	return Socket{}, ErrNotFound
}

// IfIndex gives an interface's index, 0 when there is none of that name.
func (c *Conn) IfIndex(name string) uint32 {
	ifr, err := unix.NewIfreq(name)
	if err != nil || c.fd < 0 || unix.IoctlIfreq(c.fd, unix.SIOCGIFINDEX, ifr) != nil {
		return 0
	}
	return ifr.Uint32()
}

// ifaceName is the other way round: "" when there is none of that index.
func (c *Conn) ifaceName(index uint32) string {
	ifr, err := unix.NewIfreq("")
	if err != nil || c.fd < 0 {
		return ""
	}
	ifr.SetUint32(index)
	if unix.IoctlIfreq(c.fd, unix.SIOCGIFNAME, ifr) != nil {
		return ""
	}
	return ifr.Name()
}

func (c *Conn) hasDiag(f int, proto uint8) bool {
	// Ping sockets have no sock_diag handler in any kernel so far (net/ipv4/ping.c).
	return c.fd >= 0 && proto != ICMP && proto != ICMP6 && !c.without[f][proto]
}

// probe asks for a dump of no states, which an existing handler answers with nothing.
func (c *Conn) probe(f int, proto uint8) {
	c.putRequest(families[f], proto, 0, unix.NLM_F_DUMP, netip.AddrPort{}, netip.AddrPort{}, 0)
	binary.NativeEndian.PutUint32(c.req[nlHeaderLen+4:], 0)
	_, err := c.receiveDump(nil, proto, 0)
	c.probed[f][proto] = true
	c.without[f][proto] = err == unix.ENOENT || err == unix.EINVAL || err == unix.EOPNOTSUPP
}

// putRequest writes struct nlmsghdr and struct inet_diag_req_v2.
func (c *Conn) putRequest(family, proto, rawProto uint8, flags uint16, src, dst netip.AddrPort, iface uint32) {
	c.seq++
	h := c.req[:nlHeaderLen]
	binary.NativeEndian.PutUint32(h, requestLen)
	binary.NativeEndian.PutUint16(h[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(h[6:], unix.NLM_F_REQUEST|flags)
	binary.NativeEndian.PutUint32(h[8:], c.seq)
	r := c.req[nlHeaderLen:]
	clear(r)
	r[0], r[1], r[3] = family, proto, rawProto
	if flags&unix.NLM_F_DUMP != 0 && proto == TCP {
		r[2] = 1 << (diagInfo - 1)
	}
	binary.NativeEndian.PutUint32(r[4:], allStates)
	binary.BigEndian.PutUint16(r[8:], src.Port())
	binary.BigEndian.PutUint16(r[10:], dst.Port())
	putAddr(r[12:28], src.Addr(), family)
	putAddr(r[28:44], dst.Addr(), family)
	binary.NativeEndian.PutUint32(r[44:], iface)
	binary.NativeEndian.PutUint64(r[48:], ^uint64(0)) // INET_DIAG_NOCOOKIE
}

func putAddr(b []byte, a netip.Addr, family uint8) {
	if !a.IsValid() {
		return
	}
	if family == unix.AF_INET {
		v4 := a.Unmap()
		if v4.Is4() {
			x := v4.As4()
			copy(b, x[:])
		}
		return
	}
	x := a.As16()
	copy(b, x[:])
}

var errInterrupted = errors.New("the table changed while it was read")

// send writes the request and returns with the kernel's answer waiting.
func (c *Conn) send() error {
	for {
		_, err := unix.Write(c.fd, c.req[:])
		if err != unix.EINTR {
			return err
		}
	}
}

func (c *Conn) read() ([]byte, error) {
	for {
		n, err := unix.Read(c.fd, c.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return c.buf[:n], nil
	}
}

// receiveOne sends the request and reads the answer to it.
func (c *Conn) receiveOne(proto uint8) (s Socket, err error) {
	if err := c.send(); err != nil {
		return s, err
	}
	for {
		b, err := c.read()
		if err != nil {
			return s, err
		}
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			if !ok {
				return s, errMessage
			}
			b = rest
			if m.seq != c.seq { // left over from a request that timed out
				continue
			}
			if m.kind != unix.SOCK_DIAG_BY_FAMILY {
				return s, m.err()
			}
			if !parseSocket(m.body, proto, &s) {
				return s, errMessage
			}
			return s, nil
		}
	}
}

// receiveDump sends the request and reads parts until the kernel says that it is done.
func (c *Conn) receiveDump(dst []Socket, proto uint8, limit int) ([]Socket, error) {
	if err := c.send(); err != nil {
		return dst, err
	}
	changed := false
	for {
		b, err := c.read()
		if err != nil {
			return dst, err
		}
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			if !ok {
				return dst, errMessage
			}
			b = rest
			if m.seq != c.seq {
				continue
			}
			changed = changed || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE:
				if err := m.doneErr(); err != nil {
					return dst, err
				}
				if changed {
					return dst, errInterrupted
				}
				return dst, nil
			case unix.SOCK_DIAG_BY_FAMILY:
				if len(dst) >= limit {
					c.lost++
					continue
				}
				dst = slices.Grow(dst, 1)[:len(dst)+1]
				if !parseSocket(m.body, proto, &dst[len(dst)-1]) {
					dst = dst[:len(dst)-1]
				}
			default:
				return dst, m.err()
			}
		}
	}
}

var errMessage = errors.New("the kernel's netlink answer is malformed")

// message is one netlink message. Its body aliases the read buffer.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

func nextMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < nlHeaderLen {
		return m, nil, false
	}
	n := uint64(binary.NativeEndian.Uint32(b))
	if n < nlHeaderLen || n > uint64(len(b)) {
		return m, nil, false
	}
	m.kind = binary.NativeEndian.Uint16(b[4:])
	m.flags = binary.NativeEndian.Uint16(b[6:])
	m.seq = binary.NativeEndian.Uint32(b[8:])
	m.body = b[nlHeaderLen:n]
	return m, b[min(align4(n), uint64(len(b))):], true
}

func align4(n uint64) uint64 { return (n + 3) &^ 3 }

// err is what a message other than a socket says: NLMSG_ERROR's errno.
func (m *message) err() error {
	if m.kind != unix.NLMSG_ERROR || len(m.body) < 4 {
		return errMessage
	}
	if n := int32(binary.NativeEndian.Uint32(m.body)); n < 0 && n > -4096 {
		return unix.Errno(-n)
	}
	return errMessage // an acknowledgement, which was not asked for
}

// doneErr is the errno that NLMSG_DONE carries when a dump broke off (since Linux 4.15).
func (m *message) doneErr() error {
	if len(m.body) < 4 {
		return nil
	}
	if n := int32(binary.NativeEndian.Uint32(m.body)); n < 0 && n > -4096 {
		return unix.Errno(-n)
	}
	return nil
}

// parseSocket reads struct inet_diag_msg and its attributes. proto is the one asked for.
func parseSocket(b []byte, proto uint8, s *Socket) bool {
	if len(b) < diagMsgLen {
		return false
	}
	*s = Socket{Proto: proto, State: b[1]}
	var ok bool
	if s.Local, ok = addrPort(b[0], b[8:24], binary.BigEndian.Uint16(b[4:])); !ok {
		return false
	}
	s.Remote, _ = addrPort(b[0], b[24:40], binary.BigEndian.Uint16(b[6:]))
	s.Iface = binary.NativeEndian.Uint32(b[40:])
	// Two 32-bit halves, the low one first on every machine (sock_diag_save_cookie).
	s.Cookie = uint64(binary.NativeEndian.Uint32(b[44:])) | uint64(binary.NativeEndian.Uint32(b[48:]))<<32
	s.UID = binary.NativeEndian.Uint32(b[64:])
	s.Inode = binary.NativeEndian.Uint32(b[68:])
	if proto == Raw { // its "port" is the protocol
		s.Raw, s.Proto = true, uint8(s.Local.Port())
		s.Local = netip.AddrPortFrom(s.Local.Addr(), 0)
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), 0)
	}
	parseAttributes(b[diagMsgLen:], s)
	return true
}

func parseAttributes(b []byte, s *Socket) {
	attributes(b, func(kind uint16, v []byte) {
		switch kind {
		case diagInfo:
			if s.Proto == TCP {
				parseInfo(v, s)
			}
		case diagProtocol:
			if len(v) > 0 && s.Raw {
				s.Proto = v[0]
			}
		case diagV6Only:
			s.V6Only = len(v) > 0 && v[0] != 0
		}
	})
}

// attributes calls f for each whole attribute in b.
func attributes(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		n := uint64(binary.NativeEndian.Uint16(b))
		if n < 4 || n > uint64(len(b)) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:n])
		b = b[min(align4(n), uint64(len(b))):]
	}
}

// parseInfo reads what we use of struct tcp_info, which has grown at its end with the kernel:
// the segment counts came with 4.2, the smallest round trip with 4.6, the bytes that were sent with 4.19.
func parseInfo(v []byte, s *Socket) {
	const (
		lastDataSent = unsafe.Offsetof(unix.TCPInfo{}.Last_data_sent)
		lastDataRecv = unsafe.Offsetof(unix.TCPInfo{}.Last_data_recv)
		lastAckRecv  = unsafe.Offsetof(unix.TCPInfo{}.Last_ack_recv)
		totalRetrans = unsafe.Offsetof(unix.TCPInfo{}.Total_retrans)
		bytesAcked   = unsafe.Offsetof(unix.TCPInfo{}.Bytes_acked)
		bytesRecv    = unsafe.Offsetof(unix.TCPInfo{}.Bytes_received)
		segsOut      = unsafe.Offsetof(unix.TCPInfo{}.Segs_out)
		segsIn       = unsafe.Offsetof(unix.TCPInfo{}.Segs_in)
		minRTT       = unsafe.Offsetof(unix.TCPInfo{}.Min_rtt)
		bytesSent    = unsafe.Offsetof(unix.TCPInfo{}.Bytes_sent)
		bytesRetrans = unsafe.Offsetof(unix.TCPInfo{}.Bytes_retrans)
	)
	u32 := binary.NativeEndian.Uint32
	// A listening socket's counters are its queue's.
	if len(v) < int(segsIn)+4 || s.State == Listen {
		return
	}
	s.HasInfo = true
	s.IdleMillis = min(u32(v[lastDataSent:]), u32(v[lastDataRecv:]), u32(v[lastAckRecv:]))
	s.Retransmits = u32(v[totalRetrans:])
	s.BytesAcked = binary.NativeEndian.Uint64(v[bytesAcked:])
	s.BytesReceived = binary.NativeEndian.Uint64(v[bytesRecv:])
	s.SegsOut, s.SegsIn = u32(v[segsOut:]), u32(v[segsIn:])
	if len(v) >= int(minRTT)+4 {
		if m := u32(v[minRTT:]); m != ^uint32(0) {
			s.MinRTTMicros = m
		}
	}
	if s.HasSent = len(v) >= int(bytesRetrans)+8; s.HasSent {
		s.BytesSent = binary.NativeEndian.Uint64(v[bytesSent:]) - binary.NativeEndian.Uint64(v[bytesRetrans:])
	}
}

func addrPort(family uint8, b []byte, port uint16) (netip.AddrPort, bool) {
	switch family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port), true
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}
