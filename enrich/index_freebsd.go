package enrich

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const systemName = "kernel"

func listProcesses() ([]row, error) { return kinfoRows(unix.SysctlRaw("kern.proc.proc")) }

func findProcess(pid uint32) ([]row, error) {
	return kinfoRows(unix.SysctlRaw("kern.proc.pid", int(pid)))
}

func kinfoRows(b []byte, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	rows, ok := freebsdProc.rows(b)
	if !ok {
		return nil, fmt.Errorf("read the list of processes, whose records are not as we know them: %w", errors.ErrUnsupported)
	}
	return rows, nil
}

func executableOf(pid uint32) string {
	path, _ := unix.SysctlRaw("kern.proc.pathname", int(pid)) // where it is not told, there is nothing
	return unix.ByteSliceToString(path)
}

func argumentsFrom(pid uint32) []byte {
	args, _ := unix.SysctlRaw("kern.proc.args", int(pid))
	return args
}
