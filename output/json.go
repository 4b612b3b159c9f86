package output

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"rustnet/track/event"
)

// jsonEncoder writes one object a line, without reflection or allocation.
type jsonEncoder struct {
	columns []jsonColumn
	// plans has the columns to ask for each set of parts that an event can have; nil until it is needed.
	plans [event.NumParts]*jsonPlan
	// Of some two hundred application fields a record has ten: they are found by what is set, not by
	// asking each. place is 1 + a field's column, by its AppIndex.
	place [event.MaxAppFields]int16
	set   []uint16      // scratch
	order []int16       // scratch
	found []*jsonColumn // scratch
}

// jsonPlan is a list of columns: those before the application's fields, and those behind. Application fields
// that stand apart from the first of them are asked like others.
type jsonPlan struct {
	before, behind []*jsonColumn
	from, to       int16 // the columns of the application's fields between them
}

type jsonColumn struct {
	key   []byte // "name": and where its value is one, the quote that begins a text
	field *event.Field
	stamp stamp
}

func newJSON(fields []*event.Field, timeFormat string) *jsonEncoder {
	enc := &jsonEncoder{}
	for i, f := range fields {
		c := jsonColumn{key: append(appendJSONString(nil, f.Name), ':'), field: f, stamp: newStamp(timeFormat)}
		switch f.Type {
		case event.String, event.ID, event.Addr:
			c.key = append(c.key, '"')
		case event.Time:
			if !c.stamp.number {
				c.key = append(c.key, '"')
			}
		}
		enc.columns = append(enc.columns, c)
		if index, ok := f.AppIndex(); ok {
			enc.place[index] = int16(i) + 1
		}
	}
	return enc
}

func (enc *jsonEncoder) header(dst []byte) []byte { return dst }

// plan makes the plan for events that have these parts.
func (enc *jsonEncoder) plan(has event.Part) *jsonPlan {
	p := &jsonPlan{}
	for i := range enc.columns {
		at, c := int16(i), &enc.columns[i]
		_, app := c.field.AppIndex()
		switch {
		case c.field.Needs()&^has != 0:
		case app && p.to == 0:
			p.from, p.to = at, at+1
		case app && p.to == at:
			p.to++
		case p.to == 0:
			p.before = append(p.before, c)
		default:
			p.behind = append(p.behind, c)
		}
	}
	enc.plans[has] = p
	return p
}

func (enc *jsonEncoder) record(dst []byte, e *event.Event) []byte {
	has := e.Parts()
	p := enc.plans[has]
	if p == nil {
		p = enc.plan(has)
	}
	dst = append(dst, '{')
	start := len(dst)
	dst = appendColumns(dst, e, p.before)
	if p.to > 0 {
		dst = appendColumns(dst, e, enc.application(e, p.from, p.to))
	}
	dst = appendColumns(dst, e, p.behind)
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return append(dst, '}', '\n')
}

// application gives the columns from from to to whose fields are set, in their order.
func (enc *jsonEncoder) application(e *event.Event, from, to int16) []*jsonColumn {
	enc.set, enc.order, enc.found = e.App.AppendSet(enc.set[:0]), enc.order[:0], enc.found[:0]
	for _, index := range enc.set {
		if at := enc.place[index] - 1; at >= from && at < to {
			enc.order = append(enc.order, at)
		}
	}
	slices.Sort(enc.order)
	for _, at := range enc.order {
		enc.found = append(enc.found, &enc.columns[at])
	}
	return enc.found
}

