//go:build !(linux && (amd64 || arm64 || riscv64 || loong64))

package bpf

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/net/bpf"
)

// Hooks cannot be made here.
type Hooks struct{ none }

// none has the methods, so that those who use Hooks are the same on every system.
type none struct{}

func (none) Report() []Hook                   { return nil }
func (none) Complete() bool                   { return false }
func (none) Older() error                     { return nil }
func (none) Source() string                   { return "" }
func (none) Follows() bool                    { return false }
func (none) Drain(Handler) int                { return 0 }
func (none) Sockets(func(*SocketEvent)) error { return errors.ErrUnsupported }
func (none) Losses() Losses                   { return Losses{} }
func (none) Close() error                     { return nil }

// Open says that there are no kernel programs for this system.
func Open(Config) (*Hooks, error) {
	return nil, fmt.Errorf("kernel programs on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

// CheckTypes says that they are of no use here.
func CheckTypes(string) error {
	return fmt.Errorf("kernel programs on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

// CgroupRoot says that there are no control groups here.
func CgroupRoot() (string, error) { return "", errors.ErrUnsupported }

// Lockdown is "": what has none.
func Lockdown() string { return "" }

// BootOffset is 0: nobody tells of a start.
func BootOffset() int64 { return 0 }

func why(_ string, err error) string { return err.Error() }

// Ends cannot be made here.
type Ends struct{}

// OpenEnds says that there are no kernel programs for this system.
func OpenEnds(Config) (*Ends, error) {
	return nil, fmt.Errorf("kernel programs on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

// Report is empty.
func (*Ends) Report() []Hook { return nil }

// FD is none.
func (*Ends) FD() int { return -1 }

// Wake does nothing.
func (*Ends) Wake() {}

// Drain gives nothing.
func (*Ends) Drain(func(*EndEvent)) {}

// Lost is always 0.
func (*Ends) Lost() uint64 { return 0 }

// Close does nothing.
func (*Ends) Close() error { return nil }

// Bypass cannot be made here.
type Bypass struct {
	Table  *BypassTable
	Secret uint64
}

// OpenBypass says that there are no kernel programs for this system.
func OpenBypass() (*Bypass, error) {
	return nil, fmt.Errorf("kernel programs on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

// Filter makes none.
func (*Bypass) Filter([]bpf.RawInstruction, int) (int, error) { return -1, errors.ErrUnsupported }

// Device does nothing.
func (*Bypass) Device(int, uint16) {}

// Clock is 0.
func (*Bypass) Clock() int64 { return 0 }

// Close does nothing.
func (*Bypass) Close() error { return nil }
