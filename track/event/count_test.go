package event

import (
	"fmt"
	"testing"
)

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

func TestGivenWords(t *testing.T) {
	for _, c := range []struct {
		given []string
		want  string
	}{
		{nil, "[]"}, {[]string{""}, "[]"}, {[]string{"a,b", " c ,, d"}, "[a b c d]"}, {[]string{"a b\tc"}, "[a b c]"},
	} {
		if got := fmt.Sprint(Words(c.given...)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.given, got, c.want)
		}
	}
}
