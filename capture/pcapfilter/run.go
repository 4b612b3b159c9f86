package pcapfilter

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/bpf"
)

// step is an instruction made ready to run: jump targets are absolute, and a load that a comparison
// follows is one step with it.
type step struct {
	op   stepOp
	k    uint32 // constant or offset
	mask uint32 // for loads that compare
	cmp  uint32 // for loads that compare
	yes  uint32
	no   uint32
}

type stepOp uint8

const (
	stepReject stepOp = iota // also what is not understood
	stepRet
	stepRetA
	stepImm
	stepLen
	stepAbs1
	stepAbs2
	stepAbs4
	stepInd1
	stepInd2
	stepInd4
	stepMem
	stepXImm
	stepXMem
	stepXLen
	stepIPLen
	stepSt
	stepStX
	stepALU  // operand in k; which one is in cmp
	stepALUX // which one is in cmp
	stepNeg
	stepTAX
	stepTXA
	stepJump
	stepEq
	stepGt
	stepGe
	stepSet
	stepEqX
	stepGtX
	stepGeX
	stepSetX
	stepVLANTag
	stepVLANHas
	stepAbs1Eq // load, mask, compare with cmp
	stepAbs2Eq
	stepAbs4Eq
	stepInd2Eq
	stepPortEq  // stepIPLen with k, stepInd2Eq with mask as its offset
	stepAbs2Set // load, jump if any bit of cmp is set
)

var plainSteps = map[uint16]stepOp{
	classRet:                   stepRet,
	classRet | 0x10:            stepRetA,
	classLd | modeImm:          stepImm,
	classLd | modeLen:          stepLen,
	classLd | modeAbs | sizeB:  stepAbs1,
	classLd | modeAbs | sizeH:  stepAbs2,
	classLd | modeAbs | sizeW:  stepAbs4,
	classLd | modeInd | sizeB:  stepInd1,
	classLd | modeInd | sizeH:  stepInd2,
	classLd | modeInd | sizeW:  stepInd4,
	classLd | modeMem:          stepMem,
	classLdx | modeImm:         stepXImm,
	classLdx | modeMem:         stepXMem,
	classLdx | modeLen:         stepXLen,
	classLdx | modeMsh | sizeB: stepIPLen,
	classSt:                    stepSt,
	classStx:                   stepStX,
	classALU | aluNeg:          stepNeg,
	classMisc | miscTAX:        stepTAX,
	classMisc | miscTXA:        stepTXA,
	classJump | jumpAlways:     stepJump,
	classJump | jumpEq:         stepEq,
	classJump | jumpGt:         stepGt,
	classJump | jumpGe:         stepGe,
	classJump | jumpSet:        stepSet,
	classJump | jumpEq | srcX:  stepEqX,
	classJump | jumpGt | srcX:  stepGtX,
	classJump | jumpGe | srcX:  stepGeX,
	classJump | jumpSet | srcX: stepSetX,
	classALU | aluAdd | srcX:   stepALUX,
	classALU | aluAdd:          stepALU,
}

func prepare(code []bpf.RawInstruction) []step {
	steps := make([]step, len(code))
	for i, in := range code {
		s := step{op: plainSteps[in.Op], k: in.K, yes: uint32(i + 1)}
		switch in.Op & 7 {
		case classALU:
			if in.Op&0xf0 != aluNeg {
				s.cmp = uint32(in.Op & 0xf0)
				s.op = stepALU
				if in.Op&srcX != 0 {
					s.op = stepALUX
				}
			}
		case classJump:
			s.yes, s.no = uint32(i+1+int(in.Jt)), uint32(i+1+int(in.Jf))
			if s.op == stepJump {
				s.yes = uint32(i+1) + in.K
			}
		}
		if in.Op&7 == classLd && in.Op&0xe0 == modeAbs && in.K >= adBase {
			switch in.K {
			case adVLANTag:
				s.op = stepVLANTag
			case adVLANHas:
				s.op = stepVLANHas
			}
		}
		steps[i] = s
	}
	for i := range slices.Backward(steps) {
		fuse(steps, i)
	}
	return steps
}

