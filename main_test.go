package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"rustnet/filter"
	"rustnet/output"
	"rustnet/output/shell"
	"rustnet/track/event"
)

var update = flag.Bool("update", false, "rewrite testdata/golden and the README's table of fields")

// programs are what this one is when it is started by such a name.
var programs = map[string]func(){"rustnet": main}

func TestMain(m *testing.M) {
	os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+"/usr/sbin:/sbin") // where servers and ip are
	testscript.Main(m, programs)
}

// TestScripts runs what users would: commands, what they print where, and their status.
func TestScripts(t *testing.T) {
	captures, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CAPTURES", captures)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}

// status runs a command that must end with the status that comes first, or with one of several: status 0|1 rustnet doctor.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if e, ok := err.(*exec.ExitError); ok {
		exit = e
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if !slices.Contains(strings.Split(args[0], "|"), strconv.Itoa(got)) {
		ts.Fatalf("exit status: got %d, want %s", got, args[0])
	}
}

// spoken is what a program that still runs has written.
type spoken struct {
	mu   sync.Mutex
	text []byte
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	return len(b), nil
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// soon is how long a test waits for what has to happen: a machine may be slow, and who waits for what happens loses nothing.
const soon = 60 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %s", soon, what)
		}
	}
}

// rustnet runs this program with args.
func rustnet(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command("rustnet", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if e, ok := err.(*exec.ExitError); ok {
		status = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), status
}

func captures(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.pcap", "*.pcapng", "*.gz", "*.zst"} {
		files, err := filepath.Glob("testdata/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	if len(all) < 50 {
		t.Fatalf("found %d captures, want at least 50", len(all))
	}
	return all
}

// TestGolden compares each capture's events with testdata/golden, whatever the number of workers,
// and holds them to the promises.
func TestGolden(t *testing.T) {
	for i, path := range captures(t) {
		if testing.Short() && i%4 > 0 { // as under the race detector, which looks for the same in each
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			got, stderr, _ := rustnet(t, "-r", path, "--json")
			golden := filepath.Join("testdata/golden", filepath.Base(path)+".ndjson")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			diffLines(t, got, string(want))
			// Each with one number of workers, and the numbers in turn.
			kept := filepath.Join(t.TempDir(), "kept.pcapng")
			workers := []string{"2", "4", "16"}[i%3]
			if other, _, _ := rustnet(t, "-r", path, "--json", "--workers", workers, "-q", "--pcapng", kept); other != got {
				t.Errorf("with %s workers:", workers)
				diffLines(t, other, got)
			}
			checkKept(t, got, kept)
			checkPromises(t, got)
			checkSummary(t, stderr, got)
			if !testing.Short() {
				often, _, _ := rustnet(t, "-r", path, "--json", "--interval", "1ms", "-q")
				checkPromises(t, often)
			}
		})
	}
}

