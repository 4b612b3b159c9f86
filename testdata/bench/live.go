package main

import (
	"bufio"
	"bytes"
	"cmp"
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
	count *regexp.Regexp // in what it says at its end: captured, or received, in group 1
	drops *regexp.Regexp // and dropped; nil where it says nothing of them
}

var watchers = []watcher{
	{name: "nobody"},
	{name: yardstick, args: "tcpdump -i DEV -w /dev/null", count: regexp.MustCompile(`(\d+) packets captured`), drops: regexp.MustCompile(`(\d+) packets dropped by kernel`)},
	{name: "rustnet", args: "./rustnet -i DEV --json", count: regexp.MustCompile(`(\d+) packets captured`), drops: regexp.MustCompile(`, (\d+) dropped by the kernel`)},
	{name: "rustnet, no owners", args: "./rustnet -i DEV --json --process none", count: regexp.MustCompile(`(\d+) packets captured`), drops: regexp.MustCompile(`, (\d+) dropped by the kernel`)},
	{name: "softflowd", args: "softflowd -d -i DEV"},
	{name: "ndpiReader", args: "ndpiReader -q -i DEV", count: regexp.MustCompile(`IP packets:\s+(\d+)`)},
}

// A load makes traffic from the sending end and tells what it cost.
type load struct {
	name  string
	needs string // a program that must be there, "" for none
	run   func(dir string) (loadResult, error)
}

type loadResult struct {
	cpu  time.Duration // of the sender; on a veth pair the receiving end's work, and the watcher's ring, are in it
	what string        // what it did, for people
}

var loads = []load{
	{"the mix at top speed", "tcpreplay", func(dir string) (loadResult, error) {
		return command(inSpace(sendSpace, "tcpreplay", "-q", "--topspeed", "-K", "-i", sendSpace, filepath.Join(dir, "mix-tenth.pcap")),
			regexp.MustCompile(`Actual: (\d+ packets)`))
	}},
	{"iperf3, one TCP connection for 5 s", "iperf3", iperf},
	{"5,000 connections a second for 5 s", "", shortConnections},
}

// runLive measures what watching costs while traffic passes: each watcher in turn, round after round.
func runLive(dir string, rounds int, out string) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("live: it makes network namespaces and captures, which only root may (try: sudo)")
	}
	if _, err := os.Stat(filepath.Join(dir, "mix-tenth.pcap")); err != nil {
		return fmt.Errorf("%w (make bench-data makes it)", err)
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
	fmt.Fprintf(w, "CPU is user and system time of the watcher; that of the sender has in it what the kernel does for the watcher, since on a veth pair it runs in the sender.\n")
	for _, l := range loads {
		if _, err := exec.LookPath(l.needs); l.needs != "" && err != nil {
			fmt.Fprintf(w, "\n%s: not measured: %v\n", l.name, err)
			continue
		}
		if err := l.compare(w, dir, rounds); err != nil {
			return err
		}
	}
	if err := latency(w); err != nil {
		return err
	}
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
	cpu, sender     time.Duration
	count, arrived  uint64
	dropped, events uint64
	saysDrops       bool
	what            string
}

