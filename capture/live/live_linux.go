package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// beatLag is how far heartbeats stay behind the clock. What is in the rings is looked at
// (ring.dry), so this covers only frames that were stamped and not yet put there: those in a
// CPU's backlog, when some program made the kernel stamp frames on arrival.
const beatLag = 20 * time.Millisecond

// Ancillary tells whether frames lie apart from what the kernel knows of them beside: the VLAN tag that it took off, which way they go.
const Ancillary = true

// Source reads packets from network interfaces.
type Source struct {
	*life
	cfg    Config
	rings  []*ring
	ifaces *ifaceTable
	query  *netlink
	// notCounted is why there is a filter that does not count.
	notCounted error
	links      *netlink // tells when interfaces come, go and change
	// An epoll instance, itself waited for by the Go runtime, and its number.
	epoll   *os.File
	epollFD int
	poll    syscall.RawConn
	wakeFD  int // eventfd: ends a wait

	pool pool

	received, dropped, abandoned atomic.Uint64

	// The rest is Run's own, but for the channels.
	lost     uint64 // drops that no batch has told of yet
	lastTime int64  // greatest packet time sent
	lastSent time.Time
	lastSeen time.Time // when something was captured
	lastWait time.Time
	ends     ends
	busy     bool // a block came because it was full, not because its time was up
	quiet    bool // the rings do not wake us
}

// memory is how much this machine has, in bytes.
func memory() uint64 {
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) != nil {
		return 0
	}
	return uint64(i.Totalram) * uint64(i.Unit)
}

// Open opens the sockets, which is all that needs a privilege (CAP_NET_RAW); frames are kept from
// then on, and come out with Run. Errors wrap errNoInterface, ErrNoDriver and os.ErrPermission where they apply.
func Open(cfg Config) (*Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{life: newLife(), cfg: cfg, wakeFD: -1}
	if err := s.open(); err != nil {
		s.closeAll()
		return nil, err
	}
	return s, nil
}

func (s *Source) open() (err error) {
	// Notices first and the list after, so that no change falls between.
	if s.links, err = openNetlink(unix.RTMGRP_LINK); err != nil {
		return err
	}
	if s.query, err = openNetlink(0); err != nil {
		return err
	}
	all, err := s.query.devices()
	if err != nil {
		return err
	}
	s.ifaces = newIfaceTable(s.query, all)
	for _, d := range all {
		s.tellCounter(d)
	}
	if err := s.openRings(all); err != nil {
		return err
	}
	if s.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	return s.openEpoll()
}

func (s *Source) openRings(all []device) error {
	if len(s.cfg.Interfaces) == 0 {
		r, err := openRing(s.cfg.SnapLen, s.cfg.RingBytes)
		if err != nil {
			return err
		}
		s.rings = append(s.rings, r)
		s.tellSmaller()
		return s.startAll(r, all)
	}
	seen := make(map[int]bool)
	for _, name := range s.cfg.Interfaces {
		d, err := findDevice(all, name)
		if err != nil {
			return err
		}
		if seen[d.Index] {
			continue
		}
		seen[d.Index] = true
		r, err := openRing(s.cfg.SnapLen, s.cfg.RingBytes)
		if err != nil {
			return err
		}
		r.name = name
		s.rings = append(s.rings, r)
		if err := s.start(r, d); err != nil {
			return err
		}
		if !d.Up {
			s.cfg.Warn(fmt.Sprintf("interface %s is down: waiting for it", name))
		}
	}
	s.tellSmaller()
	return nil
}

// tellSmaller says that the kernel had less memory for rings than they should have.
func (s *Source) tellSmaller() {
	for _, r := range s.rings {
		if r.asked != 0 {
			s.cfg.Warn(fmt.Sprintf("there is no memory for a packet ring of %d KiB: it has %d, so that bursts are lost sooner (a smaller one: --ring-bytes)",
				r.asked>>10, len(r.mem)>>10))
			return // the others are as small
		}
	}
}

