// Package doctor finds out what of rustnet works on this machine for whoever runs it: it opens everything
// that a live run opens, looks at what came of it, and closes it again. Of what does not work it says what is lost
// without it, and the command that mends it where there is one.
package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"rustnet/bpf"
	"rustnet/capture/live"
	"rustnet/capture/sockets"
	"rustnet/enrich"
)

// Status is what came of a check.
type Status string

// They are in the JSON as they are here.
const (
	OK      Status = "ok"      // works
	Info    Status = "info"    // a fact that nothing has to be done about
	Unused  Status = "unused"  // another does its work
	Limited Status = "limited" // works with less than there could be, or something lesser does its work
	Failed  Status = "failed"  // does not work
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Lost   string `json:"lost,omitempty"` // what is not there without it
	Mend   string `json:"mend,omitempty"` // a command line for a shell
}

// Main is the name of the last check: whether packets are captured and their owners found.
const Main = "main"

// Config says how a run would be started.
type Config struct {
	Live    live.Config
	Process string // enrich's mode, or "none"
	Types   string // file with the kernel's types, "" = none was given
}

// Examine looks at everything. Nothing of what it opens stays open.
func Examine(cfg Config) []Check {
	cfg.Live.Warn = nil
	x := examination{cfg: cfg, facts: system("/")}
	x.facts.types = cfg.Types
	if src, err := live.Open(cfg.Live); err != nil {
		x.captureErr = err
	} else {
		src.Close()
	}
	if x.cfg.Live.Bypass {
		x.countErr = counts()
	}
	x.devices, x.devicesErr = live.Interfaces()
	if cfg.Process != "none" {
		x.owners()
	}
	if conns, err := sockets.OpenAll(); len(conns) == 0 {
		x.tablesErr = err
	} else {
		x.namespaces, x.namespacesErr = len(conns), err
		for _, c := range conns {
			c.Close()
		}
	}
	return x.judge()
}

// examination is what was found, before it is judged.
type examination struct {
	cfg   Config
	facts facts

	captureErr error
	countErr   error // packets of long connections are not counted in the kernel
	devices    []live.Device
	devicesErr error

	ownersErr error // there is nothing that finds them
	hooks     []bpf.Hook
	hooksErr  error
	natErr    error
	exact     bool
	rung      string // process_source of what the kernel tells
	older     error  // why its programs are those for older kernels, nil = they are not

	ends    []bpf.Hook // of the programs that tell of the ends of sockets
	endsErr error      // there are none

	tablesErr     error
	namespaces    int
	namespacesErr error
}

func (x *examination) owners() {
	stage, err := enrich.New(enrich.Config{Mode: x.cfg.Process, Types: x.cfg.Types})
	if err != nil {
		x.ownersErr = err
		return
	}
	defer stage.Close()
	x.hooks, x.hooksErr = stage.Hooks()
	x.natErr, x.exact = stage.NAT(), stage.Exact()
	x.rung, x.older = stage.Rung()
	if x.cfg.Process == enrich.ModeProcFS {
		return
	}
	ends, err := bpf.OpenEnds(bpf.Config{Types: x.cfg.Types})
	if err != nil {
		x.endsErr = err
		return
	}
	x.ends = ends.Report()
	ends.Close()
}

// judge makes the checks of what was found.
func (x *examination) judge() []Check {
	all, interfaces := x.facts.checks(), x.interfaces()
	if !x.facts.linux {
		return append(all, x.elsewhere(), x.tables(), x.capture(), interfaces, x.main(interfaces))
	}
	if x.cfg.Process != "none" {
		all = append(all, x.hookChecks()...)
		all = append(all, x.ebpf(), x.ofSockets())
		if x.facts.procs != nil {
			all = append(all, x.facts.procCheck())
		}
		all = append(all, x.conntrack())
	}
	return append(all, x.tables(), x.bypass(), x.capture(), interfaces, x.main(interfaces))
}

