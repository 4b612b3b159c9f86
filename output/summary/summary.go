// Package summary shows records together: those of a snapshot, sums over what is alike, totals over
// time. It sorts, groups and cuts them, and draws them again and again on a terminal.
package summary

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// Rows is what a person decides about the order and the number of the rows.
type Rows struct {
	Sort       string   `placeholder:"FIELD" complete:"field" help:"Sort by this field: numbers descending, all else ascending; --sort=-FIELD reverses."`
	Top        int      `placeholder:"N" help:"Show only the first N rows."`
	GroupBy    []string `sep:"none" placeholder:"a,b" complete:"fields" help:"Show one row for all records with equal values of these fields, with their count and sums; for stats repeatable."`
	OutputFile string   `placeholder:"FILE" help:"Write FILE instead of stdout; it is replaced as a whole or not at all."`
}

// Config is what a person decides about records that are shown together.
type Config struct {
	Rows
	Watch time.Duration `placeholder:"D" help:"Repeat every D: redrawn on a terminal, else one block after the other."`

	// NewSince, where it is not zero, keeps of the groups of a Query those of which nothing is known from before it.
	NewSince time.Time `kong:"-"`

	// Latest, where it is not 0, says that a Query gets the latest record first: it takes so many, and shows them in their order.
	Latest uint64 `kong:"-"`

	// Size gives the terminal's columns and lines, 0 where stdout is none.
	Size func() (width, height int) `kong:"-"`
}

// Show is the last stage of a command that shows records together: it takes frames, one a batch.
type Show struct {
	cfg    Config
	out    output.Config
	base   *event.Schema // of the records that come
	fields *event.Schema // of those that are written
	keys   keys
	sums   sums
	ask    asker
	order  order
	w      io.Writer

	render func(rows []event.Event, width int) []byte // instead of the usual table; may be nil
	lines  *output.Stage                              // of forms without frames: one record after the other
	screen *screen

	events atomic.Uint64
}

