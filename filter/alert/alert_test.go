package alert

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/track/dpi"
	"rustnet/track/event"
)

var (
	parsers = dpi.Fields()
	schema  = event.NewSchema(parsers)
	begin   = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC).UnixNano()
)

const (
	second = int64(time.Second)
	icmp   = 1
	tcp    = 6
	udp    = 17
	icmp6  = 58
	arp    = 256
)

func field(name string) *event.AppField {
	for _, p := range parsers {
		if p.Name == name {
			return p
		}
	}
	panic(name)
}

// talk is a connection to be made events of.
type talk struct {
	at         float64 // seconds after begin
	program    string
	to         string // address and port
	host       string
	dir        event.Direction
	proto      uint16
	app        string
	query      string // dns
	kind       string
	queries    uint64
	status     uint64
	reason     event.Reason
	tx, rx     uint64
	unanswered bool
	local      string
	icmpType   uint8
	mac        uint64 // of the remote end
	history    string
	middle     bool // it was seen from there on: one segment each way
	rcode      string
	login      string // of ssh, ftp, smtp
}

var ids uint64

// events gives the first and the last event of a connection.
func (k talk) events() []event.Event {
	ids++
	if k.local == "" {
		k.local = "192.168.1.20:40000"
	}
	if k.proto == 0 {
		k.proto = tcp
	}
	if k.dir == 0 {
		k.dir = event.Out
	}
	if k.reason == 0 {
		k.reason = event.Fin
	}
	e := event.Event{Kind: event.New, ID: ids, TS: begin + int64(k.at*1e9), Proto: k.proto, Direction: k.dir, Local: netip.MustParseAddrPort(k.local),
		Remote: netip.MustParseAddrPort(k.to), RemoteServes: true}
	e.Start, e.Last = e.TS, e.TS
	e.RemoteMAC = k.mac
	e.HasICMP, e.ICMPType = k.proto == icmp || k.proto == icmp6, k.icmpType
	if k.program != "" {
		e.Proc = &event.Proc{PID: 100, Name: k.program, Exe: "/usr/bin/" + k.program}
	}
	e.RemoteName, e.NameSource = k.host, event.HostByDNS
	if k.app != "" {
		e.App = &event.App{Name: k.app}
		if k.query != "" {
			e.App.SetStr(field("dns_query"), k.query)
			e.App.SetStr(field("dns_type"), k.kind)
			e.App.SetUint(field("dns_queries"), max(k.queries, 1))
		}
		if k.login != "" {
			e.App.SetStr(field(k.app+"_login"), k.login)
		}
		if k.rcode != "" {
			e.App.SetStr(field("dns_rcode"), k.rcode)
		}
		if k.status != 0 {
			e.App.SetUint(field("http_status"), k.status)
		}
	}
	e.Tx = event.Side{Bytes: 60, Packets: 1, BytesDelta: 60}
	c := e
	c.Kind, c.Reason, c.Last = event.Closed, k.reason, e.TS+1e6
	c.TS = c.Last
	c.Tx = event.Side{Bytes: k.tx + 60, BytesDelta: k.tx, Packets: 4}
	if !k.unanswered {
		c.Rx = event.Side{Bytes: k.rx + 60, BytesDelta: k.rx + 60, Packets: 4}
	}
	copy(c.History[:], k.history)
	if k.middle {
		e.Partial, c.Partial = true, true
		c.Tx, c.Rx = event.Side{Bytes: 40 + k.tx, Packets: 1}, event.Side{Bytes: 40, Packets: 1}
	}
	if k.dir == event.In {
		c.Tx, c.Rx = c.Rx, c.Tx
	}
	return []event.Event{e, c}
}

// many makes n talks of one.
func many(n int, f func(i int) talk) (all []event.Event) {
	for i := range n {
		all = append(all, f(i).events()...)
	}
	return all
}

