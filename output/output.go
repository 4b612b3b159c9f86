// Package output writes events as lines: NDJSON, CSV or a table, each line out as soon as it happened.
package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"rustnet/track/event"
)

// Formats of records.
const (
	JSON  = "json"
	CSV   = "csv"
	Table = "table"
	None  = "none" // nothing is written, only counted
)

// Config is what a person decides about the output, and what main found out about where it goes.
type Config struct {
	Format     string   `name:"output" short:"o" help:"Form of the records: json, csv, table; none writes nothing and only counts." enum:"json,csv,table,none" default:"table" placeholder:"FORM"`
	Fields     []string `help:"Fields to write, in this order; or +a,-b to add to and remove from the default." placeholder:"a,b,c" complete:"fields"`
	Schema     string   `help:"Write the records in another schema: zeek (conn.log), eve (Suricata), ecs (Elastic), ocsf (Network Activity). rustnet manual schemas says what becomes of each field." enum:"zeek,eve,ecs,ocsf," default:"" placeholder:"NAME"`
	Events     []string `help:"Events to write: new, updated, closed (default all). Alerts are always written; alert alone writes nothing else." placeholder:"KIND,..." complete:"new,updated,closed,alert"`
	Count      uint64   `short:"n" help:"Stop after this many events; of history show the latest so many. 0 is no limit." unset:"no limit" default:"0" placeholder:"N"`
	ExitCode   bool     `help:"Exit with 3 when no event was written."`
	FailMatch  bool     `name:"fail-on-match" help:"Exit with 4 when an event was written, as for connections that should not be."`
	NoHeader   bool     `help:"Leave out the header line of CSV and tables."`
	Color      string   `help:"Colours in the table: auto, always, never." enum:"auto,always,never" default:"auto" placeholder:"WHEN"`
	TimeFormat string   `help:"Times as rfc3339, unix (seconds) or local. Default: rfc3339; in tables the local time of day, with the date for kept records." enum:"rfc3339,unix,local," default:"" placeholder:"FORM"`

	// Encoder makes what writes the records of Schema, nil where Schema does not count; Host is this machine's name, where they are about it.
	Encoder func(Config, *event.Schema) (Encoder, error) `kong:"-"`
	Host    string                                       `kong:"-"`

	Columns   []string `kong:"-"` // of the table by default, most important first, where the usual ones do not fit the records
	Width     int      `kong:"-"` // of the terminal that it goes to, 0 when it goes elsewhere
	Height    int      `kong:"-"` // of the terminal; the table's header comes again when it has scrolled away
	Dated     bool     `kong:"-"` // the records may be of many days: the table says of which
	Sockets   bool     `kong:"-"` // the kernel's socket tables are all that tells of them
	Listening bool     `kong:"-"` // many records are of sockets that wait, whose local end is all there is to say

	// Size gives the terminal's size anew, zero where it is none any more; nil where Width and Height stay as they are.
	Size func() (width, height int) `kong:"-"`

	Spool     bool `kong:"-"` // live: a slow reader costs merged updates and never holds up the source
	SpoolSize int  `kong:"-"` // events kept for a slow reader, 0 = 65536
}

// ErrReaderGone is what Run ends with when the reader closed its end. It is no failure.
var ErrReaderGone = errors.New("the reader of stdout is gone")

// flushAt is how much is collected at most before it is written, while more keeps coming.
const flushAt = 64 << 10

// encoder makes lines.
type encoder interface {
	header(dst []byte) []byte
	record(dst []byte, e *event.Event) []byte
}

// Encoder makes lines of a form that this package does not know.
type Encoder interface {
	Header(dst []byte) []byte
	// Record appends the lines that the event gives, of some none.
	Record(dst []byte, e *event.Event) []byte
	// Writes tells whether there may be lines for events of this kind.
	Writes(event.Kind) bool
}

// foreign is an Encoder as one of ours.
type foreign struct{ Encoder }

func (f foreign) header(dst []byte) []byte                 { return f.Header(dst) }
func (f foreign) record(dst []byte, e *event.Event) []byte { return f.Record(dst, e) }

// foreign tells whether the records have a form of Schema.
func (c *Config) foreign() bool { return c.Schema != "" && c.Encoder != nil }

// noEncoder is for those who only count.
type noEncoder struct{}

func (noEncoder) header(dst []byte) []byte                 { return dst }
func (noEncoder) record(dst []byte, _ *event.Event) []byte { return dst }

