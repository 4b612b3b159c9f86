package track

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// heapPiece is what the runtime asks of the system at once, aligned to it (runtime.pallocChunkBytes); two huge pages of amd64.
const heapPiece = 4 << 20

// enlarge asks for huge pages (transparent_hugepage in the kernel's documentation) where a part of a great table lies, before
// it is touched: finding a connection at random costs a second miss, of the page table, where pages are small. Who says "never" to
// huge pages gets none, and loses nothing else.
func enlarge(part *[chunkSize]conn) {
	from := uintptr(unsafe.Pointer(part)) &^ (heapPiece - 1)
	to := uintptr(unsafe.Pointer(part)) + unsafe.Sizeof(*part)
	// Of what is not mapped yet the kernel complains when it has done the rest.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, (to-from+heapPiece-1)&^(heapPiece-1), unix.MADV_HUGEPAGE)
}
