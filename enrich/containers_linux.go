package enrich

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rustnet/track/event"
)

// cgroups gives what there is to say of a cgroup, once for all processes in it. It belongs to one goroutine.
//
// Names of containers come from files that the runtimes keep for themselves: asking a daemon takes its
// socket, which is as good as being root, and is slow. What cannot be read stays an identifier.
type cgroups struct {
	root  string // of the file system that the runtimes' files are in
	own   *event.Cgroup
	now   func() time.Time
	known map[string]*place
}

// place is a cgroup, and when to look again for names that were not there.
type place struct {
	*event.Cgroup
	again time.Time // zero: never
	tries int
}

const (
	groupsMax   = 8192
	nameTries   = 4           // a runtime may write the name after the first packet
	nameFor     = time.Second // between two of them
	stateMax    = 1 << 20     // of a runtime's file about one container
	indexMax    = 16 << 20    // of a runtime's file about all
	logsListMax = 1 << 14     // entries of a directory
)

func newCgroups(root string, now func() time.Time) *cgroups {
	return &cgroups{root: root, now: now, known: map[string]*place{}}
}

// of gives the cgroup of that path. The value is published: it is the same until names are found.
func (c *cgroups) of(path []byte) *event.Cgroup {
	g := c.known[string(path)]
	if g == nil {
		if len(c.known) >= groupsMax {
			clear(c.known)
		}
		g = &place{Cgroup: placeOf(string(path))}
		if c.own != nil && len(path) == 1 { // the root of our own cgroup namespace
			g.Cgroup = c.own
		}
		c.known[g.Path] = g
		c.name(g)
	} else if !g.again.IsZero() && c.now().After(g.again) {
		c.name(g)
	}
	return g.Cgroup
}

// name looks for the names of a container and its pod.
func (c *cgroups) name(g *place) {
	g.again = time.Time{}
	if g.ContainerID == "" && g.PodUID == "" || ofUser(g.Cgroup) {
		return // a user may name a control group as one of root's containers is; and of the user's own these files know nothing
	}
	named := *g.Cgroup
	if g.ContainerID != "" && g.Container == g.ContainerID {
		c.ofRuntime(&named)
	}
	if named.PodUID != "" && named.Pod == named.PodUID {
		c.ofLogs(&named)
	}
	if named != *g.Cgroup {
		g.Cgroup = &named
	}
	if g.tries++; g.tries < nameTries && (g.Container == g.ContainerID || g.Pod == g.PodUID) {
		g.again = c.now().Add(nameFor)
	}
}

// ofRuntime asks the files of the runtime, or of each that it may be.
func (c *cgroups) ofRuntime(g *event.Cgroup) {
	for _, r := range []struct {
		runtime string
		name    func(*event.Cgroup) bool
	}{{"docker", c.docker}, {"containerd", c.containerd}, {"cri-o", c.storage}, {"podman", c.storage}} {
		if (g.Runtime == r.runtime || g.Runtime == "") && r.name(g) {
			return
		}
	}
}

// Labels and annotations that the kubelet's runtimes put onto containers, by what they tell.
var (
	containerKeys = []string{"io.kubernetes.container.name", "io.kubernetes.cri.container-name", "nerdctl/name"}
	podKeys       = []string{"io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"}
	spaceKeys     = []string{"io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"}
)

// labelled takes the names that are among labels.
func labelled(g *event.Cgroup, labels map[string]string) {
	first := func(keys []string) string {
		for _, k := range keys {
			if v := labels[k]; v != "" {
				return v
			}
		}
		return ""
	}
	pod, space := first(podKeys), first(spaceKeys)
	if pod != "" && space != "" && g.PodUID != "" {
		g.Pod = space + "/" + pod
	}
	g.Container = cmp.Or(first(containerKeys), g.Container)
}

// docker reads the daemon's file about the container. In Kubernetes its name is the kubelet's, which
// is made of the names that its labels tell.
func (c *cgroups) docker(g *event.Cgroup) bool {
	var state struct {
		Name   string
		Config struct{ Labels map[string]string }
	}
	if !c.read(&state, stateMax, "var/lib/docker/containers", g.ContainerID, "config.v2.json") {
		return false
	}
	if name := strings.TrimPrefix(state.Name, "/"); name != "" {
		g.Container = name
	}
	labelled(g, state.Config.Labels)
	g.Runtime = "docker"
	return true
}

// containerd reads the specification that the container was started from (config.json of the OCI).
func (c *cgroups) containerd(g *event.Cgroup) bool {
	for _, state := range []string{"run/containerd", "run/k3s/containerd"} {
		for _, space := range []string{"k8s.io", "default"} {
			if c.spec(g, state, "io.containerd.runtime.v2.task", space, g.ContainerID) {
				g.Runtime = "containerd"
				return true
			}
		}
	}
	return false
}

