package enrich

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rustnet/track/event"
)

// hostScript runs lines like
//
//	0s 10.0.0.1 asks www.example.test 192.0.2.1 ttl 60    a response that answers a question
//	0s 10.0.0.1 hears box.local 10.0.0.9 from 10.0.0.9    one that nobody asked for
//	1s 10.0.0.1 opens 192.0.2.1                           a connection; the name it must get, "-" for none, follows "as"
//
// with events new, updated and closed of every connection, all of which must tell the same.
func hostScript(t *testing.T, h *Hosts, text string) {
	t.Helper()
	id := uint64(0)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		after, err := time.ParseDuration(f[0])
		if err != nil {
			t.Fatal(err)
		}
		ts := int64(1e18) + int64(after)
		who := netip.MustParseAddr(f[1])
		b := &event.Batch{}
		switch f[2] {
		case "asks", "hears":
			n := event.HostAddr{Name: f[3], Addr: netip.MustParseAddr(f[4]), TTL: 60}
			a := &event.Answer{Asker: who, Sender: netip.MustParseAddr("10.0.0.53"), Asked: f[2] == "asks", Hosts: []event.HostAddr{n}}
			for i := 5; i < len(f); i += 2 {
				switch f[i] {
				case "ttl":
					fmt.Sscan(f[i+1], &a.Hosts[0].TTL)
				case "from":
					a.Sender = netip.MustParseAddr(f[i+1])
				}
			}
			b.Said = append(b.Said, event.Said{TS: ts, Answer: a})
			h.Batch(b)
		case "opens":
			id++
			start := ts
			for kind := event.New; kind <= event.Closed; kind++ {
				b.Events = append(b.Events, event.Event{Kind: kind, TS: ts, Start: start, ID: id, RemoteServes: true,
					Local: netip.AddrPortFrom(who, 4000), Remote: netip.AddrPortFrom(netip.MustParseAddr(f[3]), 443)})
				ts += int64(time.Hour) // what the name was when it opened stays
			}
			h.Batch(b)
			for i := range b.Events {
				got, source := b.Events[i].RemoteName, b.Events[i].NameSource
				if got == "" {
					got = "-"
				}
				if got != f[5] || (source == event.HostByDNS) != (got != "-") {
					t.Errorf("%s%v: named %s (%s), want %s", line, b.Events[i].Kind, got, source, f[5])
				}
			}
		}
	}
}

