//go:build unix

package beside

import (
	"os"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW

// own gives f to the owner of the file that info is of; only root can.
func own(f *os.File, info os.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		_ = f.Chown(int(st.Uid), int(st.Gid)) // file systems without owners refuse it
	}
}
