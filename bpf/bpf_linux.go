//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// object and olderObject are made of the same source: kernel.h says what each needs.
//
//go:embed owners.bpf.o
var object []byte

//go:embed owners-older.bpf.o
var olderObject []byte

// taskEvent is struct task_event of the C file: the beginning of what else is told of a process.
type taskEvent struct {
	Header
	TS   int64
	Comm [16]byte
}

// Hooks are the programs in the kernel. Everything of them ends with Close or with the process.
// They belong to one goroutine.
type Hooks struct {
	programs
	iter   io.ReadCloser
	socket SocketEvent
	proc   ProcessEvent
	task   taskEvent
	clock  int64 // what CLOCK_MONOTONIC began at
}

// Names of the programs that Complete asks for, and that others stand in for.
const (
	useSend    = "told_send"
	useReceive = "told_receive"
	state      = "told_state"
	connect    = "tell_connect"
	release    = "tell_release"
	iterate    = "find_sockets"
)

// order is that of attaching: what says less first, so that no event is without what it rests on.
var order = []string{"told_free", "told_exec", "told_rename", "told_move", "told_exit",
	useSend, "exit_send4", "exit_send6", "exit_sendpage", "probe_send4", "probe_send6", "probe_sendpage", "probe_ping4", "probe_ping6",
	useReceive, "exit_receive4", "exit_receive6", "probe_read_tcp", "probe_read_udp", "probe_taken", "probe_read_raw", "probe_read_sctp",
	release, "probe_release", "told_destroy", connect, "probe_connect", state,
	"tell_sendmsg4", "tell_sendmsg6", "tell_recvmsg4", "tell_recvmsg6", "enter_send4", "enter_send6", "enter_consume", "probe_peer4", "probe_peer6",
	"tell_bind4", "tell_bind6", "probe_bound4", "probe_bind4", "probe_bound6", "probe_bind6", "tell_create", iterate}

// following is what is attached besides where Config.Follow asks for it: after told_free, which undoes it.
var following = []string{"told_fork"}

// probe is one of a function: the same program may be for several.
type probe struct{ program, function string }

var probes = map[string]probe{
	"probe_send4": {"probe_socket", "inet_sendmsg"}, "probe_send6": {"probe_socket", "inet6_sendmsg"}, "probe_sendpage": {"probe_socket", "inet_sendpage"},
	"probe_ping4": {"probe_sock", "ping_v4_sendmsg"}, "probe_ping6": {"probe_sock", "ping_v6_sendmsg"},
	"probe_read_tcp": {"probe_sock", "tcp_cleanup_rbuf"}, "probe_read_udp": {"probe_sock", "skb_consume_udp"}, "probe_taken": {"probe_datagram", "skb_consume_udp"},
	"probe_read_raw": {"probe_sock", "skb_free_datagram"}, "probe_read_sctp": {"probe_sock", "sctp_recvmsg"},
	"probe_release": {"probe_release", "inet_release"}, "probe_connect": {"probe_connect", "tcp_connect"},
	"probe_peer4": {"probe_message", "udp_sendmsg"}, "probe_peer6": {"probe_message", "udpv6_sendmsg"},
	"probe_bound4": {"probe_bound", "inet_bind"}, "probe_bind4": {"probe_bind", "inet_bind"},
	"probe_bound6": {"probe_bound", "inet6_bind"}, "probe_bind6": {"probe_bind", "inet6_bind"},
}

// programOf gives the program of a hook, and where it is attached; nil = it is in the other object.
func (l *loader) programOf(name string) (program *ebpf.ProgramSpec, at string) {
	p, ok := probes[name]
	if !ok {
		program = l.spec.Programs[name]
		if program == nil {
			return nil, ""
		}
		return program, program.SectionName
	}
	program = l.spec.Programs[p.program]
	if program == nil {
		return nil, ""
	}
	return program, program.SectionName + "/" + p.function
}

// Those that see sends and receives, where nothing better does.
var (
	exitsOfSend     = []string{"exit_send4", "exit_send6"}
	exitsOfReceive  = []string{"exit_receive4", "exit_receive6"}
	probesOfSend    = []string{"probe_send4", "probe_send6", "probe_peer4", "probe_peer6"}
	probesOfReceive = []string{"probe_read_tcp", "probe_read_udp"}
)

// insteadOf is the ladder: programs that are only there for where better ones could not be attached.
var insteadOf = map[string][]string{
	"exit_send4": {useSend}, "exit_send6": {useSend}, "exit_sendpage": {useSend},
	"exit_receive4": {useReceive}, "exit_receive6": {useReceive},
	"probe_send4": {useSend}, "probe_send6": {useSend}, "probe_sendpage": {useSend}, "probe_ping4": {useSend}, "probe_ping6": {useSend},
	"probe_read_tcp": {useReceive}, "probe_read_udp": {useReceive}, "probe_read_raw": {useReceive}, "probe_read_sctp": {useReceive},
	"enter_send4": {"tell_sendmsg4"}, "enter_send6": {"tell_sendmsg6"}, "enter_consume": {"tell_recvmsg4", "tell_recvmsg6"},
	"told_destroy": {release},
	"tell_create":  {useSend, useReceive},
}

