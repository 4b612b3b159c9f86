package ndjson

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"rustnet/track/event"
)

// Parser reads lines of one JSON object each (RFC 8259) into records. What it makes aliases the lines.
type Parser struct {
	schema  *event.Schema
	unknown map[string]uint64 // keys that the schema does not have, how often; at most unknownMax of them
	more    uint64            // values of other unknown keys
}

// unknownMax bounds how many unknown keys are told apart, depthMax how deep their values may be nested.
const (
	unknownMax = 64
	depthMax   = 64
)

var (
	errNoObject = errors.New("not a JSON object")
	errCut      = errors.New("the line ends too early")
	errForeign  = errors.New("none of its keys is a field of a record")
)

// NewParser makes a parser for records of a Stored schema.
func NewParser(schema *event.Schema) *Parser {
	return &Parser{schema: schema, unknown: map[string]uint64{}}
}

// Notes says for people which keys were passed over, because the schema does not have them.
func (p *Parser) Notes() []string {
	var notes []string
	for _, key := range slices.Sorted(maps.Keys(p.unknown)) {
		notes = append(notes, fmt.Sprintf("passed over %s of the unknown key %q", event.Count(p.unknown[key], "value"), key))
	}
	if p.more > 0 {
		notes = append(notes, fmt.Sprintf("passed over %s of more unknown keys", event.Count(p.more, "value")))
	}
	return notes
}

// Parse reads one line into r. An unknown key is counted and passed over; a known one with a value of
// another type makes the line malformed, and so do unknown ones alone.
func (p *Parser) Parse(line string, r *event.Stored) error {
	s := scanner{text: line}
	s.space()
	if !s.take('{') {
		return errNoObject
	}
	known := 0
	for first := true; ; first = false {
		s.space()
		if first && s.take('}') {
			known++ // no field that was asked for was there
			break
		}
		key, err := s.string()
		if err != nil {
			return err
		}
		s.space()
		if !s.take(':') {
			return s.wrong("a colon")
		}
		s.space()
		if p.schema.Lookup(key) != nil {
			known++
		}
		if err := p.value(&s, key, r); err != nil {
			return err
		}
		s.space()
		if s.take(',') {
			continue
		}
		if s.take('}') {
			break
		}
		return s.wrong("a comma or a brace")
	}
	s.space()
	if s.at < len(s.text) {
		return s.wrong("the end of the line")
	}
	if known == 0 {
		return errForeign
	}
	return nil
}

func (p *Parser) value(s *scanner, key string, r *event.Stored) error {
	f := p.schema.Lookup(key)
	switch {
	case f == nil:
		p.count(key)
		return s.skip(0)
	case f.Name == "seq": // it is given anew
		return s.skip(0)
	case s.word("null"):
		return nil
	}
	if err := set(s, f, r); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (p *Parser) count(key string) {
	if _, ok := p.unknown[key]; !ok && len(p.unknown) >= unknownMax {
		p.more++
		return
	}
	p.unknown[strings.Clone(key)]++
}

// set reads a value of f's type.
func set(s *scanner, f *event.Field, r *event.Stored) error {
	switch f.Type {
	case event.Uint:
		n, err := strconv.ParseUint(s.number(), 10, 64)
		if err != nil {
			return s.wrong("a number of digits")
		}
		r.SetUint(f, n)
		return nil
	case event.Float:
		n, err := strconv.ParseFloat(s.number(), 64)
		if err != nil {
			return s.wrong("a number")
		}
		r.SetFloat(f, n)
		return nil
	case event.Bool:
		switch {
		case s.word("true"):
			r.SetBool(f, true)
		case s.word("false"):
			r.SetBool(f, false)
		default:
			return s.wrong("true or false")
		}
		return nil
	case event.List:
		l, err := s.list()
		if err == nil {
			r.SetList(f, l)
		}
		return err
	case event.Time:
		if s.peek() != '"' { // --time-format unix
			ns, ok := unixTime(s.number())
			if !ok {
				return s.wrong("a time")
			}
			r.SetTime(f, ns)
			return nil
		}
	}
	text, err := s.string()
	if err != nil || text == "" {
		return err
	}
	switch f.Type {
	case event.ID:
		n, err := strconv.ParseUint(text, 16, 64)
		if err != nil || len(text) != 16 {
			return fmt.Errorf("%q is no identifier of 16 hexadecimal digits", text)
		}
		r.SetUint(f, n)
	case event.Time:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return fmt.Errorf("%q is no time of RFC 3339", text)
		}
		if year := t.UTC().Year(); year < 1678 || year > 2261 {
			return fmt.Errorf("%q is no time from 1678 to 2261, all that nanoseconds in 64 bits can be", text)
		}
		r.SetTime(f, t.UnixNano())
	case event.Addr:
		if _, err := event.ParseAddr(text); err != nil {
			return fmt.Errorf("%q is no IP address", text)
		}
		r.SetStr(f, text)
	default:
		r.SetStr(f, text)
	}
	return nil
}

