package pcapng

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/capture/file"
	"rustnet/output"
	"rustnet/output/pieces"
	"rustnet/track"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

var testSchema = event.NewSchema(dpi.Fields())

const second = int64(time.Second)

// script drives a buffer as the pipeline does: it has packets of connections, and events.
type script struct {
	b       *buffer
	next    uint64 // frame
	clock   int64
	written []uint64 // numbers of the frames, as they went out
}

func newScript(limit int, settle time.Duration) *script {
	s := &script{next: 1, clock: 1000 * second}
	s.b = newBuffer(limit, int64(settle), func(p *packet) bool {
		s.written = append(s.written, binary.BigEndian.Uint64(p.data))
		return true
	})
	return s
}

// Labels that are no connection's.
const (
	skipped = 1<<63 + iota // by the decoder
	twice
	held // with a datagram's number added
)

// packets takes a batch of packets of the given connections, of so many bytes.
func (s *script) packets(size int, of ...uint64) {
	p := &decode.Packets{First: s.next, Clock: s.clock, Frames: &capture.Frames{}}
	for _, id := range of {
		data := make([]byte, max(8, size))
		binary.BigEndian.PutUint64(data, s.next)
		p.Frames.Frames = append(p.Frames.Frames, capture.Frame{Data: data, TS: s.clock, Len: uint32(len(data)), Link: capture.LinkRaw})
		switch {
		case id == skipped:
		case id == twice:
			p.Packets, p.Labels = append(p.Packets, decode.Packet{Frame: s.next}), append(p.Labels, decode.Label{})
		case id >= held:
			p.Fragments = append(p.Fragments, decode.Fragment{Frame: s.next, Datagram: id - held, Held: true})
		default:
			p.Packets, p.Labels = append(p.Packets, decode.Packet{Frame: s.next}), append(p.Labels, decode.Label{ID: id})
		}
		s.next++
	}
	s.b.take(p)
}

// join takes a batch with one packet of a connection, with which the pieces of a datagram go.
func (s *script) join(datagram, id uint64) {
	data := binary.BigEndian.AppendUint64(nil, s.next)
	p := &decode.Packets{First: s.next, Clock: s.clock, Frames: &capture.Frames{Frames: []capture.Frame{{Data: data}}},
		Packets: []decode.Packet{{Frame: s.next}}, Labels: []decode.Label{{ID: id}}, Fragments: []decode.Fragment{{Frame: s.next, Datagram: datagram}}}
	s.next++
	s.b.take(p)
}

// late takes a packet of a connection that has ended.
func (s *script) late(id uint64) {
	p := &decode.Packets{First: s.next, Clock: s.clock, Packets: []decode.Packet{{Frame: s.next}}, Labels: []decode.Label{{ID: id, Late: true}},
		Frames: &capture.Frames{Frames: []capture.Frame{{Data: binary.BigEndian.AppendUint64(nil, s.next)}}}}
	s.next++
	s.b.take(p)
}

// events takes verdicts: positive numbers pass, negative ones were ruled out.
func (s *script) events(kind event.Kind, of ...int64) {
	b := &event.Batch{Now: s.clock}
	for _, id := range of {
		if id < 0 {
			b.RuledOut = append(b.RuledOut, event.Ruling{ID: uint64(-id), Kind: kind})
		} else {
			b.Events = append(b.Events, event.Event{Kind: kind, ID: uint64(id), TS: s.clock})
		}
	}
	s.b.judge(b)
}

// pass lets time go by.
func (s *script) pass(d time.Duration) {
	s.clock += int64(d)
	s.events(event.New)
}

// checkCounts: every frame is accounted for once, and nothing is left.
func (s *script) checkCounts(t *testing.T) {
	t.Helper()
	s.b.finish()
	n := s.b.counts
	if sum := n.put + n.filtered + n.none + n.again + n.lost; n.taken != s.next-1 || sum != n.taken {
		t.Errorf("%d frames, taken %d, accounted for %d: %+v", s.next-1, n.taken, sum, n)
	}
	if int(n.put) != len(s.written) {
		t.Errorf("put says %d, %d were written", n.put, len(s.written))
	}
	if s.b.cost != 0 || s.b.oldest != s.b.end {
		t.Errorf("%d bytes and %d frames are left", s.b.cost, s.b.end-s.b.oldest)
	}
}

