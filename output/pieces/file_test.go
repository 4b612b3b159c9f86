package pieces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const hour = int64(time.Hour)

// at is a time of the first hour of 2026, and n hours later.
func at(n float64) int64 {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() + int64(n*float64(hour))
}

func open(t *testing.T, path string, cfg Rotation) (*File, *[]string) {
	t.Helper()
	var said []string
	f, err := openFile(path, cfg, false, nil, existing{}, func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, &said
}

// put writes lines that are n bytes long, from..to, one each minute.
func put(t *testing.T, f *File, n, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if !f.WriteRecord(fmt.Appendf(nil, "%0*d\n", n-1, i), at(float64(i)/60)) {
			t.Fatalf("record %d was not taken", i)
		}
	}
}

// text reads a file as its ending says.
func text(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(raw)
	switch {
	case strings.HasSuffix(path, ".gz"):
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(all)
}

// folder lists what there is, the current file last.
func folder(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return append(names, filepath.Base(path))
}

func joined(t *testing.T, path string) (all string) {
	t.Helper()
	for _, name := range folder(t, path) {
		all += text(t, filepath.Join(filepath.Dir(path), name))
	}
	return all
}

func lines(n, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%0*d\n", n-1, i)
	}
	return b.String()
}

func TestRotation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		file  string
		cfg   Rotation
		n     int // records, one a minute
		files []string
		first string // of the second file
	}{
		{"never", "c.ndjson", Rotation{}, 200, []string{"c.ndjson"}, ""},
		{"by time, at the hours", "c.ndjson", Rotation{RotateEvery: time.Hour}, 150,
			[]string{"c-20260101T000000.000000Z.ndjson", "c-20260101T010000.000000Z.ndjson", "c.ndjson"}, "60"},
		{"by size", "c.ndjson", Rotation{RotateSize: 1000}, 25,
			[]string{"c-20260101T000000.000000Z.ndjson", "c-20260101T001000.000000Z.ndjson", "c.ndjson"}, "10"},
		{"by both", "c.csv", Rotation{RotateSize: 5000, RotateEvery: time.Hour}, 62,
			[]string{"c-20260101T000000.000000Z.csv", "c-20260101T005000.000000Z.csv", "c.csv"}, "50"},
		{"the latest only", "c.ndjson", Rotation{RotateSize: 1000, RotateKeep: 2}, 55,
			[]string{"c-20260101T003000.000000Z.ndjson", "c-20260101T004000.000000Z.ndjson", "c.ndjson"}, "40"},
		{"a record larger than a piece", "c", Rotation{RotateSize: 10}, 2, []string{"c-20260101T000000.000000Z", "c"}, "1"},
		{"gzip", "c.ndjson.gz", Rotation{RotateEvery: time.Hour}, 70, []string{"c-20260101T000000.000000Z.ndjson.gz", "c.ndjson.gz"}, "60"},
		{"zstd", "c.zst", Rotation{RotateEvery: time.Hour}, 70, []string{"c-20260101T000000.000000Z.zst", "c.zst"}, "60"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			f, said := open(t, path, tt.cfg)
			put(t, f, 100, 0, tt.n)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if got := folder(t, path); !slices.Equal(got, tt.files) {
				t.Errorf("files: got %v, want %v", got, tt.files)
			} else if len(got) > 1 {
				second := text(t, filepath.Join(filepath.Dir(path), got[1]))
				if line, _, _ := strings.Cut(second, "\n"); strings.TrimLeft(line, "0") != tt.first {
					t.Errorf("the second begins with %s, want %s", line, tt.first)
				}
			}
			want := lines(100, 0, tt.n)
			if got := joined(t, path); !strings.HasSuffix(want, got) || tt.cfg.RotateKeep == 0 && got != want {
				t.Errorf("the pieces together are not what was written: %d bytes of %d", len(got), len(want))
			}
			if st := f.Stats(); st.Records != uint64(tt.n) || st.Lost != 0 || len(*said) > 0 {
				t.Errorf("%+v, said %q", st, *said)
			}
		})
	}
}

// TestWithoutTimes: a record without a time belongs to that which was reached, also where it begins a piece.
func TestWithoutTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.ndjson")
	f, _ := open(t, path, Rotation{RotateSize: 50, RotateEvery: time.Hour})
	for i, ts := range []int64{at(0), at(0.1), 0, at(0.2)} {
		if !f.WriteRecord(fmt.Appendf(nil, "%019d\n", i), ts) {
			t.Fatalf("record %d was not taken", i)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := folder(t, path), []string{"c-20260101T000000.000000Z.ndjson", "c.ndjson"}; !slices.Equal(got, want) {
		t.Errorf("files: got %v, want %v", got, want)
	}
}

// TestCompressedSize: pieces are about as large as they may be, on the disk.
func TestCompressedSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.gz")
	f, _ := open(t, path, Rotation{RotateSize: 2000})
	put(t, f, 1000, 0, 1000)
	f.Close()
	names := folder(t, path)
	if len(names) < 2 {
		t.Fatalf("only %v", names)
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(filepath.Dir(path), name)); err != nil || info.Size() > 6000 {
			t.Errorf("%s: %v %v", name, info.Size(), err)
		}
	}
	if joined(t, path) != lines(1000, 0, 1000) {
		t.Error("the pieces together are not what was written")
	}
}

func TestHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.csv")
	f, _ := open(t, path, Rotation{RotateEvery: time.Hour})
	f.SetHeader([]byte("number\n"))
	put(t, f, 5, 0, 61)
	f.Close()
	want := "number\n" + lines(5, 0, 60) + "number\n" + lines(5, 60, 61)
	if got := joined(t, path); got != want {
		t.Errorf("got %q", got)
	}
	f, _ = open(t, path, Rotation{}) // appended to: there is one already
	f.SetHeader([]byte("number\n"))
	put(t, f, 5, 61, 62)
	f.Close()
	if got, want := text(t, path), "number\n"+lines(5, 60, 62); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	empty := filepath.Join(t.TempDir(), "e.csv.gz")
	f, _ = open(t, empty, Rotation{})
	f.SetHeader([]byte("number\n"))
	f.Close()
	if got := text(t, empty); got != "number\n" {
		t.Errorf("without a record: got %q", got)
	}
}

// TestExisting: a file that is there is added to, and is whole afterwards.
func TestExisting(t *testing.T) {
	for _, tt := range []struct{ name, file, before, after, said string }{
		{"whole", "c", "a\nb\n", "a\nb\n00\n", ""},
		{"half a line", "c", "a\nb\n{half", "a\nb\n00\n", "half a line"},
		{"empty", "c", "", "00\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			f, said := open(t, path, Rotation{})
			put(t, f, 3, 0, 1)
			f.Close()
			if got := text(t, path); got != tt.after {
				t.Errorf("got %q, want %q", got, tt.after)
			}
			if got := strings.Join(*said, ""); !strings.Contains(got, tt.said) || tt.said == "" && got != "" {
				t.Errorf("said %q", got)
			}
		})
	}
	t.Run("no lines", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "photo")
		if err := os.WriteFile(path, []byte("GIF89a"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openFile(path, Rotation{}, false, nil, existing{}, func(string) {}); err == nil {
			t.Error("it was opened")
		}
		if text(t, path) != "GIF89a" {
			t.Error("it was changed")
		}
	})
	t.Run("compressed and cut", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.gz")
		if err := os.WriteFile(path, []byte("\x1f\x8b cut"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, _ := open(t, path, Rotation{})
		put(t, f, 3, 0, 1)
		f.Close()
		if names := folder(t, path); len(names) != 2 || text(t, path) != "00\n" {
			t.Errorf("%v, %q", names, text(t, path))
		}
	})
	t.Run("an earlier run of the same times", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c")
		for run := range 2 {
			f, _ := open(t, path, Rotation{RotateSize: 20})
			put(t, f, 10, 10*run, 10*run+10)
			f.Close()
		}
		if got := joined(t, path); got != lines(10, 0, 20) {
			t.Errorf("names are not in the order of the pieces: %v\n%s", folder(t, path), got)
		}
	})
}

// renames skips a test in which somebody renames a file that is open.
func renames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be renamed here, and no SIGHUP asks for another")
	}
}

// TestEmptied: a file that somebody empties while it is written (copytruncate) begins anew, and what is in it can be read.
func TestEmptied(t *testing.T) {
	for _, name := range []string{"c", "c.gz", "c.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f, said := open(t, path, Rotation{RotateSize: 1 << 20})
			f.SetHeader([]byte("header\n"))
			put(t, f, 10, 0, 5)
			f.mu.Lock()
			f.sync()
			f.mu.Unlock()
			for range 2 { // the second time it is as short as it was
				if err := os.Truncate(path, 0); err != nil {
					t.Fatal(err)
				}
				put(t, f, 10, 5, 10)
				f.mu.Lock()
				f.sync()
				f.mu.Unlock()
			}
			if info, err := os.Stat(path); err != nil || f.size != info.Size() {
				t.Errorf("got %d bytes, want %d: pieces are cut by that", f.size, info.Size())
			}
			put(t, f, 10, 10, 12)
			if err := f.Close(); err != nil || len(*said) > 0 {
				t.Errorf("%v, said %q", err, *said)
			}
			if got, want := text(t, path), "header\n"+lines(10, 5, 12); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("sections", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.bin")
		f, err := OpenSections(path, Rotation{}, false, func(dst []byte) []byte { return append(dst, '<') }, func(s string) { t.Error(s) })
		if err != nil {
			t.Fatal(err)
		}
		put := func() { f.MakeRecord(1, at(1), func(dst []byte) []byte { return append(dst, '.') }) }
		put()
		f.Flush()
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		put() // of the section that is gone
		f.Flush()
		put()
		if err := f.Close(); err == nil || f.Stats().Lost != 1 {
			t.Errorf("%v, %+v, want one lost", err, f.Stats())
		}
		if got := text(t, path); got != "<." {
			t.Errorf("got %q", got)
		}
	})
}

