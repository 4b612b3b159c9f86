//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"rustnet/bpf/bpftest"
)

// TestLayout compares the Go structures with those in the object, where each field has the same place
// and size. It needs no privilege.
// TestTimeOffsets: what time_namespaces(7) says of ours.
func TestTimeOffsets(t *testing.T) {
	for text, want := range map[string]offsets{
		"": {},
		"monotonic           0         0\nboottime            0         0\n": {},
		"monotonic       86400         5\nboottime           -1 500000000\n": {86400e9 + 5, -5e8},
		"boottime            7         0\nrealtime            1         1\n": {0, 7e9},
	} {
		if got := parseOffsets(text); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}

func TestLayout(t *testing.T) {
	for name, tc := range map[string]struct {
		of     reflect.Type
		fields map[string]string // by the C name
	}{
		"end_event": {reflect.TypeFor[EndEvent](), map[string]string{"ts_ns": "TS", "cookie": "Cookie", "sent": "Sent", "received": "Received",
			"local": "Local", "remote": "Remote", "netns": "NetNS", "rtt_us": "RTTMicros", "retransmits": "Retransmits", "lport": "LocalPort",
			"rport": "RemotePort", "err": "Errno", "family": "Family", "proto": "Proto", "from": "From", "flags": "Flags", "pad": "_"}},
		"bypass_flow": {reflect.TypeFor[BypassFlow](), map[string]string{"busy": "Busy", "stopped": "Stopped", "phase": "Phase", "confirmed": "Confirmed",
			"begun_ns": "BegunNS", "twice": "Twice", "addr": "Addr", "port": "Port", "proto": "Proto", "version": "Version", "over": "Over", "pad": "_", "side": "Side"}},
		"bypass_side": {reflect.TypeFor[BypassSide](), map[string]string{"packets": "Packets", "bytes": "Bytes", "last_ns": "LastNS", "timed_ns": "TimedNS",
			"next": "Next", "acked": "Acked", "timed_seq": "TimedSeq", "rtt_us": "RTTMicros", "ifindex": "Ifindex", "base": "Base",
			"timing": "Timing", "known": "Known", "seen": "Seen", "pad": "_"}},
		"bypass_table": {reflect.TypeFor[BypassTable](), map[string]string{"used": "Used", "pad": "_", "tags": "Tags", "flows": "Flows"}},
		"header":       {reflect.TypeFor[Header](), map[string]string{"start": "Start", "pid": "PID", "kind": "Kind", "proto": "Proto"}},
		"sock_event": {reflect.TypeFor[SocketEvent](), map[string]string{"h": "Header", "ts_ns": "TS", "cookie": "Cookie", "local": "Local",
			"remote": "Remote", "uid": "UID", "netns": "NetNS", "lport": "LocalPort", "rport": "RemotePort", "family": "Family",
			"type": "Type", "state": "State", "flags": "Flags"}},
		"proc_event": {reflect.TypeFor[ProcessEvent](), map[string]string{"h": "Header", "ts_ns": "TS", "caps": "Caps", "userns": "UserNS", "args_len": "ArgsLen",
			"exe_size": "ExeSize", "cgroup_size": "CgroupSize", "args_size": "ArgsSize", "exe_cut": "ExeCut", "exe_deleted": "ExeDeleted",
			"ancestors": "AboveSize", "seccomp": "Seccomp", "no_new_privs": "NoNewPrivs", "pad": "_", "comm": "Comm", "parent_exe": "ParentExe", "above": "Above"}},
		"ancestor":   {reflect.TypeFor[Ancestor](), map[string]string{"start": "Start", "pid": "PID", "comm": "Comm", "pad": "_"}},
		"task_event": {reflect.TypeFor[taskEvent](), map[string]string{"h": "Header", "ts_ns": "TS", "comm": "Comm"}},
		"losses":     {reflect.TypeFor[Losses](), map[string]string{"ring": "Ring", "storage": "Storage", "scratch": "Scratch"}},
	} {
		objects := [][]byte{object, olderObject}
		switch {
		case name == "end_event":
			objects = [][]byte{endsObject, olderEndsObject}
		case strings.HasPrefix(name, "bypass"):
			objects = [][]byte{bypassObject}
		}
		for _, from := range objects {
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(from))
			if err != nil {
				t.Fatal(err)
			}
			checkLayout(t, name, spec, tc.of, tc.fields)
		}
	}
}

