//go:build !linux

package live

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Local is the set of this machine's addresses, kept current. Any goroutine may ask it.
type Local struct {
	set     atomic.Pointer[map[netip.Addr]time.Time] // until when they count, 0 = they are there; never changed once it is here
	changed chan struct{}
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

const (
	// goneStays is how long an address counts that the machine has no more: packets of connections that had it may be on their way.
	goneStays = time.Second
	// addressesEvery is how often they are read where nobody tells that they changed.
	addressesEvery = time.Second
)

// WatchLocal reads the addresses of all interfaces and follows their changes until Close.
func WatchLocal() (*Local, error) {
	l := &Local{changed: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	if err := l.refresh(time.Now()); err != nil {
		return nil, fmt.Errorf("watch local addresses: %w", err)
	}
	go l.follow()
	return l, nil
}

var loopback4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)

// Contains says whether an address is this machine's, or was a moment ago. Broadcast and multicast addresses are not.
func (l *Local) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if _, ok := (*l.set.Load())[a]; ok {
		return true
	}
	return loopback4.Contains(a) || a == netip.IPv6Loopback()
}

// Close ends the watch; the set stays as it was last.
func (l *Local) Close() error {
	l.once.Do(func() { close(l.closing) })
	<-l.ended
	return nil
}

func (l *Local) follow() {
	defer close(l.ended)
	stop := addressChanges(func() {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	timer := time.NewTicker(addressesEvery)
	defer timer.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-l.changed:
		case <-timer.C:
		}
		_ = l.refresh(time.Now()) // a list that fails is made up for by the next
	}
}

func (l *Local) refresh(now time.Time) error {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	set := make(map[netip.Addr]time.Time, len(all))
	for _, a := range all {
		if p, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(p.IP); ok {
				set[ip.Unmap()] = time.Time{}
			}
		}
	}
	if was := l.set.Load(); was != nil {
		for a, until := range *was {
			if until.IsZero() {
				until = now.Add(goneStays)
			}
			if _, here := set[a]; !here && now.Before(until) {
				set[a] = until
			}
		}
	}
	l.set.Store(&set)
	return nil
}
