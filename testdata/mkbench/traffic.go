package main

import (
	"fmt"
	"math"
)

// startTime is the time of the first packet: a fixed day, so that the bytes are the same every day.
const startTime = 1_750_000_000 * int64(1e9)

// connection is a flow under way.
type connection struct {
	flow           *flow
	at             int64 // time of its next packet
	order          int   // decides between equal times
	step           int
	round          int
	rtt            int64
	number         int
	client, server [16]byte
	port           uint16
	tally          *tally
	seqAdd         [2]uint32
}

// traffic starts connections at random times and writes their packets in the order of time.
type traffic struct {
	rnd              rng
	rate             float64
	limit            int
	now              int64
	flows            []*flow
	total            int // of the flows' weights
	most             int // connections to open, 0 = no end
	clients, servers int
	open             []*connection // a heap
	number           int
	buf              []byte
}

// choose makes the flows of a shape.
func (t *traffic) choose(shape, dir string) error {
	t.clients, t.servers = 400, 3000
	switch shape {
	case "mix":
		captured, err := captured(dir)
		if err != nil {
			return err
		}
		t.flows = append(captured, generated(&t.rnd)...)
	case "elephant":
		t.most, t.rate = 8, 100
		t.flows = []*flow{elephant(false, &t.rnd), elephant(true, &t.rnd)}
	case "synflood":
		t.clients, t.servers, t.rate = 1<<30, 1, 1e6
		t.flows = []*flow{lone("synflood", false), lone("synflood", true)}
	case "dnsflood":
		t.clients, t.servers, t.rate = 1<<16, 4, 2e5
		t.flows = []*flow{dns("dnsflood", false, 1, false), dns("dnsflood", true, 28, false)}
	case "udprandom":
		t.clients, t.servers, t.rate = 1<<30, 1<<30, 1e6
		for range 64 {
			t.flows = append(t.flows, garbage(t.rnd.intn(5) == 0, &t.rnd))
		}
	case "http":
		t.most = max(t.limit/1000, 1)
		for i := range 20 {
			t.flows = append(t.flows, persistent(i%5 == 0, 100+400*i))
		}
	case "keepalive":
		t.most = max(t.limit/40, 1)
		t.rate = 20000
		t.flows = []*flow{keepAlive(false), keepAlive(true)}
	default:
		return fmt.Errorf("unknown shape %q (there are mix, elephant, synflood, dnsflood, udprandom, http, keepalive)", shape)
	}
	for _, f := range t.flows {
		t.total += f.weight
	}
	return nil
}

func (t *traffic) run(w *writer) {
	t.now = startTime
	arrival := t.now
	for w.packets < t.limit {
		if (t.most == 0 || t.number < t.most) && (len(t.open) == 0 || arrival <= t.open[0].at) {
			t.push(t.start(arrival, w))
			arrival += int64(-math.Log(1-t.rnd.float()) / t.rate * 1e9)
			continue
		}
		c := t.open[0]
		t.now = c.at
		s := &c.flow.steps[c.step]
		t.buf = c.build(t.buf, s)
		w.packet(c.at, t.buf)
		c.tally.packets++
		c.tally.bytes += len(t.buf)
		if t.advance(c, s) {
			t.sink(0)
		} else {
			t.pop()
		}
	}
}

func (t *traffic) start(at int64, w *writer) *connection {
	pick := t.rnd.intn(t.total)
	f := t.flows[0]
	for _, f = range t.flows {
		if pick -= f.weight; pick < 0 {
			break
		}
	}
	t.number++
	c := &connection{flow: f, at: at, order: t.number, number: t.number, port: uint16(1024 + t.number%64000),
		rtt: int64(1e6 * math.Exp(t.rnd.float()*4.4)), tally: w.tally(f.kind)} // 1 to 80 ms
	c.tally.connections++
	a, b := t.rnd.intn(t.clients), t.rnd.intn(t.servers)
	if f.six {
		copy(c.client[:], "\x20\x01\x0d\xb8\x00\x0a")
		copy(c.server[:], "\x20\x01\x0d\xb8\x00\x0b")
		be.PutUint32(c.client[12:], uint32(a)+1)
		be.PutUint32(c.server[12:], uint32(b)+1)
	} else {
		be.PutUint32(c.client[:], 10<<24|uint32(a+1)&0xffffff)
		be.PutUint32(c.server[:], 198<<24|18<<16|uint32(b+1)&0x1ffff) // 198.18.0.0/15, for benchmarks (RFC 2544)
	}
	return c
}

