package sockets

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// namespacesMax bounds how many network namespaces are read at once.
const namespacesMax = 1024

// OpenAll opens the tables of every network namespace that a process runs in or that ip-netns(8) gave a
// name, our own first. What is left out, err says; the tables that could be opened are there in any case
// but when conns is empty. Other namespaces need CAP_SYS_ADMIN, and other users' processes CAP_SYS_PTRACE.
func OpenAll() (conns []*Conn, err error) {
	own, err := Open()
	if err != nil {
		return nil, err
	}
	own.netns, _ = namespaceOf("/proc/self/ns/net")
	conns = append(conns, own)
	found, hidden := namespaces(own.netns)
	type opened struct {
		conns  []*Conn
		closed int
		err    error
	}
	done := make(chan opened)
	go onThread(func() {
		var o opened
		for _, n := range found {
			c, err := n.open()
			if err != nil {
				o.closed, o.err = o.closed+1, err
				continue
			}
			o.conns = append(o.conns, c)
		}
		done <- o
	})
	o := <-done
	conns = append(conns, o.conns...)
	var left []string
	if o.closed > 0 {
		left = append(left, fmt.Sprintf("%d that could not be entered (%v; needs CAP_SYS_ADMIN)", o.closed, o.err))
	}
	if own.netns == 0 {
		left = append(left, "those without a name in /run/netns, since /proc does not show the processes here (try: mount -t proc proc /proc)")
	}
	if hidden > 0 {
		why := "needs CAP_SYS_PTRACE"
		if Capable(unix.CAP_SYS_PTRACE) { // a security module, or processes of an outer user namespace
			why = "CAP_SYS_PTRACE does not reach them"
		}
		left = append(left, fmt.Sprintf("those of processes that are hidden from us, %d in number (%s)", hidden, why))
	}
	if len(left) == 0 {
		return conns, nil
	}
	return conns, fmt.Errorf("network namespaces left out: %s", strings.Join(left, ", "))
}

// Capable tells whether the calling thread has these capabilities, all with numbers below 32.
func Capable(caps ...int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return false
	}
	for _, c := range caps {
		if data[0].Effective>>c&1 == 0 {
			return false
		}
	}
	return true
}

// onThread runs what changes its thread's namespace on one that ends with it, and that is not the process's first: by that one's
// namespace everybody knows the process (ip netns pids and who kills those, OwnNetNS), and Go does not end it.
func onThread(do func()) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		do() // the thread stays locked, and so ends with the goroutine
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() { // while the first is held here, it gets another
		defer close(done)
		onThread(do)
	}()
	<-done
}

// OwnNetNS is the inode of our own network namespace, 0 where it is not known.
func OwnNetNS() uint32 {
	inode, _ := namespaceOf("/proc/self/ns/net")
	return inode
}

// namespace is a network namespace and a path that leads to it.
type namespace struct {
	inode      uint32
	path, proc string // proc is its /proc/PID/net, of one that no process runs in a name that is not there
}

// namespaces finds those other than own, and counts the processes whose namespace is not shown to us.
func namespaces(own uint32) (found []namespace, hidden int) {
	seen := map[uint32]bool{own: true}
	add := func(path, proc string) error {
		inode, err := namespaceOf(path)
		if err == nil && !seen[inode] && len(found) < namespacesMax {
			seen[inode] = true
			found = append(found, namespace{inode, path, proc})
		}
		return err
	}
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		err := add("/proc/"+p.Name()+"/ns/net", "/proc/"+p.Name()+"/net")
		// Of a process that has just ended the kernel says the same.
		if errors.Is(err, os.ErrPermission) && unix.Access("/proc/"+p.Name(), unix.F_OK) == nil {
			hidden++
		}
	}
	named, _ := os.ReadDir("/run/netns")
	for _, n := range named {
		add("/run/netns/"+n.Name(), "/proc/0/net")
	}
	slices.SortFunc(found, func(a, b namespace) int { return cmp.Compare(a.inode, b.inode) })
	return found, hidden
}

func namespaceOf(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return uint32(st.Ino), nil
}

// open opens its tables. It leaves the thread there.
func (n *namespace) open() (*Conn, error) {
	fd, err := unix.Open(n.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", n.path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter %s: %w", n.path, err)
	}
	c, err := open(n.proc)
	if err == nil {
		c.netns = n.inode
	}
	return c, err
}
