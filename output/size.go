package output

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with or without a unit: 500000, 64K, 100M, 1.5GB, 2GiB.
type Size int64

var sizeUnits = map[string]float64{"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}

// UnmarshalText reads it. K, M and G are 1024 and its powers, as in logrotate(8); KB, MB and GB are 1000.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	digits := strings.TrimRight(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, known := sizeUnits[strings.ToLower(strings.TrimSpace(t[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !known || !(n >= 0) || n*unit >= math.MaxInt64 || n > 0 && n*unit < 1 {
		return fmt.Errorf("%q is no size such as 500000, 64K, 100M or 2GB", t)
	}
	*s = Size(n * unit)
	return nil
}
