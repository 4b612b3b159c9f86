package enrich

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"rustnet/bpf"
	"rustnet/track/event"
)

// hooks is where the kernel tells of sockets and processes: *bpf.Hooks, or a test's.
type hooks interface {
	Drain(bpf.Handler) int
	Sockets(func(*bpf.SocketEvent)) error
	Losses() bpf.Losses
	Complete() bool
	Follows() bool
	Source() string
	Report() []bpf.Hook
	Close() error
}

// kernel is what it told: every socket that was used since the start, or that a process had then, with
// its owner. The owner is the process that used the socket last; of a UDP socket that is
// not connected and that several use, each connection has its own. Sockets stay a while after they are
// closed, for packets that were on their way to us.
type kernel struct {
	hooks
	procs  processes
	now    func() time.Time
	netns  uint32 // ours; 0 = not known, then all are
	source string // process_source of what the kernel tells
	// complete: all that is used from now on is told, so that waiting for it is worth while.
	complete bool

	socks    map[uint64]*sock  // by cookie
	tuples   map[tuple]*sock   // those with both ends; several with the same, in turn or in other namespaces, are chained
	ports    map[port][]*sock  // those with one end only
	peers    map[farPort]met   // who sent to or received from there without being connected, or was
	past     []farPort         // keys of peers, the oldest first
	tasks    map[uint32]*task  // by PID
	closed   []*sock           // since when: in order
	at       time.Time         // of this draining
	spaces   map[uint32]*space // other network namespaces with sockets
	far      map[addr]uint32   // in how many of those an address is
	blind    uint32            // how many of those have more addresses than are kept, and sockets of which there was no room for theirs
	ours     space             // our addresses only
	oursRead time.Time
	dropped  uint64  // open sockets that there was no room for
	lost     losses  // all losses when they were asked for last
	tasksN   int     // when to look for processes whose end was not told
	follow   uint32  // our number, where what we start is asked for; 0 = it is not
	ended    []*sock // closed since the last time, of protocols without ports; only where follow is not 0
	changed  []*sock // that connections have, and whose owner is another one since the last time, or goes by another name
}

// addr is an IP address in two words, IPv4 as ::ffff:a.b.c.d.
type addr struct{ hi, lo uint64 }

const v4Mapped = 0xffff << 32

func addrOf(a netip.Addr) addr {
	b := a.As16()
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func addrIn(family uint8, b *[16]byte) addr {
	if family == familyIPv4 {
		return addr{0, v4Mapped | uint64(binary.BigEndian.Uint32(b[:4]))}
	}
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// port makes of it what events have.
func (a addr) port(n uint16) netip.AddrPort {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), n)
}

func (a addr) v4() bool  { return a.hi == 0 && a.lo>>32 == 0xffff }
func (a addr) any() bool { return a.hi == 0 && (a.lo == 0 || a.lo == v4Mapped) }

const familyIPv4 = 2

// tuple is a socket's, seen from its own end.
type tuple struct {
	local, remote       addr
	proto, lport, rport uint16
}

type port struct{ proto, number uint16 }

type farPort struct {
	remote              addr
	proto, lport, rport uint16
	netns               uint32
}

// met is a socket that is not connected, and when it last had to do with the other end.
type met struct {
	*sock
	at time.Time
}

// sock is one socket.
type sock struct {
	cookie uint64
	tuple
	netns, uid     uint32
	space          *space // nil = ours, or not kept
	v6only         bool
	listens, found bool // found: by the iterator, and not used since
	indexed        bool // in tuples or ports
	owner          *task
	ownedBy        links[sock] // the owner's others
	ends           *end        // of connections that have it
	changed        int64       // packet time; 0 = is not in changed
	next           *sock       // of the same tuple
	since, till    int64       // packet time: told first, closed; 0 = before us, and open
	final          *event.Proc // who had it when it was closed
	gone           time.Time   // not zero: closed
	used           bool        // the owner has sent or received through it
	parts          *parts      // not nil: several processes use it without connecting it
	whole          *sock       // of a part: the socket
	part           links[sock] // the socket's others
}

// parts of a socket that several processes use, each of which is the sock of those connections that one of them has.
type parts struct {
	from  int64 // packet time: until then, only the first used it
	first *sock // what that one had
	all   *sock // parts that may change
}

