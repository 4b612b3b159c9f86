package enrich

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"rustnet/capture/prefetch"
	"rustnet/track/event"
	"rustnet/track/places"
)

const (
	// An address may be used longer than its answer is valid: programs keep addresses, and connect again.
	minTTL = 5 * time.Minute
	maxTTL = 24 * time.Hour
	// hostsMax bounds the addresses whose names are known, namedMax the connections that were given one.
	hostsMax = 1 << 16
	namedMax = 1 << 18
	// namesKept is how many names of an address are remembered: a connection is told of some time after it began,
	// and another name may have been asked for since.
	namesKept = 4
)

// Hosts gives the remote ends of connections the names that DNS responses taught before the connection began:
// what is said later is no reason why it was opened. The name stays.
//
// Whoever asked for a name means that one: what a client was answered names its own connections, the latest answer
// first. All of this machine's addresses are one client, so that it does not matter over which of them, or over which
// resolver on this machine, it asked. Where the client's own question was not seen (it went to a resolver in another
// way, or over the other IP version), the name that others were answered counts, as long as all were answered the same one.
//
// Responses count only where they answer a question that was seen. Multicast DNS and LLMNR, which tell unasked,
// can name only local hosts: names under .local, or of one label, and their sender's address or a private one.
type Hosts struct {
	local func(netip.Addr) bool
	hosts []host
	index places.Index // of hosts, by the keyed hash of what names them
	seed  hostKey
	hand  int // of the clock that looks for whom to forget
	named map[uint64]string
	next  ahead
	few   int // hosts that are in a cache anyhow

	forgotten atomic.Uint64
}

// HostStats counts what the stage has done.
type HostStats struct {
	Forgotten uint64 // addresses pushed out by others while their names still counted
}

// hostKey is an address as a client asked for it: the client's address, and that one, in two numbers each.
type hostKey [4]uint64