func checkLayout(t *testing.T, name string, spec *ebpf.CollectionSpec, of reflect.Type, fields map[string]string) {
	t.Helper()
	var c *btf.Struct
	if err := spec.Types.TypeByName(name, &c); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if int(c.Size) != int(of.Size()) || len(c.Members) != of.NumField() {
		t.Errorf("%s: C has %d bytes in %d fields, Go %d in %d", name, c.Size, len(c.Members), of.Size(), of.NumField())
	}
	for _, m := range c.Members {
		f, ok := of.FieldByName(fields[m.Name])
		if !ok {
			t.Errorf("%s.%s: no such field in Go", name, m.Name)
			continue
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		if int(m.Offset.Bytes()) != int(f.Offset) || size != int(f.Type.Size()) {
			t.Errorf("%s.%s: C has %d bytes at %d, Go %d at %d", name, m.Name, size, m.Offset.Bytes(), f.Type.Size(), f.Offset)
		}
	}
}

// Every program of the objects has its place in the order of attaching.
func TestOrderIsWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		objects [][]byte
		order   []string
		lost    map[string]string
	}{
		"owners": {[][]byte{object, olderObject}, slices.Concat(following, order), lost},
		"ends":   {[][]byte{endsObject, olderEndsObject}, endOrder, endLost},
	} {
		programs := map[string]bool{}
		for _, object := range tc.objects {
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			if err != nil {
				t.Fatal(err)
			}
			for p := range spec.Programs {
				programs[p] = true
			}
		}
		want := map[string]bool{}
		for _, p := range tc.order {
			if of, ok := probes[p]; ok {
				want[of.program] = true
			} else {
				want[p] = true
			}
		}
		if !maps.Equal(programs, want) {
			t.Errorf("%s: programs %v, order %v", name, programs, want)
		}
		for _, p := range tc.order {
			if tc.lost[p] == "" && !slices.Contains(following, p) {
				t.Errorf("%s: it is not said what is lost without it", p)
			}
		}
	}
}

// asked makes it of the rung that the tests are to be run on.
func asked(cfg Config) Config {
	r := bpftest.Asked()
	cfg.Older, cfg.NoRing = cfg.Older || r.Older, cfg.NoRing || r.NoRing
	if cfg.Types == "" {
		cfg.Types = r.Types
	}
	return cfg
}

