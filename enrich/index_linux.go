package enrich

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// index knows which process holds which socket. It finds a socket it does not know yet where it
// is most likely: in processes that are new, in young ones (which open their sockets only after they
// were seen first), in those that had sockets lately; and else by a round through all of /proc, which
// answers all that is missing at once. What this costs is bounded by a share of one core.
type index struct {
	root  *procRoot
	netns uint32 // ours, which all sockets are in that the tables show
	users *users
	now   func() time.Time

	holders map[uint32]holder // by inode
	procs   map[uint32]*process
	missing map[uint32]missing // by inode
	wanted  int                // how many of missing wait for a round

	lastPID uint32
	young   []uint32 // newest last
	recent  []uint32 // latest last

	round     uint32   // number of the running round, or of the last one
	queue     []uint32 // processes that the round has still to look at; next from the end
	running   bool
	roundTime time.Time // when it began

	share  float64
	credit time.Duration
	paid   time.Time
	fds    []uint32
	pidBuf []uint32
	count  searchStats
}

// holder is one descriptor.
type holder struct {
	pid, fd uint32
	round   uint32
	first   bool // no ancestor holds it too
}

// process is what is remembered of one PID.
type process struct {
	fds     []descriptor // by number
	born    time.Time    // seen first
	uid     uint32       // of the sockets it had last
	id      identity
	checked time.Time
	procs   []*event.Proc // published, one for each user and source
}

type descriptor struct {
	fd, inode uint32
	read      bool // by the scan that is going on
}

const (
	noSocket = 0
	unread   = ^uint32(0)
)

// missing says since when a socket is looked for, or that it was looked for everywhere.
type missing struct {
	since time.Time
	until time.Time // not zero: not found; do not look again before
}

const (
	youngFor    = 3 * time.Second
	youngMax    = 64
	recentMax   = 32
	absentFor   = 5 * time.Second
	checkedFor  = 100 * time.Millisecond // how long a name is believed without another look: exec
	burst       = 100 * time.Millisecond // of work, after a rest
	firstRound  = 250 * time.Millisecond // at the start, before there are events
	likelyMax   = 10 * time.Millisecond  // of looking where a socket most likely is; then a round does it
	slice       = 5 * time.Millisecond   // of a round at a time, so that events do not wait long
	newPIDsMax  = 128                    // more than so many new PIDs: list /proc instead of trying each
	fdsMax      = 1 << 16                // of one process
	holdersMax  = 1 << 18
	missingMax  = 1 << 14
	procsMax    = 1 << 16
	ancestryMax = 8
)

// newIndex reads who holds what, unless it is told by other means.
func newIndex(cfg Config, told bool) (processes, error) {
	root, err := openProc(cfg.Proc, newCgroups(cfg.Root, cfg.now))
	if err != nil {
		return nil, err
	}
	x := &index{root: root, netns: sockets.OwnNetNS(), users: &users{path: cfg.Passwd, now: cfg.now}, now: cfg.now, share: cfg.Budget,
		holders: map[uint32]holder{}, procs: map[uint32]*process{}, missing: map[uint32]missing{},
		credit: burst, paid: cfg.now()}
	x.lastPID, _ = root.lastPID()
	x.count.Foreign, x.count.Unprivileged = !root.own, !sockets.Capable(unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH)
	if cfg.Follow {
		root.follow = uint32(os.Getpid())
	}
	if !told {
		x.readAll()
	}
	return x, nil
}

// readAll looks at every process, as far as the time for it reaches.
func (x *index) readAll() {
	x.startRound()
	for end := x.now().Add(firstRound); x.running && x.now().Before(end); {
		x.step()
	}
}

func (x *index) close()             { x.root.close() }
func (x *index) stats() searchStats { return x.count }

// lookup finds the process that holds a socket. When it is not known yet it says so at once, and
// a later call may know.
func (x *index) lookup(inode, uid uint32) (pid uint32, ok bool) {
	if h, ok := x.valid(inode); ok {
		x.use(h.pid, uid)
		return h.pid, true
	}
	now := x.now()
	m, known := x.missing[inode]
	if known && now.Before(m.until) {
		return 0, false
	}
	if x.earn(now) <= 0 {
		x.want(inode, now)
		return 0, false
	}
	found := x.likely(inode, uid, now)
	x.spend(now)
	if found {
		if h, ok := x.valid(inode); ok {
			x.use(h.pid, uid)
			return h.pid, true
		}
	}
	x.want(inode, now)
	return 0, false
}

