package enrich

import (
	"errors"
	"net/netip"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"rustnet/track/event"
)

// sourceTable is what process_source says here: GetExtendedTcpTable of IP Helper gives a socket's process.
const sourceTable = "iphlpapi"

// index knows processes by the PIDs that the socket tables give.
type index struct {
	now   func() time.Time
	procs map[uint32]*process
	names map[string]string // accounts by their SIDs
	all   map[uint32]entry  // every process there is
	read  time.Time         // when all was
}

// process is what is remembered of one PID.
type process struct {
	made    int64 // when it began, nanoseconds since the epoch; 0 where we may not ask
	name    string
	checked time.Time
	proc    *event.Proc
	waits   *event.Proc // the same, of connections to a socket of its that waits for them; nil until asked for
}

// as is the process as one that is known in a way.
func (p *process) as(source string) *event.Proc {
	if source != sourceListener {
		return p.proc
	}
	if p.waits == nil {
		p.waits = &event.Proc{}
		*p.waits = *p.proc
		p.waits.Source = sourceListener
	}
	return p.waits
}

// entry is one process of the system's list, which needs no privilege.
type entry struct {
	parent uint32
	name   string
}

const (
	checkedFor = 100 * time.Millisecond // how long a PID is believed to be the same process's
	allFor     = time.Second
	procsMax   = 1 << 16
	// Above it there are those that start everything.
	ancestryMax = 8
	systemPID   = 4 // the kernel's own, as those of files that are shared
)

func newIndex(cfg Config, _ bool) (processes, error) {
	return &index{now: cfg.now, procs: map[uint32]*process{}, names: map[string]string{}}, nil
}

func takeOrphans() error { return errors.ErrUnsupported }

// lookup has nothing to look for: what stands for the inode is the PID.
func (x *index) lookup(pid, _ uint32) (uint32, bool) { return pid, pid != 0 }

func (x *index) owner(pid, _ uint32, source string) *event.Proc {
	now := x.now()
	p := x.procs[pid]
	if p != nil && now.Sub(p.checked) < checkedFor {
		return p.as(source)
	}
	made := int64(0)
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err == nil {
		defer windows.CloseHandle(h)
		made = began(h)
	}
	switch e, there := x.entry(pid, now); {
	case !there && err != nil:
		return nil // gone
	case p == nil || p.made != made || there && p.name != e.name:
		if len(x.procs) >= procsMax {
			clear(x.procs)
		}
		p = &process{made: made, name: e.name, proc: x.describe(pid, h, made, e)}
		x.procs[pid] = p
	}
	p.checked = now
	return p.as(source)
}

// describe makes the value of a process; h is invalid where we may not open it, as those of services without privilege.
func (x *index) describe(pid uint32, h windows.Handle, made int64, e entry) *event.Proc {
	proc := &event.Proc{PID: pid, PPID: e.parent, Name: e.name, Source: sourceTable}
	if pid == systemPID {
		proc.Name = "System"
		return proc
	}
	if h != 0 {
		if proc.Exe = executable(h); proc.Exe != "" {
			proc.Name = filepath.Base(proc.Exe)
		}
		proc.Cmdline, proc.User = commandLine(h), x.account(h)
	}
	// A parent may be gone, and its PID another's since: that one began later.
	for parent := e.parent; parent != 0 && parent != systemPID && len(proc.Ancestors) < ancestryMax; {
		above, there := x.all[parent]
		at := x.began(parent)
		if !there || made == 0 || at == 0 || at > made {
			break
		}
		proc.Ancestors = append(proc.Ancestors, above.name)
		parent, made = above.parent, at
	}
	if len(proc.Ancestors) > 0 {
		proc.Parent = proc.Ancestors[0]
	}
	return proc
}

// entry finds a process in the list of all, which is read anew where it is old or does not have it.
func (x *index) entry(pid uint32, now time.Time) (entry, bool) {
	e, there := x.all[pid]
	if age := now.Sub(x.read); age > allFor || !there && age > checkedFor {
		x.list(now)
		e, there = x.all[pid]
	}
	return e, there
}

func (x *index) list(now time.Time) {
	x.read = now
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return // what was known stays
	}
	defer windows.CloseHandle(snapshot)
	x.all = make(map[uint32]entry, len(x.all))
	row := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &row); err == nil; err = windows.Process32Next(snapshot, &row) {
		x.all[row.ProcessID] = entry{parent: row.ParentProcessID, name: windows.UTF16ToString(row.ExeFile[:])}
	}
}

// began is when a process did, 0 where it is not told.
func (x *index) began(pid uint32) int64 {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return 0
	}
	defer windows.CloseHandle(h)
	return began(h)
}

func began(h windows.Handle) int64 {
	var made, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &made, &ended, &kernel, &user) != nil {
		return 0
	}
	return made.Nanoseconds()
}

func executable(h windows.Handle) string {
	for size := uint32(windows.MAX_PATH); size <= 1<<15; size *= 4 {
		buf, n := make([]uint16, size), size
		switch err := windows.QueryFullProcessImageName(h, 0, &buf[0], &n); err {
		case nil:
			return windows.UTF16ToString(buf[:n])
		case windows.ERROR_INSUFFICIENT_BUFFER:
		default:
			return ""
		}
	}
	return ""
}

// commandLine is as the program was started with: one text, which each program divides by itself. Windows 8.1 has it.
func commandLine(h windows.Handle) string {
	var size uint32
	_ = windows.NtQueryInformationProcess(h, windows.ProcessCommandLineInformation, nil, 0, &size) // how long it is
	if size < uint32(unsafe.Sizeof(windows.NTUnicodeString{})) || size > 1<<17 {
		return ""
	}
	buf := make([]uint64, size/8+1) // begins with the text's description, which points behind itself
	if windows.NtQueryInformationProcess(h, windows.ProcessCommandLineInformation, unsafe.Pointer(&buf[0]), size, &size) != nil {
		return ""
	}
	return (*windows.NTUnicodeString)(unsafe.Pointer(&buf[0])).String()
}

// account names the user whose process it is, with the domain or the machine that knows him.
func (x *index) account(h windows.Handle) string {
	var token windows.Token
	if windows.OpenProcessToken(h, windows.TOKEN_QUERY, &token) != nil {
		return ""
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return ""
	}
	sid := user.User.Sid.String()
	name, known := x.names[sid]
	if known {
		return name
	}
	if name, domain, _, err := user.User.Sid.LookupAccount(""); err != nil {
		x.names[sid] = sid // which is what is known of it
	} else if x.names[sid] = name; domain != "" {
		x.names[sid] = domain + `\` + name
	}
	return x.names[sid]
}

// What only the kernel's programs of Linux lead to.

func (x *index) program(uint32, uint64) (program, bool) { return program{}, false }
func (x *index) name(uint32, uint64) (string, bool)     { return "", false }
func (x *index) addresses(uint32, uint64) []netip.Addr  { return nil }
func (x *index) label(uint32, uint64) string            { return "" }
func (x *index) cgroup([]byte) *event.Cgroup            { return nil }
func (x *index) userName(uint32) string                 { return "" }

func (x *index) user(uint32) *event.Proc { return nil } // there are no sockets whose user alone is known
func (x *index) forget(uint32)           {}
func (x *index) readAll()                {}
func (x *index) work() bool              { return false }
func (x *index) stats() searchStats      { return searchStats{} }
func (x *index) close()                  {}
