// Package lifecycle tells when sockets of this machine come to their end, as the kernel says it: beside the
// packets, which do not show when a process lets go of a socket, when the kernel gives up, or what was not captured.
package lifecycle

import (
	"net/netip"
	"time"

	"rustnet/bpf"
	"rustnet/capture"
	"rustnet/capture/sockets"
)

// Source is where the ends come from. It belongs to one goroutine.
type Source struct {
	hooks hooks
	table table     // nil = there is none
	nat   natSource // nil = there is none
	forms forms
	own   uint32
	now   func() time.Time
	out   []capture.End

	// Of sockets whose port others may have as well, it is the table that tells whether they do.
	asking []asked
	found  []sockets.Socket
	next   time.Time // when it may be asked again
	lost   uint64    // told so far
	passed uint64    // ends and translations that there was no room for
	heard  time.Time // when nat was asked last
}

// asked is an end that waits for the table.
type asked struct {
	capture.End
	cookie uint64
}

// hooks is *bpf.Ends, or a test's.
type hooks interface {
	Drain(func(*bpf.EndEvent))
	Wake()
	FD() int
	Lost() uint64
	Report() []bpf.Hook
	Close() error
}

// table is *sockets.Conn, or a test's.
type table interface {
	Dump(dst []sockets.Socket, protos ...uint8) ([]sockets.Socket, error)
	Close() error
}

const (
	// sentNS is how much later than the end what the socket sent before it, or because of it, may pass.
	sentNS = 1_000_000
	// The table is read so seldom that reading it takes at most a twentieth of the time, but when it is huge.
	askShare  = 20
	askWait   = 2 * time.Second
	askingMax = 4096
	// natEvery is how long translations may wait in their queue while no socket ends.
	natEvery = 50 * time.Millisecond
)

// Config is for tests and unusual systems; the zero value is right for others.
type Config = bpf.Config

// Open begins to listen. It needs what loading programs into the kernel needs, Read does not.
func Open(cfg Config) (*Source, error) {
	hooks, err := bpf.OpenEnds(cfg)
	if err != nil {
		return nil, err
	}
	s := &Source{hooks: hooks, own: sockets.OwnNetNS(), now: time.Now, forms: forms{}}
	if nat, err := sockets.OpenNAT(func(t *sockets.Translation) { s.translate(t, false) }); err == nil {
		s.nat = nat
	}
	if conn, err := sockets.Open(); err == nil {
		s.table = conn
		conn.Dump(nil, sockets.UDP, sockets.UDPLite) // the first time the kernel may have to load a module for it
	}
	return s, nil
}

// Report says what became of each of the kernel's programs.
func (s *Source) Report() []bpf.Hook { return s.hooks.Report() }

// FD is for poll(2): readable when there is something to read that followed on Wake.
func (s *Source) FD() int { return s.hooks.FD() }

// Wake asks to be woken by what comes next. It is for right before the last Read before sleeping.
func (s *Source) Wake() { s.hooks.Wake() }

// Lost counts the ends that did not get through since it was asked last.
func (s *Source) Lost() uint64 {
	n := s.hooks.Lost() + s.passed
	if s.nat != nil {
		n += s.nat.Lost()
	}
	n, s.lost = n-s.lost, n
	return n
}

// Close ends it.
func (s *Source) Close() error {
	if s.table != nil {
		s.table.Close()
	}
	if s.nat != nil {
		s.nat.Close()
	}
	return s.hooks.Close()
}

// Read appends the ends that were told since the last time.
func (s *Source) Read(dst []capture.End) []capture.End {
	s.out = dst
	s.hooks.Drain(s.take)
	s.ask()
	s.translateAll(len(dst))
	dst, s.out = s.out, nil
	return dst
}

// translateAll adds the other forms of the ends from first on.
func (s *Source) translateAll(first int) {
	if s.nat == nil {
		return
	}
	n := len(s.out)
	if now := s.now(); n > first || now.Sub(s.heard) >= natEvery {
		s.heard = now
		s.nat.Drain(s.translate)
	}
	for i := first; i < n && len(s.forms) > 0; i++ {
		if other, ok := s.forms.other(&s.out[i]); ok {
			s.out = append(s.out, other)
		}
	}
}

func (s *Source) translate(t *sockets.Translation, gone bool) {
	if !s.forms.change(t, gone) {
		s.passed++
	}
}

