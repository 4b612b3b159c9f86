// Package shell is the command line as people and other programs meet it: where flags have their values from, what is wrong with them,
// help, manual, and completion.
package shell

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"rustnet/track/event"
)

// flagGroups are those of the flags, in the order of help.
var flagGroups = []Group{{"capture", "What to read"}, {"output", "What to write"}, {"alerts", "Alerts"}, {"tracking", "Connections"}, {"running", "Running"}, {"", "Help"}}

// About is all that is told of the command line, taken from its declaration.
func About(app *kong.Application, fields *event.Schema, exits []Exit) *Manual {
	program := describeProgram(app)
	for i := range program.Commands {
		c := &program.Commands[i]
		if some, known := takes[c.Name]; known {
			c.Takes = append(strings.Fields(some), always...)
		}
	}
	return &Manual{Program: Program{Command: program, Groups: flagGroups, Examples: examples, Common: common, Exits: exits}, Schema: fields, Text: text}
}

// What a command takes of the flags that are not its own, besides those that always hold; a command that is not here takes all.
const (
	forms   = " json csv table output no-header color"
	records = " filter fields count exit-code fail-on-match time-format geoip resolve" + forms
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

// Refuse tells that a flag stands on the command line that the command does not take; or, of the stream, which takes all, one that
// is of use only with another, which its tag "needs" names.
func (m *Manual) Refuse(ctx *kong.Context) error {
	c := m.command(ctx.Selected().Name)
	for _, p := range ctx.Path {
		switch {
		case p.Flag == nil || p.Resolved:
		case c == nil:
			needs := p.Flag.Tag.Get("needs")
			if slices.ContainsFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == needs && reflect.ValueOf(ctx.FlagValue(f)).IsZero() }) {
				return fmt.Errorf("--%s says something of --%s, which is not given", p.Flag.Name, needs)
			}
		case find(c.Flags, p.Flag.Name) == nil && !c.takes(&Flag{Name: p.Flag.Name}):
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
	{`rustnet -f 'process == "nc" && direction == "out"' -n 1 --exit-code && page-me`, "Wait for a program to call out", false},
	{`rustnet -r incident.pcapng --json --filter 'dns_rcode == "NXDOMAIN"'`, "Names that do not exist, from a capture file", true},
	{"tcpdump -U -w - | rustnet -r - --csv --events closed", "Packets from another program, as CSV", false},
	{"rustnet snapshot --group-by process --sort tx_rate --watch 2s", "What each process sends now, again and again", true},
	{"rustnet stats -r incident.pcapng --graph", "Sums over the connections of a file, and bytes over time", false},
	{"rustnet --json --events closed -- make test", "Only the connections of a command and of all that it starts", true},
	{"rustnet doctor", "What works here, and what mends the rest", false},
}

// text says what no flag says; the first section stands before all else.
var text = []Section{
	{"Description", []string{
		"`rustnet` prints one record for each connection that opens (`new`), changes (`updated`) and closes (`closed`), with the process that owns it, the name of the server, the protocol by its content, and how much went each way. Standard output holds records only; everything for people goes to standard error. A record is written as soon as it is complete.",
		"What was lost anywhere is told by a `lost` record, and by the summary at the end. SIGUSR1 prints that summary at any time. The same file gives the same bytes, whatever `--workers` is.",
		"A slow reader gets merged `updated` records and never stalls the capture. If it stays slow, whole connections are lost, and a `lost` record says how many.",
		"The first SIGINT or SIGTERM ends the capture: connections that are still open get `closed` with the reason `exit`. The second one ends at once. A reader that leaves, as `head` does, ends it quietly.",
	}},
	{"What records say", []string{
		"A value that is not known is absent. A connection whose start was not seen is marked `partial`; who opened it is then known by what it speaks, else by its ports. When a process executes another program or renames itself, each of its open connections gets an `updated` within `--interval`, even if no packet moves (with eBPF, for the 16384 connections that were opened first).",
		"`host` is the name that the connection itself gives (TLS, QUIC, HTTP). If it gives none, it is the name for which the client last received that address by DNS before it connected, and `host_source` is `dns`; aliases are resolved back to the name that was asked for. Names that were asked for later, or by nobody, are not used.",
		"`--geoip FILE.mmdb` (MaxMind, DB-IP, IPinfo) adds `country`, `city`, `asn` and `as_org` of the remote address. `--resolve` asks reverse DNS: the answer is `remote_name`, and `host` where nothing better is known (`host_source` is `ptr`). Live records do not wait for it, and a late answer gives an `updated`; files, stores and snapshots wait. The questions are connections of `rustnet` itself, and are shown.",
		"Behind HTTP CONNECT and SOCKS, the protocol inside is decoded too: its fields stand beside the proxy's, and `app` stays the proxy's. In the same way, `app` stays the protocol that turned into TLS (STARTTLS). Behind a PROXY protocol header, `app` is the protocol that follows, and `proxy_client` is the client that the load balancer connects for.",
		"`connect_ms` and `response_ms` time the beginning of a connection: a server's first answer, not its slowest. Where a login comes first, as of PostgreSQL, that is what is timed, and on a connection that is kept open, as in a pool, later answers are not. A slow database behind a web server so shows in the `response_ms` of the server's own connections.",
		"Packets, and the bytes of their headers, are those that tcpdump sees on the interface. Where the kernel or the card joins and cuts segments (TSO, GRO: ethtool -k), one packet is up to 64 kB of them: `tx_packets` and `tx_retransmits` are then less than `segs_out` and `retrans` of ss -ti, which count segments, and without that equal. Of `closed` with eBPF, `tx_retransmits` is the kernel's count where that is more, also for what a queue of this machine dropped before it could be captured; `tx_payload` is exact either way.",
		"VXLAN, GRE, Geneve and other tunnels are decoded; `tunnel` and `tunnel_id` say what carried a connection. A connection through a tunnel that ends on this machine is captured twice, in the tunnel and on the tunnel's interface, and shown for both; `--filter 'tunnel == \"\"'` leaves out the first. If its two directions have different tunnel numbers, or only one is tunnelled, it is still one connection, with the `tunnel` of its first packet.",
		"A connection that this machine translates (NAT: masquerading, forwarded ports, published ports of containers) is captured on both sides and shown for both; `nat_local_addr` to `nat_remote_port` of each are its ends on the other side. To count it once, capture one side (-i). What is forwarded without NAT is shown once: the second sight of a packet is skipped.",
		"A QUIC connection that moves to another address or port (migration, NAT rebinding) is a new connection there, without names: its packets carry only an identifier.",
		"Certificates are shown where they travel in the clear: in TLS and DTLS up to 1.2, also after STARTTLS. They are not verified.",
		"`related_id` is the `id` of the connection that arranged this one: of an FTP data connection (its `app` is always `ftp-data`, and it has user, command and file), of the media of a SIP call or RTSP session, of a TFTP transfer.",
		"HTTP in the clear is inspected request by request, for the first 16 MB of headers in each direction and 64 MB of bodies. One body of more than 8 MB ends the inspection.",
		"Passwords, cookies, authorization headers, SNMP communities and users in URLs are never shown; query strings and sessions in paths only with `--unsafe-payload-fields`. `cmdline` has a program's arguments, as ps(1) shows them; `--fields=-cmdline` leaves it out. `--pcapng` keeps whole packets.",
	}},
	{"How connections end", []string{
		"A connection ends when packets or the kernel say so. On Linux with eBPF the kernel tells when a socket is gone, also for UDP: `closed` has that time, and is written some milliseconds later where packets show the end, else within a quarter of a second. `reason` is one of these:",
		"`fin`: both ends closed it, or the exchange of its protocol is complete (a DNS answer).",
		"`rst`: one end reset it, which also happens when a program closes a socket with unread data.",
		"`refused`: nobody listens there, or an ICMP message says that it is not allowed.",
		"`timeout`: nobody answered. The kernel gave up a connection attempt, keep-alive or retransmission; where no kernel tells, `--timeout` of silence passed.",
		"`destroyed`: the last descriptor of the socket is gone, and no packet shows it: a UDP socket that was closed, an attempt that its program gave up, a half-closed connection whose other end was silent for a minute.",
		"`evicted`: there were more than `--max-connections`.",
		"`exit`: it was still open when rustnet ended.",
		"A socket that several processes share ends with the last of them. Of a port that several UDP sockets share, the traffic ends with the last socket. Sockets in containers end the connections over their own address, and both sides of this machine's NAT. Not followed are UDP sockets of other namespaces that are bound to no address, SCTP sockets and raw sockets: SCTP ends as its packets say, the others by silence.",
		"A connection of which no packet was captured is not shown, but one packet is enough: with `--bpf 'tcp[tcpflags] & tcp-syn != 0'` every TCP connection still has its start, its end, and in `tx_payload` and `rx_payload` the bytes that the kernel counted.",
	}},
	{"Snapshots and statistics", []string{
		"`rustnet snapshot` prints one `open` record for each connection in the kernel's socket tables, of all network namespaces, with owners and what each TCP connection sent and received since it was opened (`tx_payload`, `rx_payload`; in a table TX and RX). Connections in TIME_WAIT are left out. `--listen` adds listening sockets. With `--duration 5s`, packets add names, bytes and rates; connections that moved no packet are listed all the same. `--watch 2s` repeats it.",
		"`rustnet stats` sums up connections by protocol, application, service, process, host, country and reason: live until SIGINT or `--duration`, or from `--read`, `--from` or `--store`. CSV has the groups alone; a table and `--json` also have the totals.",
		"Both take `--sort tx_rate` (`--sort=-process` reverses), `--top 10` and `--group-by process,app`. More than 65536 groups are added up in one row, whose `groups_merged` says how many. `--output-file FILE` replaces FILE as a whole or not at all. `--stats 10s` adds a record of totals to a stream.",
	}},
	{"Commands that are watched", []string{
		"`rustnet [flags] -- CMD ARGS` runs CMD and shows only its connections and those of all processes that it starts, from their first packet, also of a daemon that has left its parents; so does `rustnet stats [flags] -- CMD ARGS`. What CMD prints goes to stderr or to `--cmd-output`, and stdin is CMD's. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to CMD, and its exit status is that of rustnet; if CMD succeeded it is 3 with `--exit-code` where nothing was written, and 4 with `--fail-on-match` where something was. `--count`, `--duration` and a reader that leaves end the records, never CMD.",
		"When CMD has ended, rustnet waits at most two seconds for connections that are still open (not for those of ping, once its socket is gone). What processes open after that is not shown.",
		"CMD runs as the user who runs rustnet, without the capabilities that rustnet's file gives; under `sudo rustnet` as the caller of sudo, with HOME, USER and LOGNAME of that user. `--cmd-user` names another. Without eBPF, programs that end before they are looked for are missed. Connections in other network namespaces (`ip netns exec`) are not shown.",
	}},
	{"Files of records", []string{
		"`--write FILE` appends the records to FILE, beside stdout, which `-o none` silences. They are CSV for `FILE.csv`, else NDJSON, or what `--write-format` says. A CSV file that has other columns is renamed first; a file that holds something else is left as it is, and is an error.",
		"`--rotate-size 100M` and `--rotate-every 1h` (at the full hour, by the records' times) rename it to `FILE-20260131T080000.000000Z.ndjson`. That is the time of its first record (of a file that was there before, the time it was last written), so names sort by time. `--rotate-keep N` keeps the latest N.",
		"SIGHUP reopens the file, for logrotate; a file that is emptied (copytruncate) is begun again. On a full disk the file ends with the last whole record, a compressed one up to a second earlier; only SIGKILL during a write can leave half a record. A write that fails is tried again; if it still fails, a `lost` record tells of it, the exit status is 1, and stdout goes on.",
		"`--from FILE` reads such records back, also `.gz`, `.zst` and `-`, once for each piece of a rotated file or with a pattern in quotes (`--from 'connections*.zst'`: in the order of the names, which is that of their times), to filter, convert or sum them up. `rustnet stats --from` takes `--since` and `--until` as for a store. Keys of a later version are passed over and counted. A line that is no record is passed over and makes the exit status 1; half a line at the end is only reported.",
	}},
	{"Store", []string{
		"`--store FILE` keeps connections in an SQLite database, one row each (about 500 bytes), beside stdout; `--store-events` also keeps every record. `--store-age 30d` and `--store-size 10G` delete what is oldest. `rustnet history` queries it, also while it is written, and shows what was kept first at the top (`-n 10`: only the latest ten, found from the end); `rustnet show` prints one connection; `rustnet stats --store` sums up. Fields of processes, `host`, `remote_addr`, `id` and `ts` have indexes.",
		"`rustnet history --group-by process,host --new-since yesterday` shows what is new: the groups of which the store knows no connection that began before, as far back as it goes or as `--since` says. Connections that lack a value, as to hosts without a name, are one group: `--group-by process,remote_addr --filter 'host == \"\"'` tells those apart. With `--fail-on-match` the exit status tells of it. What files of records have gets into a store with `rustnet --from 'connections*.zst' -o none --store FILE`.",
		"A slow disk costs updates, which a connection's next record makes up for. When 32768 ended connections wait, further ones are lost, and a `lost` record counts them. A full disk is reported and tried again, and makes the exit status 1 if it stays full. After a kill the file is whole.",
		"The views `connections` and `events` have a column for each field; an identifier is what `rustnet show` takes, lists are JSON, and times are nanoseconds (`datetime(start/1e9, 'unixepoch')`), but RFC 3339 where a protocol tells them (`tls_not_after`). A file of an earlier version gets the columns of new fields; one of a later version is read without them. A new file is readable by its owner only, and the files that SQLite keeps beside it have the same owner. On the BSDs the database is locked by flock(2): while it is written, open it with rustnet only.",
		"Quantiles are exact by SQL, as the 95th percentile of the time that each host took to answer: `sqlite3 net.db \"SELECT host, count(*), min(CASE WHEN r >= 0.95 THEN response_ms END) FROM (SELECT host, response_ms, cume_dist() OVER (PARTITION BY host ORDER BY response_ms) r FROM connections WHERE response_ms > 0) GROUP BY host\"`.",
	}},
	{"Filters", []string{
		"`--filter` takes an expression of the language expr over the fields below. It is checked before anything is opened. Absent text is \"\", an absent number 0, an absent list empty. `==`, `!=`, `<`, `in`, `contains`, `startsWith`, `endsWith`, `matches` compare; `&&`, `||`, `not` join. Each record is judged by itself: `closed` may pass where `new` did not. `lost` records always pass. What can never hold is an error: a value that a field never has, `remote_port == 80 && remote_port == 443`. A field that no record of this run can have, as `country` without `--geoip`, is told of on stderr.",
		"`cidr(remote_addr, \"10.0.0.0/8\")` and `private(remote_addr)` test addresses, `capable(caps, \"cap_net_admin\")` capabilities; `KB(1)`, `MB(1)`, `GB(1)`, `KiB(1)`, `MiB(1)`, `GiB(1)` are sizes, `seconds(\"1m30s\")`, `minutes(5)`, `hours(1)`, `days(14)` durations, `date(\"2026-01-31T08:00:00Z\")` and, in UTC, `date(\"2026-01-31\")` times. A time plus or minus a duration is a time, and the difference of two times a duration: `tls_not_after - ts < days(14)`, which is false where one of them is absent.",
	}},
	{"Privileges", []string{
		"Reading files needs none. Capturing needs CAP_NET_RAW; exact owners need CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; other users' processes in /proc need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. When everything is open, all are dropped but the last two, and these too where no owners are looked for (`-r`, `--from`, `history`, `--process none`). Without CAP_NET_RAW the kernel's socket tables are followed instead: TCP connections without names and packets; with `--interface`, `--bpf`, `--pcapng` or `-- CMD`, which need packets, it is an error. `--process procfs` uses no eBPF for owners, `--process none` looks for no owners. What the kernel refuses is left out; `rustnet doctor` says what works, and prints the command that mends the rest.",
		"A system call filter or a security module may refuse to let rights be dropped: it says so, drops all else, and goes on. With rights that its file gives it, it does not run then. A systemd service may have `SystemCallFilter=@system-service bpf` (without `bpf` there is no eBPF) and `RestrictAddressFamilies=AF_NETLINK AF_PACKET`, with `--resolve` AF_UNIX, AF_INET and AF_INET6 as well; without one of the first two families the socket tables are followed.",
	}},
	{"Security", []string{
		"Root stays user 0, but without the power to change what belongs to others. What `--exec` runs has no rights and can gain none. Nothing stays in the kernel when rustnet has ended or was killed: nothing is pinned.",
		"Files that the user names are opened with the user's own rights, even where rustnet's file has capabilities. Whoever may run it with those capabilities sees everybody's connections and command lines: give it to a group, with `chmod 750`. It refuses to run with a set-user-ID bit.",
		"`--store` and `--learned` files are made for their owner (0600), `--write` and `--pcapng` files for the group too (0640), `--output-file` and `--cmd-output` files for all (0644), less the umask. As root, write only into folders that nobody else may change: elsewhere rustnet follows no link in the file's place but root's and that of the caller of sudo, and can neither rename nor replace a file, which it says at the start.",
		"Names of processes, control groups, interfaces and hosts are chosen by strangers. On a terminal, characters that would act on it are escaped. In CSV they stand as they are, and a spreadsheet may take a name that begins with `=` for a formula. `exe` comes from the kernel; `process` may be the program's own choice. `container` and `unit` come from names of control groups, and whoever may make those can choose them; a user's have the `unit` `user@N.service`.",
	}},
	{"Systems", []string{
		"Linux: everything on 64 bits; without eBPF on 32-bit and big-endian processors. A file gives the same records on each, byte for byte.",
		"Windows: packets come from Npcap (https://npcap.com), which must be installed. Without it, or without the right to capture, the system's tables of TCP connections are followed. Processes (name, executable, command line, user, parents) come from those tables, so short-lived programs may be missed; the names of other users' processes need no privilege. `-i` takes an interface's name (\"Ethernet\"), its description or Npcap's name. With `-- CMD`, a process is missed that ends within 50 ms and leaves others behind. It is tested under Wine, capture and processes included; on Windows itself, and with Npcap's own driver, it was not run.",
		"macOS, FreeBSD, OpenBSD, NetBSD: packets come from bpf(4) (by sudo, or with the right to read `/dev/bpf*`), processes from the kernel's lists of sockets; without that right there are those lists alone. On FreeBSD and OpenBSD processes need 64 bits, and OpenBSD does not tell a program's path. All of these are built and checked, and the code that parses what their kernels hand over is tested with each system's layout, the BSDs' against their own headers (`make test-layouts`: FreeBSD 14, NetBSD 10, OpenBSD 7.8), but it was not run on any of them.",
	}},
	{"Environment", []string{
		"Every flag can be given by a variable: its name in capitals behind `RUSTNET_`, with underscores for dashes. `--max-connections` is `RUSTNET_MAX_CONNECTIONS`. A variable that is empty counts as not set.",
		"`NO_COLOR`: if it is set, there are no colours except with `--color always`.",
	}},
	{"Files", []string{
		"`/etc/rustnet/config.toml` and, stronger, `~/.config/rustnet/config.toml` hold flags under their names, without the dashes, in TOML; `--config` names another file instead of both. The user's own file is not read where others may write to it, because it can name commands to run; `--config` reads it all the same. `[commands.NAME]` holds those of one command, `[profiles.NAME]` those that `--profile NAME` adds; both are stronger than the rest of the file. The command line is stronger than the environment, and that is stronger than files. `rustnet config` prints what is in force and where each value came from.",
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
