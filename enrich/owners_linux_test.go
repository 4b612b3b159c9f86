package enrich

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
)

// insideEnv is set in the private world that TestOwners makes: network, processes and mounts of its own.
const insideEnv = "OWNERS_INSIDE"

// TestOwners: the whole program beside programs that have connections in every way there is. With eBPF
// each is to be named, and none wrongly.
func TestOwners(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		ownersInside(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for namespaces and eBPF")
	}
	program := os.Getenv("OWNERS_PROGRAM") // under the kernels of testdata/kernels.sh, where nothing is built
	if testing.Short() && !*update && program == "" {
		t.Skip("takes a while; without -short it is run")
	}
	ebpfStage(t, bpf.Config{}).Close() // which skips where there is none
	if program == "" {
		program = filepath.Join(t.TempDir(), "rustnet")
		if out, err := exec.Command("go", "build", "-o", program, "rustnet").CombinedOutput(); err != nil {
			t.Skipf("needs go, to build rustnet: %v: %s", err, out)
		}
	}
	args := []string{"-test.run=^TestOwners$", "-test.v", "-test.timeout=60m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	if *update {
		args = append(args, "-update")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), insideEnv+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC):
		t.Skipf("needs namespaces of its own: %v", err)
	case err != nil:
		t.Errorf("%v:\n%s", err, out)
	default:
		t.Logf("%s", out)
	}
}

// flow is a connection that there was, and who had its ends.
type flow struct {
	proto          string
	client, server netip.AddrPort // port 0 where there are none
	pid, peer      int            // at the end; nobody = no process has it, 0 = not asked
	name           string         // of pid, where it matters
}

const nobody = -1

// scenario is a way to have connections.
type scenario struct {
	name, about string
	times       int
	run         func(*scene)
}

// scene is what a scenario has: the servers, and what it did.
type scene struct {
	t                     *testing.T
	dir                   string
	times                 int
	tcp, tcp6, dual       netip.AddrPort
	udp, udp2             netip.AddrPort
	udp6, udp62           netip.AddrPort
	only                  netip.AddrPort // without MPTCP, which listeners have by default
	slow, web             netip.AddrPort
	before                []*opener
	beside, world, natted string // namespaces, by process; the address of a server in world
	worldPID              int
	noNamespaces          error
	flows                 []flow
	skip                  string
	addresses             uint32
}

// opener is an actor that opened its connection before rustnet began.
type opener struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	local netip.AddrPort
}

