package file

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"rustnet/capture"
)

func TestPcap(t *testing.T) {
	data := []byte("0123456789")
	ether := capture.Interface{Link: capture.LinkEthernet, Alone: true}
	one := func(ts int64, data string, wire uint32) []packet {
		return []packet{{TS: ts, Data: data, Len: wire, Link: 1, Iface: ether}}
	}
	// old has the record of a version whose lengths stand the other way round.
	old := func(major, minor uint16, first, second uint32) []byte {
		f := startPcap(false, pcapMicros, major, minor, 65535, 1)
		f.words(7, 8, first, second)
		f.Write(data)
		return f.Bytes()
	}
	tests := []struct {
		name string
		data []byte
		want []packet
		err  string
	}{
		{"no packets", newPcapFile(false, 1000, 1).Bytes(), nil, ""},
		{"version 2.2", old(2, 2, 12, 10), one(7_000_008_000, string(data), 12), ""},
		{"version 2.3, swapped", old(2, 3, 12, 10), one(7_000_008_000, string(data), 12), ""},
		{"version 2.3, not swapped", old(2, 3, 10, 12), one(7_000_008_000, string(data), 12), ""},
		{"version 543.0", old(543, 0, 12, 10), one(7_000_008_000, string(data), 12), ""},
		{"version 2.4 in the wrong byte order", old(0x0200, 0x0400, 10, 12), one(7_000_008_000, string(data), 12), ""},
		{"version 1.0", old(1, 0, 10, 10), nil, "x: pcap version 1.0 is not known"},
		{"version 2.5", old(2, 5, 10, 10), nil, "x: pcap version 2.5 is not known"},
	}
	for _, bigEndian := range []bool{false, true} {
		for _, unit := range []int{1, 1000} {
			f := newPcapFile(bigEndian, unit, 1)
			f.packet(1_700_000_000, 123_456, data, 1500)
			name := map[bool]string{true: "big", false: "little"}[bigEndian] + map[int]string{1: " nanos", 1000: " micros"}[unit]
			tests = append(tests, struct {
				name string
				data []byte
				want []packet
				err  string
			}{name, f.Bytes(), one(1_700_000_000_000_000_000+123_456*int64(unit), string(data), 1500), ""})
		}
	}
	add := func(name string, f *pcapFile, want []packet, err string) {
		tests = append(tests, struct {
			name string
			data []byte
			want []packet
			err  string
		}{name, f.Bytes(), want, err})
	}

	f := startPcap(false, pcapKuznetzov, 2, 4, 20, 1)
	f.words(7, 8, 10, 10, 3, 0x0800) // index, protocol, packet type, padding
	f.Write(data)
	f.words(9, 8, 40, 40, 3, 0x0800)
	f.Write(make([]byte, 40))
	add("Kuznetzov", f, append(one(7_000_008_000, string(data), 10),
		packet{TS: 9_000_008_000, Data: strings.Repeat("\x00", 34), Len: 40, Link: 1, Iface: ether}), "")

	f = newPcapFile(false, 1000, 1)
	f.packet(math.MaxUint32, math.MaxUint32, data, 3)
	add("absurd time, length on the wire below the captured", f,
		one(int64(math.MaxUint32)*1e9+int64(math.MaxUint32)*1000, string(data), 10), "")

	f = newPcapFile(false, 1000, 0xf4<<24|3<<16|1)
	f.packet(0, 0, data, 10)
	add("link type with class and check sequence", f, one(0, string(data), 10), "")

	f = newPcapFile(false, 1000, 12)
	f.packet(0, 0, data, 10)
	add("raw link type of old systems", f, []packet{{Data: string(data), Len: 10, Link: capture.LinkRaw,
		Iface: capture.Interface{Link: capture.LinkRaw, Alone: true}}}, "")

	f = startPcap(false, pcapMicros, 2, 4, 4, 1)
	f.packet(0, 0, data, 10)
	f.packet(0, 0, data[:3], 10)
	f.packet(0, 0, data, 5)
	add("longer than the snap length", f, append(one(0, "0123", 10), append(one(0, "012", 10), one(0, "0123", 5)...)...), "")

	for _, snap := range []uint32{0, 0x80000000} {
		f = startPcap(false, pcapMicros, 2, 4, snap, 1)
		f.packet(0, 0, data, 10)
		add("no sane snap length", f, one(0, string(data), 10), "")
	}

	f = newPcapFile(false, 1000, 1)
	f.packet(0, 0, data, 10)
	f.words(0, 0, 262145, 262145)
	f.Write(make([]byte, 300000))
	add("captured length too great", f, one(0, string(data), 10),
		"x: damaged at byte 50, after packet 1: a packet that says it has 262145 bytes (at most 262144 are possible); everything before it was read")

	f = newPcapFile(false, 1000, 1)
	f.packet(0, 0, make([]byte, 262144), 262144)
	add("greatest captured length", f, one(0, strings.Repeat("\x00", 262144), 262144), "")

	f = startPcap(false, pcapMicros, 2, 4, 1<<20, 249)
	f.packet(0, 0, make([]byte, 1<<20), 1<<20)
	add("USB may be longer", f, []packet{{Data: strings.Repeat("\x00", 1<<20), Len: 1 << 20, Link: 249,
		Iface: capture.Interface{Link: 249, Alone: true}}}, "")

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, got := range []result{readAll(tt.data), readFile(t, tt.data)} {
				if !reflect.DeepEqual(got.packets, tt.want) {
					t.Errorf("got %.200v, want %.200v", got.packets, tt.want)
				}
				if tt.err == "" || got.err == nil {
					wantError(t, got.err, tt.err)
				} else if text := got.err.Error(); !strings.Contains(text, strings.TrimPrefix(tt.err, "x")) {
					t.Errorf("got error %q, want %q", text, tt.err)
				}
			}
		})
	}
}

