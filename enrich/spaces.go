package enrich

import (
	"net/netip"
	"time"

	"rustnet/track/event"
)

// scope says in which network namespaces a socket is looked for.
type scope uint8

const (
	here      scope = iota // ours: one of our addresses
	elsewhere              // another's, whose packets come to us over a veth or a bridge
	anywhere               // NAT has changed the address, which may have been either's
)

// space is a network namespace other than ours, with what addresses it has, as far as they are known: of
// its connected sockets, and of procfs. Without them nobody could tell whose a socket is that is bound to none.
type space struct {
	sockets int
	addrs   map[addr]struct{}
	tries   int // to read them from procfs
}

const (
	spaceAddrsMax = 256
	spacesMax     = 4096
	spaceTriesMax = 8 // at sockets of processes that were gone
	oursFor       = time.Second
)

// enter counts a socket into its namespace.
func (k *kernel) enter(s *sock) {
	if k.isHere(s) {
		return
	}
	sp := k.spaces[s.netns]
	if sp == nil {
		if len(k.spaces) >= spacesMax {
			k.blind++
			return // its sockets are found by both their ends only
		}
		sp = &space{addrs: map[addr]struct{}{}}
		k.spaces[s.netns] = sp
	}
	sp.sockets++
	s.space = sp
}

// leave is for the last socket too: the inode may become another namespace's.
func (k *kernel) leave(s *sock) {
	if s.space == nil {
		return
	}
	if s.space.sockets--; s.space.sockets == 0 {
		delete(k.spaces, s.netns)
		for a := range s.space.addrs {
			if k.far[a]--; k.far[a] == 0 {
				delete(k.far, a)
			}
		}
		if s.space.full() {
			k.blind--
		}
	}
	s.space = nil
}

// learn takes the addresses that a socket shows its namespace to have.
func (k *kernel) learn(s *sock) {
	sp := s.space
	if sp == nil {
		return
	}
	if !s.local.any() {
		k.extend(sp, s.local)
	}
	if sp.tries < spaceTriesMax && s.owner != nil {
		sp.tries++
		for _, a := range k.procs.addresses(s.owner.pid, s.owner.start) {
			k.extend(sp, addrOf(a))
			sp.tries = spaceTriesMax
		}
	}
}

// extend adds an address to another namespace's.
func (k *kernel) extend(sp *space, a addr) {
	if !sp.add(a) {
		return
	}
	k.far[a]++
	if sp.full() {
		k.blind++
	}
}

// add tells whether the address was not there yet, and is now.
func (sp *space) add(a addr) bool {
	if _, has := sp.addrs[a]; has || sp.full() || a.loopback() {
		return false
	}
	sp.addrs[a] = struct{}{}
	return true
}

func (sp *space) full() bool { return len(sp.addrs) >= spaceAddrsMax }

func (a addr) loopback() bool {
	return a.v4() && a.lo>>24&0xff == 127 || a.hi == 0 && a.lo == 1
}

// isHere tells whether a socket is in our namespace, or nobody knows.
func (k *kernel) isHere(s *sock) bool { return s.netns == k.netns || s.netns == 0 || k.netns == 0 }

// within tells whether a socket may have packets of that address.
func (k *kernel) within(s *sock, in scope, local addr) bool {
	if k.isHere(s) {
		return in == here || in == anywhere && k.isOurs(local)
	}
	if in == here || s.space == nil {
		return false
	}
	_, has := s.space.addrs[local]
	return has
}

// isOurs tells our own addresses. Those that come later are read when they are asked for.
func (k *kernel) isOurs(a addr) bool {
	if a.loopback() {
		return true
	}
	if _, has := k.ours.addrs[a]; has {
		return true
	}
	if k.at.Sub(k.oursRead) < oursFor {
		return false
	}
	k.oursRead = k.at
	clear(k.ours.addrs)
	for _, a := range k.procs.addresses(0, 0) {
		k.ours.add(addrOf(a))
	}
	_, has := k.ours.addrs[a]
	return has
}

// inSpace tells whether an address is one of another namespace's.
func (k *kernel) inSpace(a netip.Addr) bool { return k.far[addrOf(a)] > 0 }

// passes tells of a connection that is neither from us nor to us that it is not another namespace's of this machine
// either, as those that a router forwards and a mirror shows: no socket that is known has an end of it.
func (k *kernel) passes(e *event.Event) bool {
	return k.blind == 0 && !k.inSpace(e.Local.Addr()) && !k.inSpace(e.Remote.Addr())
}
