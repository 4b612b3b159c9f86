// Package store reads back what output/store keeps: a source of records like any other, of one for each
// connection, or of all that were kept of each. It may read while they are written.
package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"rustnet/capture/ndjson"
	"rustnet/capture/store/beside"
	"rustnet/track/event"
)

// Config is what a person asks of a store.
type Config struct {
	Since Moment `placeholder:"WHEN" help:"Only connections that existed after this: 2h, 30d (ago), or a time such as 2026-01-31T08:00, 08:00, yesterday or monday (local, unless it names its zone)."`
	Until Moment `placeholder:"WHEN" help:"Only connections that existed before this."`

	// Latest asks for what was stored last before what was stored earlier.
	Latest bool `kong:"-"`
}

// Empty tells whether nothing can be between the two.
func (c Config) Empty() bool { return !c.Until.IsZero() && !c.Since.Before(c.Until.Time) }

// Moment is a time that may be written as how long ago it is. The zero one is none.
type Moment struct{ time.Time }

// UnmarshalText is for flags.
func (m *Moment) UnmarshalText(text []byte) error {
	s := string(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			m.Time = t
			if first := time.Date(1680, 1, 1, 0, 0, 0, 0, time.UTC); t.Before(first) { // records have nanoseconds in 64 bits
				m.Time = first
			} else if last := time.Date(2260, 1, 1, 0, 0, 0, 0, time.UTC); t.After(last) {
				m.Time = last
			}
			return nil
		}
	}
	now := time.Now()
	if t, ok := latest(strings.ToLower(s), now); ok {
		m.Time = t
		return nil
	}
	ago, err := event.ParseAge(s)
	if err != nil {
		return fmt.Errorf("%q is neither a time such as 2026-01-31T08:00, 08:00, yesterday or monday nor how long ago as 2h or 30d", s)
	}
	m.Time = now.Add(-ago)
	return nil
}

// inWords is how long ago something is, as 1 hour ago, in words whose first letter is the unit.
var inWords = regexp.MustCompile(`^(\d+) ?(seconds?|secs?|minutes?|mins?|hours?|days?|weeks?)(?: ago)?$`)

// latest gives the last time before now that is called so: a time of day, or the beginning of a day.
func latest(s string, now time.Time) (time.Time, bool) {
	day := func(back int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()-back, 0, 0, 0, 0, now.Location())
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if c, err := time.Parse(layout, s); err == nil {
			at := func(back int) time.Time {
				return time.Date(now.Year(), now.Month(), now.Day()-back, c.Hour(), c.Minute(), c.Second(), 0, now.Location())
			}
			if at(0).After(now) {
				return at(1), true
			}
			return at(0), true
		}
	}
	switch s {
	case "now":
		return now, true
	case "today":
		return day(0), true
	case "yesterday":
		return day(1), true
	}
	if m := inWords.FindStringSubmatch(s); m != nil { // as journalctl(1) has it
		ago, err := event.ParseAge(m[1] + m[2][:1])
		return now.Add(-ago), err == nil
	}
	for back := range 7 {
		if name := strings.ToLower(day(back).Weekday().String()); s == name {
			return day(back), true
		}
	}
	return time.Time{}, false
}

const (
	batchRows   = 256
	busyTimeout = 5 * time.Second
	// patience is how long a reader of ours may take for a batch before the database is let go of, so that its
	// log does not grow because somebody looks at a pager.
	patience     = time.Second
	processesMax = 1 << 16 // that are remembered
)

// search says which rows of a table are read.
type search struct {
	table   string
	where   string
	args    []any
	indexed bool // where is answered by an index, in another order than the rows'
}

// Source reads a store.
type Source struct {
	search
	path   string
	db     *sqlite3.Conn
	schema *event.Schema

	columns   []*event.Field // that the table has
	process   []*event.Field
	processes map[int64]*event.Stored
	kind      *event.Field
	version   *event.Field
	lookup    *sqlite3.Stmt // of a process

	storage *event.Storage
	parser  *ndjson.Parser
	pool    event.Pool
	rows    atomic.Uint64
	losses  bool // read those first
	lacking bool // what was asked for, records, was never kept
	cfg     Config
}

