// Command bench measures rustnet beside other programs that read the same capture files: each in turn,
// round after round, so that all see the same machine. Of seconds on a shared machine the ratio
// within a round says something; the table gives its median.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// yardstick is the program that all others are divided by.
const yardstick = "tcpdump"

// A program reads a capture file. Those with a tenth are too slow for the whole of it.
type program struct {
	name   string
	args   string // FILE and DIR stand for the capture and for an empty folder
	flag   string // that prints the version
	tenth  bool
	floods bool // also on the files of one kind of traffic
}

var programs = []program{
	{name: yardstick, args: "tcpdump -r FILE -w /dev/null", flag: "--version", floods: true},
	{name: "rustnet", args: "./rustnet -r FILE --json", flag: "version", floods: true},
	{name: "softflowd", args: "softflowd -r FILE"},
	{name: "nfpcapd", args: "nfpcapd -r FILE -l DIR", flag: "-V"},
	{name: "ndpiReader", args: "ndpiReader -q -i FILE"},
	{name: "tshark", args: "tshark -r FILE", flag: "--version", tenth: true},
}

// stages are the benchmarks of single stages, run by go test.
const stages = "Decode|Known|Wheel|Packet|Match|JSON|Encode|Pcap|Idle|Keep"

func main() {
	dir := flag.String("dir", "bench", "folder of the captures (make bench-data)")
	rounds := flag.Int("rounds", 5, "how often each program reads each file")
	out := flag.String("o", "", "also write the result to this `file`")
	live := flag.Bool("live", false, "measure what watching live traffic costs instead")
	owners := flag.Bool("owners", false, "measure what knowing the owners costs instead")
	flag.Parse()
	measure := run
	switch {
	case *owners:
		measure = runOwners
	case *live:
		measure = runLive
	case flag.Arg(0) == acceptPart:
		measure = func(string, int, string) error { return accept() }
	case flag.Arg(0) == connectPart:
		measure = func(string, int, string) error { return connect() }
	case flag.Arg(0) == latencyPart:
		measure = func(string, int, string) error { return latency(os.Stdout) }
	}
	if err := measure(*dir, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(dir string, rounds int, out string) error {
	var text bytes.Buffer
	w := io.MultiWriter(os.Stdout, &text)
	heading(w, rounds)
	fmt.Fprintf(w, "CPU is user and system time, its median; × tcpdump is the median over rounds (least to most) of the ratio within a round.\n")
	present, err := find(w)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || !slices.Contains(files, filepath.Join(dir, "mix.pcap")) {
		return fmt.Errorf("no mix.pcap in %s (make bench-data makes it): %w", dir, errors.Join(err, os.ErrNotExist))
	}
	slices.SortFunc(files, func(a, b string) int { // the mix first
		return cmp.Or(-cmp.Compare(strings.Count(a, "mix"), strings.Count(b, "mix")), cmp.Compare(a, b))
	})
	for _, f := range files {
		if err := compare(w, present, f, rounds); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nstages (go test -bench)\n")
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", stages, "-benchtime", "300ms",
		"./capture/...", "./track/...", "./filter", "./output")
	b, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench: %w\n%s", err, b)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "Benchmark") {
			fmt.Fprint(w, line)
		}
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, text.Bytes(), 0o666)
}

func heading(w io.Writer, rounds int) {
	fmt.Fprintf(w, "%s, %s, %d cores, %s, %d rounds in turn\n", time.Now().UTC().Format(time.DateOnly), cpuModel(), runtime.NumCPU(), runtime.Version(), rounds)
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return runtime.GOARCH
}

// find gives the programs that are there and says which are not.
func find(w io.Writer) ([]program, error) {
	var present []program
	for _, p := range programs {
		command, _, _ := strings.Cut(p.args, " ")
		if _, err := exec.LookPath(command); err != nil {
			fmt.Fprintf(w, "%s is not here (%v)\n", p.name, err)
			if p.name == yardstick {
				return nil, fmt.Errorf("nothing to compare with: %w", err)
			}
			continue
		}
		present = append(present, p)
		if p.flag != "" {
			b, _ := exec.Command(command, p.flag).Output()
			line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
			fmt.Fprintf(w, "%s: %s\n", p.name, line)
		}
	}
	return present, nil
}

// result is what a run cost.
type result struct {
	cpu    time.Duration
	memory int64 // bytes at most
	events int   // that rustnet says it wrote
}

func compare(w io.Writer, present []program, file string, rounds int) error {
	packets, err := count(file)
	if err != nil {
		return err
	}
	size, err := os.Stat(file)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".pcap")
	tenth := strings.HasSuffix(name, "-tenth")
	isMix := strings.HasPrefix(name, "mix")
	here := slices.DeleteFunc(slices.Clone(present), func(p program) bool {
		return p.name != yardstick && p.tenth != tenth || !isMix && !p.floods
	})
	if len(here) < 2 {
		return nil
	}
	runs := map[string][]result{}
	for range rounds {
		for _, p := range here {
			r, err := p.run(file)
			if err != nil {
				return err
			}
			runs[p.name] = append(runs[p.name], r)
		}
	}
	fmt.Fprintf(w, "\n%s: %d packets, %.0f MB\n%-12s %8s %24s %10s %12s %9s\n", name, packets, float64(size.Size())/1e6,
		"", "CPU", "× "+yardstick, "ns/packet", "peak memory", "events")
	for _, p := range here {
		var cpu, ratio []float64
		var memory int64
		for i, r := range runs[p.name] {
			cpu = append(cpu, r.cpu.Seconds())
			ratio = append(ratio, float64(r.cpu)/float64(runs[yardstick][i].cpu))
			memory = max(memory, r.memory)
		}
		slices.Sort(cpu)
		slices.Sort(ratio)
		middle := len(cpu) / 2
		fmt.Fprintf(w, "%-12s %6.2f s %24s %10.0f %9.0f MB", p.name, cpu[middle],
			fmt.Sprintf("%.2f (%.2f to %.2f)", ratio[middle], ratio[0], ratio[len(ratio)-1]),
			cpu[middle]*1e9/float64(packets), float64(memory)/1e6)
		if n := runs[p.name][0].events; n > 0 {
			fmt.Fprintf(w, " %9d", n)
		}
		fmt.Fprintln(w)
	}
	return nil
}

var eventsWritten = regexp.MustCompile(`(\d+) events? written`)

func (p *program) run(file string) (r result, err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	args := strings.Fields(p.args)
	for i, a := range args {
		args[i] = strings.NewReplacer("FILE", file, "DIR", dir).Replace(a)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = &stderr // stdout is /dev/null
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.memory = int64(usage.Maxrss) * 1024
	if m := eventsWritten.FindSubmatch(stderr.Bytes()); m != nil {
		r.events, _ = strconv.Atoi(string(m[1]))
	}
	return r, nil
}

// count reads a whole pcap file as mkbench writes it, and so also brings it into the page cache.
func count(file string) (packets int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf, rest := make([]byte, 1<<20), 24 // bytes until the next record: first the file's header
	var head []byte
	for {
		n, err := f.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			skip := min(rest, len(b))
			b, rest = b[skip:], rest-skip
			if rest > 0 || len(b) == 0 {
				break
			}
			take := min(16-len(head), len(b))
			head, b = append(head, b[:take]...), b[take:]
			if len(head) == 16 {
				packets++
				rest = int(head[8]) | int(head[9])<<8 | int(head[10])<<16
				head = head[:0]
			}
		}
		if err == io.EOF {
			return packets, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
