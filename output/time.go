package output

import (
	"encoding/binary"
	"strconv"
	"time"
)

// stamp formats times of one column. What changes once a second is kept from one time to the next.
type stamp struct {
	number bool           // unix: seconds with microseconds, without quotes in JSON
	loc    *time.Location // nil for unix
	layout string         // up to the seconds
	digits int            // of the fraction, six at most
	zone   bool           // the offset follows

	text          [40]byte // the second's, with the place of the fraction, and a quote behind it
	size, seconds int      // of text; where the seconds are in it
	behind        uint64   // the two bytes behind a fraction of six digits, in the top of a word that it begins
	second        int64    // when it began, in nanoseconds since the epoch
	length        uint64   // of it: none of the zero stamp
	from, to      int64    // the seconds since the epoch that the minute in text is for
	minute        int64    // when that began
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
	dst = room(dst, cellSize)
	return dst[:len(dst)+s.put(behind(dst), ns)]
}

// put is append as other values are put.
func (s *stamp) put(b *cell, ns int64) int {
	if s.number {
		return putUnix(b, ns)
	}
	if uint64(ns-s.second) >= s.length {
		s.renew(ns)
	}
	*(*[len(s.text)]byte)(b[:]) = s.text
	micros, fraction := digits6(uint32(ns-s.second)/1000), s.seconds+3
	if s.digits == 6 {
		binary.LittleEndian.PutUint64(b[fraction&31:], micros|s.behind)
		return s.size
	}
	for i := range s.digits {
		b[fraction+i] = byte(micros >> (8 * i))
	}
	return s.size
}

func putUnix(b *cell, ns int64) (size int) {
	if ns < 0 {
		ns = -ns
		size = len(strconv.AppendInt(append(b[:0], '-'), ns/1e9, 10))
	} else {
		size = putUint(b, uint64(ns/1e9))
	}
	b[size] = '.'
	binary.LittleEndian.PutUint64(b[size+1:], digits6(uint32(ns%1e9/1000)))
	return size + 7
}

// renew makes the text of the second that ns is in.
func (s *stamp) renew(ns int64) {
	sec := ns / 1e9
	if ns%1e9 < 0 {
		sec--
	}
	if sec < s.from || sec >= s.to {
		s.renewMinute(sec)
	}
	second := sec - s.minute
	s.text[s.seconds], s.text[s.seconds+1] = '0'+byte(second/10), '0'+byte(second%10)
	s.second, s.length = sec*1e9, 1e9
}

// renewMinute makes the text of the minute that sec is in, or of the part of it before or after a change of the clock.
func (s *stamp) renewMinute(sec int64) {
	t := time.Unix(sec, 0).In(s.loc)
	s.minute = sec - int64(t.Second())
	s.from, s.to = s.minute, s.minute+60
	switch begin, end := t.ZoneBounds(); {
	case !begin.IsZero() && begin.Unix() > s.from:
		s.from = begin.Unix()
	case !end.IsZero() && end.Unix() < s.to && end.Unix() > sec: // on the last day of a leap year Go may give the day's beginning
		s.to = end.Unix()
	}
	text := t.AppendFormat(s.text[:0], s.layout)
	s.seconds = len(text) - len("05")
	if s.digits > 0 {
		text = append(append(text, '.'), "000000"[:s.digits]...)
	}
	if s.zone {
		text = t.AppendFormat(text, "Z07:00")
	}
	s.size = len(text)
	s.text[s.size] = '"'
	if s.digits == 6 {
		s.behind = uint64(binary.LittleEndian.Uint16(s.text[s.seconds+9:])) << 48
	}
}
