package output

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
)

// What puts a number or an address writes at the beginning of a cell and gives how much of it is taken; the rest of it
// is left in any state. strconv and netip know how, too, but theirs are made for every base and form, and cost
// about three times as much; a record has some thirty of them.

// cellSize is more than any of them takes.
const cellSize = 48

type cell [cellSize]byte

// room gives dst the capacity for n more bytes.
func room(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		return slices.Grow(dst, n)
	}
	return dst
}

// behind is the cell behind dst, which has room for it.
func behind(dst []byte) *cell { return (*cell)(dst[len(dst) : len(dst)+cellSize]) }

func appendUint(dst []byte, n uint64) []byte {
	dst = room(dst, cellSize)
	return dst[:len(dst)+putUint(behind(dst), n)]
}

func appendHex(dst []byte, n uint64) []byte {
	dst = room(dst, cellSize)
	return dst[:len(dst)+putHex(behind(dst), n)]
}

func appendFloat(dst []byte, f float64) []byte {
	dst = room(dst, cellSize)
	return dst[:len(dst)+putFloat(behind(dst), f)]
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if a.Zone() != "" {
		return a.AppendTo(dst)
	}
	dst = room(dst, cellSize)
	return dst[:len(dst)+putAddr(behind(dst), a)]
}

// digits8 gives the eight digits of a number below 1e8, each in a byte, the first in the lowest. All halves are divided
// at once, then all quarters: the factors are 1/100 and 1/10 as fractions of a power of two, exact for four and two digits.
func digits8(n uint32) uint64 {
	x := uint64(n/10000) | uint64(n%10000)<<32
	hundreds := x * 10486 >> 20 & 0x0000007f_0000007f
	x = hundreds | (x-100*hundreds)<<16
	tens := x * 103 >> 10 & 0x000f000f_000f000f
	return tens | (x-10*tens)<<8
}

const zeros8 = 0x3030303030303030 // eight times the digit 0

// small has the digits of the numbers below a thousand, and behind them how many they are. three has them with the zeros
// that lead, the first one in the lowest byte.
var small, three = func() (small [1000][4]byte, three [1000]uint32) {
	for i := range small {
		small[i][3] = byte(copy(small[i][:], strconv.Itoa(i)))
		three[i] = uint32('0'+i/100) | uint32('0'+i/10%10)<<8 | uint32('0'+i%10)<<16
	}
	return small, three
}()

// digits6 gives the six digits of a number below a million, the first one in the lowest byte.
func digits6(n uint32) uint64 {
	thousands := n / 1000
	return uint64(three[thousands]) | uint64(three[n-1000*thousands])<<24
}

func putUint(b *cell, n uint64) int {
	if n >= 1000 {
		return putLong(b, n)
	}
	return int(putSmall(b, n))
}

// putSmall is putUint of what is below a thousand.
func putSmall(b *cell, n uint64) uint16 {
	t := &small[n]
	*(*[4]byte)(b[:]) = *t
	return uint16(t[3])
}

func putLong(b *cell, n uint64) int {
	switch {
	case n < 1e6:
		thousands := uint32(n) / 1000
		*(*[4]byte)(b[:]) = small[thousands]
		size := small[thousands][3]
		binary.LittleEndian.PutUint32(b[size&3:], three[uint32(n)-1000*thousands])
		return int(size + 3)
	case n >= 1e8:
		size := putUint(b, n/1e8)
		binary.LittleEndian.PutUint64(b[size:], digits8(uint32(n%1e8))|zeros8)
		return size + 8
	}
	d := digits8(uint32(n))
	lead := bits.TrailingZeros64(d) &^ 7 // of zeros
	binary.LittleEndian.PutUint64(b[:], (d|zeros8)>>(lead&63))
	return 8 - lead/8
}

// octets are those of an address with the point behind, octetSizes how long that is.
var octets, octetSizes = func() (t [256]uint32, sizes [256]uint8) {
	for i := range t {
		var text [4]byte
		sizes[i] = uint8(copy(text[:], strconv.Itoa(i)+"."))
		t[i] = binary.LittleEndian.Uint32(text[:])
	}
	return t, sizes
}()

