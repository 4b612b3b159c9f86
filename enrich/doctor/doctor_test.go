package doctor

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"rustnet/bpf"
	"rustnet/capture/live"
)

// root is a machine on which everything works.
func root() *examination {
	return &examination{
		cfg: Config{Live: live.Config{Bypass: true}},
		facts: facts{linux: true, release: "6.12.0", machine: "x86_64", exe: "/usr/bin/rustnet", setcap: true, sudo: true, lastCap: 40,
			effective: 1<<41 - 1, permitted: 1<<41 - 1, bounding: 1<<41 - 1, netKnown: true, lockdown: "none", sys: true,
			cgroup2: "/sys/fs/cgroup", sysctl: map[string]string{"net.core.bpf_jit_enable": "1"}, procs: &processes{all: 90}},
		devices: []live.Device{{Name: "lo", Up: true}, {Name: "eth0", AltNames: []string{"uplink"}}}, namespaces: 1, exact: true, rung: "ebpf",
		hooks: []bpf.Hook{{Name: "told_send", At: "tp_btf/sock_send_length"},
			{Name: "exit_send4", At: "fexit/inet_sendmsg", Unneeded: true, InsteadOf: []string{"told_send"}}},
		ends: []bpf.Hook{{Name: "end_state", At: "tp_btf/inet_sock_set_state"}, {Name: "end_release", At: "cgroup/sock_release"}},
	}
}

// nobody takes from it what a user without rights has not.
func nobody(x *examination) {
	x.facts.uid, x.facts.effective, x.facts.permitted, x.facts.procs.refused = 1000, 0, 0, 80
	x.captureErr = fmt.Errorf("open packet socket: %w", fs.ErrPermission)
	x.hooks, x.exact = nil, false
	x.hooksErr = fmt.Errorf("make a ring buffer: %w", fs.ErrPermission)
	x.natErr, x.endsErr, x.ends, x.countErr = x.hooksErr, x.hooksErr, nil, x.hooksErr
	x.namespacesErr = errors.New("network namespaces left out")
}

// elsewhere makes it a system that is not Linux.
func elsewhere(x *examination) {
	x.facts, x.hooks, x.exact, x.ends, x.rung, x.hooksErr = facts{}, nil, false, nil, "", errors.ErrUnsupported
}

const setcap = "setcap cap_net_raw,cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep "

// TestJudge: what is said of a machine. Of each check, "status|part of the detail|part of lost|mend"; what
// is left out at the end is not looked at; the mend "none" is none.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*examination)
		want   map[string]string
		works  bool
	}{
		{"everything", func(*examination) {}, map[string]string{
			Main: "ok|exact owner", "capabilities": "ok|cap_net_raw, cap_bpf", "ebpf": "ok|1 programs attached", "packets": fmt.Sprintf("ok|%d MiB opened", live.DefaultRing()>>20), "ends": "ok|every socket", "bypass": "ok|counted in the kernel",
			"interfaces": "ok|up: lo; captured as soon as they are up: eth0", "hook fexit/inet_sendmsg": "unused|beside tp_btf/sock_send_length",
			"hook tp_btf/sock_send_length": "ok|attached", "procfs": "ok|all 90 processes", "namespaces": "info|net are the machine's own",
			"cgroup2": "ok|/sys/fs/cgroup", "socket tables": "ok|1 network namespace"}, true},
		{"nobody", nobody, map[string]string{
			"capabilities": "limited|none of use|packets; exact owners|sudo " + setcap + "/usr/bin/rustnet",
			"ebpf":         "failed|needs cap_bpf, cap_perfmon, cap_net_admin|exact owners|sudo " + setcap + "/usr/bin/rustnet",
			"packets":      "failed|needs cap_net_raw|names|sudo " + setcap + "/usr/bin/rustnet", "socket tables": "limited|left out|containers|sudo /usr/bin/rustnet",
			"procfs": "limited|10 of 90|other users|sudo " + setcap + "/usr/bin/rustnet", "conntrack": "limited|only together|NAT",
			"ends": "limited|only together|given up", "bypass": "limited|permission|CPU|sudo " + setcap + "/usr/bin/rustnet",
			Main: "failed|socket tables; owners are only found among your own||sudo " + setcap + "/usr/bin/rustnet"}, false},
		{"a path for the shell", func(x *examination) { nobody(x); x.facts.exe = "/opt/it's here/rustnet" },
			map[string]string{"packets": `failed|||sudo ` + setcap + `'/opt/it'\''s here/rustnet'`}, false},
		{"neither setcap nor sudo", func(x *examination) { nobody(x); x.facts.setcap, x.facts.sudo = false, false },
			map[string]string{"packets": "failed|||su -c /usr/bin/rustnet"}, false},
		{"no sudo", func(x *examination) { nobody(x); x.facts.sudo = false },
			map[string]string{"packets": "failed|||su -c '" + setcap + "/usr/bin/rustnet'"}, false},
		{"nosuid", func(x *examination) { nobody(x); x.facts.nosuid, x.facts.ofFile = true, 1<<capNetRaw },
			map[string]string{"packets": "failed|||sudo /usr/bin/rustnet", "file capabilities": "info|cap_net_raw (not made effective: needs +ep) on /usr/bin/rustnet; its file system is mounted nosuid"}, false},
		{"no_new_privs", func(x *examination) { nobody(x); x.facts.noNewPrivs = true },
			map[string]string{"packets": "failed", "no_new_privs": "limited|set|sudo", "capabilities": "limited|NoNewPrivileges=no|packets", "socket tables": "limited||containers"}, false},
		{"an old kernel has fewer capabilities", func(x *examination) {
			nobody(x)
			x.facts.lastCap, x.facts.bounding = 37, 1<<38-1
		}, map[string]string{"packets": "failed|||sudo setcap cap_net_raw,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep /usr/bin/rustnet"}, false},
		{"only packets", func(x *examination) {
			nobody(x)
			x.captureErr, x.facts.effective = nil, 1<<capNetRaw
		}, map[string]string{"capabilities": "limited|effective: cap_net_raw|exact owners", "packets": "ok", Main: "failed|captured; owners are only found among your own"}, false},
		{"no eBPF, but procfs", func(x *examination) {
			x.exact, x.hooks = false, nil
			x.hooksErr = fmt.Errorf("this kernel is older: %w", errors.ErrUnsupported)
			x.natErr = x.hooksErr
		}, map[string]string{"ebpf": "failed|this kernel is older|milliseconds", "conntrack": "limited|only together|NAT", Main: "limited|short-lived"}, true},
		{"refused with all capabilities", func(x *examination) {
			x.exact, x.hooks, x.facts.seccomp = false, nil, true
			x.hooksErr = fmt.Errorf("bpf: %w", fs.ErrPermission)
		}, map[string]string{"ebpf": "failed|seccomp", "seccomp": "info|a filter", Main: "limited"}, true},
		{"switched off", func(x *examination) { x.cfg.Process, x.exact, x.hooksErr = "procfs", false, errors.New("switched off") },
			map[string]string{"ebpf": "info|--process procfs", "conntrack": "limited", Main: "limited"}, true},
		{"counting not asked for", func(x *examination) { x.cfg.Live.Bypass, x.countErr = false, errors.New("not tried") },
			map[string]string{"bypass": "info|--no-bypass", Main: "ok"}, true},
		{"owners not asked for", func(x *examination) { x.cfg.Process, x.exact, x.hooks = "none", false, nil },
			map[string]string{Main: "ok|not asked for", "ebpf": "", "procfs": ""}, true},
		{"user namespace", func(x *examination) {
			nobody(x)
			x.facts.uid, x.facts.effective, x.facts.namespaces = 0, 1<<41-1, []string{"user", "pid"}
		}, map[string]string{"namespaces": "limited|user, pid|capabilities outside; processes outside", "ebpf": "failed|only within this user namespace|exact"}, false},
		{"container", func(x *examination) {
			nobody(x)
			x.facts.uid, x.facts.bounding, x.facts.namespaces, x.facts.container = 0, 1<<14-1, []string{"pid", "net"}, "podman"
		}, map[string]string{"namespaces": "limited|container of podman|processes outside", "capabilities": "limited|--cap-add|packets"}, false},
		{"bounding set", func(x *examination) { nobody(x); x.facts.bounding &^= 1 << capNetRaw },
			map[string]string{"capabilities": "limited|no program of this session can have cap_net_raw (bounding set)|packets"}, false},
		{"a container may not mount", func(x *examination) { x.facts.cgroup2 = ""; x.facts.bounding &^= 1 << capSysAdmin },
			map[string]string{"cgroup2": "limited|not mounted|UDP|none"}, true},
		{"no cgroup2", func(x *examination) {
			x.facts.cgroup2 = ""
			x.ends[1].Err, x.ends[1].Lost = bpf.ErrNoCgroups, "UDP"
			x.hooks = append(x.hooks, bpf.Hook{Name: "tell_release", At: "cgroup/sock_release", Err: bpf.ErrNoCgroups, By: []string{"tp_btf/tcp_destroy_sock"}, Lost: "when sockets close"})
		}, map[string]string{"cgroup2": "limited|not mounted|UDP|sh -c 'mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2'",
			"hook cgroup/sock_release": "limited|tp_btf/tcp_destroy_sock in its stead, with less|close|sh -c 'mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2'",
			"ends":                     "limited|cgroup/sock_release: no cgroup2|UDP|sh -c 'mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2'",
			"ebpf":                     "limited|1 programs attached, 1 refused"}, true},
		{"an older rung", func(x *examination) {
			x.hooks[0].Err, x.hooks[0].By = errors.New("no such tracepoint"), []string{"fexit/inet_sendmsg", "fexit/inet6_sendmsg"}
			x.hooks[1].Unneeded = false
			x.hooks = append(x.hooks, bpf.Hook{Name: "tell_create", At: "cgroup/sock_create", Unneeded: true, InsteadOf: []string{"told_send"}})
		}, map[string]string{"hook tp_btf/sock_send_length": "unused|fexit/inet_sendmsg and fexit/inet6_sendmsg in its stead",
			"hook fexit/inet_sendmsg": "ok|in the stead of tp_btf/sock_send_length", "hook cgroup/sock_create": "unused|beside fexit/inet_sendmsg and fexit/inet6_sendmsg", "ebpf": "ok|1 programs"}, true},
		{"functions instead of a stable hook", func(x *examination) {
			x.hooks[0].Err, x.hooks[0].By, x.rung = errors.New("no such tracepoint"), []string{"fexit/inet_sendmsg"}, "fentry"
			x.hooks[1].Unneeded = false
		}, map[string]string{"ebpf": "ok|told by the kernel; process_source is fentry, since there is no tp_btf/sock_send_length: no such tracepoint"}, true},
		{"the programs for older kernels", func(x *examination) {
			x.rung, x.older = "kprobe", errors.New("this kernel is older than 5.12")
		}, map[string]string{"ebpf": "ok|process_source is kprobe, by the programs for kernels before 5.12: this kernel is older than 5.12"}, true},
		{"a file of types", func(x *examination) { x.facts.btf, x.facts.types = fs.ErrNotExist, "/tmp/5.4.btf" },
			map[string]string{"btf": "ok|/tmp/5.4.btf (--btf), for want of the kernel's own"}, true},
		{"a file instead of the kernel's types", func(x *examination) { x.facts.types = "/tmp/5.4.btf" },
			map[string]string{"btf": "ok|/tmp/5.4.btf (--btf), instead of the kernel's own"}, true},
		{"no BTF", func(x *examination) { x.facts.btf = fs.ErrNotExist },
			map[string]string{"btf": "limited|CONFIG_DEBUG_INFO_BTF|exact owners"}, true},
		{"no sysfs", func(x *examination) { x.facts.btf, x.facts.sys, x.facts.uid = fs.ErrNotExist, false, 1000 },
			map[string]string{"btf": "limited|not mounted|exact owners|sudo mount -t sysfs sysfs /sys"}, true},
		{"no procfs", func(x *examination) { x.facts.procs.err = errors.New("/proc is not mounted") },
			map[string]string{"procfs": "limited|not mounted|owners|mount -t proc proc /proc", "namespaces": "info|not told"}, true},
		{"hidepid", func(x *examination) { x.facts.procs.hidepid = "invisible"; x.facts.effective &^= 1 << capSysPtrace },
			map[string]string{"procfs": "limited|hidepid=invisible|owners"}, true},
		{"lockdown", func(x *examination) { x.facts.lockdown = "confidentiality" },
			map[string]string{"lockdown": "limited|another boot|exact owners"}, true},
		{"interpreted", func(x *examination) { x.facts.sysctl["net.core.bpf_jit_enable"] = "0" },
			map[string]string{"bpf_jit_enable": "limited|interpreted|time|sysctl -w net.core.bpf_jit_enable=1"}, true},
		{"no conntrack", func(x *examination) { x.natErr = errors.New("listen to conntrack: not in this kernel") },
			map[string]string{"conntrack": "info|not in this kernel"}, true},
		{"conntrack refused", func(x *examination) {
			x.facts.effective &^= 1 << capNetAdmin
			x.natErr = fmt.Errorf("listen to conntrack: %w", fs.ErrPermission)
		}, map[string]string{"conntrack": "limited|needs cap_net_admin|NAT"}, true},
		{"another system", elsewhere, map[string]string{
			"system": "info", "processes": "ok|socket tables tell", "socket tables": "ok|local ends of UDP", "packets": "ok|read from the interfaces", Main: "limited|short-lived programs may be missed||none"}, true},
		{"another system whose tables are not read", func(x *examination) {
			elsewhere(x)
			x.ownersErr = errors.New("read socket tables: not here")
			x.tablesErr = x.ownersErr
		}, map[string]string{"processes": "failed|not here|process of every connection", "socket tables": "failed|not here", "packets": "ok", Main: "failed|captured; owners are not found"}, false},
		{"another system without a driver", func(x *examination) {
			elsewhere(x)
			x.captureErr = fmt.Errorf("not installed: %w", live.ErrNoDriver)
		}, map[string]string{"packets": "failed|not installed|names", Main: "failed|no packets, only TCP connections"}, false},
		{"another system without the right", func(x *examination) {
			elsewhere(x)
			x.captureErr = fmt.Errorf("open /dev/bpf: %w (try: sudo)", fs.ErrPermission)
			x.tablesErr = errors.New("read socket tables: not here")
		}, map[string]string{"packets": "failed|open /dev/bpf: permission denied (try: sudo)|all connections", Main: "failed|are not seen; files can be read"}, false},
		{"another system, and nobody asks for owners", func(x *examination) {
			elsewhere(x)
			x.cfg.Process = "none"
		}, map[string]string{"processes": "info|switched off", Main: "ok|not asked for"}, true},
		{"the interface that is asked for is down", func(x *examination) { x.cfg.Live.Interfaces = []string{"uplink"} },
			map[string]string{"interfaces": "failed|none of uplink is up; captured as soon as they are up: eth0|packets", Main: "failed|no interface is up"}, false},
		{"no such interface", func(x *examination) { x.captureErr = errors.New(`interface "wan"`) },
			map[string]string{"packets": `failed|interface "wan"|names`, Main: "failed|no packets"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := root()
			tc.change(x)
			all := x.judge()
			got := map[string]Check{}
			for _, c := range all {
				if _, twice := got[c.Name]; twice {
					t.Errorf("%s comes twice", c.Name)
				}
				got[c.Name] = c
				if (c.Status == OK || c.Status == Unused || c.Status == Info) && c.Lost+c.Mend != "" {
					t.Errorf("%+v: something is lost, or to be mended, where all is well", c)
				}
			}
			for name, want := range tc.want {
				c, there := got[name]
				if want == "" {
					if there {
						t.Errorf("%s: got %+v, want none", name, c)
					}
					continue
				}
				w := append(strings.Split(want, "|"), "", "", "")
				if string(c.Status) != w[0] || !strings.Contains(c.Detail, w[1]) || !strings.Contains(c.Lost, w[2]) || w[3] != "" && c.Mend != strings.TrimPrefix(w[3], "none") {
					t.Errorf("%s:\n got %+v\nwant %s", name, c, want)
				}
			}
			if all[len(all)-1].Name != Main || Works(all) != tc.works {
				t.Errorf("works: got %v (%+v), want %v", Works(all), all[len(all)-1], tc.works)
			}
		})
	}
}

