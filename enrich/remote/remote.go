// Package remote says more of the remote end by its address: where it is and who runs its network, by databases; and its
// name, by reverse DNS.
package remote

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"rustnet/track/event"
)

const (
	addressesMax = 1 << 16 // whose About is kept
	toldMax      = 1 << 12 // connections whose new went out before the name was known
	namedMax     = 1 << 16 // those that got it by an updated, and are open
	checkEvery   = time.Minute
	// After deafMax failures without an answer between them nobody is asked for deafTime.
	deafMax  = 64
	deafTime = 30 * time.Second
)

// Config is what is asked for.
type Config struct {
	GeoIP   []string `name:"geoip" sep:"none" placeholder:"FILE" help:"MaxMind database (.mmdb) for country, city, asn and as_org; repeatable. A file that is replaced is read again within a minute."`
	Resolve bool     `help:"Look up remote addresses by reverse DNS: gives remote_name, and host where nothing else does."`

	Fields *event.Schema `kong:"-"` // of the events
	// Patient waits for reverse DNS, where nothing is lost meanwhile. Else what is answered later comes in an updated.
	Patient bool `kong:"-"`
	// Updates: the name that comes late is an occasion for an updated.
	Updates bool         `kong:"-"`
	Warn    func(string) `kong:"-"`
}

// Stage puts what is known of the remote address on events.
type Stage struct {
	cfg       Config
	databases []*database
	checked   time.Time
	edition   int // of the databases: grows when one is replaced
	resolver  *resolver
	stored    *storedFields // nil where events are not read back
	now       func() time.Time
	failures  int       // of the resolver since it answered last
	deaf      time.Time // it is not asked before

	// The addresses in use: what is not asked for while young fills up is forgotten.
	young, old map[netip.Addr]*address
	told       map[uint64]event.Event // by ID: what went out last, the name is being asked for
	named      map[uint64]int64       // by ID: the time of the updated with the name
	ready      []event.Event
	pool       event.Pool

	asked, unasked, failed, damaged atomic.Uint64
}

// address is what is known of one.
type address struct {
	about   *event.About // nil = nothing
	edition int
	asking  bool
	until   time.Time // when its name is to be asked for anew
	waiting []uint64  // IDs of connections in told
}

// storedFields are those that the stage sets on events that are read back.
type storedFields struct{ addr, country, city, asn, org, name, host, source *event.Field }

// New opens the databases. It gives nil where nothing is asked for.
func New(cfg Config) (*Stage, error) {
	if len(cfg.GeoIP) == 0 && !cfg.Resolve {
		return nil, nil
	}
	s := &Stage{cfg: cfg, now: time.Now, young: map[netip.Addr]*address{}, told: map[uint64]event.Event{}, named: map[uint64]int64{}, pool: event.NewPool(4)}
	for _, path := range cfg.GeoIP {
		d, err := openDatabase(path)
		if err != nil {
			return nil, fmt.Errorf("--geoip: %w", err)
		}
		s.databases = append(s.databases, d)
	}
	if f := cfg.Fields; f.IsStored() {
		s.stored = &storedFields{f.Lookup("remote_addr"), f.Lookup("country"), f.Lookup("city"), f.Lookup("asn"), f.Lookup("as_org"),
			f.Lookup("remote_name"), f.Lookup("host"), f.Lookup("host_source")}
	}
	s.checked = s.now()
	return s, nil
}

// Adds tells whether the stage sets the field of that name.
func (s *Stage) Adds(field string) bool {
	if s == nil {
		return false
	}
	f := s.cfg.Fields.Lookup(field)
	return isHost(field) || f != nil && f.Giver() == event.GivenByRemote
}

// isHost is for the fields that reverse DNS sets where nothing else did.
func isHost(field string) bool { return field == "host" || field == "host_source" }

// Gives tells whether what was asked for can set a field that others may set as well.
func (c *Config) Gives(f *event.Field) bool { return isHost(f.Name) && c.Resolve }