// Open opens a store for reading. schema is a Stored one. steps asks for every record instead of one for each
// connection; filter is what the records are known to fulfil, nil where nothing is.
func Open(path string, cfg Config, steps bool, filter *event.Condition, schema *event.Schema) (s *Source, err error) {
	if !vfs.SupportsFileLocking || !vfs.SupportsSharedMemory {
		return nil, fmt.Errorf("--store: databases that several programs use at once: %w on this system", errors.ErrUnsupported)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, fmt.Errorf("--store %s: %w", path, err)
	}
	if err := cmp.Or(beside.Fits(path), beside.Prepare(path)); err != nil {
		return nil, fmt.Errorf("--store %s: %w", path, err)
	}
	opening()
	db, err := sqlite3.OpenFlags(beside.Reading(path), sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", path, plain(err))
	}
	s = &Source{path: path, db: db, schema: schema, search: search{table: event.StoreConnections}, processes: map[int64]*event.Stored{},
		storage: event.NewStorage(schema), parser: ndjson.NewParser(schema), pool: event.NewPool(16), kind: schema.Lookup("event"), version: schema.Lookup("v"), cfg: cfg, losses: true}
	if steps {
		s.table, s.losses = event.StoreEvents, false
	}
	defer func() {
		if err != nil {
			s.Close()
			s, err = nil, fmt.Errorf("--store %s: %w", path, plain(err))
		}
	}()
	if err = cmp.Or(db.BusyTimeout(busyTimeout), beside.Confine(db)); err != nil {
		return s, err
	}
	err = s.check()
	err = cmp.Or(err, beside.Prepare(path)) // a writer that ended meanwhile took the files away, and the driver made them anew, as ours
	if err != nil {
		return s, err
	}
	return s, s.plan(filter)
}

// opening is what else happens between preparing the files beside a store and opening it, in tests.
var opening = func() {}

// plain leaves out what SQLite says before it says anything.
func plain(err error) error {
	text, ok := strings.CutPrefix(err.Error(), "sqlite3: ")
	if errors.Is(err, sqlite3.CANTOPEN) || errors.Is(err, sqlite3.READONLY) {
		text, ok = "nothing can be put beside it, as reading needs while no rustnet writes it (try: a copy of it, and of the file with -wal if there is one)", true
	}
	if !ok {
		return err
	}
	return errors.New(text)
}

// check says what the file is when it is no store that can be read.
func (s *Source) check() error {
	var n [2]int64
	for i, name := range []string{"application_id", "user_version"} {
		stmt, _, err := s.db.Prepare("PRAGMA " + name)
		if err != nil {
			return err
		}
		if stmt.Step() {
			n[i] = stmt.ColumnInt64(0)
		}
		if err := cmp.Or(stmt.Err(), stmt.Close()); err != nil {
			return err
		}
	}
	switch {
	case n[0] != event.StoreApplication:
		return errors.New("rustnet did not make this (rustnet --store FILE makes one)")
	case n[1] > event.StoreVersion:
		return fmt.Errorf("a later rustnet made it: its tables are version %d, this one knows %d", n[1], event.StoreVersion)
	}
	return nil
}

// plan finds out what the tables have, and what is to be asked.
func (s *Source) plan(filter *event.Condition) error {
	q := query{search: search{table: s.table}, has: map[string]map[string]bool{}}
	for _, table := range []string{s.table, event.StoreProcesses} {
		stmt, _, err := s.db.Prepare("SELECT name FROM pragma_table_info('" + table + "')")
		if err != nil {
			return err
		}
		q.has[table] = map[string]bool{}
		for stmt.Step() {
			q.has[table][stmt.ColumnText(0)] = true
		}
		if err := cmp.Or(stmt.Err(), stmt.Close()); err != nil {
			return err
		}
	}
	for _, f := range s.schema.Fields {
		switch p := f.Place(); {
		case (p == event.PlaceColumn || p == event.PlaceStep) && q.has[s.table][f.Name]:
			s.columns = append(s.columns, f)
		case p == event.PlaceProcess && q.has[event.StoreProcesses][f.Name]:
			s.process = append(s.process, f)
		}
	}
	q.find(s.cfg, filter)
	s.search = q.search
	return nil
}

// Close closes the store.
func (s *Source) Close() error { return s.db.Close() }

// Progress tells how many records have been read.
func (s *Source) Progress() (rows uint64, bytes, total int64) { return s.rows.Load(), 0, 0 }

// Report says for people what was read.
func (s *Source) Report() string { return event.Count(s.rows.Load(), "record") + " looked up" }

// Notes says what was passed over: fields of a later version. It may be asked when Run has ended.
func (s *Source) Notes() []string {
	notes := s.parser.Notes()
	if s.lacking {
		notes = append(notes, "no records were kept, only what is known of each connection: rustnet --store FILE --store-events keeps them")
	}
	return notes
}

