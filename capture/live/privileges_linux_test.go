package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// What a process gives up it does not get back, so these tests run their subject in a process of
// its own: the test binary, told by this variable what to be.
const subjectVar = "RUSTNET_LIVE_TEST_SUBJECT"

var subjects = map[string]func() error{
	"refused": subjectRefused,
	"drop":    func() error { return subjectDrop(true) },
	"dropAll": func() error { return subjectDrop(false) },
	"follow":  subjectFollow,
}

func TestMain(m *testing.M) {
	if f := subjects[os.Getenv(subjectVar)]; f != nil {
		if err := f(); err != nil {
			fmt.Println("failed:", err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func subject(t testing.TB, name string) *exec.Cmd {
	t.Helper()
	if have, err := capabilities(); err != nil || have.permitted&(1<<unix.CAP_SETPCAP|1<<unix.CAP_NET_RAW) == 0 {
		t.Skip("needs root: this is about giving up its powers")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), subjectVar+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// output runs a subject to its end.
func output(t *testing.T, name string) string {
	t.Helper()
	out, err := subject(t, name).Output()
	if err != nil {
		t.Fatalf("subject %s: %v", name, err)
	}
	skipIfCgo(t, string(out))
	return string(out)
}

func skipIfCgo(t testing.TB, out string) {
	t.Helper()
	if strings.Contains(out, "this build uses cgo") {
		t.Skip("needs a test binary without cgo (the race detector has it): threads cannot be changed together there")
	}
}

func subjectRefused() error {
	runtime.LockOSThread() // one thread is enough here, and that works with cgo too
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&hdr, &new([2]unix.CapUserData)[0]); err != nil {
		return err
	}
	_, err := Open(Config{})
	fmt.Println(err)
	fmt.Println(errors.Is(err, os.ErrPermission))
	return nil
}

func TestOpenWithoutPrivilege(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := output(t, "refused")
	want := "open packet socket (needs CAP_NET_RAW: run with sudo, or once: " +
		"sudo setcap cap_net_raw,cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep " + exe + "): operation not permitted\ntrue\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func subjectDrop(owners bool) error {
	other := exec.Command("cat") // ends with its input: afterwards we may not kill it
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	stdin, err := other.StdinPipe()
	if err != nil {
		return err
	}
	if err := other.Start(); err != nil {
		return err
	}
	defer other.Wait()
	defer stdin.Close()
	if err := DropPrivileges(owners); err != nil {
		return err
	}
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Println("thread", statusOf(string(text)))
	}
	child, err := exec.Command("cat", "/proc/self/status").Output()
	if err != nil {
		return err
	}
	fmt.Println("child", statusOf(string(child)))
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", other.Process.Pid))
	fmt.Println("fd 0 of another user's process:", strings.TrimRight(link, "[0123456789]"), err)
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	fmt.Println("packet socket:", err)
	return nil
}

// statusOf picks from /proc/PID/status what is of interest here.
func statusOf(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for _, key := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"} {
			if v, ok := strings.CutPrefix(line, key+":"); ok {
				fmt.Fprintf(&b, "%s=%s ", key, strings.TrimLeft(strings.TrimSpace(v), "0"))
			}
		}
	}
	return b.String()
}

func TestDropPrivileges(t *testing.T) {
	for _, c := range []struct{ name, subject, kept, fd string }{
		{"but for finding owners", "drop", "80004", "pipe: <nil>"}, // bits 2 and 19
		{"all", "dropAll", "", " readlink /proc/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := output(t, c.subject)
			kept := fmt.Sprintf("CapInh= CapPrm=%s CapEff=%[1]s CapBnd= CapAmb= NoNewPrivs=1 ", c.kept)
			const none = "CapInh= CapPrm= CapEff= CapBnd= CapAmb= NoNewPrivs=1 " // user 0 is nobody special any more
			threads := 0
			for line := range strings.Lines(got) {
				line = strings.TrimSuffix(line, "\n")
				if s, ok := strings.CutPrefix(line, "thread "); ok {
					if threads++; s != kept {
						t.Errorf("thread: got %q, want %q", s, kept)
					}
				}
				if s, ok := strings.CutPrefix(line, "child "); ok && s != none {
					t.Errorf("child of user 0: got %q, want %q", s, none)
				}
			}
			if threads < 3 {
				t.Errorf("looked at %d threads, want several", threads)
			}
			for _, want := range []string{"fd 0 of another user's process: " + c.fd, "packet socket: operation not permitted\n"} {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
		})
	}
}

// subjectFollow captures on v1 without any privilege left, until it is interrupted.
func subjectFollow() error {
	src, err := Open(Config{Interfaces: []string{"v1"}, Warn: func(s string) { fmt.Println(s) }})
	if err != nil {
		return err
	}
	defer src.Close()
	if err := DropPrivileges(true); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("ready")
	out, ended := make(chan *capture.Frames, 8), make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	n := 0
	for f := range out {
		for i := range f.Frames {
			if ofType(testType)(&f.Frames[i]) {
				n++
			}
		}
		f.Release()
	}
	fmt.Println(n, "packets captured")
	fmt.Println(src.Stats().Dropped, "packets dropped by kernel")
	return <-ended
}

// An interface that comes back is followed though CAP_NET_RAW is gone by then.
func TestFollowWithoutPrivilege(t *testing.T) {
	enterNamespace(t)
	addVeth(t, "v0", "v1")
	cmd := subject(t, "follow")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stdout)
	var said []string
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			skipIfCgo(t, lines.Text())
			if said = append(said, lines.Text()); strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the subject said %q, never %q", said, want)
	}
	expect("ready")
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	ip(t, "link del v0")
	expect("v1 is gone")
	addVeth(t, "v0", "v1")
	expect("v1 is up")
	newSender(t, "v0").send(t, testFrame(testType, 60), 100)
	cmd.Process.Signal(os.Interrupt)
	expect("200 packets captured")
}
