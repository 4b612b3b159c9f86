package flow

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// Starting ends the program with status when it is told to end before there is anything that could: to load programs into a
// loaded machine's kernel takes seconds. It is over once newPipe has been called. Without hung SIGHUP asks for files to be
// opened anew, and ends nothing: neither before these are open nor when they are closed.
func Starting(status int, hung bool) (over func()) {
	told, started := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	switch {
	case !hung:
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	case !signal.Ignored(syscall.SIGHUP):
		signal.Notify(told, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-told:
			os.Exit(status)
		case <-started:
		}
	}()
	return func() { signal.Stop(told); close(started) }
}

// Pipe runs the stages and keeps the first error that is more than the end of another stage.
type Pipe struct {
	ctx    context.Context // the hard stop: what is in flight is dropped
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	err    error

	signals <-chan os.Signal // that end it
	own     chan os.Signal   // the same, when nobody else catches them
	asked   <-chan os.Signal // for a summary
}

// newPipe makes one without stages, which signals end that are for us; nil = SIGINT and SIGTERM, and hung: SIGHUP, by which a
// terminal goes, unless it is ignored (nohup). They are caught from
// here on: whoever sees the first record may send one before wait has begun.
func newPipe(signals <-chan os.Signal, hung bool) *Pipe {
	p := &Pipe{signals: signals, asked: summarySignal()}
	if signals == nil {
		p.own = make(chan os.Signal, 4)
		p.signals = p.own
		signal.Notify(p.own, os.Interrupt, syscall.SIGTERM)
		if hung && !signal.Ignored(syscall.SIGHUP) {
			signal.Notify(p.own, syscall.SIGHUP)
		}
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Context is what the stages run in. Its end is the hard stop: what is in flight is dropped.
func (p *Pipe) Context() context.Context { return p.ctx }

func (p *Pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && err != nil && !errors.Is(err, context.Canceled) {
		p.err = err
	}
}

// Source runs the first stage: when it fails, what it has read so far still comes out.
func (p *Pipe) Source(run func() error) {
	p.wg.Go(func() { p.fail(run()) })
}

// Stage runs one of the others: when it fails, all end.
func (p *Pipe) Stage(run func() error) {
	p.wg.Go(func() {
		if err := run(); err != nil {
			p.fail(err)
			p.cancel()
		}
	})
}

// depth is how many batches wait between two stages.
const depth = 16

// chain runs stages one behind the other, those that are not nil, and gives what comes out of the last.
func (p *Pipe) chain(in <-chan *event.Batch, stages ...Stage) <-chan *event.Batch {
	for _, run := range stages {
		if run == nil {
			continue
		}
		from, to := in, make(chan *event.Batch, depth)
		p.Stage(func() error { return run(p.ctx, from, to) })
		in = to
	}
	return in
}

// Merge gives the batches of several stages as they come.
func (p *Pipe) Merge(ins ...<-chan *event.Batch) <-chan *event.Batch {
	out := make(chan *event.Batch, depth)
	var left sync.WaitGroup
	for _, in := range ins {
		left.Add(1)
		p.Stage(func() error {
			defer left.Done()
			for b := range in {
				if err := b.Send(p.ctx, out); err != nil {
					return err
				}
			}
			return nil
		})
	}
	p.Stage(func() error { left.Wait(); close(out); return nil })
	return out
}

// patience is how long a reader that takes nothing holds up the end.
const patience = 5 * time.Second

// ErrInterrupted is the end by a second signal.
var ErrInterrupted = errors.New("interrupted")

var errStuck = errors.New("the reader of stdout takes nothing: what was left is not written")

// ends says what may end a run before its source does. A nil channel never does.
type ends struct {
	StopSource func()           // asked for by the first that happens; what is in flight still comes out
	Stopped    <-chan struct{}  // the last stage wants no more: --count, a reader that left, or a failure
	TimeUp     <-chan time.Time // --duration, or a command that was run is over
	Written    func() uint64    // how many records are out: while it grows, somebody reads
	Silent     bool             // nothing goes to stdout, so nobody has to read it
	Account    func()           // tells people how far it is, when SIGUSR1 asks
}

// wait waits for the stages. The first signal stops the source only, so that what is in flight, and
// the end of every open connection, still comes out, as long as somebody reads; the second ends at once.
func (p *Pipe) wait(e ends) error {
	if p.own != nil {
		defer signal.Stop(p.own)
	}
	readerGone := watchReader(p.ctx, os.Stdout)
	if e.Silent {
		readerGone = nil
	}
	done := make(chan struct{})
	go func() { p.wg.Wait(); close(done) }()
	var stuck <-chan time.Time
	var before uint64
	ending := false
	for {
		select {
		case <-done:
			p.cancel()
			if errors.Is(p.err, output.ErrReaderGone) {
				return nil
			}
			return p.err
		case <-p.signals:
			if ending {
				return ErrInterrupted
			}
			ending, before, stuck = true, e.Written(), time.After(patience)
			e.StopSource()
		case <-e.TimeUp:
			before, stuck = e.Written(), time.After(patience)
			e.StopSource()
		case <-stuck:
			now := e.Written()
			if now == before {
				p.fail(errStuck)
				p.cancel()
			}
			before, stuck = now, time.After(patience)
		case <-p.asked:
			e.Account()
		case <-e.Stopped: // what still comes is dropped
			e.Stopped = nil
			e.StopSource()
		case <-readerGone:
			readerGone = nil
			e.StopSource()
		}
	}
}
