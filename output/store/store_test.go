package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"rustnet/output"
	"rustnet/track/event"
)

var (
	sni    = event.AppString("sni", "Server name.")
	schema = event.NewSchema([]*event.AppField{sni})
)

func conn(kind event.Kind, id uint64, ts int64) event.Event {
	return event.Event{Kind: kind, Proto: 6, ID: id, TS: 1767225600e9 + ts, Start: 1767225600e9, Last: 1767225600e9 + ts, Tx: event.Side{Bytes: uint64(ts), BytesDelta: 1}}
}

// rig is a stage that runs, and what it sends on.
type rig struct {
	*Stage
	in   chan *event.Batch
	out  []event.Event
	done chan error
	mu   sync.Mutex
	said []string
}

func start(t testing.TB, path string, cfg Config) *rig {
	t.Helper()
	r := &rig{in: make(chan *event.Batch), done: make(chan error, 1)}
	cfg.Warn = func(s string) { r.mu.Lock(); r.said = append(r.said, s); r.mu.Unlock() }
	s, err := New(path, cfg, schema)
	if err != nil {
		t.Fatal(err)
	}
	r.Stage = s
	out := make(chan *event.Batch, 4)
	go func() {
		failed := make(chan error, 1)
		go func() { failed <- s.Run(context.Background(), r.in, out) }()
		for b := range out {
			r.out = append(r.out, b.Events...)
		}
		r.done <- <-failed
	}()
	return r
}

func (r *rig) send(events ...event.Event) {
	b := event.NewBatch(nil)
	b.Now = 1767225600e9
	b.Events = append(b.Events, events...)
	r.in <- b
}

func (r *rig) end(t testing.TB) {
	t.Helper()
	close(r.in)
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
}

func (r *rig) warned() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// ask gives the rows of a query, columns parted by bars.
func ask(t testing.TB, path, sql string) []string {
	t.Helper()
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.BusyTimeout(time.Minute); err != nil { // as our readers have: a writer that was killed leaves its log to be taken up
		t.Fatal(err)
	}
	stmt, _, err := db.Prepare(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer stmt.Close()
	var rows []string
	for stmt.Step() {
		var cells []string
		for i := range stmt.ColumnCount() {
			cells = append(cells, stmt.ColumnText(i))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	if err := stmt.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func want(t testing.TB, path, sql string, rows ...string) {
	t.Helper()
	if got := ask(t, path, sql); !slices.Equal(got, rows) {
		t.Errorf("%s: got %q, want %q", sql, got, rows)
	}
}

// lock holds the database as a slow disk would.
func lock(t testing.TB, path string) (release func()) {
	t.Helper()
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.BusyTimeout(time.Minute), db.Exec("BEGIN IMMEDIATE")); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(db.Exec("COMMIT"), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestRows: a row is what the latest record says, whichever came last.
func TestRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{Events: true})
	app := &event.App{Name: "tls"}
	app.SetStr(sni, "it's.example")
	proc := &event.Proc{PID: 7, Name: "curl", Ancestors: []string{"bash", "sshd"}}
	last := conn(event.Closed, 1, 30)
	last.App, last.Proc, last.Reason = app, proc, event.Rst
	other := conn(event.New, 2, 5)
	other.Proc = proc
	r.send(conn(event.New, 1, 10), other, conn(event.Updated, 1, 20), last)
	r.end(t)
	r = start(t, path, Config{})
	r.send(conn(event.Updated, 1, 25)) // an older piece, read in later
	alert := conn(event.Alert, 1, 40)
	alert.Tx.BytesDelta = 0
	r.send(alert)
	r.end(t)
	want(t, path, "SELECT id, event, reason, tx_bytes, tx_bytes_delta, app, sni, process, ancestors FROM connections ORDER BY id",
		`0000000000000001|closed|rst|30||tls|it's.example|curl|["bash","sshd"]`, `0000000000000002|new||5||||curl|["bash","sshd"]`)
	want(t, path, "SELECT id, event, tx_bytes_delta FROM events ORDER BY ts", "0000000000000002|new|1", "0000000000000001|new|1", "0000000000000001|updated|1", "0000000000000001|closed|1", "0000000000000001|alert|0")
	want(t, path, "SELECT count(*) FROM process", "1")
	want(t, path, "PRAGMA integrity_check", "ok")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file can be read by others: %v %v", info.Mode(), err)
	}
}

// TestSlowDisk: while the disk takes nothing the stream goes on, updates are merged, connections
// that end are kept as long as there is room, and what has none is said to be lost.
func TestSlowDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{Live: true})
	release := lock(t, path)
	r.send(conn(event.New, 1<<40, 1))
	r.send()         // by now the one before was kept
	for r.taking() { // what comes from here on waits
		time.Sleep(time.Millisecond)
	}
	const n = waitingMax
	kinds := []event.Kind{event.New, event.Updated, event.Updated, event.Closed}
	if testing.Short() {
		kinds = kinds[2:]
	}
	rounds := uint64(len(kinds))
	for round, kind := range kinds {
		for first := 0; first < n+100; first += 100 {
			var events []event.Event
			for id := first; id < min(first+100, n+100); id++ {
				events = append(events, conn(kind, uint64(id), int64(round+1)))
			}
			r.send(events...)
		}
	}
	r.send() // by now the one before was kept
	st := r.Stats()
	if st.Lost != 100 || st.Merged != (rounds-1)*(n+100) {
		t.Errorf("got %+v, want 100 lost and %d merged", st, (rounds-1)*(n+100))
	}
	release()
	r.end(t)
	want(t, path, "SELECT count(*), min(tx_bytes), max(tx_bytes) FROM connection WHERE event = 'closed'", fmt.Sprintf("%d|%[2]d|%[2]d", n, rounds))
	st = r.Stats()
	if st.Stored != n+1 || st.Stored+st.Merged+st.Lost != rounds*(n+100)+1 {
		t.Errorf("got %+v: the account does not add up", st)
	}
	var told uint64
	for i := range r.out {
		if e := &r.out[i]; e.Kind == event.Lost {
			told += e.LostCount
			if e.LostWhere != event.InStore {
				t.Errorf("lost where: got %q, want store", e.LostWhere)
			}
		}
	}
	if told != st.Lost || uint64(len(r.out)) != rounds*(n+100)+1+2 {
		t.Errorf("%d records went on, which tell of %d lost, want two more than came, telling of %d", len(r.out), told, st.Lost)
	}
}

