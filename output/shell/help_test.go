package shell

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"rustnet/track/event"
)

func testManual(t testing.TB) *Manual {
	return &Manual{Program: Program{Command: testProgram(t), Groups: []Group{{"a", "Reading"}, {"b", "Writing"}, {"c", "None"}, {"", "More"}},
		Examples: []Example{{"prog", "All of it", true}, {`prog -f 'a\b "c"' | more`, "A part", true}, {"prog snapshot --quick", "Now", false}},
		Common:   []string{"read", "output"}, Exits: []Exit{{0, "Done."}, {1, "*Not* done."}}},
		Schema: &event.Schema{Fields: []*event.Field{{Name: "a_b", Group: "First", Type: event.Uint, Unit: "bytes", Doc: "One | two … three."}, {Name: "c", Group: "Second", Doc: ".d"}}},
		Text:   []Section{{"Description", []string{"`prog` works, it's said.", "'Tis so."}}, {"Files", []string{"None, or `/etc/-prog`."}}}}
}

func TestHelp(t *testing.T) {
	m := testManual(t)
	for _, tc := range []struct {
		name  string
		write func(w io.Writer) error
		want  string
	}{
		{"short", func(w io.Writer) error { return m.WriteShortHelp(w, 60) }, `Usage: prog [COMMAND] [FLAGS]
It works.

  prog                 All of it
  prog -f 'a\b "c"' | more

  -r, --read FILE      Read this
  -o, --output OUTPUT  Form of the records

  snapshot Connections now     shell    A script
Every flag: prog --help-all    A command: prog COMMAND --help
`},
		{"of a command", func(w io.Writer) error { return m.WriteCommandHelp(w, "snapshot", 60) }, `Usage: prog snapshot [FLAGS]

Connections now. With owners.

  prog snapshot --quick

Its own flags:
      --sort FIELD  Sort by it.
      --quick       Be quick.

It also takes all flags of prog --help-all.
`},
		{"of one with an argument", func(w io.Writer) error { return m.WriteCommandHelp(w, "shell", 60) }, `Usage: prog shell NAME [FLAGS]

A script.
NAME is one of: bash, zsh.

It also takes all flags of prog --help-all.
`},
		{"long", func(w io.Writer) error { return m.WriteLongHelp(w, 50) }, `Usage: prog [COMMAND] [FLAGS]
It works.

  prog
  prog -f 'a\b "c"' | more
  prog snapshot --quick

Reading:
  -i, --interface NAME  Capture here; repeatable.
  -r, --read FILE       Read this.
      --into DIR

Writing:
  -f, --filter EXPR      Only these: e.g. 'x'.
      --json             Short for --output json.
      --table
  -o, --output OUTPUT    Form of the records
                         (json, csv, table;
                         default table).
      --fields a,b       Which fields.
      --events EVENTS    Which events (new,
                         closed).
      --time TIME        Times as unix or local.
      --timeout TIMEOUT  How long (default 5s).

More:
  -h, --help   Show the most used flags, or a
               command and its flags.
  -q, --quiet  Say nothing.

Commands and their own flags:

snapshot
  Connections now. With owners.
      --sort FIELD  Sort by it.
      --quick       Be quick.

shell NAME
  A script.
`},
	} {
		var b bytes.Buffer
		if err := tc.write(&b); err != nil || b.String() != tc.want {
			t.Errorf("%s: %v\n got:\n%s\nwant:\n%s", tc.name, err, b.String(), tc.want)
		}
	}
	if err := m.WriteCommandHelp(io.Discard, "nothing", 80); err == nil {
		t.Error("help of a command that is none: got no error")
	}
}

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  string
	}{{"one two", 7, "one two"}, {"one two", 6, "one…"}, {"one, two", 6, "one…"}, {"onetwo", 4, "one…"}, {"ö ü", 3, "ö ü"}} {
		if got := clip(tc.text, tc.width); got != tc.want {
			t.Errorf("%q in %d: got %q, want %q", tc.text, tc.width, got, tc.want)
		}
	}
}

func TestHeadline(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  string
	}{{"One: two; three. Four.", 21, "One: two; three. Four"}, {"One: two; three. Four.", 20, "One: two; three"}, {"One: two; three. Four.", 10, "One: two"}, {"Longer: two", 4, "Lon…"}} {
		if got := headline(tc.text, tc.width); got != tc.want {
			t.Errorf("%q in %d: got %q, want %q", tc.text, tc.width, got, tc.want)
		}
	}
}

// TestManual: what would mean something to troff or Markdown is written so that it does not, and nothing is left out.
func TestManual(t *testing.T) {
	m := testManual(t)
	var man, md bytes.Buffer
	if err := m.Write(&man, "man"); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(&md, "markdown"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n.TH PROG 1 ", "prog \\- it works\n", `\fBprog\fR works, it\(aqs said.`, ".PP\n\\&'Tis so.", `None, or \fB/etc/\-prog\fR.`,
		`prog \-f \(aqa\eb "c"\(aq | more`, ".SS shell NAME\n", ".TP\n\\fB\\-r\\fR, \\fB\\-\\-read\\fR \\fIFILE\\fR\nRead this.\n", ".SS Reading\n",
		"\\fBa_b\\fR (uint, bytes)\nOne | two ... three.\n", "\n\\&.d\n", ".TP\n\\fB1\\fR\n*Not* done.\n"} {
		if !strings.Contains(man.String(), want) {
			t.Errorf("no %q in\n%s", want, man.String())
		}
	}
	for line := range strings.Lines(man.String()) {
		if strings.HasPrefix(line, "'") || len(line) > 81 && !strings.Contains(line, "prog") {
			t.Errorf("line %q", line)
		}
	}
	for _, want := range []string{"# prog\n", "`prog` works, it's said.\n\n'Tis so.", "| `-r, --read FILE` | Read this. |\n", "### Reading\n", "### `prog shell NAME`\n",
		"| `a_b` | uint, bytes | One \\| two … three. |\n", "| 1 | \\*Not\\* done. |\n"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, md.String())
		}
	}
	if strings.Contains(man.String()+md.String(), "None\n") {
		t.Error("a group without flags has a title")
	}
}
