// Package pcapfilter compiles the filter language of pcap-filter(7) into classic BPF, and runs it.
//
// A filter made here takes the same packets as the one that tcpdump with libpcap 1.10 makes of the same
// expression; a test compares the two wherever tcpdump is installed, and a table of what tcpdump took is
// kept for where it is not. Where libpcap is plainly at fault this package is not:
//
//   - "x & 0xffffffff != 0" is true of every packet in libpcap, here it is true where x is not zero;
//   - "a / b" and "a << b" are refused by libpcap when the first number within b is 0, or greater than 31,
//     as in "ip[2] / ip[0]"; here only when b is;
//   - "byte 0 & 1" does not load the byte in libpcap.
//
// Two things differ at the edges, because they come from the order in which libpcap's optimiser works. An
// expression that contradicts itself in a roundabout way may be refused here and compile to nothing there, or the
// other way round. And a packet cut short within its headers may pass in one and not in the other when an
// expression of many parts reaches the missing bytes sooner or later; among thousands of random ones that is rare.
//
// Not supported, and refused with a reason: link types other than those of package capture, with the words
// that belong to them, and gateway. protochain follows eight headers.
package pcapfilter

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"

	"rustnet/capture"
)

// maxKernelInsns is how many instructions Linux takes in a socket filter (BPF_MAXINSNS).
const maxKernelInsns = 4096

// defaultSnapLen is tcpdump's.
const defaultSnapLen = 262144

// Options say what a filter is for.
type Options struct {
	Link capture.LinkType
	// SnapLen is how many bytes of a packet that passes are kept; 0 is 262144. Match does not use it.
	SnapLen uint32
	// Live makes a filter for a Linux packet socket: vlan also looks at the tag that the kernel took off,
	// inbound, outbound and ifindex ask the kernel, and the program is held to maxKernelInsns.
	Live     bool
	Resolver Resolver
}

// Program is a compiled filter. It can be used by several goroutines at once.
type Program struct {
	code      []bpf.RawInstruction
	steps     []step
	scratch   bool
	bigEndian []step // for LinkNull: what runs when the address family is big-endian
}

// Raw gives the instructions, for a kernel. For LinkNull they expect this machine's byte order.
func (p *Program) Raw() []bpf.RawInstruction { return p.code }

// Compile makes a filter for one link type. An empty expression takes every packet. The error is an *Error.
func Compile(expr string, o Options) (*Program, error) {
	n, err := parse(expr)
	if err != nil {
		return nil, err
	}
	if o.Link != capture.LinkNull {
		return build(expr, n, o, false)
	}
	o.Resolver = o.Resolver.remembering()
	little, err := build(expr, n, o, false)
	if err != nil {
		return nil, err
	}
	big, err := build(expr, n, o, true)
	if err != nil {
		return nil, err
	}
	little.bigEndian = big.steps
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		little.code = big.code
	}
	return little, nil
}

// build makes the program of a tree, and refuses one that lets nothing pass.
func build(expr string, n *node, o Options, bigEndian bool) (*Program, error) {
	c, err := compile(expr, n, o, bigEndian)
	if err != nil {
		return nil, err
	}
	if c.root == c.reject && !c.loose {
		return nil, &Error{Expr: expr, Column: 1, Msg: "the conditions exclude each other, or this link type cannot meet them: no packet can pass"}
	}
	return c.program(expr, o)
}

// ARPHRD_ values of include/uapi/linux/if_arp.h whose frames CompileAny knows.
var hardwareTypes = []struct {
	link  capture.LinkType
	types []uint32
}{
	{capture.LinkEthernet, []uint32{1, 772}}, // ETHER, LOOPBACK
	// No header before IP: NONE, RAWIP, PPP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE
	{capture.LinkRaw, []uint32{65534, 519, 512, 768, 769, 776, 778, 823}},
}

// CompileAny makes one filter for a Linux packet socket that is not bound to an interface. It asks the kernel
// for the hardware type of each packet's interface and goes on with the filter for that link type: Ethernet for
// Ethernet and loopback, raw IP for tunnels and PPP. When the expression cannot be used with raw IP, as "ether
// host" cannot, nothing passes from there; interfaces of any other kind let nothing pass either, unless the
// expression is empty. It is an error when the expression cannot be used with Ethernet, or is too long for the
// kernel. o.Link and o.Live are not used.
func CompileAny(expr string, o Options) (*Program, error) {
	n, err := parse(expr)
	if err != nil {
		return nil, err
	}
	o.Live, o.Resolver = true, o.Resolver.remembering()
	if n == nil {
		o.Link = capture.LinkEthernet
		return build(expr, n, o, false)
	}
	code := []bpf.RawInstruction{{Op: classLd | modeAbs | sizeW, K: adHAType}}
	for _, h := range hardwareTypes {
		o.Link = h.link
		p, err := build(expr, n, o, false)
		switch {
		case err == nil:
			code = appendChoice(code, h.types, p.code)
		case h.link == capture.LinkEthernet:
			return nil, err
		}
	}
	return finish(expr, append(code, bpf.RawInstruction{Op: classRet}), true)
}

// appendChoice adds a program that runs when A, the hardware type, is one of some types.
func appendChoice(code []bpf.RawInstruction, types []uint32, program []bpf.RawInstruction) []bpf.RawInstruction {
	for i, t := range types {
		// To the program, which begins after the tests that are left and the jump over it.
		code = append(code, bpf.RawInstruction{Op: classJump | jumpEq, Jt: uint8(len(types) - i), K: t})
	}
	code = append(code, bpf.RawInstruction{Op: classJump | jumpAlways, K: uint32(len(program))})
	return append(code, program...)
}

// compiled is a graph with what it takes to make a program of it.
type compiled struct {
	*graph
	words uint32
	loose bool
}

func compile(expr string, n *node, o Options, bigEndian bool) (c compiled, err error) {
	g, err := newGenerator(expr, o)
	if err != nil {
		return c, err
	}
	g.bigEndian = bigEndian
	all := truth(true)
	if n != nil {
		if all, err = g.generate(n); err != nil {
			return c, err
		}
	}
	c = compiled{newGraph(all), g.maxWords, g.loose}
	c.optimize()
	return c, nil
}

func (c compiled) program(expr string, o Options) (*Program, error) {
	if o.SnapLen == 0 {
		o.SnapLen = defaultSnapLen
	}
	code, err := c.emit(o.SnapLen, c.words)
	if err != nil {
		if e, ok := err.(*Error); ok {
			e.Expr = expr
		}
		return nil, err
	}
	return finish(expr, code, o.Live)
}

func finish(expr string, code []bpf.RawInstruction, live bool) (*Program, error) {
	if live && len(code) > maxKernelInsns {
		return nil, &Error{Expr: expr, Column: 1, Msg: fmt.Sprintf(
			"the program has %d instructions and the kernel takes %d; write it shorter, for instance with net or portrange", len(code), maxKernelInsns)}
	}
	if err := validate(code); err != nil {
		return nil, fmt.Errorf("bpf filter: compile %q: %w", expr, err)
	}
	return &Program{code: code, steps: prepare(code), scratch: usesScratch(code)}, nil
}