func (s *Source) take(e *bpf.EndEvent) {
	end := capture.End{TS: e.TS, Due: e.TS, Proto: e.Proto,
		Local:   netip.AddrPortFrom(addrOf(e.Family, &e.Local), e.LocalPort),
		Remote:  netip.AddrPortFrom(addrOf(e.Family, &e.Remote), e.RemotePort),
		Foreign: s.own != 0 && e.NetNS != 0 && e.NetNS != s.own,
		V4Too:   e.Family != ipv4 && e.Local == [16]byte{} && e.Flags&bpf.V6Only == 0,
	}
	if e.Proto == tcp {
		end.How, end.TimeWait = how(e.From, e.Errno, e.Flags&bpf.GotFIN != 0, e.Flags&bpf.Orphaned != 0)
		if end.TimeWait || end.How == capture.HowRst && e.Errno == 0 { // its last ACK, or its reset
			end.Due += sentNS
		}
		end.TCP = capture.TCPInfo{Sent: e.Sent, Received: e.Received, Retransmits: e.Retransmits}
		if e.Flags&bpf.GotFIN != 0 && end.TCP.Received > 0 {
			end.TCP.Received--
		}
		if e.RTTMicros != 1<<32-1 {
			end.TCP.RTTMicros = e.RTTMicros
		}
		s.out = append(s.out, end)
		return
	}
	end.How, end.Due = capture.HowGone, end.Due+sentNS
	switch shared := e.Flags&bpf.Shared != 0; {
	case !shared:
		end.Alone = true
	case e.RemotePort != 0: // what its one remote end sent was its own
	case end.Foreign || s.table == nil:
		return // nobody knows who else has the port: what went over it ends with silence
	case len(s.asking) >= askingMax:
		s.passed++
		return
	default:
		s.asking = append(s.asking, asked{end, e.Cookie})
		return
	}
	s.out = append(s.out, end)
}

// ask looks whether the ports of sockets that shared them are others' still.
func (s *Source) ask() {
	if len(s.asking) == 0 || s.now().Before(s.next) {
		return
	}
	begun := s.now()
	var err error
	s.found, err = s.table.Dump(s.found[:0], sockets.UDP, sockets.UDPLite)
	if now := s.now(); now.After(begun) {
		s.next = now.Add(min(askShare*now.Sub(begun), askWait))
	}
	if err == nil { // else it is not known, as above
		for i := range s.asking {
			if a := &s.asking[i]; !s.isShared(a) {
				a.Alone = true
				s.out = append(s.out, a.End)
			}
		}
	}
	s.asking = s.asking[:0]
}

func (s *Source) isShared(a *asked) bool {
	for i := range s.found {
		f := &s.found[i]
		if f.Proto == a.Proto && f.Local.Port() == a.Local.Port() && f.Cookie != a.cookie && !f.Connected() &&
			(f.Local == a.Local || f.Local.Addr().IsUnspecified() || a.Local.Addr().IsUnspecified()) {
			return true
		}
	}
	return false
}

// Protocols and families as the kernel numbers them.
const (
	tcp  = 6
	ipv4 = 2
)

func addrOf(family uint8, b *[16]byte) netip.Addr {
	if family == ipv4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(*b).Unmap()
}

// TCP states, include/net/tcp_states.h.
const (
	synSent  = 2
	finWait2 = 5
	lastAck  = 9
	closing  = 11
)

// Errors of sockets, include/uapi/asm-generic/errno.h: other numbers where the architecture has its own, for which
// there are no programs.
const (
	epipe        = 32
	enetunreach  = 101
	econnaborted = 103
	econnreset   = 104
	etimedout    = 110
	econnrefused = 111
	ehostdown    = 112
	ehostunreach = 113
)

// how tells why a TCP socket went from a state to CLOSE, and whether its ports stay taken for a while (TIME_WAIT).
func how(from uint8, errno uint16, gotFIN, orphaned bool) (how capture.How, timeWait bool) {
	switch errno {
	case econnrefused:
		return capture.HowRefused, false
	case econnreset, epipe: // EPIPE: in CLOSE_WAIT
		return capture.HowRst, false
	case etimedout:
		return capture.HowTimeout, false
	}
	switch from {
	case lastAck:
		return capture.HowFin, false
	case closing:
		return capture.HowFin, true
	case finWait2:
		switch {
		case gotFIN:
			return capture.HowFin, true
		case orphaned:
			return capture.HowLingers, false
		}
		return capture.HowRst, false
	case synSent:
		switch errno {
		case 0, econnaborted: // ss -K
			return capture.HowGone, false
		case enetunreach, ehostdown, ehostunreach:
			return capture.HowTimeout, false
		}
		return capture.HowRefused, false // an ICMP error says so
	}
	switch errno {
	case enetunreach, ehostdown, ehostunreach: // what was the last answer when the time was up
		return capture.HowTimeout, false
	}
	return capture.HowRst, false // closed with data that nobody read, or with SO_LINGER
}