// Written is a file that is to be written, and the flag that names it.
type Written struct {
	Flag, Path string
	Replaced   bool // it is another file, in its place, when it is done
	Aside      bool // it gets another name when it is large or old enough
}

// Later is the path at which files are put when the rest is open, "" = none is. A link is put aside itself, and followed else.
func (w *Written) Later() string {
	if w.Path == "" || !w.Replaced && !w.Aside {
		return ""
	}
	if real, err := filepath.EvalSymlinks(w.Path); err == nil && w.Replaced {
		return real
	}
	return w.Path
}

// Apart says which file that is to be written is read as well, or is named by two flags: adding to what is read would destroy it,
// or never end. Of what is read, - is stdin. Nor may one be what Link refuses.
func Apart(read []string, written ...Written) error {
	for _, w := range written {
		if _, err := Link(w.Path); err != nil {
			return fmt.Errorf("%s: %w", w.Flag, err)
		}
	}
	for _, r := range read {
		for _, w := range written {
			if r != "" && r != "-" && w.Path != "" && filepath.Clean(r) == filepath.Clean(w.Path) { // also one that is not there yet
				return fmt.Errorf("%s: %s is the file that is read", w.Flag, w.Path)
			}
		}
		source, err := os.Stat(r)
		if r == "-" {
			source, err = os.Stdin.Stat()
		}
		if err != nil || !source.Mode().IsRegular() {
			continue
		}
		if info, err := os.Stdout.Stat(); err == nil && os.SameFile(source, info) {
			return fmt.Errorf("stdout is the file that is read: %s", r)
		}
		for _, w := range written {
			if info, err := os.Stat(w.Path); err == nil && os.SameFile(source, info) {
				return fmt.Errorf("%s: %s is the file that is read", w.Flag, w.Path)
			}
		}
	}
	for i, w := range written {
		info, err := os.Stat(w.Path)
		if w.Path == "" || w.Path == "-" || err == nil && !info.Mode().IsRegular() { // a terminal, a pipe, /dev/null
			continue
		}
		for _, other := range written[:i] {
			there, oerr := os.Stat(other.Path)
			if filepath.Clean(w.Path) == filepath.Clean(other.Path) || err == nil && oerr == nil && os.SameFile(info, there) {
				return fmt.Errorf("%s and %s: both would write %s", other.Flag, w.Flag, w.Path)
			}
		}
	}
	return nil
}

// Keeper keeps records one by one, as a file in pieces does. What it cannot take is lost, and nobody waits
// for it.
type Keeper interface {
	SetHeader(header []byte) // called once, before all else
	// WriteRecord is false when the record, which happened at ts, could not be kept.
	WriteRecord(record []byte, ts int64) bool
	Flush() // nothing more comes at the moment
	Close() error
}

// Stage is the last stage: it numbers, formats and writes events.
type Stage struct {
	cfg   Config
	w     io.Writer
	keep  Keeper // instead of w
	enc   encoder
	kinds [event.NumKinds]bool

	taken   [event.NumKinds]uint64 // events that came in, of those not in made yet
	buf     []byte
	inBuf   [event.NumKinds]uint64 // events whose bytes are in buf
	ends    []end                  // of them, of those that go to w
	seq     uint64
	counted uint64 // towards Config.Count
	over    bool   // nothing more is written
	missed  uint64 // records that keep could not take, and that no record of losses told of yet
	ts      *event.Field
	stored  *event.Schema        // of records that were read back, for those that are made here; else nil
	begun   bool                 // see Frame
	lay     func(Config) encoder // makes the table anew, for another size; else nil
	err     error

	stopped  chan struct{}
	stopOnce sync.Once

	made, written                          [event.NumKinds]atomic.Uint64
	unselected, merged, lost, afterTheStop atomic.Uint64
}

// end is where in buf a record ends.
type end struct {
	at   int
	kind event.Kind
}

// New checks the configuration and makes the stage. Nothing is written before Run.
func New(cfg Config, schema *event.Schema, w io.Writer) (*Stage, error) {
	s, err := newStage(cfg, schema)
	if err == nil {
		s.w = w
	}
	return s, err
}

// NewKeeping makes a stage whose records go to keep, which it closes at the end of Run.
func NewKeeping(cfg Config, schema *event.Schema, keep Keeper) (*Stage, error) {
	s, err := newStage(cfg, schema)
	if err != nil {
		return nil, err
	}
	s.keep, s.ts = keep, schema.Lookup("ts")
	if schema.IsStored() {
		s.stored = schema
	}
	if !cfg.NoHeader {
		keep.SetHeader(s.enc.header(nil))
	}
	return s, nil
}

