// Package command runs a program for the sake of its connections: apart from what is written of them, as
// whoever asked for it, and with nothing of ours but its environment and stdin.
package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// Config is what a person decides about it.
type Config struct {
	Output string `name:"cmd-output" placeholder:"FILE" help:"File for the output of CMD in rustnet [flags] -- CMD ARGS (default stderr)."`
	User   string `name:"cmd-user" placeholder:"NAME" help:"User that CMD runs as (default: who runs rustnet; under sudo, the caller of sudo)."`
}

// Statuses that env(1) and the shells give for what kept a program from running.
const (
	StatusOurs        = 125 // something else than the program
	StatusCannot      = 126 // it is there, and cannot be run
	StatusNotFound    = 127
	statusFromSignal  = 128 // and the signal's number
	statusInterrupted = 130 // of ours: a second signal
)

// Error is why a program does not run, and the status that says so.
type Error struct {
	Status int
	error
}

func (e *Error) Unwrap() error { return e.error }

// Command is a program that has not run, runs or has run.
type Command struct {
	name, path string
	args       []string
	out        *os.File
	as         *account // nil = us
	open       func() (int, int64)
	grace      time.Duration // how long connections may still be open when the program has ended
	signals    <-chan os.Signal
	done       chan struct{}
	reaped     chan struct{} // closed when no child is waited for any more
	status     int
}

// New looks for the program and for whom it shall run as, and opens its output. Nothing runs before Start.
func New(args []string, cfg Config) (*Command, error) {
	c := &Command{name: args[0], args: args, out: os.Stderr, grace: linger, done: make(chan struct{}), reaped: make(chan struct{})}
	var err error
	c.path, err = exec.LookPath(c.name)
	if errors.Is(err, exec.ErrDot) { // PATH has the current directory in it, and the user means that
		err = nil
	}
	if err != nil {
		return nil, c.error(err)
	}
	if c.as, err = runAs(cfg.User); err != nil {
		return nil, c.NotRun(err)
	}
	if cfg.Output != "" {
		if c.out, err = os.OpenFile(cfg.Output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
			return nil, c.NotRun(fmt.Errorf("--cmd-output: %w", err))
		}
	}
	return c, nil
}

// Start runs the program; of none it does nothing. It waits for its end. Signals that come while it runs are passed on to it. open tells
// how many of the program's connections are open, and at which time of their packets (nanoseconds since the epoch).
func (c *Command) Start(open func() (int, int64)) error {
	if c == nil {
		return nil
	}
	// What is ignored, as nohup has it, stays so for us and for the program.
	caught := slices.DeleteFunc(slices.Clone(passed), signal.Ignored)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, caught...)
	pass, err := c.begin() // that tells whether there was still somebody to pass a signal to
	if err != nil {
		signal.Stop(signals)
		return c.error(err)
	}
	if c.out != os.Stderr {
		c.out.Close()
	}
	after := make(chan os.Signal, cap(signals))
	go func() {
		for s := range signals {
			if !pass(s) {
				after <- s
			}
		}
	}()
	c.open, c.signals = open, after
	return nil
}

func (c *Command) error(err error) error {
	if of, ok := errors.AsType[*exec.Error](err); ok {
		err = of.Err
	}
	status := StatusCannot
	ours := []error{syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM} // the program has no part in it
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound):
		status = StatusNotFound
	case slices.ContainsFunc(ours, func(short error) bool { return errors.Is(err, short) }):
		status = StatusOurs
	}
	return &Error{status, fmt.Errorf("run %s: %w", c.name, err)}
}

// Cut divides the arguments that we were called with at the first --, if there is one.
func Cut(args []string) (ours, program []string, found bool) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:], true
	}
	return args, nil, false
}

// NotRun gives a failure of ours, for which the program was not run, the status that says so.
func (c *Command) NotRun(err error) error {
	if _, known := errors.AsType[*Error](err); c == nil || known {
		return err
	}
	return &Error{StatusOurs, fmt.Errorf("%w; %s was not run", err, c.name)}
}

// User is whom it runs as where that is not us; "" where it is, or there is none.
func (c *Command) User() string {
	if c == nil || c.as == nil {
		return ""
	}
	return c.as.name
}

// wait gives what the program ended with, as a shell would say it: 128 and the number of the signal where it
// was one. It waits for the end.
func (c *Command) wait() int {
	<-c.done
	return c.status
}

// Signals are those that come when the program has ended; those before were passed on to it. nil = no program.
func (c *Command) Signals() <-chan os.Signal {
	if c == nil {
		return nil
	}
	return c.signals
}

const (
	settle = 50 * time.Millisecond // from the last packet to what is known of its connection
	look   = 10 * time.Millisecond // between two looks
	linger = 2 * time.Second       // Command.grace
)

// Over is sent to when the program has ended and none of its connections is open, or some still are though
// they had time, or when other is. Without a program it is other.
func (c *Command) Over(other <-chan time.Time) <-chan time.Time {
	if c == nil {
		return other
	}
	over := make(chan time.Time, 1)
	go func() {
		select {
		case now := <-other:
			over <- now
			return
		case <-c.done:
		}
		ended := time.Now()
		for now := ended; ; now = <-time.After(look) {
			n, reached := c.open()
			if n == 0 && reached > ended.Add(settle).UnixNano() || now.Sub(ended) >= c.grace {
				over <- now
				return
			}
		}
	}()
	return over
}

// Finish gives the status to exit with, of the one that we would: the program's, unless that is 0 or ours says that somebody
// wanted us to end at once. Records may have had their end before the program: it is waited for.
func (c *Command) Finish(status int, err error) (int, error) {
	if c == nil || status == statusInterrupted {
		return status, err
	}
	if its := c.wait(); its != 0 {
		return its, err
	}
	return status, err
}
