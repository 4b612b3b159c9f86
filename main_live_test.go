//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests watch real programs talk, in network namespaces of their own.

// needs skips where the machine cannot do it, and says why.
func needs(t *testing.T, root bool, programs ...string) {
	t.Helper()
	if root && os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces and packet capture")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s, which is not installed", p)
		}
	}
}

// must runs a command that has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var namespaces atomic.Int64

// newNamespace makes a network namespace that goes with the test, and everything in it.
func newNamespace(t *testing.T, of string) (name string) {
	t.Helper()
	name = fmt.Sprintf("rnt-%s-%d-%d", of, os.Getpid(), namespaces.Add(1))
	namespace(t, name)
	return name
}

func namespace(t *testing.T, name string) {
	t.Helper()
	exec.Command("ip", "netns", "del", name).Run() // what another process of our number was killed over
	must(t, "ip", "netns", "add", name)
	t.Cleanup(func() {
		pids, _ := exec.Command("ip", "netns", "pids", name).Output()
		for pid := range strings.FieldsSeq(string(pids)) {
			exec.Command("kill", "-9", pid).Run()
		}
		exec.Command("ip", "netns", "del", name).Run()
	})
	must(t, "ip", "-n", name, "link", "set", "lo", "up")
}

// in gives the command line that runs a program in a namespace. nsenter leaves /sys as it is.
func in(ns string, args ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + ns, "--"}, args...)
}

// program is one that is killed when the test ends. Its stdin stays open.
type program struct {
	*os.Process
	stdin io.Writer
}

func background(t *testing.T, args ...string) program {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var out spoken
	cmd.Stdout, cmd.Stderr = &out, &out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.WaitDelay = time.Second // what it started may have its output
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if said := out.String(); t.Failed() && said != "" {
			t.Logf("%s said: %s", args[0], said)
		}
	})
	return program{cmd.Process, stdin}
}

// watcher is a rustnet that runs beside the test.
type watcher struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string
	stderr spoken
	seen   []record
	ndjson strings.Builder
}

func watch(t *testing.T, args ...string) *watcher {
	t.Helper()
	w := &watcher{t: t, cmd: exec.Command(args[0], args[1:]...), lines: make(chan string, 10000)}
	w.cmd.Stderr = &w.stderr
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	go func() {
		defer close(w.lines)
		r := bufio.NewReader(stdout)
		for {
			line, err := r.ReadString('\n')
			if line != "" {
				w.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return w
}

// until reads records until one fits; poke is done meanwhile, again and again.
func (w *watcher) until(what string, fits func(*record) bool, poke func()) *record {
	w.t.Helper()
	end := time.After(soon)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("rustnet ended before it said of %s; stderr: %s", what, w.stderr.String())
			}
			w.ndjson.WriteString(line)
			var r record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				w.t.Fatalf("%v in %s", err, line)
			}
			w.seen = append(w.seen, r)
			if fits(&r) {
				return &r
			}
		case <-tick.C:
			if poke != nil {
				poke()
			}
		case <-end:
			w.t.Fatalf("rustnet said nothing of %s within %v; it said:\n%s\nstderr: %s", what, soon, w.ndjson.String(), w.stderr.String())
		}
	}
}

// told gives a record that fits, of those that were read or of those that come.
func (w *watcher) told(what string, fits func(*record) bool) *record {
	w.t.Helper()
	if i := slices.IndexFunc(w.seen, func(r record) bool { return fits(&r) }); i >= 0 {
		return &w.seen[i]
	}
	return w.until(what, fits, nil)
}

// line gives the next one, for output that is not NDJSON.
func (w *watcher) line(what string) string {
	w.t.Helper()
	select {
	case line, ok := <-w.lines:
		if !ok {
			w.t.Fatalf("rustnet ended before it said of %s; stderr: %s", what, w.stderr.String())
		}
		return line
	case <-time.After(soon):
		w.t.Fatalf("rustnet said nothing of %s within %v; stderr: %s", what, soon, w.stderr.String())
	}
	return ""
}

// end interrupts rustnet and reads the rest.
func (w *watcher) end() {
	w.t.Helper()
	w.cmd.Process.Signal(os.Interrupt)
	for line := range w.lines {
		w.ndjson.WriteString(line)
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("rustnet: %v; stderr: %s", err, w.stderr.String())
	}
	w.seen = records(w.t, w.ndjson.String())
}

// terminate ends a command that rustnet runs, to which the signal is passed on, and reads the rest.
func (w *watcher) terminate() {
	w.t.Helper()
	w.cmd.Process.Signal(syscall.SIGTERM)
	for line := range w.lines {
		w.ndjson.WriteString(line)
	}
	w.cmd.Wait()
	if got := w.cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGTERM) {
		w.t.Errorf("status: got %d, want that of a command that was terminated; stderr: %s", got, w.stderr.String())
	}
}

// closed gives the last record of the connections that fit.
func (w *watcher) closed(fits func(*record) bool) (rs []record) {
	for _, r := range w.seen {
		if r.Event == "closed" && fits(&r) {
			rs = append(rs, r)
		}
	}
	return rs
}

// twoHosts makes client and server namespaces that a veth pair joins: 10.77.0.1 and 10.77.0.2, and fd77::1 and fd77::2
// where there is IPv6.
func twoHosts(t *testing.T) (client, server string) {
	t.Helper()
	client, server = newNamespace(t, "c"), newNamespace(t, "s")
	must(t, "ip", "-n", client, "link", "add", "c0", "type", "veth", "peer", "name", "s0", "netns", server)
	for ns, dev := range map[string]string{client: "c0", server: "s0"} {
		addr := map[string]string{"c0": "1", "s0": "2"}[dev]
		must(t, "ip", "-n", ns, "addr", "add", "10.77.0."+addr+"/24", "dev", dev)
		if hasIPv6(ns) {
			must(t, "ip", "-n", ns, "addr", "add", "fd77::"+addr+"/64", "dev", dev, "nodad")
		}
		must(t, "ip", "-n", ns, "link", "set", dev, "up")
	}
	return client, server
}

