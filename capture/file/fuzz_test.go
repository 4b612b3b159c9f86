package file

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"rustnet/capture"
)

// FuzzSource reads any bytes. No panic, every frame within what was read, no more memory than a few
// slabs and records, and an end.
func FuzzSource(f *testing.F) {
	f.Add(smallPcap(5))
	f.Add(plainPcapng(5))
	f.Add(richPcapng())
	f.Add(gzipped(smallPcap(5)))
	f.Add(zstded(richPcapng()))
	big := newPcapFile(true, 1, 113)
	big.packet(1, 2, payload(3), 99)
	f.Add(big.Bytes())
	kuznetzov := startPcap(false, pcapKuznetzov, 2, 3, 20, 1)
	kuznetzov.words(7, 8, 4, 4, 0, 0, 1)
	f.Add(kuznetzov.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := NewSource("x", bytes.NewReader(data))
		if err != nil {
			return
		}
		defer s.Close()
		out := make(chan *capture.Frames)
		done := make(chan error, 1)
		go func() { done <- s.Run(context.Background(), out) }()
		for b := range out {
			if len(b.Frames) == 0 && b.Lost == 0 || len(b.Frames) > batchFrames {
				t.Errorf("got a batch of %d frames and %d lost", len(b.Frames), b.Lost)
			}
			checkFrames(t, b)
			for i, c := range b.Comments {
				if c.Frame >= len(b.Frames) || i > 0 && c.Frame < b.Comments[i-1].Frame || !bytes.HasPrefix(c.Text, []byte(capture.CommentMark)) {
					t.Errorf("comment %d is %q, of frame %d of %d", i, c.Text, c.Frame, len(b.Frames))
				}
			}
			b.Release()
		}
		<-done
		inHand := 0
		if s.batch != nil {
			inHand = 1
		}
		if free := len(s.pool.batches); free+inHand != s.pool.batchesMade {
			t.Errorf("%d of %d batches came back", free+inHand, s.pool.batchesMade)
		}
	})
}

func checkFrames(t *testing.T, b *capture.Frames) {
	t.Helper()
	for i := range b.Frames {
		fr := &b.Frames[i]
		switch {
		case len(fr.Data) > maxRecord || cap(fr.Data) > len(fr.Data) && len(fr.Data) > 0:
			t.Errorf("frame %d has %d bytes and room for %d", i, len(fr.Data), cap(fr.Data))
		case int(fr.Len) < len(fr.Data) || fr.TS < 0 || fr.TS > maxTime || fr.Iface == nil || fr.Iface.Link != fr.Link:
			t.Errorf("frame %d is wrong: %+v", i, *fr)
		}
	}
}

// FuzzParse gives any bytes to the parsers as a slab would hold them.
func FuzzParse(f *testing.F) {
	f.Add(smallPcap(5))
	f.Add(richPcapng())
	frames := capture.NewFrames(func(*capture.Frames) {})
	frames.Frames = make([]capture.Frame, 0, batchFrames)
	f.Fuzz(func(t *testing.T, data []byte) {
		format, at, err := newFormat(data[:min(len(data), headLen)])
		if err != nil {
			return
		}
		for {
			frames.Frames = frames.Frames[:0]
			used, need, err := format.parse(data[at:], frames)
			if used < 0 || used > len(data)-at {
				t.Fatalf("used %d of %d bytes", used, len(data)-at)
			}
			from, to := address(data[at:]), address(data[at:])+uintptr(used)
			for i := range frames.Frames {
				d := frames.Frames[i].Data
				if p := address(d); len(d) > 0 && (p < from || p+uintptr(len(d)) > to) {
					t.Fatalf("frame %d is outside of the bytes used", i)
				}
			}
			checkFrames(t, frames)
			at += used
			if need > 0 && need <= len(data)-at || need > maxRecord+pcapRecordHeader+8 {
				t.Fatalf("%d bytes are left and it needs %d", len(data)-at, need)
			}
			if need == 0 && err == nil && len(frames.Frames) < batchFrames {
				t.Fatalf("stopped after %d frames for no reason", len(frames.Frames))
			}
			if need > 0 || err != nil {
				return
			}
		}
	})
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// TestLyingLengthsAllocateNothing: a header that promises much, with little behind it.
func TestLyingLengthsAllocateNothing(t *testing.T) {
	pcap := startPcap(false, pcapMicros, 2, 4, 0, 189)
	pcap.words(0, 0, maxRecord, maxRecord)
	ng := new(ngFile)
	ng.section(false)
	ng.Write(ng.u32(blockPacket, maxRecord))
	for i, head := range [][]byte{pcap.Bytes(), ng.Bytes()} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			data := append(head, make([]byte, 100<<10)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := readAll(data)
			runtime.ReadMemStats(&after)
			wantError(t, got.err, "cut off in the middle of packet 1 (at byte")
			if n := after.TotalAlloc - before.TotalAlloc; n > 4*slabSize {
				t.Errorf("allocated %d bytes for a file of %d, want at most %d", n, len(data), 4*slabSize)
			}
		})
	}
	t.Run("true length", func(t *testing.T) {
		got := readAll(append(bytes.Clone(pcap.Bytes()), make([]byte, maxRecord)...))
		wantError(t, got.err, "")
		if len(got.packets) != 1 || len(got.packets[0].Data) != maxRecord {
			t.Errorf("got %d packets, want one of %d bytes", len(got.packets), maxRecord)
		}
	})
}