// valid checks what is known of a socket against the one descriptor.
func (x *index) valid(inode uint32) (holder, bool) {
	h, ok := x.holders[inode]
	if !ok {
		return h, false
	}
	if x.root.socketAt(h.pid, h.fd) != inode {
		delete(x.holders, inode)
		return h, false
	}
	if !h.first {
		x.ascend(&h, inode)
		x.holders[inode] = h
	}
	return h, true
}

// ascend goes from a process that inherited the socket to the one that opened it: fork keeps the
// descriptor's number. Init is left out, since it opens sockets for services.
func (x *index) ascend(h *holder, inode uint32) {
	for range ancestryMax {
		s, ok := x.root.stat(x.root.fd, x.root.pathOf(h.pid, "/stat"))
		if !ok || s.ppid <= 1 || x.root.socketAt(s.ppid, h.fd) != inode {
			break
		}
		h.pid = s.ppid
	}
	h.first = true
}

// want notes that a round shall look for a socket.
func (x *index) want(inode uint32, now time.Time) {
	m, known := x.missing[inode]
	if known && m.until.IsZero() || !known && len(x.missing) >= missingMax {
		return
	}
	x.missing[inode] = missing{since: now}
	x.wanted++
}

// likely looks where the socket most likely is.
func (x *index) likely(inode, uid uint32, now time.Time) bool {
	for _, pid := range x.newPIDs(now) {
		if x.scan(pid, inode) {
			return true
		}
	}
	for i := len(x.young) - 1; i >= 0; i-- {
		p := x.procs[x.young[i]]
		if p == nil || now.Sub(p.born) > youngFor {
			x.young = slices.Delete(x.young, 0, i+1) // all before are older still
			break
		}
		if x.scan(x.young[i], inode) {
			return true
		}
		if x.now().Sub(now) > likelyMax {
			return false
		}
	}
	for _, same := range [2]bool{true, false} {
		for i := len(x.recent) - 1; i >= 0; i-- {
			p := x.procs[x.recent[i]]
			if p != nil && (p.uid == uid) == same && x.scan(x.recent[i], inode) {
				return true
			}
			if x.now().Sub(now) > likelyMax {
				return false
			}
		}
	}
	return false
}

// newPIDs lists processes that were not there when it was asked last.
func (x *index) newPIDs(now time.Time) []uint32 {
	x.pidBuf = x.pidBuf[:0]
	last, ok := x.root.lastPID()
	switch before := x.lastPID; {
	case ok && last == before:
		return nil
	case ok && last > before && last-before <= newPIDsMax:
		x.lastPID = last
		for pid := last; pid > before; pid-- {
			if x.root.isLeader(pid) {
				x.add(pid, now)
				x.pidBuf = append(x.pidBuf, pid)
			}
		}
		return x.pidBuf
	}
	x.lastPID = last
	all, err := x.root.pids(x.pidBuf)
	x.pidBuf = all
	if err != nil {
		return nil
	}
	fresh := slices.DeleteFunc(all, func(pid uint32) bool { return x.procs[pid] != nil })
	for _, pid := range fresh {
		x.add(pid, now)
	}
	slices.Reverse(fresh)
	return fresh
}

// add begins to know a process; whatever had its PID before is forgotten.
func (x *index) add(pid uint32, now time.Time) {
	if len(x.procs) >= procsMax {
		clear(x.procs)
	}
	x.procs[pid] = &process{born: now}
	if len(x.young) >= youngMax {
		x.young = slices.Delete(x.young, 0, 1)
	}
	x.young = append(x.young, pid)
}

