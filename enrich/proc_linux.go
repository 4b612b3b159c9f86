package enrich

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"rustnet/bpf"
	"rustnet/track/event"
)

// procRoot reads a /proc tree. It belongs to one goroutine.
type procRoot struct {
	fd   int
	path string
	// own: the tree shows the PID namespace that we are in, so that loadavg's last PID is of its numbers.
	own    bool
	labels bool   // a security module labels processes
	follow uint32 // our number, where what we start is asked for; 0 = it is not
	groups *cgroups
	buf    []byte
	num    []byte // the name of a file, while it is asked for
	link   [64]byte
}

const (
	cmdlineMax = 4096 // as much as kernels up to 4.1 kept
	readMax    = 64 << 10
)

func openProc(path string, groups *cgroups) (*procRoot, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, fmt.Errorf("open %s: %w (try: mount -t proc proc %[1]s; or --process none, which looks for no owners)", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r := &procRoot{fd: fd, path: path, groups: groups, buf: make([]byte, readMax)}
	self, err := os.Readlink(path + "/self")
	r.own = err == nil && self == strconv.Itoa(os.Getpid())
	r.labels = r.label(fd, "self/attr/current") != ""
	if mounts, err := os.ReadFile(path + "/self/mountinfo"); err == nil {
		groups.own = ownPlace(mounts)
	}
	return r, nil
}

func (r *procRoot) close() { unix.Close(r.fd) }

// numbers appends the entries of an open directory that are numbers.
func (r *procRoot) numbers(fd int, dst []uint32) ([]uint32, error) {
	for {
		n, err := unix.Getdents(fd, r.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return dst, err
		}
		// struct linux_dirent64: ino, off, reclen at 16, type, name at 19
		for b := r.buf[:n]; len(b) > 19; {
			size := int(binary.NativeEndian.Uint16(b[16:]))
			if size < 20 || size > len(b) {
				break
			}
			name, _, _ := bytes.Cut(b[19:size], []byte{0})
			if v, ok := decimal(name); ok {
				dst = append(dst, v)
			}
			b = b[size:]
		}
	}
}

func decimal(b []byte) (v uint32, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint32(c-'0')
	}
	return v, true
}

// pids lists the processes (thread-group leaders).
func (r *procRoot) pids(dst []uint32) ([]uint32, error) {
	fd, err := unix.Openat(r.fd, ".", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return dst, fmt.Errorf("list %s: %w", r.path, err)
	}
	defer unix.Close(fd)
	return r.numbers(fd, dst)
}

// lastPID is the number that the kernel gave to the newest process or thread.
func (r *procRoot) lastPID() (uint32, bool) {
	if !r.own {
		return 0, false
	}
	b, err := r.readAt(r.fd, "loadavg", 256)
	if err != nil {
		return 0, false
	}
	b = bytes.TrimRight(b, "\n")
	return decimal(b[bytes.LastIndexByte(b, ' ')+1:])
}

// pathOf joins a PID and what is below it.
func (r *procRoot) pathOf(pid uint32, below string) string {
	r.num = strconv.AppendUint(r.num[:0], uint64(pid), 10)
	r.num = append(r.num, below...)
	return string(r.num)
}

// readAt reads up to limit bytes of a file. The result is valid until the next read.
func (r *procRoot) readAt(dir int, name string, limit int) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for n < limit {
		m, err := unix.Read(fd, r.buf[n:limit])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return r.buf[:n], nil
}

// socketAt gives the inode of the socket that is a process's descriptor, 0 when it is none.
func (r *procRoot) socketAt(pid, fd uint32) uint32 {
	r.num = strconv.AppendUint(r.num[:0], uint64(pid), 10)
	r.num = append(r.num, "/fd/"...)
	return r.socketLink(r.fd, strconv.AppendUint(r.num, uint64(fd), 10))
}

// socketIn is socketAt with the process's directory of descriptors open already.
func (r *procRoot) socketIn(dir int, fd uint32) uint32 {
	return r.socketLink(dir, strconv.AppendUint(r.num[:0], uint64(fd), 10))
}

// socketLink reads one link by the system call itself: this is done for every descriptor of every
// process, and the library's copies of the name would be most of the garbage there is.
func (r *procRoot) socketLink(dir int, name []byte) uint32 {
	r.num = append(name, 0)
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&r.num[0])),
		uintptr(unsafe.Pointer(&r.link[0])), uintptr(len(r.link)), 0, 0)
	if errno != 0 {
		return 0
	}
	return socketInode(r.link[:n])
}

// socketInode reads "socket:[4711]".
func socketInode(link []byte) uint32 { return inodeOf(link, "socket:[") }

