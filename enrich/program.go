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
	if int(seccomp) < len(seccompModes) {
		s.Seccomp = seccompModes[seccomp]
	}
	return s
}

var seccompModes = [...]string{"disabled", "strict", "filter"} // SECCOMP_MODE_

// capabilities are those of capabilities(7), by number.
var capabilities = [...]string{"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
	"cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
	"cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace",
	"cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time", "cap_sys_tty_config",
	"cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin",
	"cap_syslog", "cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore"}

// allCaps are those of kernels from 5.9 on. Before, there were three fewer, which a process of such a kernel is told by name.
const allCaps = 1<<len(capabilities) - 1

var everyCap = []string{"all"}

// capNames lists a set's capabilities. Numbers that have no name here are left out.
func capNames(set uint64) []string {
	if set&allCaps == allCaps {
		return everyCap
	}
	names := make([]string, 0, bits.OnesCount64(set))
	for i, name := range capabilities {
		if set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