// use notes that a process had a socket that was asked for: it may open more.
func (x *index) use(pid, uid uint32) {
	if n := len(x.recent); n > 0 && x.recent[n-1] == pid {
		return
	}
	if p := x.procs[pid]; p != nil {
		p.uid = uid
	}
	if i := slices.Index(x.recent, pid); i >= 0 {
		x.recent = slices.Delete(x.recent, i, i+1)
	} else if len(x.recent) >= recentMax {
		x.recent = slices.Delete(x.recent, 0, 1)
	}
	if pid != 1 {
		x.recent = append(x.recent, pid)
	}
}

// scan reads a process's descriptors into the index, and stops at the one that is looked for.
// Those that were not there the last time come first, then those that were sockets.
func (x *index) scan(pid, want uint32) (found bool) {
	x.count.Scanned++
	dir, err := unix.Openat(x.root.fd, x.root.pathOf(pid, "/fd"), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil { // gone, or somebody else's and we may not look
		if errors.Is(err, fs.ErrPermission) {
			x.count.Refused++
		}
		return false
	}
	defer unix.Close(dir)
	x.fds, err = x.root.numbers(dir, x.fds[:0])
	if err != nil {
		return false
	}
	slices.Sort(x.fds)
	p := x.procs[pid]
	if p == nil {
		p = &process{born: x.now()}
		x.procs[pid] = p
	}
	p.fds = merge(p.fds, x.fds[:min(len(x.fds), fdsMax)])
	for pass := range 3 {
		for i := range p.fds {
			d := &p.fds[i]
			if d.read || passOf(d.inode) != pass {
				continue
			}
			d.inode, d.read = x.root.socketIn(dir, d.fd), true
			if d.inode == noSocket {
				continue
			}
			x.put(d.inode, pid, d.fd)
			if d.inode == want {
				return true
			}
		}
	}
	return false
}

func passOf(inode uint32) int {
	switch inode {
	case unread:
		return 0
	case noSocket:
		return 2
	}
	return 1
}

// merge gives the descriptors that are there now, with what was known of them.
func merge(old []descriptor, fds []uint32) []descriptor {
	now := make([]descriptor, len(fds))
	for i, fd := range fds {
		for len(old) > 0 && old[0].fd < fd {
			old = old[1:]
		}
		now[i] = descriptor{fd: fd, inode: unread}
		if len(old) > 0 && old[0].fd == fd {
			now[i].inode = old[0].inode
		}
	}
	return now
}

func (x *index) put(inode, pid, fd uint32) {
	if m, ok := x.missing[inode]; ok {
		if m.until.IsZero() {
			x.wanted--
		}
		delete(x.missing, inode)
	}
	old, ok := x.holders[inode]
	switch {
	case !ok && len(x.holders) >= holdersMax:
		return
	case ok && old.pid != 1 && (pid == 1 || old.first):
		old.round = x.round // whether it still holds is checked when it is asked for
		x.holders[inode] = old
		return
	}
	x.holders[inode] = holder{pid: pid, fd: fd, round: x.round}
}

// startRound begins to look at every process.
func (x *index) startRound() {
	x.round++
	x.count.Rounds++
	x.roundTime = x.now()
	if len(x.holders) >= holdersMax {
		clear(x.holders)
	}
	all, err := x.root.pids(x.queue[:0])
	x.queue = all
	x.running = err == nil
	listed := make(map[uint32]struct{}, len(all))
	for _, pid := range all {
		listed[pid] = struct{}{}
	}
	for pid := range x.procs {
		if _, ok := listed[pid]; !ok {
			delete(x.procs, pid)
		}
	}
	slices.Sort(x.queue) // taken from the end: the newest first, init last
}

// step looks at one more process, and ends the round behind the last.
func (x *index) step() {
	if n := len(x.queue); n > 0 {
		pid := x.queue[n-1]
		x.queue = x.queue[:n-1]
		x.scan(pid, noSocket)
		return
	}
	x.running = false
	for inode, h := range x.holders {
		if h.round != x.round {
			delete(x.holders, inode)
		}
	}
	for inode, m := range x.missing {
		switch {
		case m.until.IsZero() && m.since.Before(x.roundTime):
			x.missing[inode] = missing{until: x.now().Add(absentFor)}
			x.count.NotFound++
			x.wanted--
		case !m.until.IsZero() && x.now().After(m.until):
			delete(x.missing, inode)
		}
	}
}

// work goes on with a round, as far as the budget reaches, while sockets are missing. It tells
// whether there is more to do.
func (x *index) work() bool {
	now := x.now()
	if x.wanted == 0 {
		x.running = false // half a round is enough when it found everything
		return false
	}
	if x.earn(now) <= 0 {
		return true
	}
	if !x.running {
		x.startRound()
	}
	for x.running && x.wanted > 0 && x.now().Sub(now) < slice {
		x.step()
	}
	x.spend(now)
	return x.wanted > 0
}

// earn adds the share of the time that has passed, and tells what may be spent.
func (x *index) earn(now time.Time) time.Duration {
	x.credit = min(burst, x.credit+time.Duration(float64(now.Sub(x.paid))*x.share))
	x.paid = now
	return x.credit
}

func (x *index) spend(since time.Time) {
	d := x.now().Sub(since)
	x.credit -= d
	x.count.SearchTime += d
}

// forget drops a socket whose connection is over.
func (x *index) forget(inode uint32) { delete(x.holders, inode) }

// owner makes the published value of a process that holds a socket, nil when it holds it no more.
func (x *index) owner(inode, uid uint32, source string) *event.Proc {
	h, ok := x.holders[inode]
	if !ok {
		return nil
	}
	p := x.procs[h.pid]
	if p == nil {
		p = &process{born: x.now()}
		x.procs[h.pid] = p
	}
	if !x.identified(p, h, inode) {
		return nil
	}
	for _, v := range p.procs {
		if v.UID == uid && v.Source == source {
			return v
		}
	}
	v := p.id.proc(h.pid, uid, x.users.name(uid), source, x.netns)
	p.procs = append(p.procs, v)
	return v
}

// identified makes sure that p.id is the process's that has the PID now, and its program's.
func (x *index) identified(p *process, h holder, inode uint32) bool {
	now := x.now()
	if !p.checked.IsZero() {
		if now.Sub(p.checked) < checkedFor {
			return true
		}
		s, ok := x.root.stat(x.root.fd, x.root.pathOf(h.pid, "/stat"))
		if !ok {
			return false
		}
		if s.start == p.id.start && s.comm == p.id.comm {
			p.checked = now
			return true
		}
	}
	id, ok := x.root.identify(h.pid, h.fd, inode)
	if !ok {
		return false
	}
	p.id, p.checked, p.procs = id, now, nil
	return true
}

// user makes the value for a socket of which only the user is known.
func (x *index) user(uid uint32) *event.Proc { return x.users.proc(uid) }

func (x *index) userName(uid uint32) string { return x.users.name(uid) }

// ticks makes clock ticks, of which there are 100 a second for user space, of the nanoseconds that
// the kernel's programs tell of a process's start, by the clock that /proc goes by.
func ticks(start uint64) uint64 { return (start + uint64(bpf.BootOffset())) / (1e9 / 100) }

func (x *index) program(pid uint32, start uint64) (program, bool) {
	return x.root.program(pid, ticks(start))
}

func (x *index) name(pid uint32, start uint64) (string, bool) {
	name, s, ok := x.root.name(pid)
	return name, ok && s.start == ticks(start)
}

func (x *index) label(pid uint32, start uint64) string {
	if !x.root.labels {
		return ""
	}
	dir, err := x.root.open(pid)
	if err != nil {
		return ""
	}
	defer unix.Close(dir)
	if s, ok := x.root.stat(dir, "stat"); !ok || s.start != ticks(start) {
		return ""
	}
	return x.root.label(dir, "attr/current")
}

func (x *index) addresses(pid uint32, start uint64) []netip.Addr {
	if pid == 0 {
		return x.root.addresses(x.root.fd) // /proc/net
	}
	dir, err := x.root.open(pid)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	if s, ok := x.root.stat(dir, "stat"); !ok || s.start != ticks(start) {
		return nil
	}
	return x.root.addresses(dir)
}

func (x *index) cgroup(path []byte) *event.Cgroup { return x.root.groups.of(path) }

// takeOrphans makes us the parent of processes below us whose own parent ends, so that procfs shows where
// they come from as long as they live.
func takeOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
