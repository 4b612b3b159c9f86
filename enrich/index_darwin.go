package enrich

import (
	"os/user"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rustnet/track/event"
)

// sourceTable is what process_source says here: the lists of net.inet.tcp.pcblist_n and its like give a socket's process.
const sourceTable = "pcblist"

// The kernel's own.
const (
	systemPID  = 0
	systemName = "kernel_task"
)

// processList is every process there is.
func processList() (map[uint32]entry, error) {
	rows, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	all := make(map[uint32]entry, len(rows))
	for i := range rows {
		p := &rows[i]
		all[uint32(p.Proc.P_pid)] = entry{parent: uint32(p.Eproc.Ppid), name: unix.ByteSliceToString(p.Proc.P_comm[:])}
	}
	return all, nil
}

// held is what was told of a process; nil where it is gone.
type held struct{ *unix.KinfoProc }

func hold(pid uint32) (held, error) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", int(pid))
	if err != nil {
		return held{}, err
	}
	if uint32(p.Proc.P_pid) != pid {
		return held{}, unix.ESRCH
	}
	return held{p}, nil
}

func (h held) close() {}

// began is when it did, in nanoseconds since the epoch.
func (h held) began() int64 {
	return h.Proc.P_starttime.Sec*int64(time.Second) + int64(h.Proc.P_starttime.Usec)*int64(time.Microsecond)
}

// Of proc_info (bsd/sys/proc_info.h), which is what proc_pidpath(3) asks.
const (
	procCallPIDInfo = 2
	procPIDPathInfo = 11
	procPathMax     = 4 * 1024
)

func (h held) executable() string {
	if h.KinfoProc == nil {
		return ""
	}
	var path [procPathMax]byte
	if _, _, errno := unix.Syscall6(unix.SYS_PROC_INFO, procCallPIDInfo, uintptr(h.Proc.P_pid), procPIDPathInfo, 0, uintptr(unsafe.Pointer(&path)), procPathMax); errno != 0 {
		return ""
	}
	return unix.ByteSliceToString(path[:])
}

// commandLine is its arguments; those of other users' processes are told to root only.
func (h held) commandLine() string {
	if h.KinfoProc == nil {
		return ""
	}
	b, err := unix.SysctlRaw("kern.procargs2", int(h.Proc.P_pid))
	if err != nil {
		return ""
	}
	return joinArgs(argumentsOf(b))
}

// user names whose process it is.
func (h held) user(x *index, of *event.Proc) {
	if h.KinfoProc == nil {
		return
	}
	of.HasUID, of.UID = true, h.Eproc.Ucred.Uid
	id := strconv.FormatUint(uint64(of.UID), 10)
	if _, known := x.names[id]; !known {
		x.names[id] = ""
		if u, err := user.LookupId(id); err == nil {
			x.names[id] = u.Username
		}
	}
	of.User = x.names[id]
}
