package output

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// AppendCell appends text from outside, safe to show, in exactly width columns.
func AppendCell(dst []byte, text string, width int, right bool) []byte {
	c := column{width: width, right: right}
	return pad(dst, appendEscaped(nil, text), &c, false, 0)
}

// CellWidth is how many columns AppendCell needs to show text as a whole.
func CellWidth(text string) int { return textWidth(appendEscaped(nil, text)) }

// ForPeople is a message with what stands in it from outside safe to show, such as the name of a file. Its own lines stay lines. Of
// what is so long that the message could not be found in it, such as an argument of 20 kB that is wrong, the ends are shown.
func ForPeople(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if words := strings.Split(line, "\t"); len(words) > 1 || !isPlain([]byte(line)) {
			for j, word := range words {
				words[j] = string(appendEscaped(nil, word))
			}
			lines[i] = strings.Join(words, "\t")
		}
		lines[i] = ends(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Longer words and lines, in bytes, are cut in the middle. No word of a message's own is as long, nor a path that people write.
const wordMax, lineMax = 400, 4000

// ends is a line without the middle of what is too long in it.
func ends(line string) string {
	if len(line) <= wordMax {
		return line
	}
	words := strings.Split(line, " ")
	for i := range words {
		words[i] = cut(words[i], wordMax)
	}
	return cut(strings.Join(words, " "), lineMax)
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	from, to := most*3/4, len(text)-most/4
	for !utf8.RuneStart(text[from]) {
		from--
	}
	for !utf8.RuneStart(text[to]) {
		to++
	}
	return text[:from] + "…" + text[to:]
}

// isPlain is true for printable ASCII, which needs no escaping and is as wide as it is long.
func isPlain(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// hostile is true for what does not print but makes a terminal act: C1 controls, marks that set the
// direction of writing (Unicode TR 36 §2.5), invisible characters.
func hostile(r rune) bool {
	return r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0x061c || r == 0xfeff
}

// Hostile is hostile, for forms that escape in their own way.
func Hostile(r rune) bool { return hostile(r) }

// appendEscaped makes text from outside safe to show: what does not print is shown as Go would write it.
// Backslashes stay as they are; this is for reading, not for reading back.
func appendEscaped(dst []byte, s string) []byte {
	marks := 0 // combining marks in a row, which stack up over other lines
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			dst = append(dst, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < 0x80 && !unicode.IsPrint(r):
			dst = append(dst, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		case hostile(r) || !unicode.IsPrint(r):
			if r < 0x10000 {
				dst = appendU(dst, r)
			} else {
				dst = append(dst, '\\', 'U', '0', '0', hexDigits[r>>20&15])
				dst = append(dst, hexDigits[r>>16&15], hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			}
		default:
			if unicode.In(r, unicode.Mn, unicode.Me) {
				marks++
			} else {
				marks = 0
			}
			if marks <= 2 {
				dst = append(dst, s[i:i+size]...)
			}
		}
		i += size
	}
	return dst
}

// wide holds the characters that take two columns: East Asian Width W and F (Unicode TR 11), emoji among them.
var wide = [...][2]rune{{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x23f0, 0x23f0},
	{0x23f3, 0x23f3}, {0x25fd, 0x25fe}, {0x2614, 0x2615}, {0x2648, 0x2653}, {0x267f, 0x267f}, {0x2693, 0x2693},
	{0x26a1, 0x26a1}, {0x26aa, 0x26ab}, {0x26bd, 0x26be}, {0x26c4, 0x26c5}, {0x26ce, 0x26ce}, {0x26d4, 0x26d4},
	{0x26ea, 0x26ea}, {0x26f2, 0x26f3}, {0x26f5, 0x26f5}, {0x26fa, 0x26fa}, {0x26fd, 0x26fd}, {0x2705, 0x2705},
	{0x270a, 0x270b}, {0x2728, 0x2728}, {0x274c, 0x274c}, {0x274e, 0x274e}, {0x2753, 0x2755}, {0x2757, 0x2757},
	{0x2795, 0x2797}, {0x27b0, 0x27b0}, {0x27bf, 0x27bf}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55},
	{0x2e80, 0x303e}, {0x3041, 0x4dbf}, {0x4e00, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe10, 0xfe19}, {0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6}, {0x16fe0, 0x18dff}, {0x1aff0, 0x1b2ff},
	{0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335},
	{0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
	{0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567},
	{0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc},
	{0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6d7}, {0x1f6dc, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb},
	{0x1f7f0, 0x1f7f0}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff},
	{0x20000, 0x2fffd}, {0x30000, 0x3fffd}}

// runeWidth is how many columns a printable character takes.
func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	lo, hi := 0, len(wide)
	for lo < hi {
		if mid := (lo + hi) / 2; wide[mid][1] < r {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(wide) && wide[lo][0] <= r {
		return 2
	}
	return 1
}

// textWidth is how many columns escaped text takes.
func textWidth(s []byte) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		n += runeWidth(r)
		i += size
	}
	return n
}

// headOf gives the longest beginning of s that takes at most width columns.
func headOf(s []byte, width int) []byte {
	i := 0
	for i < len(s) {
		r, size := utf8.DecodeRune(s[i:])
		if width -= runeWidth(r); width < 0 {
			break
		}
		i += size
	}
	return s[:i]
}

// tailOf gives the longest end of s that takes at most width columns.
func tailOf(s []byte, width int) []byte {
	i := len(s)
	for i > 0 {
		r, size := utf8.DecodeLastRune(s[:i])
		if width -= runeWidth(r); width < 0 {
			break
		}
		i -= size
	}
	return s[i:]
}

// elision is where text that is too long is cut.
type elision uint8

// A name's beginning says most, a host's end does, an address's two ends do.
const (
	cutEnd elision = iota
	cutMiddle
	cutStart
)

const ellipsis = "…"

// appendElided appends text in at most width columns and gives the columns it took.
func appendElided(dst, text []byte, width int, how elision) ([]byte, int) {
	if w := textWidth(text); w <= width {
		return append(dst, text...), w
	}
	if width <= 0 {
		return dst, 0
	}
	room := width - 1
	var head, tail []byte
	switch how {
	case cutEnd:
		head = headOf(text, room)
	case cutStart:
		tail = tailOf(text, room)
	case cutMiddle:
		head, tail = headOf(text, (room+1)/2), tailOf(text, room/2)
	}
	dst = append(append(append(dst, head...), ellipsis...), tail...)
	return dst, textWidth(head) + 1 + textWidth(tail)
}

const spaces = "                                                                "

func appendSpaces(dst []byte, n int) []byte {
	for n > len(spaces) {
		dst = append(dst, spaces...)
		n -= len(spaces)
	}
	return append(dst, spaces[:max(n, 0)]...)
}
