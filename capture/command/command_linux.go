package command

import (
	"os"
	"runtime"
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

// begin runs the program, and where descendants of it leave their children to us, waits for every child of this process.
func (c *Command) begin() (pass func(os.Signal) bool, err error) {
	started := make(chan error, 1)
	p := &process{Command: c}
	go p.run(started)
	return p.pass, <-started
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

func (p *process) pass(s os.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return false
	}
	if s == unix.SIGTERM || !fromTerminal() {
		syscall.Kill(p.pid, s.(syscall.Signal))
	}
	return true
}
