package enrich

import (
	"strings"

	"rustnet/track/event"
)

// A cgroup's path says who put a process there. The forms are those that runtimes have used since version 1
// of cgroups, with the drivers "cgroupfs" (directories) and "systemd" (slices and scopes), one inside the
// other where containers run in containers: the innermost counts.

// scopes are what stands before a container's identifier.
var scopes = []struct{ prefix, runtime string }{
	{"docker-", "docker"},
	{"libpod-payload-", "podman"}, // in the cgroup of a unit: Quadlet
	{"libpod-", "podman"},
	{"cri-containerd-", "containerd"},
	{"containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
}

// parents are whose directory a bare identifier is in; those of containerd are its namespaces.
var parents = map[string]string{
	"docker":  "docker",
	"ecs":     "docker",
	"default": "containerd",
	"k8s.io":  "containerd",
	"moby":    "docker",
}

// placeOf reads a cgroup's path. What it does not tell stays empty.
func placeOf(path string) *event.Cgroup {
	g := &event.Cgroup{Path: path}
	var before, further string // the component before, and the one before that
	// Below the user's own systemd, where the user makes and names control groups: of what is there nothing is the system's unit.
	user := false
	for rest := path; rest != ""; {
		var c string
		c, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if uid := podOf(c, before); uid != "" {
			g.Pod, g.PodUID = uid, uid
		}
		user = placeUnit(g, c, user)
		placeContainer(g, c, before, further)
		further, before = before, c
	}
	return g
}

// placeContainer takes a component that names a container.
func placeContainer(g *event.Cgroup, c, before, further string) {
	if id, runtime := containerID(c, before, further); id != "" {
		g.Container, g.ContainerID, g.Runtime = id, id, runtime
	} else if name, runtime := containerName(c, before); name != "" {
		g.Container, g.ContainerID, g.Runtime = name, "", runtime
	}
}

// ofUser tells whether it is below a user's own systemd.
func ofUser(g *event.Cgroup) bool {
	return strings.HasPrefix(g.Unit, "user@") && strings.HasSuffix(g.Unit, ".service")
}

// containerID is for runtimes that number their containers.
func containerID(c, before, further string) (id, runtime string) {
	c = strings.TrimSuffix(c, ".scope")
	// systemd's triple of slice, prefix and name, where it was given to the cgroupfs driver.
	if f := strings.Split(c, ":"); len(f) == 3 {
		c = f[1] + "-" + f[2]
	}
	if isHex(c, 64) {
		if runtime = parents[before]; runtime == "" && (further == "ecs" || strings.HasPrefix(before, "ecstasks-")) {
			runtime = "docker"
		}
		return c, runtime
	}
	for _, s := range scopes {
		if id, ok := strings.CutPrefix(c, s.prefix); ok && isHex(id, 64) {
			return id, s.runtime
		}
	}
	switch {
	case before == "buildkit" && len(c) == 25 && isWord(c):
		return c, "buildkit"
	case further == "ecs" && len(c) > 33 && isHex(c[:32], 32) && c[32] == '-': // Fargate
		return c, "containerd"
	}
	return "", ""
}

// containerName is for runtimes that name them.
func containerName(c, before string) (name, runtime string) {
	if before == "lxc" || before == "lxc.payload" {
		return c, "lxc"
	}
	if name, ok := strings.CutPrefix(c, "lxc.payload."); ok {
		return name, "lxc"
	}
	if name, ok := strings.CutPrefix(c, "systemd-nspawn@"); ok && strings.HasSuffix(name, ".service") {
		return unescape(strings.TrimSuffix(name, ".service")), "nspawn"
	}
	name, ok := strings.CutPrefix(c, "machine-")
	if name, scope := strings.CutSuffix(name, ".scope"); ok && scope {
		switch name = unescape(name); {
		case strings.HasPrefix(name, "qemu-"):
			return "", "" // a machine indeed
		case strings.HasPrefix(name, "lxc-"): // libvirt's own: lxc-PID-NAME
			_, name, _ = strings.Cut(name[len("lxc-"):], "-")
			return name, "libvirt"
		}
		return name, "nspawn"
	}
	return "", ""
}

// podOf gives the identifier of the pod that a component stands for.
func podOf(c, before string) string {
	c, _, _ = strings.Cut(c, ":")
	if id, ok := strings.CutPrefix(c, "machine-libpod_pod_"); ok {
		if id, ok := strings.CutSuffix(id, ".slice"); ok && isHex(id, 64) {
			return id
		}
	}
	if before == "libpod_parent" && isHex(c, 64) {
		return c
	}
	uid, slice := strings.CutSuffix(c, ".slice")
	if slice {
		i := strings.LastIndex(uid, "-pod")
		if i < 0 || !strings.Contains(uid[:i], "kubepods") {
			return ""
		}
		uid = strings.ReplaceAll(uid[i+len("-pod"):], "_", "-")
	} else {
		var ok bool
		if uid, ok = strings.CutPrefix(c, "pod"); !ok || before != "kubepods" && before != "burstable" && before != "besteffort" && before != "guaranteed" {
			return ""
		}
	}
	if isUUID(uid) || isHex(uid, 32) { // a static pod's is a digest of its file
		return uid
	}
	return ""
}

// placeUnit takes a component that is a unit or slice of systemd, and tells whether what follows is of
// the user's own systemd.
func placeUnit(g *event.Cgroup, c string, user bool) bool {
	unit := strings.TrimPrefix(c, "_") // which keeps names apart that would be the kernel's own files
	switch {
	case strings.HasSuffix(c, ".slice"):
		if !user {
			g.Slice, g.Unit, g.UserUnit = unit, "", ""
		}
	case !isUnit(c):
	case user:
		g.UserUnit = unit
	default:
		g.Unit, g.UserUnit = unit, ""
		return strings.HasPrefix(c, "user@") && strings.HasSuffix(c, ".service")
	}
	return user
}

// isUnit tells names of units that have processes (systemd.unit(5)).
func isUnit(c string) bool {
	for _, kind := range []string{".service", ".scope", ".socket", ".mount", ".swap"} {
		if len(c) > len(kind) && strings.HasSuffix(c, kind) {
			return true
		}
	}
	return false
}

// unescape undoes what systemd-escape(1) does to the name of a machine: \xNN for a byte.
func unescape(name string) string {
	if !strings.Contains(name, `\x`) {
		return name
	}
	b := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if len(name) >= i+4 && name[i] == '\\' && name[i+1] == 'x' && isHex(name[i+2:i+4], 2) {
			b = append(b, hexDigit(name[i+2])<<4|hexDigit(name[i+3]))
			i += 3
			continue
		}
		b = append(b, name[i])
	}
	return string(b)
}

func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func isWord(s string) bool {
	return strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && isHex(strings.ReplaceAll(s, "-", ""), 32)
}
