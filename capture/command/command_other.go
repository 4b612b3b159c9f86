//go:build !linux

package command

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

type account struct{ name string }

func runAs(string) (*account, error) { return nil, nil }

// Start says that no program's connections can be followed here.
func (c *Command) Start() (<-chan os.Signal, error) {
	return nil, fmt.Errorf("follow the processes of a command on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