// usesScratch says whether a program needs scratch memory to run.
func usesScratch(code []bpf.RawInstruction) bool {
	return slices.ContainsFunc(code, func(in bpf.RawInstruction) bool {
		class := in.Op & 7
		return class == classSt || class == classStx || class <= classLdx && in.Op&0xe0 == modeMem
	})
}

// fuse makes one step of a load, a mask if there is one, and the comparison after it. The steps it takes in
// stay where they are, for those who jump to them.
func fuse(steps []step, i int) {
	j, mask := i+1, uint32(1<<32-1)
	if j < len(steps) && steps[j].op == stepALU && steps[j].cmp == aluAnd {
		mask = steps[j].k
		j++
	}
	if j >= len(steps) {
		return
	}
	if next := &steps[j]; steps[i].op == stepIPLen && next.op == stepInd2Eq && next.mask == 1<<32-1 {
		s := &steps[i]
		s.op, s.mask, s.cmp, s.yes, s.no = stepPortEq, next.k, next.cmp, next.yes, next.no
		return
	}
	op := stepReject
	switch steps[j].op {
	case stepEq:
		switch steps[i].op {
		case stepAbs1:
			op = stepAbs1Eq
		case stepAbs2:
			op = stepAbs2Eq
		case stepAbs4:
			op = stepAbs4Eq
		case stepInd2:
			op = stepInd2Eq
		}
	case stepSet:
		if steps[i].op == stepAbs2 {
			op = stepAbs2Set
		}
	}
	if op == stepReject {
		return
	}
	s := &steps[i]
	s.op, s.mask, s.cmp, s.yes, s.no = op, mask, steps[j].k, steps[j].yes, steps[j].no
}

// match says whether a packet passes. data is what was captured of it, wireLen its length on the wire.
// As in every BPF machine, a packet is refused when the program looks beyond the end of data.
// If has, the interface took an 802.1Q tag off: tci. Only programs made with Options.Live look at that.
func (p *Program) match(data []byte, wireLen uint32, tci uint16, has bool) bool {
	m := machine{wireLen: wireLen, tci: tci, hasTCI: has}
	if !p.scratch {
		return m.run(p.stepsFor(data), data, nil) != 0
	}
	var words [scratchWords]uint32
	return m.run(p.stepsFor(data), data, &words) != 0
}

// stepsFor chooses by the byte order of the address family that a packet of LinkNull begins with. The
// families there are fit one byte, so the zeros tell.
func (p *Program) stepsFor(data []byte) []step {
	if p.bigEndian != nil && len(data) >= 4 && data[0]|data[1] == 0 {
		return p.bigEndian
	}
	return p.steps
}

