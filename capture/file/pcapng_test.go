package file

import (
	"bytes"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"rustnet/capture"
)

// plainPcapng has one interface and packets of payload(0), payload(1), …
func plainPcapng(packets int) []byte {
	f := new(ngFile)
	f.section(false)
	f.iface(1, 0)
	for i := range packets {
		f.packet(0, uint64(i), payload(i), len(payload(i)))
	}
	return f.Bytes()
}

// richPcapng has every kind of block, options, and sections in both byte orders.
func richPcapng() []byte {
	f := new(ngFile)
	for i, bigEndian := range []bool{false, true, true, false} {
		f.section(bigEndian)
		f.iface(1, 262144, option(2, "eth0"), option(3, "first"), option(9, "\x09"))
		f.iface(101, 0, option(2, "tun0"), option(9, "\x94"), option(14, uint64(1000)))
		f.packet(0, uint64(i)*1e9, payload(i), 1500, option(2, uint32(1)))
		f.packet(1, uint64(i)<<20|1<<19, payload(i+1), 60, option(1, "comment"), option(1, capture.CommentMark+"1}"), option(2, uint32(2)))
		f.block(4, []byte{0, 0, 0, 0}) // names
		f.simple(uint32(len(payload(i))), payload(i))
		f.oldPacket(1, 3, 0, payload(2), 60, option(2, uint32(2)))
		f.block(0x0bad, bytes.Repeat([]byte{0xff}, 40))
		f.stats(0, option(5, uint64(10*i)), option(7, uint64(2)))
	}
	return f.Bytes()
}

