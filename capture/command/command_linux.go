package command

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// process is what runs the program.
type process struct {
	*Command
	mu  sync.Mutex
	pid int // 0 when it has been waited for: the number may be another's then
}

// account is a user of this machine.
type account struct {
	name string
	cred syscall.Credential
	env  []string // what a login sets
}

// passed is what is passed on to the program.
var passed = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// Start runs the program; of none it does nothing. Signals that come while it runs are passed on to it. It waits
// for its end, and where descendants of the program leave their children to us, for every child of this process. open tells
// how many of the program's connections are open, and at which time of their packets (nanoseconds since the epoch).
func (c *Command) Start(open func() (int, int64)) error {
	if c == nil {
		return nil
	}
	// What is ignored, as nohup has it, stays so for us and for the program.
	caught := slices.DeleteFunc(slices.Clone(passed), signal.Ignored)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, caught...)
	started := make(chan error, 1)
	p := &process{Command: c}
	go p.run(started)
	if err := <-started; err != nil {
		signal.Stop(signals)
		return c.error(err)
	}
	if c.out != os.Stderr {
		c.out.Close()
	}
	after := make(chan os.Signal, cap(signals))
	go func() {
		for s := range signals {
			if !p.pass(s.(syscall.Signal)) {
				after <- s
			}
		}
	}()
	c.open, c.signals = open, after
	return nil
}

// run starts the program on a thread of its own and waits for it.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread() // and never unlocked, so that the thread ends with this goroutine
	defer close(p.reaped)
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, p.out.Fd(), p.out.Fd()}, Sys: &syscall.SysProcAttr{}}
	if p.as != nil {
		attr.Sys.Credential = &p.as.cred
		attr.Env = withEnv(attr.Env, p.as.env)
	}
	err := giveNothing()
	if err == nil {
		p.mu.Lock()
		p.pid, err = syscall.ForkExec(p.path, p.args, attr)
		p.mu.Unlock()
	}
	pid := p.pid
	started <- err
	if err != nil {
		return
	}
	kind, id, who := unix.P_PID, pid, pid
	if orphansAreOurs() {
		kind, id, who = unix.P_ALL, 0, -1
	}
	for {
		// Look first, and let go of the number only together with the process.
		var info unix.Siginfo
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		p.mu.Lock()
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(who, &status, 0, nil)
		if ended == pid {
			p.pid = 0
			if p.status = status.ExitStatus(); status.Signaled() {
				p.status = statusFromSignal + int(status.Signal())
			}
			close(p.done)
		}
		p.mu.Unlock()
		if err == syscall.ECHILD {
			return
		}
	}
}

// orphansAreOurs tells whether what the program's descendants leave behind becomes a child of this process, which then has
// to be waited for. Where it does not, other children are somebody else's to wait for (--exec).
func orphansAreOurs() bool {
	var taken int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&taken)), 0, 0, 0)
	return err == nil && taken != 0 || os.Getpid() == 1
}

// giveNothing takes from what this thread will start the capabilities that we were given to hand on (ambient):
// they are for us. Those of our file and of user 0 are not handed on, or are the user's.
func giveNothing() error {
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err == unix.EINVAL { // before Linux 4.3 there are none
		return nil
	}
	return err
}

// pass passes a signal on, and tells whether there was still somebody to pass it to.
func (p *process) pass(s syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return false
	}
	if s == unix.SIGTERM || !fromTerminal() {
		syscall.Kill(p.pid, s)
	}
	return true
}

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
	var unknown user.UnknownUserIdError
	if errors.As(err, &unknown) && uid != "" { // of a directory service that this build cannot ask
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