func newStage(cfg Config, schema *event.Schema) (*Stage, error) {
	s := &Stage{cfg: cfg, stopped: make(chan struct{}), buf: make([]byte, 0, flushAt+16<<10)}
	if cfg.TimeFormat != "" && !slices.Contains([]string{"rfc3339", "unix", "local"}, cfg.TimeFormat) {
		return nil, fmt.Errorf("--time-format: unknown format %q (rfc3339, unix or local)", cfg.TimeFormat)
	}
	var err error
	if s.kinds, err = kindsOf(cfg.Events); err != nil {
		return nil, err
	}
	if cfg.foreign() {
		f, err := cfg.Encoder(cfg, schema)
		if err != nil {
			return nil, err
		}
		if s.enc = (foreign{f}); cfg.Format == None {
			s.enc = noEncoder{}
		}
		return s, s.omitKinds(f)
	}
	sel, err := parseFields(cfg.Fields, schema)
	if err != nil {
		return nil, err
	}
	switch cfg.Format {
	case JSON:
		s.enc = newJSON(sel.fields(schema.Fields), cfg.TimeFormat)
	case CSV:
		s.enc = newCSV(sel.fields(schema.Fields), cfg.TimeFormat, cfg.Width > 0)
	case Table, "":
		s.lay = func(cfg Config) encoder { return newTable(sel, schema, cfg) }
		s.enc = s.lay(cfg)
	case None:
		s.enc = noEncoder{}
	default:
		return nil, fmt.Errorf("--output: unknown format %q (json, csv, table or none)", cfg.Format)
	}
	return s, nil
}

// selectable are the kinds that --events chooses from; the others come anyway.
var selectable = []string{event.New.String(), event.Updated.String(), event.Closed.String()}

// kindsOf are the kinds of events that --events asks for.
func kindsOf(names []string) (kinds [event.NumKinds]bool, err error) {
	words := event.Words(names...)
	for k := range kinds {
		name := event.Kind(k).String()
		kinds[k] = len(words) == 0 || slices.Contains(words, name) || name != "" && !slices.Contains(selectable, name)
	}
	for _, w := range words {
		if w != event.Alert.String() && !slices.Contains(selectable, w) {
			return kinds, fmt.Errorf("--events: unknown event %q%s (new, updated, closed or alert)", w, didYouMean(w, selectable))
		}
	}
	return kinds, nil
}

// omitKinds takes out the kinds that a form has no lines for.
func (s *Stage) omitKinds(f Encoder) error {
	asked := event.Words(s.cfg.Events...)
	for k := range s.kinds {
		kind := event.Kind(k)
		if f.Writes(kind) {
			continue
		}
		if name := kind.String(); name != "" && slices.Contains(asked, name) {
			return fmt.Errorf("--events: --schema %s has nothing for %s", s.cfg.Schema, name)
		}
		s.kinds[k] = false
	}
	return nil
}

// Writes tells whether events of this kind are among those that are written.
func (s *Stage) Writes(k event.Kind) bool { return s.kinds[k] }

// Stats is the account of the stage. ΣMade = ΣWritten + Unselected + Merged + Lost + AfterStop.
type Stats struct {
	Made    [event.NumKinds]uint64 // came in; the records of our own losses among them
	Written [event.NumKinds]uint64

	Unselected uint64 // not among --events
	Merged     uint64 // updates that a slow reader got with the connection's next event
	Lost       uint64 // for want of room while the reader was slow
	AfterStop  uint64 // after --count was reached, the reader had left or writing failed
}

// Events is how many events were written, which is what --count, --exit-code and --fail-on-match go by: all but those that
// tell of rustnet itself.
func (s Stats) Events() uint64 {
	var n uint64
	for k, written := range s.Written {
		if counts(event.Kind(k)) {
			n += written
		}
	}
	return n
}

