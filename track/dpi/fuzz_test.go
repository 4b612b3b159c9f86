package dpi

import (
	"flag"
	"slices"
	"testing"

	"rustnet/track/event"
)

var fuzzed = flag.String("parser", "", "the only parser that FuzzParser asks")

// FuzzParsers sends any bytes in any pieces to all parsers. Input: a byte of flags (TCP, start not seen, over
// a protocol without ports, whose number is in the first port's place), the ports, then
// pieces, each behind its length, side and a jump of the sequence number.
func FuzzParsers(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.fuzzInput())
	}
	f.Fuzz(func(t *testing.T, b []byte) { converse(t, newInspector(Config{Names: true}), b) })
}

// FuzzParser sends the same to one parser alone, so that no other takes the bytes away and all the time goes into
// its code: the one that -parser names, from the conversations that it recognises, those of the captures
// among them, and from what was found before (TestSeeds). Without the flag every input goes to each parser, so that what was found once is asked again for ever.
func FuzzParser(f *testing.F) {
	var alone []*Inspector
	for i := range table {
		if *fuzzed == "" || table[i].Name == *fuzzed {
			alone = append(alone, onlyParser(i))
		}
	}
	if len(alone) == 0 {
		f.Fatalf("-parser: no parser %q in the table", *fuzzed)
	}
	recognised := 0
	for _, s := range append(samples(), recorded(f)...) {
		if *fuzzed != "" {
			if got := s.on(alone[0]); got["app"] == "" {
				continue
			}
		}
		recognised++
		f.Add(s.fuzzInput())
	}
	for _, b := range seeds(f)[*fuzzed] {
		f.Add(b)
	}
	if recognised == 0 {
		f.Fatalf("no conversation that %q recognises", *fuzzed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, in := range alone {
			converse(t, in, b)
		}
	})
}

// TestLengthsBeyondAnInt puts into every place where a length can be one that an int of 32 bits does not hold, and those next to it: nothing
// is read where nothing is. It says most under GOARCH=386.
func TestLengthsBeyondAnInt(t *testing.T) {
	in, step := newInspector(Config{Names: true}), 1
	if testing.Short() {
		step = 7
	}
	for _, s := range samples() {
		for m := range s.msgs {
			whole := s.msgs[m].b
			for at := 0; at+4 <= min(len(whole), 96); at += step {
				for _, word := range []string{"\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\x00\x00\x80", "\x7f\xff\xff\xff", "\xff\xff\xff\x7f"} {
					s.msgs[m].b = slices.Concat(whole[:at], []byte(word), whole[at+4:])
					s.on(in)
				}
			}
			s.msgs[m].b = whole
		}
	}
}

// TestEveryParserHasASeed holds that FuzzParser has something to begin with, whichever parser is named.
func TestEveryParserHasASeed(t *testing.T) {
	all := append(samples(), recorded(t)...)
	for i := range table {
		in, found := onlyParser(i), false
		for j := range all {
			found = found || all[j].on(in)["app"] != ""
		}
		if !found {
			t.Errorf("%s recognises no sample and no capture on its own", table[i].Name)
		}
	}
}

// onlyParser is an Inspector that asks one parser, and those that it hands over to.
func onlyParser(i int) *Inspector {
	in := newInspector(Config{Names: true})
	own := *in.finder
	in.finder = &own
	in.portless = map[uint16]uint8{table[i].Proto: portless[table[i].Proto]}
	var only parserSet
	only.add(i)
	for transport := range in.first {
		for b := range in.first[transport] {
			in.first[transport][b].keep(&only)
		}
	}
	return in
}

// flow begins the inspection of the conversation.
func (s *sample) flow(in *Inspector) *Flow {
	if s.over != 0 {
		return in.NewFlowOver(s.over)
	}
	return in.NewFlow(s.tcp, s.orig, s.resp)
}

// on gives the conversation to an Inspector and returns what it learns.
func (s *sample) on(in *Inspector) map[string]string {
	f := s.flow(in)
	defer in.Free(f)
	if s.tcp {
		return runSegments(in, f, s.msgs)
	}
	for i, m := range s.msgs {
		in.Datagram(f, m.side, m.b, uint32(len(m.b)), int64(i+1)*1e6)
	}
	return facts(f.App())
}

