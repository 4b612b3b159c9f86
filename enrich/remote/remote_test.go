package remote

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"rustnet/track/event"
)

var update = flag.Bool("update", false, "write testdata/geo.mmdb of the whole program's tests anew")

var schema = event.NewSchema(nil)

// writeDatabase makes a database of networks, with the values of the kinds that there are.
func writeDatabase(t testing.TB, path string, networks map[string]mmdbtype.Map) {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", RecordSize: 24, IncludeReservedNetworks: true, BuildEpoch: 1767225600})
	if err != nil {
		t.Fatal(err)
	}
	for network, values := range networks {
		_, prefix, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(prefix, values); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".part", file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		t.Fatal(err)
	}
}

var (
	maxmind = mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")},
		"city":                     mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Utrecht"), "fr": mmdbtype.String("Utrecht (fr)")}},
		"autonomous_system_number": mmdbtype.Uint32(64496), "autonomous_system_organization": mmdbtype.String("Example Transit")}
	ipinfo = mmdbtype.Map{"country": mmdbtype.String("Chile"), "country_code": mmdbtype.String("CL"),
		"asn": mmdbtype.String("AS64511"), "as_name": mmdbtype.String("Ejemplo")}
)

// TestSample holds the database that scripts use to the one made here.
func TestSample(t *testing.T) {
	const sample = "../../testdata/geo.mmdb"
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	if *update {
		path = sample
	}
	writeDatabase(t, path, map[string]mmdbtype.Map{"198.51.100.0/24": maxmind, "2001:db8:1::/48": ipinfo})
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(sample); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what this test makes (-update writes it): %v", sample, err)
	}
}

func TestDatabase(t *testing.T) {
	dir := t.TempDir()
	city, asn := filepath.Join(dir, "city.mmdb"), filepath.Join(dir, "asn.mmdb")
	writeDatabase(t, city, map[string]mmdbtype.Map{
		"192.0.2.0/24":    maxmind,
		"2001:db8::/32":   ipinfo,
		"198.51.100.0/24": {"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}},
		"203.0.113.0/24":  {"country": mmdbtype.Uint32(7), "city": mmdbtype.Slice{mmdbtype.String("x")}, "autonomous_system_number": mmdbtype.Bool(true)},
	})
	writeDatabase(t, asn, map[string]mmdbtype.Map{
		"198.51.100.0/25": {"autonomous_system_number": mmdbtype.Uint32(4200000000), "autonomous_system_organization": mmdbtype.String("Second")},
		"192.0.2.0/24":    {"country_code": mmdbtype.String("FR"), "asn": mmdbtype.Uint32(1)},
	})
	s, err := New(Config{GeoIP: []string{city, asn}, Fields: schema})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, addr string
		want       *event.About
	}{
		{"MaxMind's keys", "192.0.2.1", &event.About{Country: "NL", City: "Utrecht", ASN: 64496, Org: "Example Transit"}},
		{"IPinfo's keys", "2001:db8::1", &event.About{Country: "CL", ASN: 64511, Org: "Ejemplo"}},
		{"two files tell a part each", "198.51.100.1", &event.About{Country: "DE", ASN: 4200000000, Org: "Second"}},
		{"only the first knows", "198.51.100.200", &event.About{Country: "DE"}},
		{"values of other types", "203.0.113.1", nil},
		{"in no file", "10.0.0.1", nil},
		{"IPv6 in no file", "fe80::1", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := event.Event{Kind: event.New, Remote: netip.AddrPortFrom(netip.MustParseAddr(tc.addr), 443)}
			s.put(&e)
			if tc.want == nil && e.About != nil || tc.want != nil && (e.About == nil || *e.About != *tc.want) {
				t.Errorf("got %+v, want %+v", e.About, tc.want)
			}
		})
	}
	if said := s.Report(); said != "" {
		t.Errorf("got %q of databases that are whole", said)
	}
}