func (l *load) compare(w io.Writer, dir string, rounds int) error {
	here := slices.DeleteFunc(slices.Clone(watchers), func(p watcher) bool {
		name, _, _ := strings.Cut(p.args, " ")
		_, err := exec.LookPath(name)
		return name != "" && err != nil
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
	fmt.Fprintf(w, "\n%s (%s)\n%-20s %9s %12s %10s %10s %10s %9s  %s\n", l.name, runs[here[0].name][0].what,
		"", "CPU", "× "+yardstick, "sender", "arrived", "captured", "dropped", "events")
	for _, p := range here {
		rs := runs[p.name]
		middle := func(get func(watched) float64) float64 {
			var v []float64
			for _, r := range rs {
				v = append(v, get(r))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		fmt.Fprintf(w, "%-20s %7.2f s", p.name, middle(func(r watched) float64 { return r.cpu.Seconds() }))
		ratio := middle(func(r watched) float64 { return r.cpu.Seconds() }) / max(0.01, medianCPU(runs[yardstick]))
		fmt.Fprintf(w, " %12.2f %8.2f s %10d %10d", ratio, middle(func(r watched) float64 { return r.sender.Seconds() }), rs[0].arrived, rs[0].count)
		dropped := "not said"
		if rs[0].saysDrops {
			dropped = strconv.FormatUint(uint64(middle(func(r watched) float64 { return float64(r.dropped) })), 10)
		}
		fmt.Fprintf(w, " %9s  %d\n", dropped, rs[0].events)
	}
	return nil
}

func medianCPU(rs []watched) float64 {
	var v []float64
	for _, r := range rs {
		v = append(v, r.cpu.Seconds())
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// watch runs the load while p watches.
func (p *watcher) watch(l *load, dir string) (r watched, err error) {
	var said bytes.Buffer
	var cmd *exec.Cmd
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
		time.Sleep(2 * time.Second) // until it captures; none of them says when
	}
	before := arrived()
	done, err := l.run(dir)
	if err != nil {
		return r, err
	}
	r.sender, r.what, r.arrived = done.cpu, done.what, arrived()-before
	if cmd == nil {
		return r, nil
	}
	time.Sleep(500 * time.Millisecond)
	_ = cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && (!ok || !status.Signaled()) && !strings.HasPrefix(p.name, "softflowd") {
		return r, fmt.Errorf("%s: %w\n%s", p.args, err, &said)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.count = number(p.count, said.Bytes())
	r.dropped, r.saysDrops = number(p.drops, said.Bytes()), p.drops != nil
	r.events = number(eventsWritten, said.Bytes())
	return r, nil
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
		r.what = string(m[1])
	}
	return r, nil
}

func iperf(string) (loadResult, error) {
	server := inSpace(watchSpace, "iperf3", "-s", "-1")
	if err := server.Start(); err != nil {
		return loadResult{}, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	time.Sleep(300 * time.Millisecond)
	return command(inSpace(sendSpace, "iperf3", "-c", watchAddr, "-t", "5", "-f", "g"), regexp.MustCompile(`(?m)([\d.]+ Gbits/sec).*sender`))
}

// The part of this program that runs in the sending namespace, and that in the watching one.
const (
	connectPart, acceptPart = "connect", "accept"
	connections, perSecond  = 25_000, 5_000
	acceptPort              = "8080"
)

func shortConnections(string) (r loadResult, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	server := inSpace(watchSpace, self, acceptPart)
	if err := server.Start(); err != nil {
		return r, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	time.Sleep(300 * time.Millisecond)
	return command(inSpace(sendSpace, self, connectPart), regexp.MustCompile(`(.+)`))
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

// latency measures from the moment that a connection is about to be opened to that at which its line
// can be read, on a machine that does nothing else.
func latency(w io.Writer) error {
	const tries = 500
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
	port := l.Addr().(*net.TCPAddr).Port
	cmd := exec.Command("./rustnet", "-q", "-i", "lo", "--json", "--settle", "0", "--events", "new", "--bpf", fmt.Sprintf("tcp port %d", port))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	type line struct {
		port uint16
		at   time.Time
	}
	lines := make(chan line, tries)
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			at := time.Now()
			var e struct {
				Local  uint16 `json:"local_port"`
				Remote uint16 `json:"remote_port"`
			}
			if json.Unmarshal(s.Bytes(), &e) == nil {
				lines <- line{cmp.Or(e.Local, e.Remote), at}
			}
		}
		close(lines)
	}()
	time.Sleep(2 * time.Second)
	var took []time.Duration
	for range tries {
		begin := time.Now()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		own := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
		for wait := time.After(5 * time.Second); ; {
			select {
			case got, ok := <-lines:
				if !ok {
					return errors.New("latency: rustnet ended")
				}
				if got.port != own {
					continue // of one before
				}
				took = append(took, got.at.Sub(begin))
			case <-wait:
				return fmt.Errorf("latency: no line for the connection from port %d", own)
			}
			break
		}
		c.Close()
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(took)
	fmt.Fprintf(w, "\nfrom connect to the line (--settle 0, loopback, %d connections): median %.2f ms, 99 %% %.2f ms, most %.2f ms\n", tries,
		ms(took[tries/2]), ms(took[tries*99/100]), ms(took[tries-1]))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
