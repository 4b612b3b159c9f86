package file

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"rustnet/capture"
)

// packet is a frame with its own bytes.
type packet struct {
	TS    int64
	Data  string
	Len   uint32
	Link  capture.LinkType
	Dir   capture.Dir
	Iface capture.Interface
}

// result is what a source gave.
type result struct {
	packets []packet
	batches []int // frames in each
	lost    uint64
	stats   Stats
	err     error
}

// start runs a source of data, which hands over one batch at a time.
func start(t *testing.T, data []byte) (*Source, <-chan *capture.Frames, <-chan error) {
	t.Helper()
	s, err := NewSource("x", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan *capture.Frames)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), out) }()
	return s, out, done
}

// collect runs s to its end.
func collect(s *Source) (r result) {
	out := make(chan *capture.Frames, 4)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), out) }()
	for f := range out {
		r.batches = append(r.batches, len(f.Frames))
		r.lost += f.Lost
		for i := range f.Frames {
			fr := &f.Frames[i]
			r.packets = append(r.packets, packet{fr.TS, string(fr.Data), fr.Len, fr.Link, fr.Dir, *fr.Iface})
		}
		f.Release()
	}
	r.err = <-done
	r.stats = s.Stats()
	return r
}

// readAll opens data as a capture and reads it to its end; r.err is also what opening it said.
func readAll(data []byte) result {
	s, err := NewSource("x", bytes.NewReader(data))
	if err != nil {
		return result{err: err}
	}
	defer s.Close()
	return collect(s)
}

// readFile does the same by way of a regular file.
func readFile(t *testing.T, data []byte) result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		return result{err: err}
	}
	defer s.Close()
	return collect(s)
}

// wantError holds err against text, "" being no error.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Errorf("got error %q, want none", err)
	case text != "" && (err == nil || !strings.Contains(err.Error(), text)):
		t.Errorf("got error %v, want one with %q", err, text)
	}
}

func smallPcap(packets int) []byte {
	f := newPcapFile(false, 1000, 1)
	for i := range packets {
		f.packet(uint32(i), 0, payload(i), len(payload(i)))
	}
	return f.Bytes()
}

func payload(i int) []byte { return fmt.Appendf(nil, "packet %d %s", i, strings.Repeat("x", i%7)) }

// bigPcap is several slabs long, with records of all sizes up to the greatest.
func bigPcap() []byte {
	f := newPcapFile(false, 1, 1)
	data := make([]byte, 262144)
	for i := range 3000 {
		for j := range 8 {
			data[j] = byte(i >> (8 * j))
		}
		n := 8 + i*37%1500
		if i%1000 == 999 {
			n = 262144 - i%5
		}
		f.packet(uint32(i), uint32(i), data[:n], n)
	}
	return f.Bytes()
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zstded(data []byte, opts ...zstd.EOption) []byte {
	w, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(data, nil)
}

// zstdStream has small blocks, so that a cut end still leaves whole ones.
func zstdStream(data []byte) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		panic(err)
	}
	for len(data) > 0 {
		n := min(len(data), 100)
		w.Write(data[:n])
		w.Flush()
		data = data[n:]
	}
	w.Close()
	return b.Bytes()
}

func TestBigFileKeepsEveryByte(t *testing.T) {
	data := bigPcap()
	got := readFile(t, data)
	wantError(t, got.err, "")
	if len(got.packets) != 3000 {
		t.Fatalf("got %d packets, want 3000", len(got.packets))
	}
	at := pcapFileHeader
	for i, p := range got.packets {
		n := int(le.Uint32(data[at+8:]))
		at += pcapRecordHeader
		if p.Data != string(data[at:at+n]) || p.TS != int64(i)*1_000_000_001 {
			t.Fatalf("packet %d: got %d bytes at %d ns, want the %d of the file", i, len(p.Data), p.TS, n)
		}
		at += n
	}
	if got.stats.Offset != int64(len(data)) || got.stats.Size != int64(len(data)) {
		t.Errorf("got offset %d of size %d, want both %d", got.stats.Offset, got.stats.Size, len(data))
	}
}

