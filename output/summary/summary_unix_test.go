//go:build unix

package summary

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReplaceFileUmask: who may read a new file is for who runs us to say, and its name may be as long as names can be.
func TestReplaceFileUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 255))
	defer syscall.Umask(syscall.Umask(0o077))
	if err := replaceFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want 0600", info.Mode(), err)
	}
}
