package pieces

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDevFull: what cannot be written is lost and told, and costs no more memory than it may.
func TestDevFull(t *testing.T) {
	f, said := open(t, "/dev/full", Rotation{RotateSize: 100})
	line := []byte(strings.Repeat("x", 99) + "\n")
	n, refused := 30000, 0
	for i := range n {
		if !f.WriteRecord(line, at(float64(i))) {
			refused++
		}
		if i%100 == 0 {
			f.Flush()
		}
	}
	if kept := (n - refused) * len(line); kept > pendingMax+atOnce || kept < pendingMax-atOnce {
		t.Errorf("%d bytes were kept", kept)
	}
	err := f.Close()
	if err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "30000 records") {
		t.Errorf("got %v", err)
	}
	if st := f.Stats(); st.Lost != uint64(n) || st.Records != 0 || len(*said) != 1 {
		t.Errorf("%+v, said %q", st, *said)
	}
}

// TestDiskFull: on a disk that runs full and is given room again there are whole lines, and those that
// came meanwhile as far as there is room.
func TestDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small disk: %v (needs root)", err)
	}
	defer unix.Unmount(disk, unix.MNT_DETACH)
	for name, taken := range map[string]int{"c": 200 << 10, "c.gz": 256 << 10, "c.zst": 256 << 10} {
		t.Run(name, func(t *testing.T) {
			ballast := filepath.Join(disk, "ballast")
			if err := os.WriteFile(ballast, make([]byte, taken), 0o600); err != nil && taken < 256<<10 {
				t.Fatal(err)
			}
			path := filepath.Join(disk, name)
			defer os.Remove(path)
			f, said := open(t, path, Rotation{})
			put(t, f, 1000, 0, 150)
			f.Flush()
			if f.mu.Lock(); f.timer != nil { // do not wait for more
				f.sync()
			}
			if f.mu.Unlock(); f.failing == nil {
				t.Fatal("the disk is not full")
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			f.retry = time.Time{} // its patience is over
			put(t, f, 1000, 150, 200)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if got := text(t, path); got != lines(1000, 0, 200) {
				t.Errorf("%d bytes, want the 200 lines", len(got))
			}
			if len(*said) != 2 {
				t.Errorf("said %q", *said)
			}
		})
	}
}