// lost is what is not told without a program, and without others in its stead.
var lost = map[string]string{
	"told_exec":       "a program that another one is replaced by is named only when it next sends or receives",
	"told_rename":     "the names that processes give themselves later",
	"told_move":       "the control group, and so the unit or container, of processes that are moved later",
	"told_free":       "other names of processes that live while very many others come and go",
	"told_exit":       "nothing that is shown: processes that have ended are kept in memory longer",
	useSend:           "who sends through a socket that another process opened",
	useReceive:        "who receives: accepted connections name the process that listens",
	"exit_send4":      "who sends over IPv4 through a socket that another process opened",
	"exit_send6":      "who sends over IPv6 through a socket that another process opened",
	"exit_sendpage":   "who sends by sendfile(2) through a socket that another process opened",
	"exit_receive4":   "who receives over IPv4: accepted connections name the process that listens",
	"exit_receive6":   "who receives over IPv6: accepted connections name the process that listens",
	"probe_send4":     "who sends over IPv4 through a socket that another process opened",
	"probe_send6":     "who sends over IPv6 through a socket that another process opened",
	"probe_sendpage":  "who sends by sendfile(2) through a socket that another process opened",
	"probe_ping4":     "who pings over IPv4",
	"probe_ping6":     "who pings over IPv6",
	"probe_read_tcp":  "who receives by TCP: accepted connections name the process that listens",
	"probe_read_udp":  "who receives by UDP through a socket that another process opened",
	"probe_taken":     "which of several sockets on one UDP port, or of the processes that share one, received",
	"probe_read_raw":  "who receives through raw sockets and those of ping(8)",
	"probe_read_sctp": "who receives by SCTP",
	release:           "when sockets close: one that follows on the same port may be taken for it",
	"probe_release":   "when sockets close: one that follows on the same port may be taken for it",
	"told_destroy":    "when TCP sockets close: one that follows on the same port may be taken for it",
	connect:           "TCP connections are named at their answer: attempts that get none by the socket tables",
	"probe_connect":   "TCP connections are named at their answer: attempts that get none by the socket tables",
	state:             "who connects and listens by TCP",
	"tell_sendmsg4":   "which of several IPv4 sockets on one UDP port, or of the processes that share one, sent",
	"tell_sendmsg6":   "which of several IPv6 sockets on one UDP port, or of the processes that share one, sent",
	"tell_recvmsg4":   "which of several IPv4 sockets on one UDP port, or of the processes that share one, received",
	"tell_recvmsg6":   "which of several IPv6 sockets on one UDP port, or of the processes that share one, received",
	"probe_peer4":     "which of several IPv4 sockets on one UDP port, or of the processes that share one, sent",
	"enter_send4":     "which of several IPv4 sockets on one UDP port, or of the processes that share one, sent",
	"probe_peer6":     "which of several IPv6 sockets on one UDP port, or of the processes that share one, sent",
	"enter_send6":     "which of several IPv6 sockets on one UDP port, or of the processes that share one, sent",
	"enter_consume":   "which of several sockets on one UDP port, or of the processes that share one, received",
	"tell_bind4":      "IPv4 servers by UDP before they receive their first packet",
	"tell_bind6":      "IPv6 servers by UDP before they receive their first packet",
	"probe_bind4":     "IPv4 servers by UDP before they receive their first packet",
	"probe_bind6":     "IPv6 servers by UDP before they receive their first packet",
	"probe_bound4":    "IPv4 servers by UDP before they receive their first packet",
	"probe_bound6":    "IPv6 servers by UDP before they receive their first packet",
	"tell_create":     "raw sockets and those of ping(8)",
	iterate:           "who has the sockets that were open before the start: the socket tables and /proc tell",
}

var cgroupAttach = map[ebpf.ProgramType]bool{ebpf.CGroupSock: true, ebpf.CGroupSockAddr: true, ebpf.SockOps: true}

// Open loads and attaches all that this kernel allows. It fails when nothing that names an owner could be.
func Open(cfg Config) (*Hooks, error) {
	return choose(cfg, func(older bool) (*Hooks, error) {
		h := &Hooks{}
		return h, h.open(cfg, older)
	}, func(newer, older *Hooks) bool {
		return older.Complete() || older.Attached(state) && !newer.Attached(state)
	})
}

