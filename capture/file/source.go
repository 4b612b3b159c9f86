// Package file reads packets from capture files: pcap and pcapng, as they are or compressed with
// gzip or zstd, from a path or from standard input.
package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"rustnet/capture"
)

var le = binary.LittleEndian

// endian reads the numbers of either byte order, without the calls through an interface that
// binary.ByteOrder costs for every record.
type endian struct{ bigEndian bool }

func (e *endian) uint16(b []byte) uint16 {
	if e.bigEndian {
		return bits.ReverseBytes16(le.Uint16(b))
	}
	return le.Uint16(b)
}

func (e *endian) uint32(b []byte) uint32 {
	if e.bigEndian {
		return bits.ReverseBytes32(le.Uint32(b))
	}
	return le.Uint32(b)
}

func (e *endian) uint64(b []byte) uint64 {
	if e.bigEndian {
		return bits.ReverseBytes64(le.Uint64(b))
	}
	return le.Uint64(b)
}

// opened is an open file or pipe.
type opened struct {
	name string
	file *os.File // what Close closes, nil when the reader is the caller's
	in   *input
	size int64 // as it lies on disk, 0 when not known
}

// Source is an open capture.
type Source struct {
	opened
	format format
	filter func(capture.LinkType, *capture.Frame) bool
	span   int64 // nanoseconds after the first packet at which the run is over, 0 = at the end
	until  int64 // that time, once the first packet is known
	over   bool

	pool  *pool
	batch *batch // being filled, nil when there is none
	slab  *slab
	// slab.buf[:limit] is in use: [:r] is parsed, [r:w] is read, [w:limit] is free. Bytes before r
	// belong to frames that were sent and are never written again.
	r, w, limit int
	base        int64 // place of slab.buf[0] in the uncompressed file

	// Of the batch being filled; added to the counters when it is sent, so that what they say has
	// arrived.
	pending counts

	packets, filtered, bytes atomic.Uint64
}

type counts struct{ packets, filtered, bytes uint64 }

// format parses the records of one file format.
type format interface {
	// parse appends the packets of the whole records at the start of b until f is full or no whole
	// record is left. It returns how many bytes it used and, unless f is full, how many bytes the
	// record at b[used:] needs, which is more than are there. The frames alias b.
	parse(b []byte, f *capture.Frames) (used, need int, err error)
	// isPacket tells whether b, the start of a record, is a packet's.
	isPacket(b []byte) bool
}

// Stats is what a source has done so far.
type Stats struct {
	Packets  uint64 // read from the file
	Filtered uint64 // those of Packets that the filter kept back
	Bytes    uint64 // of the packets' data as captured, filtered ones included
	Size     int64  // of the file as it lies on disk, 0 when not known
	Offset   int64  // how much of Size has been read
}

// cutError is the end of a file where there should be more of it.
type cutError struct{ msg string }

func (e *cutError) Error() string { return e.msg }
func (e *cutError) Unwrap() error { return io.ErrUnexpectedEOF }

// Open opens the capture at path, "-" being standard input, and reads its header. It waits until
// the header has arrived when path is a pipe.
func Open(path string) (*Source, error) {
	o, err := open(path, "a capture file", "tcpdump -U -w - | rustnet -r -")
	if err != nil {
		return nil, err
	}
	s, err := newSource(o)
	if err != nil {
		o.file.Close()
		return nil, err
	}
	return s, nil
}

// open opens what is at path, which should be what; feed is a command that would give standard input something.
func open(path, what, feed string) (opened, error) {
	o := opened{name: path}
	var err error
	if path == "-" {
		if o.name, o.file = "standard input", os.Stdin; term.IsTerminal(int(o.file.Fd())) {
			return o, fmt.Errorf("standard input: it is a terminal (try: %s)", feed)
		}
	} else if o.file, err = os.Open(path); err != nil {
		return o, err
	}
	if err := o.look(what); err != nil {
		o.file.Close()
		return o, err
	}
	return o, nil
}

// look finds out what kind of file it is, and whether it is compressed.
func (o *opened) look(what string) error {
	info, err := o.file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s: it is a directory, not %s", o.name, what)
	}
	regular := info.Mode().IsRegular()
	if regular {
		o.size = info.Size()
	}
	if o.in, err = newInput(o.file, regular); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

