package decode

import (
	"bytes"
	"slices"

	"rustnet/capture"
)

// Fragments. Every fragment of a datagram is a packet of its own for counting, and the one that
// completes the datagram carries all of its payload. Those that come before the first, which alone
// has the ports, are held and then counted with it. Of TCP and of what may be a tunnel nothing comes
// out before the datagram is whole, as one packet that stands for all of its frames.
//
// What an attacker may try, and what it comes to here:
//   - Two versions of the same bytes, hoping that we and the receiver take different ones (RFC 1858,
//     RFC 5722, the teardrop family). A repetition that lies within one earlier fragment and says the
//     same is passed over. Any other overlap spoils the datagram: its fragments are counted and no
//     payload is shown. Linux drops such datagrams too, since 4.19 also for IPv4.
//   - Ends that lie, beyond 65,535 or behind a last fragment: malformed, or spoiled likewise.
//   - Fragments of datagrams that never become whole: memory is bounded, the oldest is given up.
//   - Very many tiny ones, to make putting them in order dear: more than maxParts spoil the datagram.
//   - A header that goes on in the second fragment (RFC 1858 §3, RFC 7112): read when all is there.
//   - Guessing identifiers, to put something into another's datagram: links, directions, VLANs and
//     tunnels have theirs apart. The rest is a weakness of IP.

const (
	maxDatagram  = 0xffff
	datagramCost = 600 // bytes for a datagram's own fields and its place in the map, about
	partCost     = 16
	maxParts     = 1500 // a datagram of 64 KiB over links of 68 bytes, the least there may be (RFC 791 §3.2)
	maxSpares    = 32
	maxSpareCap  = 16 << 10
)

type fragments struct {
	byKey          map[fragKey]*datagram
	oldest, newest *datagram
	made           uint64 // datagrams begun
	bytes, limit   int
	timeout        int64
	spares         []*datagram
}

// fragKey says which datagram a fragment belongs to (RFC 791 §3.2, RFC 8200 §4.5), and where it was
// seen: on two interfaces, or coming and going over loopback, it is two datagrams.
type fragKey struct {
	src, dst Addr
	iface    *capture.Interface
	id       uint32
	tunnelID uint32
	proto    Proto // 0 for IPv6, where only the first fragment's counts
	vlan     uint16
	version  uint8
	tunnel   Tunnel
	dir      capture.Dir
}

type datagram struct {
	key          fragKey
	older, newer *datagram
	born         int64
	number       uint64

	parts []part // by offset, without overlaps
	buf   []byte // their bytes in order of arrival
	have  int    // Σ of the parts' lengths
	size  int    // of the whole, 0 until the last fragment has come
	cost  int    // bytes accounted for

	first   bool   // the first fragment has come; what it said:
	whole   bool   // nothing comes out before the datagram is whole
	spoiled bool   // it never will be
	proto   Proto  // what the first fragment begins with, extension headers included
	head    Packet // protocol, ports, type and code

	held    uint32 // frames that came out nowhere yet
	heldLen uint32 // their IP bytes
}

type part struct{ off, len, at, have int32 } // have bytes at buf[at:], fewer than len if the capture cut it

func newFragments(limit int, timeout int64) fragments {
	return fragments{byKey: make(map[fragKey]*datagram), limit: limit, timeout: timeout}
}

// fragment takes a fragment of what proto carries. wire is its length, off its place.
func (d *Decoder) fragment(proto Proto, id uint32, off int, more bool, b []byte, wire int, p *Packet) Skip {
	if more {
		wire &^= 7 // as Linux does; all but the last are multiples of 8
		b = b[:min(len(b), wire)]
	}
	if wire <= 0 || off+wire > maxDatagram {
		return SkipMalformed
	}
	d.expire()
	p.Fragment = true
	p.Proto = proto
	g := d.datagram(proto, id, p)
	if !g.spoiled && !g.add(off, wire, more, b) {
		d.spoil(g)
	}
	d.frags.account(g)
	if off == 0 && !g.first {
		g.first, g.proto = true, proto
		g.whole = !d.readHead(g, b, wire, p)
	}
	d.bound(g)
	switch {
	case g.size > 0 && g.have == g.size:
		return d.complete(g, p)
	case g.first && g.whole && g.spoiled:
		d.skipHeld(g)
		return SkipFragment
	case !g.first || g.whole:
		g.held += d.weight
		g.heldLen += p.IPLen + d.extra
		d.follow(Fragment{Frame: d.n.Frames, Datagram: g.number, Held: true})
		return Held
	}
	d.fold(g)
	h := &g.head
	p.Proto, p.SrcPort, p.DstPort, p.ICMPType, p.ICMPCode = h.Proto, h.SrcPort, h.DstPort, h.ICMPType, h.ICMPCode
	return SkipNone
}

// datagram finds the one that the fragment in p belongs to, or begins it.
func (d *Decoder) datagram(proto Proto, id uint32, p *Packet) *datagram {
	k := fragKey{src: p.Src, dst: p.Dst, iface: p.Iface, id: id, tunnelID: p.TunnelID, proto: proto,
		vlan: p.VLAN, version: p.IPVersion, tunnel: p.Tunnel, dir: p.Dir}
	if k.version == 6 {
		k.proto = 0
	}
	f := &d.frags
	if g := f.byKey[k]; g != nil {
		return g
	}
	var g *datagram
	if n := len(f.spares); n > 0 {
		g, f.spares = f.spares[n-1], f.spares[:n-1]
	} else {
		g = new(datagram)
	}
	f.made++
	g.key, g.born, g.number = k, d.clock, f.made
	if g.older = f.newest; g.older != nil {
		g.older.newer = g
	} else {
		f.oldest = g
	}
	f.newest = g
	f.byKey[k] = g
	return g
}