func open(t testing.TB, cfg Config) *Hooks {
	t.Helper()
	h, err := Open(asked(cfg))
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// collector keeps what it is given.
type collector struct {
	sockets []SocketEvent
	procs   []string
}

func (c *collector) Socket(e *SocketEvent) { c.sockets = append(c.sockets, *e) }
func (c *collector) Process(e *ProcessEvent, t Texts) {
	c.procs = append(c.procs, fmt.Sprintf("%d %d %s %q %q %q", e.Kind, e.PID, bytes.TrimRight(e.Comm[:], "\x00"), t.Exe, t.Args, t.Cgroup))
}

// one makes a connection over loopback, and gives its ends.
func one(t testing.TB) (client, server string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fmt.Fprint(s, "x")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr().String(), l.Addr().String()
}

// kinds lists what was told of the sockets between two ports, of ours.
func kinds(events []SocketEvent, local, remote string) (got []Kind) {
	cookies := map[uint64]bool{}
	for _, e := range events {
		at := fmt.Sprintf("%d.%d.%d.%d:%d", e.Local[0], e.Local[1], e.Local[2], e.Local[3], e.LocalPort)
		to := fmt.Sprintf("%d.%d.%d.%d:%d", e.Remote[0], e.Remote[1], e.Remote[2], e.Remote[3], e.RemotePort)
		if at == local && (to == remote || remote == "") && e.PID == uint32(os.Getpid()) {
			cookies[e.Cookie] = true
		}
		if cookies[e.Cookie] {
			got = append(got, e.Kind)
		}
	}
	return got
}

// fexits are the rung below told_send and told_receive.
var fexits = []string{"exit_send4", "exit_send6", "exit_sendpage", "exit_receive4", "exit_receive6"}

// ofUse are the rung below fexits.
var ofUse = []string{"probe_send4", "probe_send6", "probe_sendpage", "probe_ping4", "probe_ping6", "probe_peer4", "probe_peer6",
	"probe_read_tcp", "probe_read_udp", "probe_read_raw"}

func TestTellsOfConnection(t *testing.T) {
	before63 := []string{useSend, useReceive}
	both, released, destroyed := []Kind{Used, Released}, []Kind{Released}, []Kind{Used, Destroyed}
	for _, tc := range []struct {
		name           string
		cfg            Config
		client, server []Kind
	}{
		{"all", Config{}, both, both},
		{"without sockops", Config{Without: []string{connect, "probe_connect"}}, both, both},
		{"before 6.3", Config{Without: before63}, both, both},
		{"without use", Config{Without: slices.Concat(before63, fexits, ofUse)}, both, released},
		{"without release", Config{Without: []string{release, "probe_release"}}, destroyed, destroyed},
		{"without cgroups", Config{CgroupRoot: t.TempDir()}, destroyed, destroyed},
		{"before 5.12", Config{Older: true, Without: before63}, both, both},
		{"before 5.8", Config{Older: true, NoRing: true, Without: slices.Concat(before63, []string{iterate})}, both, both},
		{"before 5.8, without functions", Config{Older: true, NoRing: true,
			Without: slices.Concat(before63, ofUse, []string{iterate, "probe_connect", "probe_release"})}, destroyed, destroyed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := open(t, tc.cfg)
			if strings.HasPrefix(tc.name, "before") && !h.seesUse() && tc.name != "before 5.8, without functions" {
				t.Skip("this kernel lets nobody have its functions: ", h.tooLittle())
			}
			if older := h.Older() != nil; tc.cfg.Older && !older {
				t.Error("got the programs for newer kernels")
			}
			var c collector
			h.Drain(&c)
			c = collector{}
			client, server := one(t)
			h.Drain(&c)
			wantClient, wantServer := slices.Clone(tc.client), slices.Clone(tc.server)
			for _, want := range [][]Kind{wantClient, wantServer} {
				if i := slices.IndexFunc(want, func(k Kind) bool { return k == Released || k == Destroyed }); i >= 0 {
					if want[i] = Destroyed; h.Attached(release) || h.Attached("probe_release") {
						want[i] = Released
					}
				}
			}
			got := kinds(c.sockets, client, server)
			if !h.Attached(connect) && !h.Attached("probe_connect") {
				got = got[max(0, len(got)-len(wantClient)):] // the port may be told later than the connect
			}
			if !slices.Equal(got, wantClient) {
				t.Errorf("client: got %v, want %v", got, wantClient)
			}
			if !h.seesUse() {
				return // nothing tells the addresses of an accepted socket
			}
			if got := kinds(c.sockets, server, client); !slices.Equal(got, wantServer) {
				t.Errorf("server: got %v, want %v", got, wantServer)
			}
			if l := h.Losses(); l != (Losses{}) {
				t.Errorf("got losses %+v", l)
			}
		})
	}
}

// TestReport: every program is named with its place, and those that another stands in for are said so.
func TestReport(t *testing.T) {
	h := open(t, Config{Without: []string{"tell_bind4", "probe_bind4", release, "probe_release"}})
	for _, r := range h.Report() {
		switch {
		case r.Name == "tell_bind4" && len(r.By) > 0, r.Name == release && !slices.Equal(r.By, []string{"tp_btf/tcp_destroy_sock"}):
			t.Errorf("got %+v: what does a part of its work?", r)
		case (r.Lost != "") != (r.Err != nil) && !h.seesUse():
			t.Errorf("got %+v: what is lost?", r)
		case r.At == "" || !slices.Contains(order, r.Name):
			t.Errorf("got %+v, want a known program and its place", r)
		case r.Name == "tell_bind4" && r.Err == nil, r.Name == "told_destroy" && r.Unneeded:
			t.Errorf("got %+v", r)
		case len(r.InsteadOf) > 0 && r.Err == nil && !r.Unneeded && h.all(r.InsteadOf...):
			t.Errorf("got %+v, though the better hooks are in use", r)
		case (r.Why() == "") != (r.Err == nil && !r.Unneeded):
			t.Errorf("got %+v, because: %q", r, r.Why())
		case r.Err != nil:
			t.Logf("rung: no %s: %s (%v)", r.At, r.Why(), r.Err)
		case !r.Unneeded && r.InsteadOf != nil:
			t.Logf("rung: %s instead of %v", r.At, r.InsteadOf)
		}
	}
	if why := h.Older(); why != nil {
		t.Logf("rung: programs for older kernels (owners are known by %s): %v", h.Source(), why)
	}
	told := map[string]bool{}
	for _, r := range h.Report() {
		if told[r.Name] = true; probes[r.Name].program != "" {
			told[probes[r.Name].program] = true
		}
	}
	for program := range h.spec.Programs {
		if !told[program] && !slices.Contains(following, program) {
			t.Errorf("nothing is reported of %s", program)
		}
	}
}

