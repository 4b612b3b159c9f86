package output

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"unicode/utf8"

	"rustnet/track/event"
)

// jsonEncoder writes one object a line, without reflection or allocation.
type jsonEncoder struct {
	// The application's fields, as far as they stand together, and what comes before and behind them.
	before, app, behind []jsonColumn
	// plans has the columns to ask for each set of parts that an event can have; nil until it is needed.
	plans [event.NumParts]*jsonPlan
	// Of some two hundred application fields a record has ten: they are found by what is set, not by
	// asking each. place is a field's place in app, by its AppIndex, nowhere of those that are not in it.
	place  [event.MaxAppFields]uint16
	values [2 * nowhere]uint8 // scratch: which of the values that are set belongs to a place
	line   jsonLine
}

// nowhere is behind all places.
const nowhere = event.MaxAppFields

// jsonPlan is what to ask for.
type jsonPlan struct {
	before, behind []*jsonColumn
	app            bool
}

// jsonColumn is as large as a cache line: for each record some forty are read.
type jsonColumn struct {
	key    [keyRoom]byte // ,"name": and where its value is one, the quote that begins a text
	size   uint8         // of key
	how    jsonForm
	field  *event.Field
	number func(*event.Event) (uint64, bool) // field.Uint
	more   *jsonMore
}

// jsonForm is how a column's value is asked for and written.
type jsonForm uint8

const (
	jsonText jsonForm = iota
	jsonWord          // of a field that has Words; else jsonText
	jsonMade          // of one that has Append
	jsonUint
	jsonID
	jsonFloat
	jsonBool
	jsonAddr
	jsonTime
	jsonList

	jsonHead // and what follows: runs
	jsonEnds
	jsonSpan
	jsonAgain
	jsonState
	jsonNames
	jsonProc
)

var jsonForms = [...]jsonForm{event.String: jsonText, event.Uint: jsonUint, event.Float: jsonFloat, event.Bool: jsonBool,
	event.Addr: jsonAddr, event.Time: jsonTime, event.List: jsonList, event.ID: jsonID}

type jsonMore struct {
	stamp stamp
	words []jsonWhole // of a field that has Words
	run   *jsonRun
}

// keyRoom is more than any key has. Copying all of it, whatever its size, takes two moves and no loop.
const keyRoom = 32

// jsonWhole is a key with its value.
type jsonWhole struct {
	text [keyRoom]byte
	size uint16 // 0 = the field is absent
}

func newJSON(fields []*event.Field, timeFormat string) *jsonEncoder {
	enc := &jsonEncoder{}
	for i := range enc.place {
		enc.place[i] = nowhere
	}
	if len(fields) > maxColumns {
		panic("output: more fields than a record's window holds; widen it")
	}
	for _, f := range fields {
		c := jsonColumn{how: jsonForms[f.Type], field: f, number: f.Uint, more: &jsonMore{stamp: newStamp(timeFormat)}}
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
			if c.more.words = jsonWords(key, f.Words); c.more.words != nil {
				c.how = jsonWord
			}
		} else if f.Append != nil {
			c.how = jsonMade
		}
		index, app := f.AppIndex()
		switch {
		case app && len(enc.behind) == 0:
			enc.place[index] = uint16(len(enc.app))
			enc.app = append(enc.app, c)
		case len(enc.app) == 0:
			enc.before = append(enc.before, c)
		default:
			enc.behind = append(enc.behind, c)
		}
	}
	enc.before, enc.behind = withProcs(enc.before), withProcs(enc.behind)
	return enc
}

// jsonWords is nil when one of the words is too long.
func jsonWords(key []byte, words []string) []jsonWhole {
	all := make([]jsonWhole, len(words))
	for i, word := range words {
		if word == "" {
			continue
		}
		text := append(appendEscapedJSON(slices.Clone(key), word), '"')
		if copy(all[i].text[:], text) < len(text) {
			return nil
		}
		all[i].size = uint16(len(text))
	}
	return all
}

func (enc *jsonEncoder) header(dst []byte) []byte { return dst }

