package summary

import (
	"os"
	"strings"
)

// slots is how many values a series holds; firstSlot how long one is at first, in nanoseconds.
const (
	slots     = 64
	firstSlot = int64(100e6)
)

// series is bytes over time. When time goes beyond its slots, each becomes twice as long.
type series struct {
	begin, slot int64
	bytes       [slots]float64
}

func (s *series) add(ts int64, bytes float64) {
	if s.slot == 0 {
		s.begin, s.slot = ts, firstSlot
	}
	at := max(0, ts-s.begin)
	for at/s.slot >= slots {
		s.widen()
	}
	s.bytes[at/s.slot] += bytes
}

func (s *series) widen() {
	for i := range slots / 2 {
		s.bytes[i] = s.bytes[2*i] + s.bytes[2*i+1]
	}
	clear(s.bytes[slots/2:])
	s.slot *= 2
}

// spark draws the series up to the time end in at most width characters, each as high as the share of the
// highest.
func (s *series) spark(end int64, width int, plain bool) string {
	if s.slot == 0 || width <= 0 {
		return ""
	}
	used := min(slots, int(max(0, end-s.begin)/s.slot)+1)
	var columns []float64
	if per := (used + width - 1) / width; true {
		for i := 0; i < used; i += per {
			sum := 0.0
			for _, v := range s.bytes[i:min(used, i+per)] {
				sum += v
			}
			columns = append(columns, sum)
		}
	}
	highest := 0.0
	for _, v := range columns {
		highest = max(highest, v)
	}
	levels := []rune(" ▁▂▃▄▅▆▇█")
	if plain {
		levels = []rune(" .:-=+*#%@")
	}
	var b strings.Builder
	for _, v := range columns {
		i := 0
		if v > 0 {
			i = 1 + int(v/highest*float64(len(levels)-2)+0.5)
		}
		b.WriteRune(levels[min(i, len(levels)-1)])
	}
	return b.String()
}

// bar draws a share of 1 in at most width characters.
func bar(share float64, width int, plain bool) string {
	if plain {
		return strings.Repeat("#", int(share*float64(width)+0.5))
	}
	eighths := int(share*float64(width)*8 + 0.5)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// plainText tells whether the terminal is one that shows ASCII only, by the usual variables (POSIX 8.2).
func plainText() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return true
}
