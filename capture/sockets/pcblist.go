package sockets

import (
	"encoding/binary"
	"net/netip"
)

// Of a list as macOS gives it for net.inet.tcp.pcblist_n and net.inet.udp.pcblist_n (bsd/netinet/in_pcblist.c of XNU): a generation
// (xinpgen), then of each socket some records that begin with their length and kind, aligned to eight bytes; and a generation again, by
// which one knows that it is whole.
const (
	pcbSocket = 0x001 // xsocket_n, of bsd/sys/socketvar.h
	pcbINP    = 0x010 // xinpcb_n, of bsd/netinet/in_pcb.h
	pcbTCP    = 0x020 // xtcpcb_n, of bsd/netinet/tcp_var.h

	pcbGeneration = 24 // how long a xinpgen is; no record is as short

	// Where these have what is asked for. They are packed to four bytes.
	inpRemotePort, inpLocalPort, inpGeneration, inpVersion, inpRemote, inpLocal = 16, 18, 28, 44, 48, 64
	socketUID, socketPID                                                        = 64, 68
	tcpState                                                                    = 36

	inpIPv4, inpIPv6 = 1, 2 // of inpVersion
)

// pcbStates are ours of TCPS_ (bsd/netinet/tcp_fsm.h).
var pcbStates = [...]uint8{Close, Listen, SynSent, SynRecv, Established, CloseWait, FinWait1, Closing, LastAck, FinWait2, TimeWait}

// eachPCB calls put for the sockets of a list, and tells whether it was whole.
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
		case kind == pcbINP && n >= inpLocal+16:
			s, have = pcbEnds(r, proto), 0
		case kind == pcbSocket && n >= socketPID+4:
			s.UID, s.Inode = ne.Uint32(r[socketUID:]), ne.Uint32(r[socketPID:])
		case kind == pcbTCP && n >= tcpState+4:
			if i := ne.Uint32(r[tcpState:]); int(i) < len(pcbStates) {
				s.State = pcbStates[i]
			}
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

// pcbEnds is what a xinpcb_n says of a socket.
func pcbEnds(r []byte, proto uint8) Socket {
	s := Socket{Proto: proto, State: Close, Cookie: binary.NativeEndian.Uint64(r[inpGeneration:])}
	version := r[inpVersion]
	end := func(at, port int) netip.AddrPort {
		a := netip.AddrFrom16([16]byte(r[at:])).Unmap()
		if version&inpIPv6 == 0 {
			a = netip.AddrFrom4([4]byte(r[at+12:]))
		}
		if a.IsLinkLocalUnicast() && a.Is6() { // the kernel keeps the interface's index within
			b := a.As16()
			s.Iface = uint32(b[2])<<8 | uint32(b[3])
			b[2], b[3] = 0, 0
			a = netip.AddrFrom16(b)
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(r[port:]))
	}
	s.Local, s.Remote = end(inpLocal, inpLocalPort), end(inpRemote, inpRemotePort)
	s.V6Only = version&inpIPv4 == 0 && s.Local.Addr() == netip.IPv6Unspecified()
	return s
}