// Run sends the records, in the order in which they were stored first, or with Config.Latest the other way round, and closes out.
func (s *Source) Run(ctx, stop context.Context, out chan<- *event.Batch) error {
	defer close(out)
	s.db.SetInterrupt(stop) // also in the middle of a long search
	err := s.read(ctx, stop, out)
	if stop.Err() != nil && ctx.Err() == nil {
		return nil
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("--store %s: %w", s.path, plain(err))
	}
	return err
}

func (s *Source) read(ctx, stop context.Context, out chan<- *event.Batch) error {
	if s.losses {
		if err := s.scan(ctx, stop, out, search{table: event.StoreEvents, where: lossesOf(s.cfg)}); err != nil {
			return err
		}
	}
	err := s.scan(ctx, stop, out, s.search)
	if err == nil && s.table == event.StoreEvents && s.rows.Load() == 0 {
		s.lacking, err = s.lacks()
	}
	return err
}

// lacks tells whether there are no records of connections, and connections that they would be of.
func (s *Source) lacks() (bool, error) {
	stmt, _, err := s.db.Prepare(fmt.Sprintf("SELECT 1 WHERE EXISTS (SELECT 1 FROM %s) AND NOT EXISTS (SELECT 1 FROM %s WHERE event IN ('new', 'updated', 'closed'))",
		event.StoreConnections, event.StoreEvents))
	if err != nil {
		return false, err
	}
	found := stmt.Step()
	return found, cmp.Or(stmt.Err(), stmt.Close())
}

// scan reads rows in the order of their table.
func (s *Source) scan(ctx, stop context.Context, out chan<- *event.Batch, which search) error {
	names := []string{"c.rowid", "c." + event.StoreProcess, "c." + event.StoreRest}
	for _, f := range s.columns {
		names = append(names, "c."+quote(f.Name))
	}
	by := "c.rowid"
	if which.indexed { // or the rows would be gone through one by one, to have them in order
		by = "+c.rowid"
	}
	after, order, last := ">", "", int64(0)
	if s.cfg.Latest {
		after, order, last = "<", " DESC", math.MaxInt64
	}
	stmt, _, err := s.db.Prepare(fmt.Sprintf("SELECT %s FROM %s c WHERE %s %s ?1 AND %s ORDER BY %[3]s%[6]s", strings.Join(names, ", "), which.table, by, after, which.where, order))
	if err != nil {
		return err
	}
	defer stmt.Close()
	for i, a := range which.args {
		if err := bind(stmt, i+2, a); err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := stmt.BindInt64(1, last); err != nil {
			return err
		}
		if last, more, err = s.some(ctx, stop, stmt, last, out); err != nil {
			return err
		}
	}
	return nil
}

// some reads rows until there are no more, or until nobody takes them, when it lets go of the database.
func (s *Source) some(ctx, stop context.Context, stmt *sqlite3.Stmt, last int64, out chan<- *event.Batch) (int64, bool, error) {
	b := s.pool.Get()
	for stmt.Step() {
		last = stmt.ColumnInt64(0)
		r, err := s.record(stmt)
		if err != nil {
			return last, false, err
		}
		b.Events = append(b.Events, event.Event{Stored: r})
		e := &b.Events[len(b.Events)-1]
		e.Kind = event.KindOf(s.kind.Str(e))
		s.rows.Add(1)
		if len(b.Events) < batchRows {
			continue
		}
		select {
		case out <- b:
			b = s.pool.Get()
		case <-stop.Done():
			return last, false, nil
		case <-time.After(patience):
			if err := stmt.Reset(); err != nil {
				return last, false, err
			}
			return last, true, b.Send(ctx, out)
		}
	}
	if err := stmt.Err(); err != nil {
		return last, false, err
	}
	if err := stmt.Reset(); err != nil || len(b.Events) == 0 {
		return last, false, err
	}
	return last, false, b.Send(ctx, out)
}

