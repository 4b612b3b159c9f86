// Package event is the record that rustnet writes: what it holds, and the one declaration of its
// fields that every format, filter, summary and document is derived from.
package event

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Kind says what happened to a connection.
type Kind uint8

// Opened never leaves the enrich stages. It tells of a connection at its first packet, so that the owner is looked for while
// it still lives, and New follows when more is known.
const (
	Opened Kind = iota
	New
	Updated
	Closed
	Open  // there when somebody looked: a snapshot's
	Alert // a connection as it is, and what somebody wanted to be told of it
	Lost
	Stats // totals of the run
	Group // sums over connections that have something in common
	Other // read back, and of no kind known here
	NumKinds
)

var kindNames = [NumKinds]string{"opened", "new", "updated", "closed", "open", "alert", "lost", "stats", "group", ""}

func (k Kind) String() string { return kindNames[k] }

// KindOf is the kind that a record names in its field event.
func KindOf(name string) Kind {
	for k := New; k < Other; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return Other
}

// Direction is who opened the connection, seen from this machine.
type Direction uint8

// Unknown where nothing says which addresses are this machine's.
const (
	DirectionUnknown Direction = iota
	Out
	In
	Local
	Forward
)

var directionNames = [...]string{"", "out", "in", "local", "forward"}

func (d Direction) String() string { return directionNames[d] }

// State is the local end's, in the words of RFC 9293 as ss(8) spells them.
type State uint8

// Active is the state of what has no states, Unconnected that of a UDP socket without a remote end.
const (
	NoState State = iota
	SynSent
	SynRecv
	Established
	FinWait1
	FinWait2
	CloseWait
	LastAck
	Closing
	TimeWait
	StateClosed
	Active
	Listen
	Unconnected
)

var stateNames = [...]string{"", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2",
	"CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT", "CLOSED", "ACTIVE", "LISTEN", "UNCONN"}

func (s State) String() string { return stateNames[s] }

// Reason is why a connection counts as closed.
type Reason uint8

// Fin is the orderly end: FIN from both, or the last message of a protocol that has one (a DNS answer).
const (
	NoReason Reason = iota
	Fin
	Rst
	Refused
	Timeout
	Destroyed
	Evicted
	Exit
)

var reasonNames = [...]string{"", "fin", "rst", "refused", "timeout", "destroyed", "evicted", "exit"}

func (r Reason) String() string { return reasonNames[r] }

// Tunnel is what carried a connection's packets inside others; its numbers are those of package decode.
type Tunnel uint8

var tunnelNames = [...]string{"", "ipip", "gre", "vxlan", "geneve", "gtp", "teredo", "ayiya", "capwap", "etherip", "l2tp", "lisp", "mpls", "tzsp"}

func (t Tunnel) String() string { return tunnelNames[t] }

// Where is where rustnet lost something.
type Where uint8

// What the field lost_where says of them.
const (
	Nowhere Where = iota
	InKernel
	InTable
	InEnds
	InOwners
	InOwnersMemory
	InOwnersExec
	InNAT
	InOutput
	InFile
	InStore
	InPackets
)

var whereNames = [...]string{"", "kernel", "table", "ends", "owners", "owners_memory", "owners_exec", "nat", "output", "file", "store", "packets"}

func (w Where) String() string { return whereNames[w] }

// Counts names what a source cannot count: the fields of those are absent.
type Counts uint8

// A socket table knows no headers; it counts what its own end repeated, and not what came out of order.
const (
	NoBytes Counts = 1 << iota
	NoPackets
	NoRetransmits
	NoOrder
)

// Side is what one end sent.
type Side struct {
	Bytes, Packets          uint64 // so far, bytes at the IP layer
	BytesDelta              uint64 // since this connection's previous event
	Retransmits, OutOfOrder uint32
}

// Event is one record. Events are passed by value in batches; what App, Proc and Peer point at is
// never changed once an event points at it, only replaced.
//
// Its order is that of cache lines: one stage writes an event, and others read it long after. Of a connection that nothing
// is special about they touch the first five of six. TestEventLayout holds it.
type Event struct {
	Kind       Kind
	Direction  Direction
	State      State
	Reason     Reason
	Tunnel     Tunnel
	Partial    bool // the start was not seen
	Without    Counts
	HasPayload bool
	// RemoteServes is set where the remote end is the one that was connected to, so that names
	// which the protocol gives to the server are the remote's.
	RemoteServes bool
	HasICMP      bool
	ICMPType     uint8
	NameSource   HostSource // how RemoteName is known
	Proto        uint16     // decode.Proto: IP protocol number, or 256 and up for link protocols
	VLAN         uint16
	NetNS        uint32 // inode of the network namespace, 0 = not known
	RTTMicros    uint32 // 0 = not known
	TS           int64  // nanoseconds since the epoch
	Seq          uint64 // given by output to what is written
	ID           uint64
	Related      uint64 // the connection that arranged this one, 0 = none is known
	App          *App

	Local, Remote netip.AddrPort // port 0 = none

	Tx, Rx Side // Tx is from local to remote

	Start, Last int64    // first and last packet, nanoseconds since the epoch
	Interval    int64    // nanoseconds that BytesDelta grew over, for the rates
	History     [16]byte // Zeek's letters, zero-padded
	Iface       string
	NAT         *NAT // nil where no end has another address or port

	Proc, Peer *Proc
	RemoteName string // from reverse DNS or from answers seen
	About      *About // nil = nobody asked, or nothing is known
	Verdict    *Verdict
	// Microseconds from the start until TCP was established, and that the responder's first data took; 0 = not known.
	ConnectMicros, ResponseMicros uint32
	Stored                        *Stored // nil for what a source made

	// What most events do not have, and nobody asks for of those.
	Totals              *Totals // of Stats and Group
	LocalMAC, RemoteMAC uint64  // of ARP and of protocols without IP: 48 bits each. Of these Local and Remote are zero
	LostCount           uint64  // of Lost
	// Payload of TCP, each byte once, as the kernel of the local end counted it from the connection's start; where
	// HasPayload is set.
	TxPayload, RxPayload uint64
	Sockets              *[2]SocketRef // of the local and the remote end, where the source is the kernel's socket tables
	TunnelID             uint32
	EchoID               uint16 // of an ICMP echo, which has it in the place of ports; no field: it says nothing but to the kernel
	ICMPCode             uint8
	LostWhere            Where // of Lost
}

