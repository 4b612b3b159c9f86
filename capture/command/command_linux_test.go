package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// before is the command that was started last. One waits for every child of the process, and a process has one; in
// tests it would take the next one's end.
var before *Command

// start runs a shell's commands, and gives where their output goes.
func start(t *testing.T, cfg Config, script string) (c *Command, output func() string) {
	t.Helper()
	cfg.Output = filepath.Join(t.TempDir(), "output")
	c, err := New([]string{"sh", "-c", script}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if before != nil {
		<-before.reaped
	}
	if err = c.Start(nil); err != nil {
		t.Fatal(err)
	}
	before = c
	return c, func() string {
		b, err := os.ReadFile(cfg.Output)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137, "kill -TERM $$": 143,
		"sh -c 'sleep 0.2; exit 5' & exit 4": 4} {
		c, _ := start(t, Config{}, script)
		if got := c.wait(); got != want {
			t.Errorf("%s: got %d, want %d", script, got, want)
		}
	}
}

// TestShort: where there is no room for another process, that is not the program's fault.
func TestShort(t *testing.T) {
	c := &Command{name: "x"}
	for _, err := range []error{unix.EMFILE, unix.EAGAIN, unix.ENOMEM} {
		var of *Error
		if !errors.As(c.error(err), &of) || of.Status != StatusOurs {
			t.Errorf("%v: got %+v, want status %d", err, of, StatusOurs)
		}
	}
}

// TestOtherChildren: what else this process starts is not waited for, and so not taken from who waits for it.
func TestOtherChildren(t *testing.T) {
	c, _ := start(t, Config{}, "sleep 1; exit 3")
	for range 50 {
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.wait(); got != 3 {
		t.Errorf("got status %d, want 3", got)
	}
}

func TestCannotRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		name, program string
		want          int
	}{
		{"nowhere in PATH", "no-such-program", StatusNotFound},
		{"no such file", dir + "/none", StatusNotFound},
		{"not executable", file("plain", "x", 0o600), StatusCannot},
		{"a folder", dir, StatusCannot},
		{"no program", file("text", "x", 0o700), StatusCannot},
		{"no interpreter", file("script", "#!/no/such/interpreter\n", 0o700), StatusNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := New([]string{tc.program}, Config{})
			if err == nil {
				err = c.Start(nil)
			}
			var e *Error
			if !errors.As(err, &e) || e.Status != tc.want || !strings.HasPrefix(err.Error(), "run "+tc.program+": ") {
				t.Errorf("got %v, want status %d", err, tc.want)
			}
		})
	}
}

// TestNothingOfOurs: what the program gets is what we were given ourselves.
func TestNothingOfOurs(t *testing.T) {
	t.Setenv("RUSTNET_COLOR", "never")
	const ask = `ls /proc/self/fd; grep -E 'Sig(Ign|Blk)|CapAmb|CapBnd|NoNewPrivs' /proc/self/status; ulimit -n; umask; env -0 | sort -z | tr '\0' '\n' | grep -v ^_=`
	c, output := start(t, Config{}, ask)
	if c.wait() != 0 {
		t.Fatal(output())
	}
	got := output()
	fds, rest, _ := strings.Cut(got, "SigBlk")
	if n := given(t) + 1; len(strings.Fields(fds)) != n { // and the folder that ls reads
		t.Errorf("descriptors: got %q, want %d", fds, n)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, ignored, _ := strings.Cut(string(own), "\nSigIgn:") // as nohup has us
	ignored, _, _ = strings.Cut(ignored, "\n")
	for _, want := range []string{"CapAmb:\t0000000000000000", "NoNewPrivs:\t0", "\nRUSTNET_COLOR=never\n", "SigIgn:" + ignored} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", rest, want)
		}
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "_" && name != "SHLVL" && name != "PWD" && name != "OLDPWD" && !strings.Contains(v, "\n") && !strings.Contains(got, "\n"+v+"\n") {
			t.Errorf("environment: %q is missing", v)
		}
	}
}

// given counts the descriptors that whatever we start has anyway.
func given(t *testing.T) (n int) {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		fd, _ := strconv.Atoi(d.Name())
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			n++
		}
	}
	return n
}

