package dpi

import "encoding/binary"

// What parsers of binary messages share: numbers, and the cursor that reads them one after the other.

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be24(b []byte) int    { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
func le16(b []byte) int    { return int(b[0]) | int(b[1])<<8 }
func le24(b []byte) int    { return le16(b) | int(b[2])<<16 }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// size32 is a length of 32 bits, which an int of 32 bits does not hold. What says more than a gigabyte says no less by that.
func size32(n uint32) int { return int(min(n, 1<<30)) }

// cursor reads big-endian numbers and vectors; after a read beyond the end, bad is set and all is empty.
type cursor struct {
	b   []byte
	bad bool
}

func (r *cursor) bytes(n int) []byte {
	if uint(n) > uint(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *cursor) u8() int {
	if len(r.b) < 1 {
		r.b, r.bad = nil, true
		return 0
	}
	n := int(r.b[0])
	r.b = r.b[1:]
	return n
}

func (r *cursor) u16() int {
	if len(r.b) < 2 {
		r.b, r.bad = nil, true
		return 0
	}
	n := int(be16(r.b))
	r.b = r.b[2:]
	return n
}

// u32 reads four bytes.
func (r *cursor) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return be32(b)
	}
	return 0
}

// vector8 and vector16 read a length and that many bytes.
func (r *cursor) vector8() []byte { return r.bytes(r.u8()) }

func (r *cursor) vector16() []byte {
	b := r.b
	if len(b) >= 2 {
		if end := 2 + int(be16(b)); end <= len(b) {
			r.b = b[end:]
			return b[2:end]
		}
	}
	r.b, r.bad = nil, true
	return nil
}
