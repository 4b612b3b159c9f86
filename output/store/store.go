// Package store keeps connections in a file, an SQLite database, beside what goes to stdout: a row is what is
// known of a connection. capture/store reads it back.
package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// Config is what a person decides about the store.
type Config struct {
	Events bool          `name:"store-events" help:"Keep every record in the store, not only the latest state of each connection."`
	Age    time.Duration `name:"store-age" placeholder:"D" unset:"no limit" help:"Delete connections from the store that had no event for this long, e.g. 30d or 12h."`
	Size   output.Size   `name:"store-size" placeholder:"BYTES" unset:"no limit" help:"Keep the store below this size, e.g. 10G, by deleting what is oldest."`

	Live bool         `kong:"-"` // a slow disk costs merged updates and never holds up the source
	Warn func(string) `kong:"-"` // tells people of trouble; nil tells nobody
}

// Check says what is wrong with the flags together.
func (c *Config) Check(path string) error {
	if path == "" && (c.Events || c.Age > 0 || c.Size > 0) {
		return errors.New("--store-events, --store-age and --store-size say how the file of --store is kept: name it with --store FILE")
	}
	return nil
}

const (
	waitingMax = 1 << 15                // connections, and with Events records, that wait for the disk
	flushEvery = 250 * time.Millisecond // what is there is written as often as this, or when much is there
	retryEvery = time.Second            // after the disk did not take it
	lastTries  = 3                      // at the end
)

// Stage passes records on and keeps them in the store. The disk's work is a second goroutine's; for one that
// is slow, what comes for a connection that waits takes the place of what waited, which loses nothing: a row
// is what the latest record says.
type Stage struct {
	cfg  Config
	path string
	file *file

	id, ts *event.Field

	mu      sync.Mutex
	taken   sync.Cond // room was made, or the writer has ended
	waiting queue
	ending  bool
	failed  bool // nothing is written any more
	kick    chan struct{}
	between func() // run once between two transactions, for tests

	told  uint64 // so many losses were said in the stream, when
	toldT int64

	err    error // of the writer, once written is closed
	counts struct{ stored, merged, lost, unnamed, steps, stepsLost atomic.Uint64 }
}

// queue is what waits for the disk.
type queue struct {
	rows  []event.Event
	at    map[uint64]int // connection → its place in rows
	open  []int          // places of rows that another record will bring again
	steps []event.Event  // for the table of events
}

func newQueue() queue { return queue{at: map[uint64]int{}} }

func (q *queue) empty() bool { return len(q.rows)+len(q.steps) == 0 }

// New opens the store, or makes it. fields are the records'.
func New(path string, cfg Config, fields *event.Schema) (*Stage, error) {
	f, err := openFile(path, fields)
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", path, err)
	}
	s := &Stage{cfg: cfg, path: path, file: f, waiting: newQueue(), kick: make(chan struct{}, 1),
		id: fields.Lookup("id"), ts: fields.Lookup("ts")}
	s.taken.L = &s.mu
	if cfg.Warn == nil {
		s.cfg.Warn = func(string) {}
	}
	return s, nil
}

// Stats is the account: records of connections that came = Stored + Merged + Lost + Unnamed.
type Stats struct {
	Stored  uint64 // made or renewed a row
	Merged  uint64 // were overtaken by the connection's next record before they were written
	Lost    uint64 // for want of room while the disk was slow, or because it failed
	Unnamed uint64 // do not say which connection they are about, or when
}

// Stats may be asked at any time, from any goroutine.
func (s *Stage) Stats() Stats {
	c := &s.counts
	return Stats{c.stored.Load(), c.merged.Load(), c.lost.Load(), c.unnamed.Load()}
}

// Records is how many are stored so far.
func (s *Stage) Records() uint64 { return s.counts.stored.Load() + s.counts.steps.Load() }

// Err is what kept records from being stored. It may be asked when Run has ended.
func (s *Stage) Err() error { return s.err }

