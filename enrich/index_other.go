//go:build !linux

package enrich

import (
	"errors"
	"fmt"
	"runtime"
)

func newIndex(Config, bool) (processes, error) {
	return nil, fmt.Errorf("find the processes of sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func ownNetNS() uint32 { return 0 }

func takeOrphans() error { return errors.ErrUnsupported }
