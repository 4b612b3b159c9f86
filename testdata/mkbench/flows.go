package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/google/gopacket/pcapgo"
)

// mark stands in generated names where each connection puts its number.
const (
	mark    = "h0000000"
	markLen = 7
)

// A step is one packet of a flow.
type step struct {
	gap   int64 // nanoseconds since the packet before, the round trip not counted
	forth bool  // from the client
	frame []byte
	marks []int // where in frame the digits of a mark are
}

// A flow is a connection's packets, to be written many times with other addresses.
type flow struct {
	kind   string
	weight int
	six    bool
	proto  uint8
	steps  []step
	// loop is the step to go back to after the last, 0 to end there; loopBytes is what client and
	// server have sent by then.
	loop      int
	loopBytes [2]int
}

// captures are those whose connections the mix replicates, and how many of 10,000 connections each of
// theirs makes up. It is a list, not the folder, so that a new capture does not change the measure.
var captures = []struct {
	share int
	names string
}{
	{70, "tls12 tls13 tls-segmented ipv6"},
	{40, "http"},
	{30, "dns quic"},
	{15, "http-connect icmp tls-failed tls-hrr tls-reordered tls-resumed tls-starttls udp"},
	{5, "ssh tcp-halfclose tcp-loss tcp-refused tcp-retransmit tcp-rst"},
	{2, "bfd bgp bittorrent coap dhcp dtls ftp gearman git http2 imap irc isakmp kerberos ldap memcached modbus mqtt mysql nats netbios " +
		"netflow ntp openflow openvpn pop3 postgresql radius redis rpc rsync sip smb smtp snmp socks ssdp stun syslog telnet tftp vnc wireguard x11 xmpp zabbix"},
}

// captured reads the plain Ethernet captures in dir and takes every connection that is whole.
func captured(dir string) ([]*flow, error) {
	var flows []*flow
	for _, c := range captures {
		for name := range strings.FieldsSeq(c.names) {
			fs, err := connections(filepath.Join(dir, name+".pcap"), name, c.share)
			if err != nil {
				return nil, err
			}
			flows = append(flows, fs...)
		}
	}
	return flows, nil
}

func connections(file, name string, share int) ([]*flow, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read captures: %w (make captures records them)", err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	byKey, last := map[string]*flow{}, map[string]int64{}
	var keys []string
	for {
		b, ci, err := r.ReadPacketData()
		if err != nil {
			break
		}
		key, src, proto, six := tuple(b)
		if key == "" || ci.Length != len(b) {
			continue
		}
		fl := byKey[key]
		if fl == nil {
			fl = &flow{kind: "capture:" + name, weight: share, six: six, proto: proto}
			byKey[key] = fl
			keys = append(keys, key)
			last[key] = ci.Timestamp.UnixNano()
		}
		forth := len(fl.steps) == 0 || src == origin(fl)
		fl.steps = append(fl.steps, step{gap: ci.Timestamp.UnixNano() - last[key], forth: forth, frame: b})
		last[key] = ci.Timestamp.UnixNano()
	}
	sort.Strings(keys)
	var flows []*flow
	for _, k := range keys {
		flows = append(flows, byKey[k])
	}
	return flows, nil
}

// origin is the end that sent the first packet.
func origin(f *flow) string {
	_, src, _, _ := tuple(f.steps[0].frame)
	return src
}

// tuple names the connection of a frame, "" for what is not replicated: fragments, extension
// headers, ICMP other than echo.
func tuple(b []byte) (key, src string, proto uint8, six bool) {
	var a, c, l4 []byte
	switch {
	case len(b) >= 42 && be.Uint16(b[12:]) == 0x0800 && b[14] == 0x45 && be.Uint16(b[20:])&0x3fff == 0:
		proto, a, c, l4 = b[23], b[26:30], b[30:34], b[34:]
	case len(b) >= 62 && be.Uint16(b[12:]) == 0x86dd:
		proto, six, a, c, l4 = b[20], true, b[22:38], b[38:54], b[54:]
	default:
		return
	}
	var p, q []byte
	switch {
	case proto == 6 && len(l4) >= 20, proto == 17 && len(l4) >= 8:
		p, q = l4[:2], l4[2:4]
	case proto == 1 && (l4[0] == 8 || l4[0] == 0), proto == 58 && (l4[0] == 128 || l4[0] == 129):
		p, q = l4[4:6], l4[4:6]
	default:
		return
	}
	src = string(a) + string(p)
	dst := string(c) + string(q)
	return string(rune(proto)) + min(src, dst) + max(src, dst), src, proto, six
}

// builder makes the frames of a generated flow.
type builder struct {
	flow
	port uint16
	seq  [2]uint32
}

func newFlow(kind string, weight int, six bool, proto uint8, port uint16) *builder {
	return &builder{flow: flow{kind: kind, weight: weight, six: six, proto: proto}, port: port, seq: [2]uint32{1000, 5000}}
}

