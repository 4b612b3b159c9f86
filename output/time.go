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

func appendFraction(dst []byte, ns int64, digits int) []byte {
	dst = append(dst, '.')
	unit := int64(1e8)
	for range digits {
		dst = append(dst, '0'+byte(ns/unit))
		ns %= unit
		unit /= 10
	}
	return dst
}
