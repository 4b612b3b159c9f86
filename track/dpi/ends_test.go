package dpi

import "testing"

// TestEnds closes directions where it hurts: before a word was said, after every message, one end
// without the other. Nothing may be said that is not so.
func TestEnds(t *testing.T) {
	in := NewInspector(Config{})
	for _, s := range samples() {
		if !s.tcp {
			continue
		}
		for _, mute := range []Side{Orig, Resp, 2} { // whose words are lost; 2 = nobody's
			for stop := range len(s.msgs) + 1 {
				for _, first := range []Side{Orig, Resp} { // who closes first
					for _, early := range []bool{true, false} { // the mute end closes before all else
						f := in.NewFlow(true, s.orig, s.resp)
						next := [2]uint32{testISN + 1, testISN + 1}
						for side := Orig; side <= Resp; side++ {
							in.Segment(f, side, testISN, true, false, nil, 0, 0)
						}
						if early && mute < 2 {
							in.Segment(f, mute, next[mute], false, true, nil, 0, 1)
						}
						for i, m := range s.msgs[:stop] {
							if m.side == mute {
								continue
							}
							in.Segment(f, m.side, next[m.side], false, false, m.b, uint32(len(m.b)), int64(i)*1000)
							next[m.side] += uint32(len(m.b))
						}
						in.Segment(f, first, next[first], false, true, nil, 0, 1e6)
						in.Segment(f, 1-first, next[1-first], false, true, nil, 0, 1e6)
						in.End(f, 2e6)
						got := facts(f.App())
						if mute < 2 && got["app"] == "tls" {
							delete(got, "app") // what went before the ClientHello is not there to be seen
						}
						if c := contradiction(got, s.want); c != "" {
							t.Errorf("%s: without end %d, %d messages, end %d closes first: %s", s.name, mute, stop, first, c)
						}
						in.Free(f)
					}
				}
			}
		}
	}
}
