package track

import (
	"math/bits"

	"rustnet/capture/decode"
	"rustnet/track/dpi"
)

// key names a connection by its ends as the first packet had them: src sent it.
type key struct {
	src, dst         decode.Addr
	srcPort, dstPort uint16
	proto            decode.Proto
	version          uint8
	tunnel           decode.Tunnel
	tunnelKey        uint32 // what both directions of a tunnel have in common
}

func keyOf(p *decode.Packet) key {
	return key{src: p.Src, dst: p.Dst, srcPort: p.SrcPort, dstPort: p.DstPort,
		proto: p.Proto, version: p.IPVersion, tunnel: p.Tunnel, tunnelKey: p.TunnelKey()}
}

// reversed is the same connection seen from the other end.
func (k key) reversed() key {
	k.src, k.dst, k.srcPort, k.dstPort = k.dst, k.src, k.dstPort, k.srcPort
	return k
}

// same tells whether p belongs to k, and whether it goes the other way.
func (k *key) same(p *decode.Packet) (ok, back bool) {
	if k.proto != p.Proto || k.version != p.IPVersion || k.tunnel != p.Tunnel || k.tunnel != decode.NoTunnel && k.tunnelKey != p.TunnelKey() {
		return false, false
	}
	if k.src == p.Src && k.dst == p.Dst && k.srcPort == p.SrcPort && k.dstPort == p.DstPort {
		return true, false
	}
	return k.src == p.Dst && k.dst == p.Src && k.srcPort == p.DstPort && k.dstPort == p.SrcPort, true
}

// secret keys the table's hash, so that nobody outside can aim connections at one slot.
type secret [2]uint64

