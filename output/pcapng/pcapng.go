// Package pcapng keeps the packets of connections whose records pass the filter in a pcapng file
// (draft-ietf-opsawg-pcapng), and beside them who has the ends.
//
// The tracker hands over each batch of packets, labelled with their connections, before the events that they made go
// their way. They wait in a bounded buffer for the verdict, which comes with the events; what is wanted goes to a
// goroutine that writes, so that a slow disk holds up nobody.
package pcapng

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"rustnet/capture/decode"
	"rustnet/output"
	"rustnet/output/pieces"
	"rustnet/track/event"
)

// Config is what a person decides about it.
type Config struct {
	File   string      `name:"pcapng" placeholder:"FILE" help:"Also write the packets of connections that pass the filter to FILE, with their owners as comments; .gz and .zst compress. SIGHUP reopens it."`
	Buffer output.Size `name:"pcapng-buffer" placeholder:"SIZE" unset:"64M" help:"Memory for packets of connections that have not passed the filter so far; the oldest are dropped (default 64M)."`

	pieces.Rotation `kong:"-"`
	SnapLen         int           `kong:"-"` // bytes kept of each frame, 0 = all
	Live            bool          `kong:"-"` // what there is no room for is lost; else the source waits
	Settle          time.Duration `kong:"-"` // how long the tracker's new waits
}

const (
	defaultBuffer = 64 << 20
	minBuffer     = 1 << 20
)

// Check says what does not go together, before anything is opened.
func (c Config) Check() error {
	switch err := pieces.Known(c.File); {
	case err != nil:
		return fmt.Errorf("--pcapng: %w", err)
	case c.File == "" && c.Buffer != 0:
		return errors.New("--pcapng-buffer is for the file that --pcapng names")
	case c.File == "-":
		return errors.New("--pcapng: - is stdout, which --output is for (try: -o none --pcapng /dev/stdout)")
	case c.Buffer != 0 && c.Buffer < minBuffer:
		return errors.New("--pcapng-buffer: less than 1M holds too few packets")
	}
	return nil
}

// Keeper is the stage. It passes on all events as they come, and adds lost records for packets that it could not keep.
type Keeper struct {
	cfg    Config
	taps   chan *decode.Packets
	buffer *buffer
	writer *writer
	told   uint64 // of the packets that were lost
	toldAt int64
	seen   atomic.Pointer[counts]
	err    error
}

// tellEvery is the least packet time between two records of losses.
const tellEvery = int64(time.Second)

// New opens the file. Afterwards it needs no privilege.
func New(cfg Config, fields *event.Schema, warn func(string)) (*Keeper, error) {
	if cfg.Buffer == 0 {
		cfg.Buffer = defaultBuffer
	}
	k := &Keeper{cfg: cfg, taps: make(chan *decode.Packets, 16)}
	w, err := newWriter(cfg, fields, warn)
	if err != nil {
		return nil, fmt.Errorf("--pcapng: %w", err)
	}
	k.writer = w
	k.buffer = newBuffer(int(cfg.Buffer), int64(cfg.Settle), k.writer.put)
	k.seen.Store(&counts{})
	return k, nil
}

// Tap takes a batch of packets that have their labels.
func (k *Keeper) Tap(ctx context.Context, p *decode.Packets) error {
	select {
	case k.taps <- p:
		return nil
	case <-ctx.Done():
		p.Release()
		return ctx.Err()
	}
}

// Run judges packets by the events of in until that is closed, writes the rest, and closes out.
func (k *Keeper) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	k.writer.start(ctx)
	err := k.run(ctx, in, out)
	if err == nil {
		k.buffer.finish()
	}
	k.publish()
	k.err = k.writer.close(ctx)
	if lost := k.lost(); err == nil && lost > k.told {
		b := event.NewBatch(nil)
		b.Now = k.buffer.now
		k.tell(b, lost)
		err = b.Send(ctx, out)
	}
	return err
}

func (k *Keeper) run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	for {
		select {
		case p := <-k.taps:
			k.buffer.take(p)
			p.Release()
		case b, more := <-in:
			// The packets that these events are about were handed over before the events were made.
			for range len(k.taps) {
				p := <-k.taps
				k.buffer.take(p)
				p.Release()
			}
			if !more {
				return nil
			}
			k.buffer.judge(b)
			if lost := k.lost(); lost > k.told && b.Now-k.toldAt >= tellEvery {
				k.tell(b, lost)
			}
			k.publish()
			if err := b.Send(ctx, out); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(k.taps) == 0 {
			k.writer.handOver()
		}
	}
}

// tell adds a record of what was lost since the one before.
func (k *Keeper) tell(b *event.Batch, lost uint64) {
	b.Events = append(b.Events, event.Event{Kind: event.Lost, TS: b.Now, LostWhere: event.InPackets, LostCount: lost - k.told})
	k.told, k.toldAt = lost, b.Now
}

func (k *Keeper) publish() {
	c := k.buffer.counts
	k.seen.Store(&c)
}

// lost is how many packets were wanted, or might have been, and are not in the file.
func (k *Keeper) lost() uint64 {
	return k.buffer.counts.lost + k.writer.late.Load() + k.writer.file.Stats().Lost
}

// Records is how many packets are in the file so far.
func (k *Keeper) Records() uint64 { return k.writer.file.Stats().Records }

// Err is what kept packets from being written, once Run has ended.
func (k *Keeper) Err() error { return k.err }

// Report says for people what became of the packets.
func (k *Keeper) Report() string {
	st, n := k.writer.file.Stats(), k.seen.Load()
	text := event.Count(st.Records, "packet") + " in " + k.cfg.File
	if st.Pieces > 0 {
		text += fmt.Sprintf(" and %d put aside", st.Pieces)
	}
	for _, p := range []struct {
		count uint64
		what  string
	}{{n.filtered, "of connections filtered out"}, {n.none, "of no connection"}, {n.again, "seen again on another interface"},
		{n.lost, "that there was no room for (--pcapng-buffer)"}, {k.writer.late.Load(), "lost to a slow disk"}, {st.Lost, "that could not be written"}} {
		if p.count > 0 {
			text += fmt.Sprintf(", %d %s", p.count, p.what)
		}
	}
	return text
}
