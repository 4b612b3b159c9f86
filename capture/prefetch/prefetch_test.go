package prefetch

import (
	"testing"
	"unsafe"
)

// TestList: a list takes what it has room for, is empty after, and asking for memory that is not there does nothing.
func TestList(t *testing.T) {
	memory := make([]byte, 1<<16)
	for _, n := range []int{0, 1, Room - 1, Room, Room + 5} {
		for lines := 1; lines <= 9; lines++ {
			var l List
			for i := range n {
				l.Add(unsafe.Pointer(&memory[i*1021]))
			}
			if want := min(n, Room); l.n != want {
				t.Fatalf("%d added: it holds %d, want %d", n, l.n, want)
			}
			if l.Fetch(lines); l.n != 0 {
				t.Fatalf("%d added and %d lines fetched: it holds %d, want none", n, lines, l.n)
			}
		}
	}
	l := List{n: 3, at: [Room]uintptr{0, 1, ^uintptr(0)}}
	l.Fetch(7)
	if n := testing.AllocsPerRun(100, func() { l.Add(unsafe.Pointer(&memory[0])); l.Fetch(4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
