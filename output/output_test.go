package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rustnet/track/event"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Some parsers' fields, so that every type is there.
var (
	sni     = event.AppString("sni", "Server name.")
	alpn    = event.AppList("alpn", "Protocols.")
	status  = event.AppUint("http_status", "", "Status.")
	ech     = event.AppBool("ech", "Encrypted hello.")
	path    = event.AppString("http_path", "Path.")
	version = event.AppString("tls_version", "Version.")
	cipher  = event.AppString("tls_cipher", "Cipher.")
	ja4     = event.AppString("ja4", "JA4.")
	query   = event.AppString("dns_query", "Query.")
	schema  = event.NewSchema([]*event.AppField{sni, alpn, status, ech, path, version, cipher, ja4, query})
)

const start = int64(1767225600_123_456_789) // 2026-01-01T00:00:00.123456789Z

// full is an event with every group of fields filled.
func full() event.Event {
	app := &event.App{Name: "tls", Host: "objects.githubusercontent.com", HostSource: event.HostBySNI}
	app.SetStr(sni, "objects.githubusercontent.com")
	app.SetList(alpn, []string{"h2", "http/1.1"})
	app.SetUint(status, 200)
	app.SetBool(ech, true)
	app.SetStr(path, "/a?b=\"c\"")
	app.SetStr(version, "1.3")
	app.SetStr(cipher, "TLS_AES_128_GCM_SHA256")
	app.SetStr(ja4, "t13d1516h2_8daaf6152771_b186095e22b6")
	app.SetStr(query, "objects.githubusercontent.com")
	e := event.Event{Kind: event.Updated, Direction: event.Out, State: event.Established, Partial: true, RemoteServes: true,
		TS: start, ID: 0x0123456789abcdef, Proto: 6, VLAN: 7, NetNS: 4026531840, Iface: "enp3s0",
		Local: netip.MustParseAddrPort("192.168.1.20:51522"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Start: start - 31e6, Last: start, Interval: 1e9,
		Tx:        event.Side{Bytes: 98500, Packets: 500, BytesDelta: 97650, Retransmits: 2},
		Rx:        event.Side{Bytes: 45200123, Packets: 30006, BytesDelta: 45194923, OutOfOrder: 3},
		RTTMicros: 12345, App: app,
		Proc: &event.Proc{PID: 41234, PPID: 400, HasUID: true, UID: 1000, Name: "curl", Exe: "/usr/bin/curl",
			Cmdline: "curl -sS https://objects.githubusercontent.com/", User: "alice", Parent: "bash", Source: "ebpf"}}
	copy(e.History[:], "ShADad")
	return e
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// scene is what the goldens show: ordinary traffic, long names, IPv6, hostile text, losses.
func scene() []event.Event {
	proc := func(pid uint32, name string) *event.Proc { return &event.Proc{PID: pid, Name: name} }
	side := func(b, p uint64) event.Side { return event.Side{Bytes: b, Packets: p, BytesDelta: b / 2} }
	tls, dns := full().App, &event.App{Name: "dns"}
	quic := &event.App{Name: "quic", Host: "www.youtube-nocookie.example.com", HostSource: event.HostBySNI}
	resolved, chromium := proc(812, "systemd-resolved"), proc(3141592, "chromium-browser-stable-beta")
	evil := proc(666, "\x1b]0;pwn\a\u202eevil")
	events := []event.Event{
		{Kind: event.New, Proto: 17, Direction: event.Out, State: event.Active, RemoteServes: true, Local: ap("192.168.1.20:40123"), Remote: ap("192.168.1.1:53"), App: dns, Proc: resolved, Tx: side(71, 1)},
		{Kind: event.Closed, Proto: 17, Direction: event.Out, State: event.Active, Reason: event.Fin, RemoteServes: true, Local: ap("192.168.1.20:40123"), Remote: ap("192.168.1.1:53"), App: dns, Proc: resolved, Tx: side(71, 1), Rx: side(187, 1), Last: 23e6},
		{Kind: event.New, Proto: 6, Direction: event.Out, State: event.Established, RemoteServes: true, Local: ap("192.168.1.20:51522"), Remote: ap("185.199.108.133:443"), App: tls, Proc: proc(41234, "curl"), Tx: side(850, 5), Rx: side(5200, 6), Last: 31e6},
		{Kind: event.New, Proto: 17, Direction: event.Out, State: event.Active, RemoteServes: true, Local: ap("[2001:db8:1234:5678:9abc:def0:1234:5678]:60001"), Remote: ap("[2a00:1450:4001:831::200e]:443"), App: quic, Proc: chromium, Tx: side(1250, 1)},
		{Kind: event.Updated, Proto: 6, Direction: event.Out, State: event.Established, RemoteServes: true, Local: ap("192.168.1.20:51522"), Remote: ap("185.199.108.133:443"), App: tls, Proc: proc(41234, "curl"), Tx: side(98_500, 500), Rx: side(45_200_123, 30006), Last: 1031e6},
		{Kind: event.New, Proto: 6, Direction: event.In, State: event.SynRecv, Local: ap("192.168.1.20:22"), Remote: ap("203.0.113.77:39999"), Proc: proc(901, "sshd"), App: &event.App{Name: "ssh"}},
		{Kind: event.New, Proto: 6, Direction: event.Local, State: event.Established, RemoteServes: true, Local: ap("127.0.0.1:45000"), Remote: ap("127.0.0.1:5432"), Proc: proc(777, "微信网络助手程序"), Peer: proc(1001, "postgres"), Tx: side(9999, 5), Rx: side(10_400, 6), Last: 65e9},
		{Kind: event.New, Proto: 6, Direction: event.Out, State: event.SynSent, RemoteServes: true, Local: ap("192.168.1.20:51777"), Remote: ap("198.51.100.9:8080"), Proc: evil, Tx: side(60, 1)},
		{Kind: event.Closed, Proto: 6, Direction: event.Out, State: event.StateClosed, Reason: event.Refused, RemoteServes: true, Local: ap("192.168.1.20:51777"), Remote: ap("198.51.100.9:8080"), Proc: evil, Tx: side(60, 1), Rx: side(40, 1), Last: 2e6},
		{Kind: event.New, Proto: 58, Direction: event.Out, State: event.Active, Local: ap("[fe80::1]:0"), Remote: ap("[ff02::1:ff00:1]:0"), HasICMP: true, ICMPType: 135},
		{Kind: event.New, Proto: 256, State: event.Active, Local: ap("192.168.1.20:0"), Remote: ap("192.168.1.1:0")},
		{Kind: event.New, Proto: 257, State: event.Active, LocalMAC: 0x001122aabbcc, RemoteMAC: 0x0180c200000e},
		{Kind: event.Lost, LostWhere: event.InKernel, LostCount: 1832},
		{Kind: event.Closed, Proto: 6, Direction: event.Out, State: event.StateClosed, Reason: event.Rst, RemoteServes: true, Local: ap("192.168.1.20:51523"), Remote: ap("93.184.216.34:80"), App: &event.App{Name: "http", Host: "example.com", HostSource: event.HostByHTTP}, Proc: proc(77, "wget"), Tx: side(1300, 12), Rx: side(1_999_999_999, 1200000), Last: 7322e9},
		{Kind: event.Closed, Proto: 6, Direction: event.Forward, State: event.StateClosed, Reason: event.Timeout, Local: ap("192.168.1.20:22"), Remote: ap("203.0.113.77:39999"), App: &event.App{Name: "ssh"}, Tx: side(4100, 1), Rx: side(3900, 2), Last: 400000e9},
	}
	for i := range events {
		e := &events[i]
		e.TS = start + int64(i)*137e6
		if e.Kind != event.Lost {
			e.Start, e.Last, e.ID, e.Interval = e.TS-e.Last, e.TS, uint64(i), 1e9
		}
	}
	return events
}

// batches makes a closed channel of one batch, as main's last channel would be.
func batches(events ...event.Event) <-chan *event.Batch {
	in := make(chan *event.Batch, 1)
	b := event.NewBatch(nil)
	b.Events = append(b.Events, events...)
	in <- b
	close(in)
	return in
}

// write gives what a configuration makes of events.
func write(t testing.TB, cfg Config, events ...event.Event) (string, Stats) {
	t.Helper()
	var b bytes.Buffer
	s, err := New(cfg, schema, &b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), batches(events...)); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	balanced(t, st)
	return b.String(), st
}

func balanced(t testing.TB, s Stats) {
	t.Helper()
	var made, written uint64
	for k := range s.Made {
		made += s.Made[k]
		written += s.Written[k]
	}
	if made != written+s.Unselected+s.Merged+s.Lost+s.AfterStop {
		t.Errorf("counts do not add up: %+v", s)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (after a wanted change: go test ./output -update); got\n%s\nwant\n%s", name, got, want)
	}
}

func TestGolden(t *testing.T) {
	time.Local = time.UTC
	for name, cfg := range map[string]Config{
		"events.ndjson": {Format: JSON},
		"events.csv": {Format: CSV, Fields: []string{"v,event,ts,seq,id,proto,local_addr,local_port,remote_addr,remote_port,state,reason,partial",
			"duration,tx_bytes,tx_rate,host,alpn,http_path,process,lost_where,lost_count"}},
		"table_80.txt":        {Width: 80},
		"table_120.txt":       {Width: 120},
		"table_pipe.txt":      {},
		"table_200.txt":       {Width: 200},
		"table_color.txt":     {Width: 100, Color: "always"},
		"table_add.txt":       {Width: 120, Fields: []string{"+user,-app"}},
		"table_fields_80.txt": {Width: 80, Fields: []string{"ts,event,process", "remote_addr,rx_bytes,tx_rate,start"}},
		"table_lost.txt":      {Width: 80, Fields: []string{"event,lost_where,lost_count"}},
		"table_unix.txt":      {Width: 100, TimeFormat: "unix", NoHeader: true},
		"fields.ndjson":       {Format: JSON, Fields: []string{"seq,event,host"}, TimeFormat: "unix"},
		"short.csv":           {Format: CSV, Fields: []string{"host"}, NoHeader: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := write(t, cfg, append(scene(), full())...)
			golden(t, name, got)
		})
	}
}