// startAll lets a ring see all interfaces, those that come later included.
func (s *Source) startAll(r *ring, all []device) error {
	if err := s.attach(r, s.cfg.FilterAny, capture.LinkEthernet); err != nil {
		return err
	}
	for _, d := range all {
		s.promiscuous(r, d)
	}
	if err := r.bind(0); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// start lets a ring see one interface. The filter is there first.
func (s *Source) start(r *ring, d device) error {
	user, err := s.filterFor(d)
	if err != nil {
		return fmt.Errorf("capture filter for interface %s: %w", d.Name, err)
	}
	if err := s.attach(r, user, d.Link); err != nil {
		return err
	}
	s.promiscuous(r, d)
	if err := r.bind(d.Index); err != nil {
		return fmt.Errorf("bind packet socket to interface %s: %w", d.Name, err)
	}
	r.up = d.Up
	return nil
}

// attach gives a ring its filter: one that counts, where that can be made, else the classic one. What was made
// for the ring's interface when there was the right to serves for the next one of its name, if its frames are alike.
func (s *Source) attach(r *ring, user []bpf.RawInstruction, link capture.LinkType) error {
	if r.counting == 0 && s.cfg.Counter != nil {
		fd, err := s.countingFilter(user)
		if err == nil {
			r.counting, r.link = fd, link
		} else if s.notCounted == nil {
			s.notCounted = err
		}
	}
	if r.counting == 0 || r.link != link {
		r.marks = 0
		return attach(r.fd, program(user, s.cfg.SnapLen))
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, r.counting); err != nil {
		return fmt.Errorf("attach capture filter: %w", err)
	}
	r.marks = bypassHeaders
	return nil
}

func (s *Source) countingFilter(user []bpf.RawInstruction) (fd int, err error) {
	if s.cfg.SnapLen < bypassHeaders {
		return 0, fmt.Errorf("a snap length below %d bytes leaves no room for marks", bypassHeaders)
	}
	return s.cfg.Counter.Filter(user, s.cfg.SnapLen)
}

func (s *Source) tellCounter(d device) {
	if s.cfg.Counter != nil {
		s.cfg.Counter.Device(d.Index, d.hatype)
	}
}

// NotCounted says why the kernel counts for no socket or not for all of them, when it was asked for that. It is for after Open.
func (s *Source) NotCounted() error { return s.notCounted }

// filterFor chooses the filter. Frames of GRE devices and others that are not known here may have
// a link header that a filter for raw IP would take for the packet.
func (s *Source) filterFor(d device) ([]bpf.RawInstruction, error) {
	if s.cfg.FilterFor == nil {
		return s.cfg.FilterAny, nil
	}
	switch d.hatype {
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
	default:
		if d.Link == capture.LinkRaw {
			return s.cfg.FilterAny, nil
		}
	}
	return s.cfg.FilterFor(d.Link)
}

func (s *Source) promiscuous(r *ring, d device) {
	if !s.cfg.Promiscuous || d.Link != capture.LinkEthernet || d.hatype == unix.ARPHRD_LOOPBACK {
		return
	}
	if err := r.promiscuous(d.Index); err != nil {
		s.cfg.Warn(fmt.Sprintf("interface %s: promiscuous mode: %v", d.Name, err))
	}
}

const ringEvents = unix.EPOLLIN | unix.EPOLLET&0xffffffff

// openEpoll watches the rings edge-triggered: to poll, a ring is readable as long as the block
// that it handed over last is not back, however long we have known of it. The instance is waited
// for through the Go runtime's own: a goroutine blocked in a system call would keep the runtime's
// monitor thread awake, which costs an idle machine more than all the rest.
func (s *Source) openEpoll() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	unix.SetNonblock(epoll, true) // has no meaning for the kernel, but tells os.NewFile what we want
	s.epoll, s.epollFD = os.NewFile(uintptr(epoll), "epoll"), epoll
	watch := func(fd int, events uint32) {
		if err == nil {
			err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
		}
	}
	watch(s.wakeFD, unix.EPOLLIN)
	watch(s.links.fd, unix.EPOLLIN)
	for _, r := range s.rings {
		watch(r.fd, ringEvents)
	}
	if s.cfg.Ends != nil {
		watch(s.cfg.Ends.FD(), ringEvents)
	}
	if err == nil {
		s.poll, err = s.epoll.SyscallConn()
	}
	if err == nil {
		err = s.epoll.SetReadDeadline(time.Time{}) // fails if the runtime does not wait for it
	}
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// Run sends what is captured to out until stop is done, then what was captured before that, and
// closes out. A batch aliases the ring: until it is released, the kernel lacks that room.
func (s *Source) Run(stop context.Context, out chan<- *capture.Frames) error {
	defer close(out)
	if err := s.begin(); err != nil {
		return err
	}
	defer close(s.ended)

	hard, giveUp := grace(stop, s.wake)
	defer giveUp()

	s.lastSent, s.lastSeen, s.lastWait = time.Now(), time.Now(), time.Now()
	for stop.Err() == nil && !s.isClosing() {
		sent := s.deliver(hard, out)
		now := time.Now()
		timeout := min(s.tellEnds(hard, now, out), s.beat(now, out))
		if now.Sub(s.lastWait) < beatEvery { // else look at the interfaces, however busy we are
			if sent {
				continue // there may be more
			}
			if s.busy {
				s.busy = false
				s.setQuiet(true)
				time.Sleep(gather)
				continue
			}
		}
		if sent {
			timeout = time.Millisecond // not 0: what is past its deadline is not even looked at
		}
		if s.awaitEnds(now) {
			continue
		}
		if err := s.wait(timeout); err != nil {
			return err
		}
		s.lastWait = now
	}
	s.finish(hard, out)
	return nil
}

// wake ends a wait. It may come after Close, when the number of the descriptor is somebody else's.
func (s *Source) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeFD >= 0 {
		one := [8]byte{0: 1, 7: 1} // any count but 0, in either byte order
		unix.Write(s.wakeFD, one[:])
	}
}

