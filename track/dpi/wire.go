package dpi

import (
	"slices"
	"unicode/utf8"
)

// What parsers of datagrams share: lengths that must add up, datagrams that need a second to agree with them, BER.

// exactly tells whether a datagram is n bytes long on the wire, as far as the capture shows it.
func (v *view) exactly(n int) bool {
	return n == len(v.b) || v.gap && n > len(v.b) && (v.gapLen == 0 || n == v.wire())
}

// wire is how many bytes there were on the wire, as far as that is known.
func (v *view) wire() int { return len(v.b) + int(v.gapLen) }

// cutTo tells whether a message of n bytes lacks its end for good, and the capture tells that it is as long as what was sent.
func (v *view) cutTo(n int) bool { return v.gap && v.gapLen > 0 && n == v.wire() }

// A trail is what a parser keeps of a datagram that alone proves nothing, until a second one agrees with it. It lies
// where a direction of TCP has its sequence numbers, so that it costs nothing and no other parser's answer can take
// it away. There is one for each direction, and the last parser's stays: what looks like two such protocols at once
// is too rare to be worth more.

type trailOwner uint8

const (
	trailNTP trailOwner = iota + 1
	trailSTUN
	trailWireGuard
	trailOpenVPN
	trailRTP
	trailRTCP
	trailUTP
	trailCoAP
	trailBFD
	trailESP
	trailSNMP
	trailRx
	trailSOCKS
	trailBFCP
	trailMumble
	trailGWMP
	trailZoom
	trailDiscord
)

const trailMask = 1<<56 - 1

// leave leaves a trail in the direction of this datagram: 56 bits and 32 bits of the owner's choice.
func (c *call) leave(owner trailOwner, a uint64, b uint32) {
	d := &c.f.dir[c.side]
	d.skip, d.next = uint64(owner)<<56|a&trailMask, b
}

// trail returns what the owner left in a direction.
func (c *call) trail(owner trailOwner, s Side) (a uint64, b uint32, ok bool) {
	d := &c.f.dir[s]
	return d.skip & trailMask, d.next, d.skip>>56 == uint64(owner)
}

// maxPieces bounds the pieces that a message can come in.
const maxPieces = 64

// pieces says which bytes of a message are there, of those that datagrams bring in any order.
type pieces struct{ list []span } // in order, not touching

type span struct{ from, to int }

// add notes a piece, and returns false when there are too many.
func (p *pieces) add(from, to int) bool {
	i := 0
	for i < len(p.list) && p.list[i].to < from {
		i++
	}
	j := i
	for j < len(p.list) && p.list[j].from <= to {
		from, to = min(from, p.list[j].from), max(to, p.list[j].to)
		j++
	}
	if i == j && len(p.list) == maxPieces {
		return false
	}
	p.list = slices.Replace(p.list, i, j, span{from, to})
	return true
}

// whole is how many bytes there are from the first one on.
func (p *pieces) whole() int {
	if len(p.list) > 0 && p.list[0].from == 0 {
		return p.list[0].to
	}
	return 0
}

// keepPart keeps a piece in its place in the direction's buffer.
func (c *call) keepPart(s Side, at int, data []byte) {
	d, end := &c.f.dir[s], at+len(data)
	if d.buf == nil {
		d.buf = c.take(c.f)
	}
	if end > cap(d.buf.b) {
		b := append(c.slab(end), d.buf.b...)
		c.freeSlab(d.buf.b)
		d.buf.b = b
	}
	if end > len(d.buf.b) {
		d.buf.b = d.buf.b[:end]
	}
	copy(d.buf.b[at:end], data)
}

// berHead reads the tag and length of an element in BER (X.690 section 8.1): the size of the head, and of head
// and content. Only tags of one byte and definite lengths are taken. head is 0 while bytes are missing.
func berHead(b []byte) (head, size int, ok bool) {
	if len(b) < 2 {
		return 0, 0, true
	}
	if b[0]&0x1f == 0x1f {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return 2, 2 + int(b[1]), true
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 4 {
		return 0, 0, false
	}
	if len(b) < 2+n {
		return 0, 0, true
	}
	long := uint32(0)
	for _, d := range b[2 : 2+n] {
		long = long<<8 | uint32(d)
	}
	if long > 1<<30 {
		return 0, 0, false
	}
	return 2 + n, 2 + n + int(long), true
}

// element reads an element in BER that lies whole in r.
func (r *cursor) element() (tag byte, body []byte) {
	head, size, ok := berHead(r.b)
	if !ok || head == 0 || size > len(r.b) {
		r.b, r.bad = nil, true
		return 0, nil
	}
	tag = r.b[0]
	return tag, r.bytes(size)[head:]
}

// expect reads an element that must have the tag.
func (r *cursor) expect(tag byte) []byte {
	got, body := r.element()
	if r.bad || got != tag {
		r.b, r.bad = nil, true
		return nil
	}
	return body
}

// open enters an element, whose end may be missing.
func (r *cursor) open(tag byte) {
	head, size, ok := berHead(r.b)
	if !ok || head == 0 || r.b[0] != tag {
		r.b, r.bad = nil, true
		return
	}
	r.b = r.b[head:min(size, len(r.b))]
}

// integer reads an INTEGER or ENUMERATED of up to eight bytes that is not negative; -1 and bad for others.
func (r *cursor) integer(tag byte) int64 {
	b := r.expect(tag)
	if len(b) == 0 || len(b) > 8 || b[0]&0x80 != 0 {
		r.b, r.bad = nil, true
		return -1
	}
	n := int64(0)
	for _, d := range b {
		n = n<<8 | int64(d)
	}
	return n
}

// Tags of BER's universal types.
const (
	berInteger    = 0x02
	berOctets     = 0x04
	berOID        = 0x06
	berEnumerated = 0x0a
	berGeneral    = 0x1b // GeneralString
	berSequence   = 0x30
)

// hexText returns b in hexadecimal.
func (in *Inspector) hexText(b []byte) string {
	in.hash = in.hash[:0]
	for _, d := range b {
		in.hash = append(in.hash, hexDigits[d>>4], hexDigits[d&15])
	}
	return in.text(in.hash)
}

// utf16Text appends UTF-16 in little-endian order as UTF-8, up to its end or a zero; false when it is no text.
func utf16Text(dst, b []byte) ([]byte, bool) {
	for ; len(b) >= 2; b = b[2:] {
		u := le16(b)
		if u == 0 {
			break
		}
		if u < ' ' || u == 0x7f || u >= 0xd800 && u < 0xe000 || len(dst) > 1024 {
			return dst, false
		}
		dst = utf8.AppendRune(dst, rune(u))
	}
	return dst, true
}
