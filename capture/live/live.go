// Package live reads packets from the network interfaces of this machine, as they pass.
//
// On Linux the kernel writes them into rings that it shares with us (AF_PACKET, TPACKET_V3), and
// the pipeline reads them where they lie: a batch of frames is a part of a ring, and goes back to
// the kernel when its last reader releases it. Elsewhere they are copied out of what the system has:
// bpf(4) of macOS and the BSDs, Npcap on Windows.
package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/bpf"

	"rustnet/capture"
)

// Sizes that hold when Config leaves them at 0.
const (
	// DefaultSnapLen keeps a whole ClientHello: with a post-quantum key share and a session ticket
	// it is up to some 2.5 kB, and segmentation offload shows it as one frame.
	DefaultSnapLen = 4096
	// The ring that holds without one named: a 64th of this machine's memory, within these. The least is 0.2 s of 10 Gbit/s in
	// full-size offloaded frames at the default snap length, and one second of a trickle, where the retire timer gives each few frames
	// a block. The most lets two cores look late at half a million packets a second that come for as long as it takes to read them.
	leastRing = 16 << 20
	mostRing  = 64 << 20

	// wholeSnapLen keeps what offload joins, but for BIG TCP.
	wholeSnapLen = 65 << 10

	minSnapLen = 64      // link, VLAN, IPv4 and TCP headers without options
	maxSnapLen = 1 << 18 // what libpcap calls unlimited
	minRing    = 1 << 20
	maxRing    = 1 << 30
)

const (
	// beatEvery is how often time is told while nothing arrives, and calmEvery how often once nothing has for calmAfter: each
	// wakes the whole pipeline, and by then no line is about to be due but of what was silent for long.
	beatEvery = 50 * time.Millisecond
	calmEvery = 200 * time.Millisecond
	calmAfter = time.Second
	// gather is how long we let packets pile up when they come fast: waking for each few costs more than
	// reading them. A ring of the default size holds five times what 10 Gbit/s brings in that time.
	gather = 2 * time.Millisecond
	// stopGrace is how long Run waits, once stopped, for the pipeline to take what was captured.
	stopGrace = time.Second
	// stopDrain is how long it waits for the kernel to hand over what it has.
	stopDrain = 100 * time.Millisecond
)

var (
	// errNoInterface is what Open's error wraps when an interface does not exist.
	errNoInterface = errors.New("no such interface")
	// ErrNoDriver is what it wraps where what reads packets is not installed, or kept from this program.
	ErrNoDriver = errors.New("no capture driver")
)

// noInterface is the error for a name that no interface has: it says which there are.
func noInterface(name string, have []string) error {
	slices.Sort(have)
	return fmt.Errorf("interface %q (there are: %s): %w", name, strings.Join(have, ", "), errNoInterface)
}

// Capabilities is the set that everything here and in enrich needs, as setcap(8) wants it.
const Capabilities = "cap_net_raw,cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search"

// Config says what to capture.
type Config struct {
	Interfaces  []string `name:"interface" short:"i" placeholder:"NAME" complete:"interface" unset:"all that are up" help:"Capture on this interface; repeatable. Without it on all that are up, loopback included."`
	SnapLen     int      `name:"snaplen" placeholder:"BYTES" least:"64" most:"262144" unset:"4096, with --pcapng 66560" help:"Bytes kept of each frame (default 4096; with --pcapng 66560)."`
	RingBytes   int      `name:"ring-bytes" placeholder:"BYTES" least:"1048576" most:"1073741824" unset:"16 to 64 MiB, by this machine's memory" help:"Size of the kernel's capture ring: one for all interfaces, or one for each -i (default 16 to 64 MiB, by this machine's memory)."`
	Promiscuous bool     `name:"promiscuous" help:"Also capture frames that are not addressed to this machine."`

	// FilterAny is the capture filter for sockets whose frames may have any link layer: the one
	// that sees all interfaces, and named interfaces that are not Ethernet. Empty = everything.
	FilterAny []bpf.RawInstruction `kong:"-"`
	// FilterFor makes the capture filter for one link type; nil = FilterAny for all.
	FilterFor func(capture.LinkType) ([]bpf.RawInstruction, error) `kong:"-"`
	Bypass    bool                                                 `name:"bypass" negatable:"" default:"true" help:"Let the kernel count the packets of long connections that need no more inspection (default ${default})."`

	// Counter makes filters that count connections; nil = nobody asks for that. It is not closed with the source.
	Counter Counter `kong:"-"`
	// WholePackets says that somebody keeps the packets: each must come, and whole unless SnapLen says otherwise.
	WholePackets bool `kong:"-"`
	// Ends is where the kernel tells of the ends of sockets; nil = nobody does. It is the source's, and closed with it.
	Ends Ends `kong:"-"`
	// Warn is called with one line for people when an interface comes or goes: by Open, and by
	// Run's goroutine. It must not block. nil = silence.
	Warn func(string) `kong:"-"`
}

// Counter is where filters come from that count connections instead of delivering them.
type Counter interface {
	// Filter makes a filter for SO_ATTACH_BPF that stands for the classic one. The descriptor stays the counter's.
	Filter(filter []bpf.RawInstruction, snapLen int) (fd int, err error)
	// Device says of which hardware type (ARPHRD_) an interface is, which the filter may ask for.
	Device(index int, hatype uint16)
	// Counted is how many packets were counted and taken into account so far, Refused for how many connections there was
	// no room.
	Counted() uint64
	Refused() uint64
}

// Ends is a ring beside those of the packets.
type Ends interface {
	// FD is readable after an end that came after Wake.
	FD() int
	Wake()
	// Read appends what was told since the last time. It does not wait.
	Read(dst []capture.End) []capture.End
	// Lost counts those that did not get through since it was asked last.
	Lost() uint64
	Close() error
}

