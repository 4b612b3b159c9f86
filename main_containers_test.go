//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cgroup makes a cgroup of version 2 that goes with the test.
func cgroup(t *testing.T, path string) (dir string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir = f[1]
			break
		}
	}
	if dir == "" {
		t.Skip("needs a mounted cgroup2 file system")
	}
	for c := range strings.SplitSeq(path[1:], "/") {
		dir = filepath.Join(dir, c)
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			t.Skipf("needs a cgroup of its own: %v", err)
		}
		made := dir
		t.Cleanup(func() {
			eventually(t, made+" to be empty", func() bool { return os.Remove(made) == nil }) // processes that were killed take their time
		})
	}
	return dir
}

// owned is what a record says of who has which end.
type owned struct {
	Event, Proto, Pod string
	LocalAddr         string `json:"local_addr"`
	LocalPort         int    `json:"local_port"`
	RemotePort        int    `json:"remote_port"`
	PID               int
	ContainerID       string `json:"container_id"`
	Runtime           string `json:"container_runtime"`
	PeerPID           int    `json:"peer_pid"`
	PeerContainer     string `json:"peer_container"`
	HTTPPath          string `json:"http_path"`
	NATLocalAddr      string `json:"nat_local_addr"`
}

// party is one process of a test and the container that it is in.
type party struct {
	pid       int
	container string
}

