// Command synth writes the captures that no program on an ordinary machine makes: mixed.pcap, which
// was recorded, in every link type and tunnel, in every file format, and a few frames built from
// their specification. It is the recipe of those files; record.sh runs it when it has recorded.
// Everything is built by hand, so that rustnet's decoder and gopacket are both tested against a third.
package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/gopacket/pcapgo"
)

// A frame as the files hold it; orig is its length on the wire.
type frame struct {
	ns   int64
	data []byte
	orig int
}

var (
	dir = flag.String("dir", "testdata", "where the recorded captures are and the others go")
	be  = binary.BigEndian
	le  = binary.LittleEndian
)

func main() {
	flag.Parse()
	base, link, err := load("mixed")
	if err != nil || link != 1 {
		fail(fmt.Errorf("mixed.pcap, link type %d: %w (record it first: make captures)", link, err))
	}
	links(base)
	tunnels(base)
	packets(base[0].ns)
	formats(base)
	for name, change := range map[string]func([]frame) []frame{"tls-swapped": swapSegments, "tcp-rst-data": resetWithData} {
		from := map[string]string{"tls-swapped": "tls-segmented", "tcp-rst-data": "tcp-rst"}[name]
		fs, _, err := load(from)
		if err != nil {
			fail(err)
		}
		save(name, 1, change(fs))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "synth:", err)
	os.Exit(1)
}

func load(name string) ([]frame, uint16, error) {
	f, err := os.Open(filepath.Join(*dir, name+".pcap"))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return nil, 0, err
	}
	var fs []frame
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			return fs, uint16(r.LinkType()), nil
		}
		fs = append(fs, frame{ci.Timestamp.UnixNano(), data, ci.Length})
	}
}

func write(file string, b []byte) {
	if err := os.WriteFile(filepath.Join(*dir, file), b, 0o644); err != nil {
		fail(err)
	}
}

func save(name string, link uint32, fs []frame) { write(name+".pcap", pcap(le, 1000, link, fs)) }

// pcap is draft-ietf-opsawg-pcap; unit is the nanoseconds of the second time field.
func pcap(o binary.ByteOrder, unit int64, link uint32, fs []frame) []byte {
	var b bytes.Buffer
	magic := uint32(0xa1b2c3d4)
	if unit == 1 {
		magic = 0xa1b23c4d
	}
	put(&b, o, magic, uint16(2), uint16(4), uint32(0), uint32(0), uint32(262144), link)
	for _, f := range fs {
		put(&b, o, uint32(f.ns/1e9), uint32(f.ns%1e9/unit), uint32(len(f.data)), uint32(f.orig))
		b.Write(f.data)
	}
	return b.Bytes()
}

// put writes numbers in the byte order o, and bytes and strings as they are.
func put(b *bytes.Buffer, o binary.ByteOrder, parts ...any) {
	for _, p := range parts {
		if s, ok := p.(string); ok {
			p = []byte(s)
		}
		if err := binary.Write(b, o, p); err != nil {
			panic(err)
		}
	}
}

// join builds a header in network order.
func join(parts ...any) []byte {
	var b bytes.Buffer
	put(&b, be, parts...)
	return b.Bytes()
}

// each makes a new frame of every frame's Ethernet payload; nil leaves the frame out.
func each(fs []frame, build func(eth []byte, etherType uint16, payload []byte) []byte) []frame {
	var out []frame
	for _, f := range fs {
		if d := build(f.data[:12], be.Uint16(f.data[12:]), f.data[14:]); d != nil {
			out = append(out, frame{f.ns, d, len(d)})
		}
	}
	return out
}

// sum is the Internet checksum (RFC 1071) over the parts.
func sum(parts ...[]byte) uint16 {
	var s uint32
	odd := false
	for _, p := range parts {
		for _, c := range p {
			if odd {
				s += uint32(c)
			} else {
				s += uint32(c) << 8
			}
			odd = !odd
		}
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

var (
	tunnelA4 = []byte{10, 9, 0, 1}
	tunnelB4 = []byte{10, 9, 0, 2}
	tunnelA6 = []byte("\x20\x01\x0d\xb8\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")
	tunnelB6 = []byte("\x20\x01\x0d\xb8\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02")
)

// ip4 is an IPv4 packet (RFC 791) with options, which must be whole words.
func ip4(src, dst []byte, proto uint8, options, payload []byte) []byte {
	h := join(uint8(0x45+len(options)/4), uint8(0), uint16(20+len(options)+len(payload)), uint16(0x1234), uint16(0x4000),
		uint8(64), proto, uint16(0), src, dst, options)
	be.PutUint16(h[10:], sum(h))
	return append(h, payload...)
}

// ip6 is an IPv6 packet (RFC 8200); payload begins with whatever next is.
func ip6(src, dst []byte, next uint8, payload []byte) []byte {
	return join(uint32(6<<28), uint16(len(payload)), next, uint8(64), src, dst, payload)
}

// pseudo is what transport checksums add of the addresses.
func pseudo(src, dst []byte, proto uint8, n int) []byte {
	return join(src, dst, uint32(n), uint32(proto))
}

func udp(src, dst []byte, sport, dport uint16, payload []byte) []byte {
	h := join(sport, dport, uint16(8+len(payload)), uint16(0))
	be.PutUint16(h[6:], sum(pseudo(src, dst, 17, 8+len(payload)), h, payload))
	return append(h, payload...)
}

// outward tells whether the client sent the frame, to give tunnels their direction.
func outward(eth []byte) bool { return eth[11] == 0x0c }

func ends(eth, a, b []byte) (src, dst []byte) {
	if outward(eth) {
		return a, b
	}
	return b, a
}
