package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The two namespaces of a live measurement, joined by a veth pair of the same names.
const (
	sendSpace, watchSpace = "rnbench-send", "rnbench-watch"
	sendAddr, watchAddr   = "10.98.0.1", "10.98.0.2"
)

// A watcher captures what arrives at the watching end, until it is interrupted.
type watcher struct {
	name  string
	args  string         // DEV stands for the interface
	file  bool           // it reads what is sent, which FILE stands for, instead
	count *regexp.Regexp // in what it says at its end: captured, or received, in group 1
	drops *regexp.Regexp // and dropped; nil where it says nothing of them
}

var (
	captured = regexp.MustCompile(`(\d+) packets? captured`)
	dropped  = regexp.MustCompile(`, (\d+) dropped by the kernel`)
)

var watchers = []watcher{
	{name: "nobody"},
	{name: yardstick, args: "tcpdump -i DEV -w /dev/null", count: captured, drops: regexp.MustCompile(`(\d+) packets dropped by kernel`)},
	{name: "rustnet", args: "./rustnet -i DEV --json", count: captured, drops: dropped},
	{name: "rustnet, no owners", args: "./rustnet -i DEV --json --process none", count: captured, drops: dropped},
	{name: "rustnet, no bypass", args: "./rustnet -i DEV --json --no-bypass", count: captured, drops: dropped},
	{name: "softflowd", args: "softflowd -d -i DEV"},
	{name: "ndpiReader", args: "ndpiReader -i DEV", count: regexp.MustCompile(`of (\d+) packets total`)},
	// What a watcher takes more than these is what watching costs.
	{name: yardstick + ", file", args: "tcpdump -r FILE -w /dev/null", file: true},
	{name: "rustnet, file", args: "./rustnet -r FILE --json", file: true},
}

// A load makes traffic from the sending end and tells what it cost.
type load struct {
	name  string
	needs string // a program that must be there, "" for none
	file  string // what it sends, in the folder of the captures; "" = that is in none
	run   func(dir string) (loadResult, error)
}

type loadResult struct {
	cpu  time.Duration // of those who talk; on a veth pair the kernel's work for the watcher is in it
	what string        // what they did, for people
}

var loads = []load{
	{"the mix at top speed", "tcpreplay", liveMix, func(dir string) (loadResult, error) {
		return command(inSpace(sendSpace, "tcpreplay", "--topspeed", "-K", "-i", sendSpace, filepath.Join(dir, liveMix)),
			regexp.MustCompile(`(?s)Actual: (\d+ packets).*Rated: [^\n]* ([\d.]+ pps)`))
	}},
	{"iperf3, 5 GB in one TCP connection", "iperf3", "", func(string) (loadResult, error) {
		return iperf(regexp.MustCompile(`(?m)([\d.]+ Gbits/sec).*sender`), "-n", "5G")
	}},
	{"iperf3, 200,000 datagrams", "iperf3", "", func(string) (loadResult, error) {
		return iperf(regexp.MustCompile(`(?m)([\d.]+ Gbits/sec).*sender`), "-u", "-b", "2G", "-l", "1400", "-k", "200000")
	}},
	{"5,000 connections a second for 5 s", "", "", shortConnections},
}

// liveMix is the capture that is replayed, in the folder of the captures. It is not read as a file like the others.
const liveMix = "live/mix.pcap"

// runLive measures what watching costs while traffic passes: each watcher in turn, round after round.
func runLive(dir string, rounds int, out string) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("live: it makes network namespaces and captures, which only root may (try: sudo)")
	}
	if _, err := os.Stat(filepath.Join(dir, liveMix)); err != nil {
		return fmt.Errorf("%w (make bench-live makes it)", err)
	}
	if err := setUp(); err != nil {
		return err
	}
	defer tearDown()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { <-signals; tearDown(); os.Exit(1) }()
	var text bytes.Buffer
	w := io.MultiWriter(os.Stdout, &text)
	heading(w, rounds)
	fmt.Fprintf(w, "CPU is user and system time of the watcher from when it captures, without its start; that of those who talk has in it what the kernel\n"+
		"does for the watcher, since on a veth pair it runs there. Medians; × tcpdump is that of the ratios within a round.\n")
	for _, l := range loads {
		if _, err := exec.LookPath(l.needs); l.needs != "" && err != nil {
			fmt.Fprintf(w, "\n%s: not measured: %v\n", l.name, err)
			continue
		}
		if err := l.compare(w, dir, rounds); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// First in turn, so that it is an idle machine's as far as that can be had on one that is not.
	b, err := inSpace(watchSpace, "nice", "-n", "-20", self, latencyPart).Output()
	if err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	fmt.Fprintf(w, "\n%s", b)
	if out == "" {
		return nil
	}
	return os.WriteFile(out, text.Bytes(), 0o666)
}

