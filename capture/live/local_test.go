package live

import (
	"net/netip"
	"testing"
	"time"
)

// TestAddresses: one that goes counts for a while, unless it comes back, and whoever keeps the set hears when to look again.
func TestAddresses(t *testing.T) {
	var l addresses
	now := time.Now()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, tc := range []struct {
		after        time.Duration
		there        []netip.Addr
		wantA, wantB bool
		next         time.Duration // 0 = never
	}{
		{0, []netip.Addr{a, b}, true, true, 0},
		{goneStays, []netip.Addr{a}, true, true, 2 * goneStays},
		{goneStays + 1, nil, true, true, 2 * goneStays},
		{2*goneStays - 1, nil, true, true, 2 * goneStays},
		{2 * goneStays, nil, true, false, 2*goneStays + 1},
		{2 * goneStays, []netip.Addr{a}, true, false, 0}, // back
		{3 * goneStays, nil, true, false, 4 * goneStays},
		{4 * goneStays, nil, false, false, 0},
	} {
		next := l.replace(now.Add(tc.after), tc.there)
		if l.Contains(a) != tc.wantA || l.Contains(b) != tc.wantB {
			t.Errorf("after %v: got %v and %v", tc.after, l.Contains(a), l.Contains(b))
		}
		if want := now.Add(tc.next); tc.next != 0 && !next.Equal(want) || tc.next == 0 && !next.IsZero() {
			t.Errorf("after %v: to be looked at after %v, want %v", tc.after, next.Sub(now), tc.next)
		}
	}
}
