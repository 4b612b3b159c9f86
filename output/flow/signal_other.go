//go:build !unix

package flow

import "os"

// summarySignal gives the signals that ask for a summary: this system has none.
func summarySignal() <-chan os.Signal { return nil }
