package shell

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"rustnet/track/event"
)

// Files gives flags their values from configuration files: weaker than the command line and the
// environment, stronger than defaults.
type Files struct {
	settings *settings
	loaded   bool
	err      error             // told by Validate: from Resolve it would seem to be about the flag that is asked for first
	last     string            // the flag that was given a value last, and whence
	source   map[string]string // of the flags that files gave a value
}

func (f *Files) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !f.loaded {
		f.loaded, f.source = true, map[string]string{}
		f.settings, f.err = loadSettings(given(ctx, "config"), given(ctx, "profile"), namesOf(ctx.Model))
	}
	if flag.Name == "config" || flag.Name == "profile" || inEnvironment(flag) {
		return nil, nil
	}
	for _, other := range ctx.Flags() { // --csv is stronger than json = true
		if slices.ContainsFunc(other.Xor, func(x string) bool { return slices.Contains(flag.Xor, x) }) && (onCommandLine(ctx, other) || inEnvironment(other)) {
			return nil, nil
		}
	}
	value, source := f.settings.value(ctx.Selected().Name, flag.Name)
	if value == nil || value == false && len(flag.Xor) > 0 {
		return nil, nil
	}
	f.last, f.source[flag.Name] = flag.Name, source
	if err := misfit(flag, value); err != nil {
		return nil, err
	}
	if table, ok := value.(map[string]any); ok && flag.Target.Type().Elem() == reflect.TypeFor[time.Duration]() {
		durations := map[string]any{} // kong takes a table as JSON, which has no durations
		for name, text := range table {
			d, err := event.ParseDuration(fmt.Sprint(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %q %s", name, fmt.Sprint(text), noDurationText)
			}
			durations[name] = d
		}
		return durations, nil
	}
	if flag.Target.Type() == reflect.TypeFor[[]netip.Prefix]() { // which kong would not take as Networks does
		list := listed(value)
		texts := make([]string, len(list))
		for i := range list {
			texts[i] = fmt.Sprint(list[i])
		}
		return strings.Join(texts, ","), nil
	}
	if n, ok := value.(int64); ok && flag.Target.CanAddr() {
		if _, text := flag.Target.Addr().Interface().(encoding.TextUnmarshaler); text { // such as a size, which may have a unit
			return strconv.FormatInt(n, 10), nil
		}
	}
	return value, nil
}

// listed is the value of a flag that can have several, of which one needs no list in a file.
func listed(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

// misfit is why a value of a file is none for a flag, where kong would make another of it: of 5 five
// nanoseconds, of -1 a count without end; or would say so in words of its own.
func misfit(flag *kong.Flag, value any) error {
	if flag.Target.Kind() == reflect.Slice && flag.Target.Type().Elem().Kind() == reflect.String {
		for _, v := range listed(value) {
			if _, text := v.(string); !text {
				return fmt.Errorf("%v is no text (put it in quotes)", v)
			}
		}
	}
	if _, text := value.(string); flag.IsBool() && !text && value != true && value != false {
		return fmt.Errorf("%v is neither true nor false", value)
	}
	if table, ok := value.(map[string]any); ok && flag.Target.Kind() == reflect.Map && flag.Target.Type().Elem().Kind() == reflect.String {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			if _, text := table[name].(string); !text {
				return fmt.Errorf("%s: %v is no text (put it in quotes)", name, table[name])
			}
		}
	}
	n, whole := value.(int64)
	x, broken := value.(float64)
	if !whole && !broken {
		return nil
	}
	if _, timed := flag.Target.Interface().(time.Duration); timed && (n != 0 || x != 0) {
		return fmt.Errorf("%v has no unit (as \"5s\" has)", value)
	}
	if flag.Target.CanInt() && broken || flag.Target.CanUint() && (n < 0 || broken) {
		return fmt.Errorf("%v is no number that it can be", value)
	}
	return nil
}

// Validate tells what is wrong with the files themselves.
func (f *Files) Validate(*kong.Application) error { return f.err }

// pattern is a regular expression that is compiled when it is asked for: these are about mistakes, and a run mostly has none.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// belowZero is what kong says of a number that its flag cannot have, with and without advice to write it in another way.
var belowZero = pattern(`^(--[a-z-]+): expected (?:a valid 64 bit uint|uint value) but got "(-[0-9]+)"`)

