package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the greatest window that zstd(1) takes by itself; a frame that asks for more is refused.
const zstdWindow = 128 << 20

// minRead is the room that a read from a pipe is given at least.
const minRead = 32 << 10

// input is the bytes of a capture, uncompressed.
type input struct {
	r    io.Reader
	raw  *countingReader
	pack string // name of the compression, "" for none
	// steady is set for regular files. Their reads do not wait for somebody to write, so slabs are
	// filled to the brim, and what a batch holds depends on nothing but the bytes.
	steady bool
	err    error // what ended the input; the bytes before it have been delivered

	close func()
	// For inputs that may wait forever a goroutine reads, one request at a time, so that Run can
	// leave it behind. ask is nil until the first read.
	ask  chan []byte
	got  chan readResult
	left bool // Run left while the goroutine was in Read
}

type readResult struct {
	n   int
	err error
}

// countingReader counts what was read, for progress reports.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// newInput looks at the first bytes of r and uncompresses it when they say so.
func newInput(r io.Reader, steady bool) (*input, error) {
	raw := &countingReader{r: r}
	in := &input{raw: raw, steady: steady, close: func() {}}
	magic := make([]byte, 4)
	n, err := readUntilFull(raw, magic)
	if err != nil && err != io.EOF {
		return nil, err
	}
	in.r = io.MultiReader(bytes.NewReader(magic[:n]), raw)
	if err := in.unpack(magic[:n]); err != nil {
		return nil, err
	}
	return in, nil
}

// unpack puts a decompressor before in.r when magic is that of one.
func (in *input) unpack(magic []byte) error {
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b: // RFC 1952 §2.3.1
		in.pack = "gzip"
		z, err := gzip.NewReader(bufio.NewReaderSize(in.r, 64<<10))
		if err != nil {
			return in.unpackError(err)
		}
		in.r = z
	case isZstd(magic):
		in.pack = "zstd"
		// One at a time: with more, the decoder reads ahead in goroutines of its own and holds
		// several windows.
		z, err := zstd.NewReader(in.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return in.unpackError(err)
		}
		in.r, in.close = z, z.Close
	}
	return nil
}

// isZstd knows a zstd frame and the skippable frames that parallel compressors begin with (RFC 8878 §3.1).
func isZstd(magic []byte) bool {
	if len(magic) < 4 {
		return false
	}
	m := le.Uint32(magic)
	return m == 0xfd2fb528 || m&^15 == 0x184d2a50
}

// unpackError names the compression in an error of the decompressor.
func (in *input) unpackError(err error) error {
	switch {
	case in.pack == "" || err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &cutError{in.pack + " data cut off"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("zstd window greater than %d MiB (try: zstd -dc --memory=2GB FILE | rustnet -r -)", zstdWindow>>20)
	}
	return fmt.Errorf("damaged %s data: %w", in.pack, err)
}

// head reads the first bytes into b, as many as there are.
func (in *input) head(b []byte) (int, error) {
	n, err := readUntilFull(in.r, b)
	if err != nil {
		in.err = in.unpackError(err)
	}
	if n < len(b) && err != io.EOF {
		return n, in.err
	}
	return n, nil
}

// read puts at least one byte into b unless the input has ended, which in.err then says.
func (in *input) read(stop context.Context, b []byte) (n int, err error) {
	if stop.Err() != nil {
		return 0, errStopped
	}
	if in.steady {
		n, err = readUntilFull(in.r, b)
	} else if n, err = in.await(stop, b); err == errStopped {
		return 0, err
	}
	if err != nil {
		in.err = in.unpackError(err)
	}
	return n, nil
}

// await reads what there is, waiting for it if need be, but not longer than stop allows.
func (in *input) await(stop context.Context, b []byte) (int, error) {
	if in.ask == nil {
		in.ask, in.got = make(chan []byte), make(chan readResult, 1)
		go in.serve(in.ask)
	}
	in.ask <- b
	select {
	case res := <-in.got:
		return res.n, res.err
	case <-stop.Done():
		// The goroutine may still write into b. The slab stays held for good, so nobody else gets it.
		in.left = true
		return 0, errStopped
	}
}

func (in *input) serve(ask <-chan []byte) {
	for b := range ask {
		n, err := readSome(in.r, b)
		in.got <- readResult{n, err}
	}
}

// finish lets the reading goroutine go. After it, stop must not be asked for again.
func (in *input) finish() {
	if in.ask != nil {
		close(in.ask)
	}
}

// readUntilFull is io.ReadFull with the reader's own error: io.ErrUnexpectedEOF from a decompressor
// is not the end of the file.
func readUntilFull(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = readSome(r, b[n:])
		n += m
	}
	return n, err
}

// readSome is Read without the right to give nothing.
func readSome(r io.Reader, b []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(b); n != 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
