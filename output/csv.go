package output

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"rustnet/track/event"
)

// csvEncoder writes RFC 4180, which ends lines with CR LF (§2.1); so do sqlite3 and Python's csv. Every
// record has every column, so that a file can be appended to by a later run. Lists are joined with a space.
type csvEncoder struct {
	cells  cells
	commas string
	escape bool // it goes to a terminal
}

func newCSV(fields []*event.Field, timeFormat string, terminal bool) *csvEncoder {
	return &csvEncoder{newCells(fields, timeFormat), strings.Repeat(",", len(fields)), terminal}
}

const lineEnd = "\r\n"

func (enc *csvEncoder) header(dst []byte) []byte {
	for i := range enc.cells.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, enc.cells.columns[i].field.Name...)
	}
	return append(dst, lineEnd...)
}

func (enc *csvEncoder) record(dst []byte, e *event.Event) []byte {
	begin, column := len(dst), 0 // whose cell begins at the end of dst
	for at, v := range enc.cells.of(e) {
		dst = append(dst, enc.commas[:at-column]...)
		start := len(dst)
		dst = enc.cells.append(dst, at, v, e)
		if f := enc.cells.columns[at].field; len(dst) > start && (f.Type == event.List || f.Type == event.String && f.Append == nil) { // else nothing in it needs quotes
			dst = enc.text(dst, start)
		}
		column = at
	}
	dst = append(dst, enc.commas[:len(enc.commas)-1-column]...)
	if len(dst) == begin {
		dst = append(dst, `""`...) // an empty line would be no record
	}
	return append(dst, lineEnd...)
}

// text makes a cell of the raw text in dst[start:]: valid UTF-8, and quoted where it must be.
func (enc *csvEncoder) text(dst []byte, start int) []byte {
	raw := dst[start:]
	if isPlainCell(raw) {
		return dst
	}
	if enc.escape && !isPlain(raw) {
		dst = appendEscaped(dst[:start], string(raw))
		raw = dst[start:]
	}
	if !utf8.Valid(raw) {
		dst = append(dst[:start], strings.ToValidUTF8(string(raw), "\uFFFD")...)
		raw = dst[start:]
	}
	if !bytes.ContainsAny(raw, "\",\r\n") {
		return dst
	}
	quoted := strings.ReplaceAll(string(raw), `"`, `""`)
	return append(append(append(dst[:start], '"'), quoted...), '"')
}

// isPlainCell tells that a text is printable ASCII and needs no quotes. Of a few others it says no as well.
func isPlainCell(text []byte) bool {
	const commas = 0x0101010101010101 * ','
	marked := uint64(0)
	for ; len(text) >= 8; text = text[8:] {
		x := binary.LittleEndian.Uint64(text)
		marked |= special(x) | (x ^ commas - 0x0101010101010101)
	}
	for _, c := range text {
		if !plainASCII[c] || c == ',' {
			return false
		}
	}
	return marked&tops == 0
}