var scenarios = []scenario{
	{"TCP", "IPv4, a few bytes", 20, func(x *scene) { x.clients("tcp", "tcp", x.tcp) }},
	{"TCP over IPv6", "a few bytes", 20, func(x *scene) { x.clients("tcp", "tcp", x.tcp6) }},
	{"TCP, IPv4 between sockets of both", "", 10, func(x *scene) { x.clients("dual", "tcp", x.dual) }},
	{"TCP in bulk", "5 MB", 5, func(x *scene) { x.clients("bulk", "tcp", x.tcp) }},
	{"500 curls", "each lives milliseconds", 500, (*scene).curls},
	{"threads", "UDP and TCP, each in a thread of its own", 10, (*scene).threads},
	{"UDP, connected", "", 10, func(x *scene) { x.clients("connected", "udp", x.udp) }},
	{"UDP, not connected", "", 10, func(x *scene) { x.clients("unconnected", "udp", x.udp) }},
	{"UDP, bound to an address", "", 10, func(x *scene) {
		for range x.times {
			x.client("bound", "udp", x.udp, netip.AddrPortFrom(x.address(), 0).String())
		}
	}},
	{"UDP over IPv6", "", 10, func(x *scene) { x.clients("unconnected", "udp", x.udp6) }},
	{"UDP, IPv4 from a socket of both", "", 10, func(x *scene) { x.clients("mapped", "udp", x.udp) }},
	{"UDP, a port used again at once", "by the next program, connected and not", 20, func(x *scene) {
		at := netip.AddrPortFrom(x.address(), 0)
		for range x.times / 2 {
			at = x.client("port", "udp", x.udp, at.String()).client
			x.client("bound", "udp", x.udp, at.String())
		}
	}},
	{"UDP, one socket connected to two", "one after the other", 10, func(x *scene) {
		for range x.times {
			cmd := x.command("reconnect", x.udp.String(), x.udp2.String())
			for i, end := range x.act(cmd) {
				x.flows = append(x.flows, flow{"udp", end, []netip.AddrPort{x.udp, x.udp2}[i], cmd.Process.Pid, os.Getpid(), ""})
			}
		}
	}},
	{"TCP, a port used again at once", "by the next program, after a reset", 20, func(x *scene) {
		at := netip.AddrPortFrom(x.address(), 0)
		for range x.times {
			at = x.client("again", "tcp", x.tcp, at.String()).client
		}
	}},
	{"TCP, refused, and then not", "the same socket", 10, func(x *scene) {
		for range x.times {
			first := netip.AddrPortFrom(x.tcp.Addr(), 11)
			cmd := x.command("retry", first.String(), x.tcp.String(), netip.AddrPortFrom(x.address(), 0).String())
			for i, end := range x.act(cmd) {
				x.flows = append(x.flows, flow{"tcp", end, []netip.AddrPort{first, x.tcp}[i], cmd.Process.Pid, i * os.Getpid(), ""})
			}
		}
	}},
	{"TCP fast open", "sent with the SYN", 10, func(x *scene) { x.clients("fastopen", "tcp", x.tcp) }},
	{"sendmmsg and recvmmsg", "eight datagrams at once", 10, func(x *scene) { x.clients("mmsg", "udp", x.udp) }},
	{"MPTCP", "multipath TCP at both ends", 10, func(x *scene) { x.odd("mptcp", "tcp", x.tcp) }},
	{"MPTCP over IPv6", "", 10, func(x *scene) { x.odd("mptcp", "tcp", x.tcp6) }},
	{"MPTCP, to who has TCP only", "", 10, func(x *scene) { x.odd("mptcp", "tcp", x.only) }},
	{"MSG_ZEROCOPY", "", 10, func(x *scene) { x.odd("zerocopy", "tcp", x.tcp) }},
	{"UDP, cut into segments by the kernel", "UDP_SEGMENT", 10, func(x *scene) { x.odd("segments", "udp", x.udp) }},
	{"exit at once", "connected, and nothing said", 20, func(x *scene) { x.odd("exit", "tcp", x.tcp) }},
	{"exit before the answer", "connect(2) did not wait for it", 20, func(x *scene) { x.odd("unanswered", "tcp", x.tcp) }},
	{"daemon", "its parents connected, and have ended when it sends", 10, func(x *scene) { x.odd("daemon", "tcp", x.tcp) }},
	{"vfork and exec", "a program is started on the connection, and its parent waits", 10, func(x *scene) { x.odd("spawn", "tcp", x.tcp) }},
	{"exec in place three times", "before the connection and on it", 10, func(x *scene) { x.odd("chain", "tcp", x.tcp) }},
	{"another thread executes", "and goes on with the connection under the leader's number", 10, func(x *scene) { x.odd("thread", "tcp", x.tcp) }},
	{"sendfile", "", 10, func(x *scene) { x.clients("sendfile", "tcp", x.tcp) }},
	{"splice", "from a pipe", 10, func(x *scene) { x.clients("splice", "tcp", x.tcp) }},
	{"io_uring", "connect, send and receive", 10, func(x *scene) { x.clients("io_uring", "tcp", x.tcp) }},
	{"io_uring with SQPOLL", "a thread of the kernel does it", 10, func(x *scene) { x.clients("sqpoll", "tcp", x.tcp) }},
	{"forking server", "the child reads", 10, func(x *scene) { x.server("fork") }},
	{"preforking server", "four wait at one listener", 20, func(x *scene) { x.server("prefork") }},
	{"threaded server", "", 10, func(x *scene) { x.server("thread") }},
	{"SO_REUSEPORT group", "four listeners at one port", 20, func(x *scene) { x.server("reuseport") }},
	{"preforked UDP server", "four children receive at one socket, each answers", 20, func(x *scene) { x.datagrams("prefork", "udp4") }},
	{"preforked UDP server over IPv6", "four children receive at one socket, each answers", 20, func(x *scene) { x.datagrams("prefork", "udp6") }},
	{"preforked UDP server, IPv4 at a socket of both", "four children receive at it, each answers", 20, func(x *scene) { x.datagrams("prefork", "udp") }},
	{"parent and child share one UDP socket", "both receive and answer", 20, func(x *scene) { x.datagrams("two", "udp4") }},
	{"UDP, received by one and answered by another", "which has the socket from its parent", 10, func(x *scene) { x.datagrams("hand", "udp4") }},
	{"UDP socket passed to another program", "over a unix socket, to who answers after the first", 10, func(x *scene) { x.datagrams("pass", "udp4") }},
	{"UDP server whose parent is another program by now", "the child goes on to answer", 10, func(x *scene) { x.datagrams("exec", "udp4") }},
	{"UDP, SO_REUSEPORT group", "four processes with a socket each at one port", 20, func(x *scene) { x.datagrams("reuseport", "udp4") }},
	{"UDP clients that share one socket", "parent and child in turn, each with a server of its own", 10, func(x *scene) { x.sharing("clients", x.udp, x.udp2) }},
	{"UDP clients that share one socket over IPv6", "parent and child in turn, each with a server of its own", 10, func(x *scene) { x.sharing("clients", x.udp6, x.udp62) }},
	{"UDP socket connected in one process and used in another", "", 10, func(x *scene) { x.sharing("connected", x.udp) }},
	{"inetd", "accepts, and executes the server on the connection", 10, func(x *scene) { x.server("exec") }},
	{"socket activation", "the listener is opened by another program", 10, func(x *scene) { x.server("activate") }},
	{"socat", "EXEC, in place of the child that accepted", 10, (*scene).socat},
	{"descriptor passed by a server", "over a unix socket, to who answers", 10, func(x *scene) { x.server("pass") }},
	{"descriptor passed by a client", "over a unix socket, to who goes on", 10, (*scene).passing},
	{"another name", "prctl while the connection is open", 10, func(x *scene) {
		for range x.times {
			x.client("rename", "tcp", x.tcp).name = "another-name"
		}
	}},
	{"exec in place", "another program goes on with the connection", 10, func(x *scene) {
		for range x.times {
			x.client("exec", "tcp", x.tcp, x.link("heir")).name = "heir"
		}
	}},
	{"exit before the close", "what it has written is still under way", 10, func(x *scene) { x.clients("leave", "tcp", x.slow) }},
	{"PID given out again", "the next program has the number of the last", 20, (*scene).reuse},
	{"open before rustnet", "and used afterwards", 5, func(x *scene) {
		for _, h := range x.before {
			h.in.Close()
			h.cmd.Wait()
			x.flows = append(x.flows, flow{proto: "tcp", client: h.local, server: x.tcp, pid: h.cmd.Process.Pid, peer: os.Getpid()})
		}
	}},
	{"ping", "ICMP through a datagram socket", 10, func(x *scene) { x.portless("ping", "icmp") }},
	{"ping, raw", "ICMP through a raw socket", 10, func(x *scene) { x.portless("raw ping", "icmp") }},
	{"raw IP", "protocol 253", 10, func(x *scene) { x.portless("raw", strconv.Itoa(protoTest)) }},
	{"injected frame", "AF_PACKET, of no socket: nobody is to be named but the receiver", 10, func(x *scene) {
		for i := range x.times {
			x.client("inject", "udp", x.udp, netip.AddrPortFrom(x.address(), uint16(40000+i)).String(), x.udp.String()).pid = nobody
		}
	}},
	{"network namespace", "over veth, to us", 10, func(x *scene) {
		x.within(netip.AddrPortFrom(netip.MustParseAddr("10.78.0.1"), x.web.Port()), os.Getpid())
	}},
	{"NAT", "from a network namespace through us to another", 10, func(x *scene) {
		if x.noNamespaces == nil {
			x.within(netip.MustParseAddrPort(x.natted), x.worldPID)
		} else {
			x.skip = x.noNamespaces.Error()
		}
	}},
	{"NAT, ping", "ICMP through a datagram socket, from a network namespace through us to another, seen on both sides", 10, func(x *scene) { x.pings("ping", 1) }},
	{"NAT, ping, raw", "the same through a raw socket", 10, func(x *scene) { x.pings("raw ping", 2) }},
}

