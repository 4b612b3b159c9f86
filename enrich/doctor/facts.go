package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"rustnet/bpf"
)

// facts are what Linux says of itself and of us. The zero value is that of other systems.
type facts struct {
	linux            bool
	release, machine string
	uid              int
	exe              string // our own program
	setcap, sudo     bool   // the programs are there

	lastCap                        int    // the greatest that the kernel knows
	effective, permitted, bounding uint64 // capabilities of ours
	ofFile                         uint64 // permitted by the program's file
	fileEffective                  bool
	nosuid                         bool // where the program is, the kernel grants nothing by files
	noNewPrivs, seccomp            bool

	container  string   // what runs it, "" = none or not known
	namespaces []string // those that are not the machine's first: user, pid, cgroup, net
	netKnown   bool     // whether ours is the machine's first network namespace
	lockdown   string   // "" = not told
	btf        error    // nil = it is there
	types      string   // file that was given in its stead
	sys        bool     // sysfs is mounted
	cgroup2    string   // where it is mounted, "" = nowhere
	cgroup1    bool     // beside version 1
	cgroupPart bool     // the mount is only a part of the hierarchy
	sysctl     map[string]string
	procs      *processes // nil = not looked at
}

// processes is what can be seen of them.
type processes struct {
	err          error // procfs is not there, or is another PID namespace's
	all, refused int   // of those that are listed, whose descriptors may not be read
	hidepid      string
}

// capability is one of those that are of use.
type capability struct {
	bit  int
	name string
	lost string // without it
}

// Capabilities (include/uapi/linux/capability.h).
const (
	capDACReadSearch = 2
	capNetAdmin      = 12
	capNetRaw        = 13
	capSysPtrace     = 19
	capSysAdmin      = 21 // of no use to us, but what mounts need
	capPerfmon       = 38
	capBPF           = 39
)

var useful = []capability{
	{capNetRaw, "cap_net_raw", "packets"},
	{capBPF, "cap_bpf", "exact owners"},
	{capPerfmon, "cap_perfmon", "exact owners"},
	{capNetAdmin, "cap_net_admin", "hooks on control groups, and NAT"},
	{capSysPtrace, "cap_sys_ptrace", "what /proc says of other users' processes"},
	{capDACReadSearch, "cap_dac_read_search", "what /proc says of other users' processes"},
}

// What one thing or another needs, as sets.
const (
	forPrograms = 1<<capBPF | 1<<capPerfmon | 1<<capNetAdmin
	forOwners   = 1<<capSysPtrace | 1<<capDACReadSearch
	forAll      = forPrograms | forOwners | 1<<capNetRaw
)

// names lists those of a set that are of use.
func names(set uint64) (list []string) {
	for _, c := range useful {
		if set&(1<<c.bit) != 0 {
			list = append(list, c.name)
		}
	}
	return list
}

// wanted is the set of those that are of use and that the kernel knows: some came with Linux 5.8.
func (f *facts) wanted() uint64 { return forAll & (1<<(f.lastCap+1) - 1) }

// gain is the command that gives us the capabilities that are of use; "" when there is none, and then why.
func (f *facts) gain() (mend, why string) {
	want := f.wanted()
	out := strings.Join(names(want&^f.bounding), ", ")
	switch {
	case f.effective&want == want:
		return "", ""
	case slices.Contains(f.namespaces, "user"):
		return "", "capabilities of a user namespace count only within it: run it outside, as root"
	case f.bounding&want != want && f.container != "":
		return "", fmt.Sprintf("the container was started without %s: give it --cap-add for each, and --pid=host --network=host --cgroupns=host to see the machine", out)
	case f.bounding&want != want:
		return "", fmt.Sprintf("no program of this session can have %s (bounding set)", out)
	case f.noNewPrivs:
		return "", "no_new_privs is set, so that neither sudo nor the file can give any (of a service: NoNewPrivileges=no)"
	case f.uid == 0:
		return "", "whoever started it took them away"
	case f.nosuid || !f.setcap || f.exe == "":
		return f.becomeRoot(), ""
	}
	return f.asRoot("setcap " + strings.Join(names(want), ",") + "+ep " + quote(f.exe)), ""
}

// becomeRoot is the command that runs it with everything.
func (f *facts) becomeRoot() string {
	if f.uid == 0 || f.exe == "" {
		return ""
	}
	return f.asRoot(quote(f.exe))
}

// asRoot is a command as the machine's root gives it, "" where nobody here can be that.
func (f *facts) asRoot(command string) string {
	switch {
	case !f.linux || slices.Contains(f.namespaces, "user") || f.bounding&(1<<capSysAdmin) == 0 || f.uid != 0 && f.noNewPrivs:
		return ""
	case f.uid == 0:
		return command
	case f.sudo:
		return "sudo " + command
	}
	return "su -c " + quote(command)
}

