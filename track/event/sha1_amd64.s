#include "textflag.h"

// func sha1Instructions() bool
TEXT ·sha1Instructions(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $1, AX
	CPUID
	ANDL $0x00080200, CX // SSSE3, SSE4.1
	CMPL CX, $0x00080200
	JNE  no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	BTL  $29, BX // SHA
	JCC  no
	MOVB $1, ret+0(FP)

no:
	RET

// What SHA-1 begins with (FIPS 180-4, 5.3.1): four words, the first one highest, and the fifth.
DATA begin<>+0(SB)/8, $0x98badcfe10325476
DATA begin<>+8(SB)/8, $0x67452301efcdab89
DATA begin<>+16(SB)/8, $0x0000000000000000
DATA begin<>+24(SB)/8, $0xc3d2e1f000000000
GLOBL begin<>(SB), RODATA|NOPTR, $32

// WORDS loads four words of the message, the first one highest.
#define WORDS(at, m) \
	MOVQ   at+8(SI), m     \
	PINSRQ $1, at+0(SI), m

// ROUNDS does four with the words m, and keeps in was what comes before them. In e is what came before the last four.
#define ROUNDS(k, m, e, was) \
	SHA1NEXTE m, e         \
	MOVO      X0, was      \
	SHA1RNDS4 $k, e, X0

// NEXT makes of the last sixteen words, a to d, the next four, in the place of a.
#define NEXT(a, b, c, d) \
	SHA1MSG1 b, a \
	PXOR     c, a \
	SHA1MSG2 d, a

// func sha1Block(m *sha1Message, s *sha1Sum)
TEXT ·sha1Block(SB), NOSPLIT, $0-16
	MOVQ m+0(FP), SI
	MOVQ s+8(FP), DI
	MOVOU begin<>+0(SB), X0
	MOVOU begin<>+16(SB), X5
	MOVO  X0, X7
	MOVO  X5, X8
	WORDS(0, X1)
	WORDS(16, X2)
	WORDS(32, X3)
	WORDS(48, X4)
	PADDD     X1, X5
	MOVO      X0, X6
	SHA1RNDS4 $0, X5, X0
	ROUNDS(0, X2, X6, X5)
	ROUNDS(0, X3, X5, X6)
	ROUNDS(0, X4, X6, X5)
	NEXT(X1, X2, X3, X4)
	ROUNDS(0, X1, X5, X6)
	NEXT(X2, X3, X4, X1)
	ROUNDS(1, X2, X6, X5)
	NEXT(X3, X4, X1, X2)
	ROUNDS(1, X3, X5, X6)
	NEXT(X4, X1, X2, X3)
	ROUNDS(1, X4, X6, X5)
	NEXT(X1, X2, X3, X4)
	ROUNDS(1, X1, X5, X6)
	NEXT(X2, X3, X4, X1)
	ROUNDS(1, X2, X6, X5)
	NEXT(X3, X4, X1, X2)
	ROUNDS(2, X3, X5, X6)
	NEXT(X4, X1, X2, X3)
	ROUNDS(2, X4, X6, X5)
	NEXT(X1, X2, X3, X4)
	ROUNDS(2, X1, X5, X6)
	NEXT(X2, X3, X4, X1)
	ROUNDS(2, X2, X6, X5)
	NEXT(X3, X4, X1, X2)
	ROUNDS(2, X3, X5, X6)
	NEXT(X4, X1, X2, X3)
	ROUNDS(3, X4, X6, X5)
	NEXT(X1, X2, X3, X4)
	ROUNDS(3, X1, X5, X6)
	NEXT(X2, X3, X4, X1)
	ROUNDS(3, X2, X6, X5)
	NEXT(X3, X4, X1, X2)
	ROUNDS(3, X3, X5, X6)
	NEXT(X4, X1, X2, X3)
	ROUNDS(3, X4, X6, X5)
	SHA1NEXTE X8, X5
	PADDD     X7, X0
	PEXTRQ $1, X0, 0(DI)
	MOVQ   X0, 8(DI)
	PEXTRQ $1, X5, 16(DI)
	RET
