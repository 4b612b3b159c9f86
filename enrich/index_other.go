//go:build !linux && !windows && !darwin && !freebsd && !netbsd && !openbsd

package enrich

import (
	"errors"
	"fmt"
	"runtime"
)

func newIndex(Config, bool) (processes, error) {
	return nil, fmt.Errorf("find the processes of sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func takeOrphans() error { return errors.ErrUnsupported }
