// Package enrich says who owns a connection: it finds the socket by the connection's ends, the
// process by the socket, and puts both ends' owners on the events.
//
// Where the kernel lets us load programs, it tells of every socket and the process that uses it, as
// it happens. What it does not tell is looked for in the kernel's socket tables and in procfs: there the
// owner is the process that has a descriptor of the socket; of several that inherited it from each other,
// the first. That sees our own network namespace only. Sockets that the kernel holds for itself have no
// process.
package enrich

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"rustnet/bpf"
	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// Values of the field process_source.
const (
	sourceEBPF     = "ebpf"      // the kernel told who used the socket
	sourceFentry   = "fentry"    // so did programs at its functions, for want of stable hooks that see it
	sourceKprobe   = "kprobe"    // so did probes there
	sourceIter     = "iter"      // the kernel told who had the socket when we started
	sourceProcFS   = "procfs"    // found by the socket among the process's descriptors
	sourceListener = "listener"  // the one that waits for connections there, until one of them is accepted
	sourceSockDiag = "sock_diag" // the kernel says the user, the process was not found
)

// Ways of finding owners, as Config.Mode names them.
const (
	ModeAuto   = "auto"   // the best that the system allows
	ModeProcFS = "procfs" // socket tables and procfs only
)

// Config is what the stage needs to know. Zero values are the system's.
type Config struct {
	Mode   string  // ModeAuto, also when empty, or ModeProcFS
	Types  string  // file with the kernel's types, see bpf.Config
	Proc   string  // root of procfs, default /proc
	Passwd string  // names of users, default /etc/passwd
	Root   string  // where the files of container runtimes are looked for, default /
	Budget float64 // share of one core that searching /proc may take in the long run, default 0.05
	// Follow lets only those connections through that belong to processes which we start from now on, and to
	// what these start.
	Follow bool
	// Interval is the time between two updated of one connection, as for the tracker; 0 = there are none.
	Interval time.Duration

	now   func() time.Time
	table table
	hooks hooks // tests have their own
	nat   natSource
}

// table is the kernel's socket table; tests have their own.
type table interface {
	finder
	Close() error
}

// processes is what the system knows of processes and the sockets they hold.
type processes interface {
	// lookup finds who holds a socket, among what is known and what is quickly searched.
	lookup(inode, uid uint32) (pid uint32, ok bool)
	// owner makes the value of the process that lookup found; nil when it let go of the socket.
	owner(inode, uid uint32, source string) *event.Proc
	user(uid uint32) *event.Proc
	forget(inode uint32)
	// program, name and label read what procfs says of a process, if the PID is still its.
	program(pid uint32, start uint64) (program, bool)
	name(pid uint32, start uint64) (string, bool)
	addresses(pid uint32, start uint64) []netip.Addr // of its network namespace; of ours with PID 0
	label(pid uint32, start uint64) string           // of a security module; "" where there is none
	cgroup(path []byte) *event.Cgroup
	userName(uid uint32) string
	readAll()
	work() (more bool)
	stats() searchStats
	close()
}

// searchStats counts what finding processes took.
type searchStats struct {
	Scanned  uint64 // processes whose descriptors were read
	Rounds   uint64 // through all processes
	NotFound uint64 // sockets that a whole round did not find
	// What keeps it from finding them. Foreign: procfs does not show us, so that it is none, or of other processes. Refused: of how
	// many Scanned the descriptors may not be read. Unprivileged: we lack what shows those of other users.
	Foreign, Unprivileged bool
	Refused               uint64
	SearchTime            time.Duration
}

// Stats counts what the stage has done; safe to read at any time.
type Stats struct {
	Opened  uint64 // events that were dropped here: the tracker's hints
	Retried uint64 // looks at a later event of the connection
	Shed    uint64 // looks left out because events came faster than owners can be looked for
	// How the local end's owner was known when the connection closed, where nothing better did it.
	EBPF, ProcFS, UserOnly uint64
	Told                   uint64 // records of sockets and processes from the kernel
	Lost                   uint64 // of those, how many did not get through
	Held                   uint64 // connections whose new waited because the kernel had not told yet
	Expired                uint64 // of those, how many waited in vain
	Renewed                uint64 // updated that are made here: the owner became another, or goes by another name
	Others                 uint64 // events left out because of Config.Follow
	searchStats
}

