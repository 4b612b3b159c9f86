//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"errors"
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A capture filter is classic BPF, which the kernel makes eBPF of when a socket gets it. To stand in front of
// another program it has to be that before, so it is made here: each instruction is one or a few of the
// new ones, with the same registers as the kernel gives them (net/core/filter.c).
const (
	regA   = asm.R0 // where packet loads put what they read
	regX   = asm.R7
	regCtx = asm.R6 // where packet loads look for the packet
	regTmp = asm.R8 // which packet loads leave alone
)

// Where classic loads find what is not in the packet (SKF_AD_OFF and SKF_AD_*, include/uapi/linux/filter.h), and
// where that is in struct __sk_buff (include/uapi/linux/bpf.h).
const (
	adBase      = 0xfffff000
	adHatype    = adBase + 28
	skbLen      = 0
	skbPktType  = 4
	skbProtocol = 16
	skbIfindex  = 40
)

var inSKB = map[uint32]int16{
	adBase + 4:  skbPktType,
	adBase + 8:  skbIfindex,
	adBase + 44: 24, // SKF_AD_VLAN_TAG
	adBase + 48: 20, // SKF_AD_VLAN_TAG_PRESENT
}

const loopback = 1 // index of every namespace's loopback interface (LOOPBACK_IFINDEX)

// errNotTranslated is what capture filters give that only classic BPF can be.
var errNotTranslated = errors.New("the capture filter asks for what only classic BPF can tell")

// translate gives the program that goes on at the label accept with what the filter keeps, and returns 0 for the
// rest. An empty filter keeps everything. Frames that leave by the loopback interface are rejected first: they
// are seen once more as they come in. What the filter would cut to less than snapLen cannot be had. devices is the map of
// bypassDevice.
func translate(filter []bpf.RawInstruction, snapLen int, accept string, devices int) (asm.Instructions, error) {
	const reject, begin = "reject", "c0"
	p := asm.Instructions{
		asm.Mov.Reg(regCtx, asm.R1),
		asm.LoadMem(asm.R2, regCtx, skbPktType, asm.Word),
		asm.JNE.Imm(asm.R2, unix.PACKET_OUTGOING, begin),
		asm.LoadMem(asm.R2, regCtx, skbIfindex, asm.Word),
		asm.JEq.Imm(asm.R2, loopback, reject),
		asm.Mov.Imm(regA, 0).WithSymbol(begin),
		asm.Mov.Imm(regX, 0),
	}
	for k := range uint32(16) {
		if usesScratch(filter, k) { // the verifier wants it written; to classic programs it is undefined
			p = append(p, asm.StoreMem(asm.RFP, scratch(k), regX, asm.Word))
		}
	}
	live := reachable(filter)
	for i, in := range filter {
		if !live[i] {
			continue // the verifier does not allow it
		}
		part, err := instruction(in, i, snapLen, accept, reject)
		if in.Op == unix.BPF_LD|unix.BPF_ABS|unix.BPF_W && in.K == adHatype {
			part, err = hardwareType(devices, label(i)), nil
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			part[0] = part[0].WithSymbol(label(i))
		}
		p = append(p, part...)
	}
	if len(filter) == 0 {
		p = append(p, asm.Ja.Label(accept))
	}
	return append(p,
		asm.Mov.Imm(asm.R0, 0).WithSymbol(reject),
		asm.Return(),
		asm.Mov.Reg(asm.R1, regCtx).WithSymbol(accept),
	), nil
}

func label(i int) string      { return fmt.Sprintf("c%d", i) }
func scratch(k uint32) int16  { return -4 * (int16(k) + 1) }
func size(op uint16) asm.Size { return asm.Size(op & 0x18) }

func usesScratch(filter []bpf.RawInstruction, k uint32) bool {
	for _, in := range filter {
		switch in.Op {
		case unix.BPF_LD | unix.BPF_MEM, unix.BPF_LDX | unix.BPF_MEM, unix.BPF_ST, unix.BPF_STX:
			if in.K == k {
				return true
			}
		}
	}
	return false
}