// stutter gives 1, 2, 3, … bytes at a time, and sometimes none.
type stutter struct {
	r io.Reader
	n int
}

func (s *stutter) Read(p []byte) (int, error) {
	s.n++
	if s.n%5 == 0 {
		return 0, nil
	}
	return s.r.Read(p[:min(len(p), s.n%3000)])
}

func TestReadSizesDoNotMatter(t *testing.T) {
	for name, data := range map[string][]byte{"pcap": bigPcap(), "pcapng": richPcapng()} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSource("x", &stutter{r: bytes.NewReader(data)})
			if err != nil {
				t.Fatal(err)
			}
			got, want := collect(s), readFile(t, data)
			if !reflect.DeepEqual(got.packets, want.packets) || got.lost != want.lost {
				t.Errorf("got %d packets, want the %d that one piece gives", len(got.packets), len(want.packets))
			}
			wantError(t, got.err, "")
		})
	}
}

// TestBatchesDependOnBytesOnly reads the same file with readers of every speed.
func TestBatchesDependOnBytesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, bigPcap(), 0o600); err != nil {
		t.Fatal(err)
	}
	var want []int
	for held := range 6 { // how many batches the reader sits on
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		out := make(chan *capture.Frames)
		done := make(chan error, 1)
		go func() { done <- s.Run(context.Background(), out) }()
		var got []int
		var holding []*capture.Frames
		for f := range out {
			got = append(got, len(f.Frames))
			large := len(f.Frames[0].Data) > slabSize/2
			// A batch with one of the greatest records keeps its slab to itself: let go of those.
			if holding = append(holding, f); len(holding) > held {
				holding[0].Release()
				holding = holding[1:]
			}
			if large {
				for _, h := range holding {
					h.Release()
				}
				holding = nil
			}
		}
		for _, h := range holding {
			h.Release()
		}
		wantError(t, <-done, "")
		s.Close()
		if want == nil {
			want = got
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("holding %d: got batches of %v, want %v", held, got, want)
		}
	}
}

func TestBatchIsNotReusedBeforeItIsReleased(t *testing.T) {
	data := bigPcap()
	s, err := NewSource("x", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan *capture.Frames)
	go s.Run(context.Background(), out)
	var held []*capture.Frames
	var want [][]string
	for len(held) < 5 {
		f := <-out
		var c []string
		for i := range f.Frames {
			c = append(c, string(f.Frames[i].Data))
		}
		held, want = append(held, f), append(want, c)
	}
	for range 3 { // the source goes on with what is given back to it
		(<-out).Release()
	}
	for i, f := range held {
		for j := range f.Frames {
			if string(f.Frames[j].Data) != want[i][j] {
				t.Fatalf("batch %d frame %d changed while it was held", i, j)
			}
		}
		f.Release()
	}
	for f := range out {
		f.Release()
	}
	if made := s.pool.slabsMade; made > maxSlabs {
		t.Errorf("got %d slabs, want at most %d", made, maxSlabs)
	}
}

// TestMemoryIsBounded lets the reader keep everything: the source stops by itself and goes on when
// batches come back.
func TestMemoryIsBounded(t *testing.T) {
	f := newPcapFile(false, 1, 1)
	for i := range 200_000 {
		f.packet(uint32(i), 0, make([]byte, 20), 20) // so that batches are used up before slabs
	}
	s, err := NewSource("x", bytes.NewReader(f.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan *capture.Frames, 4*maxBatches)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), out) }()
	for len(out) < maxBatches {
		select {
		case err := <-done:
			t.Fatalf("Run returned %v with %d batches out", err, len(out))
		case <-time.After(time.Millisecond):
		}
	}
	time.Sleep(20 * time.Millisecond)
	if n := len(out); n != maxBatches {
		t.Errorf("got %d batches out, want %d", n, maxBatches)
	}
	n := 0
	for f := range out {
		n += len(f.Frames)
		f.Release()
	}
	wantError(t, <-done, "")
	if n != 200_000 {
		t.Errorf("got %d packets, want 200000", n)
	}
}