// pings has programs in one network namespace ask the addresses of another, 10.79.net.1 and on.
func (x *scene) pings(kind string, net byte) {
	if x.noNamespaces != nil {
		x.skip = x.noNamespaces.Error()
		return
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		x.skip = err.Error()
		return
	}
	for i := range x.times {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 79, net, byte(1 + i)}), 0)
		cmd := x.command(kind)
		cmd.Path, cmd.Args = path, []string{"nsenter", "--net=" + x.beside, "--", os.Args[0], "0.0.0.0", to.Addr().String()}
		x.act(cmd)
		for _, from := range []string{"10.78.0.2:0", "10.79.0.1:0"} { // its own address, and what NAT makes of it
			x.flows = append(x.flows, flow{proto: "icmp", client: netip.MustParseAddrPort(from), server: to, pid: cmd.Process.Pid})
		}
	}
}

// address gives one of loopback that nothing else has.
func (x *scene) address() netip.Addr {
	x.addresses++
	return netip.AddrFrom4([4]byte{127, 7, byte(x.addresses >> 8), byte(x.addresses)})
}

// command is an actor that was not started.
func (x *scene) command(kind string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), actorEnv+"="+kind)
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

// act runs an actor to its end and gives its local ends, none when the kernel has not what it needs.
func (x *scene) act(cmd *exec.Cmd) []netip.AddrPort {
	x.t.Helper()
	out, err := cmd.Output()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == statusSkip {
		x.skip = strings.TrimSpace(fmt.Sprint(cmd.Stderr))
		return nil
	}
	if err != nil {
		x.t.Fatalf("%v: %v: %s", cmd.Args, err, cmd.Stderr)
	}
	return lines(x.t, string(out))
}

// client runs an actor that has one connection to us.
func (x *scene) client(kind, proto string, server netip.AddrPort, args ...string) *flow {
	x.t.Helper()
	if kind != "inject" {
		args = append([]string{server.String()}, args...)
	}
	cmd := x.command(kind, args...)
	ends := x.act(cmd)
	if len(ends) == 0 {
		return &flow{}
	}
	x.flows = append(x.flows, flow{proto: proto, client: ends[0], server: server, pid: cmd.Process.Pid, peer: os.Getpid()})
	return &x.flows[len(x.flows)-1]
}

func (x *scene) clients(kind, proto string, server netip.AddrPort) {
	for range x.times {
		if x.client(kind, proto, server); x.skip != "" {
			return
		}
	}
}

// portless runs actors of protocols without ports, each at an address of its own. What answers is the kernel.
func (x *scene) portless(kind, proto string) {
	for range x.times {
		cmd := x.command(kind, x.address().String(), "127.0.0.1")
		for _, end := range x.act(cmd) {
			x.flows = append(x.flows, flow{proto: proto, client: end, server: netip.MustParseAddrPort("127.0.0.1:0"), pid: cmd.Process.Pid})
		}
	}
}

// curls runs them several at a time.
func (x *scene) curls() {
	path, err := exec.LookPath("curl")
	if err != nil {
		x.skip = "needs curl"
		return
	}
	done := make(chan flow)
	go func() {
		defer close(done)
		var all sync.WaitGroup
		defer all.Wait()
		room := make(chan struct{}, 8)
		for range x.times {
			room <- struct{}{}
			all.Go(func() {
				defer func() { <-room }()
				cmd := exec.Command(path, "-s", "-o", "/dev/null", "-w", "%{local_ip}:%{local_port}", "http://"+x.web.String()+"/")
				out, err := cmd.Output()
				client, err2 := netip.ParseAddrPort(string(out))
				if err := errors.Join(err, err2); err != nil {
					x.t.Error(err)
					return
				}
				done <- flow{"tcp", client, x.web, cmd.Process.Pid, os.Getpid(), "curl"}
			})
		}
	}()
	for f := range done {
		x.flows = append(x.flows, f)
	}
}

