//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
	"rustnet/capture/pcapfilter"
)

func openBypass(t testing.TB) *Bypass {
	t.Helper()
	b, err := OpenBypass()
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel has no programs for us: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// sieve is a socket with a filter, and one that sends to it: what the filter keeps can be read, cut as it says.
type sieve struct {
	in, out int
	buf     []byte
}

func newSieve(t testing.TB) *sieve {
	t.Helper()
	fd, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &sieve{in: fd[0], out: fd[1], buf: make([]byte, 1<<17)}
	t.Cleanup(func() { unix.Close(s.in); unix.Close(s.out) })
	return s
}

func (s *sieve) classic(t testing.TB, filter []bpf.RawInstruction, snapLen int) {
	t.Helper()
	p := make([]unix.SockFilter, 0, len(filter)+1)
	for _, in := range filter {
		if in.Op == unix.BPF_RET {
			in.K = min(in.K, uint32(snapLen))
		}
		p = append(p, unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K})
	}
	if len(p) == 0 {
		p = append(p, unix.SockFilter{Code: unix.BPF_RET, K: uint32(snapLen)})
	}
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	if err := unix.SetsockoptSockFprog(s.out, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		t.Fatalf("the kernel does not take the classic program: %v", err)
	}
}

func (s *sieve) extended(t testing.TB, fd int) {
	t.Helper()
	if err := unix.SetsockoptInt(s.out, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, fd); err != nil {
		t.Fatal(err)
	}
}

// keeps gives how much of a frame passes, -1 for none of it.
func (s *sieve) keeps(t testing.TB, frame []byte) int {
	t.Helper()
	// A frame that is rejected is taken without a word, or refused with EPERM; either way nothing can be read.
	if _, err := unix.Write(s.in, frame); err != nil && err != unix.EPERM {
		t.Fatal(err)
	}
	n, err := unix.Read(s.out, s.buf)
	switch {
	case err == unix.EAGAIN:
		return -1
	case err != nil:
		t.Fatal(err)
	case !bytes.Equal(s.buf[:n], frame[:n]):
		t.Fatalf("the frame was changed")
	}
	return n
}

// frames are those of the project's captures, some of each, and some that were cut. Where this is all there is of the
// project (kernels.sh), they are made up.
func frames(t testing.TB) (all [][]byte) {
	t.Helper()
	paths, err := filepath.Glob("../testdata/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		s := segment{from: i % 2, seq: uint32(i) << 27, length: i * i, flags: byte(i), v6: i%3 == 0, udp: i%4 == 0, port: []uint16{0, 53, 80, 22}[i%4]}
		all = append(all, s.frame(), s.frame()[:14+i])
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewReader(f)
		for i := 0; err == nil && i < 2; i++ {
			var frame []byte
			if frame, _, err = r.ReadPacketData(); err == nil && len(frame) > 0 {
				all = append(all, frame)
				if i == 0 && len(all)%3 == 0 {
					all = append(all, frame[:len(frame)*(1+len(all)%7)/8+1])
				}
			}
		}
		f.Close()
	}
	return all
}

