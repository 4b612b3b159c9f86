package pcapfilter

import (
	"fmt"
	"sync/atomic"

	"rustnet/capture"
)

// Set is one expression for a file whose packets may have several link types: a program for each,
// made when the first packet of that type comes. It belongs to one goroutine.
type Set struct {
	expr     string
	resolver Resolver
	programs map[capture.LinkType]*Program
	refused  atomic.Pointer[error]
	last     *Program
	lastLink capture.LinkType
}

// links are the link types that expressions can be for, the usual ones first.
var links = []capture.LinkType{capture.LinkEthernet, capture.LinkRaw, capture.LinkSLL, capture.LinkSLL2, capture.LinkNull, capture.LinkLoop,
	capture.LinkPPP, capture.LinkIPv4, capture.LinkIPv6}

// NewSet refuses an expression that can be used with no link type at all, as one that names a host that nobody knows.
func NewSet(expr string) (*Set, error) {
	s := &Set{expr: expr, resolver: Resolver{}.remembering(), programs: map[capture.LinkType]*Program{}}
	var first error
	for _, link := range links {
		p, err := Compile(expr, Options{Link: link, Resolver: s.resolver})
		if err == nil {
			s.programs[link] = p
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// Err says why the expression cannot be used with a link type that came, nil when there was none.
// It may be called from any goroutine.
func (s *Set) Err() error {
	if err := s.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// Notes says the same for people.
func (s *Set) Notes() []string {
	if err := s.Err(); err != nil {
		return []string{fmt.Sprintf("--bpf: %v", err)}
	}
	return nil
}

func (s *Set) compile(link capture.LinkType) *Program {
	p, err := Compile(s.expr, Options{Link: link, Resolver: s.resolver})
	if err != nil {
		err = fmt.Errorf("packets of link type %d are kept back: %w", link, err)
		s.refused.CompareAndSwap(nil, &err)
	}
	s.programs[link] = p
	return p
}

// Match tells whether the frame passes. Frames of a link type that the expression cannot be used
// with do not pass.
func (s *Set) Match(link capture.LinkType, fr *capture.Frame) bool {
	if s.last == nil || link != s.lastLink {
		p, known := s.programs[link]
		if !known {
			p = s.compile(link)
		}
		s.last, s.lastLink = p, link
	}
	return s.last != nil && s.last.match(fr.Data, fr.Len, fr.VLAN, fr.VLANs)
}
