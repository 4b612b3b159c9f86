package file

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"strings"

	"rustnet/capture"
)

// Block types and the sections that describe them, of draft-ietf-opsawg-pcapng.
const (
	blockSection   = 0x0a0d0d0a // §4.1, reads the same in both byte orders
	blockInterface = 1          // §4.2
	blockPacketOld = 2          // appendix A, obsolete
	blockSimple    = 3          // §4.4
	blockStats     = 5          // §4.6
	blockPacket    = 6          // §4.3

	byteOrderMagic = 0x1a2b3c4d

	blockOverhead = 12 // type, length, length again
)

const (
	maxInterfaces = 1 << 16 // of a section; each costs memory that its packets do not
	maxName       = 256     // bytes of an interface's name that are kept
)

// maxTime is as late as a packet can be, in the year 2116. Times are held between 0 and it, so that
// no sum or difference of two of them overflows.
const maxTime = 1<<62 - 1

// pcapng parses the blocks of a pcapng file.
type pcapng struct {
	endian                   // of this section
	interfaces []ngInterface // of this section
	described  int           // interfaces of all sections
	last       int64         // time of the last packet that had one
}

// ngInterface is an interface as a section describes it.
type ngInterface struct {
	iface  *capture.Interface
	snap   uint32 // 0 = no limit
	maxLen uint32
	clock  ngClock
	// Losses are told in two ways that count the same packets: with packets, since the one before,
	// and in statistics blocks, since the start. told is what has been passed on.
	lostByPackets, lostByStats, told uint64
}

// ngClock turns an interface's time stamps to nanoseconds.
type ngClock struct {
	mul    uint64 // nanoseconds = stamp × mul / div >> shift + offset
	div    uint64
	shift  uint
	simple uint64 // up to this stamp mul alone is enough and cannot overflow
	offset int64  // nanoseconds
}

// isPcapng knows a section header block, which a pcapng file starts with.
func isPcapng(head []byte) bool { return bytes.HasPrefix(head, []byte{0x0a, 0x0d, 0x0d, 0x0a}) }

// newPcapng looks at the start of the first section header, so that a wrong file is known before
// anything is read.
func newPcapng(head []byte) (*pcapng, error) {
	p := new(pcapng)
	if len(head) < headLen {
		return nil, &cutError{fmt.Sprintf("cut off in the section header (only %d bytes)", len(head))}
	}
	if err := p.findByteOrder(head); err != nil {
		return nil, err
	}
	if err := checkBlockLength(p.uint32(head[4:])); err != nil {
		return nil, err
	}
	return p, p.checkVersion(head)
}

// findByteOrder takes the byte order of the section that starts with block.
func (p *pcapng) findByteOrder(block []byte) error {
	switch magic := le.Uint32(block[8:]); magic {
	case byteOrderMagic:
		p.bigEndian = false
	case bits.ReverseBytes32(byteOrderMagic):
		p.bigEndian = true
	default:
		return fmt.Errorf("a pcapng section header with byte-order magic %#08x", magic)
	}
	return nil
}