// TestGoldenKeepsSecretsOut: the passwords, tokens and communities that the programs of the captures said are in none of their records.
func TestGoldenKeepsSecretsOut(t *testing.T) {
	const text, inBase64 = "secret", "c2VjcmV0"
	for name, said := range map[string]string{"amqp": text, "drda": text, "grpc": text, "http-keepalive": text, "imap": inBase64, "ldap": text, "mqtt": text,
		"pop3": inBase64, "rtmp": text, "rtsp": text, "snmp": "public", "socks": text, "stomp": text, "websocket": text, "zmtp": text} {
		capture, err := os.ReadFile(filepath.Join("testdata", name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		records, err := os.ReadFile(filepath.Join("testdata/golden", name+".pcap.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(capture, []byte(said)) {
			t.Errorf("%s: the capture has no %q: it proves nothing", name, said)
		}
		for _, form := range []string{text, inBase64, "public"} {
			if bytes.Contains(records, []byte(form)) {
				t.Errorf("%s: %q is in its records", name, form)
			}
		}
	}
}

// checkKept: of the packets that --pcapng kept of all connections, the same connections are made, with the same owners.
func checkKept(t *testing.T, ndjson, kept string) {
	t.Helper()
	again, stderr, status := rustnet(t, "-r", kept, "--json", "-q", "--events", "closed")
	if status != 0 || stderr != "" {
		t.Errorf("packets kept: status %d, %s", status, stderr)
	}
	ends := func(ndjson string) (all []string) {
		for _, r := range records(t, ndjson) {
			if r.Event != "closed" {
				continue
			}
			// Numbers of frames make identifiers, and the last frame ends what is open.
			r.Seq, r.ID, r.TxD, r.RxD = 0, "", 0, 0
			if r.Reason == "exit" || r.Reason == "timeout" {
				r.TS = ""
			}
			all = append(all, fmt.Sprintf("%+v", r))
		}
		slices.Sort(all)
		return all
	}
	got, want := ends(again), ends(ndjson)
	if !slices.Equal(got, want) {
		t.Errorf("packets kept make other connections:")
		diffLines(t, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPcapngFilter: what is kept of a connection is what Wireshark takes for it, packet by packet.
func TestPcapngFilter(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark, which is not installed")
	}
	tshark := func(path, display string) string {
		t.Helper()
		out, err := exec.Command("tshark", "-n", "-r", path, "-Y", display, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "ip.id", "-e", "tcp.seq_raw", "-e", "tcp.flags", "-e", "udp.length").Output()
		if err != nil {
			t.Fatalf("tshark %s: %v", path, err)
		}
		return string(out)
	}
	for _, path := range []string{"testdata/mixed.pcap", "testdata/vxlan.pcap"} {
		golden, err := os.ReadFile(filepath.Join("testdata/golden", filepath.Base(path)+".ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for _, r := range records(t, string(golden)) {
			if r.Event != "closed" || r.Proto != "tcp" && r.Proto != "udp" || compared == 2 {
				continue
			}
			compared++
			kept := filepath.Join(t.TempDir(), "kept.pcapng")
			_, stderr, _ := rustnet(t, "-r", path, "-o", "none", "--pcapng", kept, "--filter", fmt.Sprintf("proto == %q && local_port == %d && remote_port == %d", r.Proto, r.LocalPort, r.RemotePort))
			got, want := tshark(kept, ""), tshark(path, fmt.Sprintf("%s.port == %d && %[1]s.port == %d", r.Proto, r.LocalPort, r.RemotePort))
			if n := strings.Count(want, "\n"); got != want || !strings.Contains(stderr, fmt.Sprintf(" %d packets in ", n)) {
				t.Errorf("%s: %s port %d: got\n%swant\n%s%s", path, r.Proto, r.LocalPort, got, want, stderr)
			}
		}
		if compared == 0 {
			t.Errorf("%s has no connections", path)
		}
	}
}

// TestRoundTrip: what is read back and written again is the same, whatever the capture; but for the numbers of the
// records, which are those of the run that wrote them.
func TestRoundTrip(t *testing.T) {
	golden, err := filepath.Glob("testdata/golden/*.ndjson")
	if err != nil || len(golden) < 50 {
		t.Fatalf("%d golden outputs, %v", len(golden), err)
	}
	var all, want []byte
	seq, n := regexp.MustCompile(`,"seq":\d+,`), 0
	for _, path := range golden {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
		for line := range bytes.Lines(text) {
			n++
			want = append(want, seq.ReplaceAllLiteral(line, fmt.Appendf(nil, `,"seq":%d,`, n))...)
		}
	}
	path := filepath.Join(t.TempDir(), "all.ndjson")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	got, stderr, status := rustnet(t, "--from", path, "--json", "-q")
	if diffLines(t, got, string(want)); status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
}

func diffLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, a, b)
			return
		}
	}
}

type record struct {
	V                                uint64
	Event, ID, Proto, Reason, State  string
	History                          string
	TS, Start                        string
	Seq                              uint64
	TxBytes, RxBytes                 uint64 `json:"-"`
	Tx                               uint64 `json:"tx_bytes"`
	Rx                               uint64 `json:"rx_bytes"`
	TxD                              uint64 `json:"tx_bytes_delta"`
	RxD                              uint64 `json:"rx_bytes_delta"`
	TxPackets                        uint64 `json:"tx_packets"`
	RxPackets                        uint64 `json:"rx_packets"`
	TxPayload                        uint64 `json:"tx_payload"`
	RxPayload                        uint64 `json:"rx_payload"`
	LocalAddr                        string `json:"local_addr"`
	RemoteAddr                       string `json:"remote_addr"`
	LocalPort                        int    `json:"local_port"`
	RemotePort                       int    `json:"remote_port"`
	Direction, App, SNI, Host, Iface string
	HostSource                       string `json:"host_source"`
	RemoteName                       string `json:"remote_name"`
	Process, Exe, User               string
	PID, UID                         int
	Partial                          bool
	PeerProcess                      string `json:"peer_process"`
	HTTPPath                         string `json:"http_path"`
	HTTPStatus                       int    `json:"http_status"`
	DNSQuery                         string `json:"dns_query"`
	DNSRcode                         string `json:"dns_rcode"`
	SSHClient                        string `json:"ssh_client"`
	TxAgain                          uint64 `json:"tx_retransmits"`
	RxAgain                          uint64 `json:"rx_retransmits"`
	LostWhere                        string `json:"lost_where"`
	LostCount                        uint64 `json:"lost_count"`
}

func records(t testing.TB, ndjson string) []record {
	t.Helper()
	var rs []record
	for line := range strings.Lines(ndjson) {
		if !strings.HasSuffix(line, "\n") {
			t.Fatalf("the last record is not whole: %q", line)
		}
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		rs = append(rs, r)
	}
	return rs
}

// checkPromises: one new, any number of updated, one closed, in the order of their times; seq without gaps; deltas that add up.
func checkPromises(t *testing.T, ndjson string) {
	t.Helper()
	last := map[string]string{}
	sum := map[string]uint64{}
	at := map[string]string{}
	for i, r := range records(t, ndjson) {
		if r.V != 1 || r.Seq != uint64(i+1) {
			t.Errorf("record %d: v %d seq %d", i+1, r.V, r.Seq)
		}
		if r.Event == "lost" {
			continue
		}
		before := last[r.ID]
		if (r.Event == "new") != (before == "") || before == "closed" {
			t.Errorf("record %d: %s of %s after %q", i+1, r.Event, r.ID, before)
		}
		if r.TS < at[r.ID] {
			t.Errorf("record %d: %s of %s is of %s, after one of %s", i+1, r.Event, r.ID, r.TS, at[r.ID])
		}
		last[r.ID], at[r.ID] = r.Event, r.TS
		sum[r.ID] += r.TxD + r.RxD
		if r.Event == "closed" && (sum[r.ID] != r.Tx+r.Rx || r.Reason == "") {
			t.Errorf("record %d: deltas add up to %d of %d, reason %q", i+1, sum[r.ID], r.Tx+r.Rx, r.Reason)
		}
	}
	for id, e := range last {
		if e != "closed" {
			t.Errorf("connection %s ends with %s", id, e)
		}
	}
}

// checkSummary: packets read = tracked + skipped, and events made = written.
func checkSummary(t *testing.T, stderr, ndjson string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^rustnet: \d+ packets? read.*$`).FindString(stderr)
	if line == "" {
		t.Fatalf("no summary in %q", stderr)
	}
	var read, tracked, conns, skipped, written uint64
	line, events, _ := strings.Cut(strings.TrimPrefix(line, "rustnet: "), ";")
	for part := range strings.SplitSeq(line, ", ") {
		var n uint64
		var what string
		fmt.Sscan(part, &n, &what)
		switch what {
		case "packet", "packets":
			read = n
		case "in":
			tracked = n
			fmt.Sscanf(part, "%d in %d", &n, &conns)
		case "skipped":
			skipped += n
		}
	}
	fmt.Sscan(events, &written)
	if read != tracked+skipped {
		t.Errorf("read %d, but tracked %d + skipped %d: %s", read, tracked, skipped, line)
	}
	rs := records(t, ndjson)
	if n := len(rs) - count(rs, "lost"); uint64(n) != written {
		t.Errorf("summary says %d events, there are %d", written, n)
	}
	closed := slices.DeleteFunc(rs, func(r record) bool { return r.Event != "closed" })
	var packets uint64
	for _, r := range closed {
		packets += r.TxPackets + r.RxPackets
	}
	if uint64(len(closed)) != conns || packets != tracked {
		t.Errorf("summary says %d packets in %d connections; closed events say %d in %d", tracked, conns, packets, len(closed))
	}
}

// TestTruth compares with what Wireshark's dissectors say of the same captures (testdata/truth.tsv):
// counts of every TCP and UDP connection, and the names in them.
func TestTruth(t *testing.T) {
	text, err := os.ReadFile("testdata/truth.tsv")
	if err != nil {
		t.Fatal(err)
	}
	type conn struct{ file, proto, src, sport, dst, dport string }
	truth := map[conn]map[string][]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 8 || f[1] != "tcp" && f[1] != "udp" || f[2] == "-" {
			continue
		}
		k := conn{f[0], f[1], f[2], f[3], f[4], f[5]}
		if truth[k] == nil {
			truth[k] = map[string][]string{}
		}
		truth[k][f[6]] = append(truth[k][f[6]], f[7])
	}
	got := map[conn]map[string]string{} // by both orders of the ends
	for _, path := range captures(t) {
		said, err := os.ReadFile(filepath.Join("testdata/golden", filepath.Base(path)+".ndjson")) // what TestGolden has us say
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(said) {
			var r map[string]any
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if r["event"] != "closed" {
				continue
			}
			str := func(key string) string {
				switch v := r[key].(type) {
				case float64:
					return strconv.FormatFloat(v, 'f', -1, 64)
				case []any:
					var s []string
					for _, x := range v {
						s = append(s, fmt.Sprint(x))
					}
					return strings.Join(s, "|")
				case string:
					return v
				}
				return ""
			}
			k := conn{filepath.Base(path), str("proto"), str("local_addr"), str("local_port"), str("remote_addr"), str("remote_port")}
			back := conn{k.file, k.proto, k.dst, k.dport, k.src, k.sport}
			m := got[k]
			if m == nil {
				m = map[string]string{}
				got[k], got[back] = m, m
			}
			for key := range r {
				m[key] = str(key)
			}
			n, _ := strconv.ParseUint(m["all_packets"], 10, 64)
			b, _ := strconv.ParseUint(m["all_bytes"], 10, 64)
			m["all_packets"] = fmt.Sprint(n + uint64(r["tx_packets"].(float64)+r["rx_packets"].(float64)))
			m["all_bytes"] = fmt.Sprint(b + uint64(r["tx_bytes"].(float64)+r["rx_bytes"].(float64)))
		}
	}
	sum := func(values []string) (n uint64) {
		for _, v := range values {
			x, _ := strconv.ParseUint(v, 10, 64)
			n += x
		}
		return n
	}
	// Wireshark begins a conversation of UDP anew where media are described. It counts only the fragment that completes a datagram; every sighting of a packet; and
	// takes a total length of 0 literally.
	uncounted := []string{"dns-fragmented.pcap", "ip-fragments.pcap", "forwarded.pcap", "no-length.pcap", "sip-media.pcap", "rtsp.pcap"}
	compared := map[string]int{}
	for k, want := range truth {
		if k.file == "tunnel-deep.pcap" {
			continue // ten tunnels, one in the other: we stop at eight
		}
		m := got[k]
		if m == nil {
			t.Errorf("%v: not found", k)
			continue
		}
		check := func(key, got, want string) {
			compared[key]++
			if got != want {
				t.Errorf("%v: %s: got %q, want %q", k, key, got, want)
			}
		}
		if !slices.Contains(uncounted, k.file) {
			check("packets", m["all_packets"], fmt.Sprint(sum(want["packets_out"])+sum(want["packets_in"])))
			check("ip_bytes", m["all_bytes"], fmt.Sprint(sum(want["ip_bytes_out"])+sum(want["ip_bytes_in"])))
		}
		if m["app"] == "uwsgi" { // whose answers have a line of HTTP, and are nothing else for Wireshark
			m["http_status"] = m["cgi_status"]
		}
		for _, key := range []string{"community_id", "sni", "alpn", "ja3", "ja3s", "ssh_client", "ssh_server", "hassh", "hassh_server",
			"http_method", "http_user_agent", "http_status", "dns_query"} {
			if k.file == "ssdp.pcap" && strings.HasPrefix(key, "http_") {
				continue // the same header lines, another protocol
			}
			if k.file == "tls-failed.pcap" && key == "http_status" {
				continue // what a web server says to a ClientHello: the connection is TLS by its first word
			}
			if k.file == "quic-versions.pcap" && key == "sni" && len(want[key]) > 0 && want[key][0] == "versions\x01" {
				continue // a piece of the name: Wireshark does not put a hello together whose client began with another version
			}
			if v := want[key]; len(v) > 0 && key == "ja3s" {
				check(key, m[key], v[len(v)-1]) // a HelloRetryRequest counts for Wireshark, and is before
			} else if len(v) > 0 {
				check(key, m[key], v[0])
			}
		}
		if v := want["http_host"]; len(v) > 0 && k.file != "ssdp.pcap" {
			check("http_host", m["http_host"], v[0])
		}
	}
	for key, least := range map[string]int{"packets": 200, "ip_bytes": 200, "community_id": 200, "sni": 30, "ja3": 30,
		"http_method": 90, "http_host": 90, "http_status": 90, "dns_query": 60, "ssh_client": 2, "hassh": 2} {
		if compared[key] < least {
			t.Errorf("%s: compared %d connections, want at least %d", key, compared[key], least)
		}
	}
}

func count(rs []record, kind string) (n int) {
	for _, r := range rs {
		if r.Event == kind {
			n++
		}
	}
	return n
}

// TestImports holds the way that imports run: design of the tree, as the style of this project has it.
func TestImports(t *testing.T) {
	const own = "rustnet/"
	may := map[string][]string{
		"capture":              {},
		"capture/bypass":       {"bpf", "capture"},
		"capture/command":      {},
		"capture/decode":       {"capture"},
		"capture/file":         {"capture"},
		"capture/live":         {"capture"},
		"capture/lifecycle":    {"bpf", "capture", "capture/sockets"},
		"capture/pcapfilter":   {"capture"},
		"capture/prefetch":     {},
		"capture/ndjson":       {"capture/file", "track/event"},
		"capture/sockets":      {},
		"capture/store":        {"capture/ndjson", "capture/store/beside", "track/event"},
		"capture/store/beside": {"track/event"},
		"track/event":          {},
		"track/places":         {},
		"track/dpi":            {"track/event"},
		"track":                {"capture", "capture/decode", "capture/prefetch", "capture/sockets", "track/dpi", "track/event", "track/places"},
		"bpf":                  {},
		"enrich":               {"bpf", "capture/prefetch", "capture/sockets", "track/event", "track/places"},
		"enrich/remote":        {"track/event"},
		"enrich/doctor":        {"bpf", "capture/live", "capture/sockets", "enrich"},
		"filter":               {"track/event"},
		"filter/alert":         {"filter", "track/event"},
		"output":               {"track/event"},
		"output/flow":          {"output", "track/event"},
		"output/hook":          {"output", "track/event"},
		"output/pieces":        {"output", "track/event"},
		"output/pcapng":        {"capture", "capture/decode", "capture/ndjson", "output", "output/pieces", "track/event"},
		"output/summary":       {"output", "track/event"},
		"output/shell":         {"output", "track/event"},
		"output/siem":          {"output", "track/event"},
		"output/store":         {"capture/store/beside", "output", "track/event"},
	}
	only := map[string][]string{ // who may use these modules
		"github.com/google/gopacket":   {"capture/decode"},
		"github.com/cilium/ebpf":       {"bpf"},
		"github.com/expr-lang/expr":    {"filter"},
		"github.com/alecthomas/kong":   {".", "output/shell"},
		"github.com/pelletier/go-toml": {"output/shell"},
		"github.com/ncruces":           {"capture/store", "capture/store/beside", "output/store"},
		"github.com/oschwald":          {"enrich/remote"},
	}
	pure := []string{"capture/decode", "track/dpi", "track/event"} // know no system, file, clock or network
	impure := []string{"os", "net", "net/http", "os/exec", "syscall", "golang.org/x/sys"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "testdata" || strings.HasPrefix(path, ".") && path != ".") {
			return fs.SkipDir
		}
		if d.IsDir() && strings.HasSuffix(path, "/testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if len(f.Comments) > 0 && strings.HasPrefix(f.Comments[0].List[0].Text, "//go:build ignore") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if room, ok := strings.CutPrefix(name, own); ok && dir != "." && !slices.Contains(may[dir], room) {
				t.Errorf("%s imports %s", path, room)
			}
			for module, rooms := range only {
				if strings.HasPrefix(name, module) && !slices.Contains(rooms, dir) {
					t.Errorf("%s imports %s", path, name)
				}
			}
			if slices.Contains(pure, dir) && slices.ContainsFunc(impure, func(s string) bool { return name == s || strings.HasPrefix(name, s+"/") && s != "net" }) {
				t.Errorf("%s imports %s: this room knows no system", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadme holds the README's tables of fields to the one declaration: those of every connection, and the names of those of protocols.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- fields: made by go test -run TestReadme -update . -->\n", "<!-- end of fields -->"
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	core, table := *schema, bytes.Buffer{}
	core.Fields = nil
	var protocols []string
	for _, f := range schema.Fields {
		if _, ok := f.AppIndex(); !ok {
			core.Fields = append(core.Fields, f)
		} else if n := len(protocols) - 1; n >= 0 && strings.HasPrefix(protocols[n], "| "+f.Group+" |") {
			protocols[n] += ", `" + f.Name + "`"
		} else {
			protocols = append(protocols, "| "+f.Group+" | `"+f.Name+"`")
		}
	}
	if err := output.WriteFields(&table, &core, "markdown", 0); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&table, "\n| of | more |\n|---|---|\n%s |\n", strings.Join(protocols, " |\n"))
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no %q … %q", begin, end)
	}
	if old == table.String() {
		return
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("README.md's table of fields is not what the code declares: run go test -run TestReadme -update .")
}

// TestReadmeManual holds the manual to the declarations, and what shows it to be content with it.
func TestReadmeManual(t *testing.T) {
	for form, path := range map[string]string{"man": "docs/rustnet.1", "markdown": "docs/reference.md", "schemas": "docs/schemas.md"} {
		got, stderr, status := rustnet(t, "manual", form)
		if status != 0 || stderr != "" {
			t.Fatalf("manual %s: status %d, %s", form, status, stderr)
		}
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what the code declares: run go generate .", path)
		}
	}
	for _, check := range [][]string{{"mandoc", "-Tlint", "docs/rustnet.1"}, {"man", "-l", "--warnings", "-P", "cat", "docs/rustnet.1"}} {
		t.Run(check[0], func(t *testing.T) {
			if _, err := exec.LookPath(check[0]); err != nil {
				t.Skipf("needs %s, which is not installed", check[0])
			}
			cmd := exec.Command(check[0], check[1:]...)
			cmd.Env = append(os.Environ(), "LC_ALL=C", "MANWIDTH=80")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.Output()
			if check[0] == "man" && !bytes.Contains(stdout, []byte("EXIT STATUS")) || check[0] == "mandoc" && len(stdout) > 0 {
				t.Errorf("%v: got %s", err, stdout)
			}
			if err != nil || stderr.Len() > 0 {
				t.Errorf("%v: %s", err, stderr.String())
			}
		})
	}
}

// TestHelpFits: the short help is a screen, on which each command is named with what it does, unclipped.
func TestHelpFits(t *testing.T) {
	help, stderr, status := rustnet(t, "--help")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	if n := strings.Count(help, "\n"); n > 24 {
		t.Errorf("got %d lines, want at most 24:\n%s", n, help)
	}
	for line := range strings.Lines(help) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns, want at most 80: %s", n, line)
		}
		if strings.Contains(line, "…") {
			t.Errorf("cut: %s", line)
		}
	}
}

// TestCompletion lets each shell complete, as far as it can without a terminal.
func TestCompletion(t *testing.T) {
	for _, sh := range []struct {
		name string
		args []string // run the script in $1 with the line in $2, and print what it offers, one a line
	}{
		{"bash", []string{"bash", "--norc", "-c", `source "$1"
			COMP_LINE=$2 COMP_POINT=${#2}
			read -ra COMP_WORDS <<<"$2"
			[[ $2 != *' ' ]] || COMP_WORDS+=('')
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			cur=${COMP_WORDS[COMP_CWORD]}
			[[ $cur != *=* ]] || cur=${cur##*=}
			_rustnet rustnet "$cur" ''
			printf '%s\n' "${COMPREPLY[@]}"`, "bash"}},
		{"zsh", []string{"zsh", "-f", "-c", `compdef() { }
			source $1
			words=(${(z)2}) CURRENT=${#words}
			[[ $2 != *' ' ]] || words+=('') CURRENT=${#words}
			PREFIX=$words[CURRENT]
			_files() { [[ $1 != -P ]] || shift; print -rl -- $~PREFIX*(N) }
			compset() { [[ $PREFIX != --*=* ]] || PREFIX=${PREFIX#*=} }
			compadd() { print -rl -- $values }
			_rustnet`, "zsh"}},
		{"fish", []string{"fish", "--no-config", "-c", `source $argv[1]; complete -C "$argv[2]" | cut -f1`}},
	} {
		t.Run(sh.name, func(t *testing.T) {
			if _, err := exec.LookPath(sh.name); err != nil {
				t.Skipf("needs %s, which is not installed", sh.name)
			}
			dir := t.TempDir()
			script, _, _ := rustnet(t, "completion", sh.name)
			path := filepath.Join(dir, "script")
			if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(sh.name, "-n", path).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, name := range []string{"capture.pcap", "capsule", "other"} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, tc := range []struct{ line, want string }{
				{"rustnet snap", "snapshot"},
				{"rustnet --max-c", "--max-connections"},
				{"rustnet snapshot --gr", "--group-by"},
				{"rustnet --color ", "always auto never"},
				{"rustnet --json --log-level ", "error info warn"},
				{"rustnet --output=c", "--output=csv"},
				{"rustnet --fields proto,tls_v", "proto,tls_version"},
				{"rustnet --fields +tls_v", "+tls_version"},
				{"rustnet snapshot --sort -tx_rat", "-tx_rate"},
				{"rustnet stats --group-by process,remote_p", "process,remote_port"},
				{"rustnet --filter sni", "sni"},
				{"rustnet completion ", "bash fish zsh"},
				{"rustnet version --lo", "--log-level"},
				{"rustnet show --f", "--fields"},
				{"rustnet fields --j", "--json"},
				{"rustnet doctor --no", "--no-bypass --no-header"},
				{"rustnet -r " + dir + "/cap", dir + "/capsule " + dir + "/capture.pcap"},
				{"rustnet --from=" + dir + "/capt", "--from=" + dir + "/capture.pcap"},
			} {
				cmd := exec.Command(sh.args[0], append(slices.Clone(sh.args[1:]), path, tc.line)...)
				cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				got := strings.Fields(string(out))
				slices.Sort(got)
				want := tc.want
				if sh.name == "bash" || sh.name == "zsh" && strings.Contains(tc.line, "--from") { // they keep what stands before =
					want = strings.TrimPrefix(strings.TrimPrefix(want, "--output="), "--from=")
				}
				if s := strings.Join(got, " "); err != nil || s != want || stderr.Len() > 0 {
					t.Errorf("%s: got %q, %v, %s; want %q", tc.line, s, err, stderr.String(), want)
				}
			}
		})
	}
}

// TestUnset: of a number, a time or a table that may be left out, config can say what holds then.
func TestUnset(t *testing.T) {
	var c cli
	parser, err := newParser(&c, &shell.Files{}, kong.Resolvers())
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		kind := flag.Target.Kind()
		if number := flag.Target.CanInt() || flag.Target.CanUint() || kind == reflect.Map; number && !flag.HasDefault && flag.Tag.Get("unset") == "" && flag.Name != "alert" {
			t.Errorf("--%s: no tag unset", flag.Name)
		}
	}
}

// TestFlagsOfCommands: of the flags that are no command's own, completion offers those that the command takes, and no others.
func TestFlagsOfCommands(t *testing.T) {
	values := map[string]string{"process": "none", "output": "json", "schema": "ecs", "color": "never", "time-format": "unix", "write-format": "json", "log-level": "warn", "local": "192.0.2.1",
		"alert": "a=pid > 0", "timeout": "udp=1s", "config": os.DevNull, "exec-on": "new", "store-age": "1h"}
	var c cli
	files := &shell.Files{}
	parser, err := newParser(&c, files, kong.Resolvers(files))
	if err != nil {
		t.Fatal(err)
	}
	about := shell.About(parser.Model, schema, exits)
	for _, command := range about.Commands {
		var offered strings.Builder
		shell.NewCompleter(about.Command, schema, nil).Answer(&offered, []string{"fish", command.Name, "--"})
		for _, flag := range parser.Model.Flags {
			option := "--" + flag.Name
			if flag.Name == "help" || flag.Name == "help-all" || flag.Name == "profile" { // the first two end it, the third is of a file
				continue
			}
			args := []string{command.Name, option}
			for range command.Args {
				args = append(args, cmp.Or(strings.Join(command.Args[0].Enum[:min(1, len(command.Args[0].Enum))], ""), "0"))
			}
			switch value := values[flag.Name]; {
			case value != "":
				args[1] += "=" + value
			case !flag.IsBool() && flag.Target.Type() == reflect.TypeFor[time.Duration]():
				args[1] += "=1s"
			case !flag.IsBool():
				args[1] += "=100"
			}
			switch {
			case command.Name == "snapshot" && (flag.Name == "interface" || flag.Name == "bpf"):
				args = append(args, "--duration=1s")
			case flag.Name == "local":
				args = append(args, "--read=x")
			}
			for _, f := range parser.Model.Flags {
				f.Set = false // of the line before
			}
			ctx, err := parser.Parse(args)
			if err == nil {
				c.doing = command.Name
				err = c.fits(ctx, about)
			}
			if takes := strings.Contains(offered.String(), "\n"+option+"\t"); takes != (err == nil) {
				t.Errorf("%s: offered %v, but %v", strings.Join(args, " "), takes, err)
			}
		}
	}
}

// TestNamesOfFiles: a name may be any bytes; it is opened as it is, and what is said of it does not act on the terminal.
func TestNamesOfFiles(t *testing.T) {
	capture, err := os.ReadFile("testdata/udp.pcap")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "caf\xe9\x1b[31m\u202e\u009b")
	if err := os.WriteFile(name, capture, 0o600); err != nil {
		t.Skip("this system takes no such name: ", err)
	}
	const shown = `caf\xe9\x1b[31m\u202e\u009b`
	for _, tc := range []struct {
		status int
		args   []string
	}{
		{exitDone, []string{"-r", name, "-o", "none", "--write", name + ".ndjson"}},
		{exitUsage, []string{"-r", name + "/none"}},
		{exitUsage, []string{"--config", name, "fields"}},
		{exitFailed, []string{"--from", name, "--json"}},
		{exitUsage, []string{"--" + name}},
		{exitUsage, []string{"--geoip", name}},
	} {
		_, stderr, status := rustnet(t, tc.args...)
		if tc.status != status && status != exitFailed || !strings.Contains(stderr, shown) || strings.ContainsAny(stderr, "\x1b\u202e\u009b") || !utf8.ValidString(stderr) {
			t.Errorf("%q: got %d, %q; want %d, and %s in it", tc.args, status, stderr, tc.status, shown)
		}
	}
}

// TestReaderGone: whoever read has gone, which is no failure; a full disk is one.
func TestReaderGone(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--help-all"}, {"help", "snapshot"}, {"fields"}, {"fields", "--json"}, {"manual"}, {"manual", "schemas"}, {"completion", "bash"},
		{"config"}, {"interfaces"}, {"version"}, {"doctor"}, {"--json", "-q", "-r", filepath.Join("testdata", "mixed.pcap")}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			run := func(to *os.File) (stderr bytes.Buffer, state string) {
				defer to.Close()
				cmd := exec.Command("rustnet", args...)
				cmd.Stdout, cmd.Stderr = to, &stderr
				if err := cmd.Run(); cmd.ProcessState == nil {
					t.Fatal(err)
				}
				return stderr, cmd.ProcessState.String()
			}
			if said, state := run(w); state != "exit status 0" && (args[0] != "doctor" || state != "exit status 1") || strings.Contains(said.String(), "rustnet: ") {
				t.Errorf("got %s, %q, want it to end as if all had been read", state, &said)
			}
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("needs /dev/full: ", err)
			}
			if said, state := run(full); state != "exit status 1" || !strings.Contains(said.String(), "rustnet: write stdout: no space left on device") {
				t.Errorf("to a full disk: got %s, %q", state, &said)
			}
		})
	}
}

// BenchmarkFile runs the whole program over files of make bench-data, for profiles (make profile has one):
// BENCH=bench/mix.pcap go test -run '^$' -bench File -benchtime 3x -cpuprofile cpu.out .
func BenchmarkFile(b *testing.B) {
	files := strings.Fields(os.Getenv("BENCH"))
	if len(files) == 0 {
		b.Skip("BENCH names no capture file")
	}
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	var err error
	if os.Stdout, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		b.Fatal(err)
	}
	defer os.Stdout.Close()
	for _, file := range files {
		b.Run(filepath.Base(file), func(b *testing.B) {
			for b.Loop() {
				if status := run([]string{"-q", "-r", file, "--json"}); status != exitDone {
					b.Fatalf("got status %d, want %d", status, exitDone)
				}
			}
		})
	}
}

// TestReopen: a file that was renamed is let go of at SIGHUP, between two records.
func TestReopen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGHUP")
	}
	capture, err := os.ReadFile("testdata/mixed.pcap")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kept.ndjson")
	cmd := exec.Command("rustnet", "-r", "-", "--settle", "0", "--write", path, "-o", "none", "-q")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if _, err := in.Write(capture[:len(capture)/2]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "records in the file", func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 0 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new file", func() bool { _, err := os.Stat(path); return err == nil })
	if _, err := in.Write(capture[len(capture)/2:]); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range []string{path + ".1", path} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if rs := records(t, string(text)); len(rs) == 0 {
			t.Errorf("no records in %s", name)
		}
		all += string(text)
	}
	want, _, _ := rustnet(t, "-r", "testdata/mixed.pcap", "--settle", "0", "--json", "-q")
	diffLines(t, all, want)
}

// TestHostileRecords: whatever stands in a record, it stays one record in every form, and does nothing to a terminal.
func TestHostileRecords(t *testing.T) {
	const text = "=a\x1b[31m\u202e\u009b1m\u200b\u2028\r\n\x00\x7f\",|\t\\'-"
	acts := func(s string) bool {
		return strings.ContainsAny(s, "\x1b\u202e\u009b\u200b\r\x00\x7f") || !utf8.ValidString(s)
	}
	record := map[string]any{}
	for _, f := range schema.Fields {
		switch {
		case f.Name == "event":
		case f.Type == event.String:
			record[f.Name] = text
		case f.Type == event.List:
			record[f.Name] = []string{text, "\xff"}
		case f.Type == event.Uint:
			record[f.Name] = uint64(math.MaxUint64)
		case f.Type == event.Float:
			record[f.Name] = 1e300
		case f.Type == event.Addr:
			record[f.Name] = "fe80::1%eth0"
		case f.Type == event.ID:
			record[f.Name] = "00000000000000ff"
		case f.Type == event.Time:
			record[f.Name] = "2026-01-01T00:00:00Z"
		}
	}
	var lines []byte
	kinds := []string{"alert", "lost", "stats", "group", "open", text, "new", "updated", "closed"}
	for i, kind := range kinds {
		record["event"], record["seq"], record["v"] = kind, i+1, 1
		if kind == "new" { // from here on all schemas have a place for them
			record["proto"] = "tcp"
		}
		line, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	for _, zone := range []string{"a\x1b[31m", `a"`, "a,b", "a\nb"} {
		line, _ := json.Marshal(map[string]any{"v": 1, "event": "new", "remote_addr": "fe80::1%" + zone})
		lines = append(append(lines, line...), '\n')
	}
	dir := t.TempDir()
	file, kept := filepath.Join(dir, "records.ndjson"), filepath.Join(dir, "store")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := rustnet(t, "--from", file, "-o", "none", "--store", kept); status != exitFailed || !strings.Contains(stderr, "4 malformed") {
		t.Errorf("got %d, %s; want the four lines with a zone that is none passed over", status, stderr)
	}
	for _, source := range [][]string{{"--from", file}, {"history", "--store", kept}} {
		for _, form := range [][]string{{"--json"}, {"--schema", "eve"}, {"--schema", "ecs"}, {"--schema", "ocsf"}, {"--schema", "zeek", "--json"}} {
			out, _, _ := rustnet(t, append(append(source, "-q"), form...)...)
			if acts(out) || out == "" {
				t.Errorf("%v %v: got %.200q", source, form, out)
			}
			for line := range strings.Lines(out) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%v %v: no JSON: %.300s", source, form, line)
				}
			}
		}
		out, _, _ := rustnet(t, append(source, "-q", "--csv")...)
		if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(rows) < 2 {
			t.Errorf("%v --csv: got %d rows, %v", source, len(rows), err)
		}
		out, _, _ = rustnet(t, append(source, "-q", "--schema", "zeek")...)
		columns := 0
		for line := range strings.Lines(out) {
			if n := strings.Count(line, "\t"); strings.HasPrefix(line, "#fields") {
				columns = n
			} else if !strings.HasPrefix(line, "#") && n != columns-1 || acts(line) {
				t.Errorf("%v --schema zeek: %d columns, want %d: %.200q", source, n+1, columns, line)
			}
		}
		wide := []string{"-q", "--table", "--fields", "+exe,+cmdline,+alert_reason,+ancestors,+remote_addr,+unit"}
		for _, args := range [][]string{append(source, wide[:2]...), append(source, wide...), {"stats", "--from", file}, {"stats", "--from", file, "--group-by", "process,state,remote_addr"},
			{"stats", "--from", file, "--json"}, {"show", "--store", kept, "00"}, {"show", "--store", kept, "00", "--json"}} {
			out, stderr, _ := rustnet(t, args...)
			if acts(out) || acts(stderr) || out == "" {
				t.Errorf("%v: got %.2000q, %q", args, out, stderr)
			}
		}
	}
}

// TestElsewhere: what is said of other programs' words and flags is there, and they themselves are none of ours, of which it would
// never be said.
func TestElsewhere(t *testing.T) {
	parser, err := newParser(&cli{}, &shell.Files{}, kong.DefaultEnvars("RUSTNET"))
	if err != nil {
		t.Fatal(err)
	}
	about := shell.About(parser.Model, schema, exits)
	var ours []string
	add := func(flags []shell.Flag) {
		for _, f := range flags {
			ours = append(ours, "--"+f.Name, "-"+string(f.Short))
		}
	}
	add(about.Flags)
	common := len(ours)
	for _, c := range about.Commands {
		ours = append(ours, c.Name)
		add(c.Flags)
	}
	flags := regexp.MustCompile(`(?:^|[ (])(--?[a-z][a-z-]*)`)
	filters := regexp.MustCompile(`'([^']*)'`)
	seen := map[string]bool{}
	for _, e := range shell.Elsewhere {
		for name := range strings.FieldsSeq(e.Names) {
			if seen[name] || slices.Contains(ours[:common], name) || slices.Contains(ours, name) && !strings.HasPrefix(name, "-") {
				t.Errorf("%s: it is one of ours, or there twice", name)
			}
			seen[name] = true
		}
		for _, m := range filters.FindAllStringSubmatch(e.Is, -1) {
			if _, err := filter.Compile(m[1], schema); err != nil {
				t.Errorf("%s: %v", e.Names, err)
			}
		}
		for _, m := range flags.FindAllStringSubmatch(filters.ReplaceAllString(e.Is, ""), -1) {
			if !slices.Contains(ours, m[1]) {
				t.Errorf("%s: there is no %s", e.Names, m[1])
			}
		}
		for _, part := range strings.Split(e.Is, "rustnet ")[1:] {
			if word, _, _ := strings.Cut(part, " "); !strings.HasPrefix(word, "-") && !slices.Contains(ours, strings.Trim(word, ",;:")) && !strings.HasPrefix(part, "streams") {
				t.Errorf("%s: there is no command %s", e.Names, word)
			}
		}
	}
}