func (b *builder) done() *flow {
	for i := range b.steps {
		s := &b.steps[i]
		for at := 0; ; {
			j := bytes.Index(s.frame[at:], []byte(mark))
			if j < 0 {
				break
			}
			s.marks = append(s.marks, at+j+1)
			at += j + len(mark)
		}
	}
	return &b.flow
}

// packet adds an IP packet; connection.build fills in addresses and checksums.
func (b *builder) packet(gap int64, forth bool, l4 []byte) {
	f := make([]byte, 0, 54+len(l4))
	macs := "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
	if !forth {
		macs = macs[6:] + macs[:6]
	}
	f = append(f, macs...)
	if b.six {
		f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0)
		f = be.AppendUint16(f, uint16(len(l4)))
		f = append(f, b.proto, 64)
		f = append(f, make([]byte, 32)...)
	} else {
		f = append(f, 0x08, 0, 0x45, 0)
		f = be.AppendUint16(f, uint16(20+len(l4)))
		f = append(f, 0, 0, 0x40, 0, 64, b.proto, 0, 0)
		f = append(f, make([]byte, 8)...)
	}
	b.steps = append(b.steps, step{gap: gap, forth: forth, frame: append(f, l4...)})
}

func (b *builder) udp(gap int64, forth bool, payload []byte) {
	h := make([]byte, 8, 8+len(payload))
	if forth {
		be.PutUint16(h[2:], b.port)
	} else {
		be.PutUint16(h, b.port)
	}
	be.PutUint16(h[4:], uint16(8+len(payload)))
	b.packet(gap, forth, append(h, payload...))
}

const (
	fin, syn, rst, psh, ack = 1, 2, 4, 8, 16
	mss                     = 1400
)

func (b *builder) tcp(gap int64, forth bool, flags uint8, payload []byte) {
	me, peer := 0, 1
	if !forth {
		me, peer = 1, 0
	}
	h := make([]byte, 32, 40+len(payload))
	if forth {
		be.PutUint16(h[2:], b.port)
	} else {
		be.PutUint16(h, b.port)
	}
	be.PutUint32(h[4:], b.seq[me])
	if flags&ack != 0 {
		be.PutUint32(h[8:], b.seq[peer])
	}
	h[13] = flags
	be.PutUint16(h[14:], 64240)
	copy(h[20:], []byte{1, 1, 8, 10}) // timestamps (RFC 7323), in steps of the flow
	be.PutUint32(h[24:], uint32(len(b.steps)+1))
	if flags&syn != 0 {
		h = append(h, 2, 4, 5, 0x78, 1, 3, 3, 7)
	}
	h[12] = byte(len(h)/4) << 4
	b.packet(gap, forth, append(h, payload...))
	b.seq[me] += uint32(len(payload))
	if flags&(syn|fin) != 0 {
		b.seq[me]++
	}
}

func (b *builder) handshake() {
	b.tcp(0, true, syn, nil)
	b.tcp(0, false, syn|ack, nil)
	b.tcp(0, true, ack, nil)
}

func (b *builder) finish() {
	b.tcp(5e6, true, fin|ack, nil)
	b.tcp(0, false, fin|ack, nil)
	b.tcp(0, true, ack, nil)
}

// send moves data one way with an acknowledgement for every second segment.
func (b *builder) send(forth bool, data []byte) {
	for i := 0; len(data) > 0; i++ {
		n := min(len(data), mss)
		flags := uint8(ack)
		if n == len(data) {
			flags |= psh
		}
		b.tcp(0, forth, flags, data[:n])
		if data = data[n:]; i%2 == 1 || len(data) == 0 {
			b.tcp(0, !forth, ack, nil)
		}
	}
}

func elephant(six bool, r *rng) *flow {
	b := newFlow("elephant", 1, six, 6, 5001)
	b.handshake()
	b.loop = len(b.steps)
	before := b.seq
	data := make([]byte, 64*mss)
	r.fill(data)
	b.send(true, data)
	b.loopBytes = [2]int{int(b.seq[0] - before[0]), int(b.seq[1] - before[1])}
	return b.done()
}

func keepAlive(six bool) *flow {
	b := newFlow("keepalive", 4, six, 6, 8883)
	if six {
		b.weight = 1
	}
	b.handshake()
	b.send(true, []byte("one line of some application\n"))
	b.loop = len(b.steps)
	b.seq[0]-- // a probe repeats the last byte's place (RFC 9293 §3.8.4)
	b.tcp(15e9, true, ack, nil)
	b.seq[0]++
	b.tcp(0, false, ack, nil)
	return b.done()
}

// lone is a SYN that nothing follows.
func lone(kind string, six bool) *flow {
	b := newFlow(kind, 4, six, 6, 443)
	if six {
		b.weight = 1
	}
	b.tcp(0, true, syn, nil)
	return b.done()
}