// TestTypes: the kernel's types come from a file, and its own are not there.
func TestTypes(t *testing.T) {
	if file := os.Getenv(typesFrom); file != "" {
		withoutTypes(t, file)
		return
	}
	open(t, Config{}).Close()
	file := asked(Config{}).Types
	if file == "" {
		types, err := os.ReadFile("/sys/kernel/btf/vmlinux")
		if err != nil {
			t.Skip("this kernel has no types of itself: ", err)
		}
		file = filepath.Join(t.TempDir(), "kernel.btf")
		if err := os.WriteFile(file, types, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// In a process of its own: several threads look for them.
	cmd := exec.Command(os.Args[0], "-test.run=^TestTypes$", "-test.v")
	cmd.Env = append(os.Environ(), typesFrom+"="+file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM):
		t.Skip("needs mounts of its own: ", err)
	case err != nil:
		t.Fatalf("%v: %s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
}

// typesFrom names, in the environment, the file with the types of a kernel that has none.
const typesFrom = "TEST_TYPES"

func withoutTypes(t *testing.T, file string) {
	if err := unix.Mount("none", "/sys/kernel/btf", "tmpfs", 0, ""); err != nil {
		t.Skip("needs to mount: ", err)
	}
	if h, err := Open(Config{}); err == nil {
		h.Close()
		t.Skip("the library finds the kernel's types elsewhere")
	} else if errors.Is(err, unix.EPERM) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without any: got %v", err)
	}
	h := open(t, Config{Types: file})
	if h.Older() == nil {
		t.Error("got the programs for newer kernels, which need the kernel's own types")
	}
	var c collector
	h.Drain(&c)
	c = collector{}
	client, server := one(t)
	h.Drain(&c)
	if got := kinds(c.sockets, client, server); len(got) == 0 {
		t.Error("nothing is told of a connection")
	}
	if ours := fmt.Sprintf("%d %d ", Process, os.Getpid()); !slices.ContainsFunc(c.procs, func(s string) bool { return strings.HasPrefix(s, ours) && strings.Contains(s, `.test\x00`) }) {
		t.Errorf("got %q, want our own program with its path", c.procs)
	}
}

// TestBadTypes: what is no file of a kernel's types is told from one, whether or not anything could be loaded.
func TestBadTypes(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ content, want string }{
		"nosuch":  {"", "no such file"},
		"text":    {"not types\n", "no BTF of a Linux kernel"},
		"program": {string(must(os.ReadFile(must(os.Executable())))), "no BTF of a Linux kernel"},
		"none":    {"\x9f\xeb\x01\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", "it has no struct task_struct"},
	} {
		path := filepath.Join(dir, name)
		if tc.content != "" {
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := CheckTypes(path); !errors.Is(err, errTypes) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q of the path", name, err, tc.want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestVariables: those of the programs can be reached where their memory cannot be mapped.
func TestVariables(t *testing.T) {
	h := open(t, Config{})
	before := Losses{Ring: 1, Storage: 2, Scratch: 3}
	if err := h.set("lost", before); err != nil {
		t.Fatal(err)
	}
	was := h.seesUse()
	if err := h.setSlowly("has_use", !was); err != nil {
		t.Fatal(err)
	}
	var after Losses
	var use bool
	if err := errors.Join(h.getSlowly("lost", &after), h.get("has_use", &use)); err != nil || after != before || use == was {
		t.Errorf("got %+v, %v, %v; want %+v, %v", after, use, err, before, !was)
	}
}

func TestProcessIsTold(t *testing.T) {
	h := open(t, Config{})
	var c collector
	one(t)
	h.Drain(&c)
	want := fmt.Sprintf("%d %d ", Process, os.Getpid())
	i := slices.IndexFunc(c.procs, func(s string) bool { return strings.HasPrefix(s, want) })
	if i < 0 || !strings.Contains(c.procs[i], "-test.") || !strings.Contains(c.procs[i], `.test\x00`) {
		t.Errorf("got %q, want our own program with its path and arguments", c.procs)
	}
}

// TestFollow: what a program does that we start is marked, also what a descendant does that its parents have
// left; what we do ourselves is not, nor what a program does that was there before.
func TestFollow(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := server.LocalAddr().(*net.UDPAddr).Port
	// orphan starts a shell that leaves a child behind, which sends a datagram when it is told to.
	orphan := func() (send func()) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-c", fmt.Sprintf("( (read -r line; echo $BASHPID >/dev/udp/127.0.0.1/%d) <&3 & )", port))
		cmd.ExtraFiles = []*os.File{r}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		return func() { w.WriteString("go\n"); w.Close() }
	}
	before := orphan()
	h := open(t, Config{Follow: true})
	if !h.Follows() {
		t.Skip("this kernel does not tell of forks: ", h.firstError())
	}
	var c collector
	marked := func() (pid uint32, followed bool) {
		t.Helper()
		b := make([]byte, 16)
		server.SetReadDeadline(time.Now().Add(60 * time.Second))
		n, _, err := server.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		sent, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
		for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) { // it is told right after it is sent
			c = collector{}
			h.Drain(&c)
			for _, e := range c.sockets {
				if int(e.PID) == sent && int(e.RemotePort) == port {
					return e.PID, e.Flags&Followed != 0
				}
			}
		}
		t.Fatalf("nothing was told of process %d: %+v", sent, h.Losses())
		return 0, false
	}
	ours, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	fmt.Fprint(ours, os.Getpid())
	if pid, followed := marked(); followed {
		t.Errorf("we are marked ourselves (%d)", pid)
	}
	before()
	if pid, followed := marked(); followed {
		t.Errorf("a child of before is marked (%d)", pid)
	}
	for range 20 {
		orphan()()
		if pid, followed := marked(); !followed {
			t.Errorf("process %d is not marked", pid)
		}
	}
	if l := h.Losses(); l != (Losses{}) {
		t.Errorf("got losses %+v", l)
	}
	forgotten(t, 3*20, func() (left int) {
		var pid uint32
		for it := h.maps.Maps["family"].Iterate(); it.Next(&pid, new(uint64)); {
			left++
		}
		return left
	})
}

// forgotten waits until the kernel is done with n processes that have ended, and so have we: of a few it does not tell in some
// virtual machines (6.18, one in 50 to 200; a program that does nothing but count them misses the same).
func forgotten(t *testing.T, n int, left func() int) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); left() > n/10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d processes that have ended are kept", left(), n)
		}
	}
}

