package event

import (
	"fmt"
	"strconv"
	"time"
)

// ParseDuration is time.ParseDuration, and takes days and weeks too.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n := len(s) - 1; err != nil && n > 0 {
		if unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[n]]; unit != 0 {
			if count, cerr := strconv.ParseFloat(s[:n], 64); cerr == nil && count*float64(unit) < 1<<62 && count*float64(unit) > -1<<62 {
				return time.Duration(count * float64(unit)), nil
			}
		}
	}
	return d, err
}

// ParseAge reads how long ago something is.
func ParseAge(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no time such as 90m, 12h, 30d or 2w", s)
	}
	return d, nil
}
