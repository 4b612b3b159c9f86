// Command rustnet streams the connections of this machine, or of a capture file, as lines: one
// event for each that opens, changes and closes, with the process that owns it and what it speaks.
//
// This file holds the command line and the wiring of the stages; the work is theirs.
package main

//go:generate sh -c "go run . manual man > docs/rustnet.1 && go run . manual markdown > docs/reference.md && go run . manual schemas > docs/schemas.md"

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/net/bpf"

	"rustnet/capture"
	"rustnet/capture/bypass"
	"rustnet/capture/command"
	"rustnet/capture/decode"
	"rustnet/capture/file"
	"rustnet/capture/lifecycle"
	"rustnet/capture/live"
	"rustnet/capture/ndjson"
	"rustnet/capture/pcapfilter"
	"rustnet/capture/sockets"
	capturestore "rustnet/capture/store"
	"rustnet/enrich"
	"rustnet/enrich/doctor"
	"rustnet/enrich/remote"
	"rustnet/filter"
	"rustnet/filter/alert"
	"rustnet/output"
	"rustnet/output/flow"
	"rustnet/output/hook"
	"rustnet/output/pcapng"
	"rustnet/output/pieces"
	"rustnet/output/shell"
	"rustnet/output/siem"
	"rustnet/output/store"
	"rustnet/output/summary"
	"rustnet/track"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

// Exit statuses; scripts rest on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNothing     = 3
	exitMatched     = 4
	exitInterrupted = 130
)

var exits = []shell.Exit{
	{Status: exitDone, Means: "Done: end of file, --count, --duration, SIGINT, SIGTERM, SIGHUP (where it opens no file anew), the reader left; of doctor: the main job can be done."},
	{Status: exitFailed, Means: "Failed while running; of doctor: the main job cannot be done."},
	{Status: exitUsage, Means: "A mistake in flags, filter or configuration."},
	{Status: exitNothing, Means: "With --exit-code: nothing was written."},
	{Status: exitMatched, Means: "With --fail-on-match: something was written."},
	{Status: exitInterrupted, Means: "Interrupted twice."},
	{Status: command.StatusOurs, Means: "Of -- CMD: rustnet could not begin, and CMD was not run. What CMD itself ends with is the status otherwise, 128 and the signal's number where it was one."},
	{Status: command.StatusCannot, Means: "Of -- CMD: it cannot be executed."},
	{Status: command.StatusNotFound, Means: "Of -- CMD: it was not found."},
}

// schema is the one list of fields that every format, filter and document uses.
var schema = event.NewSchema(dpi.Fields(), dpi.Apps()...)

// cli is every flag there is; the packages' own are declared in their Config.
type cli struct {
	Live      live.Config    `embed:"" group:"capture"`
	Read      string         `short:"r" placeholder:"FILE" group:"capture" help:"Read a pcap or pcapng file instead, also .gz and .zst; - is stdin."`
	From      []string       `sep:"none" placeholder:"FILE" group:"capture" help:"Read records that rustnet wrote as NDJSON, also .gz and .zst; - is stdin; repeatable, or a pattern in quotes, for rotated files."`
	BPF       string         `name:"bpf" placeholder:"EXPR" group:"capture" help:"Capture filter in pcap-filter(7) syntax, for live capture and files."`
	Local     []netip.Prefix `placeholder:"CIDR" group:"capture" help:"Networks or addresses of the local side, for --read; repeatable."`
	Checksums bool           `group:"capture" help:"Verify checksums and note a wrong one as C in history. Costs reading every payload."`
	Process   string         `enum:"auto,procfs,none" default:"auto" placeholder:"HOW" group:"capture" help:"How owners are found: auto, procfs, none."`
	Types     string         `name:"btf" placeholder:"FILE" complete:"file" group:"capture" help:"Type information (BTF) for a kernel that has none: /sys/kernel/btf/vmlinux of a machine with the same kernel, or BTFHub's file for it, unpacked."`

	Filter string `short:"f" placeholder:"EXPR" complete:"expression" group:"output" help:"Only records for which this is true: 'sni endsWith \".io\"'; rustnet fields lists the names."`

	JSON   bool          `name:"json" group:"output" xor:"form" help:"Short for --output json: one object a line."`
	CSV    bool          `name:"csv" group:"output" xor:"form" help:"Short for --output csv: RFC 4180, whose lines end in CR LF; tr -d '\\r' makes it ready for awk and cut."`
	Table  bool          `group:"output" xor:"form" help:"Short for --output table."`
	Output output.Config `embed:"" group:"output"`
	File   pieces.Config `embed:"" group:"output"`
	Alerts alert.Config  `embed:"" group:"alerts"`
	Hook   hook.Config   `embed:"" group:"alerts"`
	Store  string        `placeholder:"FILE" group:"output" help:"Also keep each connection in this SQLite file; history, show and stats read it."`
	Keep   store.Config  `embed:"" group:"output"`
	Pcapng pcapng.Config `embed:"" group:"output"`
	Track  track.Config  `embed:"" group:"tracking"`
	About  remote.Config `embed:"" group:"capture"`

	CommunityIDSeed uint16 `name:"community-id-seed" default:"0" placeholder:"N" group:"output" help:"Seed of community_id."`

	Command command.Config `embed:"" group:"running"`

	Duration time.Duration `placeholder:"D" unset:"no limit" group:"running" help:"Stop after this time; for a capture file, after this much of it."`
	Config   string        `placeholder:"FILE" group:"running" help:"Read flags from this TOML file instead of /etc/rustnet/config.toml and ~/.config/rustnet/config.toml."`
	Profile  string        `placeholder:"NAME" group:"running" help:"Also take the flags of [profiles.NAME] in those files."`
	Quiet    bool          `short:"q" group:"running" help:"No summary and no warnings on stderr."`
	LogLevel string        `enum:"error,warn,info" default:"info" group:"running" placeholder:"LEVEL" help:"What goes to stderr: error, warn, info."`

	Every time.Duration `name:"stats" placeholder:"D" unset:"none" group:"output" help:"Also write a record of totals every D, whatever the filter."`

	HelpAll shell.HelpAll `env:"-" help:"Show every flag, and those of every command."`

	Stream   struct{} `cmd:"" default:"withargs" hidden:""`
	Snapshot struct {
		Listen bool `help:"Also show listening sockets, and UDP sockets without a remote end."`
		summary.Config
	} `cmd:"" help:"Show current connections. They come from the kernel's socket tables of all network namespaces, with owners; --duration or --watch add names and rates from packets. Connections in TIME_WAIT are left out."`
	Stats struct {
		Graph bool `help:"Also draw bytes over time."`
		summary.Config
		When capturestore.Config `embed:""`
	} `cmd:"" help:"Sum up connections. By protocol, application, service, process, host and reason of their end: live until interrupted, or from --read, --from or --store."`
	History struct {
		Records  bool                `help:"Show every record that --store-events kept, not one row for each connection."`
		NewSince capturestore.Moment `placeholder:"WHEN" help:"With --group-by: only groups of which the store knows no connection that began before this, such as the hosts that are new since yesterday."`
		summary.Rows
		When capturestore.Config `embed:""`
	} `cmd:"" help:"Query past connections. They come from the file that --store keeps, also while it is written; --filter, --since and --until use its indexes."`
	Show struct {
		ID string `arg:"" help:"the connection's id, or how that begins"`
	} `cmd:"" help:"Show one connection. Everything that the --store file has of it; with --store-events also each record."`
	Doctor     struct{} `cmd:"" help:"Check what works here. For what does not work it says what is lost and which command mends it; --json has an object for each check. Exit status 0 when connections are captured and their owners found."`
	Interfaces struct{} `cmd:"" help:"List network interfaces. These are the names that --interface takes."`
	Fields     struct {
		Markdown bool `help:"As a Markdown table."`
	} `cmd:"" help:"List the fields of a record. --fields, --sort, --group-by and filters take their names; --json adds the values that a text can have."`
	Settings   struct{} `cmd:"" name:"config" help:"Print the flags in force. Each with the source of its value; as TOML, or --json."`
	Completion struct {
		Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
	} `cmd:"" help:"Print a shell's completion. The script says at its top where to put it."`
	Manual struct {
		Form string `arg:"" optional:"" enum:"man,markdown,schemas" default:"man" help:"man, markdown or schemas"`
	} `cmd:"" help:"Print the manual. As a man page (rustnet manual | man -l -) or in Markdown; schemas is about the fields of --schema."`
	Version struct{} `cmd:"" help:"Print the version."`

	doing     string           // the command
	fromStore bool             // the command reads --store instead of writing it
	say       flow.Teller      // as --quiet and --log-level have it
	program   *command.Command // of rustnet [flags] -- CMD ARGS; nil = none
	remote    *remote.Stage    // nil = nothing of About is asked for
	owners    *enrich.Stage    // nil = nobody looks for them
	started   func()           // when signals are caught that end it
	reopens   bool             // SIGHUP is for files, and ends nothing
	captures  bool             // packets of this machine
}