func TestPcapng(t *testing.T) {
	data := []byte("0123456789")
	ether := capture.Interface{Link: capture.LinkEthernet}
	type test struct {
		name string
		want []packet
		lost uint64
		err  string
		make func(f *ngFile) // after a little-endian section header
	}
	one := func(ts int64) []packet { return []packet{{TS: ts, Data: string(data), Len: 10, Link: 1, Iface: ether}} }
	tests := []test{
		{name: "only a section header", make: func(f *ngFile) {}},
		{name: "microseconds unless it says otherwise", want: one(1_700_000_000_123_456_000), make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1_700_000_000_123_456, data, 10)
		}},
		{name: "several interfaces", make: func(f *ngFile) {
			f.iface(1, 0, option(2, "eth0"))
			f.iface(101, 0, option(2, "tun0\x00"))
			f.iface(12, 0)
			f.packet(2, 1, data, 1500)
			f.packet(0, 2, data, 10, option(2, uint32(1)))
			f.packet(1, 3, data, 10, option(1, "note"), option(2, uint32(0x1fe)))
			f.packet(1, 4, data, 10, option(2, uint32(3)))
		}, want: []packet{
			{TS: 1000, Data: string(data), Len: 1500, Link: 101, Iface: capture.Interface{Index: 2, Link: 101}},
			{TS: 2000, Data: string(data), Len: 10, Link: 1, Dir: capture.DirIn, Iface: capture.Interface{Name: "eth0", Link: 1}},
			{TS: 3000, Data: string(data), Len: 10, Link: 101, Dir: capture.DirOut, Iface: capture.Interface{Name: "tun0", Index: 1, Link: 101}},
			{TS: 4000, Data: string(data), Len: 10, Link: 101, Iface: capture.Interface{Name: "tun0", Index: 1, Link: 101}},
		}},
		{name: "sections in both byte orders", make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1, data, 10)
			f.section(true)
			f.iface(113, 0, option(9, "\x09"), option(14, uint64(5)))
			f.packet(0, 1<<32|7, data, 10)
			f.section(false)
			f.iface(1, 0)
			f.packet(0, 2, data, 10)
		}, want: []packet{
			one(1000)[0],
			{TS: 5_000_000_000 + 1<<32 + 7, Data: string(data), Len: 10, Link: 113, Iface: capture.Interface{Index: 1, Link: 113}},
			{TS: 2000, Data: string(data), Len: 10, Link: 1, Iface: capture.Interface{Index: 2, Link: 1}},
		}},
		{name: "simple packets", make: func(f *ngFile) {
			f.iface(1, 4)
			f.packet(0, 9, data, 10)
			f.simple(10, data[:4])
			f.simple(3, data[:3])
		}, want: append(one(9000),
			packet{TS: 9000, Data: "0123", Len: 10, Link: 1, Iface: ether},
			packet{TS: 9000, Data: "012", Len: 3, Link: 1, Iface: ether})},
		{name: "obsolete packets", lost: 5, make: func(f *ngFile) {
			f.iface(1, 0)
			f.oldPacket(0, 5, 9, data, 10, option(2, uint32(2)))
			f.oldPacket(0, 0xffff, 10, data, 10)
		}, want: []packet{{TS: 9000, Data: string(data), Len: 10, Link: 1, Dir: capture.DirOut, Iface: ether}, one(10_000)[0]}},
		{name: "unknown blocks", want: one(1000), make: func(f *ngFile) {
			f.block(4, make([]byte, 20))
			f.block(0x80000bad, bytes.Repeat([]byte{0xee}, 2<<20))
			f.iface(1, 0)
			f.block(10)
			f.packet(0, 1, data, 10)
		}},
		{name: "statistics", want: one(1000), lost: 12, make: func(f *ngFile) {
			f.iface(1, 0)
			f.iface(1, 0)
			f.packet(0, 1, data, 10)
			f.stats(0, option(4, uint64(99)), option(5, uint64(3)), option(7, uint64(1)))
			f.stats(0, option(5, uint64(5)), option(7, uint64(1))) // both since the start
			f.stats(1, option(5, uint64(6)))
			f.stats(1, option(5, uint64(2)))
			f.stats(1, option(5, uint64(math.MaxUint64)))
		}},
		{name: "losses told twice count once", lost: 7, make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1, data, 10, option(4, uint64(3)))
			f.packet(0, 1, data, 10, option(4, uint64(2)))
			f.stats(0, option(5, uint64(7)))
		}, want: append(one(1000), one(1000)...)},
		{name: "losses beyond counting", lost: math.MaxUint64, make: func(f *ngFile) {
			f.iface(1, 0)
			f.stats(0, option(5, uint64(math.MaxUint64-1)), option(7, uint64(math.MaxUint64-1)))
		}},
		{name: "captured more than the interface's snap length", want: one(1000), make: func(f *ngFile) {
			f.iface(1, 4)
			f.packet(0, 1, data, 10)
		}},
		{name: "length on the wire below the captured", want: one(1000), make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1, data, 3)
		}},
		{name: "packet options that do not fit", want: one(1000), make: func(f *ngFile) {
			f.iface(1, 0)
			f.block(blockPacket, f.u32(0, 0, 1, 10, 10), padded(data), f.u16(2, 400))
		}},
		{name: "greatest time", want: append(one(maxTime), one(maxTime)...), make: func(f *ngFile) {
			f.iface(1, 0, option(9, "\x00"))
			f.packet(0, math.MaxUint64, data, 10)
			f.packet(0, maxTime/1_000_000_000+1, data, 10)
		}},
		{name: "time before 1970", want: one(0), make: func(f *ngFile) {
			f.iface(1, 0, option(14, uint64(math.MaxUint64-9)))
			f.packet(0, 1, data, 10)
		}},
		{name: "offset beyond counting", want: one(maxTime/1_000_000_000*1_000_000_000 + 1000), make: func(f *ngFile) {
			f.iface(1, 0, option(14, uint64(math.MaxInt64)))
			f.packet(0, 1, data, 10)
		}},

		{name: "error: no such interface", want: one(1000), err: "x: damaged at byte 92, after packet 1: interface 1 is used but not described", make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1, data, 10)
			f.packet(1, 1, data, 10)
		}},
		{name: "error: interface of the section before", err: "interface 0 is used but not described", make: func(f *ngFile) {
			f.iface(1, 0)
			f.section(false)
			f.packet(0, 1, data, 10)
		}},
		{name: "error: simple packet without interface", err: "interface 0 is used", make: func(f *ngFile) { f.simple(10, data) }},
		{name: "error: statistics without interface", err: "interface 7 is used", make: func(f *ngFile) { f.stats(7) }},
		{name: "error: captured length beyond the block", err: "says it has 13 bytes (at most 12 are possible)", make: func(f *ngFile) {
			f.iface(1, 0)
			f.block(blockPacket, f.u32(0, 0, 1, 13, 13), padded(data))
		}},
		{name: "error: captured length beyond sense", err: "says it has 262145 bytes (at most 262144 are possible)", make: func(f *ngFile) {
			f.iface(1, 0)
			f.packet(0, 1, make([]byte, 262145), 262145)
		}},
		{name: "error: simple packet beyond the block", err: "says it has 13 bytes (at most 12 are possible)", make: func(f *ngFile) {
			f.iface(1, 0)
			f.simple(13, data)
		}},
		{name: "error: huge block", err: "a block of 4294967292 bytes", make: func(f *ngFile) { f.Write(f.u32(6, math.MaxUint32-3, 0)) }},
		{name: "error: block beyond 16 MiB", err: "a block of 16777220 bytes", make: func(f *ngFile) { f.Write(f.u32(6, 16<<20+4, 0)) }},
		{name: "error: tiny block", err: "a block of 8 bytes", make: func(f *ngFile) { f.Write(f.u32(6, 8, 8)) }},
		{name: "error: crooked block", err: "a block of 13 bytes", make: func(f *ngFile) { f.Write(f.u32(6, 13, 13, 13)) }},
		{name: "error: lengths differ", err: "a block of 16 bytes that says 20 at its end", make: func(f *ngFile) { f.Write(f.u32(6, 16, 0, 20)) }},
		{name: "error: short packet block", err: "too short", make: func(f *ngFile) { f.iface(1, 0); f.block(blockPacket, make([]byte, 16)) }},
		{name: "error: short simple packet block", err: "too short", make: func(f *ngFile) { f.iface(1, 0); f.block(blockSimple) }},
		{name: "error: short interface block", err: "too short", make: func(f *ngFile) { f.block(blockInterface, make([]byte, 4)) }},
		{name: "error: short statistics block", err: "too short", make: func(f *ngFile) { f.block(blockStats, make([]byte, 8)) }},
		{name: "error: short section block", err: "too short", make: func(f *ngFile) { f.block(blockSection, f.u32(byteOrderMagic)) }},
		{name: "error: section without byte order", err: "byte-order magic 0x01020304", make: func(f *ngFile) { f.block(blockSection, f.u32(0x01020304), make([]byte, 12)) }},
		{name: "error: version of a later section", err: "pcapng version 2.0 is not known", make: func(f *ngFile) {
			f.block(blockSection, f.u32(byteOrderMagic), f.u16(2, 0), make([]byte, 8))
		}},
		{name: "error: if_tsresol", err: "if_tsresol has 2 bytes", make: func(f *ngFile) { f.iface(1, 0, option(9, "\x06\x06")) }},
		{name: "error: if_tsoffset", err: "if_tsoffset has 4 bytes", make: func(f *ngFile) { f.iface(1, 0, option(14, uint32(1))) }},
		{name: "error: interface options", err: "options do not fit their block", make: func(f *ngFile) {
			f.block(blockInterface, f.u32(1, 0), f.u16(2, 400))
		}},
		{name: "error: interfaces without end", err: "more than 65536 interfaces", make: func(f *ngFile) {
			for range maxInterfaces + 1 {
				f.iface(1, 0)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := new(ngFile)
			f.section(false)
			tt.make(f)
			for _, got := range []result{readAll(f.Bytes()), readFile(t, f.Bytes())} {
				if !reflect.DeepEqual(got.packets, tt.want) {
					t.Errorf("got %+v, want %+v", got.packets, tt.want)
				}
				if got.lost != tt.lost {
					t.Errorf("got %d lost, want %d", got.lost, tt.lost)
				}
				wantError(t, got.err, strings.TrimPrefix(tt.err, "x"))
			}
		})
	}
}