// TestResized: the table follows its terminal, and begins anew with its header.
func TestResized(t *testing.T) {
	var events []event.Event
	for _, e := range scene() {
		if e.Kind == event.New {
			events = append(events, e)
		}
	}
	var b bytes.Buffer
	width := 80
	s, err := New(Config{Width: width, Height: 24, Size: func() (int, int) { return width, 24 }}, schema, &b)
	if err != nil {
		t.Fatal(err)
	}
	alone := func(width int, events ...event.Event) string {
		text, _ := write(t, Config{Width: width, Height: 24}, events...)
		return text
	}
	want := ""
	for _, step := range []struct{ now, laid int }{{80, 80}, {200, 200}, {0, 200}, {120, 120}} { // 0: it is none any more
		width = step.now
		if err := s.Frame(slices.Clone(events)); err != nil {
			t.Fatal(err)
		}
		text := alone(step.laid, events...)
		if step.now == 0 { // goes on as it was
			_, text, _ = strings.Cut(text, "\n")
		}
		want += text
		if got := b.String(); got != want {
			t.Fatalf("at %d: got\n%s\nwant\n%s", step.now, got, want)
		}
	}
}

// TestSocketTable: what the kernel counted stands where else bytes of packets do, and makes way for the state.
func TestSocketTable(t *testing.T) {
	e := event.Event{Kind: event.Open, Proto: 6, State: event.Established, Direction: event.Out, Local: ap("192.0.2.1:40000"), Remote: ap("198.51.100.7:443"),
		Without: event.NoBytes, TxPayload: 1234, RxPayload: 56789, HasPayload: true, Sockets: &[2]event.SocketRef{}, Proc: &event.Proc{Name: "curl", PID: 7}}
	for width, want := range map[int]string{
		100: "PROTO PROCESS REMOTE ABOUT STATE TX RX tcp curl[7] -> 198.51.100.7:443 ESTABLISHED 1.2K 56K",
		80:  "PROTO PROCESS REMOTE ABOUT STATE tcp curl[7] -> 198.51.100.7:443 ESTABLISHED",
	} {
		got, _ := write(t, Config{Format: Table, Width: width, Sockets: true, Fields: []string{"-ts", "-event", "-app", "-duration", "-tx_bytes", "-rx_bytes"}}, e)
		if strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%d: got\n%swant %s", width, got, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Format: "xml"}, `--output: unknown format "xml"`},
		{Config{Fields: []string{"procss"}}, `--fields: unknown field "procss" (did you mean "process"?)`},
		{Config{Fields: []string{"src_ip"}}, `--fields: unknown field "src_ip" (did you mean "local_addr"?) (rustnet fields lists them)`},
		{Config{Fields: []string{"*"}}, `--fields: unknown field "*" (without --fields JSON and CSV have all)`},
		{Config{Fields: []string{"+procss"}}, `--fields: unknown field "procss" (did you mean "process"?)`},
		{Config{Fields: []string{"host,host"}}, `--fields: host is named twice`},
		{Config{Fields: []string{"host,+pid"}}, `--fields: either a list`},
		{Config{Events: []string{"opend"}}, `--events: unknown event "opend"`},
		{Config{Events: []string{"close"}}, `--events: unknown event "close" (did you mean "closed"?)`},
		{Config{TimeFormat: "iso"}, `--time-format: unknown format "iso"`},
	} {
		if _, err := New(c.cfg, schema, io.Discard); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.cfg, err, c.want)
		}
	}
}

