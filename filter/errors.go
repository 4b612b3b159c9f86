package filter

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"rustnet/track/event"
)

// Error says what is wrong with an expression, and where.
type Error struct {
	Expr         string
	Line, Column int // from 1; Column counts characters. 0 when it is the whole that is wrong
	Message      string
}

// around is how much of a long line is shown on each side of the place.
const around = 60

// Error gives the message, and below it the line with a caret at the place.
func (e *Error) Error() string {
	if e.Line == 0 || e.Column == 0 {
		return e.Message
	}
	lines := strings.Split(e.Expr, "\n")
	if e.Line > len(lines) {
		return e.Message
	}
	line := []rune(strings.ToValidUTF8(lines[e.Line-1], "\uFFFD"))
	col := min(e.Column-1, len(line))
	from, to := max(0, col-around), min(len(line), col+around)
	var shown, mark strings.Builder
	if from > 0 {
		shown.WriteString("…")
		mark.WriteByte(' ')
	}
	for i, r := range line[from:to] {
		if !unicode.IsPrint(r) { // tabs, and what a terminal would obey
			r = ' '
		}
		shown.WriteRune(r)
		if from+i < col {
			mark.WriteByte(' ')
		}
	}
	if to < len(line) {
		shown.WriteString("…")
	}
	if strings.TrimSpace(shown.String()) == "" {
		return e.Message
	}
	return e.Message + "\n  " + shown.String() + "\n  " + mark.String() + "^"
}

// at makes an Error for a place counted in characters from the start, as expr counts.
func at(text string, from int, message string) *Error {
	line, column := 1, 1
	for _, r := range text {
		if from <= 0 {
			break
		}
		from--
		if r == '\n' {
			line++
			column = 1
		} else {
			column++
		}
	}
	return &Error{Expr: text, Line: line, Column: column, Message: message}
}

// pattern is a regular expression that is compiled when it is asked for: these are about mistakes, and a run mostly has none.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