func TestHosts(t *testing.T) {
	for name, text := range map[string]string{
		"asked before, not after": `
			0s 10.0.0.1 opens 192.0.2.1 as -
			0s 10.0.0.1 asks www.example.test 192.0.2.1
			1s 10.0.0.1 opens 192.0.2.1 as www.example.test
			1s 10.0.0.1 opens 192.0.2.2 as -`,
		"the latest answer": `
			0s 10.0.0.1 asks a.example.test 192.0.2.1
			1s 10.0.0.1 asks b.example.test 192.0.2.1
			2s 10.0.0.1 opens 192.0.2.1 as b.example.test
			3s 10.0.0.1 asks a.example.test 192.0.2.1
			4s 10.0.0.1 opens 192.0.2.1 as a.example.test`,
		"each client its own": `
			0s 10.0.0.1 asks a.example.test 192.0.2.1
			1s 10.0.0.2 asks b.example.test 192.0.2.1
			2s 10.0.0.1 opens 192.0.2.1 as a.example.test
			2s 10.0.0.2 opens 192.0.2.1 as b.example.test
			2s 10.0.0.3 opens 192.0.2.1 as -`,
		"another's, where all agree": `
			0s 10.0.0.1 asks a.example.test 192.0.2.1
			1s 10.0.0.3 opens 192.0.2.1 as a.example.test
			2s 10.0.0.2 asks a.example.test 192.0.2.1
			3s 10.0.0.3 opens 192.0.2.1 as a.example.test
			4s 10.0.0.2 asks b.example.test 192.0.2.1
			5s 10.0.0.3 opens 192.0.2.1 as -
			6s 10.0.0.1 asks a.example.test 192.0.2.1
			7s 10.0.0.3 opens 192.0.2.1 as -
			305s 10.0.0.3 opens 192.0.2.1 as a.example.test`,
		"over the other IP version": `
			0s 10.0.0.1 asks a.example.test 2001:db8::1
			1s 2001:db8:9::5 opens 2001:db8::1 as a.example.test`,
		"this machine is one client": `
			0s 10.0.0.1 asks b.example.test 192.0.2.1
			1s 127.0.0.1 asks a.example.test 192.0.2.1
			2s 203.0.113.7 opens 192.0.2.1 as a.example.test
			2s 10.0.0.1 opens 192.0.2.1 as b.example.test`,
		"time to live": `
			0s 10.0.0.1 asks short.example.test 192.0.2.1 ttl 0
			0s 10.0.0.1 asks long.example.test 192.0.2.2 ttl 3600
			0s 10.0.0.1 asks longest.example.test 192.0.2.3 ttl 2147483647
			300s 10.0.0.1 opens 192.0.2.1 as short.example.test
			301s 10.0.0.1 opens 192.0.2.1 as -
			3600s 10.0.0.1 opens 192.0.2.2 as long.example.test
			3601s 10.0.0.1 opens 192.0.2.2 as -
			24h 10.0.0.1 opens 192.0.2.3 as longest.example.test
			25h 10.0.0.1 opens 192.0.2.3 as -`,
		"a shorter answer does not cut": `
			0s 10.0.0.1 asks a.example.test 192.0.2.2 ttl 3600
			1s 10.0.0.1 asks a.example.test 192.0.2.2 ttl 0
			3600s 10.0.0.1 opens 192.0.2.2 as a.example.test`,
		"addresses that mean nowhere": `
			0s 10.0.0.1 asks ads.example.test 127.0.0.1
			0s 10.0.0.1 asks ads.example.test 0.0.0.0
			0s 10.0.0.1 asks ads.example.test ::1
			0s 10.0.0.1 asks ads.example.test 224.0.0.1
			0s 10.0.0.1 asks ads.example.test 255.255.255.255
			1s 127.0.0.1 opens 127.0.0.1 as -
			1s 10.0.0.1 opens 0.0.0.0 as -
			1s ::1 opens ::1 as -
			1s 10.0.0.1 opens 224.0.0.1 as -
			1s 10.0.0.1 opens 255.255.255.255 as -`,
		"v4-mapped": `
			0s 10.0.0.1 asks a.example.test ::ffff:192.0.2.1
			1s 10.0.0.1 opens 192.0.2.1 as a.example.test`,
		"multicast": `
			0s 224.0.0.251 hears box.local 10.0.0.9 from 10.0.0.9
			0s 224.0.0.251 hears other.local 10.0.0.8 from 10.0.0.9
			0s 224.0.0.251 hears six.local 2001:db8::9 from 2001:db8::9
			0s 224.0.0.251 hears gone.local 10.0.0.7 from 10.0.0.7 ttl 0
			0s 224.0.0.251 hears bank.example.test 192.0.2.1 from 192.0.2.1
			0s 224.0.0.251 hears bank.local 192.0.2.2 from 10.0.0.66
			0s 10.0.0.1 hears printer 10.0.0.6 from 10.0.0.6
			0s 10.0.0.1 hears gateway 10.0.0.254 from 10.0.0.66
			1s 10.0.0.1 opens 10.0.0.9 as box.local
			1s 10.0.0.2 opens 10.0.0.9 as box.local
			1s 10.0.0.2 opens 10.0.0.8 as other.local
			1s 10.0.0.1 opens 2001:db8::9 as six.local
			1s 10.0.0.1 opens 10.0.0.7 as -
			1s 10.0.0.1 opens 192.0.2.1 as -
			1s 10.0.0.1 opens 192.0.2.2 as -
			1s 10.0.0.1 opens 10.0.0.6 as printer
			1s 10.0.0.1 opens 10.0.0.254 as -`,
		"a group does not outdo an answer": `
			0s 10.0.0.1 asks nas.example.test 10.0.0.9
			1s 224.0.0.251 hears evil.local 10.0.0.9 from 10.0.0.9
			2s 10.0.0.1 opens 10.0.0.9 as nas.example.test`,
	} {
		t.Run(name, func(t *testing.T) {
			local := netip.MustParsePrefix("203.0.113.0/24")
			h := NewHosts(func(a netip.Addr) bool { return a.IsLoopback() || local.Contains(a) })
			hostScript(t, h, text)
			if len(h.named) > 0 {
				t.Errorf("%d connections kept after their end", len(h.named))
			}
			h = NewHosts(h.local)
			h.few = -1 // all is asked for ahead
			hostScript(t, h, text)
		})
	}
}

