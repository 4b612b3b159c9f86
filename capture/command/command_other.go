//go:build !linux

package command

import "os"

func (c *Command) begin() (passOn func(os.Signal) bool, err error) {
	p, err := os.StartProcess(c.path, c.args, c.attributes(os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, c.out, c.out}}))
	if err != nil {
		return nil, err
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
	return func(s os.Signal) bool {
		select {
		case <-c.done:
			return false
		default:
			pass(p, s)
			return true
		}
	}, nil
}
