package pcapfilter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Parts of an instruction's Op, as <linux/bpf_common.h> and bpf(4) have them.
const (
	classLd   = 0x00
	classLdx  = 0x01
	classSt   = 0x02
	classStx  = 0x03
	classALU  = 0x04
	classJump = 0x05
	classRet  = 0x06
	classMisc = 0x07

	sizeW = 0x00
	sizeH = 0x08
	sizeB = 0x10

	modeImm = 0x00
	modeAbs = 0x20
	modeInd = 0x40
	modeMem = 0x60
	modeLen = 0x80
	modeMsh = 0xa0

	aluAdd = 0x00
	aluSub = 0x10
	aluMul = 0x20
	aluDiv = 0x30
	aluOr  = 0x40
	aluAnd = 0x50
	aluLsh = 0x60
	aluRsh = 0x70
	aluNeg = 0x80
	aluMod = 0x90
	aluXor = 0xa0

	jumpAlways = 0x00
	jumpEq     = 0x10
	jumpGt     = 0x20
	jumpGe     = 0x30
	jumpSet    = 0x40

	srcX = 0x08

	miscTAX = 0x00
	miscTXA = 0x80

	scratchWords = 16 // BPF_MEMWORDS
)

// registers says which values the two registers hold; nil is unknown.
type registers struct{ a, x *value }

func (r registers) meet(s registers) registers {
	if r.a != s.a {
		r.a = nil
	}
	if r.x != s.x {
		r.x = nil
	}
	return r
}

// emitter turns a graph into instructions.
type emitter struct {
	code []bpf.RawInstruction
	regs registers
	free uint32 // scratch words below this one are for operands
	temp uint32
}

// emit gives the program. words is how many scratch words, from the top, hold what the condition assigns.
func (g *graph) emit(snapLen, words uint32) (code []bpf.RawInstruction, err error) {
	defer catch("", &err)
	blocks := g.order()
	in := make([]registers, len(blocks))
	known := make([]bool, len(blocks))
	out := func(to *block, r registers) {
		if !known[to.mark] {
			in[to.mark], known[to.mark] = r, true
		} else {
			in[to.mark] = in[to.mark].meet(r)
		}
	}
	bodies := make([][]bpf.RawInstruction, len(blocks))
	known[0] = true
	for i, b := range blocks {
		e := emitter{regs: in[i], free: scratchWords - words}
		if i == 0 && words > 0 { // the kernel refuses programs that may read a word before it was written
			e.op(classLd|modeImm, 0)
			for w := range words {
				e.op(classSt, scratchWords-1-w)
			}
		}
		if i == 0 && g.first != nil {
			e.operands(g.first.x, g.first.y)
		}
		switch {
		case b == g.accept:
			e.op(classRet, snapLen)
		case b == g.reject:
			e.op(classRet, 0)
		case b.isTest():
			e.operands(b.x, b.y)
		default:
			for _, s := range b.sets {
				e.toA(s.v)
				e.op(classSt, s.word)
			}
		}
		bodies[i] = e.code
		if !b.leaf() {
			out(b.yes, e.regs)
			out(b.no, e.regs)
		}
	}
	return link(blocks, bodies), nil
}

func (e *emitter) op(op uint16, k uint32) { e.code = append(e.code, bpf.RawInstruction{Op: op, K: k}) }

func sizeBits(size uint8) uint16 {
	switch size {
	case 1:
		return sizeB
	case 2:
		return sizeH
	default:
		return sizeW
	}
}

// toA computes v into A. It may change X.
func (e *emitter) toA(v *value) {
	if e.regs.a == v {
		return
	}
	switch v.op {
	case valConst:
		e.op(classLd|modeImm, v.k)
	case valLen:
		e.op(classLd|modeLen, 0)
	case valVar:
		e.op(classLd|modeMem, v.k)
	case valIPLen:
		e.toX(v)
		e.op(classMisc|miscTXA, 0)
	case valLoad:
		if v.x == nil {
			e.op(classLd|modeAbs|sizeBits(v.size), v.k)
			break
		}
		e.toX(v.x)
		e.op(classLd|modeInd|sizeBits(v.size), v.k)
	case valNeg:
		e.toA(v.x)
		e.op(classALU|aluNeg, 0)
	default:
		if v.y.op == valConst {
			e.toA(v.x)
			e.op(classALU|v.alu, v.y.k)
			break
		}
		e.operands(v.x, v.y)
		e.op(classALU|v.alu|srcX, 0)
	}
	e.regs.a = v
}

// loadsX: v comes into X without a detour over A.
func loadsX(v *value) bool { return v.op == valIPLen || v.op == valVar || v.op == valConst }

