//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package command

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func (c *Command) attributes(a os.ProcAttr) *os.ProcAttr {
	if c.as != nil {
		a.Sys = &syscall.SysProcAttr{Credential: &c.as.cred}
		a.Env = withEnv(a.Env, c.as.env)
	}
	return &a
}

// pass passes a signal on, unless the terminal has given it to the program as well.
func pass(p *os.Process, s os.Signal) {
	if s == unix.SIGTERM || !fromTerminal() {
		_ = p.Signal(s) // where it has ended meanwhile, it needs none
	}
}

func statusOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return statusFromSignal + int(status.Signal())
	}
	return state.ExitCode()
}
