// Package bpf is what rustnet runs in the kernel: programs that say whose socket it is, from hooks
// that run in the process that opens, uses and closes it.
//
// The programs are in C, compiled by `go generate` and embedded as objects, which fit any kernel that has BTF of
// itself (CO-RE), or that a file of it is there for: one object is for Linux 5.12 and later, the other needs nothing
// that came after 5.4. Each program is loaded by itself: what a kernel refuses is left out, and said in Report.
package bpf

import (
	"errors"
	"fmt"
)

//go:generate ./compile.sh

// Config is for tests and unusual systems; zero values are right for others.
type Config struct {
	CgroupRoot string   // mount of cgroup version 2, default: the one in /proc/self/mounts
	Without    []string // programs that are not loaded, as if the kernel refused them
	// Follow marks what is told of sockets of the processes that we start from now on, and of theirs.
	Follow bool
	// Types is a file with the BTF of this kernel, for where it has none of itself; "" = the kernel's own.
	Types     string
	Older     bool // as if the kernel were older than 5.12
	NoRing    bool // and older than 5.8; only together with Older
	RingBytes int  // of the ring buffer: a power of two and pages; 0 = what is right for a busy machine
}

// Kind says what a SocketEvent or ProcessEvent tells.
type Kind uint16

// They are the C file's enum kind.
const (
	Used      Kind = iota + 1 // the process connected the socket, sent or received through it
	Listens                   // waits for connections at Local
	Bound                     // took a port of its choice; not TCP
	Peer                      // sent to or received from Remote through a socket that is not connected
	Released                  // the last descriptor is gone; the process counts where nothing better is known
	Late                      // Released, of a socket that was not told before: with its addresses
	Found                     // has a descriptor of it: only from Hooks.Sockets
	Destroyed                 // no process is told
	Created                   // no addresses yet

	Process Kind = iota + 7 // a program, told before the first of its sockets, and again after exec
	Renamed                 // only Comm is told
	Exited                  // its sockets are closed after this
	Moved                   // only the cgroup is told
)

// Flags of a SocketEvent.
const (
	Shared = 1 << iota // other sockets may have the same port: SO_REUSEADDR, SO_REUSEPORT
	V6Only
	Followed // see Config.Follow; of the owner
	Several  // processes have used it: if it is not connected, Peer tells who has to do with whom
)

// Types of sockets, as socket(2) numbers them.
const (
	Stream   = 1
	Datagram = 2
	Raw      = 3
)

// Header is what all events begin with.
type Header struct {
	Start uint64 // when the process began: nanoseconds since boot; with PID it names one process
	PID   uint32 // thread-group leader; 0 = not told, or not in our PID namespace
	Kind  Kind
	Proto uint16 // of the socket: IPPROTO_
}

// SocketEvent is struct sock_event of the C file.
type SocketEvent struct {
	Header
	TS            int64  // nanoseconds since the epoch, 0 = not told
	Cookie        uint64 // names the socket for good
	Local, Remote [16]byte
	UID           uint32 // whose the socket is
	NetNS         uint32 // inode of the network namespace, 0 = not told
	LocalPort     uint16 // of ping sockets the echo identifier; 0 of raw ones
	RemotePort    uint16
	Family        uint8 // 2 is IPv4, 10 IPv6
	Type          uint8
	State         uint8 // include/net/tcp_states.h
	Flags         uint8
}

// ProcessEvent is struct proc_event of the C file.
type ProcessEvent struct {
	Header
	TS         int64  // nanoseconds since the epoch
	Caps       uint64 // effective
	UserNS     uint32 // inode of the user namespace
	ArgsLen    uint32 // length of all arguments; what was read may be less
	ExeSize    uint16 // of what follows in the ring, which is given beside it
	CgroupSize uint16
	ArgsSize   uint16
	ExeCut     bool // the path is longer than what was read
	ExeDeleted bool // the file has no name (any more)
	AboveSize  uint8
	Seccomp    uint8 // prctl(2) PR_GET_SECCOMP
	NoNewPrivs bool
	_          [5]byte
	Comm       [16]byte
	ParentExe  [64]byte // the file's name only
	Above      [12]Ancestor
}