// choose opens those that are for newer kernels. When they cannot be had, or see too little, it tries the others, and
// takes them if they are better.
func choose[T interface {
	Complete() bool
	tooLittle() error
	because(error)
	Close() error
}](cfg Config, open func(older bool) (T, error), better func(newer, older T) bool) (opened T, err error) {
	none := opened
	reason := errSwitchedOff
	if !cfg.Older {
		if opened, err = open(false); err == nil && opened.Complete() {
			return opened, nil
		} else if err != nil {
			opened.Close()
			if errors.Is(err, unix.EPERM) || errors.Is(err, errLockdown) || errors.Is(err, errNoTypes) || errors.Is(err, errTypes) {
				return none, err // to both
			}
			reason = err
		} else {
			reason = opened.tooLittle()
		}
	}
	older, olderErr := open(true)
	switch {
	case olderErr == nil && (cfg.Older || err != nil || better(opened, older)):
		if !cfg.Older && err == nil {
			opened.Close()
		}
		older.because(reason)
		return older, nil
	case cfg.Older || err != nil && !isRefused(err) && isRefused(olderErr):
		older.Close()
		return none, olderErr
	}
	older.Close()
	if err != nil {
		return none, err
	}
	return opened, nil
}

// programs are those of one object that are in the kernel.
type programs struct {
	spec   *ebpf.CollectionSpec
	maps   *ebpf.Collection
	progs  []*ebpf.Collection
	loaded map[string]*ebpf.Program // by name
	links  []link.Link
	queue  queue
	report []Hook
	older  error // why they are not those for newer kernels; nil = they are
}

func (h *Hooks) open(cfg Config, older bool) error {
	l, err := newLoader(cfg, object, olderObject, older)
	if err != nil {
		return err
	}
	defer l.close()
	l.constants["pid_namespace"], l.constants["followed"] = pidNamespace(), uint32(0)
	names := order
	if cfg.Follow {
		names = slices.Insert(slices.Clone(order), 1, following...)
		l.constants["followed"] = uint32(os.Getpid())
	} else {
		l.spec.Maps["family"].MaxEntries = 1
	}
	const stamp = int(unsafe.Offsetof(h.socket.TS)) // of every event
	if err := h.make(l, stamp, false); err != nil {
		return err
	}
	h.loadAtOnce(l, slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		p := l.spec.Programs[name]
		return p == nil || insteadOf[name] != nil || slices.Contains(cfg.Without, name) ||
			cgroupAttach[p.Type] && l.rootErr != nil || p.Type == ebpf.Kprobe && !hasProbes()
	}))
	for _, name := range names {
		program, at := l.programOf(name)
		if program == nil { // the other object's
			continue
		}
		hook := Hook{Name: name, At: at, InsteadOf: insteadOf[name]}
		switch {
		case h.standsIn(name):
			hook.Unneeded = true
		case slices.Contains(cfg.Without, name):
			hook.Err = errSwitchedOff
		default:
			hook.Err = h.attach(l, name)
		}
		h.report = append(h.report, hook)
		if err := h.tellOthers(); err != nil {
			return err
		}
	}
	if slices.ContainsFunc([]string{state, useSend, useReceive, "tell_sendmsg4"}, h.Attached) {
		return nil
	}
	return &RefusedError{Hooks: h.Report(), First: h.firstError()}
}

// make makes the maps, and maps the queue into our memory.
func (p *programs) make(l *loader, stamp int, wake bool) error {
	var err error
	p.spec = l.spec
	if p.maps, err = l.maps(); err != nil {
		return fmt.Errorf("make the maps of the kernel programs: %w", advise(err))
	}
	if m := p.maps.Maps["ring"]; m.Type() == ebpf.RingBuf {
		p.queue, err = newRing(m)
	} else {
		p.queue, err = newPerfRings(m, l.queueBytes, stamp, wake)
	}
	return err
}

// set and get reach a variable of the programs. Before 5.5 its memory cannot be mapped: it is read and written as
// the value of a map, with all others of the section, so that it is to be set before anything runs that changes them.
func (p *programs) set(name string, value any) error {
	if err := p.maps.Variables[name].Set(value); !errors.Is(err, ebpf.ErrNotSupported) {
		return err
	}
	return p.setSlowly(name, value)
}

func (p *programs) setSlowly(name string, value any) error {
	section, at, err := p.section(name)
	if err != nil {
		return err
	}
	if _, err := binary.Encode(at, binary.NativeEndian, value); err != nil {
		return err
	}
	return p.maps.Maps[p.spec.Variables[name].SectionName].Put(uint32(0), section)
}

func (p *programs) get(name string, value any) error {
	if err := p.maps.Variables[name].Get(value); !errors.Is(err, ebpf.ErrNotSupported) {
		return err
	}
	return p.getSlowly(name, value)
}

func (p *programs) getSlowly(name string, value any) error {
	_, at, err := p.section(name)
	if err != nil {
		return err
	}
	_, err = binary.Decode(at, binary.NativeEndian, value)
	return err
}

// section reads the one that a variable is in, and says where in it.
func (p *programs) section(name string) (section, at []byte, err error) {
	v := p.spec.Variables[name]
	section, err = p.maps.Maps[v.SectionName].LookupBytes(uint32(0))
	if err != nil {
		return nil, nil, err
	}
	return section, section[v.Offset:][:v.Size()], nil
}

func (p *programs) because(why error) { p.older = why }

// Older says why the programs are those for kernels that are older, or have no types of their own. nil = they are not.
func (p *programs) Older() error { return p.older }

