package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"rustnet/capture/ndjson"
	"rustnet/filter"
	"rustnet/output"
	"rustnet/output/store"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

var (
	fields = dpi.Fields()
	schema = event.NewSchema(fields)
	stored = schema.Stored()
)

type reader interface {
	Run(ctx, stop context.Context, out chan<- *event.Batch) error
}

// all reads a source to its end, and keeps copies.
func all(t testing.TB, r reader) []event.Event {
	t.Helper()
	out := make(chan *event.Batch, 16)
	failed := make(chan error, 1)
	go func() { failed <- r.Run(context.Background(), context.Background(), out) }()
	var events []event.Event
	for b := range out {
		events = append(events, b.Events...)
		b.Release()
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	return events
}

// write stores records, in batches, and gives the store's account.
func write(t testing.TB, path string, cfg store.Config, fields *event.Schema, events []event.Event) store.Stats {
	t.Helper()
	s, err := store.New(path, cfg, fields)
	if err != nil {
		t.Fatal(err)
	}
	in, out := make(chan *event.Batch), make(chan *event.Batch, 4)
	go func() {
		defer close(in)
		for chunk := range slices.Chunk(events, 100) {
			b := event.NewBatch(nil)
			b.Events = append(b.Events, chunk...)
			in <- b
		}
	}()
	go func() {
		for range out {
		}
	}()
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return s.Stats()
}

func open(t testing.TB, path string, cfg Config, steps bool, text string) *Source {
	t.Helper()
	var c *event.Condition
	if text != "" {
		c = filter.Condition(text, stored, nil)
	}
	s, err := Open(path, cfg, steps, c, stored)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// lines are the records as JSON; drop leaves out fields.
func lines(t testing.TB, events []event.Event, drop ...string) []string {
	t.Helper()
	var buf bytes.Buffer
	cfg := output.Config{Format: output.JSON, Fields: []string{"-seq"}}
	for _, d := range drop {
		cfg.Fields = append(cfg.Fields, "-"+d)
	}
	s, err := output.New(cfg, stored, &buf)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Frame(slices.Clone(events)); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
}

var stepFields = []string{"tx_bytes_delta", "rx_bytes_delta", "tx_rate", "rx_rate"}

// golden reads the records of all captures.
func golden(t testing.TB) map[string][]event.Event {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/golden/*.ndjson")
	if err != nil || len(paths) < 50 {
		t.Fatalf("found %d files of records (%v), want at least 50", len(paths), err)
	}
	files := map[string][]event.Event{}
	for _, path := range paths {
		src, err := ndjson.Open([]string{path}, stored)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = all(t, src)
		src.Close()
	}
	return files
}

// TestRoundTrip: what is stored comes back the same, each record as it was, and of each connection the last. A store takes
// time to make, so all captures share one; as several have the same connections, each one's have numbers of their own.
func TestRoundTrip(t *testing.T) {
	id := stored.Lookup("id")
	files := golden(t)
	var events []event.Event
	last := map[uint64]int{} // of each connection, in events
	for i, path := range slices.Sorted(maps.Keys(files)) {
		for _, e := range files[path] {
			if n, ok := id.Uint(&e); ok {
				n ^= uint64(i+1) << 32
				e.Stored.SetUint(id, n)
				last[n] = len(events)
			}
			events = append(events, e)
		}
	}
	db := filepath.Join(t.TempDir(), "s.db")
	write(t, db, store.Config{Events: true}, stored, events)
	compare(t, "every record", lines(t, all(t, open(t, db, Config{}, true, ""))), lines(t, events))
	var lost, want []event.Event
	told := map[uint64]bool{}
	for _, e := range events {
		n, ok := id.Uint(&e)
		if !ok {
			lost = append(lost, e)
		} else if !told[n] {
			told[n] = true
			want = append(want, events[last[n]])
		}
	}
	want = append(lost, want...) // losses are told first
	got := lines(t, all(t, open(t, db, Config{}, false, "")), stepFields...)
	compare(t, "every connection", got, lines(t, want, stepFields...))
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%s: number %d: got\n%s\nwant\n%s", what, i, g, w)
		}
	}
}

// values are texts and numbers to compare with, those of the records and some that none has.
type values struct{ of map[*event.Field][]string }

func gather(events []event.Event) values {
	v := values{map[*event.Field][]string{}}
	for i := range events {
		for _, f := range stored.Fields {
			if text := string(output.AppendText(nil, f, &events[i])); text != "" && len(v.of[f]) < 200 {
				v.of[f] = append(v.of[f], text)
			}
		}
	}
	return v
}

// expression makes a random filter.
func (v values) expression(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(3) > 0 {
		a, b := v.expression(r, depth-1), v.expression(r, depth-1)
		switch r.IntN(7) {
		case 0, 1, 2:
			return "(" + a + " && " + b + ")"
		case 3, 4:
			return "(" + a + " or " + b + ")"
		}
		return "not (" + a + ")"
	}
	f := stored.Fields[r.IntN(len(stored.Fields))]
	for range 20 { // mostly of fields that some record has
		if len(v.of[f]) > 0 {
			break
		}
		f = stored.Fields[r.IntN(len(stored.Fields))]
	}
	text := ""
	if n := len(v.of[f]); n > 0 {
		text = v.of[f][r.IntN(n)]
	}
	order := []string{"==", "!=", "<", "<=", ">", ">=", "==", "=="}[r.IntN(8)]
	switch f.Type {
	case event.String, event.Addr:
		if r.IntN(8) == 0 {
			text = ""
		}
		switch r.IntN(9) {
		case 0:
			return fmt.Sprintf("%s startsWith %q", f.Name, text[:len(text)/2])
		case 1:
			return fmt.Sprintf("%s endsWith %q", f.Name, text[len(text)/2:])
		case 2:
			return fmt.Sprintf("%s contains %q", f.Name, text[len(text)/3:len(text)*2/3])
		case 3:
			other := "nobody"
			if form := f.Form(); form != nil && len(form.Words()) > 0 {
				other = form.Words()[r.IntN(len(form.Words()))]
			} else if form != nil && !form.Can(event.Equal, other) {
				other = form.Example
			}
			return fmt.Sprintf("%s in [%q, %q]", f.Name, text, other)
		case 4:
			if f.Type == event.Addr {
				bits := r.IntN(33)
				if strings.Contains(text, ":") {
					bits = r.IntN(129)
				}
				if text == "" {
					text = "10.0.0.0"
				}
				return fmt.Sprintf("cidr(%s, %q)", f.Name, fmt.Sprintf("%s/%d", text, bits))
			}
			return fmt.Sprintf("%s matches %q", f.Name, "^[a-m]")
		}
		return fmt.Sprintf("%s %s %q", f.Name, order, text)
	case event.Uint:
		if text == "" || r.IntN(6) == 0 {
			text = []string{"0", "-1", "1.5", "443", "KB(1)"}[r.IntN(5)]
		}
		switch r.IntN(6) {
		case 0:
			return fmt.Sprintf("%s %s %s", text, order, f.Name)
		case 1:
			return fmt.Sprintf("%s in %d..%d", f.Name, r.IntN(3), r.IntN(2000))
		case 2:
			return fmt.Sprintf("%s in [%s, 53]", f.Name, strings.ReplaceAll(text, "KB(1)", "7"))
		}
		return fmt.Sprintf("%s %s %s", f.Name, order, text)
	case event.Float:
		if text == "" || r.IntN(6) == 0 {
			text = []string{"0", "-1", `seconds("10ms")`, "minutes(1)"}[r.IntN(4)]
		}
		return fmt.Sprintf("%s %s %s", f.Name, order, text)
	case event.Bool:
		return []string{f.Name, "!" + f.Name, f.Name + " == true", f.Name + " != true", f.Name + " == false"}[r.IntN(5)]
	case event.Time:
		when := time.Unix(1767225600+r.Int64N(1000), 0).UTC()
		if sec, frac, ok := strings.Cut(text, "."); ok {
			var s, n int64
			fmt.Sscan(sec, &s)
			fmt.Sscan(strings.TrimLeft((frac + "000000000")[:9], "0"), &n)
			when = time.Unix(s, n).UTC()
		}
		return fmt.Sprintf("%s %s date(%q)", f.Name, order, when.Format(time.RFC3339Nano))
	case event.ID:
		return fmt.Sprintf("%s %s %q", f.Name, []string{"==", "!="}[r.IntN(2)], text)
	}
	member, _, _ := strings.Cut(text, " ") // of a list
	return fmt.Sprintf("%q in %s", member, f.Name)
}

// TestLookup: whatever the filter, looking it up gives what reading everything and filtering gives.
func TestLookup(t *testing.T) {
	var events []event.Event
	files := golden(t)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		events = append(events, files[path]...)
	}
	events = append(events, awkward()...)
	db := filepath.Join(t.TempDir(), "s.db")
	write(t, db, store.Config{}, stored, events)
	rows := all(t, open(t, db, Config{}, false, ""))
	if len(rows) < 200 {
		t.Fatalf("%d connections, want at least 200", len(rows))
	}
	v := gather(rows)
	r := rand.New(rand.NewPCG(7, 7))
	n := 200
	if testing.Short() {
		n = 40
	}
	related := v.of[stored.Lookup("related_id")] // no column, but JSON, has these identifiers
	if len(related) == 0 {
		t.Fatal("no connection that another one arranged")
	}
	filters := []string{fmt.Sprintf("related_id == %q", related[0]), fmt.Sprintf("related_id != %q", related[0]), fmt.Sprintf("related_id startsWith %q", related[0][:3]),
		fmt.Sprintf("not (related_id in [%q, %q])", related[0], related[len(related)-1]), `related_id != ""`}
	for want := len(filters) + n; len(filters) < want; {
		text := v.expression(r, 3)
		if _, err := filter.Compile(text, stored); err != nil && (strings.Contains(err.Error(), " is never both ") || strings.Contains(err.Error(), " is always other than ")) {
			continue // chance made what is refused as a mistake
		}
		filters = append(filters, text)
	}
	narrowed, found := 0, 0
	for _, text := range filters {
		want, err := match(text, rows)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		looked := all(t, open(t, db, Config{}, false, text))
		got, err := match(text, looked)
		if err != nil {
			t.Fatal(err)
		}
		if g, w := lines(t, got), lines(t, want); !slices.Equal(g, w) {
			t.Fatalf("%s\ngot %d connections, want %d", text, len(got), len(want))
		}
		if len(looked) < len(rows) {
			narrowed++
		}
		if len(want) > 0 && len(want) < len(rows) {
			found++
		}
	}
	t.Logf("of %d filters %d were looked up, %d split the connections", n, narrowed, found)
	if narrowed < n/2 || found < n/4 {
		t.Errorf("of %d filters only %d were looked up and %d split the connections", n, narrowed, found)
	}
}

// awkward are records with texts that SQL, JSON or UTF-8 might trip over.
func awkward() []event.Event {
	sni, host := stored.Lookup("sni"), stored.Lookup("host")
	var events []event.Event
	for i, text := range []string{"a\x00b", "it's", `say "x"`, "\xff\xfe", "ünï", "%_*?", "a\u2028b", "\U0001F600", `\`, "a\x00", "\x00"} {
		r := event.NewStored(stored)
		r.SetUint(stored.Lookup("v"), event.Version)
		r.SetStr(stored.Lookup("event"), "closed")
		r.SetTime(stored.Lookup("ts"), 1767225600e9+int64(i))
		r.SetUint(stored.Lookup("id"), 1<<63+uint64(i))
		r.SetStr(stored.Lookup("remote_addr"), []string{"::ffff:10.1.2.3", "fe80::1%eth0", "2001:db8::1", "10.1.2.3"}[i%4])
		r.SetStr(sni, text)
		r.SetStr(host, text)
		r.SetStr(stored.Lookup("process"), text)
		r.SetList(stored.Lookup("ancestors"), []string{text, "init"})
		r.SetUint(stored.Lookup("tx_bytes"), 1<<40+uint64(i))
		events = append(events, event.Event{Kind: event.Closed, Stored: r})
	}
	return events
}

// match keeps what a filter is true for.
func match(text string, events []event.Event) ([]event.Event, error) {
	p, err := filter.Compile(text, stored)
	if err != nil {
		return nil, err
	}
	var kept []event.Event
	for i := range events {
		keep, err := p.Match(&events[i])
		if err != nil {
			return nil, err
		}
		if keep {
			kept = append(kept, events[i])
		}
	}
	return kept, nil
}

// TestPlan: what has an index is looked up by it, and nothing else is gone through row by row.
func TestPlan(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	write(t, db, store.Config{}, stored, awkward())
	for _, c := range []struct{ filter, index string }{
		{`process == "curl"`, "connection_process"},
		{`process == "curl" && remote_port == 443`, "connection_process"},
		{`cmdline contains "--upload" and tx_bytes > MB(1)`, "connection_process"},
		{`container == "web" or pod startsWith "shop/"`, "connection_process"},
		{`host == "example.org"`, "connection_host"},
		{`host in ["a.example", "b.example"]`, "connection_host"},
		{`host startsWith "api." && not partial`, "connection_host"},
		{`remote_addr == "192.0.2.1"`, "connection_remote_addr"},
		{`cidr(remote_addr, "10.1.0.0/16")`, "connection_remote_addr"},
		{`cidr(remote_addr, "2001:db8::/32")`, "connection_remote_addr"},
		{`id == "0000000000000abc"`, "connection_id"},
		{`ts > date("2026-01-01")`, "connection_ts"},
		{`tx_bytes > MB(1)`, "PRIMARY KEY"},
		{`host endsWith ".io"`, "PRIMARY KEY"},
		{`process == ""`, "PRIMARY KEY"},
	} {
		s := open(t, db, Config{}, false, c.filter)
		by := "c.rowid"
		if s.indexed {
			by = "+c.rowid"
		}
		stmt, _, err := s.db.Prepare(fmt.Sprintf("EXPLAIN QUERY PLAN SELECT * FROM connection c WHERE %s > ?1 AND %s ORDER BY %[1]s", by, s.where))
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for stmt.Step() {
			plan = append(plan, stmt.ColumnText(3))
		}
		text := strings.Join(plan, "; ")
		if err := stmt.Close(); err != nil || !strings.Contains(text, c.index) || s.indexed && strings.Contains(text, "SCAN c") {
			t.Errorf("%s: got the plan %q (%v), want one with %s", c.filter, text, err, c.index)
		}
		s.Close()
	}
}

// TestTimes: a connection is there from its first packet to its last.
func TestTimes(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1767225600+s, 0) }
	var events []event.Event
	for i, span := range [][2]int64{{0, 10}, {5, 100}, {50, 60}} {
		events = append(events, event.Event{Kind: event.Closed, Proto: 6, ID: uint64(i + 1), TS: at(span[1]).UnixNano(), Start: at(span[0]).UnixNano(), Last: at(span[1]).UnixNano()})
	}
	events = append(events, event.Event{Kind: event.Lost, TS: at(55).UnixNano(), LostWhere: event.InKernel, LostCount: 3})
	db := filepath.Join(t.TempDir(), "s.db")
	write(t, db, store.Config{}, schema, events)
	id := stored.Lookup("id")
	for _, c := range []struct {
		since, until int64
		want         string
	}{{0, 0, "lost 1 2 3"}, {20, 0, "lost 2 3"}, {61, 0, "2"}, {0, 40, "1 2"}, {11, 50, "2"}, {101, 0, ""}, {0, 5, "1"}} {
		var cfg Config
		if c.since != 0 {
			cfg.Since = Moment{at(c.since)}
		}
		if c.until != 0 {
			cfg.Until = Moment{at(c.until)}
		}
		var got []string
		for _, e := range all(t, open(t, db, cfg, false, "")) {
			if n, ok := id.Uint(&e); ok {
				got = append(got, fmt.Sprint(n))
			} else {
				got = append(got, e.Kind.String())
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("from %d to %d: got %q, want %q", c.since, c.until, text, c.want)
		}
	}
}

// TestWhileWritten: two readers see whole records while a writer runs, and never one twice.
func TestWhileWritten(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	s, err := store.New(db, store.Config{Live: true, Warn: func(m string) { t.Error(m) }}, schema)
	if err != nil {
		t.Fatal(err)
	}
	in, out := make(chan *event.Batch), make(chan *event.Batch, 4)
	const conns = 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range out {
		}
	})
	begun := sync.WaitGroup{}
	begun.Add(2)
	wg.Go(func() {
		defer close(in)
		begun.Wait() // the readers have begun, with nothing
		for round := range 3 {
			for first := 0; first < conns; first += 100 {
				b := event.NewBatch(nil)
				for i := first; i < first+100; i++ {
					kind := []event.Kind{event.New, event.Updated, event.Closed}[round]
					n := uint64(round + 1)
					b.Events = append(b.Events, event.Event{Kind: kind, Proto: 17, ID: uint64(i), TS: 1767225600e9 + int64(round), Start: 1767225600e9,
						Last: 1767225600e9 + int64(round)*1000, Tx: event.Side{Bytes: 100 * n, Packets: n}, Rx: event.Side{Bytes: 1000 * n, Packets: n}})
				}
				in <- b
			}
		}
	})
	id, tx, rx := stored.Lookup("id"), stored.Lookup("tx_bytes"), stored.Lookup("rx_packets")
	for range 2 {
		wg.Go(func() {
			for turn := 0; ; turn++ {
				src, err := Open(db, Config{}, false, nil, stored)
				if err != nil {
					t.Error(err)
					return
				}
				seen := map[uint64]bool{}
				closed := 0
				for _, e := range all(t, src) {
					n, _ := id.Uint(&e)
					bytes, _ := tx.Uint(&e)
					packets, _ := rx.Uint(&e)
					if seen[n] || bytes != 100*packets {
						t.Errorf("connection %d: seen %v, with %d bytes and %d packets", n, seen[n], bytes, packets)
						return
					}
					seen[n] = true
					if e.Kind == event.Closed {
						closed++
					}
				}
				src.Close()
				if turn == 0 {
					begun.Done()
				}
				if closed == conns {
					return
				}
			}
		})
	}
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Error(err)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	st := s.Stats()
	if st.Stored+st.Merged != 3*conns || st.Lost != 0 {
		t.Errorf("got %+v, want %d stored or merged", st, 3*conns)
	}
}

// TestOpen: what is no store of ours is said to be none.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	later := filepath.Join(dir, "later.db")
	write(t, later, store.Config{}, schema, nil)
	sql(t, later, "PRAGMA user_version = 99")
	foreign := filepath.Join(dir, "foreign.db")
	sql(t, foreign, "CREATE TABLE x(y)")
	for path, want := range map[string]string{filepath.Join(dir, "none.db"): "no such file", later: "a later rustnet made it",
		foreign: "rustnet did not make this", "store_test.go": "file is not a database", dir: "no regular file"} {
		if s, err := Open(path, Config{}, false, nil, stored); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
			if s != nil {
				s.Close()
			}
		}
	}
}

func sql(t testing.TB, path, text string) {
	t.Helper()
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

// TestHostile: in a file that somebody else made is nothing that is carried out, or takes more memory than there is.
func TestHostile(t *testing.T) {
	const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
	for name, text := range map[string]string{
		"a view":                 "DROP VIEW connections; ALTER TABLE connection RENAME TO old; CREATE VIEW connection AS " + endless + "SELECT c.x AS rowid, old.* FROM c, old WHERE x < 0",
		"a value without bounds": "DROP INDEX connection_host; UPDATE connection SET host = zeroblob(10000000) WHERE rowid = 1",
	} {
		t.Run(name, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "s.db")
			write(t, db, store.Config{}, stored, awkward())
			sql(t, db, text)
			s, err := Open(db, Config{}, false, nil, stored)
			if err == nil {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				out := make(chan *event.Batch)
				go func() {
					for b := range out {
						b.Release()
					}
				}()
				err = s.Run(ctx, ctx, out)
				s.Close()
			}
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want to be told", err)
			}
		})
	}
	t.Run("a trigger", func(t *testing.T) {
		db := filepath.Join(t.TempDir(), "s.db")
		write(t, db, store.Config{}, stored, nil)
		sql(t, db, "CREATE TRIGGER t AFTER INSERT ON connection BEGIN DELETE FROM connection; END")
		events := awkward()
		write(t, db, store.Config{}, stored, events)
		if got := all(t, open(t, db, Config{}, false, "")); len(got) == 0 {
			t.Error("a trigger of the file took out what was written")
		}
	})
}

// TestLatest: what people call a time is the last one of that name, in their own zone.
func TestLatest(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 2, 4, 9, 30, 0, 0, zone) // a Wednesday
	for _, c := range []struct{ text, want string }{
		{"08:15", "2026-02-04T08:15:00+02:00"},
		{"23:00:05", "2026-02-03T23:00:05+02:00"},
		{"today", "2026-02-04T00:00:00+02:00"},
		{"yesterday", "2026-02-03T00:00:00+02:00"},
		{"monday", "2026-02-02T00:00:00+02:00"},
		{"wednesday", "2026-02-04T00:00:00+02:00"},
		{"thursday", "2026-01-29T00:00:00+02:00"},
		{"now", "2026-02-04T09:30:00+02:00"},
		{"1 hour ago", "2026-02-04T08:30:00+02:00"},
		{"90 min", "2026-02-04T08:00:00+02:00"},
		{"2 weeks ago", "2026-01-21T09:30:00+02:00"},
		{"0 days ago", ""},
		{"an hour ago", ""},
		{"someday", ""},
		{"25:00", ""},
	} {
		got := ""
		if at, ok := latest(c.text, now); ok {
			got = at.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
	for text, ok := range map[string]bool{"Yesterday": true, "2w": true, "2026-01-31": true, "10:00": true, "1 Hour ago": true, "1 year ago": false, "": false} {
		if err := new(Moment).UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, before := range map[string]bool{"0001-01-01": true, "0001-01-01T00:00:00Z": true, "1677-01-01": true, "2263-01-01": false, "9999-12-31": false} {
		m := Moment{}
		if err := m.UnmarshalText([]byte(text)); err != nil || m.IsZero() || m.UnixNano() < 0 != before {
			t.Errorf("%s: got %v (%d ns), %v; want what no record is outside of", text, m, m.UnixNano(), err)
		}
	}
}