func TestVerdicts(t *testing.T) {
	const settle = 250 * time.Millisecond
	for _, c := range []struct {
		name string
		do   func(s *script)
		want []uint64
		left counts // but for taken and put
	}{
		{"from the first packet on", func(s *script) {
			s.packets(0, 1, 1)
			s.events(event.New, 1)
			s.packets(0, 1)
		}, []uint64{1, 2, 3}, counts{}},
		{"what is ruled out is not there", func(s *script) {
			s.packets(0, 1, 2, 1, 2)
			s.events(event.New, 1, -2)
			s.packets(0, 2, 1)
		}, []uint64{1, 3, 6}, counts{filtered: 3}},
		{"in the order in which they came", func(s *script) {
			s.packets(0, 1, 2, 3)
			s.events(event.New, 2) // waits for 1
			s.packets(0, 2)
			if len(s.written) > 0 {
				s.written = append(s.written, 999)
			}
			s.events(event.New, 1, -3)
		}, []uint64{1, 2, 4}, counts{filtered: 1}},
		{"it matches later: what is still there, then what comes", func(s *script) {
			s.packets(0, 1, 2)
			s.events(event.New, -1, 2)
			s.packets(0, 1, 2)
			s.events(event.Updated, 1)
			s.packets(0, 1)
		}, []uint64{2, 4, 1, 3, 5}, counts{}},
		{"only its end matches", func(s *script) {
			s.packets(0, 1, 1)
			s.events(event.New, -1)
			s.events(event.Closed, 1)
		}, []uint64{1, 2}, counts{}},
		{"new passes, closed does not, in one batch", func(s *script) {
			s.packets(0, 1, 1)
			s.b.judge(&event.Batch{Events: []event.Event{{Kind: event.New, ID: 1}}, RuledOut: []event.Ruling{{ID: 1, Kind: event.Closed}}, Now: s.clock})
			s.late(1)
		}, []uint64{1, 2, 3}, counts{}},
		{"an alert about it", func(s *script) {
			s.packets(0, 1)
			s.events(event.New, -1)
			s.events(event.Alert, 1)
		}, []uint64{1}, counts{}},
		{"after its end", func(s *script) {
			s.packets(0, 1, 2)
			s.events(event.New, 1, -2)
			s.events(event.Closed, 1, -2)
			s.late(1)
			s.late(2)
			s.pass(10 * time.Second)
			s.late(1) // long forgotten
		}, []uint64{1, 3}, counts{filtered: 3}},
		{"nobody tells of it", func(s *script) {
			s.packets(0, 7, 1)
			s.events(event.New, 1)
			s.pass(time.Second)
			if len(s.written) > 0 {
				s.written = append(s.written, 999)
			}
			s.pass(time.Second)
			s.packets(0, 1)
		}, []uint64{2, 3}, counts{filtered: 1}},
		{"nobody told of it, then its new comes", func(s *script) {
			s.packets(0, 7)
			s.pass(2 * time.Second)
			s.events(event.New, 7)
		}, []uint64{1}, counts{}},
		{"pieces of a datagram go with the packet", func(s *script) {
			s.packets(0, held+1, 2, held+1)
			s.events(event.New, -2)
			s.join(1, 1)
			s.events(event.New, 1)
		}, []uint64{1, 3, 4}, counts{filtered: 1}},
		{"pieces whose connection is known", func(s *script) {
			s.packets(0, 1)
			s.events(event.New, 1)
			s.packets(0, held+1, held+2)
			s.join(1, 1)
			s.join(2, 1)
		}, []uint64{1, 2, 3, 4, 5}, counts{}},
		{"a datagram that takes long", func(s *script) {
			s.packets(0, held+1)
			s.packets(0, 1)
			s.events(event.New, 1)
			s.pass(20 * time.Second)
			s.join(1, 1)
		}, []uint64{2, 1, 3}, counts{}},
		{"a datagram of one that is filtered out", func(s *script) {
			s.packets(0, held+1)
			s.join(1, 1)
			s.events(event.New, -1)
		}, nil, counts{filtered: 2}},
		{"a datagram within another's pieces", func(s *script) {
			s.packets(0, held+1)
			s.b.take(&decode.Packets{First: 2, Clock: s.clock, Frames: &capture.Frames{Frames: []capture.Frame{{Data: binary.BigEndian.AppendUint64(nil, 2)}}},
				Fragments: []decode.Fragment{{Frame: 2, Datagram: 2, Held: true}, {Frame: 2, Datagram: 1}}})
			s.next = 3
			s.join(2, 1)
			s.events(event.New, 1)
		}, []uint64{1, 2, 3}, counts{}},
		{"pieces that never become whole", func(s *script) {
			s.packets(0, held+1, held+2, 1)
			s.b.take(&decode.Packets{First: s.next, Frames: &capture.Frames{}, Fragments: []decode.Fragment{{Datagram: 1}}})
			s.events(event.New, 1)
		}, nil, counts{none: 2}}, // 1 waits for 2; finish lets it go
		{"of no connection, and seen twice", func(s *script) {
			s.packets(0, skipped, twice, 1, skipped)
			s.events(event.New, 1)
		}, []uint64{3}, counts{none: 2, again: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(1<<20, settle)
			c.do(s)
			if c.name == "pieces that never become whole" {
				if len(s.written) != 0 {
					t.Errorf("got %v before the end", s.written)
				}
				c.want = []uint64{3}
			} else if !slices.Equal(s.written, c.want) {
				t.Errorf("got %v, want %v", s.written, c.want)
			}
			s.checkCounts(t)
			if !slices.Equal(s.written, c.want) {
				t.Errorf("got %v at the end, want %v", s.written, c.want)
			}
			got := s.b.counts
			got.taken, got.put = 0, 0
			if got != c.left {
				t.Errorf("got %+v, want %+v", got, c.left)
			}
		})
	}
}