const hexDigits = "0123456789abcdef"

// hexPairs are the octets in two digits.
var hexPairs = func() (t [256]uint16) {
	for i := range t {
		t[i] = uint16(hexDigits[i>>4]) | uint16(hexDigits[i&15])<<8
	}
	return t
}()

// putHex writes 16 digits.
func putHex(b *cell, n uint64) int {
	for i := 14; i >= 0; i -= 2 {
		binary.LittleEndian.PutUint16(b[i:], hexPairs[byte(n)])
		n >>= 8
	}
	return 16
}

// putFloat writes the shortest text that reads back as the same number, never with an exponent where
// encoding/json has none. What has at most six decimals, which most have, takes the quick way.
func putFloat(b *cell, f float64) int {
	if math.Float64bits(f) == 0 { // as rates of what is over are
		b[0] = '0'
		return 1
	}
	if f < 1e9 && !math.Signbit(f) {
		if n := int64(f*1e6 + 0.5); float64(n)/1e6 == f {
			return putMillionths(b, uint64(n))
		}
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return len(strconv.AppendFloat(b[:0], f, 'e', -1, 64))
	}
	return len(strconv.AppendFloat(b[:0], f, 'f', -1, 64))
}

// maxMillionths is how many putMillionths writes as putFloat writes the number that is nearest.
const maxMillionths = 1e15

// putMillionths writes n/1e6.
func putMillionths(b *cell, n uint64) int {
	size := putUint(b, n/1e6)
	d := digits6(uint32(n % 1e6))
	zeros := bits.LeadingZeros64((d^zeros8)<<16) / 8 // at its end
	b[size] = '.'
	binary.LittleEndian.PutUint64(b[size+1:], d)
	if zeros == 8 {
		return size
	}
	return size + 1 + 6 - zeros
}

// putAddr writes an address without a zone as netip does, in the form of RFC 5952.
func putAddr(b *cell, a netip.Addr) int {
	switch {
	case a.Is4():
		at := 0
		for _, c := range a.As4() {
			binary.LittleEndian.PutUint32(b[at&31:], octets[c])
			at += int(octetSizes[c])
		}
		return at - 1
	case a.Is4In6():
		return len(a.AppendTo(b[:0]))
	}
	return putAddr6(b, a.As16())
}

// putAddr6 leaves out the first of the longest runs of zeros, where that is two or more.
func putAddr6(b *cell, a [16]byte) int {
	const groups = 8
	var zeros uint8 // bit i is set where group i is zero
	for i := range groups {
		if a[2*i]|a[2*i+1] == 0 {
			zeros |= 1 << i
		}
	}
	from, to := groups, groups
	if pairs := zeros & (zeros >> 1); pairs != 0 {
		runs, n := pairs, 2 // bit i is set where n zeros or more begin
		for longer := runs & (zeros >> n); longer != 0; longer = runs & (zeros >> n) {
			runs, n = longer, n+1
		}
		from = bits.TrailingZeros8(runs)
		to = from + n
	}
	at := putGroups(b, 0, a[:2*from])
	if from == groups {
		return at - 1
	}
	if from == 0 {
		b[0] = ':'
		at = 1
	}
	b[at] = ':'
	if at = putGroups(b, at+1, a[2*to:]); to < groups {
		at--
	}
	return at
}

// putGroups writes groups, each with a colon behind it.
func putGroups(b *cell, at int, groups []byte) int {
	for ; len(groups) >= 2; groups = groups[2:] {
		high, low := groups[0], groups[1]
		lead := 0 // zeros that are left out
		switch {
		case high >= 0x10:
		case high != 0:
			lead = 1
		case low >= 0x10:
			lead = 2
		default:
			lead = 3
		}
		text := uint64(hexPairs[high]) | uint64(hexPairs[low])<<16 | ':'<<32
		binary.LittleEndian.PutUint64(b[at:], text>>(8*lead))
		at += 5 - lead
	}
	return at
}