// taking is false once the writer has taken what waited, and tries to store it.
func (r *rig) taking() bool {
	r.Stage.mu.Lock()
	defer r.Stage.mu.Unlock()
	return !r.waiting.empty()
}

// TestDiskFull: it is said, the stream goes on, and when there is room again all is stored.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{Live: true})
	pages := ask(t, path, "PRAGMA page_count")[0]
	r.onWriter(t, "PRAGMA max_page_count = "+pages)
	r.send(slices.Repeat([]event.Event{conn(event.New, 1, 1)}, 3)...)
	for id := range 5000 {
		r.send(conn(event.New, uint64(id), 1))
	}
	for !strings.Contains(r.warned(), "the disk is full; tried again") {
		time.Sleep(time.Millisecond)
	}
	want(t, path, "SELECT count(*) FROM connection", "0")
	r.onWriter(t, "PRAGMA max_page_count = 1000000")
	for !strings.Contains(r.warned(), "written again") {
		time.Sleep(time.Millisecond)
	}
	r.end(t)
	want(t, path, "SELECT count(*) FROM connection", "5000")
	if err := r.Err(); err != nil || len(r.out) != 5003 {
		t.Errorf("got %v and %d records sent on, want no error and 5003", err, len(r.out))
	}
}

// TestDiskStaysFull: at the end it is an error that says how it is, and what was not stored is counted.
func TestDiskStaysFull(t *testing.T) {
	for _, live := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "s.db")
		r := start(t, path, Config{Live: live})
		r.onWriter(t, "PRAGMA max_page_count = "+ask(t, path, "PRAGMA page_count")[0])
		for id := range 5000 {
			r.send(conn(event.New, uint64(id), 1))
		}
		r.end(t)
		st := r.Stats()
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "the disk is full") || st.Lost != 5000 || st.Stored != 0 {
			t.Errorf("live %v: got %v and %+v, want the disk to be full and 5000 lost", live, err, st)
		}
		if n := len(r.out); n != 5001 || r.out[n-1].Kind != event.Lost || r.out[n-1].LostCount != 5000 {
			t.Errorf("live %v: %d records went on, want 5000 and one of the loss", live, n)
		}
		want(t, path, "PRAGMA integrity_check", "ok")
	}
}

