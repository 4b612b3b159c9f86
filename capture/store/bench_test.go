package store

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rustnet/output/store"
	"rustnet/track/event"
)

// The store of the benchmark is made once: go test -bench Lookup ./capture/store -args -rows 10000000 -kept FILE
var (
	benchRows = flag.Int("rows", 50000, "connections in the store of the benchmark")
	benchFile = flag.String("kept", "", "the store of the benchmark; made where there is none")
)

const benchEnd = 1767225600e9

// connections makes n of them as a busy machine has them: 500 programs, 50 000 hosts, of which some are asked for far more
// often than others, two thirds of it TLS.
func connections(n int, send func([]event.Event)) {
	r := rand.New(rand.NewPCG(1, 1))
	sni, alpn := parserField("sni"), parserField("alpn")
	version, ja3, ja4 := parserField("tls_version"), parserField("ja3"), parserField("ja4")
	query, rcode := parserField("dns_query"), parserField("dns_rcode")
	var procs []*event.Proc
	for i := range 500 {
		procs = append(procs, &event.Proc{PID: uint32(1000 + i), PPID: 1, HasUID: true, UID: uint32(i % 20), User: fmt.Sprintf("user%d", i%20), Name: fmt.Sprintf("program%d", i%100),
			Exe: fmt.Sprintf("/usr/bin/program%d", i%100), Cmdline: fmt.Sprintf("/usr/bin/program%d --worker=%d --config=/etc/program.toml", i%100, i), Parent: "systemd", Source: "ebpf",
			Ancestors: []string{"systemd"}, Cgroup: &event.Cgroup{Path: fmt.Sprintf("/system.slice/program%d.service", i%100), Unit: fmt.Sprintf("program%d.service", i%100)}})
	}
	chunk := make([]event.Event, 0, 256)
	for i := range n {
		host := int(50000 * r.Float64() * r.Float64() * r.Float64())
		name := fmt.Sprintf("host%d.service%d.example", host, host%97)
		start := int64(benchEnd) - int64(n-i)*int64(10*time.Millisecond)
		e := event.Event{Kind: event.Closed, Direction: event.Out, State: event.TimeWait, Reason: event.Fin, RemoteServes: true, Proto: 6, Iface: "eth0", ID: r.Uint64(),
			TS: start + r.Int64N(60e9), Start: start, Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 10}), uint16(32768+r.IntN(28000))),
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(18 + host%2), byte(host >> 8), byte(host)}), 443),
			Tx:     event.Side{Bytes: uint64(r.IntN(5000)), Packets: uint64(r.IntN(30))}, Rx: event.Side{Bytes: uint64(r.IntN(500000)), Packets: uint64(r.IntN(400))},
			RTTMicros: uint32(1000 + r.IntN(80000)), Proc: procs[int(500*r.Float64()*r.Float64())]}
		e.Last = e.TS
		copy(e.History[:], "ShADadFf")
		switch i % 3 {
		case 0:
			e.Proto, e.State, e.Remote = 17, event.Active, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 53}), 53)
			e.App = &event.App{Name: "dns"}
			e.App.SetStr(query, name)
			e.App.SetStr(rcode, "NOERROR")
		default:
			e.App = &event.App{Name: "tls", Host: name, HostSource: event.HostBySNI}
			e.App.SetStr(sni, name)
			e.App.SetList(alpn, []string{"h2", "http/1.1"})
			e.App.SetStr(version, "1.3")
			e.App.SetStr(ja3, "aeb4a42cd7925b343b143434a712dd00")
			e.App.SetStr(ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1")
		}
		if chunk = append(chunk, e); len(chunk) == cap(chunk) || i == n-1 {
			send(chunk)
			chunk = chunk[:0]
		}
	}
}

// parserField finds a field by which parsers set values.
func parserField(name string) *event.AppField {
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	panic("no parser declares " + name)
}

// benchStore makes the store, if it is not there yet, and tells its size and what a row costs to write.
func benchStore(b *testing.B) string {
	path := *benchFile
	if path == "" {
		path = filepath.Join(b.TempDir(), "bench.db")
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	s, err := store.New(path, store.Config{}, schema)
	if err != nil {
		b.Fatal(err)
	}
	in, out := make(chan *event.Batch, 4), make(chan *event.Batch, 4)
	go func() {
		for batch := range out {
			batch.Release()
		}
	}()
	go func() {
		defer close(in)
		connections(*benchRows, func(events []event.Event) {
			batch := event.NewBatch(nil)
			batch.Events = append(batch.Events, events...)
			in <- batch
		})
	}()
	begin := time.Now()
	if err := s.Run(context.Background(), in, out); err != nil || s.Err() != nil {
		b.Fatal(err, s.Err())
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d rows: %d bytes each, written in %v each", *benchRows, info.Size()/int64(*benchRows), time.Since(begin)/time.Duration(*benchRows))
	return path
}

func BenchmarkLookup(b *testing.B) {
	path := benchStore(b)
	for _, q := range []struct {
		name, filter string
		since        time.Duration
	}{
		{"process", `process == "program99"`, 0},
		{"process and more", `process == "program99" && rx_bytes > KB(490)`, 0},
		{"host", `host == "host40000.service36.example"`, 0},
		{"busy host", `host == "host1.service1.example"`, 0},
		{"address", `remote_addr == "198.18.156.64"`, 0},
		{"network", `cidr(remote_addr, "198.18.156.0/24")`, 0},
		{"command line", `cmdline contains "--worker=499 "`, 0},
		{"last minute", ``, time.Minute},
		{"no index", `dns_query == "host40000.service36.example"`, 0},
	} {
		b.Run(q.name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				var cfg Config
				if q.since > 0 {
					cfg.Since = Moment{time.Unix(0, benchEnd).Add(-q.since)}
				}
				s := open(b, path, cfg, false, q.filter)
				found = len(all(b, s))
				s.Close()
			}
			b.ReportMetric(float64(found), "rows")
		})
	}
}
