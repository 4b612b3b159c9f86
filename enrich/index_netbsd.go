package enrich

import (
	"math"

	"golang.org/x/sys/unix"
)

const systemName = "system"

// Of sys/sys/sysctl.h.
const (
	procAll, procPID   = 0, 1 // of KERN_PROC2
	procArgv, procPath = 1, 5 // of KERN_PROC_ARGS
)

func listProcesses() ([]row, error) { return kinfoRows(procAll, 0) }

func findProcess(pid uint32) ([]row, error) { return kinfoRows(procPID, int(pid)) }

func kinfoRows(which, of int) ([]row, error) {
	b, err := unix.SysctlRaw("kern.proc2", which, of, netbsdProc.size, math.MaxInt32)
	rows, _ := netbsdProc.rows(b)
	return rows, err
}

func executableOf(pid uint32) string {
	path, _ := unix.SysctlRaw("kern.proc_args", int(pid), procPath) // where it is not told, there is nothing
	return unix.ByteSliceToString(path)
}

func argumentsFrom(pid uint32) []byte {
	args, _ := unix.SysctlRaw("kern.proc_args", int(pid), procArgv)
	return args
}
