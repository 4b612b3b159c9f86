//go:build amd64 || arm64 || riscv64 || loong64

package bpf

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unsafe"
	"weak"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

//go:embed owners.bpf.o
var object []byte

// taskEvent is struct task_event of the C file: the beginning of what else is told of a process.
type taskEvent struct {
	Header
	TS   int64
	Comm [16]byte
}

// Hooks are the programs in the kernel. Everything of them ends with Close or with the process.
// They belong to one goroutine.
type Hooks struct {
	maps   *ebpf.Collection
	progs  []*ebpf.Collection
	links  []link.Link
	ring   *ringbuf.Reader
	record ringbuf.Record
	iter   io.ReadCloser
	report []Hook
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
var order = []string{"told_exec", "told_rename", "told_move", "told_exit", useSend, "exit_send4", "exit_send6", "exit_sendpage",
	useReceive, "exit_receive4", "exit_receive6", release, "told_destroy", connect, state,
	"tell_sendmsg4", "tell_sendmsg6", "tell_recvmsg4", "tell_recvmsg6",
	"tell_bind4", "tell_bind6", "tell_create", iterate}

// following is what is attached besides, and first, where Config.Follow asks for it.
var following = []string{"told_free", "told_fork"}

// insteadOf is the ladder: programs that are only there for where better ones could not be attached.
var insteadOf = map[string][]string{
	"exit_send4": {useSend}, "exit_send6": {useSend}, "exit_sendpage": {useSend},
	"exit_receive4": {useReceive}, "exit_receive6": {useReceive},
	"told_destroy": {release},
	"tell_create":  {useSend, useReceive},
}

// lost is what is not told without a program, and without others in its stead.
var lost = map[string]string{
	"told_exec":     "a program that another one is replaced by is named only when it next sends or receives",
	"told_rename":   "the names that processes give themselves later",
	"told_move":     "the control group, and so the unit or container, of processes that are moved later",
	"told_exit":     "nothing that is shown: processes that have ended are kept in memory longer",
	useSend:         "who sends through a socket that another process opened",
	useReceive:      "who receives: accepted connections name the process that listens",
	"exit_send4":    "who sends over IPv4 through a socket that another process opened",
	"exit_send6":    "who sends over IPv6 through a socket that another process opened",
	"exit_sendpage": "who sends by sendfile(2) through a socket that another process opened",
	"exit_receive4": "who receives over IPv4: accepted connections name the process that listens",
	"exit_receive6": "who receives over IPv6: accepted connections name the process that listens",
	release:         "when sockets close: one that follows on the same port may be taken for it",
	"told_destroy":  "when TCP sockets close: one that follows on the same port may be taken for it",
	connect:         "TCP connections are named at their answer: attempts that get none by the socket tables",
	state:           "who connects and listens by TCP",
	"tell_sendmsg4": "which of several IPv4 sockets on one UDP port sent",
	"tell_sendmsg6": "which of several IPv6 sockets on one UDP port sent",
	"tell_recvmsg4": "which of several IPv4 sockets on one UDP port received",
	"tell_recvmsg6": "which of several IPv6 sockets on one UDP port received",
	"tell_bind4":    "IPv4 servers by UDP before they receive their first packet",
	"tell_bind6":    "IPv6 servers by UDP before they receive their first packet",
	"tell_create":   "raw sockets and those of ping(8)",
	iterate:         "who has the sockets that were open before the start: the socket tables and /proc tell",
}

var cgroupAttach = map[ebpf.ProgramType]bool{ebpf.CGroupSock: true, ebpf.CGroupSockAddr: true, ebpf.SockOps: true}

// Open loads and attaches all that this kernel allows. It fails when nothing that names an owner could be.
func Open(cfg Config) (*Hooks, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read the embedded kernel programs: %w", err)
	}
	h := &Hooks{}
	if err := h.open(cfg, spec); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Hooks) open(cfg Config, spec *ebpf.CollectionSpec) error {
	l, err := newLoader(cfg, spec)
	if err != nil {
		return err
	}
	defer l.close()
	l.constants = map[string]any{"pid_namespace": pidNamespace(), "followed": uint32(0)}
	names := order
	if cfg.Follow {
		names = slices.Concat(following, order)
		l.constants["followed"] = uint32(os.Getpid())
	} else {
		spec.Maps["family"].MaxEntries = 1
	}
	if h.maps, err = l.maps(); err != nil {
		return fmt.Errorf("make the maps of the kernel programs: %w", advise(err))
	}
	if h.ring, err = ringbuf.NewReader(h.maps.Maps["ring"]); err != nil {
		return fmt.Errorf("map the ring buffer: %w", err)
	}
	h.ring.SetDeadline(time.Unix(1, 0)) // never wait
	for _, name := range names {
		hook := Hook{Name: name, At: spec.Programs[name].SectionName, InsteadOf: insteadOf[name]}
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
	for _, need := range []string{state, useSend, useReceive, "tell_sendmsg4"} {
		if h.Attached(need) {
			return nil
		}
	}
	return &RefusedError{Hooks: h.Report(), First: h.firstError()}
}

// loader is what programs are made of.
type loader struct {
	spec      *ebpf.CollectionSpec
	types     *btf.Cache // the kernel's, read once
	root      *os.File   // of the cgroups
	rootErr   error
	constants map[string]any // what each program is set to before it is loaded
}

// newLoader says why this kernel takes no programs of ours at all.
func newLoader(cfg Config, spec *ebpf.CollectionSpec) (*loader, error) {
	if err := rlimit.RemoveMemlock(); err != nil { // before 5.11 maps are locked memory
		return nil, fmt.Errorf("raise the limit of locked memory: %w", err)
	}
	if !hasExchange() {
		return nil, fmt.Errorf("attach kernel programs: this kernel is older than 5.12: %w", errors.ErrUnsupported)
	}
	if err := permitted(spec); err != nil {
		return nil, err
	}
	if Lockdown() == "confidentiality" {
		return nil, fmt.Errorf("attach kernel programs: under lockdown (confidentiality) they may not read what they tell: %w", errors.ErrUnsupported)
	}
	if cfg.RingBytes != 0 {
		spec.Maps["ring"].MaxEntries = uint32(cfg.RingBytes)
	}
	l := &loader{spec: spec, types: kernelTypes()}
	l.root, l.rootErr = cgroupRoot(cfg.CgroupRoot)
	return l, nil
}

var sharedTypes weak.Pointer[btf.Cache]

// kernelTypes gives those that were read for the loader before, if they are still there: reading them is most of
// what loading takes, and keeping them would be megabytes for nothing.
func kernelTypes() *btf.Cache {
	types := sharedTypes.Value()
	if types == nil {
		types = btf.NewCache()
		sharedTypes = weak.Make(types)
	}
	return types
}

func (l *loader) close() {
	if l.rootErr == nil {
		l.root.Close()
	}
}

const constants = ".rodata" // the section of what is set before loading: each program has its own

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
	return ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{Cache: l.types})
}

