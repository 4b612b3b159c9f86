package pieces

import (
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// newCompressor gives what the ending of the name says; nil for the others.
func newCompressor(path string) (compressor, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return gzip.NewWriter(io.Discard), nil
	case strings.HasSuffix(path, ".zst"):
		// With one goroutine it has none in the background; the window is memory.
		return zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	}
	return nil, nil
}
