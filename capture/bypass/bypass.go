// Package bypass is the one way back: it tells the kernel of connections that nobody needs to look at any more,
// so that it counts their packets instead of handing them over.
//
// Everything else flows from the source to the output. Here the tracker says something to the filters of the
// source's sockets, through a table in memory that both have (bpf/bypass.bpf.c says how they agree), and takes
// the counts from it. It says only what may be counted; nothing that the tracker learns changes what is counted.
package bypass

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	classic "golang.org/x/net/bpf"

	"rustnet/bpf"
	"rustnet/capture"
)

// Headers is how much of a packet passes when only its headers matter. One that passes shorter than
// this, and than the snap length, is marked (capture.Frame.Marked).
const Headers = bpf.BypassHeaders

// Table is what the kernel was told of. Begin may be called by any goroutine; what else has a place's number is
// for who began there.
type Table struct {
	kernel programs
	table  *bpf.BypassTable
	secret uint64

	mu     sync.Mutex // of Begin and End
	places [bpf.BypassFlows]place

	counted, refused atomic.Uint64
}

// programs is *bpf.Bypass, or a test's.
type programs interface {
	Filter(filter []classic.RawInstruction, snapLen int) (fd int, err error)
	Device(index int, hatype uint16)
	Clock() int64
	Close() error
}

// place is what was taken from a flow already.
type place struct {
	packets, bytes [2]uint64
	twice          uint64
}

// Open makes the table. It needs what loading programs into the kernel needs; what is done with it later does not.
func Open() (*Table, error) {
	b, err := bpf.OpenBypass()
	if err != nil {
		return nil, err
	}
	return &Table{kernel: b, table: b.Table, secret: b.Secret}, nil
}

// Filter makes a socket filter (SO_ATTACH_BPF) that keeps snapLen bytes of what the classic one keeps and what is not
// counted here. The descriptor belongs to the table.
func (t *Table) Filter(filter []classic.RawInstruction, snapLen int) (fd int, err error) {
	return t.kernel.Filter(filter, snapLen)
}

// Device tells filters for all interfaces of which hardware type (ARPHRD_) one of them is.
func (t *Table) Device(index int, hatype uint16) { t.kernel.Device(index, hatype) }

// Counted is how many packets were counted and taken so far.
func (t *Table) Counted() uint64 { return t.counted.Load() }

// Refused is for how many connections there was no room, each as often as it asked.
func (t *Table) Refused() uint64 { return t.refused.Load() }

// Close frees the table. Sockets keep their filters, and the filters the memory.
func (t *Table) Close() error {
	if t == nil { // there is none
		return nil
	}
	return t.kernel.Close()
}

// Begin takes a place for a connection; ok is false where there is none. Nothing is counted before Ask, but
// only the headers of a TCP connection's packets pass from now on.
func (t *Table) Begin(f *capture.Flow) (n uint32, ok bool) {
	key := keyOf(f)
	group, tag := spot(t.hash(&key))
	t.mu.Lock()
	defer t.mu.Unlock()
	free, ok := uint32(0), false
	for n := group; n < group+bpf.BypassWays; n++ {
		if t.table.Tags[n] == 0 {
			if !ok {
				free, ok = n, true
			}
		} else if t.table.Tags[n] == tag { // the same in another VLAN, or, once in 2^31 times, another one
			ok = false
			break
		}
	}
	if !ok {
		t.refused.Add(1)
		return 0, false
	}
	w := &t.table.Flows[free]
	w.Addr, w.Port, w.Proto, w.Version = key.addr, key.port, key.proto, key.version
	w.Over = 0
	atomic.StoreUint32(&t.table.Tags[free], tag)
	atomic.AddUint32(&t.table.Used, 1)
	return free, true
}

// Ask asks for the connection to be counted. The first packet that is Marked then is the one behind which Confirm
// has its say.
func (t *Table) Ask(n uint32, f *capture.Flow) {
	t.Halt(n)
	w := &t.table.Flows[n]
	w.Phase, w.Confirmed, w.BegunNS, w.Twice = bpf.Learning, 0, 0, 0
	t.places[n] = place{}
	for s := range w.Side {
		w.Side[s] = bpf.BypassSide{Ifindex: uint32(f.Iface[s])}
	}
	atomic.StoreUint32(&w.Stopped, 0)
}