func inSpace(space, name string, args ...string) *exec.Cmd {
	// nsenter rather than ip netns exec, which hides the cgroups that owners are found by.
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + space, name}, args...)...)
}

func setUp() error {
	tearDown() // of a run that was killed
	for _, args := range []string{
		"netns add " + sendSpace, "netns add " + watchSpace,
		"link add " + sendSpace + " netns " + sendSpace + " type veth peer name " + watchSpace + " netns " + watchSpace,
		"-n " + sendSpace + " addr add " + sendAddr + "/24 dev " + sendSpace,
		"-n " + watchSpace + " addr add " + watchAddr + "/24 dev " + watchSpace,
		"-n " + sendSpace + " link set " + sendSpace + " up",
		"-n " + watchSpace + " link set " + watchSpace + " up",
		"-n " + sendSpace + " link set lo up", "-n " + watchSpace + " link set lo up",
	} {
		if b, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, bytes.TrimSpace(b))
		}
	}
	return nil
}

func tearDown() {
	for _, space := range []string{sendSpace, watchSpace} {
		exec.Command("ip", "netns", "del", space).Run()
	}
}

// watched is what one run of a watcher gave.
type watched struct {
	cpu, talkers    time.Duration
	count, arrived  uint64
	dropped, events uint64
	what            string
}

func (l *load) compare(w io.Writer, dir string, rounds int) error {
	here := slices.DeleteFunc(slices.Clone(watchers), func(p watcher) bool {
		name, _, _ := strings.Cut(p.args, " ")
		_, err := exec.LookPath(name)
		return name != "" && err != nil || p.file && l.file == ""
	})
	runs := map[string][]watched{}
	for range rounds {
		for _, p := range here {
			r, err := p.watch(l, dir)
			if err != nil {
				return fmt.Errorf("%s, watched by %s: %w", l.name, p.name, err)
			}
			runs[p.name] = append(runs[p.name], r)
		}
	}
	fmt.Fprintf(w, "\n%s (%s)\n%-20s %9s %12s %10s %10s %10s %9s %8s\n", l.name, runs[here[0].name][0].what,
		"", "CPU", "× "+yardstick, "talkers", "arrived", "captured", "dropped", "events")
	for _, p := range here {
		rs := runs[p.name]
		middle := func(get func(int) float64) float64 {
			var v []float64
			for i := range rs {
				v = append(v, get(i))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		count := func(get func(watched) uint64) string {
			return strconv.FormatFloat(middle(func(i int) float64 { return float64(get(rs[i])) }), 'f', 0, 64)
		}
		var cpu, ratio, talkers, arrived, caught, dropped, events string
		if p.args != "" {
			cpu = fmt.Sprintf("%.2f s", middle(func(i int) float64 { return rs[i].cpu.Seconds() }))
			ratio = fmt.Sprintf("%.2f", middle(func(i int) float64 { return float64(rs[i].cpu) / float64(max(tick, runs[yardstick][i].cpu)) }))
		}
		if !p.file {
			talkers = fmt.Sprintf("%.2f s", middle(func(i int) float64 { return rs[i].talkers.Seconds() }))
			arrived = count(func(r watched) uint64 { return r.arrived })
		}
		if p.count != nil {
			caught = count(func(r watched) uint64 { return r.count })
		}
		if p.drops != nil {
			dropped = count(func(r watched) uint64 { return r.dropped })
		}
		if rs[0].events > 0 {
			events = count(func(r watched) uint64 { return r.events })
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-20s %9s %12s %10s %10s %10s %9s %8s", p.name, cpu, ratio, talkers, arrived, caught, dropped, events), " "))
	}
	return nil
}

// watch runs the load while p watches.
func (p *watcher) watch(l *load, dir string) (r watched, err error) {
	if p.file {
		whole := program{args: p.args}
		cost, err := whole.run(filepath.Join(dir, l.file))
		return watched{cpu: cost.cpu, events: uint64(cost.events)}, err
	}
	var said bytes.Buffer
	var cmd *exec.Cmd
	var start time.Duration
	if p.args != "" {
		args := strings.Fields(strings.ReplaceAll(p.args, "DEV", watchSpace))
		cmd = inSpace(watchSpace, args[0], args[1:]...)
		cmd.Stderr = &said
		if strings.HasPrefix(p.name, "ndpi") {
			cmd.Stdout = &said // its counts go there
		}
		if err := cmd.Start(); err != nil {
			return r, err
		}
		defer cmd.Process.Kill()
		if err := captures(); err != nil {
			return r, fmt.Errorf("%s: %w\n%s", p.args, err, &said)
		}
		time.Sleep(settle)
		start = spent(cmd.Process.Pid)
	}
	before := arrived()
	done, err := l.run(dir)
	if err != nil {
		return r, err
	}
	r.talkers, r.what, r.arrived = done.cpu, done.what, arrived()-before
	if cmd == nil {
		return r, nil
	}
	time.Sleep(settle)
	_ = cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && (!ok || !status.Signaled()) && !strings.HasPrefix(p.name, "softflowd") {
		return r, fmt.Errorf("%s: %w\n%s", p.args, err, &said)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() - start
	r.count, r.dropped, r.events = number(p.count, said.Bytes()), number(p.drops, said.Bytes()), number(eventsWritten, said.Bytes())
	return r, nil
}

const (
	// settle is what a watcher has, before and after the load, to finish what it is at.
	settle = 500 * time.Millisecond
	// tick is what the kernel counts a process's time in, in proc(5).
	tick = 10 * time.Millisecond
)

// captures waits until somebody in the watching namespace has a packet socket for all protocols that runs.
func captures() error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := inSpace(watchSpace, "cat", "/proc/net/packet").Output()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 5 && f[3] == "0003" && f[5] == "1" {
				return nil
			}
		}
	}
	return errors.New("it does not capture")
}

// spent is a process's CPU time so far.
func spent(pid int) time.Duration {
	user, system := spentIn(pid)
	return user + system
}

func spentIn(pid int) (user, system time.Duration) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(b, []byte(") ")) // behind the name, which may hold anything
	f := strings.Fields(string(rest))
	if len(f) < 13 {
		return 0, 0
	}
	u, _ := strconv.Atoi(f[11])
	k, _ := strconv.Atoi(f[12])
	return time.Duration(u) * tick, time.Duration(k) * tick
}

