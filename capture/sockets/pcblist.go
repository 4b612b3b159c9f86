package sockets

import (
	"encoding/binary"
	"net/netip"
)

// What macOS and the BSDs say of their sockets, as they hand it over. It stands here, and not in files of each, so that it is tested
// everywhere.

// tcpFSM are ours of TCPS_ (netinet/tcp_fsm.h), which all of them have from BSD.
var tcpFSM = [...]uint8{Close, Listen, SynSent, SynRecv, Established, CloseWait, FinWait1, Closing, LastAck, FinWait2, TimeWait}

func (s *Socket) setTCPS(state uint32) {
	if int(state) < len(tcpFSM) {
		s.State = tcpFSM[state]
	}
}

// scoped takes the index of an interface out of a link-local address, within which these kernels keep it.
func scoped(a netip.Addr) (netip.Addr, uint32) {
	if !a.Is6() || !a.IsLinkLocalUnicast() {
		return a, 0
	}
	b := a.As16()
	iface := uint32(b[2])<<8 | uint32(b[3])
	b[2], b[3] = 0, 0
	return netip.AddrFrom16(b), iface
}

// setEnds takes the ends as the kernel has them.
func (s *Socket) setEnds(local, remote netip.Addr, localPort, remotePort uint16) {
	var iface uint32
	if local, iface = scoped(local); iface != 0 {
		s.Iface = iface
	}
	if remote, iface = scoped(remote); iface != 0 {
		s.Iface = iface
	}
	s.Local, s.Remote = netip.AddrPortFrom(local, localPort), netip.AddrPortFrom(remote, remotePort)
}

// inpcbAt is where a record has what is asked for, of macOS' xinpcb_n, which are packed to four bytes, or of FreeBSD's xinpcb.
type inpcbAt struct{ remotePort, localPort, generation, version, remote, local int }

// Of inp_vflag. A socket that takes both has both.
const inpIPv4, inpIPv6 = 1, 2

// socket is what a record says of one; r reaches to the last of them.
func (at *inpcbAt) socket(r []byte, proto uint8) Socket {
	s := Socket{Proto: proto, State: Close, Cookie: binary.NativeEndian.Uint64(r[at.generation:])}
	version := r[at.version]
	addr := func(at int) netip.Addr {
		if version&inpIPv6 == 0 {
			return netip.AddrFrom4([4]byte(r[at+12:])) // in_addr_4in6
		}
		return netip.AddrFrom16([16]byte(r[at:])).Unmap()
	}
	s.setEnds(addr(at.local), addr(at.remote), binary.BigEndian.Uint16(r[at.localPort:]), binary.BigEndian.Uint16(r[at.remotePort:]))
	s.V6Only = version&inpIPv4 == 0 && s.Local.Addr() == netip.IPv6Unspecified()
	return s
}

// Of a list as macOS gives it for net.inet.tcp.pcblist_n and net.inet.udp.pcblist_n (bsd/netinet/in_pcblist.c of XNU): a generation
// (xinpgen), then of each socket some records that begin with their length and kind, aligned to eight bytes; and a generation again, by
// which one knows that it is whole.
const (
	pcbSocket = 0x001 // xsocket_n, of bsd/sys/socketvar.h
	pcbINP    = 0x010 // xinpcb_n, of bsd/netinet/in_pcb.h
	pcbTCP    = 0x020 // xtcpcb_n, of bsd/netinet/tcp_var.h

	pcbGeneration = 24 // how long a xinpgen is; no record is as short

	socketUID, socketPID = 64, 68
	tcpState             = 36
)

var xnuAt = inpcbAt{remotePort: 16, localPort: 18, generation: 28, version: 44, remote: 48, local: 64}

// eachPCB calls put for the sockets of a list of macOS, and tells whether it was whole.
func eachPCB(b []byte, proto uint8, put func(Socket)) (whole bool) {
	ne := binary.NativeEndian
	if len(b) < pcbGeneration {
		return len(b) == 0 // there is none
	}
	next := func(n int) bool {
		n = (n + 7) &^ 7
		if n <= 0 || n > len(b) {
			return false
		}
		b = b[n:]
		return true
	}
	if !next(int(ne.Uint32(b))) {
		return false
	}
	want := pcbINP | pcbSocket
	if proto == TCP {
		want |= pcbTCP
	}
	var s Socket
	for have := 0; len(b) >= pcbGeneration; {
		n, kind := int(ne.Uint32(b)), int(ne.Uint32(b[4:]))
		if n <= pcbGeneration {
			return n == pcbGeneration && have == 0
		}
		if n > len(b) {
			return false
		}
		switch r := b[:n]; {
		case kind == pcbINP && n >= xnuAt.local+16:
			s, have = xnuAt.socket(r, proto), 0
		case kind == pcbSocket && n >= socketPID+4:
			s.UID, s.Inode = ne.Uint32(r[socketUID:]), ne.Uint32(r[socketPID:])
		case kind == pcbTCP && n >= tcpState+4:
			s.setTCPS(ne.Uint32(r[tcpState:]))
		}
		if have |= kind & want; have == want {
			put(s)
			have = 0
		}
		if !next(n) {
			return false
		}
	}
	return false
}

