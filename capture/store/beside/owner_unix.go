//go:build unix

package beside

import (
	"os"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW

// alone tells whether f is a file that has no other name (or none any more). A hard link may be one of a file that is not the link's owner's.
func alone(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && st.Nlink <= 1
}

// own gives f to the owner of the file that info is of; only root can.
func own(f *os.File, info os.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		_ = f.Chown(int(st.Uid), int(st.Gid)) // file systems without owners refuse it
	}
}