// task is a process, by PID and start.
type task struct {
	start  uint64
	pid    uint32
	socks  *sock // that it owns
	known  bool
	exited bool
	// followed: the kernel says so of its sockets, or its ancestors do.
	followed bool
	program
	values []*event.Proc // published, one for each user, source and network namespace
}

const (
	graceFor   = 5 * time.Second
	socksMax   = 1 << 18
	peersMax   = 1 << 16
	tasksSweep = 1 << 15
)

func newKernel(h hooks, procs processes, netns uint32, now func() time.Time) *kernel {
	k := &kernel{hooks: h, procs: procs, netns: netns, source: h.Source(), complete: h.Complete(), now: now, tasksN: tasksSweep,
		socks: map[uint64]*sock{}, tuples: map[tuple]*sock{}, ports: map[port][]*sock{}, peers: map[farPort]met{},
		tasks: map[uint32]*task{}, spaces: map[uint32]*space{}, far: map[addr]uint32{}, ours: space{addrs: map[addr]struct{}{}}}
	k.drain()
	return k
}

// drain takes what the kernel has told since the last time.
func (k *kernel) drain() int {
	k.at = k.now()
	n := k.Drain(k)
	for len(k.closed) > 0 && k.at.Sub(k.closed[0].gone) > graceFor {
		k.drop(k.closed[0])
		k.closed[0] = nil
		k.closed = k.closed[1:]
	}
	k.passBy(8)
	return n
}

// Places where what the kernel tells is lost: its ring is full, there is no room for what is kept of a socket, or
// none to tell of a process, or the queue of translations is full.
const (
	lostRing = iota
	lostMemory
	lostExec
	lostNAT
	lostPlaces
)

// lostWhere is what records call them.
var lostWhere = [lostPlaces]event.Where{event.InOwners, event.InOwnersMemory, event.InOwnersExec, event.InNAT}

type losses [lostPlaces]uint64

// losses gives what was lost since the last time.
func (k *kernel) losses() losses {
	l := k.Losses()
	was := k.lost
	k.lost = losses{lostRing: l.Ring, lostMemory: l.Storage + k.dropped, lostExec: l.Scratch}
	since := k.lost
	for i := range since {
		since[i] -= was[i]
	}
	return since
}

// Socket is for the hooks.
func (k *kernel) Socket(e *bpf.SocketEvent) {
	if e.Kind == bpf.Released || e.Kind == bpf.Destroyed {
		k.release(e)
		return
	}
	s := k.socks[e.Cookie]
	if s == nil {
		s = k.add(e)
	}
	if e.UID != 0 || e.Kind != bpf.Peer {
		s.uid = e.UID
	}
	if e.NetNS != 0 && s.netns == 0 {
		s.netns = e.NetNS
		k.enter(s)
	}
	switch e.Kind {
	case bpf.Peer:
		if s.lport == 0 {
			k.place(s, e)
		}
		k.share(s, e)
		far := farPort{addrIn(e.Family, &e.Remote), e.Proto, e.LocalPort, e.RemotePort, s.netns}
		if s.parts != nil && e.PID != 0 {
			k.meetPart(s, e, far)
		} else {
			k.meet(s, far)
		}
	case bpf.Created:
	default:
		k.place(s, e)
		k.share(s, e)
	}
	s.listens = e.Kind == bpf.Listens || e.Kind == bpf.Found && e.State == stateListen
	k.own(s, e)
	k.learn(s)
	if e.Kind == bpf.Late && s.gone.IsZero() {
		k.end(s, e.TS)
	}
}

const stateListen = 10

func (k *kernel) add(e *bpf.SocketEvent) *sock {
	if len(k.socks) >= socksMax {
		k.makeRoom()
	}
	s := &sock{cookie: e.Cookie, since: e.TS, v6only: e.Flags&bpf.V6Only != 0, found: e.Kind == bpf.Found}
	k.socks[e.Cookie] = s
	return s
}

// makeRoom drops a socket that is closed, or else any: what is used again is not told again, but found
// by the ways that there are without hooks.
func (k *kernel) makeRoom() {
	if len(k.closed) > 0 {
		k.drop(k.closed[0])
		k.closed = k.closed[1:]
		return
	}
	for _, s := range k.socks {
		k.dropped++
		k.drop(s)
		return
	}
}

