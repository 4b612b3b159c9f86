//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

//go:embed ends.bpf.o
var endsObject []byte

// endState tells of TCP, endRelease of the others.
const (
	endState   = "end_state"
	endRelease = "end_release"
)

// endLost is what is not told without them.
var endLost = map[string]string{
	endState:   "ends of TCP connections that packets do not show: they come with silence",
	endRelease: "when UDP sockets close: what went over them ends with silence",
}

// Ends are the programs that tell of the end of sockets. They have a ring of their own, and nothing to do
// with Hooks. They belong to one goroutine.
type Ends struct {
	maps   *ebpf.Collection
	progs  []*ebpf.Collection
	links  []link.Link
	ring   *ringbuf.Reader
	record ringbuf.Record
	event  EndEvent
	report []Hook
}

// OpenEnds loads and attaches those that this kernel allows. It fails when none is.
func OpenEnds(cfg Config) (*Ends, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(endsObject))
	if err != nil {
		return nil, fmt.Errorf("read the embedded kernel programs: %w", err)
	}
	e := &Ends{}
	if err := e.open(cfg, spec); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (e *Ends) open(cfg Config, spec *ebpf.CollectionSpec) error {
	l, err := newLoader(cfg, spec)
	if err != nil {
		return err
	}
	defer l.close()
	l.constants = map[string]any{"filtered": cfg.Filtered}
	if e.maps, err = l.maps(); err != nil {
		return fmt.Errorf("make the maps of the kernel programs: %w", advise(err))
	}
	if e.ring, err = ringbuf.NewReader(e.maps.Maps["ring"]); err != nil {
		return fmt.Errorf("map the ring buffer: %w", err)
	}
	e.ring.SetDeadline(time.Unix(1, 0)) // never wait
	for _, name := range []string{endState, endRelease} {
		hook := Hook{Name: name, At: spec.Programs[name].SectionName}
		if slices.Contains(cfg.Without, name) {
			hook.Err = errSwitchedOff
		} else if coll, at, err := l.attach(name, e.maps.Maps); err != nil {
			hook.Err = err
		} else {
			e.progs, e.links = append(e.progs, coll), append(e.links, at)
		}
		if hook.Err != nil {
			hook.Lost = endLost[name]
		}
		e.report = append(e.report, hook)
	}
	if len(e.links) == 0 {
		return fmt.Errorf("no kernel program could be attached: %w", e.report[0].Err)
	}
	return nil
}

// Report says what became of each program.
func (e *Ends) Report() []Hook { return slices.Clone(e.report) }

// FD is for poll(2): it is readable after an event that followed on Wake.
func (e *Ends) FD() int { return e.maps.Maps["ring"].FD() }

// Wake asks to be woken by the next event that no packet goes with, or the next of all with Config.Filtered. What
// came before it does not wake: Drain after Wake, then sleep.
func (e *Ends) Wake() {
	e.maps.Variables["wanted"].Set(uint32(1)) // a store, where the memory can be mapped: since 5.5
}

// Drain gives everything that is in the ring. What each is given is overwritten by the next. It never waits.
func (e *Ends) Drain(each func(*EndEvent)) {
	if e.ring.AvailableBytes() == 0 {
		return
	}
	clock := sinceEpoch()
	for e.ring.AvailableBytes() > 0 {
		if err := e.ring.ReadInto(&e.record); err != nil {
			return // the next record is still being written
		}
		if len(e.record.RawSample) < int(unsafe.Sizeof(e.event)) {
			continue
		}
		copy(bytesOf(&e.event), e.record.RawSample)
		e.event.TS += clock
		each(&e.event)
	}
}

// Lost is how many ends there was no room for.
func (e *Ends) Lost() (n uint64) {
	if err := e.maps.Variables["lost"].Get(&n); err != nil {
		return 0
	}
	return n
}

// Close takes the programs out of the kernel.
func (e *Ends) Close() error {
	var errs []error
	for _, l := range e.links {
		errs = append(errs, l.Close())
	}
	if e.ring != nil {
		errs = append(errs, e.ring.Close())
	}
	for _, c := range e.progs {
		c.Close()
	}
	if e.maps != nil {
		e.maps.Close()
	}
	return errors.Join(errs...)
}