// TestContainers: two containers of a bridge whose traffic is masqueraded, one of which has a published port. Their
// programs live milliseconds, and the ends on the wire are not those of their sockets.
func TestContainers(t *testing.T) {
	needs(t, true, "ip", "nsenter", "nft", "curl", "python3")
	t.Parallel()
	host, web, job, world := newNamespace(t, "h"), newNamespace(t, "a"), newNamespace(t, "b"), newNamespace(t, "w")
	ids := map[string]string{web: strings.Repeat("a1", 32), job: strings.Repeat("b2", 32), host: "", world: ""}
	const pod = "91a8fc3a-0ecf-48b4-81bf-78a7275d348c"
	groups := map[string]string{
		web: cgroup(t, "/kubepods.slice/kubepods-pod"+strings.ReplaceAll(pod, "-", "_")+".slice/cri-containerd-"+ids[web]+".scope"),
		job: cgroup(t, "/system.slice/docker-"+ids[job]+".scope"),
	}
	must(t, "ip", "-n", host, "link", "add", "br0", "type", "bridge")
	for ns, addr := range map[string]string{web: "2", job: "3"} {
		dev := "veth" + addr
		must(t, "ip", "-n", host, "link", "add", dev, "type", "veth", "peer", "name", "eth0", "netns", ns)
		must(t, "ip", "-n", host, "link", "set", dev, "master", "br0", "up")
		must(t, "ip", "-n", ns, "addr", "add", "10.88.0."+addr+"/24", "dev", "eth0")
	}
	must(t, "ip", "-n", host, "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", world)
	for _, a := range [][3]string{{host, "br0", "10.88.0.1/24"}, {host, "up0", "198.51.100.1/24"}, {world, "eth0", "198.51.100.2/24"}} {
		must(t, "ip", "-n", a[0], "addr", "add", a[2], "dev", a[1])
		must(t, "ip", "-n", a[0], "link", "set", a[1], "up")
	}
	for _, ns := range []string{web, job} {
		must(t, "ip", "-n", ns, "link", "set", "eth0", "up")
		must(t, "ip", "-n", ns, "route", "add", "default", "via", "10.88.0.1")
	}
	must(t, in(host, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")...)
	must(t, in(host, "nft", `table ip nat {
		chain post { type nat hook postrouting priority 100; oifname "up0" ip saddr 10.88.0.0/24 masquerade; }
		chain pre { type nat hook prerouting priority -100; ip daddr 198.51.100.1 tcp dport 8080 dnat to 10.88.0.2:80; }
		chain out { type nat hook output priority -100; ip daddr 198.51.100.1 tcp dport 8080 dnat to 10.88.0.2:80; }
	}`)...)

	// run is the command line of a program in a namespace and its cgroup.
	run := func(ns string, args ...string) []string {
		return in(ns, append([]string{"sh", "-c", `[ -z "$0" ] || echo $$ > "$0/cgroup.procs"; exec "$@"`, groups[ns]}, args...)...)
	}
	const udp = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
	servers := map[string]party{}
	for _, s := range []struct{ ns, proto, port, code string }{
		{web, "tcp", "80", ""}, {world, "tcp", "80", ""}, {host, "tcp", "80", ""},
		{world, "udp", "5353", udp + "s.bind(('',5353))\nwhile True:\n d,a=s.recvfrom(99)\n s.sendto(d,a)"},
	} {
		args := []string{"python3", "-S", "-m", "http.server", s.port}
		if s.code != "" {
			args = []string{"python3", "-S", "-c", s.code}
		}
		servers[s.ns+s.proto] = party{background(t, run(s.ns, args...)...).Pid, ids[s.ns]}
		waitListening(t, s.ns, s.port)
	}
	w := watch(t, in(host, "rustnet", "--json", "--settle", "0")...)
	w.until("a probe", func(r *record) bool { return r.RemotePort == 9 }, func() {
		exec.Command("nsenter", in(host, "bash", "-c", "echo > /dev/udp/198.51.100.2/9")[1:]...).Run()
	})

	type wanted struct{ client, server party }
	want := map[string]wanted{} // by path, or by the client's port
	start := func(ns string, args ...string) (int, string) {
		t.Helper()
		line := run(ns, args...)
		cmd := exec.Command(line[0], line[1:]...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
		return cmd.Process.Pid, strings.TrimSpace(string(out))
	}
	const repetitions = 3
	for i := range repetitions {
		for _, c := range []struct{ name, from, url, to string }{
			{"masquerade", job, "http://198.51.100.2", world},
			{"direct", job, "http://10.88.0.2", web},
			{"published", world, "http://198.51.100.1:8080", web},
			{"published-here", host, "http://198.51.100.1:8080", web},
			{"hairpin", job, "http://198.51.100.1:8080", web},
			{"to-container", host, "http://10.88.0.2", web},
			{"to-host", job, "http://10.88.0.1", host},
		} {
			path := fmt.Sprintf("/%s/%d", c.name, i)
			pid, _ := start(c.from, "curl", "-s", "-o", "/dev/null", "-m", "60", c.url+path)
			want[path] = wanted{party{pid, ids[c.from]}, servers[c.to+"tcp"]}
		}
		for _, send := range []string{"s.sendto(b'x',a)", "s.connect(a);s.send(b'x')"} {
			pid, port := start(job, "python3", "-S", "-c", udp+"a=('198.51.100.2',5353);s.settimeout(60);"+send+";s.recv(9);print(s.getsockname()[1])")
			want[port] = wanted{party{pid, ids[job]}, servers[world+"udp"]}
		}
	}
	w.until("a packet after all", func(r *record) bool { return r.RemotePort == 10 }, func() {
		exec.Command("nsenter", in(host, "bash", "-c", "echo > /dev/udp/198.51.100.2/10")[1:]...).Run()
	})
	w.end()
	checkPromises(t, w.ndjson.String())

	seen := map[string]int{}
	for d := json.NewDecoder(strings.NewReader(w.ndjson.String())); ; {
		var r owned
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		key := r.HTTPPath
		if r.Proto == "udp" && r.RemotePort == 5353 {
			key = strconv.Itoa(r.LocalPort)
		}
		c, ok := want[key]
		if !ok || r.Event == "updated" {
			continue
		}
		seen[key+r.Event]++
		local, remote := c.client, c.server
		if r.RemotePort != 80 && r.RemotePort != 8080 && r.RemotePort != 5353 {
			local, remote = remote, local
		}
		if r.PID != local.pid || r.ContainerID != local.container || r.PeerPID != remote.pid && r.Event == "closed" || r.PeerContainer != remote.container && r.Event == "closed" {
			t.Errorf("%s: got %+v, want %+v and %+v", key, r, local, remote)
		}
		if local.container == ids[web] && (r.Pod != pod || r.Runtime != "containerd") || local.container == ids[job] && (r.Pod != "" || r.Runtime != "docker") {
			t.Errorf("%s: got %+v, want its runtime and pod", key, r)
		}
		if strings.HasPrefix(key, "/masquerade") && (r.LocalAddr == "198.51.100.1" && r.NATLocalAddr != "10.88.0.3" || r.LocalAddr == "10.88.0.3" && r.NATLocalAddr != "198.51.100.1") ||
			strings.HasPrefix(key, "/published") && r.LocalAddr == "198.51.100.1" && r.LocalPort == 8080 && r.NATLocalAddr != "10.88.0.2" {
			t.Errorf("%s: got %+v, want the address on the other side of the translation", key, r)
		}
	}
	for key := range want {
		n := 2 // on both sides of the translation
		if strings.HasPrefix(key, "/direct") || strings.HasPrefix(key, "/to-") || strings.HasPrefix(key, "/published-here") {
			n = 1
		}
		if seen[key+"closed"] != n {
			t.Errorf("%s: closed %d times, want %d", key, seen[key+"closed"], n)
		}
	}
	if t.Failed() {
		t.Logf("%s", w.stderr.String())
	}
}
