package summary

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

var (
	schema = event.NewSchema(nil)
	stored = schema.Stored()
)

// conn makes an open connection from this machine.
func conn(id uint64, process string, tx, rx uint64) event.Event {
	return event.Event{Kind: event.Open, ID: id, Proto: 6, TS: 5e9, Start: int64(id) * 1e9, Last: 5e9, Interval: 1e9, State: event.Established,
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), uint16(id)),
		Tx: event.Side{Bytes: tx, BytesDelta: tx, Packets: tx / 100}, Rx: event.Side{Bytes: rx, BytesDelta: rx, Packets: rx / 100},
		Proc: &event.Proc{Name: process, PID: uint32(100 + id)}}
}

func frames(batches ...[]event.Event) <-chan *event.Batch {
	in := make(chan *event.Batch, len(batches))
	for _, events := range batches {
		b := event.NewBatch(nil)
		b.Events, b.Now = append(b.Events, events...), 9e9
		in <- b
	}
	close(in)
	return in
}

func show(t *testing.T, cfg Config, out output.Config, batches ...[]event.Event) string {
	t.Helper()
	var w bytes.Buffer
	s, err := New(cfg, out, schema, &w)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), frames(batches...)); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

func TestSortAndTop(t *testing.T) {
	events := []event.Event{conn(1, "b", 300, 1), conn(2, "a", 100, 3), conn(3, "", 200, 2), conn(4, "a", 200, 0)}
	events[2].Proc = nil
	for _, tt := range []struct {
		sort string
		top  int
		want string // remote ports
	}{
		{"", 0, "1 2 3 4"},
		{"tx_bytes", 0, "1 3 4 2"},
		{"-tx_bytes", 0, "2 3 4 1"},
		{"tx_bytes,-remote_port", 2, "1 3"},
		{"process", 0, "2 4 1 3"},
		{"-process", 0, "1 2 4 3"},
		{"rx_rate", 2, "2 3"},
		{"start", 0, "1 2 3 4"},
		{"-start", 1, "4"},
		{"remote_addr,process", 0, "2 4 1 3"},
		{"partial", 0, "1 2 3 4"},
	} {
		got := show(t, Config{Rows: Rows{Sort: tt.sort, Top: tt.top}}, output.Config{Format: output.CSV, Fields: []string{"remote_port"}, NoHeader: true}, events)
		if got = strings.Join(strings.Fields(got), " "); got != tt.want {
			t.Errorf("--sort=%s --top %d: got %s, want %s", tt.sort, tt.top, got, tt.want)
		}
	}
}

