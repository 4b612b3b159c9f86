package enrich

import (
	"math/bits"

	"rustnet/track/event"
)

// program is what is known of a process and the program that it runs.
type program struct {
	comm, exe  string
	exeDeleted bool
	args       string // each ended by a zero
	ppid       uint32
	parent     string   // full name
	ancestors  []string // the parent first
	cgroup     *event.Cgroup
	security   event.Security
	followed   bool // see Config.Follow; only where procfs says so
}

// proc makes the value that is published.
func (p *program) proc(pid, uid uint32, user, source string, netns uint32) *event.Proc {
	return &event.Proc{PID: pid, PPID: p.ppid, HasUID: true, UID: uid, User: user, Source: source, NetNS: netns,
		Name: fullName(p.comm, p.exe, []byte(p.args)), Exe: p.exe, ExeDeleted: p.exeDeleted, Cmdline: joinArgs([]byte(p.args)),
		Parent: p.parent, Ancestors: p.ancestors, Cgroup: p.cgroup, Security: p.security, Followed: p.followed}
}

// firstUserNS is the inode of the machine's first user namespace (PROC_USER_INIT_INO, include/linux/proc_ns.h).
const firstUserNS = 0xeffffffd

// securityOf puts what the kernel or procfs tells into words.
func securityOf(caps uint64, userns uint32, seccomp uint8, noNewPrivs bool, label string) event.Security {
	s := event.Security{Known: true, Caps: capNames(caps), UserNS: userns, NoNewPrivs: noNewPrivs, Label: label}
	if userns == firstUserNS {
		s.UserNS = 0
	}
	if int(seccomp) < len(event.SeccompModes) {
		s.Seccomp = event.SeccompModes[seccomp]
	}
	return s
}

// allCaps are those of kernels from 5.9 on. Before, there were three fewer, which a process of such a kernel is told by name.
const allCaps = 1<<len(event.Capabilities) - 1

var everyCap = []string{"all"}

// capNames lists a set's capabilities. Numbers that have no name here are left out.
func capNames(set uint64) []string {
	if set&allCaps == allCaps {
		return everyCap
	}
	names := make([]string, 0, bits.OnesCount64(set))
	for i, name := range event.Capabilities {
		if set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
