//go:build darwin || freebsd || netbsd || openbsd || windows

package enrich

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProcesses holds that of this process, and of one that it starts, all is told that Windows says, and nothing of one that is gone.
func TestProcesses(t *testing.T) {
	if os.Getenv("WAIT_HERE") != "" {
		time.Sleep(time.Minute)
		return
	}
	now := time.Now()
	known, err := newIndex(Config{Follow: true, now: func() time.Time { return now }}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer known.close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(exe)
	pid := uint32(os.Getpid())
	us := known.owner(pid, 0, "")
	if us == nil || us.PID != pid || us.PPID != uint32(os.Getppid()) || us.Name != name || !strings.EqualFold(us.Exe, exe) || us.User == "" || us.Source != sourceTable || us.Followed {
		t.Fatalf("of ourselves: got %+v, want %s, %s, the parent %d and a user", us, name, exe, os.Getppid())
	}
	if again := known.owner(pid, 0, ""); again != us {
		t.Error("of ourselves again: another value")
	}

	child := exec.Command(exe, "-test.run", "^TestProcesses$", "an argument")
	child.Env = append(os.Environ(), "WAIT_HERE=1")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	started := uint32(child.Process.Pid)
	now = now.Add(time.Second)
	got := known.owner(started, 0, "")
	if got == nil || got.PPID != pid || got.Parent != name || len(got.Ancestors) == 0 || got.Ancestors[0] != name || got.User != us.User || !got.Followed {
		t.Fatalf("of our child: got %+v, want %d, %s above it", got, pid, name)
	}
	if got.Cmdline == "" {
		t.Log("the system tells no command lines")
	} else if !strings.Contains(got.Cmdline, "an argument") {
		t.Errorf("of our child: command line %q", got.Cmdline)
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	for range 100 { // until the system has let go of it
		now = now.Add(2 * time.Second)
		if got = known.owner(started, 0, ""); got == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("of a process that is gone: got %+v", got)
}
