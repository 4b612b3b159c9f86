package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"

	"github.com/klauspost/compress/zstd"
)

// formats writes mixed.pcap in the other file formats and cut short.
func formats(base []frame) {
	plain := pcap(le, 1000, 1, base)
	write("big-endian.pcap", pcap(be, 1000, 1, base))
	write("big-endian-ns.pcap", pcap(be, 1, 1, base))
	write("truncated.pcap", plain[:len(plain)-30])
	write("truncated-header.pcap", plain[:24+16+int(le.Uint32(plain[32:]))+7])
	write("no-packets.pcap", plain[:24])
	save("time-unsorted", 1, unsorted(base))

	var z bytes.Buffer
	gz := gzip.NewWriter(&z)
	gz.Write(plain)
	gz.Close()
	write("mixed.pcap.gz", z.Bytes())
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		fail(err)
	}
	write("mixed.pcap.zst", enc.EncodeAll(plain, nil))

	write("mixed.pcapng", ng(le, base))
	write("big-endian.pcapng", ng(be, base))
	write("interfaces.pcapng", interfaces(base))
	write("twice.pcapng", twice(base))
	write("owners.pcapng", owners(base))
	sections := append(ng(le, base[:len(base)/2]), ng(be, base[len(base)/2:])...)
	write("sections.pcapng", sections)
	write("truncated.pcapng", sections[:len(sections)-50])
}

// unsorted moves every seventh packet four places down the file, its time unchanged.
func unsorted(base []frame) []frame {
	fs := append([]frame(nil), base...)
	for i := 0; i+4 < len(fs); i += 7 {
		f := fs[i]
		copy(fs[i:], fs[i+1:i+5])
		fs[i+4] = f
	}
	return fs
}

// A pcapng writer of one section (draft-ietf-opsawg-pcapng).
type section struct {
	o binary.ByteOrder
	b bytes.Buffer
}

func newSection(o binary.ByteOrder) *section {
	s := &section{o: o}
	s.block(0x0a0d0d0a, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1), s.options(4, "synth"))
	return s
}

func (s *section) block(kind uint32, parts ...any) {
	var body bytes.Buffer
	put(&body, s.o, parts...)
	for body.Len()%4 != 0 {
		body.WriteByte(0)
	}
	n := uint32(12 + body.Len())
	put(&s.b, s.o, kind, n, body.Bytes(), n)
}

// options takes code and value in turn, and ends the list.
func (s *section) options(codesAndValues ...any) []byte {
	var b bytes.Buffer
	for i := 0; i < len(codesAndValues); i += 2 {
		var v bytes.Buffer
		put(&v, s.o, codesAndValues[i+1])
		put(&b, s.o, uint16(codesAndValues[i].(int)), uint16(v.Len()), v.Bytes())
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	put(&b, s.o, uint32(0))
	return b.Bytes()
}

func (s *section) iface(link uint16, snap uint32, options []byte) {
	s.block(1, link, uint16(0), snap, options)
}

// packet is an Enhanced Packet Block; units is the time in the interface's own resolution.
func (s *section) packet(iface uint32, units uint64, data []byte, orig int, options []byte) {
	pad := make([]byte, (4-len(data)%4)%4)
	s.block(6, iface, uint32(units>>32), uint32(units), uint32(len(data)), uint32(orig), data, pad, options)
}

// ng is base in one section with one interface, times in microseconds.
func ng(o binary.ByteOrder, base []frame) []byte {
	s := newSection(o)
	s.iface(1, 262144, s.options(2, "eth-test"))
	for _, f := range base {
		s.packet(0, uint64(f.ns/1000), f.data, f.orig, nil)
	}
	return s.b.Bytes()
}

// owners is base as rustnet --pcapng keeps it: beside the first packet of a connection, and where it changes, stands who
// has it.
func owners(base []frame) []byte {
	said := map[int]string{ // by the number of the frame, from 1
		// A shell that becomes curl, at this end.
		1: `rustnet {"v":1,"process":"sh","pid":1234,"exe":"/usr/bin/dash","cmdline":"sh -c \"exec curl\"","uid":1000,"user":"ann","ppid":99,"parent":"make","process_source":"ebpf","ancestors":["make","bash"],"cgroup":"/user.slice","user_unit":"make.service","slice":"user.slice","caps":["cap_net_raw"],"seccomp":"filter","no_new_privs":true,"direction":"out","local_addr":"192.0.2.10","local_port":40322,"netns":4026531840,"id":"ddb1c9c8ed669b79"}`,
		4: `rustnet {"v":1,"process":"curl","pid":1234,"exe":"/usr/bin/curl","host":"other.example.test","uid":1000,"user":"ann","process_source":"ebpf","host_source":"dns","direction":"out","local_addr":"192.0.2.10","local_port":40322,"id":"ddb1c9c8ed669b79"}`,
		// The server is this machine's, in a container; a key of a later version.
		11: `rustnet {"v":1,"process":"nginx","pid":80,"exe":"/usr/sbin/nginx","uid":33,"process_source":"iter","peer_pid":4321,"peer_process":"curl","container":"web","container_runtime":"podman","peer_container":"client","later":[1,{"a":null}],"direction":"in","local_addr":"2001:db8:2::20","local_port":8080,"id":"0123456789abcdef"}`,
		// Of a resolver nothing is known but whom it asked.
		21: `rustnet {"v":1,"host":"ns.example.test","host_source":"dns","direction":"out","local_addr":"192.0.2.10","local_port":48822,"id":"0123456789abcdef"}`,
		// It speaks of a connection that has other ends.
		23: `rustnet {"v":1,"process":"wrong","process_source":"ebpf","local_addr":"192.0.2.99","id":"0123456789abcdef"}`,
		27: `rustnet {"v":1,"process":"ping","pid":7,"process_source":"procfs","direction":"out","local_addr":"2001:db8:1::10","id":"0123456789abcdef"}`,
	}
	s := newSection(le)
	s.b.Reset()
	s.block(0x0a0d0d0a, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1), s.options(4, "rustnet"))
	s.iface(1, 0, s.options(2, "eth-test", 9, uint8(9)))
	for i, f := range base {
		text := said[i+1]
		if text == "" {
			text = `rustnet {"id":"0123456789abcdef"}`
		}
		options := s.options(1, text)
		switch i {
		case 1: // somebody looked at it
			options = s.options(1, "curl did this", 1, text, 2, uint32(1))
		case 26:
			options = s.options(1, "ping did this", 1, text)
		case 28: // cut by hand
			options = s.options(1, `rustnet {"v":1,"process":"wrong","local_addr":"2001:db8:1::10`)
		}
		s.packet(0, uint64(f.ns), f.data, f.orig, options)
	}
	return s.b.Bytes()
}

