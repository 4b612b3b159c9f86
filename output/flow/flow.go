// Package flow runs the stages of rustnet one behind the other, from a source to a sink, and ends them: when the source has no more, when
// a signal, the reader of stdout or the time says so, or when one fails. It tells people what was read, written and lost.
package flow

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"rustnet/output"
	"rustnet/track/event"
)

// Source is where events begin: packets that are tracked, sockets that are polled, or records that are read back.
type Source struct {
	Live   bool
	Run    func(p *Pipe, stop context.Context) <-chan *event.Batch
	Report func() []string // what was read and what was lost, for people; nil when there is nothing to say
	Notes  func() []string // what people should know of the end of the reading; may be nil
	// Progress tells how many of Unit have been read, and how far that is; nil where it has no end.
	Progress func() (n uint64, bytes, total int64)
	Unit     string
	Close    func() error
}

// Stage is one between source and sink.
type Stage func(context.Context, <-chan *event.Batch, chan<- *event.Batch) error

// Sink is the last stage: what becomes of the records.
type Sink struct {
	Run     func(context.Context, <-chan *event.Batch) error
	Stopped <-chan struct{} // closed when it wants no more; nil = never
	Written func() uint64
	Outcome func() string // for people; nil when there is nothing to say
	End     func()        // also when it was left behind; may be nil
	Beside  []Beside
}

// Enricher is a stage that says more of events than their source does.
type Enricher interface {
	Run(context.Context, <-chan *event.Batch, chan<- *event.Batch) error
	Report() string // for people
}

// Beside is a stage that writes as well, beside the sink.
type Beside interface {
	Run(context.Context, <-chan *event.Batch, chan<- *event.Batch) error
	Records() uint64 // that are out
	Report() string  // for people
	Err() error      // what it failed of, while the others went on
}

// Flow is a run of events from a source through stages into a sink.
type Flow struct {
	Source    *Source
	Enrichers []Enricher
	Stages    []Stage
	Sink      Sink

	Quiet   bool             // no summary and no progress on stderr
	Silent  bool             // nothing goes to stdout, so nobody has to read it
	Signals <-chan os.Signal // that are for us; nil = SIGINT and SIGTERM
	HangUp  bool             // SIGHUP is, too: it opens no file anew
	Started func()           // called once signals are caught; may be nil
	TimeUp  <-chan time.Time // nil = never
	Say     Teller
}

// Run runs it until the source ends or somebody ends it. The error is what failed, ErrInterrupted after a second
// signal, nil when all came out that was read.
func (f *Flow) Run() error {
	if f.Source.Live { // what was read to open it is garbage, and may be for days
		collect()
	}
	defer f.Source.Close()
	p := newPipe(f.Signals, f.HangUp)
	if f.Started != nil {
		f.Started()
	}
	stop, stopSource := context.WithCancel(p.Context())
	defer stopSource()
	events := f.Source.Run(p, stop)
	for _, e := range f.Enrichers {
		events = p.chain(events, e.Run)
	}
	events = p.chain(events, f.Stages...)
	p.Stage(func() error { return f.Sink.Run(p.Context(), events) })

	endProgress := func() {}
	if width, _ := output.TerminalSize(); f.Source.Progress != nil && !f.Quiet && term.IsTerminal(int(os.Stderr.Fd())) && width == 0 {
		endProgress = showProgress(os.Stderr, f.Source.Unit, f.Source.Progress)
	}
	err := p.wait(ends{StopSource: stopSource, Stopped: f.Sink.Stopped, TimeUp: f.TimeUp,
		Written: f.written, Account: f.account, Silent: f.Silent})
	endProgress()
	if f.Sink.End != nil {
		f.Sink.End()
	}
	if f.Source.Notes != nil {
		for _, note := range f.Source.Notes() {
			f.Say("warn", "%s", note)
		}
	}
	f.account()
	for _, b := range f.Sink.Beside {
		if err == nil {
			err = b.Err()
		}
	}
	return err
}

// written is how many records are out, wherever to.
func (f *Flow) written() uint64 {
	n := f.Sink.Written()
	for _, b := range f.Sink.Beside {
		n += b.Records()
	}
	return n
}

// account tells people what was read, what was written and what was lost.
func (f *Flow) account() {
	if f.Quiet || f.Sink.Outcome == nil || f.Source.Report == nil {
		return
	}
	income, outcome := f.Source.Report(), []string{f.Sink.Outcome()}
	for _, e := range f.Enrichers {
		income = append(income, e.Report())
	}
	for _, b := range f.Sink.Beside {
		outcome = append(outcome, b.Report())
	}
	fmt.Fprintf(os.Stderr, "rustnet: %s\n", output.ForPeople(sentence(income...)+"; "+sentence(outcome...)))
}
