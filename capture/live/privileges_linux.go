package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownersNeed is what it takes to read which descriptors another user's process has open:
// /proc/PID/fd is a directory of that user with mode 0500 (CAP_DAC_READ_SEARCH), and its links
// are only read by who might trace the process (CAP_SYS_PTRACE, also for user 0).
const ownersNeed = 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_SYS_PTRACE

// Of securebits (include/uapi/linux/securebits.h).
const noRoot, noRootLocked = 1 << 0, 1 << 1

// HoldPrivileges takes out of use, until UsePrivileges, what the program has beyond its user: by its file, or ambient from who
// started it. So the files that a user names are opened by that user's rights. By CAP_DAC_READ_SEARCH, which is for /proc, a
// program that everybody may run would read everybody's captures to them. User 0 keeps what it has.
func HoldPrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	have, err := capabilities()
	if err == nil && have != 0 {
		err = setCapabilities(have, 0)
	}
	if err != nil {
		return fmt.Errorf("hold privileges: %w", err)
	}
	return nil
}

// UsePrivileges puts into use what HoldPrivileges took out, for opening what the program itself chooses.
func UsePrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	have, err := capabilities()
	if err == nil && have != 0 {
		err = setCapabilities(have, have)
	}
	if err != nil {
		return fmt.Errorf("use privileges: %w", err)
	}
	return nil
}

// DropPrivileges gives up, on all threads and for good, the capabilities that are not needed once
// everything is open: all but CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE (with All these, too) and those in keep. User 0 stays
// user 0, without its powers. Unless ExecMayGain is set, programs started afterwards have none of
// these and gain nothing either (no_new_privs, and the bounding set is cut); so start the ones that should before.
//
// It works in programs without cgo; with it the error wraps errors.ErrUnsupported.
func DropPrivileges(cfg DropConfig) error {
	keep := uint64(ownersNeed)
	if cfg.All {
		keep = 0
	}
	for _, c := range cfg.Keep {
		if c < 0 || c > 63 {
			return fmt.Errorf("drop privileges: no capability has the number %d", c)
		}
		keep |= 1 << c
	}
	have, err := capabilities()
	if err != nil {
		return fmt.Errorf("drop privileges: read capabilities: %w", err)
	}
	if !cfg.ExecMayGain {
		if err := cutExec(have, keep); err != nil {
			return fmt.Errorf("drop privileges: %w", err)
		}
	}
	if err := setCapabilities(have&keep, have&keep); err != nil {
		return fmt.Errorf("drop privileges: set capabilities: %w", err)
	}
	return nil
}

// Lasting tells whether files can still be put into a folder when DropPrivileges has been called, of a path that they are put at. A
// folder that is not there is somebody else's to tell of.
func Lasting(path string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	have, err := capabilities()
	if err != nil || have == 0 {
		return err
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var own, less [2]unix.CapUserData // this thread's alone
	if err := unix.Capget(&hdr, &own[0]); err != nil {
		return err
	}
	less = own
	less[0].Effective, less[1].Effective = 0, 0
	if err := unix.Capset(&hdr, &less[0]); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	err = unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err := unix.Capset(&hdr, &own[0]); err != nil {
		return err
	}
	if err != unix.EACCES {
		return nil
	}
	return fmt.Errorf("%s: %w without root's power over the files of others, which is given up when everything is open (try a folder of root's)", dir, err)
}

// capabilities are the calling thread's permitted ones.
func capabilities() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, err
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// setCapabilities sets those that the program may use and those that it uses, and makes inheritable (and with it ambient) empty.
func setCapabilities(permitted, effective uint64) error {
	hdr := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // Pid 0: each thread sets its own
	data := &[2]unix.CapUserData{
		{Permitted: uint32(permitted), Effective: uint32(effective)},
		{Permitted: uint32(permitted >> 32), Effective: uint32(effective >> 32)},
	}
	return allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(data)))
}

// cutExec takes from programs that we start what they could gain by being started.
func cutExec(have, keep uint64) error {
	if have&(1<<unix.CAP_SETPCAP) != 0 {
		// User 0 is nobody special to exec any more: else each program would have what we keep.
		if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, noRoot|noRootLocked); err != nil {
			return fmt.Errorf("set securebits: %w", err)
		}
		for c := range uintptr(64) {
			if keep&(1<<c) != 0 {
				continue
			}
			if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil || in == 0 {
				continue // not in the set, or more than this kernel knows
			}
			if err := allThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c); err != nil {
				return fmt.Errorf("cut bounding set: %w", err)
			}
		}
	}
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// allThreads makes a system call on every thread: these properties are a thread's own.
//
//go:uintptrescapes
func allThreads(trap, a, b uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a, b, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("this build uses cgo, build with CGO_ENABLED=0: %w", errors.ErrUnsupported)
	}
	return errno
}