func stage(t testing.TB, cfg Config) *Stage {
	t.Helper()
	s, err := New(cfg, schema, func(text string) { t.Error(text) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge gives the alerts among what comes out.
func judge(t testing.TB, s *Stage, events []event.Event) (alerts []event.Event) {
	t.Helper()
	in, out := make(chan *event.Batch), make(chan *event.Batch)
	go func() {
		defer close(in)
		for part := range slices.Chunk(events, 7) {
			b := event.NewBatch(nil)
			b.Events = append(b.Events, part...)
			b.Now = part[len(part)-1].TS
			in <- b
		}
	}()
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background(), in, out) }()
	var n int
	for b := range out {
		for _, e := range b.Events {
			if e.Kind == event.Alert {
				alerts = append(alerts, e)
			} else {
				if e.ID != events[n].ID || e.Kind != events[n].Kind {
					t.Fatalf("event %d is another", n)
				}
				n++
			}
		}
	}
	if err := <-done; err != nil || n != len(events) {
		t.Fatalf("%v, %d events of %d", err, n, len(events))
	}
	return alerts
}

func told(alerts []event.Event) string {
	var lines []string
	for i := range alerts {
		v := alerts[i].Verdict
		lines = append(lines, fmt.Sprintf("%s: %s (%d) %v", v.Rule, v.Reason, v.Count, v.Patterns))
	}
	return strings.Join(lines, "\n")
}

// rising makes the updates of a transfer with these rates, in bytes a second; again says how many segments were sent again in each.
func rising(rates []float64, again func(i int) uint32) []event.Event {
	events := talk{program: "curl", to: "198.51.100.7:443", host: "files.example.org"}.events()
	e := events[0]
	var all []event.Event
	for i, r := range rates {
		e.Kind, e.TS, e.Interval = event.Updated, e.TS+second, second
		e.Rx.BytesDelta = uint64(r)
		e.Rx.Bytes += uint64(r)
		e.Rx.Retransmits += again(i)
		all = append(all, e)
	}
	return append(append(events[:1:1], all...), events[1])
}

func flat(n int, rate float64) []float64 { return slices.Repeat([]float64{rate}, n) }

func never(int) uint32 { return 0 }

const data = "mzxw6ytboi4dgnrrg4zdkmbrgq3tsmbs" // 32 characters of base32

// TestDetectors: each finds what it is for, and not what is like it.
func TestDetectors(t *testing.T) {
	for _, tt := range []struct {
		name, detect string
		events       []event.Event
		want         string // "" is no alert
	}{
		{"ports of one host, refused", "port-scan", many(40, func(i int) talk {
			return talk{at: float64(i) / 100, program: "nmap", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Refused}
		}), "port-scan: nmap tried 15 ports of 192.168.1.5 in 140ms in vain, the last tcp 34 (1) [port-scan]"},
		{"ports that do not answer", "port-scan", many(20, func(i int) talk {
			return talk{at: float64(i), program: "nc", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Destroyed, unanswered: true}
		}), "port-scan: nc tried 15 ports of 192.168.1.5 in 14s in vain, the last tcp 34 (1) [port-scan]"},
		{"from outside", "port-scan", many(20, func(i int) talk {
			return talk{at: float64(i) / 10, dir: event.In, local: fmt.Sprintf("192.168.1.20:%d", 100+i), to: "203.0.113.9:55555", reason: event.Refused}
		}), "port-scan: 203.0.113.9 tried 15 ports of 192.168.1.20 in 1.4s in vain, the last tcp 114 (1) [port-scan]"},
		{"one port of many hosts", "port-scan", many(30, func(i int) talk {
			return talk{at: float64(i) / 10, program: "worm", to: fmt.Sprintf("10.0.0.%d:22", i+1), reason: event.Exit, unanswered: true}
		}), "port-scan: worm tried port 22 of 25 addresses in 2.4s in vain, the last 10.0.0.25 (1) [port-scan]"},
		{"by UDP, refused", "port-scan", many(15, func(i int) talk {
			return talk{at: float64(i), proto: udp, program: "nmap", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Refused}
		}), "port-scan: nmap tried 15 ports of 192.168.1.5 in 14s in vain, the last udp 34 (1) [port-scan]"},
		{"four a minute", "port-scan", many(15, func(i int) talk {
			return talk{at: float64(i) * 15, program: "nmap", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Refused}
		}), "port-scan: nmap tried 15 ports of 192.168.1.5 in 3m30s in vain, the last tcp 34 (1) [port-scan]"},
		{"by echo", "port-scan", many(30, func(i int) talk {
			return talk{at: float64(i) / 10, program: "nmap", proto: icmp, icmpType: 8, to: fmt.Sprintf("10.0.0.%d:0", i+1), reason: event.Timeout, unanswered: true}
		}), "port-scan: nmap looked for 25 addresses by icmp in 2.4s in vain, the last 10.0.0.25 (1) [port-scan]"},
		{"by ARP", "port-scan", many(30, func(i int) talk {
			return talk{at: float64(i) / 10, proto: arp, to: fmt.Sprintf("10.0.0.%d:0", i+1), reason: event.Exit, unanswered: true}
		}), "port-scan: 192.168.1.20 looked for 25 addresses by arp in 2.4s in vain, the last 10.0.0.25 (1) [port-scan]"},
		{"ARP of others", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) / 10, dir: event.Forward, proto: arp, to: fmt.Sprintf("10.0.0.%d:0", i+1), reason: event.Timeout, unanswered: true}
		}), ""},
		{"what polls machines, some of which are down", "port-scan", many(800, func(i int) talk {
			return talk{at: float64(i) / 20, program: "prometheus", to: fmt.Sprintf("10.0.0.%d:9100", i%200+1), reason: []event.Reason{event.Fin, event.Timeout}[b2i(i%5 == 0)], unanswered: i%5 == 0}
		}), ""},
		{"errors that are told to many", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) / 10, proto: icmp, icmpType: 3, to: fmt.Sprintf("10.0.0.%d:0", i+1), reason: event.Timeout, unanswered: true}
		}), ""},
		{"with FIN alone", "port-scan", many(20, func(i int) talk {
			return talk{at: float64(i) / 10, dir: event.In, local: fmt.Sprintf("192.168.1.20:%d", 100+i), to: "203.0.113.9:55555", reason: event.Rst, middle: true, history: "Fr"}
		}), "port-scan: 203.0.113.9 tried 15 ports of 192.168.1.20 in 1.4s in vain, the last tcp 114 (1) [port-scan]"},
		{"with ACK or no flag", "port-scan", many(20, func(i int) talk {
			return talk{at: float64(i) / 10, program: "nmap", to: fmt.Sprintf("192.168.1.5:%d", 100+i), reason: event.Rst, middle: true, history: []string{"Ar", "r"}[i%2]}
		}), "port-scan: nmap tried 15 ports of 192.168.1.5 in 1.4s in vain, the last tcp 114 (1) [port-scan]"},
		{"connections that a host forgot", "port-scan", many(80, func(i int) talk {
			return talk{at: float64(i) / 10, program: "mesh", to: fmt.Sprintf("192.168.1.5:%d", 40000+i), reason: event.Rst, middle: true, history: []string{"Ar", "Fr", "Dr", "FAR"}[i%4],
				tx: []uint64{12, 12, 0, 0}[i%4]}
		}), ""},
		{"many ports that answer", "port-scan", many(200, func(i int) talk {
			return talk{at: float64(i) / 100, program: "ftp", to: fmt.Sprintf("192.168.1.5:%d", 20000+i)}
		}), ""},
		{"ports that answered before they fell silent", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) / 100, program: "app", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Timeout}
		}), ""},
		{"slowly", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) * 25, program: "app", to: fmt.Sprintf("192.168.1.5:%d", 20+i), reason: event.Refused}
		}), ""},
		{"one port again and again", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) / 100, program: "app", to: "192.168.1.5:81", reason: event.Refused}
		}), ""},
		{"peers that do not answer UDP", "port-scan", many(100, func(i int) talk {
			return talk{at: float64(i) / 10, proto: udp, program: "torrent", to: fmt.Sprintf("203.0.113.%d:%d", i, 20000+i), reason: event.Timeout, unanswered: true}
		}), ""},

		{"answers that nobody acknowledges", "syn-flood", many(150, func(i int) talk {
			return talk{at: float64(i) / 100, dir: event.In, local: "192.168.1.20:443", to: fmt.Sprintf("203.0.113.%d:4000", i), reason: event.Timeout, unanswered: true, history: "Sht"}
		}), "syn-flood: 100 connections to 192.168.1.20 port 443 were left half open in 990ms, while 0 were whole, by 32 addresses or more, the last 203.0.113.99 (1) [syn-flood]"},
		{"of one address, seen on its way", "syn-flood", many(120, func(i int) talk {
			return talk{at: float64(i) / 100, dir: event.Forward, local: fmt.Sprintf("203.0.113.9:%d", 4000+i), to: "192.168.1.20:80", reason: event.Timeout, history: "Sh"}
		}), "syn-flood: 100 connections to 192.168.1.20 port 80 were left half open in 990ms, while 0 were whole, by one address, the last 203.0.113.9 (1) [syn-flood]"},
		{"a busy server with some lost clients", "syn-flood", many(3000, func(i int) talk {
			return talk{at: float64(i) / 100, dir: event.In, local: "192.168.1.20:443", to: fmt.Sprintf("203.0.113.%d:4000", i%250), history: []string{"Sht", "ShADadFf"}[b2i(i%3 != 0)]}
		}), ""},
		{"checks that reset", "syn-flood", many(3000, func(i int) talk {
			return talk{at: float64(i) / 100, dir: event.In, local: "192.168.1.20:443", to: "10.0.0.9:4000", reason: event.Rst, history: "ShR"}
		}), ""},
		{"a scan that half opens", "syn-flood", many(3000, func(i int) talk {
			return talk{at: float64(i) / 100, dir: event.In, local: fmt.Sprintf("192.168.1.20:%d", i+1), to: "10.0.0.9:4000", reason: event.Timeout, history: "Sh"}
		}), ""},
		{"slowly", "syn-flood", many(1000, func(i int) talk {
			return talk{at: float64(i), dir: event.In, local: "192.168.1.20:443", to: "10.0.0.9:4000", reason: event.Timeout, history: "Sht"}
		}), ""},

		{"of this machine's server", "login-guessing", many(30, func(i int) talk {
			return talk{at: float64(i), dir: event.In, app: "ssh", program: "sshd", local: "192.168.1.20:22", to: fmt.Sprintf("203.0.113.9:%d", 40000+i), login: "tried"}
		}), "login-guessing: 203.0.113.9 could not log in by ssh to 192.168.1.20 port 22: 6 connections in a row in 5s (1) [login-guessing]"},
		{"one try at each of many", "login-guessing", many(30, func(i int) talk {
			return talk{at: float64(i), app: "ftp", program: "hydra", to: fmt.Sprintf("10.0.0.%d:21", i+1), login: "refused"}
		}), "login-guessing: hydra could not log in by ftp to 6 servers, the last 10.0.0.6 port 21: 6 connections in a row in 5s (1) [login-guessing]"},
		{"mail", "login-guessing", many(6, func(i int) talk {
			return talk{at: float64(i), app: []string{"imap", "pop3"}[i%2], program: "hydra", to: "10.0.0.1:143", login: "refused"}
		}), ""}, // three each
		{"mail that is asked for more often", "login-guessing", many(6, func(i int) talk {
			return talk{at: float64(i), app: "imap", program: "hydra", to: "10.0.0.1:143", login: "refused"}
		}), "login-guessing: hydra could not log in by imap to 10.0.0.1 port 143: 6 connections in a row in 5s (1) [login-guessing]"},
		{"pages", "login-guessing", many(30, func(i int) talk {
			return talk{at: float64(i), app: "http", program: "hydra", to: "10.0.0.1:80", status: 401}
		}), "login-guessing: hydra could not log in by http to 10.0.0.1 port 80: 20 connections in a row in 19s (1) [login-guessing]"},
		{"many who know theirs, and mistype", "login-guessing", many(200, func(i int) talk {
			return talk{at: float64(i), dir: event.In, app: "ssh", program: "sshd", local: "192.168.1.20:22", to: "203.0.113.9:40000", login: []string{"tried", "accepted"}[b2i(i%4 == 3)]}
		}), ""},
		{"of one after the other", "login-guessing", many(200, func(i int) talk {
			return talk{at: float64(i), dir: event.In, app: "ssh", program: "sshd", local: "192.168.1.20:22", to: fmt.Sprintf("203.0.113.%d:40000", i+1), login: "tried"}
		}), ""},
		{"now and then", "login-guessing", many(30, func(i int) talk {
			return talk{at: 600 * float64(i), app: "smtp", program: "cron", to: "203.0.113.9:587", login: "refused"}
		}), ""},
		{"other errors", "login-guessing", many(90, func(i int) talk {
			return talk{at: float64(i), app: "http", program: "curl", to: "203.0.113.9:80", status: 404}
		}), ""},

		{"to and fro", "address-conflict", many(6, func(i int) talk {
			return talk{at: 30 * float64(i), proto: arp, dir: event.In, to: "192.168.1.1:0", mac: []uint64{0x02000000000a, 0x02000000000b}[i%2]}
		}), "address-conflict: 192.168.1.1 is claimed by 02:00:00:00:00:0b and 02:00:00:00:00:0a in turn: 2 changes in 30s (1) [address-conflict]"},
		{"machines that follow each other", "address-conflict", many(60, func(i int) talk {
			return talk{at: float64(i), proto: arp, dir: event.In, to: "172.17.0.2:0", mac: 0x02000000000a + uint64(i)}
		}), ""},
		{"a service that moves, and moves back", "address-conflict", many(4, func(i int) talk {
			return talk{at: 3600 * float64(i), proto: arp, dir: event.In, to: "192.168.1.1:0", mac: []uint64{0x02000000000a, 0x02000000000b}[i%2]}
		}), ""},
		{"routers' own", "address-conflict", many(60, func(i int) talk {
			return talk{at: float64(i), proto: arp, dir: event.In, to: "192.168.1.1:0", mac: []uint64{0x02000000000a, 0x00005e00010b, 0x0007b400010b}[i%3]}
		}), ""},
		{"who looks whether it is free", "address-conflict", many(60, func(i int) talk {
			return talk{at: float64(i), proto: arp, dir: event.In, to: "0.0.0.0:0", mac: []uint64{0x02000000000a, 0x02000000000b}[i%2]}
		}), ""},

		{"to and fro in IPv6", "address-conflict", many(6, func(i int) talk {
			return talk{at: 30 * float64(i), proto: icmp6, icmpType: 136, dir: event.In, local: "[ff02::1]:0", to: "[2001:db8::1]:0", mac: []uint64{0x02000000000a, 0x02000000000b}[i%2]}
		}), "address-conflict: 2001:db8::1 is claimed by 02:00:00:00:00:0b and 02:00:00:00:00:0a in turn: 2 changes in 30s (1) [address-conflict]"},
		{"who looks whether it is free in IPv6", "address-conflict", many(60, func(i int) talk {
			return talk{at: float64(i), proto: icmp6, icmpType: 135, dir: event.In, local: "[ff02::1:ff00:1]:0", to: "[::]:0", mac: []uint64{0x02000000000a, 0x02000000000b}[i%2]}
		}), ""},

		{"a router that comes later", "rogue-router", many(30, func(i int) talk {
			k := talk{at: 200 * float64(i), proto: icmp6, icmpType: 134, dir: event.In, local: "[ff02::1]:0", to: "[fe80::1]:0", mac: 0x020000000001}
			if i == 20 {
				k.to, k.mac = "[fe80::bad]:0", 0x020000000bad
			}
			return k
		}), "rogue-router: fe80::bad (02:00:00:00:0b:ad) advertises itself as a router, where fe80::1 does since 1h6m40s (1) [rogue-router]"},
		{"two from the start, and a pair with one address", "rogue-router", many(60, func(i int) talk {
			k := talk{at: 200 * float64(i), proto: icmp6, icmpType: 134, dir: event.In, local: "[ff02::1]:0", to: fmt.Sprintf("[fe80::%d]:0", 1+i%2), mac: 0x020000000001}
			if i > 30 {
				k.to, k.mac = "[fe80::3]:0", 0x00005e000203
			}
			return k
		}), ""},
		{"routers that are nobody's", "rogue-router", many(30, func(i int) talk {
			return talk{at: float64(i) / 10, proto: icmp6, icmpType: 134, dir: event.In, local: "[ff02::1]:0", to: fmt.Sprintf("[fe80::%x]:0", i+1), mac: 0x020000000001 + uint64(i)}
		}), "rogue-router: 8 routers or more advertise themselves within 1m, the last fe80::8 (02:00:00:00:00:08) (1) [rogue-router]"},

		{"datagrams of many", "udp-flood", many(1500, func(i int) talk {
			return talk{at: float64(i) / 500, proto: udp, dir: event.In, local: "192.168.1.20:4000", to: fmt.Sprintf("203.0.%d.%d:4000", i/250, i%250), reason: event.Timeout, unanswered: true}
		}), "udp-flood: 1000 datagrams to 192.168.1.20 port 4000 were each the first of somebody who was not answered, in 2s, while 0 were, by 32 addresses or more, the last 203.0.3.249 (1) [udp-flood]"},
		{"questions that are answered", "udp-flood", many(5000, func(i int) talk {
			return talk{at: float64(i) / 500, proto: udp, app: "dns", to: "203.0.113.1:53", unanswered: i%3 == 0, reason: event.Timeout}
		}), ""},
		{"lines for a log", "udp-flood", many(5000, func(i int) talk {
			return talk{at: float64(i) / 500, proto: udp, app: "syslog", to: "192.168.1.5:514", unanswered: true, reason: event.Timeout}
		}), ""},
		{"peers that are gone", "udp-flood", many(5000, func(i int) talk {
			return talk{at: float64(i) / 500, proto: udp, program: "torrent", to: fmt.Sprintf("203.0.%d.%d:6881", i/250, i%250), unanswered: true, reason: event.Timeout}
		}), ""},
		{"pings of many", "icmp-flood", many(1500, func(i int) talk {
			return talk{at: float64(i) / 500, proto: icmp, icmpType: 8, dir: event.In, local: "192.168.1.20:0", to: fmt.Sprintf("203.0.%d.%d:0", i/250, i%250)}
		}), "icmp-flood: 32 addresses or more pinged 192.168.1.20: 1000 times in 2s, the last 203.0.3.249 (1) [icmp-flood]"},
		{"pings of one who looks after it", "icmp-flood", many(5000, func(i int) talk {
			return talk{at: float64(i) / 500, proto: icmp, icmpType: 8, dir: event.In, local: "192.168.1.20:0", to: "192.168.1.9:0"}
		}), ""},

		{"a ping that brings a page", "icmp-tunnel", talk{proto: icmp, icmpType: 8, program: "ptunnel", to: "203.0.113.9:0", tx: 1100, rx: 1_200_000}.events(),
			"icmp-tunnel: 203.0.113.9 answered echo requests of ptunnel (1.16 kB) with 1.2 MB in 1ms, where answers repeat what was asked (1) [icmp-tunnel]"},
		{"one that comes in", "icmp-tunnel", talk{proto: icmp, icmpType: 8, dir: event.In, to: "203.0.113.9:0", tx: 1100, rx: 1_200_000}.events(),
			"icmp-tunnel: 192.168.1.20 answered echo requests of 203.0.113.9 (1.16 kB) with 1.2 MB in 1ms, where answers repeat what was asked (1) [icmp-tunnel]"},
		{"a flood of pings, some of which are lost", "icmp-tunnel", talk{proto: icmp, icmpType: 8, program: "ping", to: "203.0.113.9:0", tx: 5_000_000, rx: 3_000_000}.events(), ""},
		{"answers of a group", "icmp-tunnel", talk{proto: icmp, icmpType: 8, program: "ping", to: "224.0.0.1:0", tx: 5000, rx: 300_000}.events(), ""},
		{"errors", "icmp-tunnel", talk{proto: icmp, icmpType: 3, to: "203.0.113.9:0", tx: 0, rx: 300_000}.events(), ""},

		{"names that are made up", "nxdomain", many(40, func(i int) talk {
			return talk{at: float64(i) / 2, proto: udp, app: "dns", program: "bot", to: "192.168.1.1:53", query: fmt.Sprintf("xkqzjv%dab.com", i), kind: "A", rcode: []string{"NXDOMAIN", "NOERROR"}[b2i(i%10 == 9)]}
		}), "nxdomain: bot asked for 30 domains in 16s that do not exist, and for 3 that do, the last xkqzjv32ab.com (1) [nxdomain]"},
		{"of a client", "nxdomain", many(31, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "dnsmasq", dir: event.In, local: "192.168.1.1:53", to: "192.168.1.77:40000", query: fmt.Sprintf("www.XKQzjv%dab.CO.uk", i), kind: "A", rcode: "NXDOMAIN"}
		}), "nxdomain: 192.168.1.77 asked for 30 domains in 29s that do not exist, and for 0 that do, the last www.XKQzjv29ab.CO.uk (1) [nxdomain]"},
		{"a resolver with much to do", "nxdomain", many(2000, func(i int) talk {
			return talk{at: float64(i) / 10, proto: udp, app: "dns", program: "unbound", to: "203.0.113.53:53", query: fmt.Sprintf("site%d.com", i), kind: "A", rcode: []string{"NOERROR", "NXDOMAIN"}[b2i(i%3 == 0)]}
		}), ""},
		{"lists, suffixes that are searched, names of the site and of addresses", "nxdomain", many(400, func(i int) talk {
			return talk{at: float64(i) / 10, proto: udp, app: "dns", program: "postfix", to: "192.168.1.1:53", kind: "A", rcode: "NXDOMAIN", query: fmt.Sprintf([]string{"%d.2.0.192.zen.spamhaus.org",
				"www.site%d.com.corp.example.net", "printer%d.lan", "%d.2.0.192.in-addr.arpa", "host%d"}[i%5], i)}
		}), ""},
		{"what does not answer", "nxdomain", many(400, func(i int) talk {
			return talk{at: float64(i) / 10, proto: udp, app: "dns", program: "crawler", to: "192.168.1.1:53", kind: "A", rcode: "SERVFAIL", query: fmt.Sprintf("site%d.com", i)}
		}), ""},

		{"every minute", "beacon", many(20, func(i int) talk {
			return talk{at: 60*float64(i) + float64(i%3), program: "implant", to: "203.0.113.9:443"}
		}), "beacon: implant connects to 203.0.113.9 port 443 every 1m1s, give or take 0s: 12 times (1) [beacon]"},
		{"two connections each time", "beacon", many(40, func(i int) talk {
			return talk{at: 30*float64(i/2) + float64(i%2)/10, program: "implant", to: "203.0.113.9:443", host: "c2.example.net"}
		}), "beacon: implant connects to c2.example.net port 443 every 30s, give or take 0s: 12 times (1) [beacon]"},
		{"when somebody reads", "beacon", many(300, func(i int) talk {
			return talk{at: 1000 * math.Sin(float64(i*i)) * math.Sin(float64(i*i)), program: "browser", to: "203.0.113.9:443"}
		}), ""},
		{"every minute, once late", "beacon", many(12, func(i int) talk {
			return talk{at: 60*float64(i) + 30*float64(i/6), program: "implant", to: "203.0.113.9:443"}
		}), "beacon: implant connects to 203.0.113.9 port 443 every 1m, give or take 0s: 12 times (1) [beacon]"},
		{"every minute, but for each fifth time", "beacon", many(60, func(i int) talk {
			return talk{at: 60*float64(i) + 20*float64(i/5), program: "app", to: "203.0.113.9:443"}
		}), ""},
		{"a burst", "beacon", many(60, func(i int) talk {
			return talk{at: float64(i) / 10, program: "browser", to: "203.0.113.9:443"}
		}), ""},
		{"clocks", "beacon", many(60, func(i int) talk {
			return talk{at: 64 * float64(i), proto: udp, app: "ntp", program: "chronyd", to: "203.0.113.9:123"}
		}), ""},
		{"monitoring inside", "beacon", many(60, func(i int) talk {
			return talk{at: 15 * float64(i), program: "prometheus", to: "10.0.0.9:9100"}
		}), ""},

		{"refused", "failing", many(25, func(i int) talk {
			return talk{at: 2 * float64(i), program: "agent", to: "192.168.1.5:9000", reason: event.Refused}
		}), "failing: agent gets nowhere with 192.168.1.5 tcp 9000: 10 connections in a row in 18s, the last refused (1) [failing]"},
		{"not answered", "failing", many(10, func(i int) talk {
			return talk{at: 60 * float64(i), program: "agent", to: "203.0.113.5:443", host: "dead.example.org", reason: event.Timeout, unanswered: true}
		}), "failing: agent gets nowhere with dead.example.org tcp 443: 10 connections in a row in 9m, the last not answered (1) [failing]"},
		{"a resolver that is gone", "failing", many(10, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", query: "example.org", kind: "A", program: "dig", to: "192.168.1.1:53", reason: event.Timeout, unanswered: true}
		}), "failing: dig gets nowhere with 192.168.1.1 udp 53: 10 connections in a row in 9s, the last not answered (1) [failing]"},
		{"now and then", "failing", many(60, func(i int) talk {
			k := talk{at: float64(i), program: "agent", to: "192.168.1.5:9000"}
			if i%10 != 0 {
				k.reason = event.Refused
			}
			return k
		}), ""},
		{"refused, by UDP", "failing", many(10, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "syslog", program: "logger", to: "192.168.1.5:514", reason: event.Refused, unanswered: true}
		}), "failing: logger gets nowhere with 192.168.1.5 udp 514: 10 connections in a row in 9s, the last refused (1) [failing]"},
		{"answered, and then silent", "failing", many(60, func(i int) talk {
			return talk{at: float64(i), program: "agent", to: "192.168.1.5:9000", reason: []event.Reason{event.Timeout, event.Destroyed}[i%2]}
		}), ""},
		{"twice a day", "failing", many(60, func(i int) talk {
			return talk{at: 43200 * float64(i), program: "agent", to: "192.168.1.5:9000", reason: event.Refused}
		}), ""},
		{"what needs no answer", "failing", many(60, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "syslog", program: "logger", to: "192.168.1.5:514", reason: event.Timeout, unanswered: true}
		}), ""},

		{"names that are data", "dns-tunnel", many(30, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "dnscat", to: "192.168.1.1:53", query: fmt.Sprintf("%s%02d.t.example.com", data, i), kind: "TXT"}
		}), "dns-tunnel: dnscat asked for 20 names below example.com in 19s that look like data, the last TXT mzxw6ytboi4dgnrrg4zdkmbrgq3tsmbs19.t.example.com (1) [dns-tunnel]"},
		{"one connection", "dns-tunnel", many(1, func(int) talk {
			return talk{proto: udp, app: "dns", program: "iodine", to: "192.168.1.1:53", query: "vaaaakat2v.t.example.com", kind: "NULL", queries: 4000, tx: 900_000, rx: 3_000_000}
		}), "dns-tunnel: iodine asked 192.168.1.1 4000 questions of 225 bytes on average, answered with 750, the first about vaaaakat2v.t.example.com (1) [dns-tunnel]"},
		{"one that has just begun", "dns-tunnel", many(1, func(int) talk {
			return talk{proto: udp, app: "dns", program: "iodine", to: "192.168.1.1:53", query: "yrbdqw.t.example.com", kind: "NULL", queries: 52, tx: 13705, rx: 9600}
		}), "dns-tunnel: iodine asked 192.168.1.1 52 questions of 264 bytes on average, answered with 185, the first about yrbdqw.t.example.com (1) [dns-tunnel]"},
		{"one with shorter questions", "dns-tunnel", many(1, func(int) talk {
			return talk{proto: udp, app: "dns", program: "iodine", to: "192.168.1.1:53", query: "yrbdqw.t.example.com", kind: "NULL", queries: 120, tx: 120 * 110, rx: 120 * 100}
		}), "dns-tunnel: iodine asked 192.168.1.1 120 questions of 110 bytes on average, answered with 100, the first about yrbdqw.t.example.com (1) [dns-tunnel]"},
		{"shorter names, of a type that carries what one likes", "dns-tunnel", many(20, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "dnscat", to: "192.168.1.1:53", query: fmt.Sprintf("%s%02d.example.com", data[:18], i), kind: []string{"TXT", "TYPE65399"}[i%2]}
		}), "dns-tunnel: dnscat asked for 20 names below example.com in 19s that look like data, the last TYPE65399 mzxw6ytboi4dgnrrg419.example.com (1) [dns-tunnel]"},
		{"shorter names, of addresses", "dns-tunnel", many(100, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "browser", to: "192.168.1.1:53", query: fmt.Sprintf("%s%02d.example.com", data[:18], i), kind: "A"}
		}), ""},
		{"addresses of IPv6 that somebody looks for", "dns-tunnel", many(1, func(int) talk {
			return talk{proto: udp, app: "dns", program: "logs", to: "192.168.1.1:53", query: "www.example.com", kind: "A", queries: 90, tx: 90 * 130, rx: 9600}
		}), ""},
		{"a delivery network", "dns-tunnel", many(300, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "browser", to: "192.168.1.1:53", query: fmt.Sprintf("r%d---sn-4g5e6nz%d.c.example.com", i%17, i), kind: "A"}
		}), ""},
		{"many questions of one program", "dns-tunnel", many(1, func(int) talk {
			return talk{proto: udp, app: "dns", program: "resolver", to: "192.168.1.1:53", query: "www.example.com", kind: "A", queries: 4000, tx: 280_000, rx: 600_000}
		}), ""},
		{"looking back", "dns-tunnel", many(300, func(i int) talk {
			return talk{at: float64(i), proto: udp, app: "dns", program: "sshd", to: "192.168.1.1:53", query: fmt.Sprintf("%d.7.6.5.4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", i), kind: "PTR"}
		}), ""},

		{"more than ever", "exfiltration", append(many(30, func(i int) talk {
			return talk{at: float64(i), program: "git", to: "203.0.113.9:443", tx: uint64(2000 + 100*i)}
		}), talk{at: 40, program: "git", to: "203.0.113.77:443", tx: 40_000_000}.events()...),
			"exfiltration: git sent 40 MB to 203.0.113.77 and received 60 B, and usually sends less than 25.1 kB by a connection (1) [exfiltration]"},
		{"a program that nobody knows", "exfiltration", append(many(30, func(i int) talk {
			return talk{at: float64(i), program: fmt.Sprint("p", i), to: "203.0.113.9:443", tx: 5000}
		}), talk{at: 40, program: "nc", to: "203.0.113.77:443", tx: 400_000_000}.events()...),
			"exfiltration: nc sent 400 MB to 203.0.113.77 and received 60 B, and usually sends less than 37.4 kB by a connection (1) [exfiltration]"},
		{"one that always does", "exfiltration", many(60, func(i int) talk {
			return talk{at: float64(i), program: "backup", to: "203.0.113.9:443", tx: uint64(10_000_000 * (1 + i%5))}
		}), ""},
		{"more than its own, where others send more", "exfiltration", append(many(60, func(i int) talk {
			return talk{at: float64(i), program: []string{"git", "backup"}[i%2], to: "203.0.113.9:443", tx: []uint64{2000, 90_000_000}[i%2]}
		}), talk{at: 70, program: "git", to: "203.0.113.77:443", tx: 40_000_000}.events()...),
			"exfiltration: git sent 40 MB to 203.0.113.77 and received 60 B, and usually sends less than 15.2 kB by a connection (1) [exfiltration]"},
		{"its own, where others send less", "exfiltration", append(append(many(25, func(i int) talk {
			return talk{at: float64(i), program: "backup", to: "203.0.113.9:443", tx: 40_000_000}
		}), many(3000, func(i int) talk {
			return talk{at: 30 + float64(i)/10, program: "git", to: "203.0.113.9:443", tx: 2000}
		})...), talk{at: 400, program: "backup", to: "203.0.113.9:443", tx: 42_000_000}.events()...), ""},
		{"within the site", "exfiltration", append(many(30, func(i int) talk {
			return talk{at: float64(i), program: "git", to: "10.0.0.9:443", tx: 2000}
		}), talk{at: 40, program: "git", to: "10.0.0.77:443", tx: 40_000_000}.events()...), ""},
		{"before anything is known", "exfiltration", many(1, func(int) talk {
			return talk{program: "git", to: "203.0.113.9:443", tx: 40_000_000}
		}), ""},
		{"in small portions", "exfiltration", append(many(30, func(i int) talk {
			return talk{at: 3600 * float64(i), program: "mail", to: "203.0.113.9:443", tx: 900_000}
		}), many(80, func(i int) talk {
			return talk{at: 3600*30 + float64(i), program: "mail", to: "203.0.113.9:443", tx: 990_000}
		})...), "exfiltration: mail sent 50.5 MB in this hour, the last to 203.0.113.9, and usually sends less than 6.65 MB (1) [exfiltration]"},

		{"a bucket of tokens", "throttled", rising(append(flat(3, 9e6), flat(12, 1e6)...), never),
			"throttled: what curl receives from files.example.org is held to 1 MB/s, after 9 MB/s at first (1) [shaped]"},
		{"a policer", "throttled", rising(flat(12, 2.5e5), func(int) uint32 { return 3 }),
			"throttled: what curl receives from files.example.org is held to 250 kB/s by dropping: in 10 of 10 intervals something was sent again (1) [policed]"},
		{"a pause between", "throttled", rising(slices.Concat(flat(3, 9e6), flat(8, 1e6), flat(1, 100), flat(8, 1e6)), never), ""},
		{"as fast as it goes", "throttled", rising(append([]float64{1e6, 5e6}, flat(30, 12e6)...), func(i int) uint32 { return uint32(b2i(i%5 == 0)) }), ""},
		{"by fits and starts", "throttled", rising([]float64{9e6, 1e6, 3e6, 2e6, 5e6, 1e6, 4e6, 2e6, 1e6, 7e6, 3e6, 1e6, 2e6, 6e6, 1e6, 2e6}, func(int) uint32 { return 1 }), ""},
		{"a server's limit", "throttled", talk{program: "bot", to: "203.0.113.9:80", host: "api.example.org", app: "http", status: 429}.events(),
			"throttled: api.example.org answered bot with 429 Too Many Requests (1) [rate-limited]"},
		{"a server's limit, and no room before", "throttled", func() []event.Event {
			events := talk{program: "bot", to: "203.0.113.9:80", host: "api.example.org", app: "http", status: 429}.events()
			copy(events[0].History[:], "ShADW")
			again := events[0]
			again.Kind = event.Updated
			again.App = nil // its status was not known yet
			return []event.Event{events[0], again, again, events[1]}
		}(), "throttled: api.example.org answered bot with 429 Too Many Requests (1) [zero-window rate-limited]"},
		{"other answers", "throttled", talk{program: "bot", to: "203.0.113.9:80", app: "http", status: 503}.events(), ""},
	} {
		t.Run(tt.detect+": "+tt.name, func(t *testing.T) {
			cfg := Config{Detect: []string{tt.detect}, AlertEvery: 24 * time.Hour, Learned: filepath.Join(t.TempDir(), "learned")}
			if got := told(judge(t, stage(t, cfg), tt.events)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := told(judge(t, stage(t, cfg), tt.events)); got != "" {
				t.Errorf("the next run tells it again: %s", got)
			}
		})
	}
}