// TestBound: whatever comes, the buffer holds no more than it may, and what that costs is counted.
func TestBound(t *testing.T) {
	const limit = 1 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	s := newScript(limit, 250*time.Millisecond)
	s.packets(0, 1) // never judged: all else is behind it
	for i := range 200 {
		ids := make([]uint64, 100)
		for j := range ids {
			ids[j] = 2 + rng.Uint64N(50)
			if i%3 == 0 {
				ids[j] = held + rng.Uint64N(1000)
			}
		}
		s.packets(rng.IntN(1500), ids...)
		chunks := 0
		for _, c := range s.b.chunks {
			chunks += cap(c.buf)
		}
		if s.b.cost > limit || chunks+len(s.b.free)*chunkSize > limit+3*chunkSize {
			t.Fatalf("batch %d: %d bytes are held, in %d of chunks and %d free ones", i, s.b.cost, chunks, len(s.b.free))
		}
	}
	if s.b.counts.lost == 0 {
		t.Error("nothing was lost")
	}
	s.events(event.New, 3)
	s.checkCounts(t)
	if len(s.written) == 0 || !slices.IsSorted(s.written) {
		t.Errorf("%d were written", len(s.written))
	}
	if s.b.counts.none == 0 {
		t.Error("datagrams that never became whole are not counted")
	}
}

// TestRandom: with any order of packets and verdicts, each frame comes out at most once, those of connections that are
// wanted all do, and no others.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		s := newScript(64<<20, 250*time.Millisecond)
		owner, passed, datagram := map[uint64]uint64{}, map[uint64]bool{}, map[uint64][]uint64{}
		told := map[uint64]bool{}
		for range 60 {
			switch id := 1 + rng.Uint64N(8); rng.IntN(7) {
			case 0, 1, 2:
				for i := range uint64(3) {
					owner[s.next+i] = id
				}
				s.packets(rng.IntN(100), id, id, id)
			case 3:
				kind := event.New
				if told[id] {
					kind = event.Updated
				}
				told[id] = true
				if rng.IntN(2) == 0 {
					passed[id] = true
					s.events(kind, int64(id))
				} else {
					s.events(kind, -int64(id))
				}
			case 4:
				s.pass(time.Duration(rng.IntN(2000)) * time.Millisecond)
			case 5:
				d := rng.Uint64N(4)
				datagram[d] = append(datagram[d], s.next)
				s.packets(0, held+d)
			case 6:
				d := rng.Uint64N(4)
				for _, f := range datagram[d] {
					owner[f] = id
				}
				delete(datagram, d)
				owner[s.next] = id
				s.join(d, id)
			}
		}
		var want []uint64
		for f := uint64(1); f < s.next; f++ {
			if passed[owner[f]] {
				want = append(want, f)
			}
		}
		s.checkCounts(t)
		slices.Sort(s.written)
		if !slices.Equal(s.written, want) {
			t.Fatalf("seed %d: got %v, want %v", seed, s.written, want)
		}
	}
}

