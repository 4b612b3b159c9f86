package track

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// batchesOf cuts packets into batches of one frame each packet, with what stands beside some.
func batchesOf(ps []decode.Packet, size int, said map[uint64]string) (all []*decode.Packets) {
	for c := range slices.Chunk(ps, size) {
		b := decode.NewPackets(func(*decode.Packets) {})
		b.Packets, b.Clock, b.First = c, c[len(c)-1].Clock, c[0].Frame
		f := capture.NewFrames(func(*capture.Frames) {})
		f.Frames = make([]capture.Frame, len(c))
		for i := range c {
			if text := said[c[i].Frame]; text != "" {
				f.Comments = append(f.Comments, capture.Comment{Frame: i, Text: []byte(text)})
			}
		}
		f.Lend()
		b.Frames = f
		all = append(all, b)
	}
	return all
}

func runBatches(t *testing.T, s *Stage, batches []*decode.Packets, each func(*event.Batch)) {
	t.Helper()
	in, out := make(chan *decode.Packets), make(chan *event.Batch)
	go func() {
		for _, b := range batches {
			in <- b
		}
		close(in)
	}()
	failed := make(chan error, 1)
	go func() { failed <- s.Run(context.Background(), in, out) }()
	for b := range out {
		each(b)
		b.Release()
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// TestLabels: each packet is labelled with the connection that counts it, before any event tells of that.
func TestLabels(t *testing.T) {
	var first []decode.Label
	for _, c := range []struct{ workers, size int }{{1, 256}, {4, 100}, {16, 7}} {
		ps := traffic(9, 20_000)
		for i := range ps {
			ps[i].Frame = uint64(i) + 1
		}
		cfg := testConfig()
		cfg.Workers = c.workers
		var mu sync.Mutex
		var labels []decode.Label
		known := map[uint64]uint64{}
		late := uint64(0)
		cfg.Tap = func(_ context.Context, p *decode.Packets) error {
			mu.Lock()
			defer mu.Unlock()
			if len(p.Labels) != len(p.Packets) {
				t.Errorf("%d labels for %d packets", len(p.Labels), len(p.Packets))
			}
			for _, l := range p.Labels {
				switch {
				case l.Late:
					late++
				case l.ID != 0:
					known[l.ID]++
				default:
					known[0]++
				}
			}
			labels = append(labels, p.Labels...)
			p.Release()
			return nil
		}
		s := mustNew(t, cfg)
		runBatches(t, s, batchesOf(ps, c.size, nil), func(b *event.Batch) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range b.Events {
				if known[e.ID] == 0 {
					t.Errorf("%d workers: %s of a connection that no packet was labelled with", c.workers, describe(&e))
				}
				if e.Kind == event.Closed && known[e.ID] != e.Tx.Packets+e.Rx.Packets {
					t.Errorf("%d workers: %d packets are labelled with a connection of %d", c.workers, known[e.ID], e.Tx.Packets+e.Rx.Packets)
				}
			}
		})
		st := s.Stats()
		if known[0] != st.Skipped[decode.SkipDuplicate] || late != st.Skipped[decode.SkipAfterClose] {
			t.Errorf("%d workers: %d again and %d late, want %v", c.workers, known[0], late, st.Skipped)
		}
		if first == nil {
			first = labels
		} else if !slices.Equal(labels, first) {
			t.Errorf("%d workers: other labels", c.workers)
		}
	}
}

// TestRecall: what a file says of a connection is on its events, at the right end, from its place on.
func TestRecall(t *testing.T) {
	curl, nginx := &event.Proc{Name: "curl", Source: "ebpf"}, &event.Proc{Name: "nginx", Source: "ebpf"}
	atClient, atServer := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("192.0.2.1:443")
	says := map[string]*event.Recorded{
		"client": {Direction: event.Out, Local: atClient, Proc: curl, Name: "example.test", NameSource: event.HostByDNS, NetNS: 7,
			NAT: &event.NAT{Remote: atServer}, About: &event.About{}},
		"changed": {Direction: event.Out, Local: atClient, Proc: nginx},
		"server":  {Direction: event.In, Local: atServer, Proc: nginx, Peer: curl},
		"others":  {Direction: event.In, Local: netip.MustParseAddrPort("192.0.2.1:444"), Proc: nginx},
		"ping":    {Direction: event.Out, Local: netip.MustParseAddrPort("10.0.0.1:0"), Proc: curl},
	}
	const handshake = "0ms > S 100\n1ms < SA 500 101\n2ms > A 101 501\n"
	for _, c := range []struct {
		name   string
		script string
		said   map[uint64]string
		want   []string // of each event: kind, direction, local end, process, peer, name
	}{
		{"the client's", handshake, map[uint64]string{1: "client"}, []string{"new out 10.0.0.1:40000 curl - example.test", "closed out 10.0.0.1:40000 curl - example.test"}},
		{"the server's", handshake, map[uint64]string{1: "server"}, []string{"new in 192.0.2.1:443 nginx curl -", "closed in 192.0.2.1:443 nginx curl -"}},
		{"of other ends", handshake, map[uint64]string{1: "others"}, []string{"new  10.0.0.1:40000 - - -", "closed  10.0.0.1:40000 - - -"}},
		{"of nobody", handshake, map[uint64]string{1: "rubbish"}, []string{"new  10.0.0.1:40000 - - -", "closed  10.0.0.1:40000 - - -"}},
		{"said again", handshake, map[uint64]string{1: "client", 2: "client", 3: "client"}, []string{"new out 10.0.0.1:40000 curl - example.test", "closed out 10.0.0.1:40000 curl - example.test"}},
		{"known before new", handshake, map[uint64]string{3: "server"}, []string{"new in 192.0.2.1:443 nginx curl -", "closed in 192.0.2.1:443 nginx curl -"}},
		{"another owner later", handshake + "400ms > A 101 501\n3s > A 101 501\n5s > A 101 501\n", map[uint64]string{1: "client", 5: "changed"},
			[]string{"new out 10.0.0.1:40000 curl - example.test", "updated out 10.0.0.1:40000 curl - example.test", "updated out 10.0.0.1:40000 nginx - -", "updated out 10.0.0.1:40000 nginx - -", "closed out 10.0.0.1:40000 nginx - -"}},
		{"its other end later", handshake + "400ms > A 101 501\n3s > A 101 501\n", map[uint64]string{1: "client", 5: "server"},
			[]string{"new out 10.0.0.1:40000 curl - example.test", "updated out 10.0.0.1:40000 curl - example.test", "updated out 10.0.0.1:40000 curl - example.test", "closed out 10.0.0.1:40000 curl - example.test"}},
		{"the answer comes first", "0ms < SA 500 101\n1ms > A 101 501\n", map[uint64]string{1: "server"}, []string{"new in 192.0.2.1:443 nginx curl -", "closed in 192.0.2.1:443 nginx curl -"}},
		{"ping", "0ms > echo 1\n1ms < reply 1\n", map[uint64]string{1: "ping"}, []string{"new out 10.0.0.1:0 curl - -", "closed out 10.0.0.1:0 curl - -"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, workers := range []int{1, 3} {
				cfg := testConfig()
				cfg.Workers = workers
				cfg.Recall = func(text string) *event.Recorded { return says[text] }
				s := mustNew(t, cfg)
				var got []string
				or := func(s string) string {
					if s == "" {
						return "-"
					}
					return s
				}
				name := func(p *event.Proc) string {
					if p == nil {
						return "-"
					}
					return p.Name
				}
				runBatches(t, s, batchesOf(script(t, c.script), 2, c.said), func(b *event.Batch) {
					for _, e := range b.Events {
						if r := says["client"]; e.NameSource == r.NameSource && (e.NetNS != r.NetNS || e.NAT != r.NAT || e.About != r.About) {
							t.Errorf("got namespace %d, NAT %v, about %v, want those of %+v", e.NetNS, e.NAT, e.About, r)
						}
						got = append(got, e.Kind.String()+" "+e.Direction.String()+" "+e.Local.String()+" "+name(e.Proc)+" "+name(e.Peer)+" "+or(e.Host()))
					}
				})
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("%d workers: got %q\nwant %q", workers, got, c.want)
				}
				for _, w := range s.workers {
					w.advance(epoch + int64(1000*time.Hour))
					if len(w.known) != 0 || w.held != 0 {
						t.Errorf("%d are remembered, of %d bytes", len(w.known), w.held)
					}
				}
			}
		})
	}
}

// TestRecallBelowIP: what has only link addresses is turned by those.
func TestRecallBelowIP(t *testing.T) {
	for mac, want := range map[uint64]string{10: "true 0", 11: "true 1", 12: "false 0"} {
		c := conn{key: key{src: decode.Addr{Lo: 10}, dst: decode.Addr{Lo: 11}}}
		ok := c.turn(&event.Recorded{LocalMAC: mac})
		if got := fmt.Sprint(ok, " ", c.localSide); got != want || c.recorded != ok {
			t.Errorf("%d: got %s, want %s", mac, got, want)
		}
	}
}

// TestRecallBound: what there is no room for is passed over, and counted.
func TestRecallBound(t *testing.T) {
	cfg := testConfig()
	cfg.Recall = func(string) *event.Recorded { t.Error("it was read"); return nil }
	s := mustNew(t, cfg)
	s.workers[0].held = recalledMax
	runBatches(t, s, batchesOf(script(t, "0ms > S 100\n1ms > S 100\n"), 2, map[uint64]string{1: "client", 2: "client"}), func(*event.Batch) {})
	if st := s.Stats(); st.Unrecalled != 2 {
		t.Errorf("counted %d, want 2", st.Unrecalled)
	}
}