// program loads one.
func (l *loader) program(name string, maps map[string]*ebpf.Map) (*ebpf.Collection, error) {
	s := l.spec.Copy()
	s.Programs = map[string]*ebpf.ProgramSpec{name: s.Programs[name]}
	for constant, value := range l.constants {
		if err := s.Variables[constant].Set(value); err != nil {
			return nil, fmt.Errorf("set %s: %w", constant, err)
		}
	}
	return ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{Cache: l.types, MapReplacements: maps})
}

// hasExchange tells whether the kernel has atomic exchange. That came with all else that each of the
// programs rests on: socket storage, cookies and the typed task in tracing programs.
func hasExchange() bool {
	exchange := asm.Xchg.Mem(asm.RFP, asm.R0, asm.DWord, -8)
	exchange.Constant = 0xe1 // BPF_XCHG; version 0.22 of the library leaves it out
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "Dual BSD/GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		exchange,
		asm.Return(),
	}})
	if err != nil {
		return errors.Is(err, unix.EPERM) // the next who asks is told so
	}
	prog.Close()
	return true
}

// permitted asks the kernel for what it gives to nobody without the capabilities.
func permitted(spec *ebpf.CollectionSpec) error {
	m, err := ebpf.NewMap(spec.Maps["ring"])
	if err != nil {
		if errors.Is(err, unix.EPERM) { // the library's own advice is about kernels before 5.11
			err = unix.EPERM
		}
		return fmt.Errorf("make a ring buffer for the kernel programs: %w", advise(err))
	}
	return m.Close()
}

// standsIn tells whether a program is only there for where others could not be attached, and they were.
func (h *Hooks) standsIn(name string) bool {
	switch better := insteadOf[name]; {
	case better == nil:
		return false
	case name == "tell_create":
		return h.seesUse()
	default:
		return h.all(better...)
	}
}

func (h *Hooks) all(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !h.Attached(name) })
}

// tellOthers lets the programs know on which others they may rely.
func (h *Hooks) tellOthers() error {
	for name, value := range map[string]bool{
		"has_sockops": h.Attached(connect),
		"has_use":     h.seesUse(),
	} {
		if err := h.maps.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s of the kernel programs: %w", name, err)
		}
	}
	return nil
}

// attach loads a program and puts it where it belongs.
func (h *Hooks) attach(l *loader, name string) error {
	kind := l.spec.Programs[name].Type
	// Those on cgroups leave it to the tracepoints, where there are these, to tell of the process.
	l.constants["tells_process"] = !cgroupAttach[kind] || !h.seesUse()
	if name == iterate {
		coll, err := l.program(name, h.maps.Maps)
		if err != nil {
			return advise(err)
		}
		h.progs = append(h.progs, coll)
		it, err := link.AttachIter(link.IterOptions{Program: coll.Programs[name]})
		if err != nil {
			return err
		}
		defer it.Close()
		h.iter, err = it.Open()
		return err
	}
	coll, attached, err := l.attach(name, h.maps.Maps)
	if err != nil {
		return err
	}
	h.progs = append(h.progs, coll)
	h.links = append(h.links, attached)
	return nil
}