// quote makes a word of the shell's.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:=@%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// mend is the command that helps against an error of a hook's.
func (f *facts) mend(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		mend, _ := f.gain()
		return mend
	case errors.Is(err, bpf.ErrNoCgroups):
		return f.mountCgroups()
	}
	return ""
}

// seesAll tells whether /proc shows every process and its descriptors.
func (f *facts) seesAll() bool {
	return f.procs != nil && f.procs.err == nil && f.procs.refused == 0 && (f.procs.hidepid == "" || f.effective&(1<<capSysPtrace) != 0)
}

// refused says why something is not permitted, which the set of capabilities is needed for.
func (f *facts) refused(need uint64) string {
	missing := need & f.wanted() &^ f.effective
	switch {
	case missing != 0:
		return "not permitted: needs " + strings.Join(names(missing), ", ")
	case slices.Contains(f.namespaces, "user"):
		return "not permitted: the capabilities count only within this user namespace"
	case f.seccomp:
		return "not permitted, though the capabilities are there: a seccomp filter is set (of a container: --security-opt seccomp=unconfined)"
	}
	return "not permitted, though the capabilities are there: a security module or lockdown refuses"
}

// checks are about what the rest rests on.
func (f *facts) checks() []Check {
	if !f.linux {
		return []Check{{Name: "system", Status: Info, Detail: platform}}
	}
	all := []Check{
		{Name: "kernel", Status: Info, Detail: "Linux " + f.release + " " + f.machine},
		f.namespaceCheck(),
		f.capabilityCheck(),
		f.fileCheck(),
	}
	if f.noNewPrivs {
		c := Check{Name: "no_new_privs", Status: Info, Detail: "set: no program that is started gains anything"}
		if f.wanted()&^f.effective != 0 {
			c.Status, c.Lost = Limited, "what capabilities of the file, or sudo, would give"
		}
		all = append(all, c)
	} else {
		all = append(all, Check{Name: "no_new_privs", Status: Info, Detail: "not set"})
	}
	if f.seccomp {
		all = append(all, Check{Name: "seccomp", Status: Info, Detail: "a filter is set: it may refuse system calls"})
	} else {
		all = append(all, Check{Name: "seccomp", Status: Info, Detail: "no filter"})
	}
	return append(append(all, f.lockdownCheck(), f.btfCheck(), f.cgroupCheck()), f.sysctlChecks()...)
}

func (f *facts) namespaceCheck() Check {
	c := Check{Name: "namespaces", Status: Info, Detail: "user, pid, cgroup, net are the machine's own"}
	if len(f.namespaces) > 0 {
		c.Detail = "not the machine's own: " + strings.Join(f.namespaces, ", ")
	}
	switch {
	case f.procs.err != nil:
		c.Detail = "not told without /proc"
	case !f.netKnown:
		c.Detail = strings.Replace(c.Detail, ", net", "", 1) + "; of net it is not told"
	}
	if f.container != "" {
		c.Detail += "; in a container of " + f.container
	}
	var lost []string
	for _, n := range f.namespaces {
		lost = append(lost, map[string]string{
			"user":   "what needs capabilities outside",
			"pid":    "processes outside",
			"cgroup": "what the hooks on control groups tell of sockets outside",
			"net":    "interfaces and connections outside",
		}[n])
	}
	if len(lost) > 0 {
		c.Status, c.Lost = Limited, strings.Join(lost, "; ")
	}
	return c
}

func (f *facts) capabilityCheck() Check {
	c := Check{Name: "capabilities", Status: OK, Detail: "effective: " + strings.Join(names(f.effective), ", ")}
	missing := f.wanted() &^ f.effective
	if missing == 0 {
		return c
	}
	if f.effective&forAll == 0 {
		c.Detail = "effective: none of use"
	}
	c.Status = Limited
	if ready := missing & f.permitted; ready != 0 {
		c.Detail += "; permitted but not effective: " + strings.Join(names(ready), ", ")
	}
	var why string
	if c.Mend, why = f.gain(); why != "" {
		c.Detail += "; " + why
	}
	var lost []string
	for _, u := range useful {
		if missing&(1<<u.bit) != 0 && !slices.Contains(lost, u.lost) {
			lost = append(lost, u.lost)
		}
	}
	c.Lost = strings.Join(lost, "; ")
	return c
}

