package live

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/windows"

	"rustnet/capture"
)

// Ancillary tells whether frames lie apart from what the kernel knows of them beside: not here.
const Ancillary = false

// wpcap is Npcap's library, which talks to its driver: libpcap's functions, and some of its own (npcap.com/guide, pcap(3PCAP)).
type wpcap struct {
	findAllDevs, freeAllDevs, create, setSnapLen, setTimeout, setPromisc, setBufferSize, setTimestampType, activate, setNonblock,
	dataLink, setFilter, nextEx, stats, getErr, closeIt uintptr
	// Not of all libraries: an event that there are packets, and how many bytes of them make one.
	getEvent, setMinToCopy uintptr
}

// Of pcap/pcap.h.
const (
	pcapErrorPermission   = -8
	pcapErrorNoSuchDevice = -5
	pcapHighPrecision     = 2 // PCAP_TSTAMP_HOST_HIPREC: of the system's clock
	pcapLoopback          = 1 // PCAP_IF_LOOPBACK
	pcapErrorSize         = 256
)

// pcapDevice is pcap_if_t as far as it is asked for.
type pcapDevice struct {
	next              *pcapDevice
	name, description *byte
	addresses         uintptr
	flags             uint32
}

// pcapHeader is pcap_pkthdr as it is on Windows, where a long has 32 bits.
type pcapHeader struct{ sec, usec, captured, wire uint32 }

// pcapProgram is bpf_program.
type pcapProgram struct {
	n     uint32
	insns *bpf.RawInstruction
}

// errNoNpcap says what is not there.
var errNoNpcap = fmt.Errorf("packets are read with Npcap, which is not installed (https://npcap.com): %w", ErrNoDriver)

// load finds the library: where Npcap puts it, or where WinPcap did and Npcap does when it is asked to stand for that.
var load = sync.OnceValues(func() (*wpcap, error) {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return nil, fmt.Errorf("find Npcap: %w", err)
	}
	var lib windows.Handle
	for _, path := range []string{filepath.Join(system, "Npcap", "wpcap.dll"), filepath.Join(system, "wpcap.dll")} {
		// What it needs lies beside it.
		if lib, err = windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH); err == nil {
			break
		}
	}
	if err != nil {
		return nil, errNoNpcap
	}
	w := &wpcap{}
	for name, at := range map[string]*uintptr{
		"pcap_findalldevs": &w.findAllDevs, "pcap_freealldevs": &w.freeAllDevs, "pcap_create": &w.create, "pcap_set_snaplen": &w.setSnapLen,
		"pcap_set_timeout": &w.setTimeout, "pcap_set_promisc": &w.setPromisc, "pcap_set_buffer_size": &w.setBufferSize, "pcap_set_tstamp_type": &w.setTimestampType,
		"pcap_activate": &w.activate, "pcap_setnonblock": &w.setNonblock, "pcap_datalink": &w.dataLink, "pcap_setfilter": &w.setFilter,
		"pcap_next_ex": &w.nextEx, "pcap_stats": &w.stats, "pcap_geterr": &w.getErr, "pcap_close": &w.closeIt,
	} {
		if *at, err = windows.GetProcAddress(lib, name); err != nil {
			return nil, fmt.Errorf("this Npcap is too old, it lacks %s (https://npcap.com): %w", name, ErrNoDriver)
		}
	}
	version, err := windows.GetProcAddress(lib, "pcap_lib_version")
	if err == nil && strings.Contains(text(call(version)), "Npcap") { // others have them by name only
		w.getEvent, _ = windows.GetProcAddress(lib, "pcap_getevent")
		w.setMinToCopy, _ = windows.GetProcAddress(lib, "pcap_setmintocopy")
	}
	return w, nil
})

// call gives what a function of C's returns. What args point at stays where it is meanwhile.
//
//go:uintptrescapes
func call(f uintptr, args ...uintptr) uintptr {
	r, _, _ := syscall.SyscallN(f, args...)
	return r
}

// text is a string of C's.
func text(at uintptr) string {
	if at == 0 {
		return ""
	}
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&at)))
}

// available tells whether there is what reads packets.
func available() bool {
	_, err := load()
	return err == nil
}

// handle is an interface that is open.
type handle struct {
	*wpcap
	pcap  uintptr
	event windows.Handle // there are packets; 0 = nobody says
	link  capture.LinkType
	done  bool
}