// TestPrefixes cuts good captures at every byte: the packets that are whole come out, then the cut
// is told, unless it is between two records.
func TestPrefixes(t *testing.T) {
	big := newPcapFile(true, 1, 1)
	for i := range 9 {
		big.packet(uint32(i), 1, payload(i), 99)
	}
	for name, data := range map[string][]byte{
		"pcap": smallPcap(9), "pcap big-endian": big.Bytes(),
		"pcapng": plainPcapng(9), "pcapng, rich": richPcapng(),
	} {
		t.Run(name, func(t *testing.T) {
			ends, packetAt := recordEnds(data)
			whole := readAll(data)
			wantError(t, whole.err, "")
			for n := range data {
				got := readAll(data[:n])
				records := 0
				for _, end := range ends {
					if end <= n {
						records++
					}
				}
				packets := 0
				for i := 1; i < records; i++ {
					if packetAt[i] {
						packets++
					}
				}
				if !reflect.DeepEqual(got.packets, whole.packets[:packets:packets]) && packets+len(got.packets) > 0 {
					t.Fatalf("at %d: got %d packets, want %d", n, len(got.packets), packets)
				}
				boundary := records > 0 && ends[records-1] == n
				switch {
				case boundary && got.err != nil:
					t.Fatalf("at %d, between records: got error %v", n, got.err)
				case n == 0:
					wantError(t, got.err, "x: it is empty")
				case n < 4:
					wantError(t, got.err, "not a pcap or pcapng file")
				case !boundary && !errors.Is(got.err, io.ErrUnexpectedEOF):
					t.Fatalf("at %d: got error %v, want one that wraps io.ErrUnexpectedEOF", n, got.err)
				}
			}
		})
	}
}

// recordEnds gives the end of the header and of each record, and which are packets.
func recordEnds(data []byte) (ends []int, packetAt []bool) {
	if !isPcapng(data) {
		p, err := newPcap(data[:pcapFileHeader])
		if err != nil {
			panic(err)
		}
		ends, packetAt = []int{pcapFileHeader}, []bool{false}
		for at := pcapFileHeader; at < len(data); {
			at += pcapRecordHeader + int(p.uint32(data[at+8:]))
			ends, packetAt = append(ends, at), append(packetAt, true)
		}
		return ends, packetAt
	}
	p := new(pcapng)
	for at := 0; at < len(data); {
		if p.uint32(data[at:]) == blockSection {
			if err := p.findByteOrder(data[at:]); err != nil {
				panic(err)
			}
		}
		packetAt = append(packetAt, p.isPacket(data[at:]))
		at += int(p.uint32(data[at+4:]))
		ends = append(ends, at)
	}
	return ends, packetAt
}

// TestAgainstPcapgo reads what gopacket wrote, and gopacket reads what we read.
func TestAgainstPcapgo(t *testing.T) {
	start := time.Unix(1_700_000_000, 123_456_789)
	write := func(w interface {
		WritePacket(gopacket.CaptureInfo, []byte) error
	}) {
		for i := range 3000 {
			data := bytes.Repeat([]byte{byte(i)}, i*31%1500)
			ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * 1_234_567), CaptureLength: len(data), Length: len(data) + i%3}
			if err := w.WritePacket(ci, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	type reader interface {
		ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	}
	openPcap := func(r io.Reader) (reader, error) { return pcapgo.NewReader(r) }
	var micros, nanos, ng bytes.Buffer
	w := pcapgo.NewWriter(&micros)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	write(w)
	w = pcapgo.NewWriterNanos(&nanos)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	write(w)
	nw, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	write(nw)
	if err := nw.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		open func(io.Reader) (reader, error)
		link capture.LinkType
	}{
		{"micros", micros.Bytes(), openPcap, capture.LinkRaw},
		{"nanos", nanos.Bytes(), openPcap, capture.LinkEthernet},
		{"pcapng", ng.Bytes(), func(r io.Reader) (reader, error) {
			return pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
		}, capture.LinkEthernet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readFile(t, tt.data)
			wantError(t, got.err, "")
			r, err := tt.open(bytes.NewReader(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range got.packets {
				data, ci, err := r.ReadPacketData()
				if err != nil {
					t.Fatalf("packet %d: pcapgo: %v", i, err)
				}
				if p.Data != string(data) || int(p.Len) != ci.Length || p.TS != ci.Timestamp.UnixNano() || p.Link != tt.link {
					t.Fatalf("packet %d: got %d bytes of %d at %d, link type %d; pcapgo has %d of %d at %d",
						i, len(p.Data), p.Len, p.TS, p.Link, len(data), ci.Length, ci.Timestamp.UnixNano())
				}
			}
			if _, _, err := r.ReadPacketData(); err != io.EOF || len(got.packets) != 3000 {
				t.Errorf("got %d packets, pcapgo's next is %v", len(got.packets), err)
			}
		})
	}
}
