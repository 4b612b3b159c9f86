package enrich

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

const systemName = "swapper"

// Of sys/sys/sysctl.h.
const (
	procAll, procPID = 0, 1 // of KERN_PROC
	ctlKern          = 1
	kernProcArgs     = 55
	procArgv         = 1 // of KERN_PROC_ARGS
)

func listProcesses() ([]row, error) { return kinfoRows(procAll, 0) }

func findProcess(pid uint32) ([]row, error) { return kinfoRows(procPID, int(pid)) }

func kinfoRows(which, of int) ([]row, error) {
	b, err := unix.SysctlRaw("kern.proc", which, of, openbsdProc.size, math.MaxInt32)
	rows, _ := openbsdProc.rows(b)
	return rows, err
}

// executableOf has nobody to ask: OpenBSD keeps no paths of programs.
func executableOf(uint32) string { return "" }

// argumentsFrom asks by number, as the library knows no name for these.
func argumentsFrom(pid uint32) []byte {
	name := [...]int32{ctlKern, kernProcArgs, int32(pid), procArgv}
	var said [64 << 10]byte
	n := uintptr(len(said))
	if _, _, errno := unix.Syscall6(unix.SYS_SYSCTL, uintptr(unsafe.Pointer(&name)), uintptr(len(name)), uintptr(unsafe.Pointer(&said)), uintptr(unsafe.Pointer(&n)), 0, 0); errno != 0 {
		return nil
	}
	return pointedAt(said[:n])
}