// TestSendingLearns: as long as it learns, exfiltration tells nothing.
func TestSendingLearns(t *testing.T) {
	for learn, want := range map[time.Duration]int{0: 1, time.Hour: 0, time.Minute: 1} {
		events := append(many(30, func(i int) talk {
			return talk{at: 3 * float64(i), program: "git", to: "203.0.113.9:443", tx: 2000}
		}), talk{at: 100, program: "git", to: "203.0.113.77:443", tx: 40_000_000}.events()...)
		if got := judge(t, stage(t, Config{Detect: []string{"exfiltration"}, Learn: learn}), events); len(got) != want {
			t.Errorf("learning for %v: got %s, want %d alerts", learn, told(got), want)
		}
	}
}

// TestLogin: what answers to a login mean, by the protocol.
func TestLogin(t *testing.T) {
	s := stage(t, Config{Detect: []string{"login-guessing"}})
	str := func(name, v string) func(*event.App) { return func(a *event.App) { a.SetStr(field(name), v) } }
	num := func(name string, v uint64) func(*event.App) { return func(a *event.App) { a.SetUint(field(name), v) } }
	for _, tc := range []struct {
		app  string
		says []func(*event.App)
		want login
	}{
		{"ssh", []func(*event.App){str("ssh_login", "accepted")}, accepted},
		{"smtp", []func(*event.App){str("smtp_login", "tried")}, refused},
		{"smtp", nil, noLogin},
		{"http", []func(*event.App){num("http_status", 401)}, refused},
		{"http", []func(*event.App){num("http_status", 200), num("http_last_status", 401)}, refused},
		{"http", []func(*event.App){num("http_status", 401), num("http_last_status", 200)}, accepted},
		{"http", nil, noLogin},
		{"mysql", []func(*event.App){num("mysql_error", 1045)}, refused},
		{"mysql", []func(*event.App){num("mysql_error", 1049)}, accepted},
		{"postgresql", []func(*event.App){str("postgresql_error", "28P01")}, refused},
		{"postgresql", []func(*event.App){str("postgresql_error", "28000")}, refused},
		{"postgresql", []func(*event.App){str("postgresql_error", "3D000")}, noLogin},
		{"ldap", []func(*event.App){num("ldap_result", 49)}, refused},
		{"ldap", []func(*event.App){num("ldap_result", 0)}, accepted},
		{"kerberos", []func(*event.App){num("kerberos_error", 6)}, refused},
		{"kerberos", []func(*event.App){num("kerberos_error", 24)}, refused},
		{"kerberos", []func(*event.App){num("kerberos_error", 25)}, noLogin},
		{"kerberos", []func(*event.App){num("kerberos_error", 24), str("kerberos_cipher", "aes256-cts-hmac-sha1-96")}, accepted},
		{"mqtt", []func(*event.App){num("mqtt_connack", 5)}, refused},
		{"mqtt", []func(*event.App){num("mqtt_connack", 0)}, accepted},
		{"tls", nil, noLogin},
	} {
		e := talk{app: tc.app, to: "203.0.113.9:1"}.events()[1]
		for _, set := range tc.says {
			set(e.App)
		}
		s.seen.fill(&e)
		if got := s.seen.login(); got != tc.want {
			t.Errorf("%s %v: got %d, want %d", tc.app, e.App.Values(), got, tc.want)
		}
	}
}

