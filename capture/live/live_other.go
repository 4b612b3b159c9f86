//go:build !linux

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"rustnet/capture"
)

var errUnsupported = fmt.Errorf("live capture is not available on %s yet, use -r FILE: %w", runtime.GOOS, errors.ErrUnsupported)

// Source reads packets from network interfaces; only Linux has it yet.
type Source struct{}

// Open fails: only Linux has a live source yet.
func Open(cfg Config) (*Source, error) {
	if _, err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	return nil, errUnsupported
}

// Run closes out and fails.
func (s *Source) Run(_ context.Context, out chan<- *capture.Frames) error {
	close(out)
	return errUnsupported
}

// Stats are all 0.
func (s *Source) Stats() Stats { return Stats{} }

// Close does nothing.
func (s *Source) Close() error { return nil }

// Interfaces fails: only Linux has a live source yet.
func Interfaces() ([]Device, error) { return nil, errUnsupported }

// Local would be the set of this machine's addresses.
type Local struct{}

// WatchLocal fails: only Linux has a live source yet.
func WatchLocal() (*Local, error) { return nil, errUnsupported }

// Contains says no.
func (l *Local) Contains(netip.Addr) bool { return false }

// Close does nothing.
func (l *Local) Close() error { return nil }

// DropPrivileges fails: there is nothing here that needed any.
func DropPrivileges(DropConfig) error { return errUnsupported }