// elsewhere is what finds owners on other systems than Linux: the socket tables, where they can be read.
func (x *examination) elsewhere() Check {
	c := Check{Name: "processes", Status: OK, Detail: "the socket tables tell the process of each socket"}
	switch {
	case x.cfg.Process == "none":
		c.Status, c.Detail = Info, "switched off by --process none"
	case x.ownersErr != nil:
		c.Status, c.Detail, c.Lost = Failed, x.ownersErr.Error(), "the process of every connection"
	}
	return c
}

// withoutPackets is what is lost where none are captured and there are socket tables.
const withoutPackets = "names, applications, packets, bytes, peers of unconnected sockets: only the socket tables are left"

// hookName is what the names of their checks begin with.
const hookName = "hook "

func (x *examination) hookChecks() (all []Check) {
	for _, h := range x.hooks {
		c := Check{Name: hookName + h.At, Status: OK, Detail: "attached"}
		switch {
		case h.Unneeded:
			c.Status, c.Detail = Unused, "not needed beside "+x.placesOf(h.InsteadOf, true)
		case h.Err != nil && len(h.By) > 0 && h.Lost == "":
			c.Status, c.Detail = Unused, h.Why()+": "+list(h.By)+" in its stead"
		case h.Err != nil:
			c.Status, c.Detail, c.Lost = Limited, h.Why(), h.Lost
			if len(h.By) > 0 {
				c.Detail += ": " + list(h.By) + " in its stead, with less"
			}
			c.Mend = x.facts.mend(h.Err)
		case x.placesOf(h.InsteadOf, false) != "": // which may not be among these programs
			c.Detail = "attached in the stead of " + x.placesOf(h.InsteadOf, false)
		}
		all = append(all, c)
	}
	return all
}

// placesOf names programs by where they are attached; with inUse those that do the work of one that is not.
func (x *examination) placesOf(names []string, inUse bool) string {
	var at []string
	for _, h := range x.hooks {
		places := []string{h.At}
		switch {
		case !slices.Contains(names, h.Name):
			continue
		case inUse && h.Err != nil && len(h.By) > 0:
			places = h.By
		}
		for _, p := range places {
			if !slices.Contains(at, p) {
				at = append(at, p)
			}
		}
	}
	return list(at)
}

// list joins names as in a sentence.
func list(names []string) string {
	if n := len(names) - 1; n > 1 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return strings.Join(names, " and ")
}

func (x *examination) ebpf() Check {
	c := Check{Name: "ebpf", Status: OK}
	inUse, refused := 0, 0
	for _, h := range x.hooks {
		switch {
		case h.Err == nil && !h.Unneeded:
			inUse++
		case h.Lost != "":
			refused++
		}
	}
	switch {
	case x.ownersErr != nil:
		c.Status, c.Detail = Failed, x.ownersErr.Error()
		c.Lost = "the process of every connection"
	case x.cfg.Process == enrich.ModeProcFS:
		c.Status, c.Detail = Info, "switched off by --process "+x.cfg.Process
	case inUse == 0:
		c.Status, c.Detail = Failed, x.hooksErr.Error()
		if errors.Is(x.hooksErr, fs.ErrPermission) {
			c.Detail = x.facts.refused(forPrograms)
		}
		c.Lost = "exact owners: they come from the socket tables and /proc, where programs that end within milliseconds are missed"
		c.Mend = x.facts.mend(x.hooksErr)
	case !x.exact:
		c.Status, c.Detail = Limited, fmt.Sprintf("%s attached, but not those that tell of every use of a socket", count(inUse, "program", "programs"))
		c.Lost = "owners of some connections: they come from the socket tables and /proc"
	case x.hooksErr != nil:
		c.Status, c.Detail = Limited, fmt.Sprintf("%s attached; %v", count(inUse, "program", "programs"), x.hooksErr)
		c.Lost = "exact owners of sockets that were open before the start"
	case refused > 0:
		c.Status, c.Detail = Limited, fmt.Sprintf("%d programs attached, %d refused: every connection's owner is told", inUse, refused)
	default:
		c.Detail = fmt.Sprintf("%d programs attached: every connection's owner is told by the kernel", inUse)
	}
	if inUse > 0 {
		c.Detail += x.aboutRung()
	}
	return c
}