// TestReplaced: a database that is replaced is taken anew; one that has become none is not, and the old one stays.
func TestReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	writeDatabase(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind})
	var said []string
	s, err := New(Config{GeoIP: []string{path}, Fields: schema, Warn: func(text string) { said = append(said, text) }})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	country := func() string {
		s.check()
		e := event.Event{Kind: event.Updated, Remote: netip.MustParseAddrPort("192.0.2.1:1")}
		s.put(&e)
		return e.About.Country
	}
	if got := country(); got != "NL" {
		t.Fatalf("got %q, want NL", got)
	}
	writeDatabase(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": ipinfo})
	if got := country(); got != "NL" {
		t.Errorf("got %q at once, want NL until it is looked for", got)
	}
	now = now.Add(checkEvery)
	if got := country(); got != "CL" {
		t.Errorf("got %q of the new file, want CL", got)
	}
	if err := os.Remove(path); err != nil { // it is mapped: not to be written over
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("none"), 0o644); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkEvery)
	if got := country(); got != "CL" || len(said) != 1 || !strings.Contains(said[0], path) {
		t.Errorf("got %q and %q; want CL still, and that it was said", got, said)
	}
}

func TestBadDatabase(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.mmdb")
	writeDatabase(t, whole, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind, "2001:db8::/32": ipinfo})
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{GeoIP: []string{filepath.Join(dir, "none")}, Fields: schema}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
	cut := filepath.Join(dir, "cut.mmdb")
	refused := 0
	for n := 0; n < len(data); n += 7 {
		if err := os.WriteFile(cut, data[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := New(Config{GeoIP: []string{cut}, Fields: schema})
		if err != nil {
			if refused++; !strings.Contains(err.Error(), cut) {
				t.Errorf("%d bytes: %v does not name the file", n, err)
			}
			continue
		}
		e := event.Event{Kind: event.New, Remote: netip.MustParseAddrPort("192.0.2.1:1")}
		s.put(&e)
		s.databases[0].reader.Close()
	}
	if refused == 0 {
		t.Error("no part of a file was refused")
	}
}

// FuzzDatabase: a damaged file gives errors and nothing else.
func FuzzDatabase(f *testing.F) {
	path := filepath.Join(f.TempDir(), "geo.mmdb")
	writeDatabase(f, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind, "2001:db8::/32": ipinfo})
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, []byte{192, 0, 2, 1})
	f.Add(data[:len(data)/2], []byte{192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, data, ip []byte) {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return
		}
		path := filepath.Join(t.TempDir(), "geo.mmdb")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := openDatabase(path)
		if err != nil {
			return
		}
		defer d.reader.Close()
		var a event.About
		d.look(addr, &a)
	})
}

// running runs the stage, and asks a resolver that answers when it is let.
type running struct {
	t    *testing.T
	s    *Stage
	in   chan *event.Batch
	out  chan *event.Batch
	done chan error
}

func run(t *testing.T, cfg Config, ask func(ctx context.Context, addr string) ([]string, error)) *running {
	cfg.Resolve, cfg.Fields = true, schema
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.resolver = newResolver(ctx)
	s.resolver.ask = ask
	now := time.Now()
	s.now = func() time.Time { return now } // it takes as long as it takes
	r := &running{t: t, s: s, in: make(chan *event.Batch), out: make(chan *event.Batch, 100), done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, r.in, r.out) }()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func (r *running) send(events ...event.Event) []event.Event {
	b := event.NewBatch(nil)
	b.Events = append(b.Events, events...)
	r.in <- b
	return r.next()
}

func (r *running) next() []event.Event {
	r.t.Helper()
	select {
	case b := <-r.out:
		return b.Events
	case <-time.After(time.Minute):
		r.t.Fatal("nothing came")
		return nil
	}
}

func connection(kind event.Kind, id uint64, addr string) event.Event {
	return event.Event{Kind: kind, ID: id, TS: int64(id), Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 443), Tx: event.Side{Bytes: 7, BytesDelta: 7}, Interval: 1}
}

