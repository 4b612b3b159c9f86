package flow

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// The collector waits until it was there once, or until somebody says so; what GOGC says holds.
func TestBallast(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(usualGC))
	percent := func() int {
		p := debug.SetGCPercent(usualGC)
		debug.SetGCPercent(p)
		return p
	}
	for name, end := range map[string]func(){"collected": runtime.GC, "opened": func() { collect() }} {
		kept := Ballast()
		if len(kept) == 0 || percent() <= usualGC {
			t.Errorf("%s: %d bytes of ballast, %d %%", name, len(kept), percent())
		}
		end()
		for range 1000 {
			if percent() == usualGC {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if percent() != usualGC {
			t.Errorf("%s: still %d %%", name, percent())
		}
		runtime.KeepAlive(kept)
	}
	debug.SetGCPercent(50)
	if kept := Ballast(); kept != nil || percent() != 50 {
		t.Errorf("with GOGC=50: %d bytes of ballast, %d %%", len(kept), percent())
	}
}
