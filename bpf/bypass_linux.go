//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

//go:embed bypass.bpf.o
var bypassObject []byte

const bypassProgram = "bypass"

// bypassDevices is how many interfaces a filter that asks for their hardware type knows, each in the place of its index
// modulo this.
const bypassDevices = 4096

type bypassDevice struct{ index, hatype uint32 }

// Bypass is what socket filters are made of that count connections instead of delivering them.
type Bypass struct {
	Table  *BypassTable
	Secret uint64

	spec    *ebpf.CollectionSpec
	table   *ebpf.Map
	types   *ebpf.Map // of interfaces: one value, of all devices
	devices *[bypassDevices]bypassDevice
	progs   []*ebpf.Program
}

// OpenBypass makes the table.
func OpenBypass() (*Bypass, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(bypassObject))
	if err != nil {
		return nil, fmt.Errorf("read the embedded kernel programs: %w", err)
	}
	b := &Bypass{spec: spec, Secret: rand.Uint64()}
	if err := b.open(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bypass) open() (err error) {
	switch has, err := hasExchange(); {
	case err != nil:
		return fmt.Errorf("count connections in the kernel: %w", err)
	case !has:
		return fmt.Errorf("count connections in the kernel: %w", errOlder)
	}
	if b.table, err = ebpf.NewMap(b.spec.Maps["table"]); err != nil {
		if errors.Is(err, unix.EPERM) {
			err = unix.EPERM
		}
		return fmt.Errorf("make the map of counted connections: %w", advise(err))
	}
	if b.types, err = ebpf.NewMap(&ebpf.MapSpec{Name: "devices", Type: ebpf.Array, KeySize: 4, MaxEntries: 1,
		ValueSize: uint32(unsafe.Sizeof(*b.devices)), Flags: unix.BPF_F_MMAPABLE}); err != nil {
		return fmt.Errorf("make the map of interfaces: %w", advise(err))
	}
	if b.Table, err = mapped[BypassTable](b, b.table); err != nil {
		return err
	}
	if b.devices, err = mapped[[bypassDevices]bypassDevice](b, b.types); err != nil {
		return err
	}
	for i := range b.Table.Flows {
		b.Table.Flows[i].Stopped = 1
	}
	return nil
}

// mapped gives the memory of a map's only value, as long as b is there.
func mapped[T any](b *Bypass, m *ebpf.Map) (*T, error) {
	page := unix.Getpagesize()
	size := (int(m.ValueSize()) + page - 1) / page * page
	mem, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory of counted connections: %w", err)
	}
	runtime.AddCleanup(b, func(mem []byte) { unix.Munmap(mem) }, mem)
	return (*T)(unsafe.Pointer(&mem[0])), nil
}

// Device says of which hardware type (ARPHRD_) an interface is, to filters that ask for it.
func (b *Bypass) Device(index int, hatype uint16) {
	d := &b.devices[index%bypassDevices]
	atomic.StoreUint32(&d.index, 0) // nobody's, while it changes
	atomic.StoreUint32(&d.hatype, uint32(hatype))
	atomic.StoreUint32(&d.index, uint32(index))
}

// Filter makes a program for SO_ATTACH_BPF, which keeps snapLen bytes of what the classic filter keeps (none:
// everything) and the table does not have. The descriptor is closed with b. It wraps errNotTranslated when the filter
// cannot be a part of it.
func (b *Bypass) Filter(classic []bpf.RawInstruction, snapLen int) (fd int, err error) {
	const accept = "accepted"
	front, err := translate(classic, snapLen, accept, b.types.FD())
	if err != nil {
		return -1, err
	}
	s := b.spec.Copy()
	for name, value := range map[string]any{"snap_len": uint32(snapLen), "secret": b.Secret} {
		if err := s.Variables[name].Set(value); err != nil {
			return -1, fmt.Errorf("set %s: %w", name, err)
		}
	}
	p := s.Programs[bypassProgram]
	// The function begins with what stands in front of it.
	first := &p.Instructions[0]
	front[0] = btf.WithFuncMetadata(front[0].WithSymbol(bypassProgram).WithSource(first.Source()), btf.FuncMetadata(first))
	*first = btf.WithFuncMetadata(first.WithSymbol(""), nil)
	p.Instructions = slices.Concat(front, p.Instructions)
	coll, err := ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{MapReplacements: map[string]*ebpf.Map{"table": b.table},
		Programs: ebpf.ProgramOptions{LogDisabled: !has(unix.CAP_PERFMON)}}) // what it would say is refused is long, and made again and again
	if err != nil {
		return -1, fmt.Errorf("load the socket filter: %w", advise(err))
	}
	defer coll.Close()
	prog := coll.DetachProgram(bypassProgram)
	b.progs = append(b.progs, prog)
	return prog.FD(), nil
}

// Clock is what has to be added to CLOCK_MONOTONIC for the time of day.
func (b *Bypass) Clock() int64 { return sinceEpoch() }

// Close gives everything back, but for the table's memory, which whoever still works with b may look at. Sockets keep
// what is attached to them.
func (b *Bypass) Close() error {
	var errs []error
	for _, p := range b.progs {
		errs = append(errs, p.Close())
	}
	for _, m := range []*ebpf.Map{b.table, b.types} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}