// hash is equal for both directions. It is keyed: what is the same in
// every run can be collided at leisure.
func (s *secret) hash(p *decode.Packet) uint32 {
	a, b := mix(p.Src.Hi^s[0], p.Src.Lo^uint64(p.SrcPort)<<48^s[1]), mix(p.Dst.Hi^s[0], p.Dst.Lo^uint64(p.DstPort)<<48^s[1])
	return uint32(mix(a+b^s[0], uint64(p.Proto)<<48^uint64(p.Tunnel)<<40^uint64(p.TunnelKey())^(a^b)^s[1]))
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// minSlots is how many slots a lane has from the beginning.
const minSlots = 64

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// lane is one part of the table with a bound of its own. Connections are spread over a fixed number
// of lanes by their addresses, and whole lanes over workers: so what is evicted, and with it every
// byte of output, does not depend on how many workers there are.
type lane struct {
	slots  []slot // open addressing, linear probing, a power of two
	live   int
	max    int
	chunks []*[chunkSize]conn
	made   uint32   // connections of chunks that have been in use at least once
	free   []uint32 // places to use again, last freed first
	hand   uint32   // of the clock that looks for whom to evict
	// disorders are to be used again.
	disorders []*[2]disorder
	// marks are of the latest datagrams, each in the place that it has by its hash: see elsewhere.
	marks [1 << 11]uint32
	iface int32 // 1 + index of the only interface of datagrams so far, -1 = there are several
	dpi   *dpi.Inspector
}

// slot is home at hash & mask. It has the hash with it, so that the table can be mended and grown without a look at
// connections that no cache holds.
type slot struct {
	hash uint32
	at   uint32 // place+1, 0 = empty
}

func (l *lane) conn(at uint32) *conn { return &l.chunks[at>>chunkBits][at&(chunkSize-1)] }

// home is where a connection of hash h is looked for first.
func (l *lane) home(h uint32) *slot { return &l.slots[h&uint32(len(l.slots)-1)] }

// first gives 1 + the place of the first connection with a hash, most likely the only one; 0 = there is none.
func (l *lane) first(h uint32) uint32 {
	mask := uint32(len(l.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if s := l.slots[i]; s.hash == h || s.at == 0 {
			return s.at
		}
	}
}

// expect is find, which begins where fetch saw the connection; c is nil where there is none.
func (l *lane) expect(a *ahead, p *decode.Packet) (at uint32, c *conn, back bool) {
	if a.conn != nil {
		if ok, back := a.conn.key.same(p); ok { // and so no other one has this key
			return a.at, a.conn, back
		}
	}
	at, back, ok := l.find(a.hash, p)
	if !ok {
		return 0, nil, false
	}
	return at, l.conn(at), back
}

func (l *lane) find(h uint32, p *decode.Packet) (at uint32, back, ok bool) {
	mask := uint32(len(l.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := l.slots[i]
		if s.at == 0 {
			return 0, false, false
		}
		if s.hash == h {
			if ok, back := l.conn(s.at - 1).key.same(p); ok {
				return s.at - 1, back, true
			}
		}
	}
}

// insert makes room for a connection with hash h. The caller has evicted one when the lane was full.
func (l *lane) insert(h uint32) uint32 {
	if (l.live+1)*2 > len(l.slots) {
		l.grow()
	}
	var at uint32
	if n := len(l.free); n > 0 {
		at, l.free = l.free[n-1], l.free[:n-1]
	} else {
		if l.made&(chunkSize-1) == 0 {
			l.chunks = append(l.chunks, new([chunkSize]conn))
			if l.made > 0 { // as long as each lane has one, pages say little
				enlarge(l.chunks[len(l.chunks)-1])
			}
		}
		at = l.made
		l.made++
	}
	l.place(h, at)
	l.live++
	c := l.conn(at)
	c.hash, c.used = h, true
	return at
}

// newDisorder gives what a connection keeps beside its conn, until it is told closed.
func (l *lane) newDisorder() *[2]disorder {
	if len(l.disorders) == 0 {
		chunk := new([chunkSize / 16][2]disorder)
		for i := range chunk {
			l.disorders = append(l.disorders, &chunk[i])
		}
	}
	d := l.disorders[len(l.disorders)-1]
	l.disorders = l.disorders[:len(l.disorders)-1]
	return d
}

func (l *lane) freeDisorder(c *conn) {
	if c.disorder != nil {
		*c.disorder = [2]disorder{}
		l.disorders = append(l.disorders, c.disorder)
		c.disorder = nil
	}
}

func (l *lane) place(h, at uint32) {
	mask := uint32(len(l.slots) - 1)
	i := h & mask
	for l.slots[i].at != 0 {
		i = (i + 1) & mask
	}
	l.slots[i] = slot{h, at + 1}
}

func (l *lane) grow() {
	old := l.slots
	l.slots = make([]slot, max(minSlots, 2*len(old)))
	for _, s := range old {
		if s.at != 0 {
			l.place(s.hash, s.at-1)
		}
	}
}

// remove takes the connection out and clears it. Entries behind it move up, so that no marks of
// removed ones lengthen later searches.
func (l *lane) remove(at uint32) {
	mask := uint32(len(l.slots) - 1)
	i := l.conn(at).hash & mask
	for l.slots[i].at != at+1 {
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		s := l.slots[j]
		if s.at == 0 {
			break
		}
		if (j-s.hash)&mask >= (j-i)&mask {
			l.slots[i] = s
			i = j
		}
	}
	l.slots[i] = slot{}
	*l.conn(at) = conn{}
	l.free = append(l.free, at)
	l.live--
}

// victim picks whom to evict: a clock's hand goes round, and passes who was heard of since it came
// by last, twice when both ends spoke. A flood of unanswered packets so pushes out itself first.
func (l *lane) victim() uint32 {
	for {
		if l.hand >= l.made {
			l.hand = 0
		}
		at := l.hand
		l.hand++
		c := l.conn(at)
		if !c.used {
			continue
		}
		if c.spared == 0 {
			return at
		}
		c.spared--
	}
}
