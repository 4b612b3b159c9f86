package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"rustnet/capture/store/beside"
	"rustnet/output"
	"rustnet/track/event"
)

const (
	busyTimeout  = 5 * time.Second // for another writer
	processesMax = 1 << 16         // whose keys are remembered
	retireEvery  = time.Minute
	retireRows   = 4096 // taken out in one transaction
)

// file is the database, for writing. It belongs to one goroutine.
type file struct {
	db        *sqlite3.Conn
	columns   []*event.Field // of connections and events
	process   []*event.Field
	rest      output.Object
	row, step *sqlite3.Stmt
	addProc   *sqlite3.Stmt
	known     map[*event.Proc]int64 // keys of processes that are in the table
	stored    map[int64]struct{}    // the same, of records that were read back
	buf       []byte
	newest    *sqlite3.Stmt
}

// openFile opens a database that is ours, or empty, and brings it up to the schema.
func openFile(path string, fields *event.Schema) (f *file, err error) {
	if !vfs.SupportsFileLocking || !vfs.SupportsSharedMemory {
		return nil, fmt.Errorf("databases that several programs use at once: %w on this system", errors.ErrUnsupported)
	}
	f = &file{known: map[*event.Proc]int64{}, stored: map[int64]struct{}{}}
	var rest []*event.Field
	for _, field := range fields.Fields {
		switch field.Place() {
		case event.PlaceColumn, event.PlaceStep:
			f.columns = append(f.columns, field)
		case event.PlaceProcess:
			f.process = append(f.process, field)
		case event.PlaceRest:
			rest = append(rest, field)
		}
	}
	f.rest = output.NewObject(rest)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	if err := beside.Fits(path); err != nil {
		return nil, err
	}
	// What users do is their own affair: cmdline may hold secrets, so a new file is its owner's only, and so are the
	// two beside it: they are there before anything is written but the tables.
	if made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		made.Close()
	}
	// A reader with more rights that is just making the files beside it is waited for. What was met as its own may be ours when
	// it is looked at, and met anew in the next try, so that it is tried for a second in any case.
	give, tries := time.Now().Add(busyTimeout), 0
	err = again(func() error {
		tries++
		if info, err := os.Stat(path); err == nil && info.Size() == 0 {
			if err := f.open(path, fields); err != nil {
				return err
			}
			if err := f.close(); err != nil {
				return err
			}
		}
		if err := beside.Prepare(path); err != nil {
			return err
		}
		return f.open(path, fields)
	}, func(err error) bool {
		if !errors.Is(err, sqlite3.CANTOPEN) && !errors.Is(err, sqlite3.IOERR) && !errors.Is(err, sqlite3.READONLY) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
		return tries < 100 || beside.Withheld(path) && time.Now().Before(give)
	})
	if err != nil {
		return nil, plain(err)
	}
	return f, nil
}

// again tries until it is done, or what is in the way is there to stay.
func again(try func() error, passing func(error) bool) error {
	for {
		err := try()
		if err == nil || !passing(err) {
			return err
		}
	}
}

// open leaves nothing open where it fails.
func (f *file) open(path string, fields *event.Schema) (err error) {
	if f.db, err = sqlite3.OpenFlags(beside.Name(path), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.db.Close()
		}
	}()
	if err = cmp.Or(f.db.BusyTimeout(busyTimeout), beside.Confine(f.db)); err != nil {
		return err
	}
	if err = f.own(); err != nil {
		return err
	}
	// NORMAL with a log: whatever becomes of us, the file is whole; only a power cut may cost the last
	// transactions. Pages that become free are given back where --store-size asks for it.
	for _, pragma := range []string{"auto_vacuum = incremental", "journal_mode = wal", "synchronous = normal",
		"journal_size_limit = 67108864", "cache_size = -32768", "temp_store = memory"} {
		if err = f.db.Exec("PRAGMA " + pragma); err != nil {
			return err
		}
	}
	if err = f.migrate(fields); err != nil {
		return err
	}
	return f.prepare()
}

