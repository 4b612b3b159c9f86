package file

import (
	"context"
	"errors"
	"io"
)

// Bytes is a file, or standard input, that is no capture: its bytes, uncompressed.
type Bytes struct{ opened }

// OpenBytes opens what is at path, "-" being standard input. Errors say that it should be what, and
// propose the command feed where standard input is a terminal.
func OpenBytes(path, what, feed string) (*Bytes, error) {
	o, err := open(path, what, feed)
	if err != nil {
		return nil, err
	}
	return &Bytes{o}, nil
}

// Name is what errors call it.
func (b *Bytes) Name() string { return b.name }

// Read puts what there is into p, at least one byte unless it gives an error: io.EOF at the end, one
// that wraps io.ErrUnexpectedEOF where compressed data ends too early, context.Canceled at the end
// of stop, also while it waits for a pipe.
func (b *Bytes) Read(stop context.Context, p []byte) (int, error) {
	if b.in.err != nil {
		return 0, b.in.err
	}
	n, err := b.in.read(stop, p)
	switch {
	case errors.Is(err, errStopped):
		return 0, context.Canceled
	case n == 0 && b.in.err == nil:
		return 0, io.ErrNoProgress
	case n == 0:
		return 0, b.in.err
	}
	return n, nil
}

// Done lets go of what waits for a pipe. Read must not be called afterwards.
func (b *Bytes) Done() { b.in.finish() }

// Progress tells how many bytes of how many have been read, as they lie on disk; size is 0 when not known.
func (b *Bytes) Progress() (read, size int64) { return b.in.raw.n.Load(), b.size }
