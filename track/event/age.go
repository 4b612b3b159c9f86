package event

import (
	"fmt"
	"strconv"
	"time"
)

// Age is a time as 90m, 12h, 30d or 2w.
type Age time.Duration

func (a Age) String() string { return time.Duration(a).String() }

// UnmarshalText is for flags and files. 0 is none.
func (a *Age) UnmarshalText(text []byte) error {
	if s := string(text); s == "0" || s == "0s" {
		*a = 0
		return nil
	}
	d, err := ParseAge(string(text))
	*a = Age(d)
	return err
}

// ParseAge reads a duration, which may be in days and weeks too.
func ParseAge(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n := len(s) - 1; err != nil && n > 0 {
		if unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[n]]; unit != 0 {
			var count float64
			if count, err = strconv.ParseFloat(s[:n], 64); err == nil && count*float64(unit) < 1<<62 {
				d = time.Duration(count * float64(unit))
			}
		}
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no time such as 90m, 12h, 30d or 2w", s)
	}
	return d, nil
}