func number(re *regexp.Regexp, text []byte) uint64 {
	if re == nil {
		return 0
	}
	m := re.FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(m[1]), 10, 64)
	return n
}

// arrived counts the packets that the watching interface received, and sent.
func arrived() (n uint64) {
	b, _ := inSpace(watchSpace, "cat", "/proc/net/dev").Output()
	for line := range strings.Lines(string(b)) {
		if name, counts, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == watchSpace {
			f := strings.Fields(counts)
			rx, _ := strconv.ParseUint(f[1], 10, 64)
			tx, _ := strconv.ParseUint(f[9], 10, 64)
			return rx + tx
		}
	}
	return 0
}

func command(cmd *exec.Cmd, what *regexp.Regexp) (r loadResult, err error) {
	b, err := cmd.CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, b)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if m := what.FindSubmatch(b); m != nil {
		r.what = string(bytes.Join(m[1:], []byte(", ")))
	}
	return r, nil
}

// served runs a client with its server, whose time counts as well.
func served(port string, server, client *exec.Cmd, what *regexp.Regexp) (r loadResult, err error) {
	if err := server.Start(); err != nil {
		return r, err
	}
	defer server.Process.Kill()
	if err := listens(port); err != nil {
		return r, err
	}
	if r, err = command(client, what); err != nil {
		return r, err
	}
	_ = server.Process.Signal(syscall.SIGTERM)
	_ = server.Wait()
	r.cpu += server.ProcessState.UserTime() + server.ProcessState.SystemTime()
	return r, nil
}

// listens waits until somebody in the watching namespace listens at a port.
func listens(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := inSpace(watchSpace, "cat", "/proc/net/tcp", "/proc/net/tcp6").Output()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
				return nil
			}
		}
	}
	return fmt.Errorf("nobody listens at port %s", port)
}

func iperf(what *regexp.Regexp, args ...string) (loadResult, error) {
	return served("5201", inSpace(watchSpace, "iperf3", "-s", "-1"),
		inSpace(sendSpace, "iperf3", append([]string{"-c", watchAddr, "-f", "g"}, args...)...), what)
}

// The parts of this program that run in the sending namespace, and in the watching one.
const (
	connectPart, acceptPart = "connect", "accept"
	latencyPart             = "latency"
	connections, perSecond  = 25_000, 5_000
	acceptPort              = "8080"
)