// TestForgotten: of connections that have ended nothing is held.
func TestForgotten(t *testing.T) {
	s := newScript(1<<20, 0)
	for id := int64(1); id < 3000; id++ {
		s.packets(40, uint64(id))
		verdict := id
		if id%2 == 0 {
			verdict = -id
		}
		if id%3 != 0 { // of the others nobody tells
			s.events(event.New, verdict)
			s.events(event.Closed, verdict)
		}
	}
	s.pass(10 * time.Second)
	s.pass(time.Second)
	s.b.finish()
	if len(s.b.conns) != 0 || len(s.b.ended) != 0 || len(s.b.datagrams) != 0 {
		t.Errorf("%d connections, %d ended, %d datagrams are held", len(s.b.conns), len(s.b.ended), len(s.b.datagrams))
	}
}

func TestAllocations(t *testing.T) {
	s := &script{b: newBuffer(1<<20, 0, func(*packet) bool { return true }), clock: second}
	s.events(event.New, 1, -2)
	for name, id := range map[string]uint64{"wanted": 1, "unwanted": 2} {
		p := batchOf(256, 200, func(int) uint64 { return id })
		for range 100 { // until the buffer is full
			s.b.take(p)
		}
		if n := testing.AllocsPerRun(100, func() { s.b.take(p) }); n != 0 {
			t.Errorf("%s: %v allocations for 256 packets, want 0", name, n)
		}
	}
}

