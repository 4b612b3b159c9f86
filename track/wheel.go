package track

import "math/bits"

// The wheel holds at most one timer for each connection, in slots of 2^slotShift nanoseconds.
// Three levels of 256 slots reach 4.3 s, 18 min and 78 h; what is due later waits in the last slot
// and is put in again. Setting, moving and removing a timer cost the same however many there are,
// and empty time is jumped over, so that a file with a gap of years costs no more than one without.
const (
	slotShift = 24 // 16.8 ms
	levelBits = 8
	levelSize = 1 << levelBits
	levels    = 3
)

// connRef names a connection: the lane in the upper bits, its place in the lane in the lower ones.
// 0 is no connection.
type connRef uint32

// timer is the part of a connection that the wheel owns.
type timer struct {
	next, prev connRef
	slot       uint16 // level<<levelBits | index, +1; 0 = not in the wheel
	due        int64  // slot number, absolute
}

type wheel struct {
	lanes *[lanes]lane // where the timers are
	now   int64        // the slot that is running; slots before it have been fired
	count int
	heads [levels * levelSize]connRef
	used  [levels][levelSize / 64]uint64 // bit set = slot not empty
}

func (w *wheel) at(r connRef) *timer { return &w.lanes[r.lane()].conn(r.place()).timer }

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
	h := &w.heads[level<<levelBits|i]
	t.due, t.slot = due, uint16(level<<levelBits|i)+1
	t.prev, t.next = 0, *h
	if *h != 0 {
		w.at(*h).prev = r
	}
	*h = r
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
	if t.prev != 0 {
		w.at(t.prev).next = t.next
	} else {
		w.heads[s] = t.next
		if t.next == 0 {
			i := s & (levelSize - 1)
			w.used[s>>levelBits][i>>6] &^= 1 << (i & 63)
		}
	}
	if t.next != 0 {
		w.at(t.next).prev = t.prev
	}
	t.slot, t.next, t.prev = 0, 0, 0
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
		if r := w.clear(0, i); r != 0 {
			for r != 0 {
				t := w.at(r)
				buf = append(buf, r)
				r = t.next
				t.slot, t.next, t.prev = 0, 0, 0
				w.count--
			}
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
	i := int(n & (levelSize - 1))
	for r := w.clear(level, i); r != 0; {
		t := w.at(r)
		next := t.next
		w.count--
		w.insert(r, t, max(t.due, w.now))
		r = next
	}
}

// clear empties a slot and gives the first of what was in it: the others still hang together.
func (w *wheel) clear(level, i int) (first connRef) {
	h := &w.heads[level<<levelBits|i]
	if first = *h; first != 0 {
		*h = 0
		w.used[level][i>>6] &^= 1 << (i & 63)
	}
	return first
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