// Stage puts owners on events.
type Stage struct {
	sockets   *socketFinder
	procs     processes
	kernel    *kernel // nil = the kernel tells nothing
	kernelErr error   // why
	nat       *translations
	natErr    error // why it hears of none
	hooked    []bpf.Hook
	older     error  // see bpf.Hooks.Older
	netns     uint32 // ours, which packets are seen in
	now       func() time.Time
	conns     map[uint64]*owners
	free      []*owners
	held      []*owners     // whose events wait, oldest first
	ready     []event.Event // whose waiting is over, to go out before what comes next
	pool      event.Pool
	reached   int64 // packet time
	lostTold  time.Time
	lost      losses // not told yet
	n         Stats
	stats     atomic.Pointer[Stats]
	behind    bool // batches wait
	renewals       // of owners that change
	follow         // of Config.Follow
}

// owners is what is remembered of a connection from its first event to its last.
type owners struct {
	local, remote end
	last          *event.Event // that went out, where another may have to be made of it
	sent          time.Time    // when
	renewing      int64        // packet time of the change that is to be told; 0 = none is
	hopes         bool         // is among renewals.hopes
	mine, shown   bool         // with Config.Follow: is to be let through; has been
	over          bool         // of a mine one: nothing more will be of it
	loose         bool         // of this event only: there is no room for more, or nothing to remember
	tries         int
	nat           *translation // nil = none
	form          *event.NAT   // what nat makes of its ends, once asked for
	opened        bool         // of a translated one: by the local end
	wait          *wait        // nil = its events go out as they come
}

// wait is the events of a connection that the kernel has not told of yet: new, and what followed.
type wait struct {
	events []event.Event
	until  time.Time
}

// end is one end of a connection.
type end struct {
	proc  *event.Proc
	sock  *sock  // as the kernel told it; its owner may change
	inode uint32 // of the socket proc was found by
	uid   uint32
	of    *owners    // while there is a sock
	same  links[end] // others that have that sock
}

func sameSock(d *end) *links[end] { return &d.same }

// take puts a socket onto the end; nil takes it off.
func (d *end) take(c *owners, s *sock) {
	if d.sock != nil {
		remove(&d.sock.ends, d, sameSock)
	}
	if d.sock, d.of = s, c; s != nil {
		push(&s.ends, d, sameSock)
	}
}

const (
	// A look at the first packet, at new, and at a few updates: what is not found by then has gone.
	triesMax = 6
	connsMax = 1 << 20
	workWait = 20 * time.Millisecond // between two slices of a search
	// Between two looks at what the kernel has told, when no batch comes. Those in which a live source tells the time come
	// more often.
	tellWait = time.Second
	// A packet can be here before the kernel has told of its socket: a datagram is told right after it
	// is sent, an accepted connection when it is first read.
	holdFor  = 10 * time.Millisecond
	holdStep = 2 * time.Millisecond
	holdMax  = 4096
)