func TestEventsAndCount(t *testing.T) {
	lost := event.Event{Kind: event.Lost, LostWhere: event.InKernel, LostCount: 5}
	events := []event.Event{lost, {Kind: event.New}, {Kind: event.Updated}, {Kind: event.Opened}, {Kind: event.Closed}, {Kind: event.New}, lost, {Kind: event.Closed}}
	for _, spool := range []bool{false, true} {
		got, st := write(t, Config{Format: JSON, Fields: []string{"seq,event"}, Events: []string{"new,closed"}, Count: 3, Spool: spool}, events...)
		want := `{"seq":1,"event":"lost"}
{"seq":2,"event":"new"}
{"seq":3,"event":"closed"}
{"seq":4,"event":"new"}
`
		if got != want {
			t.Errorf("spool %v: got\n%swant\n%s", spool, got, want)
		}
		if st.Events() != 3 || st.Unselected != 1 || st.AfterStop != 2 {
			t.Errorf("spool %v: stats %+v, want 3 events written, 1 unselected, 2 after the stop", spool, st)
		}
	}
}

func TestStoppedTells(t *testing.T) {
	s, err := New(Config{Format: JSON, Count: 1}, schema, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan *event.Batch)
	done := make(chan error)
	go func() { done <- s.Run(context.Background(), in) }()
	released := make(chan struct{}, 2)
	for range 2 {
		b := event.NewBatch(func(*event.Batch) { released <- struct{}{} })
		b.Events = []event.Event{{Kind: event.New}}
		in <- b
	}
	<-s.Stopped()
	close(in)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-released
	<-released
	if st := s.Stats(); st.Events() != 1 || st.AfterStop != 1 {
		t.Errorf("stats: %+v", st)
	}
}

