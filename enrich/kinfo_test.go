package enrich

import (
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the tests that are run hold against: testdata, docs/owners.md (the scenarios with eBPF, and with procfs only)")

var kinfos = map[string]*kinfoAt{"freebsd": &freebsdProc, "netbsd": &netbsdProc, "openbsd": &openbsdProc}

// kinfo is a list as a system gives it.
func kinfo(at *kinfoAt, all []row) (b []byte) {
	ne := binary.NativeEndian
	number := func(r []byte, n int, v int64) {
		if n == 4 {
			ne.PutUint32(r, uint32(v))
		} else {
			ne.PutUint64(r, uint64(v))
		}
	}
	for _, p := range all {
		r := make([]byte, at.size)
		number(r[at.seconds:], at.secondsBytes, p.began/1e9)
		number(r[at.micros:], at.microsBytes, p.began%1e9/1e3)
		ne.PutUint32(r[at.pid:], p.pid)
		ne.PutUint32(r[at.parent:], p.parent)
		ne.PutUint32(r[at.uid:], p.uid)
		copy(r[at.name:at.name+at.nameMax], p.name)
		if at.ownSize {
			ne.PutUint32(r, uint32(at.size))
		}
		b = append(b, r...)
	}
	return b
}

func TestKinfo(t *testing.T) {
	for system, at := range kinfos {
		want := []row{
			{pid: 1, name: "init", began: 1700000000_000001000},
			{pid: 412, parent: 1, uid: 1001, name: "a name that is as long as it may be"[:at.nameMax], began: 1800000000_999999000},
			{pid: 99999, parent: 412, uid: 1<<32 - 2, name: "curl"},
		}
		b := kinfo(at, want)
		for i := range len(b) + 1 {
			got, ok := at.rows(b[:i])
			if ok != (i%at.size == 0) || !slices.Equal(got, want[:i/at.size]) {
				t.Fatalf("%s: of %d of %d bytes: %v, got %+v, want %+v", system, i, len(b), ok, got, want[:i/at.size])
			}
		}
	}
	b := kinfo(&freebsdProc, []row{{pid: 1}})
	binary.NativeEndian.PutUint32(b, 768) // as on processors of 32 bits
	if _, ok := freebsdProc.rows(b); ok {
		t.Error("records of another length are read")
	}
}

func TestPointedAt(t *testing.T) {
	said := func(n int, rest string) (b []byte) {
		for range n {
			b = binary.NativeEndian.AppendUint64(b, 0x7f7ffffc0000)
		}
		return append(append(b, make([]byte, 8)...), rest...)
	}
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"some":                  {said(3, "curl\x00-s\x00http://app.demo.io/\x00"), "curl -s http://app.demo.io/"},
		"one":                   {said(1, "init\x00"), "init"},
		"none":                  {said(0, ""), ""},
		"more than there are":   {said(9, "curl\x00-s\x00"), "curl -s"},
		"an empty one":          {said(3, "sh\x00\x00-c\x00"), "sh  -c"},
		"the last without end":  {said(2, "curl\x00-s"), "curl -s"},
		"pointers without end":  {said(3, "")[:24], ""},
		"nothing":               {nil, ""},
		"less than one pointer": {[]byte{1, 2, 3}, ""},
	} {
		if got := joinArgs(pointedAt(tc.b)); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzKinfo(f *testing.F) {
	f.Add(kinfo(&freebsdProc, []row{{pid: 1, name: "init"}}))
	f.Add(append(binary.NativeEndian.AppendUint64(nil, 1), "\x00\x00\x00\x00\x00\x00\x00\x00sh\x00"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for system, at := range kinfos {
			if all, _ := at.rows(b); len(all)*at.size > len(b) {
				t.Errorf("%s: %d processes in %d bytes", system, len(all), len(b))
			}
		}
		if args := pointedAt(b); len(args) > len(b) {
			t.Errorf("%d bytes of arguments in %d", len(args), len(b))
		}
	})
}

// TestLayouts: testdata has a C source for each BSD, which its own headers hold against what is taken for their layouts
// (make test-layouts compiles them).
func TestLayouts(t *testing.T) {
	for system, tc := range map[string]struct {
		of, prefix, name, micros string
		seconds                  string
		numbers                  map[string]int
	}{
		"freebsd": {"kinfo_proc", "ki_", "ki_comm", "ki_start.tv_usec", "ki_start.tv_sec", nil},
		"netbsd": {"kinfo_proc2", "p_", "p_comm", "p_ustart_usec", "p_ustart_sec",
			map[string]int{"KERN_PROC_ALL": 0, "KERN_PROC_PID": 1, "KERN_PROC_ARGV": 1, "KERN_PROC_PATHNAME": 5}},
		"openbsd": {"kinfo_proc", "p_", "p_comm", "p_ustart_usec", "p_ustart_sec",
			map[string]int{"KERN_PROC_ALL": 0, "KERN_PROC_PID": 1, "KERN_PROC_ARGV": 1, "CTL_KERN": 1, "KERN_PROC_ARGS": 55}},
	} {
		at := kinfos[system]
		var c strings.Builder
		for header := range strings.FieldsSeq("sys/param.h sys/types.h sys/socket.h sys/sysctl.h sys/proc.h sys/user.h") {
			if header != "sys/user.h" || system == "freebsd" {
				fmt.Fprintf(&c, "#include <%s>\n", header)
			}
		}
		fmt.Fprintf(&c, "#undef offsetof\n#define offsetof(field) __builtin_offsetof(struct %s, field)\n#define size(field) sizeof(((struct %[1]s *)0)->field)\n", tc.of)
		hold := func(what, is string, want int) { fmt.Fprintf(&c, "_Static_assert(%s %s %d, \"\");\n", what, is, want) }
		if at.ownSize {
			hold("sizeof(struct "+tc.of+")", "==", at.size)
			hold("offsetof("+tc.prefix+"structsize)", "==", 0)
		} else {
			hold("sizeof(struct "+tc.of+")", ">=", at.size)
		}
		hold("offsetof("+tc.prefix+"pid)", "==", at.pid)
		hold("offsetof("+tc.prefix+"ppid)", "==", at.parent)
		hold("offsetof("+tc.prefix+"uid)", "==", at.uid)
		hold("offsetof("+tc.name+")", "==", at.name)
		hold("size("+tc.name+")", "==", at.nameMax)
		hold("offsetof("+tc.seconds+")", "==", at.seconds)
		hold("size("+tc.seconds+")", "==", at.secondsBytes)
		hold("offsetof("+tc.micros+")", "==", at.micros)
		hold("size("+tc.micros+")", "==", at.microsBytes)
		for _, name := range slices.Sorted(maps.Keys(tc.numbers)) {
			hold(name, "==", tc.numbers[name])
		}
		path := "testdata/" + system + ".c"
		if *update {
			if err := os.WriteFile(path, []byte(c.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != c.String() {
			t.Errorf("%s is not what the layouts are (%v): go test ./enrich -run TestLayouts -update, then make test-layouts", path, err)
		}
	}
}