// dns is a question for a name of its own and its answer, if it has one (RFC 1035 §4).
func dns(kind string, six bool, qtype uint16, answered bool) *flow {
	b := newFlow(kind, 2300, six, 17, 53)
	if six {
		b.weight = 600
	}
	name := fmt.Sprintf("\x08%s\x05bench\x07example\x04test\x00", mark)
	q := append([]byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, name...)
	q = be.AppendUint16(q, qtype)
	q = append(q, 0, 1)
	b.udp(0, true, q)
	if !answered {
		return b.done()
	}
	a := bytes.Clone(q)
	copy(a[2:], []byte{0x81, 0x80, 0, 1, 0, 1})
	a = append(a, 0xc0, 12)
	a = be.AppendUint16(a, qtype)
	a = append(a, 0, 1, 0, 0, 1, 0x2c)
	if qtype == 28 {
		a = append(a, "\x00\x10\x20\x01\x0d\xb8\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"...)
	} else {
		a = append(a, 0, 4, 198, 18, 0, 7)
	}
	b.udp(0, false, a)
	return b.done()
}

func http(six bool, size int) *flow {
	b := newFlow("http", 60, six, 6, 80)
	b.handshake()
	b.exchange(size)
	b.finish()
	return b.done()
}

// exchange is one HTTP request and the answer of size bytes.
func (b *builder) exchange(size int) {
	b.send(true, fmt.Appendf(nil, "GET /%d/%s HTTP/1.1\r\nHost: %s.bench.example.test\r\nUser-Agent: mkbench/1\r\nAccept: */*\r\n\r\n", size, mark, mark))
	body := bytes.Repeat([]byte("text of no meaning, but of some length. "), size/40+1)[:size]
	b.send(false, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", size, body))
}

// persistent asks again and again over one connection.
func persistent(six bool, size int) *flow {
	b := newFlow("http", 1, six, 6, 80)
	b.handshake()
	b.loop = len(b.steps)
	before := b.seq
	b.exchange(size)
	b.loopBytes = [2]int{int(b.seq[0] - before[0]), int(b.seq[1] - before[1])}
	b.steps[b.loop].gap = 50e6
	return b.done()
}

// bulk is a protocol nobody knows that moves size bytes.
func bulk(six, upload bool, size int, r *rng) *flow {
	b := newFlow("bulk", 8, six, 6, uint16(r.between(20000, 30000)))
	data := make([]byte, size)
	r.fill(data)
	b.handshake()
	b.send(true, data[:40])
	b.send(upload, data)
	b.finish()
	return b.done()
}

// chat sends short lines both ways.
func chat(six bool, lines int, r *rng) *flow {
	b := newFlow("chat", 25, six, 6, uint16(r.between(6000, 7000)))
	b.handshake()
	for i := range lines {
		line := make([]byte, r.between(10, 120))
		r.fill(line)
		b.tcp(int64(r.between(1, 200))*1e6, i%2 == 0, psh|ack, line)
		b.tcp(0, i%2 != 0, ack, nil)
	}
	b.finish()
	return b.done()
}

// garbage is datagrams of random length, bytes and port.
func garbage(six bool, r *rng) *flow {
	b := newFlow("udp", 15, six, 17, uint16(r.between(1024, 65000)))
	for i := range r.between(1, 8) {
		data := make([]byte, r.between(0, 700))
		r.fill(data)
		b.udp(int64(r.between(1, 30))*1e6, i%2 == 0, data)
	}
	return b.done()
}

func echo(six bool, times int) *flow {
	proto, ask, answer := uint8(1), byte(8), byte(0)
	if six {
		proto, ask, answer = 58, 128, 129
	}
	b := newFlow("icmp", 40, six, proto, 0)
	for i := range times {
		l4 := append([]byte{ask, 0, 0, 0, 0, 0, 0, byte(i)}, make([]byte, 56)...)
		b.packet(1e9, true, l4)
		l4 = bytes.Clone(l4)
		l4[0] = answer
		b.packet(0, false, l4)
	}
	b.steps[0].gap = 0
	return b.done()
}

func refused(six bool) *flow {
	b := newFlow("refused", 40, six, 6, 8123)
	b.tcp(0, true, syn, nil)
	b.tcp(0, false, rst|ack, nil)
	return b.done()
}

// generated is the bulk of the mix, one in five of it over IPv6.
func generated(r *rng) []*flow {
	fs := []*flow{dns("dns", false, 1, true), dns("dns", true, 28, true)}
	for i := range 40 {
		six := i%5 == 0
		fs = append(fs, http(six, r.between(100, 9000)), chat(six, r.between(2, 14), r), garbage(six, r),
			// Sizes spread evenly over the powers of two, from a few packets to a few hundred.
			bulk(six, i%4 == 0, 500<<(i%10), r))
		if i < 10 {
			fs = append(fs, echo(six, r.between(1, 4)), refused(six), lone("unanswered", six), lone("unanswered", six))
		}
	}
	return fs
}