// recorder keeps each write.
type recorder struct{ writes []string }

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

// What is there is written when nothing more waits, and together with what waits when something does.
func TestFlushWhenIdle(t *testing.T) {
	one := func() *event.Batch {
		b := event.NewBatch(nil)
		b.Events = []event.Event{{Kind: event.New}}
		return b
	}
	var r recorder
	s, err := New(Config{Format: JSON, Fields: []string{"seq"}}, schema, &r)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan *event.Batch, 3)
	in <- one()
	in <- one()
	in <- one()
	close(in)
	if err := s.Run(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.writes, "|"); got != "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n" {
		t.Errorf("three waiting batches were written as %q, want one write", got)
	}

	pr, pw := io.Pipe()
	if s, err = New(Config{Format: JSON, Fields: []string{"seq"}, Spool: true}, schema, pw); err != nil {
		t.Fatal(err)
	}
	in = make(chan *event.Batch)
	go func() { _ = s.Run(context.Background(), in); pw.Close() }()
	buf := make([]byte, 100)
	for i := range 3 {
		in <- one()
		n, err := pr.Read(buf) // would wait for ever if the line were kept
		if got := string(buf[:n]); err != nil || got != fmt.Sprintf("{\"seq\":%d}\n", i+1) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	close(in)
}

func TestBigBatchesAreCut(t *testing.T) {
	var r recorder
	s, err := New(Config{Format: JSON}, schema, &r)
	if err != nil {
		t.Fatal(err)
	}
	events := make([]event.Event, 1000)
	for i := range events {
		events[i] = full()
	}
	if err := s.Run(context.Background(), batches(events...)); err != nil {
		t.Fatal(err)
	}
	for _, w := range r.writes {
		if len(w) > flushAt+4096 || !strings.HasSuffix(w, "}\n") {
			t.Errorf("a write of %d bytes, ending in %q", len(w), w[len(w)-2:])
		}
	}
}