// refused is the first that could not be attached.
func (p *programs) refused() (h Hook, any bool) {
	for _, r := range p.report {
		if r.Err != nil && !errors.Is(r.Err, errSwitchedOff) {
			return r, true
		}
	}
	return Hook{}, false
}

// tooLittle says for people why the programs do not see everything.
func (p *programs) tooLittle() error {
	if r, any := p.refused(); any {
		return fmt.Errorf("%s: %s", r.At, r.Why())
	}
	return errSwitchedOff
}

// loader is what programs are made of.
type loader struct {
	spec      *ebpf.CollectionSpec
	types     *btf.Cache // the kernel's, read once
	file      *btf.Spec  // of Config.Types
	root      *os.File   // of the cgroups
	rootErr   error
	constants map[string]any // what each program is set to before it is loaded
	// tellsProcess: also those on cgroups tell of the process. The others always do.
	tellsProcess bool
	queueBytes   int
}

// unsupported is a reason why this kernel has none.
type unsupported string

func (u unsupported) Error() string { return string(u) }
func (u unsupported) Unwrap() error { return errors.ErrUnsupported }

const (
	errOlder   = unsupported("this kernel is older than 5.12")
	errNoTypes = unsupported("this kernel has no types of itself (BTF); --btf gives them from a file")

	errNoOwnTypes = unsupported("this kernel has no types of itself")
	errNoProbes   = unsupported("this kernel has no kprobes")
)

// hasProbes tells whether functions can be probed by perf events. There is another way, which would leave probes behind when we
// are killed.
func hasProbes() bool {
	_, err := os.Stat("/sys/bus/event_source/devices/kprobe/type")
	return err == nil
}

var errLockdown = fmt.Errorf("under lockdown (confidentiality) kernel programs may not read what they tell: %w", errors.ErrUnsupported)

// withoutRing is set by the linker where testdata/kernels.sh tries the whole program as Config.NoRing tries this package.
var withoutRing string

// newLoader says why this kernel takes no programs of ours at all.
func newLoader(cfg Config, object, olderObject []byte, older bool) (*loader, error) {
	if older {
		object = olderObject
	}
	l := &loader{types: kernelTypes(), constants: map[string]any{}}
	var reading sync.WaitGroup
	reading.Go(func() { l.types.Kernel() }) // which takes as long as the other
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	reading.Wait()
	if err != nil {
		return nil, fmt.Errorf("read the embedded kernel programs: %w", err)
	}
	l.spec = spec
	if cfg.Types != "" {
		if l.file, err = typesOf(cfg.Types); err != nil {
			return nil, err
		}
	}
	if err := rlimit.RemoveMemlock(); err != nil { // before 5.11 maps are locked memory
		return nil, fmt.Errorf("raise the limit of locked memory: %w", advise(err))
	}
	if !older {
		switch has, err := hasExchange(); {
		case err != nil:
			return nil, err
		case !has:
			return nil, errOlder
		}
	}
	if Lockdown() == "confidentiality" {
		return nil, fmt.Errorf("attach kernel programs: %w", errLockdown)
	}
	if _, err := l.types.Kernel(); err != nil {
		switch {
		case l.file == nil:
			return nil, errNoTypes
		case !older:
			return nil, errNoOwnTypes
		}
	}
	queue := spec.Maps["ring"]
	if cfg.RingBytes != 0 {
		queue.MaxEntries = uint32(cfg.RingBytes)
	}
	l.queueBytes = int(queue.MaxEntries)
	hasRing, err := permitted(queue)
	switch {
	case !older && err == nil && !hasRing:
		return nil, fmt.Errorf("make a ring buffer for the kernel programs: %w", errors.ErrUnsupported)
	case err != nil:
		return nil, err
	case older:
		hasRing = hasRing && !cfg.NoRing && withoutRing == ""
		l.constants["has_ring"] = hasRing
		if !hasRing {
			*queue = ebpf.MapSpec{Name: queue.Name, Type: ebpf.PerfEventArray}
		}
	}
	l.root, l.rootErr = cgroupRoot(cfg.CgroupRoot)
	return l, nil
}

// What is read once, if it is still there: reading types is most of what loading takes, and keeping them would
// be megabytes for nothing.
var (
	sharedTypes weak.Pointer[btf.Cache]
	sharedFile  struct {
		path string
		spec weak.Pointer[btf.Spec]
	}
)

func kernelTypes() *btf.Cache {
	types := sharedTypes.Value()
	if types == nil {
		types = btf.NewCache()
		sharedTypes = weak.Make(types)
	}
	return types
}

func typesOf(path string) (*btf.Spec, error) {
	if spec := sharedFile.spec.Value(); spec != nil && sharedFile.path == path {
		return spec, nil
	}
	spec, err := readTypes(path)
	if err == nil {
		sharedFile.path, sharedFile.spec = path, weak.Make(spec)
	}
	return spec, err
}

