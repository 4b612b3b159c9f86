package output

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"rustnet/track/event"
)

// csvEncoder writes RFC 4180, which ends lines with CR LF (§2.1); so do sqlite3 and Python's csv. Every
// record has every column, so that a file can be appended to by a later run. Lists are joined with a space.
type csvEncoder struct {
	columns []csvColumn
	escape  bool // it goes to a terminal
}

type csvColumn struct {
	field *event.Field
	stamp stamp
	needs event.Part
}

func newCSV(fields []*event.Field, timeFormat string, terminal bool) *csvEncoder {
	enc := &csvEncoder{escape: terminal}
	for _, f := range fields {
		enc.columns = append(enc.columns, csvColumn{f, newStamp(timeFormat), f.Needs()})
	}
	return enc
}

const lineEnd = "\r\n"

func (enc *csvEncoder) header(dst []byte) []byte {
	for i := range enc.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, enc.columns[i].field.Name...)
	}
	return append(dst, lineEnd...)
}

func (enc *csvEncoder) record(dst []byte, e *event.Event) []byte {
	has := e.Parts()
	for i := range enc.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		if enc.columns[i].needs&^has != 0 && len(enc.columns) > 1 {
			continue
		}
		start := len(dst)
		dst = appendValue(dst, enc.columns[i].field, &enc.columns[i].stamp, e)
		if t := enc.columns[i].field.Type; t == event.String || t == event.List {
			dst = enc.text(dst, start)
		}
		if len(enc.columns) == 1 && len(dst) == start {
			dst = append(dst, `""`...) // an empty line would be no record
		}
	}
	return append(dst, lineEnd...)
}

// text makes a cell of the raw text in dst[start:]: valid UTF-8, and quoted where it must be.
func (enc *csvEncoder) text(dst []byte, start int) []byte {
	raw := dst[start:]
	if enc.escape && !isPlain(raw) {
		dst = appendEscaped(dst[:start], string(raw))
		raw = dst[start:]
	}
	if !utf8.Valid(raw) {
		dst = append(dst[:start], strings.ToValidUTF8(string(raw), "\uFFFD")...)
		raw = dst[start:]
	}
	if bytes.IndexByte(raw, '"') < 0 && bytes.IndexByte(raw, ',') < 0 && bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return dst
	}
	quoted := strings.ReplaceAll(string(raw), `"`, `""`)
	return append(append(append(dst[:start], '"'), quoted...), '"')
}

// AppendText appends a field's value as text, nothing when it is absent.
func AppendText(dst []byte, f *event.Field, e *event.Event) []byte {
	st := stamp{number: true}
	return appendValue(dst, f, &st, e)
}

// appendValue writes a value as it is, texts unescaped; nothing when it is absent.
func appendValue(dst []byte, f *event.Field, st *stamp, e *event.Event) []byte {
	switch f.Type {
	case event.String:
		if f.Append != nil {
			return f.Append(dst, e)
		}
		return append(dst, f.Str(e)...)
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return appendUint(dst, n)
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			return appendHex(dst, n)
		}
	case event.Float:
		if n, ok := f.Float(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return appendFloat(dst, n)
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return strconv.AppendBool(dst, b)
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			return appendAddr(dst, a)
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			return st.append(dst, ns)
		}
	case event.List:
		for i, s := range f.List(e) {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, s...)
		}
	}
	return dst
}
