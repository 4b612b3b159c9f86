package dpi

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEveryParserEnds holds each line of the table to what inspection may cost: for every way that it has to run (TCP, UDP, neither) there
// is a conversation that it recognises on its own; whatever comes behind it, each direction is looked at for so many bytes and not
// more, little of it is kept, and once that is over a packet allocates nothing.
func TestEveryParserEnds(t *testing.T) {
	random := make([]byte, 16<<10)
	for r, i := rand.New(rand.NewPCG(1, 2)), 0; i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	behind := map[string][]byte{"zeros": make([]byte, 16<<10), "ones": []byte(strings.Repeat("\xff", 16<<10)), "noise": random,
		"lines": []byte(strings.Repeat("word word word\r\n", 1<<10)), "one line": []byte(strings.Repeat("word ", 3<<10))}
	all := append(samples(), recorded(t)...)
	for i := range table {
		p := &table[i]
		in := onlyParser(i)
		ways := map[string]bool{"tcp": p.TCP != nil, "udp": p.UDP != nil, "over": p.Over != nil}
		for way, has := range ways {
			if !has {
				continue
			}
			t.Run(p.Name+" "+way, func(t *testing.T) {
				var s *sample
				for j := range all {
					if o := &all[j]; o.tcp == (way == "tcp") && (o.over != 0) == (way == "over") && (o.over == 0 || o.over == p.Proto) && o.on(in)["app"] != "" {
						s = o
						break
					}
				}
				if s == nil {
					t.Fatal("no sample and no capture that it recognises on its own")
				}
				for name, b := range behind {
					f := s.flow(in)
					seq := [2]uint32{testISN + 1, testISN + 1}
					send := func(side Side, b []byte) (r Result) {
						if !s.tcp {
							return in.Datagram(f, side, b[:min(len(b), 1400)], uint32(min(len(b), 1400)), 1)
						}
						r = in.Segment(f, side, seq[side], false, false, b, uint32(len(b)), 1)
						seq[side] += uint32(len(b))
						return r
					}
					if s.tcp {
						in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
						in.Segment(f, Resp, testISN, true, false, nil, 0, 0)
					}
					for _, m := range s.msgs {
						send(m.side, m.b)
					}
					for sent := 0; !f.finished && sent < int(p.Follow)+2*in.max; sent += 1400 {
						send(Orig, b)
						send(Resp, b)
						if in.total > 2*(in.max+slabMin) {
							t.Fatalf("%s: %d bytes kept of one connection", name, in.total)
						}
					}
					for side := range f.dir {
						// A length that was read is passed over unseen, however long.
						if d := &f.dir[side]; !f.finished && d.skip == 0 && !d.is(dead) {
							t.Errorf("%s: direction %d is still looked at after %d bytes", name, side, d.used)
						}
						if f.dir[side].used > p.Follow+uint32(2*in.max) {
							t.Errorf("%s: %d bytes of direction %d were looked at, want at most %d", name, f.dir[side].used, side, p.Follow)
						}
					}
					if n := testing.AllocsPerRun(50, func() { send(Orig, b); send(Resp, b) }); n != 0 {
						t.Errorf("%s: %v allocations a packet afterwards, want 0", name, n)
					}
					in.Free(f)
					if in.total != 0 {
						t.Fatalf("%s: %d bytes kept at the end", name, in.total)
					}
				}
			})
		}
	}
}
