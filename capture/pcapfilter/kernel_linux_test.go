package pcapfilter

import (
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
)

func attach(fd int, p *Program) error {
	code := p.code
	f := unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)
}

// TestKernelAgrees puts programs on a datagram socket of the unix family, which filters what is sent to it,
// and compares what comes through with Match. It needs no privilege.
func TestKernelAgrees(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no unix sockets here: %v", err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	buf := make([]byte, 2048)
	exprs := expressions(t)
	compared := 0
	for _, link := range []capture.LinkType{capture.LinkEthernet, capture.LinkRaw} {
		packets := packetsFor(link)
		for _, expr := range exprs {
			p, err := Compile(expr, Options{Link: link, Resolver: fixedNames})
			if err != nil {
				continue
			}
			if err := attach(fds[1], p); err != nil && beforePacket(p) {
				continue
			} else if err != nil {
				t.Errorf("the kernel refuses the program of %q: %v", expr, err)
				continue
			}
			for i, pk := range packets {
				if len(pk.data) == 0 || int(pk.wireLen) != len(pk.data) {
					continue // the kernel does not know what was cut off
				}
				if _, err := unix.Write(fds[0], pk.data); err != nil {
					t.Fatal(err)
				}
				_, err := unix.Read(fds[1], buf)
				if got, want := err == nil, p.match(pk.data, pk.wireLen, 0, false); got != want {
					t.Errorf("%q, packet %d: the kernel says %v, Match %v", expr, i, got, want)
				}
				compared++
			}
		}
	}
	if compared < 10000 {
		t.Errorf("only %d comparisons were made", compared)
	}
}

// beforePacket: the kernel refuses constant offsets that are negative, which a file's filter may have.
func beforePacket(p *Program) bool {
	return slices.ContainsFunc(p.code, func(in bpf.RawInstruction) bool {
		return in.Op&7 == classLd && in.Op&0xe0 == modeAbs && in.K >= 1<<31
	})
}

// TestKernelLive captures in a network namespace of its own: what goes over its loopback interface, by
// a filter for every link type.
func TestKernelLive(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace and a packet socket")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace here: %v", err)
	}
	if err := loopbackUp(); err != nil {
		t.Fatalf("set lo up: %v", err)
	}
	for _, c := range []struct {
		expr string
		want int
	}{{"udp dst port 9999", 3}, {"udp dst port 9998", 2}, {"ip6", 0}, {"", 5}, {"vlan", 0}, {"outbound and udp dst port 9999", 3}, {"greater 100", 0}} {
		p, err := CompileAny(c.expr, Options{})
		if err != nil {
			t.Errorf("CompileAny(%q): %v", c.expr, err)
			continue
		}
		if got := countLive(t, p); got != c.want {
			t.Errorf("%q: got %d packets, want %d", c.expr, got, c.want)
		}
	}
	fd := packetSocket(t)
	defer unix.Close(fd)
	for _, expr := range expressions(t) {
		p, err := CompileAny(expr, Options{Resolver: fixedNames})
		if err != nil {
			continue
		}
		if err := attach(fd, p); err != nil {
			t.Errorf("the kernel refuses the program of %q: %v", expr, err)
		}
	}
}

func packetSocket(t *testing.T) int {
	t.Helper()
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all&0xffff)
	if err != nil {
		t.Fatalf("packet socket: %v", err)
	}
	return fd
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// countLive sends three datagrams to port 9999 and two to 9998, and counts those that pass on their way out.
func countLive(t *testing.T, p *Program) int {
	t.Helper()
	fd := packetSocket(t)
	defer unix.Close(fd)
	if err := attach(fd, p); err != nil {
		t.Fatalf("attach: %v", err)
	}
	for _, port := range []int{9999, 9998, 9999, 9998, 9999} {
		send(t, port)
	}
	// What passes on its way out is there as soon as it is sent.
	buf, n := make([]byte, 2048), 0
	for {
		_, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return n
		}
		// A packet over loopback passes twice; and the refusals that answer it, by ICMP, are not what was sent.
		if ll := from.(*unix.SockaddrLinklayer); ll.Pkttype == packetOutgoing && buf[23] == protoUDP {
			n++
		}
	}
}

func send(t *testing.T, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())}
	if err := unix.Sendto(fd, []byte("hello"), 0, to); err != nil {
		t.Fatal(err)
	}
}