// TestFilterKeepsWhatTheClassicKeeps runs both forms of a filter in the kernel on the same frames.
func TestFilterKeepsWhatTheClassicKeeps(t *testing.T) {
	b, all := openBypass(t), frames(t)
	const snapLen = 300
	for _, expr := range []string{
		"", "tcp", "udp port 53", "tcp port 443 or port 80", "not port 22", "host 192.0.2.1", "net 10.0.0.0/8 and not icmp",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ip[2:2] > 200", "ip6", "ip6 and udp", "ether proto 0x0806", "arp or icmp or icmp6",
		"portrange 1000-60000", "greater 100", "less 90 or tcp", "vlan", "vlan 5 and tcp", "ether broadcast or multicast",
		"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", "udp[8:2] & 0x8000 = 0", "ip[0] & 0xf != 5", "ip[6:2] & 0x1fff = 0 and ip proto 17",
		"len / (ip[8] - 64) > 1", "len % (tcp[13] & 8) = 0", "(ip[4:2] * 3 + 7) ^ 0xff > 1000 or (len << 2) < 400", "-len & 0xff > 100",
		"ip6[6] = 6 and ip6 protochain 6", "pppoes or mpls or geneve", "outbound or inbound", "ether[100:4] != 0", "sctp or esp or ah",
	} {
		t.Run(expr, func(t *testing.T) {
			program, err := pcapfilter.Compile(expr, pcapfilter.Options{Link: capture.LinkEthernet, Live: true})
			if err != nil {
				t.Fatal(err)
			}
			fd, err := b.Filter(program.Raw(), snapLen)
			if err != nil {
				t.Fatal(err)
			}
			old, made := newSieve(t), newSieve(t)
			old.classic(t, program.Raw(), snapLen)
			made.extended(t, fd)
			kept := 0
			for i, frame := range all {
				want, got := old.keeps(t, frame), made.keeps(t, frame)
				if want != got {
					t.Fatalf("frame %d, %d bytes: got %d, want %d\n%x", i, len(frame), got, want, frame)
				}
				if want >= 0 {
					kept++
				}
			}
			if expr == "tcp" && (kept == 0 || kept == len(all)) {
				t.Errorf("%d of %d frames kept: not what was to be tested", kept, len(all))
			}
		})
	}
}

// TestTranslateRandomPrograms does the same with every instruction there is, in any order.
func TestTranslateRandomPrograms(t *testing.T) {
	b, all := openBypass(t), frames(t)
	r := rand.New(rand.NewPCG(1, 2))
	passed, programs := 0, 60
	if testing.Short() {
		programs = 15 // each is translated and verified, which an emulated machine takes half a second for
	}
	for n := range programs {
		filter := randomProgram(r)
		old, made := newSieve(t), newSieve(t)
		old.classic(t, filter, 64)
		fd, err := b.Filter(filter, 64)
		if err != nil {
			t.Fatalf("program %d: %v\n%v", n, err, filter)
		}
		made.extended(t, fd)
		for range 30 {
			frame := all[r.IntN(len(all))]
			want, got := old.keeps(t, frame), made.keeps(t, frame)
			if want != got {
				t.Fatalf("program %d: got %d, want %d\n%v\n%x", n, got, want, filter, frame)
			}
			if want >= 0 {
				passed++
			}
		}
	}
	if passed == 0 || passed == programs*30 {
		t.Errorf("%d of %d frames passed: the programs tell nothing apart", passed, programs*30)
	}
}

// randomProgram makes a program that the kernel takes: scratch words are written before they are read, and jumps end
// within.
func randomProgram(r *rand.Rand) []bpf.RawInstruction {
	p := []bpf.RawInstruction{{Op: unix.BPF_LD | unix.BPF_LEN}}
	for k := range uint32(16) {
		p = append(p, bpf.RawInstruction{Op: unix.BPF_ST, K: k})
	}
	sizes := []uint16{unix.BPF_W, unix.BPF_H, unix.BPF_B}
	alu := []uint16{unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_DIV, unix.BPF_OR, unix.BPF_AND, unix.BPF_LSH, unix.BPF_RSH, unix.BPF_MOD, unix.BPF_XOR}
	jumps := []uint16{unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET}
	body := 10 + r.IntN(40)
	for i := range body {
		left := body - i
		in := bpf.RawInstruction{K: r.Uint32N(60)}
		if r.IntN(4) == 0 {
			in.K = r.Uint32()
		}
		switch r.IntN(14) {
		case 0:
			in.Op, in.K = unix.BPF_LD|unix.BPF_ABS|sizes[r.IntN(3)], r.Uint32N(40)
		case 1:
			in.Op, in.K = unix.BPF_LD|unix.BPF_IND|sizes[r.IntN(3)], r.Uint32N(20)
		case 2:
			in.Op = unix.BPF_LD | unix.BPF_IMM
		case 3:
			in.Op, in.K = unix.BPF_LDX|unix.BPF_IMM, r.Uint32N(30)
		case 4:
			in.Op, in.K = unix.BPF_LD|unix.BPF_MEM, r.Uint32N(16)
		case 5:
			in.Op, in.K = unix.BPF_LDX|unix.BPF_MEM, r.Uint32N(16)
		case 6:
			in.Op, in.K = unix.BPF_LDX|unix.BPF_MSH|unix.BPF_B, r.Uint32N(20)
		case 7:
			in.Op, in.K = []uint16{unix.BPF_ST, unix.BPF_STX}[r.IntN(2)], r.Uint32N(16)
		case 8:
			in.Op, in.K = []uint16{unix.BPF_LDX | unix.BPF_LEN, unix.BPF_ALU | unix.BPF_NEG, unix.BPF_MISC, unix.BPF_MISC | 0x80}[r.IntN(4)], 0
		case 9:
			op := alu[r.IntN(len(alu))]
			if in.Op = unix.BPF_ALU | op; op == unix.BPF_LSH || op == unix.BPF_RSH {
				in.K %= 32
			}
			in.K = max(in.K, 1) // nor does the kernel take a division by 0
		case 10:
			in.Op, in.K = unix.BPF_ALU|unix.BPF_X|alu[r.IntN(len(alu))], 0
		case 11:
			in.Op, in.K = unix.BPF_JMP|unix.BPF_JA, r.Uint32N(uint32(min(left, 3)))
		default:
			in.Op = unix.BPF_JMP | jumps[r.IntN(4)] | uint16(r.IntN(2))*unix.BPF_X
			if in.Op&unix.BPF_X != 0 {
				in.K = 0
			}
			in.Jt, in.Jf = uint8(r.IntN(min(left, 200))), uint8(r.IntN(min(left, 200)))
		}
		p = append(p, in)
	}
	return append(p, bpf.RawInstruction{Op: unix.BPF_JMP | unix.BPF_JSET, K: 1, Jt: 1},
		bpf.RawInstruction{Op: unix.BPF_RET, K: 0}, bpf.RawInstruction{Op: unix.BPF_RET, K: 1 << 18})
}

