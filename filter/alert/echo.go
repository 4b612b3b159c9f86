package alert

import "fmt"

// An answer to an echo repeats what it answers (RFC 792), and so has its size. A tunnel brings more home than it asked with.
const (
	echoLeast = 20000 // bytes of answers
	echoTimes = 2     // and so many times what was asked
)

// echo finds tunnels through ping.
type echo struct{}

func (echo) look(s *seen) (found, bool) {
	if s.proto != "icmp" && s.proto != "icmp6" || !one(s.remote) {
		return found{}, false
	}
	if kind, _ := number(s.f.icmpType, s.e); kind != 8 && kind != 128 {
		return found{}, false
	}
	asked, answered := s.exchanged()
	return found{}, answered >= echoLeast && answered > echoTimes*asked
}

func (echo) why(s *seen) string {
	asked, answered := s.exchanged()
	server, _, opener := s.served()
	asker := s.subject()
	if s.in {
		asker = opener.String()
	}
	return fmt.Sprintf("%s answered echo requests of %s (%s) with %s in %s, where answers repeat what was asked", server, asker,
		size(float64(asked)), size(float64(answered)), span(s.ts-s.start))
}

// exchanged is how many bytes the opener sent, and the other end.
func (s *seen) exchanged() (opener, other uint64) {
	if opener, other = s.bytes(); s.in {
		return other, opener
	}
	return opener, other
}
