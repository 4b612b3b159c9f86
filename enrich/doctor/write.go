package doctor

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Look is how checks are shown: Format is json (an object a line), csv or table.
type Look struct {
	Format   string
	NoHeader bool // of csv
	Color    bool
	Width    int // of the terminal, 0 = lines are as long as they are
}

// Write shows the checks.
func Write(w io.Writer, all []Check, look Look) error {
	var b strings.Builder
	switch look.Format {
	case "json":
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		for _, c := range all {
			if err := enc.Encode(c); err != nil {
				return err
			}
		}
	case "csv":
		enc := csv.NewWriter(&b)
		enc.UseCRLF = true // RFC 4180, as records are
		if !look.NoHeader {
			enc.Write([]string{"name", "status", "detail", "lost", "mend"})
		}
		for _, c := range all {
			cells := []string{c.Name, string(c.Status), c.Detail, c.Lost, c.Mend}
			for i := range cells {
				if look.Width > 0 {
					cells[i] = printable(cells[i])
				}
			}
			enc.Write(cells)
		}
		enc.Flush()
	default:
		writeTable(&b, all, look)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var marks = map[Status]struct{ sign, color string }{
	OK: {"✓", "\x1b[32m"}, Info: {"·", "\x1b[2m"}, Unused: {"–", "\x1b[2m"}, Limited: {"!", "\x1b[33m"}, Failed: {"✗", "\x1b[31m"},
}

func writeTable(b *strings.Builder, all []Check, look Look) {
	names := 0
	for _, c := range all {
		names = max(names, len(c.Name))
	}
	for i, c := range all {
		if i == len(all)-1 {
			writeMends(b, all)
		}
		m, reset := marks[c.Status], "\x1b[0m"
		if !look.Color {
			m.color, reset = "", ""
		}
		fmt.Fprintf(b, "%s%s%s %-*s  ", m.color, m.sign, reset, names, c.Name)
		indent := 2 + names + 2
		wrap(b, c.Detail, indent, look.Width)
		if c.Lost != "" {
			fmt.Fprintf(b, "%*s", indent, "")
			wrap(b, "lost: "+c.Lost, indent, look.Width)
		}
	}
}

// writeMends lists each command once, with all that it mends. Commands are never broken: they are to be copied.
func writeMends(b *strings.Builder, all []Check) {
	var commands []string
	of := map[string][]string{}
	for _, c := range all {
		if c.Mend == "" {
			continue
		}
		if !slices.Contains(commands, c.Mend) {
			commands = append(commands, c.Mend)
		}
		name := c.Name
		if strings.HasPrefix(name, hookName) {
			name = "hooks"
		}
		if !slices.Contains(of[c.Mend], name) {
			of[c.Mend] = append(of[c.Mend], name)
		}
	}
	if len(commands) == 0 {
		return
	}
	b.WriteString("\nWhat mends it:\n")
	for _, c := range commands {
		fmt.Fprintf(b, "  %s\n      # %s\n", printable(c), printable(strings.Join(of[c], ", ")))
	}
	b.WriteByte('\n')
}

// wrap writes a text, and goes on below its beginning where the line is full.
func wrap(b *strings.Builder, text string, indent, width int) {
	at := indent
	for i, word := range strings.Fields(printable(text)) {
		size := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width > indent+20 && at+1+size > width:
			fmt.Fprintf(b, "\n%*s", indent, "")
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += size
	}
	b.WriteByte('\n')
}

// printable keeps names from outside from acting on the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}
