// Package prefetch asks for memory before it is looked at. In a table that no cache holds each look waits for memory, one behind
// the other; what was asked for arrives while other work is done, and much of it at once.
package prefetch

import "unsafe"

// Room is how many addresses a List takes: as much as is on its way at a time, and then in a first-level cache until its turn.
const Room = 32

// List is what will be looked at soon. The zero List is empty.
type List struct {
	n  int
	at [Room]uintptr // no pointers: one may be asked for that is none any more
}

// Add puts an address on the list, which is not looked at. On a full list it is left out.
func (l *List) Add(at unsafe.Pointer) {
	if n := l.n; n < Room {
		l.at[n] = uintptr(at)
		l.n = n + 1
	}
}

// Fetch asks for n cache lines of 64 bytes, above 0, from each address on, and empties the list. It does not wait.
// On processors other than amd64 and arm64 nothing is asked for.
func (l *List) Fetch(n int) {
	if l.n > 0 {
		lines(&l.at[0], l.n, n)
	}
	l.n = 0
}
