package track

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

var (
	client = decode.AddrFrom4(0x0a000001)
	server = decode.AddrFrom4(0xc0000201)
	eth0   = &capture.Interface{Name: "eth0", Index: 1, Link: capture.LinkEthernet}
	br0    = &capture.Interface{Name: "br0", Index: 2, Link: capture.LinkEthernet}
)

const epoch = 1_700_000_000_000_000_000

// script makes packets of lines like
//
//	10ms > SA 500 101 20    time, direction, TCP flags, seq, ack, payload length
//	20ms < udp 30           time, direction, udp, payload length
//	30ms > echo 7           ICMP echo request, number 7; "reply" is the answer, "reply6" that of ICMPv6
//
// A word "on br0" at the end tells another interface, "port 1234" another client port, "in 7" the tunnel, "win 0" the window.
func script(t *testing.T, text string) []decode.Packet {
	t.Helper()
	var ps []decode.Packet
	var clock int64
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		at, err := time.ParseDuration(f[0])
		if err != nil {
			t.Fatalf("script: %v", err)
		}
		p := decode.Packet{TS: epoch + int64(at), Frame: uint64(len(ps) + 1), Frames: 1, IPVersion: 4, Iface: eth0,
			Src: client, Dst: server, SrcPort: 40000, DstPort: 443, Window: 100}
		if n := len(f); f[n-2] == "on" {
			p.Iface, f = br0, f[:n-2]
		}
		if n := len(f); f[n-2] == "in" {
			p.Tunnel = decode.TunnelGeneve
			fmt.Sscan(f[n-1], &p.TunnelID)
			f = f[:n-2]
		}
		if n := len(f); f[n-2] == "win" {
			fmt.Sscan(f[n-1], &p.Window)
			f = f[:n-2]
		}
		if n := len(f); f[n-2] == "port" {
			fmt.Sscan(f[n-1], &p.SrcPort)
			f = f[:n-2]
		}
		if f[1] == "<" {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		switch f[2] {
		case "udp":
			p.Proto = decode.UDP
			fmt.Sscan(f[3], &p.PayloadLen)
			p.IPLen = 28 + p.PayloadLen
		case "echo", "reply", "reply6":
			p.Proto, p.ICMPType, p.SrcPort, p.DstPort = decode.ICMP, 8, 9, 9
			switch f[2] {
			case "reply":
				p.ICMPType = 0
			case "reply6":
				p.Proto, p.IPVersion, p.ICMPType = decode.ICMP6, 6, 129
			}
			fmt.Sscan(f[3], &p.Seq)
			p.PayloadLen, p.IPLen = 56, 84
		default:
			p.Proto = decode.TCP
			for _, l := range f[2] {
				p.TCPFlags |= map[rune]uint8{'S': decode.SYN, 'A': decode.ACK, 'F': decode.FIN, 'R': decode.RST, 'P': decode.PSH}[l]
			}
			for i, v := range []*uint32{&p.Seq, &p.Ack, &p.PayloadLen} {
				if len(f) > 3+i {
					fmt.Sscan(f[3+i], v)
				}
			}
			p.IPLen = 40 + p.PayloadLen
		}
		p.Payload = make([]byte, min(p.PayloadLen, 1<<16)) // as of a capture that is cut
		clock = max(clock, p.TS)
		p.Clock = clock
		a, b := mix(p.Src.Lo, uint64(p.SrcPort)), mix(p.Dst.Lo, uint64(p.DstPort))
		p.Lane = uint8(mix(a+b, uint64(p.Proto)) >> 60)
		ps = append(ps, p)
	}
	return ps
}

func testConfig() Config {
	return Config{Settle: 250 * time.Millisecond, Interval: time.Second, MaxConnections: 1 << 16}
}

func mustNew(t testing.TB, cfg Config) *Stage {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// collect runs a stage until in is closed, and gives what came out.
func collect(t testing.TB, s *Stage, in <-chan *decode.Packets) []event.Event {
	t.Helper()
	out, failed := make(chan *event.Batch), make(chan error, 1)
	go func() { failed <- s.Run(context.Background(), in, out) }()
	var es []event.Event
	for b := range out {
		es = append(es, b.Events...)
		b.Release()
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	return es
}

// run sends packets through a stage, size to a batch, and gives what came out.
func run(t testing.TB, cfg Config, ps []decode.Packet, size int) ([]event.Event, Stats) {
	t.Helper()
	s := mustNew(t, cfg)
	in := make(chan *decode.Packets)
	go func() {
		for c := range slices.Chunk(ps, size) {
			b := decode.NewPackets(func(*decode.Packets) {})
			b.Packets, b.Clock = c, c[len(c)-1].Clock
			in <- b
		}
		close(in)
	}()
	return collect(t, s, in), s.Stats()
}

// TestHandedOn: what was told is handed on together while packets wait, soon enough where they tell little, and at once when none do.
func TestHandedOn(t *testing.T) {
	cfg := testConfig()
	cfg.Settle = 0 // new at the first packet
	batch := func(from, n int) *decode.Packets {
		b := decode.NewPackets(func(*decode.Packets) {})
		for i := range n {
			p := *testPacket(uint32(from + i))
			p.Frame, p.TS, p.Clock, p.TCPFlags, p.Frames = uint64(from+i+1), epoch, epoch, decode.SYN, 1
			b.Packets = append(b.Packets, p)
		}
		b.Clock = epoch
		return b
	}
	for _, c := range []struct {
		name             string
		batches, packets int
		want             []int // events of each batch that came out
	}{
		{"little is told", 80, 1, []int{packetBatches, packetBatches, 80 - 2*packetBatches}},
		{"much is told", 3, 800, []int{event.Room, event.Room, 2400 - 2*event.Room}},
		{"one batch", 1, 3, []int{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, out := make(chan *decode.Packets, c.batches), make(chan *event.Batch)
			for i := range c.batches {
				in <- batch(i*c.packets, c.packets)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- mustNew(t, cfg).Run(ctx, in, out) }()
			var got []int
			for n := 0; n < c.batches*c.packets; { // in stays open: the last ones come because no more packets wait
				b := <-out
				got = append(got, len(b.Events))
				n += len(b.Events)
				b.Release()
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v events at a time, want %v", got, c.want)
			}
			cancel()
			close(in)
			for range out {
			}
			<-done
		})
	}
}

// TestRunEach: what is read by the tracker itself makes the events that the same makes through a channel; an error of the reader comes behind
// them, and nothing is read once nobody takes them.
func TestRunEach(t *testing.T) {
	frames := func(n int) *capture.Frames {
		f := capture.NewFrames(func(*capture.Frames) {})
		for i := range 100 { // UDP over raw IP
			data := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, byte(n), byte(i), 192, 0, 2, 1, 0x90, 0, 0x90, 1, 0, 8, 0, 0}
			f.Frames = append(f.Frames, capture.Frame{TS: epoch + int64(100*n+i), Data: data, Len: uint32(len(data)), Link: capture.LinkRaw, Iface: eth0})
		}
		f.Now = epoch + int64(100*n+99)
		f.Lend()
		return f
	}
	const batches = 30
	in := make(chan *capture.Frames, batches)
	for n := range batches {
		in <- frames(n)
	}
	close(in)
	out, failed := make(chan *event.Batch), make(chan error, 1)
	gather := func() (es []event.Event) {
		for b := range out {
			es = append(es, b.Events...)
			b.Release()
		}
		return es
	}
	go func() {
		failed <- mustNew(t, testConfig()).RunFrames(t.Context(), decode.New(decode.Config{}), in, out)
	}()
	want := gather()
	if err := <-failed; err != nil || len(want) != 2*100*batches {
		t.Fatalf("got %d events and error %v through a channel, want %d", len(want), err, 2*100*batches)
	}

	broken := errors.New("broken")
	out = make(chan *event.Batch)
	go func() {
		failed <- mustNew(t, testConfig()).RunEach(t.Context(), decode.New(decode.Config{}), func(yield func(*capture.Frames) bool) error {
			for n := range batches {
				if !yield(frames(n)) {
					t.Error("got no more wanted before the end")
				}
			}
			return broken
		}, out)
	}()
	got := gather()
	if err := <-failed; err != broken {
		t.Errorf("got error %v, want the reader's", err)
	}
	if !slices.EqualFunc(got, want, sameEvent) {
		t.Errorf("got %d events, want the %d that come through a channel", len(got), len(want))
	}

	ctx, cancel := context.WithCancel(t.Context())
	out = make(chan *event.Batch)
	go func() {
		failed <- mustNew(t, testConfig()).RunEach(ctx, decode.New(decode.Config{}), func(yield func(*capture.Frames) bool) error {
			for n := 0; yield(frames(n % 250)); n++ {
			}
			return nil
		}, out)
	}()
	(<-out).Release()
	cancel()
	for range out {
	}
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
}

// TestTimeIsHandedOn: packets that tell nothing wake nobody, but that the time goes on is told now and then.
func TestTimeIsHandedOn(t *testing.T) {
	const step = timeNS / 5
	cfg := testConfig()
	cfg.Settle, cfg.Interval = time.Hour, 0
	s := mustNew(t, cfg)
	in, out := make(chan *decode.Packets), make(chan *event.Batch, 100)
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), in, out) }()
	for i := range int64(21) {
		b := decode.NewPackets(func(*decode.Packets) {})
		p := *testPacket(1)
		p.Frame, p.TS, p.Clock, p.TCPFlags, p.Frames = uint64(i+1), epoch+i*step, epoch+i*step, decode.ACK, 1
		b.Packets, b.Clock = append(b.Packets, p), p.Clock
		in <- b
	}
	close(in)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var got []int64
	for b := range out {
		if len(b.Events) == 0 {
			got = append(got, (b.Now-epoch)/step)
		}
		b.Release()
	}
	if want := []int64{0, 5, 10, 15, 20, 20}; !slices.Equal(got, want) { // and once at the end
		t.Errorf("got the time told at steps %v, want %v", got, want)
	}
}