// toX computes v into X. It changes A unless loadsX.
func (e *emitter) toX(v *value) {
	if e.regs.x == v {
		return
	}
	switch v.op {
	case valIPLen:
		e.op(classLdx|modeMsh|sizeB, v.k)
	case valVar:
		e.op(classLdx|modeMem, v.k)
	case valConst:
		e.op(classLdx|modeImm, v.k)
	default:
		e.toA(v)
		e.op(classMisc|miscTAX, 0)
	}
	e.regs.x = v
}

// keepsX: v comes into A without X.
func keepsX(v *value) bool {
	return v.op == valConst || v.op == valLen || v.op == valVar || v.op == valLoad && v.x == nil
}

// operands computes x into A and y, unless it is a constant, into X.
func (e *emitter) operands(x, y *value) {
	switch {
	case y.op == valConst:
		e.toA(x)
	case e.regs.a == x && e.regs.x == y:
	case loadsX(y):
		e.toA(x)
		e.toX(y)
	case keepsX(x):
		e.toX(y)
		e.toA(x)
	default:
		e.toA(y)
		word := e.temp
		if word >= e.free {
			fail(0, "an arithmetic expression is too deep: it needs more than %d numbers at once", scratchWords)
		}
		e.temp++
		e.op(classSt, word)
		e.toA(x)
		e.op(classLdx|modeMem, word)
		e.regs.x = y
		e.temp--
	}
}

// link puts the bodies after each other and resolves the jumps. A conditional jump reaches 255
// instructions; a longer way goes over an unconditional one right behind it.
func link(blocks []*block, bodies [][]bpf.RawInstruction) []bpf.RawInstruction {
	long := make([]struct{ yes, no bool }, len(blocks))
	at := make([]int, len(blocks)+1)
	size := func(i int) int {
		n := len(bodies[i])
		b := blocks[i]
		switch {
		case b.leaf():
		case !b.isTest():
			n++
		default:
			n++
			if long[i].yes {
				n++
			}
			if long[i].no {
				n++
			}
		}
		return n
	}
	for again := true; again; {
		again = false
		for i := range blocks {
			at[i+1] = at[i] + size(i)
		}
		for i, b := range blocks {
			if !b.isTest() {
				continue
			}
			from := at[i] + len(bodies[i]) + 1
			if !long[i].yes && at[b.yes.mark]-from > 255 {
				long[i].yes, again = true, true
			}
			if !long[i].no && at[b.no.mark]-from > 255 {
				long[i].no, again = true, true
			}
		}
	}
	code := make([]bpf.RawInstruction, 0, at[len(blocks)])
	for i, b := range blocks {
		code = append(code, bodies[i]...)
		switch {
		case b.leaf():
			continue
		case !b.isTest():
			code = append(code, bpf.RawInstruction{Op: classJump | jumpAlways, K: uint32(at[b.yes.mark] - len(code) - 1)})
			continue
		}
		j := bpf.RawInstruction{Op: classJump | b.jump, K: b.y.k}
		if b.y.op != valConst {
			j.Op, j.K = j.Op|srcX, 0
		}
		here := len(code)
		code = append(code, j)
		hop := func(far bool, to *block) uint8 {
			if !far {
				return uint8(at[to.mark] - here - 1)
			}
			code = append(code, bpf.RawInstruction{Op: classJump | jumpAlways, K: uint32(at[to.mark] - len(code) - 1)})
			return uint8(len(code) - here - 2)
		}
		jt := hop(long[i].yes, b.yes)
		jf := hop(long[i].no, b.no)
		code[here].Jt, code[here].Jf = jt, jf
	}
	return code
}

// validate checks what every kernel checks: jumps go forward and stay inside, the last instruction returns, scratch
// words exist, and nothing divides by a constant zero.
func validate(code []bpf.RawInstruction) error {
	for i, in := range code {
		left := uint32(len(code) - i - 1)
		switch in.Op & 7 {
		case classJump:
			if in.Op == classJump|jumpAlways {
				if in.K >= left {
					return fmt.Errorf("instruction %d jumps out of the program", i)
				}
			} else if uint32(in.Jt) >= left || uint32(in.Jf) >= left {
				return fmt.Errorf("instruction %d jumps out of the program", i)
			}
		case classSt, classStx:
			if in.K >= scratchWords {
				return fmt.Errorf("instruction %d stores beyond scratch memory", i)
			}
		case classLd, classLdx:
			if in.Op&0xe0 == modeMem && in.K >= scratchWords {
				return fmt.Errorf("instruction %d loads from beyond scratch memory", i)
			}
		case classALU:
			if op := in.Op & 0xf0; (op == aluDiv || op == aluMod) && in.Op&srcX == 0 && in.K == 0 {
				return fmt.Errorf("instruction %d divides by zero", i)
			}
		}
	}
	if len(code) == 0 || code[len(code)-1].Op&7 != classRet {
		return fmt.Errorf("the program does not end with a return")
	}
	return nil
}
