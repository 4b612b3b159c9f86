package shell

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"rustnet/track/event"
)

// Groups are those of the flags.
var Groups = []Group{{"capture", "What to read"}, {"output", "What to write"}, {"alerts", "Alerts"}, {"tracking", "Connections"}, {"running", "Running"}, {"", "Help"}}

// About is all that is told of the command line, taken from its declaration.
func About(app *kong.Application, fields *event.Schema, exits []Exit) *Manual {
	program := Describe(app)
	for i := range program.Commands {
		c := &program.Commands[i]
		if some, known := takes[c.Name]; known {
			c.Takes = append(strings.Fields(some), always...)
		}
	}
	return &Manual{Program: Program{Command: program, Groups: Groups, Examples: examples, Common: common, Exits: exits}, Schema: fields, Text: text}
}

// What a command takes of the flags that are not its own, besides those that always hold; a command that is not here takes all.
const (
	forms   = " json csv table output no-header color"
	records = " filter fields count exit-code time-format geoip resolve" + forms
	packets = " interface snaplen ring-bytes promiscuous bypass bpf checksums process btf settle timeout max-connections workers max-bytes max-total-bytes" +
		" unsafe-payload-fields community-id-seed duration"
)

var always = []string{"config", "profile", "quiet", "log-level", "help", "help-all"}

var takes = map[string]string{
	"snapshot":   packets + records,
	"stats":      packets + records + " read from local store cmd-output cmd-user",
	"history":    records + " store schema events",
	"show":       forms + " fields time-format store",
	"doctor":     forms + " interface snaplen ring-bytes promiscuous bypass process btf",
	"interfaces": forms,
	"fields":     " json table output",
	"completion": "",
	"manual":     "",
	"version":    "",
}

// Refuse tells that a flag stands on the command line that the command does not take.
func (m *Manual) Refuse(ctx *kong.Context) error {
	c := m.command(ctx.Selected().Name)
	if c == nil {
		return nil
	}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved && find(c.Flags, p.Flag.Name) == nil && !c.takes(&Flag{Name: p.Flag.Name}) {
			return fmt.Errorf("%s %s takes no --%s (%[1]s %[2]s --help lists what it takes)", m.Name, c.Name, p.Flag.Name)
		}
	}
	return nil
}

// common are the flags that the short help shows.
var common = []string{"interface", "read", "filter", "output", "fields", "count"}

var examples = []Example{
	{"rustnet", "A table of every connection as it opens, changes, closes", true},
	{`rustnet --json | jq 'select(.event=="new") | {process, host, remote_port}'`, "Who opens what, as JSON", true},
	{`rustnet --filter 'sni endsWith ".io"' --fields process,sni,remote_addr`, "Only connections to servers of one top-level domain", true},
	{`rustnet --filter 'process == "nc" && direction == "out"' -n 1 --exit-code && page-me`, "Wait for a program to call out", false},
	{`rustnet -r incident.pcapng --json --filter 'dns_rcode == "NXDOMAIN"'`, "Names that do not exist, from a capture file", true},
	{"tcpdump -U -w - | rustnet -r - --csv --events closed", "Packets of another program, as CSV", false},
	{"rustnet snapshot --group-by process --sort tx_rate --watch 2s", "What each process sends now, again and again", true},
	{"rustnet stats -r incident.pcapng --graph", "How the connections of a file are distributed, and bytes over time", false},
	{"rustnet --json --events closed -- make test", "Only the connections of a command and of all that it starts", true},
	{"rustnet doctor", "What works here, and what mends the rest", false},
}