func (x *scene) threads() {
	for range x.times {
		cmd := x.command("thread", x.udp.String(), x.tcp.String())
		ends := x.act(cmd)
		x.flows = append(x.flows, flow{"udp", ends[0], x.udp, cmd.Process.Pid, os.Getpid(), ""}, flow{"tcp", ends[1], x.tcp, cmd.Process.Pid, os.Getpid(), ""})
	}
}

// ask connects to a server that answers with the number of the process that has the connection.
func (x *scene) ask(at netip.AddrPort) {
	x.t.Helper()
	var c net.Conn
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // it may not listen yet
		if c, err = net.Dial("tcp4", at.String()); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		x.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "x")
	pid := readNumber(x.t, bufio.NewReader(c))
	x.flows = append(x.flows, flow{proto: "tcp", client: plain(c.LocalAddr()), server: at, pid: os.Getpid(), peer: pid})
}

func (x *scene) server(kind string) {
	cmd := exec.Command("python3", "-S", "-c", servers, kind)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		x.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		x.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		x.skip = fmt.Sprintf("needs python3: %v", err)
		return
	}
	defer cmd.Wait()
	defer in.Close()
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(readNumber(x.t, bufio.NewReader(out))))
	for range x.times {
		x.ask(at)
	}
}

// datagramServers answer each datagram with the number of the process that does so.
const datagramServers = `
import array, os, select, socket, sys, threading
kind, network = sys.argv[1:]
s = socket.socket(socket.AF_INET if network == "udp4" else socket.AF_INET6, socket.SOCK_DGRAM)
if network == "udp": s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, kind == "reuseport")
s.bind({"udp4": ("127.0.0.1", 0), "udp6": ("::1", 0), "udp": ("::", 0)}[network])
def serve(s):
    while True:
        s.sendto(b"%d\n" % os.getpid(), s.recvfrom(100)[1])
def fork(act, *args):
    if os.fork() == 0: act(*args)
def wait():
    while True: os.wait()
threading.Thread(target=lambda: (sys.stdin.read(), os.killpg(0, 9)), daemon=True).start()
if kind == "reuseport":
    def another():
        o = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); o.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        o.bind(s.getsockname()); os.write(w, b"x"); serve(o)
    r, w = os.pipe()
    for i in range(3): fork(another)
    for i in range(3): os.read(r, 1)
print(s.getsockname()[1], flush=True)
if kind == "prefork":
    for i in range(4): fork(serve, s)
    wait()
elif kind == "two":
    fork(serve, s); serve(s)
elif kind == "hand":
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    def answer():
        while True:
            host, port = b.recv(100).split()
            s.sendto(b"%d\n" % os.getpid(), (host.decode(), int(port)))
    fork(answer)
    while True:
        a.send(b"%s %d" % ((lambda at: (at[0].encode(), at[1]))(s.recvfrom(100)[1])))
elif kind == "pass":
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    def take():
        serve(socket.socket(fileno=array.array("i", b.recvmsg(10, socket.CMSG_LEN(4))[1][0][2])[0]))
    for i in range(3): s.sendto(b"%d\n" % os.getpid(), s.recvfrom(100)[1])
    fork(take)
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))]); s.close()
    wait()
elif kind == "exec":
    for i in range(3): s.sendto(b"%d\n" % os.getpid(), s.recvfrom(100)[1])
    fork(serve, s)
    os.execvp("cat", ["cat"])
else: serve(s)
`

// answered is one whose datagram a process has answered.
type answered struct {
	local netip.AddrPort
	pid   int
	begun int64 // when it asked
}

// datagramServer starts one, that ends with the test, and gives what asks it as so many clients at a time.
func datagramServer(t *testing.T, kind, network string) (at netip.AddrPort, ask func(n int) []answered) {
	t.Helper()
	cmd := exec.Command("python3", "-S", "-c", datagramServers, kind, network)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, out := piped(t, cmd)
	t.Cleanup(func() {
		in.Close()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // one that is another program does not wait for the end of stdin
		cmd.Wait()
	})
	at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(readNumber(t, out)))
	if network == "udp6" {
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return at, func(n int) (all []answered) {
		t.Helper()
		clients := make([]net.Conn, n)
		for i := range clients {
			var err error
			if clients[i], err = net.Dial("udp", at.String()); err != nil {
				t.Fatal(err)
			}
			defer clients[i].Close()
			all = append(all, answered{local: plain(clients[i].LocalAddr()), begun: time.Now().UnixNano()})
			fmt.Fprintln(clients[i], "x")
		}
		for i, c := range clients {
			c.SetReadDeadline(time.Now().Add(patience))
			all[i].pid = readNumber(t, bufio.NewReader(c))
		}
		return all
	}
}

func (x *scene) datagrams(kind, network string) {
	if _, err := exec.LookPath("python3"); err != nil {
		x.skip = err.Error()
		return
	}
	at, ask := datagramServer(x.t, kind, network)
	for left := x.times; left > 0; left -= 4 {
		for _, a := range ask(min(left, 4)) {
			x.flows = append(x.flows, flow{proto: "udp", client: a.local, server: at, pid: os.Getpid(), peer: a.pid})
		}
	}
}

