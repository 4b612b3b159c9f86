//go:build unix

package command

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// account is a user of this machine.
type account struct {
	name string
	cred syscall.Credential
	env  []string // what a login sets
}

// passed is what is passed on to the program.
var passed = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// fromTerminal tells whether a signal that terminals send comes from ours: then the program has it as well.
func fromTerminal() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// runAs finds out whom the program is to run as: nil = who we are. sudo is for the capture, and the
// program is not: it runs as the one who called sudo, if that was for us and not for a shell.
func runAs(name string) (*account, error) {
	uid := ""
	if name == "" {
		if os.Geteuid() != 0 || !sudoIsForUs() {
			return nil, nil
		}
		uid = os.Getenv("SUDO_UID")
	}
	var u *user.User
	var err error
	if uid != "" {
		u, err = user.LookupId(uid)
	} else if u, err = user.Lookup(name); err != nil {
		if byID, notID := user.LookupId(name); notID == nil {
			u, err = byID, nil
		}
	}
	if _, ok := errors.AsType[user.UnknownUserIdError](err); ok && uid != "" { // of a directory service that this build cannot ask
		u, err = &user.User{Uid: uid, Gid: os.Getenv("SUDO_GID")}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--cmd-user: %w", err)
	}
	return accountOf(u)
}

func accountOf(u *user.User) (*account, error) {
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Uid, err)
	}
	if int(id) == os.Geteuid() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("run as %s: only root can (try: sudo)", u.Username)
	}
	a := &account{name: "user " + u.Uid, cred: syscall.Credential{Uid: uint32(id), Gid: uint32(group)}}
	if u.Username == "" {
		return a, nil
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of %s: %w", u.Username, err)
	}
	for _, g := range groups {
		if n, err := strconv.ParseUint(g, 10, 32); err == nil {
			a.cred.Groups = append(a.cred.Groups, uint32(n))
		}
	}
	a.name = u.Username
	a.env = []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
	return a, nil
}

// sudoIsForUs tells whether what sudo was asked to run is this program: in a shell that sudo gave, whoever
// it gave it to wants to be who they are.
func sudoIsForUs() bool {
	path, _, _ := strings.Cut(os.Getenv("SUDO_COMMAND"), " ")
	asked, err := os.Stat(path)
	if err != nil || os.Getenv("SUDO_UID") == "" {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		return false
	}
	own, err := os.Stat(self)
	return err == nil && os.SameFile(asked, own)
}

// withEnv replaces variables that are there.
func withEnv(env, with []string) []string {
	for _, v := range with {
		name, _, _ := strings.Cut(v, "=")
		i := slices.IndexFunc(env, func(s string) bool { return strings.HasPrefix(s, name+"=") })
		if i >= 0 {
			env[i] = v
		}
	}
	return env
}