func describe(e *event.Event) string {
	s := fmt.Sprintf("%s %v", e.Kind, time.Duration(e.TS-epoch))
	if e.Direction != 0 {
		s += " " + e.Direction.String()
	}
	s += fmt.Sprintf(" %s %s %d/%d %d/%d", e.State, e.HistoryString(), e.Tx.Packets, e.Tx.Bytes, e.Rx.Packets, e.Rx.Bytes)
	if e.Partial {
		s += " partial"
	}
	if e.RTTMicros != 0 {
		s += fmt.Sprintf(" rtt=%d", e.RTTMicros)
	}
	if n := e.Tx.Retransmits; n != 0 {
		s += fmt.Sprintf(" retx=%d", n)
	}
	if n := e.Rx.Retransmits; n != 0 {
		s += fmt.Sprintf(" rerx=%d", n)
	}
	if n := e.Tx.OutOfOrder + e.Rx.OutOfOrder; n != 0 {
		s += fmt.Sprintf(" ooo=%d", n)
	}
	if e.Reason != 0 {
		s += " " + e.Reason.String()
	}
	return s
}

func TestConnections(t *testing.T) {
	const open = `
		0ms  > S 100
		10ms < SA 500 101
		20ms > A 101 501
	`
	tests := []struct {
		name, script, want string
		cfg                func(*Config)
	}{
		{name: "a whole connection", script: open + `
			30ms > PA 101 501 50
			45ms < A 501 151
			50ms < PA 501 151 1000
			60ms > A 151 1501
			70ms > FA 151 1501
			80ms < FA 1501 152
			90ms > A 152 1502`,
			want: `
			new 0s ESTABLISHED ShADad 3/170 3/1120 rtt=20000
			closed 90ms TIME_WAIT ShADadFf 6/290 4/1160 rtt=20000 fin`},
		{name: "refused", script: `
			0ms > S 100
			1ms < RA 0 101`,
			want: `
			new 0s CLOSED Sr 1/40 1/40
			closed 1ms CLOSED Sr 1/40 1/40 refused`},
		{name: "nobody answers", script: `
			0s > S 100
			1s > S 100
			3s > S 100
			200s > udp 5`,
			want: `
			new 0s SYN_SENT S 1/40 0/0
			updated 1s SYN_SENT ST 2/80 0/0 retx=1
			updated 3s SYN_SENT ST 3/120 0/0 retx=2
			closed 1m18s SYN_SENT ST 3/120 0/0 retx=2 timeout
			new 3m20s ACTIVE D 1/33 0/0
			closed 3m20s ACTIVE D 1/33 0/0 exit`},
		{name: "reset by the server, a straggler after it", script: open + `
			30ms > PA 101 501 50
			40ms < R 501
			41ms < R 501`,
			want: `
			new 0s CLOSED ShADr 3/170 3/120 rtt=20000
			closed 40ms CLOSED ShADr 3/170 3/120 rtt=20000 rst`},
		{name: "what comes after the end is late, not new", script: open + `
			40ms < R 501
			400ms > PA 101 501 50`,
			want: `
			new 0s CLOSED ShAr 2/80 2/80 rtt=20000
			closed 40ms CLOSED ShAr 2/80 2/80 rtt=20000 rst`},
		{name: "a bare acknowledgement after the end is late, wherever its numbers are", script: open + `
			40ms < R 501
			400ms > A 900000101 501`,
			want: `
			new 0s CLOSED ShAr 2/80 2/80 rtt=20000
			closed 40ms CLOSED ShAr 2/80 2/80 rtt=20000 rst`},
		{name: "what comes long after the end is of another connection", script: open + `
			40ms < R 501
			10s  > PA 101 501 50`,
			want: `
			new 0s CLOSED ShAr 2/80 2/80 rtt=20000
			closed 40ms CLOSED ShAr 2/80 2/80 rtt=20000 rst
			new 10s ESTABLISHED D 1/90 0/0 partial
			closed 10s ESTABLISHED D 1/90 0/0 partial exit`},
		{name: "ports used again after the end, the SYN not seen", script: open + `
			40ms < R 501
			400ms > PA 900000101 501 50`,
			want: `
			new 0s CLOSED ShAr 2/80 2/80 rtt=20000
			closed 40ms CLOSED ShAr 2/80 2/80 rtt=20000 rst
			new 400ms ESTABLISHED D 1/90 0/0 partial
			closed 400ms ESTABLISHED D 1/90 0/0 partial exit`},
		{name: "ports used again after the end", script: open + `
			40ms < R 501
			1s > S 9000
			1010ms < SA 700 9001`,
			want: `
			new 0s CLOSED ShAr 2/80 2/80 rtt=20000
			closed 40ms CLOSED ShAr 2/80 2/80 rtt=20000 rst
			new 1s ESTABLISHED Sh 1/40 1/40 rtt=10000
			closed 1.01s ESTABLISHED Sh 1/40 1/40 rtt=10000 exit`},
		{name: "ports used again without an end", script: open + `
			2s > S 9000`,
			want: `
			new 0s ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 20ms ESTABLISHED ShA 2/80 1/40 rtt=20000 destroyed
			new 2s SYN_SENT S 1/40 0/0
			closed 2s SYN_SENT S 1/40 0/0 exit`},
		{name: "start not seen, client by its port", script: `
			0ms < PA 500 100 10
			5ms > A 100 510`,
			want: `
			new 0s ESTABLISHED dA 1/40 1/50 partial rtt=5000
			closed 5ms ESTABLISHED dA 1/40 1/50 partial rtt=5000 exit`},
		{name: "start not seen, server by its system port against a registered one", script: `
			0ms < PA 500 100 10 port 5000`,
			want: `
			new 0s ESTABLISHED d 0/0 1/50 partial
			closed 0s ESTABLISHED d 0/0 1/50 partial exit`},
		{name: "start not seen, reset by who has sent nothing else", script: `
			0ms > PA 101 501 50
			1ms < R 501`,
			want: `
			new 0s CLOSED Dr 1/90 1/40 partial
			closed 1ms CLOSED Dr 1/90 1/40 partial rst`},
		{name: "start not seen, a bare acknowledgement times no round trip", script: `
			0ms   > A 101 501
			500ms < PA 501 101 10
			510ms > A 101 511`,
			want: `
			new 0s ESTABLISHED A 1/40 0/0 partial
			closed 510ms ESTABLISHED Ad 2/80 1/50 partial rtt=10000 exit`},
		{name: "start not seen, the SYN-ACK captured behind its acknowledgement", script: `
			0ms > A 101 501
			1ms < SA 500 101`,
			want: `
			new 0s ESTABLISHED Ah 1/40 1/40 partial ooo=1
			closed 1ms ESTABLISHED Ah 1/40 1/40 partial ooo=1 exit`},
		{name: "SYN not seen", script: `
			10ms < SA 500 101
			20ms > A 101 501`,
			want: `
			new 10ms ESTABLISHED hA 1/40 1/40 partial rtt=10000
			closed 20ms ESTABLISHED hA 1/40 1/40 partial rtt=10000 exit`},
		{name: "each direction in a tunnel of its own", script: `
			0ms  > S 100 in 11
			10ms < SA 500 101 in 10
			20ms > PA 101 501 50 in 11
			30ms < A 501 151 in 10
			40ms > A 151 501 in 11`,
			want: `
			new 0s ESTABLISHED ShDaA 3/170 2/80 rtt=20000
			closed 40ms ESTABLISHED ShDaA 3/170 2/80 rtt=20000 exit`},
		{name: "one direction in a tunnel, the start not seen", script: `
			0ms  > PA 101 501 50 in 11
			10ms < PA 501 151 20
			20ms > PA 151 521 50 in 11
			30ms < A 521 201`,
			want: `
			new 0s ESTABLISHED Dda 2/180 2/100 partial rtt=20000
			closed 30ms ESTABLISHED Dda 2/180 2/100 partial rtt=20000 exit`},
		{name: "datagrams, the answer in another tunnel", script: `
			0ms > udp 10 in 11
			9ms < udp 20 in 10
			20ms > echo 7 in 11
			25ms < reply 7 in 10`,
			want: `
			new 20ms ACTIVE D 1/84 0/0
			new 0s ACTIVE Dd 1/38 1/48
			closed 25ms ACTIVE Dd 1/38 1/48 exit
			closed 25ms ACTIVE Dd 1/84 1/84 rtt=5000 exit`},
		{name: "the same ends in two tunnels, both whole", script: `
			0ms > S 100 in 11
			1ms > S 100 in 10
			2ms < SA 500 101 in 10
			3ms < SA 500 101 in 11`,
			want: `
			new 0s ESTABLISHED Sh 1/40 1/40 rtt=3000
			closed 3ms ESTABLISHED Sh 1/40 1/40 rtt=3000 exit
			new 1ms ESTABLISHED Sh 1/40 1/40 rtt=1000
			closed 3ms ESTABLISHED Sh 1/40 1/40 rtt=1000 exit`},
		{name: "the same ends in two tunnels, numbers that do not fit, an answer too late", script: `
			0ms > S 100 in 11
			1ms < SA 500 9000000 in 10
			2ms > udp 10 in 11
			6s  < udp 20 in 10`,
			want: `
			new 0s SYN_SENT S 1/40 0/0
			new 1ms ESTABLISHED h 0/0 1/40 partial
			new 2ms ACTIVE D 1/38 0/0
			closed 6s SYN_SENT S 1/40 0/0 exit
			closed 6s ESTABLISHED h 0/0 1/40 partial exit
			closed 6s ACTIVE D 1/38 0/0 exit
			new 6s ACTIVE d 0/0 1/48
			closed 6s ACTIVE d 0/0 1/48 exit`},
		{name: "sent again", script: open + `
			30ms > PA 101 501 50
			230ms > PA 101 501 50
			240ms < A 501 151`,
			want: `
			new 0s ESTABLISHED ShADTa 4/260 2/80 rtt=20000 retx=1
			closed 240ms ESTABLISHED ShADTa 4/260 2/80 rtt=20000 retx=1 exit`},
		{name: "out of order is not sent again", script: open + `
			30ms > PA 151 501 50
			31ms > PA 101 501 50
			40ms < A 501 201`,
			want: `
			new 0s ESTABLISHED ShADa 4/260 2/80 rtt=20000 ooo=1
			closed 40ms ESTABLISHED ShADa 4/260 2/80 rtt=20000 ooo=1 exit`},
		{name: "lost before us and sent again", script: open + `
			30ms > PA 151 501 50
			330ms > PA 101 501 50`,
			want: `
			new 0s ESTABLISHED ShAD 3/170 1/40 rtt=20000
			closed 330ms ESTABLISHED ShADT 4/260 1/40 rtt=20000 retx=1 exit`},
		{name: "acknowledged, and what was sent behind it was seen, is a gap", script: open + `
			30ms > PA 151 501 50
			40ms < A 501 201`,
			want: `
			new 0s ESTABLISHED ShADaG 3/170 2/80 rtt=20000
			closed 40ms ESTABLISHED ShADaG 3/170 2/80 rtt=20000 exit`},
		{name: "acknowledged but never seen is a gap", script: open + `
			30ms > PA 101 501 50
			40ms < A 501 1151`,
			want: `
			new 0s ESTABLISHED ShADaG 3/170 2/80 rtt=20000
			closed 40ms ESTABLISHED ShADaG 3/170 2/80 rtt=20000 exit`},
		{name: "keep-alive is not sent again", script: open + `
			30ms > PA 101 501 50
			40ms < A 501 151
			100s > A 150 501
			101s > A 150 501 1`,
			want: `
			new 0s ESTABLISHED ShADa 3/170 2/80 rtt=20000
			updated 1m40s ESTABLISHED ShADa 4/210 2/80 rtt=20000
			updated 1m41s ESTABLISHED ShADa 5/251 2/80 rtt=20000
			closed 1m41s ESTABLISHED ShADa 5/251 2/80 rtt=20000 exit`},
		{name: "half closed stays open", script: open + `
			30ms > FA 101 501
			40ms < A 501 102
			2s < PA 501 102 100`,
			want: `
			new 0s FIN_WAIT2 ShAFa 3/120 2/80 rtt=20000
			updated 2s FIN_WAIT2 ShAFad 3/120 3/220 rtt=20000
			closed 2s FIN_WAIT2 ShAFad 3/120 3/220 rtt=20000 exit`},
		{name: "half closed and silent", script: open + `
			30ms > FA 101 501
			40ms < A 501 102
			20m  > udp 5`,
			want: `
			new 0s FIN_WAIT2 ShAFa 3/120 2/80 rtt=20000
			closed 10m0.04s FIN_WAIT2 ShAFa 3/120 2/80 rtt=20000 timeout
			new 20m0s ACTIVE D 1/33 0/0
			closed 20m0s ACTIVE D 1/33 0/0 exit`},
		{name: "open and silent", script: open + `
			3h > udp 5`,
			want: `
			new 0s ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 2h15m0.02s ESTABLISHED ShA 2/80 1/40 rtt=20000 timeout
			new 3h0m0s ACTIVE D 1/33 0/0
			closed 3h0m0s ACTIVE D 1/33 0/0 exit`},
		{name: "both open at once", script: `
			0ms  > S 100
			1ms  < S 500
			10ms > SA 100 501
			11ms < SA 500 101
			20ms > A 101 501`,
			want: `
			new 0s ESTABLISHED SsHhA 3/120 2/80 rtt=20000
			closed 20ms ESTABLISHED SsHhA 3/120 2/80 rtt=20000 exit`},
		{name: "a forged reset far outside the window ends nothing", script: open + `
			30ms > PA 101 501 50
			40ms < A 501 151
			50ms < R 4000000000`,
			want: `
			new 0s ESTABLISHED ShADar 3/170 3/120 rtt=20000
			closed 50ms ESTABLISHED ShADar 3/170 3/120 rtt=20000 exit`},
		{name: "a forged reset below a stream of which nothing was acknowledged", script: `
			0ms  > PA 500000000 1 50
			10ms > R 100000000`,
			want: `
			new 0s ESTABLISHED DR 2/130 0/0 partial
			closed 10ms ESTABLISHED DR 2/130 0/0 partial exit`},
		{name: "a reset at what was acknowledged last, with megabytes behind it", script: open + `
			30ms < PA 501 101 3000000
			40ms < R 501`,
			want: `
			new 0s CLOSED ShAdr 2/80 3/3000120 rtt=20000
			closed 40ms CLOSED ShAdr 2/80 3/3000120 rtt=20000 rst`},
		{name: "a reset that is not the next of its stream, the ends' numbers far apart", script: `
			0ms  > S 3000000100
			10ms < SA 1000000500 3000000101
			20ms > A 3000000101 1000000501
			30ms < PA 1000000501 3000000101 50
			40ms < R 1000000501`,
			want: `
			new 0s CLOSED ShAdr 2/80 3/170 rtt=20000
			closed 40ms CLOSED ShAdr 2/80 3/170 rtt=20000 rst`},
		{name: "a reset that acknowledges another SYN", script: `
			0ms  > S 100
			1ms  < RA 0 99
			30ms < SA 500 101
			40ms > A 101 501`,
			want: `
			new 0s ESTABLISHED SrhA 2/80 2/80 rtt=40000
			closed 40ms ESTABLISHED SrhA 2/80 2/80 rtt=40000 exit`},
		{name: "refused, and then not: the same SYN again", script: `
			0ms   > S 100
			1ms   < RA 0 101
			50ms  > S 100
			501ms > S 100
			510ms < SA 500 101
			520ms > A 101 501`,
			want: `
			new 0s CLOSED Sr 1/40 1/40
			closed 1ms CLOSED Sr 1/40 1/40 refused
			new 501ms ESTABLISHED ShA 2/80 1/40 rtt=19000
			closed 520ms ESTABLISHED ShA 2/80 1/40 rtt=19000 exit`},
		{name: "refused one way, then opened the other way", script: `
			0ms  > S 100
			1ms  < RA 0 101
			9ms  < S 900
			10ms > SA 300 901
			11ms < A 901 301`,
			want: `
			new 0s CLOSED Sr 1/40 1/40
			closed 1ms CLOSED Sr 1/40 1/40 refused
			new 9ms ESTABLISHED ShA 2/80 1/40 rtt=2000
			closed 11ms ESTABLISHED ShA 2/80 1/40 rtt=2000 exit`},
		{name: "an end that knows an older connection (RFC 9293 §3.5.1)", script: open + `
			10s    > S 700000000
			10001ms < A 501 101
			10002ms > R 101
			11s    > S 700000000
			11010ms < SA 3000000000 700000001
			11020ms > A 700000001 3000000001`,
			want: `
			new 0s ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 20ms ESTABLISHED ShA 2/80 1/40 rtt=20000 destroyed
			new 10s SYN_SENT SaR 2/80 1/40
			closed 11.02s ESTABLISHED SaRThA 4/160 2/80 rtt=10000 retx=1 exit`},
		{name: "an end that knew an older connection, and does not listen any more", script: `
			10s    > S 700000000
			10001ms < A 501 101
			10002ms > R 101
			11s    > S 700000000
			11001ms < RA 0 700000001`,
			want: `
			new 10s SYN_SENT SaR 2/80 1/40
			closed 11.001s CLOSED SaRTr 3/120 2/80 retx=1 refused`},
		{name: "a reset that is not of this SYN", script: `
			10s    > S 700000000
			10001ms < A 501 101
			10002ms > R 101
			10003ms < RA 0 102
			11s    > S 700000000
			11010ms < SA 3000000000 700000001`,
			want: `
			new 10s SYN_SENT SaRr 2/80 2/80
			closed 11.01s ESTABLISHED SaRrTh 3/120 3/120 retx=1 exit`},
		{name: "an end that knows an older connection with higher numbers", script: `
			0ms    > S 700000000
			1ms    < A 501 900000000
			2ms    > R 900000000
			1s     > S 700000000
			1010ms < SA 3000000000 700000001
			1020ms > A 700000001 3000000001`,
			want: `
			new 0s SYN_SENT SaR 2/80 1/40
			closed 1.02s ESTABLISHED SaRThA 4/160 2/80 rtt=10000 retx=1 exit`},
		{name: "another SYN-ACK to the same SYN", script: `
			0ms  > S 100
			10ms < SA 500 101
			1s   > S 100
			1010ms < SA 900000000 101
			1020ms > A 101 900000001
			1030ms < PA 900000001 101 10
			1040ms < SA 500 101`,
			want: `
			new 0s ESTABLISHED Sh 1/40 1/40 rtt=10000
			closed 1.04s ESTABLISHED ShTAd 3/120 4/170 rtt=10000 retx=1 exit`},
		{name: "another SYN-ACK to the same SYN, and the first is taken", script: `
			0ms  > S 100
			10ms < SA 500 101
			11ms < SA 900000000 101
			20ms > A 101 501
			30ms < PA 501 101 10`,
			want: `
			new 0s ESTABLISHED ShAd 2/80 3/130 rtt=20000
			closed 30ms ESTABLISHED ShAd 2/80 3/130 rtt=20000 exit`},
		{name: "another SYN-ACK captured behind the handshake", script: `
			0ms > S 100
			1ms > A 101 501
			2ms < SA 500 101
			1s < SA 500 101`,
			want: `
			new 0s ESTABLISHED SAh 2/80 1/40 rtt=2000 ooo=1
			closed 1s ESTABLISHED SAht 2/80 2/80 rtt=2000 rerx=1 ooo=1 exit`},
		{name: "only the server is seen, and its ports are used again", script: `
			0ms  < SA 500 101
			10ms < PA 501 151 50
			20s  < SA 700000000 900000001
			20010ms < PA 700000001 900000051 50`,
			want: `
			new 0s ESTABLISHED hd 0/0 2/130 partial
			closed 10ms ESTABLISHED hd 0/0 2/130 partial destroyed
			new 20s ESTABLISHED hd 0/0 2/130 partial
			closed 20.01s ESTABLISHED hd 0/0 2/130 partial exit`},
		{name: "only the server was seen, then its client opens anew", script: `
			0ms > PA 501 101 50 port 443
			20s < S 700000000 port 443
			20010ms > SA 90 700000001 port 443`,
			want: `
			new 0s ESTABLISHED D 1/90 0/0 partial
			closed 0s ESTABLISHED D 1/90 0/0 partial destroyed
			new 20s ESTABLISHED Sh 1/40 1/40 rtt=10000
			closed 20.01s ESTABLISHED Sh 1/40 1/40 rtt=10000 exit`},
		{name: "only the client is seen", script: `
			0ms  > S 100
			20ms > A 101 501
			1m40s > PA 101 501 50`,
			want: `
			new 0s ESTABLISHED SA 2/80 0/0
			updated 1m40s ESTABLISHED SAD 3/170 0/0
			closed 1m40s ESTABLISHED SAD 3/170 0/0 exit`},
		{name: "both close at once, the local end second", script: open + `
			30ms < FA 501 101
			31ms > FA 101 501
			800ms < A 502 102
			801ms > A 102 502`,
			want: `
			new 0s CLOSING ShAfF 3/120 2/80 rtt=20000
			closed 801ms TIME_WAIT ShAfFa 4/160 3/120 rtt=20000 fin`},
		{name: "the first FIN captured behind its acknowledgement", script: open + `
			30ms < FA 501 102
			31ms > FA 101 501
			32ms > A 102 502`,
			want: `
			new 0s TIME_WAIT ShAfGF 4/160 2/80 rtt=12000 ooo=1
			closed 32ms TIME_WAIT ShAfGF 4/160 2/80 rtt=12000 ooo=1 fin`},
		{name: "the first FIN captured behind its acknowledgement, as its other end has it", cfg: localServer, script: open + `
			30ms < FA 501 102
			31ms > FA 101 501
			32ms > A 102 502`,
			want: `
			new 0s in CLOSED ShAfGF 2/80 4/160 rtt=12000 ooo=1
			closed 32ms in CLOSED ShAfGF 2/80 4/160 rtt=12000 ooo=1 fin`},
		{name: "the SYN captured behind the handshake", script: `
			10ms < SA 500 101
			20ms > A 101 501
			0ms  > S 100
			30ms > PA 101 501 10`,
			want: `
			new 0s ESTABLISHED hASD 3/130 1/40 rtt=10000 ooo=1
			closed 30ms ESTABLISHED hASD 3/130 1/40 rtt=10000 ooo=1 exit`},
		{name: "the SYN captured behind its answer", script: `
			1ms < SA 500 101
			0ms > S 100
			2ms > A 101 501`,
			want: `
			new 0s ESTABLISHED hSA 2/80 1/40 rtt=1000 ooo=1
			closed 2ms ESTABLISHED hSA 2/80 1/40 rtt=1000 ooo=1 exit`},
		{name: "the SYN of a partial connection sent again", script: `
			10ms < SA 500 101
			1s > S 100`,
			want: `
			new 10ms ESTABLISHED h 0/0 1/40 partial
			closed 1s ESTABLISHED hST 1/40 1/40 partial retx=1 exit`},
		{name: "several gaps at a time", script: open + `
			30ms > PA 101 501 10
			30ms > PA 121 501 10
			30ms > PA 141 501 10
			30ms > PA 161 501 10
			30ms > PA 181 501 10
			30ms > PA 201 501 10
			30ms > PA 221 501 10
			31ms > PA 111 501 10
			31ms > PA 131 501 10
			31ms > PA 151 501 10
			31ms > PA 191 501 10
			31ms > PA 171 501 10
			31ms > PA 211 501 10`,
			want: `
			new 0s ESTABLISHED ShAD 15/730 1/40 rtt=20000 ooo=6
			closed 31ms ESTABLISHED ShAD 15/730 1/40 rtt=20000 ooo=6 exit`},
		{name: "backwards, and one of them twice", script: open + `
			30ms > PA 131 501 10
			30ms > PA 121 501 10
			30ms > PA 111 501 10
			31ms > PA 121 501 10
			31ms > PA 101 501 10`,
			want: `
			new 0s ESTABLISHED ShADT 7/330 1/40 rtt=20000 retx=1 ooo=3
			closed 31ms ESTABLISHED ShADT 7/330 1/40 rtt=20000 retx=1 ooo=3 exit`},
		{name: "captured behind its acknowledgement, and then sent again", script: open + `
			30ms < A 501 151
			31ms > PA 101 501 50
			32ms > PA 101 501 50`,
			want: `
			new 0s ESTABLISHED ShAaGDT 4/260 2/80 rtt=20000 retx=1 ooo=1
			closed 32ms ESTABLISHED ShAaGDT 4/260 2/80 rtt=20000 retx=1 ooo=1 exit`},
		{name: "large ones captured behind acknowledgements of their parts, and one sent again", script: open + `
			30ms < A 501 151
			30ms < A 501 201
			31ms > PA 101 501 100
			31ms < A 501 251
			31ms > PA 201 501 50
			32ms > PA 151 501 100
			32ms < A 501 301
			32ms > PA 251 501 100
			32ms > PA 351 501 50`,
			want: `
			new 0s ESTABLISHED ShAaGDT 7/680 5/200 rtt=20000 retx=1 ooo=3
			closed 32ms ESTABLISHED ShAaGDT 7/680 5/200 rtt=20000 retx=1 ooo=3 exit`},
		{name: "a byte that asks whether the window is open is not sent again", script: open + `
			30ms  < A 501 101 win 0
			230ms > A 101 501 1
			240ms < A 501 101 win 0
			630ms > A 101 501 1
			640ms < A 501 101
			650ms > A 101 501 100
			660ms < A 501 201`,
			want: `
			new 0s ESTABLISHED ShAawD 3/121 3/120 rtt=20000
			closed 660ms ESTABLISHED ShAawD 5/302 5/200 rtt=20000 exit`},
		{name: "echoes by their numbers, answered later than the next is sent", script: `
			0ms   > echo 1
			100ms > echo 2
			150ms < reply 1
			200ms > echo 3
			260ms < reply 2
			360ms < reply 3`,
			want: `
			new 0s ACTIVE D 1/84 0/0
			closed 360ms ACTIVE Dd 3/252 3/252 rtt=150000 exit`},
		{name: "echoes, the first lost", script: `
			0ms   > echo 1
			100ms > echo 2
			120ms < reply 2`,
			want: `
			new 0s ACTIVE D 1/84 0/0
			closed 120ms ACTIVE Dd 2/168 1/84 rtt=20000 exit`},
		{name: "an answer whose question was not seen", script: `
			0ms < reply 1`,
			want: `
			new 0s ACTIVE d 0/0 1/84 partial
			closed 0s ACTIVE d 0/0 1/84 partial exit`},
		{name: "an answer whose question was not seen, of IPv6", script: `
			0ms < reply6 1`,
			want: `
			new 0s ACTIVE d 0/0 1/84 partial
			closed 0s ACTIVE d 0/0 1/84 partial exit`},
		{name: "UDP by timeout, at the time it was due", script: `
			0s > udp 10
			100ms < udp 20
			1m > udp 10`,
			want: `
			new 0s ACTIVE Dd 1/38 1/48
			closed 30.1s ACTIVE Dd 1/38 1/48 timeout
			new 1m0s ACTIVE D 1/38 0/0
			closed 1m0s ACTIVE D 1/38 0/0 exit`},
		{name: "ping", script: `
			0s > echo 1
			3ms < reply 1`,
			want: `
			new 0s ACTIVE D 1/84 0/0
			closed 3ms ACTIVE Dd 1/84 1/84 rtt=3000 exit`},
		{name: "a bridge shows each packet twice", script: `
			0ms > udp 10
			0ms > udp 10 on br0
			2ms < udp 20 on br0
			2ms < udp 20
			3ms > udp 10
			3ms > udp 10 on br0`,
			want: `
			new 0s ACTIVE Dd 2/76 1/48
			closed 3ms ACTIVE Dd 2/76 1/48 exit`},
		{name: "sent again over another interface, after one failed", cfg: func(c *Config) { c.Interval = 0 }, script: `
			0ms > udp 10
			1ms > S 100
			3s > udp 10 on br0
			3001ms > S 100 on br0`,
			want: `
			new 0s ACTIVE D 1/38 0/0
			new 1ms SYN_SENT S 1/40 0/0
			closed 3.001s ACTIVE D 2/76 0/0 exit
			closed 3.001s SYN_SENT ST 2/80 0/0 retx=1 exit`},
		{name: "updated at most once an interval, the last change not forgotten", script: `
			0s > udp 10
			500ms > udp 10
			1200ms > udp 10
			1300ms > udp 10
			5s > udp 10 port 1`,
			want: `
			new 0s ACTIVE D 1/38 0/0
			updated 1.2s ACTIVE D 3/114 0/0
			updated 1.3s ACTIVE D 4/152 0/0
			closed 5s ACTIVE D 4/152 0/0 exit
			new 5s ACTIVE D 1/38 0/0
			closed 5s ACTIVE D 1/38 0/0 exit`},
		{name: "interval 0 tells no updated", cfg: func(c *Config) { c.Interval = 0 }, script: `
			0s > udp 10
			1200ms > udp 10
			5s > udp 10`,
			want: `
			new 0s ACTIVE D 1/38 0/0
			closed 5s ACTIVE D 3/114 0/0 exit`},
		{name: "settle 0 tells at once", cfg: func(c *Config) { c.Settle = 0 }, script: `
			0ms > S 100
			10ms < R 0 101`,
			want: `
			new 0s SYN_SENT S 1/40 0/0
			closed 10ms CLOSED Sr 1/40 1/40 refused`},
		{name: "direction by this machine's addresses", cfg: localServer, script: `
			0ms > S 100
			10ms < SA 500 101`,
			want: `
			new 0s in SYN_RECV Sh 1/40 1/40 rtt=10000
			closed 10ms in SYN_RECV Sh 1/40 1/40 rtt=10000 exit`},
		{name: "a bound of one a lane evicts honestly", cfg: func(c *Config) { c.MaxConnections = 1; c.Workers = 1 }, script: `
			0s > udp 10 port 5000
			1s > udp 10 port 5001
			2s > udp 10 port 5002
			3s > udp 10 port 5003
			4s > udp 10 port 5004
			5s > udp 10 port 5005
			6s > udp 10 port 5006
			7s > udp 10 port 5007
			8s > udp 10 port 5008
			9s > udp 10 port 5009
			10s > udp 10 port 5010
			11s > udp 10 port 5011
			12s > udp 10 port 5012
			13s > udp 10 port 5013
			14s > udp 10 port 5014
			15s > udp 10 port 5015
			16s > udp 10 port 5016`, want: "evicted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			if tt.cfg != nil {
				tt.cfg(&cfg)
			}
			ps := script(t, tt.script)
			es, st := run(t, cfg, slices.Clone(ps), 3)
			var got []string
			for i := range es {
				got = append(got, describe(&es[i]))
			}
			if tt.want == "evicted" {
				evicted := uint64(0)
				for i := range es {
					if e := &es[i]; e.Reason == event.Evicted {
						evicted++
						if e.TS <= e.Last {
							t.Errorf("evicted at %d, which is not after its last packet at %d", e.TS, e.Last)
						}
					}
				}
				if st.Evicted == 0 || evicted != st.Evicted || st.Opened != 17 || st.Closed != 17 {
					t.Errorf("%d were told evicted, got %+v, want evictions and 17 opened and closed", evicted, st)
				}
				checkContract(t, es)
				return
			}
			var want []string
			for l := range strings.Lines(tt.want) {
				if l = strings.TrimSpace(l); l != "" {
					want = append(want, l)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			checkContract(t, es)
		})
	}
}