// New loads the kernel's hooks where it may, opens the socket tables and, without hooks, reads which
// process holds which socket now. Afterwards the stage needs no privilege but to read procfs.
func New(cfg Config) (*Stage, error) {
	if cfg.Proc == "" {
		cfg.Proc = "/proc"
	}
	if cfg.Passwd == "" {
		cfg.Passwd = "/etc/passwd"
	}
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.Budget <= 0 {
		cfg.Budget = 0.05
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.table == nil {
		conn, err := sockets.Open()
		if err != nil {
			return nil, fmt.Errorf("find owners of connections: %w", err)
		}
		cfg.table = conn
	}
	s := &Stage{sockets: &socketFinder{table: cfg.table, netns: sockets.OwnNetNS(), now: cfg.now}, now: cfg.now, netns: sockets.OwnNetNS(), nat: newTranslations(cfg.now), conns: map[uint64]*owners{}, pool: event.NewPool(8)}
	h := s.openHooks(cfg)
	procs, err := newIndex(cfg, h != nil && h.Complete())
	if err != nil {
		cfg.table.Close()
		if h != nil {
			h.Close()
		}
		return nil, fmt.Errorf("find owners of connections: %w", err)
	}
	s.procs = procs
	s.renewals.every, s.follow.on = cfg.Interval, cfg.Follow
	if cfg.Follow && (h == nil || !h.Follows()) {
		if err := takeOrphans(); err != nil {
			s.Close()
			return nil, fmt.Errorf("follow processes: %w", err)
		}
	}
	if h != nil {
		s.openNAT(cfg)
		s.kernel = newKernel(h, procs, s.netns, cfg.now)
		if cfg.Follow {
			s.kernel.follow = uint32(os.Getpid())
		}
		if err := s.kernel.readAll(); err != nil {
			s.kernelErr = err
			s.procs.readAll()
		}
	}
	s.publish()
	return s, nil
}

// CheckTypes says what is wrong with a file for Config.Types.
func CheckTypes(path string) error { return bpf.CheckTypes(path) }

// openHooks gives nil where the kernel has none for us.
func (s *Stage) openHooks(cfg Config) hooks {
	switch {
	case cfg.hooks != nil:
		return cfg.hooks
	case cfg.Mode == ModeProcFS:
		s.kernelErr = errors.New("switched off")
		return nil
	}
	h, err := bpf.Open(bpf.Config{Follow: cfg.Follow, Types: cfg.Types})
	if err != nil {
		if refused, ok := errors.AsType[*bpf.RefusedError](err); ok {
			s.hooked = refused.Hooks
		}
		s.kernelErr = err
		return nil
	}
	s.hooked, s.older = h.Report(), h.Older()
	return h
}

// openNAT begins to hear of translations: only with hooks, since the tables show no other namespace's sockets.
func (s *Stage) openNAT(cfg Config) {
	if cfg.nat != nil {
		s.nat.natSource = cfg.nat
		return
	}
	n, err := sockets.OpenNAT(s.nat.add)
	if err != nil {
		s.natErr = err
		return
	}
	s.nat.natSource = n
}

// NAT says why connections that the kernel's NAT changes are not followed; nil = they are.
func (s *Stage) NAT() error {
	if s.kernel == nil {
		return s.kernelErr
	}
	return s.natErr
}

// Hooks says what became of each program for the kernel, and why there are none, or what they lack.
func (s *Stage) Hooks() ([]bpf.Hook, error) { return s.hooked, s.kernelErr }

// Rung says what owners are known by that the kernel tells, "" when it tells none, and why its programs are those for older
// kernels; nil = they are not.
func (s *Stage) Rung() (source string, older error) {
	if s.kernel == nil {
		return "", nil
	}
	return s.kernel.source, s.older
}

// Exact tells whether the kernel tells the owner of every socket that is used.
func (s *Stage) Exact() bool { return s.kernel != nil && s.kernel.complete }

// Close gives back what New opened. Run does so by itself when it ends.
func (s *Stage) Close() error {
	if s.kernel != nil {
		s.kernel.Close()
	}
	if s.nat.natSource != nil {
		s.nat.Close()
	}
	s.procs.close()
	return s.sockets.table.Close()
}

// Stats gives the counts up to the last batch.
func (s *Stage) Stats() Stats { return *s.stats.Load() }

// Report says for people what was lost, "" when nothing was.
func (s *Stage) Report() string {
	var said []string
	stats := s.Stats()
	if stats.Others > 0 {
		said = append(said, event.Count(stats.Others, "event")+" of other processes left out")
	}
	if stats.Shed > 0 {
		said = append(said, event.Count(stats.Shed, "look")+" for owners left out for want of time")
	}
	return strings.Join(said, ", ")
}

// Notes says what kept owners from us, and what mends it.
func (s Stats) Notes() []string {
	if s.UserOnly == 0 {
		return nil
	}
	why := "no process that /proc shows has their sockets: it had closed them by then, or is in another PID namespace"
	switch {
	case s.Foreign:
		why = "/proc does not show the processes here (try: mount -t proc proc /proc)"
	case s.Refused > 0 || s.Unprivileged:
		why = "other users' processes need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (try: sudo)"
	}
	return []string{fmt.Sprintf("of %s only the user is known: %s", event.Count(s.UserOnly, "connection"), why)}
}

func (s *Stage) publish() {
	n := s.n
	n.searchStats = s.procs.stats()
	s.stats.Store(&n)
}

// Run puts owners on the events of in until it is closed, and drops the Opened ones. It closes out.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	defer s.Close()
	work := time.NewTimer(workWait)
	defer work.Stop()
	for {
		select {
		case b, ok := <-in:
			if !ok {
				return s.end(ctx, out)
			}
			s.listen(false)
			s.behind = cap(in) >= 8 && len(in) > cap(in)*3/4
			beat := len(b.Events) == 0
			s.batch(b)
			if err := s.send(ctx, out, b); err != nil {
				return err
			}
			// A busy stream must not keep the search from going on.
			if wait := s.next(s.procs.work()); wait > 0 && (beat || wait < tellWait) {
				work.Reset(wait)
			}
		case <-work.C:
			s.listen(false)
			if err := s.send(ctx, out, nil); err != nil {
				return err
			}
			if wait := s.next(s.procs.work()); wait > 0 {
				work.Reset(wait)
			}
			s.publish()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next is when there is something to do though no batch comes; 0 = never.
func (s *Stage) next(searching bool) time.Duration {
	switch {
	case len(s.held) > 0:
		return holdStep
	case searching:
		return workWait
	case s.kernel != nil:
		return tellWait
	}
	return 0
}

func (s *Stage) end(ctx context.Context, out chan<- *event.Batch) error {
	s.listen(true)
	s.publish()
	return s.send(ctx, out, nil)
}

// listen takes what the kernel has told, and lets go of what waited for it.
func (s *Stage) listen(last bool) {
	k := s.kernel
	if k == nil {
		return
	}
	s.nat.drain()
	n := k.drain()
	s.n.Told += uint64(n)
	s.noteOver()
	if len(s.held) > 0 {
		s.letGo(last)
	}
	s.renew()
	since := k.losses()
	since[lostNAT] = s.nat.losses()
	for i, n := range since {
		s.lost[i] += n
		s.n.Lost += n
	}
	if s.lost == (losses{}) || !last && k.at.Sub(s.lostTold) < time.Second {
		return
	}
	for i, n := range s.lost {
		if n > 0 {
			s.ready = append(s.ready, event.Event{Kind: event.Lost, TS: s.reached, LostWhere: lostWhere[i], LostCount: n})
		}
	}
	s.lost, s.lostTold = losses{}, k.at
}

// letGo sends on the events of connections that are known by now, or have waited long enough.
func (s *Stage) letGo(all bool) {
	now := s.now()
	n := 0
	for _, c := range s.held {
		w := c.wait
		first := &w.events[0]
		s.ask(c, first)
		if !all && now.Before(w.until) && s.worthWaiting(c, first) {
			s.held[n] = c
			n++
			continue
		}
		if s.worthWaiting(c, first) {
			s.n.Expired++
		}
		c.wait = nil
		for i := range w.events {
			e := &w.events[i]
			s.look(c, e)
			if s.put(c, e) {
				s.ready = append(s.ready, *e)
			}
		}
	}
	clear(s.held[n:])
	s.held = s.held[:n]
}

// send sends on what is ready, and then b.
func (s *Stage) send(ctx context.Context, out chan<- *event.Batch, b *event.Batch) error {
	if len(s.ready) > 0 {
		r := s.pool.Get()
		r.Events = append(r.Events, s.ready...)
		r.Now = s.reached
		clear(s.ready)
		s.ready = s.ready[:0]
		if err := r.Send(ctx, out); err != nil {
			return err
		}
	}
	if b == nil {
		return nil
	}
	s.reached = b.Now
	s.follow.reached.Store(b.Now)
	return b.Send(ctx, out)
}

func (s *Stage) batch(b *event.Batch) {
	n := 0
	for i := range b.Events {
		e := &b.Events[i]
		if e.Kind != event.Lost && !s.event(e) {
			continue
		}
		if n != i {
			b.Events[n] = *e
		}
		n++
	}
	if len(b.Events) > 0 {
		clear(b.Events[n:])
		b.Events = b.Events[:n]
		s.publish()
	}
}

// event looks for the owners if they are not known, and puts them on the event. It tells whether
// the event goes on now: Opened never does, and others may have to wait.
func (s *Stage) event(e *event.Event) (goes bool) {
	c := s.conns[e.ID]
	fresh, passes := c == nil, false
	if fresh {
		c, passes = s.take(), s.passes(e)
		if c.loose = e.Kind == event.Closed || len(s.conns) >= connsMax || passes; !c.loose {
			s.conns[e.ID] = c
		}
	}
	if c.wait != nil {
		if e.Kind != event.Opened {
			c.wait.events = append(c.wait.events, *e)
		}
		return false
	}
	if !passes {
		s.ask(c, e)
	}
	if (e.Kind == event.New || fresh && e.Kind != event.Opened) && len(s.held) < holdMax && s.worthWaiting(c, e) {
		s.n.Held++
		c.wait = &wait{events: []event.Event{*e}, until: s.now().Add(holdFor)}
		s.held = append(s.held, c)
		return false
	}
	s.look(c, e)
	if e.Kind == event.Opened {
		s.n.Opened++
		e.Proc, e.Peer = c.local.proc, c.remote.proc
		s.claim(c)
		if c.loose {
			s.release(c)
		}
		return false
	}
	return s.put(c, e)
}

// passes tells whether nothing can be known of the connection, and so nothing need be remembered, until its next event.
func (s *Stage) passes(e *event.Event) bool {
	if e.Direction != event.Forward || s.kernel != nil && !s.kernel.passes(e) {
		return false
	}
	nat, _ := s.nat.find(e)
	return nat == nil
}

// put writes the owners onto an event that goes out, and tells whether it does.
func (s *Stage) put(c *owners, e *event.Event) bool {
	e.Proc, e.Peer = c.local.proc, c.remote.proc
	if e.NetNS == 0 { // of sockets the source says it
		e.NetNS = s.netns
	}
	if c.nat != nil {
		if c.form == nil {
			c.form = c.nat.otherForm(e, c.opened)
		}
		if *c.form != (event.NAT{}) {
			e.NAT = c.form
		}
	}
	c.order(e)
	goes := s.lets(c, e)
	switch {
	case e.Kind == event.Closed:
		s.close(e.ID, c)
	case c.loose:
		s.release(c)
	case goes:
		s.keep(c, e)
	}
	return goes
}

// ask puts onto the connection what the kernel has told of its sockets. The other end of what leaves
// this machine, or comes to it, may be in another network namespace of it, and so may both of what goes through.
func (s *Stage) ask(c *owners, e *event.Event) {
	if s.kernel == nil || e.Direction == event.DirectionUnknown && e.Proto != protoTCP || e.Sockets != nil {
		return // a socket that the source names is found by that
	}
	if c.nat == nil {
		c.nat, c.opened = s.nat.find(e)
	}
	if c.nat != nil {
		s.askTranslated(c, &c.local, c.opened, e.Start)
		if hasPorts(e.Proto) { // what answers an echo is the kernel
			s.askTranslated(c, &c.remote, !c.opened, e.Start)
		}
		return
	}
	in := here
	if e.Direction == event.Forward {
		in = elsewhere
	}
	s.askEnd(c, &c.local, e, false, in)
	switch e.Direction {
	case event.DirectionUnknown:
	case event.Local:
		s.askEnd(c, &c.remote, e, true, here)
	default:
		s.askEnd(c, &c.remote, e, true, elsewhere)
	}
}

// askTranslated asks for an end of a connection that NAT changes: its socket has the ends that conntrack says.
func (s *Stage) askTranslated(c *owners, d *end, opened bool, begun int64) {
	if d.sock == nil || d.stale(begun) || d.sock.early() {
		at := c.nat.answerer
		if opened {
			at = c.nat.opener
		}
		sock, listener := s.kernel.findAt(at, anywhere, begun, !opened)
		s.found(c, d, sock, listener)
	}
	s.own(d)
}

func (s *Stage) askEnd(c *owners, d *end, e *event.Event, remote bool, in scope) {
	if d.sock == nil || d.stale(e.Start) || d.sock.early() {
		held := d.sock == nil && quality(d.proc) == 3 // found in procfs: of several that have the socket, any
		if held && e.Proto != protoTCP {
			return
		}
		if sock, listener := s.kernel.find(e, remote, in); !held || !listener {
			s.found(c, d, sock, listener)
		}
	} else if e.Proto == protoUDP && d.sock.closedBefore(e.Last) {
		s.successor(c, d, e, remote, in)
	}
	s.own(d)
}

// found puts a socket onto an end. One that listens is not the end's own.
func (s *Stage) found(c *owners, d *end, sock *sock, listener bool) {
	switch {
	case sock == nil:
	case !listener:
		d.take(c, sock)
	case sock.owner != nil:
		d.proc = s.kernel.value(sock, sourceListener)
	}
}

// own takes the process that has the end's socket now.
func (s *Stage) own(d *end) {
	if d.sock == nil {
		return
	}
	if p := s.kernel.proc(d.sock); p != nil {
		d.proc, d.inode = p, 0
	}
}

// successor takes the socket that has the port now: the wire does not show that one closed and another
// began, so that both are one connection to the tracker.
func (s *Stage) successor(c *owners, d *end, e *event.Event, remote bool, in scope) {
	now := *e
	now.Start = e.Last
	if sock, _ := s.kernel.find(&now, remote, in); sock != nil && sock.since > d.sock.till && sock.since <= e.Last+slack {
		d.take(c, sock)
	}
}

// stale tells that the end's socket was closed before the connection began, so that another may have its port: what came
// after the last word of one, or its owner not told yet.
func (d *end) stale(begun int64) bool { return d.sock != nil && d.sock.closedBefore(begun) }

// unused tells that nobody has used the accepted socket of this end yet: only who listens there is known, or who has
// it, which may be several.
func (d *end) unused(e *event.Event) bool {
	return quality(d.proc) == 2 || d.stale(e.Start) || d.sock == nil && e.Proto == protoTCP && d.proc != nil && d.proc.Source == sourceProcFS
}

// worthWaiting tells whether the kernel may be about to tell more than is known: of a socket of ours
// that sends, or of the process that will read from a connection to a socket that somebody waits at.
func (s *Stage) worthWaiting(c *owners, e *event.Event) bool {
	if s.kernel == nil || !s.kernel.complete || !hasPorts(e.Proto) || e.Sockets != nil {
		return false
	}
	if c.nat != nil {
		return c.local.unused(e) || c.remote.unused(e) || quality(c.local.proc) == 0 && c.opened
	}
	switch e.Direction {
	case event.Out:
		return quality(c.local.proc) < 3 || c.local.stale(e.Start)
	case event.In:
		return c.local.unused(e)
	case event.Local:
		return quality(c.local.proc) < 3 || c.local.stale(e.Start) || c.remote.unused(e)
	case event.Forward:
		return quality(c.local.proc) < 3 && s.kernel.inSpace(e.Local.Addr())
	}
	return false
}

func (s *Stage) take() *owners {
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	return &owners{}
}

func (s *Stage) close(id uint64, c *owners) {
	switch p := c.local.proc; quality(p) {
	case 3:
		switch p.Source {
		case sourceEBPF, sourceFentry, sourceKprobe:
			s.n.EBPF++
		case sourceIter:
		default:
			s.n.ProcFS++
		}
	case 1:
		s.n.UserOnly++
	}
	delete(s.conns, id)
	for _, d := range [2]*end{&c.local, &c.remote} {
		// A socket that is not the connection's alone stays: a listener's, unconnected UDP, raw.
		if d.inode != 0 {
			s.procs.forget(d.inode)
		}
	}
	s.release(c)
}

// release lets go of all that knows of the connection.
func (s *Stage) release(c *owners) {
	s.drop(c)
	c.local.take(nil, nil)
	c.remote.take(nil, nil)
	if c.mine && !c.over {
		s.follow.open.Add(-1)
	}
	if len(s.free) < 1024 {
		*c = owners{}
		s.free = append(s.free, c)
	}
}

// quality orders how well an owner is known.
func quality(p *event.Proc) int {
	switch {
	case p == nil:
		return 0
	case p.Source == sourceSockDiag:
		return 1
	case p.Source == sourceListener:
		return 2
	}
	return 3
}

// look searches the socket tables and procfs, as far as the kernel has not told and this event is the
// occasion for.
func (s *Stage) look(c *owners, e *event.Event) {
	if e.Direction == event.DirectionUnknown && e.Proto != protoTCP && e.Sockets == nil || e.Direction == event.Forward || c.nat != nil {
		return // none of the ends is known to be here, or to be what our socket has
	}
	if s.behind {
		// Searching takes longer than what it is for: the capture would lose packets over it.
		s.n.Shed++
		return
	}
	fresh := c.tries == 0
	if e.Kind == event.New && !fresh {
		s.recheck(&c.local)
		s.recheck(&c.remote)
	}
	peer := e.Direction == event.Local
	if quality(c.local.proc) == 3 && (!peer || quality(c.remote.proc) == 3) || c.tries >= triesMax {
		return
	}
	if e.Kind == event.Closed && c.tries > 1 {
		return // the sockets have gone, and there were looks enough
	}
	if e.Kind == event.Opened && s.kernel != nil && s.kernel.complete {
		return // it will tell
	}
	c.tries++
	if !fresh {
		s.n.Retried++
	}
	if quality(c.local.proc) < 3 {
		any := s.find(c, &c.local, e, false)
		if !any && e.Kind == event.Opened && e.Direction == event.In && e.Proto == protoTCP {
			c.tries = triesMax // nobody listens there: a scan, which is to cost little
		}
	}
	if peer && quality(c.remote.proc) < 3 {
		s.find(c, &c.remote, e, true)
	}
}

// find looks for the owner of one end, and keeps it if it is better than what was known. It tells
// whether there was a socket at all.
func (s *Stage) find(c *owners, d *end, e *event.Event, remote bool) bool {
	var found [candidatesMax]sockets.Socket
	n, source := s.sockets.find(found[:], e, remote)
	best := struct {
		proc  *event.Proc
		inode uint32
		uid   uint32
	}{}
	var pid uint32
	for i := range found[:n] {
		sock := &found[i]
		if s.known(c, d, sock, source) {
			return true
		}
		p, inode := s.ofSocket(sock, source)
		if i > 0 && (p == nil || p.PID == 0 || p.PID != pid) {
			return true // several sockets may be meant, of different owners: nobody knows which
		}
		if p != nil {
			pid = p.PID
			best.proc, best.inode, best.uid = p, inode, sock.UID
		}
	}
	if quality(best.proc) > quality(d.proc) {
		d.take(nil, nil)
		d.proc, d.inode, d.uid = best.proc, best.inode, best.uid
	}
	if source == sourceListener || n > 1 || n == 1 && !found[0].Connected() {
		d.inode = 0 // not this connection's alone
	}
	return n > 0
}

// known takes the owner of a socket that the kernel has told of, without its addresses.
func (s *Stage) known(c *owners, d *end, sock *sockets.Socket, source string) bool {
	if s.kernel == nil || source != sourceProcFS || sock.Cookie == 0 {
		return false
	}
	k := s.kernel.socks[sock.Cookie]
	if k == nil || k.owner == nil {
		return false
	}
	if k.parts != nil && k.rport == 0 {
		return true // each of several processes has a part, and which is told as it receives or answers
	}
	d.take(c, k)
	d.proc, d.inode = s.kernel.proc(k), 0
	return true
}

func (s *Stage) ofSocket(sock *sockets.Socket, source string) (*event.Proc, uint32) {
	if sock.Inode == 0 {
		return nil, 0
	}
	if _, ok := s.procs.lookup(sock.Inode, sock.UID); ok {
		if p := s.procs.owner(sock.Inode, sock.UID, source); p != nil {
			return p, sock.Inode
		}
	}
	if source == sourceListener {
		return nil, 0 // the connection's own socket may yet come to another user
	}
	return s.procs.user(sock.UID), 0
}

// recheck asks once more who holds the socket: between the first packet and new, a server may have
// handed it to a child. When nobody holds it any more, the last one known did.
func (s *Stage) recheck(d *end) {
	if d.inode == 0 {
		return
	}
	if _, ok := s.procs.lookup(d.inode, d.uid); ok {
		if p := s.procs.owner(d.inode, d.uid, sourceProcFS); p != nil {
			d.proc = p
		}
	}
}
