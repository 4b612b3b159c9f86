//go:build !unix

package shell

import "os"

// summarySignal gives the signals that ask for a summary: this system has none.
func summarySignal() <-chan os.Signal { return nil }

// writer does not know who may write to a file.
func writer(os.FileInfo) string { return "" }