// reachable tells which instructions are: jumps go forward only.
func reachable(filter []bpf.RawInstruction) []bool {
	live := make([]bool, len(filter)+math.MaxUint8+2)
	live[0] = true
	for i, in := range filter {
		switch {
		case !live[i]:
		case in.Op&7 == unix.BPF_RET:
		case in.Op == unix.BPF_JMP|unix.BPF_JA:
			if to := i + 1 + int(in.K); to < len(filter) {
				live[to] = true
			}
		case in.Op&7 == unix.BPF_JMP:
			live[i+1+int(in.Jt)], live[i+1+int(in.Jf)] = true, true
		default:
			live[i+1] = true
		}
	}
	return live
}

// hardwareType loads the interface's. A program of this kind cannot ask the kernel for it, so it looks where it was told
// of interfaces. Of one that it was not told of yet it is Ethernet's if there is a header of that, and else that of those who
// have none.
func hardwareType(devices int, name string) asm.Instructions {
	unknown, done := name+"unknown", name+"done"
	return asm.Instructions{
		asm.LoadMem(asm.R3, regCtx, skbIfindex, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R3),
		asm.And.Imm(asm.R4, bypassDevices-1),
		asm.LSh.Imm(asm.R4, 3),
		asm.LoadMapValue(asm.R2, devices, 0),
		asm.Add.Reg(asm.R2, asm.R4),
		asm.LoadMem(asm.R5, asm.R2, 0, asm.Word),
		asm.JNE.Reg(asm.R5, asm.R3, unknown),
		asm.LoadMem(regA, asm.R2, 4, asm.Word),
		asm.Ja.Label(done),
		asm.LoadAbs(12, asm.Half).WithSymbol(unknown),
		asm.LoadMem(asm.R2, regCtx, skbProtocol, asm.Word),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.Mov.Reg(asm.R3, regA),
		asm.Mov.Imm(regA, unix.ARPHRD_ETHER),
		asm.JEq.Reg(asm.R2, asm.R3, done),
		asm.Mov.Imm(regA, unix.ARPHRD_NONE),
		asm.Mov.Reg(regA, regA).WithSymbol(done),
	}
}

var aluOps = map[uint16]asm.ALUOp{unix.BPF_ADD: asm.Add, unix.BPF_SUB: asm.Sub, unix.BPF_MUL: asm.Mul, unix.BPF_DIV: asm.Div,
	unix.BPF_OR: asm.Or, unix.BPF_AND: asm.And, unix.BPF_LSH: asm.LSh, unix.BPF_RSH: asm.RSh, unix.BPF_MOD: asm.Mod, unix.BPF_XOR: asm.Xor}

var jumpOps = map[uint16]asm.JumpOp{unix.BPF_JEQ: asm.JEq, unix.BPF_JGT: asm.JGT, unix.BPF_JGE: asm.JGE, unix.BPF_JSET: asm.JSet}