// appendColumns writes key, value and comma of each column, and nothing of a field that is absent.
func appendColumns(dst []byte, e *event.Event, columns []*jsonColumn) []byte {
	for _, c := range columns {
		f := c.field
		switch f.Type {
		case event.String:
			if f.Append != nil {
				dst = c.appendMade(dst, e)
				continue
			}
			s := f.Str(e)
			if s == "" {
				continue
			}
			dst = append(appendEscapedJSON(append(dst, c.key...), s), '"', ',')
		case event.Uint:
			n, ok := f.Uint(e)
			if !ok {
				continue
			}
			dst = append(dst, c.key...)
			if n < 10 {
				dst = append(dst, '0'+byte(n), ',')
				continue
			}
			dst = append(strconv.AppendUint(dst, n, 10), ',')
		case event.ID:
			n, ok := f.Uint(e)
			if !ok {
				continue
			}
			dst = append(appendHex(append(dst, c.key...), n), '"', ',')
		case event.Float:
			n, ok := f.Float(e)
			if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
				continue
			}
			dst = append(appendFloat(append(dst, c.key...), n), ',')
		case event.Bool:
			b, ok := f.Bool(e)
			if !ok {
				continue
			}
			dst = append(strconv.AppendBool(append(dst, c.key...), b), ',')
		case event.Addr:
			a := f.Addr(e)
			if !a.IsValid() {
				continue
			}
			dst = append(a.AppendTo(append(dst, c.key...)), '"', ',')
		case event.Time:
			ns := f.Time(e)
			if ns == 0 {
				continue
			}
			dst = c.stamp.append(append(dst, c.key...), ns)
			if !c.stamp.number {
				dst = append(dst, '"')
			}
			dst = append(dst, ',')
		case event.List:
			l := f.List(e)
			if len(l) == 0 {
				continue
			}
			dst = append(append(dst, c.key...), '[')
			for _, s := range l {
				dst = append(appendJSONString(dst, s), ',')
			}
			dst[len(dst)-1] = ']'
			dst = append(dst, ',')
		}
	}
	return dst
}

// appendMade is for texts that are made on demand; they hold nothing that needs escaping.
func (c *jsonColumn) appendMade(dst []byte, e *event.Event) []byte {
	start := len(dst)
	dst = append(dst, c.key...)
	filled := len(dst)
	if dst = c.field.Append(dst, e); len(dst) == filled {
		return dst[:start]
	}
	return append(dst, '"', ',')
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return hex.AppendEncode(dst, b[:])
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

func appendJSONString(dst []byte, s string) []byte {
	return append(appendEscapedJSON(append(dst, '"'), s), '"')
}

// appendEscapedJSON writes what stands between the quotes (RFC 8259 §7). Bytes that are no UTF-8 become U+FFFD. What
// a terminal might obey, C1 controls and marks that reverse the writing direction, is escaped as well: the value is the same.
func appendEscapedJSON(dst []byte, s string) []byte {
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
	return append(dst, s[start:]...)
}

// plainPrefix is how many bytes s begins with that stand for themselves.
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
	for j, rest := 0, s[i:]; j < len(rest); j++ {
		if !plainASCII[rest[j]] {
			return i + j
		}
	}
	return len(s)
}

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// AppendJSON appends a text in quotes, AppendJSONText what stands between them.
func AppendJSON(dst []byte, s string) []byte     { return appendJSONString(dst, s) }
func AppendJSONText(dst []byte, s string) []byte { return appendEscapedJSON(dst, s) }

// AppendFloat appends a number as in JSON, AppendID one of 64 bits in hexadecimal.
func AppendFloat(dst []byte, f float64) []byte { return appendFloat(dst, f) }
func AppendID(dst []byte, n uint64) []byte     { return appendHex(dst, n) }

// Object writes the fields of records as a JSON object without a newline, for those who keep it elsewhere.
type Object struct{ enc *jsonEncoder }

// NewObject makes objects of the given fields.
func NewObject(fields []*event.Field) Object { return Object{newJSON(fields, "")} }

// Append appends the object; of an event that has none of the fields, nothing.
func (o Object) Append(dst []byte, e *event.Event) []byte {
	start := len(dst)
	dst = o.enc.record(dst, e)
	if dst = dst[:len(dst)-1]; len(dst) == start+len("{}") {
		return dst[:start]
	}
	return dst
}
