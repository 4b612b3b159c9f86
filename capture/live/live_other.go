//go:build !linux

package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/capture"
)

// Where packets are not read in rings that the kernel shares with us, each interface has a goroutine that copies them out of
// what the system calls a device into batches.
const (
	batchFrames = 256
	batchBytes  = 64 << 10
	// maxBatches bounds what is on its way. Who gets none waits, and packets stay in the kernel's buffer.
	maxBatches = 64
	// lookEvery is how often interfaces are looked for that have come, or come back.
	lookEvery = 2 * time.Second
	dropsEach = time.Second
	// readMax is how many packets are taken before anything else is looked at.
	readMax = 4 * batchFrames
)

// beatLag is how far heartbeats stay behind the clock: longer than packets are on their way to us from the interface.
const beatLag = 60 * time.Millisecond

// Source reads packets from network interfaces.
type Source struct {
	*life
	cfg  Config
	free chan *capture.Frames
	made atomic.Int32

	received, dropped, abandoned atomic.Uint64
	lost                         atomic.Uint64 // drops that no batch has told of yet
	lastTime                     atomic.Int64  // greatest packet time sent
	lastSent                     atomic.Int64  // when something was, Unix nanoseconds
	lastSeen                     atomic.Int64  // when packets were

	// Open's, and then Run's own goroutine's.
	readers    []*reader
	complained map[string]string // of interfaces that cannot be opened
}

// reader is one interface that is open.
type reader struct {
	dev     *handle
	iface   *capture.Interface
	asked   string // the name by which -i has it, "" = it was not named
	batch   *capture.Frames
	counted uint64    // drops
	looked  time.Time // for them
	on      bool      // it is read
	gone    atomic.Bool
}

// Open opens the interfaces, which is all that needs a privilege; frames are kept from then on, and come out with Run. Errors wrap
// errNoInterface, ErrNoDriver and os.ErrPermission where they apply.
func Open(cfg Config) (*Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{life: newLife(), cfg: cfg, free: make(chan *capture.Frames, maxBatches), complained: map[string]string{}}
	all, err := Interfaces()
	if err != nil {
		return nil, err
	}
	var first error
	for _, name := range cfg.Interfaces {
		if !slices.ContainsFunc(all, func(d Device) bool { return d.Called(name) }) {
			have := make([]string, len(all))
			for i, d := range all {
				have[i] = d.Name
			}
			return nil, noInterface(name, have)
		}
	}
	for _, d := range s.wanted(all) {
		if !d.Up {
			cfg.Warn(fmt.Sprintf("interface %s is down: waiting for it", d.asked))
			continue
		}
		if err := s.open(d, all); err != nil {
			if first = cmp.Or(first, err); len(cfg.Interfaces) > 0 || errors.Is(err, ErrNoDriver) || errors.Is(err, fs.ErrPermission) {
				break
			}
			s.complainOf(d, err)
		}
	}
	// Of all that there are some may have nothing to read; of those that were named, each must be.
	if first != nil && (len(cfg.Interfaces) > 0 || len(s.readers) == 0) {
		s.closeAll()
		return nil, first
	}
	return s, nil
}

// want is an interface that is to be read.
type want struct {
	Device
	asked string
}

// wanted are the interfaces to read: those that were named, or all that are up.
func (s *Source) wanted(all []Device) (list []want) {
	if len(s.cfg.Interfaces) == 0 {
		for _, d := range all {
			if d.Up {
				list = append(list, want{Device: d})
			}
		}
		return list
	}
	for _, name := range s.cfg.Interfaces {
		i := slices.IndexFunc(all, func(d Device) bool { return d.Called(name) })
		if i < 0 || slices.ContainsFunc(list, func(w want) bool { return w.Name == all[i].Name }) {
			continue
		}
		list = append(list, want{all[i], name})
	}
	return list
}

// complainOf says why an interface is not read, once.
func (s *Source) complainOf(w want, err error) {
	if why := err.Error(); s.complained[w.Name] != why {
		s.complained[w.Name] = why
		s.cfg.Warn(why)
	}
}

// open begins to read an interface.
func (s *Source) open(w want, all []Device) error {
	room := s.cfg.RingBytes
	if len(s.cfg.Interfaces) == 0 { // which is for all of them
		up := 0
		for _, d := range all {
			if d.Up {
				up++
			}
		}
		room = max(room/max(up, 1), minRing)
	}
	dev, err := openHandle(w.Device, room, s.cfg)
	if err == nil {
		if err = s.filter(dev); err != nil {
			dev.close()
		}
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", w.Name, err)
	}
	delete(s.complained, w.Name)
	s.readers = append(s.readers, &reader{dev: dev, asked: w.asked, iface: &capture.Interface{Name: w.Name, Index: w.Index, Link: dev.link}})
	return nil
}