func TestWriteErrors(t *testing.T) {
	fullDisk, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full on this system:", err)
	}
	defer fullDisk.Close()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pw.Close()
	pr.Close()
	for _, c := range []struct {
		name string
		w    io.Writer
		want string
	}{
		{"full disk", fullDisk, "write stdout: no space left on device"},
		{"reader gone", pw, ErrReaderGone.Error()},
		{"short write", &shortWriter{}, "write stdout: short write"},
	} {
		for _, spool := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " spool ", spool), func(t *testing.T) {
				s, err := New(Config{Format: JSON, Spool: spool}, schema, c.w)
				if err != nil {
					t.Fatal(err)
				}
				in := make(chan *event.Batch)
				done := make(chan error, 1)
				go func() { done <- s.Run(context.Background(), in) }()
				released := 0
				back := make(chan struct{}, 100)
				for range 100 { // none of these sends may hang
					b := event.NewBatch(func(*event.Batch) { back <- struct{}{} })
					b.Events = []event.Event{{Kind: event.New}, {Kind: event.Closed}}
					in <- b
				}
				close(in)
				if err := <-done; err == nil || err.Error() != c.want {
					t.Errorf("got %v, want %s", err, c.want)
				}
				<-s.Stopped()
				for range 100 {
					<-back
					released++
				}
				st := s.Stats()
				balanced(t, st)
				want := uint64(0)
				if w, short := c.w.(*shortWriter); short {
					want = uint64(w.lines)
					w.lines = 0
				}
				if st.Events() != want {
					t.Errorf("%d events count as written, want %d", st.Events(), want)
				}
			})
		}
	}
}

// shortWriter takes the first line, and half of what is left.
type shortWriter struct{ lines int }

func (w *shortWriter) Write(p []byte) (int, error) {
	first := bytes.IndexByte(p, '\n') + 1
	n := first + (len(p)-first)/2
	w.lines += bytes.Count(p[:n], []byte("\n"))
	return n, nil
}

// A reader that never reads: everything is accepted all the same, and the hard stop ends it.
func TestStuckReader(t *testing.T) {
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	for _, spool := range []bool{true, false} {
		s, err := New(Config{Format: JSON, Spool: spool, SpoolSize: 1000}, schema, pw)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		in := make(chan *event.Batch)
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, in) }()
		if spool {
			for i := range 10000 {
				b := event.NewBatch(nil)
				e := full()
				e.Kind, e.ID = event.New, uint64(i)
				b.Events = append(b.Events, e)
				in <- b // hangs here if the reader held it up
			}
			close(in)
		} else {
			b := event.NewBatch(nil)
			for range 1000 {
				b.Events = append(b.Events, full())
			}
			in <- b
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("spool %v: got %v, want context canceled", spool, err)
		}
	}
	pw.Close()
}

// A reader that was slow for a while gets every connection's new and closed, in order, and deltas that add up.
func TestSlowReaderLosesNothing(t *testing.T) {
	pr, pw := io.Pipe()
	s, err := New(Config{Format: JSON, Fields: []string{"id,event,tx_bytes,tx_bytes_delta"}, Spool: true, SpoolSize: 5000}, schema, pw)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan *event.Batch)
	done := make(chan error, 1)
	go func() {
		done <- s.Run(context.Background(), in)
		pw.Close()
	}()
	const conns, updates = 1000, 50
	send := func(kind event.Kind, n uint64) {
		b := event.NewBatch(nil)
		for id := range uint64(conns) {
			b.Events = append(b.Events, event.Event{Kind: kind, ID: id, Tx: event.Side{Bytes: (n + 1) * 10, BytesDelta: 10}})
		}
		in <- b
	}
	send(event.New, 0)
	for i := range uint64(updates) {
		send(event.Updated, i+1)
	}
	send(event.Closed, updates+1)
	close(in)
	type line struct {
		ID    string
		Event string
		TX    int `json:"tx_bytes"`
		Delta int `json:"tx_bytes_delta"`
	}
	kinds, last, sum := map[string]string{}, map[string]int{}, map[string]int{}
	for dec := json.NewDecoder(pr); ; {
		var l line
		if err := dec.Decode(&l); err != nil {
			break
		}
		if l.TX < last[l.ID] {
			t.Fatalf("%s: bytes went from %d to %d", l.ID, last[l.ID], l.TX)
		}
		last[l.ID] = l.TX
		sum[l.ID] += l.Delta
		kinds[l.ID] += l.Event[:1]
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	order := regexp.MustCompile(`^nu*c$`)
	for id, k := range kinds {
		if !order.MatchString(k) || sum[id] != (updates+2)*10 || last[id] != sum[id] {
			t.Fatalf("%s: events %s, %d bytes, deltas of %d; want new, updated, closed and %d", id, k, last[id], sum[id], (updates+2)*10)
		}
	}
	st := s.Stats()
	balanced(t, st)
	if len(kinds) != conns || st.Merged == 0 || st.Lost != 0 {
		t.Errorf("%d connections, %+v; want %d, some merged, none lost", len(kinds), st, conns)
	}
}

