//go:build unix

package pieces

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinksOfOthers: what root writes does not go where another user's link points, neither at first nor when the file is opened again.
func TestLinksOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, as whom others would have write")
	}
	t.Setenv("SUDO_UID", "65533")
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "records.ndjson")
	link := func(owner int) {
		t.Helper()
		os.Remove(path)
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	for owner, follows := range map[int]bool{0: true, 65533: true, 65534: false} {
		link(owner)
		f, err := openFile(path, Rotation{}, true, nil, existing{}, func(string) {})
		if (err == nil) != follows {
			t.Errorf("a link of user %d: got %v, want it followed: %v", owner, err, follows)
		}
		if f != nil {
			f.Close()
		}
	}
	os.Remove(path)
	var said string
	f, err := openFile(path, Rotation{}, true, nil, existing{}, func(text string) { said = text })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	link(65534)
	if f.Reopen(); !strings.Contains(said, "user 65534 made it") {
		t.Errorf("opened again: got %q, want to be told of the link", said)
	}
}