// TestSYNACKTellsWhoOpened: where the SYN was not seen, what a protocol's parser takes for the client does not count against the SYN-ACK.
func TestSYNACKTellsWhoOpened(t *testing.T) {
	ps := script(t, `
		0ms < SA 500 101
		1ms > A 101 501
		2ms < PA 501 101 6`)
	copy(ps[2].Payload, "\xff\xfd\x18\xff\xfd\x20") // a Telnet server's options
	es, _ := run(t, testConfig(), ps, 3)
	if len(es) != 2 {
		t.Fatalf("%d events, want new and closed", len(es))
	}
	e := &es[1]
	if e.App == nil || e.App.Name != "telnet" || e.Local != netip.AddrPortFrom(client.Netip(4), 40000) || e.Tx.Packets != 1 || e.Rx.Packets != 2 {
		t.Errorf("got %s of %v, %+v, want telnet that the client opened", describe(e), e.Local, e.App)
	}
}

// TestServerAlone: the parsers know the server's port for such also where its packets are the only ones that were captured.
func TestServerAlone(t *testing.T) {
	ps := script(t, `
		0ms < SA 500 101
		1ms < PA 501 101 5
		2ms < FA 506 101`)
	for i := range ps {
		ps[i].SrcPort = 110
	}
	copy(ps[1].Payload, "+OK\r\n")
	es, _ := run(t, testConfig(), ps, 3)
	if last := es[len(es)-1]; last.App == nil || last.App.Name != "pop3" {
		t.Errorf("got %s, want pop3", describe(&last))
	}
}

