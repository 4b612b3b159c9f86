// Package sockets reads the kernel's socket tables: which sockets there are, in which state, whose.
//
// Of the network namespace it runs in it needs no privilege.
package sockets

import (
	"errors"
	"net/netip"
)

// Protocols as Dump takes them: IPPROTO_ numbers. Raw stands for the raw sockets of every
// protocol, ICMP and ICMP6 for the datagram ("ping") sockets of those two.
const (
	ICMP    uint8 = 1
	TCP     uint8 = 6
	UDP     uint8 = 17
	ICMP6   uint8 = 58
	SCTP    uint8 = 132
	UDPLite uint8 = 136
	Raw     uint8 = 255
)

// States that readers ask for by name: include/net/tcp_states.h.
const (
	Established uint8 = 1
	SynSent     uint8 = 2
	SynRecv     uint8 = 3
	FinWait1    uint8 = 4
	FinWait2    uint8 = 5
	TimeWait    uint8 = 6
	Close       uint8 = 7 // also every unconnected UDP and raw socket
	CloseWait   uint8 = 8
	LastAck     uint8 = 9
	Listen      uint8 = 10
	Closing     uint8 = 11
)

// ErrNotFound is Get's answer when the kernel has no such socket.
var ErrNotFound = errors.New("no such socket")

// errTooMany says that a table had more sockets than the reader was told to keep.
var errTooMany = errors.New("more sockets than the limit")

// Socket is one row of the kernel's tables, as sock_diag(7) gives it, or GetExtendedTcpTable.
type Socket struct {
	Proto         uint8          // IPPROTO_; of a raw socket, the protocol it was made for
	State         uint8          // see the constants; SCTP has states of its own
	Raw           bool           // a raw socket
	V6Only        bool           // a v6 socket bound to :: that takes no IPv4; known of listening and unconnected ones
	Local, Remote netip.AddrPort // v4-mapped addresses unmapped
	Inode         uint32         // 0 when no process has a descriptor yet or any more: TIME_WAIT, SYN_RECV, not accepted. On Windows its process's PID
	UID           uint32         // who made the socket
	Cookie        uint64         // one socket's for its life, 0 when read from /proc/net; TIME_WAIT gets a new one
	Created       int64          // nanoseconds since the epoch, 0 = the tables do not say
	Iface         uint32         // ifindex it is bound to, 0 = any; so is one with a link-local end
	IfaceName     string         // of that, "" where it is gone; only in a Table
	NetNS         uint32         // inode of its network namespace, 0 = the reader's own
	// TCP_INFO, for TCP sockets that have it: only from Dump.
	HasInfo                   bool
	BytesAcked, BytesReceived uint64 // payload, RFC 4898
	BytesSent                 uint64 // payload, each byte once; where HasSent is set
	HasSent                   bool
	SegsOut, SegsIn           uint32 // the kernel's count, see track
	MinRTTMicros              uint32 // 0 = none measured yet
	Retransmits               uint32 // segments sent again so far
	IdleMillis                uint32 // since data or an acknowledgement last went either way
}

// Connected tells whether the socket has a remote end.
func (s *Socket) Connected() bool { return s.Remote.Port() != 0 }

// Table is one complete reading of the tables.
type Table struct {
	TS      int64 // nanoseconds since the epoch, when the reading began
	Sockets []Socket
	// Err says why the reading is not complete, and Failed for which protocols: what is missing of
	// those may still be there.
	Err    error
	Failed []uint8
	// Lost counts sockets beyond the limit, which were not kept.
	Lost uint64
	// Ephemeral is the range that the kernel takes local ports from for sockets that ask for none.
	Ephemeral [2]uint16

	release func(*Table)
}

// Release gives the table back to the poller; nothing of it may be used afterwards.
func (t *Table) Release() {
	if t.release != nil {
		t.release(t)
	}
}
