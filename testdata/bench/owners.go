package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// socketOps is what one connection of shortConnections is to its two programs: connect, accept, two sends, three receives (the last of
// which says that it is over), two closes.
const socketOps = 9

// ownersOf is what programs in the kernel are for who has which socket; a watcher has others for other things.
var ownersOf = []string{"told_", "tell_", "exit_", "probe_"}

// idle is the program that does next to nothing for TCP.
const idle = "end_release"

// hookCost is what a program in the kernel took.
type hookCost struct{ runs, ns uint64 }

// identified is what one run of a watcher took in user space, and its programs in the kernel.
type identified struct {
	user, system time.Duration
	hooks        map[string]hookCost
	what         string
}

// runOwners measures what it costs to know the owners: the same connections, with and without.
func runOwners(_ string, rounds int, out string) error {
	if os.Geteuid() != 0 {
		return errors.New("owners: it makes network namespaces and captures, which only root may (try: sudo)")
	}
	if err := setUp(); err != nil {
		return err
	}
	defer tearDown()
	counted, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return fmt.Errorf("count what programs in the kernel take: %w", err)
	}
	defer counted.Close()
	// Whoever else is busy comes after us, as far as that can be had: their work is in the caches all the same.
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20); err != nil {
		return fmt.Errorf("go before others: %w", err)
	}
	with, without := ownersWatcher("auto"), ownersWatcher("none")
	var on, off []identified
	for range rounds {
		for _, p := range []struct {
			args []string
			to   *[]identified
		}{{with, &on}, {without, &off}} {
			r, err := identify(p.args)
			if err != nil {
				return err
			}
			*p.to = append(*p.to, r)
		}
	}
	var text bytes.Buffer
	w := io.MultiWriter(os.Stdout, &text)
	heading(w, rounds)
	fmt.Fprintf(w, "load %s\n", loadOf())
	fmt.Fprintf(w, "\n%d connections, up to %d a second (%s): what the watcher takes for each. Other work on the machine only adds to it,\n"+
		"so that the least of the rounds is nearest to the cost; medians beside it\n", connections, perSecond, on[0].what)
	fmt.Fprintf(w, "%-20s %10s %10s %10s %10s\n", "", "user", "median", "system", "median")
	var least, middle [2]float64
	for i, r := range []struct {
		name string
		all  []identified
	}{{"rustnet", on}, {"rustnet, no owners", off}} {
		user := each(r.all, func(r identified) time.Duration { return r.user })
		system := each(r.all, func(r identified) time.Duration { return r.system })
		least[i], middle[i] = slices.Min(user), middleOf(user)
		fmt.Fprintf(w, "%-20s %7.1f µs %7.1f µs %7.1f µs %7.1f µs\n", r.name, least[i], middle[i], slices.Min(system), middleOf(system))
	}
	fmt.Fprintf(w, "\nOwners add in user space %.1f µs (median %.1f): of a core, at %d connections a second, %.1f %% (median %.1f %%)\n",
		least[0]-least[1], middle[0]-middle[1], perSecond, (least[0]-least[1])*perSecond/1e4, (middle[0]-middle[1])*perSecond/1e4)
	hooksText(w, on)
	if err := starts(w); err != nil {
		return err
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, text.Bytes(), 0o666)
}

func ownersWatcher(mode string) []string {
	return []string{"./rustnet", "-q", "-i", watchSpace, "--json", "--process", mode}
}

// loadOf says how busy the machine is.
func loadOf() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