// filter puts the capture filter before the interface; where there is none, one that cuts packets.
func (s *Source) filter(dev *handle) error {
	if s.cfg.FilterFor == nil {
		return dev.filter(cutTo(nil, s.cfg.SnapLen))
	}
	user, err := s.cfg.FilterFor(dev.link)
	if err != nil {
		return fmt.Errorf("capture filter: %w", err)
	}
	return dev.filter(cutTo(user, s.cfg.SnapLen))
}

// Run sends what is captured to out until stop is done, then what was captured before that, and closes out.
func (s *Source) Run(stop context.Context, out chan<- *capture.Frames) error {
	defer close(out)
	if err := s.begin(); err != nil {
		return err
	}
	defer close(s.ended)

	hard, giveUp := grace(stop, func() {})
	defer giveUp()

	now := time.Now().UnixNano()
	s.lastSent.Store(now)
	s.lastSeen.Store(now)
	var reading sync.WaitGroup
	start := func() {
		for _, r := range s.readers {
			if !r.on {
				r.on = true
				reading.Go(func() { s.follow(stop, hard, r, out) })
			}
		}
	}
	start()
	looked, timer := time.Now(), time.NewTimer(beatEvery)
	defer timer.Stop()
	for on := true; on; {
		select {
		case <-stop.Done():
			on = false
		case <-s.closing:
			giveUp()
			on = false
		case <-timer.C:
			timer.Reset(s.beat(time.Now(), out))
			if time.Since(looked) >= lookEvery {
				s.look()
				start()
				looked = time.Now()
			}
		}
	}
	reading.Wait()
	if s.lost.Load() > 0 {
		if b := s.take(hard); b != nil {
			b.Now = s.lastTime.Load()
			s.send(hard, b, out)
		}
	}
	return nil
}

// follow reads one interface until it is gone, or we are to stop and nothing is left that was captured before.
func (s *Source) follow(stop, hard context.Context, r *reader, out chan<- *capture.Frames) {
	defer r.dev.close()
	defer r.gone.Store(true)
	var until time.Time
	for {
		stopping := stop.Err() != nil || s.isClosing()
		if stopping && until.IsZero() {
			until = time.Now().Add(stopDrain)
		}
		n, err := s.read(hard, r, out)
		if now := time.Now(); stopping || err != nil || now.Sub(r.looked) >= dropsEach {
			s.countDrops(r)
			r.looked = now
		}
		switch {
		case err != nil:
			if r.asked != "" {
				s.cfg.Warn(fmt.Sprintf("interface %s is gone: waiting for it to come back (%v)", r.asked, err))
			}
			return
		case stopping && (n == 0 || s.isClosing() || time.Now().After(until)):
			return
		case n == 0:
			r.dev.wait(calmEvery)
		case n > batchFrames/4 && n < readMax: // more will come at once: waking for each costs more than reading it
			time.Sleep(gather)
		}
	}
}

// read sends what an interface has now.
func (s *Source) read(hard context.Context, r *reader, out chan<- *capture.Frames) (n int, err error) {
	n, err = r.dev.read(readMax, func(data []byte, ts int64, wire uint32) {
		if b := r.batch; b != nil && (len(b.Frames) == batchFrames || len(b.Buf)+len(data) > cap(b.Buf)) {
			s.send(hard, b, out)
			r.batch = nil
		}
		if r.batch == nil {
			r.batch = s.take(hard)
		}
		b := r.batch
		if b == nil { // we were told to end while we waited
			s.received.Add(1)
			s.abandoned.Add(1)
			return
		}
		if len(data) > cap(b.Buf)-len(b.Buf) { // alone in it, and greater than most
			b.Buf = make([]byte, 0, len(data))
		}
		at := len(b.Buf)
		b.Buf = append(b.Buf, data...)
		b.Frames = append(b.Frames, capture.Frame{Data: b.Buf[at:], TS: ts, Len: max(wire, uint32(len(data))), Link: r.iface.Link, Iface: r.iface})
	})
	if r.batch != nil {
		s.send(hard, r.batch, out)
		r.batch = nil
	}
	return n, err
}

