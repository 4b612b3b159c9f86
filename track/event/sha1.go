package event

import (
	"crypto/sha1"
	"encoding/binary"
)

// sha1Message is one of at most 55 bytes as SHA-1 takes it, which is one block: in big-endian words, a one behind its
// last bit, its length in the last word.
type sha1Message [8]uint64

// sha1Sum is 20 bytes in big-endian words.
type sha1Sum [3]uint64

// end ends a message of n bytes, behind which all is zero yet.
func (m *sha1Message) end(n int) {
	m[n/8] |= 0x80 << (56 - 8*(n%8))
	m[7] = uint64(8 * n)
}

// set makes the message of its bytes.
func (m *sha1Message) set(b []byte) {
	*m = sha1Message{}
	for i, c := range b {
		m[i/8] |= uint64(c) << (56 - 8*(i%8))
	}
	m.end(len(b))
}

// sum is crypto/sha1's. That takes any number of bytes, and so spends more on copying them about than on the block.
func (m *sha1Message) sum() (s sha1Sum) {
	if hasSHA1 {
		sha1Block(m, &s)
		return s
	}
	return m.slowSum()
}

func (m *sha1Message) slowSum() sha1Sum {
	var b [64]byte
	for i, w := range m {
		binary.BigEndian.PutUint64(b[8*i:], w)
	}
	all := sha1.Sum(b[:m[7]/8])
	return sha1Sum{binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:]), uint64(binary.BigEndian.Uint32(all[16:])) << 32}
}