// TestBeaconGoesOn: one that goes on is told of when it has done so twice as often, and anew when it is back after another rhythm.
func TestBeaconGoesOn(t *testing.T) {
	at := func(first, every float64, n int) []event.Event {
		return many(n, func(i int) talk {
			return talk{at: first + every*float64(i), program: "implant", to: "203.0.113.9:443"}
		})
	}
	fits := many(12, func(i int) talk {
		return talk{at: 6000 + 40*float64(i*i), program: "implant", to: "203.0.113.9:443"}
	})
	all := slices.Concat(at(0, 60, 100), fits, at(20000, 60, 12))
	var got []string
	for line := range strings.Lines(told(judge(t, stage(t, Config{Detect: []string{"beacon"}, AlertEvery: time.Second}), all))) {
		_, line, _ = strings.Cut(line, " every ")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{"1m, give or take 0s: 12 times (1) [beacon]", "1m, give or take 0s: 23 times (1) [beacon]", "1m, give or take 0s: 45 times (1) [beacon]",
		"1m, give or take 0s: 89 times (1) [beacon]", "1m, give or take 0s: 12 times (1) [beacon]"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSpan: what people read has no digit less.
func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{1500 * time.Microsecond: "2ms", 30 * time.Second: "30s", time.Minute: "1m", 210 * time.Second: "3m30s", 10 * time.Minute: "10m",
		time.Hour: "1h", 70 * time.Minute: "1h10m", time.Hour + 10*time.Second: "1h0m10s", 20 * time.Hour: "20h"} {
		if got := span(int64(d)); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestLearnedIsNotKept: what cannot be kept at the end is an error; what was learned is kept also where nobody takes the records.
func TestLearnedIsNotKept(t *testing.T) {
	for _, c := range []struct {
		name string
		gone bool // the folder
	}{{"the folder is gone", true}, {"nobody takes the records", false}} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "learned")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "file")
			s := stage(t, Config{Detect: []string{"first-contact"}, Learned: path, Learn: time.Hour})
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.gone {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			in := make(chan *event.Batch, 1)
			b := event.NewBatch(nil)
			b.Events = talk{at: 1, program: "curl", to: "198.51.100.1:443"}.events()
			in <- b
			close(in)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Run(ctx, in, make(chan *event.Batch)); err == nil {
				t.Fatal("somebody took the records")
			}
			after, err := os.Stat(path)
			if c.gone {
				if s.Err() == nil || err == nil {
					t.Errorf("got %v, want an error", s.Err())
				}
			} else if s.Err() != nil || err != nil || after.Size() <= before.Size() {
				t.Errorf("nothing was kept: %v, %v", s.Err(), err)
			}
		})
	}
}

