//go:build !unix

package pieces

import "os"

// reopenSignal gives the signals that ask for files to be opened anew: this system has none.
func reopenSignal() (again chan os.Signal, end func()) {
	again = make(chan os.Signal)
	return again, func() { close(again) }
}

// openAppend opens a file for appending.
func openAppend(path string) (*os.File, error) { return os.OpenFile(path, appending, forGroup) }
