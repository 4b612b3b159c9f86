package flow

import (
	"fmt"
	"io"
	"time"

	"rustnet/output"
)

// showProgress shows on w, a terminal, how far a long reading has come: once a second on one line that it
// wipes when the function it returns is called. Readings of less than a second show nothing. done may
// be called from another goroutine; total is 0 where it is not known. what is it that is counted.
func showProgress(w io.Writer, what string, done func() (n uint64, bytes, total int64)) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for shown := false; ; shown = true {
			select {
			case <-tick.C:
				n, bytes, total := done()
				fmt.Fprintf(w, "\r\x1b[K%s", progressLine(n, what, bytes, total, time.Since(begin)))
			case <-stop:
				if shown {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// progressLine is like "12.3M packets, 2.1M/s, 45 %, 7s left".
func progressLine(n uint64, what string, bytes, total int64, elapsed time.Duration) string {
	rate := float64(n) / elapsed.Seconds()
	line := fmt.Sprintf("%s %s, %s/s", output.AppendBytes(nil, n), what, output.AppendBytes(nil, uint64(rate)))
	if total <= 0 || bytes <= 0 {
		return line
	}
	bytes = min(bytes, total)
	left := time.Duration(float64(elapsed) * float64(total-bytes) / float64(bytes))
	return fmt.Sprintf("%s, %d %%, %v left", line, bytes*100/total, left.Round(time.Second))
}
