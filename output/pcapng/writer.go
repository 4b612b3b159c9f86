package pcapng

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"rustnet/capture"
	"rustnet/output/pieces"
	"rustnet/track/event"
)

const (
	blockBytes   = 256 << 10
	blockPackets = 1024
	maxBlocks    = 32 // that wait for a slow disk
)

// block is packets on their way to the goroutine that writes, with their data.
type block struct {
	packets []packet
	data    []byte
}

// writer writes packets in a goroutine of its own.
type writer struct {
	live    bool
	snap    int
	file    *pieces.File
	stop    func() // opening it anew at SIGHUP
	section section
	filling *block
	full    chan *block
	free    chan *block
	made    int
	ended   chan struct{}
	done    <-chan struct{}
	late    atomic.Uint64 // packets for which every block was waiting
}

func newWriter(cfg Config, fields *event.Schema, warn func(string)) (*writer, error) {
	w := &writer{live: cfg.Live, snap: cfg.SnapLen, full: make(chan *block, maxBlocks), free: make(chan *block, maxBlocks), ended: make(chan struct{})}
	w.section.init(fields, cfg.SnapLen)
	var err error
	if w.file, err = pieces.OpenSections(cfg.File, cfg.Rotation, cfg.Live, w.section.begin, warn); err != nil {
		return nil, err
	}
	w.stop = w.file.ReopenOnSignal() // from here on: until the first packet, somebody may have renamed it
	return w, nil
}

func (w *writer) start(ctx context.Context) {
	w.done = ctx.Done()
	go func() {
		defer close(w.ended)
		defer w.stop()
		for b := range w.full {
			for i := range b.packets {
				w.section.write(w.file, &b.packets[i])
			}
			clear(b.packets)
			b.packets, b.data = b.packets[:0], b.data[:0]
			w.free <- b
			if len(w.full) == 0 {
				w.file.Flush()
			}
		}
	}()
}

// put takes a packet, whose data it copies. It is false when there is no room for it.
func (w *writer) put(p *packet) bool {
	data := p.data
	if w.snap > 0 {
		data = data[:min(len(data), w.snap)]
	}
	if b := w.filling; b != nil && (len(b.packets) == blockPackets || len(b.data)+len(data) > blockBytes) {
		w.handOver()
	}
	if w.filling == nil && !w.takeBlock() {
		w.late.Add(1)
		return false
	}
	b := w.filling
	at := len(b.data)
	b.data = append(b.data, data...) // where it grows, those before stay what they are
	b.packets = append(b.packets, *p)
	b.packets[len(b.packets)-1].data = b.data[at:len(b.data):len(b.data)]
	return true
}

// takeBlock takes a free block. Of a file's packets none is lost: the source waits.
func (w *writer) takeBlock() bool {
	select {
	case w.filling = <-w.free:
		return true
	default:
	}
	if w.made < maxBlocks {
		w.made++
		w.filling = &block{}
		return true
	}
	if w.live {
		return false
	}
	select {
	case w.filling = <-w.free:
		return true
	case <-w.done:
		return false
	}
}

// handOver lets what was put be written.
func (w *writer) handOver() {
	if w.filling != nil {
		w.full <- w.filling // there is room for all that were made
		w.filling = nil
	}
}