// spare gives an empty batch, nil when all are on their way.
func (s *Source) spare() *capture.Frames {
	select {
	case b := <-s.free:
		return b
	default:
	}
	if s.made.Add(1) > maxBatches {
		s.made.Add(-1)
		return nil
	}
	b := capture.NewFrames(func(b *capture.Frames) {
		b.Frames, b.Buf, b.Now, b.Lost = b.Frames[:0], b.Buf[:0], 0, 0
		s.free <- b
	})
	b.Frames, b.Buf = make([]capture.Frame, 0, batchFrames), make([]byte, 0, batchBytes)
	return b
}

// take waits for an empty batch; nil once hard is done or we are closed.
func (s *Source) take(hard context.Context) *capture.Frames {
	if b := s.spare(); b != nil {
		return b
	}
	select {
	case b := <-s.free:
		return b
	case <-hard.Done():
	case <-s.closing:
	}
	return nil
}

// send hands a batch over, which is the receiver's from then on, or drops it when the receiver had its time.
func (s *Source) send(hard context.Context, b *capture.Frames, out chan<- *capture.Frames) {
	n, last := len(b.Frames), b.Now
	if n > 0 {
		last = b.Frames[n-1].TS
	}
	s.received.Add(uint64(n))
	lost := s.lost.Swap(0)
	b.Lost = lost
	b.Lend()
	select {
	case out <- b:
	case <-hard.Done():
		s.drop(b, n, lost)
		return
	case <-s.closing:
		s.drop(b, n, lost)
		return
	}
	for {
		before := s.lastTime.Load()
		if last <= before || s.lastTime.CompareAndSwap(before, last) {
			break
		}
	}
	now := time.Now().UnixNano()
	s.lastSent.Store(now)
	s.lastSeen.Store(now)
}

func (s *Source) drop(b *capture.Frames, n int, lost uint64) {
	s.abandoned.Add(uint64(n))
	s.lost.Add(lost)
	b.Release()
}

// beat tells the pipeline the time, and drops, when nothing was sent for a while, and says when to look again. It never waits: a
// pipeline that is busy does not need it.
func (s *Source) beat(now time.Time, out chan<- *capture.Frames) (again time.Duration) {
	every := beatEvery
	if now.Sub(time.Unix(0, s.lastSeen.Load())) >= calmAfter {
		every = calmEvery
	}
	if idle := now.Sub(time.Unix(0, s.lastSent.Load())); idle < every {
		return every - idle
	}
	if b := s.spare(); b != nil {
		lost := s.lost.Swap(0)
		b.Now, b.Lost = max(now.Add(-beatLag).UnixNano(), s.lastTime.Load()), lost
		b.Lend()
		select {
		case out <- b:
		default:
			s.lost.Add(lost)
			b.Release()
		}
	}
	s.lastSent.Store(now.UnixNano())
	return every
}

func (s *Source) countDrops(r *reader) {
	if n := r.dev.drops(); n > r.counted {
		s.lost.Add(n - r.counted)
		s.dropped.Add(n - r.counted)
		r.counted = n
	}
}

// look opens interfaces that have come, or come back, and lets go of those that are gone.
func (s *Source) look() {
	s.readers = slices.DeleteFunc(s.readers, func(r *reader) bool { return r.gone.Load() })
	all, err := Interfaces()
	if err != nil {
		return // what is open stays so
	}
	for _, w := range s.wanted(all) {
		if !w.Up || slices.ContainsFunc(s.readers, func(r *reader) bool { return r.iface.Name == w.Name }) {
			continue
		}
		switch err := s.open(w, all); {
		case err != nil:
			s.complainOf(w, err)
		case w.asked != "":
			s.cfg.Warn(fmt.Sprintf("interface %s is back", w.asked))
		}
	}
}

// Stats says what was counted so far; it may be called at any time, also after Close.
func (s *Source) Stats() Stats {
	return Stats{Received: s.received.Load(), Dropped: s.dropped.Load(), Abandoned: s.abandoned.Load()}
}

// NotCounted is nil: nothing was asked to count.
func (s *Source) NotCounted() error { return nil }

// Close stops Run if need be, without waiting for the pipeline, and lets go of the interfaces.
func (s *Source) Close() error {
	first, running := s.shut()
	if !first {
		return nil
	}
	if running {
		<-s.ended // whose readers have closed what was theirs
		return nil
	}
	s.closeAll()
	return nil
}

func (s *Source) closeAll() {
	for _, r := range s.readers {
		r.dev.close()
	}
}