// hasIPv6 says whether a namespace has it: its lo does.
func hasIPv6(ns string) bool {
	out, _ := exec.Command("ip", "-n", ns, "-6", "addr", "show", "dev", "lo").Output()
	return bytes.Contains(out, []byte("::1"))
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLive compares what rustnet prints with what curl, dig, ssh and nc did with nginx, dnsmasq and sshd.
func TestLive(t *testing.T) {
	needs(t, true, "ip", "nsenter", "nginx", "openssl", "curl", "dig", "dnsmasq", "ssh", "sshd", "ssh-keygen", "nc", "ping")
	t.Parallel()
	client, server := twoHosts(t)
	v6 := hasIPv6(client)
	dir, webs := t.TempDir(), 2
	listen6 := ""
	if v6 {
		listen6, webs = "listen [::]:8080;", 3
	}
	must(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=demo.test", "-keyout", dir+"/key.pem", "-out", dir+"/cert.pem")
	must(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir+"/hostkey")
	writeFile(t, dir+"/slow.bin", strings.Repeat("x", 200_000))
	background(t, in(server, "nginx", "-p", dir, "-c", writeFile(t, dir+"/nginx.conf", `daemon off; master_process off; pid `+dir+`/nginx.pid; error_log stderr;
		events {} http { access_log off; client_body_temp_path `+dir+`; proxy_temp_path `+dir+`; fastcgi_temp_path `+dir+`; uwsgi_temp_path `+dir+`; scgi_temp_path `+dir+`;
		server { listen 8080; `+listen6+` root `+dir+`; limit_rate 150k; location /hello { return 200 hi; } }
		server { listen 443 ssl; ssl_certificate `+dir+`/cert.pem; ssl_certificate_key `+dir+`/key.pem; location / { return 200 ok; } } }`))...)
	background(t, in(server, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="+dir+"/dnsmasq.pid",
		"--address=/app.demo.io/10.77.0.2", "--local=/demo.io/", "--user=root")...)
	os.MkdirAll("/run/sshd", 0o755)
	sshd, _ := exec.LookPath("sshd")
	background(t, in(server, sshd, "-D", "-e", "-f", writeFile(t, dir+"/sshd_config", "Port 2222\nHostKey "+dir+"/hostkey\nPidFile none\n"))...)

	for _, port := range []string{"8080", "443", "2222", "53"} {
		waitListening(t, server, port)
	}
	w := watch(t, in(client, "rustnet", "--json")...)
	w.until("a probe", func(r *record) bool { return r.RemotePort == 9 && r.Proto == "udp" }, func() {
		exec.Command("nsenter", "--net=/run/netns/"+client, "bash", "-c", "echo > /dev/udp/10.77.0.2/9").Run()
	})

	curl := func(args ...string) {
		must(t, in(client, append([]string{"curl", "-sS", "-o", "/dev/null", "-m", "60"}, args...)...)...)
	}
	curl("-k", "--resolve", "app.demo.io:443:10.77.0.2", "https://app.demo.io/")
	curl("http://10.77.0.2:8080/hello?token=secret")
	if v6 {
		curl("http://[fd77::2]:8080/hello")
	}
	curl("http://10.77.0.2:8080/slow.bin")
	must(t, in(client, "dig", "+short", "+time=30", "+tries=1", "@10.77.0.2", "app.demo.io")...)
	must(t, in(client, "dig", "+short", "+time=30", "+tries=1", "@10.77.0.2", "nowhere.demo.io")...)
	exec.Command("nsenter", in(client, "ssh", "-p", "2222", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-F", "none", "nobody@10.77.0.2", "true")[1:]...).Run()
	exec.Command("nsenter", in(client, "nc", "-z", "-w", "30", "10.77.0.2", "81")[1:]...).Run()
	must(t, in(client, "ping", "-q", "-c", "2", "-i", "0.2", "10.77.0.2")...)
	ends := func(n int, fits func(*record) bool) bool { return len(w.closed(fits)) == n }
	w.told("the end of all", func(*record) bool {
		return ends(1, func(r *record) bool { return r.RemotePort == 443 }) && ends(webs, func(r *record) bool { return r.RemotePort == 8080 }) &&
			ends(2, func(r *record) bool { return r.DNSQuery != "" }) && ends(1, func(r *record) bool { return r.RemotePort == 2222 }) &&
			ends(1, func(r *record) bool { return r.RemotePort == 81 })
	})
	w.told("both answers to ping", func(r *record) bool { return r.Proto == "icmp" && r.RxPackets == 2 && r.RemoteAddr == "10.77.0.2" })
	w.end()
	checkPromises(t, w.ndjson.String())

	is := func(name string, n int, fits func(*record) bool) []record {
		t.Helper()
		rs := w.closed(fits)
		if len(rs) != n {
			t.Errorf("%s: got %d connections, want %d:\n%s", name, len(rs), n, w.ndjson.String())
		}
		for _, r := range rs {
			if r.Direction != "out" || r.Iface != "c0" || r.LocalAddr != "10.77.0.1" && r.LocalAddr != "fd77::1" {
				t.Errorf("%s: got %+v, want direction out on c0", name, r)
			}
		}
		return rs
	}
	owner := func(r record, name string) { // the right one, or nobody
		t.Helper()
		if r.Process != "" && r.Process != name {
			t.Errorf("process of %s:%d: got %q, want %q", r.RemoteAddr, r.RemotePort, r.Process, name)
		}
	}
	for _, r := range is("https", 1, func(r *record) bool { return r.RemotePort == 443 }) {
		if r.App != "tls" || r.SNI != "app.demo.io" || r.Host != "app.demo.io" || r.Reason != "fin" {
			t.Errorf("https: got %+v", r)
		}
		owner(r, "curl")
	}
	web := is("http", webs, func(r *record) bool { return r.RemotePort == 8080 })
	for _, r := range web {
		if r.App != "http" || r.HTTPStatus != 200 || r.Reason != "fin" {
			t.Errorf("http: got %+v", r)
		}
		owner(r, "curl")
		if r.HTTPPath == "/slow.bin" && (r.Process != "curl" || r.Exe == "" || r.User != "root" || r.Rx < 200_000) {
			t.Errorf("a curl of more than a second: got %+v", r)
		}
	}
	if !slices.ContainsFunc(web, func(r record) bool { return r.HTTPPath == "/hello" }) {
		t.Errorf("http: no path /hello in %+v", web)
	}
	if strings.Contains(regexp.MustCompile(`"cmdline":"[^"]*"`).ReplaceAllString(w.ndjson.String(), ""), "secret") {
		t.Error("the query string is in the output")
	}
	for query, rcode := range map[string]string{"app.demo.io": "NOERROR", "nowhere.demo.io": "NXDOMAIN"} {
		for _, r := range is("dns "+query, 1, func(r *record) bool { return r.DNSQuery == query }) {
			if r.App != "dns" || r.DNSRcode != rcode || r.RemotePort != 53 || r.Reason != "fin" {
				t.Errorf("dns: got %+v", r)
			}
			owner(r, "dig")
		}
	}
	for _, r := range is("ssh", 1, func(r *record) bool { return r.RemotePort == 2222 }) {
		if r.App != "ssh" || !strings.HasPrefix(r.SSHClient, "SSH-2.0-OpenSSH") {
			t.Errorf("ssh: got %+v", r)
		}
		owner(r, "ssh")
	}
	for _, r := range is("refused", 1, func(r *record) bool { return r.RemotePort == 81 }) {
		if r.Reason != "refused" || r.State != "CLOSED" {
			t.Errorf("refused: got %+v", r)
		}
	}
	for _, r := range is("ping", 1, func(r *record) bool { return r.Proto == "icmp" && r.TxPackets == 2 }) {
		if r.RxPackets != 2 || r.Tx != 168 {
			t.Errorf("ping: got %+v", r)
		}
	}
}

func waitListening(t *testing.T, ns, port string) {
	t.Helper()
	eventually(t, "somebody who listens on port "+port, func() bool {
		out, _ := exec.Command("nsenter", "--net=/run/netns/"+ns, "ss", "-Htlun", "sport = :"+port).Output()
		return len(out) > 0
	})
}

// TestLoopback: a connection within the machine is one, and both ends are named.
func TestLoopback(t *testing.T) {
	needs(t, true, "ip", "nsenter", "python3", "curl")
	t.Parallel()
	ns := newNamespace(t, "l")
	background(t, in(ns, "python3", "-c", `
import http.server, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"hi")
http.server.HTTPServer(("127.0.0.1", 8099), H).serve_forever()`)...)
	waitListening(t, ns, "8099")
	w := watch(t, in(ns, "rustnet", "--json")...)
	w.until("a probe", func(r *record) bool { return r.RemotePort == 9 }, func() {
		exec.Command("nsenter", "--net=/run/netns/"+ns, "bash", "-c", "echo > /dev/udp/127.0.0.1/9").Run()
	})
	must(t, in(ns, "curl", "-sS", "-o", "/dev/null", "http://127.0.0.1:8099/x")...)
	w.until("the end", func(r *record) bool { return r.RemotePort == 8099 && r.Event == "closed" }, nil)
	w.end()
	rs := w.closed(func(r *record) bool { return r.RemotePort == 8099 || r.LocalPort == 8099 })
	if len(rs) != 1 {
		t.Fatalf("got %d connections, want 1:\n%s", len(rs), w.ndjson.String())
	}
	if r := rs[0]; r.Direction != "local" || r.RemotePort != 8099 || r.Process != "curl" || r.PeerProcess != "python3" ||
		r.Reason != "fin" || r.HTTPPath != "/x" || r.Iface != "lo" {
		t.Errorf("got %+v", r)
	}
	// And each packet counted once: SYN, SYN-ACK, …: a handshake, a request, an answer and two FINs are 9 to 13.
	if n := rs[0].TxPackets + rs[0].RxPackets - rs[0].TxAgain - rs[0].RxAgain; n < 9 || n > 13 {
		t.Errorf("got %d packets, want about 10", n)
	}
}

// patientServer answers requests at a port of a namespace, several at a time. One whose query names a file waits until that is gone.
func patientServer(t *testing.T, ns, port string) {
	t.Helper()
	background(t, in(ns, "python3", "-c", `
import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self):
        while "?" in self.path and os.path.exists(self.path.split("?")[1]): time.sleep(0.005)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"hi")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()`, port)...)
	waitListening(t, ns, port)
}

// TestCommand: the connections of a command and of what it starts, from the first packet and none of others'.
func TestCommand(t *testing.T) {
	needs(t, true, "ip", "nsenter", "ss", "python3", "curl", "setsid")
	t.Parallel()
	ns := newNamespace(t, "cmd")
	patientServer(t, ns, "8099")
	held := writeFile(t, filepath.Join(t.TempDir(), "held"), "") // the server waits until it is gone
	for _, tc := range []struct {
		name   string
		flags  []string
		script string
		status int
		curls  int
	}{
		{"many", nil, `for i in $(seq 40); do curl -s -o /dev/null http://127.0.0.1:8099/own; done; exit 7`, 7, 40},
		// The pipe ends when the last does that has it.
		{"left by its parents", nil, `(setsid sh -c "sleep 0.3; exec curl -s -o /dev/null http://127.0.0.1:8099/own" &) | cat; kill -KILL $$`, 128 + 9, 1},
		// It has its answer when the command is gone.
		{"goes on for a while", nil, `curl -s -o /dev/null --local-port 20000 http://127.0.0.1:8099/own?/proc/$$ &
			until ss -Htn state established sport = :20000 | grep -q 8099; do sleep 0.01; done`, 0, 1},
		{"without eBPF", []string{"--process", "procfs"}, `(setsid sh -c "exec curl -s -o /dev/null http://127.0.0.1:8099/own?` + held + `" &) | cat`, 0, 1},
		{"none", []string{"--exit-code"}, `exit 0`, 3, 0},
		{"one that should not be", []string{"--fail-on-match", "--filter", `process == "curl"`}, `curl -s -o /dev/null http://127.0.0.1:8099/own`, 4, 1},
		{"only those asked for", []string{"--filter", `http_path == "/own"`}, `curl -s -o /dev/null http://127.0.0.1:8099/own; curl -s -o /dev/null http://127.0.0.1:8099/other; exit 4`, 4, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if len(tc.flags) == 0 {
				background(t, in(ns, "sh", "-c", "while :; do curl -s -o /dev/null http://127.0.0.1:8099/others; sleep 0.02; done")...)
			}
			args := in(ns, append(append([]string{"rustnet", "--json"}, tc.flags...), "--", "sh", "-c", "echo to stdout; echo to stderr >&2; "+tc.script)...)
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			var stdout, stderr spoken
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Start()
			if err == nil && strings.Contains(tc.script, held) {
				eventually(t, "a record of curl", func() bool { return strings.Contains(stdout.String(), `"process":"curl"`) })
				os.Remove(held)
			}
			if err == nil {
				err = cmd.Wait()
			}
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tc.status {
				t.Errorf("status: got %d, want the command's %d; stderr: %s", got, tc.status, &stderr)
			}
			for _, want := range []string{"to stdout\n", "to stderr\n"} {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr: got %q, want %q in it", stderr.String(), want)
				}
			}
			if len(tc.flags) == 0 { // a filter takes events out, and so deltas
				checkPromises(t, stdout.String())
			}
			curls := 0
			for _, r := range records(t, stdout.String()) {
				if r.Event == "lost" {
					continue
				}
				if r.Process != "curl" || r.HTTPPath != "" && r.HTTPPath != "/own" || r.RemotePort != 8099 {
					t.Errorf("got %+v, which is not the command's", r)
				}
				if r.Event != "closed" {
					continue
				}
				curls++
				if r.Reason != "fin" || r.HTTPPath != "/own" || r.Partial {
					t.Errorf("got %+v, want it whole, from its first packet to its last", r)
				}
			}
			if curls != tc.curls {
				t.Errorf("got %d connections, want %d; stderr: %s", curls, tc.curls, &stderr)
			}
		})
	}
	t.Run("server", func(t *testing.T) { // what others open to it
		w := watch(t, in(ns, "rustnet", "--json", "--", "python3", "-S", "-c", `
import socket
l = socket.create_server(("127.0.0.1", 8100))
while True: c = l.accept()[0]; c.recv(1000); c.sendall(b"HTTP/1.0 204 x\r\n\r\n"); c.close()`)...)
		r := w.until("a request", func(r *record) bool { return r.Event == "closed" }, func() {
			exec.Command("nsenter", in(ns, "curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8100/")[1:]...).Run()
		})
		if r.PeerProcess == "" || r.Process != "curl" || r.RemotePort != 8100 {
			t.Errorf("got %+v", r)
		}
		w.terminate()
	})
	t.Run("reader gone", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "output")
		args := in(ns, "rustnet", "--json", "--cmd-output", file, "--", "sh", "-c", "curl -s -o /dev/null http://127.0.0.1:8099/own; sleep 0.3; echo done; exit 6")
		out, err := exec.Command("bash", append([]string{"-c", `"$@" | head -1; exit "${PIPESTATUS[0]}"`, "bash"}, args...)...).Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 6 || bytes.Count(out, []byte{'\n'}) != 1 {
			t.Errorf("got %v and %q, want the command's status 6 and one record", err, out)
		}
		if said, err := os.ReadFile(file); err != nil || string(said) != "done\n" {
			t.Errorf("--cmd-output: got %q, %v: the command goes on without a reader of records", said, err)
		}
	})
}

