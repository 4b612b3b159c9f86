package track

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"rustnet/capture/decode"
)

// TestSCTP: an association ends when its chunks say so.
func TestSCTP(t *testing.T) {
	type packet struct {
		ms    int64
		back  bool
		tag   uint32
		chunk []byte
	}
	chunk := func(kind, flags byte, tag uint32) []byte {
		b := []byte{kind, flags, 0, 20, 19: 0}
		binary.BigEndian.PutUint32(b[4:], tag)
		return b
	}
	const data, initiate, shutdown, cookie = 0, chunkInit, 7, 10
	begin := []packet{{0, false, 0, chunk(initiate, 0, 7)}, {1, true, 7, chunk(chunkInitACK, 0, 9)}, {2, false, 9, append(chunk(cookie, 0, 0), chunk(data, 3, 0)...)}}
	for _, c := range []struct {
		name, want string
		packets    []packet
	}{
		{"in order", `
			new 0s ACTIVE Dd 3/300 2/200
			closed 7ms ACTIVE Dd 3/300 2/200 fin`,
			append(begin[:3:3], packet{6, true, 7, chunk(8, 0, 0)}, packet{7, false, 9, chunk(chunkShutdownComplete, 0, 0)})},
		{"aborted, behind another chunk", `
			new 0s ACTIVE Dd 2/200 2/200
			closed 5ms ACTIVE Dd 2/200 2/200 rst`,
			append(begin[:3:3], packet{5, true, 7, append(chunk(3, 0, 0), chunk(chunkAbort, 0, 0)...)})},
		{"aborted by one who knows only the tag he was sent", `
			new 0s ACTIVE Dd 2/200 2/200
			closed 5ms ACTIVE Dd 2/200 2/200 rst`,
			append(begin[:3:3], packet{5, true, 9, chunk(chunkAbort, 1, 0)})},
		{"refused", `
			new 0s ACTIVE Dd 1/100 1/100
			closed 1ms ACTIVE Dd 1/100 1/100 refused`,
			append(begin[:1:1], packet{1, true, 7, chunk(chunkAbort, 0, 0)})},
		{"a forged end", `
			new 0s ACTIVE Dd 3/300 2/200
			closed 6ms ACTIVE Dd 3/300 2/200 exit`,
			append(begin[:3:3], packet{5, true, 1, chunk(chunkAbort, 0, 0)}, packet{6, false, 9, chunk(data, 3, 0)})},
		{"what comes after the end, and a new one", `
			new 0s ACTIVE Dd 1/100 1/100
			closed 1ms ACTIVE Dd 1/100 1/100 refused
			new 2s ACTIVE D 1/100 0/0
			closed 2s ACTIVE D 1/100 0/0 exit`,
			append(begin[:1:1], packet{1, true, 7, chunk(chunkAbort, 0, 0)}, packet{1000, true, 7, chunk(8, 0, 0)}, packet{2000, false, 0, chunk(initiate, 0, 3)})},
		{"start not seen", `
			new 1ms ACTIVE dD 1/100 1/100 partial
			closed 2ms ACTIVE dD 1/100 1/100 partial exit`,
			begin[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ps []decode.Packet
			for i, q := range c.packets {
				p := decode.Packet{TS: epoch + q.ms*1e6, Frame: uint64(i + 1), Frames: 1, IPVersion: 4, Iface: eth0, Proto: decode.SCTP, IPLen: 100,
					Src: client, Dst: server, SrcPort: 3000, DstPort: 4000, Seq: q.tag, Payload: q.chunk, PayloadLen: uint32(len(q.chunk))}
				if q.back {
					p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
				}
				p.Clock = p.TS
				ps = append(ps, p)
			}
			es, _ := run(t, testConfig(), ps, 3)
			var got []string
			for i := range es {
				got = append(got, describe(&es[i]))
			}
			want := strings.Split(strings.TrimSpace(strings.ReplaceAll(c.want, "\t", "")), "\n")
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			checkContract(t, es)
		})
	}
}

// TestSCTPCut: no prefix of its chunks is too short.
func TestSCTPCut(t *testing.T) {
	whole := []byte{3, 0, 0, 5, 1, 0, 0, 0, chunkInit, 0, 0, 8, 1, 2, 3, 4, 9, 0, 0, 0}
	for n := range len(whole) + 1 {
		c := conn{}
		c.sctpEnd(&decode.Packet{Payload: whole[:n:n]}, 0)
	}
}
