//go:build unix

package alert

import (
	"errors"
	"os"
	"syscall"
)

const locks = true

// inUse is the error of a file that another process has locked.
type inUse struct{}

func (inUse) Error() string { return "another rustnet is using it (give each a file of its own)" }
func (inUse) Unwrap() error { return syscall.EWOULDBLOCK }

// lock keeps others from locking the file as long as it is open here. Where the file system has no locks there is none.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return inUse{}
	}
	return nil
}
