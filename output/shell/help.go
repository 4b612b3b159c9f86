package shell

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"rustnet/track/event"

	"rustnet/output"
)

// WriteShortHelp writes the screen that most need: examples, the flags that are used most, the commands. It
// fits 24 lines of 80 columns as long as there are not many more of them.
func (p *Program) WriteShortHelp(w io.Writer, width int) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "Usage: %s [COMMAND] [FLAGS]%s\n%s\n\n", p.Name, p.rest(), p.Help)
	for _, e := range p.Examples {
		switch {
		case !e.Short:
		case len(e.Line) < 20:
			fmt.Fprintf(b, "  %-20s %s\n", e.Line, clip(e.Does, width-24))
		default:
			fmt.Fprintf(b, "  %s\n", e.Line)
		}
	}
	b.WriteByte('\n')
	var rows []row
	for _, name := range p.Common {
		if f := find(p.Flags, name); f != nil {
			rows = append(rows, row{f.spelling(), f.Help})
		}
	}
	writeRows(b, rows, width, true)
	b.WriteByte('\n')
	rows = nil
	for _, c := range p.Commands {
		rows = append(rows, row{c.Name, firstSentence(c.Help)})
	}
	writeColumns(b, rows, width)
	fmt.Fprintf(b, "Every flag: %s --help-all    A command: %s COMMAND --help\n", p.Name, p.Name)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteCommandHelp writes what a command does, and the flags that are its own.
