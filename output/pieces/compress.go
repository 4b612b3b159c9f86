package pieces

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Known says when the ending of a name promises a compression that there is not.
func Known(path string) error {
	if ending := filepath.Ext(path); slices.Contains([]string{".xz", ".bz2", ".lz4", ".lzma", ".br", ".zip"}, ending) {
		return fmt.Errorf("nothing here writes %s: .gz and .zst compress", ending)
	}
	return nil
}

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