func keyOf(asker, addr netip.Addr) hostKey {
	a, b := asker.As16(), addr.As16()
	return hostKey{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// host is what is known of a key. It is little more than a cache line: most addresses have one name.
type host struct {
	key    hostKey
	latest hostName
	older  *[namesKept - 1]hostName // before latest, the later first; nil = there were none
	used   bool                     // since the hand came by last
}

// hostName is a name, and from when to when it counts, in packet time.
type hostName struct {
	name         string
	since, until int64
}

func (n *hostName) counts(at int64) bool { return n.name != "" && n.since <= at && at <= n.until }

// machine stands for all addresses of this machine, everybody for all who ask: groups, which ask for nothing themselves.
var (
	machine   = netip.IPv6LinkLocalAllNodes()
	everybody = netip.IPv6LinkLocalAllRouters()
)

// NewHosts makes the stage; local tells this machine's addresses, nil where nobody knows.
func NewHosts(local func(netip.Addr) bool) *Hosts {
	return &Hosts{local: local, index: places.New(), seed: hostKey{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}, named: map[uint64]string{}, few: 512}
}

// Stats gives the counts so far.
func (h *Hosts) Stats() HostStats {
	return HostStats{Forgotten: h.forgotten.Load()}
}

// Report says for people what was lost, "" when nothing was.
func (s HostStats) Report() string {
	if s.Forgotten == 0 {
		return ""
	}
	return event.Count(s.Forgotten, "address") + " with names from DNS forgotten for want of room"
}

// Batch names the connections of the next batch of events, and learns from what was said before each.
func (h *Hosts) Batch(b *event.Batch) {
	if len(h.hosts) > h.few {
		h.askAhead(b)
	}
	b.Walk(h.hear, h.event)
}

// ahead is keys that will be looked for soon.
type ahead struct {
	hashes [prefetch.Room]uint32
	n      int
	list   prefetch.List
}

// askAhead asks for what the batch's answers and new connections will be looked for in: nothing of it is in a cache, and
// one waits for the other where they are looked for one by one.
func (h *Hosts) askAhead(b *event.Batch) {
	for i := range b.Said {
		if a := b.Said[i].Answer; a != nil {
			for j := range a.Hosts {
				addr := a.Hosts[j].Addr.Unmap()
				h.ask(keyOf(everybody, addr))
				h.ask(keyOf(h.client(a.Asker), addr))
			}
		}
	}
	for i := range b.Events {
		if e := &b.Events[i]; e.Kind == event.New && e.Host() == "" {
			h.ask(keyOf(everybody, e.Remote.Addr()))
		}
	}
	h.fetch()
}

func (h *Hosts) ask(k hostKey) {
	a := &h.next
	if a.n == len(a.hashes) {
		h.fetch()
	}
	hash := h.hash(&k)
	a.hashes[a.n] = hash
	a.n++
	a.list.Add(h.index.Home(hash))
}

// fetch asks for the slots, and then for the hosts that are in them.
func (h *Hosts) fetch() {
	a := &h.next
	a.list.Fetch(1)
	for _, hash := range a.hashes[:a.n] {
		if at, _ := h.index.First(hash); at != 0 {
			a.list.Add(unsafe.Pointer(&h.hosts[at-1]))
		}
	}
	a.n = 0
	a.list.Fetch(2)
}

func (h *Hosts) hear(s *event.Said) {
	if s.Answer != nil {
		h.learn(s.Answer, s.TS)
	}
}

func (h *Hosts) event(e *event.Event) {
	switch e.Kind {
	case event.New, event.Updated, event.Closed:
		h.name(e)
	}
}

// name puts the name on an event that has no better one.
func (h *Hosts) name(e *event.Event) {
	if e.Kind != event.New {
		if name, ok := h.named[e.ID]; ok {
			e.RemoteName, e.NameSource = name, event.HostByDNS
			if e.Kind == event.Closed {
				delete(h.named, e.ID)
			}
		}
		return
	}
	if len(h.hosts) == 0 || e.Host() != "" || !e.Remote.IsValid() {
		return
	}
	name := h.find(h.client(e.Local.Addr()), e.Remote.Addr(), e.Start)
	if name == "" {
		return
	}
	e.RemoteName, e.NameSource = name, event.HostByDNS
	if len(h.named) < namedMax {
		h.named[e.ID] = name
	}
}

// client is who asks from an address.
func (h *Hosts) client(a netip.Addr) netip.Addr {
	if h.local != nil && h.local(a) {
		return machine
	}
	return a
}

// find gives the name that a client knew an address by at a time, else the one that all others did.
func (h *Hosts) find(client, addr netip.Addr, at int64) string {
	all := h.look(keyOf(everybody, addr))
	if all == nil && len(h.hosts) < hostsMax {
		return "" // nothing was forgotten yet, and what a client knows is known to all
	}
	if own := h.look(keyOf(client, addr)); own != nil {
		if name, _ := own.at(at); name != "" {
			own.used = true
			return name
		}
	}
	if all == nil {
		return ""
	}
	name, alone := all.at(at)
	if !alone {
		return ""
	}
	all.used = all.used || name != ""
	return name
}

// at gives the latest name that counts at a time, and whether it is the only one that does.
func (o *host) at(at int64) (name string, alone bool) {
	if o.latest.counts(at) {
		name = o.latest.name
	}
	if o.older == nil {
		return name, true
	}
	for i := range o.older {
		switch n := &o.older[i]; {
		case !n.counts(at):
		case name == "":
			name = n.name
		case name != n.name:
			return name, false
		}
	}
	return name, true
}

// learn takes what a response said.
func (h *Hosts) learn(a *event.Answer, now int64) {
	for i := range a.Hosts {
		n := &a.Hosts[i]
		n.Addr = n.Addr.Unmap()
		if !nameable(n.Addr) || !a.Asked && !vouched(a, n) {
			continue
		}
		until := now + int64(min(max(time.Duration(n.TTL)*time.Second, minTTL), maxTTL))
		if !a.Asker.IsMulticast() {
			h.set(keyOf(h.client(a.Asker), n.Addr), n.Name, now, until)
		}
		h.set(keyOf(everybody, n.Addr), n.Name, now, until)
	}
}

// nameable tells addresses that a name can mean; others stand for "nowhere" and "here" in answers.
func nameable(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// vouched tells what a host may say unasked.
func vouched(a *event.Answer, n *event.HostAddr) bool {
	if n.TTL == 0 { // RFC 6762 section 10.1: it goes away
		return false
	}
	if strings.HasSuffix(n.Name, ".local") {
		return n.Addr == a.Sender || n.Addr.IsPrivate() || n.Addr.IsLinkLocalUnicast()
	}
	return !strings.Contains(n.Name, ".") && n.Addr == a.Sender
}

func (h *Hosts) set(k hostKey, name string, now, until int64) {
	o := h.look(k)
	if o == nil {
		at := h.place(now)
		o = &h.hosts[at]
		if *o = (host{key: k, older: o.older}); o.older != nil {
			clear(o.older[:])
		}
		h.index.Add(h.hash(&k), uint32(at))
	}
	if o.latest.name == name {
		o.latest.until = max(o.latest.until, until)
		return
	}
	if o.latest.name != "" {
		if o.older == nil {
			o.older = new([namesKept - 1]hostName)
		}
		copy(o.older[1:], o.older[:])
		o.older[0] = o.latest
	}
	o.latest = hostName{name, now, until}
}

// look finds what is known of a key, nil where nothing is.
func (h *Hosts) look(k hostKey) *host {
	hash := h.hash(&k)
	for at, from := h.index.First(hash); at != 0; at, from = h.index.Next(hash, from) {
		if o := &h.hosts[at-1]; o.key == k {
			return o
		}
	}
	return nil
}

// hash is keyed: who answers chooses the addresses, and must not choose where they come to lie.
func (h *Hosts) hash(k *hostKey) uint32 {
	hi, lo := bits.Mul64(k[2]^h.seed[2], k[3]^h.seed[3])
	hi, lo = bits.Mul64(k[0]^h.seed[0]^hi, k[1]^h.seed[1]^lo)
	return uint32(hi ^ lo>>32)
}

// place finds room. Beyond the bound a clock's hand goes round, and takes what has named no connection since it came by
// last: a flood of answers that nobody follows pushes out itself first.
func (h *Hosts) place(now int64) int {
	if len(h.hosts) < hostsMax {
		h.hosts = append(h.hosts, host{})
		return len(h.hosts) - 1
	}
	for {
		at := h.hand
		h.hand = (h.hand + 1) % hostsMax
		o := &h.hosts[at]
		if o.used && o.latest.until >= now {
			o.used = false
			continue
		}
		if o.latest.until >= now {
			h.forgotten.Add(1)
		}
		h.index.Remove(h.hash(&o.key), uint32(at))
		return at
	}
}
