package event

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text          string
		duration, age time.Duration // -1: none
	}{
		{"90m", 90 * time.Minute, 90 * time.Minute}, {"30d", 30 * day, 30 * day}, {"1.5d", 36 * time.Hour, 36 * time.Hour}, {"2w", 14 * day, 14 * day},
		{"0", 0, -1}, {"0s", 0, -1}, {"0d", 0, -1}, {"-1s", -time.Second, -1}, {"-1d", -day, -1},
		{"", -1, -1}, {"d", -1, -1}, {"5", -1, -1}, {"1y", -1, -1}, {"1e30d", -1, -1}, {"-1e30d", -1, -1}, {"infd", -1, -1}, {"nand", -1, -1}, {"1d ", -1, -1},
	} {
		for name, f := range map[string]struct {
			parse func(string) (time.Duration, error)
			want  time.Duration
		}{"duration": {ParseDuration, tt.duration}, "age": {ParseAge, tt.age}} {
			if got, err := f.parse(tt.text); (err != nil) != (f.want == -1) || err == nil && got != f.want {
				t.Errorf("%s %q: got %v, %v, want %v", name, tt.text, got, err, f.want)
			}
		}
	}
}