// TestCloseFails: a file that fails when it is closed, as on a network file system that has no room, fails the run, also one
// that was put aside.
func TestCloseFails(t *testing.T) {
	for _, c := range []struct {
		name string
		left bool
	}{{"at the end", false}, {"put aside", true}} {
		t.Run(c.name, func(t *testing.T) {
			f, said := open(t, filepath.Join(t.TempDir(), "c"), Rotation{RotateSize: 100})
			put(t, f, 10, 0, 5)
			f.Flush()
			if err := f.file.Close(); err != nil { // closed a second time, it says so
				t.Fatal(err)
			}
			if c.left {
				f.mu.Lock()
				f.rotate()
				f.mu.Unlock()
				put(t, f, 10, 5, 10)
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "may be missing") {
				t.Errorf("got %v, want it to say what may be missing", err)
			}
			if st := f.Stats(); st.Lost != 0 || (len(*said) == 1) != c.left {
				t.Errorf("%+v, said %q", st, *said)
			}
		})
	}
}

// TestSections: of a form that is no lines, each file begins anew, and what is written knows where it goes.
func TestSections(t *testing.T) {
	renames(t)
	for _, name := range []string{"c.bin", "c.bin.gz", "c.bin.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte("of another run, and half a"), 0o600); err != nil {
				t.Fatal(err)
			}
			pieces := 0
			f, err := OpenSections(path, Rotation{RotateEvery: time.Hour}, false, func(dst []byte) []byte {
				pieces++
				return fmt.Appendf(dst, "<%d>", pieces)
			}, func(s string) { t.Error(s) })
			if err != nil {
				t.Fatal(err)
			}
			put := func(hours float64) {
				if !f.MakeRecord(100, at(hours), func(dst []byte) []byte { return fmt.Appendf(dst, "(%d)", pieces) }) {
					t.Error("not taken")
				}
			}
			put(0.1)
			put(0.2)
			f.Reopen() // nobody renamed it
			put(0.3)
			put(1.1)
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			f.Reopen()
			put(1.2)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if st := f.Stats(); st.Records != 5 || st.Lost != 0 || st.Pieces != 2 {
				t.Errorf("got %+v", st)
			}
			var got []string
			for _, p := range folder(t, path) {
				full := filepath.Join(filepath.Dir(path), p)
				if raw, err := os.ReadFile(full); err == nil && strings.HasPrefix(string(raw), "of another run") {
					got = append(got, "another")
					continue
				}
				if strings.HasSuffix(p, ".old") {
					os.Rename(full, strings.TrimSuffix(full, name+".old")+"old-"+name)
					full = strings.TrimSuffix(full, name+".old") + "old-" + name
				}
				got = append(got, text(t, full))
			}
			slices.Sort(got)
			if want := []string{"<1>(1)(1)(1)", "<2>(2)", "<3>(3)", "another"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestReopen: who renames the file and asks for it gets a new one.
func TestReopen(t *testing.T) {
	renames(t)
	for _, name := range []string{"c.csv", "c.csv.gz", "c.csv.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f, _ := open(t, path, Rotation{})
			f.SetHeader([]byte("number\n"))
			put(t, f, 5, 0, 10)
			f.Reopen() // nobody renamed it
			put(t, f, 5, 10, 20)
			moved := filepath.Join(filepath.Dir(path), "old-"+name)
			if err := os.Rename(path, moved); err != nil {
				t.Fatal(err)
			}
			put(t, f, 5, 20, 30)
			f.Reopen()
			put(t, f, 5, 30, 40)
			f.Close()
			if got, want := text(t, moved), "number\n"+lines(5, 0, 30); got != want {
				t.Errorf("renamed: got %q", got)
			}
			if got, want := text(t, path), "number\n"+lines(5, 30, 40); got != want {
				t.Errorf("new: got %q", got)
			}
		})
	}
	t.Run("its folder is gone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a", "c")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		f, said := open(t, path, Rotation{})
		moved := filepath.Dir(path) + "2"
		if err := os.Rename(filepath.Dir(path), moved); err != nil {
			t.Fatal(err)
		}
		f.Reopen()
		put(t, f, 5, 0, 10)
		f.Close()
		if got := text(t, filepath.Join(moved, "c")); got != lines(5, 0, 10) || len(*said) != 1 {
			t.Errorf("got %q, said %q", got, *said)
		}
	})
}

// TestKilled: what is on the disk at any moment is whole records, whatever the compression.
func TestKilled(t *testing.T) {
	for _, name := range []string{"c", "c.gz", "c.zst"} {
		path := filepath.Join(t.TempDir(), name)
		f, _ := open(t, path, Rotation{})
		for i := range 15 {
			put(t, f, 7919, 10*i, 10*i+10)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var r io.Reader = bytes.NewReader(raw)
			switch {
			case len(raw) == 0:
				continue
			case name == "c.gz":
				r, err = gzip.NewReader(r)
			case name == "c.zst":
				r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			}
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(r)
			if len(got) == 0 || len(got)%7919 != 0 || !strings.HasPrefix(lines(7919, 0, 10*i+10), string(got)) {
				t.Fatalf("%s: after %d records there are %d bytes", name, 10*i+10, len(got))
			}
		}
	}
}