func middleOf(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// each gives it in microseconds for one connection.
func each(all []identified, get func(identified) time.Duration) (v []float64) {
	for _, r := range all {
		v = append(v, float64(get(r).Nanoseconds())/1000/connections)
	}
	return v
}

// identify runs the connections while a watcher looks on.
func identify(args []string) (r identified, err error) {
	cmd := inSpace(watchSpace, args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := captures(); err != nil {
		return r, fmt.Errorf("%w\n%s", err, &said)
	}
	time.Sleep(settle)
	user, system := spentIn(cmd.Process.Pid)
	before := hooksOf(cmd.Process.Pid)
	done, err := shortConnections("")
	if err != nil {
		return r, err
	}
	time.Sleep(settle)
	r.hooks = hooksOf(cmd.Process.Pid)
	for name, h := range before {
		r.hooks[name] = hookCost{r.hooks[name].runs - h.runs, r.hooks[name].ns - h.ns}
	}
	r.user, r.system = spentIn(cmd.Process.Pid)
	r.user, r.system, r.what = r.user-user, r.system-system, done.what
	if said.Len() > 0 {
		return r, fmt.Errorf("rustnet said: %s", &said)
	}
	return r, nil
}

// hooksOf gives what the programs took that a process has in the kernel, by name.
func hooksOf(pid int) map[string]hookCost {
	hooks := map[string]hookCost{}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, at := range fds {
		b, _ := os.ReadFile(at)
		var id, runs, ns uint64
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			switch name {
			case "prog_id":
				id = n
			case "run_time_ns":
				ns = n
			case "run_cnt":
				runs = n
			}
		}
		if id == 0 || !bytes.Contains(b, []byte("run_cnt")) { // a link has the first too
			continue
		}
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil {
			hooks[info.Name] = hookCost{runs, ns}
		}
		p.Close()
	}
	return hooks
}

// hooksText says what the programs in the kernel took, and what that is for an operation on a socket.
func hooksText(w io.Writer, all []identified) {
	fmt.Fprintf(w, "\nThe programs in the kernel, by its own count (kernel.bpf_stats_enabled, whose clock is in it)\n%-20s %10s %10s %10s\n", "", "runs", "ns a run", "median")
	var total, net, empty []float64
	for _, r := range all {
		var sum hookCost
		for name, h := range r.hooks {
			if slices.ContainsFunc(ownersOf, func(p string) bool { return strings.HasPrefix(name, p) }) {
				sum.ns += h.ns
				sum.runs += h.runs
			}
		}
		nothing := r.hooks[idle]
		once := float64(nothing.ns) / float64(max(1, nothing.runs))
		total = append(total, float64(sum.ns)/connections/socketOps)
		net = append(net, (float64(sum.ns)-once*float64(sum.runs))/connections/socketOps)
		empty = append(empty, once)
	}
	for _, name := range slices.Sorted(maps.Keys(all[0].hooks)) {
		var runs, mean []float64
		for _, r := range all {
			h := r.hooks[name]
			runs = append(runs, float64(h.runs))
			if h.runs > 0 {
				mean = append(mean, float64(h.ns)/float64(h.runs))
			}
		}
		if len(mean) > 0 {
			fmt.Fprintf(w, "%-20s %10.0f %10.0f %10.0f\n", name, middleOf(runs), slices.Min(mean), middleOf(mean))
		}
	}
	fmt.Fprintf(w, "\nThose for owners (%s), for each of a connection's %d operations on its sockets, all programs of an operation together:\n"+
		"%.0f ns (median %.0f); without the %.0f ns a run that counting takes by itself (%s looks at one number of a TCP socket): %.0f ns (median %.0f)\n",
		strings.Join(ownersOf[:2], ", "), socketOps, slices.Min(total), middleOf(total), slices.Min(empty), idle, slices.Min(net), middleOf(net))
}

// starts measures from the start of rustnet to its first record, with something to be seen all the time.
func starts(w io.Writer) error {
	c, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return err
	}
	defer c.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_, _ = c.Write([]byte("x"))
			}
		}
	}()
	fmt.Fprintln(w)
	for _, mode := range []string{"auto", "none"} {
		var took, cpu []float64
		for range 20 {
			cmd := exec.Command("./rustnet", "-q", "-i", "lo", "--json", "--settle", "0", "-n", "1", "--process", mode)
			begin := time.Now()
			if b, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, b)
			}
			took = append(took, float64(time.Since(begin).Microseconds())/1000)
			r, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			cpu = append(cpu, float64(r.Utime.Nano()+r.Stime.Nano())/1e6)
		}
		fmt.Fprintf(w, "from the start to the end after the first record, --process %s (20 times): median %.0f ms, least %.0f ms; of them CPU %.0f ms, least %.0f ms\n",
			mode, middleOf(took), slices.Min(took), middleOf(cpu), slices.Min(cpu))
	}
	return nil
}