// twice is base as it passes a bridge's port and the bridge.
func twice(base []frame) []byte {
	s := newSection(le)
	for _, name := range []string{"eth0", "br0"} {
		s.iface(1, 0, s.options(2, name, 9, uint8(9)))
	}
	for _, f := range base {
		for i := range uint64(2) {
			s.packet(uint32(i), uint64(f.ns)+1000*i, f.data, f.orig, nil)
		}
	}
	return s.b.Bytes()
}

// interfaces spreads base over interfaces that differ in link type, clock and snap length, among
// blocks that a reader has to pass over.
func interfaces(base []frame) []byte {
	s := newSection(le)
	const hour = 3600
	s.iface(1, 0, s.options(2, "nano0", 9, uint8(9)))                                                                 // 0: nanoseconds
	s.iface(101, 0, s.options(2, "raw0", 9, uint8(6)))                                                                // 1: raw IP, microseconds
	s.iface(1, 0, s.options(2, "binary0", 9, uint8(0x80|20)))                                                         // 2: 2^-20 s
	s.iface(1, 0, s.options(2, "offset0", 9, uint8(3), 14, int64(hour)))                                              // 3: milliseconds, an hour to add
	s.iface(1, 96, s.options(2, "short0", 9, uint8(9)))                                                               // 4: snap length 96
	s.iface(113, 0, s.options(3, "a description, no name", 9, uint8(6)))                                              // 5: SLL
	s.block(4, uint16(1), uint16(4+len("name.example.test")+1), s4, "name.example.test\x00", []byte{0, 0}, uint32(0)) // name resolution
	s.block(0x0bad, "a block nobody knows")
	flags := func(f frame) []byte { // epb_flags: inbound 1, outbound 2
		if outward(f.data) {
			return s.options(2, uint32(2))
		}
		return s.options(2, uint32(1))
	}
	for i, f := range base {
		ns := uint64(f.ns)
		switch i % 6 {
		case 0:
			s.packet(0, ns, f.data, f.orig, flags(f))
		case 1:
			s.packet(1, ns/1000, f.data[14:], f.orig-14, flags(f))
		case 2:
			s.packet(2, ns/1e9<<20|(ns%1e9<<20)/1e9, f.data, f.orig, s.options(1, "a comment", 2, uint32(0)))
		case 3:
			s.packet(3, ns/1e6-hour*1000, f.data, f.orig, flags(f))
		case 4:
			s.packet(4, ns, f.data[:min(96, len(f.data))], f.orig, flags(f))
		case 5:
			kind := uint16(0)
			if outward(f.data) {
				kind = 4
			}
			d := join(kind, uint16(1), uint16(6), f.data[6:12], uint16(0), f.data[12:])
			s.packet(5, ns/1000, d, len(d), nil)
		}
	}
	s.block(5, uint32(0), uint32(0), uint32(0), s.options(4, uint64(len(base)), 5, uint64(3))) // statistics: 3 dropped
	return s.b.Bytes()
}