func main() { os.Exit(run(os.Args[1:])) }

// usageError is a mistake on the command line: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// mistake is one on the command line, unless the system refuses what is none: for want of rights, on a full disk.
func (c *cli) mistake(err error) error {
	wrong := []error{fs.ErrNotExist, syscall.EISDIR, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP}
	if _, refused := errors.AsType[syscall.Errno](err); !refused || slices.ContainsFunc(wrong, func(name error) bool { return errors.Is(err, name) }) {
		return usageError{err}
	}
	return c.program.NotRun(err)
}

func run(args []string) int {
	// A reader that leaves is an error of write, and no end with a bang. Caught, for programs that we start inherit what is ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	defer runtime.KeepAlive(flow.Ballast())
	status, err := execute(args)
	if errors.Is(err, syscall.EMFILE) {
		err = fmt.Errorf("%w (try: ulimit -n 1024)", err)
	}
	var usage usageError
	var child *command.Error
	switch {
	case err == nil || errors.Is(err, output.ErrReaderGone):
		return status
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "rustnet: %s\n", output.ForPeople(usage.Error()))
		return exitUsage
	case errors.As(err, &child):
		status = child.Status
	case status == exitDone:
		status = exitFailed
	}
	fmt.Fprintf(os.Stderr, "rustnet: %s\n", output.ForPeople(err.Error()))
	return status
}

func newParser(c *cli, files *shell.Files, environment kong.Option) (*kong.Kong, error) {
	return kong.New(c, kong.Name("rustnet"), kong.Description("Which program talks to whom, about what, right now."),
		environment, kong.Help(shell.PrintHelp), kong.Resolvers(files), shell.Networks(), shell.Durations(), shell.Texts())
}

