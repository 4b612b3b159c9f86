//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// queue is what the programs put their events into.
type queue interface {
	// next gives the next event, nil when there is none. It never waits. The bytes are overwritten by the next.
	next() []byte
	fd() int // for poll(2)
	close() error
}

// ring is the kernel's own since 5.8: one for all processors, so that events are in order.
type ring struct {
	m      *ebpf.Map
	reader *ringbuf.Reader
	record ringbuf.Record
}

func newRing(m *ebpf.Map) (queue, error) {
	reader, err := ringbuf.NewReader(m)
	if err != nil {
		return nil, fmt.Errorf("map the ring buffer: %w", err)
	}
	reader.SetDeadline(time.Unix(1, 0)) // never wait
	return &ring{m: m, reader: reader}, nil
}

func (r *ring) next() []byte {
	if r.reader.AvailableBytes() == 0 || r.reader.ReadInto(&r.record) != nil { // the next is still being written
		return nil
	}
	return r.record.RawSample
}

func (r *ring) fd() int      { return r.m.FD() }
func (r *ring) close() error { return r.reader.Close() }

// perfRings are what older kernels have: a buffer for each processor. What is in them is put into order by its
// time; what another processor writes meanwhile may still come after something that is later.
type perfRings struct {
	rings  []perfRing
	epoll  int
	stamp  int // where in an event its time is
	record []byte
}

// perfRing is a page that says what there is, and the buffer behind it.
type perfRing struct {
	event int
	page  *unix.PerfEventMmapPage
	mem   []byte
	head  uint64 // what is known to be written
	tail  uint64 // what was read
	ts    uint64 // of the event at tail, 0 = none is known of
}

// newPerfRings makes buffers of so many bytes together, at least 64 KiB each, and puts them into the map. Whoever
// polls is woken by each event where wake is set, and else by none.
func newPerfRings(m *ebpf.Map, size, stamp int, wake bool) (queue, error) {
	p := &perfRings{epoll: -1, stamp: stamp}
	if err := p.open(m, size, wake); err != nil {
		p.close()
		return nil, fmt.Errorf("map the perf buffers: %w", err)
	}
	return p, nil
}

func (p *perfRings) open(m *ebpf.Map, size int, wake bool) error {
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	each := 1 << bits.Len(uint(max(size/int(m.MaxEntries()), 1<<16)-1))
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_BPF_OUTPUT, Sample_type: unix.PERF_SAMPLE_RAW,
		Bits: unix.PerfBitWatermark, Wakeup: uint32(each)}
	if wake {
		attr.Wakeup = 1
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	for cpu := range int(m.MaxEntries()) {
		event, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ENODEV) { // it is off; what it comes to say when it is on again is counted as lost
			continue
		} else if err != nil {
			return err
		}
		mem, err := unix.Mmap(event, 0, os.Getpagesize()+each, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			unix.Close(event)
			return err
		}
		p.rings = append(p.rings, perfRing{event: event, page: (*unix.PerfEventMmapPage)(unsafe.Pointer(&mem[0])), mem: mem})
		if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(event)}); err != nil {
			return err
		}
		if err := m.Put(uint32(cpu), uint32(event)); err != nil {
			return err
		}
	}
	return nil
}

// next takes the earliest of those that are there.
func (p *perfRings) next() []byte {
	var first *perfRing
	for i := range p.rings {
		if r := &p.rings[i]; r.peek(p.stamp) && (first == nil || r.ts < first.ts) {
			first = r
		}
	}
	if first == nil {
		return nil
	}
	return first.take(p)
}

// What include/uapi/linux/perf_event.h calls so. A header is a type, flags, and the size of it all; a sample is its size
// and itself.
const (
	perfRecordSample = 9
	perfHeader       = 8
)

// peek tells whether there is an event, and sets ts then. What else the kernel says is passed over: what it lost,
// the programs count.
func (r *perfRing) peek(stamp int) bool {
	for r.ts == 0 {
		if r.tail == r.head {
			if r.head = atomic.LoadUint64(&r.page.Data_head); r.tail == r.head {
				return false
			}
		}
		var b [8]byte
		r.copy(b[:], r.tail)
		if binary.NativeEndian.Uint32(b[:]) == perfRecordSample {
			r.copy(b[:], r.tail+perfHeader+4+uint64(stamp))
			r.ts = max(1, binary.NativeEndian.Uint64(b[:]))
			return true
		}
		r.pass(uint64(binary.NativeEndian.Uint16(b[6:])))
	}
	return true
}

func (r *perfRing) take(p *perfRings) []byte {
	var b [perfHeader + 4]byte
	r.copy(b[:], r.tail)
	total, size := uint64(binary.NativeEndian.Uint16(b[6:])), int(binary.NativeEndian.Uint32(b[perfHeader:]))
	if cap(p.record) < size {
		p.record = make([]byte, size)
	}
	p.record = p.record[:size]
	r.copy(p.record, r.tail+uint64(len(b)))
	r.pass(total)
	return p.record
}

// copy reads from a position, which may go over the end.
func (r *perfRing) copy(dst []byte, at uint64) {
	data := r.mem[os.Getpagesize():]
	at &= uint64(len(data) - 1)
	copy(dst[copy(dst, data[at:]):], data)
}

// pass gives room back to the kernel.
func (r *perfRing) pass(n uint64) {
	r.tail, r.ts = r.tail+n, 0
	atomic.StoreUint64(&r.page.Data_tail, r.tail)
}

func (p *perfRings) fd() int { return p.epoll }

func (p *perfRings) close() error {
	var errs []error
	for _, r := range p.rings {
		errs = append(errs, unix.Munmap(r.mem), unix.Close(r.event))
	}
	if p.epoll >= 0 {
		errs = append(errs, unix.Close(p.epoll))
	}
	return errors.Join(errs...)
}