// Report says for people what was stored, and what was not.
func (s *Stage) Report() string {
	st := s.Stats()
	text := fmt.Sprintf("%d stored", st.Stored)
	for _, n := range []struct {
		count uint64
		what  string
	}{{st.Merged, "merged"}, {st.Lost, "not stored"}, {st.Unnamed, "without id or ts, so not stored"}} {
		if n.count > 0 {
			text += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	return text
}

// Run passes on what comes until in is closed, and closes out when all is stored. Trouble with the store is
// no trouble of the stream: see Err.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	written := make(chan error, 1)
	go func() { written <- s.write(ctx) }()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		s.ending = true
		s.taken.Broadcast()
		s.mu.Unlock()
	})
	defer stop()
	var now int64
	for b := range in {
		now = max(now, b.Now)
		s.keep(ctx, b)
		s.tell(b, now, false)
		if err := b.Send(ctx, out); err != nil {
			s.end()
			return err
		}
	}
	s.end()
	select {
	case s.err = <-written:
	case <-ctx.Done():
		return ctx.Err() // the file is whole whenever we are gone
	}
	last := event.NewBatch(nil)
	last.Now = now
	if s.tell(last, now, true); len(last.Events) > 0 {
		if err := last.Send(ctx, out); err != nil {
			return err
		}
	}
	return nil
}

// end has the writer write what is left.
func (s *Stage) end() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.wake()
}

func (s *Stage) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// keep copies a batch's records to those that wait. What they point at is never changed.
func (s *Stage) keep(ctx context.Context, b *event.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Events {
		e := &b.Events[i]
		if e.Kind < event.New {
			continue // not for those who read records
		}
		switch e.Kind {
		case event.Stats, event.Group:
			continue // no connection's
		case event.Lost, event.Alert: // of an alert's connection, its own records say all
			s.step(ctx, e)
			continue
		}
		id, named := s.id.Uint(e)
		if !named || s.ts.Time(e) == 0 {
			s.counts.unnamed.Add(1)
			continue
		}
		if s.cfg.Events {
			s.step(ctx, e)
		}
		s.row(ctx, id, e)
	}
	if len(s.waiting.rows)+len(s.waiting.steps) >= waitingMax/2 {
		s.wake()
	}
}

// row puts what is known of a connection in its place among what waits. s.mu is held.
func (s *Stage) row(ctx context.Context, id uint64, e *event.Event) {
	if s.failed {
		s.counts.lost.Add(1)
		return
	}
	for !s.cfg.Live && len(s.waiting.rows) >= waitingMax && !s.failed && ctx.Err() == nil {
		s.wake()
		s.taken.Wait()
	}
	q := &s.waiting
	if i, waits := q.at[id]; waits {
		if later(s.ts, e, &q.rows[i]) {
			q.rows[i] = *e
		}
		s.counts.merged.Add(1)
		return
	}
	if len(q.rows) < waitingMax {
		q.at[id] = len(q.rows)
		if e.Kind != event.Closed {
			q.open = append(q.open, len(q.rows))
		}
		q.rows = append(q.rows, *e)
		return
	}
	if e.Kind != event.Closed { // its end brings all there is to know
		s.counts.merged.Add(1)
		return
	}
	for len(q.open) > 0 {
		i := q.open[len(q.open)-1]
		q.open = q.open[:len(q.open)-1]
		if was := &q.rows[i]; was.Kind != event.Closed {
			other, _ := s.id.Uint(was)
			delete(q.at, other)
			q.at[id] = i
			*was = *e
			s.counts.merged.Add(1)
			return
		}
	}
	s.counts.lost.Add(1)
}

func later(ts *event.Field, e, than *event.Event) bool { return ts.Time(e) >= ts.Time(than) }

// step puts a record among those that wait for the table of events. s.mu is held.
func (s *Stage) step(ctx context.Context, e *event.Event) {
	for !s.cfg.Live && len(s.waiting.steps) >= waitingMax && !s.failed && ctx.Err() == nil {
		s.wake()
		s.taken.Wait()
	}
	if s.failed || len(s.waiting.steps) >= waitingMax {
		s.counts.stepsLost.Add(1)
		return
	}
	s.waiting.steps = append(s.waiting.steps, *e)
}