func execute(args []string) (status int, err error) {
	if os.Geteuid() != os.Getuid() || os.Getegid() != os.Getgid() {
		return 0, usageError{errors.New("its file has a set-user-ID or set-group-ID bit, which lets everybody write files as somebody else (try: chmod ug-s, and file capabilities as rustnet doctor says them)")}
	}
	if err := live.HoldPrivileges(); err != nil {
		return 0, err
	}
	shell.ForgetEmptyVariables("RUSTNET_")
	var c cli
	files := &shell.Files{}
	environment := kong.DefaultEnvars("RUSTNET")
	if os.Getenv("RUSTNET_V") != "" { // we were started by --exec: they tell of a record
		environment = kong.OptionFunc(func(*kong.Kong) error { return nil })
	}
	parser, err := newParser(&c, files, environment)
	if err != nil {
		return 0, err
	}
	about := shell.About(parser.Model, schema, exits)
	if len(args) > 0 && args[0] == shell.CompleteCommand {
		c := shell.NewCompleter(about.Command, schema, filter.Functions())
		c.Values["interface"] = interfaceNames
		return 0, printed(c.Answer(os.Stdout, args[1:]))
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	if len(args) == 1 && (args[0] == "--version" || args[0] == "-V") {
		args = []string{"version"}
	}
	args, program, given := command.Cut(args)
	ctx, err := parser.Parse(args)
	if failed := printed(err); failed != err { // it was --help
		return 0, failed
	}
	if err != nil {
		return 0, usageError{about.Advise(files.Explain(err, about.Flags), err)}
	}
	if err := files.Check(ctx, "read", "filter", "bpf", "write", "pcapng", "store", "learned", "exec", "output-file", "cmd-output"); err != nil {
		return 0, usageError{err}
	}
	defer func() {
		if usage, ok := err.(usageError); ok {
			err = usageError{files.Whence(ctx, usage.error)}
		}
	}()
	c.doing, c.say = ctx.Selected().Name, flow.NewTeller(os.Stderr, c.LogLevel)
	if c.Quiet {
		c.say = flow.NewTeller(os.Stderr, "error")
	}
	for _, err := range []error{c.fits(ctx, about), c.Keep.Check(c.Store)} {
		if err != nil {
			return 0, usageError{err}
		}
	}
	c.From = ndjson.Expand(c.From)
	read, written := c.files()
	if err := output.Apart(read, written...); err != nil {
		return 0, usageError{err}
	}
	if err := c.takeCommand(args, program, given); err != nil {
		return 0, err
	}
	if c.doing != "stream" { // that opens its files first, and what is wrong with them is told then
		if err := c.lasting(); err != nil {
			return 0, err
		}
	}
	c.reopens = c.doing == "stream" && (c.File.Write != "" || c.Pcapng.File != "")
	if c.program == nil && c.streams() {
		nothing := exitDone
		if c.Output.ExitCode {
			nothing = exitNothing
		}
		c.started = flow.Starting(nothing, !c.reopens)
	}
	return c.do(ctx, files, about)
}

// streams tells whether the command is one of those through which events flow.
func (c *cli) streams() bool {
	return slices.Contains([]string{"stream", "snapshot", "stats", "history"}, c.doing)
}

// do runs the command, and gives the exit status.
func (c *cli) do(ctx *kong.Context, files *shell.Files, about *shell.Manual) (status int, err error) {
	switch c.doing {
	case "snapshot":
		return c.snapshot()
	case "stats":
		return c.stats()
	case "history":
		return c.history()
	case "show":
		return c.show()
	case "doctor":
		status, err = c.doctor()
	case "interfaces":
		err = c.interfaces()
	case "fields":
		err = c.fields()
	case "config":
		err = files.Print(os.Stdout, ctx, c.Output.Format == output.JSON)
	case "completion":
		_, err = os.Stdout.WriteString(shell.Scripts[c.Completion.Shell])
	case "manual":
		if c.Manual.Form == "schemas" {
			err = siem.Write(os.Stdout)
		} else {
			err = about.Write(os.Stdout, c.Manual.Form)
		}
	case "version":
		_, err = fmt.Println("rustnet", version())
	default:
		return c.stream()
	}
	return status, printed(err)
}

// fits settles the form, and tells what is wrong with the flags of the command line for their command, and with each other.
func (c *cli) fits(ctx *kong.Context, about *shell.Manual) error {
	given := func(flags ...string) string { // the first of them that is
		for _, flag := range flags {
			if shell.OnCommandLine(ctx, flag) {
				return flag
			}
		}
		return ""
	}
	snapshot, notLive := c.doing == "snapshot", given("read", "from") != ""
	if flag := given("interface", "ring-bytes", "promiscuous"); flag != "" && notLive {
		return fmt.Errorf("--%s is for live capture, which --read and --from are instead of", flag)
	}
	if notLive && given("snaplen") != "" && c.Pcapng.File == "" {
		return errors.New("--snaplen is for live capture, and for what --pcapng keeps: of a file's packets all that is there is read")
	}
	if given("local") != "" && c.Read == "" && c.streams() {
		return errors.New("--local is for captures that --read reads: live this side is this machine, and records say theirs")
	}
	if flag := given("interface", "bpf"); flag != "" && snapshot && !c.passes() {
		return fmt.Errorf("--%s is for packets, which a snapshot looks at with --duration or --watch", flag)
	}
	for flag, path := range map[string]string{"store": c.Store, "learned": c.Alerts.Learned, "output-file": cmp.Or(c.Snapshot.OutputFile, c.Stats.OutputFile, c.History.OutputFile)} {
		if path == "-" {
			return fmt.Errorf("--%s: - is stdout, and here a file has to be named", flag)
		}
	}
	for form, short := range map[string]bool{output.JSON: c.JSON, output.CSV: c.CSV, output.Table: c.Table} {
		if short && given("output") != "" && c.Output.Format != form {
			return fmt.Errorf("--%s and --output %s: one form, not two", form, c.Output.Format)
		}
		if short {
			c.Output.Format = form
		}
	}
	if c.doing != "stream" && c.doing != "config" { // what a file of settings says is for when there is one
		flag := given("write", "pcapng", "alert", "detect", "exec")
		if flag == "" && c.doing != "history" {
			flag = given("schema")
		}
		if flag != "" {
			hint := ""
			if c.doing == "history" {
				hint = ": rustnet history --json | rustnet --from - --" + flag + " …"
			}
			return fmt.Errorf("--%s is for the stream of events%s", flag, hint)
		}
	}
	switch {
	case snapshot && notLive:
		return errSnapshotLive
	case snapshot && given("store") != "":
		return errors.New("--store is for the stream of events, and for looking back at it: history, show and stats")
	case c.doing == "stats" && given("store") != "" && !c.live():
		return errPlaces
	}
	return about.Refuse(ctx)
}

// printed is what a command gives that writes to stdout by itself: a failure of that in the words of all.
func printed(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok && failed.Path == os.Stdout.Name() {
		return output.WriteError(err)
	}
	return err
}

// files are those that a command reads and writes.
func (c *cli) files() (read []string, written []output.Written) {
	read = append(slices.Clone(c.From), c.Read)
	cmd := output.Written{Flag: "--cmd-output", Path: c.Command.Output}
	switch into := "--output-file"; c.doing {
	case "stream":
		rotates := c.File.RotateSize > 0 || c.File.RotateEvery > 0
		return read, []output.Written{{Flag: "--write", Path: c.File.Write, Aside: rotates}, {Flag: "--pcapng", Path: c.Pcapng.File, Aside: rotates},
			{Flag: "--store", Path: c.Store}, {Flag: "--learned", Path: c.Alerts.Learned, Replaced: true}, cmd}
	case "snapshot":
		return nil, []output.Written{{Flag: into, Path: c.Snapshot.OutputFile, Replaced: true}}
	case "stats":
		return append(read, c.Store), []output.Written{{Flag: into, Path: c.Stats.OutputFile, Replaced: true}, cmd}
	case "history":
		return []string{c.Store}, []output.Written{{Flag: into, Path: c.History.OutputFile, Replaced: true}}
	}
	return nil, nil
}

// lasting checks that what is put aside, or into the place of a file, later than the rest is opened, can be.
func (c *cli) lasting() error {
	_, written := c.files()
	for _, w := range written {
		if path := w.Later(); path != "" {
			if err := live.Lasting(path); err != nil {
				return c.program.NotRun(fmt.Errorf("%s %s: nothing can be put into %w", w.Flag, w.Path, err))
			}
		}
	}
	return nil
}

// interfaceNames are what completion offers.
func interfaceNames() (all []shell.Candidate) {
	devices, _ := live.Interfaces() // where they cannot be listed, there are none to offer
	for _, d := range devices {
		all = append(all, shell.Candidate{Value: d.Name, Help: d.Kind})
	}
	return all
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown build)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return fmt.Sprintf("%s %s %s/%s", v, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}

// fields prints the schema.
func (c *cli) fields() error {
	format := c.Output.Format
	switch {
	case c.Fields.Markdown:
		format = "markdown"
	case format == output.CSV || format == output.None:
		return usageError{fmt.Errorf("--output: fields are listed as a table, as json, or with --markdown, not as %s", format)}
	}
	width, _ := output.TerminalSize()
	return output.WriteFields(os.Stdout, schema, format, width)
}

// stream is the default command: from a source to lines on stdout.
func (c *cli) stream() (int, error) {
	for _, err := range []error{c.File.Check(c.Pcapng.File != ""), c.Pcapng.Check(), c.Hook.Check(c.Alerts.Any())} {
		if err != nil {
			return 0, usageError{err}
		}
	}
	fields := c.schema()
	keep, err := c.prepare(fields)
	if err != nil {
		return 0, err
	}
	c.Output.Encoder = siem.New
	if c.Output.Spool = c.live(); c.Output.Spool {
		c.Output.Host, _ = os.Hostname() // where it has no name, none is written
	}
	c.Output.Dated = len(c.From) > 0
	inFile := c.Output
	if c.Read != "" && c.Output.Format == output.Table && c.Output.Schema == "" && len(c.Output.Fields) == 0 && !file.Recorded(c.Read) {
		c.Output.Fields = []string{"-process"} // such a file knows none
		if len(c.Local) == 0 {
			c.Output.Fields = append(c.Output.Fields, "-direction")
		}
	}
	out, err := output.New(c.Output, fields, os.Stdout)
	if err != nil {
		return 0, usageError{err}
	}
	for _, kind := range []event.Kind{event.Stats, event.Alert} {
		if asked := c.Every != 0 && kind == event.Stats || c.Alerts.Any() && kind == event.Alert; asked && !out.Writes(kind) {
			c.say("warn", "--schema %s has nothing for %s: such records are left out", c.Output.Schema, kind)
		}
	}
	to := lines(out, keep)
	var stages []flow.Stage
	beside := func(b flow.Beside) { stages, to.Beside = append(stages, b.Run), append(to.Beside, b) }
	if c.Every != 0 {
		if len(c.From) > 0 {
			return 0, usageError{errors.New("--stats: records that are read back are added up by rustnet stats --from")}
		}
		stages = append(stages, summary.NewTotals(c.Every, c.live()).Run)
	}
	c.Alerts.Commands = c.Hook.Exec != ""
	alerts, err := alert.New(c.Alerts, fields, c.alarm)
	if err != nil {
		return 0, c.mistake(err)
	}
	if alerts != nil {
		beside(alerts)
		for _, rule := range alerts.Rules() {
			c.sayDoubts("--alert "+rule.Name, rule.Program)
		}
	}
	stages = append(stages, keep.Stage())
	if to.End, err = c.openBesides(fields, inFile, keep, alerts, beside); err != nil {
		return 0, err
	}
	if err := c.lasting(); err != nil {
		return 0, err
	}
	src, err := c.open(fields)
	if err != nil {
		return 0, c.program.NotRun(err)
	}
	return c.program.Finish(c.flow(src, stages, to))
}

// openBesides opens, with all the rights there are, what records go to beside stdout. leave is for when that is left behind.
func (c *cli) openBesides(fields *event.Schema, inFile output.Config, keep *filter.Stage, alerts *alert.Stage, beside func(flow.Beside)) (leave func(), err error) {
	if c.Pcapng.File != "" {
		kept, err := c.keepPackets(keep)
		if err != nil {
			return nil, c.program.NotRun(err)
		}
		beside(kept)
	}
	if c.File.Write != "" {
		file, err := pieces.New(c.File, inFile, fields, c.alarm)
		if err != nil {
			return nil, c.program.NotRun(err)
		}
		beside(file)
	}
	if c.Hook.Exec != "" {
		command, err := hook.New(c.Hook, inFile, fields, c.warn, alerts.Untold)
		if err != nil {
			return nil, usageError{err}
		}
		beside(command)
		leave = func() {
			command.Leave()
			alerts.Close()
		}
	}
	if c.Store != "" {
		c.Keep.Live, c.Keep.Warn = c.live(), c.alarm
		kept, err := store.New(c.Store, c.Keep, fields)
		if err != nil {
			return nil, c.program.NotRun(err)
		}
		beside(kept)
	}
	return leave, nil
}

// lines is the sink of the records that keep lets pass.
func lines(out *output.Stage, keep *filter.Stage) flow.Sink {
	return flow.Sink{Run: out.Run, Stopped: out.Stopped(), Written: func() uint64 { return out.Stats().Events() },
		Outcome: func() string { return out.Stats().Report(keep.Stats().FilteredOut) }}
}

// keepPackets opens the file of packets, and has them handed to it.
func (c *cli) keepPackets(keep *filter.Stage) (*pcapng.Keeper, error) {
	if len(c.From) > 0 {
		return nil, usageError{errors.New("--pcapng: records that are read back have no packets")}
	}
	cfg := c.Pcapng
	cfg.Rotation, cfg.SnapLen, cfg.Live, cfg.Settle = c.File.Rotation, c.Live.SnapLen, c.live(), c.Track.Settle
	kept, err := pcapng.New(cfg, schema, c.alarm)
	if err != nil {
		return nil, err
	}
	keep.TellRuledOut()
	c.Track.Tap, c.Live.WholePackets = kept.Tap, true
	return kept, nil
}

// snapshot prints the connections that there are.
func (c *cli) snapshot() (int, error) {
	if !c.live() {
		return 0, usageError{errSnapshotLive}
	}
	cfg := c.Snapshot.Config
	c.About.Patient = true
	keep, err := c.prepare(schema)
	if err != nil {
		return 0, err
	}
	if c.Output.Format == output.Table && len(c.Output.Fields) == 0 && len(cfg.GroupBy) == 0 {
		c.Output.Fields = []string{"-ts", "-event", "-tx_bytes", "-rx_bytes"} // the same in all, or less than the rates say
		if c.passes() {
			c.Output.Fields = append(c.Output.Fields, "+tx_rate", "+rx_rate")
		} else {
			c.Output.Fields = append(c.Output.Fields, "-app", "-duration") // only packets tell
		}
	}
	cfg.Size, c.Output.Sockets, c.Output.Listening = output.TerminalSize, !c.passes(), c.Snapshot.Listen
	show, err := summary.New(cfg, c.Output, schema, os.Stdout)
	if err != nil {
		return 0, usageError{err}
	}
	src, own, err := c.openSnapshot()
	if err != nil {
		return 0, err
	}
	board := summary.NewBoard(cfg.Watch, own)
	return c.flow(src, []flow.Stage{board.Run, keep.Stage()}, flow.Sink{Run: show.Run, Written: show.Events, End: show.Restore})
}

// passes tells whether a snapshot takes time, in which packets tell more than the sockets do.
func (c *cli) passes() bool { return c.Duration > 0 || c.Snapshot.Watch > 0 }

// stats is the command that sums up.
func (c *cli) stats() (int, error) {
	c.fromStore = c.Store != "" && c.live() // which may be written by a configuration file
	if when := c.Stats.When; !c.fromStore && len(c.From) == 0 && (!when.Since.IsZero() || !when.Until.IsZero()) {
		return 0, usageError{errors.New(`--since and --until are for what was kept (--store, --from); of a capture ask with --filter 'ts > date("2026-01-31T08:00:00Z")'`)}
	}
	cfg, fields := c.Stats.Config, c.schema()
	keep, err := c.prepare(fields)
	if err != nil {
		return 0, err
	}
	cfg.Size = output.TerminalSize
	stats, err := summary.NewStats(cfg, c.Stats.Graph, c.live(), c.Output, fields, os.Stdout)
	if err != nil {
		return 0, usageError{err}
	}
	var src *flow.Source
	if c.fromStore {
		src, err = c.openStore(c.Stats.When, false, fields)
	} else {
		src, err = c.open(fields)
	}
	if err != nil {
		return 0, c.program.NotRun(err)
	}
	if c.live() && c.Duration == 0 && cfg.Watch == 0 && c.program == nil { // or nothing is to be seen, and it looks stuck
		c.say("info", "adding up until Ctrl-C; --duration 1m ends it by itself, --watch 2s shows it meanwhile")
	}
	return c.program.Finish(c.flow(src, []flow.Stage{keep.Stage()}, flow.Sink{Run: stats.Run, Written: stats.Events, End: stats.Restore,
		Outcome: func() string { return event.Count(stats.Events(), "row") + stats.Report() }}))
}

// history is the command that looks up connections in a store.
func (c *cli) history() (int, error) {
	c.fromStore, c.Output.Dated = true, true
	cfg, fields := c.History.Rows, c.schema()
	keep, err := c.prepare(fields)
	if err != nil {
		return 0, err
	}
	if c.Output.Encoder = siem.New; c.Output.Schema != "" && len(cfg.GroupBy) > 0 {
		return 0, usageError{errors.New("--group-by: --schema has records of connections, not of groups")}
	}
	since := c.History.NewSince
	if when := c.History.When; !since.IsZero() && !when.Since.Before(since.Time) {
		return 0, usageError{errors.New("--since is not before --new-since: there is nothing to compare with")}
	}
	to, when, latest := flow.Sink{}, c.History.When, uint64(0)
	asKept := since.IsZero() && cfg.Sort == "" && cfg.Top == 0 && len(cfg.GroupBy) == 0
	if when.Latest = asKept && c.Output.Count > 0; when.Latest {
		latest = c.Output.Count
	}
	if asKept && cfg.OutputFile == "" && !when.Latest {
		out, err := output.New(c.Output, fields, os.Stdout)
		if err != nil {
			return 0, usageError{err}
		}
		to = lines(out, keep)
	} else {
		query, err := summary.NewQuery(summary.Config{Rows: cfg, NewSince: since.Time, Latest: latest, Size: output.TerminalSize}, c.Output, fields, os.Stdout)
		if err != nil {
			return 0, usageError{err}
		}
		to = flow.Sink{Run: query.Run, Stopped: query.Stopped(), Written: query.Events, Outcome: func() string { return event.Count(query.Events(), "row") + query.Report() }}
	}
	src, err := c.openStore(when, c.History.Records, fields)
	if err != nil {
		return 0, err
	}
	return c.flow(src, []flow.Stage{keep.Stage()}, to)
}

// show is the command that prints all that a store has of one connection.
func (c *cli) show() (int, error) {
	c.fromStore, c.Output.Dated = true, true
	fields := c.schema()
	c.Output.OnTerminal()
	if c.Store == "" {
		return 0, usageError{errNoStore}
	}
	found, steps, err := capturestore.Find(c.Store, c.Show.ID, fields)
	if err != nil {
		return 0, err
	}
	if c.Output.Format == output.Table && len(c.Output.Fields) == 0 {
		return exitDone, output.WriteCard(os.Stdout, c.Output, fields, &found, steps)
	}
	out, err := output.New(c.Output, fields, os.Stdout)
	if err != nil {
		return 0, usageError{err}
	}
	if len(steps) == 0 {
		steps = append(steps, found)
	}
	return exitDone, out.Frame(steps)
}

// schema is that of the records: those that are read back have their own.
func (c *cli) schema() *event.Schema {
	if len(c.From) > 0 || c.fromStore {
		return schema.Stored()
	}
	return schema
}

// prepare compiles the filter, opens what says more of remote ends, and finds out where the records go to.
func (c *cli) prepare(fields *event.Schema) (keep *filter.Stage, err error) {
	event.CommunitySeed = c.CommunityIDSeed
	c.Output.OnTerminal()
	c.About.Fields, c.About.Updates = fields, c.Track.Interval > 0
	c.About.Patient = c.About.Patient || !c.live()
	c.About.Warn = c.warn
	if c.remote, err = remote.New(c.About); err != nil {
		return nil, c.mistake(err)
	}
	rows := map[string]summary.Rows{"snapshot": c.Snapshot.Rows, "stats": c.Stats.Rows}[c.doing]
	c.sayAbsent("--sort", event.Words(strings.ReplaceAll(rows.Sort, "-", "")))
	c.sayAbsent("--group-by", event.Words(rows.GroupBy...))
	if c.Filter == "" {
		return filter.NewStage(nil), nil
	}
	program, err := filter.Compile(c.Filter, fields)
	if err != nil {
		return nil, usageError{fmt.Errorf("--filter: %w", err)}
	}
	c.sayDoubts("--filter", program)
	return filter.NewStage(program), nil
}

// sayDoubts tells what an expression is not likely to mean.
func (c *cli) sayDoubts(flag string, asks *filter.Program) {
	for _, note := range asks.Notes() {
		c.say("warn", "%s: %s", flag, note)
	}
	c.sayAbsent(flag, asks.Fields())
}

// sayAbsent tells which fields no record of this run can have, and what gives them.
func (c *cli) sayAbsent(flag string, names []string) {
	if len(c.From) > 0 || c.fromStore { // these have what they have
		return
	}
	info, err := os.Stat(c.Read)
	packets := c.Read != "" && err == nil && info.Mode().IsRegular() && !file.Recorded(c.Read) // and nothing that --pcapng adds
	sockets := c.doing == "snapshot" && !c.passes()
	for _, name := range names {
		f, why := schema.Lookup(name), ""
		switch {
		case f == nil:
		case (c.live() || packets) && c.About.Wants(f) != "":
			why = c.About.Wants(f) + " gives it"
		case packets && f.Giver() == event.GivenByOwners:
			why = "a capture knows no processes, but for what --pcapng wrote"
		case c.live() && c.Process == "none" && f.Giver() == event.GivenByOwners:
			why = "--process none looks for no owners"
		case sockets && f.Giver() == event.GivenBySource && !track.SocketsTell(f) && !c.About.Gives(f):
			why = "only packets tell it, as with --duration 5s"
			if strings.HasSuffix(name, "_bytes") {
				why += "; " + strings.Replace(name, "bytes", "payload", 1) + " is what the kernel counted"
			}
		}
		if why != "" {
			c.say("warn", "%s: no record has %s here: %s", flag, name, why)
		}
	}
}

// doctor is the command that checks what works. Its exit status says whether the main job can be done.
func (c *cli) doctor() (int, error) {
	c.Output.OnTerminal()
	if err := c.withPrivileges(); err != nil {
		return 0, err
	}
	all := doctor.Examine(doctor.Config{Live: c.Live, Process: c.Process, Types: c.Types})
	if c.Output.Format != output.None {
		if err := doctor.Write(os.Stdout, all, doctor.Look{Format: c.Output.Format, NoHeader: c.Output.NoHeader, Color: c.Output.Colored(), Width: c.Output.Width}); err != nil {
			return 0, err
		}
	}
	if !doctor.Works(all) {
		return exitFailed, nil
	}
	return exitDone, nil
}

// interfaces lists what --interface can name.
func (c *cli) interfaces() error {
	devices, err := live.Interfaces()
	if err != nil {
		return err
	}
	c.Output.OnTerminal()
	rows := make([][]any, len(devices))
	for i, d := range devices {
		rows[i] = d.Row()
	}
	return output.WriteList(os.Stdout, c.Output, live.DeviceColumns, rows)
}

// flow runs the source's events through the stages into the sink, and gives the exit status.
func (c *cli) flow(src *flow.Source, stages []flow.Stage, to flow.Sink) (int, error) {
	// Everything is open, and nothing was read yet that strangers wrote. For owners some is needed on.
	switch err := live.DropPrivileges(c.live() && c.Process != "none"); {
	case err == nil:
	case !errors.Is(err, errors.ErrUnsupported):
		c.say("error", "%v", err)
	case c.captures:
		c.say("warn", "%v", err)
	}
	f := flow.Flow{Source: src, Enrichers: c.enrichers(), Stages: stages, Sink: to, Quiet: c.Quiet, Silent: c.Output.Format == output.None,
		Signals: c.program.Signals(), HangUp: !c.reopens, Started: c.started, TimeUp: c.wallClock(), Say: c.say}
	err := f.Run()
	switch {
	case errors.Is(err, flow.ErrInterrupted):
		return exitInterrupted, nil
	case err == nil && c.Output.ExitCode && to.Written() == 0:
		return exitNothing, nil
	case (err == nil || errors.Is(err, output.ErrReaderGone)) && c.Output.FailMatch && to.Written() > 0:
		return exitMatched, nil
	}
	return exitDone, err
}

// enrichers are the stages behind every source.
func (c *cli) enrichers() (all []flow.Enricher) {
	if c.remote != nil { // first: whom a connection goes to can be asked while its owner is looked for
		all = append(all, c.remote)
	}
	if c.owners != nil {
		all = append(all, c.owners)
	}
	return all
}

// wallClock ends a live run after --duration, or when the command that it is about is over. A file's end comes
// by its own clock, see open.
func (c *cli) wallClock() <-chan time.Time {
	var duration <-chan time.Time
	if c.Duration != 0 && c.live() {
		duration = time.After(c.Duration)
	}
	return c.program.Over(duration)
}

// takeCommand checks what stands behind --, before anything is opened.
func (c *cli) takeCommand(ours, args []string, given bool) (err error) {
	const how = "rustnet [flags] -- CMD ARGS"
	switch {
	case !given && c.doing != "config" && slices.ContainsFunc(ours, func(a string) bool { return strings.HasPrefix(a, "--cmd-") }):
		return usageError{errors.New("--cmd-output and --cmd-user are for a command that is run: " + how)}
	case !given:
		return nil
	case len(args) == 0:
		return usageError{errors.New("-- and no command behind it: " + how)}
	case c.doing != "stream" && c.doing != "stats":
		return usageError{fmt.Errorf("rustnet %s runs no command: %s, or rustnet stats [flags] -- CMD ARGS", c.doing, how)}
	case !c.live():
		return usageError{errors.New("a command's connections are this machine's: --read and --from show others")}
	case c.Process == "none":
		return usageError{errors.New("--process none: then nobody knows which connections are the command's")}
	}
	c.program, err = command.New(args, c.Command)
	return err
}

// warn tells people of what is lost or left out, alarm of what failed while the rest goes on.
func (c *cli) warn(text string)  { c.say("warn", "%s", text) }
func (c *cli) alarm(text string) { c.say("error", "%s", text) }

// live tells whether it is this machine's traffic that is looked at.
func (c *cli) live() bool { return c.Read == "" && len(c.From) == 0 && !c.fromStore }

// open opens the source that the flags ask for. Without the right to capture it falls back on the
// socket tables, unless the flags ask for what only packets can tell.
func (c *cli) open(fields *event.Schema) (*flow.Source, error) {
	switch {
	case c.Read != "" && len(c.From) > 0:
		return nil, usageError{errors.New("--read and --from: packets or records, not both")}
	case len(c.From) > 0:
		return c.openRecords(fields)
	case c.Read != "":
		return c.openFile()
	}
	if err := c.withPrivileges(); err != nil {
		return nil, err
	}
	// Owners first: of a connection that is seen, the owner must have been seen as well.
	if err := c.openOwners(); err != nil {
		return nil, err
	}
	src, err := c.openLive()
	if why := lacking(err); why != "" && c.tablesDo() {
		c.say("warn", "%s; showing the kernel's socket tables instead: no names, no UDP peers, no packets (rustnet doctor says more)", why)
		return c.openSockets(), nil
	}
	if c.owners == nil {
		return src, err
	}
	if err != nil {
		c.owners.Close()
		return nil, err
	}
	if c.Process == enrich.ModeAuto || c.program != nil {
		c.sayHowOwners()
	}
	return src, nil
}

// sayHowOwners tells how owners are found where eBPF does not name them.
func (c *cli) sayHowOwners() {
	switch _, why := c.owners.Hooks(); {
	case why == nil:
	case c.owners.Stats().Foreign:
		c.say("warn", "no processes: /proc does not show those here (try: mount -t proc proc /proc): %v", why)
	case c.owners.Exact():
		c.say("info", "owners of what was open before come from the socket tables and /proc: %v", why)
	case runtime.GOOS != "linux": // where nobody expects eBPF
		c.say("info", "owners come from the socket tables, and short-lived programs may be missed (rustnet doctor says more)")
	default:
		c.say("info", "no eBPF, so owners come from the socket tables and /proc, and short-lived programs may be missed (rustnet doctor says more): %v", why)
	}
}

func (c *cli) openFile() (*flow.Source, error) {
	var keep *pcapfilter.Set
	if c.BPF != "" {
		var err error
		if keep, err = pcapfilter.NewSet(c.BPF); err != nil {
			return nil, usageError{fmt.Errorf("--bpf: %w", err)}
		}
	}
	f, err := file.Open(c.Read)
	if err != nil {
		return nil, err
	}
	if keep != nil {
		f.SetFilter(keep.Match)
	}
	f.SetDuration(c.Duration)
	c.Track.Recall = pcapng.Recall(schema.Stored())
	if len(c.Local) > 0 {
		c.Track.Local = func(a netip.Addr) bool {
			return slices.ContainsFunc(c.Local, func(p netip.Prefix) bool { return p.Contains(a) })
		}
	}
	read := reader{run: f.Run, report: func() string { return f.Stats().Report() }, close: f.Close}
	if f.Ready() {
		read.each = f.Each
	}
	src, err := c.packets(read)
	if src != nil {
		src.Progress, src.Unit = func() (uint64, int64, int64) { st := f.Stats(); return st.Packets, st.Offset, st.Size }, "packets"
		if keep != nil {
			src.Notes = keep.Notes
		}
	}
	return src, err
}

func (c *cli) openRecords(fields *event.Schema) (*flow.Source, error) {
	if c.BPF != "" {
		return nil, usageError{errors.New("--bpf: records are no packets (use --filter)")}
	}
	if c.Stats.When.Empty() {
		return nil, usageError{errEmptySpan}
	}
	r, err := ndjson.Open(c.From, fields)
	if err != nil {
		return nil, err
	}
	r.SetDuration(c.Duration)
	r.Within(c.Stats.When.Since.Time, c.Stats.When.Until.Time)
	return readBack(r, "lines"), nil
}

var errSnapshotLive = errors.New("snapshot shows this machine's connections as they are now (try: rustnet stats -r, which adds up a file)")

var errEmptySpan = errors.New("--since is not before --until: nothing was there between them")

var errPlaces = errors.New("--store and --read or --from: one place to read from, not several")

var errNoStore = errors.New("--store FILE says where the connections were kept (rustnet --store FILE keeps them)")

// openStore is the source of what was kept in a store, as far as the filter does not rule it out.
func (c *cli) openStore(when capturestore.Config, records bool, fields *event.Schema) (*flow.Source, error) {
	switch {
	case c.Store == "":
		return nil, usageError{errNoStore}
	case c.Read != "" || len(c.From) > 0:
		return nil, usageError{errPlaces}
	case when.Empty():
		return nil, usageError{errEmptySpan}
	case c.BPF != "" || c.Duration != 0:
		return nil, usageError{errors.New("--bpf and --duration are for packets: of a store ask with --filter, --since and --until")}
	}
	var known *event.Condition
	if c.Filter != "" {
		known = filter.Condition(c.Filter, fields, c.remote.Adds)
	}
	r, err := capturestore.Open(c.Store, when, records, known, fields)
	if err != nil {
		return nil, err
	}
	return readBack(r, "records"), nil
}

// kept is where rustnet's own records are read back from: a file of them, or a store.
type kept interface {
	Run(hard, stop context.Context, out chan<- *event.Batch) error
	Report() string
	Notes() []string
	Progress() (done uint64, offset, size int64)
	Close() error
}

// readBack is the source of records that rustnet wrote.
func readBack(r kept, unit string) *flow.Source {
	return &flow.Source{Notes: r.Notes, Progress: r.Progress, Unit: unit, Close: r.Close,
		Run: func(p *flow.Pipe, stop context.Context) <-chan *event.Batch {
			read := make(chan *event.Batch, 16)
			p.Source(func() error { return r.Run(p.Context(), stop, read) })
			return read
		},
		Report: func() []string { return []string{r.Report()} }}
}

func (c *cli) openLive() (*flow.Source, error) {
	cfg := c.Live
	cfg.Warn = c.warn
	if c.BPF != "" {
		o := pcapfilter.Options{}
		program, err := pcapfilter.CompileAny(c.BPF, o)
		if err != nil {
			return nil, usageError{fmt.Errorf("--bpf: %w", err)}
		}
		cfg.FilterAny = program.Raw()
		cfg.FilterFor = func(link capture.LinkType) ([]bpf.RawInstruction, error) {
			o.Link, o.Live = link, live.Ancillary
			program, err := pcapfilter.Compile(c.BPF, o)
			if err != nil {
				return nil, err
			}
			return program.Raw(), nil
		}
	}
	if c.Process == enrich.ModeAuto { // the ends of sockets are told by eBPF as well
		ends, err := lifecycle.Open(lifecycle.Config{Types: c.Types})
		switch {
		case err == nil:
			cfg.Ends, c.Track.Ends = ends, true
		case c.owners != nil && c.doing != "snapshot":
			if _, why := c.owners.Hooks(); why == nil { // else that is said
				c.say("info", "ends of sockets are told by packets and by silence only: %v", err)
			}
		}
	}
	counter, notCounted := c.openBypass(&cfg)
	src, err := live.Open(cfg)
	if err != nil {
		return nil, errors.Join(err, counter.Close())
	}
	if err := cmp.Or(notCounted, src.NotCounted()); err != nil && runtime.GOOS == "linux" {
		c.say("info", "packets of long connections are not counted in the kernel, which costs more CPU and nothing else: %v", err)
	}
	local, err := live.WatchLocal()
	if err != nil {
		return nil, err
	}
	c.Track.Local, c.Track.Announce = local.Contains, c.Process != "none"
	closeAll := func() error { return errors.Join(src.Close(), counter.Close(), local.Close()) }
	s, err := c.packets(reader{run: src.Run, report: func() string { return src.Stats().Report() }, close: closeAll})
	if err == nil {
		s.Live, c.captures = true, true
		if who := c.program.User(); who != "" && c.Command.User == "" {
			c.say("info", "the command runs as %s, who called sudo (--cmd-user root: as root)", who)
		}
		err = c.program.Start(c.owners.Followed) // with what we drop now, which it may need
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	return s, nil
}

// openBypass lets the kernel count connections, unless each packet is wanted. counter is nil where it cannot.
func (c *cli) openBypass(cfg *live.Config) (counter *bypass.Table, err error) {
	if !cfg.Bypass || cfg.WholePackets || c.Checksums {
		return nil, nil
	}
	if counter, err = bypass.Open(); err == nil {
		cfg.Counter, c.Track.Bypass = counter, counter
	}
	return counter, err
}

// reader reads frames. each is nil where it may have to wait for them.
type reader struct {
	run  func(stop context.Context, out chan<- *capture.Frames) error
	each func(stop context.Context, yield func(*capture.Frames) bool) error

	report func() string
	close  func() error
}

// packets is the source of frames' events: decoded, tracked, and with names from DNS.
func (c *cli) packets(read reader) (*flow.Source, error) {
	if c.Track.Workers == 0 {
		c.Track.Workers = max(1, runtime.NumCPU()/4)
	}
	c.Track.Names = true
	decoder, hosts := decode.New(decode.Config{Checksums: c.Checksums, Caught: func(text string) {
		c.say("error", "reading a packet failed, which is a mistake of rustnet's (please report it); such packets are skipped and counted: %s", text)
	}}), enrich.NewHosts(c.Track.Local)
	c.Track.Each = hosts.Batch
	c.Track.Crashed = func(text string) {
		c.say("error", "inspecting a connection failed, which is a mistake of rustnet's (please report it); it goes on without what was not found yet: %s", text)
	}
	tracker, err := track.New(c.Track)
	if err != nil {
		return nil, usageError{err}
	}
	return &flow.Source{Close: read.close,
		Run: func(p *flow.Pipe, stop context.Context) <-chan *event.Batch {
			tracked := make(chan *event.Batch, 16)
			if read.each != nil && c.Track.Workers == 1 {
				each := func(yield func(*capture.Frames) bool) error { return read.each(stop, yield) }
				p.Source(func() error { return tracker.RunEach(p.Context(), decoder, each, tracked) })
			} else {
				frames := make(chan *capture.Frames, 16)
				p.Source(func() error { return read.run(stop, frames) })
				p.Stage(func() error { return tracker.RunFrames(p.Context(), decoder, frames, tracked) })
			}
			return tracked
		},
		Report: func() []string {
			return []string{read.report(), tracker.Stats().Report(), decoder.Stats().Report(), hosts.Stats().Report()}
		}}, nil
}

// withPrivileges puts those into use that were held back while files of the user's choice were opened. The last of these is looked
// at here.
func (c *cli) withPrivileges() error {
	if c.Types != "" && c.Process == enrich.ModeAuto {
		if err := enrich.CheckTypes(c.Types); err != nil {
			return usageError{fmt.Errorf("--btf: %w", err)}
		}
	}
	return live.UsePrivileges()
}

// openOwners opens what finds owners; without it, where the system has none, everything else still works.
func (c *cli) openOwners() (err error) {
	if c.Process == "none" {
		return nil
	}
	c.owners, err = enrich.New(enrich.Config{Mode: c.Process, Types: c.Types, Follow: c.program != nil, Interval: c.Track.Interval})
	if errors.Is(err, errors.ErrUnsupported) && c.program == nil {
		c.say("warn", "no processes: %v", err)
		return nil
	}
	return err
}

// lacking says why there are no packets though nothing is wrong, "" where something is.
func lacking(err error) string {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, live.ErrNoDriver) {
		return err.Error()
	}
	return ""
}

// tablesDo tells whether the socket tables can stand for packets where those cannot be had.
func (c *cli) tablesDo() bool {
	return sockets.Available && c.program == nil && len(c.Live.Interfaces) == 0 && c.BPF == "" && c.Pcapng.File == ""
}

// openSockets is the source without privilege: the kernel's socket tables, read again and again.
func (c *cli) openSockets() *flow.Source {
	tracker := track.NewSockets(track.SocketConfig{Interval: c.Track.Interval, MaxConnections: c.Track.MaxConnections})
	return &flow.Source{Live: true, Close: func() error { return nil }, Run: polled(&sockets.Poller{}, tracker),
		Report: func() []string { return []string{tracker.Stats().Report()} }}
}

// polled gives what a tracker makes of the tables.
func polled(poller *sockets.Poller, tracker *track.SocketStage) func(*flow.Pipe, context.Context) <-chan *event.Batch {
	return func(p *flow.Pipe, stop context.Context) <-chan *event.Batch {
		tables, tracked := make(chan *sockets.Table), make(chan *event.Batch, 16)
		p.Source(func() error { return poller.Run(stop, tables) })
		p.Stage(func() error { return tracker.Run(p.Context(), tables, tracked) })
		return tracked
	}
}

// openSnapshot is the source of a snapshot: the socket tables of all network namespaces, once or again and
// again, and where time passes the packets of it. own is our network namespace.
func (c *cli) openSnapshot() (src *flow.Source, own uint32, err error) {
	watch := c.Snapshot.Watch
	over := c.passes()
	if c.Process == enrich.ModeAuto && !over {
		c.Process = enrich.ModeProcFS // the sockets are there: who has them stands in procfs
	}
	if err := c.withPrivileges(); err != nil {
		return nil, 0, err
	}
	conns, hidden := sockets.OpenAll()
	if len(conns) == 0 {
		return nil, 0, hidden
	}
	if err := c.openOwners(); err != nil {
		return nil, 0, err
	}
	if hidden != nil {
		c.say("warn", "%v", hidden)
	}
	poller := &sockets.Poller{Conns: conns, Once: !over, Interval: watch}
	tracker := track.NewSockets(track.SocketConfig{Interval: 1, MaxConnections: c.Track.MaxConnections, Listening: c.Snapshot.Listen, Unchanged: true})
	if c.Track.Interval = watch / 2; watch == 0 {
		c.Track.Interval = 0
	}
	src = &flow.Source{Live: true, Close: func() error { return nil }, Run: polled(poller, tracker),
		Notes: func() (notes []string) {
			if c.owners != nil {
				notes = c.owners.Stats().Notes()
			}
			if said := c.remote.Report(); said != "" {
				notes = append(notes, said)
			}
			return notes
		}}
	if over {
		packets, err := c.openLive()
		switch why := lacking(err); {
		case err == nil:
			found := src.Run
			src.Close = packets.Close
			src.Run = func(p *flow.Pipe, stop context.Context) <-chan *event.Batch {
				return p.Merge(found(p, stop), packets.Run(p, stop))
			}
		case why == "" || !c.tablesDo():
			return nil, 0, err
		default:
			c.say("warn", "%s; showing what the socket tables tell: no names, no bytes, no rates", why)
		}
	}
	return src, conns[0].NetNS(), nil
}
