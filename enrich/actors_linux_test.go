package enrich

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// The programs that the scenarios of TestOwners watch are this test program itself, as one of the actors.

const actorEnv = "OWNERS_ACTOR"

func init() {
	if os.Getenv(actorEnv) != "" {
		runtime.LockOSThread() // the main thread, whose name is the process's
	}
}

func TestMain(m *testing.M) {
	kind := os.Getenv(actorEnv)
	if kind == "" {
		os.Exit(m.Run())
	}
	act, known := actors[kind]
	err := fmt.Errorf("no actor %q", kind)
	if known {
		err = act(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", kind, err)
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
			os.Exit(statusSkip)
		}
		os.Exit(1)
	}
}

const statusSkip = 77

var actors map[string]func(args []string) error

func init() {
	actors = map[string]func([]string) error{
		"tcp":      func(a []string) error { return talk(a[0], func(fd int) error { return sendAll(fd, 10) }) },
		"bulk":     func(a []string) error { return talk(a[0], func(fd int) error { return sendAll(fd, 5<<20) }) },
		"dual":     actDual,
		"again":    actAgain,
		"retry":    actRetry,
		"fastopen": func(a []string) error { return actFastOpen(a[0]) },
		"thread":   actThread,
		"sendfile": func(a []string) error { return talk(a[0], sendFile) },
		"splice":   func(a []string) error { return talk(a[0], splice) },
		"io_uring": func(a []string) error { return actRing(a[0], 0) },
		"sqpoll":   func(a []string) error { return actRing(a[0], setupSQPoll) },
		"rename":   actRename,
		"exec":     actExec,
		"send": func([]string) error {
			if err := sendAll(3, 10); err != nil {
				return err
			}
			return finish(3)
		},
		"leave":       actLeave,
		"give":        actGive,
		"take":        actTake,
		"hold":        actHold,
		"connected":   func(a []string) error { return actUDP(a[0], true, "") },
		"unconnected": func(a []string) error { return actUDP(a[0], false, "") },
		"bound":       func(a []string) error { return actUDP(a[0], false, a[1]) },
		"port":        func(a []string) error { return actUDP(a[0], true, a[1]) },
		"mapped":      func(a []string) error { return actUDP(a[0], false, "[::]:0") },
		"reconnect":   actReconnect,
		"mmsg":        actBatch,
		"ping":        func(a []string) error { return actEcho(unix.SOCK_DGRAM, a[0], a[1]) },
		"raw ping":    func(a []string) error { return actEcho(unix.SOCK_RAW, a[0], a[1]) },
		"raw":         actRaw,
		"inject":      actInject,
		"serve":       actServe,
		"sleep":       func([]string) error { io.Copy(io.Discard, os.Stdin); return nil },
	}
}

// tell says which local end the actor has.
func tell(local netip.AddrPort) { fmt.Println(netip.AddrPortFrom(local.Addr().Unmap(), local.Port())) }

// open makes a socket that is connected to the address, by plain system calls.
func open(to string, kind int) (fd int, err error) {
	at := netip.MustParseAddrPort(to)
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	if fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	return fd, unix.Connect(fd, address(at))
}

func address(at netip.AddrPort) unix.Sockaddr {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	return &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
}

// talk opens a connection, lets send do its part, and waits until the server has had all of it.
func talk(to string, send func(fd int) error) error {
	fd, err := open(to, unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	if err := send(fd); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return finish(fd)
}

func finish(fd int) error {
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return err
	}
	for b := make([]byte, 100); ; {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return err
		}
	}
}

func sendAll(fd, n int) error {
	for b := make([]byte, min(n, 64<<10)); n > 0; {
		m, err := unix.Write(fd, b[:min(n, len(b))])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// actDual reaches an IPv4 address through a socket of IPv6, as many programs reach all.
func actDual(a []string) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	at := netip.MustParseAddrPort(a[0])
	if err := unix.Connect(fd, &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}); err != nil {
		return err
	}
	if err := sendAll(fd, 10); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return finish(fd)
}

// bound makes a socket with an end of its own, which may have been another's just now.
func bound(from string) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, address(netip.MustParseAddrPort(from)))
}

// actAgain gives its end back at once: with a reset nothing lingers.
func actAgain(a []string) error {
	fd, err := bound(a[1])
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, address(netip.MustParseAddrPort(a[0]))); err != nil {
		return err
	}
	if err := sendAll(fd, 10); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	return unix.Close(fd)
}