// own sets the socket's owner, as far as the event says more than is known.
func (k *kernel) own(s *sock, e *bpf.SocketEvent) {
	if e.PID == 0 {
		return
	}
	t := k.task(e.PID, e.Start)
	if e.Flags&bpf.Followed != 0 && !t.followed {
		t.followed, t.values = true, nil
	}
	switch old := s.owner; {
	case old == t:
	case old == nil:
	case e.Kind == bpf.Late || e.Kind == bpf.Released:
		return
	case e.Kind == bpf.Found && (!s.found || t.pid == 1 || old.pid != 1 && old.start <= t.start):
		return // the first who had it is the one who opened it; init opens for others
	}
	if e.Kind != bpf.Found {
		s.found = false
	}
	s.used = s.used && s.owner == t || e.Kind == bpf.Used || e.Kind == bpf.Peer
	if s.owner == t {
		return
	}
	k.disown(s)
	k.give(s, t)
	k.change(s, e.TS)
}

func (k *kernel) give(s *sock, t *task) {
	s.owner = t
	push(&t.socks, s, ownedBy)
}

// share notes that several processes use the socket, when that is told first. What the first of them had stays its.
func (k *kernel) share(s *sock, e *bpf.SocketEvent) {
	if s.parts != nil || s.rport != 0 || e.Proto != protoUDP && e.Proto != protoLite || e.Kind != bpf.Used && e.Kind != bpf.Peer {
		return
	}
	another := s.used && s.owner != nil && e.PID != 0 && (s.owner.pid != e.PID || s.owner.start != e.Start)
	if e.Flags&bpf.Several == 0 && !another {
		return
	}
	s.parts = &parts{from: e.TS}
	if s.owner == nil || !s.used {
		return
	}
	first := k.newPart(s, s.owner)
	s.parts.first = first
	for d := s.ends; d != nil; d = s.ends {
		d.take(d.of, first)
	}
}

func partOf(s *sock) *links[sock] { return &s.part }

func (k *kernel) newPart(s *sock, t *task) *sock {
	p := &sock{tuple: s.tuple, netns: s.netns, space: s.space, since: s.since, used: true, whole: s}
	push(&s.parts.all, p, partOf)
	k.give(p, t)
	return p
}

// meetPart is meet for a socket that several processes use: this one has to do with the other end.
func (k *kernel) meetPart(s *sock, e *bpf.SocketEvent, far farPort) {
	p := k.peers[far].sock
	if p == nil || p.whole != s || p.final != nil {
		p = k.newPart(s, k.task(e.PID, e.Start))
	}
	k.own(p, e)
	k.meet(p, far)
}

// dropPart lets go of a part that nobody will find any more. Whose connections had it stays known.
func (k *kernel) dropPart(p *sock) {
	if p == nil || p.whole == nil {
		return
	}
	k.settle(p)
	if p.owner != nil {
		k.disown(p)
		remove(&p.whole.parts.all, p, partOf)
	}
}

// settle fixes who had a socket that is closed.
func (k *kernel) settle(s *sock) {
	if s.final == nil {
		s.final = k.proc(s)
	}
}

func ownedBy(s *sock) *links[sock] { return &s.ownedBy }

func (k *kernel) disown(s *sock) {
	if t := s.owner; t != nil {
		s.owner = nil
		remove(&t.socks, s, ownedBy)
		k.forget(t)
	}
}

// change notes that those who have the socket's connections may have to be told.
func (k *kernel) change(s *sock, ts int64) {
	if s.ends == nil || s.final != nil {
		return
	}
	if s.changed == 0 {
		k.changed = append(k.changed, s)
	}
	s.changed = max(1, ts)
}

// becomes is change for all sockets of a process.
func (k *kernel) becomes(t *task, ts int64) {
	t.values = nil
	for s := t.socks; s != nil; s = s.ownedBy.next {
		k.change(s, ts)
	}
}

// forget drops a process that has ended and has no socket any more.
func (k *kernel) forget(t *task) {
	if t.socks == nil && t.exited && k.tasks[t.pid] == t {
		delete(k.tasks, t.pid)
	}
}

func (k *kernel) release(e *bpf.SocketEvent) {
	s := k.socks[e.Cookie]
	if s == nil || !s.gone.IsZero() {
		return
	}
	k.own(s, e)
	k.end(s, e.TS)
}

