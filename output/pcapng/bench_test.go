package pcapng

import (
	"context"
	"math/rand/v2"
	"testing"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// BenchmarkKeep is what a packet costs on its way into the file, or into the buffer and out of it where its connection is
// filtered out, in batches of 256 of some hundred connections.
func BenchmarkKeep(b *testing.B) {
	for name, pass := range map[string]bool{"wanted": true, "unwanted": false} {
		b.Run(name, func(b *testing.B) {
			k, err := New(Config{File: "/dev/null", Live: false}, testSchema, func(s string) { b.Error(s) })
			if err != nil {
				b.Fatal(err)
			}
			k.writer.start(context.Background())
			const conns = 100
			var es event.Batch
			for id := range uint64(conns) {
				e := event.Event{Kind: event.New, ID: id + 1, Proc: &event.Proc{PID: uint32(id) + 100, Name: "curl", Exe: "/usr/bin/curl", Source: "ebpf"}}
				if pass {
					es.Events = append(es.Events, e)
				} else {
					es.RuledOut = append(es.RuledOut, event.Ruling{ID: e.ID, Kind: e.Kind})
				}
			}
			k.buffer.judge(&es)
			p := batchOf(256, 350, func(i int) uint64 { return uint64(i%conns) + 1 })
			b.SetBytes(350)
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(p.Packets) {
				k.buffer.take(p)
			}
			k.buffer.finish()
			if err := k.writer.close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// batchOf makes a batch of packets of so many bytes; of gives the connection of each.
func batchOf(packets, size int, of func(i int) uint64) *decode.Packets {
	p := &decode.Packets{First: 1, Frames: &capture.Frames{}}
	iface := &capture.Interface{Name: "eth0", Index: 2, Link: capture.LinkEthernet}
	for i := range packets {
		data := make([]byte, size)
		for at := range data {
			data[at] = byte(rand.Uint32())
		}
		p.Frames.Frames = append(p.Frames.Frames, capture.Frame{Data: data, TS: 1e18 + int64(i), Len: uint32(size), Link: iface.Link, Dir: capture.DirOut, Iface: iface})
		p.Packets = append(p.Packets, decode.Packet{Frame: uint64(i) + 1})
		p.Labels = append(p.Labels, decode.Label{ID: of(i)})
	}
	return p
}