func (p *pcapng) checkVersion(block []byte) error {
	if major := p.uint16(block[12:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d is not known (1.x is)", major, p.uint16(block[14:]))
	}
	return nil
}

func checkBlockLength(n uint32) error {
	if n < blockOverhead || n%4 != 0 || n > maxRecord {
		return fmt.Errorf("a block of %d bytes (12 to %d in steps of 4 are possible)", n, maxRecord)
	}
	return nil
}

func (p *pcapng) parse(b []byte, f *capture.Frames) (used, need int, err error) {
	for len(f.Frames) < cap(f.Frames) {
		block := b[used:]
		if len(block) < blockOverhead {
			return used, blockOverhead, nil
		}
		kind := p.uint32(block)
		if kind == blockSection {
			if err := p.findByteOrder(block); err != nil {
				return used, 0, err
			}
		}
		total := p.uint32(block[4:])
		if err := checkBlockLength(total); err != nil {
			return used, 0, err
		}
		n := int(total)
		if len(block) < n {
			return used, n, nil
		}
		if again := p.uint32(block[n-4:]); again != total {
			return used, 0, fmt.Errorf("a block of %d bytes that says %d at its end", total, again)
		}
		if err := p.block(kind, block[:n], f); err != nil {
			return used, 0, err
		}
		used += n
	}
	return used, 0, nil
}

// block takes in one whole block. Kinds that are not known are passed over, as §3.1 wants it.
func (p *pcapng) block(kind uint32, block []byte, f *capture.Frames) error {
	switch kind {
	case blockPacket, blockPacketOld:
		return p.packet(kind, block, f)
	case blockSimple:
		return p.simplePacket(block, f)
	case blockInterface:
		return p.describe(block)
	case blockStats:
		return p.stats(block, f)
	case blockSection:
		return p.section(block)
	}
	return nil
}

var errShortBlock = errors.New("a block too short for what it should hold")

func (p *pcapng) section(block []byte) error {
	if len(block) < blockOverhead+16 {
		return errShortBlock
	}
	p.interfaces = p.interfaces[:0]
	return p.checkVersion(block)
}

// describe takes in an interface description.
func (p *pcapng) describe(block []byte) error {
	if len(block) < blockOverhead+8 {
		return errShortBlock
	}
	if len(p.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	link := linkType(uint32(p.uint16(block[8:])))
	iface := &capture.Interface{Index: p.described, Link: link}
	ifc := ngInterface{iface: iface, snap: p.uint32(block[12:]), maxLen: maxCaptured(link)}
	resolution, offset := byte(6), int64(0) // microseconds, unless it says otherwise
	opts := p.options(block[16:])
	for opts.next() {
		switch opts.code {
		case 2: // if_name
			name, _, _ := strings.Cut(string(opts.value[:min(len(opts.value), maxName)]), "\x00")
			iface.Name = name
		case 9: // if_tsresol
			if len(opts.value) != 1 {
				return fmt.Errorf("an interface whose if_tsresol has %d bytes instead of 1", len(opts.value))
			}
			resolution = opts.value[0]
		case 14: // if_tsoffset
			if len(opts.value) != 8 {
				return fmt.Errorf("an interface whose if_tsoffset has %d bytes instead of 8", len(opts.value))
			}
			offset = int64(p.uint64(opts.value))
		}
	}
	if opts.broken {
		return errors.New("an interface whose options do not fit their block")
	}
	ifc.clock = newClock(resolution, offset)
	p.interfaces = append(p.interfaces, ifc)
	p.described++
	return nil
}

// newClock reads if_tsresol: the stamps' unit is 10^-n seconds, 2^-n with the top bit set.
func newClock(resolution byte, offsetSeconds int64) ngClock {
	const maxSeconds = maxTime / 1_000_000_000
	c := ngClock{mul: 1, div: 1, offset: min(max(offsetSeconds, -maxSeconds), maxSeconds) * 1_000_000_000}
	n := uint(resolution &^ 0x80)
	switch {
	case resolution&0x80 != 0:
		c.mul, c.shift = 1_000_000_000, n
	case n <= 9:
		c.mul = pow10(9 - n)
		c.simple = maxTime / c.mul
	case n <= 28:
		c.div = pow10(n - 9)
	default:
		c.shift = 64 // 64 bits of it are less than a nanosecond
	}
	return c
}

func pow10(n uint) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}

// nanos is the stamp in nanoseconds since the epoch, held between 0 and maxTime.
func (c *ngClock) nanos(stamp uint64) int64 {
	if stamp <= c.simple {
		return min(max(int64(stamp*c.mul)+c.offset, 0), maxTime)
	}
	hi, lo := bits.Mul64(stamp, c.mul)
	switch {
	case c.div > 1: // mul is 1, hi 0
		lo /= c.div
	case c.shift >= 64:
		lo, hi = hi>>(c.shift-64), 0
	default:
		lo, hi = lo>>c.shift|hi<<(64-c.shift), hi>>c.shift
	}
	if hi > 0 || lo > maxTime {
		lo = maxTime
	}
	return min(max(int64(lo)+c.offset, 0), maxTime)
}

// packet takes in an enhanced packet block or its obsolete forerunner: they differ in the first word.
func (p *pcapng) packet(kind uint32, block []byte, f *capture.Frames) error {
	const fixed = 28
	if len(block) < fixed+4 {
		return errShortBlock
	}
	id, drops := p.uint32(block[8:]), uint64(0)
	if kind == blockPacketOld {
		id = uint32(p.uint16(block[8:]))
		if d := p.uint16(block[10:]); d != math.MaxUint16 {
			drops = uint64(d)
		}
	}
	ifc, err := p.iface(id)
	if err != nil {
		return err
	}
	stamp := uint64(p.uint32(block[12:]))<<32 | uint64(p.uint32(block[16:]))
	captured, wire := p.uint32(block[20:]), p.uint32(block[24:])
	if most := min(ifc.maxLen, uint32(len(block)-fixed-4)); captured > most {
		return lengthError(captured, most)
	}
	p.last = ifc.clock.nanos(stamp)
	end := fixed + int(captured)
	f.Frames = append(f.Frames, capture.Frame{
		Data:  block[fixed:end:end],
		TS:    p.last,
		Len:   max(wire, captured),
		Link:  ifc.iface.Link,
		Iface: ifc.iface,
	})
	// Both lengths are padded to words, so that this is never beyond the block's end.
	if padded := fixed + int(captured+3)&^3; padded+4 < len(block) {
		drops += p.packetOptions(block[padded:], f)
	}
	if drops > 0 {
		ifc.lostByPackets = addSaturated(ifc.lostByPackets, drops)
		f.Lost = addSaturated(f.Lost, ifc.untold())
	}
	return nil
}

// packetOptions reads the direction and our own comment of the last frame, and returns how many packets were lost before it.
func (p *pcapng) packetOptions(b []byte, f *capture.Frames) (drops uint64) {
	at := len(f.Frames) - 1
	fr := &f.Frames[at]
	opts := p.options(b)
	for opts.next() {
		switch {
		case opts.code == 1 && len(opts.value) > len(capture.CommentMark) && string(opts.value[:len(capture.CommentMark)]) == capture.CommentMark:
			f.Comments = append(f.Comments, capture.Comment{Frame: at, Text: opts.value}) // opt_comment
		case opts.code == 2 && len(opts.value) == 4: // epb_flags, pack_flags: bits 0 and 1
			switch p.uint32(opts.value) & 3 {
			case 1:
				fr.Dir = capture.DirIn
			case 2:
				fr.Dir = capture.DirOut
			}
		case opts.code == 4 && len(opts.value) == 8: // epb_dropcount
			drops = p.uint64(opts.value)
		}
	}
	return drops
}

// simplePacket takes in a packet without time or interface: it is of the first interface, and as
// late as the packet before it.
func (p *pcapng) simplePacket(block []byte, f *capture.Frames) error {
	const fixed = 12
	if len(block) < fixed+4 {
		return errShortBlock
	}
	ifc, err := p.iface(0)
	if err != nil {
		return err
	}
	wire := p.uint32(block[8:])
	captured := wire
	if ifc.snap != 0 {
		captured = min(captured, ifc.snap)
	}
	if most := min(ifc.maxLen, uint32(len(block)-fixed-4)); captured > most {
		return lengthError(captured, most)
	}
	end := fixed + int(captured)
	f.Frames = append(f.Frames, capture.Frame{
		Data:  block[fixed:end:end],
		TS:    p.last,
		Len:   wire,
		Link:  ifc.iface.Link,
		Iface: ifc.iface,
	})
	return nil
}

// stats takes in what the capture lost on an interface since it started.
func (p *pcapng) stats(block []byte, f *capture.Frames) error {
	if len(block) < blockOverhead+12 {
		return errShortBlock
	}
	ifc, err := p.iface(p.uint32(block[8:]))
	if err != nil {
		return err
	}
	var lost uint64
	opts := p.options(block[20:])
	for opts.next() {
		if (opts.code == 5 || opts.code == 7) && len(opts.value) == 8 { // isb_ifdrop, isb_osdrop
			if v := p.uint64(opts.value); v != math.MaxUint64 { // which is how writers say "not known"
				lost = addSaturated(lost, v)
			}
		}
	}
	ifc.lostByStats = max(ifc.lostByStats, lost)
	f.Lost = addSaturated(f.Lost, ifc.untold())
	return nil
}

// untold returns the losses that were not passed on before.
func (ifc *ngInterface) untold() uint64 {
	lost := max(ifc.lostByPackets, ifc.lostByStats)
	n := lost - ifc.told
	ifc.told = lost
	return n
}

func addSaturated(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func (p *pcapng) iface(id uint32) (*ngInterface, error) {
	if uint64(id) >= uint64(len(p.interfaces)) {
		return nil, fmt.Errorf("interface %d is used but not described", id)
	}
	return &p.interfaces[id], nil
}

func (p *pcapng) isPacket(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch p.uint32(b) {
	case blockPacket, blockPacketOld, blockSimple:
		return true
	}
	return false
}

// ngOptions walks over the options of a block (§3.5).
type ngOptions struct {
	p      *pcapng
	rest   []byte
	code   uint16
	value  []byte
	broken bool // an option is longer than the block
}

// options starts at b, which reaches to the block's end.
func (p *pcapng) options(b []byte) ngOptions { return ngOptions{p: p, rest: b[:len(b)-4]} }

func (o *ngOptions) next() bool {
	if len(o.rest) < 4 {
		return false // blocks are padded to words: nothing is left
	}
	o.code = o.p.uint16(o.rest)
	n := int(o.p.uint16(o.rest[2:]))
	if o.code == 0 {
		return false
	}
	padded := 4 + (n+3)&^3
	if padded > len(o.rest) {
		o.broken = true
		return false
	}
	o.value, o.rest = o.rest[4:4+n], o.rest[padded:]
	return true
}

// Recorded tells whether the capture at path says that rustnet wrote it, so that owners may stand in it. Of a pipe nobody
// knows before it is read.
func Recorded(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	in, err := newInput(f, true)
	if err != nil {
		return false
	}
	defer in.close()
	head := make([]byte, 4<<10)
	n, _ := in.head(head)
	head = head[:n]
	if n < headLen || !isPcapng(head) {
		return false
	}
	p, err := newPcapng(head)
	if err != nil {
		return false
	}
	if total := int(p.uint32(head[4:])); total < n {
		head = head[:total]
	}
	if len(head) < blockOverhead+16 {
		return false
	}
	opts := p.options(head[24:])
	for opts.next() {
		if opts.code == 4 && string(opts.value) == capture.CommentApp { // shb_userappl
			return true
		}
	}
	return false
}