// instruction translates the one at i.
func instruction(in bpf.RawInstruction, i, snapLen int, accept, reject string) (asm.Instructions, error) {
	k := int32(in.K)
	switch in.Op & 7 {
	case unix.BPF_LD:
		switch in.Op &^ 0x1f {
		case unix.BPF_ABS:
			if at, ok := inSKB[in.K]; ok {
				return asm.Instructions{asm.LoadMem(regA, regCtx, at, asm.Word)}, nil
			}
			if k < 0 {
				return nil, errNotTranslated
			}
			return asm.Instructions{asm.LoadAbs(k, size(in.Op))}, nil
		case unix.BPF_IND:
			if k < 0 {
				return nil, errNotTranslated
			}
			return asm.Instructions{asm.LoadInd(regA, regX, k, size(in.Op))}, nil
		case unix.BPF_IMM:
			return asm.Instructions{asm.Mov.Imm32(regA, k)}, nil
		case unix.BPF_LEN:
			return asm.Instructions{asm.LoadMem(regA, regCtx, skbLen, asm.Word)}, nil
		case unix.BPF_MEM:
			return asm.Instructions{asm.LoadMem(regA, asm.RFP, scratch(in.K), asm.Word)}, nil
		}
	case unix.BPF_LDX:
		switch in.Op &^ 0x1f {
		case unix.BPF_IMM:
			return asm.Instructions{asm.Mov.Imm32(regX, k)}, nil
		case unix.BPF_LEN:
			return asm.Instructions{asm.LoadMem(regX, regCtx, skbLen, asm.Word)}, nil
		case unix.BPF_MEM:
			return asm.Instructions{asm.LoadMem(regX, asm.RFP, scratch(in.K), asm.Word)}, nil
		case unix.BPF_MSH: // four times the lower half of a byte: the length of an IPv4 header
			if k < 0 {
				return nil, errNotTranslated
			}
			return asm.Instructions{
				asm.Mov.Reg(regTmp, regA),
				asm.LoadAbs(k, asm.Byte),
				asm.And.Imm32(regA, 15),
				asm.LSh.Imm32(regA, 2),
				asm.Mov.Reg(regX, regA),
				asm.Mov.Reg(regA, regTmp),
			}, nil
		}
	case unix.BPF_ST:
		return asm.Instructions{asm.StoreMem(asm.RFP, scratch(in.K), regA, asm.Word)}, nil
	case unix.BPF_STX:
		return asm.Instructions{asm.StoreMem(asm.RFP, scratch(in.K), regX, asm.Word)}, nil
	case unix.BPF_ALU:
		return arithmetic(in, reject)
	case unix.BPF_JMP:
		if in.Op == unix.BPF_JMP|unix.BPF_JA {
			return asm.Instructions{asm.Ja.Label(label(i + 1 + int(in.K)))}, nil
		}
		op, ok := jumpOps[in.Op&0xf0]
		if !ok {
			break
		}
		jump := op.Imm32(regA, k, label(i+1+int(in.Jt)))
		if in.Op&unix.BPF_X != 0 {
			jump = op.Reg32(regA, regX, label(i+1+int(in.Jt)))
		}
		if in.Jf == 0 {
			return asm.Instructions{jump}, nil
		}
		return asm.Instructions{jump, asm.Ja.Label(label(i + 1 + int(in.Jf)))}, nil
	case unix.BPF_RET:
		switch {
		case in.Op != unix.BPF_RET|unix.BPF_K || in.K != 0 && int64(in.K) < int64(snapLen):
			return nil, errNotTranslated
		case in.K == 0:
			return asm.Instructions{asm.Ja.Label(reject)}, nil
		}
		return asm.Instructions{asm.Ja.Label(accept)}, nil
	case unix.BPF_MISC:
		if in.Op&0x80 != 0 {
			return asm.Instructions{asm.Mov.Reg32(regA, regX)}, nil
		}
		return asm.Instructions{asm.Mov.Reg32(regX, regA)}, nil
	}
	return nil, fmt.Errorf("%w (instruction %d is 0x%x)", errNotTranslated, i, in.Op)
}

// arithmetic is of 32 bits. Dividing by a register that is 0 rejects the packet.
func arithmetic(in bpf.RawInstruction, reject string) (asm.Instructions, error) {
	op, ok := aluOps[in.Op&0xf0]
	switch {
	case in.Op&0xf0 == unix.BPF_NEG:
		return asm.Instructions{asm.Neg.Imm32(regA, 0)}, nil
	case !ok:
		return nil, errNotTranslated
	case in.Op&unix.BPF_X == 0:
		return asm.Instructions{op.Imm32(regA, int32(in.K))}, nil
	case op == asm.Div || op == asm.Mod:
		return asm.Instructions{asm.JEq.Imm32(regX, 0, reject), op.Reg32(regA, regX)}, nil
	}
	return asm.Instructions{op.Reg32(regA, regX)}, nil
}
