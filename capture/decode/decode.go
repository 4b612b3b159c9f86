package decode

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"rustnet/capture"
)

// Config says how much the decoder may hold and check. The zero value is the default.
type Config struct {
	// FragmentBytes bounds the memory of datagrams that are being put together (default 4 MiB, at
	// least 512 KiB). When it is full the oldest is given up.
	FragmentBytes int
	// FragmentTimeout is how long, in packet time, a datagram may stay incomplete (default 30 s, as
	// Linux has it in ipfrag_time).
	FragmentTimeout time.Duration
	// Caught is told the first thing that decoding stumbled over (it panicked) and where; such frames are counted as SkipPanicked. nil = nothing is caught.
	Caught func(what string)
	// Checksums asks for Packet.BadSum: IPv4 header, TCP, UDP, ICMP and ICMPv6, where the capture has
	// every byte. It costs reading all payloads.
	Checksums bool
}

const (
	minFragmentBytes     = 512 << 10
	defaultFragmentBytes = 4 << 20
	defaultTimeout       = 30 * time.Second

	bufSize  = 64 << 10 // of a batch's storage, enough for any datagram
	poolSize = 16       // batches kept for use again
	maxDepth = 8        // tunnels within tunnels and labels within labels that are followed
	maxWire  = 1 << 30  // lengths beyond are lies; keeps int sums right on 32-bit systems
)

// Stats counts frames. Frames = Σ Packet.Frames + Σ Skipped + Held, at any time.
type Stats struct {
	Frames  uint64
	Packets uint64
	Held    uint64 // frames that wait for the rest of their datagram
	Skipped [NumSkips]uint64
	// UnknownLink is the first link type that was skipped for SkipLinkType.
	UnknownLink capture.LinkType
}

// Decoder turns frames into packets. All methods but Stats belong to one goroutine.
type Decoder struct {
	sums   bool
	caught func(what string)
	told   bool
	clock  int64
	n      Stats
	frags  fragments

	// Of the frame at hand:
	batch  *Packets
	weight uint32   // frames that its packet stands for
	extra  uint32   // IP bytes of the other fragments that it completes
	depth  int      // tunnels entered
	strict bool     // what is tried for IP may be anything: its lengths must be right
	noSum  bool     // the frame's checksum is left to hardware
	routed bool     // another source or destination counts than the header's, so checksums cannot be told
	macs   [12]byte // destination and source, where the link does not have them side by side

	free      chan *Packets
	published struct {
		frames, packets, held atomic.Uint64
		skipped               [NumSkips]atomic.Uint64
		unknownLink           atomic.Uint32
	}
}

// New makes a decoder.
func New(cfg Config) *Decoder {
	if cfg.FragmentBytes <= 0 {
		cfg.FragmentBytes = defaultFragmentBytes
	}
	if cfg.FragmentTimeout <= 0 {
		cfg.FragmentTimeout = defaultTimeout
	}
	return &Decoder{
		sums:   cfg.Checksums,
		caught: cfg.Caught,
		frags:  newFragments(max(cfg.FragmentBytes, minFragmentBytes), int64(cfg.FragmentTimeout)),
		free:   make(chan *Packets, poolSize),
	}
}

// Run is the stage. When in is closed, fragments still held are counted as skipped; ctx is the hard
// stop. It closes out.
func (d *Decoder) Run(ctx context.Context, in <-chan *capture.Frames, out chan<- *Packets) error {
	defer close(out)
	for {
		select {
		case <-ctx.Done():
			d.publish()
			return ctx.Err()
		case fs, ok := <-in:
			if !ok {
				d.Flush()
				return nil
			}
			b := d.Batch(fs)
			select {
			case out <- b:
			case <-ctx.Done():
				b.Release()
				return ctx.Err()
			}
		}
	}
}

// Batch decodes the next frames of the run, for who has no goroutine of its own for it: Run without channels. At the
// end of the input Flush follows.
func (d *Decoder) Batch(fs *capture.Frames) *Packets {
	b := d.take()
	d.batch, b.First = b, d.n.Frames+1
	if cap(b.Packets) < len(fs.Frames) {
		b.Packets = make([]Packet, len(fs.Frames))
	}
	ps, n := b.Packets[:len(fs.Frames)], 0
	for done := 0; done < len(fs.Frames); {
		read, kept := d.frames(fs.Frames[done:], ps[n:], b)
		done, n = done+read, n+kept
	}
	d.clock = max(d.clock, fs.Now)
	d.expire()
	b.Packets, b.Clock, b.Lost, b.EndsLost, b.Frames = ps[:n], d.clock, fs.Lost, fs.EndsLost, fs
	for i := range fs.Ends {
		b.Ends = append(b.Ends, endOf(&fs.Ends[i]))
	}
	d.publish()
	return b
}

// frames decodes frames up to the end, or to one that makes it panic: a mistake here costs what that frame says, not the program.
func (d *Decoder) frames(frames []capture.Frame, ps []Packet, b *Packets) (read, kept int) {
	defer func() {
		if read == len(frames) || d.caught == nil {
			return
		}
		what := recover()
		if what == nil {
			return
		}
		if !d.told {
			d.told = true
			d.caught(fmt.Sprintf("%s: %v", panicked(), what))
		}
		d.n.Skipped[SkipPanicked] += uint64(d.weight)
		read++
	}()
	for ; read < len(frames); read++ {
		if d.Decode(&frames[read], &ps[kept], b) == SkipNone {
			kept++
		}
	}
	return read, kept
}