// TestCapabilities: what is asked for is what everything needs, in the words that are said elsewhere.
func TestCapabilities(t *testing.T) {
	if got := strings.Join(names(forAll), ","); got != live.Capabilities {
		t.Errorf("got %s, want %s", got, live.Capabilities)
	}
}

func TestList(t *testing.T) {
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := list(names); got != want {
			t.Errorf("%v: got %q, want %q", names, got, want)
		}
	}
}

func TestWrite(t *testing.T) {
	all := []Check{{Name: "hook a", Status: Limited, Detail: "one two three four five six seven eight nine ten", Lost: "x\x1b[31m", Mend: "sudo it"},
		{Name: "hook b", Status: Limited, Detail: "no", Mend: "sudo it"}, {Name: "packets", Status: Failed, Detail: "no", Mend: "sudo it"}, {Name: Main, Status: OK, Detail: "yes"}}
	for _, tc := range []struct {
		name string
		look Look
		want string
	}{
		{"table", Look{}, "! hook a   one two three four five six seven eight nine ten\n           lost: x�[31m\n! hook b   no\n✗ packets  no\n" +
			"\nWhat mends it:\n  sudo it\n      # hooks, packets\n\n✓ main     yes\n"},
		{"narrow", Look{Width: 40}, "! hook a   one two three four five six\n           seven eight nine ten\n           lost: x�[31m\n! hook b   no\n✗ packets  no\n" +
			"\nWhat mends it:\n  sudo it\n      # hooks, packets\n\n✓ main     yes\n"},
		{"csv", Look{Format: "csv"}, "name,status,detail,lost,mend\r\nhook a,limited,one two three four five six seven eight nine ten,x\x1b[31m,sudo it\r\n" +
			"hook b,limited,no,,sudo it\r\npackets,failed,no,,sudo it\r\nmain,ok,yes,,\r\n"},
		{"json", Look{Format: "json"}, `{"name":"hook a","status":"limited","detail":"one two three four five six seven eight nine ten","lost":"x\u001b[31m","mend":"sudo it"}` + "\n" +
			`{"name":"hook b","status":"limited","detail":"no","mend":"sudo it"}` + "\n" + `{"name":"packets","status":"failed","detail":"no","mend":"sudo it"}` + "\n" +
			`{"name":"main","status":"ok","detail":"yes"}` + "\n"},
	} {
		var b bytes.Buffer
		if err := Write(&b, all, tc.look); err != nil || b.String() != tc.want {
			t.Errorf("%s: %v\n got %q\nwant %q", tc.name, err, b.String(), tc.want)
		}
	}
	var b bytes.Buffer
	if Write(&b, all, Look{Color: true}); !strings.Contains(b.String(), "\x1b[31m✗\x1b[0m packets") {
		t.Errorf("got %q, want a red mark", b.String())
	}
}

// TestExamine looks at this machine, whatever it is: what is said can be read by a program, and comes to a verdict.
func TestExamine(t *testing.T) {
	all := Examine(Config{})
	if len(all) < 5 || all[len(all)-1].Name != Main {
		t.Fatalf("got %+v, want some checks, and a verdict", all)
	}
	var b bytes.Buffer
	if err := Write(&b, all, Look{Format: "csv"}); err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(&b).ReadAll(); err != nil || len(rows) != len(all)+1 {
		t.Errorf("got %d rows, %v, want %d", len(rows), err, len(all)+1)
	}
	Write(&b, all, Look{Format: "json"})
	for line := range strings.Lines(b.String()) {
		var c Check
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.Name == "" || c.Status == "" || c.Detail == "" {
			t.Errorf("%s: %v, want a name, a status and a detail", line, err)
		}
	}
}