// Wants names the flag that is not given and without which nobody sets the field, "" where there is none.
func (c *Config) Wants(f *event.Field) string {
	switch {
	case f.Giver() != event.GivenByRemote:
	case f.Name == "remote_name":
		if !c.Resolve {
			return "--resolve"
		}
	case len(c.GeoIP) == 0:
		return "--geoip FILE"
	}
	return ""
}

// Report says for people what could not be told, "" when all could.
func (s *Stage) Report() string {
	if s == nil {
		return ""
	}
	var said []string
	add := func(n uint64, what string) {
		if n > 0 {
			said = append(said, what)
		}
	}
	add(s.failed.Load(), fmt.Sprintf("%d of %s to reverse DNS not answered", s.failed.Load(), event.Count(s.asked.Load(), "question")))
	add(s.unasked.Load(), fmt.Sprintf("%d not asked because too many waited, or nobody answered", s.unasked.Load()))
	add(s.damaged.Load(), event.Count(s.damaged.Load(), "address")+" not found because a database is damaged")
	return strings.Join(said, ", ")
}

// Run puts it on the events of in until that is closed. It closes out.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.resolver == nil {
		s.resolver = newResolver(ctx)
	}
	for {
		select {
		case b, ok := <-in:
			if !ok {
				return nil
			}
			s.check()
			if s.cfg.Patient {
				if err := s.await(ctx, b); err != nil {
					return err
				}
			}
			for i := range b.Events {
				s.put(&b.Events[i])
			}
			if err := b.Send(ctx, out); err != nil {
				return err
			}
		case a := <-s.resolver.answers:
			s.learn(a)
			if len(s.ready) == 0 {
				break
			}
			b := s.pool.Get()
			b.Events = append(b.Events, s.ready...)
			clear(s.ready)
			s.ready = s.ready[:0]
			if err := b.Send(ctx, out); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await asks for all addresses of a batch, and waits for the answers.
func (s *Stage) await(ctx context.Context, b *event.Batch) error {
	for i := range b.Events {
		if addr := s.addr(&b.Events[i]); addr.IsValid() {
			s.find(addr)
		}
	}
	for s.resolver.busy > 0 {
		select {
		case a := <-s.resolver.answers:
			s.learn(a)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// addr is the remote address of an event about a connection.
func (s *Stage) addr(e *event.Event) netip.Addr {
	if e.Kind >= event.Lost {
		return netip.Addr{}
	}
	if s.stored != nil {
		return s.stored.addr.Addr(e)
	}
	return e.Remote.Addr()
}

// put puts on an event what is known.
func (s *Stage) put(e *event.Event) {
	addr := s.addr(e)
	if !addr.IsValid() {
		return
	}
	a := s.find(addr)
	if len(s.named) > 0 {
		if at, ok := s.named[e.ID]; ok { // a time does not go back within a connection
			e.TS = max(e.TS, at)
		}
	}
	if e.Kind == event.Closed {
		delete(s.told, e.ID)
		delete(s.named, e.ID)
	} else if e.Kind == event.Updated && len(s.told) > 0 {
		if _, ok := s.told[e.ID]; ok {
			s.told[e.ID] = *e
		}
	} else if a.asking && e.Kind == event.New && s.cfg.Updates && !s.cfg.Patient && len(s.told) < toldMax {
		s.told[e.ID] = *e
		a.waiting = append(a.waiting, e.ID)
	}
	if a.about == nil {
		return
	}
	if s.stored != nil {
		s.stored.set(e, a.about)
		return
	}
	e.About = a.about
	if a.about.Name != "" && e.RemoteName == "" {
		e.RemoteName, e.NameSource = a.about.Name, event.HostByPTR
	}
}

// find gives what is known of an address, and asks for its name if that is to be asked.
func (s *Stage) find(addr netip.Addr) *address {
	a, ok := s.young[addr]
	if !ok {
		if a, ok = s.old[addr]; !ok {
			a = &address{edition: -1}
		}
		if len(s.young) >= addressesMax/2 {
			s.old, s.young = s.young, map[netip.Addr]*address{}
		}
		s.young[addr] = a
	}
	if a.edition != s.edition {
		a.edition = s.edition
		s.locate(addr, a)
	}
	if s.cfg.Resolve && !a.asking && askable(addr) && !s.now().Before(a.until) {
		if deaf := s.now().Before(s.deaf); deaf || !s.cfg.Patient && len(s.resolver.queue) >= queueMax {
			if s.unasked.Add(1); deaf {
				a.until = s.deaf
			} // else the connection's next event asks again
			return a
		}
		a.asking = true
		s.asked.Add(1)
		s.resolver.start(addr)
	}
	return a
}

// locate looks an address up in the databases.
func (s *Stage) locate(addr netip.Addr, a *address) {
	var about event.About
	if a.about != nil {
		about.Name = a.about.Name
	}
	for _, d := range s.databases {
		if d.look(addr, &about) != nil {
			s.damaged.Add(1)
		}
	}
	if a.about = nil; about != (event.About{}) {
		a.about = &about
	}
}

// learn takes an answer of reverse DNS, and makes an updated of each connection that was told of without it.
func (s *Stage) learn(got answer) {
	s.resolver.free()
	if s.failures++; got.err == nil {
		s.failures = 0
	} else {
		s.failed.Add(1)
	}
	if s.failures >= deafMax {
		s.failures, s.deaf = 0, s.now().Add(deafTime)
	}
	a := s.young[got.addr]
	if a == nil {
		if a = s.old[got.addr]; a == nil {
			return // forgotten
		}
	}
	a.asking, a.until = false, s.now().Add(got.lasts)
	var about event.About
	if a.about != nil {
		about = *a.about
	}
	// A name stays what it was when nobody answers any more.
	if got.err == nil && about.Name != got.name {
		about.Name = got.name
		a.about = &about
	}
	for _, id := range a.waiting {
		e, ok := s.told[id]
		delete(s.told, id)
		if !ok || got.name == "" || len(s.named) >= namedMax {
			continue
		}
		e.Kind, e.TS = event.Updated, max(s.now().UnixNano(), e.TS)
		e.Tx.BytesDelta, e.Rx.BytesDelta, e.Interval = 0, 0, 0
		s.put(&e)
		s.named[id] = e.TS
		s.ready = append(s.ready, e)
	}
	a.waiting = nil
}

// check takes databases anew that were replaced.
func (s *Stage) check() {
	if len(s.databases) == 0 || s.now().Sub(s.checked) < checkEvery {
		return
	}
	s.checked = s.now()
	for i, d := range s.databases {
		if !d.replaced() {
			continue
		}
		fresh, err := openDatabase(d.path)
		if err != nil {
			s.cfg.Warn(fmt.Sprintf("--geoip: %v; going on with what it was", err))
			continue
		}
		d.reader.Close()
		s.databases[i] = fresh
		s.edition++
	}
}

// set puts it on a record that is read back, where that has none of its own.
func (f *storedFields) set(e *event.Event, a *event.About) {
	r := e.Stored.Clone()
	text := func(field *event.Field, s string) {
		if field.Str(e) == "" {
			r.SetStr(field, s)
		}
	}
	text(f.country, a.Country)
	text(f.city, a.City)
	if _, has := f.asn.Uint(e); !has && a.ASN != 0 {
		r.SetUint(f.asn, uint64(a.ASN))
	}
	text(f.org, a.Org)
	text(f.name, a.Name)
	if f.host.Str(e) == "" && a.Name != "" {
		r.SetStr(f.host, a.Name)
		r.SetStr(f.source, event.HostByPTR.String())
	}
	e.Stored = r
}
