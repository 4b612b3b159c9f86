package track

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture/sockets"
	"rustnet/track/event"
)

// sockOf reads "tcp 10.0.0.1:40000 192.0.2.1:443 1 c7 out3 in2 rtt50": protocol, ends, state,
// cookie, and tcp_info where there is "out".
func sockOf(t testing.TB, text string) sockets.Socket {
	t.Helper()
	f := strings.Fields(text)
	s := sockets.Socket{Proto: map[string]uint8{"tcp": 6, "udp": 17, "sctp": 132}[f[0]], Inode: 1,
		Local: netip.MustParseAddrPort(f[1]), Remote: netip.MustParseAddrPort(f[2])}
	fmt.Sscan(f[3], &s.State)
	for _, w := range f[4:] {
		switch {
		case strings.HasPrefix(w, "c"):
			fmt.Sscanf(w, "c%d", &s.Cookie)
		case strings.HasPrefix(w, "out"):
			s.HasInfo = true
			fmt.Sscanf(w, "out%d", &s.SegsOut)
		case strings.HasPrefix(w, "in"):
			fmt.Sscanf(w, "in%d", &s.SegsIn)
		case strings.HasPrefix(w, "sent"):
			s.HasInfo, s.HasSent = true, true
			fmt.Sscanf(w, "sent%d", &s.BytesSent)
		case strings.HasPrefix(w, "got"):
			fmt.Sscanf(w, "got%d", &s.BytesReceived)
		case strings.HasPrefix(w, "rtt"):
			fmt.Sscanf(w, "rtt%d", &s.MinRTTMicros)
		case strings.HasPrefix(w, "idle"):
			fmt.Sscanf(w, "idle%d", &s.IdleMillis)
		case strings.HasPrefix(w, "%"):
			s.Iface, s.IfaceName = uint32(w[1]), w[1:]
		case strings.HasPrefix(w, "made"):
			fmt.Sscanf(w, "made%d", &s.Created)
		case w == "noinode":
			s.Inode = 0
		case w == "v6only":
			s.V6Only = true
		default:
			t.Fatalf("word %q of %q", w, text)
		}
	}
	return s
}

// readings makes a table of each text, a second apart; a line "failed N" names a protocol that
// could not be read, "lost N" sockets that were not kept.
func readings(t testing.TB, texts []string) []*sockets.Table {
	var all []*sockets.Table
	for i, text := range texts {
		tb := &sockets.Table{TS: int64(i+1) * 1e9, Ephemeral: [2]uint16{32768, 60999}}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			var n uint8
			if _, err := fmt.Sscanf(line, "failed %d", &n); err == nil {
				tb.Failed, tb.Err = append(tb.Failed, n), errors.New("made up")
			} else if _, err := fmt.Sscanf(line, "lost %d", &tb.Lost); err == nil {
			} else if line != "" {
				tb.Sockets = append(tb.Sockets, sockOf(t, line))
			}
		}
		all = append(all, tb)
	}
	return all
}

func runSockets(t testing.TB, cfg SocketConfig, tables []*sockets.Table) ([]event.Event, *SocketStage) {
	t.Helper()
	s := NewSockets(cfg)
	in, out := make(chan *sockets.Table), make(chan *event.Batch)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), in, out) }()
	go func() {
		for _, tb := range tables {
			in <- tb
		}
		close(in)
	}()
	var all []event.Event
	for b := range out {
		all = append(all, b.Events...)
		b.Release()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return all, s
}

func describeSocketEvent(e *event.Event) string {
	if e.Kind == event.Lost {
		return fmt.Sprintf("%d lost %s %d", e.TS/1e9, e.LostWhere, e.LostCount)
	}
	w := []string{fmt.Sprint(e.TS / 1e9), e.Kind.String(), fmt.Sprint(e.Proto), e.Local.String(), e.Remote.String(), e.Direction.String(), e.State.String(), e.Reason.String()}
	if e.Iface != "" {
		w = append(w, "%"+e.Iface)
	}
	if e.Partial {
		w = append(w, "partial")
	}
	if e.Tx.Packets+e.Rx.Packets > 0 {
		w = append(w, fmt.Sprintf("tx%d rx%d", e.Tx.Packets, e.Rx.Packets))
	}
	if e.HasPayload {
		w = append(w, fmt.Sprintf("sent%d got%d", e.TxPayload, e.RxPayload))
	}
	if e.RTTMicros > 0 {
		w = append(w, fmt.Sprintf("rtt%d", e.RTTMicros))
	}
	return strings.Join(slices.DeleteFunc(w, func(s string) bool { return s == "" }), " ")
}

