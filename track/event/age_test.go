package event

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "1.5d": 36 * time.Hour, "0": 0, "0s": 0} {
		var a Age
		if err := a.UnmarshalText([]byte(text)); err != nil || time.Duration(a) != want {
			t.Errorf("%s: got %v, %v, want %v", text, a, err, want)
		}
		var back Age
		if err := back.UnmarshalText([]byte(a.String())); err != nil || back != a {
			t.Errorf("%s: is written as %s, which reads back as %v, %v", text, a, back, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "3 days", "30", "NaNd", "1e300w", "-5m"} {
		if err := new(Age).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for a time", text)
		}
	}
}
