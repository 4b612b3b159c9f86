// Package track makes connections of packets and events of connections: one new, any number of
// updated, one closed for each. Time goes by packet time alone.
package track

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/capture/prefetch"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

// Config is what a user may set.
type Config struct {
	Settle         time.Duration            `default:"250ms" placeholder:"D" help:"How long new waits, in packet time, for process and application to be known; 0 is not at all."`
	Interval       time.Duration            `default:"1s" placeholder:"D" help:"Least time between two updated events of a connection; 0 is no updated."`
	Timeout        map[string]time.Duration `placeholder:"CLASS=D" mapsep:"," unset:"tcp=2h15m, tcp-opening=75s, tcp-closing=10m, udp=30s, icmp=30s, other=60s" help:"Silence after which a connection counts as ended, e.g. udp=10s,tcp=1h. Default: tcp=2h15m, tcp-opening=75s, tcp-closing=10m, udp=30s, icmp=30s, other=60s."`
	MaxConnections int                      `default:"1000000" placeholder:"N" least:"1" help:"Most connections tracked at once; beyond it, one that was silent for long is evicted."`
	Workers        int                      `default:"0" placeholder:"N" most:"16" unset:"a quarter of the cores" help:"Goroutines that share the tracking; 0 is a quarter of the cores. The output is the same."`
	Inspect        dpi.Config               `embed:""`

	// Local tells this machine's addresses; nil = nobody knows, and local is who opened.
	Local func(netip.Addr) bool `kong:"-"`
	// Announce sends an Opened for each connection at its first packet, for stages that look for owners.
	Announce bool `kong:"-"`
	// Ends says that the kernel tells of the ends of sockets.
	Ends bool `kong:"-"`
	// Bypass is where the kernel counts packets of long connections; nil = it hands over all of them.
	Bypass Bypass `kong:"-"`
	// Names has what DNS responses say of addresses in the batches that Each gets.
	Names bool `kong:"-"`
	// Each is called with each batch of events before it goes out, and may change it; never by two goroutines at once. It is for
	// what is quickly said of events: they are still in the cache then. nil = nobody says anything.
	Each func(*event.Batch) `kong:"-"`
	// Tap gets each batch of packets, labelled, before the events that they made go out. It releases it. nil = nobody does.
	Tap func(context.Context, *decode.Packets) error `kong:"-"`
	// Recall reads what stands beside a packet in a file (capture.Frames.Comments), nil for what says nothing. Several
	// goroutines call it. nil = it is passed over.
	Recall func(text string) *event.Recorded `kong:"-"`
	// Crashed is told, once for each, of places in the inspection that panicked; the connections go on without it. nil = so does the panic.
	Crashed func(text string) `kong:"-"`
}

// timeouts say after how much silence a connection counts as ended, by class.
type timeouts struct {
	tcpOpening time.Duration // SYN without answer: longer than the gap between a client's last tries
	tcp        time.Duration // established: longer than the kernel's keep-alive of two hours
	tcpClosing time.Duration // FIN from one side
	udp        time.Duration
	icmp       time.Duration
	other      time.Duration
}

// defaultTimeouts follow the Linux kernel's own patience (tcp(7), nf_conntrack).
var defaultTimeouts = timeouts{
	tcpOpening: 75 * time.Second,
	tcp:        2*time.Hour + 15*time.Minute,
	tcpClosing: 10 * time.Minute,
	udp:        30 * time.Second,
	icmp:       30 * time.Second,
	other:      60 * time.Second,
}

// set changes one class.
func (t *timeouts) set(class string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("--timeout %s: %v is not above zero", class, d)
	}
	p := map[string]*time.Duration{"tcp": &t.tcp, "tcp-opening": &t.tcpOpening, "tcp-closing": &t.tcpClosing,
		"udp": &t.udp, "icmp": &t.icmp, "other": &t.other}[class]
	if p == nil {
		return fmt.Errorf("--timeout: no class %q (there are tcp, tcp-opening, tcp-closing, udp, icmp, other)", class)
	}
	*p = d
	return nil
}

const (
	lanes = decode.Lanes // fixed: see lane
	// lateNS is how long, in a wire's disorder, stragglers may follow the segment that ended a
	// connection: its closed waits for them, so that its counts are whole.
	lateNS = 20_000_000
	// Nobody sends a SYN again sooner: one that comes again within this time, or behind its answer, was late.
	synAgainNS = 200_000_000
	// After closed the connection's name is kept a while, so that what trails in is not taken for a new one.
	tombstoneNS = 5_000_000_000
	// A packet that looks like one seen on another interface is that one again within this time.
	againNS = 1_000_000_000
	// Events are handed on when event.Room of them are there, when no packets wait, or after so many batches of packets: who takes
	// them is woken that much less often.
	packetBatches = 32
	// timeNS is how much time passes before it is told on though nothing happened.
	timeNS = 50_000_000
)