func shortConnections(string) (r loadResult, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	return served(acceptPort, inSpace(watchSpace, self, acceptPart), inSpace(sendSpace, self, connectPart), regexp.MustCompile(`(.+)`))
}

// accept answers every connection with what it says, and closes it.
func accept() error {
	l, err := net.Listen("tcp", watchAddr+":"+acceptPort)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			var b [64]byte
			n, _ := c.Read(b[:])
			_, _ = c.Write(b[:n])
		}()
	}
}

// connect opens connections at a steady rate: one request and one answer each.
func connect() error {
	begin, busy := time.Now(), make(chan struct{}, 256)
	failed := make(chan error, connections)
	for i := range connections {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / perSecond)))
		busy <- struct{}{}
		go func() {
			failed <- exchange(watchAddr + ":" + acceptPort)
			<-busy
		}()
	}
	n := 0
	for range connections {
		if err := <-failed; err != nil {
			n++
		}
	}
	took := time.Since(begin)
	fmt.Printf("%d connections in %.1f s, %d failed\n", connections, took.Seconds(), n)
	return nil
}

func exchange(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	_, err = io.ReadAll(c)
	return err
}

// latency measures from the moment at which a program is about to talk to that at which the line of it can be read.
func latency(w io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer sink.Close()

	cmd := exec.Command("./rustnet", "-q", "-i", "lo", "--json", "--settle", "0", "--events", "new")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := make(chan line, tries)
	go readLines(stdout, lines)
	if err := captures(); err != nil {
		return err
	}
	time.Sleep(settle)

	for _, kind := range []struct{ name, network, to string }{
		{"--settle 0, loopback: from connecting to the line", "tcp", l.Addr().String()},
		{"--settle 0, loopback: from sending a datagram to the line", "udp", sink.LocalAddr().String()},
	} {
		if err := times(w, kind.name, func() (time.Duration, error) { return talk(kind.network, kind.to, lines) }); err != nil {
			return err
		}
	}
	return throughPipes(w)
}

// times does something again and again, and tells how long it took.
func times(w io.Writer, name string, do func() (time.Duration, error)) error {
	var took []time.Duration
	for range tries {
		d, err := do()
		if err != nil {
			return err
		}
		took = append(took, d)
		time.Sleep(10 * time.Millisecond) // until all is idle again
	}
	slices.Sort(took)
	fmt.Fprintf(w, "%s (%d times): median %.2f ms, 99 %% within %.2f ms, most %.2f ms\n", name, tries,
		ms(took[tries/2]), ms(took[tries*99/100]), ms(took[tries-1]))
	return nil
}

// throughPipes measures what the machine itself takes to wake one program after another.
func throughPipes(w io.Writer) error {
	cmd := exec.Command("cat")
	to, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { to.Close(); _ = cmd.Wait() }()
	r := bufio.NewReader(from)
	return times(w, "for scale, a line through cat and back", func() (time.Duration, error) {
		begin := time.Now()
		if _, err := io.WriteString(to, "hello\n"); err != nil {
			return 0, err
		}
		_, err := r.ReadString('\n')
		return time.Since(begin), err
	})
}

const tries = 500

// line is what was read of a connection.
type line struct {
	ports [2]uint16
	at    time.Time
}

func readLines(from io.Reader, lines chan<- line) {
	defer close(lines)
	for s := bufio.NewScanner(from); s.Scan(); {
		at := time.Now()
		var e struct {
			Local  uint16 `json:"local_port"`
			Remote uint16 `json:"remote_port"`
		}
		if json.Unmarshal(s.Bytes(), &e) == nil {
			lines <- line{[2]uint16{e.Local, e.Remote}, at}
		}
	}
}

// talk opens a connection, says something, and waits for its line.
func talk(network, to string, lines <-chan line) (time.Duration, error) {
	begin := time.Now()
	c, err := net.Dial(network, to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if network == "udp" {
		if _, err := c.Write([]byte("hello")); err != nil {
			return 0, err
		}
	}
	own := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	for wait := time.After(30 * time.Second); ; {
		select {
		case got, ok := <-lines:
			if !ok {
				return 0, errors.New("rustnet ended")
			}
			if slices.Contains(got.ports[:], own) {
				return got.at.Sub(begin), nil
			}
		case <-wait:
			return 0, fmt.Errorf("no line for the connection from port %d", own)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