// noValue is what kong says when the command line ends, or goes on with another flag, where the value of one should stand.
var noValue = pattern(`^(--[a-z-]+): expected .+ but got "(.*)" \((<EOL>|short flag|long flag)[^;]*(?:; perhaps try (.+)\?)?$`)

// noMembers is what kong says of that where the value is a list or a table.
var noMembers = pattern(`^(--[a-z-]+): missing value, expecting `)

// noChoice is how kong lists the value "" of a flag that has no default. It is nothing to choose.
var noChoice = pattern(`^(--[a-z-]+ must be one of .*),""( but got )`)

// What kong says of values, and what it says of where they are from.
var (
	noDuration = pattern(`^(--[a-z-]+): expected duration but got ("[^"]*")`)
	noNumber   = pattern(`^(--[a-z-]+): expected a valid (\d+) bit (u?)int but got ("[^"]*")`)
	noPair     = pattern(`^(--([a-z-]+)): expected "<key>=<value>" but got ("[^"]*")`)
	noMapValue = pattern(`^(--([a-z-]+)): invalid map value ("[^"]*")( \(of type)?`)
	noArgument = pattern(`^expected "<([a-z]+)>"`)
	wrongArg   = pattern(`^\[?<([a-z]+)>\]? must be`)
	variable   = pattern(`(?s) \(from envar ([A-Z0-9_]+)=.*\)$`)
	flagNamed  = pattern(`^--([a-z-]+)`)
)

const noDurationText = "is no duration such as 250ms, 5s, 1m30s, 2h or 7d"

// reword says what kong says in the words of the manual.
func reword(text string, flags []Flag) string {
	if m := noDuration().FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s: %s %s", m[1], m[2], noDurationText)
	}
	if m := noNumber().FindStringSubmatch(text); m != nil {
		if m[2] == "16" {
			return fmt.Sprintf("%s: %s is no whole number from 0 to 65535", m[1], m[4])
		}
		return fmt.Sprintf("%s: %s is no whole number", m[1], m[4])
	}
	if m := noPair().FindStringSubmatch(text); m != nil {
		form := "NAME=VALUE"
		if f := find(flags, m[2]); f != nil {
			form = f.Placeholder
		}
		return fmt.Sprintf("%s: %s is not %s", m[1], m[3], form)
	}
	if m := noMapValue().FindStringSubmatch(text); m != nil {
		if m[4] != "" {
			return fmt.Sprintf("%s: in a file it is a table: [%s]", m[1], m[2])
		}
		return fmt.Sprintf("%s: %s %s", m[1], m[3], noDurationText)
	}
	if m := noArgument().FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s is missing", strings.ToUpper(m[1]))
	}
	if m := wrongArg().FindStringSubmatch(text); m != nil {
		return strings.ToUpper(m[1]) + text[strings.Index(text, " must be"):]
	}
	return text
}

// Explain says in our words what kong refuses, and which file or variable it came from.
func (f *Files) Explain(err error, flags []Flag) error {
	if m := noMembers().FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s: its value is missing", m[1])
	}
	if m := noValue().FindStringSubmatch(err.Error()); m != nil {
		switch {
		case m[3] == "<EOL>":
			return fmt.Errorf("%s: its value is missing", m[1])
		case m[4] != "" && belowZero().FindString(err.Error()) == "":
			return fmt.Errorf("%s: its value is missing before %s (to give it that: %s)", m[1], m[2], m[4])
		}
	}
	if m := belowZero().FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s: %s is below zero", m[1], m[2])
	}
	if m := noChoice().FindStringSubmatchIndex(err.Error()); m != nil {
		err = fmt.Errorf("%s%s", err.Error()[:m[3]], err.Error()[m[4]:])
	}
	text := err.Error()
	from := variable().FindStringSubmatchIndex(text)
	source := f.source[f.last]
	if from != nil {
		text, source = text[:from[0]], text[from[2]:from[3]]
	} else if source != "" && !strings.Contains(text, "--"+f.last) {
		source = ""
	}
	if text = reword(text, flags); source != "" {
		return fmt.Errorf("%s: %s", source, text)
	}
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		return f.Whence(parse.Context, errors.New(text))
	}
	return errors.New(text)
}