var (
	unknownName = pattern(`^unknown name (.+)$`)
	unexpected  = pattern(`^unexpected token (\w+)\("(.*)"\)$`)
	noMethod    = pattern(`^type \S+ has no (?:method|field) (\w+)$`)
	noNumber    = pattern(`^bad number syntax: "(.*)"$`)
	lastWord    = pattern(`(\w+)\s*$`)
	wrongResult = pattern(`^expected bool, but got (.+)$`)
	mismatched  = pattern(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)$`)
	mismatch    = pattern(`^invalid operation: (\S+) \(mismatched type (.+)\)$`)
	argument    = pattern(`^cannot use (.+) as argument \(type (.+)\) to call (\S+) *$`)
	inArray     = pattern(`^cannot use (\S+) as type (\S+) in array$`)
	openList    = pattern(`\bin\s*\([^()]*$`)
	quad        = pattern(`[0-9.]$`)
	pipe        = pattern(`[^|]\|[^|]`)
	notCallable = pattern(`^(.+) is not callable$`)
)

// explain puts what expr says into the words of a filter.
func explain(err error, text string, schema *event.Schema) error {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return &Error{Expr: text, Line: 1, Column: 1, Message: plain(err.Error())}
	}
	e := at(text, fe.From, fe.Message)
	if m := unknownName().FindStringSubmatch(fe.Message); m != nil {
		e.Message = unknown(m[1], text, fe.From, schema)
	} else if m := unexpected().FindStringSubmatch(fe.Message); m != nil {
		return stray(m[1], m[2], text, fe.From, schema)
	} else {
		e.Message = plain(fe.Message)
	}
	return e
}

// words are the operators that are spelled with letters.
var words = []string{"and", "or", "not", "in", "contains", "startsWith", "endsWith", "matches"}

// others has what other languages call an operator or function that a filter has, in small letters.
var others = map[string]string{"like": "contains", "has": "contains", "regex": "matches", "regexp": "matches", "=~": "matches", "~=": "matches", "~": "matches",
	"is": "==", "eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "length": "len", "size": "len", "tolower": "lower", "toupper": "upper",
	"isprivate": "private", "subnet": "cidr", "innet": "cidr"}

// meant gives the one of names that somebody who wrote name most likely meant, "" for none.
func meant(name string, names []string) string {
	if other := others[strings.ToLower(name)]; slices.Contains(names, other) {
		return other
	}
	return event.Nearest(name, names)
}

// comparing are all operators that somebody may write in words or signs of another language.
var comparing = append([]string{"==", "!=", "<", "<=", ">", ">="}, words...)

// stray is for a token that cannot stand where it is: often because it, or the word before it, is nearly an operator.
func stray(kind, token, text string, from int, schema *event.Schema) *Error {
	runes := []rune(text)
	before, behind := string(runes[:min(from, len(runes))]), string(runes[min(len(runes), from+utf8.RuneCountInString(token)):])
	known := func(name string) bool { return schema.Lookup(name) != nil }
	switch {
	case kind == "Identifier" && !known(token):
		if near := meant(token, comparing); near != "" {
			return at(text, from, `unknown operator "`+token+`" (did you mean "`+near+`"?)`)
		}
		return at(text, from, `unknown operator "`+token+`" (in words there are `+strings.Join(words, ", ")+`)`)
	case kind == "Operator" && slices.Contains(words, token) && strings.HasPrefix(strings.TrimSpace(behind), "("):
		return at(text, from, `"`+token+`" is no function but stands in between, as in: sni `+token+` "x"`)
	case token == "=" && strings.HasPrefix(behind, "~"):
		return at(text, from, `unknown operator "=~" (did you mean "matches"?)`)
	case token == "=":
		return at(text, from, `unexpected "=" (== compares)`)
	case token == "&":
		return at(text, from, `unexpected "&" (&& joins conditions)`)
	case token == "," && openList().MatchString(before):
		return at(text, from, `unexpected "," (a list stands in brackets, as in: remote_port in [80, 443])`)
	case kind == "Number" && strings.HasPrefix(token, ".") && quad().MatchString(before):
		return at(text, from, `unexpected "`+token+`" (an address stands in quotes)`)
	}
	if at1 := pipe().FindStringIndex(before); at1 != nil {
		return at(text, utf8.RuneCountInString(before[:at1[1]-2]), `unexpected "|" (|| joins conditions)`)
	}
	if m := lastWord().FindStringSubmatchIndex(before); m != nil && !known(before[m[2]:m[3]]) && !slices.Contains(words, before[m[2]:m[3]]) {
		word := before[m[2]:m[3]]
		if near := meant(word, words); near != "" {
			return at(text, utf8.RuneCountInString(before[:m[2]]), `unknown operator "`+word+`" (did you mean "`+near+`"?)`)
		}
	}
	if kind == "Identifier" {
		return at(text, from, `unexpected "`+token+`" (conditions are joined with and, or)`)
	}
	return at(text, from, `unexpected "`+token+`"`)
}

// typeName puts a Go type into words.
func typeName(t string) string {
	switch {
	case t == "string":
		return "a text"
	case t == "int", t == "float64":
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "time.Time":
		return "a time"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "map["):
		return "a map"
	case strings.HasPrefix(t, "func"):
		return "a function"
	}
	return "something else"
}

// asked tells how to ask whether there is a value.
var asked = map[string]string{"a text": ` (whether there is one is asked with: host != "", host == "")`, "a number": " (whether there is one is asked with: pid != 0, pid == 0)"}

// written tells how a value of one of two types is written, where the other stands for it.
func written(op, a, b string) string {
	switch {
	case op == "&&" || op == "||" || op == "and" || op == "or":
		return ` (it joins what is true or false, as in: sni != "" ` + op + ` tx_bytes > 0)`
	case op == "contains" && a == "a list":
		return ` (what a list has is asked for as in: "h2" in alpn)`
	case a == "a time" && b != "a list", b == "a time" && a != "a list":
		return ` (a time is written as in: ts > date("2026-01-31T08:00:00Z"))`
	case a == "true or false" || b == "true or false":
		return ` (what is true or false stands by itself: partial, !partial)`
	case a == "a number" && b == "a text", a == "a text" && b == "a number":
		return ` (a number stands without quotes, a text in them; a size is written as in MB(10), a duration as in seconds("1m30s"))`
	}
	return ""
}

func unknown(name, text string, from int, schema *event.Schema) string {
	rest := []rune(text)
	rest = rest[min(len(rest), from+utf8.RuneCountInString(name)):]
	if strings.HasPrefix(strings.TrimLeftFunc(string(rest), unicode.IsSpace), "(") {
		if near := meant(name, Functions()); near != "" {
			return `unknown function "` + name + `" (did you mean "` + near + `"?)`
		}
		if near := meant(name, words); near != "" && near != "and" && near != "or" && near != "not" {
			return `unknown function "` + name + `" (did you mean the operator, as in: sni ` + near + ` "x"?)`
		}
		return `unknown function "` + name + `"`
	}
	if slices.Contains([]string{"null", "none", "undefined", "empty"}, strings.ToLower(name)) {
		return `unknown field "` + name + `" (of what is not known a text is "", a number 0, a list empty, as in: host == "")`
	}
	if near := schema.Nearest(name); near != "" {
		return `unknown field "` + name + `" (did you mean "` + near + `"?)`
	}
	return `unknown field "` + name + `" (a text stands in quotes; rustnet fields lists the fields)`
}

func plain(message string) string {
	if m := noMethod().FindStringSubmatch(message); m != nil {
		if near := meant(m[1], words); near != "" {
			return `a field has no functions: write it as in: sni ` + near + ` "x"`
		}
		if near := meant(m[1], Functions()); near != "" {
			return `a field has no functions: write it as in: ` + near + `(sni)`
		}
	}
	if m := noNumber().FindStringSubmatch(message); m != nil {
		return `"` + m[1] + `" is not a number (a size is written as in MB(10), a duration as in seconds("1m30s"))`
	}
	if message == "unrecognized character: U+007E '~'" {
		return `unknown operator "~" (did you mean "matches"?)`
	}
	if message == "literal not terminated" {
		return "the text is not closed with a quote"
	}
	if message == "unexpected token EOF" {
		return "the filter ends too early"
	}
	if m := wrongResult().FindStringSubmatch(message); m != nil {
		return "the filter must be true or false, but this is " + typeName(m[1]) + asked[typeName(m[1])]
	}
	if m := mismatched().FindStringSubmatch(message); m != nil {
		return m[1] + " does not go between " + typeName(m[2]) + " and " + typeName(m[3]) + written(m[1], typeName(m[2]), typeName(m[3]))
	}
	if m := mismatch().FindStringSubmatch(message); m != nil {
		return m[1] + " does not go before " + typeName(m[2]) + asked[typeName(m[2])]
	}
	if m := argument().FindStringSubmatch(message); m != nil {
		return m[3] + " takes " + typeName(m[2]) + ", not " + typeName(m[1])
	}
	if m := inArray().FindStringSubmatch(message); m != nil {
		return typeName(m[1]) + " is in no list of what is " + typeName(m[2]) + written("in", typeName(m[1]), typeName(m[2]))
	}
	if notCallable().MatchString(message) {
		return `a field is not a function (a time is written as in: duration > seconds("1m30s"))`
	}
	return message
}