// TestDataOnTheSYN: what comes with the SYN (RFC 7413) is the beginning of what the parsers see.
func TestDataOnTheSYN(t *testing.T) {
	ps := script(t, `
		0ms > S 100 0 8
		1ms < SA 500 109
		2ms > PA 109 501 24`)
	copy(ps[0].Payload, "GET / HT")
	copy(ps[2].Payload, "TP/1.1\r\nHost: a.test\r\n\r\n")
	es, _ := run(t, testConfig(), ps, 3)
	if e := es[len(es)-1]; e.App == nil || e.App.Host != "a.test" {
		t.Errorf("got %s, %+v, want the host a.test", describe(&e), e.App)
	}
}

// TestTableIsBounded: what comes beyond --max-connections pushes out the oldest, and every connection is told once.
func TestTableIsBounded(t *testing.T) {
	const n, most = 5000, 64
	cfg := testConfig()
	cfg.MaxConnections = most
	var ps []decode.Packet
	for i := range n {
		ps = append(ps, script(t, fmt.Sprintf("%dus > S 100 port %d", i, 1024+i))...)
		ps[i].Frame = uint64(i) + 1
	}
	s := mustNew(t, cfg)
	open, closed, evicted := 0, 0, uint64(0)
	runBatches(t, s, batchesOf(ps, 100, nil), func(b *event.Batch) {
		for _, e := range b.Events {
			switch e.Kind {
			case event.New:
				open++
			case event.Closed:
				open--
				closed++
			}
			if open > most+1 { // a new one is told before what it pushes out
				t.Fatalf("%d connections are open, want at most %d", open, most)
			}
			if e.Reason == event.Evicted {
				evicted++
			}
		}
	})
	if st := s.Stats(); closed != n || st.Opened != n || evicted != st.Evicted || evicted < n-most {
		t.Errorf("%d closed, %d of them evicted, %+v, want %d and at least %d", closed, evicted, st, n, n-most)
	}
}

