//go:build amd64 || arm64

package prefetch

// lines asks for n lines of each of count addresses, both above 0.
//
//go:noescape
func lines(at *uintptr, count, n int)
