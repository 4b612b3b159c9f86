package enrich

import (
	"errors"
	"net/netip"
	"time"

	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// Protocols by which the search differs.
const (
	protoICMP  = uint16(sockets.ICMP)
	protoIGMP  = 2
	protoTCP   = uint16(sockets.TCP)
	protoUDP   = uint16(sockets.UDP)
	protoICMP6 = uint16(sockets.ICMP6)
	protoSCTP  = uint16(sockets.SCTP)
	protoLite  = uint16(sockets.UDPLite)
)

const (
	candidatesMax = 8
	// Tables without a lookup of their own are read whole, and used for so long.
	listFor  = 20 * time.Millisecond
	ifaceFor = time.Second
)

// finder is what is asked of the kernel's tables.
type finder interface {
	Get(proto uint8, local, remote netip.AddrPort, iface uint32) (sockets.Socket, error)
	Dump(dst []sockets.Socket, protos ...uint8) ([]sockets.Socket, error)
	IfIndex(name string) uint32
}

// socketFinder finds the sockets of a connection's ends.
type socketFinder struct {
	table table
	netns uint32 // ours
	now   func() time.Time
	lists [256]list

	ifaces map[string]uint32
	asked  time.Time
}

type list struct {
	sockets []sockets.Socket
	read    time.Time
}

// find puts the sockets that the end may have into found. More than one means that the kernel's
// tables do not tell which it is. source says what their owner is to the connection.
func (f *socketFinder) find(found []sockets.Socket, e *event.Event, remote bool) (n int, source string) {
	local, other := e.Local, e.Remote
	if remote {
		local, other = other, local
	}
	if e.Sockets != nil {
		ref := e.Sockets[0]
		if remote {
			ref = e.Sockets[1]
		}
		if ref.Inode != 0 {
			found[0] = sockets.Socket{Proto: uint8(e.Proto), Local: local, Remote: other, Inode: ref.Inode, UID: ref.UID, Cookie: ref.Cookie}
			return 1, sourceProcFS
		}
		if e.NetNS != 0 && e.NetNS != f.netns {
			return 0, "" // our tables do not have it
		}
	}
	switch e.Proto {
	case protoTCP:
		// The end that was connected to; its socket is its own only after accept.
		return f.tcp(found, e, local, other, e.Direction == event.In || remote)
	case protoSCTP:
		s, ok := f.get(uint8(e.Proto), local, other, e.Iface)
		found[0] = s
		return one(ok), sourceProcFS
	case protoUDP, protoLite:
		return f.udp(found, e, local, other), sourceProcFS
	}
	if remote {
		return 0, "" // what answers there is the kernel
	}
	return f.raw(found, e, local.Addr(), other.Addr()), sourceProcFS
}

func one(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func (f *socketFinder) tcp(found []sockets.Socket, e *event.Event, local, other netip.AddrPort, served bool) (int, string) {
	s, ok := f.get(sockets.TCP, local, other, e.Iface)
	switch {
	case !ok:
		return 0, ""
	case s.State != sockets.Listen && s.Inode != 0:
		found[0] = s
		return 1, sourceProcFS
	case !served:
		return 0, "" // its process has let go of it, or it is gone and somebody else listens there
	case s.State != sockets.Listen:
		none := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		if local.Addr().Is6() {
			none = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
		if s, ok = f.get(sockets.TCP, local, none, e.Iface); !ok || s.State != sockets.Listen {
			return 0, ""
		}
	}
	found[0] = s
	return 1, sourceListener
}

// udp finds the socket that would take a packet from the other end. Packets to a group are given
// to every socket bound to the port, and any of those may have sent one.
func (f *socketFinder) udp(found []sockets.Socket, e *event.Event, local, other netip.AddrPort) int {
	if !group(local.Addr()) && !group(other.Addr()) {
		s, ok := f.get(uint8(e.Proto), local, other, e.Iface)
		found[0] = s
		return one(ok)
	}
	return choose(found, f.list(uint8(e.Proto)), func(s *sockets.Socket) int {
		if s.Local.Port() != local.Port() {
			return 0
		}
		return fit(s, local.Addr(), other.Addr(), s.Connected() && s.Remote.Port() != other.Port())
	})
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func group(a netip.Addr) bool { return a.IsMulticast() || a == broadcast }

// raw finds a connection without ports among the raw and ping sockets of its protocol. Most such
// packets are the kernel's own: of ICMP only what programs send is looked for, and IGMP not at all.
func (f *socketFinder) raw(found []sockets.Socket, e *event.Event, local, other netip.Addr) int {
	match := func(s *sockets.Socket) int {
		if uint16(s.Proto) != e.Proto {
			return 0
		}
		return fit(s, local, other, false)
	}
	switch {
	case e.Proto > 255 || e.Proto == protoIGMP:
		return 0
	case e.Proto == protoICMP || e.Proto == protoICMP6:
		if e.Direction == event.In || !e.HasICMP || !asks(e.Proto, e.ICMPType) {
			return 0
		}
		n := choose(found, f.list(uint8(e.Proto)), func(s *sockets.Socket) int {
			if isEcho(e) && s.Local.Port() != e.EchoID { // a ping socket has it in the port's place
				return 0
			}
			return match(s)
		})
		return n + choose(found[n:], f.list(sockets.Raw), match)
	}
	return choose(found, f.list(sockets.Raw), match)
}

// asks tells the ICMP messages that only programs send: echo, timestamp and mask requests.
func asks(proto uint16, kind uint8) bool {
	if proto == protoICMP6 {
		return kind == 128
	}
	return kind == 8 || kind == 13 || kind == 17
}

// fit says how well a socket fits two addresses, 0 = not at all.
func fit(s *sockets.Socket, local, other netip.Addr, otherPort bool) int {
	score := 1
	switch a := s.Local.Addr(); {
	case a == local:
		score++
	case !a.IsUnspecified() || a.Is4() != local.Is4() && (a.Is4() || s.V6Only):
		return 0
	}
	switch a := s.Remote.Addr(); {
	case a == other && !otherPort:
		score += 2
	case !a.IsUnspecified() || otherPort:
		return 0
	}
	return score
}

// choose takes the sockets that fit best. When there are more than found holds it takes none: the
// owner would not be clear.
func choose(found, all []sockets.Socket, score func(*sockets.Socket) int) (n int) {
	best := 1
	for i := range all {
		switch v := score(&all[i]); {
		case v < best:
			continue
		case v > best:
			best, n = v, 0
		}
		if n < len(found) {
			found[n] = all[i]
		}
		n++
	}
	if n > len(found) {
		return 0
	}
	return n
}

// get asks for one socket, for one bound to the interface as well.
func (f *socketFinder) get(proto uint8, local, other netip.AddrPort, iface string) (sockets.Socket, bool) {
	s, err := f.table.Get(proto, local, other, 0)
	if errors.Is(err, sockets.ErrNotFound) && iface != "" {
		if index := f.ifIndex(iface); index != 0 {
			s, err = f.table.Get(proto, local, other, index)
		}
	}
	return s, err == nil
}

// ifIndex remembers an interface's index for a while: names may be given anew.
func (f *socketFinder) ifIndex(name string) uint32 {
	now := f.now()
	if f.ifaces == nil || now.Sub(f.asked) >= ifaceFor {
		f.ifaces, f.asked = map[string]uint32{}, now
	}
	index, ok := f.ifaces[name]
	if !ok {
		index = f.table.IfIndex(name)
		f.ifaces[name] = index
	}
	return index
}

func (f *socketFinder) list(proto uint8) []sockets.Socket {
	l := &f.lists[proto]
	if now := f.now(); l.read.IsZero() || now.Sub(l.read) >= listFor {
		// What could be read of an incomplete table may miss the very socket; none is better.
		var err error
		if l.sockets, err = f.table.Dump(l.sockets[:0], proto); err != nil {
			l.sockets = l.sockets[:0]
		}
		l.read = now
	}
	return l.sockets
}