// in gives the events of a connection to a country.
func in(k talk, country string) []event.Event {
	all := k.events()
	for i := range all {
		all[i].About = &event.About{Country: country}
	}
	return all
}

// TestFirstContact: programs are learned, kept in a file, and what is new is told.
func TestFirstContact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned")
	cfg := Config{Detect: []string{"first-contact"}, Learned: path, Learn: time.Hour}
	usual := many(10, func(i int) talk {
		return talk{at: 300 * float64(i), program: "curl", to: fmt.Sprintf("203.0.113.%d:443", i), host: fmt.Sprintf("edge%d.example.org", i)}
	})
	if got := told(judge(t, stage(t, cfg), usual)); got != "" {
		t.Errorf("while learning: %s", got)
	}
	later := slices.Concat(
		talk{at: 7200, program: "curl", to: "203.0.113.77:443", host: "edge77.example.org"}.events(), // known by its domain
		talk{at: 7201, program: "curl", to: "203.0.113.78:443", host: "other.example.net"}.events(),
		talk{at: 7202, program: "curl", to: "203.0.113.78:8443", host: "other.example.net"}.events(),
		talk{at: 7203, program: "curl", to: "198.51.100.1:443"}.events(),
		talk{at: 7204, program: "curl", to: "198.51.100.99:443"}.events(), // its neighbour
		talk{at: 7205, program: "nc", to: "198.51.100.99:4444"}.events(),
		talk{at: 7206, program: "nc", to: "198.51.100.99:5555"}.events(), // now that is learned
		talk{at: 7207, program: "sshd", dir: event.In, local: "192.168.1.20:22", to: "198.51.100.9:50000"}.events(),
		talk{at: 7208, program: "curl", to: "239.1.1.1:443"}.events(),
		in(talk{at: 7208, program: "sshd", dir: event.In, local: "192.168.1.20:22", to: "198.51.100.9:50001"}, "NL"), // that comes from there, and goes nowhere
		in(talk{at: 7208, program: "curl", to: "203.0.113.78:443", host: "other.example.net"}, "NL"),
		in(talk{at: 7208, program: "curl", to: "203.0.113.78:443", host: "other.example.net"}, "NL"),
		talk{at: 7209, local: "10.1.2.3:4000", to: "198.51.100.9:443"}.events(), // nobody answered it
	)
	want := `first-contact: curl talks to other.example.net for the first time (1) [first-contact]
first-contact: curl uses tcp 8443 for the first time (1) [first-contact]
first-contact: curl talks to 198.51.100.1 for the first time (1) [first-contact]
first-contact: nc is seen for the first time: it talks to 198.51.100.99, uses tcp 4444 (1) [first-contact]
first-contact: sshd is seen for the first time: it accepts connections on tcp 22 (1) [first-contact]
first-contact: curl reaches the country NL for the first time (1) [first-contact]`
	if got := told(judge(t, stage(t, cfg), later)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := told(judge(t, stage(t, cfg), later)); got != "" {
		t.Errorf("again: %s", got)
	}
	for name, text := range map[string]string{"other": "hello\n", "later": `{"rustnet_learned":9,"since":1}` + "\n", "broken": `{"rustnet_learned":1,"since":1}` + "\n{\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(cfg, schema, nil); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%s: it was changed", name)
		}
	}
}

