package live

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The layouts that the systems have on amd64 and arm64, by their <net/bpf.h>.
var recordLayouts = map[string]recordLayout{
	"macOS":           {sec: 0, usec: 4, captured: 8, wire: 12, header: 16, align: 4},
	"OpenBSD":         {sec: 0, usec: 4, captured: 8, wire: 12, header: 16, align: 4},
	"FreeBSD, NetBSD": {sec: 0, usec: 8, captured: 16, wire: 20, header: 24, wide: true, align: 8},
}

// made writes a record as the kernel does: header says how long it is with what pads it, so that the network header is aligned.
func (l *recordLayout) made(b []byte, sec, usec uint64, data []byte, wire uint32, header int) []byte {
	for len(b)%l.align != 0 {
		b = append(b, 0xee)
	}
	h := make([]byte, header)
	if l.wide {
		binary.NativeEndian.PutUint64(h[l.sec:], sec)
		binary.NativeEndian.PutUint64(h[l.usec:], usec)
	} else {
		binary.NativeEndian.PutUint32(h[l.sec:], uint32(sec))
		binary.NativeEndian.PutUint32(h[l.usec:], uint32(usec))
	}
	binary.NativeEndian.PutUint32(h[l.captured:], uint32(len(data)))
	binary.NativeEndian.PutUint32(h[l.wire:], wire)
	binary.NativeEndian.PutUint16(h[l.header:], uint16(header))
	return append(append(b, h...), data...)
}

// read gives what each makes of a buffer, a line each.
func (l *recordLayout) read(b []byte) (lines []string, n int, broken bool) {
	n, broken = l.each(b, func(data []byte, ts int64, wire uint32) {
		lines = append(lines, fmt.Sprintf("%d.%06d %q of %d", ts/1e9, ts%1e9/1e3, data, wire))
	})
	return lines, n, broken
}

func TestRecords(t *testing.T) {
	for name, l := range recordLayouts {
		t.Run(name, func(t *testing.T) {
			header := l.size() + 6
			b := l.made(nil, 1_700_000_000, 999_999, []byte("whole"), 5, l.size())
			b = l.made(b, 1_700_000_001, 0, []byte("cut"), 1500, header)
			b = l.made(b, 4_000_000_000, 1, nil, 60, header) // after 2038
			b = l.made(b, 1_700_000_002, 7, []byte("last"), 4, header)
			want := []string{`1700000000.999999 "whole" of 5`, `1700000001.000000 "cut" of 1500`, `4000000000.000001 "" of 60`, `1700000002.000007 "last" of 4`}
			got, n, broken := l.read(b)
			if !slices.Equal(got, want) || n != len(want) || broken {
				t.Fatalf("got %d, broken %v:\n%s", n, broken, strings.Join(got, "\n"))
			}
			// What is cut anywhere gives the records before, and says that it is broken but between two.
			for i := range b {
				got, n, broken := l.read(b[:i])
				if n > len(want) || !slices.Equal(got, want[:n]) {
					t.Fatalf("of %d bytes: got %q", i, got)
				}
				if again := l.made(bytes.Clone(b[:i]), 1, 1, nil, 0, header); !broken && i > 0 && n == 0 {
					t.Fatalf("of %d bytes: no record, and nothing wrong (%d)", i, len(again))
				}
			}
			for what, spoil := range map[string]func([]byte){
				"a length beyond the buffer": func(b []byte) { binary.NativeEndian.PutUint32(b[l.captured:], 1<<31) },
				"one past it":                func(b []byte) { binary.NativeEndian.PutUint32(b[l.captured:], uint32(len(b))) },
				"no header":                  func(b []byte) { binary.NativeEndian.PutUint16(b[l.header:], 0) },
				"a short header":             func(b []byte) { binary.NativeEndian.PutUint16(b[l.header:], uint16(l.size()-1)) },
			} {
				spoilt := bytes.Clone(b)
				spoil(spoilt)
				if got, n, broken := l.read(spoilt); !broken || n != 0 {
					t.Errorf("%s: got %q", what, got)
				}
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	for _, l := range recordLayouts {
		f.Add(l.made(l.made(nil, 1, 2, []byte("some"), 4, l.size()), 3, 4, []byte("more"), 9, l.size()+6))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, l := range recordLayouts {
			sum := 0
			n, _ := l.each(b, func(data []byte, _ int64, _ uint32) { sum += len(data) })
			if sum > len(b) || n*l.size() > len(b) {
				t.Errorf("%s: %d packets of %d bytes, of %d", name, n, sum, len(b))
			}
		}
	})
}
