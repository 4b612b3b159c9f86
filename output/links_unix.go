//go:build unix

package output

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Link tells whether path is a link. To root it is an error where it is neither root's nor of who called sudo: in a folder of theirs others
// could have root write to any file.
func Link(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false, nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && st.Uid != 0 && fmt.Sprint(st.Uid) != os.Getenv("SUDO_UID") {
		return true, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("it is a link, and user %d made it", st.Uid)}
	}
	return true, nil
}