// TestHostsBefore: what counts is what was said before the connection began, however late it is told of, and what
// the connection says itself is better.
func TestHostsBefore(t *testing.T) {
	h := NewHosts(nil)
	client, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	for i, name := range []string{"a.example.test", "b.example.test", "c.example.test"} {
		h.learn(&event.Answer{Asker: client, Asked: true, Hosts: []event.HostAddr{{Name: name, Addr: server}}}, int64(10+10*i))
	}
	send := func(e event.Event) (host, source string) {
		b := &event.Batch{Events: []event.Event{e}}
		h.Batch(b)
		e = b.Events[0]
		s := event.NewSchema(nil)
		return e.Host(), s.Lookup("host_source").Str(&e)
	}
	for i, want := range []string{"", "a.example.test", "b.example.test", "c.example.test"} {
		for _, asker := range []netip.Addr{client, netip.MustParseAddr("10.0.0.2")} {
			e := event.Event{Kind: event.New, TS: 1000, Start: int64(5 + 10*i), ID: uint64(i), RemoteServes: true,
				Local: netip.AddrPortFrom(asker, 1), Remote: netip.AddrPortFrom(server, 2)}
			if asker != client && i > 1 {
				want = "" // others know it by several names
			}
			for e.Kind = event.New; e.Kind <= event.Closed; e.Kind++ {
				if got, source := send(e); got != want || (source == "dns") != (want != "") {
					t.Errorf("%v of %v begun at %d: got %q (%s), want %q", e.Kind, asker, e.Start, got, source, want)
				}
			}
			e.Kind, e.App = event.New, &event.App{Host: "sni.example.test", HostSource: event.HostBySNI}
			if got, source := send(e); got != "sni.example.test" || source != "sni" {
				t.Errorf("with a name of its own: got %q (%s)", got, source)
			}
		}
	}
}

// TestHostsBound: a flood of answers pushes out itself before names that connections use.
func TestHostsBound(t *testing.T) {
	h := NewHosts(nil)
	victim, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	h.learn(&event.Answer{Asker: victim, Asked: true, Hosts: []event.HostAddr{{Name: "kept.example.test", Addr: server, TTL: 3600}}}, 0)
	addr := netip.MustParseAddr("2001:db8::")
	for i := range 3 * hostsMax {
		addr = addr.Next()
		h.learn(&event.Answer{Asker: netip.MustParseAddr("10.0.0.66"), Asked: true, Hosts: []event.HostAddr{{Name: "flood.example.test", Addr: addr, TTL: 3600}}}, int64(i))
		if i%1000 == 0 && h.find(victim, server, int64(i)) != "kept.example.test" {
			t.Fatalf("forgotten after %d answers", i)
		}
	}
	if len(h.hosts) > hostsMax || h.index.Len() > hostsMax {
		t.Errorf("%d names, %d indexed, want at most %d", len(h.hosts), h.index.Len(), hostsMax)
	}
	if n := h.Stats().Forgotten; n < 3*hostsMax {
		t.Errorf("%d counted as forgotten", n)
	}
}

func TestHostsAllocs(t *testing.T) {
	h := NewHosts(nil)
	h.few = -1
	client, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	e := event.Event{RemoteServes: true, Local: netip.AddrPortFrom(client, 1), Remote: netip.AddrPortFrom(server, 2)}
	b := &event.Batch{Events: make([]event.Event, 0, 4)}
	if n := testing.AllocsPerRun(1000, func() {
		a := event.NewAnswer()
		a.Asker, a.Asked, a.Hosts = client, true, append(a.Hosts, event.HostAddr{Name: "a.example.test", Addr: server})
		b.Said = append(b.Said[:0], event.Said{Answer: a})
		b.Events = append(b.Events[:0], e, e, e)
		b.Events[0].Kind, b.Events[1].Kind, b.Events[2].Kind = event.New, event.Updated, event.Closed
		defer a.Release()
		h.Batch(b)
	}); n != 0 {
		t.Errorf("a connection allocates %v times, want 0", n)
	}
}

// TestHostsAskedAhead: more of a batch than a list of what to ask for holds, of which some is known.
func TestHostsAskedAhead(t *testing.T) {
	h := NewHosts(nil)
	h.few = -1
	client, addr := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::")
	b := &event.Batch{}
	for i := range 1000 {
		addr = addr.Next()
		a := &event.Answer{Asker: client, Asked: true, Hosts: []event.HostAddr{{Name: fmt.Sprint("host-", i), Addr: addr, TTL: 60}}}
		b.Said = append(b.Said, event.Said{At: i, Answer: a})
		b.Events = append(b.Events, event.Event{Kind: event.New, ID: uint64(i), RemoteServes: true, Local: netip.AddrPortFrom(client, 1), Remote: netip.AddrPortFrom(addr, 2)})
	}
	for range 2 { // before they are known, and then
		h.Batch(b)
		for i := range b.Events {
			if got, want := b.Events[i].RemoteName, fmt.Sprint("host-", i); got != want {
				t.Fatalf("connection %d: got %q, want %q", i, got, want)
			}
		}
	}
}
