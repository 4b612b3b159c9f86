package shell

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"rustnet/track/event"
)

// Elsewhere has the words, after no dash, and the flags by which other programs know what there is here under another name: tcpdump,
// tshark, ss, netstat, lsof, nethogs, iftop, journalctl and the like. It is what is told of them where they are no word or flag of ours.
var Elsewhere = []struct{ Names, Is string }{
	{"top iftop nethogs iotop vnstat bandwhich rates", "rates, again and again: rustnet snapshot --watch 2s --group-by process --sort tx_rate"},
	{"ps ls list lsof ss netstat connections conns sockets now current", "what is connected now: rustnet snapshot; what listens too: rustnet snapshot --listen"},
	{"listen listening listeners ports", "rustnet snapshot --listen"},
	{"watch live monitor capture sniff trace tail follow stream run start", "without a command rustnet streams connections"},
	{"record save dump write", "rustnet -o none --write FILE keeps records, --store FILE a database, --pcapng FILE packets"},
	{"log logs journal query search find past last today yesterday", "what --store kept: rustnet history --store FILE --since yesterday"},
	{"sum summary report count totals aggregate", "rustnet stats"},
	{"check test diagnose diag status health", "rustnet doctor"},
	{"devices device ifaces iface nics links", "rustnet interfaces"},
	{"columns schema keys", "rustnet fields"},
	{"settings env", "rustnet config"},
	{"man docs doc usage", "rustnet manual"},
	{"help", "--help, as in rustnet history --help"},
	{"read replay open import", "packets: -r FILE; records: --from FILE"},
	{"export convert", "rustnet --from FILE --csv"},
	{"alert alerts detect", "rustnet --detect all --events alert, or --alert NAME=EXPR"},
	{"-c --limit --max --max-count --lines --head --packets --packet-count", "-n N stops after N records; --top N is for rows of snapshot, stats and history"},
	{"-w --log --log-file --logfile --out --outfile --save --append", "records: --write FILE; packets: --pcapng FILE; what snapshot, stats and history print: --output-file FILE"},
	{"--file --input --infile", "packets: -r FILE; records: --from FILE"},
	{"-p", `of one process alone: --filter 'process == "curl"' or 'pid == 1234'; of a port: 'remote_port == 443'`},
	{"-t --tcp", `TCP alone: --filter 'proto == "tcp"'`},
	{"-u --udp", `UDP alone: --filter 'proto == "udp"'`},
	{"--icmp", `--filter 'proto in ["icmp", "icmp6"]'`},
	{"--http", `--filter 'app == "http"'`},
	{"--tls --ssl --https", `--filter 'app == "tls"'`},
	{"-4 --ipv4", `--filter '!(remote_addr contains ":")'`},
	{"-6 --ipv6", `--filter 'remote_addr contains ":"'`},
	{"--in --inbound --incoming --ingress", `--filter 'direction == "in"'`},
	{"--out-only --outbound --outgoing --egress", `--filter 'direction == "out"'`},
	{"--external --public --internet", `--filter '!private(remote_addr)'`},
	{"--failed --errors", `--filter 'reason in ["rst", "refused", "timeout"]'`},
	{"-l -a --all --listening --listeners", "what is connected now, and listens: rustnet snapshot --listen"},
	{"-s", "--snaplen BYTES is how much of a frame is kept; sums: rustnet stats"},
	{"-S --summary", "rustnet stats"},
	{"-d --delay --refresh --every", "again and again: rustnet snapshot --watch 2s; the time between two updates: --interval D"},
	{"-D -L --list-interfaces", "rustnet interfaces"},
	{"-I --dev --device --iface --nic --intf", "-i NAME"},
	{"-Y -R --display-filter --where --query --expr --expression --grep --match --search --only --include",
		`--filter EXPR, as in --filter 'app == "dns"'`},
	{"--exclude --ignore --allow --allowlist --whitelist --deny --block", `--filter '!(host in ["a.example", "b.example"])', with --fail-on-match for the exit status`},
	{"-T --format --fmt --output-format", "--output json, csv or table"},
	{"-j --jsonl --ndjson --json-lines", "--json: one object a line"},
	{"-e --columns --cols --column --select", "--fields a,b,c"},
	{"-C", "--rotate-size SIZE"},
	{"-G -b", "--rotate-every D, --rotate-size SIZE"},
	{"-W", "--rotate-keep N"},
	{"-A -X -x --payload --hex --ascii", "payloads are not shown; --pcapng FILE keeps whole packets"},
	{"-v --verbose --debug", "all that is known of each: --json; the version: rustnet version"},
	{"-V --version", "rustnet version"},
	{"--numeric --no-dns --nodns --no-resolve", "no address is looked up unless --resolve is given"},
	{"--last --ago --past", "of what was kept: rustnet history --since 1h; of what comes: --duration 1h"},
	{"--from-time --start --begin --after", "--since WHEN, of rustnet history and stats"},
	{"--to --end --before", "--until WHEN, of rustnet history and stats"},
	{"--time-limit --seconds --for", "--duration D"},
	{"--tail --latest --newest --recent", "the latest of what was kept: rustnet history -n 10"},
	{"--follow --live --stream --continuous", "without a command rustnet streams; rustnet snapshot --watch 2s repeats"},
	{"--db --database --sqlite", "--store FILE"},
	{"--order-by --order --orderby --sort-by", "--sort FIELD, of rustnet snapshot, stats and history"},
	{"--by --group --groupby --aggregate", "--group-by a,b, of rustnet snapshot, stats and history"},
	{"--reverse --desc --descending --asc", "--sort=-FIELD"},
	{"--utc --local-time --localtime --timestamp --timestamps --unix --epoch", "--time-format rfc3339, unix or local"},
	{"--no-color --nocolor --no-colour", "--color never"},
	{"--silent", "--quiet"},
	{"--webhook --url --notify --hook --command", "--exec CMD runs CMD for each alert, with the record on its stdin"},
}