// TestSlabsGrowWithPackets: slabs are small until a packet needs more, and then wide enough for all that may follow.
func TestSlabsGrowWithPackets(t *testing.T) {
	for _, tt := range []struct {
		name       string
		size, want int
	}{{"of an Ethernet", 1514, smallSlab}, {"put together", 100 << 10, slabSize}} {
		t.Run(tt.name, func(t *testing.T) {
			f := newPcapFile(false, 1, 1)
			for i := range 100 {
				f.packet(uint32(i), 0, bytes.Repeat([]byte{byte(i)}, tt.size), tt.size)
			}
			s, out, done := start(t, f.Bytes())
			n := 0
			for f := range out {
				for i := range f.Frames {
					if d := f.Frames[i].Data; len(d) != tt.size || d[0] != byte(n) || d[tt.size-1] != byte(n) {
						t.Fatalf("packet %d: got %d bytes of %d", n, len(d), d[0])
					}
					n++
				}
				f.Release()
			}
			wantError(t, <-done, "")
			if n != 100 || s.pool.size != tt.want || len(s.pool.large) != 0 {
				t.Errorf("got %d packets in slabs of %d, %d of them beyond that; want 100, %d, 0", n, s.pool.size, len(s.pool.large), tt.want)
			}
		})
	}
}

// TestHugeRecordsOneAtATime: each record is a slab of its own, and the next waits for it.
func TestHugeRecordsOneAtATime(t *testing.T) {
	f := startPcap(false, pcapMicros, 2, 4, 4<<20, 189)
	for i := range 5 {
		f.packet(uint32(i), 0, bytes.Repeat([]byte{byte(i)}, 3<<20), 3<<20)
		f.packet(uint32(i), 0, []byte{byte(i)}, 1)
	}
	_, out, done := start(t, f.Bytes())
	n := 0
	for f := range out {
		for i := range f.Frames {
			fr := &f.Frames[i]
			if want := []int{3 << 20, 1}[n%2]; len(fr.Data) != want || fr.Data[want-1] != byte(n/2) {
				t.Fatalf("packet %d: got %d bytes, want %d of %d", n, len(fr.Data), want, n/2)
			}
			n++
		}
		if len(f.Frames[0].Data) > slabSize {
			select {
			case other := <-out:
				if len(other.Frames[0].Data) > slabSize {
					t.Error("two huge slabs are out at the same time")
				}
				n += len(other.Frames)
				other.Release()
			case <-time.After(10 * time.Millisecond):
			}
		}
		f.Release()
	}
	wantError(t, <-done, "")
	if n != 10 {
		t.Errorf("got %d packets, want 10", n)
	}
}

func TestCompressed(t *testing.T) {
	plain := bigPcap()
	want := readFile(t, plain)
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}, zstded(plain)...)
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"gzip", gzipped(plain)},
		{"gzip in two members", append(gzipped(plain[:5000]), gzipped(plain[5000:])...)},
		{"zstd", zstded(plain)},
		{"zstd stream", zstdStream(plain[:pcapFileHeader+3000])},
		{"zstd after a skippable frame", skippable},
		{"zstd in two frames", append(zstded(plain[:5000]), zstded(plain[5000:])...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "zstd stream" {
				got, want := readAll(tt.data), readAll(plain[:pcapFileHeader+3000])
				if !reflect.DeepEqual(got.packets, want.packets) || len(got.packets) == 0 {
					t.Errorf("got %d packets, want %d", len(got.packets), len(want.packets))
				}
				return
			}
			got := readFile(t, tt.data)
			wantError(t, got.err, "")
			if !reflect.DeepEqual(got.packets, want.packets) {
				t.Errorf("got %d packets, want the same %d as without compression", len(got.packets), len(want.packets))
			}
			if got.stats.Size != int64(len(tt.data)) || got.stats.Offset != got.stats.Size {
				t.Errorf("got offset %d of %d, want the compressed size %d", got.stats.Offset, got.stats.Size, len(tt.data))
			}
		})
	}
}