// end notes that the socket is closed. What its process becomes after that is not its owner.
func (k *kernel) end(s *sock, ts int64) {
	s.final = k.proc(s)
	s.gone, s.till = k.at, ts
	if s.parts != nil {
		for p := s.parts.all; p != nil; p = p.part.next {
			k.settle(p)
			p.gone, p.till = s.gone, ts
		}
	}
	k.closed = append(k.closed, s)
	if k.follow != 0 && s.ends != nil && !hasPorts(s.proto) {
		k.ended = append(k.ended, s)
	}
}

// place files the socket under its addresses.
func (k *kernel) place(s *sock, e *bpf.SocketEvent) {
	at := tuple{local: addrIn(e.Family, &e.Local), remote: addrIn(e.Family, &e.Remote), proto: e.Proto, lport: e.LocalPort, rport: e.RemotePort}
	if e.Kind == bpf.Peer {
		at.remote, at.rport = addr{}, 0
		at.local = addrIn(e.Family, new([16]byte))
		if e.Family != familyIPv4 {
			at.local = addr{}
		}
	}
	if !hasPorts(e.Proto) {
		at.rport = 0
		if e.Type != bpf.Datagram { // a ping socket has its echo identifier there
			at.lport = 0
		}
	}
	if s.indexed {
		if s.tuple == at {
			return
		}
		if s.rport != 0 { // it is connected to another by now, and may yet be asked for
			k.meet(s, farPort{s.remote, s.proto, s.lport, s.rport, s.netns})
		}
		k.unplace(s)
	}
	s.tuple, s.indexed = at, true
	if s.rport != 0 {
		s.next = k.tuples[at]
		k.tuples[at] = s
		return
	}
	p := port{s.proto, s.lport}
	k.ports[p] = append(k.ports[p], s)
}

func hasPorts(proto uint16) bool {
	return proto == protoTCP || proto == protoUDP || proto == protoSCTP || proto == protoLite
}

func (k *kernel) unplace(s *sock) {
	s.indexed = false
	if s.rport == 0 {
		p := port{s.proto, s.lport}
		all := k.ports[p]
		for i, o := range all {
			if o == s {
				all[i] = all[len(all)-1]
				all[len(all)-1] = nil
				all = all[:len(all)-1]
				break
			}
		}
		if len(all) == 0 {
			delete(k.ports, p)
		} else {
			k.ports[p] = all
		}
		return
	}
	first := k.tuples[s.tuple]
	if first == s {
		if s.next == nil {
			delete(k.tuples, s.tuple)
		} else {
			k.tuples[s.tuple] = s.next
		}
	}
	for o := first; o != nil; o = o.next {
		if o.next == s {
			o.next = s.next
		}
	}
	s.next = nil
}

// meet files the socket under another end that it has talked to, for a while.
func (k *kernel) meet(s *sock, far farPort) {
	if _, ok := k.peers[far]; !ok {
		k.passBy(2) // more go than come, as soon as there are any to go
		if len(k.past) >= peersMax {
			k.dropPart(k.peers[k.past[0]].sock)
			delete(k.peers, k.past[0])
			k.past = k.past[1:]
		}
		k.past = append(k.past, far)
	} else if was := k.peers[far].sock; was != s {
		k.dropPart(was)
	}
	k.peers[far] = met{s, k.at}
}

// passBy looks at the oldest keys of peers. What was met again since then goes to the end.
func (k *kernel) passBy(n int) {
	for range min(n, len(k.past)) {
		far := k.past[0]
		k.past = k.past[1:]
		if m := k.peers[far]; k.at.Sub(m.at) > graceFor && (m.whole == nil || m.ends == nil || m.final != nil) {
			k.dropPart(m.sock)
			delete(k.peers, far)
		} else {
			k.past = append(k.past, far)
		}
	}
}

func (k *kernel) drop(s *sock) {
	if k.socks[s.cookie] != s {
		return
	}
	delete(k.socks, s.cookie)
	k.leave(s)
	if s.indexed {
		k.unplace(s)
	}
	k.settle(s)
	k.disown(s)
	if s.parts != nil {
		for s.parts.all != nil {
			k.dropPart(s.parts.all)
		}
	}
}