// onWriter changes a setting of the writer's own connection, between two of its transactions.
func (r *rig) onWriter(t testing.TB, pragma string) {
	t.Helper()
	done := make(chan error)
	r.Stage.mu.Lock()
	r.Stage.between = func() { done <- r.file.db.Exec(pragma) }
	r.Stage.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestMigrate: a store of a version that had fewer fields gets the new ones, and keeps what it has.
func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{})
	r.send(conn(event.Closed, 1, 1))
	r.end(t)
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("DROP VIEW connections; DROP VIEW events; ALTER TABLE connection DROP COLUMN tx_bytes; ALTER TABLE process DROP COLUMN cmdline"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	r = start(t, path, Config{})
	proc := &event.Proc{PID: 7, Cmdline: "nc -l"}
	e := conn(event.Closed, 2, 2)
	e.Proc = proc
	r.send(e)
	r.end(t)
	want(t, path, "SELECT id, tx_bytes, cmdline FROM connections", "0000000000000001||", "0000000000000002|2|nc -l")
}

// TestOthersFiles are left as they are.
func TestOthersFiles(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	ask(t, foreign, "CREATE TABLE x(y)")
	later := filepath.Join(dir, "later.db")
	start(t, later, Config{}).end(t)
	ask(t, later, "PRAGMA user_version = 99")
	for path, want := range map[string]string{text: "not a database", foreign: "not one of rustnet's", later: "a later rustnet made it",
		filepath.Join(dir, "none", "s.db"): "unable to open"} {
		before, _ := os.ReadFile(path)
		if _, err := New(path, Config{}, schema); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", path)
		}
	}
}

// TestRetire: what is too old goes, by the records' clock, and then what is too much, the oldest first.
func TestRetire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{Events: true})
	for day := range 10 {
		e := conn(event.Closed, uint64(day), int64(day)*int64(24*time.Hour))
		e.Proc = &event.Proc{PID: uint32(day + 1)}
		r.send(e)
	}
	r.end(t)
	start(t, path, Config{Age: 3*24*time.Hour + time.Hour}).end(t)
	want(t, path, "SELECT ltrim(id, '0'), pid FROM connections", "6|7", "7|8", "8|9", "9|10")
	want(t, path, "SELECT ltrim(id, '0'), pid FROM events", "6|7", "7|8", "8|9", "9|10")
	want(t, path, "SELECT count(*) FROM process", "4")

	r = start(t, path, Config{})
	var events []event.Event
	for id := range 15000 {
		events = append(events, conn(event.Closed, uint64(id)+100, int64(id)))
	}
	r.send(events...)
	r.end(t)
	const limit = 1 << 20
	before, err := os.Stat(path)
	if err != nil || before.Size() < limit*3/2 {
		t.Fatalf("%d bytes before (%v), want more than %d", before.Size(), err, limit*3/2)
	}
	start(t, path, Config{Size: limit}).end(t)
	after, err := os.Stat(path)
	if err != nil || after.Size() > limit || after.Size() < limit/4 {
		t.Errorf("%d bytes are left (%v), want no more than %d and not much less", after.Size(), err, limit)
	}
	left := ask(t, path, "SELECT count(*) > 1000, min(id) > 1000, max(id) FROM connection WHERE id >= 100")
	if !slices.Equal(left, []string{"1|1|15099"}) {
		t.Errorf("left: got %q, want the newest", left)
	}
	want(t, path, "SELECT count(*) FROM connection WHERE id < 100", "4") // days later
}

