//go:build unix

package hook

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps ^C from the command, whose end is ours to wait for, and lets its time end all that it started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
