package dpi

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// TestRuledOut holds that what the table says of the first bytes rules nothing out that a parser would look at: it says no to each of
// them itself, whatever else its bytes are like. Those are the project's conversations, their first bytes changed.
func TestRuledOut(t *testing.T) {
	in := newInspector(Config{})
	var texts [][]byte // how directions begin
	seen := map[string]bool{}
	for _, s := range append(samples(), recorded(t)...) {
		var begun [2]bool
		for _, m := range s.msgs {
			b := m.b[:min(len(m.b), 200)]
			if len(b) >= 8 && !begun[m.side] && !seen[string(b)] {
				texts = append(texts, b)
				seen[string(b)] = true
			}
			begun[m.side] = true
		}
	}
	if len(texts) < 500 {
		t.Fatalf("only %d beginnings of directions", len(texts))
	}
	asked := 0
	refuses := func(t *testing.T, i, over int, b []byte) {
		for side := Orig; side <= Resp; side++ {
			if table[i].Asked && side == Resp {
				continue
			}
			for _, other := range [][]byte{nil, []byte("+OK\r\n"), []byte("GET a\r\n")} {
				f := in.NewFlow(over == overTCP, 40000, table[i].Ports[0])
				f.dir[side].flags |= whole
				in.begin(f, side, 1)
				in.call.view[side].b, in.call.view[1-side].b = b, other
				if got := in.parse[over][i](&in.call); got != no {
					t.Fatalf("side %d, %q (other side %q): got %d, want no", side, b, other, got)
				}
				in.Free(f)
				asked++
			}
		}
	}
	for i := range table {
		p := &table[i]
		for over, gate := range map[int]uint64{overUDP: p.UDPZeros, overTCP: p.TCPZeros} {
			for bit := range 64 {
				if gate>>bit&1 == 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s %d bit %d", p.Name, over, bit), func(t *testing.T) {
					for _, b := range texts {
						if b = bytes.Clone(b); len(b) >= p.Min {
							b[bit/8] |= 1 << (bit % 8)
							refuses(t, i, over, b)
						}
					}
				})
			}
		}
		if p.Asked {
			t.Run(p.Name+" without a question", func(t *testing.T) {
				f := in.NewFlow(true, 40000, table[i].Ports[0])
				f.dir[Orig].flags, f.dir[Resp].flags = whole|dead, whole
				for _, b := range texts {
					in.begin(f, Resp, 1)
					in.call.view[Resp].b = b
					if got := in.parse[overTCP][i](&in.call); got != no {
						t.Fatalf("%q: got %d, want no", b, got)
					}
				}
				in.Free(f)
			})
		}
		if p.Text || p.Asked {
			t.Run(p.Name+" text", func(t *testing.T) {
				for _, b := range texts {
					for at := 0; at < 8 && (at == 0 || b[at-1] != '\n'); at++ {
						for _, control := range []byte{0, 1, 8, 0x0b, 0x1f, 0x7f} {
							changed := bytes.Clone(b)
							changed[at] = control
							if p.First == nil || p.First.has(changed[0]) {
								refuses(t, i, overTCP, changed)
							}
						}
					}
				}
			})
		}
	}
	if asked < 100000 {
		t.Errorf("only %d questions", asked)
	}
}

// TestRulingOutChangesNothing plays the project's conversations, and what fuzzing found, to parsers of which none is ruled out by what the
// table says of first bytes, and wants the same facts.
func TestRulingOutChangesNothing(t *testing.T) {
	in, all := newInspector(Config{}), newInspector(Config{})
	own := *all.finder
	all.finder = &own
	own.texts, own.asked = parserSet{}, parserSet{}
	for over := range own.gates {
		own.gates[over] = slices.Clone(own.gates[over])
		for i := range own.gates[over] {
			own.gates[over][i].zeros = 0
		}
	}
	var inputs [][]byte
	for _, s := range append(samples(), recorded(t)...) {
		inputs = append(inputs, s.fuzzInput())
	}
	for _, found := range seeds(t) {
		inputs = append(inputs, found...)
	}
	for _, b := range inputs {
		if got, want := converse(t, in, b), converse(t, all, b); !maps.Equal(got, want) {
			t.Errorf("%.60q: got %v, want %v", b, got, want)
		}
	}
}