// openHandle opens an interface with room bytes in the kernel for what waits to be read.
func openHandle(d Device, room int, cfg Config) (*handle, error) {
	w, err := load()
	if err != nil {
		return nil, err
	}
	name, err := w.nameOf(d)
	if err != nil {
		return nil, err
	}
	cname, err := windows.BytePtrFromString(name)
	if err != nil {
		return nil, err
	}
	var said [pcapErrorSize]byte
	h := &handle{wpcap: w, pcap: call(w.create, uintptr(unsafe.Pointer(cname)), uintptr(unsafe.Pointer(&said)))}
	if h.pcap == 0 {
		return nil, errors.New(windows.ByteSliceToString(said[:]))
	}
	call(w.setSnapLen, h.pcap, uintptr(cfg.SnapLen))
	call(w.setTimeout, h.pcap, uintptr(gather/time.Millisecond)) // how long packets may be gathered before they are handed over
	call(w.setBufferSize, h.pcap, uintptr(min(room, math.MaxInt32)))
	call(w.setTimestampType, h.pcap, pcapHighPrecision) // else what it has is as good as it can
	if cfg.Promiscuous && d.Kind != "loopback" {
		call(w.setPromisc, h.pcap, 1)
	}
	if status := int32(call(w.activate, h.pcap)); status < 0 { // above 0 it is a warning
		err := h.failed("")
		switch {
		case status == pcapErrorPermission || strings.Contains(strings.ToLower(err.Error()), "access is denied"):
			err = fmt.Errorf("%w: Npcap lets administrators capture only (try: as administrator)", os.ErrPermission)
		case status == pcapErrorNoSuchDevice:
			err = fmt.Errorf("%w: not known to Npcap", err)
		}
		h.close()
		return nil, err
	}
	if call(w.setNonblock, h.pcap, 1, uintptr(unsafe.Pointer(&said))) != 0 {
		h.close()
		return nil, errors.New(windows.ByteSliceToString(said[:]))
	}
	if w.getEvent != 0 && w.setMinToCopy != 0 {
		call(w.setMinToCopy, h.pcap, 0)
		h.event = windows.Handle(call(w.getEvent, h.pcap))
	}
	h.link = linkType(int(int32(call(w.dataLink, h.pcap))))
	return h, nil
}

// nameOf finds what Npcap calls an interface: by its GUID, but for the loopback, of which it has one of its own.
func (w *wpcap) nameOf(d Device) (string, error) {
	var first *pcapDevice
	var said [pcapErrorSize]byte
	if call(w.findAllDevs, uintptr(unsafe.Pointer(&first)), uintptr(unsafe.Pointer(&said))) != 0 {
		return "", errors.New(windows.ByteSliceToString(said[:]))
	}
	defer call(w.freeAllDevs, uintptr(unsafe.Pointer(first)))
	for p := first; p != nil; p = p.next {
		if name := windows.BytePtrToString(p.name); d.Called(name) || d.Kind == "loopback" && p.flags&pcapLoopback != 0 {
			return name, nil
		}
	}
	return "", errors.New("not known to Npcap")
}

// failed is an error as the library words it.
func (h *handle) failed(doing string) error {
	return errors.New(doing + text(call(h.getErr, h.pcap)))
}

// filter replaces the capture filter.
func (h *handle) filter(insns []bpf.RawInstruction) error {
	p := pcapProgram{n: uint32(len(insns)), insns: unsafe.SliceData(insns)}
	if int32(call(h.setFilter, h.pcap, uintptr(unsafe.Pointer(&p)))) != 0 {
		return h.failed("set capture filter: ")
	}
	return nil
}

// read takes at most so many packets of what is there. It does not wait.
func (h *handle) read(most int, put func(data []byte, ts int64, wire uint32)) (n int, err error) {
	for ; n < most; n++ {
		var header *pcapHeader
		var data *byte
		switch int32(call(h.nextEx, h.pcap, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)))) {
		case 1:
			ts := int64(header.sec)*int64(time.Second) + int64(header.usec)*int64(time.Microsecond)
			put(unsafe.Slice(data, header.captured), ts, header.wire)
		case 0:
			return n, nil
		default:
			return n, h.failed("read packets: ")
		}
	}
	return n, nil
}

// pollEvery is how often an interface is looked at that does not tell when it has packets.
const pollEvery = 2 * time.Millisecond