// unixTime reads seconds with a fraction, exactly.
func unixTime(text string) (ns int64, ok bool) {
	whole, frac, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(frac) > 9 || sec > 9e9 || sec < -9e9 {
		return 0, false
	}
	n, err := strconv.ParseUint((frac + "000000000")[:9], 10, 64)
	if err != nil {
		return 0, false
	}
	if strings.HasPrefix(whole, "-") {
		return sec*1e9 - int64(n), true
	}
	return sec*1e9 + int64(n), true
}

// scanner reads the tokens of one line.
type scanner struct {
	text string
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek gives the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) word(w string) bool {
	if strings.HasPrefix(s.text[s.at:], w) {
		s.at += len(w)
		return true
	}
	return false
}

// wrong says what should stand here.
func (s *scanner) wrong(want string) error {
	if s.at >= len(s.text) {
		return errCut
	}
	return fmt.Errorf("want %s at byte %d, found %q", want, s.at+1, s.text[s.at:min(len(s.text), s.at+10)])
}

// number gives the text of a number (§6); "" when there is none.
func (s *scanner) number() string {
	t, i := s.text, s.at
	digits := func() bool {
		from := i
		for i < len(t) && t[i] >= '0' && t[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(t) && t[i] == '-' {
		i++
	}
	zero := i < len(t) && t[i] == '0'
	from := i
	if !digits() || zero && i > from+1 {
		return ""
	}
	if i < len(t) && t[i] == '.' {
		if i++; !digits() {
			return ""
		}
	}
	if i < len(t) && (t[i] == 'e' || t[i] == 'E') {
		if i++; i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		if !digits() {
			return ""
		}
	}
	from, s.at = s.at, i
	return t[from:i]
}

// string reads a text (§7). Without escapes it aliases the line.
func (s *scanner) string() (string, error) {
	if !s.take('"') {
		return "", s.wrong("a text in quotes")
	}
	for i := s.at; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			text := s.text[s.at:i]
			s.at = i + 1
			return text, nil
		case c == '\\':
			return s.escaped(i)
		case c < ' ':
			s.at = i
			return "", s.wrong("an escape for a control character")
		}
	}
	s.at = len(s.text)
	return "", errCut
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads the text that began at s.at and has its first escape at i.
func (s *scanner) escaped(i int) (string, error) {
	b := append(make([]byte, 0, i-s.at+32), s.text[s.at:i]...)
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == '"':
			s.at = i + 1
			return string(b), nil
		case c < ' ':
			s.at = i
			return "", s.wrong("an escape for a control character")
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		if i+1 >= len(s.text) {
			break
		}
		if plain := escapes[s.text[i+1]]; plain != 0 {
			b = append(b, plain)
			i += 2
			continue
		}
		r, ok := unicodeEscape(s.text[i:])
		if !ok {
			s.at = i
			return "", s.wrong("an escape")
		}
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := unicodeEscape(s.text[i:])
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		b = utf8.AppendRune(b, r)
	}
	s.at = len(s.text)
	return "", errCut
}

// unicodeEscape reads \uXXXX.
func unicodeEscape(t string) (rune, bool) {
	if len(t) < 6 || t[0] != '\\' || t[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(t[2:6], 16, 16)
	return rune(n), err == nil
}

// list reads an array of texts.
func (s *scanner) list() ([]string, error) {
	if !s.take('[') {
		return nil, s.wrong("an array of texts")
	}
	var l []string
	for {
		s.space()
		if len(l) == 0 && s.take(']') {
			return nil, nil
		}
		text, err := s.string()
		if err != nil {
			return nil, err
		}
		l = append(l, text)
		s.space()
		if s.take(']') {
			return l, nil
		}
		if !s.take(',') {
			return nil, s.wrong("a comma or a bracket")
		}
	}
}

// skip passes over a value of any type.
func (s *scanner) skip(depth int) error {
	switch c := s.peek(); c {
	case '"':
		_, err := s.string()
		return err
	case '{', '[':
		if depth >= depthMax {
			return errors.New("nested too deep")
		}
		return s.skipNested(c, depth)
	}
	if s.word("true") || s.word("false") || s.word("null") || s.number() != "" {
		return nil
	}
	return s.wrong("a value")
}

func (s *scanner) skipNested(open byte, depth int) error {
	s.at++
	end := open + 2 // ASCII has } and ] two behind
	for first := true; ; first = false {
		s.space()
		if first && s.take(end) {
			return nil
		}
		if open == '{' {
			if _, err := s.string(); err != nil {
				return err
			}
			s.space()
			if !s.take(':') {
				return s.wrong("a colon")
			}
			s.space()
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		s.space()
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return s.wrong("a comma or the end of the value")
		}
	}
}