// TestRenamed: the owner of a connection on which nothing moves goes by another name, and becomes another program.
func TestRenamed(t *testing.T) {
	needs(t, true, "ip", "nsenter", "python3", "bash")
	t.Parallel()
	ns := newNamespace(t, "ren")
	background(t, in(ns, "python3", "-c", `
import socket
l = socket.create_server(("127.0.0.1", 8099)); kept = []
while True: kept.append(l.accept()); kept[-1][0].recv(1)`)...)
	waitListening(t, ns, "8099")
	w := watch(t, in(ns, "rustnet", "--json", "--interval", "200ms", "--", "bash", "-c",
		"exec 9<>/dev/tcp/127.0.0.1/8099; echo >&9; read; printf another >/proc/$BASHPID/comm; read; exec -a 'in place' sleep 600")...)
	first := w.until("the connection and its data", func(r *record) bool { return strings.Contains(r.History, "D") }, nil)
	for _, name := range []string{"another", "sleep"} {
		fmt.Fprintln(w.stdin, "go on")
		r := w.until("its new name", func(r *record) bool { return r.Event == "updated" && r.Process == name }, nil)
		if r.ID != first.ID || r.PID != first.PID || r.TxPackets != first.TxPackets || r.TxD != 0 || r.TS == first.TS {
			t.Errorf("%s: got %+v, want the connection of %+v and nothing sent since", name, r, first)
		}
		first = r
	}
	w.terminate()
	checkPromises(t, w.ndjson.String())
}

// TestSocketEnds: what the kernel says of a socket's end is told while nothing else happens: long before silence would
// have told it, and with the reason.
func TestSocketEnds(t *testing.T) {
	needs(t, true, "ip", "nsenter", "python3")
	t.Parallel()
	client, server := twoHosts(t)
	must(t, "ip", "-n", client, "neigh", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "c0") // is not there
	background(t, in(server, "python3", "-c", `
import socket, threading
def serve(s):
    while True:
        c, _ = s.accept()
        def talk(c):
            try:
                while c.recv(100): c.send(b"de")
            except ConnectionResetError: pass
            c.close()
        threading.Thread(target=talk, args=(c,), daemon=True).start()
s = socket.create_server(("10.77.0.2", 8000)); serve(s)`)...)
	waitListening(t, server, "8000")
	ended := make(map[string]bool)
	for _, args := range [][]string{nil, {"--bpf", "udp or tcp[tcpflags] & tcp-syn != 0"}} {
		w := watch(t, in(client, append([]string{"rustnet", "--json", "--settle", "0", "-f", "event != \"updated\" && proto != \"icmp6\""}, args...)...)...)
		w.until("a probe", func(r *record) bool { return r.RemotePort == 9 && r.Proto == "udp" }, func() {
			exec.Command("nsenter", "--net=/run/netns/"+client, "bash", "-c", "echo > /dev/udp/10.77.0.2/9").Run()
		})
		cmd := background(t, in(client, "python3", "-c", `
import socket, struct, sys
def tcp(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
c = tcp(); c.connect(("10.77.0.2", 8000)); c.send(b"abc"); c.recv(10); c.close()
c = tcp(); c.connect(("10.77.0.2", 8000)); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); c.close()
try: tcp().connect(("10.77.0.2", 81))
except ConnectionRefusedError: pass
c = tcp(); c.settimeout(0.1)
try: c.connect(("10.77.0.9", 1001))
except TimeoutError: c.close()
c = tcp(); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 200)
try: c.connect(("10.77.0.9", 1002))
except TimeoutError: pass
def udp(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u = udp(); u.connect(("10.77.0.9", 2001)); u.send(b"x"); u.close()
u = udp(); [u.sendto(b"x", ("10.77.0.9", 2002 + i)) for i in range(3)]; u.close()
u = udp(); v = u.dup(); u.connect(("10.77.0.9", 2010)); u.send(b"x"); u.close()
sys.stdin.read()`)...)
		for _, want := range []struct {
			port   int
			reason string
			tx, rx uint64
		}{{8000, "fin", 3, 2}, {8000, "rst", 0, 0}, {81, "refused", 0, 0}, {1001, "destroyed", 0, 0}, {1002, "timeout", 0, 0},
			{2001, "destroyed", 0, 0}, {2002, "destroyed", 0, 0}, {2003, "destroyed", 0, 0}, {2004, "destroyed", 0, 0}} {
			fits := func(r *record) bool {
				return r.Event == "closed" && r.RemotePort == want.port && r.Reason == want.reason && !ended[r.ID]
			}
			r := w.told(fmt.Sprintf("the end of port %d as %s", want.port, want.reason), fits)
			ended[r.ID] = true
			if r.Process == "" || r.TxPayload != want.tx || r.RxPayload != want.rx || r.Direction != "out" {
				t.Errorf("%v, port %d: got %+v, want its process and %d and %d bytes of payload", args, want.port, *r, want.tx, want.rx)
			}
		}
		w.told("the socket that has two descriptors", func(r *record) bool { return r.RemotePort == 2010 && r.Event == "new" }) // before its program is killed
		if cmd.Process.Kill(); slices.ContainsFunc(w.seen, func(r record) bool { return r.RemotePort == 2010 && r.Event == "closed" }) {
			t.Error("a socket with a descriptor left counts as gone")
		}
		w.until("the end of the last descriptor", func(r *record) bool { return r.RemotePort == 2010 && r.Event == "closed" && r.Reason == "destroyed" }, nil)
		w.end()
		checkSeveral(t, w.ndjson.String())
	}
}