func readTypes(path string) (*btf.Spec, error) {
	var spec *btf.Spec
	err := errors.New("it is no regular file") // and may have no end
	if info, serr := os.Stat(path); serr != nil || info.Mode().IsRegular() {
		spec, err = btf.LoadSpec(path)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: %w", errTypes, err)
	}
	for _, name := range []string{"task_struct", "sock_common"} {
		var s *btf.Struct
		if err == nil && spec.TypeByName(name, &s) != nil {
			err = fmt.Errorf("it has no struct %s", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no BTF of a Linux kernel: %w (it has to be /sys/kernel/btf/vmlinux of a machine with the same kernel, "+
			"or the .btf of BTFHub for it, unpacked)", errTypes, path, err)
	}
	return spec, nil
}

// errTypes is what is wrong with Config.Types.
var errTypes = errors.New("read the kernel's types")

// CheckTypes says what is wrong with a file for Config.Types.
func CheckTypes(path string) error {
	_, err := typesOf(path)
	return err
}

func (l *loader) close() {
	if l.rootErr == nil {
		l.root.Close()
	}
}

const constants = ".rodata" // the section of what is set before loading: each program has its own

func (l *loader) options(maps map[string]*ebpf.Map) ebpf.CollectionOptions {
	return ebpf.CollectionOptions{Cache: l.types, MapReplacements: maps, Programs: ebpf.ProgramOptions{KernelTypes: l.file}}
}

// maps makes those that all programs share.
func (l *loader) maps() (*ebpf.Collection, error) {
	s := l.spec.Copy()
	s.Programs = nil
	delete(s.Maps, constants)
	for name, v := range s.Variables {
		if v.SectionName == constants {
			delete(s.Variables, name)
		}
	}
	return ebpf.NewCollectionWithOptions(s, l.options(nil))
}

// program loads one. Nothing else of the object is copied for it: there are many.
func (l *loader) program(name string, maps map[string]*ebpf.Map) (*ebpf.Collection, error) {
	program := l.spec.Programs[name]
	s := &ebpf.CollectionSpec{ByteOrder: l.spec.ByteOrder, Programs: map[string]*ebpf.ProgramSpec{name: program}, Maps: map[string]*ebpf.MapSpec{}}
	uses := map[string]*ebpf.Map{}
	for i := range program.Instructions {
		if in := &program.Instructions[i]; in.IsLoadFromMap() {
			of := in.Reference()
			s.Maps[of] = l.spec.Maps[of]
			if of != constants {
				uses[of] = maps[of]
			}
		}
	}
	if s.Maps[constants] != nil {
		s.Variables = map[string]*ebpf.VariableSpec{}
		for name, v := range l.spec.Variables {
			value := l.constants[name]
			if name == "tells_process" {
				value = l.tellsProcess || !cgroupAttach[program.Type]
			}
			if value == nil {
				continue
			}
			v = v.Copy()
			if err := v.Set(value); err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
			s.Variables[name] = v
		}
	}
	return ebpf.NewCollectionWithOptions(s, l.options(uses))
}

// hasExchange tells whether the kernel has atomic exchange. That came with what the programs for newer kernels
// rest on: socket storage, cookies and the typed task in tracing programs. err is why that can not be told.
func hasExchange() (has bool, err error) {
	exchange := asm.Xchg.Mem(asm.RFP, asm.R0, asm.DWord, -8)
	exchange.Constant = 0xe1 // BPF_XCHG; version 0.22 of the library leaves it out
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "Dual BSD/GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		exchange,
		asm.Return(),
	}})
	switch {
	case err == nil:
		return true, prog.Close()
	case errors.Is(err, unix.EPERM): // the next who asks is told so
		return true, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, ebpf.ErrNotSupported): // the verifier's word
		return false, nil
	}
	return false, fmt.Errorf("try a kernel program: %w", err)
}

// permitted asks the kernel for what it gives to nobody without the capabilities, and whether it has it.
func permitted(ring *ebpf.MapSpec) (has bool, err error) {
	ring = ring.Copy()
	ring.MaxEntries = uint32(os.Getpagesize()) // the least
	m, err := ebpf.NewMap(ring)
	switch {
	case errors.Is(err, unix.EPERM): // the library's own advice is about kernels before 5.11
		return false, fmt.Errorf("make a ring buffer for the kernel programs: %w", advise(unix.EPERM))
	case errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("make a ring buffer for the kernel programs: %w", err)
	}
	return true, m.Close()
}

// standsIn tells whether a program is only there for where others could not be attached, and they were.
func (h *Hooks) standsIn(name string) bool {
	switch better := insteadOf[name]; {
	case better == nil:
		return false
	case name == "told_destroy":
		return h.Attached(release) // with the older programs it is needed in any case
	case name == "tell_create":
		return h.seesUse()
	default:
		return h.all(better...)
	}
}

func (p *programs) all(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !p.Attached(name) })
}

// tellOthers lets the programs know on which others they may rely.
func (h *Hooks) tellOthers() error {
	for name, value := range map[string]bool{
		"has_sockops": h.Attached(connect) || h.Attached("probe_connect"),
		"has_use":     h.seesUse(),
		"has_release": h.Attached(release) || h.Attached("probe_release"),
	} {
		if h.spec.Variables[name] == nil {
			continue // of one object only
		}
		if err := h.set(name, value); err != nil {
			return fmt.Errorf("set %s of the kernel programs: %w", name, err)
		}
	}
	return nil
}