// keeper writes packets of connections into a file, and gives the files there are, the oldest first.
func keeper(t *testing.T, cfg Config, do func(k *Keeper)) []string {
	t.Helper()
	if cfg.File == "" {
		cfg.File = filepath.Join(t.TempDir(), "kept.pcapng")
	}
	k, err := New(cfg, testSchema, func(s string) { t.Error(s) })
	if err != nil {
		t.Fatal(err)
	}
	k.writer.start(context.Background())
	do(k)
	k.buffer.finish()
	if err := k.writer.close(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.File), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// kept is what a file says of a packet.
type kept struct {
	capture.Frame
	comment string
}

// read reads a file with the reader that -r has.
func read(t *testing.T, path string) (all []kept) {
	t.Helper()
	s, err := file.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make(chan *capture.Frames)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), out) }()
	for f := range out {
		said := f.Comments
		for i := range f.Frames {
			k := kept{Frame: f.Frames[i]}
			k.Data = bytes.Clone(k.Data)
			for len(said) > 0 && said[0].Frame == i {
				k.comment, said = string(said[0].Text), said[1:]
			}
			all = append(all, k)
		}
		f.Release()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPieces: each piece is a capture of its own, which says of each of its connections who has it.
func TestPieces(t *testing.T) {
	for _, name := range []string{"kept.pcapng", "kept.pcapng.zst"} {
		cfg := Config{File: filepath.Join(t.TempDir(), name), Rotation: pieces.Rotation{RotateSize: 20 << 10}}
		files := keeper(t, cfg, func(k *Keeper) {
			k.buffer.judge(&event.Batch{Events: []event.Event{wholeEvent(1), wholeEvent(2)}})
			for range 60 {
				k.buffer.take(batchOf(10, 300, func(i int) uint64 { return uint64(i%2) + 1 }))
				k.writer.handOver()
			}
		})
		if len(files) < 2 {
			t.Fatalf("%s: files are %v", name, files)
		}
		total := 0
		for _, path := range files {
			if info, err := os.Stat(path); err != nil || name == "kept.pcapng" && info.Size() > 20<<10 {
				t.Errorf("%s: %v, %d bytes", path, err, info.Size())
			}
			if !file.Recorded(path) {
				t.Errorf("%s: does not say that rustnet wrote it", path)
			}
			said := map[string]int{}
			all := read(t, path)
			for i, k := range all {
				if k.Iface.Name != "eth0" || k.Link != capture.LinkEthernet || k.Dir != capture.DirOut || k.Len != 300 || len(k.Data) != 300 || k.TS < 1e18 {
					t.Fatalf("%s: packet %d is %+v", path, i, k)
				}
				if k.comment != "" {
					said[k.comment]++
				}
			}
			if total += len(all); len(said) != min(2, len(all)) {
				t.Errorf("%s: %d connections are told of in %d packets", path, len(said), len(all))
			}
			for comment, n := range said {
				if n != 1 {
					t.Errorf("%s: told %d times: %s", path, n, comment)
				}
			}
		}
		if total != 600 {
			t.Errorf("%s: %d packets", name, total)
		}
	}
}

// wholeEvent is one that has every recorded field.
func wholeEvent(id uint64) event.Event {
	e := event.Event{Kind: event.New, ID: id, Direction: event.In, Local: netip.MustParseAddrPort("192.0.2.1:443"), Remote: netip.MustParseAddrPort("[2001:db8::1%eth0]:999"),
		LocalMAC: 0x0200000000ab, NetNS: 4026531840, NAT: &event.NAT{Local: netip.MustParseAddrPort("10.0.0.1:1"), Remote: netip.MustParseAddrPort("10.0.0.2:2")},
		RemoteName: "host.example", NameSource: event.HostByDNS, About: &event.About{Country: "FR", City: "Nice", ASN: 64500, Org: "Example", Name: "a.example"}}
	procs := [2]*event.Proc{}
	for i := range procs {
		p := &event.Proc{Cgroup: &event.Cgroup{}}
		fillIn(reflect.ValueOf(p).Elem(), fmt.Sprintf("of %d,%d \"é\n", id, i))
		fillIn(reflect.ValueOf(p.Cgroup).Elem(), fmt.Sprint("cgroup of ", i))
		procs[i] = p
	}
	e.Proc, e.Peer = procs[0], procs[1]
	return e
}

// fillIn sets every field of a struct.
func fillIn(v reflect.Value, text string) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name + " " + text)
		case reflect.Uint32:
			f.SetUint(uint64(i) + 1000)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{text, "b"}))
		case reflect.Struct:
			fillIn(f, text)
		}
	}
}

// TestRecall: what stands in a comment is all that the record had, and it is read back.
func TestRecall(t *testing.T) {
	notes, recall := newComments(testSchema), Recall(testSchema.Stored())
	e := wholeEvent(77)
	o := ownerOf(&e)
	text := string(notes.appendFull(nil, &o))
	var said map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, commentMark)), &said); err != nil {
		t.Fatal(err)
	}
	for _, f := range testSchema.RecordedFields() {
		if said[f.Name] == nil {
			t.Errorf("%s is not in the comment", f.Name)
		}
	}
	r := recall(text)
	if r == nil {
		t.Fatalf("not read back: %s", text)
	}
	back := event.Event{Kind: event.New, ID: 77, Direction: r.Direction, Local: r.Local, LocalMAC: r.LocalMAC, Proc: r.Proc, Peer: r.Peer, RemoteName: r.Name,
		NameSource: r.NameSource, NetNS: r.NetNS, NAT: r.NAT, About: r.About}
	object := output.NewObject(testSchema.RecordedFields())
	if got, want := string(object.Append(nil, &back)), string(object.Append(nil, &e)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for name, bad := range map[string]string{"another program's": "curl " + text[len(commentMark):], "brief": string(notes.appendBrief(nil, &o)), "cut": text[:len(text)-1],
		"of another version": strings.Replace(text, `"v":1`, `"v":2`, 1), "empty": "", "of another type": strings.Replace(text, `"pid":1000`, `"pid":"x"`, 1)} {
		if bad == text || recall(bad) != nil {
			t.Errorf("%s: is read", name)
		}
	}
	long := e
	long.Proc = &event.Proc{Name: "x", Source: "ebpf", Cmdline: strings.Repeat("long ", 20000)}
	o = ownerOf(&long)
	if text := string(notes.appendFull(nil, &o)); len(text) > commentMax || recall(text) == nil || recall(text).Proc.Name != "x" {
		t.Errorf("of a long command line %d bytes are made", len(text))
	}
}

