package track

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// newTestWheel makes a wheel with the timers of n connections.
func newTestWheel(n int) *wheel {
	made := newWheel(new([lanes]lane))
	w := &made
	for i := range n {
		w.lanes[0].insert(uint32(i))
	}
	return w
}

func TestWheelAgainstModel(t *testing.T) {
	const n = 200
	rng := rand.New(rand.NewPCG(1, 2))
	w := newTestWheel(n)
	clock := int64(1_700_000_000_000_000_000)
	w.now = slotOf(clock)
	due := map[connRef]int64{} // slot
	spans := []int64{1 << 20, 1 << 25, 1 << 31, 1 << 38, 1 << 44, 1 << 49}
	var buf []connRef
	for step := range 20_000 {
		r := connRef(rng.IntN(n) + 1)
		switch rng.IntN(4) {
		case 0, 1:
			at := clock + rng.Int64N(spans[rng.IntN(len(spans))])
			w.set(r, at)
			due[r] = max(slotOf(at), w.now)
		case 2:
			w.remove(r)
			delete(due, r)
		case 3:
			clock += rng.Int64N(spans[rng.IntN(len(spans))])
			last := int64(-1)
			for {
				fired, slot, ok := w.take(clock, buf[:0])
				buf = fired
				if !ok {
					break
				}
				if slot <= last || slotEnd(slot) > clock {
					t.Fatalf("step %d: slot %d fired after %d at clock %d", step, slot, last, clock)
				}
				last = slot
				for _, r := range fired {
					if due[r] != slot {
						t.Fatalf("step %d: timer %d fired in slot %d, want %d", step, r, slot, due[r])
					}
					delete(due, r)
				}
			}
			for r, s := range due {
				if slotEnd(s) <= clock {
					t.Fatalf("step %d: timer %d of slot %d has not fired at clock %d", step, r, s, clock)
				}
			}
		}
		if w.count != len(due) {
			t.Fatalf("step %d: wheel counts %d timers, want %d", step, w.count, len(due))
		}
	}
}

// TestWheelLetsGoOfRoom: slots that were full take no room when their timers are moved away or have fired.
func TestWheelLetsGoOfRoom(t *testing.T) {
	const n = 50_000
	w := newTestWheel(n)
	room := func() (places int) {
		for _, s := range w.slots {
			places += cap(s)
		}
		return places
	}
	for turn := range int64(40) {
		for r := connRef(1); r <= n; r++ {
			w.set(r, turn*60e9)
		}
		if got := room(); got > 4*n+turnsKept(turn) {
			t.Fatalf("turn %d: slots have room for %d timers, want at most four times %d", turn, got, n)
		}
	}
	for r := connRef(1); r < n; r++ {
		w.remove(r)
	}
	if got := room(); got > turnsKept(40) {
		t.Errorf("slots have room for %d timers, and there is one", got)
	}
	if fired, _, ok := w.take(3600e9, nil); !ok || len(fired) != 1 || fired[0] != n {
		t.Errorf("fired %v, want the one that is left", fired)
	}
}

// turnsKept is what may be kept of the slots of so many turns.
func turnsKept(turns int64) int { return int(turns+1)*keptCap + levels*levelSize*firstCap }

func TestWheelJumpsOverEmptyTime(t *testing.T) {
	w := newTestWheel(2)
	w.set(1, 0)
	w.set(2, 3600e9)
	century := int64(100 * 365 * 24 * 3600e9)
	var got []connRef
	for {
		fired, _, ok := w.take(century, nil)
		if !ok {
			break
		}
		got = append(got, fired...)
	}
	if !slices.Equal(got, []connRef{1, 2}) || w.now != slotOf(century) {
		t.Errorf("fired %v and stands at slot %d, want [1 2] and %d", got, w.now, slotOf(century))
	}
}

func BenchmarkWheelSet(b *testing.B) {
	const n = 100_000
	w := newTestWheel(n)
	for i := range b.N {
		w.set(connRef(i%n+1), w.now<<slotShift+int64(i%1000)*1e7)
	}
}