// inodeOf reads the number that follows a kind of file in its link, 0 when it is another kind.
func inodeOf(link []byte, kind string) uint32 {
	rest, ok := bytes.CutPrefix(link, []byte(kind))
	if !ok {
		return 0
	}
	rest, ok = bytes.CutSuffix(rest, []byte("]"))
	if !ok {
		return 0
	}
	var n uint64
	for _, c := range rest {
		if n = n*10 + uint64(c-'0'); c < '0' || c > '9' || n > 1<<32-1 {
			return 0
		}
	}
	return uint32(n)
}

// isLeader tells whether a number is a process's and not a thread's: a thread can be looked up
// in /proc, though it is not listed.
func (r *procRoot) isLeader(pid uint32) bool {
	b, err := r.readAt(r.fd, r.pathOf(pid, "/status"), 4096)
	if err != nil {
		return false
	}
	_, b, _ = bytes.Cut(b, []byte("\nTgid:\t"))
	b, _, _ = bytes.Cut(b, []byte("\n"))
	v, ok := decimal(b)
	return ok && v == pid
}

// stat is what we use of /proc/PID/stat.
type stat struct {
	comm  string
	ppid  uint32
	start uint64 // clock ticks since boot; with the PID it names one process
}

func (r *procRoot) stat(dir int, name string) (stat, bool) {
	b, err := r.readAt(dir, name, 4096)
	if err != nil {
		return stat{}, false
	}
	return parseStat(b)
}

// parseStat reads "PID (comm) state ppid … starttime …" (proc_pid_stat(5)). comm may hold anything,
// also brackets and spaces: it ends at the last bracket.
func parseStat(b []byte) (s stat, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return s, false
	}
	s.comm = string(b[open+1 : end])
	const ppidField, startField = 1, 19 // counted from state = 0
	field := 0
	for rest := b[end+1:]; ; field++ {
		rest = bytes.TrimLeft(rest, " ")
		var f []byte
		if i := bytes.IndexByte(rest, ' '); i >= 0 {
			f, rest = rest[:i], rest[i:]
		} else {
			f, rest = rest, nil
		}
		switch field {
		case ppidField:
			if s.ppid, ok = decimal(f); !ok {
				return s, false
			}
		case startField:
			n, err := strconv.ParseUint(string(f), 10, 64)
			s.start = n
			return s, err == nil
		}
		if rest == nil {
			return s, false
		}
	}
}

// identity is a program, and when its process began.
type identity struct {
	program
	start uint64 // clock ticks since boot
}

// identify reads who a process is, provided it still holds the socket at the descriptor. All is
// read below one open directory, which stays the one process's even if its PID is given out again.
func (r *procRoot) identify(pid, fd, inode uint32) (id identity, ok bool) {
	dir, err := r.open(pid)
	if err != nil {
		return id, false
	}
	defer unix.Close(dir)
	if r.socketLink(dir, strconv.AppendUint(append(r.num[:0], "fd/"...), uint64(fd), 10)) != inode {
		return id, false
	}
	return r.about(dir)
}

// program reads who a process is, if it is the one that began at that tick.
func (r *procRoot) program(pid uint32, start uint64) (program, bool) {
	dir, err := r.open(pid)
	if err != nil {
		return program{}, false
	}
	defer unix.Close(dir)
	id, ok := r.about(dir)
	return id.program, ok && id.start == start
}

