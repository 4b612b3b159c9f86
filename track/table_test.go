package track

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"rustnet/capture/decode"
	"rustnet/track/event"
	"rustnet/track/places"
)

func testPacket(n uint32) *decode.Packet {
	return &decode.Packet{Src: decode.AddrFrom4(0x0a000000 + n>>8), Dst: decode.AddrFrom4(0xc0000201), SrcPort: uint16(n), DstPort: 80,
		Proto: decode.TCP, IPVersion: 4}
}

func TestLaneAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := secret{1, 2}
	l := lane{index: places.New()}
	model := map[uint32]uint32{}
	for step := range 100_000 {
		n := uint32(rng.IntN(3000))
		p := testPacket(n)
		if rng.IntN(2) == 0 { // the other direction must be found as well
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		at, _, ok := l.find(s.hash(p), p)
		want, known := model[n]
		if ok != known || ok && at != want {
			t.Fatalf("step %d: find gives %d %v, want %d %v", step, at, ok, want, known)
		}
		switch {
		case !ok:
			at = l.insert(s.hash(p))
			l.conn(at).key = keyOf(p)
			model[n] = at
		case rng.IntN(3) == 0:
			l.remove(at)
			delete(model, n)
		}
		if l.index.Len() != len(model) {
			t.Fatalf("step %d: lane counts %d, want %d", step, l.index.Len(), len(model))
		}
	}
}

// TestSame: a connection is told from one that differs in a single thing, also where both have the same hash.
func TestSame(t *testing.T) {
	for name, change := range map[string]func(*decode.Packet){
		"source":           func(p *decode.Packet) { p.Src = decode.AddrFrom4(0x0a000002) },
		"destination":      func(p *decode.Packet) { p.Dst = decode.AddrFrom4(0xc0000202) },
		"source port":      func(p *decode.Packet) { p.SrcPort++ },
		"destination port": func(p *decode.Packet) { p.DstPort++ },
		"protocol":         func(p *decode.Packet) { p.Proto = decode.UDP },
		"version":          func(p *decode.Packet) { p.IPVersion = 6 },
		"tunnel":           func(p *decode.Packet) { p.Tunnel = decode.TunnelGRE },
		"number of tunnel": func(p *decode.Packet) { p.TunnelID = 8 },
	} {
		first := testPacket(1000)
		if name == "number of tunnel" {
			first.Tunnel, first.TunnelID = decode.TunnelGeneve, 7
		}
		l := lane{index: places.New()}
		l.conn(l.insert(1)).key = keyOf(first)
		for _, back := range []bool{false, true} {
			p := *first
			for _, want := range []bool{true, false} {
				q := p
				if back {
					q.Src, q.Dst, q.SrcPort, q.DstPort = q.Dst, q.Src, q.DstPort, q.SrcPort
				}
				if _, other, ok := l.find(1, &q); ok != want || ok && other != back {
					t.Errorf("another %s, back %v: got %v %v, want %v", name, back, ok, other, want)
				}
				change(&p)
			}
		}
	}
}

func TestHashIsKeyedAndSymmetric(t *testing.T) {
	p := testPacket(77)
	q := *p
	q.Src, q.Dst, q.SrcPort, q.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	a, b := secret{1, 2}, secret{3, 4}
	if a.hash(p) != a.hash(&q) {
		t.Error("the two directions have different hashes")
	}
	if a.hash(p) == b.hash(p) {
		t.Error("the hash does not depend on the secret")
	}
}

// TestPortsDoNotUndoAddresses: who has a network of IPv6 chooses addresses and ports together.
func TestPortsDoNotUndoAddresses(t *testing.T) {
	s := secret{rand.Uint64(), rand.Uint64()}
	for _, tc := range []struct {
		name string
		of   func(p *decode.Packet, n uint64)
	}{
		{"the port in the address", func(p *decode.Packet, n uint64) { p.Src.Lo ^= n << 48 }},
		{"the port in the upper half", func(p *decode.Packet, n uint64) { p.Src.Hi ^= n << 48 }},
		{"ports of one sum", func(p *decode.Packet, n uint64) { p.DstPort = uint16(-n) }},
		{"ports alike", func(p *decode.Packet, n uint64) { p.DstPort = uint16(n) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen := map[uint32]bool{}
			for n := range uint64(1 << 16) {
				p := &decode.Packet{Src: decode.Addr{Hi: 0x20010db800000001, Lo: 1}, Dst: decode.Addr{Hi: 0x20010db800000002, Lo: 1},
					SrcPort: uint16(n), DstPort: 80, Proto: decode.UDP, IPVersion: 6}
				tc.of(p, n)
				seen[s.hash(p)] = true
			}
			if len(seen) < 1<<16-50 { // by chance there is hardly one pair
				t.Errorf("65536 connections have %d hashes", len(seen))
			}
		})
	}
}

// TestDisordersAreUsedAgain: what is kept of disorder goes with its connection, and the next one finds nothing in it.
func TestDisordersAreUsedAgain(t *testing.T) {
	var text strings.Builder
	const n = 500
	for i := range n {
		fmt.Fprintf(&text, "%ds > PA 101 501 50\n%ds > PA 101 501 50\n%ds > R 151 501\n", 10*i, 10*i+1, 10*i+2)
	}
	s := mustNew(t, testConfig())
	closed := 0
	runBatches(t, s, batchesOf(script(t, text.String()), 100, nil), func(b *event.Batch) {
		for _, e := range b.Events {
			if e.Kind == event.Closed {
				closed++
				if e.Tx.Retransmits != 1 {
					t.Errorf("%d retransmissions, want 1", e.Tx.Retransmits)
				}
			}
		}
	})
	room := 0
	for i := range s.workers[0].lanes {
		room += len(s.workers[0].lanes[i].disorders)
	}
	if closed != n || room != chunkSize/16 {
		t.Errorf("%d were closed, and there is room for the disorder of %d, want %d and %d", closed, room, n, chunkSize/16)
	}
}

func TestConnLayout(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the layout is that of processors of 64 bits")
	}
	var c conn
	if n := unsafe.Sizeof(c); n != 6*64 {
		t.Errorf("a connection takes %d bytes, want 384: whole cache lines", n)
	}
	for name, got := range map[string][2]uintptr{
		"timer":    {unsafe.Offsetof(c.timer), 64},
		"sides[0]": {unsafe.Offsetof(c.sides), 128},
		"disorder": {unsafe.Offsetof(c.disorder), 256},
	} {
		if got[0] != got[1] {
			t.Errorf("%s begins at byte %d, want %d", name, got[0], got[1])
		}
	}
	for name, at := range map[string]uintptr{"frame": unsafe.Offsetof(c.frame), "flow": unsafe.Offsetof(c.flow), "bypass": unsafe.Offsetof(c.bypass)} {
		if at >= 4*64 {
			t.Errorf("%s, which each packet asks for, is at byte %d, want it within four lines", name, at)
		}
	}
}