// New checks the configuration and makes the stage; fields are the records'.
func New(cfg Config, out output.Config, fields *event.Schema, w io.Writer) (*Show, error) {
	s := &Show{cfg: cfg, out: out, base: fields, fields: fields, w: w, ask: newAsker(fields)}
	if cfg.OutputFile != "" {
		s.out = out.InFile()
	}
	if cfg.Size == nil || cfg.OutputFile != "" {
		s.cfg.Size = func() (int, int) { return 0, 0 }
	}
	s.out.Size = nil // a frame is as large as the terminal is when it begins
	var err error
	if names := event.Words(cfg.GroupBy...); len(names) > 0 {
		s.fields = fields.Stored()
		if s.keys, err = parseKeys(names, fields, s.fields); err != nil {
			return nil, err
		}
		s.sums = summable(fields, s.fields)
		if cfg.Sort == "" {
			s.cfg.Sort = "connections"
		}
	}
	if s.order, err = parseOrder(s.cfg.Sort, s.fields); err != nil {
		return nil, err
	}
	if len(s.keys.from) > 0 {
		if err := s.order.check(s.sums, s.keys); err != nil {
			return nil, err
		}
		s.columns(s.keys.names())
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	width, _ := s.cfg.Size()
	if cfg.Watch > 0 && width > 0 && !output.Dumb() {
		s.screen = &screen{w: w}
	}
	return s, nil
}

// check says what is wrong with the form before anything is opened.
func (s *Show) check() error {
	lines, err := output.New(s.out, s.fields, s.w)
	if err == nil && s.cfg.OutputFile == "" && s.out.Format != output.Table {
		s.lines = lines
	}
	return err
}

// columns says what a row of a group shows unless the person says it: also what it is sorted by.
func (s *Show) columns(names []string) {
	shown := slices.Clone(names)
	add := func(fields ...string) {
		for _, f := range fields {
			if !slices.Contains(shown, f) {
				shown = append(shown, f)
			}
		}
	}
	if !s.cfg.NewSince.IsZero() {
		add("start") // when that was first seen
	}
	for _, k := range s.order {
		add(k.field.Name)
	}
	add("connections")
	if s.out.Sockets {
		add("tx_payload", "rx_payload")
	} else {
		add("tx_bytes", "rx_bytes", "tx_rate", "rx_rate", "connections_failed")
	}
	add("tx_retransmits", "rx_retransmits", "tx_packets", "rx_packets", "rtt_ms", "connections_partial")
	s.out.Columns = shown
	if s.out.Format != output.CSV || len(s.out.Fields) > 0 {
		return
	}
	s.out.Fields = slices.Concat([]string{"v", "event", "ts", "group_by"}, names,
		[]string{"connections", "connections_open", "connections_failed", "connections_partial"})
	for _, f := range s.sums.to {
		s.out.Fields = append(s.out.Fields, f.Name)
	}
	s.out.Fields = append(s.out.Fields, "groups_merged")
}

// Events is how many records were written, of all frames.
func (s *Show) Events() uint64 { return s.events.Load() }

// Run shows each batch as a frame until in is closed. When ctx ends it returns at once, even from a
// write that nobody takes.
func (s *Show) Run(ctx context.Context, in <-chan *event.Batch) error {
	return output.UnlessOver(ctx, func() error {
		var err error
		for b := range in {
			if err == nil {
				err = s.write(s.arrange(b.Events, b.Now))
			}
			b.Release()
		}
		return err
	})
}

// Restore gives the terminal back as it was, with the last frame on it.
func (s *Show) Restore() {
	if s.screen != nil {
		s.screen.restore()
	}
}

// arrange groups, sorts and cuts. Records of losses stay in front.
func (s *Show) arrange(events []event.Event, now int64) []event.Event {
	lost := slices.IndexFunc(events, func(e event.Event) bool { return e.Kind != event.Lost })
	if lost < 0 {
		lost = len(events)
	}
	rows := events[lost:]
	if len(s.keys.from) > 0 {
		g := newGroups(s.keys, s.sums, s.fields)
		for i := range rows {
			g.add(&rows[i], s.ask.ask(&rows[i]))
		}
		rows = g.rows(now, 0)
	}
	rows = s.first(rows)
	if len(s.keys.from) > 0 && lost > 0 {
		return append(s.storedLosses(events[:lost]), rows...)
	}
	return events[: lost+copy(events[lost:], rows) : lost+len(rows)]
}

// first sorts rows, and cuts what is too much.
func (s *Show) first(rows []event.Event) []event.Event {
	s.order.sort(rows)
	if s.cfg.Top > 0 && len(rows) > s.cfg.Top {
		rows = rows[:s.cfg.Top]
	}
	return rows
}

// storedLosses makes the records of losses ones of the rows' schema.
func (s *Show) storedLosses(events []event.Event) []event.Event {
	var made []event.Event
	for i := range events {
		r := event.NewStored(s.fields)
		for _, f := range s.base.Fields {
			r.Copy(s.fields.Lookup(f.Name), f, &events[i])
		}
		made = append(made, event.Event{Kind: event.Lost, Stored: r})
	}
	return made
}

// write shows a frame in the form that was asked for.
func (s *Show) write(events []event.Event) error {
	if s.lines != nil {
		err := s.lines.Frame(events)
		s.events.Store(s.lines.Stats().Events())
		return err
	}
	cfg := s.out
	cfg.Width, cfg.Height = s.cfg.Size()
	if s.screen == nil && s.cfg.OutputFile == "" { // a table to a pipe, or once
		return s.table(cfg, events, s.w)
	}
	var text bytes.Buffer
	cfg.Height = 0 // the header does not come again on a screen, which ends before, nor in a file
	if err := s.table(cfg, events, &text); err != nil {
		return err
	}
	if s.screen != nil {
		_, height := s.cfg.Size()
		return s.screen.draw(text.Bytes(), height)
	}
	return replaceFile(s.cfg.OutputFile, text.Bytes())
}

// table writes a frame that stands by itself, with a header of its own.
func (s *Show) table(cfg output.Config, events []event.Event, w io.Writer) error {
	if s.render != nil {
		_, err := w.Write(s.render(events, cfg.Width))
		s.events.Add(uint64(len(events)))
		return output.WriteError(err)
	}
	stage, err := output.New(cfg, s.fields, w)
	if err != nil {
		return err
	}
	err = stage.Frame(events)
	s.events.Add(stage.Stats().Events())
	return err
}
