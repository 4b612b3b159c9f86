package dpi

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// What parsers of text share: letters, words, lines, names, and what may be shown of them.

func digit(b byte) bool { return b >= '0' && b <= '9' }

// digits tells whether b is at most n digits.
func digits(b []byte, n int) bool {
	for _, d := range b {
		if !digit(d) {
			return false
		}
	}
	return len(b) <= n
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b |= 0x20
	}
	return b
}

// lower8 is lower of eight bytes at once. Adding to the lower seven bits of a byte carries into the upper one where they
// are above a bound.
func lower8(x uint64) uint64 {
	const each = 0x0101010101010101
	seven := x & (each * 0x7f)
	fromA, behindZ := seven+each*(0x80-'A'), seven+each*(0x7f-'Z')
	return x | (fromA&^behindZ&^x&(each*0x80))>>2
}

// equalFold compares with a name in small letters, without regard to case.
func equalFold(b []byte, small string) bool {
	if len(b) != len(small) {
		return false
	}
	for len(b) >= 8 {
		if lower8(binary.LittleEndian.Uint64(b)) != binary.LittleEndian.Uint64([]byte(small)) {
			return false
		}
		if len(b) == 8 {
			return true
		}
		n := min(8, len(b)-8) // the last eight may overlap those before
		b, small = b[n:], small[n:]
	}
	for i := range b {
		if lower(b[i]) != small[i] {
			return false
		}
	}
	return true
}

func hasPrefixFold(b []byte, small string) bool {
	return len(b) >= len(small) && equalFold(b[:len(small)], small)
}

func containsFold(b []byte, small string) bool {
	for i := 0; i+len(small) <= len(b); i++ {
		if lower(b[i]) == small[0] && equalFold(b[i:i+len(small)], small) {
			return true
		}
	}
	return false
}

// decimal reads a number of digits alone, as many as 64 bits hold for certain.
func decimal(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if !digit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// trimCR takes away the first half of a line's end.
func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// trimSpace takes away blanks and tabs, which is less than bytes.TrimSpace does.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n-- {
		b = b[:n-1]
	}
	return b
}

func skipEmptyLines(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// trimZeros takes the zeros away that some put behind a text.
func trimZeros(b []byte) []byte {
	return bytes.TrimRight(b, "\x00")
}

// cutLine returns the first line without its end, and its length with it; nil while it is not whole.
func cutLine(b []byte) (line []byte, size int) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, 0
	}
	return trimCR(b[:end:end]), end + 1
}

// cutWord splits a line behind its first word.
func cutWord(line []byte) (word, rest []byte) {
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return line, nil
	}
	return line[:i], trimSpace(line[i+1:])
}

func firstWord(b []byte) []byte { word, _ := cutWord(b); return word }

// oneOf tells whether a word is one of those in list, which are in small letters and between spaces.
func oneOf(word []byte, list string) bool {
	if len(word) == 0 || len(word) > 24 {
		return false
	}
	for first := lower(word[0]); len(word) <= len(list); {
		if n := len(word); list[0] == first && (n == len(list) || list[n] == ' ') && equalFold(word, list[:n]) {
			return bytes.IndexByte(word, ' ') < 0
		}
		for list[0] != ' ' { // a word is short
			if list = list[1:]; len(list) == 0 {
				return false
			}
		}
		list = list[1:]
	}
	return false
}

// spelled gives the one of the names that b is, however its letters are written; "" for none.
func spelled(b []byte, names []string) string {
	for _, name := range names {
		if len(b) == len(name) && strings.EqualFold(string(b), name) {
			return name
		}
	}
	return ""
}

// zeroText returns the text before the first zero byte and what is behind that; ok is false when there is none.
func zeroText(b []byte) (text, rest []byte, ok bool) { return bytes.Cut(b, []byte{0}) }

// jsonString finds the text of a key, given with its quotes, in an object of one line. Texts with escapes are left out.
func jsonString(b []byte, key string) []byte {
	at := bytes.Index(b, []byte(key))
	if at < 0 {
		return nil
	}
	b = bytes.TrimLeft(b[at+len(key):], " ")
	if len(b) == 0 || b[0] != ':' {
		return nil
	}
	b = bytes.TrimLeft(b[1:], " ")
	if len(b) == 0 || b[0] != '"' {
		return nil
	}
	end := bytes.IndexAny(b[1:], `"\`)
	if end < 0 || b[1+end] != '"' {
		return nil
	}
	return b[1 : 1+end]
}

// textLine tells whether a line has no control characters but tabs.
func textLine(line []byte) bool {
	for len(line) > 8 && !controls8(le64(line)) {
		line = line[8:]
	}
	for _, b := range line {
		if b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// controls8 tells whether one of eight bytes is a control character: a byte borrows from the upper bit where it is below a
// bound, which those with that bit set do not count for.
func controls8(x uint64) bool {
	const each = 0x0101010101010101
	del := x ^ each*0x7f
	return ((x-each*' ')&^x|(del-each)&^del)&(each*0x80) != 0
}

// printable tells whether b is a word of printable ASCII: what may be shown as a name, whether or not it is a host's.
func printable(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
}

const maxFactLen = 255

// readable tells whether b is text of any number of lines: no control characters, but any UTF-8.
func readable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// oneLine tells whether b can be shown as a fact.
func oneLine(b []byte) bool {
	return len(b) <= maxFactLen && readable(b) && !bytes.ContainsAny(b, "\t\n\r")
}

// hostName tells whether b can be the name of a host: letters, digits, hyphens, underscores and dots (RFC 1123 section 2.1; underscores are in use).
func hostName(b []byte) bool {
	if len(b) == 0 || len(b) > 255 {
		return false
	}
	for _, c := range b {
		if hostLetters[c] == 0 {
			return false
		}
	}
	return b[0] != '.' && b[0] != '-'
}

// hostLetters has what the name of a host can be made of, in lower case; 0 is what it can not.
var hostLetters = func() (of [256]byte) {
	for i := range of {
		if c := byte(i); alphanumeric(c) || c == '-' || c == '.' || c == '_' {
			of[c] = lower(c)
		}
	}
	return of
}()

// nameOfHost tells whether b can be the name of a host and is no address.
func nameOfHost(b []byte) bool {
	if !hostName(b) {
		return false
	}
	if n := len(b) - 1; b[n] == '.' { // the root's
		b = b[:n]
	}
	if !digit(b[len(b)-1]) { // as addresses end, of those that have no colons
		return true
	}
	_, err := netip.ParseAddr(string(b))
	return err != nil
}

// numbers tells whether b is between lo and hi decimal numbers.
func numbers(b []byte, lo, hi int) bool {
	n := 0
	for len(b) > 0 {
		var word []byte
		word, b = cutWord(b)
		if _, ok := decimal(bytes.TrimPrefix(word, []byte("-"))); !ok {
			return false
		}
		n++
	}
	return n >= lo && n <= hi
}
