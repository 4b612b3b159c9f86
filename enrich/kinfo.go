package enrich

import (
	"bytes"
	"encoding/binary"
	"time"
)

// What the BSDs say of their processes, as they hand it over. It stands here, and not in files of each, so that it is tested
// everywhere.

// row is a process of a system's list.
type row struct {
	pid, parent, uid uint32
	name             string
	began            int64 // nanoseconds since the epoch, 0 where it is not told
}

// kinfoAt is where a record has what is asked for. bytes are how long the seconds and the microseconds are of when it began.
type kinfoAt struct {
	size, pid, parent, uid, name, nameMax int
	seconds, micros                       int
	secondsBytes, microsBytes             int
	ownSize                               bool // it begins with how long it is
}

var (
	// Of FreeBSD since 5, on processors of 64 bits: kinfo_proc (sys/sys/user.h).
	freebsdProc = kinfoAt{size: 1088, pid: 72, parent: 76, uid: 168, name: 447, nameMax: 20, seconds: 336, micros: 344, secondsBytes: 8, microsBytes: 8, ownSize: true}
	// Of NetBSD: kinfo_proc2 (sys/sys/sysctl.h). Its beginning is asked for, as of OpenBSD's.
	netbsdProc = kinfoAt{size: 464, pid: 116, parent: 120, uid: 136, name: 368, nameMax: 24, seconds: 456, micros: 460, secondsBytes: 4, microsBytes: 4}
	// Of OpenBSD: kinfo_proc (sys/sys/sysctl.h).
	openbsdProc = kinfoAt{size: 424, pid: 108, parent: 112, uid: 128, name: 312, nameMax: 24, seconds: 408, micros: 416, secondsBytes: 8, microsBytes: 4}
)

// rows reads a list; false where its records are not as we know them.
func (at *kinfoAt) rows(b []byte) (all []row, ok bool) {
	ne := binary.NativeEndian
	number := func(r []byte, n int) int64 {
		if n == 4 {
			return int64(ne.Uint32(r))
		}
		return int64(ne.Uint64(r))
	}
	for ; len(b) >= at.size; b = b[at.size:] {
		if at.ownSize && ne.Uint32(b) != uint32(at.size) {
			return nil, false
		}
		name, _, _ := bytes.Cut(b[at.name:at.name+at.nameMax], []byte{0})
		all = append(all, row{
			pid: ne.Uint32(b[at.pid:]), parent: ne.Uint32(b[at.parent:]), uid: ne.Uint32(b[at.uid:]), name: string(name),
			began: number(b[at.seconds:], at.secondsBytes)*int64(time.Second) + number(b[at.micros:], at.microsBytes)*int64(time.Microsecond),
		})
	}
	return all, len(b) == 0
}

// argumentsOf finds a program's arguments in what macOS says of it for kern.procargs2: how many there are, the path of the program,
// zeros, the arguments, its environment; all of them end with a zero.
func argumentsOf(b []byte) []byte {
	if len(b) < 4 {
		return nil
	}
	n, b := binary.NativeEndian.Uint32(b), b[4:]
	path := bytes.IndexByte(b, 0)
	if path < 0 {
		return nil
	}
	return zeroEnded(bytes.TrimLeft(b[path:], "\x00"), n)
}

// pointedAt finds a program's arguments in what OpenBSD says of it for KERN_PROC_ARGV, on processors of 64 bits: a pointer to
// each, a zero, the arguments.
func pointedAt(b []byte) []byte {
	for n := uint32(0); len(b) >= 8; n++ {
		p := binary.NativeEndian.Uint64(b)
		if b = b[8:]; p == 0 {
			return zeroEnded(b, n)
		}
	}
	return nil
}

// zeroEnded are the first n texts of b, each of which ends with a zero; all of it where there are fewer.
func zeroEnded(b []byte, n uint32) []byte {
	end := 0
	for ; n > 0; n-- {
		i := bytes.IndexByte(b[end:], 0)
		if i < 0 {
			return b
		}
		end += i + 1
	}
	return b[:end]
}
