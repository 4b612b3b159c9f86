package shell

import (
	"fmt"
	"io"
	"strings"

	"rustnet/track/event"
)

// Manual is what the manual page and the reference say, made of the declarations.
type Manual struct {
	Program
	Schema *event.Schema
	// Text is paragraphs about what no flag says, under titles in this order.
	Text []Section
}

// manualDate is when what no declaration says was last gone through.
const manualDate = "2026-11-29"

const fieldsAre = "Of a record, in every format, and the names that filters use. What is not known is absent."

// Section is a part of the manual in words. In them `...` marks what is typed as it is.
type Section struct {
	Title      string
	Paragraphs []string
}

// Write writes the manual, as a page for man(1) or in Markdown.
func (m *Manual) Write(w io.Writer, form string) error {
	b := &strings.Builder{}
	if form == "markdown" {
		m.markdown(b)
	} else {
		m.man(b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (m *Manual) synopses() []string {
	return []string{m.Name + " [FLAGS]" + m.rest(), m.Name + " COMMAND [FLAGS]"}
}

func (m *Manual) man(b *strings.Builder) {
	fmt.Fprintf(b, ".\\\" Made of the declarations in the source by go generate: change those.\n.TH %s 1 %s %s \"User Commands\"\n", strings.ToUpper(m.Name), manualDate, m.Name)
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", m.Name, fold(roff(strings.ToLower(m.Help[:1])+strings.TrimSuffix(m.Help[1:], "."))))
	b.WriteString(".SH SYNOPSIS\n.nf\n")
	for _, s := range m.synopses() {
		b.WriteString(roffCode(s) + "\n")
	}
	b.WriteString(".fi\n")
	for i, s := range m.Text {
		if i == 0 {
			m.manSection(b, s)
		}
	}
	b.WriteString(".SH EXAMPLES\n")
	for i, e := range m.Examples {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		fmt.Fprintf(b, "%s:\n.PP\n.nf\n.RS 4\n%s\n.RE\n.fi\n", roff(e.Does), roffCode(e.Line))
	}
	b.WriteString(".SH COMMANDS\nWithout a command connections are streamed.\n")
	for _, c := range m.Commands {
		fmt.Fprintf(b, ".SS %s\n%s\n", roffCode(strings.TrimPrefix(c.synopsis(m.Name), m.Name+" ")), fold(roff(c.Help)))
		manFlags(b, c.Flags)
	}
	b.WriteString(".SH OPTIONS\n")
	for _, g := range m.Groups {
		if flags := m.of(g); len(flags) > 0 {
			fmt.Fprintf(b, ".SS %s\n", roff(g.Title))
			manFlags(b, flags)
		}
	}
	for _, s := range m.Text[min(1, len(m.Text)):] {
		m.manSection(b, s)
	}
	b.WriteString(".SH FIELDS\n" + fold(fieldsAre) + "\n")
	group := ""
	for _, f := range m.Schema.Fields {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(b, ".SS %s\n", roff(group))
		}
		kind := f.Type.String()
		if f.Unit != "" {
			kind += ", " + f.Unit
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR (%s)\n%s\n", roffCode(f.Name), roff(kind), fold(roff(f.Doc)))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range m.Exits {
		fmt.Fprintf(b, ".TP\n\\fB%d\\fR\n%s\n", e.Status, fold(roff(e.Means)))
	}
	b.WriteString(".SH SEE ALSO\n.BR jq (1),\n.BR tcpdump (8),\n.BR ss (8),\n.BR pcap\\-filter (7),\n.BR capabilities (7)\n")
}

func (m *Manual) manSection(b *strings.Builder, s Section) {
	fmt.Fprintf(b, ".SH %s\n", roff(strings.ToUpper(s.Title)))
	for i, p := range s.Paragraphs {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(fold(roffMarked(p)) + "\n")
	}
}

func manFlags(b *strings.Builder, flags []Flag) {
	for _, f := range flags {
		b.WriteString(".TP\n")
		if f.Short != 0 {
			fmt.Fprintf(b, "\\fB\\-%c\\fR, ", f.Short)
		}
		no := ""
		if f.Negatable {
			no = "[no\\-]"
		}
		fmt.Fprintf(b, "\\fB\\-\\-%s%s\\fR", no, roffCode(f.Name))
		if f.Placeholder != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", roffCode(f.Placeholder))
		}
		fmt.Fprintf(b, "\n%s\n", fold(roff(f.told())))
	}
}

// roff makes text of a line that would mean something to troff.
func roff(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case i == 0 && (r == '.' || r == '\''):
			b.WriteString(`\&` + string(r))
		case r == '\'': // a quotation mark otherwise
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '…': // which not every troff has
			b.WriteString("...")
		case r > 126:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// roffCode is for what can be copied: hyphens are minus signs.
func roffCode(s string) string { return strings.ReplaceAll(roff(s), "-", `\-`) }

// fold breaks lines where spaces are, none of which troff takes for a request.
func fold(s string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case at+1+len(word) > 79 && word[0] != '.' && word[0] != '\'':
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

// roffMarked is roff for text in which `...` is typed as it is.
func roffMarked(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			b.WriteString(`\fB` + roffCode(part) + `\fR`)
		} else {
			text := roff(part)
			if i > 0 { // no line begins there
				text = strings.TrimPrefix(text, `\&`)
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

func (m *Manual) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "<!-- Made of the declarations in the source by go generate: change those. -->\n# %s\n\n%s\n\n```\n", m.Name, m.Help)
	for _, s := range m.synopses() {
		b.WriteString(s + "\n")
	}
	b.WriteString("```\n")
	for i, s := range m.Text {
		if i == 0 {
			markdownSection(b, s)
		}
	}
	b.WriteString("\n## Examples\n")
	for _, e := range m.Examples {
		fmt.Fprintf(b, "\n%s:\n\n```\n%s\n```\n", e.Does, e.Line)
	}
	b.WriteString("\n## Commands\n\nWithout a command connections are streamed.\n")
	for _, c := range m.Commands {
		fmt.Fprintf(b, "\n### `%s`\n\n%s\n", c.synopsis(m.Name), cell(c.Help))
		markdownFlags(b, c.Flags)
	}
	b.WriteString("\n## Flags\n")
	for _, g := range m.Groups {
		if flags := m.of(g); len(flags) > 0 {
			fmt.Fprintf(b, "\n### %s\n", g.Title)
			markdownFlags(b, flags)
		}
	}
	for _, s := range m.Text[min(1, len(m.Text)):] {
		markdownSection(b, s)
	}
	b.WriteString("\n## Fields\n\n" + fieldsAre + "\n")
	group := ""
	for _, f := range m.Schema.Fields {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(b, "\n### %s\n\n| field | type | meaning |\n|---|---|---|\n", group)
		}
		kind := f.Type.String()
		if f.Unit != "" {
			kind += ", " + f.Unit
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, kind, cell(f.Doc))
	}
	b.WriteString("\n## Exit status\n\n| status | meaning |\n|---|---|\n")
	for _, e := range m.Exits {
		fmt.Fprintf(b, "| %d | %s |\n", e.Status, cell(e.Means))
	}
}

func markdownSection(b *strings.Builder, s Section) {
	fmt.Fprintf(b, "\n## %s\n", s.Title)
	for _, p := range s.Paragraphs {
		b.WriteString("\n" + p + "\n")
	}
}

func markdownFlags(b *strings.Builder, flags []Flag) {
	if len(flags) == 0 {
		return
	}
	b.WriteString("\n| flag | meaning |\n|---|---|\n")
	for _, f := range flags {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(strings.TrimSpace(f.spelling()), "|", `\|`), cell(f.told()))
	}
}

// cell keeps text from being taken for Markdown's own.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}
