package track

import (
	"math/bits"
	"slices"
	"unsafe"

	"rustnet/capture/prefetch"
)

// The wheel holds at most one timer for each connection, in slots of 2^slotShift nanoseconds.
// Three levels of 512 slots reach 8.6 s, 73 min and 26 days; what is due later waits in the last slot
// and is put in again. Setting, moving and removing a timer cost the same however many there are,
// and empty time is jumped over, so that a file with a gap of years costs no more than one without.
const (
	slotShift = 24 // 16.8 ms
	levelBits = 9
	levelSize = 1 << levelBits
	levels    = 3
)

// connRef names a connection: the lane in the upper bits, its place in the lane in the lower ones.
// 0 is no connection.
type connRef uint32

// timer is the part of a connection that the wheel owns.
type timer struct {
	due   int64  // slot number, absolute
	index uint32 // in the slot
	slot  uint16 // level<<levelBits | index, +1; 0 = not in the wheel
}

// firstCap is how many places each slot has from the beginning, so that a few timers cost no allocation.
const firstCap = 16

// keptCap is how many places of a slot are kept though they are empty. What there is beyond that is at most four times
// what is in use: a flood may fill slot after slot and be evicted from all.
const keptCap = 1024

type wheel struct {
	lanes *[lanes]lane // where the timers are
	now   int64        // the slot that is running; slots before it have been fired
	count int
	soon  prefetch.List
	slots [levels * levelSize][]connRef  // in no order; and no list, so that a slot's timers are loaded together
	used  [levels][levelSize / 64]uint64 // bit set = slot not empty
}

func (w *wheel) at(r connRef) *timer { return &w.lanes[r.lane()].conn(r.place()).timer }

func newWheel(ls *[lanes]lane) wheel {
	w := wheel{lanes: ls}
	places := make([]connRef, len(w.slots)*firstCap)
	for i := range w.slots {
		w.slots[i] = places[i*firstCap : i*firstCap : (i+1)*firstCap]
	}
	return w
}

func slotOf(ns int64) int64 { return ns >> slotShift }

// slotEnd is the time at which what stands in a slot fires: once the clock has reached it.
func slotEnd(slot int64) int64 { return (slot + 1) << slotShift }

// set makes r fire when the slot that holds time ns has passed. A timer that was set before is moved.
func (w *wheel) set(r connRef, ns int64) {
	due := max(slotOf(ns), w.now)
	t := w.at(r)
	if t.slot != 0 {
		if t.due == due {
			return
		}
		w.remove(r)
	}
	w.insert(r, t, due)
}

func (w *wheel) insert(r connRef, t *timer, due int64) {
	level, n := 0, due
	switch {
	case due-w.now < levelSize:
	case due>>levelBits-w.now>>levelBits < levelSize:
		level, n = 1, due>>levelBits
	default:
		level = 2
		n = min(due>>(2*levelBits), w.now>>(2*levelBits)+levelSize-1)
	}
	i := int(n & (levelSize - 1))
	s := level<<levelBits | i
	*t = timer{due: due, index: uint32(len(w.slots[s])), slot: uint16(s) + 1}
	w.slots[s] = append(w.slots[s], r)
	w.used[level][i>>6] |= 1 << (i & 63)
	w.count++
}

// remove takes r out; it does nothing when r has no timer.
func (w *wheel) remove(r connRef) {
	t := w.at(r)
	if t.slot == 0 {
		return
	}
	s := int(t.slot - 1)
	rs := w.slots[s]
	if last := uint32(len(rs) - 1); t.index != last { // which takes the place
		rs[t.index] = rs[last]
		w.at(rs[last]).index = t.index
	} else if last == 0 {
		i := s & (levelSize - 1)
		w.used[s>>levelBits][i>>6] &^= 1 << (i & 63)
	}
	rs = rs[:len(rs)-1]
	if c := cap(rs); c > keptCap && len(rs) < c/4 {
		rs = append(make([]connRef, 0, c/2), rs...)
	}
	w.slots[s] = rs
	t.slot = 0
	w.count--
}

// take empties the next slot that ended at or before the clock, appends what was due in it to
// buf and gives the slot's number. ok is false when nothing is due; then w.now is the clock's slot.
func (w *wheel) take(clock int64, buf []connRef) (due []connRef, slot int64, ok bool) {
	end := slotOf(clock)
	for w.now < end {
		if w.count == 0 {
			w.now = end
			break
		}
		i := int(w.now & (levelSize - 1))
		if rs := w.clear(0, i); len(rs) > 0 {
			for _, r := range rs {
				w.at(r).slot = 0
			}
			buf = append(buf, rs...)
			slot = w.now
			w.step(w.now + 1)
			return buf, slot, true
		}
		w.step(min(end, w.now-int64(i)+int64(w.nextUsed(0, i+1))))
	}
	return buf, 0, false
}

// step moves on to slot to, at most to the end of the lowest level's turn, and refills that level
// when its turn is over.
func (w *wheel) step(to int64) {
	w.now = to
	if to&(levelSize-1) != 0 {
		return
	}
	if (to>>levelBits)&(levelSize-1) == 0 {
		w.cascade(2, to>>(2*levelBits))
	}
	w.cascade(1, to>>levelBits)
}

func (w *wheel) cascade(level int, n int64) {
	rs := w.clear(level, int(n&(levelSize-1)))
	for rs := range slices.Chunk(rs, prefetch.Room) {
		for _, r := range rs {
			w.soon.Add(unsafe.Pointer(w.at(r)))
		}
		w.soon.Fetch(1)
		for _, r := range rs { // none goes back to this slot, whose turn it is
			t := w.at(r)
			w.insert(r, t, max(t.due, w.now))
		}
	}
}

// clear empties a slot and gives what was in it, which is valid until the slot is used again.
func (w *wheel) clear(level, i int) []connRef {
	s := &w.slots[level<<levelBits|i]
	rs := *s
	if len(rs) == 0 {
		return nil
	}
	if *s = rs[:0]; cap(rs) > keptCap {
		*s = nil
	}
	w.used[level][i>>6] &^= 1 << (i & 63)
	w.count -= len(rs)
	return rs
}

// nextUsed finds the first slot of a level, from i on, that holds something; levelSize when none does.
func (w *wheel) nextUsed(level, i int) int {
	for ; i < levelSize; i = (i | 63) + 1 {
		if b := w.used[level][i>>6] >> (i & 63); b != 0 {
			return i + bits.TrailingZeros64(b)
		}
	}
	return levelSize
}