// actRetry is refused where nobody listens, and connects the same socket to who does.
func actRetry(a []string) error {
	fd, err := bound(a[2])
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, address(netip.MustParseAddrPort(a[0]))); err != unix.ECONNREFUSED {
		return fmt.Errorf("connect: %v, want it to be refused", err)
	}
	tell(sockaddr(unix.Getsockname(fd)))
	if err := unix.Connect(fd, address(netip.MustParseAddrPort(a[1]))); err != nil {
		return err
	}
	if err := sendAll(fd, 10); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return finish(fd)
}

// actFastOpen sends with the SYN, which connects.
func actFastOpen(to string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Sendto(fd, []byte("0123456789"), unix.MSG_FASTOPEN, address(netip.MustParseAddrPort(to))); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return finish(fd)
}

// actReconnect has one socket for several peers, one after the other.
func actReconnect(a []string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	wait := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return err
	}
	for _, to := range a {
		if err := unix.Connect(fd, address(netip.MustParseAddrPort(to))); err != nil {
			return err
		}
		if err := sendAll(fd, 10); err != nil {
			return err
		}
		if _, err := unix.Read(fd, make([]byte, 100)); err != nil {
			return err
		}
		tell(sockaddr(unix.Getsockname(fd)))
	}
	return nil
}

// actThread uses UDP and TCP, each in a thread that is not the process's first.
func actThread(a []string) error {
	done := make(chan error)
	for i, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		go func() {
			runtime.LockOSThread()
			fd, err := open(a[i], kind)
			if err == nil {
				err = sendAll(fd, 10)
			}
			tell(sockaddr(unix.Getsockname(fd)))
			if err == nil && kind == unix.SOCK_STREAM {
				err = finish(fd)
			}
			done <- err
		}()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

const fileSize = 100_000

func sendFile(fd int) error {
	f, err := unix.MemfdCreate("content", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(f, fileSize); err != nil {
		return err
	}
	for left := fileSize; left > 0; {
		n, err := unix.Sendfile(fd, f, nil, left)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func splice(fd int) error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	for range 10 {
		if err := sendAll(p[1], 4096); err != nil {
			return err
		}
		for left := 4096; left > 0; {
			n, err := unix.Splice(p[0], nil, fd, nil, left, 0)
			if err != nil {
				return err
			}
			left -= int(n)
		}
	}
	return nil
}

// actRename goes by another name when its connection is open, as prctl(2) makes it.
func actRename(a []string) error {
	return talk(a[0], func(fd int) error {
		if err := sendAll(fd, 10); err != nil {
			return err
		}
		name := [16]byte{}
		copy(name[:], "another-name")
		return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	})
}

// actExec becomes another program that goes on with the connection.
func actExec(a []string) error {
	fd, err := open(a[0], unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	if err := sendAll(fd, 10); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	if err := unix.Dup3(fd, 3, 0); err != nil && fd != 3 {
		return err
	}
	if fd == 3 {
		unix.FcntlInt(3, unix.F_SETFD, 0)
	}
	os.Setenv(actorEnv, "send")
	return syscall.Exec(a[1], a[1:], os.Environ())
}

// actLeave ends with most of what it has written still under way: the kernel goes on without it.
func actLeave(a []string) error {
	fd, err := open(a[0], unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	for b := make([]byte, 64<<10); ; {
		if _, err := unix.Write(fd, b); err == unix.EAGAIN {
			break
		} else if err != nil {
			return err
		}
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return nil
}

// actGive opens a connection, uses it, and gives it to whoever is at the other end of descriptor 3.
func actGive(a []string) error {
	fd, err := open(a[0], unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	if err := sendAll(fd, 10); err != nil {
		return err
	}
	tell(sockaddr(unix.Getsockname(fd)))
	return unix.Sendmsg(3, []byte{1}, unix.UnixRights(fd), nil, 0)
}

func actTake([]string) error {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(3, b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("got %d messages, %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	if err := sendAll(fds[0], 10); err != nil {
		return err
	}
	return finish(fds[0])
}

// actHold opens a connection and uses it when it is told to.
func actHold(a []string) error {
	return talk(a[0], func(fd int) error {
		tell(sockaddr(unix.Getsockname(fd)))
		os.Stdin.Read(make([]byte, 1))
		return sendAll(fd, 10)
	})
}

func actUDP(to string, connected bool, from string) error {
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
	var c *net.UDPConn
	var err error
	switch {
	case connected && from != "":
		c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)), at)
	case connected:
		c, err = net.DialUDP("udp", nil, at)
	case from == "[::]:0":
		c, err = net.ListenUDP("udp", &net.UDPAddr{})
	default:
		network := "udp4"
		if at.AddrPort().Addr().Is6() {
			network = "udp6"
		}
		c, err = net.ListenUDP(network, nil)
		if from != "" {
			c.Close()
			c, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)))
		}
	}
	if err != nil {
		return err
	}
	if connected {
		_, err = c.Write([]byte("x"))
	} else {
		_, err = c.WriteTo([]byte("x"), at)
	}
	if err != nil {
		return err
	}
	tell(localTo(c, at.AddrPort().Addr()))
	c.SetReadDeadline(time.Now().Add(patience))
	_, _, err = c.ReadFrom(make([]byte, 100))
	return err
}

// localTo is what packets over loopback from the socket have as their sender.
func localTo(c net.PacketConn, to netip.Addr) netip.AddrPort {
	own := plain(c.LocalAddr())
	if own.Addr().IsUnspecified() {
		return netip.AddrPortFrom(to, own.Port())
	}
	return own
}

// actBatch sends with sendmmsg(2) and receives with recvmmsg(2).
func actBatch(a []string) error {
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a[0]))
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	p := ipv4.NewPacketConn(c)
	out, in := make([]ipv4.Message, 8), make([]ipv4.Message, 8)
	for i := range out {
		out[i] = ipv4.Message{Buffers: [][]byte{[]byte("x")}, Addr: at}
		in[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 100)}}
	}
	n, err := p.WriteBatch(out, 0)
	if err != nil || n < 2 {
		return fmt.Errorf("sent %d at once: %w", n, err)
	}
	tell(localTo(c, at.AddrPort().Addr()))
	c.SetReadDeadline(time.Now().Add(patience))
	_, err = p.ReadBatch(in, 0)
	return err
}