func (r *procRoot) open(pid uint32) (dir int, err error) {
	return unix.Openat(r.fd, r.pathOf(pid, ""), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// about reads all there is to know of the process whose directory that is.
func (r *procRoot) about(dir int) (id identity, ok bool) {
	for range 3 { // an exec between the reads makes them two programs'
		s, ok := r.stat(dir, "stat")
		if !ok {
			return id, false
		}
		id.comm, id.ppid, id.start = s.comm, s.ppid, s.start
		id.exe, id.exeDeleted = r.exe(dir)
		args, _ := r.readAt(dir, "cmdline", cmdlineMax)
		id.args = string(args)
		id.security = r.security(dir)
		after, ok := r.stat(dir, "stat")
		if !ok {
			return id, false
		}
		if after.comm == id.comm {
			break
		}
	}
	if b, err := r.readAt(dir, "cgroup", readMax); err == nil {
		id.cgroup = r.groups.of(longest(b))
	}
	id.followed = r.follow != 0 && r.descends(dir)
	id.ancestors = r.ancestors(id.ppid, id.start)
	if len(id.ancestors) > 0 {
		id.parent = id.ancestors[0]
	}
	return id, true
}

// ancestorsMax is how far up a process's ancestry is told; the kernel's programs go as far.
const ancestorsMax = len(bpf.ProcessEvent{}.Above)

const descentMax = 1000 // generations

// ancestors gives the names from the parent up. Nobody is younger than its child: a PID of which
// that is so was given out again.
func (r *procRoot) ancestors(pid uint32, child uint64) (names []string) {
	for pid != 0 && len(names) < ancestorsMax {
		name, s, ok := r.name(pid)
		if !ok || s.start > child {
			break
		}
		names = append(names, name)
		pid, child = s.ppid, s.start
	}
	return names
}

// descends tells whether we are above the process whose directory that is. One in between that ends meanwhile leaves its children
// to the next above that takes orphans in, which we do.
func (r *procRoot) descends(dir int) bool {
	for range 3 {
		s, ok := r.stat(dir, "stat")
		for n := 0; ok; n++ {
			if s.ppid == r.follow {
				return true
			}
			if s.ppid <= 1 || n == descentMax {
				return false
			}
			child := s.start
			s, ok = r.stat(r.fd, r.pathOf(s.ppid, "/stat"))
			ok = ok && s.start <= child // else it is another's PID by now
		}
	}
	return false
}

// name gives a process's full name.
func (r *procRoot) name(pid uint32) (name string, s stat, ok bool) {
	dir, err := r.open(pid)
	if err != nil {
		return "", s, false
	}
	defer unix.Close(dir)
	s, ok = r.stat(dir, "stat")
	if !ok || len(s.comm) < commMax {
		return s.comm, s, ok
	}
	args, _ := r.readAt(dir, "cmdline", cmdlineMax)
	exe, _ := r.exe(dir)
	return fullName(s.comm, exe, args), s, true
}

// exe gives the path of a process's program, "" when it may not be known. The kernel appends
// " (deleted)" when the file is gone: the path is what it was.
func (r *procRoot) exe(dir int) (path string, deleted bool) {
	var b [unix.PathMax]byte
	n, err := unix.Readlinkat(dir, "exe", b[:])
	if err != nil {
		return "", false
	}
	return strings.CutSuffix(string(b[:n]), " (deleted)")
}

// security reads what the process may do, as far as proc_pid_status(5) tells.
func (r *procRoot) security(dir int) event.Security {
	var caps uint64
	var seccomp, noNewPrivs uint8
	b, err := r.readAt(dir, "status", readMax)
	if err != nil || !parseStatus(b, &caps, &seccomp, &noNewPrivs) {
		return event.Security{}
	}
	userns := uint32(firstUserNS)
	n, err := unix.Readlinkat(dir, "ns/user", r.link[:])
	if err == nil {
		userns = inodeOf(r.link[:n], "user:[")
	}
	return securityOf(caps, userns, seccomp, noNewPrivs != 0, r.label(dir, "attr/current"))
}

// addresses lists those of the network namespace that a process is in.
func (r *procRoot) addresses(dir int) (all []netip.Addr) {
	if b, err := r.readAt(dir, "net/fib_trie", readMax); err == nil {
		all = parseFibTrie(all, b)
	}
	if b, err := r.readAt(dir, "net/if_inet6", readMax); err == nil {
		all = parseIfInet6(all, b)
	}
	return all
}

// parseFibTrie takes the local addresses from the routes of IPv4 (proc_pid_net(5)): a leaf's address, and
// below it what it is.
func parseFibTrie(all []netip.Addr, b []byte) []netip.Addr {
	var leaf []byte
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if rest, ok := bytes.CutPrefix(line, []byte("|-- ")); ok {
			leaf = rest
		} else if string(line) == "/32 host LOCAL" {
			if a, err := netip.ParseAddr(string(leaf)); err == nil && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// parseIfInet6 takes the first column, 32 digits (proc_pid_net(5)).
func parseIfInet6(all []netip.Addr, b []byte) []netip.Addr {
	for line := range bytes.Lines(b) {
		var a [16]byte
		if len(line) < 32 {
			continue
		}
		if _, err := hex.Decode(a[:], line[:32]); err == nil {
			all = append(all, netip.AddrFrom16(a))
		}
	}
	return all
}

// label reads the security module's label of a process. Modules that have none refuse.
func (r *procRoot) label(dir int, file string) string {
	b, err := r.readAt(dir, file, 4096)
	if err != nil {
		return ""
	}
	return string(bytes.TrimRight(b, "\x00\n"))
}

// parseStatus takes numbers from proc_pid_status(5). Those of kernels before 4.10 have not all of them.
func parseStatus(b []byte, caps *uint64, seccomp, noNewPrivs *uint8) (ok bool) {
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte{':'})
		bits := 8
		if string(key) == "CapEff" {
			bits = 64
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, bits)
		if err != nil {
			continue
		}
		switch string(key) {
		case "CapEff":
			*caps, ok = n, true
		case "Seccomp":
			*seccomp = uint8(n)
		case "NoNewPrivs":
			*noNewPrivs = uint8(n)
		}
	}
	return ok
}
