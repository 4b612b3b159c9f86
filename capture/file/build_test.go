package file

import (
	"bytes"
	"encoding/binary"
)

// pcapFile and ngFile build captures byte by byte, right and wrong ones.
type pcapFile struct {
	bytes.Buffer
	order binary.AppendByteOrder
}

// newPcapFile starts a pcap file of version 2.4 whose fractions are units of so many nanoseconds.
func newPcapFile(bigEndian bool, unit int, link uint32) *pcapFile {
	magic := uint32(pcapMicros)
	if unit == 1 {
		magic = pcapNanos
	}
	return startPcap(bigEndian, magic, 2, 4, 262144, link)
}

func startPcap(bigEndian bool, magic uint32, major, minor uint16, snap, link uint32) *pcapFile {
	f := &pcapFile{order: byteOrder(bigEndian)}
	f.words(magic)
	f.Write(f.order.AppendUint16(f.order.AppendUint16(nil, major), minor))
	f.words(0, 0, snap, link)
	return f
}

func byteOrder(bigEndian bool) binary.AppendByteOrder {
	if bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (f *pcapFile) words(words ...uint32) {
	for _, w := range words {
		f.Write(f.order.AppendUint32(nil, w))
	}
}

func (f *pcapFile) packet(sec, frac uint32, data []byte, wire int) {
	f.words(sec, frac, uint32(len(data)), uint32(wire))
	f.Write(data)
}

type ngFile struct {
	bytes.Buffer
	order binary.AppendByteOrder
}

func (f *ngFile) u16(v ...uint16) (b []byte) {
	for _, v := range v {
		b = f.order.AppendUint16(b, v)
	}
	return b
}

func (f *ngFile) u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = f.order.AppendUint32(b, v)
	}
	return b
}

func (f *ngFile) u64(v uint64) []byte { return f.order.AppendUint64(nil, v) }

// ngOption is an option before it has a byte order.
type ngOption struct {
	code  uint16
	value any // a string, or an unsigned number in the section's byte order
}

func option(code uint16, value any) ngOption { return ngOption{code, value} }

func (f *ngFile) options(opts []ngOption) (b []byte) {
	if len(opts) == 0 {
		return nil
	}
	for _, o := range opts {
		var v []byte
		switch value := o.value.(type) {
		case string:
			v = []byte(value)
		case uint32:
			v = f.u32(value)
		case uint64:
			v = f.u64(value)
		}
		b = append(b, f.u16(o.code, uint16(len(v)))...)
		b = append(b, padded(v)...)
	}
	return append(b, 0, 0, 0, 0)
}

func padded(b []byte) []byte { return append(bytes.Clone(b), make([]byte, -len(b)&3)...) }

func (f *ngFile) block(kind uint32, parts ...[]byte) {
	body := bytes.Join(parts, nil)
	n := uint32(len(body) + blockOverhead)
	f.Write(f.u32(kind, n))
	f.Write(body)
	f.Write(f.u32(n))
}

// section starts a section in the byte order that holds from here on.
func (f *ngFile) section(bigEndian bool) {
	f.order = byteOrder(bigEndian)
	f.block(blockSection, f.u32(byteOrderMagic), f.u16(1, 0), f.u64(1<<64-1))
}

func (f *ngFile) iface(link uint16, snap uint32, opts ...ngOption) {
	f.block(blockInterface, f.u16(link, 0), f.u32(snap), f.options(opts))
}

func (f *ngFile) packet(iface uint32, stamp uint64, data []byte, wire int, opts ...ngOption) {
	f.block(blockPacket, f.u32(iface, uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(wire)),
		padded(data), f.options(opts))
}

func (f *ngFile) oldPacket(iface, drops uint16, stamp uint64, data []byte, wire int, opts ...ngOption) {
	f.block(blockPacketOld, f.u16(iface, drops),
		f.u32(uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(wire)), padded(data), f.options(opts))
}

func (f *ngFile) simple(wire uint32, data []byte) {
	f.block(blockSimple, f.u32(wire), padded(data))
}

func (f *ngFile) stats(iface uint32, opts ...ngOption) {
	f.block(blockStats, f.u32(iface, 0, 0), f.options(opts))
}