// close waits until all is written. Its error says what is missing.
func (w *writer) close(ctx context.Context) error {
	w.handOver()
	close(w.full)
	select {
	case <-w.ended:
		return w.file.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Blocks and options of draft-ietf-opsawg-pcapng.
const (
	blockSection   = 0x0a0d0d0a // §4.1
	blockInterface = 1          // §4.2
	blockNames     = 4          // §4.5
	blockPacket    = 6          // §4.3

	optEnd     = 0
	optComment = 1
	ifName     = 2
	ifTSResol  = 9
	shbApp     = 4
	epbFlags   = 2
	nameIPv4   = 1
	nameIPv6   = 2

	namesMax = 1 << 16 // pairs of address and name that a piece is known to have
)

// section writes the blocks of a piece: a section header, and before a packet what it needs that is not there yet.
type section struct {
	snap   int
	notes  *comments
	piece  atomic.Uint64 // its number, from 1
	ifaces map[capture.Interface]uint32
	names  map[hostAddr]struct{}

	p      *packet // at hand
	note   []byte  // its comment
	append func(dst []byte) []byte
}

type hostAddr struct {
	addr netip.Addr
	name string
}

func (s *section) init(fields *event.Schema, snap int) {
	s.snap, s.notes = snap, newComments(fields)
	s.ifaces, s.names = map[capture.Interface]uint32{}, map[hostAddr]struct{}{}
	s.append = s.appendPacket
}

var le = binary.LittleEndian

// begin begins a piece. It is called while no packet is appended.
func (s *section) begin(dst []byte) []byte {
	s.piece.Add(1)
	clear(s.ifaces)
	clear(s.names)
	dst, start := beginBlock(dst, blockSection)
	dst = le.AppendUint32(dst, 0x1a2b3c4d)
	dst = le.AppendUint16(dst, 1)
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint64(dst, ^uint64(0)) // its length is not known
	dst = appendOption(dst, shbApp, capture.CommentApp)
	dst = le.AppendUint32(dst, optEnd)
	return endBlock(dst, start)
}

// write writes a packet into the piece where it belongs.
func (s *section) write(f *pieces.File, p *packet) {
	s.p = p
	s.note = s.note[:0]
	if s.owes() {
		s.note = s.notes.appendFull(s.note, p.who)
	} else {
		s.note = s.notes.appendBrief(s.note, p.who)
	}
	most := len(p.data) + len(s.note) + 2*len(p.who.host) + len(p.iface.Name) + 256
	f.MakeRecord(most, p.ts, s.append)
}

// owes tells whether the piece does not have yet what is known of the packet's connection. A piece of a datagram is no
// place for it: whoever reads does not know yet whose it is.
func (s *section) owes() bool {
	c := s.p.c
	return !s.p.piece && (c.piece != s.piece.Load() || c.noted != s.p.who)
}

func (s *section) appendPacket(dst []byte) []byte {
	p := s.p
	iface, known := s.ifaces[p.iface]
	if !known {
		iface = uint32(len(s.ifaces))
		s.ifaces[p.iface] = iface
		dst = s.appendInterface(dst, &p.iface)
	}
	dst = s.appendName(dst, p.who)
	if s.owes() {
		if p.c.piece != s.piece.Load() && p.c.noted == p.who { // the piece began since the note was made
			s.note = s.notes.appendFull(s.note[:0], p.who)
		}
		p.c.piece, p.c.noted = s.piece.Load(), p.who
	}
	return s.appendFrame(dst, p, iface)
}

func (s *section) appendFrame(dst []byte, p *packet, iface uint32) []byte {
	head, tail, wire := p.data, p.data[len(p.data):], p.wire
	var tag []byte
	// What the interface took off goes where it was, if it can be there.
	if p.vlans && p.iface.Link == capture.LinkEthernet && len(p.data) >= 12 {
		tag = []byte{0x81, 0x00, byte(p.vlan >> 8), byte(p.vlan)}
		head, tail, wire = p.data[:12], p.data[12:], wire+4
	}
	n := len(head) + len(tag) + len(tail)
	if s.snap > 0 && n > s.snap {
		tail, n = tail[:len(tail)-(n-s.snap)], s.snap
	}
	dst, start := beginBlock(dst, blockPacket)
	dst = le.AppendUint32(dst, iface)
	dst = le.AppendUint32(dst, uint32(uint64(p.ts)>>32))
	dst = le.AppendUint32(dst, uint32(p.ts))
	dst = le.AppendUint32(dst, uint32(n))
	dst = le.AppendUint32(dst, max(wire, uint32(n)))
	dst = pad(append(append(append(dst, head...), tag...), tail...), n)
	if len(s.note) > 0 {
		dst = appendOption(dst, optComment, s.note)
	}
	if p.dir != capture.DirUnknown {
		flags := [4]byte{1}
		if p.dir == capture.DirOut {
			flags[0] = 2
		}
		dst = appendOption(dst, epbFlags, flags[:])
	}
	dst = le.AppendUint32(dst, optEnd)
	return endBlock(dst, start)
}

func (s *section) appendInterface(dst []byte, i *capture.Interface) []byte {
	dst, start := beginBlock(dst, blockInterface)
	dst = le.AppendUint16(dst, uint16(i.Link))
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint32(dst, uint32(s.snap))
	if i.Name != "" {
		dst = appendOption(dst, ifName, i.Name)
	}
	dst = appendOption(dst, ifTSResol, "\x09") // nanoseconds
	dst = le.AppendUint32(dst, optEnd)
	return endBlock(dst, start)
}

// appendName says the name of the remote end, once in each piece.
func (s *section) appendName(dst []byte, o *owner) []byte {
	if o.host == "" || !o.remote.IsValid() {
		return dst
	}
	k := hostAddr{o.remote.WithZone(""), o.host}
	if _, known := s.names[k]; known {
		return dst
	}
	if len(s.names) >= namesMax {
		clear(s.names)
	}
	s.names[k] = struct{}{}
	if !nameable(o.host) {
		return dst
	}
	addr, kind := o.remote.AsSlice(), uint16(nameIPv6)
	if o.remote.Is4() {
		kind = nameIPv4
	}
	n := len(addr) + len(o.host) + 1
	dst, start := beginBlock(dst, blockNames)
	dst = le.AppendUint16(dst, kind)
	dst = le.AppendUint16(dst, uint16(n))
	dst = pad(append(append(append(dst, addr...), o.host...), 0), n)
	dst = le.AppendUint32(dst, 0) // no more records
	return endBlock(dst, start)
}

// nameable tells what can be a host's name. Others are in comments only: they may be made up to mislead who looks.
func nameable(name string) bool {
	if len(name) > 255 {
		return false
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

func beginBlock(dst []byte, kind uint32) (_ []byte, start int) {
	start = len(dst)
	return le.AppendUint32(le.AppendUint32(dst, kind), 0), start
}

func endBlock(dst []byte, start int) []byte {
	n := uint32(len(dst) - start + 4)
	le.PutUint32(dst[start+4:], n)
	return le.AppendUint32(dst, n)
}

func appendOption[T string | []byte](dst []byte, code uint16, value T) []byte {
	dst = le.AppendUint16(dst, code)
	dst = le.AppendUint16(dst, uint16(len(value)))
	return pad(append(dst, value...), len(value))
}

// pad fills up what is n bytes long to whole words.
func pad(dst []byte, n int) []byte {
	for ; n&3 != 0; n++ {
		dst = append(dst, 0)
	}
	return dst
}