// Of FreeBSD since 12, on processors of 64 bits: net.inet.tcp.pcblist and net.inet.udp.pcblist are a xinpgen, of each socket a xtcpcb,
// which begins with its length and a xinpcb, or a xinpcb alone (sys/netinet/in_pcb.h and tcp_var.h), and a xinpgen again; kern.file
// is a xfile of each descriptor of each process (sys/sys/file.h). All begin with their own length, of eight bytes.
var (
	freebsdAt = inpcbAt{remotePort: 252, localPort: 254, generation: 296, version: 392, remote: 256, local: 272}
	xinpcb    = struct{ size, so, uid int }{400, 16, 128}
	xtcpcb    = struct{ size, inp, state int }{744, 8, 568}
	xfile     = struct{ size, pid, kind, data int }{128, 8, 32, 56}
)

const (
	xinpgen    = 64 // how long it is; no record is as short
	typeSocket = 2  // DTYPE_SOCKET, of all three BSDs
)

// eachXinpcb calls put for the sockets of a list of FreeBSD, with where in the kernel each is, 0 = nowhere any more; and tells
// whether the list was whole.
func eachXinpcb(b []byte, proto uint8, put func(s Socket, so uint64)) (whole bool) {
	ne := binary.NativeEndian
	if len(b) < xinpgen || ne.Uint64(b) != xinpgen {
		return len(b) == 0
	}
	for b = b[xinpgen:]; len(b) >= xinpgen; {
		n := ne.Uint64(b)
		if n <= xinpgen || n > uint64(len(b)) {
			return n == xinpgen
		}
		r, state := b[:n], uint32(0)
		if b = b[n:]; proto == TCP {
			if len(r) < xtcpcb.size {
				return false
			}
			r, state = r[xtcpcb.inp:], ne.Uint32(r[xtcpcb.state:])
		}
		if len(r) < xinpcb.size {
			return false
		}
		s := freebsdAt.socket(r, proto)
		s.UID = ne.Uint32(r[xinpcb.uid:])
		s.setTCPS(state)
		put(s, ne.Uint64(r[xinpcb.so:]))
	}
	return false
}

// holders are the processes that have sockets, by where in the kernel these are. Descriptors are listed from those of the newest
// process to those of the oldest, so that of several that have one from each other it is the one that had it first.
type holders map[uint64]uint32

// withHolders calls put for the sockets that each lists, with the processes that hold them. What is at one place in the kernel may be closed and another
// socket come there while the lists are read: a process has the socket that is there before and afterwards.
func withHolders(put func(Socket), each func(func(Socket, uint64)) error, who func() (holders, error)) error {
	before := map[uint64]Socket{}
	if err := each(func(s Socket, so uint64) { before[so] = s }); err != nil {
		return err
	}
	by, err := who()
	if err != nil {
		return err
	}
	return each(func(s Socket, so uint64) {
		if b := before[so]; so != 0 && b.Cookie == s.Cookie && b.Local == s.Local && b.Remote == s.Remote {
			s.Inode = by[so]
		}
		put(s)
	})
}

// xfileHolders reads kern.file of FreeBSD.
func xfileHolders(b []byte) holders {
	ne, all := binary.NativeEndian, holders{}
	for len(b) >= xfile.size {
		n := ne.Uint64(b)
		if n < uint64(xfile.size) || n > uint64(len(b)) {
			break
		}
		if so := ne.Uint64(b[xfile.data:]); so != 0 && ne.Uint16(b[xfile.kind:]) == typeSocket {
			all[so] = ne.Uint32(b[xfile.pid:])
		}
		b = b[n:]
	}
	return all
}

// Of NetBSD: net.inet.tcp.pcblist and its like are a kinfo_pcb of each socket (sys/sys/socket.h), kern.file2 a kinfo_file of each
// descriptor of each process (sys/sys/sysctl.h).
var (
	kinfoPCB    = struct{ size, so, state, local, remote int }{640, 16, 48, 72, 336}
	netbsdFile  = struct{ size, kind, data, pid int }{120, 16, 64, 104}
	netbsdFlags = struct{ at, v6Only int }{36, 0x8000} // ki_pflags; IN6P_IPV6_V6ONLY
)

// Of the two that have a field for it.
const afINET, afINET6 = 2, 24

