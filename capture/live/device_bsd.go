//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package live

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// Ancillary tells whether frames lie apart from what the kernel knows of them beside: not here.
const Ancillary = false

// records is this system's layout.
var records = recordLayout{
	sec:      int(unsafe.Offsetof(unix.BpfHdr{}.Tstamp)) + int(unsafe.Offsetof(unix.BpfHdr{}.Tstamp.Sec)),
	usec:     int(unsafe.Offsetof(unix.BpfHdr{}.Tstamp)) + int(unsafe.Offsetof(unix.BpfHdr{}.Tstamp.Usec)),
	captured: int(unsafe.Offsetof(unix.BpfHdr{}.Caplen)),
	wire:     int(unsafe.Offsetof(unix.BpfHdr{}.Datalen)),
	header:   int(unsafe.Offsetof(unix.BpfHdr{}.Hdrlen)),
	wide:     unsafe.Sizeof(unix.BpfHdr{}.Tstamp) == 16,
	align:    unix.BPF_ALIGNMENT,
}

// handle is a bpf(4) device with an interface.
type handle struct {
	fd  int
	buf []byte // exactly as long as the kernel's, or it gives nothing

	link capture.LinkType
}

// openHandle opens an interface with room bytes in the kernel for what waits to be read, or what it has at most.
func openHandle(d Device, room int, cfg Config) (*handle, error) {
	fd, err := openDevice()
	if err != nil {
		return nil, err
	}
	h := &handle{fd: fd}
	if err := h.begin(d, room, cfg); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// openDevice opens a device that nobody has: one that makes another of itself, or the first of many that is free.
func openDevice() (fd int, err error) {
	path := "/dev/bpf"
	for i := 0; ; i++ {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EACCES) { // not to be written to may be all
			fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		}
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
			return -1, fmt.Errorf("open %s: %w (try: sudo)", path, fs.ErrPermission)
		case i > 0 && !errors.Is(err, unix.EBUSY), i == 256:
			return -1, fmt.Errorf("open %s: %w", path, err)
		}
		path = "/dev/bpf" + strconv.Itoa(i)
	}
}

// begin puts the interface onto the device. The size of its buffers can be set before only.
func (h *handle) begin(d Device, room int, cfg Config) error {
	size := int32(min(room/2, 1<<30)) // there are two of them
	for ; ; size /= 2 {
		n := size
		if err := h.control(unix.BIOCSBLEN, unsafe.Pointer(&n)); err == nil || size <= 32<<10 {
			break // what it has is enough, if it must be
		}
	}
	var request struct {
		name [unix.IFNAMSIZ]byte
		_    [128]byte // as long as any system's struct ifreq
	}
	if len(d.Name) >= len(request.name) {
		return unix.ENXIO
	}
	copy(request.name[:], d.Name)
	if err := h.control(unix.BIOCSETIF, unsafe.Pointer(&request)); err != nil {
		return err
	}
	on := int32(1) // packets are to be had as they come, not when the buffer is full
	if err := h.control(unix.BIOCIMMEDIATE, unsafe.Pointer(&on)); err != nil {
		return err
	}
	if cfg.Promiscuous && d.Kind != "loopback" {
		if err := h.control(unix.BIOCPROMISC, nil); err != nil {
			cfg.Warn(fmt.Sprintf("interface %s: promiscuous mode: %v", d.Name, err))
		}
	}
	var dlt, length int32
	if err := h.control(unix.BIOCGDLT, unsafe.Pointer(&dlt)); err != nil {
		return err
	}
	if err := h.control(unix.BIOCGBLEN, unsafe.Pointer(&length)); err != nil {
		return err
	}
	h.link, h.buf = linkType(int(dlt)), make([]byte, length)
	return nil
}