// aboutRung says which rung of the ladder is in use, and why it is not the best.
func (x *examination) aboutRung() string {
	said := "; process_source is " + x.rung
	switch {
	case x.older != nil:
		said += ", by the programs for kernels before 5.12: " + x.older.Error()
	case x.rung != "ebpf":
		for _, h := range x.hooks {
			if h.Err != nil && len(h.By) > 0 {
				return said + ", since there is no " + h.At + ": " + h.Why()
			}
		}
	}
	return said
}

// ofSockets is about the ends of sockets.
func (x *examination) ofSockets() Check {
	c := Check{Name: "ends", Status: OK, Detail: "the end of every socket is told by the kernel"}
	var why, lost []string
	for _, h := range x.ends {
		if h.Err != nil {
			why, lost = append(why, h.At+": "+h.Why()), append(lost, h.Lost)
			c.Mend = x.facts.mend(h.Err)
		}
	}
	switch {
	case x.ownersErr != nil || x.cfg.Process == enrich.ModeProcFS || x.endsErr != nil && x.hooksErr != nil:
		c.Status, c.Detail, c.Lost = Limited, "only together with eBPF", "ends of connections that packets do not show (UDP, attempts that are given up): they come with silence"
	case x.endsErr != nil:
		c.Status, c.Detail, c.Lost = Limited, x.endsErr.Error(), "ends of connections that packets do not show (UDP, attempts that are given up): they come with silence"
		c.Mend = x.facts.mend(x.endsErr)
	case len(why) > 0:
		c.Status, c.Detail, c.Lost = Limited, strings.Join(why, "; "), strings.Join(lost, "; ")
	}
	return c
}

// counts tells whether the kernel takes filters that count.
func counts() error {
	b, err := bpf.OpenBypass()
	if err != nil {
		return err
	}
	defer b.Close()
	_, err = b.Filter(nil, live.DefaultSnapLen)
	return err
}

// bypass is about long connections, where packets are captured.
func (x *examination) bypass() Check {
	c := Check{Name: "bypass", Status: OK, Detail: "packets of long connections are counted in the kernel"}
	switch {
	case !x.cfg.Live.Bypass:
		c.Status, c.Detail = Info, "switched off by --no-bypass"
	case x.countErr != nil:
		c.Status, c.Detail, c.Mend = Limited, x.countErr.Error(), x.facts.mend(x.countErr)
		c.Lost = "nothing that is shown: each packet of long connections is handed over, which costs CPU"
	}
	return c
}

func (x *examination) conntrack() Check {
	c := Check{Name: "conntrack", Status: OK, Detail: "connections that this machine's NAT changes are followed"}
	lost := "which process is behind connections that this machine's NAT changes (containers behind a bridge, published ports)"
	switch {
	case x.ownersErr != nil || x.cfg.Process == enrich.ModeProcFS, x.hooksErr != nil && x.natErr == x.hooksErr:
		c.Status, c.Detail, c.Lost = Limited, "only together with eBPF", lost
	case errors.Is(x.natErr, fs.ErrPermission):
		c.Status, c.Detail, c.Lost = Limited, x.facts.refused(1<<capNetAdmin), lost
		c.Mend, _ = x.facts.gain()
	case x.natErr != nil:
		c.Status, c.Detail = Info, x.natErr.Error()
	}
	return c
}

