package lifecycle

import (
	"net/netip"

	"rustnet/capture"
	"rustnet/capture/sockets"
)

// A connection that this machine's NAT changes passes in two forms: with the ends that its socket has, and with
// others. Its end is that of both.

// natSource is *sockets.NAT, or a test's.
type natSource interface {
	Drain(func(t *sockets.Translation, gone bool))
	Lost() uint64
	Close() error
}

// form is a connection's ends, seen from one of them.
type form struct {
	local, remote netip.AddrPort
	proto         uint8
}

// formsMax bounds the translations that are kept: beyond it only the form that the socket has is ended.
const formsMax = 1 << 17

// forms gives of each translated connection what it is called on the other side, for the socket that opened it and
// for the one that answers. They go with conntrack's entry, which outlives the socket.
type forms map[form]form

func (f forms) change(t *sockets.Translation, gone bool) (kept bool) {
	opener, answerer := form{t.From, t.To, t.Proto}, form{t.Dest, t.Source, t.Proto}
	if gone {
		delete(f, opener)
		delete(f, answerer)
		return true
	}
	if len(f) >= formsMax {
		return false
	}
	f[opener], f[answerer] = form{t.Source, t.Dest, t.Proto}, form{t.To, t.From, t.Proto}
	return true
}

// other gives the end of the connection's other form.
func (f forms) other(e *capture.End) (capture.End, bool) {
	remote := e.Remote
	if e.Proto == sockets.ICMP || e.Proto == sockets.ICMP6 { // a ping socket that is connected has the identifier at its own end
		remote = netip.AddrPortFrom(remote.Addr(), e.Local.Port())
	}
	at, ok := f[form{e.Local, remote, e.Proto}]
	if !ok {
		return capture.End{}, false
	}
	other := *e
	other.Local, other.Remote = at.local, at.remote
	other.Alone, other.V4Too, other.Foreign = false, false, false
	return other, true
}
