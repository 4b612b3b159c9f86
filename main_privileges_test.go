//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"rustnet/output/shell"
)

func init() { programs["refuse"] = refuse }

// refuse runs a program that a system call is refused to, as by a container's profile or a service's SystemCallFilter=:
// refuse ERRNO CALL FIRST CMD ARGS, CALL only with FIRST as its first argument, if that is not -1.
func refuse() {
	numbers := [3]uint32{}
	for i := range numbers {
		n, _ := strconv.Atoi(os.Args[1+i])
		numbers[i] = uint32(n)
	}
	errno, call, first := numbers[0], numbers[1], numbers[2]
	const number, argument = 0, 16 // in struct seccomp_data
	argumentAt := uint32(argument)
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		argumentAt += 4
	}
	load, equal, answer := uint16(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS), uint16(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K), uint16(unix.BPF_RET|unix.BPF_K)
	filter := []unix.SockFilter{
		{Code: load, K: number}, {Code: equal, K: call, Jf: 3},
		{Code: load, K: argumentAt}, {Code: equal, K: first, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | errno},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
	if first == math.MaxUint32 {
		filter[2], filter[3] = filter[4], filter[4]
	}
	runtime.LockOSThread() // which the filter is for, and who becomes the program
	if os.Geteuid() != 0 { // they may have a filter that cannot trick a program with rights of its own
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})))
	err := error(failed)
	if failed == 0 {
		var path string
		if path, err = exec.LookPath(os.Args[4]); err == nil {
			err = syscall.Exec(path, os.Args[4:], os.Environ())
		}
	}
	fmt.Println(err)
	os.Exit(99)
}

// asNobody gives the command line that runs a program as nobody, with the capabilities that rustnet's file is to have.
func asNobody(args ...string) []string {
	const caps = "-all,+net_raw,+bpf,+perfmon,+net_admin,+sys_ptrace,+dac_read_search"
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=" + caps, "--ambient-caps=" + caps}, args...)
}

// forEverybody makes a folder that everybody may read, with this program in it.
func forEverybody(t *testing.T) (dir, self string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rustnet-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := exec.LookPath("rustnet")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self = filepath.Join(dir, "rustnet")
	copyProgram(t, program, self)
	return dir, self
}

// needsThreads skips where rustnet cannot change all its threads together: the race detector has cgo.
func needsThreads(t *testing.T) {
	t.Helper()
	if _, stderr, _ := rustnet(t, "-i", "lo", "-o", "none", "--process", "none", "--duration", "1ms"); strings.Contains(stderr, "this build uses cgo") {
		t.Skip("needs a test binary without cgo (the race detector has it)")
	}
}

