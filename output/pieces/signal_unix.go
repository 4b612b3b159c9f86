//go:build unix

package pieces

import (
	"os"
	"os/signal"
	"syscall"

	"rustnet/output"
)

// reopenSignal gives the signals that ask for files to be opened anew, until end.
func reopenSignal() (again chan os.Signal, end func()) {
	again = make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	return again, func() { signal.Stop(again); close(again) }
}

// openAppend opens a file for appending, through no link that output.Link would not have.
func openAppend(path string) (*os.File, error) {
	link, err := output.Link(path)
	if err != nil {
		return nil, err
	}
	flags := appending
	if !link {
		flags |= syscall.O_NOFOLLOW
	}
	return os.OpenFile(path, flags, forGroup)
}