// elsewhere says what something that other programs have is here, "" where that is not known.
func elsewhere(name string) string {
	for _, e := range Elsewhere {
		if slices.Contains(strings.Fields(e.Names), name) {
			return e.Is
		}
	}
	return ""
}

// stray says what was meant by a word that is no command, "" where that is not known.
func stray(word string) string {
	first, _, _ := strings.Cut(word, " ")
	if slices.Contains([]string{"port", "host", "net", "src", "dst", "tcp", "udp", "icmp", "ip", "ip6", "arp", "not"}, first) {
		return "a capture filter is given with --bpf EXPR"
	}
	if slices.ContainsFunc([]string{"==", "!=", "&&", "||", " contains ", " startsWith ", " endsWith ", " matches ", " in "}, func(op string) bool { return strings.Contains(word, op) }) {
		return "a filter is given with --filter EXPR"
	}
	if is := elsewhere(word); is != "" {
		return is
	}
	if slices.Contains([]string{".db", ".sqlite", ".sqlite3"}, filepath.Ext(word)) {
		return "a store is read with --store FILE, by history, show and stats"
	}
	info, err := os.Stat(word)
	kept := []string{".pcap", ".pcapng", ".cap", ".ndjson", ".gz", ".zst"} // also one that is not there
	if err == nil && !info.IsDir() || slices.Contains(kept, filepath.Ext(word)) {
		return "a capture is read with -r FILE, records with --from FILE, several with --from 'FILES*' in quotes"
	}
	if _, err := net.InterfaceByName(word); err == nil || word == "any" {
		return "an interface is given with -i " + word
	}
	if _, err := event.ParseAge(word); err == nil {
		return "how long is given with --duration " + word + ", since when, of history and stats, with --since " + word
	}
	if _, err := exec.LookPath(word); err == nil {
		return "to watch a command: rustnet -- " + word + " …"
	}
	return ""
}
