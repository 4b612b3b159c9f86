package enrich

import (
	"net/netip"
	"time"

	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// A connection through NAT has other ends where its packets are seen than its sockets have: the one that
// opened it knows where it sends to, the other one where packets come from, and each of the two forms is on
// the wire somewhere. Masquerading changes the first end, publishing a container's port the second.

// natSource is the kernel's conntrack; tests have their own.
type natSource interface {
	Drain(func(t *sockets.Translation, gone bool))
	Lost() uint64
	Close() error
}

// translation is one connection of conntrack.
type translation struct {
	opener   tuple     // as the socket that opened it has it
	answerer tuple     // as the other one has it: the other way round
	gone     time.Time // not zero: conntrack has forgotten it
}

// translations holds them by both forms. They stay a while after they are gone, like sockets.
type translations struct {
	natSource
	now  func() time.Time
	of   map[tuple]*translation
	all  []*translation // in order of arrival
	past []*translation // gone, in that order
	lost uint64
}

const natMax = 1 << 16

func newTranslations(now func() time.Time) *translations {
	return &translations{now: now, of: map[tuple]*translation{}}
}

func tupleOf(proto uint16, local, remote netip.AddrPort) tuple {
	return tuple{addrOf(local.Addr()), addrOf(remote.Addr()), proto, local.Port(), remote.Port()}
}

// add is for those that are there at the start.
func (n *translations) add(t *sockets.Translation) { n.change(t, false) }

func (n *translations) change(t *sockets.Translation, gone bool) {
	opener := tupleOf(uint16(t.Proto), t.From, t.To)
	old := n.of[opener]
	if gone {
		if old != nil && old.opener == opener && old.gone.IsZero() {
			old.gone = n.now()
			n.past = append(n.past, old)
		}
		return
	}
	tr := &translation{opener: opener, answerer: tupleOf(uint16(t.Proto), t.Dest, t.Source)}
	if old != nil && old.opener == opener && old.answerer == tr.answerer && old.gone.IsZero() {
		return
	}
	if len(n.all) >= natMax {
		n.drop(n.all[0])
		n.all = n.all[1:]
	}
	n.all = append(n.all, tr)
	n.of[opener], n.of[tr.answerer.reversed()] = tr, tr
}

func (n *translations) drop(t *translation) {
	for _, at := range [2]tuple{t.opener, t.answerer.reversed()} {
		if n.of[at] == t {
			delete(n.of, at)
		}
	}
}

// drain takes what the kernel has told since the last time.
func (n *translations) drain() {
	if n.natSource == nil {
		return
	}
	n.Drain(n.change)
	now := n.now()
	for len(n.past) > 0 && now.Sub(n.past[0].gone) > graceFor {
		n.drop(n.past[0])
		n.past[0] = nil
		n.past = n.past[1:]
	}
	for len(n.all) > 0 && !n.all[0].gone.IsZero() && now.Sub(n.all[0].gone) > graceFor {
		n.all[0] = nil
		n.all = n.all[1:]
	}
}

// losses gives what was lost since the last time.
func (n *translations) losses() uint64 {
	if n.natSource == nil {
		return 0
	}
	was := n.lost
	n.lost = n.Lost()
	return n.lost - was
}

// find gives the translation of a connection, and whether its local end opened it. nil = it has none.
func (n *translations) find(e *event.Event) (t *translation, opened bool) {
	if len(n.of) == 0 || !hasPorts(e.Proto) && !isEcho(e) || !e.Local.IsValid() || !e.Remote.IsValid() {
		return nil, false
	}
	at := tupleFrom(e)
	if t, opened = n.of[at], true; t == nil {
		t, opened = n.of[at.reversed()], false
	}
	if t == nil || !t.gone.IsZero() && e.Start > t.gone.UnixNano()+slack {
		return nil, false // the ports are others' by now
	}
	return t, opened
}

// isEcho tells the ICMP that conntrack has by its identifier, and that a program asked for.
func isEcho(e *event.Event) bool {
	return (e.Proto == protoICMP && e.ICMPType == 8 || e.Proto == protoICMP6 && e.ICMPType == 128) && e.HasICMP
}

// tupleFrom has the identifier of an echo in the place of both ports.
func tupleFrom(e *event.Event) tuple {
	t := tupleOf(e.Proto, e.Local, e.Remote)
	if !hasPorts(e.Proto) {
		t.lport, t.rport = e.EchoID, e.EchoID
	}
	return t
}

func (t tuple) reversed() tuple { return tuple{t.remote, t.local, t.proto, t.rport, t.lport} }

// otherForm gives the ends as they are on the other side of the translation, invalid where they are
// the same.
func (t *translation) otherForm(e *event.Event, opened bool) *event.NAT {
	seen, other := tupleFrom(e), t.opener
	if !opened {
		other = other.reversed()
	}
	if seen == other {
		if other = t.answerer; opened {
			other = other.reversed()
		}
	}
	if !hasPorts(e.Proto) { // another identifier is no other end
		seen.lport, seen.rport, other.lport, other.rport = 0, 0, 0, 0
	}
	form := &event.NAT{}
	if seen.local != other.local || seen.lport != other.lport {
		form.Local = other.local.port(other.lport)
	}
	if seen.remote != other.remote || seen.rport != other.rport {
		form.Remote = other.remote.port(other.rport)
	}
	return form
}