// eachKinfoPCB calls put for the sockets of a list of NetBSD, with where in the kernel each is, 0 = that is not told.
func eachKinfoPCB(b []byte, proto uint8, put func(s Socket, so uint64)) {
	ne := binary.NativeEndian
	// A sockaddr_in or sockaddr_in6 begins with its length, family and port.
	addr := func(sa []byte) (netip.Addr, uint16, bool) {
		port := binary.BigEndian.Uint16(sa[2:])
		switch sa[1] {
		case afINET:
			return netip.AddrFrom4([4]byte(sa[4:])), port, true
		case afINET6:
			return netip.AddrFrom16([16]byte(sa[8:])).Unmap(), port, true
		}
		return netip.Addr{}, 0, false
	}
	for ; len(b) >= kinfoPCB.size; b = b[kinfoPCB.size:] {
		s := Socket{Proto: proto, State: Close}
		local, localPort, ok := addr(b[kinfoPCB.local:])
		remote, remotePort, ok2 := addr(b[kinfoPCB.remote:])
		if !ok || !ok2 {
			continue
		}
		s.setEnds(local, remote, localPort, remotePort)
		if proto == TCP {
			s.setTCPS(ne.Uint32(b[kinfoPCB.state:]))
		}
		s.V6Only = local == netip.IPv6Unspecified() && ne.Uint32(b[netbsdFlags.at:])&uint32(netbsdFlags.v6Only) != 0
		put(s, ne.Uint64(b[kinfoPCB.so:]))
	}
}

// kinfoHolders reads kern.file2 of NetBSD.
func kinfoHolders(b []byte) holders {
	ne, all := binary.NativeEndian, holders{}
	for ; len(b) >= netbsdFile.size; b = b[netbsdFile.size:] {
		if so := ne.Uint64(b[netbsdFile.data:]); so != 0 && ne.Uint32(b[netbsdFile.kind:]) == typeSocket {
			all[so] = ne.Uint32(b[netbsdFile.pid:])
		}
	}
	return all
}

// Of OpenBSD, on processors of 64 bits: kern.file is a kinfo_file of each descriptor of each process (sys/sys/sysctl.h). Its beginning
// is asked for, up to the last field that is needed.
var openbsdFile = struct {
	size, kind, uid, data, socket, protocol, family, localPort, local, remotePort, remote, pid, state int
}{600, 16, 40, 64, 272, 288, 292, 304, 308, 324, 328, 376, 596}

// Of so_type.
const sockStream, sockDgram = 1, 2

// eachKinfoFile calls put for the sockets of a list of OpenBSD, each once. Where in the kernel a socket is is told to root alone: without
// it, those without another end that several processes have stand there once for each.
func eachKinfoFile(b []byte, proto uint8, put func(Socket)) {
	type key struct {
		data          uint64
		local, remote netip.AddrPort
	}
	ne := binary.NativeEndian
	at, kind := map[key]int{}, uint32(sockStream)
	if proto == UDP {
		kind = sockDgram
	}
	var all []Socket
	for f := openbsdFile; len(b) >= f.size; b = b[f.size:] {
		family := ne.Uint32(b[f.family:])
		if ne.Uint32(b[f.kind:]) != typeSocket || ne.Uint32(b[f.socket:]) != kind || family != afINET && family != afINET6 || ne.Uint32(b[f.protocol:]) != uint32(proto) {
			continue
		}
		s := Socket{Proto: proto, State: Close, UID: ne.Uint32(b[f.uid:]), Inode: ne.Uint32(b[f.pid:])}
		addr := func(at int) netip.Addr {
			if family == afINET {
				return netip.AddrFrom4([4]byte(b[at:]))
			}
			return netip.AddrFrom16([16]byte(b[at:]))
		}
		// The fields have 32 bits, of which a port in network order is the first two as they lie in memory, or the last.
		port := func(at int) uint16 {
			var p [2]byte
			ne.PutUint16(p[:], uint16(ne.Uint32(b[at:])))
			return binary.BigEndian.Uint16(p[:])
		}
		s.setEnds(addr(f.local), addr(f.remote), port(f.localPort), port(f.remotePort))
		if proto == TCP {
			s.setTCPS(ne.Uint32(b[f.state:]))
		}
		s.V6Only = s.Local.Addr() == netip.IPv6Unspecified() // as all are there
		k := key{data: ne.Uint64(b[f.data:])}
		if k.data == 0 {
			k.local, k.remote = s.Local, s.Remote
		}
		if i, known := at[k]; known && (k.data != 0 || s.Connected()) {
			all[i].Inode = s.Inode
			continue
		}
		at[k] = len(all)
		all = append(all, s)
	}
	for _, s := range all {
		put(s)
	}
}
