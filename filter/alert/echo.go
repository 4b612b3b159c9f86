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
	if s.proto != "icmp" && s.proto != "icmp6" || !one(s.remote) || !s.asksEcho() {
		return found{}, false
	}
	asked, answered := s.exchanged()
	return found{}, answered >= echoLeast && answered > echoTimes*asked
}

func (echo) why(s *seen) string {
	asked, answered := s.exchanged()
	server, _, _ := s.served()
	return fmt.Sprintf("%s answered echo requests of %s (%s) with %s in %s, where answers repeat what was asked", server, s.openerName(),
		size(float64(asked)), size(float64(answered)), span(s.ts-s.start))
}