// TestToldIsKept: what was told is not told again by the next run, until --alert-every is over; however the run before ended.
func TestToldIsKept(t *testing.T) {
	upload := func(at float64, to string, host string) []event.Event {
		return talk{at: at, program: "curl", to: to, host: host}.events()
	}
	scan := func(at float64, dir event.Direction) []event.Event {
		return many(15, func(i int) talk {
			return talk{at: at + float64(i)/100, program: "nc", dir: dir, to: fmt.Sprintf("10.0.0.9:%d", 1000+i), local: fmt.Sprintf("10.0.0.1:%d", 2000+i),
				reason: event.Refused}
		})
	}
	wide := func(at float64) []event.Event {
		return many(25, func(i int) talk {
			return talk{at: at + float64(i)/100, program: "nc", to: fmt.Sprintf("10.0.1.%d:22", i), reason: event.Refused}
		})
	}
	tunnel := func(at float64) []event.Event {
		return many(20, func(i int) talk {
			return talk{at: at + float64(i), program: "iodine", proto: udp, app: "dns", to: "192.168.1.1:53", query: fmt.Sprintf("%s%d.t.example.org", data, i), kind: "TXT"}
		})
	}
	at := func(from float64) []event.Event {
		return slices.Concat(upload(from, "198.51.100.7:443", "files.example.org"), upload(from+1, "198.51.100.8:443", ""), upload(from+2, "[2001:db8::8]:443", "198.51.100.9"),
			scan(from+3, event.Out), scan(from+6, event.In), wide(from+9), tunnel(from+12))
	}
	for _, killed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "learned")
		cfg := Config{Alert: map[string]string{"curls": `process == "curl"`}, Detect: []string{"port-scan", "dns-tunnel"},
			AlertEvery: 5 * time.Minute, Learned: path, Learn: 0}
		first := stage(t, cfg)
		var alerts []event.Event
		if killed {
			b := event.NewBatch(nil)
			b.Events = at(0)
			b = first.batch(b)
			if err := first.known.noteTold(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(`{"told":"curls","prog`) // it was killed meanwhile
			f.Close()
			for _, e := range b.Events {
				if e.Kind == event.Alert {
					alerts = append(alerts, e)
				}
			}
			first.known.release()
		} else {
			alerts = judge(t, first, at(0))
		}
		if len(alerts) != 7 {
			t.Fatalf("killed %v: the first run told\n%s", killed, told(alerts))
		}
		if got := told(judge(t, stage(t, cfg), at(120))); got != "" {
			t.Errorf("killed %v: the second run told\n%s", killed, got)
		}
		if got := judge(t, stage(t, cfg), at(600)); len(got) != 7 || got[0].Verdict.Count != 2 {
			t.Errorf("killed %v: the third run told\n%s", killed, told(got))
		}
		others := cfg
		others.Alert, others.Detect = map[string]string{"other": "true"}, nil
		if got := judge(t, stage(t, others), upload(610, "198.51.100.7:443", "files.example.org")); len(got) != 1 {
			t.Errorf("killed %v: another rule told\n%s", killed, told(got))
		}
		if got := told(judge(t, stage(t, cfg), upload(620, "198.51.100.7:443", "files.example.org"))); got != "" {
			t.Errorf("killed %v: after another rule's run it told\n%s", killed, got)
		}
		if got := judge(t, stage(t, cfg), upload(-90000, "198.51.100.7:443", "files.example.org")); len(got) != 1 {
			t.Errorf("killed %v: of what was long before it told\n%s", killed, told(got))
		}
	}
}

// TestLearnedIsOneRuns: two runs would each put away what the other has learned.
func TestLearnedIsOneRuns(t *testing.T) {
	if !locks {
		t.Skip("open files have no locks here")
	}
	cfg := Config{Alert: map[string]string{"x": "true"}, Learned: filepath.Join(t.TempDir(), "learned")}
	s := stage(t, cfg)
	again := func() error {
		other, err := New(cfg, schema, nil)
		if err == nil {
			other.known.release()
		}
		return err
	}
	if err := again(); err == nil || !strings.Contains(err.Error(), "another rustnet is using it") {
		t.Errorf("while it is used: %v", err)
	}
	s.known.dirty = true
	if err := s.known.save(); err != nil {
		t.Fatal(err)
	}
	if err := again(); err == nil {
		t.Error("once it was replaced it was taken twice")
	}
	judge(t, s, nil)
	if err := again(); err != nil {
		t.Errorf("when the run is over: %v", err)
	}
}