// text says what no flag says; the first section stands before all else.
var text = []Section{
	{"Description", []string{
		"`rustnet` prints one record for each connection that opens (`new`), changes (`updated`) and closes (`closed`), with the process that owns it, the name of the server, the protocol by its content, and how much went each way. Standard output holds records only; everything for people goes to standard error. A line is out as soon as it happened.",
		"What was lost anywhere is said in a record `lost`, and in the summary at the end, which SIGUSR1 prints at any time. The same file gives the same bytes.",
		"The first SIGINT or SIGTERM ends the capture: connections that are still open get `closed` with the reason `exit`. The second one ends at once. A reader that leaves, as `head` does, ends it quietly.",
	}},
	{"Commands that are watched", []string{
		"`rustnet [flags] -- CMD ARGS` runs CMD and shows only its connections and those of all that it starts, from their first packet; so does `rustnet stats [flags] -- CMD ARGS`. What CMD prints goes to stderr or to `--cmd-output`, stdin is CMD's, SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to it, and its exit status is ours. `--count`, `--duration` and a reader that leaves end the records, never CMD. Connections that are open when CMD has ended are waited for at most two seconds.",
		"CMD runs as who runs rustnet, without its capabilities; where that is root by `sudo rustnet`, as who called sudo, with HOME, USER and LOGNAME of that user. `--cmd-user` names another. Without eBPF, programs that have ended before they are looked for are missed.",
	}},
	{"Filters", []string{
		"`--filter` takes an expression of the language expr over the fields below. It is checked before anything is opened. Absent text is \"\", an absent number 0, an absent list empty. `==`, `!=`, `<`, `in`, `contains`, `startsWith`, `endsWith`, `matches` compare; `&&`, `||`, `not` join.",
		"`cidr(remote_addr, \"10.0.0.0/8\")` and `private(remote_addr)` test addresses, `capable(caps, \"cap_net_admin\")` capabilities; `KB(1)`, `MB(1)`, `GB(1)`, `KiB(1)`, `MiB(1)`, `GiB(1)` are sizes, `seconds(\"1m30s\")`, `minutes(5)`, `hours(1)` durations, `date(\"2026-01-31T08:00:00Z\")` and, in UTC, `date(\"2026-01-31\")` times.",
	}},
	{"Privileges", []string{
		"Reading files needs none. Capturing needs CAP_NET_RAW; exact owners need CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; other users' processes in /proc need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. When everything is open all are dropped but the last two, and these too where no owners are looked for. Files that the user names are opened with the user's own rights; a set-user-ID bit is refused. Without CAP_NET_RAW the kernel's socket tables are followed instead. `rustnet doctor` says what works, and prints the command that mends the rest.",
	}},
	{"Environment", []string{
		"Every flag can be given by a variable: its name in capitals behind `RUSTNET_`, with underscores for dashes. `--max-connections` is `RUSTNET_MAX_CONNECTIONS`. One that is empty counts as not set.",
		"`NO_COLOR`: where it is set, there are no colours but with `--color always`.",
	}},
	{"Files", []string{
		"`/etc/rustnet/config.toml` and, stronger, `~/.config/rustnet/config.toml` hold flags under their names, without the dashes, in TOML; `--config` names another one instead of both. The user's own is not taken where another user, or everybody, may write to it, unless `--config` names it: it can name commands to run. `[commands.NAME]` holds those of one command, `[profiles.NAME]` those that `--profile NAME` adds. The command line goes before the environment, that before files. `rustnet config` prints what holds and whence.",
	}},
}

// HelpAll is the flag that prints every flag and ends.
type HelpAll bool

// IgnoreDefault keeps files and environment from asking for it.
func (HelpAll) IgnoreDefault() {}

// BeforeReset is kong's: it is called where the flag stands.
func (HelpAll) BeforeReset(ctx *kong.Context) error {
	if err := About(ctx.Model, nil, nil).WriteLongHelp(ctx.Stdout, helpWidth()); err != nil {
		return err
	}
	ctx.Exit(0)
	return nil
}

// PrintHelp is kong's: the help of a command, or the short one.
func PrintHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	about := About(ctx.Model, nil, nil)
	if n := ctx.Selected(); n != nil && !n.Hidden {
		return about.WriteCommandHelp(ctx.Stdout, n.Name, helpWidth())
	}
	return about.WriteShortHelp(ctx.Stdout, helpWidth())
}

// helpWidth is that of the terminal, within what reads well.
func helpWidth() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 80
	}
	return min(max(width, 60), 100)
}
