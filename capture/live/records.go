package live

import (
	"encoding/binary"
	"time"
)

// recordLayout is how the systems that have bpf(4) lay out what they write before each packet, struct bpf_hdr: where its numbers are,
// and to what the next record is aligned. Each has its own.
type recordLayout struct {
	sec, usec, captured, wire, header int
	wide                              bool // sec and usec have 64 bits
	align                             int
}

// size is how many bytes of a record must be there before it can be read.
func (l *recordLayout) size() int { return l.header + 2 }

// each calls put for the packets of what was read from a device, in this machine's byte order. broken says that what is there is no
// record; what was before it has been put.
func (l *recordLayout) each(b []byte, put func(data []byte, ts int64, wire uint32)) (n int, broken bool) {
	for len(b) >= l.size() {
		captured, header := int(binary.NativeEndian.Uint32(b[l.captured:])), int(binary.NativeEndian.Uint16(b[l.header:]))
		if header < l.size() || captured < 0 || captured > len(b)-header {
			return n, true
		}
		put(b[header:header+captured:header+captured], l.time(b), binary.NativeEndian.Uint32(b[l.wire:]))
		n++
		b = b[min(len(b), (header+captured+l.align-1)&^(l.align-1)):]
	}
	return n, len(b) > 0
}

func (l *recordLayout) time(b []byte) int64 {
	if l.wide {
		return int64(binary.NativeEndian.Uint64(b[l.sec:]))*int64(time.Second) + int64(binary.NativeEndian.Uint64(b[l.usec:]))*int64(time.Microsecond)
	}
	return int64(binary.NativeEndian.Uint32(b[l.sec:]))*int64(time.Second) + int64(binary.NativeEndian.Uint32(b[l.usec:]))*int64(time.Microsecond)
}