// plan makes the plan for events that have these parts.
func (enc *jsonEncoder) plan(has event.Part) *jsonPlan {
	there := func(columns []jsonColumn) (asked []*jsonColumn) {
		for i := range columns {
			if c := &columns[i]; c.field.Needs()&^has == 0 {
				asked = append(asked, c)
			}
		}
		return asked
	}
	p := &jsonPlan{withRuns(there(enc.before)), withRuns(there(enc.behind)), len(there(enc.app)) > 0}
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
	l.dst = dst
	l.columns(e, p.before)
	if p.app {
		enc.application(e.App)
	}
	l.columns(e, p.behind)
	l.spill()
	dst, l.dst = l.dst, nil
	if len(dst) == start {
		return append(dst, "{}\n"...)
	}
	dst[start] = '{' // where the first comma was
	return append(dst, '}', '\n')
}

// application writes the columns of app whose fields are set, in their order.
func (enc *jsonEncoder) application(app *event.App) {
	values := app.Values()
	var set [2 * nowhere / 64]uint64 // a bit for each place
	for i := range values {
		at := enc.place[values[i].Index%nowhere] % (2 * nowhere)
		set[at/64] |= 1 << (at % 64)
		enc.values[at] = uint8(i)
	}
	for word, places := range set[:(len(enc.app)+63)/64] {
		for ; places != 0; places &= places - 1 {
			at := 64*word + bits.TrailingZeros64(places)
			enc.line.value(&enc.app[at], &values[enc.values[at]])
		}
	}
}

// value writes key and value of an application's field.
func (l *jsonLine) value(c *jsonColumn, v *event.AppValue) {
	if l.n > windowFull {
		l.spill()
	}
	switch c.how {
	case jsonText:
		if s := v.Str(); s != "" {
			l.begin(c)
			l.string(s)
		}
	case jsonUint:
		l.uint(c, v.Num())
	case jsonBool:
		l.bool(c, v.Num() != 0)
	case jsonTime:
		l.time(c, int64(v.Num()))
	case jsonList:
		l.list(c, v.List())
	}
}

// jsonLine is the record that is being written: the end of it is in window[:n], what comes before is in dst already. An index
// of sixteen bits needs no check in the window, and there is room for a value behind every one. So it is what may be long
// that sees to it that n stays below windowFull; what comes between, of one column each, is too little to get to the end.
type jsonLine struct {
	dst    []byte
	n      uint16
	window [1<<16 + valueRoom]byte
}

const (
	// valueRoom is more than key and value of a column take that is no text and no list.
	valueRoom  = keyRoom + cellSize
	windowFull = 1 << 13
	maxColumns = (1<<16 - windowFull) / valueRoom
)

// spill empties the window.
func (l *jsonLine) spill() {
	l.dst = append(l.dst, l.window[:l.n]...)
	l.n = 0
}

// begin writes the key, and gives the room for a value.
func (l *jsonLine) begin(c *jsonColumn) *cell {
	v := (*[valueRoom]byte)(l.window[l.n:])
	*(*[keyRoom]byte)(v[:]) = c.key
	l.n += uint16(c.size)
	return (*cell)(v[c.size%keyRoom:])
}

// byte writes one.
func (l *jsonLine) byte(b byte) {
	l.window[l.n] = b
	l.n++
}

// columns writes key and value of each column, and nothing of a field that is absent.
func (l *jsonLine) columns(e *event.Event, columns []*jsonColumn) {
	for _, c := range columns {
		switch c.how {
		case jsonUint:
			if n, ok := c.number(e); ok {
				l.n += uint16(putUint(l.begin(c), n))
			}
		case jsonWord:
			if i := c.field.Word(e); i >= 0 {
				l.word(&c.more.words[i])
				break
			}
			fallthrough
		case jsonText:
			if s := c.field.Str(e); s != "" {
				l.begin(c)
				l.string(s)
			}
		case jsonMade:
			l.made(c, e)
		case jsonID:
			if n, ok := c.number(e); ok {
				l.n += uint16(putHex(l.begin(c), n))
				l.byte('"')
			}
		case jsonFloat:
			if n, ok := c.field.Float(e); ok && n-n == 0 { // neither infinite nor no number
				l.n += uint16(putFloat(l.begin(c), n))
			}
		case jsonBool:
			if b, ok := c.field.Bool(e); ok {
				l.bool(c, b)
			}
		case jsonAddr:
			if a := c.field.Addr(e); a.IsValid() {
				l.addr(c, a)
			}
		case jsonTime:
			l.time(c, c.field.Time(e))
		case jsonList:
			l.list(c, c.field.List(e))
		default:
			l.run(c.how, c.more.run, e)
		}
	}
}