// TestTimeNamespace: where our clocks are set off from the kernel's, what its programs tell of has its time all the same.
func TestTimeNamespace(t *testing.T) {
	needs(t, true, "ip", "nsenter", "unshare", "bash")
	apart := []string{"unshare", "--time", "--monotonic", "86400", "--boottime", "86400", "--"}
	if out, err := exec.Command(apart[0], append(apart[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("no time namespaces: %v: %s", err, out)
	}
	t.Parallel()
	client, _ := twoHosts(t)
	must(t, "ip", "-n", client, "neigh", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "c0") // is not there
	w := watch(t, in(client, append(apart, "rustnet", "--json", "-f", `remote_port == 9`)...)...)
	w.until("the end of a socket", func(r *record) bool { return r.Event == "closed" && r.Proto == "udp" && r.Reason == "destroyed" }, func() {
		exec.Command("nsenter", "--net=/run/netns/"+client, "bash", "-c", "echo > /dev/udp/10.77.0.9/9").Run()
	})
	w.end()
}

// TestTranslatedEnds: a container's socket ends both forms of a connection that is masqueraded.
func TestTranslatedEnds(t *testing.T) {
	needs(t, true, "ip", "nsenter", "nft", "python3")
	t.Parallel()
	host, inside, outside := newNamespace(t, "nh"), newNamespace(t, "ni"), newNamespace(t, "no")
	for ns, net := range map[string]string{inside: "10.88.0.", outside: "198.51.100."} {
		dev := map[string]string{inside: "in0", outside: "out0"}[ns]
		must(t, "ip", "-n", host, "link", "add", dev, "type", "veth", "peer", "name", "eth0", "netns", ns)
		must(t, "ip", "-n", host, "addr", "add", net+"1/24", "dev", dev)
		must(t, "ip", "-n", host, "link", "set", dev, "up")
		must(t, "ip", "-n", ns, "addr", "add", net+"2/24", "dev", "eth0")
		must(t, "ip", "-n", ns, "link", "set", "eth0", "up")
	}
	must(t, "ip", "-n", inside, "route", "add", "default", "via", "10.88.0.1")
	must(t, "ip", "-n", host, "neigh", "add", "198.51.100.9", "lladdr", "02:00:00:00:00:09", "dev", "out0") // is not there
	must(t, in(host, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")...)
	must(t, in(host, "nft", `table ip nat { chain post { type nat hook postrouting priority 100; oifname "out0" masquerade; }
	}`)...)
	w := watch(t, in(host, "rustnet", "--json", "-f", "event != \"updated\"")...)
	w.until("a probe", func(r *record) bool { return r.RemotePort == 9 && r.Proto == "udp" }, func() {
		exec.Command("nsenter", "--net=/run/netns/"+host, "bash", "-c", "echo > /dev/udp/198.51.100.9/9").Run()
	})
	background(t, in(inside, "python3", "-c", `
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("198.51.100.9", 5001)); u.send(b"x"); u.close()
c = socket.socket(); c.settimeout(0.2)
try: c.connect(("198.51.100.9", 81))
except TimeoutError: c.close()
sys.stdin.read()`)...)
	for _, port := range []int{5001, 81} {
		for _, from := range []string{"10.88.0.2", "198.51.100.1"} {
			fits := func(r *record) bool {
				return r.Event == "closed" && r.RemotePort == port && r.LocalAddr == from && r.Reason == "destroyed"
			}
			w.told(fmt.Sprintf("the end of port %d from %s", port, from), fits)
		}
	}
	w.end()
	checkSeveral(t, w.ndjson.String())
}

// checkSeveral: each connection has one new, and then one closed.
func checkSeveral(t *testing.T, ndjson string) {
	t.Helper()
	last := map[string]string{}
	for _, r := range records(t, ndjson) {
		if before := last[r.ID]; r.Event == "new" && before != "" || r.Event == "closed" && before != "new" {
			t.Errorf("%s of %s after %q", r.Event, r.ID, before)
		}
		last[r.ID] = r.Event
	}
}

// refusing gives a port at which nobody listens, nor can: somebody has it.
func refusing(t *testing.T) (at string, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = name.(*unix.SockaddrInet4).Port
	return fmt.Sprintf("127.0.0.1:%d", port), port
}

// TestManyEnds: a thousand short connections, each of which has one beginning and one end, for the right reason. The kernel tells of all sockets of
// the machine, also of those of the tests beside this one, and where it has no room for more, that is said: so many may have ended with silence.
func TestManyEnds(t *testing.T) {
	needs(t, true)
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	free, none := refusing(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				how := make([]byte, 1)
				if c.Read(how); how[0] == 'r' {
					c.(*net.TCPConn).SetLinger(0)
				} else if how[0] == 'f' {
					io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	port := func(a net.Addr) (n int) {
		_, text, _ := net.SplitHostPort(a.String())
		fmt.Sscan(text, &n)
		return n
	}
	tcp, udp := port(l.Addr()), port(u.LocalAddr())
	w := watch(t, "rustnet", "--json", "-i", "lo", "-f", fmt.Sprintf("(remote_port == %d || remote_port == %d || remote_port == %d) && event != \"updated\" || event == \"lost\"", tcp, udp, none))
	probe := func(r *record) bool { return r.RemotePort == none && r.Proto == "udp" }
	w.until("a probe", probe, func() {
		if c, err := net.Dial("udp4", free); err == nil {
			c.Write([]byte("x"))
			c.Close()
		}
	})
	const each = 200
	want := map[string]int{"fin": 2 * each, "rst": 2 * each, "refused": each, "destroyed": each}
	taken := map[int]bool{}
	for range each {
		for _, how := range "fsrlxu" { // client first, server first, server resets, client resets, refused, UDP
			to, network := l.Addr().String(), "tcp4"
			if how == 'x' {
				to = free
			} else if how == 'u' {
				to, network = u.LocalAddr().String(), "udp4"
			}
			c, err := net.Dial(network, to)
			if err != nil {
				if how != 'x' {
					t.Fatal(err)
				}
				continue
			}
			if how == 'u' { // a port that is given out again at once makes one connection of two: what the first sent may still be on its way
				for taken[port(c.LocalAddr())] {
					another, err := net.Dial(network, to)
					if c.Close(); err != nil {
						t.Fatal(err)
					}
					c = another
				}
				taken[port(c.LocalAddr())] = true
			}
			if how == 'l' {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Write([]byte{byte(how)})
			if how == 's' || how == 'r' {
				c.Read(make([]byte, 1))
			}
			c.Close()
		}
	}
	got, lost, total := map[string]int{}, uint64(0), 0
	for total < 6*each {
		r := w.until(fmt.Sprintf("the rest of %d ends, after %v", 6*each, got), func(r *record) bool {
			return r.Event == "closed" && !probe(r) || r.Event == "lost"
		}, nil)
		if r.Event == "lost" {
			lost += r.LostCount
			continue
		}
		got[r.Reason]++
		total++
	}
	w.end()
	checkSeveral(t, w.ndjson.String())
	for reason, n := range want {
		if miss := got[reason] - n; uint64(max(miss, -miss)) > lost {
			t.Errorf("%s: got %d, want %d; %d lost", reason, got[reason], n, lost)
		}
	}
}

// TestService runs what the README's unit says, as the user and with the rights that systemd would give it.
func TestService(t *testing.T) {
	needs(t, true, "setpriv", "nsenter", "ip", "bash")
	needsThreads(t)
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	of := func(key string) []string {
		m := regexp.MustCompile(`(?m)^` + key + `=(.+)$`).FindSubmatch(readme)
		if m == nil {
			t.Fatalf("README has no %s", key)
		}
		return strings.Fields(string(m[1]))
	}
	dir, err := os.MkdirTemp("", "rustnet-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	state := filepath.Join(dir, of("StateDirectory")[0]+"-state")
	self, err := exec.LookPath("rustnet")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.Mkdir(state, 0o755), os.Chown(state, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, self, filepath.Join(dir, "rustnet"))
	command, store := of("ExecStart"), ""
	for i, word := range command {
		if strings.HasPrefix(word, "/var/lib/rustnet/") {
			store = filepath.Join(state, filepath.Base(word))
			command[i] = store
		}
	}
	caps := "-all"
	for _, c := range of("AmbientCapabilities") {
		caps += ",+" + strings.TrimPrefix(strings.ToLower(c), "cap_")
	}
	ns := newNamespace(t, "service")
	args := append(in(ns, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps="+caps, "--ambient-caps="+caps,
		filepath.Join(dir, "rustnet")), command[1:]...)
	cmd := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var out []byte
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the store has %q; stderr: %s", out, stderr.String())
		}
	})
	eventually(t, "a connection with its exact owner in the store", func() bool {
		exec.Command("nsenter", "--net=/run/netns/"+ns, "--", "bash", "-c", "echo > /dev/udp/127.0.0.1/9").Run()
		out, _ = exec.Command("rustnet", "history", "-q", "--store", store, "--csv", "--no-header", "--fields", "process,process_source", "-f", "remote_port == 9").CombinedOutput()
		return strings.Contains(string(out), "bash,ebpf") || strings.Contains(string(out), "bash,fentry") || strings.Contains(string(out), "bash,kprobe")
	})
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("got %v and %q, want a silent end with 0", err, stderr.String())
	}
}

// TestUnprivileged: without any right rustnet follows the socket tables, and says so in one line.
func TestUnprivileged(t *testing.T) {
	needs(t, true, "setpriv", "bash")
	t.Parallel()
	dir, err := os.MkdirTemp("", "rustnet-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	self, err := exec.LookPath("rustnet")
	if err != nil {
		t.Fatal(err)
	}
	copyProgram(t, self, filepath.Join(dir, "rustnet"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	nobody := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"}
	w := watch(t, append(nobody, filepath.Join(dir, "rustnet"), "--json", "--filter", fmt.Sprintf("remote_port == %d", port))...)
	eventually(t, "what it says of its rights", func() bool { return strings.Contains(w.stderr.String(), "CAP_NET_RAW") })
	client := background(t, append(nobody, "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d; while read -r word && [ $word = more ]; do echo >&3; done; exec 3>&-; read", port))...)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(io.Discard, c); c.Close() }()
		}
	}()
	r := w.until("the connection", func(r *record) bool { return r.Event == "new" }, nil)
	if r.Partial && r.State == "" { // the first reading went by the client's place in the tables just before it was there
		r = w.until("its state", func(r *record) bool { return r.Event == "updated" && r.State != "" }, nil)
	}
	if r.Proto != "tcp" || r.Direction != "local" || r.State != "ESTABLISHED" {
		t.Errorf("new: got %+v", r)
	}
	if r.Process == "" { // of new it may be too early: for /proc there is only so much time, and who has closed its socket is not found there
		w.until("its process", func(r *record) bool { return r.Process != "" }, func() { fmt.Fprintln(client.stdin, "more") })
	}
	fmt.Fprintln(client.stdin, "close it")
	r = w.until("the end", func(r *record) bool { return r.Event == "closed" }, nil)
	if r.Process != "bash" || r.PID == 0 {
		t.Errorf("closed: got %+v", r)
	}
	w.end()
	checkPromises(t, w.ndjson.String())
	if s := w.stderr.String(); !strings.HasPrefix(s, "rustnet: ") || !strings.Contains(s, "CAP_NET_RAW") || strings.Count(s, "\n") != 2 {
		t.Errorf("stderr: got %q, want one line that names CAP_NET_RAW, and the summary", s)
	}
	if out, err := exec.Command(nobody[0], append(nobody[1:], filepath.Join(dir, "rustnet"), "-i", "lo")...).CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "setcap") {
		t.Errorf("-i lo without the right: got %v, %s; want an error that names setcap", err, out)
	}
}

// TestWithoutProc: where procfs is not mounted owners cannot be found, which is said, with what mends it.
func TestWithoutProc(t *testing.T) {
	needs(t, true, "unshare", "sh")
	out, err := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec rustnet -i lo --duration 1ms -o none").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "rustnet: no processes: /proc does not show those here (try: mount -t proc proc /proc): ") {
		t.Errorf("got %v, %s", err, out)
	}
}

// copyProgram copies a program by another: a file that is open for writing here while a child of another test is forked cannot
// be executed until that child has executed its own.
func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	must(t, "cp", from, to)
	must(t, "chmod", "755", to)
}

