//go:build !linux

package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"rustnet/capture"
)

var errUnsupported = fmt.Errorf("live capture is not available on %s yet, use -r FILE: %w", runtime.GOOS, errors.ErrUnsupported)

func memory() uint64 { return 0 }

// Available tells whether this system has a live source.
const Available = false

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

// NotCounted is nil: there is nothing to count.
func (s *Source) NotCounted() error { return nil }

// Close does nothing.
func (s *Source) Close() error { return nil }

// Interfaces lists the network interfaces of this machine.
func Interfaces() ([]Device, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	list := make([]Device, len(all))
	for i, d := range all {
		list[i] = Device{Name: d.Name, Index: d.Index, Up: d.Flags&net.FlagUp != 0, MTU: d.MTU, MAC: d.HardwareAddr.String()}
		if d.Flags&net.FlagLoopback != 0 {
			list[i].Kind = "loopback"
		}
		addrs, _ := d.Addrs() // those of one that has just gone are none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				list[i].Addrs = append(list[i].Addrs, p)
			}
		}
	}
	return list, nil
}

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
