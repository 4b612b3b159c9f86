package flow

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// Ballast is memory that is never touched and so never real, to be kept until the end. The collector starts when the heap has doubled:
// most runs need little memory and would have it start often. This makes it wait, and matters to none that need more.
//
// The collector would start at once, too, because of the ballast itself; in a run that is over before there is anything to collect, and while
// something is opened, that is a fifth of the work. So it first starts at 128 MB, which is 32 times the 4 MB that are usual.
func Ballast() []byte {
	const first = 3200
	if was := debug.SetGCPercent(first); was != usualGC { // GOGC says it
		debug.SetGCPercent(was)
		return nil
	}
	begin := sync.OnceFunc(func() { debug.SetGCPercent(usualGC) })
	runtime.AddCleanup(new([16]byte), func(int) { begin() }, 0) // when the collector has been there
	collect = begin
	return make([]byte, 64<<20)
}

const usualGC = 100

// collect ends the waiting for the collector's first start.
var collect = func() {}