// Ancestors of the process, the parent first.
func (e *ProcessEvent) Ancestors() []Ancestor { return e.Above[:min(int(e.AboveSize), len(e.Above))] }

// Ancestor is struct ancestor of the C file: what names a process for good, and what it is called.
type Ancestor struct {
	Start uint64
	PID   uint32 // 0 = not in our PID namespace
	Comm  [16]byte
	_     [4]byte
}

// Texts is what follows a ProcessEvent in the ring. Paths are components, each ended by a zero, the last
// one first; arguments are each ended by a zero.
type Texts struct {
	Exe, Args []byte
	// Cgroup is the path from the root of the hierarchy where it is the longest, whatever cgroup
	// namespace we are in. Empty is the root.
	Cgroup []byte
	// CgroupCut says that there may be more above: whoever may make control groups can put one into another as often as they like.
	CgroupCut bool
}

// Losses counts what did not reach us.
type Losses struct {
	Ring    uint64 // the ring was full; sockets are told again when they are used again
	Storage uint64 // no memory for what belongs to a socket, or for one more process that is followed
	Scratch uint64 // two programs of one core were interrupted while they told of a process
}

// Hook is one program's fate.
type Hook struct {
	Name string // of the program
	At   string // where it is attached, as bpftool and the C file call it
	// Err says why it is not in use; nil = it is.
	Err error
	// Unneeded: another hook does its work. Err is nil then.
	Unneeded bool
	// InsteadOf are the better hooks whose work it does; Report says of each why it could not be had.
	InsteadOf []string
	// Lost is what is not told because neither it nor what does all of its work is in use.
	Lost string
	By   []string // of one that is not in use: where those are that do its work, or a part of it
}

// ErrNoCgroups is a hook's that has nowhere to be attached.
var ErrNoCgroups = fmt.Errorf("no cgroup2 file system is mounted (try: mount -t cgroup2 none /mnt): %w", errors.ErrUnsupported)

// RefusedError is Open's when the kernel took none of the programs that name owners.
type RefusedError struct {
	Hooks []Hook // of each, what became of it
	First error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("no kernel program could be attached: %v", e.First)
}
func (e *RefusedError) Unwrap() error { return e.First }

// Why says in a few words why the program is not in use: "" when it is.
func (h Hook) Why() string {
	switch {
	case h.Unneeded:
		return "another hook does its work"
	case h.Err == nil:
		return ""
	}
	return why(h.At, h.Err)
}

// Handler takes the events. What it is given is overwritten by the next.
type Handler interface {
	Socket(*SocketEvent)
	Process(*ProcessEvent, Texts)
}

// EndEvent is struct end_event of ends.bpf.c: a socket has come to its end. That is, a TCP socket is in no
// state any more; of others the last descriptor is gone.
type EndEvent struct {
	TS             int64 // nanoseconds since the epoch
	Cookie         uint64
	Sent, Received uint64 // payload of TCP, each byte once; a FIN that came is one of Received
	Local, Remote  [16]byte
	NetNS          uint32
	RTTMicros      uint32 // smallest, all ones = none was measured
	Retransmits    uint32
	LocalPort      uint16 // of ping sockets the echo identifier
	RemotePort     uint16 // 0 = not connected
	Errno          uint16 // the socket's
	Family         uint8
	Proto          uint8
	From           uint8 // TCP state before
	Flags          uint8 // Shared, V6Only, GotFIN, Orphaned
	_              [2]byte
}

// Flags of an EndEvent of TCP: the other end's FIN had come, and no process had the socket any more.
const (
	GotFIN   = 4
	Orphaned = 8
)
