package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

const (
	// minBlock is a compromise: a block is what goes back to the kernel as one, and a trickle
	// uses one for each few frames; and it holds about one batch of frames of common size.
	minBlock = 64 << 10
	// blockOverhead is more than the kernel puts before the first frame of a block.
	blockOverhead = 512
	// batchFrames bounds a batch, so that stages overlap within a block of small frames.
	batchFrames = 256
	// retireAfter is how long the kernel may wait for a block to fill before it hands over what
	// there is. Below Linux 6.18 it counts in jiffies, so that it may be some ms longer there.
	retireAfter = 4 * time.Millisecond

	// sllOffset is where the sockaddr_ll of a frame is: behind the header, aligned to 16
	// (TPACKET_ALIGN, include/uapi/linux/if_packet.h).
	sllOffset   = (unix.SizeofTpacket3Hdr + 15) &^ 15
	frameHeader = sllOffset + unix.SizeofSockaddrLinklayer
	// blockHeader is the offset of struct tpacket_hdr_v1 in a block: behind version and offset_to_priv.
	blockHeader = 8
)

// ring is one packet socket and the memory it shares with the kernel.
type ring struct {
	fd     int
	blocks []block
	next   int   // block that the kernel fills next, or gave us last
	last   int64 // time of the last frame that was sent on
	mem    []byte
	asked  int // how much memory it should have, where there was none for that; else 0
	// refs counts the owner and the blocks that are lent out: the last unmaps the memory.
	refs atomic.Int32

	name  string // interface it was asked for; "" = it sees all
	index int    // interface it is bound to; 0 = all, gone = none at present
	up    bool   // the interface is, as far as was said
	// counting is the program of the filter that counts, 0 = there is none, and link what frames it was made for.
	counting int
	link     capture.LinkType
	marks    uint32 // a frame that is cut shorter than this is marked; 0 = none is
	closed   bool
}

const gone = -1

// block is what the kernel hands over at a time, and gets back at a time.
type block struct {
	ring *ring
	mem  []byte
	// parts counts the batches that still alias it, and the walker while it is at it.
	parts atomic.Int32
	// lent is set as long as it is ours though its status still says what it said when we took it.
	lent atomic.Bool
}

func (b *block) header() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&b.mem[blockHeader]))
}

func (b *block) status() uint32 { return atomic.LoadUint32(&b.header().Block_status) }

// take makes a block that the kernel gave us ours, for one holder.
func (b *block) take() {
	b.ring.refs.Add(1)
	b.parts.Store(1)
	b.lent.Store(true)
}

// done says that one holder is done with the block.
func (b *block) done() {
	if b.parts.Add(-1) > 0 {
		return
	}
	atomic.StoreUint32(&b.header().Block_status, unix.TP_STATUS_KERNEL)
	b.lent.Store(false) // after the status, or the reader would take the block for a new one
	b.ring.release()
}

func (r *ring) release() {
	if r.refs.Add(-1) == 0 {
		unix.Munmap(r.mem) // fails for no memory that mmap gave
	}
}

// close gives the socket back, and the memory as soon as no block is lent out.
func (r *ring) close() {
	if !r.closed {
		r.closed = true
		unix.Close(r.fd)
		r.release()
	}
}

// openRing makes a socket with a ring that gets nothing yet: its protocol is 0 until bind, so
// that no frame is in it that the filter did not see.
func openRing(snapLen, ringBytes int) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return nil, needsRaw(err)
	case err != nil:
		return nil, noSocket("packet", err)
	}
	r := &ring{fd: fd}
	if err := r.mapMemory(snapLen, ringBytes); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r.refs.Store(1)
	return r, nil
}

func (r *ring) mapMemory(snapLen, ringBytes int) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("packet ring: TPACKET_V3 (needs Linux 3.2): %w", err)
	}
	blockSize := minBlock
	for blockSize < snapLen+blockOverhead {
		blockSize *= 2
	}
	const frameSize = 2048 // V3 packs frames of any size; the kernel only checks that this is plausible
	n := max(ringBytes/blockSize, 4)
	for {
		req := unix.TpacketReq3{
			Block_size: uint32(blockSize), Block_nr: uint32(n),
			Frame_size: frameSize, Frame_nr: uint32(n * (blockSize / frameSize)),
			Retire_blk_tov: uint32(retireAfter / time.Millisecond),
		}
		err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)
		if err == nil {
			break
		}
		if errors.Is(err, unix.ENOMEM) && n >= 8 { // a smaller ring is better than none
			n /= 2
			r.asked = ringBytes
			continue
		}
		return fmt.Errorf("packet ring of %d bytes: %w", n*blockSize, err)
	}
	mem, err := unix.Mmap(r.fd, 0, n*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map packet ring of %d bytes: %w", n*blockSize, err)
	}
	r.mem = mem
	r.blocks = make([]block, n)
	for i := range r.blocks {
		r.blocks[i].ring = r
		r.blocks[i].mem = mem[i*blockSize : (i+1)*blockSize]
	}
	return nil
}

// bind starts the flow of frames from an interface (0 = all). It needs no privilege, which is
// what lets a socket follow an interface that was gone after privileges were dropped.
func (r *ring) bind(index int) error {
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: protoAny, Ifindex: index}); err != nil {
		return err
	}
	r.index = index
	return nil
}

// promiscuous asks an interface for all frames, for as long as the socket or the interface lives.
func (r *ring) promiscuous(index int) error {
	m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	return unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m)
}