// deliver sends at most one block of each ring, so that none waits long for another.
func (s *Source) deliver(hard context.Context, out chan<- *capture.Frames) (sent bool) {
	for _, r := range s.rings {
		blk := r.ready()
		if blk == nil {
			continue
		}
		sent = true
		status := blk.status()
		if status&unix.TP_STATUS_BLK_TMO == 0 {
			s.busy = true
		}
		if status&unix.TP_STATUS_LOSING != 0 {
			s.countDrops(r)
		}
		s.readEnds() // which are between the frames of this block, or before them
		s.sendBlock(hard, r, blk, out)
		blk.done()
	}
	return sent
}

func (s *Source) sendBlock(hard context.Context, r *ring, blk *block, out chan<- *capture.Frames) {
	c, ok := blk.start(), true
	for c.left > 0 && ok {
		b := s.pool.get(blk)
		c, ok = fill(b.Frames, blk.mem, c, s.ifaces, r.marks)
		if n := len(b.Frames.Frames); n > 0 {
			r.last = max(r.last, b.Frames.Frames[n-1].TS)
		}
		if len(s.ends.held) > 0 {
			within := r
			if c.left == 0 {
				within = nil
			}
			s.putEnds(b, s.reach(time.Now().UnixNano(), within))
		}
		s.send(hard, out, b)
	}
	if c.left > 0 { // what the kernel wrote makes no sense; no kernel is known to do that
		s.received.Add(uint64(c.left))
		s.abandoned.Add(uint64(c.left))
	}
}

// send hands a batch over, which is the receiver's from then on, or drops it when the receiver
// had its time.
func (s *Source) send(hard context.Context, out chan<- *capture.Frames, b *batch) {
	n := len(b.Frames.Frames)
	last, now := int64(0), b.Now
	if n > 0 {
		last = b.Frames.Frames[n-1].TS
	}
	s.received.Add(uint64(n))
	b.Lost, b.EndsLost = s.lost, s.ends.lost
	b.Lend()
	select {
	case out <- b.Frames: // cheaper than the select below
	default:
		select {
		case out <- b.Frames:
		case <-hard.Done():
			s.abandoned.Add(uint64(n))
			b.Release()
			return
		case <-s.closing:
			s.abandoned.Add(uint64(n))
			b.Release()
			return
		}
	}
	s.lost, s.ends.lost = 0, 0
	s.lastTime = max(s.lastTime, last, now)
	s.lastSent = time.Now()
	s.lastSeen = s.lastSent
}