// task gives the process of that PID and start.
func (k *kernel) task(pid uint32, start uint64) *task {
	t := k.tasks[pid]
	if t != nil && t.start == start {
		return t
	}
	t = &task{pid: pid, start: start}
	k.tasks[pid] = t
	if len(k.tasks) > k.tasksN {
		k.sweep(t)
	}
	return t
}

// sweep drops processes without sockets, whose end we may not have been told.
func (k *kernel) sweep(but *task) {
	for pid, t := range k.tasks {
		if t.socks == nil && t != but {
			delete(k.tasks, pid)
		}
	}
	k.tasksN = max(tasksSweep, 2*len(k.tasks))
}

// Process is for the hooks.
func (k *kernel) Process(e *bpf.ProcessEvent, told bpf.Texts) {
	t := k.task(e.PID, e.Start)
	switch e.Kind {
	case bpf.Exited:
		t.exited = true
		k.forget(t)
		return
	case bpf.Renamed:
		t.comm = text0(e.Comm[:])
		k.becomes(t, e.TS)
		return
	case bpf.Moved:
		t.cgroup = k.cgroupOf(t, &told)
		k.becomes(t, e.TS)
		return
	}
	t.known = true
	k.becomes(t, e.TS)
	t.program = program{comm: text0(e.Comm[:]), exe: string(joinPath(told.Exe)), exeDeleted: e.ExeDeleted, args: string(told.Args),
		cgroup:   k.cgroupOf(t, &told),
		security: securityOf(e.Caps, e.UserNS, e.Seccomp, e.NoNewPrivs, k.procs.label(t.pid, t.start))}
	if len(told.Exe) == 0 {
		t.exe = ""
	}
	k.setAncestors(t, e)
	if e.ExeCut || t.exe == "" || len(told.Args) < int(e.ArgsLen) {
		if p, ok := k.procs.program(t.pid, t.start); ok {
			t.exe, t.args = p.exe, p.args
		}
	}
}

// cgroupOf gives the control group that is told. Of one that is cut the beginning is missing, which says whose it is: it stands in procfs
// as long as the process lives; else it is not known.
func (k *kernel) cgroupOf(t *task, told *bpf.Texts) *event.Cgroup {
	if !told.CgroupCut {
		return k.procs.cgroup(joinPath(told.Cgroup))
	}
	p, _ := k.procs.program(t.pid, t.start)
	return p.cgroup
}

func (k *kernel) setAncestors(t *task, e *bpf.ProcessEvent) {
	above := e.Ancestors()
	if len(above) == 0 {
		return
	}
	t.ancestors = make([]string, len(above))
	for i := range above {
		t.ancestors[i] = k.nameOf(&above[i])
		t.followed = t.followed || k.follow != 0 && above[i].PID == k.follow
	}
	t.ppid = above[0].PID
	t.parent = fullName(text0(above[0].Comm[:]), text0(e.ParentExe[:]), nil)
	t.ancestors[0] = t.parent
}

// nameOf completes a name that was cut, of a process that is known or lives.
func (k *kernel) nameOf(a *bpf.Ancestor) string {
	comm := text0(a.Comm[:])
	if len(comm) < commMax || a.PID == 0 {
		return comm
	}
	if t := k.tasks[a.PID]; t != nil && t.start == a.Start && t.known {
		return fullName(t.comm, t.exe, []byte(t.args))
	}
	if name, ok := k.procs.name(a.PID, a.Start); ok {
		return name
	}
	return comm
}

