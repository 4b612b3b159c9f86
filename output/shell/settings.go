package shell

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"rustnet/output"
	"rustnet/track/event"
)

// systemSettings is read before the user's own file, which is stronger.
const systemSettings = "/etc/rustnet/config.toml"

// settings are the values that configuration files give to flags: TOML with the flags' names. Those for one
// command stand under [commands.NAME], and sets of them under [profiles.NAME].
type settings struct {
	files       []settingsFile // the weakest first
	profile     string         // the set that was asked for, "" when none was
	profileFrom string         // the file that asked for it
}

type settingsFile struct {
	path   string
	values map[string]any
}

// names are those that may stand in a file.
type names struct {
	flags    []string            // of every command
	tables   []string            // those of flags whose value is a table
	commands map[string][]string // flags that only this command has
}

// The tables that are neither a flag's value nor a command's.
const commandsKey, profilesKey, profileKey = "commands", "profiles", "profile"

// settingsMax is how long a file may be, in bytes: the parser takes a time that grows with the square of its keys.
const settingsMax = 1 << 20

// byteOrderMark is what editors of Windows begin a file with.
const byteOrderMark = "\ufeff"

// defaultSettings are the files that are read where none is named; they need not be there.
func defaultSettings() []string {
	files := []string{systemSettings}
	if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(dir, "rustnet", "config.toml"))
	}
	return files
}

// loadSettings reads path, or where it is "" defaultSettings, and takes the profile of that name, where it
// is "" the one that the files choose. What no flag has for a name is an error that says which was meant.
func loadSettings(path, profile string, names names) (*settings, error) {
	if path != "" {
		return readSettings([]string{path}, true, profile, names)
	}
	return readSettings(defaultSettings(), false, profile, names)
}

func readSettings(paths []string, must bool, profile string, names names) (*settings, error) {
	s := &settings{profile: profile}
	var profiles []string
	for _, path := range paths {
		text, err := readSettingsFile(path, must)
		if !must && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			continue // of a home that is not ours, as of a service's user
		}
		f := settingsFile{path: path}
		if err == nil {
			err = toml.Unmarshal(bytes.TrimPrefix(text, []byte(byteOrderMark)), &f.values)
		}
		if err == nil {
			err = names.check(f.values, "")
		}
		if err != nil {
			if _, ok := errors.AsType[*fs.PathError](err); ok { // it has the path
				return nil, fmt.Errorf("read the configuration: %w", err)
			}
			return nil, fmt.Errorf("%s: %w", path, inLine(err))
		}
		s.files = append(s.files, f)
		if chosen, ok := f.values[profileKey].(string); ok && profile == "" {
			s.profile, s.profileFrom = chosen, path
		}
		profiles = slices.AppendSeq(profiles, maps.Keys(table(f.values, profilesKey)))
	}
	if s.profile != "" && !slices.Contains(profiles, s.profile) {
		return nil, fmt.Errorf("--profile: no %q in %s%s", s.profile, strings.Join(paths, ", "), meant(s.profile, profiles, "there is none"))
	}
	return s, nil
}

// readSettingsFile reads a file. One that nobody named may be no other's to write, as it can name commands to run; whose it may be, and
// that it may not be everybody's, is as ssh(1) has it.
func readSettingsFile(path string, named bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !named {
		if who := writer(info); who != "" && path != systemSettings { // in a user namespace that is nobody's; and /etc is root's
			return nil, fmt.Errorf("%s could change it, and it can name commands to run (to take it as it is: --config)", who)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, settingsMax+1))
	if err == nil && len(text) > settingsMax {
		err = fmt.Errorf("it is longer than %d bytes, as no configuration is", settingsMax)
	}
	return text, err
}

// inLine puts before a syntax error of TOML where it is.
func inLine(err error) error {
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

func meant(name string, names []string, none string) string {
	if n := event.Nearest(name, names); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	if len(names) == 0 {
		return " (" + none + ")"
	}
	slices.Sort(names)
	return " (there is " + strings.Join(slices.Compact(names), ", ") + ")"
}

// check finds what is no name; of says whose values these are: of a profile, of a command, or of a file, "".
func (n names) check(values map[string]any, of string) error {
	command, inCommand := strings.CutPrefix(of, commandsKey+".")
	flags, tables := n.flags, n.tables
	if inCommand {
		flags = slices.Concat(flags, n.commands[command])
	} else if tables = append(slices.Clip(tables), commandsKey); of == "" {
		tables = append(tables, profilesKey)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		sub, isTable := values[name].(map[string]any)
		switch {
		case isTable && !slices.Contains(tables, name):
			return fmt.Errorf("unknown table [%s]%s", name, meant(name, tables, ""))
		case isTable && (name == commandsKey || name == profilesKey):
			if err := n.checkSets(name, sub); err != nil {
				return err
			}
		case !slices.Contains(flags, name):
			return n.unknown(name, flags)
		case name == profileKey && of != "":
			return fmt.Errorf("%s is chosen by a file as a whole: it belongs before the first table", profileKey)
		case name == profileKey && reflect.TypeOf(values[name]).Kind() != reflect.String:
			return fmt.Errorf("%s: %v is no text (put it in quotes)", profileKey, values[name])
		}
	}
	return nil
}

// checkSets checks the commands or profiles that a table has.
func (n names) checkSets(kind string, sets map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if _, known := n.commands[name]; kind == commandsKey && !known {
			return fmt.Errorf("%s: no command %q%s", kind, name, meant(name, slices.Collect(maps.Keys(n.commands)), ""))
		}
		values, ok := sets[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s.%s: wants to be a table: [%[1]s.%[2]s]", kind, name)
		}
		if err := n.check(values, kind+"."+name); err != nil {
			return fmt.Errorf("%s.%s: %w", kind, name, err)
		}
	}
	return nil
}