func (c *cgroups) spec(g *event.Cgroup, path ...string) bool {
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	if !c.read(&spec, stateMax, append(path, "config.json")...) {
		return false
	}
	labelled(g, spec.Annotations)
	return true
}

// storage is for the runtimes that keep containers in containers/storage: CRI-O and Podman.
func (c *cgroups) storage(g *event.Cgroup) bool {
	if c.spec(g, "run/containers/storage/overlay-containers", g.ContainerID, "userdata") && g.Container != g.ContainerID {
		g.Runtime = "cri-o"
		return true
	}
	var all []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	for _, file := range []string{"containers.json", "volatile-containers.json"} { // the latter of those with --rm
		all = nil
		c.read(&all, indexMax, "var/lib/containers/storage/overlay-containers", file)
		for _, one := range all {
			if one.ID == g.ContainerID && len(one.Names) > 0 {
				g.Container = one.Names[0]
				return true
			}
		}
	}
	return false
}

// ofLogs takes the names that the kubelet gives to logs: /var/log/pods/NAMESPACE_NAME_UID and
// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log. None of the names may have an underscore.
func (c *cgroups) ofLogs(g *event.Cgroup) {
	c.list("var/log/pods", func(entry string) bool {
		name, ok := strings.CutSuffix(entry, "_"+g.PodUID)
		space, pod, two := strings.Cut(name, "_")
		if ok && two {
			g.Pod = space + "/" + pod
		}
		return !ok
	})
	if g.Container != g.ContainerID || g.ContainerID == "" {
		return
	}
	c.list("var/log/containers", func(entry string) bool {
		name, ok := strings.CutSuffix(entry, "-"+g.ContainerID+".log")
		if f := strings.Split(name, "_"); ok && len(f) == 3 {
			g.Container = f[2]
		}
		return !ok
	})
}

// read decodes a file, if it is no longer than limit.
func (c *cgroups) read(into any, limit int64, path ...string) bool {
	f, err := os.Open(filepath.Join(append([]string{c.root}, path...)...))
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	return err == nil && int64(len(b)) <= limit && json.Unmarshal(b, into) == nil
}

// list gives the entries of a directory until each says that it is enough.
func (c *cgroups) list(path string, each func(entry string) (more bool)) {
	d, err := os.Open(filepath.Join(c.root, path))
	if err != nil {
		return
	}
	defer d.Close()
	for n := 0; n < logsListMax; n += 256 {
		names, err := d.Readdirnames(256)
		for _, name := range names {
			if !each(name) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// longest gives the path of /proc/PID/cgroup that is farthest from its root (cgroups(7)), as the kernel
// programs choose it. Of several the last counts: version 2 is at the end.
func longest(b []byte) []byte {
	best, depth := []byte("/"), 0
	for line := range bytes.Lines(b) {
		_, rest, _ := bytes.Cut(line, []byte{':'})
		_, path, ok := bytes.Cut(bytes.TrimSuffix(rest, []byte{'\n'}), []byte{':'})
		path = bytes.TrimSuffix(path, []byte(" (deleted)"))
		if n := bytes.Count(path, []byte{'/'}); ok && len(path) > 1 && n >= depth {
			best, depth = path, n
		}
	}
	return best
}

// ownPlace finds out what container we are in ourselves where the cgroup does not tell because
// it is the root of our cgroup namespace: the runtime mounts files of its own over some of /etc.
func ownPlace(mountinfo []byte) *event.Cgroup {
	g := &event.Cgroup{Path: "/"}
	for line := range bytes.Lines(mountinfo) {
		f := strings.Fields(string(line)) // proc_pid_mountinfo(5): root, mount point
		if len(f) < 5 || f[4] != "/etc/hostname" && f[4] != "/etc/hosts" && f[4] != "/etc/resolv.conf" {
			continue
		}
		dirs := strings.Split(f[3], "/")
		for i, d := range dirs[:len(dirs)-1] {
			switch next := dirs[i+1]; {
			case d == "containers" && isHex(next, 64):
				g.Container, g.ContainerID, g.Runtime = next, next, "docker"
			case d == "overlay-containers" && isHex(next, 64):
				g.Container, g.ContainerID, g.Runtime = next, next, "podman"
			case d == "pods" && isUUID(next):
				g.Pod, g.PodUID = next, next
			}
		}
	}
	if g.Container == "" && g.Pod == "" {
		return nil
	}
	return g
}