// loadAtOnce loads programs side by side where there are several processors: what the verifier takes for them is most of what starting
// takes. What fails is tried again in its turn, and its error told then.
func (h *Hooks) loadAtOnce(l *loader, names []string) {
	colls := make([]*ebpf.Collection, len(names))
	var next atomic.Int32
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(names); i = next.Add(1) - 1 {
				colls[i], _ = l.program(names[i], h.maps.Maps)
			}
		})
	}
	all.Wait()
	h.loaded = map[string]*ebpf.Program{}
	for i, coll := range colls {
		if coll != nil {
			h.progs = append(h.progs, coll)
			h.loaded[names[i]] = coll.Programs[names[i]]
		}
	}
}

// attach loads a program and puts it where it belongs.
func (h *Hooks) attach(l *loader, name string) error {
	program, _ := l.programOf(name)
	// Those on cgroups leave it to the tracepoints to tell of the process, unless these turn out not to be there.
	if cgroupAttach[program.Type] && !l.tellsProcess && !h.seesUse() {
		l.tellsProcess = true
		maps.DeleteFunc(h.loaded, func(name string, p *ebpf.Program) bool { return cgroupAttach[p.Type()] })
	}
	if name != iterate {
		return h.programs.attach(l, name)
	}
	if _, err := l.types.Kernel(); err != nil { // no file helps
		return errNoOwnTypes
	}
	prog, err := h.load(l, name)
	if err != nil {
		return err
	}
	it, err := link.AttachIter(link.IterOptions{Program: prog})
	if err != nil {
		return err
	}
	defer it.Close()
	h.iter, err = it.Open()
	return err
}

// load loads a program, if it is not loaded yet.
func (p *programs) load(l *loader, name string) (*ebpf.Program, error) {
	if prog := p.loaded[name]; prog != nil {
		return prog, nil
	}
	coll, err := l.program(name, p.maps.Maps)
	if err != nil {
		return nil, advise(err)
	}
	p.progs = append(p.progs, coll)
	if p.loaded == nil {
		p.loaded = map[string]*ebpf.Program{}
	}
	p.loaded[name] = coll.Programs[name]
	return p.loaded[name], nil
}

// attach loads a program of a tracepoint, function or cgroup and puts it there.
func (p *programs) attach(l *loader, name string) error {
	spec, _ := l.programOf(name)
	if cgroupAttach[spec.Type] && l.rootErr != nil {
		return l.rootErr
	}
	if spec.Type == ebpf.Kprobe && !hasProbes() {
		return errNoProbes
	}
	prog, err := p.load(l, spec.Name)
	if err != nil {
		return err
	}
	var attached link.Link
	switch {
	case cgroupAttach[spec.Type]:
		// A link and nothing else: a program that is attached without one would stay when we are killed.
		attached, err = link.AttachRawLink(link.RawLinkOptions{Target: int(l.root.Fd()), Program: prog, Attach: spec.AttachType})
	case spec.Type == ebpf.RawTracepoint:
		attached, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: spec.AttachTo, Program: prog})
	case spec.SectionName == "kretprobe":
		attached, err = link.Kretprobe(probes[name].function, prog, nil)
	case spec.Type == ebpf.Kprobe:
		attached, err = link.Kprobe(probes[name].function, prog, nil)
	default:
		attached, err = link.AttachTracing(link.TracingOptions{Program: prog})
	}
	if err != nil {
		return fmt.Errorf("attach: %w", advise(err))
	}
	p.links = append(p.links, attached)
	return nil
}

// advise says what a refusal may be mended by.
func advise(err error) error {
	const needs = "(needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; try: sudo)"
	switch {
	case !errors.Is(err, unix.EPERM) && (!errors.Is(err, unix.EACCES) || isVerifier(err)):
		if errors.Is(err, unix.EFAULT) && !has(unix.CAP_PERFMON) { // the verifier's, of what it takes for its own mistake
			return fmt.Errorf("refused by the verifier %s", needs)
		}
		return err
	case has(unix.CAP_BPF) && has(unix.CAP_PERFMON) && has(unix.CAP_NET_ADMIN):
		return fmt.Errorf("%w (the capabilities are there; a seccomp filter, a security module, lockdown or a user namespace leaves them without effect)", err)
	}
	return fmt.Errorf("%w %s", err, needs)
}

// has tells whether we have the powers that a capability of Linux 5.8 is for, of the verifier's and others'.
func has(capability int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return true
	}
	return data[capability/32].Effective>>(capability%32)&1 != 0 || data[0].Effective>>unix.CAP_SYS_ADMIN&1 != 0
}

func isVerifier(err error) bool {
	_, is := errors.AsType[*ebpf.VerifierError](err)
	return is
}

