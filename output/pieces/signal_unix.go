//go:build unix

package pieces

import (
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