func (p *Program) WriteCommandHelp(w io.Writer, name string, width int) error {
	c := p.command(name)
	if c == nil {
		return fmt.Errorf("help: no command %q", name)
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "Usage: %s [FLAGS]\n\n", c.synopsis(p.Name))
	output.Fill(b, c.Help, 0, 0, width)
	for _, a := range c.Args {
		is := a.Help
		if len(a.Enum) > 0 {
			is = "one of: " + strings.Join(a.Enum, ", ")
		}
		output.Fill(b, fmt.Sprintf("%s is %s.", strings.ToUpper(a.Name), is), 0, 0, width)
	}
	examples := ""
	for _, e := range p.Examples {
		if slices.Contains(strings.Fields(e.Line), name) {
			examples += "  " + e.Line + "\n"
		}
	}
	if examples != "" {
		b.WriteString("\n" + examples)
	}
	if len(c.Flags) > 0 {
		b.WriteString("\nIts own flags:\n")
		writeFlags(b, c.Flags, width)
	}
	if c.Takes == nil {
		fmt.Fprintf(b, "\nIt also takes all flags of %s --help-all.\n", p.Name)
	} else {
		b.WriteString("\nFlags of " + p.Name + " --help-all that it also takes:\n")
		var some []string
		for _, g := range p.Groups {
			for _, f := range p.of(g) {
				if c.takes(&f) {
					some = append(some, "--"+f.Name)
				}
			}
		}
		output.Fill(b, strings.Join(some, " "), 2, 2, width)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteLongHelp writes every flag there is, and every command.
func (p *Program) WriteLongHelp(w io.Writer, width int) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "Usage: %s [COMMAND] [FLAGS]%s\n%s\n\n", p.Name, p.rest(), p.Help)
	for _, e := range p.Examples {
		fmt.Fprintf(b, "  %s\n", e.Line)
	}
	for _, g := range p.Groups {
		if flags := p.of(g); len(flags) > 0 {
			fmt.Fprintf(b, "\n%s:\n", g.Title)
			writeFlags(b, flags, width)
		}
	}
	b.WriteString("\nCommands and their own flags:\n")
	for _, c := range p.Commands {
		fmt.Fprintf(b, "\n%s\n", strings.TrimPrefix(c.synopsis(p.Name), p.Name+" "))
		output.Fill(b, c.Help, 2, 2, width)
		writeFlags(b, c.Flags, width)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rest is what may stand behind the flags.
func (p *Program) rest() string {
	if find(p.Flags, "cmd-output") == nil { // whose output would that be about
		return ""
	}
	return " [-- PROGRAM ARGS...]"
}

// Advise puts behind what is wrong with a command line what to look at, where it does not say so itself; by is what the parser said.
func (m *Manual) Advise(wrong, by error) error {
	if flag := badValue().FindStringSubmatch(wrong.Error()); flag != nil {
		said, _, _ := strings.Cut(wrong.Error(), " (")
		return fmt.Errorf("%s (%s)", said, valueHints[flag[1]])
	}
	if strings.HasSuffix(wrong.Error(), ")") {
		return wrong
	}
	if flag := noShort().FindStringSubmatch(wrong.Error()); flag != nil {
		if is := elsewhere(flag[2]); is != "" {
			return fmt.Errorf("%s (%s)", flag[1], is)
		}
	}
	if flag := noFlag().FindStringSubmatch(wrong.Error()); flag != nil {
		if hint := m.instead(flag[2]); hint != "" { // which knows better than the parser what was meant
			return fmt.Errorf("%s (%s)", flag[1], hint)
		}
	}
	if choice := notOneOf().FindStringSubmatch(wrong.Error()); choice != nil {
		if f := m.Schema.Lookup(choice[1]); f != nil {
			return fmt.Errorf("%w (of %s alone: --filter '%s')", wrong, choice[2], condition(f, choice[2]))
		}
		if is := elsewhere("--" + choice[2]); is != "" {
			return fmt.Errorf("%w (%s)", wrong, is)
		}
	}
	return fmt.Errorf("%w (%s)", wrong, m.hint(by))
}

var (
	noShort  = pattern(`^(unknown flag (-\w))\b`)
	noFlag   = pattern(`^(unknown flag --([\w-]+))`)
	notOneOf = pattern(`^--(\w+) must be one of .* but got "(.*)"$`)
)

// badValue is of flags whose name is another's elsewhere.
var badValue = pattern(`^--(count|timeout): (?:".*" is |its value is missing)`)

var valueHints = map[string]string{
	"count":   "-n N stops after N records; no address is looked up unless --resolve is given",
	"timeout": "to end after a time: --duration 5s",
}

// instead says what there is instead of a flag that there is not: one of other commands, or a field to filter by.
func (m *Manual) instead(flag string) string {
	var has []string
	for _, c := range m.Commands {
		if find(c.Flags, flag) != nil {
			has = append(has, m.Name+" "+c.Name)
		}
	}
	if len(has) > 0 {
		return "it is a flag of " + strings.Join(has, ", ")
	}
	if is := elsewhere("--" + flag); is != "" {
		return is
	}
	if f := m.Schema.Meant(strings.ReplaceAll(flag, "-", "_")); f != nil {
		return fmt.Sprintf("for some alone: --filter '%s'; to show it: --fields +%s", condition(f, "…"), f.Name)
	}
	return ""
}

// condition is an expression that holds for connections whose field has a value.
func condition(f *event.Field, value string) string {
	switch f.Type {
	case event.Bool:
		return f.Name
	case event.Uint, event.Float:
		return f.Name + " == " + value
	case event.List:
		return fmt.Sprintf("%q in %s", value, f.Name)
	}
	return fmt.Sprintf("%s == %q", f.Name, value)
}

// hint says what to look at after an error of parsing, or which command was meant.
func (p *Program) hint(err error) string {
	of := "" // the command
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if n := parse.Context.Selected(); n != nil && !n.Hidden {
			of = n.Name
		}
	}
	if _, word, ok := strings.Cut(err.Error(), "unexpected argument "); ok {
		if of == "fields" {
			return p.Name + " fields | grep " + word
		}
		names := make([]string, len(p.Commands))
		for i, c := range p.Commands {
			names[i] = c.Name
		}
		if near := event.Nearest(word, names); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		if is := stray(word); is != "" {
			return is
		}
	}
	if of != "" {
		return "see " + p.Name + " " + of + " --help"
	}
	return "see " + p.Name + " --help"
}

// of gives the flags of a group. Those without one are in the one whose key is "".
func (p *Program) of(g Group) (flags []Flag) {
	for _, f := range p.Flags {
		if f.Group == g.Key {
			flags = append(flags, f)
		}
	}
	return flags
}

// synopsis is how a command is called, without flags.
func (c *Command) synopsis(program string) string {
	s := program + " " + c.Name
	for _, a := range c.Args {
		name := strings.ToUpper(a.Name)
		if a.Optional {
			name = "[" + name + "]"
		}
		s += " " + name
	}
	return s
}

// spelling is the flag as it is given: -o, --output FORM.
func (f *Flag) spelling() string {
	s := "    --" + f.Name
	if f.Short != 0 {
		s = fmt.Sprintf("-%c, --%s", f.Short, f.Name)
	}
	if f.Placeholder != "" {
		s += " " + f.Placeholder
	}
	if f.Negatable {
		s = strings.Replace(s, "--", "--[no-]", 1)
	}
	return s
}

// told is the help with what it does not say by itself: the values, the default.
func (f *Flag) told() string {
	var more []string
	if slices.ContainsFunc(f.Enum, func(v string) bool { return !strings.Contains(f.Help, v) }) {
		more = append(more, strings.Join(f.Enum, ", "))
	}
	if f.Default != "" && f.Default != "0" && !strings.Contains(f.Help, "("+f.Default+")") && !strings.Contains(strings.ToLower(f.Help), "default") {
		more = append(more, "default "+f.Default)
	}
	if len(more) == 0 {
		return f.Help
	}
	return strings.TrimSuffix(f.Help, ".") + " (" + strings.Join(more, "; ") + ")."
}

type row struct{ left, right string }

func writeFlags(b *strings.Builder, flags []Flag, width int) {
	rows := make([]row, len(flags))
	for i := range flags {
		rows[i] = row{flags[i].spelling(), flags[i].told()}
	}
	writeRows(b, rows, width, false)
}

// writeRows writes pairs side by side; a left one that is long stands alone. Each takes one line where they are cut.
func writeRows(b *strings.Builder, rows []row, width int, cut bool) {
	const leftMax = 28
	left := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r.left); n <= leftMax || cut {
			left = max(left, n)
		}
	}
	for _, r := range rows {
		if cut {
			fmt.Fprintf(b, "  %-*s  %s\n", left, r.left, headline(r.right, width-left-4))
			continue
		}
		if r.right == "" {
			fmt.Fprintf(b, "  %s\n", strings.TrimRight(r.left, " "))
			continue
		}
		fmt.Fprintf(b, "  %-*s", left, r.left)
		if utf8.RuneCountInString(r.left) > left {
			fmt.Fprintf(b, "\n%*s", left+2, "")
		}
		b.WriteString("  ")
		output.Fill(b, r.right, 0, left+4, width)
	}
}

