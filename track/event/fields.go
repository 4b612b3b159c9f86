package event

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Groups of the record, in the order they are written.
const (
	groupEvent   = "event"
	groupEnds    = "ends"
	groupState   = "state"
	groupCounts  = "counts"
	groupQuality = "quality"
	groupApp     = "application"
	groupProcess = "process"
	groupRemote  = "remote"
	groupLost    = "lost"
	groupSummary = "summary"
	groupAlert   = "alert"
)

// conn is true for records about a connection, as opposed to lost.
func (e *Event) conn() bool { return e.Kind < Lost }

// Forms of fields here.
var (
	endAddress = addresses("an address (host is the name)", "192.0.2.7")
	protoForm  = OneOf(namedProtos()...).OrNumber("", 255, func(n uint64) string {
		if name := ProtoName(uint16(n)); n <= 255 && name != strconv.FormatUint(n, 10) {
			return name
		}
		return ""
	})
	program = FromRoot.Saying("the whole path (process is the name)")
	pod     = Shaped("namespace/name, or the whole identifier", "default/web-0", `.+/.+|`+podUID)
	unit    = Shaped("the unit's full name", "nginx.service", `.+\.(service|scope|socket|mount|swap)`).Meaning(func(text string) string { return text + ".service" })
	// otherApps and otherServices are names that are usual for what app and service call otherwise.
	otherApps = map[string]string{"ssl": "tls", "https": "tls", "postgres": "postgresql", "pgsql": "postgresql", "mssql": "tds", "ike": "isakmp", "kerberos5": "kerberos",
		"krb5": "kerberos", "cifs": "smb", "samba": "smb", "ms-rdp": "rdp", "memcache": "memcached", "mongo": "mongodb"}
	otherServices = map[string]string{"dns": "domain", "rdp": "ms-wbt-server", "smb": "microsoft-ds", "postgres": "postgresql", "mssql": "ms-sql-s",
		"dhcp": "bootps", "portmap": "sunrpc"}
)

