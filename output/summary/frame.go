package summary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"rustnet/output"
)

// screen draws frames over each other on a terminal, on its alternate screen so that what was there
// before comes back.
type screen struct {
	w     io.Writer
	mu    sync.Mutex
	begun bool
	done  bool
	last  []byte
}

// Sequences of xterm and everything that took after it: alternate screen, cursor, erase.
const (
	enter = "\x1b[?1049h\x1b[?25l"
	leave = "\x1b[?25h\x1b[?1049l"
	home  = "\x1b[H"
	wipe  = "\x1b[K" // to the end of the line
	below = "\x1b[J" // to the end of the screen
)

// draw shows a frame, as many of its lines as there are on the terminal. It is one write, so that nothing
// flickers.
func (s *screen) draw(text []byte, height int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	var b bytes.Buffer
	if !s.begun {
		s.begun = true
		b.WriteString(enter)
	}
	s.last = append(s.last[:0], text...)
	b.WriteString(home)
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if height > 1 && len(lines) > height {
		left := len(lines) - height + 1
		lines = append(lines[:height-1:height-1], fmt.Appendf(nil, "… %d more rows", left))
	}
	for _, line := range lines {
		if content, whole := bytes.CutSuffix(line, []byte("\n")); whole {
			b.Write(content)
			b.WriteString(wipe + "\r\n")
		} else {
			b.Write(line)
			b.WriteString(wipe)
		}
	}
	b.WriteString(below)
	_, err := s.w.Write(b.Bytes())
	return output.WriteError(err)
}

// restore leaves the alternate screen, and the last frame on the one that was there before.
func (s *screen) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun && !s.done {
		io.WriteString(s.w, leave)
		s.w.Write(s.last)
	}
	s.done = true
}

// replaceFile writes path whole or not at all: a reader sees the file that was there before, or this one.
func replaceFile(path string, content []byte) (err error) {
	var mode fs.FileMode
	there := false
	if _, err := output.Link(path); err != nil {
		return fmt.Errorf("--output-file: %w", err)
	}
	if old, err := os.Stat(path); err == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("--output-file: %s: it is no regular file", path)
		}
		mode, there = old.Mode().Perm(), true
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real // a link stays one
		}
	}
	// A new one is for others to read, such as who collects figures, unless the umask says otherwise.
	beside := filepath.Join(filepath.Dir(path), fmt.Sprintf(".rustnet-%016x", rand.Uint64()))
	f, err := os.OpenFile(beside, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			failed.Path = path // not the one beside it, which nobody asked for
		}
		return fmt.Errorf("--output-file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("--output-file %s: %w", path, err)
		}
	}()
	if there {
		if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(path))
	return nil
}

// syncFolder makes the new name last; where folders cannot be synced, it lasts soon enough.
func syncFolder(path string) {
	if d, err := os.Open(path); err == nil {
		d.Sync()
		d.Close()
	}
}