// record makes a record of a row.
func (s *Source) record(stmt *sqlite3.Stmt) (*event.Stored, error) {
	const ref, rest, first = 1, 2, 3
	r := s.storage.New()
	r.SetUint(s.version, event.Version)
	for i, f := range s.columns {
		set(r, f, stmt, first+i)
	}
	if text := stmt.ColumnText(rest); text != "" {
		if err := s.parser.Parse(text, r); err != nil {
			return nil, fmt.Errorf("row %d: %s: %w", stmt.ColumnInt64(0), event.StoreRest, err)
		}
	}
	key := stmt.ColumnInt64(ref)
	if key == 0 {
		return r, nil
	}
	p, err := s.processOf(key)
	if err != nil {
		return nil, err
	}
	e := event.Event{Stored: p}
	for _, f := range s.process {
		r.Copy(f, f, &e)
	}
	return r, nil
}

func set(r *event.Stored, f *event.Field, stmt *sqlite3.Stmt, i int) {
	if stmt.ColumnType(i) == sqlite3.NULL {
		return
	}
	switch f.Type {
	case event.Uint, event.ID:
		r.SetUint(f, uint64(stmt.ColumnInt64(i)))
	case event.Float:
		r.SetFloat(f, stmt.ColumnFloat(i))
	case event.Bool:
		r.SetBool(f, stmt.ColumnBool(i))
	case event.Time:
		r.SetTime(f, stmt.ColumnInt64(i))
	case event.List:
		var l []string
		if json.Unmarshal(stmt.ColumnRawText(i), &l) == nil {
			r.SetList(f, l)
		}
	default:
		r.SetStr(f, stmt.ColumnText(i))
	}
}

// processOf looks up what is known of a process.
func (s *Source) processOf(key int64) (*event.Stored, error) {
	if p := s.processes[key]; p != nil {
		return p, nil
	}
	if s.lookup == nil {
		names := []string{"ref"}
		for _, f := range s.process {
			names = append(names, quote(f.Name))
		}
		var err error
		if s.lookup, _, err = s.db.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE ref = ?", strings.Join(names, ", "), event.StoreProcesses)); err != nil {
			return nil, err
		}
	}
	if err := s.lookup.BindInt64(1, key); err != nil {
		return nil, err
	}
	p := event.NewStored(s.schema)
	if s.lookup.Step() {
		for i, f := range s.process {
			set(p, f, s.lookup, i+1)
		}
	}
	if err := cmp.Or(s.lookup.Err(), s.lookup.Reset()); err != nil {
		return nil, err
	}
	if len(s.processes) >= processesMax {
		clear(s.processes)
	}
	s.processes[key] = p
	return p, nil
}

func bind(stmt *sqlite3.Stmt, i int, v any) error {
	switch v := v.(type) {
	case string:
		return stmt.BindText(i, v)
	case float64:
		return stmt.BindFloat(i, v)
	case bool:
		return stmt.BindBool(i, v)
	}
	return stmt.BindInt64(i, v.(int64))
}

// Find gives what a store has of the one connection whose identifier begins with digits, and the records that were
// kept of it.
func Find(path, digits string, schema *event.Schema) (found event.Event, steps []event.Event, err error) {
	id := schema.Lookup("id")
	digits = strings.TrimSpace(digits) // of a line of CSV, the end
	if len(digits) == 0 || len(digits) > 16 || strings.Trim(digits, "0123456789abcdef") != "" {
		return found, nil, fmt.Errorf("%q is no identifier: 16 hexadecimal digits, or the first of them", digits)
	}
	for _, records := range []bool{false, true} {
		s, err := Open(path, Config{}, records, &event.Condition{Op: event.Prefix, Field: id, Value: digits}, schema)
		if err != nil {
			return found, nil, err
		}
		s.losses = false
		if steps, err = s.first(findMax); err == nil && !records {
			switch len(steps) {
			case 0:
				err = fmt.Errorf("--store %s: no connection has the identifier %s", path, digits)
			case 1:
				found = steps[0]
			default:
				err = fmt.Errorf("--store %s: the identifiers of several connections begin with %s: give more digits", path, digits)
			}
		}
		s.Close()
		if err != nil {
			return found, nil, err
		}
	}
	return found, steps, nil
}

// findMax bounds the records of one connection that are shown.
const findMax = 10000

// first gives the first n records.
func (s *Source) first(n int) (events []event.Event, err error) {
	stop, enough := context.WithCancel(context.Background())
	defer enough()
	out, failed := make(chan *event.Batch), make(chan error, 1)
	go func() { failed <- s.Run(context.Background(), stop, out) }()
	for b := range out {
		for i := range b.Events {
			if len(events) < n {
				events = append(events, b.Events[i])
			}
		}
		if b.Release(); len(events) >= n {
			enough()
		}
	}
	return events, <-failed
}