func randomText(r *rand.Rand) string {
	var b []byte
	for range r.IntN(12) {
		switch r.IntN(6) {
		case 0:
			b = append(b, byte(r.IntN(256)))
		case 1:
			b = append(b, byte(r.IntN(32)))
		case 2:
			b = append(b, string(rune(r.IntN(0x110000)))...)
		case 3:
			b = append(b, "\",\\\n\r "[r.IntN(6)])
		default:
			b = append(b, byte('a'+r.IntN(26)))
		}
	}
	return string(b)
}

// randomEvent fills fields at random, absent ones among them.
func randomEvent(r *rand.Rand) event.Event {
	e := event.Event{Kind: event.New + event.Kind(r.IntN(4)), Direction: event.Direction(r.IntN(5)), State: event.State(r.IntN(12)),
		Reason: event.Reason(r.IntN(8)), TS: r.Int64(), ID: r.Uint64(), Seq: r.Uint64N(3), Proto: uint16(r.IntN(300)), Iface: randomText(r),
		Start: r.Int64() - r.Int64(), Last: r.Int64(), Interval: r.Int64N(1e10), LostWhere: event.Where(r.IntN(12)), LostCount: r.Uint64(),
		RTTMicros: uint32(r.IntN(1e7)), RemoteName: randomText(r), NameSource: event.HostByPTR, Tunnel: event.Tunnel(r.IntN(7)), HasICMP: r.IntN(2) == 0}
	e.Tx = event.Side{Bytes: r.Uint64(), BytesDelta: r.Uint64N(1e9)}
	e.Rx = event.Side{Bytes: r.Uint64N(1e6), BytesDelta: r.Uint64() >> r.IntN(64)}
	var b [16]byte
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	switch r.IntN(3) {
	case 0:
		e.Local = netip.AddrPortFrom(netip.AddrFrom16(b), uint16(r.IntN(65536)))
		e.Remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte{15: 1}), 53)
	case 1:
		e.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), 0)
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), 443)
	}
	if r.IntN(2) == 0 {
		e.Proc = &event.Proc{PID: uint32(r.IntN(3)), Name: randomText(r), Exe: randomText(r), Cmdline: randomText(r)}
	}
	if r.IntN(2) == 0 {
		e.App = &event.App{Name: randomText(r), Host: randomText(r)}
		e.App.SetStr(sni, randomText(r))
		e.App.SetList(alpn, []string{randomText(r), randomText(r)}[:r.IntN(3)])
		e.App.SetBool(ech, r.IntN(2) == 0)
	}
	return e
}

// drawer keeps records, and takes none while it is stuck.
type drawer struct {
	text          strings.Builder
	stuck, closed bool
}

func (d *drawer) SetHeader(h []byte) { d.text.Write(h) }
func (d *drawer) Flush()             {}
func (d *drawer) Close() error       { d.closed = true; return nil }
func (d *drawer) WriteRecord(r []byte, _ int64) bool {
	if !d.stuck {
		d.text.Write(r)
	}
	return !d.stuck
}

