package output

import (
	"encoding/binary"
	"math"
	"net/netip"
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
	order []uint32 // scratch: 1<<16 times a column, and which of the values that are set belongs in it
	line  jsonLine
}

// jsonPlan is a list of columns: those before the application's fields, and those behind. Application fields
// that stand apart from the first of them are asked like others.
type jsonPlan struct {
	before, behind []*jsonColumn
	from, to       int16 // the columns of the application's fields between them
	room           int   // for jsonLine.spare
}

// jsonColumn is as large as a cache line: for each record some forty are read.
type jsonColumn struct {
	key    [keyRoom]byte // ,"name": and where its value is one, the quote that begins a text
	size   uint8         // of key
	typ    event.Type
	field  *event.Field
	number func(*event.Event) (uint64, bool) // field.Uint
	more   *jsonMore
}

type jsonMore struct {
	stamp stamp
	words []jsonWord // of a field that has Words: key and text for each
}

// keyRoom is more than any key has. Copying all of it, whatever its size, takes two moves and no loop.
const keyRoom = 32

type jsonWord struct {
	text [keyRoom]byte
	size int // 0 = the field is absent
}

func newJSON(fields []*event.Field, timeFormat string) *jsonEncoder {
	enc := &jsonEncoder{}
	for i, f := range fields {
		c := jsonColumn{typ: f.Type, field: f, number: f.Uint, more: &jsonMore{stamp: newStamp(timeFormat)}}
		key := append(appendJSONString([]byte{','}, f.Name), ':')
		switch f.Type {
		case event.String, event.ID, event.Addr:
			key = append(key, '"')
		case event.Time:
			if !c.more.stamp.number {
				key = append(key, '"')
			}
		}
		if len(key) >= keyRoom {
			panic("output: the name of field " + f.Name + " is too long; widen keyRoom")
		}
		c.size = uint8(copy(c.key[:], key))
		if f.Word != nil {
			c.more.words = jsonWords(key, f.Words)
		}
		enc.columns = append(enc.columns, c)
		if index, ok := f.AppIndex(); ok {
			enc.place[index] = int16(i) + 1
		}
	}
	return enc
}

// jsonWords is nil when one of the words is too long.
func jsonWords(key []byte, words []string) []jsonWord {
	all := make([]jsonWord, len(words))
	for i, word := range words {
		if word == "" {
			continue
		}
		text := append(appendEscapedJSON(slices.Clone(key), word), '"')
		if all[i].size = copy(all[i].text[:], text); all[i].size < len(text) {
			return nil
		}
	}
	return all
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
	p.room = (max(len(p.before), len(p.behind)) + 1) * valueRoom
	enc.plans[has] = p
	return p
}

func (enc *jsonEncoder) record(dst []byte, e *event.Event) []byte {
	has := e.Parts()
	p := enc.plans[has]
	if p == nil {
		p = enc.plan(has)
	}
	l, start := &enc.line, len(dst)
	l.b, l.n, l.spare = dst[:cap(dst)], len(dst), p.room
	l.make(0)
	l.columns(e, p.before)
	if p.to > 0 {
		enc.application(e.App, p.from, p.to)
	}
	l.columns(e, p.behind)
	dst, l.b = l.b[:l.n], nil
	if len(dst) == start {
		return append(dst, "{}\n"...)
	}
	dst[start] = '{' // where the first comma was
	return append(dst, '}', '\n')
}

// application writes the columns from from to to whose fields are set, in their order.
func (enc *jsonEncoder) application(app *event.App, from, to int16) {
	values, order := app.Values(), enc.order[:0]
	for i := range values {
		at := enc.place[values[i].Index] - 1
		if at < from || at >= to {
			continue
		}
		o := uint32(at)<<16 | uint32(i)
		order = append(order, o)
		j := len(order) - 1 // they come nearly in order
		for ; j > 0 && order[j-1] > o; j-- {
			order[j] = order[j-1]
		}
		order[j] = o
	}
	enc.order = order
	l := &enc.line
	for _, o := range order {
		c, v := &enc.columns[o>>16], &values[o&0xffff]
		l.make(0)
		switch c.typ {
		case event.String:
			l.text(c, v.Str())
		case event.Uint:
			l.uint(c, v.Num())
		case event.Bool:
			l.bool(c, v.Num() != 0)
		case event.Time:
			l.time(c, int64(v.Num()))
		case event.List:
			l.list(c, v.List())
		}
	}
}

// jsonLine is the record that is being written, behind those that b holds already: b[:n] is taken, and the rest is in any
// state. Whatever may be long makes room for itself and for what may follow, so that the many values that are short need
// not ask.
type jsonLine struct {
	b     []byte
	n     int
	spare int // the room that there always is
}

// valueRoom is more than key and value of a column take that is no text and no list.
const valueRoom = keyRoom + cellSize

// make makes room for size bytes beside what is spare.
func (l *jsonLine) make(size int) {
	if size += l.spare; len(l.b)-l.n < size {
		l.b = slices.Grow(l.b[:l.n], size)
		l.b = l.b[:cap(l.b)]
	}
}

// begin writes the key, and gives the room for a value.
func (l *jsonLine) begin(c *jsonColumn) *cell {
	v := (*[valueRoom]byte)(l.b[l.n:])
	*(*[keyRoom]byte)(v[:]) = c.key
	l.n += int(c.size % keyRoom)
	return (*cell)(v[c.size%keyRoom:])
}

// quote ends a text for which there is room.
func (l *jsonLine) quote() {
	l.b[l.n] = '"'
	l.n++
}