// TestNotTranslated: what asks for more than this program can know keeps its classic form.
func TestNotTranslated(t *testing.T) {
	for name, filter := range map[string][]bpf.RawInstruction{
		"a queue's number":         {{Op: unix.BPF_LD | unix.BPF_ABS | unix.BPF_W, K: 0xfffff000 + 24}, {Op: unix.BPF_RET, K: 1 << 18}},
		"cuts more":                {{Op: unix.BPF_RET, K: 40}},
		"cuts where it chooses":    {{Op: unix.BPF_RET | unix.BPF_A}},
		"before the link header":   {{Op: unix.BPF_LD | unix.BPF_ABS | unix.BPF_W, K: 0xffe00000}, {Op: unix.BPF_RET, K: 1 << 18}},
		"an instruction of no one": {{Op: unix.BPF_LD | 0xe0}, {Op: unix.BPF_RET, K: 1 << 18}},
	} {
		if _, err := translate(filter, 4096, "accept", 0); !errors.Is(err, errNotTranslated) {
			t.Errorf("%s: got %v, want %v", name, err, errNotTranslated)
		}
	}
}

// rig runs the program on packets without a socket. They come by the loopback interface, which is where the kernel's
// test of programs has them come from.
type rig struct {
	t    testing.TB
	b    *Bypass
	prog *ebpf.Program
}

const rigSnapLen = 1000

func newRig(t testing.TB) *rig {
	b := openBypass(t)
	if _, err := b.Filter(nil, rigSnapLen); err != nil {
		t.Fatal(err)
	}
	return &rig{t, b, b.progs[0]}
}