// load reads size bytes at k. The comparison is in 64 bits, for k may be anything.
func load(data []byte, k uint64, size int) (v uint32, ok bool) {
	if k+uint64(size) > uint64(len(data)) {
		return 0, false
	}
	b := data[k:]
	switch size {
	case 1:
		return uint32(b[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	default:
		return binary.BigEndian.Uint32(b), true
	}
}

// machine is what a program may ask for beside the packet.
type machine struct {
	wireLen uint32
	tci     uint16
	hasTCI  bool
}

// run gives what the program returns. words is scratch memory, nil for a program that has no use for it.
func (m machine) run(steps []step, data []byte, words *[scratchWords]uint32) uint32 {
	var (
		a, x uint32
		pc   uint32
		ok   bool
	)
	for int(pc) < len(steps) {
		s := &steps[pc]
		pc = s.yes
		switch s.op {
		case stepAbs2Eq:
			if uint64(s.k)+2 > uint64(len(data)) {
				return 0
			}
			if a = uint32(binary.BigEndian.Uint16(data[s.k:])) & s.mask; a != s.cmp {
				pc = s.no
			}
		case stepAbs1Eq:
			if uint64(s.k) >= uint64(len(data)) {
				return 0
			}
			if a = uint32(data[s.k]) & s.mask; a != s.cmp {
				pc = s.no
			}
		case stepAbs4Eq:
			if uint64(s.k)+4 > uint64(len(data)) {
				return 0
			}
			if a = binary.BigEndian.Uint32(data[s.k:]) & s.mask; a != s.cmp {
				pc = s.no
			}
		case stepInd2Eq:
			k := uint64(s.k) + uint64(x)
			if k+2 > uint64(len(data)) {
				return 0
			}
			if a = uint32(binary.BigEndian.Uint16(data[k:])) & s.mask; a != s.cmp {
				pc = s.no
			}
		case stepPortEq:
			if uint64(s.k) >= uint64(len(data)) {
				return 0
			}
			x = uint32(data[s.k]&15) << 2
			k := uint64(s.mask) + uint64(x)
			if k+2 > uint64(len(data)) {
				return 0
			}
			if a = uint32(binary.BigEndian.Uint16(data[k:])); a != s.cmp {
				pc = s.no
			}
		case stepAbs2Set:
			if uint64(s.k)+2 > uint64(len(data)) {
				return 0
			}
			if a = uint32(binary.BigEndian.Uint16(data[s.k:])) & s.mask; a&s.cmp == 0 {
				pc = s.no
			}
		case stepEq:
			if a != s.k {
				pc = s.no
			}
		case stepIPLen:
			if uint64(s.k) >= uint64(len(data)) {
				return 0
			}
			x = uint32(data[s.k]&15) << 2
		case stepRet:
			return s.k
		case stepAbs1:
			if a, ok = load(data, uint64(s.k), 1); !ok {
				return 0
			}
		case stepAbs2:
			if a, ok = load(data, uint64(s.k), 2); !ok {
				return 0
			}
		case stepAbs4:
			if a, ok = load(data, uint64(s.k), 4); !ok {
				return 0
			}
		case stepInd1:
			if a, ok = load(data, uint64(s.k)+uint64(x), 1); !ok {
				return 0
			}
		case stepInd2:
			if a, ok = load(data, uint64(s.k)+uint64(x), 2); !ok {
				return 0
			}
		case stepInd4:
			if a, ok = load(data, uint64(s.k)+uint64(x), 4); !ok {
				return 0
			}
		case stepGt:
			if a <= s.k {
				pc = s.no
			}
		case stepGe:
			if a < s.k {
				pc = s.no
			}
		case stepSet:
			if a&s.k == 0 {
				pc = s.no
			}
		case stepEqX:
			if a != x {
				pc = s.no
			}
		case stepGtX:
			if a <= x {
				pc = s.no
			}
		case stepGeX:
			if a < x {
				pc = s.no
			}
		case stepSetX:
			if a&x == 0 {
				pc = s.no
			}
		case stepJump:
		case stepImm:
			a = s.k
		case stepLen:
			a = m.wireLen
		case stepMem:
			a = words[s.k%scratchWords]
		case stepXImm:
			x = s.k
		case stepXMem:
			x = words[s.k%scratchWords]
		case stepXLen:
			x = m.wireLen
		case stepSt:
			words[s.k%scratchWords] = a
		case stepStX:
			words[s.k%scratchWords] = x
		case stepALU:
			a = aluConst(uint16(s.cmp), a, s.k)
		case stepALUX:
			if x == 0 && (s.cmp == aluDiv || s.cmp == aluMod) {
				return 0
			}
			a = aluConst(uint16(s.cmp), a, x)
		case stepNeg:
			a = -a
		case stepTAX:
			x = a
		case stepTXA:
			a = x
		case stepRetA:
			return a
		case stepVLANTag:
			a = uint32(m.tci)
		case stepVLANHas:
			a = 0
			if m.hasTCI {
				a = 1
			}
		default:
			return 0
		}
	}
	return 0
}
