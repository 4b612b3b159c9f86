package live

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Classic BPF opcodes and ancillary loads (include/uapi/linux/filter.h). A load at adOffset plus
// one of these reads a property of the packet in place of its bytes.
const (
	opLoadWord  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opLoadImm   = unix.BPF_LD | unix.BPF_IMM
	opJumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K

	adOffset  = 0xfffff000 // SKF_AD_OFF, -0x1000
	adPktType = 4          // SKF_AD_PKTTYPE
	adHatype  = 28         // SKF_AD_HATYPE
)

// bypassHeaders is what counting filters let pass of a packet of which only the headers matter: bypass.Headers.
const bypassHeaders = 128

// loopbackOnce rejects a loopback frame on its way out, because the same frame is seen once more
// on its way in. What follows finds the accumulator 0, as at the start of a program.
var loopbackOnce = []unix.SockFilter{
	{Code: opLoadWord, K: adOffset + adPktType},
	{Code: opJumpEqual, K: unix.PACKET_OUTGOING, Jf: 3},
	{Code: opLoadWord, K: adOffset + adHatype},
	{Code: opJumpEqual, K: unix.ARPHRD_LOOPBACK, Jf: 1},
	{Code: opReturn, K: 0},
	{Code: opLoadImm, K: 0},
}

// rejectAll is the program of a socket that is to get nothing more.
var rejectAll = []unix.SockFilter{{Code: opReturn, K: 0}}

// program makes the socket's filter of the user's. Jumps are relative, so a prefix leaves them right.
func program(user []bpf.RawInstruction, snapLen int) []unix.SockFilter {
	p := append(make([]unix.SockFilter, 0, len(loopbackOnce)+len(user)+1), loopbackOnce...)
	for _, in := range cutTo(user, snapLen) {
		p = append(p, unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K})
	}
	return p
}

// attach replaces the socket's filter. It needs no privilege.
func attach(fd int, p []unix.SockFilter) error {
	if len(p) > unix.BPF_MAXINSNS {
		return fmt.Errorf("capture filter: %d instructions, the kernel takes %d; use a shorter expression", len(p), unix.BPF_MAXINSNS)
	}
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach capture filter: %w", err)
	}
	return nil
}
