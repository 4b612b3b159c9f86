package output

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rustnet/track/event"
)

// TestDiskFull: a file that stdout goes to ends with the last whole record, and those in it are those that count.
func TestDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount a small disk: %v (needs root)", err)
	}
	defer unix.Unmount(disk, unix.MNT_DETACH)
	for _, c := range []struct {
		name  string
		flags int
		other bool // somebody else has written behind it
	}{{"a file of its own", 0, false}, {"added to", os.O_APPEND, false}, {"shared", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(disk, "records")
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|c.flags, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			defer f.Close()
			if c.other {
				if _, err := f.WriteAt([]byte("theirs\n"), 128<<10); err != nil {
					t.Fatal(err)
				}
			}
			s, err := New(Config{Format: JSON}, schema, f)
			if err != nil {
				t.Fatal(err)
			}
			b := event.NewBatch(nil)
			for i := range 3000 {
				b.Events = append(b.Events, event.Event{Kind: event.New, ID: uint64(i)})
			}
			if err := s.Frame(b.Events); err == nil {
				t.Fatal("the disk is not full")
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.other {
				if !strings.HasSuffix(string(text), "theirs\n") {
					t.Error("what somebody else wrote is gone")
				}
				return
			}
			if n := strings.Count(string(text), "\n"); uint64(n) != s.Stats().Events() || n == 0 || !strings.HasSuffix(string(text), "}\n") {
				t.Errorf("got %d lines, %d events written, the last line %q", n, s.Stats().Events(), text[strings.LastIndex(string(text), "\n")+1:])
			}
			if at, _ := f.Seek(0, 1); at != int64(len(text)) {
				t.Errorf("whoever has the file as well goes on at %d, want %d", at, len(text))
			}
		})
	}
}