func TestDamagedCompression(t *testing.T) {
	plain := smallPcap(2000)
	gz, zs := gzipped(plain), zstdStream(plain)
	broken := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0xff
		return b
	}
	for _, tt := range []struct {
		name string
		data []byte
		some bool // packets are whole before the damage
		cut  bool
		err  string
	}{
		{"gzip cut", gz[:len(gz)/2], true, true, "gzip data cut off after packet"},
		{"gzip without its trailer", gz[:len(gz)-8], true, true, "gzip data cut off after packet 2000;"},
		{"gzip checksum", broken(gz, len(gz)-6), true, false, "damaged gzip data: gzip: invalid checksum"},
		{"gzip header cut", gz[:5], false, true, "x: gzip data cut off"},
		{"gzip of nothing", gzipped(nil), false, false, "x: it is empty"},
		{"gzip of text", gzipped([]byte("hello world, this is not a capture")), false, false, "not a pcap or pcapng file (starts with 68 65 6c 6c)"},
		{"gzip of half a header", gzipped(plain[:10]), false, true, "cut off in the file header (only 10 bytes)"},
		{"gzip of half a packet", gzipped(plain[:len(plain)-1]), true, true, "cut off in the middle of packet 2000 (at byte"},
		{"zstd cut", zs[:len(zs)/2], true, true, "zstd data cut off after packet"},
		{"zstd header cut", zs[:5], false, true, "x: zstd data cut off"},
		{"zstd checksum", broken(zs, len(zs)-2), true, false, "damaged zstd data"},
		{"zstd window", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0}, false, false, "zstd window greater than 128 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readAll(tt.data)
			wantError(t, got.err, tt.err)
			if errors.Is(got.err, io.ErrUnexpectedEOF) != tt.cut {
				t.Errorf("got %v, want it to wrap io.ErrUnexpectedEOF: %v", got.err, tt.cut)
			}
			if len(got.packets) > 0 != tt.some {
				t.Errorf("got %d packets, want some: %v", len(got.packets), tt.some)
			}
			for i, p := range got.packets {
				if p.Data != string(payload(i)) {
					t.Fatalf("packet %d is wrong: %q", i, p.Data)
				}
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, path, err string
		is              error
	}{
		{"directory", dir, dir + ": it is a directory, not a capture file", nil},
		{"missing", filepath.Join(dir, "nope"), "no such file or directory", os.ErrNotExist},
		{"empty", write("empty", ""), "empty: it is empty", nil},
		{"text", write("text", "hello"), "text: not a pcap or pcapng file (starts with 68 65 6c 6c)", nil},
		{"one byte", write("one", "\xd4"), "one: not a pcap or pcapng file (starts with d4)", nil},
		{"random", write("random", "\x00\x01\x02\x03\x04"), "not a pcap or pcapng file (starts with 00 01 02 03)", nil},
		{"xz", write("xz", "\xfd7zXZ\x00\x00\x04"), "xz: not a pcap or pcapng file but compressed by xz (try: xz -dc FILE | rustnet -r -)", nil},
		{"records", write("records", `{"v":1}`), "records: not a pcap or pcapng file but lines of JSON (--from reads records)", nil},
		{"magic only", write("magic", "\xd4\xc3\xb2\xa1"), "cut off in the file header (only 4 bytes)", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(tt.path)
			if err == nil {
				s.Close()
			}
			wantError(t, err, tt.err)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want it to wrap %v", err, tt.is)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line", err)
			}
		})
	}
}