// TestFailed: what a program gave up before anybody answered has failed; what had answers, or needs none, has not.
func TestFailed(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(*event.Event)
		failed bool
	}{
		{"given up", func(e *event.Event) {}, true},
		{"answered", func(e *event.Event) { e.Rx.Packets = 1 }, false},
		{"called us, not answered", func(e *event.Event) { e.Direction, e.Tx.Packets, e.Rx.Packets = event.In, 0, 1 }, true},
		{"called us, answered", func(e *event.Event) { e.Direction = event.In }, false},
		{"UDP", func(e *event.Event) { e.Proto = 17 }, false},
		{"DNS", func(e *event.Event) { e.Proto, e.App = 17, &event.App{Name: "dns"} }, true},
		{"DNS, answered", func(e *event.Event) { e.Proto, e.App, e.Rx.Packets = 17, &event.App{Name: "dns"}, 1 }, false},
		{"neighbour discovery", func(e *event.Event) { e.Proto, e.ICMPType, e.Reason = 58, 135, event.Timeout }, false},
		{"ping", func(e *event.Event) { e.Proto, e.ICMPType, e.Reason = 58, 128, event.Timeout }, true},
		{"ping, answered", func(e *event.Event) { e.Proto, e.ICMPType, e.Rx.Packets, e.Reason = 1, 8, 1, event.Timeout }, false},
		{"UDP that fell silent", func(e *event.Event) { e.Proto, e.Reason = 17, event.Timeout }, false},
		{"TCP that fell silent", func(e *event.Event) { e.Rx.Packets, e.Reason = 1, event.Timeout }, true},
		{"known only in part", func(e *event.Event) { e.Partial = true }, false},
		{"ended well", func(e *event.Event) { e.Reason = event.Fin }, false},
	} {
		e := conn(1, "curl", 100, 0)
		e.Kind, e.Reason = event.Closed, event.Destroyed
		c.set(&e)
		ask := newAsker(schema)
		if got := ask.ask(&e).failed; got != c.failed {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

func TestGroupBy(t *testing.T) {
	events := []event.Event{conn(1, "curl", 300, 1000), conn(2, "ssh", 100, 3), conn(3, "curl", 200, 2), conn(4, "", 1, 1)}
	events[0].RTTMicros, events[2].RTTMicros = 3000, 1500
	events[2].Kind, events[2].Reason, events[2].Partial = event.Closed, event.Refused, true
	events[3].Proc = nil
	got := show(t, Config{Rows: Rows{GroupBy: []string{"process"}}}, output.Config{Format: output.JSON, Fields: []string{"event", "group_by", "process", "connections",
		"connections_open", "connections_failed", "connections_partial", "tx_bytes", "rx_bytes", "tx_packets", "tx_rate", "rtt_ms", "start"}}, events)
	want := `{"event":"group","group_by":"process","process":"curl","connections":2,"connections_open":1,"connections_failed":1,"connections_partial":1,` +
		`"tx_bytes":500,"rx_bytes":1002,"tx_packets":5,"tx_rate":500,"rtt_ms":1.5,"start":"1970-01-01T00:00:01.000000Z"}
{"event":"group","group_by":"process","process":"ssh","connections":1,"connections_open":1,"connections_failed":0,"connections_partial":0,"tx_bytes":100,"rx_bytes":3,"tx_packets":1,"tx_rate":100,"start":"1970-01-01T00:00:02.000000Z"}
{"event":"group","group_by":"process","connections":1,"connections_open":1,"connections_failed":0,"connections_partial":0,"tx_bytes":1,"rx_bytes":1,"tx_packets":0,"tx_rate":1,"start":"1970-01-01T00:00:04.000000Z"}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	table := show(t, Config{Rows: Rows{GroupBy: []string{"process,remote_port"}, Sort: "tx_bytes", Top: 1}}, output.Config{Format: output.Table}, events)
	if !strings.HasPrefix(table, "PROCESS ") || !strings.Contains(table, "REMOTE_PORT") || !strings.Contains(table, "curl") || strings.Contains(table, "ssh") {
		t.Errorf("table:\n%s", table)
	}
	csv := show(t, Config{Rows: Rows{GroupBy: []string{"process"}}}, output.Config{Format: output.CSV}, events)
	if !strings.HasPrefix(csv, "v,event,ts,group_by,process,connections,connections_open,connections_failed,connections_partial,start,tx_bytes,") {
		t.Errorf("CSV:\n%s", csv)
	}
}

// A loss is told in front of the rows, grouped or not.
func TestLossesAreShown(t *testing.T) {
	events := []event.Event{{Kind: event.Lost, LostWhere: event.InTable, LostCount: 7, TS: 1e9}, conn(1, "a", 1, 1), conn(2, "b", 2, 2)}
	for _, by := range [][]string{nil, {"process"}} {
		got := show(t, Config{Rows: Rows{GroupBy: by, Sort: "-tx_bytes", Top: 1}}, output.Config{Format: output.JSON, Fields: []string{"event", "lost_where", "lost_count", "process"}}, events)
		if !strings.HasPrefix(got, `{"event":"lost","lost_where":"table","lost_count":7}`+"\n") || strings.Count(got, "\n") != 2 || !strings.Contains(got, `"process":"a"`) {
			t.Errorf("grouped by %v: got\n%s", by, got)
		}
	}
}

// What there is no room for is one more row, which says how much it is.
func TestGroupsAreBounded(t *testing.T) {
	k, err := parseKeys([]string{"remote_port"}, schema, stored)
	if err != nil {
		t.Fatal(err)
	}
	g := newGroups(k, summable(schema, stored), stored)
	g.max = 3
	for id := range uint64(10) {
		e := conn(id+1, "x", 10, 0)
		g.add(&e, facts{open: true})
	}
	rows := g.rows(1e9, 0)
	if len(rows) != 4 {
		t.Fatalf("got %d rows, want 4", len(rows))
	}
	last := rows[3]
	for name, want := range map[string]uint64{"groups_merged": 7, "connections": 7, "tx_bytes": 70} {
		if got, _ := stored.Lookup(name).Uint(&last); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

// Two texts are not taken for two others that read the same one behind the other.
func TestGroupsOfAnyText(t *testing.T) {
	k, err := parseKeys([]string{"process", "remote_name"}, schema, stored)
	if err != nil {
		t.Fatal(err)
	}
	g := newGroups(k, summable(schema, stored), stored)
	want := [][2]string{{"a\x00", "b"}, {"a", "\x00b"}, {"ab", ""}, {"", "ab"}}
	for i, names := range want {
		e := conn(uint64(i+1), names[0], 1, 1)
		e.About = &event.About{Name: names[1]}
		g.add(&e, facts{})
	}
	var got [][2]string
	for _, row := range g.rows(1e9, 0) {
		got = append(got, [2]string{stored.Lookup("process").Str(&row), stored.Lookup("remote_name").Str(&row)})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the groups %q, want %q", got, want)
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Rows: Rows{Sort: "tx_byts"}}, `--sort: unknown field "tx_byts" (did you mean "tx_bytes"?)`},
		{Config{Rows: Rows{GroupBy: []string{"proces"}}}, `--group-by: unknown field "proces" (did you mean "process"?)`},
		{Config{Rows: Rows{GroupBy: []string{"process"}, Sort: "remote_port"}}, "--sort: a group has no remote_port: that is neither in --group-by nor added up"},
		{Config{Rows: Rows{GroupBy: []string{"process"}, Sort: "connections_new"}}, "--sort: a group has no connections_new"},
	} {
		if _, err := New(tt.cfg, output.Config{}, schema, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// TestBoard: what is open is shown, once, with what moved since the frame before.
func TestBoard(t *testing.T) {
	now := time.Unix(100, 0)
	b := NewBoard(0, 1)
	b.now = func() time.Time { return now }
	b.shown = now
	packet := func(kind event.Kind, id, tx uint64, reason event.Reason) {
		e := conn(id, "x", tx, 0)
		e.Kind, e.Reason = kind, reason
		b.event(&e)
	}
	socket := func(kind event.Kind, id, port uint64, reason event.Reason) {
		e := conn(port, "s", 0, 0)
		e.Kind, e.Reason, e.ID, e.Sockets, e.Without, e.Partial, e.NetNS = kind, reason, id, &[2]event.SocketRef{}, event.NoBytes, true, 1
		e.TxPayload, e.RxPayload, e.HasPayload = 10*port, port, true
		b.event(&e)
	}
	show := func(want string) {
		t.Helper()
		now = now.Add(2 * time.Second)
		var got []string
		for _, e := range b.frame().Events {
			rate, _ := schema.Lookup("tx_rate").Float(&e)
			text := fmt.Sprintf("%s:%d:%s:%g", e.Kind, e.Remote.Port(), e.Proc.Name, rate)
			if e.HasPayload {
				text += fmt.Sprintf(":%d/%d", e.TxPayload, e.RxPayload)
			}
			got = append(got, text)
			if e.Reason != event.NoReason || e.TS != now.UnixNano() {
				t.Errorf("reason %v at %d", e.Reason, e.TS)
			}
			if d, ok := schema.Lookup("duration").Float(&e); e.Sockets != nil && ok {
				t.Errorf("a socket that was there before is %g s old", d)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	packet(event.New, 1, 100, 0)
	packet(event.New, 2, 100, 0)
	packet(event.New, 3, 100, 0)
	socket(event.New, 101, 1, 0) // the same as 1
	socket(event.New, 103, 3, 0)
	socket(event.New, 104, 4, 0) // moved no packet
	packet(event.Updated, 2, 500, 0)
	packet(event.Closed, 3, 100, event.Fin) // which the socket table has not seen yet
	show("open:1:x:50:10/1 open:2:x:250 open:4:s:0:40/4")
	socket(event.Closed, 103, 3, event.Destroyed)
	packet(event.Closed, 1, 700, event.Exit) // the end of the run
	socket(event.Closed, 104, 4, event.Exit)
	show("open:1:x:300:10/1 open:2:x:0 open:4:s:0:40/4")
	// Another namespace's loopback is not ours.
	own, other := conn(5, "own", 1, 0), conn(5, "other", 0, 0)
	own.Local, own.Remote = netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	other.Local, other.Remote, other.ID, other.Sockets, other.NetNS, other.Partial = own.Local, own.Remote, 105, &[2]event.SocketRef{}, 2, true
	b.event(&own)
	b.event(&other)
	show("open:1:x:0:10/1 open:2:x:0 open:4:s:0:40/4 open:2:own:0.5 open:2:other:0")
}

// TestBoardTellsLosses: what was lost is in the next frame, once.
func TestBoardTellsLosses(t *testing.T) {
	b := NewBoard(0, 0)
	b.event(&event.Event{Kind: event.Lost, LostWhere: event.InKernel, LostCount: 3})
	for i, want := range []int{1, 0} {
		lost := 0
		for _, e := range b.frame().Events {
			if e.Kind == event.Lost && e.LostCount == 3 {
				lost++
			}
		}
		if lost != want {
			t.Errorf("frame %d tells of %d losses, want %d", i, lost, want)
		}
	}
}

func TestBoardFrames(t *testing.T) {
	b := NewBoard(20*time.Millisecond, 0)
	in, out := make(chan *event.Batch), make(chan *event.Batch)
	done := make(chan error, 1)
	go func() { done <- b.Run(t.Context(), in, out) }()
	batch := event.NewBatch(nil)
	batch.Events = append(batch.Events, conn(1, "x", 1, 1))
	in <- batch
	for range 3 {
		if f := <-out; len(f.Events) != 1 {
			t.Errorf("frame of %d, want 1", len(f.Events))
		}
	}
	close(in)
	for range out {
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTotals(t *testing.T) {
	at := func(ts int64, kind event.Kind, id uint64, delta, packets uint64, reason event.Reason) event.Event {
		return event.Event{Kind: kind, ID: id, TS: ts * 1e9, Reason: reason, Tx: event.Side{BytesDelta: delta, Packets: packets}}
	}
	events := []event.Event{
		at(10, event.New, 1, 100, 1, 0), at(11, event.New, 2, 100, 1, 0), at(14, event.Updated, 1, 50, 5, 0),
		at(20, event.Closed, 1, 10, 6, event.Rst), // due before it
		at(75, event.Closed, 2, 40, 2, event.Fin), // after four intervals without anything
		at(76, event.New, 3, 1, 1, 0), {Kind: event.Lost, TS: 77e9, LostCount: 3}, at(78, event.Closed, 3, 1, 2, event.Exit),
	}
	want := []string{
		"at 20 of 10: 2 open 2 new 0 closed 0 failed, bytes 250 +250, packets 6, lost 0",
		"at 70 of 50: 1 open 0 new 1 closed 1 failed, bytes 260 +10, packets 7, lost 0",
		"at 78 of 8: 1 open 1 new 1 closed 1 failed, bytes 302 +42, packets 10, lost 3",
	}
	for _, size := range []int{1, 3, len(events)} { // however the events are cut into batches
		totals := NewTotals(10*time.Second, false)
		var cut [][]event.Event
		for i := 0; i < len(events); i += size {
			cut = append(cut, events[i:min(i+size, len(events))])
		}
		out := make(chan *event.Batch, 100)
		if err := totals.Run(t.Context(), frames(cut...), out); err != nil {
			t.Fatal(err)
		}
		var got []string
		passed := 0
		for b := range out {
			for _, e := range b.Events {
				if passed++; e.Kind != event.Stats {
					continue
				}
				passed--
				s := e.Totals
				got = append(got, fmt.Sprintf("at %d of %d: %d open %d new %d closed %d failed, bytes %d +%d, packets %d, lost %d", e.TS/1e9, e.Interval/1e9,
					s.Open, s.New, s.Closed, s.Failed, e.Tx.Bytes, e.Tx.BytesDelta, e.Tx.Packets, s.Lost))
			}
		}
		if text := strings.Join(got, "\n"); text != strings.Join(want, "\n") || passed != len(events) {
			t.Errorf("in batches of %d: %d events passed, got\n%s\nwant\n%s", size, passed, text, strings.Join(want, "\n"))
		}
	}
}

// TestDistributionOfAll: only records of connections count as such, those that the end of the run closed are open, and what was lost is told.
func TestDistributionOfAll(t *testing.T) {
	events := []event.Event{conn(1, "", 100, 0), conn(2, "", 50, 50), {Kind: event.Lost, TS: 6e9, LostCount: 7}, conn(1, "", 100, 0), conn(1, "", 100, 0), conn(1, "", 100, 0), conn(2, "", 60, 50)}
	for i, kind := range []event.Kind{event.New, event.New, event.Lost, event.Alert, event.Stats, event.Group, event.Closed} {
		events[i].Kind = kind
	}
	events[0].TS, events[6].TS, events[6].Reason = 9e9, 8e9, event.Exit
	var w bytes.Buffer
	d, err := NewStats(Config{Rows: Rows{GroupBy: []string{"process"}}}, false, false, output.Config{Format: output.JSON,
		Fields: []string{"event", "ts", "start", "duration", "connections", "connections_open", "tx_bytes", "records_lost"}}, schema, &w)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), frames(events)); err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(w.String(), "\n")
	if want := `{"event":"stats","ts":"1970-01-01T00:00:09.000000Z","start":"1970-01-01T00:00:01.000000Z","duration":8,"connections":2,"connections_open":2,"tx_bytes":160,"records_lost":7}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTotalsAddUp: what records say of a connection so far counts once, and of one that is over nothing is kept.
func TestTotalsAddUp(t *testing.T) {
	totals := NewTotals(time.Minute, false)
	is := func(kind event.Kind, id uint64, n uint32) event.Event {
		return event.Event{Kind: kind, ID: id, TS: int64(n) * 1e9, Partial: id == 1,
			Tx: event.Side{BytesDelta: 1, Packets: uint64(n), Retransmits: 10 * n, OutOfOrder: 100 * n},
			Rx: event.Side{BytesDelta: 2, Packets: uint64(2 * n), Retransmits: 20 * n, OutOfOrder: 200 * n}}
	}
	out := make(chan *event.Batch, 10)
	if err := totals.Run(t.Context(), frames([]event.Event{is(event.New, 1, 1), is(event.New, 2, 2), is(event.Updated, 1, 3), is(event.Closed, 1, 4), is(event.Closed, 2, 5)}), out); err != nil {
		t.Fatal(err)
	}
	var e event.Event
	for b := range out {
		e = b.Events[len(b.Events)-1]
	}
	tx, rx := event.Side{Bytes: 5, BytesDelta: 5, Packets: 9, Retransmits: 90, OutOfOrder: 2700}, event.Side{Bytes: 10, BytesDelta: 10, Packets: 18, Retransmits: 180}
	if e.Kind != event.Stats || e.Tx != tx || e.Rx != rx || e.Totals.Partial != 1 || len(totals.conns) != 0 {
		t.Errorf("got %s %+v %+v, %d partial, %d are kept, want %+v %+v, 1 and none", e.Kind, e.Tx, e.Rx, e.Totals.Partial, len(totals.conns), tx, rx)
	}
}

// Live, the time goes on without events, also before the first.
func TestTotalsWhenIdle(t *testing.T) {
	t.Run("after an event", func(t *testing.T) { testTotalsWhenIdle(t, event.Event{Kind: event.New, ID: 1, TS: 1e9}) })
	t.Run("from the beginning", func(t *testing.T) { testTotalsWhenIdle(t) })
}

func testTotalsWhenIdle(t *testing.T, first ...event.Event) {
	totals := NewTotals(time.Second, true)
	in := make(chan *event.Batch, 2)
	b := event.NewBatch(nil)
	b.Events, b.Now = append(b.Events, first...), 1e9
	idle := event.NewBatch(nil)
	idle.Now = 25e8
	in <- b
	in <- idle
	close(in)
	out := make(chan *event.Batch, 10)
	if err := totals.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	n := 0
	for b := range out {
		for _, e := range b.Events {
			if e.Kind == event.Stats {
				n++
			}
		}
	}
	if n != 1 {
		t.Errorf("got %d records of totals, want 1", n)
	}
}

// TestDistribution: each connection counts once, with what its last record says, whatever came before.
func TestDistribution(t *testing.T) {
	events := []event.Event{conn(1, "", 100, 0), conn(2, "curl", 50, 50), conn(1, "ssh", 150, 0), conn(1, "ssh", 200, 0), conn(3, "curl", 10, 0)}
	events[0].Kind, events[1].Kind, events[2].Kind, events[3].Kind, events[4].Kind = event.New, event.New, event.Updated, event.Closed, event.New
	events[3].Reason = event.Rst
	var w bytes.Buffer
	d, err := NewStats(Config{Rows: Rows{GroupBy: []string{"process", "proto,remote_port"}}}, false, false, output.Config{Format: output.CSV, NoHeader: true,
		Fields: []string{"event", "group_by", "process", "remote_port", "connections", "connections_open", "connections_failed", "tx_bytes", "tx_rate"}}, schema, &w)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), frames(events)); err != nil {
		t.Fatal(err)
	}
	want := `group,process,curl,,2,2,0,60,15
group,process,ssh,,1,0,1,200,50
group,"proto,remote_port",,1,1,0,1,200,50
group,"proto,remote_port",,2,1,1,0,50,12.5
group,"proto,remote_port",,3,1,1,0,10,2.5
`
	if got := strings.ReplaceAll(w.String(), "\r", ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What is kept of a connection that may go on is what it will add, and neither its record nor the text that this was read from.
func TestStatsKeepLittle(t *testing.T) {
	const conns, line = 1 << 14, 1 << 10
	d, err := NewStats(Config{}, false, false, output.Config{Format: output.JSON}, stored, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for id := range uint64(conns) {
		text := strings.Repeat("x", line) + "host" + strconv.FormatUint(id, 10)
		r := event.NewStored(stored)
		r.SetUint(stored.Lookup("id"), id)
		r.SetUint(stored.Lookup("tx_bytes"), id)
		r.SetStr(stored.Lookup("host"), text[line:])
		d.take(&event.Event{Kind: event.New, Stored: r})
	}
	if got := (heap() - before) / conns; got > line {
		t.Errorf("%d bytes are kept of each connection, and of a group of its own", got)
	}
	runtime.KeepAlive(d)
}

// A connection counts once, though many are open at once. (They are bounded by what --max-connections is by default.)
func TestManyConnectionsCountOnce(t *testing.T) {
	const conns = 300_000
	stats, err := NewStats(Config{Rows: Rows{GroupBy: []string{"proto"}}}, false, false, output.Config{Format: output.JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	totals := NewTotals(time.Hour, false)
	for _, kind := range []event.Kind{event.New, event.Closed} {
		for id := range uint64(conns) {
			e := event.Event{Kind: kind, ID: id, TS: 1, Reason: event.Exit, Proto: 17, Tx: event.Side{Packets: 1}}
			stats.take(&e)
			totals.count(&e)
		}
	}
	if got := stats.groups[0].all[0].totals.Connections; got != conns || stats.evicted != 0 {
		t.Errorf("got %d connections, %d of them before their end; want %d", got, stats.evicted, conns)
	}
	if got := totals.sum.txPackets; got != conns {
		t.Errorf("got %d packets, want %d", got, conns)
	}
}

// Connections count by their last record, in each frame anew.
func TestDistributionFrames(t *testing.T) {
	d, err := NewStats(Config{Rows: Rows{GroupBy: []string{"process"}, Sort: "process"}}, false, false, output.Config{Format: output.JSON}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	d.groups[0].max = 2
	show := func(last bool, want string) {
		t.Helper()
		got := []string{}
		for _, e := range d.frame(last) {
			n := func(name string) uint64 { v, _ := d.rowFields.Lookup(name).Uint(&e); return v }
			got = append(got, fmt.Sprintf("%s:%d/%d", d.rowFields.Lookup("process").Str(&e), n("connections"), n("tx_bytes")))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	take := func(kind event.Kind, id uint64, process string, tx uint64) {
		e := conn(id, process, tx, 0)
		e.Kind = kind
		d.take(&e)
	}
	take(event.New, 1, "a", 1)
	take(event.New, 2, "b", 2)
	show(false, ":2/3 a:1/1 b:1/2")
	take(event.Updated, 2, "c", 20) // b is no group any more, and takes no row
	show(false, ":2/21 a:1/1 c:1/20")
	take(event.Updated, 1, "c", 10)
	take(event.New, 3, "d", 100)
	show(false, ":3/130 c:2/30 d:1/100")
	take(event.Closed, 1, "c", 11)
	take(event.Closed, 3, "e", 101)
	take(event.New, 4, "f", 1000) // no row is left
	for _, last := range []bool{false, false, true} {
		show(last, ":4/1132 c:2/31 e:1/101 :1/1000")
	}
	if rest := d.groups[0].rest; rest == nil || rest.merged != 1 {
		t.Errorf("the rest is %+v, want one connection", rest)
	}
}

func TestDistributionIsDrawn(t *testing.T) {
	for _, width := range []int{40, 60, 80, 200} {
		for _, locale := range []string{"C.UTF-8", "C"} {
			t.Setenv("LC_ALL", locale)
			var w bytes.Buffer
			d, err := NewStats(Config{Size: func() (int, int) { return width, 24 }}, true, width < 80, output.Config{Format: output.Table}, schema, &w)
			if err != nil {
				t.Fatal(err)
			}
			var events []event.Event
			for id := range uint64(30) {
				e := conn(id+1, fmt.Sprintf("p%d\x1b", id%15), 1000*id, 10)
				e.TS = int64(id) * 1e9
				events = append(events, e)
			}
			if err := d.Run(t.Context(), frames(events)); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(w.String()) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
				if strings.HasSuffix(line, " \n") {
					t.Errorf("spaces at the end of %q", line)
				}
				for _, r := range strings.TrimSuffix(line, "\n") {
					if r < ' ' || locale == "C" && r > '~' {
						t.Errorf("%s: %q", locale, line)
						break
					}
				}
			}
			if text := w.String(); !strings.Contains(text, "PROCESS") || !strings.Contains(text, "5 more (--top)") || !strings.Contains(text, "30 connections") {
				t.Errorf("got\n%s", text)
			}
		}
	}
}

// TestDistributionIsClear: what rows are sorted by stands in them, keys stand below their names and are whole
// where there is room, and a share is one of everything, also of what --top left out.
func TestDistributionIsClear(t *testing.T) {
	for _, tt := range []struct {
		width int
		want  string
	}{
		{100, `4 connections (4 open), 4.0K sent, 0 received in 4.0 s

PROCESS          REMOTE_PORT  CONNS RTT_MS FAILED  RETR  PKTS    TX    RX  RATE
postgresql-日本  1                1  12.25      0     0    10  1.0K     0   250  25% ███▊
3 more (--top)
`},
		{80, `4 connections (4 open), 4.0K sent, 0 received in 4.0 s

PROCESS        REMOTE_PORT  CONNS RTT_MS FAILED    TX    RX  RATE
postgresql-…   1                1  12.25      0  1.0K     0   250  25% ██▎
3 more (--top)
`},
	} {
		t.Setenv("LC_ALL", "C.UTF-8")
		var w bytes.Buffer
		d, err := NewStats(Config{Rows: Rows{GroupBy: []string{"process,remote_port"}, Sort: "rtt_ms", Top: 1}, Size: func() (int, int) { return tt.width, 24 }},
			false, false, output.Config{Format: output.Table}, schema, &w)
		if err != nil {
			t.Fatal(err)
		}
		var events []event.Event
		for id := range uint64(4) {
			e := conn(id+1, "postgresql-日本", 1000, 0)
			e.RTTMicros = uint32(12_250 - id)
			events = append(events, e)
		}
		if err := d.Run(t.Context(), frames(events)); err != nil {
			t.Fatal(err)
		}
		if got := w.String(); got != tt.want {
			t.Errorf("got\n%swant\n%s", got, tt.want)
		}
	}
	var w bytes.Buffer
	d, err := NewStats(Config{Rows: Rows{GroupBy: []string{"start"}}}, false, false, output.Config{Format: output.Table}, schema, &w)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), frames([]event.Event{conn(1, "ssh", 1, 1)})); err != nil {
		t.Fatal(err)
	}
	if d, err = NewStats(Config{Rows: Rows{GroupBy: []string{"process"}, Sort: "start"}}, false, false, output.Config{Format: output.Table}, schema, &w); err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), frames([]event.Event{conn(1, "ssh", 1, 1)})); err != nil {
		t.Fatal(err)
	}
	if day := time.Unix(1, 0).Format("2006-01-02 15:04:05.000"); !strings.Contains(w.String(), "\nssh          1 "+day+" ") {
		t.Errorf("got\n%swant %s in the row of ssh", w.String(), day)
	}
	if day := time.Unix(1, 0).Format("2006-01-02 15:04:05.000"); !strings.Contains(w.String(), "\n"+day+" ") {
		t.Errorf("got\n%swant a row of %s", w.String(), day)
	}
	if got := show(t, Config{Rows: Rows{GroupBy: []string{"process"}, Sort: "rtt_ms"}}, output.Config{Format: output.Table}, []event.Event{conn(1, "ssh", 1, 1)}); !strings.Contains(got, "PROCESS            RTT  CONNS") {
		t.Errorf("got\n%s", got)
	}
}

func TestSeries(t *testing.T) {
	var s series
	for i := range int64(1000) {
		s.add(i*1e9, 1)
	}
	sum := 0.0
	for _, v := range s.bytes {
		sum += v
	}
	if sum != 1000 || s.slot*slots < 1000e9 {
		t.Errorf("got %g in slots of %d", sum, s.slot)
	}
	if got := s.spark(999e9, 10, false); len([]rune(got)) > 10 || !strings.HasPrefix(got, "█") {
		t.Errorf("got %q", got)
	}
	for share, want := range map[float64]string{0: "", 1: "████", 0.5: "██", 0.53125: "██▏"} {
		if got := bar(share, 4, false); got != want {
			t.Errorf("bar of %g: got %q, want %q", share, got, want)
		}
	}
}

// The screen is entered once and left once, and no line is beyond its height.
func TestScreen(t *testing.T) {
	var w bytes.Buffer
	s := &screen{w: &w}
	for range 2 {
		if err := s.draw([]byte("a\nb\nc\nd\n"), 3); err != nil {
			t.Fatal(err)
		}
	}
	s.restore()
	s.restore()
	frame := home + "a" + wipe + "\r\nb" + wipe + "\r\n… 2 more rows" + wipe + below
	if got, want := w.String(), enter+frame+frame+leave+"a\nb\nc\nd\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.draw([]byte("late\n"), 3); strings.Contains(w.String(), "late") {
		t.Error("drawn after the end")
	}
}

// TestFrameOfResized: a frame is as wide as the terminal has become, with one header; a file is as a pipe would get it.
func TestFrameOfResized(t *testing.T) {
	width, height := 120, 24
	size := func() (int, int) { return width, height }
	out := output.Config{Format: output.Table, Width: width, Height: 24, Size: size, Color: "auto"}
	path := filepath.Join(t.TempDir(), "rows")
	for _, tt := range []struct {
		name string
		cfg  Config
		want int // columns of the terminal, 0 = a pipe's
	}{
		{"once", Config{}, 70},
		{"screen", Config{Watch: time.Second}, 70},
		{"file", Config{Rows: Rows{OutputFile: path}}, 0},
		{"file again and again", Config{Rows: Rows{OutputFile: path}, Watch: time.Second}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			width, height = 120, 24
			var w, want bytes.Buffer
			tt.cfg.Size = size
			s, err := New(tt.cfg, out, schema, &w)
			if err != nil {
				t.Fatal(err)
			}
			width, height = 70, 12
			rows := []event.Event{conn(1, "a", 1, 1), conn(2, "b", 1, 1)}
			if err := s.write(rows); err != nil {
				t.Fatal(err)
			}
			got := w.String()
			if tt.cfg.OutputFile != "" {
				text, err := os.ReadFile(path)
				if err != nil || got != "" {
					t.Fatalf("got %v, and %q on stdout", err, got)
				}
				got = string(text)
			} else if s.screen != nil {
				got = string(s.screen.last)
			}
			plain := output.Config{Format: output.Table, Width: tt.want, Color: "auto"}
			stage, err := output.New(plain, schema, &want)
			if err != nil {
				t.Fatal(err)
			}
			if err := stage.Frame(rows); err != nil {
				t.Fatal(err)
			}
			if got != want.String() {
				t.Errorf("got\n%q\nwant\n%q", got, want.String())
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.prom")
	if err := replaceFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	os.SameFile(before, before) // on Windows it asks what file that is, when it is asked first
	if err := replaceFile(path, []byte("two")); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(path)
	if got, _ := os.ReadFile(path); string(got) != "two" || os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("got %q, the same file %v, mode %v", got, os.SameFile(before, after), after.Mode())
	}
	if err := replaceFile(filepath.Join(dir, "absent", "x"), nil); err == nil || !strings.Contains(err.Error(), "--output-file") {
		t.Errorf("got %v", err)
	}
	if err := replaceFile(dir, nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

type stuck struct{}

func (stuck) Write([]byte) (int, error) { select {} }

// A writer that takes nothing does not keep the program from ending.
func TestStuckReader(t *testing.T) {
	s, err := New(Config{}, output.Config{Format: output.JSON}, schema, stuck{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Run(ctx, frames([]event.Event{conn(1, "x", 1, 1)})); err == nil {
		t.Error("got nil")
	}
}

// TestQuery: what comes in many batches is sorted and cut as if it came at once, without being kept; losses stay in front.
func TestQuery(t *testing.T) {
	const n = 20000
	stored := schema.Stored()
	port, ts := stored.Lookup("remote_port"), stored.Lookup("ts")
	var batches [][]event.Event
	for first := 0; first < n; first += 250 {
		var events []event.Event
		for i := first; i < first+250; i++ {
			r := event.NewStored(stored)
			r.SetTime(ts, int64(i+1))
			r.SetUint(port, uint64(i*7919%n))
			events = append(events, event.Event{Kind: event.Closed, Stored: r})
		}
		batches = append(batches, events)
	}
	lost := event.NewStored(stored)
	lost.SetStr(stored.Lookup("event"), "lost")
	batches[40] = append(batches[40], event.Event{Kind: event.Lost, Stored: lost})
	for _, tt := range []struct {
		name string
		rows Rows
		max  int
		want string
	}{
		{"largest", Rows{Sort: "remote_port", Top: 3}, 100, "lost,\r\n,19999\r\n,19998\r\n,19997\r\n"},
		{"smallest", Rows{Sort: "-remote_port", Top: 2}, 100, "lost,\r\n,0\r\n,1\r\n"},
		{"first", Rows{Top: 2}, 100, "lost,\r\n,0\r\n,7919\r\n"},
		{"too many", Rows{Sort: "remote_port"}, n - 1, "more than 19999 records to bring into order: ask for fewer with --top, --count, --since or --filter"},
		{"groups", Rows{GroupBy: []string{"remote_port"}, Sort: "remote_port", Top: 1}, 1, "lost,\r\ngroup,19999\r\n"},
	} {
		var w bytes.Buffer
		q, err := NewQuery(Config{Rows: tt.rows}, output.Config{Format: output.CSV, Fields: []string{"event", "remote_port"}, NoHeader: true}, stored, &w)
		if err != nil {
			t.Fatal(err)
		}
		q.max = tt.max
		got := ""
		if err := q.Run(t.Context(), frames(batches...)); err != nil {
			got = err.Error()
		} else {
			got = w.String()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if limit := 2*tt.rows.Top + 1025; tt.rows.Top > 0 && len(q.rows) > limit {
			t.Errorf("%s: %d rows are kept, want at most %d", tt.name, len(q.rows), limit)
		}
	}
}

// TestNewSince: of groups those are shown that nothing is known of from before, in whatever order that comes.
func TestNewSince(t *testing.T) {
	stored := schema.Stored()
	one := func(process string, port uint64, start, ts int64) event.Event {
		r := event.NewStored(stored)
		r.SetStr(stored.Lookup("process"), process)
		r.SetUint(stored.Lookup("remote_port"), port)
		r.SetUint(stored.Lookup("tx_bytes"), 100)
		r.SetTime(stored.Lookup("start"), start*1e9)
		r.SetTime(stored.Lookup("ts"), ts*1e9)
		return event.Event{Kind: event.Closed, Stored: r}
	}
	lost := event.NewStored(stored)
	lost.SetStr(stored.Lookup("event"), "lost")
	records := []event.Event{
		one("curl", 443, 10, 11), one("curl", 443, 110, 111), // known
		one("curl", 8443, 120, 121), one("curl", 8443, 130, 140), // new
		one("sshd", 22, 150, 151), one("sshd", 22, 50, 160), // began before, and came later
		one("nc", 4444, 99, 101), one("ssh", 22, 100, 101), // at the moment itself is new
		one("dig", 53, 0, 20), one("", 9, 105, 106),
		{Kind: event.Lost, Stored: lost},
	}
	for _, tt := range []struct{ by, want, said string }{
		{"process,remote_port", "lost,,,,,\r\ngroup,curl,8443,2,200,3.3\r\ngroup,ssh,22,1,100,1.7\r\ngroup,,9,1,100,1.7\r\n", ", compared with 4 connections from before"},
		{"process", "lost,,,,,\r\ngroup,ssh,,1,100,1.7\r\ngroup,,,1,100,1.7\r\n", ""},
	} {
		var w bytes.Buffer
		q, err := NewQuery(Config{Rows: Rows{GroupBy: []string{tt.by}}, NewSince: time.Unix(100, 0)},
			output.Config{Format: output.CSV, Fields: []string{"event", "process", "remote_port", "connections", "tx_bytes", "tx_rate"}, NoHeader: true}, stored, &w)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(t.Context(), frames(records)); err != nil || w.String() != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.by, w.String(), err, tt.want)
		}
		if got := q.Report(); tt.said != "" && got != tt.said {
			t.Errorf("%s: got %q, want %q", tt.by, got, tt.said)
		}
	}
	if _, err := NewQuery(Config{NewSince: time.Unix(100, 0)}, output.Config{Format: output.CSV}, stored, io.Discard); err == nil || !strings.Contains(err.Error(), "--group-by") {
		t.Errorf("without groups: %v", err)
	}
	q, err := NewQuery(Config{Rows: Rows{GroupBy: []string{"id"}}, NewSince: time.Unix(100, 0)}, output.Config{Format: output.CSV}, stored, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(beforeMax) {
		q.before[i] = struct{}{}
	}
	if err := q.take(&records[0]); err == nil || !strings.Contains(err.Error(), "--since") {
		t.Errorf("more than can be known: %v", err)
	}
}

// TestLiveRates: live, rates are over the time that was looked: not over what it took to begin, and not only while something happened.
func TestLiveRates(t *testing.T) {
	const at = 1_790_000_000_000_000_000
	for _, c := range []struct {
		name string
		nows []int64 // of batches, the connection in the first
		live bool
		want string
	}{
		{"live", []int64{at, at + 1e9, at + 4e9}, true, `{"event":"stats","duration":4,"tx_rate":100}`},
		{"live, batches behind their records", []int64{at - 1e9, at - 1e9}, true, `{"event":"stats","duration":2,"tx_rate":200}`},
		{"a file", []int64{at, at + 1e9, at + 4e9}, false, `{"event":"stats","duration":1,"tx_rate":400}`},
	} {
		var w bytes.Buffer
		d, err := NewStats(Config{}, false, c.live, output.Config{Format: output.JSON, Fields: []string{"event", "duration", "tx_rate"}}, schema, &w)
		if err != nil {
			t.Fatal(err)
		}
		e := conn(1, "nc", 400, 0)
		e.Kind, e.TS, e.Start = event.Closed, at+1e9, at
		in := make(chan *event.Batch, len(c.nows))
		for i, now := range c.nows {
			b := &event.Batch{Now: now}
			if i == 0 {
				b.Events = []event.Event{e}
			}
			in <- b
		}
		close(in)
		if err := d.Run(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if line, _, _ := strings.Cut(w.String(), "\n"); line != c.want {
			t.Errorf("%s: got %s, want %s", c.name, line, c.want)
		}
	}
}
