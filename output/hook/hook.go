// Package hook runs a command for each record of some kinds: so many at once, so long each, and never through
// a shell unless somebody asks for it.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// Config is what a person decides about the command.
type Config struct {
	Exec        string        `placeholder:"CMD" help:"Run CMD for each alert, with the record as JSON on stdin and its fields in variables (RUSTNET_PROCESS, ...). No shell; its output goes to stderr."`
	ExecOn      []string      `placeholder:"KIND,..." complete:"alert,new,updated,closed,lost,stats" help:"Run it for these events instead, where they pass the filter: new, updated, closed, alert, lost, stats."`
	ExecMax     int           `default:"4" placeholder:"N" least:"1" needs:"exec" help:"How many may run at once."`
	ExecTimeout time.Duration `default:"10s" placeholder:"D" needs:"exec" help:"How long one may run."`
	ExecShell   bool          `help:"Run CMD by sh -c. Quote the variables in it: their values come from the network."`
}

// queueMax is how many records wait for a free place.
const queueMax = 256

// again is how long after each failure the command is run anew for an alert of a live run: somebody has to be told, and what it
// needs may be there again then. At the end of the run it is not waited for.
var again = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute}

// valueMax bounds a variable; Linux takes 128 KiB each, and the whole record stands on stdin.
const valueMax = 16 << 10

// Hook is a last stage beside the one that writes stdout.
type Hook struct {
	*output.Branch
	cfg   Config
	argv  []string
	kinds [event.NumKinds]bool
	lines *output.Lines
	live  bool // records that find the queue full are dropped, not waited for
	warn  func(string)
	env   []string
	queue chan job

	gaveUp  func(*event.Verdict) // told of alerts that nobody was told of at last; may be nil
	failing chan job             // alerts to run it again for
	ending  atomic.Bool          // it is run for none again

	ran, failed, dropped, givenUp, running, asked atomic.Uint64

	mu     sync.Mutex
	told   time.Time // of a failure
	untold int
	active map[*exec.Cmd]bool
	left   bool // none is begun any more
}

type job struct {
	record []byte
	env    []string
	alert  *event.Verdict // nil for other events
	failed int            // how often it was
	due    time.Time      // when to be run again
}

// Check says what does not go together, before anything is opened.
func (c Config) Check(alerts bool) error {
	switch {
	case c.Exec == "" && (len(c.ExecOn) > 0 || c.ExecShell):
		return errors.New("--exec-on and --exec-shell are for the command that --exec names")
	case c.Exec == "":
		return nil
	case !alerts && len(c.ExecOn) == 0:
		return errors.New("--exec runs a command for each alert, and there are none without --alert or --detect (or name other events: --exec-on new)")
	case c.ExecTimeout <= 0:
		return fmt.Errorf("--exec-timeout: %v is no time to run in", c.ExecTimeout)
	}
	return nil
}

var kinds = []event.Kind{event.New, event.Updated, event.Closed, event.Alert, event.Lost, event.Stats}