// TestEndedForgotten: processes that have ended take no room of those that live, of which it is told what becomes of them.
func TestEndedForgotten(t *testing.T) {
	h := open(t, Config{})
	if !h.Attached("told_free") || !h.Attached("told_rename") {
		t.Skip("this kernel does not tell what becomes of processes: ", h.firstError())
	}
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	out, err := exec.Command("bash", "-c", fmt.Sprintf("for i in {1..100}; do (echo $BASHPID >/dev/udp/127.0.0.1/%d; echo $BASHPID); done", server.LocalAddr().(*net.UDPAddr).Port)).Output()
	if err != nil {
		t.Fatal(err)
	}
	has := func(pid int) bool {
		return h.maps.Maps["procs"].Lookup(uint32(pid), make([]byte, h.maps.Maps["procs"].ValueSize())) == nil
	}
	ended := strings.Fields(string(out))
	forgotten(t, len(ended), func() (left int) {
		for _, text := range ended {
			if pid, _ := strconv.Atoi(text); has(pid) {
				left++
			}
		}
		return left
	})
	if len(ended) != 100 || !has(os.Getpid()) {
		t.Errorf("%d ended; we live, and are kept: %v", len(ended), has(os.Getpid()))
	}
}

// TestSockets: what we hold is found, in the iterator's words.
func TestSockets(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("needs IPv6: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := open(t, Config{})
	found := 0
	err = h.Sockets(func(e *SocketEvent) {
		if int(e.LocalPort) == l.Addr().(*net.TCPAddr).Port && e.PID == uint32(os.Getpid()) && e.Kind == Found && e.Family == unix.AF_INET6 &&
			e.Local == [16]byte{15: 1} && e.State == 10 && e.Cookie != 0 && e.Start != 0 {
			found++
		}
	})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("needs an iterator over the files of processes: ", err)
	}
	if err != nil || found != 1 {
		t.Errorf("found %d times, %v, want once", found, err)
	}
	if err := h.Sockets(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a second time: got %v", err)
	}
	if err := open(t, Config{Without: []string{iterate}}).Sockets(nil); !errors.Is(err, errSwitchedOff) {
		t.Errorf("without its program: got %v, want why there is none", err)
	}
}

