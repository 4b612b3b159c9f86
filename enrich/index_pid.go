//go:build darwin || freebsd || netbsd || openbsd || windows

package enrich

import (
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"rustnet/track/event"
)

// index knows processes by the PIDs that the socket tables give.
type index struct {
	now   func() time.Time
	procs map[uint32]*process
	names map[string]string // of users, by what the system calls them
	all   map[uint32]entry  // every process there is
	read  time.Time         // when all was
	// Of Config.Follow: us, and what we started and all that these started, with when each began. Those that have ended stay: a
	// process keeps the number of the one that started it. nil = nobody is followed.
	us  uint32
	kin map[uint32]int64
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
	// followFor is how old the list may be where processes are followed: one that ends between two readings, and has started
	// another, is not known.
	followFor = 50 * time.Millisecond
	procsMax  = 1 << 16
	// Above it there are those that start everything.
	ancestryMax = 8
)

func newIndex(cfg Config, _ bool) (processes, error) {
	x := &index{now: cfg.now, procs: map[uint32]*process{}, names: map[string]string{}}
	if cfg.Follow {
		x.us, x.kin = uint32(os.Getpid()), map[uint32]int64{}
	}
	return x, nil
}

// takeOrphans has nothing to do: whose child a process is stays as it was.
func takeOrphans() error { return nil }

// lookup has nothing to look for: what stands for the inode is the PID.
func (x *index) lookup(pid, _ uint32) (uint32, bool) { return pid, pid != 0 }

func (x *index) owner(pid, _ uint32, source string) *event.Proc {
	now := x.now()
	p := x.procs[pid]
	if p != nil && now.Sub(p.checked) < checkedFor {
		return p.as(source)
	}
	made := int64(0)
	h, err := hold(pid)
	if err == nil {
		defer h.close()
		made = h.began()
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

// describe makes the value of a process; of h there is nothing where we may not ask, as of services without privilege.
func (x *index) describe(pid uint32, h held, made int64, e entry) *event.Proc {
	proc := &event.Proc{PID: pid, PPID: e.parent, Name: e.name, Source: sourceTable}
	if pid == systemPID {
		proc.Name = systemName
		return proc
	}
	at, kin := x.kin[pid]
	proc.Followed = kin && at == made
	if proc.Exe = h.executable(); proc.Exe != "" {
		proc.Name = filepath.Base(proc.Exe)
	}
	proc.Cmdline = h.commandLine()
	h.user(x, proc)
	// A parent may be gone, and its PID another's since: that one began later.
	for parent := e.parent; parent != 0 && parent != systemPID && len(proc.Ancestors) < ancestryMax; {
		above, there := x.all[parent]
		at := began(parent)
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

// began is when a process did, 0 where it is not told.
func began(pid uint32) int64 {
	h, err := hold(pid)
	if err != nil {
		return 0
	}
	defer h.close()
	return h.began()
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
	if all, err := processList(); err == nil { // else what was known stays
		x.all = all
		x.follow()
	}
}

// follow finds those that were started by us, or by one that was.
func (x *index) follow() {
	for found := x.kin != nil; found; {
		found = false
		for pid, e := range x.all {
			at, kin := x.kin[e.parent]
			if !kin && e.parent != x.us {
				continue
			}
			made := began(pid)
			if before, known := x.kin[pid]; known && before == made {
				continue
			}
			if kin { // or its parent's number is another's now
				if _, lives := x.all[e.parent]; made < at || lives && began(e.parent) != at {
					continue
				}
			}
			x.kin[pid], found = made, true
		}
	}
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

// work reads the list where processes are followed, whether or not anybody asks for one.
func (x *index) work() bool {
	if x.kin == nil {
		return false
	}
	if now := x.now(); now.Sub(x.read) >= followFor {
		x.list(now)
	}
	return true
}

func (x *index) stats() searchStats { return searchStats{} }
func (x *index) close()             {}
