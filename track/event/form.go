package event

import (
	"net/netip"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Form says how a field, or each member of a list, spells its texts. It is a promise: what is spelt otherwise the field never is, so that
// asking for it is a mistake. The zero Form promises nothing. Its methods change a copy.
type Form struct {
	// What and Example are said of the texts that have no word: "two capital letters", "NL".
	What, Example string
	words         func() []string
	shape         *shape
	fits          func(string) bool   // of the texts that have the shape; nil = all of them
	meant         func(string) string // how somebody else's spelling is spelt here; what it gives counts where it fits
	elsewhere     map[string]string   // names that others use, in small letters, and what they are called here
	read          *Form               // see WhenRead
}

// Saying gives other words for what the texts are.
func (f Form) Saying(what string) Form {
	f.What = what
	return f
}

// OneOf is for texts that are words of a list. In one by number, empty ones are gaps and some may stand twice.
func OneOf(words ...string) Form {
	return Form{words: sync.OnceValue(func() []string {
		seen := map[string]bool{"": true}
		return slices.DeleteFunc(slices.Clone(words), func(w string) bool {
			twice := seen[w]
			seen[w] = true
			return twice
		})
	})}
}

// Shaped is for texts that a regular expression matches as a whole.
func Shaped(what, example, expression string) Form { return Form{}.Or(what, example, expression) }

// Or also allows for texts that a regular expression matches as a whole.
func (f Form) Or(what, example, expression string) Form {
	f.What, f.Example, f.shape, f.fits = what, example, &shape{expression: expression}, nil
	return f
}

// Where leaves out texts of the shape that do not fit.
func (f Form) Where(fits func(string) bool) Form {
	f.fits = fits
	return f
}

// OrNumber also allows for numbers that have no word: name gives a number's word, "" where there is none. before stands before the number.
func (f Form) OrNumber(before string, most uint64, name func(uint64) string) Form {
	f = f.Or("a name, or "+strings.TrimPrefix(before+" and ", " and ")+"the number where there is none", "", before+"(0|[1-9][0-9]*)")
	f.fits = func(text string) bool {
		n, err := strconv.ParseUint(text[len(before):], 10, 64)
		return err == nil && n <= most && name(n) == ""
	}
	return f.Meaning(func(text string) string {
		if len(text) > len(before) && strings.EqualFold(text[:len(before)], before) {
			text = text[len(before):]
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return ""
		}
		if word := name(n); word != "" {
			return word
		}
		return before + strconv.FormatUint(n, 10)
	})
}

// Meaning adds how spellings that are usual elsewhere are meant. Small and capital letters need none.
func (f Form) Meaning(meant func(string) string) Form {
	f.meant = meant
	return f
}

// Elsewhere adds words that others use for some, in small letters: no text is one of those, even where it has the shape.
func (f Form) Elsewhere(words map[string]string) Form {
	f.elsewhere = words
	return f
}

// WhenRead gives another form to records that are read back: who wrote them may have known more words.
func (f Form) WhenRead(read Form) Form {
	f.read = &read
	return f
}

// Forms that several fields have.
var (
	Small   = Shaped("in small letters", "", `[^A-Z]*`)
	Capital = Shaped("in capital letters", "", `[^a-z]*`)
	// Host is the name of one, as resolvers compare them.
	Host = Shaped("in small letters, without a dot at its end", "", `[^A-Z]*[^A-Z.]`).Meaning(func(text string) string {
		return strings.TrimRight(strings.ToLower(text), ".")
	})
	// Method is that of a request, in protocols like HTTP.
	Method   = Shaped("in capital letters", "GET", `[A-Z_-]+`)
	MAC      = Shaped("six octets in small letters, with colons", "02:00:5e:10:00:01", `[0-9a-f]{2}(:[0-9a-f]{2}){5}`).Meaning(macMeant)
	Address  = addresses("an address", "192.0.2.7")
	Endpoint = Shaped("an address and a port", "192.0.2.7:443", `[0-9a-f.:\[\]]+:[0-9]+`).Meaning(func(text string) string {
		to, err := netip.ParseAddrPort(text)
		if err != nil {
			return ""
		}
		return netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()).String()
	})
	// Dotted is for numbers with dots between them.
	Dotted = Shaped("numbers with dots between them", "1.0", `[0-9]+(\.[0-9]+)*`).Meaning(func(text string) string { return strings.TrimLeft(text, "vV.") })
	// FromRoot is the path of a file, which on Windows begins with a drive or a share.
	FromRoot = Shaped("a path from the root on", "/usr/bin/curl", `(?:/|[A-Za-z]:|\\).*`)

	identifier = Shaped("16 hexadecimal digits in small letters; startsWith takes the first of them", "687e26803744002d", `[0-9a-f]{16}`)
)

// Hex is for that many hexadecimal digits, 0 for any number.
func Hex(digits int) Form {
	f := Shaped("hexadecimal digits in small letters", "", `[0-9a-f]+`)
	if n := strconv.Itoa(digits); digits > 0 {
		f = Shaped(n+" "+f.What, "", `[0-9a-f]{`+n+`}`)
	}
	return f.Meaning(func(text string) string {
		text = strings.ToLower(text)
		return strings.NewReplacer(":", "", "-", "", " ", "").Replace(strings.TrimPrefix(text, "0x"))
	})
}