// pass gives what the program returns for a frame.
func (r *rig) pass(frame []byte) int {
	r.t.Helper()
	// A link header is taken off before a socket filter sees the packet, and says what its protocol is.
	link := bytes.Clone(frame[:14])
	if frame[0]>>4 == 4 {
		link[12], link[13] = 8, 0
	}
	n, err := r.prog.Run(&ebpf.RunOptions{Data: append(link, frame...)})
	if errors.Is(err, ebpf.ErrNotSupported) {
		r.t.Skip("this kernel runs no programs for tests")
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return int(n)
}

// segment is a packet of the connection that the rig's table has; end 0 is 10.0.0.1:1000 or 2001:db8::1, end 1 the other.
type segment struct {
	from     int
	seq, ack uint32
	length   int
	flags    byte // 0 = ACK
	window   uint16
	v6, udp  bool
	port     uint16 // of end 0, where it is not 1000
	change   func([]byte) []byte
}

func (s *segment) frame() []byte {
	port := [2]uint16{1000, 443}
	if s.port != 0 {
		port[0] = s.port
	}
	header, proto, f := 20, byte(6), []byte(nil)
	if s.udp {
		header, proto = 8, 17
	}
	if s.v6 {
		f = append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0, byte((header+s.length)>>8), byte(header+s.length), proto, 64)
		for _, end := range []int{s.from, 1 - s.from} {
			f = append(f, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(end+1))
		}
	} else {
		n := 20 + header + s.length
		f = append(make([]byte, 12), 8, 0, 0x45, 0, byte(n>>8), byte(n), 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, byte(s.from+1), 10, 0, 0, byte(2-s.from))
	}
	f = be.AppendUint16(be.AppendUint16(f, port[s.from]), port[1-s.from])
	if s.udp {
		f = append(f, byte((8+s.length)>>8), byte(8+s.length), 0, 0)
	} else {
		flags, window := s.flags, s.window
		if flags == 0 {
			flags = 0x10
		}
		if window == 0 {
			window = 500
		} else if window == 1 {
			window = 0
		}
		f = be.AppendUint32(be.AppendUint32(f, s.seq), s.ack)
		f = append(f, 5<<4, flags, byte(window>>8), byte(window), 0, 0, 0, 0)
	}
	f = append(f, make([]byte, s.length)...)
	if s.change != nil {
		f = s.change(f)
	}
	return f
}

var be = binary.BigEndian

// begin puts the connection into the table, in the first place of each group: whatever its hash is, it is found there.
func (r *rig) begin(v6, udp bool) *BypassFlow {
	key := BypassFlow{Stopped: 0, Proto: 6, Version: 4, Port: [2]uint16{native(1000), native(443)}}
	if udp {
		key.Proto = 17
	}
	for s := range key.Side {
		key.Side[s] = BypassSide{Ifindex: loopback, Seen: SeenData | SeenAck}
		b := [16]byte{10, 0, 0, byte(s + 1)}
		key.Addr[s] = [2]uint64{0, uint64(binary.NativeEndian.Uint32(b[:]))}
		if v6 {
			b = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(s + 1)}
			key.Version = 6
			key.Addr[s] = [2]uint64{binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])}
		}
	}
	h := r.hash(&key)
	at := uint32(h) % (BypassFlows / BypassWays) * BypassWays
	r.b.Table.Flows[at+3] = key
	r.b.Table.Used = 1
	r.b.Table.Tags[at+3] = uint32(h>>32) | 1
	return &r.b.Table.Flows[at+3]
}

func native(v uint16) uint16 { return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)}) }

// hash is the C file's, written down a second time: capture/bypass has the one that is used.
func (r *rig) hash(f *BypassFlow) uint64 {
	mix := func(a [2]uint64, port uint16) uint64 {
		h := (a[0] ^ r.b.Secret) * 0x9e3779b97f4a7c15
		h = (h ^ h>>32 ^ a[1] ^ uint64(port)<<40) * 0xd6e8feb86659fd93
		return h ^ h>>29
	}
	h := (mix(f.Addr[0], f.Port[0]) + mix(f.Addr[1], f.Port[1]) + uint64(f.Proto) ^ r.b.Secret) * 0xa0761d6478bd642f
	return h ^ h>>32
}

// What becomes of a packet.
const (
	whole   = rigSnapLen
	headers = BypassHeaders
	marked  = BypassHeaders - 1
	counted = 0
)

