package pcapfilter

import (
	"slices"
	"testing"

	"rustnet/capture"
)

// TestSet: one expression, packets of several link types, each by its own program.
func TestSet(t *testing.T) {
	for _, expr := range []string{"tcp prot 80", "port nosuchport", "ether host nosuchhost", "ip proto nosuchproto", "host 10.0.0.1 and net nosuchnet"} {
		if s, err := NewSet(expr); err == nil {
			t.Errorf("%s: got %v, want an error", expr, s)
		}
	}
	if _, err := NewSet("ifindex 3"); err != nil {
		t.Errorf("what can be used with Linux's cooked packets alone: %v", err)
	}
	udp := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 99, 0, 8, 0, 0}
	ether := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, udp...)
	frames := []capture.Frame{
		{Data: ether, Link: capture.LinkEthernet}, {Data: udp, Link: capture.LinkRaw},
		{Data: ether, Link: capture.LinkEthernet, VLANs: true, VLAN: 7}, {Data: udp, Link: 9999},
	}
	for expr, want := range map[string][]bool{
		"udp port 53":                 {true, true, true, false},
		"ether src 02:00:00:00:00:02": {true, false, true, false},
		"tcp":                         {false, false, false, false},
		"less 40":                     {false, true, false, false},
	} {
		s, err := NewSet(expr)
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, i := range []int{0, 1, 2, 3, 1, 0} {
			fr := frames[i]
			fr.Len = uint32(len(fr.Data))
			got = append(got, s.Match(fr.Link, &fr))
		}
		if all := append(slices.Clone(want), want[1], want[0]); !slices.Equal(got, all) {
			t.Errorf("%s: got %v, want %v", expr, got, all)
		}
		if s.Err() == nil {
			t.Errorf("%s: nothing is said of link type 9999", expr)
		}
	}
}