// panicked is where, for the function that recovers.
func panicked() string {
	var stack [8]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(3, stack[:])])
	for frame, more := frames.Next(); ; frame, more = frames.Next() {
		if !more || !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", path.Base(frame.File), frame.Line)
		}
	}
}

// endOf gives a socket's ends the form that packets have.
func endOf(e *capture.End) End {
	p := Packet{TS: e.TS, Proto: Proto(e.Proto), Src: addrFrom(e.Local.Addr()), Dst: addrFrom(e.Remote.Addr()),
		SrcPort: e.Local.Port(), DstPort: e.Remote.Port(), IPVersion: 6}
	if e.Local.Addr().Is4() {
		p.IPVersion = 4
	}
	if p.Proto == ICMP || p.Proto == ICMP6 {
		p.DstPort = p.SrcPort // the echo identifier, as of packets
	}
	p.Lane = laneOf(&p)
	return End{End: *e, At: p}
}

// Decode reads one frame, the next of the run, into p. Payloads alias the frame or b's storage. p is
// a packet only when the answer is SkipNone.
func (d *Decoder) Decode(fr *capture.Frame, p *Packet, b *Packets) Skip {
	d.n.Frames++
	if fr.TS > d.clock {
		d.clock = fr.TS
	}
	*p = Packet{} // and not with the rest in it: that would be made elsewhere and copied
	p.TS, p.Clock, p.Frame = fr.TS, d.clock, d.n.Frames
	p.Dir, p.Iface, p.Marked = fr.Dir, fr.Iface, fr.Marked
	if fr.VLANs {
		p.VLAN = fr.VLAN & vidMask
	}
	d.batch, d.weight, d.extra, d.depth, d.strict, d.routed = b, 1, 0, 0, false, false
	d.noSum = fr.NoSum
	wire := max(len(fr.Data), int(min(fr.Len, maxWire)))
	var s Skip
	if fr.Link == capture.LinkEthernet {
		s = d.ethernet(fr.Data, wire, p)
	} else {
		s = d.link(fr.Link, fr.Data, wire, p)
	}
	switch s {
	case SkipNone:
		p.Frames = d.weight
		p.IPLen += d.extra
		p.Lane = laneOf(p)
		d.n.Packets++
	case Held:
		d.n.Held += uint64(d.weight)
	default:
		if s == SkipLinkType && d.n.Skipped[s] == 0 {
			d.n.UnknownLink = fr.Link
		}
		d.n.Skipped[s] += uint64(d.weight)
	}
	return s
}

// Flush gives up all fragments that are held, at the end of the input.
func (d *Decoder) Flush() {
	d.batch = nil // which is out
	for d.frags.oldest != nil {
		d.giveUp(d.frags.oldest)
	}
	d.publish()
}

// Stats may be called from any goroutine; it is as of the last batch.
func (d *Decoder) Stats() Stats {
	s := Stats{Frames: d.published.frames.Load(), Packets: d.published.packets.Load(), Held: d.published.held.Load(),
		UnknownLink: capture.LinkType(d.published.unknownLink.Load())}
	for i := range s.Skipped {
		s.Skipped[i] = d.published.skipped[i].Load()
	}
	return s
}

// Report says for people what was skipped and why, "" when nothing was.
func (s Stats) Report() string {
	text := ReportSkipped(&s.Skipped)
	if s.Skipped[SkipLinkType] > 0 {
		text += fmt.Sprintf(", link type %d is not known", s.UnknownLink)
	}
	return text
}

// ReportSkipped says counts for people: "3 skipped (malformed), 1 skipped (fragment)".
func ReportSkipped(n *[NumSkips]uint64) string {
	var parts []string
	for i, v := range n {
		if v > 0 {
			parts = append(parts, fmt.Sprintf("%d skipped (%v)", v, Skip(i)))
		}
	}
	return strings.Join(parts, ", ")
}

func (d *Decoder) publish() {
	d.published.frames.Store(d.n.Frames)
	d.published.packets.Store(d.n.Packets)
	d.published.held.Store(d.n.Held)
	d.published.unknownLink.Store(uint32(d.n.UnknownLink))
	for i, v := range d.n.Skipped {
		d.published.skipped[i].Store(v)
	}
}

// take gives an empty batch. There are as many about as batches of frames, which the source bounds.
func (d *Decoder) take() *Packets {
	select {
	case b := <-d.free:
		return b
	default:
		return NewPackets(d.putBack)
	}
}

func (d *Decoder) putBack(b *Packets) {
	clear(b.Ends)
	b.Packets, b.Ends, b.Buf, b.Clock, b.Lost, b.EndsLost = b.Packets[:0], b.Ends[:0], b.Buf[:0], 0, 0, 0
	b.First, b.Labels, b.Fragments = 0, b.Labels[:0], b.Fragments[:0]
	select {
	case d.free <- b:
	default:
	}
}
