//go:build unix

package flow

import (
	"os"
	"os/signal"
	"syscall"
)

// summarySignal gives the signals that ask for a summary: SIGUSR1.
func summarySignal() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	return c
}