// TestToldIsBounded: what is added to the file while it is not replaced.
func TestToldIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned")
	s := stage(t, Config{Alert: map[string]string{"x": "true"}, Learned: path})
	for round := range 5 {
		b := event.NewBatch(nil)
		for i := range pairsMax / 2 {
			b.Events = append(b.Events, talk{at: float64(round), program: "nc", to: fmt.Sprintf("198.51.%d.%d:%d", i>>8, i&255, 1000+round)}.events()[0])
		}
		s.batch(b)
		if err := s.known.noteTold(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 2*pairsMax+1 || s.made.Load() != 5*pairsMax/2 {
		t.Errorf("%d lines after %d alerts", n, s.made.Load())
	}
	// where it cannot be kept at the moment: that is said once, nothing piles up, and later it is there
	gone := filepath.Dir(path)
	if err := os.Rename(gone, gone+".away"); err != nil {
		t.Fatal(err)
	}
	said := 0
	for i := range 3 {
		b := event.NewBatch(nil)
		b.Events = talk{at: 10, program: "nc", to: fmt.Sprintf("203.0.113.%d:80", i)}.events()
		s.batch(b)
		if err := s.known.noteTold(); err != nil {
			said++
		}
		if len(s.known.lines) > 0 {
			t.Errorf("%d bytes wait to be added", len(s.known.lines))
		}
	}
	if said != 1 {
		t.Errorf("said %d times that it cannot be kept", said)
	}
	if err := os.Rename(gone+".away", gone); err != nil {
		t.Fatal(err)
	}
	if err := s.known.close(); err != nil {
		t.Error(err)
	}
	if text, err = os.ReadFile(path); err != nil || strings.Count(string(text), "203.0.113.") != 3 {
		t.Errorf("%v, %d of 3 are kept", err, strings.Count(string(text), "203.0.113."))
	}
}

// TestRules: once for each connection, throttled by program and remote end, and counted.
func TestRules(t *testing.T) {
	s := stage(t, Config{Alert: map[string]string{"big ": " tx_bytes > 1000", "web": `remote_port == 443 && app == ""`}, AlertEvery: time.Minute})
	got := told(judge(t, s, many(4, func(i int) talk {
		return talk{at: 25 * float64(i), program: "curl", to: "203.0.113.9:443", tx: 5000}
	})))
	want := `web: curl with 203.0.113.9 port 443 (1) []
big: curl with 203.0.113.9 port 443: tx_bytes 5060 (1) []
web: curl with 203.0.113.9 port 443 (3) []
big: curl with 203.0.113.9 port 443: tx_bytes 5060 (3) []`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := s.Report(); r != "4 alerts (2 big, 2 web), 4 held back by --alert-every" {
		t.Errorf("report: %s", r)
	}
}

// TestAlertIsARecord: it has all that the connection has, and nothing that would count twice.
func TestAlertIsARecord(t *testing.T) {
	events := talk{program: "curl", to: "203.0.113.9:443", tx: 5000}.events()
	a := judge(t, stage(t, Config{Alert: map[string]string{"big": "tx_bytes > 1000"}}), events)
	if len(a) != 1 {
		t.Fatal(told(a))
	}
	e := a[0]
	if e.ID != events[1].ID || e.Tx.Bytes != events[1].Tx.Bytes || e.Tx.BytesDelta != 0 || e.Rx.BytesDelta != 0 || e.Interval != 0 || e.Proc == nil || e.TS != events[1].TS {
		t.Errorf("%+v", e)
	}
}

// TestStored: records that are read back are judged alike.
func TestStored(t *testing.T) {
	stored := schema.Stored()
	s, err := New(Config{Alert: map[string]string{"big": "tx_bytes > 1000"}, Detect: []string{"failing", "throttled"}, AlertEvery: time.Hour}, stored, nil)
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	for _, e := range append(many(10, func(i int) talk {
		return talk{at: float64(i), program: "curl", to: "203.0.113.9:443", tx: 5000, reason: event.Refused}
	}), talk{at: 11, program: "bot", to: "203.0.113.9:80", app: "http", status: 429}.events()...) {
		events = append(events, readBack(stored, &e))
	}
	got := ""
	for _, e := range judgeStored(t, s, events) {
		n, _ := stored.Lookup("alert_count").Uint(&e)
		delta, _ := stored.Lookup("tx_bytes_delta").Uint(&e)
		got += fmt.Sprintf("%s %s: %s %d %v %d\n", stored.Lookup("event").Str(&e), stored.Lookup("alert").Str(&e), stored.Lookup("alert_reason").Str(&e), n, stored.Lookup("pattern").List(&e), delta)
	}
	want := `alert big: curl with 203.0.113.9 port 443: tx_bytes 5060 1 [] 0
alert failing: curl gets nowhere with 203.0.113.9 tcp 443: 10 connections in a row in 9s, the last refused 1 [failing] 0
alert throttled: 203.0.113.9 answered bot with 429 Too Many Requests 1 [rate-limited] 0
`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// readBack is a record as a file or a store gives it back.
func readBack(stored *event.Schema, e *event.Event) event.Event {
	r := event.NewStored(stored)
	for _, f := range schema.Fields {
		r.Copy(stored.Lookup(f.Name), f, e)
	}
	return event.Event{Kind: e.Kind, Stored: r}
}

// TestStoredEnds: what is kept may have one record of each connection, its latest.
func TestStoredEnds(t *testing.T) {
	stored := schema.Stored()
	for _, kinds := range [][]event.Kind{{event.Closed}, {event.New, event.Closed}} {
		s, err := New(Config{Detect: []string{"beacon", "first-contact"}, AlertEvery: time.Hour}, stored, nil)
		if err != nil {
			t.Fatal(err)
		}
		var events []event.Event
		for _, e := range many(13, func(i int) talk { return talk{at: 60 * float64(i), program: "implant", to: "203.0.113.9:443"} }) {
			if !slices.Contains(kinds, e.Kind) {
				continue
			}
			events = append(events, readBack(stored, &e))
		}
		got := ""
		for _, e := range judgeStored(t, s, events) {
			got += stored.Lookup("alert_reason").Str(&e) + "\n"
		}
		want := "implant is seen for the first time: it talks to 203.0.113.9, uses tcp 443\nimplant connects to 203.0.113.9 port 443 every 1m, give or take 0s: 12 times\n"
		if got != want {
			t.Errorf("%v: got  %swant %s", kinds, got, want)
		}
	}
}

func judgeStored(t *testing.T, s *Stage, events []event.Event) (alerts []event.Event) {
	for _, e := range events {
		b := event.NewBatch(nil)
		b.Events = append(b.Events, e)
		for _, e := range s.batch(b).Events {
			if e.Kind == event.Alert {
				alerts = append(alerts, e)
			}
		}
	}
	return alerts
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Alert: map[string]string{"process ": "= 'nc'"}}, "NAME=EXPR"},
		{Config{Alert: map[string]string{"a b": "true"}}, "NAME=EXPR"},
		{Config{Alert: map[string]string{"x": "prcess == 'nc'"}}, `did you mean "process"`},
		{Config{Alert: map[string]string{"beacon": "true"}, Detect: []string{"beacon"}}, "detector's name"},
		{Config{Detect: []string{"beacn"}}, `did you mean "beacon"`},
		{Config{Learned: "x"}, "--alert and --detect"},
		{Config{Learned: "/nonexistent/x", Detect: []string{"all"}}, "/nonexistent/x"},
	} {
		if _, err := New(tt.cfg, schema, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %s", tt.cfg, err, tt.want)
		}
	}
	if s, err := New(Config{}, schema, nil); s != nil || err != nil || s.Report() != "" {
		t.Errorf("without rules: %v, %v", s, err)
	}
}