func (f *facts) fileCheck() Check {
	c := Check{Name: "file capabilities", Status: Info, Detail: "none"}
	if f.ofFile != 0 {
		c.Detail = strings.Join(names(f.ofFile), ", ")
		if rest := f.ofFile &^ forAll; rest != 0 {
			c.Detail += " and others"
		}
		if !f.fileEffective {
			c.Detail += " (not made effective: needs +ep)"
		}
	}
	if f.exe != "" {
		c.Detail += " on " + f.exe
	}
	if f.nosuid {
		c.Detail += "; its file system is mounted nosuid, where the kernel grants none"
	}
	return c
}

func (f *facts) lockdownCheck() Check {
	c := Check{Name: "lockdown", Status: Info, Detail: f.lockdown}
	switch f.lockdown {
	case "":
		c.Detail = "not told: the kernel has none, or securityfs is not mounted"
	case "confidentiality":
		c.Status, c.Lost = Limited, "exact owners: programs may not read what they tell"
		c.Detail += ": only another boot changes that (lockdown=none, or secure boot off)"
	}
	return c
}

func (f *facts) btfCheck() Check {
	c := Check{Name: "btf", Status: OK, Detail: "/sys/kernel/btf/vmlinux"}
	switch {
	case f.types != "" && f.btf == nil:
		c.Detail = f.types + " (--btf), instead of the kernel's own"
		return c
	case f.types != "":
		c.Detail = f.types + " (--btf), for want of the kernel's own"
		return c
	case f.btf == nil:
		return c
	}
	c.Status, c.Detail, c.Lost = Limited, f.btf.Error(), "exact owners: the programs fit the kernel by it"
	if !f.sys {
		c.Detail, c.Mend = "sysfs is not mounted", f.asRoot("mount -t sysfs sysfs /sys")
	} else {
		c.Detail += " (kernels are built with it by CONFIG_DEBUG_INFO_BTF; for one without it, give a file of it: --btf)"
	}
	return c
}

// mountCgroups makes a mount of version 2 where nothing else is.
func (f *facts) mountCgroups() string {
	return f.asRoot("sh -c 'mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2'")
}

func (f *facts) cgroupCheck() Check {
	c := Check{Name: "cgroup2", Status: OK, Detail: f.cgroup2}
	switch {
	case f.cgroup2 == "":
		c.Status, c.Detail = Limited, "not mounted"
		c.Lost = "hooks on control groups: unconnected UDP, when sockets close"
		c.Mend = f.mountCgroups()
	case f.cgroupPart:
		c.Status, c.Lost = Limited, "what the hooks on control groups tell of sockets in others"
		c.Detail += ", a part of the hierarchy only"
	case f.cgroup1:
		c.Detail += " (beside version 1)"
	}
	return c
}

func (f *facts) sysctlChecks() (all []Check) {
	for _, s := range []struct{ name, note string }{
		{"kernel.unprivileged_bpf_disabled", "of no matter to programs with cap_bpf"},
		{"kernel.perf_event_paranoid", "of no matter: none of the programs is a perf event"},
		{"net.core.bpf_jit_enable", "programs run as machine code"},
	} {
		value, ok := f.sysctl[s.name]
		if !ok {
			continue
		}
		c := Check{Name: s.name[strings.LastIndexByte(s.name, '.')+1:], Status: Info, Detail: value + ", " + s.note}
		if s.name == "net.core.bpf_jit_enable" && value == "0" {
			c.Status, c.Detail, c.Lost = Limited, "0: programs are interpreted", "time: each use of a socket costs some microseconds more"
			c.Mend = f.asRoot("sysctl -w net.core.bpf_jit_enable=1")
		}
		all = append(all, c)
	}
	return all
}

func (f *facts) procCheck() Check {
	c := Check{Name: "procfs", Status: OK}
	p := f.procs
	lost := "owners that only /proc tells, and what it completes (working directory, labels) of other users' processes"
	switch {
	case p.err != nil:
		c.Status, c.Detail, c.Lost = Limited, p.err.Error(), lost
		c.Mend = f.asRoot("mount -t proc proc /proc")
		return c
	case p.refused == 0:
		c.Detail = fmt.Sprintf("descriptors of all %s can be read", count(p.all, "process", "processes"))
	default:
		c.Status, c.Lost = Limited, lost
		c.Detail = fmt.Sprintf("descriptors of %d of %s can be read", p.all-p.refused, count(p.all, "process", "processes"))
	}
	if p.hidepid != "" {
		c.Detail += "; mounted with hidepid=" + p.hidepid
		if f.effective&(1<<capSysPtrace) == 0 {
			c.Status, c.Lost = Limited, lost
		}
	}
	if c.Status == Limited {
		c.Mend, _ = f.gain()
	}
	return c
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