// sharers are two processes with one socket that talk to servers; they say which port it has, and their numbers.
const sharers = `
import os, socket, sys
kind, family = sys.argv[1], socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
servers = [(sys.argv[i], int(sys.argv[i+1])) for i in range(2, len(sys.argv), 2)]
s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(10)
if kind == "connected": s.connect(servers[0])
r, w = os.pipe(); r2, w2 = os.pipe()
def ask(server):
    if kind == "connected": s.send(b"x"); s.recv(10)
    else: s.sendto(b"x", server); s.recvfrom(10)
pid = os.fork()
for i in range(2):
    if pid:
        if kind != "connected": ask(servers[0])
        os.write(w, b"x"); os.read(r2, 1)
    else:
        os.read(r, 1); ask(servers[-1]); os.write(w2, b"x")
if pid: print(s.getsockname()[1], os.getpid(), pid)
`

func (x *scene) sharing(kind string, servers ...netip.AddrPort) {
	args := []string{"-S", "-c", sharers, kind}
	for _, s := range servers {
		args = append(args, s.Addr().String(), strconv.Itoa(int(s.Port())))
	}
	for range x.times {
		out, err := exec.Command("python3", args...).Output()
		if errors.Is(err, exec.ErrNotFound) {
			x.skip = "needs python3"
			return
		}
		var port, parent, child int
		if _, err2 := fmt.Sscan(string(out), &port, &parent, &child); err != nil || err2 != nil {
			x.t.Fatalf("%s: %v, %v: %q", kind, err, err2, out)
		}
		pids := []int{parent, child}
		for i, s := range servers {
			x.flows = append(x.flows, flow{"udp", netip.AddrPortFrom(s.Addr(), uint16(port)), s, pids[len(pids)-len(servers)+i], os.Getpid(), ""})
		}
	}
}

// oddities have one connection in a way that is not everybody's, and say which port it has, who is to have it, and by which name; nothing
// where the kernel has not what it takes.
const oddities = `
import ctypes, os, socket, sys, threading
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
name = "-"
def tcp(proto=0):
    s = socket.socket(family, socket.SOCK_STREAM, proto); s.settimeout(10); s.connect((host, port)); return s
def said(s, pid): print(s.getsockname()[1], pid, name, flush=True)
def end(s): s.send(b"x"); s.shutdown(1); s.recv(9)
def inherit(s): os.dup2(s.fileno(), 9); os.set_inheritable(9, True)
talk = "echo x >&9; exec 9>&-"
if kind == "mptcp":
    try: s = socket.socket(family, socket.SOCK_STREAM, 262)
    except OSError: sys.exit()
    s.settimeout(10); s.connect((host, port)); said(s, os.getpid()); end(s)
elif kind == "zerocopy":
    s = tcp(); s.setsockopt(socket.SOL_SOCKET, 60, 1)
    try: s.send(b"x" * 100000, 0x4000000)
    except OSError: sys.exit()
    said(s, os.getpid()); end(s)
elif kind == "segments":
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(10)
    s.setsockopt(socket.IPPROTO_UDP, 103, 100); s.sendto(b"x" * 1000, (host, port)); s.recv(100); said(s, os.getpid())
elif kind == "exit":
    s = tcp(); said(s, os.getpid()); os._exit(0)
elif kind == "unanswered":
    s = socket.socket(family, socket.SOCK_STREAM); s.setblocking(False); s.connect_ex((host, port)); said(s, os.getpid()); os._exit(0)
elif kind == "daemon":
    s = tcp(); r, w = os.pipe()
    for i in range(2):
        if os.fork(): os._exit(0)
    while os.getppid() != 1: pass
    said(s, os.getpid()); end(s)
elif kind == "spawn":
    s = tcp(); s.send(b"x"); inherit(s); name = "sh"
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", talk], {}); os.waitpid(pid, 0); said(s, pid)
elif kind == "chain":
    if os.environ.get("LINK") != "2":
        os.environ["LINK"] = str(int(os.environ.get("LINK", 0)) + 1)
        os.execv(sys.executable, [sys.executable, "-S", "-c", os.environ["CHAIN"]] + sys.argv[1:])
    s = tcp(); s.send(b"x"); inherit(s); name = "sh"; said(s, os.getpid())
    os.execv("/bin/sh", ["sh", "-c", "exec sh -c '" + talk + "'"])
elif kind == "thread":
    s = tcp(); s.send(b"x"); inherit(s); name = "sh"; said(s, os.getpid())
    threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", talk])).start()
    threading.Event().wait()
`

func (x *scene) odd(kind, proto string, server netip.AddrPort) {
	for range x.times {
		cmd := exec.Command("python3", "-S", "-c", oddities, kind, server.Addr().String(), strconv.Itoa(int(server.Port())))
		cmd.Env = append(os.Environ(), "CHAIN="+oddities)
		cmd.Stderr = new(bytes.Buffer)
		out, err := cmd.Output()
		if errors.Is(err, exec.ErrNotFound) || err == nil && len(out) == 0 {
			x.skip = "needs python3, and of the kernel " + kind
			return
		}
		var port, pid int
		var name string
		if _, err2 := fmt.Sscan(string(out), &port, &pid, &name); err != nil || err2 != nil {
			x.t.Fatalf("%s: %v, %v: %q, %s", kind, err, err2, out, cmd.Stderr)
		}
		if name == "-" {
			name = ""
		}
		x.flows = append(x.flows, flow{proto, netip.AddrPortFrom(server.Addr(), uint16(port)), server, pid, os.Getpid(), name})
	}
}