// TestRetireClock: one record of a clock that was far ahead makes nothing of today old.
func TestRetireClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{})
	now := time.Now().UnixNano() - conn(event.New, 0, 0).TS
	r.send(conn(event.Closed, 1, now-int64(time.Hour)), conn(event.Closed, 2, now+int64(10*365*24*time.Hour)), conn(event.Closed, 3, now-int64(48*time.Hour)))
	r.end(t)
	start(t, path, Config{Age: 24 * time.Hour}).end(t)
	want(t, path, "SELECT ltrim(id, '0') FROM connections", "1", "2")
}

// TestFull: when there is no room, what comes for connections that stay open waits for their end, an end takes the place of what another one's end
// will bring again, and only when nothing but ends is left are ends lost.
func TestFull(t *testing.T) {
	s := &Stage{cfg: Config{Live: true}, waiting: newQueue(), id: schema.Lookup("id"), ts: schema.Lookup("ts")}
	put := func(e event.Event) { s.row(t.Context(), e.ID, &e) }
	const open = 10
	for id := range uint64(waitingMax) {
		kind := event.Closed
		if id < open {
			kind = event.New
		}
		put(conn(kind, id, 1))
	}
	put(conn(event.Updated, 0, 5))
	put(conn(event.Updated, 0, 3)) // late
	put(conn(event.Closed, 1, 5))  // no more open
	put(conn(event.Updated, waitingMax, 1))
	const ends = open + 2
	for id := range uint64(ends) {
		put(conn(event.Closed, 2*waitingMax+id, 1))
	}
	kinds := map[event.Kind]int{}
	for id, at := range s.waiting.at {
		e := &s.waiting.rows[at]
		if kinds[e.Kind]++; e.ID != id {
			t.Fatalf("%d stands where %d should", e.ID, id)
		}
	}
	if len(s.waiting.rows) != waitingMax || len(s.waiting.at) != waitingMax || kinds[event.Closed] != waitingMax {
		t.Errorf("%d rows, %d names, %v, want %d closed", len(s.waiting.rows), len(s.waiting.at), kinds, waitingMax)
	}
	if st := s.Stats(); st.Merged != 4+open-1 || st.Lost != ends-(open-1) {
		t.Errorf("%d merged and %d lost, want %d and %d", st.Merged, st.Lost, 4+open-1, ends-(open-1))
	}
	if _, ok := s.waiting.at[1]; !ok {
		t.Error("an end was given up")
	}
}

// TestLater: of records of one connection that wait the latest is kept, whatever the order in which they came.
func TestLater(t *testing.T) {
	s := &Stage{waiting: newQueue(), id: schema.Lookup("id"), ts: schema.Lookup("ts")}
	for _, ts := range []int64{1, 5, 3} {
		e := conn(event.Updated, 7, ts)
		s.row(t.Context(), 7, &e)
	}
	if rows := s.waiting.rows; len(rows) != 1 || rows[0].Tx.Bytes != 5 {
		t.Errorf("got %d rows, the first of %d bytes, want one of 5", len(rows), rows[0].Tx.Bytes)
	}
}

// TestStaysSmall: a store that grows to its size is made room in at once, not a minute later.
func TestStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	const limit = 1 << 20
	r := start(t, path, Config{Size: limit})
	id, highest := uint64(0), int64(0)
	for range 20 {
		events := make([]event.Event, 1200)
		for i := range events {
			id++
			events[i] = conn(event.Closed, id, int64(id))
		}
		r.send(events...)
		for r.Stats().Stored < id {
			time.Sleep(time.Millisecond)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, info.Size())
	}
	if r.end(t); highest > limit*5/4 || highest < limit/2 {
		t.Errorf("the file was %d bytes at its largest, want %d and little more", highest, limit)
	}
	want(t, path, fmt.Sprintf("SELECT max(id) = %d, count(*) > 1000 FROM connection", id), "1|1")
}

