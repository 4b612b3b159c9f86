//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	_ "embed"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
)

//go:embed ends.bpf.o
var endsObject []byte

//go:embed ends-older.bpf.o
var olderEndsObject []byte

// endState tells of TCP, endRelease of the others, and before 5.12 probeRelease.
const (
	endState     = "end_state"
	endRelease   = "end_release"
	probeRelease = "probe_release"
)

var endOrder = []string{endState, endRelease, probeRelease}

// endLost is what is not told without them.
var endLost = map[string]string{
	endState:     "ends of TCP connections that packets do not show: they come with silence",
	endRelease:   "when UDP sockets close: what went over them ends with silence",
	probeRelease: "when UDP sockets close: what went over them ends with silence",
}

// Ends are the programs that tell of the end of sockets. They have a ring of their own, and nothing to do
// with Hooks. They belong to one goroutine.
type Ends struct {
	programs
	event EndEvent
}

// OpenEnds loads and attaches those that this kernel allows. It fails when none is.
func OpenEnds(cfg Config) (*Ends, error) {
	return choose(cfg, func(older bool) (*Ends, error) {
		e := &Ends{}
		return e, e.open(cfg, older)
	}, func(newer, older *Ends) bool {
		return older.Complete() || len(older.links) > 0 && !newer.Attached(endState)
	})
}

func (e *Ends) open(cfg Config, older bool) error {
	l, err := newLoader(cfg, endsObject, olderEndsObject, older)
	if err != nil {
		return err
	}
	defer l.close()
	if err := e.make(l, 0, true); err != nil {
		return err
	}
	for _, name := range endOrder {
		program, at := l.programOf(name)
		if program == nil { // the other object's
			continue
		}
		hook := Hook{Name: name, At: at}
		if slices.Contains(cfg.Without, name) {
			hook.Err = errSwitchedOff
		} else {
			hook.Err = e.attach(l, name)
		}
		if hook.Err != nil {
			hook.Lost = endLost[name]
		}
		e.report = append(e.report, hook)
	}
	if len(e.links) == 0 {
		return &RefusedError{Hooks: e.Report(), First: e.report[0].Err}
	}
	return nil
}

// Complete tells whether the end of every socket is told.
func (e *Ends) Complete() bool { return len(e.links) == len(e.report) }

// Report says what became of each program.
func (e *Ends) Report() []Hook { return slices.Clone(e.report) }

// FD is for poll(2): it is readable after an event that followed on Wake.
func (e *Ends) FD() int { return e.queue.fd() }

// Wake asks to be woken by the next event that no packet goes with. What came before it does not wake: Drain after Wake, then sleep.
func (e *Ends) Wake() {
	if e.maps.Maps["ring"].Type() == ebpf.RingBuf { // else every event wakes
		e.maps.Variables["wanted"].Set(uint32(1)) // a store: where there are rings, the memory can be mapped
	}
}

// Drain gives everything that is in the ring. What each is given is overwritten by the next. It never waits.
func (e *Ends) Drain(each func(*EndEvent)) {
	var clock int64
	for b := e.queue.next(); b != nil; b = e.queue.next() {
		if len(b) < int(unsafe.Sizeof(e.event)) {
			continue
		}
		if clock == 0 {
			clock = sinceEpoch()
		}
		copy(bytesOf(&e.event), b)
		e.event.TS += clock
		each(&e.event)
	}
}

// Lost is how many ends there was no room for.
func (e *Ends) Lost() (n uint64) {
	if err := e.get("lost", &n); err != nil {
		return 0
	}
	return n
}