func (x *scene) socat() {
	const at = "127.0.0.1:9901"
	cmd := exec.Command("socat", "TCP-LISTEN:9901,bind=127.0.0.1,reuseaddr,fork", `SYSTEM:read x; echo $$; exec cat >/dev/null,nofork`)
	if err := cmd.Start(); err != nil {
		x.skip = fmt.Sprintf("needs socat: %v", err)
		return
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for range x.times {
		x.ask(netip.MustParseAddrPort(at))
	}
}

func (x *scene) passing() {
	for range x.times {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			x.t.Fatal(err)
		}
		give, take := x.command("give", x.tcp.String()), x.command("take")
		for i, cmd := range []*exec.Cmd{give, take} {
			end := os.NewFile(uintptr(pair[i]), "end")
			defer end.Close()
			cmd.ExtraFiles = []*os.File{end}
		}
		ends := x.act(give)
		x.act(take)
		x.flows = append(x.flows, flow{proto: "tcp", client: ends[0], server: x.tcp, pid: take.Process.Pid, peer: os.Getpid()})
	}
}

// link gives this program another name.
func (x *scene) link(name string) string {
	path := filepath.Join(x.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.Link(os.Args[0], path); err != nil {
		if err := copyFile(path, os.Args[0]); err != nil {
			x.t.Fatal(err)
		}
	}
	return path
}

// reuse sees to it that one program after the other has the same PID.
func (x *scene) reuse() {
	pids := map[int]int{}
	for i := range x.times {
		const wanted = 30000
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(wanted-1)), 0); err != nil {
			x.skip = err.Error()
			return
		}
		name := []string{"first", "second"}[i%2]
		cmd := x.command("tcp", x.tcp.String())
		cmd.Path = x.link(name)
		ends := x.act(cmd)
		pids[cmd.Process.Pid]++
		x.flows = append(x.flows, flow{"tcp", ends[0], x.tcp, cmd.Process.Pid, os.Getpid(), name})
	}
	if len(pids) == x.times {
		x.skip = fmt.Sprintf("no number was given out again: %v", pids)
	}
}

// within has connections of a program in another network namespace.
func (x *scene) within(server netip.AddrPort, peer int) {
	if x.noNamespaces != nil {
		x.skip = x.noNamespaces.Error()
		return
	}
	for range x.times {
		cmd := x.command("tcp")
		cmd.Args = []string{"nsenter", "--net=" + x.beside, "--", os.Args[0], server.String()}
		path, err := exec.LookPath("nsenter")
		if err != nil {
			x.skip = err.Error()
			return
		}
		cmd.Path = path
		ends := x.act(cmd)
		x.flows = append(x.flows, flow{proto: "tcp", client: ends[0], server: server, pid: cmd.Process.Pid, peer: peer})
	}
}

// prepare makes the servers, what is there before rustnet, and the namespaces.
func (x *scene) prepare() {
	t := x.t
	listen := func(network, at string) (net.Listener, netip.AddrPort) {
		l, err := net.Listen(network, at)
		noIPv6(t, err)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l, plain(l.Addr())
	}
	var l net.Listener
	l, x.tcp = listen("tcp4", "127.0.0.1:0")
	go drain(l)
	l, x.tcp6 = listen("tcp6", "[::1]:0")
	go drain(l)
	l, x.dual = listen("tcp", "[::]:0")
	x.dual = netip.AddrPortFrom(x.tcp.Addr(), x.dual.Port())
	go drain(l)
	var plainTCP net.ListenConfig
	plainTCP.SetMultipathTCP(false)
	l, err := plainTCP.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	x.only = plain(l.Addr())
	go drain(l)
	l, x.slow = listen("tcp4", "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { time.Sleep(300 * time.Millisecond); io.Copy(io.Discard, c); c.Close() }()
		}
	}()
	for _, s := range []struct {
		network, at string
		addr        *netip.AddrPort
	}{{"udp4", "127.0.0.1:0", &x.udp}, {"udp4", "127.0.0.1:0", &x.udp2}, {"udp6", "[::1]:0", &x.udp6}, {"udp6", "[::1]:0", &x.udp62}} {
		c, err := net.ListenPacket(s.network, s.at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		*s.addr = plain(c.LocalAddr())
		go func() {
			for b := make([]byte, 100); ; {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				c.WriteTo(b[:n], from)
			}
		}()
	}
	x.noNamespaces = x.connect()
	l, x.web = listen("tcp4", "0.0.0.0:0")
	x.web = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), x.web.Port())
	go http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 5 {
		cmd := x.command("hold", x.tcp.String())
		in, out := piped(t, cmd)
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("hold: %v: %s", err, cmd.Stderr)
		}
		x.before = append(x.before, &opener{cmd, in, lines(t, line)[0]})
	}
}