// TestEndsStayOnceTold: evidence of who opened comes too late once new was told.
func TestEndsStayOnceTold(t *testing.T) {
	cfg := testConfig()
	ps := script(t, `
		0ms > A 101 501
		1ms < PA 501 101 18`)
	copy(ps[1].Payload, "GET / HTTP/1.1\r\n\r\n")
	for settle, want := range map[time.Duration]decode.Addr{0: client, time.Second: server} {
		cfg.Settle = settle
		es, _ := run(t, cfg, slices.Clone(ps), 1)
		for _, e := range es {
			if e.Local.Addr() != want.Netip(4) {
				t.Errorf("settle %v: %s has local %v, want %v", settle, describe(&e), e.Local, want.Netip(4))
			}
		}
	}
}

// TestNeighbours: what routers and neighbours say of their link addresses goes with the address that they say it of, and with no other.
func TestNeighbours(t *testing.T) {
	const option, other = "\x01\x01\x02\x00\x00\x00\x00\x0a", "\x02\x01\x02\x00\x00\x00\x00\x0b"
	own := netip.MustParseAddr("2001:db8::1").As16()
	target := string(own[:])
	elsewhere := strings.Repeat("\x20", 16)
	for _, c := range []struct {
		name    string
		kind    uint8
		payload string
		want    uint64
	}{
		{"router", 134, strings.Repeat("\x00", 8) + "\x05\x01\x00\x00\x00\x00\x05\xdc" + option, 0x02000000000a},
		{"who looks for a router", 133, option, 0x02000000000a},
		{"who looks for a neighbour", 135, elsewhere + option, 0x02000000000a},
		{"neighbour", 136, target + other, 0x02000000000b},
		{"who speaks for a neighbour", 136, elsewhere + other, 0},
		{"neighbour without an option", 136, target, 0},
		{"neighbour with an option of no length", 136, target + "\x02\x00\x02\x00\x00\x00\x00\x0b", 0},
		{"neighbour that is cut", 136, target[:9], 0},
		{"redirect", 137, elsewhere + target + other, 0},
		{"echo", 128, option, 0},
	} {
		p := decode.Packet{TS: epoch, Frame: 1, Frames: 1, IPVersion: 6, Iface: eth0, Proto: decode.ICMP6, ICMPType: c.kind,
			Src: decode.Addr{Hi: 0x20010db8 << 32, Lo: 1}, Dst: decode.Addr{Hi: 0xff02 << 48, Lo: 1}, Payload: []byte(c.payload), PayloadLen: uint32(len(c.payload)), IPLen: 48 + uint32(len(c.payload))}
		es, _ := run(t, testConfig(), []decode.Packet{p}, 3)
		if last := es[len(es)-1]; last.LocalMAC != c.want || last.RemoteMAC != 0 {
			t.Errorf("%s: got %012x and %012x, want %012x", c.name, last.LocalMAC, last.RemoteMAC, c.want)
		}
	}
}