// fuzzInput is the conversation in the form that converse reads.
func (s *sample) fuzzInput() []byte {
	head, first := byte(0), s.orig
	switch {
	case s.tcp:
		head = 1
	case s.over != 0:
		head, first = 4, s.over
	}
	b := []byte{head, byte(first >> 8), byte(first), byte(s.resp >> 8), byte(s.resp)}
	for _, m := range s.msgs {
		for _, p := range cut([]message{m}, 1200) {
			b = append(append(b, byte(len(p.b)>>8)|byte(p.side)<<7, byte(len(p.b)), 0), p.b...)
		}
	}
	return b
}

// converse plays a fuzzer's input: a connection that must stay within its bounds. It returns what was learned of it.
func converse(t *testing.T, in *Inspector, b []byte) map[string]string {
	if len(b) < 5 {
		return nil
	}
	tcp := b[0]&1 != 0
	fl := in.NewFlow(tcp, be16(b[1:]), be16(b[3:]))
	if !tcp && b[0]&4 != 0 {
		fl.only = in.portless[be16(b[1:])]
	}
	seq := [2]uint32{100, 200}
	if b[0]&2 == 0 {
		in.Segment(fl, Orig, 99, true, false, nil, 0, 0)
		in.Segment(fl, Resp, 199, true, false, nil, 0, 0)
	}
	var seen *event.App
	for i, p := int64(0), b[5:]; len(p) > 3; i++ {
		n, side, jump := int(be16(p)&0x7fff), Side(p[0]>>7), p[2]
		p = p[3:]
		n = min(n, len(p))
		wire := uint32(n)
		if jump&0x40 != 0 {
			wire += 10
		}
		seq[side] += uint32(int32(int8(jump<<3)) >> 3)
		var r Result
		if tcp {
			r = in.Segment(fl, side, seq[side], false, jump&0x80 != 0, p[:n], wire, i*1e8)
		} else {
			r = in.Datagram(fl, side, p[:n], wire, i*1e8)
		}
		seq[side] += wire
		p = p[n:]
		if app := fl.App(); app != nil && app != seen {
			seen = app
			if wrong := misspelt(fl.App()); wrong != "" {
				t.Fatal(wrong)
			}
			for name, v := range facts(fl.App()) {
				if v == "" || len(v) > 64<<10 {
					t.Fatalf("%s is %d bytes long", name, len(v))
				}
			}
		}
		if r&Finished != 0 {
			break
		}
	}
	if in.total > 256<<10 {
		t.Fatalf("%d bytes kept of one connection", in.total)
	}
	in.End(fl, 1e12)
	learned := facts(fl.App())
	in.Free(fl)
	if in.total != 0 {
		t.Fatalf("%d bytes kept after the flow was freed", in.total)
	}
	return learned
}

// FuzzPayload sends any bytes as one segment or datagram of either end, on every parser's port.
func FuzzPayload(f *testing.F) {
	for _, s := range samples() {
		for _, m := range s.msgs {
			f.Add(m.b, s.msgs[0].b)
		}
	}
	f.Fuzz(func(t *testing.T, b, reply []byte) {
		in := newInspector(Config{Names: true})
		for i := range table {
			p := &table[i]
			for _, tcp := range []bool{false, true} {
				s := sample{tcp: tcp, orig: 40000}
				if p.Over != nil && !tcp {
					s.over = p.Proto
				} else if p.Ports != nil {
					s.resp = p.Ports[0]
				}
				fl := s.flow(in)
				if tcp {
					in.Segment(fl, Orig, 1, false, false, b, uint32(len(b)), 0)
					in.Segment(fl, Resp, 1, false, true, reply, uint32(len(reply)), 1)
				} else {
					in.Datagram(fl, Orig, b, uint32(len(b)), 0)
					in.Datagram(fl, Resp, reply, uint32(len(reply))+1, 1)
				}
				if a := fl.App(); a != nil && a.Name == "" {
					t.Fatalf("facts without a name: %v", facts(a))
				}
				in.Free(fl)
			}
			if in.total != 0 {
				t.Fatalf("%d bytes kept after the flows were freed", in.total)
			}
		}
	})
}