// Stats counts what the stage has done; safe to read at any time.
type Stats struct {
	Packets uint64 // packets counted into a connection, in frames
	Skipped [decode.NumSkips]uint64
	Opened  uint64 // connections begun
	Closed  uint64
	Evicted uint64
	Events  uint64 // new, updated, closed and lost that left the stage
	// Forgotten is how many connections that others arranged were not waited for, for want of room.
	Forgotten uint64
	// Unrecalled is how many comments of a file were passed over for want of room.
	Unrecalled uint64
	// LeftOut is how many long values, as paths of kilobytes, were not kept for want of room.
	LeftOut uint64
	// EndsPassed is how many ends of sockets were not compared with all connections over their port, for there were too many.
	EndsPassed uint64
	// Crashed is of how many connections the inspection panicked.
	Crashed uint64
}

type counters struct {
	packets, opened, closed, evicted, events, forgotten, unrecalled, leftOut, endsPassed, crashed atomic.Uint64
	skipped                                                                                       [decode.NumSkips]atomic.Uint64
}

// Stage is the tracker.
type Stage struct {
	cfg     Config
	timeout timeouts
	secret  secret
	workers []*worker
	pool    event.Pool
	count   counters
	crashes crashes
	// expected is the goroutine's that sends.
	expected expectations
}

// New makes the stage, or says what is wrong with cfg.
func New(cfg Config) (*Stage, error) {
	s := &Stage{cfg: cfg, timeout: defaultTimeouts, secret: secret{rand.Uint64(), rand.Uint64()}, pool: event.NewPool(64)}
	for class, d := range cfg.Timeout {
		if err := s.timeout.set(class, d); err != nil {
			return nil, err
		}
	}
	n := min(max(1, cfg.Workers), lanes)
	for i := range n {
		s.workers = append(s.workers, newWorker(s, i, n))
	}
	return s, nil
}

// Stats gives the counts so far.
func (s *Stage) Stats() Stats {
	c := &s.count
	st := Stats{Packets: c.packets.Load(), Opened: c.opened.Load(), Closed: c.closed.Load(),
		Evicted: c.evicted.Load(), Events: c.events.Load(), Forgotten: c.forgotten.Load(), Unrecalled: c.unrecalled.Load(), LeftOut: c.leftOut.Load(), EndsPassed: c.endsPassed.Load(), Crashed: c.crashed.Load()}
	for i := range c.skipped {
		st.Skipped[i] = c.skipped[i].Load()
	}
	return st
}

// Report says it for people.
func (s Stats) Report() string {
	text := fmt.Sprintf("%d in %s", s.Packets, event.Count(s.Opened, "connection"))
	if skipped := decode.ReportSkipped(&s.Skipped); skipped != "" {
		text += ", " + skipped
	}
	if s.Evicted > 0 {
		text += ", " + event.Count(s.Evicted, "connection") + " evicted (--max-connections)"
	}
	if s.Forgotten > 0 {
		text += ", " + event.Count(s.Forgotten, "connection") + " that others arranged not waited for, for want of room"
	}
	if s.Unrecalled > 0 {
		text += ", " + event.Count(s.Unrecalled, "comment") + " of the file passed over for want of room"
	}
	if s.LeftOut > 0 {
		text += ", " + event.Count(s.LeftOut, "long value") + " left out for want of room"
	}
	if s.EndsPassed > 0 {
		text += ", " + event.Count(s.EndsPassed, "end") + " of sockets not compared with all connections over their port, for want of time"
	}
	if s.Crashed > 0 {
		text += ", " + event.Count(s.Crashed, "connection") + " whose inspection failed"
	}
	return text
}

// crashes keeps Config.Crashed from being told the same again and again.
type crashes struct {
	mu   sync.Mutex
	told map[string]bool
}

const crashesMax = 64

func (s *Stage) caught(what string) {
	s.count.crashed.Add(1)
	s.crashes.mu.Lock()
	defer s.crashes.mu.Unlock()
	if len(s.crashes.told) >= crashesMax || s.crashes.told[what] {
		return
	}
	if s.crashes.told == nil {
		s.crashes.told = map[string]bool{}
	}
	s.crashes.told[what] = true
	s.cfg.Crashed(what)
}