// TestLateName: nobody waits for a name; when it comes, connections that were told of without it get an updated.
func TestLateName(t *testing.T) {
	answer := make(chan struct{})
	r := run(t, Config{Updates: true}, func(context.Context, string) ([]string, error) {
		<-answer
		return []string{"b.example.", "A.example."}, nil
	})
	first := r.send(connection(event.New, 1, "192.0.2.1"), connection(event.New, 2, "192.0.2.1"), connection(event.Closed, 2, "192.0.2.1"))
	for _, e := range first {
		if e.About != nil || e.Host() != "" {
			t.Errorf("got %+v before there was an answer", e.About)
		}
	}
	close(answer)
	late := r.next()
	if len(late) != 1 {
		t.Fatalf("got %d events at the answer, want one for the connection that is open", len(late))
	}
	e := late[0]
	if e.Kind != event.Updated || e.ID != 1 || e.About == nil || e.About.Name != "a.example" || e.Host() != "a.example" || e.NameSource != event.HostByPTR {
		t.Errorf("got %+v, about %+v", e, e.About)
	}
	if e.Tx.Bytes != 7 || e.Tx.BytesDelta != 0 || e.Interval != 0 {
		t.Errorf("got %+v over %d ns; want the counts again and no growth", e.Tx, e.Interval)
	}
	next := r.send(connection(event.New, 3, "192.0.2.1"))
	if len(next) != 1 || next[0].About == nil || next[0].About.Name != "a.example" {
		t.Errorf("got %+v; want the name at once, now that it is known", next)
	}
}

// TestLateNameInOrder: what was counted and when does not go back within a connection when the name comes.
func TestLateNameInOrder(t *testing.T) {
	answer := make(chan struct{})
	r := run(t, Config{Updates: true}, func(context.Context, string) ([]string, error) {
		<-answer
		return []string{"a.example."}, nil
	})
	r.send(connection(event.New, 1, "192.0.2.1"))
	more := connection(event.Updated, 1, "192.0.2.1")
	more.TS, more.Tx.Bytes = 50, 1000
	r.send(more)
	close(answer)
	named := r.next()
	if len(named) != 1 || named[0].Tx.Bytes != 1000 || named[0].TS <= 50 || named[0].Host() != "a.example" {
		t.Fatalf("got %+v; want the name with what was counted last", named)
	}
	more.TS = 60 // of a packet before the answer
	end := connection(event.Closed, 1, "192.0.2.1")
	end.TS = named[0].TS + 5
	for _, tc := range []struct {
		event.Event
		want int64
	}{{more, named[0].TS}, {end, end.TS}} {
		if got := r.send(tc.Event); len(got) != 1 || got[0].TS != tc.want {
			t.Errorf("%v: got %+v, want it of %d", tc.Kind, got, tc.want)
		}
	}
	if len(r.s.named)+len(r.s.told) > 0 {
		t.Errorf("%d named and %d told are kept of a connection that is closed", len(r.s.named), len(r.s.told))
	}
}

// TestBest: of several names the same one, and of a line of the hosts file the one with its domain.
func TestBest(t *testing.T) {
	for want, names := range map[string][]string{
		"a.example":          {"b.example.", "A.example."},
		"web1.example.test":  {"web1.example.test.", "web.", "alias."},
		"alias.example.test": {"web", "alias.example.test"},
		"web":                {"web1.", "WEB."},
	} {
		if got := best(names); got != want {
			t.Errorf("%v: got %q, want %q", names, got, want)
		}
	}
}

// TestPatient: where nothing is lost by waiting the first event has the name.
func TestPatient(t *testing.T) {
	var asked atomic.Int32
	r := run(t, Config{Patient: true, Updates: true}, func(_ context.Context, addr string) ([]string, error) {
		asked.Add(1)
		switch addr {
		case "192.0.2.1":
			return []string{"one.example."}, nil
		case "192.0.2.2":
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}
		return nil, errors.New("nobody answers")
	})
	events := []event.Event{connection(event.New, 1, "192.0.2.1"), connection(event.New, 2, "192.0.2.2"), connection(event.New, 3, "192.0.2.3"),
		connection(event.New, 4, "127.0.0.1"), connection(event.New, 5, "ff02::fb"), connection(event.New, 6, "fe80::1"), connection(event.Closed, 1, "192.0.2.1")}
	events[6].RemoteName, events[6].NameSource = "better.example", event.HostByDNS
	got := r.send(events...)
	for i, want := range []string{"one.example", "", "", "", "", "", "one.example"} {
		name := ""
		if got[i].About != nil {
			name = got[i].About.Name
		}
		if name != want {
			t.Errorf("event %d: got %q, want %q", i, name, want)
		}
	}
	if got[6].Host() != "better.example" {
		t.Errorf("got host %q: a name that the client asked for says more", got[6].Host())
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("%d addresses were asked for, want 3: each once, and none that nobody can know", n)
	}
	if said := r.s.Report(); said != "1 of 3 questions to reverse DNS not answered" {
		t.Errorf("got %q", said)
	}
	close(r.in)
	if _, open := <-r.out; open {
		t.Error("out is not closed at the end")
	}
	r.done <- <-r.done
}

