package event

import "testing"

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n    uint64
		one  string
		want string
	}{{0, "packet", "0 packets"}, {1, "packet", "1 packet"}, {21, "event", "21 events"}, {1, "address", "1 address"}, {2, "address", "2 addresses"}} {
		if got := Count(tt.n, tt.one); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
