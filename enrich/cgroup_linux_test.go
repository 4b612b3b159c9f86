package enrich

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rustnet/track/event"
)

const (
	testID    = "0e768f8db752fcd648adb264498daa1d8f31562320e881d6a9ec593d24b1f779"
	testOther = "f75aff467357c5d0ddd47cb7ad87ed38746e018992586ff66198a5c11218f634"
	testPod   = "91a8fc3a-0ecf-48b4-81bf-78a7275d348c"
)

// paths are forms that runtimes and systemd have used, on both versions of cgroups: $I and $O stand for
// identifiers of containers, $P for a pod's, $Q for that with underscores.
var paths = []struct {
	name, path string
	want       event.Cgroup
}{
	{"root", "/", event.Cgroup{}},
	{"docker, cgroupfs", "/docker/$I", event.Cgroup{ContainerID: "$I", Runtime: "docker"}},
	{"docker, systemd", "/system.slice/docker-$I.scope", event.Cgroup{ContainerID: "$I", Runtime: "docker", Unit: "docker-$I.scope", Slice: "system.slice"}},
	{"docker, a parent of its own", "/batch/$I", event.Cgroup{ContainerID: "$I"}},
	{"docker, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "docker", Unit: "user@1000.service", UserUnit: "docker-$I.scope", Slice: "user-1000.slice"}},
	{"docker in docker", "/docker/$O/docker/$I", event.Cgroup{ContainerID: "$I", Runtime: "docker"}},
	{"docker with systemd inside", "/docker/$I/system.slice/nginx.service", event.Cgroup{ContainerID: "$I", Runtime: "docker", Unit: "nginx.service", Slice: "system.slice"}},
	{"docker's init", "/docker/$I/init.scope", event.Cgroup{ContainerID: "$I", Runtime: "docker", Unit: "init.scope"}},
	{"buildkit", "/docker/buildkit/kdx5r0bkmvc4nq7yq8jvxzcpn", event.Cgroup{ContainerID: "kdx5r0bkmvc4nq7yq8jvxzcpn", Runtime: "buildkit"}},
	{"bare", "/$I", event.Cgroup{ContainerID: "$I"}},
	{"seen from a sibling's cgroup namespace", "/../cri-containerd-$I.scope", event.Cgroup{ContainerID: "$I", Runtime: "containerd", Unit: "cri-containerd-$I.scope"}},

	{"podman, systemd", "/machine.slice/libpod-$I.scope", event.Cgroup{ContainerID: "$I", Runtime: "podman", Unit: "libpod-$I.scope", Slice: "machine.slice"}},
	{"podman, crun", "/machine.slice/libpod-$I.scope/container", event.Cgroup{ContainerID: "$I", Runtime: "podman", Unit: "libpod-$I.scope", Slice: "machine.slice"}},
	{"podman, its monitor", "/machine.slice/libpod-conmon-$I.scope", event.Cgroup{Unit: "libpod-conmon-$I.scope", Slice: "machine.slice"}},
	{"podman, cgroupfs", "/libpod_parent/libpod-$I", event.Cgroup{ContainerID: "$I", Runtime: "podman"}},
	{"podman, cgroupfs, monitor", "/libpod_parent/conmon", event.Cgroup{}},
	{"podman, pod", "/machine.slice/machine-libpod_pod_$O.slice/libpod-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "podman", PodUID: "$O", Unit: "libpod-$I.scope", Slice: "machine-libpod_pod_$O.slice"}},
	{"podman, pod, cgroupfs", "/libpod_parent/$O/libpod-$I", event.Cgroup{ContainerID: "$I", Runtime: "podman", PodUID: "$O"}},
	{"podman, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$I.scope/container",
		event.Cgroup{ContainerID: "$I", Runtime: "podman", Unit: "user@1000.service", UserUnit: "libpod-$I.scope", Slice: "user-1000.slice"}},
	{"podman, rootless, with systemd", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$I.scope/container/system.slice/nginx.service",
		event.Cgroup{ContainerID: "$I", Runtime: "podman", Unit: "user@1000.service", UserUnit: "nginx.service", Slice: "user-1000.slice"}},
	{"podman, Quadlet", "/system.slice/web.service/libpod-payload-$I", event.Cgroup{ContainerID: "$I", Runtime: "podman", Unit: "web.service", Slice: "system.slice"}},

	{"kubernetes, cgroupfs", "/kubepods/besteffort/pod$P/$I", event.Cgroup{ContainerID: "$I", PodUID: "$P"}},
	{"kubernetes, cgroupfs, guaranteed", "/kubepods/pod$P/$I", event.Cgroup{ContainerID: "$I", PodUID: "$P"}},
	{"kubernetes, the pod alone", "/kubepods/burstable/pod$P", event.Cgroup{PodUID: "$P"}},
	{"kubernetes, containerd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$Q.slice/cri-containerd-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "containerd", PodUID: "$P", Unit: "cri-containerd-$I.scope", Slice: "kubepods-burstable-pod$Q.slice"}},
	{"kubernetes, guaranteed", "/kubepods.slice/kubepods-pod$Q.slice/cri-containerd-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "containerd", PodUID: "$P", Unit: "cri-containerd-$I.scope", Slice: "kubepods-pod$Q.slice"}},
	{"kubernetes, docker", "/kubepods.slice/kubepods-pod$Q.slice/docker-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "docker", PodUID: "$P", Unit: "docker-$I.scope", Slice: "kubepods-pod$Q.slice"}},
	{"kubernetes, CRI-O", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod$Q.slice/crio-$I.scope/container",
		event.Cgroup{ContainerID: "$I", Runtime: "cri-o", PodUID: "$P", Unit: "crio-$I.scope", Slice: "kubepods-besteffort-pod$Q.slice"}},
	{"kubernetes, CRI-O's monitor", "/kubepods.slice/kubepods-pod$Q.slice/crio-conmon-$I.scope",
		event.Cgroup{PodUID: "$P", Unit: "crio-conmon-$I.scope", Slice: "kubepods-pod$Q.slice"}},
	{"kubernetes, CRI-O, cgroupfs", "/kubepods/burstable/pod$P/crio-$I", event.Cgroup{ContainerID: "$I", Runtime: "cri-o", PodUID: "$P"}},
	{"kubernetes, drivers that differ", "/kubepods-burstable-pod$Q.slice:cri-containerd:$I", event.Cgroup{ContainerID: "$I", Runtime: "containerd", PodUID: "$P"}},
	{"kubernetes, drivers that differ, in a service", "/system.slice/containerd.service/kubepods-burstable-pod$Q.slice:cri-containerd:$I",
		event.Cgroup{ContainerID: "$I", Runtime: "containerd", PodUID: "$P", Unit: "containerd.service", Slice: "system.slice"}},
	{"kubernetes, static pod", "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/$I", event.Cgroup{ContainerID: "$I", PodUID: "0123456789abcdef0123456789abcdef"}},
	{"kubernetes in docker", "/docker/$O/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod$Q.slice/cri-containerd-$I.scope",
		event.Cgroup{ContainerID: "$I", Runtime: "containerd", PodUID: "$P", Unit: "cri-containerd-$I.scope", Slice: "kubelet-kubepods-besteffort-pod$Q.slice"}},
	{"kubernetes in docker, cgroupfs", "/docker/$O/kubelet/kubepods/besteffort/pod$P/$I", event.Cgroup{ContainerID: "$I", PodUID: "$P"}},
	{"containerd's namespace", "/k8s.io/$I", event.Cgroup{ContainerID: "$I", Runtime: "containerd"}},
	{"nerdctl", "/system.slice/nerdctl-$I.scope", event.Cgroup{ContainerID: "$I", Runtime: "containerd", Unit: "nerdctl-$I.scope", Slice: "system.slice"}},
	{"ECS", "/ecs/55091c13-b8cf-4801-b527-f4601742204d/$I", event.Cgroup{ContainerID: "$I", Runtime: "docker"}},
	{"ECS on Fargate", "/ecs/34dc0b5e626f2c5c4c5170e34b10e765/34dc0b5e626f2c5c4c5170e34b10e765-1234567890",
		event.Cgroup{ContainerID: "34dc0b5e626f2c5c4c5170e34b10e765-1234567890", Runtime: "containerd"}},

	{"LXC 1", "/lxc/x1", event.Cgroup{Container: "x1", Runtime: "lxc"}},
	{"LXC 1 with systemd", "/lxc/x1/system.slice/snapd.service", event.Cgroup{Container: "x1", Runtime: "lxc", Unit: "snapd.service", Slice: "system.slice"}},
	{"LXC 3", "/lxc.payload/x1/init.scope", event.Cgroup{Container: "x1", Runtime: "lxc", Unit: "init.scope"}},
	{"LXC 4, LXD, Incus", "/lxc.payload.web-1/system.slice/nginx.service", event.Cgroup{Container: "web-1", Runtime: "lxc", Unit: "nginx.service", Slice: "system.slice"}},
	{"LXC's monitor", "/lxc.monitor.web-1", event.Cgroup{}},
	{"docker in LXD", "/lxc.payload.c1/system.slice/docker-$I.scope", event.Cgroup{ContainerID: "$I", Runtime: "docker", Unit: "docker-$I.scope", Slice: "system.slice"}},
	{"nspawn", "/machine.slice/systemd-nspawn@deb\\x2d12.service/payload/system.slice/ssh.service",
		event.Cgroup{Container: "deb-12", Runtime: "nspawn", Unit: "ssh.service", Slice: "system.slice"}},
	{"nspawn by hand", "/machine.slice/machine-deb.scope/payload", event.Cgroup{Container: "deb", Runtime: "nspawn", Unit: "machine-deb.scope", Slice: "machine.slice"}},
	{"libvirt's container", "/machine.slice/machine-lxc\\x2d4711\\x2dbox.scope", event.Cgroup{Container: "box", Runtime: "libvirt",
		Unit: `machine-lxc\x2d4711\x2dbox.scope`, Slice: "machine.slice"}},
	{"a virtual machine", "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator", event.Cgroup{Unit: `machine-qemu\x2d1\x2dvm.scope`, Slice: "machine.slice"}},

	{"service", "/system.slice/ssh.service", event.Cgroup{Unit: "ssh.service", Slice: "system.slice"}},
	{"instance in a slice of its own", "/system.slice/system-getty.slice/getty@tty1.service", event.Cgroup{Unit: "getty@tty1.service", Slice: "system-getty.slice"}},
	{"service with a tree of its own", "/system.slice/foo.service/workers/1", event.Cgroup{Unit: "foo.service", Slice: "system.slice"}},
	{"init", "/init.scope", event.Cgroup{Unit: "init.scope"}},
	{"session", "/user.slice/user-1000.slice/session-3.scope", event.Cgroup{Unit: "session-3.scope", Slice: "user-1000.slice"}},
	{"application", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-2.scope",
		event.Cgroup{Unit: "user@1000.service", UserUnit: "vte-spawn-2.scope", Slice: "user-1000.slice"}},
	{"a name of the kernel's", "/system.slice/_cpu.service", event.Cgroup{Unit: "cpu.service", Slice: "system.slice"}},
	{"short hexadecimal name", "/docker/0e768f8db752", event.Cgroup{}},
	{"a directory", "/user/alice/podcast", event.Cgroup{}},
}

func TestPlaceOf(t *testing.T) {
	fill := strings.NewReplacer("$I", testID, "$O", testOther, "$P", testPod, "$Q", strings.ReplaceAll(testPod, "-", "_")).Replace
	for _, tc := range paths {
		t.Run(tc.name, func(t *testing.T) {
			want := event.Cgroup{Path: fill(tc.path), Container: tc.want.Container, ContainerID: fill(tc.want.ContainerID), Runtime: tc.want.Runtime,
				Pod: fill(tc.want.PodUID), PodUID: fill(tc.want.PodUID), Unit: fill(tc.want.Unit), UserUnit: fill(tc.want.UserUnit), Slice: fill(tc.want.Slice)}
			if want.Container == "" {
				want.Container = want.ContainerID
			}
			if got := *placeOf(want.Path); got != want {
				t.Errorf("%s:\n got %+v\nwant %+v", want.Path, got, want)
			}
			if wrong := misspelt(&event.Proc{Cgroup: &want}); wrong != "" {
				t.Errorf("%s: the field's declaration rules out that %s", want.Path, wrong)
			}
		})
	}
}

// misspelt tells what of a process the declarations of the fields rule out, "" where it keeps to them.
func misspelt(p *event.Proc) string {
	e := &event.Event{Kind: event.New, Proc: p}
	for _, f := range event.NewSchema(nil).Fields {
		form := f.Form()
		if form == nil {
			continue
		}
		var texts []string
		switch f.Type {
		case event.String:
			texts = []string{f.Str(e)}
		case event.List:
			texts = f.List(e)
		}
		for _, text := range texts {
			if !form.Can(event.Equal, text) {
				return f.Name + " is " + text
			}
		}
	}
	return ""
}

// TestWordsOfProcesses: all that this package can say of a process, its fields can be.
func TestWordsOfProcesses(t *testing.T) {
	for _, source := range []string{sourceEBPF, sourceFentry, sourceKprobe, sourceIter, sourceProcFS, sourceListener, sourceSockDiag} {
		for mode := range event.SeccompModes {
			p := &event.Proc{PID: 1, Source: source, Exe: "/memfd:x", Security: securityOf(1<<mode, 0, uint8(mode), false, "")}
			if wrong := misspelt(p); wrong != "" || p.Seccomp == "" || len(p.Caps) != 1 {
				t.Errorf("%+v: the field's declaration rules out that %s", p, wrong)
			}
		}
	}
}

func FuzzPlaceOf(f *testing.F) {
	for _, tc := range paths {
		f.Add(tc.path, "1:name=systemd:"+tc.path+"\n0::/\n")
	}
	f.Fuzz(func(t *testing.T, path, file string) {
		g := placeOf(path)
		if g.Path != path || g.ContainerID != "" && g.Container != g.ContainerID || !strings.Contains(path, g.ContainerID) {
			t.Errorf("%q: got %+v", path, g)
		}
		if best := longest([]byte(file)); len(best) == 0 {
			t.Errorf("%q: got no path", file)
		}
		ownPlace([]byte(file))
		parseIfInet6(parseFibTrie(nil, []byte(file)), []byte(file))
		var caps uint64
		var seccomp, noNewPrivs uint8
		parseStatus([]byte(file), &caps, &seccomp, &noNewPrivs)
	})
}

func TestLongest(t *testing.T) {
	for in, want := range map[string]string{
		"":          "/",
		"0::/\n":    "/",
		"0::/a/b":   "/a/b",
		"garbage\n": "/",
		"4:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-1.scope\n0::/user.slice/user-0.slice/session-1.scope\n": "/user.slice/user-0.slice/session-1.scope",
		"9:name=systemd:/\n4:memory:/docker/x\n0::/\n": "/docker/x",
		"4:memory:/vm/x\n0::/docker/x\n":               "/docker/x",
		"0::/system.slice/a:b.service\n":               "/system.slice/a:b.service",
		"0::/docker/x (deleted)\n":                     "/docker/x",
	} {
		if got := string(longest([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestContainerNames reads names from files as the runtimes write them.
func TestContainerNames(t *testing.T) {
	docker := func(name string, labels map[string]string) any {
		return map[string]any{"ID": testID, "Name": name, "Config": map[string]any{"Labels": labels}, "State": map[string]any{"Pid": 4711}}
	}
	annotations := func(a map[string]string) any { return map[string]any{"ociVersion": "1.0.2", "annotations": a} }
	const inPod = "/kubepods/burstable/pod" + testPod + "/"
	for _, tc := range []struct {
		name, path string
		files      map[string]any // of JSON, or of nothing where nil
		want       event.Cgroup
	}{
		{"none", "/docker/" + testID, nil, event.Cgroup{Container: testID, Runtime: "docker"}},
		{"docker", "/docker/" + testID, map[string]any{"var/lib/docker/containers/" + testID + "/config.v2.json": docker("/web", nil)}, event.Cgroup{Container: "web", Runtime: "docker"}},
		{"kubernetes with docker", inPod + testID, map[string]any{"var/lib/docker/containers/" + testID + "/config.v2.json": docker("/k8s_app_web-0_prod_x_0",
			map[string]string{"io.kubernetes.container.name": "app", "io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.namespace": "prod"})},
			event.Cgroup{Container: "app", Runtime: "docker", Pod: "prod/web-0"}},
		{"kubernetes with containerd", inPod + testID, map[string]any{"run/containerd/io.containerd.runtime.v2.task/k8s.io/" + testID + "/config.json": annotations(
			map[string]string{"io.kubernetes.cri.container-name": "app", "io.kubernetes.cri.sandbox-name": "web-0", "io.kubernetes.cri.sandbox-namespace": "prod"})},
			event.Cgroup{Container: "app", Runtime: "containerd", Pod: "prod/web-0"}},
		{"kubernetes' logs", inPod + testID, map[string]any{"var/log/pods/prod_web-0_" + testPod + "/app/0.log": nil, "var/log/pods/prod_other_" + testID + "/x": nil,
			"var/log/containers/web-0_prod_app-" + testID + ".log": nil}, event.Cgroup{Container: "app", Pod: "prod/web-0"}},
		{"nerdctl", "/system.slice/nerdctl-" + testID + ".scope", map[string]any{"run/containerd/io.containerd.runtime.v2.task/default/" + testID + "/config.json": annotations(
			map[string]string{"nerdctl/name": "web"})}, event.Cgroup{Container: "web", Runtime: "containerd"}},
		{"CRI-O", inPod + "crio-" + testID, map[string]any{"run/containers/storage/overlay-containers/" + testID + "/userdata/config.json": annotations(
			map[string]string{"io.kubernetes.container.name": "app", "io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.namespace": "prod"})},
			event.Cgroup{Container: "app", Runtime: "cri-o", Pod: "prod/web-0"}},
		{"podman", "/machine.slice/libpod-" + testID + ".scope", map[string]any{"var/lib/containers/storage/overlay-containers/containers.json": []any{
			map[string]any{"id": testOther, "names": []string{"db"}}, map[string]any{"id": testID, "names": []string{"web"}}}}, event.Cgroup{Container: "web", Runtime: "podman"}},
		{"podman run --rm", "/machine.slice/libpod-" + testID + ".scope", map[string]any{"var/lib/containers/storage/overlay-containers/containers.json": []any{},
			"var/lib/containers/storage/overlay-containers/volatile-containers.json": []any{map[string]any{"id": testID, "names": []string{"once"}}}},
			event.Cgroup{Container: "once", Runtime: "podman"}},
		{"a user's that is named like root's", "/user.slice/user-1000.slice/user@1000.service/docker-" + testID + ".scope",
			map[string]any{"var/lib/docker/containers/" + testID + "/config.v2.json": docker("/web", nil)}, event.Cgroup{Container: testID, Runtime: "docker"}},
		{"nonsense", "/docker/" + testID, map[string]any{"var/lib/docker/containers/" + testID + "/config.v2.json": []int{1}}, event.Cgroup{Container: testID, Runtime: "docker"}},
		{"too long", "/docker/" + testID, map[string]any{"var/lib/docker/containers/" + testID + "/config.v2.json": docker(strings.Repeat("x", stateMax), nil)},
			event.Cgroup{Container: testID, Runtime: "docker"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for path, content := range tc.files {
				writeState(t, filepath.Join(root, path), content)
			}
			got := newCgroups(root, time.Now).of([]byte(tc.path))
			if tc.want.Pod == "" {
				tc.want.Pod = got.PodUID
			}
			if got.ContainerID != testID || got.Container != tc.want.Container || got.Runtime != tc.want.Runtime || got.Pod != tc.want.Pod {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func writeState(t *testing.T, path string, content any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestContainerNameLater: a name that is written late is found, and what was published stays as it was.
func TestContainerNameLater(t *testing.T) {
	root, clock := t.TempDir(), time.Unix(1e9, 0)
	c := newCgroups(root, func() time.Time { return clock })
	path := []byte("/docker/" + testID)
	first := c.of(path)
	writeState(t, filepath.Join(root, "var/lib/docker/containers", testID, "config.v2.json"), map[string]string{"Name": "/web"})
	if again := c.of(path); again != first {
		t.Errorf("at once: got another value %+v, want the shared one: it is too early to look again", again)
	}
	clock = clock.Add(nameFor + 1)
	if later := c.of(path); later.Container != "web" || first.Container != testID {
		t.Errorf("later: got %+v, first %+v", later, first)
	}
	if n := testing.AllocsPerRun(100, func() { c.of(path) }); n != 0 {
		t.Errorf("a known cgroup allocates %v times, want 0", n)
	}
	for i := range groupsMax + 10 {
		c.of([]byte("/x/" + strings.Repeat("y", i%100) + string(rune('a'+i/100))))
	}
	if len(c.known) > groupsMax {
		t.Errorf("%d are kept, want %d at most", len(c.known), groupsMax)
	}
}

func TestOwnPlace(t *testing.T) {
	const mount = "1043 1031 0:25 ROOT /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n1 2 3:4 / /proc rw - proc proc rw\n"
	for _, tc := range []struct {
		name, root, container, runtime, pod string
	}{
		{"machine", "/etc/hostname", "", "", ""},
		{"docker", "/var/lib/docker/containers/" + testID + "/hostname", testID, "docker", ""},
		{"podman", "/containers/storage/overlay-containers/" + testID + "/userdata/hostname", testID, "podman", ""},
		{"kubernetes", "/var/lib/kubelet/pods/" + testPod + "/etc-hosts", "", "", testPod},
		{"short", "/containers", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ownPlace([]byte(strings.Replace(mount, "ROOT", tc.root, 1)))
			if got == nil {
				got = &event.Cgroup{}
			}
			if got.ContainerID != tc.container || got.Runtime != tc.runtime || got.PodUID != tc.pod {
				t.Errorf("got %+v, want %+v", got, tc)
			}
		})
	}
	c := newCgroups("/", time.Now)
	c.own = ownPlace([]byte(strings.Replace(mount, "ROOT", "/docker/containers/"+testID+"/hostname", 1)))
	if got := c.of([]byte("/")); got.ContainerID != testID {
		t.Errorf("the root of our cgroup namespace: got %+v", got)
	}
}

func TestCapNames(t *testing.T) {
	for set, want := range map[uint64]string{0: "", 1 << 13: "cap_net_raw", 1<<41 - 1: "all", 1<<12 | 1<<40 | 1<<50: "cap_net_admin cap_checkpoint_restore"} {
		if got := strings.Join(capNames(set), " "); got != want {
			t.Errorf("%x: got %q, want %q", set, got, want)
		}
	}
}