// overfills is more events than the smallest queue holds, which is a page, or where processors have buffers of their own what
// those are together.
func overfills(p *programs) int {
	many := 200
	if of, ok := p.queue.(*perfRings); ok {
		for _, r := range of.rings {
			many += len(r.mem) / 64
		}
	}
	return many
}

// TestLosses forces each kind: nothing is told that is not counted, and what is used again is told again.
func TestLosses(t *testing.T) {
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	socket := func(t *testing.T) int {
		t.Helper()
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(s) })
		return s
	}
	send := func(t *testing.T, s int) {
		t.Helper()
		to.Port++ // another connection each time, so that each is told
		if err := unix.Connect(s, to); err != nil {
			t.Fatal(err)
		}
		unix.Send(s, nil, 0) // refused, which is all the same
	}
	told := func(h *Hooks) bool {
		var c collector
		h.Drain(&c)
		return slices.ContainsFunc(c.sockets, func(e SocketEvent) bool { return int(e.RemotePort) == to.Port && e.PID == uint32(os.Getpid()) })
	}
	t.Run("the ring is full", func(t *testing.T) {
		h := open(t, Config{RingBytes: os.Getpagesize()})
		s := socket(t)
		many := overfills(&h.programs)
		for range many {
			send(t, s)
		}
		if n := h.Losses().Ring; n < uint64(many)/8 { // buffers of a processor each hold more
			t.Errorf("got %d lost of %d, want many", n, many)
		}
		for range many { // until the last is one that was lost: another processor's buffer may have room
			before := h.Losses().Ring
			if send(t, s); h.Losses().Ring > before {
				break
			}
		}
		h.Drain(&nobody{})
		unix.Send(s, nil, 0)
		if h.seesUse() && !told(h) {
			t.Error("what did not get through is not told at the next use")
		}
	})
	t.Run("no memory for a socket's storage", func(t *testing.T) {
		h := open(t, Config{})
		if !h.seesUse() {
			t.Skip("nothing is kept of sockets whose use is not seen")
		}
		if h.Older() != nil {
			t.Skip("what is kept of sockets is kept by us, and makes room by itself")
		}
		// A network namespace of our own, because others need memory; the thread ends with this goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Skip("needs a network namespace: ", err)
		}
		s := socket(t)
		lo, err := unix.NewIfreq("lo")
		if err != nil {
			t.Fatal(err)
		}
		lo.SetUint16(unix.IFF_UP)
		if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
			t.Fatal(err)
		}
		const limit = "/proc/sys/net/core/optmem_max" // the kernel counts the storage among a socket's options
		was, err := os.ReadFile(limit)
		if err == nil {
			err = os.WriteFile(limit, []byte("64"), 0)
		}
		if err != nil {
			t.Skip("before 6.8 namespaces have no limit of their own: ", err)
		}
		taken := func(cookie uint64) { // struct told_sock ends with whose it is
			t.Helper()
			slots := h.maps.Maps["slots"]
			keys, all := make([]uint32, slots.MaxEntries()), make([][64]byte, slots.MaxEntries())
			for i := range keys {
				keys[i] = uint32(i)
				binary.NativeEndian.PutUint64(all[i][56:], cookie)
			}
			if _, err := slots.BatchUpdate(keys, all, nil); err != nil {
				t.Fatal(err)
			}
		}
		taken(math.MaxUint64)
		send(t, s)
		unkept := told(h)
		unix.Send(s, nil, 0)
		again := told(h)
		if err := os.WriteFile(limit, was, 0); err != nil {
			t.Fatal(err)
		}
		if l := h.Losses(); !unkept || !again || l != (Losses{}) {
			t.Errorf("told %v, at the next use %v, losses %+v, want it told each time", unkept, again, l)
		}
		kept := func() {
			t.Helper()
			unix.Send(s, nil, 0)
			h.Drain(&nobody{})
			unix.Send(s, nil, 0)
			if told(h) {
				t.Error("what can be kept by now is told again all the same")
			}
		}
		kept() // in its storage
		taken(0)
		s = socket(t)
		send(t, s)
		kept() // in a slot
	})
	t.Run("no room to tell of a process", func(t *testing.T) {
		h := open(t, Config{})
		rooms := h.maps.Maps["rooms"]
		busy := func(v uint32) {
			t.Helper()
			each := make([][]byte, ebpf.MustPossibleCPU())
			for i := range each {
				each[i] = make([]byte, rooms.ValueSize())
				binary.NativeEndian.PutUint32(each[i][len(each[i])-4:], v) // the last of struct room
			}
			for i := range rooms.MaxEntries() {
				if err := rooms.Put(i, each); err != nil {
					t.Fatal(err)
				}
			}
		}
		busy(1)
		send(t, socket(t))
		if n := h.Losses().Scratch; n == 0 {
			t.Error("a process that was not told is not counted")
		}
		busy(0)
		var c collector
		h.Drain(&c)
		c = collector{}
		send(t, socket(t))
		h.Drain(&c)
		if !slices.ContainsFunc(c.procs, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d %d ", Process, os.Getpid())) }) {
			t.Errorf("the process is not told with its next socket: %q", c.procs)
		}
	})
}