// beat tells the pipeline the time, and drops, when nothing was sent for a while, and says when
// to look again. It never waits: a pipeline that is busy does not need it.
func (s *Source) beat(now time.Time, out chan<- *capture.Frames) (again time.Duration) {
	every := s.every(now)
	if idle := now.Sub(s.lastSent); idle < every {
		return every - idle
	}
	for _, r := range s.rings {
		s.countDrops(r)
		if !r.dry() {
			return retireAfter
		}
	}
	if s.cfg.Ends != nil {
		s.ends.lost += s.cfg.Ends.Lost()
	}
	b := s.pool.get(nil)
	b.Now = max(now.Add(-beatLag).UnixNano(), s.lastTime)
	b.Lost, b.EndsLost = s.lost, s.ends.lost
	b.Lend()
	select {
	case out <- b.Frames:
		s.lost, s.ends.lost = 0, 0
	default:
		b.Release()
	}
	s.lastSent = now
	return every
}

// every is the time between two heartbeats.
func (s *Source) every(now time.Time) time.Duration {
	if now.Sub(s.lastSeen) < calmAfter {
		return beatEvery
	}
	return calmEvery
}

func (s *Source) countDrops(r *ring) {
	n := r.drops()
	s.lost += n
	s.dropped.Add(n)
}

// setQuiet keeps the rings from waking the Go runtime for each block while we sleep anyway.
func (s *Source) setQuiet(on bool) {
	if s.quiet == on {
		return
	}
	s.quiet = on
	ev := unix.EpollEvent{Events: ringEvents}
	if on {
		ev.Events = 0
	}
	for _, r := range s.rings {
		ev.Fd = int32(r.fd)
		unix.EpollCtl(s.epollFD, unix.EPOLL_CTL_MOD, r.fd, &ev)
	}
}

