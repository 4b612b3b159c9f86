package event

import (
	"net/netip"
	"slices"
)

// RecordedFields are the fields that a connection's packets do not tell: who has its ends. They are kept beside the
// packets, in this order, and read back with Recorded.
func (s *Schema) RecordedFields() []*Field {
	names := []string{"v", "process", "pid", "exe", "host"}
	for _, f := range s.Fields {
		if (f.Group == groupProcess || f.Group == groupRemote) && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	names = append(names, "host_source", "direction", "local_addr", "local_port", "local_mac", "netns",
		"nat_local_addr", "nat_local_port", "nat_remote_addr", "nat_remote_port", "id")
	return s.fields(names)
}

// BriefFields are what stands beside every packet, for people.
func (s *Schema) BriefFields() []*Field { return s.fields([]string{"process", "pid", "id"}) }

func (s *Schema) fields(names []string) []*Field {
	all := make([]*Field, len(names))
	for i, name := range names {
		all[i] = s.Lookup(name)
	}
	return all
}

// Recorded is what RecordedFields say of a connection. It is not changed once it is made.
type Recorded struct {
	Direction  Direction
	Local      netip.AddrPort // the end that Proc has
	LocalMAC   uint64         // of protocols without IP
	Proc, Peer *Proc          // nil = not known
	Name       string         // of the remote end
	NameSource HostSource
	NetNS      uint32
	NAT        *NAT
	About      *About // the remote end
}

// Recorded reads them from a record of a Stored schema.
func (s *Schema) Recorded(r *Stored) *Recorded {
	e := &Event{Kind: New, Stored: r}
	str := func(name string) string { return s.Lookup(name).Str(e) }
	num := func(name string) uint32 { n, _ := s.Lookup(name).Uint(e); return uint32(n) }
	truth := func(name string) (v, ok bool) { return s.Lookup(name).Bool(e) }
	list := func(name string) []string { return s.Lookup(name).List(e) }
	end := func(name string) netip.AddrPort {
		if a := s.Lookup(name + "_addr").Addr(e); a.IsValid() {
			return netip.AddrPortFrom(a, uint16(num(name+"_port")))
		}
		return netip.AddrPort{}
	}
	p := &Proc{PID: num("pid"), PPID: num("ppid"), UID: num("uid"), Name: str("process"), Exe: str("exe"), Cmdline: str("cmdline"),
		User: str("user"), Parent: str("parent"), Ancestors: list("ancestors"), Source: str("process_source"), NetNS: num("process_netns"),
		Security: Security{Caps: list("caps"), UserNS: num("userns"), Seccomp: str("seccomp"), Label: str("lsm_label")}}
	_, p.HasUID = s.Lookup("uid").Uint(e)
	p.ExeDeleted, _ = truth("exe_deleted")
	p.NoNewPrivs, p.Known = truth("no_new_privs")
	p.Cgroup = orNil(Cgroup{Path: str("cgroup"), Container: str("container"), ContainerID: str("container_id"), Runtime: str("container_runtime"),
		Pod: str("pod"), PodUID: str("pod_uid"), Unit: str("unit"), UserUnit: str("user_unit"), Slice: str("slice")})
	peer := &Proc{PID: num("peer_pid"), Name: str("peer_process"), Exe: str("peer_exe"),
		Cgroup: orNil(Cgroup{Container: str("peer_container"), Pod: str("peer_pod"), Unit: str("peer_unit")})}
	if peer.PID == 0 && peer.Name == "" && peer.Exe == "" && peer.Cgroup == nil {
		peer = nil
	}
	if p.Source == "" { // which every owner has
		p = nil
	}
	about := &About{Country: str("country"), City: str("city"), ASN: num("asn"), Org: str("as_org"), Name: str("remote_name")}
	if *about == (About{}) {
		about = nil
	}
	nat := &NAT{end("nat_local"), end("nat_remote")}
	if *nat == (NAT{}) {
		nat = nil
	}
	return &Recorded{About: about, Direction: directionOf(str("direction")), Local: end("local"), LocalMAC: macOf(str("local_mac")), Proc: p, Peer: peer,
		Name: str("host"), NameSource: hostSourceOf(str("host_source")), NetNS: num("netns"), NAT: nat}
}

func orNil(c Cgroup) *Cgroup {
	if c == (Cgroup{}) {
		return nil
	}
	return &c
}

func directionOf(name string) Direction {
	return Direction(max(0, slices.Index(directionNames[:], name)))
}

func hostSourceOf(name string) HostSource {
	return HostSource(max(0, slices.Index(hostSourceNames[:], name)))
}

// macOf reads what macString writes; 0 for anything else.
func macOf(text string) (m uint64) {
	if len(text) != 17 {
		return 0
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case i%3 == 2 && c == ':':
		case i%3 == 2:
			return 0
		case c >= '0' && c <= '9':
			m = m<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			m = m<<4 | uint64(c-'a'+10)
		default:
			return 0
		}
	}
	return m
}