// nobody is a handler that does nothing.
type nobody struct{ events int }

func (n *nobody) Socket(*SocketEvent)          { n.events++ }
func (n *nobody) Process(*ProcessEvent, Texts) { n.events++ }

// TestCgroupCut: a path of which the beginning may be missing is told apart from one that is whole.
func TestCgroupCut(t *testing.T) {
	for _, tc := range []struct {
		name        string
		exe, cgroup string
		size        int // what the kernel says of the path, if it is not what there is
		cut         bool
	}{
		{"none", "", "", 0, false},
		{"some", "curl\x00bin\x00", "a\x00b\x00", 0, false},
		{"deep", "", strings.Repeat("x\x00", cgroupDepth-1), 0, false},
		{"deeper than is read", "", strings.Repeat("x\x00", cgroupDepth), 0, true},
		{"long", strings.Repeat("e", 1000), strings.Repeat("x", 1000) + "\x00", 0, false},
		{"longer than is read", strings.Repeat("e", 1250), strings.Repeat("x", 1060) + "\x00", 0, true},
		{"longer than is handed over", "", "", 1300, true},
	} {
		e := ProcessEvent{ExeSize: uint16(len(tc.exe)), CgroupSize: uint16(max(tc.size, len(tc.cgroup)))}
		if got := e.texts([]byte(tc.exe + tc.cgroup)); got.CgroupCut != tc.cut {
			t.Errorf("%s: got cut %v, want %v", tc.name, got.CgroupCut, tc.cut)
		}
	}
	source, err := os.ReadFile("owners.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]int{"EXE_MAX": exeMax, "CGROUP_MAX": cgroupMax, "CGROUP_DEPTH": cgroupDepth} {
		if line := fmt.Sprintf("#define %s %d", name, value); !strings.Contains(string(source), line) {
			t.Errorf("owners.bpf.c has another %s than %d", name, value)
		}
	}
}

func TestDrainAllocatesNothing(t *testing.T) {
	h := open(t, Config{})
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	var n nobody
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if got := testing.AllocsPerRun(100, func() {
		to.Port++
		unix.Connect(s, to)
		unix.Send(s, nil, 0)
		h.Drain(&n)
	}); got != 0 {
		t.Errorf("an event allocates %v times, want 0", got)
	}
	if n.events < 100 {
		t.Errorf("got %d events, want one for each send", n.events)
	}
}

