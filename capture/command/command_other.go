//go:build !linux

package command

import (
	"os"
	"os/signal"
	"slices"
)

// Start runs the program; of none it does nothing. Signals that come while it runs are passed on to it. open tells how many of the
// program's connections are open, and at which time of their packets (nanoseconds since the epoch).
func (c *Command) Start(open func() (int, int64)) error {
	if c == nil {
		return nil
	}
	// What is ignored, as nohup has it, stays so for us and for the program.
	caught := slices.DeleteFunc(slices.Clone(passed), signal.Ignored)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, caught...)
	p, err := os.StartProcess(c.path, c.args, c.attributes(os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, c.out, c.out}}))
	if err != nil {
		signal.Stop(signals)
		return c.error(err)
	}
	if c.out != os.Stderr {
		c.out.Close()
	}
	go func() {
		defer close(c.reaped)
		defer close(c.done)
		if state, err := p.Wait(); err != nil {
			c.status = StatusOurs
		} else {
			c.status = statusOf(state)
		}
	}()
	after := make(chan os.Signal, cap(signals))
	go func() {
		for s := range signals {
			select {
			case <-c.done:
				after <- s
			default:
				pass(p, s)
			}
		}
	}()
	c.open, c.signals = open, after
	return nil
}