// advance moves c to its next packet and tells whether there is one.
func (t *traffic) advance(c *connection, last *step) bool {
	c.step++
	if c.step == len(c.flow.steps) {
		if c.flow.loop == 0 {
			return false
		}
		c.step = c.flow.loop
		c.round++
		for i, n := range c.flow.loopBytes {
			c.seqAdd[i] += uint32(n)
		}
	}
	next := &c.flow.steps[c.step]
	c.at += next.gap
	if last.forth && !next.forth {
		c.at += c.rtt
	}
	c.at += int64(t.rnd.intn(20000)) + 1000
	return true
}

// The heap of open connections, earliest first.

func (t *traffic) less(i, j int) bool {
	a, b := t.open[i], t.open[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (t *traffic) push(c *connection) {
	t.open = append(t.open, c)
	for i := len(t.open) - 1; i > 0; {
		up := (i - 1) / 2
		if !t.less(i, up) {
			return
		}
		t.open[i], t.open[up] = t.open[up], t.open[i]
		i = up
	}
}

func (t *traffic) pop() {
	n := len(t.open) - 1
	t.open[0] = t.open[n]
	t.open[n] = nil
	t.open = t.open[:n]
	t.sink(0)
}

func (t *traffic) sink(i int) {
	for {
		least := i
		for _, j := range [2]int{2*i + 1, 2*i + 2} {
			if j < len(t.open) && t.less(j, least) {
				least = j
			}
		}
		if least == i {
			return
		}
		t.open[i], t.open[least] = t.open[least], t.open[i]
		i = least
	}
}

// build makes the packet of a step: the flow's frame with the connection's addresses, ports and
// number, and right checksums.
func (c *connection) build(buf []byte, s *step) []byte {
	b := append(buf[:0], s.frame...)
	src, dst := &c.client, &c.server
	if !s.forth {
		src, dst = dst, src
	}
	var l4 []byte
	var sum uint64
	if c.flow.six {
		copy(b[22:38], src[:])
		copy(b[38:54], dst[:])
		l4 = b[54:]
		sum = add(0, b[22:54])
	} else {
		copy(b[26:30], src[:4])
		copy(b[30:34], dst[:4])
		be.PutUint16(b[18:], uint16(c.number*7+c.step))
		h := b[14 : 14+int(b[14]&15)*4]
		be.PutUint16(h[10:], 0)
		be.PutUint16(h[10:], fold(add(0, h)))
		l4 = b[14+len(h):]
		sum = add(0, b[26:34])
	}
	for _, at := range s.marks {
		digits(b[at:at+markLen], c.number)
	}
	at := 0 // of the checksum
	switch c.flow.proto {
	case 6, 17:
		if s.forth {
			be.PutUint16(l4, c.port)
		} else {
			be.PutUint16(l4[2:], c.port)
		}
		at = 6
		if c.flow.proto == 6 {
			at = 16
			me, peer := 0, 1
			if !s.forth {
				me, peer = 1, 0
			}
			be.PutUint32(l4[4:], be.Uint32(l4[4:])+c.seqAdd[me])
			if l4[13]&0x10 != 0 {
				be.PutUint32(l4[8:], be.Uint32(l4[8:])+c.seqAdd[peer])
			}
		}
	case 1, 58:
		be.PutUint16(l4[4:], c.port) // the echo's identifier
		at = 2
		if c.flow.proto == 1 {
			sum = 0 // ICMP for IPv4 has no pseudo header
		}
	}
	if c.flow.proto != 1 {
		sum += uint64(len(l4)) + uint64(c.flow.proto)
	}
	be.PutUint16(l4[at:], 0)
	v := fold(add(sum, l4))
	if v == 0 && c.flow.proto == 17 {
		v = 0xffff
	}
	be.PutUint16(l4[at:], v)
	return b
}

// add sums b as 16-bit words, several at a time (RFC 1071 §2).
func add(sum uint64, b []byte) uint64 {
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(be.Uint32(b))
	}
	if len(b) >= 2 {
		sum += uint64(be.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func digits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}
