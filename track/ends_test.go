package track

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

var hows = map[string]capture.How{"fin": capture.HowFin, "rst": capture.HowRst, "refused": capture.HowRefused,
	"timeout": capture.HowTimeout, "gone": capture.HowGone, "lingers": capture.HowLingers}

// endScript takes the lines of a script that tell of a socket's end out of it, such as
//
//	30ms > end udp gone       the client's socket, connected to the server
//	30ms < end udp gone any   the server's, bound to all addresses; "alone": to its own
//
// The words "foreign", "wait" (TIME_WAIT), "shared" (of a connected one) and "v6" (of any) may follow, and a port.
func endScript(t *testing.T, text string) (packets []decode.Packet, ends []decode.End) {
	t.Helper()
	var rest []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "end" {
			rest = append(rest, line)
			continue
		}
		made := map[string]string{"tcp": "A 0", "udp": "udp 0", "icmp": "echo 0"}[f[3]]
		if i := slices.Index(f, "port"); i > 0 {
			made += " port " + f[i+1]
		}
		p := script(t, f[0]+" "+f[1]+" "+made)[0]
		e := decode.End{At: p, End: capture.End{TS: p.TS, Due: p.TS, Proto: uint8(p.Proto), How: hows[f[4]], Alone: p.Proto != decode.TCP,
			Local: netip.AddrPortFrom(p.Src.Netip(4), p.SrcPort)}}
		for _, word := range f[5:] {
			switch word {
			case "any", "v6":
				e.At.Src, e.At.DstPort, e.At.Dst = decode.AddrFrom4(0), 0, decode.AddrFrom4(0)
				e.End.Local = netip.AddrPortFrom(netip.IPv4Unspecified(), p.SrcPort)
				if word == "v6" {
					e.At.Src, e.At.IPVersion, e.V4Too = decode.Addr{}, 6, true
					e.End.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), p.SrcPort)
				}
			case "alone":
				e.At.Dst, e.At.DstPort = decode.AddrFrom4(0), 0
			case "shared":
				e.Alone = false
			case "foreign":
				e.Foreign = true
			case "wait":
				e.TimeWait = true
			case "counted":
				e.TCP = capture.TCPInfo{Sent: 700, Received: 9, Retransmits: 4, RTTMicros: 1234}
			}
		}
		ends = append(ends, e)
	}
	return script(t, strings.Join(rest, "")), ends
}

// runEnds is run with ends, all in one batch or each packet with the ends before it in one of its own.
func runEnds(t *testing.T, cfg Config, ps []decode.Packet, ends []decode.End, size int) []event.Event {
	t.Helper()
	s := mustNew(t, cfg)
	in := make(chan *decode.Packets)
	go func() {
		defer close(in)
		for c := range slices.Chunk(ps, size) {
			b := decode.NewPackets(func(*decode.Packets) {})
			b.Packets, b.Clock = c, c[len(c)-1].Clock
			for len(ends) > 0 && ends[0].Due < c[len(c)-1].TS {
				b.Ends, ends = append(b.Ends, ends[0]), ends[1:]
			}
			in <- b
		}
		last := decode.NewPackets(func(*decode.Packets) {})
		last.Ends, last.Clock = ends, ps[len(ps)-1].Clock
		for _, e := range ends {
			last.Clock = max(last.Clock, e.Due)
		}
		in <- last
	}()
	return collect(t, s, in)
}

