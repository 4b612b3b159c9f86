package shell

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rustnet/track/event"
)

// CompleteCommand is the word after the program's name by which the shells' scripts ask what may come next:
// rustnet __complete SHELL WORD…, the last word as far as it is typed. For bash it is the line instead, since bash breaks
// words where we do not: rustnet __complete bash BREAKS LINE.
const CompleteCommand = "__complete"

//go:embed completion.bash
var bashScript string

//go:embed completion.zsh
var zshScript string

//go:embed completion.fish
var fishScript string

// Scripts are what makes each shell ask.
var Scripts = map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}

// Candidate is one thing that may stand where the cursor is.
type Candidate struct{ Value, Help string }

// Completer answers what may come next.
type Completer struct {
	Program Command
	// Values gives the candidates of flags whose values are not listed with them, by the name that the flag has for
	// them. "file" and "dir" are the shell's own matter.
	Values map[string]func() []Candidate
	// Texts gives those that a field of an expression can be, as far as they are listed.
	Texts func(field string) []string
}

// NewCompleter makes one that knows the fields, by which records are filtered, sorted and shown, and what an expression over them can call.
func NewCompleter(program Command, schema *event.Schema, functions []string) *Completer {
	names := func(of *event.Schema) (all []Candidate) {
		for _, f := range of.Fields {
			all = append(all, Candidate{f.Name, f.Doc})
		}
		return all
	}
	return &Completer{Program: program, Values: map[string]func() []Candidate{
		"field":  func() []Candidate { return names(schema.Stored()) },
		"fields": func() []Candidate { return names(schema) },
		"expression": func() []Candidate {
			all := names(schema)
			for _, f := range functions {
				all = append(all, Candidate{f + "(", ""})
			}
			return all
		},
	}, Texts: func(field string) []string {
		if f := schema.Lookup(field); f != nil && f.Form() != nil {
			return f.Form().Words()
		}
		return nil
	}}
}

// How the shell goes on with an answer: the first line of what it is told.
const (
	asWord    = "words"   // a candidate is a whole word
	asPart    = "parts"   // the word may go on after it
	asFile    = "files"   // it knows better
	asDir     = "dirs"    //
	asCommand = "command" // what follows is another program's command line; the number of our words before it follows
)

// answer is what may come next.
type answer struct {
	how        string
	before     int // of asCommand
	candidates []Candidate
}

// Answer writes what a script asked for.
func (c *Completer) Answer(w io.Writer, args []string) error {
	if len(args) == 0 {
		return nil
	}
	words, cut := args[1:], 0
	if args[0] == "bash" {
		if len(args) < 3 {
			return nil
		}
		words, cut = bashWords(args[2], args[1])
	}
	if len(words) == 0 {
		return nil
	}
	a := c.complete(words)
	var b strings.Builder
	b.WriteString(a.how)
	if a.how == asCommand {
		fmt.Fprintf(&b, " %d", a.before)
	}
	b.WriteByte('\n')
	for _, v := range a.candidates {
		if cut <= len(v.Value) {
			fmt.Fprintf(&b, "%s\t%s\n", v.Value[cut:], v.Help)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// complete tells what the last of the words may become.
func (c *Completer) complete(words []string) answer {
	command, args := &c.Program, 0
	var given []string
	var waits *Flag // a flag whose value comes next
	last := words[len(words)-1]
	for i, w := range words[:len(words)-1] {
		name, _, attached := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		switch {
		case waits != nil:
			waits = nil
		case w == "--":
			return answer{how: asCommand, before: i + 1}
		case strings.HasPrefix(w, "--"):
			if f := c.flag(command, name); f != nil {
				given = append(given, f.Name)
				if f.Placeholder != "" && !attached {
					waits = f
				}
			}
		case len(w) > 1 && w[0] == '-':
			waits = c.shorts(command, w[1:], &given)
		case args == 0 && command.command(w) != nil:
			command = command.command(w)
		default:
			args++
		}
	}
	switch {
	case waits != nil:
		return c.value(waits, "", last)
	case strings.HasPrefix(last, "--"):
		if name, value, attached := strings.Cut(last[2:], "="); attached {
			if f := c.flag(command, name); f != nil && f.Placeholder != "" {
				return c.value(f, last[:len(last)-len(value)], value)
			}
			return answer{how: asWord}
		}
		return c.flags(command, given, last)
	case len(last) > 1 && last[0] == '-':
		for i, r := range last[1:] { // -qi eth
			f := find(slices.Concat(command.Flags, c.Program.Flags), string(r))
			if f == nil {
				return answer{how: asWord}
			}
			if f.Placeholder != "" {
				at := 1 + i + utf8.RuneLen(r)
				return c.value(f, last[:at], last[at:])
			}
		}
		return answer{how: asWord, candidates: []Candidate{{last, ""}}}
	case last == "-":
		return c.flags(command, given, "--")
	case len(command.Args) > 0:
		at := command.Args[min(args, len(command.Args)-1)]
		return answer{how: asWord, candidates: matching(plainCandidates(at.Enum), "", last)}
	case command == &c.Program && args == 0:
		a := answer{how: asWord}
		for _, sub := range command.Commands {
			a.candidates = append(a.candidates, Candidate{sub.Name, firstSentence(sub.Help)})
		}
		a.candidates = matching(a.candidates, "", last)
		return a
	}
	return answer{how: asWord}
}

// flag finds a flag among those of the command and the general ones.
func (c *Completer) flag(command *Command, name string) *Flag {
	if f := find(command.Flags, name); f != nil {
		return f
	}
	return find(c.Program.Flags, name)
}

// shorts goes through flags that are written in one word, and gives the one whose value comes next.
func (c *Completer) shorts(command *Command, word string, given *[]string) *Flag {
	for i, r := range word {
		f := c.flag(command, string(r))
		if f == nil {
			return nil
		}
		*given = append(*given, f.Name)
		if f.Placeholder != "" {
			if i+utf8.RuneLen(r) == len(word) {
				return f
			}
			return nil // the rest is its value
		}
	}
	return nil
}

// flags lists those that can still be given, the command's own first.
func (c *Completer) flags(command *Command, given []string, last string) answer {
	a := answer{how: asWord}
	all := command.Flags
	if command != &c.Program {
		all = slices.Clone(all)
		for _, f := range c.Program.Flags {
			if command.takes(&f) {
				all = append(all, f)
			}
		}
	}
	for _, f := range all {
		if slices.Contains(given, f.Name) && !f.Again || slices.ContainsFunc(given, func(name string) bool {
			g := c.flag(command, name)
			return g.Name != f.Name && slices.ContainsFunc(g.Excludes, func(x string) bool { return slices.Contains(f.Excludes, x) })
		}) {
			continue
		}
		a.candidates = append(a.candidates, Candidate{"--" + f.Name, firstSentence(f.Help)})
		if f.Negatable {
			a.candidates = append(a.candidates, Candidate{"--no-" + f.Name, "Not so: " + firstSentence(f.Help)})
		}
	}
	a.candidates = matching(a.candidates, "", last)
	return a
}

// oneWord tells whether a shell takes a text as a word: it takes what is offered as it is, and names may be strangers'.
func oneWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || r < 0x80 && !strings.ContainsRune(" -_.:@+", r) && !unicode.IsDigit(r) && !unicode.IsLetter(r)
	})
}

