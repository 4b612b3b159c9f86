package output

import (
	"os"

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
	return width, height
}