// TestReadError: the disk fails in the middle.
func TestReadError(t *testing.T) {
	data := smallPcap(10)
	r := io.MultiReader(bytes.NewReader(data[:len(data)-3]), failing{})
	s, err := NewSource("x", r)
	if err != nil {
		t.Fatal(err)
	}
	got := collect(s)
	wantError(t, got.err, "x: read after packet 9: input/output error; everything before it was read")
	if !errors.Is(got.err, syscall.EIO) || len(got.packets) != 9 {
		t.Errorf("got %d packets and %v, want 9 and EIO", len(got.packets), got.err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, syscall.EIO }

// TestStreams: each packet written to a pipe comes out before the next is written.
func TestStreams(t *testing.T) {
	for name, data := range map[string][]byte{
		"pcap":   smallPcap(600),
		"pcapng": plainPcapng(600),
		"zstd":   zstdStream(smallPcap(600)),
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			writes := cutAtPackets(name, data)
			w.Write(data[:writes[0]])
			s, err := NewSource("pipe", r)
			if err != nil {
				t.Fatal(err)
			}
			out := make(chan *capture.Frames)
			done := make(chan error, 1)
			go func() { done <- s.Run(context.Background(), out) }()
			for i := range len(writes) - 1 {
				w.Write(data[writes[i]:writes[i+1]])
				if name == "zstd" {
					continue // blocks are not packets
				}
				select {
				case f := <-out:
					if len(f.Frames) != 1 || string(f.Frames[0].Data) != string(payload(i)) {
						t.Fatalf("packet %d: got %d frames, the first %q", i, len(f.Frames), f.Frames[0].Data)
					}
					f.Release()
				case <-time.After(60 * time.Second):
					t.Fatalf("packet %d did not come out", i)
				}
			}
			w.Close()
			n := 0
			for f := range out {
				n += len(f.Frames)
				f.Release()
			}
			wantError(t, <-done, "")
			if name == "zstd" && n != 600 || name != "zstd" && n != 0 {
				t.Errorf("got %d packets at the end", n)
			}
		})
	}
}

// cutAtPackets gives the places where packets of a file of payload(0), payload(1), … end.
func cutAtPackets(name string, data []byte) (places []int) {
	switch name {
	case "pcap":
		places = []int{pcapFileHeader}
		for at := pcapFileHeader; at < len(data); {
			at += pcapRecordHeader + int(le.Uint32(data[at+8:]))
			places = append(places, at)
		}
	case "pcapng":
		for at := 0; at < len(data); {
			kind := le.Uint32(data[at:])
			if kind == blockPacket && places == nil {
				places = []int{at}
			}
			at += int(le.Uint32(data[at+4:]))
			if kind == blockPacket {
				places = append(places, at)
			}
		}
	default:
		places = []int{len(data) / 2, len(data)}
	}
	return places
}

// TestStop ends Run in each place where it can wait.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent uint64
		wait func(out chan *capture.Frames) // until Run waits there
	}{
		{"in Read", 3, func(out chan *capture.Frames) {
			(<-out).Release()
			time.Sleep(5 * time.Millisecond)
		}},
		{"in send", 0, func(chan *capture.Frames) { time.Sleep(20 * time.Millisecond) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			w.Write(smallPcap(3))
			s, err := NewSource("pipe", r)
			if err != nil {
				t.Fatal(err)
			}
			stop, cancel := context.WithCancel(context.Background())
			out := make(chan *capture.Frames)
			done := make(chan error, 1)
			go func() { done <- s.Run(stop, out) }()
			tt.wait(out)
			cancel()
			select {
			case err := <-done:
				wantError(t, err, "")
			case <-time.After(60 * time.Second):
				t.Fatal("Run did not return")
			}
			if _, open := <-out; open {
				t.Error("got a batch after Run returned, want the channel closed")
			}
			if got := s.Stats().Packets; got != tt.sent {
				t.Errorf("got %d packets counted, want the %d that were sent", got, tt.sent)
			}
			s.Close()
			r.Close() // lets the reading goroutine go
		})
	}
}

func TestStopWhileAllBatchesAreOut(t *testing.T) {
	s, err := NewSource("x", bytes.NewReader(smallPcap(40_000)))
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	out := make(chan *capture.Frames, 2*maxBatches)
	done := make(chan error, 1)
	go func() { done <- s.Run(stop, out) }()
	for len(out) < maxBatches {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Millisecond)
	cancel()
	wantError(t, <-done, "")
	n := uint64(0)
	for f := range out {
		n += uint64(len(f.Frames))
		f.Release()
	}
	if got := s.Stats().Packets; got != n {
		t.Errorf("got %d packets counted, want the %d that were sent", got, n)
	}
}