// wait returns when there may be packets, or after a time.
func (h *handle) wait(most time.Duration) {
	if h.event == 0 {
		time.Sleep(min(most, pollEvery))
		return
	}
	_, _ = windows.WaitForSingleObject(h.event, uint32(most/time.Millisecond)) // whatever came of it, there may be packets
}

// drops is how many packets there was no room for.
func (h *handle) drops() uint64 {
	var st struct{ received, dropped, ofInterface, captured, sent, ofNet uint32 } // pcap_stat, of which some fill less
	if call(h.stats, h.pcap, uintptr(unsafe.Pointer(&st))) != 0 {
		return 0
	}
	return uint64(st.dropped)
}

func (h *handle) close() {
	if !h.done {
		h.done = true
		call(h.closeIt, h.pcap)
	}
}

// linkType is LINKTYPE_ for what pcap_datalink says: DLT_RAW is another number here.
func linkType(dlt int) capture.LinkType {
	if dlt == 12 {
		return capture.LinkRaw
	}
	return capture.LinkType(dlt)
}

// Interfaces lists the network interfaces of this machine.
func Interfaces() ([]Device, error) {
	first, err := adapters(0)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []Device
	for a := first; a != nil; a = a.Next {
		guid := windows.BytePtrToString(a.AdapterName)
		d := Device{Name: windows.UTF16PtrToString(a.FriendlyName), Index: int(a.IfIndex), Up: a.OperStatus == windows.IfOperStatusUp, MTU: int(min(a.Mtu, math.MaxInt32)),
			AltNames: []string{`\Device\NPF_` + guid}}
		if d.Index == 0 {
			d.Index = int(a.Ipv6IfIndex)
		}
		if text := windows.UTF16PtrToString(a.Description); text != d.Name {
			d.AltNames = append(d.AltNames, text)
		}
		switch a.IfType {
		case windows.IF_TYPE_SOFTWARE_LOOPBACK:
			d.Kind = "loopback"
		case windows.IF_TYPE_ETHERNET_CSMACD:
			d.Kind, d.Link = "ethernet", capture.LinkEthernet
		case windows.IF_TYPE_IEEE80211: // whose frames are made to look so
			d.Kind, d.Link = "wlan", capture.LinkEthernet
		case windows.IF_TYPE_PPP:
			d.Kind = "ppp"
		case windows.IF_TYPE_TUNNEL:
			d.Kind = "tunnel"
		}
		if n := min(int(a.PhysicalAddressLength), len(a.PhysicalAddress)); n > 0 {
			d.MAC = net.HardwareAddr(a.PhysicalAddress[:n]).String()
		}
		for u := a.FirstUnicastAddress; u != nil; u = u.Next {
			if ip, ok := netip.AddrFromSlice(u.Address.IP()); ok {
				d.Addrs = append(d.Addrs, netip.PrefixFrom(ip.Unmap(), int(u.OnLinkPrefixLength)))
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// adapters asks for the list, which may grow between two calls.
func adapters(flags uint32) (*windows.IpAdapterAddresses, error) {
	for size := uint32(15 << 10); ; { // what the documentation begins with
		buf := make([]uint64, size/8+1)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		switch err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags|windows.GAA_FLAG_SKIP_ANYCAST|windows.GAA_FLAG_SKIP_MULTICAST|windows.GAA_FLAG_SKIP_DNS_SERVER, 0, first, &size); {
		case err == nil:
			return first, nil
		case errors.Is(err, windows.ERROR_NO_DATA): // there are none
			return nil, nil
		case !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) || size > 1<<22:
			return nil, err
		}
	}
}

// addressChanges calls tell when an address of this machine came or went.
func addressChanges(tell func()) (stop func()) {
	var h windows.Handle
	changed := windows.NewCallback(func(_, _ uintptr, _ uint32) uintptr {
		tell()
		return 0
	})
	if windows.NotifyUnicastIpAddressChange(windows.AF_UNSPEC, changed, nil, false, &h) != nil || h == 0 {
		return func() {}
	}
	return func() { _ = windows.CancelMibChangeNotify2(h) }
}

// memory is how much this machine has, in bytes.
func memory() uint64 {
	var kilobytes uint64
	if r := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetPhysicallyInstalledSystemMemory"); r.Find() == nil {
		_, _, _ = r.Call(uintptr(unsafe.Pointer(&kilobytes)))
	}
	return kilobytes << 10
}