// TestDoctor: what doctor says is in its exit status, and the command that it gives to who has no rights mends it,
// whatever the shell makes of the program's path.
func TestDoctor(t *testing.T) {
	needs(t, true, "setpriv", "setcap", "sh", "unshare", "umount")
	t.Parallel()
	dir, err := os.MkdirTemp("", "rustnet-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(dir)) })
	os.Chmod(dir, 0o755)
	self, err := exec.LookPath("rustnet")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "it's $HOME")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "rustnet")
	copyProgram(t, self, program)
	type check struct{ Name, Status, Mend string }
	doctor := func(want int) map[string]check {
		t.Helper()
		cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", program, "doctor", "--json")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, _ := cmd.Output()
		all := map[string]check{}
		for line := range strings.Lines(string(out)) {
			var c check
			if err := json.Unmarshal([]byte(line), &c); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			all[c.Name] = c
		}
		if got := cmd.ProcessState.ExitCode(); got != want || errs.Len() > 0 || (all["main"].Status == "failed") != (want == 1) {
			t.Fatalf("exit status: got %d, want %d\n%s%s", got, want, out, errs.String())
		}
		return all
	}
	// Without /proc the kernel can not even be asked, which does not make it an old one.
	t.Run("without /proc", func(t *testing.T) {
		out, err := exec.Command("unshare", "-m", "sh", "-c", `umount -l /proc && exec "$0" doctor`, self).CombinedOutput()
		switch {
		case !strings.Contains(string(out), "bypass "):
			t.Skipf("/proc cannot be taken away here: %v\n%s", err, out)
		case strings.Contains(string(out), "older than"), !strings.Contains(string(out), "/proc/self/"):
			t.Errorf("got %s\nwant that /proc is missing", out)
		}
	})
	before := doctor(1)
	for _, name := range []string{"capabilities", "packets", "ebpf", "main"} {
		if !strings.Contains(before[name].Mend, "setcap cap_net_raw,cap_bpf") {
			t.Errorf("%s: got %+v, want a command that mends it", name, before[name])
		}
	}
	if before["packets"].Status != "failed" || before["interfaces"].Status != "ok" {
		t.Errorf("got %+v and %+v", before["packets"], before["interfaces"])
	}
	needsThreads(t) // with the powers of its file
	must(t, "sh", "-c", strings.TrimPrefix(before["main"].Mend, "sudo "))
	after := doctor(0)
	if after["packets"].Status != "ok" || after["capabilities"] != (check{"capabilities", "ok", ""}) {
		t.Errorf("mended: got %+v and %+v", after["packets"], after["capabilities"])
	}
}

// unread starts a rustnet whose records nobody reads; stuck says that the first are there, and there is no room for many.
func unread(t *testing.T, stdin *os.File, args ...string) (cmd *exec.Cmd, stuck func() bool, stderr *spoken) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	cmd, stderr = exec.CommandContext(t.Context(), args[0], args[1:]...), &spoken{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, w, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return cmd, func() bool {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}, stderr
}

// TestPipes: readers that leave, that are slow, that are full; signals.
// terminal is a program's, as wide as a test makes it; what it was told to show is collected.
type terminal struct {
	t     *testing.T
	ours  *os.File
	mu    sync.Mutex
	shown []byte
}

// onTerminal starts a program whose standard output is a terminal of 24 lines.
func onTerminal(t *testing.T, width uint16, kind string, stdin io.Reader, args ...string) (*terminal, *exec.Cmd) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs pseudo-terminals: %v", err)
	}
	defer theirs.Close()
	term := &terminal{t: t, ours: ours}
	term.resize(width)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TERM="+kind, "NO_COLOR=")
	cmd.Stdin, cmd.Stdout = stdin, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			term.mu.Lock()
			term.shown = append(term.shown, buf[:n]...)
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term, cmd
}

func (term *terminal) resize(width uint16) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return string(term.shown)
}

