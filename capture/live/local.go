package live

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// addresses is a set that any goroutine may ask while one keeps it current.
type addresses struct {
	// Until when each counts, the zero time for those that are there. Never changed once it is here.
	set atomic.Pointer[map[netip.Addr]time.Time]
}

// goneStays is how long an address counts that the machine has no more: packets of connections that had it are on their way, and
// whose ends they are is asked when their settling is over.
const goneStays = time.Second

var loopback4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)

// Contains says whether an address is this machine's, or was a moment ago. Broadcast and multicast addresses are not.
func (l *addresses) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if _, ok := (*l.set.Load())[a]; ok {
		return true
	}
	return loopback4.Contains(a) || a == netip.IPv6Loopback()
}

// replace makes it those that are there now, and those that were a moment ago; next is when there is one less, the zero time = never.
func (l *addresses) replace(now time.Time, there []netip.Addr) (next time.Time) {
	set := make(map[netip.Addr]time.Time, len(there))
	for _, a := range there {
		set[a] = time.Time{}
	}
	if was := l.set.Load(); was != nil {
		for a, until := range *was {
			if until.IsZero() {
				until = now.Add(goneStays)
			}
			if _, here := set[a]; here || !now.Before(until) {
				continue
			}
			set[a] = until
			if next.IsZero() || until.Before(next) {
				next = until
			}
		}
	}
	l.set.Store(&set)
	return next
}
