package shell

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// line is a command line with a flag of every kind.
type line struct {
	Interface []string      `short:"i" placeholder:"NAME" complete:"interface" group:"a" help:"Capture here; repeatable."`
	Read      string        `short:"r" placeholder:"FILE" group:"a" help:"Read this."`
	Into      string        `placeholder:"DIR" group:"a"`
	Filter    string        `short:"f" complete:"expression" placeholder:"EXPR" group:"b" help:"Only these: e.g. 'x'."`
	JSON      bool          `name:"json" xor:"form" group:"b" help:"Short for --output json."`
	Table     bool          `xor:"form" group:"b"`
	Output    string        `short:"o" enum:"json,csv,table" default:"table" group:"b" help:"Form of the records."`
	Fields    []string      `complete:"fields" placeholder:"a,b" group:"b" help:"Which fields."`
	Events    []string      `complete:"new,closed" group:"b" help:"Which events."`
	Time      string        `enum:"unix,local," default:"" group:"b" help:"Times as unix or local."`
	Timeout   time.Duration `default:"5s" group:"b" help:"How long."`
	Quiet     bool          `short:"q" help:"Say nothing."`
	Secret    string        `hidden:""`

	Stream   struct{} `cmd:"" default:"withargs" hidden:""`
	Snapshot struct {
		Sort  string `complete:"field" placeholder:"FIELD" help:"Sort by it."`
		Quick bool   `help:"Be quick."`
	} `cmd:"" help:"Connections now. With owners."`
	Shell struct {
		Name string `arg:"" enum:"bash,zsh"`
	} `cmd:"" help:"A script."`
	Hidden struct{} `cmd:"" hidden:""`
}

func testProgram(t testing.TB) Command {
	t.Helper()
	k, err := kong.New(&line{}, kong.Name("prog"), kong.Description("It works."), kong.DefaultEnvars("PROG"))
	if err != nil {
		t.Fatal(err)
	}
	return describeProgram(k.Model)
}

func testCompleter(t testing.TB) *Completer {
	field := func() []Candidate { return []Candidate{{"proto", "Transport."}, {"tx_bytes", ""}, {"tx_rate", ""}} }
	texts := func(field string) []string { return map[string][]string{"proto": {"tcp", "udp"}}[field] }
	return &Completer{Program: testProgram(t), Texts: texts, Values: map[string]func() []Candidate{"field": field, "fields": field,
		"expression": func() []Candidate { return append(field(), Candidate{"private(", ""}) },
		"interface":  func() []Candidate { return []Candidate{{"lo", "loopback"}, {"eth0", "ethernet"}, {"eth1", ""}} }}}
}

func TestComplete(t *testing.T) {
	c := testCompleter(t)
	for _, tc := range []struct {
		words string // with bars between
		want  string
	}{
		{"", "words: snapshot shell"},
		{"s", "words: snapshot shell"},
		{"sn", "words: snapshot"},
		{"nothing|", "words:"},
		{"--o", "words: --output"},
		{"--secret", "words:"},
		{"-", "words: --help --interface --read --into --filter --json --table --output --fields --events --time --timeout --quiet"},
		{"snapshot|--q", "words: --quick --quiet"},
		{"--quiet|snapshot|--q", "words: --quick"},
		{"--json|--t", "words: --time --timeout"},
		{"--interface|lo|--i", "words: --interface --into"},
		{"--output|", "words: json csv table"},
		{"-o|c", "words: csv"},
		{"-oc", "words: -ocsv"},
		{"-qo|c", "words: csv"},
		{"-qoc", "words: -qocsv"},
		{"-q", "words: -q"},
		{"-x", "words:"},
		{"--output=", "words: --output=json --output=csv --output=table"},
		{"--quiet=", "words:"},
		{"--nothing=x", "words:"},
		{"--time|", "words: unix local"},
		{"--timeout|", "words:"},
		{"-i|eth", "parts: eth0 eth1"},
		{"-i|eth0,e", "parts: eth0,eth1"},
		{"--fields|", "parts: proto tx_bytes tx_rate"},
		{"--fields|proto,tx_", "parts: proto,tx_bytes proto,tx_rate"},
		{"--fields|proto,p", "parts:"},
		{"--fields|+tx_", "parts: +tx_bytes +tx_rate"},
		{"--fields=-tx_rate,-t", "parts: --fields=-tx_rate,-tx_bytes"},
		{"--events|new,", "parts: new,closed"},
		{"snapshot|--sort|-tx_r", "words: -tx_rate"},
		{"snapshot|--sort=-tx_r", "words: --sort=-tx_rate"},
		{"snapshot|", "words:"},
		{"-f|tx_bytes > 5 && pr", "parts: tx_bytes > 5 && proto tx_bytes > 5 && private("},
		{`-f|proto == "t`, `parts: proto == "tcp`},
		{`-f|x and proto != "`, `parts: x and proto != "tcp x and proto != "udp`},
		{`-f|proto in ["tcp", "u`, `parts: proto in ["tcp", "udp`},
		{`-f|tx_bytes == "u`, "parts:"},
		{`-f|"u`, "parts:"},
		{"--read|x", "files:"},
		{"-r|x|--into|x", "dirs:"},
		{"shell|", "words: bash zsh"},
		{"shell|z", "words: zsh"},
		{"-q|--|ls|-", "command:"},
	} {
		a := c.complete(strings.Split(tc.words, "|"))
		got := a.how + ":"
		for _, v := range a.candidates {
			got += " " + v.Value
		}
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.words, got, tc.want)
		}
	}
	if a := c.complete([]string{"-q", "--", "ls", ""}); a.before != 2 {
		t.Errorf("another's line begins after %d words, want 2", a.before)
	}
}