func TestTerminal(t *testing.T) {
	t.Run("another size", func(t *testing.T) {
		r, wr, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		data, err := os.ReadFile("testdata/dns.pcap")
		if err != nil {
			t.Fatal(err)
		}
		term, cmd := onTerminal(t, 80, "xterm", r, "rustnet", "-q", "-r", "-", "--settle", "0")
		wr.Write(data[:len(data)/2])
		eventually(t, "a record", func() bool { return strings.Contains(term.text(), "dns") })
		before := term.text()
		if strings.Contains(before, "DURATION") || !strings.Contains(before, "\x1b[1mTIME") {
			t.Errorf("got %q, want a bold header of 80 columns", before)
		}
		term.resize(160)
		wr.Write(data[len(data)/2:])
		wr.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		eventually(t, "the wide header", func() bool { return strings.Contains(term.text()[len(before):], "DURATION") })
	})
	t.Run("dumb", func(t *testing.T) {
		for name, args := range map[string][]string{"colours": {"-r", "testdata/dns.pcap"}, "watched": {"snapshot", "--watch", "100ms"}} {
			term, _ := onTerminal(t, 100, "dumb", nil, append([]string{"rustnet", "-q"}, args...)...)
			eventually(t, name, func() bool { return strings.Count(term.text(), "PROTO") >= 2 }) // the header comes again
			if shown := term.text(); strings.ContainsRune(shown, 0x1b) {
				t.Errorf("%s: got %q, want text alone", name, shown)
			}
		}
	})
	t.Run("without a size", func(t *testing.T) { // a serial line
		records := filepath.Join(t.TempDir(), "records.ndjson")
		if err := os.WriteFile(records, []byte(`{"v":1,"event":"new","process":"a\u001b[31m\u009b"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		term, _ := onTerminal(t, 0, "dumb", nil, "rustnet", "-q", "--from", records, "--csv", "--fields", "process")
		eventually(t, "the name, to be seen as it is", func() bool { return strings.Contains(term.text(), `a\x1b[31m\u009b`) })
	})
	t.Run("ports of those that wait", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		term, cmd := onTerminal(t, 80, "dumb", nil, "rustnet", "-q", "snapshot", "--listen", "-f", fmt.Sprintf("local_port == %d", l.Addr().(*net.TCPAddr).Port))
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		eventually(t, "the listener", func() bool {
			return regexp.MustCompile(regexp.QuoteMeta(l.Addr().String()) + " .*LISTEN").MatchString(term.text())
		})
	})
}

// startReading makes the pipe that a program is to read and starts that: it is there, and waits for the file's header, which goes to w.
func startReading(t *testing.T, cmd *exec.Cmd, fifo string) (w *os.File) {
	t.Helper()
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() { late.Stop() })
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestPipes(t *testing.T) {
	t.Run("head leaves", func(t *testing.T) {
		out := must(t, "bash", "-c", "set -o pipefail; rustnet -q -r testdata/http.pcap --json | head -n 1")
		if strings.Count(out, "\n") != 1 {
			t.Errorf("got %q, want one line and status 0", out)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		if _, err := os.Stat("/dev/full"); err != nil {
			t.Skip("needs /dev/full")
		}
		out, err := exec.Command("bash", "-c", "rustnet -r testdata/http.pcap --json > /dev/full").CombinedOutput()
		if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 1 || !strings.Contains(string(out), "rustnet: write stdout: no space left on device") {
			t.Errorf("got %v, %s; want status 1 and the reason", err, out)
		}
	})
	t.Run("streams from a pipe as it comes", func(t *testing.T) {
		r, wr, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile("testdata/dns.pcap")
		if err != nil {
			t.Fatal(err)
		}
		w := &watcher{t: t, cmd: exec.Command("rustnet", "-r", "-", "--json", "--settle", "0"), lines: make(chan string, 1000)}
		w.cmd.Stdin, w.cmd.Stderr = r, &w.stderr
		stdout, _ := w.cmd.StdoutPipe()
		if err := w.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer w.cmd.Process.Kill()
		r.Close()
		go func() {
			defer close(w.lines)
			for s := bufio.NewScanner(stdout); s.Scan(); {
				w.lines <- s.Text() + "\n"
			}
		}()
		wr.Write(data[:len(data)/2])
		w.until("the first half", func(r *record) bool { return r.Event == "new" }, nil)
		w.cmd.Process.Signal(syscall.SIGUSR1)
		summaries := func() int { return strings.Count(w.stderr.String(), "packets read") }
		eventually(t, "the summary", func() bool { return summaries() == 1 })
		wr.Write(data[len(data)/2:])
		wr.Close()
		for line := range w.lines {
			w.ndjson.WriteString(line)
		}
		if err := w.cmd.Wait(); err != nil {
			t.Error(err)
		}
		checkPromises(t, w.ndjson.String())
		if summaries() != 2 {
			t.Errorf("stderr: got %q, want a summary at SIGUSR1 and one at the end", w.stderr.String())
		}
	})
	for _, c := range []struct {
		name   string
		args   []string
		begun  bool
		signal syscall.Signal
		status int
	}{
		{"its terminal goes", nil, true, syscall.SIGHUP, 0},
		{"its terminal goes before it has begun", nil, false, syscall.SIGHUP, 0},
		{"told to end before it has begun", nil, false, syscall.SIGTERM, 0},
		{"interrupted before it has begun", []string{"--exit-code"}, false, syscall.SIGINT, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "fifo") // to open one waits for who writes
			records := filepath.Join(t.TempDir(), "records")
			stdout, err := os.Create(records)
			if err != nil {
				t.Fatal(err)
			}
			defer stdout.Close()
			cmd := exec.Command("rustnet", append([]string{"-q", "--json", "--settle", "0", "-r", fifo}, c.args...)...)
			cmd.Stdout = stdout
			// Whoever runs the tests may ignore it (nohup), which programs inherit; what is caught they do not.
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, c.signal)
			w := startReading(t, cmd, fifo)
			signal.Stop(caught)
			if c.begun {
				data, err := os.ReadFile("testdata/dns.pcap")
				if err != nil {
					t.Fatal(err)
				}
				w.Write(data[:len(data)/2])
				eventually(t, "a record", func() bool { b, _ := os.ReadFile(records); return len(b) > 0 })
			}
			cmd.Process.Signal(c.signal)
			if cmd.Wait(); cmd.ProcessState.ExitCode() != c.status {
				t.Errorf("got %v, want status %d", cmd.ProcessState, c.status)
			}
			b, err := os.ReadFile(records)
			if err != nil {
				t.Fatal(err)
			}
			if opened, closed := strings.Count(string(b), `"new"`), strings.Count(string(b), `"closed"`); opened != closed || (opened > 0) != c.begun {
				t.Errorf("got %d opened and %d closed, want as many, and some where packets came:\n%s", opened, closed, b)
			}
		})
	}
	t.Run("files are renamed before it has begun", func(t *testing.T) {
		dir := t.TempDir()
		fifo, kept, packets := filepath.Join(dir, "fifo"), filepath.Join(dir, "kept.ndjson"), filepath.Join(dir, "kept.pcapng")
		cmd := exec.Command("rustnet", "-q", "-o", "none", "-r", fifo, "--write", kept, "--pcapng", packets)
		w := startReading(t, cmd, fifo)
		for _, path := range []string{kept, packets} {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Signal(syscall.SIGHUP)
		for _, path := range []string{kept, packets} {
			eventually(t, "a new "+path, func() bool { _, err := os.Stat(path); return err == nil })
		}
		data, err := os.ReadFile("testdata/dns.pcap")
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		got, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := rustnet(t, "-r", "testdata/dns.pcap", "--json", "-q")
		diffLines(t, string(got), want)
		again, _, _ := rustnet(t, "-r", packets, "--json", "-q")
		diffLines(t, again, want)
	})
	t.Run("a reader that takes nothing does not hold up the end", func(t *testing.T) {
		needs(t, true)
		t.Parallel()
		cmd, stuck, stderr := unread(t, nil, "rustnet", "-i", "lo", "--json", "--settle", "0", "--process", "none")
		send := func() {
			c, err := net.Dial("udp", "127.0.0.1:9")
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("x"))
			c.Close()
		}
		eventually(t, "records that nobody reads", func() bool { send(); return stuck() })
		for range 200 { // much more than there is room for
			send()
		}
		cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 1 || !strings.Contains(stderr.String(), "takes nothing") {
				t.Errorf("got %v, %q; want status 1 and the reason", err, stderr.String())
			}
		case <-time.After(soon):
			t.Errorf("rustnet still waits after %v", soon)
		}
	})
	t.Run("interrupted twice", func(t *testing.T) {
		needs(t, true)
		data, err := os.ReadFile("testdata/dns.pcap")
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			in, feed, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer feed.Close()
			cmd, stuck, stderr := unread(t, in, "rustnet", "-r", "-", "--json", "--settle", "0")
			go feed.Write(data)
			eventually(t, "records that nobody reads", stuck)
			begin := time.Now()
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for over := false; !over; {
				cmd.Process.Signal(os.Interrupt)
				select {
				case err = <-ended:
					over = true
				case <-time.After(20 * time.Millisecond):
				}
			}
			switch status := cmd.ProcessState.ExitCode(); {
			case status == 130:
				return
			case status == 0: // what was read before the first had room: there was nothing to interrupt
			case status == 1 && time.Since(begin) > 5*time.Second:
				t.Skip("this machine is so slow that the patience with the reader ended before the second interrupt")
			default:
				t.Fatalf("got %v, %q; want status 130", err, stderr.String())
			}
		}
		t.Error("status 130 never came")
	})
}

// TestSnapshot: what is there is told at once, with its owners, also where it listens, and what packets add.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.CopyN(io.Discard, io.TeeReader(strings.NewReader("x"), c), 1); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, port := filepath.Base(exe), l.Addr().(*net.TCPAddr).Port
	mine := fmt.Sprintf("local_addr == \"127.0.0.1\" && (local_port == %d || remote_port == %d)", port, port) // and no flood of a test beside this one
	find := func(args ...string) (listening, open []record) {
		t.Helper()
		out, stderr, status := rustnet(t, append([]string{"snapshot", "--json", "-f", mine}, args...)...)
		if status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		for _, r := range records(t, out) {
			if r.Event != "open" || r.Process != self || r.PID != os.Getpid() {
				t.Errorf("got %+v, want an open one of process %d", r, os.Getpid())
			}
			if r.State == "LISTEN" {
				listening = append(listening, r)
			} else {
				open = append(open, r)
			}
		}
		return listening, open
	}
	listening, open := find()
	if len(listening) != 0 || len(open) != 1 || open[0].Direction != "local" || open[0].PeerProcess != self || open[0].RemotePort != port {
		t.Errorf("got %d listening and %+v, want one connection", len(listening), open)
	}
	again, _ := find("--listen")
	if len(again) != 1 || again[0].LocalPort != port || again[0].RemoteAddr != "" {
		t.Errorf("listening: got %+v", again)
	}
	if _, later := find(); len(later) != 1 || len(open) != 1 || later[0].ID != open[0].ID {
		t.Errorf("the identifier changes from %+v to %+v", open, later)
	}
	w := watch(t, "rustnet", "snapshot", "--csv", "-f", mine, "--listen", "--group-by", "process", "--fields", "process,connections", "--watch", "100ms", "-q")
	if line := w.line("the header"); line != "process,connections\r\n" {
		t.Errorf("got %q, want the header", line)
	}
	for n := 0; n < 2; {
		if line := w.line("both again"); line == self+",2\r\n" {
			n++
		} else if strings.HasPrefix(line, "process,") {
			t.Error("the header comes again")
		}
	}
	w.cmd.Process.Signal(os.Interrupt)
	for range w.lines {
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("rustnet: %v; stderr: %s", err, w.stderr.String())
	}
	if os.Geteuid() != 0 {
		return // without packets
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				fmt.Fprint(c, "hello")
			}
		}
	}()
	eventually(t, "a packet in half a second", func() bool {
		_, open := find("--duration", "500ms")
		if len(open) != 1 || open[0].TxD != open[0].Tx {
			t.Errorf("with packets: got %+v, want one with bytes", open)
		}
		return t.Failed() || open[0].Tx > 0
	})
}

// TestSnapshotHiddenProcesses: where /proc does not show who has the sockets, that is said, with what mends it.
// TestStatsSaysWhatItWaitsFor: sums come at the end, and whoever sees nothing until then is told.
func TestStatsSaysWhatItWaitsFor(t *testing.T) {
	needs(t, true, "ip", "nsenter")
	ns := newNamespace(t, "st")
	w := watch(t, in(ns, "rustnet", "stats", "--json")...)
	for end := time.Now().Add(soon); !strings.Contains(w.stderr.String(), "adding up until Ctrl-C"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing said; stderr: %s", w.stderr.String())
		}
	}
	w.end()
	if said := must(t, in(ns, "rustnet", "stats", "--json", "--duration", "1s")...); strings.Contains(said, "until") {
		t.Errorf("it ends by itself, and says:\n%s", said)
	}
}

func TestSnapshotHiddenProcesses(t *testing.T) {
	needs(t, true, "unshare", "mount", "setpriv")
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	program := filepath.Join(t.TempDir(), "rustnet") // where others may execute it
	exe, err := exec.LookPath("rustnet")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "cp", exe, program)
	for dir := filepath.Dir(program); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	for _, tt := range []struct{ name, shell, want string }{
		{"none", `mount -t tmpfs none /proc && exec "$@"`, "mount -t proc proc /proc"},
		{"another user", `exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`, "CAP_SYS_PTRACE"},
		{"hidden", `mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`, "CAP_SYS_PTRACE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("unshare", "--mount", "sh", "-c", tt.shell, "sh", program, "snapshot", "--csv", "--no-header", "--fields", "process,uid",
				"-f", fmt.Sprintf("remote_port == %d", l.Addr().(*net.TCPAddr).Port))
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			said := regexp.MustCompile(`(?m)^rustnet: of [0-9]+ connections? only the user is known: .*$`).FindAllString(stderr.String(), -1)
			if string(out) != ",0\r\n" || err != nil || len(said) != 1 || !strings.Contains(said[0], tt.want) {
				t.Errorf("got %q, %v and on stderr %q, want the user alone and once %s", out, err, stderr.String(), tt.want)
			}
		})
	}
}

// TestSnapshotNamespaces: the sockets of another network namespace are told, with their owner.
func TestSnapshotNamespaces(t *testing.T) {
	needs(t, true, "unshare", "ip", "nc")
	t.Parallel()
	cmd := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up && exec nc -l 127.0.0.1 7077")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var own, other string
	eventually(t, "the listening socket", func() bool {
		out, _, _ := rustnet(t, "snapshot", "--listen", "--csv", "--no-header", "-q", "--fields", "netns,pid", "-f", "local_port == 7077")
		other = strings.TrimSpace(out)
		return other != ""
	})
	if link, err := os.Readlink("/proc/self/ns/net"); err == nil {
		own = strings.Trim(link, "net:[]")
	}
	netns, pid, _ := strings.Cut(other, ",")
	if netns == "" || netns == own || pid != fmt.Sprint(cmd.Process.Pid) {
		t.Errorf("got %q, want the namespace of process %d, not %s", other, cmd.Process.Pid, own)
	}
}

// TestResolve: what nothing on the wire names gets its name from reverse DNS, and rustnet's own questions are its own.
func TestResolve(t *testing.T) {
	needs(t, true, "ip", "nsenter", "unshare", "mount", "dnsmasq", "nc")
	client, server := twoHosts(t)
	dir := t.TempDir()
	background(t, in(server, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="+dir+"/dnsmasq.pid",
		"--host-record=Store.example.test,10.77.0.2,fd77::2", "--user=root")...)
	background(t, in(server, "nc", "-lk", "-p", "81")...)
	waitListening(t, server, "53")
	waitListening(t, server, "81")
	own := append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`,
		writeFile(t, dir+"/resolv.conf", "nameserver 10.77.0.2\n")}, in(client, "rustnet", "--json", "--resolve")...)
	w := watch(t, own...)
	named := func(r *record) bool {
		return r.RemoteAddr == "10.77.0.2" && r.RemotePort == 81 && r.RemoteName == "store.example.test"
	}
	got := w.until("a connection by name", named, func() {
		exec.Command("nsenter", in(client, "nc", "-z", "-w", "30", "10.77.0.2", "81")[1:]...).Run()
	})
	if got.Host != "store.example.test" || got.HostSource != "ptr" || got.Process == "" {
		t.Errorf("got host %q by %q of %q; want the name by ptr, and the process", got.Host, got.HostSource, got.Process)
	}
	w.told("its own question", func(r *record) bool { return r.Process == "rustnet" && r.DNSQuery == "2.0.77.10.in-addr.arpa" })
	w.end()
	checkPromises(t, w.ndjson.String())
}

// within does something in a network namespace; sockets that it opens stay there.
func within(t *testing.T, ns string, do func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var to [2]*os.File // there and back
	for i, path := range []string{"/run/netns/" + ns, "/proc/thread-self/ns/net"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		to[i] = f
	}
	if err := unix.Setns(int(to[0].Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer unix.Setns(int(to[1].Fd()), unix.CLONE_NEWNET)
	if err := do(); err != nil {
		t.Fatal(err)
	}
}

// TestBypass: of long connections that the kernel counts the same is told as of those whose every packet is
// looked at, and as the interface counts them; and what cannot be counted there is captured as ever.
func TestBypass(t *testing.T) {
	needs(t, true, "ip", "nsenter", "sh")
	for name, tc := range map[string]struct {
		dev  string
		args []string
	}{
		"between hosts":                   {"s0", []string{"-i", "s0"}},
		"loopback":                        {"lo", []string{"-i", "lo"}},
		"all that a capture filter keeps": {"s0", []string{"--bpf", "tcp or udp or arp"}},
	} {
		t.Run(name, func(t *testing.T) { testBypass(t, tc.dev, tc.args) })
	}
}

func testBypass(t *testing.T, dev string, args []string) {
	client, server := twoHosts(t)
	for _, ns := range []string{client, server} { // which would talk on its own account
		must(t, in(ns, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")...)
	}
	from, to := client, "10.77.0.2"
	if dev == "lo" {
		from, to = server, "127.0.0.1"
	}
	watchers := map[string]*watcher{}
	for name, flag := range map[string]string{"counting": "--bypass", "looking": "--no-bypass"} {
		watchers[name] = watch(t, in(server, append([]string{"rustnet", "--json", "--process", "none", "--ring-bytes", "67108864", "--snaplen", "512", "--interval", "100ms", flag}, args...)...)...)
	}
	eventually(t, "both to capture", func() bool { // 3 is all protocols, R 1 where they run
		running := 0
		for line := range strings.Lines(must(t, in(server, "cat", "/proc/net/packet")...)) {
			if f := strings.Fields(line); len(f) > 5 && f[3] == "0003" && f[5] == "1" {
				running++
			}
		}
		return running == 2
	})
	before, link := deviceCounts(t, server, dev), uint64(14)
	if dev == "lo" {
		link = 0 // it counts none
	}

	var tcp, accepted *net.TCPConn
	var udp, sink *net.UDPConn
	within(t, server, func() error {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(to)})
		if err != nil {
			return err
		}
		defer l.Close()
		if sink, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(to)}); err != nil {
			return err
		}
		within(t, from, func() (err error) {
			if tcp, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr)); err != nil {
				return err
			}
			udp, err = net.DialUDP("udp4", nil, sink.LocalAddr().(*net.UDPAddr))
			return err
		})
		accepted, err = l.AcceptTCP()
		return err
	})
	defer sink.Close()
	defer udp.Close()
	done := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, accepted)
		accepted.Write(make([]byte, 5000)) // the other side has something to say at last, too
		accepted.Close()
		done <- n
	}()
	chunk := bytes.Repeat([]byte{0x5a}, 50_000)
	var sent, datagrams int64
	send := func(n int) {
		for range n {
			if _, err := tcp.Write(chunk); err != nil {
				t.Fatal(err)
			}
			sent += int64(len(chunk))
			for range 5 {
				if _, err := udp.Write(chunk[:1000]); err == nil {
					datagrams++
				}
			}
			time.Sleep(time.Millisecond) // so that neither ring ever runs full
		}
	}
	if _, err := accepted.Write([]byte("something that nobody knows\x00\x01\x02\x03")); err != nil {
		t.Fatal(err)
	}
	countedMost := regexp.MustCompile(`(\d+) packets captured, (\d+) of them counted in the kernel`)
	w := watchers["counting"]
	eventually(t, "most packets to be counted in the kernel", func() bool {
		send(200)
		w.cmd.Process.Signal(syscall.SIGUSR1)
		all := countedMost.FindAllStringSubmatch(w.stderr.String(), -1)
		if len(all) == 0 {
			return false
		}
		last := all[len(all)-1]
		captured, _ := strconv.Atoi(last[1])
		counted, _ := strconv.Atoi(last[2])
		return counted > captured/2
	})
	tcp.CloseWrite()
	if got := <-done; got != sent {
		t.Fatalf("got %d bytes, want %d", got, sent)
	}
	io.Copy(io.Discard, tcp)
	tcp.Close()
	after := deviceCounts(t, server, dev)

	told := map[string]string{}
	for name, w := range watchers {
		w.end()
		checkPromises(t, w.ndjson.String())
		var packets, size uint64
		for _, r := range w.closed(func(*record) bool { return true }) {
			packets += r.TxPackets + r.RxPackets
			size += r.Tx + r.Rx
			if r.Proto == "udp" && r.TxPackets+r.RxPackets != uint64(datagrams) {
				t.Errorf("%s: %d datagrams, want %d", name, r.TxPackets+r.RxPackets, datagrams)
			}
		}
		if got := size + link*packets; packets != after.packets-before.packets || got != after.size-before.size {
			t.Errorf("%s: %d packets and %d bytes with their link headers, the interface has %d and %d; stderr: %s", name, packets, got,
				after.packets-before.packets, after.size-before.size, w.stderr.String())
		}
		told[name] = closedWithout(t, w.ndjson.String(), "ts", "seq", "start", "duration", "rtt_ms", "connect_ms", "response_ms", "tx_rate", "rx_rate", "tx_bytes_delta", "rx_bytes_delta", "id")
	}
	if told["counting"] != told["looking"] {
		t.Errorf("counting tells\n%slooking\n%s", told["counting"], told["looking"])
	}
	if s := watchers["looking"].stderr.String(); strings.Contains(s, "kernel") {
		t.Errorf("with --no-bypass: %s", s)
	}
}