// New checks the command. out says which fields records have, and with Spool whether they come live. gaveUp, where it is not nil, is
// told of each alert for which the command did not succeed, from any goroutine.
func New(cfg Config, out output.Config, fields *event.Schema, warn func(string), gaveUp func(*event.Verdict)) (*Hook, error) {
	h := &Hook{cfg: cfg, live: out.Spool, warn: warn, gaveUp: gaveUp, queue: make(chan job, queueMax), failing: make(chan job, queueMax), active: map[*exec.Cmd]bool{}}
	words := event.Words(cfg.ExecOn...)
	if len(words) == 0 {
		words = []string{event.Alert.String()}
	}
	var names []string
	for _, k := range kinds {
		names = append(names, k.String())
		h.kinds[k] = slices.Contains(words, k.String())
	}
	for _, w := range words {
		if !slices.Contains(names, w) {
			return nil, fmt.Errorf("--exec-on: unknown event %q (%s)", w, strings.Join(names, ", "))
		}
	}
	var err error
	if h.lines, err = output.NewLines(out, fields); err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if h.kinds[k] && !h.lines.Writes(k) {
			return nil, fmt.Errorf("--exec: --schema %s has nothing for %s, so the command would be handed nothing (--exec-on names other events)", out.Schema, k)
		}
	}
	if cfg.ExecShell {
		h.argv = []string{"/bin/sh", "-c", cfg.Exec}
	} else if h.argv, err = split(cfg.Exec); err != nil {
		return nil, fmt.Errorf("--exec: %w", err)
	}
	if h.argv[0], err = exec.LookPath(h.argv[0]); err != nil {
		hint := ""
		if strings.ContainsAny(cfg.Exec, "|;&<>$`") {
			hint = " (for a shell's syntax: --exec-shell)"
		}
		return nil, fmt.Errorf("--exec: %w%s", err, hint)
	}
	if word := meant(h.argv); word != "" && !cfg.ExecShell {
		warn(fmt.Sprintf("--exec: the command gets %s as it stands: only a shell makes something of it (--exec-shell)", word))
	}
	// Names of fields are also those of flags, and what we were told is not what the record says.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RUSTNET_") {
			h.env = append(h.env, v)
		}
	}
	h.Branch = output.NewBranch(h.run)
	return h, nil
}

// meant gives the word of a command that looks as if it was meant for a shell, "" for none. What stands behind -c may be for one.
func meant(argv []string) string {
	if slices.Contains(argv, "-c") {
		return ""
	}
	for _, word := range argv[1:] {
		if strings.Contains(word, "$RUSTNET_") || strings.Contains(word, "${RUSTNET_") || slices.Contains([]string{"|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1"}, word) {
			return word
		}
	}
	return ""
}

// run hands records to commands until in is closed, and gives those that run or wait then as long as one may take.
func (h *Hook) run(ctx context.Context, in <-chan *event.Batch) error {
	ending, end := context.WithCancel(ctx)
	defer end()
	var workers sync.WaitGroup
	for range h.cfg.ExecMax {
		workers.Go(func() {
			for j := range h.queue {
				h.exec(ending, j)
			}
		})
	}
	waiting := h.take(ctx, in)
	h.ending.Store(true)
	timer := time.AfterFunc(h.cfg.ExecTimeout, end)
	defer timer.Stop()
	for len(h.failing) > 0 {
		waiting = append(waiting, <-h.failing)
	}
	for _, j := range waiting {
		h.queue <- j
	}
	close(h.queue)
	workers.Wait()
	for len(h.failing) > 0 { // that failed just before the end
		h.giveUp(<-h.failing)
	}
	return nil
}

// take queues what comes until in is closed, and what is due again. It gives what still waits for that then, the first due first.
func (h *Hook) take(ctx context.Context, in <-chan *event.Batch) (waiting []job) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case b, ok := <-in:
			if !ok {
				return waiting
			}
			for i := range b.Events {
				if e := &b.Events[i]; !h.lines.Past(e) && h.kinds[e.Kind] {
					h.put(ctx, e)
				}
			}
			b.Release()
		case j := <-h.failing:
			if len(waiting) >= queueMax {
				h.giveUp(j)
				continue
			}
			at, _ := slices.BinarySearchFunc(waiting, j, func(a, b job) int { return a.due.Compare(b.due) })
			waiting = slices.Insert(waiting, at, j)
			timer.Reset(time.Until(waiting[0].due))
		case now := <-timer.C:
			for len(waiting) > 0 && !waiting[0].due.After(now) && len(h.queue) < cap(h.queue) { // that nobody else fills
				h.queue <- waiting[0]
				waiting = slices.Delete(waiting, 0, 1)
			}
			if len(waiting) > 0 {
				timer.Reset(max(time.Second, time.Until(waiting[0].due)))
			}
		}
	}
}

// giveUp counts a record for which the command did not succeed.
func (h *Hook) giveUp(j job) {
	if j.failed > 0 && j.alert != nil && h.live {
		h.givenUp.Add(1)
	}
	if j.alert != nil && h.gaveUp != nil {
		h.gaveUp(j.alert)
	}
}