// writeColumns writes pairs in two columns, down the first one first.
func writeColumns(b *strings.Builder, rows []row, width int) {
	left := 0
	for _, r := range rows {
		left = max(left, len(r.left))
	}
	column := (width - 2) / 2
	cell := func(r row) string { return fmt.Sprintf("%-*s %s", left, r.left, clip(r.right, column-left-2)) }
	half := (len(rows) + 1) / 2
	for i := range half {
		line := "  " + cell(rows[i])
		if i+half < len(rows) {
			line += strings.Repeat(" ", max(1, column+2-utf8.RuneCountInString(line))) + cell(rows[i+half])
		}
		b.WriteString(line + "\n")
	}
}

// headline is as much of a help as fits into a line: all of it, or as many sentences and parts of one, or words.
func headline(help string, width int) string {
	if help = strings.TrimSuffix(help, "."); utf8.RuneCountInString(help) <= width {
		return help
	}
	head := firstSentence(help)
	for longer := head; utf8.RuneCountInString(longer) <= width; {
		head = longer
		longer = help[:len(head)+2] + firstSentence(help[len(head)+2:])
	}
	return clip(head, width)
}

// clip cuts a text at the end of a word.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	cut := string([]rune(text)[:max(width-1, 0)])
	if at := strings.LastIndexByte(cut, ' '); at > 0 {
		cut = cut[:at]
	}
	return strings.TrimRight(cut, ",") + "…"
}