// columns writes key and value of each column, and nothing of a field that is absent.
func (l *jsonLine) columns(e *event.Event, columns []*jsonColumn) {
	for _, c := range columns {
		f := c.field
		switch c.typ {
		case event.Uint:
			switch n, ok := c.number(e); {
			case !ok:
			case n < 10: // as most are
				l.begin(c)[0] = '0' + byte(n)
				l.n++
			default:
				l.uint(c, n)
			}
		case event.String:
			switch {
			case c.more.words != nil:
				if i := f.Word(e); i >= 0 {
					l.word(&c.more.words[i])
				} else {
					l.text(c, f.Str(e))
				}
			case f.Append != nil:
				l.made(c, e)
			default:
				l.text(c, f.Str(e))
			}
		case event.ID:
			if n, ok := c.number(e); ok {
				l.n += putHex(l.begin(c), n)
				l.quote()
			}
		case event.Float:
			if n, ok := f.Float(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
				l.n += putFloat(l.begin(c), n)
			}
		case event.Bool:
			if b, ok := f.Bool(e); ok {
				l.bool(c, b)
			}
		case event.Addr:
			if a := f.Addr(e); a.IsValid() {
				l.addr(c, a)
			}
		case event.Time:
			l.time(c, f.Time(e))
		case event.List:
			l.list(c, f.List(e))
		}
	}
}

func (l *jsonLine) uint(c *jsonColumn, n uint64) {
	l.n += putUint(l.begin(c), n)
}

func (l *jsonLine) bool(c *jsonColumn, b bool) {
	l.n += len(strconv.AppendBool(l.begin(c)[:0], b))
}

func (l *jsonLine) word(w *jsonWord) {
	*(*[keyRoom]byte)(l.b[l.n:]) = w.text
	l.n += w.size
}

func (l *jsonLine) addr(c *jsonColumn, a netip.Addr) {
	v := l.begin(c)
	if a.Zone() == "" {
		l.n += putAddr(v, a)
	} else {
		l.append(a.AppendTo(l.b[:l.n]))
	}
	l.quote()
}

// append takes what was appended to b[:n].
func (l *jsonLine) append(b []byte) {
	l.b, l.n = b[:cap(b)], len(b)
	l.make(0)
}

func (l *jsonLine) time(c *jsonColumn, ns int64) {
	if ns == 0 {
		return
	}
	stamp := &c.more.stamp
	l.n += stamp.put(l.begin(c), ns)
	if !stamp.number {
		l.quote()
	}
}

// made is for texts that are made on demand; they hold nothing that needs escaping.
func (l *jsonLine) made(c *jsonColumn, e *event.Event) {
	text := c.field.Append(l.begin(c)[:0], e)
	switch n := len(text); {
	case n == 0:
		l.n -= int(c.size)
		return
	case n <= cellSize:
		l.n += n
	default: // it is elsewhere
		l.append(append(l.b[:l.n], text...))
	}
	l.quote()
}

func (l *jsonLine) text(c *jsonColumn, s string) {
	if s != "" {
		l.begin(c)
		l.string(s)
	}
}

func (l *jsonLine) list(c *jsonColumn, texts []string) {
	if len(texts) == 0 {
		return
	}
	l.begin(c)[0] = '['
	l.n++
	for i, s := range texts {
		if i > 0 {
			l.b[l.n] = ','
			l.n++
		}
		l.quote()
		l.string(s)
	}
	l.b[l.n] = ']'
	l.n++
}

// string writes the rest of a text and the quote that ends it.
func (l *jsonLine) string(s string) {
	l.make(len(s))
	if b := l.b[l.n:]; copyPlainJSON(b, s) {
		b[len(s)] = '"'
		l.n += len(s) + 1
		return
	}
	l.append(append(appendEscapedJSON(l.b[:l.n], s), '"'))
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
	dst = room(dst, len(s))
	if copyPlainJSON(dst[len(dst):cap(dst)], s) {
		return dst[:len(dst)+len(s)]
	}
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
	return append(dst, s[start:]...)
}

// copyPlainJSON copies s to the beginning of b, where there is room, and tells whether every byte of s stands for itself.
func copyPlainJSON(b []byte, s string) bool {
	b = b[:len(s)]
	if len(s) >= 8 {
		var bad uint64
		for i, last := 0, len(s)-8; ; i = min(i+8, last) { // the last eight may overlap those before
			t := s[i : i+8]
			x := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
				uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
			binary.LittleEndian.PutUint64(b[i:i+8], x)
			bad |= special(x)
			if i == last {
				return bad&tops == 0
			}
		}
	}
	if len(s) >= 4 { // so may the last four
		t := s[len(s)-4:]
		x := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		y := uint32(t[0]) | uint32(t[1])<<8 | uint32(t[2])<<16 | uint32(t[3])<<24
		binary.LittleEndian.PutUint32(b, x)
		binary.LittleEndian.PutUint32(b[len(s)-4:], y)
		return special(uint64(x)|uint64(y)<<32)&tops == 0
	}
	for i := range len(s) {
		c := s[i]
		if b[i] = c; !plainASCII[c] {
			return false
		}
	}
	return true
}

// special marks the bytes of eight that do not stand for themselves by their top bits: what is not ASCII, DEL, below a
// space, a quote, a backslash.
func special(x uint64) uint64 {
	const each = 0x0101010101010101
	quote, back := x^each*'"', x^each*'\\'
	return x | (x + each) | (x - each*' ') | (quote-each)&^quote | (back-each)&^back
}

const tops = 0x8080808080808080

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
