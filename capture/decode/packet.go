// Package decode turns frames into packets: addresses, ports, flags and payload of the innermost
// connection that a frame belongs to. It knows no operating system, file, clock or network.
package decode

import (
	"encoding/binary"
	"net/netip"

	"rustnet/capture"
)

// Addr is an IP address as two big-endian halves, IPv4 as ::ffff:a.b.c.d, so that comparing
// and hashing cost two words. For ARP it is the protocol address; for other link protocols the
// MAC address in the low 48 bits.
type Addr struct{ Hi, Lo uint64 }

const v4Prefix = 0xffff << 32

// AddrFrom4 makes an Addr of an IPv4 address in host order.
func AddrFrom4(a uint32) Addr { return Addr{0, v4Prefix | uint64(a)} }

// Netip converts; v is the packet's IPVersion, which tells 10.0.0.1 from ::ffff:10.0.0.1.
func (a Addr) Netip(v uint8) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	if v == 4 {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}

// addrFrom converts.
func addrFrom(a netip.Addr) Addr { b := a.As16(); return addr6(b[:]) }

// addr4 and addr6 read an address in network order; mac one of the link's.
func addr4(b []byte) Addr { return AddrFrom4(binary.BigEndian.Uint32(b)) }
func addr6(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}
func mac(b []byte) Addr {
	return Addr{0, uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))}
}

// Proto is an IP protocol number (IANA), or one of the link protocols from 256 on.
type Proto uint16

// Protocols the pipeline knows by name.
const (
	ICMP  Proto = 1
	IGMP  Proto = 2
	TCP   Proto = 6
	UDP   Proto = 17
	GRE   Proto = 47
	ESP   Proto = 50
	AH    Proto = 51
	ICMP6 Proto = 58
	SCTP  Proto = 132

	ARP   Proto = 256
	LLDP  Proto = 257
	CDP   Proto = 258
	STP   Proto = 259
	EAPOL Proto = 260
	LACP  Proto = 261
	PTP   Proto = 262 // over Ethernet
)

// TCP flags as they stand in the header (RFC 9293 §3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Tunnel is what carried a packet's IP header, when another IP packet did.
type Tunnel uint8

// The innermost tunnel is the one that is said.
const (
	NoTunnel Tunnel = iota
	TunnelIPIP
	TunnelGRE
	TunnelVXLAN
	TunnelGeneve
	TunnelGTP
	TunnelTeredo
	TunnelAYIYA
	TunnelCAPWAP
	TunnelEtherIP
	TunnelL2TP
	TunnelLISP
	TunnelMPLS // in UDP
	TunnelTZSP
)

// Packet is the decoder's result: a value, no pointers into it but the batch's bytes.
type Packet struct {
	TS    int64
	Clock int64  // greatest TS of the run so far: the time that timers go by
	Frame uint64 // number of the frame within the run, from 1

	Src, Dst Addr
	SrcPort  uint16 // 0 where the protocol has none. ICMP echo: the identifier in both
	DstPort  uint16
	Proto    Proto
	VLAN     uint16 // outermost VLAN identifier, 0 = none

	Seq, Ack uint32 // TCP. Seq also ICMP echo: its number; SCTP: the verification tag
	Window   uint16 // TCP, unscaled; not 0 where the capture cut it
	TCPFlags uint8
	ICMPType uint8
	ICMPCode uint8

	IPVersion uint8 // 4, 6, or 0 for link protocols; 4 for ARP, whose addresses are IPv4's
	Tunnel    Tunnel
	// Lane, below Lanes, spreads connections: it is of addresses, ports and protocol, equal for both directions, equal in every run.
	Lane     uint8
	TunnelID uint32 // VNI (VXLAN, Geneve), key (GRE), TEID (GTP), tunnel and session (L2TP)
	Dir      capture.Dir
	Fragment bool // a fragment: counted, but Payload is only there with the one that completes the datagram
	BadSum   bool // the header says a checksum that is wrong and was not left to hardware (never set for DirOut)
	Marked   bool // capture.Frame's

	Frames uint32 // frames this packet stands for: 1, or more when it completes fragments
	// IPLen counts bytes from the IP header on (all headers included, no padding), of all Frames.
	// For link protocols it is the length behind the link header.
	IPLen uint32
	// PayloadLen is the transport payload's length on the wire; Payload may be shorter when the
	// capture cut it.
	PayloadLen uint32
	// Payload aliases the frame batch or the batch's own storage; valid as long as the batch.
	Payload []byte

	Iface *capture.Interface
}

