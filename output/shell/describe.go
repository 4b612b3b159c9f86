package shell

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// Program is the command line as it is declared, for all that is made of it: help, completion, manual.
type Program struct {
	Command
	Groups   []Group // of the flags, in the order of help; the first one's name is "" where flags have none
	Examples []Example
	Common   []string // flags that the short help shows
	Exits    []Exit
}

// Command is one of the program's, or the program itself.
type Command struct {
	Name, Help string
	Flags      []Flag
	Args       []Arg
	Commands   []Command
	Takes      []string // of the program's flags those that it takes; nil = all
}

// Flag is one flag.
type Flag struct {
	Name        string
	Short       rune // 0 = none
	Help        string
	Placeholder string // of the value, "" where it takes none
	Default     string
	Enum        []string // the values that it takes, where they can be listed
	Values      string   // otherwise what its values are: see Completer
	List        bool     // several, with commas between
	Again       bool     // may be given again
	Group       string   // key of its group
	Excludes    []string // names of others that cannot be given with it
	Negatable   bool     // --no-NAME turns it off
}

// Arg is a positional argument of a command.
type Arg struct {
	Name, Help string
	Enum       []string
	Optional   bool
}

// Group is some flags that belong together.
type Group struct{ Key, Title string }

// Example is a command line, and what it does. Short ones are for the short help.
type Example struct {
	Line, Does string
	Short      bool
}

// Exit is a status that the program ends with.
type Exit struct {
	Status int
	Means  string
}

// describeProgram takes the commands and flags from their declaration. A flag says by the tag "complete" what its
// values are; where it does not, FILE and DIR as placeholders say it.
func describeProgram(app *kong.Application) Command {
	c := describe(app.Node)
	c.Name = app.Name
	return c
}

func describe(n *kong.Node) Command {
	c := Command{Name: n.Name, Help: n.Help}
	for _, f := range n.Flags {
		if !f.Hidden {
			c.Flags = append(c.Flags, describeFlag(f))
		}
	}
	for _, p := range n.Positional {
		c.Args = append(c.Args, Arg{Name: p.Name, Help: p.Help, Enum: enum(p), Optional: !p.Required})
	}
	for _, child := range n.Children {
		if !child.Hidden {
			c.Commands = append(c.Commands, describe(child))
		}
	}
	return c
}

func describeFlag(f *kong.Flag) Flag {
	d := Flag{Name: f.Name, Short: f.Short, Help: f.Help, Default: f.Default, Enum: enum(f.Value), Values: f.Tag.Get("complete"),
		List: f.IsSlice() && f.Tag.Sep != -1, Again: f.IsCumulative(), Excludes: f.Xor, Negatable: f.Tag.Negatable != ""}
	if f.Name == "help" {
		d.Help = "Show the most used flags, or a command and its flags."
	}
	if f.Group != nil {
		d.Group = f.Group.Key
	}
	if !f.IsBool() {
		d.Placeholder = f.PlaceHolder
		if d.Placeholder == "" {
			d.Placeholder = strings.ToUpper(f.Name)
		}
	}
	switch {
	case strings.Contains(d.Values, ","): // listed there, since several of them may be given
		d.Enum, d.Values = strings.Split(d.Values, ","), ""
	case d.Values == "":
		d.Values = map[string]string{"FILE": "file", "DIR": "dir"}[d.Placeholder]
	}
	return d
}

func enum(v *kong.Value) (values []string) {
	for _, e := range v.EnumSlice() {
		if e != "" { // not given
			values = append(values, e)
		}
	}
	return values
}

// takes tells whether one of the program's flags can be given with it.
func (c *Command) takes(f *Flag) bool { return c.Takes == nil || slices.Contains(c.Takes, f.Name) }

// find gives the flag of that name, nil when there is none.
func find(flags []Flag, name string) *Flag {
	for i := range flags {
		if flags[i].Name == name || flags[i].Negatable && "no-"+flags[i].Name == name || flags[i].Short != 0 && utf8.RuneCountInString(name) == 1 && string(flags[i].Short) == name {
			return &flags[i]
		}
	}
	return nil
}

// command gives the command of that name, nil when there is none.
func (c *Command) command(name string) *Command {
	for i := range c.Commands {
		if c.Commands[i].Name == name {
			return &c.Commands[i]
		}
	}
	return nil
}
