package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
)

// system reads the facts. What it cannot read, it leaves out.
func system(root string) facts {
	f := facts{linux: true, uid: os.Geteuid(), lockdown: bpf.Lockdown(), procs: &processes{}}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		f.release, f.machine = unix.ByteSliceToString(name.Release[:]), unix.ByteSliceToString(name.Machine[:])
	}
	f.readRights()
	f.setcap, f.sudo = installed("setcap"), installed("sudo")
	f.readProgram()
	// Not by prctl(2), which a filter may punish.
	if status, err := os.ReadFile(root + "proc/self/status"); err == nil {
		f.seccomp = strings.Contains(string(status), "\nSeccomp:\t2\n")
	}
	if mounts, err := os.ReadFile(root + "proc/self/mountinfo"); err == nil {
		f.parseMounts(string(mounts))
	}
	if at, err := bpf.CgroupRoot(); err == nil {
		f.cgroup2 = at
	}
	f.readNamespaces(root)
	_, f.btf = os.Stat(root + "sys/kernel/btf/vmlinux")
	f.sysctl = map[string]string{}
	for _, name := range []string{"kernel.unprivileged_bpf_disabled", "kernel.perf_event_paranoid", "net.core.bpf_jit_enable"} {
		if b, err := os.ReadFile(root + "proc/sys/" + strings.ReplaceAll(name, ".", "/")); err == nil {
			f.sysctl[name] = strings.TrimSpace(string(b))
		}
	}
	f.procs.count(root + "proc")
	return f
}

// installed also looks where administrators' programs are, which not every user's PATH names.
func installed(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if unix.Access(dir+program, unix.X_OK) == nil {
			return true
		}
	}
	return false
}

// readProgram finds our own file, and what the kernel grants by it.
func (f *facts) readProgram() {
	exe, err := os.Executable()
	if err != nil {
		return
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	var st unix.Statfs_t
	if unix.Statfs(exe, &st) != nil {
		return // it was deleted
	}
	f.exe = exe
	f.nosuid = st.Flags&unix.ST_NOSUID != 0
	var b [64]byte
	if n, err := unix.Getxattr(exe, "security.capability", b[:]); err == nil {
		f.ofFile, f.fileEffective = parseFileCaps(b[:n])
	}
}

// parseFileCaps reads struct vfs_cap_data (include/uapi/linux/capability.h): version and flag, then permitted
// and inheritable in words, two of each since version 2.
func parseFileCaps(b []byte) (permitted uint64, effective bool) {
	if len(b) < 12 {
		return 0, false
	}
	magic := binary.LittleEndian.Uint32(b)
	permitted = uint64(binary.LittleEndian.Uint32(b[4:]))
	if magic>>24 >= 2 && len(b) >= 20 {
		permitted |= uint64(binary.LittleEndian.Uint32(b[12:])) << 32
	}
	return permitted, magic&1 != 0
}

// readRights asks what we may, of the calling thread, as all are.
func (f *facts) readRights() {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) == nil {
		f.effective = uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
		f.permitted = uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted)
	}
	f.lastCap = -1
	for c := range 64 {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil {
			break // more than this kernel knows
		}
		f.lastCap = c
		f.bounding |= uint64(in) << c
	}
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	f.noNewPrivs = err == nil && set != 0
}

// parseMounts takes from proc_pid_mountinfo(5): ID, parent, device, root, mount point, options, more of them
// up to a dash, type, source, options of the file system.
func (f *facts) parseMounts(text string) {
	for line := range strings.Lines(text) {
		mount, kind, ok := strings.Cut(line, " - ")
		m, k := strings.Fields(mount), strings.Fields(kind)
		if !ok || len(m) < 6 || len(k) < 3 {
			continue
		}
		switch k[0] {
		case "cgroup":
			f.cgroup1 = true
		case "cgroup2":
			if f.cgroup2 == "" {
				f.cgroup2, f.cgroupPart = m[4], m[3] != "/"
			}
		case "sysfs":
			f.sys = f.sys || m[4] == "/sys"
		case "proc":
			if m[4] == "/proc" {
				f.procs.hidepid = hidepid(k[2])
			}
		}
	}
}

// hidepid is the option of procfs, "" where all processes are shown.
func hidepid(options string) string {
	for o := range strings.SplitSeq(options, ",") {
		if v, ok := strings.CutPrefix(o, "hidepid="); ok && v != "0" && v != "off" {
			return v
		}
	}
	return ""
}

// The inodes that the machine's first namespaces have (include/linux/proc_ns.h).
var first = map[string]string{"user": "user:[4026531837]", "pid": "pid:[4026531836]", "cgroup": "cgroup:[4026531835]"}

func (f *facts) readNamespaces(root string) {
	for _, name := range []string{"user", "pid", "cgroup"} {
		if at, err := os.Readlink(root + "proc/self/ns/" + name); err == nil && at != first[name] {
			f.namespaces = append(f.namespaces, name)
			f.cgroupPart = f.cgroupPart || name == "cgroup"
		}
	}
	f.netKnown = true
	own, err := os.Readlink(root + "proc/self/ns/net")
	init, ierr := os.Readlink(root + "proc/1/ns/net")
	switch { // only since Linux 6.18 has the first one a number of its own
	case err == nil && own == "net:[4026531833]":
	case err == nil && ierr == nil && own == init && !slices.Contains(f.namespaces, "pid"):
	case err == nil && ierr == nil && own != init:
		f.namespaces = append(f.namespaces, "net")
	default:
		f.netKnown = false
	}
	for path, name := range map[string]string{"run/.containerenv": "podman", ".dockerenv": "docker"} {
		if _, err := os.Stat(root + path); err == nil && len(f.namespaces) > 0 { // the file alone may be an image's that was booted
			f.container = name
		}
	}
}

// count looks at every process's descriptors.
func (p *processes) count(proc string) {
	if self, err := os.Readlink(proc + "/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		p.err = errors.New("/proc is not mounted, or is that of another PID namespace")
		return
	}
	all, err := os.ReadDir(proc)
	if err != nil {
		p.err = fmt.Errorf("list processes: %w", err)
		return
	}
	for _, d := range all {
		if _, err := strconv.Atoi(d.Name()); err != nil {
			continue
		}
		switch err := readable(proc + "/" + d.Name() + "/fd"); {
		case err == nil:
			p.all++
		case errors.Is(err, fs.ErrPermission):
			p.all++
			p.refused++
		}
	}
}

// readable tells whether a process's descriptors can be listed, and one of them looked at.
func readable(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, _ := d.Readdirnames(1)
	if len(names) == 0 {
		return nil
	}
	_, err = os.Readlink(dir + "/" + names[0])
	if errors.Is(err, fs.ErrNotExist) {
		return nil // closed since
	}
	return err
}
