package file

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"

	"rustnet/capture"
)

const benchPackets = 500_000

// benchPcap and benchPcapng hold packets of 340 bytes on average, from 60 to 1500.
func benchPcap() []byte {
	f := newPcapFile(false, 1000, 1)
	eachBenchPacket(func(i int, data []byte) {
		f.packet(uint32(1_700_000_000+i/1000), uint32(i%1000*1000), data, len(data))
	})
	return f.Bytes()
}

func benchPcapng() []byte {
	f := new(ngFile)
	f.section(false)
	f.iface(1, 0, option(2, "eth0"), option(9, "\x09"))
	eachBenchPacket(func(i int, data []byte) {
		f.packet(0, 1_700_000_000_000_000_000+uint64(i)*1000, data, len(data))
	})
	return f.Bytes()
}

func eachBenchPacket(give func(i int, data []byte)) {
	sizes := []int{60, 66, 66, 1500, 60, 74, 90, 420, 66, 998} // mean 340
	data := bytes.Repeat([]byte{0xab}, 1500)
	for i := range benchPackets {
		give(i, data[:sizes[i*7%len(sizes)]])
	}
}

// BenchmarkParse is the cost of parsing alone, of a slab that read(2) has just left in the cache.
func BenchmarkParse(b *testing.B) {
	for _, bm := range []struct {
		name string
		data []byte
	}{{"pcap", benchPcap()[:slabSize]}, {"pcapng", benchPcapng()[:slabSize]}} {
		b.Run(bm.name, func(b *testing.B) {
			frames := capture.NewFrames(func(*capture.Frames) {})
			frames.Frames = make([]capture.Frame, 0, batchFrames)
			packets := 0
			b.SetBytes(int64(len(bm.data)))
			b.ReportAllocs()
			for b.Loop() {
				format, at, err := newFormat(bm.data[:headLen])
				if err != nil {
					b.Fatal(err)
				}
				for need := 0; need == 0; {
					var used int
					if used, need, err = format.parse(bm.data[at:], frames); err != nil {
						b.Fatal(err)
					}
					at += used
					packets += len(frames.Frames)
					frames.Frames = frames.Frames[:0]
				}
			}
			perPacket(b, packets)
		})
	}
}

// BenchmarkRun reads a file from disk (from the page cache, that is) through a channel, which is
// what the pipeline pays; read is the part of it that is read(2).
func BenchmarkRun(b *testing.B) {
	for _, bm := range []struct {
		name string
		data []byte
	}{{"pcap", benchPcap()}, {"pcapng", benchPcapng()}} {
		path := filepath.Join(b.TempDir(), "bench")
		if err := os.WriteFile(path, bm.data, 0o600); err != nil {
			b.Fatal(err)
		}
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.data)))
			b.ReportAllocs()
			for b.Loop() {
				if n := countPackets(b, path); n != benchPackets {
					b.Fatalf("got %d packets, want %d", n, benchPackets)
				}
			}
			perPacket(b, b.N*benchPackets)
		})
		b.Run(bm.name+"/read", func(b *testing.B) {
			b.SetBytes(int64(len(bm.data)))
			buf := make([]byte, slabSize)
			for b.Loop() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = f.Read(buf)
				}
				f.Close()
			}
			perPacket(b, b.N*benchPackets)
		})
	}
}

func countPackets(tb testing.TB, path string) (n int) {
	s, err := Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	out := make(chan *capture.Frames, 8)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), out) }()
	for f := range out {
		n += len(f.Frames)
		f.Release()
	}
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	return n
}

// BenchmarkPcapgo is gopacket's reader on the same bytes.
func BenchmarkPcapgo(b *testing.B) {
	type reader interface {
		ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	}
	for _, bm := range []struct {
		name string
		data []byte
		open func(io.Reader) (reader, error)
	}{
		{"pcap", benchPcap(), func(r io.Reader) (reader, error) { return pcapgo.NewReader(r) }},
		{"pcapng", benchPcapng(), func(r io.Reader) (reader, error) {
			return pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.data)))
			for b.Loop() {
				r, err := bm.open(bytes.NewReader(bm.data))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, _, err = r.ZeroCopyReadPacketData()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
			perPacket(b, b.N*benchPackets)
		})
	}
}

func perPacket(b *testing.B, packets int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
