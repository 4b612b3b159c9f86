package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNothingStays: whatever was opened is closed, and with its descriptor ends what was attached. Programs are
// attached by links, and by nothing that would outlive one.
func TestNothingStays(t *testing.T) {
	open := func() (all []string) {
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && (strings.Contains(to, "bpf") || strings.HasPrefix(to, "socket:")) {
				all = append(all, to)
			}
		}
		return all
	}
	before := open()
	all := Examine(Config{})
	if after := open(); !slices.Equal(before, after) {
		t.Errorf("open before: %v, after: %v", before, after)
	}
	if os.Geteuid() == 0 && len(all) < 10 {
		t.Errorf("got %+v", all)
	}
}

func TestParseMounts(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       facts
	}{
		{"hybrid", `23 1 0:5 / /sys rw - sysfs sysfs rw
24 1 0:6 / /proc rw,nosuid - proc proc rw,gid=4,hidepid=invisible
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:10 master:1 - cgroup2 cgroup2 rw
`, facts{sys: true, cgroup1: true, cgroup2: "/sys/fs/cgroup/unified", procs: &processes{hidepid: "invisible"}}},
		{"a part", "41 31 0:38 /machine /sys/fs/cgroup rw - cgroup2 cgroup rw\n42 1 0:6 / /proc rw - proc proc rw,hidepid=0\n",
			facts{cgroup2: "/sys/fs/cgroup", cgroupPart: true, procs: &processes{}}},
		{"nothing of it", "garbage\n1 2 - proc\n - \n", facts{procs: &processes{}}},
	} {
		got := facts{procs: &processes{}}
		got.parseMounts(tc.text)
		if got.sys != tc.want.sys || got.cgroup1 != tc.want.cgroup1 || got.cgroup2 != tc.want.cgroup2 ||
			got.cgroupPart != tc.want.cgroupPart || *got.procs != *tc.want.procs {
			t.Errorf("%s: got %+v %+v", tc.name, got, got.procs)
		}
	}
}

// TestFileCaps reads what the kernel has written.
func TestFileCaps(t *testing.T) {
	v2 := []byte{1, 0, 0, 2, 0, 0x30, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0}
	for _, tc := range []struct {
		name      string
		b         []byte
		permitted uint64
		effective bool
	}{
		{"version 2", v2, 1<<12 | 1<<13 | 1<<38 | 1<<39, true},
		{"version 3", append(append([]byte{0, 0, 0, 3}, v2[4:]...), 0, 0, 0, 0), 1<<12 | 1<<13 | 1<<38 | 1<<39, false},
		{"version 1", append([]byte{1, 0, 0, 1}, v2[4:12]...), 1<<12 | 1<<13, true},
		{"cut", v2[:11], 0, false},
	} {
		if p, e := parseFileCaps(tc.b); p != tc.permitted || e != tc.effective {
			t.Errorf("%s: got %#x %v, want %#x %v", tc.name, p, e, tc.permitted, tc.effective)
		}
	}
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(file, "security.capability", v2, 0); err != nil {
		t.Skipf("no capabilities can be given to a file here: %v", err)
	}
	var b [64]byte
	n, err := unix.Getxattr(file, "security.capability", b[:])
	if err != nil {
		t.Fatal(err)
	}
	if p, e := parseFileCaps(b[:n]); p != 1<<12|1<<13|1<<38|1<<39 || !e {
		t.Errorf("read back: got %#x %v", p, e)
	}
}