// TestUnreachable: an ICMP error ends the connection that it quotes, where it says that nobody listens or that it may not pass.
func TestUnreachable(t *testing.T) {
	ip := func(src, dst byte, proto decode.Proto, frag uint16, body ...byte) []byte {
		b := []byte{0x45, 0, 0, byte(20 + len(body)), 0, 1, byte(frag >> 8), byte(frag), 64, byte(proto), 0, 0, 10, 0, 0, src, 10, 0, 0, dst}
		return append(b, body...)
	}
	ports := func(src, dst byte, more ...byte) []byte { return append([]byte{0x40, src, 0x50, dst}, more...) }
	udp := func(src, dst byte) []byte { return ports(src, dst, 0, 9, 0, 0, 'x') }
	syn := func(seq byte) []byte {
		return ports(1, 2, 0, 0, 0, seq, 0, 0, 0, 0, 0x50, decode.SYN, 1, 0, 0, 0, 0, 0)
	}
	sctp := ports(1, 2, 0, 0, 0, 0, 0, 0, 0, 0, chunkInit, 0, 0, 20, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, c := range []struct {
		name       string
		first      []byte
		kind, code byte
		quoted     []byte
		want       event.Reason
	}{
		{"UDP, no port", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 3, ip(1, 2, decode.UDP, 0, udp(1, 2)...), event.Refused},
		{"UDP, forbidden", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 13, ip(1, 2, decode.UDP, 0, udp(1, 2)...), event.Refused},
		{"UDP, no host", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 1, ip(1, 2, decode.UDP, 0, udp(1, 2)...), event.Exit},
		{"UDP, too long", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 4, ip(1, 2, decode.UDP, 0, udp(1, 2)...), event.Exit},
		{"UDP, too far", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 11, 0, ip(1, 2, decode.UDP, 0, udp(1, 2)...), event.Exit},
		{"UDP, a later fragment", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 3, ip(1, 2, decode.UDP, 5, udp(1, 2)...), event.Exit},
		{"UDP, quoted the other way round", ip(1, 2, decode.UDP, 0, udp(1, 2)...), 3, 3, ip(2, 1, decode.UDP, 0, ports(0, 1, 0, 9, 0, 0)...), event.Exit},
		{"TCP", ip(1, 2, decode.TCP, 0, syn(9)...), 3, 13, ip(1, 2, decode.TCP, 0, syn(9)[:8]...), event.Refused},
		{"TCP, of another attempt", ip(1, 2, decode.TCP, 0, syn(9)...), 3, 13, ip(1, 2, decode.TCP, 0, syn(8)[:8]...), event.Exit},
		{"SCTP, no such protocol", ip(1, 2, decode.SCTP, 0, sctp...), 3, 2, ip(1, 2, decode.SCTP, 0, sctp[:8]...), event.Refused},
		{"DCCP, no such protocol", ip(1, 2, dccp, 0, ports(1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)...), 3, 2, ip(1, 2, dccp, 0, ports(1, 2, 3, 0, 0, 0)...), event.Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames := [][]byte{c.first, ip(2, 1, decode.ICMP, 0, append([]byte{c.kind, c.code, 0, 0, 0, 0, 0, 0}, c.quoted...)...)}
			d, b := decode.New(decode.Config{}), decode.NewPackets(func(*decode.Packets) {})
			ps := make([]decode.Packet, len(frames))
			for i, f := range frames {
				fr := capture.Frame{Data: f, Len: uint32(len(f)), TS: epoch + int64(i), Link: capture.LinkRaw, Iface: eth0}
				if s := d.Decode(&fr, &ps[i], b); s != decode.SkipNone {
					t.Fatalf("frame %d: %v", i, s)
				}
			}
			labelled := testConfig()
			labelled.Tap = func(_ context.Context, p *decode.Packets) error { p.Release(); return nil }
			for _, cfg := range []Config{testConfig(), labelled} {
				es, _ := run(t, cfg, slices.Clone(ps), 3)
				for _, e := range es {
					if e.Kind == event.Closed && !e.HasICMP && e.Reason != c.want {
						t.Errorf("got %v, want %v", e.Reason, c.want)
					}
				}
				checkContract(t, es)
			}
		})
	}
}

