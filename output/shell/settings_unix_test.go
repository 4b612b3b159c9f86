//go:build unix

package shell

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettingsOfOthers: a file that nobody named is not read where somebody else may write to it.
func TestSettingsOfOthers(t *testing.T) {
	const other = 65534
	for _, tc := range []struct {
		name        string
		mode        os.FileMode
		owner       int
		sudo        string
		named, fail bool
	}{
		{name: "ours", mode: 0o644},
		{name: "ours, and our group's", mode: 0o664},
		{name: "everybody's", mode: 0o666, fail: true},
		{name: "everybody's, but named", mode: 0o666, named: true},
		{name: "another user's", mode: 0o600, owner: other, fail: true},
		{name: "another user's, but named", mode: 0o600, owner: other, named: true},
		{name: "who called sudo", mode: 0o600, owner: other, sudo: "65534"},
		{name: "not who called sudo", mode: 0o600, owner: other, sudo: "65533", fail: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.owner != 0 && os.Geteuid() != 0 {
				t.Skip("needs root, to give a file away")
			}
			t.Setenv("SUDO_UID", tc.sudo)
			path := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			if tc.owner != 0 {
				if err := os.Chown(path, tc.owner, tc.owner); err != nil {
					t.Fatal(err)
				}
			}
			_, err := readSettings([]string{path}, tc.named, "", testNames)
			if (err != nil) != tc.fail || tc.fail && !strings.Contains(err.Error(), "could change it") {
				t.Errorf("got %v, want an error: %v", err, tc.fail)
			}
		})
	}
}