func (x *examination) tables() Check {
	c := Check{Name: "socket tables", Status: OK}
	switch {
	case x.tablesErr != nil:
		c.Status, c.Detail = Failed, x.tablesErr.Error()
		c.Lost = "rustnet snapshot, and owners that the kernel does not tell by itself"
	case x.namespacesErr != nil:
		c.Status, c.Detail = Limited, x.namespacesErr.Error()
		c.Lost = "connections of containers in rustnet snapshot"
		c.Mend = x.facts.becomeRoot()
	case x.facts.linux:
		c.Detail = "of " + count(x.namespaces, "network namespace", "network namespaces")
	default:
		c.Detail = "TCP, and the local ends of UDP"
	}
	return c
}

func (x *examination) capture() Check {
	c := Check{Name: "packets", Status: OK}
	switch {
	case errors.Is(x.captureErr, fs.ErrPermission) && x.facts.linux:
		c.Status, c.Detail = Failed, "packet socket "+x.facts.refused(1<<capNetRaw)
		c.Mend, _ = x.facts.gain()
	case x.captureErr != nil:
		c.Status, c.Detail = Failed, x.captureErr.Error()
	case !x.facts.linux:
		c.Detail = "read from the interfaces"
	default:
		size := x.cfg.Live.RingBytes
		if size == 0 {
			size = live.DefaultRing()
		}
		c.Detail = fmt.Sprintf("packet socket and a ring of %d MiB opened", size>>20)
	}
	switch {
	case c.Status != Failed:
	case x.tablesErr != nil:
		c.Lost = "all connections of this machine"
	default:
		c.Lost = withoutPackets
	}
	return c
}

func (x *examination) interfaces() Check {
	c := Check{Name: "interfaces", Status: OK}
	if x.devicesErr != nil {
		c.Status, c.Detail = Failed, x.devicesErr.Error()
		return c
	}
	var up, down []string
	named := x.cfg.Live.Interfaces
	if slices.Contains(named, "any") {
		named = nil
	}
	for _, d := range x.devices {
		switch {
		case len(named) > 0 && !slices.ContainsFunc(named, d.Called):
		case d.Up:
			up = append(up, d.Name)
		default:
			down = append(down, d.Name)
		}
	}
	if len(up) == 0 {
		c.Status, c.Detail, c.Lost = Failed, "none is up", "all packets"
		if len(named) > 0 {
			c.Detail = "none of " + strings.Join(named, ", ") + " is up"
		}
	} else {
		c.Detail = "up: " + strings.Join(up, ", ")
	}
	if len(down) > 0 {
		c.Detail += "; captured as soon as they are up: " + strings.Join(down, ", ")
	}
	return c
}

// main judges what rustnet is for: packets, and the processes that they belong to.
func (x *examination) main(interfaces Check) Check {
	c := Check{Name: Main, Status: OK}
	var owners string
	switch {
	case x.cfg.Process == "none":
		owners = "owners are not asked for"
	case x.exact:
		owners = "the kernel tells the exact owner of each"
	case x.ownersErr == nil && !x.facts.linux:
		c.Status, owners = Limited, "owners come from the socket tables, so that those of short-lived programs may be missed"
	case x.ownersErr == nil && x.facts.seesAll():
		c.Status, owners = Limited, "owners come from the socket tables and /proc, so that those of short-lived programs may be missed"
	case x.ownersErr == nil:
		c.Status, owners = Failed, "owners are only found among your own processes"
	default:
		c.Status, owners = Failed, "owners are not found"
	}
	switch {
	case x.captureErr != nil && x.tablesErr != nil:
		c.Status, c.Detail = Failed, "connections of this machine are not seen; files can be read (-r, --from)"
	case x.captureErr != nil:
		c.Status, c.Detail = Failed, "no packets, only TCP connections from the socket tables; "+owners
	case interfaces.Status == Failed:
		c.Status, c.Detail = Failed, "packets could be captured, but there are none: no interface is up"
	default:
		c.Detail = "connections are captured; " + owners
	}
	if c.Status != OK {
		c.Mend, _ = x.facts.gain()
	}
	return c
}

// Works tells whether the main job can be done.
func Works(all []Check) bool { return all[len(all)-1].Status != Failed }

var platform = runtime.GOOS + "/" + runtime.GOARCH
