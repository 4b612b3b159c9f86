package track

import (
	"math/bits"

	"rustnet/capture/decode"
	"rustnet/track/dpi"
	"rustnet/track/places"
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
	// A port must not undo what an address says: who has a network chooses both.
	a := mix(p.Src.Hi^s[0]^uint64(p.SrcPort)*(s[1]|1), p.Src.Lo^s[1])
	b := mix(p.Dst.Hi^s[0]^uint64(p.DstPort)*(s[1]|1), p.Dst.Lo^s[1])
	return uint32(mix(a+b^s[0], uint64(p.Proto)<<48^uint64(p.Tunnel)<<40^uint64(p.TunnelKey())^(a^b)^s[1]))
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// lane is one part of the table with a bound of its own. Connections are spread over a fixed number
// of lanes by their addresses, and whole lanes over workers: so what is evicted, and with it every
// byte of output, does not depend on how many workers there are.
type lane struct {
	index  places.Index
	max    int
	chunks []*[chunkSize]conn
	made   uint32   // connections of chunks that have been in use at least once
	free   []uint32 // places to use again, last freed first
	hand   uint32   // of the clock that looks for whom to evict
	// disorders are to be used again.
	disorders []*[2]disorder
	// marks are of the latest datagrams, each in the place that it has by its hash: see elsewhere.
	marks  [1 << 11]uint32
	iface  int32   // 1 + index of the only interface of datagrams so far, -1 = there are several
	halves *halves // nil = no tunnel was met yet
	dpi    *dpi.Inspector
}

func (l *lane) conn(at uint32) *conn { return &l.chunks[at>>chunkBits][at&(chunkSize-1)] }

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
	for at, from := l.index.First(h); at != 0; at, from = l.index.Next(h, from) {
		c := l.conn(at - 1)
		if ok, back := c.key.same(p); ok {
			return at - 1, back, true
		}
		if c.joined {
			k := c.otherHalf()
			if ok, back := k.same(p); ok {
				return at - 1, back, true
			}
		}
	}
	return 0, false, false
}

// halves has the places + 1 of connections that began lately, by addresses and ports alone: where the one direction goes through a tunnel
// and the other through one with another number (a router between two virtual networks, a mirror that numbers directions) or
// through none, a packet of the other direction finds its connection here. What is forgotten stays two halves.
type halves [256]uint32

// soonNS is how long after a datagram one the other way through another tunnel is its answer.
const soonNS = 5_000_000_000

func (h *halves) of(p *decode.Packet) *uint32 {
	// Not keyed: what is forgotten for what must be the same in every run.
	return &h[mix((p.Src.Hi+p.Dst.Hi+uint64(p.SrcPort)+uint64(p.DstPort))^uint64(p.Proto)<<32, p.Src.Lo+p.Dst.Lo)>>56]
}

// began notes a connection that p began.
func (l *lane) began(at uint32, p *decode.Packet) {
	if l.halves == nil {
		l.halves = new(halves)
	}
	*l.halves.of(p) = at + 1
}

// join finds the connection whose other half p, which none has yet, belongs to: only one end of it was heard so far, and p is of the other.
// TCP's numbers must fit.
func (l *lane) join(h uint32, p *decode.Packet) (at uint32, c *conn, back bool) {
	if l.halves == nil {
		return 0, nil, false
	}
	if at = *l.halves.of(p); at == 0 {
		return 0, nil, false
	}
	at--
	c = l.conn(at)
	k := c.key
	k.tunnel, k.tunnelKey = p.Tunnel, p.TunnelKey()
	ok, back := k.same(p)
	if !ok || c.closed || c.joined {
		return 0, nil, false
	}
	mine, its := &c.sides[0], &c.sides[1]
	if back {
		mine, its = its, mine
	}
	if mine.packets > 0 || its.packets == 0 {
		return 0, nil, false
	}
	if p.Proto == decode.TCP {
		if d := int32(p.Ack - its.tcp.next); p.TCPFlags&decode.ACK == 0 || !its.tcp.is(started) || d > 1<<20 || d < -1<<20 {
			return 0, nil, false
		}
	} else if p.Clock-c.heard() > soonNS {
		return 0, nil, false
	}
	c.joined, c.other, c.otherKey, c.otherHash = true, k.tunnel, k.tunnelKey, h
	if h != c.hash {
		l.index.Add(h, at)
	}
	return at, c, back
}

// otherHalf is the connection as the other direction has it, where it is joined.
func (c *conn) otherHalf() key {
	k := c.key
	k.tunnel, k.tunnelKey = c.other, c.otherKey
	return k
}

// insert makes room for a connection with hash h. The caller has evicted one when the lane was full.
func (l *lane) insert(h uint32) uint32 {
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
	l.index.Add(h, at)
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

// remove takes the connection out and clears it.
func (l *lane) remove(at uint32) {
	c := l.conn(at)
	l.index.Remove(c.hash, at)
	if c.joined && c.otherHash != c.hash {
		l.index.Remove(c.otherHash, at)
	}
	*c = conn{}
	l.free = append(l.free, at)
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