// ready returns the next block, if the kernel has handed it over.
func (r *ring) ready() *block {
	b := &r.blocks[r.next]
	if b.lent.Load() || b.status()&unix.TP_STATUS_USER == 0 {
		return nil
	}
	b.take()
	if r.next++; r.next == len(r.blocks) {
		r.next = 0
	}
	return b
}

// dry says that nothing is in the ring that we do not have: the block that the kernel fills is
// empty. (It counts frames in the header while it fills; when it had no block to go on with, the
// count is an old one until its timer opens the block, and this says no for a few ms longer.)
// When all blocks are lent out there is nothing more to have either.
func (r *ring) dry() bool {
	b := &r.blocks[r.next]
	if b.lent.Load() {
		return true
	}
	return b.status()&unix.TP_STATUS_USER == 0 && atomic.LoadUint32(&b.header().Num_pkts) == 0
}

// drops reads how many frames the kernel dropped since it was asked last.
func (r *ring) drops() uint64 {
	st, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(st.Drops)
}

// batch is a capture.Frames together with the block that it aliases; nil for a heartbeat.
type batch struct {
	*capture.Frames
	block *block
	pool  *pool
}

// pool keeps batches that are not in use: as many as there ever were in use at once, which the
// number of blocks bounds.
type pool struct {
	mu   sync.Mutex
	free []*batch
}

func (p *pool) get(blk *block) *batch {
	p.mu.Lock()
	var b *batch
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if b == nil {
		b = &batch{pool: p}
		b.Frames = capture.NewFrames(b.back)
	}
	if b.block = blk; blk != nil {
		blk.parts.Add(1)
	}
	return b
}

// back is what releasing the batch calls.
func (b *batch) back(f *capture.Frames) {
	blk := b.block
	b.block = nil
	f.Frames, f.Now, f.Lost, f.Ends, f.EndsLost = f.Frames[:0], 0, 0, f.Ends[:0], 0
	b.pool.mu.Lock()
	b.pool.free = append(b.pool.free, b)
	b.pool.mu.Unlock()
	if blk != nil {
		blk.done()
	}
}

// cursor is how far a block was read.
type cursor struct {
	at   uint32 // offset of the next frame's header
	left uint32 // frames that are left
}

func (b *block) start() cursor {
	h := b.header()
	return cursor{h.Offset_to_first_pkt, h.Num_pkts}
}

// linkUnknown is for frames whose link layer we do not know and that are not IP either.
const linkUnknown capture.LinkType = 0xffff

// fill appends the next frames of a block to the batch, at most batchFrames. It is only the
// kernel that writes these headers; they are checked all the same, and a block that makes no
// sense ends there: left tells how many frames that cost.
func fill(f *capture.Frames, mem []byte, c cursor, ifaces *ifaceTable, marks uint32) (_ cursor, ok bool) {
	frames := f.Frames
	for c.left > 0 && len(frames) < batchFrames {
		if c.at&7 != 0 || uint64(c.at)+frameHeader > uint64(len(mem)) {
			f.Frames = frames
			return c, false
		}
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&mem[c.at]))
		sll := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&mem[c.at+sllOffset]))
		from := uint64(c.at) + uint64(h.Mac)
		to := from + uint64(h.Snaplen)
		if to > uint64(len(mem)) || (c.left > 1 && h.Next_offset == 0) {
			f.Frames = frames
			return c, false
		}
		iface := ifaces.last
		if iface.index != sll.Ifindex || iface.hatype != sll.Hatype {
			iface = ifaces.find(sll.Ifindex, sll.Hatype)
		}
		fr := capture.Frame{
			TS:    int64(h.Sec)*1e9 + int64(h.Nsec),
			Len:   h.Len,
			Link:  iface.Link,
			Dir:   capture.DirIn,
			Iface: iface.Interface,
		}
		if sll.Pkttype == unix.PACKET_OUTGOING {
			fr.Dir = capture.DirOut
		}
		fr.NoSum = h.Status&unix.TP_STATUS_CSUMNOTREADY != 0
		fr.Marked = h.Snaplen < min(h.Len, marks)
		if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			fr.VLAN, fr.VLANs = uint16(h.Hv1.Vlan_tci), true
		}
		if iface.Link == capture.LinkRaw {
			from = skipLink(&fr, h, sll, from, to)
		}
		fr.Data = mem[from:to:to]
		frames = append(frames, fr)
		c.left--
		c.at += h.Next_offset
	}
	f.Frames = frames
	return c, true
}

// skipLink leaves out what stands before the IP header, on devices other than Ethernet: nothing
// on most tunnels, an outer header on some GRE devices, four bytes on InfiniBand, and so on. The
// kernel knows where the network header is and which protocol it has.
func skipLink(fr *capture.Frame, h *unix.Tpacket3Hdr, sll *unix.RawSockaddrLinklayer, from, to uint64) uint64 {
	switch sll.Protocol {
	case protoIP, protoIPv6, protoAny:
	default:
		fr.Link = linkUnknown
		return from
	}
	if h.Net <= h.Mac {
		return from
	}
	skip := uint32(h.Net - h.Mac)
	fr.Len -= min(fr.Len, skip)
	return min(from+uint64(skip), to)
}

// Protocols as sockaddr_ll has them, in network order. protoAny is what frames have that a
// program wrote to a packet socket of its own.
var (
	protoIP   = networkOrder(unix.ETH_P_IP)
	protoIPv6 = networkOrder(unix.ETH_P_IPV6)
	protoAny  = networkOrder(unix.ETH_P_ALL)
)

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