// TestEach: what Run sends is yielded one by one, up to the end, or until no more is wanted.
func TestEach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	data := bigPcap()
	if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	want := readFile(t, data[:len(data)-1]).batches
	for _, wanted := range []int{1, 2, len(want), len(want) + 1} {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Ready() {
			t.Error("got a file that is not ready, want it to be")
		}
		var got []int
		read := uint64(0)
		err = s.Each(context.Background(), func(f *capture.Frames) bool {
			got = append(got, len(f.Frames))
			read += uint64(len(f.Frames))
			if n := s.Stats().Packets; n != read {
				t.Errorf("got %d packets counted, want the %d that were yielded", n, read)
			}
			f.Release()
			return len(got) < wanted
		})
		if wanted > len(want) {
			wantError(t, err, "cut off in the middle of packet")
		} else {
			wantError(t, err, "")
		}
		if n := min(wanted, len(want)); !reflect.DeepEqual(got, want[:n]) {
			t.Errorf("got batches of %v, want %v", got, want[:n])
		}
		if s.pool.slabsMade > 2 { // it reads where it has just read: one more was for the greatest records
			t.Errorf("got %d slabs in use, want 2 at most", s.pool.slabsMade)
		}
		s.Close()
	}
}

// TestReady: who would have to wait says so.
func TestReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, gzipped(smallPcap(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	stream, err := NewSource("x", bytes.NewReader(smallPcap(3)))
	if err != nil {
		t.Fatal(err)
	}
	if packed.Ready() || stream.Ready() {
		t.Errorf("got %v for what must be unpacked and %v for a stream, want false", packed.Ready(), stream.Ready())
	}
}

func TestFilter(t *testing.T) {
	data := bigPcap()
	all := readFile(t, data)
	for _, tt := range []struct {
		name string
		keep func(capture.LinkType, *capture.Frame) bool
	}{
		{"some", func(l capture.LinkType, f *capture.Frame) bool { return l == capture.LinkEthernet && f.Len%3 == 0 }},
		{"none", func(capture.LinkType, *capture.Frame) bool { return false }},
		{"all", func(capture.LinkType, *capture.Frame) bool { return true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewSource("x", bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			s.SetFilter(tt.keep)
			got := collect(s)
			wantError(t, got.err, "")
			var want []packet
			for _, p := range all.packets {
				if tt.keep(p.Link, &capture.Frame{Len: p.Len}) {
					want = append(want, p)
				}
			}
			if !reflect.DeepEqual(got.packets, want) {
				t.Errorf("got %d packets, want %d", len(got.packets), len(want))
			}
			if got.stats.Packets != 3000 || got.stats.Filtered != uint64(3000-len(want)) || got.stats.Bytes != all.stats.Bytes {
				t.Errorf("got %+v, want 3000 packets, %d filtered, %d bytes", got.stats, 3000-len(want), all.stats.Bytes)
			}
			for _, n := range got.batches {
				if n == 0 {
					t.Error("got a batch that says nothing")
				}
			}
		})
	}
}

// TestComments: our own comments come with their frames, whatever the filter takes out and however much is there of the file.
func TestComments(t *testing.T) {
	f := new(ngFile)
	f.section(false)
	f.iface(1, 0)
	const packets = 1000 // of several batches
	own := func(i int) string { return fmt.Sprintf("%s%d}", capture.CommentMark, i) }
	for i := range packets {
		opts := []ngOption{option(1, "somebody's"), option(1, `rustnet {"process":"x"}`)}
		if i%3 == 0 {
			opts = append(opts, option(1, own(i)), option(2, uint32(1)))
		}
		if i%6 == 0 {
			opts = append(opts, option(1, own(-i)))
		}
		f.packet(0, uint64(i), payload(i), len(payload(i)), opts...)
	}
	data := f.Bytes()
	for name, keep := range map[string]func(i uint64) bool{"all": nil, "some": func(i uint64) bool { return i%4 != 1 }, "few": func(i uint64) bool { return i%90 == 0 }, "none": func(uint64) bool { return false }} {
		for _, size := range []int{len(data), len(data) * 2 / 3, len(data) - 9, 3000} {
			s, err := NewSource("x", bytes.NewReader(data[:size]))
			if err != nil {
				t.Fatal(err)
			}
			if keep != nil {
				s.SetFilter(func(_ capture.LinkType, fr *capture.Frame) bool { return keep(uint64(fr.TS / 1000)) })
			}
			out := make(chan *capture.Frames)
			go s.Run(context.Background(), out)
			seen := uint64(0)
			for b := range out {
				said := b.Comments
				for i := range b.Frames {
					n := b.Frames[i].TS / 1000
					seen++
					var want, got []string
					if n%3 == 0 {
						want = append(want, own(int(n)))
					}
					if n%6 == 0 {
						want = append(want, own(int(-n)))
					}
					for len(said) > 0 && said[0].Frame == i {
						got, said = append(got, string(said[0].Text)), said[1:]
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%s: packet %d has %q, want %q", name, n, got, want)
					}
				}
				if len(said) > 0 {
					t.Fatalf("%s: %d comments are of no packet", name, len(said))
				}
				b.Release()
			}
			if st := s.Stats(); seen != st.Packets-st.Filtered || st.Packets == 0 {
				t.Errorf("%s: %d packets, %+v", name, seen, st)
			}
			s.Close()
		}
	}
}

// TestRecorded: only what says that rustnet wrote it has owners.
func TestRecorded(t *testing.T) {
	section := func(bigEndian bool, opts ...ngOption) []byte {
		f := &ngFile{order: byteOrder(bigEndian)}
		f.block(blockSection, f.u32(byteOrderMagic), f.u16(1, 0), f.u64(math.MaxUint64), f.options(opts))
		return f.Bytes()
	}
	whole := section(false, option(3, "Linux"), option(4, "rustnet"))
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"ours": {whole, true}, "big-endian": {section(true, option(4, "rustnet")), true}, "compressed": {gzipped(whole), true}, "another's": {section(false, option(4, "dumpcap")), false},
		"nobody's": {plainPcapng(3), false}, "pcap": {smallPcap(2), false}, "cut": {whole[:40], false}, "short": {whole[:9], false}, "empty": {nil, false}, "no capture": {[]byte(strings.Repeat("x", 5000)), false},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Recorded(path); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if Recorded(t.TempDir()) || Recorded("absent") || Recorded("-") {
		t.Error("what is no file is taken for ours")
	}
}

// TestNoAllocations: parsing and sending cost no allocation for a frame, only for the first batches.
func TestNoAllocations(t *testing.T) {
	for name, data := range map[string][]byte{"pcap": smallPcap(200), "pcapng": plainPcapng(200)} {
		format, at, err := newFormat(data[:headLen])
		if err != nil {
			t.Fatal(err)
		}
		frames := capture.NewFrames(func(*capture.Frames) {})
		frames.Frames = make([]capture.Frame, 0, batchFrames)
		used, _, err := format.parse(data[at:], frames) // takes in interfaces
		if err != nil || len(frames.Frames) != 200 {
			t.Fatalf("%s: got %d packets and error %v, want 200", name, len(frames.Frames), err)
		}
		packets := data[at:]
		if name == "pcapng" {
			packets = data[cutAtPackets(name, data)[0]:]
		}
		if n := testing.AllocsPerRun(100, func() {
			frames.Frames = frames.Frames[:0]
			_, _, _ = format.parse(packets, frames)
		}); n != 0 || used == 0 {
			t.Errorf("%s: parsing allocates %v times for 200 packets, want 0", name, n)
		}
	}

	data := smallPcap(300_000)
	s, err := NewSource("x", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan *capture.Frames)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go s.Run(context.Background(), out)
	n := 0
	for f := range out {
		n += len(f.Frames)
		f.Release()
	}
	runtime.ReadMemStats(&after)
	if got := after.Mallocs - before.Mallocs; got > 500 || n != 300_000 {
		t.Errorf("got %d allocations for %d packets, want no more than the pool's", got, n)
	}
}

func TestDuration(t *testing.T) {
	data := smallPcap(10)
	all := readAll(data)
	step := time.Duration(all.packets[1].TS - all.packets[0].TS)
	s, err := NewSource("test", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	s.SetDuration(3 * step)
	got := collect(s)
	if got.err != nil || len(got.packets) != 3 {
		t.Errorf("got %d packets and %v, want the first 3", len(got.packets), got.err)
	}
	if n := s.Stats().Packets; n != 3 {
		t.Errorf("counted %d packets, want 3", n)
	}
}
