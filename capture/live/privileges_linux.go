package live

import (
	"cmp"
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

// HoldPrivileges takes out of use, until UsePrivileges, what the program has beyond its user: by its file, or ambient from who
// started it. So the files that a user names are opened by that user's rights. By CAP_DAC_READ_SEARCH, which is for /proc, a
// program that everybody may run would read everybody's captures to them. User 0 keeps what it has. Where that is refused, who
// handed on rights of their own could read those files without us; who has none but by our file is not let near them.
func HoldPrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	have, err := capabilities()
	if err == nil {
		err = setCapabilities(have.permitted, 0, have)
	}
	if err != nil && raised() {
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
	if err == nil {
		err = setCapabilities(have.permitted, have.permitted, have)
	}
	if err != nil && raised() {
		return fmt.Errorf("use privileges: %w", err)
	}
	return nil
}

// DropPrivileges gives up, on all threads and for good, the capabilities that are not needed once
// everything is open: all, but for owners, who are still to be found, CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE. User 0 stays
// user 0, without its powers. Programs started afterwards have none of these and gain nothing either (no_new_privs, and
// nothing is left in the bounding set); so start the ones that should before. Only those of a user 0 that has no
// CAP_SETPCAP have what we keep.
//
// What a system call filter or a security module refuses is in the error, and all else is given up in spite of it.
// It works in programs without cgo; with it the error wraps errors.ErrUnsupported.
func DropPrivileges(owners bool) error {
	keep := uint64(0)
	if owners {
		keep = ownersNeed
	}
	have, err := capabilities()
	if err != nil {
		return fmt.Errorf("drop privileges, which are all kept: %w", err)
	}
	exec := cutExec(have)
	if exec != nil {
		exec = fmt.Errorf("drop privileges of programs that are started: %w", exec)
	}
	if err = setCapabilities(have.permitted&keep, have.permitted&keep, have); err != nil {
		err = fmt.Errorf("drop privileges, which are all kept: %w", err)
	}
	if err != nil && exec != nil && !errors.Is(err, errors.ErrUnsupported) { // that says it all
		return fmt.Errorf("%w; %w", err, exec)
	}
	return cmp.Or(err, exec)
}

// Lasting tells whether files can still be put into a folder when DropPrivileges has been called, of a path that they are put at. A
// folder that is not there is somebody else's to tell of.
func Lasting(path string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if have, err := capabilities(); err != nil || have.permitted == 0 {
		return nil // DropPrivileges tells of it
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var own, less [2]unix.CapUserData // this thread's alone
	if err := unix.Capget(&hdr, &own[0]); err != nil {
		return err
	}
	less = own
	less[0].Effective, less[1].Effective = 0, 0
	if unix.Capset(&hdr, &less[0]) != nil {
		return nil // nor will it be given up
	}
	dir := filepath.Dir(path)
	err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err := unix.Capset(&hdr, &own[0]); err != nil {
		return err
	}
	if err != unix.EACCES {
		return nil
	}
	return fmt.Errorf("%s: %w without root's power over the files of others, which is given up when everything is open (try a folder of root's)", dir, err)
}

// held are a thread's capabilities.
type held struct{ permitted, effective, inheritable uint64 }

func capabilities() (held, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return held{}, fmt.Errorf("read capabilities: %w", refused(err))
	}
	both := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	return held{both(data[0].Permitted, data[1].Permitted), both(data[0].Effective, data[1].Effective), both(data[0].Inheritable, data[1].Inheritable)}, nil
}

// setCapabilities sets those that the program may use and those that it uses, and makes inheritable (and with it ambient) empty.
func setCapabilities(permitted, effective uint64, have held) error {
	if have == (held{permitted: permitted, effective: effective}) {
		return nil
	}
	hdr := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // Pid 0: each thread sets its own
	data := &[2]unix.CapUserData{
		{Permitted: uint32(permitted), Effective: uint32(effective)},
		{Permitted: uint32(permitted >> 32), Effective: uint32(effective >> 32)},
	}
	if err := allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(data))); err != nil {
		return fmt.Errorf("set capabilities: %w", refused(err))
	}
	return nil
}

// raised tells whether the program's file gave it rights that who started it has not.
func raised() bool {
	all, _ := unix.Auxv()
	for _, v := range all {
		if v[0] == 23 { // AT_SECURE of getauxval(3)
			return v[1] != 0
		}
	}
	return true
}

// cutExec takes from programs that we start what they could gain by being started: user 0, too, is then nobody special to exec. The
// bit of securebits that says so cannot be set where somebody locked another one.
func cutExec(have held) error {
	var failed error
	if have.permitted&(1<<unix.CAP_SETPCAP) != 0 {
		for c := range uintptr(64) {
			if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err == unix.EINVAL || err == nil && in == 0 {
				continue // more than this kernel knows, or not in the set
			}
			if err := allThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c); err != nil {
				failed = fmt.Errorf("cut bounding set: %w", refused(err))
				break
			}
		}
	}
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		failed = cmp.Or(failed, fmt.Errorf("set no_new_privs: %w", refused(err)))
	}
	return failed
}

// refused says of a call that the kernel itself grants to everybody who can come here who it was that did not. The cause is not
// wrapped: of ENOSYS it would be taken for what this build cannot.
func refused(err error) error {
	if _, ok := err.(syscall.Errno); !ok {
		return err
	}
	return fmt.Errorf("%v (by a system call filter, as a service's SystemCallFilter=, or by a security module)", err)
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
