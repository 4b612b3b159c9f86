// Package ndjson reads back what rustnet wrote as NDJSON: a source of events like a capture is one of
// packets. Every field comes back by the one declaration of the schema, and nothing is made up: a key
// that a line does not have stays absent.
package ndjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rustnet/capture/file"
	"rustnet/track/event"
)

// lineMax bounds a line; those of rustnet are some kilobytes at most. chunkSize is what is read at a time.
const (
	lineMax   = 1 << 20
	chunkSize = 128 << 10
)

// byteOrderMark is what programs of Windows begin a file with.
var byteOrderMark = []byte("\ufeff")

// Source reads files one after the other, such as the pieces of a rotated one.
type Source struct {
	kind, ts, start *event.Field
	files           []*file.Bytes
	parser          *Parser
	storage         *event.Storage
	pool            event.Pool
	out             *event.Batch

	span, until int64 // see SetDuration
	from, to    int64 // see Within
	malformed   firsts
	notes       []string // what was tolerated

	lines, bad atomic.Uint64
}

// firsts describes the first malformed line.
type firsts struct {
	name string
	line uint64
	err  error
}

// Expand puts in the place of each pattern the files that it stands for. By name the pieces of a rotated file come
// oldest first, and the one being written last. What names a file, or fits none, stays as it is.
func Expand(paths []string) []string {
	var all []string
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) && strings.ContainsAny(path, "*?[") {
			if found, err := filepath.Glob(path); err == nil && len(found) > 0 { // in order
				all = append(all, found...)
				continue
			}
		}
		all = append(all, path)
	}
	return all
}

// Open opens the files, "-" being standard input. schema is a Stored one.
func Open(paths []string, schema *event.Schema) (*Source, error) {
	s := &Source{kind: schema.Lookup("event"), ts: schema.Lookup("ts"), start: schema.Lookup("start"), parser: NewParser(schema),
		storage: event.NewStorage(schema), pool: event.NewPool(16)}
	for _, path := range paths {
		f, err := file.OpenBytes(path, "a file of records", "rustnet --json | rustnet --from -")
		if err != nil {
			s.Close()
			return nil, err
		}
		s.files = append(s.files, f)
	}
	return s, nil
}

// SetDuration ends the run before the first record that is d or more later than the first one; 0 is all
// of them. It must be called before Run.
func (s *Source) SetDuration(d time.Duration) { s.span = int64(d) }

// Within leaves out what a store would for the same times: records from before since, and connections that began
// at until or later. The zero time is no bound. It must be called before Run.
func (s *Source) Within(since, until time.Time) {
	if !since.IsZero() {
		s.from = since.UnixNano()
	}
	if !until.IsZero() {
		s.to = until.UnixNano()
	}
}

func (s *Source) outside(e *event.Event) bool {
	ts := s.ts.Time(e)
	begin := s.start.Time(e)
	if begin == 0 {
		begin = ts
	}
	return s.from != 0 && ts < s.from || s.to != 0 && begin >= s.to
}

var (
	errOver    = errors.New("the duration is over")
	errTooLong = fmt.Errorf("it is longer than %d bytes", lineMax)
)

// Close closes the files.
func (s *Source) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Progress tells how many lines have been read, and how many bytes of how many as they lie on disk;
// total is 0 when one of the files does not know.
func (s *Source) Progress() (lines uint64, bytes, total int64) {
	known := true
	for _, f := range s.files {
		read, size := f.Progress()
		bytes, total = bytes+read, total+size
		known = known && size > 0
	}
	if !known {
		total = 0
	}
	return s.lines.Load(), bytes, total
}

// Report says for people what was read, and what of it was passed over. It is whole when Run has ended.
func (s *Source) Report() string {
	text := event.Count(s.lines.Load(), "line") + " read"
	if n := s.bad.Load(); n > 0 {
		text += fmt.Sprintf(", %d malformed", n)
	}
	return text
}

// Notes says what was tolerated: an end that a killed writer left, keys that this version does not know.
// It may be asked when Run has ended.
func (s *Source) Notes() []string {
	return append(s.notes, s.parser.Notes()...)
}