func TestAnswer(t *testing.T) {
	c := testCompleter(t)
	const breaks = " \t\n\"'><=;|&(:"
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"with help", []string{"fish", "-i", "l"}, "parts\nlo\tloopback\n"},
		{"a sentence of it", []string{"zsh", "sn"}, "words\nsnapshot\tConnections now\n"},
		{"bash keeps what is before the =", []string{"bash", breaks, "prog --output=c"}, "words\ncsv\t\n"},
		{"where = breaks no words", []string{"bash", " ", "prog --output=c"}, "words\n--output=csv\t\n"},
		{"within a quotation", []string{"bash", breaks, "prog -f 'proto=="}, "parts\nproto==proto\tTransport.\nproto==tx_bytes\t\nproto==tx_rate\t\nproto==private(\t\n"},
		{"after one", []string{"bash", breaks, `prog -f "a b" --o`}, "words\n--output\tForm of the records\n"},
		{"escapes", []string{"bash", breaks, `prog a\ b "c\"d" --output t`}, "words\ntable\t\n"},
		{"a variable before", []string{"bash", breaks, "A=b prog sn"}, "words\nsnapshot\tConnections now\n"},
		{"another's", []string{"bash", breaks, "prog -- ls -"}, "command 1\n"},
		{"nothing", nil, ""}, {"no line", []string{"bash", breaks}, ""}, {"no word", []string{"fish"}, ""}, {"only the program", []string{"bash", breaks, "prog"}, ""},
	} {
		var b bytes.Buffer
		if err := c.Answer(&b, tc.args); err != nil || b.String() != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, b.String(), err, tc.want)
		}
	}
}

// FuzzAnswer: whatever stands on the line, it is taken apart, and no more is kept of the last word than there is.
func FuzzAnswer(f *testing.F) {
	c := testCompleter(f)
	for _, s := range []string{"prog --fields +a,-b --output=", `prog -f 'a == "b`, "A=1 prog -qi eth0, -- ls", "prog \\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, cut := bashWords(line, "=:'\"")
		if len(words) > 0 && cut > len(words[len(words)-1]) {
			t.Errorf("%q: %d of %q", line, cut, words)
		}
		var b bytes.Buffer
		if err := c.Answer(&b, []string{"bash", "=:", line}); err != nil {
			t.Error(err)
		}
		if len(words) > 0 {
			c.complete(words)
		}
	})
}

func TestFirstSentence(t *testing.T) {
	for text, want := range map[string]string{"One. Two.": "One", "One: two": "One", "One; two": "One", "For e.g. two.": "For e.g. two", "One.two": "One.two", "": ""} {
		if got := firstSentence(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	p := testProgram(t)
	for _, tc := range []struct {
		name string
		want Flag
	}{
		{"interface", Flag{Name: "interface", Short: 'i', Placeholder: "NAME", Values: "interface", List: true, Again: true, Group: "a", Help: "Capture here; repeatable."}},
		{"r", Flag{Name: "read", Short: 'r', Placeholder: "FILE", Values: "file", Group: "a", Help: "Read this."}},
		{"output", Flag{Name: "output", Short: 'o', Placeholder: "OUTPUT", Enum: []string{"json", "csv", "table"}, Default: "table", Group: "b", Help: "Form of the records."}},
		{"json", Flag{Name: "json", Excludes: []string{"form"}, Group: "b", Help: "Short for --output json."}},
		{"time", Flag{Name: "time", Placeholder: "TIME", Enum: []string{"unix", "local"}, Group: "b", Help: "Times as unix or local."}},
	} {
		if got := find(p.Flags, tc.name); got == nil || fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if len(p.Commands) != 2 || p.command("shell").Args[0].Name != "name" || find(p.Flags, "secret") != nil {
		t.Errorf("got %+v", p)
	}
}
