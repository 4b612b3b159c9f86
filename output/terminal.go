package output

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// OnTerminal finds out whether stdout is a terminal, and its size.
func (c *Config) OnTerminal() {
	if (os.Getenv("NO_COLOR") != "" || Dumb()) && c.Color == "auto" { // https://no-color.org
		c.Color = "never"
	}
	if c.Width, c.Height = TerminalSize(); c.Width > 0 {
		c.Size = TerminalSize
	}
}

// InFile is for what does not go to stdout: as a pipe would get it, and never coloured.
func (c Config) InFile() Config {
	c.Width, c.Height, c.Size, c.Color = 0, 0, nil, "never"
	return c
}

// Dumb tells whether the terminal takes nothing but text, as a shell within Emacs does: no colours, and nothing is written over.
func Dumb() bool { return os.Getenv("TERM") == "dumb" }

// Colored tells whether what is written to stdout is coloured.
func (c *Config) Colored() bool { return c.Color == "always" || c.Color == "auto" && c.Width > 0 }

// TerminalSize is that of stdout, zero where it is no terminal.
func TerminalSize() (width, height int) {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return 0, 0
	}
	width, height, _ = term.GetSize(int(os.Stdout.Fd()))
	if width <= 0 || height <= 0 { // a serial line knows none, and is a terminal all the same
		return 80, 24
	}
	return width, height
}

// Fill fills lines with the words of a text: the first begins at a column, the others below another.
func Fill(b *strings.Builder, text string, first, rest, width int) {
	fmt.Fprintf(b, "%*s", first, "")
	at, begun := cmp.Or(first, rest), false
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case !begun:
		case at+1+n > width:
			fmt.Fprintf(b, "\n%*s", rest, "")
			at = rest
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
		begun = true
	}
	b.WriteByte('\n')
}
