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
	found, out := namespaces("/proc", "/run/netns", own.netns)
	out.noProc = own.netns == 0
	done := make(chan []*Conn)
	go onThread(func() {
		var more []*Conn
		for _, n := range found {
			c, err := n.open()
			switch {
			case err == nil:
				more = append(more, c)
			case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH): // else it has gone with its processes
				out.closed, out.why = out.closed+1, err
			}
		}
		done <- more
	})
	return append(conns, <-done...), out.err()
}

// leftOut is which namespaces are not read.
type leftOut struct {
	closed   int // could not be entered
	why      error
	noProc   bool
	hidden   int // processes whose namespace is not shown to us
	tooMany  int
	unlisted error // why they could not even be listed
}

// err is nil where there are none.
func (l *leftOut) err() error {
	var left []string
	if l.closed > 0 {
		need := ""
		if errors.Is(l.why, os.ErrPermission) {
			need = "; needs CAP_SYS_ADMIN"
		}
		left = append(left, fmt.Sprintf("%d that could not be entered (%v%s)", l.closed, l.why, need))
	}
	if l.noProc {
		left = append(left, "those without a name in /run/netns, since /proc does not show the processes here (try: mount -t proc proc /proc)")
	} else if l.unlisted != nil {
		left = append(left, fmt.Sprintf("those that could not be listed (%v)", l.unlisted))
	}
	if l.hidden > 0 {
		why := "needs CAP_SYS_PTRACE"
		if Capable(unix.CAP_SYS_PTRACE) { // a security module, or processes of an outer user namespace
			why = "CAP_SYS_PTRACE does not reach them"
		}
		left = append(left, fmt.Sprintf("those of processes that are hidden from us, %d in number (%s)", l.hidden, why))
	}
	if l.tooMany > 0 {
		left = append(left, fmt.Sprintf("%d beyond the first %d", l.tooMany, namespacesMax))
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("network namespaces left out: %s", strings.Join(left, ", "))
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
	path, proc string   // proc is its /proc/PID/net, of one that no process runs in a name that is not there
	more       []string // other paths
}

// namespaces finds those other than own, of the processes that proc shows and of the names in names.
func namespaces(proc, names string, own uint32) (found []namespace, out leftOut) {
	seen := map[uint32]int{own: -1} // places in found; -1: it is not there
	add := func(path, proc string) error {
		inode, err := namespaceOf(path)
		if err != nil {
			return err
		}
		switch i, known := seen[inode]; {
		case known && i >= 0 && len(found[i].more) < 4:
			found[i].more = append(found[i].more, path) // should the process before it end meanwhile
		case known:
		case len(found) == namespacesMax:
			seen[inode] = -1
			out.tooMany++
		default:
			seen[inode] = len(found)
			found = append(found, namespace{inode: inode, path: path, proc: proc})
		}
		return nil
	}
	processes, err := os.ReadDir(proc)
	out.unlisted = err
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		place := proc + "/" + p.Name()
		err := add(place+"/ns/net", place+"/net")
		// Of a process that has just ended the kernel says the same.
		if errors.Is(err, os.ErrPermission) && unix.Access(place, unix.F_OK) == nil {
			out.hidden++
		}
	}
	named, err := os.ReadDir(names)
	if out.unlisted == nil && !errors.Is(err, os.ErrNotExist) {
		out.unlisted = err
	}
	for _, n := range named {
		add(names+"/"+n.Name(), "/proc/0/net")
	}
	slices.SortFunc(found, func(a, b namespace) int { return cmp.Compare(a.inode, b.inode) })
	return found, out
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
	for err == unix.ENOENT && len(n.more) > 0 {
		n.path, n.more = n.more[0], n.more[1:]
		n.proc = strings.TrimSuffix(n.path, "/ns/net") + "/net"
		fd, err = unix.Open(n.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
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