// TestDeaf: a resolver that never answers is left alone after a while, and that is counted.
func TestDeaf(t *testing.T) {
	var asked atomic.Int32
	r := run(t, Config{Patient: true}, func(context.Context, string) ([]string, error) {
		asked.Add(1)
		return nil, errors.New("nobody answers")
	})
	for i := range 1000 {
		r.send(connection(event.New, uint64(i), netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}).String()))
	}
	if n := asked.Load(); n != deafMax {
		t.Errorf("asked %d times, want %d", n, deafMax)
	}
	if n := r.s.unasked.Load(); n != 1000-deafMax {
		t.Errorf("%d counted as not asked, want %d", n, 1000-deafMax)
	}
}

// TestBounds: a flood of addresses and connections while nobody answers keeps what it has of room.
func TestBounds(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	s, err := New(Config{Resolve: true, Updates: true, Fields: schema})
	if err != nil {
		t.Fatal(err)
	}
	s.resolver = newResolver(t.Context())
	s.resolver.ask = func(context.Context, string) ([]string, error) { <-never; return nil, nil }
	for i := range 3 * addressesMax {
		e := connection(event.New, uint64(i), netip.AddrFrom4([4]byte{193, byte(i >> 16), byte(i >> 8), byte(i)}).String())
		s.put(&e)
	}
	if len(s.young)+len(s.old) > addressesMax || len(s.told) > toldMax || len(s.resolver.queue) > queueMax || s.resolver.busy > lookupsMax {
		t.Errorf("%d and %d addresses, %d connections, %d queued, %d asked for", len(s.young), len(s.old), len(s.told), len(s.resolver.queue), s.resolver.busy)
	}
	if s.unasked.Load() == 0 {
		t.Error("what was not asked is not counted")
	}
}

// TestReadBack: a record that is read back gets what it does not have.
func TestReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	writeDatabase(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind})
	stored := schema.Stored()
	s, err := New(Config{GeoIP: []string{path}, Fields: stored})
	if err != nil {
		t.Fatal(err)
	}
	r := event.NewStored(stored)
	r.SetStr(stored.Lookup("remote_addr"), "192.0.2.9")
	r.SetStr(stored.Lookup("city"), "Zeist")
	e := event.Event{Kind: event.Closed, Stored: r}
	s.put(&e)
	for field, want := range map[string]string{"country": "NL", "city": "Zeist", "as_org": "Example Transit"} {
		if got := stored.Lookup(field).Str(&e); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	if n, _ := stored.Lookup("asn").Uint(&e); n != 64496 {
		t.Errorf("asn: got %d", n)
	}
	if got := stored.Lookup("country").Str(&event.Event{Kind: event.Closed, Stored: r}); got != "" {
		t.Errorf("the record that others may read was changed: country %q", got)
	}
}

// TestKnownAddressDoesNotAllocate: a known address costs a look into a table.
func TestKnownAddressDoesNotAllocate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	writeDatabase(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind})
	s, err := New(Config{GeoIP: []string{path}, Fields: schema})
	if err != nil {
		t.Fatal(err)
	}
	e := connection(event.Updated, 1, "192.0.2.1")
	s.put(&e)
	if n := testing.AllocsPerRun(100, func() { s.put(&e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPut(b *testing.B) {
	path := filepath.Join(b.TempDir(), "geo.mmdb")
	writeDatabase(b, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxmind})
	s, err := New(Config{GeoIP: []string{path}, Fields: schema})
	if err != nil {
		b.Fatal(err)
	}
	e := connection(event.Updated, 1, "192.0.2.1")
	for b.Loop() {
		s.put(&e)
	}
}
