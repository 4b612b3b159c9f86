package command

import (
	"errors"
	"os"
)

// account is a user of this machine.
type account struct{ name string }

// passed is what is the program's as long as it runs.
var passed = []os.Signal{os.Interrupt}

func runAs(name string) (*account, error) {
	if name != "" {
		return nil, errors.New("--cmd-user: not on Windows (try: runas)")
	}
	return nil, nil
}

func (c *Command) attributes(a os.ProcAttr) *os.ProcAttr { return &a }

// pass has nothing to do: ^C in a console is for all that run in it.
func pass(*os.Process, os.Signal) {}

func statusOf(state *os.ProcessState) int { return state.ExitCode() }