// wait sleeps until a ring has a block, an interface changed, or somebody wants us to stop.
func (s *Source) wait(timeout time.Duration) error {
	s.setQuiet(false)
	if err := s.epoll.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("wait for packets: %w", err)
	}
	var (
		events [8]unix.EpollEvent
		n      int
		failed error
	)
	err := s.poll.Read(func(fd uintptr) bool {
		n, failed = unix.EpollWait(int(fd), events[:], 0)
		return n > 0 || failed != nil && failed != unix.EINTR
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("wait for packets: %w", err)
	}
	for _, e := range events[:n] {
		switch {
		case s.cfg.Ends != nil && int(e.Fd) == s.cfg.Ends.FD(): // the loop reads them anyway
		case int(e.Fd) == s.links.fd:
			s.readLinks()
		case e.Events&unix.EPOLLERR != 0:
			// ENETDOWN, which readLinks learns of in another way: reading takes it off the socket.
			unix.GetsockoptInt(int(e.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}
	}
	return nil
}

// finish sends what the rings still hold, and the last count of drops.
func (s *Source) finish(hard context.Context, out chan<- *capture.Frames) {
	shut := true // what comes from now on stays out of all rings
	for _, r := range s.rings {
		shut = attach(r.fd, rejectAll) == nil && shut // a filter is memory, which net.core.optmem_max may refuse by now
	}
	// Also when nobody takes them any more: then they are counted as abandoned, which does not wait. A flood into a ring
	// that could not be shut would never let us end.
	for deadline := time.Now().Add(stopDrain); shut || time.Now().Before(deadline); {
		if s.deliver(hard, out) {
			continue
		}
		if s.allDry() || time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, r := range s.rings {
		s.countDrops(r)
	}
	s.finishEnds(hard, out)
	if s.lost > 0 || s.ends.lost > 0 {
		b := s.pool.get(nil)
		b.Now = s.lastTime
		s.send(hard, out, b)
	}
}

func (s *Source) allDry() bool {
	for _, r := range s.rings {
		if !r.dry() {
			return false
		}
	}
	return true
}

// readLinks takes in what the kernel says about interfaces.
func (s *Source) readLinks() {
	for {
		n, _, err := unix.Recvfrom(s.links.fd, s.links.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err == unix.ENOBUFS: // there was more than the socket could hold
			s.relist()
		case err != nil:
			return
		default:
			eachMessage(s.links.buf[:n], s.linkChanged)
		}
	}
}

func (s *Source) linkChanged(h unix.NlMsghdr, body []byte) {
	d, ok := parseDevice(body)
	switch {
	case !ok:
	case h.Type == unix.RTM_NEWLINK:
		s.linkIs(d)
	case h.Type == unix.RTM_DELLINK:
		s.ifaces.drop(d.Index)
		s.linkGone(d.Index)
	}
}

// relist finds out what changed by looking at everything.
func (s *Source) relist() {
	all, err := s.query.devices()
	if err != nil {
		return
	}
	there := make(map[int]bool)
	for _, d := range all {
		there[d.Index] = true
	}
	for _, r := range s.rings {
		if r.index > 0 && !there[r.index] {
			s.linkGone(r.index)
		}
	}
	for _, d := range all {
		s.linkIs(d)
	}
}

// linkIs takes in that an interface is there: new, renamed, gone up or down, or none of these.
func (s *Source) linkIs(d device) {
	isNew := s.ifaces.byIndex[int32(d.Index)] == nil
	s.ifaces.set(d)
	s.tellCounter(d)
	for _, r := range s.rings {
		switch {
		case r.name == "" && isNew:
			s.promiscuous(r, d)
		case r.name != "" && r.index == gone && d.Called(r.name):
			if err := s.start(r, d); err != nil {
				s.cfg.Warn(fmt.Sprintf("interface %s is back, but: %v", r.name, err))
				continue
			}
			s.cfg.Warn(fmt.Sprintf("interface %s is back", r.name))
		case r.name != "" && r.index == d.Index && r.up != d.Up:
			if r.up = d.Up; d.Up {
				s.cfg.Warn(fmt.Sprintf("interface %s is up", d.calledNow(r.name)))
			} else {
				s.cfg.Warn(fmt.Sprintf("interface %s went down: waiting for it", d.calledNow(r.name)))
			}
		}
	}
}

func (s *Source) linkGone(index int) {
	for _, r := range s.rings {
		if r.name != "" && r.index == index {
			r.index = gone
			s.cfg.Warn(fmt.Sprintf("interface %s is gone: waiting for it to come back", r.name))
		}
	}
}

// Stats says what was counted so far; it may be called at any time, also after Close.
func (s *Source) Stats() Stats {
	st := Stats{Received: s.received.Load(), Dropped: s.dropped.Load(), Abandoned: s.abandoned.Load()}
	if s.cfg.Counter != nil {
		st.Counted, st.Refused = s.cfg.Counter.Counted(), s.cfg.Counter.Refused()
	}
	return st
}

// Close stops Run if need be, without waiting for the pipeline, and frees the sockets. A ring's
// memory stays until the last batch of it is released.
func (s *Source) Close() error {
	first, running := s.shut()
	if !first {
		return nil
	}
	if running {
		s.wake()
		<-s.ended
	}
	s.closeAll()
	return nil
}

func (s *Source) closeAll() {
	for _, r := range s.rings {
		r.close()
	}
	if s.cfg.Ends != nil {
		s.cfg.Ends.Close()
	}
	for _, n := range []*netlink{s.links, s.query} {
		if n != nil {
			n.close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoll != nil {
		s.epoll.Close()
	}
	if s.wakeFD >= 0 {
		unix.Close(s.wakeFD)
		s.wakeFD = -1
	}
}

// calledNow is the name by which it was asked for, unless it is called otherwise by now.
func (d Device) calledNow(name string) string {
	if d.Called(name) {
		return name
	}
	return d.Name
}