// Stats counts what a Source did so far.
type Stats struct {
	Received uint64 // frames taken from the rings
	Counted  uint64 // packets beside them that the kernel counted for us
	Refused  uint64 // connections that it had no room to count
	Dropped  uint64 // frames that the kernel had no room for: the rings were full
	// Abandoned counts frames, within Received, that the pipeline did not take before Run returned.
	Abandoned uint64
}

// Report says it for people.
func (s Stats) Report() string {
	text := capture.Count(s.Received+s.Counted, "packet") + " captured"
	if s.Counted > 0 {
		text += fmt.Sprintf(", %d of them counted in the kernel", s.Counted)
	}
	if s.Refused > 0 {
		text += ", no room there for " + capture.Count(s.Refused, "connection")
	}
	if s.Dropped > 0 {
		text += fmt.Sprintf(", %d dropped by the kernel", s.Dropped)
	}
	return text
}

// Device is a network interface of this machine.
type Device struct {
	Name     string
	AltNames []string // others that it goes by, ip-link(8) property altname
	Index    int
	Up       bool             // as long as it is, its frames are captured where no interface is named
	Link     capture.LinkType // of its frames as Source gives them
	Kind     string           // what makes it, as ip-link(8) says: veth, bridge, wireguard; else ethernet, loopback, wlan; "" = not known
	MTU      int              // bytes
	// Of Interfaces only:
	MAC   string // "" where it has none
	Addrs []netip.Prefix
}

// Called tells whether a name is its.
func (d Device) Called(name string) bool { return d.Name == name || slices.Contains(d.AltNames, name) }

// DeviceColumns names what Row gives.
var DeviceColumns = []string{"name", "index", "type", "link", "up", "captured", "mtu", "mac", "addresses", "altnames"}

// Row is the interface in a list of them.
func (d Device) Row() []any {
	addrs := make([]string, len(d.Addrs))
	for i, a := range d.Addrs {
		addrs[i] = a.String()
	}
	return []any{d.Name, d.Index, d.Kind, d.linkName(), d.Up, d.Up && available(), d.MTU, d.MAC, addrs, append([]string{}, d.AltNames...)}
}

// linkName is what pcap-filter(7) and others call its frames, in small letters.
func (d Device) linkName() string {
	switch d.Link {
	case capture.LinkEthernet:
		return "ethernet"
	case capture.LinkRaw:
		return "raw"
	case link80211, linkPrism, linkRadiotap:
		return "ieee802_11"
	}
	return ""
}

// Of IEEE 802.11: the frames alone, behind a Prism header, behind a radiotap header.
const (
	link80211    capture.LinkType = 105
	linkPrism    capture.LinkType = 119
	linkRadiotap capture.LinkType = 127
)

// opReturn is classic BPF's BPF_RET | BPF_K.
const opReturn = 0x06

// cutTo makes a filter that keeps so many bytes of a packet of one that says whether it passes: what a filter returns is how many
// to keep. An empty one lets everything pass.
func cutTo(filter []bpf.RawInstruction, snapLen int) []bpf.RawInstruction {
	if len(filter) == 0 {
		return []bpf.RawInstruction{{Op: opReturn, K: uint32(snapLen)}}
	}
	filter = slices.Clone(filter)
	for i := range filter {
		if filter[i].Op == opReturn {
			filter[i].K = min(filter[i].K, uint32(snapLen))
		}
	}
	return filter
}

// life is a source's, which runs once and may be closed at any time.
type life struct {
	mu      sync.Mutex
	running bool
	closed  bool
	closing chan struct{} // closed by shut
	ended   chan struct{} // closed by Run
}

func newLife() *life { return &life{closing: make(chan struct{}), ended: make(chan struct{})} }

func (l *life) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running || l.closed {
		return errors.New("live source: it was run or closed before")
	}
	l.running = true
	return nil
}

func (l *life) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// grace gives what is done when the pipeline had its time to take what there is: some time after stop is, of which stopped hears.
func grace(stop context.Context, stopped func()) (hard context.Context, giveUp func()) {
	hard, cancel := context.WithCancel(context.Background())
	unhook := context.AfterFunc(stop, func() {
		time.AfterFunc(stopGrace, cancel)
		stopped()
	})
	return hard, func() { unhook(); cancel() }
}

// shut begins the end: first tells that nobody did so before, running that Run has to end now.
func (l *life) shut() (first, running bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, l.running
	}
	l.closed = true
	close(l.closing)
	return true, l.running
}

// DefaultRing is how many bytes a ring has where none are named.
func DefaultRing() int { return int(min(max(memory()/64, leastRing), mostRing)) }

func (c Config) withDefaults() (Config, error) {
	if c.SnapLen == 0 {
		if c.SnapLen = DefaultSnapLen; c.WholePackets {
			c.SnapLen = wholeSnapLen
		}
	}
	if c.RingBytes == 0 {
		c.RingBytes = DefaultRing()
	}
	if c.Warn == nil {
		c.Warn = func(string) {}
	}
	if c.SnapLen < minSnapLen || c.SnapLen > maxSnapLen {
		return c, fmt.Errorf("--snaplen: %d is not within %d and %d", c.SnapLen, minSnapLen, maxSnapLen)
	}
	if c.RingBytes < minRing || c.RingBytes > maxRing {
		return c, fmt.Errorf("--ring-bytes: %d is not within %d and %d", c.RingBytes, minRing, maxRing)
	}
	if slices.Contains(c.Interfaces, "any") { // as tcpdump calls it
		c.Interfaces = nil
	}
	return c, nil
}