func addresses(what, example string) Form {
	f := Shaped(what, example, `[0-9a-f.:]+`)
	f.fits = func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && a.Zone() == "" && a.String() == text
	}
	return f.Meaning(func(text string) string {
		a, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			return ""
		}
		return a.WithZone("").String()
	})
}

// macMeant puts an address with dashes, dots or nothing between its octets into small letters with colons.
func macMeant(text string) string {
	digits := strings.NewReplacer("-", "", ":", "", ".", "").Replace(strings.ToLower(text))
	if len(digits) != 12 {
		return strings.ReplaceAll(strings.ToLower(text), "-", ":")
	}
	octets := make([]string, 6)
	for i := range octets {
		octets[i] = digits[2*i : 2*i+2]
	}
	return strings.Join(octets, ":")
}

// Words lists the words, nil where there are none.
func (f *Form) Words() []string {
	if f.words == nil {
		return nil
	}
	return f.words()
}

// Open tells whether there are other texts than the words.
func (f *Form) Open() bool { return f.words == nil || f.shape != nil }

// Can tells whether a text of this form can be (Equal), begin with (Prefix), end with (Suffix) or contain what is given. A field without a
// value, which all of them have, is the empty text, and that is in every text.
func (f *Form) Can(op Op, text string) bool {
	if text == "" || f.words == nil && f.shape == nil {
		return true
	}
	holds := map[Op]func(word, text string) bool{Equal: func(a, b string) bool { return a == b },
		Prefix: strings.HasPrefix, Suffix: strings.HasSuffix, Contains: strings.Contains}[op]
	if holds == nil || slices.ContainsFunc(f.Words(), func(w string) bool { return holds(w, text) }) {
		return true
	}
	if f.shape == nil || !f.shape.can(op, text) {
		return false
	}
	return op != Equal || (f.fits == nil || f.fits(text)) && f.elsewhere[text] == ""
}

// Nearest gives the text that somebody most likely meant who asked for what can not be, "" for none.
func (f *Form) Nearest(op Op, text string) string {
	tries := []string{strings.ToLower(text), strings.ToUpper(text)}
	if op == Equal {
		tries = slices.Insert(tries, 0, f.elsewhere[strings.ToLower(text)])
	}
	if f.meant != nil {
		tries = append(tries, f.meant(text))
	}
	if op == Equal && strings.Trim(text, "0123456789") != "" { // numbers that are like each other mean nothing
		tries = append(tries, Nearest(text, f.Words()))
	}
	for _, t := range tries {
		if t != "" && t != text && f.Can(op, t) {
			return t
		}
	}
	return ""
}

// shape is a regular expression that is also asked for the beginnings, ends and middles of what it matches, for which package regexp has
// no question. It is compiled when it is first asked.
type shape struct {
	expression string
	once       sync.Once
	prog       *syntax.Prog
	all        []uint32 // every instruction that can be got to
}

func (s *shape) compile() {
	tree, err := syntax.Parse("(?s)"+s.expression, syntax.Perl)
	if err == nil {
		s.prog, err = syntax.Compile(tree.Simplify())
	}
	if err != nil {
		panic("event: the shape of a field: " + err.Error())
	}
	s.all = s.reach(nil, uint32(s.prog.Start))
	for i := 0; i < len(s.all); i++ {
		if reads(&s.prog.Inst[s.all[i]]) {
			s.all = s.reach(s.all, s.prog.Inst[s.all[i]].Out)
		}
	}
}

// reads tells whether an instruction takes a character.
func reads(i *syntax.Inst) bool {
	return i.Op == syntax.InstRune || i.Op == syntax.InstRune1 || i.Op == syntax.InstRuneAny || i.Op == syntax.InstRuneAnyNotNL
}

// reach adds an instruction and those that it leads to before a character is read.
func (s *shape) reach(at []uint32, pc uint32) []uint32 {
	if slices.Contains(at, pc) {
		return at
	}
	at = append(at, pc)
	switch i := &s.prog.Inst[pc]; i.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return s.reach(s.reach(at, i.Out), i.Arg)
	case syntax.InstCapture, syntax.InstNop:
		return s.reach(at, i.Out)
	}
	return at
}

// can runs all ways through the expression side by side.
func (s *shape) can(op Op, text string) bool {
	s.once.Do(s.compile)
	at := s.all
	if op == Equal || op == Prefix {
		at = s.reach(nil, uint32(s.prog.Start))
	}
	for _, r := range text {
		var next []uint32
		for _, pc := range at {
			if i := &s.prog.Inst[pc]; reads(i) && i.MatchRune(r) {
				next = s.reach(next, i.Out)
			}
		}
		at = next
	}
	if op == Prefix || op == Contains {
		return len(at) > 0
	}
	return slices.ContainsFunc(at, func(pc uint32) bool { return s.prog.Inst[pc].Op == syntax.InstMatch })
}
