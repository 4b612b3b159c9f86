//go:build unix

package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rustnet/output/store"
	"rustnet/track/event"
)

// TestBeside: what SQLite keeps beside a store, which has what was written last, is for whom the store is for, whoever opens it first.
func TestBeside(t *testing.T) {
	const others = 65534
	root := os.Geteuid() == 0
	check := func(t *testing.T, db string, perm fs.FileMode) {
		t.Helper()
		for _, path := range []string{db, db + "-wal", db + "-shm"} {
			info, err := os.Stat(path)
			if err != nil {
				t.Error(err)
				continue
			}
			if info.Mode().Perm() != perm {
				t.Errorf("%s: got %v, want %v", filepath.Base(path), info.Mode().Perm(), perm)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; root && uid != others {
				t.Errorf("%s: got user %d, want %d", filepath.Base(path), uid, others)
			}
		}
	}
	give := func(t *testing.T, db string) {
		t.Helper()
		if !root {
			return
		}
		if err := os.Chown(db, others, others); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		perm fs.FileMode
		left bool // files beside it are there already, by the umask
	}{{"as made", 0o600, false}, {"for a group", 0o660, false}, {"left behind", 0o600, true}} {
		t.Run(c.name, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "s.db")
			write(t, db, store.Config{}, schema, nil)
			info, err := os.Stat(db)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("got %v (%v), want 0600", info.Mode().Perm(), err)
			}
			give(t, db)
			if err := os.Chmod(db, c.perm); err != nil {
				t.Fatal(err)
			}
			if c.left {
				for _, end := range []string{"-wal", "-shm"} {
					if err := errors.Join(os.WriteFile(db+end, nil, 0o644), os.Chmod(db+end, 0o644)); err != nil {
						t.Fatal(err)
					}
				}
			}
			src := open(t, db, Config{}, false, "")
			all(t, src)
			check(t, db, c.perm)
			src.Close()
			// And by the writer.
			for _, end := range []string{"-wal", "-shm"} {
				if err := os.Remove(db + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			stay(t, db, func() { check(t, db, c.perm) })
		})
	}
	t.Run("a writer ends meanwhile", func(t *testing.T) {
		db := filepath.Join(t.TempDir(), "s.db")
		write(t, db, store.Config{}, schema, nil)
		give(t, db)
		opening = func() {
			for _, end := range []string{"-wal", "-shm"} {
				if err := os.Remove(db + end); err != nil {
					t.Error(err)
				}
			}
		}
		defer func() { opening = func() {} }()
		src := open(t, db, Config{}, false, "")
		check(t, db, 0o600)
		src.Close()
	})
	t.Run("a new one", func(t *testing.T) {
		db := filepath.Join(t.TempDir(), "s.db")
		stay(t, db, func() {
			for _, end := range []string{"", "-wal", "-shm"} {
				info, err := os.Stat(db + end)
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("s.db%s: got %v (%v), want 0600", end, info, err)
				}
			}
		})
	})
}

// stay has a writer keep a connection, and calls do while it has the store open.
func stay(t *testing.T, db string, do func()) {
	t.Helper()
	s, err := store.New(db, store.Config{Live: true, Warn: func(m string) { t.Error(m) }}, schema)
	if err != nil {
		t.Fatal(err)
	}
	in, out, done := make(chan *event.Batch), make(chan *event.Batch, 4), make(chan error, 1)
	go func() { done <- s.Run(context.Background(), in, out) }()
	go func() {
		for range out {
		}
	}()
	b := event.NewBatch(nil)
	b.Events = append(b.Events, event.Event{Kind: event.Closed, Proto: 17, ID: 1, TS: 1767225600e9, Start: 1767225600e9})
	in <- b
	for end := time.Now().Add(time.Minute); s.Stats().Stored == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if s.Stats().Stored != 1 {
		t.Errorf("got %+v, want one stored", s.Stats())
	}
	do()
	close(in)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestOtherNames: a file beside the store that is also somewhere else is neither given away nor written to.
func TestOtherNames(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	write(t, db, store.Config{}, schema, nil)
	if os.Geteuid() == 0 {
		if err := os.Chown(db, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o640), os.Link(victim, db+"-wal")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(db, Config{}, false, nil, schema.Stored()); err == nil || !strings.Contains(err.Error(), "-wal has another name, too") {
		t.Errorf("reader: got %v, want to be told of the other name", err)
	}
	if _, err := store.New(db, store.Config{}, schema); err == nil || !strings.Contains(err.Error(), "-wal has another name, too") {
		t.Errorf("writer: got %v, want to be told of the other name", err)
	}
	info, err := os.Stat(victim)
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) || info.Mode().Perm() != 0o640 {
		t.Errorf("the other file: got %v, %v, want it as it was", info, err)
	}
	if b, err := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the other file: got %q, %v", b, err)
	}
}
