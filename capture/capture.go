// Package capture holds what every source of packets hands to the pipeline: batches of frames.
//
// The sources live in the folders below it, one for each kind: file, live, sockets.
package capture

import (
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// LinkType says how the first bytes of a frame are laid out: a LINKTYPE_ value of
// https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that the decoder reads by itself; others go through gopacket's layers.
const (
	LinkNull     LinkType = 0
	LinkEthernet LinkType = 1
	LinkPPP      LinkType = 9
	LinkRaw      LinkType = 101
	LinkLoop     LinkType = 108
	LinkSLL      LinkType = 113
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276
)

// Dir says which way a frame went past the interface it was seen on.
type Dir uint8

// A file does not always say: pcap never, pcapng and SLL sometimes.
const (
	DirUnknown Dir = iota
	DirIn
	DirOut
)

// Interface is where a frame was seen. It is never changed once a frame points at it.
type Interface struct {
	Name  string // "" when a file does not say
	Index int    // the kernel's, or the number within the file
	Link  LinkType
	// Alone: its capture has no other interface, so nothing that passed here passes a second time elsewhere.
	Alone bool
}

// Frame is one packet as it was on the wire.
type Frame struct {
	// Data aliases the batch. It is valid until Frames.Release; copy what must live longer.
	Data  []byte
	TS    int64  // nanoseconds since the epoch, of the clock that stamped it
	Len   uint32 // length on the wire; greater than len(Data) when the snap length cut it
	VLAN  uint16 // 802.1Q TCI that the interface took off the frame; only where VLANs is set
	Link  LinkType
	Dir   Dir
	VLANs bool // VLAN holds a tag
	NoSum bool // the sender left the checksum to hardware: what stands there is not one
	// Marked is how the kernel says that this is a packet at which its counting of the connection depends.
	Marked bool
	Iface  *Interface
}

// CommentMark is what a comment begins with in which rustnet wrote down who has the ends of a packet: a JSON object
// behind the program's name. Others of its comments say less.
const CommentMark = `rustnet {"v":`

// CommentApp is what a file says in which such comments are: the application that wrote it.
const CommentApp = "rustnet"

// Comment stands beside a frame. Text aliases the batch, as the frame's data does.
type Comment struct {
	Frame int // index into Frames.Frames
	Text  []byte
}

// How a socket ended, as its kernel says.
type How uint8

// What follows of the wire after HowRst is the reset that the end itself sent.
const (
	HowFin     How = iota + 1
	HowRst         // by either end
	HowRefused     // nobody listens there
	HowTimeout     // nobody answered any more, or was to be reached
	HowGone        // its last holder let go of it, and no packet was to tell
	HowLingers     // so too, but the kernel still waits for the other end's FIN, for a minute by default (tcp(7))
)

// End is the end of a socket of this machine.
type End struct {
	TS  int64 // nanoseconds since the epoch
	Due int64 // what was captured before this goes before it
	// Remote has port 0 where the socket was not connected, and Local may be any address then. V4Too: it is
	// any of IPv4 as well.
	Local, Remote netip.AddrPort
	Proto         uint8
	How           How
	TimeWait      bool // the kernel keeps its ports for a while (TCP)
	Foreign       bool // in another network namespace
	V4Too         bool
	Alone         bool // no other socket has this port, or what was connected over it
	TCP           TCPInfo
}

// TCPInfo is what the kernel counted of a TCP connection since it was opened.
type TCPInfo struct {
	Sent, Received uint64 // payload, each byte once
	Retransmits    uint32 // segments that this end sent again
	RTTMicros      uint32 // smallest, 0 = none was measured
}

// Frames is a batch: what a source had when it had to hand over.
type Frames struct {
	Frames []Frame
	// Now is the packet time up to which the source has delivered everything. A live source sends
	// batches without frames while nothing arrives, so that time goes on; 0 means the last frame's time.
	Now int64
	// Lost counts packets that the kernel dropped since the batch before, for want of room.
	Lost uint64
	// Ends are those of sockets, as Due orders them. What was captured before one's Due and is not in this
	// batch is in those before it.
	Ends []End
	// EndsLost counts ends that did not get through since the batch before.
	EndsLost uint64
	// Comments are what rustnet itself once wrote into the file beside some of Frames, in their order.
	Comments []Comment
	// Buf is storage that belongs to the batch and is reused with it, for sources that need some.
	Buf []byte

	release func(*Frames)
	out     atomic.Bool
}

// NewFrames makes a batch that goes to release when its last reader is done with it.
func NewFrames(release func(*Frames)) *Frames { return &Frames{release: release} }

// Lend marks the batch as handed out. The source calls it right before it sends the batch.
func (f *Frames) Lend() { f.out.Store(true) }

// Release gives the batch back to its source. Every slice of it is invalid from then on.
// Releasing twice is a programming error that panics, because the bytes would be somebody else's.
func (f *Frames) Release() {
	if !f.out.CompareAndSwap(true, false) {
		panic("capture: batch released twice")
	}
	f.release(f)
}

// Flow is a connection whose packets the kernel may count instead of handing them over: what it must know to
// see when one is not as expected. Side 0 opened it.
type Flow struct {
	Ends  [2]netip.AddrPort
	Proto uint8    // TCP or UDP
	Iface [2]int32 // where each side's packets are counted
	// Of TCP: behind the last byte of each side.
	Next [2]uint32
	// What each side has sent before, so that more of it is nothing new: data, acknowledgements without, a window of 0.
	Data, Acks, Shut [2]bool
}

// Counted is what the kernel counted of a Flow, each packet once: packets and bytes since it was asked last, the
// rest as it is now.
type Counted struct {
	Packets, Bytes [2]uint64 // bytes from the IP header on
	Twice          uint64    // packets that were seen on another interface before; not in Packets
	Last           [2]int64  // packet time of each side's last, where Packets is not 0
	Now            int64     // packet time at which this was so
	// Of TCP:
	Next      [2]uint32
	Acked     [2]uint32 // of each side's bytes, by the other
	RTTMicros [2]uint32 // smallest from a side's segment to its acknowledgement, 0 = none
	Timing    [2]bool   // a segment is not acknowledged yet:
	TimedSeq  [2]uint32 // behind it
	TimedTS   [2]int64
}

// Count says a number of things for people: "1 packet", "2 packets", "0 addresses".
func Count(n uint64, one string) string {
	text := strconv.FormatUint(n, 10) + " " + one
	switch {
	case n == 1:
		return text
	case strings.HasSuffix(one, "s"):
		return text + "es"
	}
	return text + "s"
}
