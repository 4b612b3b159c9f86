package bpf

// BypassFlows is how many connections BypassTable has places for, in groups of BypassWays.
const (
	BypassFlows = 4096
	BypassWays  = 8
)

// Phases of a BypassFlow.
const (
	Learning = iota
	Trying
	Counting
)

// What a BypassSide has Seen.
const (
	SeenData = 1 << iota
	SeenAck  // without data
	SeenShut // a window of 0
)

// BypassHeaders is how much is kept of a packet of which only the headers matter; one that is cut shorter
// than that, and than the snap length, is marked.
const BypassHeaders = 128

// BypassSide is struct bypass_side of bypass.bpf.c: one end of a connection, by what it sends.
type BypassSide struct {
	Packets, Bytes      uint64
	LastNS, TimedNS     uint64 // CLOCK_MONOTONIC
	Next, Acked         uint32
	TimedSeq, RTTMicros uint32
	Ifindex             uint32
	Base                uint32
	Timing, Known, Seen uint8
	_                   [5]byte
}

// BypassFlow is struct bypass_flow. What is not an atomic's is for who holds Busy, or for who has seen that Stopped is set
// and Busy is not.
type BypassFlow struct {
	Busy, Stopped    uint32
	Phase, Confirmed uint32
	BegunNS, Twice   uint64
	Addr             [2][2]uint64 // as they stand in the packet
	Port             [2]uint16    // so too
	Proto, Version   uint8
	Over             uint8
	_                [9]byte
	Side             [2]BypassSide
}

// BypassTable is struct bypass_table. It is the kernel's memory as well.
type BypassTable struct {
	Used  uint32 // places where a tag is
	_     uint32
	Tags  [BypassFlows]uint32
	Flows [BypassFlows]BypassFlow
}