// since is the kernel that brought what not all have; lists of Linux versions are shorter than probes.
var since = map[string]string{
	"tp_btf/sock_send_length": "6.3", "tp_btf/sock_recv_length": "6.3",
	"cgroup/sock_release": "5.9", "iter/task_file": "5.8",
}

// Lockdown gives the mode that is in force, "" where the kernel has none or it cannot be read.
func Lockdown() string {
	modes, _ := os.ReadFile("/sys/kernel/security/lockdown")
	_, mode, _ := strings.Cut(string(modes), "[")
	mode, _, _ = strings.Cut(mode, "]")
	return mode
}

func why(at string, err error) string {
	mode := Lockdown()
	var verdict *ebpf.VerifierError
	var lacking unsupported
	switch {
	case errors.As(err, &lacking):
		return lacking.Error()
	case errors.Is(err, ErrNoCgroups):
		return "no cgroup2 file system is mounted"
	case errors.Is(err, unix.EPERM) && mode != "" && mode != "none":
		return "lockdown (" + mode + ")"
	case errors.Is(err, unix.EPERM):
		return "not permitted"
	case errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) && !isVerifier(err):
		if v := since[at]; v != "" {
			return "kernel older than " + v
		}
		return "not in this kernel"
	case errors.As(err, &verdict) && len(verdict.Log) > 0:
		return "verifier: " + verdict.Log[len(verdict.Log)-1]
	}
	return err.Error()
}

// errSwitchedOff is Config.Without's.
var errSwitchedOff = errors.New("switched off")

func (h *Hooks) firstError() error {
	if r, any := h.refused(); any {
		return fmt.Errorf("%s: %w", r.At, r.Err)
	}
	return errors.ErrUnsupported
}

func isRefused(err error) bool {
	_, is := errors.AsType[*RefusedError](err)
	return is
}

// Report says what became of each program.
func (h *Hooks) Report() []Hook {
	all := slices.Clone(h.report)
	for i := range all {
		r := &all[i]
		if r.Err == nil {
			continue
		}
		r.Lost = lost[r.Name]
		for _, s := range h.report {
			if slices.Contains(s.InsteadOf, r.Name) && h.Attached(s.Name) {
				r.By = append(r.By, s.At)
			}
		}
		switch better := insteadOf[r.Name]; {
		case r.Name == useSend || slices.Contains(better, useSend):
			if h.seesSend() {
				r.Lost = ""
			}
		case r.Name == useReceive || slices.Contains(better, useReceive):
			if h.seesReceive() {
				r.Lost = ""
			}
		}
	}
	return all
}

// Attached tells whether a program of that name is in use.
func (p *programs) Attached(name string) bool {
	return slices.ContainsFunc(p.report, func(r Hook) bool { return r.Name == name && r.Err == nil && !r.Unneeded })
}

// seesUse tells whether everything that is sent and received is seen.
func (h *Hooks) seesUse() bool { return h.seesSend() && h.seesReceive() }

func (h *Hooks) seesSend() bool {
	return h.Attached(useSend) || h.all(exitsOfSend...) || h.all(probesOfSend...)
}

func (h *Hooks) seesReceive() bool {
	return h.Attached(useReceive) || h.all(exitsOfReceive...) || h.all(probesOfReceive...)
}

// Source is what owners are known by: "ebpf" is the stable hooks, "fentry" and "kprobe" are what stands in for those that
// see sends and receives.
func (h *Hooks) Source() string {
	switch {
	case h.Attached("probe_send4") || h.Attached("probe_read_tcp"):
		return "kprobe"
	case h.all(exitsOfSend...) || h.all(exitsOfReceive...):
		return "fentry"
	}
	return "ebpf"
}

// Complete tells whether every socket that is used from now on is told with its owner, at its first use.
func (h *Hooks) Complete() bool {
	return h.Attached(state) && h.seesUse()
}

// Follows tells whether Config.Follow was asked for and could be had.
func (h *Hooks) Follows() bool { return h.all("told_free", "told_fork") }

// Drain gives everything that is in the ring to the handler and returns how much it was. It never waits.
func (h *Hooks) Drain(to Handler) (n int) {
	for b := h.queue.next(); b != nil; b = h.queue.next() {
		if n++; n == 1 {
			h.clock = sinceEpoch()
		}
		h.give(b, to)
	}
	return n
}

func (h *Hooks) give(b []byte, to Handler) {
	if len(b) < int(unsafe.Sizeof(h.task)) {
		return
	}
	copy(bytesOf(&h.task), b)
	switch h.task.Kind {
	case Renamed, Exited:
		h.proc = ProcessEvent{Header: h.task.Header, TS: h.task.TS + h.clock, Comm: h.task.Comm}
		to.Process(&h.proc, Texts{})
	case Process, Moved:
		size := int(unsafe.Sizeof(h.proc))
		if len(b) < size {
			return
		}
		copy(bytesOf(&h.proc), b)
		h.proc.TS += h.clock
		to.Process(&h.proc, h.proc.texts(b[size:]))
	default:
		if len(b) < int(unsafe.Sizeof(h.socket)) {
			return
		}
		copy(bytesOf(&h.socket), b)
		h.socket.TS += h.clock
		to.Socket(&h.socket)
	}
}