// TestOthersFiles: what rustnet may read by its capabilities is not what its user may.
func TestOthersFiles(t *testing.T) {
	needs(t, true, "setpriv")
	needsThreads(t)
	dir, self := forEverybody(t)
	private := filepath.Join(dir, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	secret := func(name, from string) string {
		b, err := os.ReadFile(from)
		path := filepath.Join(private, name)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	records := filepath.Join(private, "records.ndjson")
	if out, _, status := rustnet(t, "-r", "testdata/http.pcap", "--json", "--write", records, "--store", filepath.Join(private, "store")); status != 0 {
		t.Fatal(out)
	}
	for _, args := range [][]string{
		{"-r", secret("http.pcap", "testdata/http.pcap"), "--json"},
		{"--from", records, "--json"},
		{"--config", records, "fields"},
		{"--geoip", secret("geo.mmdb", "testdata/geo.mmdb"), "-n", "1", "--duration", "1s"},
		{"--btf", "/proc/1/mem", "--duration", "1s"},
		{"--detect", "first-contact", "--learned", records, "--duration", "1s"},
		{"history", "--store", filepath.Join(private, "store"), "--json"},
		{"show", "--store", filepath.Join(private, "store"), "5"},
		{"stats", "-r", filepath.Join(private, "http.pcap")},
	} {
		args = asNobody(append([]string{self}, args...)...)
		cmd := exec.Command(args[0], args[1:]...)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err == nil || stdout.Len() > 0 || !strings.Contains(stderr.String(), "permission denied") {
			t.Errorf("%v: got %v, %.200q, %q; want to be told that the permission is denied", args[len(asNobody())+1:], err, stdout.String(), stderr.String())
		}
	}
}

// TestPowersDropped: in each way of running nothing is kept that is not needed once everything is open.
func TestPowersDropped(t *testing.T) {
	needs(t, true, "setpriv", "mkfifo")
	needsThreads(t)
	dir, self := forEverybody(t)
	header, err := os.ReadFile("testdata/http.pcap")
	if err != nil {
		t.Fatal(err)
	}
	// pipe is a file that nobody ever ends.
	pipe := func(name string, begin []byte) string {
		path := filepath.Join(dir, name)
		must(t, "mkfifo", path)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := f.Write(begin); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const none, owners = "0000000000000000", "0000000000080004"
	withoutPackets := []string{"setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", self}
	for _, tc := range []struct {
		name, caps string
		args       []string
	}{
		{"live", owners, []string{self, "-o", "none"}},
		{"live, of nobody", owners, asNobody(self, "-o", "none")},
		{"live, without owners", none, []string{self, "-o", "none", "--process", "none"}},
		{"socket tables", owners, append(withoutPackets, "-o", "none")},
		{"snapshot", owners, []string{self, "snapshot", "--watch", "1s", "--csv"}},
		{"snapshot, without packets", owners, append(withoutPackets, "snapshot", "--watch", "1s", "--csv")},
		{"stats", owners, []string{self, "stats"}},
		{"file", none, []string{self, "-r", pipe("a", header[:24]), "-o", "none"}},
		{"file, of nobody", none, asNobody(self, "-r", pipe("b", header[:24]), "-o", "none")},
		{"stats of a file", none, []string{self, "stats", "-r", pipe("c", header[:24])}},
		{"records", none, []string{self, "--from", pipe("d", []byte("{\"v\":1}\n")), "-o", "none"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := background(t, tc.args...)
			var got string
			defer func() {
				if t.Failed() {
					t.Logf("threads have %q", got)
				}
			}()
			eventually(t, "all threads to have no more than they need", func() bool {
				got = ""
				threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Pid))
				right := 0
				for _, name := range threads {
					b, _ := os.ReadFile(name)
					got += fieldsOf(string(b), "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs") + "\n"
				}
				for line := range strings.Lines(got) {
					if line == none+" "+tc.caps+" "+tc.caps+" "+none+" 1\n" {
						right++
					}
				}
				return right > 3 && right == len(threads)
			})
			p.Signal(syscall.SIGKILL)
		})
	}
}

// TestRefused: where a system call is refused, or somebody locked what is of use, all is given up that can be, what is kept is told, and
// connections are shown.
func TestRefused(t *testing.T) {
	needs(t, true, "setpriv", "setcap", "chroot")
	needsThreads(t)
	dir, self := forEverybody(t)
	refuser := filepath.Join(dir, "refuse")
	if err := os.Symlink(self, refuser); err != nil {
		t.Fatal(err)
	}
	refusing := func(errno syscall.Errno, call, first int, args ...string) []string {
		return append([]string{refuser, strconv.Itoa(int(errno)), strconv.Itoa(call), strconv.Itoa(first)}, args...)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	const owners, none = "0000000000080004", "0000000000000000"
	all, bounds, ambient := fieldsOf(string(own), "CapPrm"), fieldsOf(string(own), "CapBnd"), "000000c000083004"
	const by = " (by a system call filter, as a service's SystemCallFilter=, or by a security module)"
	const kept, started = "drop privileges, which are all kept: ", "drop privileges of programs that are started: "
	live, tables := []string{self, "-i", "lo", "-o", "none"}, []string{self, "-o", "none"}
	for _, tc := range []struct {
		name, caps, bounding, noNewPrivs, said string
		args                                   []string
	}{
		{"keep_caps is locked", owners, none, "1", "", append([]string{"setpriv", "--securebits=+keep_caps_locked"}, live...)},
		{"noroot is locked", owners, none, "1", "", append([]string{"setpriv", "--securebits=+noroot_locked"}, live...)},
		{"capset", all, none, "1", kept + "set capabilities: operation not permitted" + by, refusing(unix.EPERM, unix.SYS_CAPSET, -1, live...)},
		{"no capset", all, none, "1", kept + "set capabilities: function not implemented" + by,
			refusing(unix.ENOSYS, unix.SYS_CAPSET, -1, self, "-r", "-", "-o", "none")},
		{"capset, of nobody", ambient, bounds, "1", kept + "set capabilities: operation not permitted" + by,
			asNobody(refusing(unix.EPERM, unix.SYS_CAPSET, -1, live...)...)},
		{"capget", all, bounds, "0", kept + "read capabilities: operation not permitted" + by, refusing(unix.EPERM, unix.SYS_CAPGET, -1, live...)},
		{"prctl", owners, bounds, "0", started + "cut bounding set: operation not permitted" + by, refusing(unix.EPERM, unix.SYS_PRCTL, -1, live...)},
		{"no_new_privs", owners, none, "0", started + "set no_new_privs: operation not permitted" + by,
			refusing(unix.EPERM, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, live...)},
		{"bpf", owners, none, "1", "make the map of counted connections: operation not permitted (the capabilities are there; a seccomp filter, ",
			refusing(unix.EPERM, unix.SYS_BPF, -1, live...)},
		{"no bpf", owners, none, "1", "no eBPF, so owners come from the socket tables and /proc", refusing(unix.ENOSYS, unix.SYS_BPF, -1, live...)},
		{"packets", owners, none, "1", "open packet socket: no capture driver: address family not supported by protocol (by RestrictAddressFamilies= of a service, " +
			"by another system call filter, or by this kernel); showing the kernel's socket tables instead",
			refusing(unix.EAFNOSUPPORT, unix.SYS_SOCKET, unix.AF_PACKET, tables...)},
		{"no packets", owners, none, "1", "; showing the kernel's socket tables instead", refusing(unix.ENOSYS, unix.SYS_SOCKET, unix.AF_PACKET, tables...)},
		{"netlink", owners, none, "1", "open netlink socket: no capture driver: address family not supported by protocol",
			refusing(unix.EAFNOSUPPORT, unix.SYS_SOCKET, unix.AF_NETLINK, tables...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := watch(t, tc.args...)
			var got string
			defer func() {
				if t.Failed() {
					t.Logf("got %s, and it said %q", got, w.stderr.String())
				}
			}()
			if tc.args[len(tc.args)-3] == "-" { // a file that does not end
				header, err := os.ReadFile("testdata/http.pcap")
				if err != nil {
					t.Fatal(err)
				}
				w.stdin.Write(header[:24])
			}
			want := strings.Join([]string{tc.caps, tc.bounding, tc.noNewPrivs}, " ")
			eventually(t, "it to have "+want+" and to say "+tc.said, func() bool {
				b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
				got = fieldsOf(string(b), "CapPrm", "CapBnd", "NoNewPrivs")
				return got == want && strings.Contains(w.stderr.String(), tc.said)
			})
			if tc.said == "" && w.stderr.String() != "" {
				t.Error("it said something")
			}
		})
	}
	// What has rights by its file does not go on with them.
	must(t, "setcap", "cap_net_raw,cap_dac_read_search+ep", self)
	args := refusing(unix.EPERM, unix.SYS_CAPSET, -1, "chroot", "--userspec=65534:65534", "/", self, "fields")
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err == nil || string(out) != "rustnet: hold privileges: set capabilities: operation not permitted"+by+"\n" {
		t.Errorf("with file capabilities: got %v, %q", err, out)
	}
}

// fieldsOf picks from /proc/PID/status.
func fieldsOf(status string, names ...string) string {
	var values []string
	for _, name := range names {
		_, rest, _ := strings.Cut(status, "\n"+name+":")
		value, _, _ := strings.Cut(rest, "\n")
		values = append(values, strings.TrimSpace(value))
	}
	return strings.Join(values, " ")
}

// TestOthersFolders: what could not be put into its place in the end is refused at the beginning.
func TestOthersFolders(t *testing.T) {
	needs(t, true)
	dir, _ := forEverybody(t)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	for _, args := range [][]string{
		{"stats", "-r", "testdata/http.pcap", "--output-file", file},
		{"-r", "testdata/http.pcap", "-o", "none", "--write", file, "--rotate-size", "1K"},
		{"snapshot", "--output-file", file},
	} {
		if _, stderr, status := rustnet(t, args...); status != exitFailed || !strings.Contains(stderr, "nothing can be put into "+dir+": permission denied") {
			t.Errorf("%v: got %d, %q", args, status, stderr)
		}
	}
	if _, stderr, status := rustnet(t, "-r", "testdata/http.pcap", "-o", "none", "--write", file); status != exitDone {
		t.Errorf("a file that is not put aside: got %d, %q", status, stderr)
	}
}

// TestNamesOfInterfaces: whoever names an interface neither acts on a terminal nor runs a command by it.
func TestNamesOfInterfaces(t *testing.T) {
	needs(t, true, "ip", "nsenter")
	ns := newNamespace(t, "names")
	must(t, "ip", "-n", ns, "link", "add", "name", "e$(id)", "type", "veth", "peer", "name", "e\x1b[31m")
	must(t, "ip", "-n", ns, "link", "set", "e$(id)", "up")
	must(t, "ip", "-n", ns, "link", "add", "name", "e0.1-a", "type", "veth", "peer", "name", "f")
	if got, want := must(t, in(ns, "rustnet", shell.CompleteCommand, "zsh", "rustnet", "-i", "e")...), "parts\ne0.1-a\tveth\n"; got != want {
		t.Errorf("completion offers %q, want %q", got, want)
	}
	for _, args := range [][]string{{"interfaces"}, {"interfaces", "--json"}, {"doctor"}, {"doctor", "--json"}, {"-i", "none"}, {"-i", "e\x1b[31m", "--duration", "1ms"}} {
		cmd := in(ns, append([]string{"rustnet"}, args...)...)
		out, _ := exec.Command(cmd[0], cmd[1:]...).CombinedOutput() // some of them fail
		if !bytes.Contains(out, []byte("31m")) || bytes.ContainsRune(out, 0x1b) {
			t.Errorf("%v: got %.300q, want the name, to be seen as it is", args, out)
		}
	}
}

// TestFilesMade: who may read what rustnet makes is what README says.
func TestFilesMade(t *testing.T) {
	dir := t.TempDir()
	const all = `umask 022; cd "$1" && rustnet -q -o none -r "$2" --write write --pcapng pcapng --store store --detect first-contact --learned learned && rustnet stats -q -r "$2" --output-file output-file`
	capture, err := filepath.Abs("testdata/http.pcap")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "sh", "-c", all, "sh", dir, capture)
	for name, want := range map[string]os.FileMode{"write": 0o640, "pcapng": 0o640, "store": 0o600, "learned": 0o600, "output-file": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

// TestLinksOfOthers: what root makes does not go where another user's link points.
func TestLinksOfOthers(t *testing.T) {
	needs(t, true)
	t.Setenv("SUDO_UID", "")
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(victim, nil, 0o600), os.Symlink(victim, link), os.Lchown(link, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-o", "none", "-r", "testdata/http.pcap", "--write", link}, {"-o", "none", "-r", "testdata/http.pcap", "--pcapng", link},
		{"-o", "none", "-r", "testdata/http.pcap", "--store", link}, {"-o", "none", "-r", "testdata/http.pcap", "--detect", "first-contact", "--learned", link},
		{"stats", "-r", "testdata/http.pcap", "--output-file", link}, {"snapshot", "--output-file", link},
		{"-o", "none", "--cmd-output", link, "--", "true"},
	} {
		if _, stderr, status := rustnet(t, args...); status == exitDone || !strings.Contains(stderr, "it is a link, and user 65534 made it") {
			t.Errorf("%v: got %d, %q", args, status, stderr)
		}
	}
	if info, err := os.Stat(victim); err != nil || info.Size() > 0 {
		t.Errorf("what the link points at: got %v, %v, want nothing in it", info, err)
	}
	if err := os.Lchown(link, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := rustnet(t, "stats", "-r", "testdata/http.pcap", "--output-file", link); status != exitDone {
		t.Errorf("a link of root's: got %d, %q", status, stderr)
	}
}

// TestReadOnly: a store on a file system that is read-only can be read, as long as all of it is in the one file.
func TestReadOnly(t *testing.T) {
	needs(t, true, "unshare", "mount")
	dir, _ := forEverybody(t)
	capture, err := filepath.Abs("testdata/http.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const script = `set -e; mount -t tmpfs none "$1"; cd "$1"; rustnet -q -r "$2" -o none --store 'a #?%41.db'; cp 'a #?%41.db' b.db
		echo more >b.db-wal; mount -o remount,ro "$1"
		rustnet history -q --store 'a #?%41.db' --csv --no-header --fields proto; rustnet history --store b.db 2>&1`
	out, err := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", dir, capture).Output()
	want := strings.Repeat("tcp\r\n", 12) + "rustnet: --store b.db: nothing can be put beside it, as reading needs while no rustnet writes it " +
		"(try: a copy of it, and of the file with -wal if there is one)\n"
	if string(out) != want || err == nil {
		t.Errorf("got  %q, %v\nwant %q", out, err, want)
	}
}