// counts are an interface's, of both ways: on loopback each packet goes both.
type counts struct{ packets, size uint64 }

func deviceCounts(t *testing.T, ns, dev string) (c counts) {
	t.Helper()
	for line := range strings.Lines(must(t, in(ns, "cat", "/proc/net/dev")...)) {
		if name, rest, _ := strings.Cut(strings.TrimSpace(line), ":"); name == dev {
			for i, v := range strings.Fields(rest) {
				n, _ := strconv.ParseUint(v, 10, 64)
				switch {
				case i == 0, i == 8 && dev != "lo":
					c.size += n
				case i == 1, i == 9 && dev != "lo":
					c.packets += n
				}
			}
		}
	}
	return c
}

// closedWithout gives the closed records of TCP and UDP, in the order of their protocols, but for some fields.
func closedWithout(t *testing.T, ndjson string, fields ...string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(ndjson) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r["event"] != "closed" || r["proto"] != "tcp" && r["proto"] != "udp" {
			continue
		}
		for _, f := range fields {
			delete(r, f)
		}
		b, _ := json.Marshal(r)
		all = append(all, string(b)+"\n")
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// TestBypassRefused: where the kernel takes no programs from us, packets are captured without, and one line says so.
func TestBypassRefused(t *testing.T) {
	needs(t, true, "ip", "nsenter", "setpriv")
	needsThreads(t)
	if b, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled"); err != nil || strings.TrimSpace(string(b)) == "0" {
		t.Skip("this kernel lets everybody load socket filters")
	}
	_, server := twoHosts(t)
	w := watch(t, in(server, "setpriv", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", "--reuid=65534",
		"--regid=65534", "--clear-groups", "rustnet", "-i", "lo", "--json", "--process", "none")...)
	w.until("a datagram", func(r *record) bool { return r.RemotePort == 9 && r.Proto == "udp" }, func() {
		exec.Command("nsenter", in(server, "bash", "-c", "echo > /dev/udp/127.0.0.1/9")[1:]...).Run()
	})
	w.end()
	if s := w.stderr.String(); strings.Count(s, "not counted in the kernel") != 1 || !strings.Contains(s, "CAP_BPF") {
		t.Errorf("stderr: got %q, want one line that says what is missing", s)
	}
}