// word writes a key with its value.
func (l *jsonLine) word(w *jsonWhole) {
	*(*[keyRoom]byte)(l.window[l.n:]) = w.text
	l.n += w.size
}

func (l *jsonLine) uint(c *jsonColumn, n uint64) {
	l.n += uint16(putUint(l.begin(c), n))
}

func (l *jsonLine) bool(c *jsonColumn, b bool) {
	l.n += uint16(len(strconv.AppendBool(l.begin(c)[:0], b)))
}

func (l *jsonLine) addr(c *jsonColumn, a netip.Addr) {
	v := l.begin(c)
	if a.Zone() == "" {
		l.n += uint16(putAddr(v, a))
	} else {
		l.spill()
		l.dst = a.AppendTo(l.dst)
	}
	l.byte('"')
}

func (l *jsonLine) time(c *jsonColumn, ns int64) {
	if ns == 0 {
		return
	}
	stamp := &c.more.stamp
	if stamp.number {
		l.n += uint16(putUnix(l.begin(c), ns))
		return
	}
	l.n += uint16(stamp.put(l.begin(c), ns)) + 1 // and the quote behind it
}

// made is for texts that are made on demand; they hold nothing that needs escaping.
func (l *jsonLine) made(c *jsonColumn, e *event.Event) {
	text := c.field.Append(l.begin(c)[:0], e)
	switch n := len(text); {
	case n == 0:
		l.n -= uint16(c.size)
		return
	case n <= cellSize:
		l.n += uint16(n)
	default: // it is elsewhere
		l.spill()
		l.dst = append(l.dst, text...)
	}
	l.byte('"')
}

func (l *jsonLine) list(c *jsonColumn, texts []string) {
	if len(texts) == 0 {
		return
	}
	l.begin(c)[0] = '['
	l.n++
	for i, s := range texts {
		if i > 0 {
			l.byte(',')
		}
		l.byte('"')
		l.string(s)
	}
	l.byte(']')
}

// string writes the rest of a text and the quote that ends it. Nearly every text stands for itself: it is copied while that is
// found out.
func (l *jsonLine) string(s string) {
	if int(l.n)+len(s) > windowFull {
		l.escape(s)
		return
	}
	n, rest, bad := l.n, s, uint64(0)
	for len(rest) > 8 {
		x := eight(rest)
		binary.LittleEndian.PutUint64(l.window[n:], x)
		bad |= special(x)
		n, rest = n+8, rest[8:]
	}
	end := l.n + uint16(len(s))
	switch {
	case len(s) >= 8: // the last eight may overlap those before
		x := eight(s[len(s)-8:])
		binary.LittleEndian.PutUint64(l.window[end-8:], x)
		bad |= special(x)
	case len(s) >= 4: // so may the last four
		x, y := four(s), four(s[len(s)-4:])
		binary.LittleEndian.PutUint32(l.window[n:], x)
		binary.LittleEndian.PutUint32(l.window[end-4:], y)
		bad = special(uint64(x) | uint64(y)<<32)
	default:
		for i := range len(s) {
			c := s[i]
			l.window[n] = c
			if n++; !plainASCII[c] {
				bad = tops
			}
		}
	}
	if bad&tops != 0 {
		l.escape(s)
		return
	}
	l.window[end] = '"'
	l.n = end + 1
}

// escape is string of what is long or does not stand for itself.
func (l *jsonLine) escape(s string) {
	l.spill()
	l.dst = append(appendEscapedJSON(l.dst, s), '"')
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
	for i := 0; i < len(s); {
		if len(s)-i >= 8 && special(eight(s[i:]))&tops == 0 {
			i += 8
			continue
		}
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

// eight gives the first bytes of s as a number.
func eight(s string) uint64 {
	s = s[:8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// four is eight for the first four.
func four(s string) uint32 {
	s = s[:4]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// special marks the bytes of eight that do not stand for themselves by their top bits: what is not ASCII, DEL, below a
// space or a quote, which becomes a space by turning its second bit and lets those below stay there, a backslash. A byte
// may be marked because of one before it, too.
func special(x uint64) uint64 {
	const each = 0x0101010101010101
	return x | (x + each) | (x ^ each*2 - each*('"'^2+1)) | (x ^ each*'\\' - each)
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