// NAT is the ends on the other side of the kernel's NAT, invalid where they are the same. It is not changed once an
// event points at it.
type NAT struct{ Local, Remote netip.AddrPort }

// Totals counts connections, in the words of the fields made of it.
type Totals struct {
	Connections, Open, Failed, Partial uint64
	New, Closed                        uint64 // in the last interval
	Written, Lost                      uint64 // records
}

// Verdict is what was found out about a connection by judging it. It is not changed once an event points at it.
type Verdict struct {
	Patterns []string // what its traffic is like

	// Of Alert
	Rule   string
	Reason string
	Count  uint64 // how often since the rule's alert before, this one included
	Told   uint64 // what the one who judges keeps under this number of having told of it
}

// About is what databases and reverse DNS tell of the remote address. It is not changed once an event points at it.
type About struct {
	Country string // two letters, ISO 3166
	City    string
	ASN     uint32 // autonomous system, 0 = not known
	Org     string // who runs that
	Name    string // of reverse DNS, lower case, without the last dot
}

// SocketRef names a socket of this machine; the zero one is none.
type SocketRef struct {
	Inode, UID uint32
	Cookie     uint64
}

// Fact is what the connection is about, in texts that its protocol gave: see App.Fact.
func (e *Event) Fact(i int) string {
	if e.Stored != nil {
		return e.Stored.fact(i)
	}
	return e.App.Fact(i)
}

// Answer is what a DNS response said of addresses.
type Answer struct {
	Asker, Sender netip.Addr // whom the response went to, and from; Asker may be a multicast group
	Asked         bool       // it answers a question that was seen, about the name that was asked for
	Hosts         []HostAddr
}

// answers are those to use again: responses are many, and what each says is read at once.
var answers = sync.Pool{New: func() any { return &Answer{Hosts: make([]HostAddr, 0, 2)} }}

// NewAnswer makes an empty Answer.
func NewAnswer() *Answer { return answers.Get().(*Answer) }

// Release gives an Answer back that nobody reads any more.
func (a *Answer) Release() {
	clear(a.Hosts)
	*a = Answer{Hosts: a.Hosts[:0]}
	answers.Put(a)
}

// Expected is a connection that another one, whose ID the event has, arranged: FTP's data, the media of a call.
type Expected struct {
	At    netip.AddrPort // one of its ends
	Peer  netip.Addr     // address of the other end; invalid where anybody's will do
	Proto uint16
	App   *App // what it will be
	// Once: the first connection that fits is it; else every one is.
	Once bool
	// Content: what it carries may look like any protocol and is none, so that nothing but App counts.
	Content bool
	// More: it was told of before, and App says more of it.
	More bool
}

// HostAddr is an address of a host.
type HostAddr struct {
	Name string // lower case, without the last dot
	Addr netip.Addr
	TTL  uint32 // seconds
}

// Proc is a process: the thread-group leader.
type Proc struct {
	PID, PPID  uint32
	HasUID     bool
	UID        uint32
	Name       string // full name, not the 15 bytes of comm where the executable is known
	Exe        string
	ExeDeleted bool
	Cmdline    string
	User       string
	Parent     string
	Ancestors  []string // names, the parent's first
	Source     string   // ebpf iter sock_diag procfs listener
	NetNS      uint32   // inode of the socket's network namespace, 0 = not known
	Followed   bool     // of the command whose connections alone are asked for, or of what it started

	Cgroup *Cgroup // nil = not known
	Security
}

// Cgroup is where a process was put: by systemd, by a container runtime. Many processes share it.
type Cgroup struct {
	Path           string
	Container      string // its name where the runtime's files tell, else ContainerID
	ContainerID    string // "" where the name is the identifier
	Runtime        string // docker podman containerd cri-o lxc nspawn …
	Pod            string // namespace/name of Kubernetes where files tell, else PodUID
	PodUID         string
	Unit, UserUnit string // of systemd: the system's, and the user's manager's below it
	Slice          string
}

// Security is what a process may do. The zero value is: not known.
type Security struct {
	Known      bool
	Caps       []string // effective; "all" alone stands for every one
	UserNS     uint32   // inode of the user namespace that Caps hold in; 0 = the first
	Seccomp    string   // disabled strict filter
	NoNewPrivs bool
	Label      string // of SELinux, AppArmor, …; "" = none or not known
}

// noCgroup is read where there is none.
var noCgroup Cgroup

func (p *Proc) cgroup() *Cgroup {
	if p == nil || p.Cgroup == nil {
		return &noCgroup
	}
	return p.Cgroup
}

// Words takes apart what people give as "a,b" or "a b", or as several values.
func Words(values ...string) []string {
	return strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
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