// actEcho asks for an ICMP echo.
func actEcho(kind int, from, to string) error {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	own := netip.MustParseAddr(from)
	if err := unix.Bind(fd, address(netip.AddrPortFrom(own, 0))); err != nil {
		return err
	}
	pid := os.Getpid() // ping(8) has its number there; of a datagram socket the kernel puts its own
	echo := []byte{8, 0, 0, 0, byte(pid >> 8), byte(pid), 0, 1}
	sum := ^checksum(echo)
	echo[2], echo[3] = byte(sum>>8), byte(sum)
	if err := unix.Sendto(fd, echo, 0, address(netip.AddrPortFrom(netip.MustParseAddr(to), 0))); err != nil {
		return err
	}
	tell(netip.AddrPortFrom(own, 0))
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	_, err = unix.Read(fd, make([]byte, 100))
	return err
}

func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	return uint16(sum>>16 + sum&0xffff)
}

const protoTest = 253 // for experiments, RFC 3692

func actRaw(a []string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protoTest)
	if err != nil {
		return err
	}
	own := netip.MustParseAddr(a[0])
	if err := unix.Bind(fd, address(netip.AddrPortFrom(own, 0))); err != nil {
		return err
	}
	tell(netip.AddrPortFrom(own, 0))
	return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// actInject sends a UDP datagram of no socket, as a frame of its own making.
func actInject(a []string) error {
	own, to := netip.MustParseAddrPort(a[0]), netip.MustParseAddrPort(a[1])
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	const ethIP = 0x0800
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	b := []byte{0x45, 0, 0, 29, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	b = append(b, own.Addr().AsSlice()...)
	b = append(b, to.Addr().AsSlice()...)
	sum := ^checksum(b)
	b[10], b[11] = byte(sum>>8), byte(sum)
	b = append(b, byte(own.Port()>>8), byte(own.Port()), byte(to.Port()>>8), byte(to.Port()), 0, 9, 0, 0, 'x')
	tell(own)
	return unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Protocol: ethIP>>8 | ethIP&0xff<<8, Ifindex: lo.Index, Halen: 6})
}

// actServe answers at an address until stdin ends.
func actServe(a []string) error {
	l, err := net.Listen("tcp", a[0])
	if err != nil {
		return err
	}
	go drain(l)
	tell(plain(l.Addr()))
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// drain reads what each client sends, answers and closes.
func drain(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(io.Discard, c)
			fmt.Fprint(c, "ok")
			c.Close()
		}()
	}
}

