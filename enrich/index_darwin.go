package enrich

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const systemName = "kernel_task"

func listProcesses() ([]row, error) { return kinfoRows(unix.SysctlKinfoProcSlice("kern.proc.all")) }

func findProcess(pid uint32) ([]row, error) {
	return kinfoRows(unix.SysctlKinfoProcSlice("kern.proc.pid", int(pid)))
}

func kinfoRows(all []unix.KinfoProc, err error) ([]row, error) {
	rows := make([]row, len(all))
	for i := range all {
		p, e := &all[i].Proc, &all[i].Eproc
		rows[i] = row{pid: uint32(p.P_pid), parent: uint32(e.Ppid), uid: e.Ucred.Uid, name: unix.ByteSliceToString(p.P_comm[:]),
			began: p.P_starttime.Sec*int64(time.Second) + int64(p.P_starttime.Usec)*int64(time.Microsecond)}
	}
	return rows, err
}

// Of proc_info (bsd/sys/proc_info.h), which is what proc_pidpath(3) asks.
const (
	procCallPIDInfo = 2
	procPIDPathInfo = 11
	procPathMax     = 4 * 1024
)

func executableOf(pid uint32) string {
	var path [procPathMax]byte
	if _, _, errno := unix.Syscall6(unix.SYS_PROC_INFO, procCallPIDInfo, uintptr(pid), procPIDPathInfo, 0, uintptr(unsafe.Pointer(&path)), procPathMax); errno != 0 {
		return ""
	}
	return unix.ByteSliceToString(path[:])
}

func argumentsFrom(pid uint32) []byte {
	b, _ := unix.SysctlRaw("kern.procargs2", int(pid)) // where it is not told, there is nothing
	return argumentsOf(b)
}