// Run sends the records in batches and closes out. Malformed lines are passed over and make its error,
// which is the end's: everything else was read before.
func (s *Source) Run(ctx, stop context.Context, out chan<- *event.Batch) error {
	defer close(out)
	s.out = s.pool.Get()
	send := func() error {
		b := s.out
		s.out = s.pool.Get()
		return b.Send(ctx, out)
	}
	for _, f := range s.files {
		err := s.read(stop, f, send)
		if errors.Is(err, context.Canceled) || errors.Is(err, errOver) {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(s.out.Events) > 0 {
		if err := send(); err != nil {
			return err
		}
	}
	if n := s.bad.Load(); n > 0 {
		m := &s.malformed
		return fmt.Errorf("%s: %s passed over; the first is line %d: %w", m.name, event.Count(n, "malformed line"), m.line, m.err)
	}
	return nil
}

// read takes one file. What comes is sent before it waits for more, as a pipe may pause at any time.
func (s *Source) read(stop context.Context, f *file.Bytes, send func() error) error {
	defer f.Done()
	buf := make([]byte, 0, chunkSize)
	var line uint64
	tooLong := false // the rest of a line that was given up
	for {
		buf = slices.Grow(buf, chunkSize/2)
		known := len(buf) // without an end of a line
		n, err := f.Read(stop, buf[known:cap(buf)])
		buf = buf[:known+n]
		if line == 0 && bytes.HasPrefix(buf, byteOrderMark) {
			buf, known = append(buf[:0], buf[len(byteOrderMark):]...), 0
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			if errors.Is(err, context.Canceled) {
				return err
			}
			return fmt.Errorf("%s: read after line %d: %w; everything before it was read", f.Name(), line, err)
		}
		if line == 0 && known == 0 && file.IsCapture(buf) {
			return fmt.Errorf("%s: no records but packets (-r reads a capture)", f.Name())
		}
		if line == 0 && known == 0 && bytes.HasPrefix(buf, []byte("SQLite format 3\x00")) {
			return fmt.Errorf("%s: no lines but a database (rustnet history --store FILE reads what --store kept)", f.Name())
		}
		whole := 0
		if i := bytes.LastIndexByte(buf[known:], '\n'); i >= 0 {
			whole = known + i + 1
		}
		for text := range strings.Lines(string(buf[:whole])) {
			if line++; tooLong {
				tooLong = false
				continue
			}
			if err := s.record(f, line, text, send); err != nil {
				return err
			}
		}
		buf = append(buf[:0], buf[whole:]...)
		if err != nil {
			return s.end(f, line, string(buf), err, send)
		}
		if len(buf) > lineMax {
			if !tooLong {
				s.lines.Add(1)
				s.wrong(f, line+1, errTooLong)
			}
			tooLong, buf = true, buf[:0]
		}
		if len(s.out.Events) > 0 {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

// end takes what stands behind the last newline. A writer that was killed leaves half a line, and half a
// block of a compressed file.
func (s *Source) end(f *file.Bytes, line uint64, rest string, err error, send func() error) error {
	if strings.TrimSpace(rest) != "" {
		r := s.storage.New()
		if s.parser.Parse(rest, r) == nil {
			s.lines.Add(1)
			if err := s.add(r, send); err != nil {
				return err
			}
		} else {
			s.notes = append(s.notes, fmt.Sprintf("%s: line %d is not finished, and left out", f.Name(), line+1))
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		s.notes = append(s.notes, fmt.Sprintf("%s: %v after line %d; everything before it was read", f.Name(), err, line))
	}
	return nil
}

func (s *Source) record(f *file.Bytes, line uint64, text string, send func() error) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	s.lines.Add(1)
	if len(text) > lineMax {
		s.wrong(f, line, errTooLong)
		return nil
	}
	r := s.storage.New()
	if err := s.parser.Parse(text, r); err != nil {
		s.wrong(f, line, err)
		return nil
	}
	return s.add(r, send)
}

func (s *Source) add(r *event.Stored, send func() error) error {
	s.out.Events = append(s.out.Events, event.Event{Stored: r})
	e := &s.out.Events[len(s.out.Events)-1]
	e.Kind = event.KindOf(s.kind.Str(e))
	if ts := s.ts.Time(e); ts != 0 && s.span > 0 {
		if s.until == 0 {
			s.until = ts + s.span
		}
		if ts >= s.until {
			s.out.Events = s.out.Events[:len(s.out.Events)-1]
			return errOver
		}
	}
	if (s.from != 0 || s.to != 0) && s.outside(e) {
		s.out.Events = s.out.Events[:len(s.out.Events)-1]
	}
	if len(s.out.Events) >= event.Room {
		return send()
	}
	return nil
}

func (s *Source) wrong(f *file.Bytes, line uint64, err error) {
	if s.bad.Add(1) == 1 {
		s.malformed = firsts{f.Name(), line, err}
	}
}
