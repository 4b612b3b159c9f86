package flow

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// watchReader gives a channel that is closed when the reader of a pipe or socket has left, which otherwise
// shows only in the next write. For other files it is never closed. It watches until ctx ends.
func watchReader(ctx context.Context, f *os.File) <-chan struct{} {
	gone := make(chan struct{})
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return gone
	}
	wakeR, wakeW, err := os.Pipe()
	if err != nil {
		return gone // the next write will tell
	}
	context.AfterFunc(ctx, func() { wakeW.Close() })
	go func() {
		defer wakeR.Close()
		// No events are asked for: POLLERR, which says that nobody has the reading end open, and POLLHUP always come.
		fds := []unix.PollFd{{Fd: number(f)}, {Fd: number(wakeR), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, -1); err != nil {
				if errors.Is(err, unix.EINTR) {
					continue
				}
				return
			}
			if fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				close(gone)
				return
			}
			return // woken by ctx, or the file is closed
		}
	}()
	return gone
}

// number gives the descriptor without changing its mode, as Fd would.
func number(f *os.File) int32 {
	n := int32(-1)
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n = int32(fd) })
	}
	return n
}