// tell adds to the stream what the store has lost, once a second at most.
func (s *Stage) tell(b *event.Batch, now int64, last bool) {
	lost := s.counts.lost.Load() + s.counts.stepsLost.Load()
	if lost == s.told || !last && now < s.toldT+int64(time.Second) {
		return
	}
	b.Events = append(b.Events, event.Event{Kind: event.Lost, TS: now, LostWhere: event.InStore, LostCount: lost - s.told})
	s.told, s.toldT = lost, now
}

// write is the goroutine of the disk.
func (s *Stage) write(ctx context.Context) (err error) {
	defer func() {
		s.mu.Lock()
		s.failed = true
		s.taken.Broadcast()
		s.mu.Unlock()
		if cerr := s.file.close(); err == nil && cerr != nil {
			err = fmt.Errorf("--store %s: %w", s.path, cerr)
		}
	}()
	if err := s.file.retire(ctx, s.cfg, s.pressed); err != nil {
		s.cfg.Warn(fmt.Sprintf("--store %s: taking out what is old: %v", s.path, err))
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	retired := time.Now()
	var trouble error
	tries := 0
	held := newQueue() // what the disk did not take yet
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-s.kick:
		case <-ctx.Done():
			return ctx.Err()
		}
		ending := s.take(&held)
		if !held.empty() {
			err := s.file.commit(&held)
			switch {
			case err == nil:
				s.counts.stored.Add(uint64(len(held.rows)))
				s.counts.steps.Add(uint64(len(held.steps)))
				held = newQueue()
				if trouble != nil {
					s.cfg.Warn(fmt.Sprintf("--store %s: written again", s.path))
				}
				trouble, tries = nil, 0
			case !passing(err) || (ending || !s.cfg.Live) && tries >= lastTries:
				return s.giveUp(&held, err)
			default:
				if trouble == nil || trouble.Error() != err.Error() {
					s.cfg.Warn(fmt.Sprintf("--store %s: %v; tried again, the stream goes on", s.path, err))
				}
				trouble = err
				tries++
				s.pause(ctx, ending)
				s.wake()
				continue
			}
		}
		if ending {
			if s.more() {
				continue
			}
			return s.file.retire(ctx, s.cfg, func() bool { return false })
		}
		if time.Since(retired) >= retireEvery || s.file.full(s.cfg) {
			retired = time.Now()
			if err := s.file.retire(ctx, s.cfg, s.pressed); err != nil {
				s.cfg.Warn(fmt.Sprintf("--store %s: taking out what is old: %v", s.path, err))
			}
		}
	}
	return ctx.Err()
}

// pause waits before the disk is tried again.
func (s *Stage) pause(ctx context.Context, ending bool) {
	d := retryEvery
	if ending {
		d /= 4
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// take moves what waits to held, where that is empty, and tells whether no more will come.
func (s *Stage) take(held *queue) (ending bool) {
	s.mu.Lock()
	between := s.between
	s.between = nil
	s.mu.Unlock()
	if between != nil {
		between()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if held.empty() {
		*held, s.waiting = s.waiting, newQueue()
		s.taken.Broadcast()
	}
	return s.ending
}

// more tells whether something came while the writer was busy.
func (s *Stage) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.empty() {
		return false
	}
	s.wake()
	return true
}

// pressed tells whether so much waits that everything else must wait.
func (s *Stage) pressed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending || len(s.waiting.rows)+len(s.waiting.steps) >= waitingMax/4
}

// giveUp counts what waits as lost. Nothing is stored from here on, and the stream goes on.
func (s *Stage) giveUp(held *queue, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	s.counts.lost.Add(uint64(len(held.rows) + len(s.waiting.rows)))
	s.counts.stepsLost.Add(uint64(len(held.steps) + len(s.waiting.steps)))
	s.waiting = newQueue()
	s.cfg.Warn(fmt.Sprintf("--store %s: %v; nothing more is stored, the stream goes on", s.path, err))
	return fmt.Errorf("--store %s: %w; from then on nothing was stored", s.path, err)
}