func (n names) unknown(name string, flags []string) error {
	for _, command := range slices.Sorted(maps.Keys(n.commands)) {
		if slices.Contains(n.commands[command], name) {
			return fmt.Errorf("%q is no flag of every command: it goes into a table of one, such as [%s.%s]", name, commandsKey, command)
		}
	}
	hint := "its names are those of the flags"
	if near := event.Nearest(name, flags); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Errorf("unknown key %q (%s)", name, hint)
}

func table(values map[string]any, name string) map[string]any {
	t, _ := values[name].(map[string]any)
	return t
}

// value gives what the files say of a flag under a command, and where: the profile before the command's
// table before the rest, and in each the last file first. A nil value is none.
func (s *settings) value(command, flag string) (value any, where string) {
	if s == nil {
		return nil, ""
	}
	for _, scope := range [][]string{{profilesKey, s.profile, commandsKey, command}, {profilesKey, s.profile}, {commandsKey, command}, nil} {
		for _, f := range slices.Backward(s.files) {
			values, where := f.values, f.path
			for _, name := range scope {
				values = table(values, name)
			}
			if value, ok := values[flag]; ok {
				if len(scope) > 0 {
					where += " [" + strings.Join(scope, ".") + "]"
				}
				return value, where
			}
		}
	}
	return nil, ""
}

// setting is what is in force for one flag.
type setting struct {
	Command string `json:"command,omitempty"` // whose own flag it is, or for which alone it is so
	Name    string `json:"name"`
	Value   any    `json:"value"`
	Source  string `json:"source"`
	Means   string `json:"means,omitempty"` // what is used where the value is 0 or empty
}

// writeSettings prints settings with their source: as a file that could be read again, or one object a line.
func writeSettings(w io.Writer, settings []setting, asJSON bool) error {
	var text bytes.Buffer
	if asJSON {
		lines := json.NewEncoder(&text)
		lines.SetEscapeHTML(false)
		for _, s := range settings {
			if err := lines.Encode(s); err != nil {
				return err
			}
		}
		return output.WriteError(writeAll(w, output.Calm(text.Bytes())))
	}
	command := ""
	for _, s := range settings {
		if s.Command != command {
			command = s.Command
			fmt.Fprintf(&text, "\n[%s.%s]\n", commandsKey, command)
		}
		var value bytes.Buffer
		lines := toml.NewEncoder(&value)
		lines.SetTablesInline(true)
		if err := lines.Encode(map[string]any{s.Name: s.Value}); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		line := string(bytes.TrimSpace(value.Bytes()))
		if strings.ContainsFunc(line, output.Hostile) {
			line = s.Name + " = " + escaped(s.Value)
		}
		if s.Name == profileKey {
			line = "# " + line // its flags stand here already, and its table does not
		}
		whence := s.Source
		if s.Means != "" {
			whence += ": " + s.Means
		}
		fmt.Fprintf(&text, "%-39s # %s\n", line, output.ForPeople(oneLine.Replace(whence)))
	}
	return output.WriteError(writeAll(w, text.Bytes()))
}

// oneLine keeps the name of a file within its comment.
var oneLine = strings.NewReplacer("\n", `\n`, "\t", `\t`)

// escaped is a value in TOML with escapes for all that makes a terminal act, of which the encoder knows only ASCII's. Texts have the
// same escapes in JSON, and lists the same form.
func escaped(value any) string {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = escaped(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, escaped(key)+" = "+escaped(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(value); err != nil {
		return ""
	}
	return strings.ReplaceAll(string(output.Calm(bytes.TrimSpace(text.Bytes()))), "\x7f", `\u007f`)
}

func writeAll(w io.Writer, text []byte) error {
	_, err := w.Write(text)
	return err
}
