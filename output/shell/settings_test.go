package shell

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/pelletier/go-toml/v2"

	"rustnet/output"
)

var testNames = names{
	flags:    []string{"output", "fields", "filter", "settle", "timeout", "stats", "profile"},
	tables:   []string{"timeout"},
	commands: map[string][]string{"snapshot": {"sort", "listen"}, "stats": {"sort", "graph"}, "stream": nil},
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettings(t *testing.T) {
	system := write(t, `
output = "csv"
fields = ["system"]
stats = "1s"
timeout = { udp = "10s" }
[commands.snapshot]
output = "table"
sort = "host"
[profiles.cron]
fields = ["cron"]
[profiles.cron.commands.snapshot]
sort = "rx_rate"
[profiles.other]
settle = "1s"
`)
	user := write(t, `
fields = "user"
profile = "cron"
[commands.stats]
graph = true
[profiles.cron]
output = "json"
`)
	s, err := readSettings([]string{system, user, filepath.Join(t.TempDir(), "not there")}, false, "", testNames)
	if err != nil {
		t.Fatal(err)
	}
	other, err := readSettings([]string{system, user}, true, "other", testNames)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		s             *settings
		command, flag string
		want          any
		where         string
	}{
		{"a profile beats the rest", s, "stream", "output", "json", user + " [profiles.cron]"},
		{"a profile beats the table of a command", s, "snapshot", "output", "json", user + " [profiles.cron]"},
		{"a command in a profile", s, "snapshot", "sort", "rx_rate", system + " [profiles.cron.commands.snapshot]"},
		{"of another command", s, "stats", "sort", nil, ""},
		{"a profile of the weaker file", s, "stream", "fields", nil, system + " [profiles.cron]"},
		{"the user's file beats the system's", other, "stream", "fields", "user", user},
		{"the system's where the user says nothing", other, "stream", "output", "csv", system},
		{"a command's table beats the rest", other, "snapshot", "output", "table", system + " [commands.snapshot]"},
		{"a flag, not the command of its name", other, "stream", "stats", "1s", system},
		{"a command's own flag", other, "stats", "graph", true, user + " [commands.stats]"},
		{"the profile that was asked for", other, "stream", "settle", "1s", system + " [profiles.other]"},
		{"nobody says", other, "stream", "filter", nil, ""},
	} {
		got, where := tt.s.value(tt.command, tt.flag)
		if list, ok := got.([]any); ok && len(list) == 1 && list[0] == "cron" {
			got = nil // compared by where it is from
		}
		if got != tt.want || where != tt.where {
			t.Errorf("%s: got %v from %q, want %v from %q", tt.name, got, where, tt.want, tt.where)
		}
	}
	if value, _ := s.value("stream", "timeout"); value == nil {
		t.Error("timeout: got nothing, want the table that is its value")
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", `filds = "a"`, `unknown key "filds" (did you mean "fields"?)`},
		{"nothing like it", `zzzzzzzz = 1`, `unknown key "zzzzzzzz" (its names are those of the flags)`},
		{"unknown table", "[timout]\nudp = '1s'", `unknown table [timout] (did you mean "timeout"?)`},
		{"unknown command", "[commands.snapsht]\nsort = 'x'", `commands: no command "snapsht" (did you mean "snapshot"?)`},
		{"in a command", "[commands.snapshot]\nsrt = 'x'", `commands.snapshot: unknown key "srt" (did you mean "sort"?)`},
		{"in a profile", "[profiles.a]\nfilds = 'x'", `profiles.a: unknown key "filds" (did you mean "fields"?)`},
		{"a command's flag at the top", `sort = "x"`, `"sort" is no flag of every command: it goes into a table of one, such as [commands.snapshot]`},
		{"another command's flag", "[commands.snapshot]\ngraph = true", `commands.snapshot: "graph" is no flag of every command: it goes into a table of one, such as [commands.stats]`},
		{"a profile that is no table", "[profiles]\na = 1", "profiles.a: wants to be a table: [profiles.a]"},
		{"profiles in a profile", "[profiles.a.profiles.b]\nsettle = '1s'", "profiles.a: unknown table [profiles]"},
		{"a command in a command", "[commands.snapshot.commands.stats]\nsort = 'x'", "commands.snapshot: unknown table [commands]"},
		{"no TOML", "\n a = [", "line 2, column"},
		{"a profile that nobody has", `profile = "x"`, `--profile: no "x" in `},
	} {
		_, err := readSettings([]string{write(t, tt.text)}, true, "", testNames)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
	if _, err := readSettings([]string{"/not/there"}, true, "", testNames); err == nil {
		t.Error("a file that was named and is not there: got no error")
	}
}

// What is printed makes no terminal act, and read again it is the same.
func TestSettingsAreEscaped(t *testing.T) {
	acts := "a\u009b31m\x1b\x7f'\"\\\u202e<é世>\t\n"
	all := []setting{{Name: "filter", Value: acts, Source: acts}, {Name: "fields", Value: []any{"x", acts}, Source: "default"},
		{Name: "timeout", Value: map[string]any{"udp": acts, acts: true}, Source: "default"}, {Name: "settle", Value: "1s", Source: "default"}}
	for _, asJSON := range []bool{false, true} {
		var text bytes.Buffer
		if err := writeSettings(&text, all, asJSON); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(strings.ReplaceAll(text.String(), "\n", ""), func(r rune) bool { return unicode.IsControl(r) || output.Hostile(r) }); i >= 0 && !asJSON {
			t.Errorf("a character at %d acts in %q", i, text.String())
		}
		got := map[string]any{}
		if asJSON {
			for line := range strings.Lines(text.String()) {
				var s setting
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatal(err)
				}
				got[s.Name] = s.Value
			}
		} else if err := toml.Unmarshal(text.Bytes(), &got); err != nil {
			t.Fatalf("%v in\n%s", err, text.String())
		}
		for _, s := range all {
			if !reflect.DeepEqual(got[s.Name], s.Value) {
				t.Errorf("%s: got %q, want %q", s.Name, got[s.Name], s.Value)
			}
		}
	}
}