// Confirm compares what the kernel expects behind the first marked packet with what f says, and lets it count if they
// agree: from behind the second packet that is marked.
func (t *Table) Confirm(n uint32, f *capture.Flow) (agreed bool) {
	w := &t.table.Flows[n]
	for s := range w.Side {
		d := &w.Side[s]
		if f.Proto == tcp && d.Base != f.Next[s] {
			return false
		}
		d.Seen = 0
		if f.Data[s] {
			d.Seen |= bpf.SeenData
		}
		if f.Acks[s] {
			d.Seen |= bpf.SeenAck
		}
		if f.Shut[s] {
			d.Seen |= bpf.SeenShut
		}
	}
	atomic.StoreUint32(&w.Confirmed, 1)
	return true
}

// Stopped tells whether the kernel came upon a packet that was not as expected. It and what follows pass.
func (t *Table) Stopped(n uint32) bool { return atomic.LoadUint32(&t.table.Flows[n].Stopped) != 0 }

// Begun is the packet time from which on it is counted, 0 = it is not.
func (t *Table) Begun(n uint32) int64 {
	if ns := atomic.LoadUint64(&t.table.Flows[n].BegunNS); ns != 0 {
		return int64(ns) + t.kernel.Clock()
	}
	return 0
}

// Read takes what was counted, while it goes on.
func (t *Table) Read(n uint32, c *capture.Counted) {
	w := &t.table.Flows[n]
	for !atomic.CompareAndSwapUint32(&w.Busy, 0, 1) {
		runtime.Gosched()
	}
	t.take(n, w, c)
	atomic.StoreUint32(&w.Busy, 0)
}

// Halt ends the counting: nothing is counted from when it returns, until Ask.
func (t *Table) Halt(n uint32) {
	w := &t.table.Flows[n]
	atomic.SwapUint32(&w.Stopped, 1)
	for atomic.LoadUint32(&w.Busy) != 0 { // a processor that was at a packet when it was not stopped yet
		runtime.Gosched()
	}
}

func (t *Table) take(n uint32, w *bpf.BypassFlow, c *capture.Counted) {
	*c = capture.Counted{Twice: w.Twice - t.places[n].twice, Now: time.Now().UnixNano()}
	all, clock := c.Twice, t.kernel.Clock()
	t.places[n].twice = w.Twice
	for s := range w.Side {
		d, had := &w.Side[s], &t.places[n]
		c.Packets[s], c.Bytes[s] = d.Packets-had.packets[s], d.Bytes-had.bytes[s]
		had.packets[s], had.bytes[s] = d.Packets, d.Bytes
		all += c.Packets[s]
		c.Last[s] = int64(d.LastNS) + clock
		c.Next[s], c.Acked[s], c.RTTMicros[s] = d.Next, d.Acked, d.RTTMicros
		c.Timing[s], c.TimedSeq[s], c.TimedTS[s] = d.Timing != 0, d.TimedSeq, int64(d.TimedNS)+clock
	}
	t.counted.Add(all)
}

// End gives the place back. What was counted and not taken is lost.
func (t *Table) End(n uint32) {
	t.Halt(n)
	t.mu.Lock()
	atomic.AddUint32(&t.table.Used, ^uint32(0))
	atomic.StoreUint32(&t.table.Tags[n], 0)
	t.mu.Unlock()
}

// InUse is how many connections have a place.
func (t *Table) InUse() int { return int(atomic.LoadUint32(&t.table.Used)) }

const tcp = 6

// key is a connection as its packets name it: in network order, whatever that is on this machine.
type key struct {
	addr           [2][2]uint64
	port           [2]uint16
	proto, version uint8
}

func keyOf(f *capture.Flow) key {
	k := key{proto: f.Proto, version: 6}
	for s, end := range f.Ends {
		k.addr[s], k.port[s] = words(end.Addr()), networkOrder(end.Port())
		if end.Addr().Is4() {
			k.version = 4
		}
	}
	return k
}

func words(a netip.Addr) [2]uint64 {
	if a.Is4() {
		b := a.As4()
		return [2]uint64{0, uint64(binary.NativeEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return [2]uint64{binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])}
}

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// hash is the C file's.
func (t *Table) hash(k *key) uint64 {
	h := t.mix(k.addr[0], k.port[0]) + t.mix(k.addr[1], k.port[1]) + uint64(k.proto)
	h = (h ^ t.secret) * 0xa0761d6478bd642f
	return h ^ h>>32
}

func (t *Table) mix(a [2]uint64, port uint16) uint64 {
	h := (a[0] ^ t.secret) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32 ^ a[1] ^ uint64(port)<<40) * 0xd6e8feb86659fd93
	return h ^ h>>29
}

// spot is where a connection may be, and by what it is known there.
func spot(h uint64) (group, tag uint32) {
	return uint32(h) & (bpf.BypassFlows/bpf.BypassWays - 1) * bpf.BypassWays, uint32(h>>32) | 1
}