// counting leads a flow to where it counts: side 0 has sent up to 1000, side 1 up to 5000.
func (r *rig) counting(f *BypassFlow, v6, udp bool) {
	r.t.Helper()
	for i, want := range []int{headers, marked, headers, marked} {
		s := segment{from: i % 2, seq: 800, ack: 5000, length: 200, v6: v6, udp: udp}
		if s.from == 1 {
			s.seq, s.ack = 4900, 1000
			s.length = 100
		}
		if i >= 2 {
			s.seq, s.length = s.seq+uint32(s.length), 0
		}
		if i == 3 {
			f.Confirmed = 1
		}
		frame := s.frame()
		if udp { // which learns nothing, and is not cut
			want = []int{marked, whole, whole, marked}[i]
		}
		if want == marked {
			want = min(len(frame), BypassHeaders) - 1
		}
		if got := r.pass(frame); got != want {
			r.t.Fatalf("packet %d while it is asked for: got %d, want %d", i, got, want)
		}
		if f.Phase == Trying && !udp && i == 1 && (f.Side[0].Base != 1000 || f.Side[1].Base != 5000) {
			r.t.Errorf("behind the first mark %d and %d are expected, want 1000 and 5000", f.Side[0].Base, f.Side[1].Base)
		}
	}
	if f.Phase != Counting {
		r.t.Fatalf("phase %d, want %d", f.Phase, Counting)
	}
}

// TestBypassCounts: what is as expected is counted, anything else passes and ends the counting.
func TestBypassCounts(t *testing.T) {
	r := newRig(t)
	set := func(at int, v byte) func([]byte) []byte {
		return func(f []byte) []byte { f[at] = v; return f }
	}
	for _, tc := range []struct {
		name    string
		v6, udp bool
		send    segment
		want    int
		stops   bool
		bytes   uint64 // of end 0 then
	}{
		{name: "data in order", send: segment{seq: 1000, ack: 5000, length: 300}, want: counted, bytes: 340},
		{name: "over IPv6", v6: true, send: segment{seq: 1000, ack: 5000, length: 300}, want: counted, bytes: 360},
		{name: "pushed", send: segment{seq: 1000, ack: 5000, length: 300, flags: 0x18}, want: counted, bytes: 340},
		{name: "congestion noted", send: segment{seq: 1000, ack: 5000, length: 300, flags: 0xd0}, want: counted, bytes: 340},
		{name: "acknowledgement", send: segment{seq: 1000, ack: 5000}, want: counted, bytes: 40},
		{name: "keep-alive", send: segment{seq: 999, ack: 5000}, want: counted, bytes: 40},
		{name: "padded", send: segment{seq: 1000, ack: 5000, change: func(f []byte) []byte { return append(f, 0, 0, 0, 0, 0, 0) }}, want: counted, bytes: 40},
		{name: "length left to the card", send: segment{seq: 1000, ack: 5000, length: 300, change: func(f []byte) []byte { f[16], f[17] = 0, 0; return f }}, want: counted, bytes: 340},
		{name: "no Ethernet header", send: segment{seq: 1000, ack: 5000, length: 300, change: func(f []byte) []byte { return f[14:] }}, want: counted, bytes: 340},
		{name: "acknowledges what was not seen", send: segment{seq: 1000, ack: 5001}, want: headers, stops: true},
		{name: "again", send: segment{seq: 800, ack: 5000, length: 200}, want: headers, stops: true},
		{name: "gap", send: segment{seq: 1001, ack: 5000, length: 200}, want: headers, stops: true},
		{name: "FIN", send: segment{seq: 1000, ack: 5000, flags: 0x11}, want: headers, stops: true},
		{name: "RST", send: segment{seq: 1000, flags: 0x04}, want: headers, stops: true},
		{name: "SYN is seen whole", send: segment{seq: 77, flags: 0x02, length: 200}, want: whole, stops: true},
		{name: "urgent", send: segment{seq: 1000, ack: 5000, length: 300, flags: 0x30}, want: headers, stops: true},
		{name: "window closed", send: segment{seq: 1000, ack: 5000, window: 1}, want: headers, stops: true},
		{name: "fragment", send: segment{seq: 1000, ack: 5000, length: 300, change: set(20, 0x20)}, want: whole},
		{name: "later fragment", send: segment{seq: 1000, ack: 5000, length: 300, change: set(21, 1)}, want: whole},
		{name: "IPv4 option", send: segment{seq: 1000, ack: 5000, length: 300, change: set(14, 0x46)}, want: whole},
		{name: "extension header", v6: true, send: segment{seq: 1000, ack: 5000, length: 300, change: set(20, 0)}, want: whole},
		{name: "longer than it is", send: segment{seq: 1000, ack: 5000, length: 300, change: set(16, 9)}, want: whole},
		{name: "header longer than it is", send: segment{seq: 1000, ack: 5000, change: set(46, 0xf0)}, want: whole},
		{name: "cut within the header", send: segment{seq: 1000, ack: 5000, change: func(f []byte) []byte { return f[:50] }}, want: whole},
		{name: "other port", send: segment{seq: 1000, ack: 5000, length: 300, port: 1001}, want: whole},
		{name: "datagram", udp: true, send: segment{length: 300}, want: counted, bytes: 328},
		{name: "datagram over IPv6", udp: true, v6: true, send: segment{length: 300}, want: counted, bytes: 348},
		{name: "empty datagram", udp: true, send: segment{}, want: counted, bytes: 28},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &rig{t, r.b, r.prog}
			f := r.begin(tc.v6, tc.udp)
			r.counting(f, tc.v6, tc.udp)
			tc.send.v6, tc.send.udp = tc.v6, tc.udp
			if got := r.pass(tc.send.frame()); got != tc.want {
				t.Fatalf("got %d, want %d", got, tc.want)
			}
			if stopped := f.Stopped != 0; stopped != tc.stops {
				t.Errorf("stopped is %v, want %v", stopped, tc.stops)
			}
			if got := f.Side[0].Bytes; got != tc.bytes {
				t.Errorf("got %d bytes counted, want %d", got, tc.bytes)
			}
			if f.Busy != 0 {
				t.Error("it is left locked")
			}
			if want := uint64(min(tc.bytes, 1)); f.Side[0].Packets != want || f.Side[1].Packets != 0 {
				t.Errorf("got %d and %d packets counted, want %d and 0", f.Side[0].Packets, f.Side[1].Packets, want)
			}
		})
	}
}

