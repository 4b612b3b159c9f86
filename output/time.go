package output

import (
	"strconv"
	"time"
)

// stamp formats times of one column. What changes once a second is kept from one time to the next.
type stamp struct {
	number bool           // unix: seconds with microseconds, without quotes in JSON
	loc    *time.Location // nil for unix
	layout string         // up to the seconds
	digits int            // of the fraction
	zone   bool           // the offset follows

	sec  int64
	buf  [40]byte
	n    int // of buf, the part before the fraction
	tail int
}

// newStamp is for machines: RFC 3339 with microseconds, in UTC unless local time is asked for.
func newStamp(format string) stamp {
	switch format {
	case "unix":
		return stamp{number: true}
	case "local":
		return stamp{loc: time.Local, layout: "2006-01-02T15:04:05", digits: 6, zone: true}
	}
	return stamp{loc: time.UTC, layout: "2006-01-02T15:04:05", digits: 6, zone: true}
}

// Stamp writes times in UTC to the microsecond, as 2006-01-02T15:04:05.000000; the zone is for who uses it to add. The zero
// Stamp is ready.
type Stamp struct{ s stamp }

// Append appends a time in nanoseconds since the epoch.
func (s *Stamp) Append(dst []byte, ns int64) []byte {
	if s.s.loc == nil {
		s.s = stamp{loc: time.UTC, layout: "2006-01-02T15:04:05", digits: 6}
	}
	return s.s.append(dst, ns)
}

// AppendUnix appends a time as seconds since the epoch, to the microsecond.
func AppendUnix(dst []byte, ns int64) []byte {
	s := stamp{number: true}
	return s.append(dst, ns)
}

// append formats nanoseconds since the epoch, cut to the digits shown.
func (s *stamp) append(dst []byte, ns int64) []byte {
	if s.number {
		if ns < 0 {
			dst, ns = append(dst, '-'), -ns
		}
		return appendFraction(strconv.AppendInt(dst, ns/1e9, 10), ns%1e9, 6)
	}
	sec, frac := ns/1e9, ns%1e9
	if frac < 0 {
		sec, frac = sec-1, frac+1e9
	}
	if sec != s.sec || s.n == 0 {
		t := time.Unix(sec, 0).In(s.loc)
		head := t.AppendFormat(s.buf[:0], s.layout)
		s.n = len(head)
		if s.zone {
			head = t.AppendFormat(head, "Z07:00")
		}
		s.tail = len(head)
		s.sec = sec
	}
	dst = append(dst, s.buf[:s.n]...)
	if s.digits > 0 {
		dst = appendFraction(dst, frac, s.digits)
	}
	return append(dst, s.buf[s.n:s.tail]...)
}

// appendMicros appends a point and six digits.
func appendMicros(dst []byte, n uint32) []byte {
	a, b, c := n/10000*2, n/100%100*2, n%100*2
	return append(dst, '.', twoDigits[a], twoDigits[a+1], twoDigits[b], twoDigits[b+1], twoDigits[c], twoDigits[c+1])
}

const twoDigits = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849" +
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

func appendFraction(dst []byte, ns int64, digits int) []byte {
	if digits == 6 {
		return appendMicros(dst, uint32(ns/1000))
	}
	dst = append(dst, '.')
	unit := int64(1e8)
	for range digits {
		dst = append(dst, '0'+byte(ns/unit))
		ns %= unit
		unit /= 10
	}
	return dst
}