// TestPcapng keeps the packets of curl's connections among those of others, and reads them back.
func TestPcapng(t *testing.T) {
	needs(t, true, "ip", "nsenter", "nginx", "curl", "nc", "ping", "tshark")
	client, server := twoHosts(t)
	dir := t.TempDir()
	background(t, in(server, "nginx", "-p", dir, "-c", writeFile(t, dir+"/nginx.conf", `daemon off; master_process off; pid `+dir+`/nginx.pid; error_log stderr;
		events {} http { access_log off; client_body_temp_path `+dir+`; proxy_temp_path `+dir+`; fastcgi_temp_path `+dir+`; uwsgi_temp_path `+dir+`; scgi_temp_path `+dir+`;
		server { listen 8080; root `+dir+`; } }`))...)
	writeFile(t, dir+"/some.bin", strings.Repeat("x", 300_000))
	waitListening(t, server, "8080")
	background(t, in(client, "ping", "-q", "-i", "0.2", "10.77.0.2")...)
	curl := func() {
		must(t, in(client, "curl", "-sS", "-o", "/dev/null", "-m", "60", "--resolve", "app.demo.test:8080:10.77.0.2", "http://app.demo.test:8080/some.bin")...)
	}
	type packet struct{ source, dest, host, iface, comment string }
	tshark := func(path string) (all []packet) {
		t.Helper()
		out, err := exec.Command("tshark", "-N", "n", "-r", path, "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "ip.dst_host", "-e", "frame.interface_name", "-e", "frame.comment").Output()
		if err != nil {
			t.Errorf("tshark %s: %v", path, err)
		}
		for line := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			all = append(all, packet{f[0], f[1], f[2], f[3], f[4]})
		}
		return all
	}
	readBack := func(path string) []record {
		t.Helper()
		out, stderr, status := rustnet(t, "-r", path, "--json", "-q", "--events", "closed")
		if status != 0 || stderr != "" {
			t.Errorf("%s is read with status %d, %s", path, status, stderr)
		}
		return records(t, out)
	}

	kept := dir + "/kept.pcapng"
	// Its name comes before the packets when it is known by then: a busy machine may take its time.
	w := watch(t, in(client, "rustnet", "--json", "--settle", "20s", "--pcapng", kept, "--filter", `process == "curl"`)...)
	isCurl := func(r *record) bool { return r.Event == "closed" && r.RemotePort == 8080 }
	w.until("curl", isCurl, curl)
	exec.Command("nsenter", in(client, "nc", "-z", "-w", "30", "10.77.0.2", "8080")[1:]...).Run()
	curl()
	w.until("curl once more", isCurl, nil)
	w.end()
	want := w.closed(isCurl)
	named := map[string]bool{} // the first may have begun before rustnet did, and have no name that it saw
	for _, r := range want {
		if r.Host == "app.demo.test" {
			named[strconv.Itoa(r.LocalPort)] = true
		}
	}
	if len(named) == 0 {
		t.Errorf("no connection has the name: %+v", want)
	}
	ports, packets := map[string]uint64{}, uint64(0)
	for i, p := range tshark(kept) {
		packets++
		if !strings.HasPrefix(p.comment, `rustnet {`) || !strings.Contains(p.comment, `"process":"curl","pid":`) || p.iface != "c0" {
			t.Errorf("packet %d is of %s and has the comment %q", i+1, p.iface, p.comment)
		}
		if p.dest == "8080" {
			ports[p.source]++
		} else {
			ports[p.dest]++
		}
		if toServer := p.dest == "8080"; toServer && named[p.source] && p.host != "app.demo.test" || !toServer && p.host == "app.demo.test" {
			t.Errorf("packet %d goes to %s, from port %s to %s", i+1, p.host, p.source, p.dest)
		}
	}
	for _, r := range want {
		if n := ports[strconv.Itoa(r.LocalPort)]; n != r.TxPackets+r.RxPackets {
			t.Errorf("of port %d there are %d packets, want %d", r.LocalPort, n, r.TxPackets+r.RxPackets)
		}
	}
	if len(ports) != len(want) || !strings.Contains(w.stderr.String(), fmt.Sprintf(" %d packets in %s", packets, kept)) {
		t.Errorf("%d packets of %d connections are kept, want %d; stderr: %s", packets, len(ports), len(want), w.stderr.String())
	}
	got := readBack(kept)
	if len(got) != len(want) {
		t.Fatalf("%d connections are read back, want %d", len(got), len(want))
	}
	for i, r := range want {
		j := slices.IndexFunc(got, func(g record) bool { return g.LocalPort == r.LocalPort })
		if j < 0 {
			t.Errorf("%d: not read back: %+v", i, r)
			continue
		}
		g := got[j]
		for what, pair := range map[string][2]any{"process": {g.Process, r.Process}, "pid": {g.PID, r.PID}, "exe": {g.Exe, r.Exe}, "user": {g.User, r.User}, "direction": {g.Direction, r.Direction},
			"local": {g.LocalAddr, r.LocalAddr}, "iface": {g.Iface, r.Iface}, "host": {g.Host, r.Host}, "app": {g.App, r.App}, "packets": {g.TxPackets, r.TxPackets}, "bytes": {g.Rx, r.Rx}} {
			if pair[0] != pair[1] {
				t.Errorf("%s is read back as %v, want %v", what, pair[0], pair[1])
			}
		}
	}

	// What a command does, and nobody else's.
	own := dir + "/own.pcapng"
	must(t, in(client, "rustnet", "-q", "-o", "none", "--pcapng", own, "--", "curl", "-sS", "-o", "/dev/null", "-m", "60", "http://10.77.0.2:8080/some.bin")...)
	others := readBack(own)
	if len(others) == 0 {
		t.Error("of a command's packets there are none")
	}
	for _, r := range others {
		if r.Process != "curl" || r.RemotePort != 8080 {
			t.Errorf("of a command's packets some are %+v", r)
		}
	}

	// Killed, what was written is there; in the middle of a write the kernel leaves half of what is written.
	killed := dir + "/killed.pcapng"
	w = watch(t, in(client, "rustnet", "--json", "--pcapng", killed)...)
	w.until("curl", isCurl, curl)
	whole := func() (is bool, stderr string, status int) { // while it is written its end may be half of something
		out, stderr, status := rustnet(t, "-r", killed, "--json", "-q", "--events", "closed")
		return slices.ContainsFunc(records(t, out), func(r record) bool { return r.Process == "curl" && r.Reason == "fin" }), stderr, status
	}
	eventually(t, "a whole connection in the file", func() bool { is, _, _ := whole(); return is })
	go exec.Command("nsenter", in(client, "curl", "-sS", "-o", "/dev/null", "-m", "60", "http://10.77.0.2:8080/some.bin")[1:]...).Run()
	w.until("packets while it is killed", func(r *record) bool { return r.Event == "new" && r.RemotePort == 8080 }, nil)
	w.cmd.Process.Kill()
	w.cmd.Wait()
	if is, stderr, status := whole(); !is || status != 0 && !strings.Contains(stderr, ": cut off in the middle of ") {
		t.Errorf("after a kill it is read with status %d, %s; the connection is there: %v", status, stderr, is)
	}
}

// TestPcapngDiskFull: on a full disk the file ends with a whole packet, and what is missing is told.
func TestPcapngDiskFull(t *testing.T) {
	needs(t, true, "mount", "umount")
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128k", "none", disk).CombinedOutput(); err != nil {
		t.Skipf("mount a small disk: %v, %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", disk).Run() })
	kept := disk + "/kept.pcapng"
	capture, err := os.ReadFile("testdata/sip-media.pcap")
	if err != nil {
		t.Fatal(err)
	}
	large := writeFile(t, t.TempDir()+"/large.pcap", string(capture)+strings.Repeat(string(capture[24:]), 9)) // its packets ten times
	out, stderr, status := rustnet(t, "-r", large, "--json", "--pcapng", kept)
	i := slices.IndexFunc(records(t, out), func(r record) bool { return r.Event == "lost" && r.LostWhere == "packets" && r.LostCount > 0 })
	if status != 1 || !strings.Contains(stderr, "no space left on device") || i < 0 {
		t.Errorf("status %d, %s, %s", status, stderr, out)
	}
	if back, stderr, status := rustnet(t, "-r", kept, "-o", "none"); status != 0 || strings.Contains(stderr, " 0 packets") {
		t.Errorf("what was written is read with status %d, %s%s", status, back, stderr)
	}
}
