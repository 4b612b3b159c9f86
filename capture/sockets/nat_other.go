//go:build !linux

package sockets

import (
	"errors"
	"fmt"
	"runtime"
)

// NAT hears of translations.
type NAT struct{}

// OpenNAT says that there is none for this system.
func OpenNAT(func(*Translation)) (*NAT, error) {
	return nil, fmt.Errorf("listen to NAT on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Drain gives nothing.
func (n *NAT) Drain(func(*Translation, bool)) {}

// Lost is always 0.
func (n *NAT) Lost() uint64 { return 0 }

// Close does nothing.
func (n *NAT) Close() error { return nil }