// FuzzRecall: any text is read or is not, and what is read can be written and read again.
func FuzzRecall(f *testing.F) {
	notes, recall := newComments(testSchema), Recall(testSchema.Stored())
	for _, e := range []event.Event{wholeEvent(1), {Kind: event.New, ID: 5, Local: netip.MustParseAddrPort("[::1]:7")}} {
		o := ownerOf(&e)
		f.Add(string(notes.appendFull(nil, &o)))
	}
	f.Add(capture.CommentMark + `1,"local_mac":"02:00:00:00:00:zz","uid":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := recall(text)
		if r == nil {
			return
		}
		o := owner{direction: r.Direction, local: r.Local, localMAC: r.LocalMAC, proc: r.Proc, peer: r.Peer, host: r.Name, hostSource: r.NameSource,
			netns: r.NetNS, nat: orZero(r.NAT)}
		again := string(notes.appendFull(nil, &o))
		if len(text) < 16<<10 && again != "" && recall(again) == nil {
			t.Errorf("%q is read, and what is made of it is not: %q", text, again)
		}
	})
}

// TestPrefixes: wherever a file ends, what is read of it has the owners that stand there, and no others.
func TestPrefixes(t *testing.T) {
	whole, err := os.ReadFile("../../testdata/owners.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for n := 0; n <= len(whole); n += 61 {
		s, err := file.NewSource("owners", bytes.NewReader(whole[:n]))
		if err != nil {
			continue
		}
		tracker, err := track.New(track.Config{MaxConnections: 1000, Recall: Recall(testSchema.Stored())})
		if err != nil {
			t.Fatal(err)
		}
		frames, packets, events := make(chan *capture.Frames), make(chan *decode.Packets), make(chan *event.Batch)
		go s.Run(context.Background(), frames) // its error says that the file is cut
		go decode.New(decode.Config{}).Run(context.Background(), frames, packets)
		go tracker.Run(context.Background(), packets, events)
		known := map[string]bool{}
		for b := range events {
			for _, e := range b.Events {
				switch {
				case e.Proc == nil:
				case e.Proc.Name == "nginx" && e.Direction == event.In && e.Local.Port() == 8080 && e.Peer.Name == "curl",
					slices.Contains([]string{"sh", "curl", "ping"}, e.Proc.Name) && e.Direction == event.Out && e.Peer == nil:
					known[e.Proc.Name] = true
				default:
					t.Fatalf("of %d bytes: got %+v of %+v", n, e.Proc, e)
				}
			}
			b.Release()
		}
		if len(known) < most {
			t.Errorf("of %d bytes %d owners are known, of fewer %d", n, len(known), most)
		}
		most = max(most, len(known))
		s.Close()
	}
	if most != 4 {
		t.Errorf("%d owners, want sh, curl, nginx and ping", most)
	}
}

// TestFrames: what an interface took off is put back, and the snap length holds.
func TestFrames(t *testing.T) {
	frame := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	for _, c := range []struct {
		name string
		snap int
		in   capture.Frame
		want []byte
		wire uint32
	}{
		{"as it is", 0, capture.Frame{Data: frame(60), Len: 60, Link: capture.LinkEthernet}, frame(60), 60},
		{"cut by the capture", 0, capture.Frame{Data: frame(60), Len: 1500, Link: capture.LinkRaw}, frame(60), 1500},
		{"a tag", 0, capture.Frame{Data: frame(61), Len: 61, Link: capture.LinkEthernet, VLANs: true, VLAN: 0x2064}, append(append(frame(12), 0x81, 0, 0x20, 0x64), frame(49)...), 65},
		{"a tag, where there is no place for it", 0, capture.Frame{Data: frame(61), Len: 61, Link: capture.LinkSLL, VLANs: true, VLAN: 5}, frame(61), 61},
		{"snap length", 64, capture.Frame{Data: frame(100), Len: 100, Link: capture.LinkEthernet}, frame(64), 100},
		{"snap length and a tag", 64, capture.Frame{Data: frame(62), Len: 62, Link: capture.LinkEthernet, VLANs: true, VLAN: 1}, append(append(frame(12), 0x81, 0, 0, 1), frame(48)...), 66},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.TS = 1e18 + 123456789
			files := keeper(t, Config{SnapLen: c.snap}, func(k *Keeper) {
				k.buffer.judge(&event.Batch{Events: []event.Event{{Kind: event.New, ID: 1}}})
				k.buffer.take(&decode.Packets{First: 1, Frames: &capture.Frames{Frames: []capture.Frame{c.in}}, Packets: []decode.Packet{{Frame: 1}}, Labels: []decode.Label{{ID: 1}}})
			})
			got := read(t, files[0])
			if len(got) != 1 || !bytes.Equal(got[0].Data, c.want) || got[0].Len != c.wire || got[0].Link != c.in.Link || got[0].TS != c.in.TS || got[0].Dir != capture.DirUnknown {
				t.Errorf("got %+v, want %x, %d on the wire", got, c.want, c.wire)
			}
		})
	}
}

// TestNames: only what can be a host's name goes where Wireshark takes names from.
func TestNames(t *testing.T) {
	for name, want := range map[string]bool{"www.example.org": true, "_dmarc.a-b": true, "192.0.2.1": false, "a b": false, "a\x00b": false, "<b>": false,
		strings.Repeat("a", 256): false, "é": false} {
		if nameable(name) != want {
			t.Errorf("%q: got %v", name, !want)
		}
	}
}

// TestOwnerChanges: when the owner becomes another, the next packet says so.
func TestOwnerChanges(t *testing.T) {
	files := keeper(t, Config{}, func(k *Keeper) {
		for _, name := range []string{"sh", "sh", "curl"} {
			k.buffer.judge(&event.Batch{Events: []event.Event{{Kind: event.Updated, ID: 1, Proc: &event.Proc{Name: name, Source: "ebpf"}}}})
			k.buffer.take(batchOf(2, 60, func(int) uint64 { return 1 }))
		}
	})
	var said []string
	for _, k := range read(t, files[0]) {
		switch {
		case strings.Contains(k.comment, `"process":"sh"`):
			said = append(said, "sh")
		case strings.Contains(k.comment, `"process":"curl"`):
			said = append(said, "curl")
		default:
			said = append(said, k.comment)
		}
	}
	if want := []string{"sh", "", "", "", "curl", ""}; !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
}

// TestSlowDisk: live, a disk that takes nothing costs packets and holds up nobody; the stream tells how many.
func TestSlowDisk(t *testing.T) {
	k, err := New(Config{File: filepath.Join(t.TempDir(), "slow.pcapng"), Live: true}, testSchema, func(s string) { t.Error(s) })
	if err != nil {
		t.Fatal(err)
	}
	k.buffer.judge(&event.Batch{Events: []event.Event{{Kind: event.New, ID: 1}}})
	const batches = 3 * maxBlocks * blockPackets / 256
	for range batches { // and nobody takes what is handed over
		k.buffer.take(batchOf(256, 60, func(int) uint64 { return 1 }))
	}
	late := k.writer.late.Load()
	if late == 0 || late >= batches*256 {
		t.Fatalf("%d of %d packets are late", late, batches*256)
	}
	in, out := make(chan *event.Batch, 1), make(chan *event.Batch, 4)
	in <- &event.Batch{Now: 5 * second}
	close(in)
	if err := k.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	lost := uint64(0)
	for b := range out {
		for _, e := range b.Events {
			if e.Kind != event.Lost || e.LostWhere != event.InPackets {
				t.Errorf("got %+v", e)
			}
			lost += e.LostCount
		}
	}
	if lost != late || k.Records() != batches*256-late || !strings.Contains(k.Report(), fmt.Sprintf("%d lost to a slow disk", late)) {
		t.Errorf("told %d lost of %d, %d written: %s", lost, late, k.Records(), k.Report())
	}
}