// ordinary makes an hour of what a desk and a server do: reading, polling, mail, clocks, names, backups, refusals.
func ordinary(seed uint64, from float64) (all []event.Event) {
	r := rand.New(rand.NewPCG(seed, 1))
	type timed struct {
		at     float64
		events []event.Event
	}
	var talks []timed
	add := func(k talk) {
		k.at += from
		talks = append(talks, timed{k.at, k.events()})
	}
	site := func(i int) (string, string) {
		return fmt.Sprintf("203.0.%d.%d:443", 112+i%3, i%250+1), fmt.Sprintf("www%d.site%d.example", i%3, i%40)
	}
	amount := func(mean float64) uint64 { return uint64(mean * math.Exp(r.NormFloat64())) }
	for at := 0.0; at < 3600; at += r.ExpFloat64() * 8 { // pages: a burst of connections each
		page := r.IntN(120)
		for range 1 + r.IntN(12) {
			to, host := site(page + r.IntN(8))
			at := at + r.Float64()*2
			add(talk{at: at - 0.05, proto: udp, app: "dns", program: "resolved", to: "192.168.1.1:53", query: host, kind: "A", rx: 120})
			k := talk{at: at, program: "firefox", to: to, host: host, tx: amount(4000), rx: amount(60000)}
			if r.IntN(50) == 0 {
				k.reason, k.unanswered = event.Timeout, true
			}
			add(k)
		}
	}
	for at := 0.0; at < 3600; at += 64 { // clocks, and what asks at its own times, not quite regularly
		add(talk{at: at, proto: udp, app: "ntp", program: "chronyd", to: "203.0.113.250:123"})
		add(talk{at: at + r.Float64()*40, program: "thunderbird", to: "203.0.113.200:993", host: "imap.example.org", tx: amount(3000), rx: amount(9000)})
	}
	for at := 0.0; at < 3600; at += 15 { // monitoring inside
		add(talk{at: at, program: "prometheus", to: "10.0.0.9:9100", tx: 400, rx: 50000})
	}
	for i := range 60 { // the internet knocks
		add(talk{at: r.Float64() * 3600, dir: event.In, to: fmt.Sprintf("198.51.100.%d:40000", i%200), local: fmt.Sprintf("192.168.1.20:%d", []int{22, 23, 80, 445, 3389}[r.IntN(5)]), reason: event.Refused})
	}
	for i := range 400 { // a server
		add(talk{at: r.Float64() * 3600, dir: event.In, program: "nginx", to: fmt.Sprintf("198.51.100.%d:50000", i%250), local: "192.168.1.20:443", tx: amount(200000), rx: amount(2000)})
	}
	for range 40 { // pushes and uploads, now and then a large one
		add(talk{at: r.Float64() * 3600, program: "git", to: "203.0.113.90:22", host: "git.example.org", tx: amount(30000), rx: amount(4000)})
		add(talk{at: r.Float64() * 3600, program: "restic", to: "203.0.113.91:443", host: "backup.example.org", tx: amount(2e7), rx: amount(4000)})
	}
	for i := range 300 { // a delivery network's names, and texts that mail servers ask for
		add(talk{at: r.Float64() * 3600, proto: udp, app: "dns", program: "resolved", to: "192.168.1.1:53", query: fmt.Sprintf("a%d-%x.deploy.static.cdn.example", i, r.Uint32()), kind: "AAAA", rx: 100})
		add(talk{at: r.Float64() * 3600, proto: udp, app: "dns", program: "postfix", to: "192.168.1.1:53", query: fmt.Sprintf("selector%d._domainkey.firm%d.example", i%3, i), kind: "TXT", rx: 500})
	}
	slices.SortStableFunc(talks, func(a, b timed) int { return int(1e6 * (a.at - b.at)) })
	for _, k := range talks {
		all = append(all, k.events...)
	}
	return all
}

// TestQuietHours: ordinary hours give no alert, once the habits are learned.
func TestQuietHours(t *testing.T) {
	for seed := range uint64(3) {
		s := stage(t, Config{Detect: []string{"all"}, Learn: time.Hour})
		var all []event.Event
		for hour := range 3 {
			all = append(all, ordinary(seed, float64(hour)*3600)...)
		}
		if len(all) < 10000 {
			t.Fatalf("only %d events", len(all))
		}
		if got := told(judge(t, s, all)); got != "" {
			t.Errorf("seed %d: %s", seed, got)
		}
	}
}

// TestForgets: what was not asked for for longest makes room, and leaves nothing to what comes in its place.
func TestForgets(t *testing.T) {
	for _, tc := range []struct {
		max  int
		asks string // keys
		want string // the values found; each asking adds one
	}{
		{2, "a b a b", "0 0 1 1"},
		{2, "a b c a", "0 0 0 0"},
		{2, "a b a c a b", "0 0 1 0 2 0"},
		{3, "a b c a d b c", "0 0 0 1 0 0 0"},
		{3, "a b c b d c a b", "0 0 0 1 0 1 0 0"},
		{1, "a a b a", "0 1 0 0"},
	} {
		l := newLRU[int](tc.max)
		var got []string
		for _, key := range strings.Fields(tc.asks) {
			peeked := l.peek(uint64(key[0]))
			v, fresh := l.get(uint64(key[0]))
			if fresh != (peeked == nil) || peeked != nil && *peeked != *v || len(l.at) > tc.max || len(l.slots) > tc.max {
				t.Errorf("%d: %s of %q: got %d, new %v, was %v; %d are kept", tc.max, key, tc.asks, *v, fresh, peeked, len(l.at))
			}
			got = append(got, fmt.Sprint(*v))
			*v++
		}
		if got := strings.Join(got, " "); got != tc.want {
			t.Errorf("%d: %q gives %q, want %q", tc.max, tc.asks, got, tc.want)
		}
		n := 0
		l.oldestFirst(func(*int) { n++ })
		if n != len(l.at) {
			t.Errorf("%d: %q: %d are in order, %d are kept", tc.max, tc.asks, n, len(l.at))
		}
	}
}

// TestBounded: whatever comes, memory has an end.
func TestBounded(t *testing.T) {
	s := stage(t, Config{Detect: []string{"all"}, Alert: map[string]string{"x": "tx_bytes > 1e9"}})
	r := rand.New(rand.NewPCG(1, 2))
	var b [4]byte
	for range connsMax + 5000 {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		e := talk{program: "", to: "203.0.113.9:80", reason: event.Refused}.events()
		for i := range e {
			e[i].Remote = netip.AddrPortFrom(netip.AddrFrom4(b), uint16(r.Uint32()))
			e[i].Local = netip.AddrPortFrom(netip.AddrFrom4(b), uint16(r.Uint32()))
			s.judge(&e[i])
		}
		s.alerts = s.alerts[:0]
	}
	for name, n := range map[string][2]int{"habits": {len(s.known.habits.at), habitsMax}, "told": {len(s.known.told.at), pairsMax}, "once": {len(s.once.at), 2 * connsMax}, "patterns": {len(s.patterns.at), connsMax}} {
		if n[0] > n[1] {
			t.Errorf("%s: %d, want at most %d", name, n[0], n[1])
		}
	}
	if s.known.habits.forgotten == 0 {
		t.Error("nothing was forgotten, so nothing was tested")
	}
}

// TestAllocations: where nothing fires, judging costs none.
func TestAllocations(t *testing.T) {
	s := stage(t, Config{Detect: []string{"all"}, Learn: time.Hour, Alert: map[string]string{"x": "tx_bytes > GB(1)", "y": `app == "dns" && dns_type == "TXT"`}})
	events := slices.Concat(talk{program: "curl", to: "203.0.113.9:443", host: "www.example.org"}.events(),
		talk{program: "dig", proto: udp, app: "dns", to: "192.168.1.1:53", query: "www.example.org", kind: "A"}.events(),
		talk{to: "203.0.113.10:443", dir: event.In}.events(), rising(flat(3, 1e6), never))
	for i := range events {
		s.judge(&events[i])
	}
	for i := range events {
		e := &events[i]
		if n := testing.AllocsPerRun(200, func() {
			e.Verdict = nil
			s.judge(e)
		}); n != 0 {
			t.Errorf("event %d (%v): %v allocations", i, e.Kind, n)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	s, err := New(Config{Detect: []string{"all"}}, schema, nil)
	if err != nil {
		b.Fatal(err)
	}
	events := ordinary(1, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.judge(&events[i%len(events)])
		s.alerts = s.alerts[:0]
	}
}

// FuzzLearned: what a file says is taken or refused, and what was taken is written again as it was.
func FuzzLearned(f *testing.F) {
	f.Add([]byte(`{"rustnet_learned":1,"since":5}` + "\n" + `{"habit":"port","program":"/usr/bin/curl","value":"tcp 443","first":1,"last":2}` + "\n" +
		`{"habit":"connection","program":"*","first":1,"last":2,"n":30,"mean":8.5,"m2":3.25}` + "\n" + `{"habit":"host","program":"192.0.2.1","value":"203.0.113.0/24","first":1,"last":2}` + "\n"))
	f.Add([]byte(`{"rustnet_learned":2,"since":0}` + "\n" + `{"told":"upload","program":"/usr/bin/curl","host":"example.org","last":7,"held":2}` + "\n" +
		`{"told":"port-scan","program":"192.0.2.1","port":22,"what":"tcp","last":8}` + "\n" + `{"told":"x","address":"2001:db8::1","last":9}` + "\n" + `{"told":"ha`))
	f.Add([]byte("{}\n"))
	n := stage(f, Config{Detect: []string{"beacon"}}).seen.names
	f.Fuzz(func(t *testing.T, text []byte) {
		k := newKnowledge(n)
		if k.read(strings.NewReader(string(text))) != nil {
			return
		}
		var once, twice strings.Builder
		if err := k.write(&once); err != nil {
			t.Fatal(err)
		}
		again := newKnowledge(n)
		if err := again.read(strings.NewReader(once.String())); err != nil {
			t.Fatalf("%v of %s", err, once.String())
		}
		if err := again.write(&twice); err != nil || once.String() != twice.String() {
			t.Fatalf("%v\n%s\n%s", err, once.String(), twice.String())
		}
	})
}