func TestSocketEnds(t *testing.T) {
	const open = `
		0ms  > S 100
		10ms < SA 500 101
		20ms > A 101 501
	`
	for _, tc := range []struct {
		name, script, want string
		local              string // addresses that are ours, default: the client's
	}{
		{name: "given up", script: `
			0ms > S 100
			1s > S 100
			1500ms > end tcp gone
			1600ms < SA 500 101`, want: `
			new 0s out SYN_SENT S 1/40 0/0
			updated 1s out SYN_SENT ST 2/80 0/0 retx=1
			closed 1.5s out CLOSED ST 2/80 0/0 retx=1 destroyed`},
		{name: "no answer", script: `
			0ms > S 100
			60s > end tcp timeout
			90s < SA 500 101`, want: `
			new 0s out SYN_SENT S 1/40 0/0
			closed 1m0s out CLOSED S 1/40 0/0 timeout`},
		{name: "the FINs were not captured", script: open + `
			5s > end tcp fin wait`, want: `
			new 0s out ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 5s out TIME_WAIT ShA 2/80 1/40 rtt=20000 fin`},
		{name: "the kernel counted what was not captured", script: `
			0s > PA 101 501 50
			5s > end tcp fin counted`, want: `
			new 0s out ESTABLISHED D 1/90 0/0 partial
			closed 5s out CLOSED D 1/90 0/0 partial rtt=1234 retx=4 fin payload 700/9`},
		{name: "packets count for themselves where they were captured", script: open + `
			5s < end tcp rst counted`, want: `
			new 0s out ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 5s out CLOSED ShA 2/80 1/40 rtt=20000 rerx=4 rst payload 9/700`},
		{name: "the packets were first, and the kernel says that all is over", script: open + `
			30ms < R 501
			31ms > end tcp rst`, want: `
			new 0s out CLOSED ShAr 2/80 2/80 rtt=20000
			closed 30ms out CLOSED ShAr 2/80 2/80 rtt=20000 rst`},
		{name: "keep-alive: why it was reset", script: open + `
			30s > R 101
			30001ms > end tcp timeout
			31s > A 101 501`, want: `
			new 0s out ESTABLISHED ShA 2/80 1/40 rtt=20000
			closed 30.001s out CLOSED ShAR 3/120 1/40 rtt=20000 timeout`},
		{name: "both sockets are ours", local: "both", script: open + `
			30ms > end tcp fin wait
			31ms < end tcp fin
			32ms > A 101 501`, want: `
			new 0s local TIME_WAIT ShA 2/80 1/40 rtt=20000
			closed 30ms local TIME_WAIT ShA 2/80 1/40 rtt=20000 fin`},
		{name: "the other one waits", local: "both", script: open + `
			30ms < end tcp fin wait`, want: `
			new 0s local CLOSED ShA 2/80 1/40 rtt=20000
			closed 30ms local CLOSED ShA 2/80 1/40 rtt=20000 fin`},
		{name: "not of the connection that has the ports now", script: open + `
			30ms < R 501
			10s > S 9000
			10001ms < SA 700 9001`, want: `
			new 0s out CLOSED ShAr 2/80 2/80 rtt=20000
			closed 30ms out CLOSED ShAr 2/80 2/80 rtt=20000 rst
			new 10s out ESTABLISHED Sh 1/40 1/40 rtt=1000
			closed 10.001s out ESTABLISHED Sh 1/40 1/40 rtt=1000 exit`},
		{name: "ports used again at once", script: open + `
			30ms > end tcp gone
			31ms > S 9000
			32ms < SA 700 9001`, want: `
			new 0s out CLOSED ShA 2/80 1/40 rtt=20000
			closed 30ms out CLOSED ShA 2/80 1/40 rtt=20000 destroyed
			new 31ms out ESTABLISHED Sh 1/40 1/40 rtt=1000
			closed 32ms out ESTABLISHED Sh 1/40 1/40 rtt=1000 exit`},
		{name: "nobody has it: the other end's FIN is still to come", script: open + `
			30ms > FA 101 501
			40ms < A 501 102
			41ms > end tcp lingers
			9s < FA 501 102
			9010ms > A 102 502`, want: `
			new 0s out FIN_WAIT2 ShAFa 3/120 2/80 rtt=20000
			updated 9s out TIME_WAIT ShAFaf 3/120 3/120 rtt=20000
			closed 9.01s out TIME_WAIT ShAFaf 4/160 3/120 rtt=20000 fin`},
		{name: "nobody has it, and no FIN comes", script: open + `
			30ms > FA 101 501
			40ms < A 501 102
			41ms > end tcp lingers
			90s > udp 1 port 1`, want: `
			new 0s out FIN_WAIT2 ShAFa 3/120 2/80 rtt=20000
			closed 1m0.04s out CLOSED ShAFa 3/120 2/80 rtt=20000 destroyed
			new 1m30s out ACTIVE D 1/29 0/0
			closed 1m30s out ACTIVE D 1/29 0/0 exit`},
		{name: "what was not captured is nothing", script: `
			0s > udp 1
			1s > end tcp gone
			1s > end udp gone port 7`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 1s out ACTIVE D 1/29 0/0 exit`},
		{name: "datagrams to one, and an answer that comes late", script: `
			0s > udp 1
			100ms > end udp gone
			200ms < udp 9`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 100ms out ACTIVE D 1/29 0/0 destroyed`},
		{name: "what it sent passes after it", script: `
			0s > udp 1
			100ms > end udp gone
			100500us > udp 9`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 100ms out ACTIVE D 1/29 0/0 destroyed`},
		{name: "another socket has the port at once", script: `
			0s > udp 1
			100ms > end udp gone
			102ms > udp 9
			104ms < udp 9`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 100ms out ACTIVE D 1/29 0/0 destroyed
			new 102ms out ACTIVE Dd 1/37 1/37
			closed 104ms out ACTIVE Dd 1/37 1/37 exit`},
		{name: "a server ends, and a client asks on", local: "server", script: `
			0s > udp 1
			100ms < udp 2
			200ms < end udp gone any
			300ms > udp 1`, want: `
			new 0s in ACTIVE Dd 1/30 1/29
			closed 200ms in ACTIVE Dd 1/30 1/29 destroyed
			new 300ms in ACTIVE D 0/0 1/29
			closed 300ms in ACTIVE D 0/0 1/29 exit`},
		{name: "all over the port", local: "server", script: `
			0s > udp 1
			1ms > udp 1 port 41000
			2ms > udp 1 port 42000
			200ms < end udp gone v6`, want: `
			new 2ms in ACTIVE D 0/0 1/29
			closed 200ms in ACTIVE D 0/0 1/29 destroyed
			new 1ms in ACTIVE D 0/0 1/29
			closed 200ms in ACTIVE D 0/0 1/29 destroyed
			new 0s in ACTIVE D 0/0 1/29
			closed 200ms in ACTIVE D 0/0 1/29 destroyed`},
		{name: "only the one that was its own", local: "server", script: `
			0s > udp 1
			1ms > udp 1 port 41000
			200ms < end udp gone shared`, want: `
			new 0s in ACTIVE D 0/0 1/29
			closed 200ms in ACTIVE D 0/0 1/29 destroyed
			new 1ms in ACTIVE D 0/0 1/29
			closed 200ms in ACTIVE D 0/0 1/29 exit`},
		{name: "the same port of other addresses", script: `
			0s > udp 1
			200ms < end udp gone any`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 200ms out ACTIVE D 1/29 0/0 exit`},
		{name: "all addresses of another namespace, and one of ours in it", script: `
			0s > udp 1
			1s > end udp gone any foreign
			2s > end udp gone foreign
			3s > end tcp gone foreign`, want: `
			new 0s out ACTIVE D 1/29 0/0
			closed 3s out ACTIVE D 1/29 0/0 exit`},
		{name: "the server's, before its connection was told", local: "server", script: open + `
			30ms < end tcp fin`, want: `
			new 0s in CLOSED ShA 1/40 2/80 rtt=20000
			closed 30ms in CLOSED ShA 1/40 2/80 rtt=20000 fin`},
		{name: "a container's", local: "none", script: `
			0s > udp 1
			1s > end udp gone foreign`, want: `
			new 0s forward ACTIVE D 1/29 0/0
			closed 1s forward ACTIVE D 1/29 0/0 destroyed`},
		{name: "ping", script: `
			0s > echo 1
			1ms < reply 1
			5ms > end icmp gone alone`, want: `
			new 0s out ACTIVE D 1/84 0/0
			closed 5ms out ACTIVE Dd 1/84 1/84 rtt=1000 destroyed`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ps, ends := endScript(t, tc.script)
			cfg := testConfig()
			cfg.Ends = true
			cfg.Local = func(a netip.Addr) bool {
				is := map[netip.Addr]string{client.Netip(4): "client", server.Netip(4): "server"}[a]
				return tc.local == "both" || is == tc.local || is == "client" && tc.local == ""
			}
			tell := func(es []event.Event) string {
				var text []string
				for i := range es {
					line := describe(&es[i])
					if es[i].HasPayload && es[i].TxPayload+es[i].RxPayload > 0 {
						line += fmt.Sprintf(" payload %d/%d", es[i].TxPayload, es[i].RxPayload)
					}
					text = append(text, line)
				}
				return strings.Join(text, "\n")
			}
			want := strings.Join(slices.DeleteFunc(strings.Split(strings.ReplaceAll(tc.want, "\t", ""), "\n"), func(s string) bool { return s == "" }), "\n")
			for _, size := range []int{1000, 1} {
				for _, workers := range []int{1, 4} {
					cfg.Workers = workers
					if got := tell(runEnds(t, cfg, ps, ends, size)); got != want && (workers == 1 || sorted(got) != sorted(want)) {
						t.Errorf("batches of %d, %d workers: got\n%s\nwant\n%s", size, workers, got, want)
					}
				}
			}
		})
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestPortIndex: whatever comes and goes, the lists of a port hold just the connections that are there.
func TestPortIndex(t *testing.T) {
	cfg := testConfig()
	cfg.Ends, cfg.MaxConnections, cfg.Timeout = true, 320, map[string]time.Duration{"udp": time.Second}
	w := mustNew(t, cfg).workers[0]
	for i := range 20000 {
		p := decode.Packet{TS: epoch + int64(i)*1e6, Clock: epoch + int64(i)*1e6, Frame: uint64(i), Frames: 1, IPVersion: 4, Proto: decode.UDP,
			Src: client, Dst: server, SrcPort: uint16(1 + i*i%3000), DstPort: 53, Lane: uint8(uint64(i*i%3000) * 0x9e3779b97f4a7c15 >> 60)}
		if i%7 == 0 {
			p.DstPort = p.SrcPort
		}
		b := decode.NewPackets(func(*decode.Packets) {})
		b.Packets, b.Clock = []decode.Packet{p}, p.Clock
		w.batch(b)
		w.out.Events = w.out.Events[:0]
	}
	live, listed := map[connRef]int{}, 0
	for l := range w.lanes {
		for at := range w.lanes[l].made {
			if c := w.lanes[l].conn(at); c.used {
				live[ref(l, at)] = 2
				if c.key.srcPort == c.key.dstPort {
					live[ref(l, at)] = 1
				}
			}
		}
	}
	if len(live) < 100 || w.Evicted == 0 {
		t.Fatalf("%d connections, %d evicted: not what is to be tested", len(live), w.Evicted)
	}
	for port := range w.ports.first {
		var prev portRef
		for at := w.ports.first[port]; at != 0; prev, at = at, w.ports.link(at).next {
			c := w.at(at.conn())
			if w.ports.link(at).prev != prev || c.key.srcPort != uint16(port) && c.key.dstPort != uint16(port) {
				t.Fatalf("port %d: a wrong entry", port)
			}
			live[at.conn()]--
			listed++
		}
	}
	for r, n := range live {
		if n != 0 {
			t.Errorf("connection %d is listed %d times too few", r, n)
		}
	}
	t.Logf("%d places of %d connections", listed, len(live))
}

// TestLost: what the kernel had no room for is told, at most once a second, and all of it at last.
func TestLost(t *testing.T) {
	s := mustNew(t, testConfig())
	in, out := make(chan *decode.Packets, 9), make(chan *event.Batch, 9)
	for _, said := range []struct {
		at            time.Duration
		packets, ends uint64
	}{{0, 0, 7}, {500 * time.Millisecond, 1, 0}, {900 * time.Millisecond, 2, 0}, {time.Second, 4, 1}, {1500 * time.Millisecond, 8, 0}} {
		b := decode.NewPackets(func(*decode.Packets) {})
		b.Clock, b.Lost, b.EndsLost = epoch+int64(said.at), said.packets, said.ends
		in <- b
	}
	close(in)
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for b := range out {
		for _, e := range b.Events {
			got = append(got, fmt.Sprint(e.Kind, " ", e.LostWhere, " ", e.LostCount))
		}
	}
	if want := []string{"lost ends 7", "lost kernel 7", "lost ends 1", "lost kernel 8"}; !slices.Equal(got, want) || s.Stats().Events != uint64(len(want)) {
		t.Errorf("got %q, %d are counted, want %q", got, s.Stats().Events, want)
	}
}

// TestEndAllocatesNothing: neither a socket's end nor a place in the lists of ports costs memory of its own.
func TestEndAllocatesNothing(t *testing.T) {
	ps, ends := endScript(t, "0s > udp 1\n1s > end udp gone")
	cfg := testConfig()
	cfg.Ends, cfg.Local = true, func(a netip.Addr) bool { return a == client.Netip(4) }
	w := mustNew(t, cfg).workers[0]
	b := decode.NewPackets(func(*decode.Packets) {})
	b.Packets, b.Ends = ps, ends
	once := func() {
		for _, ts := range []*int64{&ps[0].TS, &ps[0].Clock, &ends[0].Due, &ends[0].End.TS, &b.Clock} {
			*ts = max(*ts, epoch) + 10e9
		}
		w.batch(b)
		w.out.Events = w.out.Events[:0]
	}
	once()
	if n := testing.AllocsPerRun(200, once); n > 1 { // the flow that the parsers begin
		t.Errorf("a socket's end allocates %v times, want 0", n)
	}
	if w.Closed < 200 {
		t.Errorf("%d connections were closed, want one each time", w.Closed)
	}
}

// TestEndsCostLittle: who may bind a port can not have a million connections over it looked at as often as a socket is closed.
func TestEndsCostLittle(t *testing.T) {
	ps, ends := endScript(t, `
		0ms > udp 1 port 1000
		1ms > udp 1 port 1001
		2ms > udp 1 port 1002
		3ms > udp 1 port 1003
		9ms < end udp gone any`)
	cfg := testConfig()
	cfg.Ends = true
	cfg.Local = func(netip.Addr) bool { return true }
	w := mustNew(t, cfg).workers[0]
	w.steps = steps{left: 2, at: 1 << 62}
	b := decode.NewPackets(func(*decode.Packets) {})
	b.Packets, b.Ends = ps, ends
	w.batch(b)
	if w.EndsPassed != 1 {
		t.Errorf("%d ends were passed over, want 1: two of four connections were looked at", w.EndsPassed)
	}
	var s steps
	taken := 0
	for now := int64(epoch); now < epoch+2_000_000_000; now += 1_000_000 { // as many ends as there can be, for two seconds
		for s.take(now) {
			taken++
		}
	}
	if taken < stepsMost || taken > stepsMost+2*1_000_000_000/stepNS {
		t.Errorf("%d steps in two seconds, want a million at once and one each microsecond", taken)
	}
}