// TestBypassStaysStopped: after what was not as expected everything passes, headers only, until the table is told otherwise.
func TestBypassStaysStopped(t *testing.T) {
	r := newRig(t)
	f := r.begin(false, false)
	r.counting(f, false, false)
	next := segment{seq: 1000, ack: 5000, length: 300}
	again := segment{seq: 800, ack: 5000, length: 200}
	after := segment{seq: 1300, ack: 5000, length: 300}
	for i, step := range []struct {
		segment
		want int
	}{{next, counted}, {again, headers}, {after, headers}, {after, headers}} {
		if got := r.pass(step.frame()); got != step.want {
			t.Fatalf("packet %d: got %d, want %d", i, got, step.want)
		}
	}
	if d := &f.Side[0]; d.Packets != 1 || d.Bytes != 340 || d.Next != 1300 {
		t.Errorf("got %d packets, %d bytes, up to %d; want 1, 340, 1300", d.Packets, d.Bytes, d.Next)
	}
	syn := segment{seq: 1, flags: 0x02}
	for _, s := range []*segment{&syn, &next} { // another connection, that is to be inspected
		if got := r.pass(s.frame()); got != whole {
			t.Errorf("of a connection that has the same ends by now %d bytes pass, want %d", got, whole)
		}
	}
}