func TestPcapngHeaderErrors(t *testing.T) {
	f := new(ngFile)
	f.section(true)
	good := f.Bytes()
	changed := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	for _, tt := range []struct {
		name string
		data []byte
		err  string
	}{
		{"byte order", changed(8, 1, 2, 3, 4), "byte-order magic"},
		{"version", changed(12, 0, 9), "x: pcapng version 9.0 is not known"},
		{"length", changed(4, 0xff, 0xff, 0xff, 0xfc), "x: a block of 4294967292 bytes"},
		{"cut", good[:20], "x: cut off in the section header (only 20 bytes)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewSource("x", bytes.NewReader(tt.data))
			wantError(t, err, tt.err)
		})
	}
}

func TestLongInterfaceName(t *testing.T) {
	f := new(ngFile)
	f.section(false)
	f.iface(1, 0, option(2, strings.Repeat("e", 60000)))
	f.packet(0, 0, []byte("x"), 1)
	got := readAll(f.Bytes())
	wantError(t, got.err, "")
	if len(got.packets) != 1 || got.packets[0].Iface.Name != strings.Repeat("e", maxName) {
		t.Errorf("got %d packets, want 1 with a name of %d bytes", len(got.packets), maxName)
	}
}

// TestClock holds every resolution against arithmetic without limits.
func TestClock(t *testing.T) {
	stamps := []uint64{0, 1, 999, 1_700_000_000, 1_700_000_000_123_456, 1_700_000_000_123_456_789,
		maxTime, maxTime + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
	for shift := range 64 {
		stamps = append(stamps, 1<<shift, 1<<shift-1, 3<<shift)
	}
	billion := big.NewInt(1_000_000_000)
	for resolution := range 256 {
		for _, offset := range []int64{0, 5, -5, 1_700_000_000, maxTime / 1_000_000_000, math.MinInt64} {
			c := newClock(byte(resolution), offset)
			base, exponent := int64(10), resolution
			if resolution >= 128 {
				base, exponent = 2, resolution-128
			}
			unit := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(exponent)), nil)
			for _, stamp := range stamps {
				want := new(big.Int).SetUint64(stamp)
				want.Mul(want, billion).Div(want, unit)
				if want.Cmp(big.NewInt(maxTime)) > 0 {
					want.SetInt64(maxTime)
				}
				want.Add(want, new(big.Int).Mul(big.NewInt(max(offset, -maxTime/1_000_000_000)), billion))
				if want.Sign() < 0 {
					want.SetInt64(0)
				}
				if want.Cmp(big.NewInt(maxTime)) > 0 {
					want.SetInt64(maxTime)
				}
				if got := c.nanos(stamp); got != want.Int64() {
					t.Fatalf("resolution %#x, offset %d, stamp %d: got %d, want %d", resolution, offset, stamp, got, want)
				}
			}
		}
	}
}
