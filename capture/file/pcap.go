package file

import (
	"fmt"
	"math"
	"math/bits"

	"rustnet/capture"
)

// The format is described in draft-ietf-opsawg-pcap; what the draft leaves open is done as libpcap's
// sf-pcap.c does it, so that a file reads the same here and in tcpdump.
const (
	pcapMicros    = 0xa1b2c3d4
	pcapNanos     = 0xa1b23c4d
	pcapKuznetzov = 0xa1b2cd34 // a patched libpcap of old Linux systems: eight more bytes a record

	pcapFileHeader   = 24
	pcapRecordHeader = 16
)

// maxRecord is the greatest record or block that is read, of any kind.
const maxRecord = 16 << 20

type lengthOrder uint8

// The captured length stood behind the length on the wire before version 2.3, and at 2.3 in the
// files of some writers.
const (
	capturedFirst lengthOrder = iota
	capturedLast
	capturedLastMaybe
)

// pcap parses the records of a pcap file.
type pcap struct {
	endian
	lengths lengthOrder
	header  int   // bytes before a packet's data
	unit    int64 // nanoseconds in a unit of the fraction
	snap    uint32
	maxLen  uint32
	iface   *capture.Interface
}

// pcapMagic reads the magic number in either byte order.
func pcapMagic(head []byte) (magic uint32, bigEndian bool) {
	magic = le.Uint32(head)
	switch magic {
	case pcapMicros, pcapNanos, pcapKuznetzov:
		return magic, false
	}
	switch magic = bits.ReverseBytes32(magic); magic {
	case pcapMicros, pcapNanos, pcapKuznetzov:
		return magic, true
	}
	return 0, false
}

// IsCapture tells a pcap or pcapng file by its first bytes.
func IsCapture(head []byte) bool { return isPcap(head) || isPcapng(head) }

func isPcap(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	magic, _ := pcapMagic(head)
	return magic != 0
}

// newPcap reads the file header, of which head is the first bytes.
func newPcap(head []byte) (*pcap, error) {
	if len(head) < pcapFileHeader {
		return nil, &cutError{fmt.Sprintf("cut off in the file header (only %d bytes)", len(head))}
	}
	magic, bigEndian := pcapMagic(head)
	p := &pcap{endian: endian{bigEndian}, header: pcapRecordHeader, unit: 1000}
	major, minor := p.uint16(head[4:]), p.uint16(head[6:])
	var err error
	if p.lengths, err = pcapVersion(major, minor); err != nil {
		return nil, err
	}
	link := linkType(p.uint32(head[20:]))
	p.iface = &capture.Interface{Link: link, Alone: true}
	p.maxLen = maxCaptured(link)
	p.snap = p.uint32(head[16:])
	if p.snap == 0 || p.snap > math.MaxInt32 {
		p.snap = p.maxLen
	}
	switch magic {
	case pcapNanos:
		p.unit = 1
	case pcapKuznetzov:
		p.header = pcapRecordHeader + 8
		p.snap += 14 // it may have put an Ethernet header before what was captured
	}
	return p, nil
}

func pcapVersion(major, minor uint16) (lengthOrder, error) {
	switch {
	case major == 2 && minor < 3, major == 543 && minor == 0: // 543.0 is DG/UX's tcpdump
		return capturedLast, nil
	case major == 2 && minor == 3:
		return capturedLastMaybe, nil
	case major == 2 && minor == 4,
		major == 0x0200 && minor == 0x0400: // a writer that swapped the version alone; only Wireshark reads it
		return capturedFirst, nil
	}
	return 0, fmt.Errorf("pcap version %d.%d is not known (2.0 to 2.4 are)", major, minor)
}

// linkType takes the link type out of the field of a file: above it stand the class and the
// length of the frame check sequence. 12 and 14 are what some systems called LINKTYPE_RAW.
func linkType(field uint32) capture.LinkType {
	switch l := capture.LinkType(field); l {
	case 12, 14:
		return capture.LinkRaw
	default:
		return l
	}
}

// maxCaptured is the greatest captured length that can be true: libpcap's MAXIMUM_SNAPLEN, but
// for the few link types that are not networks (D-Bus, USB, EBHSCR).
func maxCaptured(link capture.LinkType) uint32 {
	switch link {
	case 189, 220, 231, 249, 266, 279:
		return maxRecord
	}
	return 256 << 10
}

// lengthError is about a captured length that cannot be true.
func lengthError(captured, most uint32) error {
	return fmt.Errorf("a packet that says it has %d bytes (at most %d are possible)", captured, most)
}

func (p *pcap) parse(b []byte, f *capture.Frames) (used, need int, err error) {
	frames := f.Frames
	for len(frames) < cap(frames) {
		rec := b[used:]
		if len(rec) < p.header {
			need = p.header
			break
		}
		h := (*[pcapRecordHeader]byte)(rec)
		sec, frac, captured, wire := le.Uint32(h[:]), le.Uint32(h[4:]), le.Uint32(h[8:]), le.Uint32(h[12:])
		if p.bigEndian {
			sec, frac = bits.ReverseBytes32(sec), bits.ReverseBytes32(frac)
			captured, wire = bits.ReverseBytes32(captured), bits.ReverseBytes32(wire)
		}
		if p.lengths == capturedLast || p.lengths == capturedLastMaybe && captured > wire {
			captured, wire = wire, captured
		}
		if captured > p.maxLen {
			err = lengthError(captured, p.maxLen)
			break
		}
		end := p.header + int(captured)
		if len(rec) < end {
			need = end
			break
		}
		// More than the snap length is cut to it, as libpcap does for the sake of its callers' buffers.
		kept := min(captured, p.snap)
		data := p.header + int(kept)
		n := len(frames)
		frames = frames[:n+1]
		fr := &frames[n]
		*fr = capture.Frame{}
		fr.Data = rec[p.header:data:data]
		fr.TS = int64(sec)*1e9 + int64(frac)*p.unit // at most 2^32 s and 2^32 µs: below maxTime
		fr.Len, fr.Link, fr.Iface = max(wire, kept), p.iface.Link, p.iface
		used += end
	}
	f.Frames = frames
	return used, need, err
}

func (p *pcap) isPacket([]byte) bool { return true }
