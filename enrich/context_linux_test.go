package enrich

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
	"rustnet/track/event"
)

// testCgroup makes a cgroup of version 2, which goes with the test, and gives its directory.
func testCgroup(t testing.TB, path string) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "cgroup2" {
			continue
		}
		dir := f[1]
		for c := range strings.SplitSeq(path[1:], "/") {
			dir = filepath.Join(dir, c)
			switch err := os.Mkdir(dir, 0o755); {
			case err == nil:
				made := dir
				t.Cleanup(func() { removeCgroup(t, made) })
			case !errors.Is(err, os.ErrExist):
				t.Skipf("needs root: a cgroup of its own: %v", err)
			}
		}
		return dir
	}
	t.Skip("needs a mounted cgroup2 file system")
	return ""
}

// removeCgroup waits for the processes that have ended to be gone from it.
func removeCgroup(t testing.TB, dir string) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	t.Errorf("the cgroup stays: %v", err)
}

// A program that allows every system call, which is a filter nevertheless.
const confine = `
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
class insn(ctypes.Structure): _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class prog(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
i = insn(6, 0, 0, 0x7fff0000)
if libc.prctl(22, 2, ctypes.byref(prog(1, ctypes.addressof(i))), 0, 0): sys.exit("seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
`

// TestContext: a program that has ended, and its cgroup with it, before the first look, is told with all
// that it was in; and one that lives, by procfs alone.
func TestContext(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const (
		id   = "3f4ad90eb5d0bd0d8b1dcd7f3ee6ef4c5e2f9f5d7e4ad83f6b1c1a4f0f6a9b7d"
		pod  = "kubepods-burstable-pod91a8fc3a_0ecf_48b4_81bf_78a7275d348c.slice"
		uuid = "91a8fc3a-0ecf-48b4-81bf-78a7275d348c"
	)
	gone := filepath.Join(t.TempDir(), "gone")
	if err := copyFile(gone, "/bin/bash"); err != nil {
		t.Fatal(err)
	}
	connect := fmt.Sprintf("exec 9<>/dev/tcp/127.0.0.1/%d; echo x >&9; read line <&9", l.Addr().(*net.TCPAddr).Port)
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &ns); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, cgroup string
		args         []string
		want         event.Cgroup
		check        func(*event.Proc) bool
	}{
		{"docker", "/docker/" + id, []string{"bash", "-c", connect},
			event.Cgroup{Container: id, ContainerID: id, Runtime: "docker"},
			func(p *event.Proc) bool {
				return p.Seccomp == "disabled" && !p.NoNewPrivs && !p.ExeDeleted && p.UserNS == 0
			}},
		{"kubernetes", "/kubepods.slice/kubepods-burstable.slice/" + pod + "/cri-containerd-" + id + ".scope", []string{"bash", "-c", connect},
			event.Cgroup{Container: id, ContainerID: id, Runtime: "containerd", Pod: uuid, PodUID: uuid, Unit: "cri-containerd-" + id + ".scope", Slice: pod}, nil},
		{"unit", "/system.slice/rustnet-test.service", []string{"bash", "-c", connect},
			event.Cgroup{Unit: "rustnet-test.service", Slice: "system.slice"}, nil},
		{"moved with its connection", "", []string{"bash", "-c", connect + "; echo $$ > CGROUP/cgroup.procs; echo y >&9; read line <&9"},
			event.Cgroup{Unit: "session-77.scope", Slice: "user-0.slice"}, nil},
		{"no capabilities", "/system.slice/rustnet-test.service", []string{"setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_raw,+net_admin", "--no-new-privs", "bash", "-c", connect},
			event.Cgroup{Unit: "rustnet-test.service", Slice: "system.slice"},
			func(p *event.Proc) bool {
				return slices.Equal(p.Caps, []string{"cap_net_admin", "cap_net_raw"}) && p.NoNewPrivs && p.Seccomp == "disabled"
			}},
		{"seccomp", "/system.slice/rustnet-test.service", []string{"python3", "-S", "-c", confine, "bash", "-c", connect},
			event.Cgroup{Unit: "rustnet-test.service", Slice: "system.slice"},
			func(p *event.Proc) bool { return p.Seccomp == "filter" && p.NoNewPrivs }},
		{"user namespace", "/system.slice/rustnet-test.service", []string{"unshare", "--user", "--map-root-user", "bash", "-c", connect},
			event.Cgroup{Unit: "rustnet-test.service", Slice: "system.slice"},
			func(p *event.Proc) bool { return p.UserNS != 0 && slices.Equal(p.Caps, []string{"all"}) }},
		{"file gone", "/system.slice/rustnet-test.service", []string{gone, "-c", "rm $0; " + connect, gone},
			event.Cgroup{Unit: "rustnet-test.service", Slice: "system.slice"},
			func(p *event.Proc) bool { return p.ExeDeleted && p.Exe == gone && p.Name == "gone" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if through := slices.Index(tc.args, "bash"); through > 0 { // not every setpriv and kernel can
				if out, err := exec.Command(tc.args[0], append(slices.Clone(tc.args[1:through]), "true")...).CombinedOutput(); err != nil {
					t.Skipf("needs %s, and what it asks the kernel for: %v: %s", tc.args[0], err, out)
				}
			}
			for _, mode := range []string{sourceEBPF, sourceProcFS} {
				var s *Stage
				source := mode
				if mode == sourceEBPF {
					s = ebpfStage(t, bpf.Config{})
					source = s.kernel.source
				} else {
					s = liveStage(t)
				}
				if tc.args[0] == gone {
					if err := copyFile(gone, "/bin/bash"); err != nil {
						t.Fatal(err)
					}
				}
				// Without one the program goes there by itself.
				path := tc.cgroup
				if path == "" {
					path = "/user.slice/user-0.slice/session-77.scope"
				}
				tc.want.Path = path
				dir := testCgroup(t, path)
				args := slices.Clone(tc.args)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "CGROUP", dir)
				}
				into := []string{"-c", `if [ "$0" ]; then echo $$ > "$0"; fi; exec "$@"`, ""}
				if tc.cgroup != "" {
					into[2] = dir + "/cgroup.procs"
				}
				cmd := exec.Command("bash", append(into, args...)...)
				cmd.Stderr = os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
				c := accept(t, l)
				b := make([]byte, 16)
				c.Read(b)
				if tc.cgroup == "" {
					s.listen(false)
					fmt.Fprintln(c, "go on")
					c.Read(b)
				}
				var first, last event.Event
				if mode == sourceProcFS {
					first, last = trackConn(t, s, protoTCP, plain(c.RemoteAddr()), plain(c.LocalAddr()))
				}
				fmt.Fprintln(c, "end")
				c.Close()
				if err := cmd.Wait(); err != nil {
					t.Errorf("%s: %v", mode, err)
				}
				if mode == sourceEBPF {
					removeCgroup(t, dir)
					first, last = trackConn(t, s, protoTCP, plain(c.RemoteAddr()), plain(c.LocalAddr()))
				}
				for _, e := range []event.Event{first, last} {
					p := e.Proc
					if p == nil || int(p.PID) != cmd.Process.Pid || p.Source != source || p.Cgroup == nil {
						t.Errorf("%s, %s: got %+v, want process %d", mode, e.Kind, p, cmd.Process.Pid)
						continue
					}
					if *p.Cgroup != tc.want {
						t.Errorf("%s, %s:\n got %+v\nwant %+v", mode, e.Kind, *p.Cgroup, tc.want)
					}
					if tc.check != nil && !tc.check(p) || !p.Known || p.NetNS != uint32(ns.Ino) || e.NetNS != uint32(ns.Ino) {
						t.Errorf("%s, %s: got %+v", mode, e.Kind, p)
					}
					if len(p.Ancestors) == 0 || p.Ancestors[0] != filepath.Base(os.Args[0]) || p.Ancestors[0] != p.Parent {
						t.Errorf("%s, %s: got ancestors %q, want this test's program first", mode, e.Kind, p.Ancestors)
					}
				}
			}
		})
	}
}