// Whence puts before a mistake in a flag's value where it came from, when that is not the command line.
func (f *Files) Whence(ctx *kong.Context, err error) error {
	m := flagNamed().FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	name := m[1]
	for _, flag := range ctx.Flags() {
		switch {
		case flag.Name != name || onCommandLine(ctx, flag):
		case inEnvironment(flag):
			return fmt.Errorf("%s: %w", flag.Envs[0], err)
		case f.source[name] != "":
			return fmt.Errorf("%s: %w", f.source[name], err)
		}
	}
	return err
}

// nameless tells whether a flag stands on the command line for a file or an interface with no name, as it does when a script's
// variable is not set.
func nameless(ctx *kong.Context, flag *kong.Flag) bool {
	if flag.PlaceHolder != "FILE" && flag.Name != "interface" || !onCommandLine(ctx, flag) {
		return false
	}
	switch value := ctx.FlagValue(flag).(type) {
	case string:
		return value == ""
	case []string:
		return len(value) == 0 || slices.Contains(value, "")
	}
	return false
}

// outside tells of a number that is not within the bounds of its flag: zero, and those that it declares as least and most. 0 is no number
// where it stands for one that depends.
func outside(flag *kong.Flag, v reflect.Value) error {
	if !v.IsValid() || !v.CanInt() {
		return nil
	}
	n := v.Int()
	if n < 0 {
		return fmt.Errorf("--%s: %v is below zero", flag.Name, v)
	}
	if n == 0 && flag.Tag.Has("unset") {
		return nil
	}
	least, _ := strconv.ParseInt(flag.Tag.Get("least"), 10, 64)
	most, err := strconv.ParseInt(flag.Tag.Get("most"), 10, 64)
	switch {
	case err == nil && (n < least || n > most):
		return fmt.Errorf("--%s: %d is not within %d and %d", flag.Name, n, least, most)
	case n < least:
		return fmt.Errorf("--%s: %d is below %d", flag.Name, n, least)
	}
	return nil
}

// Check finds what kong takes, and nobody means: names that are empty, times and counts outside their bounds, and of the flags once, which would
// be taken from the last place where they stand, one that stands twice.
func (f *Files) Check(ctx *kong.Context, once ...string) error {
	for _, flag := range ctx.Flags() {
		if nameless(ctx, flag) {
			return fmt.Errorf("--%s: its name is empty (is a variable not set?)", flag.Name)
		}
		if err := outside(flag, reflect.ValueOf(ctx.FlagValue(flag))); err != nil {
			if source := f.source[flag.Name]; source != "" && !onCommandLine(ctx, flag) {
				err = fmt.Errorf("%s: %w", source, err)
			}
			return err
		}
	}
	times := map[*kong.Flag]int{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			times[p.Flag]++
		}
	}
	for flag, n := range times {
		switch {
		case n > 1 && slices.Contains(once, flag.Name):
			hint := ""
			if flag.Name == "read" {
				hint = " (several captures: mergecap -w - FILE... | rustnet -r -)"
			}
			return fmt.Errorf("--%s is given %d times, and can be once%s", flag.Name, n, hint)
		case flag.Target.Kind() == reflect.Map && n > reflect.ValueOf(ctx.FlagValue(flag)).Len():
			return fmt.Errorf("--%s: a name is given twice, and can be once", flag.Name)
		}
	}
	return nil
}

// Networks takes one address where a network can be.
func Networks() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[netip.Prefix](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("network", &text); err != nil {
			return err
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, aerr := netip.ParseAddr(text)
			if aerr != nil || a.Zone() != "" {
				return fmt.Errorf("%q is neither a network such as 192.0.2.0/24 nor an address", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		target.Set(reflect.ValueOf(p))
		return nil
	}))
}

// Durations takes days and weeks too.
func Durations() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue("duration")
		if err != nil {
			return err
		}
		d, err := event.ParseDuration(fmt.Sprint(token.Value))
		if err != nil {
			return fmt.Errorf("expected duration but got %q", fmt.Sprint(token.Value)) // see noDuration
		}
		target.SetInt(int64(d))
		return nil
	}))
}