// Run tracks until in is closed, then tells the end of every connection that is still open.
// It closes out.
func (s *Stage) Run(ctx context.Context, in <-chan *decode.Packets, out chan<- *event.Batch) error {
	return s.run(ctx, func(yield func(*decode.Packets) bool) {
		for p := range in {
			if !yield(p) {
				return
			}
		}
	}, func() bool { return len(in) > 0 }, out)
}

// RunFrames is Run of what d makes of frames. One worker decodes them itself, batch by batch: what it wants to know of
// a packet is then still in the cache of the core that found it out.
func (s *Stage) RunFrames(ctx context.Context, d *decode.Decoder, in <-chan *capture.Frames, out chan<- *event.Batch) error {
	if len(s.workers) > 1 {
		packets := make(chan *decode.Packets, 16)
		go func() { _ = d.Run(ctx, in, packets) }() // it fails with ctx, as we do
		return s.Run(ctx, packets, out)
	}
	return s.run(ctx, func(yield func(*decode.Packets) bool) {
		defer d.Flush()
		for {
			select {
			case <-ctx.Done():
				return
			case f, ok := <-in:
				if !ok || !yield(d.Batch(f)) {
					return
				}
			}
		}
	}, func() bool { return len(in) > 0 }, out)
}

// RunEach is RunFrames, with one worker, of what read gives to yield. They take turns in one goroutine: what was read is then still in
// the cache, too. An error of read ends it as the end of the input does, and is returned then.
func (s *Stage) RunEach(ctx context.Context, d *decode.Decoder, read func(yield func(*capture.Frames) bool) error, out chan<- *event.Batch) error {
	var failed error
	err := s.run(ctx, func(yield func(*decode.Packets) bool) {
		defer d.Flush()
		failed = read(func(f *capture.Frames) bool { return ctx.Err() == nil && yield(d.Batch(f)) })
	}, func() bool { return true }, out)
	return cmp.Or(err, failed)
}

// run tracks what in gives; more tells whether there is some that it need not wait for.
func (s *Stage) run(ctx context.Context, in iter.Seq[*decode.Packets], more func() bool, out chan<- *event.Batch) error {
	defer close(out)
	var err error
	if len(s.workers) == 1 {
		err = s.runOne(ctx, in, more, out)
	} else {
		err = s.runMany(ctx, in, out)
	}
	if err != nil {
		return err
	}
	return s.finish(ctx, out)
}

func (s *Stage) runOne(ctx context.Context, in iter.Seq[*decode.Packets], more func() bool, out chan<- *event.Batch) error {
	w := s.workers[0]
	var err error
	kept := 0       // batches of packets whose events are still here
	told := w.clock // when something was sent last
	flush := func() {
		kept = 0
		if len(w.out.Events) == 0 && len(w.out.Said) == 0 && w.clock-told < timeNS {
			return // it would wake all that follow, for the time alone
		}
		told, w.out.Now = w.clock, w.clock
		if err == nil {
			err = s.send(ctx, w.out, out)
		}
		w.out = s.pool.Get()
	}
	if s.cfg.Tap == nil { // who gets the batch first
		w.flush = flush
		defer func() { w.flush = nil }()
	}
	for p := range in {
		s.label(p)
		w.batch(p)
		if terr := s.done(ctx, p); err == nil {
			err = terr
		}
		if kept++; kept == packetBatches || w.flush == nil || !more() {
			flush()
		}
		if err != nil {
			return err
		}
	}
	flush()
	return err
}

// label makes room for the labels of a batch, where they are asked for.
func (s *Stage) label(p *decode.Packets) {
	if s.cfg.Tap != nil {
		p.Labels = slices.Grow(p.Labels[:0], len(p.Packets))[:len(p.Packets)]
		clear(p.Labels)
	}
}

// done is the end of a batch whose packets are counted.
func (s *Stage) done(ctx context.Context, p *decode.Packets) error {
	if s.cfg.Tap != nil {
		return s.cfg.Tap(ctx, p)
	}
	p.Release()
	return nil
}