// attach loads a program of a tracepoint, function or cgroup and puts it there.
func (l *loader) attach(name string, maps map[string]*ebpf.Map) (*ebpf.Collection, link.Link, error) {
	kind := l.spec.Programs[name].Type
	if cgroupAttach[kind] && l.rootErr != nil {
		return nil, nil, l.rootErr
	}
	coll, err := l.program(name, maps)
	if err != nil {
		return nil, nil, advise(err)
	}
	var attached link.Link
	if cgroupAttach[kind] {
		// A link and nothing else: a program that is attached without one would stay when we are killed.
		attached, err = link.AttachRawLink(link.RawLinkOptions{Target: int(l.root.Fd()), Program: coll.Programs[name],
			Attach: l.spec.Programs[name].AttachType})
	} else {
		attached, err = link.AttachTracing(link.TracingOptions{Program: coll.Programs[name]})
	}
	if err != nil {
		coll.Close()
		return nil, nil, fmt.Errorf("attach: %w", advise(err))
	}
	return coll, attached, nil
}

// advise says what a refusal may be mended by, and shortens the verifier's log to its last words.
func advise(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) && !isVerifier(err) {
		return fmt.Errorf("%w (needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; try: sudo)", err)
	}
	return err
}

func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
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
	switch {
	case errors.Is(err, ErrNoCgroups):
		return "no cgroup2 file system is mounted"
	case errors.Is(err, unix.EPERM) && mode != "" && mode != "none":
		return "lockdown (" + mode + ")"
	case errors.Is(err, unix.EPERM):
		return "not permitted"
	case errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) && !isVerifier(err):
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
	for _, r := range h.report {
		if r.Err != nil && !errors.Is(r.Err, errSwitchedOff) {
			return fmt.Errorf("%s: %w", r.At, r.Err)
		}
	}
	return errors.ErrUnsupported
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
		if r.Name == useSend && h.all("exit_send4", "exit_send6") || r.Name == useReceive && h.all("exit_receive4", "exit_receive6") {
			r.Lost = ""
		}
	}
	return all
}

// Attached tells whether a program of that name is in use.
func (h *Hooks) Attached(name string) bool {
	return slices.ContainsFunc(h.report, func(r Hook) bool { return r.Name == name && r.Err == nil && !r.Unneeded })
}

// seesUse tells whether everything that is sent and received is seen.
func (h *Hooks) seesUse() bool {
	return (h.Attached(useSend) || h.all("exit_send4", "exit_send6")) &&
		(h.Attached(useReceive) || h.all("exit_receive4", "exit_receive6"))
}

// Complete tells whether every socket that is used from now on is told with its owner, at its first use.
func (h *Hooks) Complete() bool {
	return h.Attached(state) && h.seesUse()
}

// Follows tells whether Config.Follow was asked for and could be had.
func (h *Hooks) Follows() bool { return h.all(following...) }

// Drain gives everything that is in the ring to the handler and returns how much it was. It never waits.
func (h *Hooks) Drain(to Handler) (n int) {
	if h.ring.AvailableBytes() > 0 {
		h.clock = sinceEpoch()
	}
	for h.ring.AvailableBytes() > 0 {
		if err := h.ring.ReadInto(&h.record); err != nil {
			break // the next record is still being written
		}
		n++
		h.give(h.record.RawSample, to)
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

// texts are what the event says that follows it; none when that is more than there is.
func (e *ProcessEvent) texts(b []byte) (t Texts) {
	exe, cgroup, args := int(e.ExeSize), int(e.CgroupSize), int(e.ArgsSize)
	if exe+cgroup+args > len(b) {
		return t
	}
	return Texts{Exe: b[:exe], Cgroup: b[exe:][:cgroup], Args: b[exe+cgroup:][:args]}
}

// bytesOf is the memory of an event: numbers only, laid out as in C, which a test compares.
func bytesOf[T SocketEvent | ProcessEvent | taskEvent | EndEvent](e *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(e)), unsafe.Sizeof(*e))
}

// Sockets tells, once, of every socket that a process has a descriptor of: for those that were
// opened before us. It wraps errors.ErrUnsupported where the kernel cannot.
func (h *Hooks) Sockets(each func(*SocketEvent)) error {
	if h.iter == nil {
		return fmt.Errorf("list the sockets of processes: %w", errors.ErrUnsupported)
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
	if err := h.maps.Variables["lost"].Get(&l); err != nil {
		return Losses{} // only where the memory cannot be mapped: before 5.5
	}
	return l
}

// Close takes the programs out of the kernel.
func (h *Hooks) Close() error {
	var errs []error
	for _, l := range h.links {
		errs = append(errs, l.Close())
	}
	if h.iter != nil {
		errs = append(errs, h.iter.Close())
	}
	if h.ring != nil {
		errs = append(errs, h.ring.Close())
	}
	for _, c := range h.progs {
		c.Close()
	}
	if h.maps != nil {
		h.maps.Close()
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

// sinceEpoch is what has to be added to CLOCK_MONOTONIC for the time of day.
func sinceEpoch() int64 {
	var mono unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
		return 0 // no system is without it
	}
	return time.Now().UnixNano() - mono.Nano()
}
