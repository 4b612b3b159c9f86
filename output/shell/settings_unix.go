//go:build unix

package shell

import (
	"fmt"
	"os"
	"syscall"
)

// writer tells who may write to a file beside root, us and, where we are root, who called sudo; "" when nobody.
func writer(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case info.Mode().Perm()&0o002 != 0:
		return "everybody"
	case st.Uid == 0 || int(st.Uid) == os.Geteuid() || os.Geteuid() == 0 && fmt.Sprint(st.Uid) == os.Getenv("SUDO_UID"):
		return ""
	}
	return fmt.Sprintf("user %d", st.Uid)
}
