//go:build !linux

package command

import (
	"errors"
	"fmt"
	"runtime"
)

type account struct{ name string }

func runAs(string) (*account, error) { return nil, nil }

// Start says that no program's connections can be followed here.
func (c *Command) Start(func() (int, int64)) error {
	if c == nil {
		return nil
	}
	return fmt.Errorf("follow the processes of a command on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
