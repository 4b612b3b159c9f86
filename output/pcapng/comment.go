package pcapng

import (
	"net/netip"
	"reflect"
	"strings"

	"rustnet/capture"
	"rustnet/capture/ndjson"
	"rustnet/output"
	"rustnet/track/event"
)

// owner is what a connection's packets do not tell, as the latest of its records had it. It is not changed once it is made.
type owner struct {
	id         uint64
	direction  event.Direction
	local      netip.AddrPort
	remote     netip.Addr
	localMAC   uint64
	proc, peer *event.Proc
	host       string
	hostSource event.HostSource
	netns      uint32
	nat        event.NAT
	about      event.About
}

func ownerOf(e *event.Event) owner {
	o := owner{id: e.ID, direction: e.Direction, local: e.Local, remote: e.Remote.Addr(), localMAC: e.LocalMAC, proc: e.Proc, peer: e.Peer,
		netns: e.NetNS, nat: orZero(e.NAT), about: orZero(e.About)}
	if event.ProtoName(e.Proto) == "arp" { // its end is told by the address, and may be told with another one next time
		o.localMAC = 0
	}
	o.host, o.hostSource = e.HostAndSource()
	return o
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// same tells whether o says what q does. The same process may be another value.
func (o *owner) same(q *owner) bool {
	if *o == *q {
		return true
	}
	if !sameProc(o.proc, q.proc) || !sameProc(o.peer, q.peer) {
		return false
	}
	r := *q
	r.proc, r.peer = o.proc, o.peer
	return *o == r
}

func sameProc(a, b *event.Proc) bool {
	return a == b || a != nil && b != nil && reflect.DeepEqual(a, b)
}

// event makes the record whose fields are written.
func (o *owner) event(e *event.Event) {
	*e = event.Event{Kind: event.New, ID: o.id, Direction: o.direction, Local: o.local, LocalMAC: o.localMAC, Proc: o.proc, Peer: o.peer,
		RemoteName: o.host, NameSource: o.hostSource, NetNS: o.netns, NAT: &o.nat, About: &o.about}
}

const (
	// commentMark is what every comment begins with; what follows is a JSON object. Where that begins with "v" it has
	// all of event.RecordedFields that are set, and is read back: see capture.CommentMark.
	commentMark = "rustnet "
	commentMax  = 65532 // bytes of an option, a multiple of four
)

// comments writes comments.
type comments struct {
	full, slim, brief output.Object
	e                 event.Event
}

func newComments(fields *event.Schema) *comments {
	all := fields.RecordedFields()
	var slim []*event.Field
	for _, f := range all {
		if f.Name != "cmdline" && f.Name != "ancestors" && f.Name != "caps" {
			slim = append(slim, f)
		}
	}
	return &comments{full: output.NewObject(all), slim: output.NewObject(slim), brief: output.NewObject(fields.BriefFields())}
}

// appendFull appends all there is, without what is longest where that is more than an option holds.
func (c *comments) appendFull(dst []byte, o *owner) []byte {
	o.event(&c.e)
	start := len(dst)
	dst = c.full.Append(append(dst, commentMark...), &c.e)
	if len(dst)-start > commentMax {
		dst = c.slim.Append(append(dst[:start], commentMark...), &c.e)
	}
	if len(dst)-start > commentMax { // of names as no system has them
		dst = dst[:start]
	}
	return dst
}

func (c *comments) appendBrief(dst []byte, o *owner) []byte {
	o.event(&c.e)
	start := len(dst)
	if dst = c.brief.Append(append(dst, commentMark...), &c.e); len(dst)-start > commentMax {
		dst = dst[:start]
	}
	return dst
}

// Recall reads the comments that stand beside packets (track.Config.Recall). fields are a Stored schema's.
func Recall(fields *event.Schema) func(text string) *event.Recorded {
	return func(text string) *event.Recorded {
		if !strings.HasPrefix(text, capture.CommentMark) {
			return nil
		}
		r := event.NewStored(fields)
		if err := ndjson.NewParser(fields).Parse(text[len(commentMark):], r); err != nil {
			return nil // somebody changed it: it says nothing
		}
		if v, _ := fields.Lookup("v").Uint(&event.Event{Stored: r}); v != event.Version {
			return nil
		}
		return fields.Recorded(r)
	}
}