// What follows is as much of io_uring(7) as a connection needs.
const (
	setupSQPoll   = 1 << 1 // a thread of the kernel takes what is submitted
	enterGet      = 1 << 0
	enterWakeup   = 1 << 1
	opConnect     = 16
	opSend        = 26
	opReceive     = 27
	offsetSQ      = 0
	offsetCQ      = 0x8000000
	offsetEntries = 0x10000000
)

type ringParams struct {
	SQEntries, CQEntries, Flags, Thread, Idle, Features, WQ uint32
	_                                                       [3]uint32
	SQ                                                      struct{ Head, Tail, Mask, Entries, Flags, Dropped, Array, _, _, _ uint32 }
	CQ                                                      struct{ Head, Tail, Mask, Entries, Overflow, Events, Flags, _, _, _ uint32 }
}

type ringEntry struct {
	Op, Flags uint8
	_         uint16
	FD        int32
	Off, Addr uint64
	Len, OpFl uint32
	User      uint64
	_         [3]uint64
}

type ring struct {
	fd      int
	p       ringParams
	sq, cq  []byte
	entries []ringEntry
}

func newRing(flags uint32) (*ring, error) {
	r := &ring{p: ringParams{Flags: flags, Idle: 1000}}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&r.p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r.fd = int(fd)
	var err error
	if r.sq, err = unix.Mmap(r.fd, offsetSQ, int(r.p.SQ.Array+4*r.p.SQEntries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	if r.cq, err = unix.Mmap(r.fd, offsetCQ, int(r.p.CQ.Events+16*r.p.CQEntries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(r.fd, offsetEntries, int(64*r.p.SQEntries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	r.entries = unsafe.Slice((*ringEntry)(unsafe.Pointer(&b[0])), r.p.SQEntries)
	return r, nil
}

func word(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

// do submits one operation and waits for its result.
func (r *ring) do(e ringEntry) (int, error) {
	tail := *word(r.sq, r.p.SQ.Tail)
	i := tail & *word(r.sq, r.p.SQ.Mask)
	r.entries[i] = e
	*word(r.sq, r.p.SQ.Array+4*i) = i
	atomic.StoreUint32(word(r.sq, r.p.SQ.Tail), tail+1)
	flags := uintptr(enterGet)
	if r.p.Flags&setupSQPoll != 0 {
		flags |= enterWakeup
	}
	for head := *word(r.cq, r.p.CQ.Head); atomic.LoadUint32(word(r.cq, r.p.CQ.Tail)) == head; {
		if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, 1, flags, 0, 0); errno != 0 && errno != unix.EINTR {
			return 0, fmt.Errorf("io_uring_enter: %w", errno)
		}
	}
	head := *word(r.cq, r.p.CQ.Head)
	result := int32(*word(r.cq, r.p.CQ.Events+16*(head&*word(r.cq, r.p.CQ.Mask))+8))
	atomic.StoreUint32(word(r.cq, r.p.CQ.Head), head+1)
	if result < 0 {
		return 0, unix.Errno(-result)
	}
	return int(result), nil
}

// actRing opens its connection, sends and receives through a ring and nothing else.
func actRing(to string, flags uint32) error {
	r, err := newRing(flags)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	at := netip.MustParseAddrPort(to)
	sa := &unix.RawSockaddrInet4{Family: unix.AF_INET, Port: at.Port()>>8 | at.Port()<<8, Addr: at.Addr().As4()}
	b := []byte("0123456789")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(sa)
	pin.Pin(&b[0])
	at1, at2 := uint64(uintptr(unsafe.Pointer(sa))), uint64(uintptr(unsafe.Pointer(&b[0])))
	if _, err := r.do(ringEntry{Op: opConnect, FD: int32(fd), Addr: at1, Off: unix.SizeofSockaddrInet4}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := r.do(ringEntry{Op: opSend, FD: int32(fd), Addr: at2, Len: uint32(len(b))}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	tell(sockaddr(unix.Getsockname(fd)))
	unix.Shutdown(fd, unix.SHUT_WR)
	if _, err := r.do(ringEntry{Op: opReceive, FD: int32(fd), Addr: at2, Len: uint32(len(b))}); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// lines are what an actor has said: its local ends.
func lines(t *testing.T, text string) (ends []netip.AddrPort) {
	t.Helper()
	for line := range strings.Lines(text) {
		end, err := netip.ParseAddrPort(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("an actor said %q: %v", line, err)
		}
		ends = append(ends, end)
	}
	return ends
}
