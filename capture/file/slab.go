package file

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"rustnet/capture"
)

const (
	// slabSize has room for any packet that libpcap writes. As long as there was none that long, smallSlab does: the few
	// that are in use at a time stay in a second-level cache, from read(2) to the parsers of payloads.
	slabSize    = 256 << 10
	smallSlab   = 64 << 10
	maxSlabs    = 8 // a reader that is slow holds this many at most, 2 MiB
	together    = 3 // slabs come back at a time, so that a source that waits for one is woken that much less often: who waits for more may hold 5
	maxBatches  = 64
	batchFrames = 256
)

// errStopped says that the caller of Run wants no more.
var errStopped = errors.New("stopped")

// slab is a piece of the file. The source holds it while it reads into it or parses it; each batch
// whose frames alias it holds it too. A slab that nobody holds is free.
type slab struct {
	buf  []byte
	refs atomic.Int32
}

// batch is a batch of frames and the slab they alias. The slab is set while the batch is out.
type batch struct {
	frames *capture.Frames
	slab   *slab
}

// pool makes slabs and batches up to its limits and takes them back. Only the goroutine of Run
// takes; whoever releases a batch gives back.
type pool struct {
	slabs   chan *slab
	batches chan *batch
	// large holds a token while there is a slab greater than slabSize. There is one at most, so
	// that a file of nothing but huge records costs no more memory than one of them.
	large                  chan struct{}
	size                   int // of slabs: smallSlab, or slabSize
	slabsMade, batchesMade int

	mu   sync.Mutex
	back []*slab // come back, and not yet in slabs
}

func newPool() *pool {
	return &pool{
		slabs:   make(chan *slab, maxSlabs),
		batches: make(chan *batch, maxBatches),
		large:   make(chan struct{}, 1),
		size:    smallSlab,
	}
}

// takeSlab waits for a free slab of p.size, which the caller then holds.
func (p *pool) takeSlab(stop context.Context) (*slab, error) {
	sl, ok, err := take(stop, p.slabs, p.slabsMade < maxSlabs)
	if err != nil {
		return nil, err
	}
	if !ok {
		p.slabsMade++
		sl = new(slab)
	}
	if len(sl.buf) < p.size {
		sl.buf = make([]byte, p.size)
	}
	sl.refs.Store(1)
	return sl, nil
}

// dropSlab ends one hold of sl.
func (p *pool) dropSlab(sl *slab) {
	if sl.refs.Add(-1) > 0 {
		return
	}
	if len(sl.buf) > slabSize {
		sl.buf = nil
		<-p.large
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.back = append(p.back, sl); len(p.back) == together {
		for _, sl := range p.back {
			p.slabs <- sl // never blocks: there is room for all that were made
		}
		p.back = p.back[:0]
	}
}

// resize makes room for size bytes in a slab that only the source holds and keeps its first used bytes.
func (p *pool) resize(stop context.Context, sl *slab, used, size int) error {
	was := len(sl.buf)
	if size <= was && (was <= slabSize || size > slabSize) {
		return nil
	}
	if was <= slabSize && size > slabSize {
		select {
		case p.large <- struct{}{}:
		case <-stop.Done():
			return errStopped
		}
	}
	buf := make([]byte, size)
	copy(buf, sl.buf[:used])
	sl.buf = buf
	if was > slabSize && size <= slabSize {
		<-p.large
	}
	return nil
}

// takeBatch waits for a free batch.
func (p *pool) takeBatch(stop context.Context) (*batch, error) {
	b, ok, err := take(stop, p.batches, p.batchesMade < maxBatches)
	if err != nil || ok {
		return b, err
	}
	p.batchesMade++
	b = new(batch)
	b.frames = capture.NewFrames(func(*capture.Frames) { p.giveBack(b) })
	b.frames.Frames = make([]capture.Frame, 0, batchFrames)
	return b, nil
}

// giveBack takes a batch that its last reader released.
func (p *pool) giveBack(b *batch) {
	b.frames.Frames, b.frames.Comments = b.frames.Frames[:0], b.frames.Comments[:0]
	b.frames.Lost = 0
	sl := b.slab
	b.slab = nil
	p.batches <- b
	p.dropSlab(sl)
}

// take gets one from a free list. Where the list is empty it says so if another may be made, and
// waits otherwise. None is made while one is free, so that a fast reader keeps the source in few
// slabs, and those in the processor's cache.
func take[T any](stop context.Context, free <-chan T, mayMake bool) (v T, ok bool, err error) {
	select {
	case v = <-free:
		return v, true, nil
	default:
	}
	if mayMake {
		return v, false, nil
	}
	select {
	case v = <-free:
		return v, true, nil
	case <-stop.Done():
		return v, false, errStopped
	}
}
