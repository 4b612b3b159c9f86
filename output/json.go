package output

import (
	"math"
	"strconv"
	"unicode/utf8"

	"rustnet/track/event"
)

// jsonEncoder writes one object a line, without reflection or allocation.
type jsonEncoder struct{ columns []jsonColumn }

type jsonColumn struct {
	key   []byte // "name":
	field *event.Field
	stamp stamp
}

func newJSON(fields []*event.Field, timeFormat string) *jsonEncoder {
	enc := &jsonEncoder{}
	for _, f := range fields {
		key := append(appendJSONString(nil, f.Name), ':')
		enc.columns = append(enc.columns, jsonColumn{key: key, field: f, stamp: newStamp(timeFormat)})
	}
	return enc
}

func (enc *jsonEncoder) header(dst []byte) []byte { return dst }

func (enc *jsonEncoder) record(dst []byte, e *event.Event) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for i := range enc.columns {
		dst = enc.columns[i].append(dst, e)
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return append(dst, '}', '\n')
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
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&15])
	}
	return dst
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
			dst = append(dst, '.')
			for unit := uint64(1e5); frac > 0; unit /= 10 {
				dst = append(dst, '0'+byte(frac/unit))
				frac %= unit
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
	for i := 0; i < len(s); {
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

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
