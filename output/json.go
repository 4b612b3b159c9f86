package output

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"rustnet/track/event"
)

// jsonEncoder writes one object a line, without reflection or allocation.
type jsonEncoder struct {
	columns []jsonColumn
	// Of some two hundred application fields a record has ten: they are found by what is set, not by
	// asking each. place is a field's column, by its AppIndex.
	place [event.MaxAppFields]int16
	set   []uint16 // scratch
	cols  []int16  // scratch
}

type jsonColumn struct {
	key   []byte // "name":
	field *event.Field
	stamp stamp
	needs event.Part
	run   int  // so many columns from here on need the same
	app   bool // they are application fields
}

func newJSON(fields []*event.Field, timeFormat string) *jsonEncoder {
	enc := &jsonEncoder{}
	for _, f := range fields {
		key := append(appendJSONString(nil, f.Name), ':')
		enc.columns = append(enc.columns, jsonColumn{key: key, field: f, stamp: newStamp(timeFormat), needs: f.Needs(), run: 1})
	}
	for i := len(enc.columns) - 1; i >= 0; i-- {
		c := &enc.columns[i]
		index, ok := c.field.AppIndex()
		if c.app = ok; ok {
			enc.place[index] = int16(i)
		}
		if i+1 < len(enc.columns) && enc.columns[i+1].needs == c.needs {
			c.run += enc.columns[i+1].run
		}
	}
	return enc
}

func (enc *jsonEncoder) header(dst []byte) []byte { return dst }

func (enc *jsonEncoder) record(dst []byte, e *event.Event) []byte {
	dst = append(dst, '{')
	start, has := len(dst), e.Parts()
	for i := 0; i < len(enc.columns); {
		c := &enc.columns[i]
		switch {
		case c.needs&^has != 0:
			i += c.run
		case c.app:
			dst = enc.application(dst, e, i, i+c.run)
			i += c.run
		default:
			dst = c.append(dst, e)
			i++
		}
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return append(dst, '}', '\n')
}

// application writes the fields that are set among the columns from to to, in the columns' order.
func (enc *jsonEncoder) application(dst []byte, e *event.Event, from, to int) []byte {
	enc.set, enc.cols = e.App.AppendSet(enc.set[:0]), enc.cols[:0]
	for _, index := range enc.set {
		if at := int(enc.place[index]); at >= from && at < to {
			if i, ok := enc.columns[at].field.AppIndex(); ok && i == int(index) {
				enc.cols = append(enc.cols, int16(at))
			}
		}
	}
	slices.Sort(enc.cols)
	for _, at := range enc.cols {
		dst = enc.columns[at].append(dst, e)
	}
	return dst
}

// append writes key, value and comma, or nothing when the field is absent.
func (c *jsonColumn) append(dst []byte, e *event.Event) []byte {
	f := c.field
	switch f.Type {
	case event.String:
		if f.Append != nil {
			return c.appendMade(dst, e)
		}
		s := f.Str(e)
		if s == "" {
			return dst
		}
		dst = appendJSONString(append(dst, c.key...), s)
	case event.Uint:
		n, ok := f.Uint(e)
		if !ok {
			return dst
		}
		dst = strconv.AppendUint(append(dst, c.key...), n, 10)
	case event.ID:
		n, ok := f.Uint(e)
		if !ok {
			return dst
		}
		dst = append(appendHex(append(append(dst, c.key...), '"'), n), '"')
	case event.Float:
		n, ok := f.Float(e)
		if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
			return dst
		}
		dst = appendFloat(append(dst, c.key...), n)
	case event.Bool:
		b, ok := f.Bool(e)
		if !ok {
			return dst
		}
		dst = strconv.AppendBool(append(dst, c.key...), b)
	case event.Addr:
		a := f.Addr(e)
		if !a.IsValid() {
			return dst
		}
		dst = append(a.AppendTo(append(append(dst, c.key...), '"')), '"')
	case event.Time:
		ns := f.Time(e)
		if ns == 0 {
			return dst
		}
		dst = append(dst, c.key...)
		if c.stamp.number {
			dst = c.stamp.append(dst, ns)
		} else {
			dst = append(c.stamp.append(append(dst, '"'), ns), '"')
		}
	case event.List:
		l := f.List(e)
		if len(l) == 0 {
			return dst
		}
		dst = append(append(dst, c.key...), '[')
		for _, s := range l {
			dst = append(appendJSONString(dst, s), ',')
		}
		dst[len(dst)-1] = ']'
	}
	return append(dst, ',')
}

// appendMade is for texts that are made on demand; they hold nothing that needs escaping.
func (c *jsonColumn) appendMade(dst []byte, e *event.Event) []byte {
	start := len(dst)
	dst = append(append(dst, c.key...), '"')
	filled := len(dst)
	if dst = c.field.Append(dst, e); len(dst) == filled {
		return dst[:start]
	}
	return append(dst, '"', ',')
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, n uint64) []byte {
	var b [16]byte
	for i := range b {
		b[i] = hexDigits[n>>(60-4*i)&15]
	}
	return append(dst, b[:]...)
}

// appendFloat writes the shortest text that reads back as the same number, never with an exponent where
// encoding/json has none. What has at most six decimals, which most have, takes the quick way.
func appendFloat(dst []byte, f float64) []byte {
	if f < 1e9 && !math.Signbit(f) {
		if n := uint64(f*1e6 + 0.5); float64(n)/1e6 == f {
			dst = strconv.AppendUint(dst, n/1e6, 10)
			frac := n % 1e6
			if frac == 0 {
				return dst
			}
			dst = appendMicros(dst, uint32(frac))
			for dst[len(dst)-1] == '0' {
				dst = dst[:len(dst)-1]
			}
			return dst
		}
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// plainASCII marks the bytes that stand for themselves in a JSON text.
var plainASCII = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendJSONString quotes s (RFC 8259 §7). Bytes that are no UTF-8 become U+FFFD. What a terminal might obey,
// C1 controls and marks that reverse the writing direction, is escaped as well: the value is the same.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if plainASCII[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && !hostile(r) {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			if r == utf8.RuneError {
				dst = append(dst, "\uFFFD"...)
			} else {
				dst = appendU(dst, r)
			}
			i += size
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = appendU(dst, rune(c))
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// plainPrefix is how many bytes s begins with, in eights, that stand for themselves.
func plainPrefix(s string) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// A byte's top bit tells: it is not ASCII, DEL, below a space, a quote, a backslash.
		const each, top = 0x0101010101010101, 0x8080808080808080
		quote, back := x^each*'"', x^each*'\\'
		if (x|(x+each)|(x-each*' ')|(quote-each)&^quote|(back-each)&^back)&top != 0 {
			break
		}
	}
	return i
}

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