// connect makes two network namespaces that reach each other through ours, with NAT.
func (x *scene) connect() error {
	for _, name := range []*string{&x.beside, &x.world} {
		cmd := x.command("sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		x.t.Cleanup(func() { in.Close(); cmd.Wait() })
		*name = fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
	}
	pid := func(ns string) string { return strings.Split(ns, "/")[2] }
	script := fmt.Sprintf(`set -e
echo 1 >/proc/sys/net/ipv4/ip_forward
link() { # device, our address, process, its address
	ip link add "$1" type veth peer name eth0 netns "$3"
	ip addr add "$2" dev "$1"
	ip link set "$1" up
	nsenter --net="/proc/$3/ns/net" sh -c "ip link set lo up; ip addr add $4 dev eth0; ip link set eth0 up"
}
link in0 10.78.0.1/24 %[1]s 10.78.0.2/24
link out0 10.79.0.1/16 %[2]s 10.79.0.2/16
for net in 1 2; do
	for i in 1 2 3 4 5 6 7 8 9 10; do
		nsenter --net=/proc/%[2]s/ns/net ip addr add 10.79.$net.$i/32 dev eth0
	done
done
nsenter --net=/proc/%[1]s/ns/net sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range'
nsenter --net=/proc/%[1]s/ns/net ip route add default via 10.78.0.1
nft 'table ip nat { chain post { type nat hook postrouting priority 100; oifname "out0" masquerade; }; }'
`, pid(x.beside), pid(x.world))
	x.t.Cleanup(func() { exec.Command("sh", "-c", "ip link del in0; ip link del out0; nft delete table ip nat").Run() }) // as far as they were made
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("no network namespaces with NAT: %v: %s", err, bytes.TrimSpace(out))
	}
	cmd := x.command("serve")
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	cmd.Path, cmd.Args = path, []string{"nsenter", "--net=" + x.world, "--", os.Args[0], "10.79.0.2:80"}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	x.t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	x.natted, x.worldPID = lines(x.t, line)[0].String(), cmd.Process.Pid
	return nil
}

// optmem is how many bytes beside its buffers a socket may have, of this network namespace since Linux 6.8.
const optmem = "/proc/sys/net/core/optmem_max"

// room sets it, also for the other namespaces.
func (x *scene) room(size string) {
	if err := os.WriteFile(optmem, []byte(size), 0); err != nil {
		x.t.Skip("needs a bound on the memory of sockets that is the network namespace's own: ", err)
	}
	if x.noNamespaces != nil {
		return
	}
	for _, ns := range []string{x.beside, x.world} {
		if out, err := exec.Command("nsenter", "--net="+ns, "--", "sh", "-c", "echo "+size+" >"+optmem).CombinedOutput(); err != nil {
			x.t.Fatalf("%v: %s", err, out)
		}
	}
}

// said is what rustnet says of a connection.
type said struct {
	Event, Proto, ID string
	LocalAddr        netip.Addr `json:"local_addr"`
	LocalPort        uint16     `json:"local_port"`
	RemoteAddr       netip.Addr `json:"remote_addr"`
	RemotePort       uint16     `json:"remote_port"`
	PID              int
	Process          string
	Source           string `json:"process_source"`
	PeerPID          int    `json:"peer_pid"`
	PeerProcess      string `json:"peer_process"`
	LostCount        int    `json:"lost_count"`
	LostWhere        string `json:"lost_where"`
}

// verdict counts the ends of a scenario's connections.
type verdict struct {
	skip                  string
	right, missing, wrong int
}

func (v verdict) String() string {
	switch {
	case v.skip != "":
		return "not here"
	case v.missing+v.wrong == 0:
		return fmt.Sprintf("all %d", v.right)
	case v.wrong == 0:
		return fmt.Sprintf("%d of %d", v.right, v.right+v.missing)
	}
	return fmt.Sprintf("%d of %d, %d wrong", v.right, v.right+v.missing+v.wrong, v.wrong)
}