// Close closes the file. What was read stays valid.
func (o *opened) Close() error {
	if !o.in.left {
		o.in.close()
	}
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// NewSource reads a capture from r and calls it name in errors. It hands over what each Read gives
// before it asks for more.
func NewSource(name string, r io.Reader) (*Source, error) {
	in, err := newInput(r, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return newSource(opened{name: name, in: in})
}

func newSource(o opened) (*Source, error) {
	s := &Source{opened: o, pool: newPool(), limit: smallSlab}
	var err error
	if s.slab, err = s.pool.takeSlab(context.Background()); err != nil {
		return nil, err
	}
	if s.w, err = s.in.head(s.slab.buf[:headLen]); err == nil {
		s.format, s.r, err = newFormat(s.slab.buf[:s.w])
	}
	if err != nil {
		s.in.close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

// headLen is how many bytes newFormat wants to see. No valid capture is shorter.
const headLen = pcapFileHeader

// newFormat finds out what head is the start of and how many bytes of it are a header that is done with.
func newFormat(head []byte) (f format, used int, err error) {
	switch {
	case len(head) == 0:
		return nil, 0, errors.New("it is empty")
	case isPcap(head):
		f, err = newPcap(head)
		return f, pcapFileHeader, err
	case isPcapng(head):
		f, err = newPcapng(head)
		return f, 0, err
	}
	for _, o := range others {
		if bytes.HasPrefix(head, []byte(o.start)) {
			return nil, 0, fmt.Errorf("not a pcap or pcapng file but %s", o.what)
		}
	}
	return nil, 0, fmt.Errorf("not a pcap or pcapng file (starts with % x)", head[:min(len(head), 4)])
}

// others are files that people take for captures, and what makes captures of them.
var others = []struct{ start, what string }{
	{"\xfd7zXZ\x00", "compressed by xz (try: xz -dc FILE | rustnet -r -)"},
	{"BZh", "compressed by bzip2 (try: bzip2 -dc FILE | rustnet -r -)"},
	{"\x04\x22\x4d\x18", "compressed by lz4 (try: lz4 -dc FILE | rustnet -r -)"},
	{"PK\x03\x04", "a zip archive (try: unzip -p FILE | rustnet -r -)"},
	{"snoop\x00\x00\x00", "one of snoop (try: editcap FILE - | rustnet -r -)"},
	{"SQLite f", "a database (rustnet history --store FILE reads what --store kept)"},
	{`{"`, "lines of JSON (--from reads records)"},
}

// SetFilter makes the source keep back the packets that keep says no to. It must be called before Run.
// The frame is only valid during the call.
func (s *Source) SetFilter(keep func(link capture.LinkType, fr *capture.Frame) bool) { s.filter = keep }

// SetDuration ends the run before the first packet that comes d or more after the first one of the file, by
// the packets' own times; 0 is the whole file. It must be called before Run.
func (s *Source) SetDuration(d time.Duration) { s.span = int64(d) }

// Stats may be called at any time, from any goroutine.
func (s *Source) Stats() Stats {
	return Stats{
		Packets:  s.packets.Load(),
		Filtered: s.filtered.Load(),
		Bytes:    s.bytes.Load(),
		Size:     s.size,
		Offset:   s.in.raw.n.Load(),
	}
}

// Report says it for people.
func (s Stats) Report() string {
	text := capture.Count(s.Packets, "packet") + " read"
	if s.Filtered > 0 {
		text += fmt.Sprintf(", %d kept back by --bpf", s.Filtered)
	}
	return text
}

// Run sends the packets in batches and closes out when it returns, which it does once. A file that
// ends early or is damaged gives all packets before that place, then an error; one that ends early
// wraps io.ErrUnexpectedEOF. The end of stop ends Run without an error, also while it waits for
// a pipe; a reader that waits in the kernel is then left behind until Close or the next byte.
func (s *Source) Run(stop context.Context, out chan<- *capture.Frames) error {
	defer close(out)
	return s.run(stop, func(f *capture.Frames) bool {
		select {
		case out <- f:
			return true
		case <-stop.Done():
			f.Release()
			return false
		}
	})
}

// Ready tells whether what is to be read is there already: in a file that needs no unpacking.
func (s *Source) Ready() bool { return s.in.steady && s.in.pack == "" }

// Each is Run that calls yield with each batch instead of sending it, until that wants no more.
func (s *Source) Each(stop context.Context, yield func(*capture.Frames) bool) error {
	return s.run(stop, func(f *capture.Frames) bool {
		s.arrived() // what yield does with it may take long
		return yield(f)
	})
}

func (s *Source) run(stop context.Context, yield func(*capture.Frames) bool) error {
	defer s.in.finish()
	for {
		need, err := s.drain(stop, yield)
		if err == nil && s.in.err != nil {
			return s.ended()
		}
		if err == nil {
			err = s.fill(stop, need)
		}
		if err == errStopped {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// drain parses what has been read and hands over all of it. It returns how many bytes the record that is
// not whole needs.
func (s *Source) drain(stop context.Context, yield func(*capture.Frames) bool) (need int, err error) {
	for {
		if s.batch == nil {
			if s.batch, err = s.pool.takeBatch(stop); err != nil {
				return 0, err
			}
		}
		f := s.batch.frames
		from := len(f.Frames)
		used, need, damage := s.format.parse(s.slab.buf[s.r:s.w], f)
		s.r += used
		s.account(f, from)
		if s.over {
			if err := s.send(yield); err != nil {
				return 0, err
			}
			return 0, errStopped
		}
		if need > 0 || damage != nil || len(f.Frames) == cap(f.Frames) {
			if err := s.send(yield); err != nil {
				return 0, err
			}
		}
		if damage != nil {
			return 0, fmt.Errorf("%s: damaged at byte %d, after packet %d: %w; everything before it was read",
				s.name, s.base+int64(s.r), s.packets.Load(), damage)
		}
		if need > 0 {
			return need, nil
		}
	}
}

// account counts the frames from index from on, which are new, and takes out those that the filter
// does not want.
func (s *Source) account(f *capture.Frames, from int) {
	s.cutAt(f, from)
	s.pending.packets += uint64(len(f.Frames) - from)
	for i := from; i < len(f.Frames); i++ {
		s.pending.bytes += uint64(len(f.Frames[i].Data))
	}
	if s.filter == nil || from == len(f.Frames) { // with none that is new, the comments stay what they are
		return
	}
	kept := from
	said, left := f.Comments, f.Comments[:0]
	for i := from; i < len(f.Frames); i++ {
		keep := s.filter(f.Frames[i].Link, &f.Frames[i])
		for len(said) > 0 && said[0].Frame <= i {
			if c := said[0]; c.Frame < from {
				left = append(left, c)
			} else if keep {
				left = append(left, capture.Comment{Frame: kept, Text: c.Text})
			}
			said = said[1:]
		}
		if keep {
			f.Frames[kept] = f.Frames[i]
			kept++
		}
	}
	f.Comments = left
	s.pending.filtered += uint64(len(f.Frames) - kept)
	f.Frames = f.Frames[:kept]
}

// cutAt takes out what comes after SetDuration's end.
func (s *Source) cutAt(f *capture.Frames, from int) {
	if s.span == 0 || len(f.Frames) == from {
		return
	}
	if s.until == 0 {
		s.until = f.Frames[from].TS + s.span
	}
	for i := from; i < len(f.Frames); i++ {
		if f.Frames[i].TS >= s.until {
			f.Frames, s.over = f.Frames[:i], true
			return
		}
	}
}

// send hands the batch over. One that says nothing is kept for the next packets.
func (s *Source) send(yield func(*capture.Frames) bool) error {
	f := s.batch.frames
	if len(f.Frames) > 0 || f.Lost > 0 {
		s.slab.refs.Add(1)
		s.batch.slab = s.slab
		s.batch = nil
		f.Lend()
		if !yield(f) {
			return errStopped
		}
	}
	s.arrived()
	return nil
}

// arrived adds what is pending to the counters.
func (s *Source) arrived() {
	s.packets.Add(s.pending.packets)
	s.filtered.Add(s.pending.filtered)
	s.bytes.Add(s.pending.bytes)
	s.pending = counts{}
}

// fill reads more of a record that needs need bytes.
func (s *Source) fill(stop context.Context, need int) error {
	if room := s.limit - s.w; room == 0 || s.limit-s.r < need || !s.in.steady && room < minRead {
		if err := s.turn(stop, need); err != nil {
			return err
		}
	}
	n, err := s.in.read(stop, s.slab.buf[s.w:s.limit])
	s.w += n
	return err
}

// turn moves the record that is not whole to the start of a slab with more room.
func (s *Source) turn(stop context.Context, need int) error {
	rest := s.w - s.r
	// A record says itself how long it is, and may lie: beyond a slab, room grows only as fast as
	// its bytes really come.
	if need > s.pool.size && need <= slabSize {
		s.pool.size = slabSize
	}
	size := s.pool.size
	if need > size {
		size = min(need, max(size, 2*rest))
	}
	if s.slab.refs.Load() > 1 {
		// rest fits: a greater slab ends with the record that it was made for.
		next, err := s.pool.takeSlab(stop)
		if err != nil {
			return err
		}
		copy(next.buf, s.slab.buf[s.r:s.w])
		s.pool.dropSlab(s.slab)
		s.slab = next
	} else if s.r > 0 {
		copy(s.slab.buf, s.slab.buf[s.r:s.w])
	}
	s.base += int64(s.r)
	s.r, s.w, s.limit = 0, rest, size
	return s.pool.resize(stop, s.slab, rest, size)
}

// ended says how the input came to its end.
func (s *Source) ended() error {
	rest := s.slab.buf[s.r:s.w]
	packets, at := s.packets.Load(), s.base+int64(s.r)
	switch {
	case errors.Is(s.in.err, io.ErrUnexpectedEOF):
		return &cutError{fmt.Sprintf("%s: %s after packet %d; everything before it was read", s.name, s.in.err, packets)}
	case s.in.err != io.EOF:
		return fmt.Errorf("%s: read after packet %d: %w; everything before it was read", s.name, packets, s.in.err)
	case len(rest) == 0:
		return nil
	case s.format.isPacket(rest):
		return &cutError{fmt.Sprintf("%s: cut off in the middle of packet %d (at byte %d); everything before it was read",
			s.name, packets+1, at)}
	}
	return &cutError{fmt.Sprintf("%s: cut off in the middle of a block after packet %d (at byte %d); everything before it was read",
		s.name, packets, at)}
}