// podUID is the shape of what Kubernetes and Podman number pods by; a static pod's is a digest of its file.
const podUID = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{64}`

// core declares every field that does not belong to a parser. Fields are only ever added, at the
// end of their group.
var core = []Field{
	{Name: "v", Group: groupEvent, Type: Uint, Width: 1, Doc: "Schema version.",
		Uint: func(*Event) (uint64, bool) { return Version, true }},
	{Name: "event", Group: groupEvent, Type: String, Width: 7, Doc: "Kind of record: new, updated, closed; open (of a snapshot: it existed then); alert (a rule or detector found it); lost (rustnet itself lost something); stats (totals of the run); group (sums over a group).",
		form:  OneOf(kindNames[New:Other]...),
		Words: kindNames[:], Word: func(e *Event) int { return int(e.Kind) }},
	{Name: "ts", Group: groupEvent, Type: Time, Doc: "When it happened, by the clock that stamped the packet.",
		Time: func(e *Event) int64 { return e.TS }},
	{Name: "seq", Group: groupEvent, Type: Uint, Width: 8, Doc: "Number of the record in this run, from 1, without gaps.",
		Uint: func(e *Event) (uint64, bool) { return e.Seq, e.Seq != 0 }},
	{Name: "id", Group: groupEvent, Type: ID, Width: 16, Doc: "The connection. The same file gives the same identifiers.",
		Uint: func(e *Event) (uint64, bool) { return e.ID, e.conn() }},
	{Name: "related_id", Group: groupEvent, Type: ID, Width: 16, Doc: "The connection that arranged this one: FTP control for data, the call for its media, the request for a TFTP transfer.",
		Uint: func(e *Event) (uint64, bool) { return e.Related, e.Related != 0 }},

	{Name: "proto", Group: groupEnds, Type: String, Width: 5, Doc: "Transport: tcp, udp, icmp, icmp6, sctp, arp, …, or the IP protocol number.",
		form: protoForm,
		Str: func(e *Event) string {
			if !e.conn() {
				return ""
			}
			return ProtoName(e.Proto)
		},
		Words: protoNames[:], Word: func(e *Event) int {
			if !e.conn() || int(e.Proto) >= len(protoNames) {
				return -1
			}
			return int(e.Proto)
		}},
	{Name: "local_addr", Group: groupEnds, Type: Addr, Doc: "Address of this machine's end; where both or neither end is this machine's, of the end that opened the connection.",
		Addr: func(e *Event) netip.Addr { return e.Local.Addr() }},
	{Name: "local_port", Group: groupEnds, Type: Uint, Width: 5, Doc: "Port of the local end.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.Local.Port()), e.Local.Port() != 0 }},
	{Name: "remote_addr", Group: groupEnds, Type: Addr, Doc: "Address of the other end.",
		Addr: func(e *Event) netip.Addr { return e.Remote.Addr() }},
	{Name: "remote_port", Group: groupEnds, Type: Uint, Width: 5, Doc: "Port of the remote end.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.Remote.Port()), e.Remote.Port() != 0 }},
	{Name: "direction", Group: groupEnds, Type: String, Width: 7, Doc: "Who opened it: out (this machine), in (the remote), local (both ends are here), forward (neither is).",
		form:  OneOf(directionNames[:]...).Elsewhere(map[string]string{"outbound": "out", "outgoing": "out", "egress": "out", "inbound": "in", "incoming": "in", "ingress": "in"}),
		Words: directionNames[:], Word: func(e *Event) int { return int(e.Direction) }},
	{Name: "iface", Group: groupEnds, Type: String, Width: 8, Doc: "Interface it was first seen on.",
		Str: func(e *Event) string { return e.Iface }},
	{Name: "vlan", Group: groupEnds, Type: Uint, Width: 4, Doc: "Outermost VLAN identifier.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.VLAN), e.VLAN != 0 }},
	{Name: "netns", Group: groupEnds, Type: Uint, Width: 10, Doc: "Network namespace (inode) it was seen in.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.NetNS), e.NetNS != 0 }},
	{Name: "tunnel", Group: groupEnds, Type: String, Width: 6, Doc: "What carried it inside another IP packet: ipip, gre, vxlan, geneve, gtp, teredo, ayiya, capwap, etherip, l2tp, lisp, mpls, tzsp.",
		form:  OneOf(tunnelNames[:]...),
		Words: tunnelNames[:], Word: func(e *Event) int { return int(e.Tunnel) }},
	{Name: "tunnel_id", Group: groupEnds, Type: Uint, Width: 8, Doc: "The tunnel's network identifier or key.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.TunnelID), e.Tunnel != 0 && e.TunnelID != 0 }},
	{Name: "icmp_type", Group: groupEnds, Type: Uint, Width: 4, Doc: "ICMP or ICMPv6 type of the first message.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.ICMPType), e.HasICMP }},
	{Name: "icmp_code", Group: groupEnds, Type: Uint, Width: 4, Doc: "ICMP or ICMPv6 code of the first message.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.ICMPCode), e.HasICMP }},

	{Name: "local_mac", Group: groupEnds, Type: String, Width: 17, Doc: "Link address of the local end, of ARP, neighbour discovery (ICMPv6) and protocols without IP.",
		form: MAC,
		Str:  func(e *Event) string { return macString(e.LocalMAC) }},
	{Name: "remote_mac", Group: groupEnds, Type: String, Width: 17, Doc: "Link address of the remote end, of ARP, neighbour discovery (ICMPv6) and protocols without IP.",
		form: MAC,
		Str:  func(e *Event) string { return macString(e.RemoteMAC) }},
	{Name: "nat_local_addr", Group: groupEnds, Type: Addr, Doc: "Address of the local end on the other side of this machine's NAT, where it differs.",
		Addr: func(e *Event) netip.Addr { return e.nat().Local.Addr() }},
	{Name: "nat_local_port", Group: groupEnds, Type: Uint, Width: 5, Doc: "Port of the local end there.",
		Uint: func(e *Event) (uint64, bool) { p := e.nat().Local.Port(); return uint64(p), p != 0 }},
	{Name: "nat_remote_addr", Group: groupEnds, Type: Addr, Doc: "Address of the remote end on the other side of this machine's NAT, where it differs.",
		Addr: func(e *Event) netip.Addr { return e.nat().Remote.Addr() }},
	{Name: "nat_remote_port", Group: groupEnds, Type: Uint, Width: 5, Doc: "Port of the remote end there.",
		Uint: func(e *Event) (uint64, bool) { p := e.nat().Remote.Port(); return uint64(p), p != 0 }},

	{Name: "state", Group: groupState, Type: String, Width: 11, Doc: "TCP state of the local end, as netstat(8) spells it; ACTIVE for protocols without states, LISTEN and UNCONN for sockets without a remote end.",
		form:  OneOf(stateNames[:]...),
		Words: stateNames[:], Word: func(e *Event) int { return int(e.State) }},
	{Name: "history", Group: groupState, Type: String, Width: 10, Doc: "Zeek's letters: S SYN, H SYN-ACK, A ACK, D data, F FIN, R RST, T retransmission, W zero window, C bad checksum, G gap, ^ ends swapped; upper case from the end that opened.",
		Append: appendHistory, Str: func(e *Event) string { return e.HistoryString() }},
	{Name: "reason", Group: groupState, Type: String, Width: 9, Doc: "Why it closed: fin (orderly), rst, refused, timeout, destroyed (socket closed, no packet shows it), evicted (table full), exit (rustnet ended).",
		form:  OneOf(reasonNames[:]...).Elsewhere(map[string]string{"reset": "rst", "timed out": "timeout", "killed": "destroyed"}),
		Words: reasonNames[:], Word: func(e *Event) int { return int(e.Reason) }},
	{Name: "partial", Group: groupState, Type: Bool, Width: 7, Doc: "True when the start was not seen.",
		Bool: func(e *Event) (bool, bool) { return e.Partial, e.Partial }},
	{Name: "start", Group: groupState, Type: Time, Sum: Least, Doc: "First packet.",
		Time: func(e *Event) int64 { return e.Start }},
	{Name: "duration", Group: groupState, Type: Float, Unit: "s", Width: 9, Doc: "From the first packet to the last.",
		Float: func(e *Event) (float64, bool) {
			return float64((e.Last-e.Start)/1000) / 1e6, (e.conn() || e.Kind == Stats) && e.Start != 0
		}},

	{Name: "tx_bytes", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "Sent by the local end so far, at the IP layer, headers included.",
		Uint: func(e *Event) (uint64, bool) { return e.Tx.Bytes, e.counts(NoBytes) }},
	{Name: "rx_bytes", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "Sent by the remote end so far.",
		Uint: func(e *Event) (uint64, bool) { return e.Rx.Bytes, e.counts(NoBytes) }},
	{Name: "tx_packets", Group: groupCounts, Type: Uint, Sum: Add, Width: 7, Doc: "Packets sent by the local end so far.",
		Uint: func(e *Event) (uint64, bool) { return e.Tx.Packets, e.counts(NoPackets) }},
	{Name: "rx_packets", Group: groupCounts, Type: Uint, Sum: Add, Width: 7, Doc: "Packets sent by the remote end so far.",
		Uint: func(e *Event) (uint64, bool) { return e.Rx.Packets, e.counts(NoPackets) }},
	{Name: "tx_bytes_delta", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "Sent since this connection's previous event.",
		Uint: func(e *Event) (uint64, bool) { return e.Tx.BytesDelta, e.counts(NoBytes) }},
	{Name: "rx_bytes_delta", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "Received since this connection's previous event.",
		Uint: func(e *Event) (uint64, bool) { return e.Rx.BytesDelta, e.counts(NoBytes) }},
	{Name: "tx_rate", Group: groupCounts, Type: Float, Sum: Add, Unit: "bytes/s", Width: 9, Doc: "Sent per second since the previous event.",
		Float: func(e *Event) (float64, bool) { return e.rate(&e.Tx) }},
	{Name: "rx_rate", Group: groupCounts, Type: Float, Sum: Add, Unit: "bytes/s", Width: 9, Doc: "Received per second since the previous event.",
		Float: func(e *Event) (float64, bool) { return e.rate(&e.Rx) }},
	{Name: "tx_payload", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "On closed: TCP payload that the local end sent, without repetitions: as its kernel counted, even if packets were not captured; else by sequence numbers, where the start and the end of both directions were seen. From the socket tables, as in a snapshot: what it sent so far.",
		Uint: func(e *Event) (uint64, bool) { return e.TxPayload, e.HasPayload }},
	{Name: "rx_payload", Group: groupCounts, Type: Uint, Sum: Add, Unit: "bytes", Width: 9, Doc: "On closed: TCP payload that the local end received; from the socket tables: so far.",
		Uint: func(e *Event) (uint64, bool) { return e.RxPayload, e.HasPayload }},

	{Name: "rtt_ms", Group: groupQuality, Type: Float, Sum: Least, Unit: "ms", Width: 8, Doc: "Smallest round trip seen: TCP handshake or acknowledged data, DNS answer, ICMP echo.",
		Float: func(e *Event) (float64, bool) { return float64(e.RTTMicros) / 1e3, e.RTTMicros != 0 }},
	{Name: "tx_retransmits", Group: groupQuality, Type: Uint, Sum: Add, Width: 5, Doc: "TCP segments the local end sent again; of those that offloading joins (TSO), as many packets as were captured, on closed as many as its kernel counted.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.Tx.Retransmits), e.isTCP() && e.counts(NoRetransmits) }},
	{Name: "rx_retransmits", Group: groupQuality, Type: Uint, Sum: Add, Width: 5, Doc: "TCP segments the remote end sent again.",
		Uint: func(e *Event) (uint64, bool) { return uint64(e.Rx.Retransmits), e.isTCP() && e.counts(NoOrder) }},
	{Name: "out_of_order", Group: groupQuality, Type: Uint, Sum: Add, Width: 5, Doc: "TCP segments of both ends that arrived out of order.",
		Uint: func(e *Event) (uint64, bool) {
			return uint64(e.Tx.OutOfOrder) + uint64(e.Rx.OutOfOrder), e.isTCP() && e.counts(NoOrder)
		}},
	{Name: "community_id", Group: groupQuality, Type: String, Width: 30, Doc: "Community ID version 1 of the connection.",
		form:   Shaped("version 1 of it", "1:LQU9qZlK+B5F3KDmev6m5PMibrg=", `1:[A-Za-z0-9+/]{27}=`).Meaning(func(text string) string { return "1:" + text }),
		Append: appendCommunityID, Str: func(e *Event) string { return e.communityID() }},
	{Name: "connect_ms", Group: groupQuality, Type: Float, Sum: Most, Unit: "ms", Width: 8, Doc: "TCP: time from the first SYN until both ends had agreed, repeated attempts included. Over several connections: the longest.",
		Float: func(e *Event) (float64, bool) { return float64(e.ConnectMicros) / 1e3, e.ConnectMicros != 0 }},
	{Name: "response_ms", Group: groupQuality, Type: Float, Sum: Most, Unit: "ms", Width: 8, Doc: "TCP and UDP: time that the first data of the end that was connected to took: since the last data that the other end had sent by then, or since the handshake where it speaks first. Over several connections: the longest.",
		Float: func(e *Event) (float64, bool) { return float64(e.ResponseMicros) / 1e3, e.ResponseMicros != 0 }},

	{Name: "app", Group: groupApp, Type: String, Width: 10, Doc: "Protocol, recognised by content, never by port.",
		form: Small.Elsewhere(otherApps),
		Str: func(e *Event) string {
			if e.App == nil {
				return ""
			}
			return e.App.Name
		}},
	{Name: "service", Group: groupApp, Type: String, Width: 10, Doc: "IANA's name for the port that was connected to.",
		form: Form{words: serviceNames}.Elsewhere(otherServices),
		Str:  func(e *Event) string { return e.service() }},
	{Name: "host", Group: groupApp, Type: String, Width: 28, Doc: "Best name of the remote end, in lower case, without the final dot.",
		form: Host,
		Str:  func(e *Event) string { return e.Host() }},
	{Name: "host_source", Group: groupApp, Type: String, Width: 6, Doc: "How host is known: sni, http, dns (a DNS response gave the address for it), ptr.",
		form:  OneOf(hostSourceNames[:]...),
		Words: hostSourceNames[:], Word: func(e *Event) int { _, s := e.HostAndSource(); return int(s) }},

	{Name: "pid", Group: groupProcess, Type: Uint, Width: 7, Doc: "Process that owns the local end (thread-group leader).",
		Uint: func(e *Event) (uint64, bool) { return e.Proc.pid() }},
	{Name: "process", Group: groupProcess, Type: String, Width: 15, Doc: "Full name of that process.",
		Str: func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Name }) }},
	{Name: "exe", Group: groupProcess, Type: String, Width: 24, Doc: "Executable of the process.",
		form: program,
		Str:  func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Exe }) }},
	{Name: "cmdline", Group: groupProcess, Type: String, Width: 32, Doc: "Command line of the process, joined with spaces.",
		Str: func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Cmdline }) }},
	{Name: "uid", Group: groupProcess, Type: Uint, Width: 6, Doc: "User that owns the socket.",
		Uint: func(e *Event) (uint64, bool) {
			if e.Proc == nil {
				return 0, false
			}
			return uint64(e.Proc.UID), e.Proc.HasUID
		}},
	{Name: "user", Group: groupProcess, Type: String, Width: 10, Doc: "Name of that user.",
		Str: func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.User }) }},
	{Name: "ppid", Group: groupProcess, Type: Uint, Width: 7, Doc: "Parent of the process.",
		Uint: func(e *Event) (uint64, bool) {
			if e.Proc == nil {
				return 0, false
			}
			return uint64(e.Proc.PPID), e.Proc.PPID != 0
		}},
	{Name: "parent", Group: groupProcess, Type: String, Width: 15, Doc: "Name of the parent.",
		Str: func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Parent }) }},
	{Name: "process_source", Group: groupProcess, Type: String, Width: 9, Doc: "How the process is known: ebpf, fentry, kprobe, iter, sock_diag, procfs, listener; on Windows iphlpapi, on macOS and the BSDs pcblist.",
		form: OneOf("ebpf", "fentry", "kprobe", "iter", "sock_diag", "procfs", "listener", "iphlpapi"),
		Str:  func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Source }) }},
	{Name: "peer_pid", Group: groupProcess, Type: Uint, Width: 7, Doc: "Process at the other end, when that is on this machine too.",
		Uint: func(e *Event) (uint64, bool) { return e.Peer.pid() }},
	{Name: "peer_process", Group: groupProcess, Type: String, Width: 15, Doc: "Name of the process at the other end.",
		Str: func(e *Event) string { return e.Peer.str(func(p *Proc) string { return p.Name }) }},
	{Name: "peer_exe", Group: groupProcess, Type: String, Width: 24, Doc: "Executable of the process at the other end.",
		form: program,
		Str:  func(e *Event) string { return e.Peer.str(func(p *Proc) string { return p.Exe }) }},
	{Name: "exe_deleted", Group: groupProcess, Type: Bool, Width: 5, Doc: "True when the executable's file was gone, or never existed (memfd), when the process was first seen.",
		Bool: func(e *Event) (bool, bool) { deleted := e.Proc != nil && e.Proc.ExeDeleted; return deleted, deleted }},
	{Name: "ancestors", Group: groupProcess, Type: List, Width: 24, Doc: "Names of the ancestors of the process, the parent first.",
		List: func(e *Event) []string {
			if e.Proc == nil {
				return nil
			}
			return e.Proc.Ancestors
		}},
	{Name: "process_netns", Group: groupProcess, Type: Uint, Width: 10, Doc: "Network namespace (inode) of the process's socket: a container's own, even where its packets were seen outside.",
		Uint: func(e *Event) (uint64, bool) {
			if e.Proc == nil {
				return 0, false
			}
			return uint64(e.Proc.NetNS), e.Proc.NetNS != 0
		}},
	{Name: "cgroup", Group: groupProcess, Type: String, Width: 32, Doc: "Path of the process's cgroup, in the hierarchy where it is longest.",
		form: Shaped("a path from the root of the hierarchy on", "/system.slice/nginx.service", `/.*`),
		Str:  func(e *Event) string { return e.Proc.cgroup().Path }},
	{Name: "container", Group: groupProcess, Type: String, Width: 16, Doc: "Name of the container that the process runs in, where the runtime's files tell it; else the identifier.",
		Str: func(e *Event) string { return e.Proc.cgroup().Container }},
	{Name: "container_id", Group: groupProcess, Type: String, Width: 12, Doc: "Full identifier of the container; absent where containers have names only (LXC, nspawn).",
		form: Shaped("the whole identifier; startsWith takes the first of it", "", `[0-9a-f]{64}|[0-9a-z]{25}|[0-9a-f]{32}-.+`),
		Str:  func(e *Event) string { return e.Proc.cgroup().ContainerID }},
	{Name: "container_runtime", Group: groupProcess, Type: String, Width: 10, Doc: "What runs the container: docker, podman, containerd, cri-o, lxc, nspawn, libvirt, buildkit.",
		form: OneOf("docker", "podman", "containerd", "cri-o", "lxc", "nspawn", "libvirt", "buildkit").Elsewhere(map[string]string{"crio": "cri-o", "systemd-nspawn": "nspawn"}),
		Str:  func(e *Event) string { return e.Proc.cgroup().Runtime }},
	{Name: "pod", Group: groupProcess, Type: String, Width: 24, Doc: "Kubernetes pod as namespace/name, where the runtime's or the kubelet's files tell it; else the identifier. Also pods of Podman.",
		form: pod,
		Str:  func(e *Event) string { return e.Proc.cgroup().Pod }},
	{Name: "pod_uid", Group: groupProcess, Type: String, Width: 36, Doc: "Identifier of the pod.",
		form: Shaped("the whole identifier in small letters", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", podUID),
		Str:  func(e *Event) string { return e.Proc.cgroup().PodUID }},
	{Name: "unit", Group: groupProcess, Type: String, Width: 20, Doc: "systemd unit (service or scope) of the process; in a container with systemd, that systemd's.",
		form: unit,
		Str:  func(e *Event) string { return e.Proc.cgroup().Unit }},
	{Name: "user_unit", Group: groupProcess, Type: String, Width: 20, Doc: "Unit of the user's own systemd.",
		form: unit,
		Str:  func(e *Event) string { return e.Proc.cgroup().UserUnit }},
	{Name: "slice", Group: groupProcess, Type: String, Width: 16, Doc: "systemd slice of the unit.",
		form: Shaped("the slice's full name", "system.slice", `.+\.slice`).Meaning(func(text string) string { return text + ".slice" }),
		Str:  func(e *Event) string { return e.Proc.cgroup().Slice }},
	{Name: "caps", Group: groupProcess, Type: List, Width: 16, Doc: "Effective capabilities of the process; only \"all\" when it has every one. In filters capable(caps, \"cap_net_raw\") is true for both.",
		form: OneOf(append(Capabilities[:], "all")...).Meaning(func(text string) string { return "cap_" + strings.ToLower(text) }),
		List: func(e *Event) []string {
			if e.Proc == nil {
				return nil
			}
			return e.Proc.Caps
		}},
	{Name: "userns", Group: groupProcess, Type: Uint, Width: 10, Doc: "User namespace (inode) in which the capabilities hold, if it is not the machine's first.",
		Uint: func(e *Event) (uint64, bool) {
			if e.Proc == nil {
				return 0, false
			}
			return uint64(e.Proc.UserNS), e.Proc.UserNS != 0
		}},
	{Name: "lsm_label", Group: groupProcess, Type: String, Width: 24, Doc: "Label of SELinux, AppArmor or another security module, read from procfs while the process lives.",
		Str: func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Label }) }},
	{Name: "seccomp", Group: groupProcess, Type: String, Width: 8, Doc: "Seccomp mode of the process: disabled, strict, filter.",
		form: OneOf(SeccompModes[:]...),
		Str:  func(e *Event) string { return e.Proc.str(func(p *Proc) string { return p.Seccomp }) }},
	{Name: "no_new_privs", Group: groupProcess, Type: Bool, Width: 5, Doc: "True when the process can gain no privileges by executing a program.",
		Bool: func(e *Event) (v, ok bool) {
			if e.Proc == nil {
				return false, false
			}
			return e.Proc.NoNewPrivs, e.Proc.Known
		}},
	{Name: "peer_container", Group: groupProcess, Type: String, Width: 16, Doc: "Container at the other end, named as container is.",
		Str: func(e *Event) string { return e.Peer.cgroup().Container }},
	{Name: "peer_pod", Group: groupProcess, Type: String, Width: 24, Doc: "Pod at the other end, named as pod is.",
		form: pod,
		Str:  func(e *Event) string { return e.Peer.cgroup().Pod }},
	{Name: "peer_unit", Group: groupProcess, Type: String, Width: 20, Doc: "systemd unit at the other end.",
		form: unit,
		Str:  func(e *Event) string { return e.Peer.cgroup().Unit }},

	{Name: "country", Group: groupRemote, Type: String, Width: 7, Doc: "With --geoip: country of the remote address, in two letters (ISO 3166).",
		form: Shaped("two capital letters (ISO 3166)", "NL", `[A-Z]{2}`),
		Str:  func(e *Event) string { return e.about().Country }},
	{Name: "city", Group: groupRemote, Type: String, Width: 16, Doc: "With --geoip: city of the remote address, in English.",
		Str: func(e *Event) string { return e.about().City }},
	{Name: "asn", Group: groupRemote, Type: Uint, Width: 7, Doc: "With --geoip: number of the autonomous system that announces the remote address.",
		Uint: func(e *Event) (uint64, bool) { n := e.about().ASN; return uint64(n), n != 0 }},
	{Name: "as_org", Group: groupRemote, Type: String, Width: 24, Doc: "With --geoip: organisation that runs that autonomous system.",
		Str: func(e *Event) string { return e.about().Org }},
	{Name: "remote_name", Group: groupRemote, Type: String, Width: 32, Doc: "With --resolve: name of the remote address by reverse DNS.",
		form: Host,
		Str:  func(e *Event) string { return e.about().Name }},

	{Name: "lost_where", Group: groupLost, Type: String, Width: 10, Doc: "On lost: what was lost: kernel (packets: the capture ring was full), table (sockets beyond the bound), ends (kernel messages about ends of sockets), owners (kernel messages about owners of sockets; owners_memory: no room to keep one, owners_exec: what a process executes was not told), nat (kernel messages about translations), output (the reader was too slow), file (--write failed), store (--store failed or was too slow), packets (--pcapng had no room or failed).",
		form:  OneOf(whereNames[:]...),
		Words: whereNames[:], Word: func(e *Event) int {
			if e.Kind != Lost {
				return int(Nowhere)
			}
			return int(e.LostWhere)
		}},
	{Name: "lost_count", Group: groupLost, Type: Uint, Width: 8, Doc: "On lost: how many packets or events.",
		Uint: func(e *Event) (uint64, bool) { return e.LostCount, e.Kind == Lost }},

	{Name: "group_by", Group: groupSummary, Type: String, Width: 12, Doc: "On group: the fields whose values its connections share.",
		Str: func(*Event) string { return "" }}, // groups are made as Stored
	{Name: "connections", Group: groupSummary, Type: Uint, Width: 7, Doc: "On group and stats: how many connections; the other fields are sums over them.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Connections }) }},
	{Name: "connections_open", Group: groupSummary, Type: Uint, Width: 7, Doc: "On group and stats: how many of them are open.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Open }) }},
	{Name: "connections_failed", Group: groupSummary, Type: Uint, Width: 7, Doc: "On group and stats: how many of them ended with rst or refused, TCP and SCTP with timeout, or were never answered: TCP, DNS, ping.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Failed }) }},
	{Name: "connections_partial", Group: groupSummary, Type: Uint, Width: 7, Doc: "On group and stats: how many of them began before the capture.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Partial }) }},
	{Name: "connections_new", Group: groupSummary, Type: Uint, Width: 7, Doc: "On stats: how many began since the previous one.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.New }) }},
	{Name: "connections_closed", Group: groupSummary, Type: Uint, Width: 7, Doc: "On stats: how many ended since the previous one.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Closed }) }},
	{Name: "groups_merged", Group: groupSummary, Type: Uint, Width: 7, Doc: "On the one group that sums up what had no room as groups of their own: how many records are in it.",
		Uint: func(*Event) (uint64, bool) { return 0, false }},
	{Name: "records_written", Group: groupSummary, Type: Uint, Width: 7, Doc: "On stats: records written in this run before this one.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Written }) }},
	{Name: "records_lost", Group: groupSummary, Type: Uint, Width: 7, Doc: "On stats: packets and events of this run that lost records counted.",
		Uint: func(e *Event) (uint64, bool) { return e.total(func(t *Totals) uint64 { return t.Lost }) }},

	{Name: "alert", Group: groupAlert, Type: String, Width: 14, Doc: "On alert: name of the rule or detector; the other fields are the connection's.",
		Str: func(e *Event) string { return e.verdict().Rule }},
	{Name: "alert_reason", Group: groupAlert, Type: String, Width: 60, Doc: "On alert: why, for people.",
		Str: func(e *Event) string { return e.verdict().Reason }},
	{Name: "alert_count", Group: groupAlert, Type: Uint, Width: 7, Doc: "On alert: how many of the same alert since the last one shown, this one included; --alert-every holds the others back.",
		Uint: func(e *Event) (uint64, bool) { n := e.verdict().Count; return n, n != 0 }},
	{Name: "pattern", Group: groupAlert, Type: List, Width: 16, Doc: "What detectors (--detect) found in the connection: shaped, policed, rate-limited, zero-window; or port-scan, beacon, dns-tunnel, ….",
		List: func(e *Event) []string { return e.verdict().Patterns }},
}

var noNAT NAT

func (e *Event) nat() *NAT {
	if e.NAT == nil {
		return &noNAT
	}
	return e.NAT
}

var noAbout About

func (e *Event) about() *About {
	if e.About == nil {
		return &noAbout
	}
	return e.About
}

var noVerdict Verdict

func (e *Event) verdict() *Verdict {
	if e.Verdict == nil {
		return &noVerdict
	}
	return e.Verdict
}

func (e *Event) total(get func(*Totals) uint64) (uint64, bool) {
	if e.conn() || e.Totals == nil {
		return 0, false
	}
	return get(e.Totals), true
}

func (e *Event) isTCP() bool { return e.conn() && e.Proto == 6 || e.Kind == Stats }

// macString writes a link address as six octets; "" for none.
func macString(m uint64) string {
	if m == 0 {
		return ""
	}
	b := make([]byte, 0, 17)
	for shift := 40; shift >= 0; shift -= 8 {
		const hex = "0123456789abcdef"
		o := byte(m >> shift)
		if len(b) > 0 {
			b = append(b, ':')
		}
		b = append(b, hex[o>>4], hex[o&15])
	}
	return string(b)
}

// HistoryString is History without its padding.
func (e *Event) HistoryString() string { return string(e.History[:e.historySize()]) }

func appendHistory(dst []byte, e *Event) []byte {
	return append(dst, e.History[:]...)[:len(dst)+e.historySize()]
}

func (e *Event) historySize() int {
	if last := binary.LittleEndian.Uint64(e.History[8:]); last != 0 {
		return 16 - bits.LeadingZeros64(last)/8
	}
	return 8 - bits.LeadingZeros64(binary.LittleEndian.Uint64(e.History[:]))/8
}

func (e *Event) rate(s *Side) (float64, bool) {
	if e.Interval <= 0 || !e.counts(NoBytes) {
		return 0, false
	}
	return math.Round(float64(s.BytesDelta)/(float64(e.Interval)/1e9)*10) / 10, true
}

// counts tells whether the source counts what is named.
func (e *Event) counts(c Counts) bool { return (e.conn() || e.Kind == Stats) && e.Without&c == 0 }

func (p *Proc) pid() (uint64, bool) {
	if p == nil {
		return 0, false
	}
	return uint64(p.PID), p.PID != 0
}

func (p *Proc) str(get func(*Proc) string) string {
	if p == nil {
		return ""
	}
	return get(p)
}

// Host is the field `host`.
func (e *Event) Host() string { name, _ := e.HostAndSource(); return name }

// HostAndSource is the best name there is for the remote end, and where it is from.
func (e *Event) HostAndSource() (name string, source HostSource) {
	if e.RemoteServes && e.App != nil && e.App.Host != "" {
		return e.App.Host, e.App.HostSource
	}
	return e.RemoteName, e.NameSource
}