// Report says for people what became of the events: those made are written, filtered out before they came
// here, or told to be lost.
func (s Stats) Report(filtered uint64) string {
	text := event.Count(s.Events(), "event") + " written"
	for _, n := range []struct {
		count uint64
		what  string
	}{{filtered, "filtered out"}, {s.Unselected, "not selected"}, {s.Merged, "merged for a slow reader"},
		{s.Lost, "lost to a slow reader"}, {s.AfterStop, "not written after the end"}} {
		if n.count > 0 {
			text += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	return text
}

func counts(k event.Kind) bool { return k != event.Lost && k != event.Stats }

// Stats may be asked at any time, from any goroutine.
func (s *Stage) Stats() Stats {
	st := Stats{Unselected: s.unselected.Load(), Merged: s.merged.Load(), Lost: s.lost.Load(), AfterStop: s.afterTheStop.Load()}
	for k := range s.made {
		st.Made[k], st.Written[k] = s.made[k].Load(), s.written[k].Load()
	}
	return st
}

// Stopped is closed when nothing more will be written: --count is reached, the reader left, or writing
// failed. The sources can end then; Run goes on taking batches until in is closed, so that nobody is held up.
func (s *Stage) Stopped() <-chan struct{} { return s.stopped }

// Run writes what comes until in is closed. It gives nil, ErrReaderGone, or what kept it from writing.
// When ctx ends it returns at once, even from a write that nobody takes; the goroutine of such a write
// ends with the process.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch) error {
	return UnlessOver(ctx, func() error {
		run := s.runDirect
		if s.cfg.Spool {
			run = s.runSpooled
		}
		err := run(in)
		if s.keep != nil {
			err = s.keep.Close()
		}
		return err
	})
}

// UnlessOver runs what may block in a write, and leaves it behind at the end of ctx: its goroutine then
// ends with the process.
func UnlessOver(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done:
			return err
		default:
			return ctx.Err()
		}
	}
}

// runDirect lets a slow reader hold up the source, which for a file is right.
func (s *Stage) runDirect(in <-chan *event.Batch) error {
	s.writeHeader()
	for b := range in {
		for i := range b.Events {
			if s.take(&b.Events[i]) {
				s.format(&b.Events[i])
			}
		}
		s.countMade()
		b.Release()
		if len(in) == 0 {
			s.flush()
		}
	}
	s.flush()
	return s.err
}

// runSpooled takes in whatever comes at once, while a second goroutine writes at the reader's pace.
func (s *Stage) runSpooled(in <-chan *event.Batch) error {
	sp := newSpool(s.cfg.SpoolSize, s)
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.writeHeader()
		for {
			b, more, ok := sp.take()
			if !ok {
				break
			}
			for i := range b.Events {
				s.format(&b.Events[i])
			}
			b.Release()
			if !more {
				s.flush()
			}
		}
		s.flush()
	}()
	for b := range in {
		sp.add(b)
	}
	sp.close()
	<-written
	return s.err
}

// Frame writes records that belong together, at once and in this goroutine; the header comes before the
// first. It is instead of Run, for those who have all records before any is written.
func (s *Stage) Frame(events []event.Event) error {
	if !s.begun {
		s.begun = true
		s.writeHeader()
	}
	for i := range events {
		if s.take(&events[i]) {
			s.format(&events[i])
		}
	}
	s.countMade()
	s.flush()
	return s.err
}

// take counts an event in, and tells whether it is one to write.
func (s *Stage) take(e *event.Event) bool {
	if e.Kind < event.New {
		return false
	}
	s.taken[e.Kind]++
	if !s.kinds[e.Kind] {
		s.unselected.Add(1)
		return false
	}
	return true
}

// countMade adds what take counted to what others may ask for.
func (s *Stage) countMade() {
	for k, n := range s.taken {
		if n > 0 {
			s.made[k].Add(n)
			s.taken[k] = 0
		}
	}
}

func (s *Stage) writeHeader() {
	if !s.cfg.NoHeader && s.keep == nil {
		s.buf = s.enc.header(s.buf)
	}
	s.flush()
}

// fit lays the table out anew, from its header on, when the terminal is not as it was.
func (s *Stage) fit() {
	if s.lay == nil || s.cfg.Size == nil {
		return
	}
	width, height := s.cfg.Size()
	if width <= 0 || width == s.cfg.Width && height == s.cfg.Height {
		return
	}
	s.cfg.Width, s.cfg.Height = width, height
	if s.enc = s.lay(s.cfg); !s.cfg.NoHeader {
		s.buf = s.enc.header(s.buf)
	}
}