// TunnelKey is the part of TunnelID that both directions of a connection share, and so the one to
// look a connection up by. A GTP TEID is chosen by each receiver for itself (3GPP TS 29.281 §5.1), as L2TP's numbers are.
func (p *Packet) TunnelKey() uint32 {
	if p.Tunnel == TunnelGTP || p.Tunnel == TunnelL2TP {
		return 0
	}
	return p.TunnelID
}

// Skip says why a frame gave no packet.
type Skip uint8

// Each is counted; read = decoded + Σ skipped.
const (
	SkipNone       Skip = iota
	SkipTruncated       // the capture cut it before the ports, or the packet is shorter than its headers say
	SkipMalformed       // a header contradicts itself
	SkipLinkType        // a link type that nothing here decodes
	SkipNotIP           // a link payload that is neither IP nor a link protocol we track
	SkipFragment        // a fragment whose first fragment never came, or came too late
	SkipDuplicate       // the same frame seen on a second interface, or a second time on loopback
	SkipAfterClose      // belongs to a connection that had ended
	SkipPanicked        // a decoder panicked on it, gopacket's or ours
	NumSkips

	// Held is Decode's answer for a fragment that waits for others. It is not counted as skipped: its
	// frame comes out later, in some packet's Frames or as SkipFragment.
	Held = NumSkips
)

var skipNames = [NumSkips + 1]string{"", "truncated", "malformed", "link_type", "not_ip", "fragment",
	"duplicate", "after_close", "decoder_panic", "held"}

func (s Skip) String() string { return skipNames[s] }

// End is that of a socket of this machine. At is a packet that it could have sent, with addresses, ports, protocol
// and hash, and nothing else; DstPort is 0 where the socket was not connected.
type End struct {
	capture.End
	At Packet
}

// Packets is a batch of decoded packets together with the frames they alias.
type Packets struct {
	Packets []Packet
	Ends    []End // each goes before the first packet with a TS above its Due
	Clock   int64 // packet time reached at the end of the batch
	Lost    uint64
	// EndsLost counts the ends that did not get through.
	EndsLost uint64
	Frames   *capture.Frames // nil when nothing is aliased
	First    uint64          // number of the first of Frames within the run

	// Labels say which connection each of Packets belongs to, for those who keep frames; empty = nobody asks.
	Labels []Label
	// Fragments say, in the order in which it happened, what became of frames that are no packet of their own.
	Fragments []Fragment

	Buf     []byte // the batch's own storage: reassembled datagrams
	release func(*Packets)
}

// Label is what a packet belongs to.
type Label struct {
	ID   uint64 // the connection's, as its events have it; 0 = the packet was counted already where it passed another interface
	Late bool   // the connection had ended
}

// Fragment is a step in the life of a datagram that came in pieces. With Held, the frame waits for the others of its
// Datagram; without, what waits goes with the frame, whatever becomes of that, or goes nowhere when Frame is 0.
type Fragment struct {
	Frame    uint64 // number within the run
	Datagram uint64
	Held     bool
}

// room gives n bytes of the batch's storage. Slices given before stay where they are: a full Buf is
// left to those who hold parts of it and a new one is begun.
func (p *Packets) room(n int) []byte {
	if cap(p.Buf)-len(p.Buf) < n {
		p.Buf = make([]byte, 0, max(n, bufSize))
	}
	at := len(p.Buf)
	p.Buf = p.Buf[:at+n]
	return p.Buf[at : at+n : at+n]
}

// NewPackets makes a batch that goes to release when it is done with.
func NewPackets(release func(*Packets)) *Packets { return &Packets{release: release} }

// Release gives back the batch and the frames it aliases.
func (p *Packets) Release() {
	if p.Frames != nil {
		p.Frames.Release()
		p.Frames = nil
	}
	p.release(p)
}