// runMany gives every batch to all workers, each of which takes the connections of its lanes, and
// merges what they make into the order in which one worker would have made it.
func (s *Stage) runMany(ctx context.Context, in iter.Seq[*decode.Packets], out chan<- *event.Batch) error {
	type done struct {
		out          *event.Batch
		keys         []order // of what is not merged yet
		events, said int     // of out, merged
	}
	n := len(s.workers)
	ins, outs := make([]chan *decode.Packets, n), make([]chan done, n)
	inFlight := make(chan *decode.Packets, 4)
	var running sync.WaitGroup
	for i, w := range s.workers {
		ins[i], outs[i] = make(chan *decode.Packets, 4), make(chan done, 4)
		running.Go(func() {
			for p := range ins[i] {
				w.keys = make([]order, 0, 64)
				w.batch(p)
				outs[i] <- done{out: w.out, keys: w.keys}
				w.out = s.pool.Get()
			}
			w.keys = nil
		})
	}
	var failed error
	running.Go(func() {
		parts := make([]done, n)
		for p := range inFlight {
			for i := range outs {
				parts[i] = <-outs[i]
			}
			clock := p.Clock
			if err := s.done(ctx, p); failed == nil {
				failed = err
			}
			b := s.pool.Get()
			b.Now = clock
			for {
				best := -1
				for i := range parts {
					if len(parts[i].keys) > 0 && (best < 0 || parts[i].keys[0].before(&parts[best].keys[0])) {
						best = i
					}
				}
				if best < 0 {
					break
				}
				d := &parts[best]
				d.keys = d.keys[1:]
				if d.said < len(d.out.Said) && d.out.Said[d.said].At == d.events {
					said := d.out.Said[d.said]
					said.At = len(b.Events)
					b.Said = append(b.Said, said)
					d.said++
					continue
				}
				b.Events = append(b.Events, d.out.Events[d.events])
				d.events++
			}
			for i := range parts {
				parts[i].out.Release()
			}
			if failed == nil {
				failed = s.send(ctx, b, out)
			}
		}
	})
	for p := range in {
		s.label(p)
		inFlight <- p
		for i := range ins {
			ins[i] <- p
		}
	}
	for i := range ins {
		close(ins[i])
	}
	close(inFlight)
	running.Wait()
	return failed
}

// send hands on events, with what is known of connections that others arranged.
func (s *Stage) send(ctx context.Context, b *event.Batch, out chan<- *event.Batch) error {
	s.expected.batch(b)
	s.count.forgotten.Store(s.expected.forgotten)
	if s.cfg.Each != nil {
		s.cfg.Each(b)
	}
	for i := range b.Said {
		if a := b.Said[i].Answer; a != nil {
			a.Release()
		}
	}
	clear(b.Said)
	b.Said = b.Said[:0]
	return b.Send(ctx, out)
}

// finish tells the end of all that is open, in the order in which it began.
func (s *Stage) finish(ctx context.Context, out chan<- *event.Batch) error {
	var all []connRef
	var clock int64
	n := 0
	for _, w := range s.workers {
		for l := range w.lanes {
			n += w.lanes[l].index.Len()
		}
	}
	all = slices.Grow(all, n)
	for _, w := range s.workers {
		clock = max(clock, w.clock)
		for l := range w.lanes {
			for at := range w.lanes[l].made {
				if c := w.lanes[l].conn(at); c.used && !c.closed {
					all = append(all, ref(l, at))
				}
			}
		}
	}
	owner := func(r connRef) *worker { return s.workers[r.lane()%len(s.workers)] }
	conn := func(place int) *conn { return owner(all[place]).at(all[place]) }
	ages := sortAges(nil, len(all), func(i int) uint64 { return conn(i).frame })
	b := s.pool.Get()
	for ages := range slices.Chunk(ages, prefetch.Room) {
		s.workers[0].fetchDue(ages, conn)
		for _, a := range ages {
			w, c := owner(all[a.place()]), conn(a.place())
			w.out, w.now = b, clock
			if c.reason == event.NoReason {
				c.reason, c.endTS = event.Exit, clock
			}
			w.tellClosed(c)
		}
		b.Now = clock
		if err := s.send(ctx, b, out); err != nil {
			return err
		}
		b = s.pool.Get()
	}
	w := s.workers[0]
	w.out, w.clock = b, clock
	w.tellLost(true)
	b.Now = clock
	for _, w := range s.workers {
		w.publish()
	}
	return s.send(ctx, b, out)
}

// order is an event's place among those of all workers: by the clock, timers before packets, timers
// by the connection's age, packets by their number.
type order struct {
	clock int64
	kind  uint8
	frame uint64
}

// What made an event, in the order in which one worker makes them.
const (
	ofTimer uint8 = iota
	ofError       // an ICMP error, about another connection than its own
	ofPacket
)

func (a *order) before(b *order) bool {
	switch {
	case a.clock != b.clock:
		return a.clock < b.clock
	case a.kind != b.kind:
		return a.kind < b.kind
	}
	return a.frame < b.frame
}