// TestHardwareType: a filter for all interfaces reads a packet as that of its interface, and of one that it was not told of
// yet as what the packet looks like.
func TestHardwareType(t *testing.T) {
	b := openBypass(t)
	program, err := pcapfilter.CompileAny("tcp port 443", pcapfilter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Filter(program.Raw(), rigSnapLen); err != nil {
		t.Fatal(err)
	}
	r := &rig{t, b, b.progs[0]}
	tcp, udp := segment{length: 20}, segment{length: 20, udp: true}
	ethernet, raw := tcp.frame(), tcp.frame()[14:]
	for _, tc := range []struct {
		name  string
		told  func()
		frame []byte
		want  int
	}{
		{"not told, Ethernet", func() {}, ethernet, whole},
		{"not told, raw", func() {}, raw, whole},
		{"not told, another protocol", func() {}, udp.frame(), 0},
		{"loopback", func() { b.Device(loopback, unix.ARPHRD_LOOPBACK) }, ethernet, whole},
		{"loopback, another protocol", func() { b.Device(loopback, unix.ARPHRD_LOOPBACK) }, udp.frame(), 0},
		{"tunnel", func() { b.Device(loopback, unix.ARPHRD_NONE) }, raw, whole},
		{"tunnel with what looks like Ethernet", func() { b.Device(loopback, unix.ARPHRD_NONE) }, ethernet, 0},
		{"a kind that nothing is known of", func() { b.Device(loopback, unix.ARPHRD_IEEE80211_RADIOTAP) }, ethernet, 0},
		{"another one in its place", func() { b.Device(loopback+bypassDevices, unix.ARPHRD_NONE) }, ethernet, whole},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &rig{t, r.b, r.prog}
			tc.told()
			if got := r.pass(tc.frame); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

// TestBypassBusy: who cannot have the flow ends the counting, and its holder is not disturbed.
func TestBypassBusy(t *testing.T) {
	r := newRig(t)
	f := r.begin(false, false)
	r.counting(f, false, false)
	f.Busy = 1
	next := segment{seq: 1000, ack: 5000, length: 300}
	if got := r.pass(next.frame()); got != whole || f.Stopped != 1 || f.Busy != 1 || f.Side[0].Packets != 0 {
		t.Errorf("got %d, stopped %d, busy %d, %d packets; want %d, 1, 1, 0", got, f.Stopped, f.Busy, f.Side[0].Packets, whole)
	}
}

// TestBypassElsewhere: what passes a second interface is counted there as seen before, if it was.
func TestBypassElsewhere(t *testing.T) {
	r := newRig(t)
	f := r.begin(false, false)
	r.counting(f, false, false)
	next := segment{seq: 1000, ack: 5000, length: 300}
	if got := r.pass(next.frame()); got != counted {
		t.Fatalf("got %d, want it counted", got)
	}
	for s := range f.Side {
		f.Side[s].Ifindex = loopback + 1 // from now on all comes from elsewhere
	}
	if got := r.pass(next.frame()); got != counted || f.Twice != 1 || f.Side[0].Packets != 1 {
		t.Errorf("the same packet: got %d, %d seen twice, %d packets; want 0, 1, 1", got, f.Twice, f.Side[0].Packets)
	}
	later := segment{seq: 1300, ack: 5000, length: 300}
	if got := r.pass(later.frame()); got != headers || f.Stopped == 0 {
		t.Errorf("a packet that was not seen: got %d, stopped %d; want %d, 1", got, f.Stopped, headers)
	}
}

// TestBypassRoundTrip: the kernel times a segment at a time.
func TestBypassRoundTrip(t *testing.T) {
	r := newRig(t)
	f := r.begin(false, false)
	r.counting(f, false, false)
	data, ack := segment{seq: 1000, ack: 5000, length: 300}, segment{from: 1, seq: 5000, ack: 1300}
	r.pass(data.frame())
	if d := &f.Side[0]; d.Timing != 1 || d.TimedSeq != 1300 {
		t.Fatalf("timing %d up to %d, want 1 and 1300", d.Timing, d.TimedSeq)
	}
	r.pass(ack.frame())
	if d := &f.Side[0]; d.Timing != 0 || d.RTTMicros == 0 || d.Acked != 1300 {
		t.Errorf("timing %d, round trip %d, acknowledged %d; want 0, above 0, 1300", d.Timing, d.RTTMicros, d.Acked)
	}
}

// BenchmarkBypass gives what the program takes for a packet, as the kernel's own test of programs measures it.
func BenchmarkBypass(b *testing.B) {
	r := newRig(b)
	f := r.begin(false, false)
	for _, bc := range []struct {
		name string
		segment
	}{
		{"counted", segment{seq: 1000, ack: 5000}},
		{"other", segment{seq: 1000, ack: 5000, port: 1001}},
		{"nothing to count", segment{seq: 1000, ack: 5000}},
	} {
		*f = BypassFlow{}
		f = r.begin(false, false)
		r.counting(f, false, false)
		frame := bc.frame()
		if bc.name == "nothing to count" {
			r.b.Table.Used = 0
		}
		b.Run(bc.name, func(b *testing.B) {
			if _, took, err := r.prog.Benchmark(append(bytes.Clone(frame[:14]), frame...), max(b.N, 1), nil); err != nil {
				b.Fatal(err)
			} else {
				b.ReportMetric(float64(took.Nanoseconds()), "ns/packet")
			}
		})
	}
}
