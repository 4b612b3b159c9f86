package pcapfilter

import "math"

type valueOp uint8

const (
	valConst valueOp = iota // k
	valLen                  // length of the packet on the wire
	valLoad                 // size bytes at base+k; base nil is 0
	valIPLen                // length of the IPv4 header at the constant offset k
	valVar                  // scratch memory word k
	valNeg                  // -x
	valALU                  // x alu y
)

// value is a 32-bit number computed from a packet. Equal values are the same pointer within one
// compilation, which is what lets the optimiser see that two tests look at the same thing.
type value struct {
	op   valueOp
	alu  uint16 // an alu* code
	size uint8
	k    uint32
	gen  int    // for valVar: which assignment of the word this is; for valLoad: 1 if written as proto[…]
	x, y *value // for valLoad x is the base
}

type values map[value]*value

func (vs values) get(v value) *value {
	if p := vs[v]; p != nil {
		return p
	}
	p := new(value)
	*p = v
	vs[v] = p
	return p
}

func (vs values) num(k uint32) *value { return vs.get(value{op: valConst, k: k}) }

// load is the item of size bytes at base+k. A constant base is added to k with wrap-around, as
// libpcap's optimiser does, so ether[0xffffffff+1] is ether[0].
func (vs values) load(base *value, k uint32, size uint8) *value {
	if base != nil && base.op == valConst {
		k, base = k+base.k, nil
	}
	return vs.get(value{op: valLoad, size: size, k: k, x: base})
}

// loadWritten is load for proto[index]. It is never the same as a load that a keyword makes, though it may
// look at the same bytes: libpcap's optimiser does not see that either, and so the tests stay apart.
func (vs values) loadWritten(base *value, k uint32, size uint8) *value {
	v := *vs.load(base, k, size)
	v.gen = 1
	return vs.get(v)
}

// alu is x op y, folded where that is possible. The caller has refused division by a constant zero.
func (vs values) alu(op uint16, x, y *value) *value {
	switch {
	case x.op == valConst && y.op == valConst:
		return vs.num(aluConst(op, x.k, y.k))
	case y.op == valConst && y.k == 0:
		switch op {
		case aluAdd, aluSub, aluOr, aluXor, aluLsh, aluRsh:
			return x
		case aluMul, aluAnd:
			return y
		}
	case x.op == valConst && x.k == 0:
		switch op {
		case aluAdd, aluOr, aluXor:
			return y
		case aluMul, aluDiv, aluMod, aluAnd, aluLsh, aluRsh:
			return x
		}
	case op == aluAnd && y.op == valConst && y.k == math.MaxUint32:
		return x
	}
	return vs.get(value{op: valALU, alu: op, x: x, y: y})
}

func (vs values) neg(x *value) *value {
	if x.op == valConst {
		return vs.num(-x.k)
	}
	return vs.get(value{op: valNeg, x: x})
}

func aluConst(op uint16, a, b uint32) uint32 {
	switch op {
	case aluAdd:
		return a + b
	case aluSub:
		return a - b
	case aluMul:
		return a * b
	case aluDiv:
		return a / b
	case aluMod:
		return a % b
	case aluAnd:
		return a & b
	case aluOr:
		return a | b
	case aluXor:
		return a ^ b
	case aluLsh:
		return a << b
	default:
		return a >> b
	}
}

type condKind uint8

const (
	condTest  condKind = iota // x jump y
	condConst                 // yes
	condAnd                   // l and r
	condOr                    // l or r
	condNot                   // not l
	condSet                   // true, after the assignments were made
)

// cond is a tree of tests. Order matters: a load beyond the end of the packet refuses the packet then
// and there, whatever the rest of the tree would say.
type cond struct {
	kind condKind
	yes  bool
	jump uint16 // a jump* code
	x, y *value
	l, r *cond
	sets []assign
}

// assign stores a value in a word of scratch memory.
type assign struct {
	word uint32
	v    *value
}

func and(cs ...*cond) *cond {
	acc := cs[0]
	for _, c := range cs[1:] {
		acc = &cond{kind: condAnd, l: acc, r: c}
	}
	return acc
}

func or(cs ...*cond) *cond {
	acc := cs[0]
	for _, c := range cs[1:] {
		acc = &cond{kind: condOr, l: acc, r: c}
	}
	return acc
}

func not(c *cond) *cond { return &cond{kind: condNot, l: c} }

func truth(yes bool) *cond { return &cond{kind: condConst, yes: yes} }

func set(as ...assign) *cond { return &cond{kind: condSet, sets: as} }

// test compares two values. It brings the test into the form in which two tests of the same thing have
// the same x, and decides it where both are constant.
func (vs values) test(jump uint16, x, y *value) *cond {
	if x.op == valConst && y.op != valConst && jump == jumpEq {
		x, y = y, x
	}
	if x.op == valConst && y.op == valConst {
		return truth(holds(jump, x.k, y.k))
	}
	if y.op == valConst && y.k == 0 && jump == jumpEq && x.op == valALU && x.alu == aluAnd && x.y.op == valConst {
		return not(vs.test(jumpSet, x.x, x.y))
	}
	return &cond{kind: condTest, jump: jump, x: x, y: y}
}

func holds(jump uint16, a, b uint32) bool {
	switch jump {
	case jumpEq:
		return a == b
	case jumpGt:
		return a > b
	case jumpGe:
		return a >= b
	default:
		return a&b != 0
	}
}