func (h *Hook) put(ctx context.Context, e *event.Event) {
	j := job{record: h.lines.JSON(nil, e), env: slices.Clip(h.env)}
	if len(j.record) == 0 {
		return // --schema has no line for it
	}
	if e.Kind == event.Alert {
		j.alert = e.Verdict
	}
	h.lines.Values(e, func(field string, text []byte) {
		text = bytes.ReplaceAll(text, []byte{0}, nil) // no variable can hold it
		j.env = append(j.env, "RUSTNET_"+strings.ToUpper(field)+"="+string(text[:min(len(text), valueMax)]))
	})
	select {
	case h.queue <- j:
		return
	default:
	}
	if !h.live {
		select {
		case h.queue <- j:
		case <-ctx.Done():
		}
		return
	}
	h.dropped.Add(1)
	h.giveUp(j)
	h.say("--exec: %d commands run and %d records wait: the command is too slow, records are left out", h.cfg.ExecMax, queueMax)
}

// exec runs the command for one record.
func (h *Hook) exec(ctx context.Context, j job) {
	if ctx.Err() != nil {
		h.dropped.Add(1)
		h.giveUp(j)
		return
	}
	h.running.Add(1)
	defer h.running.Add(^uint64(0))
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ExecTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.argv[0], h.argv[1:]...)
	cmd.Env, cmd.Stdin = j.env, bytes.NewReader(j.record)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // stdout is for records only
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	err := h.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	h.mu.Lock()
	delete(h.active, cmd)
	h.mu.Unlock()
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("ended after %v (--exec-timeout)", h.cfg.ExecTimeout)
	}
	h.ran.Add(1)
	if err == nil {
		return
	}
	h.failed.Add(1)
	if j.failed++; j.alert == nil || !h.live || j.failed > len(again) || h.ending.Load() {
		h.giveUp(j)
		h.say("--exec %s: %v", h.argv[0], err)
		return
	}
	after := again[j.failed-1]
	j.due = time.Now().Add(after)
	h.say("--exec %s: %v; it is run again in %v", h.argv[0], err, after)
	select {
	case h.failing <- j:
	default:
		h.giveUp(j)
	}
}

var errLeft = errors.New("rustnet ends")

// start starts a command that Leave knows of.
func (h *Hook) start(cmd *exec.Cmd) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left {
		return errLeft
	}
	err := cmd.Start()
	if err == nil {
		h.active[cmd] = true
	}
	return err
}

// Leave ends the commands that still run, for whom nobody waits any more: who would end them when their time is over, is gone.
func (h *Hook) Leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
	for cmd := range h.active {
		_ = cmd.Cancel() // it may have ended just now
	}
}

// sayEvery is the least time between two lines about commands.
const sayEvery = 10 * time.Second

// say tells people, not more often than they can read.
func (h *Hook) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.told) < sayEvery {
		h.untold++
		return
	}
	h.told = now
	text := fmt.Sprintf(format, args...)
	if h.untold > 0 {
		text += fmt.Sprintf(" (and %s since the line before)", event.Count(uint64(h.untold), "time"))
	}
	h.untold = 0
	h.warn(text)
}

// Records grows as long as commands end, or run within their time.
func (h *Hook) Records() uint64 {
	if h.running.Load() > 0 {
		h.asked.Add(1)
	}
	return h.ran.Load() + h.asked.Load()
}

// Report says for people what became of the commands.
func (h *Hook) Report() string {
	text := event.Count(h.ran.Load(), "command") + " run"
	if n := h.failed.Load(); n > 0 {
		text += fmt.Sprintf(", %d of them failed", n)
	}
	if n := h.givenUp.Load(); n > 0 {
		text += ", " + event.Count(n, "alert") + " given up"
	}
	if n := h.dropped.Load(); n > 0 {
		text += fmt.Sprintf(", %d left out for want of time", n)
	}
	return text
}
