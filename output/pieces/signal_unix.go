//go:build unix

package pieces

import (
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// reopenSignal gives the signals that ask for files to be opened anew, until end.
func reopenSignal() (again chan os.Signal, end func()) {
	again = make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	return again, func() { signal.Stop(again); close(again) }
}

// openAppend opens a file for appending. Root follows no link that is neither root's nor of who called sudo: in a folder of theirs others
// could have root write to any file, and again at each reopening.
func openAppend(path string) (*os.File, error) {
	flags := appending
	if os.Geteuid() == 0 {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			flags |= syscall.O_NOFOLLOW
		} else if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && fmt.Sprint(st.Uid) != os.Getenv("SUDO_UID") {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("it is a link, and user %d made it", st.Uid)}
		}
	}
	return os.OpenFile(path, flags, forGroup)
}