// own refuses what is another program's database, or of a later rustnet.
func (f *file) own() error {
	application, err := f.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := f.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	tables, err := f.number("SELECT count(*) FROM sqlite_schema")
	switch {
	case err != nil:
		return err
	case application == 0 && tables == 0:
		return nil
	case application != event.StoreApplication:
		return errors.New("it is a database, but not one of rustnet's")
	case version > event.StoreVersion:
		return fmt.Errorf("a later rustnet made it: its tables are version %d, this one knows %d", version, event.StoreVersion)
	}
	return nil
}

// plain puts an error of SQLite into words.
func plain(err error) error {
	if err == nil {
		return nil
	}
	text, ok := strings.CutPrefix(err.Error(), "sqlite3: ")
	switch {
	case errors.Is(err, sqlite3.FULL):
		text, ok = "the disk is full", true
	case errors.Is(err, sqlite3.IOERR_WRITE), errors.Is(err, sqlite3.IOERR_SHMSIZE): // the driver does not say why
		text, ok = "it cannot be written: is the disk full?", true
	}
	if !ok {
		return err
	}
	return &failure{text, err}
}

// failure is an error of the database in words.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// passing tells whether the same may go well later.
func passing(err error) bool {
	for _, code := range []sqlite3.ErrorCode{sqlite3.BUSY, sqlite3.LOCKED, sqlite3.FULL, sqlite3.IOERR, sqlite3.NOMEM, sqlite3.CANTOPEN} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

func (f *file) number(sql string) (int64, error) {
	stmt, _, err := f.db.Prepare(sql)
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	var n int64
	if stmt.Step() {
		n = stmt.ColumnInt64(0)
	}
	return n, stmt.Err()
}

// quote makes a name of SQL.
func quote(name string) string { return `"` + name + `"` }

var sqlTypes = [...]string{event.String: "TEXT", event.Uint: "INTEGER", event.Float: "REAL", event.Bool: "INTEGER",
	event.Addr: "TEXT", event.Time: "INTEGER", event.List: "TEXT", event.ID: "INTEGER"}

// indexes are those that queries are answered by: of a connection, of a time, of a program, of a host, of an
// address. A process's own table is small, so that whatever is asked of it goes by its key.
var indexes = []string{
	`UNIQUE INDEX IF NOT EXISTS connection_id ON connection(id)`,
	`INDEX IF NOT EXISTS connection_ts ON connection(ts)`,
	`INDEX IF NOT EXISTS connection_process ON connection(process_ref) WHERE process_ref IS NOT NULL`,
	`INDEX IF NOT EXISTS connection_host ON connection(host) WHERE host IS NOT NULL`,
	`INDEX IF NOT EXISTS connection_remote_addr ON connection(remote_addr) WHERE remote_addr IS NOT NULL`,
	`INDEX IF NOT EXISTS event_id ON event(id)`,
	`INDEX IF NOT EXISTS event_ts ON event(ts)`,
	`INDEX IF NOT EXISTS event_process ON event(process_ref) WHERE process_ref IS NOT NULL`,
}

// migrate makes the tables, and adds the columns of fields that are new. The views, which show every field as a column,
// are made anew where they differ.
func (f *file) migrate(fields *event.Schema) error {
	if err := f.db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f.tables(fields)
	if err == nil {
		return f.db.Exec("COMMIT")
	}
	_ = f.db.Exec("ROLLBACK") // err says why
	return err
}

func (f *file) tables(fields *event.Schema) error {
	statements := []string{
		fmt.Sprintf("PRAGMA application_id = %d", event.StoreApplication),
		fmt.Sprintf("PRAGMA user_version = %d", event.StoreVersion),
		"CREATE TABLE IF NOT EXISTS process(ref INTEGER PRIMARY KEY)",
	}
	for _, table := range []string{event.StoreConnections, event.StoreEvents} {
		statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s(%s INTEGER, %s TEXT)", table, event.StoreProcess, event.StoreRest))
	}
	for _, sql := range statements {
		if err := f.db.Exec(sql); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name   string
		fields []*event.Field
	}{{event.StoreProcesses, f.process}, {event.StoreConnections, f.columns}, {event.StoreEvents, f.columns}} {
		if err := f.addColumns(t.name, t.fields); err != nil {
			return err
		}
	}
	for _, sql := range indexes {
		if err := f.db.Exec("CREATE " + sql); err != nil {
			return err
		}
	}
	for _, table := range []string{event.StoreConnections, event.StoreEvents} {
		if err := f.view(table, fields); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) addColumns(table string, fields []*event.Field) error {
	has, err := f.columnsOf(table)
	if err != nil {
		return err
	}
	for _, field := range fields {
		if has[field.Name] {
			continue
		}
		if err := f.db.Exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", table, quote(field.Name), sqlTypes[field.Type])); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) columnsOf(table string) (map[string]bool, error) {
	stmt, _, err := f.db.Prepare("SELECT name FROM pragma_table_info('" + table + "')")
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	has := map[string]bool{}
	for stmt.Step() {
		has[stmt.ColumnText(0)] = true
	}
	return has, stmt.Err()
}

// view makes the view of a table, named with an s behind.
func (f *file) view(table string, fields *event.Schema) error {
	var columns []string
	for _, field := range fields.Fields {
		name := quote(field.Name)
		switch field.Place() {
		case event.PlaceColumn, event.PlaceStep:
			if field.Type == event.ID { // a number in the table; for people what everything else shows, and related_id is
				columns = append(columns, fmt.Sprintf("CASE WHEN c.%s <> 0 THEN printf('%%016x', c.%[1]s) END AS %[1]s", name))
				continue
			}
			columns = append(columns, "c."+name)
		case event.PlaceProcess:
			columns = append(columns, "p."+name)
		case event.PlaceRest:
			columns = append(columns, fmt.Sprintf("c.%s ->> '$.%s' AS %s", event.StoreRest, field.Name, name))
		}
	}
	name := table + "s"
	sql := fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s c LEFT JOIN process p ON p.ref = c.%s", name, strings.Join(columns, ", "), table, event.StoreProcess)
	stmt, _, err := f.db.Prepare("SELECT sql FROM sqlite_schema WHERE name = ?")
	if err != nil {
		return err
	}
	defer stmt.Close()
	if err := stmt.BindText(1, name); err != nil {
		return err
	}
	if stmt.Step() && stmt.ColumnText(0) == sql {
		return stmt.Err()
	}
	if err := cmp.Or(stmt.Err(), stmt.Reset()); err != nil {
		return err
	}
	if err := f.db.Exec("DROP VIEW IF EXISTS " + name); err != nil {
		return err
	}
	return f.db.Exec(sql)
}

// prepare compiles the statements of commit.
func (f *file) prepare() (err error) {
	names := []string{event.StoreProcess, event.StoreRest}
	for _, c := range f.columns {
		names = append(names, quote(c.Name))
	}
	insert := func(table string, names []string) string {
		return fmt.Sprintf("INSERT INTO %s(%s) VALUES(?%s)", table, strings.Join(names, ", "), strings.Repeat(", ?", len(names)-1))
	}
	var set []string
	for _, n := range names {
		set = append(set, n+" = excluded."+n)
	}
	process := []string{"ref"}
	for _, p := range f.process {
		process = append(process, quote(p.Name))
	}
	for _, s := range []struct {
		to  **sqlite3.Stmt
		sql string
	}{
		{&f.row, insert(event.StoreConnections, names) + " ON CONFLICT(id) DO UPDATE SET " + strings.Join(set, ", ") + " WHERE excluded.ts >= ts"},
		{&f.step, insert(event.StoreEvents, names)},
		{&f.addProc, insert(event.StoreProcesses, process) + " ON CONFLICT(ref) DO NOTHING"},
		{&f.newest, "SELECT max(ts) FROM connection"},
	} {
		if *s.to, _, err = f.db.PrepareFlags(s.sql, sqlite3.PREPARE_PERSISTENT); err != nil {
			return err
		}
	}
	return nil
}

// commit writes what waits in one transaction: all of it or nothing.
func (f *file) commit(q *queue) error {
	if err := f.db.Exec("BEGIN IMMEDIATE"); err != nil {
		return plain(err)
	}
	err := f.insert(q)
	if err == nil {
		err = f.db.Exec("COMMIT")
	}
	if err == nil {
		return nil
	}
	if !f.db.GetAutocommit() {
		_ = f.db.Exec("ROLLBACK") // err says why
	}
	clear(f.known) // which may have been added just now
	clear(f.stored)
	return plain(err)
}

func (f *file) insert(q *queue) error {
	for i := range q.rows {
		if err := f.put(f.row, &q.rows[i], false); err != nil {
			return err
		}
	}
	for i := range q.steps {
		if err := f.put(f.step, &q.steps[i], true); err != nil {
			return err
		}
	}
	return nil
}

// put binds a record and carries the statement out.
func (f *file) put(stmt *sqlite3.Stmt, e *event.Event, steps bool) error {
	ref, err := f.processOf(e)
	if err != nil {
		return err
	}
	if ref == 0 {
		err = stmt.BindNull(1)
	} else {
		err = stmt.BindInt64(1, ref)
	}
	if err != nil {
		return err
	}
	if f.buf = f.rest.Append(f.buf[:0], e); len(f.buf) == 0 {
		err = stmt.BindNull(2)
	} else {
		err = stmt.BindRawText(2, f.buf)
	}
	if err != nil {
		return err
	}
	for i, c := range f.columns {
		if !steps && c.Place() == event.PlaceStep {
			err = stmt.BindNull(3 + i)
		} else {
			err = f.bind(stmt, 3+i, c, e)
		}
		if err != nil {
			return err
		}
	}
	return stmt.Exec()
}

func (f *file) bind(stmt *sqlite3.Stmt, i int, c *event.Field, e *event.Event) error {
	switch c.Type {
	case event.String:
		if s := c.Str(e); s != "" {
			return stmt.BindText(i, s)
		}
	case event.Uint, event.ID:
		if n, ok := c.Uint(e); ok {
			return stmt.BindInt64(i, int64(n))
		}
	case event.Float:
		if n, ok := c.Float(e); ok {
			return stmt.BindFloat(i, n)
		}
	case event.Bool:
		if b, ok := c.Bool(e); ok {
			return stmt.BindBool(i, b)
		}
	case event.Addr:
		if a := c.Addr(e); a.IsValid() {
			f.buf = a.AppendTo(f.buf[:0])
			return stmt.BindRawText(i, f.buf)
		}
	case event.Time:
		if ns := c.Time(e); ns != 0 {
			return stmt.BindInt64(i, ns)
		}
	case event.List:
		if l := c.List(e); len(l) > 0 {
			text, err := json.Marshal(l)
			if err != nil {
				return err
			}
			return stmt.BindRawText(i, text)
		}
	}
	return stmt.BindNull(i)
}

// processOf gives the key of the record's process, 0 where none is known, and adds it to the table when it is new
// there. The key is made of what is known of it, so that the same is there once.
func (f *file) processOf(e *event.Event) (int64, error) {
	if e.Stored == nil {
		if e.Proc == nil {
			return 0, nil
		}
		if ref, ok := f.known[e.Proc]; ok {
			return ref, nil
		}
	}
	b := f.buf[:0]
	some := false
	for _, p := range f.process {
		start := len(b)
		b = output.AppendText(b, p, e)
		some = some || len(b) > start
		if p.Type == event.List { // ["a b"] is not ["a", "b"]
			b = append(b, byte(len(p.List(e))))
		}
		b = append(b, 0)
	}
	f.buf = b
	if !some {
		return 0, nil
	}
	sum := sha256.Sum256(b)
	ref := int64(binary.BigEndian.Uint64(sum[:])>>1 | 1)
	if e.Stored != nil {
		if _, ok := f.stored[ref]; ok {
			return ref, nil
		}
	}
	if err := f.addProc.BindInt64(1, ref); err != nil {
		return 0, err
	}
	for i, p := range f.process {
		if err := f.bind(f.addProc, 2+i, p, e); err != nil {
			return 0, err
		}
	}
	if err := f.addProc.Exec(); err != nil {
		return 0, err
	}
	if len(f.known)+len(f.stored) >= processesMax {
		clear(f.known)
		clear(f.stored)
	}
	if e.Stored != nil {
		f.stored[ref] = struct{}{}
	} else {
		f.known[e.Proc] = ref
	}
	return ref, nil
}

// retire takes out what is too old or too much, until press says that there is other work. Age is counted
// from the newest record, or from now where that is in the future, so that an old capture can be kept.
func (f *file) retire(ctx context.Context, cfg Config, press func() bool) error {
	if cfg.Age <= 0 && cfg.Size <= 0 {
		return nil
	}
	var gone int64
	var err error
	if cfg.Age > 0 {
		var newest int64
		if f.newest.Step() {
			newest = f.newest.ColumnInt64(0)
		}
		if err := cmp.Or(f.newest.Err(), f.newest.Reset()); err != nil {
			return plain(err)
		}
		before := min(newest, time.Now().UnixNano()) - int64(cfg.Age)
		for n := int64(1); n > 0 && err == nil && ctx.Err() == nil && !press(); gone += n {
			n, err = f.remove(fmt.Sprintf("WHERE ts < %d", before))
		}
	}
	for n := int64(1); cfg.Size > 0 && n > 0 && err == nil && ctx.Err() == nil && !press(); gone += n {
		var size int64
		if size, err = f.size(); err != nil || size <= int64(cfg.Size-cfg.Size/16) {
			break
		}
		n, err = f.remove("ORDER BY ts")
	}
	if gone == 0 || err != nil {
		return plain(err)
	}
	// And those that a connection had before it was known better.
	return plain(f.db.Exec(`DELETE FROM process WHERE NOT EXISTS (SELECT 1 FROM connection WHERE process_ref = ref)
		AND NOT EXISTS (SELECT 1 FROM event WHERE process_ref = ref);
		PRAGMA incremental_vacuum`))
}

// full tells whether the next records may make the file larger than it is to be; retire leaves room for some time.
func (f *file) full(cfg Config) bool {
	if cfg.Size <= 0 {
		return false
	}
	size, err := f.size() // a failure of the disk is told where it is written
	return err == nil && size > int64(cfg.Size-cfg.Size/32)
}

// size is how much of the file is in use.
func (f *file) size() (int64, error) {
	var n [3]int64
	for i, name := range []string{"page_count", "freelist_count", "page_size"} {
		var err error
		if n[i], err = f.number("PRAGMA " + name); err != nil {
			return 0, err
		}
	}
	return (n[0] - n[1]) * n[2], nil
}

// remove takes out some of the rows that which selects, and the processes that nothing refers to any more: where each connection has one
// of its own, these are the larger part, and all connections would have to go to make the room that half of both give.
func (f *file) remove(which string) (n int64, err error) {
	if err := f.db.Exec("BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}
	refs := map[int64]struct{}{}
	for _, table := range []string{event.StoreConnections, event.StoreEvents} {
		stmt, _, perr := f.db.Prepare(fmt.Sprintf("DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %[1]s %s LIMIT %d) RETURNING %s", table, which, retireRows, event.StoreProcess))
		if err = cmp.Or(err, perr); err != nil {
			break
		}
		for stmt.Step() {
			n++
			refs[stmt.ColumnInt64(0)] = struct{}{}
		}
		err = cmp.Or(stmt.Err(), stmt.Close())
	}
	delete(refs, 0) // of those that have none
	if err == nil && len(refs) > 0 {
		err = f.orphans(refs)
	}
	if err == nil {
		err = f.db.Exec("COMMIT")
	}
	if err != nil {
		_ = f.db.Exec("ROLLBACK") // err says why
		return 0, err
	}
	clear(f.known)
	clear(f.stored)
	return n, nil
}

// orphans takes out those of some processes that nothing refers to.
func (f *file) orphans(refs map[int64]struct{}) error {
	stmt, _, err := f.db.Prepare(fmt.Sprintf(`DELETE FROM process WHERE ref = ?1 AND NOT EXISTS (SELECT 1 FROM %s WHERE %[3]s = ?1)
		AND NOT EXISTS (SELECT 1 FROM %[2]s WHERE %[3]s = ?1)`, event.StoreConnections, event.StoreEvents, event.StoreProcess))
	if err != nil {
		return err
	}
	defer stmt.Close()
	for ref := range refs {
		if err := cmp.Or(stmt.BindInt64(1, ref), stmt.Exec()); err != nil {
			return err
		}
	}
	return nil
}

// close gives the log's content to the file, where nobody else uses it.
func (f *file) close() error {
	return plain(errors.Join(f.row.Close(), f.step.Close(), f.addProc.Close(), f.newest.Close(), f.db.Close()))
}