func localServer(c *Config) {
	c.Local = func(a netip.Addr) bool { return a == server.Netip(4) }
}

// checkContract holds the first promise: one new, any number of updated, one closed, in that order.
func checkContract(t *testing.T, es []event.Event) {
	t.Helper()
	last := map[uint64]event.Kind{}
	bytes := map[uint64]uint64{}
	for i, e := range es {
		before, seen := last[e.ID]
		switch e.Kind {
		case event.Lost, event.Opened:
			continue
		case event.New:
			if seen {
				t.Fatalf("event %d: second new of %x", i, e.ID)
			}
		default:
			if !seen || before == event.Closed {
				t.Fatalf("event %d: %s of %x after %s", i, e.Kind, e.ID, before)
			}
		}
		last[e.ID] = e.Kind
		bytes[e.ID] += e.Tx.BytesDelta + e.Rx.BytesDelta
		if e.Kind == event.Closed && bytes[e.ID] != e.Tx.Bytes+e.Rx.Bytes {
			t.Fatalf("event %d: deltas of %x add up to %d, want %d", i, e.ID, bytes[e.ID], e.Tx.Bytes+e.Rx.Bytes)
		}
	}
	for id, k := range last {
		if k != event.Closed {
			t.Errorf("connection %x ends with %s", id, k)
		}
	}
}

