package flow

import (
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		name         string
		packets      uint64
		bytes, total int64
		want         string
	}{
		{"half", 2_000_000, 50, 100, "2.0M packets, 200K/s, 50 %, 10s left"},
		{"a pipe has no size", 500, 50, 0, "500 packets, 50/s"},
		{"read ahead of the size", 500, 101, 100, "500 packets, 50/s, 100 %, 0s left"},
	} {
		if got := progressLine(tt.packets, "packets", tt.bytes, tt.total, 10*time.Second); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestProgressOfAShortReadingShowsNothing(t *testing.T) {
	var b strings.Builder
	showProgress(&b, "packets", func() (uint64, int64, int64) { return 1, 1, 1 })()
	if b.Len() != 0 {
		t.Errorf("got %q, want nothing", b.String())
	}
}
