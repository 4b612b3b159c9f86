#include "textflag.h"

// func lines(at *uintptr, count, n int)
TEXT ·lines(SB), NOSPLIT, $0-24
	MOVQ at+0(FP), SI
	MOVQ count+8(FP), CX
	MOVQ n+16(FP), BX

address:
	MOVQ (SI), DI
	ADDQ $8, SI
	MOVQ BX, DX

two:
	PREFETCHT0 (DI)
	SUBQ $2, DX
	JLT  next
	PREFETCHT0 64(DI)
	LEAQ 128(DI), DI
	JGT  two

next:
	DECQ CX
	JNE  address
	RET