// Of the C file: from where on no component of a path is read any more.
const (
	exeMax, cgroupMax = 1024, 1024
	componentMax      = 256
	cgroupDepth       = 20
)

// texts are what the event says that follows it; none when that is more than there is.
func (e *ProcessEvent) texts(b []byte) (t Texts) {
	exe, cgroup, args := int(e.ExeSize), int(e.CgroupSize), int(e.ArgsSize)
	if exe+cgroup+args > len(b) {
		return Texts{CgroupCut: true}
	}
	t = Texts{Exe: b[:exe], Cgroup: b[exe:][:cgroup], Args: b[exe+cgroup:][:args]}
	t.CgroupCut = exe+cgroup >= exeMax+componentMax+cgroupMax || bytes.Count(t.Cgroup, []byte{0}) >= cgroupDepth
	return t
}

// bytesOf is the memory of an event: numbers only, laid out as in C, which a test compares.
func bytesOf[T SocketEvent | ProcessEvent | taskEvent | EndEvent](e *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(e)), unsafe.Sizeof(*e))
}

// Sockets tells, once, of every socket that a process has a descriptor of: for those that were
// opened before us. Its error says why the kernel does not, and wraps errors.ErrUnsupported where it cannot.
func (h *Hooks) Sockets(each func(*SocketEvent)) error {
	if h.iter == nil {
		why := errors.ErrUnsupported
		for _, r := range h.report {
			if r.Name == iterate && r.Err != nil { // what a kernel refuses that could
				why = r.Err
			}
		}
		return fmt.Errorf("list the sockets of processes: %w", why)
	}
	all, err := io.ReadAll(h.iter)
	h.iter.Close()
	h.iter = nil
	if err != nil {
		return fmt.Errorf("list the sockets of processes: %w", err)
	}
	for size := int(unsafe.Sizeof(h.socket)); len(all) >= size; all = all[size:] {
		copy(bytesOf(&h.socket), all)
		each(&h.socket)
	}
	return nil
}

// Losses gives the counts so far.
func (h *Hooks) Losses() (l Losses) {
	if err := h.get("lost", &l); err != nil {
		return Losses{}
	}
	return l
}

// Close takes the programs out of the kernel.
func (h *Hooks) Close() error {
	var err error
	if h.iter != nil {
		err = h.iter.Close()
	}
	return errors.Join(err, h.programs.Close())
}

// Close takes the programs out of the kernel.
func (p *programs) Close() error {
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	if p.queue != nil {
		errs = append(errs, p.queue.close())
	}
	for _, c := range p.progs {
		c.Close()
	}
	if p.maps != nil {
		p.maps.Close()
	}
	return errors.Join(errs...)
}

// CgroupRoot gives the path of the mount of cgroup version 2 that the programs are attached to.
func CgroupRoot() (string, error) {
	root, err := cgroupRoot("")
	if err != nil {
		return "", err
	}
	defer root.Close()
	return root.Name(), nil
}

// cgroupRoot opens the mount of cgroup version 2. In hybrid mode it is below a tmpfs, next to those
// of version 1.
func cgroupRoot(path string) (*os.File, error) {
	if path != "" {
		return os.Open(path)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			root, err := os.Open(f[1])
			if err == nil {
				return root, nil
			}
		}
	}
	return nil, ErrNoCgroups
}

// pidNamespace is the inode of ours, 0 when it is the first, in which numbers are the kernel's own.
func pidNamespace() uint32 {
	const first = 0xeffffffc // PROC_PID_INIT_INO, include/linux/proc_ns.h
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil || st.Ino == first {
		return 0
	}
	return uint32(st.Ino)
}

// sinceEpoch is what has to be added to the kernel's CLOCK_MONOTONIC for the time of day.
func sinceEpoch() int64 {
	var mono unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
		return 0 // no system is without it
	}
	return time.Now().UnixNano() - (mono.Nano() - timeOffsets().Monotonic)
}

// BootOffset is what has to be added to a start that the kernel's programs tell of for what /proc says of it, in nanoseconds.
func BootOffset() int64 { return timeOffsets().Boot }

// offsets are how far ahead of the kernel's clocks those are that our time namespace has, time_namespaces(7), in nanoseconds.
type offsets struct{ Monotonic, Boot int64 }

var timeOffsets = sync.OnceValue(func() offsets {
	text, _ := os.ReadFile("/proc/self/timens_offsets") // a kernel without it has one time for all
	return parseOffsets(string(text))
})

func parseOffsets(text string) (o offsets) {
	for line := range strings.Lines(text) {
		var clock string
		var s, ns int64
		if n, _ := fmt.Sscan(line, &clock, &s, &ns); n != 3 {
			continue
		}
		switch clock {
		case "monotonic":
			o.Monotonic = s*1e9 + ns
		case "boottime":
			o.Boot = s*1e9 + ns
		}
	}
	return o
}
