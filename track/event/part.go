package event

import "strings"

// Part is a set of what an event may have, each a condition for some of its fields: where it is missing
// those need not be asked one by one.
type Part uint16

const (
	partApp Part = 1 << iota
	partLink
	partNAT
	partProc
	partPeer
	partReport
	partVerdict
	partAbout
	partTCP
	partRate
	partSeldom
	// NumParts is how many sets there are.
	NumParts = 1 << iota
)

// Needs is what an event must have for the field to be there; the field is absent where any of it is missing.
func (f *Field) Needs() Part { return f.needs }

// OfProc tells whether the field says something of Event.Proc and of nothing else.
func (f *Field) OfProc() bool { return f.needs == partProc }

// Giver is which stage sets a field.
type Giver uint8

// GivenBySource is what tracking and inspecting find out. GivenByOthers is the rest: what is not of a connection but of an alert, a loss,
// a sum, and what NAT makes of it.
const (
	GivenBySource Giver = iota
	GivenByOwners
	GivenByRemote
	GivenByOthers
)

// Giver says which stage sets the field. It follows from the declaration alone, as Place does.
func (f *Field) Giver() Giver {
	switch needs(f) {
	case partProc, partPeer:
		return GivenByOwners
	case partAbout:
		return GivenByRemote
	case partReport, partVerdict, partNAT:
		return GivenByOthers
	}
	if f.Place() == PlaceNone {
		return GivenByOthers
	}
	return GivenBySource
}

func init() {
	for i := range core {
		f := &core[i]
		f.needs = needs(f)
		if f.Words != nil && f.Str == nil {
			f.Str = func(e *Event) string { return f.Words[f.Word(e)] }
		}
	}
}

// needs is for the fields of core.
func needs(f *Field) Part {
	peer := strings.HasPrefix(f.Name, "peer_")
	switch {
	case f.Group == groupProcess && peer:
		return partPeer
	case f.Group == groupProcess:
		return partProc
	case f.Group == groupLost, f.Group == groupSummary:
		return partReport
	case f.Group == groupRemote:
		return partAbout
	case f.Group == groupAlert:
		return partVerdict
	case strings.HasPrefix(f.Name, "nat_"):
		return partNAT
	}
	switch f.Name { // no field whose absence says something in another schema, as those of direction and partial do
	case "vlan", "netns", "tunnel", "tunnel_id", "icmp_type", "icmp_code", "local_mac", "remote_mac":
		return partLink
	case "tx_retransmits", "rx_retransmits", "out_of_order":
		return partTCP
	case "tx_rate", "rx_rate":
		return partRate
	case "related_id", "tx_payload", "rx_payload":
		return partSeldom
	}
	return 0
}

// Parts is what the event has. It looks at no more of it than every record is made of.
func (e *Event) Parts() (p Part) {
	if e.App != nil {
		p |= partApp
	}
	if e.HasICMP || e.VLAN != 0 || e.NetNS != 0 || e.Tunnel != 0 || !e.Local.IsValid() || e.Proto == linkProto { // ARP and who has no address have LocalMAC
		p |= partLink
	}
	if e.NAT != nil {
		p |= partNAT
	}
	if e.Proc != nil {
		p |= partProc
	}
	if e.Peer != nil {
		p |= partPeer
	}
	if e.About != nil {
		p |= partAbout
	}
	if e.Verdict != nil {
		p |= partVerdict
	}
	if e.isTCP() {
		p |= partTCP
	}
	if e.Interval > 0 {
		p |= partRate
	}
	if e.Related != 0 || e.HasPayload {
		p |= partSeldom
	}
	if !e.conn() {
		p |= partReport
	}
	return p
}
