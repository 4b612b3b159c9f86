// Package places finds where things stand by a hash of what names them. Its table is of plain numbers: what is looked for is found in
// one cache line most often, and whoever mends or grows the table does not look at the things, which no cache holds.
package places

import "unsafe"

// Index has the places of things, which the caller keeps and compares: things with equal hashes are told apart by looking at them.
// It is an open-addressing table with linear probing, half of it free at least.
type Index struct {
	slots []slot // a power of two
	n     int
}

// slot is at home at hash & mask. It has the hash whole, so that who moves it does not ask for the thing.
type slot struct {
	hash uint32
	at   uint32 // place + 1; 0 = free
}

// minSlots is how many there are from the beginning.
const minSlots = 64

// New makes an Index. The zero Index must not be asked.
func New() Index { return Index{slots: make([]slot, minSlots)} }

// Len is how many places are in the index.
func (x *Index) Len() int { return x.n }

// Home is the memory that First looks at first.
func (x *Index) Home(hash uint32) unsafe.Pointer {
	return unsafe.Pointer(&x.slots[hash&uint32(len(x.slots)-1)])
}

// First gives 1 + the place of the first thing with a hash, most likely the only one, 0 = there is none; and
// what Next goes on from.
func (x *Index) First(hash uint32) (at, from uint32) { return x.look(hash, hash) }

// Next gives the one behind.
func (x *Index) Next(hash, from uint32) (at, next uint32) { return x.look(hash, from+1) }

func (x *Index) look(hash, i uint32) (at, from uint32) {
	mask := uint32(len(x.slots) - 1)
	for ; ; i++ {
		if s := x.slots[i&mask]; s.hash == hash || s.at == 0 {
			return s.at, i
		}
	}
}

// Add puts in a place, which must not be there yet under this hash and is below 1<<32 - 1.
func (x *Index) Add(hash, place uint32) {
	if x.n++; 2*x.n > len(x.slots) {
		old := x.slots
		x.slots = make([]slot, max(minSlots, 2*len(old)))
		for _, s := range old {
			if s.at != 0 {
				x.put(s)
			}
		}
	}
	x.put(slot{hash, place + 1})
}

func (x *Index) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].at != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

// Remove takes out a place that is there under a hash. What is behind it and would not be found any more moves up, so that no marks of
// removed ones lengthen later searches.
func (x *Index) Remove(hash, place uint32) {
	x.n--
	mask := uint32(len(x.slots) - 1)
	gap := hash & mask
	for x.slots[gap] != (slot{hash, place + 1}) {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; x.slots[i].at != 0; i = (i + 1) & mask {
		// What may stand in the gap is what has come at least as far from its home.
		if (i-x.slots[i].hash)&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = slot{}
}