func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		c, err := New([]string{"true"}, Config{User: "root"})
		if err == nil || !strings.Contains(err.Error(), "only root can") {
			t.Errorf("got %v, %v, want to be told that only root can", c, err)
		}
		return
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("needs the user nobody: ", err)
	}
	for _, name := range []string{"nobody", u.Uid} {
		t.Setenv("HOME", "/root")
		t.Setenv("LOGNAME", "root")
		c, output := start(t, Config{User: name}, "id -u; id -g; id -G; echo $HOME $LOGNAME; grep -E 'Cap(Eff|Prm|Inh|Amb)' /proc/self/status")
		c.wait()
		none := "\t0000000000000000\n"
		want := fmt.Sprintf("%s\n%s\n%s\n%s nobody\nCapInh:%sCapPrm:%sCapEff:%sCapAmb:%s", u.Uid, u.Gid, u.Gid, u.HomeDir, none, none, none, none)
		if got := output(); got != want || c.User() != "nobody" {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, err := New([]string{"true"}, Config{User: "no such user"}); err == nil || !strings.HasPrefix(err.Error(), "--cmd-user: ") {
		t.Errorf("got %v", err)
	}
}

// TestSudo: sudo was for us, or for a shell that we are run from.
func TestSudo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, as who sudo runs things")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", "65534")
	t.Setenv("SUDO_GID", "65534")
	for _, tc := range []struct{ command, user, want string }{
		{self + " -- id -u", "", "65534\n"},
		{"/bin/sh", "", "0\n"},
		{"", "", "0\n"},
		{self + " --cmd-user root -- id -u", "root", "0\n"},
	} {
		t.Setenv("SUDO_COMMAND", tc.command)
		c, output := start(t, Config{User: tc.user}, "id -u")
		c.wait()
		if got := output(); got != tc.want {
			t.Errorf("sudo %s: got %q, want %q", tc.command, got, tc.want)
		}
	}
	t.Setenv("SUDO_UID", "54321") // whom no file here knows
	t.Setenv("SUDO_COMMAND", self)
	c, output := start(t, Config{}, "id -u; id -g; id -G")
	c.wait()
	if got := output(); got != "54321\n65534\n65534\n" {
		t.Errorf("an unknown user: got %q", got)
	}
}

// TestSignals: they go to the program while it runs, and then to us.
func TestSignals(t *testing.T) {
	c, output := start(t, Config{}, "trap 'echo int' INT; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.02; done")
	wait := func(text string) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); !strings.HasSuffix(output(), text); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("got %q, want it to end with %q", output(), text)
			}
		}
	}
	wait("ready\n")
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	if got := c.wait(); got != 9 {
		t.Errorf("got status %d, want the program's own", got)
	}
	wait("term\n")
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	select {
	case s := <-c.Signals():
		if s != syscall.SIGTERM {
			t.Errorf("got %v", s)
		}
	case <-time.After(60 * time.Second):
		t.Error("a signal after the end is not told")
	}
}

func TestOver(t *testing.T) {
	var open, reached atomic.Int64
	ask := func() (int, int64) { return int(open.Load()), reached.Load() }
	open.Store(1)
	c, _ := start(t, Config{}, "exit 0")
	c.open, c.grace = ask, time.Hour // so that a slow machine does not use it up
	over := c.Over(nil)
	c.wait()
	early := func(why string) {
		t.Helper()
		select {
		case <-over:
			t.Fatal(why)
		case <-time.After(100 * time.Millisecond):
		}
	}
	early("a connection is open, and the grace is long")
	open.Store(0)
	early("packets of before the end may still come")
	reached.Store(time.Now().Add(time.Hour).UnixNano())
	select {
	case <-over:
	case <-time.After(60 * time.Second):
		t.Error("nothing is open, and all that was is known")
	}
	open.Store(1)
	c.grace = linger
	select {
	case <-c.Over(nil):
	case <-time.After(60 * time.Second):
		t.Error("a connection that stays open is waited for without end")
	}
	at := make(chan time.Time, 1)
	at <- time.Unix(1, 0)
	if got := <-(&Command{done: make(chan struct{})}).Over(at); got != time.Unix(1, 0) {
		t.Errorf("got %v, want what else ends it", got)
	}
	if got := (*Command)(nil).Over(at); got != at {
		t.Error("without a program there is nothing else")
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		args, ours, program string
		found               bool
	}{
		{"a b", "a b", "", false}, {"a -- b c", "a", "b c", true}, {"-- b -- c", "", "b -- c", true}, {"a --", "a", "", true}, {"", "", "", false},
	} {
		ours, program, found := Cut(strings.Fields(tc.args))
		if strings.Join(ours, " ") != tc.ours || strings.Join(program, " ") != tc.program || found != tc.found {
			t.Errorf("%q: got %q, %q, %v", tc.args, ours, program, found)
		}
	}
}