func text0(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// joinPath makes a path of components, the last one first; the root of none.
func joinPath(components []byte) []byte {
	if len(components) == 0 {
		return []byte{'/'}
	}
	path := make([]byte, 0, len(components))
	for len(components) > 0 {
		c := components[:len(components)-1]
		at := bytes.LastIndexByte(c, 0) + 1
		path = append(append(path, '/'), c[at:]...)
		components = components[:at]
	}
	return path
}

// proc gives the published value of the socket's owner, nil when it has none.
func (k *kernel) proc(s *sock) *event.Proc {
	switch {
	case s.final != nil:
		return s.final
	case s.owner == nil:
		return nil
	case s.found:
		return k.value(s, sourceIter)
	}
	return k.value(s, k.source)
}

// links are those of one in a list, where it is found by itself.
type links[T any] struct{ prev, next *T }

func push[T any](head **T, v *T, of func(*T) *links[T]) {
	of(v).next = *head
	if *head != nil {
		of(*head).prev = v
	}
	*head = v
}

func remove[T any](head **T, v *T, of func(*T) *links[T]) {
	l := of(v)
	if l.prev != nil {
		of(l.prev).next = l.next
	} else {
		*head = l.next
	}
	if l.next != nil {
		of(l.next).prev = l.prev
	}
	*l = links[T]{}
}

// value gives the published value of the process that has the socket.
func (k *kernel) value(s *sock, source string) *event.Proc {
	t := s.owner
	if s.whole != nil {
		s = s.whole
	}
	for _, v := range t.values {
		if v.UID == s.uid && v.Source == source && v.NetNS == s.netns {
			return v
		}
	}
	if !t.known {
		t.known = true
		if p, ok := k.procs.program(t.pid, t.start); ok {
			t.program = p
		}
	}
	v := t.proc(t.pid, s.uid, k.procs.userName(s.uid), source, s.netns)
	v.Followed = v.Followed || t.followed
	t.values = append(t.values, v)
	return v
}

// readAll takes the sockets that were there before us.
func (k *kernel) readAll() error {
	k.at = k.now()
	return k.Sockets(k.Socket)
}

// find gives the socket of an end, and whether it only listens there. nil = none was told, or
// several that differ in their owners.
func (k *kernel) find(e *event.Event, remote bool, in scope) (s *sock, listener bool) {
	local, other := e.Local, e.Remote
	if remote {
		local, other = other, local
	}
	if !local.IsValid() || !other.IsValid() || in == elsewhere && len(k.spaces) == 0 {
		return nil, false
	}
	at := tupleOf(e.Proto, local, other)
	if isEcho(e) {
		at.lport, at.rport = e.EchoID, e.EchoID
	}
	if hasPorts(e.Proto) {
		return k.findAt(at, in, e.Start, e.Direction == event.In || remote)
	}
	switch {
	case remote || e.Proto > 255 || e.Proto == protoIGMP:
		return nil, false
	case (e.Proto == protoICMP || e.Proto == protoICMP6) && (e.Direction == event.In || !e.HasICMP || !asks(e.Proto, e.ICMPType)):
		return nil, false
	}
	return k.findAt(at, in, e.Start, false)
}

// findAt is find for ends, those of an ICMP echo with its identifier as the port. served: the end did not open the connection.
func (k *kernel) findAt(at tuple, in scope, begun int64, served bool) (s *sock, listener bool) {
	if !hasPorts(at.proto) {
		return k.portless(at, in, begun), false
	}
	if s = k.connected(at, in, begun); s != nil && s.away(begun) == 0 {
		return s, false
	}
	s = nearer(s, k.met(at, in), begun)
	switch {
	case at.proto != protoTCP && (s == nil || s.away(begun) > 0):
		s = nearer(s, k.oneEnded(at, in, false, begun), begun)
		if s != nil && s.parts != nil && s.rport == 0 {
			if begun >= s.parts.from || s.parts.first == nil {
				return s, true // which of them is not told, or not yet
			}
			return s.parts.first, false
		}
	case s == nil && served:
		return k.oneEnded(at, in, true, begun), true
	}
	return s, false
}

// connected gives the socket with both ends. Of several in turn it is the one that was there when the connection began, or
// nearest to that. Several at once are of different namespaces, and nobody knows which is meant.
func (k *kernel) connected(at tuple, in scope, begun int64) (s *sock) {
	clear := true
	for o := k.tuples[at]; o != nil; o = o.next { // the newest first
		if k.isHere(o) && in == elsewhere || !k.isHere(o) && in == here {
			continue
		}
		switch {
		case s == nil || o.away(begun) < s.away(begun) || o.netns == s.netns && o.away(begun) == s.away(begun):
			s, clear = o, true
		case o.away(begun) == s.away(begun):
			clear = false
		}
	}
	if !clear {
		return nil
	}
	return s
}

// met gives the socket that had to do with the other end lately without being connected to it.
func (k *kernel) met(at tuple, in scope) (s *sock) {
	far := farPort{at.remote, at.proto, at.lport, at.rport, k.netns}
	if in != elsewhere {
		if s := k.peers[far].sock; s != nil && (s.whole == nil || s.local.any() || s.local == at.local) {
			return s.metBy()
		}
	}
	if in == here {
		return nil
	}
	for far.netns = range k.spaces {
		if o := k.peers[far].sock; o != nil && k.within(o, in, at.local) {
			if s != nil {
				return nil
			}
			s = o.metBy()
		}
	}
	return s
}

// metBy gives the part of what was met before there were any.
func (s *sock) metBy() *sock {
	if s.parts != nil && s.parts.first != nil {
		return s.parts.first
	}
	return s
}

// slack is what two clocks of the kernel may differ by, and what it takes to tell of a socket.
const slack = 1_000_000

// away is how long the socket was closed, or not told yet, when the connection began; 0 = it was there. A port, and both ends
// together, may be another's at once, and what is asked for is seldom the newest by the time it is asked.
func (s *sock) away(begun int64) int64 {
	if s.whole != nil {
		s = s.whole
	}
	switch {
	case s.closedBefore(begun):
		return begun - s.till
	case s.since > begun+slack:
		return s.since - begun
	}
	return 0
}

func (s *sock) closedBefore(ts int64) bool {
	if s.whole != nil {
		s = s.whole
	}
	return s.till != 0 && s.till+slack < ts
}

// early tells that a connection may have it only because nothing better was told of: what had come before several processes used
// the socket may be received by another than the first of them.
func (s *sock) early() bool { return s.whole != nil && s.whole.parts.first == s }

// nearer gives the one that was there when the connection began rather than the other; a where both were. nil = there is none.
func nearer(a, b *sock, begun int64) *sock {
	if a == nil || b != nil && b.away(begun) < a.away(begun) {
		return b
	}
	return a
}

// oneEnded gives the socket that takes packets for the port, or that sent them without having one. One
// that was open when the connection began goes before others.
func (k *kernel) oneEnded(at tuple, in scope, listens bool, begun int64) *sock {
	var best *sock
	var score int
	clear := true
	toAll := at.proto == protoUDP && (isGroup(at.local) || isGroup(at.remote))
	for _, s := range k.ports[port{at.proto, at.lport}] {
		v := k.fit(s, &at, in, toAll, begun)
		if v == 0 || s.listens != listens || v < score || v == score && s.away(begun) > best.away(begun) {
			continue
		}
		if v > score || s.away(begun) < best.away(begun) {
			best, score, clear = s, v, true
			continue
		}
		clear = clear && best.owner == s.owner && (best.final == nil) == (s.final == nil)
	}
	if !clear {
		return nil
	}
	return best
}

// portless gives the socket of a connection without ports: of an echo the ping socket that has its identifier, else a raw one.
func (k *kernel) portless(at tuple, in scope, begun int64) *sock {
	var s *sock
	if at.lport != 0 {
		if s = k.oneEnded(at, in, false, begun); s != nil && s.away(begun) == 0 {
			return s
		}
	}
	at.lport = 0
	if raw := k.oneEnded(at, in, false, begun); raw != nil {
		return raw
	}
	return s
}

// names tells whether a process has put its number into an echo, as ping(8) does through a raw socket, in either order of bytes.
func names(pid uint32, id uint16) bool {
	return id != 0 && (uint16(pid) == id || uint16(pid)>>8|uint16(pid)<<8 == id)
}

func isGroup(a addr) bool {
	if a.v4() {
		return a.lo>>28&0xf == 0xe || a.lo&0xffffffff == 0xffffffff
	}
	return a.hi>>56 == 0xff
}

// fit says how well a socket with one end fits, 0 = not at all. Packets to a group are for whoever
// is bound to the port.
func (k *kernel) fit(s *sock, at *tuple, in scope, toAll bool, begun int64) int {
	if !k.within(s, in, at.local) {
		return 0
	}
	v := 1
	switch {
	case s.local == at.local:
		v += 2
	case toAll:
	case !s.local.any() || s.local.v4() != at.local.v4() && (s.local.v4() || s.v6only):
		return 0
	}
	if !s.remote.any() {
		if s.remote != at.remote {
			return 0
		}
		v += 4
	}
	if s.away(begun) == 0 {
		v += 8
	}
	// Without ports several may have sent it. The first of a socket is told right after it is sent.
	if !hasPorts(at.proto) && s.since >= begun && s.since <= begun+slack {
		v += 16
	}
	if !hasPorts(at.proto) && s.owner != nil && names(s.owner.pid, at.rport) {
		v += 32
	}
	return v
}
