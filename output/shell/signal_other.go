//go:build !unix

package shell

import "os"

// SummarySignal gives the signals that ask for a summary: this system has none.
func SummarySignal() <-chan os.Signal { return nil }