// value lists the values of a flag. What stands before it in the word stays there.
func (c *Completer) value(f *Flag, before, typed string) answer {
	switch f.Values {
	case "file":
		return answer{how: asFile}
	case "dir":
		return answer{how: asDir}
	case "expression":
		return c.expression(before, typed)
	}
	all := plainCandidates(f.Enum)
	if source := c.Values[f.Values]; source != nil {
		all = slices.DeleteFunc(source(), func(v Candidate) bool { return !oneWord(v.Value) })
	}
	a := answer{how: asWord}
	if f.List || f.Values == "fields" {
		a.how = asPart // another may follow
		at := strings.LastIndexByte(typed, ',') + 1
		taken := strings.Split(typed[:at], ",")
		before, typed = before+typed[:at], typed[at:]
		all = slices.DeleteFunc(all, func(v Candidate) bool {
			return slices.ContainsFunc(taken, func(t string) bool { return strings.TrimLeft(t, "+-") == v.Value })
		})
	}
	if typed != "" && (typed[0] == '-' || typed[0] == '+') && (f.Values == "field" || f.Values == "fields") { // -tx_rate, +a,-b
		before, typed = before+typed[:1], typed[1:]
	}
	a.candidates = matching(all, before, typed)
	return a
}

// besideText is what stands before a text that a field is compared with, one or one of several.
var besideText = pattern(`([a-z0-9_]+)\s*(?:==|!=|startsWith|in\s*\[(?:\s*"[^"]*"\s*,)*)\s*$`)

// expression completes the name at the end of an expression, or the text that a field is compared with.
func (c *Completer) expression(before, typed string) answer {
	a := answer{how: asPart}
	at := strings.LastIndexFunc(typed, func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}) + 1
	if strings.Count(typed, `"`)%2 == 1 {
		at = strings.LastIndexByte(typed, '"') + 1
		if m := besideText().FindStringSubmatch(typed[:at-1]); m != nil && c.Texts != nil {
			a.candidates = matching(plainCandidates(c.Texts(m[1])), before+typed[:at], typed[at:])
		}
		return a
	}
	if c.Values["expression"] == nil {
		return a
	}
	a.candidates = matching(c.Values["expression"](), before+typed[:at], typed[at:])
	return a
}

func plainCandidates(values []string) []Candidate {
	all := make([]Candidate, len(values))
	for i, v := range values {
		all[i].Value = v
	}
	return all
}

// matching gives those that begin with what is typed, as whole words.
func matching(all []Candidate, before, typed string) (some []Candidate) {
	for _, v := range all {
		if strings.HasPrefix(v.Value, typed) {
			some = append(some, Candidate{before + v.Value, v.Help})
		}
	}
	return some
}

// firstSentence ends at the first full stop, semicolon or colon that is followed by a space.
func firstSentence(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if strings.IndexByte(".;:", text[i]) >= 0 && text[i+1] == ' ' && !strings.HasSuffix(text[:i], "e.g") {
			return text[:i]
		}
	}
	return strings.TrimSuffix(text, ".")
}

// bashWords takes a command line apart, without the program's name, and says how much of the last word bash keeps
// and does not want to hear again: up to the last character that breaks words for it, and is no space.
func bashWords(line, breaks string) (words []string, cut int) {
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case quote != 0 && b == quote:
			quote = 0
		case quote == '"' && b == '\\' && i+1 < len(line) && strings.IndexByte("\\\"$`", line[i+1]) >= 0,
			quote == 0 && b == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case quote != 0:
			word.WriteByte(b)
		case b == '\'' || b == '"':
			quote, inWord, cut = b, true, word.Len()
		case b == ' ' || b == '\t' || b == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord, cut = false, 0
		default:
			word.WriteByte(b)
			inWord = true
			if strings.IndexByte(breaks, b) >= 0 {
				cut = word.Len()
			}
		}
	}
	words = append(words, word.String())
	for len(words) > 0 && strings.Contains(words[0], "=") { // NO_COLOR=1 rustnet
		words = words[1:]
	}
	if len(words) < 2 {
		return nil, 0
	}
	return words[1:], cut
}