func TestSockets(t *testing.T) {
	const a, b = "10.0.0.1:40000", "192.0.2.1:443"
	for _, tc := range []struct {
		name  string
		every time.Duration
		max   int
		read  []string
		want  []string
	}{
		{name: "client opens and goes", read: []string{"", "tcp " + a + " " + b + " 2 c1", "tcp " + a + " " + b + " 1 c1 out3 in2", ""},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out SYN_SENT", "4 closed 6 10.0.0.1:40000 192.0.2.1:443 out CLOSED destroyed tx3 rx2"}},
		{name: "there before", read: []string{"tcp " + a + " " + b + " 1 c1 out9 in8 rtt70"},
			want: []string{"1 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED partial tx9 rx8 rtt70", "1 closed 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED exit partial tx9 rx8 rtt70"}},
		{name: "updated only when something changed, and not too often", every: 2 * time.Second, read: []string{
			"", "tcp " + a + " " + b + " 1 c1 out1 in1", "tcp " + a + " " + b + " 1 c1 out2 in2", "tcp " + a + " " + b + " 1 c1 out3 in3",
			"tcp " + a + " " + b + " 1 c1 out3 in3", "tcp " + a + " " + b + " 1 c1 out3 in3", "tcp " + a + " " + b + " 8 c1 out3 in4"},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED tx1 rx1", "4 updated 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED tx3 rx3",
				"7 updated 6 10.0.0.1:40000 192.0.2.1:443 out CLOSE_WAIT tx3 rx4", "7 closed 6 10.0.0.1:40000 192.0.2.1:443 out CLOSE_WAIT exit tx3 rx4"}},
		{name: "payload so far, and none of the whole", every: time.Second, read: []string{
			"tcp " + a + " " + b + " 1 c1 sent7 got9", "tcp " + a + " " + b + " 1 c1 sent70 got90", ""},
			want: []string{"1 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED partial sent7 got9", "2 updated 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED partial sent70 got90",
				"3 closed 6 10.0.0.1:40000 192.0.2.1:443 out CLOSED destroyed partial"}},
		{name: "payload of what is there at the end", read: []string{"tcp " + a + " " + b + " 1 c1 sent7 got9"},
			want: []string{"1 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED partial sent7 got9", "1 closed 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED exit partial sent7 got9"}},
		{name: "orderly end", read: []string{"", "tcp " + a + " " + b + " 1 c1", "tcp " + a + " " + b + " 5 c9 noinode", "tcp " + a + " " + b + " 6 c2 noinode", "tcp " + a + " " + b + " 6 c3 noinode", ""},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "4 closed 6 10.0.0.1:40000 192.0.2.1:443 out TIME_WAIT fin"}},
		{name: "lived between two readings", read: []string{"", "tcp " + a + " " + b + " 6 c1 noinode", "tcp " + a + " " + b + " 6 c1 noinode", ""},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out TIME_WAIT", "2 closed 6 10.0.0.1:40000 192.0.2.1:443 out TIME_WAIT fin"}},
		{name: "over before we began", read: []string{"tcp " + a + " " + b + " 6 c1 noinode", "tcp " + a + " " + b + " 6 c1 noinode", ""}},
		{name: "same ends again", read: []string{"", "tcp " + a + " " + b + " 1 c1", "tcp " + a + " " + b + " 1 c2", ""},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "3 closed 6 10.0.0.1:40000 192.0.2.1:443 out CLOSED destroyed",
				"3 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "4 closed 6 10.0.0.1:40000 192.0.2.1:443 out CLOSED destroyed"}},
		{name: "same ends out of TIME_WAIT", read: []string{"", "tcp " + a + " " + b + " 6 c1 noinode", "tcp " + a + " " + b + " 1 c2"},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out TIME_WAIT", "2 closed 6 10.0.0.1:40000 192.0.2.1:443 out TIME_WAIT fin",
				"3 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "3 closed 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED exit"}},
		{name: "into a listener", read: []string{"", "tcp 0.0.0.0:8080 0.0.0.0:0 10 c1\ntcp 10.0.0.1:8080 192.0.2.1:50000 1 c2"},
			want: []string{"2 new 6 10.0.0.1:8080 192.0.2.1:50000 in ESTABLISHED", "2 closed 6 10.0.0.1:8080 192.0.2.1:50000 in ESTABLISHED exit"}},
		{name: "into a listener that has gone since", read: []string{"tcp [::]:8080 [::]:0 10 c1", "tcp 10.0.0.1:8080 192.0.2.1:50000 1 c2"},
			want: []string{"2 new 6 10.0.0.1:8080 192.0.2.1:50000 in ESTABLISHED", "2 closed 6 10.0.0.1:8080 192.0.2.1:50000 in ESTABLISHED exit"}},
		{name: "a listener for v6 only does not take v4", read: []string{"tcp [::]:8080 [::]:0 10 c1 v6only\ntcp 10.0.0.1:8080 192.0.2.1:50000 1 c2"},
			want: []string{"1 new 6 10.0.0.1:8080 192.0.2.1:50000 ESTABLISHED partial", "1 closed 6 10.0.0.1:8080 192.0.2.1:50000 ESTABLISHED exit partial"}},
		{name: "both ends here, accepted end first", read: []string{"", "tcp 127.0.0.1:80 0.0.0.0:0 10 c1\ntcp 127.0.0.1:80 127.0.0.1:40000 1 c2 out1 in3\ntcp 127.0.0.1:40000 127.0.0.1:80 1 c3 out3 in2",
			"tcp 127.0.0.1:80 127.0.0.1:40000 6 c4 noinode", ""},
			want: []string{"2 new 6 127.0.0.1:40000 127.0.0.1:80 local ESTABLISHED tx3 rx2", "3 closed 6 127.0.0.1:40000 127.0.0.1:80 local CLOSED fin tx3 rx2"}},
		{name: "both ends here on an address of an interface", read: []string{"", "tcp 10.0.0.1:443 10.0.0.9:50000 1 c2\ntcp 10.0.0.9:50000 10.0.0.1:443 2 c3"},
			want: []string{"2 new 6 10.0.0.9:50000 10.0.0.1:443 local SYN_SENT", "2 closed 6 10.0.0.9:50000 10.0.0.1:443 local SYN_SENT exit"}},
		{name: "udp: connected sockets only", read: []string{"", "udp 0.0.0.0:53 0.0.0.0:0 7 c1\nudp 10.0.0.1:40000 192.0.2.1:53 1 c2\nudp [::1]:41000 [::1]:53 1 c3", ""},
			want: []string{"2 new 17 10.0.0.1:40000 192.0.2.1:53 out ACTIVE", "2 new 17 [::1]:41000 [::1]:53 local ACTIVE",
				"3 closed 17 10.0.0.1:40000 192.0.2.1:53 out CLOSED destroyed", "3 closed 17 [::1]:41000 [::1]:53 local CLOSED destroyed"}},
		{name: "a failed reading closes nothing", read: []string{"", "tcp " + a + " " + b + " 1 c1\nudp 10.0.0.1:40000 192.0.2.1:53 1 c2", "failed 6", "tcp " + a + " " + b + " 1 c1"},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "2 new 17 10.0.0.1:40000 192.0.2.1:53 out ACTIVE",
				"3 closed 17 10.0.0.1:40000 192.0.2.1:53 out CLOSED destroyed", "4 closed 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED exit"}},
		{name: "link-local ends, on the interface that they are of", read: []string{"", "tcp [fe80::1]:40000 [fe80::2]:443 1 c1 %e0", ""},
			want: []string{"2 new 6 [fe80::1]:40000 [fe80::2]:443 out ESTABLISHED %e0", "3 closed 6 [fe80::1]:40000 [fe80::2]:443 out CLOSED destroyed %e0"}},
		{name: "full", max: 1, read: []string{"", "tcp " + a + " " + b + " 1 c1\nudp 10.0.0.1:40000 192.0.2.1:53 1 c2", "tcp " + a + " " + b + " 1 c1\nudp 10.0.0.1:40000 192.0.2.1:53 1 c2\nlost 4"},
			want: []string{"2 new 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED", "2 lost table 1", "3 lost table 4", "3 closed 6 10.0.0.1:40000 192.0.2.1:443 out ESTABLISHED exit"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			es, s := runSockets(t, SocketConfig{Interval: tc.every, MaxConnections: tc.max}, readings(t, tc.read))
			var got []string
			for i := range es {
				got = append(got, describeSocketEvent(&es[i]))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
			st := s.Stats()
			if st.Opened != st.Closed || st.Events != uint64(len(es)) {
				t.Errorf("stats %+v do not add up with %d events", st, len(es))
			}
		})
	}
}

func TestSocketTimes(t *testing.T) {
	es, _ := runSockets(t, SocketConfig{}, readings(t, []string{"",
		"tcp 10.0.0.1:40000 192.0.2.1:443 1 c1 out1 in1 idle100",
		"tcp 10.0.0.1:40000 192.0.2.1:443 1 c1 out2 in2 idle300", ""}))
	if len(es) != 2 || es[0].ID == 0 || es[0].ID != es[1].ID {
		t.Fatalf("got %+v, want two events of one connection", es)
	}
	// It can not have ended before it was seen first; its last segment was 300 ms before the third reading.
	if es[0].Start != 2e9 || es[0].Last != 2e9 || es[1].Last != 2.7e9 || es[1].TS != 4e9 {
		t.Errorf("got start %d, last %d and %d, closed %d", es[0].Start, es[0].Last, es[1].Last, es[1].TS)
	}
}

// TestSocketBatches: more events than a batch holds, and a reader that has left.
// TestSocketBeginnings holds that a connection began when the tables say so, and else when it was seen first.
func TestSocketBeginnings(t *testing.T) {
	es, _ := runSockets(t, SocketConfig{}, readings(t, []string{`
		tcp 10.0.0.1:40000 192.0.2.1:443 1 c7 made900000000
		tcp 10.0.0.1:40001 192.0.2.1:443 1 c8`}))
	for i, want := range []int64{9e8, 1e9, 9e8, 1e9} { // both open, then both end
		if len(es) != 4 || es[i].Start != want {
			t.Fatalf("event %d of %d: began at %d, want %d", i, len(es), es[i].Start, want)
		}
	}
}

func TestSocketBatches(t *testing.T) {
	tb := &sockets.Table{TS: 2e9}
	for i := range 3*event.Room + 1 {
		s := sockOf(t, "tcp 10.0.0.1:40000 192.0.2.1:443 1")
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), uint16(1+i))
		tb.Sockets = append(tb.Sockets, s)
	}
	es, _ := runSockets(t, SocketConfig{}, []*sockets.Table{{TS: 1e9}, tb, {TS: 3e9}})
	if len(es) != 2*len(tb.Sockets) {
		t.Errorf("got %d events, want %d", len(es), 2*len(tb.Sockets))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := make(chan *sockets.Table, 1)
	in <- tb
	if err := NewSockets(SocketConfig{}).Run(ctx, in, make(chan *event.Batch)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func BenchmarkSockets10k(b *testing.B) {
	tb := &sockets.Table{TS: 1e9}
	for i := range 10000 {
		s := sockOf(b, "tcp 10.0.0.1:40000 192.0.2.1:443 1 out1")
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), uint16(1+i))
		tb.Sockets = append(tb.Sockets, s)
	}
	s := NewSockets(SocketConfig{Interval: time.Second})
	s.send = func(b *event.Batch) error { b.Release(); return nil }
	s.out = s.pool.Get()
	b.ReportAllocs()
	for b.Loop() {
		tb.TS += 5e8
		if err := s.table(tb); err != nil {
			b.Fatal(err)
		}
	}
}

// What a snapshot can have, each of its records may have, and nothing that only packets tell.
func TestSocketsTell(t *testing.T) {
	schema := event.NewSchema(nil)
	for _, name := range []string{"proto", "local_addr", "remote_port", "direction", "iface", "netns", "state", "partial", "tx_packets", "rx_packets", "rtt_ms", "tx_retransmits", "community_id", "service"} {
		if !SocketsTell(schema.Lookup(name)) {
			t.Errorf("%s: the tables tell it", name)
		}
	}
	for _, name := range []string{"app", "host", "history", "start", "duration", "tx_bytes", "tx_bytes_delta", "tx_rate", "tx_payload", "rx_retransmits", "connect_ms", "response_ms", "vlan", "icmp_type"} {
		if SocketsTell(schema.Lookup(name)) {
			t.Errorf("%s: the tables do not tell it", name)
		}
	}
	if SocketsTell(&event.AppString("sockets_tell", "Of the test.").Field) {
		t.Error("the tables tell what a parser found")
	}
	es, _ := runSockets(t, SocketConfig{Listening: true}, readings(t, []string{"tcp 0.0.0.0:80 0.0.0.0:0 10 c1\ntcp 10.0.0.1:80 192.0.2.1:50000 1 c2 out1 in3 rtt50\n" +
		"udp 10.0.0.1:40000 192.0.2.1:53 1 c3\ntcp [fe80::1]:40000 [fe80::2]:443 1 c4 %e0\nudp 0.0.0.0:53 0.0.0.0:0 7 c5"}))
	for _, e := range es {
		if e.Kind != event.New {
			continue
		}
		e.Kind, e.Start, e.Last = event.Open, 0, 0
		for _, f := range schema.Fields {
			if f.Has(&e) && f.Giver() == event.GivenBySource && !SocketsTell(f) {
				t.Errorf("%s: a record has it", f.Name)
			}
		}
	}
}