// FuzzGive: whatever is in a record, what is handed on lies within it.
func FuzzGive(f *testing.F) {
	p := ProcessEvent{Header: Header{Kind: Process}, ExeSize: 4, CgroupSize: 5, ArgsSize: 3, AboveSize: 200}
	f.Add(append(slices.Clone(bytesOf(&p)), "abc\x00init\x00xy\x00"...))
	f.Add(slices.Clone(bytesOf(&taskEvent{Header: Header{Kind: Exited}})))
	f.Add(slices.Clone(bytesOf(&SocketEvent{Header: Header{Kind: Used}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		for n := range len(b) + 1 {
			(&Hooks{}).give(b[:n:n], &nobody{})
		}
	})
}

// BenchmarkConnection is the whole price of telling of a loopback connection; beside it, one that is not told.
func BenchmarkConnection(b *testing.B) {
	for _, told := range []bool{false, true} {
		b.Run(fmt.Sprintf("told=%v", told), func(b *testing.B) {
			var n nobody
			var h *Hooks
			if told {
				h = open(b, Config{})
			}
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			for b.Loop() {
				c, err := net.Dial("tcp4", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				s, err := l.Accept()
				if err != nil {
					b.Fatal(err)
				}
				s.Write([]byte{1})
				c.Read(make([]byte, 1))
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
				s.Close()
				if told {
					h.Drain(&n)
				}
			}
		})
	}
}

// BenchmarkSend is what a send through a socket that was told costs, beside one that nobody asks about.
func BenchmarkSend(b *testing.B) {
	for _, told := range []bool{false, true} {
		b.Run(fmt.Sprintf("told=%v", told), func(b *testing.B) {
			if told {
				open(b, Config{})
			}
			server, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			c, err := net.Dial("udp4", server.LocalAddr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for b.Loop() {
				c.Write([]byte{1})
			}
		})
	}
}

// BenchmarkDatagram is what it costs to send and receive a datagram through sockets that are not connected, as servers have: with
// one process, and where another has used them too. in-kernel-ns/op is what the programs take of that by the kernel's own count.
func BenchmarkDatagram(b *testing.B) {
	for _, name := range []string{"told=false", "told=true", "told=true,shared"} {
		b.Run(name, func(b *testing.B) {
			var h *Hooks
			if name != "told=false" {
				h = open(b, Config{})
			}
			server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			to := server.LocalAddr().(*net.UDPAddr).AddrPort()
			buf := make([]byte, 8)
			pass := func() {
				server.WriteToUDPAddrPort(buf[:1], to) // to itself
				server.ReadFromUDPAddrPort(buf)
			}
			pass()
			if strings.HasSuffix(name, "shared") {
				f, err := server.File()
				if err != nil {
					b.Fatal(err)
				}
				cmd := exec.Command("python3", "-S", "-c", "import socket; s = socket.socket(fileno=3); s.sendto(b'x', s.getsockname()); s.recvfrom(9)")
				cmd.ExtraFiles = []*os.File{f}
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Skipf("needs python3: %v: %s", err, out)
				}
				f.Close()
			}
			if stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME)); err == nil {
				defer stats.Close()
			}
			before := runTime(h)
			for b.Loop() {
				pass()
			}
			b.ReportMetric(float64(runTime(h)-before)/float64(b.N), "in-kernel-ns/op")
		})
	}
}

// runTime is how long the programs have run by now.
func runTime(h *Hooks) (all time.Duration) {
	if h == nil {
		return 0
	}
	for _, p := range h.loaded {
		if s, err := p.Stats(); err == nil {
			all += s.Runtime
		}
	}
	return all
}

// Older kernels (5.10 and 6.1 at least) take a loop only where it is a jump that goes back: the way from an instruction to the next one may not, and
// which it is depends on how the compiler lays out a loop.
func TestOlderKernelsTakeTheLoops(t *testing.T) {
	for name, object := range map[string][]byte{"owners": object, "owners-older": olderObject, "ends": endsObject, "ends-older": olderEndsObject, "bypass": bypassObject} {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range spec.Programs {
			w := loopWalk{ins: program.Instructions, at: map[int]int{}, functions: map[string]int{}}
			pos := 0
			for i, in := range w.ins {
				w.at[pos] = i
				w.pos = append(w.pos, pos)
				pos += int(in.Size() / asm.InstructionSize)
				if s := in.Symbol(); s != "" {
					w.functions[s] = i
				}
			}
			w.state = make([]int, len(w.ins))
			w.visit(0)
			if w.refused != "" {
				t.Errorf("%s: %s: %s", name, program.Name, w.refused)
			}
		}
	}
}

// loopWalk goes through a program in the order of the kernel's check_cfg.
type loopWalk struct {
	ins       asm.Instructions
	at        map[int]int // by position, which counts those of double size twice
	pos       []int
	functions map[string]int
	state     []int // 1 = on the way to here, 2 = done with
	refused   string
}

func (w *loopWalk) visit(i int) {
	w.state[i] = 1
	in := w.ins[i]
	switch op := in.OpCode.JumpOp(); {
	case !in.OpCode.Class().IsJump():
		w.edge(i, i+1, false)
	case op == asm.Exit:
	case op == asm.Call:
		w.edge(i, i+1, false)
		if in.IsFunctionCall() {
			w.edge(i, w.functions[in.Reference()], false)
		}
	default:
		if op != asm.Ja {
			w.edge(i, i+1, true)
		}
		w.edge(i, w.at[w.pos[i]+1+int(in.Offset)], true)
	}
	w.state[i] = 2
}

func (w *loopWalk) edge(from, to int, loops bool) {
	switch {
	case w.state[to] == 0:
		w.visit(to)
	case w.state[to] == 1 && !loops:
		w.refused = fmt.Sprintf("back-edge from instruction %d to %d", w.pos[from], w.pos[to])
	}
}