// TestRetireProcesses: where each connection has a process of its own, the newest connections are kept as well.
func TestRetireProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	r := start(t, path, Config{Events: true})
	var events []event.Event
	for id := range 20000 {
		e := conn(event.Closed, uint64(id)+1, int64(id)+1)
		e.Proc = &event.Proc{PID: uint32(id + 1), Name: "x", Cmdline: strings.Repeat("x", 400)}
		events = append(events, e)
	}
	r.send(events...)
	r.end(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	limit := info.Size() / 2
	start(t, path, Config{Size: output.Size(limit)}).end(t)
	if info, err := os.Stat(path); err != nil || info.Size() > limit || info.Size() < limit/4 { // their keys are scattered, so that pages come free late
		t.Errorf("%d bytes are left (%v), want no more than %d and not much less", info.Size(), err, limit)
	}
	want(t, path, "SELECT max(pid), count(*) > 3000, count(*) = count(pid) FROM connections", "20000|1|1")
	want(t, path, "SELECT (SELECT count(*) FROM process) = (SELECT count(*) FROM connection)", "1")
}

// TestKeepAllocs: a record of a connection that waits takes the place of the one before, and costs nothing else.
func TestKeepAllocs(t *testing.T) {
	s := &Stage{waiting: newQueue(), kick: make(chan struct{}, 1), id: schema.Lookup("id"), ts: schema.Lookup("ts"), cfg: Config{Live: true}}
	s.taken.L = &s.mu
	b := event.NewBatch(nil)
	for id := range 100 {
		b.Events = append(b.Events, conn(event.Updated, uint64(id), 1))
	}
	s.keep(context.Background(), b)
	if n := testing.AllocsPerRun(100, func() { s.keep(context.Background(), b) }); n != 0 {
		t.Errorf("keeping 100 records allocates %v times, want 0", n)
	}
}

// TestKilled: a writer that is killed in the middle leaves a whole store, to which the next one adds.
func TestKilled(t *testing.T) {
	const child = "STORE_OF_A_CHILD_TO_BE_KILLED"
	if path := os.Getenv(child); path != "" {
		r := start(t, path, Config{Events: true})
		for id := uint64(1); ; id++ {
			r.send(conn(event.New, id, 1), conn(event.Closed, id, 2))
		}
	}
	path := filepath.Join(t.TempDir(), "s.db")
	start(t, path, Config{}).end(t)
	stored := 0
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), child+"="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		begin := stored
		for stored < begin+300 {
			before := stored
			fmt.Sscan(ask(t, path, "SELECT max(rowid) FROM event")[0], &stored)
			if stored == before {
				time.Sleep(time.Millisecond)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		want(t, path, "PRAGMA integrity_check", "ok")
		// A transaction holds both records of a connection, and its row, or none of them.
		want(t, path, "SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT 1 FROM connection c WHERE c.id = e.id)", "0")
		want(t, path, "SELECT count(*) FROM connection WHERE event = 'closed' AND tx_bytes <> 2", "0")
	}
	r := start(t, path, Config{})
	r.send(conn(event.Closed, 1<<50, 9))
	r.end(t)
	want(t, path, fmt.Sprintf("SELECT tx_bytes FROM connection WHERE id = %d", int64(1)<<50), "9")
}

// TestAgain: what another has in its hands for a moment is waited for, and nothing else.
func TestAgain(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name            string
		free, gone, try int // tries until it opens; looks until nothing is in the way; tries there are
		want            error
	}{{"at once", 1, 9, 1, nil}, {"withheld for a while", 3, 9, 3, nil}, {"nothing in the way", 9, 0, 1, refused}, {"until it is given up", 9, 2, 3, refused}} {
		tries, looks := 0, 0
		err := again(func() error {
			if tries++; tries < tt.free {
				return refused
			}
			return nil
		}, func(err error) bool { looks++; return err == refused && looks <= tt.gone })
		if err != tt.want || tries != tt.try {
			t.Errorf("%s: got %v after %d tries, want %v after %d", tt.name, err, tries, tt.want, tt.try)
		}
	}
}

// In SQL a connection goes by the identifier that everything else shows, so that what it arranged is found by it.
func TestIdentifiers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.db")
	r := start(t, path, Config{Events: true})
	arranged := conn(event.New, 6, 2)
	arranged.Related = 1<<63 | 5
	r.send(conn(event.New, 1<<63|5, 1), arranged)
	r.end(t)
	want(t, path, "SELECT a.id, b.id FROM connections a JOIN connections b ON b.related_id = a.id", "8000000000000005|0000000000000006")
	want(t, path, "SELECT event FROM connections JOIN events USING (id, event)", "new", "new")
}