// add puts a fragment in its place. It answers false when the datagram cannot be trusted any more.
func (g *datagram) add(off, n int, more bool, b []byte) bool {
	end, last := off+n, 0
	if k := len(g.parts); k > 0 {
		last = g.parts[k-1].end()
	}
	if !more {
		if g.size > 0 && g.size != end || last > end {
			return false
		}
		g.size = end
	} else if g.size > 0 && end > g.size {
		return false
	}
	i, same := slices.BinarySearchFunc(g.parts, off, func(q part, off int) int { return int(q.off) - off })
	if same {
		i++
	}
	if i > 0 && g.parts[i-1].end() > off {
		return g.repeats(g.parts[i-1], off, end, b)
	}
	if i < len(g.parts) && int(g.parts[i].off) < end || len(g.parts) == maxParts {
		return false
	}
	g.parts = slices.Insert(g.parts, i, part{int32(off), int32(n), int32(len(g.buf)), int32(len(b))})
	g.buf = append(g.buf, b...)
	g.have += n
	return true
}

// repeats tells whether q has all that b says, in the same words.
func (g *datagram) repeats(q part, off, end int, b []byte) bool {
	if end > q.end() {
		return false
	}
	had := g.buf[q.at : q.at+q.have]
	had = had[min(len(had), off-int(q.off)):]
	n := min(len(had), len(b))
	return bytes.Equal(had[:n], b[:n])
}

func (q part) end() int { return int(q.off + q.len) }

// readHead learns from the first fragment what the others belong to. It answers false when that has
// to wait for the whole datagram.
func (d *Decoder) readHead(g *datagram, b []byte, wire int, p *Packet) bool {
	proto, rest, ok := walk(g.proto, p.IPVersion, b)
	if !ok {
		return false
	}
	switch {
	case proto == TCP || proto == fragment || isTunnel(proto):
		return false
	case proto == UDP && (len(rest) < udpHeader || TunnelPorts(be.Uint16(rest), be.Uint16(rest[2:]))):
		return false
	}
	g.head = *p
	s := d.upper(proto, rest, wire-(len(b)-len(rest)), &g.head) // its checksum is of the whole, and not asked for
	g.head.Payload, g.head.Iface = nil, nil
	return s == SkipNone
}

// complete decodes a whole datagram, in place of the fragment in p that completed it.
func (d *Decoder) complete(g *datagram, p *Packet) Skip {
	n := 0
	for _, q := range g.parts {
		n = int(q.off + q.have)
		if q.have < q.len {
			break // the capture cut it: what follows is not joined to it
		}
	}
	b := d.batch.room(n)
	for _, q := range g.parts {
		if int(q.off) < n {
			copy(b[q.off:], g.buf[q.at:q.at+q.have])
		}
	}
	d.fold(g)
	proto, size := g.proto, g.size
	d.frags.remove(g)
	return d.upper(proto, b, size, p)
}

// follow tells those who keep frames.
func (d *Decoder) follow(f Fragment) {
	if d.batch != nil {
		d.batch.Fragments = append(d.batch.Fragments, f)
	}
}

// fold lets the frame at hand stand for those held, too.
func (d *Decoder) fold(g *datagram) {
	if g.held > 0 {
		d.follow(Fragment{Frame: d.n.Frames, Datagram: g.number})
	}
	d.n.Held -= uint64(g.held)
	d.weight += g.held
	d.extra += g.heldLen
	g.held, g.heldLen = 0, 0
}

// spoil gives up a datagram's payload. It stays, for its other fragments to be counted with.
func (d *Decoder) spoil(g *datagram) {
	g.spoiled = true
	g.parts, g.buf, g.have, g.size = nil, nil, 0, 0
	d.frags.account(g)
}

// account brings the sum of memory up to date with g.
func (f *fragments) account(g *datagram) {
	cost := datagramCost + cap(g.buf) + partCost*cap(g.parts)
	f.bytes += cost - g.cost
	g.cost = cost
}

// bound keeps memory within its limit, at the cost of all but g.
func (d *Decoder) bound(g *datagram) {
	f := &d.frags
	for f.bytes > f.limit && f.oldest != g {
		d.giveUp(f.oldest)
	}
	for f.bytes > f.limit && g.newer != nil {
		d.giveUp(g.newer)
	}
}

// expire gives up datagrams that took too long.
func (d *Decoder) expire() {
	for g := d.frags.oldest; g != nil && d.clock-g.born > d.frags.timeout; g = d.frags.oldest {
		d.giveUp(g)
	}
}

func (d *Decoder) giveUp(g *datagram) {
	d.skipHeld(g)
	d.frags.remove(g)
}

func (d *Decoder) skipHeld(g *datagram) {
	if g.held > 0 {
		d.follow(Fragment{Datagram: g.number})
	}
	d.n.Held -= uint64(g.held)
	d.n.Skipped[SkipFragment] += uint64(g.held)
	g.held, g.heldLen = 0, 0
}

func (f *fragments) remove(g *datagram) {
	delete(f.byKey, g.key)
	if g.older != nil {
		g.older.newer = g.newer
	} else {
		f.oldest = g.newer
	}
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		f.newest = g.older
	}
	f.bytes -= g.cost
	if len(f.spares) < maxSpares && cap(g.buf) <= maxSpareCap {
		*g = datagram{parts: g.parts[:0], buf: g.buf[:0]}
		f.spares = append(f.spares, g)
	}
}