// TestKeeping: what a keeper cannot take is told of by a record, and leaves no gap in seq.
func TestKeeping(t *testing.T) {
	for _, stored := range []bool{false, true} {
		s, d := schema, &drawer{}
		if stored {
			s = schema.Stored()
		}
		stage, err := NewKeeping(Config{Format: CSV, Fields: []string{"event,seq,ts,lost_where,lost_count"}, TimeFormat: "unix"}, s, d)
		if err != nil {
			t.Fatal(err)
		}
		in, done := make(chan *event.Batch), make(chan error)
		go func() { done <- stage.Run(context.Background(), in) }()
		send := func(sec int64) {
			e := event.Event{Kind: event.New, TS: sec * 1e9}
			if stored {
				r := event.NewStored(s)
				r.SetStr(s.Lookup("event"), "new")
				r.SetTime(s.Lookup("ts"), sec*1e9)
				e.TS, e.Stored = 0, r
			}
			b := event.NewBatch(nil)
			b.Events = append(b.Events, e)
			in <- b
			in <- event.NewBatch(nil) // the one before has been dealt with
		}
		send(1)
		d.stuck = true
		send(2)
		send(3)
		d.stuck = false
		send(4)
		close(in)
		if err := <-done; err != nil || !d.closed {
			t.Fatal(err, d.closed)
		}
		want := "event,seq,ts,lost_where,lost_count\r\nnew,1,1.000000,,\r\nlost,2,4.000000,file,2\r\nnew,3,4.000000,,\r\n"
		if got := d.text.String(); got != want {
			t.Errorf("stored %v: got\n%s", stored, got)
		}
		st := stage.Stats()
		if balanced(t, st); st.Lost != 2 {
			t.Errorf("%+v", st)
		}
	}
}

// TestBranch: both last stages get all there is, and one that fails leaves the other alone.
func TestBranch(t *testing.T) {
	failed := errors.New("no")
	var got []uint64
	branch := NewBranch(func(_ context.Context, in <-chan *event.Batch) error {
		for b := range in {
			for i := range b.Events {
				b.Events[i].Seq = 7 // its own copy
				got = append(got, b.Events[i].ID)
			}
			b.Release()
			if len(got) == 2 {
				return failed
			}
		}
		return nil
	})
	in, out := make(chan *event.Batch), make(chan *event.Batch, 100)
	done := make(chan error)
	go func() { done <- branch.Run(context.Background(), in, out) }()
	for id := range uint64(50) {
		b := event.NewBatch(nil)
		b.Events = append(b.Events, event.Event{Kind: event.New, ID: id})
		in <- b
	}
	close(in)
	if err := <-done; err != nil || !errors.Is(branch.Err(), failed) {
		t.Errorf("%v, %v", err, branch.Err())
	}
	n := uint64(0)
	for b := range out {
		if b.Events[0].ID != n || b.Events[0].Seq != 0 {
			t.Errorf("%+v is not number %d", b.Events[0], n)
		}
		n++
	}
	if n != 50 || len(got) != 2 {
		t.Errorf("%d went on, %d to the branch", n, len(got))
	}
}

// TestLater: a flag that is not given puts nothing anywhere later, and what is put into the place of a link goes where that leads.
func TestLater(t *testing.T) {
	dir := t.TempDir()
	there, link := filepath.Join(dir, "there"), filepath.Join(dir, "link")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(there, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	real, err := filepath.EvalSymlinks(there) // of a temporary directory that is a link itself
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		w    Written
		want string
	}{
		"not given":        {Written{Replaced: true}, ""},
		"not given, aside": {Written{Aside: true}, ""},
		"only added to":    {Written{Path: link}, ""},
		"put aside":        {Written{Path: link, Aside: true}, link},
		"replaced":         {Written{Path: link, Replaced: true}, real},
		"not there yet":    {Written{Path: filepath.Join(dir, "new"), Replaced: true}, filepath.Join(dir, "new")},
	} {
		if got := tc.w.Later(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// A wrong argument of 20 kB does not hide what is said of it.
func TestForPeopleIsShort(t *testing.T) {
	long := strings.Repeat("é", 10000)
	for _, tt := range []struct{ name, text string }{
		{"a word", "--filter: expression nests too deeply: " + long + " (did you mean \"x\"?)\n  below it"},
		{"words", "--filter: expression nests too deeply: " + strings.Repeat("é ", 10000) + " (did you mean \"x\"?)\n  below it"},
		{"what is escaped", "--filter: expression nests too deeply: " + strings.Repeat("\x1b", 10000) + " (did you mean \"x\"?)\n  below it"},
	} {
		got := ForPeople(tt.text)
		if len(got) > 5000 || !utf8.ValidString(got) || !strings.HasPrefix(got, "--filter: expression nests too deeply: ") || !strings.HasSuffix(got, " (did you mean \"x\"?)\n  below it") || strings.Count(got, "…") != 1 {
			t.Errorf("%s: got %d bytes, %q", tt.name, len(got), got)
		}
	}
	if path := "read " + strings.Repeat("/folder", 50) + ": no such file"; ForPeople(path) != path {
		t.Errorf("got %q", ForPeople(path))
	}
}