func (h *handle) control(request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(h.fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// program is struct bpf_program.
type program struct {
	n     uint32
	insns *bpf.RawInstruction
}

// filter replaces the capture filter.
func (h *handle) filter(insns []bpf.RawInstruction) error {
	p := program{n: uint32(len(insns)), insns: unsafe.SliceData(insns)}
	if err := h.control(unix.BIOCSETF, unsafe.Pointer(&p)); err != nil {
		return fmt.Errorf("set capture filter: %w", err)
	}
	return nil
}

// read takes the packets of one buffer of the kernel's, however many are asked for. It does not wait.
func (h *handle) read(_ int, put func(data []byte, ts int64, wire uint32)) (n int, err error) {
	for {
		length, err := unix.Read(h.fd, h.buf)
		switch {
		case err == nil:
			n, broken := records.each(h.buf[:max(length, 0)], put)
			if broken {
				return n, fmt.Errorf("read packets: records are not as those of %s/%s (please report it)", runtime.GOOS, runtime.GOARCH)
			}
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case errors.Is(err, unix.EINTR):
		default: // ENXIO: the interface is gone; ENETDOWN: it is down
			return 0, fmt.Errorf("read packets: %w", err)
		}
	}
}

// wait returns when there are packets, or after a time.
func (h *handle) wait(most time.Duration) {
	var set unix.FdSet
	if h.fd/8 >= int(unsafe.Sizeof(set)) { // select(2) takes no such number
		time.Sleep(min(most, 2*time.Millisecond))
		return
	}
	set.Set(h.fd)
	timeout := unix.NsecToTimeval(int64(most))
	_, _ = unix.Select(h.fd+1, &set, nil, nil, &timeout) // whatever came of it, there may be packets
}

// drops is how many packets there was no room for.
func (h *handle) drops() uint64 {
	var st unix.BpfStat
	if h.control(unix.BIOCGSTATS, unsafe.Pointer(&st)) != nil {
		return 0
	}
	return uint64(st.Drop)
}

func (h *handle) close() {
	if h.fd >= 0 {
		unix.Close(h.fd)
		h.fd = -1
	}
}

// linkType is LINKTYPE_ for a DLT_ of this system, of which some differ.
func linkType(dlt int) capture.LinkType {
	switch {
	case runtime.GOOS == "openbsd" && dlt == 12:
		return capture.LinkLoop
	case dlt == 12, runtime.GOOS == "openbsd" && dlt == 14:
		return capture.LinkRaw
	}
	return capture.LinkType(dlt)
}

// available tells whether there is what reads packets: always, it is part of the kernel.
func available() bool { return true }

// Interfaces lists the network interfaces of this machine.
func Interfaces() ([]Device, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	list := make([]Device, len(all))
	for i, d := range all {
		list[i] = Device{Name: d.Name, Index: d.Index, Up: d.Flags&net.FlagUp != 0, MTU: d.MTU, MAC: d.HardwareAddr.String()}
		switch {
		case d.Flags&net.FlagLoopback != 0:
			list[i].Kind = "loopback"
		case len(d.HardwareAddr) == 6:
			list[i].Link = capture.LinkEthernet
		}
		addrs, _ := d.Addrs() // those of one that has just gone are none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				list[i].Addrs = append(list[i].Addrs, p)
			}
		}
	}
	return list, nil
}

// addressChanges calls tell when the kernel's routing socket says anything, as it does of addresses.
func addressChanges(tell func()) (stop func()) {
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err != nil {
		return func() {}
	}
	unix.CloseOnExec(fd)
	_ = unix.SetNonblock(fd, true) // so that Close ends a wait
	notices, ended := os.NewFile(uintptr(fd), "route"), make(chan struct{})
	go func() {
		defer close(ended)
		for message := make([]byte, 2048); ; tell() {
			if _, err := notices.Read(message); err != nil && !errors.Is(err, unix.ENOBUFS) { // there were more than it has room for
				return
			}
		}
	}()
	return func() {
		notices.Close()
		<-ended
	}
}

// memory is not asked for: a device has far less than the least of what DefaultRing gives.
func memory() uint64 { return 0 }