// format numbers an event and adds its line to what is to be written.
func (s *Stage) format(e *event.Event) {
	if s.over {
		s.afterTheStop.Add(1)
		return
	}
	if e.Kind == event.Stats && e.Totals != nil {
		totals := *e.Totals
		totals.Written, totals.Lost = s.seq, totals.Lost+s.lost.Load()
		e.Totals = &totals
	}
	if s.keep != nil {
		if !s.hand(e) {
			return
		}
	} else {
		if len(s.buf) == 0 {
			s.fit()
		}
		before := len(s.buf)
		e.Seq = s.seq + 1
		if s.buf = s.enc.record(s.buf, e); len(s.buf) == before && s.cfg.foreign() && s.cfg.Format != None {
			s.unselected.Add(1)
			return
		}
		s.seq++
		s.ends = append(s.ends, end{len(s.buf), e.Kind})
	}
	s.inBuf[e.Kind]++
	if counts(e.Kind) {
		s.counted++
		if s.counted == s.cfg.Count {
			s.flush()
			s.stop()
			return
		}
	}
	if s.keep == nil && len(s.buf) >= flushAt {
		s.flush()
	}
}

// hand gives an event to keep. What that cannot take is told of by a record as soon as it takes one again.
func (s *Stage) hand(e *event.Event) bool {
	ts := s.ts.Time(e)
	if s.missed > 0 {
		lost := s.loss(ts)
		if s.buf = s.enc.record(s.buf[:0], &lost); len(s.buf) == 0 {
			s.missed = 0 // the form has no such record; the summary tells
		} else if s.keep.WriteRecord(s.buf, ts) {
			s.seq++
			s.made[event.Lost].Add(1)
			s.inBuf[event.Lost]++
			s.missed = 0
		}
	}
	e.Seq = s.seq + 1
	if s.missed == 0 {
		if s.buf = s.enc.record(s.buf[:0], e); len(s.buf) == 0 {
			s.unselected.Add(1)
			return false
		}
		if s.keep.WriteRecord(s.buf, ts) {
			s.seq++
			return true
		}
	}
	s.missed++
	s.lost.Add(1)
	return false
}

// loss makes the record of what was missed.
func (s *Stage) loss(ts int64) event.Event {
	e := event.Event{Kind: event.Lost, TS: ts, Seq: s.seq + 1, LostWhere: event.InFile, LostCount: s.missed}
	if f := s.stored; f != nil {
		r := event.NewStored(f)
		r.SetUint(f.Lookup("v"), event.Version)
		r.SetStr(f.Lookup("event"), e.Kind.String())
		r.SetTime(f.Lookup("ts"), ts)
		r.SetStr(f.Lookup("lost_where"), e.LostWhere.String())
		r.SetUint(f.Lookup("lost_count"), e.LostCount)
		e.Stored = r
	}
	return e
}

func (s *Stage) stop() {
	s.over = true
	s.stopOnce.Do(func() { close(s.stopped) })
}

// flush writes what there is.
func (s *Stage) flush() {
	var err error
	switch {
	case s.keep != nil:
		s.keep.Flush()
	case len(s.buf) > 0:
		var n int
		if n, err = s.w.Write(s.buf); err == nil && n < len(s.buf) {
			err = io.ErrShortWrite
		}
		if err != nil {
			s.wroteOnly(n)
		}
	}
	s.buf, s.ends = s.buf[:0], s.ends[:0]
	for k := range s.inBuf {
		if err == nil {
			s.written[k].Add(s.inBuf[k])
		} else {
			s.afterTheStop.Add(s.inBuf[k])
		}
		s.inBuf[k] = 0
	}
	if err != nil {
		s.err = WriteError(err)
		s.stop()
	}
}

// wroteOnly counts the records that are whole within the first n bytes of buf, and takes what is there of the next one
// off the file that it went to, such as one on a disk that is full.
func (s *Stage) wroteOnly(n int) {
	for _, r := range s.ends {
		if r.at <= n {
			s.written[r.kind].Add(1)
			s.inBuf[r.kind]--
		}
	}
	half := int64(n - bytes.LastIndexByte(s.buf[:n], '\n') - 1)
	f, ok := s.w.(*os.File)
	if !ok || half == 0 {
		return
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	// Not where somebody else has written behind it.
	if at, err := f.Seek(0, io.SeekCurrent); err == nil && at == info.Size() && at >= half && f.Truncate(at-half) == nil {
		_, _ = f.Seek(-half, io.SeekCurrent) // whoever has the file as well goes on there
	}
}

// WriteError is what a failed write to stdout means: ErrReaderGone, or the failure in words; nil for nil.
func WriteError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return ErrReaderGone
	}
	return fmt.Errorf("write stdout: %w", Cause(err))
}

// Cause takes the file's name out of an error of the system.
func Cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
