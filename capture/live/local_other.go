//go:build !linux

package live

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Local is the set of this machine's addresses, kept current. Any goroutine may ask it.
type Local struct {
	addresses
	changed chan struct{}
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// addressesEvery is how often they are read where nobody tells that they changed.
const addressesEvery = time.Second

// WatchLocal reads the addresses of all interfaces and follows their changes until Close.
func WatchLocal() (*Local, error) {
	l := &Local{changed: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	if err := l.refresh(time.Now()); err != nil {
		return nil, fmt.Errorf("watch local addresses: %w", err)
	}
	go l.follow()
	return l, nil
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
	var there []netip.Addr
	for _, a := range all {
		if p, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(p.IP); ok {
				there = append(there, ip.Unmap())
			}
		}
	}
	l.replace(now, there)
	return nil
}