// traffic makes a random mixture over few ports, so that reuse, disorder and timeouts all happen.
func traffic(seed uint64, n int) []decode.Packet {
	rng := rand.New(rand.NewPCG(seed, 1))
	ts, clock := int64(epoch), int64(0)
	ps := make([]decode.Packet, n)
	for i := range ps {
		ts += rng.Int64N(40_000_000)
		if rng.IntN(50) == 0 {
			ts += rng.Int64N(20_000_000_000)
		}
		p := decode.Packet{TS: ts - rng.Int64N(3_000_000), Frame: uint64(i + 1), Frames: 1, IPVersion: 4, Iface: eth0,
			Src: client, Dst: server, SrcPort: uint16(1024 + rng.IntN(200)), DstPort: 443, Window: uint16(rng.IntN(3)),
			Proto: []decode.Proto{decode.TCP, decode.TCP, decode.UDP, decode.ICMP, 89}[rng.IntN(5)]}
		switch p.Proto {
		case decode.TCP:
			p.TCPFlags = []uint8{decode.SYN, decode.SYN | decode.ACK, decode.ACK, decode.ACK, decode.ACK | decode.PSH,
				decode.FIN | decode.ACK, decode.RST, uint8(rng.IntN(256))}[rng.IntN(8)]
			p.Seq, p.Ack, p.PayloadLen = uint32(rng.IntN(3000)), uint32(rng.IntN(3000)), uint32(rng.IntN(2)*rng.IntN(1400))
		case decode.ICMP:
			p.SrcPort, p.DstPort, p.ICMPType = 7, 7, uint8(8*rng.IntN(2))
		case 89:
			p.SrcPort, p.DstPort = 0, 0
		}
		p.IPLen = 40 + p.PayloadLen
		p.Payload = make([]byte, p.PayloadLen)
		if n := rng.IntN(8); n < 3 {
			p.Tunnel, p.TunnelID = decode.TunnelGeneve, uint32(n)
		}
		if rng.IntN(2) == 0 {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		clock = max(clock, p.TS)
		p.Clock = clock
		a, b := mix(p.Src.Lo, uint64(p.SrcPort)), mix(p.Dst.Lo, uint64(p.DstPort))
		p.Lane = uint8(mix(a+b, uint64(p.Proto)) >> 60)
		ps[i] = p
	}
	return ps
}

// sameEvent compares events, and what their applications say.
func sameEvent(a, b event.Event) bool {
	said := func(app *event.App) (all []any) {
		if app == nil {
			return nil
		}
		all = append(all, app.Name, app.Host, app.HostSource)
		for _, v := range app.Values() {
			all = append(all, v.Index, v.Str(), v.List(), v.Num())
		}
		return all
	}
	same := reflect.DeepEqual(said(a.App), said(b.App))
	a.App, b.App = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func TestSameEventsWhateverWorkersAndBatches(t *testing.T) {
	for _, limit := range []int{1 << 16, 48} {
		ps := traffic(uint64(limit), 20_000)
		cfg := testConfig()
		cfg.MaxConnections = limit
		want, st := run(t, cfg, slices.Clone(ps), 256)
		checkContract(t, want)
		if limit == 48 && st.Evicted == 0 {
			t.Error("nothing was evicted: the bound is not tested")
		}
		for _, c := range []struct{ workers, batch int }{{1, 7}, {2, 256}, {4, 256}, {4, 13}, {16, 64}} {
			cfg.Workers = c.workers
			got, gst := run(t, cfg, slices.Clone(ps), c.batch)
			if len(got) != len(want) {
				t.Fatalf("limit %d, %d workers, batches of %d: got %d events, want %d", limit, c.workers, c.batch, len(got), len(want))
			}
			for i := range got {
				if !sameEvent(got[i], want[i]) {
					t.Fatalf("limit %d, %d workers, batches of %d: event %d: got %s, want %s", limit, c.workers, c.batch, i, describe(&got[i]), describe(&want[i]))
				}
			}
			if gst != st {
				t.Errorf("limit %d, %d workers: got %+v, want %+v", limit, c.workers, gst, st)
			}
		}
	}
}

// TestCrashed: a place that panics is told once, of so many places at most, and every connection that it cost is counted.
func TestCrashed(t *testing.T) {
	told := map[string]int{}
	cfg := testConfig()
	cfg.Crashed = func(text string) { told[text]++ }
	s := mustNew(t, cfg)
	for i := range 3 * crashesMax {
		for range 2 {
			s.caught(fmt.Sprint("place ", i))
		}
	}
	if len(told) != crashesMax || told["place 0"] != 1 || s.Stats().Crashed != 6*crashesMax {
		t.Errorf("%d places were told, the first %d times, %d connections are counted", len(told), told["place 0"], s.Stats().Crashed)
	}
}

// TestNothingStays: of connections that are over nothing is kept.
func TestNothingStays(t *testing.T) {
	cfg := testConfig()
	cfg.Ends = true
	w := mustNew(t, cfg).workers[0]
	for c := range slices.Chunk(traffic(11, 5000), 100) {
		b := decode.NewPackets(func(*decode.Packets) {})
		b.Packets, b.Clock = c, c[len(c)-1].Clock
		w.batch(b)
	}
	w.advance(w.clock + int64(1000*time.Hour)) // they end
	w.advance(w.clock + int64(time.Hour))      // and what their ends were kept for is over
	for i := range w.lanes {
		if l := &w.lanes[i]; l.index.Len() != 0 || len(l.free) != int(l.made) {
			t.Errorf("lane %d has %d names and %d of %d places are free", i, l.index.Len(), len(l.free), l.made)
		}
	}
	for port, first := range w.ports.first {
		if first != 0 {
			t.Errorf("there is a connection over port %d", port)
		}
	}
	if w.wheel.count != 0 || w.Opened != w.Closed {
		t.Errorf("%d timers, %d opened and %d closed", w.wheel.count, w.Opened, w.Closed)
	}
}

func TestCountsAddUp(t *testing.T) {
	ps := traffic(9, 20_000)
	es, st := run(t, testConfig(), slices.Clone(ps), 100)
	skipped := uint64(0)
	for _, n := range st.Skipped {
		skipped += n
	}
	if st.Packets+skipped != uint64(len(ps)) {
		t.Errorf("tracked %d + skipped %d, want %d packets", st.Packets, skipped, len(ps))
	}
	counted := uint64(0)
	for _, e := range es {
		if e.Kind == event.Closed {
			counted += e.Tx.Packets + e.Rx.Packets
		}
	}
	if counted != st.Packets || st.Events != uint64(len(es)) || st.Opened != st.Closed {
		t.Errorf("closed events count %d packets of %+v (%d events)", counted, st, len(es))
	}
}

// benchPacket is a packet of the nth of many open connections.
func benchPacket(n uint32) decode.Packet {
	p := *testPacket(n)
	p.TCPFlags, p.Window, p.IPLen, p.Frames, p.Iface = decode.ACK, 100, 40, 1, eth0
	p.Lane = benchLane(&p)
	return p
}

func benchLane(p *decode.Packet) uint8 { return uint8(mix(p.Src.Lo^uint64(p.SrcPort), 77) >> 60) }

func BenchmarkKnownConnection(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mustNew(b, Config{MaxConnections: 1 << 20, Settle: time.Second})
			w := s.workers[0]
			turn := make([]uint32, n)
			for i := range turn {
				turn[i] = uint32(i)
			}
			rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
			w.flush = func() { w.out.Release(); w.out = s.pool.Get() }
			ts := int64(epoch)
			const size = 250
			b0 := decode.Packets{Packets: slices.Repeat([]decode.Packet{benchPacket(0)}, size)}
			step := func(i int) {
				// The packets are new, as a decoder's are, and in the cache: it is the connections that no cache holds.
				for k, n := range turn[i*size%n:][:size] {
					ts += 1000
					p := &b0.Packets[k]
					p.Src, p.SrcPort = decode.AddrFrom4(0x0a000000+n>>8), uint16(n)
					p.Lane = benchLane(p)
					p.TS, p.Clock, p.Seq = ts, ts, uint32(i*size/len(turn))
				}
				b0.Clock = ts
				w.batch(&b0)
			}
			for i := range n / size {
				step(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N / size {
				step(i)
			}
		})
	}
}

func TestKnownConnectionDoesNotAllocate(t *testing.T) {
	s := mustNew(t, testConfig())
	w := s.workers[0]
	w.flush = func() { w.out.Release(); w.out = s.pool.Get() }
	b := decode.Packets{Packets: []decode.Packet{benchPacket(0)}}
	ts := int64(epoch)
	if n := testing.AllocsPerRun(5000, func() {
		ts += 1_000_000
		b.Packets[0].TS, b.Packets[0].Clock, b.Clock = ts, ts, ts
		w.batch(&b)
	}); n != 0 {
		t.Errorf("a packet of a known connection allocates %v times, want 0", n)
	}
}

// idlePackets begin n connections of a kind: what is kept of each is what an idle one costs.
var idlePackets = map[string]func(n uint32) []decode.Packet{
	"syn": func(n uint32) []decode.Packet {
		return []decode.Packet{idlePacket(n, decode.TCP, decode.SYN, nil)}
	},
	"established": func(n uint32) []decode.Packet {
		syn, ack := idlePacket(n, decode.TCP, decode.SYN, nil), idlePacket(n, decode.TCP, decode.ACK, nil)
		synAck := idlePacket(n, decode.TCP, decode.SYN|decode.ACK, nil)
		synAck.Src, synAck.Dst, synAck.SrcPort, synAck.DstPort = syn.Dst, syn.Src, syn.DstPort, syn.SrcPort
		synAck.Ack, ack.Seq, ack.Ack = 1, 1, 1
		return []decode.Packet{syn, synAck, ack}
	},
	"unanswered DNS": func(n uint32) []decode.Packet {
		query := append([]byte{byte(n >> 8), byte(n), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, fmt.Sprintf("\x08h%07d\x04test\x00\x00\x01\x00\x01", n%1e7)...)
		return []decode.Packet{idlePacket(n, decode.UDP, 0, query)}
	},
	"unknown UDP": func(n uint32) []decode.Packet {
		return []decode.Packet{idlePacket(n, decode.UDP, 0, []byte{0xff, byte(n), 0xfe, 0x80})}
	},
}

func idlePacket(n uint32, proto decode.Proto, flags uint8, payload []byte) decode.Packet {
	p := *testPacket(n)
	p.Proto, p.TCPFlags, p.Window, p.IPLen, p.Frames, p.Iface = proto, flags, 100, 40, 1, eth0
	p.Payload, p.PayloadLen = payload, uint32(len(payload))
	if proto == decode.UDP {
		p.DstPort = 53
	}
	p.Lane = uint8(mix(uint64(n), 77) >> 60)
	return p
}

// idleBytes opens n connections and gives what each takes of the heap, its part of the table included. What there is
// once, such as batches, is there when it begins to count.
func idleBytes(tb testing.TB, kind string, n int) float64 {
	s := mustNew(tb, Config{MaxConnections: 4 * n, Settle: 250 * time.Millisecond, Interval: time.Second})
	w := s.workers[0]
	w.flush = func() { w.out.Release(); w.out = s.pool.Get() }
	ts, opened := int64(epoch), 0
	open := func(n int) (heap uint64) {
		b := decode.Packets{}
		for range n {
			b.Packets = idlePackets[kind](uint32(opened))
			ts += 1000
			for k := range b.Packets {
				b.Packets[k].TS, b.Packets[k].Clock, b.Packets[k].Frame = ts, ts, uint64(3*opened+k)
			}
			b.Clock = ts
			w.batch(&b)
			opened++
		}
		ts += int64(2 * time.Second) // until new is told of all
		b.Packets, b.Clock = nil, ts
		w.batch(&b)
		w.flush()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := open(1000)
	after := open(n)
	if st := s.Stats(); st.Opened != uint64(opened) || st.Closed != 0 {
		tb.Fatalf("%d connections opened, %d closed, want %d open", st.Opened, st.Closed, opened)
	}
	runtime.KeepAlive(s)
	return float64(after-before) / float64(n)
}

func TestIdleConnectionIsSmall(t *testing.T) {
	for kind := range idlePackets {
		if got := idleBytes(t, kind, 50_000); got > 800 {
			t.Errorf("%s: %.0f bytes a connection, want at most 800", kind, got)
		}
	}
}

// BenchmarkIdle has a million connections open.
func BenchmarkIdle(b *testing.B) {
	for kind := range idlePackets {
		b.Run(kind, func(b *testing.B) {
			for range b.N {
				b.ReportMetric(idleBytes(b, kind, 1_000_000), "B/conn")
			}
		})
	}
}

// TestPayload: what an end sent is told where it is known to the byte, and only there.
func TestPayload(t *testing.T) {
	const opens = `
			0ms > S 100
			1ms < SA 500 101
			2ms > A 101 501
			`
	const closes = `
			90ms > FA 121 506
			91ms < FA 506 122
			92ms > A 122 507`
	for _, tc := range []struct{ name, script, want string }{
		{"TCP", opens + "3ms > PA 101 501 20\n4ms < PA 501 121 5" + closes, "20/5"},
		{"TCP, sent again", opens + "3ms > PA 101 501 20\n5ms > PA 101 501 20\n4ms < PA 501 121 5" + closes, "20/5"},
		{"TCP, not captured in between", opens + closes, "20/5"},
		{"TCP, more than the numbers reach", opens + strings.Repeat("3ms > A 101 501 2000000000\n", 3) + closes, "4294967316/5"},
		{"TCP, without its start", "2ms > A 101 501\n3ms > PA 101 501 20" + closes, ""},
		{"TCP, reset", opens + "3ms > PA 101 501 20\n4ms < R 501", ""},
		{"TCP, half closed", opens + "3ms > PA 101 501 20\n90ms > FA 121 506", ""},
		{"TCP, refused", "0ms > S 100\n1ms < RA 0 101", "0/0"},
		{"TCP, no answer", "0ms > S 100", ""},
		{"UDP", "0ms > udp 20\n1ms < udp 5", ""},
		{"ICMP", "0ms > echo 1", ""},
	} {
		ps := script(t, tc.script)
		cfg := testConfig()
		cfg.Local = func(a netip.Addr) bool { return a == client.Netip(4) }
		es, _ := run(t, cfg, ps, 3)
		last, got := es[len(es)-1], ""
		if last.HasPayload {
			got = fmt.Sprintf("%d/%d", last.TxPayload, last.RxPayload)
		}
		if last.Kind != event.Closed || got != tc.want {
			t.Errorf("%s: got %q on %s, want %q on closed", tc.name, got, last.Kind, tc.want)
		}
	}
}