// Texts takes texts as they are. kong takes them by way of JSON, which has no bytes that are not UTF-8, as names of files may have.
func Texts() kong.Option {
	return kong.KindMapper(reflect.String, kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue("string")
		if err != nil {
			return err
		}
		text, ok := token.Value.(string)
		if !ok { // of a file
			return fmt.Errorf("%v is no text (put it in quotes)", token.Value)
		}
		target.SetString(text)
		return nil
	}))
}

// ForgetEmptyVariables takes what is set to nothing out of the environment: there it means not set, while
// kong would read a number from it.
func ForgetEmptyVariables(prefix string) {
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); value == "" && strings.HasPrefix(name, prefix) {
			os.Unsetenv(name)
		}
	}
}

// given is the value that the command line or the environment has for a flag.
func given(ctx *kong.Context, name string) string {
	for _, flag := range ctx.Flags() {
		if flag.Name == name {
			value, _ := ctx.FlagValue(flag).(string)
			return value
		}
	}
	return ""
}

// OnCommandLine tells whether a flag of that name stands there, as opposed to files and the environment.
func OnCommandLine(ctx *kong.Context, name string) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == name && !p.Resolved })
}

func onCommandLine(ctx *kong.Context, flag *kong.Flag) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved })
}

func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set })
}

// unsettled tells whether a flag is for the command line only.
func unsettled(flag *kong.Flag) bool {
	return slices.Contains([]string{"help", "help-all", "config"}, flag.Name)
}

// names are those that a configuration file may use.
func namesOf(app *kong.Application) names {
	n := names{commands: map[string][]string{}}
	add := func(flags []*kong.Flag, to *[]string) {
		for _, flag := range flags {
			if unsettled(flag) {
				continue
			}
			*to = append(*to, flag.Name)
			if flag.Target.Kind() == reflect.Map {
				n.tables = append(n.tables, flag.Name)
			}
		}
	}
	add(app.Flags, &n.flags)
	for _, command := range app.Children {
		var own []string
		add(command.Flags, &own)
		n.commands[command.Name] = own
	}
	return n
}

// Print writes what is in force, and whence: as a file that could be read again, or one object a line.
func (f *Files) Print(w io.Writer, ctx *kong.Context, asJSON bool) error {
	whence := func(flag *kong.Flag) string {
		switch {
		case onCommandLine(ctx, flag):
			return "command line"
		case inEnvironment(flag):
			return flag.Envs[0]
		}
		return cmp.Or(f.source[flag.Name], "default")
	}
	var all []setting
	form := "" // whence the short for --output came
	for _, flag := range ctx.Model.Flags {
		switch {
		case unsettled(flag):
		case len(flag.Xor) > 0:
			if flag.Target.Bool() {
				form = whence(flag)
			}
		case flag.Name == "profile" && f.settings.profileFrom != "":
			all = append(all, setting{Name: flag.Name, Value: f.settings.profile, Source: f.settings.profileFrom})
		default:
			s := setting{Name: flag.Name, Value: plain(flag.Target), Source: whence(flag)}
			if flag.Target.IsZero() || flag.Target.Kind() == reflect.Map && flag.Target.Len() == 0 {
				s.Means = flag.Tag.Get("unset")
			}
			all = append(all, s)
		}
	}
	for i := range all {
		if all[i].Name == "output" && form != "" {
			all[i].Source = form
		}
	}
	known := namesOf(ctx.Model)
	for _, command := range ctx.Model.Children {
		for _, flag := range slices.Concat(known.flags, known.commands[command.Name]) {
			// What holds for this command alone.
			if value, source := f.settings.value(command.Name, flag); strings.Contains(source, commandsKey+"."+command.Name+"]") {
				all = append(all, setting{Command: command.Name, Name: flag, Value: value, Source: source})
			}
		}
	}
	return writeSettings(w, all, asJSON)
}

// plain gives a flag's value as TOML and JSON have it: durations and addresses are texts.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case fmt.Stringer:
		return x.String()
	default:
		switch v.Kind() {
		case reflect.Slice:
			list := []any{}
			for i := range v.Len() {
				list = append(list, plain(v.Index(i)))
			}
			return list
		case reflect.Map:
			table := map[string]any{}
			for _, key := range v.MapKeys() {
				table[key.String()] = plain(v.MapIndex(key))
			}
			return table
		}
		return x
	}
}