// perform runs all scenarios beside a rustnet, and gives what it knew of each. unkept: a few times each, where the kernel's
// programs cannot keep anything of a socket.
func perform(t *testing.T, mode string, unkept bool) []verdict {
	x := &scene{t: t, dir: t.TempDir()}
	x.prepare()
	watcher := exec.Command(os.Getenv(insideEnv), "--json", "--process", mode, "--events", "new,closed",
		"--fields", "event,proto,id,local_addr,local_port,remote_addr,remote_port,pid,process,process_source,peer_pid,peer_process,lost_count,lost_where")
	var records, stderr bytes.Buffer
	watcher.Stderr = &stderr
	out, err := watcher.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watcher.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watcher.Process.Kill(); watcher.Wait() })
	ended := make(chan struct{})
	probes := map[string]chan struct{}{`"remote_port":9,`: make(chan struct{}), `"remote_port":10,`: make(chan struct{})}
	go func() {
		defer close(ended)
		left := maps.Clone(probes)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			records.WriteString(line)
			for text, told := range left {
				if strings.Contains(strings.ReplaceAll(line, "}", ","), text) { // of no owner it is the last
					close(told)
					delete(left, text)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	// probe waits for a datagram's record: rustnet sees what passes, and has seen what passed before.
	probe := func(port int) {
		t.Helper()
		for end := time.Now().Add(patience); time.Now().Before(end); {
			c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "x")
			c.Close()
			select {
			case <-probes[fmt.Sprintf(`"remote_port":%d,`, port)]:
				return
			case <-ended:
				t.Fatalf("rustnet ended: %s", &stderr)
			case <-time.After(50 * time.Millisecond):
			}
		}
		t.Fatalf("rustnet says nothing of a probe within %s", patience)
	}
	probe(9)
	if unkept {
		x.room("1")
	}
	flows := make([][]flow, len(scenarios))
	verdicts := make([]verdict, len(scenarios))
	for i, s := range scenarios {
		x.flows, x.skip, x.times = nil, "", s.times
		if testing.Short() || unkept {
			x.times = min(s.times, 3)
		}
		s.run(x)
		flows[i], verdicts[i].skip = x.flows, x.skip
	}
	if unkept {
		x.room("131072") // rustnet's own sockets have a last filter to come
	}
	probe(10)
	watcher.Process.Signal(os.Interrupt)
	<-ended
	if err := watcher.Wait(); err != nil {
		t.Fatalf("rustnet: %v: %s", err, &stderr)
	}

	type key struct {
		proto          string
		client, server netip.AddrPort
	}
	last := map[key][]said{} // in turn: ports are given out again
	for d := json.NewDecoder(&records); ; {
		var r said
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch r.Event {
		case "lost":
			t.Errorf("%s: rustnet lost %d of something: %s", mode, r.LostCount, &stderr)
		case "closed":
			local, remote := netip.AddrPortFrom(r.LocalAddr, r.LocalPort), netip.AddrPortFrom(r.RemoteAddr, r.RemotePort)
			one, other := key{r.Proto, local, remote}, key{r.Proto, remote, local}
			last[one] = append(last[one], r)
			r.PID, r.Process, r.PeerPID, r.PeerProcess = r.PeerPID, r.PeerProcess, r.PID, r.Process
			last[other] = append(last[other], r)
		}
	}
	for i, s := range scenarios {
		v := &verdicts[i]
		if v.skip != "" {
			t.Logf("%s: not here: %s", s.name, v.skip)
			continue
		}
		for _, f := range flows[i] {
			at := key{f.proto, f.client, f.server}
			if len(last[at]) == 0 {
				if mode != ModeAuto && f.proto == "udp" { // the wire does not show that one socket follows another
					v.missing += 2
					continue
				}
				t.Errorf("%s: %s: nothing was said of %+v", mode, s.name, f)
				continue
			}
			r := last[at][0]
			last[at] = last[at][1:]
			for _, end := range []struct{ got, want int }{{r.PID, f.pid}, {r.PeerPID, f.peer}} {
				switch {
				case end.want == 0:
				case end.want == max(end.got, 0) || end.want == nobody && end.got == 0:
					v.right++
				case end.got == 0:
					v.missing++
				default:
					v.wrong++
				}
			}
			if f.name != "" && r.PID == f.pid && r.Process != f.name {
				v.right--
				v.wrong++
			}
			if mode == ModeAuto && (f.pid > 0 && r.PID != f.pid || f.pid == nobody && r.PID != 0 || f.peer > 0 && r.PeerPID != f.peer || f.name != "" && r.Process != f.name) {
				t.Errorf("%s: got %+v, want %+v", s.name, r, f)
			}
		}
	}
	if t.Failed() {
		t.Logf("%s", &stderr)
	}
	return verdicts
}

func ownersInside(t *testing.T) {
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
	}{{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE}, {"proc", "/proc", "proc", 0}} {
		if err := unix.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			t.Fatalf("mount %s: %v", mount.target, err)
		}
	}
	if err := up("lo"); err != nil {
		t.Fatal(err)
	}
	// Ping sockets are for these groups, of this network namespace.
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0); err != nil {
		t.Fatal(err)
	}
	var with []verdict
	t.Run("eBPF", func(t *testing.T) { with = perform(t, ModeAuto, false) })
	for i, v := range with {
		t.Logf("owners: %s %s |", ownersRow(scenarios[i]), v)
	}
	t.Run("nothing kept", func(t *testing.T) { perform(t, ModeAuto, true) })
	if !*update || t.Failed() {
		checkTable(t)
		return
	}
	var without []verdict
	t.Run("procfs", func(t *testing.T) { without = perform(t, ModeProcFS, false) })
	if t.Failed() {
		return
	}
	old, err := os.ReadFile(ownersTable)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ownersTable, append(ownersText(with, without), behind(old)...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// up brings a network device up.
func up(name string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

const ownersTable = "../docs/owners.md"

func ownersRow(s scenario) string {
	about := s.name
	if s.about != "" {
		about += ": " + s.about
	}
	return "| " + about + " |"
}

func ownersText(with, without []verdict) []byte {
	var b bytes.Buffer
	var name unix.Utsname
	unix.Uname(&name)
	fmt.Fprintf(&b, `# Whose connection is it: with eBPF, and without

Real programs, each with another way of using connections, and how many ends of them had the right process in the connection's last record.
The other ends have no process, unless the cell says that they had a wrong one. Each client ends as soon as it has done its work, mostly
within milliseconds. Linux %s, %d processors.

Made by `+"`go test ./enrich -run TestOwners -update`"+`, as root. `+"`make test`"+` holds the column of eBPF: all, and none wrong.

| | eBPF | `+"`--process procfs`"+` |
|---|---|---|
`, unix.ByteSliceToString(name.Release[:]), runtime.NumCPU())
	for i, s := range scenarios {
		fmt.Fprintf(&b, "%s %s | %s |\n", ownersRow(s), with[i], without[i])
	}
	return b.Bytes()
}

// behind gives what the file has besides: what was seen under other kernels, which testdata/kernels.sh prints.
func behind(text []byte) []byte {
	if i := bytes.Index(text, []byte("\n## ")); i >= 0 {
		return text[i:]
	}
	return nil
}

// checkTable holds the table to the list of scenarios.
func checkTable(t *testing.T) {
	text, err := os.ReadFile(ownersTable)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		if !strings.Contains(string(text), "\n"+ownersRow(s)) {
			t.Errorf("docs/owners.md does not have %q: it is made with -update", s.name)
		}
	}
}
